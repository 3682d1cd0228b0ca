/* The cache of pre-decoded code: pages of physical memory, each with its blocks by entry point.
 *
 * Decodes with insn_decode, chooses handlers, drops nops. Knows nothing of what the handlers do
 * except which operations must end a block.
 */
#include <stdlib.h>
#include <string.h>
#include "block.h"
#include "breakset.h"
#include "interp.h"
#include "jit.h"
#include "lockstep.h"

#define PAGE_BUCKETS 4096u
#define MAX_SLOTS    120u /* per block */
#define MAX_UOPS     (MAX_SLOTS * 4 + 4)
#define CACHE_LIMIT  (256u << 20)
#define BUNDLES      (MEM_PAGE_SIZE / 16)

struct codepage {
    struct codepage *next;
    uint64_t pa;
    size_t bytes;
    struct block *entry[BUNDLES];
};

struct blockcache {
    struct codepage *bucket[PAGE_BUCKETS];
    struct codepage *dead;                /* invalidated while code may still run in them */
    struct jump_entry jump[JUMP_ENTRIES]; /* struct cpu.jump points here */
    size_t bytes;
    uint64_t blocks_built, pages_dropped;
    struct uop scratch[MAX_UOPS];
};

/* --- virtual look-up --- */

/* What is known of a virtual address of code counts as long as its region id's number is the one it
 * was found under. So addresses of another process's code are not found, and still known when that
 * process runs again. */
#define GEN_SLOTS 256u

struct code_gens {
    uint64_t last;
    struct {
        uint32_t rid;
        uint64_t gen; /* 0: none */
    } of[GEN_SLOTS];
};

struct code_gens *code_gens_new(void)
{
    return calloc(1, sizeof(struct code_gens));
}

static uint32_t region_rid(const struct cpu *c, unsigned n)
{
    return (uint32_t)(c->tr.rr[n] >> 8) & 0xffffff;
}

void block_region_changed(struct cpu *c, unsigned n)
{
    struct code_gens *g = c->gens;
    uint32_t rid = region_rid(c, n);

    if (g->of[rid % GEN_SLOTS].rid != rid || !g->of[rid % GEN_SLOTS].gen) {
        g->of[rid % GEN_SLOTS].rid = rid;
        g->of[rid % GEN_SLOTS].gen = ++g->last;
    }
    c->code_gen[n] = g->of[rid % GEN_SLOTS].gen;
}

void block_flush_rid(struct cpu *c, uint32_t rid)
{
    if (c->gens->of[rid % GEN_SLOTS].rid == rid)
        c->gens->of[rid % GEN_SLOTS].gen = 0;
    for (unsigned n = 0; n < TLB_RR_COUNT; n++)
        if (region_rid(c, n) == rid)
            block_region_changed(c, n);
}

void block_flush_lookup(struct cpu *c)
{
    for (unsigned k = 0; k < GEN_SLOTS; k++)
        c->gens->of[k].gen = 0;
    for (unsigned n = 0; n < TLB_RR_COUNT; n++)
        block_region_changed(c, n);
}

void block_remember(struct cpu *c, uint64_t ip, struct block *b)
{
    *jump_slot(c, ip) = (struct jump_entry){block_key(c, ip), b, c->code_gen[ip >> 61], 0};
}

/* --- pages --- */

static struct codepage **page_link(struct blockcache *bc, uint64_t page)
{
    struct codepage **p = &bc->bucket[(page >> MEM_PAGE_SHIFT) % PAGE_BUCKETS];

    while (*p && (*p)->pa != page)
        p = &(*p)->next;
    return p;
}

static struct codepage *page_get(struct blockcache *bc, uint64_t page)
{
    struct codepage **link = page_link(bc, page);

    if (!*link) {
        *link = calloc(1, sizeof **link);
        if (*link) {
            (*link)->pa = page;
            (*link)->bytes = sizeof **link;
            bc->bytes += sizeof **link;
        }
    }
    return *link;
}

static void page_free(struct codepage *p)
{
    for (unsigned k = 0; k < BUNDLES; k++)
        for (struct block *b = p->entry[k], *next; b; b = next) {
            next = b->page_next;
            free(b->copies);
            free(b);
        }
    free(p);
}

static void page_kill(struct blockcache *bc, struct codepage **link)
{
    struct codepage *p = *link;

    *link = p->next;
    p->next = bc->dead;
    bc->dead = p;
    bc->bytes -= p->bytes;
    bc->pages_dropped++;
}

