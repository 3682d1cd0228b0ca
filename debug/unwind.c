/* See unwind.h. */
#include "unwind.h"

#include <string.h>
#include "insn.h"
#include "rse.h"
#include "unwind_info.h"

#define ENTRY_SIZE  24   /* start, end, information: offsets from the segment */
#define SCAN_BACK   4096 /* bundles to look back for the beginning of a function */
#define SP          12
#define CFM_BITS    0x3fffffffffull
#define NO_REGISTER 0

/* --- memory and registers --- */

static bool read_word(const struct unwinder *u, uint64_t va, uint64_t *v)
{
    return u->read(u->opaque, va, v, 8) == 0;
}

static struct unwind_value at(const struct unwinder *u, uint64_t va)
{
    struct unwind_value v = {0};

    v.known = read_word(u, va, &v.v);
    return v;
}

static struct unwind_value gr(const struct unwinder *u, const struct unwind_frame *f, uint64_t n)
{
    if (n < 32)
        return f->gr[n];
    if (n - 32 >= CFM_SOF(f->cfm))
        return (struct unwind_value){0};
    return at(u, rse_addr(f->bsp, (int64_t)n - 32));
}

void unwind_first(struct unwind_frame *f, struct cpu *c)
{
    *f = (struct unwind_frame){.ip = c->ip | (c->psr >> PSR_RI_SHIFT & 3),
                               .cfm = cpu_cfm(c),
                               .bsp = c->bsp,
                               .sp = cpu_gr(c, SP),
                               .exact = true,
                               .pfs = {c->pfs, true},
                               .preds = {cpu_pr_all(c), true},
                               .unat = {c->unat, true},
                               .lc = {c->lc, true}};
    for (unsigned n = 0; n < 32; n++)
        f->gr[n] = (struct unwind_value){cpu_gr(c, n), !cpu_gr_nat(c, n)};
    for (unsigned n = 0; n < 8; n++)
        f->br[n] = (struct unwind_value){c->br[n], true};
}

/* --- tables --- */

/* Where in the code the frame is: a call is the last instruction before its return address. */
static uint64_t place(const struct unwind_frame *f)
{
    return f->exact ? f->ip : (f->ip & ~15ull) - 16 + 2;
}

static bool entry_at(const struct unwinder *u, const struct unwind_table *t, uint64_t n,
                     uint64_t entry[3])
{
    return u->read(u->opaque, t->start + n * ENTRY_SIZE, entry, ENTRY_SIZE) == 0;
}

/* The entry for an offset from the segment. */
static bool find_in(const struct unwinder *u, const struct unwind_table *t, uint64_t offset,
                    uint64_t entry[3])
{
    uint64_t low = 0, high = t->size / ENTRY_SIZE;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (!entry_at(u, t, middle, entry))
            return false;
        if (offset < entry[0])
            high = middle;
        else if (offset >= entry[1])
            low = middle + 1;
        else
            return true;
    }
    return false;
}

/* The rules for the frame's place; false when no table has any. */
static bool find_rules(const struct unwinder *u, const struct unwind_frame *f,
                       struct unwind_rules *rules)
{
    uint64_t ip = place(f), entry[3], slot;
    uint8_t info[UNWIND_INFO_MAX + 8];
    size_t size;

    for (unsigned k = 0; k < u->table_count; k++) {
        const struct unwind_table *t = &u->tables[k];

        if (!find_in(u, t, (ip & ~15ull) - t->segment, entry))
            continue;
        if (u->read(u->opaque, t->segment + entry[2], info, 8) != 0)
            return false;
        size = unwind_info_size(info);
        if (size == 0 || u->read(u->opaque, t->segment + entry[2], info, size) != 0)
            return false;
        slot = 3 * (((ip & ~15ull) - t->segment - entry[0]) / 16) + (ip & 15);
        return unwind_info_read(info, size, (int64_t)slot, f->preds.known ? f->preds.v : 0, rules);
    }
    return false;
}

/* --- one step by rules --- */

/* What a rule has of the caller's; `now` is it when nothing was saved. */
static struct unwind_value saved(const struct unwinder *u, const struct unwind_frame *f,
                                 const struct unwind_save *s, uint64_t psp, struct unwind_value now)
{
    switch (s->where) {
    case UNWIND_NOWHERE:
        return now;
    case UNWIND_IN_GR:
        return gr(u, f, (uint64_t)s->value & 127);
    case UNWIND_IN_BR:
        return f->br[s->value & 7];
    case UNWIND_AT_PSP:
        return at(u, psp + (uint64_t)s->value);
    case UNWIND_AT_SP:
        return at(u, f->sp + (uint64_t)s->value);
    default:
        return (struct unwind_value){0};
    }
}

static struct unwind_value previous_sp(const struct unwinder *u, const struct unwind_frame *f,
                                       const struct unwind_rules *rules)
{
    const struct unwind_save *s = &rules->reg[UNWIND_PSP];

    return saved(u, f, s, f->sp, (struct unwind_value){f->sp + (uint64_t)s->value, true});
}

