/* Handlers of the F unit's instructions, setf and getf.
 *
 * The arithmetic is in cpu/fp.h; here are registers, predicates, flags and interruptions. FP loads
 * and stores are in exec_memfp.c. Disabled FP-register faults are raised before the handlers run
 * (cpu/interp.c, checked blocks). SDM 3:2, instruction by instruction.
 */
#include <stddef.h>
#include "interp.h"

static inline const struct fpreg *addend(const struct cpu *c, const struct uop *u, bool gen)
{
    return u->r2 == 0 ? NULL : fr_get(c, u->r2, gen);
}

static inline void add_flags(struct cpu *c, const struct uop *u, unsigned flags)
{
    c->fpsr = fpsr_add_flags(c->fpsr, u->sf, flags);
}

/* Commits an operation with an FR result. */
ALWAYS_INLINE const struct uop *finish(struct cpu *c, const struct uop *u, struct fpout o, bool gen)
{
    if (unlikely(o.fault))
        return fault_vector(c, u, VEC_FP_FAULT, o.fault);
    fr_set(c, u->r1, o.r, gen);
    add_flags(c, u, o.flags);
    if (unlikely(o.trap))
        return trap_fp(c, u, o.trap);
    return uop_next(c, u);
}

/* --- multiply-add --- */

ALWAYS_INLINE const struct uop *multiply_add(struct cpu *c, const struct uop *u, unsigned neg,
                                             bool gen)
{
    const struct fpreg *f3 = fr_get(c, u->r3, gen), *f4 = fr_get(c, u->r4, gen);
    const struct fpreg *f2 = addend(c, u, gen);
    struct fpfast r = fp_fma_fast[u->sub](f3, f4, f2, c->fpsr, FP_HOW(neg, u->sf));
    if (likely(r.rest != FP_FAST_NONE)) {
        fr_set(c, u->r1, (struct fpreg){r.sig, (uint32_t)r.rest, 0}, gen);
        add_flags(c, u, (unsigned)(r.rest >> FP_FAST_FLAGS_SHIFT));
        return uop_next(c, u);
    }
    return finish(c, u, fp_fma(f3, f4, f2, neg, u->sub, c->fpsr, u->sf), gen);
}

#define FMA_HANDLER(name, neg)                                                                     \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        return multiply_add(c, u, neg, gen);                                                       \
    }                                                                                              \
    UOP_DEFINE(name)
#define FPMA_HANDLER(name, neg)                                                                    \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        return finish(c, u,                                                                        \
                      fp_pma(fr_get(c, u->r3, gen), fr_get(c, u->r4, gen), addend(c, u, gen), neg, \
                             c->fpsr, u->sf),                                                      \
                      gen);                                                                        \
    }                                                                                              \
    UOP_DEFINE_GEN(name)

_Static_assert((int)FP_PC_DYN == (int)PC_NONE && (int)FP_PC_S == (int)PC_S &&
                   (int)FP_PC_D == (int)PC_D,
               "completers are passed through");

FMA_HANDLER(fma, 0)
FMA_HANDLER(fms, FP_NEG_ADD)
FMA_HANDLER(fnma, FP_NEG_PROD)
FPMA_HANDLER(fpma, 0)
FPMA_HANDLER(fpms, FP_NEG_ADD)
FPMA_HANDLER(fpnma, FP_NEG_PROD)

#define XMA_HANDLER(name, op)                                                                      \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        fr_set(c, u->r1,                                                                           \
               fp_xma(fr_get(c, u->r3, gen), fr_get(c, u->r4, gen), fr_get(c, u->r2, gen), op),    \
               gen);                                                                               \
        return uop_next(c, u);                                                                     \
    }                                                                                              \
    UOP_DEFINE(name)
XMA_HANDLER(xma_l, FP_XMA_L)
XMA_HANDLER(xma_h, FP_XMA_H)
XMA_HANDLER(xma_hu, FP_XMA_HU)

