/* Second oracle of the floating-point library: MPFR and GMP against cpu/fp.h on random operands.
 *
 *   fp_reference [cases [seed]]
 *
 * Covers finite operands (zeros, normals, unnormals) over the whole 17-bit exponent range with all
 * rounding modes, precisions, wre, ftz and trap settings: multiply-add in its three forms, quotient
 * and root, compares, conversions to integers, xma. NaNs and infinities are the golden vectors'
 * business. Prints the first differences; exit status 1 if there is any.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mpfr.h>
#include "fp.h"

static uint64_t random_state;

static uint64_t rnd(void)
{
    random_state += 0x9e3779b97f4a7c15ull; /* SplitMix64 */
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static unsigned pick(unsigned n)
{
    return (unsigned)(rnd() % n);
}

/* --- the machine state of one case --- */

struct setting {
    uint64_t fpsr;
    unsigned sf;
    unsigned mask, rc, pc;
    bool wre, ftz;
};

static struct setting random_setting(void)
{
    static const unsigned precision[3] = {0, 2, 3};
    struct setting s = {.sf = pick(4), .rc = pick(4), .pc = precision[pick(3)]};
    bool td = s.sf != 0 && pick(4) == 0;
    unsigned disabled = pick(3) == 0 ? pick(64) : 0x3f;
    s.wre = pick(4) == 0;
    s.ftz = pick(4) == 0;
    uint64_t controls = s.ftz | s.wre << 1 | s.pc << 2 | s.rc << 4 | td << 6;
    uint64_t flags = pick(2) ? rnd() & 0x3f : 0;
    s.fpsr = disabled | (controls | flags << 7) << (6 + 13 * s.sf);
    s.mask = td ? 0x3f : disabled;
    return s;
}

/* --- operands --- */

static uint64_t random_sig(void)
{
    uint64_t r = rnd();
    switch (pick(8)) {
    case 0:
        return FP_INT_BIT;
    case 1:
        return ~0ull << pick(63);
    case 2:
        return FP_INT_BIT | 1ull << pick(63);
    case 3:
        return FP_INT_BIT | (r & ~0ull << 40);
    case 4:
        return FP_INT_BIT | (r & ~0ull << 11);
    case 5:
        return FP_INT_BIT | (r & r >> 7 & r >> 13);
    case 6:
        return ~(rnd() >> pick(63)) | FP_INT_BIT;
    default:
        return FP_INT_BIT | r;
    }
}

static uint32_t random_exp(void)
{
    static const uint32_t corner[] = {1,       64,      0xc001,  0xfc01,  0xff81,
                                      0x1007e, 0x103fe, 0x13ffe, 0x1fffe, 0x1003e};
    uint32_t e;
    switch (pick(5)) {
    case 0:
        e = 0xffff + pick(40) - 20;
        break;
    case 1:
        e = corner[pick(10)] + pick(140) - 70;
        break;
    case 2:
        e = (uint32_t)rnd() & 0x1ffff;
        break;
    case 3: /* products of two land near the ends of the formats */
        e = 0xffff + (corner[pick(9)] - 0xffff) / 2 + pick(64) - 32;
        break;
    default:
        e = 0xffff + pick(300) - 150;
    }
    e &= FP_EXP_MASK;
    return e == 0 ? 1 : e == FP_EXP_SPEC ? FP_EXP_SPEC - 1 : e;
}

static struct fpreg random_operand(void)
{
    uint32_t sign = pick(2) ? FP_SIGN : 0;
    struct fpreg f = {random_sig(), random_exp() | sign, 0};
    switch (pick(24)) {
    case 0:
        return (struct fpreg){0, sign, 0};
    case 1:
        f.sig >>= 1 + pick(63); /* unnormal */
        break;
    case 2:
        f.exp = sign; /* double-extended denormal or pseudo-denormal */
        f.sig >>= pick(64);
        break;
    default:
        break;
    }
    return f;
}

/* An addend that cancels most of the product of a and b. */
static struct fpreg cancelling(const struct fpreg *a, const struct fpreg *b)
{
    uint64_t top = (uint64_t)((unsigned __int128)a->sig * b->sig >> 64);
    int32_t e = (int32_t)((a->exp & FP_EXP_MASK) + (b->exp & FP_EXP_MASK)) - 0xffff + 1;
    int shift = top ? __builtin_clzll(top) : 0;
    e += (int32_t)pick(5) - 2 - shift;
    if (!top || e < 1 || e > 0x1fffe) {
        return random_operand();
    }
    top <<= shift;
    top += pick(3) == 0 ? 0 : pick(5) - 2;
    return (struct fpreg){top | FP_INT_BIT, (uint32_t)e | ((a->exp ^ b->exp ^ FP_SIGN) & FP_SIGN),
                          0};
}

