/* See unwind_info.h. Section numbers are of the conventions guide. */
#include "unwind_info.h"

#include <string.h>

#define NEVER     INT64_MAX
#define MAX_DEPTH 16 /* prologues inside each other, labelled states */
#define SCRATCH   16 /* bytes of a frame's scratch area, from which offsets to PSP count */

typedef struct unwind_save state[UNWIND_REGS];

struct reader {
    const uint8_t *p, *end;
    bool bad;
    int64_t target;
    uint64_t preds;
    struct unwind_rules *rules;
    /* the region being read */
    bool body, any_region, spills, has_mask;
    int64_t start, length; /* slots */
    unsigned next_gr;
    int64_t spill_base; /* from PSP */
    const uint8_t *mask;
    int64_t epilogue_start;
    unsigned epilogue_count;
    /* what comes back */
    state saved[MAX_DEPTH];
    unsigned depth;
    struct {
        uint64_t label;
        state at;
        state saved[MAX_DEPTH];
        unsigned depth;
    } labelled[MAX_DEPTH];
    unsigned labels;
};

/* --- bytes --- */

static unsigned take_byte(struct reader *r)
{
    if (r->p == r->end) {
        r->bad = true;
        return 0;
    }
    return *r->p++;
}

static uint64_t take_number(struct reader *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0;; shift += 7) {
        unsigned b = take_byte(r);

        if (shift > 56) {
            r->bad = true;
            return 0;
        }
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return v;
    }
}

/* Offsets and sizes come in words of 4 bytes; nobody has frames of more than 1 GB. */
static int64_t take_words(struct reader *r, unsigned bytes)
{
    uint64_t v = take_number(r);

    if (v > 1u << 28) {
        r->bad = true;
        return 0;
    }
    return (int64_t)(v * bytes);
}

static int64_t take_psp_offset(struct reader *r)
{
    return SCRATCH - take_words(r, 4);
}

/* --- what is where --- */

static struct unwind_save *reg(struct reader *r, unsigned n)
{
    return &r->rules->reg[n];
}

/* The last slot of the region; of one without any the slot before it. */
static int64_t region_end(const struct reader *r)
{
    return r->start + r->length - 1;
}

/* The slot a descriptor's time means: relative to the region, not beyond it. */
static int64_t take_time(struct reader *r)
{
    uint64_t t = take_number(r);

    return t < (uint64_t)r->length ? r->start + (int64_t)t : region_end(r);
}

static void save(struct reader *r, unsigned n, enum unwind_where where, int64_t value)
{
    struct unwind_save *s = reg(r, n);

    s->where = where;
    s->value = value;
    if (s->when == NEVER)
        s->when = region_end(r);
}

static void save_at(struct reader *r, unsigned n)
{
    struct unwind_save *s = reg(r, n);

    s->when = take_time(r);
    if (s->where == UNWIND_NOWHERE)
        s->where = UNWIND_NEXT_GR;
}

static void spill(struct reader *r, unsigned n)
{
    reg(r, n)->where = UNWIND_SPILLED;
    reg(r, n)->when = NEVER;
    r->spills = true;
}

static void spill_mask(struct reader *r, unsigned first, unsigned mask)
{
    for (; mask; mask >>= 1, first++)
        if (mask & 1)
            spill(r, first);
}

/* --- the end of a prologue --- */

static void give_registers(struct reader *r)
{
    for (unsigned n = UNWIND_RP; n <= UNWIND_PRIUNAT; n++)
        if (reg(r, n)->where == UNWIND_NEXT_GR)
            save(r, n, UNWIND_IN_GR, r->next_gr++);
}

/* The next spilled register of a kind that has no time yet. */
static void spill_next(struct reader *r, unsigned first, unsigned count, int64_t when)
{
    for (unsigned n = first; n < first + count; n++)
        if (reg(r, n)->where == UNWIND_SPILLED && reg(r, n)->when == NEVER) {
            reg(r, n)->when = when;
            return;
        }
}

