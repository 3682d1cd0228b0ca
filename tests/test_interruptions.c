/* Delivery of interruptions: control registers, PSR, priorities, traps. Sections are of SDM 2 where
 * no volume is given. Most tests run twice: as blocks and one instruction at a time. */
#include <check.h>
#include <stdlib.h>
#include "cpu_harness.h"

/* An address in region 1 without translation. */
#define MISSING   0x2000000000004560ull
#define RR1       (0x1234ull << 8 | 14u << 2)
#define BUNDLE(n) (HARNESS_CODE + 16 * (uint64_t)(n))

static struct harness *h;
static struct cpu *c;

static void start(enum cpu_model model, int stepwise)
{
    h = harness_new(model);
    c = h->c;
    h->stepwise = stepwise;
}

static void teardown(void)
{
    harness_free(h);
    h = NULL;
}

/* Checks what every interruption records (3.3.5). */
static void delivered(int got, int vector, uint64_t iip, unsigned ri, unsigned ei)
{
    ck_assert_int_eq(got, vector);
    ck_assert_uint_eq(c->cr[CR_IIP], iip);
    ck_assert_uint_eq(harness_ipsr_ri(h), ri);
    ck_assert_uint_eq(harness_ei(h), ei);
    ck_assert_uint_eq(c->cr[CR_IFS], 0);
}

/* --- delivery --- */

/* 3:break, 8.3 Break Instruction vector. */
START_TEST(break_fault)
{
    start(CPU_MONTECITO, _i);
    delivered(harness_exec(h, "{ .mmi\n nop.m 0\n break.m 0x123\n nop.i 0 }"), VEC_BREAK, BUNDLE(0),
              1, 1);
    ck_assert_uint_eq(c->cr[CR_IIM], 0x123);
    ck_assert_uint_eq(c->cr[CR_ISR], 1ull << ISR_EI_SHIFT);
}
END_TEST

/* 3.3.5.6: IIPA is the bundle of the last instruction executed, whatever it was. */
static const struct {
    const char *text;
    int iip, iipa; /* bundles from HARNESS_CODE; the fault is a break */
} iipa_cases[] = {
    {"{ .mmi\n nop.m 0\n nop.m 0\n nop.i 0 }\n{ .mmi\n break.m 1\n nop.m 0\n nop.i 0 }", 1, 0},
    {"{ .mmi\n add r3=r0,r0\n nop.m 0\n break.i 1 }", 0, 0},
    {"{ .mmi\n nop.m 0\n nop.m 0\n nop.i 0 }\n{ .mmi\n nop.m 0\n break.m 1\n nop.i 0 }", 1, 1},
    /* after a taken branch, its target's first slot */
    {"{ .mib\n nop.m 0\n nop.i 0\n br 1f }\n{ .mmi\n nop.m 0\n nop.m 0\n nop.i 0 }\n"
     "{ .mmi\n nop.m 0\n nop.m 0\n nop.i 0 }\n1: { .mmi\n break.m 1\n nop.m 0\n nop.i 0 }",
     3, 0},
    /* after a branch that is not taken */
    {"{ .mib\n nop.m 0\n nop.i 0\n (p1) br 1f }\n1: { .mmi\n break.m 1\n nop.m 0\n nop.i 0 }", 1,
     0},
    /* MLX before */
    {"{ .mlx\n nop.m 0\n movl r4=1 }\n{ .mmi\n break.m 1\n nop.m 0\n nop.i 0 }", 1, 0},
    /* MLX itself: slot 0 was executed */
    {"{ .mlx\n nop.m 0\n break.x 1 }", 0, 0},
    /* call, return */
    {"{ .mib\n nop.m 0\n nop.i 0\n br.call.sptk b0=1f }\n"
     "{ .mmi\n break.m 1\n nop.m 0\n nop.i 0 }\n1: { .mib\n nop.m 0\n nop.i 0\n br.ret.sptk b0 }",
     1, 2},
    /* a loop: the second round comes from its own end */
    {"{ .mmi\n mov r5=1\n nop.m 0\n mov ar.lc=1 ;; }\n"
     "1: { .mmi\n cmp.eq p6,p7=r5,r0 ;;\n (p6) break.m 1\n add r5=-1,r5 }\n"
     "{ .mib\n nop.m 0\n nop.i 0\n br.cloop.sptk 1b }",
     1, 1},
    /* operations that end a block */
    {"{ .mmi\n nop.m 0\n srlz.i\n nop.i 0 }\n{ .mmi\n break.m 1\n nop.m 0\n nop.i 0 }", 1, 0},
    {"{ .mmi\n nop.m 0\n nop.m 0\n nop.i 0 }\n{ .mmi\n srlz.i\n break.m 1\n nop.i 0 }", 1, 1},
    {"{ .mfb\n nop.m 0\n nop.f 0\n cover ;; }\n{ .mmi\n break.m 1\n nop.m 0\n nop.i 0 }", 1, 0},
};

START_TEST(iipa)
{
    for (int stepwise = 0; stepwise < 2; stepwise++) {
        start(CPU_MONTECITO, stepwise);
        ck_assert_int_eq(harness_exec(h, iipa_cases[_i].text), VEC_BREAK);
        ck_assert_uint_eq(c->cr[CR_IIP], BUNDLE(iipa_cases[_i].iip));
        ck_assert_uint_eq(c->cr[CR_IIPA], BUNDLE(iipa_cases[_i].iipa));
        teardown();
    }
}
END_TEST

