/* Data accesses that the golden vectors leave out: byte order, alignment and pages, memory
 * attributes, and translations that change after the CPU has kept a shortcut for them. Rules: SDM
 * vol 2 chapter 4, the fault vectors of 2:8.3. Each test runs in blocks and in single steps. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "../cpu/interp.h"
#include "cpu_harness.h"

#define DATA_VA  0x2000000000000000ull /* region 1 */
#define RID      5u
#define OTHER    (HARNESS_DATA + 0x100000)
#define DEVICE   0x20000000ull
#define UC(addr) (1ull << 63 | (addr))
#define MODES    2

static void poke(struct harness *h, uint64_t pa, uint64_t v)
{
    ck_assert(mem_write(h->m, pa, 8, v));
}

static uint64_t isr_without_ei(const struct harness *h)
{
    return h->c->cr[CR_ISR] & ~(3ull << ISR_EI_SHIFT);
}

/* --- byte order --- */

static const uint8_t pattern[16] = {0x01, 0x12, 0x23, 0x34, 0x45, 0x56, 0x67, 0x78,
                                    0x3f, 0x9a, 0xab, 0xbc, 0xcd, 0xde, 0xef, 0xf0};

static uint64_t big(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    while (n--)
        v = v << 8 | *p++;
    return v;
}

static void put_pattern(struct harness *h)
{
    ck_assert_int_eq(mem_dma_write(h->m, HARNESS_DATA, pattern, 16), 0);
}

/* 1:3.2.3, 1:4.4.6: PSR.be turns the bytes of each value round. Loads. */
START_TEST(big_endian_loads)
{
    struct harness *h = harness_start(_i);
    struct cpu *c = h->c;
    struct fpreg f;

    put_pattern(h);
    cpu_set_gr(c, 14, HARNESS_DATA);
    cpu_set_gr(c, 15, HARNESS_DATA + 8);
    harness_psr(h, PSR_BE, 0);
    ck_assert_int_eq(harness_exec(h, "ld1 r8=[r14]\n ld2 r9=[r14]\n ld4 r10=[r14]\n"
                                     "ld8 r11=[r14]\n ld2.s r16=[r15]\n ld8.a r17=[r15]\n"
                                     "ld8.c.clr r18=[r15]\n ld8.fill r19=[r15]\n"
                                     "ld16 r20=[r14] ;;\n mov r21=ar.csd\n ldf8 f6=[r14]\n"
                                     "ldfs f7=[r15]\n ldfd f8=[r15]\n ldfe f9=[r14]\n"
                                     "ldf.fill f10=[r14]\n ldfp8 f11,f12=[r14]\n"
                                     "ldfps f13,f14=[r15]\n ldfpd f15,f16=[r14]"),
                     HARNESS_END);
    ck_assert_uint_eq(cpu_gr(c, 8), pattern[0]);
    ck_assert_uint_eq(cpu_gr(c, 9), big(pattern, 2));
    ck_assert_uint_eq(cpu_gr(c, 10), big(pattern, 4));
    ck_assert_uint_eq(cpu_gr(c, 11), big(pattern, 8));
    ck_assert_uint_eq(cpu_gr(c, 16), big(pattern + 8, 2));
    for (unsigned k = 17; k < 20; k++)
        ck_assert_uint_eq(cpu_gr(c, k), big(pattern + 8, 8));
    ck_assert_uint_eq(cpu_gr(c, 20), big(pattern, 8)); /* lowest address to r1 (3:ld) */
    ck_assert_uint_eq(cpu_gr(c, 21), big(pattern + 8, 8));
    ck_assert_uint_eq(cpu_fr(c, 6).sig, big(pattern, 8));
    f = fp_from_single((uint32_t)big(pattern + 8, 4));
    ck_assert(cpu_fr(c, 7).sig == f.sig && cpu_fr(c, 7).exp == f.exp);
    ck_assert(cpu_fr(c, 13).sig == f.sig && cpu_fr(c, 13).exp == f.exp);
    f = fp_from_single((uint32_t)big(pattern + 12, 4));
    ck_assert(cpu_fr(c, 14).sig == f.sig && cpu_fr(c, 14).exp == f.exp);
    f = fp_from_double(big(pattern + 8, 8));
    ck_assert(cpu_fr(c, 8).sig == f.sig && cpu_fr(c, 8).exp == f.exp);
    ck_assert(cpu_fr(c, 16).sig == f.sig && cpu_fr(c, 16).exp == f.exp);
    f = fp_from_double(big(pattern, 8));
    ck_assert(cpu_fr(c, 15).sig == f.sig && cpu_fr(c, 15).exp == f.exp);
    /* 1:5.1, figure 5-10: sign and exponent first, then the significand */
    ck_assert_uint_eq(cpu_fr(c, 9).sig, big(pattern + 2, 8));
    ck_assert_uint_eq(cpu_fr(c, 9).exp, fp_from_ext(0x4000000000000000ull, 0x0112).exp);
    ck_assert_uint_eq(cpu_fr(c, 10).sig, big(pattern + 8, 8));
    ck_assert_uint_eq(cpu_fr(c, 10).exp, big(pattern, 8) & 0x3ffff);
    ck_assert_uint_eq(cpu_fr(c, 11).sig, big(pattern, 8));
    ck_assert_uint_eq(cpu_fr(c, 12).sig, big(pattern + 8, 8));
    harness_free(h);
}
END_TEST

