/* See udp4.h. RFC 826 (ARP), 791 (IP), 768 (UDP), 792 (ICMP), 1071 (checksum), 1112 (multicast). */
#include "udp4.h"

#include <errno.h>
#include <string.h>

#define ETH_HEADER 14
#define ETH_IPV4   0x0800u
#define ETH_ARP    0x0806u
#define ETH_MIN    60 /* shorter frames are padded */

#define ARP_SIZE    28
#define ARP_REQUEST 1
#define ARP_REPLY   2

#define IP_HEADER     20
#define IP_ICMP       1
#define IP_UDP        17
#define IP_FRAGMENT   0x3fffu /* more fragments, or an offset */
#define UDP_HEADER    8
#define ICMP_HEADER   8
#define ICMP_PROBLEMS 0x1838u /* types 3, 4, 5, 11 and 12: errors */

static const uint8_t all[UDP4_MAC] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

uint16_t udp4_sum(uint32_t sum, const uint8_t *p, size_t len)
{
    uint64_t s = sum;

    for (size_t i = 0; i + 1 < len; i += 2)
        s += udp4_get16(p + i);
    if (len & 1)
        s += (uint32_t)p[len - 1] << 8;
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)s;
}

/* Sum of a UDP datagram with its pseudo header. */
static uint16_t datagram_sum(uint32_t src, uint32_t dst, const uint8_t *udp, size_t len)
{
    uint8_t pseudo[12] = {0};

    udp4_put32(pseudo, src);
    udp4_put32(pseudo + 4, dst);
    pseudo[9] = IP_UDP;
    udp4_put16(pseudo + 10, (unsigned)len);
    return udp4_sum(udp4_sum(0, pseudo, sizeof pseudo), udp, len);
}

bool udp4_is_multicast(uint32_t ip)
{
    return ip >> 28 == 14;
}

void udp4_multicast_mac(uint32_t ip, uint8_t mac[UDP4_MAC])
{
    mac[0] = 1;
    mac[1] = 0;
    udp4_put32(mac + 2, 0x5e000000u | (ip & 0x7fffff));
}

/* --- frames out --- */

static void begin_frame(const struct udp4 *u, uint8_t *frame, const uint8_t *to, unsigned type)
{
    memcpy(frame, to, UDP4_MAC);
    memcpy(frame + UDP4_MAC, u->mac, UDP4_MAC);
    udp4_put16(frame + 12, type);
}

static void send_arp(struct udp4 *u, unsigned op, const uint8_t *to, uint32_t ip)
{
    uint8_t frame[ETH_MIN] = {0}, *a = frame + ETH_HEADER;

    begin_frame(u, frame, to, ETH_ARP);
    udp4_put16(a, 1);
    udp4_put16(a + 2, ETH_IPV4);
    a[4] = UDP4_MAC;
    a[5] = 4;
    udp4_put16(a + 6, op);
    memcpy(a + 8, u->mac, UDP4_MAC);
    udp4_put32(a + 14, u->ip);
    if (op == ARP_REPLY)
        memcpy(a + 18, to, UDP4_MAC);
    udp4_put32(a + 24, ip);
    u->send(u->opaque, frame, sizeof frame);
}

void udp4_ask(struct udp4 *u, uint32_t ip)
{
    send_arp(u, ARP_REQUEST, all, ip);
}

static size_t build(struct udp4 *u, const struct udp4_datagram *d, uint8_t *frame)
{
    uint8_t *ip = frame + ETH_HEADER, *udp = ip + IP_HEADER;
    size_t len = UDP_HEADER + d->len;
    uint32_t src = d->src ? d->src : u->ip;
    uint16_t sum;

    memset(ip, 0, IP_HEADER);
    ip[0] = 0x45;
    ip[1] = u->tos;
    udp4_put16(ip + 2, (unsigned)(IP_HEADER + len));
    udp4_put16(ip + 4, u->ident++);
    ip[8] = u->ttl ? u->ttl : 64;
    ip[9] = IP_UDP;
    udp4_put32(ip + 12, src);
    udp4_put32(ip + 16, d->dst);
    udp4_put16(ip + 10, (uint16_t)~udp4_sum(0, ip, IP_HEADER));
    udp4_put16(udp, d->sport);
    udp4_put16(udp + 2, d->dport);
    udp4_put16(udp + 4, (unsigned)len);
    udp4_put16(udp + 6, 0);
    if (d->len)
        memcpy(udp + UDP_HEADER, d->data, d->len);
    sum = (uint16_t)~datagram_sum(src, d->dst, udp, len);
    udp4_put16(udp + 6, sum ? sum : 0xffff);
    return ETH_HEADER + IP_HEADER + len;
}

static void transmit(struct udp4 *u, uint8_t *frame, size_t len, const uint8_t *to)
{
    begin_frame(u, frame, to, ETH_IPV4);
    if (len < ETH_MIN) {
        memset(frame + len, 0, ETH_MIN - len);
        len = ETH_MIN;
    }
    u->send(u->opaque, frame, len);
}

static bool is_broadcast(const struct udp4 *u, uint32_t ip)
{
    return ip == UDP4_BROADCAST || (u->ip && u->mask && ip == (u->ip | ~u->mask));
}

/* The host a datagram goes to first; 0: none. */
static uint32_t next_hop(const struct udp4 *u, uint32_t ip)
{
    if (!u->ip)
        return 0;
    if (!u->mask || !((ip ^ u->ip) & u->mask))
        return ip;
    return u->gateway;
}