/* 3.3.5.6 across the end of a page, first into new code, then into blocks already linked. */
START_TEST(iipa_next_page)
{
    start(CPU_MONTECITO, _i);
    harness_asm(h, 0x101ff0,
                "{ .mmi\n add r3=r0,r0\n nop.m 0\n nop.i 0 }\n"
                "{ .mmi\n break.m 1\n nop.m 0\n nop.i 0 }");
    for (int round = 0; round < 3; round++) {
        harness_psr(h, PSR_IC, 0);
        c->iipa = 0;
        harness_goto(h, 0x101ff0, 0);
        ck_assert_int_eq(harness_run(h), VEC_BREAK);
        ck_assert_uint_eq(c->cr[CR_IIP], 0x102000);
        ck_assert_uint_eq(c->cr[CR_IIPA], 0x101ff0);
    }
}
END_TEST

/* 3.3.5.6: rfi does not update IIPA; what software left there is reported by the next fault. The
 * target may be any slot. */
START_TEST(rfi_keeps_iipa)
{
    start(CPU_MONTECITO, _i & 1);
    unsigned slot = (unsigned)_i >> 1;

    harness_asm(h, BUNDLE(16), "{ .mmi\n break.m 1\n break.m 2\n break.i 3 }");
    harness_psr(h, 0, PSR_IC);
    c->cr[CR_IIP] = BUNDLE(16);
    c->cr[CR_IPSR] = PSR_IC | PSR_BN | (uint64_t)slot << PSR_RI_SHIFT;
    c->cr[CR_IIPA] = 0x123450;
    delivered(harness_exec(h, "{ .mfb\n nop.m 0\n nop.f 0\n rfi ;; }"), VEC_BREAK, BUNDLE(16), slot,
              slot);
    ck_assert_uint_eq(c->cr[CR_IIM], slot + 1);
    ck_assert_uint_eq(c->cr[CR_IIPA], 0x123450);
}
END_TEST

/* 3.3.2 table 3-2: the PSR an interruption leaves. */
START_TEST(psr_after_delivery)
{
    uint64_t all = PSR_UP | PSR_AC | PSR_MFL | PSR_MFH | PSR_IC | PSR_I | PSR_PK | PSR_DT |
                   PSR_DFL | PSR_DFH | PSR_SP | PSR_PP | PSR_DI | PSR_SI | PSR_LP | PSR_RT |
                   PSR_IT | PSR_BN | (3ull << PSR_CPL_SHIFT);
    uint64_t kept = PSR_UP | PSR_MFL | PSR_MFH | PSR_PK | PSR_DT | PSR_RT | PSR_IT;

    start(CPU_MONTECITO, _i & 1);
    c->tr.pkr[0] = 1; /* key 0 */
    harness_virtual(h, 3, 3);
    harness_psr(h, all, 0);
    c->cr[CR_DCR] = _i & 2 ? DCR_BE | DCR_PP : 0;
    ck_assert_int_eq(harness_exec(h, "{ .mmi\n nop.m 0\n break.m 1\n nop.i 0 }"), VEC_BREAK);
    ck_assert_uint_eq(c->cr[CR_IPSR], all | 1ull << PSR_RI_SHIFT);
    ck_assert_uint_eq(c->psr, kept | (_i & 2 ? PSR_BE | PSR_PP : 0));
}
END_TEST

/* 5.5, 3.3.5: with PSR.ic 0 only ISR is written, with ni. */
START_TEST(collection_off)
{
    start(CPU_MONTECITO, _i);
    harness_psr(h, 0, PSR_IC);
    for (unsigned n = CR_IIP; n <= CR_IHA; n++)
        c->cr[n] = 0x5550 + n;
    c->cr[CR_IPSR] = 0x5550;
    ck_assert_int_eq(harness_exec(h, "{ .mmi\n nop.m 0\n break.m 1\n nop.i 0 }"), VEC_BREAK);
    ck_assert_uint_eq(c->cr[CR_ISR], ISR_NI | 1ull << ISR_EI_SHIFT);
    ck_assert_uint_eq(c->cr[CR_IPSR], 0x5550);
    for (unsigned n = CR_IIP; n <= CR_IHA; n++)
        ck_assert_uint_eq(c->cr[n], 0x5550 + n);
}
END_TEST

/* 5.4.4, 8.3 Data Nested TLB: no control register changes, not even ISR. */
START_TEST(nested_tlb)
{
    start(CPU_MONTECITO, _i);
    harness_virtual(h, 3, 3);
    c->tr.rr[1] = RR1;
    harness_psr(h, 0, PSR_IC);
    for (unsigned n = CR_IPSR; n <= CR_IHA; n++)
        c->cr[n] = 0x5550 + n;
    cpu_set_gr(c, 3, 0x2000000000000000);
    ck_assert_int_eq(harness_exec(h, "ld8 r4=[r3]"), VEC_NESTED);
    for (unsigned n = CR_IPSR; n <= CR_IHA; n++)
        ck_assert_uint_eq(c->cr[n], 0x5550 + n);
}
END_TEST

/* --- which registers each vector sets (8.3) --- */

