/* mem/tlb.c, mem/vhpt.c, mem/translate.c against the rules of SDM vol 2 chapter 4. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../mem/tlb.h"

#define IC (1ull << 13)
#define PK (1ull << 15)
#define DT (1ull << 17)
#define DB (1ull << 24)
#define RT (1ull << 27)
#define IT (1ull << 36)
#define DA (1ull << 38)
#define IA (1ull << 45)

#define PTE_P               1ull
#define PTE_A               (1ull << 5)
#define PTE_D               (1ull << 6)
#define PTE_MA(x)           ((uint64_t)(x) << 2)
#define PTE_PL(x)           ((uint64_t)(x) << 7)
#define PTE_AR(x)           ((uint64_t)(x) << 9)
#define PTE_OK              (PTE_P | PTE_A | PTE_D | PTE_PL(3) | PTE_AR(3))
#define ITIR(ps)            ((uint64_t)(ps) << 2)
#define KEY(k)              ((uint64_t)(k) << 8)
#define RR(rid, ps)         ((uint64_t)(rid) << 8 | (uint64_t)(ps) << 2)
#define PTA(base, size, vf) ((base) | (uint64_t)(size) << 2 | (uint64_t)(vf) << 8 | 1)
#define REGION(n)           ((uint64_t)(n) << 61)

static struct tlb *t;
static struct mem *m;
static struct tlb_regs r;
static struct tlb_result res;
static bool changed;

static void setup(void)
{
    t = tlb_new();
    m = mem_new();
    ck_assert(t && m);
    ck_assert_int_eq(mem_add_ram(m, 0, 0x1000000), 0);
    memset(&r, 0, sizeof(r));
    for (unsigned i = 0; i < TLB_RR_COUNT; i++)
        r.rr[i] = RR(0x100 + i, 14);
    r.psr = IC | DT | IT | RT;
    changed = false;
}

static void teardown(void)
{
    tlb_free(t);
    mem_free(m);
}

static enum tlb_fault access_pl(uint64_t va, unsigned acc, unsigned cpl)
{
    return tlb_translate(t, m, &r, va, acc, cpl, &res);
}

static enum tlb_fault access0(uint64_t va, unsigned acc)
{
    return access_pl(va, acc, 0);
}

static int itc(enum tlb_side side, uint64_t va, uint64_t pte, unsigned ps)
{
    return tlb_insert_tc(t, side, va, pte, ITIR(ps), &r, &changed);
}

static int itr(enum tlb_side side, unsigned slot, uint64_t va, uint64_t pte, unsigned ps)
{
    return tlb_insert_tr(t, side, slot, va, pte, ITIR(ps), &r, &changed);
}

/* ---- physical ---- */

START_TEST(physical_accesses)
{
    r.psr = IC;
    ck_assert_int_eq(access_pl(0x12345678, ACC_READ, 3), TLB_OK);
    ck_assert_uint_eq(res.pa, 0x12345678);
    ck_assert_uint_eq(res.ma, MA_WB);
    ck_assert_uint_eq(res.rights, ACC_READ | ACC_WRITE);
    ck_assert_ptr_null(res.entry);
    ck_assert_int_eq(access0((1ull << 63) | 0xfee00000, ACC_WRITE), TLB_OK);
    ck_assert_uint_eq(res.pa, 0xfee00000);
    ck_assert_uint_eq(res.ma, MA_UC);
    ck_assert_int_eq(access_pl(0x1000, ACC_EXEC, 3), TLB_OK);
    ck_assert_uint_eq(res.rights, ACC_EXEC);
    ck_assert_uint_eq(res.new_pl, 0);
    ck_assert_int_eq(access0(1ull << TLB_PA_BITS, ACC_READ), TLB_UNIMPLEMENTED);
    ck_assert_int_eq(access0(1ull << 62, ACC_EXEC), TLB_UNIMPLEMENTED);
    ck_assert_int_eq(access0((1ull << TLB_PA_BITS) - 1, ACC_READ), TLB_OK);
}
END_TEST

START_TEST(each_kind_has_its_psr_bit)
{
    static const struct {
        uint64_t bit;
        unsigned acc;
    } kinds[] = {{DT, ACC_READ}, {IT, ACC_EXEC}, {RT, ACC_READ | ACC_RSE}};

    for (unsigned on = 0; on < 3; on++) {
        r.psr = IC | kinds[on].bit;
        for (unsigned k = 0; k < 3; k++)
            ck_assert_int_eq(access0(0x4000, kinds[k].acc), k == on ? TLB_ALT_MISS : TLB_OK);
    }
}
END_TEST

/* ---- insertion ---- */

START_TEST(insert_and_find)
{
    uint64_t va = REGION(5) | 0x123456789000ull;

    ck_assert_int_eq(itc(TLB_DATA, va | 0xabc, PTE_OK | 0x55e000, 14), 0);
    ck_assert(!changed);
    ck_assert_int_eq(access0(va + 0x123, ACC_READ), TLB_OK);
    ck_assert_uint_eq(res.pa, 0x55c000 + ((va + 0x123) & 0x3fff));
    ck_assert_uint_eq(res.ps, 14);
    ck_assert_uint_eq(res.rights, ACC_READ | ACC_WRITE);
    ck_assert_uint_eq(res.itir, RR(0x105, 14));
    ck_assert_int_eq(access0(va, ACC_EXEC), TLB_ALT_MISS); /* the sides are separate */
    ck_assert_int_eq(access0((va & ~REGION(7)) | REGION(4), ACC_READ), TLB_ALT_MISS);
    r.rr[4] = r.rr[5]; /* the same rid through another region register */
    ck_assert_int_eq(access0((va & ~REGION(7)) | REGION(4), ACC_READ), TLB_OK);
    ck_assert_ptr_nonnull(tlb_find(t, TLB_DATA, va, 0x105));
    ck_assert_ptr_null(tlb_find(t, TLB_DATA, va, 0x106));
    ck_assert_ptr_null(tlb_find(t, TLB_DATA, va + 0x4000, 0x105));
}
END_TEST