int udp4_output(struct udp4 *u, const struct udp4_datagram *d)
{
    uint8_t frame[UDP4_FRAME], group[UDP4_MAC];
    const uint8_t *to = NULL;
    uint32_t hop;
    size_t len;

    if (d->len > UDP4_DATA_MAX)
        return -EMSGSIZE;
    len = build(u, d, frame);
    if (is_broadcast(u, d->dst))
        to = all;
    if (udp4_is_multicast(d->dst)) {
        udp4_multicast_mac(d->dst, group);
        to = group;
    }
    hop = to ? 0 : next_hop(u, d->dst);
    if (!to && !hop)
        return -EHOSTUNREACH;
    if (!to)
        to = udp4_neighbour(u, hop);
    if (to) {
        transmit(u, frame, len, to);
        return 0;
    }
    memcpy(u->waiting, frame, len);
    u->waiting_len = len;
    u->waiting_for = hop;
    udp4_ask(u, hop);
    return 0;
}

/* --- ARP --- */

const uint8_t *udp4_neighbour(const struct udp4 *u, uint32_t ip)
{
    for (unsigned i = 0; i < u->arps; i++)
        if (u->arp[i].ip == ip)
            return u->arp[i].mac;
    return NULL;
}

static void learn(struct udp4 *u, uint32_t ip, const uint8_t *mac)
{
    unsigned i = 0;

    while (i < u->arps && u->arp[i].ip != ip)
        i++;
    if (i == UDP4_ARP_MAX) { /* the oldest goes */
        memmove(u->arp, u->arp + 1, (UDP4_ARP_MAX - 1) * sizeof u->arp[0]);
        i--;
    } else if (i == u->arps) {
        u->arps++;
    }
    u->arp[i].ip = ip;
    memcpy(u->arp[i].mac, mac, UDP4_MAC);
}

/* Only what is said to this host is believed, and only of hosts that can be. */
static void arp_input(struct udp4 *u, const uint8_t *a, size_t len)
{
    uint32_t sender, target;
    unsigned op;

    if (len < ARP_SIZE || udp4_get16(a) != 1 || udp4_get16(a + 2) != ETH_IPV4 || a[4] != UDP4_MAC ||
        a[5] != 4)
        return;
    op = udp4_get16(a + 6);
    sender = udp4_get32(a + 14);
    target = udp4_get32(a + 24);
    if (!u->ip || target != u->ip || sender == u->ip || (a[8] & 1) || !sender ||
        is_broadcast(u, sender) || udp4_is_multicast(sender))
        return;
    learn(u, sender, a + 8);
    if (op == ARP_REQUEST)
        send_arp(u, ARP_REPLY, a + 8, sender);
    if (u->waiting_len && u->waiting_for == sender) {
        transmit(u, u->waiting, u->waiting_len, a + 8);
        u->waiting_len = 0;
    }
}

/* --- frames in --- */

static bool for_us(const struct udp4 *u, uint32_t dst)
{
    return !u->ip || u->promiscuous || dst == u->ip || is_broadcast(u, dst) ||
           udp4_is_multicast(dst);
}

static enum udp4_kind udp_input(const uint8_t *udp, size_t len, struct udp4_datagram *out)
{
    size_t size = len >= UDP_HEADER ? udp4_get16(udp + 4) : 0;

    if (size < UDP_HEADER || size > len)
        return UDP4_NOTHING;
    if (udp4_get16(udp + 6) && datagram_sum(out->src, out->dst, udp, size) != 0xffff)
        return UDP4_NOTHING;
    out->sport = udp4_get16(udp);
    out->dport = udp4_get16(udp + 2);
    out->data = udp + UDP_HEADER;
    out->len = size - UDP_HEADER;
    return UDP4_DATAGRAM;
}

static enum udp4_kind icmp_input(const uint8_t *icmp, size_t len, struct udp4_datagram *out)
{
    if (len < ICMP_HEADER || icmp[0] > 12 || !(ICMP_PROBLEMS >> icmp[0] & 1) ||
        udp4_sum(0, icmp, len) != 0xffff)
        return UDP4_NOTHING;
    out->data = icmp;
    out->len = len;
    return UDP4_ICMP_ERROR;
}

static enum udp4_kind ip_input(struct udp4 *u, const uint8_t *ip, size_t len,
                               struct udp4_datagram *out)
{
    size_t header = len >= IP_HEADER ? (ip[0] & 15u) * 4 : 0;
    size_t total = len >= IP_HEADER ? udp4_get16(ip + 2) : 0;

    if (header < IP_HEADER || ip[0] >> 4 != 4 || total > len || total < header ||
        udp4_sum(0, ip, header) != 0xffff || (udp4_get16(ip + 6) & IP_FRAGMENT))
        return UDP4_NOTHING;
    out->src = udp4_get32(ip + 12);
    out->dst = udp4_get32(ip + 16);
    if (!for_us(u, out->dst))
        return UDP4_NOTHING;
    if (ip[9] == IP_UDP)
        return udp_input(ip + header, total - header, out);
    if (ip[9] == IP_ICMP)
        return icmp_input(ip + header, total - header, out);
    return UDP4_NOTHING;
}

enum udp4_kind udp4_input(struct udp4 *u, const uint8_t *frame, size_t len,
                          struct udp4_datagram *out)
{
    memset(out, 0, sizeof *out);
    if (len < ETH_HEADER ||
        (!(frame[0] & 1) && !u->promiscuous && memcmp(frame, u->mac, UDP4_MAC) != 0))
        return UDP4_NOTHING;
    switch (udp4_get16(frame + 12)) {
    case ETH_ARP:
        arp_input(u, frame + ETH_HEADER, len - ETH_HEADER);
        return UDP4_NOTHING;
    case ETH_IPV4:
        return ip_input(u, frame + ETH_HEADER, len - ETH_HEADER, out);
    default:
        return UDP4_NOTHING;
    }
}
