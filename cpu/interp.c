/* The run loop, block entry and exit, and how control moves between blocks. */
#include <string.h>
#include "access.h"
#include "block.h"
#include "breakset.h"
#include "debug.h"
#include "interrupt.h"
#include "jit.h"
#include "lockstep.h"
#include "mail.h"
#include "pmu.h"
#include "rse.h"
#include "sapic.h"
#include "tracer.h"

#define CHUNK_SLOTS   32768 /* between looks at the clock and at devices */
#define STEP_RESERVE  128   /* exact stops: single-step the last slots of a budget */
#define EXIT_BUDGET   (1ll << 40)
#define PSR_STEP_BITS (PSR_SS | PSR_TB | PSR_DB | PSR_ID | PSR_DA | PSR_DD | PSR_IA | PSR_ED)
#define LINK_LOCAL    UINT64_MAX

/* --- budget and counting --- */

uint64_t cpu_icount(const struct cpu *c)
{
    return c->icount + (uint64_t)(c->budget_full - c->budget);
}

/* Others may raise it at any time, see cpu_kick. */
static int64_t reserve(const struct cpu *c)
{
    return __atomic_load_n(&c->reserve, __ATOMIC_RELAXED);
}

static void refill(struct cpu *c, uint64_t slots)
{
    c->icount = cpu_icount(c);
    c->budget = c->budget_full = (int64_t)slots;
    c->exit_request = false;
}

void cpu_request_exit(struct cpu *c)
{
    int64_t delta = c->budget + EXIT_BUDGET;

    if (c->exit_request)
        return;
    c->exit_request = true;
    c->budget -= delta;
    c->budget_full -= delta;
}

/* --- derived state --- */

void cpu_update_mode(struct cpu *c)
{
    bool rotated = c->cfm.rrb_gr || c->cfm.rrb_fr || c->cfm.rrb_pr;

    if (c->nat_seen && rse_nats_clear(c))
        c->nat_seen = false;
    c->mode = rotated || c->nat_seen;
}

static unsigned data_context(const struct cpu *c)
{
    if (c->psr & (PSR_BE | PSR_DB))
        return STLB_NEVER;
    return c->psr & PSR_DT ? cpu_cpl(c) : STLB_PHYS;
}

static unsigned rse_context(const struct cpu *c)
{
    if ((c->rsc >> 4 & 1) || (c->psr & PSR_DB))
        return STLB_NEVER;
    return c->psr & PSR_RT ? c->rsc >> 2 & 3 : STLB_PHYS;
}

void cpu_update_context(struct cpu *c)
{
    c->stlb->data = stlb_context(c, data_context(c));
    c->stlb->rse = stlb_context(c, rse_context(c));
    c->deny = (c->psr & PSR_DFL ? DENY_FL : 0) | (c->psr & PSR_DFH ? DENY_FH : 0);
    c->step = c->psr & PSR_STEP_BITS;
}

/* --- leaving a block --- */

static void set_point(struct cpu *c, uint64_t ip, unsigned slot)
{
    c->ip = ip;
    c->psr = (c->psr & ~PSR_RI) | (uint64_t)slot << PSR_RI_SHIFT;
}

/* Where execution goes on after an operation that does not branch. */
static void next_point(const struct cpu *c, const struct uop *u, uint64_t *ip, unsigned *slot)
{
    unsigned s = uop_slot(u);
    bool wide = u->op == OP_movl || u->op == OP_brl_cond || u->op == OP_brl_call ||
                u->op == OP_break_x || u->op == OP_nop_x || u->op == OP_hint_x;

    *ip = uop_ip(c, u);
    *slot = s + 1;
    if (s == 2 || wide) {
        *slot = 0;
        *ip += 16;
    }
}

/* The entry operation of the block u is in. */
static const struct block *block_of(const struct uop *u)
{
    while (!u->fn || u->op != OP_ENTRY)
        u--;
    return u->target ? u->target : block_of_entry(u);
}

/* For IIPA (SDM 2:3.3.5.6): the bundle of the instruction executed before u. Blocks are straight
 * code, so only their first instruction needs what the way into the block has left in c->iipa. */
