/* Division sequences: instructions from frcpa on that one host division does.
 *
 * The order of the instructions does not matter, nor what compilers put between them.
 */
#ifndef KITTSON_CPU_JIT_DIVIDE_H
#define KITTSON_CPU_JIT_DIVIDE_H

#include "translate.h"

struct jit_division {
    uint8_t num, den, quot;  /* FRs */
    bool integers;           /* ends with a conversion to an integer; else all are doubles */
    const struct uop *first; /* frcpa */
    const struct uop *last;
    uint64_t temps[2]; /* FRs it leaves other values in */
};

/* Whether a known sequence starts at u. end: behind the last operation that may be looked at. */
bool jit_division_match(const struct uop *u, const struct uop *end, struct jit_division *d);
/* Emits it; false if it cannot be done here. */
bool jit_emit_division(struct jit_tr *t, const struct jit_division *d);

#endif
