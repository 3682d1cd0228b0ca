/* Data accesses as instructions make them: soft TLB first, then the architected path with every
 * check (SDM 2:4, 2:5.6), raising the fault themselves.
 *
 * Results come back by value so that callers can end in a sibling call.
 */
#ifndef KITTSON_CPU_ACCESS_H
#define KITTSON_CPU_ACCESS_H

#include "alat.h"
#include "atomic.h"
#include "interp.h"

/* ok is false when a fault was raised: the caller returns NULL at once. */
struct access_val {
    uint64_t v;
    uint64_t ok; /* ACCESS_* */
};
enum { ACCESS_FAULT, ACCESS_OK, ACCESS_DEFERRED };

/* A 16-byte or FP operand. */
struct access_wide {
    uint64_t lo, hi;
    uint64_t ok;
};

/* Flags of the slow path. */
#define AF_READ     ACC_READ
#define AF_WRITE    ACC_WRITE
#define AF_SPEC     0x100u /* speculative load: faults may be deferred (SDM 2:5.5.5) */
#define AF_ADVANCED 0x200u /* advanced load */
#define AF_SEMA     0x400u /* semaphore: must be aligned, not to UC pages for fetchadd */
#define AF_SPILL    0x800u
#define AF_ACQ      0x1000u
#define AF_NA_SHIFT 20 /* ISR.code of a non-access instruction, with ACC_NONACCESS */

struct access_val access_load_slow(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                                   unsigned flags);
bool access_store_slow(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                       uint64_t value, unsigned flags);
/* 10 and 16 byte operands (ldfe, ld16, spill). Little-endian halves. */
struct access_wide access_load_wide(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                                    unsigned flags);
bool access_store_wide(struct cpu *c, const struct uop *u, uint64_t va, unsigned size, uint64_t lo,
                       uint64_t hi, unsigned flags);
/* Two adjacent values of size bytes, one access. */
struct access_wide access_load_pair(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                                    unsigned flags);
/* Translates for an instruction that needs the host address (semaphores) or only the check.
 * On success *host is set when the bytes are RAM, else NULL and *pa is the device address. */
struct access_ref {
    uint8_t *host; /* NULL: a device */
    uint64_t pa;
    uint8_t ma;
    uint8_t ok;
};
struct access_ref access_translate(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                                   unsigned flags);
/* tlb_translate in the current context, dropping copies of translations it replaced. */
enum tlb_fault access_lookup(struct cpu *c, uint64_t va, unsigned acc, unsigned cpl,
                             struct tlb_result *t);
/* Raises what tlb_translate reported. */
void access_raise(struct cpu *c, const struct uop *u, uint64_t va, enum tlb_fault f,
                  const struct tlb_result *t, uint64_t isr);

ALWAYS_INLINE struct access_val access_load(struct cpu *c, const struct uop *u, uint64_t va,
                                            const unsigned size)
{
    const struct stlb_entry *e = &c->stlb->data[va >> MEM_PAGE_SHIFT & (STLB_ENTRIES - 1)];
    const char *p = (const char *)(va + e->addend);

    if (unlikely((va & (~0xfffull | (size - 1))) != e->rtag))
        return access_load_slow(c, u, va, size, AF_READ);
    return (struct access_val){atomic_guest_load(p, size), ACCESS_OK};
}

ALWAYS_INLINE bool access_store(struct cpu *c, const struct uop *u, uint64_t va,
                                const unsigned size, uint64_t v)
{
    const struct stlb_entry *e = &c->stlb->data[va >> MEM_PAGE_SHIFT & (STLB_ENTRIES - 1)];
    char *p = (char *)(va + e->addend);

    if (unlikely((va & (~0xfffull | (size - 1))) != e->wtag))
        return access_store_slow(c, u, va, size, v, AF_WRITE);
    if (unlikely(c->alat_used))
        alat_store(c, e->pa | (va & 0xfff), size);
    atomic_guest_store(p, size, v);
    return true;
}

/* Whether reading the byte is known to raise nothing. */
ALWAYS_INLINE bool access_readable(const struct cpu *c, uint64_t va)
{
    return (va & ~0xfffull) == c->stlb->data[va >> MEM_PAGE_SHIFT & (STLB_ENTRIES - 1)].rtag;
}

#endif
