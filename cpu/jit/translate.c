/* From a block of pre-decoded operations to native code.
 *
 * Operations without an emitter of their own are done by calling the interpreter's handler on a
 * copy of the operation followed by one that returns; those that may leave the block end the
 * native part: the interpreter takes over in the middle of the block. Precise faults need no
 * tables: before anything that can fault is called, all guest state is in memory.
 */
#include <stdlib.h>
#include <string.h>
#include "access.h"
#include "alat.h"
#include "block.h"
#include "divide.h"
#include "jit_impl.h"

static const uint8_t pool[POOL_SIZE] = {RBX, R12, R8, R9, R10, R11, RSI, RDI};

/* Registers a C function may change, as a bit set. */
#define CALLER_SAVED (1u << RSI | 1u << RDI | 1u << R8 | 1u << R9 | 1u << R10 | 1u << R11)

/* --- guest registers --- */

static void gr_address(const struct jit_tr *t, unsigned n, unsigned *base, int32_t *disp)
{
    *base = n < 32 ? JR_CPU : jit_rot_gr(t, n) ? JR_ROT : JR_FRAME;
    *disp = n < 32 ? CPU_OFF(gr) + (int32_t)n * 8 : (int32_t)n * 8;
}

static void gr_load(struct jit_tr *t, unsigned n, unsigned reg)
{
    unsigned base;
    int32_t disp;

    gr_address(t, n, &base, &disp);
    x86_load(&t->x, reg, base, disp);
}

static void gr_store(struct jit_tr *t, unsigned n, unsigned reg)
{
    unsigned base;
    int32_t disp;

    gr_address(t, n, &base, &disp);
    x86_store(&t->x, base, disp, reg);
    t->live.rot_dirty |= base == JR_ROT && t->rotated;
}

unsigned jit_src(struct jit_tr *t, unsigned n, unsigned scratch)
{
    if (n != 0 && t->host[n] != JIT_NO_REG)
        return t->host[n];
    jit_src_into(t, n, scratch);
    return scratch;
}

void jit_src_into(struct jit_tr *t, unsigned n, unsigned reg)
{
    if (n == 0)
        x86_mov_ri(&t->x, reg, 0);
    else if (t->host[n] != JIT_NO_REG)
        x86_mov_rr(&t->x, reg, t->host[n]);
    else
        gr_load(t, n, reg);
}

unsigned jit_dst(struct jit_tr *t, unsigned n, unsigned scratch)
{
    return t->host[n] != JIT_NO_REG ? t->host[n] : scratch;
}

void jit_put(struct jit_tr *t, unsigned n, unsigned reg)
{
    if (t->host[n] == JIT_NO_REG) {
        gr_store(t, n, reg);
        return;
    }
    x86_mov_rr(&t->x, t->host[n], reg);
    t->live.dirty[n >> 6] |= 1ull << (n & 63);
}

/* --- predicates --- */

int jit_known(const struct jit_tr *t, unsigned p)
{
    if (p == 0)
        return 1;
    return t->known >> p & 1 ? (int)(t->known_val >> p & 1) : -1;
}

void jit_set_known(struct jit_tr *t, unsigned p, bool value)
{
    uint64_t bit = 1ull << p;

    if (p == 0)
        return;
    t->known |= bit;
    t->known_val = (t->known_val & ~bit) | (value ? bit : 0);
    t->live.pending |= bit;
    t->live.values = (t->live.values & ~bit) | (value ? bit : 0);
}

void jit_forget(struct jit_tr *t, unsigned p)
{
    uint64_t bit = 1ull << p;

    if (t->live.pending & bit) {
        x86_bit_ri(&t->x, t->live.values & bit ? X86_BTS : X86_BTR, JR_PR, p);
        t->live.pending &= ~bit;
        t->live.pr_dirty = true;
    }
    t->known &= ~bit;
}

