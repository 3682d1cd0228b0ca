/* Hand-made cases of the floating-point library: formats, special operands, rounding, overflow and
 * underflow responses, fault and trap codes. Random finite operands are fp_reference's business. */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include "fp.h"

#define ONE_EXP 0xffffu

/* The settings software starts with: everything masked, sf0 and sf1 64 bits to nearest, sf1 with
 * wre and traps disabled (SDM 1:5.2). */
#define FPSR_DEFAULT 0x9804c0270033full

static struct fpreg reg(unsigned sign, uint32_t exp, uint64_t sig)
{
    return (struct fpreg){sig, exp | (sign ? FP_SIGN : 0), 0};
}

static const struct fpreg one = {FP_INT_BIT, ONE_EXP, 0};
static const struct fpreg zero = {0, 0, 0};
static const struct fpreg inf = {FP_INT_BIT, FP_EXP_SPEC, 0};
static const struct fpreg qnan = {0xc000000000000123ull, FP_EXP_SPEC, 0};
static const struct fpreg snan = {0x8000000000000456ull, FP_EXP_SPEC | FP_SIGN, 0};
static const struct fpreg indefinite = {0xc000000000000000ull, FP_EXP_SPEC | FP_SIGN, 0};
static const struct fpreg pseudo_inf = {0, FP_EXP_SPEC, 0};
static const struct fpreg pseudo_zero = {0, ONE_EXP, 0};
static const struct fpreg nat = {0, FP_EXP_NAT, 0};

/* FPSR with the given trap disables and sf0 controls. */
static uint64_t fpsr0(unsigned masked, unsigned rc, unsigned pc, unsigned wre, unsigned ftz)
{
    return masked | (uint64_t)(ftz | wre << 1 | pc << 2 | rc << 4) << 6;
}

static void is_reg(struct fpreg got, struct fpreg want)
{
    ck_assert_msg(got.sig == want.sig && got.exp == want.exp && got.pad == 0,
                  "got %05x.%016" PRIx64 ", want %05x.%016" PRIx64, got.exp, got.sig, want.exp,
                  want.sig);
}

static void is_out(struct fpout o, struct fpreg r, unsigned flags, unsigned trap)
{
    ck_assert_uint_eq(o.fault, 0);
    is_reg(o.r, r);
    ck_assert_uint_eq(o.flags, flags);
    ck_assert_uint_eq(o.trap, trap);
}

static struct fpout fma_of(struct fpreg a, struct fpreg b, struct fpreg c, uint64_t fpsr)
{
    return fp_fma(&a, &b, &c, 0, FP_PC_DYN, fpsr, 0);
}

static struct fpout norm(struct fpreg a, enum fp_pc pc, uint64_t fpsr)
{
    return fp_fma(&a, &one, NULL, 0, pc, fpsr, 0);
}

START_TEST(memory_formats)
{
    static const struct {
        uint32_t m;
        uint32_t exp;
        uint64_t sig;
    } single[] = {
        {0x00000000, 0, 0},
        {0x80000000, FP_SIGN, 0},
        {0x3f800000, ONE_EXP, FP_INT_BIT},
        {0x00000001, 0xff81, 1ull << 40},
        {0x807fffff, 0xff81 | FP_SIGN, 0x7fffffull << 40},
        {0x00800000, 0xff81, FP_INT_BIT},
        {0x7f7fffff, 0x1007e, 0xffffff0000000000ull},
        {0x7f800000, FP_EXP_SPEC, FP_INT_BIT},
        {0xff800001, FP_EXP_SPEC | FP_SIGN, FP_INT_BIT | 1ull << 40},
    };
    for (size_t i = 0; i < sizeof single / sizeof *single; i++) {
        struct fpreg f = fp_from_single(single[i].m);
        is_reg(f, (struct fpreg){single[i].sig, single[i].exp, 0});
        ck_assert_uint_eq(fp_to_single(&f), single[i].m);
    }
    static const uint64_t dbl[] = {0,
                                   1ull << 63,
                                   0x3ff0000000000000ull,
                                   1,
                                   0x800fffffffffffffull,
                                   0x0010000000000000ull,
                                   0x7fefffffffffffffull,
                                   0x7ff0000000000000ull,
                                   0xfff0000000000001ull};
    for (size_t i = 0; i < sizeof dbl / sizeof *dbl; i++) {
        struct fpreg f = fp_from_double(dbl[i]);
        ck_assert_uint_eq(fp_to_double(&f), dbl[i]);
    }
    is_reg(fp_from_double(1), reg(0, 0xfc01, 1ull << 11));

    struct fpreg e = fp_from_ext(FP_INT_BIT | 5, 0xbfff);
    is_reg(e, reg(1, ONE_EXP, FP_INT_BIT | 5));
    ck_assert_uint_eq(fp_to_ext_se(&e), 0xbfff);
    is_reg(fp_from_ext(7, 0), reg(0, 0, 7));
    is_reg(fp_from_ext(FP_INT_BIT, 0x7fff), inf);
    ck_assert_uint_eq(fp_to_ext_se(&inf), 0x7fff);
    is_reg(fp_from_fill(3, 0xfffffffffffdffffull), reg(0, FP_EXP_SPEC, 3));
    ck_assert_uint_eq(fp_to_spill_hi(&snan), 0x3ffff);
    is_reg(fp_from_exp(0x12345678abcdefull), reg(1, 0x1cdef, FP_INT_BIT));
}
END_TEST

