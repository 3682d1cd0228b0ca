/* The register stack engine against SDM volume 2 chapter 6 and the instruction pages of alloc,
 * br, cover, flushrs, loadrs and rfi: frames, backing store images, faults in the middle of
 * mandatory stores and loads, and values no sane software would use. Each test runs in blocks and
 * once more one instruction at a time. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "../cpu/interp.h"
#include "../cpu/interrupt.h"
#include "../cpu/rse.h"
#include "cpu_harness.h"

#define BS_VA     0x2000000000000000ull /* region 1: a backing store page by page */
#define BS_PA     0x400000ull
#define BS_RID    5u
#define HANDLER   0x180000ull
#define CFM(f, l) ((uint64_t)(f) | (uint64_t)(l) << 7)
#define MODES     2 /* runs of each test: blocks, single steps */

/* What must hold whatever software did: the registers fit the physical ones. */
static void check_sane(const struct cpu *c)
{
    ck_assert_int_ge(c->ndirty, -CPU_PHYS_STACKED);
    ck_assert_int_le(c->ndirty + c->cfm.sof, CPU_PHYS_STACKED);
    ck_assert_uint_ge(c->bof, CPU_PHYS_STACKED);
    ck_assert_uint_le(c->bof, CPU_STACK_SLOTS - 2 * CPU_PHYS_STACKED);
}

#define RET_TEXT "{ .mib\n nop.m 0\n nop.i 0\n br.ret.sptk b6 ;; }\n"
#define TARGET   (HARNESS_CODE + 0x400)

/* b6 leads to the end. */
static void return_to(struct harness *h)
{
    harness_asm(h, TARGET, "nop.m 0");
    h->c->br[6] = TARGET;
}

/* --- frames --- */

/* The function calls itself r32 times. Each level keeps a value, and a NaT in every fourth, in its
 * locals and counts in r20 what it finds changed afterwards, in r21 the calls. */
#define RECURSION(locals, keep, nat, out)                                                          \
    "  movl r9=0x0008000000000000\n"                                                               \
    "  alloc r2=ar.pfs,0,0,1,0\n"                                                                  \
    "  mov r20=0\n  mov r21=0\n  mov r32=r14 ;;\n"                                                 \
    "  br.call.sptk b0=f ;;\n  br.sptk end\n"                                                      \
    "f:\n"                                                                                         \
    "  alloc r34=ar.pfs,1," locals ",1,0\n"                                                        \
    "  mov r33=b0\n  add r21=1,r21 ;;\n"                                                           \
    "  cmp.eq p6,p0=0,r32\n  shladd r35=r32,1,r32\n  and r8=3,r32 ;;\n"                            \
    "  cmp.eq p8,p9=0,r8 ;;\n"                                                                     \
    "  (p9) mov " nat "=r32\n  mov " keep "=r35\n  (p6) br.cond.sptk out ;;\n"                     \
    "  (p8) ld8.s " nat "=[r9]\n  adds " out "=-1,r32 ;;\n"                                        \
    "  br.call.sptk b0=f ;;\n"                                                                     \
    "  shladd r8=r32,1,r32\n  and r10=3,r32 ;;\n"                                                  \
    "  cmp.ne p10,p0=r8," keep "\n  cmp.eq p8,p9=0,r10 ;;\n"                                       \
    "  (p10) add r20=1,r20 ;;\n"                                                                   \
    "  tnat.nz p11,p12=" nat " ;;\n"                                                               \
    "  (p8) cmp.eq.unc p13,p0=r0,r0\n  cmp.eq p14,p0=r0,r0 ;;\n"                                   \
    "  (p12) cmp.eq.and p13,p14=r0,r0 ;;\n"                                                        \
    "  (p8) tnat.z.unc p15,p0=" nat " ;;\n  (p15) add r20=1,r20 ;;\n"                              \
    "  (p9) cmp.ne.unc p15,p0=" nat ",r32 ;;\n  (p15) add r20=1,r20 ;;\n"                          \
    "out:\n"                                                                                       \
    "  mov b0=r33\n  mov ar.pfs=r34 ;;\n  br.ret.sptk b0 ;;\n"                                     \
    "end:\n  nop.m 0\n"

static const struct {
    const char *text;
    uint64_t depth;
} recursions[] = {
    {RECURSION("4", "r35", "r36", "r37"), 20000},
    {RECURSION("16", "r40", "r48", "r49"), 7000},
    {RECURSION("60", "r91", "r92", "r93"), 2000},
    {RECURSION("94", "r125", "r126", "r127"), 1300},
};

/* 2:6.1: the stack is conceptually infinite. Far beyond the internal array in both directions, with
 * NaT bits through their collections. */
START_TEST(deep_recursion)
{
    unsigned which = (unsigned)_i % 4;
    struct harness *h = harness_start(which == 3 ? _i / 4 : 0);

    cpu_set_gr(h->c, 14, recursions[which].depth);
    harness_asm(h, HARNESS_CODE, recursions[which].text);
    ck_assert_int_eq(harness_run_slots(h, 3000000), HARNESS_END);
    ck_assert_uint_eq(cpu_gr(h->c, 20), 0);
    ck_assert_uint_eq(cpu_gr(h->c, 21), recursions[which].depth + 1);
    ck_assert_uint_eq(h->c->bsp, HARNESS_BSP);
    ck_assert_uint_eq(cpu_cfm(h->c), CFM(1, 0));
    check_sane(h->c);
    harness_free(h);
}
END_TEST

static uint64_t alloc_slot(unsigned r1, unsigned sof, unsigned sol, unsigned sor)
{
    return 1ull << 37 | 6ull << 33 | (uint64_t)sor << 27 | (uint64_t)sol << 20 |
           (uint64_t)sof << 13 | r1 << 6;
}

/* 3:alloc: sizes that do not fit, targets outside the new frame, r0; rotation must be off where the
 * rotating part changes. */
