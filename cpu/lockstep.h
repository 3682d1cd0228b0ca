/* Lockstep: translated code and the interpreter run the same instructions, and what they leave
 * behind is compared.
 *
 * One processor and one memory: a piece of some thousand slots is interpreted first, undone, run
 * natively, and the two results are compared; the native one stays. Undoing needs stores to be seen
 * once per page and piece, so no page is writable through the soft TLB before its first store in
 * the piece. What cannot be undone (devices, firmware, purges, clocks, stores into code) ends the
 * piece before it and is then done once, not compared. The piece is as long as its registers and
 * memory are this processor's alone: nothing else may write memory meanwhile.
 */
#ifndef KITTSON_CPU_LOCKSTEP_H
#define KITTSON_CPU_LOCKSTEP_H

#include "interp.h"

struct lockpage;

struct lockstep {
    struct blockcache *idle;      /* of the side that does not run */
    struct jump_entry *idle_jump; /* its struct cpu.jump */
    bool active;                  /* in a piece: everything done must be undoable */
    bool once;                    /* the piece ended before something that is not */
    bool unsettled; /* the piece changed what may lawfully make its repetition different: TLB
                       entries that came or went, pages found to hold code */
    bool failed;
    struct cpu *before, *other, *native;
    struct lockpage *page;
    unsigned pages;
    struct stlb_entry **writable;
    unsigned writable_count;
    uint64_t pieces, slots, repeated, once_count, alone;
};

/* Starts comparing; needs the translator. NULL: out of memory. */
struct lockstep *lockstep_new(struct cpu *c);
void lockstep_free(struct lockstep *l);

/* A line of figures; slots: all of the processor. */
void lockstep_print_stats(const struct lockstep *l, uint64_t slots, FILE *out);

/* One piece from c->ip, within the budget; or one instruction that can be done only once. */
void lockstep_run(struct cpu *c);

/* Whether an access may be done in a piece; a page written is remembered with its contents. */
bool lockstep_allows(struct cpu *c, uint64_t pa, bool write);
/* A soft TLB entry was filled; writable it may be only in a piece and from a store on. */
void lockstep_filled(struct cpu *c, struct stlb_entry *e, bool write);
/* Notes a change that may lawfully make a repetition differ. */
static inline void lockstep_unsettle(struct cpu *c)
{
    if (c->lock)
        c->lock->unsettled = true;
}
/* Ends the piece before the operation. */
const struct uop *lockstep_leave(struct cpu *c, const struct uop *u);
/* The operation cannot be undone. */
bool lockstep_once(const struct insn *i);
/* What stands before such operations in blocks. */
const struct uop *lockstep_guard(struct cpu *c, const struct uop *u);

#endif