START_TEST(every_page_size)
{
    for (unsigned ps = 0; ps < 64; ps++) {
        bool ok = (TLB_INSERT_SIZES >> ps) & 1;

        tlb_reset(t);
        ck_assert_int_eq(itc(TLB_DATA, 0x1fffffffffffffffull, PTE_OK, ps), ok ? 0 : -1);
        ck_assert_int_eq(itr(TLB_INST, 3, 0, PTE_OK, ps), ok ? 0 : -1);
        if (!ok)
            continue;
        ck_assert_int_eq(access0(0x1fffffffffffffffull, ACC_READ), TLB_OK);
        ck_assert_uint_eq(res.pa, (1ull << ps) - 1);
        ck_assert_int_eq(access0(0x1fffffffffffffffull - (1ull << ps), ACC_READ), TLB_ALT_MISS);
        ck_assert_int_eq(access0((1ull << ps) - 1, ACC_EXEC), TLB_OK);
        ck_assert_int_eq(access0(1ull << ps, ACC_EXEC), TLB_ALT_MISS);
    }
}
END_TEST

START_TEST(reserved_fields)
{
    static const uint64_t bad_pte[] = {1ull << 1, PTE_MA(1),  PTE_MA(2),
                                       PTE_MA(3), 1ull << 50, 1ull << 51};
    static const unsigned good_ma[] = {MA_WB, MA_UC, MA_UCE, MA_WC, MA_NATPAGE};
    static const uint64_t bad_itir[] = {1, 2, 1ull << 32, 1ull << 63};

    for (unsigned i = 0; i < sizeof(bad_pte) / sizeof(bad_pte[0]); i++) {
        ck_assert_int_eq(itc(TLB_DATA, 0, PTE_OK | bad_pte[i], 14), -1);
        /* without the present bit they are the operating system's */
        ck_assert_int_eq(itc(TLB_DATA, 0, (PTE_OK & ~PTE_P) | bad_pte[i], 14), 0);
    }
    for (unsigned i = 0; i < sizeof(good_ma) / sizeof(good_ma[0]); i++)
        ck_assert_int_eq(itc(TLB_DATA, 0, PTE_OK | PTE_MA(good_ma[i]), 14), 0);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(tlb_insert_tc(t, TLB_DATA, 0, PTE_OK, ITIR(14) | bad_itir[i], &r, NULL),
                         -1);
    ck_assert_int_eq(tlb_insert_tc(t, TLB_DATA, 0, PTE_OK & ~PTE_P, ITIR(14) | 1, &r, NULL), -1);
    ck_assert_int_eq(
        tlb_insert_tc(t, TLB_DATA, 0, PTE_OK & ~PTE_P, ITIR(14) | 1ull << 40, &r, NULL), 0);
    ck_assert_int_eq(itc(TLB_DATA, 0, PTE_OK | 0xffe0000000000000ull, 14), 0); /* ignored bits */
    ck_assert_int_eq(itr(TLB_DATA, TLB_TR_COUNT, 0, PTE_OK, 14), -1);
    ck_assert_int_eq(itr(TLB_DATA, ~0u, 0, PTE_OK, 14), -1);
}
END_TEST

START_TEST(insert_purges_overlaps)
{
    ck_assert_int_eq(itc(TLB_DATA, 0x10000, PTE_OK | 0x10000, 14), 0);
    ck_assert_int_eq(itc(TLB_DATA, 0x14000, PTE_OK | 0x14000, 14), 0);
    ck_assert_int_eq(itc(TLB_DATA, 0x100000, PTE_OK | 0x100000, 14), 0);
    ck_assert_int_eq(itc(TLB_INST, 0x14000, PTE_OK | 0x14000, 14), 0);
    ck_assert(!changed);
    ck_assert_int_eq(itc(TLB_DATA, 0x10000, PTE_OK | 0x40000, 16), 0); /* larger page */
    ck_assert(changed);
    ck_assert_int_eq(access0(0x14000, ACC_READ), TLB_OK);
    ck_assert_uint_eq(res.pa, 0x44000);
    ck_assert_int_eq(access0(0x14000, ACC_EXEC), TLB_OK);
    ck_assert_uint_eq(res.pa, 0x14000);
    ck_assert_int_eq(itc(TLB_DATA, 0x1c000, PTE_OK | 0x80000, 12), 0); /* smaller page */
    ck_assert(changed);
    ck_assert_int_eq(access0(0x10000, ACC_READ), TLB_ALT_MISS);
    ck_assert_int_eq(access0(0x100000, ACC_READ), TLB_OK);
    ck_assert_int_eq(itc(TLB_DATA, 0, PTE_OK, 32), 0); /* many times larger: the scan */
    ck_assert(changed);
    ck_assert_int_eq(access0(0x100123, ACC_READ), TLB_OK);
    ck_assert_uint_eq(res.ps, 32);
    r.rr[0] = RR(0x999, 14); /* other rid: no overlap */
    ck_assert_int_eq(itc(TLB_DATA, 0, PTE_OK, 32), 0);
    ck_assert(!changed);
}
END_TEST

