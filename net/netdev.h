/* The cable between a network adapter and what it is plugged into: a user network, a switch port.
 *
 * Both ends look alike: each hands the other a struct net_end with what it wants to be told. Frames
 * are Ethernet without preamble and frame check sequence; a VLAN tag, when there is one, is in the
 * frame. Nothing is queued here, and nobody keeps a frame after the call.
 */
#ifndef KITTSON_NET_NETDEV_H
#define KITTSON_NET_NETDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NET_MAC_SIZE    6
#define NET_HEADER      14
#define NET_FRAME_MIN   60     /* shorter ones are padded on a wire */
#define NET_FRAME_MAX   16284u /* the longest frame any end takes, without check sequence */
#define NET_ETHER_IPV4  0x0800u
#define NET_PROTO_TCP   6
#define NET_PROTO_UDP   17
#define NET_IPV4_HEADER 20

struct net_end {
    void *opaque;
    void (*frame)(void *opaque, const uint8_t *frame, size_t len); /* NULL: frames are lost */
    void (*link)(void *opaque, bool up);                           /* may be NULL */
    bool (*ready)(void *opaque); /* has room for NET_BURST frames of 1514 bytes; NULL: always */
};
#define NET_BURST 16

static inline void net_send(const struct net_end *to, const uint8_t *frame, size_t len)
{
    if (to->frame != NULL)
        to->frame(to->opaque, frame, len);
}

static inline void net_link(const struct net_end *to, bool up)
{
    if (to->link != NULL)
        to->link(to->opaque, up);
}

static inline bool net_ready(const struct net_end *to)
{
    return to->ready == NULL || to->ready(to->opaque);
}

static inline unsigned net_get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static inline void net_put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* The Internet checksum (RFC 1071): sum of big-endian 16-bit words, carries added back in. sum is
 * what has been summed before, for data of an even length. */
static inline unsigned net_sum(unsigned sum, const uint8_t *p, size_t len)
{
    uint64_t s = 0;
    size_t i = 0;

    for (; i + 4 <= len; i += 4) { /* the sum may be taken in any byte order (RFC 1071, 2) */
        uint32_t four;
        memcpy(&four, p + i, sizeof four);
        s += four;
    }
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    s = sum + (s >> 8 | (s & 0xff) << 8);
    if (i + 1 < len)
        s += net_get16(p + i);
    if (len & 1)
        s += (unsigned)p[len - 1] << 8;
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (unsigned)s;
}

#endif
