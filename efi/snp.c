/* EFI_SIMPLE_NETWORK_PROTOCOL (EFI 1.10, section 15.1) on each network adapter.
 *
 * A transmit buffer is copied when it is given and can be taken back at once with GetStatus. There
 * is no interrupt: the event that tells of packets looks at the adapter when it is asked.
 */
#include "netif.h"
#include "le.h"

#define REVISION  0x00010000
#define MODE_AT   128
#define MODE_SIZE 656
#define MAC_FIELD 32 /* EFI_MAC_ADDRESS */
#define EVENT_AT  112

#define FILTER_MASK   0x1fu /* every NIC_... filter */
#define TYPE_ETHERNET 1
#define EEPROM_SIZE   (2 * NIC_EEPROM_WORDS)

#define STATUS_RECEIVE  1u
#define STATUS_TRANSMIT 2u

static const char kind[] = "simple network";

/* EFI_SIMPLE_NETWORK_MODE */
static void put_mode(struct netif *n)
{
    static const uint8_t broadcast[NIC_MAC] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t m[MODE_SIZE] = {0};
    const uint32_t words[] = {n->state, NIC_MAC,     NIC_HEADER, NIC_MTU,       EEPROM_SIZE,
                              2,        FILTER_MASK, n->filters, NIC_MCAST_MAX, n->mcasts};
    uint8_t *macs = m + sizeof(words);

    memcpy(m, words, sizeof(words));
    for (unsigned i = 0; i < n->mcasts; i++)
        memcpy(macs + MAC_FIELD * i, n->mcast[i], NIC_MAC);
    macs += MAC_FIELD * NIC_MCAST_MAX;
    memcpy(macs, n->nic.current, NIC_MAC);
    memcpy(macs + MAC_FIELD, broadcast, NIC_MAC);
    memcpy(macs + 2 * MAC_FIELD, n->nic.permanent, NIC_MAC);
    macs += 3 * MAC_FIELD;
    macs[0] = TYPE_ETHERNET;
    macs[1] = 1; /* address can be changed */
    macs[2] = 1; /* several frames can be on their way */
    macs[3] = 1; /* the medium is watched */
    macs[4] = nic_link(&n->nic);
    boot_write(n->b, n->at + MODE_AT, m, sizeof(m));
}

static void apply_filters(struct netif *n)
{
    nic_set_filters(&n->nic, n->filters, (const uint8_t(*)[NIC_MAC])n->mcast, n->mcasts);
}

/* --- states --- */

static uint64_t initialize(struct netif *n)
{
    uint64_t status = nic_open(&n->nic);

    if (status == EFI_SUCCESS)
        n->state = SNP_INITIALIZED;
    return status;
}

static void shut_down(struct netif *n)
{
    nic_close(&n->nic);
    n->state = SNP_STARTED;
    n->filters = 0;
    n->mcasts = 0;
    n->sents = 0;
    n->sent_new = false;
    n->frame_len = 0;
    memcpy(n->nic.current, n->nic.permanent, NIC_MAC);
}

uint64_t netif_up(struct netif *n)
{
    uint64_t status = n->state == SNP_INITIALIZED ? EFI_SUCCESS : initialize(n);

    if (status == EFI_SUCCESS)
        put_mode(n);
    return status;
}

void netif_down(struct netif *n)
{
    if (n->state == SNP_INITIALIZED)
        shut_down(n);
    n->state = SNP_STOPPED;
    put_mode(n);
}

void netif_listen(struct netif *n, uint32_t filters)
{
    if ((n->filters & filters) == filters)
        return;
    n->filters |= filters;
    apply_filters(n);
    put_mode(n);
}

size_t netif_receive(struct netif *n, uint8_t frame[NIC_FRAME])
{
    size_t len = n->frame_len;

    if (!len)
        return n->nic.open ? nic_receive(&n->nic, frame, NIC_FRAME) : 0;
    memcpy(frame, n->frame, len);
    n->frame_len = 0;
    return len;
}

/* The interface of a call that needs a state; NULL with the answer. */
static struct netif *in_state(struct boot *b, const struct fwcall *k, enum snp_state wanted,
                              uint64_t *status)
{
    struct netif *n = boot_object(b, k->arg[0], kind);

    *status = !n                        ? EFI_INVALID_PARAMETER
              : n->state == wanted      ? EFI_SUCCESS
              : n->state == SNP_STOPPED ? EFI_NOT_STARTED
              : wanted == SNP_STOPPED   ? EFI_ALREADY_STARTED
                                        : EFI_DEVICE_ERROR;
    return *status == EFI_SUCCESS ? n : NULL;
}

