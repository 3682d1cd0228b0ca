/* Interruptions: delivery, return, and the faults operations raise (SDM 2:5, 2:8).
 *
 * Knows how control registers and PSR change, not why.
 */
#ifndef KITTSON_CPU_INTERRUPT_H
#define KITTSON_CPU_INTERRUPT_H

#include "interp.h"

/* Delivers an interruption at c->ip / PSR.ri as they stand. CR.IFA, ITIR, IHA and IIM must have
 * been written before if PSR.ic is 1. */
void interrupt_deliver(struct cpu *c, unsigned vector, uint64_t isr);
/* Sets c->ip and PSR.ri to the operation and takes back its and its successors' slots. NULL: no-op.
 */
void interrupt_at(struct cpu *c, const struct uop *u);
/* Records CR.IFA (and ITIR) for a fault about to be delivered; nothing when PSR.ic is 0. */
void interrupt_set_ifa(struct cpu *c, uint64_t ifa, uint64_t itir);
void interrupt_set_iim(struct cpu *c, uint64_t imm);
/* External interrupts and INIT, if deliverable now. true: one was delivered. */
bool interrupt_poll(struct cpu *c);
/* ISR.code bits of traps (2:8.3, table 8-3). */
#define TRAP_FP 1u
#define TRAP_LP 2u
#define TRAP_TB 4u
#define TRAP_SS 8u
#define TRAP_UI 16u

/* PSR bits that last for one instruction (2:3.3.2). */
#define PSR_ONE_INSN (PSR_ID | PSR_DA | PSR_DD | PSR_IA | PSR_ED)

/* Delivers the concurrent traps of a completed instruction (that was in the given slot) by the
 * vector of the most important one (2:5.6). c->ip and PSR.ri are those of the next instruction,
 * c->iipa the bundle of the completed one. */
void interrupt_trap(struct cpu *c, uint64_t code, unsigned slot);
/* rfi (SDM 3:rfi). */
const struct uop *interrupt_return(struct cpu *c, const struct uop *u);

#endif
