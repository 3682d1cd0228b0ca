/* Branches in native code: ways out of a block, calls, returns, the loop within a block.
 *
 * Blocks jump to each other's native code directly as long as links hold (cpu/interp.h). Whatever
 * is not the usual case is done by the interpreter's handler.
 */
#include "block.h"
#include "fr_state.h"
#include "jit_impl.h"

/* --- where branches go --- */

static uint64_t branch_offset(const struct uop *u)
{
    return (uint64_t)(u->loc & 0xff0) + (uint64_t)u->imm;
}

bool jit_is_tail(const struct uop *u)
{
    return u->fn == block_tail_handler(false);
}

/* Offset in the page of where a branch or the tail goes; 4096 and more: another page. */
static uint64_t target_offset(const struct uop *u)
{
    return jit_is_tail(u) ? (uint64_t)u->imm : branch_offset(u);
}

bool jit_goes_to_self(const struct jit_tr *t, const struct uop *u)
{
    return target_offset(u) == (t->b->pa & 0xff0) && (t->b->pa & 3) == 0 && !jit_is_tail(u);
}

/* --- leaving --- */

static void give_back(struct jit_tr *t, unsigned slots)
{
    if (slots)
        x86_alu_mi(&t->x, X86_ADD, true, JR_CPU, CPU_OFF(budget), (int32_t)slots);
}

/* IIPA for the first instruction of the next block (SDM 2:3.3.5.6); uses rax. */
static void note_branch(struct jit_tr *t, const struct uop *u)
{
    x86_load(&t->x, RAX, JR_CPU, CPU_OFF(page_va));
    if (u->loc & 0xff0)
        x86_alu_ri(&t->x, X86_ADD, true, RAX, u->loc & 0xff0);
    x86_store(&t->x, JR_CPU, CPU_OFF(iipa), RAX);
}

/* Continues in the block in rsi. */
static void enter_block(struct jit_tr *t)
{
    x86_jmp_mem(&t->x, RSI, (int32_t)offsetof(struct block, warm));
}

/* rax: what cpu.code_gen has for the region of the address in a register. */
static void load_code_gen(struct x86 *x, unsigned va)
{
    x86_mov_rr(x, RAX, va);
    x86_shift_ri(x, X86_SHR, true, RAX, 61);
    x86_load_table(x, RAX, JR_CPU, RAX, CPU_OFF(code_gen));
}

/* The link that follows the branch, if it holds, whatever page it is for. */
static void follow_link(struct jit_tr *t, const struct uop *u)
{
    const struct uop *link = u + 1;
    uint64_t to = target_offset(u);
    bool local = to < MEM_PAGE_SIZE;
    uint8_t *slow[2] = {NULL, NULL};

    if (!local && ((jit_is_tail(u) && u->pos) || (int64_t)to != (int32_t)to))
        return;
    x86_mov_ri(&t->x, RDX, (uint64_t)(uintptr_t)link);
    if (local) {
        x86_alu_mi(&t->x, X86_CMP, true, RDX, (int32_t)offsetof(struct uop, gen), -1);
        slow[0] = x86_jcc(&t->x, CC_NE);
    } else {
        x86_load(&t->x, RCX, JR_CPU, CPU_OFF(page_va));
        x86_alu_ri(&t->x, X86_ADD, true, RCX, (int32_t)to);
        load_code_gen(&t->x, RCX);
        x86_alu_rm(&t->x, X86_CMP, true, RAX, RDX, (int32_t)offsetof(struct uop, gen));
        slow[0] = x86_jcc(&t->x, CC_NE);
        x86_mov_rr(&t->x, RAX, RCX);
        if (t->rotated)
            x86_alu_ri(&t->x, X86_OR, true, RAX, KEY_GENERAL);
        x86_alu_rm(&t->x, X86_OR, true, RAX, JR_CPU, CPU_OFF(key_context));
        x86_alu_rm(&t->x, X86_CMP, true, RAX, RDX, (int32_t)offsetof(struct uop, key));
        slow[1] = x86_jcc(&t->x, CC_NE);
    }
    note_branch(t, u);
    give_back(t, u->rest);
    if (!local) {
        x86_alu_ri(&t->x, X86_AND, true, RCX, -(int32_t)MEM_PAGE_SIZE);
        x86_store(&t->x, JR_CPU, CPU_OFF(page_va), RCX);
    }
    x86_load(&t->x, RSI, RDX, (int32_t)offsetof(struct uop, target));
    enter_block(t);
    for (unsigned k = 0; k < 2; k++)
        if (slow[k])
            x86_bind_here(&t->x, slow[k]);
}

/* Only a fault of the block's very first instruction looks at IIPA (uop_note_previous). */
static bool first_may_fault(const struct jit_tr *t)
{
    const struct uop *u = &t->b->uops[1];

    return !jit_int_emitters[u->op] && (u->loc & 0xff3) == (t->b->pa & 0xff3);
}

