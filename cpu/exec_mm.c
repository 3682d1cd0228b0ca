/* Parallel (multimedia) integer instructions (SDM 1:4.6, vol 3 instruction pages).
 *
 * One operand-wise function each on whole registers; lanes are little-endian: lane 0 is the
 * least significant.
 */
#include "interp.h"

typedef uint64_t mm_fn(uint64_t a, uint64_t b, const struct uop *u);

/* Applies EXPR to every lane of the width; x and y are the signed lanes, ux and uy unsigned. */
#define LANES(name, bits, stype, utype, expr)                                                      \
    static uint64_t name(uint64_t a, uint64_t b, const struct uop *u)                              \
    {                                                                                              \
        uint64_t r = 0;                                                                            \
        (void)u;                                                                                   \
        for (unsigned k = 0; k < 64; k += bits) {                                                  \
            const utype ux = (utype)(a >> k), uy = (utype)(b >> k);                                \
            const stype x = (stype)ux, y = (stype)uy;                                              \
            (void)ux, (void)uy, (void)x, (void)y;                                                  \
            r |= (uint64_t)(utype)(expr) << k;                                                     \
        }                                                                                          \
        return r;                                                                                  \
    }
#define LANES1(name, expr) LANES(name, 8, int8_t, uint8_t, expr)
#define LANES2(name, expr) LANES(name, 16, int16_t, uint16_t, expr)
#define LANES4(name, expr) LANES(name, 32, int32_t, uint32_t, expr)

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* Saturation by completer: 1 sss, 2 uuu, 3 uus (both the second and third give unsigned results).
 */
static int64_t saturate(int64_t v, unsigned bits, unsigned sub)
{
    if (sub == 0)
        return v;
    if (sub == 1)
        return clamp(v, -(1ll << (bits - 1)), (1ll << (bits - 1)) - 1);
    return clamp(v, 0, (1ll << bits) - 1);
}

/* A shift that overflows saturates at once, whatever is added (SDM 3:pshladd). */
static int64_t shift_add(int64_t x, unsigned n, int64_t y)
{
    int64_t v = x * (1ll << n);

    return v != saturate(v, 16, 1) ? saturate(v, 16, 1) : saturate(v + y, 16, 1);
}

/* First operand's and second operand's value under the completer. */
#define XV (u->sub == 1 ? (int64_t)x : (int64_t)ux)
#define YV (u->sub == 1 || u->sub == 3 ? (int64_t)y : (int64_t)uy)

LANES1(padd1, saturate(XV + YV, 8, u->sub))
LANES2(padd2, saturate(XV + YV, 16, u->sub))
LANES4(padd4, ux + uy)
LANES1(psub1, saturate(XV - YV, 8, u->sub))
LANES2(psub2, saturate(XV - YV, 16, u->sub))
LANES4(psub4, ux - uy)
/* pavg rounds to odd unless .raz (round away from zero). */
LANES1(pavg1, u->sub ? (ux + uy + 1) >> 1 : (ux + uy) >> 1 | ((ux + uy) & 1))
LANES2(pavg2, u->sub ? (ux + uy + 1) >> 1 : (ux + uy) >> 1 | ((ux + uy) & 1))
LANES1(pavgsub1, ((ux - uy) & 0x1ff) >> 1 | ((ux - uy) & 1))
LANES2(pavgsub2, ((ux - uy) & 0x1ffff) >> 1 | ((ux - uy) & 1))
LANES1(pcmp1, (u->sub ? x > y : x == y) ? -1 : 0)
LANES2(pcmp2, (u->sub ? x > y : x == y) ? -1 : 0)
LANES4(pcmp4, (u->sub ? x > y : x == y) ? -1 : 0)
LANES1(pmin1_u, ux < uy ? ux : uy)
LANES1(pmax1_u, ux > uy ? ux : uy)
LANES2(pmin2, x < y ? x : y)
LANES2(pmax2, x > y ? x : y)
LANES2(pshladd2, shift_add(x, u->pos, y))
LANES2(pshradd2, saturate((x >> u->pos) + y, 16, 1))
LANES2(pmpyshr2, u->sub ? (uint32_t)ux *uy >> u->pos : (uint32_t)(x *y) >> u->pos)

static uint64_t psad1(uint64_t a, uint64_t b, const struct uop *u)
{
    uint64_t sum = 0;

    (void)u;
    for (unsigned k = 0; k < 64; k += 8) {
        int d = (int)(a >> k & 0xff) - (int)(b >> k & 0xff);

        sum += (uint64_t)(d < 0 ? -d : d);
    }
    return sum;
}

