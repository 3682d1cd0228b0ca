/* Floating-point registers during translation. See fr_state.h. */
#include "fr_state.h"
#include <string.h>
#include "divide.h"
#include "jit_impl.h"

#define XMMS  16u
#define NO_FR 0xffu

static void set_bit(uint64_t set[2], unsigned n)
{
    set[n >> 6] |= 1ull << (n & 63);
}

static void drop_bit(uint64_t set[2], unsigned n)
{
    set[n >> 6] &= ~(1ull << (n & 63));
}

static struct jit_frs *frs(struct jit_tr *t)
{
    return &t->live.fr;
}

/* --- thunks --- */

/* rax: the double without its sign, rcx: exponent and sign. */
static void return_double(struct x86 *x)
{
    x86_shift_ri(x, X86_SHR, false, RCX, 17);
    x86_shift_ri(x, X86_SHL, true, RCX, 63);
    x86_alu_rr(x, X86_OR, true, RAX, RCX); /* no carry */
    x86_ret(x);
}

/* Zeros and infinities: nothing but an integer bit in rax, edx the exponent less 0xfc01. */
static void special_to_double(struct x86 *x, uint8_t *fail[4])
{
    uint8_t *zero, *infinite;

    x86_alu_ri(x, X86_CMP, false, RDX, -0xfc01);
    zero = x86_jcc(x, CC_E);
    x86_alu_ri(x, X86_CMP, false, RDX, FP_EXP_SPEC - 0xfc01);
    fail[0] = x86_jcc(x, CC_NE);
    x86_alu_rr(x, X86_ADD, true, RAX, RAX);
    fail[1] = x86_jcc(x, CC_NE);
    fail[2] = x86_jcc(x, CC_AE);
    x86_mov_ri(x, RAX, 0x7ffull << 52);
    infinite = x86_jmp(x);
    x86_bind_here(x, zero);
    x86_test_rr(x, true, RAX, RAX);
    fail[3] = x86_jcc(x, CC_NE);
    x86_bind_here(x, infinite);
    return_double(x);
}

static void emit_to_double(struct x86 *x)
{
    uint8_t *special, *denormal, *fail[7];

    x86_load(x, RAX, RDX, offsetof(struct fpreg, sig));
    x86_alu_rm(x, X86_MOV, false, RCX, RDX, offsetof(struct fpreg, exp));
    x86_alu_rr(x, X86_MOV, false, RDX, RCX);
    x86_alu_ri(x, X86_AND, false, RDX, FP_EXP_MASK);
    x86_alu_ri(x, X86_SUB, false, RDX, 0xfc01);
    x86_alu_ri(x, X86_CMP, false, RDX, 0x7fe);
    special = x86_jcc(x, CC_AE);
    x86_test_ri(x, RAX, 0x7ff);
    fail[0] = x86_jcc(x, CC_NE);
    x86_test_rr(x, true, RAX, RAX);
    denormal = x86_jcc(x, CC_NS);
    x86_alu_rr(x, X86_ADD, true, RAX, RAX);
    x86_shift_ri(x, X86_SHR, true, RAX, 12);
    x86_alu_ri(x, X86_ADD, false, RDX, 1);
    x86_shift_ri(x, X86_SHL, true, RDX, 52);
    x86_alu_rr(x, X86_OR, true, RAX, RDX);
    return_double(x);
    x86_bind_here(x, denormal);
    fail[1] = x86_jcc(x, CC_E);
    x86_test_rr(x, false, RDX, RDX);
    fail[2] = x86_jcc(x, CC_NE);
    x86_shift_ri(x, X86_SHR, true, RAX, 11);
    return_double(x);
    x86_bind_here(x, special);
    special_to_double(x, fail + 3);
    for (unsigned k = 0; k < 7; k++)
        x86_bind_here(x, fail[k]);
    x86_stc(x);
    x86_ret(x);
}

