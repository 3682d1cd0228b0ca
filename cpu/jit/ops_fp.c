/* Floating point in native code.
 *
 * Doubles are computed with the host's instructions where that is exact, flags included: operands
 * normal or zero, results normal (fr_state.h says where registers stand; the block's entry has
 * looked at FPSR). Other precisions use the library's fast functions on register format. Whatever
 * is special (faults, traps, NaNs, denormals) is done by the operation's handler.
 */
#include "fr_state.h"
#include "jit_impl.h"

/* --- what operations do with registers --- */

bool jit_fr_touches(const struct uop *u)
{
    return (u->op >= OP_fma && u->op <= OP_fcvt_xf) || (u->op >= OP_ldfs && u->op <= OP_ldfp8) ||
           (u->op >= OP_setf_sig && u->op <= OP_getf_d) || u->op == OP_chk_s_f ||
           u->op == OP_chk_a_nc_f || u->op == OP_chk_a_clr_f || u->op == OP_invala_e_f;
}

static void sources(uint8_t src[3], unsigned a, unsigned b, unsigned c)
{
    src[0] = (uint8_t)a;
    src[1] = (uint8_t)b;
    src[2] = (uint8_t)c;
}

static bool ldfd_fits(const struct uop *u)
{
    return (u->sub == LD_NONE || u->sub == LD_A || u->sub == LD_C_CLR) && u->len != INC_REG &&
           u->r1 >= 2 && !(u->len == INC_IMM && u->r3 == 0);
}

bool jit_fr_double_op(const struct uop *u, uint8_t src[3], uint8_t *dst)
{
    sources(src, 0, 0, 0);
    *dst = 0;
    switch (u->op) {
    case OP_fma:
    case OP_fms:
    case OP_fnma:
        sources(src, u->r3, u->r4, u->r2);
        *dst = u->r1;
        return u->sub == PC_D && u->sf == 0 && u->r1 >= 2;
    case OP_ldfd:
        *dst = u->r1;
        return ldfd_fits(u);
    case OP_setf_d:
        *dst = u->r1;
        return u->r1 >= 2;
    case OP_stfd:
    case OP_getf_d:
        sources(src, u->r2, 0, 0);
        return true;
    case OP_fmerge_s:
    case OP_fmerge_ns:
        *dst = u->r1;
        sources(src, u->r2, u->r3, 0);
        return u->r1 >= 2;
    case OP_fcmp_eq:
    case OP_fcmp_lt:
    case OP_fcmp_le:
        sources(src, u->r2, u->r3, 0);
        return true;
    default:
        return false;
    }
}

/* --- writing doubles --- */

/* An operation that leaves a double. Everything that may emit conversions goes before the test of
 * the predicate, which begin_double does when the operands are there. */
struct result {
    uint8_t *skip;
    unsigned x, first_stub;
};

static struct result begin_double(struct jit_tr *t, const struct uop *u)
{
    struct result r = {NULL, 0, 0};
    bool guarded = jit_known(t, u->qp) < 0;

    if (guarded)
        (void)jit_fr_double(t, u, u->r1); /* what it keeps if the predicate is false */
    r.x = jit_fr_target(t, u->r1);
    if (guarded) {
        x86_bit_ri(&t->x, X86_BT, JR_PR, u->qp);
        r.skip = x86_jcc(&t->x, CC_AE);
    }
    r.first_stub = t->stubs;
    return r;
}

/* The handler does it all if the jump at `from` is taken, unless the stub finds that it is one of
 * the cases `how` names. */
static struct jit_stub *result_stub(struct jit_tr *t, const struct uop *u, const struct result *r,
                                    enum jit_accept how, uint8_t *from)
{
    struct jit_stub *s = jit_add_stub(t, STUB_FR_RESULT, u, from);

    s->reg = u->r1;
    s->x = (uint8_t)r->x;
    s->accept = (uint8_t)how;
    return s;
}

/* The exponent of the double in xmm0 has to be well inside its range: zeros, denormals, infinities,
 * NaNs and what was perhaps tiny before rounding are the stub's. */