START_TEST(alloc_operands)
{
    static const struct {
        unsigned r1, sof, sol, sor, rrb;
        int vector;
        unsigned code;
    } t[] = {
        {32, 97, 0, 0, 0, VEC_GENEX, 0},      {32, 96, 97, 0, 0, VEC_GENEX, 0},
        {32, 10, 11, 0, 0, VEC_GENEX, 0},     {32, 7, 0, 1, 0, VEC_GENEX, 0},
        {32, 96, 0, 13, 0, VEC_GENEX, 0},     {0, 8, 0, 0, 0, VEC_GENEX, 0},
        {40, 8, 0, 0, 0, VEC_GENEX, 0},       {32, 0, 0, 0, 0, VEC_GENEX, 0},
        {39, 8, 8, 1, 0, HARNESS_END, 0},     {31, 0, 0, 0, 0, HARNESS_END, 0},
        {127, 96, 96, 12, 0, HARNESS_END, 0}, {32, 16, 0, 2, 1, VEC_GENEX, GENEX_RESERVED},
        {32, 16, 0, 1, 1, HARNESS_END, 0},
    };

    for (unsigned k = 0; k < sizeof t / sizeof *t; k++) {
        struct harness *h = harness_start(_i);

        cpu_set_cfm(h->c, CFM(8, 0) | 1 << 14 | (uint64_t)t[k].rrb << 32);
        cpu_update_mode(h->c);
        h->c->pfs = 0x123;
        harness_bundle(h, HARNESS_CODE, 1, alloc_slot(t[k].r1, t[k].sof, t[k].sol, t[k].sor),
                       1ull << 27, 1ull << 27);
        harness_asm(h, HARNESS_CODE + 16, "nop.m 0");
        ck_assert_msg(harness_run(h) == t[k].vector, "case %u", k);
        if (t[k].vector == HARNESS_END) {
            ck_assert_uint_eq(h->c->cfm.sof, t[k].sof);
            ck_assert_uint_eq(h->c->cfm.sor, t[k].sor * 8);
            ck_assert_uint_eq(cpu_gr(h->c, t[k].r1), 0x123);
        } else {
            ck_assert_uint_eq(h->c->cr[CR_ISR] & 0xffff, t[k].code);
            ck_assert_uint_eq(h->c->cfm.sof, 8);
        }
        harness_free(h);
    }
}
END_TEST

/* 2:6.5.5: more new output registers than there are physical ones that are not dirty: a frame of no
 * size; the dirty partition shrinks by sol. */
START_TEST(bad_pfs)
{
    static const struct {
        unsigned dirty, sof, sol;
        bool bad;
    } t[] = {
        {96, 50, 0, true},  {96, 1, 0, true},    {96, 0, 0, false},   {96, 96, 96, false},
        {96, 96, 95, true}, {50, 96, 50, false}, {50, 96, 49, true},  {0, 96, 0, false},
        {40, 56, 0, false}, {40, 57, 0, true},   {20, 96, 90, false},
    };

    for (unsigned k = 0; k < sizeof t / sizeof *t; k++) {
        struct harness *h = harness_start(_i);
        uint64_t bsp;

        cpu_set_cfm(h->c, CFM(t[k].dirty, t[k].dirty));
        cpu_set_gr(h->c, 14, CFM(t[k].sof, t[k].sol));
        return_to(h);
        ck_assert_int_eq(
            harness_exec(h, "cover ;;\n mov ar.pfs=r14\n mov r10=ar.bsp ;;\n" RET_TEXT),
            HARNESS_END);
        bsp = rse_addr(HARNESS_BSP, (int)t[k].dirty);
        ck_assert_uint_eq(cpu_gr(h->c, 10), bsp);
        ck_assert_uint_eq(h->c->bsp, rse_addr(bsp, -(int)t[k].sol));
        ck_assert_msg(cpu_cfm(h->c) == (t[k].bad ? 0 : CFM(t[k].sof, t[k].sol)), "case %u", k);
        check_sane(h->c);
        harness_free(h);
    }
}
END_TEST

/* --- backing store images --- */

static bool pattern_nat(unsigned k)
{
    return k * 2654435761u >> 29 == 3 || k % 63 == 62;
}

static void fill_frame(struct cpu *c, unsigned n)
{
    cpu_set_cfm(c, CFM(n, n));
    for (unsigned k = 0; k < n; k++) {
        cpu_set_gr(c, 32 + k, 0x1111000000000000ull + k);
        cpu_set_gr_nat(c, 32 + k, pattern_nat(k));
    }
    cpu_update_mode(c);
}

/* Checks n registers stored from addr on; returns the collection still in AR.RNAT. */
static uint64_t check_image(struct harness *h, uint64_t addr, unsigned n, uint64_t rnat)
{
    for (unsigned k = 0; k < n; k++, addr += 8) {
        uint64_t bit;

        if ((addr & 0x1f8) == 0x1f8) {
            ck_assert_uint_eq(harness_word(h, addr), rnat);
            rnat = 0;
            addr += 8;
        }
        ck_assert_uint_eq(harness_word(h, addr), 0x1111000000000000ull + k);
        bit = 1ull << (addr >> 3 & 63);
        rnat = (rnat & ~bit) | (pattern_nat(k) ? bit : 0);
    }
    if ((addr & 0x1f8) == 0x1f8) {
        ck_assert_uint_eq(harness_word(h, addr), rnat);
        rnat = 0;
    }
    return rnat;
}

/* 2:6.1, 2:6.5.2, 2:6.5.4: collections at every alignment; bits below BSPSTORE that were there
 * before stay; a context switch (2:6.11.1, 6.11.2) brings registers and NaT bits back. */