static void emit_to_reg(struct x86 *x)
{
    uint8_t *small, *special, *zero;

    x86_mov_rr(x, RCX, RAX);
    x86_shift_ri(x, X86_SHL, true, RAX, 12);
    x86_shift_ri(x, X86_SHR, true, RAX, 1);
    x86_shift_ri(x, X86_SHR, true, RCX, 52);
    x86_test_ri(x, RCX, 0x7ff);
    small = x86_jcc(x, CC_E);
    x86_bit_ri(x, X86_BTS, RAX, 63);
    x86_store(x, RDX, offsetof(struct fpreg, sig), RAX);
    x86_alu_rr(x, X86_MOV, false, RAX, RCX);
    x86_alu_ri(x, X86_AND, false, RAX, 0x7ff);
    x86_alu_ri(x, X86_ADD, false, RAX, 0xfc00);
    x86_alu_ri(x, X86_CMP, false, RAX, 0xfc00 + 0x7ff);
    special = x86_jcc(x, CC_NE);
    x86_mov_ri(x, RAX, FP_EXP_SPEC);
    x86_bind_here(x, special);
    x86_shift_ri(x, X86_SHR, false, RCX, 11);
    x86_shift_ri(x, X86_SHL, false, RCX, 17);
    x86_alu_rr(x, X86_OR, false, RAX, RCX);
    x86_alu_mr(x, X86_MOV, false, RDX, offsetof(struct fpreg, exp), RAX);
    x86_ret(x);
    x86_bind_here(x, small); /* denormal or zero */
    x86_store(x, RDX, offsetof(struct fpreg, sig), RAX);
    x86_shift_ri(x, X86_SHR, false, RCX, 11);
    x86_shift_ri(x, X86_SHL, false, RCX, 17);
    x86_test_rr(x, true, RAX, RAX);
    zero = x86_jcc(x, CC_E);
    x86_alu_ri(x, X86_OR, false, RCX, 0xfc01);
    x86_bind_here(x, zero);
    x86_alu_mr(x, X86_MOV, false, RDX, offsetof(struct fpreg, exp), RCX);
    x86_ret(x);
}

void jit_fr_thunks(struct jit *j)
{
    static void (*const emit[])(struct x86 *) = {emit_to_double, emit_to_reg};
    uint32_t *const at[] = {&j->thunks.to_double, &j->thunks.to_reg};

    jit_emit_routines(j, emit, at, sizeof emit / sizeof *emit);
}

static void call_thunk(struct jit_tr *t, uint32_t offset)
{
    x86_call_to(&t->x, t->jit->arena.rw + offset);
}

/* The flags of what comes are the host's again. */
static void clean_flags(struct jit_tr *t)
{
    if (t->fp_arith)
        call_thunk(t, t->jit->flags.clean);
}

/* --- SSE registers --- */

/* FR n's value, if it is there only, has to be in cpu.fd already. */
static void forget_xmm(struct jit_tr *t, unsigned x)
{
    if (t->xmm_fr[x] != NO_FR)
        frs(t)->x[t->xmm_fr[x]] = JIT_NO_XMM;
    t->xmm_fr[x] = NO_FR;
}

static void evict(struct jit_tr *t, unsigned x)
{
    unsigned n = t->xmm_fr[x];

    if (jit_frs_has(frs(t)->stale, n)) {
        sse_store(&t->x, JR_CPU, FD_OFF(n), x);
        drop_bit(frs(t)->stale, n);
    }
    forget_xmm(t, x);
}

static unsigned new_xmm(struct jit_tr *t)
{
    unsigned best = 0;

    for (unsigned x = JIT_FIRST_XMM; x < XMMS; x++) {
        if (t->xmm_fr[x] == NO_FR && !(t->xmm_held >> x & 1))
            return x;
        if (!((t->xmm_held | t->xmm_loop) >> x & 1) &&
            (best == 0 || t->xmm_age[x] < t->xmm_age[best]))
            best = x;
    }
    if (best == 0) {
        t->failed = true;
        return JIT_FIRST_XMM;
    }
    evict(t, best);
    return best;
}

static void own(struct jit_tr *t, unsigned x, unsigned n)
{
    t->xmm_fr[x] = (uint8_t)n;
    frs(t)->x[n] = (uint8_t)x;
}

static void hold(struct jit_tr *t, unsigned x)
{
    t->xmm_held |= 1u << x;
    t->xmm_age[x] = ++t->xmm_clock;
}

void jit_fr_release(struct jit_tr *t)
{
    t->xmm_held = 0;
}

/* --- forms --- */

static bool known(const struct jit_frs *f, unsigned n)
{
    return jit_frs_has(f->dbl, n) || jit_frs_has(f->mem, n);
}

static void test_bit(struct jit_tr *t, int32_t set, unsigned n)
{
    x86_test_mb(&t->x, JR_CPU, set + (int32_t)(n >> 3), 1u << (n & 7));
}

/* Nothing is known of it yet: the bit decides, and a stub converts. */
static void first_as_double(struct jit_tr *t, const struct uop *u, unsigned n)
{
    struct jit_stub *s;

    test_bit(t, CPU_OFF(fr_dbl), n);
    s = jit_add_stub(t, STUB_FR_LOAD, u, x86_jcc(&t->x, CC_E));
    s->reg = (uint8_t)n;
    s->back = t->x.p;
    set_bit(frs(t)->dbl, n);
}

