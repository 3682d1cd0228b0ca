/* Control and data speculation: which instructions pass NaT bits on and which fault (SDM 1:4.4.4
 * and the instruction pages), when speculative loads defer (2:5.5.5), and what the ALAT may not
 * keep (1:4.4.5, 2:6.9). NaT bits are made in every way there is, also in the middle of a block
 * that was decoded for registers without any. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "../cpu/alat.h"
#include "../cpu/interp.h"
#include "cpu_harness.h"

#define BAD_ADDRESS 0x0008000000000000ull /* unimplemented physical address: always deferred */
#define DEVICE      0x20000000ull
#define DATA_VA     0x2000000000000000ull /* region 1 */
#define CODE_VA     0x4000000000000000ull /* region 2 */
#define TARGET      (HARNESS_CODE + 0x800)

static void poke(struct harness *h, uint64_t pa, uint64_t v)
{
    ck_assert(mem_write(h->m, pa, 8, v));
}

/* --- NaT bits --- */

/* How r14 becomes a NaT. */
static const char *const sources[] = {
    "nop.m 0",            /* before the code starts */
    "ld8.s r14=[r9]",     /* deferred in the block */
    "ld8.fill r14=[r15]", /* AR.UNAT bit */
    "getf.sig r14=f6",    /* NaTVal */
    "ld4.sa r14=[r9],8",  /* with base update */
    "ld8.s r13=[r9] ;; add r14=r13,r15",
    "ld8 r13=[r15],r8 ;; mov r14=r15 ;; movl r15=0x300000",
    "nop.m 0 ;; nop.m 0 ;; mov r14=r32", /* filled by the RSE */
};
#define SOURCES 8

enum nat_result {
    NAT_R8,   /* r8 is NaT afterwards */
    CLEAN_R8, /* r8 is not */
    NAT_R15,  /* r15 is NaT, no fault */
    NAT_R14,  /* r14 still is, no fault */
    NAT_F7,   /* f7 is NaTVal */
    BOTH_0,   /* p6 and p7, 1 before, are 0 */
    BOTH_1,   /* p6 and p7 stay 1 */
    P6_1,     /* p6 1, p7 0 */
    P7_1,
    GONE,  /* branched to the target */
    FAULT, /* Register NaT Consumption with these ISR bits */
};

