/* 82540EM: address and VLAN filters, packet buffer, receive descriptors, checksum reports. */
#include "channels.h"
#include "e1000_impl.h"

#include <string.h>
#include <zlib.h>

#define STAT_DD    0x01u
#define STAT_EOP   0x02u
#define STAT_IXSM  0x04u /* ignore the checksum bits */
#define STAT_VP    0x08u /* a VLAN tag was taken out */
#define STAT_TCPCS 0x20u
#define STAT_IPCS  0x40u
#define STAT_PIF   0x80u /* passed by an inexact filter */
#define ERR_TCPE   0x20u
#define ERR_IPE    0x40u
#define ERR_RXE    0x80u

#define FRAME_STANDARD 1522u /* with tag and check sequence; longer ones need RCTL.LPE */
#define LENGTH_BYTES   2     /* in front of a frame in the packet buffer */
#define RECEIVE_ADDRS  16

/* --- filters (manual section 3.2.1) --- */

static bool own_address(const struct e1000 *d, const uint8_t *mac)
{
    for (unsigned i = 0; i < RECEIVE_ADDRS; i++) {
        uint32_t low = e1000_reg(d, R_RA + 8 * i), high = e1000_reg(d, R_RA + 8 * i + 4);
        if ((high & RAH_VALID) && low == e1000_le32(mac) &&
            (high & 0xffff) == (mac[4] | (unsigned)mac[5] << 8))
            return true;
    }
    return false;
}

/* Twelve of the last sixteen bits of the address choose a bit of the table. */
static bool multicast_bit(const struct e1000 *d, const uint8_t *mac)
{
    static const unsigned shift[4] = {4, 3, 2, 0};
    unsigned last = mac[4] | (unsigned)mac[5] << 8;
    unsigned bit = last >> shift[e1000_reg(d, R_RCTL) >> 12 & 3] & 0xfff;

    return e1000_reg(d, R_MTA + 4 * (bit >> 5)) >> (bit & 31) & 1;
}

