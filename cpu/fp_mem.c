/* Memory formats, bit moves between significands, and the status field instructions.
 *
 * The hot conversions are inline in fp.h. SDM 1:5.1.2, 1:5.3.1, 3:2.
 */
#include "fp_impl.h"

struct fpreg fp_from_ext(uint64_t sig, uint16_t se)
{
    uint32_t e = se & 0x7fff, sign = (uint32_t)(se >> 15) << 17;
    if (e == 0x7fff) {
        e = FP_EXP_SPEC;
    } else if (e) {
        e += 0xc000;
    }
    return (struct fpreg){sig, e | sign, 0};
}

#define HI(x) ((x)&0xffffffff00000000ull)
#define LO(x) ((x)&0x00000000ffffffffull)

static uint64_t sign_extend_half(bool negative)
{
    return negative ? 0xffffffff00000000ull : 0;
}

static uint64_t pair_merge(uint64_t a, uint64_t b, uint64_t take)
{
    return (a & take) | (b & ~take);
}

struct fpreg fp_logic(const struct fpreg *f2, const struct fpreg *f3, enum fp_logic op)
{
    const uint64_t signs = 0x8000000080000000ull;
    uint64_t a = f2->sig, b = f3->sig, r = 0;

    if (fp_is_natval(f2) || fp_is_natval(f3)) {
        return fp_natval();
    }
    switch (op) {
    case FP_AND:
        r = a & b;
        break;
    case FP_ANDCM:
        r = a & ~b;
        break;
    case FP_OR:
        r = a | b;
        break;
    case FP_XOR:
        r = a ^ b;
        break;
    case FP_MIX_L:
        r = HI(a) | b >> 32;
        break;
    case FP_MIX_R:
        r = a << 32 | LO(b);
        break;
    case FP_MIX_LR:
        r = HI(a) | LO(b);
        break;
    case FP_SXT_L:
        r = sign_extend_half(a >> 63) | b >> 32;
        break;
    case FP_SXT_R:
        r = sign_extend_half(a >> 31 & 1) | LO(b);
        break;
    case FP_SWAP:
        r = b << 32 | a >> 32;
        break;
    case FP_SWAP_NL:
        r = (b << 32 | a >> 32) ^ 1ull << 63;
        break;
    case FP_SWAP_NR:
        r = (b << 32 | a >> 32) ^ 1ull << 31;
        break;
    case FP_PACK:
        r = (uint64_t)fp_to_single(f2) << 32 | fp_to_single(f3);
        break;
    case FP_PMERGE_S:
        r = pair_merge(a, b, signs);
        break;
    case FP_PMERGE_NS:
        r = pair_merge(~a, b, signs);
        break;
    case FP_PMERGE_SE:
        r = pair_merge(a, b, 0xff800000ff800000ull);
        break;
    }
    return fp_from_sig(r);
}

/* fselect: bits of f3 where f2 has ones, of f4 elsewhere. */
struct fpreg fp_bitselect(const struct fpreg *f3, const struct fpreg *f4, const struct fpreg *f2)
{
    if (fp_is_natval(f2) || fp_is_natval(f3) || fp_is_natval(f4)) {
        return fp_natval();
    }
    return fp_from_sig((f3->sig & f2->sig) | (f4->sig & ~f2->sig));
}

/* The controls come from sf0 whatever field is set. sf0's trap disable bit and precision control
 * 1 are reserved. */
uint64_t fp_setc(uint64_t fpsr, unsigned sf, unsigned amask, unsigned omask)
{
    unsigned sf0 = (unsigned)(fpsr >> FPSR_SF_SHIFT(0)) & FPSR_SF_CONTROLS;
    unsigned c = (sf0 & amask) | omask;
    if ((c >> FPSR_SF_PC_SHIFT & 3) == 1 || (sf == 0 && (c & FPSR_SF_TD))) {
        return FPSR_RESERVED;
    }
    fpsr &= ~((uint64_t)FPSR_SF_CONTROLS << FPSR_SF_SHIFT(sf));
    return fpsr | (uint64_t)(c & FPSR_SF_CONTROLS) << FPSR_SF_SHIFT(sf);
}
