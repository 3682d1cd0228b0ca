/* Soft TLB upkeep. */
#include <string.h>
#include "interp.h"

#define NOT_FILLED 1ull /* in `pa` of an entry that is not in its set's list */

static void drop(struct stlb_entry *e)
{
    e->rtag = e->wtag = STLB_INVALID;
}

static void set_prepare(struct stlb_set *s)
{
    for (unsigned k = 0; k < STLB_ENTRIES; k++)
        s->entry[k] = (struct stlb_entry){STLB_INVALID, STLB_INVALID, 0, NOT_FILLED};
    s->count = 0;
    s->ready = true;
}

static void set_empty(struct stlb_set *s)
{
    for (unsigned k = 0; k < s->count; k++) {
        drop(&s->entry[s->filled[k]]);
        s->entry[s->filled[k]].pa = NOT_FILLED;
    }
    s->count = 0;
}

static struct stlb_entry *set_place(struct stlb_set *s, uint64_t va)
{
    unsigned k = va >> MEM_PAGE_SHIFT & (STLB_ENTRIES - 1);

    if (s->entry[k].pa == NOT_FILLED)
        s->filled[s->count++] = (uint16_t)k;
    return &s->entry[k];
}

typedef void set_fn(struct stlb_set *s, void *arg);

/* Those of all address spaces, and of physical mode. */
static void each_set(struct softtlb *t, set_fn *fn, void *arg)
{
    for (unsigned k = 0; k < STLB_SPACES; k++)
        for (unsigned x = 0; x < STLB_PHYS; x++)
            if (t->space[k].set[x].ready)
                fn(&t->space[k].set[x], arg);
    if (t->phys.ready)
        fn(&t->phys, arg);
}

/* --- contexts --- */

static struct stlb_set *set_of(struct softtlb *t, unsigned x)
{
    if (x == STLB_NEVER)
        return &t->never;
    return x == STLB_PHYS ? &t->phys : &t->running->set[x];
}

struct stlb_entry *stlb_context(struct cpu *c, unsigned x)
{
    struct stlb_set *s = set_of(c->stlb, x);

    if (unlikely(!s->ready))
        set_prepare(s);
    return s->entry;
}

struct stlb_entry *stlb_place(struct cpu *c, struct stlb_entry *context, uint64_t va)
{
    (void)c;
    _Static_assert(offsetof(struct stlb_set, entry) == 0, "entries come first");
    return set_place((struct stlb_set *)(void *)context, va);
}

/* --- address spaces --- */

static struct stlb_space *oldest(struct softtlb *t)
{
    struct stlb_space *s = &t->space[0];

    for (unsigned k = 1; k < STLB_SPACES; k++)
        if (t->space[k].used < s->used)
            s = &t->space[k];
    return s;
}

static struct stlb_space *find_space(struct softtlb *t, const uint32_t rid[TLB_RR_COUNT])
{
    for (unsigned k = 0; k < STLB_SPACES; k++)
        if (t->space[k].used && !memcmp(t->space[k].rid, rid, sizeof t->space[k].rid))
            return &t->space[k];
    return NULL;
}

/* Pages of regions that both address spaces have, such as the system's own. */
static void take_common(struct stlb_space *to, const struct stlb_space *from)
{
    for (unsigned x = 0; x < STLB_PHYS; x++) {
        const struct stlb_set *old = &from->set[x];

        if (!old->ready)
            continue;
        if (!to->set[x].ready)
            set_prepare(&to->set[x]);
        for (unsigned k = 0; k < old->count; k++) {
            const struct stlb_entry *e = &old->entry[old->filled[k]];
            uint64_t tag = e->rtag == STLB_INVALID ? e->wtag : e->rtag;

            if (tag != STLB_INVALID && to->rid[tag >> 61] == from->rid[tag >> 61])
                *set_place(&to->set[x], tag) = *e;
        }
    }
}

static struct stlb_space *make_space(struct softtlb *t, const uint32_t rid[TLB_RR_COUNT])
{
    struct stlb_space *s = oldest(t);