START_TEST(special_operands)
{
    const uint64_t all = fpsr0(0x3f, 0, 3, 0, 0), none = fpsr0(0, 0, 3, 0, 0);
    struct fpreg quiet = {snan.sig | 1ull << 62, snan.exp, 0};

    is_out(fma_of(nat, snan, pseudo_inf, none), nat, 0, 0);
    is_out(fma_of(one, pseudo_inf, qnan, all), indefinite, FPF_V, 0);
    ck_assert_uint_eq(fma_of(one, pseudo_inf, qnan, none).fault, FPX_V);
    /* f4 before f2 before f3 */
    is_out(fma_of(qnan, snan, one, all), quiet, FPF_V, 0);
    is_out(fma_of(snan, one, qnan, all), qnan, FPF_V, 0);
    is_out(fma_of(qnan, one, snan, all), quiet, FPF_V, 0);
    is_out(fma_of(qnan, one, one, none), qnan, 0, 0);
    ck_assert_uint_eq(fma_of(snan, one, one, none).fault, FPX_V);

    is_out(fma_of(inf, zero, one, all), indefinite, FPF_V, 0);
    is_out(fma_of(inf, reg(1, ONE_EXP, FP_INT_BIT), inf, all), indefinite, FPF_V, 0);
    is_out(fma_of(inf, one, inf, none), inf, 0, 0);
    is_out(fma_of(inf, pseudo_zero, one, all), inf, FPF_D, 0);
    ck_assert_uint_eq(fma_of(inf, pseudo_zero, one, none).fault, FPX_D);
    is_out(fma_of(one, one, reg(1, FP_EXP_SPEC, FP_INT_BIT), none), reg(1, FP_EXP_SPEC, FP_INT_BIT),
           0, 0);
}
END_TEST

START_TEST(signs_of_zero)
{
    struct fpreg minus = reg(1, ONE_EXP, FP_INT_BIT), mzero = reg(1, 0, 0);
    const uint64_t rn = fpsr0(0x3f, 0, 3, 0, 0), rm = fpsr0(0x3f, 1, 3, 0, 0);

    is_out(fma_of(one, minus, one, rn), zero, 0, 0);
    is_out(fma_of(one, minus, one, rm), mzero, 0, 0);
    is_out(fma_of(minus, zero, zero, rn), zero, 0, 0);
    is_out(fma_of(minus, zero, zero, rm), mzero, 0, 0);
    is_out(fma_of(minus, zero, mzero, rn), mzero, 0, 0);
    /* f0 as addend: the product's sign stays (IEEE multiply) */
    is_out(norm(mzero, FP_PC_DYN, rn), mzero, 0, 0);
    is_out(fp_fma(&one, &zero, NULL, FP_NEG_PROD, FP_PC_DYN, rn, 0), mzero, 0, 0);
    is_out(fma_of(one, pseudo_zero, zero, rn), zero, FPF_D, 0);
}
END_TEST

