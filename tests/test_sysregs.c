/* System registers: existence, reserved fields, order of checks; PSR instructions; insertions and
 * purges; hint registers. Sections are of SDM 2 where no volume is given. */
#include <check.h>
#include <stdlib.h>
#include "../cpu/interp.h"
#include "cpu_harness.h"

#define BUNDLE(n) (HARNESS_CODE + 16 * (uint64_t)(n))
#define OK        HARNESS_END

static struct harness *h;
static struct cpu *c;

static void start(enum cpu_model model)
{
    h = harness_new(model);
    c = h->c;
}

static void setup(void)
{
    start(CPU_MONTECITO);
}

static void teardown(void)
{
    harness_free(h);
    h = NULL;
}

static void genex(int got, unsigned code)
{
    ck_assert_int_eq(got, VEC_GENEX);
    ck_assert_uint_eq(c->cr[CR_ISR] & 0xff, code);
}

/* --- control registers (3.3.3, 3.3.4, 3.3.5, 5.8.3; 3:mov cr) --- */

/* All 128 numbers, at the encodings of mov cr (M32, M33): exists, read-only, interruption register.
 */
static bool exists(unsigned n, enum cpu_model m)
{
    if (n == CR_IIB0 || n == CR_IIB1)
        return m == CPU_POULSON;
    return n <= 2 || n == 8 || n == 16 || n == 17 || (n >= 19 && n <= 25) || (n >= 64 && n <= 74) ||
           n == 80 || n == 81;
}

static bool read_only(unsigned n)
{
    return n == CR_IVR || (n >= CR_IRR0 && n <= CR_IRR0 + 3);
}

#define MII 0u /* template; nop.i is 1 << 27 */
#define NOP (1ull << 27)

static int mov_cr(unsigned n, bool to)
{
    uint64_t op = 1ull << 37 | (to ? 0x2cull : 0x24ull) << 27 | (uint64_t)n << 20;

    op |= to ? 6ull << 13 : 6ull << 6; /* r6 */
    harness_bundle(h, BUNDLE(0), MII, op, NOP, NOP);
    harness_bundle(h, BUNDLE(1), 0x17, 0, 2ull << 37, 2ull << 37);
    harness_goto(h, BUNDLE(0), 0);
    return harness_run(h);
}

START_TEST(cr_numbers)
{
    enum cpu_model m = _i & 1 ? CPU_POULSON : CPU_MONTECITO;
    bool ic = _i & 2;

    for (unsigned n = 0; n < 128; n++) {
        bool there = exists(n, m) && !(ic && n >= CR_IPSR && n <= CR_IIB1);

        for (int to = 0; to < 2; to++) {
            start(m);
            harness_psr(h, ic ? PSR_IC : 0, ic ? 0 : PSR_IC);
            cpu_set_gr(c, 6, n == CR_PTA ? 15 << 2 : n == CR_IVA ? HARNESS_IVA : 0);
            if (there && !(to && read_only(n))) {
                ck_assert_int_eq(mov_cr(n, to), OK);
                harness_cpl(h, 1);
                genex(mov_cr(n, to), GENEX_PRIV_OP);
            } else {
                genex(mov_cr(n, to), GENEX_ILLEGAL);
                harness_psr(h, ic ? PSR_IC : 0, 0);
                harness_cpl(h, 1);
                genex(mov_cr(n, to), GENEX_ILLEGAL);
            }
            teardown();
        }
    }
}
END_TEST

/* Each bit alone: reserved ones fault, ignored ones read as 0, the others are kept. */
static const struct {
    unsigned n;
    uint64_t base; /* a valid value the bit is added to */
    uint64_t kept, reserved;
} cr_bits[] = {
    {CR_DCR, 0, 0x7f07, ~0x7f07ull},
    {CR_ITM, 0, ~0ull, 0},
    {CR_IVA, 0, ~0x7fffull, 0},
    {CR_IIP, 0, ~0ull, 0},
    {CR_IFA, 0, ~0ull, 0},
    {CR_IPSR, 0, 0x7fff0ffee03eull, ~0x7fff0ffee03eull},
    {CR_ISR, 0, 0xfff00ffffffull, 0xfffff000ff000000ull},
    {CR_IIPA, 0, ~0ull, 0},
    {CR_IFS, 0, 0x8000003fffffffffull, 0x7fffffc000000000ull},
    {CR_IIM, 0, ~0ull, 0},
    {CR_IHA, 0, ~3ull, 0},
    {CR_LID, 0, 0xffff0000, 0xffff},
    {CR_TPR, 0, 0x100f0, 0xff00},
    {CR_ITV, 0, 0x100ff, 0xef00},
    {CR_PMV, 0, 0x100ff, 0xef00},
    {CR_CMCV, 0, 0x100ff, 0xef00},
    {CR_LRR0, 0, 0x1a2ff, 0x4800},
    {CR_LRR1, 0, 0x1a2ff, 0x4800},
    {CR_PTA, 15 << 2, 0xffffffffffff8101ull, 0x7e02},
};