/* Stores: the same instruction leaves the bytes of each value in the opposite order. */
START_TEST(big_endian_stores)
{
    static const struct {
        const char *text;
        unsigned size, parts; /* bytes of one value, values */
    } t[] = {
        {"st1 [r14]=r8", 1, 1},
        {"st2 [r14]=r8", 2, 1},
        {"st4.rel [r14]=r8", 4, 1},
        {"st8 [r14]=r8,16", 8, 1},
        {"st8.spill [r14]=r8", 8, 1},
        {"st16 [r14]=r8,ar.csd", 8, 2},
        {"stf8 [r14]=f6", 8, 1},
        {"stfs [r14]=f6", 4, 1},
        {"stfd [r14]=f6", 8, 1},
        {"stfe [r14]=f6", 10, 1},
        {"stf.spill [r14]=f6", 16, 1},
        {"xchg2 r9=[r14],r8", 2, 1},
        {"xchg8 r9=[r14],r8", 8, 1},
        {"mov ar.ccv=r0 ;; cmpxchg4.acq r9=[r14],r8,ar.ccv", 4, 1},
        {"mov ar.ccv=r0 ;; cmp8xchg16.acq r9=[r14],r8,ar.csd,ar.ccv", 8, 2},
        {"fetchadd8.acq r9=[r14],8", 8, 1},
        {"fetchadd4.rel r9=[r14],-1", 4, 1},
    };

    for (unsigned k = 0; k < sizeof t / sizeof *t; k++) {
        struct harness *h = harness_start(_i);
        uint8_t m[2][16];

        h->c->csd = 0xa1b2c3d4e5f60718ull;
        cpu_set_fr(h->c, 6, fp_from_double(0x4009218cc1fb5444ull));
        for (unsigned be = 0; be < 2; be++) {
            harness_psr(h, be ? PSR_BE : 0, be ? 0 : PSR_BE);
            cpu_set_gr(h->c, 8, 0x1122334455667788ull);
            cpu_set_gr(h->c, 14, HARNESS_DATA);
            poke(h, HARNESS_DATA, 0);
            poke(h, HARNESS_DATA + 8, 0);
            ck_assert_int_eq(harness_exec(h, t[k].text), HARNESS_END);
            ck_assert_int_eq(mem_dma_read(h->m, HARNESS_DATA, m[be], 16), 0);
        }
        for (unsigned p = 0; p < t[k].parts; p++)
            for (unsigned b = 0; b < t[k].size; b++)
                ck_assert_msg(m[0][p * t[k].size + b] == m[1][(p + 1) * t[k].size - 1 - b], "%s",
                              t[k].text);
        for (unsigned b = t[k].size * t[k].parts; b < 16; b++)
            ck_assert_msg(m[0][b] == 0 && m[1][b] == 0, "%s", t[k].text);
        harness_free(h);
    }
}
END_TEST

/* --- alignment --- */

static const struct {
    const char *text;
    unsigned size; /* alignment it wants */
    uint64_t isr;
    bool always; /* faults whatever PSR.ac is (1:4.4.4, 3:the instruction) */
} widths[] = {
    {"ld2 r8=[r14]", 2, ISR_R, false},
    {"ld4 r8=[r14]", 4, ISR_R, false},
    {"ld8 r8=[r14],8", 8, ISR_R, false},
    {"ld8.acq r8=[r14]", 8, ISR_R, false},
    {"ld8.a r8=[r14]", 8, ISR_R, false},
    {"ld8.fill r8=[r14]", 8, ISR_R, false},
    {"st2 [r14]=r9", 2, ISR_W, false},
    {"st4 [r14]=r9", 4, ISR_W, false},
    {"st8 [r14]=r9", 8, ISR_W, false},
    {"st8.spill [r14]=r9", 8, ISR_W, false},
    {"ldfs f6=[r14]", 4, ISR_R, false},
    {"ldfd f6=[r14]", 8, ISR_R, false},
    {"ldfe f6=[r14]", 16, ISR_R, false},
    {"ldf.fill f6=[r14]", 16, ISR_R, false},
    {"ldfps f6,f7=[r14]", 8, ISR_R, false},
    {"ldfpd f6,f7=[r14]", 16, ISR_R, false},
    {"stfe [r14]=f1", 16, ISR_W, false},
    {"stf.spill [r14]=f1", 16, ISR_W, false},
    {"ld16 r8=[r14]", 16, ISR_R, true},
    {"st16 [r14]=r9,ar.csd", 16, ISR_W, true},
    {"xchg2 r8=[r14],r9", 2, ISR_R | ISR_W, true},
    {"cmpxchg8.acq r8=[r14],r9,ar.ccv", 8, ISR_R | ISR_W, true},
    {"fetchadd4.acq r8=[r14],1", 4, ISR_R | ISR_W, true},
    {"cmp8xchg16.acq r8=[r14],r9,ar.csd,ar.ccv", 8, ISR_R | ISR_W, true},
};
#define WIDTHS (sizeof widths / sizeof *widths)

