/* Encoder of the x86-64 instructions the translator uses.
 *
 * Appends machine code to a buffer; knows encodings only, nothing of guests or registers' use.
 * Memory operands are base + 32-bit displacement, or base + index. When the buffer is full bytes
 * are dropped and `full` is set: the caller throws the attempt away.
 */
#ifndef KITTSON_CPU_JIT_X86_H
#define KITTSON_CPU_JIT_X86_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum x86_reg {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
};

/* Condition codes of jcc, setcc, cmovcc. */
enum x86_cc {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G,
};

/* Two-operand arithmetic: the opcode of "op r, r/m"; "op r/m, r" is two less. */
enum x86_alu {
    X86_ADD = 0x03,
    X86_OR = 0x0b,
    X86_ADC = 0x13,
    X86_SBB = 0x1b,
    X86_AND = 0x23,
    X86_SUB = 0x2b,
    X86_XOR = 0x33,
    X86_CMP = 0x3b,
    X86_MOV = 0x8b,
};

enum x86_shift { X86_SHL = 4, X86_SHR = 5, X86_SAR = 7 };

struct x86 {
    uint8_t *p, *end;
    bool full;
};

static inline void x86_byte(struct x86 *x, unsigned b)
{
    if (x->p < x->end)
        *x->p++ = (uint8_t)b;
    else
        x->full = true;
}

static inline void x86_bytes(struct x86 *x, const void *v, unsigned n)
{
    const uint8_t *b = v;

    for (unsigned k = 0; k < n; k++)
        x86_byte(x, b[k]);
}

static inline void x86_imm32(struct x86 *x, int32_t v)
{
    x86_bytes(x, &v, 4);
}

/* REX prefix: w for 64-bit operands; always emitted when a byte register needs it. */
static inline void x86_rex(struct x86 *x, bool w, unsigned reg, unsigned index, unsigned base,
                           bool force)
{
    unsigned rex =
        0x40 | (unsigned)w << 3 | (reg >> 3 & 1) << 2 | (index >> 3 & 1) << 1 | (base >> 3 & 1);

    if (rex != 0x40 || force)
        x86_byte(x, rex);
}

