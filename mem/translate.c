/* Translation of one access: physical or virtual, miss, keys, rights, dirty and access bits.
 *
 * The order of the checks is the architecture's fault priority (SDM 2:5.5, table 5-6; figure 4-16).
 * Debug and alignment faults, and the deferral for speculative loads, are the CPU's.
 */
#include "translate.h"

#include "vhpt.h"

#define UC_BIT      (1ull << 63) /* of a physical address: uncacheable (SDM 2:4.4.1) */
#define ACC_RIGHTS  (ACC_READ | ACC_WRITE | ACC_EXEC)
#define ACC_R       ACC_READ
#define ACC_RW      (ACC_READ | ACC_WRITE)
#define ACC_RX      (ACC_READ | ACC_EXEC)
#define ACC_RWX     ACC_RIGHTS
#define PTE_P       1ull
#define PTE_PPN     0x3fffffffff000ull
#define SMALL_SHIFT 12 /* granularity of a physical "page" for caching */

/* Page access rights (SDM 2:4.1.1.6, table 4-4): privilege levels below the page's (more
 * privileged), the page's own level, and level 0. Less privileged ones get nothing, but for the
 * execute-only promotion pages of ar 7. */
static const struct {
    uint8_t below, equal, zero;
} access_rights[8] = {
    {ACC_R, ACC_R, ACC_R},       {ACC_RX, ACC_RX, ACC_RX},     {ACC_RW, ACC_RW, ACC_RW},
    {ACC_RWX, ACC_RWX, ACC_RWX}, {ACC_RW, ACC_R, ACC_RW},      {ACC_RX, ACC_RX, ACC_RWX},
    {ACC_RW, ACC_RWX, ACC_RW},   {ACC_EXEC, ACC_EXEC, ACC_RX},
};

unsigned tlb_page_rights(const struct tlb_entry *e, unsigned cpl)
{
    if (cpl == 0)
        return access_rights[e->ar].zero;
    if (cpl > e->pl)
        return e->ar == 7 ? ACC_EXEC : 0;
    return cpl < e->pl ? access_rights[e->ar].below : access_rights[e->ar].equal;
}

/* PKR: v 0, wd 1, rd 2, xd 3, key 31:8 (SDM 2:4.1.3). */
unsigned tlb_key_denied(const struct tlb_regs *r, uint32_t key, bool *hit)
{
    *hit = false;
    for (unsigned i = 0; i < TLB_PKR_COUNT; i++) {
        uint64_t pkr = r->pkr[i];

        if (!(pkr & 1) || ((pkr >> 8) & ((1u << TLB_KEY_BITS) - 1)) != key)
            continue;
        *hit = true;
        return (pkr & 2 ? ACC_WRITE : 0) | (pkr & 4 ? ACC_READ : 0) | (pkr & 8 ? ACC_EXEC : 0);
    }
    return 0;
}

/* What may be cached for later accesses at this privilege level without asking again: the one-off
 * overrides psr.da and psr.ia do not count. */
static unsigned cacheable_rights(const struct tlb_regs *r, const struct tlb_entry *e, unsigned acc,
                                 unsigned cpl)
{
    unsigned rights = tlb_page_rights(e, cpl) & (acc & ACC_EXEC ? ACC_EXEC : ACC_RW);
    bool hit;

    if (!e->p || !e->a || e->ma == MA_NATPAGE)
        return 0;
    if (r->psr & TLB_PSR_PK) {
        rights &= ~tlb_key_denied(r, e->key, &hit);
        if (!hit)
            return 0;
    }
    return e->d ? rights : rights & ~ACC_WRITE;
}

static bool is_virtual(const struct tlb_regs *r, unsigned acc)
{
    if (acc & ACC_EXEC)
        return r->psr & TLB_PSR_IT;
    return r->psr & (acc & ACC_RSE ? TLB_PSR_RT : TLB_PSR_DT);
}

static enum tlb_fault translate_physical(uint64_t va, unsigned acc, struct tlb_result *out)
{
    if (!tlb_pa_implemented(va))
        return TLB_UNIMPLEMENTED;
    out->pa = va & ~UC_BIT;
    out->ma = va & UC_BIT ? MA_UC : MA_WB;
    out->ps = SMALL_SHIFT;
    out->rights = acc & ACC_EXEC ? ACC_EXEC : ACC_RW;
    out->new_pl = 0; /* epc in physical mode goes to level 0 (SDM 3: epc) */
    return TLB_OK;
}

static uint64_t default_itir(const struct tlb_regs *r, uint64_t va)
{
    return r->rr[va >> 61] & 0xfffffffcull;
}

/* Keys and rights. The access kind of tpa and tak asks for neither. */
static enum tlb_fault check_keys(const struct tlb_regs *r, const struct tlb_entry *e, unsigned acc)
{
    unsigned denied;
    bool hit;