UOP_BODY(fselect)
{
    fr_set(c, u->r1,
           fp_bitselect(fr_get(c, u->r3, gen), fr_get(c, u->r4, gen), fr_get(c, u->r2, gen)), gen);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(fselect)

/* --- compares --- */

ALWAYS_INLINE void set_pair(struct cpu *c, const struct uop *u, bool p1, bool p2, bool gen)
{
    pr_set(c, u->p1, p1, gen);
    pr_set(c, u->p2, p2, gen);
}

ALWAYS_INLINE const struct uop *compare(struct cpu *c, const struct uop *u, enum fp_rel rel,
                                        bool gen)
{
    if (!pr_get(c, u->qp, gen)) {
        if (u->sub == CT_UNC)
            set_pair(c, u, false, false, gen);
        return uop_next(c, u);
    }
    struct fpout o = fp_cmp(fr_get(c, u->r2, gen), fr_get(c, u->r3, gen), rel, c->fpsr, u->sf);
    if (unlikely(o.fault))
        return fault_vector(c, u, VEC_FP_FAULT, o.fault);
    add_flags(c, u, o.flags);
    set_pair(c, u, o.p1, o.p2, gen);
    return uop_next(c, u);
}

#define CMP_HANDLER(name, rel)                                                                     \
    static const struct uop *name##_fast(struct cpu *c, const struct uop *u)                       \
    {                                                                                              \
        return compare(c, u, rel, false);                                                          \
    }                                                                                              \
    static const struct uop *name##_gen(struct cpu *c, const struct uop *u)                        \
    {                                                                                              \
        return compare(c, u, rel, true);                                                           \
    }
CMP_HANDLER(fcmp_eq, FP_EQ)
CMP_HANDLER(fcmp_lt, FP_LT)
CMP_HANDLER(fcmp_le, FP_LE)
CMP_HANDLER(fcmp_unord, FP_UNORD)

static const struct uop *fclass_gen(struct cpu *c, const struct uop *u)
{
    const struct fpreg *f = fr_get(c, u->r2, true);
    unsigned mask = (unsigned)u->imm;

    if (!pr_get(c, u->qp, true)) {
        if (u->sub == CT_UNC)
            set_pair(c, u, false, false, true);
        return uop_next(c, u);
    }
    bool in = fp_class(f, mask);
    bool unknown = fp_is_natval(f) && !(mask & FPC_NAT);
    set_pair(c, u, in, !in && !unknown, true);
    return uop_next(c, u);
}

/* Equal predicate targets: Illegal Operation if the predicate is 1 or the type is unc. */
static const struct uop *same_targets_x(struct cpu *c, const struct uop *u)
{
    if (u->sub != CT_UNC && !pr_get(c, u->qp, true))
        return uop_next(c, u);
    return fault_illegal(c, u);
}

/* --- approximations --- */

/* A false predicate clears p2; f0 and f1 as target count only with a true one. */
#define RCPA_HANDLER(name, call)                                                                   \
    static const struct uop *name##_gen(struct cpu *c, const struct uop *u)                        \
    {                                                                                              \
        if (!pr_get(c, u->qp, true)) {                                                             \
            pr_set(c, u->p2, false, true);                                                         \
            return uop_next(c, u);                                                                 \
        }                                                                                          \
        if (u->r1 < 2)                                                                             \
            return fault_illegal(c, u);                                                            \
        struct fpout o = call;                                                                     \
        if (!o.fault)                                                                              \
            pr_set(c, u->p2, o.p2, true);                                                          \
        return finish(c, u, o, true);                                                              \
    }
RCPA_HANDLER(frcpa, fp_rcpa(fr_get(c, u->r2, true), fr_get(c, u->r3, true), c->fpsr, u->sf))
RCPA_HANDLER(fprcpa, fp_prcpa(fr_get(c, u->r2, true), fr_get(c, u->r3, true), c->fpsr, u->sf))
RCPA_HANDLER(frsqrta, fp_rsqrta(fr_get(c, u->r3, true), c->fpsr, u->sf))
RCPA_HANDLER(fprsqrta, fp_prsqrta(fr_get(c, u->r3, true), c->fpsr, u->sf))

/* --- two operands with flags --- */

#define TWO_HANDLER(name, function, op)                                                            \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        return finish(c, u,                                                                        \
                      function(fr_get(c, u->r2, gen), fr_get(c, u->r3, gen), op, c->fpsr, u->sf),  \
                      gen);                                                                        \
    }                                                                                              \
    UOP_DEFINE_GEN(name)
TWO_HANDLER(fmin, fp_select_minmax, FP_MIN)
TWO_HANDLER(fmax, fp_select_minmax, FP_MAX)
TWO_HANDLER(famin, fp_select_minmax, FP_AMIN)
TWO_HANDLER(famax, fp_select_minmax, FP_AMAX)
TWO_HANDLER(fpmin, fp_pminmax, FP_MIN)
TWO_HANDLER(fpmax, fp_pminmax, FP_MAX)
TWO_HANDLER(fpamin, fp_pminmax, FP_AMIN)
TWO_HANDLER(fpamax, fp_pminmax, FP_AMAX)
TWO_HANDLER(fpcmp_eq, fp_pcmp, FP_EQ)
TWO_HANDLER(fpcmp_lt, fp_pcmp, FP_LT)
TWO_HANDLER(fpcmp_le, fp_pcmp, FP_LE)
TWO_HANDLER(fpcmp_unord, fp_pcmp, FP_UNORD)
TWO_HANDLER(fpcmp_neq, fp_pcmp, FP_EQ | FP_CMP_NOT)
TWO_HANDLER(fpcmp_nlt, fp_pcmp, FP_LT | FP_CMP_NOT)
TWO_HANDLER(fpcmp_nle, fp_pcmp, FP_LE | FP_CMP_NOT)
TWO_HANDLER(fpcmp_ord, fp_pcmp, FP_UNORD | FP_CMP_NOT)

