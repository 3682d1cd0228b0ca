/* Fused multiply-add: fma, fms, fnma and everything the assembler makes of them.
 *
 * Parallel forms are in fp_par.c. SDM 3:2 fma, fms, fnma; SDM 1:5.4 for NaNs and exceptions.
 */
#include <stddef.h>
#include <string.h>
#include "fp_impl.h"

/* A sum of product and addend under construction: 128 bits and 64 more for what was shifted
 * out, bit 0 of low being sticky. */
struct wide {
    fp_u128 hi;
    uint64_t low;
};

/* x >> n with the bits shifted out kept in low as far as they fit. */
static inline struct wide shift_right(fp_u128 x, int32_t n)
{
    if (n == 0) {
        return (struct wide){x, 0};
    }
    if (n < 64) {
        return (struct wide){x >> n, (uint64_t)x << (64 - n)};
    }
    if (n < 128) {
        fp_u128 out = x << (128 - n);
        return (struct wide){x >> n, (uint64_t)(out >> 64) | ((uint64_t)out != 0)};
    }
    if (n < 192) {
        fp_u128 kept = x >> (n - 128);
        bool lost = (kept << (n - 128)) != x || (uint64_t)kept != 0;
        return (struct wide){0, (uint64_t)(kept >> 64) | lost};
    }
    return (struct wide){0, x != 0};
}

static inline int clz128(fp_u128 x)
{
    uint64_t h = (uint64_t)(x >> 64);
    return h ? __builtin_clzll(h) : 64 + __builtin_clzll((uint64_t)x);
}

/* |big| - |small|, both nonzero difference; normalizes and adjusts the exponent. */
static inline struct wide subtract(fp_u128 big, struct wide small, int32_t *exp)
{
    struct wide w = {big - small.hi - (small.low != 0), 0 - small.low};
    if (w.hi >> 127) {
        return w;
    }
    if (w.hi == 0) {
        w.hi = (fp_u128)w.low << 64;
        w.low = 0;
        *exp -= 128;
    }
    int z = clz128(w.hi);
    if (z > 0) {
        w.hi = w.hi << z | (z < 64 ? (fp_u128)(w.low >> (64 - z)) : (fp_u128)w.low << (z - 64));
        w.low = z < 64 ? w.low << z : 0;
        *exp -= z;
    }
    return w;
}

static inline struct wide add(fp_u128 big, struct wide small, int32_t *exp)
{
    struct wide w = {big + small.hi, small.low};
    if (w.hi < big) {
        w.low = w.low >> 1 | (w.low & 1) | (uint64_t)(w.hi & 1) << 63;
        w.hi = w.hi >> 1 | (fp_u128)1 << 127;
        (*exp)++;
    }
    return w;
}

/* An exact sum before rounding; sig 0 if it is zero. */
struct sum {
    uint64_t sig, rest; /* further bits, bit 0 sticky */
    int32_t exp;
    uint32_t sign;
};

/* Product of a and b with sign ps, plus an addend c if it is not null; all finite and nonzero. */
static inline struct sum sum_of(struct fp_num a, struct fp_num b, uint32_t ps,
                                const struct fp_num *c)
{
    fp_u128 p = (fp_u128)a.sig * b.sig;
    bool below_two = !(p >> 127);
    int32_t exp = a.exp + b.exp - (int32_t)FP_EXP_BIAS + 1 - below_two;
    p <<= below_two;
    if (!c) {
        return (struct sum){(uint64_t)(p >> 64), (uint64_t)p, exp, ps};
    }
    fp_u128 addend = (fp_u128)c->sig << 64;
    int32_t delta = exp - c->exp;
    bool product_bigger = delta > 0 || (delta == 0 && p >= addend);
    fp_u128 big = product_bigger ? p : addend;
    struct wide small = shift_right(product_bigger ? addend : p, delta < 0 ? -delta : delta);
    uint32_t sign = product_bigger ? ps : c->sign;
    struct wide w;
    exp = product_bigger ? exp : c->exp;
    if (ps == c->sign) {
        w = add(big, small, &exp);
    } else if (delta == 0 && p == addend) {
        return (struct sum){0};
    } else {
        w = subtract(big, small, &exp);
    }
    return (struct sum){(uint64_t)(w.hi >> 64), (uint64_t)w.hi | (w.low != 0), exp, sign};
}

static void multiply_add(struct fpout *o, const struct fp_env *e, const struct fp_format *fmt,
                         struct fp_num a, struct fp_num b, uint32_t ps, const struct fp_num *c)
{
    struct sum s = sum_of(a, b, ps, c);
    if (s.sig == 0) {
        o->r = fp_zero(e->rc == FP_RM ? FP_SIGN : 0);
    } else {
        fp_round(o, e, fmt, s.sign, s.exp, s.sig, s.rest);
    }
}

