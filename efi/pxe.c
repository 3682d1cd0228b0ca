/* EFI_PXE_BASE_CODE_PROTOCOL (EFI 1.10, section 15.3): the interface, its mode structure, and the
 * functions that need no waiting. No IPv6, no boot integrity services, no callback protocol.
 */
#include "pxe.h"
#include "le.h"

#define REVISION 0x00010000
#define MODE_AT  112

/* EFI_PXE_BASE_CODE_MODE */
enum {
    AT_FLAGS = 0,
    AT_STATION = 20,
    AT_MASK = 36,
    AT_PACKETS = 52,
    AT_FILTER = AT_PACKETS + PXE_PACKETS * DHCP4_SIZE,
    AT_ARP_COUNT = AT_FILTER + 4 + PXE_FILTERS * PXE_IP,
    AT_ARP = AT_ARP_COUNT + 4,
    AT_ROUTE_COUNT = AT_ARP + UDP4_ARP_MAX * 48,
    AT_ROUTES = AT_ROUTE_COUNT + 4,
    AT_ICMP = AT_ROUTES + 8 * 48,
    AT_TFTP = AT_ICMP + PXE_ICMP_SIZE,
    MODE_SIZE = AT_TFTP + 128,
};

#define DEFAULT_TTL 16
#define FIRST_PORT  2070

static const char kind[] = "PXE base code";

struct pxe *pxe_of(struct boot *b, const struct fwcall *k, uint64_t *status)
{
    struct pxe *p = boot_object(b, k->arg[0], kind);

    *status = !p            ? EFI_INVALID_PARAMETER
              : !p->started ? EFI_NOT_STARTED
              : p->busy     ? EFI_NOT_READY
                            : EFI_SUCCESS;
    return *status == EFI_SUCCESS ? p : NULL;
}

bool pxe_read_ip(struct boot *b, uint64_t at, uint32_t *ip)
{
    uint8_t d[4];

    if (!boot_read(b, at, d, sizeof(d)))
        return false;
    *ip = udp4_get32(d);
    return true;
}

bool pxe_write_ip(struct boot *b, uint64_t at, uint32_t ip)
{
    uint8_t d[PXE_IP] = {0};

    udp4_put32(d, ip);
    return boot_write(b, at, d, sizeof(d));
}

uint16_t pxe_port(struct pxe *p)
{
    if (p->port < FIRST_PORT)
        p->port = FIRST_PORT;
    return p->port++;
}

bool pxe_ip_wanted(const struct pxe *p, uint32_t dst)
{
    bool multicast = udp4_is_multicast(dst);

    if ((p->filters & PXE_FILTER_ALL) || ((p->filters & PXE_FILTER_MCAST) && multicast) ||
        ((p->filters & PXE_FILTER_STATION) && dst == p->net.ip) ||
        ((p->filters & PXE_FILTER_BCAST) && dst == UDP4_BROADCAST))
        return true;
    for (unsigned i = 0; i < p->filter_count; i++)
        if (p->filter[i] == dst)
            return true;
    return false;
}

/* --- the mode structure --- */

static void put_tables(const struct pxe *p, uint8_t *m)
{
    m[AT_FILTER] = p->filters;
    m[AT_FILTER + 1] = (uint8_t)p->filter_count;
    for (unsigned i = 0; i < p->filter_count; i++)
        udp4_put32(m + AT_FILTER + 4 + PXE_IP * i, p->filter[i]);
    put_le32(m + AT_ARP_COUNT, p->net.arps);
    for (unsigned i = 0; i < p->net.arps; i++) {
        udp4_put32(m + AT_ARP + 48 * i, p->net.arp[i].ip);
        memcpy(m + AT_ARP + 48 * i + PXE_IP, p->net.arp[i].mac, UDP4_MAC);
    }
    if (p->net.gateway) { /* the default route: everything behind the gateway */
        put_le32(m + AT_ROUTE_COUNT, 1);
        udp4_put32(m + AT_ROUTES + 2 * PXE_IP, p->net.gateway);
    }
}