static struct jit_stub *check_result(struct jit_tr *t, const struct uop *u, const struct result *r,
                                     enum jit_accept how)
{
    sse_to_gr(&t->x, RAX, 0);
    x86_alu_rr(&t->x, X86_ADD, true, RAX, RAX);
    x86_shift_ri(&t->x, X86_SHR, true, RAX, 53);
    x86_alu_ri(&t->x, X86_SUB, false, RAX, 2);
    x86_alu_ri(&t->x, X86_CMP, false, RAX, 0x7fc);
    return result_stub(t, u, r, how, x86_jcc(&t->x, CC_A));
}

/* The double in rax has to be normal; uses rcx. The stub takes zeros. */
static void check_normal(struct jit_tr *t, const struct uop *u, const struct result *r)
{
    x86_lea_index(&t->x, RCX, RAX, RAX, 0);
    x86_shift_ri(&t->x, X86_SHR, true, RCX, 53);
    x86_alu_ri(&t->x, X86_SUB, false, RCX, 1);
    x86_alu_ri(&t->x, X86_CMP, false, RCX, 0x7fd);
    (void)result_stub(t, u, r, u->op == OP_ldfd && u->sub == LD_A ? ACCEPT_NOTHING : ACCEPT_BITS,
                      x86_jcc(&t->x, CC_A));
}

