/* The architected path of data accesses. See access.h; section numbers are of SDM volume 2. */
#include <string.h>
#include "access.h"
#include "breakset.h"
#include "debug.h"
#include "interrupt.h"
#include "lockstep.h"
#include "tracer.h"

static unsigned access_cpl(const struct cpu *c, unsigned flags)
{
    return flags & ACC_RSE ? (unsigned)(c->rsc >> 2) & 3 : cpu_cpl(c);
}

/* Vector and ISR.code of a translation fault (8.3). */
static unsigned fault_data_vector(enum tlb_fault f, uint64_t *isr)
{
    switch (f) {
    case TLB_UNIMPLEMENTED:
        *isr |= GENEX_RESERVED;
        return VEC_GENEX;
    case TLB_NESTED:
        return VEC_NESTED;
    case TLB_ALT_MISS:
        return VEC_ALT_DTLB;
    case TLB_VHPT:
        return VEC_VHPT;
    case TLB_MISS:
        return VEC_DTLB;
    case TLB_NOT_PRESENT:
        return VEC_NOT_PRESENT;
    case TLB_NATPAGE:
        *isr |= 0x20;
        return VEC_NAT;
    case TLB_KEY_MISS:
        return VEC_DKEY_MISS;
    case TLB_KEY_PERM:
        return VEC_KEY_PERM;
    case TLB_DIRTY:
        return VEC_DIRTY;
    case TLB_ACCESS_BIT:
        return VEC_DACCESS_BIT;
    default:
        return VEC_DACCESS;
    }
}

void access_raise(struct cpu *c, const struct uop *u, uint64_t va, enum tlb_fault f,
                  const struct tlb_result *t, uint64_t isr)
{
    unsigned vector = fault_data_vector(f, &isr);

    interrupt_at(c, u);
    if (vector != VEC_NESTED && vector != VEC_GENEX) {
        interrupt_set_ifa(c, va, t->itir);
        if ((f == TLB_VHPT || f == TLB_MISS) && (c->psr & PSR_IC))
            c->cr[CR_IHA] = t->iha;
    } else if (vector == VEC_GENEX && (c->psr & PSR_IC)) {
        c->cr[CR_IFA] = va;
    }
    interrupt_deliver(c, vector, isr);
}

enum tlb_fault access_lookup(struct cpu *c, uint64_t va, unsigned acc, unsigned cpl,
                             struct tlb_result *t)
{
    enum tlb_fault f;

    c->tr.psr = c->psr;
    f = tlb_translate(c->tlb, c->mem, &c->tr, va, acc, cpl, t);

    if (unlikely(tlb_evicted(c->tlb))) {
        lockstep_unsettle(c);
        stlb_flush(c);
        block_flush_lookup(c);
    } else if (unlikely(t->changed)) {
        lockstep_unsettle(c);
        stlb_flush_range(c, va, t->ps);
        if (acc & ACC_EXEC)
            block_flush_rid(c, (uint32_t)(c->tr.rr[va >> 61] >> 8) & 0xffffff);
    }
    return f;
}

/* ITLB.ed of the page the instruction is in: deferral with recovery code (5.5.5). */
static bool code_page_ed(struct cpu *c)
{
    const struct tlb_entry *e;

    if (!(c->psr & PSR_IT))
        return false;
    e = tlb_find(c->tlb, TLB_INST, c->page_va, c->tr.rr[c->page_va >> 61] >> 8 & 0xffffff);
    return e && e->ed;
}

static uint64_t access_isr(struct cpu *c, const struct uop *u, unsigned flags)
{
    uint64_t isr = 0;

    if (flags & AF_READ)
        isr |= ISR_R;
    if (flags & AF_WRITE)
        isr |= ISR_W;
    if (flags & ACC_NONACCESS)
        isr |= ISR_NA | (flags >> AF_NA_SHIFT & 0xf);
    if (flags & ACC_RSE)
        isr |= ISR_RS;
    if (flags & AF_SPEC)
        isr |= ISR_SP;
    if (u)
        isr |= (uint64_t)uop_slot(u) << ISR_EI_SHIFT;
    else /* a load for the frame that the next instruction is to run in */
        isr |= (c->psr & PSR_RI) >> PSR_RI_SHIFT << ISR_EI_SHIFT;
    if (!(flags & ACC_RSE) && code_page_ed(c)) /* never for the RSE (8.3) */
        isr |= ISR_ED;
    return isr;
}