static bool is_unnormal(const struct fpreg *f)
{
    bool zero = f->sig == 0 && (f->exp & FP_EXP_MASK) == 0;
    return !zero && ((f->exp & FP_EXP_MASK) == 0 || !(f->sig >> 63));
}

static void to_mpfr(mpfr_t x, const struct fpreg *f)
{
    int32_t e = (int32_t)(f->exp & FP_EXP_MASK);
    mpfr_set_uj_2exp(x, f->sig, (e ? e : 0xc001) - 0xffff - 63, MPFR_RNDN);
    mpfr_setsign(x, x, (f->exp & FP_SIGN) != 0, MPFR_RNDN);
}

/* --- expected results --- */

/* The exact operation, as a function of destination precision and rounding. */
enum kind { K_FMA, K_MUL, K_DIV, K_SQRT };
struct exact {
    enum kind kind;
    mpfr_t a, b, c;
};

static int evaluate(mpfr_t r, const struct exact *x, mpfr_rnd_t mode)
{
    switch (x->kind) {
    case K_FMA:
        return mpfr_fma(r, x->a, x->b, x->c, mode);
    case K_MUL:
        return mpfr_mul(r, x->a, x->b, mode);
    case K_DIV:
        return mpfr_div(r, x->a, x->b, mode);
    default:
        return mpfr_sqrt(r, x->a, mode);
    }
}

struct range {
    int width;
    int32_t emin, emax; /* biased */
};

static struct range range_of(const struct setting *s, enum fp_pc pc)
{
    struct range r = {.emin = 0xffff - 16382, .emax = 0xffff + 16383};
    if (pc == FP_PC_DYN) {
        r.width = s->pc == 0 ? 24 : s->pc == 2 ? 53 : 64;
    } else {
        r.width = pc == FP_PC_S ? 24 : 53;
        r.emin = 0xffff - (pc == FP_PC_S ? 126 : 1022);
        r.emax = 0xffff + (pc == FP_PC_S ? 127 : 1023);
    }
    if (s->wre) {
        r.emin = 0xffff - 65534;
        r.emax = 0xffff + 65535;
    }
    return r;
}

/* Significand and biased exponent of a nonzero MPFR number of at most 64 bits. */
static void from_mpfr(mpfr_t x, uint64_t *sig, int32_t *exp)
{
    mpfr_t m;
    mpfr_init2(m, 64);
    mpfr_abs(m, x, MPFR_RNDN);
    *exp = (int32_t)mpfr_get_exp(x) - 1 + 0xffff;
    mpfr_set_exp(m, 64);
    *sig = mpfr_get_uj(m, MPFR_RNDN);
    mpfr_clear(m);
}

static const mpfr_rnd_t modes[4] = {MPFR_RNDN, MPFR_RNDD, MPFR_RNDU, MPFR_RNDZ};

static void expect_inexact(struct fpout *o, const struct setting *s, bool inexact, bool larger)
{
    if (inexact) {
        o->flags |= FPF_I;
        if (!(s->mask & FPF_I)) {
            o->trap = (uint16_t)(FPX_TRAP | FPX_I | (larger ? FPX_FPA : 0));
        }
    }
}

/* Magnitude rounding of a positive value below the smallest denormal to none or one of it. */
static bool rounds_to_one(const struct exact *x, int32_t emin, int width, unsigned rc, bool sign)
{
    mpfr_t half, v;
    if (rc != 0) {
        return rc == (sign ? 1 : 2);
    }
    mpfr_init2(half, 64);
    mpfr_init2(v, 64);
    mpfr_set_ui_2exp(half, 1, emin - 0xffff - width, MPFR_RNDN);
    int t = evaluate(v, x, MPFR_RNDZ);
    int cmp = mpfr_cmpabs(v, half);
    bool up = cmp > 0 || (cmp == 0 && t != 0);
    mpfr_clear(half);
    mpfr_clear(v);
    return up;
}

