/* Ethernet, ARP, IPv4 and UDP, as much as a boot loader's transport needs. Private to efi/.
 *
 * A set of pure functions on one struct: no clock, no memory of its own, no machine; frames leave
 * through a function of the user's. Everything that comes in is taken for hostile. Not done:
 * putting fragments together (they are dropped), IP options other than skipping them, ICMP other
 * than reporting errors, IPv6. Addresses and ports are in host order.
 */
#ifndef KITTSON_EFI_UDP4_H
#define KITTSON_EFI_UDP4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UDP4_MAC       6
#define UDP4_FRAME     1514 /* the longest frame, without check sequence */
#define UDP4_DATA_MAX  1472 /* the longest datagram in one frame */
#define UDP4_ARP_MAX   8
#define UDP4_BROADCAST 0xffffffffu

/* A datagram, in or out. Of an ICMP error, data is the whole ICMP message. */
struct udp4_datagram {
    uint32_t src, dst;
    uint16_t sport, dport;
    const uint8_t *data;
    size_t len;
};

struct udp4_neighbour {
    uint32_t ip;
    uint8_t mac[UDP4_MAC];
};

struct udp4 {
    uint8_t mac[UDP4_MAC];
    uint32_t ip, mask, gateway; /* 0: none yet */
    uint8_t ttl, tos;
    bool promiscuous; /* datagrams for any address are handed out */
    uint16_t ident;
    struct udp4_neighbour arp[UDP4_ARP_MAX]; /* oldest first */
    unsigned arps;
    /* a frame that waits for its receiver's address */
    uint8_t waiting[UDP4_FRAME];
    size_t waiting_len;
    uint32_t waiting_for;
    void *opaque;
    void (*send)(void *opaque, const uint8_t *frame, size_t len);
};

enum udp4_kind { UDP4_NOTHING, UDP4_DATAGRAM, UDP4_ICMP_ERROR };

/* Takes a frame: answers and learns from ARP, hands out datagrams that are for this host (any
 * address while it has none), with checksums that are right. */
enum udp4_kind udp4_input(struct udp4 *u, const uint8_t *frame, size_t len,
                          struct udp4_datagram *out);
/* Sends a datagram; src 0: u->ip. When the receiver's hardware address is unknown it is asked for
 * and the frame goes out with the answer, unless another one is sent first: whoever needs an answer
 * repeats anyway. 0, -EMSGSIZE, or -EHOSTUNREACH (no address, or no gateway). */
int udp4_output(struct udp4 *u, const struct udp4_datagram *d);

/* The hardware address of a host, if it is known. */
const uint8_t *udp4_neighbour(const struct udp4 *u, uint32_t ip);
void udp4_ask(struct udp4 *u, uint32_t ip);

bool udp4_is_multicast(uint32_t ip);
/* Hardware address of a multicast address (RFC 1112). */
void udp4_multicast_mac(uint32_t ip, uint8_t mac[UDP4_MAC]);

/* The Internet checksum's sum (RFC 1071), not yet inverted. */
uint16_t udp4_sum(uint32_t sum, const uint8_t *p, size_t len);

static inline uint16_t udp4_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t udp4_get32(const uint8_t *p)
{
    return (uint32_t)udp4_get16(p) << 16 | udp4_get16(p + 2);
}

static inline void udp4_put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void udp4_put32(uint8_t *p, uint32_t v)
{
    udp4_put16(p, v >> 16);
    udp4_put16(p + 2, v & 0xffff);
}

#endif
