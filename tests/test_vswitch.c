/* vswitch/: forwarding, VLANs, addresses, drops, port states; control requests; the queue, captures
 * and the words of a user network. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "frameq.h"
#include "log.h"

#define MAX_SEEN 64

static struct vswitch *s;
static uint64_t now;
static struct seen {
    unsigned count;
    size_t len;
    uint8_t frame[2048];
    int link; /* -1: not told */
    bool full;
} seen[SWITCH_PORTS + 2]; /* one port more than there are */

static uint64_t clock_ns(void *opaque)
{
    (void)opaque;
    return now;
}

static bool on_frame(void *opaque, const uint8_t *frame, size_t len)
{
    struct seen *x = opaque;

    if (x->full)
        return false;
    x->count++;
    x->len = len;
    memcpy(x->frame, frame, len);
    return true;
}

static void on_link(void *opaque, bool up)
{
    ((struct seen *)opaque)->link = up;
}

static void setup(void)
{
    log_set_level(LOG_ERROR);
    now = 1;
    memset(seen, 0, sizeof seen);
    s = vswitch_new(clock_ns, NULL);
}

static void teardown(void)
{
    vswitch_free(s);
}

static struct vswitch_end end_of(unsigned port)
{
    seen[port].link = -1;
    return (struct vswitch_end){.opaque = &seen[port], .frame = on_frame, .link = on_link};
}

static int plug(unsigned port, int vlan, uint8_t mac, struct switch_refused *r)
{
    struct switch_hello h = {.version = SWITCH_PROTO_VERSION,
                             .port = port,
                             .vlan = vlan,
                             .mac = {2, 0, 0, 0, 0, mac},
                             .guest = "vm 1"};
    struct vswitch_end end = end_of(port);

    return vswitch_connect(s, &h, &end, r);
}

/* Guests 1 to n on ports of the same number, without VLANs. */
static void plug_all(unsigned n)
{
    struct switch_refused r;

    for (unsigned i = 1; i <= n; i++)
        ck_assert_int_eq(plug(i, SWITCH_VLAN_NONE, (uint8_t)i, &r), (int)i);
}

static void uplink(bool tags)
{
    struct vswitch_end end = end_of(0);

    vswitch_set_uplink(s, &end, tags);
}

/* Addresses by their last byte; 0xff: broadcast. tag: -1 for none. */
static size_t make(uint8_t *f, uint8_t to, uint8_t src, int tag, size_t len)
{
    memset(f, 0, len);
    f[0] = 2;
    f[5] = to;
    if (to == 0xff)
        memset(f, 0xff, 6);
    f[6] = 2;
    f[11] = src;
    net_put16(f + 12, 0x0800);
    if (tag >= 0) {
        net_put16(f + 12, 0x8100);
        net_put16(f + 14, (unsigned)tag);
        net_put16(f + 16, 0x0800);
    }
    return len;
}

static void from(unsigned port, uint8_t to, uint8_t src, int tag, size_t len)
{
    uint8_t f[2048];

    for (unsigned i = 0; i <= SWITCH_PORTS; i++)
        seen[i].count = 0;
    vswitch_input(s, port, f, make(f, to, src, tag, len));
}

static uint64_t drops(unsigned port, enum vswitch_drop why)
{
    return vswitch_port(s, port)->counters.dropped[why];
}

START_TEST(known_addresses_get_their_frames_alone)
{
    plug_all(3);
    from(1, 2, 1, -1, 60);
    ck_assert_uint_eq(seen[2].count, 1);
    ck_assert_uint_eq(seen[3].count, 0);
    from(1, 0xff, 1, -1, 60);
    ck_assert_uint_eq(seen[1].count, 0);
    ck_assert_uint_eq(seen[2].count + seen[3].count, 2);
    ck_assert_uint_eq(vswitch_port(s, 1)->counters.broadcasts, 1);
    from(1, 1, 1, -1, 60); /* to oneself */
    ck_assert_uint_eq(seen[1].count + seen[2].count + seen[3].count, 0);
}
END_TEST

