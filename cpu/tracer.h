/* What a processor does, told step by step to whoever traces it. Off, it costs nothing: the places
 * that look whether there is a tracer are those that are slow anyway.
 *
 * Tracing instructions or calls makes the processor execute one instruction at a time; tracing
 * accesses keeps all memory out of the soft TLB; interruptions and translations alone slow nothing
 * down. What becomes of the records is the tracer's business.
 */
#ifndef KITTSON_CPU_TRACER_H
#define KITTSON_CPU_TRACER_H

#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct uop;

enum tracer_kind {
    TRACER_INSTRUCTION = 1, /* a, b: its bundle; before it is executed */
    TRACER_CALL,            /* a: where to, b: ar.bsp there */
    TRACER_RETURN,          /* br.ret and rfi: the same */
    TRACER_INTERRUPTION,    /* a: vector offset, b: isr, c: cr.ifa */
    TRACER_INSERT,          /* itc, itr: a: address, b: the operand, c: itir, number of the
                              register (TRACER_CACHE: itc) << 32, 1 << 63 for code */
    TRACER_PURGE,           /* ptc, ptr: a: address, b: log2 of the bytes; ptc.e: 61 */
    TRACER_READ,            /* a: virtual address, b: physical one, c: bytes */
    TRACER_WRITE,
    TRACER_KINDS
};
#define TRACER_CACHE 0xffffu
#define TRACER_RSE   0x80u /* in size, of accesses by the register stack engine */

struct tracer_record {
    uint8_t kind; /* enum tracer_kind */
    uint8_t cpu, level, slot;
    uint32_t rid;   /* of the instruction's region */
    uint64_t count; /* slots retired before */
    uint64_t ip;    /* bundle */
    uint64_t a, b, c;
};

struct tracer {
    unsigned kinds;    /* bit n: enum tracer_kind n */
    uint64_t from, to; /* bundle addresses, both included */
    unsigned levels;   /* bit n: privilege level n */
    bool by_rid;
    uint32_t rid;
    void *opaque;
    void (*record)(void *opaque, const struct tracer_record *r);
};

/* --- for the files of cpu/, which have seen that there is a tracer --- */

/* Whether instructions must be executed one by one. */
static inline bool tracer_steps(const struct tracer *t)
{
    return t->kinds & (1u << TRACER_INSTRUCTION | 1u << TRACER_CALL | 1u << TRACER_RETURN);
}

static inline bool tracer_wants_accesses(const struct tracer *t)
{
    return t->kinds & (1u << TRACER_READ | 1u << TRACER_WRITE);
}

/* Around the one instruction at c->ip, whose bundle is at pa. */
void tracer_before(struct cpu *c, uint64_t pa);
void tracer_after(struct cpu *c);
void tracer_interruption(struct cpu *c, unsigned vector, uint64_t isr);
/* slot: of itr, or TRACER_CACHE; address and page size are in the control registers. */
void tracer_insert(struct cpu *c, const struct uop *u, bool code, unsigned slot, uint64_t pte);
void tracer_purge(struct cpu *c, const struct uop *u, uint64_t va, unsigned ps);
/* u: the operation, or NULL for loads of a frame that is returned to. */
void tracer_access(struct cpu *c, const struct uop *u, uint64_t va, uint64_t pa, unsigned size,
                   unsigned flags);

#endif