static bool page_drop(struct blockcache *bc, uint64_t page)
{
    struct codepage **link = page_link(bc, page & ~(uint64_t)(MEM_PAGE_SIZE - 1));

    if (!*link)
        return false;
    page_kill(bc, link);
    return true;
}

void block_invalidate_page(struct cpu *c, uint64_t page)
{
    bool dropped = page_drop(c->blocks, page);

    if (c->lock)
        dropped |= page_drop(c->lock->idle, page);
    if (!dropped)
        return;
    block_flush_lookup(c);
    cpu_request_exit(c);
}

static void kill_all(struct blockcache *bc)
{
    for (unsigned k = 0; k < PAGE_BUCKETS; k++)
        while (bc->bucket[k])
            page_kill(bc, &bc->bucket[k]);
}

void block_invalidate_all(struct cpu *c)
{
    kill_all(c->blocks);
    block_flush_lookup(c);
    cpu_request_exit(c);
}

void block_forget_all(struct cpu *c)
{
    if (c->jit)
        jit_reset(c->jit);
    kill_all(c->blocks);
    block_flush_lookup(c);
}

void block_collect(struct cpu *c)
{
    struct blockcache *bc = c->blocks;

    if (bc->bytes > CACHE_LIMIT || (c->jit && jit_full(c->jit)))
        block_forget_all(c);
    if (bc->dead)
        fr_settle_lazy(c); /* needs operations of a block */
    while (bc->dead) {
        struct codepage *p = bc->dead;

        bc->dead = p->next;
        page_free(p);
    }
}

struct blockcache *blockcache_new(struct cpu *c)
{
    struct blockcache *bc = calloc(1, sizeof *bc);

    if (!bc)
        return NULL;
    c->blocks = bc;
    c->jump = bc->jump;
    block_flush_lookup(c); /* generation 0 is no entry's */
    return bc;
}

void blockcache_free(struct blockcache *bc)
{
    if (!bc)
        return;
    kill_all(bc);
    while (bc->dead) {
        struct codepage *p = bc->dead;

        bc->dead = p->next;
        page_free(p);
    }
    free(bc);
}

/* --- building --- */

struct builder {
    struct cpu *c;
    struct uop *out;
    unsigned n, slots;
    unsigned limit; /* page offset behind the last bundle looked at */
    unsigned variant;
    unsigned max_dst; /* highest stacked GR written outside an alloc's known frame */
    unsigned frame;   /* first register out of the frame, once an alloc was seen; else 0 */
    uint8_t uses;
    bool end;   /* no further operation in this block */
    bool falls; /* execution may continue behind the block */
    bool split; /* ended before the slot looked at last */
};

static struct uop *emit(struct builder *b, uop_fn *fn)
{
    struct uop *u = &b->out[b->n++];

    memset(u, 0, sizeof *u);
    u->fn = fn;
    return u;
}

static void fill_uop(struct uop *u, const struct insn *i, unsigned loc, unsigned slot_no)
{
    u->imm = i->imm;
    u->op = i->op;
    u->loc = (uint16_t)loc;
    u->qp = i->qp;
    u->r1 = i->r1;
    u->r2 = i->r2;
    u->r3 = i->r3;
    u->r4 = i->r4;
    u->p1 = i->p1;
    u->p2 = i->p2;
    u->sub = i->sub;
    u->sf = i->sf;
    u->pos = i->pos;
    u->len = insn_rows[i->row].flags & IF_MEM ? i->inc : i->len;
    u->rest = (uint8_t)slot_no; /* made relative to the end when the block is complete */
}

/* Notes which frame registers and FP halves the operation needs. In a checked block tests come
 * before it, in others the block's entry compares the sums. */
static void note_needs(struct builder *b, const struct insn *i, unsigned loc)
{
    /* alloc checks its target itself, against the frame it makes. */
    unsigned dst = i->op == OP_alloc ? 0 : block_gr_target(i), fp = block_fp_halves(i);

    if (b->variant & BLK_CHECKED) {
        if (dst >= 32 || fp) {
            struct uop *u = emit(b, block_check_handler(b->variant & BLK_GEN));

            fill_uop(u, i, loc, b->slots);
            u->imm = dst;
            u->sub = (uint8_t)fp;
        }
        return;
    }
    b->uses |= (uint8_t)fp;
    if (dst >= 32) {
        if (b->frame == 0 && dst > b->max_dst)
            b->max_dst = dst;
    }
}

