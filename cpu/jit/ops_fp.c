/* Floating point in native code.
 *
 * Doubles are computed with the host's instructions, whose results and flags are the guest's once
 * the block's entry has looked at FPSR: denormals, overflow, underflow (found after rounding by
 * both) and invalid operations too (host_flags.h; fr_state.h says where registers stand and why
 * NaNs do not matter). Other precisions use the library's fast functions on register format.
 * Whatever is special there, and NaNs that come from memory, are the operation's handler's.
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
    case OP_fcmp_unord:
        sources(src, u->r2, u->r3, 0);
        return u->sf == 0;
    default:
        return false;
    }
}

bool jit_fr_computes(const struct uop *u)
{
    uint8_t src[3], dst;

    if (u->op == OP_fcvt_fx || u->op == OP_fcvt_fx_trunc)
        return u->sf == 0;
    return u->op >= OP_fma && u->op <= OP_fcmp_unord && jit_fr_double_op(u, src, &dst);
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

/* rax: the upper half of a double that has to be no NaN; uses it up. */
static void check_number(struct jit_tr *t, const struct uop *u, const struct result *r,
                         enum jit_accept how)
{
    x86_alu_rr(&t->x, X86_ADD, false, RAX, RAX);
    x86_alu_ri(&t->x, X86_CMP, false, RAX, (int32_t)0xffe00000);
    (void)result_stub(t, u, r, how, x86_jcc(&t->x, CC_AE));
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

/* --- multiply-add of doubles --- */

/* x = a op b; xmm0 and xmm1 may be lost. */
static void arithmetic(struct jit_tr *t, enum x86_sse op, unsigned x, unsigned a, unsigned b)
{
    bool commutes = op == SSE_ADD || op == SSE_MUL;

    if (t->jit->host_fma) {
        vex_op(&t->x, op, x, a, b);
    } else if (x == b && commutes) {
        sse_op(&t->x, op, x, a);
    } else if (x == b && x != a) {
        sse_mov(&t->x, 0, a);
        sse_op(&t->x, op, 0, b);
        sse_mov(&t->x, x, 0);
    } else {
        sse_mov(&t->x, x, a);
        sse_op(&t->x, op, x, b);
    }
}

/* x = +-a * b +- c. The accumulator is whatever operand is in x already. */
static void fused(struct jit_tr *t, unsigned op, unsigned x, unsigned a, unsigned b, unsigned c)
{
    unsigned opcode = op == OP_fma ? VEX_FMADD : op == OP_fms ? VEX_FMSUB : VEX_FNMADD;

    if (x != c && x == a) {
        vex_fma(&t->x, opcode + VEX_FMA_213, x, b, c);
    } else if (x != c && x == b) {
        vex_fma(&t->x, opcode + VEX_FMA_213, x, a, c);
    } else {
        sse_mov(&t->x, x, c);
        vex_fma(&t->x, opcode + VEX_FMA_231, x, a, b);
    }
}

/* No addend: fmpy, fnmpy; f1 as the second factor makes it fnorm. A negative zero as the addend
 * turns the sign of a product, zeros' too, but none of a NaN. */
static void product(struct jit_tr *t, const struct uop *u, unsigned x, unsigned a, unsigned b)
{
    if (u->op != OP_fnma) {
        arithmetic(t, SSE_MUL, x, a, b);
        return;
    }
    x86_mov_ri(&t->x, RAX, 1ull << 63);
    sse_from_gr(&t->x, 0, RAX);
    fused(t, u->op, 0, a, b, 0);
    sse_mov(&t->x, x, 0);
}

/* fadd, fsub and their kind: v and the addend c. */
static void sum(struct jit_tr *t, const struct uop *u, unsigned x, unsigned v, unsigned c)
{
    if (u->op == OP_fma)
        arithmetic(t, SSE_ADD, x, v, c);
    else if (u->op == OP_fms)
        arithmetic(t, SSE_SUB, x, v, c);
    else
        arithmetic(t, SSE_SUB, x, c, v);
}

static bool any_wide(const struct jit_tr *t, const struct uop *u)
{
    const uint64_t *w = t->live.fr.wide;

    return jit_frs_has(w, u->r2) || jit_frs_has(w, u->r3) || jit_frs_has(w, u->r4);
}

static bool is_sum(const struct uop *u)
{
    return u->r2 != 0 && (u->r3 == 1 || u->r4 == 1);
}

static bool fma_double(struct jit_tr *t, const struct uop *u)
{
    unsigned f3 = u->r3 == 1 ? u->r4 : u->r3, f4 = u->r3 == 1 ? u->r3 : u->r4;
    unsigned a = jit_fr_double(t, u, f3), b = is_sum(u) ? 0 : jit_fr_double(t, u, f4);
    unsigned c = u->r2 ? jit_fr_double(t, u, u->r2) : 0;
    struct result r = begin_double(t, u);

    if (u->r2 == 0)
        product(t, u, r.x, a, b);
    else if (is_sum(u))
        sum(t, u, r.x, a, c);
    else
        fused(t, u->op, r.x, a, b, c);
    return end_double(t, u, &r);
}

static bool fits_double(const struct jit_tr *t, const struct uop *u)
{
    bool plain = u->r2 == 0 ? u->op != OP_fnma : is_sum(u);

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
    if (u->sub == PC_NONE) { /* integers only, whatever the host has */
        jit_call_quiet(t, fp_fma_fast[u->sub]);
        jit_fr_after_quiet_call(t);
    } else {
        jit_call_c(t, fp_fma_fast[u->sub]);
        jit_fr_after_call(t);
    }
    jit_save_around(t, false);
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
    sse_load_index(&t->x, r->x, RCX, va);
    x86_load_index_disp(&t->x, 4, RAX, RCX, va, 4);
    check_number(t, u, r, u->sub == LD_A ? ACCEPT_NOTHING : ACCEPT_INFINITY);
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

/* Registers as they are: 16 bytes, or the significand unless it may be a NaTVal's. */
static bool store_mem(struct jit_tr *t, const struct uop *u)
{
    struct jit_stub *s, *nat = NULL;
    bool spill = u->op == OP_stf_spill;
    unsigned va, size = spill ? 16 : 8;
    uint8_t *skip;

    if (u->len == INC_IMM && u->r3 == 0)
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    jit_fr_mem(t, u, u->r2);
    skip = guard(t, u);
    if (!spill && u->r2 >= 2) {
        x86_alu_mi(&t->x, X86_CMP, false, JR_CPU, FR_EXP_OFF(u->r2), (int32_t)FP_EXP_NAT);
        nat = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_E));
    }
    va = jit_src(t, u->r3, RDX);
    jit_lookup(t, va, size, offsetof(struct stlb_entry, wtag));
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_NE));
    host_address(t, va);
    x86_load(&t->x, RAX, JR_CPU, FR_SIG_OFF(u->r2));
    x86_store(&t->x, RCX, 0, RAX);
    if (spill) {
        x86_alu_rm(&t->x, X86_MOV, false, RAX, JR_CPU, FR_EXP_OFF(u->r2));
        x86_store(&t->x, RCX, 8, RAX);
    }
    jit_note_stored(t, u, va, size);
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    s->back = t->x.p;
    if (nat)
        nat->back = t->x.p;
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
    sse_from_gr(&t->x, r.x, RAX);
    x86_shift_ri(&t->x, X86_SHR, true, RAX, 32);
    check_number(t, u, &r, ACCEPT_INFINITY);
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
        sse_from_gr(&t->x, 0, RAX);
        x86_shift_ri(&t->x, X86_SHR, true, RAX, 32);
        check_number(t, u, &r, ACCEPT_NOTHING);
        sse_mov(&t->x, r.x, 0);
    }
    return end_double(t, u, &r);
}