static inline void x86_modrm_reg(struct x86 *x, unsigned reg, unsigned rm)
{
    x86_byte(x, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* [base + disp] */
static inline void x86_modrm_mem(struct x86 *x, unsigned reg, unsigned base, int32_t disp)
{
    bool small = disp >= -128 && disp <= 127;

    x86_byte(x, (small ? 0x40u : 0x80u) | (reg & 7) << 3 | (base & 7));
    if ((base & 7) == RSP)
        x86_byte(x, 0x24);
    if (small)
        x86_byte(x, (uint8_t)disp);
    else
        x86_imm32(x, disp);
}

/* [base + (index << scale) + disp] with an 8-bit displacement, or none */
static inline void x86_modrm_scaled(struct x86 *x, unsigned reg, unsigned base, unsigned index,
                                    unsigned scale, int8_t disp)
{
    bool none = disp == 0 && (base & 7) != RBP;

    x86_byte(x, (none ? 0x04u : 0x44u) | (reg & 7) << 3);
    x86_byte(x, scale << 6 | (index & 7) << 3 | (base & 7));
    if (!none)
        x86_byte(x, (uint8_t)disp);
}

static inline void x86_modrm_index(struct x86 *x, unsigned reg, unsigned base, unsigned index,
                                   int8_t disp)
{
    x86_modrm_scaled(x, reg, base, index, 0, disp);
}

static inline void x86_alu_rr(struct x86 *x, enum x86_alu op, bool w, unsigned dst, unsigned src)
{
    x86_rex(x, w, dst, 0, src, false);
    x86_byte(x, op);
    x86_modrm_reg(x, dst, src);
}

static inline void x86_alu_rm(struct x86 *x, enum x86_alu op, bool w, unsigned dst, unsigned base,
                              int32_t disp)
{
    x86_rex(x, w, dst, 0, base, false);
    x86_byte(x, op);
    x86_modrm_mem(x, dst, base, disp);
}

/* op dst, [base + index + disp] */
static inline void x86_alu_rx(struct x86 *x, enum x86_alu op, unsigned dst, unsigned base,
                              unsigned index, int8_t disp)
{
    x86_rex(x, true, dst, index, base, false);
    x86_byte(x, op);
    x86_modrm_index(x, dst, base, index, disp);
}

/* op [base + disp], src */
static inline void x86_alu_mr(struct x86 *x, enum x86_alu op, bool w, unsigned base, int32_t disp,
                              unsigned src)
{
    x86_rex(x, w, src, 0, base, false);
    x86_byte(x, op - 2u);
    x86_modrm_mem(x, src, base, disp);
}

static inline unsigned x86_alu_digit(enum x86_alu op)
{
    return op >> 3 & 7;
}

/* op r, imm32 (sign-extended); not for X86_MOV */
static inline void x86_alu_ri(struct x86 *x, enum x86_alu op, bool w, unsigned dst, int32_t imm)
{
    bool small = imm >= -128 && imm <= 127;

    x86_rex(x, w, 0, 0, dst, false);
    x86_byte(x, small ? 0x83 : 0x81);
    x86_modrm_reg(x, x86_alu_digit(op), dst);
    if (small)
        x86_byte(x, (uint8_t)imm);
    else
        x86_imm32(x, imm);
}

static inline void x86_alu_mi(struct x86 *x, enum x86_alu op, bool w, unsigned base, int32_t disp,
                              int32_t imm)
{
    x86_rex(x, w, 0, 0, base, false);
    x86_byte(x, 0x81);
    x86_modrm_mem(x, x86_alu_digit(op), base, disp);
    x86_imm32(x, imm);
}

/* mov dword [base + disp], imm32 */
static inline void x86_mov_mi(struct x86 *x, unsigned base, int32_t disp, uint32_t imm)
{
    x86_rex(x, false, 0, 0, base, false);
    x86_byte(x, 0xc7);
    x86_modrm_mem(x, 0, base, disp);
    x86_imm32(x, (int32_t)imm);
}

static inline void x86_mov_ri(struct x86 *x, unsigned dst, uint64_t imm)
{
    if (imm == 0) {
        x86_alu_rr(x, X86_XOR, false, dst, dst);
    } else if (imm <= UINT32_MAX) {
        x86_rex(x, false, 0, 0, dst, false);
        x86_byte(x, 0xb8 | (dst & 7));
        x86_bytes(x, &imm, 4);
    } else if ((int64_t)imm == (int32_t)imm) {
        x86_rex(x, true, 0, 0, dst, false);
        x86_byte(x, 0xc7);
        x86_modrm_reg(x, 0, dst);
        x86_bytes(x, &imm, 4);
    } else {
        x86_rex(x, true, 0, 0, dst, false);
        x86_byte(x, 0xb8 | (dst & 7));
        x86_bytes(x, &imm, 8);
    }
}

/* A move that leaves the flags alone whatever the value. */
static inline void x86_mov_ri_keep_flags(struct x86 *x, unsigned dst, uint64_t imm)
{
    x86_rex(x, true, 0, 0, dst, false);
    x86_byte(x, 0xb8 | (dst & 7));
    x86_bytes(x, &imm, 8);
}

static inline void x86_mov_rr(struct x86 *x, unsigned dst, unsigned src)
{
    if (dst != src)
        x86_alu_rr(x, X86_MOV, true, dst, src);
}

static inline void x86_load(struct x86 *x, unsigned dst, unsigned base, int32_t disp)
{
    x86_alu_rm(x, X86_MOV, true, dst, base, disp);
}

static inline void x86_store(struct x86 *x, unsigned base, int32_t disp, unsigned src)
{
    x86_alu_mr(x, X86_MOV, true, base, disp, src);
}

static inline void x86_lea(struct x86 *x, unsigned dst, unsigned base, int32_t disp)
{
    x86_rex(x, true, dst, 0, base, false);
    x86_byte(x, 0x8d);
    x86_modrm_mem(x, dst, base, disp);
}

/* lea dst, [base + index << scale] */
static inline void x86_lea_index(struct x86 *x, unsigned dst, unsigned base, unsigned index,
                                 unsigned scale)
{
    x86_rex(x, true, dst, index, base, false);
    x86_byte(x, 0x8d);
    x86_modrm_scaled(x, dst, base, index, scale, 0);
}

/* mov dst, [base + index * 8 + disp] */
static inline void x86_load_table(struct x86 *x, unsigned dst, unsigned base, unsigned index,
                                  int32_t disp)
{
    x86_rex(x, true, dst, index, base, false);
    x86_byte(x, 0x8b);
    x86_byte(x, 0x84 | (dst & 7) << 3);
    x86_byte(x, 0xc0 | (index & 7) << 3 | (base & 7));
    x86_imm32(x, disp);
}

static inline void x86_shift_ri(struct x86 *x, enum x86_shift op, bool w, unsigned dst, unsigned n)
{
    x86_rex(x, w, 0, 0, dst, false);
    x86_byte(x, 0xc1);
    x86_modrm_reg(x, op, dst);
    x86_byte(x, n);
}

/* by cl */
static inline void x86_shift_rcl(struct x86 *x, enum x86_shift op, bool w, unsigned dst)
{
    x86_rex(x, w, 0, 0, dst, false);
    x86_byte(x, 0xd3);
    x86_modrm_reg(x, op, dst);
}

static inline void x86_shrd(struct x86 *x, unsigned dst, unsigned hi, unsigned n)
{
    x86_rex(x, true, hi, 0, dst, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0xac);
    x86_modrm_reg(x, hi, dst);
    x86_byte(x, n);
}

static inline void x86_not(struct x86 *x, unsigned dst)
{
    x86_rex(x, true, 0, 0, dst, false);
    x86_byte(x, 0xf7);
    x86_modrm_reg(x, 2, dst);
}

static inline void x86_neg(struct x86 *x, unsigned dst)
{
    x86_rex(x, true, 0, 0, dst, false);
    x86_byte(x, 0xf7);
    x86_modrm_reg(x, 3, dst);
}

/* bt, bts, btr r64, imm8 */
enum x86_bit { X86_BT = 4, X86_BTS = 5, X86_BTR = 6 };
static inline void x86_bit_ri(struct x86 *x, enum x86_bit op, unsigned dst, unsigned n)
{
    x86_rex(x, true, 0, 0, dst, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0xba);
    x86_modrm_reg(x, op, dst);
    x86_byte(x, n);
}

static inline void x86_cmov(struct x86 *x, enum x86_cc cc, unsigned dst, unsigned src)
{
    x86_rex(x, true, dst, 0, src, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0x40u | cc);
    x86_modrm_reg(x, dst, src);
}

static inline void x86_test_rr(struct x86 *x, bool w, unsigned a, unsigned b)
{
    x86_rex(x, w, b, 0, a, false);
    x86_byte(x, 0x85);
    x86_modrm_reg(x, b, a);
}

/* test r32, imm32 */
static inline void x86_test_ri(struct x86 *x, unsigned reg, uint32_t imm)
{
    x86_rex(x, false, 0, 0, reg, false);
    x86_byte(x, 0xf7);
    x86_modrm_reg(x, 0, reg);
    x86_imm32(x, (int32_t)imm);
}

/* test byte [base + disp], imm8 */
static inline void x86_test_mb(struct x86 *x, unsigned base, int32_t disp, unsigned imm)
{
    x86_rex(x, false, 0, 0, base, false);
    x86_byte(x, 0xf6);
    x86_modrm_mem(x, 0, base, disp);
    x86_byte(x, imm);
}

/* cmp byte [base + disp], imm8 */
static inline void x86_cmp_mb(struct x86 *x, unsigned base, int32_t disp, unsigned imm)
{
    x86_rex(x, false, 0, 0, base, false);
    x86_byte(x, 0x80);
    x86_modrm_mem(x, 7, base, disp);
    x86_byte(x, imm);
}

/* mov byte [base + disp], imm8 */
static inline void x86_mov_mb(struct x86 *x, unsigned base, int32_t disp, unsigned imm)
{
    x86_rex(x, false, 0, 0, base, false);
    x86_byte(x, 0xc6);
    x86_modrm_mem(x, 0, base, disp);
    x86_byte(x, imm);
}

/* sub byte [base + disp], imm8 */
static inline void x86_sub_mb(struct x86 *x, unsigned base, int32_t disp, unsigned imm)
{
    x86_rex(x, false, 0, 0, base, false);
    x86_byte(x, 0x80);
    x86_modrm_mem(x, 5, base, disp);
    x86_byte(x, imm);
}

/* bts, btr, bt dst, index modulo 64 */
static inline void x86_bts_rr(struct x86 *x, unsigned dst, unsigned index)
{
    x86_rex(x, true, index, 0, dst, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0xab);
    x86_modrm_reg(x, index, dst);
}

static inline void x86_btr_rr(struct x86 *x, unsigned dst, unsigned index)
{
    x86_rex(x, true, index, 0, dst, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0xb3);
    x86_modrm_reg(x, index, dst);
}

static inline void x86_bt_rr(struct x86 *x, unsigned dst, unsigned index)
{
    x86_rex(x, true, index, 0, dst, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0xa3);
    x86_modrm_reg(x, index, dst);
}

static inline void x86_setcc(struct x86 *x, enum x86_cc cc, unsigned reg)
{
    x86_rex(x, false, 0, 0, reg, true);
    x86_byte(x, 0x0f);
    x86_byte(x, 0x90u | cc);
    x86_modrm_reg(x, 0, reg);
}

/* test al, al */
static inline void x86_test_al(struct x86 *x)
{
    x86_byte(x, 0x84);
    x86_byte(x, 0xc0);
}

static inline void x86_stc(struct x86 *x)
{
    x86_byte(x, 0xf9);
}

/* test dword [base + disp], imm32 */
static inline void x86_test_mi(struct x86 *x, unsigned base, int32_t disp, uint32_t imm)
{
    x86_rex(x, false, 0, 0, base, false);
    x86_byte(x, 0xf7);
    x86_modrm_mem(x, 0, base, disp);
    x86_imm32(x, (int32_t)imm);
}

/* Zero- or sign-extending moves from a register's low 8 or 16 bits: 0xb6 0xb7 0xbe 0xbf. */
static inline void x86_extend(struct x86 *x, unsigned opcode, unsigned dst, unsigned src)
{
    x86_rex(x, true, dst, 0, src, true);
    x86_byte(x, 0x0f);
    x86_byte(x, opcode);
    x86_modrm_reg(x, dst, src);
}

static inline void x86_movsxd(struct x86 *x, unsigned dst, unsigned src)
{
    x86_rex(x, true, dst, 0, src, false);
    x86_byte(x, 0x63);
    x86_modrm_reg(x, dst, src);
}

/* Zero-extending load of 1, 2, 4 or 8 bytes from [base + index + disp]. */
static inline void x86_load_index_disp(struct x86 *x, unsigned size, unsigned dst, unsigned base,
                                       unsigned index, int8_t disp)
{
    x86_rex(x, size == 8, dst, index, base, false);
    if (size <= 2) {
        x86_byte(x, 0x0f);
        x86_byte(x, size == 1 ? 0xb6 : 0xb7);
    } else {
        x86_byte(x, 0x8b);
    }
    x86_modrm_index(x, dst, base, index, disp);
}

static inline void x86_load_index(struct x86 *x, unsigned size, unsigned dst, unsigned base,
                                  unsigned index)
{
    x86_load_index_disp(x, size, dst, base, index, 0);
}

static inline void x86_store_index(struct x86 *x, unsigned size, unsigned base, unsigned index,
                                   unsigned src)
{
    if (size == 2)
        x86_byte(x, 0x66);
    x86_rex(x, size == 8, src, index, base, size == 1);
    x86_byte(x, size == 1 ? 0x88 : 0x89);
    x86_modrm_index(x, src, base, index, 0);
}

/* 0xff /digit on memory: 2 call, 4 jmp */
static inline void x86_jmp_mem(struct x86 *x, unsigned base, int32_t disp)
{
    x86_rex(x, false, 0, 0, base, false);
    x86_byte(x, 0xff);
    x86_modrm_mem(x, 4, base, disp);
}

static inline void x86_call_mem(struct x86 *x, unsigned base, int32_t disp)
{
    x86_rex(x, false, 0, 0, base, false);
    x86_byte(x, 0xff);
    x86_modrm_mem(x, 2, base, disp);
}

static inline void x86_call_reg(struct x86 *x, unsigned reg)
{
    x86_rex(x, false, 0, 0, reg, false);
    x86_byte(x, 0xff);
    x86_modrm_reg(x, 2, reg);
}

static inline void x86_jmp_reg(struct x86 *x, unsigned reg)
{
    x86_rex(x, false, 0, 0, reg, false);
    x86_byte(x, 0xff);
    x86_modrm_reg(x, 4, reg);
}

static inline void x86_push(struct x86 *x, unsigned reg)
{
    x86_rex(x, false, 0, 0, reg, false);
    x86_byte(x, 0x50 | (reg & 7));
}

static inline void x86_pop(struct x86 *x, unsigned reg)
{
    x86_rex(x, false, 0, 0, reg, false);
    x86_byte(x, 0x58 | (reg & 7));
}

static inline void x86_ret(struct x86 *x)
{
    x86_byte(x, 0xc3);
}

/* Forward jumps: emit with an unknown target, then bind. Returns where the displacement is. */
static inline uint8_t *x86_jcc(struct x86 *x, enum x86_cc cc)
{
    x86_byte(x, 0x0f);
    x86_byte(x, 0x80u | cc);
    x86_imm32(x, 0);
    return x->p - 4;
}

static inline uint8_t *x86_jmp(struct x86 *x)
{
    x86_byte(x, 0xe9);
    x86_imm32(x, 0);
    return x->p - 4;
}

static inline void x86_bind(struct x86 *x, uint8_t *at, const uint8_t *target)
{
    int32_t rel = (int32_t)(target - (at + 4));

    if (!x->full)
        memcpy(at, &rel, 4);
}

static inline void x86_bind_here(struct x86 *x, uint8_t *at)
{
    x86_bind(x, at, x->p);
}

/* Calls code of the same buffer's mapping. */
static inline void x86_call_to(struct x86 *x, const uint8_t *target)
{
    x86_byte(x, 0xe8);
    x86_imm32(x, 0);
    x86_bind(x, x->p - 4, target);
}

static inline void x86_imul_rr(struct x86 *x, unsigned dst, unsigned src)
{
    x86_rex(x, true, dst, 0, src, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0xaf);
    x86_modrm_reg(x, dst, src);
}

/* 0xf7 /digit on memory: 4 mul, 5 imul; rdx:rax = rax * qword */
static inline void x86_mul_m(struct x86 *x, unsigned digit, unsigned base, int32_t disp)
{
    x86_rex(x, true, 0, 0, base, false);
    x86_byte(x, 0xf7);
    x86_modrm_mem(x, digit, base, disp);
}

/* Number of the highest bit set; src is not 0. */
static inline void x86_bsr(struct x86 *x, unsigned dst, unsigned src)
{
    x86_rex(x, true, dst, 0, src, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0xbd);
    x86_modrm_reg(x, dst, src);
}

static inline void x86_bswap(struct x86 *x, unsigned reg)
{
    x86_rex(x, true, 0, 0, reg, false);
    x86_byte(x, 0x0f);
    x86_byte(x, 0xc8 | (reg & 7));
}

/* popcnt (f3 0f b8), lzcnt (f3 0f bd) */
static inline void x86_count(struct x86 *x, unsigned opcode, unsigned dst, unsigned src)
{
    x86_byte(x, 0xf3);
    x86_rex(x, true, dst, 0, src, false);
    x86_byte(x, 0x0f);
    x86_byte(x, opcode);
    x86_modrm_reg(x, dst, src);
}

#endif
