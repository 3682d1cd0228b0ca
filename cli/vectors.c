/* kittson vectors FILE...: runs golden instruction vectors and compares everything they monitor.
 *
 * A vector is a line of six tab-separated columns: family, text, code, inputs, outputs, fault. Each
 * case starts one processor in the environment the format fixes, runs the code until it leaves its
 * last bundle or is interrupted, and compares registers, memory and fault. Knows no instruction:
 * what a case means is in its line.
 */
#include "cli.h"
#include "cpu.h"
#include "insn.h"
#include "log.h"
#include "opts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* The environment (vector format, "Environment at the first bundle"). */
#define RAM_SIZE     (256ull << 20) /* as large as the one translated page */
#define PAGE_PS      28
#define CODE_ADDR    0x2000000ull
#define SCRATCH_ADDR 0x1000000ull
#define SCRATCH_SIZE 256
#define FIRST_BSP    0x1001080ull
#define DIRTIED_SIZE 0x28000ull /* scratch area, backing store and VHPT area, cleared each time */
#define FRAME_SOF    16
#define RID_BASE     0x100
#define DEFAULT_PTA  0x3c
#define DEFAULT_DCR  0x7f00
#define DEFAULT_FPSR 0x9804c0270033full
#define PTE_RWX_USER (1ull | 1ull << 5 | 1ull << 6 | 3ull << 7 | 3ull << 9 | 1ull << 52)
#define MAX_SLOTS    1000000
#define MAX_CODE     (1u << 20)
#define UM_MF        0x30u /* PSR.mfl, PSR.mfh */

/* break.m 0x0dead in slot 0: control reached the end of the code. */
#define END_BREAK 0x0deadull
static const uint64_t end_bundle[2] = {0x00 | (END_BREAK << 6) << 5, 0x0004000000000200ull};

/* Registers a vector can name. Items are numbered r0..r47, f0..f47, then the scalars. */
#define VEC_REGS 48

enum { S_PR, S_B0, S_LC = S_B0 + 7, S_CCV, S_UNAT, S_CSD, S_FPSR, S_EC, S_UM, SCALARS };
#define ITEM_F      VEC_REGS
#define ITEM_SCALAR (2 * VEC_REGS)
#define ITEMS       (ITEM_SCALAR + SCALARS)

static const char *const scalar_names[SCALARS] = {
    [S_PR] = "pr",     [S_B0] = "b0",     [S_B0 + 1] = "b1", [S_B0 + 2] = "b2", [S_B0 + 3] = "b3",
    [S_B0 + 4] = "b4", [S_B0 + 5] = "b5", [S_B0 + 6] = "b6", [S_LC] = "lc",     [S_CCV] = "ccv",
    [S_UNAT] = "unat", [S_CSD] = "csd",   [S_FPSR] = "fpsr", [S_EC] = "ec",     [S_UM] = "um",
};

struct vec_state {
    uint64_t gr[VEC_REGS];
    bool nat[VEC_REGS];
    struct fpreg fr[VEC_REGS];
    uint64_t scalar[SCALARS];
    uint8_t mem[SCRATCH_SIZE];
    bool ignore[ITEMS]; /* "=*" in the expected outputs */
};

/* The fault column. */
enum { F_V, F_ISR, F_SLOT, F_OFF, F_IIM, F_IFA, F_ITIR, F_IHA, FAULT_FIELDS };
static const char *const fault_names[FAULT_FIELDS] = {"v",   "isr", "slot", "off",
                                                      "iim", "ifa", "itir", "iha"};

struct vec_fault {
    bool any;
    bool given[FAULT_FIELDS]; /* to be compared */
    uint64_t value[FAULT_FIELDS];
};

struct vec_case {
    char *column[6];
    uint8_t *code;
    size_t code_size;
    struct vec_state in, want;
    struct vec_fault fault;
};

struct family {
    char *name;
    unsigned cases, passed, skipped;
    char *first; /* first difference, in full */
};