void uop_note_previous(struct cpu *c, const struct uop *u)
{
    unsigned first = (unsigned)block_of(u)->pa & 0xff3;

    if ((u->loc & 0xff3u) != first)
        c->iipa = uop_slot(u) ? uop_ip(c, u) : uop_ip(c, u) - 16;
}

const struct uop *uop_exit_before(struct cpu *c, const struct uop *u)
{
    c->left[LEFT_OTHER]++;
    uop_note_previous(c, u);
    set_point(c, uop_ip(c, u), uop_slot(u));
    c->budget += u->rest + 1;
    return NULL;
}

const struct uop *uop_exit_after(struct cpu *c, const struct uop *u)
{
    uint64_t ip;
    unsigned slot;

    c->left[LEFT_OTHER]++;
    next_point(c, u, &ip, &slot);
    c->iipa = uop_ip(c, u);
    set_point(c, ip, slot);
    c->budget += u->rest;
    return NULL;
}

const struct uop *uop_leave_to(struct cpu *c, const struct uop *u, uint64_t ip)
{
    c->left[LEFT_STATE]++;
    c->iipa = uop_ip(c, u);
    c->budget += u->rest;
    set_point(c, ip, 0);
    cpu_update_mode(c);
    return NULL;
}

/* --- finding blocks --- */

static void raise_fetch(struct cpu *c, enum tlb_fault f, const struct tlb_result *t)
{
    static const uint16_t vector[] = {
        [TLB_ALT_MISS] = VEC_ALT_ITLB,
        [TLB_VHPT] = VEC_VHPT,
        [TLB_MISS] = VEC_ITLB,
        [TLB_NOT_PRESENT] = VEC_NOT_PRESENT,
        [TLB_NATPAGE] = VEC_NAT,
        [TLB_KEY_MISS] = VEC_IKEY_MISS,
        [TLB_KEY_PERM] = VEC_KEY_PERM,
        [TLB_ACCESS_RIGHTS] = VEC_IACCESS,
        [TLB_ACCESS_BIT] = VEC_IACCESS_BIT,
    };
    uint64_t isr = ISR_X | (c->psr & PSR_RI);

    if (f == TLB_UNIMPLEMENTED) {
        /* As a fault it looks like the trap of the same name, and IFA has the address (8.3). */
        if (c->psr & PSR_IC)
            c->cr[CR_IFA] = c->ip;
        interrupt_deliver(c, VEC_LOWER_PRIV, TRAP_UI | (c->psr & PSR_RI));
        return;
    }
    if (f == TLB_NATPAGE)
        isr |= 0x20;
    interrupt_set_ifa(c, c->ip, t->itir);
    if ((f == TLB_VHPT || f == TLB_MISS) && (c->psr & PSR_IC))
        c->cr[CR_IHA] = t->iha;
    interrupt_deliver(c, vector[f], isr);
}

/* Physical address of the bundle at c->ip, or false with the fault delivered. */
static bool fetch_address(struct cpu *c, uint64_t *pa)
{
    struct tlb_result t;
    enum tlb_fault f;

    f = access_lookup(c, c->ip, ACC_EXEC, cpu_cpl(c), &t);
    if (f != TLB_OK) {
        raise_fetch(c, f, &t);
        return false;
    }
    *pa = t.pa & ~15ull;
    return true;
}

static unsigned variant_now(const struct cpu *c)
{
    return c->mode & 1 ? BLK_GEN : 0;
}

/* The block at c->ip; NULL when a fault was delivered or the address is not RAM. */
static struct block *find_block(struct cpu *c)
{
    struct block *b = block_lookup_quick(c, c->ip);
    uint64_t pa;

    if (b)
        return b;
    if (!fetch_address(c, &pa))
        return NULL;
    b = block_get(c, pa, variant_now(c));
    if (b)
        block_remember(c, c->ip, b);
    else
        interrupt_deliver(c, VEC_GENEX, GENEX_ILLEGAL | (c->psr & PSR_RI));
    return b;
}

static const struct uop *enter(struct cpu *c, struct block *b, uint64_t ip)
{
    c->page_va = ip & ~(uint64_t)(MEM_PAGE_SIZE - 1);
    return uop_run(c, b->uops);
}

