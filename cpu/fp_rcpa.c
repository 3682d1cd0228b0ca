/* Reciprocal and reciprocal square root approximations, and the exact quotient and square root
 * that complete them in software.
 *
 * Parallel forms are in fp_par.c. SDM 3:2 frcpa, frsqrta and their tables.
 */
#include "fp_impl.h"

/* Entry i is 2^11 / m rounded to nearest, m being the middle of the i-th of 256 equal parts of
 * [1, 2): the architected table of frcpa. */
static const uint16_t recip_table[256] = {
    0x7fc, 0x7f4, 0x7ec, 0x7e4, 0x7dd, 0x7d5, 0x7cd, 0x7c6, 0x7be, 0x7b7, 0x7af, 0x7a8, 0x7a1,
    0x799, 0x792, 0x78b, 0x784, 0x77d, 0x776, 0x76f, 0x768, 0x761, 0x75b, 0x754, 0x74d, 0x746,
    0x740, 0x739, 0x733, 0x72c, 0x726, 0x720, 0x719, 0x713, 0x70d, 0x707, 0x700, 0x6fa, 0x6f4,
    0x6ee, 0x6e8, 0x6e2, 0x6dc, 0x6d7, 0x6d1, 0x6cb, 0x6c5, 0x6bf, 0x6ba, 0x6b4, 0x6af, 0x6a9,
    0x6a3, 0x69e, 0x699, 0x693, 0x68e, 0x688, 0x683, 0x67e, 0x679, 0x673, 0x66e, 0x669, 0x664,
    0x65f, 0x65a, 0x655, 0x650, 0x64b, 0x646, 0x641, 0x63c, 0x637, 0x632, 0x62e, 0x629, 0x624,
    0x61f, 0x61b, 0x616, 0x611, 0x60d, 0x608, 0x604, 0x5ff, 0x5fb, 0x5f6, 0x5f2, 0x5ed, 0x5e9,
    0x5e5, 0x5e0, 0x5dc, 0x5d8, 0x5d4, 0x5cf, 0x5cb, 0x5c7, 0x5c3, 0x5bf, 0x5bb, 0x5b6, 0x5b2,
    0x5ae, 0x5aa, 0x5a6, 0x5a2, 0x59e, 0x59a, 0x597, 0x593, 0x58f, 0x58b, 0x587, 0x583, 0x57f,
    0x57c, 0x578, 0x574, 0x571, 0x56d, 0x569, 0x566, 0x562, 0x55e, 0x55b, 0x557, 0x554, 0x550,
    0x54d, 0x549, 0x546, 0x542, 0x53f, 0x53b, 0x538, 0x534, 0x531, 0x52e, 0x52a, 0x527, 0x524,
    0x520, 0x51d, 0x51a, 0x517, 0x513, 0x510, 0x50d, 0x50a, 0x507, 0x503, 0x500, 0x4fd, 0x4fa,
    0x4f7, 0x4f4, 0x4f1, 0x4ee, 0x4eb, 0x4e8, 0x4e5, 0x4e2, 0x4df, 0x4dc, 0x4d9, 0x4d6, 0x4d3,
    0x4d0, 0x4cd, 0x4ca, 0x4c8, 0x4c5, 0x4c2, 0x4bf, 0x4bc, 0x4b9, 0x4b7, 0x4b4, 0x4b1, 0x4ae,
    0x4ac, 0x4a9, 0x4a6, 0x4a4, 0x4a1, 0x49e, 0x49c, 0x499, 0x496, 0x494, 0x491, 0x48e, 0x48c,
    0x489, 0x487, 0x484, 0x482, 0x47f, 0x47c, 0x47a, 0x477, 0x475, 0x473, 0x470, 0x46e, 0x46b,
    0x469, 0x466, 0x464, 0x461, 0x45f, 0x45d, 0x45a, 0x458, 0x456, 0x453, 0x451, 0x44f, 0x44c,
    0x44a, 0x448, 0x445, 0x443, 0x441, 0x43f, 0x43c, 0x43a, 0x438, 0x436, 0x433, 0x431, 0x42f,
    0x42d, 0x42b, 0x429, 0x426, 0x424, 0x422, 0x420, 0x41e, 0x41c, 0x41a, 0x418, 0x415, 0x413,
    0x411, 0x40f, 0x40d, 0x40b, 0x409, 0x407, 0x405, 0x403, 0x401,
};

