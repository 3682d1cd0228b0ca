/* The disassembler: text of one instruction in the syntax of GNU objdump, from the instruction
 * table.
 *
 * Adds to the table the completers that only carry hints and the pseudo-instructions objdump
 * prefers (mov, shl, fmpy, br without cond, ...). Encodings without a mnemonic, among them hint
 * values no assembler can name, are printed as data8, as objdump does. Knows nothing of execution.
 */
#include "insn_table.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* $x in a mnemonic: text by the value of up to two bit fields, the second above the first.
 * NULL is a value that has no mnemonic. */
struct completer {
    const char *name;
    uint8_t pos, len, pos2, len2;
    const char *text[8];
};

static const struct completer completers[] = {
    {"$sf", 34, 2, 0, 0, {".s0", ".s1", ".s2", ".s3"}},
    {"$ldhint", 28, 2, 19, 1, {"", ".nt1", ".d2", ".nta", ".d4", ".d5", ".d6", ".d7"}},
    {"$mhint", 28, 2, 0, 0, {"", ".nt1", NULL, ".nta"}},
    {"$m5hint", 28, 2, 0, 0, {"", NULL, NULL, ".nta"}},
    {"$sthint", 28, 2, 12, 1, {"", ".d1", ".d2", ".nta", ".d4", ".d5", ".d6", ".d7"}},
    {"$lfhint", 28, 2, 12, 1, {"", ".nt1", ".nt2", ".nta", ".d4", ".d5", ".d6", ".d7"}},
    {"$hm", 10, 2, 0, 0, {"", NULL, NULL, NULL}},
    {"$mwh", 20, 2, 0, 0, {".sptk", "", ".dptk", NULL}},
    {"$ih", 23, 1, 0, 0, {"", ".imp"}},
    {"$ihb", 35, 1, 0, 0, {"", ".imp"}},
    {"$bwh", 33, 2, 0, 0, {".sptk", ".spnt", ".dptk", ".dpnt"}},
    {"$bwh3", 32, 3, 0, 0, {NULL, ".sptk", NULL, ".spnt", NULL, ".dptk", NULL, ".dpnt"}},
    {"$ph", 12, 1, 0, 0, {".few", ".many"}},
    {"$dh", 35, 1, 0, 0, {"", ".clr"}},
    {"$ipwh", 3, 2, 0, 0, {".sptk", ".loop", ".dptk", ".exit"}},
    {"$indwh", 3, 2, 0, 0, {".sptk", NULL, ".dptk", NULL}},
};

/* A preferred spelling of op where the masked bits match and cond holds. First match wins. */
enum pseudo_cond { ALWAYS, F2_IS_F3, LEN_TO_TOP };

struct pseudo {
    uint16_t op;
    uint8_t cond;
    uint64_t mask, match;
    const char *name, *operands;
};

#define BITS(hi, lo) ((2ull << (hi)) - (1ull << (lo)))
#define IMM14_BITS   (BITS(36, 36) | BITS(32, 27) | BITS(19, 13))
#define F2_BITS      BITS(19, 13)
#define F4_BITS      BITS(33, 27)
#define F4_ONE       (1ull << 27)