START_TEST(cr_fields)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t b = 1ull << bit;

        if ((cr_bits[_i].n == CR_PTA && bit >= 2 && bit <= 7) ||
            ((cr_bits[_i].n & ~1u) == CR_LRR0 && bit >= 8 && bit <= 10))
            continue; /* values with rules of their own */
        harness_psr(h, 0, PSR_IC | PSR_BN);
        cpu_set_gr(c, 6, cr_bits[_i].base | b);
        if (b & cr_bits[_i].reserved) {
            genex(mov_cr(cr_bits[_i].n, true), GENEX_RESERVED);
            continue;
        }
        ck_assert_int_eq(mov_cr(cr_bits[_i].n, true), OK);
        ck_assert_int_eq(mov_cr(cr_bits[_i].n, false), OK);
        ck_assert_uint_eq(cpu_gr(c, 6), cr_bits[_i].base | (b & cr_bits[_i].kept));
    }
}
END_TEST

/* Values of fields: PTA.size 15..61 (3.3.4.4), LRR.dm 0 2 4 5 7 (5.8.3.8). */
START_TEST(cr_values)
{
    for (unsigned size = 0; size < 64; size++) {
        harness_psr(h, PSR_BN, 0);
        cpu_set_gr(c, 6, size << 2);
        if (size >= 15 && size <= 61)
            ck_assert_int_eq(mov_cr(CR_PTA, true), OK);
        else
            genex(mov_cr(CR_PTA, true), GENEX_RESERVED);
    }
    for (unsigned dm = 0; dm < 8; dm++) {
        harness_psr(h, PSR_BN, 0);
        cpu_set_gr(c, 6, dm << 8 | 0x30);
        if (0xb5 >> dm & 1)
            ck_assert_int_eq(mov_cr(CR_LRR0, true), OK);
        else
            genex(mov_cr(CR_LRR0, true), GENEX_RESERVED);
    }
}
END_TEST

/* --- indirect files (3:mov indirect) --- */

static const struct {
    const char *text;
    uint64_t index, value; /* r3, r2 */
    unsigned cpl;
    int code; /* General Exception code, or OK */
} indirect[] = {
    {"mov rr[r3]=r2", 0, 12 << 2, 0, OK},
    {"mov rr[r3]=r2", 0, 12 << 2, 1, GENEX_PRIV_OP},
    {"mov rr[r3]=r2", 7ull << 61, 0xffffff00ull | 12 << 2 | 1, 0, OK},
    {"mov rr[r3]=r2", 0, 12 << 2 | 2, 0, GENEX_RESERVED},
    {"mov rr[r3]=r2", 0, 12 << 2 | 1ull << 32, 0, GENEX_RESERVED},
    {"mov rr[r3]=r2", 0, 13 << 2 | 1, 0, OK},
    {"mov rr[r3]=r2", 0, 15 << 2, 0, GENEX_RESERVED}, /* 32 KB pages do not exist */
    {"mov rr[r3]=r2", 0, 11 << 2, 0, GENEX_RESERVED},
    {"mov pkr[r3]=r2", 15, 0xffffff0f, 0, OK},
    {"mov pkr[r3]=r2", 16, 0, 0, GENEX_RESERVED},
    {"mov pkr[r3]=r2", 0x100, 0, 0, OK}, /* only bits 7:0 index */
    {"mov pkr[r3]=r2", 0, 0x10, 0, GENEX_RESERVED},
    {"mov pkr[r3]=r2", 0, 1ull << 32, 0, GENEX_RESERVED},
    {"mov pkr[r3]=r2", 0, 0, 2, GENEX_PRIV_OP},
    {"mov dbr[r3]=r2", 7, ~0ull, 0, OK},
    {"mov dbr[r3]=r2", 8, 0, 0, GENEX_RESERVED}, /* four pairs (PAL_DEBUG_INFO) */
    {"mov ibr[r3]=r2", 7, ~0ull, 0, OK},
    {"mov ibr[r3]=r2", 8, 0, 0, GENEX_RESERVED},
    {"mov r4=ibr[r3]", 8, 0, 0, GENEX_RESERVED},
    {"mov r4=dbr[r3]", 7, 0, 0, OK},
    {"mov r4=dbr[r3]", 7, 0, 3, GENEX_PRIV_OP},
    {"mov pmc[r3]=r2", 250, ~0ull, 0, OK}, /* never fault */
    {"mov pmd[r3]=r2", 250, ~0ull, 0, OK},
    {"mov pmd[r3]=r2", 4, 0, 3, GENEX_PRIV_OP},
    {"mov r4=pmc[r3]", 4, 0, 3, GENEX_PRIV_OP},
    {"mov r4=pmd[r3]", 4, 0, 3, OK},
    {"mov r4=cpuid[r3]", 4, 0, 3, OK},
    {"mov r4=cpuid[r3]", 5, 0, 3, GENEX_RESERVED},
    {"mov r4=cpuid[r3]", 0x104, 0, 3, OK},
    {"mov msr[r3]=r2", 1, 1, 0, OK},
    {"mov msr[r3]=r2", 1, 1, 3, GENEX_PRIV_OP},
    {"mov r4=msr[r3]", 1, 1, 0, OK},
    {"ptc.l r3,r2", 0, 12 << 2, 0, OK},
    {"ptc.l r3,r2", 0, 11 << 2, 0, GENEX_RESERVED},
    {"ptc.g r3,r2", 0, 12 << 2, 1, GENEX_PRIV_OP},
    {"ptr.d r3,r2", 0, 15 << 2, 0, GENEX_RESERVED},
    {"ptr.i r3,r2", 0, 24 << 2, 0, OK},
    {"ptc.e r3", 0, 0, 1, GENEX_PRIV_OP},
};