void pxe_put_mode(struct pxe *p)
{
    uint8_t *m = g_malloc0(MODE_SIZE);
    const uint8_t flags[] = {p->started,
                             0,
                             0,
                             0,
                             0,
                             0,
                             p->auto_arp,
                             p->send_guid,
                             p->valid[PXE_DISCOVER],
                             p->valid[PXE_ACK],
                             p->valid[PXE_PROXY],
                             p->valid[PXE_SERVER_DISCOVER],
                             p->valid[PXE_REPLY],
                             p->valid[PXE_BIS],
                             p->icmp_received,
                             p->tftp_failed,
                             0,
                             p->ttl,
                             p->tos};

    memcpy(m + AT_FLAGS, flags, sizeof(flags));
    udp4_put32(m + AT_STATION, p->net.ip);
    udp4_put32(m + AT_MASK, p->net.mask);
    memcpy(m + AT_PACKETS, p->packet, sizeof(p->packet));
    put_tables(p, m);
    memcpy(m + AT_ICMP, p->icmp, PXE_ICMP_SIZE);
    if (p->tftp_failed) {
        m[AT_TFTP] = (uint8_t)p->tftp.error_code;
        memcpy(m + AT_TFTP + 1, p->tftp.error_text, 127);
    }
    boot_write(p->b, p->at + MODE_AT, m, MODE_SIZE);
    g_free(m);
}

/* --- start and stop --- */

static void transmit(void *opaque, const uint8_t *frame, size_t len)
{
    struct pxe *p = opaque;

    if (p->n->nic.open)
        nic_send(&p->n->nic, frame, len); /* what does not go out is repeated */
}

static void clear(struct pxe *p)
{
    memset(&p->net, 0, sizeof(p->net));
    memset(p->valid, 0, sizeof(p->valid));
    memset(p->packet, 0, sizeof(p->packet));
    memset(p->icmp, 0, sizeof(p->icmp));
    p->icmp_received = p->tftp_failed = false;
    p->filters = 0;
    p->filter_count = 0;
    p->auto_arp = true;
    p->send_guid = false;
    p->ttl = p->net.ttl = DEFAULT_TTL;
    p->tos = 0;
    p->loaded = p->has_size = false;
    p->net.opaque = p;
    p->net.send = transmit;
    p->net.ident = (uint16_t)boot_now(p->b);
}

uint64_t pxe_begin(struct pxe *p)
{
    uint64_t status = netif_up(p->n);

    if (status != EFI_SUCCESS)
        return status;
    clear(p);
    memcpy(p->net.mac, p->n->nic.current, UDP4_MAC);
    netif_listen(p->n, NIC_UNICAST | NIC_BROADCAST);
    p->started = true;
    pxe_put_mode(p);
    return EFI_SUCCESS;
}

void pxe_end(struct pxe *p)
{
    netif_down(p->n);
    p->started = false;
    pxe_put_mode(p);
}

/* (this, use IPv6) */
static uint64_t pxe_start(struct boot *b, struct fwcall *k)
{
    struct pxe *p = boot_object(b, k->arg[0], kind);

    if (!p)
        return EFI_INVALID_PARAMETER;
    if (p->started)
        return EFI_ALREADY_STARTED;
    return k->arg[1] & 0xff ? EFI_UNSUPPORTED : pxe_begin(p);
}

static uint64_t pxe_stop(struct boot *b, struct fwcall *k)
{
    uint64_t status;
    struct pxe *p = pxe_of(b, k, &status);

    if (p)
        pxe_end(p);
    return status;
}

/* --- settings --- */

/* (this, *filter) */
static uint64_t pxe_set_ip_filter(struct boot *b, struct fwcall *k)
{
    uint8_t f[4 + PXE_FILTERS * PXE_IP];
    uint64_t status;
    struct pxe *p = pxe_of(b, k, &status);
    uint32_t extra = 0;

    if (!p)
        return status;
    if (!boot_read(b, k->arg[1], f, sizeof(f)) || (f[0] & ~15u) || f[1] > PXE_FILTERS)
        return EFI_INVALID_PARAMETER;
    for (unsigned i = 0; i < f[1]; i++)
        if (udp4_get32(f + 4 + PXE_IP * i) == UDP4_BROADCAST)
            return EFI_INVALID_PARAMETER;
    p->filters = f[0];
    p->filter_count = f[1];
    for (unsigned i = 0; i < f[1]; i++) {
        p->filter[i] = udp4_get32(f + 4 + PXE_IP * i);
        extra |= udp4_is_multicast(p->filter[i]) ? NIC_ALL_MCAST : 0;
    }
    extra |= p->filters & PXE_FILTER_MCAST ? NIC_ALL_MCAST : 0;
    extra |= p->filters & PXE_FILTER_ALL ? NIC_PROMISCUOUS : 0;
    p->net.promiscuous = p->filters & PXE_FILTER_ALL;
    status = netif_up(p->n);
    netif_listen(p->n, extra);
    pxe_put_mode(p);
    return status;
}

