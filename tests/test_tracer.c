/* What a tracer is told: instructions, calls, interruptions, translations, accesses, and its
 * filters. */
#include <stdlib.h>
#include <string.h>
#include "../cpu/tracer.h"
#include "cpu_harness.h"

#define BUNDLE(n) (HARNESS_CODE + 16 * (uint64_t)(n))
#define BIT(kind) (1u << (kind))
#define MAX_SEEN  256

static struct harness *h;
static struct cpu *c;
static struct tracer_record seen[MAX_SEEN];
static unsigned count;

static void note(void *opaque, const struct tracer_record *r)
{
    (void)opaque;
    ck_assert_uint_lt(count, MAX_SEEN);
    seen[count++] = *r;
}

static struct tracer tracer;

static void setup(void)
{
    h = harness_start(0);
    c = h->c;
    count = 0;
    tracer = (struct tracer){.to = UINT64_MAX, .levels = 15, .record = note};
}

static void teardown(void)
{
    harness_free(h);
}

static void trace(unsigned kinds, const char *text)
{
    tracer.kinds = kinds;
    cpu_set_tracer(c, &tracer);
    harness_exec(h, text);
    cpu_set_tracer(c, NULL);
}

static const char calls[] = "{ .mmi\n alloc r32=ar.pfs,0,4,0,0 ;;\n add r4=1,r0\n nop.i 0 ;; }\n"
                            "{ .mib\n nop.m 0\n nop.i 0\n br.call.sptk b0=1f ;; }\n"
                            "{ .mib\n nop.m 0\n nop.i 0\n br.sptk 2f ;; }\n"
                            "1:\n{ .mib\n add r5=1,r0\n nop.i 0\n br.ret.sptk b0 ;; }\n"
                            "2:\n{ .mii\n add r6=1,r0\n nop.i 0\n nop.i 0 ;; }\n";

/* Every slot that is executed, in order, with its bundle. */
START_TEST(instructions)
{
    static const uint64_t places[] = {BUNDLE(0),     BUNDLE(0) | 1, BUNDLE(0) | 2, BUNDLE(1),
                                      BUNDLE(1) | 1, BUNDLE(1) | 2, BUNDLE(3),     BUNDLE(3) | 1,
                                      BUNDLE(3) | 2, BUNDLE(2),     BUNDLE(2) | 1, BUNDLE(2) | 2,
                                      BUNDLE(4),     BUNDLE(4) | 1, BUNDLE(4) | 2};
    uint64_t w[2];

    trace(BIT(TRACER_INSTRUCTION), calls);
    ck_assert_uint_ge(count, sizeof places / sizeof *places);
    for (unsigned k = 0; k < sizeof places / sizeof *places; k++) {
        ck_assert_uint_eq(seen[k].kind, TRACER_INSTRUCTION);
        ck_assert_uint_eq(seen[k].ip | seen[k].slot, places[k]);
        ck_assert_uint_eq(seen[k].count - seen[0].count, k);
        mem_dma_read(h->m, seen[k].ip, w, 16);
        ck_assert(seen[k].a == w[0] && seen[k].b == w[1]);
    }
    ck_assert_uint_eq(cpu_gr(c, 6), 1); /* and it was executed as ever */
}
END_TEST

START_TEST(calls_and_returns)
{
    trace(BIT(TRACER_CALL) | BIT(TRACER_RETURN), calls);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(seen[0].kind, TRACER_CALL);
    ck_assert_uint_eq(seen[0].ip | seen[0].slot, BUNDLE(1) | 2);
    ck_assert_uint_eq(seen[0].a, BUNDLE(3));
    ck_assert_uint_eq(seen[1].kind, TRACER_RETURN);
    ck_assert_uint_eq(seen[1].ip | seen[1].slot, BUNDLE(3) | 2);
    ck_assert_uint_eq(seen[1].a, BUNDLE(2));
}
END_TEST

