/* What the block builder asks about operations: handlers and properties, from cpu/interp.c. */
#ifndef KITTSON_CPU_BLOCK_H
#define KITTSON_CPU_BLOCK_H

#include "interp.h"

uop_fn *block_handler(const struct insn *i, bool gen);
uop_fn *block_entry_handler(void);
/* step: of a block that holds a single instruction. */
uop_fn *block_tail_handler(bool step);
uop_fn *block_check_handler(bool gen);

/* hint @pause where it has an effect, and its handler. */
bool block_pauses(const struct cpu *c, const struct insn *i);
uop_fn *block_pause_handler(void);

/* Highest GR the operation writes (1..127), 0 if none. */
unsigned block_gr_target(const struct insn *i);
/* DENY_FL, DENY_FH: which halves of the FP register file it touches. */
unsigned block_fp_halves(const struct insn *i);
/* A direct branch: an entry caching its target follows. */
bool block_has_link(unsigned op);
bool block_ends_after(const struct insn *i);
bool block_falls_through(const struct insn *i);
bool block_checks_unpredicated(unsigned op);
uint64_t block_disabled_fp_isr(const struct uop *u);

#endif
