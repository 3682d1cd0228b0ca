/* Register stack engine. See rse.h; section numbers are of SDM volume 2. */
#include <string.h>
#include "access.h"
#include "interrupt.h"
#include "rse.h"

#define RNAT_SLOT 0x1f8u /* address bits 8:3 all ones: the slot of a NaT collection (6.5) */

static bool is_rnat_slot(uint64_t addr)
{
    return (addr & RNAT_SLOT) == RNAT_SLOT;
}

uint64_t rse_addr(uint64_t addr, int64_t n)
{
    int64_t pos = (int64_t)(addr >> 3 & 0x3f) + n;
    int64_t skip = pos >= 0 ? pos / 63 : -((62 - pos) / 63);

    return addr + (uint64_t)(n + skip) * 8;
}

int64_t rse_distance(uint64_t from, uint64_t to)
{
    int64_t words = (int64_t)(to - from) >> 3;
    int64_t pos = (int64_t)(from >> 3 & 0x3f) + words;
    int64_t skip = pos >= 0 ? pos / 64 : -((63 - pos) / 64);

    return words - skip;
}

void rse_frame_changed(struct cpu *c)
{
    uint64_t *base = &c->stk[c->bof] - 32;
    uint8_t *nat = &c->stk_nat[c->bof] - 32;

    c->gr_base[1] = c->gr_base[2] = c->gr_base[3] = base;
    c->nat_base[1] = c->nat_base[2] = c->nat_base[3] = nat;
    c->frame_top = 32u + c->cfm.sof;
}

/* NaT bits outside the frame and the dirty registers mean nothing, but what reads them - operands
 * outside the frame, a frame that grows - must not depend on when rse_nats_clear() came by: those
 * above the frame are always 0. */
static void rse_forget_nats(struct cpu *c, uint32_t from, uint32_t to)
{
    if (unlikely(c->nat_seen) && from < to)
        memset(&c->stk_nat[from], 0, to - from);
}

/* Keeps room for a full frame above and for the dirty registers below the base. */
static void rse_recentre(struct cpu *c)
{
    uint32_t lo = c->bof - CPU_PHYS_STACKED, to = CPU_STACK_SLOTS / 2;

    memmove(&c->stk[to - CPU_PHYS_STACKED], &c->stk[lo], 2 * CPU_PHYS_STACKED * 8);
    memmove(&c->stk_nat[to - CPU_PHYS_STACKED], &c->stk_nat[lo], 2 * CPU_PHYS_STACKED);
    rse_forget_nats(c, 0, to - CPU_PHYS_STACKED);
    rse_forget_nats(c, to + CPU_PHYS_STACKED, CPU_STACK_SLOTS);
    c->stk_shift += (int64_t)c->bof - to;
    c->bof = to;
}

static void rse_move_base(struct cpu *c, int delta)
{
    c->bof = (uint32_t)((int)c->bof + delta);
    if (unlikely(c->bof < RSE_BASE_MIN || c->bof > RSE_BASE_MAX))
        rse_recentre(c);
}

void rse_reset(struct cpu *c)
{
    c->bof = CPU_STACK_SLOTS / 2;
    c->ndirty = 0;
    c->bsp = c->bspstore = 0;
    c->rnat = 0;
    c->cfm = (struct cfm){0};
    rse_frame_changed(c);
}

/* --- memory --- */

/* The RSE's own accesses: privilege rsc.pl, translation psr.rt, byte order rsc.be (6.5.4). */
static struct access_val rse_load(struct cpu *c, const struct uop *u, uint64_t addr)
{
    const struct stlb_entry *e = &c->stlb->rse[addr >> MEM_PAGE_SHIFT & (STLB_ENTRIES - 1)];

    if (likely((addr & ~0xff8ull) == e->rtag))
        return (struct access_val){atomic_guest_load((const void *)(addr + e->addend), 8),
                                   ACCESS_OK};
    return access_load_slow(c, u, addr, 8, AF_READ | ACC_RSE);
}

static bool rse_store(struct cpu *c, const struct uop *u, uint64_t addr, uint64_t v)
{
    const struct stlb_entry *e = &c->stlb->rse[addr >> MEM_PAGE_SHIFT & (STLB_ENTRIES - 1)];

    if (unlikely((addr & ~0xff8ull) != e->wtag))
        return access_store_slow(c, u, addr, 8, v, AF_WRITE | ACC_RSE);
    atomic_guest_store((void *)(addr + e->addend), 8, v);
    if (unlikely(c->alat_used))
        alat_store(c, e->pa | (addr & 0xfff), 8);
    return true;
}