START_TEST(indirect_file)
{
    int got;

    cpu_set_gr(c, 2, indirect[_i].value);
    cpu_set_gr(c, 3, indirect[_i].index);
    harness_cpl(h, indirect[_i].cpl);
    got = harness_exec(h, indirect[_i].text);
    if (indirect[_i].code == OK)
        ck_assert_int_eq(got, OK);
    else
        genex(got, (unsigned)indirect[_i].code);
}
END_TEST

/* 4.1.3: a valid key is in one register at most. */
START_TEST(unique_keys)
{
    cpu_set_gr(c, 2, 5 << 8 | 1);
    cpu_set_gr(c, 3, 1);
    cpu_set_gr(c, 4, 9);
    ck_assert_int_eq(harness_exec(h, "mov pkr[r3]=r2 ;; mov pkr[r4]=r2 ;; mov r5=pkr[r3] ;;\n"
                                     "mov r6=pkr[r4]"),
                     OK);
    ck_assert_uint_eq(cpu_gr(c, 5), 5 << 8);
    ck_assert_uint_eq(cpu_gr(c, 6), 5 << 8 | 1);
}
END_TEST

/* --- insertions (4.1.1; 3:itc, itr) --- */

#define VA 0x2000000000010000ull

static int insert(const char *text, uint64_t pte, uint64_t itir, uint64_t ifa, uint64_t slot)
{
    harness_psr(h, 0, PSR_IC);
    c->tr.rr[1] = 5 << 8 | 12 << 2;
    c->cr[CR_ITIR] = itir;
    c->cr[CR_IFA] = ifa;
    cpu_set_gr(c, 2, pte);
    cpu_set_gr(c, 3, slot);
    return harness_exec(h, text);
}

START_TEST(insertion_checks)
{
    uint64_t pte = HARNESS_PTE(3, 3) | HARNESS_DATA;

    ck_assert_int_eq(insert("itc.d r2", pte, 12 << 2, VA, 0), OK);
    ck_assert_int_eq(insert("itr.d dtr[r3]=r2", pte, 16 << 2, VA, 63), OK);
    genex(insert("itr.d dtr[r3]=r2", pte, 12 << 2, VA, 64), GENEX_RESERVED);
    genex(insert("itc.d r2", pte, 15 << 2, VA, 0), GENEX_RESERVED);
    genex(insert("itc.d r2", pte | 2, 12 << 2, VA, 0), GENEX_RESERVED);          /* rv */
    genex(insert("itc.d r2", pte | 1ull << 50, 12 << 2, VA, 0), GENEX_RESERVED); /* rv */
    genex(insert("itc.d r2", (pte & ~0x1cull) | 1 << 2, 12 << 2, VA, 0), GENEX_RESERVED);
    genex(insert("itc.d r2", pte, 12 << 2 | 1, VA, 0), GENEX_RESERVED);
    genex(insert("itc.d r2", pte, 12 << 2 | 1ull << 32, VA, 0), GENEX_RESERVED);
    harness_cpl(h, 1);
    genex(insert("itc.d r2", pte, 12 << 2, VA, 0), GENEX_PRIV_OP);
    harness_psr(h, PSR_IC, 0);
    genex(harness_exec(h, "itc.i r2"), GENEX_ILLEGAL);
}
END_TEST