START_TEST(nat_collections)
{
    static const unsigned sizes[] = {1, 2, 61, 62, 63, 64, 65, 95, 96};
    unsigned a = (unsigned)_i % 64;
    struct harness *h = harness_start(_i / 64);
    struct cpu *c = h->c;
    uint64_t before = 0x5aa5c33c12345678ull & ((1ull << a) - 1), base = HARNESS_BSP + a * 8;

    for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        unsigned n = sizes[s];
        uint64_t rnat, live;

        cpu_set_gr(c, 14, base);
        cpu_set_gr(c, 15, before);
        cpu_set_gr(c, 16, CFM(n, n));
        c->ndirty = 0;
        ck_assert_int_eq(harness_exec(h, "mov ar.rsc=0 ;;\n mov ar.bspstore=r14 ;;\n"
                                         "mov ar.rnat=r15 ;;\n mov r17=ar.bsp"),
                         HARNESS_END);
        ck_assert_uint_eq(cpu_gr(c, 17), rse_addr(base, 0));
        fill_frame(c, n);
        ck_assert_int_eq(harness_exec(h, "cover ;;\n flushrs ;;\n mov r8=ar.rnat\n"
                                         "mov r9=ar.bspstore\n mov r10=ar.bsp"),
                         HARNESS_END);
        rnat = check_image(h, base, n, before);
        ck_assert_uint_eq(cpu_gr(c, 9), cpu_gr(c, 10));
        ck_assert_uint_eq(cpu_gr(c, 10), rse_addr(rse_addr(base, 0), (int)n));
        live = (1ull << (cpu_gr(c, 9) >> 3 & 63)) - 1;
        ck_assert_uint_eq(cpu_gr(c, 8) & live, rnat & live);
        /* elsewhere meanwhile */
        memset(c->stk, 0xee, sizeof c->stk);
        memset(c->stk_nat, 0, sizeof c->stk_nat);
        return_to(h);
        ck_assert_int_eq(harness_exec(h, "mov ar.bspstore=r9 ;;\n mov ar.rnat=r8\n"
                                         "mov ar.pfs=r16 ;;\n" RET_TEXT),
                         HARNESS_END);
        for (unsigned k = 0; k < n; k++) {
            ck_assert_uint_eq(cpu_gr(c, 32 + k), 0x1111000000000000ull + k);
            ck_assert_int_eq(cpu_gr_nat(c, 32 + k), pattern_nat(k));
        }
        check_sane(c);
    }
    harness_free(h);
}
END_TEST

/* 2:6.5.4, 3:loadrs: the tear point may lie on a collection; low three bits of the field do not
 * count; registers below are dropped, not stored. */
START_TEST(loadrs_tear_points)
{
    for (unsigned words = 0; words < 98; words++) {
        struct harness *h = harness_start(_i & 1);
        struct cpu *c = h->c;
        uint64_t base = HARNESS_BSP + 40 * 8, bsp, want;
        int64_t n;

        c->bsp = c->bspstore = base;
        fill_frame(c, 96);
        ck_assert_int_eq(harness_exec(h, _i & 2 ? "cover ;;\n flushrs" : "cover"), HARNESS_END);
        bsp = c->bsp;
        want = bsp - words * 8;
        n = rse_distance(want, bsp);
        cpu_set_gr(c, 14, (uint64_t)(words * 8 + 5) << 16);
        ck_assert_int_eq(harness_exec(h, "mov ar.rsc=r14 ;;\n loadrs ;;\n mov r9=ar.bspstore"),
                         HARNESS_END);
        ck_assert_uint_eq(cpu_gr(c, 9), want);
        ck_assert_int_eq(c->ndirty, n);
        for (int64_t k = 1; k <= n; k++) {
            ck_assert_uint_eq(c->stk[c->bof - k], 0x1111000000000000ull + (uint64_t)(96 - k));
            ck_assert_int_eq(c->stk_nat[c->bof - k], pattern_nat((unsigned)(96 - k)));
        }
        if (_i & 2) { /* stores leave memory as it was: the collections too */
            uint64_t at = base + 8 * (63 - 40), collected = harness_word(h, at);

            ck_assert_int_eq(harness_exec(h, "flushrs"), HARNESS_END);
            ck_assert_uint_eq(harness_word(h, at) >>
                                  (want > base && want < at ? want >> 3 & 63 : 0),
                              collected >> (want > base && want < at ? want >> 3 & 63 : 0));
        }
        harness_free(h);
    }
}
END_TEST

/* 3:loadrs: Illegal Operation out of lazy mode, with a frame, with more than fits. */
START_TEST(loadrs_illegal)
{
    static const struct {
        uint64_t rsc;
        unsigned sof;
        int vector;
    } t[] = {
        {1, 0, VEC_GENEX},
        {3, 0, VEC_GENEX},
        {8u << 16, 1, VEC_GENEX},
        {0, 96, HARNESS_END},
        {99u * 8 << 16, 0, VEC_GENEX},
        {0x3fff0000, 0, VEC_GENEX},
        {98u * 8 << 16, 0, HARNESS_END},
    };

    for (unsigned k = 0; k < sizeof t / sizeof *t; k++) {
        struct harness *h = harness_start(_i);

        cpu_set_cfm(h->c, t[k].sof);
        cpu_set_gr(h->c, 14, t[k].rsc);
        ck_assert_msg(harness_exec(h, "mov ar.rsc=r14 ;;\n loadrs") == t[k].vector, "case %u", k);
        check_sane(h->c);
        harness_free(h);
    }
}
END_TEST

/* 1:3.1.8.4, 1:3.1.8.5, 3:mov ar: BSPSTORE and RNAT only in enforced lazy mode; BSP is read-only;
 * low address bits are ignored; dirty registers move with BSPSTORE (2:6.5.3). */
