/* The local SAPIC and the interval timer of one processor (SDM 2:5.8).
 *
 * Keeps requested and in-service vectors and decides which interrupt is deliverable; how
 * interrupts reach the processor (IPIs, I/O SAPIC) is the bus's business.
 */
#ifndef KITTSON_CPU_SAPIC_H
#define KITTSON_CPU_SAPIC_H

#include "cpu.h"

#define SAPIC_SPURIOUS 15
#define SAPIC_MASKED   (1ull << 16) /* the m bit of ITV, PMV, CMCV, LRR */
#define SAPIC_TPR_MMI  (1ull << 16)
#define SAPIC_TPR_MIC  0xf0ull

/* Reading CR.IVR: the highest-priority deliverable vector, which moves to in-service. */
uint64_t sapic_read_ivr(struct cpu *c);
void sapic_write_eoi(struct cpu *c);
void sapic_reset(struct cpu *c);
/* After a write to ITM or ITC: whether they will still meet. */
void sapic_rearm(struct cpu *c);

#endif
