/* Integer arithmetic, logic, shifts and bit fields (SDM 1:4.2, vol 3 instruction pages). */
#include "interp.h"

#define A gr_get(c, u->r2, gen)
#define B gr_get(c, u->r3, gen)
#define I ((uint64_t)u->imm)

ALWAYS_INLINE const struct uop *put2(struct cpu *c, const struct uop *u, uint64_t v, bool gen)
{
    gr_set(c, u->r1, v, gr_nat(c, u->r2, gen) || gr_nat(c, u->r3, gen), gen);
    return uop_next(c, u);
}

ALWAYS_INLINE const struct uop *put_r3(struct cpu *c, const struct uop *u, uint64_t v, bool gen)
{
    gr_set(c, u->r1, v, gr_nat(c, u->r3, gen), gen);
    return uop_next(c, u);
}

ALWAYS_INLINE const struct uop *put_r2(struct cpu *c, const struct uop *u, uint64_t v, bool gen)
{
    gr_set(c, u->r1, v, gr_nat(c, u->r2, gen), gen);
    return uop_next(c, u);
}

/* addp4, shladdp4: a 32-bit address becomes a region address: bits 62:61 from r3{31:30}. */
ALWAYS_INLINE uint64_t pointer4(uint64_t sum, uint64_t r3)
{
    return (uint32_t)sum | (r3 >> 30 & 3) << 61;
}

ALWAYS_INLINE uint64_t field_mask(unsigned len)
{
    return len >= 64 ? ~0ull : (1ull << len) - 1;
}

/* Length of a field that ends at the register's top (SDM 3:extr, dep). */
ALWAYS_INLINE unsigned field_len(const struct uop *u)
{
    return u->pos + u->len > 64 ? 64u - u->pos : u->len;
}

ALWAYS_INLINE uint64_t extract_signed(uint64_t v, unsigned pos, unsigned len)
{
    return (uint64_t)((int64_t)(v << (64 - pos - len)) >> (64 - len));
}

ALWAYS_INLINE uint64_t deposit(uint64_t into, uint64_t v, unsigned pos, unsigned len)
{
    uint64_t mask = field_mask(len) << pos;

    return (into & ~mask) | (v << pos & mask);
}

ALWAYS_INLINE uint64_t shift_left(uint64_t v, uint64_t n)
{
    return n > 63 ? 0 : v << n;
}

ALWAYS_INLINE uint64_t shift_right_u(uint64_t v, uint64_t n)
{
    return n > 63 ? 0 : v >> n;
}

ALWAYS_INLINE uint64_t shift_right(uint64_t v, uint64_t n)
{
    return (uint64_t)((int64_t)v >> (n > 63 ? 63 : n));
}

ALWAYS_INLINE uint64_t shift_pair(uint64_t hi, uint64_t lo, unsigned n)
{
    return n == 0 ? lo : lo >> n | hi << (64 - n);
}

#define OP2(name, expr)                                                                            \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        return put2(c, u, expr, gen);                                                              \
    }                                                                                              \
    UOP_DEFINE(name)
#define OP_R3(name, expr)                                                                          \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        return put_r3(c, u, expr, gen);                                                            \
    }                                                                                              \
    UOP_DEFINE(name)
#define OP_R2(name, expr)                                                                          \
    UOP_BODY(name)                                                                                 \
    {                                                                                              \
        return put_r2(c, u, expr, gen);                                                            \
    }                                                                                              \
    UOP_DEFINE(name)

OP2(add, A + B)
OP2(add_1, A + B + 1)
OP2(sub, A - B)
OP2(sub_1, A - B - 1)
OP2(addp4, pointer4(A + B, B))
OP2(and, A &B)
OP2(andcm, A & ~B)
OP2(or, A | B)
OP2(xor, A ^ B)
OP2(shladd, (A << u->pos) + B)
OP2(shladdp4, pointer4((A << u->pos) + B, B))
OP_R3(sub_i, I - B)
OP_R3(and_i, I &B)
OP_R3(andcm_i, I & ~B)
OP_R3(or_i, I | B)
OP_R3(xor_i, I ^ B)
OP_R3(adds, I + B)
OP_R3(addp4_i, pointer4(I + B, B))