static uint64_t snp_start(struct boot *b, struct fwcall *k)
{
    uint64_t status;
    struct netif *n = in_state(b, k, SNP_STOPPED, &status);

    if (n) {
        n->state = SNP_STARTED;
        put_mode(n);
    }
    return status;
}

static uint64_t snp_stop(struct boot *b, struct fwcall *k)
{
    uint64_t status;
    struct netif *n = in_state(b, k, SNP_STARTED, &status);

    if (n) {
        n->state = SNP_STOPPED;
        put_mode(n);
    }
    return status;
}

/* (this, extra receive, extra transmit buffers): the sizes are fixed. */
static uint64_t snp_initialize(struct boot *b, struct fwcall *k)
{
    uint64_t status;
    struct netif *n = in_state(b, k, SNP_STARTED, &status);

    if (n) {
        status = initialize(n);
        put_mode(n);
    }
    return status;
}

/* (this, thoroughly): filters and the address stay. */
static uint64_t snp_reset(struct boot *b, struct fwcall *k)
{
    uint64_t status;
    struct netif *n = in_state(b, k, SNP_INITIALIZED, &status);

    if (!n)
        return status;
    nic_close(&n->nic);
    n->frame_len = 0;
    n->sents = 0;
    status = nic_open(&n->nic);
    if (status == EFI_SUCCESS)
        apply_filters(n);
    else
        shut_down(n);
    put_mode(n);
    return status;
}

static uint64_t snp_shutdown(struct boot *b, struct fwcall *k)
{
    uint64_t status;
    struct netif *n = in_state(b, k, SNP_INITIALIZED, &status);

    if (n) {
        shut_down(n);
        put_mode(n);
    }
    return status;
}

/* --- filters and addresses --- */

static bool read_mcasts(struct boot *b, uint64_t at, uint64_t count,
                        uint8_t list[NIC_MCAST_MAX][NIC_MAC])
{
    if (count > NIC_MCAST_MAX || (count && !at))
        return false;
    for (unsigned i = 0; i < count; i++)
        if (!boot_read(b, at + MAC_FIELD * i, list[i], NIC_MAC) || !(list[i][0] & 1))
            return false;
    return true;
}

/* (this, enable, disable, reset multicast list, count, list) */
static uint64_t snp_receive_filters(struct boot *b, struct fwcall *k)
{
    uint32_t enable = (uint32_t)k->arg[1], disable = (uint32_t)k->arg[2];
    uint8_t list[NIC_MCAST_MAX][NIC_MAC];
    bool forget = k->arg[3] & 0xff;
    uint64_t status;
    struct netif *n = in_state(b, k, SNP_INITIALIZED, &status);

    if (!n)
        return status;
    if (((enable | disable) & ~FILTER_MASK) ||
        (!forget && !read_mcasts(b, k->arg[5], k->arg[4], list)))
        return EFI_INVALID_PARAMETER;
    n->filters = (n->filters | enable) & ~disable;
    if (forget) {
        n->mcasts = 0;
    } else if (k->arg[4]) {
        n->mcasts = (unsigned)k->arg[4];
        memcpy(n->mcast, list, sizeof(n->mcast[0]) * n->mcasts);
    }
    apply_filters(n);
    put_mode(n);
    return EFI_SUCCESS;
}

/* (this, reset, *address) */
static uint64_t snp_station_address(struct boot *b, struct fwcall *k)
{
    uint8_t mac[NIC_MAC];
    uint64_t status;
    struct netif *n = in_state(b, k, SNP_INITIALIZED, &status);

    if (!n)
        return status;
    memcpy(mac, n->nic.permanent, NIC_MAC);
    if (!(k->arg[1] & 0xff) && (!boot_read(b, k->arg[2], mac, NIC_MAC) || (mac[0] & 1)))
        return EFI_INVALID_PARAMETER;
    nic_set_address(&n->nic, mac);
    put_mode(n);
    return EFI_SUCCESS;
}