static uint64_t product2(uint64_t a, uint64_t b, unsigned lane)
{
    return (uint32_t)((int16_t)(a >> 16 * lane) * (int16_t)(b >> 16 * lane));
}

static uint64_t pmpy2_r(uint64_t a, uint64_t b, const struct uop *u)
{
    (void)u;
    return product2(a, b, 0) | product2(a, b, 2) << 32;
}

static uint64_t pmpy2_l(uint64_t a, uint64_t b, const struct uop *u)
{
    (void)u;
    return product2(a, b, 1) | product2(a, b, 3) << 32;
}

/* --- rearrangements --- */

static uint64_t lane(uint64_t v, unsigned bits, unsigned k)
{
    return v >> (bits * k) & (bits == 64 ? ~0ull : (1ull << bits) - 1);
}

/* Builds a register whose even lanes come from b and odd lanes from a, of the lanes pick(k). */
static uint64_t interleave(uint64_t a, uint64_t b, unsigned bits, unsigned first, unsigned step)
{
    uint64_t r = 0;

    for (unsigned k = 0; k < 64 / bits / 2; k++) {
        r |= lane(b, bits, first + k * step) << (bits * 2 * k);
        r |= lane(a, bits, first + k * step) << (bits * (2 * k + 1));
    }
    return r;
}

/* mix takes every second lane: right ones or left ones; unpack takes the low or the high half. */
#define REARRANGE(name, bits, first, step)                                                         \
    static uint64_t name(uint64_t a, uint64_t b, const struct uop *u)                              \
    {                                                                                              \
        (void)u;                                                                                   \
        return interleave(a, b, bits, first, step);                                                \
    }
REARRANGE(mix1_r, 8, 0, 2)
REARRANGE(mix2_r, 16, 0, 2)
REARRANGE(mix4_r, 32, 0, 2)
REARRANGE(mix1_l, 8, 1, 2)
REARRANGE(mix2_l, 16, 1, 2)
REARRANGE(mix4_l, 32, 1, 2)
REARRANGE(unpack1_l, 8, 0, 1)
REARRANGE(unpack2_l, 16, 0, 1)
REARRANGE(unpack4_l, 32, 0, 1)
REARRANGE(unpack1_h, 8, 4, 1)
REARRANGE(unpack2_h, 16, 2, 1)
REARRANGE(unpack4_h, 32, 1, 1)

/* pack: lanes of both operands narrowed with saturation; r2 gives the low half. */
static uint64_t pack(uint64_t a, uint64_t b, unsigned from, bool unsigned_result)
{
    unsigned to = from / 2, n = 64 / from;
    int64_t lo = unsigned_result ? 0 : -(1ll << (to - 1));
    int64_t hi = unsigned_result ? (1ll << to) - 1 : (1ll << (to - 1)) - 1;
    uint64_t r = 0;

    for (unsigned k = 0; k < 2 * n; k++) {
        uint64_t raw = k < n ? lane(a, from, k) : lane(b, from, k - n);
        int64_t v = (int64_t)(raw << (64 - from)) >> (64 - from);

        r |= ((uint64_t)clamp(v, lo, hi) & ((1ull << to) - 1)) << (to * k);
    }
    return r;
}

static uint64_t pack2_uss(uint64_t a, uint64_t b, const struct uop *u)
{
    (void)u;
    return pack(a, b, 16, true);
}

static uint64_t pack2_sss(uint64_t a, uint64_t b, const struct uop *u)
{
    (void)u;
    return pack(a, b, 16, false);
}

static uint64_t pack4_sss(uint64_t a, uint64_t b, const struct uop *u)
{
    (void)u;
    return pack(a, b, 32, false);
}

/* mux1: lane orders of @brcst, @mix, @shuf, @alt, @rev (SDM 3:mux). */
static uint64_t mux1(uint64_t a, uint64_t b, const struct uop *u)
{
    static const uint8_t order[16][8] = {
        [0x0] = {0, 0, 0, 0, 0, 0, 0, 0}, [0x8] = {0, 4, 2, 6, 1, 5, 3, 7},
        [0x9] = {0, 4, 1, 5, 2, 6, 3, 7}, [0xa] = {0, 2, 4, 6, 1, 3, 5, 7},
        [0xb] = {7, 6, 5, 4, 3, 2, 1, 0},
    };
    uint64_t r = 0;

    (void)b;
    for (unsigned k = 0; k < 8; k++)
        r |= lane(a, 8, order[u->pos & 15][k]) << (8 * k);
    return r;
}

