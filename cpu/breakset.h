/* Breakpoints and watchpoints of a debugger on the host, which the guest cannot see.
 *
 * One set serves all processors of a machine; whoever owns it changes it between turns only.
 * Breakpoints are virtual addresses, in whatever address space runs: blocks get a guard before each
 * instruction whose place in its page is that of a breakpoint, and the guard compares the whole
 * address. Memory stays as it is. Watchpoints are ranges of virtual addresses: their pages never
 * enter the soft TLB, so every access to them comes by cpu/access.c. Accesses by devices and by
 * firmware are not seen. The architecture's own debug registers are in cpu/debug.h.
 */
#ifndef KITTSON_CPU_BREAKSET_H
#define KITTSON_CPU_BREAKSET_H

#include <stdbool.h>
#include <stdint.h>
#include "interp.h"

#define BREAKSET_BREAKS  256
#define BREAKSET_WATCHES 32
#define BREAKSET_LONGEST 4096 /* bytes of a watchpoint */

struct watchpoint {
    uint64_t addr, len;
    unsigned access; /* ACC_READ, ACC_WRITE */
};

struct breakset {
    unsigned breaks, watches;
    uint64_t at[BREAKSET_BREAKS]; /* bundle address | slot */
    uint64_t guarded[4];          /* bit n: blocks have guards in bundle n of pages */
    struct watchpoint watch[BREAKSET_WATCHES];
};

/* 0, -EINVAL for a slot that cannot be, -ENOSPC, -ENOENT. *stale tells that what the processors
 * have decoded or looked up does not serve any more: cpu_set_breaks must follow for each. */
int breakset_add_break(struct breakset *s, uint64_t addr, bool *stale);
int breakset_remove_break(struct breakset *s, uint64_t addr);
int breakset_add_watch(struct breakset *s, uint64_t addr, uint64_t len, unsigned access,
                       bool *stale);
int breakset_remove_watch(struct breakset *s, uint64_t addr, uint64_t len, unsigned access);

/* --- for the files of cpu/ --- */

/* Whether the instruction at loc (page offset of the bundle | slot) needs a guard. */
static inline bool breakset_guards(const struct breakset *s, unsigned loc)
{
    return s && s->guarded[loc >> 10 & 3] >> (loc >> 4 & 63) & 1;
}

/* Stops the processor when there is a breakpoint on the instruction; not when it has just been
 * reported. pending: slots paid for that come from this instruction on. */
bool breakset_stops(struct cpu *c, uint64_t ip, unsigned slot, unsigned pending);
/* What stands before such instructions in blocks. */
const struct uop *breakset_guard(struct cpu *c, const struct uop *u);

bool breakset_watches_page(const struct breakset *s, uint64_t page);
/* false: the access is watched, and put off until cpu_run can stop right behind it. */
bool breakset_allows(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                     unsigned flags);

#endif
