/* Native code of the parallel integer operations, with the host's SSE2 instructions.
 *
 * Their rules are in cpu/exec_mm.c; forms the host has no instruction for are done by the handler.
 */
#include "translate.h"

/* How an instruction with two operands in SSE registers does it. */
enum shape {
    NONE,
    R2_R3,  /* the first operand is the destination */
    R3_R2,  /* the second one */
    HIGH,   /* R3_R2, and the result is in the upper half */
    JOINED, /* one operand: r2 below r3 */
};

/* By completer: as in cpu/exec_mm.c, 1 signed and 2 unsigned saturation; or a relation. */
static const struct {
    uint8_t shape, opcode[3];
} forms[OP_COUNT] = {
    [OP_padd1] = {R2_R3, {0xfc, 0xec, 0xdc}},
    [OP_padd2] = {R2_R3, {0xfd, 0xed, 0xdd}},
    [OP_padd4] = {R2_R3, {0xfe}},
    [OP_psub1] = {R2_R3, {0xf8, 0xe8, 0xd8}},
    [OP_psub2] = {R2_R3, {0xf9, 0xe9, 0xd9}},
    [OP_psub4] = {R2_R3, {0xfa}},
    [OP_pavg1] = {R2_R3, {0, 0xe0}},
    [OP_pavg2] = {R2_R3, {0, 0xe3}},
    [OP_pcmp1] = {R2_R3, {0x74, 0x64}},
    [OP_pcmp2] = {R2_R3, {0x75, 0x65}},
    [OP_pcmp4] = {R2_R3, {0x76, 0x66}},
    [OP_pmin1_u] = {R2_R3, {0xda}},
    [OP_pmax1_u] = {R2_R3, {0xde}},
    [OP_pmin2] = {R2_R3, {0xea}},
    [OP_pmax2] = {R2_R3, {0xee}},
    [OP_psad1] = {R2_R3, {0xf6}},
    [OP_unpack1_l] = {R3_R2, {0x60}},
    [OP_unpack2_l] = {R3_R2, {0x61}},
    [OP_unpack4_l] = {R3_R2, {0x62}},
    [OP_unpack1_h] = {HIGH, {0x60}},
    [OP_unpack2_h] = {HIGH, {0x61}},
    [OP_unpack4_h] = {HIGH, {0x62}},
    [OP_pshl2] = {R2_R3, {0xf1}},
    [OP_pshl4] = {R2_R3, {0xf2}},
    [OP_pshr2] = {R3_R2, {0xe1}},
    [OP_pshr4] = {R3_R2, {0xe2}},
    [OP_pshr2_u] = {R3_R2, {0xd1}},
    [OP_pshr4_u] = {R3_R2, {0xd2}},
    [OP_pack2_sss] = {JOINED, {0x63}},
    [OP_pack2_uss] = {JOINED, {0x67}},
    [OP_pack4_sss] = {JOINED, {0x6b}},
};

static void mm(struct jit_tr *t, unsigned opcode, unsigned dst, unsigned src)
{
    sse_rr(&t->x, 0x66, false, opcode, dst, src);
}

static void load(struct jit_tr *t, unsigned xmm, unsigned n)
{
    sse_from_gr(&t->x, xmm, jit_src(t, n, RAX));
}

static void put_xmm0(struct jit_tr *t, const struct uop *u)
{
    unsigned d = jit_dst(t, u->r1, RAX);

    sse_to_gr(&t->x, d, 0);
    jit_put(t, u->r1, d);
}

static bool form_body(struct jit_tr *t, const struct uop *u)
{
    unsigned shape = forms[u->op].shape, opcode = forms[u->op].opcode[u->sub];
    bool swap = shape == R3_R2 || shape == HIGH;

    load(t, 0, swap ? u->r3 : u->r2);
    load(t, 1, swap ? u->r2 : u->r3);
    if (shape == JOINED) {
        mm(t, 0x6c, 0, 1); /* punpcklqdq */
        mm(t, opcode, 0, 0);
    } else {
        mm(t, opcode, 0, 1);
    }
    if (shape == HIGH) { /* psrldq */
        mm(t, 0x73, 3, 0);
        x86_byte(&t->x, 8);
    }
    put_xmm0(t, u);
    return true;
}

static bool form(struct jit_tr *t, const struct uop *u)
{
    return u->sub < 3 && forms[u->op].opcode[u->sub] != 0 && jit_guarded(t, u, form_body);
}

/* --- shifts by a constant: the group of the immediate forms and its digit --- */

static const struct {
    uint8_t opcode, digit, r3;
} shifts[OP_COUNT] = {
    [OP_pshl2_i] = {0x71, 6, 0}, [OP_pshl4_i] = {0x72, 6, 0},   [OP_pshr2_i] = {0x71, 4, 1},
    [OP_pshr4_i] = {0x72, 4, 1}, [OP_pshr2_u_i] = {0x71, 2, 1}, [OP_pshr4_u_i] = {0x72, 2, 1},
};

static void shift(struct jit_tr *t, unsigned opcode, unsigned digit, unsigned xmm, unsigned n)
{
    mm(t, opcode, digit, xmm);
    x86_byte(&t->x, n);
}

static bool shift_body(struct jit_tr *t, const struct uop *u)
{
    load(t, 0, shifts[u->op].r3 ? u->r3 : u->r2);
    shift(t, shifts[u->op].opcode, shifts[u->op].digit, 0, u->pos);
    put_xmm0(t, u);
    return true;
}

static bool shift_imm(struct jit_tr *t, const struct uop *u)
{
    return jit_guarded(t, u, shift_body);
}

