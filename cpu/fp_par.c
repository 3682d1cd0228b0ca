/* Parallel single-precision operations: the scalar rules applied to both halves of the
 * significand, each half a single in memory format.
 *
 * SDM 3:2 fpma to fpcvt; ISR codes of the two halves SDM 2:8.3.
 */
#include <stddef.h>
#include "fp_impl.h"

struct halves {
    struct fpreg hi, lo;
};

static struct halves split(const struct fpreg *f)
{
    return (struct halves){fp_from_single((uint32_t)(f->sig >> 32)),
                           fp_from_single((uint32_t)f->sig)};
}

/* Joins flags, faults and traps; r_hi and r_lo are the 32-bit results. */
static void join(struct fpout *o, const struct fpout *hi, const struct fpout *lo, uint32_t r_hi,
                 uint32_t r_lo)
{
    fp_clear(o);
    o->r = fp_from_sig((uint64_t)r_hi << 32 | r_lo);
    o->fault = (uint16_t)(hi->fault | lo->fault << 4);
    if (!o->fault) {
        unsigned low_trap = lo->trap & ~FPX_TRAP;
        o->flags = hi->flags | lo->flags;
        o->trap = (uint16_t)(hi->trap | low_trap >> 4 | (lo->trap & FPX_TRAP));
    }
}

static void join_singles(struct fpout *o, const struct fpout *hi, const struct fpout *lo)
{
    join(o, hi, lo, fp_to_single(&hi->r), fp_to_single(&lo->r));
}

static bool natval_result(struct fpout *o, bool is_nat)
{
    if (is_nat) {
        fp_clear(o);
        o->r = fp_natval();
    }
    return is_nat;
}

struct fpout fp_pma(const struct fpreg *f3, const struct fpreg *f4, const struct fpreg *f2,
                    unsigned neg, uint64_t fpsr, unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    if (natval_result(&o, fp_is_natval(f3) || fp_is_natval(f4) || (f2 && fp_is_natval(f2)))) {
        return o;
    }
    struct halves a = split(f3), b = split(f4), c = {0};
    if (f2) {
        c = split(f2);
    }
    struct fpout hi, lo;
    fp_fma_format(&hi, &a.hi, &b.hi, f2 ? &c.hi : NULL, neg, &fp_format_parallel, &e);
    fp_fma_format(&lo, &a.lo, &b.lo, f2 ? &c.lo : NULL, neg, &fp_format_parallel, &e);
    join_singles(&o, &hi, &lo);
    return o;
}

struct fpout fp_pcmp(const struct fpreg *f2, const struct fpreg *f3, unsigned rel, uint64_t fpsr,
                     unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    if (natval_result(&o, fp_is_natval(f2) || fp_is_natval(f3))) {
        return o;
    }
    struct halves a = split(f2), b = split(f3);
    struct fpout hi, lo;
    bool invert = (rel & FP_CMP_NOT) != 0;
    fp_cmp_env(&hi, &a.hi, &b.hi, rel & 3, &e);
    fp_cmp_env(&lo, &a.lo, &b.lo, rel & 3, &e);
    join(&o, &hi, &lo, hi.p1 != invert ? 0xffffffffu : 0, lo.p1 != invert ? 0xffffffffu : 0);
    return o;
}

struct fpout fp_pminmax(const struct fpreg *f2, const struct fpreg *f3, enum fp_minmax op,
                        uint64_t fpsr, unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    if (natval_result(&o, fp_is_natval(f2) || fp_is_natval(f3))) {
        return o;
    }
    struct halves a = split(f2), b = split(f3);
    struct fpout hi, lo;
    fp_minmax_env(&hi, &a.hi, &b.hi, op, &e);
    fp_minmax_env(&lo, &a.lo, &b.lo, op, &e);
    join_singles(&o, &hi, &lo);
    return o;
}

struct fpout fp_pcvt_fx(const struct fpreg *f2, unsigned how, uint64_t fpsr, unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    if (natval_result(&o, fp_is_natval(f2))) {
        return o;
    }
    struct halves a = split(f2);
    struct fpout hi, lo;
    fp_to_int(&hi, &a.hi, 32, how, &e);
    fp_to_int(&lo, &a.lo, 32, how, &e);
    join(&o, &hi, &lo, (uint32_t)hi.r.sig, (uint32_t)lo.r.sig);
    return o;
}

/* The reciprocal of one half. Unlike the scalar form there is no software assistance: out of
 * range cases clear the predicate instead. */
static void half_rcpa(struct fpout *o, const struct fpreg *f2, const struct fpreg *f3,
                      const struct fp_env *e)
{
    if (!fp_rcpa_special(o, f2, f3, e) ||
        !fp_check_unorm(o, e, fp_classify(f2) | fp_classify(f3))) {
        return;
    }
    uint32_t sign = f3->exp & FP_SIGN;
    struct fp_num n = fp_unpack(f2), d = fp_unpack(f3);
    if (d.exp < 0xff81) {
        o->r = fp_inf(sign); /* 1/denormal overflows the single format */
    } else if (d.exp >= 0xffff + 127 - 2) {
        o->r = fp_zero(sign); /* 1/huge would be a denormal */
    } else {
        int32_t est = n.exp - d.exp;
        o->r = fp_ieee_recip(&d);
        o->p2 = est < 127 && est > 2 - 127 && n.exp > 0xffff - 127 + 24;
    }
}

struct fpout fp_prcpa(const struct fpreg *f2, const struct fpreg *f3, uint64_t fpsr, unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    if (natval_result(&o, fp_is_natval(f2) || fp_is_natval(f3))) {
        return o;
    }
    struct halves a = split(f2), b = split(f3);
    struct fpout hi, lo;
    half_rcpa(&hi, &a.hi, &b.hi, &e);
    half_rcpa(&lo, &a.lo, &b.lo, &e);
    join_singles(&o, &hi, &lo);
    o.p2 = hi.p2 && lo.p2;
    return o;
}

static void half_rsqrta(struct fpout *o, const struct fpreg *f3, const struct fp_env *e)
{
    unsigned c = fp_classify(f3);
    fp_clear(o);
    if (!fp_rsqrta_valid(o, f3, c, e)) {
        return;
    }
    if (c & FP_C_INF) {
        o->r = fp_zero(0);
    } else if (!fp_check_unorm(o, e, c)) {
        return;
    } else if (c & FP_C_NULL) {
        o->r = fp_inf(f3->exp & FP_SIGN);
    } else {
        struct fp_num n = fp_unpack(f3);
        o->r = fp_ieee_recip_sqrt(&n);
        o->p2 = n.exp > 0xffff - 127 + 24;
    }
}

struct fpout fp_prsqrta(const struct fpreg *f3, uint64_t fpsr, unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    if (natval_result(&o, fp_is_natval(f3))) {
        return o;
    }
    struct halves a = split(f3);
    struct fpout hi, lo;
    half_rsqrta(&hi, &a.hi, &e);
    half_rsqrta(&lo, &a.lo, &e);
    join_singles(&o, &hi, &lo);
    o.p2 = hi.p2 && lo.p2;
    return o;
}
