/* See joined.h. */
#include "joined.h"
#include "netdev.h"
#include "vswitch.h"

#include <netinet/in.h>
#include <string.h>

#define IPV4      0x0800u
#define IPV6      0x86ddu
#define TCP_LAST  0x09u /* FIN and PSH: only in the last segment */
#define TCP_FIRST 0x80u /* CWR: only in the first */

/* Where the headers of a joined frame are. */
struct layout {
    bool ipv6, tcp;
    size_t ip, transport, data; /* offsets */
};

static bool find_ip(const uint8_t *f, size_t len, struct layout *l, unsigned *protocol)
{
    l->ip = NET_HEADER;
    if (len < NET_HEADER + 40)
        return false;
    l->ipv6 = net_get16(f + 12) == IPV6;
    if (!l->ipv6 && net_get16(f + 12) != IPV4)
        return false;
    *protocol = l->ipv6 ? f[l->ip + 6] : f[l->ip + 9]; /* no IPv6 extension is joined */
    l->transport = l->ip + (l->ipv6 ? 40 : 4 * (f[l->ip] & 15u));
    return l->transport >= l->ip + 20;
}

static bool find_headers(const uint8_t *f, size_t len, struct layout *l)
{
    unsigned protocol;

    if (!find_ip(f, len, l, &protocol) || len < l->transport + 20)
        return false;
    l->tcp = protocol == IPPROTO_TCP;
    size_t header = l->tcp ? 4 * (f[l->transport + 12] >> 4) : 8;
    l->data = l->transport + header;
    return (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && header >= 8 && l->data < len;
}

static void set_ip(uint8_t *f, size_t len, const struct layout *l, unsigned n)
{
    uint8_t *ip = f + l->ip;

    if (l->ipv6) {
        net_put16(ip + 4, (unsigned)(len - l->transport));
        return;
    }
    net_put16(ip + 2, (unsigned)(len - l->ip));
    net_put16(ip + 4, (net_get16(ip + 4) + n) & 0xffff);
    net_put16(ip + 10, 0);
    net_put16(ip + 10, ~net_sum(0, ip, l->transport - l->ip) & 0xffff);
}

/* Over the pseudo header (RFC 9293, 3.1; RFC 8200, 8.1) and the segment. */
static void set_sum(uint8_t *f, size_t len, const struct layout *l, size_t field)
{
    const size_t at = l->ipv6 ? 8 : 12, size = l->ipv6 ? 32 : 8;
    unsigned sum = net_sum(l->tcp ? IPPROTO_TCP : IPPROTO_UDP, f + l->ip + at, size);
    uint8_t length[2];

    net_put16(length, (unsigned)(len - l->transport));
    net_put16(f + field, 0);
    sum = ~net_sum(net_sum(sum, length, 2), f + l->transport, len - l->transport) & 0xffff;
    net_put16(f + field, sum == 0 && !l->tcp ? 0xffff : sum);
}

static void set_tcp(uint8_t *f, size_t len, const struct layout *l, size_t offset, bool last)
{
    uint8_t *tcp = f + l->transport;
    uint32_t sequence = (uint32_t)net_get16(tcp + 4) << 16 | net_get16(tcp + 6);

    sequence += (uint32_t)offset;
    net_put16(tcp + 4, sequence >> 16);
    net_put16(tcp + 6, sequence & 0xffff);
    tcp[13] &= (uint8_t) ~((last ? 0 : TCP_LAST) | (offset > 0 ? TCP_FIRST : 0));
    set_sum(f, len, l, l->transport + 16);
}

static void set_udp(uint8_t *f, size_t len, const struct layout *l)
{
    net_put16(f + l->transport + 4, (unsigned)(len - l->transport));
    set_sum(f, len, l, l->transport + 6);
}

static bool split(const uint8_t *frame, size_t len, size_t segment, joined_frame *each,
                  void *opaque)
{
    uint8_t out[VSWITCH_FRAME_MAX];
    struct layout l;
    unsigned n = 0;

    if (!find_headers(frame, len, &l) || segment == 0 || l.data + segment > sizeof out)
        return false;
    for (size_t offset = 0; l.data + offset < len; offset += segment, n++) {
        size_t left = len - l.data - offset, part = left < segment ? left : segment;
        memcpy(out, frame, l.data);
        memcpy(out + l.data, frame + l.data + offset, part);
        set_ip(out, l.data + part, &l, n);
        if (l.tcp)
            set_tcp(out, l.data + part, &l, offset, part == left);
        else
            set_udp(out, l.data + part, &l);
        each(opaque, out, l.data + part);
    }
    return true;
}

/* The field holds the pseudo header's sum. */
static bool finish_sum(const struct virtio_net_hdr *h, uint8_t *frame, size_t len)
{
    size_t field = (size_t)h->csum_start + h->csum_offset;

    if (h->csum_start >= len || field + 2 > len)
        return false;
    unsigned sum = ~net_sum(0, frame + h->csum_start, len - h->csum_start) & 0xffff;
    net_put16(frame + field, sum == 0 ? 0xffff : sum); /* both are zero to TCP */
    return true;
}

bool joined_split(const struct virtio_net_hdr *h, uint8_t *frame, size_t len, joined_frame *each,
                  void *opaque)
{
    if ((h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) != VIRTIO_NET_HDR_GSO_NONE)
        return split(frame, len, h->gso_size, each, opaque);
    if ((h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && !finish_sum(h, frame, len))
        return false;
    each(opaque, frame, len);
    return true;
}
