/* The gdb stub without sockets: packets, registers, memory, breakpoints, threads; and what a client
 * gets that does not keep to the protocol. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu_harness.h"
#include "gdb.h"
#include "gdb_packet.h"
#include "gdb_regs.h"

static struct harness *h;
static struct gdb *g;
static struct breakset breaks;
static unsigned stops, steps, quits;
static uint32_t held;
static char last_command[64];

static struct cpu *the_cpu(void *opaque, unsigned n)
{
    (void)opaque;
    (void)n;
    return h->c;
}

static void use_breaks(void *opaque)
{
    (void)opaque;
    cpu_set_breaks(h->c, &breaks);
}

static void stop(void *opaque)
{
    (void)opaque;
    stops++;
}

static void go_on(void *opaque, uint32_t which)
{
    (void)opaque;
    held = which;
}

static void step(void *opaque, unsigned n)
{
    (void)opaque;
    steps += 1 + 100 * n;
}

static void quit(void *opaque)
{
    (void)opaque;
    quits++;
}

static void command(void *opaque, const char *line, unsigned n, GString *out)
{
    (void)opaque;
    snprintf(last_command, sizeof last_command, "%u %s", n, line);
    g_string_append(out, "answer\n");
}

static void setup(void)
{
    struct gdb_target t = {.cpus = 2,
                           .cpu = the_cpu,
                           .breaks = &breaks,
                           .use_breaks = use_breaks,
                           .stop = stop,
                           .go_on = go_on,
                           .step = step,
                           .quit = quit,
                           .command = command};

    h = harness_new(CPU_MONTECITO);
    memset(&breaks, 0, sizeof breaks);
    stops = steps = quits = 0;
    held = 0;
    g = gdb_new(&t);
}

static void teardown(void)
{
    gdb_free(g);
    harness_free(h);
}

static void feed(const char *text)
{
    gdb_input(g, (const uint8_t *)text, strlen(text));
}

/* What follows a packet's acknowledgement, without frame and checksum; all packets in a row. */
static const char *ask(const char *text)
{
    static char answer[65536];
    GString *packet = g_string_new(NULL), *out = gdb_output(g);
    struct gdb_reader r = {0};

    answer[0] = '\0';
    gdb_write_packet(packet, text, strlen(text));
    feed(packet->str);
    for (size_t k = 0; k < out->len; k++)
        if (gdb_reader_byte(&r, (uint8_t)out->str[k]) == GDB_PACKET)
            strcat(strcat(answer, answer[0] ? "|" : ""), r.text);
    g_string_truncate(out, 0);
    g_string_free(packet, TRUE);
    return answer;
}

/* --- framing --- */

START_TEST(acknowledgements)
{
    feed("$qAttached#8f");
    ck_assert_str_eq(gdb_output(g)->str, "+$1#31");
    g_string_truncate(gdb_output(g), 0);
    feed("$qAttached#8e");
    ck_assert_str_eq(gdb_output(g)->str, "-");
    g_string_truncate(gdb_output(g), 0);
    feed("$qAttached#8x$");
    ck_assert_str_eq(gdb_output(g)->str, "-");
    g_string_truncate(gdb_output(g), 0);
    ck_assert_str_eq(ask("QStartNoAckMode"), "OK");
    feed("++-noise$qAttached#8f");
    ck_assert_str_eq(gdb_output(g)->str, "$1#31");
}
END_TEST

START_TEST(packets_too_long)
{
    feed("$m");
    for (unsigned k = 0; k < 2 * GDB_PACKET_MAX; k++)
        feed("a");
    feed("#00");
    ck_assert_str_eq(gdb_output(g)->str, "-");
    g_string_truncate(gdb_output(g), 0);
    ck_assert_str_eq(ask("qAttached"), "1");
}
END_TEST

START_TEST(escapes)
{
    GString *s = g_string_new(NULL);
    struct gdb_reader r = {0};
    enum gdb_event e = GDB_NOTHING;

    gdb_write_packet(s, "a#$}*z", 6);
    for (size_t k = 0; k < s->len; k++)
        e = gdb_reader_byte(&r, (uint8_t)s->str[k]);
    ck_assert_int_eq(e, GDB_PACKET);
    ck_assert_str_eq(r.text, "a#$}*z");
    g_string_free(s, TRUE);
}
END_TEST

