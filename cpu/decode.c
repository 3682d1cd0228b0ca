/* The instruction table in memory and the decoder driven by it.
 *
 * All encodings are in cpu/insn.def and all operand layouts in insn_operands[]; there is no code
 * per format. Formats and bit positions: SDM vol 3 chapter 4. Does not know what instructions do.
 */
#include "insn_table.h"
#include <string.h>

/* Fixed bits of a row: the mask in the upper half, the value in the lower. */
__extension__ typedef unsigned __int128 fixed_bits;
#define FIXED(hi, lo, v)                                                                           \
    ((fixed_bits)((2ull << (hi)) - (1ull << (lo))) << 64 | (fixed_bits)((uint64_t)(v) << (lo)))

/* Field positions, named as in the SDM's format tables. */
#define OP(v)     FIXED(40, 37, v)
#define OPHI(v)   FIXED(40, 40, v)
#define X2A(v)    FIXED(35, 34, v) /* A and I7 formats */
#define VE(v)     FIXED(33, 33, v)
#define X4(v)     FIXED(32, 29, v)
#define X2B(v)    FIXED(28, 27, v)
#define CT2D(v)   FIXED(28, 27, v)
#define ZA(v)     FIXED(36, 36, v)
#define ZB(v)     FIXED(33, 33, v)
#define TB(v)     FIXED(36, 36, v) /* compares and bit tests */
#define TA(v)     FIXED(33, 33, v)
#define C(v)      FIXED(12, 12, v)
#define VEI(v)    FIXED(32, 32, v) /* I7: ve, x2b and x2c have their own places */
#define X2C(v)    FIXED(31, 30, v)
#define X2BI(v)   FIXED(29, 28, v)
#define MBT4C(v)  FIXED(23, 20, v)
#define MBT2HI(v) FIXED(23, 22, v) /* upper half of mbt4c */
#define X2(v)     FIXED(35, 34, v)
#define X(v)      FIXED(33, 33, v)
#define Y13(v)    FIXED(13, 13, v)
#define Y26(v)    FIXED(26, 26, v)
#define XC(v)     FIXED(19, 19, v)
#define XB(v)     FIXED(22, 22, v)
#define XD(v)     FIXED(11, 10, v)
#define X3(v)     FIXED(35, 33, v)
#define X6(v)     FIXED(32, 27, v)
#define X6HI(v)   FIXED(32, 32, v)
#define X2M(v)    FIXED(32, 31, v) /* M system formats */
#define X4M(v)    FIXED(30, 27, v)
#define XH(v)     FIXED(36, 36, v) /* x of F1..F3 and M28 */
#define M(v)      FIXED(36, 36, v) /* memory formats */
#define XM(v)     FIXED(27, 27, v)
#define X6M(v)    FIXED(35, 30, v)
#define BTYPE(v)  FIXED(8, 6, v)
#define RA(v)     FIXED(33, 33, v) /* F4 */
#define RB(v)     FIXED(36, 36, v)
#define TAF(v)    FIXED(12, 12, v)
#define Q(v)      FIXED(36, 36, v)
#define VC(v)     FIXED(20, 20, v)

