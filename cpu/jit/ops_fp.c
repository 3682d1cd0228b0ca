/* Floating point in native code: the library's fast functions without the interpreter around them,
 * loads and stores of doubles inline.
 *
 * Values stay in register format in memory. Whatever the fast functions decline (faults, traps,
 * special values) is done by the operation's handler.
 */
#include "translate.h"

#define FR_OFF(n)  (CPU_OFF(fr) + (int32_t)(n) * (int32_t)sizeof(struct fpreg))
#define SIG_OFF(n) (FR_OFF(n) + (int32_t)offsetof(struct fpreg, sig))
#define EXP_OFF(n) (FR_OFF(n) + (int32_t)offsetof(struct fpreg, exp))

bool jit_fp_uses_tlb(unsigned op)
{
    return op == OP_ldfd || op == OP_ldf8 || op == OP_stfd || op == OP_stf8;
}

static void note_write(struct jit_tr *t, unsigned n)
{
    x86_alu_mi(&t->x, X86_OR, true, JR_CPU, CPU_OFF(psr), (int32_t)(n < 32 ? PSR_MFL : PSR_MFH));
}

/* rax: significand, rdx: exponent and sign */
static void put_fr(struct jit_tr *t, unsigned n)
{
    x86_store(&t->x, JR_CPU, SIG_OFF(n), RAX);
    x86_alu_mr(&t->x, X86_MOV, false, JR_CPU, EXP_OFF(n), RDX);
    note_write(t, n);
}

static void fr_address(struct jit_tr *t, unsigned reg, unsigned n)
{
    x86_lea(&t->x, reg, JR_CPU, FR_OFF(n));
}

/* --- multiply-add --- */

static unsigned negations(unsigned op)
{
    return op == OP_fms ? FP_NEG_ADD : op == OP_fnma ? FP_NEG_PROD : 0;
}

static bool fma_body(struct jit_tr *t, const struct uop *u)
{
    struct jit_stub *s;
    uint8_t *no_flags;

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
    x86_alu_ri(&t->x, X86_CMP, true, RDX, -1);
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_E));
    put_fr(t, u->r1);
    x86_shift_ri(&t->x, X86_SHR, true, RDX, FP_FAST_FLAGS_SHIFT);
    no_flags = x86_jcc(&t->x, CC_E);
    x86_shift_ri(&t->x, X86_SHL, true, RDX, FPSR_SF_SHIFT(u->sf) + 7);
    x86_alu_mr(&t->x, X86_OR, true, JR_CPU, CPU_OFF(fpsr), RDX);
    x86_bind_here(&t->x, no_flags);
    s->back = t->x.p;
    return true;
}

static bool multiply_add(struct jit_tr *t, const struct uop *u)
{
    return u->r1 >= 2 && jit_guarded(t, u, fma_body);
}

/* --- loads, stores, transfers --- */

static bool load_body(struct jit_tr *t, const struct uop *u)
{
    unsigned va = jit_src(t, u->r3, RDX);
    struct jit_stub *s;
    uint8_t *special;

    jit_lookup(t, va, 8, offsetof(struct stlb_entry, rtag));
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_NE));
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, addend));
    x86_load_index(&t->x, 8, RAX, RCX, va);
    if (u->op == OP_ldf8) {
        x86_mov_ri(&t->x, RDX, FP_EXP_INT);
    } else {
        /* Normal doubles only: exponents 0 and 0x7ff are the handler's (SDM 1:5.1.2). */
        x86_mov_rr(&t->x, RDX, RAX);
        x86_shift_ri(&t->x, X86_SHR, true, RDX, 52);
        x86_mov_rr(&t->x, RCX, RDX);
        x86_alu_ri(&t->x, X86_AND, false, RDX, 0x7ff);
        x86_lea(&t->x, RDX, RDX, -1);
        x86_alu_ri(&t->x, X86_CMP, false, RDX, 0x7fe);
        special = x86_jcc(&t->x, CC_AE);
        {
            struct jit_stub *twin = jit_add_stub(t, STUB_HANDLER, u, special);

            (void)twin;
        }
        x86_alu_ri(&t->x, X86_AND, false, RCX, 0x800);
        x86_shift_ri(&t->x, X86_SHL, false, RCX, 6);
        x86_lea_index(&t->x, RDX, RDX, RCX, 0);
        x86_alu_ri(&t->x, X86_ADD, false, RDX, 1 + 0xffff - 0x3ff);
        x86_shift_ri(&t->x, X86_SHL, true, RAX, 11);
        x86_bit_ri(&t->x, X86_BTS, RAX, 63);
    }
    put_fr(t, u->r1);
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    s->back = t->x.p;
    if (u->op == OP_ldfd)
        s[1].back = t->x.p;
    return true;
}