static uint64_t mux2(uint64_t a, uint64_t b, const struct uop *u)
{
    uint64_t r = 0;

    (void)b;
    for (unsigned k = 0; k < 4; k++)
        r |= lane(a, 16, (unsigned)u->imm >> (2 * k) & 3) << (16 * k);
    return r;
}

/* --- shifts: operands are (count, value) or (value, count) as the instruction names them --- */

static uint64_t lanes_shift(uint64_t v, uint64_t n, unsigned bits, int how)
{
    uint64_t r = 0, mask = (1ull << bits) - 1;

    for (unsigned k = 0; k < 64; k += bits) {
        uint64_t x = v >> k & mask;
        int64_t s = (int64_t)(x << (64 - bits)) >> (64 - bits);

        if (how == 0)
            x = n >= bits ? 0 : x << n;
        else if (how == 1)
            x = n >= bits ? 0 : x >> n;
        else
            x = (uint64_t)(s >> (n >= bits ? bits - 1 : n));
        r |= (x & mask) << k;
    }
    return r;
}

#define SHIFT(name, value, count, bits, how)                                                       \
    static uint64_t name(uint64_t a, uint64_t b, const struct uop *u)                              \
    {                                                                                              \
        (void)a, (void)b, (void)u;                                                                 \
        return lanes_shift(value, count, bits, how);                                               \
    }
SHIFT(pshl2, a, b, 16, 0)
SHIFT(pshl4, a, b, 32, 0)
SHIFT(pshr2, b, a, 16, 2)
SHIFT(pshr4, b, a, 32, 2)
SHIFT(pshr2_u, b, a, 16, 1)
SHIFT(pshr4_u, b, a, 32, 1)
SHIFT(pshl2_i, a, u->pos, 16, 0)
SHIFT(pshl4_i, a, u->pos, 32, 0)
SHIFT(pshr2_i, b, u->pos, 16, 2)
SHIFT(pshr4_i, b, u->pos, 32, 2)
SHIFT(pshr2_u_i, b, u->pos, 16, 1)
SHIFT(pshr4_u_i, b, u->pos, 32, 1)

/* --- dispatch --- */

/* Sources: both registers, or only r2 or r3. */
enum { SRC_BOTH, SRC_R2, SRC_R3 };

static const struct {
    mm_fn *fn;
    uint8_t src;
} table[OP_COUNT] = {
#define T(name)  [OP_##name] = {name, SRC_BOTH}
#define T2(name) [OP_##name] = {name, SRC_R2}
#define T3(name) [OP_##name] = {name, SRC_R3}
    T(padd1),     T(padd2),     T(padd4),      T(psub1),      T(psub2),     T(psub4),
    T(pavg1),     T(pavg2),     T(pavgsub1),   T(pavgsub2),   T(pcmp1),     T(pcmp2),
    T(pcmp4),     T(pmin1_u),   T(pmax1_u),    T(pmin2),      T(pmax2),     T(pshladd2),
    T(pshradd2),  T(pmpyshr2),  T(psad1),      T(pmpy2_r),    T(pmpy2_l),   T(mix1_r),
    T(mix2_r),    T(mix4_r),    T(mix1_l),     T(mix2_l),     T(mix4_l),    T(unpack1_l),
    T(unpack2_l), T(unpack4_l), T(unpack1_h),  T(unpack2_h),  T(unpack4_h), T(pack2_uss),
    T(pack2_sss), T(pack4_sss), T2(mux1),      T2(mux2),      T(pshl2),     T(pshl4),
    T(pshr2),     T(pshr4),     T(pshr2_u),    T(pshr4_u),    T2(pshl2_i),  T2(pshl4_i),
    T3(pshr2_i),  T3(pshr4_i),  T3(pshr2_u_i), T3(pshr4_u_i),
};

UOP_BODY(mm)
{
    unsigned src = table[u->op].src;
    bool nat = (src != SRC_R3 && gr_nat(c, u->r2, gen)) || (src != SRC_R2 && gr_nat(c, u->r3, gen));
    uint64_t a = src == SRC_R3 ? 0 : gr_get(c, u->r2, gen);
    uint64_t b = src == SRC_R2 ? 0 : gr_get(c, u->r3, gen);

    gr_set(c, u->r1, table[u->op].fn(a, b, u), nat, gen);
    return uop_next(c, u);
}
UOP_DEFINE(mm)

uop_fn *exec_mm_handler(const struct insn *i, bool gen)
{
    if (!table[i->op].fn)
        return NULL;
    if (i->r1 == 0)
        return exec_illegal_handler();
    return gen ? mm_gen : mm_fast;
}
