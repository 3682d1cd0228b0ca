/* PXE base code: Dhcp and Discover. */
#include "pxe.h"

#define LAYER_CREDENTIALS 0x8000u /* of boot integrity services */

static void keep(struct pxe *p, unsigned which, const struct dhcp4_packet *m)
{
    p->valid[which] = m->len != 0;
    memset(p->packet[which], 0, DHCP4_SIZE);
    memcpy(p->packet[which], m->raw, m->len);
}

/* SMBIOS has the first three fields of a UUID little-endian. */
static void put_uuid(uint8_t out[16], const uint8_t uuid[16])
{
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

    for (unsigned i = 0; i < 16; i++)
        out[i] = uuid[order[i]];
}

static void use_address(struct pxe *p)
{
    p->net.ip = p->dhcp.address;
    p->net.mask = p->dhcp.mask;
    p->net.gateway = p->dhcp.router;
}

static void transmit(void *opaque, const struct udp4_datagram *d)
{
    struct pxe *p = opaque;

    if (!p->net.ip) /* known before the end when a proxy is asked */
        use_address(p);
    udp4_output(&p->net, d); /* what does not go out is repeated */
}

static void input(struct pxe *p, const struct udp4_datagram *d, uint64_t now)
{
    dhcp4_input(&p->dhcp, d, now);
}

static bool dhcp_over(struct pxe *p, uint64_t now, uint64_t *status)
{
    struct dhcp4_client *c = &p->dhcp;

    dhcp4_poll(c, now);
    if (dhcp4_busy(c))
        return false;
    *status = c->state == DHCP4_DONE ? EFI_SUCCESS : c->offers ? EFI_NO_RESPONSE : EFI_TIMEOUT;
    keep(p, PXE_DISCOVER, &c->discover);
    if (*status != EFI_SUCCESS)
        return true;
    keep(p, PXE_ACK, &c->ack);
    keep(p, PXE_PROXY, &c->proxy);
    use_address(p);
    return true;
}

static const struct pxe_operation dhcp_operation = {.input = input, .poll = dhcp_over};

static void prepare(struct pxe *p)
{
    struct dhcp4_client *c = &p->dhcp;

    memcpy(c->mac, p->net.mac, UDP4_MAC);
    put_uuid(c->uuid, p->b->fw->cfg.uuid);
    c->opaque = p;
    c->send = transmit;
}

void pxe_dhcp_run(struct pxe *p, bool sort)
{
    p->net.ip = p->net.mask = p->net.gateway = 0;
    p->net.arps = 0;
    p->net.waiting_len = 0;
    netif_up(p->n);
    prepare(p);
    p->dhcp.sort = sort;
    dhcp4_start(&p->dhcp, (uint32_t)boot_now(p->b), pxe_ms(p->b));
    pxe_run(p, &dhcp_operation);
}

static void pass_on(struct boot *b, struct task *t, uint64_t status)
{
    task_done(b, t, status);
}

/* (this, sort offers) */
uint64_t pxe_dhcp(struct boot *b, struct fwcall *k)
{
    uint64_t status;
    struct pxe *p = pxe_of(b, k, &status);

    if (!p)
        return status;
    if (!pxe_task(p, k, pass_on))
        return EFI_OUT_OF_RESOURCES;
    pxe_dhcp_run(p, k->arg[1] & 0xff);
    return EFI_SUCCESS;
}

/* --- boot servers --- */

static void server_input(struct pxe *p, const struct udp4_datagram *d, uint64_t now)
{
    bool allowed = p->server_count == 0;

    for (unsigned i = 0; i < p->server_count; i++)
        allowed |= p->servers[i] == d->src;
    if (allowed)
        dhcp4_input(&p->dhcp, d, now);
}

static bool server_over(struct pxe *p, uint64_t now, uint64_t *status)
{
    struct dhcp4_client *c = &p->dhcp;

    dhcp4_poll(c, now);
    if (dhcp4_busy(c))
        return false;
    *status = c->state == DHCP4_DONE ? EFI_SUCCESS : EFI_TIMEOUT;
    keep(p, PXE_SERVER_DISCOVER, &c->pxe_discover);
    keep(p, PXE_REPLY, &c->pxe_reply);
    return true;
}

static const struct pxe_operation server_operation = {.input = server_input, .poll = server_over};

static void ask(struct pxe *p, uint16_t type, uint16_t layer, uint32_t address)
{
    prepare(p);
    p->dhcp.address = p->net.ip;
    if (!p->dhcp.xid)
        p->dhcp.xid = (uint32_t)boot_now(p->b);
    netif_up(p->n);
    dhcp4_ask_server(&p->dhcp, type, layer, address, pxe_ms(p->b));
}