START_TEST(unknown_packets)
{
    ck_assert_str_eq(ask("vMustReplyEmpty"), "");
    ck_assert_str_eq(ask("R00"), "");
    ck_assert(strstr(ask("qSupported:multiprocess+"), "PacketSize=4000") != NULL);
    ck_assert(strstr(ask("qXfer:features:read:target.xml:0,fff"), "ia64-elf64") != NULL);
    ck_assert_str_eq(ask("qXfer:features:read:target.xml:5,3"), "m ve");
    ck_assert_str_eq(ask("qXfer:features:read:target.xml:fff,3"), "E01");
}
END_TEST

/* --- registers --- */

static const struct {
    const char *set, *get, *shown;
} cases[] = {
    {"P5=0100000000000080", "p5", "0100000000000080"},   /* r5 */
    {"P0=0100000000000000", "p0", "0000000000000000"},   /* r0 stays 0 */
    {"P21=4d00000000000000", "p21", "4d00000000000000"}, /* r33 */
    {"P28=4d00000000000000", "p28", "0000000000000000"}, /* r40 is outside the frame */
    {"P84=000000000000008000000300000000ff", "p84", "00000000000000000000000000000000"},
    {"P84=0000000000000080ffff000000000000", "p84", "0000000000000080ffff000000000000"}, /* f4 */
    {"P106=0100000000000000", "p14a", "4100000000000000"},                               /* p6 */
    {"P142=2040000000000000", "p142", "2040000000000000"},                               /* b2 */
    {"P14b=2340000000000000", "p14b", "2040000000000000"},                               /* ip */
    {"P14d=8301000000000000", "p14d", "8301000000000000"},                               /* cfm */
    {"P14d=ff04000000000000", "p14d", "8803000000000000"}, /* more than fits: stays */
    {"P18f=0900000000000000", "p18f", "0900000000000000"}, /* ar.lc */
    {"P15f=0900000000000000", "p15f", "4000200000000000"}, /* bsp: behind the frame */
    {"P1ce=00", "p1ce", "E01"},
    {"P5=01", "p5", "0000000000000000"},
    {"Px=01", "p", "E01"},
};

START_TEST(registers)
{
    cpu_set_cfm(h->c, 8 | 7 << 7);
    h->c->pr = 1;
    ask(cases[_i].set);
    ck_assert_str_eq(ask(cases[_i].get), cases[_i].shown);
}
END_TEST

/* gdb's numbers with all registers in a row. */
START_TEST(all_registers)
{
    const char *all;
    char set[2 * GDB_REGS_ALL + 2];

    cpu_set_gr(h->c, 8, 0x1122334455667788);
    h->c->br[7] = 0x7700;
    all = ask("g");
    ck_assert_uint_eq(strlen(all), 2 * GDB_REGS_ALL);
    ck_assert_mem_eq(all + 16 * 8, "8877665544332211", 16);
    ck_assert_mem_eq(all + 128 * 16 + 128 * 32 + 64 * 16 + 7 * 16, "0077000000000000", 16);
    snprintf(set, sizeof set, "G%s", all);
    memcpy(set + 1 + 16 * 8, "0100000000000000", 16);
    ck_assert_str_eq(ask(set), "OK");
    ck_assert_uint_eq(cpu_gr(h->c, 8), 1);
    ck_assert_uint_eq(h->c->br[7], 0x7700);
    set[100] = 'x';
    ck_assert_str_eq(ask(set), "E01");
    ck_assert_str_eq(ask("G00"), "E01");
}
END_TEST

START_TEST(nat_bits)
{
    cpu_set_cfm(h->c, 8);
    cpu_set_gr_nat(h->c, 9, true);
    cpu_set_gr_nat(h->c, 34, true);
    h->c->unat = 0x55;
    ck_assert_str_eq(ask("p172"), "5500000000000000");
    ck_assert_str_eq(ask("p161"), "0400000000000000"); /* rnat: r34 is slot 2 */
    ask("qRcmd,6e617473206f6e");                       /* nats on */
    ck_assert_str_eq(ask("p172"), "0002000000000000");
    ck_assert_str_eq(ask("P172=0001000000000000"), "OK");
    ck_assert(cpu_gr_nat(h->c, 8) && !cpu_gr_nat(h->c, 9));
}
END_TEST

/* --- memory, breakpoints --- */

START_TEST(memory)
{
    ck_assert_str_eq(ask("M300010,4:01020304"), "OK");
    ck_assert_str_eq(ask("m300010,6"), "010203040000");
    ck_assert_str_eq(ask("mfffffe,8"), "0000"); /* to the end of memory */
    ck_assert_str_eq(ask("m1000000,1"), "E14");
    ck_assert_str_eq(ask("M1000000,1:00"), "E01");
    ck_assert_str_eq(ask("m0,ffffffff"), "E01");
    ck_assert_str_eq(ask("M300010,4:0102"), "E01");
    ck_assert_str_eq(ask("m300010,0"), "");
    ck_assert_str_eq(ask("mffffffffffffffff1,1"), "E01");
}
END_TEST

