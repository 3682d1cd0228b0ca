/* Decoded code against the code in memory: changes to it by every kind of writer, translations of
 * it that change, entries at every slot, edges of pages and of RAM, and more code than the cache
 * holds. SDM part 2 volume 2, 2.5.1 (self-modifying code); 1:3.3 (bundles); 2:3.3.2 (PSR.ri). */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "../cpu/interp.h"
#include "cpu_harness.h"

#define MODES 2
#define FUNC  (HARNESS_CODE + 0x10000) /* the code that changes */
#define DRIVE HARNESS_CODE             /* the code that calls it */
#define ALIAS 0x4000000000000000ull    /* region 2: all RAM once more */

static void get_bundle(struct harness *h, uint64_t addr, uint64_t w[2])
{
    ck_assert_int_eq(mem_dma_read(h->m, addr, w, 16), 0);
}

#define ONE "{ .mib\n mov r8=1\n nop.i 0\n br.ret.sptk b0 ;; }"
#define TWO "{ .mib\n mov r8=2\n nop.i 0\n br.ret.sptk b0 ;; }"

/* Both versions of a function; r16, r17: the new bundle, r14: where it goes. */
static void prepare(struct harness *h, uint64_t at)
{
    uint64_t w[2];

    harness_asm(h, HARNESS_DATA, TWO);
    get_bundle(h, HARNESS_DATA, w);
    cpu_set_gr(h->c, 16, w[0]);
    cpu_set_gr(h->c, 17, w[1]);
    cpu_set_gr(h->c, 14, at);
    cpu_set_gr(h->c, 15, HARNESS_DATA);
    h->c->br[6] = at;
    harness_asm(h, at, ONE);
}

/* Calls the function twice (decoded and linked), changes it, makes that visible, calls it again. */
#define CHANGE(write)                                                                              \
    "br.call.sptk b0=b6 ;;\n mov r10=r8\n br.call.sptk b0=b6 ;;\n add r10=r10,r8 ;;\n" write       \
    " ;;\n fc.i r14 ;;\n sync.i ;;\n srlz.i ;;\n br.call.sptk b0=b6 ;;\n mov r9=r8 ;;\n"

static const char *const writers[] = {
    CHANGE("st8 [r14]=r16,8 ;; st8 [r14]=r17,-8"),
    CHANGE("adds r18=8,r14 ;; st8.rel [r18]=r17 ;; st4 [r14]=r16,4 ;; shr.u r18=r16,32 ;;"
           "st4 [r14]=r18,-4"),
    CHANGE("xchg8 r18=[r14],r16"),
    CHANGE("ld8 r18=[r14] ;; mov ar.ccv=r18 ;; cmpxchg8.acq r18=[r14],r16,ar.ccv"),
    CHANGE("mov ar.csd=r17 ;; st16 [r14]=r16,ar.csd"),
    CHANGE("ld8 r18=[r14] ;; mov ar.ccv=r18 ;; mov ar.csd=r17 ;;"
           "cmp8xchg16.acq r18=[r14],r16,ar.csd,ar.ccv"),
    CHANGE("setf.sig f6=r16 ;; stf8 [r14]=f6"),
    CHANGE("mov r18=r16 ;; mov r19=r14 ;; st1 [r19]=r18,1 ;; shr.u r18=r18,8 ;; st1 [r19]=r18,1 ;;"
           "shr.u r18=r18,8 ;; st1 [r19]=r18,1 ;; shr.u r18=r18,8 ;; st1 [r19]=r18,1 ;;"
           "shr.u r18=r18,8 ;; st2 [r19]=r18,2 ;; shr.u r18=r18,16 ;; st2 [r19]=r18,2"),
    CHANGE("mov ar.rsc=0 ;; mov ar.bspstore=r14 ;; alloc r2=ar.pfs,0,1,0,0 ;; mov r32=r16 ;;"
           "cover ;; flushrs"),
};