/* The result is in r->x. Loads still have their address to update, handlers do that too. */
static bool end_double(struct jit_tr *t, const struct uop *u, const struct result *r)
{
    uint8_t *accepted = t->x.p;

    if (u->op == OP_ldfd && u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    for (unsigned k = r->first_stub; k < t->stubs; k++) {
        t->stub[k].accepted = accepted;
        t->stub[k].back = t->x.p;
    }
    if (r->skip) {
        jit_fr_note(t, u->r1);
        x86_bind_here(&t->x, r->skip);
    } else {
        jit_fr_note_static(t, u->r1);
    }
    jit_fr_wrote_double(t, u->r1, r->x);
    jit_fr_release(t);
    return true;
}

static bool end_xmm0(struct jit_tr *t, const struct uop *u, const struct result *r)
{
    sse_mov(&t->x, r->x, 0);
    return end_double(t, u, r);
}

/* --- multiply-add of doubles --- */

static void negate_xmm0(struct jit_tr *t)
{
    x86_mov_ri(&t->x, RAX, 1ull << 63);
    sse_from_gr(&t->x, 1, RAX);
    sse_xor(&t->x, 0, 1);
}

/* No addend: fmpy, fnmpy, and fnorm, which only moves. */
static void product(struct jit_tr *t, const struct uop *u, unsigned a, unsigned b, bool moves,
                    const struct result *r)
{
    struct jit_stub *s;

    sse_mov(&t->x, 0, a);
    if (!moves)
        sse_op(&t->x, SSE_MUL, 0, b);
    if (u->op == OP_fnma)
        negate_xmm0(t);
    if (moves)
        return;
    s = check_result(t, u, r, ACCEPT_PRODUCT);
    s->a = (uint8_t)a;
    s->b = (uint8_t)b;
}

/* fadd, fsub and their kind: v and the addend c. */
static void sum(struct jit_tr *t, const struct uop *u, unsigned v, unsigned c,
                const struct result *r)
{
    sse_mov(&t->x, 0, u->op == OP_fnma ? c : v);
    sse_op(&t->x, u->op == OP_fma ? SSE_ADD : SSE_SUB, 0, u->op == OP_fnma ? v : c);
    (void)check_result(t, u, r, ACCEPT_SUM);
}

static void fused(struct jit_tr *t, const struct uop *u, unsigned a, unsigned b, unsigned c,
                  const struct result *r)
{
    sse_mov(&t->x, 0, c);
    vex_fma(&t->x, u->op == OP_fma ? 0xb9 : u->op == OP_fms ? 0xbb : 0xbd, 0, a, b);
    (void)check_result(t, u, r, ACCEPT_NOTHING);
}

static bool any_wide(const struct jit_tr *t, const struct uop *u)
{
    const uint64_t *w = t->live.fr.wide;

    return jit_frs_has(w, u->r2) || jit_frs_has(w, u->r3) || jit_frs_has(w, u->r4);
}

static bool fma_double(struct jit_tr *t, const struct uop *u)
{
    bool one = u->r3 == 1 || u->r4 == 1;
    unsigned a = jit_fr_double(t, u, u->r3), b = jit_fr_double(t, u, u->r4);
    unsigned c = u->r2 ? jit_fr_double(t, u, u->r2) : 0;
    struct result r = begin_double(t, u);

    if (u->r3 == 1) { /* then f4 is the other factor, if any */
        unsigned swap = a;

        a = b;
        b = swap;
    }
    if (u->r2 == 0)
        product(t, u, a, b, one, &r);
    else if (one)
        sum(t, u, a, c, &r);
    else
        fused(t, u, a, b, c, &r);
    return end_xmm0(t, u, &r);
}

static bool fits_double(const struct jit_tr *t, const struct uop *u)
{
    bool plain = u->r2 == 0 || u->r3 == 1 || u->r4 == 1;

    return u->sub == PC_D && u->sf == 0 && u->r3 != 0 && u->r4 != 0 && !any_wide(t, u) &&
           (plain || t->jit->host_fma);
}

/* --- multiply-add of other precisions --- */

static unsigned negations(unsigned op)
{
    return op == OP_fms ? FP_NEG_ADD : op == OP_fnma ? FP_NEG_PROD : 0;
}

static void fr_address(struct jit_tr *t, unsigned reg, unsigned n)
{
    x86_lea(&t->x, reg, JR_CPU, FR_OFF(n));
}

static uint8_t *guard(struct jit_tr *t, const struct uop *u)
{
    if (jit_known(t, u->qp) == 1)
        return NULL;
    x86_bit_ri(&t->x, X86_BT, JR_PR, u->qp);
    return x86_jcc(&t->x, CC_AE);
}

/* What an operation leaves in register format: before the test of the predicate, and at the end. */
static uint8_t *begin_mem(struct jit_tr *t, const struct uop *u, unsigned dst)
{
    if (jit_known(t, u->qp) < 0)
        jit_fr_mem(t, u, dst);
    return guard(t, u);
}

static bool end_mem(struct jit_tr *t, unsigned dst, bool wide, uint8_t *skip)
{
    if (skip)
        x86_bind_here(&t->x, skip);
    else
        jit_fr_note_static(t, dst);
    jit_fr_wrote_mem(t, dst, wide);
    jit_fr_release(t);
    return true;
}

/* rax: significand, rdx: exponent and sign */
static void put_fr(struct jit_tr *t, const struct uop *u, unsigned n)
{
    x86_store(&t->x, JR_CPU, FR_SIG_OFF(n), RAX);
    x86_alu_mr(&t->x, X86_MOV, false, JR_CPU, FR_EXP_OFF(n), RDX);
    if (jit_known(t, u->qp) < 0)
        jit_fr_note(t, n);
}

static void call_fast(struct jit_tr *t, const struct uop *u)
{
    jit_save_around(t, true);
    fr_address(t, RDI, u->r3);
    fr_address(t, RSI, u->r4);
    if (u->r2 == 0)
        x86_mov_ri(&t->x, RDX, 0);
    else
        fr_address(t, RDX, u->r2);
    x86_load(&t->x, RCX, JR_CPU, CPU_OFF(fpsr));
    x86_mov_ri(&t->x, R8, FP_HOW(negations(u->op), u->sf));
    jit_call_c(t, fp_fma_fast[u->sub]);
    jit_save_around(t, false);
    jit_fr_after_call(t);
}

static bool fma_other(struct jit_tr *t, const struct uop *u)
{
    struct jit_stub *s;
    uint8_t *no_flags, *skip;

    jit_fr_mem(t, u, u->r3);
    jit_fr_mem(t, u, u->r4);
    jit_fr_mem(t, u, u->r2);
    jit_fr_before_call(t);
    skip = begin_mem(t, u, u->r1);
    call_fast(t, u);
    x86_alu_ri(&t->x, X86_CMP, true, RDX, -1);
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_E));
    put_fr(t, u, u->r1);
    x86_shift_ri(&t->x, X86_SHR, true, RDX, FP_FAST_FLAGS_SHIFT);
    no_flags = x86_jcc(&t->x, CC_E);
    x86_shift_ri(&t->x, X86_SHL, true, RDX, FPSR_SF_SHIFT(u->sf) + 7);
    x86_alu_mr(&t->x, X86_OR, true, JR_CPU, CPU_OFF(fpsr), RDX);
    x86_bind_here(&t->x, no_flags);
    s->back = t->x.p;
    return end_mem(t, u->r1, u->sub == PC_NONE, skip);
}

static bool multiply_add(struct jit_tr *t, const struct uop *u)
{
    if (u->r1 < 2)
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    return fits_double(t, u) ? fma_double(t, u) : fma_other(t, u);
}