START_TEST(rounding)
{
    /* 1 + 1.5 ulp of single: tie between odd and even; below and above it */
    const uint64_t tie = FP_INT_BIT | 3ull << 39;
    const uint64_t even = FP_INT_BIT | 4ull << 39, odd = FP_INT_BIT | 2ull << 39;
    const uint64_t want[4][3] = {
        {odd, even, even}, {odd, odd, odd}, {even, even, even}, {odd, odd, odd}};
    for (unsigned rc = 0; rc < 4; rc++) {
        for (unsigned k = 0; k < 3; k++) {
            struct fpreg f = reg(0, ONE_EXP, tie + k - 1);
            is_out(norm(f, FP_PC_S, fpsr0(0x3f, rc, 3, 0, 0)), reg(0, ONE_EXP, want[rc][k]), FPF_I,
                   0);
            struct fpout o = norm(f, FP_PC_S, fpsr0(0x1f, rc, 3, 0, 0));
            bool up = want[rc][k] == even;
            ck_assert_uint_eq(o.trap, FPX_TRAP | FPX_I | (up ? FPX_FPA : 0));
        }
    }
    is_out(norm(reg(0, ONE_EXP, ~0ull), FP_PC_D, FPSR_DEFAULT), reg(0, ONE_EXP + 1, FP_INT_BIT),
           FPF_I, 0);
    is_out(norm(reg(0, ONE_EXP, ~0ull), FP_PC_DYN, FPSR_DEFAULT), reg(0, ONE_EXP, ~0ull), 0, 0);
    /* the fast path: the host's fma is used when I is flagged already */
    for (unsigned k = 0; k < 640; k++) {
        uint64_t r = (uint64_t)rand() << 40 | (uint64_t)rand() << 11;
        uint64_t sticky = fpsr_add_flags(FPSR_DEFAULT, 0, FPF_I);
        struct fpreg a = reg(k & 1, ONE_EXP + k % 7, (FP_INT_BIT | r) & ~0x7ffull);
        struct fpreg b = reg(k & 2, ONE_EXP - k % 5, (FP_INT_BIT | r << 9) & ~0x7ffull);
        struct fpout x = fp_fma(&a, &b, &one, k % 3, FP_PC_D, FPSR_DEFAULT, 0);
        struct fpfast y = fp_fma_fast[FP_PC_D](&a, &b, &one, sticky, FP_HOW(k % 3, 0));
        struct fpfast z = fp_fma_fast[FP_PC_D](&a, &b, &one, FPSR_DEFAULT, FP_HOW(k % 3, 0));
        ck_assert(y.rest != FP_FAST_NONE);
        is_reg((struct fpreg){y.sig, (uint32_t)y.rest, 0}, x.r);
        is_reg((struct fpreg){z.sig, (uint32_t)z.rest, 0}, x.r);
        ck_assert_uint_eq(z.rest >> FP_FAST_FLAGS_SHIFT, x.flags);
    }
}
END_TEST

START_TEST(overflow)
{
    struct fpreg big = reg(0, 0x103fe, ~0ull), mbig = reg(1, 0x103fe, ~0ull);
    struct fpreg max = reg(0, 0x103fe, 0xfffffffffffff800ull);
    struct fpreg mmax = reg(1, 0x103fe, 0xfffffffffffff800ull);
    struct fpreg minf = reg(1, FP_EXP_SPEC, FP_INT_BIT);
    const struct fpreg plus[4] = {inf, max, inf, max}, minus[4] = {minf, minf, mmax, mmax};
    for (unsigned rc = 0; rc < 4; rc++) {
        bool rounds_up = rc == 0 || rc == 2;
        unsigned flags = rounds_up ? FPF_O | FPF_I : FPF_I;
        is_out(norm(big, FP_PC_D, fpsr0(0x3f, rc, 3, 0, 0)), plus[rc], flags, 0);
        flags = rc == 0 || rc == 1 ? FPF_O | FPF_I : FPF_I;
        is_out(norm(mbig, FP_PC_D, fpsr0(0x3f, rc, 3, 0, 0)), minus[rc], flags, 0);
    }
    is_out(norm(reg(0, 0x103ff, FP_INT_BIT), FP_PC_D, fpsr0(0x3f, 3, 3, 0, 0)), max, FPF_O | FPF_I,
           0);
    is_out(norm(big, FP_PC_D, fpsr0(0x1f, 0, 3, 0, 0)), inf, FPF_O | FPF_I,
           FPX_TRAP | FPX_I | FPX_FPA);
    is_out(norm(big, FP_PC_D, fpsr0(0x37, 0, 3, 0, 0)), reg(0, 0x103ff, FP_INT_BIT), FPF_O | FPF_I,
           FPX_TRAP | FPX_O | FPX_I | FPX_FPA);
    is_out(norm(big, FP_PC_D, fpsr0(0x37, 0, 3, 1, 0)), reg(0, 0x103ff, FP_INT_BIT), FPF_I, 0);
    /* the 17-bit exponent wraps */
    struct fpreg huge = reg(0, 0x1fffe, FP_INT_BIT);
    is_out(fma_of(huge, huge, zero, fpsr0(0x37, 0, 3, 1, 0)), reg(0, 0xfffd, FP_INT_BIT), FPF_O,
           FPX_TRAP | FPX_O);
}
END_TEST

