/* Moving the register frame for calls and returns in native code.
 *
 * Two routines do it for any usual frame, as rse_call_quick and rse_return_quick do. Blocks have
 * code in line for the frame that was there when they were translated, or that their alloc makes,
 * under a test. Whatever is not the usual case is left to the interpreter's handler.
 */
#include "jit_impl.h"
#include "rse.h"

#define PFS_EC_SHIFT  52
#define PFS_PPL_SHIFT 62

/* --- routines: whatever the frame is --- */

/* r14 and what else follows the frame, by rcx registers up; uses r8 and r9. */
static void slide(struct x86 *x, enum x86_alu op)
{
    x86_mov_rr(x, R8, RCX);
    x86_shift_ri(x, X86_SHL, true, R8, 3);
    x86_alu_rr(x, op, true, JR_FRAME, R8);
    x86_load(x, R9, JR_CPU, CPU_OFF(nat_base) + 8);
    x86_alu_rr(x, op, true, R9, RCX);
    for (int32_t k = 1; k < 4; k++) {
        x86_store(x, JR_CPU, CPU_OFF(gr_base) + 8 * k, JR_FRAME);
        x86_store(x, JR_CPU, CPU_OFF(nat_base) + 8 * k, R9);
    }
}

/* acc += a condition of the flags; uses r11. */
static void add_condition(struct x86 *x, enum x86_cc cc, unsigned acc)
{
    x86_setcc(x, cc, R11);
    x86_extend(x, 0xb6, R11, R11);
    x86_alu_rr(x, X86_ADD, true, acc, R11);
}

/* r10: position of BSP among the 64 words of its NaT collection (SDM 2:6.5); r9: BSP. */
static void load_bsp(struct x86 *x)
{
    x86_load(x, R9, JR_CPU, CPU_OFF(bsp));
    x86_mov_rr(x, R10, R9);
    x86_shift_ri(x, X86_SHR, false, R10, 3);
    x86_alu_ri(x, X86_AND, false, R10, 0x3f);
}

/* Fields of the frame marker in memory: rax all of it, rdx sof, rcx sol. */
static void load_frame(struct x86 *x)
{
    x86_alu_rm(x, X86_MOV, false, RAX, JR_CPU, CPU_OFF(cfm));
    x86_mov_rr(x, RCX, RAX);
    x86_shift_ri(x, X86_SHR, false, RCX, 8);
    x86_alu_ri(x, X86_AND, false, RCX, 0xff);
    x86_extend(x, 0xb6, RDX, RAX);
}

/* ar.pfs from rax (frame marker), rcx (sol), rdx (sof); uses r8 and r9. */
static void save_pfs(struct x86 *x)
{
    x86_mov_rr(x, R8, RCX);
    x86_shift_ri(x, X86_SHL, false, R8, 7);
    x86_alu_rr(x, X86_OR, true, R8, RDX);
    x86_shift_ri(x, X86_SHR, false, RAX, 16);
    x86_alu_ri(x, X86_AND, false, RAX, 0xff);
    x86_shift_ri(x, X86_SHL, false, RAX, 11);
    x86_alu_rr(x, X86_OR, true, R8, RAX);
    x86_load(x, R9, JR_CPU, CPU_OFF(ec));
    x86_shift_ri(x, X86_SHL, true, R9, PFS_EC_SHIFT);
    x86_alu_rr(x, X86_OR, true, R8, R9);
    x86_load(x, R9, JR_CPU, CPU_OFF(key_context));
    x86_shift_ri(x, X86_SHL, true, R9, PFS_PPL_SHIFT);
    x86_alu_rr(x, X86_OR, true, R8, R9);
    x86_store(x, JR_CPU, CPU_OFF(pfs), R8);
}

static void finish(struct x86 *x, uint8_t *fail[], unsigned count)
{
    x86_alu_rr(x, X86_XOR, false, RAX, RAX); /* no carry */
    x86_ret(x);
    for (unsigned k = 0; k < count; k++)
        x86_bind_here(x, fail[k]);
    x86_stc(x);
    x86_ret(x);
}