/* A zero product: the addend alone, or a zero whose sign both have a say in. */
static void zero_product(struct fpout *o, const struct fp_env *e, const struct fp_format *fmt,
                         uint32_t ps, const struct fpreg *f2, unsigned cc, uint32_t cs)
{
    if (!f2) {
        o->r = fp_zero(ps);
    } else if (cc & FP_C_NULL) {
        bool negative = ps == cs ? ps != 0 : e->rc == FP_RM;
        o->r = fp_zero(negative ? FP_SIGN : 0);
    } else {
        struct fp_num c = fp_unpack(f2);
        fp_round(o, e, fmt, cs, c.exp, c.sig, 0);
    }
}

/* NaTVal, unsupported, NaN and infinity operands. The NaN taken is that of f4, then f2, then f3
 * (SDM 1:5.4.1.2). */
static void special(struct fpout *o, const struct fp_env *e, const struct fpreg *const f[3],
                    const unsigned class[3], uint32_t ps, uint32_t cs)
{
    static const uint8_t order[3] = {1, 2, 0};
    unsigned all = class[0] | class[1] | class[2];
    if (all & FP_C_NAT) {
        o->r = fp_natval();
        return;
    }
    if (all & FP_C_UNSUPP) {
        fp_invalid(o, e);
        return;
    }
    if ((all & FP_C_SNAN) && !fp_condition(o, e, FPF_V)) {
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (class[order[i]] & FP_C_NAN) {
            o->r = fp_quiet(f[order[i]]);
            return;
        }
    }
    /* At least one infinity. A pseudo-zero times infinity is infinity (SDM 1:5.1.3). */
    bool product_inf = ((class[0] | class[1]) & FP_C_INF) != 0;
    if (product_inf &&
        (((class[0] | class[1]) & FP_C_ZERO) || ((class[2] & FP_C_INF) && ps != cs))) {
        fp_invalid(o, e);
    } else if (fp_check_unorm(o, e, all)) {
        o->r = fp_inf(product_inf ? ps : cs);
    }
}

void fp_fma_format(struct fpout *o, const struct fpreg *f3, const struct fpreg *f4,
                   const struct fpreg *f2, unsigned neg, const struct fp_format *fmt,
                   const struct fp_env *e)
{
    const struct fpreg *const f[3] = {f3, f4, f2};
    const unsigned class[3] = {fp_classify(f3), fp_classify(f4), f2 ? fp_classify(f2) : FP_C_ZERO};
    unsigned all = class[0] | class[1] | class[2];
    uint32_t ps = ((f3->exp ^ f4->exp) & FP_SIGN) ^ (neg & FP_NEG_PROD ? FP_SIGN : 0);
    uint32_t cs = f2 ? (f2->exp & FP_SIGN) ^ (neg & FP_NEG_ADD ? FP_SIGN : 0) : 0;

    fp_clear(o);
    if (all & FP_C_SPECIAL) {
        special(o, e, f, class, ps, cs);
        return;
    }
    if (!fp_check_unorm(o, e, all)) {
        return;
    }
    if ((class[0] | class[1]) & FP_C_NULL) {
        zero_product(o, e, fmt, ps, f2, class[2], cs);
    } else if (class[2] & FP_C_NULL) {
        multiply_add(o, e, fmt, fp_unpack(f3), fp_unpack(f4), ps, NULL);
    } else {
        struct fp_num c = fp_unpack(f2);
        c.sign = cs;
        multiply_add(o, e, fmt, fp_unpack(f3), fp_unpack(f4), ps, &c);
    }
}

struct fpout fp_fma(const struct fpreg *f3, const struct fpreg *f4, const struct fpreg *f2,
                    unsigned neg, enum fp_pc pc, uint64_t fpsr, unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    fp_fma_format(&o, f3, f4, f2, neg, fp_format_of(&e, pc), &e);
    return o;
}

/* --- fast path ---------------------------------------------------------------------------------
 */

static const struct fpfast not_fast = {0, FP_FAST_NONE};

#if defined(__x86_64__)
/* The host's own fma gives the significand where nothing but the sticky inexact flag could come
 * out: rounding to nearest, inexact disabled and already flagged, operands and result in the
 * normal range of the host's type. A result just at the smallest normal number may have been
 * tiny before rounding and is left to the exact path. */
static inline bool as_double(const struct fpreg *f, double *d)
{
    uint32_t e = f->exp & FP_EXP_MASK;
    uint64_t bits = fp_to_double(f);
    memcpy(d, &bits, sizeof bits);
    return ((e - 0xfc01u <= 0x7fdu && (int64_t)f->sig < 0) || (e | f->sig) == 0) &&
           !(f->sig & 0x7ff);
}

static inline bool as_float(const struct fpreg *f, float *s)
{
    uint32_t e = f->exp & FP_EXP_MASK;
    uint32_t bits = fp_to_single(f);
    memcpy(s, &bits, sizeof bits);
    return ((e - 0xff81u <= 0xfdu && (int64_t)f->sig < 0) || (e | f->sig) == 0) &&
           !(f->sig & 0xffffffffffull);
}

