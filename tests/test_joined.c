/* vswitch/joined.h: segments that the host's network stack has joined become frames of the wire. */
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "joined.h"
#include "netdev.h"
#include "vswitch.h"

#define MAX_FRAMES 64
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* older headers */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

static struct {
    size_t len;
    uint8_t bytes[VSWITCH_FRAME_MAX];
} got[MAX_FRAMES];
static unsigned count;
static uint8_t frame[1 << 16];

static void take(void *opaque, const uint8_t *f, size_t len)
{
    (void)opaque;
    ck_assert_uint_lt(count, MAX_FRAMES);
    ck_assert_uint_le(len, VSWITCH_FRAME_MAX);
    got[count].len = len;
    memcpy(got[count++].bytes, f, len);
}

/* Headers of 20 or 40, and 20 or 8 bytes, then data that tells its place. The whole length. */
static size_t make(bool ipv6, bool tcp, size_t data)
{
    size_t ip = NET_HEADER, transport = ip + (ipv6 ? 40 : 20), at = transport + (tcp ? 20 : 8);

    memset(frame, 0, at);
    net_put16(frame + 12, ipv6 ? 0x86dd : 0x0800);
    frame[ip] = ipv6 ? 0x60 : 0x45;
    frame[ip + (ipv6 ? 6 : 9)] = tcp ? IPPROTO_TCP : IPPROTO_UDP;
    net_put16(frame + ip + (ipv6 ? 38 : 18), 0x1234); /* the destination's end */
    net_put16(frame + ip + 4, ipv6 ? 0 : 0xffff);     /* the identification wraps */
    net_put16(frame + transport, 80);
    if (tcp) {
        net_put16(frame + transport + 4, 0xffff); /* the sequence number too */
        net_put16(frame + transport + 6, 0xff00);
        frame[transport + 12] = 0x50;
        frame[transport + 13] = 0x80 | 0x10 | 0x08 | 0x01; /* CWR ACK PSH FIN */
    }
    for (size_t i = 0; i < data; i++)
        frame[at + i] = (uint8_t)(i * 7 + i / 251);
    count = 0;
    return at + data;
}

static bool split(unsigned type, unsigned size, size_t len)
{
    const struct virtio_net_hdr h = {.gso_type = (uint8_t)type, .gso_size = (uint16_t)size};

    return joined_split(&h, frame, len, take, NULL);
}

/* As a receiver would: sums over everything are all ones. */
static void check_sums(const uint8_t *f, size_t len, bool ipv6, unsigned protocol)
{
    size_t transport = NET_HEADER + (ipv6 ? 40 : 20);
    uint8_t tail[4] = {0, (uint8_t)protocol};

    net_put16(tail + 2, (unsigned)(len - transport));
    unsigned sum = net_sum(net_sum(0, tail, 4), f + NET_HEADER + (ipv6 ? 8 : 12), ipv6 ? 32 : 8);
    ck_assert_uint_eq(net_sum(sum, f + transport, len - transport), 0xffff);
    if (!ipv6)
        ck_assert_uint_eq(net_sum(0, f + NET_HEADER, 20), 0xffff);
}

static void check_tcp(bool ipv6)
{
    size_t at = NET_HEADER + (ipv6 ? 60 : 40), transport = at - 20, data = 3 * 1400 + 7, seen = 0;

    make(ipv6, true, data);
    ck_assert(
        split((ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4) | VIRTIO_NET_HDR_GSO_ECN,
              1400, at + data));
    ck_assert_uint_eq(count, 4);
    for (unsigned n = 0; n < count; n++) {
        const uint8_t *f = got[n].bytes, *t = f + transport;
        uint32_t sequence = (uint32_t)net_get16(t + 4) << 16 | net_get16(t + 6);
        ck_assert_uint_eq(sequence, 0xffffff00u + (uint32_t)seen);
        ck_assert_uint_eq(t[13], (n == 0 ? 0x90 : 0x10) | (n == 3 ? 0x09 : 0));
        ck_assert_mem_eq(f + at, frame + at + seen, got[n].len - at);
        ck_assert_uint_eq(net_get16(f + NET_HEADER + (ipv6 ? 4 : 2)),
                          got[n].len - (ipv6 ? transport : NET_HEADER));
        if (!ipv6)
            ck_assert_uint_eq(net_get16(f + NET_HEADER + 4), (0xffff + n) & 0xffff);
        check_sums(f, got[n].len, ipv6, IPPROTO_TCP);
        seen += got[n].len - at;
    }
    ck_assert_uint_eq(seen, data);
}