/* Whether a speculative load defers a condition that the given DCR bit is for; 0: one that needs no
 * bit (5.5.5, table 5-4). Without recovery code (ITLB.ed) nothing is deferred while PSR.ic is 1. */
static bool defers_with(struct cpu *c, uint64_t dcr_bit)
{
    if (!(c->psr & PSR_IC) || (c->psr & PSR_ED))
        return true;
    return code_page_ed(c) && (!dcr_bit || (c->cr[CR_DCR] & dcr_bit));
}

static bool defers(struct cpu *c, enum tlb_fault f)
{
    static const uint64_t dcr_bit[] = {
        [TLB_NESTED] = DCR_DM,   [TLB_ALT_MISS] = DCR_DM,      [TLB_VHPT] = DCR_DM,
        [TLB_MISS] = DCR_DM,     [TLB_NOT_PRESENT] = DCR_DP,   [TLB_KEY_MISS] = DCR_DK,
        [TLB_KEY_PERM] = DCR_DX, [TLB_ACCESS_RIGHTS] = DCR_DR, [TLB_ACCESS_BIT] = DCR_DA,
    };

    return f == TLB_UNIMPLEMENTED || f == TLB_NATPAGE || defers_with(c, dcr_bit[f]);
}

static void fill(struct cpu *c, uint64_t va, unsigned flags, const struct tlb_result *t)
{
    struct stlb_entry *set = flags & ACC_RSE ? c->stlb->rse : c->stlb->data;
    uint64_t page = va & ~0xfffull, pa = t->pa & ~0xfffull;
    struct stlb_entry *e;
    uint8_t *host;

    /* A region register's new value counts for the copies from the next serialisation on. */
    if (set == c->stlb->never.entry || (c->psr & PSR_DA) || t->ma != MA_WB || c->rr_dirty)
        return;
    if (unlikely(c->breaks) && breakset_watches_page(c->breaks, page))
        return;
    if (unlikely(c->tracer) && tracer_wants_accesses(c->tracer))
        return;
    /* Other attributes change what semaphores and speculation do: never from here. */
    host = t->ma == MA_WB ? mem_ram(c->mem, pa, MEM_PAGE_SIZE) : NULL;
    if (!host)
        return;
    c->stlb->fills++;
    e = stlb_place(c, set, va);
    e->addend = (uint64_t)host - page;
    e->pa = pa;
    e->rtag = t->rights & ACC_READ ? page : STLB_INVALID;
    e->wtag = (t->rights & ACC_WRITE) && !mem_watches(c->mem, pa) ? page : STLB_INVALID;
    if (unlikely(c->lock))
        lockstep_filled(c, e, flags & AF_WRITE);
}

static bool aligned(uint64_t va, unsigned size)
{
    unsigned unit = size == 10 ? 16 : size;

    return (va & (unit - 1)) == 0;
}

/* Unaligned Data Reference: when PSR.ac is set, and always for semaphores, 16-byte accesses and the
 * RSE; otherwise the access is carried out (SDM 1:4.4.4, 2:4.5 leave that to the implementation).
 */
static bool alignment_faults(const struct cpu *c, uint64_t va, unsigned size, unsigned flags)
{
    if (aligned(va, size))
        return false;
    return (c->psr & PSR_AC) || (flags & (AF_SEMA | ACC_RSE | AF_SPILL));
}

/* Raises a fault that is not the translation's. The result is for callers to return. */
static int raise_other(struct cpu *c, const struct uop *u, unsigned vector, uint64_t va,
                       uint64_t itir, unsigned flags)
{
    interrupt_at(c, u);
    interrupt_set_ifa(c, va, itir);
    interrupt_deliver(c, vector, access_isr(c, u, flags));
    return ACCESS_FAULT;
}