START_TEST(alignment)
{
    for (unsigned k = 0; k < WIDTHS; k++)
        for (unsigned ac = 0; ac < 2; ac++)
            for (unsigned off = 0; off <= 16; off++) {
                struct harness *h = harness_start(_i);
                bool wrong = off % widths[k].size != 0, faults = wrong && (ac || widths[k].always);

                harness_psr(h, ac ? PSR_AC : 0, 0);
                cpu_set_gr(h->c, 14, HARNESS_DATA + off);
                cpu_set_gr(h->c, 9, ~0ull);
                ck_assert_msg(harness_exec(h, widths[k].text) ==
                                  (faults ? VEC_UNALIGNED : HARNESS_END),
                              "%s at %u ac %u", widths[k].text, off, ac);
                if (faults) {
                    ck_assert_uint_eq(isr_without_ei(h), widths[k].isr);
                    ck_assert_uint_eq(h->c->cr[CR_IFA], HARNESS_DATA + off);
                    ck_assert_uint_eq(harness_word(h, HARNESS_DATA + 8), 0);
                }
                harness_free(h);
            }
}
END_TEST

static struct harness *start_virtual(int mode)
{
    struct harness *h = harness_start(mode);

    harness_virtual(h, 3, 3);
    h->c->tr.rr[1] = RID << 8 | 12 << 2;
    return h;
}

static void map(struct harness *h, uint64_t off, uint64_t pa, uint64_t bits)
{
    cpu_remote_purge(h->c, DATA_VA + off, 12, RID);
    harness_map(h, TLB_DATA, DATA_VA + off, pa, 12, bits);
}

/* An access that reaches into a page that is not there: nothing is read or written, and the fault
 * is the second page's. Two pages that are not neighbours in memory. */
START_TEST(page_crossing)
{
    for (unsigned k = 0; k < WIDTHS; k++) {
        struct harness *h;

        if (widths[k].always || widths[k].size < 4)
            continue;
        h = start_virtual(_i);
        map(h, 0, HARNESS_DATA, HARNESS_PTE(2, 0));
        cpu_set_gr(h->c, 14, DATA_VA + 4096 - 2);
        cpu_set_gr(h->c, 9, 0x8877665544332211ull);
        cpu_set_fr(h->c, 6, fp_from_sig(77));
        cpu_set_gr(h->c, 8, 55);
        ck_assert_msg(harness_exec(h, widths[k].text) == VEC_ALT_DTLB, "%s", widths[k].text);
        ck_assert_uint_eq(h->c->cr[CR_IFA], DATA_VA + 4096);
        ck_assert_uint_eq(isr_without_ei(h), widths[k].isr);
        ck_assert_uint_eq(harness_word(h, HARNESS_DATA + 4088), 0);
        ck_assert_uint_eq(cpu_gr(h->c, 8), 55);
        ck_assert_uint_eq(cpu_gr(h->c, 14), DATA_VA + 4096 - 2);
        ck_assert_uint_eq(cpu_fr(h->c, 6).sig, 77);
        /* with it: pieces from both */
        map(h, 4096, OTHER, HARNESS_PTE(2, 0));
        harness_psr(h, PSR_IC | PSR_BN, 0);
        poke(h, HARNESS_DATA + 4088, widths[k].isr == ISR_R ? 0x2211000000000000ull : 0);
        poke(h, OTHER, widths[k].isr == ISR_R ? 0x665544332211ull : 0);
        ck_assert_int_eq(harness_exec(h, widths[k].text), HARNESS_END);
        if (strncmp(widths[k].text, "st4", 3) == 0 || strncmp(widths[k].text, "st8", 3) == 0) {
            ck_assert_uint_eq(harness_word(h, HARNESS_DATA + 4088), 0x2211000000000000ull);
            ck_assert_uint_eq(harness_word(h, OTHER),
                              widths[k].size == 4 ? 0x4433 : 0x887766554433ull);
        } else if (strncmp(widths[k].text, "ld8", 3) == 0) {
            ck_assert_uint_eq(cpu_gr(h->c, 8), 0x6655443322112211ull);
        }
        harness_free(h);
    }
}
END_TEST

