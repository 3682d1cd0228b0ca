/* Performance monitors (SDM 2:7.2): the four generic counters PMC/PMD 4..7 with the two events that
 * every processor has, cycles and retired instructions; overflow, freeze and the PMV interrupt.
 *
 * Counting is lazy: pmu_sync brings the counters up to date and must run before anything changes
 * that they depend on (PSR.cpl, up, pp, the registers themselves). Other events never occur.
 */
#ifndef KITTSON_CPU_PMU_H
#define KITTSON_CPU_PMU_H

#include "interp.h"

#define PMU_FIRST  4
#define PMU_LAST   7
#define PMU_WIDTH  47 /* bits of a counter, as PAL_PERF_MON_INFO says */
#define PMU_CYCLES 0x12
#define PMU_INSTS  0x08
/* Register numbers of Itanium 2: PMC 0..15, PMD 0..17. Others are ignored and read as 0. */
#define PMU_PMCS 16
#define PMU_PMDS 18

void pmu_account(struct cpu *c, unsigned ahead);
/* Counts what happened since the last call. ahead: slots that c->budget already lacks but that have
 * not been executed. */
ALWAYS_INLINE void pmu_sync(struct cpu *c, unsigned ahead)
{
    if (unlikely(c->pmu_active))
        pmu_account(c, ahead);
}
/* Slots until the first counter can overflow. */
uint64_t pmu_limit(const struct cpu *c);
void pmu_write_pmc(struct cpu *c, unsigned n, uint64_t v, unsigned ahead);
void pmu_write_pmd(struct cpu *c, unsigned n, uint64_t v);
uint64_t pmu_read_pmc(const struct cpu *c, unsigned n);
/* 0 where the current privilege level may not look (7.2.1). */
uint64_t pmu_read_pmd(const struct cpu *c, unsigned n);

#endif
