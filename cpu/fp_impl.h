/* What the fp_*.c files share: operand classes, unpacking, the decoded status field, rounding.
 *
 * Private to the floating-point library. It does not know instructions.
 */
#ifndef KITTSON_CPU_FP_IMPL_H
#define KITTSON_CPU_FP_IMPL_H

#include "fp.h"

typedef unsigned __int128 fp_u128;

/* Rounding modes of FPSR.sf.rc (SDM 1:5.2, table 5-5). */
enum { FP_RN, FP_RM, FP_RP, FP_RZ };

/* Operand classes. A pseudo-zero is an unnormalized number (SDM 1:5.1.3) and has both bits. */
enum {
    FP_C_ZERO = 0x01,
    FP_C_NORM = 0x02,
    FP_C_UNORM = 0x04,
    FP_C_PZERO = 0x08,
    FP_C_INF = 0x10,
    FP_C_QNAN = 0x20,
    FP_C_SNAN = 0x40,
    FP_C_UNSUPP = 0x80,
    FP_C_NAT = 0x100,
    FP_C_NULL = FP_C_ZERO | FP_C_PZERO,
    FP_C_NAN = FP_C_QNAN | FP_C_SNAN,
    FP_C_SPECIAL = FP_C_INF | FP_C_NAN | FP_C_UNSUPP | FP_C_NAT,
};

/* A decoded status field. */
struct fp_env {
    uint8_t mask; /* FPF_* of the disabled faults and traps */
    uint8_t rc, pc;
    bool wre, ftz;
};

static inline struct fp_env fp_env_of(uint64_t fpsr, unsigned sf)
{
    unsigned c = (unsigned)(fpsr >> FPSR_SF_SHIFT(sf)) & FPSR_SF_CONTROLS;
    return (struct fp_env){
        .mask = (uint8_t)((c & FPSR_SF_TD) && sf != 0 ? FPSR_TRAPS : fpsr & FPSR_TRAPS),
        .rc = c >> FPSR_SF_RC_SHIFT & 3,
        .pc = c >> FPSR_SF_PC_SHIFT & 3,
        .wre = (c & FPSR_SF_WRE) != 0,
        .ftz = (c & FPSR_SF_FTZ) != 0,
    };
}

/* A destination format: precision and range (biased register exponents). */
struct fp_format {
    uint8_t width;
    bool parallel; /* trap-enabled results wrap to 8 exponent bits */
    int32_t emin, emax;
};

extern const struct fp_format fp_format_parallel;
extern const struct fp_format fp_formats[2][3][4]; /* by wre, completer, sf.pc */

static inline const struct fp_format *fp_format_of(const struct fp_env *e, enum fp_pc pc)
{
    return &fp_formats[e->wre][pc][e->pc];
}

/* A finite nonzero number: integer bit set, exponent biased but unbounded. */
struct fp_num {
    uint64_t sig;
    int32_t exp;
    uint32_t sign; /* 0 or FP_SIGN */
};

#define FP_EMIN_EXT 0xc001 /* also the true exponent of encodings with exponent field 0 */

static inline unsigned fp_classify(const struct fpreg *f)
{
    uint32_t e = f->exp & FP_EXP_MASK;
    if (e - 1 < FP_EXP_SPEC - 1 && (int64_t)f->sig < 0) {
        return FP_C_NORM;
    }
    if (e == FP_EXP_SPEC) {
        if ((int64_t)f->sig >= 0) {
            return FP_C_UNSUPP;
        }
        if (f->sig == FP_INT_BIT) {
            return FP_C_INF;
        }
        return f->sig >> 62 & 1 ? FP_C_QNAN : FP_C_SNAN;
    }
    if (f->sig) {
        return FP_C_UNORM;
    }
    if (e == 0) {
        return FP_C_ZERO;
    }
    return fp_is_natval(f) ? FP_C_NAT : FP_C_UNORM | FP_C_PZERO;
}

/* f must be finite and nonzero. */
static inline struct fp_num fp_unpack(const struct fpreg *f)
{
    int32_t e = (int32_t)(f->exp & FP_EXP_MASK);
    int z = __builtin_clzll(f->sig);
    return (struct fp_num){f->sig << z, (e ? e : FP_EMIN_EXT) - z, f->exp & FP_SIGN};
}

