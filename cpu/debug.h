/* Data and instruction breakpoint registers (SDM 2:7.1). Only matching; raising is the caller's. */
#ifndef KITTSON_CPU_DEBUG_H
#define KITTSON_CPU_DEBUG_H

#include "cpu.h"

/* flags: ACC_READ, ACC_WRITE. */
bool debug_data_match(const struct cpu *c, uint64_t va, unsigned size, unsigned flags);
bool debug_inst_match(const struct cpu *c, uint64_t ip);

#endif