/* --- merge and logical --- */

#define MOVE_BODY(name, function, op)                                                              \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        fr_set(c, u->r1, function(fr_get(c, u->r2, gen), fr_get(c, u->r3, gen), op), gen);         \
        return uop_next(c, u);                                                                     \
    }
#define MERGE_HANDLER(name, op)                                                                    \
    MOVE_BODY(name, fp_merge, op)                                                                  \
    UOP_DEFINE(name)
#define LOGIC_HANDLER(name, op)                                                                    \
    MOVE_BODY(name, fp_logic, op)                                                                  \
    UOP_DEFINE_GEN(name)
MERGE_HANDLER(fmerge_s, FP_MERGE_S)
MERGE_HANDLER(fmerge_ns, FP_MERGE_NS)
MERGE_HANDLER(fmerge_se, FP_MERGE_SE)
LOGIC_HANDLER(fmix_lr, FP_MIX_LR)
LOGIC_HANDLER(fmix_r, FP_MIX_R)
LOGIC_HANDLER(fmix_l, FP_MIX_L)
LOGIC_HANDLER(fsxt_r, FP_SXT_R)
LOGIC_HANDLER(fsxt_l, FP_SXT_L)
LOGIC_HANDLER(fpack, FP_PACK)
LOGIC_HANDLER(fswap, FP_SWAP)
LOGIC_HANDLER(fswap_nl, FP_SWAP_NL)
LOGIC_HANDLER(fswap_nr, FP_SWAP_NR)
LOGIC_HANDLER(fand, FP_AND)
LOGIC_HANDLER(fandcm, FP_ANDCM)
LOGIC_HANDLER(for, FP_OR)
LOGIC_HANDLER(fxor, FP_XOR)
LOGIC_HANDLER(fpmerge_s, FP_PMERGE_S)
LOGIC_HANDLER(fpmerge_ns, FP_PMERGE_NS)
LOGIC_HANDLER(fpmerge_se, FP_PMERGE_SE)

/* --- conversions --- */

#define CVT_BODY(name, function, how)                                                              \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        return finish(c, u, function(fr_get(c, u->r2, gen), how, c->fpsr, u->sf), gen);            \
    }
#define CVT_HANDLER(name, how)                                                                     \
    CVT_BODY(name, fp_cvt_fx, how)                                                                 \
    UOP_DEFINE(name)
#define PCVT_HANDLER(name, how)                                                                    \
    CVT_BODY(name, fp_pcvt_fx, how)                                                                \
    UOP_DEFINE_GEN(name)
CVT_HANDLER(fcvt_fx, 0)
CVT_HANDLER(fcvt_fxu, FP_CVT_UNSIGNED)
CVT_HANDLER(fcvt_fx_trunc, FP_CVT_TRUNC)
CVT_HANDLER(fcvt_fxu_trunc, FP_CVT_UNSIGNED | FP_CVT_TRUNC)
PCVT_HANDLER(fpcvt_fx, 0)
PCVT_HANDLER(fpcvt_fxu, FP_CVT_UNSIGNED)
PCVT_HANDLER(fpcvt_fx_trunc, FP_CVT_TRUNC)
PCVT_HANDLER(fpcvt_fxu_trunc, FP_CVT_UNSIGNED | FP_CVT_TRUNC)

UOP_BODY(fcvt_xf)
{
    fr_set(c, u->r1, fp_cvt_xf(fr_get(c, u->r2, gen)), gen);
    return uop_next(c, u);
}
UOP_DEFINE(fcvt_xf)

/* --- setf and getf --- */

#define SETF_HANDLER(name, convert)                                                                \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        bool nat = gr_nat(c, u->r2, gen);                                                          \
        uint64_t v = gr_get(c, u->r2, gen);                                                        \
        fr_set(c, u->r1, unlikely(nat) ? fp_natval() : convert, gen);                              \
        return uop_next(c, u);                                                                     \
    }                                                                                              \
    UOP_DEFINE(name)