__attribute__((target("fma"))) static struct fpfast
host_double(const struct fpreg *f3, const struct fpreg *f4, const struct fpreg *f2, unsigned neg)
{
    double a, b, c = 0;
    if (!as_double(f3, &a) || !as_double(f4, &b) || (f2 && !as_double(f2, &c))) {
        return not_fast;
    }
    double r = __builtin_fma(neg & FP_NEG_PROD ? -a : a, b, neg & FP_NEG_ADD ? -c : c);
    uint64_t bits;
    memcpy(&bits, &r, sizeof bits);
    uint32_t e = bits >> 52 & 0x7ff;
    if (e - 2 > 0x7fcu) {
        return not_fast;
    }
    return (struct fpfast){FP_INT_BIT | bits << 11, (e + 0xfc00) | (uint32_t)(bits >> 63) << 17};
}

__attribute__((target("fma"))) static struct fpfast
host_single(const struct fpreg *f3, const struct fpreg *f4, const struct fpreg *f2, unsigned neg)
{
    float a, b, c = 0;
    if (!as_float(f3, &a) || !as_float(f4, &b) || (f2 && !as_float(f2, &c))) {
        return not_fast;
    }
    float r = __builtin_fmaf(neg & FP_NEG_PROD ? -a : a, b, neg & FP_NEG_ADD ? -c : c);
    uint32_t bits;
    memcpy(&bits, &r, sizeof bits);
    uint32_t e = bits >> 23 & 0xff;
    if (e - 2 > 0xfcu) {
        return not_fast;
    }
    return (struct fpfast){FP_INT_BIT | (uint64_t)(bits & 0x7fffff) << 40,
                           (e + 0xff80) | bits >> 31 << 17};
}

static inline bool host_has_fma(void)
{
    return __builtin_cpu_supports("fma");
}
#else
static struct fpfast host_double(const struct fpreg *f3, const struct fpreg *f4,
                                 const struct fpreg *f2, unsigned neg)
{
    (void)f3, (void)f4, (void)f2, (void)neg;
    return not_fast;
}
#define host_single host_double

static inline bool host_has_fma(void)
{
    return false;
}
#endif

static inline bool is_norm(const struct fpreg *f)
{
    return (f->exp & FP_EXP_MASK) - 1 < FP_EXP_SPEC - 1 && (int64_t)f->sig < 0;
}

static inline struct fp_num as_num(const struct fpreg *f)
{
    return (struct fp_num){f->sig, (int32_t)(f->exp & FP_EXP_MASK), f->exp & FP_SIGN};
}

/* Normal operands, a result in range, no trap. */
static struct fpfast exact_fast(const struct fpreg *f3, const struct fpreg *f4,
                                const struct fpreg *f2, unsigned neg, const struct fp_format *fmt,
                                unsigned rc, bool no_inexact_trap)
{
    if (!is_norm(f3) || !is_norm(f4) || (f2 && !is_norm(f2))) {
        return not_fast;
    }
    uint32_t ps = ((f3->exp ^ f4->exp) & FP_SIGN) ^ (neg & FP_NEG_PROD ? FP_SIGN : 0);
    struct sum s;
    if (f2) {
        struct fp_num c = as_num(f2);
        c.sign ^= neg & FP_NEG_ADD ? FP_SIGN : 0;
        s = sum_of(as_num(f3), as_num(f4), ps, &c);
    } else {
        s = sum_of(as_num(f3), as_num(f4), ps, NULL);
    }
    uint64_t tail = fp_tail(s.sig, s.rest, fmt->width);
    uint64_t ulp = 1ull << (64 - fmt->width);
    uint64_t sig = s.sig & -ulp;
    sig += fp_increments(rc, s.sign != 0, (sig & ulp) != 0, tail) ? ulp : 0;
    if (!(sig >> 63) || s.exp < fmt->emin || s.exp > fmt->emax || (tail && !no_inexact_trap)) {
        return not_fast; /* also a carry out of the significand, and an exact zero */
    }
    return (struct fpfast){sig, (uint32_t)s.exp | s.sign |
                                    (tail ? (uint64_t)FPF_I << FP_FAST_FLAGS_SHIFT : 0)};
}

struct fpfast fp_fma_fast(const struct fpreg *f3, const struct fpreg *f4, const struct fpreg *f2,
                          uint64_t fpsr, unsigned how)
{
    unsigned neg = how & 3, pc = how >> 2 & 3, sf = how >> 4;
    unsigned c = (unsigned)(fpsr >> FPSR_SF_SHIFT(sf));
    bool no_trap = (fpsr & FPF_I) || (sf != 0 && (c & FPSR_SF_TD));
    struct fp_env e = {.pc = c >> FPSR_SF_PC_SHIFT & 3, .wre = (c & FPSR_SF_WRE) != 0};
    const struct fp_format *fmt = fp_format_of(&e, pc);
    unsigned rc = c >> FPSR_SF_RC_SHIFT & 3;

    if (no_trap && rc == FP_RN && fmt->width != 64 && (c & FPF_I << 7) && host_has_fma()) {
        struct fpfast r =
            fmt->width == 53 ? host_double(f3, f4, f2, neg) : host_single(f3, f4, f2, neg);
        if (r.rest != FP_FAST_NONE) {
            return r;
        }
    }
    return exact_fast(f3, f4, f2 && (f2->exp & FP_EXP_MASK) == 0 && f2->sig == 0 ? NULL : f2, neg,
                      fmt, rc, no_trap);
}