const struct insn_row insn_rows[] = {
#define ROW(name_, fmt, unit_, bits, operands_, op_, sub_, inc_, flags_)                           \
    {.name = name_,                                                                                \
     .operands = operands_,                                                                        \
     .mask = (uint64_t)((fixed_bits)(bits) >> 64),                                                 \
     .match = (uint64_t)(fixed_bits)(bits),                                                        \
     .op = OP_##op_,                                                                               \
     .flags = flags_,                                                                              \
     .unit = UNIT_##unit_,                                                                         \
     .sub = sub_,                                                                                  \
     .inc = inc_,                                                                                  \
     .format = FMT_##fmt},
#include "insn.def"
#undef ROW
};

#define ROW_COUNT (sizeof insn_rows / sizeof insn_rows[0])
const size_t insn_row_count = ROW_COUNT;

const char *insn_op_name(unsigned op)
{
    static const char *const names[OP_COUNT] = {
        [OP_illegal] = "illegal",
        [OP_reserved0] = "reserved0",
#define OPDEF(name) [OP_##name] = #name,
#include "insn_ops.def"
#undef OPDEF
    };
    return op < OP_COUNT ? names[op] : "?";
}

/* pmpyshr2 shift counts (SDM 3:4.3.1.1), fetchadd increments with the sign as third bit (M17). */
static const int8_t count2c_map[4] = {0, 7, 15, 16};
static const int8_t inc3_map[8] = {16, 8, 4, 1, -16, -8, -4, -1};

/* Operand names are the SDM's; a letter is added where one name has several layouts. */
const struct operand_kind insn_operands[] = {
    {"r1", SHOW_GR, INTO_R1, .piece = {{6, 7}}},
    {"r2", SHOW_GR, INTO_R2, .piece = {{13, 7}}},
    {"r3", SHOW_GR, INTO_R3, .piece = {{20, 7}}},
    {"r3a", SHOW_GR, INTO_R3, .piece = {{20, 2}}}, /* A5: r0..r3 only */
    {"f1", SHOW_FR, INTO_R1, .piece = {{6, 7}}},
    {"f2", SHOW_FR, INTO_R2, .piece = {{13, 7}}},
    {"f3", SHOW_FR, INTO_R3, .piece = {{20, 7}}},
    {"f4", SHOW_FR, INTO_R4, .piece = {{27, 7}}},
    {"p1", SHOW_PR, INTO_P1, .piece = {{6, 6}}},
    {"p2", SHOW_PR, INTO_P2, .piece = {{27, 6}}},
    {"b1", SHOW_BR, INTO_R1, .piece = {{6, 3}}},
    {"b2", SHOW_BR, INTO_R2, .piece = {{13, 3}}},
    {"ar3", SHOW_AR, INTO_R3, .piece = {{20, 7}}},
    {"cr3", SHOW_CR, INTO_R3, .piece = {{20, 7}}},
    {"dahr3", SHOW_DAHR, INTO_R3, .piece = {{23, 3}}},
    {"imm1", SHOW_DEC, INTO_IMM, true, .piece = {{36, 1}}},
    {"imm2", SHOW_DEC, INTO_IMM, .piece = {{13, 2}}},
    {"imm5", SHOW_DEC, INTO_POS, .bias = 32, .piece = {{14, 5}}}, /* tf: CPUID[4] bit */
    {"imm8", SHOW_DEC, INTO_IMM, true, .piece = {{13, 7}, {36, 1}}},
    {"imm9a", SHOW_DEC, INTO_IMM, true, .piece = {{13, 7}, {27, 1}, {36, 1}}}, /* loads */
    {"imm9b", SHOW_DEC, INTO_IMM, true, .piece = {{6, 7}, {27, 1}, {36, 1}}},  /* stores */
    {"imm14", SHOW_DEC, INTO_IMM, true, .piece = {{13, 7}, {27, 6}, {36, 1}}},
    {"imm16", SHOW_DEC, INTO_IMM, .piece = {{6, 4}, {12, 11}, {36, 1}}},
    {"imm19", SHOW_DEC, INTO_IMM, .piece = {{6, 4}, {12, 14}, {36, 1}}}, /* hint.m */
    {"imm21", SHOW_HEX, INTO_IMM, .piece = {{6, 20}, {36, 1}}},
    {"imm22", SHOW_DEC, INTO_IMM, true, .piece = {{13, 7}, {27, 9}, {22, 5}, {36, 1}}},
    {"imm24", SHOW_HEX, INTO_IMM, .piece = {{6, 21}, {31, 2}, {36, 1}}},
    {"imm44", SHOW_HEX, INTO_IMM, true, .shift = 16, .piece = {{6, 27}, {36, 1}}},
    {"imm62", SHOW_HEX, INTO_IMM, .piece = {{6, 20}, {36, 1}, {OPERAND_LSLOT, 41}}},
    {"imm64", SHOW_HEX, INTO_IMM,
     .piece = {{13, 7}, {27, 9}, {22, 5}, {21, 1}, {OPERAND_LSLOT, 41}, {36, 1}}},
    {"mask17", SHOW_HEX, INTO_IMM, true, .shift = 1, .piece = {{6, 7}, {24, 8}, {36, 1}}},
    {"inc3", SHOW_DEC, INTO_IMM, .map = inc3_map, .piece = {{13, 2}, {15, 1}}},
    {"inc8", SHOW_DEC, INTO_IMM, .bias = 8, .piece = {{0, 0}}},
    {"inc16", SHOW_DEC, INTO_IMM, .bias = 16, .piece = {{0, 0}}},
    {"cnt6", SHOW_DEC, INTO_LEN, .bias = 1, .piece = {{6, 6}}},
    {"stride6", SHOW_DEC, INTO_IMM, true, .shift = 6, .piece = {{13, 5}}},
    {"count2", SHOW_DEC, INTO_POS, .bias = 1, .piece = {{27, 2}}},
    {"count2c", SHOW_DEC, INTO_POS, .map = count2c_map, .piece = {{30, 2}}},
    {"count5", SHOW_DEC, INTO_POS, .piece = {{14, 5}}},
    {"ccount5", SHOW_DEC, INTO_POS, .is_complement = true, .bias = 31, .piece = {{20, 5}}},
    {"count6", SHOW_DEC, INTO_POS, .piece = {{27, 6}}},
    {"mbtype4", SHOW_MBTYPE, INTO_POS, .piece = {{20, 4}}},
    {"mhtype8", SHOW_HEX, INTO_IMM, .piece = {{20, 8}}},
    {"pos6", SHOW_DEC, INTO_POS, .piece = {{14, 6}}},
    {"cpos6b", SHOW_DEC, INTO_POS, .is_complement = true, .bias = 63, .piece = {{14, 6}}},
    {"cpos6c", SHOW_DEC, INTO_POS, .is_complement = true, .bias = 63, .piece = {{20, 6}}},
    {"cpos6d", SHOW_DEC, INTO_POS, .is_complement = true, .bias = 63, .piece = {{31, 6}}},
    {"len4", SHOW_DEC, INTO_LEN, .bias = 1, .piece = {{27, 4}}},
    {"len6", SHOW_DEC, INTO_LEN, .bias = 1, .piece = {{27, 6}}},
    {"sof", SHOW_DEC, INTO_LEN, .piece = {{13, 7}}},
    {"sol", SHOW_DEC, INTO_POS, .piece = {{20, 7}}},
    {"sor", SHOW_SOR, INTO_IMM, .piece = {{27, 4}}},
    {"fclass9", SHOW_HEX, INTO_IMM, .piece = {{33, 2}, {20, 7}}},
    {"amask7", SHOW_HEX, INTO_POS, .piece = {{13, 7}}},
    {"omask7", SHOW_HEX, INTO_LEN, .piece = {{20, 7}}},
    {"tag13", SHOW_TARGET, INTO_NONE, true, .shift = 4, .piece = {{6, 7}, {33, 2}}},
    {"tag13b", SHOW_TARGET, INTO_NONE, true, .shift = 4, .piece = {{24, 9}}},            /* I21 */
    {"target25a", SHOW_TARGET, INTO_IMM, true, .shift = 4, .piece = {{6, 20}, {36, 1}}}, /* F14 */
    {"target25b", SHOW_TARGET, INTO_IMM, true, .shift = 4, .piece = {{6, 7}, {20, 13}, {36, 1}}},
    {"target25c", SHOW_TARGET, INTO_IMM, true, .shift = 4, .piece = {{13, 20}, {36, 1}}},
    {"target64", SHOW_TARGET, INTO_IMM, true, .shift = 4,
     .piece = {{13, 20}, {OPERAND_LSLOT + 2, 39}, {36, 1}}},
    {"$sf", SHOW_NONE, INTO_SF, .piece = {{34, 2}}},
    {NULL, SHOW_NONE, INTO_NONE, .piece = {{0, 0}}},
};

int operand_find(const char *text, size_t len)
{
    for (int i = 0; insn_operands[i].name; i++)
        if (strlen(insn_operands[i].name) == len && memcmp(insn_operands[i].name, text, len) == 0)
            return i;
    return -1;
}

static uint64_t join_pieces(const struct operand_kind *k, uint64_t slot, uint64_t lslot,
                            unsigned *width)
{
    uint64_t v = 0;
    unsigned at = 0;
    for (int i = 0; i < OPERAND_PIECES && k->piece[i].len; i++) {
        unsigned pos = k->piece[i].pos, len = k->piece[i].len;
        uint64_t bits = pos >= OPERAND_LSLOT ? lslot >> (pos - OPERAND_LSLOT) : slot >> pos;
        v |= (bits & ((1ull << len) - 1)) << at;
        at += len;
    }
    *width = at;
    return v;
}

int64_t operand_value(const struct operand_kind *k, uint64_t slot, uint64_t lslot)
{
    unsigned width;
    uint64_t v = join_pieces(k, slot, lslot, &width);
    if (k->is_signed && width < 64 && v >> (width - 1) & 1)
        v |= ~0ull << width;
    if (k->map)
        v = (uint64_t)(int64_t)k->map[v];
    if (k->is_complement)
        v = -v;
    return (int64_t)((v + (uint64_t)(int64_t)k->bias) << k->shift);
}

/* What is worked out from the table once: the operands of each row, and for each unit and major
 * opcode the rows that can match, in table order. */
static struct {
    int8_t operand[ROW_COUNT][ROW_OPERANDS]; /* indices of insn_operands, -1 ends */
    uint16_t first[UNIT_NONE][16], count[UNIT_NONE][16];
    uint16_t list[2 * ROW_COUNT + 64]; /* A rows are in two lists, rows with open opcodes in more */
} table;

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '$';
}