static void on_machine_check(void *opaque, struct cpu *cpu)
{
    struct harness *hh = opaque;

    hh->mca_code = cpu->ip;
    cpu->stop = true;
}

/* 4.1.1.2: overlapping a translation register is a Machine Check; unhandled, the register stays. */
START_TEST(overlap)
{
    uint64_t pte = HARNESS_PTE(3, 3) | HARNESS_DATA;
    struct cpu_hooks hooks = c->hooks;

    ck_assert_int_eq(insert("itr.d dtr[r3]=r2", pte, 16 << 2, VA, 5), OK);
    ck_assert_int_eq(insert("itc.d r2", pte + 0x1000, 12 << 2, VA + 0x3000, 0), OK);
    harness_psr(h, PSR_DT | PSR_IC, 0);
    cpu_set_gr(c, 3, VA + 0x3008);
    ck_assert_int_eq(harness_exec(h, "tpa r4=r3"), OK);
    ck_assert_uint_eq(cpu_gr(c, 4), HARNESS_DATA + 0x3008);
    hooks.machine_check = on_machine_check;
    cpu_set_hooks(c, &hooks);
    harness_psr(h, 0, PSR_DT);
    (void)insert("itc.d r2", pte + 0x1000, 12 << 2, VA + 0x3000, 0);
    ck_assert_uint_eq(h->mca_code, BUNDLE(0));
}
END_TEST

/* --- PSR (3.3.2; 3:ssm, rsm, sum, rum, mov psr) --- */

START_TEST(psr_bits)
{
    static const struct {
        const char *text;
        uint64_t valid;
        unsigned bits;
    } form[] = {
        {"mov psr.l=r6", 0xffee03eull, 32},
        {"mov psr.um=r6", 0x3e, 8},
    };

    for (unsigned bit = 0; bit < form[_i].bits; bit++) {
        uint64_t b = 1ull << bit, keep = PSR_IC | PSR_BN;

        if (b & (PSR_DB | PSR_TB | PSR_DT | PSR_RT | PSR_I))
            continue; /* tested elsewhere; they would change how this code runs */
        harness_psr(h, keep, 0);
        cpu_set_gr(c, 6, b | PSR_IC);
        if (_i == 1)
            cpu_set_gr(c, 6, b);
        if (!(b & form[_i].valid)) {
            genex(harness_exec(h, form[_i].text), GENEX_RESERVED);
            harness_psr(h, keep, 0);
            continue;
        }
        ck_assert_int_eq(harness_exec(h, form[_i].text), OK);
        ck_assert_uint_eq(c->psr & b, b);
        harness_psr(h, keep, b & ~keep);
    }
}
END_TEST

/* mov r=psr shows bits 31:0, mc and it, nothing else; at cpl 0 only. */
START_TEST(psr_read)
{
    harness_virtual(h, 3, 3);
    harness_psr(h, PSR_MC | PSR_SP | PSR_AC, 0);
    ck_assert_int_eq(harness_exec(h, "mov r3=psr ;; mov r4=psr.um"), OK);
    ck_assert_uint_eq(cpu_gr(c, 3), PSR_MC | PSR_SP | PSR_AC | PSR_IT | PSR_DT | PSR_RT | PSR_IC);
    ck_assert_uint_eq(cpu_gr(c, 4), PSR_AC);
    harness_cpl(h, 3);
    ck_assert_int_eq(harness_exec(h, "mov r4=psr.um"), OK);
    genex(harness_exec(h, "mov r3=psr"), GENEX_PRIV_OP);
}
END_TEST

/* 3.3.7; 3:bsw: banks of r16..r31. */
START_TEST(banks)
{
    ck_assert_int_eq(harness_exec(h, "{ .mib\n mov r16=1\n mov r31=2\n bsw.0 ;; }\n"
                                     "{ .mib\n mov r16=3\n mov r15=4\n bsw.1 ;; }\n"
                                     "{ .mii\n mov r5=r16\n mov r6=r31 }"),
                     OK);
    ck_assert_uint_eq(cpu_gr(c, 5), 1);
    ck_assert_uint_eq(cpu_gr(c, 6), 2);
    ck_assert_int_eq(
        harness_exec(h, "{ .mfb\n nop.m 0\n nop.f 0\n bsw.0 ;; }\n{ .mmi\n mov r5=r16 }"), OK);
    ck_assert_uint_eq(cpu_gr(c, 5), 3);
    ck_assert(!(c->psr & PSR_BN));
}
END_TEST

