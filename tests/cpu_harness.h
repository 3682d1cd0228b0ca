/* A processor with 16 MB of RAM for tests that run guest code.
 *
 * Tests write IA-64 assembly inline (harness_asm). The bytes come from tests/NAME.code, a file of
 * earlier results, or from ia64-linux-gnu-as when the text is not in there; run the program with
 * KITTSON_ASM_UPDATE=1 to add what is missing to the file. The interruption vector table at
 * HARNESS_IVA holds a firmware break in every vector, and so does every harness_asm text behind its
 * last bundle: a run ends there. Not for machines with devices or several processors.
 */
#ifndef KITTSON_TESTS_CPU_HARNESS_H
#define KITTSON_TESTS_CPU_HARNESS_H

#include <check.h>
#include "../cpu/cpu.h"

#define HARNESS_RAM  0x1000000ull
#define HARNESS_IVA  0x10000ull
#define HARNESS_CODE 0x100000ull /* cpu->ip after harness_new */
#define HARNESS_BSP  0x200000ull /* backing store after harness_new */
#define HARNESS_DATA 0x300000ull /* zeroed and never touched by the harness */
#define HARNESS_END  (-1)        /* harness_run: a break.b outside the vectors was reached */
#define HARNESS_OUT  (-2)        /* harness_run: out of slots */

struct harness {
    struct mem *m;
    struct cpu *c;
    uint64_t end;      /* ip of the break.b that ended the run */
    bool stepwise;     /* runs in budgets of one slot: no block is ever entered */
    unsigned inits;    /* INITs that the hook has seen */
    uint64_t mca_code; /* for tests of hooks: free use */
};

/* cpl 0, physical mode, PSR = ic | bn, bsp HARNESS_BSP, an empty frame, ip HARNESS_CODE. */
struct harness *harness_new(enum cpu_model model);
void harness_free(struct harness *h);

/* A Montecito for one run of a test: mode 1 is stepwise, others whole blocks. Translated when
 * harness_suites has come to that. */
struct harness *harness_start(int mode);
/* The 8 bytes at a physical address. */
uint64_t harness_word(struct harness *h, uint64_t pa);
/* Runs a suite twice: interpreted, and with every block translated when first entered. The exit
 * status. */
int harness_suites(Suite *(*make)(void));

/* Assembles text to addr and puts a break.b bundle behind it. Returns the address behind the text.
 * Bundles may be given explicitly ({ .mii ... }) or left to the assembler; dependencies are not
 * checked. */
uint64_t harness_asm(struct harness *h, uint64_t addr, const char *text);
/* One bundle from raw slots, for encodings that no assembler makes. No break.b follows. */
void harness_bundle(struct harness *h, uint64_t addr, unsigned tmpl, uint64_t s0, uint64_t s1,
                    uint64_t s2);

/* Runs from cpu->ip: the vector offset delivered (its handler has not run), HARNESS_END or
 * HARNESS_OUT. harness_run allows 10,000 slots. */
int harness_run(struct harness *h);
int harness_run_slots(struct harness *h, uint64_t slots);
/* Assembles at HARNESS_CODE, starts there (slot 0) and runs. */
int harness_exec(struct harness *h, const char *text);

/* Starts at a bundle and slot. */
void harness_goto(struct harness *h, uint64_t ip, unsigned slot);
/* Sets and clears PSR bits. */
void harness_psr(struct harness *h, uint64_t set, uint64_t clear);
void harness_cpl(struct harness *h, unsigned cpl);
/* Sets CFM (packed); the registers keep their physical places. */
void harness_cfm(struct harness *h, uint64_t cfm);
/* Maps all RAM one to one in region 0 (TR 0 of both sides, access rights ar, privilege pl; ar 3 pl
 * 3 allows everything to everybody) and turns translation on (PSR it, dt, rt). */
void harness_virtual(struct harness *h, unsigned ar, unsigned pl);
/* Inserts a translation va -> pa of 2^ps bytes into the TC of one side (TLB_DATA, TLB_INST) in the
 * region's current rid; pte bits besides the address as given. */
void harness_map(struct harness *h, enum tlb_side side, uint64_t va, uint64_t pa, unsigned ps,
                 uint64_t bits);
#define HARNESS_PTE(ar, pl) (0x61ull | (uint64_t)(pl) << 7 | (uint64_t)(ar) << 9) /* p a d WB */

/* ISR.ei of the last interruption; PSR bit tests read better with these. */
static inline unsigned harness_ei(const struct harness *h)
{
    return h->c->cr[CR_ISR] >> ISR_EI_SHIFT & 3;
}
static inline unsigned harness_ipsr_ri(const struct harness *h)
{
    return h->c->cr[CR_IPSR] >> PSR_RI_SHIFT & 3;
}

#endif