START_TEST(own_stores)
{
    for (unsigned k = 0; k < sizeof writers / sizeof *writers; k++)
        for (unsigned where = 0; where < 3; where++) {
            /* another page; the same page; behind the driver, in what its last block may hold */
            static const uint64_t at[] = {FUNC, DRIVE + 0x800, DRIVE + 0x3c0};
            struct harness *h = harness_start(_i);

            prepare(h, at[where]);
            ck_assert_int_eq(harness_exec(h, writers[k]), HARNESS_END);
            ck_assert_uint_eq(cpu_gr(h->c, 10), 2);
            ck_assert_msg(cpu_gr(h->c, 9) == 2, "writer %u at %u", k, where);
            harness_free(h);
        }
}
END_TEST

/* The bundle changed is in the block that changes it, further on. */
START_TEST(same_block)
{
    struct harness *h = harness_start(_i);
    uint64_t end = harness_asm(h, HARNESS_DATA, "mov r8=2 ;;"), w[2];

    (void)end;
    get_bundle(h, HARNESS_DATA, w);
    cpu_set_gr(h->c, 16, w[0]);
    cpu_set_gr(h->c, 17, w[1]);
    cpu_set_gr(h->c, 14, DRIVE + 0x60);
    harness_asm(h, DRIVE,
                "{ .mmi\n st8 [r14]=r16,8 ;;\n nop.m 0\n nop.i 0 }\n"
                "{ .mmi\n st8 [r14]=r17,-8 ;;\n nop.m 0\n nop.i 0 }\n"
                "{ .mmi\n fc.i r14 ;;\n nop.m 0\n nop.i 0 }\n"
                "{ .mmi\n sync.i ;;\n nop.m 0\n nop.i 0 }\n"
                "{ .mmi\n srlz.i ;;\n nop.m 0\n nop.i 0 }\n"
                "{ .mmi\n nop.m 0 \n nop.m 0\n nop.i 0 }\n"
                "{ .mmi\n mov r8=1 ;;\n nop.m 0\n nop.i 0 }\n");
    harness_goto(h, DRIVE, 0);
    ck_assert_int_eq(harness_run(h), HARNESS_END);
    ck_assert_uint_eq(cpu_gr(h->c, 8), 2);
    harness_free(h);
}
END_TEST

/* DMA, and stores across two pages of which the second has the code. */
START_TEST(other_writers)
{
    struct harness *h = harness_start(_i);
    uint64_t w[2];

    prepare(h, FUNC);
    get_bundle(h, HARNESS_DATA, w);
    for (unsigned k = 0; k < 4; k++) {
        harness_asm(h, FUNC, ONE);
        ck_assert_int_eq(harness_exec(h, "br.call.sptk b0=b6 ;;\n mov r9=r8\n"
                                         "br.call.sptk b0=b6 ;;\n add r9=r9,r8"),
                         HARNESS_END);
        ck_assert_uint_eq(cpu_gr(h->c, 9), 2);
        if (k & 1) {
            cpu_set_gr(h->c, 18, FUNC - 3);
            cpu_set_gr(h->c, 19, w[0] << 24);
            cpu_set_gr(h->c, 20, FUNC + 5);
            cpu_set_gr(h->c, 21, w[0] >> 40 | w[1] << 24);
            ck_assert_int_eq(harness_exec(h, "st8 [r18]=r19\n st8 [r20]=r21"), HARNESS_END);
            ck_assert_int_eq(mem_dma_write(h->m, FUNC, w, 16), 0);
        } else {
            ck_assert_int_eq(mem_dma_write(h->m, FUNC, w, 16), 0);
        }
        ck_assert_int_eq(harness_exec(h, "br.call.sptk b0=b6 ;;"), HARNESS_END);
        ck_assert_uint_eq(cpu_gr(h->c, 8), 2);
    }
    harness_free(h);
}
END_TEST

/* The store goes through another virtual address than the code; both were in use before. */
START_TEST(alias_store)
{
    struct harness *h = harness_start(_i);

    prepare(h, FUNC);
    harness_virtual(h, 3, 3);
    h->c->tr.rr[2] = 5 << 8 | 12 << 2;
    harness_map(h, TLB_DATA, ALIAS, 0, 24, HARNESS_PTE(3, 3));
    cpu_set_gr(h->c, 14, ALIAS + FUNC);
    ck_assert_int_eq(harness_exec(h, "ld8 r18=[r14] ;;\n st8 [r14]=r18 ;;\n" CHANGE(
                                         "st8 [r14]=r16,8 ;; st8 [r14]=r17,-8")),
                     HARNESS_END);
    ck_assert(cpu_gr(h->c, 10) == 2 && cpu_gr(h->c, 9) == 2);
    harness_free(h);
}
END_TEST

