/* Data access hint registers: eight 16-bit registers that calls push on a hint stack and reset and
 * that returns pop (SDM rev 2.3, 1:3.1 and 3:mov dahr; Poulson). Only state: memory accesses here
 * have no use for hints.
 */
#ifndef KITTSON_CPU_DAHR_H
#define KITTSON_CPU_DAHR_H

#include "interp.h"

#define DAHR_COUNT  8
#define DAHS_LEVELS 16 /* implementation-dependent; what falls off the end reads as default, 0 */

void dahr_set(struct cpu *c, unsigned n, uint16_t v);
uint16_t dahr_get(const struct cpu *c, unsigned n);
/* br.call, brl.call and br.ret, once a hint has been set (c->hints_set). */
void dahr_call(struct cpu *c);
void dahr_return(struct cpu *c);
void dahr_reset(struct cpu *c);
/* For cpu_state(). */
struct archive;
void dahr_state(struct cpu *c, struct archive *s);

#endif
