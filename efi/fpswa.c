/* The floating-point software assistance service.
 *
 * Does not emulate what the processor completes by itself (cpu/fp.h never asks for assistance in a
 * trap), so a trap is only sorted into "to be signalled" or "cannot be". The layout of the FP state
 * is that of the operating systems' own headers (Linux asm/fpswa.h, FreeBSD efifpswa.h).
 */
#include "fpswa.h"
#include <stddef.h>
#include "insn.h"

enum arg { ARG_TYPE, ARG_BUNDLE, ARG_IPSR, ARG_FPSR, ARG_ISR, ARG_PREDS, ARG_IFS, ARG_STATE };

/* struct fp_state: which registers were saved and where; the others are still in the CPU. */
struct fp_state {
    uint64_t saved[2]; /* bit n: f(n) is in memory */
    uint64_t part[4];  /* f2..f5, f6..f15, f16..f31, f32..f127; 16 bytes each */
};

/* What one call works on: guest values read in, written back when the instruction is complete. */
struct fpswa {
    struct cpu *c;
    const uint64_t *args;
    uint64_t ipsr, fpsr, isr, preds, ifs;
    struct fp_state state;
    struct insn insn;
};

/* CFM fields of cr.ifs (SDM 1:3.1.7). */
static unsigned rrb_fr(const struct fpswa *s)
{
    return s->ifs >> 63 ? (unsigned)(s->ifs >> 25) & 0x7f : 0;
}

static unsigned rrb_pr(const struct fpswa *s)
{
    return s->ifs >> 63 ? (unsigned)(s->ifs >> 32) & 0x3f : 0;
}

static unsigned physical_fr(const struct fpswa *s, unsigned n)
{
    return n < 32 ? n : 32 + (n - 32 + rrb_fr(s)) % 96;
}

static unsigned physical_pr(const struct fpswa *s, unsigned n)
{
    return n < 16 ? n : 16 + (n - 16 + rrb_pr(s)) % 48;
}

/* Guest address of a saved register, 0 if it is in the CPU. n is a physical number. */
static uint64_t saved_at(const struct fpswa *s, unsigned n)
{
    static const uint8_t first[4] = {2, 6, 16, 32};
    unsigned part = n < 6 ? 0 : n < 16 ? 1 : n < 32 ? 2 : 3;
    if (n < 2 || !(s->state.saved[n / 64] >> (n % 64) & 1) || !s->state.part[part]) {
        return 0;
    }
    return s->state.part[part] + 16ull * (n - first[part]);
}

static bool read_fr(const struct fpswa *s, unsigned n, struct fpreg *f)
{
    unsigned phys = physical_fr(s, n);
    uint64_t at = saved_at(s, phys), w[2];
    if (!at) {
        *f = s->c->fr[phys];
        return true;
    }
    if (cpu_virt_read(s->c, at, w, sizeof w) < 0) {
        return false;
    }
    *f = fp_from_fill(w[0], w[1]);
    return true;
}

static bool write_fr(struct fpswa *s, unsigned n, struct fpreg f)
{
    unsigned phys = physical_fr(s, n);
    uint64_t at = saved_at(s, phys);
    s->ipsr |= n < 32 ? PSR_MFL : PSR_MFH;
    if (!at) {
        s->c->fr[phys] = f;
        return true;
    }
    uint64_t w[2] = {f.sig, fp_to_spill_hi(&f)};
    return cpu_virt_write(s->c, at, w, sizeof w) == 0;
}

static bool read_word(const struct fpswa *s, enum arg a, uint64_t *v)
{
    return cpu_virt_read(s->c, s->args[a], v, sizeof *v) == 0;
}

static bool read_arguments(struct fpswa *s)
{
    uint64_t bundle[2];
    if (cpu_virt_read(s->c, s->args[ARG_BUNDLE], bundle, sizeof bundle) < 0 ||
        cpu_virt_read(s->c, s->args[ARG_STATE], &s->state, sizeof s->state) < 0 ||
        !read_word(s, ARG_IPSR, &s->ipsr) || !read_word(s, ARG_FPSR, &s->fpsr) ||
        !read_word(s, ARG_ISR, &s->isr) || !read_word(s, ARG_PREDS, &s->preds) ||
        !read_word(s, ARG_IFS, &s->ifs)) {
        return false;
    }
    struct insn_bundle b = insn_unpack(bundle[0], bundle[1]);
    unsigned slot = (unsigned)(s->isr >> ISR_EI_SHIFT) & 3;
    if (slot > 2 || !insn_templates[b.tmpl].valid || insn_templates[b.tmpl].unit[slot] != UNIT_F) {
        return false;
    }
    insn_decode(UNIT_F, b.slot[slot], 0, &s->insn);
    return true;
}

