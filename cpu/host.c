/* What the machine around a CPU tells it and asks of it: code pages shared with other CPUs, time
 * spent halted, figures for --stats. */
#include <inttypes.h>
#include "alat.h"
#include "block.h"
#include "interp.h"
#include "jit.h"
#include "lockstep.h"
#include "rse.h"

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

void cpu_watch_writes(struct cpu *c)
{
    stlb_protect_all(c);
}

/* Fills `args` into a fresh frame of n registers. */
static bool new_frame(struct cpu *c, const uint64_t *args, unsigned n)
{
    if (!rse_alloc(c, NULL, n, 0, 0))
        return false;
    for (unsigned i = 0; i < n; i++)
        cpu_set_gr(c, 32 + i, args[i]);
    cpu_update_mode(c);
    return true;
}

bool cpu_frame_push(struct cpu *c, struct cpu_frame *f, const uint64_t *args, unsigned n)
{
    f->cfm = cpu_cfm(c);
    rse_cover(c);
    if (!rse_flush(c, NULL))
        return false;
    f->bsp = c->bsp;
    f->rnat = c->rnat;
    return new_frame(c, args, n);
}

/* What software does to go back to an older frame (longjmp): nothing is dirty there, so the frame's
 * registers come from memory. */
bool cpu_frame_pop(struct cpu *c, const struct cpu_frame *f)
{
    cpu_set_cfm(c, 0);
    c->ndirty = 0;
    c->bsp = c->bspstore = f->bsp;
    c->rnat = f->rnat;
    rse_return(c, f->cfm, CFM_SOF(f->cfm));
    if (!rse_complete(c))
        return false;
    cpu_update_mode(c);
    return true;
}

bool cpu_yielded(struct cpu *c)
{
    bool was = c->pausing;

    c->pausing = false;
    return was;
}

void cpu_skip_ticks(struct cpu *c, uint64_t ticks)
{
    c->itc_offset += ticks;
}

static void print_left(const struct cpu *c, FILE *out)
{
    static const char *const names[LEFT_REASONS] = {
        "end of turn",  "new link",      "indirect branch not seen lately",
        "frame check",  "state changed", "others",
        "interruptions"};

    fprintf(out, "  left the quick path:");
    for (unsigned k = 0; k < LEFT_REASONS; k++)
        fprintf(out, "%s %s %" PRIu64, k ? "," : "", names[k], c->left[k]);
    fprintf(out, "\n");
}

void cpu_print_stats(const struct cpu *c, FILE *out)
{
    const struct softtlb *t = c->stlb;

    fprintf(out,
            "  soft TLB: %" PRIu64 " pages entered, %" PRIu64 " pages removed, %" PRIu64
            " times emptied, %" PRIu64 " switches of address space, %u entries in use\n",
            t->fills, t->page_flushes, t->flushes, t->switches, stlb_in_use(t));
    print_left(c, out);
    if (c->jit)
        jit_print_stats(c->jit, out);
    if (c->lock)
        lockstep_print_stats(c->lock, cpu_icount(c), out);
}