static const struct {
    const char *text;
    enum nat_result result;
    uint64_t isr;
} nats[] = {
    {"add r8=r14,r15", NAT_R8, 0},
    {"add r8=r15,r14", NAT_R8, 0},
    {"add r8=r14,r14,1", NAT_R8, 0},
    {"sub r8=r14,r14", NAT_R8, 0},
    {"sub r8=5,r14", NAT_R8, 0},
    {"and r8=r14,r0", NAT_R8, 0},
    {"andcm r8=r0,r14", NAT_R8, 0},
    {"or r8=-1,r14", NAT_R8, 0},
    {"xor r8=r14,r14", NAT_R8, 0},
    {"shladd r8=r15,3,r14", NAT_R8, 0},
    {"addp4 r8=r14,r15", NAT_R8, 0},
    {"addp4 r8=7,r14", NAT_R8, 0},
    {"adds r8=7,r14", NAT_R8, 0},
    {"shl r8=r15,r14", NAT_R8, 0},
    {"shr r8=r14,r15", NAT_R8, 0},
    {"shr.u r8=r15,r14", NAT_R8, 0},
    {"shrp r8=r14,r15,9", NAT_R8, 0},
    {"extr r8=r14,3,9", NAT_R8, 0},
    {"extr.u r8=r14,3,9", NAT_R8, 0},
    {"dep r8=r14,r15,5,6", NAT_R8, 0},
    {"dep r8=r15,r14,5,6", NAT_R8, 0},
    {"dep r8=-1,r14,5,6", NAT_R8, 0},
    {"dep.z r8=r14,5,6", NAT_R8, 0},
    {"sxt2 r8=r14", NAT_R8, 0},
    {"zxt4 r8=r14", NAT_R8, 0},
    {"czx1.l r8=r14", NAT_R8, 0},
    {"popcnt r8=r14", NAT_R8, 0},
    {"padd2 r8=r14,r15", NAT_R8, 0},
    {"psub1 r8=r15,r14", NAT_R8, 0},
    {"pavg1 r8=r14,r15", NAT_R8, 0},
    {"pcmp4.eq r8=r14,r15", NAT_R8, 0},
    {"pmax2 r8=r14,r15", NAT_R8, 0},
    {"pmpy2.r r8=r15,r14", NAT_R8, 0},
    {"pmpyshr2 r8=r14,r15,7", NAT_R8, 0},
    {"psad1 r8=r14,r15", NAT_R8, 0},
    {"pshl2 r8=r15,r14", NAT_R8, 0},
    {"pshr4 r8=r14,3", NAT_R8, 0},
    {"pshladd2 r8=r14,1,r15", NAT_R8, 0},
    {"mux1 r8=r14,@rev", NAT_R8, 0},
    {"mix1.l r8=r14,r15", NAT_R8, 0},
    {"unpack1.h r8=r15,r14", NAT_R8, 0},
    {"pack2.sss r8=r14,r15", NAT_R8, 0},
    {"thash r8=r14", NAT_R8, 0},
    {"ttag r8=r14", NAT_R8, 0},
    {"mov r8=r14 ;; mov r8=r15", CLEAN_R8, 0},
    {"cmp.eq p6,p7=r14,r15", BOTH_0, 0},
    {"cmp.ltu p6,p7=r14,r14", BOTH_0, 0},
    {"cmp.eq.unc p6,p7=r14,r14", BOTH_0, 0},
    {"cmp4.eq p6,p7=3,r14", BOTH_0, 0},
    {"cmp.eq.and p6,p7=r0,r14", BOTH_0, 0},
    {"cmp.ne.and p6,p7=r15,r14", BOTH_0, 0},
    {"cmp.eq.or p6,p7=r0,r14", BOTH_1, 0},
    {"cmp.ne.or.andcm p6,p7=r0,r14", BOTH_1, 0},
    {"cmp.gt.and p6,p7=r0,r14", BOTH_0, 0},
    {"tbit.z p6,p7=r14,5", BOTH_0, 0},
    {"tbit.nz.unc p6,p7=r14,5", BOTH_0, 0},
    {"tbit.z.and p6,p7=r14,5", BOTH_0, 0},
    {"tbit.z.or p6,p7=r14,5", BOTH_1, 0},
    {"tnat.z p6,p7=r14", P7_1, 0},
    {"tnat.nz p6,p7=r14", P6_1, 0},
    {"tnat.z p6,p7=r15", P6_1, 0},
    {"tnat.z.and p6,p7=r14", BOTH_0, 0},
    {"chk.s.m r14,.+0x7e0 ;;", GONE, 0},
    {"chk.s.i r14,.+0x7e0 ;;", GONE, 0},
    {"setf.sig f7=r14", NAT_F7, 0},
    {"setf.exp f7=r14", NAT_F7, 0},
    {"setf.s f7=r14", NAT_F7, 0},
    {"setf.d f7=r14", NAT_F7, 0},
    {"ld8.s r8=[r14]", NAT_R8, 0},
    {"ld2.sa r8=[r14]", NAT_R8, 0},
    {"ld8.s r8=[r14],8", NAT_R14, 0},
    {"ldfd.s f7=[r14]", NAT_F7, 0},
    {"ldf8.sa f7=[r14],8", NAT_F7, 0},
    {"ldfps.s f7,f8=[r14]", NAT_F7, 0},
    {"ldfe.s f7=[r14],8", NAT_R14, 0},
    {"ld8 r8=[r15],r14", NAT_R15, 0},
    {"ld8.a r8=[r15],r14", NAT_R15, 0},
    {"ld8.fill r8=[r15],r14", NAT_R15, 0},
    {"ldfs f7=[r15],r14", NAT_R15, 0},
    {"ldf.fill f7=[r15],r14", NAT_R15, 0},
    {"lfetch [r15],r14", NAT_R15, 0},
    {"lfetch.fault [r15],r14", NAT_R15, 0},
    {"lfetch [r14]", NAT_R14, 0},
    {"lfetch [r14],16", NAT_R14, 0},
    {"lfetch.fault [r14]", FAULT, ISR_R | ISR_NA | 4},
    {"ld1 r8=[r14]", FAULT, ISR_R},
    {"ld8 r8=[r14],8", FAULT, ISR_R},
    {"ld8.acq r8=[r14]", FAULT, ISR_R},
    {"ld8.a r8=[r14]", FAULT, ISR_R},
    {"ld8.c.clr r8=[r14]", FAULT, ISR_R},
    {"ld8.c.nc r8=[r14],r15", FAULT, ISR_R},
    {"ld8.fill r8=[r14]", FAULT, ISR_R},
    {"ld16 r8=[r14]", FAULT, ISR_R},
    {"ldfd f7=[r14]", FAULT, ISR_R},
    {"ldfpd f7,f8=[r14]", FAULT, ISR_R},
    {"ldf.fill f7=[r14]", FAULT, ISR_R},
    {"ldfe.a f7=[r14]", FAULT, ISR_R},
    {"st4 [r14]=r15", FAULT, ISR_W},
    {"st1 [r15]=r14", FAULT, ISR_W},
    {"st8.rel [r15]=r14,8", FAULT, ISR_W},
    {"st8.spill [r14]=r15", FAULT, ISR_W},
    {"st16 [r14]=r15", FAULT, ISR_W},
    {"st16 [r15]=r14", FAULT, ISR_W},
    {"stfd [r14]=f1", FAULT, ISR_W},
    {"stfe [r14]=f1,8", FAULT, ISR_W},
    {"stf.spill [r14]=f6", FAULT, ISR_W},
    {"stfd [r15]=f6", FAULT, ISR_W},
    {"stf8 [r15]=f6", FAULT, ISR_W},
    {"stfe [r15]=f6", FAULT, ISR_W},
    {"xchg8 r8=[r14],r15", FAULT, ISR_R | ISR_W},
    {"xchg8 r8=[r15],r14", FAULT, ISR_R | ISR_W},
    {"cmpxchg4.acq r8=[r14],r15", FAULT, ISR_R | ISR_W},
    {"cmpxchg4.rel r8=[r15],r14", FAULT, ISR_R | ISR_W},
    {"cmp8xchg16.acq r8=[r15],r14", FAULT, ISR_R | ISR_W},
    {"fetchadd8.acq r8=[r14],1", FAULT, ISR_R | ISR_W},
    {"mov b6=r14", FAULT, 0},
    {"mov pr=r14,-1", FAULT, 0},
    {"mov ar.lc=r14", FAULT, 0},
    {"mov ar.ccv=r14", FAULT, 0},
    {"mov ar.pfs=r14", FAULT, 0},
    {"mov psr.um=r14", FAULT, 0},
    {"mov psr.l=r14", FAULT, 0},
    {"mov cr.dcr=r14", FAULT, 0},
    {"mov rr[r14]=r15", FAULT, 0},
    {"mov rr[r15]=r14", FAULT, 0},
    {"mov pkr[r15]=r14", FAULT, 0},
    {"mov r8=cpuid[r14]", FAULT, 0},
    {"mov r8=rr[r14]", FAULT, 0},
    {"ptc.l r14,r15", FAULT, 0},
    {"ptc.e r14", FAULT, 0},
    {"ptr.d r15,r14", FAULT, 0},
    {"tpa r8=r14", FAULT, ISR_NA},
    {"tak r8=r14", FAULT, ISR_NA | 3},
    {"probe.r r8=r14,0", FAULT, ISR_NA | ISR_R | 2},
    {"probe.w r8=r15,r14", FAULT, ISR_NA | ISR_W | 2},
    {"probe.rw.fault r14,0", FAULT, ISR_NA | ISR_R | ISR_W | 5},
    {"fc r14", FAULT, ISR_NA | ISR_R | 1},
};

