/* Fused multiply-add: fma, fms, fnma and everything the assembler makes of them.
 *
 * Parallel forms are in fp_par.c. SDM 3:2 fma, fms, fnma; SDM 1:5.4 for NaNs and exceptions.
 */
#include <stddef.h>
#include <string.h>
#include "fp_impl.h"

/* A sum of product and addend under construction: 128 bits, and what was shifted out below them:
 * exact after a shift of less than 64, else only sticky. That is enough, as only a shift by one can
 * lead to a difference that has to be moved up by more than one bit. */
struct wide {
    fp_u128 hi;
    uint64_t low;
};

static inline fp_u128 join(uint64_t hi, uint64_t lo)
{
    return (fp_u128)hi << 64 | lo;
}

/* sig in the upper half, moved down by n >= 0. */
static inline struct wide shift_addend(uint64_t sig, uint32_t n)
{
    if (n < 64) {
        return (struct wide){join(sig >> n, sig << 1 << (63 - n)), 0};
    }
    if (n < 128) {
        return (struct wide){sig >> (n - 64), (sig << 1 << (127 - n)) != 0};
    }
    return (struct wide){0, 1};
}

/* The product p moved down by n >= 0. */
static inline struct wide shift_product(fp_u128 p, uint32_t n)
{
    uint64_t hi = (uint64_t)(p >> 64), lo = (uint64_t)p;
    if (n < 64) {
        uint64_t from_hi = hi << 1 << (63 - n), low = lo << 1 << (63 - n);
        return (struct wide){join(hi >> n, lo >> n | from_hi), low};
    }
    if (n < 128) {
        uint64_t out = (hi << 1 << (127 - n)) | lo;
        return (struct wide){hi >> (n - 64), out != 0};
    }
    return (struct wide){0, 1};
}

static inline int clz128(fp_u128 x)
{
    uint64_t h = (uint64_t)(x >> 64);
    return h ? __builtin_clzll(h) : 64 + __builtin_clzll((uint64_t)x);
}

/* big - small, not zero; normalizes and adjusts the exponent. */
static inline struct wide subtract(fp_u128 big, struct wide small, int32_t *exp)
{
    struct wide w = {big - small.hi - (small.low != 0), 0 - small.low};
    if (w.hi >> 127) {
        return w;
    }
    if (w.hi == 0) {
        w = (struct wide){join(w.low, 0), 0};
        *exp -= 128;
    }
    int z = clz128(w.hi);
    *exp -= z;
    if (z < 64) {
        w.hi = w.hi << z | w.low >> 1 >> (63 - z);
        w.low <<= z;
    } else {
        w.hi = w.hi << z | (fp_u128)w.low << (z - 64);
        w.low = 0;
    }
    return w;
}

