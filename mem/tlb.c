/* The translation registers and translation cache of one processor: storage, search, purges.
 *
 * Both kinds of entry of a side live in one hash table keyed by (region id, page, page size), so
 * that a search costs one probe per page size in use. What a translation permits is decided in
 * translate.c, the VHPT is walked in vhpt.c. SDM 2:4.1.1.
 */
#include "tlb.h"
#include "archive.h"

#include <stdlib.h>
#include <string.h>

#define OFFSET_BITS 61
#define OFFSET_MASK ((1ull << OFFSET_BITS) - 1)
#define MIN_PS      12u
#define MAX_PS      32u
#define HASH_BITS   13
#define SLOTS       TLB_ENTRIES
#define NO_SLOT     0xffffu
#define RID_GROUPS  64 /* page sizes in use are counted per group of region ids */
#define EVICT_BATCH 256
#define PROBE_LIMIT 64 /* above this many pages a purge scans instead of probing */

struct slot {
    struct tlb_entry e;
    uint16_t next; /* in the hash chain */
};

struct side {
    struct slot slots[SLOTS]; /* TRs first, then the TC as a ring */
    uint16_t bucket[1 << HASH_BITS];
    uint16_t size_count[RID_GROUPS][MAX_PS - MIN_PS + 1];
    uint64_t size_mask[RID_GROUPS]; /* bit ps set: size_count is not zero */
    uint64_t tr_valid;              /* bit n: TR n holds a translation */
    unsigned cursor;                /* next TC ring position to fill */
    bool evicted;                   /* entries were lost since tlb_evicted() was asked */
};

struct tlb {
    struct side side[2];
};

static unsigned hash(uint64_t vpn, unsigned ps, uint32_t rid)
{
    uint64_t h = (vpn >> ps) * 0x9e3779b97f4a7c15ull;

    h ^= ((uint64_t)rid << 6 | ps) * 0xd6e8feb86659fd93ull;
    return (unsigned)(h >> (64 - HASH_BITS));
}

static void side_reset(struct side *s)
{
    memset(s, 0, sizeof(*s));
    memset(s->bucket, 0xff, sizeof(s->bucket));
}

struct tlb *tlb_new(void)
{
    struct tlb *t = malloc(sizeof(*t));

    if (t)
        tlb_reset(t);
    return t;
}

void tlb_free(struct tlb *t)
{
    free(t);
}

void tlb_reset(struct tlb *t)
{
    side_reset(&t->side[TLB_DATA]);
    side_reset(&t->side[TLB_INST]);
}

static void count_size(struct side *s, const struct tlb_entry *e, int delta)
{
    unsigned group = e->rid % RID_GROUPS;
    uint16_t *count = &s->size_count[group][e->ps - MIN_PS];

    *count = (uint16_t)(*count + delta);
    if (*count)
        s->size_mask[group] |= 1ull << e->ps;
    else
        s->size_mask[group] &= ~(1ull << e->ps);
}

static void link_slot(struct side *s, unsigned n)
{
    struct slot *slot = &s->slots[n];
    uint16_t *head = &s->bucket[hash(slot->e.vpn, slot->e.ps, slot->e.rid)];

    slot->next = *head;
    *head = (uint16_t)n;
    count_size(s, &slot->e, 1);
    if (n < TLB_TR_COUNT)
        s->tr_valid |= 1ull << n;
}

static void unlink_slot(struct side *s, unsigned n)
{
    struct slot *slot = &s->slots[n];
    uint16_t *p = &s->bucket[hash(slot->e.vpn, slot->e.ps, slot->e.rid)];

    while (*p != n)
        p = &s->slots[*p].next;
    *p = slot->next;
    count_size(s, &slot->e, -1);
    slot->e.valid = false;
    if (n < TLB_TR_COUNT)
        s->tr_valid &= ~(1ull << n);
}

/* The slot that holds exactly this page, or NO_SLOT. */
static unsigned find_page(const struct side *s, uint64_t vpn, unsigned ps, uint32_t rid)
{
    unsigned n = s->bucket[hash(vpn, ps, rid)];

    while (n != NO_SLOT) {
        const struct slot *slot = &s->slots[n];

        if (slot->e.vpn == vpn && slot->e.rid == rid && slot->e.ps == ps)
            return n;
        n = slot->next;
    }
    return NO_SLOT;
}

static uint64_t page_of(uint64_t offset, unsigned ps)
{
    return offset & ~((1ull << ps) - 1);
}