/* Every bundle that a block was decoded from counts, wherever the block begins and ends: a change
 * of the last bundle of a straight run, from each slot on, left from each slot. */
START_TEST(every_bundle_watched)
{
    static const char *const leave[3][2] = {
        {"{ .bbb\n br.sptk .+0x100\n nop.b 0\n nop.b 0 ;; }",
         "{ .bbb\n br.sptk .+0x200\n nop.b 0\n nop.b 0 ;; }"},
        {"{ .mbb\n nop.m 0\n br.sptk .+0x100\n nop.b 0 ;; }",
         "{ .mbb\n nop.m 0\n br.sptk .+0x200\n nop.b 0 ;; }"},
        {"{ .mib\n nop.m 0\n nop.i 0\n br.sptk .+0x100 ;; }",
         "{ .mib\n nop.m 0\n nop.i 0\n br.sptk .+0x200 ;; }"},
    };
    /* fc ends a block: the next one begins behind it */
    static const char *const first[3] = {
        "{ .mmi\n add r9=1,r9\n add r9=1,r9\n add r9=1,r9 ;; }",
        "{ .mmi\n fc r14\n add r9=1,r9\n add r9=1,r9 ;; }",
        "{ .mmi\n add r9=1,r9\n fc r14\n add r9=1,r9 ;; }",
    };
    unsigned slot = (unsigned)_i % 3, out = (unsigned)_i / 3;

    for (unsigned n = 2; n < 12; n++) {
        struct harness *h = harness_start(0);
        uint64_t a = DRIVE + 48, change = a + (n - 1) * 16ull, w[2];

        harness_asm(h, a, first[slot]);
        for (unsigned k = 1; k + 1 < n; k++)
            harness_asm(h, a + k * 16, first[0]);
        harness_asm(h, change, leave[out][0]);
        harness_asm(h, HARNESS_DATA, leave[out][1]);
        get_bundle(h, HARNESS_DATA, w);
        harness_asm(h, change + 0x100, "nop.m 0");
        harness_asm(h, change + 0x200, "nop.m 0");
        cpu_set_gr(h->c, 14, change);
        cpu_set_gr(h->c, 16, w[0]);
        cpu_set_gr(h->c, 17, w[1]);
        harness_goto(h, a, 0);
        ck_assert_int_eq(harness_run(h), HARNESS_END);
        ck_assert_uint_eq(h->end, change + 0x110);
        harness_asm(h, DRIVE + 0x1000, "st8 [r14]=r16,8 ;;\n st8 [r14]=r17,-8");
        harness_goto(h, DRIVE + 0x1000, 0);
        ck_assert_int_eq(harness_run(h), HARNESS_END);
        harness_goto(h, a, 0);
        ck_assert_int_eq(harness_run(h), HARNESS_END);
        ck_assert_msg(h->end == change + 0x210, "slot %u bundle %u", slot, n);
        harness_free(h);
    }
}
END_TEST

/* A counter in the code's own page: slow, but right. */
START_TEST(data_beside_code)
{
    struct harness *h = harness_start(_i);

    cpu_set_gr(h->c, 14, DRIVE + 0x800);
    ck_assert_int_eq(harness_exec(h, "mov ar.lc=99 ;;\n 1: ld8 r8=[r14] ;;\n add r8=1,r8 ;;\n"
                                     "st8 [r14]=r8\n br.cloop.sptk 1b ;;"),
                     HARNESS_END);
    ck_assert_uint_eq(cpu_gr(h->c, 8), 100);
    harness_free(h);
}
END_TEST

/* --- translations of code --- */

static struct harness *start_virtual(int mode)
{
    struct harness *h = harness_start(mode);

    harness_virtual(h, 3, 3);
    h->c->tr.rr[2] = 5 << 8 | 12 << 2;
    return h;
}

static void map_code(struct harness *h, uint64_t va, uint64_t pa, uint64_t bits)
{
    cpu_remote_purge(h->c, va, 12, 5);
    harness_map(h, TLB_INST, va, pa, 12, bits);
}