SETF_HANDLER(setf_sig, fp_from_sig(v))
SETF_HANDLER(setf_exp, fp_from_exp(v))
SETF_HANDLER(setf_s, fp_from_single((uint32_t)v))
SETF_HANDLER(setf_d, fp_from_double(v))

/* A NaTVal becomes a NaT. In a fast block that ends what its handlers may assume. */
static const struct uop *getf_nat(struct cpu *c, const struct uop *u, bool gen)
{
    gr_set_nat(c, u->r1, 0);
    if (gen)
        return uop_next(c, u);
    cpu_update_mode(c);
    return uop_exit_after(c, u);
}

#define GETF_HANDLER(name, convert)                                                                \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        const struct fpreg *f = fr_get(c, u->r2, gen);                                             \
        if (unlikely(fp_is_natval(f)))                                                             \
            return getf_nat(c, u, gen);                                                            \
        gr_set(c, u->r1, convert, false, gen);                                                     \
        return uop_next(c, u);                                                                     \
    }                                                                                              \
    UOP_DEFINE(name)
GETF_HANDLER(getf_sig, f->sig)
GETF_HANDLER(getf_exp, f->exp)
GETF_HANDLER(getf_s, fp_to_single(f))
GETF_HANDLER(getf_d, fp_to_double(f))

/* --- status fields --- */

UOP_BODY(fsetc)
{
    uint64_t fpsr = fp_setc(c->fpsr, u->sf, u->pos, u->len);
    (void)gen;
    if (fpsr == FPSR_RESERVED)
        return fault_genex(c, u, GENEX_RESERVED);
    c->fpsr = fpsr;
    return uop_next(c, u);
}
UOP_DEFINE_GEN(fsetc)

