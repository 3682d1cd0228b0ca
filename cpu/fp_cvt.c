/* Conversions between floating-point and integers.
 *
 * Memory formats are in fp_mem.c. SDM 3:2 fcvt.fx, fcvt.xf.
 */
#include "fp_impl.h"

/* Integer part of f with the bits below it, for exponents that fit 64 bits. */
static uint64_t integer_part(const struct fp_num *n, uint64_t *tail)
{
    int32_t shift = (int32_t)FP_EXP_INT - n->exp; /* 0: already an integer */
    if (shift == 0) {
        *tail = 0;
        return n->sig;
    }
    if (shift < 64) {
        *tail = n->sig << (64 - shift);
        return n->sig >> shift;
    }
    *tail = shift == 64 ? n->sig : 1;
    return 0;
}

/* Out of range, NaN, infinity, unsupported: the integer indefinite is the smallest integer. */
static void invalid_integer(struct fpout *o, const struct fp_env *e, unsigned bits)
{
    o->flags = 0;
    if (fp_condition(o, e, FPF_V)) {
        o->r.sig = 1ull << (bits - 1);
    }
}

void fp_to_int(struct fpout *o, const struct fpreg *f, unsigned bits, unsigned how,
               const struct fp_env *e)
{
    unsigned c = fp_classify(f);
    fp_clear(o);
    o->r.exp = FP_EXP_INT;
    if (c & FP_C_NULL) {
        fp_check_unorm(o, e, c);
        return;
    }
    struct fp_num n = {0};
    if (!(c & FP_C_SPECIAL)) {
        n = fp_unpack(f);
    }
    if ((c & FP_C_SPECIAL) || n.exp > (int32_t)(FP_EXP_INT - 64 + bits)) {
        invalid_integer(o, e, bits);
        return;
    }
    uint64_t tail;
    uint64_t v = integer_part(&n, &tail);
    unsigned rc = how & FP_CVT_TRUNC ? FP_RZ : e->rc;
    bool up = fp_increments(rc, n.sign != 0, v & 1, tail);
    v += up; /* cannot wrap: with a tail v has a leading zero bit */

    uint64_t max = ~0ull >> (64 - bits);
    if (how & FP_CVT_UNSIGNED) {
        max = n.sign ? 0 : max;
    } else {
        max = (max >> 1) + (n.sign != 0);
    }
    if (v > max) {
        invalid_integer(o, e, bits);
        return;
    }
    if (!fp_check_unorm(o, e, c)) {
        return;
    }
    o->r.sig = (n.sign ? 0 - v : v) & (~0ull >> (64 - bits));
    if (tail) {
        o->flags |= FPF_I;
        if (!(e->mask & FPF_I)) {
            o->trap = (uint16_t)(FPX_TRAP | FPX_I | (up ? FPX_FPA : 0));
        }
    }
}

struct fpout fp_cvt_fx(const struct fpreg *f2, unsigned how, uint64_t fpsr, unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    if (fp_is_natval(f2)) {
        fp_clear(&o);
        o.r = fp_natval();
        return o;
    }
    fp_to_int(&o, f2, 64, how, &e);
    return o;
}

struct fpreg fp_cvt_xf(const struct fpreg *f2)
{
    if (fp_is_natval(f2)) {
        return fp_natval();
    }
    if (f2->sig == 0) {
        return fp_zero(0);
    }
    bool negative = (int64_t)f2->sig < 0;
    uint64_t m = negative ? 0 - f2->sig : f2->sig;
    int z = __builtin_clzll(m);
    return (struct fpreg){m << z, (FP_EXP_INT - (uint32_t)z) | (negative ? FP_SIGN : 0), 0};
}