/* r15: data, r9: an address that defers, r8: 8 (a NaT for one source), f6: NaTVal. */
static struct harness *nat_start(unsigned source)
{
    struct harness *h = harness_start(0);
    struct cpu *c = h->c;

    cpu_set_cfm(c, 4);
    cpu_set_gr(c, 9, BAD_ADDRESS);
    cpu_set_gr(c, 15, HARNESS_DATA);
    cpu_set_gr(c, 8, 8);
    cpu_set_fr(c, 6, fp_natval());
    cpu_set_pr_all(c, 0xc1);
    c->unat = 1;
    if (source == 0)
        cpu_set_gr_nat(c, 14, true);
    if (source == 6)
        cpu_set_gr_nat(c, 8, true);
    if (source == 7) { /* a frame that comes from the backing store */
        poke(h, HARNESS_BSP - 8, 1ull << 62);
        poke(h, HARNESS_BSP - 16, 77);
        c->rnat = 1ull << 62;
        c->pfs = 1 | 1 << 7;
        c->bsp = c->bspstore = HARNESS_BSP + 8 * 63 + 8;
        poke(h, HARNESS_BSP + 8 * 63, 1ull << 62);
        c->br[6] = HARNESS_CODE + 0x40;
        cpu_set_cfm(c, 0);
    }
    cpu_update_mode(c);
    harness_asm(h, HARNESS_CODE, source == 7 ? "br.ret.sptk b6 ;;" : "br.sptk .+0x40 ;;");
    return h;
}

static void check_nat(struct harness *h, unsigned k, int vector)
{
    struct cpu *c = h->c;
    struct fpreg f7 = cpu_fr(c, 7);
    uint64_t pr = cpu_pr_all(c) & 0xc0;
    bool ok = vector == HARNESS_END;

    switch (nats[k].result) {
    case NAT_R8:
        ok = ok && cpu_gr_nat(c, 8);
        break;
    case CLEAN_R8:
        ok = ok && !cpu_gr_nat(c, 8);
        break;
    case NAT_R15:
        ok = ok && cpu_gr_nat(c, 15);
        break;
    case NAT_R14:
        ok = ok && cpu_gr_nat(c, 14);
        break;
    case NAT_F7:
        ok = ok && fp_is_natval(&f7);
        break;
    case BOTH_0:
        ok = ok && pr == 0;
        break;
    case BOTH_1:
        ok = ok && pr == 0xc0;
        break;
    case P6_1:
        ok = ok && pr == 0x40;
        break;
    case P7_1:
        ok = ok && pr == 0x80;
        break;
    case GONE:
        ok = ok && h->end >= TARGET;
        break;
    case FAULT:
        ok = vector == VEC_NAT && (c->cr[CR_ISR] & ~(3ull << ISR_EI_SHIFT)) == (nats[k].isr | 0x10);
    }
    ck_assert_msg(ok, "%s: vector %x isr %llx pr %llx", nats[k].text, (unsigned)vector,
                  (unsigned long long)c->cr[CR_ISR], (unsigned long long)pr);
}

/* 1:4.4.4.3, 1:4.4.4.4 and each instruction's page. Every source, in blocks and single steps. */
START_TEST(nat_sources)
{
    unsigned source = (unsigned)_i / 2;

    for (unsigned k = 0; k < sizeof nats / sizeof *nats; k++) {
        struct harness *h = nat_start(source);
        uint64_t at = harness_asm(h, HARNESS_CODE + 0x40, sources[source]);

        h->stepwise = _i & 1;
        /* the chk.s cases jump 0x7e0 ahead: keep the distance the same for all sources */
        harness_asm(h, HARNESS_CODE + 0x7c0, "nop.m 0");
        for (uint64_t a = TARGET; a < TARGET + 0x100; a += 16)
            harness_asm(h, a, "nop.m 0");
        harness_asm(h, at, nats[k].text);
        harness_goto(h, HARNESS_CODE, 0);
        check_nat(h, k, harness_run(h));
        harness_free(h);
    }
}
END_TEST

