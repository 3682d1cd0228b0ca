/* A decoded IA-64 instruction and the table all decoding comes from.
 *
 * cpu/insn.def holds one row per encoding (opcode bits, operands, flags); the decoder, the
 * disassembler, the interpreter's dispatch and the coverage report are generated from it.
 * This header does not know what an instruction does. Formats: SDM vol 3, chapter 4.
 */
#ifndef KITTSON_CPU_INSN_H
#define KITTSON_CPU_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Execution unit types; X is the L+X pair of an MLX bundle (SDM 3:4.1). UNIT_A rows match in
 * both M and I slots. */
enum insn_unit { UNIT_A, UNIT_I, UNIT_M, UNIT_F, UNIT_B, UNIT_X, UNIT_NONE };

/* Compare types (SDM 1:4.3.3), kept in insn.sub of cmp*, tbit*, tnat*, tf*, fcmp*, fclass*. */
enum insn_ctype { CT_NONE, CT_UNC, CT_AND, CT_OR, CT_ORCM };

/* Load types, kept in insn.sub of ld*, ldf*, ldfp* (SDM 1:4.4). */
enum insn_ldtype {
    LD_NONE,
    LD_S,
    LD_A,
    LD_SA,
    LD_BIAS,
    LD_ACQ,
    LD_C_CLR,
    LD_C_NC,
    LD_C_CLR_ACQ,
};

/* Precision completer of fma and relatives, in insn.sub (SDM 1:5.2). */
enum insn_pc { PC_NONE, PC_S, PC_D };

/* Address update of memory operations, in insn.inc. */
enum insn_inc { INC_NONE, INC_REG, INC_IMM };
#define LFETCH_FAULT 2u /* of lfetch, in sub */

/* Row flags. */
#define IF_FIRST 0x01  /* must be the first instruction of its group (alloc, flushrs, loadrs...) */
#define IF_LAST  0x02  /* must be the last instruction of its group (cover, bsw, rfi, ...) */
#define IF_PRIV  0x04  /* privileged: needs cpl 0 */
#define IF_END   0x08  /* changes machine state later instructions depend on: ends a block */
#define IF_BR    0x10  /* a branch or a check that may branch */
#define IF_MEM   0x20  /* accesses memory */
#define IF_NOQP  0x40  /* has no qualifying predicate; the qp field is ignored or must be 0 */
#define IF_NEW   0x80  /* added by the Itanium 9300 or later: see cpu model */
#define IF_NOP   0x100 /* no effect whatever (nop, hint, brp) */

/* Instruction formats (SDM 3:4.2 to 3:4.7). */
/* clang-format off */
enum insn_format {
    FMT_NONE,
    FMT_A1, FMT_A2, FMT_A3, FMT_A4, FMT_A5, FMT_A6, FMT_A7, FMT_A8, FMT_A9, FMT_A10,
    FMT_I1, FMT_I2, FMT_I3, FMT_I4, FMT_I5, FMT_I6, FMT_I7, FMT_I8, FMT_I9, FMT_I10,
    FMT_I11, FMT_I12, FMT_I13, FMT_I14, FMT_I15, FMT_I16, FMT_I17, FMT_I18, FMT_I19, FMT_I20,
    FMT_I21, FMT_I22, FMT_I23, FMT_I24, FMT_I25, FMT_I26, FMT_I27, FMT_I28, FMT_I29, FMT_I30,
    FMT_M1, FMT_M2, FMT_M3, FMT_M4, FMT_M5, FMT_M6, FMT_M7, FMT_M8, FMT_M9, FMT_M10,
    FMT_M11, FMT_M12, FMT_M13, FMT_M14, FMT_M15, FMT_M16, FMT_M17, FMT_M18, FMT_M19, FMT_M20,
    FMT_M21, FMT_M22, FMT_M23, FMT_M24, FMT_M25, FMT_M26, FMT_M27, FMT_M28, FMT_M29, FMT_M30,
    FMT_M31, FMT_M32, FMT_M33, FMT_M34, FMT_M35, FMT_M36, FMT_M37, FMT_M38, FMT_M39, FMT_M40,
    FMT_M41, FMT_M42, FMT_M43, FMT_M44, FMT_M45, FMT_M46, FMT_M47, FMT_M48, FMT_M49, FMT_M50,
    FMT_M51,
    FMT_B1, FMT_B2, FMT_B3, FMT_B4, FMT_B5, FMT_B6, FMT_B7, FMT_B8, FMT_B9,
    FMT_F1, FMT_F2, FMT_F3, FMT_F4, FMT_F5, FMT_F6, FMT_F7, FMT_F8, FMT_F9, FMT_F10,
    FMT_F11, FMT_F12, FMT_F13, FMT_F14, FMT_F15, FMT_F16,
    FMT_X1, FMT_X2, FMT_X3, FMT_X4, FMT_X5,
};
/* clang-format on */

enum insn_op {
    OP_illegal,   /* reserved encoding: Illegal Operation fault if the predicate is true */
    OP_reserved0, /* illegal even when predicated off */
#define OPDEF(name) OP_##name,
#include "insn_ops.def"
#undef OPDEF
    OP_COUNT
};

/* One decoded instruction. Registers are the encoded numbers (before rotation). */
struct insn {
    int64_t imm;  /* main immediate, sign-extended; branch displacement in bytes */
    uint16_t op;  /* enum insn_op */
    uint16_t row; /* index of its table row */
    uint8_t qp;
    uint8_t r1, r2, r3, r4; /* GR/FR/BR/AR/CR number of the operand of that name */
    uint8_t p1, p2;
    uint8_t sub;      /* ctype, ldtype, pc: see above; else op-specific (documented in insn.def) */
    uint8_t sf;       /* FP status field 0..3 */
    uint8_t inc;      /* enum insn_inc */
    uint8_t pos, len; /* extr/dep/shrp/tbit position and length; alloc: sol and sof; counts */
};

/* A table row. */
struct insn_row {
    const char *name;     /* mnemonic; $x marks completers taken from fields, see insn.def */
    const char *operands; /* operand template, SDM names; see insn.def */
    uint64_t mask, match; /* 41-bit slot bits */
    uint16_t op, flags;
    uint8_t unit, sub, inc;
    uint8_t format; /* enum insn_format: which of A1..X5 */
};

extern const struct insn_row insn_rows[];
extern const size_t insn_row_count;
const char *insn_op_name(unsigned op);

/* The template's unit of each slot (M, I, F, B, X) and whether a stop follows each slot.
 * For MLX, slot 1 is UNIT_X (it uses both slots) and slot 2 is UNIT_NONE. false: reserved. */
struct insn_template {
    uint8_t unit[3];
    uint8_t stop[3];
    bool valid;
};
extern const struct insn_template insn_templates[32];

/* A bundle as three 41-bit slots. */
struct insn_bundle {
    uint64_t slot[3];
    unsigned tmpl;
};
struct insn_bundle insn_unpack(uint64_t lo, uint64_t hi);

/* Decodes the slot of the given unit. lslot is the L slot's 41 bits for UNIT_X, else ignored.
 * Always fills *out: an unknown encoding gives OP_illegal with qp set. */
void insn_decode(unsigned unit, uint64_t slot, uint64_t lslot, struct insn *out);

/* Text of one instruction in objdump's syntax, without its predicate when qp is 0.
 * ip is the bundle's address (branch targets are printed absolute). Returns buf. */
char *insn_disasm(char *buf, size_t size, unsigned unit, uint64_t slot, uint64_t lslot,
                  uint64_t ip);

#endif