/* Adds the operands named in text (a mnemonic or an operand template) to a row's list. */
static int add_operands(int8_t *list, int n, const char *text)
{
    while (*text) {
        size_t len = 1;
        if (is_name_char(*text))
            while (is_name_char(text[len]) && text[len] != '$')
                len++;
        int kind = operand_find(text, len);
        if (kind >= 0 && n < ROW_OPERANDS - 1)
            list[n++] = (int8_t)kind;
        text += len;
    }
    return n;
}

static bool row_in_unit(const struct insn_row *r, unsigned unit)
{
    return r->unit == unit || (r->unit == UNIT_A && (unit == UNIT_I || unit == UNIT_M));
}

static bool row_has_opcode(const struct insn_row *r, uint64_t opcode)
{
    return ((opcode << 37 ^ r->match) & r->mask & 15ull << 37) == 0;
}

/* Runs before main, so decoding needs no lock and no check. */
__attribute__((constructor)) static void build_table(void)
{
    uint16_t used = 0;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        int n = add_operands(table.operand[i], 0, insn_rows[i].name);
        n = add_operands(table.operand[i], n, insn_rows[i].operands);
        table.operand[i][n] = -1;
    }
    for (unsigned unit = 0; unit < UNIT_NONE; unit++) {
        for (unsigned opcode = 0; opcode < 16; opcode++) {
            table.first[unit][opcode] = used;
            for (size_t i = 0; i < ROW_COUNT; i++)
                if (row_in_unit(&insn_rows[i], unit) && row_has_opcode(&insn_rows[i], opcode))
                    table.list[used++] = (uint16_t)i;
            table.count[unit][opcode] = (uint16_t)(used - table.first[unit][opcode]);
        }
    }
}

