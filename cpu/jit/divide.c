/* Division sequences. See divide.h.
 *
 * Compilers divide with an approximation of the reciprocal and multiply-adds that end in the
 * correctly rounded quotient of doubles, or in the integer one after a conversion. The host's
 * division gives the same quotient and flags. What the temporary registers hold then is left to
 * fr_double.h; it is hardly ever looked at.
 */
#include "divide.h"
#include "fr_double.h"
#include "jit_impl.h"

#define MAX_LENGTH 20 /* operations looked at */

/* Values of the sequences. S_NONE: not one of them. */
enum {
    S_NONE,
    S_ZERO,
    S_ONE,
    S_N,
    S_D,
    S_Y0,
    S_E,
    S_E2,
    S_E4,
    S_Y1,
    S_Y2,
    S_Y3,
    S_Q,
    S_Q1,
    S_Q2,
    S_R,
    S_QUOT
};

struct step {
    uint16_t op;
    uint8_t pc, sf, f3, f4, f2, result;
};

struct sequence {
    uint8_t sf; /* of frcpa */
    bool integers;
    uint8_t count;
    struct step steps[9];
};

/* Doubles, "maximum throughput": 1 - dy, its powers, three refinements of y, quotient, remainder.
 * Integers of 64 bits: quotient and y refined twice side by side, remainder. */
static const struct sequence sequences[] = {
    {0,
     false,
     9,
     {
         {OP_fnma, PC_NONE, 1, S_D, S_Y0, S_ONE, S_E},
         {OP_fma, PC_NONE, 1, S_E, S_E, S_ZERO, S_E2},
         {OP_fma, PC_NONE, 1, S_Y0, S_E, S_Y0, S_Y1},
         {OP_fma, PC_NONE, 1, S_E2, S_E2, S_ZERO, S_E4},
         {OP_fma, PC_NONE, 1, S_Y1, S_E2, S_Y1, S_Y2},
         {OP_fma, PC_NONE, 1, S_Y2, S_E4, S_Y2, S_Y3},
         {OP_fma, PC_D, 1, S_N, S_Y3, S_ZERO, S_Q},
         {OP_fnma, PC_NONE, 1, S_D, S_Q, S_N, S_R},
         {OP_fma, PC_D, 0, S_R, S_Y3, S_Q, S_QUOT},
     }},
    {1,
     true,
     9,
     {
         {OP_fnma, PC_NONE, 1, S_D, S_Y0, S_ONE, S_E},
         {OP_fma, PC_NONE, 1, S_N, S_Y0, S_ZERO, S_Q},
         {OP_fma, PC_NONE, 1, S_E, S_E, S_ZERO, S_E2},
         {OP_fma, PC_NONE, 1, S_E, S_Q, S_Q, S_Q1},
         {OP_fma, PC_NONE, 1, S_E, S_Y0, S_Y0, S_Y1},
         {OP_fma, PC_NONE, 1, S_E2, S_Q1, S_Q1, S_Q2},
         {OP_fma, PC_NONE, 1, S_E2, S_Y1, S_Y1, S_Y2},
         {OP_fnma, PC_NONE, 1, S_D, S_Q2, S_N, S_R},
         {OP_fma, PC_NONE, 1, S_R, S_Y2, S_Q2, S_QUOT},
     }},
};

static unsigned find_step(const struct sequence *s, const struct uop *u, const uint8_t value[128])
{
    unsigned a = value[u->r3], b = value[u->r4], c = value[u->r2];

    for (unsigned k = 0; k < s->count; k++) {
        const struct step *p = &s->steps[k];

        if (u->op == p->op && u->sub == p->pc && u->sf == p->sf && c == p->f2 &&
            ((a == p->f3 && b == p->f4) || (a == p->f4 && b == p->f3)))
            return p->result;
    }
    return S_NONE;
}

/* What may stand between the instructions: it cannot fault, and leaves predicates alone. */
static bool harmless(const struct uop *u)
{
    return u->qp == 0 && jit_handler_known(u) &&
           (u->op == OP_add || u->op == OP_sub || u->op == OP_adds || u->op == OP_addl ||
            (u->op == OP_setf_sig && u->r1 >= 2));
}