/* Two bits per slot: nothing, a floating-point, a general, a branch register. */
static void read_mask(struct reader *r)
{
    for (int64_t t = 0; t < r->length; t++)
        switch (r->mask[t / 4] >> (6 - 2 * (t & 3)) & 3) {
        case 1:
            spill_next(r, UNWIND_F2, 20, r->start + t);
            break;
        case 2:
            spill_next(r, UNWIND_R4, 4, r->start + t);
            break;
        case 3:
            spill_next(r, UNWIND_B1, 5, r->start + t);
            break;
        default:
            break;
        }
}

/* The area is filled from its top: floating-point, branch, general registers, high ones first. */
static void place_spills(struct reader *r, int64_t *at, unsigned first, unsigned count, int size)
{
    for (unsigned n = first + count; n-- > first;) {
        if (reg(r, n)->where != UNWIND_SPILLED)
            continue;
        *at -= size;
        save(r, n, UNWIND_AT_PSP, *at);
    }
}

static void finish_prologue(struct reader *r)
{
    int64_t at = r->spill_base;

    give_registers(r);
    if (r->has_mask)
        read_mask(r);
    if (!r->spills)
        return;
    place_spills(r, &at, UNWIND_F2, 20, 16);
    place_spills(r, &at, UNWIND_B1, 5, 8);
    place_spills(r, &at, UNWIND_R4, 4, 8);
}

/* --- regions --- */

static void pop(struct reader *r)
{
    if (r->depth == 0) {
        r->bad = true;
        return;
    }
    memcpy(r->rules->reg, r->saved[--r->depth], sizeof(state));
}

static void push(struct reader *r)
{
    if (r->depth == MAX_DEPTH) {
        r->bad = true;
        return;
    }
    memcpy(r->saved[r->depth++], r->rules->reg, sizeof(state));
}

/* False when the target was in the region before, which is complete then. */
static bool new_region(struct reader *r, bool body, uint64_t length)
{
    if (r->any_region && !r->body)
        finish_prologue(r);
    if (r->any_region && r->target < r->start + r->length)
        return false;
    if (length > UINT32_MAX || r->start > UINT32_MAX) {
        r->bad = true;
        return false;
    }
    for (; r->epilogue_count > 0; r->epilogue_count--)
        pop(r);
    r->start = r->any_region ? r->start + r->length : 0;
    r->length = (int64_t)length;
    r->any_region = true;
    r->body = body;
    r->epilogue_start = NEVER;
    r->spills = r->has_mask = false;
    r->spill_base = SCRATCH;
    r->next_gr = 32;
    if (!body)
        push(r);
    return !r->bad;
}

/* prologue_gr: up to four registers go to general registers in a row. */
static bool new_prologue_gr(struct reader *r, unsigned first)
{
    unsigned second = take_byte(r), mask = (first & 7) << 1 | second >> 7, gr = second & 0x7f;

    if (!new_region(r, false, take_number(r)))
        return false;
    for (unsigned n = UNWIND_RP; n <= UNWIND_PREDS; n++, mask <<= 1)
        if (mask & 8)
            save(r, n, UNWIND_IN_GR, gr++);
    r->next_gr = gr;
    return true;
}

/* --- descriptors of prologues (appendix B.2) --- */

/* P3, by its number. 6 is the return address in another branch register. */
static const uint8_t to_gr[] = {UNWIND_PSP,  UNWIND_RP,       UNWIND_PFS,  UNWIND_PREDS,
                                UNWIND_UNAT, UNWIND_LC,       UNWIND_REGS, UNWIND_RNAT,
                                UNWIND_BSP,  UNWIND_BSPSTORE, UNWIND_FPSR, UNWIND_PRIUNAT};

static void p3(struct reader *r, unsigned first)
{
    unsigned second = take_byte(r), what = (first & 7) << 1 | second >> 7, gr = second & 0x7f;

    if (what >= sizeof to_gr)
        r->bad = true;
    else if (to_gr[what] == UNWIND_REGS)
        r->rules->return_br = gr & 7;
    else
        save(r, to_gr[what], UNWIND_IN_GR, gr);
}