/* Only preserved registers live on in the caller. */
static void forget_scratch(struct unwind_frame *f)
{
    for (unsigned n = 0; n < 32; n++)
        if (n != 0 && n != 13 && (n < 4 || n > 7))
            f->gr[n].known = false;
    for (unsigned n = 0; n < 8; n++)
        if (n == 0 || n > 5)
            f->br[n].known = false;
}

static void restore_preserved(const struct unwinder *u, const struct unwind_frame *was,
                              const struct unwind_rules *rules, uint64_t psp,
                              struct unwind_frame *f)
{
    const struct unwind_save *s = rules->reg;

    for (unsigned n = 0; n < 4; n++)
        f->gr[4 + n] = saved(u, was, &s[UNWIND_R4 + n], psp, was->gr[4 + n]);
    for (unsigned n = 0; n < 5; n++)
        f->br[1 + n] = saved(u, was, &s[UNWIND_B1 + n], psp, was->br[1 + n]);
    f->preds = saved(u, was, &s[UNWIND_PREDS], psp, was->preds);
    f->unat = saved(u, was, &s[UNWIND_UNAT], psp, was->unat);
    f->lc = saved(u, was, &s[UNWIND_LC], psp, was->lc);
}

/* Systems also make up return addresses: those are of code that begins there. */
static bool behind_call(const struct unwinder *u, uint64_t ip)
{
    uint64_t w[2];
    struct insn_bundle b;
    const struct insn_template *t;
    struct insn i;
    bool wide;

    if (u->read(u->opaque, (ip & ~15ull) - 16, w, 16) != 0)
        return false;
    b = insn_unpack(w[0], w[1]);
    t = &insn_templates[b.tmpl];
    wide = t->unit[1] == UNIT_X;
    if (!t->valid || (!wide && t->unit[2] != UNIT_B))
        return false;
    insn_decode(wide ? UNIT_X : UNIT_B, b.slot[2], b.slot[1], &i);
    return i.op == OP_br_call || i.op == OP_br_call_b || i.op == OP_brl_call;
}

/* Back to the frame below: n registers of it are not the present one's. */
static enum unwind_end move_to(const struct unwinder *u, struct unwind_frame *f,
                               const struct unwind_frame *was, uint64_t ip, uint64_t cfm,
                               uint64_t psp, unsigned n)
{
    if ((ip & ~15ull) == 0)
        return UNWIND_TOP;
    f->ip = ip & ~15ull;
    f->exact = !behind_call(u, ip);
    f->cfm = cfm & CFM_BITS;
    f->bsp = rse_addr(was->bsp, -(int64_t)n);
    f->sp = psp;
    f->gr[SP] = (struct unwind_value){psp, true};
    /* a chain that goes nowhere: no stack of either kind was left */
    if (f->sp < was->sp || (f->sp == was->sp && f->bsp == was->bsp && f->ip == (was->ip & ~15ull)))
        return UNWIND_LOST;
    return UNWIND_MORE;
}

static enum unwind_end step_call(const struct unwinder *u, const struct unwind_frame *was,
                                 const struct unwind_rules *rules, struct unwind_frame *f)
{
    struct unwind_value psp = previous_sp(u, was, rules);
    struct unwind_value rp =
        saved(u, was, &rules->reg[UNWIND_RP], psp.v, was->br[rules->return_br]);
    struct unwind_value pfs = saved(u, was, &rules->reg[UNWIND_PFS], psp.v, was->pfs);

    if (rp.known && rp.v == 0)
        return UNWIND_TOP;
    if (!psp.known || !rp.known || !pfs.known)
        return UNWIND_LOST;
    restore_preserved(u, was, rules, psp.v, f);
    forget_scratch(f);
    f->pfs = (struct unwind_value){0}; /* the caller's own is where its rules say */
    return move_to(u, f, was, rp.v, pfs.v, psp.v, CFM_SOL(pfs.v));
}

/* --- frames of interruptions --- */

/* Linux: 16 bytes above the stack pointer are the interrupted registers. Its rules name the
 * interrupted ip as return address and cr.ifs as pfs. */
#define LINUX_ABI     3
#define LINUX_CONTEXT 'i'
#define LINUX_IPSR    64
#define LINUX_PFS     96
#define LINUX_B0      136

static const struct {
    uint16_t gr, offset;
} linux_grs[] = {{8, 32},   {9, 40},   {10, 48},  {11, 56},  {1, 152},  {12, 160}, {13, 168},
                 {15, 184}, {14, 192}, {2, 200},  {3, 208},  {16, 216}, {17, 224}, {18, 232},
                 {19, 240}, {20, 248}, {21, 256}, {22, 264}, {23, 272}, {24, 280}, {25, 288},
                 {26, 296}, {27, 304}, {28, 312}, {29, 320}, {30, 328}, {31, 336}};