static void expect_denormal(struct fpout *o, const struct exact *x, const struct setting *s,
                            const struct range *g, bool sign)
{
    uint64_t sig = 0, ulp = 1ull << (64 - g->width);
    int32_t exp;
    bool inexact, larger;
    mpfr_t r;
    mpfr_init2(r, 64);
    evaluate(r, x, MPFR_RNDZ);
    int32_t e0 = (int32_t)mpfr_get_exp(r) - 1 + 0xffff;
    int bits = g->width - (g->emin - e0);
    if (bits >= 1) {
        mpfr_set_prec(r, bits);
        int t = evaluate(r, x, modes[s->rc]);
        inexact = t != 0;
        larger = sign ? t < 0 : t > 0;
        from_mpfr(r, &sig, &exp);
        sig >>= g->emin - exp;
    } else {
        inexact = true;
        larger = rounds_to_one(x, g->emin, g->width, s->rc, sign);
        sig = larger ? ulp : 0;
    }
    mpfr_clear(r);
    uint32_t field = (uint32_t)g->emin;
    if (sig == 0 || (field == 0xc001 && !(sig >> 63))) {
        field = 0;
    }
    o->r = (struct fpreg){sig, field | (sign ? FP_SIGN : 0), 0};
    o->flags |= inexact ? FPF_U : 0;
    expect_inexact(o, s, inexact, larger);
}

static void expect_overflow(struct fpout *o, const struct setting *s, const struct range *g,
                            bool sign)
{
    bool inf = s->rc == 0 || s->rc == (sign ? 1 : 2);
    uint64_t sig = inf ? FP_INT_BIT : ~0ull << (64 - g->width);
    uint32_t exp = inf ? FP_EXP_SPEC : (uint32_t)g->emax;
    o->r = (struct fpreg){sig, exp | (sign ? FP_SIGN : 0), 0};
    o->flags |= FPF_O;
    expect_inexact(o, s, true, inf);
}

static void expect_real(struct fpout *o, const struct exact *x, const struct setting *s,
                        enum fp_pc pc)
{
    struct range g = range_of(s, pc);
    mpfr_t r;
    mpfr_init2(r, g.width);
    int t = evaluate(r, x, modes[s->rc]);
    bool sign = mpfr_signbit(r) != 0;
    uint64_t sig;
    int32_t exp;
    if (mpfr_zero_p(r)) {
        o->r = (struct fpreg){0, sign ? FP_SIGN : 0, 0};
        mpfr_clear(r);
        return;
    }
    from_mpfr(r, &sig, &exp);
    mpfr_clear(r);
    bool larger = sign ? t < 0 : t > 0;
    unsigned event = exp > g.emax ? FPF_O : exp < g.emin ? FPF_U : 0;
    if (event == 0) {
        o->r = (struct fpreg){sig, (uint32_t)exp | (sign ? FP_SIGN : 0), 0};
        expect_inexact(o, s, t != 0, larger);
    } else if (!(s->mask & event)) {
        o->r = (struct fpreg){sig, ((uint32_t)exp & FP_EXP_MASK) | (sign ? FP_SIGN : 0), 0};
        o->flags |= (uint8_t)(event | (t ? FPF_I : 0));
        o->trap = (uint16_t)(FPX_TRAP | (event == FPF_O ? FPX_O : FPX_U) | (t ? FPX_I : 0) |
                             (larger ? FPX_FPA : 0));
    } else if (event == FPF_O) {
        expect_overflow(o, s, &g, sign);
    } else if (s->ftz) {
        o->r = (struct fpreg){0, sign ? FP_SIGN : 0, 0};
        o->flags |= FPF_U;
        expect_inexact(o, s, true, false);
    } else {
        expect_denormal(o, x, s, &g, sign);
    }
}

/* D flag or fault; true if the operation goes on. */
static bool expect_operands(struct fpout *o, const struct setting *s, bool unnormal)
{
    memset(o, 0, sizeof *o);
    if (unnormal && !(s->mask & FPF_D)) {
        o->fault = FPX_D;
        return false;
    }
    o->flags = unnormal ? FPF_D : 0;
    return true;
}

/* --- comparison --- */

static unsigned long differences;

static void print_reg(const char *name, const struct fpreg *f)
{
    printf("  %s=%u.%05x.%016" PRIx64, name, f->exp >> 17 & 1, f->exp & FP_EXP_MASK, f->sig);
}

static void print_out(const char *name, const struct fpout *o)
{
    print_reg(name, &o->r);
    printf(" flags %02x fault %x trap %x p %d%d\n", o->flags, o->fault, o->trap, o->p1, o->p2);
}