/* Stores the oldest dirty register, and the NaT collection before it when one is due. */
static bool rse_store_one(struct cpu *c, const struct uop *u)
{
    uint32_t k = c->bof - (uint32_t)c->ndirty;
    unsigned bit;

    if (is_rnat_slot(c->bspstore)) {
        if (!rse_store(c, u, c->bspstore, c->rnat & INT64_MAX))
            return false;
        c->bspstore += 8;
        c->rnat = 0;
    }
    if (!rse_store(c, u, c->bspstore, c->stk[k]))
        return false;
    bit = c->bspstore >> 3 & 0x3f;
    c->rnat = (c->rnat & ~(1ull << bit)) | (uint64_t)c->stk_nat[k] << bit;
    c->bspstore += 8;
    c->ndirty--;
    return true;
}

/* Loads the register below the oldest dirty one (6.5.4). */
static bool rse_load_one(struct cpu *c, const struct uop *u)
{
    struct access_val v;
    uint32_t k = (uint32_t)((int)c->bof - c->ndirty - 1);
    uint64_t addr = c->bspstore - 8;

    if (is_rnat_slot(addr)) {
        v = rse_load(c, u, addr);
        if (!v.ok)
            return false;
        c->rnat = v.v & INT64_MAX;
        c->bspstore = addr;
        addr -= 8;
    }
    v = rse_load(c, u, addr);
    if (!v.ok)
        return false;
    c->stk[k] = v.v;
    c->stk_nat[k] = c->rnat >> (addr >> 3 & 0x3f) & 1;
    if (c->stk_nat[k])
        c->nat_seen = true;
    c->bspstore = addr;
    c->ndirty++;
    return true;
}

/* --- several registers at a time ---
 *
 * Up to the next NaT collection, which is never beyond the page, where nothing stands in the way:
 * the page is in the soft TLB, no NaT bit is about and no advanced load. They do as many of n as
 * they can, none if the first needs a look. */

static unsigned rse_store_run(struct cpu *c, unsigned n)
{
    uint64_t addr = c->bspstore;
    const struct stlb_entry *e = &c->stlb->rse[addr >> MEM_PAGE_SHIFT & (STLB_ENTRIES - 1)];
    unsigned bit = addr >> 3 & 0x3f, run = n < 63 - bit ? n : 63 - bit;

    if (unlikely((addr & ~0xff8ull) != e->wtag || c->nat_seen || c->alat_used))
        return 0;
    atomic_guest_write_words((void *)(addr + e->addend), &c->stk[c->bof - (uint32_t)c->ndirty],
                             run);
    c->rnat &= ~(((1ull << run) - 1) << bit);
    c->bspstore += 8 * run;
    c->ndirty -= (int)run;
    return run;
}

static unsigned rse_load_run(struct cpu *c, unsigned n)
{
    uint64_t last = c->bspstore - 8, addr;
    const struct stlb_entry *e = &c->stlb->rse[last >> MEM_PAGE_SHIFT & (STLB_ENTRIES - 1)];
    unsigned bit = last >> 3 & 0x3f, run = n < bit + 1 ? n : bit + 1;
    uint32_t k = (uint32_t)((int)c->bof - c->ndirty) - run;

    if (unlikely((last & ~0xff8ull) != e->rtag || bit == 63 || c->rnat))
        return 0;
    addr = last - 8 * (run - 1);
    atomic_guest_read_words((const void *)(addr + e->addend), &c->stk[k], run);
    memset(&c->stk_nat[k], 0, run);
    c->bspstore = addr;
    c->ndirty += (int)run;
    return run;
}

static bool rse_store_some(struct cpu *c, const struct uop *u, int n)
{
    return rse_store_run(c, (unsigned)n) || rse_store_one(c, u);
}

static bool rse_load_some(struct cpu *c, const struct uop *u, int n)
{
    return rse_load_run(c, (unsigned)n) || rse_load_one(c, u);
}

/* --- frames --- */

/* A frame stays incomplete (ndirty < 0) while a mandatory load faults. Only cover and rfi are
 * defined then (6.8); the others find whatever the host array holds, but never an ndirty that grows
 * without bound. */
static void rse_settle(struct cpu *c)
{
    if (likely(c->ndirty >= 0))
        return;
    rse_forget_nats(c, c->bof, c->bof - (uint32_t)c->ndirty);
    c->ndirty = 0;
    c->bspstore = c->bsp;
}

void rse_call(struct cpu *c)
{
    unsigned sol = c->cfm.sol;

    rse_settle(c);
    c->bsp = rse_addr(c->bsp, sol);
    c->ndirty += (int)sol;
    c->cfm = (struct cfm){.sof = (uint8_t)(c->cfm.sof - sol)};
    rse_move_base(c, (int)sol);
    rse_frame_changed(c);
}

