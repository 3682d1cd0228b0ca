/* Division sequences. See divide.h.
 *
 * Compilers divide doubles with an approximation of the reciprocal and nine multiply-adds that end
 * in the correctly rounded quotient. The host's division gives the same quotient and inexact flag
 * when operands and quotient are normal. What the temporary registers hold then is left to
 * fr_double.h; it is hardly ever looked at.
 */
#include "divide.h"
#include "fr_double.h"
#include "jit_impl.h"

/* Values of the sequence. S_NONE: not one of them. */
enum { S_NONE, S_ZERO, S_ONE, S_N, S_D, S_Y0, S_E, S_E2, S_E4, S_Y1, S_Y2, S_Y3, S_Q, S_R, S_QUOT };

struct step {
    uint16_t op;
    uint8_t pc, sf, f3, f4, f2, result;
};

/* "Maximum throughput": 1 - dy, its powers, three refinements of y, quotient, remainder. */
static const struct step steps[FR_DIVIDE_OPS - 1] = {
    {OP_fnma, PC_NONE, 1, S_D, S_Y0, S_ONE, S_E}, {OP_fma, PC_NONE, 1, S_E, S_E, S_ZERO, S_E2},
    {OP_fma, PC_NONE, 1, S_Y0, S_E, S_Y0, S_Y1},  {OP_fma, PC_NONE, 1, S_E2, S_E2, S_ZERO, S_E4},
    {OP_fma, PC_NONE, 1, S_Y1, S_E2, S_Y1, S_Y2}, {OP_fma, PC_NONE, 1, S_Y2, S_E4, S_Y2, S_Y3},
    {OP_fma, PC_D, 1, S_N, S_Y3, S_ZERO, S_Q},    {OP_fnma, PC_NONE, 1, S_D, S_Q, S_N, S_R},
    {OP_fma, PC_D, 0, S_R, S_Y3, S_Q, S_QUOT},
};

static unsigned find_step(const struct uop *u, const uint8_t value[128])
{
    unsigned a = value[u->r3], b = value[u->r4], c = value[u->r2];

    for (unsigned k = 0; k < FR_DIVIDE_OPS - 1; k++) {
        const struct step *s = &steps[k];

        if (u->op == s->op && u->sub == s->pc && u->sf == s->sf && c == s->f2 &&
            ((a == s->f3 && b == s->f4) || (a == s->f4 && b == s->f3)))
            return s->result;
    }
    return S_NONE;
}

bool jit_division_match(const struct uop *u, const struct uop *end, struct jit_division *d)
{
    uint8_t value[128] = {S_ZERO, S_ONE};
    const struct uop *first = u;

    if (u->op != OP_frcpa || u->sf != 0 || u->r1 < 2 || u->r2 < 2 || u->r3 < 2 || u->p2 == 0 ||
        u->r1 == u->r2 || u->r1 == u->r3 || u->r2 == u->r3 || end - u < (ptrdiff_t)FR_DIVIDE_OPS)
        return false;
    *d = (struct jit_division){.num = u->r2, .den = u->r3};
    value[u->r2] = S_N;
    value[u->r3] = S_D;
    value[u->r1] = S_Y0;
    d->temps[u->r1 >> 6] |= 1ull << (u->r1 & 63);
    for (u++; u < first + FR_DIVIDE_OPS; u++) {
        unsigned result = find_step(u, value);

        if (result == S_NONE || u->qp != first->p2 || u->r1 < 2)
            return false;
        value[u->r1] = (uint8_t)result;
        d->temps[u->r1 >> 6] |= 1ull << (u->r1 & 63);
    }
    d->quot = u[-1].r1;
    d->temps[d->quot >> 6] &= ~(1ull << (d->quot & 63));
    return value[d->quot] == S_QUOT;
}

/* sf1 as compilers expect it, and inexact already flagged there: the intermediate results are. */
static void check_sf1(struct jit_tr *t, const struct uop *u)
{
    const unsigned at = FPSR_SF_SHIFT(1);
    const uint32_t usual = FPSR_SF_WRE | 3u << FPSR_SF_PC_SHIFT | FPSR_SF_TD | FPF_I << 7;
    const uint32_t mask = FPSR_SF_CONTROLS | FPF_I << 7;

    x86_alu_rm(&t->x, X86_MOV, false, RAX, JR_CPU, CPU_OFF(fpsr));
    x86_alu_ri(&t->x, X86_AND, false, RAX, (int32_t)(mask << at));
    x86_alu_ri(&t->x, X86_CMP, false, RAX, (int32_t)(usual << at));
    jit_add_stub(t, STUB_BAIL, u, x86_jcc(&t->x, CC_NE));
}

#define DIVISION(slot, field)                                                                      \
    (CPU_OFF(division) + (int32_t)((slot) * sizeof(struct fr_division)) +                          \
     (int32_t)offsetof(struct fr_division, field))