/* 3:st8.spill, 3:ld8.fill: the UNAT bit is the one of address bits 8:3. */
START_TEST(spill_and_fill)
{
    struct harness *h = harness_start(0);
    struct cpu *c = h->c;

    for (unsigned k = 0; k < 64; k++) {
        uint64_t other = 0x5a5a5a5aa5a5a5a5ull;

        cpu_set_gr(c, 15, HARNESS_DATA + 0x200 + 8 * k);
        cpu_set_gr(c, 16, other);
        cpu_set_gr(c, 14, 0x1234 + k);
        cpu_set_gr_nat(c, 14, k % 3 == 0);
        cpu_update_mode(c);
        ck_assert_int_eq(harness_exec(h, "mov ar.unat=r16 ;;\n st8.spill [r15]=r14,8 ;;\n"
                                         "mov r17=ar.unat\n adds r15=-8,r15 ;;\n"
                                         "ld8.fill r18=[r15] ;;\n tnat.nz p6,p7=r18"),
                         HARNESS_END);
        ck_assert_uint_eq(harness_word(h, HARNESS_DATA + 0x200 + 8 * k), 0x1234 + k);
        ck_assert_uint_eq(cpu_gr(c, 17), (other & ~(1ull << k)) | (uint64_t)(k % 3 == 0) << k);
        ck_assert_int_eq(cpu_pr(c, 6), k % 3 == 0);
        ck_assert_uint_eq(cpu_gr(c, 18), 0x1234 + k);
    }
    harness_free(h);
}
END_TEST

/* A call out of a rotated loop runs in the mode of its time, not in that of the first call. */
START_TEST(calls_from_rotated_code)
{
    struct harness *h = harness_start(0);

    cpu_set_gr(h->c, 9, BAD_ADDRESS);
    ck_assert_int_eq(harness_exec(h, "alloc r2=ar.pfs,0,16,0,8\n mov ar.lc=1\n mov ar.ec=1\n"
                                     "mov r20=0\n mov r14=0 ;;\n"
                                     "1: br.ctop.sptk 1b ;;\n"
                                     "mov ar.lc=5\n mov r22=0 ;;\n"
                                     "2: br.call.sptk b0=3f ;;\n add r22=1,r22 ;;\n"
                                     "cmp.eq p10,p0=3,r22 ;;\n (p10) ld8.s r14=[r9]\n"
                                     "br.cloop.sptk 2b ;;\n"
                                     "br.sptk 4f ;;\n"
                                     "3: tnat.nz p6,p7=r14 ;;\n (p6) add r20=1,r20\n"
                                     "br.ret.sptk b0 ;;\n"
                                     "4: nop.m 0"),
                     HARNESS_END);
    ck_assert_uint_eq(cpu_gr(h->c, 20), 3);
    harness_free(h);
}
END_TEST

/* NaT bits belong to banks (2:3.3.7); and fast handlers come back when no NaT is left. */
START_TEST(banks_and_recovery)
{
    struct harness *h = harness_start(0);

    h->stepwise = _i;
    cpu_set_gr(h->c, 9, BAD_ADDRESS);
    ck_assert_int_eq(harness_exec(h, "ld8.s r20=[r9] ;;\n bsw.0 ;;\n tnat.nz p6,p7=r20\n"
                                     "add r20=0,r0 ;;\n bsw.1 ;;\n tnat.nz p8,p9=r20\n"),
                     HARNESS_END);
    ck_assert(!cpu_pr(h->c, 6) && cpu_pr(h->c, 8));
    ck_assert(h->c->mode & 1);
    ck_assert_int_eq(harness_exec(h, "mov r20=0 ;;\n bsw.0 ;;\n bsw.1 ;;"), HARNESS_END);
    cpu_update_mode(h->c);
    ck_assert(!(h->c->mode & 1));
    harness_free(h);
}
END_TEST

/* --- deferral --- */

enum condition {
    C_NONE,
    C_MISS,
    C_NOT_PRESENT,
    C_KEY_MISS,
    C_KEY_PERM,
    C_RIGHTS,
    C_ACCESS_BIT,
    C_DEBUG,
    C_UNALIGNED,
    C_UNIMPLEMENTED,
    C_NATPAGE,
    C_UC,
    CONDITIONS
};

static const struct {
    uint64_t pte, dcr;
    bool always; /* deferred whatever the controls are (2:5.5.5) */
    int vector;
} conditions[] = {
    [C_NONE] = {HARNESS_PTE(3, 3), 0, false, HARNESS_END},
    [C_MISS] = {0, DCR_DM, false, VEC_ALT_DTLB},
    [C_NOT_PRESENT] = {HARNESS_PTE(3, 3) & ~1ull, DCR_DP, false, VEC_NOT_PRESENT},
    [C_KEY_MISS] = {HARNESS_PTE(3, 3), DCR_DK, false, VEC_DKEY_MISS},
    [C_KEY_PERM] = {HARNESS_PTE(3, 3), DCR_DX, false, VEC_KEY_PERM},
    [C_RIGHTS] = {HARNESS_PTE(0, 0), DCR_DR, false, VEC_DACCESS},
    [C_ACCESS_BIT] = {HARNESS_PTE(3, 3) & ~0x20ull, DCR_DA, false, VEC_DACCESS_BIT},
    [C_DEBUG] = {HARNESS_PTE(3, 3), DCR_DD, false, VEC_DEBUG},
    [C_UNALIGNED] = {HARNESS_PTE(3, 3), 0, false, VEC_UNALIGNED},
    [C_UNIMPLEMENTED] = {0, 0, true, VEC_GENEX},
    [C_NATPAGE] = {HARNESS_PTE(3, 3) | MA_NATPAGE << 2, 0, true, VEC_NAT},
    [C_UC] = {HARNESS_PTE(3, 3) | MA_UC << 2, 0, true, VEC_UNSUPPORTED},
};

