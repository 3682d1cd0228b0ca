/* Rounding to a destination format with overflow, underflow and inexact responses.
 *
 * Does not look at operands. SDM 1:5.4.2 and 5.4.3.
 */
#include "fp_impl.h"

/* Emin and Emax of SDM 1:5.1.1 table 5-1, biased by 0xffff. */
#define SINGLE(width)                                                                              \
    {                                                                                              \
        width, false, 0xff81, 0x1007e                                                              \
    }
#define DOUBLE(width)                                                                              \
    {                                                                                              \
        width, false, 0xfc01, 0x103fe                                                              \
    }
#define EXTENDED(width)                                                                            \
    {                                                                                              \
        width, false, FP_EMIN_EXT, 0x13ffe                                                         \
    }
#define WIDEST(width)                                                                              \
    {                                                                                              \
        width, false, 1, 0x1fffe                                                                   \
    }

/* SDM 1:5.2 table 5-6. The reserved sf.pc 1 cannot get into FPSR. */
const struct fp_format fp_formats[2][3][4] = {
    {
        [FP_PC_DYN] = {EXTENDED(24), EXTENDED(64), EXTENDED(53), EXTENDED(64)},
        [FP_PC_S] = {SINGLE(24), SINGLE(24), SINGLE(24), SINGLE(24)},
        [FP_PC_D] = {DOUBLE(53), DOUBLE(53), DOUBLE(53), DOUBLE(53)},
    },
    {
        [FP_PC_DYN] = {WIDEST(24), WIDEST(64), WIDEST(53), WIDEST(64)},
        [FP_PC_S] = {WIDEST(24), WIDEST(24), WIDEST(24), WIDEST(24)},
        [FP_PC_D] = {WIDEST(53), WIDEST(53), WIDEST(53), WIDEST(53)},
    },
};

const struct fp_format fp_format_parallel = {24, true, 0xff81, 0x1007e};

/* Trap-enabled response of overflow and underflow: the rounded result with its exponent cut to
 * 17 bits, or to 8 for parallel operations (SDM 1:5.4.2). */
static void wrap_exponent(struct fpout *o, const struct fp_format *fmt, int32_t exp, uint64_t sig,
                          uint32_t sign)
{
    uint32_t e = (uint32_t)exp & FP_EXP_MASK;
    if (fmt->parallel) {
        e = 0xff80u + (((uint32_t)exp - 0xff80u) & 0xff);
    }
    o->r = (struct fpreg){sig, e | sign, 0};
}

static void overflow(struct fpout *o, const struct fp_env *e, const struct fp_format *fmt,
                     uint32_t sign)
{
    bool inf = e->rc == FP_RN || e->rc == (sign ? FP_RM : FP_RP);
    o->flags |= FPF_O | FPF_I;
    if (inf) {
        o->r = fp_inf(sign);
    } else {
        o->r = (struct fpreg){~0ull << (64 - fmt->width), (uint32_t)fmt->emax | sign, 0};
    }
    if (!(e->mask & FPF_I)) {
        o->trap = (uint16_t)(FPX_TRAP | FPX_I | (inf ? FPX_FPA : 0));
    }
}

/* Underflow disabled: denormalize the unrounded value and round again (SDM 1:5.4.3). */
static void denormalize(struct fpout *o, const struct fp_env *e, const struct fp_format *fmt,
                        uint32_t sign, int32_t exp, uint64_t sig, uint64_t rest)
{
    int64_t d = (int64_t)fmt->emin - exp;
    if (d > 64) {
        rest = 1;
        sig = 0;
    } else if (d == 64) {
        rest = sig | (rest != 0);
        sig = 0;
    } else if (d > 0) {
        rest = sig << (64 - d) | (rest != 0);
        sig >>= d;
    }
    uint64_t tail = fp_tail(sig, rest, fmt->width);
    uint64_t ulp = 1ull << (64 - fmt->width);
    bool up = fp_increments(e->rc, sign != 0, (sig & ulp) != 0, tail);
    sig = (sig & -ulp) + (up ? ulp : 0);

    /* Double-extended denormals have the exponent field 0 (SDM 1:5.1.3). */
    uint32_t field = (uint32_t)fmt->emin;
    if (sig == 0 || (fmt->emin == FP_EMIN_EXT && !(sig >> 63))) {
        field = 0;
    }
    o->r = (struct fpreg){sig, field | sign, 0};
    if (tail) {
        o->flags |= FPF_U | FPF_I;
        if (!(e->mask & FPF_I)) {
            o->trap = (uint16_t)(FPX_TRAP | FPX_I | (up ? FPX_FPA : 0));
        }
    }
}

void fp_round(struct fpout *o, const struct fp_env *e, const struct fp_format *fmt, uint32_t sign,
              int32_t exp, uint64_t sig, uint64_t rest)
{
    uint64_t tail = fp_tail(sig, rest, fmt->width);
    uint64_t ulp = 1ull << (64 - fmt->width);
    bool up = fp_increments(e->rc, sign != 0, (sig & ulp) != 0, tail);
    int32_t rexp = exp;
    uint64_t rsig = (sig & -ulp) + (up ? ulp : 0);
    if (rsig == 0) {
        rsig = FP_INT_BIT;
        rexp++;
    }
    uint16_t inexact_trap = 0;
    if (tail) {
        inexact_trap = (uint16_t)(FPX_I | (up ? FPX_FPA : 0));
    }
    if (rexp >= fmt->emin && rexp <= fmt->emax) {
        o->r = (struct fpreg){rsig, (uint32_t)rexp | sign, 0};
        if (tail) {
            o->flags |= FPF_I;
            if (!(e->mask & FPF_I)) {
                o->trap = (uint16_t)(inexact_trap | FPX_TRAP);
            }
        }
        return;
    }
    unsigned flag = rexp > fmt->emax ? FPF_O : FPF_U;
    if (!(e->mask & flag)) {
        wrap_exponent(o, fmt, rexp, rsig, sign);
        o->flags |= (uint8_t)(flag | (tail ? FPF_I : 0));
        o->trap = (uint16_t)(FPX_TRAP | (flag == FPF_O ? FPX_O : FPX_U) | inexact_trap);
    } else if (flag == FPF_O) {
        overflow(o, e, fmt, sign);
    } else if (e->ftz) {
        o->r = fp_zero(sign);
        o->flags |= FPF_U | FPF_I;
        if (!(e->mask & FPF_I)) {
            o->trap = FPX_TRAP | FPX_I;
        }
    } else {
        denormalize(o, e, fmt, sign, exp, sig, rest);
    }
}
