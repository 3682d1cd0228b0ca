/* What the machine around a CPU tells it and asks of it: code pages shared with other CPUs, time
 * spent halted, figures for --stats. */
#include <inttypes.h>
#include "alat.h"
#include "block.h"
#include "interp.h"

void cpu_code_changed(struct cpu *c, uint64_t page)
{
    block_invalidate_page(c, page);
}

void cpu_memory_written(struct cpu *c)
{
    alat_clear(c);
}

void cpu_watch_page(struct cpu *c, uint64_t page)
{
    stlb_protect_page(c, page);
}

void cpu_skip_ticks(struct cpu *c, uint64_t ticks)
{
    c->itc_offset += ticks;
}

static unsigned entries_in_use(const struct softtlb *t)
{
    unsigned n = 0;

    for (unsigned x = 0; x < STLB_CONTEXTS; x++)
        for (unsigned k = 0; k < STLB_ENTRIES; k++)
            n += t->ctx[x][k].rtag != STLB_INVALID || t->ctx[x][k].wtag != STLB_INVALID;
    return n;
}

void cpu_print_stats(const struct cpu *c, FILE *out)
{
    const struct softtlb *t = c->stlb;

    fprintf(out,
            "  soft TLB: %" PRIu64 " pages entered, %" PRIu64 " pages removed, %" PRIu64
            " times emptied, %u of %u entries in use\n",
            t->fills, t->page_flushes, t->flushes, entries_in_use(t), STLB_CONTEXTS * STLB_ENTRIES);
}