static uint16_t find_row(unsigned unit, uint64_t slot)
{
    if (unit >= UNIT_NONE)
        return 0;
    unsigned opcode = slot >> 37 & 15;
    const uint16_t *list = table.list + table.first[unit][opcode];
    for (unsigned i = 0; i < table.count[unit][opcode]; i++)
        if ((slot & insn_rows[list[i]].mask) == insn_rows[list[i]].match)
            return list[i];
    return 0;
}

static void store_operand(struct insn *out, uint8_t into, int64_t v)
{
    uint8_t b = (uint8_t)v;
    switch (into) {
    case INTO_R1:
        out->r1 = b;
        break;
    case INTO_R2:
        out->r2 = b;
        break;
    case INTO_R3:
        out->r3 = b;
        break;
    case INTO_R4:
        out->r4 = b;
        break;
    case INTO_P1:
        out->p1 = b;
        break;
    case INTO_P2:
        out->p2 = b;
        break;
    case INTO_POS:
        out->pos = b;
        break;
    case INTO_LEN:
        out->len = b;
        break;
    case INTO_SF:
        out->sf = b;
        break;
    case INTO_IMM:
        out->imm = v;
        break;
    default:
        break;
    }
}

void insn_decode(unsigned unit, uint64_t slot, uint64_t lslot, struct insn *out)
{
    uint16_t row = find_row(unit, slot);
    const struct insn_row *r = &insn_rows[row];
    memset(out, 0, sizeof *out);
    out->row = row;
    out->op = r->op;
    out->sub = r->sub;
    out->inc = r->inc;
    if (!(r->flags & IF_NOQP))
        out->qp = slot & 63;
    for (const int8_t *k = table.operand[row]; *k >= 0; k++)
        store_operand(out, insn_operands[*k].into, operand_value(&insn_operands[*k], slot, lslot));
}