/* Entry i is 2^11 / sqrt(m) rounded to nearest for the middle m of the (i % 128)-th of 128 equal
 * parts of [2, 4) (first half, odd exponents) or [1, 2) (second half). */
static const uint16_t recip_sqrt_table[256] = {
    0x5a5, 0x5a0, 0x59a, 0x595, 0x58f, 0x58a, 0x585, 0x580, 0x57a, 0x575, 0x570, 0x56b, 0x566,
    0x561, 0x55d, 0x558, 0x553, 0x54e, 0x54a, 0x545, 0x540, 0x53c, 0x538, 0x533, 0x52f, 0x52a,
    0x526, 0x522, 0x51e, 0x51a, 0x515, 0x511, 0x50d, 0x509, 0x505, 0x501, 0x4fd, 0x4fa, 0x4f6,
    0x4f2, 0x4ee, 0x4ea, 0x4e7, 0x4e3, 0x4df, 0x4dc, 0x4d8, 0x4d5, 0x4d1, 0x4ce, 0x4ca, 0x4c7,
    0x4c3, 0x4c0, 0x4bd, 0x4b9, 0x4b6, 0x4b3, 0x4b0, 0x4ad, 0x4a9, 0x4a6, 0x4a3, 0x4a0, 0x49d,
    0x49a, 0x497, 0x494, 0x491, 0x48e, 0x48b, 0x488, 0x485, 0x482, 0x47f, 0x47d, 0x47a, 0x477,
    0x474, 0x471, 0x46f, 0x46c, 0x469, 0x467, 0x464, 0x461, 0x45f, 0x45c, 0x45a, 0x457, 0x454,
    0x452, 0x44f, 0x44d, 0x44a, 0x448, 0x445, 0x443, 0x441, 0x43e, 0x43c, 0x43a, 0x437, 0x435,
    0x433, 0x430, 0x42e, 0x42c, 0x429, 0x427, 0x425, 0x423, 0x420, 0x41e, 0x41c, 0x41a, 0x418,
    0x416, 0x414, 0x411, 0x40f, 0x40d, 0x40b, 0x409, 0x407, 0x405, 0x403, 0x401, 0x7fc, 0x7f4,
    0x7ec, 0x7e5, 0x7dd, 0x7d5, 0x7ce, 0x7c7, 0x7bf, 0x7b8, 0x7b1, 0x7aa, 0x7a3, 0x79c, 0x795,
    0x78e, 0x788, 0x781, 0x77a, 0x774, 0x76d, 0x767, 0x761, 0x75a, 0x754, 0x74e, 0x748, 0x742,
    0x73c, 0x736, 0x730, 0x72b, 0x725, 0x71f, 0x71a, 0x714, 0x70f, 0x709, 0x704, 0x6fe, 0x6f9,
    0x6f4, 0x6ee, 0x6e9, 0x6e4, 0x6df, 0x6da, 0x6d5, 0x6d0, 0x6cb, 0x6c6, 0x6c1, 0x6bd, 0x6b8,
    0x6b3, 0x6ae, 0x6aa, 0x6a5, 0x6a1, 0x69c, 0x698, 0x693, 0x68f, 0x68a, 0x686, 0x682, 0x67d,
    0x679, 0x675, 0x671, 0x66d, 0x668, 0x664, 0x660, 0x65c, 0x658, 0x654, 0x650, 0x64c, 0x649,
    0x645, 0x641, 0x63d, 0x639, 0x635, 0x632, 0x62e, 0x62a, 0x627, 0x623, 0x620, 0x61c, 0x618,
    0x615, 0x611, 0x60e, 0x60a, 0x607, 0x604, 0x600, 0x5fd, 0x5f9, 0x5f6, 0x5f3, 0x5f0, 0x5ec,
    0x5e9, 0x5e6, 0x5e3, 0x5df, 0x5dc, 0x5d9, 0x5d6, 0x5d3, 0x5d0, 0x5cd, 0x5ca, 0x5c7, 0x5c4,
    0x5c1, 0x5be, 0x5bb, 0x5b8, 0x5b5, 0x5b2, 0x5af, 0x5ac, 0x5aa,
};