START_TEST(application_registers)
{
    struct harness *h = harness_start(_i);
    struct cpu *c = h->c;

    ck_assert_int_eq(harness_exec(h, "mov ar.rsc=3 ;;\n mov r8=ar.bspstore"), VEC_GENEX);
    cpu_set_psr(c, PSR_IC | PSR_BN);
    ck_assert_int_eq(harness_exec(h, "mov ar.rsc=1 ;;\n mov ar.rnat=r0"), VEC_GENEX);
    cpu_set_psr(c, PSR_IC | PSR_BN);
    ck_assert_int_eq(harness_exec(h, "mov ar.rsc=0 ;;\n mov r8=ar.rnat ;;\n mov ar.rsc=3"),
                     HARNESS_END);
    c->rsc = 0;
    cpu_set_gr(c, 14, HARNESS_BSP + 0x1f8 - 8 + 5);
    cpu_set_gr(c, 15, ~0ull);
    cpu_set_cfm(c, CFM(3, 3));
    ck_assert_int_eq(harness_exec(h, "cover ;;\n mov ar.bspstore=r14 ;;\n mov ar.rnat=r15 ;;\n"
                                     "mov r8=ar.bspstore\n mov r9=ar.bsp\n mov r10=ar.rnat"),
                     HARNESS_END);
    ck_assert_uint_eq(cpu_gr(c, 8), HARNESS_BSP + 0x1f0);
    ck_assert_uint_eq(cpu_gr(c, 9), HARNESS_BSP + 0x1f0 + 4 * 8);
    ck_assert_uint_eq(cpu_gr(c, 10), INT64_MAX);
    /* 3:mov ar: no more privilege than the writer has */
    harness_virtual(h, 3, 3);
    harness_cpl(h, 2);
    ck_assert_int_eq(harness_exec(h, "mov ar.rsc=0 ;;\n mov r8=ar.rsc"), HARNESS_END);
    ck_assert_uint_eq(cpu_gr(c, 8), 2 << 2);
    harness_free(h);
}
END_TEST

/* 2:6.5.1: byte order of the backing store. */
START_TEST(big_endian)
{
    struct harness *h = harness_start(_i);
    struct cpu *c = h->c;

    fill_frame(c, 70);
    cpu_set_gr(c, 14, 1 << 4);
    cpu_set_gr(c, 16, CFM(70, 70));
    ck_assert_int_eq(harness_exec(h, "mov ar.rsc=r14 ;;\n cover ;;\n flushrs"), HARNESS_END);
    for (unsigned k = 0; k < 63; k++)
        ck_assert_uint_eq(__builtin_bswap64(harness_word(h, HARNESS_BSP + 8 * k)),
                          0x1111000000000000ull + k);
    memset(c->stk, 0, sizeof c->stk);
    return_to(h);
    ck_assert_int_eq(harness_exec(h, "mov ar.pfs=r16 ;;\n" RET_TEXT), HARNESS_END);
    for (unsigned k = 0; k < 70; k++)
        ck_assert_int_eq(cpu_gr_nat(c, 32 + k), pattern_nat(k));
    harness_free(h);
}
END_TEST

/* --- faults of mandatory stores and loads --- */

/* A harness whose backing store is virtual, no page of it mapped, with `dirty` registers. */
static struct harness *start_virtual(int mode, unsigned dirty, uint64_t bs)
{
    struct harness *h = harness_start(mode);

    harness_virtual(h, 3, 3);
    h->c->tr.rr[1] = BS_RID << 8 | 12 << 2;
    harness_asm(h, HANDLER, "cover ;;\n rfi ;;");
    h->c->bsp = h->c->bspstore = bs;
    fill_frame(h->c, dirty);
    ck_assert_int_eq(harness_exec(h, "cover"), HARNESS_END);
    return h;
}

static void map_page(struct harness *h, unsigned page, uint64_t bits)
{
    cpu_remote_purge(h->c, BS_VA + page * 4096ull, 12, BS_RID);
    harness_map(h, TLB_DATA, BS_VA + page * 4096ull, BS_PA + page * 4096ull, 12, bits);
}

static void unmap_page(struct harness *h, unsigned page)
{
    cpu_remote_purge(h->c, BS_VA + page * 4096ull, 12, BS_RID);
}

static int resume(struct harness *h)
{
    harness_goto(h, HANDLER, 0);
    return harness_run(h);
}

static void check_fault(struct harness *h, uint64_t isr, uint64_t ifa, uint64_t iip)
{
    ck_assert_uint_eq(h->c->cr[CR_ISR], isr);
    ck_assert_uint_eq(h->c->cr[CR_IFA], ifa);
    ck_assert_uint_eq(h->c->cr[CR_IIP], iip);
}

/* 2:6.6: a store of alloc or flushrs that faults leaves the frame as it was; the instruction is
 * executed again. ISR: rs, w. Here across two pages and with two faults. */
START_TEST(store_faults)
{
    struct harness *h = start_virtual(_i & 1, 96, BS_VA + 4096 - 10 * 8);
    bool flush = _i & 2;

    harness_asm(h, HARNESS_CODE,
                flush ? "{ .mmi\n flushrs ;;\n nop.m 0\n nop.i 0 }"
                      : "{ .mmi\n alloc r40=ar.pfs,0,96,0,0\n nop.m 0\n nop.i 0 }");
    harness_goto(h, HARNESS_CODE, 0);
    ck_assert_int_eq(harness_run(h), VEC_ALT_DTLB);
    check_fault(h, ISR_RS | ISR_W, BS_VA + 4096 - 10 * 8, HARNESS_CODE);
    ck_assert_uint_eq(h->c->cfm.sof, 0);
    map_page(h, 0, HARNESS_PTE(2, 3));
    ck_assert_int_eq(resume(h), VEC_ALT_DTLB);
    check_fault(h, ISR_RS | ISR_W, BS_VA + 4096, HARNESS_CODE);
    map_page(h, 1, HARNESS_PTE(2, 3));
    ck_assert_int_eq(resume(h), HARNESS_END);
    ck_assert_int_eq(h->c->ndirty, 0);
    ck_assert_uint_eq(h->c->cfm.sof, flush ? 0 : 96);
    check_image(h, BS_PA + 4096 - 10 * 8, 63, 0);
    harness_free(h);
}
END_TEST