const struct tlb_entry *tlb_find(struct tlb *t, enum tlb_side side, uint64_t va, uint32_t rid)
{
    const struct side *s = &t->side[side];
    uint64_t offset = va & OFFSET_MASK;

    for (uint64_t sizes = s->size_mask[rid % RID_GROUPS]; sizes; sizes &= sizes - 1) {
        unsigned ps = (unsigned)__builtin_ctzll(sizes);
        unsigned n = find_page(s, page_of(offset, ps), ps, rid);

        if (n != NO_SLOT)
            return &s->slots[n].e;
    }
    return NULL;
}

static bool overlaps(const struct tlb_entry *e, uint64_t offset, unsigned ps, uint32_t rid)
{
    uint64_t mask = e->size_mask | ((1ull << ps) - 1);

    return e->valid && e->rid == rid && ((e->vpn ^ offset) & ~mask) == 0;
}

/* Removes the TC entry of exactly this page. */
static bool drop_page(struct side *s, uint64_t vpn, unsigned ps, uint32_t rid)
{
    unsigned n = find_page(s, vpn, ps, rid);

    if (n == NO_SLOT || n < TLB_TR_COUNT)
        return false;
    unlink_slot(s, n);
    return true;
}

static bool drop_scan(struct side *s, uint64_t offset, unsigned ps, uint32_t rid)
{
    bool any = false;

    for (unsigned n = TLB_TR_COUNT; n < SLOTS; n++) {
        if (!overlaps(&s->slots[n].e, offset, ps, rid))
            continue;
        unlink_slot(s, n);
        any = true;
    }
    return any;
}

/* Removes every TC entry that overlaps 2^ps bytes at offset. True if there was one. */
static bool drop_overlaps(struct side *s, uint64_t offset, unsigned ps, uint32_t rid)
{
    uint64_t sizes = s->size_mask[rid % RID_GROUPS];
    uint64_t start = page_of(offset, ps);
    bool any = false;

    if (sizes && (unsigned)__builtin_ctzll(sizes) + __builtin_ctz(PROBE_LIMIT) < ps)
        return drop_scan(s, start, ps, rid);
    for (; sizes; sizes &= sizes - 1) {
        unsigned eps = (unsigned)__builtin_ctzll(sizes);
        unsigned pages = eps < ps ? 1u << (ps - eps) : 1;

        for (unsigned i = 0; i < pages; i++)
            any |= drop_page(s, page_of(start + ((uint64_t)i << eps), eps), eps, rid);
    }
    return any;
}

static bool overlaps_tr(const struct side *s, uint64_t offset, unsigned ps, uint32_t rid,
                        unsigned except)
{
    for (uint64_t v = s->tr_valid; v; v &= v - 1) {
        unsigned n = (unsigned)__builtin_ctzll(v);

        if (n != except && overlaps(&s->slots[n].e, offset, ps, rid))
            return true;
    }
    return false;
}

/* A free TC slot. When the ring is full a batch of the oldest entries goes at once, so that the
 * caller's cached copies have to go only once per batch. */
static unsigned alloc_tc(struct side *s)
{
    unsigned pos = s->cursor;

    if (s->slots[TLB_TR_COUNT + pos].e.valid) {
        for (unsigned i = 0; i < EVICT_BATCH; i++) {
            unsigned n = TLB_TR_COUNT + (pos + i) % TLB_TC_COUNT;

            if (s->slots[n].e.valid)
                unlink_slot(s, n);
        }
        s->evicted = true;
    }
    s->cursor = (pos + 1) % TLB_TC_COUNT;
    return TLB_TR_COUNT + pos;
}

bool tlb_evicted(struct tlb *t)
{
    bool evicted = t->side[TLB_DATA].evicted || t->side[TLB_INST].evicted;

    t->side[TLB_DATA].evicted = false;
    t->side[TLB_INST].evicted = false;
    return evicted;
}

bool tlb_va_implemented(uint64_t va)
{
    /* Unimplemented bits 60:TLB_VA_MSB+1 must repeat bit TLB_VA_MSB (SDM 2:4.3.2). */
    int64_t offset = (int64_t)(va << 3);
    int64_t kept = (int64_t)((uint64_t)offset << (OFFSET_BITS - 1 - TLB_VA_MSB));

    return kept >> (OFFSET_BITS - 1 - TLB_VA_MSB) == offset;
}

bool tlb_pa_implemented(uint64_t pa)
{
    return ((pa & ~(1ull << 63)) >> TLB_PA_BITS) == 0;
}

static bool size_supported(unsigned ps)
{
    return (TLB_INSERT_SIZES >> ps) & 1;
}

/* Reserved fields of the insertion format (SDM 2:4.1.1.5). A not-present translation checks only
 * the page size and the bits beside it: the rest is the operating system's. */
