/* Where the value of a floating-point register stands: in register format, or as a double.
 *
 * Translated code keeps registers that hold doubles as doubles. A register whose bit is set in
 * cpu.fr_dbl has its value in cpu.fd: a normal number or a zero, nothing else; its register format
 * is made when somebody wants it. Physical register numbers throughout.
 */
#ifndef KITTSON_CPU_FR_DOUBLE_H
#define KITTSON_CPU_FR_DOUBLE_H

#include "cpu.h"

static inline bool fr_is_double(const struct cpu *c, unsigned n)
{
    return c->fr_dbl[n >> 6] >> (n & 63) & 1;
}

/* Makes the register format of a register that stands as a double. */
void fr_settle(struct cpu *c, unsigned n);
/* Puts the value into fd[n] too if it is a normal double or a zero, else false. */
bool fr_to_double(struct cpu *c, unsigned n);

static inline void fr_put(struct cpu *c, unsigned n, struct fpreg v)
{
    c->fr_dbl[n >> 6] &= ~(1ull << (n & 63));
    c->fr[n] = v;
}

#endif