/* Makes a register hold the predicates with the pending ones; rcx is used. */
void jit_merge_pending(struct jit_tr *t, const struct jit_live *l, unsigned reg)
{
    uint64_t clear = l->pending & ~l->values, set = l->pending & l->values;

    if (clear) {
        if (__builtin_popcountll(clear) == 1) {
            x86_bit_ri(&t->x, X86_BTR, reg, (unsigned)__builtin_ctzll(clear));
        } else {
            x86_mov_ri(&t->x, RCX, ~clear);
            x86_alu_rr(&t->x, X86_AND, true, reg, RCX);
        }
    }
    if (set) {
        if (__builtin_popcountll(set) == 1) {
            x86_bit_ri(&t->x, X86_BTS, reg, (unsigned)__builtin_ctzll(set));
        } else {
            x86_mov_ri(&t->x, RCX, set);
            x86_alu_rr(&t->x, X86_OR, true, reg, RCX);
        }
    }
}

void jit_merged_pr(struct jit_tr *t, unsigned reg)
{
    x86_mov_rr(&t->x, reg, JR_PR);
    jit_merge_pending(t, &t->live, reg);
}

static void flush_pending(struct jit_tr *t)
{
    if (!t->live.pending)
        return;
    jit_merge_pending(t, &t->live, JR_PR);
    t->live.pending = 0;
    t->live.pr_dirty = true;
}

/* --- writing back and reloading --- */

static void write_back_pr(struct jit_tr *t, const struct jit_live *l)
{
    if (l->pending || (l->pr_dirty && t->rotated)) {
        x86_mov_rr(&t->x, RAX, JR_PR);
        jit_merge_pending(t, l, RAX);
        jit_rot_pr_out(t);
        x86_store(&t->x, JR_CPU, CPU_OFF(pr), RAX);
    } else if (l->pr_dirty) {
        x86_store(&t->x, JR_CPU, CPU_OFF(pr), JR_PR);
    }
}

void jit_write_back(struct jit_tr *t, const struct jit_live *l)
{
    for (unsigned k = 0; k < 2; k++)
        for (uint64_t left = l->dirty[k]; left; left &= left - 1) {
            unsigned n = 64 * k + (unsigned)__builtin_ctzll(left);

            gr_store(t, n, t->host[n]);
        }
    write_back_pr(t, l);
    if (l->rot_dirty)
        jit_rot_write_back(t);
    jit_fr_write_back(t, l);
}

void jit_write_back_last(struct jit_tr *t, const struct jit_live *l)
{
    struct jit_live last = *l;

    if (l->pending && !t->rotated) {
        jit_merge_pending(t, l, JR_PR);
        last.pending = 0;
        last.pr_dirty = true;
    }
    jit_write_back(t, &last);
    if (t->rotated)
        x86_load(&t->x, JR_PR, JR_CPU, CPU_OFF(pr));
}

static void load_context(struct jit_tr *t)
{
    x86_load(&t->x, JR_FRAME, JR_CPU, CPU_OFF(gr_base) + 8);
    x86_load(&t->x, JR_TLB, JR_CPU, CPU_OFF(stlb));
    x86_load(&t->x, JR_TLB, JR_TLB, (int32_t)offsetof(struct softtlb, data));
    x86_load(&t->x, JR_PR, JR_CPU, CPU_OFF(pr));
}

/* Reloads the guest registers that live in any of the host registers of the set. */
static void reload(struct jit_tr *t, unsigned set)
{
    for (unsigned k = 0; k < POOL_SIZE; k++)
        if (t->kept[k] && (set >> pool[k] & 1))
            gr_load(t, t->kept[k], pool[k]);
}

/* --- calls and ways out --- */

void jit_call_c(struct jit_tr *t, const void *fn)
{
    x86_mov_ri(&t->x, RAX, (uint64_t)(uintptr_t)fn);
    x86_call_to(&t->x, t->jit->arena.rw + t->jit->flags.call);
}

