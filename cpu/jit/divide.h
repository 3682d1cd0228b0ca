/* Division sequences: ten instructions that one host division does. */
#ifndef KITTSON_CPU_JIT_DIVIDE_H
#define KITTSON_CPU_JIT_DIVIDE_H

#include "translate.h"

struct jit_division {
    uint8_t num, den, quot; /* FRs */
    uint64_t temps[2];      /* FRs it leaves other values in */
};

/* Whether the double division of the compilers starts at u: frcpa and what follows, without
 * anything in between. end: behind the last operation that may be looked at. */
bool jit_division_match(const struct uop *u, const struct uop *end, struct jit_division *d);
/* Emits it; false if it cannot be done here. */
bool jit_emit_division(struct jit_tr *t, const struct uop *u, const struct jit_division *d);

#endif
