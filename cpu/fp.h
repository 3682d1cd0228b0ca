/* IA-64 floating-point arithmetic on register-format values, exact to the last bit and flag.
 *
 * Pure functions: no CPU state, no memory. Each takes operands, the FPSR and a status field
 * number and returns the result together with what the architecture does about it (flags to be
 * or-ed into the status field, fault or trap code for ISR). The callers in cpu/exec_fp.c write
 * registers, set flags and raise interruptions. Rules: SDM vol 1 chapter 5, vol 3 chapter 2
 * and 3 (pseudo-code functions), vol 2 8.3 (ISR codes).
 *
 * Simplification, permitted by SDM 1:5.4.1.3: Software Assist traps are never raised, and Software
 * Assist faults only where the instruction pages demand them (frcpa, frsqrta).
 */
#ifndef KITTSON_CPU_FP_H
#define KITTSON_CPU_FP_H

#include <stdbool.h>
#include <stdint.h>

/* Register format (SDM 1:5.1): sign, 17-bit biased exponent (bias 0xffff), 64-bit significand
 * with explicit integer bit. */
struct fpreg {
    uint64_t sig;
    uint32_t exp; /* bits 16:0 exponent, bit 17 sign */
    uint32_t pad; /* always 0 */
};

#define FP_SIGN     0x20000u
#define FP_EXP_MASK 0x1ffffu
#define FP_EXP_BIAS 0xffffu
#define FP_EXP_INT  0x1003eu /* exponent of integers in the significand */
#define FP_EXP_NAT  0x1fffeu /* NaTVal: sign 0, this exponent, significand 0 */
#define FP_EXP_SPEC 0x1ffffu /* infinities, NaNs, unsupported encodings */
#define FP_INT_BIT  (1ull << 63)

static inline bool fp_is_natval(const struct fpreg *f)
{
    return f->exp == FP_EXP_NAT && f->sig == 0;
}

static inline struct fpreg fp_natval(void)
{
    return (struct fpreg){0, FP_EXP_NAT, 0};
}

/* An integer or a parallel pair in the significand (SDM 1:5.1.2). */
static inline struct fpreg fp_from_sig(uint64_t sig)
{
    return (struct fpreg){sig, FP_EXP_INT, 0};
}

/* Status field flags, as in FPSR.sfx bits 12:7 shifted down (SDM 1:5.2). The trap disable bits
 * FPSR{5:0} have the same order. */
#define FPF_V 0x01 /* invalid */
#define FPF_D 0x02 /* denormal/unnormal operand */
#define FPF_Z 0x04 /* zero divide */
#define FPF_O 0x08 /* overflow */
#define FPF_U 0x10 /* underflow */
#define FPF_I 0x20 /* inexact */

/* FPSR layout (SDM 1:5.2, figure 5-2): trap disables {5:0}, then four 13-bit status fields of
 * seven control and six flag bits. */
#define FPSR_TRAPS       0x3full
#define FPSR_SF_SHIFT(n) (6 + 13 * (n))
#define FPSR_SF_CONTROLS 0x7fu
#define FPSR_SF_FTZ      0x01u
#define FPSR_SF_WRE      0x02u
#define FPSR_SF_PC_SHIFT 2
#define FPSR_SF_RC_SHIFT 4
#define FPSR_SF_TD       0x40u

/* ISR.code of FP faults (SDM 2:8.3): scalar and parallel-high; parallel-low is 4 bits up. */
#define FPX_V   0x1u
#define FPX_D   0x2u
#define FPX_Z   0x4u
#define FPX_SWA 0x8u
/* ISR.code of FP traps: scalar and parallel-high; parallel-low is 4 bits down. */
#define FPX_TRAP 0x0001u
#define FPX_O    0x0800u
#define FPX_U    0x1000u
#define FPX_I    0x2000u
#define FPX_FPA  0x4000u

/* What one operation does. If fault is nonzero the result must not be written and no flag set:
 * an FP Fault with that ISR.code is raised (SDM 2:8.3 "Floating-point Fault"). If trap is nonzero
 * the result is written, the flags set, and then an FP Trap with that ISR.code is raised. */