void jit_call_quiet(struct jit_tr *t, const void *fn)
{
    x86_mov_ri(&t->x, RAX, (uint64_t)(uintptr_t)fn);
    x86_alu_ri(&t->x, X86_SUB, true, RSP, 8);
    x86_call_reg(&t->x, RAX);
    x86_alu_ri(&t->x, X86_ADD, true, RSP, 8);
}

/* Dirty ones are stored where the guest's register lives anyway; all are loaded from there again.
 */
void jit_save_around(struct jit_tr *t, bool before)
{
    for (unsigned k = 0; k < POOL_SIZE; k++) {
        unsigned n = t->kept[k];

        if (!n || !(CALLER_SAVED >> pool[k] & 1))
            continue;
        if (!before)
            gr_load(t, n, pool[k]);
        else if (t->live.dirty[n >> 6] >> (n & 63) & 1)
            gr_store(t, n, pool[k]);
    }
}

/* Leaves through a C function of the handler's kind. */
void jit_leave_through(struct jit_tr *t, const struct uop *u, uop_fn *fn)
{
    x86_mov_ri(&t->x, RSI, (uint64_t)(uintptr_t)u);
    x86_mov_ri(&t->x, RAX, (uint64_t)(uintptr_t)fn);
    x86_bind(&t->x, x86_jmp(&t->x), t->jit->arena.rw + t->jit->flags.leave);
}

static void return_null(struct jit_tr *t)
{
    x86_mov_ri(&t->x, RAX, 0);
    x86_ret(&t->x);
}

struct jit_stub *jit_add_stub(struct jit_tr *t, enum jit_stub_kind kind, const struct uop *u,
                              uint8_t *from)
{
    struct jit_stub *s = &t->stub[t->stubs];

    if (t->stubs == JIT_MAX_STUBS - 1)
        t->failed = true;
    else
        t->stubs++;
    *s = (struct jit_stub){.from = from, .u = u, .live = t->live, .kind = (uint8_t)kind};
    return s;
}

/* --- memory stubs --- */

static void emit_load_stub(struct jit_tr *t, struct jit_stub *s)
{
    uint8_t *ok, *j;

    x86_mov_rr(&t->x, RDX, s->va);
    jit_write_back(t, &s->live); /* uses rax and rcx */
    x86_mov_rr(&t->x, RDI, JR_CPU);
    x86_mov_ri(&t->x, RSI, (uint64_t)(uintptr_t)s->u);
    x86_mov_ri(&t->x, RCX, s->size);
    x86_mov_ri(&t->x, R8, AF_READ);
    jit_call_c(t, access_load_slow);
    x86_test_rr(&t->x, true, RDX, RDX);
    ok = x86_jcc(&t->x, CC_NE);
    return_null(t);
    x86_bind_here(&t->x, ok);
    reload(t, CALLER_SAVED);
    x86_mov_rr(&t->x, s->reg, RAX);
    jit_fr_reload(t, &s->live, 0);
    j = x86_jmp(&t->x);
    x86_bind(&t->x, j, s->back);
}

static void emit_store_stub(struct jit_tr *t, struct jit_stub *s)
{
    uint8_t *ok, *j;

    x86_push(&t->x, s->va);
    jit_write_back(t, &s->live);
    jit_src_into(t, s->reg, R8);
    x86_pop(&t->x, RDX);
    x86_mov_rr(&t->x, RDI, JR_CPU);
    x86_mov_ri(&t->x, RSI, (uint64_t)(uintptr_t)s->u);
    x86_mov_ri(&t->x, RCX, s->size);
    x86_mov_ri(&t->x, R9, AF_WRITE);
    jit_call_c(t, access_store_slow);
    x86_test_rr(&t->x, false, RAX, RAX);
    ok = x86_jcc(&t->x, CC_NE);
    return_null(t);
    x86_bind_here(&t->x, ok);
    reload(t, CALLER_SAVED);
    jit_fr_reload(t, &s->live, 0);
    j = x86_jmp(&t->x);
    x86_bind(&t->x, j, s->back);
}