static bool fcmp(struct jit_tr *t, const struct uop *u)
{
    bool done;

    if (jit_frs_has(t->live.fr.wide, u->r2) || jit_frs_has(t->live.fr.wide, u->r3) ||
        u->p1 == u->p2 || u->sf != 0)
        return false;
    (void)jit_fr_double(t, u, u->r2);
    (void)jit_fr_double(t, u, u->r3);
    done = jit_emit_compare(t, u);
    jit_fr_release(t);
    return done;
}

/* --- integer multiply-add and conversions --- */

/* Stubs that leave the operation to the handler where a source is a NaTVal. */
static void natval_stubs(struct jit_tr *t, const struct uop *u, const uint8_t from[3],
                         struct jit_stub *s[3])
{
    for (unsigned k = 0; k < 3; k++) {
        s[k] = NULL;
        if (from[k] < 2)
            continue;
        x86_alu_mi(&t->x, X86_CMP, false, JR_CPU, FR_EXP_OFF(from[k]), FP_EXP_NAT);
        s[k] = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_E));
    }
}

static void stubs_back(struct jit_tr *t, struct jit_stub *const s[3])
{
    for (unsigned k = 0; k < 3; k++)
        if (s[k])
            s[k]->back = t->x.p;
}

/* rax: the low or high half of the product and the addend, which has no sign (SDM 3:xma). */
static void multiply_integers(struct jit_tr *t, const struct uop *u)
{
    x86_load(&t->x, RAX, JR_CPU, FR_SIG_OFF(u->r3));
    x86_mul_m(&t->x, u->op == OP_xma_h ? 5 : 4, JR_CPU, FR_SIG_OFF(u->r4));
    x86_alu_rm(&t->x, X86_ADD, true, RAX, JR_CPU, FR_SIG_OFF(u->r2));
    if (u->op == OP_xma_l)
        return;
    x86_alu_ri(&t->x, X86_ADC, true, RDX, 0);
    x86_mov_rr(&t->x, RAX, RDX);
}