static bool same_out(const struct fpout *a, const struct fpout *b, const struct setting *s)
{
    /* A flag that is set already may be set again or not. */
    unsigned sticky = (unsigned)(s->fpsr >> (6 + 13 * s->sf + 7)) & 0x3f;
    if (a->fault || b->fault) {
        return a->fault == b->fault;
    }
    return a->r.sig == b->r.sig && a->r.exp == b->r.exp && a->r.pad == 0 &&
           (a->flags | sticky) == (b->flags | sticky) && a->trap == b->trap && a->p1 == b->p1 &&
           a->p2 == b->p2;
}

static void check(const char *what, const struct fpout *got, const struct fpout *want,
                  const struct setting *s, const struct fpreg f[3])
{
    if (same_out(got, want, s)) {
        return;
    }
    if (++differences <= 20) {
        printf("%s fpsr %" PRIx64 " sf%u", what, s->fpsr, s->sf);
        print_reg("a", &f[0]);
        print_reg("b", &f[1]);
        print_reg("c", &f[2]);
        printf("\n");
        print_out("  got ", got);
        print_out("  want", want);
    }
}

/* --- the operations --- */

static struct exact work;
static unsigned long fast_cases;

static void one_fma(const struct setting *s, const struct fpreg f[3])
{
    static const char *const names[3] = {"fma", "fnma", "fms"};
    unsigned neg = pick(3);
    enum fp_pc pc = pick(3);
    bool is_mpy = pick(5) == 0;
    struct fpout want, got = fp_fma(&f[0], &f[1], is_mpy ? NULL : &f[2], neg, pc, s->fpsr, s->sf);
    bool unnormal = is_unnormal(&f[0]) || is_unnormal(&f[1]) || (!is_mpy && is_unnormal(&f[2]));
    if (expect_operands(&want, s, unnormal)) {
        to_mpfr(work.a, &f[0]);
        to_mpfr(work.b, &f[1]);
        to_mpfr(work.c, &f[2]);
        if (neg & FP_NEG_PROD) {
            mpfr_neg(work.a, work.a, MPFR_RNDN);
        }
        if (neg & FP_NEG_ADD) {
            mpfr_neg(work.c, work.c, MPFR_RNDN);
        }
        work.kind = is_mpy ? K_MUL : K_FMA;
        expect_real(&want, &work, s, pc);
    }
    check(names[neg], &got, &want, s, f);
    struct fpfast quick =
        fp_fma_fast[pc](&f[0], &f[1], is_mpy ? NULL : &f[2], s->fpsr, FP_HOW(neg, s->sf));
    if (quick.rest != FP_FAST_NONE) {
        got = (struct fpout){.r = {quick.sig, (uint32_t)quick.rest, 0},
                             .flags = (uint8_t)(quick.rest >> FP_FAST_FLAGS_SHIFT)};
        fast_cases++;
        check("fast", &got, &want, s, f);
    }
}

static void one_division(const struct setting *s, const struct fpreg f[3])
{
    struct fpout want, got;
    if (f[1].sig == 0) {
        return;
    }
    got = fp_div(&f[0], &f[1], s->fpsr, s->sf);
    if (expect_operands(&want, s, is_unnormal(&f[0]) || is_unnormal(&f[1]))) {
        to_mpfr(work.a, &f[0]);
        to_mpfr(work.b, &f[1]);
        work.kind = K_DIV;
        expect_real(&want, &work, s, FP_PC_DYN);
    }
    check("div", &got, &want, s, f);
}

static void one_root(const struct setting *s, const struct fpreg f[3])
{
    struct fpout want, got = fp_sqrt(&f[0], s->fpsr, s->sf);
    if ((f[0].exp & FP_SIGN) && f[0].sig) {
        return;
    }
    if (expect_operands(&want, s, is_unnormal(&f[0]))) {
        to_mpfr(work.a, &f[0]);
        work.kind = K_SQRT;
        expect_real(&want, &work, s, FP_PC_DYN);
    }
    check("sqrt", &got, &want, s, f);
}

static void one_compare(const struct setting *s, const struct fpreg f[3])
{
    enum fp_rel rel = pick(4);
    struct fpreg b = pick(4) ? f[1] : f[0];
    struct fpout want, got = fp_cmp(&f[0], &b, rel, s->fpsr, s->sf);
    if (expect_operands(&want, s, is_unnormal(&f[0]) || is_unnormal(&b))) {
        to_mpfr(work.a, &f[0]);
        to_mpfr(work.b, &b);
        int order = mpfr_cmp(work.a, work.b);
        want.p1 = rel == FP_EQ ? order == 0 : rel == FP_LT ? order < 0 : rel == FP_LE && order <= 0;
        want.p2 = !want.p1;
    }
    check("fcmp", &got, &want, s, f);
}