/* After a store that hit while advanced loads are outstanding. */
static void note_stored(struct cpu *c, uint64_t va, unsigned size)
{
    const struct stlb_entry *e = &c->stlb->data[va >> MEM_PAGE_SHIFT & (STLB_ENTRIES - 1)];

    alat_store(c, e->pa | (va & (MEM_PAGE_SIZE - 1)), size);
}

/* Most stores touch nothing that the filter of 8-byte granules has: back at once. */
static void filter_stored(struct jit_tr *t, struct jit_stub *s)
{
    uint8_t *touches;

    x86_alu_rr(&t->x, X86_MOV, false, RAX, s->va);
    x86_shift_ri(&t->x, X86_SHR, false, RAX, MEM_PAGE_SHIFT - 5);
    x86_alu_ri(&t->x, X86_AND, false, RAX, (int32_t)((STLB_ENTRIES - 1) << 5));
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, pa));
    x86_alu_rr(&t->x, X86_MOV, false, RAX, s->va);
    x86_alu_ri(&t->x, X86_AND, false, RAX, MEM_PAGE_SIZE - 1);
    x86_alu_rr(&t->x, X86_OR, true, RCX, RAX);
    x86_shift_ri(&t->x, X86_SHR, true, RCX, 3);
    x86_load(&t->x, RAX, JR_CPU, CPU_OFF(alat_granules));
    x86_bt_rr(&t->x, RAX, RCX);
    touches = x86_jcc(&t->x, CC_B);
    x86_bind(&t->x, x86_jmp(&t->x), s->back);
    x86_bind_here(&t->x, touches);
}

static void emit_stored_stub(struct jit_tr *t, struct jit_stub *s)
{
    static const uint8_t kept[] = {RSI, RDI, R8, R9, R10, R11};
    uint8_t *j;

    if (s->size <= 8)
        filter_stored(t, s);
    jit_fr_write_back(t, &s->live);
    for (unsigned k = 0; k < sizeof kept; k++)
        x86_push(&t->x, kept[k]);
    x86_mov_rr(&t->x, RSI, s->va);
    x86_mov_rr(&t->x, RDI, JR_CPU);
    x86_mov_ri(&t->x, RDX, s->size);
    jit_call_c(t, note_stored);
    for (unsigned k = sizeof kept; k-- > 0;)
        x86_pop(&t->x, kept[k]);
    jit_fr_reload(t, &s->live, 0);
    j = x86_jmp(&t->x);
    x86_bind(&t->x, j, s->back);
}

static void call_copy(struct jit_tr *t, const struct uop *u, const struct jit_live *l);

static void load_all(struct jit_tr *t)
{
    load_context(t);
    jit_rot_enter(t);
    reload(t, ~0u);
}

/* The whole operation by its handler, back behind its native form. */
static void emit_handler_stub(struct jit_tr *t, struct jit_stub *s)
{
    call_copy(t, s->u, &s->live);
    load_all(t);
    jit_fr_reload(t, &s->live, 0);
    x86_bind(&t->x, x86_jmp(&t->x), s->back);
}

/* --- floating-point stubs --- */

/* Calls fn(cpu, n). */
static void call_for_fr(struct jit_tr *t, const void *fn, unsigned n)
{
    x86_mov_rr(&t->x, RDI, JR_CPU);
    x86_mov_ri(&t->x, RSI, n);
    jit_call_c(t, fn);
}

static void emit_fr_load_stub(struct jit_tr *t, struct jit_stub *s)
{
    uint8_t *ok;

    jit_write_back(t, &s->live);
    call_for_fr(t, fr_to_double, s->reg);
    x86_test_al(&t->x);
    ok = x86_jcc(&t->x, CC_NE);
    jit_leave_through(t, s->u, s->u->fn);
    x86_bind_here(&t->x, ok);
    load_all(t);
    jit_fr_reload(t, &s->live, 0);
    x86_bind(&t->x, x86_jmp(&t->x), s->back);
}