static const struct {
    const char *text;
    int vector;
    uint64_t isr;
} data_faults[] = {
    {"{ .mmi\n nop.m 0\n ld8 r4=[r3]\n nop.i 0 }", VEC_ALT_DTLB, ISR_R},
    {"{ .mmi\n nop.m 0\n st8 [r3]=r4\n nop.i 0 }", VEC_ALT_DTLB, ISR_W},
    {"{ .mmi\n nop.m 0\n fetchadd8.acq r4=[r3],1\n nop.i 0 }", VEC_ALT_DTLB, ISR_R | ISR_W},
    {"{ .mmi\n nop.m 0\n xchg8 r4=[r3],r5\n nop.i 0 }", VEC_ALT_DTLB, ISR_R | ISR_W},
    {"{ .mmi\n nop.m 0\n tpa r4=r3\n nop.i 0 }", VEC_ALT_DTLB, ISR_NA | 0},
    {"{ .mmi\n nop.m 0\n fc r3\n nop.i 0 }", VEC_ALT_DTLB, ISR_NA | ISR_R | 1},
    {"{ .mmi\n nop.m 0\n probe.r r4=r3,0\n nop.i 0 }", VEC_ALT_DTLB, ISR_NA | ISR_R | 2},
    {"{ .mmi\n nop.m 0\n probe.w r4=r3,0\n nop.i 0 }", VEC_ALT_DTLB, ISR_NA | ISR_W | 2},
    {"{ .mmi\n nop.m 0\n lfetch.fault [r3]\n nop.i 0 }", VEC_ALT_DTLB, ISR_NA | ISR_R | 4},
    {"{ .mmi\n nop.m 0\n probe.r.fault r3,0\n nop.i 0 }", VEC_ALT_DTLB, ISR_NA | ISR_R | 5},
    {"{ .mmi\n nop.m 0\n probe.w.fault r3,0\n nop.i 0 }", VEC_ALT_DTLB, ISR_NA | ISR_W | 5},
    {"{ .mmi\n nop.m 0\n probe.rw.fault r3,0\n nop.i 0 }", VEC_ALT_DTLB,
     ISR_NA | ISR_R | ISR_W | 5},
};

START_TEST(data_fault_registers)
{
    start(CPU_MONTECITO, 0);
    harness_virtual(h, 3, 3);
    c->tr.rr[1] = RR1;
    cpu_set_gr(c, 3, MISSING);
    c->cr[CR_IHA] = 0x77;
    delivered(harness_exec(h, data_faults[_i].text), data_faults[_i].vector, BUNDLE(0), 1, 1);
    ck_assert_uint_eq(c->cr[CR_ISR], data_faults[_i].isr | 1ull << ISR_EI_SHIFT);
    ck_assert_uint_eq(c->cr[CR_IFA], MISSING);
    ck_assert_uint_eq(c->cr[CR_ITIR], RR1);
    ck_assert_uint_eq(c->cr[CR_IHA], 0x77); /* only the VHPT and TLB vectors set it */
    ck_assert_uint_eq(c->cr[CR_IIPA], BUNDLE(0));
}
END_TEST

/* 8.3: IFA of a fetch fault is the bundle's address, ISR.x is set, ei is the slot to execute. */
START_TEST(fetch_fault_registers)
{
    start(CPU_MONTECITO, _i);
    harness_virtual(h, 3, 3);
    c->tr.rr[1] = RR1;
    harness_goto(h, MISSING, 2);
    delivered(harness_run(h), VEC_ALT_ITLB, MISSING & ~15ull, 2, 2);
    ck_assert_uint_eq(c->cr[CR_ISR], ISR_X | 2ull << ISR_EI_SHIFT);
    ck_assert_uint_eq(c->cr[CR_IFA], MISSING & ~15ull);
    ck_assert_uint_eq(c->cr[CR_ITIR], RR1);
}
END_TEST

/* The same reached by a branch: IIPA is the branch. */
START_TEST(fetch_fault_by_branch)
{
    start(CPU_MONTECITO, _i);
    harness_virtual(h, 3, 3);
    c->tr.rr[1] = RR1;
    c->br[6] = MISSING & ~15ull;
    delivered(harness_exec(h, "{ .mfb\n nop.m 0\n nop.f 0\n br.few b6 }"), VEC_ALT_ITLB,
              MISSING & ~15ull, 0, 0);
    ck_assert_uint_eq(c->cr[CR_ISR], ISR_X);
    ck_assert_uint_eq(c->cr[CR_IIPA], BUNDLE(0));
}
END_TEST

/* 8.3 Lower-Privilege Transfer: an unimplemented instruction address, reported as a fault. */
START_TEST(unimplemented_instruction_address)
{
    start(CPU_MONTECITO, _i);
    c->br[6] = 1ull << 55; /* physical, beyond the 50 bits there are (4.1.10) */
    delivered(harness_exec(h, "{ .mfb\n nop.m 0\n nop.f 0\n br.few b6 }"), VEC_LOWER_PRIV,
              1ull << 55, 0, 0);
    ck_assert_uint_eq(c->cr[CR_ISR], 0x10);
    ck_assert_uint_eq(c->cr[CR_IFA], 1ull << 55);
    ck_assert_uint_eq(c->cr[CR_IIPA], BUNDLE(0));
}
END_TEST

/* 3.3.5.10: Poulson's IIB registers hold the faulting bundle, or the trapping one. */
START_TEST(bundle_registers)
{
    uint64_t lo, hi;

    start(CPU_POULSON, 0);
    ck_assert_int_eq(harness_exec(h, "{ .mmi\n nop.m 0\n break.m 1\n nop.i 0 }"), VEC_BREAK);
    mem_read(h->m, BUNDLE(0), 8, &lo);
    mem_read(h->m, BUNDLE(0) + 8, 8, &hi);
    ck_assert_uint_eq(c->cr[CR_IIB0], lo);
    ck_assert_uint_eq(c->cr[CR_IIB1], hi);
    harness_psr(h, PSR_IC | PSR_TB, 0);
    ck_assert_int_eq(harness_exec(h, "{ .mib\n nop.m 0\n nop.i 0\n br 1f }\n"
                                     "{ .mib\n nop.m 0\n nop.i 0\n br 1f }\n1: nop.m 0"),
                     VEC_TAKEN_BRANCH);
    mem_read(h->m, BUNDLE(0), 8, &lo);
    ck_assert_uint_eq(c->cr[CR_IIB0], lo);
}
END_TEST

