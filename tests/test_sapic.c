/* External interrupts, the local SAPIC's registers, the interval timer and the performance
 * monitors' interrupt. Sections are of SDM 2. */
#include <check.h>
#include <stdlib.h>
#include "cpu_harness.h"

#define BUNDLE(n) (HARNESS_CODE + 16 * (uint64_t)(n))
#define MASKED    (1ull << 16)

static struct harness *h;
static struct cpu *c;

static void setup(void)
{
    h = harness_new(CPU_MONTECITO);
    c = h->c;
    h->stepwise = false;
}

static void teardown(void)
{
    harness_free(h);
}

/* One mov from or to a control register, as a handler would execute it. */
static uint64_t ivr(void)
{
    ck_assert_int_eq(harness_exec(h, "mov r3=cr.ivr"), HARNESS_END);
    return cpu_gr(c, 3);
}

static void eoi(void)
{
    ck_assert_int_eq(harness_exec(h, "mov cr.eoi=r0"), HARNESS_END);
}

static void tpr(uint64_t v)
{
    cpu_set_gr(c, 3, v);
    ck_assert_int_eq(harness_exec(h, "mov cr.tpr=r3"), HARNESS_END);
}

/* --- IVR, EOI, TPR (5.8.3) --- */

/* 5.8.3.2: spurious when nothing is pending; each read takes the highest one into service. */
START_TEST(ivr_order)
{
    ck_assert_uint_eq(ivr(), 15);
    cpu_post_interrupt(c, 0x40);
    cpu_post_interrupt(c, 0xf1);
    cpu_post_interrupt(c, 0x80);
    ck_assert_uint_eq(ivr(), 0xf1);
    ck_assert_uint_eq(ivr(), 15); /* the others are below what is in service */
    eoi();
    ck_assert_uint_eq(ivr(), 0x80);
    cpu_post_interrupt(c, 0xc0); /* nesting */
    ck_assert_uint_eq(ivr(), 0xc0);
    cpu_post_interrupt(c, 0x80);
    eoi(); /* ends 0xc0; 0x80 is still in service */
    ck_assert_uint_eq(ivr(), 15);
    eoi();
    ck_assert_uint_eq(ivr(), 0x80);
    eoi();
    ck_assert_uint_eq(ivr(), 0x40);
    eoi();
    eoi(); /* one too many does nothing */
    ck_assert_uint_eq(ivr(), 15);
}
END_TEST

/* 5.8.3, table 5-8: NMI (2) above ExtINT (0) above all others; other low vectors do not exist. */
START_TEST(special_vectors)
{
    for (unsigned v = 1; v < 16; v++)
        if (v != 2)
            cpu_post_interrupt(c, v);
    ck_assert(!cpu_interrupt_pending(c));
    cpu_post_interrupt(c, 0xff);
    cpu_post_interrupt(c, 0);
    cpu_post_interrupt(c, 2);
    ck_assert_uint_eq(ivr(), 2);
    ck_assert_uint_eq(ivr(), 15);
    eoi();
    ck_assert_uint_eq(ivr(), 0);
    ck_assert_uint_eq(ivr(), 15);
    eoi();
    ck_assert_uint_eq(ivr(), 0xff);
}
END_TEST

/* 5.8.3.3: mic masks its class and those below, mmi everything but NMI. */
START_TEST(task_priority)
{
    tpr(0x80);
    cpu_post_interrupt(c, 0x8f);
    ck_assert_uint_eq(ivr(), 15);
    ck_assert(!cpu_interrupt_pending(c));
    cpu_post_interrupt(c, 0x90);
    ck_assert_uint_eq(ivr(), 0x90);
    eoi();
    tpr(0x70);
    ck_assert_uint_eq(ivr(), 0x8f);
    eoi();
    tpr(MASKED);
    cpu_post_interrupt(c, 0xff);
    cpu_post_interrupt(c, 0);
    ck_assert_uint_eq(ivr(), 15);
    cpu_post_interrupt(c, 2);
    ck_assert_uint_eq(ivr(), 2);
    eoi();
    tpr(0xf0);
    ck_assert_uint_eq(ivr(), 0); /* ExtINT is above every class */
    eoi();
    ck_assert_uint_eq(ivr(), 15);
    tpr(0);
    ck_assert_uint_eq(ivr(), 0xff);
}
END_TEST