START_TEST(underflow)
{
    struct fpreg small = reg(0, 0xfc00, FP_INT_BIT); /* half of the smallest normal double */
    struct fpreg inexact = reg(1, 0xfc00, FP_INT_BIT | 0x800);
    const uint64_t all = fpsr0(0x3f, 0, 3, 0, 0);

    is_out(norm(small, FP_PC_D, all), reg(0, 0xfc01, 1ull << 62), 0, 0);
    is_out(norm(inexact, FP_PC_D, all), reg(1, 0xfc01, 1ull << 62), FPF_U | FPF_I, 0);
    is_out(norm(small, FP_PC_D, fpsr0(0x3f, 0, 3, 0, 1)), zero, FPF_U | FPF_I, 0);
    is_out(norm(small, FP_PC_D, fpsr0(0x1f, 0, 3, 0, 1)), zero, FPF_U | FPF_I, FPX_TRAP | FPX_I);
    is_out(norm(small, FP_PC_D, fpsr0(0x2f, 0, 3, 0, 1)), small, FPF_U, FPX_TRAP | FPX_U);
    is_out(norm(small, FP_PC_D, fpsr0(0x3f, 0, 3, 1, 0)), small, 0, 0);
    /* tininess is detected after rounding */
    struct fpreg edge = reg(0, 0xfc00, ~0ull);
    is_out(norm(edge, FP_PC_D, all), reg(0, 0xfc01, FP_INT_BIT), FPF_I, 0);
    is_out(norm(edge, FP_PC_D, fpsr0(0x3f, 3, 3, 0, 0)), reg(0, 0xfc01, 0x7ffffffffffff800ull),
           FPF_U | FPF_I, 0);
    /* far below: rounds to zero or to the smallest denormal */
    struct fpreg tiny = reg(0, 0x100, FP_INT_BIT);
    is_out(norm(tiny, FP_PC_D, all), zero, FPF_U | FPF_I, 0);
    is_out(norm(tiny, FP_PC_D, fpsr0(0x1f, 2, 3, 0, 0)), reg(0, 0xfc01, 1ull << 11), FPF_U | FPF_I,
           FPX_TRAP | FPX_I | FPX_FPA);
    /* double-extended denormals have exponent field 0 */
    is_out(norm(reg(0, 0xc000, FP_INT_BIT), FP_PC_DYN, all), reg(0, 0, 1ull << 62), 0, 0);
    is_out(norm(reg(0, 0, 1ull << 62), FP_PC_DYN, all), reg(0, 0, 1ull << 62), FPF_D, 0);
    is_out(norm(reg(0, 0, FP_INT_BIT), FP_PC_DYN, all), reg(0, 0xc001, FP_INT_BIT), FPF_D, 0);
}
END_TEST

START_TEST(denormal_operands_and_td)
{
    struct fpreg unnormal = reg(0, ONE_EXP + 1, FP_INT_BIT >> 1);
    ck_assert_uint_eq(norm(unnormal, FP_PC_DYN, fpsr0(0x3d, 0, 3, 0, 0)).fault, FPX_D);
    is_out(norm(unnormal, FP_PC_DYN, fpsr0(0x3f, 0, 3, 0, 0)), one, FPF_D, 0);
    /* td disables the traps of sf1..sf3, not of sf0 where the bit is reserved */
    uint64_t td = (uint64_t)(3 << 2 | FPSR_SF_TD) << FPSR_SF_SHIFT(2);
    is_out(fp_fma(&unnormal, &one, NULL, 0, FP_PC_DYN, td, 2), one, FPF_D, 0);
    ck_assert_uint_eq(fp_fma(&unnormal, &one, NULL, 0, FP_PC_DYN, td >> 26, 0).fault, FPX_D);
}
END_TEST

static unsigned cmp_of(struct fpreg a, struct fpreg b, enum fp_rel rel)
{
    struct fpout o = fp_cmp(&a, &b, rel, FPSR_DEFAULT, 0);
    return (unsigned)o.p1 | (unsigned)o.p2 << 1 | (unsigned)o.flags << 4;
}

