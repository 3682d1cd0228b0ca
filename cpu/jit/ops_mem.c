/* Native code of plain integer loads and stores: the soft TLB inline, everything else in stubs. */
#include "access.h"
#include "translate.h"

_Static_assert(sizeof(struct stlb_entry) == 32, "entry size is in the code below");

static unsigned size_of(unsigned op, unsigned first)
{
    return 1u << (op - first);
}

/* Looks the page of va up: rax becomes the entry's offset, the flags say equal on a hit. */
void jit_lookup(struct jit_tr *t, unsigned va, unsigned size, int8_t tag)
{
    x86_alu_rr(&t->x, X86_MOV, false, RAX, va);
    x86_shift_ri(&t->x, X86_SHR, false, RAX, MEM_PAGE_SHIFT - 5);
    x86_alu_ri(&t->x, X86_AND, false, RAX, (int32_t)((STLB_ENTRIES - 1) << 5));
    x86_mov_rr(&t->x, RCX, va);
    x86_alu_ri(&t->x, X86_AND, true, RCX, (int32_t)(~0xfffu | (size - 1)));
    x86_alu_rx(&t->x, X86_CMP, RCX, JR_TLB, RAX, tag);
}

void jit_add_to_base(struct jit_tr *t, const struct uop *u, unsigned va)
{
    unsigned d = jit_dst(t, u->r3, RDX);

    x86_lea(&t->x, d, va, (int32_t)u->imm);
    jit_put(t, u->r3, d);
}

static bool load(struct jit_tr *t, const struct uop *u)
{
    unsigned size = size_of(u->op, OP_ld1), va = jit_src(t, u->r3, RDX);
    unsigned d = jit_dst(t, u->r1, RAX);
    struct jit_stub *s;

    jit_lookup(t, va, size, offsetof(struct stlb_entry, rtag));
    s = jit_add_stub(t, STUB_LOAD, u, x86_jcc(&t->x, CC_NE));
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, addend));
    x86_load_index(&t->x, size, d, RCX, va);
    s->back = t->x.p;
    s->size = (uint8_t)size;
    s->va = (uint8_t)va;
    s->reg = (uint8_t)d;
    jit_put(t, u->r1, d);
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    return true;
}

static bool store(struct jit_tr *t, const struct uop *u)
{
    unsigned size = size_of(u->op, OP_st1), va = jit_src(t, u->r3, RDX), v;
    struct jit_stub *s, *alat;

    jit_lookup(t, va, size, offsetof(struct stlb_entry, wtag));
    s = jit_add_stub(t, STUB_STORE, u, x86_jcc(&t->x, CC_NE));
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, addend));
    v = jit_src(t, u->r2, RAX);
    x86_store_index(&t->x, size, RCX, va, v);
    x86_alu_mi(&t->x, X86_CMP, false, JR_CPU, CPU_OFF(alat_used), 0);
    alat = jit_add_stub(t, STUB_STORED, u, x86_jcc(&t->x, CC_NE));
    s->back = alat->back = t->x.p;
    s->size = alat->size = (uint8_t)size;
    s->va = alat->va = (uint8_t)va;
    s->reg = u->r2;
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    return true;
}

static bool emit_load(struct jit_tr *t, const struct uop *u)
{
    bool plain = u->sub == LD_NONE || u->sub == LD_ACQ || u->sub == LD_BIAS;

    return plain && u->len != INC_REG && jit_guarded(t, u, load);
}

static bool emit_store(struct jit_tr *t, const struct uop *u)
{
    return jit_guarded(t, u, store);
}

jit_emit_fn *const jit_mem_emitters[OP_COUNT] = {
    [OP_ld1] = emit_load,  [OP_ld2] = emit_load,  [OP_ld4] = emit_load,  [OP_ld8] = emit_load,
    [OP_st1] = emit_store, [OP_st2] = emit_store, [OP_st4] = emit_store, [OP_st8] = emit_store,
};