START_TEST(filters)
{
    tracer.from = BUNDLE(3);
    tracer.to = BUNDLE(3);
    trace(BIT(TRACER_INSTRUCTION), calls);
    ck_assert_uint_eq(count, 3);
    count = 0;
    tracer.from = 0;
    tracer.to = UINT64_MAX;
    tracer.levels = 8;
    trace(BIT(TRACER_INSTRUCTION), calls);
    ck_assert_uint_eq(count, 0);
    tracer.levels = 15;
    tracer.by_rid = true;
    tracer.rid = 5; /* physical mode has none */
    trace(BIT(TRACER_INSTRUCTION), calls);
    ck_assert_uint_eq(count, 0);
}
END_TEST

/* Accesses, every one, in blocks that run at full length. */
START_TEST(accesses)
{
    cpu_set_gr(c, 3, HARNESS_DATA + 0x10);
    trace(BIT(TRACER_READ) | BIT(TRACER_WRITE), "st8 [r3]=r3 ;;\nld4 r4=[r3] ;;\nld4 r4=[r3] "
                                                ";;\nfetchadd8.acq r5=[r3],1 ;;\nlfetch [r3]\n");
    ck_assert_uint_eq(count, 4);
    for (unsigned k = 0; k < 4; k++) {
        ck_assert_uint_eq(seen[k].kind, k == 0 || k == 3 ? TRACER_WRITE : TRACER_READ);
        ck_assert_uint_eq(seen[k].a, HARNESS_DATA + 0x10);
        ck_assert_uint_eq(seen[k].b, HARNESS_DATA + 0x10);
        ck_assert_uint_eq(seen[k].c, k == 1 || k == 2 ? 4 : 8);
        ck_assert(k == 0 || seen[k].count > seen[k - 1].count);
    }
    ck_assert_uint_eq(seen[0].ip, BUNDLE(0));
}
END_TEST

START_TEST(interruptions)
{
    trace(BIT(TRACER_INTERRUPTION), "{ .mii\n nop.m 0\n break.i 0x123\n nop.i 0 ;; }\n");
    ck_assert_uint_ge(count, 1);
    ck_assert_uint_eq(seen[0].a, VEC_BREAK);
    ck_assert_uint_eq(seen[0].ip | seen[0].slot, BUNDLE(0) | 1);
}
END_TEST

START_TEST(translations)
{
    c->cr[CR_IFA] = 0x4000;
    c->cr[CR_ITIR] = 14 << 2;
    cpu_set_gr(c, 3, HARNESS_PTE(3, 0) | 0x8000);
    cpu_set_gr(c, 8, 7);
    cpu_set_gr(c, 9, 14 << 2);
    cpu_set_gr(c, 10, 0x4000);
    harness_psr(h, 0, PSR_IC);
    trace(BIT(TRACER_INSERT) | BIT(TRACER_PURGE),
          "itc.d r3 ;;\nptc.l r10,r9 ;;\nitr.i itr[r8]=r3 ;;\nptc.e r10 ;;\n");
    ck_assert_uint_eq(count, 4);
    ck_assert_uint_eq(seen[0].kind, TRACER_INSERT);
    ck_assert_uint_eq(seen[0].a, 0x4000);
    ck_assert_uint_eq(seen[0].b, HARNESS_PTE(3, 0) | 0x8000);
    ck_assert_uint_eq(seen[0].c, 14 << 2 | (uint64_t)TRACER_CACHE << 32);
    ck_assert_uint_eq(seen[1].kind, TRACER_PURGE);
    ck_assert(seen[1].a == 0x4000 && seen[1].b == 14);
    ck_assert_uint_eq(seen[2].c, 14 << 2 | 7ull << 32 | 1ull << 63);
    ck_assert_uint_eq(seen[3].b, 61);
}
END_TEST

static Suite *tracer_suite(void)
{
    Suite *s = suite_create("tracer");
    TCase *t = tcase_create("tracer");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, instructions);
    tcase_add_test(t, calls_and_returns);
    tcase_add_test(t, filters);
    tcase_add_test(t, accesses);
    tcase_add_test(t, interruptions);
    tcase_add_test(t, translations);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return harness_suites(tracer_suite);
}