/* What rse_call_quick and the handler do. Carry: nothing was done. */
static void emit_call(struct x86 *x)
{
    uint8_t *fail[3];

    x86_cmp_mb(x, JR_CPU, CPU_OFF(hints_set), 0);
    fail[0] = x86_jcc(x, CC_NE);
    load_frame(x);
    x86_alu_rm(x, X86_MOV, false, R8, JR_CPU, CPU_OFF(bof));
    x86_alu_rr(x, X86_ADD, false, R8, RCX);
    x86_alu_ri(x, X86_CMP, false, R8, (int32_t)RSE_BASE_MAX);
    fail[1] = x86_jcc(x, CC_A);
    x86_alu_mi(x, X86_CMP, false, JR_CPU, CPU_OFF(ndirty), 0);
    fail[2] = x86_jcc(x, CC_L);
    x86_alu_mr(x, X86_MOV, false, JR_CPU, CPU_OFF(bof), R8);
    x86_alu_mr(x, X86_ADD, false, JR_CPU, CPU_OFF(ndirty), RCX);
    save_pfs(x);
    load_bsp(x);
    x86_alu_rr(x, X86_ADD, false, R10, RCX);
    x86_mov_rr(x, R8, RCX);
    x86_alu_ri(x, X86_CMP, false, R10, 63);
    add_condition(x, CC_AE, R8);
    x86_alu_ri(x, X86_CMP, false, R10, 126);
    add_condition(x, CC_AE, R8);
    x86_lea_index(x, R9, R9, R8, 3);
    x86_store(x, JR_CPU, CPU_OFF(bsp), R9);
    x86_alu_rr(x, X86_SUB, false, RDX, RCX);
    x86_alu_mr(x, X86_MOV, false, JR_CPU, CPU_OFF(cfm), RDX);
    x86_alu_ri(x, X86_ADD, false, RDX, 32);
    x86_alu_mr(x, X86_MOV, false, JR_CPU, CPU_OFF(frame_top), RDX);
    slide(x, X86_ADD);
    finish(x, fail, 3);
}

/* From ar.pfs in rax: rdx sof, rcx sol, r9 sor in registers. Returns the jumps for odd ones. */
static void unpack_pfs(struct x86 *x, uint8_t *fail[4])
{
    x86_mov_rr(x, R8, RAX);
    x86_shift_ri(x, X86_SHL, true, R8, 26);
    x86_shift_ri(x, X86_SHR, true, R8, 26 + 18);
    fail[0] = x86_jcc(x, CC_NE); /* rotated */
    x86_mov_rr(x, RDX, RAX);
    x86_alu_ri(x, X86_AND, false, RDX, 0x7f);
    x86_mov_rr(x, RCX, RAX);
    x86_shift_ri(x, X86_SHR, false, RCX, 7);
    x86_mov_rr(x, R9, RCX);
    x86_alu_ri(x, X86_AND, false, RCX, 0x7f);
    x86_shift_ri(x, X86_SHR, false, R9, 7);
    x86_alu_ri(x, X86_AND, false, R9, 0xf);
    x86_shift_ri(x, X86_SHL, false, R9, 3);
    x86_alu_ri(x, X86_CMP, false, RDX, CPU_PHYS_STACKED);
    fail[1] = x86_jcc(x, CC_A);
    x86_alu_rr(x, X86_CMP, false, RCX, RDX);
    fail[2] = x86_jcc(x, CC_A);
    x86_alu_rr(x, X86_CMP, false, R9, RDX);
    fail[3] = x86_jcc(x, CC_A);
}

/* bof to r11 and ndirty to r10 as they will be. */
static void frame_below(struct x86 *x, uint8_t *fail[3])
{
    x86_alu_rm(x, X86_MOV, false, R10, JR_CPU, CPU_OFF(ndirty));
    x86_alu_rr(x, X86_SUB, false, R10, RCX);
    fail[0] = x86_jcc(x, CC_L);
    x86_alu_rm(x, X86_MOV, false, R11, JR_CPU, CPU_OFF(bof));
    x86_alu_rr(x, X86_SUB, false, R11, RCX);
    x86_alu_ri(x, X86_CMP, false, R11, (int32_t)RSE_BASE_MIN);
    fail[1] = x86_jcc(x, CC_L);
    x86_mov_rr(x, R8, R10);
    x86_alu_rr(x, X86_ADD, false, R8, RDX);
    x86_alu_ri(x, X86_CMP, false, R8, CPU_PHYS_STACKED);
    fail[2] = x86_jcc(x, CC_G);
    x86_alu_mr(x, X86_MOV, false, JR_CPU, CPU_OFF(ndirty), R10);
    x86_alu_mr(x, X86_MOV, false, JR_CPU, CPU_OFF(bof), R11);
}

