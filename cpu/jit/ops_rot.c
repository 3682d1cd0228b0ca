/* Rotating registers in native code (SDM 1:4.5.1): general blocks, as long as no NaT is in sight.
 *
 * Inside such a block predicates are in JR_PR by the numbers software uses, so that a rotation is a
 * shift, and rotating GRs stand in a window of cpu.rot in the same order, which moves down by one
 * register per rotation: no renaming at run time. Outside, everything is in its physical place; the
 * entry of a block and jit_write_back convert. A block holds for one number of rotating GRs.
 * Rotating FRs are the handlers' business.
 */
#include "fr_state.h"
#include "jit_impl.h"

#define CFM_OFF(field) (CPU_OFF(cfm) + (int32_t)offsetof(struct cfm, field))
#define ROT_TOP        (CPU_ROT_WORDS - CPU_PHYS_STACKED - 2) /* copies in pairs reach beyond */
#define GR32           (32 * 8) /* offset of r32 from JR_FRAME and JR_ROT */
#define ROT_FRS        96u
#define ROT_PRS        48u

/* --- routines --- */

static void load_cfm_byte(struct x86 *x, unsigned reg, size_t at)
{
    x86_load(x, reg, JR_CPU, CPU_OFF(cfm));
    if (at)
        x86_shift_ri(x, X86_SHR, true, reg, (unsigned)at * 8);
    x86_alu_ri(x, X86_AND, false, reg, 0xff);
}

/* The upper 48 bits of rax turned right by ecx positions; uses rdx. */
static void turn(struct x86 *x)
{
    x86_shift_ri(x, X86_SHR, true, RAX, 16);
    x86_mov_rr(x, RDX, RAX);
    x86_shift_rcl(x, X86_SHR, true, RAX);
    x86_alu_ri(x, X86_SUB, false, RCX, ROT_PRS);
    x86_neg(x, RCX);
    x86_shift_rcl(x, X86_SHL, true, RDX);
    x86_alu_rr(x, X86_OR, true, RAX, RDX);
    x86_shift_ri(x, X86_SHL, true, RAX, 16);
}

static void emit_pr_in(struct x86 *x)
{
    x86_mov_rr(x, RAX, JR_PR);
    load_cfm_byte(x, RCX, offsetof(struct cfm, rrb_pr));
    turn(x);
    x86_extend(x, 0xb7, JR_PR, JR_PR);
    x86_alu_rr(x, X86_OR, true, JR_PR, RAX);
    x86_ret(x);
}

static void emit_pr_out(struct x86 *x)
{
    x86_push(x, RDX);
    x86_push(x, RAX);
    load_cfm_byte(x, RCX, offsetof(struct cfm, rrb_pr));
    x86_alu_ri(x, X86_SUB, false, RCX, ROT_PRS);
    x86_neg(x, RCX);
    turn(x);
    x86_pop(x, RDX);
    x86_extend(x, 0xb7, RDX, RDX);
    x86_alu_rr(x, X86_OR, true, RAX, RDX);
    x86_pop(x, RDX);
    x86_ret(x);
}

/* rcx words from rsi to rdi, r32's distance above both; uses rax and xmm0. */
static void copy_words(struct x86 *x)
{
    uint8_t *few, *even, *loop;

    x86_alu_ri(x, X86_SUB, false, RCX, 2);
    few = x86_jcc(x, CC_B);
    loop = x->p;
    sse_move16(x, 0x10, 0, RSI, GR32);
    sse_move16(x, 0x11, 0, RDI, GR32);
    x86_alu_ri(x, X86_ADD, true, RSI, 16);
    x86_alu_ri(x, X86_ADD, true, RDI, 16);
    x86_alu_ri(x, X86_SUB, false, RCX, 2);
    x86_bind(x, x86_jcc(x, CC_AE), loop);
    x86_bind_here(x, few);
    x86_alu_ri(x, X86_CMP, false, RCX, -1);
    even = x86_jcc(x, CC_NE);
    x86_load(x, RAX, RSI, GR32);
    x86_store(x, RDI, GR32, RAX);
    x86_bind_here(x, even);
}

/* ecx: registers from the rotation base to the end, edx: those below it. */
static void load_sizes(struct x86 *x)
{
    load_cfm_byte(x, RCX, offsetof(struct cfm, sor));
    load_cfm_byte(x, RDX, offsetof(struct cfm, rrb_gr));
    x86_alu_rr(x, X86_SUB, false, RCX, RDX);
}

