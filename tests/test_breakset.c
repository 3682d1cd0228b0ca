/* Breakpoints, watchpoints and single steps of a debugger on the host, and the view it has of
 * memory with registers of the register stack engine laid over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../cpu/breakset.h"
#include "../cpu/rse.h"
#include "cpu_harness.h"

#define BUNDLE(n) (HARNESS_CODE + 16 * (uint64_t)(n))

static struct harness *h;
static struct cpu *c;
static struct breakset set;

static void setup(void)
{
    h = harness_start(0);
    c = h->c;
    memset(&set, 0, sizeof set);
}

static void teardown(void)
{
    harness_free(h);
}

static void set_break(uint64_t addr)
{
    bool stale = false;

    ck_assert_int_eq(breakset_add_break(&set, addr, &stale), 0);
    if (stale)
        cpu_set_breaks(c, &set);
}

static void set_watch(uint64_t addr, uint64_t len, unsigned access)
{
    bool stale = false;

    ck_assert_int_eq(breakset_add_watch(&set, addr, len, access, &stale), 0);
    ck_assert(stale);
    cpu_set_breaks(c, &set);
}

/* Runs to the next stop; where it is, or 0. */
static uint64_t run_to_stop(void)
{
    c->stop_at.kind = STOP_NONE;
    c->stop = false; /* as the end of an earlier run leaves it */
    cpu_run(c, 1000);
    return c->stop_at.kind == STOP_NONE ? 0 : c->ip | (c->psr >> PSR_RI_SHIFT & 3);
}

static const char loop[] = "{ .mii\n add r4=1,r4\n nop.i 0\n mov ar.lc=3 ;; }\n"
                           "1:\n{ .mii\n add r5=1,r5\n add r6=1,r6\n nop.i 0 }\n"
                           "{ .mib\n add r7=1,r7\n nop.i 0\n br.cloop.sptk 1b ;; }\n"
                           "{ .mii\n add r8=1,r8\n nop.i 0\n nop.i 0 ;; }\n";

START_TEST(stops_before_each_slot)
{
    harness_asm(h, HARNESS_CODE, loop);
    for (unsigned slot = 0; slot < 3; slot++) {
        memset(&set, 0, sizeof set);
        set_break(BUNDLE(1) | slot);
        harness_goto(h, HARNESS_CODE, 0);
        cpu_set_gr(c, 5, 0);
        cpu_set_gr(c, 6, 0);
        for (unsigned k = 0; k < 4; k++) { /* and goes on from there */
            ck_assert_uint_eq(run_to_stop(), BUNDLE(1) | slot);
            ck_assert_uint_eq(c->stop_at.kind, STOP_BREAKPOINT);
            ck_assert_uint_eq(c->stop_at.addr, BUNDLE(1) | slot);
            ck_assert_uint_eq(cpu_gr(c, 5), k + (slot > 0));
            ck_assert_uint_eq(cpu_gr(c, 6), k + (slot > 1));
        }
        ck_assert_uint_eq(run_to_stop(), 0);
        ck_assert_uint_eq(cpu_gr(c, 5), 4);
    }
}
END_TEST

/* A place of the same offset in another page has a guard and is passed. */
START_TEST(whole_addresses_count)
{
    harness_asm(h, HARNESS_CODE, loop);
    set_break(BUNDLE(1) + 0x4000);
    harness_goto(h, HARNESS_CODE, 0);
    ck_assert_uint_eq(run_to_stop(), 0);
    ck_assert_uint_eq(cpu_gr(c, 8), 1);
}
END_TEST

START_TEST(code_stays_untouched)
{
    uint64_t before[2], after[2];

    harness_asm(h, HARNESS_CODE, loop);
    mem_dma_read(h->m, BUNDLE(1), before, 16);
    set_break(BUNDLE(1));
    harness_goto(h, HARNESS_CODE, 0);
    ck_assert_uint_eq(run_to_stop(), BUNDLE(1));
    mem_dma_read(h->m, BUNDLE(1), after, 16);
    ck_assert_mem_eq(before, after, 16);
}
END_TEST

START_TEST(taken_out_and_put_in)
{
    bool stale = false;

    harness_asm(h, HARNESS_CODE, loop);
    set_break(BUNDLE(2));
    harness_goto(h, HARNESS_CODE, 0);
    ck_assert_uint_eq(run_to_stop(), BUNDLE(2));
    ck_assert_int_eq(breakset_remove_break(&set, BUNDLE(2)), 0);
    ck_assert_int_eq(breakset_remove_break(&set, BUNDLE(2)), -ENOENT);
    cpu_step_one(c);
    ck_assert_uint_eq(c->ip | (c->psr >> PSR_RI_SHIFT & 3), BUNDLE(2) | 1);
    ck_assert_int_eq(breakset_add_break(&set, BUNDLE(2), &stale), 0);
    ck_assert(!stale); /* the guards are there */
    ck_assert_uint_eq(run_to_stop(), BUNDLE(2));
    ck_assert_uint_eq(cpu_gr(c, 7), 1);
    ck_assert_int_eq(breakset_add_break(&set, BUNDLE(2) | 3, &stale), -EINVAL);
}
END_TEST

