/* The translator's arena: executable memory for blocks made native.
 *
 * A translated block is entered like any other: its entry operation's handler is the native code.
 * What the code is made of is cpu/jit/translate.c's business.
 */
#ifndef KITTSON_CPU_JIT_JIT_H
#define KITTSON_CPU_JIT_JIT_H

#include "interp.h"

#define JIT_HOT 100 /* entries after which a block is translated */

struct jit;

/* NULL when executable memory cannot be had: the interpreter does everything then. */
struct jit *jit_new(void);
void jit_free(struct jit *j);
/* Forgets all code. Only when no block refers to it any more. */
void jit_reset(struct jit *j);
bool jit_full(const struct jit *j);

/* Appends the names of blocks to /tmp/perf-PID.map, for perf. 0 or a negative errno. */
int jit_perf_map(struct jit *j);
/* Writes guest and host code of blocks that hold this virtual address to files of the working
 * directory when they are translated: jit-ADDRESS.guest and .bin. 0 or a negative errno. */
int jit_dump_at(struct jit *j, uint64_t addr);

/* Figures for --stats, and what it costs. */
void jit_print_stats(const struct jit *j, FILE *out);

/* What struct block.warm is as long as the block is not native. */
const void *jit_cold_entry(const struct jit *j);
/* Runs from an operation; native code may use all registers, which this saves. */
void jit_run(struct jit *j, struct cpu *c, const struct uop *u);
/* Makes a block native if it can. */
void jit_translate(struct jit *j, struct cpu *c, struct block *b);

#endif