struct fpreg fp_ieee_recip(const struct fp_num *d)
{
    uint64_t sig = (uint64_t)recip_table[d->sig >> 55 & 0xff] << 53;
    uint32_t exp = (uint32_t)(2 * (int32_t)FP_EXP_BIAS - 1 - d->exp) & FP_EXP_MASK;
    return (struct fpreg){sig, exp | d->sign, 0};
}

struct fpreg fp_ieee_recip_sqrt(const struct fp_num *n)
{
    unsigned i = ((unsigned)n->exp & 1) << 7 | (unsigned)(n->sig >> 56 & 0x7f);
    int32_t half = (n->exp - (int32_t)FP_EXP_BIAS) >> 1;
    uint32_t exp = (uint32_t)((int32_t)FP_EXP_BIAS - 1 - half) & FP_EXP_MASK;
    return (struct fpreg){(uint64_t)recip_sqrt_table[i] << 53, exp, 0};
}

bool fp_rcpa_special(struct fpout *o, const struct fpreg *f2, const struct fpreg *f3,
                     const struct fp_env *e)
{
    unsigned c2 = fp_classify(f2), c3 = fp_classify(f3), all = c2 | c3;
    uint32_t sign = (f2->exp ^ f3->exp) & FP_SIGN;
    fp_clear(o);
    if (all & FP_C_UNSUPP) {
        fp_invalid(o, e);
        return false;
    }
    if (all & FP_C_NAN) {
        if (!(all & FP_C_SNAN) || fp_condition(o, e, FPF_V)) {
            o->r = fp_quiet(c2 & FP_C_NAN ? f2 : f3);
        }
        return false;
    }
    bool zero2 = (c2 & FP_C_NULL) != 0, zero3 = (c3 & FP_C_NULL) != 0;
    if ((c2 & c3 & FP_C_INF) || (zero2 && zero3)) {
        fp_invalid(o, e);
        return false;
    }
    if (zero3 && !(c2 & FP_C_INF)) {
        if (fp_condition(o, e, FPF_Z)) {
            o->r = fp_inf(sign);
        }
        return false;
    }
    if (zero2 || (all & FP_C_INF)) {
        if (fp_check_unorm(o, e, all)) {
            o->r = c2 & FP_C_INF ? fp_inf(sign) : fp_zero(sign);
        }
        return false;
    }
    return true;
}

/* Where a Newton-Raphson iteration starting from the approximation could leave the 17-bit
 * exponent range (SDM 3:2 frcpa): software computes the quotient. */
static bool rcpa_limits(const struct fp_num *n, const struct fp_num *d)
{
    const int32_t bias = (int32_t)FP_EXP_BIAS;
    int32_t est = n->exp - d->exp;
    return d->exp <= 0 || d->exp >= 2 * bias - 2 || est <= 2 - bias || est >= bias || n->exp <= 64;
}

struct fpout fp_rcpa(const struct fpreg *f2, const struct fpreg *f3, uint64_t fpsr, unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    if (fp_is_natval(f2) || fp_is_natval(f3)) {
        fp_clear(&o);
        o.r = fp_natval();
        return o;
    }
    if (!fp_rcpa_special(&o, f2, f3, &e)) {
        return o;
    }
    struct fp_num n = fp_unpack(f2), d = fp_unpack(f3);
    if (rcpa_limits(&n, &d)) {
        o.fault = FPX_SWA;
    } else if (fp_check_unorm(&o, &e, fp_classify(f2) | fp_classify(f3))) {
        o.r = fp_ieee_recip(&d);
        o.p2 = true;
    }
    return o;
}