/* A purge, a page of another place, another region identifier: the next fetch sees them. */
START_TEST(code_translations)
{
    struct harness *h = start_virtual(_i);
    struct cpu *c = h->c;
    uint64_t one = FUNC, two = FUNC + 0x3000;

    harness_asm(h, one, ONE);
    harness_asm(h, two, TWO);
    map_code(h, ALIAS, one, HARNESS_PTE(3, 3));
    c->tr.rr[2] = 6 << 8 | 12 << 2;
    harness_map(h, TLB_INST, ALIAS, two, 12, HARNESS_PTE(3, 3));
    c->tr.rr[2] = 5 << 8 | 12 << 2;
    c->br[6] = ALIAS;
    cpu_set_gr(c, 14, ALIAS);
    cpu_set_gr(c, 15, 6 << 8 | 12 << 2);
    cpu_set_gr(c, 17, 5 << 8 | 12 << 2);
    cpu_set_gr(c, 18, 12 << 2);
    ck_assert_int_eq(harness_exec(h, "br.call.sptk b0=b6 ;;\n mov r9=r8\n br.call.sptk b0=b6 ;;\n"
                                     "mov rr[r14]=r15 ;;\n srlz.i ;;\n br.call.sptk b0=b6 ;;\n"
                                     "mov r10=r8\n mov rr[r14]=r17 ;;\n srlz.i ;;\n"
                                     "br.call.sptk b0=b6 ;;\n mov r11=r8 ;;\n"
                                     "ptc.l r14,r18 ;;\n srlz.i ;;\n br.call.sptk b0=b6 ;;"),
                     VEC_ALT_ITLB);
    ck_assert(cpu_gr(c, 9) == 1 && cpu_gr(c, 10) == 2 && cpu_gr(c, 11) == 1);
    ck_assert_uint_eq(c->cr[CR_IFA], ALIAS);
    ck_assert_uint_eq(c->cr[CR_IIP], ALIAS);
    ck_assert_uint_eq(c->cr[CR_ISR] & ISR_X, ISR_X);
    harness_free(h);
}
END_TEST

/* One physical page at two addresses: code that depends on its address does. */
START_TEST(two_addresses)
{
    struct harness *h = start_virtual(_i);
    uint64_t r[2];

    harness_asm(h, FUNC,
                "mov r8=ip\n br.call.sptk b7=1f ;;\n 1: mov r9=ip\n mov r10=b7 ;;\n"
                "br.sptk 2f ;;\n nop.m 0 ;;\n 2: mov r11=ip ;;\n br.cond.sptk b0 ;;");
    map_code(h, ALIAS, FUNC, HARNESS_PTE(3, 3));
    for (unsigned k = 0; k < 4; k++) {
        h->c->br[6] = k & 1 ? ALIAS : FUNC;
        ck_assert_int_eq(harness_exec(h, "br.call.sptk b0=b6 ;;"), HARNESS_END);
        r[k & 1] = h->c->br[6];
        ck_assert_uint_eq(cpu_gr(h->c, 8), r[k & 1]);
        ck_assert_uint_eq(cpu_gr(h->c, 9) & ~0xfffull, r[k & 1]);
        ck_assert_uint_eq(cpu_gr(h->c, 10) & ~0xfffull, r[k & 1]);
        ck_assert_uint_eq(cpu_gr(h->c, 11) & ~0xfffull, r[k & 1]);
    }
    harness_free(h);
}
END_TEST

/* Straight code, a group and an MLX bundle at a page's end, the next page elsewhere or nowhere. */
START_TEST(page_ends)
{
    struct harness *h = start_virtual(_i);
    struct cpu *c = h->c;

    harness_asm(h, FUNC + 0xfe0,
                "add r8=1,r8 ;;\n { .mlx\n add r8=1,r8\n movl r9=0x123456789abcdef ;; }");
    harness_asm(h, FUNC + 0x5000, "add r8=16,r8");
    map_code(h, ALIAS, FUNC, HARNESS_PTE(3, 3));
    cpu_set_gr(c, 8, 0);
    harness_goto(h, ALIAS + 0xfe0, 0);
    ck_assert_int_eq(harness_run(h), VEC_ALT_ITLB);
    ck_assert_uint_eq(c->cr[CR_IIP], ALIAS + 0x1000);
    ck_assert_uint_eq(cpu_gr(c, 8), 2);
    ck_assert_uint_eq(cpu_gr(c, 9), 0x123456789abcdefull);
    map_code(h, ALIAS + 0x1000, FUNC + 0x5000, HARNESS_PTE(3, 3));
    harness_psr(h, PSR_IC | PSR_BN, 0);
    harness_goto(h, ALIAS + 0xfe0, 0);
    ck_assert_int_eq(harness_run(h), HARNESS_END);
    ck_assert_uint_eq(cpu_gr(c, 8), 20);
    harness_free(h);
}
END_TEST