/* 3:epc: promotes to the level of the page (access rights 7), never below PFS.ppl's owner. */
START_TEST(epc)
{
    harness_virtual(h, 7, 1); /* promotes to level 1 */
    harness_cpl(h, 3);
    c->pfs = 3ull << 62;
    ck_assert_int_eq(harness_exec(h, "{ .mfb\n nop.m 0\n nop.f 0\n epc ;; }"), OK);
    ck_assert_uint_eq(cpu_cpl(c), 1);
    harness_cpl(h, 3);
    c->pfs = 2ull << 62;
    genex(harness_exec(h, "{ .mfb\n nop.m 0\n nop.f 0\n epc ;; }"), GENEX_ILLEGAL);
}
END_TEST

/* --- application registers (1:3.1.8) --- */

START_TEST(ruc)
{
    teardown();
    start(CPU_POULSON);
    genex(harness_exec(h, "mov ar.ruc=r3"), GENEX_ILLEGAL); /* read-only */
    harness_psr(h, PSR_IC | PSR_SI, 0);
    harness_cpl(h, 3);
    genex(harness_exec(h, "mov r3=ar.ruc"), GENEX_PRIV_REG);
    harness_psr(h, PSR_IC, PSR_SI);
    harness_cpl(h, 3);
    ck_assert_int_eq(harness_exec(h, "mov r3=ar.ruc ;; mov r4=ar.ruc"), OK);
    ck_assert_uint_gt(cpu_gr(c, 4), cpu_gr(c, 3));
}
END_TEST

/* --- data access hints (SDM rev 2.3, Poulson) --- */

START_TEST(hints)
{
    teardown();
    start(CPU_POULSON);
    cpu_set_gr(c, 3, 3);
    cpu_set_gr(c, 5, 7);
    ck_assert_int_eq(harness_exec(h, "mov dahr3=0x1234 ;; mov dahr7=0xffff ;; mov r4=dahr[r3] ;;\n"
                                     "mov r6=dahr[r5]"),
                     OK);
    ck_assert_uint_eq(cpu_gr(c, 4), 0x1234);
    ck_assert_uint_eq(cpu_gr(c, 6), 0xffff);
    /* a call starts with defaults, the return brings the caller's back */
    ck_assert_int_eq(harness_exec(h, "{ .mib\n nop.m 0\n nop.i 0\n br.call.sptk b1=1f ;; }\n"
                                     "{ .mib\n mov r7=dahr[r3]\n nop.i 0\n br 2f ;; }\n"
                                     "1: { .mmi\n mov r4=dahr[r3]\n nop.m 0\n nop.i 0 ;; }\n"
                                     "{ .mib\n mov dahr3=9\n nop.i 0\n br.ret.sptk b1 ;; }\n"
                                     "2: { .mmi\n nop.m 0 }"),
                     OK);
    ck_assert_uint_eq(cpu_gr(c, 4), 0);
    ck_assert_uint_eq(cpu_gr(c, 7), 0x1234);
    cpu_set_gr(c, 3, 8);
    genex(harness_exec(h, "mov r4=dahr[r3]"), GENEX_RESERVED);
    cpu_set_gr_nat(c, 3, true);
    harness_psr(h, PSR_IC | PSR_BN, 0);
    ck_assert_int_eq(harness_exec(h, "mov r4=dahr[r3]"), VEC_NAT);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

static Suite *suite(void)
{
    Suite *s = suite_create("sysregs");
    TCase *t = tcase_create("numbers");

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, cr_numbers, 0, 4);
    suite_add_tcase(s, t);
    t = tcase_create("fields");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, cr_fields, 0, COUNT(cr_bits));
    tcase_add_test(t, cr_values);
    tcase_add_loop_test(t, indirect_file, 0, COUNT(indirect));
    tcase_add_test(t, unique_keys);
    tcase_add_test(t, insertion_checks);
    tcase_add_test(t, overlap);
    tcase_add_loop_test(t, psr_bits, 0, 2);
    tcase_add_test(t, psr_read);
    tcase_add_test(t, banks);
    tcase_add_test(t, epc);
    tcase_add_test(t, ruc);
    tcase_add_test(t, hints);
    suite_add_tcase(s, t);
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
