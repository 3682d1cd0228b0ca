/* Register format to doubles and back. See fr_double.h. */
#include "fr_double.h"

void fr_settle(struct cpu *c, unsigned n)
{
    fr_put(c, n, fp_from_double(c->fd[n]));
}

bool fr_to_double(struct cpu *c, unsigned n)
{
    const struct fpreg *f = &c->fr[n];
    uint32_t e = (f->exp & FP_EXP_MASK) - 0xfc00u;

    if (fr_is_double(c, n))
        return true;
    if ((f->exp & FP_EXP_MASK) == 0 && f->sig == 0) {
        c->fd[n] = (uint64_t)(f->exp & FP_SIGN) << 46;
        return true;
    }
    if (e - 1 >= 0x7fe || (f->sig & (FP_INT_BIT | 0x7ff)) != FP_INT_BIT)
        return false;
    c->fd[n] = fp_to_double(f);
    return true;
}
