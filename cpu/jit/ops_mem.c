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
    struct jit_stub *s;

    jit_lookup(t, va, size, offsetof(struct stlb_entry, wtag));
    s = jit_add_stub(t, STUB_STORE, u, x86_jcc(&t->x, CC_NE));
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, addend));
    v = jit_src(t, u->r2, RAX);
    x86_store_index(&t->x, size, RCX, va, v);
    jit_note_stored(t, u, va, size);
    s->back = t->x.p;
    s->size = (uint8_t)size;
    s->va = (uint8_t)va;
    s->reg = u->r2;
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    return true;
}

/* ld.a: the value, and the physical address into the table. */
static bool advanced_load(struct jit_tr *t, const struct uop *u)
{
    unsigned size = size_of(u->op, OP_ld1), va = jit_src(t, u->r3, RDX);
    unsigned d = jit_dst(t, u->r1, RAX);
    struct jit_stub *s;

    jit_lookup(t, va, size, offsetof(struct stlb_entry, rtag));
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_NE));
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, pa));
    x86_push(&t->x, RCX);
    x86_push(&t->x, va);
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, addend));
    x86_load_index(&t->x, size, d, RCX, va);
    jit_put(t, u->r1, d);
    x86_pop(&t->x, RDX);
    x86_pop(&t->x, RCX);
    x86_alu_ri(&t->x, X86_AND, false, RDX, MEM_PAGE_SIZE - 1);
    x86_alu_rr(&t->x, X86_OR, true, RDX, RCX);
    jit_alat_find(t, JIT_ALAT_GR, u->r1);
    jit_alat_insert(t, size);
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    s->back = t->x.p;
    return true;
}

/* ld.c.clr: an entry goes and the register keeps its value, or it is loaded again. */
static bool check_load(struct jit_tr *t, const struct uop *u)
{
    unsigned size = size_of(u->op, OP_ld1), va, d;
    uint8_t *miss[2], *hit;
    struct jit_stub *s;

    jit_alat_find(t, JIT_ALAT_GR, u->r1);
    jit_alat_test(t, miss);
    jit_alat_drop(t);
    hit = x86_jmp(&t->x);
    for (unsigned k = 0; k < 2; k++)
        x86_bind_here(&t->x, miss[k]);
    va = jit_src(t, u->r3, RDX);
    d = jit_dst(t, u->r1, RAX);
    jit_lookup(t, va, size, offsetof(struct stlb_entry, rtag));
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_NE));
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, addend));
    x86_load_index(&t->x, size, d, RCX, va);
    jit_put(t, u->r1, d);
    x86_bind_here(&t->x, hit);
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    s->back = t->x.p;
    return true;
}

/* ld.s: what would be deferred, or ends an advanced load, is the handler's. */
static bool speculative_load(struct jit_tr *t, const struct uop *u)
{
    unsigned size = size_of(u->op, OP_ld1), va, d;
    struct jit_stub *alat, *s;

    x86_alu_mi(&t->x, X86_CMP, false, JR_CPU, CPU_OFF(alat_used), 0);
    alat = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_NE));
    va = jit_src(t, u->r3, RDX);
    d = jit_dst(t, u->r1, RAX);
    jit_lookup(t, va, size, offsetof(struct stlb_entry, rtag));
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_NE));
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, addend));
    x86_load_index(&t->x, size, d, RCX, va);
    jit_put(t, u->r1, d);
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    alat->back = s->back = t->x.p;
    return true;
}

static bool emit_load(struct jit_tr *t, const struct uop *u)
{
    static jit_emit_fn *const by_type[] = {
        [LD_NONE] = load,       [LD_ACQ] = load,         [LD_BIAS] = load,
        [LD_A] = advanced_load, [LD_C_CLR] = check_load, [LD_S] = speculative_load,
    };
    jit_emit_fn *fn = u->sub < sizeof by_type / sizeof *by_type ? by_type[u->sub] : NULL;

    if (!fn || u->len == INC_REG || (u->sub == LD_A && u->r1 == u->r3))
        return false;
    /* the ALAT knows physical registers */
    if ((fn == advanced_load || fn == check_load) && jit_rot_gr(t, u->r1))
        return false;
    return jit_guarded(t, u, fn);
}