/* What DHCP said about boot servers: the proxy's word, or the server's. */
static bool offered(const struct pxe *p, struct dhcp4_info *i)
{
    unsigned from = p->valid[PXE_PROXY] ? PXE_PROXY : PXE_ACK;

    return p->valid[from] && dhcp4_read(p->packet[from], DHCP4_SIZE, i) && i->pxe;
}

static uint32_t discovery_address(const struct dhcp4_info *i)
{
    if (i->multicast && !(i->control & DHCP4_CONTROL_NO_MULTICAST))
        return i->multicast;
    if (!(i->control & DHCP4_CONTROL_NO_BROADCAST))
        return UDP4_BROADCAST;
    return i->item_server;
}

/* The listed server only, when the list is all there is. */
static void limit_servers(struct pxe *p, const struct dhcp4_info *i)
{
    p->server_count = 0;
    if ((i->control & DHCP4_CONTROL_LIST_ONLY) && i->item_server)
        p->servers[p->server_count++] = i->item_server;
}

bool pxe_discover_run(struct pxe *p)
{
    struct dhcp4_info i;
    uint32_t address;

    if (!offered(p, &i) || !i.has_item || i.item == 0 ||
        (i.file[0] && (i.control & DHCP4_CONTROL_USE_FILE)))
        return false;
    address = discovery_address(&i);
    if (!address)
        return false;
    limit_servers(p, &i);
    ask(p, i.item, 0, address);
    pxe_run(p, &server_operation);
    return true;
}

/* w[0]: where the layer is. The answer's item (PXE option 71) says which one the server gave. */
static void discovered(struct boot *b, struct task *t, uint64_t status)
{
    struct pxe *p = t->data;
    const uint8_t *v;
    uint16_t layer;
    unsigned n;

    v = b->nets && status == EFI_SUCCESS
            ? dhcp4_option(p->packet[PXE_REPLY], DHCP4_SIZE, DHCP4_VENDOR, &n)
            : NULL;
    for (unsigned at = 0; v && at + 6 <= n && v[at] != DHCP4_END; at += 2u + v[at + 1]) {
        if (v[at] != 71 || v[at + 1] != 4)
            continue;
        layer = udp4_get16(v + at + 4);
        boot_write(b, t->w[0], &layer, 2);
        break;
    }
    task_done(b, t, status);
}

/* EFI_PXE_BASE_CODE_DISCOVER_INFO: how to ask, and which servers may answer. */
#define INFO_SIZE   24
#define SERVER_SIZE 20

static uint64_t read_info(struct pxe *p, uint64_t at, uint16_t type, uint32_t *address)
{
    uint8_t info[INFO_SIZE], s[SERVER_SIZE];
    uint16_t count;
    uint32_t first = 0;

    if (!boot_read(p->b, at, info, sizeof(info)))
        return EFI_INVALID_PARAMETER;
    memcpy(&count, info + 20, 2);
    p->server_count = 0;
    for (unsigned i = 0; i < MIN(count, G_N_ELEMENTS(p->servers)); i++) {
        uint16_t listed;

        if (!boot_read(p->b, at + INFO_SIZE + SERVER_SIZE * i, s, sizeof(s)))
            return EFI_INVALID_PARAMETER;
        memcpy(&listed, s, 2);
        if (listed != type)
            continue;
        if (!first)
            first = udp4_get32(s + 4);
        if (info[3] && !s[2])
            p->servers[p->server_count++] = udp4_get32(s + 4);
    }
    *address = info[0] ? udp4_get32(info + 4) : info[1] ? UDP4_BROADCAST : info[2] ? first : 0;
    return *address && (!info[0] || udp4_is_multicast(*address)) ? EFI_SUCCESS
                                                                 : EFI_INVALID_PARAMETER;
}

/* (this, type, *layer, use integrity services, *info) */
uint64_t pxe_discover(struct boot *b, struct fwcall *k)
{
    uint64_t status;
    struct pxe *p = pxe_of(b, k, &status);
    uint16_t layer, type = (uint16_t)k->arg[1];
    struct dhcp4_info i;
    uint32_t address = 0;
    struct task *t;

    if (!p)
        return status;
    if (!p->net.ip || !boot_read(b, k->arg[2], &layer, 2))
        return EFI_INVALID_PARAMETER;
    if ((k->arg[3] & 0xff) || (layer & LAYER_CREDENTIALS))
        return EFI_UNSUPPORTED;
    if (k->arg[4]) {
        status = read_info(p, k->arg[4], type, &address);
    } else if (offered(p, &i)) {
        address = discovery_address(&i);
        limit_servers(p, &i);
    }
    if (status != EFI_SUCCESS || !address)
        return EFI_INVALID_PARAMETER;
    t = pxe_task(p, k, discovered);
    if (!t)
        return EFI_OUT_OF_RESOURCES;
    t->w[0] = k->arg[2];
    ask(p, type, layer, address);
    pxe_run(p, &server_operation);
    return EFI_SUCCESS;
}