static bool xma(struct jit_tr *t, const struct uop *u)
{
    const uint8_t from[3] = {u->r3, u->r4, u->r2};
    struct jit_stub *s[3];
    uint8_t *skip;

    if (u->r1 < 2)
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    for (unsigned k = 0; k < 3; k++)
        jit_fr_mem(t, u, from[k]);
    skip = begin_mem(t, u, u->r1);
    natval_stubs(t, u, from, s);
    multiply_integers(t, u);
    x86_mov_ri(&t->x, RDX, FP_EXP_INT);
    put_fr(t, u, u->r1);
    stubs_back(t, s);
    return end_mem(t, u->r1, false, skip);
}

/* An integer to register format: always exact. */
static bool fcvt_xf(struct jit_tr *t, const struct uop *u)
{
    const uint8_t from[3] = {u->r2};
    struct jit_stub *s[3];
    uint8_t *skip, *zero;

    if (u->r1 < 2)
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    jit_fr_mem(t, u, u->r2);
    skip = begin_mem(t, u, u->r1);
    natval_stubs(t, u, from, s);
    x86_load(&t->x, RAX, JR_CPU, FR_SIG_OFF(u->r2));
    x86_mov_rr(&t->x, RDX, RAX);
    x86_shift_ri(&t->x, X86_SAR, true, RDX, 63);
    x86_test_rr(&t->x, true, RAX, RAX);
    zero = x86_jcc(&t->x, CC_E); /* and so is rdx */
    x86_alu_rr(&t->x, X86_XOR, true, RAX, RDX);
    x86_alu_rr(&t->x, X86_SUB, true, RAX, RDX);
    x86_alu_ri(&t->x, X86_AND, false, RDX, FP_SIGN);
    x86_bsr(&t->x, RCX, RAX);
    x86_alu_ri(&t->x, X86_XOR, false, RCX, 63);
    x86_shift_rcl(&t->x, X86_SHL, true, RAX);
    x86_alu_ri(&t->x, X86_ADD, false, RDX, FP_EXP_INT);
    x86_alu_rr(&t->x, X86_SUB, false, RDX, RCX);
    x86_bind_here(&t->x, zero);
    put_fr(t, u, u->r1);
    stubs_back(t, s);
    return end_mem(t, u->r1, false, skip);
}

/* A double to an integer: both say by the smallest integer and a flag what is out of range. The
 * host's conversion does not flag denormals, its comparison does. */
static bool fcvt_fx(struct jit_tr *t, const struct uop *u)
{
    uint8_t *skip;
    unsigned x;

    if (u->r1 < 2 || u->sf != 0 || jit_frs_has(t->live.fr.wide, u->r2))
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    x = jit_fr_double(t, u, u->r2);
    skip = begin_mem(t, u, u->r1);
    sse_compare(&t->x, false, x, x);
    sse_to_int(&t->x, u->op == OP_fcvt_fx_trunc ? 0x2c : 0x2d, RAX, x);
    x86_mov_ri(&t->x, RDX, FP_EXP_INT);
    put_fr(t, u, u->r1);
    return end_mem(t, u->r1, false, skip);
}

jit_emit_fn *const jit_fp_emitters[OP_COUNT] = {
    [OP_fma] = multiply_add,      [OP_fms] = multiply_add,  [OP_fnma] = multiply_add,
    [OP_stf_spill] = store_mem,   [OP_ldf_fill] = load_mem, [OP_ldfd] = ldfd,
    [OP_ldf8] = load_mem,         [OP_stf8] = store_mem,    [OP_stfd] = stfd,
    [OP_setf_sig] = setf_sig,     [OP_getf_sig] = getf_sig, [OP_setf_d] = setf_d,
    [OP_getf_d] = getf_d,         [OP_xma_l] = xma,         [OP_fmerge_s] = fmerge,
    [OP_fmerge_ns] = fmerge,      [OP_fcmp_eq] = fcmp,      [OP_fcmp_lt] = fcmp,
    [OP_fcmp_le] = fcmp,          [OP_fcmp_unord] = fcmp,   [OP_fcvt_fx] = fcvt_fx,
    [OP_fcvt_fx_trunc] = fcvt_fx, [OP_xma_h] = xma,         [OP_xma_hu] = xma,
    [OP_fcvt_xf] = fcvt_xf,
};