static void emit_gr_in(struct x86 *x)
{
    load_sizes(x);
    x86_lea(x, JR_ROT, JR_CPU, CPU_OFF(rot) + (int32_t)ROT_TOP * 8 - GR32);
    x86_lea_index(x, RSI, JR_FRAME, RDX, 3);
    x86_mov_rr(x, RDI, JR_ROT);
    x86_lea_index(x, R8, JR_ROT, RCX, 3);
    copy_words(x);
    x86_mov_rr(x, RSI, JR_FRAME);
    x86_mov_rr(x, RDI, R8);
    x86_mov_rr(x, RCX, RDX);
    copy_words(x);
    x86_ret(x);
}

static void emit_gr_out(struct x86 *x)
{
    static const uint8_t kept[] = {RDX, RSI, RDI, R8};

    for (unsigned k = 0; k < sizeof kept; k++)
        x86_push(x, kept[k]);
    load_sizes(x);
    x86_lea_index(x, RDI, JR_FRAME, RDX, 3);
    x86_mov_rr(x, RSI, JR_ROT);
    x86_lea_index(x, R8, JR_ROT, RCX, 3);
    copy_words(x);
    x86_mov_rr(x, RDI, JR_FRAME);
    x86_mov_rr(x, RSI, R8);
    x86_mov_rr(x, RCX, RDX);
    copy_words(x);
    for (unsigned k = sizeof kept; k-- > 0;)
        x86_pop(x, kept[k]);
    x86_ret(x);
}

static void emit_up(struct x86 *x)
{
    x86_push(x, RSI);
    x86_push(x, RDI);
    x86_mov_rr(x, RSI, JR_ROT);
    x86_lea(x, RDI, JR_CPU, CPU_OFF(rot) + (int32_t)ROT_TOP * 8 - GR32);
    x86_mov_rr(x, JR_ROT, RDI);
    load_cfm_byte(x, RCX, offsetof(struct cfm, sor));
    copy_words(x);
    x86_pop(x, RDI);
    x86_pop(x, RSI);
    x86_ret(x);
}

_Static_assert(ROT_TOP >= 2 * CPU_PHYS_STACKED, "emit_up's source and destination are apart");
_Static_assert(sizeof(struct cfm) <= 8, "loaded at once");

void jit_rot_routines(struct jit *j)
{
    static jit_routine_fn *const emit[] = {emit_pr_in, emit_pr_out, emit_gr_in, emit_gr_out,
                                           emit_up};
    uint32_t *const at[] = {&j->rot.pr_in, &j->rot.pr_out, &j->rot.gr_in, &j->rot.gr_out,
                            &j->rot.up};

    jit_emit_routines(j, emit, at, sizeof emit / sizeof *emit);
}

static void call_routine(struct jit_tr *t, uint32_t offset)
{
    x86_call_to(&t->x, t->jit->arena.rw + offset);
}

/* --- the block --- */

void jit_rot_begin(struct jit_tr *t)
{
    t->rotated = t->b->variant & BLK_GEN;
    if (!t->rotated)
        return;
    t->sor = t->c->cfm.sor;
    for (unsigned k = 1; k < t->b->count; k++) {
        const struct uop *u = &t->b->uops[k];

        if (u->fn && (jit_rot_gr(t, u->r1) || jit_rot_gr(t, u->r2) || jit_rot_gr(t, u->r3)))
            t->rot_used = true;
    }
}

bool jit_rot_fr(const struct jit_tr *t, const struct uop *u)
{
    return t->rotated && jit_fr_touches(u) &&
           (u->r1 >= 32 || u->r2 >= 32 || u->r3 >= 32 || u->r4 >= 32);
}

void jit_rot_check(struct jit_tr *t, uint8_t *slow[2])
{
    slow[0] = slow[1] = NULL;
    if (!t->rotated)
        return;
    x86_cmp_mb(&t->x, JR_CPU, CPU_OFF(nat_seen), 0);
    slow[0] = x86_jcc(&t->x, CC_NE);
    x86_cmp_mb(&t->x, JR_CPU, CFM_OFF(sor), t->sor);
    slow[1] = x86_jcc(&t->x, CC_NE);
}

void jit_rot_enter(struct jit_tr *t)
{
    if (!t->rotated)
        return;
    call_routine(t, t->jit->rot.pr_in);
    if (t->rot_used)
        call_routine(t, t->jit->rot.gr_in);
}

void jit_rot_pr_out(struct jit_tr *t)
{
    if (t->rotated)
        call_routine(t, t->jit->rot.pr_out);
}

void jit_rot_write_back(struct jit_tr *t)
{
    call_routine(t, t->jit->rot.gr_out);
}

void jit_rot_set_pr(struct jit_tr *t)
{
    x86_mov_rr(&t->x, JR_PR, RAX);
    if (t->rotated)
        call_routine(t, t->jit->rot.pr_in);
}

/* --- loops --- */

