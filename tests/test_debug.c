/* Breakpoint registers and the PSR bits that suspend checks for one instruction (SDM 2:7.1,
 * 2:3.3.2, 2:8.3 Debug vector). */
#include <check.h>
#include <stdlib.h>
#include "../cpu/interp.h"
#include "cpu_harness.h"

#define BUNDLE(n) (HARNESS_CODE + 16 * (uint64_t)(n))
#define R         (1ull << 63) /* and x of an IBR */
#define W         (1ull << 62)
#define PLM(x)    ((uint64_t)(x) << 56)
#define ALL       PLM(15)
#define FULL      ((1ull << 56) - 1) /* every address bit counts */

static struct harness *h;
static struct cpu *c;

static void setup(void)
{
    h = harness_new(CPU_MONTECITO);
    c = h->c;
    harness_virtual(h, 3, 3);
    harness_psr(h, PSR_DB, 0);
    cpu_set_gr(c, 3, HARNESS_DATA + 0x20);
}

static void teardown(void)
{
    harness_free(h);
}

static void dbr(unsigned pair, uint64_t addr, uint64_t ctl)
{
    c->dbr[2 * pair] = addr;
    c->dbr[2 * pair + 1] = ctl;
}

static void ibr(unsigned pair, uint64_t addr, uint64_t ctl)
{
    c->ibr[2 * pair] = addr;
    c->ibr[2 * pair + 1] = ctl;
}

/* --- data --- */

#define NONE HARNESS_END

/* Which accesses of r3 = HARNESS_DATA + 0x20 a register pair stops. */
static const struct {
    const char *text;
    uint64_t offset; /* of the breakpoint from HARNESS_DATA */
    uint64_t ctl;
    int vector;
    uint64_t isr;
} data_cases[] = {
    {"ld8 r4=[r3]", 0x20, R | ALL | FULL, VEC_DEBUG, ISR_R},
    {"ld8 r4=[r3]", 0x20, W | ALL | FULL, NONE, 0},
    {"ld8 r4=[r3]", 0x20, ALL | FULL, NONE, 0},
    {"st8 [r3]=r4", 0x20, W | ALL | FULL, VEC_DEBUG, ISR_W},
    {"st8 [r3]=r4", 0x20, R | ALL | FULL, NONE, 0},
    {"st8 [r3]=r4", 0x20, R | W | ALL | FULL, VEC_DEBUG, ISR_W},
    /* any byte of the access */
    {"ld8 r4=[r3]", 0x27, R | ALL | FULL, VEC_DEBUG, ISR_R},
    {"ld8 r4=[r3]", 0x28, R | ALL | FULL, NONE, 0},
    {"ld8 r4=[r3]", 0x1f, R | ALL | FULL, NONE, 0},
    {"ld4 r4=[r3]", 0x24, R | ALL | FULL, NONE, 0},
    {"ld16 r4,ar.csd=[r3]", 0x2f, R | ALL | FULL, VEC_DEBUG, ISR_R},
    {"ldfe f4=[r3]", 0x29, R | ALL | FULL, VEC_DEBUG, ISR_R},
    {"ldfpd f4,f5=[r3]", 0x2f, R | ALL | FULL, VEC_DEBUG, ISR_R},
    {"stf.spill [r3]=f4", 0x2f, W | ALL | FULL, VEC_DEBUG, ISR_W},
    /* mask bits that are 0 do not count */
    {"ld8 r4=[r3]", 0x3ff, R | ALL | (FULL & ~0x3ffull), VEC_DEBUG, ISR_R},
    {"ld8 r4=[r3]", 0x400, R | ALL | (FULL & ~0x3ffull), NONE, 0},
    /* semaphores read and write */
    {"xchg8 r4=[r3],r5", 0x20, R | ALL | FULL, VEC_DEBUG, ISR_R | ISR_W},
    {"fetchadd8.acq r4=[r3],1", 0x20, W | ALL | FULL, VEC_DEBUG, ISR_R | ISR_W},
    {"cmpxchg4.acq r4=[r3],r5,ar.ccv", 0x20, W | ALL | FULL, VEC_DEBUG, ISR_R | ISR_W},
    /* of the non-access operations only probe.fault and lfetch.fault (8.3) */
    {"probe.r.fault r3,0", 0x20, R | ALL | FULL, VEC_DEBUG, ISR_NA | ISR_R | 5},
    {"probe.w.fault r3,0", 0x20, R | ALL | FULL, NONE, 0},
    {"probe.w.fault r3,0", 0x20, W | ALL | FULL, VEC_DEBUG, ISR_NA | ISR_W | 5},
    {"probe.rw.fault r3,0", 0x20, W | ALL | FULL, VEC_DEBUG, ISR_NA | ISR_R | ISR_W | 5},
    {"lfetch.fault [r3]", 0x20, R | ALL | FULL, VEC_DEBUG, ISR_NA | ISR_R | 4},
    {"lfetch [r3]", 0x20, R | W | ALL | FULL, NONE, 0},
    {"probe.r r4=r3,0", 0x20, R | W | ALL | FULL, NONE, 0},
    {"fc r3", 0x20, R | W | ALL | FULL, NONE, 0},
    {"tpa r4=r3", 0x20, R | W | ALL | FULL, NONE, 0},
    /* privilege levels: here 0 */
    {"ld8 r4=[r3]", 0x20, R | PLM(1) | FULL, VEC_DEBUG, ISR_R},
    {"ld8 r4=[r3]", 0x20, R | PLM(14) | FULL, NONE, 0},
    /* speculative loads are not deferred without DCR.dd */
    {"ld8.s r4=[r3]", 0x20, R | ALL | FULL, VEC_DEBUG, ISR_R | ISR_SP},
    {"ld8.a r4=[r3]", 0x20, R | ALL | FULL, VEC_DEBUG, ISR_R},
};