    if (!(r->psr & TLB_PSR_PK) || (acc & ACC_FLUSH))
        return TLB_OK;
    denied = tlb_key_denied(r, e->key, &hit);
    if (!hit)
        return TLB_KEY_MISS;
    return denied & acc ? TLB_KEY_PERM : TLB_OK;
}

static enum tlb_fault check_bits(const struct tlb_regs *r, const struct tlb_entry *e, unsigned acc)
{
    if (acc & ACC_FLUSH || r->psr & (acc & ACC_EXEC ? TLB_PSR_IA : TLB_PSR_DA))
        return TLB_OK;
    if ((acc & ACC_WRITE) && !e->d)
        return TLB_DIRTY;
    return e->a ? TLB_OK : TLB_ACCESS_BIT;
}

static enum tlb_fault check_entry(const struct tlb_regs *r, const struct tlb_entry *e, unsigned acc,
                                  unsigned cpl)
{
    unsigned need = acc & ACC_RIGHTS;
    enum tlb_fault fault;

    if (!e->p)
        return TLB_NOT_PRESENT;
    if (e->ma == MA_NATPAGE)
        return TLB_NATPAGE;
    if (!need)
        return TLB_OK;
    fault = check_keys(r, e, acc);
    if (fault)
        return fault;
    if (need & ~tlb_page_rights(e, cpl))
        return TLB_ACCESS_RIGHTS;
    return check_bits(r, e, acc);
}

static void describe(const struct tlb_regs *r, const struct tlb_entry *e, uint64_t va, unsigned acc,
                     unsigned cpl, struct tlb_result *out)
{
    out->entry = e;
    out->pa = e->ppn | (va & e->size_mask);
    out->ma = e->ma;
    out->ps = e->ps;
    out->rights = (uint8_t)cacheable_rights(r, e, acc, cpl);
    if (e->ar == 7 && e->pl < cpl)
        out->new_pl = e->pl;
}

/* What a miss raises, the walker included. TLB_OK: the walker inserted the translation. */
static enum tlb_fault handle_miss(struct tlb *t, struct mem *m, const struct tlb_regs *r,
                                  uint64_t va, unsigned acc, struct tlb_result *out)
{
    enum tlb_side side = acc & ACC_EXEC ? TLB_INST : TLB_DATA;
    enum tlb_fault fault = TLB_ALT_MISS;

    if (vhpt_enabled(r, va, acc)) {
        out->iha = tlb_thash(r, va);
        fault = vhpt_walk(t, m, r, side, va, out->iha, &out->changed);
    }
    if (fault && side == TLB_DATA && !(r->psr & TLB_PSR_IC))
        return TLB_NESTED;
    if (fault == TLB_VHPT)
        out->itir = default_itir(r, out->iha);
    return fault;
}

bool tlb_peek(struct tlb *t, struct mem *m, const struct tlb_regs *r, uint64_t va, uint64_t *pa)
{
    uint32_t rid = (r->rr[va >> 61] >> 8) & ((1u << TLB_RID_BITS) - 1);
    uint64_t offset = va & ((1ull << 61) - 1), pte, itir, size;
    const struct tlb_entry *e;

    *pa = va & ~UC_BIT;
    if (!is_virtual(r, ACC_READ) && tlb_pa_implemented(va))
        return true;
    e = tlb_find(t, TLB_DATA, va, rid);
    if (!e || !e->p)
        e = tlb_find(t, TLB_INST, va, rid);
    if (e && e->p) {
        *pa = e->ppn | (va & e->size_mask);
        return true;
    }
    *pa = offset;
    if (!vhpt_enabled(r, va, ACC_READ))
        return !e && tlb_pa_implemented(offset);
    if (vhpt_read(t, m, r, va, tlb_thash(r, va), &pte, &itir) != TLB_OK || !(pte & PTE_P))
        return false;
    size = 1ull << (itir >> 2 & 63);
    *pa = (pte & PTE_PPN & ~(size - 1)) | (va & (size - 1));
    return true;
}

enum tlb_fault tlb_translate(struct tlb *t, struct mem *m, const struct tlb_regs *r, uint64_t va,
                             unsigned acc, unsigned cpl, struct tlb_result *out)
{
    enum tlb_side side = acc & ACC_EXEC ? TLB_INST : TLB_DATA;
    uint32_t rid = (r->rr[va >> 61] >> 8) & ((1u << TLB_RID_BITS) - 1);
    const struct tlb_entry *e;

    cpl &= 3;
    *out = (struct tlb_result){.itir = default_itir(r, va), .new_pl = (uint8_t)cpl};
    if (!is_virtual(r, acc))
        return translate_physical(va, acc, out);
    if (!tlb_va_implemented(va))
        return TLB_UNIMPLEMENTED;
    e = tlb_find(t, side, va, rid);
    if (!e) {
        enum tlb_fault fault = handle_miss(t, m, r, va, acc, out);

        if (fault)
            return fault;
        e = tlb_find(t, side, va, rid);
        if (!e)
            return TLB_MISS;
    }
    describe(r, e, va, acc, cpl, out);
    return check_entry(r, e, acc, cpl);
}
