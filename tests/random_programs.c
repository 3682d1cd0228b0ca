/* Random programs: whatever bytes a guest executes, the host process survives, every register stays
 * within its limits, and the same program always ends in the same state.
 *
 * For each seed one processor gets a few hundred KB of RAM full of instructions (random bits, rows
 * of the instruction table with random fields, branches that stay in the area), random registers
 * and translations, and runs up to 2,000 slots with interrupts at random times. It then runs again
 * in other ways - instruction by instruction, in pieces, with the general handlers only - and must
 * end in the same state: the block interpreter is its own oracle. Knows nothing of what
 * instructions should do; the golden vectors are for that.
 *
 *   random_programs [-v|-p] [COUNT [FIRST_SEED]]     -p: without the host's optional instructions
 */
#include "interp.h"
#include "jit.h"
#include "rse.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IVT_ADDR        0x8000u
#define IVT_SIZE        0x8000u
#define CODE_ADDR       0x10000u
#define CODE_SIZE       0x4000u
#define MIN_RAM         0x18000u
#define MAX_RAM         0x30000u
#define DEVICE_ADDR     0x100000u
#define DEVICE_SIZE     0x2000u
#define MAX_SLOTS       2000u
#define MAX_EVENTS      4
#define PROGRAMS_PER_VM 64 /* then a new machine: leaks and what a reset leaves behind show */
#define WATCHDOG_S      30
#define DEFAULT_COUNT   100000
#define DEFAULT_SEED    1

#define PSR_DEFINED                                                                                \
    (PSR_UM | PSR_IC | PSR_I | PSR_PK | PSR_DT | PSR_DFL | PSR_DFH | PSR_SP | PSR_PP | PSR_DI |    \
     PSR_SI | PSR_DB | PSR_LP | PSR_TB | PSR_RT | PSR_CPL | PSR_IS | PSR_MC | PSR_IT | PSR_ID |    \
     PSR_DA | PSR_DD | PSR_SS | PSR_RI | PSR_ED | PSR_BN | PSR_IA | PSR_VM)

/* --- random numbers --- */

struct rng {
    uint64_t s;
};