static void put(uint64_t set[2], unsigned n)
{
    set[n >> 6] |= 1ull << (n & 63);
}

/* A match in progress. */
struct match {
    const struct sequence *s;
    unsigned qp, found;
    uint8_t value[128];
    uint64_t others[2]; /* FRs written between the instructions */
};

/* One operation; false if it does not fit. */
static bool match_op(struct match *m, const struct uop *u, struct jit_division *d)
{
    unsigned result = S_NONE;

    if ((u->op == OP_fma || u->op == OP_fnma) && u->qp == m->qp)
        result = find_step(m->s, u, m->value);
    if (result == S_NONE) {
        if (u->op == OP_setf_sig) {
            m->value[u->r1] = S_NONE;
            put(m->others, u->r1);
            d->temps[u->r1 >> 6] &= ~(1ull << (u->r1 & 63));
        }
        return harmless(u);
    }
    if (u->r1 < 2 || jit_frs_has(m->others, u->r1))
        return false;
    m->value[u->r1] = (uint8_t)result;
    m->found |= 1u << result;
    put(d->temps, u->r1);
    d->quot = u->r1;
    return true;
}

static bool converts(const struct match *m, const struct uop *u)
{
    return (u->op == OP_fcvt_fx_trunc || u->op == OP_fcvt_fxu_trunc) && u->sf == 1 && u->r1 >= 2 &&
           (u->qp == 0 || u->qp == m->qp) && m->value[u->r2] == S_QUOT &&
           !jit_frs_has(m->others, u->r1);
}

static bool match(const struct sequence *s, const struct uop *u, const struct uop *end,
                  struct jit_division *d)
{
    struct match m = {.s = s, .qp = u->p2, .value = {S_ZERO, S_ONE}};
    bool whole;

    *d = (struct jit_division){.first = u, .num = u->r2, .den = u->r3, .integers = s->integers};
    m.value[u->r2] = S_N;
    m.value[u->r3] = S_D;
    m.value[u->r1] = S_Y0;
    put(d->temps, u->r1);
    if (end - u > MAX_LENGTH)
        end = u + MAX_LENGTH;
    for (u++; u < end; u++) {
        whole = m.found >> S_QUOT & 1 && __builtin_popcount(m.found) == s->count;
        d->last = u;
        if (whole && s->integers && converts(&m, u)) {
            d->quot = u->r1;
            break;
        }
        if (whole && !s->integers) {
            d->last = u - 1;
            break;
        }
        if (!match_op(&m, u, d))
            return false;
    }
    d->temps[d->quot >> 6] &= ~(1ull << (d->quot & 63));
    return u < end;
}