/* --- priorities (5.6, table 5-6) --- */

static const struct {
    const char *text;
    uint64_t psr_set;
    unsigned cpl;
    int vector;
    uint64_t isr; /* without ei */
} priorities[] = {
    /* reserved control register, at cpl 3: illegal before privileged */
    {"mov cr.ivr=r3", 0, 3, VEC_GENEX, GENEX_ILLEGAL},
    {"mov cr.ipsr=r3", 0, 3, VEC_GENEX, GENEX_ILLEGAL}, /* PSR.ic is 1 */
    {"mov r3=cr.iip", 0, 3, VEC_GENEX, GENEX_ILLEGAL},
    {"mov r3=cr.eoi", 0, 3, VEC_GENEX, GENEX_PRIV_OP},
    {"mov r40=cr.tpr", 0, 3, VEC_GENEX, GENEX_ILLEGAL}, /* target out of frame */
    {"mov r3=cr.tpr", 0, 3, VEC_GENEX, GENEX_PRIV_OP},
    {"itc.d r3", 0, 3, VEC_GENEX, GENEX_ILLEGAL}, /* PSR.ic is 1 */
    /* privileged before NaT (r8 is NaT), NaT before reserved */
    {"mov cr.tpr=r8", 0, 3, VEC_GENEX, GENEX_PRIV_OP},
    {"mov cr.tpr=r8", 0, 0, VEC_NAT, 0x10},
    {"mov rr[r8]=r3", 0, 0, VEC_NAT, 0x10},
    {"mov rr[r3]=r8", 0, 3, VEC_GENEX, GENEX_PRIV_OP},
    {"mov psr.l=r8", 0, 3, VEC_GENEX, GENEX_PRIV_OP},
    {"mov psr.l=r8", 0, 0, VEC_NAT, 0x10},
    {"mov psr.l=r9", 0, 0, VEC_GENEX, GENEX_RESERVED}, /* r9 is all ones */
    {"mov psr.um=r9", 0, 3, VEC_GENEX, GENEX_RESERVED},
    {"ssm 1", 0, 3, VEC_GENEX, GENEX_PRIV_OP},
    {"ssm 1", 0, 0, VEC_GENEX, GENEX_RESERVED},
    {"sum 0x40", 0, 3, VEC_GENEX, GENEX_RESERVED},
    {"mov ar.rsc=r8", 0, 0, VEC_NAT, 0x10},
    {"mov ar.rsc=r9", 0, 0, VEC_GENEX, GENEX_RESERVED},
    {"mov ar.k0=r8", 0, 3, VEC_NAT, 0x10}, /* NaT before privileged register */
    {"mov ar.k0=r3", 0, 3, VEC_GENEX, GENEX_PRIV_REG},
    {"mov ar.itc=r3", 0, 3, VEC_GENEX, GENEX_PRIV_REG},
    {"mov r3=ar.itc", PSR_SI, 3, VEC_GENEX, GENEX_PRIV_REG},
    {"mov ar.bsp=r3", 0, 3, VEC_GENEX, GENEX_ILLEGAL},
    /* disabled FP after illegal, before everything the access does */
    {"ldfd f40=[r8]", PSR_DFH, 3, VEC_DISABLED_FP, ISR_R | 2},
    {"ldfd f4=[r8]", PSR_DFL, 3, VEC_DISABLED_FP, ISR_R | 1},
    {"stfd [r8]=f40", PSR_DFH, 3, VEC_DISABLED_FP, ISR_W | 2},
    {"fma.d f4=f40,f1,f0", PSR_DFH | PSR_DFL, 3, VEC_DISABLED_FP, 3},
    {"getf.exp r40=f40", PSR_DFH, 3, VEC_GENEX, GENEX_ILLEGAL},
    {"ldfd f40=[r8]", 0, 3, VEC_NAT, ISR_R | 0x10},
    {"break.m 4", PSR_DFL | PSR_DFH, 3, VEC_BREAK, 0},
    {"rfi", 0, 3, VEC_GENEX, GENEX_PRIV_OP},
    {"bsw.0", 0, 3, VEC_GENEX, GENEX_PRIV_OP},
    {"vmsw.0", 0, 0, VEC_GENEX, GENEX_ILLEGAL},
    {"br.ia.sptk b6", 0, 0, VEC_GENEX, GENEX_ILLEGAL},
    {"br.ia.sptk b6", PSR_DI, 0, VEC_GENEX, GENEX_ISA},
    {"mov r3=dbr[r9]", 0, 0, VEC_GENEX, GENEX_RESERVED},
    {"mov r3=cpuid[r9]", 0, 3, VEC_GENEX, GENEX_RESERVED},
    {"mov r40=cpuid[r9]", 0, 3, VEC_GENEX, GENEX_ILLEGAL},
    {"mov r3=cpuid[r8]", 0, 3, VEC_NAT, 0x10},
};