/* After an alloc the frame is known: an operation outside it must start a block of its own. */
static bool outside_known_frame(const struct builder *b, const struct insn *i)
{
    unsigned dst = block_gr_target(i);

    return b->frame != 0 && !(b->variant & BLK_CHECKED) && dst >= b->frame;
}

/* An operation that may leave the block before the instruction at loc. */
static void add_guard(struct builder *b, uop_fn *fn, unsigned loc)
{
    struct uop *u = emit(b, fn);

    u->loc = (uint16_t)loc;
    u->rest = (uint8_t)b->slots;
}

static void add_insn(struct builder *b, const struct insn *i, unsigned loc)
{
    bool gen = b->variant & BLK_GEN, pause = block_pauses(b->c, i);
    struct uop *u;

    if (!(b->variant & BLK_STEP) && breakset_guards(b->c->breaks, loc))
        add_guard(b, breakset_guard, loc);
    if (!(b->variant & BLK_STEP) && (insn_rows[i->row].flags & IF_NOP) && i->op != OP_illegal &&
        !pause) {
        b->slots++;
        return;
    }
    if (b->c->lock && lockstep_once(i))
        add_guard(b, lockstep_guard, loc);
    note_needs(b, i, loc);
    u = emit(b, pause ? block_pause_handler() : block_handler(i, gen));
    fill_uop(u, i, loc, b->slots);
    b->slots++;
    if (i->op == OP_alloc && i->qp == 0)
        b->frame = 32u + i->len;
    if (block_has_link(i->op)) {
        struct uop *l = emit(b, NULL);

        l->gen = 0;
    }
    if (block_ends_after(i)) {
        b->end = true;
        b->falls = block_falls_through(i);
    }
}

/* Whether the processor model has the instruction (CPUID register 4: 16-byte atomic operations
 * came with Montecito, the rows marked IF_NEW with Poulson; SDM 1:3.1.11). */
static bool model_has(const struct cpu *c, const struct insn *i)
{
    switch (i->op) {
    case OP_ld16:
    case OP_st16:
    case OP_cmp8xchg16:
        return c->model >= CPU_MONTECITO;
    default:
        return !(insn_rows[i->row].flags & IF_NEW) || c->model >= CPU_POULSON;
    }
}

static void add_slot(struct builder *b, const struct insn_bundle *bd, unsigned slot, unsigned off)
{
    const struct insn_template *t = &insn_templates[bd->tmpl];
    struct insn i;

    if (t->unit[slot] == UNIT_NONE) /* second half of an MLX pair: part of slot 1 */
        return;
    if (!t->valid) {
        memset(&i, 0, sizeof i);
        i.op = OP_reserved0;
    } else {
        /* For MLX, slot 1 holds the L part and slot 2 the instruction. */
        bool x = t->unit[slot] == UNIT_X;

        insn_decode(t->unit[slot], bd->slot[x ? 2 : slot], bd->slot[1], &i);
        if (!model_has(b->c, &i))
            i.op = OP_illegal;
    }
    if (outside_known_frame(b, &i)) {
        b->end = true;
        b->falls = true;
        b->split = true;
        return;
    }
    add_insn(b, &i, off | slot);
    if (t->valid && t->unit[slot] == UNIT_X)
        b->slots++;
    if (b->variant & BLK_STEP) {
        b->end = true;
        b->falls = true;
    }
}

/* The operation that continues behind the block: at slot `next` of the bundle at off. */
static void add_tail(struct builder *b, unsigned off, unsigned next)
{
    struct uop *u = emit(b, block_tail_handler(b->variant & BLK_STEP));

    u->imm = (int64_t)off;
    u->pos = (uint8_t)next;
    u->loc = (uint16_t)((next > 0 ? off : off - 16) & 0xff0);
    u->rest = 0;
    emit(b, NULL)->gen = 0;
}

static void finish(struct builder *b)
{
    for (unsigned k = 1; k < b->n; k++) {
        struct uop *u = &b->out[k];

        if (u->fn && u->fn != block_tail_handler(false) && u->fn != block_tail_handler(true))
            u->rest = (uint8_t)(b->slots - u->rest - 1);
    }
}

/* The operation added last is the end of a loop that is this block, which starts at page offset
 * `start`: what follows is better a block of its own, the translator keeps a loop in registers. */
static bool ends_loop(const struct builder *b, unsigned start)
{
    const struct uop *u = &b->out[b->n - 1]; /* the branch's link, if it is a branch */
    bool branch = !u->fn && (u[-1].op == OP_br_cond || u[-1].op == OP_br_cloop);

    return branch && uop_slot(u - 1) == 2 && (u[-1].loc & 0xff0u) + (uint64_t)u[-1].imm == start;
}