bool jit_division_match(const struct uop *u, const struct uop *end, struct jit_division *d)
{
    if (u->op != OP_frcpa || u->r1 < 2 || u->r2 < 2 || u->r3 < 2 || u->p2 == 0 || u->r1 == u->r2 ||
        u->r1 == u->r3 || u->r2 == u->r3)
        return false;
    for (unsigned k = 0; k < sizeof sequences / sizeof *sequences; k++)
        if (u->sf == sequences[k].sf && match(&sequences[k], u, end, d))
            return true;
    return false;
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

/* What the slot's last division has left must not be needed any more; it is not if that was this
 * same sequence. */
static void check_left_over(struct jit_tr *t, const struct uop *u, unsigned slot,
                            const uint64_t written[2])
{
    uint8_t *same;

    x86_mov_ri(&t->x, RAX, (uint64_t)(uintptr_t)u);
    x86_alu_rm(&t->x, X86_CMP, true, RAX, JR_CPU, DIVISION(slot, seq));
    same = x86_jcc(&t->x, CC_E);
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
    x86_bind_here(&t->x, same);
}

/* A denormal operand flags more than the host's division, in sf1. */
static void check_operand(struct jit_tr *t, const struct uop *u, unsigned x)
{
    sse_to_gr(&t->x, RAX, x);
    x86_alu_rr(&t->x, X86_ADD, true, RAX, RAX);
    x86_shift_ri(&t->x, X86_SHR, true, RAX, 53);
    jit_add_stub(t, STUB_BAIL, u, x86_jcc(&t->x, CC_E));
}

/* Where the quotient is neither normal nor well inside the range, the flags that the host's
 * division leaves are those of the sequence, too. */
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

static void leave_record(struct jit_tr *t, const struct jit_division *d, unsigned slot, unsigned n,
                         unsigned den)
{
    sse_store(&t->x, JR_CPU, DIVISION(slot, n.sig), n);
    sse_store(&t->x, JR_CPU, DIVISION(slot, d.sig), den);
    x86_mov_ri(&t->x, RAX, (uint64_t)(uintptr_t)d->first);
    x86_store(&t->x, JR_CPU, DIVISION(slot, seq), RAX);
    x86_alu_ri(&t->x, X86_ADD, true, RAX, (int32_t)((d->last - d->first) * sizeof *d->first));
    x86_store(&t->x, JR_CPU, DIVISION(slot, last), RAX);
    x86_mov_mb(&t->x, JR_CPU, DIVISION(slot, doubles), 1);
}

static void divide_doubles(struct jit_tr *t, const struct jit_division *d, unsigned slot,
                           const uint64_t written[2])
{
    const struct uop *u = d->first;
    unsigned n = jit_fr_double(t, u, d->num), den = jit_fr_double(t, u, d->den);

    check_sf1(t, u);
    check_left_over(t, u, slot, written);
    check_operand(t, u, n);
    check_operand(t, u, den);
    divide(t, u, n, den);
    leave_record(t, d, slot, n, den);
    claim(t, slot, written, d->temps);
    jit_fr_left_over(t, d->temps);
    n = jit_fr_target(t, d->quot);
    sse_mov(&t->x, n, 0);
    jit_fr_wrote_double(t, d->quot, n);
}

static void divide_integers(struct jit_tr *t, const struct jit_division *d, unsigned slot,
                            const uint64_t written[2])
{
    const struct uop *u = d->first;

    jit_fr_mem(t, u, d->num);
    jit_fr_mem(t, u, d->den);
    check_left_over(t, u, slot, written);
    jit_fr_before_call(t);
    jit_save_around(t, true);
    x86_mov_rr(&t->x, RDI, JR_CPU);
    x86_mov_ri(&t->x, RSI, (uint64_t)(uintptr_t)u);
    x86_mov_ri(&t->x, RDX, (uint64_t)(uintptr_t)d->last);
    x86_lea(&t->x, RCX, JR_CPU, DIVISION(slot, seq));
    jit_call_quiet(t, fr_divide_integers);
    jit_save_around(t, false);
    jit_fr_after_quiet_call(t);
    x86_test_al(&t->x);
    jit_add_stub(t, STUB_BAIL, u, x86_jcc(&t->x, CC_E));
    claim(t, slot, written, d->temps);
    jit_fr_left_over(t, d->temps);
    jit_fr_wrote_mem(t, d->quot, false);
}

/* Operations that stand between the instructions of the sequence. */
static void emit_others(struct jit_tr *t, const struct jit_division *d)
{
    for (const struct uop *u = d->first + 1; u < d->last; u++)
        if (harmless(u) && !jit_emitter(u->op)(t, u))
            t->failed = true;
}

bool jit_emit_division(struct jit_tr *t, const struct jit_division *d)
{
    uint64_t written[2] = {d->temps[0], d->temps[1]};
    unsigned slot = t->jit->divisions++ % FR_DIVISIONS;
    const uint64_t *wide = t->live.fr.wide;

    if (jit_known(t, d->first->qp) != 1 ||
        (!d->integers && (jit_frs_has(wide, d->num) || jit_frs_has(wide, d->den))))
        return false;
    put(written, d->quot);
    if (d->integers)
        divide_integers(t, d, slot, written);
    else
        divide_doubles(t, d, slot, written);
    for (unsigned k = 2; k < 128; k++)
        if (jit_frs_has(written, k))
            jit_fr_note_static(t, k);
    jit_forget(t, d->first->p2);
    jit_set_known(t, d->first->p2, true);
    jit_fr_release(t);
    emit_others(t, d);
    return true;
}