bool jit_is_rotating(const struct uop *u)
{
    return u->op == OP_br_ctop || u->op == OP_br_cexit || u->op == OP_br_wtop ||
           u->op == OP_br_wexit;
}

static bool counted(const struct uop *u)
{
    return u->op == OP_br_ctop || u->op == OP_br_cexit;
}

static void count_down(struct jit_tr *t, int32_t at, unsigned size)
{
    uint8_t *more;

    x86_sub_mb(&t->x, JR_CPU, at, 1);
    more = x86_jcc(&t->x, CC_AE);
    x86_mov_mb(&t->x, JR_CPU, at, size - 1);
    x86_bind_here(&t->x, more);
}

/* r32 becomes what the highest rotating register was; all others move up. */
static void slide_window(struct jit_tr *t)
{
    uint8_t *room;

    x86_lea(&t->x, RAX, JR_CPU, CPU_OFF(rot) - GR32);
    x86_alu_rr(&t->x, X86_CMP, true, JR_ROT, RAX);
    room = x86_jcc(&t->x, CC_A);
    call_routine(t, t->jit->rot.up);
    x86_bind_here(&t->x, room);
    x86_load(&t->x, RAX, JR_ROT, GR32 + (int32_t)(t->sor - 1) * 8);
    x86_alu_ri(&t->x, X86_SUB, true, JR_ROT, 8);
    x86_store(&t->x, JR_ROT, GR32, RAX);
}

/* p63 gets its value first, and becomes p16. */
static void rotate(struct jit_tr *t, bool p63)
{
    x86_mov_rr(&t->x, RAX, JR_PR);
    x86_shift_ri(&t->x, X86_SHR, true, RAX, 16);
    x86_shift_ri(&t->x, X86_SHL, true, RAX, 17);
    x86_extend(&t->x, 0xb7, JR_PR, JR_PR);
    x86_alu_rr(&t->x, X86_OR, true, JR_PR, RAX);
    if (p63)
        x86_bit_ri(&t->x, X86_BTS, JR_PR, 16);
    if (t->rot_used)
        slide_window(t);
    if (t->sor)
        count_down(t, CFM_OFF(rrb_gr), t->sor);
    count_down(t, CFM_OFF(rrb_fr), ROT_FRS);
    count_down(t, CFM_OFF(rrb_pr), ROT_PRS);
}

static void go_on(struct jit_tr *t, const struct uop *u, bool taken)
{
    if (taken && t->self_loop && jit_goes_to_self(t, u)) {
        jit_loop_back(t, u, &t->live);
        return;
    }
    jit_write_back_last(t, &t->live);
    jit_leave_through(t, u, taken ? exec_loop_taken : exec_loop_left);
}

/* Jumps taken when no further source iteration starts. */
static uint8_t *test_more(struct jit_tr *t, const struct uop *u)
{
    uint8_t *none;

    if (!counted(u)) {
        x86_bit_ri(&t->x, X86_BT, JR_PR, u->qp);
        return x86_jcc(&t->x, CC_AE);
    }
    x86_alu_mi(&t->x, X86_CMP, true, JR_CPU, CPU_OFF(lc), 0);
    none = x86_jcc(&t->x, CC_E);
    x86_alu_mi(&t->x, X86_SUB, true, JR_CPU, CPU_OFF(lc), 1);
    return none;
}

/* The epilog: EC counts the rest. */
static void epilog(struct jit_tr *t, const struct uop *u, const uint8_t *active)
{
    uint8_t *stays, *end;

    x86_alu_mi(&t->x, X86_CMP, true, JR_CPU, CPU_OFF(ec), 0);
    stays = x86_jcc(&t->x, CC_E);
    rotate(t, false);
    x86_alu_mi(&t->x, X86_SUB, true, JR_CPU, CPU_OFF(ec), 1);
    x86_bind(&t->x, x86_jcc(&t->x, CC_NE), active);
    end = x86_jmp(&t->x);
    x86_bind_here(&t->x, stays);
    x86_bit_ri(&t->x, X86_BTR, JR_PR, 63);
    x86_bind_here(&t->x, end);
    go_on(t, u, u->op == OP_br_cexit || u->op == OP_br_wexit);
}

void jit_emit_rotating(struct jit_tr *t, const struct uop *u)
{
    bool top = u->op == OP_br_ctop || u->op == OP_br_wtop;
    const uint8_t *active;
    uint8_t *none;

    jit_merge_pending(t, &t->live, JR_PR);
    t->live.pending = 0;
    t->live.pr_dirty = true;
    t->live.rot_dirty = t->rot_used;
    none = test_more(t, u);
    rotate(t, counted(u));
    active = t->x.p;
    go_on(t, u, top);
    x86_bind_here(&t->x, none);
    epilog(t, u, active);
}