/* Decodes from slot `slot` of the bundle at page offset off. */
static void build(struct builder *b, const uint8_t *page, unsigned off, unsigned slot)
{
    const unsigned start = off;
    const bool whole = slot == 0 && !(b->variant & BLK_STEP);
    struct builder loop = {0}; /* as it was behind the last branch to the start */

    emit(b, block_entry_handler())->op = OP_ENTRY;
    while (!b->end && off < MEM_PAGE_SIZE) {
        uint64_t w[2];
        struct insn_bundle bd;

        memcpy(w, page + off, 16);
        b->limit = off + 16;
        bd = insn_unpack(w[0], w[1]);
        while (slot < 3 && !b->end) {
            add_slot(b, &bd, slot, off);
            if (!b->split)
                slot += insn_templates[bd.tmpl].unit[slot] == UNIT_X ? 2 : 1;
        }
        if (slot >= 3) {
            slot = 0;
            off += 16;
            if (whole && ends_loop(b, start))
                loop = *b;
        }
        if (b->slots >= MAX_SLOTS - 3 && !b->end) {
            b->end = true;
            b->falls = true;
        }
    }
    if (loop.n && loop.n < b->n) {
        *b = loop;
        b->falls = true;
        off = b->limit;
        slot = 0;
    }
    if (!b->end || b->falls)
        add_tail(b, off, slot);
    finish(b);
}

/* Builds and marks what was read. Where others store at the same time, marks have to come first: it
 * is built from a copy, again if that was not what stands behind the marks. */
static void build_marked(struct builder *b, uint64_t page, const uint8_t *bytes, uint64_t pa)
{
    unsigned first = (unsigned)pa & 0xff0, slot = (unsigned)pa & 3;
    struct builder empty = *b;
    uint8_t copy[MEM_PAGE_SIZE];

    if (!b->c->mail) {
        build(b, bytes, first, slot);
        mem_mark_code(b->c->mem, page + first, b->limit - first);
        return;
    }
    do {
        *b = empty;
        memcpy(copy + first, bytes + first, sizeof copy - first);
        build(b, copy, first, slot);
        mem_mark_code(b->c->mem, page + first, b->limit - first);
    } while (memcmp(copy + first, bytes + first, b->limit - first) != 0);
}

static struct block *make_block(struct cpu *c, struct codepage *p, uint64_t pa, unsigned variant,
                                const uint8_t *page)
{
    struct builder b = {.c = c, .out = c->blocks->scratch, .variant = variant};
    struct block *blk;
    size_t size;

    build_marked(&b, p->pa, page, pa);
    size = sizeof *blk + b.n * sizeof(struct uop);
    blk = malloc(size);
    if (!blk)
        return NULL;
    blk->hash_next = NULL;
    blk->pa = pa;
    blk->variant = variant;
    blk->max_dst = (uint16_t)b.max_dst;
    blk->uses = b.uses;
    blk->nslots = (uint8_t)b.slots;
    blk->count = (uint16_t)b.n;
    blk->hot = 0;
    blk->copies = NULL;
    blk->warm = c->jit ? jit_cold_entry(c->jit) : NULL;
    memcpy(blk->uops, b.out, b.n * sizeof(struct uop));
    p->bytes += size;
    c->blocks->bytes += size;
    c->blocks->blocks_built++;
    return blk;
}

struct block *block_get(struct cpu *c, uint64_t pa, unsigned variant)
{
    uint64_t page = pa & ~(uint64_t)(MEM_PAGE_SIZE - 1);
    const uint8_t *bytes = mem_ram(c->mem, page, MEM_PAGE_SIZE);
    struct codepage *p = bytes ? page_get(c->blocks, page) : NULL;
    struct block **head, *b;
    bool watched;

    if (!p)
        return NULL;
    head = &p->entry[pa >> 4 & (BUNDLES - 1)];
    for (b = *head; b; b = b->page_next)
        if (b->pa == pa && b->variant == variant)
            return b;
    watched = mem_has_code(c->mem, page);
    if (!watched)
        lockstep_unsettle(c);
    if (!watched && c->hooks.code_page)
        c->hooks.code_page(c->hooks.opaque, page);
    b = make_block(c, p, pa, variant, bytes);
    if (!watched)
        stlb_protect_page(c, page);
    if (!b)
        return NULL;
    b->page_next = *head;
    *head = b;
    return b;
}