/* 16-byte integer and 10-byte operands need cacheable memory (4.4.9; part 2, 7.2). */
static bool unsupported(uint8_t ma, unsigned size, unsigned flags)
{
    return (size == 10 || (size == 16 && (flags & AF_SEMA))) && ma != MA_WB;
}

/* All checks of one access in order of priority (5.6, table 5-6). ACCESS_*. */
static int access_check(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                        unsigned flags, struct tlb_result *t)
{
    enum tlb_fault f;
    unsigned acc = flags & (AF_READ | AF_WRITE | ACC_RSE | ACC_NONACCESS);
    bool spec = flags & AF_SPEC;

    f = access_lookup(c, va, acc, access_cpl(c, flags), t);
    if (f != TLB_OK) {
        if (spec && defers(c, f))
            return ACCESS_DEFERRED;
        access_raise(c, u, va, f, t, access_isr(c, u, flags));
        return ACCESS_FAULT;
    }
    if ((c->psr & PSR_DB) && !(c->psr & PSR_DD) && debug_data_match(c, va, size, flags)) {
        if (spec && defers_with(c, DCR_DD))
            return ACCESS_DEFERRED;
        return raise_other(c, u, VEC_DEBUG, va, t->itir, flags);
    }
    if (alignment_faults(c, va, size, flags)) {
        if (spec && defers_with(c, 0))
            return ACCESS_DEFERRED;
        return raise_other(c, u, VEC_UNALIGNED, va, t->itir, flags);
    }
    /* 4.4.5, 4.4.10: no speculative or advanced load reads memory where reading has effects. */
    if ((flags & (AF_SPEC | AF_ADVANCED)) && t->ma != MA_WB && t->ma != MA_WC)
        return ACCESS_DEFERRED;
    if (unlikely(unsupported(t->ma, size, flags)))
        return raise_other(c, u, VEC_UNSUPPORTED, va, t->itir, flags);
    if (unlikely(c->lock) && (flags & (AF_READ | AF_WRITE)) &&
        !lockstep_allows(c, t->pa, flags & AF_WRITE)) {
        if (!u) /* for a frame: stays where it is, and fails the comparison if it matters */
            return ACCESS_OK;
        lockstep_leave(c, u);
        return ACCESS_FAULT;
    }
    if (unlikely(c->breaks) && !breakset_allows(c, u, va, size, flags))
        return ACCESS_FAULT;
    if (unlikely(c->tracer) && tracer_wants_accesses(c->tracer))
        tracer_access(c, u, va, t->pa, size, flags);
    fill(c, va, flags, t);
    return ACCESS_OK;
}

static bool big_endian(const struct cpu *c, unsigned flags)
{
    return flags & ACC_RSE ? c->rsc >> 4 & 1 : c->psr >> 1 & 1;
}

static uint64_t swap(uint64_t v, unsigned size)
{
    return __builtin_bswap64(v) >> (64 - 8 * size);
}

/* An access that crosses into another page, byte by byte after both pages were checked. */
static int access_bytes(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                        unsigned flags, uint8_t *buf)
{
    struct tlb_result t[2];
    unsigned first = MEM_PAGE_SIZE - (unsigned)(va & 0xfff);
    int r = access_check(c, u, va, first, flags, &t[0]);

    if (r == ACCESS_OK)
        r = access_check(c, u, va + first, size - first, flags, &t[1]);
    if (r != ACCESS_OK)
        return r;
    for (unsigned k = 0; k < size; k++) {
        uint64_t pa = k < first ? t[0].pa + k : t[1].pa + (k - first), v;

        if (flags & AF_WRITE) {
            mem_write(c->mem, pa, 1, buf[k]);
            alat_store(c, pa, 1);
        } else {
            mem_read(c->mem, pa, 1, &v);
            buf[k] = (uint8_t)v;
        }
    }
    return ACCESS_OK;
}

