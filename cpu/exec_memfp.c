/* Floating-point loads and stores (SDM 3:ldf, ldfp, stf). Conversions are fp.h's. */
#include "access.h"
#include "exec_mem.h"

/* --- conversions by operation --- */

static unsigned access_size(unsigned op)
{
    switch (op) {
    case OP_ldfs:
    case OP_stfs:
    case OP_ldfps:
        return 4;
    case OP_ldfe:
    case OP_stfe:
        return 10;
    case OP_ldf_fill:
    case OP_stf_spill:
        return 16;
    default:
        return 8;
    }
}

static struct fpreg from_memory(unsigned op, uint64_t lo, uint64_t hi)
{
    switch (op) {
    case OP_ldfs:
    case OP_ldfps:
        return fp_from_single((uint32_t)lo);
    case OP_ldfd:
    case OP_ldfpd:
        return fp_from_double(lo);
    case OP_ldfe:
        return fp_from_ext(lo, (uint16_t)hi);
    case OP_ldf_fill:
        return fp_from_fill(lo, hi);
    default:
        return fp_from_sig(lo);
    }
}

static struct access_wide to_memory(unsigned op, const struct fpreg *f)
{
    switch (op) {
    case OP_stfs:
        return (struct access_wide){fp_to_single(f), 0, 1};
    case OP_stfd:
        return (struct access_wide){fp_to_double(f), 0, 1};
    case OP_stfe:
        return (struct access_wide){f->sig, fp_to_ext_se(f), 1};
    case OP_stf_spill:
        return (struct access_wide){f->sig, fp_to_spill_hi(f), 1};
    default:
        return (struct access_wide){f->sig, 0, 1};
    }
}

/* --- loads --- */