static bool write_results(const struct fpswa *s)
{
    return cpu_virt_write(s->c, s->args[ARG_IPSR], &s->ipsr, 8) == 0 &&
           cpu_virt_write(s->c, s->args[ARG_FPSR], &s->fpsr, 8) == 0 &&
           cpu_virt_write(s->c, s->args[ARG_ISR], &s->isr, 8) == 0 &&
           cpu_virt_write(s->c, s->args[ARG_PREDS], &s->preds, 8) == 0;
}

/* Operands in the order of the instruction fields; f2 is also the addend of multiply-adds. */
struct operands {
    struct fpreg f2, f3, f4;
};

static struct fpout multiply_add(const struct fpswa *s, const struct operands *x)
{
    const struct insn *i = &s->insn;
    const struct fpreg *f2 = i->r2 ? &x->f2 : NULL;
    bool parallel = i->op == OP_fpma || i->op == OP_fpms || i->op == OP_fpnma;
    unsigned neg = i->op == OP_fms || i->op == OP_fpms     ? FP_NEG_ADD
                   : i->op == OP_fnma || i->op == OP_fpnma ? FP_NEG_PROD
                                                           : 0;
    if (parallel) {
        return fp_pma(&x->f3, &x->f4, f2, neg, s->fpsr, i->sf);
    }
    return fp_fma(&x->f3, &x->f4, f2, neg, i->sub, s->fpsr, i->sf);
}

static struct fpout compare(const struct fpswa *s, const struct operands *x)
{
    static const uint8_t parallel[] = {
        FP_EQ,
        FP_LT,
        FP_LE,
        FP_UNORD,
        FP_EQ | FP_CMP_NOT,
        FP_LT | FP_CMP_NOT,
        FP_LE | FP_CMP_NOT,
        FP_UNORD | FP_CMP_NOT,
    };
    unsigned op = s->insn.op;
    if (op >= OP_fcmp_eq && op <= OP_fcmp_unord) {
        return fp_cmp(&x->f2, &x->f3, FP_EQ + (op - OP_fcmp_eq), s->fpsr, s->insn.sf);
    }
    return fp_pcmp(&x->f2, &x->f3, parallel[op - OP_fpcmp_eq], s->fpsr, s->insn.sf);
}

/* frcpa and frsqrta: where the processor asks for assistance the result is the quotient or root
 * itself and p2 stays 0 (SDM 3:2). */
static struct fpout approximate(const struct fpswa *s, const struct operands *x)
{
    unsigned sf = s->insn.sf;
    struct fpout o;
    switch (s->insn.op) {
    case OP_fprcpa:
        return fp_prcpa(&x->f2, &x->f3, s->fpsr, sf);
    case OP_fprsqrta:
        return fp_prsqrta(&x->f3, s->fpsr, sf);
    case OP_frcpa:
        o = fp_rcpa(&x->f2, &x->f3, s->fpsr, sf);
        return o.fault == FPX_SWA ? fp_div(&x->f2, &x->f3, s->fpsr, sf) : o;
    default:
        o = fp_rsqrta(&x->f3, s->fpsr, sf);
        return o.fault == FPX_SWA ? fp_sqrt(&x->f3, s->fpsr, sf) : o;
    }
}