/* 2:8.3: the other faults a store can take, with what ISR says. 2:6.5.1: privilege is RSC.pl. */
START_TEST(store_fault_kinds)
{
    static const struct {
        uint64_t pte;
        unsigned pl;
        int vector;
        uint64_t code;
    } t[] = {
        {HARNESS_PTE(0, 0), 0, VEC_DACCESS, 0},
        {HARNESS_PTE(2, 0), 3, VEC_DACCESS, 0},
        {HARNESS_PTE(2, 3), 3, HARNESS_END, 0},
        {HARNESS_PTE(2, 0) & ~0x40ull, 0, VEC_DIRTY, 0},
        {HARNESS_PTE(2, 0) & ~0x20ull, 0, VEC_DACCESS_BIT, 0},
        {HARNESS_PTE(2, 0) & ~0x1ull, 0, VEC_NOT_PRESENT, 0},
        {HARNESS_PTE(2, 0) | MA_NATPAGE << 2, 0, VEC_NAT, 0x20},
        {HARNESS_PTE(2, 0) | MA_UC << 2, 0, HARNESS_END, 0},
    };

    for (unsigned k = 0; k < sizeof t / sizeof *t; k++) {
        struct harness *h = start_virtual(_i, 20, BS_VA);

        map_page(h, 0, t[k].pte);
        cpu_set_gr(h->c, 14, t[k].pl << 2);
        ck_assert_msg(harness_exec(h, "mov ar.rsc=r14 ;;\n flushrs") == t[k].vector, "case %u", k);
        if (t[k].vector != HARNESS_END) {
            ck_assert_uint_eq(h->c->cr[CR_ISR] & ~(3ull << ISR_EI_SHIFT),
                              ISR_RS | ISR_W | t[k].code);
            ck_assert_uint_eq(h->c->cr[CR_IFA], BS_VA);
        }
        harness_free(h);
    }
}
END_TEST

/* 2:6.6, 2:6.8: br.ret has happened when its loads fault: IIP is the target, the frame incomplete
 * (ISR.ir). cover completes it for the handler, rfi loads what is missing, faulting again as often
 * as it takes. */
START_TEST(load_faults)
{
    struct harness *h = start_virtual(_i & 1, 96, BS_VA + 4096 - 10 * 8);
    struct cpu *c = h->c;
    uint64_t target = HARNESS_CODE + 0x100;

    map_page(h, 0, HARNESS_PTE(2, 3));
    map_page(h, 1, HARNESS_PTE(2, 3));
    ck_assert_int_eq(harness_exec(h, "flushrs"), HARNESS_END);
    unmap_page(h, 0);
    unmap_page(h, 1);
    memset(c->stk, 0, sizeof c->stk);
    c->pfs = CFM(96, 96);
    c->br[6] = target + 7;
    harness_asm(h, target, "add r8=r32,r127");
    harness_asm(h, HARNESS_CODE, RET_TEXT);
    harness_goto(h, HARNESS_CODE, 0);
    ck_assert_int_eq(harness_run(h), VEC_ALT_DTLB);
    check_fault(h, ISR_RS | ISR_R | ISR_IR, c->bspstore - 8, target);
    ck_assert_uint_eq(c->cr[CR_IPSR] & PSR_RI, 0);
    ck_assert_int_eq(c->ndirty, -96);
    ck_assert_uint_eq(cpu_cfm(c), CFM(96, 96));
    map_page(h, 1, HARNESS_PTE(2, 3));
    if (_i & 2)
        cpu_set_psr(c, c->psr); /* the handler may do without cover */
    ck_assert_int_eq(resume(h), VEC_ALT_DTLB);
    ck_assert_uint_eq(c->cr[CR_IFS], 0);
    check_fault(h, ISR_RS | ISR_R | ISR_IR, BS_VA + 4096 - 8, target);
    ck_assert_int_lt(c->ndirty, 0);
    ck_assert_int_eq(resume(h), VEC_ALT_DTLB);
    check_fault(h, ISR_RS | ISR_R | ISR_IR, BS_VA + 4096 - 8, target);
    map_page(h, 0, HARNESS_PTE(2, 3));
    ck_assert_int_eq(resume(h), HARNESS_END);
    ck_assert_int_eq(c->ndirty, 0);
    for (unsigned k = 0; k < 96; k++) {
        ck_assert_uint_eq(cpu_gr(c, 32 + k), 0x1111000000000000ull + k);
        ck_assert_int_eq(cpu_gr_nat(c, 32 + k), pattern_nat(k));
    }
    ck_assert_int_eq(cpu_gr_nat(c, 8), pattern_nat(0) || pattern_nat(95));
    harness_free(h);
}
END_TEST

/* The handler runs functions of its own on another backing store before it returns (2:6.11.1): the
 * interrupted frame is covered, and rfi brings all of it back. */