/* Code in region 2 whose page says whether there is recovery code, data in region 1. */
static struct harness *deferral_start(enum condition k, bool ed, uint64_t dcr)
{
    struct harness *h = harness_start(0);
    struct cpu *c = h->c;

    c->tr.rr[1] = 5 << 8 | 12 << 2;
    c->tr.rr[2] = 6 << 8 | 12 << 2;
    harness_virtual(h, 3, 3);
    harness_map(h, TLB_INST, CODE_VA, 0, 24, HARNESS_PTE(3, 3) | (ed ? 1ull << 52 : 0));
    if (conditions[k].pte)
        harness_map(h, TLB_DATA, DATA_VA, HARNESS_DATA, 12, conditions[k].pte);
    c->cr[CR_DCR] = c->tr.dcr = dcr;
    cpu_set_gr(c, 14, k == C_UNALIGNED ? DATA_VA + 3 : DATA_VA);
    if (k == C_KEY_MISS || k == C_KEY_PERM)
        harness_psr(h, PSR_PK, 0);
    if (k == C_DEBUG) {
        c->dbr[0] = DATA_VA;
        c->dbr[1] = ~0ull >> 8 | 0xfull << 56 | 1ull << 63;
        harness_psr(h, PSR_DB, 0);
    }
    return h;
}

static const struct {
    const char *text;
    bool fp;
} spec_loads[] = {
    {"{ .mmi\n ld8.s r8=[r14],16\n nop.m 0\n nop.i 0 ;; }", false},
    {"{ .mmi\n nop.m 0\n ld4.sa r8=[r14],16\n nop.i 0 ;; }", false},
    {"{ .mmi\n ldfd.s f7=[r14],16\n nop.m 0\n nop.i 0 ;; }", true},
    {"{ .mmi\n ldfpd.sa f7,f8=[r14],16\n nop.m 0\n nop.i 0 ;; }", true},
};

static void check_deferral(enum condition k, unsigned load, unsigned how)
{
    bool ic = how & 1, it = how & 2, ed = how & 4, bit = how & 8, psr_ed = how & 16;
    uint64_t dcr = bit ? conditions[k].dcr : (0x7f00 & ~conditions[k].dcr);
    struct harness *h;
    bool wanted, deferred;
    struct fpreg f;
    int v;

    h = deferral_start(k, ed, dcr);
    /* the code and the tables of the harness have key 0 */
    h->c->tr.pkr[0] = k == C_KEY_PERM ? 1 | 4 : 1;
    if (k == C_KEY_MISS) {
        cpu_remote_purge(h->c, DATA_VA, 12, 5);
        ck_assert_int_eq(tlb_insert_tc(h->c->tlb, TLB_DATA, DATA_VA,
                                       HARNESS_DATA | conditions[k].pte, 77 << 8 | 12 << 2,
                                       &h->c->tr, NULL),
                         0);
    }
    if (k == C_UNIMPLEMENTED) {
        harness_psr(h, 0, PSR_DT);
        cpu_set_gr(h->c, 14, BAD_ADDRESS);
    }
    harness_psr(h, (k == C_UNALIGNED ? PSR_AC : 0) | (psr_ed ? PSR_ED : 0),
                (ic ? 0 : PSR_IC) | (it ? 0 : PSR_IT));
    if (k == C_RIGHTS) /* a page of level 0, read from level 3 */
        harness_cpl(h, 3);
    wanted = conditions[k].always || !ic || psr_ed ||
             (it && ed && (k == C_UNALIGNED || (dcr & conditions[k].dcr)));
    if (k == C_NONE)
        wanted = psr_ed;
    harness_asm(h, HARNESS_CODE, spec_loads[load].text);
    harness_goto(h, it ? CODE_VA + HARNESS_CODE : HARNESS_CODE, load == 1 && psr_ed);
    v = harness_run(h);
    f = cpu_fr(h->c, 7);
    deferred = spec_loads[load].fp ? fp_is_natval(&f) : cpu_gr_nat(h->c, 8);
    ck_assert_msg(v == (wanted ? HARNESS_END : conditions[k].vector) &&
                      (deferred == wanted || v != HARNESS_END),
                  "condition %u load %u ic %d it %d ed %d dcr %d psr.ed %d: vector %x", k, load, ic,
                  it, ed, bit, psr_ed, (unsigned)v);
    if (v != HARNESS_END) {
        ck_assert_uint_eq(h->c->cr[CR_ISR] & ~(3ull << ISR_EI_SHIFT),
                          ISR_R | ISR_SP | (it && ed ? ISR_ED : 0));
        ck_assert_uint_eq(harness_ei(h), load == 1 ? 1 : 0);
    } else {
        ck_assert_uint_eq(h->c->psr & PSR_ED, 0);
    }
    harness_free(h);
}

/* 2:5.5.5, tables 5-4 and 5-5. */
START_TEST(deferral)
{
    for (unsigned load = 0; load < 4; load++)
        for (unsigned how = 0; how < 32; how++)
            check_deferral((enum condition)_i, load, how);
}
END_TEST

static uint64_t device_reads;

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)opaque;
    (void)offset;
    (void)size;
    device_reads++;
    return 0x4141414141414141ull;
}

static void device_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)opaque;
    (void)offset;
    (void)value;
    (void)size;
}

/* 2:4.4.10, 3:ld, 3:ldf: speculative and advanced loads do not reach memory where loads have
 * effects: NaT, or zero and no ALAT entry. Check loads do. */