START_TEST(tr_overlaps_are_machine_checks)
{
    ck_assert_int_eq(itc(TLB_DATA, 0x4000000, PTE_OK, 14), 0);
    ck_assert_int_eq(itr(TLB_DATA, 5, 0x4000000, PTE_OK, 26), 0);
    ck_assert(changed); /* the TC entry went */
    ck_assert_int_eq(itc(TLB_DATA, 0x4004000, PTE_OK, 14), -3);
    ck_assert_int_eq(itc(TLB_DATA, 0, PTE_OK, 32), -3);
    ck_assert_int_eq(itr(TLB_DATA, 6, 0x4004000, PTE_OK, 14), -3);
    ck_assert_int_eq(itc(TLB_INST, 0x4004000, PTE_OK, 14), 0);                /* other side */
    ck_assert_int_eq(itr(TLB_DATA, 5, 0x4000000, PTE_OK | 0x8000000, 26), 0); /* its own slot */
    ck_assert(changed);
    ck_assert_int_eq(access0(0x4000010, ACC_READ), TLB_OK);
    ck_assert_uint_eq(res.pa, 0x8000010);
    ck_assert_int_eq(itr(TLB_DATA, 5, 0x10000000, PTE_OK, 26), 0); /* moved elsewhere */
    ck_assert_int_eq(access0(0x4000010, ACC_READ), TLB_ALT_MISS);
}
END_TEST

START_TEST(tc_replacement_is_reported)
{
    unsigned changes = 0, live = 0;

    ck_assert_int_eq(itr(TLB_DATA, 0, REGION(1), PTE_OK, 14), 0);
    for (uint64_t i = 0; i < TLB_TC_COUNT; i++) {
        ck_assert_int_eq(itc(TLB_DATA, i << 14, PTE_OK | i << 14, 14), 0);
        ck_assert(!changed && !tlb_evicted(t));
    }
    for (uint64_t i = TLB_TC_COUNT; i < 3 * TLB_TC_COUNT; i++) {
        const struct tlb_entry *e;

        ck_assert_int_eq(itc(TLB_DATA, i << 14, PTE_OK | i << 14, 14), 0);
        changes += tlb_evicted(t);
        e = tlb_find(t, TLB_DATA, i << 14, 0x100);
        ck_assert_ptr_nonnull(e);
        ck_assert_uint_eq(e->ppn, i << 14);
    }
    ck_assert_uint_gt(changes, 0);
    ck_assert_uint_lt(changes, 64); /* in batches, not one by one */
    for (uint64_t i = 0; i < 3 * TLB_TC_COUNT; i++)
        live += tlb_find(t, TLB_DATA, i << 14, 0x100) != NULL;
    ck_assert_uint_le(live, TLB_TC_COUNT);
    ck_assert_uint_gt(live, TLB_TC_COUNT / 2);
    ck_assert_int_eq(access0(REGION(1), ACC_READ), TLB_OK); /* a TR is never replaced */
}
END_TEST

/* ---- purges ---- */

START_TEST(purge_tc_overlaps)
{
    ck_assert_int_eq(itr(TLB_DATA, 1, 0x8000000, PTE_OK, 24), 0);
    for (uint64_t va = 0; va < 0x100000; va += 0x4000) {
        ck_assert_int_eq(itc(TLB_DATA, va, PTE_OK, 14), 0);
        ck_assert_int_eq(itc(TLB_INST, va, PTE_OK, 14), 0);
    }
    tlb_purge_tc(t, 0x7abc, 14, 0x100);
    tlb_purge_tc(t, 0x10000, 16, 0x100);
    tlb_purge_tc(t, 0x40000, 12, 0x100); /* part of a page */
    tlb_purge_tc(t, 0x80000, 12, 0x101); /* other rid */
    for (uint64_t va = 0; va < 0x100000; va += 0x4000) {
        bool gone = va == 0x4000 || (va >= 0x10000 && va < 0x20000) || va == 0x40000;

        ck_assert_int_eq(access0(va, ACC_READ), gone ? TLB_ALT_MISS : TLB_OK);
        ck_assert_int_eq(access0(va, ACC_EXEC), gone ? TLB_ALT_MISS : TLB_OK);
    }
    tlb_purge_tc(t, 0, 63, 0x100); /* absurd sizes: the region */
    ck_assert_int_eq(access0(0xfc000, ACC_READ), TLB_ALT_MISS);
    tlb_purge_tc(t, 0x8000000, 24, 0x100);
    ck_assert_int_eq(access0(0x8000000, ACC_READ), TLB_OK); /* not the TR */
    tlb_purge_tc(t, ~0ull, 0, 0x100);
}
END_TEST

START_TEST(purge_tr_and_all)
{
    ck_assert_int_eq(itr(TLB_DATA, 0, 0x8000000, PTE_OK, 24), 0);
    ck_assert_int_eq(itr(TLB_DATA, 63, 0x9000000, PTE_OK, 24), 0);
    ck_assert_int_eq(itr(TLB_INST, 0, 0x8000000, PTE_OK, 24), 0);
    ck_assert_int_eq(itc(TLB_DATA, 0x4000, PTE_OK, 14), 0);
    tlb_purge_all_tc(t);
    ck_assert_int_eq(access0(0x4000, ACC_READ), TLB_ALT_MISS);
    ck_assert_int_eq(access0(0x8000000, ACC_READ), TLB_OK);
    tlb_purge_tr(t, TLB_DATA, 0x8ffffff, 12, 0x100); /* any overlap */
    ck_assert_int_eq(access0(0x8000000, ACC_READ), TLB_ALT_MISS);
    ck_assert_int_eq(access0(0x8000000, ACC_EXEC), TLB_OK);
    ck_assert_int_eq(access0(0x9000000, ACC_READ), TLB_OK);
    tlb_purge_tr(t, TLB_DATA, 0, 61, 0x100);
    ck_assert_int_eq(access0(0x9000000, ACC_READ), TLB_ALT_MISS);
}
END_TEST