START_TEST(handler_with_frames)
{
    struct harness *h = start_virtual(_i, 96, BS_VA);
    struct cpu *c = h->c;

    map_page(h, 0, HARNESS_PTE(2, 3));
    ck_assert_int_eq(harness_exec(h, "flushrs"), HARNESS_END);
    unmap_page(h, 0);
    c->pfs = CFM(96, 96);
    c->br[6] = HARNESS_CODE + 0x100;
    harness_asm(h, HARNESS_CODE + 0x100, "nop.m 0");
    harness_asm(h, HARNESS_CODE, RET_TEXT);
    harness_goto(h, HARNESS_CODE, 0);
    ck_assert_int_eq(harness_run(h), VEC_ALT_DTLB);
    map_page(h, 0, HARNESS_PTE(2, 3));
    cpu_set_gr(c, 14, HARNESS_BSP);
    harness_asm(h, HANDLER,
                "mov r20=ar.rsc ;;\n mov ar.rsc=0\n cover ;;\n mov r21=ar.bspstore\n"
                "mov r22=ar.rnat\n mov r28=ar.bsp ;;\n mov ar.bspstore=r14 ;;\n mov r23=ar.bsp ;;\n"
                "alloc r33=ar.pfs,0,90,6,0\n mov r32=b0 ;;\n mov r34=1\n mov r121=2\n"
                "br.call.sptk b0=1f ;;\n mov b0=r32\n mov ar.pfs=r33\n"
                "alloc r24=ar.pfs,0,0,0,0 ;;\n"
                "sub r25=r23,r14 ;;\n shl r25=r25,16 ;;\n mov ar.rsc=r25 ;;\n loadrs ;;\n"
                "mov ar.bspstore=r21 ;;\n mov ar.rnat=r22 ;;\n mov r29=ar.bsp ;;\n"
                "mov ar.rsc=r20 ;;\n rfi ;;\n"
                "1: alloc r40=ar.pfs,6,90,0,0\n mov r41=5 ;;\n br.ret.sptk b0 ;;");
    harness_goto(h, HANDLER, 0);
    ck_assert_int_eq(harness_run(h), HARNESS_END);
    ck_assert_uint_eq(cpu_gr(c, 28), cpu_gr(c, 29));
    for (unsigned k = 0; k < 96; k++)
        ck_assert_uint_eq(cpu_gr(c, 32 + k), 0x1111000000000000ull + k);
    ck_assert_uint_eq(c->bsp, BS_VA);
    harness_free(h);
}
END_TEST

/* Loads of loadrs fault like any instruction's: not an incomplete frame (2:6.8). */
START_TEST(loadrs_faults)
{
    struct harness *h = start_virtual(_i, 96, BS_VA + 4096 - 10 * 8);
    struct cpu *c = h->c;

    map_page(h, 0, HARNESS_PTE(2, 3));
    map_page(h, 1, HARNESS_PTE(2, 3));
    ck_assert_int_eq(harness_exec(h, "flushrs"), HARNESS_END);
    unmap_page(h, 0);
    cpu_set_gr(c, 14, (c->bsp - (BS_VA + 4096 - 10 * 8)) << 16);
    ck_assert_int_eq(
        harness_exec(h, "mov ar.rsc=r14 ;;\n { .mmi\n loadrs ;;\n nop.m 0\n nop.i 0 }"),
        VEC_ALT_DTLB);
    ck_assert_uint_eq(c->cr[CR_ISR], ISR_RS | ISR_R);
    ck_assert_uint_eq(c->cr[CR_IIP], HARNESS_CODE + 16);
    map_page(h, 0, HARNESS_PTE(2, 3));
    ck_assert_int_eq(resume(h), HARNESS_END);
    ck_assert_int_eq(c->ndirty, 96);
    harness_free(h);
}
END_TEST

/* 2:5.4.4: with PSR.ic 0 a miss is Data Nested TLB, which saves nothing; the frame is incomplete
 * all the same and can be covered. */
START_TEST(nested_misses)
{
    struct harness *h = start_virtual(_i, 20, BS_VA);
    struct cpu *c = h->c;

    map_page(h, 0, HARNESS_PTE(2, 3));
    ck_assert_int_eq(harness_exec(h, "flushrs"), HARNESS_END);
    unmap_page(h, 0);
    memset(c->stk, 0, sizeof c->stk);
    harness_psr(h, 0, PSR_IC);
    c->cr[CR_IIP] = 0x1230;
    c->cr[CR_ISR] = 0x77;
    c->pfs = CFM(20, 20);
    return_to(h);
    ck_assert_int_eq(harness_exec(h, RET_TEXT), VEC_NESTED);
    ck_assert_uint_eq(c->cr[CR_IIP], 0x1230);
    ck_assert_uint_eq(c->cr[CR_ISR], 0x77);
    ck_assert_int_eq(c->ndirty, -20);
    map_page(h, 0, HARNESS_PTE(2, 3));
    c->cr[CR_IPSR] = PSR_IC | PSR_BN | PSR_IT | PSR_DT | PSR_RT;
    c->cr[CR_IIP] = TARGET;
    ck_assert_int_eq(resume(h), HARNESS_END);
    for (unsigned k = 0; k < 20; k++)
        ck_assert_uint_eq(cpu_gr(c, 32 + k), 0x1111000000000000ull + k);
    harness_free(h);
}
END_TEST

/* 2:6.5.4 and PSR.rt: the RSE's accesses are virtual or physical by PSR.rt alone. */
START_TEST(physical_rse)
{
    struct harness *h = start_virtual(_i, 40, HARNESS_BSP);

    harness_psr(h, 0, PSR_RT);
    ck_assert_int_eq(harness_exec(h, "flushrs"), HARNESS_END);
    check_image(h, HARNESS_BSP, 40, 0);
    harness_free(h);
}
END_TEST

/* --- returns --- */