static bool load(struct jit_tr *t, const struct uop *u)
{
    return u->sub == LD_NONE && u->len != INC_REG && u->r1 >= 2 &&
           !(u->len == INC_IMM && u->r3 == 0) && jit_guarded(t, u, load_body);
}

static bool setf_sig_body(struct jit_tr *t, const struct uop *u)
{
    jit_src_into(t, u->r2, RAX);
    x86_mov_ri(&t->x, RDX, FP_EXP_INT);
    put_fr(t, u->r1);
    return true;
}

static bool setf_sig(struct jit_tr *t, const struct uop *u)
{
    return u->r1 >= 2 && jit_guarded(t, u, setf_sig_body);
}

/* A NaTVal would be a NaT: the handler's. */
static bool getf_sig_body(struct jit_tr *t, const struct uop *u)
{
    struct jit_stub *s;
    unsigned d = jit_dst(t, u->r1, RAX);

    x86_alu_mi(&t->x, X86_CMP, false, JR_CPU, EXP_OFF(u->r2), FP_EXP_NAT);
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_E));
    x86_load(&t->x, d, JR_CPU, SIG_OFF(u->r2));
    jit_put(t, u->r1, d);
    s->back = t->x.p;
    return true;
}

static bool getf_sig(struct jit_tr *t, const struct uop *u)
{
    return jit_guarded(t, u, getf_sig_body);
}

/* --- integer multiply-add --- */

static void check_natval(struct jit_tr *t, const struct uop *u, unsigned n, struct jit_stub **s)
{
    if (n < 2)
        return;
    x86_alu_mi(&t->x, X86_CMP, false, JR_CPU, EXP_OFF(n), FP_EXP_NAT);
    *s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_E));
}

static bool xma_l_body(struct jit_tr *t, const struct uop *u)
{
    struct jit_stub *s[3] = {NULL, NULL, NULL};

    check_natval(t, u, u->r3, &s[0]);
    check_natval(t, u, u->r4, &s[1]);
    check_natval(t, u, u->r2, &s[2]);
    x86_load(&t->x, RAX, JR_CPU, SIG_OFF(u->r3));
    x86_load(&t->x, RDX, JR_CPU, SIG_OFF(u->r4));
    x86_imul_rr(&t->x, RAX, RDX);
    x86_alu_rm(&t->x, X86_ADD, true, RAX, JR_CPU, SIG_OFF(u->r2));
    x86_mov_ri(&t->x, RDX, FP_EXP_INT);
    put_fr(t, u->r1);
    for (unsigned k = 0; k < 3; k++)
        if (s[k])
            s[k]->back = t->x.p;
    return true;
}

static bool xma_l(struct jit_tr *t, const struct uop *u)
{
    return u->r1 >= 2 && jit_guarded(t, u, xma_l_body);
}

jit_emit_fn *const jit_fp_emitters[OP_COUNT] = {
    [OP_fma] = multiply_add, [OP_fms] = multiply_add,  [OP_fnma] = multiply_add, [OP_ldfd] = load,
    [OP_ldf8] = load,        [OP_setf_sig] = setf_sig, [OP_getf_sig] = getf_sig, [OP_xma_l] = xma_l,
};
