/* Encoder of the scalar floating-point instructions the translator uses.
 *
 * SSE2 encodings; fused multiply-add, which has none, with a VEX prefix. Knows nothing of guests.
 */
#ifndef KITTSON_CPU_JIT_X86_SSE_H
#define KITTSON_CPU_JIT_X86_SSE_H

#include "x86.h"

enum x86_sse {
    SSE_SQRT = 0x51,
    SSE_ADD = 0x58,
    SSE_MUL = 0x59,
    SSE_CVT_SD_SS = 0x5a, /* with prefix f2: double to single, with f3: back */
    SSE_SUB = 0x5c,
    SSE_MIN = 0x5d,
    SSE_DIV = 0x5e,
    SSE_MAX = 0x5f,
};

#define SSE_DOUBLE 0xf2u
#define SSE_SINGLE 0xf3u

static inline void sse_rr(struct x86 *x, unsigned prefix, bool w, unsigned opcode, unsigned reg,
                          unsigned rm)
{
    x86_byte(x, prefix);
    x86_rex(x, w, reg, 0, rm, false);
    x86_byte(x, 0x0f);
    x86_byte(x, opcode);
    x86_modrm_reg(x, reg, rm);
}

static inline void sse_op(struct x86 *x, enum x86_sse op, unsigned dst, unsigned src)
{
    sse_rr(x, SSE_DOUBLE, false, op, dst, src);
}

static inline void sse_rm(struct x86 *x, unsigned opcode, unsigned reg, unsigned base, int32_t disp)
{
    x86_byte(x, SSE_DOUBLE);
    x86_rex(x, false, reg, 0, base, false);
    x86_byte(x, 0x0f);
    x86_byte(x, opcode);
    x86_modrm_mem(x, reg, base, disp);
}

/* op dst, [base + disp] */
static inline void sse_op_mem(struct x86 *x, enum x86_sse op, unsigned dst, unsigned base,
                              int32_t disp)
{
    sse_rm(x, op, dst, base, disp);
}

static inline void sse_load(struct x86 *x, unsigned dst, unsigned base, int32_t disp)
{
    sse_rm(x, 0x10, dst, base, disp);
}

static inline void sse_store(struct x86 *x, unsigned base, int32_t disp, unsigned src)
{
    sse_rm(x, 0x11, src, base, disp);
}

/* movups: 16 bytes; 0x10 loads, 0x11 stores */
static inline void sse_move16(struct x86 *x, unsigned opcode, unsigned reg, unsigned base,
                              int32_t disp)
{
    x86_rex(x, false, reg, 0, base, false);
    x86_byte(x, 0x0f);
    x86_byte(x, opcode);
    x86_modrm_mem(x, reg, base, disp);
}

/* movaps: the whole register, which is quickest */
static inline void sse_mov(struct x86 *x, unsigned dst, unsigned src)
{
    if (dst == src)
        return;
    x86_rex(x, false, dst, 0, src, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0x28);
    x86_modrm_reg(x, dst, src);
}

static inline void sse_from_gr(struct x86 *x, unsigned xmm, unsigned gr)
{
    sse_rr(x, 0x66, true, 0x6e, xmm, gr);
}

static inline void sse_to_gr(struct x86 *x, unsigned gr, unsigned xmm)
{
    sse_rr(x, 0x66, true, 0x7e, xmm, gr);
}

/* movsd xmm, [base + index] */
static inline void sse_load_index(struct x86 *x, unsigned dst, unsigned base, unsigned index)
{
    x86_byte(x, 0xf2);
    x86_rex(x, false, dst, index, base, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0x10);
    x86_modrm_index(x, dst, base, index, 0);
}

/* movsd [base + index], xmm */
static inline void sse_store_index(struct x86 *x, unsigned base, unsigned index, unsigned src)
{
    x86_byte(x, SSE_DOUBLE);
    x86_rex(x, false, src, index, base, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0x11);
    x86_modrm_index(x, src, base, index, 0);
}

/* Flags as of an unsigned comparison, parity for NaNs, which are invalid if ordered. */
static inline void sse_compare(struct x86 *x, bool ordered, unsigned a, unsigned b)
{
    sse_rr(x, 0x66, false, ordered ? 0x2f : 0x2e, a, b);
}

/* cmpeqsd: a becomes all ones or zeros */
static inline void sse_equal(struct x86 *x, unsigned a, unsigned b)
{
    sse_rr(x, SSE_DOUBLE, false, 0xc2, a, b);
    x86_byte(x, 0);
}

/* cvttsd2si (0x2c: towards zero), cvtsd2si (0x2d: as MXCSR says) */
static inline void sse_to_int(struct x86 *x, unsigned opcode, unsigned gr, unsigned xmm)
{
    sse_rr(x, SSE_DOUBLE, true, opcode, gr, xmm);
}

static inline void sse_from_int(struct x86 *x, unsigned xmm, unsigned gr)
{
    sse_rr(x, SSE_DOUBLE, true, 0x2a, xmm, gr);
}

/* A VEX prefix for scalar doubles: map 1 is 0f, 2 is 0f 38. */
static inline void vex_prefix(struct x86 *x, unsigned map, unsigned w, unsigned pp, unsigned reg,
                              unsigned v, unsigned rm)
{
    x86_byte(x, 0xc4);
    x86_byte(x, (reg < 8 ? 0x80u : 0) | 0x40u | (rm < 8 ? 0x20u : 0) | map);
    x86_byte(x, w << 7 | (~v & 15) << 3 | pp);
}

/* dst = a op b; exists where fused multiply-add does */
static inline void vex_op(struct x86 *x, enum x86_sse op, unsigned dst, unsigned a, unsigned b)
{
    vex_prefix(x, 1, 0, 3, dst, a, b);
    x86_byte(x, op);
    x86_modrm_reg(x, dst, b);
}

/* Opcodes of 213 are those of 231 less 0x10. */
enum { VEX_FMADD = 0xb9, VEX_FMSUB = 0xbb, VEX_FNMADD = 0xbd, VEX_FMA_231 = 0 };
#define VEX_FMA_213 (0u - 0x10u)

/* 231: acc = +-a * b +- acc; 213: acc = +-a * acc +- b */
static inline void vex_fma(struct x86 *x, unsigned opcode, unsigned acc, unsigned a, unsigned b)
{
    vex_prefix(x, 2, 1, 1, acc, a, b);
    x86_byte(x, opcode);
    x86_modrm_reg(x, acc, b);
}

/* 0f ae /digit: 2 ldmxcsr, 3 stmxcsr */
static inline void x86_mxcsr(struct x86 *x, unsigned digit, unsigned base, int32_t disp)
{
    x86_rex(x, false, 0, 0, base, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0xae);
    x86_modrm_mem(x, digit, base, disp);
}

/* bt dword [base + disp], bit */
static inline void x86_bt_mi(struct x86 *x, unsigned base, int32_t disp, unsigned bit)
{
    x86_rex(x, false, 0, 0, base, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0xba);
    x86_modrm_mem(x, 4, base, disp);
    x86_byte(x, bit);
}

#endif
