/* PXE base code: UdpWrite, UdpRead and Arp. */
#include "pxe.h"

#define ANY_SRC_IP   0x01u
#define ANY_SRC_PORT 0x02u
#define ANY_DST_IP   0x04u
#define ANY_DST_PORT 0x08u
#define USE_FILTER   0x10u
#define FLAGS        0x3fu
#define READ_MS      3000
#define RESOLVE_MS   3000
#define ASK_AGAIN_MS 1000
#define MAC_FIELD    32

static bool read_port(struct boot *b, uint64_t at, uint16_t *port)
{
    return boot_read(b, at, port, 2);
}

static void ignore(struct pxe *p, const struct udp4_datagram *d, uint64_t now)
{
    (void)p;
    (void)d;
    (void)now;
}

/* --- addresses --- */

/* Asks for p->udp.wanted until it is known or there is no time left. */
static bool resolve(struct pxe *p, uint64_t now, uint64_t *status)
{
    const uint8_t *mac = udp4_neighbour(&p->net, p->udp.wanted);

    if (!mac && now < p->udp.deadline) {
        if (now >= p->udp.again) {
            udp4_ask(&p->net, p->udp.wanted);
            p->udp.again = now + ASK_AGAIN_MS;
        }
        return false;
    }
    *status = mac ? EFI_SUCCESS : EFI_TIMEOUT;
    if (mac && p->udp.mac_at) {
        uint8_t field[MAC_FIELD] = {0};

        memcpy(field, mac, UDP4_MAC);
        boot_write(p->b, p->udp.mac_at, field, sizeof(field));
    }
    return true;
}

static const struct pxe_operation arp_operation = {.input = ignore, .poll = resolve};

/* (this, *address, *hardware address) */
uint64_t pxe_arp(struct boot *b, struct fwcall *k)
{
    uint64_t status, now = pxe_ms(b);
    struct pxe *p = pxe_of(b, k, &status);
    uint32_t ip;

    if (!p)
        return status;
    if (!pxe_read_ip(b, k->arg[1], &ip) || (k->arg[2] && !boot_ram(b, k->arg[2], MAC_FIELD)))
        return EFI_INVALID_PARAMETER;
    if (!p->auto_arp && !udp4_neighbour(&p->net, ip))
        return EFI_NOT_FOUND;
    p->udp = (struct pxe_udp){.wanted = ip, .mac_at = k->arg[2], .deadline = now + RESOLVE_MS};
    return pxe_service(p, k, &arp_operation);
}

/* --- writing --- */

/* Over when no frame waits for an address. */
static bool sent(struct pxe *p, uint64_t now, uint64_t *status)
{
    if (p->net.waiting_len && now < p->udp.deadline) {
        if (now >= p->udp.again) {
            udp4_ask(&p->net, p->net.waiting_for);
            p->udp.again = now + ASK_AGAIN_MS;
        }
        return false;
    }
    *status = p->net.waiting_len ? EFI_TIMEOUT : EFI_SUCCESS;
    p->net.waiting_len = 0;
    return true;
}

static const struct pxe_operation write_operation = {.input = ignore, .poll = sent};

/* Header and buffer into data; the length, or 0 with a status. */
static size_t gather(struct boot *b, const struct fwcall *k, uint8_t data[UDP4_DATA_MAX],
                     uint64_t *status)
{
    uint64_t head = 0, size = 0;

    *status = EFI_INVALID_PARAMETER;
    if ((k->arg[7] && (!boot_read64(b, k->arg[7], &head) || !head || !boot_arg(b, k, 8))) ||
        !boot_read64(b, boot_arg(b, k, 9), &size) || !boot_arg(b, k, 10))
        return 0;
    *status = EFI_BAD_BUFFER_SIZE;
    if (head > UDP4_DATA_MAX || size > UDP4_DATA_MAX - head || head + size == 0)
        return 0;
    *status = EFI_INVALID_PARAMETER;
    if ((head && !boot_read(b, boot_arg(b, k, 8), data, head)) ||
        (size && !boot_read(b, boot_arg(b, k, 10), data + head, size)))
        return 0;
    return head + size;
}

/* What UdpWrite's addresses and ports say; a source port may be asked for. */
static bool read_places(struct pxe *p, const struct fwcall *k, struct udp4_datagram *d,
                        uint32_t *gateway)
{
    struct boot *b = p->b;

    *gateway = p->net.gateway;
    if ((k->arg[1] & 0xffff & ~FLAGS) || !pxe_read_ip(b, k->arg[2], &d->dst) ||
        !read_port(b, k->arg[3], &d->dport) || (k->arg[4] && !pxe_read_ip(b, k->arg[4], gateway)) ||
        (k->arg[5] && !pxe_read_ip(b, k->arg[5], &d->src)) ||
        (k->arg[6] && !read_port(b, k->arg[6], &d->sport)))
        return false;
    if (!k->arg[6] || ((k->arg[1] & ANY_SRC_PORT) && k->arg[6])) {
        d->sport = pxe_port(p);
        if (k->arg[6])
            boot_write(b, k->arg[6], &d->sport, 2);
    }
    return d->src || p->net.ip;
}

/* (this, flags, *to, *port, *gateway, *from, *port, *header size, header, *size, buffer).
 * Datagrams longer than a frame are refused, whatever MAY_FRAGMENT says. */