/* Random operations against a list searched in the simplest way. */
START_TEST(random_against_list)
{
    enum { N = 600 };
    static struct {
        uint64_t va;
        unsigned ps;
        uint32_t rid;
        bool live;
    } list[N];
    static const unsigned sizes[] = {12, 13, 14, 16, 20, 24};
    unsigned used = 0;
    uint64_t seed = 12345;

    for (unsigned step = 0; step < N; step++) {
        uint64_t va, mask;
        unsigned ps, kind;
        uint32_t rid;

        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        va = (seed >> 30) & 0x3ffffff;
        ps = sizes[(seed >> 57) % 6];
        rid = 0x100 + ((seed >> 55) & 1) * 64; /* both in one group */
        kind = (seed >> 52) & 3;
        mask = (1ull << ps) - 1;
        r.rr[0] = RR(rid, 14);
        for (unsigned i = 0; i < used; i++) {
            uint64_t wide = mask | ((1ull << list[i].ps) - 1);

            if (list[i].rid == rid && ((list[i].va ^ va) & ~wide) == 0)
                list[i].live = false;
        }
        if (kind == 0) {
            tlb_purge_tc(t, va, ps, rid);
        } else {
            ck_assert_int_eq(itc(TLB_DATA, va, PTE_OK | (va & ~mask & ~0xfffull), ps), 0);
            list[used].va = va & ~mask;
            list[used].ps = ps;
            list[used].rid = rid;
            list[used++].live = true;
        }
        for (unsigned i = 0; i < used; i++) {
            const struct tlb_entry *e = tlb_find(t, TLB_DATA, list[i].va, list[i].rid);
            bool same = e && e->vpn == list[i].va && e->ps == list[i].ps;

            if (list[i].live)
                ck_assert(same);
        }
    }
    for (uint64_t va = 0; va < 0x4000000; va += 0x1000) {
        const struct tlb_entry *e = tlb_find(t, TLB_DATA, va, 0x100);
        bool found = false;

        for (unsigned i = 0; i < used; i++)
            found |= list[i].live && list[i].rid == 0x100 && ((list[i].va ^ va) >> list[i].ps) == 0;
        ck_assert_int_eq(e != NULL, found);
    }
}
END_TEST

/* ---- rights ---- */

/* SDM 2:4.1.1.6: rows ar, columns pl 3..0; in each the text for cpl 3, 2, 1, 0. */
static const char *const rights_table[8][4] = {
    {"R R R R", "- R R R", "- - R R", "- - - R"},
    {"RX RX RX RX", "- RX RX RX", "- - RX RX", "- - - RX"},
    {"RW RW RW RW", "- RW RW RW", "- - RW RW", "- - - RW"},
    {"RWX RWX RWX RWX", "- RWX RWX RWX", "- - RWX RWX", "- - - RWX"},
    {"R RW RW RW", "- R RW RW", "- - R RW", "- - - RW"},
    {"RX RX RX RWX", "- RX RX RWX", "- - RX RWX", "- - - RWX"},
    {"RWX RW RW RW", "- RWX RW RW", "- - RWX RW", "- - - RW"},
    {"X X X RX", "X X X RX", "X X X RX", "X X X RX"},
};

static unsigned table_rights(unsigned ar, unsigned pl, unsigned cpl)
{
    const char *s = rights_table[ar][3 - pl];
    unsigned rights = 0;

    for (unsigned i = 3; i > cpl; i--)
        s = strchr(s, ' ') + 1;
    for (; *s && *s != ' '; s++)
        rights |= *s == 'R' ? ACC_READ : *s == 'W' ? ACC_WRITE : *s == 'X' ? ACC_EXEC : 0;
    return rights;
}

START_TEST(access_rights_table)
{
    for (unsigned n = 0; n < 8 * 4 * 4; n++) {
        unsigned ar = n >> 4, pl = (n >> 2) & 3, cpl = n & 3;
        unsigned want = table_rights(ar, pl, cpl);
        uint64_t pte = PTE_P | PTE_A | PTE_D | PTE_AR(ar) | PTE_PL(pl);

        tlb_reset(t);
        ck_assert_int_eq(itc(TLB_DATA, 0, pte, 14), 0);
        ck_assert_int_eq(itc(TLB_INST, 0, pte, 14), 0);
        for (unsigned acc = ACC_READ; acc <= (ACC_READ | ACC_WRITE); acc++) {
            ck_assert_int_eq(access_pl(8, acc, cpl), acc & ~want ? TLB_ACCESS_RIGHTS : TLB_OK);
            ck_assert_uint_eq(res.rights, want & (ACC_READ | ACC_WRITE));
        }
        ck_assert_int_eq(access_pl(8, ACC_EXEC, cpl), want & ACC_EXEC ? TLB_OK : TLB_ACCESS_RIGHTS);
        ck_assert_uint_eq(res.rights, want & ACC_EXEC);
        ck_assert_uint_eq(res.new_pl, ar == 7 && pl < cpl ? pl : cpl);
    }
}
END_TEST