/* 3:rfi, 3:cover: every sof and sol come back. */
START_TEST(cover_and_rfi)
{
    struct harness *h = harness_start(_i);
    struct cpu *c = h->c;

    for (unsigned sof = 0; sof <= 96; sof += sof < 90 ? 7 : 1)
        for (unsigned sol = 0; sol <= sof; sol += 5) {
            c->bsp = c->bspstore = HARNESS_BSP + sof * 8 + sol * 0x200;
            c->bspstore = c->bsp = rse_addr(c->bsp, 0);
            c->ndirty = 0;
            fill_frame(c, sof);
            cpu_set_cfm(c, CFM(sof, sol) | (uint64_t)(sof / 8) << 14 | 5ull << 25 | 7ull << 32);
            cpu_update_mode(c);
            harness_psr(h, 0, PSR_IC);
            c->cr[CR_IPSR] = PSR_IC | PSR_BN;
            c->cr[CR_IIP] = HARNESS_CODE + 0x400;
            harness_asm(h, HARNESS_CODE + 0x400, "nop.m 0");
            ck_assert_int_eq(harness_exec(h, (sof ^ sol) & 1 ? "cover ;;\n flushrs ;;\n rfi ;;"
                                                             : "cover ;;\n rfi ;;"),
                             HARNESS_END);
            ck_assert_uint_eq(cpu_cfm(c),
                              CFM(sof, sol) | (uint64_t)(sof / 8) << 14 | 5ull << 25 | 7ull << 32);
            for (unsigned k = 0; k < sof; k++)
                ck_assert_uint_eq(c->stk[c->bof + k], 0x1111000000000000ull + k);
        }
    harness_free(h);
}
END_TEST

/* 3:br: br.ret lowers the privilege to PFS.ppl, never raises it; PSR.lp asks for a trap, which
 * comes before faults of the frame's loads (2:5.6). */
START_TEST(demotion)
{
    for (unsigned cpl = 0; cpl < 4; cpl++)
        for (unsigned ppl = 0; ppl < 4; ppl++) {
            struct harness *h = start_virtual(_i & 1, 10, BS_VA);
            bool traps = (_i & 2) && ppl > cpl;

            map_page(h, 0, HARNESS_PTE(2, 3));
            ck_assert_int_eq(harness_exec(h, "flushrs"), HARNESS_END);
            unmap_page(h, 0);
            harness_asm(h, HARNESS_CODE + 0x100, "nop.m 0");
            harness_asm(h, HARNESS_CODE, RET_TEXT);
            h->c->pfs = CFM(10, 10) | (uint64_t)ppl << 62;
            h->c->br[6] = HARNESS_CODE + 0x100;
            harness_cpl(h, cpl);
            harness_psr(h, _i & 2 ? PSR_LP : 0, 0);
            harness_goto(h, HARNESS_CODE, 0);
            ck_assert_int_eq(harness_run(h), traps ? VEC_LOWER_PRIV : VEC_ALT_DTLB);
            ck_assert_uint_eq(h->c->cr[CR_IPSR] >> PSR_CPL_SHIFT & 3, ppl > cpl ? ppl : cpl);
            ck_assert_uint_eq(h->c->cr[CR_IIP], HARNESS_CODE + 0x100);
            ck_assert(h->c->cr[CR_ISR] & ISR_IR);
            map_page(h, 0, HARNESS_PTE(2, 3));
            ck_assert_int_eq(resume(h), HARNESS_END);
            ck_assert_uint_eq(cpu_gr(h->c, 41), 0x1111000000000009ull);
            harness_free(h);
        }
}
END_TEST

/* --- interruptions in rotating loops --- */

#define LOOP_TEXT                                                                                  \
    "alloc r2=ar.pfs,0,24,0,24\n mov ar.lc=30\n mov ar.ec=5\n mov pr.rot=1<<16\n mov r10=0\n"      \
    "mov r14=7\n mov r15=0 ;;\n"                                                                   \
    "1: (p16) add r32=r14,r10\n (p17) shladd r40=r33,1,r33\n (p18) xor r15=r15,r41 ;;\n"           \
    "(p16) setf.sig f32=r32\n (p19) xma.l f40=f35,f35,f41\n (p20) add r15=r15,r36\n"               \
    "add r10=3,r10\n br.ctop.sptk 1b ;;\n"                                                         \
    "getf.sig r16=f40\n mov r17=pr\n mov r18=ar.lc\n mov r19=ar.ec\n"

static void loop_result(struct harness *h, uint64_t *v)
{
    for (unsigned k = 0; k < 24; k++)
        v[k] = cpu_gr(h->c, 32 + k);
    for (unsigned k = 0; k < 10; k++)
        v[24 + k] = cpu_gr(h->c, 10 + k);
    v[34] = cpu_cfm(h->c);
}

/* 2:5.5: nothing of CFM, EC, LC or the predicates changes on the way in and out; the handler here
 * covers, rotates and allocates for itself. An interruption after every number of slots. */
START_TEST(interrupted_loop)
{
    struct harness *plain = harness_start(0), *h = harness_start(0);
    uint64_t a[35], b[35];

    ck_assert_int_eq(harness_exec(plain, LOOP_TEXT), HARNESS_END);
    loop_result(plain, a);
    ck_assert_uint_ne(a[34] >> 18, 0);
    harness_asm(h, HARNESS_IVA + VEC_EXTINT,
                "cover ;;\n alloc r16=ar.pfs,0,8,0,8\n mov r18=pr\n mov r19=ar.lc ;;\n"
                "mov r20=ar.ec\n mov r24=ar.pfs\n mov ar.lc=3 ;;\n 1: add r32=1,r32\n"
                "br.ctop.sptk 1b ;;\n mov pr=r18,-1\n mov ar.lc=r19 ;;\n mov ar.ec=r20\n"
                "rfi ;;");
    harness_asm(h, HARNESS_CODE, LOOP_TEXT);
    for (uint64_t every = 1; every < 12; every++) {
        uint64_t limit = 200000;

        cpu_set_cfm(h->c, 0);
        cpu_set_gr(h->c, 17, 0);
        harness_goto(h, HARNESS_CODE, 0);
        while (--limit) {
            bool outside = h->c->psr & PSR_IC;

            if (harness_run_slots(h, every) == HARNESS_END)
                break;
            if (outside && (h->c->psr & PSR_IC))
                interrupt_deliver(h->c, VEC_EXTINT, 0);
        }
        ck_assert_uint_gt(limit, 0);
        loop_result(h, b);
        ck_assert_msg(memcmp(a, b, sizeof a) == 0, "every %u", (unsigned)every);
    }
    harness_free(plain);
    harness_free(h);
}
END_TEST

