/* Register format from what translated code left instead. See fr_double.h. */
#include "fr_double.h"
#include "interp.h"

/* FPSR as it is while divisions are left over: traps disabled, sf1 for intermediate results. */
#define FPSR_USUAL 0x9804c0270033full

static bool in(const uint64_t set[2], unsigned n)
{
    return set[n >> 6] >> (n & 63) & 1;
}

/* Runs the sequence on registers of its own; what is between its instructions does not matter. */
static void run_division(const struct cpu *c, const struct fr_division *p, struct fpreg v[128])
{
    const struct uop *u = p->seq;

    v[0] = c->fr[0];
    v[1] = c->fr[1];
    v[u->r2] = p->doubles ? fp_from_double(p->n.sig) : p->n;
    v[u->r3] = p->doubles ? fp_from_double(p->d.sig) : p->d;
    v[u->r1] = fp_rcpa(&v[u->r2], &v[u->r3], FPSR_USUAL, u->sf).r;
    for (u++; u <= p->last; u++)
        if (u->op == OP_fma || u->op == OP_fnma)
            v[u->r1] = fp_fma(&v[u->r3], &v[u->r4], u->r2 ? &v[u->r2] : NULL,
                              u->op == OP_fnma ? FP_NEG_PROD : 0, u->sub, FPSR_USUAL, u->sf)
                           .r;
}

static void settle_division(struct cpu *c, const struct fr_division *p)
{
    const uint64_t left[2] = {p->left[0] & c->fr_lazy[0] & ~c->fr_dbl[0],
                              p->left[1] & c->fr_lazy[1] & ~c->fr_dbl[1]};
    struct fpreg v[128];

    if (!(left[0] | left[1]))
        return;
    run_division(c, p, v);
    for (unsigned n = 2; n < 128; n++)
        if (in(left, n))
            c->fr[n] = v[n];
}

void fr_settle_lazy(struct cpu *c)
{
    if (!(c->fr_lazy[0] | c->fr_lazy[1]))
        return;
    for (unsigned k = 0; k < FR_DIVISIONS; k++)
        settle_division(c, &c->division[k]);
    c->fr_lazy[0] = c->fr_lazy[1] = 0;
}

void fr_settle(struct cpu *c, unsigned n)
{
    if (in(c->fr_dbl, n))
        fr_put(c, n, fp_from_double(c->fd[n]));
    else
        fr_settle_lazy(c);
}

/* --- integers --- */

/* The magnitude of a register that holds an integer of up to 64 bits other than zero. */
static bool as_magnitude(const struct fpreg *f, uint64_t *v)
{
    uint32_t down = FP_EXP_INT - (f->exp & FP_EXP_MASK);

    *v = f->sig >> (down & 63);
    return down < 64 && (int64_t)f->sig < 0 && *v << down == f->sig;
}

bool fr_divide_integers(struct cpu *c, const struct uop *seq, const struct uop *last,
                        struct fr_division *p)
{
    /* Intermediate results are inexact, the conversion mostly: flagged already, or they would be.
     */
    const uint64_t mask = FPSR_SF_CONTROLS | FPF_I << 7, usual = FPSR_USUAL >> FPSR_SF_SHIFT(1);
    const struct fpreg n = c->fr[seq->r2], d = c->fr[seq->r3];
    bool negative = (n.exp ^ d.exp) & FP_SIGN;
    uint64_t a, b, q;

    if ((c->fpsr >> FPSR_SF_SHIFT(1) & mask) != ((usual & FPSR_SF_CONTROLS) | FPF_I << 7))
        return false;
    if (!as_magnitude(&n, &a) || !as_magnitude(&d, &b))
        return false;
    q = a / b;
    if (last->op == OP_fcvt_fxu_trunc ? ((n.exp | d.exp) & FP_SIGN) != 0
                                      : q > (uint64_t)INT64_MAX + negative)
        return false;
    p->seq = seq;
    p->last = last;
    p->n = n;
    p->d = d;
    p->doubles = false;
    fr_put(c, last->r1, fp_from_sig(negative ? 0 - q : q));
    return true;
}

/* --- doubles --- */

/* The double in memory format, if there is one and the value is no NaN. */
static bool as_double(const struct fpreg *f, uint64_t *d)
{
    uint32_t e = f->exp & FP_EXP_MASK;
    bool normal = e - 0xfc01 < 0x7fe && (f->sig & (FP_INT_BIT | 0x7ff)) == FP_INT_BIT;
    bool denormal = e == 0xfc01 && f->sig != 0 && (f->sig & (FP_INT_BIT | 0x7ff)) == 0;
    bool zero = e == 0 && f->sig == 0;
    bool infinite = e == FP_EXP_SPEC && f->sig == FP_INT_BIT;

    *d = fp_to_double(f);
    return normal || denormal || zero || infinite;
}

bool fr_to_double(struct cpu *c, unsigned n)
{
    if (in(c->fr_dbl, n))
        return true;
    if (in(c->fr_lazy, n))
        fr_settle_lazy(c);
    if (!as_double(&c->fr[n], &c->fd[n]))
        return false;
    c->fr_dbl[n >> 6] |= 1ull << (n & 63);
    return true;
}