/* Small budgets execute slot by slot. */
START_TEST(stops_in_short_turns)
{
    harness_asm(h, HARNESS_CODE, loop);
    set_break(BUNDLE(2) | 1);
    harness_goto(h, HARNESS_CODE, 0);
    c->deterministic = true;
    for (unsigned k = 0; k < 100 && c->stop_at.kind == STOP_NONE; k++)
        cpu_run(c, 1);
    ck_assert_uint_eq(c->stop_at.addr, BUNDLE(2) | 1);
    ck_assert_uint_eq(cpu_gr(c, 7), 1);
}
END_TEST

START_TEST(steps_slots)
{
    static const uint64_t want[] = {BUNDLE(0) | 1, BUNDLE(0) | 2, BUNDLE(1),
                                    BUNDLE(1) | 1, BUNDLE(1) | 2, BUNDLE(2),
                                    BUNDLE(2) | 1, BUNDLE(2) | 2, BUNDLE(1)};

    harness_asm(h, HARNESS_CODE, loop);
    harness_goto(h, HARNESS_CODE, 0);
    for (unsigned k = 0; k < sizeof want / sizeof *want; k++) {
        cpu_step_one(c);
        ck_assert_uint_eq(c->ip | (c->psr >> PSR_RI_SHIFT & 3), want[k]);
    }
}
END_TEST

/* --- watchpoints --- */

static const struct {
    const char *text;
    unsigned access;   /* watched: at HARNESS_DATA + 0x20, 8 bytes */
    unsigned reported; /* 0: none */
} accesses[] = {
    {"ld8 r4=[r3]", ACC_READ, ACC_READ},
    {"ld8 r4=[r3]", ACC_WRITE, 0},
    {"st8 [r3]=r4", ACC_WRITE, ACC_WRITE},
    {"st8 [r3]=r4", ACC_READ, 0},
    {"st8 [r3]=r4", ACC_READ | ACC_WRITE, ACC_WRITE},
    {"ld1 r4=[r9]", ACC_READ, ACC_READ}, /* the last byte */
    {"ld1 r4=[r10]", ACC_READ, 0},       /* behind it */
    {"ld8.s r4=[r3]", ACC_READ, ACC_READ},
    {"ld8.a r4=[r3]", ACC_READ, ACC_READ},
    {"ldfe f4=[r3]", ACC_READ, ACC_READ},
    {"ldfpd f4,f5=[r3]", ACC_READ, ACC_READ},
    {"stf.spill [r3]=f4", ACC_WRITE, ACC_WRITE},
    {"fetchadd8.acq r4=[r3],1", ACC_WRITE, ACC_READ | ACC_WRITE},
    {"lfetch [r3]", ACC_READ, 0},
};

/* Stopped right behind the access, which is done. */
START_TEST(watches)
{
    char text[160];

    snprintf(
        text, sizeof text,
        "{ .mii\n add r5=1,r5\n nop.i 0\n nop.i 0 ;; }\n{ .mmi\n %s\n add r6=1,r6\n nop.i 0 ;; }\n",
        accesses[_i].text);
    harness_asm(h, HARNESS_CODE, text);
    harness_goto(h, HARNESS_CODE, 0);
    cpu_set_gr(c, 3, HARNESS_DATA + 0x20);
    cpu_set_gr(c, 4, 77);
    cpu_set_gr(c, 9, HARNESS_DATA + 0x27);
    cpu_set_gr(c, 10, HARNESS_DATA + 0x28);
    set_watch(HARNESS_DATA + 0x20, 8, accesses[_i].access);
    if (!accesses[_i].reported) {
        ck_assert_uint_eq(run_to_stop(), 0);
        ck_assert_uint_eq(cpu_gr(c, 6), 1);
        return;
    }
    ck_assert_uint_eq(run_to_stop(), BUNDLE(1) | 1);
    ck_assert_uint_eq(c->stop_at.kind, STOP_WATCHPOINT);
    ck_assert_uint_eq(c->stop_at.access, accesses[_i].reported);
    ck_assert_uint_eq(cpu_gr(c, 5), 1);
    ck_assert_uint_eq(cpu_gr(c, 6), 0);
    if (strcmp(accesses[_i].text, "st8 [r3]=r4") == 0)
        ck_assert_uint_eq(harness_word(h, HARNESS_DATA + 0x20), 77);
    ck_assert_uint_eq(run_to_stop(), 0);
    ck_assert_uint_eq(cpu_gr(c, 6), 1);
}
END_TEST