/* --- loads and stores --- */

static bool load_fits(const struct uop *u)
{
    return u->sub == LD_NONE && u->len != INC_REG && u->r1 >= 2 &&
           !(u->len == INC_IMM && u->r3 == 0);
}

/* Loads and checks the double; for ld.a it also enters the address in the ALAT. */
static void load_double(struct jit_tr *t, const struct uop *u, const struct result *r)
{
    unsigned va = jit_src(t, u->r3, RDX);

    jit_lookup(t, va, 8, offsetof(struct stlb_entry, rtag));
    (void)result_stub(t, u, r, ACCEPT_NOTHING, x86_jcc(&t->x, CC_NE));
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, addend));
    if (u->sub == LD_A) {
        x86_alu_rx(&t->x, X86_MOV, RAX, JR_TLB, RAX, offsetof(struct stlb_entry, pa));
        x86_store(&t->x, JR_CPU, CPU_OFF(scratch), RAX);
    }
    x86_load_index(&t->x, 8, RAX, RCX, va);
    check_normal(t, u, r);
    sse_from_gr(&t->x, r->x, RAX);
    if (u->sub == LD_A) {
        x86_mov_rr(&t->x, RDX, va);
        x86_alu_ri(&t->x, X86_AND, false, RDX, MEM_PAGE_SIZE - 1);
        x86_alu_rm(&t->x, X86_OR, true, RDX, JR_CPU, CPU_OFF(scratch));
        jit_alat_find(t, JIT_ALAT_FR, u->r1);
        jit_alat_insert(t, 8);
    }
}

static bool ldfd(struct jit_tr *t, const struct uop *u)
{
    uint8_t *miss[2], *hit = NULL;
    struct result r;

    if (!ldfd_fits(u))
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    if (u->sub == LD_C_CLR)
        (void)jit_fr_double(t, u, u->r1); /* what it keeps where there is an entry */
    r = begin_double(t, u);
    if (u->sub == LD_C_CLR) {
        jit_alat_find(t, JIT_ALAT_FR, u->r1);
        jit_alat_test(t, miss);
        jit_alat_drop(t);
        hit = x86_jmp(&t->x);
        for (unsigned k = 0; k < 2; k++)
            x86_bind_here(&t->x, miss[k]);
    }
    load_double(t, u, &r);
    if (hit)
        x86_bind_here(&t->x, hit);
    return end_double(t, u, &r);
}

/* rcx: host address of what is at va, whose entry's offset is in rax. */
static void host_address(struct jit_tr *t, unsigned va)
{
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, addend));
    x86_alu_rr(&t->x, X86_ADD, true, RCX, va);
}

/* 16 bytes as they are. */
static bool stf_spill(struct jit_tr *t, const struct uop *u)
{
    struct jit_stub *s;
    unsigned va;
    uint8_t *skip;

    if (u->len == INC_IMM && u->r3 == 0)
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    jit_fr_mem(t, u, u->r2);
    skip = guard(t, u);
    va = jit_src(t, u->r3, RDX);
    jit_lookup(t, va, 16, offsetof(struct stlb_entry, wtag));
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_NE));
    host_address(t, va);
    x86_load(&t->x, RAX, JR_CPU, FR_SIG_OFF(u->r2));
    x86_store(&t->x, RCX, 0, RAX);
    x86_alu_rm(&t->x, X86_MOV, false, RAX, JR_CPU, FR_EXP_OFF(u->r2));
    x86_store(&t->x, RCX, 8, RAX);
    jit_note_stored(t, u, va, 16);
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    s->back = t->x.p;
    if (skip)
        x86_bind_here(&t->x, skip);
    return true;
}

/* rax and rdx as ldf8 and ldf.fill read them from host address rcx. */
static void read_mem(struct jit_tr *t, const struct uop *u)
{
    x86_load(&t->x, RAX, RCX, 0);
    if (u->op == OP_ldf8) {
        x86_mov_ri(&t->x, RDX, FP_EXP_INT);
        return;
    }
    x86_alu_rm(&t->x, X86_MOV, false, RDX, RCX, 8);
    x86_alu_ri(&t->x, X86_AND, false, RDX, FP_SIGN | FP_EXP_MASK);
}