struct fpout {
    struct fpreg r;
    uint8_t flags;  /* FPF_* to or into the status field */
    bool p1, p2;    /* predicate results; compares: relation and its complement, both false for
                     * NaTVal. frcpa, frsqrta and their parallel forms: p2 */
    uint16_t fault; /* ISR.code{15:0} of the FP fault, 0 if none */
    uint16_t trap;  /* ISR.code{15:0} of the FP trap (with FPX_TRAP), 0 if none */
};

/* FPSR with the flags of an operation that used status field sf. */
static inline uint64_t fpsr_add_flags(uint64_t fpsr, unsigned sf, unsigned flags)
{
    return fpsr | (uint64_t)flags << (FPSR_SF_SHIFT(sf) + 7);
}

/* Multiply-add. neg says which inputs are negated; pc is the precision completer with the values
 * of enum insn_pc. The addend is a null pointer when the instruction names f0: the product's own
 * sign of zero is kept then (SDM 3:2 fma, fmpy). */
#define FP_NEG_PROD 1u /* fnma */
#define FP_NEG_ADD  2u /* fms */
enum fp_pc { FP_PC_DYN, FP_PC_S, FP_PC_D };

struct fpout fp_fma(const struct fpreg *f3, const struct fpreg *f4, const struct fpreg *f2,
                    unsigned neg, enum fp_pc pc, uint64_t fpsr, unsigned sf);
struct fpout fp_pma(const struct fpreg *f3, const struct fpreg *f4, const struct fpreg *f2,
                    unsigned neg, uint64_t fpsr, unsigned sf);

/* The common case of fp_fma in two registers, by precision completer: rest is the register's
 * exponent and sign with the flags above, or FP_FAST_NONE if fp_fma has to be asked. I may be
 * missing when the status field has it already. how: FP_HOW. */
struct fpfast {
    uint64_t sig, rest;
};
#define FP_FAST_NONE        (~0ull)
#define FP_FAST_FLAGS_SHIFT 32
#define FP_HOW(neg, sf)     ((neg) | (unsigned)(sf) << 2)
typedef struct fpfast fp_fast_fn(const struct fpreg *f3, const struct fpreg *f4,
                                 const struct fpreg *f2, uint64_t fpsr, unsigned how);
extern fp_fast_fn *fp_fma_fast[3];
/* Whether the host's fused multiply-add is used: it exists and nobody has forbidden it. */
bool fp_host_fma(void);
/* Does without the host's optional instructions from here on, for all processors: for tests. Before
 * the first translator is made. */
void fp_plain_host(void);

/* Compares and selections. fp_pcmp: FP_CMP_NOT inverts the relation. */
enum fp_rel { FP_EQ, FP_LT, FP_LE, FP_UNORD, FP_CMP_NOT };
enum fp_minmax { FP_MIN, FP_MAX, FP_AMIN, FP_AMAX };

struct fpout fp_cmp(const struct fpreg *f2, const struct fpreg *f3, enum fp_rel rel, uint64_t fpsr,
                    unsigned sf);
struct fpout fp_pcmp(const struct fpreg *f2, const struct fpreg *f3, unsigned rel, uint64_t fpsr,
                     unsigned sf);
struct fpout fp_select_minmax(const struct fpreg *f2, const struct fpreg *f3, enum fp_minmax op,
                              uint64_t fpsr, unsigned sf);
struct fpout fp_pminmax(const struct fpreg *f2, const struct fpreg *f3, enum fp_minmax op,
                        uint64_t fpsr, unsigned sf);

/* fclass mask bits (fclass9, SDM 3:2 fclass). */
#define FPC_POS  0x001u
#define FPC_NEG  0x002u
#define FPC_ZERO 0x004u
#define FPC_UNRM 0x008u
#define FPC_NORM 0x010u
#define FPC_INF  0x020u
#define FPC_SNAN 0x040u
#define FPC_QNAN 0x080u
#define FPC_NAT  0x100u
/* Membership in the class; a NaTVal tested without FPC_NAT clears both predicates (the caller's
 * business). */
