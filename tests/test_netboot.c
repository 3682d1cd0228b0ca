/* The firmware's network code without a machine: checksums and frames, ARP, DHCP and PXE messages
 * and client, TFTP. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dhcp4.h"
#include "tftp.h"

#define STATION 0x0a00020fu /* 10.0.2.15 */
#define SERVER  0x0a000202u
#define PROXY   0x0a000203u
#define MASK    0xffffff00u

static const uint8_t mac[UDP4_MAC] = {2, 0, 0, 0, 0, 1};
static const uint8_t server_mac[UDP4_MAC] = {2, 0, 0, 0, 0, 9};

/* What was sent last, and how much. */
static uint8_t sent[UDP4_FRAME];
static size_t sent_len;
static unsigned count;
static struct udp4_datagram last;

static void on_frame(void *opaque, const uint8_t *frame, size_t len)
{
    (void)opaque;
    memcpy(sent, frame, len);
    sent_len = len;
    count++;
}

static void on_datagram(void *opaque, const struct udp4_datagram *d)
{
    (void)opaque;
    memcpy(sent, d->data, d->len);
    sent_len = d->len;
    last = *d;
    last.data = sent;
    count++;
}

static struct udp4 host(const uint8_t *address, uint32_t ip)
{
    struct udp4 u = {.ip = ip, .mask = MASK, .gateway = SERVER, .send = on_frame};

    memcpy(u.mac, address, UDP4_MAC);
    count = 0;
    return u;
}

/* --- frames --- */