/* 3:ldfp: one odd and one even physical register. */
START_TEST(pair_targets)
{
    static const struct {
        unsigned f1, f2;
        bool odd_rrb, legal;
    } t[] = {
        {6, 7, false, true},   {7, 6, true, true},    {6, 8, false, false},  {7, 9, true, false},
        {40, 41, true, true},  {40, 42, true, false}, {6, 41, false, true},  {6, 41, true, false},
        {6, 40, false, false}, {6, 40, true, true},   {127, 32, true, true}, {1, 2, false, false},
        {2, 1, false, false},  {7, 127, true, true},
    };

    for (unsigned k = 0; k < sizeof t / sizeof *t; k++) {
        struct harness *h = harness_start(_i);
        /* M11: opcode 6, m 0, x 1, x6 0x03 (ldfpd), f2 in 19:13 */
        uint64_t slot = 6ull << 37 | 3ull << 30 | 1ull << 27 | 14ull << 20 |
                        (uint64_t)t[k].f2 << 13 | (uint64_t)t[k].f1 << 6;

        cpu_set_cfm(h->c, t[k].odd_rrb ? 95ull << 25 : 0);
        cpu_update_mode(h->c);
        cpu_set_gr(h->c, 14, HARNESS_DATA);
        put_pattern(h);
        harness_bundle(h, HARNESS_CODE, 1, slot, 1ull << 27, 1ull << 27);
        harness_asm(h, HARNESS_CODE + 16, "nop.m 0");
        ck_assert_msg(harness_run(h) == (t[k].legal ? HARNESS_END : VEC_GENEX), "f%u f%u %d",
                      t[k].f1, t[k].f2, t[k].odd_rrb);
        if (t[k].legal)
            ck_assert_uint_ne(cpu_fr(h->c, t[k].f2).sig, 0);
        harness_free(h);
    }
}
END_TEST

/* --- addresses and attributes --- */

/* 2:4.3.2, 2:4.1.10: unimplemented physical address bits. Nothing at an address: reads as ones. */
START_TEST(odd_addresses)
{
    struct harness *h = harness_start(_i);

    cpu_set_gr(h->c, 14, 1ull << 50);
    ck_assert_int_eq(harness_exec(h, "ld8 r8=[r14]"), VEC_GENEX);
    ck_assert_uint_eq(isr_without_ei(h), ISR_R | GENEX_RESERVED);
    harness_psr(h, PSR_IC | PSR_BN, 0);
    cpu_set_gr(h->c, 14, UC(1ull << 62));
    ck_assert_int_eq(harness_exec(h, "st1 [r14]=r8"), VEC_GENEX);
    ck_assert_uint_eq(isr_without_ei(h), ISR_W | GENEX_RESERVED);
    harness_psr(h, PSR_IC | PSR_BN, 0);
    cpu_set_gr(h->c, 14, 1ull << 40);
    ck_assert_int_eq(harness_exec(h, "st8 [r14]=r0\n ld4 r8=[r14]\n ldf.fill f6=[r14]"),
                     HARNESS_END);
    ck_assert_uint_eq(cpu_gr(h->c, 8), 0xffffffff);
    cpu_set_gr(h->c, 14, HARNESS_RAM - 4); /* half of it is there */
    ck_assert_int_eq(harness_exec(h, "ld8 r8=[r14]\n st8 [r14]=r0\n stf.spill [r14]=f1"),
                     HARNESS_END);
    harness_free(h);
}
END_TEST

static struct {
    uint64_t offset, value;
    unsigned size, count;
} last_read, last_write;

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque;
    last_read.offset = offset;
    last_read.size = size;
    last_read.count++;
    return 0x8877665544332211ull;
}

static void device_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)opaque;
    last_write.offset = offset;
    last_write.value = value;
    last_write.size = size;
    last_write.count++;
}