START_TEST(unknown_addresses_are_learned_moved_and_aged)
{
    plug_all(3);
    from(1, 9, 1, -1, 60);
    ck_assert_uint_eq(seen[2].count + seen[3].count, 2);
    from(2, 1, 9, -1, 60); /* 9 is behind port 2 */
    from(1, 9, 1, -1, 60);
    ck_assert_uint_eq(seen[2].count, 1);
    ck_assert_uint_eq(seen[3].count, 0);
    from(3, 1, 9, -1, 60); /* and now behind 3 */
    from(1, 9, 1, -1, 60);
    ck_assert_uint_eq(seen[3].count, 1);
    ck_assert_uint_eq(seen[2].count, 0);
    now += VSWITCH_AGE_NS + 2;
    vswitch_age(s);
    ck_assert_uint_eq(vswitch_addresses(s), 0);
    from(1, 9, 1, -1, 60);
    ck_assert_uint_eq(seen[2].count + seen[3].count, 2);
}
END_TEST

START_TEST(a_guest_cannot_fill_the_table)
{
    uint8_t f[60];

    plug_all(2);
    for (unsigned i = 0; i < 100000; i++) {
        make(f, 0xff, 77, -1, sizeof f);
        f[8] = (uint8_t)(i >> 16);
        f[9] = (uint8_t)(i >> 8);
        f[10] = (uint8_t)i;
        vswitch_input(s, 1, f, sizeof f);
    }
    ck_assert_uint_le(vswitch_addresses(s), 64);
    from(2, 1, 2, -1, 60); /* registered addresses are still known */
    ck_assert_uint_eq(seen[1].count, 1);
    vswitch_disconnect(s, 1);
    ck_assert_uint_eq(vswitch_addresses(s), 0);
}
END_TEST

START_TEST(vlans_are_apart)
{
    struct switch_refused r;

    plug_all(4);
    vswitch_set_vlan(s, 1, 100);
    vswitch_set_vlan(s, 2, 100);
    vswitch_set_vlan(s, 3, 0);
    from(1, 0xff, 1, -1, 60);
    ck_assert_uint_eq(seen[2].count, 1);
    ck_assert_uint_eq(seen[3].count + seen[4].count, 0);
    from(1, 3, 1, -1, 60); /* by address, either */
    ck_assert_uint_eq(seen[3].count, 0);
    from(4, 0xff, 4, -1, 60);
    ck_assert_uint_eq(seen[1].count + seen[2].count + seen[3].count, 0);
    from(3, 0xff, 3, -1, 60);
    ck_assert_uint_eq(seen[1].count + seen[2].count + seen[4].count, 0);
    ck_assert_int_eq(plug(5, 0, 5, &r), 5); /* what the guest asks for counts as well */
    from(3, 5, 3, -1, 60);
    ck_assert_uint_eq(seen[5].count, 1);
    vswitch_set_vlan(s, 2, SWITCH_VLAN_NONE);
    from(4, 2, 4, -1, 60);
    ck_assert_uint_eq(seen[2].count, 1);
    ck_assert_int_eq(vswitch_set_vlan(s, 2, 4095), -EINVAL);
    ck_assert_int_eq(vswitch_set_vlan(s, 101, 1), -ENOENT);
    ck_assert_int_eq(vswitch_set_vlan(s, 0, 1), -ENOENT);
}
END_TEST

START_TEST(tags_are_put_in_and_taken_out)
{
    plug_all(2);
    uplink(true);
    vswitch_set_vlan(s, 1, 100);
    from(1, 0xff, 1, -1, 60);
    ck_assert_uint_eq(seen[0].len, 64);
    ck_assert_uint_eq(net_get16(seen[0].frame + 12), 0x8100);
    ck_assert_uint_eq(net_get16(seen[0].frame + 14), 100);
    ck_assert_uint_eq(net_get16(seen[0].frame + 16), 0x0800);
    from(2, 0xff, 2, -1, 60);
    ck_assert_uint_eq(seen[0].len, 60);
    from(0, 0xff, 50, 100, 64);
    ck_assert_uint_eq(seen[1].count, 1);
    ck_assert_uint_eq(seen[1].len, 60);
    ck_assert_uint_eq(net_get16(seen[1].frame + 12), 0x0800);
    ck_assert_uint_eq(seen[2].count, 0);
    from(0, 0xff, 50, -1, 60);
    ck_assert_uint_eq(seen[2].count, 1);
    ck_assert_uint_eq(seen[1].count, 0);
    from(0, 0xff, 50, 7 << 13, 64); /* a priority, no VLAN */
    ck_assert_uint_eq(seen[2].count, 1);
    from(0, 0xff, 50, 4095, 64);
    ck_assert_uint_eq(drops(0, DROP_TAGGED), 1);
    from(1, 0xff, 1, -1, 1514);
    ck_assert_uint_eq(seen[0].len, 1518);
}
END_TEST