START_TEST(data)
{
    int got;

    /* First without the breakpoint, to have the page in every cache. */
    ck_assert_int_eq(harness_exec(h, data_cases[_i].text), HARNESS_END);
    dbr((unsigned)_i % 4, HARNESS_DATA + data_cases[_i].offset, data_cases[_i].ctl);
    got = harness_exec(h, data_cases[_i].text);
    ck_assert_int_eq(got, data_cases[_i].vector);
    if (got == HARNESS_END)
        return;
    ck_assert_uint_eq(c->cr[CR_ISR] & ~(3ull << ISR_EI_SHIFT), data_cases[_i].isr);
    ck_assert_uint_eq(c->cr[CR_IFA], HARNESS_DATA + 0x20);
}
END_TEST

/* Nothing happens with PSR.db 0, nor was the page kept from the soft TLB for good. */
START_TEST(data_off)
{
    dbr(0, HARNESS_DATA + 0x20, R | W | ALL | FULL);
    harness_psr(h, 0, PSR_DB);
    ck_assert_int_eq(harness_exec(h, "ld8 r4=[r3] ;; st8 [r3]=r4"), HARNESS_END);
    /* mov psr.l turns it on for the next instruction group */
    cpu_set_gr(c, 5, (c->psr | PSR_DB) & 0xffffffff);
    ck_assert_int_eq(harness_exec(h, "ld8 r4=[r3] ;; mov psr.l=r5 ;; srlz.d ;; ld8 r4=[r3]"),
                     VEC_DEBUG);
}
END_TEST

/* The level is that of the access: cpl 3 does not meet a breakpoint for level 0. */
START_TEST(data_level)
{
    dbr(0, HARNESS_DATA + 0x20, R | PLM(1) | FULL);
    harness_cpl(h, 3);
    ck_assert_int_eq(harness_exec(h, "ld8 r4=[r3]"), HARNESS_END);
    dbr(0, HARNESS_DATA + 0x20, R | PLM(8) | FULL);
    ck_assert_int_eq(harness_exec(h, "ld8 r4=[r3]"), VEC_DEBUG);
}
END_TEST