static void mem_to_double(struct jit_tr *t, const struct uop *u, unsigned n)
{
    unsigned x = frs(t)->x[n];

    if (x == JIT_NO_XMM)
        x = new_xmm(t);
    x86_lea(&t->x, RDX, JR_CPU, FR_OFF(n));
    call_thunk(t, t->jit->thunks.to_double);
    jit_add_stub(t, STUB_BAIL, u, x86_jcc(&t->x, CC_B));
    sse_from_gr(&t->x, x, RAX);
    own(t, x, n);
    set_bit(frs(t)->dbl, n);
    set_bit(frs(t)->stale, n);
}

unsigned jit_fr_double(struct jit_tr *t, const struct uop *u, unsigned n)
{
    if (n >= 2 && !known(frs(t), n))
        first_as_double(t, u, n);
    if (n >= 2 && !jit_frs_has(frs(t)->dbl, n))
        mem_to_double(t, u, n);
    if (frs(t)->x[n] == JIT_NO_XMM) {
        unsigned x = new_xmm(t);

        sse_load(&t->x, x, JR_CPU, FD_OFF(n));
        own(t, x, n);
    }
    hold(t, frs(t)->x[n]);
    return frs(t)->x[n];
}

unsigned jit_fr_target(struct jit_tr *t, unsigned n)
{
    unsigned x = frs(t)->x[n];

    if (x == JIT_NO_XMM)
        x = new_xmm(t);
    hold(t, x);
    return x;
}

void jit_fr_wrote_double(struct jit_tr *t, unsigned n, unsigned x)
{
    struct jit_frs *f = frs(t);

    own(t, x, n);
    set_bit(f->dbl, n);
    set_bit(f->stale, n);
    set_bit(f->set, n);
    drop_bit(f->mem, n);
    drop_bit(f->clear, n);
    drop_bit(f->wide, n);
}

static void settle_if_away(struct jit_tr *t, const struct uop *u, unsigned n, int32_t set)
{
    struct jit_stub *s;

    test_bit(t, set, n);
    s = jit_add_stub(t, STUB_FR_SETTLE, u, x86_jcc(&t->x, CC_NE));
    s->reg = (uint8_t)n;
    s->back = t->x.p;
}

void jit_fr_mem(struct jit_tr *t, const struct uop *u, unsigned n)
{
    struct jit_frs *f = frs(t);

    if (n < 2 || jit_frs_has(f->mem, n))
        return;
    if (!jit_frs_has(f->dbl, n)) {
        settle_if_away(t, u, n, CPU_OFF(fr_dbl));
        settle_if_away(t, u, n, CPU_OFF(fr_lazy));
        set_bit(f->mem, n);
        return;
    }
    if (f->x[n] != JIT_NO_XMM)
        sse_to_gr(&t->x, RAX, f->x[n]);
    else
        x86_load(&t->x, RAX, JR_CPU, FD_OFF(n));
    x86_lea(&t->x, RDX, JR_CPU, FR_OFF(n));
    call_thunk(t, t->jit->thunks.to_reg);
    set_bit(f->mem, n);
    set_bit(f->clear, n);
    drop_bit(f->set, n);
}

void jit_fr_wrote_mem(struct jit_tr *t, unsigned n, bool wide)
{
    struct jit_frs *f = frs(t);

    if (f->x[n] != JIT_NO_XMM && !(t->xmm_loop >> f->x[n] & 1))
        forget_xmm(t, f->x[n]);
    drop_bit(f->dbl, n);
    drop_bit(f->stale, n);
    drop_bit(f->set, n);
    set_bit(f->mem, n);
    set_bit(f->clear, n);
    if (wide)
        set_bit(f->wide, n);
    else
        drop_bit(f->wide, n);
}

static void apply_mask(struct jit_tr *t, enum x86_alu op, int32_t at, const uint64_t set[2])
{
    for (unsigned k = 0; k < 4; k++) {
        uint32_t m = (uint32_t)(set[k >> 1] >> (k & 1) * 32);

        if (m)
            x86_alu_mi(&t->x, op, false, JR_CPU, at + (int32_t)k * 4,
                       (int32_t)(op == X86_AND ? ~m : m));
    }
}