static const struct pseudo pseudos[] = {
    {OP_adds, ALWAYS, IMM14_BITS, 0, "mov", "r1=r3"},
    {OP_addl, ALWAYS, BITS(21, 20), 0, "mov", "r1=imm22"},
    {OP_extr_u, LEN_TO_TOP, 0, 0, "shr.u", "r1=r3,pos6"},
    {OP_extr, LEN_TO_TOP, 0, 0, "shr", "r1=r3,pos6"},
    {OP_dep_z, LEN_TO_TOP, 0, 0, "shl", "r1=r2,cpos6c"},
    {OP_mov_to_br, ALWAYS, BITS(23, 20), 1ull << 20, "mov", "b1=r2"},
    {OP_fmerge_s, F2_IS_F3, 0, 0, "mov", "f1=f3"},
    {OP_fmerge_s, ALWAYS, F2_BITS, 0, "fabs", "f1=f3"},
    {OP_fmerge_ns, F2_IS_F3, 0, 0, "fneg", "f1=f3"},
    {OP_fmerge_ns, ALWAYS, F2_BITS, 0, "fnegabs", "f1=f3"},
    {OP_fpmerge_s, ALWAYS, F2_BITS, 0, "fpabs", "f1=f3"},
    {OP_fpmerge_ns, F2_IS_F3, 0, 0, "fpneg", "f1=f3"},
    {OP_fpmerge_ns, ALWAYS, F2_BITS, 0, "fpnegabs", "f1=f3"},
    {OP_fma, ALWAYS, F2_BITS | F4_BITS, F4_ONE, "fnorm$pc$sf", "f1=f3"},
    {OP_fma, ALWAYS, F4_BITS, F4_ONE, "fadd$pc$sf", "f1=f3,f2"},
    {OP_fma, ALWAYS, F2_BITS, 0, "fmpy$pc$sf", "f1=f3,f4"},
    {OP_fms, ALWAYS, F4_BITS, F4_ONE, "fsub$pc$sf", "f1=f3,f2"},
    {OP_fnma, ALWAYS, F2_BITS, 0, "fnmpy$pc$sf", "f1=f3,f4"},
    {OP_fpma, ALWAYS, F2_BITS, 0, "fpmpy$sf", "f1=f3,f4"},
    {OP_fpnma, ALWAYS, F2_BITS, 0, "fpnmpy$sf", "f1=f3,f4"},
    {OP_xma_l, ALWAYS, F2_BITS, 0, "xmpy.l", "f1=f3,f4"},
    {OP_xma_h, ALWAYS, F2_BITS, 0, "xmpy.h", "f1=f3,f4"},
    {OP_xma_hu, ALWAYS, F2_BITS, 0, "xmpy.hu", "f1=f3,f4"},
    {OP_br_cond, ALWAYS, BITS(34, 33) | BITS(5, 0), 0, "br$ph$dh", "target25c"},
    {OP_br_cond_b, ALWAYS, BITS(34, 33) | BITS(5, 0), 0, "br$ph$dh", "b2"},
    {OP_brl_cond, ALWAYS, BITS(34, 33) | BITS(5, 0), 0, "brl$ph$dh", "target64"},
};

/* What is being printed, and how far it has come. */
struct text {
    char *buf;
    size_t size, used;
    uint64_t slot, lslot, ip;
    const struct insn *in;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->buf + t->used, t->size - t->used, fmt, ap);
    va_end(ap);
    if (n > 0)
        t->used += (size_t)n < t->size - t->used ? (size_t)n : t->size - t->used - 1;
}

static unsigned bits(uint64_t slot, unsigned pos, unsigned len)
{
    return (unsigned)(slot >> pos & ((1ull << len) - 1));
}

static const char *completer_text(const struct completer *c, uint64_t slot)
{
    return c->text[bits(slot, c->pos, c->len) | bits(slot, c->pos2, c->len2) << c->len];
}

static const char *find_completer(const struct text *t, const char *name, size_t len)
{
    static const char *const precision[] = {"", ".s", ".d"};
    if (len == 3 && memcmp(name, "$pc", 3) == 0)
        return precision[t->in->sub];
    for (size_t i = 0; i < sizeof completers / sizeof completers[0]; i++)
        if (strlen(completers[i].name) == len && memcmp(completers[i].name, name, len) == 0)
            return completer_text(&completers[i], t->slot);
    return NULL;
}

static size_t span(const char *s, const char *end)
{
    return strcspn(s + 1, end) + 1;
}

/* The mnemonic with its completers; false if a field value has no name. */
static bool put_mnemonic(struct text *t, const char *name)
{
    while (*name) {
        size_t len = span(name, "$");
        if (*name == '$') {
            const char *s = find_completer(t, name, len);
            if (!s)
                return false;
            put(t, "%s", s);
        } else {
            put(t, "%.*s", (int)len, name);
        }
        name += len;
    }
    return true;
}

static const char *ar_name(unsigned n)
{
    static const char *const names[128] = {
        [0] = "k0",   [1] = "k1",     [2] = "k2",   [3] = "k3",    [4] = "k4",        [5] = "k5",
        [6] = "k6",   [7] = "k7",     [16] = "rsc", [17] = "bsp",  [18] = "bspstore", [19] = "rnat",
        [21] = "fcr", [24] = "eflag", [25] = "csd", [26] = "ssd",  [27] = "cflg",     [28] = "fsr",
        [29] = "fir", [30] = "fdr",   [32] = "ccv", [36] = "unat", [40] = "fpsr",     [44] = "itc",
        [45] = "ruc", [64] = "pfs",   [65] = "lc",  [66] = "ec",
    };
    return names[n & 127];
}