START_TEST(priority)
{
    for (int stepwise = 0; stepwise < 2; stepwise++) {
        start(CPU_MONTECITO, stepwise);
        harness_virtual(h, 3, 3);
        cpu_set_gr(c, 3, 0);
        cpu_set_gr_nat(c, 8, true);
        cpu_set_gr(c, 9, ~0ull);
        harness_cpl(h, priorities[_i].cpl);
        harness_psr(h, priorities[_i].psr_set, 0);
        ck_assert_int_eq(harness_exec(h, priorities[_i].text), priorities[_i].vector);
        ck_assert_uint_eq(c->cr[CR_ISR] & ~(3ull << ISR_EI_SHIFT), priorities[_i].isr);
        teardown();
    }
}
END_TEST

/* 5.6: an external interrupt comes before every fault of the next instruction, and a fetch fault
 * before an instruction breakpoint before the instruction's own faults. */
START_TEST(priority_of_classes)
{
    start(CPU_MONTECITO, _i);
    harness_virtual(h, 3, 3);
    c->tr.rr[1] = RR1;
    harness_psr(h, PSR_I | PSR_DB, 0);
    c->ibr[0] = MISSING & ~15ull;
    c->ibr[1] = 1ull << 63 | 0xfull << 56 | ((1ull << 56) - 1);
    cpu_post_interrupt(c, 0x40);
    harness_goto(h, MISSING & ~15ull, 0);
    ck_assert_int_eq(harness_run(h), VEC_EXTINT);
    harness_psr(h, PSR_IC | PSR_DB, 0);
    harness_goto(h, MISSING & ~15ull, 0);
    ck_assert_int_eq(harness_run(h), VEC_ALT_ITLB);
    harness_map(h, TLB_INST, MISSING & ~0xfffull, HARNESS_CODE, 12, HARNESS_PTE(3, 3));
    harness_asm(h, HARNESS_CODE + 0x560, "break.m 1");
    harness_psr(h, PSR_IC | PSR_DB, 0);
    harness_goto(h, MISSING & ~15ull, 0);
    ck_assert_int_eq(harness_run(h), VEC_DEBUG);
    ck_assert_uint_eq(c->cr[CR_ISR], ISR_X);
    ck_assert_uint_eq(c->cr[CR_IFA], MISSING & ~15ull);
    harness_psr(h, PSR_IC | PSR_DB | PSR_ID, 0);
    harness_goto(h, MISSING & ~15ull, 0);
    ck_assert_int_eq(harness_run(h), VEC_BREAK);
}
END_TEST

/* --- traps (5.5.3, 8.3) --- */

#define TB 4u
#define LP 2u
#define SS 8u

static const struct {
    const char *text;
    uint64_t psr;
    int vector; /* HARNESS_END: none */
    unsigned code, ei;
    int iip, ri; /* of the next instruction */
} traps[] = {
    {"{ .mmi\n nop.m 0\n nop.m 0\n nop.i 0 }", PSR_SS, VEC_SINGLE_STEP, SS, 0, 0, 1},
    {"{ .mlx\n movl r3=5 }", PSR_SS, VEC_SINGLE_STEP, SS, 0, 0, 1},
    {"{ .mib\n nop.m 0\n nop.i 0\n br 1f }\n{ .mmi\n nop.m 0 }\n1: { .mmi\n nop.m 0 }", PSR_TB,
     VEC_TAKEN_BRANCH, TB, 2, 2, 0},
    {"{ .bbb\n br 1f\n nop.b 0\n nop.b 0 }\n{ .mmi\n nop.m 0 }\n1: { .mmi\n nop.m 0 }",
     PSR_TB | PSR_SS, VEC_TAKEN_BRANCH, TB | SS, 0, 2, 0},
    {"{ .bbb\n (p1) br 1f\n nop.b 0\n nop.b 0 }\n{ .mmi\n nop.m 0 }\n1: { .mmi\n nop.m 0 }",
     PSR_TB | PSR_SS, VEC_SINGLE_STEP, SS, 0, 0, 1},
    /* slot 2 falling into the next bundle is no branch */
    {"{ .mmi\n nop.m 0\n nop.m 0\n nop.i 0 }\n{ .mmi\n nop.m 0\n nop.m 0\n nop.i 0 }", PSR_TB,
     HARNESS_END, 0, 0, 0, 0},
    {"{ .mlx\n movl r3=5 }\n{ .mib\n nop.m 0\n nop.i 0\n (p1) br 1f }\n1: nop.m 0", PSR_TB,
     HARNESS_END, 0, 0, 0, 0},
    {"{ .mib\n nop.m 0\n nop.i 0\n br.call.sptk b1=1f }\n1: { .mmi\n nop.m 0 }", PSR_TB,
     VEC_TAKEN_BRANCH, TB, 2, 1, 0},
    {"{ .mlx\n nop.m 0\n brl 1f }\n1: { .mmi\n nop.m 0 }", PSR_TB, VEC_TAKEN_BRANCH, TB, 1, 1, 0},
    {"{ .mmi\n nop.m 0\n chk.s r8,1f\n nop.i 0 }\n{ .mmi\n nop.m 0 }\n1: { .mmi\n nop.m 0 }",
     PSR_TB, VEC_TAKEN_BRANCH, TB, 1, 2, 0},
    {"{ .mmi\n nop.m 0\n nop.m 0\n chk.s r3,1f }\n{ .mmi\n nop.m 0 }\n1: { .mmi\n nop.m 0 }",
     PSR_TB, HARNESS_END, 0, 0, 0, 0},
    {"{ .mmi\n nop.m 0\n chk.a.nc r3,1f\n nop.i 0 }\n{ .mmi\n nop.m 0 }\n1: { .mmi\n nop.m 0 }",
     PSR_TB, VEC_TAKEN_BRANCH, TB, 1, 2, 0},
    {"{ .mfb\n nop.m 0\n nop.f 0\n br.ret.sptk b6 }", PSR_TB, VEC_TAKEN_BRANCH, TB, 2, 8, 0},
    {"{ .mfb\n nop.m 0\n nop.f 0\n br.sptk b6 }", PSR_TB, VEC_TAKEN_BRANCH, TB, 2, 8, 0},
    {"{ .mfb\n nop.m 0\n nop.f 0\n br.ctop.sptk 1f }\n{ .mmi\n nop.m 0 }\n1: { .mmi\n nop.m 0 }",
     PSR_TB, HARNESS_END, 0, 0, 0, 0}, /* ar.lc and ar.ec are 0 */
    {"{ .mfb\n nop.m 0\n nop.f 0\n br.cexit.sptk 1f }\n{ .mmi\n nop.m 0 }\n1: { .mmi\n nop.m 0 }",
     PSR_TB, VEC_TAKEN_BRANCH, TB, 2, 2, 0},
};