START_TEST(guests_have_no_tags)
{
    uint8_t f[64];

    plug_all(2);
    uplink(false);
    from(1, 2, 1, 100, 64);
    ck_assert_uint_eq(seen[2].count, 0);
    ck_assert_uint_eq(drops(1, DROP_TAGGED), 1);
    from(1, 2, 1, 5 << 13, 64); /* a priority is taken out */
    ck_assert_uint_eq(seen[2].len, 60);
    make(f, 2, 1, 0, sizeof f); /* a tag in a tag */
    net_put16(f + 16, 0x8100);
    vswitch_input(s, 1, f, sizeof f);
    ck_assert_uint_eq(drops(1, DROP_TAGGED), 2);
    vswitch_set_vlan(s, 1, 5);
    from(1, 0xff, 1, -1, 60); /* an uplink that knows no tags is not in the VLAN */
    ck_assert_uint_eq(seen[0].count, 0);
    from(0, 0xff, 9, -1, 60);
    ck_assert_uint_eq(seen[1].count, 0);
    ck_assert_uint_eq(seen[2].count, 1);
}
END_TEST

START_TEST(what_is_wrong_is_dropped_and_counted)
{
    uint8_t f[60];

    plug_all(2);
    make(f, 2, 1, -1, sizeof f);
    vswitch_input(s, 1, f, 13);
    vswitch_input(s, 1, f, 0);
    f[6] = 3; /* a group as a source */
    vswitch_input(s, 1, f, sizeof f);
    memset(f + 6, 0, 6);
    vswitch_input(s, 1, f, sizeof f);
    ck_assert_uint_eq(drops(1, DROP_MALFORMED), 4);
    from(1, 2, 1, -1, 1515);
    from(1, 2, 1, 5 << 13, 1519);
    ck_assert_uint_eq(drops(1, DROP_OVERSIZED), 2);
    from(1, 0xff, 2, -1, 60); /* in the name of another port */
    ck_assert_uint_eq(drops(1, DROP_SPOOFED), 1);
    ck_assert_uint_eq(seen[2].count, 0);
    make(f, 2, 1, -1, sizeof f);
    memcpy(f, (const uint8_t[]){1, 0x80, 0xc2, 0, 0, 1}, 6);
    vswitch_input(s, 1, f, sizeof f);
    ck_assert_uint_eq(drops(1, DROP_FILTERED), 1);
    seen[2].full = true;
    from(1, 2, 1, -1, 60);
    ck_assert_uint_eq(drops(2, DROP_FULL), 1);
    ck_assert_uint_eq(vswitch_counters(s)->dropped[DROP_FULL], 1);
    ck_assert_uint_eq(vswitch_port(s, 2)->counters.out, 0);
}
END_TEST

START_TEST(ports_have_states)
{
    const struct vswitch_port *p = vswitch_port(s, 3);
    struct switch_refused r;

    ck_assert_int_eq(vswitch_state(p), PORT_UNUSED);
    vswitch_set_vlan(s, 3, 7);
    ck_assert_int_eq(vswitch_state(p), PORT_AVAILABLE);
    vswitch_set_reserved(s, 3, 2);
    ck_assert_int_eq(vswitch_state(p), PORT_RESERVED);
    ck_assert_int_eq(plug(3, SWITCH_VLAN_NONE, 3, &r), 3);
    ck_assert_int_eq(vswitch_state(p), PORT_ACTIVE);
    ck_assert_str_eq(p->guest, "vm_1"); /* no blanks in listings */
    vswitch_set_down(s, 3, true);
    ck_assert_int_eq(vswitch_state(p), PORT_DOWN);
    ck_assert_int_eq(seen[3].link, 0);
    ck_assert_int_eq(plug(4, 7, 4, &r), 4);
    from(4, 3, 4, -1, 60);
    from(3, 4, 3, -1, 60);
    ck_assert_uint_eq(seen[3].count + seen[4].count, 0);
    ck_assert_uint_eq(drops(3, DROP_DOWN), 2);
    vswitch_set_down(s, 3, false);
    ck_assert_int_eq(seen[3].link, 1);
    vswitch_disconnect(s, 3);
    ck_assert_int_eq(vswitch_state(p), PORT_RESERVED);
}
END_TEST

