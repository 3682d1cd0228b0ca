/* The VHPT walker and the hash functions it shares with the thash and ttag instructions.
 *
 * Hash of the long format (left to the implementation): entry number = page number XOR region id,
 * tag = page number XOR region id << 39. The page number has at most 49 bits, so the tag shows
 * its low 39 bits as they are, the low 10 bits of the entry number then give the low bits of the
 * region id, and those the rest of both: no two pages share table index and tag.
 */
#include "vhpt.h"

#include "translate.h"

#define OFFSET_MASK ((1ull << 61) - 1)
#define REGION_MASK (~OFFSET_MASK)

#define PTA_VE    (1ull << 0)
#define PTA_VF    (1ull << 8)
#define PTA_BASE  0x1fffffffffff8000ull /* base without the region number */
#define RR_VE     (1ull << 0)
#define DCR_BE    (1ull << 1)
#define TAG_TI    (1ull << 63)
#define TAG_SHIFT 39

#define SHORT_SIZE 8u
#define LONG_SIZE  32u

static unsigned rr_ps(uint64_t rr)
{
    return (rr >> 2) & 63;
}

static uint64_t rr_rid(uint64_t rr)
{
    return (rr >> 8) & ((1u << TLB_RID_BITS) - 1);
}

static uint64_t page_number(const struct tlb_regs *r, uint64_t va)
{
    return (va & OFFSET_MASK) >> rr_ps(r->rr[va >> 61]);
}

/* SDM 2:4.1.5.5, 2:4.1.5.6: the low pta.size bits come from the hash, the others from the base. */
uint64_t tlb_thash(const struct tlb_regs *r, uint64_t va)
{
    uint64_t table = ((1ull << ((r->pta >> 2) & 63)) - 1) & OFFSET_MASK;
    uint64_t from_hash = table | ~PTA_BASE;
    uint64_t hash, region;

    if (r->pta & PTA_VF) {
        hash = (page_number(r, va) ^ rr_rid(r->rr[va >> 61])) * LONG_SIZE;
        region = r->pta & REGION_MASK;
    } else {
        hash = page_number(r, va) * SHORT_SIZE;
        region = va & REGION_MASK;
    }
    return region | (r->pta & PTA_BASE & ~from_hash) | (hash & from_hash & OFFSET_MASK);
}

uint64_t tlb_ttag(const struct tlb_regs *r, uint64_t va)
{
    return (page_number(r, va) ^ rr_rid(r->rr[va >> 61]) << TAG_SHIFT) & ~TAG_TI;
}

/* SDM 2:4.1.7. The walker makes data references, hence psr.dt for all; an instruction miss with
 * psr.ic 0 has nowhere to keep the walker's state. */
bool vhpt_enabled(const struct tlb_regs *r, uint64_t va, unsigned acc)
{
    uint64_t need = TLB_PSR_DT;

    if (!(r->pta & PTA_VE) || !(r->rr[va >> 61] & RR_VE))
        return false;
    if (acc & ACC_EXEC)
        need |= TLB_PSR_IT | TLB_PSR_IC;
    if (acc & ACC_RSE)
        need |= TLB_PSR_RT;
    return (r->psr & need) == need;
}

/* A read breakpoint for privilege level 0 on any of the entry's bytes (SDM 2:7.1.1). */
static bool breakpoint(const struct tlb_regs *r, uint64_t iha, unsigned size)
{
    if (!r->dbr || !(r->psr & TLB_PSR_DB))
        return false;
    for (unsigned i = 0; i < TLB_DBR_COUNT; i += 2) {
        uint64_t control = r->dbr[i + 1];
        uint64_t mask = (control | 0xff00000000000000ull) & ~(uint64_t)(size - 1);

        if ((control >> 63) && ((control >> 56) & 1) && ((r->dbr[i] ^ iha) & mask) == 0)
            return true;
    }
    return false;
}

/* Faults on the page that maps the table, other than a miss, end the walk (SDM 2:4.1.7). */
static bool page_usable(const struct tlb_regs *r, const struct tlb_entry *e)
{
    bool hit;

    if (!e->p || !e->a || e->ma != MA_WB)
        return false;
    if (!(r->psr & TLB_PSR_PK))
        return true;
    return !(tlb_key_denied(r, e->key, &hit) & ACC_READ) && hit;
}

/* One aligned doubleword of the table; other processors may be writing it. */
static uint64_t load(const struct tlb_regs *r, const uint8_t *host)
{
    uint64_t v = __atomic_load_n((const uint64_t *)(const void *)host, __ATOMIC_ACQUIRE);

    return r->dcr & DCR_BE ? __builtin_bswap64(v) : v;
}

/* Reads the entry. false: tag mismatch. The tag is read before and after the translation so that
 * an entry being rewritten under its ti bit is not taken half (SDM 2:5.3.3 of part 2). */
static bool read_long(const struct tlb_regs *r, uint64_t va, const uint8_t *host, uint64_t *pte,
                      uint64_t *itir)
{
    uint64_t tag = tlb_ttag(r, va);

    if (load(r, host + 16) != tag)
        return false;
    *pte = load(r, host);
    *itir = load(r, host + 8);
    return load(r, host + 16) == tag;
}

enum tlb_fault vhpt_read(struct tlb *t, struct mem *m, const struct tlb_regs *r, uint64_t va,
                         uint64_t iha, uint64_t *pte, uint64_t *itir)
{
    bool vf = r->pta & PTA_VF;
    unsigned size = vf ? LONG_SIZE : SHORT_SIZE;
    uint64_t rr = r->rr[va >> 61];
    const struct tlb_entry *e;
    const uint8_t *host;

    if (!tlb_va_implemented(iha))
        return TLB_MISS;
    e = tlb_find(t, TLB_DATA, iha, (uint32_t)rr_rid(r->rr[iha >> 61]));
    if (!e)
        return TLB_VHPT;
    if (!page_usable(r, e) || breakpoint(r, iha, size))
        return TLB_MISS;
    host = mem_ram(m, e->ppn | (iha & e->size_mask), size);
    if (!host)
        return TLB_MISS;
    *itir = rr_rid(rr) << 8 | (uint64_t)rr_ps(rr) << 2;
    if (!vf)
        *pte = load(r, host);
    else if (!read_long(r, va, host, pte, itir))
        return TLB_MISS;
    return TLB_OK;
}

enum tlb_fault vhpt_walk(struct tlb *t, struct mem *m, const struct tlb_regs *r, enum tlb_side side,
                         uint64_t va, uint64_t iha, bool *changed)
{
    uint64_t pte, itir;
    enum tlb_fault fault = vhpt_read(t, m, r, va, iha, &pte, &itir);

    if (fault)
        return fault;
    if (tlb_insert_tc(t, side, va, pte, itir, r, changed) != 0)
        return TLB_MISS;
    return TLB_OK;
}