START_TEST(compares)
{
    struct fpreg minus = reg(1, ONE_EXP, FP_INT_BIT), mzero = reg(1, 0, 0);
    struct fpreg mpz = reg(1, FP_EXP_NAT, 0); /* negative: a pseudo-zero, not NaTVal */

    ck_assert_uint_eq(cmp_of(zero, mzero, FP_EQ), 1);
    ck_assert_uint_eq(cmp_of(mzero, zero, FP_LT), 2);
    ck_assert_uint_eq(cmp_of(zero, pseudo_zero, FP_EQ), 1 | FPF_D << 4);
    ck_assert_uint_eq(cmp_of(mpz, zero, FP_LE), 1 | FPF_D << 4);
    ck_assert_uint_eq(cmp_of(mpz, one, FP_LT), 1 | FPF_D << 4);
    ck_assert_uint_eq(cmp_of(minus, pseudo_zero, FP_LT), 1 | FPF_D << 4);
    ck_assert_uint_eq(cmp_of(one, inf, FP_LT), 1);
    ck_assert_uint_eq(cmp_of(inf, inf, FP_LE), 1);
    ck_assert_uint_eq(cmp_of(inf, minus, FP_LE), 2);
    ck_assert_uint_eq(cmp_of(one, reg(0, ONE_EXP + 1, FP_INT_BIT >> 1), FP_EQ), 1 | FPF_D << 4);
    ck_assert_uint_eq(cmp_of(qnan, one, FP_EQ), 2);
    ck_assert_uint_eq(cmp_of(qnan, one, FP_UNORD), 1);
    ck_assert_uint_eq(cmp_of(qnan, one, FP_LT), 2 | FPF_V << 4);
    ck_assert_uint_eq(cmp_of(one, snan, FP_UNORD), 1 | FPF_V << 4);
    ck_assert_uint_eq(cmp_of(pseudo_inf, one, FP_EQ), 2 | FPF_V << 4);
    ck_assert_uint_eq(cmp_of(nat, snan, FP_LT), 0);
}
END_TEST

START_TEST(classes)
{
    const struct {
        struct fpreg f;
        unsigned in;
    } cases[] = {
        {zero, FPC_ZERO | FPC_POS},         {one, FPC_NORM | FPC_POS},
        {reg(1, 0, 1), FPC_UNRM | FPC_NEG}, {reg(0, 0, FP_INT_BIT), FPC_UNRM | FPC_POS},
        {pseudo_zero, FPC_UNRM | FPC_POS},  {reg(1, FP_EXP_SPEC, FP_INT_BIT), FPC_INF | FPC_NEG},
    };
    const unsigned kinds[] = {FPC_ZERO, FPC_UNRM, FPC_NORM, FPC_INF};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned k = 0; k < 4; k++) {
            for (unsigned sign = 0; sign < 4; sign++) {
                bool want = (cases[i].in & kinds[k]) && (cases[i].in & sign);
                ck_assert_int_eq(fp_class(&cases[i].f, kinds[k] | sign), want);
            }
        }
    }
    ck_assert(fp_class(&qnan, FPC_QNAN));
    ck_assert(fp_class(&snan, FPC_SNAN));
    ck_assert(fp_class(&nat, FPC_NAT));
    ck_assert(!fp_class(&pseudo_inf, 0x1ff));
}
END_TEST

START_TEST(minimum_maximum)
{
    struct fpreg m2 = reg(1, ONE_EXP + 1, FP_INT_BIT), mzero = reg(1, 0, 0);
    is_out(fp_select_minmax(&one, &m2, FP_MIN, FPSR_DEFAULT, 0), m2, 0, 0);
    is_out(fp_select_minmax(&one, &m2, FP_MAX, FPSR_DEFAULT, 0), one, 0, 0);
    is_out(fp_select_minmax(&one, &m2, FP_AMAX, FPSR_DEFAULT, 0), m2, 0, 0);
    is_out(fp_select_minmax(&one, &m2, FP_AMIN, FPSR_DEFAULT, 0), one, 0, 0);
    is_out(fp_select_minmax(&mzero, &zero, FP_MIN, FPSR_DEFAULT, 0), zero, 0, 0);
    is_out(fp_select_minmax(&qnan, &one, FP_MAX, FPSR_DEFAULT, 0), one, FPF_V, 0);
    is_out(fp_select_minmax(&one, &snan, FP_MAX, FPSR_DEFAULT, 0), snan, FPF_V, 0);
    is_out(fp_select_minmax(&one, &nat, FP_AMIN, FPSR_DEFAULT, 0), nat, 0, 0);
}
END_TEST

