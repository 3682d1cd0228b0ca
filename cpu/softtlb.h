/* Soft TLB: for each address space, privilege level and for physical mode, recent 4 KB pages with
 * their host address, so that a load or store is one compare.
 *
 * An address space is what the region registers name: several are kept, so that a system that
 * switches between processes finds the pages of each again.
 *
 * Holds only cacheable RAM pages whose access raises no fault and needs no bookkeeping: everything
 * else (devices, pages with decoded code, misaligned or big-endian access, data breakpoints) does
 * not match and takes the slow path in cpu/access.c, which knows the architecture.
 */
#ifndef KITTSON_CPU_SOFTTLB_H
#define KITTSON_CPU_SOFTTLB_H

#include <stdbool.h>
#include <stdint.h>
#include "tlb.h"

#define STLB_BITS    12
#define STLB_ENTRIES (1u << STLB_BITS)
#define STLB_PHYS    4 /* context of physical accesses; 0..3 are privilege levels */
#define STLB_NEVER   5 /* context that matches nothing */
#define STLB_SPACES  8
#define STLB_INVALID 0x800ull /* a tag no access can have */

struct stlb_entry {
    uint64_t rtag, wtag; /* page address when readable / writable without further ado */
    uint64_t addend;     /* host address = virtual address + addend */
    uint64_t pa;         /* physical page address */
};

/* One context's entries. A set is made ready before it is looked at for the first time. */
struct stlb_set {
    struct stlb_entry entry[STLB_ENTRIES];
    uint16_t filled[STLB_ENTRIES]; /* which ones have been since the set was empty */
    uint16_t count;                /* of them */
    bool ready;
};

struct stlb_space {
    uint32_t rid[TLB_RR_COUNT];
    uint64_t used; /* when it was the running one last */
    struct stlb_set set[STLB_PHYS];
};

struct softtlb {
    struct stlb_entry *data;                         /* the running context's entries */
    struct stlb_entry *rse;                          /* the register stack engine's */
    uint64_t fills, flushes, page_flushes, switches; /* for --stats */
    struct stlb_space *running;
    struct stlb_space space[STLB_SPACES];
    struct stlb_set phys, never;
};

struct cpu;
/* The entries of a context in the running address space. */
struct stlb_entry *stlb_context(struct cpu *c, unsigned x);
/* Region registers changed: goes to the address space that they name. */
void stlb_switch(struct cpu *c);
/* The entry for va of the data or register stack context, to be filled in. */
struct stlb_entry *stlb_place(struct cpu *c, struct stlb_entry *context, uint64_t va);
void stlb_flush(struct cpu *c);
/* Drops what lies in 2^ps bytes at va in all contexts. */
void stlb_flush_range(struct cpu *c, uint64_t va, unsigned ps);
/* log2 of the bytes that lose their translation when 2^ps at va are purged or replaced: a larger
 * page that overlaps goes as a whole. To be asked before. */
unsigned stlb_purge_size(struct cpu *c, uint64_t va, unsigned ps, uint32_t rid);
/* No longer lets stores to a physical page pass unseen, or to any. */
void stlb_protect_page(struct cpu *c, uint64_t pa);
void stlb_protect_all(struct cpu *c);
unsigned stlb_in_use(const struct softtlb *t);

#endif