/* A device sees each access once, in its size and byte order. */
START_TEST(devices)
{
    static const struct {
        const char *load, *store;
        unsigned size;
    } t[] = {
        {"ld1 r8=[r14]", "st1 [r14]=r9", 1},
        {"ld2.acq r8=[r14]", "st2.rel [r14]=r9", 2},
        {"ld4 r8=[r14]", "st4 [r14]=r9", 4},
        {"ld8 r8=[r14]", "st8 [r14]=r9", 8},
    };
    struct harness *h = harness_start(_i & 1);
    bool be = _i & 2;

    ck_assert_int_eq(mem_add_device(h->m, DEVICE, 4096, NULL, device_read, device_write), 0);
    harness_psr(h, be ? PSR_BE : 0, 0);
    cpu_set_gr(h->c, 14, UC(DEVICE + 0x48));
    cpu_set_gr(h->c, 9, 0x1122334455667788ull);
    for (unsigned k = 0; k < 4; k++) {
        uint64_t mask = ~0ull >> (64 - 8 * t[k].size), v = 0x8877665544332211ull & mask;
        uint64_t w = 0x1122334455667788ull & mask;

        memset(&last_read, 0, sizeof last_read);
        memset(&last_write, 0, sizeof last_write);
        ck_assert_int_eq(harness_exec(h, t[k].load), HARNESS_END);
        ck_assert_int_eq(harness_exec(h, t[k].store), HARNESS_END);
        ck_assert(last_read.count == 1 && last_write.count == 1);
        ck_assert(last_read.size == t[k].size && last_write.size == t[k].size);
        ck_assert(last_read.offset == 0x48 && last_write.offset == 0x48);
        if (be) {
            v = __builtin_bswap64(v) >> (64 - 8 * t[k].size);
            w = __builtin_bswap64(w) >> (64 - 8 * t[k].size);
        }
        ck_assert_uint_eq(cpu_gr(h->c, 8), v);
        ck_assert_uint_eq(last_write.value, w);
    }
    harness_free(h);
}
END_TEST

/* 2:4.4.9 and part 2, 7.2: semaphores, 16-byte integer and 10-byte operands need write-back memory;
 * fetchadd may also be exported. Physical addresses with bit 63 are uncacheable. */
START_TEST(attributes)
{
    static const struct {
        const char *text;
        uint64_t isr;
        bool wc_uc, uce; /* permitted */
    } t[] = {
        {"ld8 r8=[r14]", 0, true, true},
        {"st8 [r14]=r0", 0, true, true},
        {"ldfpd f6,f7=[r14]", 0, true, true},
        {"ldf.fill f6=[r14]", 0, true, true},
        {"stf.spill [r14]=f0", 0, true, true},
        {"xchg1 r8=[r14],r0", ISR_R | ISR_W, false, false},
        {"cmpxchg8.rel r8=[r14],r0,ar.ccv", ISR_R | ISR_W, false, false},
        {"cmp8xchg16.rel r8=[r14],r0,ar.csd,ar.ccv", ISR_R | ISR_W, false, false},
        {"fetchadd4.rel r8=[r14],1", ISR_R | ISR_W, false, true},
        {"ld16 r8=[r14]", ISR_R, false, false},
        {"st16 [r14]=r0,ar.csd", ISR_W, false, false},
        {"ldfe f6=[r14]", ISR_R, false, false},
        {"stfe [r14]=f0", ISR_W, false, false},
    };
    static const unsigned ma[] = {MA_WB, MA_UC, MA_UCE, MA_WC, MA_UC};

    for (unsigned k = 0; k < sizeof t / sizeof *t; k++)
        for (unsigned a = 0; a < 5; a++) {
            struct harness *h = start_virtual(_i);
            bool fine = a == 0 || (ma[a] == MA_UCE ? t[k].uce : t[k].wc_uc);

            map(h, 0, HARNESS_DATA, HARNESS_PTE(2, 0) | (uint64_t)ma[a] << 2);
            cpu_set_gr(h->c, 14, DATA_VA + 16);
            if (a == 4) {
                harness_psr(h, 0, PSR_DT);
                cpu_set_gr(h->c, 14, UC(HARNESS_DATA + 16));
            }
            ck_assert_msg(harness_exec(h, t[k].text) == (fine ? HARNESS_END : VEC_UNSUPPORTED),
                          "%s attribute %u", t[k].text, ma[a]);
            if (!fine) {
                ck_assert_uint_eq(isr_without_ei(h), t[k].isr);
                ck_assert_uint_eq(h->c->cr[CR_IFA], cpu_gr(h->c, 14));
            }
            harness_free(h);
        }
}
END_TEST

/* --- translations that change --- */

/* Runs `first` (which must end), then `then`; the second is in the same PSR but for what it does.
 */
static int two(struct harness *h, const char *first, const char *then)
{
    ck_assert_int_eq(harness_exec(h, first), HARNESS_END);
    return harness_exec(h, then);
}

#define READ  "ld8 r8=[r14]"
#define WRITE "st8 [r14]=r9"