void jit_fr_left_over(struct jit_tr *t, const uint64_t set[2])
{
    struct jit_frs *f = frs(t);

    apply_mask(t, X86_AND, CPU_OFF(fr_dbl), set);
    for (unsigned n = 2; n < 128; n++)
        if (jit_frs_has(set, n) && f->x[n] != JIT_NO_XMM && !(t->xmm_loop >> f->x[n] & 1))
            forget_xmm(t, f->x[n]);
    for (unsigned k = 0; k < 2; k++) {
        f->dbl[k] &= ~set[k];
        f->mem[k] &= ~set[k];
        f->stale[k] &= ~set[k];
        f->set[k] &= ~set[k];
        f->clear[k] &= ~set[k];
        f->wide[k] &= ~set[k];
    }
}

static unsigned mf_of(unsigned n)
{
    return n < 32 ? PSR_MFL : PSR_MFH;
}

void jit_fr_note_static(struct jit_tr *t, unsigned n)
{
    frs(t)->mf |= mf_of(n);
}

void jit_fr_note(struct jit_tr *t, unsigned n)
{
    x86_alu_mi(&t->x, X86_OR, false, JR_CPU, CPU_OFF(psr), (int32_t)mf_of(n));
}

/* --- memory --- */

static void store_frs(struct jit_tr *t, const struct jit_frs *f)
{
    for (unsigned n = 2; n < 128; n++)
        if (jit_frs_has(f->stale, n) && f->x[n] != JIT_NO_XMM)
            sse_store(&t->x, JR_CPU, FD_OFF(n), f->x[n]);
    apply_mask(t, X86_OR, CPU_OFF(fr_dbl), f->set);
    apply_mask(t, X86_AND, CPU_OFF(fr_dbl), f->clear);
    apply_mask(t, X86_AND, CPU_OFF(fr_lazy), f->clear);
    if (f->mf)
        x86_alu_mi(&t->x, X86_OR, false, JR_CPU, CPU_OFF(psr), (int32_t)f->mf);
}

void jit_fr_write_back(struct jit_tr *t, const struct jit_live *l)
{
    store_frs(t, &l->fr);
}

void jit_fr_reload(struct jit_tr *t, const struct jit_live *l, unsigned except)
{
    for (unsigned n = 0; n < 128; n++)
        if (l->fr.x[n] != JIT_NO_XMM && (n != except || n == 0))
            sse_load(&t->x, l->fr.x[n], JR_CPU, FD_OFF(n));
    clean_flags(t);
}

static void drop_all(struct jit_tr *t, bool keep_doubles)
{
    struct jit_frs *f = frs(t);

    for (unsigned x = JIT_FIRST_XMM; x < XMMS; x++)
        if (!(t->xmm_loop >> x & 1))
            forget_xmm(t, x);
    for (unsigned k = 0; k < 2; k++) {
        if (!keep_doubles) {
            f->dbl[k] &= t->fr_loop[k];
            f->mem[k] &= t->fr_loop[k];
            f->wide[k] = 0;
        }
        f->stale[k] = f->set[k] = f->clear[k] = 0;
    }
    f->dbl[0] |= 3;
    f->mem[0] |= 3;
    f->mf = 0;
}

void jit_fr_before_call(struct jit_tr *t)
{
    for (unsigned x = JIT_FIRST_XMM; x < XMMS; x++) {
        if (t->xmm_fr[x] == NO_FR)
            continue;
        if (!(t->xmm_loop >> x & 1)) {
            evict(t, x);
        } else if (jit_frs_has(frs(t)->stale, t->xmm_fr[x])) {
            sse_store(&t->x, JR_CPU, FD_OFF(t->xmm_fr[x]), x);
            drop_bit(frs(t)->stale, t->xmm_fr[x]);
        }
    }
}

void jit_fr_after_quiet_call(struct jit_tr *t)
{
    for (unsigned x = JIT_FIRST_XMM; x < XMMS; x++)
        if (t->xmm_loop >> x & 1)
            sse_load(&t->x, x, JR_CPU, FD_OFF(t->xmm_fr[x]));
}

void jit_fr_after_call(struct jit_tr *t)
{
    jit_fr_after_quiet_call(t);
    clean_flags(t);
}

void jit_fr_after_handler(struct jit_tr *t, const struct uop *u)
{
    drop_all(t, !jit_fr_touches(u));
    jit_fr_reload(t, &t->live, 0);
}

/* --- loops --- */

struct fr_use {
    uint16_t count[128];
    uint64_t other[2]; /* used by something else than operations on doubles */
};

static void count_division(struct fr_use *c, const struct jit_division *d)
{
    const uint8_t operands[] = {d->num, d->den, d->quot};

    for (unsigned k = 0; k < sizeof operands; k++) {
        c->count[operands[k]]++;
        if (d->integers)
            set_bit(c->other, operands[k]);
    }
    for (unsigned k = 0; k < 2; k++)
        c->other[k] |= d->temps[k];
    for (const struct uop *u = d->first + 1; u < d->last; u++)
        if (u->op == OP_setf_sig)
            set_bit(c->other, u->r1);
}