START_TEST(trap)
{
    start(CPU_MONTECITO, _i & 1);
    unsigned k = (unsigned)_i >> 1;
    int got;

    cpu_set_gr_nat(c, 8, true);
    c->br[6] = BUNDLE(8);
    harness_asm(h, BUNDLE(8), "nop.m 0");
    harness_psr(h, traps[k].psr, 0);
    got = harness_exec(h, traps[k].text);
    ck_assert_int_eq(got, traps[k].vector);
    if (got == HARNESS_END)
        return;
    delivered(got, traps[k].vector, BUNDLE(traps[k].iip), (unsigned)traps[k].ri, traps[k].ei);
    ck_assert_uint_eq(c->cr[CR_ISR] & 0xffff, traps[k].code);
    ck_assert_uint_eq(c->cr[CR_IIPA], BUNDLE(0));
}
END_TEST

/* A demoting return: its three traps together, alone, and none without PSR.lp (8.3, 3:br). */
START_TEST(lower_privilege_transfer)
{
    static const struct {
        uint64_t psr;
        int vector;
        unsigned code;
    } cases[] = {
        {PSR_LP, VEC_LOWER_PRIV, LP},
        {PSR_LP | PSR_TB, VEC_LOWER_PRIV, LP | TB},
        {PSR_LP | PSR_TB | PSR_SS, VEC_LOWER_PRIV, LP | TB | SS},
        {PSR_TB, VEC_TAKEN_BRANCH, TB},
        {PSR_TB | PSR_SS, VEC_TAKEN_BRANCH, TB | SS},
        {PSR_SS, VEC_SINGLE_STEP, SS},
        {0, HARNESS_END, 0},
    };

    start(CPU_MONTECITO, _i & 1);
    unsigned k = (unsigned)_i >> 1;
    int got;

    harness_virtual(h, 3, 3);
    c->br[6] = BUNDLE(8);
    harness_asm(h, BUNDLE(8), "nop.m 0");
    c->pfs = 3ull << 62;
    harness_psr(h, cases[k].psr, 0);
    got = harness_exec(h, "{ .bbb\n br.ret.sptk b6\n nop.b 0\n nop.b 0 }");
    ck_assert_int_eq(got, cases[k].vector);
    if (got == HARNESS_END) {
        ck_assert_uint_eq(cpu_cpl(c), 3);
        return;
    }
    delivered(got, cases[k].vector, BUNDLE(8), 0, 0);
    ck_assert_uint_eq(c->cr[CR_ISR] & 0xffff, cases[k].code);
    ck_assert_uint_eq(c->cr[CR_IPSR] >> PSR_CPL_SHIFT & 3, 3);
    ck_assert_uint_eq(c->cr[CR_IIPA], BUNDLE(0));
    ck_assert_uint_eq(cpu_cpl(c), 0);
}
END_TEST

/* A return without demotion never raises the lower-privilege trap, nor does rfi (8.3, notes). */
START_TEST(no_lower_privilege_transfer)
{
    start(CPU_MONTECITO, _i);
    harness_virtual(h, 3, 3);
    c->br[6] = BUNDLE(8);
    harness_asm(h, BUNDLE(8), "nop.m 0");
    harness_psr(h, PSR_LP, 0);
    ck_assert_int_eq(harness_exec(h, "{ .mfb\n nop.m 0\n nop.f 0\n br.ret.sptk b6 }"), HARNESS_END);
    c->cr[CR_IPSR] = (c->psr & ~PSR_RI) | 3ull << PSR_CPL_SHIFT;
    c->cr[CR_IIP] = BUNDLE(8);
    harness_psr(h, PSR_LP | PSR_TB, PSR_IC);
    ck_assert_int_eq(harness_exec(h, "{ .mfb\n nop.m 0\n nop.f 0\n rfi ;; }"), HARNESS_END);
    ck_assert_uint_eq(cpu_cpl(c), 3);
}
END_TEST

