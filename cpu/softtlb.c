/* Soft TLB upkeep. */
#include "interp.h"

static void drop(struct stlb_entry *e)
{
    e->rtag = e->wtag = STLB_INVALID;
}

void stlb_flush(struct cpu *c)
{
    c->stlb->flushes++;
    for (unsigned x = 0; x < STLB_CONTEXTS; x++)
        for (unsigned k = 0; k < STLB_ENTRIES; k++)
            drop(&c->stlb->ctx[x][k]);
}

static bool same_range(uint64_t a, uint64_t b, unsigned ps)
{
    return (a ^ b) << 3 >> 3 >> ps == 0;
}

/* A range of more pages than it is worth to look for one by one. In all regions: two of them may
 * have one identifier. */
static void drop_within(struct cpu *c, uint64_t va, unsigned ps)
{
    for (unsigned x = 0; x < STLB_PHYS; x++)
        for (unsigned k = 0; k < STLB_ENTRIES; k++) {
            struct stlb_entry *e = &c->stlb->ctx[x][k];

            if (same_range(e->rtag, va, ps) || same_range(e->wtag, va, ps))
                drop(e);
        }
}

void stlb_flush_range(struct cpu *c, uint64_t va, unsigned ps)
{
    uint64_t pages = ps <= MEM_PAGE_SHIFT ? 1 : 1ull << (ps - MEM_PAGE_SHIFT);

    c->stlb->page_flushes++;
    va = va >> ps << ps;
    if (pages >= STLB_ENTRIES / 2) {
        drop_within(c, va, ps);
        return;
    }
    for (uint64_t n = 0; n < pages; n++)
        for (unsigned x = 0; x < STLB_PHYS; x++)
            drop(&c->stlb->ctx[x][((va >> MEM_PAGE_SHIFT) + n) & (STLB_ENTRIES - 1)]);
}

unsigned stlb_purge_size(struct cpu *c, uint64_t va, unsigned ps, uint32_t rid)
{
    const struct tlb_entry *e = tlb_find(c->tlb, TLB_DATA, va, rid);

    return e && e->ps > ps ? e->ps : ps;
}

void stlb_flush_regions(struct cpu *c, unsigned mask)
{
    for (unsigned x = 0; x < STLB_PHYS; x++)
        for (unsigned k = 0; k < STLB_ENTRIES; k++) {
            struct stlb_entry *e = &c->stlb->ctx[x][k];
            uint64_t tag = e->rtag == STLB_INVALID ? e->wtag : e->rtag;

            if (mask >> (tag >> 61) & 1)
                drop(e);
        }
}

void stlb_protect_page(struct cpu *c, uint64_t pa)
{
    for (unsigned x = 0; x <= STLB_PHYS; x++)
        for (unsigned k = 0; k < STLB_ENTRIES; k++)
            if (c->stlb->ctx[x][k].pa == pa)
                c->stlb->ctx[x][k].wtag = STLB_INVALID;
}
