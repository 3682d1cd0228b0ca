/* Delivery of interruptions: control registers, PSR, priorities, traps. Sections are of SDM 2. */
#include <check.h>
#include <stdlib.h>
#include "cpu_harness.h"

static struct harness *h;
static struct cpu *c;

static void setup(void)
{
    h = harness_new(CPU_MONTECITO);
    c = h->c;
}

static void teardown(void)
{
    harness_free(h);
}

START_TEST(runs_to_the_end)
{
    ck_assert_int_eq(harness_exec(h, "mov r3=5 ;; add r4=r3,r3"), HARNESS_END);
    ck_assert_uint_eq(cpu_gr(c, 4), 10);
}
END_TEST

START_TEST(break_fault)
{
    ck_assert_int_eq(harness_exec(h, "{ .mmi\n nop.m 0\n break.m 0x123\n nop.i 0 }"), VEC_BREAK);
    ck_assert_uint_eq(c->cr[CR_IIM], 0x123);
    ck_assert_uint_eq(c->cr[CR_IIP], HARNESS_CODE);
    ck_assert_uint_eq(harness_ipsr_ri(h), 1);
    ck_assert_uint_eq(harness_ei(h), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("interruptions");
    TCase *t = tcase_create("delivery");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, runs_to_the_end);
    tcase_add_test(t, break_fault);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
