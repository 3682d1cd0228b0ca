/* The architected translation machinery of one processor: translation registers, translation
 * cache, VHPT walker, protection keys and access rights.
 *
 * Says where a virtual address leads or which fault it raises; does not raise it, does not cache
 * host addresses (that is cpu/softtlb.c) and does not know instructions. Rules: SDM vol 2
 * chapter 4.
 */
#ifndef KITTSON_MEM_TLB_H
#define KITTSON_MEM_TLB_H

#include <stdbool.h>
#include <stdint.h>
#include "mem.h"

#define TLB_TR_COUNT  64   /* per side; PAL reports as many */
#define TLB_TC_COUNT  4096 /* per side; far more than any chip had, which software cannot notice */
#define TLB_RR_COUNT  8
#define TLB_PKR_COUNT 16
#define TLB_PA_BITS   50 /* implemented physical address bits */
#define TLB_VA_MSB    60 /* IMPL_VA_MSB: all 61 offset bits implemented */
#define TLB_RID_BITS  24
#define TLB_KEY_BITS  24
#define TLB_DBR_COUNT 16
/* Bit n set: page size 2^n can be inserted. 4K 8K 16K 64K 256K 1M 4M 16M 64M 256M 1G 4G. */
#define TLB_INSERT_SIZES 0x155557000ull

/* Memory attributes (SDM 2:4.4). */
enum { MA_WB = 0, MA_UC = 4, MA_UCE = 5, MA_WC = 6, MA_NATPAGE = 7 };

struct tlb_entry {
    uint64_t vpn; /* virtual address of the page's first byte, region bits removed (bits 60:0) */
    uint64_t ppn; /* physical address of the page's first byte */
    uint64_t size_mask; /* page size - 1 */
    uint32_t rid;
    uint32_t key;
    uint8_t ps, ma, ar, pl;
    bool valid, p, a, d, ed;
};

enum tlb_side { TLB_DATA, TLB_INST };

/* Access kinds; combine with |. */
#define ACC_READ  1u
#define ACC_WRITE 2u
#define ACC_EXEC  4u
#define ACC_RSE   8u /* made by the RSE: uses rsc.pl given as cpl, never deferred */
#define ACC_NONACCESS                                                                              \
    16u               /* tpa, probe, fc, tak, lfetch: no access, ISR.na. Without READ or WRITE     \
                         (tpa, tak): only the miss faults, not present and NaT page */
#define ACC_FLUSH 32u /* fc, with READ: keys and the access bit do not count (SDM 3: fc) */

/* In order of SDM 2:5.6 priority within their class. Non-zero values are faults. */
enum tlb_fault {
    TLB_OK,
    TLB_UNIMPLEMENTED, /* Unimplemented Data/Instruction Address */
    TLB_NESTED,        /* Data Nested TLB: PSR.ic was 0 (data only) */
    TLB_ALT_MISS,      /* Alternate Data/Instruction TLB: walker disabled for the region */
    TLB_VHPT,          /* VHPT Translation: the walker's own access missed; iha valid */
    TLB_MISS,          /* Data/Instruction TLB: walker found nothing to insert; iha valid */
    TLB_NOT_PRESENT,
    TLB_NATPAGE,
    TLB_KEY_MISS,
    TLB_KEY_PERM,
    TLB_ACCESS_RIGHTS,
    TLB_DIRTY,
    TLB_ACCESS_BIT,
};

/* The registers translation depends on; owned and kept current by the CPU. */
struct tlb_regs {
    uint64_t rr[TLB_RR_COUNT];
    uint64_t pkr[TLB_PKR_COUNT];
    uint64_t pta; /* cr.pta */
    uint64_t psr;
    uint64_t dcr;        /* cr.dcr: its be bit is the byte order of the VHPT */
    const uint64_t *dbr; /* TLB_DBR_COUNT data breakpoint registers, which stop the walker when
                            psr.db is 1; NULL: none */
};