bool fp_class(const struct fpreg *f2, unsigned mask);

/* Conversions. flags: FP_CVT_*. */
#define FP_CVT_UNSIGNED 1u
#define FP_CVT_TRUNC    2u
struct fpout fp_cvt_fx(const struct fpreg *f2, unsigned how, uint64_t fpsr, unsigned sf);
struct fpout fp_pcvt_fx(const struct fpreg *f2, unsigned how, uint64_t fpsr, unsigned sf);
struct fpreg fp_cvt_xf(const struct fpreg *f2);

/* Approximations, and the exact operations their software assistance needs. Quotient and root
 * are rounded as the status field says for an instruction without completer. */
struct fpout fp_rcpa(const struct fpreg *f2, const struct fpreg *f3, uint64_t fpsr, unsigned sf);
struct fpout fp_rsqrta(const struct fpreg *f3, uint64_t fpsr, unsigned sf);
struct fpout fp_prcpa(const struct fpreg *f2, const struct fpreg *f3, uint64_t fpsr, unsigned sf);
struct fpout fp_prsqrta(const struct fpreg *f3, uint64_t fpsr, unsigned sf);
struct fpout fp_div(const struct fpreg *f2, const struct fpreg *f3, uint64_t fpsr, unsigned sf);
struct fpout fp_sqrt(const struct fpreg *f3, uint64_t fpsr, unsigned sf);

/* Integer multiply-add of significands (SDM 3:2 xma). */
enum fp_xma { FP_XMA_L, FP_XMA_H, FP_XMA_HU };
static inline struct fpreg fp_xma(const struct fpreg *f3, const struct fpreg *f4,
                                  const struct fpreg *f2, enum fp_xma op)
{
    if (fp_is_natval(f3) || fp_is_natval(f4) || fp_is_natval(f2)) {
        return fp_natval();
    }
    if (op == FP_XMA_L) {
        return fp_from_sig(f3->sig * f4->sig + f2->sig);
    }
    unsigned __int128 p = (unsigned __int128)f3->sig * f4->sig + f2->sig;
    uint64_t hi = (uint64_t)(p >> 64);
    if (op == FP_XMA_H) {
        hi -= ((int64_t)f3->sig < 0 ? f4->sig : 0) + ((int64_t)f4->sig < 0 ? f3->sig : 0);
    }
    return fp_from_sig(hi);
}

/* fmerge: sign of f2 (inverted for ns), or sign and exponent, with the rest of f3. */
enum fp_merge { FP_MERGE_S, FP_MERGE_NS, FP_MERGE_SE };
static inline struct fpreg fp_merge(const struct fpreg *f2, const struct fpreg *f3,
                                    enum fp_merge op)
{
    static const uint32_t take[3] = {FP_SIGN, FP_SIGN, FP_SIGN | FP_EXP_MASK};
    if (fp_is_natval(f2) || fp_is_natval(f3)) {
        return fp_natval();
    }
    uint32_t e = f2->exp ^ (op == FP_MERGE_NS ? FP_SIGN : 0);
    return (struct fpreg){f3->sig, (e & take[op]) | (f3->exp & ~take[op]), 0};
}

/* The two-operand instructions that only move significand bits (format F9). */
enum fp_logic {
    FP_AND,
    FP_ANDCM,
    FP_OR,
    FP_XOR,
    FP_MIX_L,
    FP_MIX_R,
    FP_MIX_LR,
    FP_SXT_L,
    FP_SXT_R,
    FP_SWAP,
    FP_SWAP_NL,
    FP_SWAP_NR,
    FP_PACK,
    FP_PMERGE_S,
    FP_PMERGE_NS,
    FP_PMERGE_SE,
};
struct fpreg fp_logic(const struct fpreg *f2, const struct fpreg *f3, enum fp_logic op);
struct fpreg fp_bitselect(const struct fpreg *f3, const struct fpreg *f4, const struct fpreg *f2);

/* Memory and general register formats (SDM 1:5.1.2, 5.3.1; figures 5-6 to 5-10). The values are
 * integers; byte order is the caller's. Stores take the register's bits as they are, without
 * rounding; NaTVal is the caller's business. */