static const struct uop *goto_slow(struct cpu *c, uint64_t ip)
{
    struct block *b;

    c->left[LEFT_LOOKUP]++;
    set_point(c, ip, 0);
    if (c->step || c->exit_request) {
        c->branch_taken = true;
        return NULL;
    }
    b = find_block(c);
    return b ? enter(c, b, ip) : NULL;
}

const struct uop *uop_goto(struct cpu *c, const struct uop *u, uint64_t ip)
{
    struct block *b = block_lookup_quick(c, ip);

    c->iipa = uop_ip(c, u);
    c->budget += u->rest;
    if (likely(b))
        return enter(c, b, ip);
    return goto_slow(c, ip);
}

static const struct uop *link_slow(struct cpu *c, const struct uop *u, struct uop *link,
                                   uint64_t ip)
{
    bool local = (ip ^ uop_ip(c, u)) < MEM_PAGE_SIZE;
    struct block *b;

    c->left[LEFT_LINK]++;
    set_point(c, ip, 0);
    if (c->step || c->exit_request) {
        c->branch_taken = true;
        return NULL;
    }
    b = find_block(c);
    if (!b)
        return NULL;
    link->target = b;
    link->key = block_key(c, ip);
    link->gen = local ? LINK_LOCAL : c->code_gen[ip >> 61];
    return enter(c, b, ip);
}

const struct uop *uop_goto_linked(struct cpu *c, const struct uop *u, uint64_t ip)
{
    const struct uop *link = u + 1;

    c->iipa = uop_ip(c, u);
    c->budget += u->rest;
    if (likely(link->gen == LINK_LOCAL))
        return uop_run(c, link->target->uops);
    if (likely(link->gen == c->code_gen[ip >> 61] && link->key == block_key(c, ip)))
        return enter(c, link->target, ip);
    /* The only writer of a block after it was built: its own branch caches. */
    return link_slow(c, u, (struct uop *)(uintptr_t)link, ip);
}

/* --- entry, tail and check operations --- */

static const struct uop *enter_checked(struct cpu *c, const struct block *b)
{
    struct block *checked = block_get(c, b->pa, b->variant | BLK_CHECKED);

    c->left[LEFT_CHECKED]++;
    if (!checked)
        return NULL;
    return uop_run(c, checked->uops);
}

/* Counts entries of blocks worth translating. */
ALWAYS_INLINE void note_entry(struct cpu *c, const struct block *b)
{
    struct block *w = (struct block *)(uintptr_t)b;

    if (unlikely(c->jit && ++w->hot == c->jit_hot))
        jit_translate(c->jit, c, w);
}

static const struct uop *op_entry(struct cpu *c, const struct uop *u)
{
    const struct block *b = block_of_entry(u);

    if (unlikely(c->budget < reserve(c))) {
        c->left[LEFT_BUDGET]++;
        set_point(c, c->page_va + (b->pa & 0xff0), b->pa & 3);
        c->branch_taken = true;
        return NULL;
    }
    if (unlikely(b->max_dst >= c->frame_top || (b->uses & c->deny)))
        return enter_checked(c, b);
    c->budget -= b->nslots;
    note_entry(c, b);
    return uop_next(c, u);
}

/* Continues behind the block: at bundle offset imm of the page (or the next page), slot pos. loc is
 * the bundle of the last instruction. */
static const struct uop *op_tail(struct cpu *c, const struct uop *u)
{
    uint64_t ip = c->page_va + (uint64_t)u->imm;
    struct uop *link = (struct uop *)(uintptr_t)(u + 1);
    struct block *b;
    uint64_t pa;

    c->iipa = uop_ip(c, u);
    if (likely(link->gen == LINK_LOCAL))
        return uop_run(c, link->target->uops);
    if (u->pos == 0)
        return uop_goto_linked(c, u, ip);
    set_point(c, ip, u->pos);
    if (c->step || c->exit_request || !fetch_address(c, &pa))
        return NULL;
    b = block_get(c, pa | u->pos, variant_now(c));
    if (!b)
        return NULL;
    link->target = b;
    link->gen = LINK_LOCAL;
    return uop_run(c, b->uops);
}

