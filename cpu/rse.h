/* The register stack engine (SDM 2:6): frames, backing store, NaT collections.
 *
 * The stacked registers live in one host array in which the frame base slides; registers are
 * stored only when more than CPU_PHYS_STACKED would be dirty or software asks, and loaded only
 * when a return needs them (enforced lazy mode, which is always permitted: 2:6.1). There is
 * no clean partition: what was stored counts as invalid, except that it costs a load.
 */
#ifndef KITTSON_CPU_RSE_H
#define KITTSON_CPU_RSE_H

#include "interp.h"

/* Address of the slot `n` registers above (below, if negative) the slot at addr, skipping
 * NaT collections (SDM 2:6.5). */
uint64_t rse_addr(uint64_t addr, int64_t n);
/* Registers between two slot addresses, NaT collections not counted. */
int64_t rse_distance(uint64_t from, uint64_t to);

void rse_reset(struct cpu *c);
/* br.call: the callee's frame starts with the caller's outputs. */
void rse_call(struct cpu *c);
/* br.ret, rfi: back to a frame of `cfm` (packed, 38 bits) that starts n registers lower: its
 * locals after br.ret, all of it after cover and rfi. Makes the incomplete frame visible to
 * rse_complete, which must follow. */
void rse_return(struct cpu *c, uint64_t cfm, unsigned n);
#define CFM_SOF(cfm) ((unsigned)(cfm)&0x7f)
#define CFM_SOL(cfm) ((unsigned)((cfm) >> 7) & 0x7f)
/* Mandatory loads of an incomplete frame. false: a fault was raised (ISR.ir set). */
bool rse_complete(struct cpu *c);
/* alloc: grows or shrinks the frame. false: a mandatory store faulted. */
bool rse_alloc(struct cpu *c, const struct uop *u, unsigned sof, unsigned sol, unsigned sor);
void rse_cover(struct cpu *c);
bool rse_flush(struct cpu *c, const struct uop *u);
bool rse_loadrs(struct cpu *c, const struct uop *u);
/* Whether what loadrs is to load has room in the physical registers. */
bool rse_loadrs_fits(const struct cpu *c);
void rse_set_bspstore(struct cpu *c, uint64_t value);
/* Recomputes what depends on the frame (register pointers, frame top). */
void rse_frame_changed(struct cpu *c);
/* Clears stale NaT bits when none is live; true if none is. */
bool rse_nats_clear(struct cpu *c);

/* --- the usual call and return ---
 *
 * Exactly rse_call and rse_return for frames about which nothing is special: no rotation, no NaT in
 * sight, all registers there, no need to move the frame in its array. false: not such a case, and
 * nothing was done. */

#define RSE_BASE_MIN (2u * CPU_PHYS_STACKED)
#define RSE_BASE_MAX (CPU_STACK_SLOTS - 3u * CPU_PHYS_STACKED)

/* Words from the slot at addr to the slot n registers above, or below it, for n up to 96. */
ALWAYS_INLINE unsigned rse_words_up(uint64_t addr, unsigned n)
{
    unsigned pos = (unsigned)(addr >> 3 & 0x3f) + n;

    return n + (pos >= 63) + (pos >= 126);
}

ALWAYS_INLINE unsigned rse_words_down(uint64_t addr, unsigned n)
{
    unsigned pos = addr >> 3 & 0x3f;

    return n + (n > pos) + (n > pos + 63);
}

ALWAYS_INLINE void rse_slide(struct cpu *c, int n)
{
    c->bof = (uint32_t)((int)c->bof + n);
    c->ndirty += n;
    for (unsigned k = 1; k < 4; k++) {
        c->gr_base[k] += n;
        c->nat_base[k] += n;
    }
}

ALWAYS_INLINE bool rse_call_quick(struct cpu *c)
{
    unsigned sol = c->cfm.sol;

    if (unlikely(c->mode || c->ndirty < 0 || c->bof + sol > RSE_BASE_MAX))
        return false;
    c->bsp += 8 * rse_words_up(c->bsp, sol);
    rse_slide(c, (int)sol);
    c->cfm = (struct cfm){.sof = (uint8_t)(c->cfm.sof - sol)};
    c->frame_top = 32u + c->cfm.sof;
    return true;
}

ALWAYS_INLINE bool rse_return_quick(struct cpu *c, uint64_t cfm)
{
    unsigned sof = CFM_SOF(cfm), sol = CFM_SOL(cfm), sor = (cfm >> 14 & 0xf) * 8;
    int free_above = CPU_PHYS_STACKED - c->ndirty;

    if (unlikely(c->mode || c->nat_seen || cfm >> 18 || sof > CPU_PHYS_STACKED || sol > sof ||
                 sor > sof || c->ndirty < (int)sol || c->bof < RSE_BASE_MIN + sol ||
                 (int)sof - (int)sol > free_above))
        return false;
    c->bsp -= 8 * rse_words_down(c->bsp, sol);
    rse_slide(c, -(int)sol);
    c->cfm = (struct cfm){.sof = (uint8_t)sof, .sol = (uint8_t)sol, .sor = (uint8_t)sor};
    c->frame_top = 32u + sof;
    return true;
}

#endif
