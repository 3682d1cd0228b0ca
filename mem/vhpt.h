/* The hardware walker of the virtual hash page table.
 *
 * Private to mem/: translate.c calls it after a TLB miss. It never raises a fault itself and
 * never writes to the table. SDM 2:4.1.5 to 2:4.1.8.
 */
#ifndef KITTSON_MEM_VHPT_H
#define KITTSON_MEM_VHPT_H

#include "tlb.h"

/* Whether the walker serves this kind of access to the region of va. */
bool vhpt_enabled(const struct tlb_regs *r, uint64_t va, unsigned acc);

/* The translation the table at iha has for va, without any effect. TLB_OK, TLB_VHPT or TLB_MISS. */
enum tlb_fault vhpt_read(struct tlb *t, struct mem *m, const struct tlb_regs *r, uint64_t va,
                         uint64_t iha, uint64_t *pte, uint64_t *itir);

/* Looks va up and inserts what it finds. TLB_OK, TLB_VHPT or TLB_MISS. iha is the address to look
 * at (tlb_thash); *changed is set if an older translation was removed. */
enum tlb_fault vhpt_walk(struct tlb *t, struct mem *m, const struct tlb_regs *r, enum tlb_side side,
                         uint64_t va, uint64_t iha, bool *changed);

#endif