/* The tail of a single instruction: not a branch, whatever follows. */
static const struct uop *op_tail_step(struct cpu *c, const struct uop *u)
{
    c->iipa = uop_ip(c, u);
    set_point(c, c->page_va + (uint64_t)u->imm, u->pos);
    return NULL;
}

/* Checked blocks: Illegal Operation for a target out of the frame, Disabled FP-register fault
 * (SDM 2:5.6: in this order). Neither when the predicate is false. */
static const struct uop *check_operands(struct cpu *c, const struct uop *u, bool gen)
{
    if (!pr_get(c, u->qp, gen) && !block_checks_unpredicated(u->op))
        return uop_next(c, u);
    if (u->op != OP_alloc && u->imm >= c->frame_top)
        return fault_illegal(c, u);
    if (u->sub & c->deny)
        return fault_vector(c, u, VEC_DISABLED_FP,
                            block_disabled_fp_isr(u) | ((u->sub & c->deny) & DENY_FL ? 1u : 0u) |
                                ((u->sub & c->deny) & DENY_FH ? 2u : 0u));
    return uop_next(c, u);
}

static const struct uop *op_check_fast(struct cpu *c, const struct uop *u)
{
    return check_operands(c, u, false);
}

static const struct uop *op_check_gen(struct cpu *c, const struct uop *u)
{
    return check_operands(c, u, true);
}

uop_fn *block_entry_handler(void)
{
    return op_entry;
}

uop_fn *block_tail_handler(bool step)
{
    return step ? op_tail_step : op_tail;
}

uop_fn *block_check_handler(bool gen)
{
    return gen ? op_check_gen : op_check_fast;
}

/* --- running --- */

static void run_from(struct cpu *c, const struct uop *u)
{
    if (c->jit) {
        jit_run(c->jit, c, u);
        return;
    }
#ifdef KITTSON_TRAMPOLINE
    while (u)
        u = u->fn(c, u);
#else
    u->fn(c, u);
#endif
}

/* Executes the one instruction in slot PSR.ri of the bundle at pa, where c->ip leads. */
static void run_single(struct cpu *c, uint64_t pa)
{
    unsigned slot = (c->psr & PSR_RI) >> PSR_RI_SHIFT;
    unsigned variant = variant_now(c) | BLK_CHECKED | BLK_STEP;
    int64_t before = reserve(c);
    struct block *b = block_get(c, pa | slot, variant);

    if (!b) {
        interrupt_deliver(c, VEC_GENEX, GENEX_ILLEGAL | (c->psr & PSR_RI));
        return;
    }
    c->page_va = c->ip & ~(uint64_t)(MEM_PAGE_SIZE - 1);
    c->branch_taken = false;
    __atomic_store_n(&c->reserve, INT64_MAX, __ATOMIC_RELAXED); /* no further block is entered */
    if (unlikely(c->tracer))
        tracer_before(c, pa);
    c->budget -= b->nslots;
    run_from(c, b->uops + 1);
    __atomic_store_n(&c->reserve, before, __ATOMIC_RELAXED);
    if (unlikely(c->tracer))
        tracer_after(c);
}

static uint64_t fetch_itir(struct cpu *c)
{
    uint64_t rr = c->tr.rr[c->ip >> 61];

    return rr & 0xfffffffcull;
}

/* What follows the instruction stepped: traps (SDM 2:5.5.3), or what is missing of the frame it
 * returned to (6.6). */
static void after_step(struct cpu *c, uint64_t before)
{
    unsigned slot = (before & PSR_RI) >> PSR_RI_SHIFT, code = 0;

    cpu_set_psr(c, c->psr & ~PSR_ONE_INSN);
    if ((before & PSR_TB) && c->branch_taken)
        code |= TRAP_TB;
    if (before & PSR_SS)
        code |= TRAP_SS;
    if (code)
        interrupt_trap(c, code, slot);
    else
        (void)rse_complete(c);
}