static void emit_fr_settle_stub(struct jit_tr *t, struct jit_stub *s)
{
    jit_write_back(t, &s->live);
    call_for_fr(t, s->kind == STUB_SETTLE_ALL ? (void *)fr_settle_lazy : (void *)fr_settle, s->reg);
    load_all(t);
    jit_fr_reload(t, &s->live, 0);
    x86_bind(&t->x, x86_jmp(&t->x), s->back);
}

/* Jumps back if the double loaded is an infinity. */
static void accept_infinity(struct jit_tr *t, struct jit_stub *s)
{
    uint8_t *no;

    sse_to_gr(&t->x, RAX, s->x);
    x86_alu_rr(&t->x, X86_ADD, true, RAX, RAX);
    x86_mov_ri(&t->x, RCX, 0x7ffull << 53);
    x86_alu_rr(&t->x, X86_CMP, true, RAX, RCX);
    no = x86_jcc(&t->x, CC_NE);
    x86_bind(&t->x, x86_jmp(&t->x), s->accepted);
    x86_bind_here(&t->x, no);
}

static void emit_fr_result_stub(struct jit_tr *t, struct jit_stub *s)
{
    const struct uop *next = s->u + 1;
    uint8_t *ok;

    if (s->accept == ACCEPT_INFINITY)
        accept_infinity(t, s);
    call_copy(t, s->u, &s->live);
    call_for_fr(t, fr_to_double, s->reg);
    x86_test_al(&t->x);
    ok = x86_jcc(&t->x, CC_NE);
    jit_leave_through(t, next, next->fn);
    x86_bind_here(&t->x, ok);
    load_all(t);
    jit_fr_reload(t, &s->live, s->reg);
    sse_load(&t->x, s->x, JR_CPU, FD_OFF(s->reg));
    x86_bind(&t->x, x86_jmp(&t->x), s->back);
}

static void emit_stubs(struct jit_tr *t)
{
    for (unsigned k = 0; k < t->stubs; k++) {
        struct jit_stub *s = &t->stub[k];

        x86_bind_here(&t->x, s->from);
        switch (s->kind) {
        case STUB_LOAD:
            emit_load_stub(t, s);
            break;
        case STUB_STORE:
            emit_store_stub(t, s);
            break;
        case STUB_STORED:
            emit_stored_stub(t, s);
            break;
        case STUB_HANDLER:
            emit_handler_stub(t, s);
            break;
        case STUB_FR_RESULT:
            emit_fr_result_stub(t, s);
            break;
        case STUB_FR_ENTER:
        case STUB_FR_LOAD:
            emit_fr_load_stub(t, s);
            break;
        case STUB_FR_SETTLE:
        case STUB_SETTLE_ALL:
            emit_fr_settle_stub(t, s);
            break;
        case STUB_LOOP_END:
            x86_store(&t->x, JR_CPU, CPU_OFF(budget), RAX);
            x86_bind(&t->x, x86_jmp(&t->x), t->loop_head);
            break;
        case STUB_BAIL:
            jit_write_back(t, &s->live);
            jit_leave_through(t, s->u, s->u->fn);
            break;
        case STUB_LEAVE:
            jit_write_back(t, &s->live);
            jit_leave_through(t, s->u, jit_take_branch);
            break;
        default:
            jit_branch_out(t, s->u, &s->live);
        }
    }
}

/* --- operations through the interpreter --- */

static const struct uop *op_stop(struct cpu *c, const struct uop *u)
{
    (void)c;
    return u;
}

