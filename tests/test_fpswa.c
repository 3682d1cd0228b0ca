/* The FPSWA service as an operating system calls it: SWA faults completed, enabled exceptions
 * reported, operands in saved state or in the CPU, rotation, bad arguments. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "fpswa.h"

#define BASE  0x10000ull
#define STATE (BASE + 0x100)
#define SAVED (BASE + 0x200) /* f6..f15 */
#define SPILL 16

/* frcpa.s0 f8,p6=f32,f4 and frsqrta.s2 f8,p6=f14 in slot 2 of MMF, fma.s1 f8=f5,f9,f5 in slot 1 */
static const uint8_t rcpa[16] = {0x0f, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0x01, 0x22, 0x18, 0x01};
static const uint8_t rsqrta[16] = {0x0f, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0x01, 0x70, 0x18, 0x0d};
static const uint8_t fma_s1[16] = {0x1d, 0,    0,    0, 1, 0, 0x80, 0x28,
                                   0x14, 0x12, 0x45, 0, 0, 0, 0,    0x20};

static struct mem *m;
static struct cpu *c;
static uint64_t args[8], ret[4];

static void put(uint64_t at, uint64_t v)
{
    ck_assert(mem_write(m, at, 8, v));
}

static uint64_t get(uint64_t at)
{
    uint64_t v;
    memcpy(&v, mem_ram(m, at, 8), 8);
    return v;
}

static void setup(void)
{
    m = mem_new();
    ck_assert(m && mem_add_ram(m, 0, 1 << 20) == 0);
    c = cpu_new(0, CPU_MONTECITO, m);
    ck_assert_ptr_nonnull(c);
    args[0] = 1;
    for (unsigned i = 1; i < 7; i++) {
        args[i] = BASE + 0x10 * i;
    }
    args[7] = STATE;
}

static void teardown(void)
{
    cpu_free(c);
    mem_free(m);
}

/* Linux's way: f6..f11 saved, the rest live. */
static uint64_t call(const uint8_t bundle[16], unsigned slot, uint64_t code, uint64_t fpsr,
                     uint64_t ifs)
{
    memcpy(mem_ram(m, args[1], 16), bundle, 16);
    put(args[2], 0);
    put(args[3], fpsr);
    put(args[4], (uint64_t)slot << ISR_EI_SHIFT | code);
    put(args[5], ~0ull);
    put(args[6], ifs);
    put(STATE, 0xfc0);
    put(STATE + 8, 0);
    put(STATE + 16, 0);
    put(STATE + 24, SAVED);
    put(STATE + 32, 0);
    put(STATE + 40, 0);
    return fpswa_call(c, args, ret);
}

START_TEST(quotient)
{
    /* f32 = 2^-65530, f4 = 2^-65533; rrb.fr 3 maps f32 to the physical f35 */
    c->fr[35] = (struct fpreg){FP_INT_BIT, 5, 0};
    c->fr[4] = (struct fpreg){3ull << 62, 2, 0};
    uint64_t ifs = 1ull << 63 | 3ull << 25;
    ck_assert_uint_eq(call(rcpa, 2, FPX_SWA, 0x9804c0270033full, ifs), FPSWA_DONE);
    ck_assert_uint_eq(get(SAVED + 2 * SPILL), 0xaaaaaaaaaaaaaaabull);
    ck_assert_uint_eq(get(SAVED + 2 * SPILL + 8), 0x10001);
    ck_assert_uint_eq(get(args[2]), PSR_MFL);
    ck_assert_uint_eq(get(args[3]), 0x9804c0270033full | (uint64_t)FPF_I << 13);
    ck_assert_uint_eq(get(args[5]), ~(1ull << 6));
    ck_assert_uint_eq(ret[0], FPSWA_DONE);
}
END_TEST

START_TEST(root_and_trap)
{
    c->fr[14] = (struct fpreg){FP_INT_BIT, 1, 0};
    /* sf2: pc 3, wre, inexact enabled */
    uint64_t fpsr = 0x1f | 0xeull << FPSR_SF_SHIFT(2);
    ck_assert_uint_eq(call(rsqrta, 2, FPX_SWA, fpsr, 0), FPSWA_DONE);
    ck_assert_uint_eq(get(SAVED + 2 * SPILL), FP_INT_BIT);
    ck_assert_uint_eq(get(SAVED + 2 * SPILL + 8), 0x8000);
    c->fr[14].sig |= 0x1000;
    ck_assert_uint_eq(call(rsqrta, 2, FPX_SWA, fpsr, 0), FPSWA_TRAP);
    ck_assert_uint_eq(get(args[4]) & 0xbfff, FPX_TRAP | FPX_I);
    ck_assert_uint_eq(get(args[3]) >> (FPSR_SF_SHIFT(2) + 7) & 0x3f, FPF_I);
}
END_TEST

START_TEST(enabled_fault)
{
    c->fr[5] = (struct fpreg){FP_INT_BIT | 1, FP_EXP_SPEC, 0};
    put(SAVED + 3 * SPILL, FP_INT_BIT);
    put(SAVED + 3 * SPILL + 8, 0xffff);
    put(SAVED + 2 * SPILL, 42);
    ck_assert_uint_eq(call(fma_s1, 1, FPX_V, 0xcull << FPSR_SF_SHIFT(1), 0), FPSWA_FAULT);
    ck_assert_uint_eq(get(args[4]) & 0xffff, FPX_V);
    ck_assert_uint_eq(get(SAVED + 2 * SPILL), 42);
    /* the same masked is completed */
    ck_assert_uint_eq(call(fma_s1, 1, FPX_V, 0x3f | 0xcull << FPSR_SF_SHIFT(1), 0), FPSWA_DONE);
    ck_assert_uint_eq(get(SAVED + 2 * SPILL), FP_INT_BIT | 1ull << 62 | 1);
}
END_TEST

START_TEST(traps_and_nonsense)
{
    args[0] = 0;
    ck_assert_uint_eq(call(fma_s1, 1, FPX_TRAP | FPX_I, 0x1f, 0), FPSWA_TRAP);
    ck_assert_uint_eq(call(fma_s1, 1, FPX_TRAP | FPX_I, 0x3f, 0), FPSWA_ERROR);
    args[0] = 1;
    ck_assert_uint_eq(call(fma_s1, 0, FPX_V, 0x3f, 0), FPSWA_ERROR); /* an M slot */
    ck_assert_uint_eq(call(fma_s1, 3, FPX_V, 0x3f, 0), FPSWA_ERROR);
    args[7] = 0x7fffffff00000000ull;
    ck_assert_uint_eq(fpswa_call(c, args, ret), FPSWA_ERROR);
    ck_assert_uint_eq(ret[1] | ret[2] | ret[3], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fpswa");
    TCase *t = tcase_create("fpswa");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, quotient);
    tcase_add_test(t, root_and_trap);
    tcase_add_test(t, enabled_fault);
    tcase_add_test(t, traps_and_nonsense);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
