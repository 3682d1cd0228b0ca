/* Memory as a debugger on the host sees it (cpu.h): guest memory by the guest's translations, with
 * the registers that the register stack engine still holds laid over the backing store, as if they
 * had been stored. Nothing here changes a translation or stores a register.
 */
#include <errno.h>
#include <string.h>
#include "alat.h"
#include "rse.h"

#define GROUP      0x1ffull /* bytes of 63 registers and their NaT collection, less one */
#define COLLECTION 0x1f8ull

static bool is_collection(uint64_t addr)
{
    return (addr & COLLECTION) == COLLECTION;
}

/* Index in stk of the register whose place is addr, which is not below BSPSTORE. */
static uint32_t index_at(const struct cpu *c, uint64_t addr)
{
    return c->bof - (uint32_t)c->ndirty + (uint32_t)rse_distance(c->bspstore, addr);
}

static uint64_t frame_end(const struct cpu *c)
{
    return rse_addr(c->bsp, c->cfm.sof);
}

static bool held(const struct cpu *c, uint64_t addr)
{
    return addr >= c->bspstore && addr < frame_end(c);
}

/* What would stand in the collection at addr; registers above the frame count as 0. */
static uint64_t collection_at(const struct cpu *c, uint64_t addr)
{
    uint64_t bits = 0;

    for (uint64_t a = addr & ~GROUP; a < addr; a += 8) {
        unsigned bit = a >> 3 & 0x3f;

        if (held(c, a))
            bits |= (uint64_t)c->stk_nat[index_at(c, a)] << bit;
        else if (a < c->bspstore)
            bits |= c->rnat & 1ull << bit;
    }
    return bits;
}

static void set_collection(struct cpu *c, uint64_t addr, uint64_t bits)
{
    for (uint64_t a = addr & ~GROUP; a < addr; a += 8) {
        uint64_t bit = 1ull << (a >> 3 & 0x3f);

        if (held(c, a))
            c->stk_nat[index_at(c, a)] = (bits & bit) != 0;
        else if (a < c->bspstore)
            c->rnat = (c->rnat & ~bit) | (bits & bit);
    }
    c->nat_seen = true;
}

/* The word of the backing store at addr, which is held. */
static uint64_t held_word(const struct cpu *c, uint64_t addr)
{
    return is_collection(addr) ? collection_at(c, addr) : c->stk[index_at(c, addr)];
}

static void set_held_word(struct cpu *c, uint64_t addr, uint64_t v)
{
    if (is_collection(addr))
        set_collection(c, addr, v);
    else
        c->stk[index_at(c, addr)] = v;
}

struct cpu_stack_view cpu_stack_view(const struct cpu *c)
{
    struct cpu_stack_view v = {.end = frame_end(c)};

    for (uint64_t a = c->bsp; a < v.end; a += 8)
        if (!is_collection(a) && held(c, a))
            v.nat |= (uint64_t)c->stk_nat[index_at(c, a)] << (a >> 3 & 0x3f);
    return v;
}

/* --- bytes --- */

static bool where(struct cpu *c, uint64_t va, uint64_t *pa)
{
    c->tr.psr = c->psr;
    return tlb_peek(c->tlb, c->mem, &c->tr, va, pa);
}

static uint64_t word_piece(uint64_t va, uint64_t len)
{
    uint64_t left = 8 - (va & 7);

    return len < left ? len : left;
}

/* Part of the word that holds va: never across words, so never across pages. */
static int read_piece(struct cpu *c, uint64_t va, uint8_t *p, uint64_t n)
{
    uint64_t pa, v;

    if (!held(c, va & ~7ull))
        return where(c, va, &pa) ? mem_dma_read(c->mem, pa, p, n) : -EFAULT;
    v = held_word(c, va & ~7ull);
    memcpy(p, (const uint8_t *)&v + (va & 7), n);
    return 0;
}

static int write_piece(struct cpu *c, uint64_t va, const uint8_t *p, uint64_t n)
{
    uint64_t pa, v;

    if (!held(c, va & ~7ull))
        return where(c, va, &pa) ? mem_dma_write(c->mem, pa, p, n) : -EFAULT;
    v = held_word(c, va & ~7ull);
    memcpy((uint8_t *)&v + (va & 7), p, n);
    set_held_word(c, va & ~7ull, v);
    return 0;
}

int cpu_debug_read(struct cpu *c, uint64_t va, void *buf, uint64_t len)
{
    uint8_t *p = buf;
    int err = 0;

    for (uint64_t n; len > 0 && err == 0; va += n, p += n, len -= n) {
        n = word_piece(va, len);
        err = read_piece(c, va, p, n);
    }
    return err;
}

int cpu_debug_write(struct cpu *c, uint64_t va, const void *buf, uint64_t len)
{
    const uint8_t *p = buf;
    int err = 0;

    for (uint64_t n; len > 0 && err == 0; va += n, p += n, len -= n) {
        n = word_piece(va, len);
        err = write_piece(c, va, p, n);
    }
    alat_clear(c); /* advanced loads may have read there */
    return err;
}