/* 2:4.1.1.6: what may be executed depends on the privilege level, also inside one page, whatever
 * was decoded for another level. */
START_TEST(privilege)
{
    struct harness *h = start_virtual(_i);
    struct cpu *c = h->c;

    harness_asm(h, FUNC, "{ .mib\n mov r8=1\n nop.i 0\n br.ret.sptk b6 ;; }");
    harness_asm(h, FUNC + 0x100, "mov r8=2");
    map_code(h, ALIAS, FUNC, HARNESS_PTE(1, 0));
    c->br[6] = ALIAS + 0x100;
    for (unsigned ppl = 0; ppl < 4; ppl++) {
        harness_psr(h, PSR_IC | PSR_BN, PSR_CPL);
        c->pfs = 0;
        harness_goto(h, ALIAS, 0);
        ck_assert_int_eq(harness_run(h), HARNESS_END);
        c->pfs = (uint64_t)ppl << 62;
        harness_goto(h, ALIAS, 0);
        ck_assert_int_eq(harness_run(h), ppl ? VEC_IACCESS : HARNESS_END);
        if (ppl)
            ck_assert_uint_eq(c->cr[CR_IIP], ALIAS + 0x100);
    }
    harness_free(h);
}
END_TEST

/* After a reset with other translations nothing of before is found. */
/* A reset also forgets doubles that translated code has left elsewhere. */
START_TEST(reset_doubles)
{
    struct harness *h = harness_start(0);
    struct fpreg f;

    h->c->fd[7] = 0x4000000000000000ull;
    h->c->fr_dbl[0] |= 1u << 7;
    cpu_reset(h->c);
    f = cpu_fr(h->c, 7);
    ck_assert(f.sig == 0 && f.exp == 0);
    harness_free(h);
}
END_TEST

START_TEST(reset)
{
    struct harness *h = start_virtual(0);
    struct cpu *c = h->c;

    harness_asm(h, FUNC, "mov r8=1\n br.sptk 1f ;;\n .skip 0x1000\n 1: mov r9=1");
    harness_asm(h, FUNC + 0x8000, "mov r9=2");
    for (unsigned round = 0; round < 50; round++) {
        uint64_t second = round & 1 ? FUNC + 0x8000 - 0x20 : FUNC + 0x1000;

        second &= ~0xfffull;
        harness_asm(h, FUNC + 0x7000 + 0x20, "mov r9=2");
        harness_asm(h, FUNC + 0x7000 + 0x10, "mov r9=2");
        map_code(h, ALIAS, FUNC, HARNESS_PTE(3, 3));
        map_code(h, ALIAS + 0x1000, second, HARNESS_PTE(3, 3));
        harness_goto(h, ALIAS, 0);
        ck_assert_int_eq(harness_run(h), HARNESS_END);
        ck_assert_uint_eq(cpu_gr(c, 9), round & 1 ? 2 : 1);
        cpu_reset(c);
        c->cr[CR_IVA] = HARNESS_IVA;
        cpu_set_psr(c, PSR_IC | PSR_BN);
        harness_virtual(h, 3, 3);
        c->tr.rr[2] = 5 << 8 | 12 << 2;
    }
    harness_free(h);
}
END_TEST

/* --- entries --- */