/* 5.8.3.5: IRR shows what is pending, also when masked, and what is in service no more. */
START_TEST(request_registers)
{
    tpr(MASKED);
    cpu_post_interrupt(c, 0);
    cpu_post_interrupt(c, 0x41);
    cpu_post_interrupt(c, 0x80);
    cpu_post_interrupt(c, 0xff);
    ck_assert_int_eq(harness_exec(h, "mov r4=cr.irr0 ;; mov r5=cr.irr1 ;; mov r6=cr.irr2 ;;\n"
                                     "mov r7=cr.irr3"),
                     HARNESS_END);
    ck_assert_uint_eq(cpu_gr(c, 4), 1);
    ck_assert_uint_eq(cpu_gr(c, 5), 2);
    ck_assert_uint_eq(cpu_gr(c, 6), 1);
    ck_assert_uint_eq(cpu_gr(c, 7), 1ull << 63);
    tpr(0x10);
    ck_assert_uint_eq(ivr(), 0);
    ck_assert_int_eq(harness_exec(h, "mov r4=cr.irr0"), HARNESS_END);
    ck_assert_uint_eq(cpu_gr(c, 4), 0);
}
END_TEST

/* --- when interrupts are taken (5.8.3, 3.3.2 psr.i) --- */

static const struct {
    const char *text;
    int iip, ri; /* where the interrupt hits; iip < 0: it does not */
} points[] = {
    {"{ .mmi\n ssm 0x4000 ;;\n srlz.d\n nop.i 0 ;; }\n{ .mmi\n add r4=1,r0 }", 0, 1},
    {"{ .mmi\n rsm 0x4000 ;;\n srlz.d\n nop.i 0 ;; }\n{ .mmi\n add r4=1,r0 }", -1, 0},
    {"{ .mmi\n nop.m 0\n mov psr.l=r5\n nop.i 0 ;; }\n{ .mmi\n srlz.d\n add r4=1,r0 }", 0, 2},
    {"{ .mmi\n mov cr.tpr=r0 ;;\n srlz.d\n nop.i 0 }", -1, 0},
};

START_TEST(taken)
{
    int got;

    cpu_set_gr(c, 5, (c->psr | PSR_I) & 0xffffffff);
    cpu_post_interrupt(c, 0x50);
    got = harness_exec(h, points[_i].text);
    if (points[_i].iip < 0) {
        ck_assert_int_eq(got, HARNESS_END);
        return;
    }
    ck_assert_int_eq(got, VEC_EXTINT);
    ck_assert_uint_eq(c->cr[CR_IIP], BUNDLE(points[_i].iip));
    ck_assert_uint_eq(harness_ipsr_ri(h), (unsigned)points[_i].ri);
    ck_assert_uint_eq(harness_ei(h), (unsigned)points[_i].ri);
    ck_assert(c->cr[CR_IPSR] & PSR_I);
    ck_assert_uint_eq(cpu_gr(c, 4), 0);
    ck_assert_uint_eq(c->irr[1], 1ull << 16); /* still pending: only IVR takes it */
}
END_TEST

/* With PSR.i on, lowering TPR and EOI let a waiting interrupt through at once. */
START_TEST(taken_when_unmasked)
{
    tpr(MASKED);
    cpu_post_interrupt(c, 0x50);
    harness_psr(h, PSR_I, 0);
    ck_assert_int_eq(harness_exec(h, "{ .mmi\n mov cr.tpr=r0 ;;\n srlz.d\n nop.i 0 }"), VEC_EXTINT);
    ck_assert_uint_eq(c->cr[CR_IIP], BUNDLE(0));
    ck_assert_uint_eq(harness_ipsr_ri(h), 1);
    ck_assert_uint_eq(ivr(), 0x50);
    cpu_post_interrupt(c, 0x51);
    cpu_post_interrupt(c, 0x50);
    harness_psr(h, PSR_I | PSR_IC, 0);
    ck_assert_int_eq(harness_run_slots(h, 0), HARNESS_OUT);
    harness_asm(h, BUNDLE(0), "{ .mmi\n mov cr.eoi=r0 ;;\n srlz.d\n nop.i 0 }");
    harness_goto(h, BUNDLE(0), 0);
    ck_assert_int_eq(harness_run(h), VEC_EXTINT); /* 0x51 is above 0x50: before the EOI */
    ck_assert_uint_eq(c->cr[CR_IIP], BUNDLE(0));
    ck_assert_uint_eq(harness_ipsr_ri(h), 0);
}
END_TEST