START_TEST(uncacheable_loads)
{
    struct harness *h = harness_start(0);
    struct cpu *c = h->c;
    struct fpreg f;

    h->stepwise = _i;
    device_reads = 0;
    ck_assert_int_eq(mem_add_device(h->m, DEVICE, 4096, NULL, device_read, device_write), 0);
    cpu_set_gr(c, 14, 1ull << 63 | DEVICE);
    cpu_set_gr(c, 8, 99);
    ck_assert_int_eq(harness_exec(h, "ld8.a r8=[r14]\n ld8.sa r9=[r14]\n ld8.s r10=[r14]\n"
                                     "ldfd.a f6=[r14]\n ldf8.a f7=[r14]\n ldfd.s f8=[r14] ;;\n"
                                     "lfetch [r14]\n lfetch.fault [r14]"),
                     HARNESS_END);
    ck_assert_uint_eq(device_reads, 0);
    ck_assert_uint_eq(cpu_gr(c, 8), 0);
    ck_assert(!cpu_gr_nat(c, 8) && cpu_gr_nat(c, 9) && cpu_gr_nat(c, 10));
    f = cpu_fr(c, 6);
    ck_assert(f.sig == 0 && f.exp == 0);
    f = cpu_fr(c, 7);
    ck_assert(f.sig == 0 && f.exp == FP_EXP_INT);
    f = cpu_fr(c, 8);
    ck_assert(fp_is_natval(&f));
    ck_assert_uint_eq(c->alat_used, 0);
    ck_assert_int_eq(harness_exec(h, "ld8.c.nc r8=[r14]\n ld2.c.clr r9=[r14]"), HARNESS_END);
    ck_assert_uint_eq(device_reads, 2);
    ck_assert_uint_eq(cpu_gr(c, 8), 0x4141414141414141ull);
    ck_assert_uint_eq(cpu_gr(c, 9), 0x4141);
    ck_assert_uint_eq(c->alat_used, 0);
    harness_free(h);
}
END_TEST

/* --- ALAT --- */

/* Whether r14's entry survives `text` (1: recovery was entered). r15: its address. */
#define SURVIVES(ld, text)                                                                         \
    "mov r8=0\n " ld " r14=[r15] ;;\n" text " ;;\n chk.a.nc r14,1f ;;\n br.sptk 2f ;;\n"           \
    "1: mov r8=1 ;;\n 2: nop.m 0"

/* 1:4.4.5.3.2: stores that overlap the location, of every size at every distance. */
START_TEST(overlapping_stores)
{
    static const char *const text[4][4] = {
        {SURVIVES("ld1.a", "st1 [r16]=r17"), SURVIVES("ld1.a", "st2 [r16]=r17"),
         SURVIVES("ld1.a", "st4 [r16]=r17"), SURVIVES("ld1.a", "st8 [r16]=r17")},
        {SURVIVES("ld2.a", "st1 [r16]=r17"), SURVIVES("ld2.a", "st2 [r16]=r17"),
         SURVIVES("ld2.a", "st4 [r16]=r17"), SURVIVES("ld2.a", "st8 [r16]=r17")},
        {SURVIVES("ld4.a", "st1 [r16]=r17"), SURVIVES("ld4.a", "st2 [r16]=r17"),
         SURVIVES("ld4.a", "st4 [r16]=r17"), SURVIVES("ld4.a", "st8 [r16]=r17")},
        {SURVIVES("ld8.a", "st1 [r16]=r17"), SURVIVES("ld8.a", "st2 [r16]=r17"),
         SURVIVES("ld8.a", "st4 [r16]=r17"), SURVIVES("ld8.a", "st8 [r16]=r17")},
    };
    unsigned ls = (unsigned)_i / 4, ss = (unsigned)_i % 4;
    int l = 1 << ls, s = 1 << ss;
    struct harness *h = harness_start(0);

    for (int at = -16; at <= 16; at++) {
        uint64_t a = HARNESS_DATA + 0xff8 + (uint64_t)(8 - l); /* up to a page's end */
        bool overlap = at < l && at + s > 0;

        cpu_set_gr(h->c, 15, a);
        cpu_set_gr(h->c, 16, a + (uint64_t)(int64_t)at);
        alat_clear(h->c);
        ck_assert_int_eq(harness_exec(h, text[ls][ss]), HARNESS_END);
        ck_assert_msg((cpu_gr(h->c, 8) == 1) == overlap, "load %d store %d at %d", l, s, at);
    }
    harness_free(h);
}
END_TEST