void jit_loop_back(struct jit_tr *t, const struct uop *u, const struct jit_live *l)
{
    struct jit_live at_branch = *l;

    jit_fr_loop_back(t, u, &at_branch);
    if (l->pending)
        jit_merge_pending(t, l, JR_PR);
    if (first_may_fault(t))
        note_branch(t, u);
    x86_load(&t->x, RAX, JR_CPU, CPU_OFF(budget));
    if (u->rest)
        x86_alu_ri(&t->x, X86_ADD, true, RAX, u->rest);
    x86_alu_rm(&t->x, X86_CMP, true, RAX, JR_CPU, CPU_OFF(reserve));
    jit_add_stub(t, STUB_LOOP_END, u, x86_jcc(&t->x, CC_L));
    x86_alu_ri(&t->x, X86_SUB, true, RAX, t->b->nslots);
    x86_store(&t->x, JR_CPU, CPU_OFF(budget), RAX);
    x86_bind(&t->x, x86_jmp(&t->x), t->loop_body);
}

void jit_branch_out(struct jit_tr *t, const struct uop *u, const struct jit_live *l)
{
    if (t->self_loop && jit_goes_to_self(t, u)) {
        jit_loop_back(t, u, l);
        return;
    }
    jit_write_back_last(t, l);
    follow_link(t, u);
    jit_leave_through(t, u, jit_is_tail(u) ? u->fn : jit_take_branch);
}

/* --- conditional branches --- */

void jit_emit_branch(struct jit_tr *t, const struct uop *u)
{
    int known = jit_known(t, u->qp);

    if (known == 0)
        return;
    if (known == 1) {
        struct jit_live l = t->live;

        jit_branch_out(t, u, &l);
        return;
    }
    x86_bit_ri(&t->x, X86_BT, JR_PR, u->qp);
    /* On the taken path the predicate is known, but it is in JR_PR already. */
    jit_add_stub(t, STUB_BRANCH, u, x86_jcc(&t->x, CC_B));
    t->known |= 1ull << u->qp;
    t->known_val &= ~(1ull << u->qp);
}

void jit_emit_cloop(struct jit_tr *t, const struct uop *u)
{
    struct jit_live l = t->live;
    uint8_t *done;

    x86_alu_mi(&t->x, X86_CMP, true, JR_CPU, CPU_OFF(lc), 0);
    done = x86_jcc(&t->x, CC_E);
    x86_alu_mi(&t->x, X86_SUB, true, JR_CPU, CPU_OFF(lc), 1);
    jit_branch_out(t, u, &l);
    x86_bind_here(&t->x, done);
}

/* --- calls, returns, indirect branches --- */

static void load_branch_target(struct jit_tr *t, const struct uop *u, unsigned reg)
{
    x86_load(&t->x, reg, JR_CPU, CPU_OFF(br) + u->r2 * 8);
    x86_alu_ri(&t->x, X86_AND, true, reg, -16);
}

/* To the address in rdx, by what the look-up of addresses knows of it. general: in that mode. */
static void go_indirect(struct jit_tr *t, const struct uop *u, bool general)
{
    uint8_t *miss;

    if (general)
        x86_alu_ri(&t->x, X86_OR, true, RDX, KEY_GENERAL);
    x86_call_to(&t->x, t->jit->arena.rw + t->jit->branch.find);
    miss = x86_jcc(&t->x, CC_NE);
    note_branch(t, u);
    give_back(t, u->rest);
    x86_alu_ri(&t->x, X86_AND, true, RDX, -(int32_t)MEM_PAGE_SIZE);
    x86_store(&t->x, JR_CPU, CPU_OFF(page_va), RDX);
    enter_block(t);
    x86_bind_here(&t->x, miss);
    if (general)
        x86_alu_ri(&t->x, X86_AND, true, RDX, -16);
    jit_leave_through(t, u, (uop_fn *)(uintptr_t)uop_goto);
}

static void set_return_address(struct jit_tr *t, const struct uop *u)
{
    x86_load(&t->x, RAX, JR_CPU, CPU_OFF(page_va));
    x86_alu_ri(&t->x, X86_ADD, true, RAX, (u->loc & 0xff0) + 16);
    x86_store(&t->x, JR_CPU, CPU_OFF(br) + u->r1 * 8, RAX);
}

static void call(struct jit_tr *t, const struct uop *u)
{
    struct jit_frame_move m = jit_frame_call(t);

    set_return_address(t, u);
    follow_link(t, u);
    jit_leave_through(t, u, jit_take_branch);
    jit_frame_otherwise(t, u, &m);
}

static void call_indirect(struct jit_tr *t, const struct uop *u)
{
    struct jit_frame_move m = jit_frame_call(t);

    load_branch_target(t, u, RDX);
    set_return_address(t, u);
    go_indirect(t, u, false);
    jit_frame_otherwise(t, u, &m);
}