static inline struct wide add(fp_u128 big, struct wide small, int32_t *exp)
{
    struct wide w = {big + small.hi, small.low};
    if (w.hi < big) {
        w.low |= (uint64_t)w.hi & 1;
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
static inline __attribute__((always_inline)) struct sum sum_of(struct fp_num a, struct fp_num b,
                                                               uint32_t ps, const struct fp_num *c)
{
    fp_u128 p = (fp_u128)a.sig * b.sig;
    bool below_two = !(p >> 127);
    int32_t exp = a.exp + b.exp - (int32_t)FP_EXP_BIAS + 1 - below_two;
    p <<= below_two;
    if (!c) {
        return (struct sum){(uint64_t)(p >> 64), (uint64_t)p, exp, ps};
    }
    fp_u128 addend = join(c->sig, 0);
    int32_t delta = exp - c->exp;
    bool product_bigger = delta > 0 || (delta == 0 && p >= addend);
    fp_u128 big = product_bigger ? p : addend;
    struct wide small =
        product_bigger ? shift_addend(c->sig, (uint32_t)delta) : shift_product(p, (uint32_t)-delta);
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

/* --- fast path --- */

static const struct fpfast not_fast = {0, FP_FAST_NONE};

/* The operand as a double or single in memory format; false if it has none or is not normal. */
static inline bool as_double(const struct fpreg *f, uint64_t *bits)
{
    uint32_t e = (f->exp & FP_EXP_MASK) - 0xfc00u;
    *bits = (uint64_t)(f->exp & FP_SIGN) << 46;
    if (e - 1 < 0x7fe && (f->sig & (FP_INT_BIT | 0x7ff)) == FP_INT_BIT) {
        *bits |= (uint64_t)e << 52 | f->sig << 1 >> 12;
        return true;
    }
    return ((f->exp & FP_EXP_MASK) | f->sig) == 0;
}

static inline bool as_single(const struct fpreg *f, uint32_t *bits)
{
    uint32_t e = (f->exp & FP_EXP_MASK) - 0xff80u;
    *bits = (f->exp & FP_SIGN) << 14;
    if (e - 1 < 0xfe && (f->sig & (FP_INT_BIT | 0xffffffffffull)) == FP_INT_BIT) {
        *bits |= e << 23 | (uint32_t)(f->sig << 1 >> 41);
        return true;
    }
    return ((f->exp & FP_EXP_MASK) | f->sig) == 0;
}

/* The host's own fma gives the significand where nothing but the sticky inexact flag could come
 * out: rounding to nearest, inexact disabled and already flagged, operands and result in the
 * normal range of the host's type. A result just at the smallest normal number may have been
 * tiny before rounding and is left to the exact path. */
static inline __attribute__((always_inline)) struct fpfast
host_double(const struct fpreg *f3, const struct fpreg *f4, const struct fpreg *f2, unsigned neg)
{
    uint64_t x[3] = {0}, r;
    double a, b, c, d;
    if (!as_double(f3, &x[0]) || !as_double(f4, &x[1]) || (f2 && !as_double(f2, &x[2]))) {
        return not_fast;
    }
    x[0] ^= (uint64_t)(neg & FP_NEG_PROD) << 63;
    x[2] ^= (uint64_t)(neg & FP_NEG_ADD) << 62;
    memcpy(&a, &x[0], sizeof a);
    memcpy(&b, &x[1], sizeof b);
    memcpy(&c, &x[2], sizeof c);
    d = __builtin_fma(a, b, c);
    memcpy(&r, &d, sizeof r);
    uint32_t e = r >> 52 & 0x7ff;
    if (e - 2 > 0x7fcu) {
        return not_fast;
    }
    return (struct fpfast){FP_INT_BIT | r << 11, (e + 0xfc00) | (uint32_t)(r >> 63) << 17};
}

static inline __attribute__((always_inline)) struct fpfast
host_single(const struct fpreg *f3, const struct fpreg *f4, const struct fpreg *f2, unsigned neg)
{
    uint32_t x[3] = {0}, r;
    float a, b, c, d;
    if (!as_single(f3, &x[0]) || !as_single(f4, &x[1]) || (f2 && !as_single(f2, &x[2]))) {
        return not_fast;
    }
    x[0] ^= (neg & FP_NEG_PROD) << 31;
    x[2] ^= (neg & FP_NEG_ADD) << 30;
    memcpy(&a, &x[0], sizeof a);
    memcpy(&b, &x[1], sizeof b);
    memcpy(&c, &x[2], sizeof c);
    d = __builtin_fmaf(a, b, c);
    memcpy(&r, &d, sizeof r);
    uint32_t e = r >> 23 & 0xff;
    if (e - 2 > 0xfcu) {
        return not_fast;
    }
    return (struct fpfast){FP_INT_BIT | (uint64_t)(r & 0x7fffff) << 40,
                           (e + 0xff80) | r >> 31 << 17};
}

static inline bool is_norm(const struct fpreg *f)
{
    return (f->exp & FP_EXP_MASK) - 1 < FP_EXP_SPEC - 1 && (int64_t)f->sig < 0;
}

static inline struct fp_num as_num(const struct fpreg *f)
{
    return (struct fp_num){f->sig, (int32_t)(f->exp & FP_EXP_MASK), f->exp & FP_SIGN};
}

/* Normal operands, a result in range, no trap. c holds the status field. */
static inline __attribute__((always_inline)) struct fpfast
exact_fast(const struct fpreg *f3, const struct fpreg *f4, const struct fpreg *f2, unsigned neg,
           enum fp_pc pc, unsigned c, bool no_trap)
{
    if (f2 && ((f2->exp & FP_EXP_MASK) | f2->sig) == 0) {
        f2 = NULL; /* the product is not zero */
    }
    if (!is_norm(f3) || !is_norm(f4) || (f2 && !is_norm(f2))) {
        return not_fast;
    }
    uint32_t ps = ((f3->exp ^ f4->exp) & FP_SIGN) ^ (neg & FP_NEG_PROD ? FP_SIGN : 0);
    struct fp_num addend = {0};
    if (f2) {
        addend = as_num(f2);
        addend.sign ^= neg & FP_NEG_ADD ? FP_SIGN : 0;
    }
    struct sum s = sum_of(as_num(f3), as_num(f4), ps, f2 ? &addend : NULL);
    const struct fp_format *fmt =
        &fp_formats[(c & FPSR_SF_WRE) != 0][pc][c >> FPSR_SF_PC_SHIFT & 3];
    unsigned width = pc == FP_PC_D ? 53 : pc == FP_PC_S ? 24 : fmt->width;
    uint64_t tail = fp_tail(s.sig, s.rest, width);
    uint64_t ulp = 1ull << (64 - width);
    uint64_t sig = s.sig & -ulp;
    unsigned rc = c >> FPSR_SF_RC_SHIFT & 3;
    sig += fp_increments(rc, s.sign != 0, (sig & ulp) != 0, tail) ? ulp : 0;
    if (!(sig >> 63) || s.exp < fmt->emin || s.exp > fmt->emax || (tail && !no_trap)) {
        return not_fast; /* also a carry out of the significand, and an exact zero */
    }
    return (struct fpfast){sig, (uint32_t)s.exp | s.sign |
                                    (tail ? (uint64_t)FPF_I << FP_FAST_FLAGS_SHIFT : 0)};
}

static inline __attribute__((always_inline)) struct fpfast
fast(const struct fpreg *f3, const struct fpreg *f4, const struct fpreg *f2, uint64_t fpsr,
     unsigned how, enum fp_pc pc, bool host)
{
    const unsigned rc = 3u << FPSR_SF_RC_SHIFT, flagged = FPF_I << 7;
    unsigned neg = how & 3, sf = how >> 2;
    unsigned c = (unsigned)(fpsr >> FPSR_SF_SHIFT(sf));
    bool no_trap = (fpsr & FPF_I) || (sf != 0 && (c & FPSR_SF_TD));

    if (host && pc != FP_PC_DYN && no_trap && (c & (rc | flagged)) == flagged) {
        struct fpfast r =
            pc == FP_PC_D ? host_double(f3, f4, f2, neg) : host_single(f3, f4, f2, neg);
        if (r.rest != FP_FAST_NONE) {
            return r;
        }
    }
    return exact_fast(f3, f4, f2, neg, pc, c, no_trap);
}

#define FAST(name, attribute, pc, host)                                                            \
    attribute static struct fpfast name(const struct fpreg *f3, const struct fpreg *f4,            \
                                        const struct fpreg *f2, uint64_t fpsr, unsigned how)       \
    {                                                                                              \
        return fast(f3, f4, f2, fpsr, how, pc, host);                                              \
    }
FAST(exact_dyn, , FP_PC_DYN, false)
FAST(exact_s, , FP_PC_S, false)
FAST(exact_d, , FP_PC_D, false)

fp_fast_fn *fp_fma_fast[3] = {exact_dyn, exact_s, exact_d};

#if defined(__x86_64__)
FAST(host_s, __attribute__((target("fma"))), FP_PC_S, true)
FAST(host_d, __attribute__((target("fma"))), FP_PC_D, true)

__attribute__((constructor)) static void choose_host(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("fma")) {
        fp_fma_fast[FP_PC_S] = host_s;
        fp_fma_fast[FP_PC_D] = host_d;
    }
}
#endif

bool fp_host_fma(void)
{
    return fp_fma_fast[FP_PC_D] != exact_d;
}

void fp_plain_host(void)
{
    fp_fma_fast[FP_PC_S] = exact_s;
    fp_fma_fast[FP_PC_D] = exact_d;
}