static bool crosses(uint64_t va, unsigned size)
{
    return (va & 0xfff) + size > MEM_PAGE_SIZE;
}

/* Reads bytes that lie in one page; devices see the natural access size. */
static uint64_t read_phys(struct cpu *c, uint64_t pa, unsigned size)
{
    uint64_t v = ~0ull;
    uint8_t *p = mem_ram(c->mem, pa, size);

    if (p && (pa & (size - 1)) == 0)
        return atomic_guest_load(p, size);
    if (p) {
        v = 0;
        memcpy(&v, p, size);
        return v;
    }
    mem_read(c->mem, pa, size, &v);
    return size == 8 ? v : v & ((1ull << (8 * size)) - 1);
}

/* Another processor that decodes marks first and reads then: one of the two sees the other. */
static void note_written(struct cpu *c, uint64_t pa, unsigned size)
{
    if (c->mail)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (mem_watches(c->mem, pa))
        mem_written(c->mem, pa, size);
}

static void write_phys(struct cpu *c, uint64_t pa, unsigned size, uint64_t v)
{
    uint8_t *p = mem_ram(c->mem, pa, size);

    if (p) {
        if ((pa & (size - 1)) == 0)
            atomic_guest_store(p, size, v);
        else
            memcpy(p, &v, size);
        note_written(c, pa, size);
    } else {
        mem_write(c->mem, pa, size, v);
        alat_clear(c); /* the device may have answered with DMA */
    }
    alat_store(c, pa, size);
}

static const struct stlb_entry *entry_of(const struct cpu *c, uint64_t va)
{
    return &c->stlb->data[va >> MEM_PAGE_SHIFT & (STLB_ENTRIES - 1)];
}

struct access_val access_load_slow(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                                   unsigned flags)
{
    const struct stlb_entry *e = entry_of(c, va);
    struct tlb_result t;
    uint64_t v = 0;
    int r;

    /* Speculative, advanced and check loads have not looked there yet. */
    if (!(flags & ACC_RSE) && (va & (~0xfffull | (size - 1))) == e->rtag) {
        v = atomic_guest_load((const void *)(va + e->addend), size);
        return (struct access_val){v, ACCESS_OK};
    }
    if (crosses(va, size) && !alignment_faults(c, va, size, flags)) {
        r = access_bytes(c, u, va, size, flags, (uint8_t *)&v);
    } else {
        r = access_check(c, u, va, size, flags, &t);
        if (r == ACCESS_OK)
            v = read_phys(c, t.pa, size);
    }
    if (big_endian(c, flags))
        v = swap(v, size);
    return (struct access_val){v, (uint64_t)r};
}

bool access_store_slow(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                       uint64_t value, unsigned flags)
{
    struct tlb_result t;

    if (big_endian(c, flags))
        value = swap(value, size);
    if (crosses(va, size) && !alignment_faults(c, va, size, flags))
        return access_bytes(c, u, va, size, flags, (uint8_t *)&value) == ACCESS_OK;
    if (access_check(c, u, va, size, flags, &t) != ACCESS_OK)
        return false;
    write_phys(c, t.pa, size, value);
    return true;
}

static void reverse(uint8_t *b, unsigned n)
{
    for (unsigned k = 0; k < n / 2; k++) {
        uint8_t x = b[k];

        b[k] = b[n - 1 - k];
        b[n - 1 - k] = x;
    }
}

/* 16 aligned bytes of RAM are one access; false: they are something else. */
static bool transfer_16(struct cpu *c, uint64_t pa, unsigned flags, uint8_t *b)
{
    uint8_t *p = mem_ram(c->mem, pa, 16);
    uint64_t v[2];

    if (!p || (pa & 15))
        return false;
    if (flags & AF_WRITE) {
        memcpy(v, b, 16);
        atomic_guest_store16(p, v);
        note_written(c, pa, 16);
        alat_store(c, pa, 16);
    } else {
        atomic_guest_load16(p, v);
        memcpy(b, v, 16);
    }
    return true;
}