/* 5.5.5: DCR.dd defers on a speculative load when the code page allows it (ITLB.ed). */
START_TEST(data_deferred)
{
    c->cr[CR_DCR] = c->tr.dcr = DCR_DD;
    tlb_purge_tr(c->tlb, TLB_INST, 0, 24, 0);
    ck_assert_int_eq(tlb_insert_tr(c->tlb, TLB_INST, 0, 0, HARNESS_PTE(3, 3) | 1ull << 52, 24 << 2,
                                   &c->tr, NULL),
                     0);
    dbr(0, HARNESS_DATA + 0x20, R | ALL | FULL);
    ck_assert_int_eq(harness_exec(h, "ld8.s r4=[r3]"), HARNESS_END);
    ck_assert(cpu_gr_nat(c, 4));
}
END_TEST

/* An unaligned access over the end of a page meets a breakpoint in its middle, on both sides. */
START_TEST(data_page_crossing)
{
    cpu_set_gr(c, 3, HARNESS_DATA + 0xffc);
    dbr(0, HARNESS_DATA + 0xffe, R | ALL | FULL);
    ck_assert_int_eq(harness_exec(h, "ld8 r4=[r3]"), VEC_DEBUG);
    harness_psr(h, PSR_IC | PSR_DB, 0);
    dbr(0, HARNESS_DATA + 0x1002, R | ALL | FULL);
    ck_assert_int_eq(harness_exec(h, "ld8 r4=[r3]"), VEC_DEBUG);
}
END_TEST

/* 6.5.4, 8.3: mandatory RSE stores and loads, at the level of RSC.pl, with ISR.rs. */
START_TEST(rse)
{
    harness_cfm(h, 4 | 4 << 7);
    dbr(0, HARNESS_BSP + 8, W | PLM(1) | FULL);
    ck_assert_int_eq(harness_exec(h, "{ .mib\n nop.m 0\n nop.i 0\n br.call.sptk b0=1f }\n"
                                     "1: { .mmi\n flushrs ;; }"),
                     VEC_DEBUG);
    ck_assert_uint_eq(c->cr[CR_ISR], ISR_W | ISR_RS);
    ck_assert_uint_eq(c->cr[CR_IFA], HARNESS_BSP + 8);
    harness_psr(h, PSR_IC | PSR_DB, 0);
    c->rsc = 3 << 2;
    ck_assert_int_eq(harness_exec(h, "{ .mmi\n flushrs ;; }"), HARNESS_END);
}
END_TEST

/* 6.6, 8.3: the loads of a frame: IIP is the return's target, ISR.ir is set; RSC.pl decides. */
START_TEST(rse_frame)
{
    dbr(0, HARNESS_BSP - 16, R | PLM(1) | FULL);
    c->br[6] = BUNDLE(8);
    c->pfs = 4 | 4 << 7;
    harness_asm(h, BUNDLE(8), "nop.m 0");
    ck_assert_int_eq(harness_exec(h, "{ .bbb\n br.ret.sptk b6\n nop.b 0\n nop.b 0 }"), VEC_DEBUG);
    ck_assert_uint_eq(c->cr[CR_ISR], ISR_R | ISR_RS | ISR_IR);
    ck_assert_uint_eq(c->cr[CR_IIP], BUNDLE(8));
    ck_assert_uint_eq(c->cr[CR_IIPA], BUNDLE(0));
}
END_TEST

/* --- instructions --- */

static const char three[] = "{ .mmi\n add r4=1,r4\n add r4=1,r4\n add r4=1,r4 }\n"
                            "{ .mmi\n add r4=1,r4\n add r4=1,r4\n add r4=1,r4 }\n"
                            "{ .mmi\n add r4=1,r4\n add r4=1,r4\n add r4=1,r4 }";

