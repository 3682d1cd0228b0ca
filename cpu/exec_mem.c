/* Integer loads, stores, semaphores and lfetch (SDM 1:4.4, 3:ld, st, ...).
 *
 * The common forms have handlers of their own; all speculative, advanced and checking loads share
 * one that decides at run time.
 */
#include <string.h>
#include "access.h"
#include "atomic.h"
#include "exec_mem.h"

static unsigned op_size(unsigned op, unsigned first)
{
    return 1u << (op - first);
}

/* The address operand: Register NaT Consumption when it is a NaT. */
#define CHECK_BASE_NAT(isr)                                                                        \
    do {                                                                                           \
        if (gr_nat(c, u->r3, gen))                                                                 \
            return fault_nat(c, u, isr);                                                           \
    } while (0)

/* --- plain loads --- */

#define LOAD(size)                                                                                 \
    UOP_BODY(ld##size)                                                                             \
    {                                                                                              \
        struct access_val v;                                                                       \
        CHECK_BASE_NAT(ISR_R);                                                                     \
        v = access_load(c, u, gr_get(c, u->r3, gen), size);                                        \
        if (unlikely(!v.ok))                                                                       \
            return NULL;                                                                           \
        gr_set(c, u->r1, v.v, false, gen);                                                         \
        return uop_next(c, u);                                                                     \
    }                                                                                              \
    UOP_DEFINE(ld##size)                                                                           \
    UOP_BODY(ld##size##_inc)                                                                       \
    {                                                                                              \
        struct access_val v;                                                                       \
        uint64_t va = gr_get(c, u->r3, gen);                                                       \
        CHECK_BASE_NAT(ISR_R);                                                                     \
        v = access_load(c, u, va, size);                                                           \
        if (unlikely(!v.ok))                                                                       \
            return NULL;                                                                           \
        gr_set(c, u->r1, v.v, false, gen);                                                         \
        gr_set(c, u->r3, va + (uint64_t)u->imm, false, gen);                                       \
        return uop_next(c, u);                                                                     \
    }                                                                                              \
    UOP_DEFINE(ld##size##_inc)

LOAD(1)
LOAD(2)
LOAD(4)
LOAD(8)

static const struct uop_pair plain_loads[4][2] = {
    {{ld1_fast, ld1_gen}, {ld1_inc_fast, ld1_inc_gen}},
    {{ld2_fast, ld2_gen}, {ld2_inc_fast, ld2_inc_gen}},
    {{ld4_fast, ld4_gen}, {ld4_inc_fast, ld4_inc_gen}},
    {{ld8_fast, ld8_gen}, {ld8_inc_fast, ld8_inc_gen}},
};

/* --- loads of any type --- */

bool mem_type_speculative(unsigned sub)
{
    return sub == LD_S || sub == LD_SA;
}

bool mem_type_advanced(unsigned sub)
{
    return sub == LD_A || sub == LD_SA;
}

bool mem_type_check(unsigned sub)
{
    return sub == LD_C_CLR || sub == LD_C_NC || sub == LD_C_CLR_ACQ;
}

/* Base update; the new base is NaT if the increment register is (SDM 3:ld). */
void mem_post_increment(struct cpu *c, const struct uop *u, unsigned inc)
{
    uint64_t base = cpu_gr(c, u->r3);
    bool nat = cpu_gr_nat(c, u->r3);

    if (inc == INC_NONE)
        return;
    if (inc == INC_REG) {
        base += cpu_gr(c, u->r2);
        nat |= cpu_gr_nat(c, u->r2);
    } else {
        base += (uint64_t)u->imm;
    }
    cpu_set_gr(c, u->r3, base);
    if (nat)
        cpu_set_gr_nat(c, u->r3, true);
}

/* The base update of a load with register increment uses the increment's value from before the
 * load, which may target it; r1 is written last. */
struct mem_update {
    uint64_t base;
    bool nat;
};

static struct mem_update updated_base(const struct cpu *c, const struct uop *u, unsigned inc)
{
    struct mem_update r = {cpu_gr(c, u->r3), cpu_gr_nat(c, u->r3)};

    if (inc == INC_REG) {
        r.base += cpu_gr(c, u->r2);
        r.nat |= cpu_gr_nat(c, u->r2);
    } else if (inc == INC_IMM) {
        r.base += (uint64_t)u->imm;
    }
    return r;
}

static void write_nat(struct cpu *c, unsigned n, uint64_t v, bool nat)
{
    cpu_set_gr(c, n, v);
    if (nat)
        cpu_set_gr_nat(c, n, true);
}

static unsigned gr_alat_tag(const struct cpu *c, const struct uop *u)
{
    return alat_gr(c, gr_phys(c, u->r1, true));
}

/* After the value was written: leaves the block when a fast one must not go on. */
static const struct uop *done(struct cpu *c, const struct uop *u)
{
    if (c->nat_seen && !(c->mode & 1)) {
        cpu_update_mode(c);
        return uop_exit_after(c, u);
    }
    return uop_next(c, u);
}

static uint64_t value_size_mask(unsigned size)
{
    return size == 8 ? ~0ull : (1ull << (8 * size)) - 1;
}

static const struct uop *load_typed(struct cpu *c, const struct uop *u, unsigned inc)
{
    unsigned size = op_size(u->op, OP_ld1), tag = gr_alat_tag(c, u);
    uint64_t va = cpu_gr(c, u->r3);
    bool spec = mem_type_speculative(u->sub), adv = mem_type_advanced(u->sub);
    struct mem_update up = updated_base(c, u, inc);
    struct access_ref ref = {0};
    struct access_val v = {0, ACCESS_DEFERRED};

    if (cpu_gr_nat(c, u->r3) && !spec)
        return fault_nat(c, u, ISR_R);
    if (spec && (cpu_gr_nat(c, u->r3) || (c->psr & PSR_ED))) {
        /* deferred without looking at the address (SDM 3:ld) */
    } else if (mem_type_check(u->sub) && alat_has(c, tag)) {
        v.ok = ACCESS_FAULT; /* hit: the register keeps its value */
    } else {
        unsigned flags = AF_READ | (spec ? AF_SPEC : 0) | (adv ? AF_ADVANCED : 0);

        v = access_load_slow(c, u, va, size, flags);
        if (v.ok == ACCESS_FAULT)
            return NULL;
        if (v.ok == ACCESS_OK && (adv || u->sub == LD_C_NC))
            ref = access_translate(c, u, va, 1, flags);
    }
    if (v.ok == ACCESS_OK) {
        alat_remove(c, tag);
        if (ref.ok == ACCESS_OK && ref.ma == MA_WB)
            alat_insert(c, tag, ref.pa, size);
        write_nat(c, u->r1, v.v & value_size_mask(size), false);
    } else if (v.ok == ACCESS_DEFERRED) {
        alat_remove(c, tag);
        write_nat(c, u->r1, 0, spec); /* ld.a where loads have effects: 0 (SDM 3:ld) */
    } else if (u->sub != LD_C_NC) {
        alat_remove(c, tag);
    }
    if (inc != INC_NONE)
        write_nat(c, u->r3, up.base, up.nat);
    return done(c, u);
}

#define TYPED(name, inc)                                                                           \
    static const struct uop *name(struct cpu *c, const struct uop *u)                              \
    {                                                                                              \
        if (!pr_get(c, u->qp, c->mode & 1))                                                        \
            return uop_next(c, u);                                                                 \
        return load_typed(c, u, inc);                                                              \
    }

TYPED(load_typed_none, INC_NONE)
TYPED(load_typed_reg, INC_REG)
TYPED(load_typed_imm, INC_IMM)

static uop_fn *const typed_loads[] = {load_typed_none, load_typed_reg, load_typed_imm};

/* --- ld8.fill, st8.spill, ld16, st16 --- */

static const struct uop *fill(struct cpu *c, const struct uop *u, unsigned inc)
{
    uint64_t va = cpu_gr(c, u->r3);
    struct mem_update up = updated_base(c, u, inc);
    struct access_val v;
    bool nat;

    if (cpu_gr_nat(c, u->r3))
        return fault_nat(c, u, ISR_R);
    v = access_load(c, u, va, 8);
    if (!v.ok)
        return NULL;
    nat = c->unat >> (va >> 3 & 63) & 1;
    write_nat(c, u->r1, v.v, nat);
    if (inc != INC_NONE)
        write_nat(c, u->r3, up.base, up.nat);
    return done(c, u);
}

UOP_BODY(ld8_fill)
{
    (void)gen;
    return fill(c, u, INC_NONE);
}
UOP_DEFINE(ld8_fill)
UOP_BODY(ld8_fill_reg)
{
    (void)gen;
    return fill(c, u, INC_REG);
}
UOP_DEFINE(ld8_fill_reg)
UOP_BODY(ld8_fill_imm)
{
    (void)gen;
    return fill(c, u, INC_IMM);
}
UOP_DEFINE(ld8_fill_imm)

static const struct uop_pair fills[] = {
    {ld8_fill_fast, ld8_fill_gen},
    {ld8_fill_reg_fast, ld8_fill_reg_gen},
    {ld8_fill_imm_fast, ld8_fill_imm_gen},
};

ALWAYS_INLINE const struct uop *spill(struct cpu *c, const struct uop *u, bool inc, bool gen)
{
    uint64_t va = gr_get(c, u->r3, gen), bit;

    CHECK_BASE_NAT(ISR_W);
    if (!access_store(c, u, va, 8, gr_get(c, u->r2, gen)))
        return NULL;
    bit = 1ull << (va >> 3 & 63);
    c->unat = (c->unat & ~bit) | (gr_nat(c, u->r2, gen) ? bit : 0);
    if (inc)
        gr_set(c, u->r3, va + (uint64_t)u->imm, false, gen);
    return uop_next(c, u);
}

UOP_BODY(st8_spill)
{
    return spill(c, u, false, gen);
}
UOP_DEFINE(st8_spill)
UOP_BODY(st8_spill_inc)
{
    return spill(c, u, true, gen);
}
UOP_DEFINE(st8_spill_inc)

UOP_BODY(ld16)
{
    struct access_wide w;

    CHECK_BASE_NAT(ISR_R);
    w = access_load_wide(c, u, gr_get(c, u->r3, gen), 16, AF_READ | AF_SEMA);
    if (!w.ok)
        return NULL;
    /* Big-endian: the whole 16 bytes are reversed, so r1 always holds the low address's half
     * (SDM 3:ld, 16-byte form). */
    gr_set(c, u->r1, c->psr & PSR_BE ? w.hi : w.lo, false, gen);
    c->csd = c->psr & PSR_BE ? w.lo : w.hi;
    return uop_next(c, u);
}
UOP_DEFINE_GEN(ld16)

UOP_BODY(st16)
{
    uint64_t r = gr_get(c, u->r2, gen);
    bool be = c->psr & PSR_BE;

    if (gr_nat(c, u->r2, gen) || gr_nat(c, u->r3, gen))
        return fault_nat(c, u, ISR_W);
    if (!access_store_wide(c, u, gr_get(c, u->r3, gen), 16, be ? c->csd : r, be ? r : c->csd,
                           AF_WRITE | AF_SEMA))
        return NULL;
    return uop_next(c, u);
}
UOP_DEFINE_GEN(st16)

/* --- stores --- */

#define STORE(size)                                                                                \
    UOP_BODY(st##size)                                                                             \
    {                                                                                              \
        if (gr_nat(c, u->r2, gen) || gr_nat(c, u->r3, gen))                                        \
            return fault_nat(c, u, ISR_W);                                                         \
        if (unlikely(!access_store(c, u, gr_get(c, u->r3, gen), size, gr_get(c, u->r2, gen))))     \
            return NULL;                                                                           \
        return uop_next(c, u);                                                                     \
    }                                                                                              \
    UOP_DEFINE(st##size)                                                                           \
    UOP_BODY(st##size##_inc)                                                                       \
    {                                                                                              \
        uint64_t va = gr_get(c, u->r3, gen);                                                       \
        if (gr_nat(c, u->r2, gen) || gr_nat(c, u->r3, gen))                                        \
            return fault_nat(c, u, ISR_W);                                                         \
        if (unlikely(!access_store(c, u, va, size, gr_get(c, u->r2, gen))))                        \
            return NULL;                                                                           \
        gr_set(c, u->r3, va + (uint64_t)u->imm, false, gen);                                       \
        return uop_next(c, u);                                                                     \
    }                                                                                              \
    UOP_DEFINE(st##size##_inc)

STORE(1)
STORE(2)
STORE(4)
STORE(8)

static const struct uop_pair stores[4][2] = {
    {{st1_fast, st1_gen}, {st1_inc_fast, st1_inc_gen}},
    {{st2_fast, st2_gen}, {st2_inc_fast, st2_inc_gen}},
    {{st4_fast, st4_gen}, {st4_inc_fast, st4_inc_gen}},
    {{st8_fast, st8_gen}, {st8_inc_fast, st8_inc_gen}},
};

/* --- semaphores (SDM 1:4.4.7) --- */

/* Between a value and how it stands in memory. */
static uint64_t in_order(const struct cpu *c, unsigned size, uint64_t v)
{
    return c->psr & PSR_BE ? __builtin_bswap64(v) >> (64 - 8 * size) : v;
}

/* The operand was written. */
static void note_stored(struct cpu *c, const struct access_ref *r, unsigned size)
{
    if (mem_watches(c->mem, r->pa))
        mem_written(c->mem, r->pa, size);
    alat_store(c, r->pa, size);
}

/* Host address of a semaphore operand. Semaphores need a cacheable page; fetchadd may also be
 * exported (UCE). Otherwise: Unsupported Data Reference fault. */
static struct access_ref sema_ref(struct cpu *c, const struct uop *u, uint64_t va, unsigned size,
                                  bool exported)
{
    unsigned flags = AF_READ | AF_WRITE | AF_SEMA;
    struct access_ref r = access_translate(c, u, va, size, flags);

    if (r.ok != ACCESS_OK)
        return r;
    if ((r.ma != MA_WB && !(exported && r.ma == MA_UCE)) || !r.host) {
        mem_unsupported(c, u, va, ISR_R | ISR_W);
        r.ok = ACCESS_FAULT;
    }
    return r;
}

#define SEMA_OPERANDS(size, exported)                                                              \
    struct access_ref ref;                                                                         \
    if (gr_nat(c, u->r3, gen) || gr_nat(c, u->r2, gen))                                            \
        return fault_nat(c, u, ISR_R | ISR_W);                                                     \
    ref = sema_ref(c, u, gr_get(c, u->r3, gen), size, exported);                                   \
    if (ref.ok != ACCESS_OK)                                                                       \
        return NULL;

UOP_BODY(xchg)
{
    unsigned size = op_size(u->op, OP_xchg1);
    uint64_t old, new = gr_get(c, u->r2, gen);

    SEMA_OPERANDS(size, false)
    old = atomic_guest_load(ref.host, size);
    while (!atomic_guest_cas(ref.host, size, &old, in_order(c, size, new)))
        continue;
    note_stored(c, &ref, size);
    gr_set(c, u->r1, in_order(c, size, old), false, gen);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(xchg)

/* AR.CCV has 8 bytes; a shorter operand equals it only if the others are 0 (SDM 3:cmpxchg). */
UOP_BODY(cmpxchg)
{
    unsigned size = op_size(u->op, OP_cmpxchg1);
    uint64_t old, new = gr_get(c, u->r2, gen);

    SEMA_OPERANDS(size, false)
    old = atomic_guest_load(ref.host, size);
    while (in_order(c, size, old) == c->ccv) {
        if (atomic_guest_cas(ref.host, size, &old, in_order(c, size, new))) {
            note_stored(c, &ref, size);
            break;
        }
    }
    gr_set(c, u->r1, in_order(c, size, old), false, gen);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(cmpxchg)

/* Compares 8 bytes, exchanges the aligned 16 around them (SDM 3:cmp8xchg16). */
UOP_BODY(cmp8xchg16)
{
    uint64_t va = gr_get(c, u->r3, gen);
    uint64_t pair[2], new[2] = {in_order(c, 8, gr_get(c, u->r2, gen)), in_order(c, 8, c->csd)};
    unsigned half = va >> 3 & 1;
    uint8_t *host;

    SEMA_OPERANDS(8, false)
    host = ref.host - 8 * half;
    atomic_guest_load16(host, pair);
    while (in_order(c, 8, pair[half]) == c->ccv) {
        if (atomic_guest_cas16(host, pair, new)) {
            ref.pa -= 8 * half;
            note_stored(c, &ref, 16);
            break;
        }
    }
    gr_set(c, u->r1, in_order(c, 8, pair[half]), false, gen);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(cmp8xchg16)

UOP_BODY(fetchadd)
{
    unsigned size = u->op == OP_fetchadd4 ? 4 : 8;
    struct access_ref ref;
    uint64_t old, sum;

    CHECK_BASE_NAT(ISR_R | ISR_W);
    ref = sema_ref(c, u, gr_get(c, u->r3, gen), size, true);
    if (ref.ok != ACCESS_OK)
        return NULL;
    old = atomic_guest_load(ref.host, size);
    do {
        sum = in_order(c, size, old) + (uint64_t)u->imm;
    } while (!atomic_guest_cas(ref.host, size, &old, in_order(c, size, sum)));
    note_stored(c, &ref, size);
    gr_set(c, u->r1, in_order(c, size, old), false, gen);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(fetchadd)

/* --- lfetch --- */

static const struct uop *lfetch(struct cpu *c, const struct uop *u, unsigned inc)
{
    /* PSR.ed makes it an lfetch without fault for once (SDM 2:3.3.2). */
    if ((u->sub & LFETCH_FAULT) && !(c->psr & PSR_ED)) {
        if (cpu_gr_nat(c, u->r3))
            return fault_nat(c, u, ISR_R | ISR_NA | 4);
        if (!access_readable(c, cpu_gr(c, u->r3)) &&
            access_translate(c, u, cpu_gr(c, u->r3), 1, AF_READ | ACC_NONACCESS | 4u << AF_NA_SHIFT)
                    .ok != ACCESS_OK)
            return NULL;
    }
    mem_post_increment(c, u, inc);
    return done(c, u);
}

#define LFETCH(name, inc)                                                                          \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        (void)gen;                                                                                 \
        return lfetch(c, u, inc);                                                                  \
    }                                                                                              \
    UOP_DEFINE(name)
LFETCH(lfetch_none, INC_NONE)
LFETCH(lfetch_reg, INC_REG)
LFETCH(lfetch_imm, INC_IMM)

static const struct uop_pair lfetches[] = {
    {lfetch_none_fast, lfetch_none_gen},
    {lfetch_reg_fast, lfetch_reg_gen},
    {lfetch_imm_fast, lfetch_imm_gen},
};

/* --- choice --- */

static const struct uop_pair others[OP_COUNT] = {
    UOP_PAIR_GEN(OP_ld16, ld16),
    UOP_PAIR_GEN(OP_st16, st16),
    UOP_PAIR_GEN(OP_xchg1, xchg),
    UOP_PAIR_GEN(OP_xchg2, xchg),
    UOP_PAIR_GEN(OP_xchg4, xchg),
    UOP_PAIR_GEN(OP_xchg8, xchg),
    UOP_PAIR_GEN(OP_cmpxchg1, cmpxchg),
    UOP_PAIR_GEN(OP_cmpxchg2, cmpxchg),
    UOP_PAIR_GEN(OP_cmpxchg4, cmpxchg),
    UOP_PAIR_GEN(OP_cmpxchg8, cmpxchg),
    UOP_PAIR_GEN(OP_cmp8xchg16, cmp8xchg16),
    UOP_PAIR_GEN(OP_fetchadd4, fetchadd),
    UOP_PAIR_GEN(OP_fetchadd8, fetchadd),
};

static bool is_int_load(unsigned op)
{
    return op >= OP_ld1 && op <= OP_ld8;
}

static uop_fn *pick(const struct uop_pair *p, bool gen)
{
    return gen ? p->gen : p->fast;
}

static uop_fn *load_handler(const struct insn *i, bool gen)
{
    bool plain = i->sub == LD_NONE || i->sub == LD_ACQ || i->sub == LD_BIAS;
    unsigned size = i->op - OP_ld1;

    if (i->r1 == 0 || (i->inc != INC_NONE && (i->r3 == 0 || i->r1 == i->r3)))
        return exec_illegal_handler();
    if (plain && i->inc != INC_REG)
        return pick(&plain_loads[size][i->inc != INC_NONE], gen);
    return typed_loads[i->inc];
}

uop_fn *exec_mem_handler(const struct insn *i, bool gen)
{
    bool writes_base = i->inc != INC_NONE;

    if (is_int_load(i->op))
        return load_handler(i, gen);
    if (i->op >= OP_st1 && i->op <= OP_st8)
        return writes_base && i->r3 == 0 ? exec_illegal_handler()
                                         : pick(&stores[i->op - OP_st1][writes_base], gen);
    if (i->op == OP_ld8_fill)
        return i->r1 == 0 || (writes_base && (i->r3 == 0 || i->r1 == i->r3))
                   ? exec_illegal_handler()
                   : pick(&fills[i->inc], gen);
    if (i->op == OP_st8_spill) {
        if (writes_base && i->r3 == 0)
            return exec_illegal_handler();
        return writes_base ? (gen ? st8_spill_inc_gen : st8_spill_inc_fast)
                           : (gen ? st8_spill_gen : st8_spill_fast);
    }
    if (i->op == OP_lfetch)
        return writes_base && i->r3 == 0 ? exec_illegal_handler() : pick(&lfetches[i->inc], gen);
    if (!others[i->op].fast)
        return NULL;
    if (i->r1 == 0 && i->op != OP_st16)
        return exec_illegal_handler();
    return pick(&others[i->op], gen);
}