START_TEST(fault_order)
{
    uint64_t bad = PTE_MA(MA_NATPAGE) | PTE_AR(0); /* p=0, NaT page, wrong key, read only... */

    r.psr |= PK;
    ck_assert_int_eq(itc(TLB_DATA, 0, bad, 14), 0);
    ck_assert_int_eq(access0(0, ACC_WRITE), TLB_NOT_PRESENT);
    ck_assert_int_eq(itc(TLB_DATA, 0, bad |= PTE_P, 14), 0);
    ck_assert_int_eq(access0(0, ACC_WRITE), TLB_NATPAGE);
    ck_assert_uint_eq(res.rights, 0);
    ck_assert_int_eq(itc(TLB_DATA, 0, bad &= ~PTE_MA(7), 14), 0);
    ck_assert_int_eq(access0(0, ACC_WRITE), TLB_KEY_MISS);
    r.pkr[15] = 1 | 2; /* key 0, write disabled */
    ck_assert_int_eq(access0(0, ACC_WRITE), TLB_KEY_PERM);
    r.pkr[15] = 1;
    ck_assert_int_eq(access0(0, ACC_WRITE), TLB_ACCESS_RIGHTS);
    ck_assert_int_eq(itc(TLB_DATA, 0, bad |= PTE_AR(2), 14), 0);
    ck_assert_int_eq(access0(0, ACC_WRITE), TLB_DIRTY);
    ck_assert_int_eq(access0(0, ACC_READ), TLB_ACCESS_BIT);
    ck_assert_int_eq(itc(TLB_DATA, 0, bad |= PTE_D, 14), 0);
    ck_assert_int_eq(access0(0, ACC_WRITE), TLB_ACCESS_BIT);
    ck_assert_uint_eq(res.rights, 0);
    ck_assert_ptr_nonnull(res.entry);
    r.psr |= DA;
    ck_assert_int_eq(access0(0, ACC_WRITE), TLB_OK);
    ck_assert_uint_eq(res.rights, 0); /* once only: not to be cached */
}
END_TEST

START_TEST(dirty_and_access_bits)
{
    ck_assert_int_eq(itc(TLB_DATA, 0, PTE_OK & ~PTE_D, 14), 0);
    ck_assert_int_eq(access0(0, ACC_READ), TLB_OK);
    ck_assert_uint_eq(res.rights, ACC_READ);
    ck_assert_int_eq(access0(0, ACC_READ | ACC_WRITE), TLB_DIRTY);
    r.psr |= DA;
    ck_assert_int_eq(access0(0, ACC_READ | ACC_WRITE), TLB_OK);
    ck_assert_uint_eq(res.rights, ACC_READ);
    ck_assert_int_eq(itc(TLB_INST, 0, PTE_OK & ~PTE_A, 14), 0);
    ck_assert_int_eq(access0(0, ACC_EXEC), TLB_ACCESS_BIT); /* psr.da is for data only */
    r.psr |= IA;
    ck_assert_int_eq(access0(0, ACC_EXEC), TLB_OK);
    ck_assert_uint_eq(res.rights, 0);
    ck_assert_int_eq(itc(TLB_INST, 0, PTE_OK & ~PTE_D, 14), 0); /* d means nothing here */
    ck_assert_int_eq(access0(0, ACC_EXEC), TLB_OK);
    ck_assert_uint_eq(res.rights, ACC_EXEC);
}
END_TEST

START_TEST(non_access_kinds)
{
    uint64_t pte = PTE_P | PTE_PL(0) | PTE_AR(0); /* no a, no d, level 0 only */

    r.psr |= PK;
    ck_assert_int_eq(itc(TLB_DATA, 0, pte | 0x8000, 14), 0);
    ck_assert_int_eq(access_pl(0x10, ACC_NONACCESS, 3), TLB_OK); /* tpa */
    ck_assert_uint_eq(res.pa, 0x8010);
    ck_assert_int_eq(access_pl(0x10, ACC_NONACCESS | ACC_FLUSH | ACC_READ, 3), TLB_ACCESS_RIGHTS);
    ck_assert_int_eq(access_pl(0x10, ACC_NONACCESS | ACC_FLUSH | ACC_READ, 0), TLB_OK);
    ck_assert_int_eq(access_pl(0x10, ACC_NONACCESS | ACC_READ, 0), TLB_KEY_MISS); /* probe */
    ck_assert_int_eq(itc(TLB_DATA, 0, PTE_OK & ~PTE_P, 14), 0);
    ck_assert_int_eq(access0(0x10, ACC_NONACCESS), TLB_NOT_PRESENT);
    ck_assert_int_eq(itc(TLB_DATA, 0, PTE_OK | PTE_MA(MA_NATPAGE), 14), 0);
    ck_assert_int_eq(access0(0x10, ACC_NONACCESS), TLB_NATPAGE);
}
END_TEST