UOP_BODY(fclrf)
{
    (void)gen;
    c->fpsr = fp_clrf(c->fpsr, u->sf);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(fclrf)

UOP_BODY(fchkf)
{
    (void)gen;
    if (fp_chkf(c->fpsr, u->sf))
        return uop_goto(c, u, uop_ip(c, u) + (uint64_t)u->imm);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(fchkf)

/* --- choice --- */

static const struct uop_pair handlers[OP_COUNT] = {
    UOP_PAIR(OP_fma, fma),
    UOP_PAIR(OP_fms, fms),
    UOP_PAIR(OP_fnma, fnma),
    UOP_PAIR_GEN(OP_fpma, fpma),
    UOP_PAIR_GEN(OP_fpms, fpms),
    UOP_PAIR_GEN(OP_fpnma, fpnma),
    UOP_PAIR(OP_xma_l, xma_l),
    UOP_PAIR(OP_xma_h, xma_h),
    UOP_PAIR(OP_xma_hu, xma_hu),
    UOP_PAIR_GEN(OP_fselect, fselect),
    UOP_PAIR(OP_fcmp_eq, fcmp_eq),
    UOP_PAIR(OP_fcmp_lt, fcmp_lt),
    UOP_PAIR(OP_fcmp_le, fcmp_le),
    UOP_PAIR(OP_fcmp_unord, fcmp_unord),
    UOP_PAIR_GEN(OP_fclass, fclass),
    UOP_PAIR_GEN(OP_frcpa, frcpa),
    UOP_PAIR_GEN(OP_frsqrta, frsqrta),
    UOP_PAIR_GEN(OP_fprcpa, fprcpa),
    UOP_PAIR_GEN(OP_fprsqrta, fprsqrta),
    UOP_PAIR_GEN(OP_fmin, fmin),
    UOP_PAIR_GEN(OP_fmax, fmax),
    UOP_PAIR_GEN(OP_famin, famin),
    UOP_PAIR_GEN(OP_famax, famax),
    UOP_PAIR_GEN(OP_fpmin, fpmin),
    UOP_PAIR_GEN(OP_fpmax, fpmax),
    UOP_PAIR_GEN(OP_fpamin, fpamin),
    UOP_PAIR_GEN(OP_fpamax, fpamax),
    UOP_PAIR_GEN(OP_fpcmp_eq, fpcmp_eq),
    UOP_PAIR_GEN(OP_fpcmp_lt, fpcmp_lt),
    UOP_PAIR_GEN(OP_fpcmp_le, fpcmp_le),
    UOP_PAIR_GEN(OP_fpcmp_unord, fpcmp_unord),
    UOP_PAIR_GEN(OP_fpcmp_neq, fpcmp_neq),
    UOP_PAIR_GEN(OP_fpcmp_nlt, fpcmp_nlt),
    UOP_PAIR_GEN(OP_fpcmp_nle, fpcmp_nle),
    UOP_PAIR_GEN(OP_fpcmp_ord, fpcmp_ord),
    UOP_PAIR(OP_fmerge_s, fmerge_s),
    UOP_PAIR(OP_fmerge_ns, fmerge_ns),
    UOP_PAIR(OP_fmerge_se, fmerge_se),
    UOP_PAIR_GEN(OP_fmix_lr, fmix_lr),
    UOP_PAIR_GEN(OP_fmix_r, fmix_r),
    UOP_PAIR_GEN(OP_fmix_l, fmix_l),
    UOP_PAIR_GEN(OP_fsxt_r, fsxt_r),
    UOP_PAIR_GEN(OP_fsxt_l, fsxt_l),
    UOP_PAIR_GEN(OP_fpack, fpack),
    UOP_PAIR_GEN(OP_fswap, fswap),
    UOP_PAIR_GEN(OP_fswap_nl, fswap_nl),
    UOP_PAIR_GEN(OP_fswap_nr, fswap_nr),
    UOP_PAIR_GEN(OP_fand, fand),
    UOP_PAIR_GEN(OP_fandcm, fandcm),
    UOP_PAIR_GEN(OP_for, for),
    UOP_PAIR_GEN(OP_fxor, fxor),
    UOP_PAIR_GEN(OP_fpmerge_s, fpmerge_s),
    UOP_PAIR_GEN(OP_fpmerge_ns, fpmerge_ns),
    UOP_PAIR_GEN(OP_fpmerge_se, fpmerge_se),
    UOP_PAIR(OP_fcvt_fx, fcvt_fx),
    UOP_PAIR(OP_fcvt_fxu, fcvt_fxu),
    UOP_PAIR(OP_fcvt_fx_trunc, fcvt_fx_trunc),
    UOP_PAIR(OP_fcvt_fxu_trunc, fcvt_fxu_trunc),
    UOP_PAIR_GEN(OP_fpcvt_fx, fpcvt_fx),
    UOP_PAIR_GEN(OP_fpcvt_fxu, fpcvt_fxu),
    UOP_PAIR_GEN(OP_fpcvt_fx_trunc, fpcvt_fx_trunc),
    UOP_PAIR_GEN(OP_fpcvt_fxu_trunc, fpcvt_fxu_trunc),
    UOP_PAIR(OP_fcvt_xf, fcvt_xf),
    UOP_PAIR(OP_setf_sig, setf_sig),
    UOP_PAIR(OP_setf_exp, setf_exp),
    UOP_PAIR(OP_setf_s, setf_s),
    UOP_PAIR(OP_setf_d, setf_d),
    UOP_PAIR(OP_getf_sig, getf_sig),
    UOP_PAIR(OP_getf_exp, getf_exp),
    UOP_PAIR(OP_getf_s, getf_s),
    UOP_PAIR(OP_getf_d, getf_d),
    UOP_PAIR_GEN(OP_fsetc, fsetc),
    UOP_PAIR_GEN(OP_fclrf, fclrf),
    UOP_PAIR_GEN(OP_fchkf, fchkf),
};

enum target { TARGET_FR, TARGET_GR, TARGET_PAIR, TARGET_OTHER };

static enum target target_of(unsigned op)
{
    switch (op) {
    case OP_getf_sig:
    case OP_getf_exp:
    case OP_getf_s:
    case OP_getf_d:
        return TARGET_GR;
    case OP_fcmp_eq:
    case OP_fcmp_lt:
    case OP_fcmp_le:
    case OP_fcmp_unord:
    case OP_fclass:
        return TARGET_PAIR;
    case OP_frcpa:
    case OP_frsqrta:
    case OP_fprcpa:
    case OP_fprsqrta: /* look at their target themselves */
    case OP_fsetc:
    case OP_fclrf:
    case OP_fchkf:
        return TARGET_OTHER;
    default:
        return TARGET_FR;
    }
}

/* NULL makes the operation illegal (if its predicate is true): targets r0, f0 and f1. */
uop_fn *exec_fp_handler(const struct insn *i, bool gen)
{
    uop_fn *fn = gen ? handlers[i->op].gen : handlers[i->op].fast;

    if (!fn)
        return NULL;
    switch (target_of(i->op)) {
    case TARGET_FR:
        return i->r1 < 2 ? NULL : fn;
    case TARGET_GR:
        return i->r1 == 0 ? NULL : fn;
    case TARGET_PAIR:
        return i->p1 == i->p2 ? same_targets_x : fn;
    default:
        return fn;
    }
}