/* rfi with IPSR.i: before the first instruction it returns to. */
START_TEST(taken_after_rfi)
{
    cpu_post_interrupt(c, 0x50);
    harness_asm(h, BUNDLE(8), "{ .mmi\n nop.m 0\n add r4=1,r0\n nop.i 0 }");
    c->cr[CR_IIP] = BUNDLE(8);
    c->cr[CR_IPSR] = PSR_IC | PSR_I | PSR_BN | 1ull << PSR_RI_SHIFT;
    c->cr[CR_IIPA] = 0x770;
    harness_psr(h, 0, PSR_IC);
    ck_assert_int_eq(harness_exec(h, "{ .mfb\n nop.m 0\n nop.f 0\n rfi ;; }"), VEC_EXTINT);
    ck_assert_uint_eq(c->cr[CR_IIP], BUNDLE(8));
    ck_assert_uint_eq(harness_ipsr_ri(h), 1);
    ck_assert_uint_eq(c->cr[CR_IIPA], 0x770);
    ck_assert_uint_eq(cpu_gr(c, 4), 0);
}
END_TEST

/* An interrupt posted while a loop runs is taken at a bundle of the loop; IIPA is its branch or the
 * bundle before (3.3.5.6). */
START_TEST(taken_in_loop)
{
    harness_psr(h, PSR_I, 0);
    ck_assert_int_eq(harness_exec(h, "{ .mmi\n nop.m 0 }\n1: { .mib\n add r4=1,r4\n nop.i 0\n"
                                     "br.sptk 1b }"),
                     HARNESS_OUT);
    cpu_post_interrupt(c, 0x50);
    ck_assert_int_eq(harness_run(h), VEC_EXTINT);
    ck_assert_uint_eq(c->cr[CR_IIP], BUNDLE(1));
    ck_assert_uint_eq(c->cr[CR_IIPA], BUNDLE(1));
}
END_TEST

/* 5.2, 3.3.2 psr.mc: INIT is not maskable by PSR.i but waits while PSR.mc is 1. */
START_TEST(init)
{
    harness_psr(h, PSR_MC, 0);
    cpu_post_init(c);
    ck_assert_int_eq(harness_exec(h, "nop.m 0"), HARNESS_END);
    ck_assert_uint_eq(h->inits, 0);
    harness_psr(h, 0, PSR_MC);
    ck_assert_int_eq(harness_exec(h, "nop.m 0"), HARNESS_END);
    ck_assert_uint_eq(h->inits, 1);
}
END_TEST

/* --- interval timer (3.3.4.2, 3.3.4.3) --- */

static const char loop[] = "1: { .mib\n add r4=1,r4\n nop.i 0\n br.sptk 1b }";

static void itm(uint64_t delta)
{
    cpu_set_gr(c, 3, cpu_itc(c) + delta);
    ck_assert_int_eq(harness_exec(h, "mov cr.itm=r3"), HARNESS_END);
}

START_TEST(timer)
{
    uint64_t due;

    c->cr[CR_ITV] = 0x30;
    itm(1000);
    due = c->cr[CR_ITM];
    harness_psr(h, PSR_I, 0);
    ck_assert_int_eq(harness_exec(h, loop), VEC_EXTINT);
    ck_assert_uint_ge(cpu_itc(c), due);
    ck_assert_uint_le(cpu_itc(c), due + 6); /* deterministic: to the loop round */
    ck_assert_uint_eq(ivr(), 0x30);
    eoi();
    harness_psr(h, PSR_I | PSR_IC, 0);
    ck_assert_int_eq(harness_exec(h, loop), HARNESS_OUT); /* one match, one interrupt */
}
END_TEST

/* ITV.m discards the match; an ITM in the past never matches; ITC set back does. */
START_TEST(timer_masked_and_missed)
{
    c->cr[CR_ITV] = MASKED | 0x30;
    itm(100);
    ck_assert_int_eq(harness_exec(h, loop), HARNESS_OUT);
    c->cr[CR_ITV] = 0x30;
    ck_assert(!cpu_interrupt_pending(c));
    itm(-100ull);
    ck_assert_int_eq(harness_exec(h, loop), HARNESS_OUT);
    ck_assert(!cpu_interrupt_pending(c));
    cpu_set_gr(c, 3, c->cr[CR_ITM] - 500);
    ck_assert_int_eq(harness_exec(h, "mov ar.itc=r3"), HARNESS_END);
    ck_assert(!cpu_interrupt_pending(c));
    ck_assert_int_eq(harness_exec(h, loop), HARNESS_OUT);
    ck_assert_uint_eq(ivr(), 0x30);
}
END_TEST

