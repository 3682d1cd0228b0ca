/* Rights and key checks shared by the translation of accesses and by the VHPT walker.
 *
 * Private to mem/; the public interface is tlb.h.
 */
#ifndef KITTSON_MEM_TRANSLATE_H
#define KITTSON_MEM_TRANSLATE_H

#include "tlb.h"

/* The PSR bits translation looks at (SDM 2:3.3.2). */
#define TLB_PSR_IC (1ull << 13)
#define TLB_PSR_PK (1ull << 15)
#define TLB_PSR_DT (1ull << 17)
#define TLB_PSR_DB (1ull << 24)
#define TLB_PSR_RT (1ull << 27)
#define TLB_PSR_IT (1ull << 36)
#define TLB_PSR_DA (1ull << 38)
#define TLB_PSR_IA (1ull << 45)

/* ACC_READ, ACC_WRITE and ACC_EXEC that page access rights give to a privilege level. */
unsigned tlb_page_rights(const struct tlb_entry *e, unsigned cpl);

/* ACC_* that the protection key registers forbid for a key; *hit tells if a register holds it. */
unsigned tlb_key_denied(const struct tlb_regs *r, uint32_t key, bool *hit);

#endif