static enum unwind_end step_interruption(const struct unwinder *u, const struct unwind_frame *was,
                                         const struct unwind_rules *rules, struct unwind_frame *f)
{
    uint64_t regs = was->sp + 16;
    struct unwind_value ipsr = at(u, regs + LINUX_IPSR);
    struct unwind_value psp = previous_sp(u, was, rules);
    struct unwind_value ip = saved(u, was, &rules->reg[UNWIND_RP], psp.v, was->br[0]);
    struct unwind_value ifs = saved(u, was, &rules->reg[UNWIND_PFS], psp.v, was->pfs);
    enum unwind_end end;

    if (!psp.known || !ip.known || !ifs.known || !ipsr.known)
        return UNWIND_LOST;
    restore_preserved(u, was, rules, psp.v, f);
    end = move_to(u, f, was, ip.v, ifs.v, psp.v, CFM_SOF(ifs.v));
    f->ip |= ipsr.v >> PSR_RI_SHIFT & 3;
    f->exact = true;
    f->outside = ipsr.v & PSR_CPL;
    f->pfs = at(u, regs + LINUX_PFS);
    f->br[0] = at(u, regs + LINUX_B0);
    f->br[6] = at(u, regs);
    f->br[7] = at(u, regs + 8);
    for (size_t k = 0; k < sizeof linux_grs / sizeof *linux_grs; k++)
        f->gr[linux_grs[k].gr] = at(u, regs + linux_grs[k].offset);
    if (!f->outside)
        return end;
    f->sp = f->gr[SP].v;
    return UNWIND_MORE;
}

/* --- without rules --- */

struct prologue {
    unsigned pfs, rp; /* general registers that hold them, NO_REGISTER: none */
};

/* Notes what one instruction keeps. An alloc begins a function. */
static void look_at(const struct insn *i, uint64_t cfm, struct prologue *p)
{
    if (i->op == OP_alloc && i->len == CFM_SOF(cfm) && i->pos == CFM_SOL(cfm))
        *p = (struct prologue){.pfs = i->r1};
    else if (i->op == OP_alloc)
        *p = (struct prologue){0};
    else if (i->op == OP_mov_from_br && i->r2 == 0 && p->pfs != NO_REGISTER && p->rp == NO_REGISTER)
        p->rp = i->r1;
}

static void look_at_bundle(const uint64_t w[2], unsigned slots, uint64_t cfm, struct prologue *p)
{
    struct insn_bundle b = insn_unpack(w[0], w[1]);
    const struct insn_template *t = &insn_templates[b.tmpl];

    for (unsigned slot = 0; slot < slots && t->valid; slot++) {
        struct insn i;

        if (t->unit[slot] == UNIT_X || t->unit[slot] == UNIT_NONE)
            continue;
        insn_decode(t->unit[slot], b.slot[slot], 0, &i);
        look_at(&i, cfm, p);
    }
}

static bool has_alloc(const uint64_t w[2], uint64_t cfm)
{
    struct prologue p = {0};

    look_at_bundle(w, 3, cfm, &p);
    return p.pfs != NO_REGISTER;
}

/* Looks back for the alloc that made this frame, and forward again to what was kept. */
static void scan(const struct unwinder *u, const struct unwind_frame *f, struct prologue *p)
{
    uint64_t end = place(f) & ~15ull, w[2];
    uint64_t ip = end;

    *p = (struct prologue){0};
    for (unsigned k = 0; k < SCAN_BACK; k++, ip -= 16) {
        if (u->read(u->opaque, ip, w, 16) != 0)
            return;
        if (has_alloc(w, f->cfm))
            break;
    }
    for (; ip <= end && u->read(u->opaque, ip, w, 16) == 0; ip += 16)
        look_at_bundle(w, ip == end ? (unsigned)(place(f) & 3) : 3, f->cfm, p);
}

/* The stack pointer of the caller is not known then: it stays, which serves for the next frames as
 * long as they need no memory of the stack. */
static enum unwind_end step_by_code(const struct unwinder *u, const struct unwind_frame *was,
                                    struct unwind_frame *f)
{
    struct unwind_value rp = was->br[0], pfs = was->pfs;
    struct prologue p;

    scan(u, was, &p);
    if (p.pfs != NO_REGISTER)
        pfs = gr(u, was, p.pfs);
    if (p.rp != NO_REGISTER)
        rp = gr(u, was, p.rp);
    if (!rp.known || !pfs.known)
        return UNWIND_LOST;
    forget_scratch(f);
    f->pfs = (struct unwind_value){0};
    return move_to(u, f, was, rp.v, pfs.v, was->sp, CFM_SOL(pfs.v));
}

enum unwind_end unwind_step(const struct unwinder *u, struct unwind_frame *f)
{
    struct unwind_frame was = *f;
    struct unwind_rules rules;

    if (f->outside)
        return UNWIND_TOP;
    if (!find_rules(u, &was, &rules))
        return step_by_code(u, &was, f);
    if (!rules.special)
        return step_call(u, &was, &rules, f);
    if (rules.abi != LINUX_ABI || rules.context != LINUX_CONTEXT)
        return UNWIND_LOST;
    return step_interruption(u, &was, &rules, f);
}