/* A copy of the operation with a stop behind it, kept as long as the block. */
static const struct uop *place_copy(struct jit_tr *t, const struct uop *u)
{
    struct uop *pair;

    if (t->copied != u) /* the stubs of one operation share a copy */
        t->copy_count++;
    t->copied = u;
    pair = &t->copies[2 * t->copy_count - 1];

    pair[0] = *u;
    pair[1] = (struct uop){.fn = op_stop};
    return pair;
}

/* A handler may have made a NaT, which a general block must not see: the interpreter goes on. */
static void check_nats(struct jit_tr *t, const struct uop *u)
{
    uint8_t *none;

    if (!t->rotated || jit_last(t->b, u)) /* handlers of what ends a block do not return */
        return;
    x86_cmp_mb(&t->x, JR_CPU, CPU_OFF(nat_seen), 0);
    none = x86_jcc(&t->x, CC_E);
    jit_leave_through(t, u + 1, u[1].fn);
    x86_bind_here(&t->x, none);
}

/* Calls the handler with all guest state in memory. */
static void call_copy(struct jit_tr *t, const struct uop *u, const struct jit_live *l)
{
    const struct uop *copy = place_copy(t, u);
    uint8_t *ok;

    jit_write_back(t, l);
    x86_mov_rr(&t->x, RDI, JR_CPU);
    x86_mov_ri(&t->x, RSI, (uint64_t)(uintptr_t)copy);
    jit_call_c(t, u->fn);
    x86_test_rr(&t->x, true, RAX, RAX);
    ok = x86_jcc(&t->x, CC_NE);
    return_null(t);
    x86_bind_here(&t->x, ok);
    check_nats(t, u);
}

static void call_handler(struct jit_tr *t, const struct uop *u)
{
    flush_pending(t);
    call_copy(t, u, &t->live);
    load_all(t);
    jit_fr_after_handler(t, u);
    t->live.dirty[0] = t->live.dirty[1] = 0;
    t->live.pr_dirty = t->live.rot_dirty = false;
    t->known = 0;
}

/* The interpreter continues in the middle of the block. */
static void bail(struct jit_tr *t, const struct uop *u)
{
    jit_write_back(t, &t->live);
    jit_leave_through(t, u, u->fn);
}

/* --- choosing registers --- */

static void count_operands(const struct uop *u, unsigned uses[128])
{
    bool fp = jit_fr_touches(u);

    if (!fp || (u->op >= OP_getf_sig && u->op <= OP_getf_d))
        uses[u->r1]++;
    if (!fp || (u->op >= OP_setf_sig && u->op <= OP_setf_d))
        uses[u->r2]++;
    if (!fp || (u->op >= OP_ldfs && u->op <= OP_ldfp8))
        uses[u->r3] += jit_mem_emitters[u->op] && u->len != INC_NONE ? 2 : 1;
}

static void count_uses(const struct jit_tr *t, unsigned uses[128])
{
    const struct uop *u = &t->b->uops[1];

    for (; !jit_is_tail(u); u++) {
        if (jit_emitter(u->op))
            count_operands(u, uses);
        if (block_has_link(u->op))
            u++;
        if (jit_last(t->b, u))
            break;
    }
}

/* In a loop a single use is one each time around. */
static void choose_registers(struct jit_tr *t)
{
    unsigned uses[128] = {0}, least = t->self_loop ? 1 : 2;

    memset(t->host, JIT_NO_REG, sizeof t->host);
    count_uses(t, uses);
    uses[0] = 0;
    for (unsigned n = 32; n < 128; n++)
        if (jit_rot_gr(t, n))
            uses[n] = 0;
    for (unsigned k = 0; k < POOL_SIZE; k++) {
        unsigned best = 0;

        if (t->rotated && pool[k] == JR_ROT)
            continue;
        for (unsigned n = 1; n < 128; n++)
            if (uses[n] > uses[best])
                best = n;
        if (uses[best] < least)
            break;
        t->host[best] = pool[k];
        t->kept[k] = (uint8_t)best;
        uses[best] = 0;
    }
}