START_TEST(checksum)
{
    /* RFC 1071's example, and an odd length */
    static const uint8_t words[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    static const uint8_t odd[] = {0x12, 0x34, 0x56};

    ck_assert_uint_eq(udp4_sum(0, words, sizeof words), 0xddf2);
    ck_assert_uint_eq(udp4_sum(0, odd, sizeof odd), 0x6834);
    ck_assert_uint_eq(udp4_sum(0xffff, odd, 2), 0x1234);
}
END_TEST

/* One host's frame is the other's datagram; any bit that is not as sent is seen. */
START_TEST(datagram_there_and_back)
{
    struct udp4 a = host(mac, STATION), b = host(server_mac, SERVER);
    struct udp4_datagram d = {
        .dst = SERVER, .sport = 1000, .dport = 69, .data = (const uint8_t *)"hello", .len = 5};
    struct udp4_datagram got;
    size_t len;

    a.arp[0].ip = SERVER;
    memcpy(a.arp[0].mac, server_mac, UDP4_MAC);
    a.arps = 1;
    ck_assert_int_eq(udp4_output(&a, &d), 0);
    ck_assert_uint_eq(sent_len, 60);
    ck_assert_int_eq(udp4_input(&b, sent, sent_len, &got), UDP4_DATAGRAM);
    ck_assert_uint_eq(got.src, STATION);
    ck_assert_uint_eq(got.sport, 1000);
    ck_assert_uint_eq(got.dport, 69);
    ck_assert_uint_eq(got.len, 5);
    ck_assert_mem_eq(got.data, "hello", 5);
    len = 14 + 20 + 8 + 5;
    for (size_t bit = 14 * 8; bit < len * 8; bit++) {
        sent[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(udp4_input(&b, sent, sent_len, &got), UDP4_NOTHING);
        sent[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < len; cut++)
        ck_assert_int_eq(udp4_input(&b, sent, cut, &got), UDP4_NOTHING);
}
END_TEST

START_TEST(whom_it_is_for)
{
    struct udp4 a = host(mac, STATION), b = host(server_mac, SERVER);
    struct udp4_datagram d = {.dst = UDP4_BROADCAST, .data = (const uint8_t *)"x", .len = 1}, got;

    ck_assert_int_eq(udp4_output(&a, &d), 0);
    ck_assert_uint_eq(sent[0] & sent[5], 0xff);
    ck_assert_int_eq(udp4_input(&b, sent, sent_len, &got), UDP4_DATAGRAM);
    d.dst = 0x0a0002ff; /* the network's broadcast address */
    ck_assert_int_eq(udp4_output(&a, &d), 0);
    ck_assert_int_eq(udp4_input(&b, sent, sent_len, &got), UDP4_DATAGRAM);
    d.dst = 0xe1020304;
    ck_assert_int_eq(udp4_output(&a, &d), 0);
    ck_assert_mem_eq(sent, "\x01\x00\x5e\x02\x03\x04", 6);
    d.len = UDP4_DATA_MAX + 1;
    ck_assert_int_eq(udp4_output(&a, &d), -EMSGSIZE);
    d.len = 1;
    d.dst = 0x08080808;
    a.gateway = 0;
    ck_assert_int_eq(udp4_output(&a, &d), -EHOSTUNREACH);
    b.ip = 0x0a000263; /* another host does not take what is for the server */
    d.dst = SERVER;
    memcpy(a.arp[0].mac, server_mac, UDP4_MAC);
    a.arp[0].ip = SERVER;
    a.arps = 1;
    ck_assert_int_eq(udp4_output(&a, &d), 0);
    ck_assert_int_eq(udp4_input(&b, sent, sent_len, &got), UDP4_NOTHING);
    b.promiscuous = true;
    ck_assert_int_eq(udp4_input(&b, sent, sent_len, &got), UDP4_DATAGRAM);
}
END_TEST

/* A datagram to somebody unknown: question, answer, datagram. Behind the gateway: the gateway. */
START_TEST(address_resolution)
{
    struct udp4 a = host(mac, STATION), b = host(server_mac, SERVER);
    struct udp4_datagram d = {.dst = 0x08080808, .data = (const uint8_t *)"x", .len = 1}, got;
    uint8_t question[60];

    ck_assert_int_eq(udp4_output(&a, &d), 0);
    ck_assert_uint_eq(udp4_get16(sent + 12), 0x0806);
    memcpy(question, sent, sizeof question);
    ck_assert_int_eq(udp4_input(&b, question, sizeof question, &got), UDP4_NOTHING);
    ck_assert_uint_eq(count, 2); /* b answers, and has learned */
    ck_assert_mem_eq(udp4_neighbour(&b, STATION), mac, UDP4_MAC);
    memcpy(question, sent, sizeof question);
    ck_assert_int_eq(udp4_input(&a, question, sizeof question, &got), UDP4_NOTHING);
    ck_assert_uint_eq(count, 3);
    ck_assert_mem_eq(sent, server_mac, UDP4_MAC);
    ck_assert_uint_eq(udp4_get32(sent + 30), 0x08080808);
    ck_assert_uint_eq(a.waiting_len, 0);
}
END_TEST

/* Not believed: others' conversations, groups as senders, this host's own address. */
START_TEST(arp_lies)
{
    struct udp4 a = host(mac, STATION);
    struct udp4_datagram got;
    uint8_t f[42] = {2, 0, 0, 0, 0, 1, 2, 0,  0, 0, 0, 9, 8, 6, 0, 1, 8, 0,  6, 4, 0,
                     2, 2, 0, 0, 0, 0, 9, 10, 0, 2, 2, 2, 0, 0, 0, 0, 1, 10, 0, 2, 15};
    uint8_t g[42];

    memcpy(g, f, sizeof g);
    g[41] = 16; /* to another */
    udp4_input(&a, g, sizeof g, &got);
    memcpy(g, f, sizeof g);
    g[22] = 3; /* from a group */
    udp4_input(&a, g, sizeof g, &got);
    memcpy(g, f, sizeof g);
    g[31] = 15; /* from this host */
    udp4_input(&a, g, sizeof g, &got);
    udp4_input(&a, f, sizeof f - 1, &got);
    ck_assert_uint_eq(a.arps, 0);
    udp4_input(&a, f, sizeof f, &got);
    ck_assert_uint_eq(a.arps, 1);
    for (unsigned i = 0; i < 20; i++) {
        f[31] = (uint8_t)(100 + i);
        udp4_input(&a, f, sizeof f, &got);
    }
    ck_assert_uint_eq(a.arps, UDP4_ARP_MAX);
    ck_assert_ptr_null(udp4_neighbour(&a, SERVER));
    ck_assert_ptr_nonnull(udp4_neighbour(&a, 0x0a000200 + 119));
}
END_TEST

START_TEST(icmp_error)
{
    struct udp4 a = host(mac, STATION);
    struct udp4_datagram got;
    uint8_t f[60] = {2, 0, 0, 0, 0,  1, 2, 0, 0,  0, 0, 9, 8,  0, 0x45, 0,  0, 28,
                     0, 1, 0, 0, 64, 1, 0, 0, 10, 0, 2, 2, 10, 0, 2,    15, 3, 3};

    udp4_put16(f + 24, (uint16_t)~udp4_sum(0, f + 14, 20));
    udp4_put16(f + 36, (uint16_t)~udp4_sum(0, f + 34, 8));
    ck_assert_int_eq(udp4_input(&a, f, sizeof f, &got), UDP4_ICMP_ERROR);
    ck_assert_uint_eq(got.len, 8);
    f[35]++;
    ck_assert_int_eq(udp4_input(&a, f, sizeof f, &got), UDP4_NOTHING);
}
END_TEST

/* --- DHCP --- */

struct message {
    uint8_t raw[DHCP4_SIZE];
    size_t len;
};

static void add(struct message *m, unsigned code, const void *data, unsigned len)
{
    m->raw[m->len++] = (uint8_t)code;
    m->raw[m->len++] = (uint8_t)len;
    memcpy(m->raw + m->len, data, len);
    m->len += len;
}

static struct message reply(const struct dhcp4_client *c, uint8_t type, uint32_t address,
                            uint32_t server)
{
    struct message m = {.len = 240};
    uint8_t id[4];

    m.raw[0] = 2;
    m.raw[1] = 1;
    m.raw[2] = 6;
    udp4_put32(m.raw + 4, c ? c->xid : 0);
    udp4_put32(m.raw + 16, address);
    memcpy(m.raw + 28, mac, UDP4_MAC);
    udp4_put32(m.raw + 236, 0x63825363);
    udp4_put32(id, server);
    add(&m, DHCP4_TYPE, &type, 1);
    add(&m, DHCP4_SERVER_ID, id, 4);
    return m;
}

static void with_file(struct message *m, const char *name)
{
    strcpy((char *)m->raw + 108, name);
}

static void give(struct dhcp4_client *c, struct message *m, uint16_t port, uint64_t now)
{
    struct udp4_datagram d = {.src = SERVER, .sport = port, .dport = 68, .data = m->raw};

    m->raw[m->len] = DHCP4_END;
    d.len = m->len + 1;
    dhcp4_input(c, &d, now);
}

static struct dhcp4_client client(void)
{
    struct dhcp4_client c = {.send = on_datagram, .sort = true};

    memcpy(c.mac, mac, UDP4_MAC);
    for (unsigned i = 0; i < 16; i++)
        c.uuid[i] = (uint8_t)(0xa0 + i);
    count = 0;
    dhcp4_start(&c, 0x1234, 1000);
    return c;
}

START_TEST(discover_message)
{
    struct dhcp4_client c = client();
    const uint8_t *p;
    unsigned len;

    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(last.dst, UDP4_BROADCAST);
    ck_assert_uint_eq(last.dport, 67);
    ck_assert_uint_ge(sent_len, 300);
    ck_assert_uint_eq(udp4_get32(sent + 4), c.xid);
    p = dhcp4_option(sent, sent_len, DHCP4_ARCHITECTURE, &len);
    ck_assert(p && len == 2 && udp4_get16(p) == 2);
    p = dhcp4_option(sent, sent_len, DHCP4_CLASS, &len);
    ck_assert(p && len == 32 && memcmp(p, "PXEClient:Arch:00002:UNDI:003001", 32) == 0);
    p = dhcp4_option(sent, sent_len, DHCP4_MACHINE, &len);
    ck_assert(p && len == 17 && p[0] == 0 && p[1] == 0xa0 && p[16] == 0xaf);
    p = dhcp4_option(sent, sent_len, DHCP4_INTERFACE, &len);
    ck_assert(p && len == 3 && p[0] == 1);
}
END_TEST

START_TEST(lease)
{
    struct dhcp4_client c = client();
    struct message offer = reply(&c, DHCP4_OFFER, STATION, SERVER), ack;
    const uint8_t *p;
    unsigned len;

    with_file(&offer, "grub.efi");
    give(&c, &offer, 67, 1100); /* names a file: no waiting for others */
    ck_assert_int_eq(c.state, DHCP4_REQUESTING);
    ck_assert_uint_eq(count, 2);
    p = dhcp4_option(sent, sent_len, DHCP4_ADDRESS, &len);
    ck_assert(p && len == 4 && udp4_get32(p) == STATION);
    p = dhcp4_option(sent, sent_len, DHCP4_SERVER_ID, &len);
    ck_assert(p && len == 4 && udp4_get32(p) == SERVER);
    ack = reply(&c, DHCP4_ACK, STATION, SERVER);
    add(&ack, DHCP4_MASK, "\xff\xff\xff\x00", 4);
    add(&ack, DHCP4_ROUTER, "\x0a\x00\x02\x02", 4);
    ack.raw[4] ^= 1;
    give(&c, &ack, 67, 1200); /* of another transaction */
    ck_assert_int_eq(c.state, DHCP4_REQUESTING);
    ack.raw[4] ^= 1;
    ack.raw[28] ^= 4;
    give(&c, &ack, 67, 1200); /* for another client */
    ck_assert_int_eq(c.state, DHCP4_REQUESTING);
    ack.raw[28] ^= 4;
    give(&c, &ack, 67, 1300);
    ck_assert_int_eq(c.state, DHCP4_DONE);
    ck_assert_uint_eq(c.address, STATION);
    ck_assert_uint_eq(c.mask, MASK);
    ck_assert_uint_eq(c.router, SERVER);
    give(&c, &ack, 67, 1300); /* once more: nothing happens */
    ck_assert_uint_eq(count, 2);
}
END_TEST

START_TEST(nobody_answers)
{
    struct dhcp4_client c = client();
    uint64_t now = 1000;

    while (dhcp4_busy(&c)) {
        ck_assert_uint_gt(c.due, now);
        now = c.due;
        dhcp4_poll(&c, now);
    }
    ck_assert_int_eq(c.state, DHCP4_FAILED);
    ck_assert_uint_eq(count, DHCP4_TRIES);
    ck_assert_uint_eq(now, 61000);
    ck_assert_uint_eq(udp4_get16(sent + 8), 28); /* seconds since the first */
}
END_TEST

/* An address without a file waits two seconds for somebody who has one. */
START_TEST(better_offer_wins)
{
    struct dhcp4_client c = client();
    struct message plain = reply(&c, DHCP4_OFFER, STATION, SERVER),
                   better = reply(&c, DHCP4_OFFER, STATION + 1, PROXY);
    const uint8_t *p;
    unsigned len;

    give(&c, &plain, 67, 1100);
    ck_assert_int_eq(c.state, DHCP4_SELECTING);
    with_file(&better, "x");
    give(&c, &better, 67, 1200);
    ck_assert_int_eq(c.state, DHCP4_REQUESTING);
    p = dhcp4_option(sent, sent_len, DHCP4_SERVER_ID, &len);
    ck_assert(p && udp4_get32(p) == PROXY);
    c = client();
    plain = reply(&c, DHCP4_OFFER, STATION, SERVER);
    give(&c, &plain, 67, 1100);
    dhcp4_poll(&c, 3000);
    ck_assert_int_eq(c.state, DHCP4_SELECTING);
    dhcp4_poll(&c, 3100);
    ck_assert_int_eq(c.state, DHCP4_REQUESTING);
}
END_TEST

/* An address from one server, the file from a proxy that is asked on port 4011. */
START_TEST(proxy)
{
    struct dhcp4_client c = client();
    struct message offer = reply(&c, DHCP4_OFFER, STATION, SERVER),
                   other = reply(&c, DHCP4_OFFER, 0, PROXY), ack, file;

    give(&c, &offer, 67, 1100);
    add(&other, DHCP4_CLASS, "PXEClient", 9);
    give(&c, &other, 67, 1200);
    ck_assert_int_eq(c.state, DHCP4_REQUESTING);
    ack = reply(&c, DHCP4_ACK, STATION, SERVER);
    give(&c, &ack, 67, 1300);
    ck_assert_int_eq(c.state, DHCP4_ASKING_PROXY);
    ck_assert_uint_eq(last.dst, PROXY);
    ck_assert_uint_eq(last.dport, 4011);
    ck_assert_uint_eq(udp4_get32(sent + 12), STATION);
    file = reply(&c, DHCP4_ACK, 0, PROXY);
    with_file(&file, "proxy.efi");
    give(&c, &file, 4011, 1400); /* not of the class */
    ck_assert_int_eq(c.state, DHCP4_ASKING_PROXY);
    add(&file, DHCP4_CLASS, "PXEClient", 9);
    give(&c, &file, 4011, 1400);
    ck_assert_int_eq(c.state, DHCP4_DONE);
    ck_assert_str_eq((char *)c.proxy.raw + 108, "proxy.efi");
    ck_assert_uint_eq(udp4_get32(c.ack.raw + 16), STATION);
}
END_TEST

START_TEST(refusals_end)
{
    struct dhcp4_client c = client();

    for (unsigned i = 0; i < 100 && dhcp4_busy(&c); i++) {
        struct message offer = reply(&c, DHCP4_OFFER, STATION, SERVER),
                       nak = reply(&c, DHCP4_NAK, 0, SERVER);

        with_file(&offer, "x");
        give(&c, &offer, 67, 1000);
        give(&c, &nak, 67, 1000);
    }
    ck_assert_int_eq(c.state, DHCP4_FAILED);
    ck_assert_uint_le(count, 2 * DHCP4_TRIES);
}
END_TEST

START_TEST(boot_server)
{
    struct dhcp4_client c = client();
    struct message answer;
    const uint8_t *p;
    unsigned len;

    c.address = STATION;
    dhcp4_ask_server(&c, 0x8001, 0, UDP4_BROADCAST, 5000);
    ck_assert_uint_eq(last.dport, 67);
    p = dhcp4_option(sent, sent_len, DHCP4_VENDOR, &len);
    ck_assert(p && len == 7 && memcmp(p, "\x47\x04\x80\x01\x00\x00\xff", 7) == 0);
    for (unsigned i = 0; i < 4; i++)
        dhcp4_poll(&c, c.due);
    ck_assert_int_eq(c.state, DHCP4_FAILED);
    dhcp4_ask_server(&c, 0, 0, PROXY, 30000);
    ck_assert_uint_eq(last.dport, 4011);
    answer = reply(&c, DHCP4_ACK, 0, PROXY);
    add(&answer, DHCP4_CLASS, "PXEClient", 9);
    give(&c, &answer, 4011, 30100);
    ck_assert_int_eq(c.state, DHCP4_DONE);
    ck_assert_uint_gt(c.pxe_reply.len, 240);
}
END_TEST

/* --- DHCP: what messages say --- */

START_TEST(options)
{
    struct message m = reply(NULL, DHCP4_ACK, STATION, SERVER);
    static const uint8_t vendor[] = {6, 1,  9, 7, 4, 224, 1, 2, 3, 8, 7,   0,  5,
                                     1, 10, 0, 2, 3, 9,   4, 0, 5, 1, 'x', 255};
    struct dhcp4_info i;

    add(&m, DHCP4_CLASS, "PXEClient", 9);
    add(&m, DHCP4_VENDOR, vendor, sizeof vendor);
    add(&m, DHCP4_TFTP_SERVER, "10.0.2.4", 8);
    add(&m, DHCP4_BOOT_FILE, "a/b.efi\0rest", 12);
    with_file(&m, "not this");
    m.raw[m.len] = DHCP4_END;
    ck_assert(dhcp4_read(m.raw, m.len + 1, &i));
    ck_assert_uint_eq(i.type, DHCP4_ACK);
    ck_assert_str_eq(i.file, "a/b.efi");
    ck_assert_uint_eq(i.boot_server, 0x0a000204);
    ck_assert_uint_eq(i.mask, 0xff000000); /* of its class */
    ck_assert(i.pxe && i.has_control && i.control == 9 && i.has_item && i.item == 5);
    ck_assert_uint_eq(i.multicast, 0xe0010203);
    ck_assert_uint_eq(i.item_server, PROXY);
    udp4_put32(m.raw + 20, PROXY); /* the next server's own field counts first */
    ck_assert(dhcp4_read(m.raw, m.len + 1, &i));
    ck_assert_uint_eq(i.boot_server, PROXY);
    ck_assert(!dhcp4_read(m.raw, 239, &i));
    m.raw[236] = 0;
    ck_assert(!dhcp4_read(m.raw, m.len + 1, &i));
}
END_TEST

/* Options that continue in the fields of names. */
START_TEST(overload)
{
    struct message m = reply(NULL, DHCP4_OFFER, STATION, SERVER);
    unsigned len;
    struct dhcp4_info i;

    add(&m, DHCP4_OVERLOAD, "\3", 1);
    memcpy(m.raw + 108,
           "\x43\x04"
           "boot\xff",
           7);
    memcpy(m.raw + 44, "\x01\x04\xff\xff\x00\x00", 6);
    m.raw[44 + 6] = 0xff;
    m.raw[m.len] = DHCP4_END;
    ck_assert(dhcp4_read(m.raw, m.len + 1, &i));
    ck_assert_str_eq(i.file, "boot");
    ck_assert_uint_eq(i.mask, 0xffff0000);
    m.raw[109] = 200; /* beyond the field */
    ck_assert_ptr_null(dhcp4_option(m.raw, m.len + 1, DHCP4_BOOT_FILE, &len));
}
END_TEST

/* Addresses no host can have, lengths that go beyond the message. */
START_TEST(nonsense_replies)
{
    static const uint32_t bad[] = {0, 0x7f000001, 0xe0000001, 0xffffffff, 0x00000005};
    struct message m;
    struct dhcp4_info i;
    unsigned len;

    for (unsigned n = 0; n < 5; n++) {
        m = reply(NULL, DHCP4_OFFER, bad[n], SERVER);
        ck_assert(dhcp4_read(m.raw, m.len, &i));
        ck_assert_uint_eq(i.address, 0);
    }
    m = reply(NULL, DHCP4_OFFER, STATION, SERVER);
    add(&m, DHCP4_BOOT_FILE, "name", 4);
    for (size_t cut = m.len - 5; cut < m.len; cut++)
        ck_assert_ptr_null(dhcp4_option(m.raw, cut, DHCP4_BOOT_FILE, &len));
    m = reply(NULL, DHCP4_OFFER, STATION, SERVER);
    add(&m, DHCP4_MASK, "\xff\x00\xff\x00", 4);
    ck_assert(dhcp4_read(m.raw, m.len, &i));
    ck_assert_uint_eq(i.mask, 0xff000000);
}
END_TEST

/* --- TFTP --- */

static uint8_t *received;
static size_t room, got_bytes;

static bool on_put(void *opaque, uint64_t at, const uint8_t *data, size_t len)
{
    (void)opaque;
    ck_assert_uint_eq(at, got_bytes);
    if (at + len > room)
        return false;
    memcpy(received + at, data, len);
    got_bytes += len;
    return true;
}

static bool on_get(void *opaque, uint64_t at, uint8_t *data, size_t len)
{
    (void)opaque;
    memset(data, (int)(at & 0xff), len);
    return true;
}

static void transfer(struct tftp *t, enum tftp_operation what, size_t space)
{
    memset(t, 0, sizeof *t);
    strcpy(t->name, "file");
    t->operation = what;
    t->server = SERVER;
    t->port = 2070;
    t->send = on_datagram;
    t->put = on_put;
    t->get = on_get;
    free(received);
    received = malloc(space + 1);
    room = space;
    got_bytes = 0;
    count = 0;
    tftp_start(t, 0);
}

static void answer(struct tftp *t, const void *data, size_t len)
{
    tftp_input(t,
               &(struct udp4_datagram){
                   .src = SERVER, .sport = 5000, .dport = 2070, .data = data, .len = len},
               10);
}

static void block(struct tftp *t, unsigned number, unsigned size)
{
    uint8_t m[4 + TFTP_BLOCK_MAX] = {0, 3};

    udp4_put16(m + 2, number & 0xffff);
    memset(m + 4, (int)number, size);
    answer(t, m, 4 + size);
}

static bool acked(unsigned number)
{
    return sent_len == 4 && udp4_get16(sent) == 4 && udp4_get16(sent + 2) == (number & 0xffff);
}

START_TEST(tftp_request)
{
    static const char wanted[] = "\0\1file\0octet\0tsize\0"
                                 "0\0blksize\0"
                                 "1468";
    struct tftp t;

    transfer(&t, TFTP_READ, 0);
    ck_assert_uint_eq(last.dport, 69);
    ck_assert_uint_eq(sent_len, sizeof wanted);
    ck_assert_mem_eq(sent, wanted, sizeof wanted);
}
END_TEST

/* Duplicates are acknowledged again but not taken; others and strangers change nothing. */
START_TEST(tftp_read_file)
{
    struct tftp t;

    transfer(&t, TFTP_READ, 2500);
    answer(&t,
           "\0\6blksize\0"
           "1000\0tsize\0"
           "2500",
           26);
    ck_assert(acked(0));
    ck_assert(t.has_size && t.size == 2500);
    block(&t, 1, 1000);
    ck_assert(acked(1));
    ck_assert_uint_eq(last.dport, 5000);
    block(&t, 1, 1000);
    ck_assert(acked(1));
    ck_assert_uint_eq(count, 4);
    block(&t, 3, 1000); /* too early */
    block(&t, 2, 1001); /* too long */
    ck_assert_uint_eq(count, 4);
    tftp_input(&t,
               &(struct udp4_datagram){.src = SERVER,
                                       .sport = 5001,
                                       .dport = 2070,
                                       .data = (const uint8_t *)"\0\3\0\2",
                                       .len = 4},
               10);
    ck_assert_uint_eq(udp4_get16(sent), 5);
    ck_assert_uint_eq(udp4_get16(sent + 2), 5);
    ck_assert_uint_eq(last.dport, 5001);
    block(&t, 2, 1000);
    block(&t, 3, 500);
    ck_assert(acked(3));
    ck_assert_int_eq(t.state, TFTP_DONE);
    ck_assert_uint_eq(got_bytes, 2500);
    ck_assert_uint_eq(received[999], 1);
    ck_assert_uint_eq(received[1000], 2);
}
END_TEST

/* Numbers go on at 0 after 65535; a full last block needs an empty one. */
START_TEST(tftp_many_blocks)
{
    const unsigned blocks = 70000;
    struct tftp t;

    transfer(&t, TFTP_READ, 512 * (size_t)blocks);
    for (unsigned n = 1; n <= blocks; n++)
        block(&t, n, 512);
    ck_assert_int_eq(t.state, TFTP_MOVING);
    ck_assert(acked(blocks));
    block(&t, blocks + 1, 0);
    ck_assert_int_eq(t.state, TFTP_DONE);
    ck_assert_uint_eq(got_bytes, 512 * (size_t)blocks);
}
END_TEST

START_TEST(tftp_size)
{
    struct tftp t;

    transfer(&t, TFTP_SIZE, 0);
    answer(&t,
           "\0\6TSIZE\0"
           "123456",
           15);
    ck_assert_int_eq(t.state, TFTP_DONE);
    ck_assert_uint_eq(t.size, 123456);
    ck_assert_uint_eq(udp4_get16(sent), 5); /* the server need not send it */
    transfer(&t, TFTP_SIZE, 0);
    block(&t, 1, 512); /* a server without options: counted */
    block(&t, 2, 88);
    ck_assert_int_eq(t.state, TFTP_DONE);
    ck_assert_uint_eq(t.size, 600);
}
END_TEST

START_TEST(tftp_failures)
{
    struct tftp t;

    transfer(&t, TFTP_READ, 700);
    block(&t, 1, 512);
    block(&t, 2, 512); /* does not fit */
    ck_assert_int_eq(t.failure, TFTP_TOO_LARGE);
    ck_assert_uint_eq(udp4_get16(sent), 5);
    transfer(&t, TFTP_READ, 0);
    answer(&t, "\0\5\0\1no \x1b[2Jfile", 14);
    ck_assert_int_eq(t.failure, TFTP_REFUSED);
    ck_assert_uint_eq(t.error_code, 1);
    ck_assert_str_eq(t.error_text, "no ?[2Jfil");
    transfer(&t, TFTP_READ, 0);
    for (unsigned i = 0; i < TFTP_TRIES; i++)
        tftp_poll(&t, t.due);
    ck_assert_int_eq(t.failure, TFTP_TIMED_OUT);
    ck_assert_uint_eq(count, TFTP_TRIES);
}
END_TEST

START_TEST(tftp_without_options)
{
    struct tftp t;

    transfer(&t, TFTP_READ, 600);
    answer(&t, "\0\5\0\10no", 7);
    ck_assert_int_eq(t.state, TFTP_ASKED);
    ck_assert_uint_eq(sent_len, 13);
    ck_assert_mem_eq(sent, "\0\1file\0octet", 13);
    ck_assert_uint_eq(last.dport, 69);
    block(&t, 1, 512);
    block(&t, 2, 88);
    ck_assert_int_eq(t.state, TFTP_DONE);
    ck_assert_uint_eq(got_bytes, 600);
    transfer(&t, TFTP_READ, 600);
    answer(&t, "\0\5\0\10no", 7);
    answer(&t, "\0\5\0\10no", 7);
    ck_assert_int_eq(t.failure, TFTP_REFUSED);
}
END_TEST

START_TEST(tftp_bad_options)
{
    static const struct {
        const char *text;
        size_t len;
    } bad[] = {{"\0\6blksize\0"
                "4",
                12},
               {"\0\6blksize\0"
                "65000",
                16},
               {"\0\6blksize\0"
                "-1",
                13},
               {"\0\6tsize\0"
                "99999999999999999999999",
                32},
               {"\0\6windowsize\0"
                "4",
                15},
               {"\0\6tsize", 8},
               {"\0\6tsize\0"
                "12",
                10},
               {"\0\6tsize\0", 8}};
    struct tftp t;

    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        transfer(&t, TFTP_READ, 0);
        answer(&t, bad[i].text, bad[i].len);
        ck_assert_msg(t.failure == TFTP_BAD_ANSWER, "options %u", i);
    }
}
END_TEST

START_TEST(tftp_write_file)
{
    struct tftp t;
    uint8_t ack[4] = {0, 4};

    transfer(&t, TFTP_WRITE, 0);
    t.file_size = 1024;
    answer(&t, ack, 4);
    for (unsigned n = 1; n <= 3; n++) {
        ck_assert_uint_eq(udp4_get16(sent), 3);
        ck_assert_uint_eq(udp4_get16(sent + 2), n);
        ck_assert_uint_eq(sent_len, n < 3 ? 516 : 4);
        udp4_put16(ack + 2, n);
        answer(&t, ack, 4);
        answer(&t, ack, 4); /* the second starts nothing */
        ck_assert_uint_eq(count, n < 3 ? n + 2 : 4);
    }
    ck_assert_int_eq(t.state, TFTP_DONE);
    ck_assert_uint_eq(t.done, 1024);
}
END_TEST

static TCase *group(const char *name, const TTest *const *tests, size_t n)
{
    TCase *t = tcase_create(name);

    for (size_t i = 0; i < n; i++)
        tcase_add_test(t, tests[i]);
    return t;
}

int main(void)
{
    const TTest *const frames[] = {checksum,       datagram_there_and_back,
                                   whom_it_is_for, address_resolution,
                                   arp_lies,       icmp_error};
    const TTest *const dhcp[] = {
        discover_message, lease,       nobody_answers, better_offer_wins, proxy,
        refusals_end,     boot_server, options,        overload,          nonsense_replies};
    const TTest *const transfers[] = {tftp_request,     tftp_read_file, tftp_many_blocks,
                                      tftp_size,        tftp_failures,  tftp_without_options,
                                      tftp_bad_options, tftp_write_file};
    Suite *s = suite_create("network boot");
    SRunner *r;
    int failed;

    suite_add_tcase(s, group("frames", frames, sizeof frames / sizeof frames[0]));
    suite_add_tcase(s, group("DHCP", dhcp, sizeof dhcp / sizeof dhcp[0]));
    suite_add_tcase(s, group("TFTP", transfers, sizeof transfers / sizeof transfers[0]));
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