static void one_to_integer(const struct setting *s, const struct fpreg f[3])
{
    struct fpreg a = f[0];
    unsigned how = pick(4);
    if (pick(2)) {
        a.exp = (a.exp & FP_SIGN) | (0xffff + pick(70) - 3);
    }
    struct fpout want, got = fp_cvt_fx(&a, how, s->fpsr, s->sf);
    mpfr_t r;
    mpfr_init2(r, 64);
    to_mpfr(work.a, &a);
    int t = mpfr_rint(r, work.a, modes[how & FP_CVT_TRUNC ? 3 : s->rc]);
    bool fits = how & FP_CVT_UNSIGNED ? mpfr_fits_uintmax_p(r, MPFR_RNDN)
                                      : mpfr_fits_intmax_p(r, MPFR_RNDN);
    memset(&want, 0, sizeof want);
    if (!fits) {
        want.r = fp_from_sig(FP_INT_BIT);
        want.flags = s->mask & FPF_V ? FPF_V : 0;
        want.fault = s->mask & FPF_V ? 0 : FPX_V;
    } else if (expect_operands(&want, s, is_unnormal(&a))) {
        uint64_t v =
            how & FP_CVT_UNSIGNED ? mpfr_get_uj(r, MPFR_RNDN) : (uint64_t)mpfr_get_sj(r, MPFR_RNDN);
        want.r = fp_from_sig(v);
        expect_inexact(&want, s, t != 0, a.exp & FP_SIGN ? t < 0 : t > 0);
    }
    mpfr_clear(r);
    struct fpreg shown[3] = {a, f[1], f[2]};
    check("fcvt.fx", &got, &want, s, shown);
}

static void set_mpz(mpz_t z, uint64_t v, bool is_signed)
{
    mpz_import(z, 1, 1, sizeof v, 0, 0, &v);
    if (is_signed && v >> 63) {
        mpz_t wrap;
        mpz_init_set_ui(wrap, 1);
        mpz_mul_2exp(wrap, wrap, 64);
        mpz_sub(z, z, wrap);
        mpz_clear(wrap);
    }
}

static void one_xma(const struct setting *s, const struct fpreg f[3])
{
    enum fp_xma op = pick(3);
    struct fpout want = {0}, got = {.r = fp_xma(&f[0], &f[1], &f[2], op)};
    mpz_t a, b, c;
    mpz_inits(a, b, c, NULL);
    set_mpz(a, f[0].sig, op == FP_XMA_H);
    set_mpz(b, f[1].sig, op == FP_XMA_H);
    set_mpz(c, f[2].sig, false); /* the addend is always unsigned (SDM 3:2 xma) */
    mpz_mul(a, a, b);
    mpz_add(a, a, c);
    mpz_fdiv_q_2exp(a, a, op == FP_XMA_L ? 0 : 64);
    mpz_fdiv_r_2exp(a, a, 64);
    uint64_t v = 0;
    mpz_export(&v, NULL, 1, sizeof v, 0, 0, a);
    want.r = fp_from_sig(v);
    mpz_clears(a, b, c, NULL);
    check("xma", &got, &want, s, f);
}

int main(int argc, char **argv)
{
    unsigned long cases = argc > 1 ? strtoul(argv[1], NULL, 0) : 2000000;
    random_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    mpfr_set_emin(mpfr_get_emin_min());
    mpfr_set_emax(mpfr_get_emax_max());
    mpfr_inits2(64, work.a, work.b, work.c, (mpfr_ptr)NULL);
    for (unsigned long n = 0; n < cases; n++) {
        struct setting s = random_setting();
        struct fpreg f[3] = {random_operand(), random_operand(), random_operand()};
        if (pick(4) == 0) {
            f[2] = cancelling(&f[0], &f[1]);
        }
        static void (*const one[])(const struct setting *, const struct fpreg *) = {
            one_fma,  one_fma,     one_fma,        one_fma, one_division,
            one_root, one_compare, one_to_integer, one_xma,
        };
        one[pick(sizeof one / sizeof *one)](&s, f);
    }
    mpfr_clears(work.a, work.b, work.c, (mpfr_ptr)NULL);
    mpfr_free_cache();
    printf("%lu cases (%lu fast), %lu differences\n", cases, fast_cases, differences);
    return differences != 0;
}
