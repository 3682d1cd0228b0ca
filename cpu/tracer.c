/* See tracer.h. */
#include "tracer.h"
#include "interp.h"

static uint32_t rid_of(const struct cpu *c, uint64_t ip)
{
    return c->psr & PSR_IT ? c->tr.rr[ip >> 61] >> 8 & 0xffffff : 0;
}

/* Fills in what all records have; false when the filters say no. */
static bool begin(const struct cpu *c, enum tracer_kind kind, uint64_t ip, unsigned slot,
                  struct tracer_record *r)
{
    const struct tracer *t = c->tracer;

    *r = (struct tracer_record){.kind = (uint8_t)kind,
                                .cpu = (uint8_t)c->id,
                                .level = (uint8_t)cpu_cpl(c),
                                .slot = (uint8_t)slot,
                                .rid = rid_of(c, ip),
                                .count = cpu_icount(c),
                                .ip = ip & ~15ull};
    return (t->kinds >> kind & 1) && r->ip >= t->from && r->ip <= t->to &&
           (t->levels >> r->level & 1) && (!t->by_rid || r->rid == t->rid);
}

static void tell(const struct cpu *c, const struct tracer_record *r)
{
    c->tracer->record(c->tracer->opaque, r);
}

static unsigned slot_now(const struct cpu *c)
{
    return c->psr >> PSR_RI_SHIFT & 3;
}

/* --- instructions --- */

static unsigned branch_kind(const struct insn_bundle *b, unsigned slot)
{
    const struct insn_template *t = &insn_templates[b->tmpl];
    bool wide = slot > 0 && t->unit[1] == UNIT_X;
    struct insn i;

    if (!t->valid || (!wide && t->unit[slot] != UNIT_B))
        return 0;
    insn_decode(wide ? UNIT_X : UNIT_B, b->slot[wide ? 2 : slot], b->slot[1], &i);
    switch (i.op) {
    case OP_br_call:
    case OP_br_call_b:
    case OP_brl_call:
        return TRACER_CALL;
    case OP_br_ret:
    case OP_rfi:
        return TRACER_RETURN;
    default:
        return 0;
    }
}

void tracer_before(struct cpu *c, uint64_t pa)
{
    struct tracer_record r;
    uint64_t w[2] = {0, 0};
    struct insn_bundle b;

    mem_dma_read(c->mem, pa & ~15ull, w, sizeof w);
    b = insn_unpack(w[0], w[1]);
    if (begin(c, TRACER_INSTRUCTION, c->ip, slot_now(c), &r)) {
        r.a = w[0];
        r.b = w[1];
        tell(c, &r);
    }
    c->traced_kind = slot_now(c) < 3 ? (uint8_t)branch_kind(&b, slot_now(c)) : 0;
    c->traced_ip = c->ip | slot_now(c);
    c->last_vector = -1;
}

/* A call or return was taken when it neither faulted nor fell through. */
void tracer_after(struct cpu *c)
{
    uint64_t was = c->traced_ip & ~15ull;
    struct tracer_record r;

    if (c->traced_kind == 0 || c->last_vector >= 0 || c->ip == was ||
        (c->ip == was + 16 && !c->branch_taken && !c->rfi_done))
        return;
    if (!begin(c, c->traced_kind, was, c->traced_ip & 3, &r))
        return;
    r.a = c->ip | slot_now(c);
    r.b = c->bsp;
    tell(c, &r);
}

/* --- events --- */

/* The same for an operation inside a block, whose slots are counted at its entry. */
static bool begin_at(const struct cpu *c, enum tracer_kind kind, const struct uop *u,
                     struct tracer_record *r)
{
    bool wanted = begin(c, kind, u ? uop_ip(c, u) : c->ip, u ? uop_slot(u) : slot_now(c), r);

    if (u)
        r->count -= u->rest + 1u;
    return wanted;
}

void tracer_interruption(struct cpu *c, unsigned vector, uint64_t isr)
{
    struct tracer_record r;

    if (!begin(c, TRACER_INTERRUPTION, c->ip, slot_now(c), &r))
        return;
    r.a = vector;
    r.b = isr;
    r.c = c->cr[CR_IFA];
    tell(c, &r);
}

void tracer_insert(struct cpu *c, const struct uop *u, bool code, unsigned slot, uint64_t pte)
{
    struct tracer_record r;

    if (!begin_at(c, TRACER_INSERT, u, &r))
        return;
    r.a = c->cr[CR_IFA];
    r.b = pte;
    r.c = (c->cr[CR_ITIR] & 0xffffffff) | (uint64_t)slot << 32 | (uint64_t)code << 63;
    tell(c, &r);
}

void tracer_purge(struct cpu *c, const struct uop *u, uint64_t va, unsigned ps)
{
    struct tracer_record r;

    if (!begin_at(c, TRACER_PURGE, u, &r))
        return;
    r.a = va;
    r.b = ps;
    tell(c, &r);
}

void tracer_access(struct cpu *c, const struct uop *u, uint64_t va, uint64_t pa, unsigned size,
                   unsigned flags)
{
    struct tracer_record r;

    if ((flags & ACC_NONACCESS) ||
        !begin_at(c, flags & ACC_WRITE ? TRACER_WRITE : TRACER_READ, u, &r))
        return;
    r.a = va;
    r.b = pa;
    r.c = size | (flags & ACC_RSE ? TRACER_RSE : 0);
    tell(c, &r);
}

void cpu_set_tracer(struct cpu *c, const struct tracer *t)
{
    c->tracer = t;
    stlb_flush(c); /* accesses to pages that are in it would pass unseen */
}