/* --- multiplication: 16 of the product's 32 bits, from bit pos --- */

static bool pmpyshr2_body(struct jit_tr *t, const struct uop *u)
{
    load(t, 0, u->r2);
    load(t, 1, u->r3);
    if (u->pos == 0) {
        mm(t, 0xd5, 0, 1); /* pmullw */
    } else if (u->pos == 16) {
        mm(t, u->sub ? 0xe4 : 0xe5, 0, 1); /* pmulhuw, pmulhw */
    } else {
        sse_to_gr(&t->x, RCX, 0);
        mm(t, 0xd5, 0, 1);
        shift(t, 0x71, 2, 0, u->pos);
        sse_to_gr(&t->x, RAX, 0);
        sse_from_gr(&t->x, 0, RCX);
        mm(t, u->sub ? 0xe4 : 0xe5, 0, 1);
        shift(t, 0x71, 6, 0, 16u - u->pos);
        sse_from_gr(&t->x, 1, RAX);
        mm(t, 0xeb, 0, 1); /* por */
    }
    put_xmm0(t, u);
    return true;
}

static bool pmpyshr2(struct jit_tr *t, const struct uop *u)
{
    return jit_guarded(t, u, pmpyshr2_body);
}

/* --- rearrangements --- */

/* mix: the odd lanes of the result from r2, the even ones from r3. */
static bool mix_body(struct jit_tr *t, const struct uop *u)
{
    static const uint64_t even[] = {0x00ff00ff00ff00ffull, 0x0000ffff0000ffffull, 0xffffffffull};
    bool left = u->op >= OP_mix1_l;
    unsigned k = u->op - (left ? OP_mix1_l : OP_mix1_r), bits = 8u << k;

    jit_src_into(t, u->r2, RAX);
    jit_src_into(t, u->r3, RCX);
    if (left) {
        x86_shift_ri(&t->x, X86_SHR, true, RAX, bits);
        x86_shift_ri(&t->x, X86_SHR, true, RCX, bits);
    }
    x86_mov_ri(&t->x, RDX, even[k]);
    x86_alu_rr(&t->x, X86_AND, true, RAX, RDX);
    x86_alu_rr(&t->x, X86_AND, true, RCX, RDX);
    x86_shift_ri(&t->x, X86_SHL, true, RAX, bits);
    x86_alu_rr(&t->x, X86_OR, true, RAX, RCX);
    jit_put(t, u->r1, RAX);
    return true;
}

static bool mix(struct jit_tr *t, const struct uop *u)
{
    return jit_guarded(t, u, mix_body);
}

static bool mux2_body(struct jit_tr *t, const struct uop *u)
{
    load(t, 0, u->r2);
    sse_rr(&t->x, SSE_DOUBLE, false, 0x70, 0, 0); /* pshuflw */
    x86_byte(&t->x, (uint8_t)u->imm);
    put_xmm0(t, u);
    return true;
}

static bool mux2(struct jit_tr *t, const struct uop *u)
{
    return jit_guarded(t, u, mux2_body);
}

#define MUX1_BRCST 0x0
#define MUX1_REV   0xb

static bool mux1_body(struct jit_tr *t, const struct uop *u)
{
    jit_src_into(t, u->r2, RAX);
    if ((u->pos & 15) == MUX1_REV) {
        x86_bswap(&t->x, RAX);
    } else {
        x86_extend(&t->x, 0xb6, RAX, RAX);
        x86_mov_ri(&t->x, RCX, 0x0101010101010101ull);
        x86_imul_rr(&t->x, RAX, RCX);
    }
    jit_put(t, u->r1, RAX);
    return true;
}

static bool mux1(struct jit_tr *t, const struct uop *u)
{
    unsigned order = u->pos & 15;

    return (order == MUX1_REV || order == MUX1_BRCST) && jit_guarded(t, u, mux1_body);
}

jit_emit_fn *const jit_mm_emitters[OP_COUNT] = {
    [OP_padd1] = form,          [OP_padd2] = form,        [OP_padd4] = form,
    [OP_psub1] = form,          [OP_psub2] = form,        [OP_psub4] = form,
    [OP_pavg1] = form,          [OP_pavg2] = form,        [OP_pcmp1] = form,
    [OP_pcmp2] = form,          [OP_pcmp4] = form,        [OP_pmin1_u] = form,
    [OP_pmax1_u] = form,        [OP_pmin2] = form,        [OP_pmax2] = form,
    [OP_psad1] = form,          [OP_unpack1_l] = form,    [OP_unpack2_l] = form,
    [OP_unpack4_l] = form,      [OP_unpack1_h] = form,    [OP_unpack2_h] = form,
    [OP_unpack4_h] = form,      [OP_pshl2] = form,        [OP_pshl4] = form,
    [OP_pshr2] = form,          [OP_pshr4] = form,        [OP_pshr2_u] = form,
    [OP_pshr4_u] = form,        [OP_pack2_sss] = form,    [OP_pack2_uss] = form,
    [OP_pack4_sss] = form,      [OP_pshl2_i] = shift_imm, [OP_pshl4_i] = shift_imm,
    [OP_pshr2_i] = shift_imm,   [OP_pshr4_i] = shift_imm, [OP_pshr2_u_i] = shift_imm,
    [OP_pshr4_u_i] = shift_imm, [OP_pmpyshr2] = pmpyshr2, [OP_mix1_r] = mix,
    [OP_mix2_r] = mix,          [OP_mix4_r] = mix,        [OP_mix1_l] = mix,
    [OP_mix2_l] = mix,          [OP_mix4_l] = mix,        [OP_mux1] = mux1,
    [OP_mux2] = mux2,
};