#define TEMPLATE(a, b, c, sa, sb, sc)                                                              \
    {                                                                                              \
        {UNIT_##a, UNIT_##b, UNIT_##c}, {sa, sb, sc}, true                                         \
    }

/* SDM 3:4.1, table "Template field encoding and instruction slot mapping". */
const struct insn_template insn_templates[32] = {
    [0x00] = TEMPLATE(M, I, I, 0, 0, 0),    [0x01] = TEMPLATE(M, I, I, 0, 0, 1),
    [0x02] = TEMPLATE(M, I, I, 0, 1, 0),    [0x03] = TEMPLATE(M, I, I, 0, 1, 1),
    [0x04] = TEMPLATE(M, X, NONE, 0, 0, 0), [0x05] = TEMPLATE(M, X, NONE, 0, 0, 1),
    [0x08] = TEMPLATE(M, M, I, 0, 0, 0),    [0x09] = TEMPLATE(M, M, I, 0, 0, 1),
    [0x0a] = TEMPLATE(M, M, I, 1, 0, 0),    [0x0b] = TEMPLATE(M, M, I, 1, 0, 1),
    [0x0c] = TEMPLATE(M, F, I, 0, 0, 0),    [0x0d] = TEMPLATE(M, F, I, 0, 0, 1),
    [0x0e] = TEMPLATE(M, M, F, 0, 0, 0),    [0x0f] = TEMPLATE(M, M, F, 0, 0, 1),
    [0x10] = TEMPLATE(M, I, B, 0, 0, 0),    [0x11] = TEMPLATE(M, I, B, 0, 0, 1),
    [0x12] = TEMPLATE(M, B, B, 0, 0, 0),    [0x13] = TEMPLATE(M, B, B, 0, 0, 1),
    [0x16] = TEMPLATE(B, B, B, 0, 0, 0),    [0x17] = TEMPLATE(B, B, B, 0, 0, 1),
    [0x18] = TEMPLATE(M, M, B, 0, 0, 0),    [0x19] = TEMPLATE(M, M, B, 0, 0, 1),
    [0x1c] = TEMPLATE(M, F, B, 0, 0, 0),    [0x1d] = TEMPLATE(M, F, B, 0, 0, 1),
};

struct insn_bundle insn_unpack(uint64_t lo, uint64_t hi)
{
    const uint64_t mask = (1ull << 41) - 1;
    struct insn_bundle b = {
        .slot = {lo >> 5 & mask, (lo >> 46 | hi << 18) & mask, hi >> 23},
        .tmpl = lo & 31,
    };
    return b;
}