static bool is_broadcast(const uint8_t *mac)
{
    return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

static bool address_wanted(const struct e1000 *d, const uint8_t *mac, bool *inexact)
{
    uint32_t rctl = e1000_reg(d, R_RCTL);

    *inexact = false;
    if (own_address(d, mac))
        return true;
    if (is_broadcast(mac) && (rctl & RCTL_BAM))
        return true;
    *inexact = true;
    if (mac[0] & 1)
        return (rctl & RCTL_MPE) || multicast_bit(d, mac);
    return rctl & RCTL_UPE;
}

static bool is_tagged(const struct e1000 *d, const uint8_t *frame, size_t len)
{
    return len >= NET_HEADER + VLAN_SIZE && net_get16(frame + 12) == (e1000_reg(d, R_VET) & 0xffff);
}

static bool vlan_wanted(const struct e1000 *d, const uint8_t *frame, size_t len)
{
    uint32_t rctl = e1000_reg(d, R_RCTL);
    unsigned tag;

    if (!(rctl & RCTL_VFE) || !is_tagged(d, frame, len))
        return true;
    tag = net_get16(frame + 14);
    if ((rctl & RCTL_CFIEN) && (tag >> 12 & 1) != !!(rctl & RCTL_CFI))
        return false;
    return e1000_reg(d, R_VFTA + 4 * (tag >> 5 & 127)) >> (tag & 31) & 1;
}

/* --- checksums (manual section 3.2.9) --- */

struct report {
    unsigned sum; /* of the whole packet, in the order it has in memory */
    uint8_t status, errors;
};

static void check_transport(struct report *r, const uint8_t *ip, size_t header, size_t total)
{
    uint8_t pseudo[12];
    unsigned proto = ip[9];
    size_t len = total - header;
    const uint8_t *p = ip + header;

    if (!(proto == NET_PROTO_TCP && len >= 20) && !(proto == NET_PROTO_UDP && len >= 8))
        return;
    if (proto == NET_PROTO_UDP && net_get16(p + 6) == 0)
        return; /* the sender made no checksum */
    memcpy(pseudo, ip + 12, 8);
    net_put16(pseudo + 8, proto);
    net_put16(pseudo + 10, (unsigned)len);
    r->status |= STAT_TCPCS;
    if (net_sum(net_sum(0, pseudo, sizeof pseudo), p, len) != 0xffff)
        r->errors |= ERR_TCPE;
}

static void check_ipv4(const struct e1000 *d, struct report *r, const uint8_t *ip, size_t len)
{
    size_t header = len >= NET_IPV4_HEADER ? (ip[0] & 15u) * 4 : 0;
    size_t total = len >= NET_IPV4_HEADER ? net_get16(ip + 2) : 0;
    uint32_t enabled = e1000_reg(d, R_RXCSUM);

    if (header < NET_IPV4_HEADER || ip[0] >> 4 != 4 || total > len || total < header)
        return;
    r->status &= (uint8_t)~STAT_IXSM;
    if (enabled & RXCSUM_IP) {
        r->status |= STAT_IPCS;
        if (net_sum(0, ip, header) != 0xffff)
            r->errors |= ERR_IPE;
    }
    if ((enabled & RXCSUM_TU) && (net_get16(ip + 6) & 0x3fff) == 0) /* no fragment */
        check_transport(r, ip, header, total);
}

/* The frame has no tag any more unless tags stay in. */
static struct report check_sums(const struct e1000 *d, const uint8_t *frame, size_t len)
{
    struct report r = {.status = STAT_IXSM};
    size_t start = e1000_reg(d, R_RXCSUM) & 0xff;

    if (start < len)
        r.sum = net_sum(0, frame + start, len - start);
    r.sum = (r.sum & 0xff) << 8 | r.sum >> 8;
    if (net_get16(frame + 12) == NET_ETHER_IPV4)
        check_ipv4(d, &r, frame + NET_HEADER, len - NET_HEADER);
    return r;
}

/* --- descriptors --- */

static size_t buffer_size(uint32_t rctl)
{
    unsigned n = rctl >> 16 & 3;

    if ((rctl & RCTL_BSEX) && n != 0)
        return 32768u >> n;
    return 2048u >> n;
}

/* Descriptors the guest has given; rings that cannot be have none. */
static unsigned rx_free(const struct e1000 *d, unsigned *count)
{
    unsigned head = e1000_reg(d, R_RDH), tail = e1000_reg(d, R_RDT);

    *count = e1000_reg(d, R_RDLEN) / DESC_SIZE;
    if (head >= *count || tail >= *count)
        return 0;
    return tail >= head ? tail - head : tail + *count - head;
}

static void put32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static void fill_descriptor(struct e1000 *d, uint64_t at, const uint8_t *bytes, size_t n,
                            const struct report *r, uint16_t tag)
{
    uint8_t desc[DESC_SIZE];
    uint8_t errors = r->errors;

    if (pci_dma_read(d->function, at, desc, 8) != 0)
        return;
    if (pci_dma_write(d->function, e1000_le64(desc), bytes, n) != 0)
        errors |= ERR_RXE;
    put32(desc + 8, (uint32_t)n | (r->sum & 0xffff) << 16);
    put32(desc + 12, r->status | (uint32_t)errors << 8 | (uint32_t)tag << 16);
    pci_dma_write(d->function, at, desc, sizeof desc);
}

/* Puts bytes into as many buffers as they need; the caller has seen that there are enough. */
static void fill_descriptors(struct e1000 *d, const uint8_t *bytes, size_t len, struct report r,
                             uint16_t tag)
{
    uint64_t base = (uint64_t)e1000_reg(d, R_RDBAH) << 32 | e1000_reg(d, R_RDBAL);
    size_t room = buffer_size(e1000_reg(d, R_RCTL));
    unsigned count = e1000_reg(d, R_RDLEN) / DESC_SIZE;
    uint8_t last_status = r.status | STAT_DD | STAT_EOP;

    for (size_t at = 0; at < len;) {
        unsigned head = e1000_reg(d, R_RDH);
        size_t n = len - at < room ? len - at : room;
        r.status = at + n == len ? last_status : STAT_DD;
        fill_descriptor(d, base + (uint64_t)head * DESC_SIZE, bytes + at, n, &r, tag);
        d->reg[R_RDH / 4] = head + 1 == count ? 0 : head + 1;
        at += n;
    }
}

/* --- one frame --- */

static void count_received(struct e1000 *d, const uint8_t *frame, size_t len)
{
    size_t wire = len + FCS_SIZE;

    e1000_count(d, S_GPRC);
    e1000_count64(d, S_GORCL, wire);
    e1000_count_size(d, S_PRC64, wire);
    if (is_broadcast(frame))
        e1000_count(d, S_BPRC);
    else if (frame[0] & 1)
        e1000_count(d, S_MPRC);
    d->figures.frames_received++;
    d->figures.bytes_received += len;
}

/* What goes into memory: without the tag when it is taken out, with the check sequence unless it
 * is to be stripped. Returns the length; at least FCS_SIZE more than len must fit into out. */
static size_t memory_image(const struct e1000 *d, const uint8_t *frame, size_t len, uint8_t *out,
                           bool strip)
{
    size_t n = len;

    memcpy(out, frame, len);
    if (strip) {
        memmove(out + 12, out + 12 + VLAN_SIZE, len - 12 - VLAN_SIZE);
        n -= VLAN_SIZE;
    }
    if (e1000_reg(d, R_RCTL) & RCTL_SECRC)
        return n;
    put32(out + n, (uint32_t)crc32(0, frame, (unsigned)len));
    return n + FCS_SIZE;
}

/* Low on descriptors: the moment their number falls to the fraction that RCTL names. */
static uint32_t threshold(const struct e1000 *d, unsigned before)
{
    unsigned count, after = rx_free(d, &count), part = e1000_reg(d, R_RCTL) >> 8 & 3;
    unsigned limit = count >> (part + 1);

    return before > limit && after <= limit ? INT_RXDMT0 : 0;
}

static uint32_t arrival(struct e1000 *d)
{
    uint64_t now, tick = 1024;

    if ((e1000_reg(d, R_RDTR) & 0xffff) == 0)
        return INT_RXT0;
    now = e1000_now(d);
    d->rx_delay = now + (e1000_reg(d, R_RDTR) & 0xffff) * tick;
    if (d->rx_limit == NEVER && (e1000_reg(d, R_RADV) & 0xffff) != 0)
        d->rx_limit = now + (e1000_reg(d, R_RADV) & 0xffff) * tick;
    return 0;
}

/* False when there are not enough descriptors. */
static bool store(struct e1000 *d, const uint8_t *frame, size_t len)
{
    uint8_t image[NET_FRAME_MAX + FCS_SIZE];
    bool strip = (e1000_reg(d, R_CTRL) & CTRL_VME) && is_tagged(d, frame, len), inexact;
    uint16_t tag = strip ? (uint16_t)net_get16(frame + 14) : 0;
    size_t n = memory_image(d, frame, len, image, strip);
    size_t room = buffer_size(e1000_reg(d, R_RCTL));
    unsigned count, before = rx_free(d, &count);

    if (before < (n + room - 1) / room)
        return false;
    struct report r = check_sums(d, image, strip ? len - VLAN_SIZE : len);
    if (strip)
        r.status |= STAT_VP;
    if (address_wanted(d, frame, &inexact) && inexact)
        r.status |= STAT_PIF;
    fill_descriptors(d, image, n, r, tag);
    count_received(d, frame, len);
    e1000_cause(d, arrival(d) | threshold(d, before));
    return true;
}

/* --- the packet buffer --- */

static void keep(struct e1000 *d, const uint8_t *frame, size_t len)
{
    if (FIFO_SIZE - d->fifo_used < len + LENGTH_BYTES) {
        e1000_count(d, S_MPC);
        d->figures.missed++;
        e1000_cause(d, INT_RXO);
        return;
    }
    e1000_count(d, S_RNBC);
    net_put16(d->fifo + d->fifo_used, (unsigned)len);
    memcpy(d->fifo + d->fifo_used + LENGTH_BYTES, frame, len);
    d->fifo_used += len + LENGTH_BYTES;
}

void e1000_receive_waiting(struct e1000 *d)
{
    size_t at = 0;

    if (!(e1000_reg(d, R_RCTL) & RCTL_EN))
        return;
    while (at < d->fifo_used) {
        size_t len = net_get16(d->fifo + at);
        if (!store(d, d->fifo + at + LENGTH_BYTES, len))
            break;
        at += len + LENGTH_BYTES;
    }
    memmove(d->fifo, d->fifo + at, d->fifo_used - at);
    d->fifo_used -= at;
}

void e1000_receive(struct e1000 *d, const uint8_t *frame, size_t len)
{
    uint8_t padded[NET_FRAME_MIN] = {0};
    uint32_t rctl = e1000_reg(d, R_RCTL);
    bool inexact;

    if (!(rctl & RCTL_EN) || len < NET_HEADER || len > NET_FRAME_MAX)
        return;
    if (len < NET_FRAME_MIN) { /* as the wire would have it */
        memcpy(padded, frame, len);
        frame = padded;
        len = NET_FRAME_MIN;
    }
    e1000_count(d, S_TPR);
    e1000_count64(d, S_TORL, len + FCS_SIZE);
    if (!address_wanted(d, frame, &inexact) || !vlan_wanted(d, frame, len))
        return;
    if (len + FCS_SIZE > FRAME_STANDARD && !(rctl & RCTL_LPE)) {
        e1000_count(d, S_ROC);
        return;
    }
    if (channel_on(CHANNEL_NET))
        channel_line(CHANNEL_NET, "%02x:%02x receives %zu bytes, type %02x%02x", frame[4], frame[5],
                     len, frame[12], frame[13]);
    if (d->fifo_used > 0 || !store(d, frame, len))
        keep(d, frame, len);
}
