/* Running pieces twice and comparing. See lockstep.h; what is said about a difference is
 * cpu/lockstep_report.c's business. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "block.h"
#include "lockstep.h"
#include "lockstep_report.h"

#define PIECE_SLOTS  4000
#define MAX_WRITABLE 512
#define ATTEMPTS     4
#define JIT_HOT_HERE 2 /* next to everything is translated: it is the translator that is tested */

/* --- what cannot be undone --- */

/* In the order of insn_ops.def. */
static const uint16_t once_ops[][2] = {
    {OP_break_i, OP_break_i},
    {OP_mov_to_cr, OP_mov_from_cr},
    {OP_mov_to_psr_l, OP_mov_to_psr_l},
    {OP_break_m, OP_break_m},
    {OP_mov_dahr, OP_mov_dahr},
    {OP_itc_d, OP_mov_from_msr},
    {OP_mov_from_dahr, OP_mov_from_dahr},
    {OP_ptc_l, OP_ptr_i},
    {OP_ptc_e, OP_ptc_e},
    {OP_vmsw_0, OP_break_b},
    {OP_break_f, OP_break_f},
    {OP_break_x, OP_break_x},
};

static bool moves_clock(const struct insn *i)
{
    switch (i->op) {
    case OP_mov_to_ar_m:
    case OP_mov_to_ar_imm_m:
    case OP_mov_from_ar_m:
        return i->r3 == AR_ITC || i->r3 == AR_RUC;
    default:
        return false;
    }
}

bool lockstep_once(const struct insn *i)
{
    for (size_t k = 0; k < sizeof once_ops / sizeof *once_ops; k++)
        if (i->op >= once_ops[k][0] && i->op <= once_ops[k][1])
            return true;
    return moves_clock(i);
}

const struct uop *lockstep_leave(struct cpu *c, const struct uop *u)
{
    c->lock->once = true;
    return uop_exit_before(c, u);
}

const struct uop *lockstep_guard(struct cpu *c, const struct uop *u)
{
    return c->lock && c->lock->active ? lockstep_leave(c, u) : uop_next(c, u);
}

/* --- memory --- */

static bool keep_page(struct lockstep *l, uint64_t pa, uint8_t *host)
{
    struct lockpage *p;

    for (unsigned k = l->pages; k-- > 0;)
        if (l->page[k].host == host)
            return true;
    if (l->pages == LOCKSTEP_PAGES)
        return false;
    p = &l->page[l->pages++];
    p->pa = pa;
    p->host = host;
    memcpy(p->before, host, MEM_PAGE_SIZE);
    memcpy(p->other, host, MEM_PAGE_SIZE);
    return true;
}

bool lockstep_allows(struct cpu *c, uint64_t pa, bool write)
{
    uint64_t page = pa & ~(uint64_t)(MEM_PAGE_SIZE - 1);
    uint8_t *host;

    if (!c->lock->active)
        return true;
    host = mem_ram(c->mem, page, MEM_PAGE_SIZE);
    if (!host)
        return false;
    return !write || (!mem_watches(c->mem, page) && keep_page(c->lock, page, host));
}

static void forget_writable(struct lockstep *l)
{
    for (unsigned k = 0; k < l->writable_count; k++)
        l->writable[k]->wtag = STLB_INVALID;
    l->writable_count = 0;
}

void lockstep_filled(struct cpu *c, struct stlb_entry *e, bool write)
{
    struct lockstep *l = c->lock;

    if (!write || !l->active || l->writable_count == MAX_WRITABLE)
        e->wtag = STLB_INVALID;
    else if (e->wtag != STLB_INVALID)
        l->writable[l->writable_count++] = e;
}

static void undo_memory(struct lockstep *l)
{
    for (unsigned k = 0; k < l->pages; k++)
        memcpy(l->page[k].host, l->page[k].before, MEM_PAGE_SIZE);
}

/* --- the two sides --- */

static void swap_sides(struct cpu *c)
{
    struct lockstep *l = c->lock;
    struct blockcache *b = c->blocks;
    struct jump_entry *j = c->jump;

    c->blocks = l->idle;
    c->jump = l->idle_jump;
    l->idle = b;
    l->idle_jump = j;
}

/* Back to how a piece began. Cached code addresses only grow older. */
static void restore(struct cpu *c, const struct cpu *from)
{
    uint64_t gen[TLB_RR_COUNT];

    memcpy(gen, c->code_gen, sizeof gen);
    memcpy(c, from, sizeof *c);
    memcpy(c->code_gen, gen, sizeof gen);
    cpu_update_context(c);
}

static void run_interpreted(struct cpu *c)
{
    struct jit *jit = c->jit;

    swap_sides(c);
    c->jit = NULL;
    block_collect(c);
    cpu_run_blocks(c);
    c->jit = jit;
    swap_sides(c);
}

/* --- one piece --- */

static void cut_budget(struct cpu *c, int64_t slots)
{
    int64_t cut = c->budget - c->reserve - slots;

    if (cut > 0) {
        c->budget -= cut;
        c->budget_full -= cut;
    }
}