struct tlb_result {
    uint64_t pa;
    uint64_t iha;  /* VHPT address tried, for TLB_VHPT and TLB_MISS */
    uint64_t itir; /* default ITIR: rr.ps and rr.rid of va, for TLB_VHPT those of iha */
    uint8_t ma, ps;
    uint8_t rights; /* for the given cpl: ACC_READ|ACC_WRITE|ACC_EXEC that the entry (keys, dirty
                       and access bits included) permits: what a soft TLB may cache */
    uint8_t new_pl; /* privilege level promoted to by an epc page (ar 7) */
    bool changed;   /* the walker's insertion has replaced older translations: cached copies for
                       the 2^ps bytes around va must go (set whatever the returned fault) */
    const struct tlb_entry *entry; /* NULL when physical or missing; else set even on a fault, as
                                      are pa and the fields above. Valid until the next insertion
                                      or purge */
};

struct tlb;
struct tlb *tlb_new(void);
void tlb_free(struct tlb *t);
void tlb_reset(struct tlb *t);

/* Inserts (itr/itc). va is cr.ifa, pte the instruction's operand, itir cr.itir; rid from
 * rr[va{63:61}]. 0 or a negative code: -1 Reserved Register/Field fault, -2 Unimplemented Data
 * Address, -3 Machine Check (overlaps a TR). Overlapping TC entries are purged first. slot is the
 * TR number (0..63) of itr. Returns via *changed (may be NULL) whether older translations
 * overlapped: cached copies for the inserted page must go then. See also tlb_evicted(). */
int tlb_insert_tr(struct tlb *t, enum tlb_side side, unsigned slot, uint64_t va, uint64_t pte,
                  uint64_t itir, const struct tlb_regs *r, bool *changed);
int tlb_insert_tc(struct tlb *t, enum tlb_side side, uint64_t va, uint64_t pte, uint64_t itir,
                  const struct tlb_regs *r, bool *changed);
/* ptr.i, ptr.d, ptc.l/g/ga (both sides of the TC), ptc.e (everything in the TC). ps is log2 of the
 * purged size. true: a translation of instructions is gone. */
bool tlb_purge_tr(struct tlb *t, enum tlb_side side, uint64_t va, unsigned ps, uint32_t rid);
bool tlb_purge_tc(struct tlb *t, uint64_t va, unsigned ps, uint32_t rid);
void tlb_purge_all_tc(struct tlb *t);

/* Whether entries were lost for lack of room since the last call, by any insertion or by the
 * walker. Cached copies of anything must go then: a later insertion can no longer see that it
 * replaces one of them. True about once in 256 insertions at most. */
bool tlb_evicted(struct tlb *t);

/* Finds the entry for a virtual address, TRs first. NULL if none. No side effects. */
const struct tlb_entry *tlb_find(struct tlb *t, enum tlb_side side, uint64_t va, uint32_t rid);

/* Where a data address leads, for somebody who only looks: what the TLB (either side) or the VHPT
 * say, whatever the rights; a region without a walker that has no entry is taken to be mapped one
 * to one, as handlers of the Alternate TLB vectors do. No side effects. */
bool tlb_peek(struct tlb *t, struct mem *m, const struct tlb_regs *r, uint64_t va, uint64_t *pa);

/* Full translation of a virtual access with VHPT walk, in architected fault order (SDM 2:4.1,
 * 2:5.6). acc: ACC_*; cpl the privilege of the access. The walker reads memory through m and
 * inserts what it finds. */
enum tlb_fault tlb_translate(struct tlb *t, struct mem *m, const struct tlb_regs *r, uint64_t va,
                             unsigned acc, unsigned cpl, struct tlb_result *out);

/* The translation in register `slot` of a side, or NULL if it holds none. */
const struct tlb_entry *tlb_tr(const struct tlb *t, enum tlb_side side, unsigned slot);

/* Saves or restores all entries, places included: which one is pushed out next is part of the
 * state. Version 1. */
struct archive;
void tlb_state(struct tlb *t, struct archive *s);

/* For lists of what there is: entry n, the registers first, then the cache; NULL when it is free.
 */
#define TLB_ENTRIES (TLB_TR_COUNT + TLB_TC_COUNT)
const struct tlb_entry *tlb_entry(const struct tlb *t, enum tlb_side side, unsigned n);

/* thash and ttag (SDM 3: thash, ttag; 2:4.1.6, 2:4.1.7). */
uint64_t tlb_thash(const struct tlb_regs *r, uint64_t va);
uint64_t tlb_ttag(const struct tlb_regs *r, uint64_t va);
/* Whether all bits of a virtual / physical address are implemented. */
bool tlb_va_implemented(uint64_t va);
bool tlb_pa_implemented(uint64_t pa);

#endif