/* One instruction with everything PSR asks for around it: instruction breakpoints before (behind
 * the faults of the fetch, SDM 2:5.6), traps after. */
static void step(struct cpu *c)
{
    uint64_t before = c->psr, pa;

    if (!fetch_address(c, &pa))
        return;
    if ((before & PSR_DB) && !(before & PSR_ID) && debug_inst_match(c, c->ip)) {
        interrupt_set_ifa(c, c->ip, fetch_itir(c));
        interrupt_deliver(c, VEC_DEBUG, ISR_X | (before & PSR_RI));
        return;
    }
    c->last_vector = -1;
    c->rfi_done = false;
    run_single(c, pa);
    if (c->last_vector < 0 && !c->rfi_done && !c->watch_held)
        after_step(c, before);
}

void cpu_run_blocks(struct cpu *c)
{
    struct block *b = find_block(c);

    if (!b)
        return;
    c->page_va = c->ip & ~(uint64_t)(MEM_PAGE_SIZE - 1);
    run_from(c, b->uops);
}

void cpu_run_slot(struct cpu *c)
{
    uint64_t pa;

    if (fetch_address(c, &pa))
        run_single(c, pa);
}

static void run_stretch(struct cpu *c)
{
    bool alone = c->step || (c->psr & PSR_RI) || c->budget < reserve(c) ||
                 (c->tracer && tracer_steps(c->tracer));

    if (unlikely(c->breaks) && alone && breakset_stops(c, c->ip, c->psr >> PSR_RI_SHIFT & 3, 0))
        return;
    if (c->step)
        step(c);
    else if (alone)
        cpu_run_slot(c);
    else if (c->lock)
        lockstep_run(c);
    else
        cpu_run_blocks(c);
}

/* Slots this stretch may take: not past the timer when time is instructions. */
static uint64_t stretch_limit(struct cpu *c, uint64_t left)
{
    uint64_t due;

    if (left > CHUNK_SLOTS)
        left = CHUNK_SLOTS;
    if (c->pmu_active && pmu_limit(c) < left)
        left = pmu_limit(c);
    if (!c->deterministic)
        return left;
    due = cpu_timer_due_ticks(c);
    return due && due < left ? due : left;
}

/* The one instruction at c->ip, as PSR has it. */
static void run_one(struct cpu *c)
{
    if (c->step)
        step(c);
    else
        cpu_run_slot(c);
}

void cpu_step_one(struct cpu *c)
{
    if (c->halted || c->stop)
        return;
    c->reserve = INT64_MAX;
    pmu_sync(c, 0);
    refill(c, 1);
    block_collect(c);
    cpu_update_mode(c);
    c->watch_pass = true;
    run_one(c);
    c->watch_pass = c->yield = false;
}

/* An access that a debugger wants to know of was held back: it is done now, so that the processor
 * stops right behind it. */
static void finish_access(struct cpu *c)
{
    c->watch_held = false;
    c->watch_pass = true;
    block_collect(c);
    if (c->mode || c->nat_seen)
        cpu_update_mode(c);
    run_one(c);
    c->watch_pass = false;
    c->yield = true;
}

uint64_t cpu_run(struct cpu *c, uint64_t max_slots)
{
    uint64_t start = cpu_icount(c), done = 0;

    cpu_mail_inside(c, true);
    while (!c->stop && !c->halted && done < max_slots) {
        __atomic_store_n(&c->reserve, c->deterministic ? STEP_RESERVE : 1, __ATOMIC_RELAXED);
        if (mail_receive(c)) /* behind the line above: see cpu_kick */
            break;
        pmu_sync(c, 0);
        refill(c, stretch_limit(c, max_slots - done));
        cpu_check_timer(c);
        if (c->exit_request)
            refill(c, stretch_limit(c, max_slots - done));
        if (!interrupt_poll(c)) {
            block_collect(c);
            if (c->mode || c->nat_seen)
                cpu_update_mode(c);
            run_stretch(c);
        }
        if (unlikely(c->watch_held))
            finish_access(c);
        done = cpu_icount(c) - start;
        if (c->yield) {
            c->yield = false;
            break;
        }
    }
    cpu_mail_inside(c, false);
    return done;
}