/* Everything else that ends an entry, and what does not. */
START_TEST(invalidation)
{
    static const struct {
        const char *text;
        bool gone;
    } t[] = {
        {SURVIVES("ld8.a", "nop.m 0"), false},
        {SURVIVES("ld8.sa", "nop.m 0"), false},
        {SURVIVES("ld8", "nop.m 0"), true},
        {SURVIVES("ld8.a", "xchg1 r9=[r15],r17"), true},
        {SURVIVES("ld8.a", "cmpxchg8.acq r9=[r15],r17"), true},
        {SURVIVES("ld8.a", "mov ar.ccv=r15 ;; cmpxchg8.acq r9=[r15],r17"), false},
        {SURVIVES("ld8.a", "fetchadd4.acq r9=[r15],4"), true},
        {SURVIVES("ld8.a", "adds r16=8,r15 ;; xchg8 r9=[r16],r17"), false},
        {SURVIVES("ld8.a", "st8.spill [r15]=r17"), true},
        {SURVIVES("ld8.a", "st16 [r15]=r17,ar.csd"), true},
        {SURVIVES("ld8.a", "cmp8xchg16.acq r9=[r16],r17,ar.csd,ar.ccv"), true},
        {SURVIVES("ld8.a", "stf.spill [r15]=f1"), true},
        {SURVIVES("ld8.a", "stfe [r15]=f1"), true},
        {SURVIVES("ld8.a", "stfs [r15]=f1"), true},
        {SURVIVES("ld8.a", "stfd [r16]=f1"), false},
        {SURVIVES("ld8.a", "invala"), true},
        {SURVIVES("ld8.a", "invala.e r14"), true},
        {SURVIVES("ld8.a", "invala.e r13"), false},
        {SURVIVES("ld8.a", "invala.e f14"), false},
        {SURVIVES("ld8.a", "mov r18=48 ;; ptc.ga r15,r18"), true},
        {SURVIVES("ld8.a", "ld8.c.nc r14=[r15]"), false},
        {SURVIVES("ld8.a", "ld8.c.clr r14=[r15]"), true},
        {SURVIVES("ld8.a", "ld8.c.clr.acq r14=[r15]"), true},
        {SURVIVES("ld8.a", "chk.a.nc r14,.+0"), false},
        {SURVIVES("ld8.a", "chk.a.clr r14,.+0"), true},
        {SURVIVES("ld8.a", "st8 [r15]=r17 ;; ld8.c.clr r14=[r15]"), true},
        {SURVIVES("ld8.a", "st8 [r15]=r17 ;; ld8.c.nc r14=[r15]"), false},
        {SURVIVES("ld8.a", "ld8.a r14=[r16] ;; st8 [r15]=r17"), false},
        {SURVIVES("ld8.a", "ld8.a r14=[r16] ;; st8 [r16]=r17"), true},
        {SURVIVES("ld8.a", "movl r9=0x0008000000000000 ;; ld8.sa r14=[r9]"), true},
        {SURVIVES("ld8.a", "ld8.a r13=[r16] ;; st8 [r16]=r17"), false},
    };

    for (unsigned k = 0; k < sizeof t / sizeof *t; k++) {
        struct harness *h = harness_start(0);

        h->stepwise = _i;
        cpu_set_gr(h->c, 15, HARNESS_DATA);
        cpu_set_gr(h->c, 16, HARNESS_DATA + 8);
        cpu_set_gr(h->c, 17, 7);
        ck_assert_msg(harness_exec(h, t[k].text) == HARNESS_END, "%s", t[k].text);
        ck_assert_msg((cpu_gr(h->c, 8) == 1) == t[k].gone, "%s", t[k].text);
        harness_free(h);
    }
}
END_TEST

/* The RSE's stores, DMA, other processors. */
START_TEST(invalidation_by_others)
{
    struct harness *h = harness_start(0);

    cpu_set_gr(h->c, 15, HARNESS_BSP + 8);
    cpu_set_cfm(h->c, 4);
    cpu_set_gr(h->c, 33, 5);
    ck_assert_int_eq(harness_exec(h, SURVIVES("ld8.a", "cover ;; flushrs")), HARNESS_END);
    ck_assert_uint_eq(cpu_gr(h->c, 8), 1);
    ck_assert_int_eq(harness_exec(h, "ld8.a r14=[r15]"), HARNESS_END);
    ck_assert_uint_eq(h->c->alat_used, 1);
    cpu_memory_written(h->c);
    ck_assert_uint_eq(h->c->alat_used, 0);
    ck_assert_int_eq(harness_exec(h, "ld8.a r14=[r15]"), HARNESS_END);
    cpu_remote_purge(h->c, HARNESS_BSP, 12, 0);
    ck_assert_uint_eq(h->c->alat_used, 0);
    harness_free(h);
}
END_TEST

/* 3:ld: what a check load gives on a hit and on a miss; the base update happens either way. */
START_TEST(check_loads)
{
    struct harness *h = harness_start(0);
    struct cpu *c = h->c;
    struct fpreg f;

    h->stepwise = _i;
    poke(h, HARNESS_DATA, 0x1111);
    poke(h, HARNESS_DATA + 8, 0x2222);
    cpu_set_gr(c, 15, HARNESS_DATA);
    cpu_set_gr(c, 16, 24);
    cpu_set_gr(c, 17, 0x3333);
    ck_assert_int_eq(
        harness_exec(h, "ld8.a r14=[r15] ;;\n mov r14=5\n mov r20=r15 ;;\n"
                        "ld8.c.nc r14=[r20],8 ;;\n mov r8=r14\n st8 [r15]=r17\n mov r21=r15 ;;\n"
                        "ld8.c.nc r14=[r21],r16 ;;\n mov r9=r14\n mov r14=6 ;;\n"
                        "ld8.c.clr r14=[r15] ;;\n mov r10=r14 ;;\n ld8.c.clr r14=[r15] ;;\n"
                        "mov r11=r14\n ldf8.a f6=[r15] ;;\n ldf8 f7=[r0] ;;\n"
                        "ldf8.c.nc f6=[r15],8 ;;\n"),
        HARNESS_END);
    ck_assert_uint_eq(cpu_gr(c, 8), 5);      /* hit: kept */
    ck_assert_uint_eq(cpu_gr(c, 9), 0x3333); /* miss: loaded, entry made */
    ck_assert_uint_eq(cpu_gr(c, 10), 6);     /* hit, cleared */
    ck_assert_uint_eq(cpu_gr(c, 11), 0x3333);
    ck_assert_uint_eq(cpu_gr(c, 20), HARNESS_DATA + 8);
    ck_assert_uint_eq(cpu_gr(c, 21), HARNESS_DATA + 24);
    f = cpu_fr(c, 6);
    ck_assert_uint_eq(f.sig, 0x3333);
    ck_assert_uint_eq(cpu_gr(c, 15), HARNESS_DATA + 8);
    harness_free(h);
}
END_TEST