void rse_return(struct cpu *c, uint64_t cfm, unsigned n)
{
    uint32_t sof;

    rse_settle(c);
    if (n > CPU_PHYS_STACKED)
        n = CPU_PHYS_STACKED;
    /* The frame's top would reach registers that are still dirty: a frame of no size (6.5.5). It
     * cannot happen to rfi, whose n is the whole frame. */
    if ((int)CFM_SOF(cfm) - (int)n > CPU_PHYS_STACKED - c->ndirty)
        cfm = 0;
    sof = CFM_SOF(cfm) < CPU_PHYS_STACKED ? CFM_SOF(cfm) : CPU_PHYS_STACKED;
    rse_forget_nats(c, c->bof - n, c->bof - (uint32_t)c->ndirty);
    rse_forget_nats(c, c->bof - n + sof, c->bof + c->cfm.sof);
    c->bsp = rse_addr(c->bsp, -(int64_t)n);
    c->ndirty -= (int)n;
    rse_move_base(c, -(int)n);
    cpu_set_cfm(c, cfm);
}

bool rse_complete(struct cpu *c)
{
    while (unlikely(c->ndirty < 0))
        if (!rse_load_some(c, NULL, -c->ndirty))
            return false;
    return true;
}

bool rse_alloc(struct cpu *c, const struct uop *u, unsigned sof, unsigned sol, unsigned sor)
{
    rse_settle(c);
    while (unlikely(c->ndirty + (int)sof > CPU_PHYS_STACKED))
        if (!rse_store_some(c, u, c->ndirty + (int)sof - CPU_PHYS_STACKED))
            return false;
    rse_forget_nats(c, c->bof + sof, c->bof + c->cfm.sof);
    /* What new registers hold is undefined; NaT bits left there would only slow things down. */
    if (unlikely(c->nat_seen && sof > c->cfm.sof))
        memset(&c->stk_nat[c->bof + c->cfm.sof], 0, sof - c->cfm.sof);
    c->cfm.sof = (uint8_t)sof;
    c->cfm.sol = (uint8_t)sol;
    c->cfm.sor = (uint8_t)sor;
    c->frame_top = 32u + sof;
    return true;
}

void rse_cover(struct cpu *c)
{
    unsigned sof = c->cfm.sof;

    c->bsp = rse_addr(c->bsp, sof);
    c->ndirty += (int)sof;
    rse_settle(c); /* no more than sof can be missing, but for invalid values of PFS */
    c->cfm = (struct cfm){0};
    rse_move_base(c, (int)sof);
    rse_frame_changed(c);
}

bool rse_flush(struct cpu *c, const struct uop *u)
{
    rse_settle(c);
    while (c->ndirty > 0)
        if (!rse_store_some(c, u, c->ndirty))
            return false;
    if (c->bspstore == c->bsp)
        return true;
    /* The last register was the 63rd of its group: its collection is due too (6.5.4). */
    if (!rse_store(c, u, c->bspstore, c->rnat & INT64_MAX))
        return false;
    c->bspstore += 8;
    c->rnat = 0;
    return true;
}

/* The tear point of loadrs: RSC.loadrs bytes below BSP; its low three bits are ignored (6.5.4). */
static uint64_t rse_tear_point(const struct cpu *c)
{
    return c->bsp - (c->rsc >> 16 & 0x3ff8);
}

bool rse_loadrs_fits(const struct cpu *c)
{
    return rse_distance(rse_tear_point(c), c->bsp) <= CPU_PHYS_STACKED;
}

/* loadrs: exactly what lies above the tear point is dirty afterwards (6.5.4; 3:loadrs). */
bool rse_loadrs(struct cpu *c, const struct uop *u)
{
    uint64_t want = rse_tear_point(c);
    int64_t n = rse_distance(want, c->bsp);

    rse_settle(c);
    while (c->ndirty < n)
        if (!rse_load_some(c, u, (int)(n - c->ndirty)))
            return false;
    /* The tear point is a NaT collection's: it is among what must be loaded. */
    if (c->bspstore == want + 8 && is_rnat_slot(want)) {
        struct access_val v = rse_load(c, u, want);

        if (!v.ok)
            return false;
        c->rnat = v.v & INT64_MAX;
    }
    c->ndirty = (int32_t)n;
    c->bspstore = want;
    return true;
}

/* The dirty registers stay and belong above the new BSPSTORE now (6.5.3, table 6-4). */
void rse_set_bspstore(struct cpu *c, uint64_t value)
{
    rse_settle(c);
    c->bspstore = value & ~7ull;
    c->bsp = rse_addr(c->bspstore, c->ndirty);
}

bool rse_nats_clear(struct cpu *c)
{
    int lo = c->ndirty > 0 ? -c->ndirty : 0;

    if (c->always_gen)
        return false;
    for (int k = lo; k < c->cfm.sof; k++)
        if (c->stk_nat[(int)c->bof + k])
            return false;
    for (unsigned k = 0; k < 32; k++)
        if (c->nat[k] || c->bank_nat[k & 15])
            return false;
    memset(c->stk_nat, 0, sizeof c->stk_nat);
    return true;
}
