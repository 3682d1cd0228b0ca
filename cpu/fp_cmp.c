/* Compares, minimum and maximum, classification.
 *
 * Writes no predicates: the callers know the compare types. SDM 3:2 fcmp, fclass, fmax, famax.
 */
#include "fp_impl.h"

/* Order of two operands that are no NaNs, by value: -1, 0, 1. */
static int compare_magnitude(const struct fpreg *a, unsigned ca, const struct fpreg *b, unsigned cb)
{
    if ((ca | cb) & FP_C_INF) {
        return (int)(ca & FP_C_INF) / FP_C_INF - (int)(cb & FP_C_INF) / FP_C_INF;
    }
    if ((ca | cb) & FP_C_NULL) {
        return ((cb & FP_C_NULL) != 0) - ((ca & FP_C_NULL) != 0);
    }
    struct fp_num x = fp_unpack(a), y = fp_unpack(b);
    if (x.exp != y.exp) {
        return x.exp < y.exp ? -1 : 1;
    }
    return (x.sig > y.sig) - (x.sig < y.sig);
}

static int compare(const struct fpreg *a, unsigned ca, const struct fpreg *b, unsigned cb)
{
    if (ca & cb & FP_C_NULL) {
        return 0;
    }
    /* FP_C_NULL covers two bits: a true zero and a pseudo-zero are equal too. */
    if ((ca & FP_C_NULL) && (cb & FP_C_NULL)) {
        return 0;
    }
    bool na = (a->exp & FP_SIGN) != 0, nb = (b->exp & FP_SIGN) != 0;
    if (na != nb) {
        return na ? -1 : 1;
    }
    int m = compare_magnitude(a, ca, b, cb);
    return na ? -m : m;
}

static bool relation_holds(enum fp_rel rel, int order)
{
    switch (rel) {
    case FP_EQ:
        return order == 0;
    case FP_LT:
        return order < 0;
    case FP_LE:
        return order <= 0;
    default:
        return false;
    }
}

void fp_cmp_env(struct fpout *o, const struct fpreg *f2, const struct fpreg *f3, enum fp_rel rel,
                const struct fp_env *e)
{
    unsigned c2 = fp_classify(f2), c3 = fp_classify(f3), all = c2 | c3;
    fp_clear(o);
    if (all & FP_C_NAT) {
        return;
    }
    if (all & (FP_C_NAN | FP_C_UNSUPP)) {
        /* A quiet NaN is invalid only where an order is asked for. */
        bool quiet = !(all & (FP_C_SNAN | FP_C_UNSUPP)) && (rel == FP_EQ || rel == FP_UNORD);
        if (!quiet && !fp_condition(o, e, FPF_V)) {
            return;
        }
        o->p1 = rel == FP_UNORD;
    } else {
        if (!fp_check_unorm(o, e, all)) {
            return;
        }
        o->p1 = rel != FP_UNORD && relation_holds(rel, compare(f2, c2, f3, c3));
    }
    o->p2 = !o->p1;
}

struct fpout fp_cmp(const struct fpreg *f2, const struct fpreg *f3, enum fp_rel rel, uint64_t fpsr,
                    unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    fp_cmp_env(&o, f2, f3, rel, &e);
    return o;
}

/* The result is one of the operands unchanged; f3 if one is a NaN or both are equal. */
void fp_minmax_env(struct fpout *o, const struct fpreg *f2, const struct fpreg *f3,
                   enum fp_minmax op, const struct fp_env *e)
{
    unsigned c2 = fp_classify(f2), c3 = fp_classify(f3), all = c2 | c3;
    fp_clear(o);
    if (all & FP_C_NAT) {
        o->r = fp_natval();
        return;
    }
    if (all & (FP_C_NAN | FP_C_UNSUPP)) {
        if (fp_condition(o, e, FPF_V)) {
            o->r = *f3;
        }
        return;
    }
    if (!fp_check_unorm(o, e, all)) {
        return;
    }
    int order;
    if (op == FP_AMIN || op == FP_AMAX) {
        struct fpreg a = *f2, b = *f3;
        a.exp &= FP_EXP_MASK;
        b.exp &= FP_EXP_MASK;
        order = compare(&a, c2, &b, c3);
    } else {
        order = compare(f2, c2, f3, c3);
    }
    bool take2 = op == FP_MIN || op == FP_AMIN ? order < 0 : order > 0;
    o->r = take2 ? *f2 : *f3;
}

struct fpout fp_select_minmax(const struct fpreg *f2, const struct fpreg *f3, enum fp_minmax op,
                              uint64_t fpsr, unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    fp_minmax_env(&o, f2, f3, op, &e);
    return o;
}

bool fp_class(const struct fpreg *f2, unsigned mask)
{
    unsigned c = fp_classify(f2);
    if (c & (FP_C_NAT | FP_C_QNAN | FP_C_SNAN)) {
        unsigned bit = c & FP_C_NAT ? FPC_NAT : c & FP_C_QNAN ? FPC_QNAN : FPC_SNAN;
        return (mask & bit) != 0;
    }
    if (c & FP_C_UNSUPP || !(mask & (f2->exp & FP_SIGN ? FPC_NEG : FPC_POS))) {
        return false;
    }
    unsigned bit = c & FP_C_INF     ? FPC_INF
                   : c & FP_C_UNORM ? FPC_UNRM
                   : c & FP_C_ZERO  ? FPC_ZERO
                                    : FPC_NORM;
    return (mask & bit) != 0;
}