/* The frame marker from rdx, rcx, r9; uses r8. */
static void store_frame(struct x86 *x)
{
    x86_mov_rr(x, R8, RCX);
    x86_shift_ri(x, X86_SHL, false, R8, 8);
    x86_alu_rr(x, X86_OR, false, R8, RDX);
    x86_shift_ri(x, X86_SHL, false, R9, 16);
    x86_alu_rr(x, X86_OR, false, R8, R9);
    x86_alu_mr(x, X86_MOV, false, JR_CPU, CPU_OFF(cfm), R8);
    x86_alu_ri(x, X86_ADD, false, RDX, 32);
    x86_alu_mr(x, X86_MOV, false, JR_CPU, CPU_OFF(frame_top), RDX);
}

/* What rse_return_quick and the handler do. Carry: nothing was done. */
static void emit_ret(struct x86 *x)
{
    uint8_t *fail[9];

    x86_load(x, RAX, JR_CPU, CPU_OFF(pfs));
    x86_cmp_mb(x, JR_CPU, CPU_OFF(hints_set), 0);
    fail[0] = x86_jcc(x, CC_NE);
    x86_mov_rr(x, RCX, RAX);
    x86_shift_ri(x, X86_SHR, true, RCX, PFS_PPL_SHIFT);
    x86_load(x, RDX, JR_CPU, CPU_OFF(key_context));
    x86_alu_ri(x, X86_AND, false, RDX, 3);
    x86_alu_rr(x, X86_CMP, false, RCX, RDX);
    fail[1] = x86_jcc(x, CC_A);
    unpack_pfs(x, fail + 2);
    frame_below(x, fail + 6);
    x86_shift_ri(x, X86_SHR, true, RAX, PFS_EC_SHIFT);
    x86_alu_ri(x, X86_AND, false, RAX, 0x3f);
    x86_store(x, JR_CPU, CPU_OFF(ec), RAX);
    store_frame(x);
    load_bsp(x);
    x86_mov_rr(x, R8, RCX);
    x86_alu_rr(x, X86_CMP, false, RCX, R10);
    add_condition(x, CC_A, R8);
    x86_alu_ri(x, X86_ADD, false, R10, 63);
    x86_alu_rr(x, X86_CMP, false, RCX, R10);
    add_condition(x, CC_A, R8);
    x86_shift_ri(x, X86_SHL, true, R8, 3);
    x86_alu_rr(x, X86_SUB, true, R9, R8);
    x86_store(x, JR_CPU, CPU_OFF(bsp), R9);
    slide(x, X86_SUB);
    finish(x, fail, 9);
}

void jit_call_routines(struct jit *j)
{
    static jit_routine_fn *const emit[] = {emit_call, emit_ret};
    uint32_t *const at[] = {&j->frame_call, &j->frame_ret};

    jit_emit_routines(j, emit, at, 2);
}

/* --- frames known when translated --- */

/* The frame the block is in at this point: sure after its own alloc. */
static struct cfm frame_here(const struct jit_tr *t)
{
    return t->alloc_seen ? t->frame : t->c->cfm;
}

static int32_t packed(struct cfm f)
{
    return f.sof | f.sol << 8 | f.sor << 16;
}

static void fail(struct jit_tr *t, struct jit_frame_move *m, enum x86_cc cc)
{
    m->fail[m->fails++] = x86_jcc(&t->x, cc);
}

/* Marks the end of what is done when all is as expected. */
static struct jit_frame_move moved(struct jit_tr *t, struct jit_frame_move *m)
{
    m->done = t->x.p;
    return *m;
}

static void no_hints(struct jit_tr *t, struct jit_frame_move *m)
{
    x86_cmp_mb(&t->x, JR_CPU, CPU_OFF(hints_set), 0);
    fail(t, m, CC_NE);
}

static void new_frame(struct jit_tr *t, int32_t frame)
{
    x86_mov_mi(&t->x, JR_CPU, CPU_OFF(cfm), (uint32_t)frame);
    x86_mov_mi(&t->x, JR_CPU, CPU_OFF(frame_top), 32u + (frame & 0xff));
}