/* Single steps through a program by rfi, as a debugger makes them: every slot stops once. */
START_TEST(stepping_by_rfi)
{
    static const unsigned expect[][2] = {{0, 1}, {0, 2}, {1, 0}, {1, 1}, {2, 0}, {4, 0}, {4, 1}};

    start(CPU_MONTECITO, _i);
    harness_asm(h, BUNDLE(0),
                "{ .mmi\n add r3=1,r0\n add r3=1,r3\n add r3=1,r3 }\n"
                "{ .mlx\n add r3=1,r3\n movl r4=5 }\n"
                "{ .bbb\n br 1f\n nop.b 0\n nop.b 0 }\n{ .mmi\n break.m 9 }\n"
                "1: { .mmi\n add r3=1,r3\n add r3=1,r3\n nop.i 0 }");
    harness_asm(h, BUNDLE(32), "{ .mfb\n nop.m 0\n nop.f 0\n rfi ;; }");
    c->cr[CR_IIP] = BUNDLE(0);
    c->cr[CR_IPSR] = PSR_IC | PSR_BN | PSR_SS;
    for (unsigned k = 0; k < sizeof expect / sizeof *expect; k++) {
        harness_psr(h, 0, PSR_IC);
        harness_goto(h, BUNDLE(32), 0);
        ck_assert_int_eq(harness_run(h), VEC_SINGLE_STEP);
        ck_assert_uint_eq(c->cr[CR_IIP], BUNDLE(expect[k][0]));
        ck_assert_uint_eq(harness_ipsr_ri(h), expect[k][1]);
        ck_assert_uint_eq(c->cr[CR_ISR] & 0xffff, SS);
        ck_assert(c->cr[CR_IPSR] & PSR_SS);
    }
    ck_assert_uint_eq(cpu_gr(c, 3), 5);
}
END_TEST

/* 5.5.3: a fault has no single-step trap; the instruction was not completed. */
START_TEST(fault_without_trap)
{
    start(CPU_MONTECITO, _i);
    harness_psr(h, PSR_SS | PSR_TB, 0);
    delivered(harness_exec(h, "{ .mmi\n break.m 1 }"), VEC_BREAK, BUNDLE(0), 0, 0);
}
END_TEST

/* 8.3, table 8-3: a floating-point trap carries the single-step bit of the same instruction. */
START_TEST(fp_trap_with_single_step)
{
    start(CPU_MONTECITO, _i & 1);
    c->fpsr &= ~0x20ull; /* inexact trap enabled */
    harness_psr(h, _i & 2 ? PSR_SS : 0, 0);
    cpu_set_fr(c, 8, (struct fpreg){0xc000000000000001ull, FP_EXP_BIAS, 0});
    int got = harness_exec(h, "{ .mfi\n nop.m 0\n fma.s.s0 f9=f8,f8,f0\n nop.i 0 }");

    if (_i & 2) { /* slot 0 traps first */
        ck_assert_int_eq(got, VEC_SINGLE_STEP);
        harness_psr(h, PSR_IC | PSR_SS, 0);
        harness_goto(h, BUNDLE(0), 1);
        got = harness_run(h);
    }
    delivered(got, VEC_FP_TRAP, BUNDLE(0), 2, 1);
    ck_assert_uint_eq(c->cr[CR_ISR] & 0xf, 1u | (_i & 2 ? SS : 0));
    ck_assert(c->cr[CR_ISR] & 0xf000);
    ck_assert_uint_eq(c->cr[CR_IIPA], BUNDLE(0));
}
END_TEST

/* 6.6, 8.3: a trap of a return comes before the loads of the frame it returned to, with ISR.ir. */
START_TEST(trap_before_frame)
{
    start(CPU_MONTECITO, _i);
    harness_psr(h, PSR_SS, 0);
    c->br[6] = BUNDLE(8);
    c->pfs = 8 | 8 << 7; /* sof 8, sol 8, nothing dirty */
    delivered(harness_exec(h, "{ .bbb\n br.ret.sptk b6\n nop.b 0\n nop.b 0 }"), VEC_SINGLE_STEP,
              BUNDLE(8), 0, 0);
    ck_assert_uint_eq(c->cr[CR_ISR], ISR_IR | SS);
}
END_TEST

/* --- rfi --- */

/* 3:rfi: IPSR.is on a processor without the IA-32 instruction set. */
START_TEST(rfi_to_ia32)
{
    start(CPU_MONTECITO, _i);
    c->cr[CR_IPSR] = PSR_IC | PSR_IS;
    c->cr[CR_IIP] = BUNDLE(8);
    harness_psr(h, 0, PSR_IC);
    ck_assert_int_eq(harness_exec(h, "{ .mfb\n nop.m 0\n nop.f 0\n rfi ;; }"), VEC_GENEX);
    ck_assert_uint_eq(c->cr[CR_ISR], GENEX_ISA | ISR_NI | 2ull << ISR_EI_SHIFT);
}
END_TEST

/* 3:cover, 3:rfi: the frame saved by cover comes back; cover writes IFS only with PSR.ic 0. */
START_TEST(cover_and_return)
{
    start(CPU_MONTECITO, _i);
    c->cr[CR_IFS] = 0x77;
    harness_cfm(h, 8 | 4 << 7);
    ck_assert_int_eq(harness_exec(h, "{ .mfb\n nop.m 0\n nop.f 0\n cover ;; }"), HARNESS_END);
    ck_assert_uint_eq(c->cr[CR_IFS], 0x77);
    ck_assert_uint_eq(cpu_cfm(c), 0);
    harness_cfm(h, 9 | 4 << 7 | 1 << 14 | 3 << 18);
    harness_psr(h, 0, PSR_IC);
    harness_asm(h, BUNDLE(8), "nop.m 0");
    c->cr[CR_IIP] = BUNDLE(8);
    c->cr[CR_IPSR] = PSR_IC | PSR_BN;
    ck_assert_int_eq(harness_exec(h, "{ .mfb\n mov r32=7\n nop.f 0\n cover ;; }\n"
                                     "{ .mfb\n nop.m 0\n nop.f 0\n rfi ;; }"),
                     HARNESS_END);
    ck_assert_uint_eq(c->cr[CR_IFS], 1ull << 63 | 9 | 4 << 7 | 1 << 14 | 3 << 18);
    ck_assert_uint_eq(cpu_cfm(c), 9 | 4 << 7 | 1 << 14 | 3 << 18);
    ck_assert_uint_eq(cpu_gr(c, 32), 7);
}
END_TEST