/* --- hostile values --- */

static uint64_t rnd(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* Random frames, PFS, IFS, BSPSTORE, RSC; memory that is there or not; handlers that cover or do
 * not. Nothing but the invariant is asked for: no host memory is touched that is not the CPU's. */
START_TEST(hostile)
{
    static const char text[] = "1: mov ar.pfs=r14 ;;\n { .mib\n br.ret.sptk b6 ;; }\n"
                               "2: cover ;;\n rfi ;;\n"
                               "3: mov ar.rsc=r15 ;;\n loadrs ;;\n"
                               "4: flushrs ;;\n"
                               "5: mov ar.rsc=0 ;;\n mov ar.bspstore=r16 ;;\n"
                               "6: br.call.sptk b0=7f ;;\n 7: cover ;;\n"
                               "8: rfi ;;\n 9: alloc r2=ar.pfs,0,96,0,0 ;;\n"
                               "alloc r2=ar.pfs,0,50,0,8 ;;\n br.call.sptk b0=1b ;;\n";
    struct harness *h = harness_start(_i);
    struct cpu *c = h->c;
    uint64_t s = 88172645463325252ull + (unsigned)_i;
    uint64_t end = harness_asm(h, HARNESS_CODE, text);
    unsigned bundles = (unsigned)(end - HARNESS_CODE) / 16;

    harness_virtual(h, 3, 3);
    c->tr.rr[1] = BS_RID << 8 | 12 << 2;
    map_page(h, 0, HARNESS_PTE(2, 3));
    for (unsigned k = 0; k < 30000; k++) {
        cpu_set_gr(c, 14, rnd(&s) & 0xc3f0003fffffffffull);
        cpu_set_gr(c, 15, rnd(&s) & 0x3fff001c);
        cpu_set_gr(c, 16, rnd(&s) & 4 ? BS_VA + (rnd(&s) & 0x1ff8) : rnd(&s));
        c->br[6] = HARNESS_CODE + rnd(&s) % bundles * 16;
        c->cr[CR_IFS] = rnd(&s) | (rnd(&s) & 1) << 63;
        c->cr[CR_IIP] = HARNESS_CODE + rnd(&s) % bundles * 16;
        c->cr[CR_IPSR] = PSR_IC | PSR_BN | PSR_IT | PSR_DT | PSR_RT | (rnd(&s) % 3) << PSR_RI_SHIFT;
        if (rnd(&s) & 1)
            cpu_set_psr(c, c->cr[CR_IPSR] & ~PSR_RI);
        harness_goto(h, HARNESS_CODE + rnd(&s) % bundles * 16, 0);
        (void)harness_run_slots(h, 40);
        check_sane(c);
    }
    harness_free(h);
}
END_TEST

/* 2:6.8: with an incomplete frame most instructions are undefined: they must end, that is all. */
START_TEST(incomplete_frame_misused)
{
    static const char *const text[] = {
        "alloc r2=ar.pfs,0,96,0,0",
        "br.call.sptk b0=1f ;;\n 1: nop.m 0",
        "flushrs",
        "mov ar.rsc=0 ;;\n loadrs",
        "mov ar.rsc=0 ;;\n mov ar.bspstore=r14",
        RET_TEXT,
        "cover",
    };

    for (unsigned k = 0; k < sizeof text / sizeof *text; k++)
        for (unsigned sof = 0; sof <= 96; sof += 32) {
            struct harness *h = start_virtual(_i, 96, BS_VA);

            map_page(h, 0, HARNESS_PTE(2, 3));
            ck_assert_int_eq(harness_exec(h, "flushrs"), HARNESS_END);
            unmap_page(h, 0);
            h->c->pfs = CFM(sof, 96);
            h->c->br[6] = HARNESS_CODE + 0x400;
            harness_asm(h, HARNESS_CODE + 0x400, text[k]);
            harness_asm(h, HARNESS_CODE, RET_TEXT);
            harness_goto(h, HARNESS_CODE, 0);
            ck_assert_int_eq(harness_run(h), VEC_ALT_DTLB);
            for (unsigned n = 0; n < 40; n++) {
                harness_goto(h, HARNESS_CODE + 0x400, 0);
                (void)harness_run_slots(h, 6);
                check_sane(h->c);
            }
            harness_free(h);
        }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rse");
    TCase *t = tcase_create("rse");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, deep_recursion, 0, 8);
    tcase_add_loop_test(t, alloc_operands, 0, MODES);
    tcase_add_loop_test(t, bad_pfs, 0, MODES);
    tcase_add_loop_test(t, nat_collections, 0, 128);
    tcase_add_loop_test(t, loadrs_tear_points, 0, 4);
    tcase_add_loop_test(t, loadrs_illegal, 0, MODES);
    tcase_add_loop_test(t, application_registers, 0, MODES);
    tcase_add_loop_test(t, big_endian, 0, MODES);
    tcase_add_loop_test(t, store_faults, 0, 4);
    tcase_add_loop_test(t, store_fault_kinds, 0, MODES);
    tcase_add_loop_test(t, load_faults, 0, 4);
    tcase_add_loop_test(t, handler_with_frames, 0, MODES);
    tcase_add_loop_test(t, loadrs_faults, 0, MODES);
    tcase_add_loop_test(t, nested_misses, 0, MODES);
    tcase_add_loop_test(t, physical_rse, 0, MODES);
    tcase_add_loop_test(t, cover_and_rfi, 0, MODES);
    tcase_add_loop_test(t, demotion, 0, 4);
    tcase_add_test(t, interrupted_loop);
    tcase_add_loop_test(t, hostile, 0, 2);
    tcase_add_loop_test(t, incomplete_frame_misused, 0, MODES);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return harness_suites(suite);
}