/* What the slot's last division has left must not be needed any more. */
static void check_left_over(struct jit_tr *t, const struct uop *u, unsigned slot,
                            const uint64_t written[2])
{
    for (int32_t k = 0; k < 2; k++) {
        struct jit_stub *s;

        x86_load(&t->x, RAX, JR_CPU, CPU_OFF(fr_dbl) + 8 * k);
        x86_not(&t->x, RAX);
        x86_alu_rm(&t->x, X86_AND, true, RAX, JR_CPU, CPU_OFF(fr_lazy) + 8 * k);
        x86_alu_rm(&t->x, X86_AND, true, RAX, JR_CPU, DIVISION(slot, left) + 8 * k);
        x86_mov_ri(&t->x, RCX, ~written[k]);
        x86_test_rr(&t->x, true, RAX, RCX);
        s = jit_add_stub(t, STUB_SETTLE_ALL, u, x86_jcc(&t->x, CC_NE));
        s->back = t->x.p;
    }
}

/* A denormal operand flags more than the host's division, in sf1. */
static void check_operand(struct jit_tr *t, const struct uop *u, unsigned x)
{
    sse_to_gr(&t->x, RAX, x);
    x86_alu_rr(&t->x, X86_ADD, true, RAX, RAX);
    x86_shift_ri(&t->x, X86_SHR, true, RAX, 53);
    jit_add_stub(t, STUB_BAIL, u, x86_jcc(&t->x, CC_E));
}

/* Where the quotient is neither normal nor well inside the range, the flags that the host's division
 * leaves are those of the sequence, too. */
static void divide(struct jit_tr *t, const struct uop *u, unsigned n, unsigned d)
{
    sse_mov(&t->x, 0, n);
    sse_op(&t->x, SSE_DIV, 0, d);
    sse_to_gr(&t->x, RAX, 0);
    x86_alu_rr(&t->x, X86_ADD, true, RAX, RAX);
    x86_shift_ri(&t->x, X86_SHR, true, RAX, 53);
    x86_alu_ri(&t->x, X86_SUB, false, RAX, 2);
    x86_alu_ri(&t->x, X86_CMP, false, RAX, 0x7fb);
    jit_add_stub(t, STUB_BAIL, u, x86_jcc(&t->x, CC_A));
}

/* The registers belong to this slot now. */
static void claim(struct jit_tr *t, unsigned slot, const uint64_t written[2],
                  const uint64_t temps[2])
{
    for (int32_t k = 0; k < 2; k++) {
        x86_mov_ri(&t->x, RAX, temps[k]);
        x86_store(&t->x, JR_CPU, DIVISION(slot, left) + 8 * k, RAX);
        if (!written[k])
            continue;
        if (temps[k])
            x86_alu_mr(&t->x, X86_OR, true, JR_CPU, CPU_OFF(fr_lazy) + 8 * k, RAX);
        x86_mov_ri(&t->x, RAX, ~written[k]);
        for (unsigned other = 0; other < FR_DIVISIONS; other++)
            if (other != slot)
                x86_alu_mr(&t->x, X86_AND, true, JR_CPU, DIVISION(other, left) + 8 * k, RAX);
    }
}

static void leave_record(struct jit_tr *t, const struct uop *u, unsigned slot, unsigned n,
                         unsigned d)
{
    sse_store(&t->x, JR_CPU, DIVISION(slot, n), n);
    sse_store(&t->x, JR_CPU, DIVISION(slot, d), d);
    x86_mov_ri(&t->x, RAX, (uint64_t)(uintptr_t)u);
    x86_store(&t->x, JR_CPU, DIVISION(slot, seq), RAX);
}

bool jit_emit_division(struct jit_tr *t, const struct uop *u, const struct jit_division *d)
{
    uint64_t written[2] = {d->temps[0], d->temps[1]};
    unsigned n, den, slot = t->jit->divisions++ % FR_DIVISIONS;

    if (jit_known(t, u->qp) != 1 || jit_frs_has(t->live.fr.wide, d->num) ||
        jit_frs_has(t->live.fr.wide, d->den))
        return false;
    written[d->quot >> 6] |= 1ull << (d->quot & 63);
    n = jit_fr_double(t, u, d->num);
    den = jit_fr_double(t, u, d->den);
    check_sf1(t, u);
    check_left_over(t, u, slot, written);
    check_operand(t, u, n);
    check_operand(t, u, den);
    divide(t, u, n, den);
    leave_record(t, u, slot, n, den);
    claim(t, slot, written, d->temps);
    jit_fr_left_over(t, d->temps);
    n = jit_fr_target(t, d->quot);
    sse_mov(&t->x, n, 0);
    jit_fr_wrote_double(t, d->quot, n);
    for (unsigned k = 2; k < 128; k++)
        if (jit_frs_has(written, k))
            jit_fr_note_static(t, k);
    jit_forget(t, u->p2);
    jit_set_known(t, u->p2, true);
    jit_fr_release(t);
    return true;
}
