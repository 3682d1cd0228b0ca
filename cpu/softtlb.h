/* Soft TLB: for each privilege level and for physical mode, recent 4 KB pages with their host
 * address, so that a load or store is one compare.
 *
 * Holds only cacheable RAM pages whose access raises no fault and needs no bookkeeping: everything
 * else (devices, pages with decoded code, misaligned or big-endian access, data breakpoints) does
 * not match and takes the slow path in cpu/access.c, which knows the architecture.
 */
#ifndef KITTSON_CPU_SOFTTLB_H
#define KITTSON_CPU_SOFTTLB_H

#include <stdint.h>

#define STLB_BITS     12
#define STLB_ENTRIES  (1u << STLB_BITS)
#define STLB_PHYS     4 /* context of physical accesses; 0..3 are privilege levels */
#define STLB_NEVER    5 /* context that matches nothing */
#define STLB_CONTEXTS 6
#define STLB_INVALID  0x800ull /* a tag no access can have */

struct stlb_entry {
    uint64_t rtag, wtag; /* page address when readable / writable without further ado */
    uint64_t addend;     /* host address = virtual address + addend */
    uint64_t pa;         /* physical page address */
};

struct softtlb {
    struct stlb_entry *data;               /* the running context's entries: one of ctx[] */
    struct stlb_entry *rse;                /* the register stack engine's */
    uint64_t fills, flushes, page_flushes; /* for --stats */
    struct stlb_entry ctx[STLB_CONTEXTS][STLB_ENTRIES];
};

struct cpu;
void stlb_flush(struct cpu *c);
/* Drops the entry for one page in all contexts. */
void stlb_flush_range(struct cpu *c, uint64_t va, unsigned ps);
/* log2 of the bytes that lose their translation when 2^ps at va are purged or replaced: a larger
 * page that overlaps goes as a whole. To be asked before. */
unsigned stlb_purge_size(struct cpu *c, uint64_t va, unsigned ps, uint32_t rid);
/* Drops the virtual entries of regions whose bit is set in mask (region registers changed). */
void stlb_flush_regions(struct cpu *c, unsigned mask);
/* No longer lets stores to a physical page pass unseen. */
void stlb_protect_page(struct cpu *c, uint64_t pa);

#endif