/* Computes an instruction that can raise an FP fault; false for all others. */
static bool compute(const struct fpswa *s, const struct operands *x, struct fpout *o)
{
    unsigned op = s->insn.op, sf = s->insn.sf;
    if (op >= OP_fma && op <= OP_fpnma) {
        *o = multiply_add(s, x);
    } else if ((op >= OP_fcmp_eq && op <= OP_fcmp_unord) ||
               (op >= OP_fpcmp_eq && op <= OP_fpcmp_ord)) {
        *o = compare(s, x);
    } else if (op >= OP_frcpa && op <= OP_fprsqrta) {
        *o = approximate(s, x);
    } else if (op >= OP_fmin && op <= OP_famax) {
        *o = fp_select_minmax(&x->f2, &x->f3, FP_MIN + (op - OP_fmin), s->fpsr, sf);
    } else if (op >= OP_fpmin && op <= OP_fpamax) {
        *o = fp_pminmax(&x->f2, &x->f3, FP_MIN + (op - OP_fpmin), s->fpsr, sf);
    } else if (op >= OP_fcvt_fx && op <= OP_fcvt_fxu_trunc) {
        *o = fp_cvt_fx(&x->f2, op - OP_fcvt_fx, s->fpsr, sf);
    } else if (op >= OP_fpcvt_fx && op <= OP_fpcvt_fxu_trunc) {
        *o = fp_pcvt_fx(&x->f2, op - OP_fpcvt_fx, s->fpsr, sf);
    } else {
        return false;
    }
    return true;
}

static void set_pr(struct fpswa *s, unsigned n, bool v)
{
    if (n) {
        uint64_t bit = 1ull << physical_pr(s, n);
        s->preds = (s->preds & ~bit) | (v ? bit : 0);
    }
}

/* Delivers the results an instruction has besides flags. */
static bool deliver(struct fpswa *s, const struct fpout *o)
{
    unsigned op = s->insn.op;
    if (op >= OP_fcmp_eq && op <= OP_fcmp_unord) {
        set_pr(s, s->insn.p1, o->p1);
        set_pr(s, s->insn.p2, o->p2);
        return true;
    }
    if (op >= OP_frcpa && op <= OP_fprsqrta) {
        set_pr(s, s->insn.p2, o->p2);
    }
    return s->insn.r1 >= 2 && write_fr(s, s->insn.r1, o->r);
}

static void set_isr_code(struct fpswa *s, unsigned code)
{
    s->isr = (s->isr & ~(uint64_t)0xffff) | code;
}

static uint64_t complete_fault(struct fpswa *s)
{
    struct operands x;
    struct fpout o;
    if (!read_fr(s, s->insn.r2, &x.f2) || !read_fr(s, s->insn.r3, &x.f3) ||
        !read_fr(s, s->insn.r4, &x.f4) || !compute(s, &x, &o)) {
        return FPSWA_ERROR;
    }
    uint64_t status = FPSWA_DONE;
    if (o.fault) {
        set_isr_code(s, o.fault);
        status = FPSWA_FAULT;
    } else {
        if (!deliver(s, &o)) {
            return FPSWA_ERROR;
        }
        s->fpsr = fpsr_add_flags(s->fpsr, s->insn.sf, o.flags);
        if (o.trap) {
            set_isr_code(s, o.trap);
            status = FPSWA_TRAP;
        }
    }
    return write_results(s) ? status : FPSWA_ERROR;
}

/* A trap: the result is there already. An enabled one is for the operating system to signal; one
 * that is not enabled did not come from this processor. */
static uint64_t sort_trap(const struct fpswa *s)
{
    uint64_t controls = s->fpsr >> FPSR_SF_SHIFT(s->insn.sf);
    unsigned enabled = ~(unsigned)s->fpsr & (FPF_O | FPF_U | FPF_I);
    unsigned raised = (unsigned)(s->isr >> 8 | s->isr >> 4) & (FPF_O | FPF_U | FPF_I);
    if (s->insn.sf != 0 && (controls & FPSR_SF_TD)) {
        enabled = 0;
    }
    return raised & enabled ? FPSWA_TRAP : FPSWA_ERROR;
}

uint64_t fpswa_call(struct cpu *c, const uint64_t args[8], uint64_t ret[4])
{
    struct fpswa s = {.c = c, .args = args};
    ret[1] = ret[2] = ret[3] = 0;
    cpu_settle_fr(c);
    if (!read_arguments(&s)) {
        ret[0] = FPSWA_ERROR;
    } else if (args[ARG_TYPE] & 1) {
        ret[0] = complete_fault(&s);
    } else {
        ret[0] = sort_trap(&s);
    }
    return ret[0];
}