/* UNAT's bit for the address: into the carry, or cleared. Uses rax and rcx. */
static void unat_bit(struct jit_tr *t, unsigned va, bool clear)
{
    x86_mov_rr(&t->x, RCX, va);
    x86_shift_ri(&t->x, X86_SHR, true, RCX, 3);
    x86_load(&t->x, RAX, JR_CPU, CPU_OFF(unat));
    if (clear) {
        x86_btr_rr(&t->x, RAX, RCX);
        x86_store(&t->x, JR_CPU, CPU_OFF(unat), RAX);
    } else {
        x86_bt_rr(&t->x, RAX, RCX);
    }
}

/* Nothing in a fast block is a NaT: st8.spill stores and clears the bit. */
static bool spill(struct jit_tr *t, const struct uop *u)
{
    unsigned va = jit_src(t, u->r3, RDX);
    struct jit_stub *s;

    jit_lookup(t, va, 8, offsetof(struct stlb_entry, wtag));
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_NE));
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, addend));
    x86_store_index(&t->x, 8, RCX, va, jit_src(t, u->r2, RAX));
    jit_note_stored(t, u, va, 8);
    unat_bit(t, jit_src(t, u->r3, RDX), true); /* the stub does not keep rdx */
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    s->back = t->x.p;
    return true;
}

static bool fill(struct jit_tr *t, const struct uop *u)
{
    unsigned va = jit_src(t, u->r3, RDX), d;
    struct jit_stub *s, *nat;

    unat_bit(t, va, false);
    nat = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_B));
    jit_lookup(t, va, 8, offsetof(struct stlb_entry, rtag));
    s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_NE));
    x86_alu_rx(&t->x, X86_MOV, RCX, JR_TLB, RAX, offsetof(struct stlb_entry, addend));
    d = jit_dst(t, u->r1, RAX);
    x86_load_index(&t->x, 8, d, RCX, va);
    jit_put(t, u->r1, d);
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    s->back = nat->back = t->x.p;
    return true;
}

static bool emit_spill(struct jit_tr *t, const struct uop *u)
{
    return u->len != INC_REG && jit_guarded(t, u, spill);
}

static bool emit_fill(struct jit_tr *t, const struct uop *u)
{
    return u->len != INC_REG && u->r1 != 0 && jit_guarded(t, u, fill);
}

static bool emit_store(struct jit_tr *t, const struct uop *u)
{
    return jit_guarded(t, u, store);
}

/* lfetch: with faults, a look whether there would be one; the fetching is the host's own. */
static bool prefetch(struct jit_tr *t, const struct uop *u)
{
    struct jit_stub *s = NULL;

    if (u->sub & LFETCH_FAULT) {
        jit_lookup(t, jit_src(t, u->r3, RDX), 1, offsetof(struct stlb_entry, rtag));
        s = jit_add_stub(t, STUB_HANDLER, u, x86_jcc(&t->x, CC_NE));
    }
    if (u->len == INC_IMM)
        jit_add_to_base(t, u, jit_src(t, u->r3, RDX));
    if (s)
        s->back = t->x.p;
    return true;
}

static bool emit_prefetch(struct jit_tr *t, const struct uop *u)
{
    return u->len != INC_REG && jit_guarded(t, u, prefetch);
}

jit_emit_fn *const jit_mem_emitters[OP_COUNT] = {
    [OP_ld1] = emit_load,        [OP_ld2] = emit_load,        [OP_ld4] = emit_load,
    [OP_ld8] = emit_load,        [OP_st1] = emit_store,       [OP_st2] = emit_store,
    [OP_st4] = emit_store,       [OP_st8] = emit_store,       [OP_ld8_fill] = emit_fill,
    [OP_st8_spill] = emit_spill, [OP_lfetch] = emit_prefetch,
};