START_TEST(points)
{
    char text[32];

    ck_assert_str_eq(ask("Z0,100010,0"), "OK");
    ck_assert_str_eq(ask("Z1,100012,0"), "OK");
    ck_assert_str_eq(ask("Z0,100013,0"), "E01");
    ck_assert_uint_eq(breaks.breaks, 2);
    ck_assert_str_eq(ask("z0,100010,0"), "OK");
    ck_assert_str_eq(ask("z0,100010,0"), "E01");
    ck_assert_str_eq(ask("Z2,300000,8"), "OK");
    ck_assert_str_eq(ask("Z4,300000,ffffffff"), "E01");
    ck_assert_str_eq(ask("Z2,ffffffffffffffff,2"), "E01");
    ck_assert_str_eq(ask("z2,300000,8"), "OK");
    ck_assert_str_eq(ask("Z5,0,0"), "");
    for (unsigned k = 0; k < BREAKSET_BREAKS - 1; k++) {
        snprintf(text, sizeof text, "Z0,%x,0", 0x200000 + 16 * k);
        ck_assert_str_eq(ask(text), "OK");
    }
    ck_assert_str_eq(ask("Z0,300000,0"), "E01");
}
END_TEST

/* --- threads, running --- */

START_TEST(threads)
{
    ck_assert_str_eq(ask("qfThreadInfo"), "m1,2");
    ck_assert_str_eq(ask("qsThreadInfo"), "l");
    ck_assert_str_eq(ask("T2"), "OK");
    ck_assert_str_eq(ask("T3"), "E01");
    ck_assert_str_eq(ask("Hg2"), "OK");
    ck_assert_str_eq(ask("Hg3"), "E01");
    ck_assert_str_eq(ask("H"), "E01");
    ask("qRcmd,6162");
    ck_assert_str_eq(last_command, "1 ab");
}
END_TEST

START_TEST(running)
{
    struct cpu_stop why = {STOP_WATCHPOINT, ACC_WRITE, 0x1234};

    ck_assert_str_eq(ask("?"), "T05thread:1;");
    ck_assert_str_eq(ask("vCont;s:2;c"), "T05thread:2;");
    ck_assert_uint_eq(steps, 101);
    ck_assert_str_eq(ask("vCont;c:2"), "");
    ck_assert_uint_eq(held & 3, 1);
    ck_assert_str_eq(ask("g"), ""); /* nothing while it runs */
    gdb_stopped(g, 1, &why);
    ck_assert(strstr(gdb_output(g)->str, "T05thread:2;watch:1234;") != NULL);
    g_string_truncate(gdb_output(g), 0);
    ck_assert_str_eq(ask("c"), "");
    feed("\003");
    ck_assert_uint_eq(stops, 1);
    ck_assert(strstr(gdb_output(g)->str, "T02thread:2;") != NULL);
    feed("\003"); /* stopped already */
    ck_assert_uint_eq(stops, 1);
    g_string_truncate(gdb_output(g), 0);
    ck_assert_str_eq(ask("vCont;x"), "E01");
    ck_assert_str_eq(ask("vCont"), "E01");
    ck_assert_str_eq(ask("vCont;c:9"), "E01");
}
END_TEST

START_TEST(leaving)
{
    ck_assert_str_eq(ask("qRcmd,61"), "O616e737765720a|OK");
    ck_assert_str_eq(ask("qRcmd,6"), "E01");
    ck_assert_str_eq(ask("qRcmd,00"), "E01");
    ck_assert_str_eq(ask("k"), "OK");
    ck_assert_uint_eq(quits, 1);
    ck_assert(!gdb_detached(g));
    ck_assert_str_eq(ask("D"), "OK");
    ck_assert(gdb_detached(g));
}
END_TEST

static Suite *gdb_suite(void)
{
    Suite *s = suite_create("gdb");
    TCase *t = tcase_create("gdb");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, acknowledgements);
    tcase_add_test(t, packets_too_long);
    tcase_add_test(t, escapes);
    tcase_add_test(t, unknown_packets);
    tcase_add_loop_test(t, registers, 0, sizeof cases / sizeof *cases);
    tcase_add_test(t, all_registers);
    tcase_add_test(t, nat_bits);
    tcase_add_test(t, memory);
    tcase_add_test(t, points);
    tcase_add_test(t, threads);
    tcase_add_test(t, running);
    tcase_add_test(t, leaving);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(gdb_suite());

    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