    for (unsigned x = 0; x < STLB_PHYS; x++)
        set_empty(&s->set[x]);
    memcpy(s->rid, rid, sizeof s->rid);
    if (t->running && t->running != s)
        take_common(s, t->running);
    return s;
}

void stlb_switch(struct cpu *c)
{
    struct softtlb *t = c->stlb;
    uint32_t rid[TLB_RR_COUNT];
    struct stlb_space *s;

    for (unsigned k = 0; k < TLB_RR_COUNT; k++)
        rid[k] = (uint32_t)(c->tr.rr[k] >> 8) & 0xffffff;
    s = find_space(t, rid);
    t->running = s ? s : make_space(t, rid);
    t->running->used = ++t->switches;
}

/* --- forgetting --- */

static void empty_one(struct stlb_set *s, void *arg)
{
    (void)arg;
    set_empty(s);
}

void stlb_flush(struct cpu *c)
{
    c->stlb->flushes++;
    each_set(c->stlb, empty_one, NULL);
}

struct range {
    uint64_t va;
    unsigned ps;
};

static bool within(uint64_t tag, const struct range *r)
{
    return (tag ^ r->va) << 3 >> 3 >> r->ps == 0;
}

/* A range of more pages than it is worth to look for one by one. In all regions: two of them may
 * have one identifier. */
static void drop_within(struct stlb_set *s, void *arg)
{
    for (unsigned k = 0; k < s->count; k++) {
        struct stlb_entry *e = &s->entry[s->filled[k]];

        if (within(e->rtag, arg) || within(e->wtag, arg))
            drop(e);
    }
}

static void drop_pages(struct stlb_set *s, void *arg)
{
    const struct range *r = arg;
    uint64_t pages = r->ps <= MEM_PAGE_SHIFT ? 1 : 1ull << (r->ps - MEM_PAGE_SHIFT);

    for (uint64_t n = 0; n < pages; n++)
        drop(&s->entry[((r->va >> MEM_PAGE_SHIFT) + n) & (STLB_ENTRIES - 1)]);
}

void stlb_flush_range(struct cpu *c, uint64_t va, unsigned ps)
{
    struct range r = {va >> ps << ps, ps};

    c->stlb->page_flushes++;
    each_set(c->stlb, ps > MEM_PAGE_SHIFT + 4 ? drop_within : drop_pages, &r);
}

unsigned stlb_purge_size(struct cpu *c, uint64_t va, unsigned ps, uint32_t rid)
{
    const struct tlb_entry *e = tlb_find(c->tlb, TLB_DATA, va, rid);

    return e && e->ps > ps ? e->ps : ps;
}

static void protect(struct stlb_set *s, void *arg)
{
    const uint64_t *pa = arg;

    for (unsigned k = 0; k < s->count; k++)
        if (s->entry[s->filled[k]].pa == *pa)
            s->entry[s->filled[k]].wtag = STLB_INVALID;
}

void stlb_protect_page(struct cpu *c, uint64_t pa)
{
    each_set(c->stlb, protect, &pa);
}

static void protect_whole(struct stlb_set *s, void *arg)
{
    (void)arg;
    for (unsigned k = 0; k < s->count; k++)
        s->entry[s->filled[k]].wtag = STLB_INVALID;
}

void stlb_protect_all(struct cpu *c)
{
    each_set(c->stlb, protect_whole, NULL);
}

/* --- figures --- */

static unsigned set_in_use(const struct stlb_set *s)
{
    unsigned n = 0;

    for (unsigned k = 0; k < s->count; k++) {
        const struct stlb_entry *e = &s->entry[s->filled[k]];

        n += e->rtag != STLB_INVALID || e->wtag != STLB_INVALID;
    }
    return n;
}

unsigned stlb_in_use(const struct softtlb *t)
{
    unsigned n = set_in_use(&t->phys);

    for (unsigned k = 0; k < STLB_SPACES; k++)
        for (unsigned x = 0; x < STLB_PHYS; x++)
            n += set_in_use(&t->space[k].set[x]);
    return n;
}