/* Loads that leave register format. */
static bool load_mem(struct jit_tr *t, const struct uop *u)
{
    struct jit_stub *s;
    uint8_t *skip;
    unsigned va;

    if (!load_fits(u))
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    skip = begin_mem(t, u, u->r1);
    va = jit_src(t, u->r3, RDX);
    jit_lookup(t, va, u->op == OP_ldf8 ? 8 : 16, offsetof(struct stlb_entry, rtag));
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_NE));
    host_address(t, va);
    read_mem(t, u);
    put_fr(t, u, u->r1);
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    s->back = t->x.p;
    return end_mem(t, u->r1, false, skip);
}

static bool stfd(struct jit_tr *t, const struct uop *u)
{
    struct jit_stub *s;
    unsigned va, x;
    uint8_t *skip;

    if ((u->len == INC_IMM && u->r3 == 0) || jit_frs_has(t->live.fr.wide, u->r2))
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    x = jit_fr_double(t, u, u->r2);
    skip = guard(t, u);
    va = jit_src(t, u->r3, RDX);
    jit_lookup(t, va, 8, offsetof(struct stlb_entry, wtag));
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_NE));
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, addend));
    sse_store_index(&t->x, RCX, va, x);
    jit_note_stored(t, u, va, 8);
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    s->back = t->x.p;
    if (skip)
        x86_bind_here(&t->x, skip);
    jit_fr_release(t);
    return true;
}

/* --- transfers --- */

static bool setf_sig(struct jit_tr *t, const struct uop *u)
{
    uint8_t *skip;

    if (u->r1 < 2)
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    skip = begin_mem(t, u, u->r1);
    jit_src_into(t, u->r2, RAX);
    x86_mov_ri(&t->x, RDX, FP_EXP_INT);
    put_fr(t, u, u->r1);
    return end_mem(t, u->r1, false, skip);
}

static bool setf_d(struct jit_tr *t, const struct uop *u)
{
    struct result r;

    if (u->r1 < 2)
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    r = begin_double(t, u);
    jit_src_into(t, u->r2, RAX);
    check_normal(t, u, &r);
    sse_from_gr(&t->x, r.x, RAX);
    return end_double(t, u, &r);
}

/* A NaTVal would be a NaT: the handler's. */
static bool getf_sig(struct jit_tr *t, const struct uop *u)
{
    struct jit_stub *s;
    uint8_t *skip;
    unsigned d;

    if (jit_known(t, u->qp) == 0)
        return true;
    jit_fr_mem(t, u, u->r2);
    skip = guard(t, u);
    d = jit_dst(t, u->r1, RAX);
    x86_alu_mi(&t->x, X86_CMP, false, JR_CPU, FR_EXP_OFF(u->r2), FP_EXP_NAT);
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_E));
    x86_load(&t->x, d, JR_CPU, FR_SIG_OFF(u->r2));
    jit_put(t, u->r1, d);
    s->back = t->x.p;
    if (skip)
        x86_bind_here(&t->x, skip);
    return true;
}

static bool getf_d(struct jit_tr *t, const struct uop *u)
{
    uint8_t *skip;
    unsigned x, d;

    if (jit_known(t, u->qp) == 0)
        return true;
    if (jit_frs_has(t->live.fr.wide, u->r2))
        return false;
    x = jit_fr_double(t, u, u->r2);
    skip = guard(t, u);
    d = jit_dst(t, u->r1, RAX);
    sse_to_gr(&t->x, d, x);
    jit_put(t, u->r1, d);
    if (skip)
        x86_bind_here(&t->x, skip);
    jit_fr_release(t);
    return true;
}

/* --- signs and comparisons --- */

/* rax: the double of f3 with the sign of f2, or the opposite one. */
static void merge_sign(struct jit_tr *t, const struct uop *u, unsigned sign, unsigned value)
{
    sse_to_gr(&t->x, RAX, value);
    sse_to_gr(&t->x, RCX, sign);
    if (u->op == OP_fmerge_ns)
        x86_not(&t->x, RCX);
    x86_shift_ri(&t->x, X86_SHR, true, RCX, 63);
    x86_shift_ri(&t->x, X86_SHL, true, RCX, 63);
    x86_bit_ri(&t->x, X86_BTR, RAX, 63);
    x86_alu_rr(&t->x, X86_OR, true, RAX, RCX);
}