/* 2:4.1.1.6, 2:4.1.1.5: what a page permits is asked again for what was not permitted before. */
START_TEST(rights_after_use)
{
    static const struct {
        uint64_t pte;
        const char *first, *then;
        unsigned cpl[2];
        int vector;
        uint64_t isr;
    } t[] = {
        {HARNESS_PTE(2, 0) & ~0x40ull, READ, WRITE, {0, 0}, VEC_DIRTY, ISR_W},
        {HARNESS_PTE(2, 0) & ~0x40ull, READ, "xchg8 r8=[r14],r9", {0, 0}, VEC_DIRTY, ISR_R | ISR_W},
        {HARNESS_PTE(2, 0) & ~0x40ull,
         READ,
         "fetchadd8.acq r8=[r14],1",
         {0, 0},
         VEC_DIRTY,
         ISR_R | ISR_W},
        {HARNESS_PTE(0, 3), READ, WRITE, {0, 0}, VEC_DACCESS, ISR_W},
        {HARNESS_PTE(0, 3),
         READ,
         "cmpxchg1.acq r8=[r14],r9,ar.ccv",
         {0, 0},
         VEC_DACCESS,
         ISR_R | ISR_W},
        {HARNESS_PTE(2, 0), WRITE, READ, {0, 3}, VEC_DACCESS, ISR_R},
        {HARNESS_PTE(2, 2), WRITE, WRITE, {2, 3}, VEC_DACCESS, ISR_W},
        {HARNESS_PTE(4, 3), READ, WRITE, {3, 3}, VEC_DACCESS, ISR_W},
        {HARNESS_PTE(4, 3), READ, WRITE, {3, 0}, HARNESS_END, 0},
        {HARNESS_PTE(2, 3), READ, WRITE, {3, 3}, HARNESS_END, 0},
    };

    for (unsigned k = 0; k < sizeof t / sizeof *t; k++) {
        struct harness *h = start_virtual(_i);

        map(h, 0, HARNESS_DATA, t[k].pte);
        cpu_set_gr(h->c, 14, DATA_VA + 8);
        harness_cpl(h, t[k].cpl[0]);
        ck_assert_int_eq(harness_exec(h, t[k].first), HARNESS_END);
        harness_cpl(h, t[k].cpl[1]);
        ck_assert_msg(harness_exec(h, t[k].then) == t[k].vector, "case %u", k);
        if (t[k].vector != HARNESS_END) {
            ck_assert_uint_eq(isr_without_ei(h), t[k].isr);
            ck_assert_uint_eq(h->c->cr[CR_IFA], DATA_VA + 8);
            ck_assert_uint_eq(h->c->cr[CR_ITIR], RID << 8 | 12 << 2);
        }
        harness_free(h);
    }
}
END_TEST

/* 2:4.1.3: protection keys count from the moment PSR.pk or a register changes and is serialized. */
START_TEST(keys_after_use)
{
    struct harness *h = start_virtual(_i);
    struct cpu *c = h->c;

    ck_assert_int_eq(tlb_insert_tc(c->tlb, TLB_DATA, DATA_VA, HARNESS_DATA | HARNESS_PTE(2, 0),
                                   33 << 8 | 12 << 2, &c->tr, NULL),
                     0);
    c->tr.pkr[0] = 1;
    cpu_set_gr(c, 14, DATA_VA);
    cpu_set_gr(c, 15, 1);
    cpu_set_gr(c, 16, 33 << 8 | 1);     /* all permitted */
    cpu_set_gr(c, 17, 33 << 8 | 1 | 2); /* no writes */
    cpu_set_gr(c, 18, 33 << 8 | 1 | 4); /* no reads */
    cpu_set_gr(c, 19, 33 << 8);
    ck_assert_int_eq(two(h, READ ";;" WRITE, "ssm 1<<15 ;;\n srlz.d ;;\n" READ), VEC_DKEY_MISS);
    ck_assert_uint_eq(c->cr[CR_ITIR], RID << 8 | 12 << 2);
    harness_psr(h, PSR_IC | PSR_PK | PSR_BN, 0);
    ck_assert_int_eq(harness_exec(h, "mov pkr[r15]=r16 ;;\n srlz.d ;;\n" READ ";;" WRITE),
                     HARNESS_END);
    ck_assert_int_eq(harness_exec(h, "mov pkr[r15]=r17 ;;\n srlz.d ;;\n" READ ";;" WRITE),
                     VEC_KEY_PERM);
    ck_assert_uint_eq(isr_without_ei(h), ISR_W);
    harness_psr(h, PSR_IC | PSR_PK | PSR_BN, 0);
    ck_assert_int_eq(harness_exec(h, "mov pkr[r15]=r18 ;;\n srlz.d ;;\n" WRITE ";;" READ),
                     VEC_KEY_PERM);
    ck_assert_uint_eq(isr_without_ei(h), ISR_R);
    harness_psr(h, PSR_IC | PSR_PK | PSR_BN, 0);
    ck_assert_int_eq(harness_exec(h, "mov pkr[r15]=r19 ;;\n srlz.d ;;\n" READ), VEC_DKEY_MISS);
    harness_psr(h, PSR_IC | PSR_PK | PSR_BN, 0);
    ck_assert_int_eq(harness_exec(h, "rsm 1<<15 ;;\n srlz.d ;;\n" READ ";;" WRITE), HARNESS_END);
    harness_free(h);
}
END_TEST