static bool has_self_loop(const struct jit_tr *t)
{
    const struct uop *u = &t->b->uops[1];

    for (; !jit_is_tail(u); u++) {
        if (block_has_link(u->op)) {
            if ((u->op == OP_br_cond || u->op == OP_br_cloop) && jit_goes_to_self(t, u))
                return true;
            u++;
        } else if (t->rotated && jit_is_rotating(u) && jit_goes_to_self(t, u)) {
            return u->op == OP_br_ctop || u->op == OP_br_wtop;
        }
        if (jit_last(t->b, u))
            break;
    }
    return false;
}

/* --- the block --- */

#define SLOW_WAYS 6

/* Everything the interpreter's entry operation checks; it decides what happens otherwise. */
static void emit_entry(struct jit_tr *t, uint8_t *slow[SLOW_WAYS])
{
    const struct block *b = t->b;

    x86_mov_rr(&t->x, JR_CPU, RDI);
    load_context(t);
    t->warm = t->x.p;
    slow[0] = slow[1] = NULL;
    if (b->max_dst) {
        x86_alu_mi(&t->x, X86_CMP, false, JR_CPU, CPU_OFF(frame_top), b->max_dst);
        slow[0] = x86_jcc(&t->x, CC_BE);
    }
    if (b->uses) {
        x86_test_mi(&t->x, JR_CPU, CPU_OFF(deny), b->uses);
        slow[1] = x86_jcc(&t->x, CC_NE);
    }
    slow[3] = jit_fr_enter_flags(t);
    jit_rot_check(t, slow + 4);
    jit_rot_enter(t);
    reload(t, ~0u);
    jit_fr_loop_enter(t);
    t->loop_head = t->x.p;
    x86_load(&t->x, RAX, JR_CPU, CPU_OFF(budget));
    x86_alu_rm(&t->x, X86_CMP, true, RAX, JR_CPU, CPU_OFF(reserve));
    slow[2] = x86_jcc(&t->x, CC_L);
    x86_alu_ri(&t->x, X86_SUB, true, RAX, b->nslots);
    x86_store(&t->x, JR_CPU, CPU_OFF(budget), RAX);
    t->loop_body = t->x.p;
}

static void written_registers(const struct jit_tr *t, uint64_t set[2])
{
    for (unsigned n = 1; n < 128; n++)
        if (t->host[n] != JIT_NO_REG)
            set[n >> 6] |= 1ull << (n & 63);
}

/* What the entry of the block has looked at would not hold any more. */
static bool changes_status(const struct uop *u)
{
    return u->op == OP_fsetc ||
           ((u->op == OP_mov_to_ar_m || u->op == OP_mov_to_ar_imm_m) && u->r3 == AR_FPSR);
}

/* One operation; false when nothing behind it is reached natively. */
static bool emit_op(struct jit_tr *t, const struct uop *u)
{
    jit_emit_fn *fn = jit_emitter(u->op);
    int known = jit_known(t, u->qp);
    struct jit_division d;

    if (!t->rotated && jit_division_match(u, &t->b->uops[t->b->count], &d) &&
        jit_emit_division(t, &d)) {
        t->done = d.last;
        return true;
    }
    switch (u->op) {
    case OP_br_cond:
    case OP_brl_cond:
        jit_emit_branch(t, u);
        return known != 1;
    case OP_br_cloop:
        if (uop_slot(u) != 2)
            break;
        jit_emit_cloop(t, u);
        return true;
    case OP_br_ctop:
    case OP_br_cexit:
    case OP_br_wtop:
    case OP_br_wexit:
        if (!t->rotated || uop_slot(u) != 2)
            break;
        jit_emit_rotating(t, u);
        return false;
    case OP_alloc: /* may end what a general block was translated for */
        if (t->rotated || u->qp != 0) {
            bail(t, u);
            return false;
        }
        t->alloc_seen = true;
        t->frame = (struct cfm){.sof = u->len, .sol = u->pos, .sor = (uint8_t)(u->imm * 8)};
        break;
    default:
        break;
    }
    if (jit_exit_op(u->op)) {
        jit_emit_leaving(t, u);
        return known != 1;
    }
    if (fn && jit_handler_known(u) && !jit_rot_fr(t, u) && fn(t, u))
        return true;
    if (jit_callable(u->op) && !changes_status(u)) {
        call_handler(t, u);
        return true;
    }
    bail(t, u);
    return false;
}