static bool fmerge(struct jit_tr *t, const struct uop *u)
{
    struct result r;
    unsigned sign, value;

    if (u->r1 < 2 || jit_frs_has(t->live.fr.wide, u->r2) || jit_frs_has(t->live.fr.wide, u->r3))
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    sign = jit_fr_double(t, u, u->r2);
    value = jit_fr_double(t, u, u->r3);
    r = begin_double(t, u);
    if (u->op == OP_fmerge_s && u->r2 == u->r3) {
        sse_mov(&t->x, r.x, value);
    } else {
        merge_sign(t, u, sign, value);
        sse_from_gr(&t->x, r.x, RAX);
    }
    return end_double(t, u, &r);
}

static bool fcmp(struct jit_tr *t, const struct uop *u)
{
    bool done;

    if (jit_frs_has(t->live.fr.wide, u->r2) || jit_frs_has(t->live.fr.wide, u->r3) ||
        u->p1 == u->p2)
        return false;
    (void)jit_fr_double(t, u, u->r2);
    (void)jit_fr_double(t, u, u->r3);
    done = jit_emit_compare(t, u);
    jit_fr_release(t);
    return done;
}

/* --- integer multiply-add and conversions --- */

static bool xma_l(struct jit_tr *t, const struct uop *u)
{
    const uint8_t from[] = {u->r3, u->r4, u->r2};
    struct jit_stub *s[3] = {NULL, NULL, NULL};
    uint8_t *skip;

    if (u->r1 < 2)
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    for (unsigned k = 0; k < 3; k++)
        jit_fr_mem(t, u, from[k]);
    skip = begin_mem(t, u, u->r1);
    for (unsigned k = 0; k < 3; k++) {
        if (from[k] < 2)
            continue;
        x86_alu_mi(&t->x, X86_CMP, false, JR_CPU, FR_EXP_OFF(from[k]), FP_EXP_NAT);
        s[k] = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_E));
    }
    x86_load(&t->x, RAX, JR_CPU, FR_SIG_OFF(u->r3));
    x86_load(&t->x, RDX, JR_CPU, FR_SIG_OFF(u->r4));
    x86_imul_rr(&t->x, RAX, RDX);
    x86_alu_rm(&t->x, X86_ADD, true, RAX, JR_CPU, FR_SIG_OFF(u->r2));
    x86_mov_ri(&t->x, RDX, FP_EXP_INT);
    put_fr(t, u, u->r1);
    for (unsigned k = 0; k < 3; k++)
        if (s[k])
            s[k]->back = t->x.p;
    return end_mem(t, u->r1, false, skip);
}

/* A double to an integer: the host says by its smallest integer what is out of range. */
static bool fcvt_fx(struct jit_tr *t, const struct uop *u)
{
    struct jit_stub *s;
    uint8_t *skip;
    unsigned x;

    if (u->r1 < 2 || u->sf != 0 || jit_frs_has(t->live.fr.wide, u->r2))
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    x = jit_fr_double(t, u, u->r2);
    skip = begin_mem(t, u, u->r1);
    sse_to_int(&t->x, u->op == OP_fcvt_fx_trunc ? 0x2c : 0x2d, RAX, x);
    x86_alu_ri(&t->x, X86_CMP, true, RAX, 1);
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_O));
    x86_mov_ri(&t->x, RDX, FP_EXP_INT);
    put_fr(t, u, u->r1);
    s->back = t->x.p;
    return end_mem(t, u->r1, false, skip);
}

jit_emit_fn *const jit_fp_emitters[OP_COUNT] = {
    [OP_fma] = multiply_add,  [OP_fms] = multiply_add,
    [OP_fnma] = multiply_add, [OP_stf_spill] = stf_spill,
    [OP_ldf_fill] = load_mem, [OP_ldfd] = ldfd,
    [OP_ldf8] = load_mem,     [OP_stfd] = stfd,
    [OP_setf_sig] = setf_sig, [OP_getf_sig] = getf_sig,
    [OP_setf_d] = setf_d,     [OP_getf_d] = getf_d,
    [OP_xma_l] = xma_l,       [OP_fmerge_s] = fmerge,
    [OP_fmerge_ns] = fmerge,  [OP_fcmp_eq] = fcmp,
    [OP_fcmp_lt] = fcmp,      [OP_fcmp_le] = fcmp,
    [OP_fcvt_fx] = fcvt_fx,   [OP_fcvt_fx_trunc] = fcvt_fx,
};