/* 2:4.1.2: a region register's new value holds after srlz.d; coming back finds the old pages. */
START_TEST(region_registers)
{
    struct harness *h = start_virtual(_i);
    struct cpu *c = h->c;

    map(h, 0, HARNESS_DATA, HARNESS_PTE(2, 0));
    c->tr.rr[1] = 6 << 8 | 12 << 2;
    harness_map(h, TLB_DATA, DATA_VA, OTHER, 12, HARNESS_PTE(2, 0));
    c->tr.rr[1] = RID << 8 | 12 << 2;
    poke(h, HARNESS_DATA, 111);
    poke(h, OTHER, 222);
    cpu_set_gr(c, 14, DATA_VA);
    cpu_set_gr(c, 15, 6 << 8 | 12 << 2);
    cpu_set_gr(c, 16, RID << 8 | 12 << 2);
    cpu_set_gr(c, 17, 7 << 8 | 12 << 2);
    cpu_set_gr(c, 18, 1000);
    ck_assert_int_eq(harness_exec(h, "ld8 r8=[r14] ;;\n mov rr[r14]=r15 ;;\n srlz.d ;;\n"
                                     "ld8 r9=[r14] ;;\n st8 [r14]=r18 ;;\n mov rr[r14]=r16 ;;\n"
                                     "srlz.d ;;\n ld8 r10=[r14] ;;\n mov rr[r14]=r17 ;;\n"
                                     "srlz.d ;;\n { .mmi\n ld8 r11=[r14]\n nop.m 0\n nop.i 0 ;; }"),
                     VEC_ALT_DTLB);
    ck_assert_uint_eq(cpu_gr(c, 8), 111);
    ck_assert_uint_eq(cpu_gr(c, 9), 222);
    ck_assert_uint_eq(cpu_gr(c, 10), 111);
    ck_assert_uint_eq(harness_word(h, OTHER), 1000);
    ck_assert_uint_eq(c->cr[CR_ITIR], 7 << 8 | 12 << 2);
    harness_free(h);
}
END_TEST

/* PSR.dt: the same address is a physical one without it (2:3.3.2). */
START_TEST(translation_off_and_on)
{
    struct harness *h = start_virtual(_i);

    cpu_remote_purge(h->c, 0, 12, 0);
    h->c->tr.rr[0] = 9 << 8 | 12 << 2;
    ck_assert_int_eq(
        tlb_insert_tr(h->c->tlb, TLB_INST, 1, 0, HARNESS_PTE(3, 3), 24 << 2, &h->c->tr, NULL), 0);
    harness_map(h, TLB_DATA, HARNESS_DATA, OTHER, 12, HARNESS_PTE(2, 0));
    poke(h, HARNESS_DATA, 1);
    poke(h, OTHER, 2);
    cpu_set_gr(h->c, 14, HARNESS_DATA);
    ck_assert_int_eq(harness_exec(h,
                                  "ld8 r8=[r14] ;;\n rsm 1<<17 ;;\n srlz.d ;;\n ld8 r9=[r14] ;;\n"
                                  "st8 [r14]=r9 ;;\n ssm 1<<17 ;;\n srlz.d ;;\n"
                                  "ld8 r10=[r14] ;;\n"),
                     HARNESS_END);
    ck_assert(cpu_gr(h->c, 8) == 2 && cpu_gr(h->c, 9) == 1 && cpu_gr(h->c, 10) == 2);
    harness_free(h);
}
END_TEST

/* 2:4.1.1.1, 3:ptc.l, 3:itc: a purge or insertion removes every translation it overlaps, all of it,
 * however large the page and however small the purge. */
