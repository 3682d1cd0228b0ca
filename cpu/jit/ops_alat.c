/* Advanced loads, their checks, and stores that may end them, in native code (SDM 1:4.4.5.3).
 *
 * The table is cpu/alat.c's: the same places, the same replacement.
 */
#include "alat.h"
#include "jit_impl.h"

#define ENTRY_OFF(field) ((int32_t)offsetof(struct alat_entry, field))

_Static_assert(CPU_ALAT_SIZE == 32 && sizeof(struct alat_entry) == 16, "in the code below");

/* --- finding --- */

/* rcx: the place of the register named by eax, as place() has it; rdx stays. */
static void emit_place(struct x86 *x)
{
    x86_alu_rr(x, X86_MOV, false, RCX, RAX);
    x86_shift_ri(x, X86_SHR, false, RCX, 14 - 5);
    x86_alu_rr(x, X86_XOR, false, RCX, RAX);
    x86_shift_ri(x, X86_SHR, false, RCX, 5);
    x86_alu_rr(x, X86_XOR, false, RCX, RAX);
    x86_alu_ri(x, X86_AND, false, RCX, CPU_ALAT_SIZE - 1);
    x86_shift_ri(x, X86_SHL, false, RCX, 4);
    x86_lea_index(x, RCX, JR_CPU, RCX, 0);
    x86_alu_ri(x, X86_ADD, true, RCX, CPU_OFF(alat));
    x86_ret(x);
}

void jit_alat_routines(struct jit *j)
{
    static void (*const emit[])(struct x86 *) = {emit_place};
    uint32_t *const at[] = {&j->alat_place};

    jit_emit_routines(j, emit, at, 1);
}

/* eax: the name of GR n. */
static void name_gr(struct jit_tr *t, unsigned n)
{
    if (n >= 32) {
        x86_alu_rm(&t->x, X86_MOV, false, RAX, JR_CPU, CPU_OFF(bof));
        x86_alu_rm(&t->x, X86_ADD, false, RAX, JR_CPU, CPU_OFF(stk_shift));
        x86_alu_ri(&t->x, X86_ADD, false, RAX, (int32_t)n);
        x86_alu_ri(&t->x, X86_AND, false, RAX, (int32_t)(ALAT_FR - 1));
        x86_alu_ri(&t->x, X86_OR, false, RAX, (int32_t)ALAT_STACKED);
        return;
    }
    x86_mov_ri(&t->x, RAX, n);
    if (n >= 16) {
        uint8_t *bank1;

        x86_bt_mi(&t->x, JR_CPU, CPU_OFF(psr) + 4, 44 - 32);
        bank1 = x86_jcc(&t->x, CC_B);
        x86_mov_ri(&t->x, RAX, n | ALAT_BANK0);
        x86_bind_here(&t->x, bank1);
    }
}

void jit_alat_find(struct jit_tr *t, enum jit_alat_file file, unsigned n)
{
    if (file == JIT_ALAT_FR)
        x86_mov_ri(&t->x, RAX, alat_fr(n));
    else
        name_gr(t, n);
    x86_call_to(&t->x, t->jit->arena.rw + t->jit->alat_place);
}

/* --- entries: rcx the place, eax the name --- */

void jit_alat_test(struct jit_tr *t, uint8_t *miss[2])
{
    x86_cmp_mb(&t->x, RCX, ENTRY_OFF(valid), 0);
    miss[0] = x86_jcc(&t->x, CC_E);
    x86_alu_rm(&t->x, X86_CMP, false, RAX, RCX, ENTRY_OFF(reg));
    miss[1] = x86_jcc(&t->x, CC_NE);
}

void jit_alat_drop(struct jit_tr *t)
{
    uint8_t *others;

    x86_mov_mb(&t->x, RCX, ENTRY_OFF(valid), false);
    x86_alu_mi(&t->x, X86_SUB, false, JR_CPU, CPU_OFF(alat_used), 1);
    others = x86_jcc(&t->x, CC_NE);
    x86_mov_ri(&t->x, RAX, 0);
    x86_store(&t->x, JR_CPU, CPU_OFF(alat_granules), RAX);
    x86_bind_here(&t->x, others);
}

/* For the aligned access of this size at the physical address in rdx. */
void jit_alat_insert(struct jit_tr *t, unsigned size)
{
    uint8_t *replaces;

    if (t->c->mail) /* see alat_insert */
        return;
    x86_store(&t->x, RCX, ENTRY_OFF(pa), RDX);
    x86_alu_mr(&t->x, X86_MOV, false, RCX, ENTRY_OFF(reg), RAX);
    x86_mov_mb(&t->x, RCX, ENTRY_OFF(size), size);
    x86_cmp_mb(&t->x, RCX, ENTRY_OFF(valid), 0);
    replaces = x86_jcc(&t->x, CC_NE);
    x86_alu_mi(&t->x, X86_ADD, false, JR_CPU, CPU_OFF(alat_used), 1);
    x86_mov_mb(&t->x, RCX, ENTRY_OFF(valid), true);
    x86_bind_here(&t->x, replaces);
    x86_shift_ri(&t->x, X86_SHR, true, RDX, 3);
    x86_load(&t->x, RAX, JR_CPU, CPU_OFF(alat_granules));
    x86_bts_rr(&t->x, RAX, RDX);
    x86_store(&t->x, JR_CPU, CPU_OFF(alat_granules), RAX);
}

/* --- stores --- */

void jit_note_stored(struct jit_tr *t, const struct uop *u, unsigned va, unsigned size)
{
    struct jit_stub *s;

    x86_alu_mi(&t->x, X86_CMP, false, JR_CPU, CPU_OFF(alat_used), 0);
    s = jit_add_stub(t, STUB_STORED, u, x86_jcc(&t->x, CC_NE));
    s->back = t->x.p;
    s->size = (uint8_t)size;
    s->va = (uint8_t)va;
}

/* --- chk.a: the handler branches where there is no entry --- */

static bool check(struct jit_tr *t, const struct uop *u)
{
    bool fr = u->op == OP_chk_a_nc_f || u->op == OP_chk_a_clr_f;
    uint8_t *skip = NULL, *miss[2];

    if (!fr && jit_rot_gr(t, u->r1))
        return false;
    if (jit_known(t, u->qp) == 0)
        return true;
    if (jit_known(t, u->qp) < 0) {
        x86_bit_ri(&t->x, X86_BT, JR_PR, u->qp);
        skip = x86_jcc(&t->x, CC_AE);
    }
    jit_alat_find(t, fr ? JIT_ALAT_FR : JIT_ALAT_GR, u->r1);
    jit_alat_test(t, miss);
    for (unsigned k = 0; k < 2; k++)
        jit_add_stub(t, STUB_BAIL, u, miss[k]);
    if (u->op == OP_chk_a_clr || u->op == OP_chk_a_clr_f)
        jit_alat_drop(t);
    if (skip)
        x86_bind_here(&t->x, skip);
    return true;
}

jit_emit_fn *const jit_alat_emitters[OP_COUNT] = {
    [OP_chk_a_nc] = check,
    [OP_chk_a_clr] = check,
    [OP_chk_a_nc_f] = check,
    [OP_chk_a_clr_f] = check,
};