static const char *cr_name(unsigned n)
{
    static const char *const names[128] = {
        [0] = "dcr",  [1] = "itm",   [2] = "iva",   [8] = "pta",   [16] = "ipsr", [17] = "isr",
        [19] = "iip", [20] = "ifa",  [21] = "itir", [22] = "iipa", [23] = "ifs",  [24] = "iim",
        [25] = "iha", [26] = "iib0", [27] = "iib1", [64] = "lid",  [65] = "ivr",  [66] = "tpr",
        [67] = "eoi", [68] = "irr0", [69] = "irr1", [70] = "irr2", [71] = "irr3", [72] = "itv",
        [73] = "pmv", [74] = "cmcv", [80] = "lrr0", [81] = "lrr1",
    };
    return names[n & 127];
}

static void put_named(struct text *t, const char *prefix, const char *name, unsigned n)
{
    if (name)
        put(t, "%s.%s", prefix, name);
    else
        put(t, "%s%u", prefix, n);
}

static void put_mbtype(struct text *t, unsigned n)
{
    static const char *const names[16] = {
        [0] = "@brcst", [8] = "@mix", [9] = "@shuf", [10] = "@alt", [11] = "@rev"};
    put(t, "%s", names[n & 15] ? names[n & 15] : "?");
}

static void put_operand(struct text *t, const struct operand_kind *k)
{
    int64_t v = operand_value(k, t->slot, t->lslot);
    static const char *const prefix[] = {
        [SHOW_GR] = "r", [SHOW_FR] = "f", [SHOW_PR] = "p", [SHOW_BR] = "b", [SHOW_DAHR] = "dahr"};
    switch (k->show) {
    case SHOW_AR:
        put_named(t, "ar", ar_name((unsigned)v), (unsigned)v);
        break;
    case SHOW_CR:
        put_named(t, "cr", cr_name((unsigned)v), (unsigned)v);
        break;
    case SHOW_DEC:
        put(t, "%" PRId64, v);
        break;
    case SHOW_HEX:
        put(t, "0x%" PRIx64, (uint64_t)v);
        break;
    case SHOW_TARGET:
        put(t, "0x%" PRIx64, t->ip + (uint64_t)v);
        break;
    case SHOW_MBTYPE:
        put_mbtype(t, (unsigned)v);
        break;
    case SHOW_SOR:
        put(t, "%" PRId64, v * 8);
        break;
    default:
        put(t, "%s%" PRId64, prefix[k->show], v);
        break;
    }
}

/* Operand template: known names are replaced, all else is copied. */
static void put_operands(struct text *t, const char *operands)
{
    if (*operands)
        put(t, " ");
    while (*operands) {
        size_t len = strchr("=,[]", *operands) ? 1 : span(operands, "=,[]");
        int kind = operand_find(operands, len);
        if (kind >= 0)
            put_operand(t, &insn_operands[kind]);
        else
            put(t, "%.*s", (int)len, operands);
        operands += len;
    }
}

static bool cond_holds(uint8_t cond, const struct insn *in)
{
    switch (cond) {
    case F2_IS_F3:
        return in->r2 == in->r3;
    case LEN_TO_TOP:
        return in->pos + in->len == 64;
    default:
        return true;
    }
}

static const struct pseudo *find_pseudo(const struct insn *in, uint64_t slot)
{
    for (size_t i = 0; i < sizeof pseudos / sizeof pseudos[0]; i++) {
        const struct pseudo *p = &pseudos[i];
        if (p->op == in->op && (slot & p->mask) == p->match && cond_holds(p->cond, in))
            return p;
    }
    return NULL;
}

static bool put_insn(struct text *t)
{
    const struct insn_row *row = &insn_rows[t->in->row];
    const struct pseudo *p = find_pseudo(t->in, t->slot);
    if (row->op == OP_illegal || row->op == OP_reserved0 || strcmp(row->name, "ignored") == 0)
        return false;
    if (t->in->qp)
        put(t, "(p%02u) ", t->in->qp);
    if (!put_mnemonic(t, p ? p->name : row->name))
        return false;
    put_operands(t, p ? p->operands : row->operands);
    return true;
}

char *insn_disasm(char *buf, size_t size, unsigned unit, uint64_t slot, uint64_t lslot, uint64_t ip)
{
    struct insn in;
    struct text t = {.buf = buf, .size = size, .slot = slot, .lslot = lslot, .ip = ip, .in = &in};
    if (size == 0)
        return buf;
    insn_decode(unit, slot, lslot, &in);
    if (!put_insn(&t)) {
        t.used = 0;
        put(&t, "data8 0x%09" PRIx64, slot);
    }
    return buf;
}