/* An access in a page used before, and neighbours that are not watched. */
START_TEST(watches_a_page_in_use)
{
    harness_asm(h, HARNESS_CODE, "st8 [r3]=r4\nst8 [r10]=r4 ;;\nst8 [r3]=r5 ;;\nst8 [r10]=r5 ;;\n");
    cpu_set_gr(c, 3, HARNESS_DATA + 0x20);
    cpu_set_gr(c, 10, HARNESS_DATA + 0x40);
    harness_goto(h, HARNESS_CODE, 0);
    cpu_step_one(c);
    set_watch(HARNESS_DATA + 0x40, 1, ACC_WRITE);
    ck_assert_uint_ne(run_to_stop(), 0);
    ck_assert_uint_eq(c->stop_at.addr, HARNESS_DATA + 0x40);
    ck_assert_uint_ne(run_to_stop(), 0);
    ck_assert_uint_eq(run_to_stop(), 0);
}
END_TEST

/* --- memory with the register stack --- */

/* Registers of the caller's and the current frame that nobody has stored. */
START_TEST(dirty_registers_show)
{
    uint64_t v, at;

    harness_asm(h, HARNESS_CODE,
                "{ .mmi\n alloc r32=ar.pfs,0,40,2,0 ;;\n add r33=5,r0\n add r72=6,r0 ;; }\n"
                "{ .mib\n add r73=7,r0\n nop.i 0\n br.call.sptk b0=1f ;; }\n"
                "1:\n{ .mmi\n alloc r34=ar.pfs,0,30,0,0 ;;\n add r61=8,r0\n nop.i 0 ;; }\n");
    harness_goto(h, HARNESS_CODE, 0);
    harness_run(h);
    ck_assert_uint_eq(harness_word(h, HARNESS_BSP + 8), 0);
    ck_assert_int_eq(cpu_debug_read(c, rse_addr(HARNESS_BSP, 1), &v, 8), 0);
    ck_assert_uint_eq(v, 5);
    ck_assert_uint_eq(c->bsp, rse_addr(HARNESS_BSP, 40));
    for (unsigned n = 32; n < 62; n++) { /* the 24th stands behind a NaT collection */
        at = rse_addr(c->bsp, n - 32);
        ck_assert_int_eq(cpu_debug_read(c, at, &v, 8), 0);
        ck_assert_uint_eq(v, cpu_gr(c, n));
    }
    ck_assert_uint_eq(cpu_stack_view(c).end, rse_addr(c->bsp, 30));
    v = 99;
    ck_assert_int_eq(cpu_debug_write(c, at, &v, 8), 0);
    ck_assert_uint_eq(cpu_gr(c, 61), 99);
    ck_assert_int_eq(cpu_debug_read(c, at + 8, &v, 8), 0); /* memory again */
    ck_assert_uint_eq(v, 0);
}
END_TEST

/* The view is what a flush leaves in memory, collections too. */
START_TEST(view_is_what_would_be_stored)
{
    uint64_t seen[112], end;

    harness_asm(h, HARNESS_CODE,
                "{ .mmi\n alloc r32=ar.pfs,0,96,0,0 ;;\n nop.m 0\n nop.i 0 ;; }\n");
    harness_goto(h, HARNESS_CODE, 0);
    harness_run(h);
    for (unsigned n = 32; n < 128; n++) {
        cpu_set_gr(c, n, n * 1000);
        cpu_set_gr_nat(c, n, n % 5 == 0);
    }
    end = cpu_stack_view(c).end;
    ck_assert_int_eq(cpu_debug_read(c, HARNESS_BSP, seen, end - HARNESS_BSP), 0);
    rse_cover(c);
    ck_assert(rse_flush(c, NULL));
    for (uint64_t a = HARNESS_BSP; a < end; a += 8)
        ck_assert_uint_eq(seen[(a - HARNESS_BSP) / 8], harness_word(h, a));
}
END_TEST

START_TEST(nat_bits_by_slot)
{
    harness_asm(h, HARNESS_CODE, "{ .mmi\n alloc r32=ar.pfs,0,8,0,0 ;;\n nop.m 0\n nop.i 0 ;; }\n");
    harness_goto(h, HARNESS_CODE, 0);
    harness_run(h);
    cpu_set_gr_nat(c, 35, true);
    ck_assert_uint_eq(cpu_stack_view(c).nat, 1ull << ((c->bsp >> 3 & 63) + 3));
}
END_TEST

static Suite *breakset_suite(void)
{
    Suite *s = suite_create("breakset");
    TCase *t = tcase_create("breakset");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, stops_before_each_slot);
    tcase_add_test(t, whole_addresses_count);
    tcase_add_test(t, code_stays_untouched);
    tcase_add_test(t, taken_out_and_put_in);
    tcase_add_test(t, stops_in_short_turns);
    tcase_add_test(t, steps_slots);
    tcase_add_loop_test(t, watches, 0, sizeof accesses / sizeof *accesses);
    tcase_add_test(t, watches_a_page_in_use);
    tcase_add_test(t, dirty_registers_show);
    tcase_add_test(t, view_is_what_would_be_stored);
    tcase_add_test(t, nat_bits_by_slot);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return harness_suites(breakset_suite);
}