/* 2:3.3.2, 3:rfi: PSR.ri starts in the middle of a bundle; a fault there reports the slot. */
START_TEST(entry_slots)
{
    static const char rfi_text[] = "rfi ;;";
    struct harness *h = harness_start(_i);
    struct cpu *c = h->c;

    harness_asm(h, FUNC, "{ .mii\n add r8=1,r8\n add r8=2,r8\n add r8=4,r8 ;; }\n add r8=8,r8");
    for (unsigned slot = 0; slot < 3; slot++) {
        cpu_set_gr(c, 8, 0);
        harness_psr(h, 0, PSR_IC);
        c->cr[CR_IPSR] = PSR_IC | PSR_BN | (uint64_t)slot << PSR_RI_SHIFT;
        c->cr[CR_IIP] = FUNC;
        ck_assert_int_eq(harness_exec(h, rfi_text), HARNESS_END);
        ck_assert_uint_eq(cpu_gr(c, 8), 15u & ~((1u << slot) - 1));
    }
    harness_asm(h, FUNC, "{ .mmi\n add r8=1,r8\n st8 [r9]=r8\n tbit.z p6,p0=r8,0 ;; }");
    cpu_set_gr(c, 9, 1ull << 50);
    for (unsigned slot = 0; slot < 2; slot++) {
        harness_psr(h, PSR_BN, PSR_IC);
        c->cr[CR_IPSR] = PSR_IC | PSR_BN | (uint64_t)slot << PSR_RI_SHIFT;
        c->cr[CR_IIP] = FUNC;
        ck_assert_int_eq(harness_exec(h, rfi_text), VEC_GENEX);
        ck_assert_uint_eq(harness_ei(h), 1);
        ck_assert_uint_eq(harness_ipsr_ri(h), 1);
        ck_assert_uint_eq(c->cr[CR_IIP], FUNC);
    }
    harness_free(h);
}
END_TEST

/* 1:3.3: the long instruction of an MLX bundle is in slot 1; slot 2 is never a point of its own,
 * and entering there executes nothing of it. */
START_TEST(long_instructions)
{
    static const char *const text[] = {
        "{ .mlx\n add r8=1,r8\n movl r9=0x1234567890 ;; }\n add r8=16,r8",
        "{ .mlx\n add r8=1,r8\n nop.x 0 ;; }\n add r8=16,r8",
        "{ .mlx\n add r8=1,r8\n hint.x 0 ;; }\n add r8=16,r8",
        "{ .mlx\n add r8=1,r8\n (p6) break.x 0 ;; }\n add r8=16,r8",
        "{ .mlx\n add r8=1,r8\n brl.sptk 1f ;; }\n add r8=32,r8 ;;\n 1: add r8=16,r8",
    };

    for (unsigned k = 0; k < sizeof text / sizeof *text; k++)
        for (unsigned slot = 0; slot < 4; slot++) {
            struct harness *h = harness_start(_i);
            uint64_t want = slot == 0 ? 17 : k == 4 && slot >= 2 ? 48 : 16;

            harness_asm(h, FUNC, text[k]);
            harness_goto(h, FUNC, slot);
            ck_assert_int_eq(harness_run(h), HARNESS_END);
            ck_assert_msg(cpu_gr(h->c, 8) == want, "%s from %u", text[k], slot);
            harness_free(h);
        }
}
END_TEST

/* 3:break: where break.x reports itself, and where it goes on after the handler skipped it. */
START_TEST(break_x)
{
    struct harness *h = harness_start(_i);

    ck_assert_int_eq(harness_exec(h, "{ .mlx\n nop.m 0\n break.x 0x123456789abcdef ;; }"),
                     VEC_BREAK);
    ck_assert_uint_eq(harness_ei(h), 1);
    ck_assert_uint_eq(harness_ipsr_ri(h), 1);
    ck_assert_uint_eq(h->c->cr[CR_IIP], HARNESS_CODE);
    harness_free(h);
}
END_TEST

/* 3:4.1, table 4-1: reserved templates are illegal in whatever slot execution stands. */
START_TEST(reserved_templates)
{
    static const uint8_t reserved[] = {0x06, 0x07, 0x14, 0x15, 0x1a, 0x1b, 0x1e, 0x1f};

    for (unsigned k = 0; k < sizeof reserved; k++)
        for (unsigned slot = 0; slot < 3; slot++) {
            struct harness *h = harness_start(_i);

            harness_bundle(h, FUNC, reserved[k], 1ull << 27, 1ull << 27, 1ull << 27);
            harness_goto(h, FUNC, slot);
            ck_assert_msg(harness_run(h) == VEC_GENEX, "template %x", reserved[k]);
            ck_assert_uint_eq(h->c->cr[CR_ISR] & 0xffff, GENEX_ILLEGAL);
            ck_assert_uint_eq(harness_ei(h), slot);
            harness_free(h);
        }
}
END_TEST

