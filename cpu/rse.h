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

#endif
