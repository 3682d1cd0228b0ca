/* Compares and tests that write two predicates (SDM 1:4.3.3, 3:cmp, cmp4, tbit, tnat, tf). */
#include "interp.h"

#define A    gr_get(c, u->r2, gen)
#define B    gr_get(c, u->r3, gen)
#define SA   ((int64_t)A)
#define SB   ((int64_t)B)
#define W(x) ((int32_t)(x))
#define I    ((uint64_t)u->imm)

/* Normal type: both predicates written, both 0 when a source is NaT. */
ALWAYS_INLINE const struct uop *set_normal(struct cpu *c, const struct uop *u, bool rel, bool nat,
                                           bool gen)
{
    unsigned p1 = pr_phys(c, u->p1, gen), p2 = pr_phys(c, u->p2, gen);
    uint64_t clear = c->pr & ~(1ull << p1 | 1ull << p2);

    if (gen && nat)
        c->pr = clear | 1;
    else
        c->pr = clear | 1ull << (rel ? p1 : p2) | 1;
    return uop_next(c, u);
}

/* The other types (SDM 1 table 4-10). */
static const struct uop *set_typed(struct cpu *c, const struct uop *u, bool rel, bool nat, bool gen)
{
    switch (u->sub) {
    case CT_AND:
        if (nat || !rel) {
            pr_set(c, u->p1, false, gen);
            pr_set(c, u->p2, false, gen);
        }
        break;
    case CT_OR:
        if (!nat && rel) {
            pr_set(c, u->p1, true, gen);
            pr_set(c, u->p2, true, gen);
        }
        break;
    case CT_ORCM:
        if (!nat && rel) {
            pr_set(c, u->p1, true, gen);
            pr_set(c, u->p2, false, gen);
        }
        break;
    default:
        pr_set(c, u->p1, !nat && rel, gen);
        pr_set(c, u->p2, !nat && !rel, gen);
    }
    return uop_next(c, u);
}

/* Predicated off, the unc type still clears both targets. */
static const struct uop *off(struct cpu *c, const struct uop *u, bool gen)
{
    if (u->sub == CT_UNC) {
        pr_set(c, u->p1, false, gen);
        pr_set(c, u->p2, false, gen);
    }
    return uop_next(c, u);
}

/* For each relation: NAME for the normal type and NAME_t for all others. */
#define RELATION(name, rel, nat)                                                                   \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        return set_normal(c, u, rel, nat, gen);                                                    \
    }                                                                                              \
    UOP_DEFINE(name)                                                                               \
    static const struct uop *name##_t_fast(struct cpu *c, const struct uop *u)                     \
    {                                                                                              \
        const bool gen = false;                                                                    \
        return pr_get(c, u->qp, gen) ? set_typed(c, u, rel, nat, gen) : off(c, u, gen);            \
    }                                                                                              \
    static const struct uop *name##_t_gen(struct cpu *c, const struct uop *u)                      \
    {                                                                                              \
        const bool gen = true;                                                                     \
        return pr_get(c, u->qp, gen) ? set_typed(c, u, rel, nat, gen) : off(c, u, gen);            \
    }

#define NAT2 (gr_nat(c, u->r2, gen) || gr_nat(c, u->r3, gen))
#define NAT3 gr_nat(c, u->r3, gen)

RELATION(cmp_eq, A == B, NAT2)
RELATION(cmp_ne, A != B, NAT2)
RELATION(cmp_lt, SA < SB, NAT2)
RELATION(cmp_ltu, A < B, NAT2)
RELATION(cmp_gt, SA > SB, NAT2)
RELATION(cmp_le, SA <= SB, NAT2)
RELATION(cmp_ge, SA >= SB, NAT2)
RELATION(cmp_eq_i, I == B, NAT3)
RELATION(cmp_ne_i, I != B, NAT3)
RELATION(cmp_lt_i, u->imm < SB, NAT3)
RELATION(cmp_ltu_i, I < B, NAT3)
RELATION(cmp4_eq, (uint32_t)A == (uint32_t)B, NAT2)
RELATION(cmp4_ne, (uint32_t)A != (uint32_t)B, NAT2)
RELATION(cmp4_lt, W(A) < W(B), NAT2)
RELATION(cmp4_ltu, (uint32_t)A < (uint32_t)B, NAT2)
RELATION(cmp4_gt, W(A) > W(B), NAT2)
RELATION(cmp4_le, W(A) <= W(B), NAT2)
RELATION(cmp4_ge, W(A) >= W(B), NAT2)
RELATION(cmp4_eq_i, (uint32_t)I == (uint32_t)B, NAT3)
RELATION(cmp4_ne_i, (uint32_t)I != (uint32_t)B, NAT3)
RELATION(cmp4_lt_i, W(I) < W(B), NAT3)
RELATION(cmp4_ltu_i, (uint32_t)I < (uint32_t)B, NAT3)
RELATION(tbit_z, !(B >> u->pos & 1), NAT3)
RELATION(tbit_nz, B >> u->pos & 1, NAT3)
RELATION(tnat_z, !NAT3, false)
RELATION(tnat_nz, NAT3, false)
RELATION(tf_z, !(c->cpuid[4] >> u->pos & 1), false)
RELATION(tf_nz, c->cpuid[4] >> u->pos & 1, false)

struct relation {
    struct uop_pair normal, typed;
};
#define ROW(op) [OP_##op] = {{op##_fast, op##_gen}, {op##_t_fast, op##_t_gen}}

static const struct relation table[OP_COUNT] = {
    ROW(cmp_eq),    ROW(cmp_ne),    ROW(cmp_lt),    ROW(cmp_ltu),    ROW(cmp_gt),    ROW(cmp_le),
    ROW(cmp_ge),    ROW(cmp_eq_i),  ROW(cmp_ne_i),  ROW(cmp_lt_i),   ROW(cmp_ltu_i), ROW(cmp4_eq),
    ROW(cmp4_ne),   ROW(cmp4_lt),   ROW(cmp4_ltu),  ROW(cmp4_gt),    ROW(cmp4_le),   ROW(cmp4_ge),
    ROW(cmp4_eq_i), ROW(cmp4_ne_i), ROW(cmp4_lt_i), ROW(cmp4_ltu_i), ROW(tbit_z),    ROW(tbit_nz),
    ROW(tnat_z),    ROW(tnat_nz),   ROW(tf_z),      ROW(tf_nz),
};

/* Both targets the same: Illegal Operation, for unc whatever the predicate is. */
static const struct uop *same_targets_unc(struct cpu *c, const struct uop *u)
{
    return fault_illegal(c, u);
}

uop_fn *exec_cmp_handler(const struct insn *i, bool gen)
{
    const struct relation *r = &table[i->op];
    const struct uop_pair *p = i->sub == CT_NONE ? &r->normal : &r->typed;

    if (!p->fast)
        return NULL;
    if (i->p1 == i->p2)
        return i->sub == CT_UNC ? same_targets_unc : exec_illegal_handler();
    return gen ? p->gen : p->fast;
}