bool fp_rsqrta_valid(struct fpout *o, const struct fpreg *f3, unsigned c, const struct fp_env *e)
{
    if (c & FP_C_UNSUPP) {
        fp_invalid(o, e);
        return false;
    }
    if (c & FP_C_NAN) {
        if (!(c & FP_C_SNAN) || fp_condition(o, e, FPF_V)) {
            o->r = fp_quiet(f3);
        }
        return false;
    }
    if ((f3->exp & FP_SIGN) && !(c & FP_C_NULL)) {
        fp_invalid(o, e);
        return false;
    }
    return true;
}

/* Common part of frsqrta and its software completion; true: o is not yet complete. */
static bool root_special(struct fpout *o, const struct fpreg *f3, unsigned c,
                         const struct fp_env *e)
{
    fp_clear(o);
    if (c & FP_C_NAT) {
        o->r = fp_natval();
        return false;
    }
    if (!fp_rsqrta_valid(o, f3, c, e)) {
        return false;
    }
    if (c & FP_C_INF) {
        o->r = fp_inf(0);
        return false;
    }
    if (c & FP_C_NULL) {
        if (fp_check_unorm(o, e, c)) {
            o->r = fp_zero(f3->exp & FP_SIGN);
        }
        return false;
    }
    return true;
}

struct fpout fp_rsqrta(const struct fpreg *f3, uint64_t fpsr, unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    unsigned c = fp_classify(f3);
    if (!root_special(&o, f3, c, &e)) {
        return o;
    }
    struct fp_num n = fp_unpack(f3);
    if (n.exp <= 64) {
        o.fault = FPX_SWA;
    } else if (fp_check_unorm(&o, &e, c)) {
        o.r = fp_ieee_recip_sqrt(&n);
        o.p2 = true;
    }
    return o;
}

struct fpout fp_div(const struct fpreg *f2, const struct fpreg *f3, uint64_t fpsr, unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    if (fp_is_natval(f2) || fp_is_natval(f3)) {
        fp_clear(&o);
        o.r = fp_natval();
        return o;
    }
    if (!fp_rcpa_special(&o, f2, f3, &e) ||
        !fp_check_unorm(&o, &e, fp_classify(f2) | fp_classify(f3))) {
        return o;
    }
    struct fp_num n = fp_unpack(f2), d = fp_unpack(f3);
    bool below_one = n.sig < d.sig;
    fp_u128 num = (fp_u128)n.sig << (below_one ? 64 : 63);
    int32_t exp = n.exp - d.exp + (int32_t)FP_EXP_BIAS - below_one;
    uint64_t q = (uint64_t)(num / d.sig);
    fp_u128 rem = num % d.sig << 64;
    uint64_t rest = (uint64_t)(rem / d.sig) | (rem % d.sig != 0);
    fp_round(&o, &e, fp_format_of(&e, FP_PC_DYN), n.sign ^ d.sign, exp, q, rest);
    return o;
}

static uint64_t integer_root(fp_u128 m)
{
    uint64_t root = 0;
    for (int bit = 63; bit >= 0; bit--) {
        uint64_t t = root | 1ull << bit;
        if ((fp_u128)t * t <= m) {
            root = t;
        }
    }
    return root;
}

struct fpout fp_sqrt(const struct fpreg *f3, uint64_t fpsr, unsigned sf)
{
    struct fpout o;
    struct fp_env e = fp_env_of(fpsr, sf);
    unsigned c = fp_classify(f3);
    if (!root_special(&o, f3, c, &e) || !fp_check_unorm(&o, &e, c)) {
        return o;
    }
    struct fp_num n = fp_unpack(f3);
    int32_t x = n.exp - (int32_t)FP_EXP_BIAS;
    fp_u128 m = (fp_u128)n.sig << (x & 1 ? 64 : 63);
    uint64_t root = integer_root(m);
    fp_u128 rem = m - (fp_u128)root * root;
    /* (root + 1/2)^2 is root^2 + root + 1/4: the fraction is above one half if rem > root. */
    uint64_t rest = rem > root ? FP_INT_BIT | 1 : rem != 0;
    fp_round(&o, &e, fp_format_of(&e, FP_PC_DYN), 0, (x >> 1) + (int32_t)FP_EXP_BIAS, root, rest);
    return o;
}