START_TEST(protection_keys)
{
    static const struct {
        unsigned disable, acc;
        enum tlb_fault fault;
    } cases[] = {
        {0, ACC_READ | ACC_WRITE, TLB_OK},
        {2, ACC_READ, TLB_OK},
        {2, ACC_WRITE, TLB_KEY_PERM},
        {2, ACC_READ | ACC_WRITE, TLB_KEY_PERM},
        {4, ACC_READ, TLB_KEY_PERM},
        {4, ACC_WRITE, TLB_OK},
        {8, ACC_READ | ACC_WRITE, TLB_OK},
        {8, ACC_EXEC, TLB_KEY_PERM},
        {6, ACC_EXEC, TLB_OK},
    };

    ck_assert_int_eq(tlb_insert_tc(t, TLB_DATA, 0, PTE_OK, ITIR(14) | KEY(0xabcdef), &r, NULL), 0);
    ck_assert_int_eq(tlb_insert_tc(t, TLB_INST, 0, PTE_OK, ITIR(14) | KEY(0xabcdef), &r, NULL), 0);
    ck_assert_int_eq(access0(0, ACC_READ), TLB_OK); /* keys are off */
    r.psr |= PK;
    r.pkr[3] = KEY(0xabcdef); /* not valid */
    ck_assert_int_eq(access0(0, ACC_EXEC), TLB_KEY_MISS);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        r.pkr[3] = KEY(0xabcdef) | 1 | cases[i].disable;
        ck_assert_int_eq(access0(0, cases[i].acc), cases[i].fault);
        if (!(cases[i].acc & ACC_EXEC))
            ck_assert_uint_eq(res.rights, (cases[i].disable & 2 ? 0 : ACC_WRITE) |
                                              (cases[i].disable & 4 ? 0 : ACC_READ));
    }
}
END_TEST

/* ---- misses and the walker ---- */

START_TEST(misses_without_walker)
{
    ck_assert_int_eq(access0(REGION(3) | 0x4000, ACC_READ), TLB_ALT_MISS);
    ck_assert_uint_eq(res.itir, RR(0x103, 14));
    r.rr[3] |= 1; /* rr.ve without pta.ve */
    ck_assert_int_eq(access0(REGION(3) | 0x4000, ACC_READ), TLB_ALT_MISS);
    r.psr &= ~IC;
    ck_assert_int_eq(access0(REGION(3) | 0x4000, ACC_READ), TLB_NESTED);
    ck_assert_int_eq(access0(REGION(3) | 0x4000, ACC_WRITE | ACC_RSE), TLB_NESTED);
    ck_assert_int_eq(access0(REGION(3) | 0x4000, ACC_EXEC), TLB_ALT_MISS);
}
END_TEST

/* Short format in region 2 at offset 1 << 50, table of 2^52 bytes, pages of 16 KB; the piece of
 * the table for small addresses is at physical 0x40000. */
#define SHORT_BASE (1ull << 52)

static void short_setup(void)
{
    r.rr[2] = RR(0x102, 14) | 1;
    r.pta = PTA(SHORT_BASE, 52, 0);
    ck_assert_int_eq(itc(TLB_DATA, REGION(2) | SHORT_BASE, PTE_OK | 0x40000, 14), 0);
}

static void put(uint64_t pa, uint64_t v)
{
    ck_assert(mem_write(m, pa, 8, v));
}

START_TEST(short_format_walk)
{
    uint64_t va = REGION(2) | (5 << 14);

    short_setup();
    ck_assert_uint_eq(tlb_thash(&r, va), REGION(2) | SHORT_BASE | 40);
    ck_assert_int_eq(access0(va, ACC_READ), TLB_NOT_PRESENT); /* 0 is a valid absent entry */
    tlb_purge_tc(t, va, 14, 0x102);
    put(0x40000 + 40, PTE_OK | 0x123000);
    ck_assert_int_eq(access0(va + 8, ACC_READ), TLB_OK);
    ck_assert_uint_eq(res.pa, 0x120008);
    ck_assert_uint_eq(res.entry->key, 0x102);
    ck_assert_uint_eq(res.ps, 14);
    ck_assert(!res.changed);
    ck_assert_int_eq(access0(va, ACC_EXEC), TLB_OK);
    r.psr &= ~IC; /* data searches even so; instructions do not */
    tlb_purge_tc(t, va, 14, 0x102);
    ck_assert_int_eq(access0(va, ACC_EXEC), TLB_ALT_MISS);
    ck_assert_int_eq(access0(va, ACC_READ), TLB_OK);
}
END_TEST

START_TEST(walker_needs_its_psr_bits)
{
    uint64_t va = REGION(2) | (5 << 14);

    short_setup();
    put(0x40000 + 40, PTE_OK | 0x123000);
    r.psr = IC | IT | RT; /* no dt */
    ck_assert_int_eq(access0(va, ACC_EXEC), TLB_ALT_MISS);
    ck_assert_int_eq(access0(va, ACC_READ | ACC_RSE), TLB_ALT_MISS);
    r.psr = IC | IT | DT;
    ck_assert_int_eq(access0(va, ACC_EXEC), TLB_OK);
    r.pta &= ~1ull;
    ck_assert_int_eq(access0(va, ACC_READ), TLB_ALT_MISS);
}
END_TEST

START_TEST(walker_misses_the_table)
{
    uint64_t va = REGION(2) | (0x5000ull << 14);

    short_setup();
    r.rr[2] = RR(0x102, 14) | 1;
    ck_assert_int_eq(access0(va, ACC_WRITE), TLB_VHPT);
    ck_assert_uint_eq(res.iha, REGION(2) | SHORT_BASE | 0x28000);
    ck_assert_uint_eq(res.itir, RR(0x102, 14));
    ck_assert_int_eq(access0(va, ACC_EXEC), TLB_VHPT);
    r.psr &= ~IC;
    ck_assert_int_eq(access0(va, ACC_WRITE), TLB_NESTED);
}
END_TEST