static void p2(struct reader *r, unsigned first)
{
    unsigned second = take_byte(r), mask = (first & 15) << 1 | second >> 7, gr = second & 0x7f;

    for (unsigned n = 0; n < 5; n++)
        if (mask >> n & 1)
            save(r, UNWIND_B1 + n, UNWIND_IN_GR, gr++);
}

static void p4(struct reader *r)
{
    uint64_t bytes = ((uint64_t)r->length * 2 + 7) / 8;

    if (bytes > (uint64_t)(r->end - r->p)) {
        r->bad = true;
        return;
    }
    r->mask = r->p;
    r->has_mask = true;
    r->p += bytes;
}

static void p5(struct reader *r)
{
    unsigned b1 = take_byte(r), b2 = take_byte(r), b3 = take_byte(r);

    spill_mask(r, UNWIND_R4, b1 >> 4);
    spill_mask(r, UNWIND_F2, (b1 & 15) << 16 | b2 << 8 | b3);
}

static void p7(struct reader *r, unsigned what)
{
    static const uint8_t subject[] = {UNWIND_RP, UNWIND_PFS,  UNWIND_PREDS,
                                      UNWIND_LC, UNWIND_UNAT, UNWIND_FPSR};
    struct unwind_save *psp = reg(r, UNWIND_PSP);

    switch (what) {
    case 0: /* mem_stack_f */
        psp->when = take_time(r);
        psp->where = UNWIND_NOWHERE;
        psp->value = take_words(r, 16);
        break;
    case 1: /* mem_stack_v */
        save_at(r, UNWIND_PSP);
        break;
    case 2:
        r->spill_base = take_psp_offset(r);
        break;
    case 3:
        save(r, UNWIND_PSP, UNWIND_AT_SP, take_words(r, 4));
        break;
    default:
        if (what & 1)
            save(r, subject[(what - 4) / 2], UNWIND_AT_PSP, take_psp_offset(r));
        else
            save_at(r, subject[(what - 4) / 2]);
    }
}

/* P8: 1 to 6 at SP; from 7 on time, PSP and SP in turn. */
static void p8(struct reader *r)
{
    static const uint8_t at_sp[] = {UNWIND_RP, UNWIND_PFS,  UNWIND_PREDS,
                                    UNWIND_LC, UNWIND_UNAT, UNWIND_FPSR};
    static const uint8_t others[] = {UNWIND_BSP, UNWIND_BSPSTORE, UNWIND_RNAT, UNWIND_PRIUNAT};
    unsigned what = take_byte(r), n;

    if (what == 0 || what > 19) {
        r->bad = true;
        return;
    }
    if (what <= 6) {
        save(r, at_sp[what - 1], UNWIND_AT_SP, take_words(r, 4));
        return;
    }
    n = what == 19 ? UNWIND_PRIUNAT : others[(what - 7) / 3];
    if (what == 19 || (what - 7) % 3 == 0)
        save_at(r, n);
    else if ((what - 7) % 3 == 1)
        save(r, n, UNWIND_AT_PSP, take_psp_offset(r));
    else
        save(r, n, UNWIND_AT_SP, take_words(r, 4));
}

static void p9(struct reader *r)
{
    unsigned mask = take_byte(r), gr = take_byte(r);

    for (unsigned n = 0; n < 4; n++)
        if (mask >> n & 1)
            save(r, UNWIND_R4 + n, UNWIND_IN_GR, (gr++) & 0x7f);
}

static void p10(struct reader *r)
{
    r->rules->special = true;
    r->rules->abi = (uint8_t)take_byte(r);
    r->rules->context = (uint8_t)take_byte(r);
}

/* --- descriptors of both (B.4): spills at any place --- */