static struct fpreg fx(struct fpreg f, unsigned how)
{
    return fp_cvt_fx(&f, how, FPSR_DEFAULT, 0).r;
}

START_TEST(integer_conversions)
{
    struct fpreg two63 = reg(0, FP_EXP_INT, FP_INT_BIT), half = reg(1, ONE_EXP - 1, FP_INT_BIT);
    is_reg(fx(reg(1, FP_EXP_INT, FP_INT_BIT), 0), fp_from_sig(FP_INT_BIT));
    ck_assert_uint_eq(fp_cvt_fx(&two63, 0, FPSR_DEFAULT, 0).flags, FPF_V);
    is_out(fp_cvt_fx(&two63, FP_CVT_UNSIGNED, FPSR_DEFAULT, 0), fp_from_sig(FP_INT_BIT), 0, 0);
    is_out(fp_cvt_fx(&half, FP_CVT_UNSIGNED, FPSR_DEFAULT, 0), fp_from_sig(0), FPF_I, 0);
    is_out(fp_cvt_fx(&half, 0, fpsr0(0x1f, 1, 3, 0, 0), 0), fp_from_sig(~0ull), FPF_I,
           FPX_TRAP | FPX_I | FPX_FPA);
    is_out(fp_cvt_fx(&qnan, 0, FPSR_DEFAULT, 0), fp_from_sig(FP_INT_BIT), FPF_V, 0);
    ck_assert_uint_eq(fp_cvt_fx(&inf, 0, fpsr0(0, 0, 3, 0, 0), 0).fault, FPX_V);
    is_out(fp_cvt_fx(&nat, 0, FPSR_DEFAULT, 0), nat, 0, 0);

    struct fpreg i = fp_from_sig((uint64_t)-5);
    is_reg(fp_cvt_xf(&i), reg(1, ONE_EXP + 2, 5ull << 61));
    i = fp_from_sig(FP_INT_BIT);
    is_reg(fp_cvt_xf(&i), reg(1, FP_EXP_INT, FP_INT_BIT));
    is_reg(fp_cvt_xf(&zero), zero);
}
END_TEST

/* frcpa and frsqrta are good to 2^-8.886 and 2^-8.831 (SDM 3:2). */
START_TEST(approximations)
{
    for (unsigned k = 0; k < 4096; k++) {
        struct fpreg d = reg(k & 1, ONE_EXP + k % 5, FP_INT_BIT | (uint64_t)k << 51);
        struct fpout o = fp_rcpa(&one, &d, FPSR_DEFAULT, 0);
        ck_assert(o.p2);
        struct fpreg minus_one = reg(1, ONE_EXP, FP_INT_BIT);
        struct fpout e = fma_of(o.r, d, minus_one, FPSR_DEFAULT);
        ck_assert_uint_lt(e.r.exp & FP_EXP_MASK, ONE_EXP - 8);
        if (k & 1) {
            continue;
        }
        o = fp_rsqrta(&d, FPSR_DEFAULT, 0);
        struct fpout sq = fma_of(o.r, o.r, zero, FPSR_DEFAULT);
        e = fma_of(sq.r, d, minus_one, FPSR_DEFAULT);
        ck_assert_uint_lt(e.r.exp & FP_EXP_MASK, ONE_EXP - 7);
    }
    struct fpreg mzero = reg(1, 0, 0), minus = reg(1, ONE_EXP, FP_INT_BIT);
    is_out(fp_rcpa(&one, &mzero, FPSR_DEFAULT, 0), reg(1, FP_EXP_SPEC, FP_INT_BIT), FPF_Z, 0);
    ck_assert_uint_eq(fp_rcpa(&one, &zero, fpsr0(0, 0, 3, 0, 0), 0).fault, FPX_Z);
    is_out(fp_rcpa(&zero, &zero, FPSR_DEFAULT, 0), indefinite, FPF_V, 0);
    is_out(fp_rcpa(&one, &inf, FPSR_DEFAULT, 0), zero, 0, 0);
    is_out(fp_rsqrta(&minus, FPSR_DEFAULT, 0), indefinite, FPF_V, 0);
    is_out(fp_rsqrta(&mzero, FPSR_DEFAULT, 0), mzero, 0, 0);
    is_out(fp_rsqrta(&inf, FPSR_DEFAULT, 0), inf, 0, 0);
}
END_TEST

