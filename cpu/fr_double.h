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

/* fr[n] is not the register's value. */
static inline bool fr_is_away(const struct cpu *c, unsigned n)
{
    return (c->fr_dbl[n >> 6] | c->fr_lazy[n >> 6]) >> (n & 63) & 1;
}

/* Makes the register format of a register that stands elsewhere. */
void fr_settle(struct cpu *c, unsigned n);
/* Computes all that is left over from divisions. */
void fr_settle_lazy(struct cpu *c);
/* The integer division of a sequence from frcpa to fcvt, whose operands are in registers: writes
 * the quotient and notes what fr_settle_lazy needs. False, and nothing is done, where the sequence
 * would do more than that: other values, flags. */
bool fr_divide_integers(struct cpu *c, const struct uop *seq, const struct uop *last,
                        struct fr_division *p);
/* Has the register stand as a double if there is one, else false. */
bool fr_to_double(struct cpu *c, unsigned n);

static inline void fr_put(struct cpu *c, unsigned n, struct fpreg v)
{
    c->fr_dbl[n >> 6] &= ~(1ull << (n & 63));
    c->fr_lazy[n >> 6] &= ~(1ull << (n & 63));
    c->fr[n] = v;
}

#endif