START_TEST(connections_are_refused_with_reasons)
{
    struct switch_refused r = {0};

    plug_all(1);
    ck_assert_int_lt(plug(1, SWITCH_VLAN_NONE, 9, &r), 0);
    ck_assert_uint_eq(r.again, 1);
    ck_assert_int_lt(plug(2, SWITCH_VLAN_NONE, 1, &r), 0);
    ck_assert_uint_eq(r.mac, 1);
    ck_assert_int_lt(plug(101, SWITCH_VLAN_NONE, 9, &r), 0);
    ck_assert_int_lt(plug(2, 4095, 9, &r), 0);
    vswitch_set_vlan(s, 2, 5);
    ck_assert_int_lt(plug(2, 6, 9, &r), 0);
    ck_assert_str_eq(r.reason, "the port is configured for another VLAN");
    ck_assert_int_eq(plug(2, 5, 9, &r), 2);
}
END_TEST

START_TEST(free_ports_are_found)
{
    struct switch_hello h = {
        .version = SWITCH_PROTO_VERSION, .vlan = SWITCH_VLAN_NONE, .mac = {2, 1}};
    struct vswitch_end end = end_of(1);
    struct switch_refused r;

    vswitch_set_reserved(s, 1, 1);
    vswitch_set_vlan(s, 2, 5);
    for (unsigned i = 3; i <= SWITCH_PORTS; i++) {
        h.mac[5] = (uint8_t)i;
        ck_assert_int_eq(vswitch_connect(s, &h, &end, &r), (int)i);
    }
    h.mac[5] = 200;
    ck_assert_int_lt(vswitch_connect(s, &h, &end, &r), 0);
    h.version++;
    ck_assert_int_lt(vswitch_connect(s, &h, &end, &r), 0);
}
END_TEST

static struct daemon d;

static char *ask(const char *line, int fd)
{
    GString *out = g_string_new(NULL);

    control_request(&d, line, fd, out);
    return g_string_free(out, FALSE);
}

static void expect(const char *line, const char *part)
{
    char *out = ask(line, -1);

    ck_assert_msg(strstr(out, part) != NULL, "%s: %s", line, out);
    g_free(out);
}