START_TEST(walker_aborts)
{
    static const uint64_t bad_page[] = {
        PTE_OK & ~PTE_P,         PTE_OK & ~PTE_A,         PTE_OK | PTE_MA(MA_NATPAGE),
        PTE_OK | PTE_MA(MA_UC),  PTE_OK | PTE_MA(MA_UCE), PTE_OK | PTE_MA(MA_WC),
        PTE_OK | 0x2000000000000 /* not RAM */};
    uint64_t va = REGION(2) | (5 << 14);

    short_setup();
    put(0x40000 + 40, PTE_OK | 0x123000);
    for (unsigned i = 0; i < sizeof(bad_page) / sizeof(bad_page[0]); i++) {
        ck_assert_int_eq(itc(TLB_DATA, REGION(2) | SHORT_BASE, bad_page[i] | 0x40000, 14), 0);
        ck_assert_int_eq(access0(va, ACC_READ), TLB_MISS);
        ck_assert_uint_eq(res.iha, REGION(2) | SHORT_BASE | 40);
        ck_assert_int_eq(access0(va, ACC_EXEC), TLB_MISS);
    }
    /* rights of the table's page do not count */
    ck_assert_int_eq(itc(TLB_DATA, REGION(2) | SHORT_BASE, (PTE_OK & ~PTE_D) | 0x40000, 14), 0);
    put(0x40000 + 40, PTE_OK | 2); /* reserved bit in the entry */
    ck_assert_int_eq(access0(va, ACC_READ), TLB_MISS);
    put(0x40000 + 40, PTE_OK | PTE_MA(2));
    ck_assert_int_eq(access0(va, ACC_READ), TLB_MISS);
    put(0x40000 + 40, PTE_OK);
    ck_assert_int_eq(access0(va, ACC_READ), TLB_OK);
}
END_TEST

START_TEST(walker_keys_and_breakpoints)
{
    uint64_t va = REGION(2) | (5 << 14), dbr[TLB_DBR_COUNT] = {0};

    short_setup();
    put(0x40000 + 40, PTE_OK);
    r.psr |= PK;
    r.pkr[1] = KEY(0x102) | 1;                         /* the short format's default key */
    ck_assert_int_eq(access0(va, ACC_READ), TLB_MISS); /* table page's key 0: key miss */
    r.pkr[0] = KEY(0) | 1 | 4;
    ck_assert_int_eq(access0(va, ACC_READ), TLB_MISS);
    r.pkr[0] = KEY(0) | 1 | 2;
    r.dbr = dbr;
    r.psr |= DB;
    dbr[2] = REGION(2) | SHORT_BASE | 44;
    dbr[3] = 1ull << 63 | 1ull << 56 | ((1ull << 56) - 1);
    ck_assert_int_eq(access0(va, ACC_READ), TLB_MISS);
    dbr[3] = 1ull << 63 | 8ull << 56 | ((1ull << 56) - 1); /* privilege 3 only */
    ck_assert_int_eq(access0(va, ACC_READ), TLB_OK);
}
END_TEST

START_TEST(walker_byte_order)
{
    uint64_t va = REGION(2) | (5 << 14);

    short_setup();
    put(0x40000 + 40, __builtin_bswap64(PTE_OK | 0x124000));
    r.dcr = 2;
    ck_assert_int_eq(access0(va, ACC_READ), TLB_OK);
    ck_assert_uint_eq(res.pa, 0x124000);
}
END_TEST

START_TEST(walker_meets_a_tr)
{
    uint64_t va = REGION(2) | (5 << 14);

    short_setup();
    r.rr[2] = RR(0x102, 16) | 1;
    put(0x40000 + 8, PTE_OK);
    ck_assert_int_eq(itr(TLB_DATA, 0, REGION(2) | 0x1c000, PTE_OK, 14), 0);
    ck_assert_int_eq(access0(va, ACC_READ), TLB_MISS);
}
END_TEST

START_TEST(walker_reports_change)
{
    uint64_t va = REGION(2) | (5 << 14);

    short_setup();
    r.rr[2] = RR(0x102, 16) | 1; /* now 64 KB pages: page 1 */
    put(0x40000 + 8, PTE_OK | PTE_AR(0));
    ck_assert_int_eq(itc(TLB_DATA, REGION(2) | 0x10000, PTE_OK, 14), 0);
    ck_assert_int_eq(access0(va, ACC_READ), TLB_OK);
    ck_assert(res.changed);
    ck_assert_int_eq(access0(va, ACC_READ), TLB_OK);
    ck_assert(!res.changed);
}
END_TEST

/* ---- long format ---- */

#define LONG_BASE (REGION(6) | 0x80000)
#define LONG_PA   0x80000ull

static void long_setup(void)
{
    for (unsigned i = 0; i < 3; i++)
        r.rr[i] |= 1;
    r.pta = PTA(LONG_BASE, 16, 1);
    ck_assert_int_eq(itr(TLB_DATA, 0, LONG_BASE, PTE_OK | LONG_PA, 16), 0);
}

static uint64_t long_put(uint64_t va, uint64_t pte, uint64_t itir, uint64_t tag)
{
    uint64_t pa = LONG_PA + (tlb_thash(&r, va) - LONG_BASE);

    put(pa, pte);
    put(pa + 8, itir);
    put(pa + 16, tag);
    put(pa + 24, ~0ull);
    return pa;
}