/* The register of a field "ab, reg", or UNWIND_REGS. */
static unsigned spilled_reg(unsigned field)
{
    static const uint8_t special[] = {UNWIND_PREDS, UNWIND_PSP,      UNWIND_PRIUNAT, UNWIND_RP,
                                      UNWIND_BSP,   UNWIND_BSPSTORE, UNWIND_RNAT,    UNWIND_UNAT,
                                      UNWIND_FPSR,  UNWIND_PFS,      UNWIND_LC};
    unsigned n = field & 31;

    switch (field >> 5 & 3) {
    case 0:
        return n >= 4 && n <= 7 ? UNWIND_R4 + n - 4 : UNWIND_REGS;
    case 1:
        return n >= 2 && n <= 5 ? UNWIND_F2 + n - 2
               : n >= 16        ? UNWIND_F2 + 4 + n - 16
                                : UNWIND_REGS;
    case 2:
        return n >= 1 && n <= 5 ? UNWIND_B1 + n - 1 : UNWIND_REGS;
    default:
        return n < sizeof special ? special[n] : UNWIND_REGS;
    }
}

static void set_spill(struct reader *r, unsigned n, unsigned qp, int64_t when,
                      enum unwind_where where, int64_t value)
{
    if (n == UNWIND_REGS) {
        r->bad = true;
        return;
    }
    if (when >= r->target || (qp != 0 && !(r->preds >> qp & 1)))
        return;
    *reg(r, n) = (struct unwind_save){where, value, where == UNWIND_NOWHERE ? NEVER : when};
}

/* X1, X3: to memory. */
static void spill_to_memory(struct reader *r, unsigned field, unsigned qp, bool at_sp)
{
    int64_t when = take_time(r);
    int64_t offset = at_sp ? take_words(r, 4) : take_psp_offset(r);

    set_spill(r, spilled_reg(field), qp, when, at_sp ? UNWIND_AT_SP : UNWIND_AT_PSP, offset);
}

/* X2, X4: to a register; general register 0 says that it is back. */
static void spill_to_register(struct reader *r, unsigned field, unsigned qp)
{
    unsigned target = take_byte(r), n = target & 0x7f;
    int64_t when = take_time(r);
    enum unwind_where where = field & 0x80    ? UNWIND_IN_BR
                              : target & 0x80 ? UNWIND_IN_FR
                              : n == 0        ? UNWIND_NOWHERE
                                              : UNWIND_IN_GR;

    set_spill(r, spilled_reg(field), qp, when, where, n);
}

static void spill_descriptor(struct reader *r, unsigned first)
{
    unsigned a = take_byte(r);

    switch (first) {
    case 0xf9:
        spill_to_memory(r, a, 0, a & 0x80);
        break;
    case 0xfa:
        spill_to_register(r, a, 0);
        break;
    case 0xfb:
        spill_to_memory(r, take_byte(r), a & 0x3f, a & 0x80);
        break;
    default: /* 0xfc */
        spill_to_register(r, take_byte(r), a & 0x3f);
    }
}

static void prologue_descriptor(struct reader *r, unsigned first)
{
    if (first < 0xa0)
        spill_mask(r, UNWIND_B1, first & 31);
    else if (first < 0xb0)
        p2(r, first);
    else if (first < 0xb8)
        p3(r, first);
    else if (first == 0xb8)
        p4(r);
    else if (first == 0xb9)
        p5(r);
    else if (first >= 0xc0 && first < 0xe0)
        spill_mask(r, first & 16 ? UNWIND_R4 : UNWIND_F2, first & 15);
    else if (first >= 0xe0 && first < 0xf0)
        p7(r, first & 15);
    else if (first == 0xf0)
        p8(r);
    else if (first == 0xf1)
        p9(r);
    else if (first == 0xff)
        p10(r);
    else if (first >= 0xf9 && first <= 0xfc)
        spill_descriptor(r, first);
    else
        r->bad = true;
}

/* --- descriptors of bodies (B.3) --- */

static void label_state(struct reader *r, uint64_t label)
{
    unsigned k = 0;

    while (k < r->labels && r->labelled[k].label != label)
        k++;
    if (k == MAX_DEPTH) {
        r->bad = true;
        return;
    }
    r->labels = k == r->labels ? k + 1 : r->labels;
    r->labelled[k].label = label;
    r->labelled[k].depth = r->depth;
    memcpy(r->labelled[k].at, r->rules->reg, sizeof(state));
    memcpy(r->labelled[k].saved, r->saved, sizeof r->saved);
}