static void begin(struct cpu *c)
{
    struct lockstep *l = c->lock;

    memcpy(l->before, c, sizeof *c);
    l->pages = 0;
    l->once = false;
}

/* Both sides from l->before; what the interpreter left is in l->other and the pages, the native
 * result is in place and, with all registers in their usual form, in l->native. */
static void run_both(struct cpu *c)
{
    struct lockstep *l = c->lock;
    bool once;

    l->active = true;
    l->unsettled = l->once = false;
    run_interpreted(c);
    once = l->once;
    cpu_settle_fr(c);
    memcpy(l->other, c, sizeof *c);
    for (unsigned k = 0; k < l->pages; k++)
        memcpy(l->page[k].other, l->page[k].host, MEM_PAGE_SIZE);
    undo_memory(l);
    restore(c, l->before);
    l->once = false;
    cpu_run_blocks(c);
    l->once = l->once && once;
    l->active = false;
    forget_writable(l);
}

static bool agree(struct cpu *c, struct lockstep_difference *d)
{
    struct lockstep *l = c->lock;
    bool same;

    memcpy(l->native, c, sizeof *c);
    cpu_settle_fr(c);
    same = lockstep_compare(c, l->other, l->page, l->pages, d);
    memcpy(c, l->native, sizeof *c);
    return same;
}

/* Whether the piece ends alike, tried again while something lawful may have made it differ. */
static bool piece_agrees(struct cpu *c, struct lockstep_difference *d)
{
    struct lockstep *l = c->lock;

    begin(c);
    for (unsigned k = 0; k < ATTEMPTS; k++) {
        run_both(c);
        if (agree(c, d))
            return true;
        if (!l->unsettled)
            break;
        l->repeated++;
        undo_memory(l);
        restore(c, l->before);
    }
    return false;
}

/* Goes through the piece block by block to the one that differs. */
static void find_block_of(struct cpu *c, struct lockstep_difference *d)
{
    struct lockstep *l = c->lock;
    uint64_t end = cpu_icount(c);

    undo_memory(l);
    restore(c, l->before);
    for (;;) {
        struct lockstep_difference one;

        if (cpu_icount(c) >= end)
            break;
        cut_budget(c, 0);
        if (c->budget < c->reserve)
            c->budget = c->budget_full = c->reserve; /* of a stopped run: the count is not used */
        begin(c);
        run_both(c);
        if (!agree(c, &one)) {
            *d = one;
            d->single = true;
            return;
        }
        if (l->once || c->ip == l->before->ip)
            break;
    }
}

static void fail(struct cpu *c, struct lockstep_difference *d)
{
    uint64_t ip = c->lock->before->ip;
    uint64_t count = cpu_icount(c->lock->before);

    find_block_of(c, d);
    if (d->single)
        ip = c->lock->before->ip;
    lockstep_report(c, d, ip, count);
    c->lock->failed = true;
    c->stop = true;
}

void lockstep_run(struct cpu *c)
{
    struct lockstep *l = c->lock;
    struct lockstep_difference d = {0};
    uint64_t before = cpu_icount(c);

    if (c->hints_set) { /* the table of hints is not part of what is undone */
        l->alone++;
        cpu_run_blocks(c);
        return;
    }
    cut_budget(c, PIECE_SLOTS);
    if (!piece_agrees(c, &d)) {
        fail(c, &d);
        return;
    }
    l->pieces++;
    l->slots += cpu_icount(c) - before;
    if (!l->once)
        return;
    l->once_count++;
    cpu_run_slot(c);
}

void lockstep_print_stats(const struct lockstep *l, uint64_t slots, FILE *out)
{
    fprintf(out,
            "  lockstep: %" PRIu64 " pieces, %.2f %% of all slots compared, %" PRIu64
            " instructions done once, %" PRIu64 " pieces repeated, %" PRIu64 " not compared\n",
            l->pieces, slots ? 100.0 * (double)l->slots / (double)slots : 0.0, l->once_count,
            l->repeated, l->alone);
}

/* --- life --- */

static bool allocate(struct lockstep *l)
{
    l->before = malloc(sizeof *l->before);
    l->other = malloc(sizeof *l->other);
    l->native = malloc(sizeof *l->native);
    l->page = malloc(LOCKSTEP_PAGES * sizeof *l->page);
    l->writable = malloc(MAX_WRITABLE * sizeof(struct stlb_entry *));
    return l->before && l->other && l->native && l->page && l->writable;
}

struct lockstep *lockstep_new(struct cpu *c)
{
    struct lockstep *l = calloc(1, sizeof *l);
    struct blockcache *own = c->blocks;
    struct jump_entry *own_jump = c->jump;

    if (!l || !allocate(l) || !blockcache_new(c)) {
        lockstep_free(l);
        return NULL;
    }
    l->idle = c->blocks;
    l->idle_jump = c->jump;
    c->blocks = own;
    c->jump = own_jump;
    c->jit_hot = JIT_HOT_HERE;
    stlb_flush(c);
    return l;
}

void lockstep_free(struct lockstep *l)
{
    if (!l)
        return;
    blockcache_free(l->idle);
    free(l->before);
    free(l->other);
    free(l->native);
    free(l->page);
    free(l->writable);
    free(l);
}