uint64_t pxe_udp_write(struct boot *b, struct fwcall *k)
{
    uint8_t data[UDP4_DATA_MAX];
    uint64_t status, now = pxe_ms(b);
    struct pxe *p = pxe_of(b, k, &status);
    struct udp4_datagram d = {.data = data};
    uint32_t gateway, usual;
    int err;

    if (!p)
        return status;
    d.len = gather(b, k, data, &status);
    if (!d.len)
        return status;
    if (!read_places(p, k, &d, &gateway))
        return EFI_INVALID_PARAMETER;
    p->udp = (struct pxe_udp){.deadline = now + RESOLVE_MS, .again = now + ASK_AGAIN_MS};
    usual = p->net.gateway;
    p->net.gateway = gateway;
    err = udp4_output(&p->net, &d);
    p->net.gateway = usual;
    if (err)
        return EFI_NO_MAPPING;
    return pxe_service(p, k, &write_operation);
}

/* --- reading --- */

/* An address or port that must be right, or is told. */
static bool ip_right(struct pxe *p, bool any, uint64_t at, uint32_t value)
{
    uint32_t wanted;

    return any || (pxe_read_ip(p->b, at, &wanted) && wanted == value);
}

static bool port_right(struct pxe *p, bool any, uint64_t at, uint16_t value)
{
    uint16_t wanted;

    return any || (read_port(p->b, at, &wanted) && wanted == value);
}

static bool wanted(struct pxe *p, const struct udp4_datagram *d)
{
    const struct pxe_udp *u = &p->udp;
    bool dst;

    if (u->flags & USE_FILTER)
        dst = pxe_ip_wanted(p, d->dst);
    else if (!(u->flags & ANY_DST_IP) && !u->dst_ip)
        dst = d->dst == p->net.ip;
    else
        dst = ip_right(p, u->flags & ANY_DST_IP, u->dst_ip, d->dst);
    return dst && port_right(p, u->flags & ANY_DST_PORT, u->dst_port, d->dport) &&
           ip_right(p, u->flags & ANY_SRC_IP, u->src_ip, d->src) &&
           port_right(p, u->flags & ANY_SRC_PORT, u->src_port, d->sport);
}

static void tell_places(struct pxe *p, const struct udp4_datagram *d)
{
    struct boot *b = p->b;
    const struct pxe_udp *u = &p->udp;

    if (u->dst_ip && (u->flags & (ANY_DST_IP | USE_FILTER)))
        pxe_write_ip(b, u->dst_ip, d->dst);
    if (u->dst_port && (u->flags & ANY_DST_PORT))
        boot_write(b, u->dst_port, &d->dport, 2);
    if (u->src_ip && (u->flags & ANY_SRC_IP))
        pxe_write_ip(b, u->src_ip, d->src);
    if (u->src_port && (u->flags & ANY_SRC_PORT))
        boot_write(b, u->src_port, &d->sport, 2);
}

static void deliver(struct pxe *p, const struct udp4_datagram *d, uint64_t now)
{
    struct pxe_udp *u = &p->udp;
    size_t head, size;

    (void)now;
    if (u->result != EFI_NOT_READY || !wanted(p, d))
        return;
    head = MIN(d->len, u->header_size);
    size = d->len - head;
    boot_write64(p->b, u->size_at, size);
    if (size > u->size) {
        u->result = EFI_BUFFER_TOO_SMALL;
        return;
    }
    if ((head && !boot_write(p->b, u->header, d->data, head)) ||
        (size && !boot_write(p->b, u->buffer, d->data + head, size))) {
        u->result = EFI_INVALID_PARAMETER;
        return;
    }
    tell_places(p, d);
    u->result = EFI_SUCCESS;
}

static bool arrived(struct pxe *p, uint64_t now, uint64_t *status)
{
    *status = p->udp.result != EFI_NOT_READY ? p->udp.result
              : p->icmp_now                  ? EFI_ICMP_ERROR
                                             : EFI_TIMEOUT;
    return *status != EFI_TIMEOUT || now >= p->udp.deadline;
}

static const struct pxe_operation read_operation = {.input = deliver, .poll = arrived};

/* (this, flags, *to, *port, *from, *port, *header size, header, *size, buffer) */
uint64_t pxe_udp_read(struct boot *b, struct fwcall *k)
{
    uint64_t status;
    struct pxe *p = pxe_of(b, k, &status);
    struct pxe_udp u = {.flags = k->arg[1] & 0xffff,
                        .dst_ip = k->arg[2],
                        .dst_port = k->arg[3],
                        .src_ip = k->arg[4],
                        .src_port = k->arg[5],
                        .header_size_at = k->arg[6],
                        .header = k->arg[7],
                        .size_at = boot_arg(b, k, 8),
                        .buffer = boot_arg(b, k, 9),
                        .deadline = pxe_ms(b) + READ_MS,
                        .result = EFI_NOT_READY};

    if (!p)
        return status;
    if ((u.flags & ~FLAGS) || (!(u.flags & ANY_DST_PORT) && !u.dst_port) ||
        (!(u.flags & ANY_SRC_IP) && !u.src_ip) || (!(u.flags & ANY_SRC_PORT) && !u.src_port) ||
        !boot_read64(b, u.size_at, &u.size) || !u.buffer ||
        (u.header_size_at &&
         (!boot_read64(b, u.header_size_at, &u.header_size) || !u.header || !u.header_size)))
        return EFI_INVALID_PARAMETER;
    p->udp = u;
    return pxe_service(p, k, &read_operation);
}