static void ret(struct jit_tr *t, const struct uop *u)
{
    struct jit_frame_move m = jit_frame_ret(t, u);

    if (t->rotated) {
        x86_mov_mi(&t->x, JR_CPU, CPU_OFF(cfm) + 4, 0); /* taken for clear otherwise */
        x86_mov_mi(&t->x, JR_CPU, CPU_OFF(mode), 0);
    }
    load_branch_target(t, u, RDX);
    go_indirect(t, u, false);
    jit_frame_otherwise(t, u, &m);
}

/* Calls out of a rotated frame keep its rotation in ar.pfs: the handler's. */
static bool left_to_handler(const struct jit_tr *t, const struct uop *u)
{
    return t->rotated && u->op != OP_br_ret && u->op != OP_br_cond_b;
}

_Static_assert(offsetof(struct cfm, rrb_fr) == 4 && offsetof(struct cfm, rrb_pr) == 5 &&
                   offsetof(struct cpu, frame_top) >= offsetof(struct cpu, cfm) + 8,
               "four bytes at once below");

static void leave_block(struct jit_tr *t, const struct uop *u)
{
    if (left_to_handler(t, u)) {
        jit_leave_through(t, u, u->fn);
        return;
    }
    switch (u->op) {
    case OP_br_call:
    case OP_brl_call:
        call(t, u);
        break;
    case OP_br_call_b:
        call_indirect(t, u);
        break;
    case OP_br_ret:
        ret(t, u);
        break;
    default:
        load_branch_target(t, u, RDX);
        go_indirect(t, u, t->rotated);
    }
}

void jit_emit_leaving(struct jit_tr *t, const struct uop *u)
{
    int known = jit_known(t, u->qp);
    uint8_t *skip = NULL;

    if (known == 0)
        return;
    if (known < 0) {
        x86_bit_ri(&t->x, X86_BT, JR_PR, u->qp);
        skip = x86_jcc(&t->x, CC_AE);
    }
    if (skip) {
        struct jit_live l = t->live;

        /* JR_PR has to stay as it is for the other way. */
        jit_write_back(t, &l);
        x86_load(&t->x, JR_PR, JR_CPU, CPU_OFF(pr));
    } else {
        jit_write_back_last(t, &t->live);
    }
    leave_block(t, u);
    if (skip)
        x86_bind_here(&t->x, skip);
}

/* --- routines --- */

/* rsi: the block for the address in rdx (block_lookup_quick), with KEY_GENERAL in general mode; not
 * equal: there is none. */
static void emit_find(struct x86 *x)
{
    uint8_t *old;

    _Static_assert(sizeof(struct jump_entry) == 32, "shift below");
    x86_mov_rr(x, RCX, RDX);
    x86_shift_ri(x, X86_SHR, true, RCX, 3);
    x86_mov_rr(x, RAX, RDX);
    x86_shift_ri(x, X86_SHR, true, RAX, 14);
    x86_alu_rr(x, X86_XOR, false, RCX, RAX);
    x86_alu_ri(x, X86_AND, false, RCX, JUMP_ENTRIES - 1);
    x86_shift_ri(x, X86_SHL, false, RCX, 5);
    x86_alu_rm(x, X86_ADD, true, RCX, JR_CPU, CPU_OFF(jump));
    load_code_gen(x, RDX);
    x86_alu_rm(x, X86_CMP, true, RAX, RCX, (int32_t)offsetof(struct jump_entry, gen));
    old = x86_jcc(x, CC_NE);
    x86_mov_rr(x, RAX, RDX);
    x86_alu_rm(x, X86_OR, true, RAX, JR_CPU, CPU_OFF(key_context));
    x86_load(x, RSI, RCX, (int32_t)offsetof(struct jump_entry, b));
    x86_alu_rm(x, X86_CMP, true, RAX, RCX, (int32_t)offsetof(struct jump_entry, key));
    x86_bind_here(x, old);
    x86_ret(x);
}

/* Where blocks without native code are entered: rsi is the block. */
static void emit_cold(struct x86 *x)
{
    jit_flags_fold(x);
    x86_alu_ri(x, X86_ADD, true, RSI, (int32_t)offsetof(struct block, uops));
#ifdef KITTSON_TRAMPOLINE
    x86_mov_rr(x, RAX, RSI);
    x86_ret(x);
#else
    x86_mov_rr(x, RDI, JR_CPU);
    x86_jmp_mem(x, RSI, (int32_t)offsetof(struct uop, fn));
#endif
}

void jit_branch_routines(struct jit *j)
{
    static jit_routine_fn *const emit[] = {emit_find, emit_cold};
    uint32_t *const at[] = {&j->branch.find, &j->branch.cold};

    jit_emit_routines(j, emit, at, sizeof emit / sizeof *emit);
}