static void copy_state(struct reader *r, uint64_t label)
{
    for (unsigned k = 0; k < r->labels; k++) {
        if (r->labelled[k].label != label)
            continue;
        r->depth = r->labelled[k].depth;
        memcpy(r->rules->reg, r->labelled[k].at, sizeof(state));
        memcpy(r->saved, r->labelled[k].saved, sizeof r->saved);
        return;
    }
    r->bad = true;
}

/* t counts back from the region's end. */
static void epilogue(struct reader *r, uint64_t t, uint64_t count)
{
    if (count >= MAX_DEPTH || t >= (uint64_t)r->length) {
        r->bad = true;
        return;
    }
    r->epilogue_start = region_end(r) - (int64_t)t;
    r->epilogue_count = (unsigned)count + 1;
}

static void body_descriptor(struct reader *r, unsigned first)
{
    uint64_t t;

    if (first < 0xa0) {
        label_state(r, first & 31);
    } else if (first < 0xc0) {
        copy_state(r, first & 31);
    } else if (first < 0xe0) {
        epilogue(r, take_number(r), first & 31);
    } else if (first == 0xe0) {
        t = take_number(r);
        epilogue(r, t, take_number(r));
    } else if (first == 0xf0) {
        label_state(r, take_number(r));
    } else if (first == 0xf8) {
        copy_state(r, take_number(r));
    } else if (first >= 0xf9 && first <= 0xfc) {
        spill_descriptor(r, first);
    } else {
        r->bad = true;
    }
}

/* --- the block --- */

/* False at the end, or when the target's region is complete. (What fills the area up looks like
 * prologues of no length.) */
static bool take_descriptor(struct reader *r)
{
    unsigned first;

    if (r->p == r->end || r->bad)
        return false;
    first = take_byte(r);
    if (first < 0x40)
        return new_region(r, first & 0x20, first & 31);
    if (first < 0x48)
        return new_prologue_gr(r, first);
    if (first >= 0x60 && first < 0x64)
        return new_region(r, first & 1, take_number(r));
    if (first < 0x80 || !r->any_region)
        r->bad = true;
    else if (r->body)
        body_descriptor(r, first);
    else
        prologue_descriptor(r, first);
    return !r->bad;
}

/* Behind the start of an epilogue the frame is gone, and what was in it is back. */
static void undo_frame(struct unwind_rules *rules)
{
    rules->reg[UNWIND_PSP] = (struct unwind_save){.when = NEVER};
    for (unsigned n = 0; n < UNWIND_REGS; n++) {
        struct unwind_save *s = &rules->reg[n];

        if ((s->where == UNWIND_AT_PSP && s->value <= SCRATCH) || s->where == UNWIND_AT_SP)
            *s = (struct unwind_save){.when = NEVER};
    }
}

size_t unwind_info_size(const uint8_t header[8])
{
    uint64_t h;

    memcpy(&h, header, 8);
    if (h >> 48 != 1 || (h & 0xffffffff) > UNWIND_INFO_MAX / 8)
        return 0;
    return 8 + 8 * (size_t)(h & 0xffffffff);
}

bool unwind_info_read(const uint8_t *info, size_t size, int64_t target, uint64_t preds,
                      struct unwind_rules *rules)
{
    struct reader r = {.target = target, .preds = preds, .rules = rules, .epilogue_start = NEVER};
    size_t all = size >= 8 ? unwind_info_size(info) : 0;

    *rules = (struct unwind_rules){0};
    for (unsigned n = 0; n < UNWIND_REGS; n++)
        rules->reg[n].when = NEVER;
    if (all == 0 || all > size)
        return false;
    r.p = info + 8;
    r.end = info + all;
    while (take_descriptor(&r))
        ;
    if (r.bad)
        return false;
    if (r.any_region && !r.body)
        finish_prologue(&r);
    for (unsigned n = 0; n < UNWIND_REGS; n++) /* not done yet */
        if (rules->reg[n].when >= target && rules->reg[n].when != NEVER)
            rules->reg[n] = (struct unwind_save){.when = NEVER};
    if (target > r.epilogue_start)
        undo_frame(rules);
    return true;
}