/* mov ar.itc: the written value goes on counting. */
START_TEST(itc_written)
{
    cpu_set_gr(c, 3, 0x123456789000);
    ck_assert_int_eq(harness_exec(h, "mov ar.itc=r3 ;; mov r4=ar.itc"), HARNESS_END);
    ck_assert_uint_ge(cpu_gr(c, 4), 0x123456789000);
    ck_assert_uint_le(cpu_gr(c, 4), 0x123456789010);
}
END_TEST

/* --- performance monitors (7.2) --- */

#define PMC(event, flags) ((uint64_t)(event) << 8 | (flags))
#define OI                0x20
#define PM                0x40

static void pmc(unsigned n, uint64_t v)
{
    cpu_set_gr(c, 4, n);
    cpu_set_gr(c, 3, v);
    ck_assert_int_eq(harness_exec(h, "mov pmc[r4]=r3 ;; srlz.i"), HARNESS_END);
}

static uint64_t pmd(unsigned n)
{
    cpu_set_gr(c, 4, n);
    ck_assert_int_eq(harness_exec(h, "mov r3=pmd[r4]"), HARNESS_END);
    return cpu_gr(c, 3);
}

static void set_pmd(unsigned n, uint64_t v)
{
    cpu_set_gr(c, 4, n);
    cpu_set_gr(c, 3, v);
    ck_assert_int_eq(harness_exec(h, "mov pmd[r4]=r3"), HARNESS_END);
}

/* Exactly the instructions between two reads, nops and false predicates included; only where PSR.up
 * (or pp), plm and the freeze bit allow. */
START_TEST(counting)
{
    static const struct {
        uint64_t pmc, psr;
        unsigned cpl;
        uint64_t freeze;
        bool counts;
    } cases[] = {
        {PMC(8, 0x1), PSR_UP, 0, 0, true},      {PMC(0x12, 0x1), PSR_UP, 0, 0, true},
        {PMC(8, 0x1), 0, 0, 0, false},          {PMC(8, 0x1), PSR_PP, 0, 0, false},
        {PMC(8, 0x1 | PM), PSR_PP, 0, 0, true}, {PMC(8, 0x1 | PM), PSR_UP, 0, 0, false},
        {PMC(8, 0x8), PSR_UP, 0, 0, false},     {PMC(8, 0x8), PSR_UP, 3, 0, true},
        {PMC(8, 0x7), PSR_UP, 3, 0, false},     {PMC(8, 0x1), PSR_UP, 0, 1, false},
        {PMC(9, 0x1), PSR_UP, 0, 0, false}, /* another event: never seen */
    };

    h->stepwise = _i & 1;
    unsigned k = (unsigned)_i >> 1;

    harness_virtual(h, 3, 3);
    pmc(5, cases[k].pmc);
    pmc(0, cases[k].freeze);
    cpu_set_gr(c, 4, 5);
    harness_psr(h, cases[k].psr, 0);
    harness_cpl(h, cases[k].cpl);
    ck_assert_int_eq(harness_exec(h, "{ .mmi\n mov r5=pmd[r4]\n nop.m 0\n nop.i 0 ;; }\n"
                                     "{ .mmi\n add r7=1,r0\n (p1) add r7=1,r0\n nop.i 0 ;; }\n"
                                     "{ .mib\n nop.m 0\n nop.i 0\n br 1f }\n{ .mmi\n nop.m 0 }\n"
                                     "1: { .mmi\n mov r6=pmd[r4]\n nop.m 0\n nop.i 0 }"),
                     HARNESS_END);
    ck_assert_uint_eq(cpu_gr(c, 6) - cpu_gr(c, 5), cases[k].counts ? 9 : 0);
}
END_TEST

/* ssm and rsm of PSR.up bound what is counted to the instruction. */
START_TEST(counting_window)
{
    h->stepwise = _i;
    pmc(4, PMC(8, 1));
    set_pmd(4, 0);
    ck_assert_int_eq(harness_exec(h, "{ .mmi\n sum 4 ;;\n nop.m 0\n nop.i 0 }\n"
                                     "{ .mmi\n nop.m 0\n rum 4\n nop.i 0 ;; }\n{ .mmi\n nop.m 0 }"),
                     HARNESS_END);
    ck_assert_uint_eq(pmd(4), 4); /* from behind sum to rum */
}
END_TEST