#define FP_LOAD(name, size, convert)                                                               \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        struct access_val v;                                                                       \
        if (gr_nat(c, u->r3, gen))                                                                 \
            return fault_nat(c, u, ISR_R);                                                         \
        v = access_load(c, u, gr_get(c, u->r3, gen), size);                                        \
        if (unlikely(!v.ok))                                                                       \
            return NULL;                                                                           \
        fr_set(c, u->r1, convert, gen);                                                            \
        return uop_next(c, u);                                                                     \
    }                                                                                              \
    UOP_DEFINE(name)                                                                               \
    UOP_BODY(name##_inc)                                                                           \
    {                                                                                              \
        struct access_val v;                                                                       \
        uint64_t va = gr_get(c, u->r3, gen);                                                       \
        if (gr_nat(c, u->r3, gen))                                                                 \
            return fault_nat(c, u, ISR_R);                                                         \
        v = access_load(c, u, va, size);                                                           \
        if (unlikely(!v.ok))                                                                       \
            return NULL;                                                                           \
        fr_set(c, u->r1, convert, gen);                                                            \
        gr_set(c, u->r3, va + (uint64_t)u->imm, false, gen);                                       \
        return uop_next(c, u);                                                                     \
    }                                                                                              \
    UOP_DEFINE(name##_inc)

FP_LOAD(ldfs, 4, fp_from_single((uint32_t)v.v))
FP_LOAD(ldfd, 8, fp_from_double(v.v))
FP_LOAD(ldf8, 8, fp_from_sig(v.v))

/* Both halves of what a load of any type does to its one or two targets. */
static void put_targets(struct cpu *c, const struct uop *u, const struct fpreg v[2])
{
    bool pair = u->op >= OP_ldfps && u->op <= OP_ldfp8;

    fr_set(c, u->r1, v[0], true);
    if (pair)
        fr_set(c, u->r2, v[1], true);
}

static bool load_values(struct cpu *c, const struct uop *u, unsigned flags, struct fpreg v[2],
                        uint64_t *ok)
{
    uint64_t va = cpu_gr(c, u->r3);
    unsigned size = access_size(u->op);
    struct access_wide w;

    if (u->op >= OP_ldfps && u->op <= OP_ldfp8) {
        /* A pair is one access of twice the size; big-endian swaps within each half. */
        w = access_load_pair(c, u, va, size, flags);
        v[0] = from_memory(u->op, w.lo, 0);
        v[1] = from_memory(u->op, w.hi, 0);
    } else {
        w = access_load_wide(c, u, va, size, flags);
        v[0] = from_memory(u->op, w.lo, w.hi);
    }
    *ok = w.ok;
    return w.ok != ACCESS_FAULT;
}

/* NaTVal, or what an advanced load gives where loads have effects (SDM 3:ldf): zero. */
static struct fpreg deferred_value(unsigned op, bool spec)
{
    if (spec)
        return (struct fpreg){0, FP_EXP_NAT, 0};
    return op == OP_ldf8 || op == OP_ldfp8 ? fp_from_sig(0) : (struct fpreg){0, 0, 0};
}

static const struct uop *load_typed(struct cpu *c, const struct uop *u, unsigned inc)
{
    unsigned tag = alat_fr(fr_phys(c, u->r1, true));
    bool spec = mem_type_speculative(u->sub), adv = mem_type_advanced(u->sub);
    unsigned flags = AF_READ | (spec ? AF_SPEC : 0) | (adv ? AF_ADVANCED : 0);
    struct fpreg v[2] = {{0, FP_EXP_NAT, 0}, {0, FP_EXP_NAT, 0}};
    uint64_t ok = ACCESS_DEFERRED, va = cpu_gr(c, u->r3);
    bool pair = u->op >= OP_ldfps && u->op <= OP_ldfp8;

    if (pair && !((fr_phys(c, u->r1, true) ^ fr_phys(c, u->r2, true)) & 1))
        return fault_illegal(c, u);
    if (cpu_gr_nat(c, u->r3) && !spec)
        return fault_nat(c, u, ISR_R);
    if (spec && (cpu_gr_nat(c, u->r3) || (c->psr & PSR_ED))) {
        /* deferred without looking at the address (SDM 3:ldf) */
    } else if (mem_type_check(u->sub) && alat_has(c, tag)) {
        if (u->sub != LD_C_NC)
            alat_remove(c, tag);
        mem_post_increment(c, u, inc);
        return uop_next(c, u);
    } else if (!load_values(c, u, flags, v, &ok)) {
        return NULL;
    }
    if (ok == ACCESS_DEFERRED)
        v[0] = v[1] = deferred_value(u->op, spec);
    if (u->sub != LD_NONE) /* ordinary loads leave entries alone, whatever handler does them */
        alat_remove(c, tag);
    put_targets(c, u, v);
    if (ok == ACCESS_OK && (adv || u->sub == LD_C_NC)) {
        struct access_ref ref = access_translate(c, u, va, 1, flags);

        if (ref.ok == ACCESS_OK && ref.ma == MA_WB)
            alat_insert(c, tag, ref.pa, access_size(u->op) * (pair ? 2 : 1));
    }
    mem_post_increment(c, u, inc);
    if (c->nat_seen && !(c->mode & 1)) {
        cpu_update_mode(c);
        return uop_exit_after(c, u);
    }
    return uop_next(c, u);
}

#define TYPED(name, inc)                                                                           \
    static const struct uop *name(struct cpu *c, const struct uop *u)                              \
    {                                                                                              \
        if (!pr_get(c, u->qp, c->mode & 1))                                                        \
            return uop_next(c, u);                                                                 \
        return load_typed(c, u, inc);                                                              \
    }
TYPED(load_none, INC_NONE)
TYPED(load_reg, INC_REG)
TYPED(load_imm, INC_IMM)

static uop_fn *const typed[] = {load_none, load_reg, load_imm};

/* --- stores --- */

ALWAYS_INLINE const struct uop *store(struct cpu *c, const struct uop *u, bool inc, bool gen)
{
    const struct fpreg *f = fr_get(c, u->r2, gen);
    uint64_t va = gr_get(c, u->r3, gen);
    unsigned size = access_size(u->op);
    struct access_wide w = to_memory(u->op, f);
    bool done;

    if (gr_nat(c, u->r3, gen) || (fp_is_natval(f) && u->op != OP_stf_spill))
        return fault_nat(c, u, ISR_W);
    if (size == 8)
        done = access_store(c, u, va, 8, w.lo);
    else if (size == 4)
        done = access_store(c, u, va, 4, w.lo);
    else
        done = access_store_wide(c, u, va, size, w.lo, w.hi, AF_WRITE);
    if (unlikely(!done))
        return NULL;
    if (inc)
        gr_set(c, u->r3, va + (uint64_t)u->imm, false, gen);
    return uop_next(c, u);
}

UOP_BODY(st)
{
    return store(c, u, false, gen);
}
UOP_DEFINE(st)
UOP_BODY(st_inc)
{
    return store(c, u, true, gen);
}
UOP_DEFINE(st_inc)

/* --- choice --- */

static uop_fn *pick(uop_fn *fast, uop_fn *gen_fn, bool gen)
{
    return gen ? gen_fn : fast;
}

static uop_fn *plain_load(const struct insn *i, bool gen)
{
    bool inc = i->inc == INC_IMM;

    if (i->sub != LD_NONE || i->inc == INC_REG)
        return NULL;
    switch (i->op) {
    case OP_ldfs:
        return inc ? pick(ldfs_inc_fast, ldfs_inc_gen, gen) : pick(ldfs_fast, ldfs_gen, gen);
    case OP_ldfd:
        return inc ? pick(ldfd_inc_fast, ldfd_inc_gen, gen) : pick(ldfd_fast, ldfd_gen, gen);
    case OP_ldf8:
        return inc ? pick(ldf8_inc_fast, ldf8_inc_gen, gen) : pick(ldf8_fast, ldf8_gen, gen);
    default:
        return NULL;
    }
}

/* The targets of ldfp must be one odd and one even physical register (SDM 3:ldfp). Rotation does
 * not matter where both or none of them rotate; the rest is decided when executed. */
static bool pair_legal(const struct insn *i)
{
    bool mixed = (i->r1 < 32) != (i->r2 < 32);

    return i->r2 >= 2 && (mixed || ((i->r1 ^ i->r2) & 1));
}

uop_fn *exec_memfp_handler(const struct insn *i, bool gen)
{
    bool pair = i->op >= OP_ldfps && i->op <= OP_ldfp8;
    bool inc = i->inc != INC_NONE;
    uop_fn *fn;

    if (i->op >= OP_stfs && i->op <= OP_stf_spill) {
        if (inc && i->r3 == 0)
            return exec_illegal_handler();
        return inc ? pick(st_inc_fast, st_inc_gen, gen) : pick(st_fast, st_gen, gen);
    }
    if (!(i->op >= OP_ldfs && i->op <= OP_ldf_fill) && !pair)
        return NULL;
    if (i->r1 < 2 || (inc && i->r3 == 0) || (pair && !pair_legal(i)))
        return exec_illegal_handler();
    fn = plain_load(i, gen);
    return fn ? fn : typed[i->inc];
}
