/* Where the value of a floating-point register stands: in register format, or elsewhere.
 *
 * Translated code keeps registers that hold doubles as doubles. A register whose bit is set in
 * cpu.fr_dbl has its value in cpu.fd: anything that has the register format of a double but NaNs
 * (only the one of invalid operations may be there); its register format is made when somebody
 * wants it. Division sequences are done by one host division; what they
 * leave in their temporary registers is computed only if somebody looks (cpu.fr_lazy). Physical
 * register numbers throughout.
 */
#ifndef KITTSON_CPU_FR_DOUBLE_H
#define KITTSON_CPU_FR_DOUBLE_H

#include "cpu.h"

/* Instructions of the division sequence that is known: frcpa and nine multiply-adds. */
#define FR_DIVIDE_OPS 10u

/* fr[n] is not the register's value. */
static inline bool fr_is_away(const struct cpu *c, unsigned n)
{
    return (c->fr_dbl[n >> 6] | c->fr_lazy[n >> 6]) >> (n & 63) & 1;
}

/* Makes the register format of a register that stands elsewhere. */
void fr_settle(struct cpu *c, unsigned n);
/* Computes all that is left over from divisions. */
void fr_settle_lazy(struct cpu *c);
/* Has the register stand as a double if there is one, else false. */
bool fr_to_double(struct cpu *c, unsigned n);

static inline void fr_put(struct cpu *c, unsigned n, struct fpreg v)
{
    c->fr_dbl[n >> 6] &= ~(1ull << (n & 63));
    c->fr_lazy[n >> 6] &= ~(1ull << (n & 63));
    c->fr[n] = v;
}

#endif