/* 3.3.2: PSR.ri of an interruption of each slot leads back to that slot. */
START_TEST(every_slot)
{
    static const char *const text[] = {
        "{ .mmi\n break.m 1\n nop.m 0\n nop.i 0 }",
        "{ .mmi\n nop.m 0\n break.m 1\n nop.i 0 }",
        "{ .mmi\n nop.m 0\n nop.m 0\n break.i 1 }",
    };

    start(CPU_MONTECITO, _i & 1);
    unsigned slot = (unsigned)_i >> 1;

    delivered(harness_exec(h, text[slot]), VEC_BREAK, BUNDLE(0), slot, slot);
}
END_TEST

/* --- models --- */

static const struct {
    const char *text;
    enum cpu_model first;
} newer[] = {
    {"ld16 r4,ar.csd=[r3]", CPU_MONTECITO},
    {"st16 [r3]=r4,ar.csd", CPU_MONTECITO},
    {"cmp8xchg16.acq r4=[r3],r5,ar.csd,ar.ccv", CPU_MONTECITO},
    {"clz r4=r3", CPU_POULSON},
    {"mpy4 r4=r3,r3", CPU_POULSON},
    {"mpyshl4 r4=r3,r3", CPU_POULSON},
    {"mov r4=dahr[r5]", CPU_POULSON},
    {"mov r4=ar.ruc", CPU_POULSON},
    {"tf.z p6,p7=33", CPU_MADISON},
    {"lfetch.count.d4 [r3],4,64", CPU_MADISON},
    {"mov dahr3=5", CPU_MADISON}, /* a hint before */
};

START_TEST(model)
{
    unsigned k = (unsigned)_i / 3;
    enum cpu_model m = (enum cpu_model)(_i % 3);
    int got;

    start(m, 0);
    cpu_set_gr(c, 3, HARNESS_DATA);
    got = harness_exec(h, newer[k].text);
    if (m >= newer[k].first) {
        ck_assert_int_eq(got, HARNESS_END);
    } else {
        ck_assert_int_eq(got, VEC_GENEX);
        ck_assert_uint_eq(c->cr[CR_ISR] & 0xff, GENEX_ILLEGAL);
    }
}
END_TEST

/* An instruction the processor does not have is skipped when its predicate is false. */
START_TEST(model_predicated)
{
    start(CPU_MADISON, _i);
    ck_assert_int_eq(harness_exec(h, "(p1) clz r4=r3"), HARNESS_END);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

static TCase *add_case(Suite *s, const char *name)
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, NULL, teardown);
    suite_add_tcase(s, t);
    return t;
}

static void add_delivery(Suite *s)
{
    TCase *t = add_case(s, "delivery");

    tcase_add_loop_test(t, break_fault, 0, 2);
    tcase_add_loop_test(t, iipa, 0, COUNT(iipa_cases));
    tcase_add_loop_test(t, iipa_next_page, 0, 2);
    tcase_add_loop_test(t, rfi_keeps_iipa, 0, 6);
    tcase_add_loop_test(t, psr_after_delivery, 0, 4);
    tcase_add_loop_test(t, collection_off, 0, 2);
    tcase_add_loop_test(t, nested_tlb, 0, 2);
    tcase_add_loop_test(t, data_fault_registers, 0, COUNT(data_faults));
    tcase_add_loop_test(t, fetch_fault_registers, 0, 2);
    tcase_add_loop_test(t, fetch_fault_by_branch, 0, 2);
    tcase_add_loop_test(t, unimplemented_instruction_address, 0, 2);
    tcase_add_test(t, bundle_registers);
    tcase_add_loop_test(t, every_slot, 0, 6);
}

static void add_priority(Suite *s)
{
    TCase *t = add_case(s, "priority");

    tcase_add_loop_test(t, priority, 0, COUNT(priorities));
    tcase_add_loop_test(t, priority_of_classes, 0, 2);
}

static void add_traps(Suite *s)
{
    TCase *t = add_case(s, "traps");

    tcase_add_loop_test(t, trap, 0, 2 * COUNT(traps));
    tcase_add_loop_test(t, lower_privilege_transfer, 0, 14);
    tcase_add_loop_test(t, no_lower_privilege_transfer, 0, 2);
    tcase_add_loop_test(t, stepping_by_rfi, 0, 2);
    tcase_add_loop_test(t, fault_without_trap, 0, 2);
    tcase_add_loop_test(t, fp_trap_with_single_step, 0, 4);
    tcase_add_loop_test(t, trap_before_frame, 0, 2);
    tcase_add_loop_test(t, rfi_to_ia32, 0, 2);
    tcase_add_loop_test(t, cover_and_return, 0, 2);
}

static void add_models(Suite *s)
{
    TCase *t = add_case(s, "models");

    tcase_add_loop_test(t, model, 0, 3 * COUNT(newer));
    tcase_add_loop_test(t, model_predicated, 0, 2);
}

int main(void)
{
    Suite *s = suite_create("interruptions");
    SRunner *r;
    int failed;

    add_delivery(s);
    add_priority(s);
    add_traps(s);
    add_models(s);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
