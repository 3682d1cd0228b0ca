/* Performance monitors. See pmu.h; section numbers are of SDM volume 2. */
#include "pmu.h"
#include "sapic.h"

/* PMC[4..7]: plm 3:0, ev 4, oi 5, pm 6, es 15:8 (7.2.1, table 7-4; es is Itanium 2's). */
#define PMC_OI       (1ull << 5)
#define PMC_PM       (1ull << 6)
#define PMC_EVENT(v) ((unsigned)((v) >> 8) & 0xff)
#define PMC_FREEZE   1ull
#define COUNT_MASK   ((1ull << PMU_WIDTH) - 1)

static bool generic(unsigned n)
{
    return n >= PMU_FIRST && n <= PMU_LAST;
}

static bool known_event(uint64_t pmc)
{
    return PMC_EVENT(pmc) == PMU_CYCLES || PMC_EVENT(pmc) == PMU_INSTS;
}

/* Counts at this privilege level, and PSR.up (or pp, for a privileged monitor) is on (7.2.1). */
static bool enabled(const struct cpu *c, uint64_t pmc)
{
    return known_event(pmc) && (pmc >> cpu_cpl(c) & 1) &&
           (c->psr & (pmc & PMC_PM ? PSR_PP : PSR_UP));
}

static uint64_t clock_now(const struct cpu *c)
{
    return cpu_itc(c) - c->itc_offset;
}

/* Remembers the present as the moment up to which events are counted. */
static void rebase(struct cpu *c, unsigned ahead)
{
    c->pmu_icount = cpu_icount(c) - ahead;
    c->pmu_clock = c->deterministic ? c->pmu_icount : clock_now(c);
}

static void update_active(struct cpu *c)
{
    c->pmu_active = false;
    if (c->pmc[0] & PMC_FREEZE)
        return;
    for (unsigned n = PMU_FIRST; n <= PMU_LAST; n++)
        if (known_event(c->pmc[n]) && (c->pmc[n] & 0xf))
            c->pmu_active = true;
}

/* The counter wrapped: with oi an overflow bit, the freeze bit and an interrupt (7.2.2). */
static void overflowed(struct cpu *c, unsigned n)
{
    if (!(c->pmc[n] & PMC_OI))
        return;
    c->pmc[0] |= 1ull << n | PMC_FREEZE;
    c->pmu_active = false;
    if (!(c->cr[CR_PMV] & SAPIC_MASKED))
        cpu_post_interrupt(c, c->cr[CR_PMV] & 0xff);
}

void pmu_account(struct cpu *c, unsigned ahead)
{
    uint64_t insts = c->pmu_icount, cycles = c->pmu_clock;

    rebase(c, ahead);
    insts = c->pmu_icount - insts;
    cycles = c->pmu_clock - cycles;
    for (unsigned n = PMU_FIRST; n <= PMU_LAST; n++) {
        uint64_t v;

        if (!enabled(c, c->pmc[n]))
            continue;
        v = c->pmd[n] + (PMC_EVENT(c->pmc[n]) == PMU_CYCLES ? cycles : insts);
        c->pmd[n] = v & COUNT_MASK;
        if (v > COUNT_MASK)
            overflowed(c, n);
    }
}

uint64_t pmu_limit(const struct cpu *c)
{
    uint64_t least = UINT64_MAX;

    for (unsigned n = PMU_FIRST; n <= PMU_LAST; n++) {
        uint64_t left = COUNT_MASK + 1 - c->pmd[n];

        if (enabled(c, c->pmc[n]) && left < least)
            least = left;
    }
    return least;
}

void pmu_write_pmc(struct cpu *c, unsigned n, uint64_t v, unsigned ahead)
{
    if (n >= PMU_PMCS)
        return;
    if (n == 0)
        v &= PMC_FREEZE | 0xf0; /* bits of monitors that do not exist are ignored */
    else if (n < PMU_FIRST)
        v = 0;
    c->pmc[n] = v;
    update_active(c);
    rebase(c, ahead);
}

void pmu_write_pmd(struct cpu *c, unsigned n, uint64_t v)
{
    if (n < PMU_PMDS)
        c->pmd[n] = generic(n) ? v & COUNT_MASK : v;
}

uint64_t pmu_read_pmc(const struct cpu *c, unsigned n)
{
    return n < PMU_PMCS ? c->pmc[n] : 0;
}

uint64_t pmu_read_pmd(const struct cpu *c, unsigned n)
{
    if (n >= PMU_PMDS)
        return 0;
    if (cpu_cpl(c) != 0 && ((c->psr & PSR_SP) || (generic(n) && (c->pmc[n] & PMC_PM))))
        return 0;
    return c->pmd[n];
}
