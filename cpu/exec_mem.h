/* What integer and FP memory operations share. Private to cpu/exec_mem*.c. */
#ifndef KITTSON_CPU_EXEC_MEM_H
#define KITTSON_CPU_EXEC_MEM_H

#include "interp.h"

bool mem_type_speculative(unsigned sub);
bool mem_type_advanced(unsigned sub);
bool mem_type_check(unsigned sub);
void mem_post_increment(struct cpu *c, const struct uop *u, unsigned inc);
/* Unsupported Data Reference fault (SDM 2:4.4, 2:8.3). */
void mem_unsupported(struct cpu *c, const struct uop *u, uint64_t va, uint64_t isr);

#endif