static void emit_body(struct jit_tr *t)
{
    const struct uop *u = &t->b->uops[1];

    for (;; u++) {
        if (jit_is_tail(u)) {
            struct jit_live l = t->live;

            jit_branch_out(t, u, &l);
            return;
        }
        t->done = NULL;
        if (!emit_op(t, u))
            return;
        if (t->done)
            u = t->done;
        if (block_has_link(u->op))
            u++;
        if (jit_last(t->b, u))
            return;
    }
}

static void install(struct jit *j, struct jit_tr *t, struct block *b, const uint8_t *start)
{
    size_t at = (size_t)(start - j->arena.rw);

    j->arena.used = ((size_t)(t->x.p - j->arena.rw) + 31) & ~(size_t)31;
    b->copies = t->copies;
    b->uops[0].fn = (uop_fn *)(uintptr_t)(j->arena.rx + at);
    b->warm = j->arena.rx + (t->warm - j->arena.rw);
    jit_count_block(j, b, (size_t)(t->x.p - start));
    jit_watch_block(j, t->c, b, start, (size_t)(t->x.p - start));
}

static bool begin(struct jit *j, struct cpu *c, struct block *b)
{
    struct jit_tr *t = &j->tr;
    uint8_t *start = j->arena.rw + j->arena.used;

    b->hot = INT32_MIN; /* whatever becomes of it, once */
    if (jit_full(j) || (b->variant & (BLK_CHECKED | BLK_STEP)))
        return false;
    memset(t, 0, offsetof(struct jit_tr, stub));
    t->jit = j;
    t->x = (struct x86){.p = start, .end = start + JIT_BLOCK_ROOM};
    t->c = c;
    t->b = b;
    t->copies = calloc(2u * b->count + 1, sizeof *t->copies);
    if (!t->copies)
        return false;
    t->copies[0] = (struct uop){.fn = op_stop, .target = b, .op = OP_ENTRY};
    jit_rot_begin(t);
    t->self_loop = has_self_loop(t);
    choose_registers(t);
    jit_fr_begin(t);
    if (t->self_loop && !t->rotated)
        jit_fr_loop_set(t);
    return true;
}

static void translate(struct jit *j, struct cpu *c, struct block *b)
{
    struct jit_tr *t = &j->tr;
    uint8_t *start, *slow[SLOW_WAYS];
    struct jit_live at_head;

    if (!begin(j, c, b))
        return;
    start = t->x.p;
    emit_entry(t, slow);
    if (t->self_loop) {
        written_registers(t, t->live.dirty);
        t->live.pr_dirty = true;
        t->live.rot_dirty = t->rot_used;
    }
    at_head = t->live;
    emit_body(t);
    emit_stubs(t);
    x86_bind_here(&t->x, slow[2]);
    jit_write_back(t, &at_head);
    for (unsigned k = 0; k < SLOW_WAYS; k++)
        if (k != 2 && slow[k])
            x86_bind_here(&t->x, slow[k]);
    jit_leave_through(t, &b->uops[0], block_entry_handler());
    if (t->x.full || t->failed)
        free(t->copies);
    else
        install(j, t, b, start);
}

void jit_translate(struct jit *j, struct cpu *c, struct block *b)
{
    uint64_t before = jit_clock_ns(), blocks = j->blocks;

    translate(j, c, b);
    j->refused += j->blocks == blocks;
    j->spent_ns += jit_clock_ns() - before;
}