static bool insert_reserved(uint64_t pte, uint64_t itir)
{
    unsigned ma = (pte >> 2) & 7;

    if ((itir & 3) || !size_supported((itir >> 2) & 63))
        return true;
    if (!(pte & 1))
        return false;
    return (pte & 2) || (ma >= 1 && ma <= 3) || ((pte >> 50) & 3) || (itir >> 32) ||
           ((itir >> 8) >> TLB_KEY_BITS) || !tlb_pa_implemented(pte & 0x3fffffffff000ull);
}

static void fill(struct tlb_entry *e, uint64_t va, uint64_t pte, uint64_t itir, uint32_t rid)
{
    unsigned ps = (itir >> 2) & 63;
    uint64_t low = (1ull << ps) - 1;

    *e = (struct tlb_entry){
        .vpn = va & OFFSET_MASK & ~low,
        .ppn = pte & 0x3fffffffff000ull & ~low,
        .size_mask = low,
        .rid = rid,
        .key = (itir >> 8) & ((1u << TLB_KEY_BITS) - 1),
        .ps = (uint8_t)ps,
        .ma = (pte >> 2) & 7,
        .ar = (pte >> 9) & 7,
        .pl = (pte >> 7) & 3,
        .valid = true,
        .p = pte & 1,
        .a = (pte >> 5) & 1,
        .d = (pte >> 6) & 1,
        .ed = (pte >> 52) & 1,
    };
}

static uint32_t rid_of(const struct tlb_regs *r, uint64_t va)
{
    return (r->rr[va >> 61] >> 8) & ((1u << TLB_RID_BITS) - 1);
}

/* Common to itr and itc: 0 or the code to return. */
static int insert_check(const struct side *s, uint64_t va, uint64_t pte, uint64_t itir,
                        uint32_t rid, unsigned tr_slot)
{
    unsigned ps = (itir >> 2) & 63;

    if (insert_reserved(pte, itir))
        return -1;
    if (!tlb_va_implemented(va))
        return -2;
    if (overlaps_tr(s, va & OFFSET_MASK, ps, rid, tr_slot))
        return -3;
    return 0;
}

int tlb_insert_tr(struct tlb *t, enum tlb_side side, unsigned slot, uint64_t va, uint64_t pte,
                  uint64_t itir, const struct tlb_regs *r, bool *changed)
{
    struct side *s = &t->side[side];
    uint32_t rid = rid_of(r, va);
    bool dropped;
    int err;

    if (slot >= TLB_TR_COUNT)
        return -1;
    err = insert_check(s, va, pte, itir, rid, slot);
    if (err)
        return err;
    dropped = drop_overlaps(s, va & OFFSET_MASK, (itir >> 2) & 63, rid);
    if (s->slots[slot].e.valid) {
        unlink_slot(s, slot);
        dropped = true;
    }
    fill(&s->slots[slot].e, va, pte, itir, rid);
    link_slot(s, slot);
    if (changed)
        *changed = dropped;
    return 0;
}

int tlb_insert_tc(struct tlb *t, enum tlb_side side, uint64_t va, uint64_t pte, uint64_t itir,
                  const struct tlb_regs *r, bool *changed)
{
    struct side *s = &t->side[side];
    uint32_t rid = rid_of(r, va);
    int err = insert_check(s, va, pte, itir, rid, NO_SLOT);
    bool dropped;
    unsigned n;

    if (err)
        return err;
    dropped = drop_overlaps(s, va & OFFSET_MASK, (itir >> 2) & 63, rid);
    n = alloc_tc(s);
    fill(&s->slots[n].e, va, pte, itir, rid);
    link_slot(s, n);
    if (changed)
        *changed = dropped;
    return 0;
}

/* Any size purges: too small ones count as a page, too large ones as the region. */
static unsigned purge_size(unsigned ps)
{
    if (ps < MIN_PS)
        return MIN_PS;
    return ps > OFFSET_BITS ? OFFSET_BITS : ps;
}

bool tlb_purge_tr(struct tlb *t, enum tlb_side side, uint64_t va, unsigned ps, uint32_t rid)
{
    struct side *s = &t->side[side];
    uint64_t offset = va & OFFSET_MASK;
    bool any = false;

    ps = purge_size(ps);
    for (uint64_t v = s->tr_valid; v; v &= v - 1) {
        unsigned n = (unsigned)__builtin_ctzll(v);

        if (overlaps(&s->slots[n].e, offset, ps, rid)) {
            unlink_slot(s, n);
            any = true;
        }
    }
    any |= drop_overlaps(s, offset, ps, rid);
    return any && side == TLB_INST;
}