START_TEST(tcp_segments)
{
    check_tcp(false);
    check_tcp(true);
}
END_TEST

START_TEST(udp_datagrams)
{
    size_t len = make(false, false, 2500);

    ck_assert(split(VIRTIO_NET_HDR_GSO_UDP_L4, 1000, len));
    ck_assert_uint_eq(count, 3);
    ck_assert_uint_eq(net_get16(got[2].bytes + 38), 508);
    for (unsigned n = 0; n < count; n++)
        check_sums(got[n].bytes, got[n].len, false, IPPROTO_UDP);
}
END_TEST

START_TEST(sums_that_are_to_be_made)
{
    struct virtio_net_hdr h = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};
    size_t len = make(false, true, 101);
    uint8_t tail[4] = {0, IPPROTO_TCP, 0, 121};

    net_put16(frame + 50, net_sum(net_sum(0, tail, 4), frame + 26, 8));
    net_put16(frame + 24, ~net_sum(0, frame + NET_HEADER, 20) & 0xffff);
    ck_assert(joined_split(&h, frame, len, take, NULL));
    ck_assert_uint_eq(count, 1);
    check_sums(got[0].bytes, got[0].len, false, IPPROTO_TCP);
    h.csum_offset = (uint16_t)(len - 34 - 1);
    ck_assert(!joined_split(&h, frame, len, take, NULL));
    h.csum_start = 65535;
    ck_assert(!joined_split(&h, frame, len, take, NULL));
}
END_TEST

/* Descriptions that do not fit give nothing; none of them reads or writes beyond its bounds. */
START_TEST(nonsense)
{
    size_t len = make(false, true, 3000);

    ck_assert(!split(VIRTIO_NET_HDR_GSO_TCPV4, 0, len));
    ck_assert(!split(VIRTIO_NET_HDR_GSO_TCPV4, 1461, len));
    ck_assert(!split(VIRTIO_NET_HDR_GSO_TCPV4, 1000, 53));
    frame[23] = 1;
    ck_assert(!split(VIRTIO_NET_HDR_GSO_TCPV4, 1000, len));
    ck_assert_uint_eq(count, 0);
    srand(1030);
    for (unsigned i = 0; i < 20000; i++) {
        struct virtio_net_hdr h;
        for (size_t k = 0; k < sizeof h; k++)
            ((uint8_t *)&h)[k] = (uint8_t)rand();
        h.gso_type &= 7;
        len = make(i & 1, i & 2, (size_t)rand() % 3000);
        for (unsigned k = 0; k < 3; k++)
            frame[12 + (unsigned)rand() % 60] = (uint8_t)rand();
        uint8_t *copy = malloc(len);
        memcpy(copy, frame, len);
        count = 0;
        h.gso_size = (uint16_t)(h.gso_size % 1600 + 60);
        if ((h.gso_type & 7) == VIRTIO_NET_HDR_GSO_NONE && len > VSWITCH_FRAME_MAX)
            h.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        joined_split(&h, copy, len, take, NULL);
        free(copy);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("joined");
    TCase *t = tcase_create("joined");

    tcase_add_test(t, tcp_segments);
    tcase_add_test(t, udp_datagrams);
    tcase_add_test(t, sums_that_are_to_be_made);
    tcase_add_test(t, nonsense);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