/* A breakpoint inside a block that was decoded, executed and linked before. */
START_TEST(inst)
{
    harness_psr(h, 0, PSR_DB);
    for (int k = 0; k < 3; k++)
        ck_assert_int_eq(harness_exec(h, three), HARNESS_END);
    cpu_set_gr(c, 4, 0);
    harness_psr(h, PSR_DB, 0);
    /* the low four bits of the address do not count */
    ibr((unsigned)_i % 4, BUNDLE(1) + (_i & 1 ? 12 : 0), R | ALL | FULL);
    ck_assert_int_eq(harness_exec(h, three), VEC_DEBUG);
    ck_assert_uint_eq(cpu_gr(c, 4), 3);
    ck_assert_uint_eq(c->cr[CR_ISR], ISR_X);
    ck_assert_uint_eq(c->cr[CR_IFA], BUNDLE(1));
    ck_assert_uint_eq(c->cr[CR_IIP], BUNDLE(1));
    ck_assert_uint_eq(c->cr[CR_IIPA], BUNDLE(0));
}
END_TEST

/* Masks, levels and the x bit. */
START_TEST(inst_conditions)
{
    static const struct {
        uint64_t addr, ctl;
        unsigned cpl;
        int vector;
    } cases[] = {
        {BUNDLE(1), ALL | FULL, 0, HARNESS_END},
        {BUNDLE(1), W | ALL | FULL, 0, HARNESS_END},
        {BUNDLE(0x80), R | ALL | FULL, 0, HARNESS_END},
        {BUNDLE(0x80), R | ALL | (FULL & ~0xfffull), 0, VEC_DEBUG},
        {BUNDLE(1), R | PLM(8) | FULL, 0, HARNESS_END},
        {BUNDLE(1), R | PLM(8) | FULL, 3, VEC_DEBUG},
        {BUNDLE(1), R | PLM(7) | FULL, 3, HARNESS_END},
    };

    ibr(0, cases[_i].addr, cases[_i].ctl);
    harness_cpl(h, cases[_i].cpl);
    ck_assert_int_eq(harness_exec(h, three), cases[_i].vector);
}
END_TEST

/* 3.3.2: PSR.id lasts for one instruction, so the other slots of the bundle stop again. */
START_TEST(inst_disable)
{
    ibr(0, BUNDLE(1), R | ALL | FULL);
    ck_assert_int_eq(harness_exec(h, three), VEC_DEBUG);
    for (unsigned slot = 0; slot < 3; slot++) {
        ck_assert_uint_eq(harness_ipsr_ri(h), slot);
        ck_assert_uint_eq(harness_ei(h), slot);
        ck_assert(!(c->cr[CR_IPSR] & PSR_ID));
        harness_psr(h, PSR_IC | PSR_DB | PSR_ID, 0);
        harness_goto(h, BUNDLE(1), slot);
        ck_assert_int_eq(harness_run(h), slot < 2 ? VEC_DEBUG : HARNESS_END);
    }
}
END_TEST

/* --- bits that last for one instruction (3.3.2) --- */

/* dd and da disable the faults of one instruction only. */
START_TEST(data_disable)
{
    dbr(0, HARNESS_DATA + 0x20, R | ALL | FULL);
    harness_psr(h, PSR_DD, 0);
    ck_assert_int_eq(harness_exec(h, "{ .mmi\n ld8 r4=[r3]\n ld8 r5=[r3]\n nop.i 0 }"), VEC_DEBUG);
    ck_assert_uint_eq(harness_ei(h), 1);
    ck_assert(!(c->cr[CR_IPSR] & PSR_DD));
}
END_TEST