/* 2:6.9: entries name physical registers: frames, rotation and banks do not confuse them, nor do
 * frames so deep that an internal number could come again. */
START_TEST(physical_registers)
{
    static const struct {
        const char *text;
        uint64_t r20;
    } t[] = {
        /* the callee's r32 is another register; the caller's entry is there on return */
        {"alloc r2=ar.pfs,0,4,0,0\n mov r20=0 ;;\n ld8.a r32=[r15] ;;\n br.call.sptk b0=1f ;;\n"
         "chk.a.nc r32,3f ;;\n add r20=2,r20 ;;\n br.sptk 3f ;;\n"
         "1: alloc r33=ar.pfs,0,4,0,0 ;;\n chk.a.nc r32,2f ;;\n add r20=1,r20 ;;\n"
         "2: br.ret.sptk b0 ;;\n 3: nop.m 0",
         2},
        /* out register: the same physical one under another name */
        {"alloc r2=ar.pfs,0,4,1,0\n mov r20=0 ;;\n ld8.a r36=[r15] ;;\n br.call.sptk b0=1f ;;\n"
         "br.sptk 3f ;;\n"
         "1: chk.a.nc r32,2f ;;\n add r20=1,r20 ;;\n"
         "2: br.ret.sptk b0 ;;\n 3: nop.m 0",
         1},
        /* rotation */
        {"alloc r2=ar.pfs,0,8,0,8\n mov r20=0\n mov ar.lc=1\n mov ar.ec=1 ;;\n"
         "ld8.a r32=[r15] ;;\n { .mib\n nop.m 0\n nop.i 0\n br.ctop.sptk 1f ;; }\n"
         "1: chk.a.nc r33,2f ;;\n add r20=1,r20 ;;\n 2: chk.a.nc r32,3f ;;\n add r20=2,r20 ;;\n"
         "3: nop.m 0",
         1},
        /* banks */
        {"mov r20=0 ;;\n ld8.a r21=[r15] ;;\n bsw.0 ;;\n mov r9=0 ;;\n chk.a.nc r21,1f ;;\n"
         "mov r9=1 ;;\n 1: bsw.1 ;;\n chk.a.nc r21,2f ;;\n add r20=2,r9 ;;\n 2: nop.m 0",
         2},
        /* 1024 frames of 8: two advanced loads that far apart */
        {"alloc r2=ar.pfs,0,0,1,0\n mov r20=0\n mov r32=1024 ;;\n br.call.sptk b0=1f ;;\n"
         "br.sptk 9f ;;\n"
         "1: alloc r34=ar.pfs,1,7,1,0\n mov r33=b0 ;;\n movl r8=1024 ;;\n"
         "cmp.eq p6,p0=r8,r32\n cmp.eq p7,p0=r0,r32 ;;\n"
         "(p6) ld8.a r35=[r15]\n (p7) ld8.a r35=[r16] ;;\n (p7) st8 [r15]=r17\n"
         "adds r40=-1,r32 ;;\n (p7) br.cond.sptk 2f ;;\n br.call.sptk b0=1b ;;\n"
         "movl r8=1024 ;;\n cmp.ne p6,p0=r8,r32 ;;\n (p6) br.cond.sptk 2f ;;\n"
         "chk.a.nc r35,2f ;;\n mov r20=1 ;;\n"
         "2: mov b0=r33\n mov ar.pfs=r34 ;;\n br.ret.sptk b0 ;;\n 9: nop.m 0",
         0},
    };

    for (unsigned k = 0; k < sizeof t / sizeof *t; k++) {
        struct harness *h = harness_start(0);

        h->stepwise = _i;
        cpu_set_gr(h->c, 15, HARNESS_DATA);
        cpu_set_gr(h->c, 16, HARNESS_DATA + 8);
        harness_asm(h, HARNESS_CODE, t[k].text);
        ck_assert_int_eq(harness_run_slots(h, 200000), HARNESS_END);
        ck_assert_msg(cpu_gr(h->c, 20) == t[k].r20, "case %u: %u", k, (unsigned)cpu_gr(h->c, 20));
        harness_free(h);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("speculation");
    TCase *t = tcase_create("speculation");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, nat_sources, 0, 2 * SOURCES);
    tcase_add_test(t, spill_and_fill);
    tcase_add_test(t, calls_from_rotated_code);
    tcase_add_loop_test(t, banks_and_recovery, 0, 2);
    tcase_add_loop_test(t, deferral, 0, CONDITIONS);
    tcase_add_loop_test(t, uncacheable_loads, 0, 2);
    tcase_add_loop_test(t, overlapping_stores, 0, 16);
    tcase_add_loop_test(t, invalidation, 0, 2);
    tcase_add_test(t, invalidation_by_others);
    tcase_add_loop_test(t, check_loads, 0, 2);
    tcase_add_loop_test(t, physical_registers, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return harness_suites(suite);
}
