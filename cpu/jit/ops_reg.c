/* Native code of alloc and of the application registers that every function touches. */
#include "translate.h"

#define PFS_INVALID (~0xc3f0003fffffffffull) /* reserved bits of ar.pfs (SDM 1:3.1.8.12) */

/* --- application registers --- */

/* Where a register that is only stored lives, or -1. */
static int32_t plain_ar(unsigned n)
{
    switch (n) {
    case AR_PFS:
        return CPU_OFF(pfs);
    case AR_LC:
        return CPU_OFF(lc);
    case AR_UNAT:
        return CPU_OFF(unat);
    case AR_CCV:
        return CPU_OFF(ccv);
    default:
        return -1;
    }
}

static bool unit_ok(const struct uop *u, bool i_unit)
{
    return (u->r3 == AR_PFS || u->r3 == AR_LC) == i_unit;
}

static bool read_ar_body(struct jit_tr *t, const struct uop *u)
{
    unsigned d = jit_dst(t, u->r1, RAX);

    x86_load(&t->x, d, JR_CPU, plain_ar(u->r3));
    jit_put(t, u->r1, d);
    return true;
}

static bool read_ar(struct jit_tr *t, const struct uop *u)
{
    if (plain_ar(u->r3) < 0 || !unit_ok(u, u->op == OP_mov_from_ar_i))
        return false;
    return jit_guarded(t, u, read_ar_body);
}

/* A value of ar.pfs with reserved bits is the handler's business. */
static bool write_ar_body(struct jit_tr *t, const struct uop *u)
{
    unsigned v = jit_src(t, u->r2, RAX);
    struct jit_stub *s = NULL;

    if (u->r3 == AR_PFS) {
        x86_mov_ri(&t->x, RCX, PFS_INVALID);
        x86_test_rr(&t->x, true, v, RCX);
        s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_NE));
    }
    x86_store(&t->x, JR_CPU, plain_ar(u->r3), v);
    if (s)
        s->back = t->x.p;
    return true;
}

static bool write_ar(struct jit_tr *t, const struct uop *u)
{
    if (plain_ar(u->r3) < 0 || !unit_ok(u, u->op == OP_mov_to_ar_i))
        return false;
    return jit_guarded(t, u, write_ar_body);
}

/* --- breaks --- */

/* With a predicate a break is a check, such as the one before a division, and hardly ever done. */
static bool check_break(struct jit_tr *t, const struct uop *u)
{
    int known = jit_known(t, u->qp);

    if (known == 1)
        return false;
    if (known < 0) {
        struct jit_stub *s;

        x86_bit_ri(&t->x, X86_BT, JR_PR, u->qp);
        s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_B));
        s->back = t->x.p;
    }
    return true;
}

/* --- alloc --- */

/* In fast blocks nothing is rotated: only room for the frame is to be checked at run time. */
static bool alloc(struct jit_tr *t, const struct uop *u)
{
    unsigned sof = u->len, sol = u->pos, sor = (unsigned)u->imm * 8, d;
    struct jit_stub *s;

    if (u->qp != 0 || sof > CPU_PHYS_STACKED || sor > sof || sol > sof || u->r1 == 0 ||
        u->r1 >= 32 + sof)
        return false;
    x86_alu_mi(&t->x, X86_CMP, false, JR_CPU, CPU_OFF(ndirty), (int32_t)(CPU_PHYS_STACKED - sof));
    /* unsigned: an incomplete frame counts as too much */
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_A));
    x86_mov_ri(&t->x, RAX, sof | sol << 8 | sor << 16);
    x86_alu_mr(&t->x, X86_MOV, false, JR_CPU, CPU_OFF(cfm), RAX);
    x86_mov_ri(&t->x, RAX, 32 + sof);
    x86_alu_mr(&t->x, X86_MOV, false, JR_CPU, CPU_OFF(frame_top), RAX);
    d = jit_dst(t, u->r1, RAX);
    x86_load(&t->x, d, JR_CPU, CPU_OFF(pfs));
    jit_put(t, u->r1, d);
    s->back = t->x.p;
    return true;
}

_Static_assert(offsetof(struct cfm, sof) == 0 && offsetof(struct cfm, sol) == 1 &&
                   offsetof(struct cfm, sor) == 2 && offsetof(struct cfm, rrb_gr) == 3,
               "alloc writes the first four bytes of the frame marker at once");

jit_emit_fn *const jit_reg_emitters[OP_COUNT] = {
    [OP_alloc] = alloc,           [OP_mov_to_ar_i] = write_ar,  [OP_mov_to_ar_m] = write_ar,
    [OP_mov_from_ar_i] = read_ar, [OP_mov_from_ar_m] = read_ar, [OP_break_i] = check_break,
};