START_TEST(control_requests)
{
    d = (struct daemon){.name = "clan1", .sw = s, .uplink = "user,dns=a b%"};
    plug_all(1);
    expect("port 1 vlan 100", "ok\n");
    expect("port 2 vlan 0", "ok\n");
    expect("port 3 reserve 2", "ok\n");
    expect("status", "+switch name=clan1 pid=");
    expect("status", " uplink=user,dns=a%20b%25 ports=1 ");
    expect("status", "+port number=1 state=Active vlan=100 guest=vm_1 mac=0x020000000001 "
                     "reserved=0 capture=0 in=0 ");
    expect("status", "+port number=2 state=Available vlan=0 guest= mac= reserved=0");
    expect("status", "+port number=3 state=Reserved vlan=none guest= mac= reserved=2");
    expect("port 1 down", "ok\n");
    expect("status", "+port number=1 state=Down ");
    expect("port 1 vlan none", "ok\n");
    from(1, 0xff, 1, -1, 60);
    expect("status", " in=1 in_bytes=60 out=0 out_bytes=0 broadcasts=1 dropped=1 drop_full=0 ");
    expect("clear", "ok\n");
    expect("status", " in=0 in_bytes=0 ");
    const char *const bad[] = {"",
                               " ",
                               "nothing",
                               "port",
                               "port 0 up",
                               "port 101 up",
                               "port 1",
                               "port 1 sideways",
                               "port 1 vlan",
                               "port 1 vlan 4095",
                               "port 1 vlan -1",
                               "port 1 vlan 1 2",
                               "port 1 reserve x",
                               "hostfwd list",
                               "pcap",
                               "pcap start",
                               "pcap start 1",
                               "pcap stop x",
                               "pcap pause 1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect(bad[i], "error ");
}
END_TEST

START_TEST(captures)
{
    FILE *f = tmpfile();
    uint8_t bytes[24 + 16 + 60 + 1];
    uint32_t word[10];

    d = (struct daemon){.name = "clan1", .sw = s};
    plug_all(2);
    g_free(ask("pcap start 1", dup(fileno(f))));
    expect("status", " capture=1 ");
    from(2, 1, 2, -1, 60);
    from(2, 2, 2, -1, 60);
    g_free(ask("pcap stop 1", -1));
    from(2, 1, 2, -1, 60);
    rewind(f);
    ck_assert_uint_eq(fread(bytes, 1, sizeof bytes, f), 24 + 16 + 60);
    memcpy(word, bytes, sizeof word);
    ck_assert_uint_eq(word[0], 0xa1b23c4d);
    ck_assert_uint_eq(word[5], 1);
    ck_assert_uint_eq(word[8], 60);
    ck_assert_uint_eq(word[9], 60);
    ck_assert_uint_eq(bytes[40 + 11], 2);
    fclose(f);
    char *out = ask("pcap start 1", open("/dev/full", O_WRONLY));
    ck_assert(g_str_has_prefix(out, "error ")); /* said once, at the start */
    g_free(out);
}
END_TEST

START_TEST(queues_are_bounded_and_keep_order)
{
    struct frameq q;
    uint8_t body[1000] = {0}, got[2000];
    int pair[2];
    unsigned n = 0;

    frameq_init(&q, 100000);
    while (frameq_push(&q, &n, sizeof n, body, sizeof body))
        n++;
    ck_assert_uint_ge(n, 90);
    ck_assert_uint_le(n, 100);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    for (unsigned i = 0; i < n; i++) {
        ck_assert(frameq_send(&q, pair[0]));
        ck_assert_int_eq(recv(pair[1], got, sizeof got, 0), sizeof n + sizeof body);
        ck_assert_int_eq(memcmp(got, &i, sizeof i), 0);
        if (i % 3 == 0) /* room that was used before */
            ck_assert(frameq_push(&q, &n, sizeof n, body, sizeof body) || q.count > 80);
    }
    close(pair[1]);
    ck_assert(frameq_push(&q, &n, sizeof n, NULL, 0));
    ck_assert(!frameq_send(&q, pair[0]));
    close(pair[0]);
    frameq_free(&q);
}
END_TEST

START_TEST(user_network_words)
{
    static const char *const good[][2] = {
        {"tcp:127.0.0.1:2222-:22", "tcp:127.0.0.1:2222-:22"},
        {"udp::53-10.0.2.15:53", "udp::53-10.0.2.15:53"},
        {"tcp:[::1]:80-[fec0::15]:8080", "tcp:[::1]:80-[fec0::15]:8080"},
    };
    static const char *const bad[] = {"tcp::22",
                                      "tcp::0-:22",
                                      "icmp::1-:1",
                                      "tcp:[::1]:1-:1",
                                      "tcp:[::1]:1-[::]:1",
                                      "tcp:[::1:1-[::2]:1",
                                      "tcp:[]:1-[::2]:1",
                                      "tcp:1.2.3:1-:1",
                                      "tcp::65536-:1",
                                      "tcp:a.example:1-:1",
                                      "",
                                      "tcp:"};
    struct user_forward f;
    struct user_options o;
    char text[160], why[300];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_int_eq(user_parse_forward(good[i][0], &f), 0);
        user_print_forward(&f, text, sizeof text);
        ck_assert_str_eq(text, good[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_ne(user_parse_forward(bad[i], &f), 0);
    ck_assert_int_eq(user_parse(&o, "user", why, sizeof why), 0);
    ck_assert_int_eq(
        user_parse(&o, "user,hostfwd=tcp::1-:1,tftp=/a,bootfile=b,dns=::1", why, sizeof why), 0);
    ck_assert_uint_eq(o.forwards, 1);
    ck_assert_str_eq(o.tftp, "/a");
    ck_assert_str_eq(o.dns, "::1");
    ck_assert_int_ne(user_parse(&o, "user,dns=x", why, sizeof why), 0);
    ck_assert_int_ne(user_parse(&o, "users", why, sizeof why), 0);
    ck_assert_int_ne(user_parse(&o, "user,,", why, sizeof why), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vswitch");
    TCase *t = tcase_create("vswitch");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, known_addresses_get_their_frames_alone);
    tcase_add_test(t, unknown_addresses_are_learned_moved_and_aged);
    tcase_add_test(t, a_guest_cannot_fill_the_table);
    tcase_add_test(t, vlans_are_apart);
    tcase_add_test(t, tags_are_put_in_and_taken_out);
    tcase_add_test(t, guests_have_no_tags);
    tcase_add_test(t, what_is_wrong_is_dropped_and_counted);
    tcase_add_test(t, ports_have_states);
    tcase_add_test(t, connections_are_refused_with_reasons);
    tcase_add_test(t, free_ports_are_found);
    tcase_add_test(t, control_requests);
    tcase_add_test(t, captures);
    tcase_add_test(t, queues_are_bounded_and_keep_order);
    tcase_add_test(t, user_network_words);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