/* Counts one operation; the result is the last one it stands for. */
static const struct uop *count_op(struct fr_use *c, const struct uop *u, const struct uop *end)
{
    const uint8_t all[] = {u->r1, u->r2, u->r3, u->r4};
    uint8_t src[3] = {0}, dst = 0;
    struct jit_division d;

    if (jit_division_match(u, end, &d)) {
        count_division(c, &d);
        return d.last;
    }
    if (jit_fr_double_op(u, src, &dst)) {
        for (unsigned k = 0; k < 3; k++)
            c->count[src[k]]++;
        c->count[dst]++;
    } else if (jit_fr_touches(u)) {
        for (unsigned k = 0; k < sizeof all; k++)
            if (all[k] < 128)
                set_bit(c->other, all[k]);
    }
    return u;
}

void jit_fr_begin(struct jit_tr *t)
{
    memset(frs(t)->x, JIT_NO_XMM, sizeof frs(t)->x);
    memset(t->xmm_fr, NO_FR, sizeof t->xmm_fr);
    frs(t)->dbl[0] = frs(t)->mem[0] = 3; /* f0 and f1 */
    for (unsigned k = 1; k < t->b->count; k++) {
        const struct uop *u = &t->b->uops[k];

        if (u->fn && jit_fr_computes(u))
            t->fp_arith = true;
    }
}

void jit_fr_loop_set(struct jit_tr *t)
{
    const struct uop *end = &t->b->uops[t->b->count];
    struct fr_use use = {0};

    for (const struct uop *u = &t->b->uops[1]; u < end; u++)
        if (u->fn)
            u = count_op(&use, u, end);
    use.count[0] = 0;
    for (unsigned x = 0; x < JIT_LOOP_XMMS; x++) {
        unsigned best = 0;

        for (unsigned n = 2; n < 128; n++)
            if (use.count[n] > use.count[best] && !jit_frs_has(use.other, n))
                best = n;
        if (best == 0 || use.count[best] == 0)
            return;
        use.count[best] = 0;
        set_bit(t->fr_loop, best);
        own(t, JIT_FIRST_XMM + x, best);
        t->xmm_loop |= 1u << (JIT_FIRST_XMM + x);
    }
}

void jit_fr_loop_enter(struct jit_tr *t)
{
    struct jit_frs *f = frs(t);

    for (unsigned n = 2; n < 128; n++) {
        struct jit_stub *s;

        if (!jit_frs_has(t->fr_loop, n))
            continue;
        test_bit(t, CPU_OFF(fr_dbl), n);
        s = jit_add_stub(t, STUB_FR_ENTER, &t->b->uops[0], x86_jcc(&t->x, CC_E));
        s->reg = (uint8_t)n;
        s->back = t->x.p;
        sse_load(&t->x, f->x[n], JR_CPU, FD_OFF(n));
        set_bit(f->dbl, n);
    }
    /* From here on as if they had been written: so they are when coming around. */
    for (unsigned k = 0; k < 2; k++)
        f->stale[k] = f->set[k] = t->fr_loop[k];
}

void jit_fr_loop_back(struct jit_tr *t, const struct uop *u, struct jit_live *l)
{
    struct jit_frs rest = l->fr;

    for (unsigned n = 2; n < 128; n++) {
        if (!jit_frs_has(t->fr_loop, n) || jit_frs_has(l->fr.dbl, n))
            continue;
        x86_lea(&t->x, RDX, JR_CPU, FR_OFF(n));
        call_thunk(t, t->jit->thunks.to_double);
        jit_add_stub(t, STUB_LEAVE, u, x86_jcc(&t->x, CC_B))->live = *l;
        sse_from_gr(&t->x, l->fr.x[n], RAX);
    }
    for (unsigned k = 0; k < 2; k++) {
        rest.stale[k] &= ~t->fr_loop[k];
        rest.set[k] &= ~t->fr_loop[k];
        rest.clear[k] &= ~t->fr_loop[k];
    }
    store_frs(t, &rest);
}

uint8_t *jit_fr_enter_flags(struct jit_tr *t)
{
    uint8_t *live, *unusual;

    if (!t->fp_arith)
        return NULL;
    x86_cmp_mb(&t->x, JR_CPU, CPU_OFF(flags_live), 0);
    live = x86_jcc(&t->x, CC_NE);
    call_thunk(t, t->jit->flags.enter);
    unusual = x86_jcc(&t->x, CC_B);
    x86_bind_here(&t->x, live);
    return unusual;
}