/* (this, *automatic ARP, *send GUID, *TTL, *ToS, *callbacks) */
static uint64_t pxe_set_parameters(struct boot *b, struct fwcall *k)
{
    uint8_t v[5] = {0};
    uint64_t status;
    struct pxe *p = pxe_of(b, k, &status);

    if (!p)
        return status;
    for (unsigned i = 0; i < 5; i++)
        if (k->arg[1 + i] && !boot_read(b, k->arg[1 + i], &v[i], 1))
            return EFI_INVALID_PARAMETER;
    if (v[4]) /* nobody to call */
        return EFI_INVALID_PARAMETER;
    if (k->arg[1])
        p->auto_arp = v[0];
    if (k->arg[2])
        p->send_guid = v[1];
    if (k->arg[3])
        p->ttl = p->net.ttl = v[2];
    if (k->arg[4])
        p->tos = p->net.tos = v[3];
    pxe_put_mode(p);
    return EFI_SUCCESS;
}

/* (this, *address, *mask): what is known of neighbours is forgotten. */
static uint64_t pxe_set_station_ip(struct boot *b, struct fwcall *k)
{
    uint64_t status;
    struct pxe *p = pxe_of(b, k, &status);
    uint32_t ip, mask;

    if (!p)
        return status;
    ip = p->net.ip;
    mask = p->net.mask;
    if ((k->arg[1] && !pxe_read_ip(b, k->arg[1], &ip)) ||
        (k->arg[2] && !pxe_read_ip(b, k->arg[2], &mask)) || udp4_is_multicast(ip) ||
        ip == UDP4_BROADCAST || (~mask & (~mask + 1)))
        return EFI_INVALID_PARAMETER;
    p->net.ip = ip;
    p->net.mask = mask;
    p->net.arps = 0;
    p->net.gateway = 0;
    p->net.waiting_len = 0;
    pxe_put_mode(p);
    return EFI_SUCCESS;
}

/* (this, six flags, six packets), each a pointer or NULL */
static uint64_t pxe_set_packets(struct boot *b, struct fwcall *k)
{
    uint64_t status;
    struct pxe *p = pxe_of(b, k, &status);

    if (!p)
        return status;
    for (unsigned i = 0; i < PXE_PACKETS; i++) {
        uint64_t flag = boot_arg(b, k, 1 + i), packet = boot_arg(b, k, 1 + PXE_PACKETS + i);

        if ((flag && !boot_ram(b, flag, 1)) || (packet && !boot_ram(b, packet, DHCP4_SIZE)))
            return EFI_INVALID_PARAMETER;
    }
    for (unsigned i = 0; i < PXE_PACKETS; i++) {
        uint64_t flag = boot_arg(b, k, 1 + i), packet = boot_arg(b, k, 1 + PXE_PACKETS + i);
        uint8_t v = 0;

        if (flag && boot_read(b, flag, &v, 1))
            p->valid[i] = v != 0;
        if (packet)
            boot_read(b, packet, p->packet[i], DHCP4_SIZE);
    }
    p->has_size = false;
    pxe_put_mode(p);
    return EFI_SUCCESS;
}

/* --- the interface --- */

static boot_fn *const members[] = {pxe_start,          pxe_stop,           pxe_dhcp,
                                   pxe_discover,       pxe_mtftp,          pxe_udp_write,
                                   pxe_udp_read,       pxe_set_ip_filter,  pxe_arp,
                                   pxe_set_parameters, pxe_set_station_ip, pxe_set_packets};

void pxe_attach(struct netif *n)
{
    struct boot *b = n->b;
    struct pxe *p = g_new0(struct pxe, 1);

    n->pxe = p;
    p->n = n;
    p->b = b;
    p->at = boot_alloc(b, MODE_AT + MODE_SIZE);
    if (!p->at)
        return;
    boot_write64(b, p->at, REVISION);
    boot_put_functions(b, p->at + 8, members, G_N_ELEMENTS(members));
    boot_write64(b, p->at + MODE_AT - 8, p->at + MODE_AT);
    clear(p);
    pxe_put_mode(p);
    boot_bind(b, p->at, kind, p);
    handle_install(b, &n->handle, guid_pxe, p->at);
    pxe_boot_attach(p);
}

void pxe_detach(struct netif *n)
{
    g_clear_pointer(&n->pxe, g_free);
}