/* Dirty and access bits missing: fault, pass once with da, fault again. */
START_TEST(access_disable)
{
    uint64_t va = 0x2000000000000000;
    uint64_t bits = _i ? HARNESS_PTE(3, 3) & ~0x20ull : HARNESS_PTE(3, 3) & ~0x40ull;
    const char *text = _i ? "{ .mmi\n ld8 r4=[r3]\n ld8 r4=[r3]\n nop.i 0 }"
                          : "{ .mmi\n st8 [r3]=r0\n st8 [r3]=r0\n nop.i 0 }";
    int vector = _i ? VEC_DACCESS_BIT : VEC_DIRTY;

    c->tr.rr[1] = 5 << 8 | 12 << 2;
    harness_map(h, TLB_DATA, va, HARNESS_DATA, 12, bits);
    cpu_set_gr(c, 3, va);
    harness_psr(h, 0, PSR_DB);
    ck_assert_int_eq(harness_exec(h, text), vector);
    ck_assert_uint_eq(harness_ei(h), 0);
    harness_psr(h, PSR_IC | PSR_DA, 0);
    ck_assert_int_eq(harness_exec(h, text), vector);
    ck_assert_uint_eq(harness_ei(h), 1);
    ck_assert(!(c->cr[CR_IPSR] & PSR_DA));
}
END_TEST

/* ia: one instruction from a page without its access bit. */
START_TEST(inst_access_disable)
{
    uint64_t va = 0x2000000000000000;

    c->tr.rr[1] = 5 << 8 | 12 << 2;
    harness_map(h, TLB_INST, va, HARNESS_CODE, 12, HARNESS_PTE(3, 3) & ~0x20ull);
    harness_asm(h, HARNESS_CODE, three);
    harness_goto(h, va, 0);
    ck_assert_int_eq(harness_run(h), VEC_IACCESS_BIT);
    harness_psr(h, PSR_IC | PSR_IA, 0);
    harness_goto(h, va, 0);
    ck_assert_int_eq(harness_run(h), VEC_IACCESS_BIT);
    ck_assert_uint_eq(harness_ei(h), 1);
    ck_assert_uint_eq(c->cr[CR_ISR], ISR_X | 1ull << ISR_EI_SHIFT);
    ck_assert(!(c->cr[CR_IPSR] & PSR_IA));
}
END_TEST

/* A fault of another kind keeps the bits for the retry. */
START_TEST(bits_survive_faults)
{
    uint64_t bits = PSR_ID | PSR_DA | PSR_DD | PSR_IA | PSR_ED;

    harness_psr(h, bits, 0);
    ck_assert_int_eq(harness_exec(h, "break.m 1"), VEC_BREAK);
    ck_assert_uint_eq(c->cr[CR_IPSR] & bits, bits);
    ck_assert_uint_eq(c->psr & bits, 0);
}
END_TEST

/* rfi gives them to the instruction it returns to. */
START_TEST(bits_by_rfi)
{
    dbr(0, HARNESS_DATA + 0x20, R | ALL | FULL);
    harness_asm(h, BUNDLE(8), "{ .mmi\n ld8 r4=[r3]\n ld8 r5=[r3]\n nop.i 0 }");
    c->cr[CR_IIP] = BUNDLE(8);
    c->cr[CR_IPSR] = c->psr | PSR_DD;
    harness_psr(h, 0, PSR_IC);
    ck_assert_int_eq(harness_exec(h, "{ .mfb\n nop.m 0\n nop.f 0\n rfi ;; }"), VEC_DEBUG);
    ck_assert_uint_eq(c->cr[CR_IIP], BUNDLE(8));
    ck_assert_uint_eq(harness_ei(h), 1);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

int main(void)
{
    Suite *s = suite_create("debug");
    TCase *t = tcase_create("breakpoints");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    suite_add_tcase(s, t);
    tcase_add_loop_test(t, data, 0, COUNT(data_cases));
    tcase_add_test(t, data_off);
    tcase_add_test(t, data_level);
    tcase_add_test(t, data_deferred);
    tcase_add_test(t, data_page_crossing);
    tcase_add_test(t, rse);
    tcase_add_test(t, rse_frame);
    tcase_add_loop_test(t, inst, 0, 4);
    tcase_add_loop_test(t, inst_conditions, 0, 7);
    tcase_add_test(t, inst_disable);
    tcase_add_test(t, data_disable);
    tcase_add_loop_test(t, access_disable, 0, 2);
    tcase_add_test(t, inst_access_disable);
    tcase_add_test(t, bits_survive_faults);
    tcase_add_test(t, bits_by_rfi);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