/* splitmix64: any seed will do, and streams of neighbouring seeds have nothing in common. */
static uint64_t rnd(struct rng *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static unsigned below(struct rng *r, unsigned n)
{
    return (unsigned)((rnd(r) >> 32) * n >> 32);
}

static bool chance(struct rng *r, unsigned percent)
{
    return below(r, 100) < percent;
}

/* --- the program --- */

struct event {
    uint64_t at; /* slots after the start */
    unsigned vector;
};

struct program {
    uint64_t seed;
    enum cpu_model model;
    bool tame;      /* no instructions whose effect on instruction fetches needs a serialisation */
    bool floats;    /* mostly floating-point arithmetic in loops, with doubles of all kinds */
    unsigned loops; /* percent of branches that go a few bundles back */
    unsigned kernels; /* percent of places where a modulo-scheduled loop begins */
    uint32_t ram_size;
    uint64_t slots;
    unsigned event_count;
    struct event event[MAX_EVENTS];
    uint8_t ram[MAX_RAM];
};

struct row_list {
    uint16_t row[1024];
    unsigned count;
};

/* Rows of the instruction table that fit a unit's slots. */
static struct row_list rows_of[UNIT_NONE];

/* Those of loops: operations that hardly ever fault, and others worth having in them. */
static struct row_list safe_rows[UNIT_NONE], risky_rows[UNIT_NONE];

static const uint16_t safe_ops[] = {
    OP_add,    OP_sub,   OP_adds,     OP_shladd, OP_cmp_eq,        OP_cmp_ltu,  OP_cmp_lt_i,
    OP_tbit_z, OP_extr,  OP_setf_sig, OP_setf_d, OP_mov_from_pr,   OP_fma,      OP_xma_l,
    OP_lfetch, OP_dep_z, OP_nop_b,    OP_nop_f,  OP_mov_from_ar_i, OP_fmerge_s, OP_fcmp_eq,
};
static const uint16_t risky_ops[] = {
    OP_ld8,       OP_ld4,       OP_st8,       OP_st1,      OP_ldfd,     OP_stfd,   OP_getf_d,
    OP_ld8_fill,  OP_st8_spill, OP_chk_s_i,   OP_chk_s_m,  OP_chk_a_nc, OP_tnat_z, OP_cmpxchg8,
    OP_fetchadd4, OP_xchg4,     OP_mov_to_pr, OP_getf_sig, OP_fnma,     OP_brp,
};

static bool is_in(unsigned op, const uint16_t *list, size_t count)
{
    for (size_t k = 0; k < count; k++)
        if (list[k] == op)
            return true;
    return false;
}

static void add_row(struct row_list *l, size_t row)
{
    if (l->count < sizeof l->row / sizeof *l->row)
        l->row[l->count++] = (uint16_t)row;
}

static void collect_rows(void)
{
    for (size_t k = 1; k < insn_row_count; k++) {
        unsigned unit = insn_rows[k].unit, op = insn_rows[k].op;

        for (unsigned u = 0; u < UNIT_NONE; u++) {
            if (unit != u && !(unit == UNIT_A && (u == UNIT_M || u == UNIT_I)))
                continue;
            add_row(&rows_of[u], k);
            if (is_in(op, safe_ops, sizeof safe_ops / sizeof *safe_ops))
                add_row(&safe_rows[u], k);
            if (is_in(op, risky_ops, sizeof risky_ops / sizeof *risky_ops))
                add_row(&risky_rows[u], k);
        }
    }
}

/* Rows of arithmetic that translated code does, and of the loads, stores and moves around it. */
static struct row_list float_rows[UNIT_NONE];

/* How often a row is in the list. */
static unsigned float_weight(const struct insn_row *row)
{
    switch (row->op) {
    case OP_fma:
    case OP_fms:
    case OP_fnma:
        return row->sub == PC_D ? 12 : 1;
    case OP_ldfd:
        return row->sub == LD_NONE ? 12 : row->sub == LD_A || row->sub == LD_C_CLR;
    case OP_ldfs:
    case OP_ldf8:
    case OP_ldf_fill:
    case OP_ldfpd:
    case OP_ldfps:
        return row->sub == LD_NONE ? 2 : 0;
    case OP_stfd:
        return 4;
    case OP_br_cloop:
        return 20;
    case OP_nop_m:
    case OP_nop_i:
        return 10;
    case OP_br_cond:
    case OP_stf8:
    case OP_stfs:
    case OP_stf_spill:
        return 1;
    default:
        return (row->op >= OP_xma_l && row->op <= OP_famax) ||
               (row->op >= OP_fmerge_s && row->op <= OP_fmerge_se) ||
               (row->op >= OP_fcvt_fx && row->op <= OP_fcvt_xf) ||
               (row->op >= OP_setf_sig && row->op <= OP_getf_d);
    }
}

static void collect_float_rows(void)
{
    for (unsigned u = 0; u < UNIT_NONE; u++)
        for (unsigned k = 0; k < rows_of[u].count; k++)
            for (unsigned n = float_weight(&insn_rows[rows_of[u].row[k]]); n > 0; n--)
                float_rows[u].row[float_rows[u].count++] = rows_of[u].row[k];
}

static void put64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

static void put_bundle(uint8_t *p, unsigned tmpl, const uint64_t slot[3])
{
    put64(p, tmpl | slot[0] << 5 | slot[1] << 46);
    put64(p + 8, slot[1] >> 18 | slot[2] << 23);
}

/* Instructions after which the next ones may or may not run in the old context until serialised:
 * translations of code, region registers, keys (SDM 2:3.2, 2:4.1). */
static bool needs_serialisation(unsigned op)
{
    switch (op) {
    case OP_itc_i:
    case OP_itr_i:
    case OP_itc_d:
    case OP_itr_d:
    case OP_ptc_l:
    case OP_ptc_g:
    case OP_ptc_ga:
    case OP_ptc_e:
    case OP_ptr_i:
    case OP_ptr_d:
    case OP_mov_to_rr:
    case OP_mov_to_pkr:
    case OP_mov_to_ibr:
        return true;
    default:
        return false;
    }
}

static bool is_rare(const struct insn_row *row)
{
    return (row->flags & (IF_PRIV | IF_END)) || row->op == OP_rfi || row->op == OP_break_i ||
           row->op == OP_break_m || row->op == OP_break_f || row->op == OP_break_b ||
           row->op == OP_break_x;
}

/* Displacement of an IP-relative branch or check, in bundles, at the bits of its format. */
static uint64_t with_displacement(const struct insn_row *row, uint64_t slot, int d, uint64_t *lslot)
{
    uint64_t sign = d < 0, v = (uint64_t)d;

    slot &= ~(1ull << 36);
    slot |= sign << 36;
    switch (row->format) {
    case FMT_X3:
    case FMT_X4:
        *lslot = sign ? (1ull << 41) - 4 : 0;
        return (slot & ~(0xfffffull << 13)) | (v & 0xfffff) << 13;
    case FMT_B1:
    case FMT_B2:
    case FMT_B3:
    case FMT_M22:
    case FMT_M23:
        return (slot & ~(0xfffffull << 13)) | (v & 0xfffff) << 13;
    case FMT_I20:
    case FMT_M20:
    case FMT_M21:
        slot = (slot & ~(0x7full << 6 | 0x1fffull << 20)) | (v & 0x7f) << 6;
        return slot | (v >> 7 & 0x1fff) << 20;
    default: /* F14 */
        return (slot & ~(0xfffffull << 6)) | (v & 0xfffff) << 6;
    }
}

static bool is_relative(const struct insn_row *row)
{
    switch (row->format) {
    case FMT_X3:
    case FMT_X4:
    case FMT_B1:
    case FMT_B2:
    case FMT_B3:
    case FMT_M20:
    case FMT_M21:
    case FMT_M22:
    case FMT_M23:
    case FMT_I20:
    case FMT_F14:
        return true;
    default:
        return false;
    }
}

/* Few registers, so that results are used; status field 0 and the precision of doubles mostly. */
static uint64_t with_few_registers(struct rng *r, const struct insn_row *row, uint64_t slot)
{
    for (unsigned at = 6; row->unit == UNIT_F && at < 34; at += 7)
        slot &= ~(0x70ull << at);
    if (row->unit == UNIT_F && chance(r, 85))
        slot &= ~(3ull << 34);
    if ((row->flags & IF_MEM) && row->unit == UNIT_M)
        slot &= ~(0x70ull << (row->op >= OP_stfs && row->op <= OP_stf_spill ? 13 : 6));
    if (row->op >= OP_setf_sig && row->op <= OP_getf_d)
        slot &= ~(0x60ull << 6 | 0x60ull << 13);
    return slot;
}

static const struct insn_row *random_row(struct rng *r, const struct program *p, unsigned unit)
{
    bool floats = p->floats && float_rows[unit].count && chance(r, 95);
    const struct row_list *l = floats ? &float_rows[unit] : &rows_of[unit];

    return &insn_rows[l->row[below(r, l->count)]];
}

/* A valid encoding for a slot of the given unit; at is the bundle's number in the area. */
static uint64_t random_insn(struct rng *r, const struct program *p, unsigned unit, unsigned at,
                            unsigned bundles, uint64_t *lslot)
{
    const struct insn_row *row;
    uint64_t slot;

    do
        row = random_row(r, p, unit);
    while ((is_rare(row) && !chance(r, 12)) || (p->tame && needs_serialisation(row->op)));
    slot = rnd(r) & ((1ull << 41) - 1) & ~row->mask;
    *lslot = rnd(r) & ((1ull << 41) - 1);
    if (chance(r, p->floats && row->op != OP_br_cond ? 85 : 60))
        slot &= ~0x3full; /* p0 */
    if (p->floats)
        slot = with_few_registers(r, row, slot);
    if ((row->flags & IF_MEM) && chance(r, 80)) /* the base register: one of r2..r31 */
        slot = (slot & ~(0x7full << 20)) | (uint64_t)(2 + below(r, 30)) << 20;
    if (is_relative(row) && chance(r, 95)) {
        bool near = chance(r, p->loops);
        int d = near ? 3 - (int)below(r, 12) : (int)below(r, bundles) - (int)at;

        slot = with_displacement(row, slot, d, lslot);
    }
    return (slot & ~row->mask) | row->match;
}

static void random_bundle(struct rng *r, const struct program *p, uint8_t *out, unsigned at,
                          unsigned bundles)
{
    uint64_t slot[3], lslot;
    unsigned tmpl;

    do
        tmpl = below(r, 32);
    while (!insn_templates[tmpl].valid ||
           (p->floats && insn_templates[tmpl].unit[1] != UNIT_F && chance(r, 80)));
    for (unsigned s = 0; s < 3; s++) {
        unsigned unit = insn_templates[tmpl].unit[s];

        if (unit == UNIT_X) {
            slot[2] = random_insn(r, p, unit, at, bundles, &lslot);
            slot[1] = lslot;
            break;
        }
        slot[s] = random_insn(r, p, unit, at, bundles, &lslot);
    }
    put_bundle(out, tmpl, slot);
}

/* --- modulo-scheduled loops (SDM 1:4.5.1) --- */

#define KERNEL_BUNDLES 5u /* at most, with the one in front */

static const struct insn_row *row_of(unsigned op)
{
    const struct insn_row *row = insn_rows;

    while (row->op != op)
        row++;
    return row;
}

/* Registers and predicates that rotate, mostly. */
static uint64_t rotating_operands(struct rng *r, const struct insn_row *row, uint64_t slot)
{
    static const unsigned field[] = {6, 13, 20};

    if (chance(r, 50) && !(row->flags & IF_NOQP))
        slot = (slot & ~0x3full) | (16 + below(r, chance(r, 80) ? 6 : 48));
    for (unsigned k = 0; k < 3; k++)
        if (chance(r, 70) && !(k == 2 && (row->flags & IF_MEM)))
            slot = (slot & ~(0x7full << field[k])) |
                   (uint64_t)(32 + below(r, chance(r, 80) ? 10 : 40)) << field[k];
    return (slot & ~row->mask) | row->match;
}

/* An operation of a loop: mostly one that neither leaves it nor faults, always so in calm ones. */
static uint64_t kernel_insn(struct rng *r, const struct program *p, unsigned unit, bool calm)
{
    unsigned kind = below(r, calm ? 75 : 100);
    const struct row_list *l = kind < 75   ? &safe_rows[unit]
                               : kind < 95 ? &risky_rows[unit]
                                           : &rows_of[unit];
    const struct insn_row *row;
    uint64_t slot, unused;

    do
        row = &insn_rows[l->row[below(r, l->count)]];
    while (kind >= 95 &&
           (is_rare(row) || is_relative(row) || (p->tame && needs_serialisation(row->op))));
    slot = rnd(r) & ((1ull << 41) - 1) & ~row->mask;
    if (row->flags & IF_MEM)
        slot = (slot & ~(0x7full << 20)) | (uint64_t)(2 + below(r, 30)) << 20;
    if (is_relative(row))
        slot = with_displacement(row, slot, (int)below(r, 7) - 3, &unused);
    slot = chance(r, 50) ? slot & ~0x3full : slot;
    return rotating_operands(r, row, slot);
}

static uint64_t set_ar(struct rng *r, unsigned ar, unsigned limit)
{
    return row_of(OP_mov_to_ar_imm_i)->match | (uint64_t)ar << 20 | (uint64_t)below(r, limit) << 13;
}

/* The bundle in front: counters, and often predicates for the first stage. */
static void kernel_start(struct rng *r, const struct program *p, uint8_t *out, bool calm)
{
    uint64_t slot[3] = {kernel_insn(r, p, UNIT_M, calm), set_ar(r, AR_LC, 100),
                        set_ar(r, AR_EC, 6)};

    if (chance(r, 50))
        slot[1 + below(r, 2)] = row_of(OP_mov_to_pr_rot)->match | 1ull << 16;
    put_bundle(out, 0, slot);
}

/* Body, and the branch back to it. */
static void kernel(struct rng *r, const struct program *p, uint8_t *out, unsigned bundles)
{
    static const unsigned ends[] = {OP_br_ctop, OP_br_ctop,  OP_br_ctop,  OP_br_wtop,
                                    OP_br_wtop, OP_br_cexit, OP_br_wexit, OP_br_cloop};
    static const unsigned tmpl[] = {0x00, 0x08, 0x0c, 0x00}; /* MII MMI MFI */
    bool calm = chance(r, 60);

    kernel_start(r, p, out, calm);
    for (unsigned k = 1; k < bundles; k++) {
        const struct insn_row *row = row_of(ends[below(r, sizeof ends / sizeof *ends)]);
        unsigned t = k == bundles - 1 ? 0x10 : tmpl[below(r, 4)]; /* MIB */
        uint64_t slot[3], unused;

        for (unsigned s = 0; s < 3; s++)
            slot[s] = kernel_insn(r, p, insn_templates[t].unit[s], calm);
        if (t == 0x10) {
            slot[2] = row->op == OP_br_wtop || row->op == OP_br_wexit ? 16 + below(r, 3) : 0;
            slot[2] = with_displacement(row, slot[2], -(int)(bundles - 2), &unused) | row->match;
        }
        put_bundle(out + 16 * k, t, slot);
    }
}

/* How an area is filled, in percent of random bits; the rest are valid encodings. */
static void random_code(struct rng *r, const struct program *p, uint8_t *out, unsigned size,
                        unsigned noise)
{
    for (unsigned k = 0; k < size / 16; k++) {
        unsigned bundles = 2 + below(r, KERNEL_BUNDLES - 1);

        if (chance(r, p->kernels) && k + bundles <= size / 16) {
            kernel(r, p, out + 16 * k, bundles);
            k += bundles - 1;
        } else if (chance(r, noise) && !p->tame) {
            put64(out + 16 * k, rnd(r));
            put64(out + 16 * k + 8, rnd(r));
        } else {
            random_bundle(r, p, out + 16 * k, k, size / 16);
        }
    }
}

/* Interruption handler: goes on behind the interrupted bundle. */
static const uint64_t skip_handler[] = {
    0x0110042420008009ull, 0x000400000008484cull, /* mov r16=cr.ipsr; mov r17=cr.iip */
    0x6100000100000001ull, 0x84008902202b8241ull, /* dep r16=0,r16,41,2; add r17=16,r17 */
    0x8800042c20400009ull, 0x000400000008584cull, /* mov cr.ipsr=r16; mov cr.iip=r17 */
    0x000000010000001dull, 0x0020000000000200ull, /* rfi */
};
/* External interrupt: acknowledges it. */
static const uint64_t extint_handler[] = {
    0x0000042482009009ull, 0x0004000000006000ull, /* mov r18=cr.ivr; srlz.d */
    0x0000042c86000009ull, 0x0004000000006000ull, /* mov cr.eoi=r0; srlz.d */
    0x000000010000001dull, 0x0020000000000200ull, /* rfi */
};

static void put_handlers(struct rng *r, struct program *p)
{
    uint8_t *ivt = p->ram + IVT_ADDR;
    unsigned kind = below(r, 10);

    random_code(r, p, ivt, IVT_SIZE, 20);
    if (kind == 0)
        return;
    for (unsigned v = 0; v < IVT_SIZE; v += v < 0x5000 ? 0x400 : 0x100) {
        if (kind == 1 && chance(r, 20))
            continue;
        if (kind == 2) /* returns to the same instruction for ever */
            memcpy(ivt + v, &skip_handler[6], 16);
        else
            memcpy(ivt + v, skip_handler, sizeof skip_handler);
    }
    memcpy(ivt + VEC_EXTINT, extint_handler, sizeof extint_handler);
}

/* --- division sequences --- */

#define DIVIDE_STEPS   9
#define DIVIDE_BUNDLES 18 /* at most */

/* Multiply-adds of a division in a possible order: f1 = f3 * f4 + f2. Registers: 0 and 1, 2 the
 * dividend, 3 the divisor, 4 frcpa's result, 5 and up the steps' results. */
struct divide_step {
    uint8_t opcode, sf, f1, f3, f4, f2;
};
enum { FMA = 8 << 1, FNMA = 12 << 1, FMA_D = 9 << 1 };

static const struct divide_step divide_steps[2][DIVIDE_STEPS] = {
    {{FNMA, 1, 5, 3, 4, 1},
     {FMA, 1, 6, 5, 5, 0},
     {FMA, 1, 7, 4, 5, 4},
     {FMA, 1, 8, 6, 6, 0},
     {FMA, 1, 9, 7, 6, 7},
     {FMA, 1, 10, 9, 8, 9},
     {FMA_D, 1, 11, 2, 10, 0},
     {FNMA, 1, 12, 3, 11, 2},
     {FMA_D, 0, 13, 12, 10, 11}},
    {{FNMA, 1, 5, 3, 4, 1},
     {FMA, 1, 6, 2, 4, 0},
     {FMA, 1, 7, 5, 5, 0},
     {FMA, 1, 8, 5, 6, 6},
     {FMA, 1, 9, 5, 4, 4},
     {FMA, 1, 10, 7, 8, 8},
     {FMA, 1, 11, 7, 9, 9},
     {FNMA, 1, 12, 3, 10, 2},
     {FMA, 1, 13, 12, 11, 10}},
};

/* [MFI] or [MFB] with the F slot given. */
static void put_f(uint8_t **out, uint64_t m, uint64_t f, uint64_t i)
{
    const uint64_t nop_m = 1ull << 27, nop_i = 1ull << 27;
    const uint64_t slot[3] = {m ? m : nop_m, f, i ? i : nop_i};

    put_bundle(*out, 0x0d, slot);
    *out += 16;
}

/* The steps in another order that gives the same. */
static void shuffle_steps(struct rng *r, struct divide_step s[DIVIDE_STEPS])
{
    for (unsigned k = 0; k < 30; k++) {
        unsigned n = below(r, DIVIDE_STEPS - 1);
        struct divide_step a = s[n], b = s[n + 1];

        if (b.f2 == a.f1 || b.f3 == a.f1 || b.f4 == a.f1)
            continue;
        s[n] = b;
        s[n + 1] = a;
    }
}

/* A loop around one division, of integers from r2..r31 or of what the registers hold; now and then
 * something is wrong with it. */
static void put_division(struct rng *r, uint8_t *out)
{
    const uint64_t qp = 6, nop_f = 1ull << 27;
    const uint8_t *start = out;
    bool integers = chance(r, 60);
    struct divide_step s[DIVIDE_STEPS];
    uint64_t reg[14] = {0, 1}, ra = 2 + below(r, 30), rb = 2 + below(r, 30), branch[3];
    unsigned base = 2 + below(r, 16), wrong = chance(r, 80) ? 99 : below(r, DIVIDE_STEPS);

    memcpy(s, divide_steps[integers], sizeof s);
    shuffle_steps(r, s);
    for (unsigned k = 2; k < 14; k++)
        reg[k] = base + k;
    if (integers) {
        put_f(&out, 6ull << 37 | 0x1cull << 30 | 1ull << 27 | ra << 13 | reg[2] << 6, nop_f, 0);
        put_f(&out, 6ull << 37 | 0x1cull << 30 | 1ull << 27 | rb << 13 | reg[3] << 6, nop_f, 0);
        put_f(&out, 0, 0x1cull << 27 | reg[2] << 13 | reg[2] << 6, 0);
        put_f(&out, 0, 0x1cull << 27 | reg[3] << 13 | reg[3] << 6, 0);
    }
    put_f(&out, 0,
          (integers ? 1ull << 34 : 0) | 1ull << 33 | qp << 27 | reg[3] << 20 | reg[2] << 13 |
              reg[4] << 6,
          0);
    for (unsigned k = 0; k < DIVIDE_STEPS; k++) {
        uint64_t f4 = reg[k == wrong ? below(r, 14) : s[k].f4], m = 0;

        if (integers && chance(r, 5)) /* add ra = rb, ra */
            m = 8ull << 37 | ra << 20 | rb << 13 | ra << 6;
        put_f(&out, m,
              (uint64_t)s[k].opcode << 36 | (uint64_t)s[k].sf << 34 | f4 << 27 |
                  reg[s[k].f3] << 20 | reg[s[k].f2] << 13 | reg[s[k].f1] << 6 | qp,
              0);
    }
    if (integers)
        put_f(&out, 0,
              1ull << 34 | (uint64_t)(0x1a + below(r, 2)) << 27 | reg[13] << 13 | reg[13] << 6, 0);
    branch[0] = 8ull << 37 | rb << 20 | ra << 13 | ra << 6; /* add ra = ra, rb */
    branch[1] = nop_f;
    branch[2] = 4ull << 37 | 5ull << 6; /* br.cloop */
    branch[2] |= 1ull << 36 | ((uint64_t)((start - out) / 16) & 0xfffff) << 13;
    put_bundle(out, 0x1d, branch);
}

static uint64_t data_address(struct rng *r, const struct program *p)
{
    unsigned high = p->ram_size - (CODE_ADDR + CODE_SIZE), at = below(r, IVT_ADDR + high);

    if (at >= IVT_ADDR)
        at += CODE_ADDR + CODE_SIZE - IVT_ADDR;
    return chance(r, 85) ? at & ~15u : at;
}

static uint64_t code_address(struct rng *r)
{
    return CODE_ADDR + (uint64_t)below(r, CODE_SIZE / 16) * 16;
}

/* A value worth having in a register. */
static uint64_t value(struct rng *r, const struct program *p)
{
    static const uint64_t corner[] = {
        0,          1,          ~0ull,      1ull << 63, INT64_MAX, 0x7fffffff,
        0x80000000, 0xffffffff, 1ull << 62, 0xffff,     63,        64,
    };

    switch (below(r, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        return data_address(r, p);
    case 5:
        return code_address(r);
    case 6:
        return DEVICE_ADDR + below(r, DEVICE_SIZE);
    case 7:
        return data_address(r, p) | rnd(r) << 61;
    case 8:
        return data_address(r, p) | 1ull << 63;
    case 9:
        return below(r, 256);
    case 10:
        return p->ram_size - below(r, 32);
    case 11:
    case 12:
        return corner[below(r, sizeof corner / sizeof *corner)];
    default:
        return rnd(r) >> below(r, 64);
    }
}

/* A double in memory format, of any kind. */
static uint64_t double_bits(struct rng *r)
{
    uint64_t sign = rnd(r) & 1ull << 63;
    uint64_t frac = rnd(r) >> 12 & ~0ull << (chance(r, 50) ? 0 : below(r, 52));

    switch (below(r, 16)) {
    case 0:
        return sign;
    case 1: /* denormal */
        return sign | frac >> below(r, 52);
    case 2: /* infinity; seldom a NaN, since they spread */
        frac = chance(r, 20) ? frac : 0;
        return chance(r, 5) ? 0xfff8ull << 48 : sign | 0x7ffull << 52 | frac;
    case 3:
        return sign | (uint64_t)(1024 + below(r, 70)) << 52 | frac;
    case 4:
        return sign | (uint64_t)(1 + below(r, 60)) << 52 | frac;
    case 5:
        return sign | (uint64_t)(1990 + below(r, 57)) << 52 | frac;
    case 6:
        return sign | (uint64_t)below(r, 2048) << 52 | frac;
    case 7: /* a single, too */
        return sign | (uint64_t)(860 + below(r, 300)) << 52 | (frac & ~0ull << 29);
    default:
        return sign | (uint64_t)(1015 + below(r, 16)) << 52 | frac;
    }
}

static void put_data(struct rng *r, struct program *p)
{
    for (unsigned k = 0; k < 600; k++) {
        uint64_t at = data_address(r, p) & ~7ull;

        put64(p->ram + at, value(r, p));
    }
    if (p->floats)
        for (uint64_t at = 0; at < p->ram_size; at += 8)
            if (at < IVT_ADDR || at >= CODE_ADDR + CODE_SIZE)
                put64(p->ram + at, double_bits(r));
}

static void make_events(struct rng *r, struct program *p)
{
    uint64_t at = 0;

    p->event_count = below(r, MAX_EVENTS + 1);
    for (unsigned k = 0; k < p->event_count; k++) {
        at += below(r, (unsigned)p->slots / MAX_EVENTS);
        p->event[k] = (struct event){at, below(r, 256)};
    }
}

static void make_program(struct program *p, uint64_t seed)
{
    struct rng r = {seed * 0x2545f4914f6cdd1dull};
    static const unsigned noises[] = {0, 0, 5, 50, 100};

    p->seed = seed;
    p->model = chance(&r, 50) ? CPU_MONTECITO : chance(&r, 70) ? CPU_POULSON : CPU_MADISON;
    p->floats = seed % 4 == 3;
    p->tame = chance(&r, 70) || p->floats;
    p->loops = p->floats ? 80 : below(&r, 4) * 30;
    p->kernels = p->floats ? 10 : chance(&r, 40) ? 30 : chance(&r, 50) ? 70 : 0;
    p->slots = 50 + below(&r, MAX_SLOTS - 49);
    memset(p->ram, 0, sizeof p->ram);
    put_data(&r, p);
    random_code(&r, p, p->ram + CODE_ADDR, CODE_SIZE, noises[below(&r, 5)]);
    for (unsigned k = 0; p->floats && k < 12; k++)
        put_division(&r, p->ram + CODE_ADDR + below(&r, CODE_SIZE / 16 - DIVIDE_BUNDLES) * 16);
    put_handlers(&r, p);
    make_events(&r, p);
}

/* --- the machine --- */

struct vm {
    struct mem *mem;
    struct cpu *cpu;
    struct jit *jit; /* NULL where the host refuses executable memory */
    uint8_t *ram;
    uint32_t ram_size;
    bool code_written; /* the program changed instructions it had executed */
    uint64_t device;   /* digest of everything the device was asked */
};

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    struct vm *vm = opaque;
    struct rng r = {vm->device ^ offset << 8 ^ size};

    return vm->device = rnd(&r);
}

static void device_write(void *opaque, uint64_t offset, uint64_t v, unsigned size)
{
    struct vm *vm = opaque;
    struct rng r = {vm->device ^ offset << 8 ^ size ^ v << 24};

    vm->device = rnd(&r);
}

static void code_written(void *opaque, uint64_t page)
{
    struct vm *vm = opaque;

    vm->code_written = true;
    cpu_code_changed(vm->cpu, page);
}

static void vm_free(struct vm *vm)
{
    if (!vm->mem)
        return;
    vm->cpu->jit = NULL;
    jit_free(vm->jit);
    cpu_free(vm->cpu);
    mem_free(vm->mem);
    memset(vm, 0, sizeof *vm);
}

static void vm_new(struct vm *vm, enum cpu_model model, uint32_t ram_size)
{
    vm->mem = mem_new();
    if (!vm->mem || mem_add_ram(vm->mem, 0, ram_size) != 0 ||
        mem_add_device(vm->mem, DEVICE_ADDR, DEVICE_SIZE, vm, device_read, device_write) != 0)
        abort();
    vm->cpu = cpu_new(0, model, vm->mem);
    if (!vm->cpu)
        abort();
    vm->jit = jit_new();
    vm->ram_size = ram_size;
    vm->ram = mem_ram(vm->mem, 0, ram_size);
    mem_set_code_hook(vm->mem, code_written, vm);
}

/* --- the initial state --- */

static struct fpreg fp_value(struct rng *r)
{
    switch (below(r, 8)) {
    case 0:
        return fp_from_sig(rnd(r));
    case 1:
        return fp_natval();
    case 2:
        return (struct fpreg){0, (uint32_t)(rnd(r) & FP_SIGN), 0};
    case 3:
        return (struct fpreg){rnd(r), (uint32_t)rnd(r) & (FP_SIGN | FP_EXP_MASK), 0};
    case 4: /* infinity, NaN */
        return (struct fpreg){1ull << 63 | (chance(r, 50) ? 0 : rnd(r) >> 1),
                              FP_EXP_MASK | (uint32_t)(rnd(r) & FP_SIGN), 0};
    default: /* about 1 */
        return (struct fpreg){1ull << 63 | rnd(r), FP_EXP_BIAS - 40 + below(r, 80), 0};
    }
}

static uint64_t random_cfm(struct rng *r, bool rotated)
{
    unsigned sof = chance(r, 70) ? 96 - below(r, 8) : below(r, 97), sol = below(r, sof + 1);
    unsigned sor = below(r, sof / 8 + 1);
    uint64_t cfm = sof | sol << 7 | sor << 14;

    if (rotated && sor > 0)
        cfm |= (uint64_t)below(r, sor * 8) << 18;
    if (rotated)
        cfm |= (uint64_t)below(r, 96) << 25 | (uint64_t)below(r, 48) << 32;
    return cfm;
}

static uint64_t random_psr(struct rng *r)
{
    uint64_t psr = 0;
    const uint64_t rare[] = {PSR_BE, PSR_AC, PSR_PK, PSR_DFL, PSR_DFH, PSR_DB,
                             PSR_LP, PSR_TB, PSR_SS, PSR_SP,  PSR_DI,  PSR_SI,
                             PSR_ID, PSR_DA, PSR_DD, PSR_ED,  PSR_IA,  PSR_MC};

    psr |= chance(r, 90) ? PSR_IC : 0;
    psr |= chance(r, 50) ? PSR_I : 0;
    psr |= chance(r, 70) ? PSR_BN : 0;
    psr |= rnd(r) & (PSR_UP | PSR_PP | PSR_MFL | PSR_MFH);
    psr |= chance(r, 60) ? PSR_IT : 0;
    psr |= chance(r, 60) ? PSR_DT : 0;
    psr |= chance(r, 60) ? PSR_RT : 0;
    psr |= chance(r, 75) ? 0 : rnd(r) & PSR_CPL;
    psr |= chance(r, 80) ? 0 : (uint64_t)below(r, 3) << PSR_RI_SHIFT;
    for (unsigned k = 0; k < sizeof rare / sizeof *rare; k++)
        psr |= chance(r, 4) ? rare[k] : 0;
    return psr;
}

static uint64_t random_pfs(struct rng *r)
{
    return random_cfm(r, chance(r, 20)) | (uint64_t)below(r, 64) << 52 |
           (chance(r, 80) ? 0 : rnd(r) << 62);
}

static uint64_t random_pte(struct rng *r, uint64_t pa)
{
    uint64_t ar = chance(r, 70) ? 3 : below(r, 8), pl = chance(r, 70) ? 3 : below(r, 4);
    uint64_t bits = chance(r, 80) ? 0x61 : rnd(r) & 0x61; /* present, accessed, dirty */

    bits |= chance(r, 90) ? 0 : (rnd(r) & 7) << 2;
    return bits | pl << 7 | ar << 9 | pa | (rnd(r) & 1ull << 52);
}

static void random_translations(struct rng *r, struct cpu *c, const struct program *p)
{
    static const unsigned sizes[] = {12, 13, 14, 16, 18};
    bool changed;

    for (unsigned k = 0; k < TLB_RR_COUNT; k++)
        c->tr.rr[k] = below(r, 1u << 16) << 8 | sizes[below(r, 5)] << 2 | (rnd(r) & 1);
    c->cr[CR_PTA] = c->tr.pta =
        chance(r, 50) ? 0x3c : (uint64_t)(data_address(r, p) & ~0x7fffull) | 15 << 2 | (rnd(r) & 1);
    for (unsigned k = 0; k < TLB_PKR_COUNT; k++)
        c->tr.pkr[k] = chance(r, 70) ? 0 : (rnd(r) & 0xf) | (uint64_t)below(r, 4) << 8;
    c->cr[CR_DCR] = c->tr.dcr = rnd(r) & 0x7f05;
    if (chance(r, 90))
        tlb_insert_tr(c->tlb, TLB_INST, 0, 0, random_pte(r, 0), 18 << 2, &c->tr, &changed);
    if (chance(r, 80))
        tlb_insert_tr(c->tlb, TLB_DATA, 0, 0, random_pte(r, 0), 18 << 2, &c->tr, &changed);
    for (unsigned k = below(r, 12); k > 0; k--) {
        unsigned ps = sizes[below(r, 5)];
        uint64_t va = data_address(r, p) | rnd(r) << 61, pa = data_address(r, p) >> ps << ps;

        tlb_insert_tc(c->tlb, chance(r, 30) ? TLB_INST : TLB_DATA, va, random_pte(r, pa),
                      ps << 2 | below(r, 4) << 8, &c->tr, &changed);
    }
}

static void random_registers(struct rng *r, struct cpu *c, const struct program *p)
{
    unsigned nats = chance(r, p->floats ? 97 : p->kernels ? 90 : 50) ? 0 : below(r, 30);

    for (unsigned n = 1; n < 128; n++) {
        if (n >= c->frame_top)
            break;
        cpu_set_gr(c, n, value(r, p));
        if (chance(r, nats))
            cpu_set_gr_nat(c, n, true);
    }
    for (unsigned n = 0; n < 16; n++)
        c->bank_gr[n] = value(r, p);
    for (unsigned n = 1; p->floats && n < 32; n++)
        if (chance(r, 80))
            cpu_set_gr(c, n, data_address(r, p) & ~7ull);
    for (unsigned n = 2; n < 128; n++)
        cpu_set_fr(c, n, p->floats && chance(r, 97) ? fp_from_double(double_bits(r)) : fp_value(r));
    cpu_set_pr_all(c, rnd(r));
    for (unsigned n = 0; n < 8; n++)
        c->br[n] = chance(r, 85) ? code_address(r) : value(r, p);
    for (unsigned n = 0; n < 8; n++)
        c->kr[n] = value(r, p);
    c->lc = below(r, 20);
    c->ec = below(r, 8);
    c->ccv = value(r, p);
    c->unat = rnd(r) & rnd(r) & rnd(r);
    c->csd = value(r, p);
    c->pfs = random_pfs(r);
    if (chance(r, p->floats ? 5 : 30))
        c->fpsr = 0x9804c0270033full & ~(rnd(r) & 0x3f);
}

static void random_stack(struct rng *r, struct cpu *c, const struct program *p, bool rotated)
{
    uint64_t cfm = random_cfm(r, rotated);
    unsigned room = CPU_PHYS_STACKED - CFM_SOF(cfm);

    c->rsc = (chance(r, 70) ? 0 : rnd(r) & 3) | (chance(r, 80) ? 0 : rnd(r) & 0xc) |
             (chance(r, 90) ? 0 : 0x10) | (uint64_t)(chance(r, 70) ? 0 : below(r, 0x4000)) << 16;
    c->bspstore = data_address(r, p) & ~7ull;
    c->rnat = chance(r, 70) ? 0 : rnd(r);
    c->ndirty = (int32_t)below(r, room + 1);
    c->bsp = rse_addr(c->bspstore, c->ndirty);
    for (int k = 1; k <= c->ndirty; k++)
        c->stk[c->bof - (uint32_t)k] = value(r, p);
    cpu_set_cfm(c, cfm);
}

static void random_control(struct rng *r, struct cpu *c, const struct program *p)
{
    c->cr[CR_IVA] = chance(r, 95) ? IVT_ADDR : value(r, p) & ~0x7fffull;
    c->cr[CR_IPSR] = random_psr(r);
    c->cr[CR_IIP] = chance(r, 90) ? code_address(r) : value(r, p);
    c->cr[CR_IFS] = random_cfm(r, chance(r, 20)) | rnd(r) << 63;
    c->cr[CR_IFA] = value(r, p);
    c->cr[CR_ITIR] = 16 << 2;
    c->cr[CR_ITM] = below(r, 3000);
    c->itm_armed = chance(r, 40);
    c->cr[CR_ITV] = 16 + below(r, 240);
    for (unsigned k = 0; k < CPU_DBR_COUNT; k++) {
        c->dbr[k] = k & 1 ? rnd(r) : value(r, p);
        c->ibr[k] = k & 1 ? rnd(r) : code_address(r);
    }
}

static void load_program(struct vm *vm, const struct program *p)
{
    struct rng r = {~p->seed * 0x2545f4914f6cdd1dull};
    struct cpu *c = vm->cpu;
    bool rotated = chance(&r, p->floats ? 5 : 25);

    mem_dma_write(vm->mem, 0, p->ram, vm->ram_size);
    c->model = p->model;
    cpu_reset(c);
    c->running = true;
    c->deterministic = true;
    random_translations(&r, c, p);
    random_stack(&r, c, p, rotated);
    cpu_set_psr(c, p->floats && chance(&r, 90) ? PSR_IC | PSR_BN : random_psr(&r));
    random_registers(&r, c, p);
    random_control(&r, c, p);
    c->ip = code_address(&r);
    cpu_update_mode(c);
    cpu_update_context(c);
    vm->code_written = false;
    vm->device = p->seed;
}

/* --- running --- */

/* The ways to run a program. */
struct way {
    const char *name;
    unsigned piece; /* slots per call of cpu_run; 0: as many as possible */
    bool general;   /* never the fast handlers */
    bool native;    /* translated at the second entry */
};

static const struct way ways[] = {
    {"in one go", 0, false, false},       {"again", 0, false, false},
    {"one by one", 1, false, false},      {"in pieces of 300", 300, false, false},
    {"general handlers", 0, true, false}, {"general, one by one", 1, true, false},
    {"translated", 0, false, true},       {"translated, in pieces of 300", 300, false, true},
};
#define WAYS         (sizeof ways / sizeof *ways)
#define FIRST_NATIVE 6u

/* Runs until `slots` are done; false when the processor makes no progress. */
static bool run_until(struct cpu *c, uint64_t slots, unsigned piece)
{
    unsigned stuck = 0;

    while (cpu_icount(c) < slots) {
        uint64_t before = cpu_icount(c), left = slots - before;

        cpu_run(c, piece && piece < left ? piece : left);
        stuck = cpu_icount(c) > before ? 0 : stuck + 1;
        if (stuck > 100)
            return false;
    }
    return true;
}

static bool run_program(struct vm *vm, const struct program *p, const struct way *w, uint64_t slots)
{
    struct cpu *c = vm->cpu;

    load_program(vm, p);
    c->always_gen = w->general;
    c->jit = w->native ? vm->jit : NULL;
    c->jit_hot = 2;
    if (w->general) {
        c->nat_seen = true;
        cpu_update_mode(c);
    }
    for (unsigned k = 0; k < p->event_count && p->event[k].at < slots; k++) {
        if (!run_until(c, p->event[k].at, w->piece))
            return false;
        cpu_post_interrupt(c, p->event[k].vector);
    }
    return run_until(c, slots, w->piece);
}

/* --- invariants --- */

static const char *broken_frame(const struct cpu *c)
{
    const struct cfm *f = &c->cfm;

    if (f->sof > CPU_PHYS_STACKED || f->sol > f->sof || f->sor > f->sof || f->sor % 8 != 0)
        return "sizes in CFM";
    if ((f->rrb_gr && f->rrb_gr >= f->sor) || f->rrb_fr >= 96 || f->rrb_pr >= 48)
        return "rotation bases in CFM";
    if (c->frame_top != 32u + f->sof)
        return "frame_top";
    if (c->bof < CPU_PHYS_STACKED || c->bof > CPU_STACK_SLOTS - CPU_PHYS_STACKED)
        return "bof";
    if (c->ndirty < -CPU_PHYS_STACKED || c->ndirty + f->sof > CPU_PHYS_STACKED)
        return "ndirty";
    if (c->bspstore & 7 || c->bsp & 7)
        return "alignment of BSP or BSPSTORE";
    if (rse_distance(c->bspstore, c->bsp) != c->ndirty)
        return "BSP and BSPSTORE against ndirty";
    return NULL;
}

static const char *broken_nats(const struct cpu *c)
{
    if (c->nat[0])
        return "NaT of r0";
    if (c->nat_seen)
        return NULL;
    for (unsigned k = 0; k < 32; k++)
        if (c->nat[k] || c->bank_nat[k & 15])
            return "NaT of a static register in fast mode";
    for (unsigned k = 0; k < CPU_STACK_SLOTS; k++)
        if (c->stk_nat[k])
            return "NaT of a stacked register in fast mode";
    return NULL;
}

static const char *broken_registers(const struct cpu *c)
{
    static const struct fpreg one = {1ull << 63, FP_EXP_BIAS, 0}, zero;

    if (c->gr[0] != 0)
        return "r0";
    if (!(c->pr & 1))
        return "p0";
    if (memcmp(&c->fr[0], &zero, sizeof zero) != 0 || memcmp(&c->fr[1], &one, sizeof one) != 0)
        return "f0, f1";
    for (unsigned k = 2; k < 128; k++)
        if (c->fr[k].exp > (FP_SIGN | FP_EXP_MASK) || c->fr[k].pad)
            return "floating-point register format";
    if (c->psr & ~PSR_DEFINED)
        return "reserved bits of PSR";
    if ((c->psr & PSR_RI) == PSR_RI)
        return "PSR.ri";
    if (c->ip & 15)
        return "alignment of IP";
    if (c->ec > 63)
        return "EC";
    return NULL;
}

static const char *broken_invariant(const struct cpu *c)
{
    const char *what = broken_registers(c);

    if (!what)
        what = broken_frame(c);
    return what ? what : broken_nats(c);
}

/* --- comparing --- */

struct field {
    const char *name;
    size_t offset, size, step;
};

#define FIELD(f)                                                                                   \
    {                                                                                              \
#f, offsetof(struct cpu, f), sizeof(((struct cpu *)0)->f), 8                               \
    }
#define FIELD_B(f)                                                                                 \
    {                                                                                              \
#f, offsetof(struct cpu, f), sizeof(((struct cpu *)0)->f), 1                               \
    }
#define FIELD_FR(f)                                                                                \
    {                                                                                              \
#f, offsetof(struct cpu, f), sizeof(((struct cpu *)0)->f), 16                              \
    }
#define FIELD_INT(f)                                                                               \
    {                                                                                              \
#f, offsetof(struct cpu, f), sizeof(((struct cpu *)0)->f), 4                               \
    }

/* What must agree: everything software can see. */
static const struct field fields[] = {
    FIELD(ip),          FIELD(psr),        FIELD(gr),         FIELD_B(nat),    FIELD(br),
    FIELD(pr),          FIELD_B(cfm),      FIELD(lc),         FIELD(ec),       FIELD_FR(fr),
    FIELD(fpsr),        FIELD(unat),       FIELD(ccv),        FIELD(csd),      FIELD(ssd),
    FIELD(kr),          FIELD(bsp),        FIELD(bspstore),   FIELD(rnat),     FIELD(rsc),
    FIELD(pfs),         FIELD(bank_gr),    FIELD_B(bank_nat), FIELD(cr),       FIELD(tr.rr),
    FIELD(tr.pkr),      FIELD(tr.pta),     FIELD(dbr),        FIELD(ibr),      FIELD(pmc),
    FIELD(pmd),         FIELD(ar_ia32),    FIELD(irr),        FIELD(isr_bits), FIELD(itc_offset),
    FIELD_B(itm_armed), FIELD_INT(ndirty),
};

static uint64_t word_at(const struct cpu *c, size_t offset, size_t size)
{
    uint64_t v = 0;

    memcpy(&v, (const char *)c + offset, size < 8 ? size : 8);
    return v;
}

static void explain(char *why, size_t size, const char *name, size_t k, uint64_t a, uint64_t b)
{
    snprintf(why, size, "%s[%zu]: %" PRIx64 " and %" PRIx64, name, k, a, b);
}

static bool same_fields(struct cpu *a, struct cpu *b, char *why, size_t size)
{
    cpu_settle_fr(a);
    cpu_settle_fr(b);
    for (size_t n = 0; n < sizeof fields / sizeof *fields; n++) {
        const struct field *f = &fields[n];

        if (memcmp((const char *)a + f->offset, (const char *)b + f->offset, f->size) == 0)
            continue;
        for (size_t at = 0; at < f->size; at += f->step)
            if (memcmp((const char *)a + f->offset + at, (const char *)b + f->offset + at,
                       f->step) != 0) {
                explain(why, size, f->name, at / f->step, word_at(a, f->offset + at, f->step),
                        word_at(b, f->offset + at, f->step));
                return false;
            }
    }
    return true;
}

static bool same_stack(const struct cpu *a, const struct cpu *b, char *why, size_t size)
{
    for (int k = -a->ndirty; k < a->cfm.sof; k++) {
        uint32_t i = (uint32_t)((int)a->bof + k), j = (uint32_t)((int)b->bof + k);

        if (a->stk[i] == b->stk[j] && a->stk_nat[i] == b->stk_nat[j])
            continue;
        snprintf(why, size, "stacked register %d: %" PRIx64 "%s and %" PRIx64 "%s", 32 + k,
                 a->stk[i], a->stk_nat[i] ? " NaT" : "", b->stk[j], b->stk_nat[j] ? " NaT" : "");
        return false;
    }
    return true;
}

static bool same_memory(const struct vm *a, const struct vm *b, char *why, size_t size)
{
    if (a->device != b->device) {
        snprintf(why, size, "what the device saw");
        return false;
    }
    if (memcmp(a->ram, b->ram, a->ram_size) == 0)
        return true;
    for (size_t k = 0; k < a->ram_size; k++)
        if (a->ram[k] != b->ram[k]) {
            explain(why, size, "RAM", k, a->ram[k], b->ram[k]);
            return false;
        }
    return true;
}

static bool same(const struct vm *a, const struct vm *b, char *why, size_t size)
{
    if (cpu_icount(a->cpu) != cpu_icount(b->cpu)) {
        explain(why, size, "slots", 0, cpu_icount(a->cpu), cpu_icount(b->cpu));
        return false;
    }
    return same_fields(a->cpu, b->cpu, why, size) && same_stack(a->cpu, b->cpu, why, size) &&
           same_memory(a, b, why, size);
}

/* --- one seed --- */

struct totals {
    uint64_t programs, runs, slots, compared;
};

static struct vm vms[2];
static struct program program;
static struct totals totals;
static const char *current_way = "";

static void print_insn(const struct cpu *c, const uint8_t *ram, uint32_t ram_size)
{
    uint64_t w[2] = {0, 0};
    unsigned slot = (c->psr & PSR_RI) >> PSR_RI_SHIFT, unit;
    struct insn_bundle bd;
    char text[128];

    if ((c->ip & 0x1fffffff) + 16 > ram_size)
        return;
    memcpy(w, ram + (c->ip & 0x1fffffff), 16);
    bd = insn_unpack(w[0], w[1]);
    unit = insn_templates[bd.tmpl].unit[slot < 3 ? slot : 0];
    insn_disasm(text, sizeof text, unit,
                bd.slot[unit == UNIT_X ? 2
                        : slot < 3     ? slot
                                       : 0],
                bd.slot[1], c->ip);
    printf("    %6" PRIu64 " %016" PRIx64 ".%u psr %013" PRIx64 " mode %u cfm %" PRIx64
           " ndirty %d  %s\n",
           cpu_icount(c), c->ip, slot, c->psr, c->mode, cpu_cfm(c), c->ndirty, text);
}

/* Prints the instructions up to a slot, in single steps. */
static void trace(const struct program *p, const struct way *w, uint64_t from, uint64_t to)
{
    struct vm *vm = &vms[1];

    for (uint64_t n = from; n <= to; n++) {
        run_program(vm, p, w, n);
        print_insn(vm->cpu, vm->ram, vm->ram_size);
    }
}

/* The first slot after which two ways differ. */
static void locate(const struct program *p, const struct way *w)
{
    uint64_t good = 0, bad = p->slots;
    char why[200] = "";

    while (bad - good > 1) {
        uint64_t mid = (good + bad) / 2;

        run_program(&vms[0], p, &ways[0], mid);
        run_program(&vms[1], p, w, mid);
        if (same(&vms[0], &vms[1], why, sizeof why))
            good = mid;
        else
            bad = mid;
    }
    run_program(&vms[0], p, &ways[0], bad);
    run_program(&vms[1], p, w, bad);
    same(&vms[0], &vms[1], why, sizeof why);
    printf("    first difference after slot %" PRIu64 ": %s\n", bad, why);
    trace(p, &ways[2], bad > 12 ? bad - 12 : 0, bad);
}

static bool fail(const struct program *p, const char *way, const char *what)
{
    printf("seed %" PRIu64 " (%s): %s\n", p->seed, way, what);
    return false;
}

static bool check_way(const struct program *p, struct vm *vm, const struct way *w)
{
    const char *broken;

    current_way = w->name;
    if (!run_program(vm, p, w, p->slots))
        return fail(p, w->name, "no progress");
    totals.runs++;
    totals.slots += cpu_icount(vm->cpu);
    cpu_update_mode(vm->cpu); /* as before the next instruction */
    broken = broken_invariant(vm->cpu);
    return broken ? fail(p, w->name, broken) : true;
}

/* Whether two ways must agree: not in what the architecture leaves open, which is how soon changed
 * instructions and translations of instructions are seen. */
static bool comparable(const struct program *p, const struct way *w)
{
    if (w == &ways[1])
        return true;
    return p->tame && !vms[0].code_written && !vms[1].code_written;
}

static bool check_program(const struct program *p, bool verbose)
{
    char why[200];
    unsigned other = p->seed & 1 ? FIRST_NATIVE + (unsigned)(p->seed >> 1 & 1)
                                 : 1 + (unsigned)((p->seed >> 1) % (WAYS - 1));

    if (p->floats)
        other = WAYS - 1 - (p->seed >> 2 & 1);

    if (!check_way(p, &vms[0], &ways[0]) || !check_way(p, &vms[1], &ways[other])) {
        if (verbose)
            trace(p, &ways[2], p->slots > 12 ? p->slots - 12 : 0, p->slots);
        return false;
    }
    if (!comparable(p, &ways[other]))
        return true;
    totals.compared++;
    if (same(&vms[0], &vms[1], why, sizeof why))
        return true;
    fail(p, ways[other].name, why);
    if (verbose)
        locate(p, &ways[other]);
    return false;
}

static void renew_machines(uint64_t seed)
{
    struct rng r = {seed};
    uint32_t ram = MIN_RAM + below(&r, (MAX_RAM - MIN_RAM) >> 12) * 4096;

    for (unsigned k = 0; k < 2; k++) {
        vm_free(&vms[k]);
        vm_new(&vms[k], CPU_MONTECITO, ram);
    }
}

static void say_where(void)
{
    char text[100];
    int n = snprintf(text, sizeof text, "\nrandom_programs: seed %" PRIu64 " (%s)\n", program.seed,
                     current_way);

    if (write(STDERR_FILENO, text, (size_t)n) != n)
        _exit(3);
}

static void on_signal(int number)
{
    (void)number;
    say_where();
    _exit(2);
}

/* The sanitizers ask for these: their findings end in on_signal, which tells the seed. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:print_stacktrace=1";
}

/* A failing seed is repeatable alone: machines are renewed at fixed seeds. */
static unsigned run_all(uint64_t first, uint64_t count, bool verbose)
{
    unsigned failed = 0;

    for (uint64_t seed = first; seed < first + count && failed < 20; seed++) {
        if (seed == first || seed % PROGRAMS_PER_VM == 0)
            renew_machines(seed / PROGRAMS_PER_VM);
        alarm(WATCHDOG_S);
        program.ram_size = vms[0].ram_size;
        make_program(&program, seed);
        totals.programs++;
        failed += !check_program(&program, verbose);
    }
    alarm(0);
    vm_free(&vms[0]);
    vm_free(&vms[1]);
    return failed;
}

int main(int argc, char **argv)
{
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    uint64_t count = DEFAULT_COUNT, first = DEFAULT_SEED;
    unsigned failed;

    argc -= verbose;
    if (argc > 1 && strcmp(argv[1], "-p") == 0) {
        fp_plain_host();
        argc--;
        argv++;
    }
    argv += verbose;
    if (argc > 1)
        count = strtoull(argv[1], NULL, 0);
    if (argc > 2)
        first = strtoull(argv[2], NULL, 0);
    signal(SIGALRM, on_signal);
    signal(SIGABRT, on_signal);
#ifndef __SANITIZE_ADDRESS__ /* the sanitizer reports these itself and aborts */
    signal(SIGSEGV, on_signal);
    signal(SIGBUS, on_signal);
    signal(SIGFPE, on_signal);
#endif
    collect_rows();
    collect_float_rows();
    failed = run_all(first, count, verbose);
    printf("%" PRIu64 " programs, %" PRIu64 " runs, %" PRIu64 " slots, %" PRIu64
           " compared, %u failed\n",
           totals.programs, totals.runs, totals.slots, totals.compared, failed);
    return failed > 0;
}