/* The frame's place, by a number of registers that is known; uses r9. */
static void slide_by(struct jit_tr *t, enum x86_alu op, unsigned n)
{
    x86_alu_ri(&t->x, op, true, JR_FRAME, (int32_t)n * 8);
    x86_load(&t->x, R9, JR_CPU, CPU_OFF(nat_base) + 8);
    x86_alu_ri(&t->x, op, true, R9, (int32_t)n);
    for (int32_t k = 1; k < 4; k++) {
        x86_store(&t->x, JR_CPU, CPU_OFF(gr_base) + 8 * k, JR_FRAME);
        x86_store(&t->x, JR_CPU, CPU_OFF(nat_base) + 8 * k, R9);
    }
}

/* rse_words_up with the number known: a collection is passed for every 63 registers. */
static void bsp_up(struct jit_tr *t, unsigned n)
{
    load_bsp(&t->x);
    x86_alu_ri(&t->x, X86_ADD, false, R10, (int32_t)n);
    x86_mov_ri(&t->x, R8, n);
    for (int32_t limit = 63; limit <= 126; limit += 63) {
        x86_alu_ri(&t->x, X86_CMP, false, R10, limit);
        x86_alu_ri(&t->x, X86_SBB, false, R8, -1);
    }
    x86_lea_index(&t->x, R9, R9, R8, 3);
    x86_store(&t->x, JR_CPU, CPU_OFF(bsp), R9);
}

/* rse_words_down likewise. */
static void bsp_down(struct jit_tr *t, unsigned n)
{
    load_bsp(&t->x);
    x86_mov_ri(&t->x, R8, n);
    x86_alu_ri(&t->x, X86_CMP, false, R10, (int32_t)n);
    x86_alu_ri(&t->x, X86_ADC, false, R8, 0);
    if (n > 63) {
        x86_alu_ri(&t->x, X86_CMP, false, R10, (int32_t)n - 63);
        x86_alu_ri(&t->x, X86_ADC, false, R8, 0);
    }
    x86_shift_ri(&t->x, X86_SHL, true, R8, 3);
    x86_alu_rr(&t->x, X86_SUB, true, R9, R8);
    x86_store(&t->x, JR_CPU, CPU_OFF(bsp), R9);
}

static void save_known_pfs(struct jit_tr *t, struct cfm f)
{
    x86_load(&t->x, RAX, JR_CPU, CPU_OFF(ec));
    x86_shift_ri(&t->x, X86_SHL, true, RAX, PFS_EC_SHIFT);
    x86_load(&t->x, RCX, JR_CPU, CPU_OFF(key_context));
    x86_shift_ri(&t->x, X86_SHL, true, RCX, PFS_PPL_SHIFT);
    x86_alu_rr(&t->x, X86_OR, true, RAX, RCX);
    x86_alu_ri(&t->x, X86_OR, true, RAX, f.sof | f.sol << 7 | f.sor << 11);
    x86_store(&t->x, JR_CPU, CPU_OFF(pfs), RAX);
}

struct jit_frame_move jit_frame_call(struct jit_tr *t)
{
    struct jit_frame_move m = {.routine = t->jit->frame_call};
    struct cfm f = frame_here(t);

    if (!t->alloc_seen) {
        x86_alu_mi(&t->x, X86_CMP, false, JR_CPU, CPU_OFF(cfm), packed(f));
        m.other[m.others++] = x86_jcc(&t->x, CC_NE);
    }
    no_hints(t, &m);
    x86_alu_rm(&t->x, X86_MOV, false, RAX, JR_CPU, CPU_OFF(bof));
    x86_alu_ri(&t->x, X86_ADD, false, RAX, f.sol);
    x86_alu_ri(&t->x, X86_CMP, false, RAX, (int32_t)RSE_BASE_MAX);
    fail(t, &m, CC_A);
    x86_alu_rm(&t->x, X86_MOV, false, RCX, JR_CPU, CPU_OFF(ndirty));
    x86_test_rr(&t->x, false, RCX, RCX);
    fail(t, &m, CC_S);
    if (f.sol) {
        x86_alu_mr(&t->x, X86_MOV, false, JR_CPU, CPU_OFF(bof), RAX);
        x86_alu_ri(&t->x, X86_ADD, false, RCX, f.sol);
        x86_alu_mr(&t->x, X86_MOV, false, JR_CPU, CPU_OFF(ndirty), RCX);
        bsp_up(t, f.sol);
        slide_by(t, X86_ADD, f.sol);
    }
    save_known_pfs(t, f);
    new_frame(t, f.sof - f.sol);
    return moved(t, &m);
}