START_TEST(purges)
{
    static const unsigned sizes[] = {12, 14, 16, 20, 24, 28, 32};

    for (unsigned p = 0; p < 7; p++)
        for (unsigned q = 0; q < 7; q++) {
            struct harness *h = start_virtual(_i);
            uint64_t probe[3] = {0, (1ull << sizes[p]) / 2, (1ull << sizes[p]) - 4096};

            harness_map(h, TLB_DATA, DATA_VA, 0, sizes[p], HARNESS_PTE(2, 0));
            cpu_set_gr(h->c, 14, DATA_VA);
            cpu_set_gr(h->c, 18, sizes[q] << 2);
            for (unsigned k = 0; k < 3; k++) {
                uint64_t at = probe[k] & (HARNESS_RAM - 1);
                int second;

                cpu_remote_purge(h->c, DATA_VA, sizes[p], RID);
                harness_map(h, TLB_DATA, DATA_VA, 0, sizes[p], HARNESS_PTE(2, 0));
                cpu_set_gr(h->c, 15, DATA_VA + (at < 1ull << sizes[p] ? at : 0));
                harness_psr(h, PSR_IC | PSR_BN, 0);
                second = harness_exec(h, "ld8 r8=[r14]\n ld8 r9=[r15] ;;\n ptc.l r14,r18 ;;\n"
                                         "srlz.d ;;\n ld8 r9=[r15]");
                ck_assert_msg(second == VEC_ALT_DTLB, "page %u purge %u probe %u", sizes[p],
                              sizes[q], k);
                ck_assert_uint_eq(h->c->cr[CR_IFA], cpu_gr(h->c, 15));
            }
            harness_free(h);
        }
}
END_TEST

/* itc of another page size over one in use. */
START_TEST(insertions)
{
    static const unsigned sizes[] = {12, 16, 20, 24};

    for (unsigned p = 0; p < 4; p++)
        for (unsigned q = 0; q < 4; q++) {
            struct harness *h = start_virtual(_i);
            struct cpu *c = h->c;
            uint64_t far = (1ull << sizes[p]) - 4096, in = (1ull << sizes[q]) - 4096;
            bool covered = far <= in;
            int v;

            harness_map(h, TLB_DATA, DATA_VA, 0, sizes[p], HARNESS_PTE(2, 0));
            cpu_set_gr(c, 14, DATA_VA);
            cpu_set_gr(c, 15, DATA_VA + far);
            cpu_set_gr(c, 16, HARNESS_PTE(2, 0) | (sizes[q] < 24 ? 1ull << sizes[q] : 0));
            c->cr[CR_IFA] = DATA_VA;
            c->cr[CR_ITIR] = sizes[q] << 2;
            harness_psr(h, 0, PSR_IC);
            v = harness_exec(h, "ld8 r8=[r14]\n ld8 r9=[r15] ;;\n itc.d r16 ;;\n srlz.d ;;\n"
                                "ssm 1<<13 ;;\n srlz.d ;;\n ld8 r8=[r14]\n ld8 r9=[r15]");
            ck_assert_msg(v == (covered ? HARNESS_END : VEC_ALT_DTLB), "%u then %u", sizes[p],
                          sizes[q]);
            harness_free(h);
        }
}
END_TEST

/* More translations than there is room for: old ones go, nothing stale stays. */
START_TEST(eviction)
{
    struct harness *h = start_virtual(0);
    unsigned missing = 0;

    for (unsigned k = 0; k < 9000; k++) {
        uint64_t va = DATA_VA + (uint64_t)k * 4096;

        harness_map(h, TLB_DATA, va, HARNESS_DATA + k % 512 * 4096, 12, HARNESS_PTE(2, 0));
        cpu_set_gr(h->c, 14, va);
        cpu_set_gr(h->c, 9, k);
        ck_assert_int_eq(harness_exec(h, "st8 [r14]=r9"), HARNESS_END);
    }
    for (unsigned k = 0; k < 9000; k++) {
        const struct tlb_entry *e;
        int v;

        cpu_set_gr(h->c, 14, DATA_VA + (uint64_t)k * 4096);
        e = tlb_find(h->c->tlb, TLB_DATA, DATA_VA + (uint64_t)k * 4096, RID);
        harness_psr(h, PSR_IC | PSR_BN, 0);
        v = harness_exec(h, READ);
        ck_assert_int_eq(v, e ? HARNESS_END : VEC_ALT_DTLB);
        missing += !e;
    }
    ck_assert_uint_gt(missing, 0);
    harness_free(h);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("access");
    TCase *t = tcase_create("access");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, big_endian_loads, 0, MODES);
    tcase_add_loop_test(t, big_endian_stores, 0, MODES);
    tcase_add_loop_test(t, alignment, 0, MODES);
    tcase_add_loop_test(t, page_crossing, 0, MODES);
    tcase_add_loop_test(t, pair_targets, 0, MODES);
    tcase_add_loop_test(t, odd_addresses, 0, MODES);
    tcase_add_loop_test(t, devices, 0, 4);
    tcase_add_loop_test(t, attributes, 0, MODES);
    tcase_add_loop_test(t, rights_after_use, 0, MODES);
    tcase_add_loop_test(t, keys_after_use, 0, MODES);
    tcase_add_loop_test(t, region_registers, 0, MODES);
    tcase_add_loop_test(t, translation_off_and_on, 0, MODES);
    tcase_add_loop_test(t, purges, 0, MODES);
    tcase_add_loop_test(t, insertions, 0, MODES);
    tcase_add_test(t, eviction);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return harness_suites(suite);
}