START_TEST(long_format_walk)
{
    uint64_t va = REGION(1) | 0x123456788000ull, pa;

    long_setup();
    pa = long_put(va, PTE_OK | 0x200000, ITIR(14) | KEY(0x77), tlb_ttag(&r, va));
    ck_assert_uint_eq(pa & 31, 0);
    ck_assert_int_eq(access0(va + 4, ACC_READ), TLB_OK);
    ck_assert_uint_eq(res.pa, 0x200004);
    ck_assert_uint_eq(res.entry->key, 0x77);
    ck_assert_int_eq(access0(va, ACC_EXEC), TLB_OK);
    tlb_purge_all_tc(t);
    put(pa + 8, ITIR(20) | KEY(0x78)); /* a larger page than rr.ps */
    ck_assert_int_eq(access0(va, ACC_READ), TLB_OK);
    ck_assert_uint_eq(res.ps, 20);
    ck_assert_uint_eq(res.pa, 0x200000 | (va & 0xfffff));
}
END_TEST

START_TEST(long_format_refuses)
{
    uint64_t va = REGION(1) | 0x123456788000ull, pa;

    long_setup();
    pa = long_put(va, PTE_OK, ITIR(14), tlb_ttag(&r, va) | 1ull << 63); /* ti */
    ck_assert_int_eq(access0(va, ACC_READ), TLB_MISS);
    ck_assert_uint_eq(res.iha, LONG_BASE + (pa - LONG_PA));
    put(pa + 16, tlb_ttag(&r, va) ^ 1);
    ck_assert_int_eq(access0(va, ACC_READ), TLB_MISS);
    put(pa + 16, tlb_ttag(&r, va));
    put(pa + 8, ITIR(15)); /* no such page size */
    ck_assert_int_eq(access0(va, ACC_READ), TLB_MISS);
    put(pa + 8, ITIR(14) | 1ull << 32);
    ck_assert_int_eq(access0(va, ACC_READ), TLB_MISS);
    put(pa + 8, ITIR(14));
    put(pa, PTE_OK & ~PTE_P); /* inserted although not present */
    ck_assert_int_eq(access0(va, ACC_READ), TLB_NOT_PRESENT);
    ck_assert_ptr_nonnull(tlb_find(t, TLB_DATA, va, 0x101));
    tlb_purge_tr(t, TLB_DATA, LONG_BASE, 16, 0x106);
    ck_assert_int_eq(access0(va + 0x4000, ACC_READ), TLB_VHPT);
    ck_assert_uint_eq(res.itir, RR(0x106, 14));
}
END_TEST

START_TEST(hash_is_unique)
{
    enum { N = 3000 };
    static struct {
        uint64_t va, hash, tag;
        uint32_t rid;
    } seen[N];
    uint64_t seed = 99;

    r.pta = PTA(LONG_BASE, 15, 1);
    for (unsigned i = 0; i < N; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        seen[i].rid = (seed >> 40) & (i & 1 ? 0xffffff : 0x3);
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        seen[i].va = (seed >> 3) & (i & 2 ? 0x1ffffffffffff000ull : 0x1ff8000000007000ull);
        r.rr[0] = RR(seen[i].rid, 12);
        seen[i].hash = tlb_thash(&r, seen[i].va);
        seen[i].tag = tlb_ttag(&r, seen[i].va);
        ck_assert_uint_eq(seen[i].hash & ~0x7fe0ull, LONG_BASE);
        ck_assert_uint_eq(seen[i].tag >> 63, 0);
        for (unsigned k = 0; k < i; k++) {
            if (seen[k].hash == seen[i].hash && seen[k].tag == seen[i].tag)
                ck_assert(seen[k].va == seen[i].va && seen[k].rid == seen[i].rid);
        }
    }
}
END_TEST

START_TEST(thash_hostile_sizes)
{
    for (unsigned n = 0; n < 64 * 64 * 2; n++) {
        r.rr[7] = RR(0xffffff, n & 63);
        r.pta = PTA(~0ull & ~0x7fffull, (n >> 6) & 63, n >> 12);
        tlb_thash(&r, ~0ull);
        tlb_ttag(&r, ~0ull);
        r.rr[7] |= 1;
        access0(~0ull, ACC_READ);
    }
    ck_assert_uint_eq(tlb_thash(&r, 0) >> 61, 7);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tlb");
    TCase *tc = tcase_create("tlb");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, physical_accesses);
    tcase_add_test(tc, each_kind_has_its_psr_bit);
    tcase_add_test(tc, insert_and_find);
    tcase_add_test(tc, every_page_size);
    tcase_add_test(tc, reserved_fields);
    tcase_add_test(tc, insert_purges_overlaps);
    tcase_add_test(tc, tr_overlaps_are_machine_checks);
    tcase_add_test(tc, tc_replacement_is_reported);
    tcase_add_test(tc, purge_tc_overlaps);
    tcase_add_test(tc, purge_tr_and_all);
    tcase_add_test(tc, random_against_list);
    tcase_add_test(tc, access_rights_table);
    tcase_add_test(tc, fault_order);
    tcase_add_test(tc, dirty_and_access_bits);
    tcase_add_test(tc, non_access_kinds);
    tcase_add_test(tc, protection_keys);
    tcase_add_test(tc, misses_without_walker);
    tcase_add_test(tc, short_format_walk);
    tcase_add_test(tc, walker_needs_its_psr_bits);
    tcase_add_test(tc, walker_misses_the_table);
    tcase_add_test(tc, walker_aborts);
    tcase_add_test(tc, walker_keys_and_breakpoints);
    tcase_add_test(tc, walker_byte_order);
    tcase_add_test(tc, walker_meets_a_tr);
    tcase_add_test(tc, walker_reports_change);
    tcase_add_test(tc, long_format_walk);
    tcase_add_test(tc, long_format_refuses);
    tcase_add_test(tc, hash_is_unique);
    tcase_add_test(tc, thash_hostile_sizes);
    suite_add_tcase(s, tc);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