/* The limits of SDM 3:2 frcpa beyond which software computes the quotient. */
START_TEST(software_assistance)
{
    const struct {
        uint32_t num, den;
        bool swa;
    } cases[] = {
        {0x10000, 1, true},       {ONE_EXP, 1, false},
        {0x17000, 0x1fffc, true}, {ONE_EXP, 0x1fffb, false},
        {64, 65, true},           {65, 66, false},
        {0x1fffe, ONE_EXP, true}, {0x1fffd, ONE_EXP, false},
        {0x4001, 0x13ffd, false}, {0x4001, 0x13ffe, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fpreg n = reg(0, cases[i].num, FP_INT_BIT), d = reg(0, cases[i].den, FP_INT_BIT);
        struct fpout o = fp_rcpa(&n, &d, FPSR_DEFAULT, 1);
        ck_assert_msg(o.fault == (cases[i].swa ? FPX_SWA : 0), "case %zu", i);
    }
    struct fpreg low = reg(0, 64, FP_INT_BIT), more = reg(0, 65, FP_INT_BIT);
    ck_assert_uint_eq(fp_rsqrta(&low, FPSR_DEFAULT, 1).fault, FPX_SWA);
    ck_assert_uint_eq(fp_rsqrta(&more, FPSR_DEFAULT, 1).fault, 0);
    is_out(fp_sqrt(&low, FPSR_DEFAULT, 1), reg(0, 0x801f, 0xb504f333f9de6484ull), FPF_I, 0);

    struct fpreg ten = reg(0, ONE_EXP + 3, 0xa000000000000000ull);
    is_out(fp_div(&one, &ten, FPSR_DEFAULT, 0), reg(0, ONE_EXP - 4, 0xcccccccccccccccdull), FPF_I,
           0);
}
END_TEST

START_TEST(parallel)
{
    struct fpreg a = fp_from_sig(0x7f7fffff3f800000ull); /* max, 1 */
    struct fpreg b = fp_from_sig(0x4000000000800000ull); /* 2, smallest normal */
    struct fpreg h = fp_from_sig(0x3f8000003f000001ull); /* 1, a bit over 1/2 */

    is_out(fp_pma(&a, &b, NULL, 0, FPSR_DEFAULT, 0), fp_from_sig(0x7f80000000800000ull),
           FPF_O | FPF_I, 0);
    /* overflow enabled: 8-bit exponent wraps; codes of high and low halves */
    is_out(fp_pma(&a, &b, NULL, 0, fpsr0(0x37, 0, 3, 0, 0), 0), fp_from_sig(0x7fffffff00800000ull),
           FPF_O, FPX_TRAP | FPX_O);
    is_out(fp_pma(&b, &h, NULL, 0, fpsr0(0x1f, 0, 3, 0, 0), 0), fp_from_sig(0x4000000000400000ull),
           FPF_U | FPF_I, FPX_TRAP | FPX_I >> 4);
    struct fpreg bad = fp_from_sig(0x7f80000100000001ull); /* SNaN, denormal */
    ck_assert_uint_eq(fp_pma(&bad, &a, NULL, 0, fpsr0(0, 0, 3, 0, 0), 0).fault, FPX_V | FPX_D << 4);
    is_out(fp_pcmp(&a, &b, FP_LT, FPSR_DEFAULT, 0), fp_from_sig(0), 0, 0);
    is_out(fp_pcmp(&a, &b, FP_LT | FP_CMP_NOT, FPSR_DEFAULT, 0), fp_from_sig(~0ull), 0, 0);
    is_out(fp_pminmax(&a, &b, FP_MIN, FPSR_DEFAULT, 0), b, 0, 0);
    is_out(fp_pcvt_fx(&a, 0, FPSR_DEFAULT, 0), fp_from_sig(0x8000000000000001ull), FPF_V, 0);
    struct fpreg m1 = fp_from_sig(0xbf80000040400000ull); /* -1, 3 */
    is_out(fp_pcvt_fx(&m1, 0, FPSR_DEFAULT, 0), fp_from_sig(0xffffffff00000003ull), 0, 0);
    is_out(fp_pma(&nat, &a, NULL, 0, FPSR_DEFAULT, 0), nat, 0, 0);
    struct fpout o = fp_prcpa(&m1, &m1, FPSR_DEFAULT, 0);
    ck_assert(o.p2);
    ck_assert_uint_eq(o.r.sig >> 32, 0xbf7f8000);
    struct fpreg halves = fp_from_sig(0x3f0000003f800000ull); /* 1/2, 1 */
    ck_assert(fp_prcpa(&a, &b, FPSR_DEFAULT, 0).p2);
    ck_assert(!fp_prcpa(&a, &halves, FPSR_DEFAULT, 0).p2);
    is_out(fp_prsqrta(&zero, FPSR_DEFAULT, 0), fp_from_sig(0x7f8000007f800000ull), 0, 0);
}
END_TEST

START_TEST(bit_operations)
{
    struct fpreg a = reg(1, 0x12345, 0x1122334455667788ull);
    struct fpreg b = reg(0, 0x00abc, 0x99aabbccddeeff00ull);
    is_reg(fp_merge(&a, &b, FP_MERGE_S), reg(1, 0x00abc, b.sig));
    is_reg(fp_merge(&a, &b, FP_MERGE_NS), reg(0, 0x00abc, b.sig));
    is_reg(fp_merge(&a, &b, FP_MERGE_SE), reg(1, 0x12345, b.sig));
    is_reg(fp_merge(&a, &nat, FP_MERGE_SE), nat);
    static const struct {
        enum fp_logic op;
        uint64_t sig;
    } cases[] = {
        {FP_AND, 0x1122334455667700ull},      {FP_ANDCM, 0x0000000000000088ull},
        {FP_MIX_L, 0x1122334499aabbccull},    {FP_MIX_R, 0x55667788ddeeff00ull},
        {FP_MIX_LR, 0x11223344ddeeff00ull},   {FP_SXT_L, 0x0000000099aabbccull},
        {FP_SXT_R, 0x00000000ddeeff00ull},    {FP_SWAP, 0xddeeff0011223344ull},
        {FP_SWAP_NL, 0x5deeff0011223344ull},  {FP_SWAP_NR, 0xddeeff0091223344ull},
        {FP_PMERGE_S, 0x19aabbcc5deeff00ull}, {FP_PMERGE_NS, 0x99aabbccddeeff00ull},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        is_reg(fp_logic(&a, &b, cases[i].op), fp_from_sig(cases[i].sig));
    }
    is_reg(fp_bitselect(&a, &b, &a), fp_from_sig(a.sig | b.sig));
    is_reg(fp_xma(&a, &nat, &b, FP_XMA_L), nat);
    struct fpreg m1 = fp_from_sig(~0ull);
    is_reg(fp_xma(&m1, &m1, &m1, FP_XMA_H), fp_from_sig(1));
    is_reg(fp_xma(&m1, &m1, &m1, FP_XMA_HU), fp_from_sig(~0ull));
    is_reg(fp_xma(&m1, &m1, &m1, FP_XMA_L), fp_from_sig(0));
}
END_TEST

START_TEST(status_fields)
{
    uint64_t f = fp_setc(FPSR_DEFAULT, 1, 0x7f, 0x40);
    ck_assert_uint_eq(f >> FPSR_SF_SHIFT(1) & FPSR_SF_CONTROLS, 0x4c);
    ck_assert_uint_eq(fp_setc(FPSR_DEFAULT, 0, 0x7f, 0x40), FPSR_RESERVED);
    ck_assert_uint_eq(fp_setc(FPSR_DEFAULT, 2, 0x77, 0x00), FPSR_RESERVED);
    f = fpsr_add_flags(FPSR_DEFAULT, 3, FPF_I);
    ck_assert(fp_chkf(f, 3));
    ck_assert(!fp_chkf(fpsr_add_flags(f, 0, FPF_I), 3));
    ck_assert(fp_chkf(fpsr_add_flags(f, 0, FPF_I) & ~(uint64_t)FPF_I, 3));
    ck_assert_uint_eq(fp_clrf(f, 3), FPSR_DEFAULT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fp");
    TCase *t = tcase_create("fp");
    tcase_add_test(t, memory_formats);
    tcase_add_test(t, special_operands);
    tcase_add_test(t, signs_of_zero);
    tcase_add_test(t, rounding);
    tcase_add_test(t, overflow);
    tcase_add_test(t, underflow);
    tcase_add_test(t, denormal_operands_and_td);
    tcase_add_test(t, compares);
    tcase_add_test(t, classes);
    tcase_add_test(t, minimum_maximum);
    tcase_add_test(t, integer_conversions);
    tcase_add_test(t, approximations);
    tcase_add_test(t, software_assistance);
    tcase_add_test(t, parallel);
    tcase_add_test(t, bit_operations);
    tcase_add_test(t, status_fields);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