struct exception {
    char *line; /* owns the strings */
    char *family, *text, *inputs, *reason;
};

struct runner {
    struct mem *mem;
    struct cpu *cpu;
    struct family *families;
    size_t family_count;
    struct exception *exceptions;
    size_t exception_count;
    const char *only; /* family asked for, NULL: all */
    bool verbose;
    bool count_ops; /* do not run: count the operations in the code */
    unsigned long ops[OP_COUNT];
};

/* --- reading --- */

/* A whole line without its newline, growing *line. false at the end of the file. */
static bool read_line(gzFile f, char **line, size_t *room)
{
    size_t used = 0;
    for (;;) {
        if (*room - used < 4096) {
            char *bigger = realloc(*line, *room + 65536);
            if (!bigger)
                return false;
            *line = bigger;
            *room += 65536;
        }
        if (!gzgets(f, *line + used, (int)(*room - used)))
            return used > 0;
        used += strlen(*line + used);
        if (used && (*line)[used - 1] == '\n') {
            (*line)[used - 1] = 0;
            return true;
        }
    }
}

/* Cuts a line at its tabs. Returns the number of columns found, at most max. */
static int split(char *line, char **column, int max)
{
    int n = 0;
    while (line && n < max) {
        column[n++] = line;
        line = strchr(line, '\t');
        if (line)
            *line++ = 0;
    }
    return n;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pairs of hex digits. Returns the number of bytes, -1 if malformed or more than max. */
static long parse_bytes(const char *s, uint8_t *out, size_t max)
{
    size_t n = 0;
    for (; *s; s += 2) {
        int hi = hex_digit(s[0]), lo = hi < 0 ? -1 : hex_digit(s[1]);
        if (lo < 0 || n == max)
            return -1;
        out[n++] = (uint8_t)(hi << 4 | lo);
    }
    return (long)n;
}

static bool parse_hex(const char *s, uint64_t *v)
{
    char *end;
    *v = strtoull(s, &end, 16);
    return end != s && *end == 0;
}

/* r14, f41: the number after a one-letter prefix, or -1. */
static int register_number(const char *name, char prefix)
{
    char *end;
    if (name[0] != prefix || name[1] < '0' || name[1] > '9')
        return -1;
    unsigned long n = strtoul(name + 1, &end, 10);
    return *end == 0 && n < VEC_REGS ? (int)n : -1;
}

static bool parse_gr(struct vec_state *s, int n, const char *value)
{
    s->nat[n] = strncmp(value, "NaT", 3) == 0;
    if (s->nat[n])
        value += value[3] == ':' ? 4 : 3;
    s->gr[n] = 0;
    return (s->nat[n] && *value == 0) || parse_hex(value, &s->gr[n]);
}

/* sign.exponent.significand */
static bool parse_fr(struct vec_state *s, int n, const char *value)
{
    unsigned sign, exp;
    uint64_t sig;
    if (sscanf(value, "%1x.%5x.%16" SCNx64, &sign, &exp, &sig) != 3)
        return false;
    s->fr[n] = (struct fpreg){.sig = sig, .exp = sign << 17 | (exp & FP_EXP_MASK)};
    return true;
}

static bool parse_mem(struct vec_state *s, const char *name, const char *value)
{
    uint64_t at;
    if (!parse_hex(name + 1, &at) || at >= SCRATCH_SIZE)
        return false;
    return parse_bytes(value, s->mem + at, SCRATCH_SIZE - at) >= 0;
}

/* The item's number, -1 for memory and unknown names. */
static int item_number(const char *name)
{
    int n = register_number(name, 'r');
    if (n >= 0)
        return n;
    n = register_number(name, 'f');
    if (n >= 0)
        return ITEM_F + n;
    for (int i = 0; i < SCALARS; i++)
        if (strcmp(name, scalar_names[i]) == 0)
            return ITEM_SCALAR + i;
    return -1;
}

static bool parse_item(struct vec_state *s, const char *name, const char *value)
{
    int item = item_number(name);
    if (item < 0)
        return name[0] == 'm' && parse_mem(s, name, value);
    s->ignore[item] = strcmp(value, "*") == 0;
    if (s->ignore[item])
        return true;
    if (item < ITEM_F)
        return parse_gr(s, item, value);
    if (item < ITEM_SCALAR)
        return parse_fr(s, item - ITEM_F, value);
    return parse_hex(value, &s->scalar[item - ITEM_SCALAR]);
}

static bool parse_fault_item(struct vec_fault *f, const char *name, const char *value)
{
    for (int i = 0; i < FAULT_FIELDS; i++) {
        if (strcmp(name, fault_names[i]) != 0)
            continue;
        f->given[i] = strcmp(value, "*") != 0;
        return !f->given[i] || parse_hex(value, &f->value[i]);
    }
    return false;
}

/* Calls for each name=value of a column; state or fault is the one to fill. */
static bool parse_items(char *text, struct vec_state *state, struct vec_fault *fault)
{
    char *rest = NULL;
    if (strcmp(text, "-") == 0)
        return true;
    for (char *item = strtok_r(text, " ", &rest); item; item = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(item, '=');
        if (!value)
            return false;
        *value++ = 0;
        if (!(state ? parse_item(state, item, value) : parse_fault_item(fault, item, value)))
            return false;
    }
    return true;
}

static bool parse_columns(struct vec_case *v)
{
    char *copy[3];
    bool ok = true;
    for (int i = 0; i < 3; i++) {
        copy[i] = strdup(v->column[3 + i]);
        ok = ok && copy[i];
    }
    ok = ok && parse_items(copy[0], &v->in, NULL);
    v->want = v->in;
    ok = ok && parse_items(copy[1], &v->want, NULL) && parse_items(copy[2], NULL, &v->fault);
    v->fault.any = v->fault.given[F_V];
    for (int i = 0; i < 3; i++)
        free(copy[i]);
    return ok;
}

/* Makes a case of a line. v->code must hold MAX_CODE bytes. */
static bool parse_case(struct vec_case *v, char *line)
{
    if (split(line, v->column, 6) != 6)
        return false;
    long n = parse_bytes(v->column[2], v->code, MAX_CODE);
    if (n <= 0 || n % 16 != 0)
        return false;
    v->code_size = (size_t)n;
    memset(&v->in, 0, sizeof v->in);
    memset(&v->fault, 0, sizeof v->fault);
    v->in.scalar[S_PR] = 1;
    v->in.scalar[S_FPSR] = DEFAULT_FPSR;
    return parse_columns(v);
}

/* --- the machine --- */

static bool machine_new(struct runner *r)
{
    r->mem = mem_new();
    if (!r->mem || mem_add_ram(r->mem, 0, RAM_SIZE) != 0)
        return false;
    r->cpu = cpu_new(0, CPU_POULSON, r->mem); /* the model with every instruction */
    return r->cpu != NULL;
}

static void set_translations(struct cpu *c)
{
    bool changed;
    for (unsigned i = 0; i < TLB_RR_COUNT; i++)
        c->tr.rr[i] = (uint64_t)(RID_BASE + i) << 8 | PAGE_PS << 2;
    c->cr[CR_PTA] = c->tr.pta = DEFAULT_PTA;
    c->cr[CR_DCR] = DEFAULT_DCR;
    tlb_insert_tr(c->tlb, TLB_INST, 0, 0, PTE_RWX_USER, PAGE_PS << 2, &c->tr, &changed);
    tlb_insert_tr(c->tlb, TLB_DATA, 0, 0, PTE_RWX_USER, PAGE_PS << 2, &c->tr, &changed);
}

static void set_registers(struct cpu *c, const struct vec_state *s)
{
    for (unsigned i = 1; i < VEC_REGS; i++) {
        cpu_set_gr(c, i, s->gr[i]);
        if (s->nat[i])
            cpu_set_gr_nat(c, i, true);
        if (i >= 2)
            cpu_set_fr(c, i, s->fr[i]);
    }
    cpu_set_pr_all(c, s->scalar[S_PR]);
    for (unsigned i = 0; i < 7; i++)
        c->br[i] = s->scalar[S_B0 + i];
    c->lc = s->scalar[S_LC];
    c->ec = s->scalar[S_EC];
    c->ccv = s->scalar[S_CCV];
    c->unat = s->scalar[S_UNAT];
    c->csd = s->scalar[S_CSD];
    c->fpsr = s->scalar[S_FPSR];
}

static void place_memory(struct runner *r, const struct vec_case *v)
{
    mem_dma_fill(r->mem, SCRATCH_ADDR, 0, DIRTIED_SIZE);
    mem_dma_write(r->mem, SCRATCH_ADDR, v->in.mem, SCRATCH_SIZE);
    mem_dma_write(r->mem, CODE_ADDR, v->code, v->code_size);
    mem_dma_write(r->mem, CODE_ADDR + v->code_size, end_bundle, sizeof end_bundle);
}

static void start_case(struct runner *r, const struct vec_case *v)
{
    struct cpu *c = r->cpu;
    place_memory(r, v);
    cpu_reset(c);
    c->trap_stop = true;
    c->running = true;
    c->deterministic = true;
    c->rsc = 0;
    c->bsp = c->bspstore = FIRST_BSP;
    cpu_set_cfm(c, FRAME_SOF);
    set_translations(c);
    cpu_set_psr(c, PSR_IC | PSR_DT | PSR_RT | PSR_IT | PSR_BN | (v->in.scalar[S_UM] & PSR_UM));
    set_registers(c, &v->in);
    c->ip = CODE_ADDR;
    c->last_vector = -1;
}

static void collect(struct runner *r, struct vec_state *s)
{
    struct cpu *c = r->cpu;
    memset(s, 0, sizeof *s);
    for (unsigned i = 1; i < VEC_REGS; i++) {
        s->gr[i] = cpu_gr(c, i);
        s->nat[i] = cpu_gr_nat(c, i);
        s->fr[i] = cpu_fr(c, i);
    }
    s->scalar[S_PR] = cpu_pr_all(c);
    for (unsigned i = 0; i < 7; i++)
        s->scalar[S_B0 + i] = c->br[i];
    s->scalar[S_LC] = c->lc;
    s->scalar[S_CCV] = c->ccv;
    s->scalar[S_UNAT] = c->unat;
    s->scalar[S_CSD] = c->csd;
    s->scalar[S_FPSR] = c->fpsr;
    s->scalar[S_UM] = c->psr & PSR_UM;
    mem_dma_read(r->mem, SCRATCH_ADDR, s->mem, SCRATCH_SIZE);
}

static void collect_fault(const struct cpu *c, struct vec_fault *f)
{
    f->value[F_V] = (uint64_t)c->last_vector;
    f->value[F_ISR] = c->cr[CR_ISR] & ~ISR_ED;
    f->value[F_SLOT] = (c->psr & PSR_RI) >> PSR_RI_SHIFT;
    f->value[F_OFF] = c->ip - CODE_ADDR;
    f->value[F_IIM] = c->cr[CR_IIM];
    f->value[F_IFA] = c->cr[CR_IFA];
    f->value[F_ITIR] = c->cr[CR_ITIR];
    f->value[F_IHA] = c->cr[CR_IHA];
}

/* --- comparing --- */

struct report {
    char text[4096];
    size_t used;
    unsigned differences;
};

__attribute__((format(printf, 2, 3))) static void say(struct report *p, const char *fmt, ...)
{
    va_list ap;
    size_t room = sizeof p->text - p->used;
    va_start(ap, fmt);
    int n = vsnprintf(p->text + p->used, room, fmt, ap);
    va_end(ap);
    if (n > 0)
        p->used += (size_t)n < room ? (size_t)n : room - 1;
}

static void differ(struct report *p, const char *name, const char *want, const char *got)
{
    p->differences++;
    say(p, "    %-6s expected %s got %s\n", name, want, got);
}

static void differ_hex(struct report *p, const char *name, uint64_t want, uint64_t got)
{
    char a[24], b[24];
    snprintf(a, sizeof a, "%" PRIx64, want);
    snprintf(b, sizeof b, "%" PRIx64, got);
    differ(p, name, a, b);
}

static void compare_grs(struct report *p, const struct vec_state *want, const struct vec_state *got)
{
    for (unsigned i = 1; i < VEC_REGS; i++) {
        char name[8], a[24] = "NaT", b[24] = "NaT";
        bool same = want->nat[i] == got->nat[i] && (want->nat[i] || want->gr[i] == got->gr[i]);
        if (same || want->ignore[i])
            continue;
        snprintf(name, sizeof name, "r%u", i);
        if (!want->nat[i])
            snprintf(a, sizeof a, "%" PRIx64, want->gr[i]);
        if (!got->nat[i])
            snprintf(b, sizeof b, "%" PRIx64, got->gr[i]);
        differ(p, name, a, b);
    }
}

static void fr_text(char *buf, size_t size, struct fpreg f)
{
    snprintf(buf, size, "%x.%05x.%016" PRIx64, f.exp >> 17 & 1, f.exp & FP_EXP_MASK, f.sig);
}

/* Monitored are f2..f15 and f32..f47. */
static void compare_frs(struct report *p, const struct vec_state *want, const struct vec_state *got)
{
    for (unsigned i = 2; i < VEC_REGS; i = i == 15 ? 32 : i + 1) {
        char name[8], a[32], b[32];
        if ((want->fr[i].sig == got->fr[i].sig && want->fr[i].exp == got->fr[i].exp) ||
            want->ignore[ITEM_F + i])
            continue;
        snprintf(name, sizeof name, "f%u", i);
        fr_text(a, sizeof a, want->fr[i]);
        fr_text(b, sizeof b, got->fr[i]);
        differ(p, name, a, b);
    }
}

static void compare_scalars(struct report *p, const struct vec_state *want,
                            const struct vec_state *got)
{
    for (int i = 0; i < SCALARS; i++) {
        uint64_t a = want->scalar[i], b = got->scalar[i];
        if (i == S_UM) /* mfl and mfh may be set more often than shown */
            b &= a | ~(uint64_t)UM_MF;
        if (i != S_EC && a != b && !want->ignore[ITEM_SCALAR + i])
            differ_hex(p, scalar_names[i], a, b);
    }
}

static void compare_mem(struct report *p, const struct vec_state *want, const struct vec_state *got)
{
    for (unsigned i = 0; i < SCRATCH_SIZE; i++) {
        char name[8];
        if (want->mem[i] == got->mem[i])
            continue;
        snprintf(name, sizeof name, "m%02x", i);
        differ_hex(p, name, want->mem[i], got->mem[i]);
    }
}

static void compare_fault(struct report *p, const struct vec_fault *want,
                          const struct vec_fault *got)
{
    for (int i = 0; i < FAULT_FIELDS; i++)
        if (want->given[i] && want->value[i] != got->value[i])
            differ_hex(p, fault_names[i], want->value[i], got->value[i]);
}

/* How the case ended against how it should have. */
static void compare_end(struct report *p, const struct vec_case *v, const struct cpu *c)
{
    struct vec_fault got = {.any = true};
    collect_fault(c, &got);
    bool at_end = c->last_vector == VEC_BREAK && got.value[F_OFF] == v->code_size;
    if (c->last_vector < 0)
        differ(p, "end", v->fault.any ? "a fault" : "normal", "no end within the slot limit");
    else if (v->fault.any && at_end)
        differ(p, "end", "a fault", "normal");
    else if (v->fault.any)
        compare_fault(p, &v->fault, &got);
    else if (!at_end) {
        char fault[120];
        snprintf(fault, sizeof fault,
                 "v=%" PRIx64 " isr=%" PRIx64 " slot=%" PRIx64 " off=%" PRIx64 " ifa=%" PRIx64,
                 got.value[F_V], got.value[F_ISR], got.value[F_SLOT], got.value[F_OFF],
                 got.value[F_IFA]);
        differ(p, "end", "normal", fault);
    }
}

static void run_case(struct runner *r, const struct vec_case *v, struct report *p)
{
    struct vec_state got;
    start_case(r, v);
    cpu_run(r->cpu, MAX_SLOTS);
    collect(r, &got);
    p->used = 0;
    p->differences = 0;
    p->text[0] = 0;
    compare_end(p, v, r->cpu);
    compare_grs(p, &v->want, &got);
    compare_frs(p, &v->want, &got);
    compare_scalars(p, &v->want, &got);
    compare_mem(p, &v->want, &got);
}

/* --- results --- */

static struct family *find_family(struct runner *r, const char *name)
{
    for (size_t i = r->family_count; i-- > 0;)
        if (strcmp(r->families[i].name, name) == 0)
            return &r->families[i];
    struct family *f = realloc(r->families, (r->family_count + 1) * sizeof *f);
    if (!f)
        return NULL;
    r->families = f;
    f += r->family_count;
    *f = (struct family){.name = strdup(name)};
    if (!f->name)
        return NULL;
    r->family_count++;
    return f;
}

static bool is_excepted(const struct runner *r, const struct vec_case *v)
{
    for (size_t i = 0; i < r->exception_count; i++) {
        const struct exception *e = &r->exceptions[i];
        if (strcmp(e->family, v->column[0]) == 0 &&
            (strcmp(e->text, "*") == 0 || strcmp(e->text, v->column[1]) == 0) &&
            (strcmp(e->inputs, "*") == 0 || strcmp(e->inputs, v->column[3]) == 0))
            return true;
    }
    return false;
}

/* A failed case in full, as text the caller frees. */
static char *describe(const char *path, unsigned long line, const struct vec_case *v,
                      const struct report *p)
{
    static const char format[] = "  %s:%lu: %s\n    code    %s\n    inputs  %s\n    outputs %s\n"
                                 "    fault   %s\n%s";
    char *const *c = v->column;
    int n = snprintf(NULL, 0, format, path, line, c[1], c[2], c[3], c[4], c[5], p->text);
    char *text = n < 0 ? NULL : malloc((size_t)n + 1);
    if (text)
        snprintf(text, (size_t)n + 1, format, path, line, c[1], c[2], c[3], c[4], c[5], p->text);
    return text;
}

static void record(struct runner *r, struct family *f, const char *path, unsigned long line,
                   const struct vec_case *v, const struct report *p)
{
    if (p->differences == 0) {
        f->passed++;
        return;
    }
    if (f->first && !r->verbose)
        return;
    char *text = describe(path, line, v, p);
    if (text && r->verbose)
        printf("%s:\n%s", f->name, text);
    if (f->first)
        free(text);
    else
        f->first = text;
}

static uint64_t little64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static void count_ops(struct runner *r, const struct vec_case *v)
{
    for (size_t at = 0; at < v->code_size; at += 16) {
        struct insn_bundle b = insn_unpack(little64(v->code + at), little64(v->code + at + 8));
        const struct insn_template *t = &insn_templates[b.tmpl];
        for (unsigned s = 0; t->valid && s < 3; s++) {
            struct insn in;
            if (t->unit[s] == UNIT_NONE)
                continue;
            insn_decode(t->unit[s], b.slot[t->unit[s] == UNIT_X ? 2 : s], b.slot[1], &in);
            r->ops[in.op]++;
        }
    }
}

/* Runs one line. 0, or -EINVAL, -ENOMEM. */
static int run_line(struct runner *r, struct vec_case *v, char *text, const char *path,
                    unsigned long line)
{
    struct report p;
    size_t family_length = strcspn(text, "\t");
    if (text[0] == '#')
        return 0;
    if (r->only && (strlen(r->only) != family_length || strncmp(r->only, text, family_length)))
        return 0;
    if (!parse_case(v, text))
        return -EINVAL;
    struct family *f = find_family(r, v->column[0]);
    if (!f)
        return -ENOMEM;
    f->cases++;
    if (is_excepted(r, v)) {
        f->skipped++;
        return 0;
    }
    if (r->count_ops) {
        count_ops(r, v);
        return 0;
    }
    run_case(r, v, &p);
    record(r, f, path, line, v, &p);
    return 0;
}

static int run_file(struct runner *r, const char *path)
{
    struct vec_case v = {.code = malloc(MAX_CODE)};
    char *line = NULL;
    size_t room = 0;
    unsigned long number = 0;
    int err = 0, gz_error = Z_OK;
    gzFile f = v.code ? gzopen(path, "rb") : NULL;
    if (!f) {
        log_error("%s: %s", path, strerror(errno));
        free(v.code);
        return CLI_USAGE;
    }
    gzbuffer(f, 1 << 18);
    while (!err && read_line(f, &line, &room))
        err = run_line(r, &v, line, path, ++number);
    gzerror(f, &gz_error);
    gzclose(f);
    free(line);
    free(v.code);
    if (err == -ENOMEM)
        log_error("%s: out of memory", path);
    else if (err)
        log_error("%s: line %lu is not a vector", path, number);
    else if (gz_error == Z_ERRNO)
        log_error("%s: %s", path, strerror(errno));
    else if (gz_error != Z_OK && gz_error != Z_STREAM_END)
        log_error("%s: the compressed data is damaged after line %lu", path, number);
    else
        return CLI_OK;
    return CLI_USAGE;
}

static int print_results(const struct runner *r)
{
    unsigned long cases = 0, passed = 0, skipped = 0;
    for (size_t i = 0; i < r->family_count; i++)
        if (r->families[i].first && !r->verbose)
            printf("%s, first difference:\n%s", r->families[i].name, r->families[i].first);
    printf("%-14s %8s %8s %8s %8s\n", "family", "cases", "passed", "failed", "skipped");
    for (size_t i = 0; i < r->family_count; i++) {
        const struct family *f = &r->families[i];
        printf("%-14s %8u %8u %8u %8u\n", f->name, f->cases, f->passed,
               f->cases - f->passed - f->skipped, f->skipped);
        cases += f->cases;
        passed += f->passed;
        skipped += f->skipped;
    }
    printf("%-14s %8lu %8lu %8lu %8lu\n", "total", cases, passed, cases - passed - skipped,
           skipped);
    return passed + skipped == cases ? CLI_OK : CLI_FAILED;
}

/* One line per operation: its name and how often the code contains it. */
static int print_ops(const struct runner *r)
{
    for (unsigned op = 0; op < OP_COUNT; op++)
        printf("%s %lu\n", insn_op_name(op), r->ops[op]);
    return CLI_OK;
}

/* --- exceptions --- */

static bool add_exception(struct runner *r, const char *line)
{
    struct exception *e = realloc(r->exceptions, (r->exception_count + 1) * sizeof *e);
    char *column[4];
    if (!e)
        return false;
    r->exceptions = e;
    e += r->exception_count;
    e->line = strdup(line);
    if (!e->line || split(e->line, column, 4) != 4) {
        free(e->line);
        return false;
    }
    e->family = column[0];
    e->text = column[1];
    e->inputs = column[2];
    e->reason = column[3];
    r->exception_count++;
    return true;
}

/* Lines: family, text, inputs ("*" matches any), reason; separated by tabs. # starts a comment. */
static int read_exceptions(struct runner *r, const char *path)
{
    char *line = NULL;
    size_t room = 0;
    bool ok = true;
    gzFile f = gzopen(path, "rb");
    if (!f) {
        log_error("%s: %s", path, strerror(errno));
        return CLI_USAGE;
    }
    while (ok && read_line(f, &line, &room))
        ok = line[0] == '#' || line[0] == 0 || add_exception(r, line);
    gzclose(f);
    free(line);
    if (!ok)
        log_error("%s: a line needs family, text, inputs and reason, separated by tabs", path);
    return ok ? CLI_OK : CLI_USAGE;
}

/* --- command line --- */

#define DEFAULT_EXCEPTIONS "tests/vectors-exceptions.tsv"
#define MAX_FILES          64

enum { O_EXCEPTIONS, O_FAMILY, O_VERBOSE, O_OPS };

static const struct opt options[] = {
    {O_EXCEPTIONS, "exceptions", 0, "FILE",
     "cases to skip, with reasons (default " DEFAULT_EXCEPTIONS " if present)", NULL},
    {O_FAMILY, "family", 0, "NAME", "run only this family", NULL},
    {O_OPS, "ops", 0, NULL, "run nothing: count the operations the code contains", NULL},
    {O_VERBOSE, "verbose", 'v', NULL, "print every difference, not only the first of a family",
     NULL},
};

struct arguments {
    const char *exceptions, *family;
    const char *files[MAX_FILES];
    size_t file_count;
    bool verbose, ops;
};

static int take_argument(void *opaque, const struct opt *o, const char *value, char *why,
                         size_t size)
{
    struct arguments *a = opaque;
    if (o->id == O_EXCEPTIONS)
        a->exceptions = value;
    else if (o->id == O_FAMILY)
        a->family = value;
    else if (o->id == O_VERBOSE)
        a->verbose = true;
    else if (o->id == O_OPS)
        a->ops = true;
    else if (a->file_count < MAX_FILES)
        a->files[a->file_count++] = value;
    else {
        snprintf(why, size, "more than %d files", MAX_FILES);
        return -EINVAL;
    }
    return 0;
}

static int run_all(struct runner *r, const struct arguments *a)
{
    const char *exceptions = a->exceptions;
    int status = CLI_OK;
    if (!exceptions && access(DEFAULT_EXCEPTIONS, R_OK) == 0)
        exceptions = DEFAULT_EXCEPTIONS;
    if (exceptions)
        status = read_exceptions(r, exceptions);
    for (size_t i = 0; i < a->file_count && status == CLI_OK; i++)
        status = run_file(r, a->files[i]);
    if (status == CLI_OK && r->only && r->family_count == 0) {
        log_error("no case of family %s in these files", r->only);
        status = CLI_USAGE;
    }
    if (status != CLI_OK)
        return status;
    return r->count_ops ? print_ops(r) : print_results(r);
}

static void runner_free(struct runner *r)
{
    for (size_t i = 0; i < r->family_count; i++) {
        free(r->families[i].name);
        free(r->families[i].first);
    }
    for (size_t i = 0; i < r->exception_count; i++)
        free(r->exceptions[i].line);
    free(r->families);
    free(r->exceptions);
    if (r->cpu)
        cpu_free(r->cpu);
    if (r->mem)
        mem_free(r->mem);
}

int cmd_vectors(int argc, char **argv)
{
    struct arguments a = {0};
    char why[200];
    int status = CLI_USAGE;
    if (opts_parse(options, sizeof options / sizeof options[0], argc, argv, take_argument, &a, why,
                   sizeof why) != 0) {
        log_error("vectors: %s", why);
        return CLI_USAGE;
    }
    if (a.file_count == 0) {
        log_error("usage: kittson vectors [--exceptions FILE] [--family NAME] [--verbose] [--ops] "
                  "FILE...");
        return CLI_USAGE;
    }
    struct runner r = {.only = a.family, .verbose = a.verbose, .count_ops = a.ops};
    if (machine_new(&r))
        status = run_all(&r, &a);
    else
        log_error("vectors: not enough memory for the test machine");
    runner_free(&r);
    return status;
}