static int wide_transfer(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                         unsigned flags, uint8_t *b)
{
    struct tlb_result t;
    int r;

    if (crosses(va, size) && !alignment_faults(c, va, size, flags))
        return access_bytes(c, u, va, size, flags, b);
    r = access_check(c, u, va, size, flags, &t);
    if (r != ACCESS_OK || (size == 16 && transfer_16(c, t.pa, flags, b)))
        return r;
    for (unsigned k = 0; k < size; k += 8) {
        unsigned n = size - k < 8 ? size - k : 8;
        uint64_t v = 0;

        if (flags & AF_WRITE) {
            memcpy(&v, b + k, n);
            write_phys(c, t.pa + k, n, v);
        } else {
            v = read_phys(c, t.pa + k, n);
            memcpy(b + k, &v, n);
        }
    }
    return r;
}

struct access_wide access_load_wide(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                                    unsigned flags)
{
    const struct stlb_entry *e = entry_of(c, va);
    struct access_wide w = {0, 0, ACCESS_OK};
    uint8_t b[16] = {0};

    if (likely((va & (~0xfffull | 15)) == e->rtag)) {
        uint64_t v[2];

        atomic_guest_load16((const void *)(va + e->addend), v);
        memcpy(b, v, size);
    } else {
        w.ok = (uint64_t)wide_transfer(c, u, va, size, flags, b);
        if (big_endian(c, flags))
            reverse(b, size);
    }
    memcpy(&w.lo, b, 8);
    memcpy(&w.hi, b + 8, 8);
    return w;
}

bool access_store_wide(struct cpu *c, const struct uop *u, uint64_t va, unsigned size, uint64_t lo,
                       uint64_t hi, unsigned flags)
{
    const struct stlb_entry *e = entry_of(c, va);
    uint8_t b[16];

    memcpy(b, &lo, 8);
    memcpy(b + 8, &hi, 8);
    if (likely((va & (~0xfffull | 15)) == e->wtag)) {
        uint64_t v[2] = {lo, hi};

        if (size == 16)
            atomic_guest_store16((void *)(va + e->addend), v);
        else
            memcpy((void *)(va + e->addend), b, size);
        alat_store(c, e->pa | (va & 0xfff), size);
        return true;
    }
    if (big_endian(c, flags))
        reverse(b, size);
    return wide_transfer(c, u, va, size, flags, b) == ACCESS_OK;
}

struct access_ref access_translate(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                                   unsigned flags)
{
    const struct stlb_entry *e = entry_of(c, va);
    struct tlb_result t;
    struct access_ref ref = {0};

    if (!(flags & (ACC_NONACCESS | ACC_RSE)) && (va & (~0xfffull | (size - 1))) == e->rtag &&
        (!(flags & AF_WRITE) || e->rtag == e->wtag))
        return (struct access_ref){(uint8_t *)(va + e->addend), e->pa | (va & 0xfff), MA_WB,
                                   ACCESS_OK};
    ref.ok = (uint8_t)access_check(c, u, va, size, flags, &t);
    if (ref.ok != ACCESS_OK)
        return ref;
    ref.pa = t.pa;
    ref.ma = t.ma;
    ref.host = mem_ram(c->mem, t.pa, size);
    return ref;
}

/* Two adjacent values of `size` bytes as one access (ldfp). */
struct access_wide access_load_pair(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                                    unsigned flags)
{
    const struct stlb_entry *e = entry_of(c, va);
    struct access_wide w = {0, 0, ACCESS_OK};
    uint8_t b[16] = {0};

    if (likely((va & (~0xfffull | (2 * size - 1))) == e->rtag)) {
        memcpy(b, (const void *)(va + e->addend), 2 * size);
    } else {
        w.ok = (uint64_t)wide_transfer(c, u, va, 2 * size, flags, b);
        if (big_endian(c, flags)) {
            reverse(b, size);
            reverse(b + size, size);
        }
    }
    memcpy(&w.lo, b, size);
    memcpy(&w.hi, b + size, size);
    return w;
}