/* What ar.pfs will probably be at the block's end: a guess, tested at run time. */
static uint64_t expected_pfs(const struct jit_tr *t, const struct uop *ret)
{
    uint64_t pfs = t->c->pfs;

    for (const struct uop *u = &t->b->uops[1]; u < ret; u++)
        if (u->fn && u->op == OP_mov_to_ar_i && u->r3 == AR_PFS)
            pfs = cpu_gr(t->c, u->r2);
    return pfs;
}

/* A return that the code in line can do: the usual frame, no change of privilege. */
static bool plain_pfs(const struct jit_tr *t, uint64_t pfs)
{
    unsigned sof = CFM_SOF(pfs), sol = CFM_SOL(pfs), sor = (pfs >> 14 & 0xf) * 8;

    return !t->rotated && (pfs >> 18 & 0xfffff) == 0 && sof <= CPU_PHYS_STACKED && sol <= sof &&
           sor <= sof && pfs >> PFS_PPL_SHIFT == cpu_cpl(t->c);
}

static void return_to(struct jit_tr *t, struct jit_frame_move *m, uint64_t pfs)
{
    struct cfm f = {CFM_SOF(pfs), CFM_SOL(pfs), (pfs >> 14 & 0xf) * 8, 0, 0, 0};

    no_hints(t, m);
    x86_alu_rm(&t->x, X86_MOV, false, RCX, JR_CPU, CPU_OFF(ndirty));
    x86_alu_ri(&t->x, X86_SUB, false, RCX, f.sol);
    fail(t, m, CC_L);
    x86_alu_rm(&t->x, X86_MOV, false, RAX, JR_CPU, CPU_OFF(bof));
    x86_alu_ri(&t->x, X86_SUB, false, RAX, f.sol);
    x86_alu_ri(&t->x, X86_CMP, false, RAX, (int32_t)RSE_BASE_MIN);
    fail(t, m, CC_L);
    x86_alu_ri(&t->x, X86_CMP, false, RCX, CPU_PHYS_STACKED - f.sof);
    fail(t, m, CC_G);
    if (f.sol) {
        x86_alu_mr(&t->x, X86_MOV, false, JR_CPU, CPU_OFF(ndirty), RCX);
        x86_alu_mr(&t->x, X86_MOV, false, JR_CPU, CPU_OFF(bof), RAX);
        bsp_down(t, f.sol);
        slide_by(t, X86_SUB, f.sol);
    }
    x86_mov_mi(&t->x, JR_CPU, CPU_OFF(ec), pfs >> PFS_EC_SHIFT & 0x3f);
    new_frame(t, packed(f));
}

struct jit_frame_move jit_frame_ret(struct jit_tr *t, const struct uop *u)
{
    struct jit_frame_move m = {.routine = t->jit->frame_ret};
    uint64_t pfs = expected_pfs(t, u);

    if (!plain_pfs(t, pfs)) {
        m.other[m.others++] = x86_jmp(&t->x);
        return moved(t, &m);
    }
    x86_mov_ri(&t->x, RAX, pfs);
    x86_alu_rm(&t->x, X86_CMP, true, RAX, JR_CPU, CPU_OFF(pfs));
    m.other[m.others++] = x86_jcc(&t->x, CC_NE);
    x86_alu_mi(&t->x, X86_CMP, true, JR_CPU, CPU_OFF(key_context), (int32_t)t->c->key_context);
    m.other[m.others++] = x86_jcc(&t->x, CC_NE);
    return_to(t, &m, pfs);
    return moved(t, &m);
}

void jit_frame_otherwise(struct jit_tr *t, const struct uop *u, const struct jit_frame_move *m)
{
    if (m->others) {
        for (unsigned k = 0; k < m->others; k++)
            x86_bind_here(&t->x, m->other[k]);
        x86_call_to(&t->x, t->jit->arena.rw + m->routine);
        x86_bind(&t->x, x86_jcc(&t->x, CC_AE), m->done);
    }
    for (unsigned k = 0; k < m->fails; k++)
        x86_bind_here(&t->x, m->fail[k]);
    jit_leave_through(t, u, u->fn);
}