struct fpreg fp_from_ext(uint64_t sig, uint16_t se); /* se: sign and 15-bit exponent */

/* Denormals get the format's smallest exponent and stay unnormalized; infinities and NaNs get
 * the register's special exponent. */
static inline struct fpreg fp_from_single(uint32_t m)
{
    uint32_t e = m >> 23 & 0xff, sign = m >> 31 << 17;
    uint64_t frac = (uint64_t)(m & 0x7fffff) << 40;
    if (e == 0) {
        return (struct fpreg){frac, (frac ? 0xff81 : 0) | sign, 0};
    }
    return (struct fpreg){frac | FP_INT_BIT, (e == 0xff ? FP_EXP_SPEC : e + 0xff80) | sign, 0};
}

static inline struct fpreg fp_from_double(uint64_t m)
{
    uint32_t e = m >> 52 & 0x7ff, sign = (uint32_t)(m >> 63) << 17;
    uint64_t frac = m << 12 >> 1;
    if (e == 0) {
        return (struct fpreg){frac, (frac ? 0xfc01 : 0) | sign, 0};
    }
    return (struct fpreg){frac | FP_INT_BIT, (e == 0x7ff ? FP_EXP_SPEC : e + 0xfc00) | sign, 0};
}

static inline uint32_t fp_to_single(const struct fpreg *f)
{
    uint32_t s = (f->exp & FP_SIGN) << 14 | ((uint32_t)(f->sig >> 40) & 0x7fffff);
    uint32_t e = (f->exp >> 16 & 1) << 7 | (f->exp & 0x7f);
    return s | ((int64_t)f->sig < 0 ? e << 23 : 0);
}

static inline uint64_t fp_to_double(const struct fpreg *f)
{
    uint64_t s = (uint64_t)(f->exp & FP_SIGN) << 46 | (f->sig >> 11 & 0xfffffffffffffull);
    uint64_t e = (f->exp >> 16 & 1) << 10 | (f->exp & 0x3ff);
    return s | ((int64_t)f->sig < 0 ? e << 52 : 0);
}

static inline uint16_t fp_to_ext_se(const struct fpreg *f)
{
    return (uint16_t)((f->exp & FP_SIGN) >> 2 | (f->exp >> 16 & 1) << 14 | (f->exp & 0x3fff));
}

/* Second doubleword of a 16-byte spill, and back (ldf.fill, stf.spill). */
static inline uint64_t fp_to_spill_hi(const struct fpreg *f)
{
    return f->exp & (FP_SIGN | FP_EXP_MASK);
}

static inline struct fpreg fp_from_fill(uint64_t sig, uint64_t hi)
{
    return (struct fpreg){sig, (uint32_t)hi & (FP_SIGN | FP_EXP_MASK), 0};
}

/* setf.exp */
static inline struct fpreg fp_from_exp(uint64_t r)
{
    return (struct fpreg){FP_INT_BIT, (uint32_t)r & (FP_SIGN | FP_EXP_MASK), 0};
}

/* fsetc: the new FPSR, or FPSR_RESERVED if it would have a reserved value (Reserved Register/Field
 * fault). */
#define FPSR_RESERVED (~0ull)
uint64_t fp_setc(uint64_t fpsr, unsigned sf, unsigned amask, unsigned omask);
static inline uint64_t fp_clrf(uint64_t fpsr, unsigned sf)
{
    return fpsr & ~((uint64_t)0x3f << (FPSR_SF_SHIFT(sf) + 7));
}

/* fchkf: true if it branches: a flag of sf is set whose trap is enabled or that sf0 lacks. */
static inline bool fp_chkf(uint64_t fpsr, unsigned sf)
{
    unsigned flags = (unsigned)(fpsr >> (FPSR_SF_SHIFT(sf) + 7)) & 0x3f;
    unsigned main_flags = (unsigned)(fpsr >> (FPSR_SF_SHIFT(0) + 7)) & 0x3f;
    return (flags & ~(unsigned)(fpsr & FPSR_TRAPS)) || (flags & ~main_flags);
}

#endif