static inline struct fpreg fp_zero(uint32_t sign)
{
    return (struct fpreg){0, sign, 0};
}

static inline struct fpreg fp_inf(uint32_t sign)
{
    return (struct fpreg){FP_INT_BIT, FP_EXP_SPEC | sign, 0};
}

static inline struct fpreg fp_quiet(const struct fpreg *f)
{
    return (struct fpreg){f->sig | 1ull << 62, f->exp, 0};
}

static inline void fp_clear(struct fpout *o)
{
    *o = (struct fpout){0};
}

/* A fault condition: either masked (sets the flag, true) or a fault (false). */
static inline bool fp_condition(struct fpout *o, const struct fp_env *e, unsigned flag)
{
    if (e->mask & flag) {
        o->flags |= (uint8_t)flag;
        return true;
    }
    o->flags = 0;
    o->fault = (uint16_t)flag; /* FPF_V, D, Z and FPX_V, D, Z have the same values */
    return false;
}

/* Denormal/unnormal operand check for operands of the joined classes. */
static inline bool fp_check_unorm(struct fpout *o, const struct fp_env *e, unsigned classes)
{
    return !(classes & FP_C_UNORM) || fp_condition(o, e, FPF_D);
}

/* Invalid operation: the masked response is the QNaN indefinite. */
static inline void fp_invalid(struct fpout *o, const struct fp_env *e)
{
    if (fp_condition(o, e, FPF_V)) {
        o->r = (struct fpreg){0xc000000000000000ull, FP_EXP_SPEC | FP_SIGN, 0};
    }
}

/* Whether rounding increments. tail holds the bits below the last kept one, top-aligned, with
 * everything lower jammed into bit 0. */
static inline bool fp_increments(unsigned rc, bool negative, bool last, uint64_t tail)
{
    switch (rc) {
    case FP_RN:
        return tail > FP_INT_BIT || (tail == FP_INT_BIT && last);
    case FP_RM:
        return negative && tail;
    case FP_RP:
        return !negative && tail;
    default:
        return false;
    }
}

/* The bits below the last kept one of a significand of the given width; see fp_increments. */
static inline uint64_t fp_tail(uint64_t sig, uint64_t rest, unsigned width)
{
    return width == 64 ? rest : sig << width | (rest != 0);
}

/* Rounds the number with significand sig and further bits rest (bit 0 sticky) to the format and
 * completes o. o->flags may already hold D. */
void fp_round(struct fpout *o, const struct fp_env *e, const struct fp_format *fmt, uint32_t sign,
              int32_t exp, uint64_t sig, uint64_t rest);

/* f3 * f4 + f2 into the given format; see fp_fma. */
void fp_fma_format(struct fpout *o, const struct fpreg *f3, const struct fpreg *f4,
                   const struct fpreg *f2, unsigned neg, const struct fp_format *fmt,
                   const struct fp_env *e);

/* Scalar operations the parallel forms use on each half. */
void fp_cmp_env(struct fpout *o, const struct fpreg *f2, const struct fpreg *f3, enum fp_rel rel,
                const struct fp_env *e);
void fp_minmax_env(struct fpout *o, const struct fpreg *f2, const struct fpreg *f3,
                   enum fp_minmax op, const struct fp_env *e);

/* Converts to an integer of 64 or 32 bits in o->r.sig. */
void fp_to_int(struct fpout *o, const struct fpreg *f, unsigned bits, unsigned how,
               const struct fp_env *e);

/* The cases of frcpa and fprcpa that need no reciprocal: NaNs, infinities, zeros. True when o is
 * not yet complete: both operands are finite and nonzero, and D has not been checked. */
bool fp_rcpa_special(struct fpout *o, const struct fpreg *f2, const struct fpreg *f3,
                     const struct fp_env *e);
/* NaN and negative operands of the root approximations; true if o is not yet complete. */
bool fp_rsqrta_valid(struct fpout *o, const struct fpreg *f3, unsigned c, const struct fp_env *e);
struct fpreg fp_ieee_recip(const struct fp_num *d);
struct fpreg fp_ieee_recip_sqrt(const struct fp_num *n);

#endif