/* (this, IPv6, *IP, *MAC): RFC 1112 and 2464. */
static uint64_t snp_mcast_ip_to_mac(struct boot *b, struct fwcall *k)
{
    uint8_t ip[16], mac[MAC_FIELD] = {1, 0, 0x5e};
    bool v6 = k->arg[1] & 0xff;
    uint64_t status;
    struct netif *n = in_state(b, k, SNP_INITIALIZED, &status);

    if (!n)
        return status;
    if (!boot_read(b, k->arg[2], ip, v6 ? 16 : 4) || (v6 ? ip[0] != 0xff : ip[0] >> 4 != 0xe))
        return EFI_INVALID_PARAMETER;
    mac[3] = ip[1] & 0x7f;
    memcpy(mac + 4, ip + 2, 2);
    if (v6) {
        mac[0] = mac[1] = 0x33;
        memcpy(mac + 2, ip + 12, 4);
    }
    return boot_write(b, k->arg[3], mac, sizeof(mac)) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

/* --- figures and memory of the adapter --- */

/* (this, reset, *size, table) */
static uint64_t snp_statistics(struct boot *b, struct fwcall *k)
{
    const uint64_t full = sizeof(uint64_t) * NIC_FIGURES;
    uint64_t status, room = 0;
    struct netif *n = in_state(b, k, SNP_INITIALIZED, &status);

    if (!n)
        return status;
    if ((k->arg[2] && !boot_read64(b, k->arg[2], &room)) || (!k->arg[2] && k->arg[3]))
        return EFI_INVALID_PARAMETER;
    nic_count(&n->nic);
    if (k->arg[3] && !boot_write(b, k->arg[3], n->nic.figures, MIN(room, full)))
        return EFI_INVALID_PARAMETER;
    if (k->arg[2])
        boot_write64(b, k->arg[2], full);
    if (k->arg[1] & 0xff)
        memset(n->nic.figures, 0, sizeof(n->nic.figures));
    return k->arg[2] && room < full ? EFI_BUFFER_TOO_SMALL : EFI_SUCCESS;
}

/* (this, read, offset, size, buffer): the EEPROM, by words; it cannot be written here. */
static uint64_t snp_nv_data(struct boot *b, struct fwcall *k)
{
    uint64_t status, at = k->arg[2], size = k->arg[3];
    struct netif *n = in_state(b, k, SNP_INITIALIZED, &status);

    if (!n)
        return status;
    if (at % 2 || size % 2 || at > EEPROM_SIZE || size > EEPROM_SIZE - at ||
        !boot_ram(b, k->arg[4], size))
        return EFI_INVALID_PARAMETER;
    if (!(k->arg[1] & 0xff))
        return EFI_UNSUPPORTED;
    for (unsigned i = 0; i < size / 2; i++) {
        uint16_t word = nic_eeprom(&n->nic, (unsigned)at / 2 + i);

        boot_write(b, k->arg[4] + 2 * i, &word, 2);
    }
    return EFI_SUCCESS;
}

/* --- frames --- */

static bool packet_ready(struct boot *b, void *data)
{
    struct netif *n = data;

    (void)b;
    return n->frame_len || nic_ready(&n->nic);
}

/* (this, *interrupt status, **buffer) */
static uint64_t snp_get_status(struct boot *b, struct fwcall *k)
{
    uint64_t status;
    struct netif *n = in_state(b, k, SNP_INITIALIZED, &status);
    uint32_t causes;

    if (!n)
        return status;
    causes = packet_ready(b, n) ? STATUS_RECEIVE : 0;
    causes |= n->sent_new ? STATUS_TRANSMIT : 0;
    if ((!k->arg[1] && !k->arg[2]) || (k->arg[1] && !boot_write(b, k->arg[1], &causes, 4)) ||
        (k->arg[2] && !boot_write64(b, k->arg[2], n->sents ? n->sent[0] : 0)))
        return EFI_INVALID_PARAMETER;
    if (k->arg[1])
        n->sent_new = false;
    if (k->arg[2] && n->sents) {
        n->sents--;
        memmove(n->sent, n->sent + 1, n->sents * sizeof(n->sent[0]));
    }
    put_mode(n);
    return EFI_SUCCESS;
}

/* Fills in the header in the caller's buffer, as EFI has it. */
static bool put_header(struct boot *b, const struct netif *n, const struct fwcall *k,
                       uint64_t buffer)
{
    uint64_t to = boot_arg(b, k, 5), proto = boot_arg(b, k, 6);
    uint8_t head[NIC_HEADER], type[2];

    memcpy(head + NIC_MAC, n->nic.current, NIC_MAC);
    if (!boot_read(b, to, head, NIC_MAC) || !boot_read(b, proto, type, 2) ||
        (k->arg[4] && !boot_read(b, k->arg[4], head + NIC_MAC, NIC_MAC)))
        return false;
    head[12] = type[1];
    head[13] = type[0];
    return boot_write(b, buffer, head, sizeof(head));
}

/* (this, header size, size, buffer, *source, *destination, *protocol) */
static uint64_t snp_transmit(struct boot *b, struct fwcall *k)
{
    uint64_t status, header = k->arg[1], size = k->arg[2];
    struct netif *n = in_state(b, k, SNP_INITIALIZED, &status);
    uint8_t frame[NIC_FRAME];

    if (!n)
        return status;
    if (size < NIC_HEADER)
        return EFI_BUFFER_TOO_SMALL;
    if (size > NIC_FRAME || (header && header != NIC_HEADER) || !boot_ram(b, k->arg[3], size) ||
        (header && !put_header(b, n, k, k->arg[3])))
        return EFI_INVALID_PARAMETER;
    if (n->sents == NETIF_SENT_MAX)
        return EFI_NOT_READY;
    boot_read(b, k->arg[3], frame, size);
    status = nic_send(&n->nic, frame, size);
    if (status == EFI_SUCCESS) {
        n->sent[n->sents++] = k->arg[3];
        n->sent_new = true;
    }
    return status;
}

/* (this, *header size, *size, buffer, *source, *destination, *protocol): a frame that does not fit
 * stays. */
static uint64_t snp_receive(struct boot *b, struct fwcall *k)
{
    uint64_t status, room, header = NIC_HEADER, proto = boot_arg(b, k, 6);
    struct netif *n = in_state(b, k, SNP_INITIALIZED, &status);
    uint8_t type[2], mac[MAC_FIELD] = {0};

    if (!n)
        return status;
    if (!boot_read64(b, k->arg[2], &room) || !k->arg[3])
        return EFI_INVALID_PARAMETER;
    if (!n->frame_len)
        n->frame_len = nic_receive(&n->nic, n->frame, sizeof(n->frame));
    if (!n->frame_len)
        return EFI_NOT_READY;
    boot_write64(b, k->arg[2], n->frame_len);
    if (room < n->frame_len)
        return EFI_BUFFER_TOO_SMALL;
    if (!boot_write(b, k->arg[3], n->frame, n->frame_len))
        return EFI_INVALID_PARAMETER;
    if (k->arg[1])
        boot_write64(b, k->arg[1], header);
    memcpy(mac, n->frame + NIC_MAC, NIC_MAC);
    if (k->arg[4])
        boot_write(b, k->arg[4], mac, sizeof(mac));
    memcpy(mac, n->frame, NIC_MAC);
    if (k->arg[5])
        boot_write(b, k->arg[5], mac, sizeof(mac));
    type[0] = n->frame[13];
    type[1] = n->frame[12];
    if (proto)
        boot_write(b, proto, type, sizeof(type));
    n->frame_len = 0;
    return EFI_SUCCESS;
}

/* --- handles --- */

static boot_fn *const members[] = {snp_start,           snp_stop,       snp_initialize,
                                   snp_reset,           snp_shutdown,   snp_receive_filters,
                                   snp_station_address, snp_statistics, snp_mcast_ip_to_mac,
                                   snp_nv_data,         snp_get_status, snp_transmit,
                                   snp_receive};

/* Acpi(PNP0A03,root)/Pci(device|0)/Mac(...) */
static void make_path(struct netif *n)
{
    uint8_t mac[MAC_FIELD + 1] = {0};

    memcpy(mac, n->nic.permanent, NIC_MAC);
    mac[MAC_FIELD] = TYPE_ETHERNET;
    devpath_add_acpi(&n->path, 0x0a03, n->nic.root);
    devpath_add_pci(&n->path, n->nic.device, 0);
    devpath_add(&n->path, 3, 11, mac, sizeof(mac));
}

static void publish(struct netif *n)
{
    struct boot *b = n->b;

    n->at = boot_alloc(b, MODE_AT + MODE_SIZE);
    if (!n->at)
        return;
    make_path(n);
    boot_write64(b, n->at, REVISION);
    boot_put_functions(b, n->at + 8, members, G_N_ELEMENTS(members));
    boot_write64(b, n->at + EVENT_AT, event_host(b, packet_ready, n));
    boot_write64(b, n->at + EVENT_AT + 8, n->at + MODE_AT);
    put_mode(n);
    boot_bind(b, n->at, kind, n);
    handle_install(b, &n->handle, guid_device_path, devpath_write(b, &n->path));
    handle_install(b, &n->handle, guid_snp, n->at);
    pxe_attach(n);
}

void net_init(struct boot *b)
{
    b->nets = g_ptr_array_new();
    for (unsigned root = 0; root < HPVM_PCI_ROOTS; root++)
        for (unsigned device = 0; device < 32; device++) {
            struct nic nic;
            struct netif *n;

            if (!nic_probe(b, root, device, &nic))
                continue;
            n = g_new0(struct netif, 1);
            n->b = b;
            n->nic = nic;
            g_ptr_array_add(b->nets, n);
            publish(n);
        }
}

void net_done(struct boot *b)
{
    for (unsigned i = 0; b->nets && i < b->nets->len; i++) {
        struct netif *n = b->nets->pdata[i];

        nic_close(&n->nic);
        pxe_detach(n);
        g_free(n);
    }
    if (b->nets)
        g_ptr_array_unref(b->nets);
    b->nets = NULL;
}