/* 7.2.2: overflow with oi sets the bit and the freeze bit and raises PMV. */
START_TEST(overflow)
{
    c->cr[CR_PMV] = 0xee;
    pmc(6, PMC(8, 1 | OI));
    set_pmd(6, (1ull << 47) - 1000);
    harness_psr(h, PSR_UP | PSR_I, 0);
    ck_assert_int_eq(harness_exec(h, loop), VEC_EXTINT);
    ck_assert_uint_eq(c->pmc[0], 1ull << 6 | 1);
    ck_assert_uint_le(c->pmd[6], 3); /* deterministic: to the loop round */
    ck_assert_uint_eq(ivr(), 0xee);
    eoi();
    harness_psr(h, PSR_IC | PSR_UP | PSR_I, 0);
    ck_assert_int_eq(harness_exec(h, loop), HARNESS_OUT); /* frozen */
    ck_assert_uint_le(c->pmd[6], 3);
}
END_TEST

/* Without oi the counter wraps in silence; with PMV.m no interrupt is kept. */
START_TEST(overflow_quiet)
{
    c->cr[CR_PMV] = _i ? MASKED | 0xee : 0xee;
    pmc(6, PMC(8, 1 | (_i ? OI : 0)));
    set_pmd(6, (1ull << 47) - 1000);
    harness_psr(h, PSR_UP | PSR_I, 0);
    ck_assert_int_eq(harness_exec(h, loop), HARNESS_OUT);
    ck_assert_uint_eq(c->pmc[0], _i ? 0x41 : 0);
    ck_assert(!cpu_interrupt_pending(c));
}
END_TEST

/* 7.2.1, 3:mov indirect: PSR.sp and PMC.pm hide counters from users; unimplemented ones are 0. */
START_TEST(reading)
{
    harness_virtual(h, 3, 3);
    set_pmd(4, 0xffff123456789abc);
    ck_assert_uint_eq(pmd(4), 0x123456789abc);
    set_pmd(200, 5);
    ck_assert_uint_eq(pmd(200), 0);
    harness_cpl(h, 3);
    ck_assert_uint_eq(pmd(4), 0x123456789abc);
    harness_psr(h, PSR_SP, 0);
    ck_assert_uint_eq(pmd(4), 0);
    harness_psr(h, 0, PSR_SP | PSR_CPL);
    pmc(4, PM);
    ck_assert_uint_eq(pmd(4), 0x123456789abc);
    harness_cpl(h, 3);
    ck_assert_uint_eq(pmd(4), 0);
}
END_TEST

/* 3:sum: with PSR.sp the user cannot change PSR.up. */
START_TEST(secure_monitors)
{
    harness_psr(h, PSR_SP, 0);
    ck_assert_int_eq(harness_exec(h, "sum 4 ;; mov psr.um=r0"), HARNESS_END);
    ck_assert(!(c->psr & PSR_UP));
    harness_psr(h, PSR_UP, 0);
    ck_assert_int_eq(harness_exec(h, "rum 4 ;; mov psr.um=r0"), HARNESS_END);
    ck_assert(c->psr & PSR_UP);
}
END_TEST

static TCase *add_case(Suite *s, const char *name)
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, setup, teardown);
    suite_add_tcase(s, t);
    return t;
}

static Suite *suite(void)
{
    Suite *s = suite_create("sapic");
    TCase *t = add_case(s, "interrupts");

    tcase_add_test(t, ivr_order);
    tcase_add_test(t, special_vectors);
    tcase_add_test(t, task_priority);
    tcase_add_test(t, request_registers);
    tcase_add_loop_test(t, taken, 0, 4);
    tcase_add_test(t, taken_when_unmasked);
    tcase_add_test(t, taken_after_rfi);
    tcase_add_test(t, taken_in_loop);
    tcase_add_test(t, init);
    t = add_case(s, "timer");
    tcase_add_test(t, timer);
    tcase_add_test(t, timer_masked_and_missed);
    tcase_add_test(t, itc_written);
    t = add_case(s, "monitors");
    tcase_add_loop_test(t, counting, 0, 22);
    tcase_add_loop_test(t, counting_window, 0, 2);
    tcase_add_test(t, overflow);
    tcase_add_loop_test(t, overflow_quiet, 0, 2);
    tcase_add_test(t, reading);
    tcase_add_test(t, secure_monitors);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