OP2(shl, shift_left(A, B))
OP2(shr, shift_right(B, A))
OP2(shr_u, shift_right_u(B, A))
OP2(shrp, shift_pair(A, B, u->pos))
OP_R3(extr, extract_signed(B, u->pos, field_len(u)))
OP_R3(extr_u, B >> u->pos & field_mask(u->len))
OP_R2(dep_z, deposit(0, A, u->pos, field_len(u)))
OP2(dep, deposit(B, A, u->pos, field_len(u)))
OP_R3(dep_i, deposit(B, I, u->pos, field_len(u)))
OP_R3(zxt1, (uint8_t)B)
OP_R3(zxt2, (uint16_t)B)
OP_R3(zxt4, (uint32_t)B)
OP_R3(sxt1, (uint64_t)(int8_t)B)
OP_R3(sxt2, (uint64_t)(int16_t)B)
OP_R3(sxt4, (uint64_t)(int32_t)B)
OP_R3(popcnt, (uint64_t)__builtin_popcountll(B))
OP_R3(clz, B == 0 ? 64 : (uint64_t)__builtin_clzll(B))
OP2(mpy4, (uint64_t)(uint32_t)A *(uint32_t)B)
OP2(mpyshl4, (uint64_t)(uint32_t)(A >> 32) * (uint32_t)B << 32)

UOP_BODY(movl)
{
    gr_set(c, u->r1, I, false, gen);
    return uop_next(c, u);
}
UOP_DEFINE(movl)

UOP_BODY(dep_z_i)
{
    gr_set(c, u->r1, deposit(0, I, u->pos, field_len(u)), false, gen);
    return uop_next(c, u);
}
UOP_DEFINE(dep_z_i)

/* czx: index of the first zero byte or half-word from the left or the right (SDM 3:czx). */
static uint64_t czx(uint64_t v, unsigned width, bool left)
{
    unsigned n = 64 / width;
    uint64_t mask = (1ull << width) - 1;

    for (unsigned k = 0; k < n; k++) {
        unsigned shift = left ? 64 - width * (k + 1) : width * k;

        if ((v >> shift & mask) == 0)
            return k;
    }
    return n;
}
OP_R3(czx1_l, czx(B, 8, true))
OP_R3(czx2_l, czx(B, 16, true))
OP_R3(czx1_r, czx(B, 8, false))
OP_R3(czx2_r, czx(B, 16, false))

static const struct uop_pair table[OP_COUNT] = {
    UOP_PAIR(OP_add, add),           UOP_PAIR(OP_add_1, add_1),
    UOP_PAIR(OP_sub, sub),           UOP_PAIR(OP_sub_1, sub_1),
    UOP_PAIR(OP_addp4, addp4),       UOP_PAIR(OP_and, and),
    UOP_PAIR(OP_andcm, andcm),       UOP_PAIR(OP_or, or),
    UOP_PAIR(OP_xor, xor),           UOP_PAIR(OP_shladd, shladd),
    UOP_PAIR(OP_shladdp4, shladdp4), UOP_PAIR(OP_sub_i, sub_i),
    UOP_PAIR(OP_and_i, and_i),       UOP_PAIR(OP_andcm_i, andcm_i),
    UOP_PAIR(OP_or_i, or_i),         UOP_PAIR(OP_xor_i, xor_i),
    UOP_PAIR(OP_adds, adds),         UOP_PAIR(OP_addl, adds),
    UOP_PAIR(OP_addp4_i, addp4_i),   UOP_PAIR(OP_shl, shl),
    UOP_PAIR(OP_shr, shr),           UOP_PAIR(OP_shr_u, shr_u),
    UOP_PAIR(OP_shrp, shrp),         UOP_PAIR(OP_extr, extr),
    UOP_PAIR(OP_extr_u, extr_u),     UOP_PAIR(OP_dep_z, dep_z),
    UOP_PAIR(OP_dep_z_i, dep_z_i),   UOP_PAIR(OP_dep, dep),
    UOP_PAIR(OP_dep_i, dep_i),       UOP_PAIR(OP_zxt1, zxt1),
    UOP_PAIR(OP_zxt2, zxt2),         UOP_PAIR(OP_zxt4, zxt4),
    UOP_PAIR(OP_sxt1, sxt1),         UOP_PAIR(OP_sxt2, sxt2),
    UOP_PAIR(OP_sxt4, sxt4),         UOP_PAIR(OP_popcnt, popcnt),
    UOP_PAIR(OP_clz, clz),           UOP_PAIR(OP_mpy4, mpy4),
    UOP_PAIR(OP_mpyshl4, mpyshl4),   UOP_PAIR(OP_movl, movl),
    UOP_PAIR(OP_czx1_l, czx1_l),     UOP_PAIR(OP_czx2_l, czx2_l),
    UOP_PAIR(OP_czx1_r, czx1_r),     UOP_PAIR(OP_czx2_r, czx2_r),
};

uop_fn *exec_int_handler(const struct insn *i, bool gen)
{
    const struct uop_pair *p = &table[i->op];

    if (!p->fast)
        return NULL;
    if (i->r1 == 0)
        return exec_illegal_handler();
    return gen ? p->gen : p->fast;
}
