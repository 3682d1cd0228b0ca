/* What the decoder and the disassembler share beside the instruction table: operand kinds and
 * completers with the bits they are made of. Not for use outside cpu/decode.c and cpu/disasm.c.
 */
#ifndef KITTSON_CPU_INSN_TABLE_H
#define KITTSON_CPU_INSN_TABLE_H

#include "insn.h"

#define OPERAND_PIECES 6
#define OPERAND_LSLOT  64 /* added to a bit position: the bit is in the L slot of an MLX bundle */
#define ROW_OPERANDS   8  /* most operands and completers of one row */

/* How an operand is printed. */
enum operand_show {
    SHOW_NONE,
    SHOW_GR,
    SHOW_FR,
    SHOW_PR,
    SHOW_BR,
    SHOW_AR,
    SHOW_CR,
    SHOW_DAHR,
    SHOW_DEC,
    SHOW_HEX,
    SHOW_TARGET, /* absolute address: bundle address plus value */
    SHOW_MBTYPE,
    SHOW_SOR,
};

/* Where in struct insn the value goes. */
enum operand_field {
    INTO_NONE,
    INTO_R1,
    INTO_R2,
    INTO_R3,
    INTO_R4,
    INTO_P1,
    INTO_P2,
    INTO_POS,
    INTO_LEN,
    INTO_SF,
    INTO_IMM,
};

/* The value is the pieces joined, least significant first, then: sign-extended if is_signed, looked
 * up in map if there is one, negated if is_complement, plus bias, shifted left. */
struct operand_kind {
    const char *name;
    uint8_t show, into;
    bool is_signed, is_complement;
    uint8_t shift;
    int8_t bias;
    const int8_t *map;
    struct {
        uint8_t pos, len;
    } piece[OPERAND_PIECES];
};

extern const struct operand_kind insn_operands[];

/* The kind whose name is the len bytes at text, or -1. */
int operand_find(const char *text, size_t len);
int64_t operand_value(const struct operand_kind *k, uint64_t slot, uint64_t lslot);

#endif