bool tlb_purge_tc(struct tlb *t, uint64_t va, unsigned ps, uint32_t rid)
{
    ps = purge_size(ps);
    drop_overlaps(&t->side[TLB_DATA], va & OFFSET_MASK, ps, rid);
    return drop_overlaps(&t->side[TLB_INST], va & OFFSET_MASK, ps, rid);
}

void tlb_purge_all_tc(struct tlb *t)
{
    for (unsigned i = 0; i < 2; i++) {
        struct side *s = &t->side[i];

        for (unsigned n = TLB_TR_COUNT; n < SLOTS; n++) {
            if (s->slots[n].e.valid)
                unlink_slot(s, n);
        }
        s->cursor = 0;
    }
}

const struct tlb_entry *tlb_tr(const struct tlb *t, enum tlb_side side, unsigned slot)
{
    const struct side *s = &t->side[side];

    return slot < TLB_TR_COUNT && (s->tr_valid >> slot & 1) ? &s->slots[slot].e : NULL;
}

/* --- saving --- */

static const struct archive_field entry_fields[] = {
    ARCHIVE_FIELD(struct tlb_entry, vpn), ARCHIVE_FIELD(struct tlb_entry, ppn),
    ARCHIVE_FIELD(struct tlb_entry, rid), ARCHIVE_FIELD(struct tlb_entry, key),
    ARCHIVE_FIELD(struct tlb_entry, ps),  ARCHIVE_FIELD(struct tlb_entry, ma),
    ARCHIVE_FIELD(struct tlb_entry, ar),  ARCHIVE_FIELD(struct tlb_entry, pl),
    ARCHIVE_FIELD(struct tlb_entry, p),   ARCHIVE_FIELD(struct tlb_entry, a),
    ARCHIVE_FIELD(struct tlb_entry, d),   ARCHIVE_FIELD(struct tlb_entry, ed),
};

/* What an insertion could have made. */
static bool entry_ok(const struct side *s, const struct tlb_entry *e)
{
    return size_supported(e->ps) && e->vpn <= OFFSET_MASK && !(e->vpn & e->size_mask) &&
           !(e->ppn & e->size_mask) && tlb_pa_implemented(e->ppn) && !(e->ppn >> 63) &&
           !(e->rid >> TLB_RID_BITS) && !(e->key >> TLB_KEY_BITS) && e->ma <= 7 && e->ar <= 7 &&
           e->pl <= 3 && find_page(s, e->vpn, e->ps, e->rid) == NO_SLOT;
}

static void load_slot(struct side *s, struct archive *st)
{
    struct tlb_entry e = {.valid = true};
    uint64_t n = archive_number(st, 0, SLOTS - 1, "a translation has no such place");

    archive_fields(st, &e, entry_fields, sizeof(entry_fields) / sizeof(entry_fields[0]));
    e.size_mask = (1ull << (e.ps & 63)) - 1;
    if (!archive_check(st, !s->slots[n].e.valid && entry_ok(s, &e), "a translation is impossible"))
        return;
    s->slots[n].e = e;
    link_slot(s, (unsigned)n);
}

static void save_slot(struct side *s, unsigned n, struct archive *st)
{
    archive_number(st, n, SLOTS, "");
    archive_fields(st, &s->slots[n].e, entry_fields,
                   sizeof(entry_fields) / sizeof(entry_fields[0]));
}

static void side_state(struct side *s, struct archive *st)
{
    uint64_t count = 0;

    for (unsigned n = 0; n < SLOTS; n++)
        count += s->slots[n].e.valid;
    if (st->loading)
        side_reset(s);
    s->cursor =
        (unsigned)archive_number(st, s->cursor, TLB_TC_COUNT - 1, "a ring has no such place");
    archive_truth(st, &s->evicted, 1);
    count = archive_number(st, count, SLOTS, "there are too many translations");
    if (st->loading)
        while (count-- > 0 && st->wrong == NULL)
            load_slot(s, st);
    else
        for (unsigned n = 0; n < SLOTS; n++)
            if (s->slots[n].e.valid)
                save_slot(s, n, st);
}

void tlb_state(struct tlb *t, struct archive *s)
{
    side_state(&t->side[TLB_DATA], s);
    side_state(&t->side[TLB_INST], s);
}

const struct tlb_entry *tlb_entry(const struct tlb *t, enum tlb_side side, unsigned n)
{
    const struct side *s = &t->side[side];

    return n < TLB_ENTRIES && s->slots[n].e.valid ? &s->slots[n].e : NULL;
}