/* The end of RAM, addresses that look like empty cache entries: faults for the guest, nothing more.
 */
START_TEST(hostile_targets)
{
    static const uint64_t targets[] = {
        HARNESS_RAM, HARNESS_RAM - 16, 0xfffffffffffffff0ull, 0x7ffffffffffffff0ull,
        1ull << 40,  1ull << 50,       0x1ffffffffffffff0ull};

    for (unsigned k = 0; k < sizeof targets / sizeof *targets; k++)
        for (unsigned how = 0; how < 16; how++) {
            struct harness *h = harness_start(_i);

            harness_bundle(h, HARNESS_RAM - 16, 1, 1ull << 27, 1ull << 27, 1ull << 27);
            if (how & 1)
                harness_virtual(h, 3, 3);
            harness_cpl(h, how & 2 ? 3 : 0);
            if (how & 4) {
                cpu_set_gr_nat(h->c, 30, true);
                cpu_update_mode(h->c);
            }
            h->c->br[6] = targets[k];
            harness_asm(h, HARNESS_CODE, how & 8 ? "br.call.sptk b0=b6 ;;" : "br.sptk b6 ;;");
            harness_goto(h, HARNESS_CODE, 0);
            ck_assert_int_ge(harness_run(h), 0);
            harness_free(h);
        }
}
END_TEST

/* More code than the cache keeps: all of RAM filled with branches, in both variants of blocks. */
START_TEST(code_footprint)
{
#ifndef __SANITIZE_ADDRESS__
    const uint64_t base = 0x400000, end = 0xf00000;
#else
    const uint64_t base = 0x400000, end = 0x500000;
#endif
    struct harness *h = harness_start(0);
    uint64_t w[2], *code;
    size_t n = (end - base) / 16;

    harness_asm(h, FUNC, "{ .mib\n add r8=1,r8\n add r9=1,r9\n br.sptk .+16 ;; }");
    get_bundle(h, FUNC, w);
    code = malloc(n * 16);
    ck_assert(code);
    for (size_t k = 0; k < n; k++)
        memcpy(code + 2 * k, w, 16);
    ck_assert_int_eq(mem_dma_write(h->m, base, code, n * 16), 0);
    free(code);
    harness_asm(h, end, "nop.m 0");
    for (unsigned round = 0; round < 3; round++) {
        cpu_set_gr_nat(h->c, 30, round == 1);
        cpu_update_mode(h->c);
        cpu_set_gr(h->c, 8, 0);
        harness_goto(h, base, 0);
        ck_assert_int_eq(harness_run_slots(h, 20000000), HARNESS_END);
        ck_assert_uint_eq(cpu_gr(h->c, 8), n);
    }
    harness_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("blocks");
    TCase *t = tcase_create("blocks");

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, own_stores, 0, MODES);
    tcase_add_loop_test(t, same_block, 0, MODES);
    tcase_add_loop_test(t, other_writers, 0, MODES);
    tcase_add_loop_test(t, alias_store, 0, MODES);
    tcase_add_loop_test(t, every_bundle_watched, 0, 9);
    tcase_add_loop_test(t, data_beside_code, 0, MODES);
    tcase_add_loop_test(t, code_translations, 0, MODES);
    tcase_add_loop_test(t, two_addresses, 0, MODES);
    tcase_add_loop_test(t, page_ends, 0, MODES);
    tcase_add_loop_test(t, privilege, 0, MODES);
    tcase_add_test(t, reset);
    tcase_add_test(t, reset_doubles);
    tcase_add_loop_test(t, entry_slots, 0, MODES);
    tcase_add_loop_test(t, long_instructions, 0, MODES);
    tcase_add_loop_test(t, break_x, 0, MODES);
    tcase_add_loop_test(t, reserved_templates, 0, MODES);
    tcase_add_loop_test(t, hostile_targets, 0, MODES);
    tcase_add_test(t, code_footprint);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return harness_suites(suite);
}
