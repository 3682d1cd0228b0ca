/* Creation, reset and the register view of a processor (cpu.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "alat.h"
#include "dahr.h"
#include "interp.h"
#include "jit.h"
#include "lockstep.h"
#include "mail.h"
#include "pmu.h"
#include "rse.h"
#include "sapic.h"

/* CPUID registers (SDM 1:3.1.11): vendor, version word (archrev, family, model, revision, number of
 * the largest register), features. */
struct identity {
    uint64_t version, features;
};

#define CPUID_LB  1ull         /* brl */
#define CPUID_SD  2ull         /* spontaneous deferral */
#define CPUID_AO  4ull         /* 16-byte atomic operations */
#define CPUID_RU  8ull         /* ar.ruc */
#define CPUID_CZ  (1ull << 32) /* clz */
#define CPUID_MPY (1ull << 33) /* mpy4, mpyshl4 */

static const struct identity identities[] = {
    [CPU_MADISON] = {0x000000001f020104ull, CPUID_LB},
    [CPU_MONTECITO] = {0x0000000020000704ull, CPUID_LB | CPUID_AO},
    [CPU_POULSON] = {0x0000000021000404ull, CPUID_LB | CPUID_AO | CPUID_RU | CPUID_CZ | CPUID_MPY},
};

static void set_identity(struct cpu *c)
{
    memcpy(c->cpuid, "GenuineIntel\0\0\0", 16);
    c->cpuid[3] = identities[c->model].version;
    c->cpuid[4] = identities[c->model].features;
}

/* Writes to pages with decoded code: the default for a machine of one processor. */
static void code_written(void *opaque, uint64_t page)
{
    block_invalidate_page(opaque, page);
}

struct cpu *cpu_new(unsigned id, enum cpu_model model, struct mem *mem)
{
    struct cpu *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->id = id;
    c->model = model;
    c->mem = mem;
    c->tlb = tlb_new();
    c->stlb = calloc(1, sizeof *c->stlb);
    c->gens = code_gens_new();
    c->blocks = c->gens ? blockcache_new(c) : NULL;
    if (!c->tlb || !c->stlb || !c->blocks) {
        cpu_free(c);
        return NULL;
    }
    mem_set_code_hook(mem, code_written, c);
    cpu_reset(c);
    return c;
}

bool cpu_enable_jit(struct cpu *c)
{
    c->jit = jit_new();
    c->jit_hot = JIT_HOT;
    return c->jit != NULL;
}

int cpu_enable_shared(struct cpu *c)
{
    return mail_open(c);
}

int cpu_jit_perf_map(struct cpu *c)
{
    return c->jit ? jit_perf_map(c->jit) : 0;
}

int cpu_jit_dump(struct cpu *c, uint64_t addr)
{
    return c->jit ? jit_dump_at(c->jit, addr) : 0;
}

bool cpu_enable_lockstep(struct cpu *c)
{
    c->lock = lockstep_new(c);
    return c->lock != NULL;
}

bool cpu_lockstep_failed(const struct cpu *c)
{
    return c->lock && c->lock->failed;
}

void cpu_free(struct cpu *c)
{
    if (!c)
        return;
    lockstep_free(c->lock);
    tlb_free(c->tlb);
    blockcache_free(c->blocks);
    jit_free(c->jit);
    mail_close(c);
    free(c->dahs);
    free(c->stlb);
    free(c->gens);
    free(c);
}

static void clear_registers(struct cpu *c)
{
    memset(c->gr, 0, sizeof c->gr);
    memset(c->nat, 0, sizeof c->nat);
    memset(c->bank_gr, 0, sizeof c->bank_gr);
    memset(c->bank_nat, 0, sizeof c->bank_nat);
    memset(c->br, 0, sizeof c->br);
    memset(c->fr, 0, sizeof c->fr);
    memset(c->cr, 0, sizeof c->cr);
    memset(c->kr, 0, sizeof c->kr);
    memset(c->ar_ia32, 0, sizeof c->ar_ia32);
    memset(c->dbr, 0, sizeof c->dbr);
    memset(c->ibr, 0, sizeof c->ibr);
    memset(c->pmc, 0, sizeof c->pmc);
    memset(c->pmd, 0, sizeof c->pmd);
    memset(c->stk, 0, sizeof c->stk);
    memset(c->stk_nat, 0, sizeof c->stk_nat);
    memset(c->fr_dbl, 0, sizeof c->fr_dbl);
    memset(c->fr_lazy, 0, sizeof c->fr_lazy);
    c->fr[1] = (struct fpreg){1ull << 63, FP_EXP_BIAS, 0};
    c->fd[1] = 0x3ff0000000000000ull;
    c->pr = 1;
    c->lc = c->ec = c->ccv = c->unat = c->csd = c->ssd = c->pfs = 0;
    c->fpsr = 0x9804c0270033full;
}

void cpu_reset(struct cpu *c)
{
    clear_registers(c);
    c->gr_base[0] = c->gr;
    c->nat_base[0] = c->nat;
    c->rsc = 0;
    c->stk_shift = 0;
    rse_reset(c);
    memset(&c->tr, 0, sizeof c->tr);
    c->tr.dbr = c->dbr;
    for (unsigned n = 0; n < TLB_RR_COUNT; n++)
        c->tr.rr[n] = 12 << 2;
    tlb_reset(c->tlb);
    alat_clear(c);
    dahr_reset(c);
    sapic_reset(c);
    c->psr = c->key_context = 0;
    c->icount = c->iipa = 0;
    c->budget = c->budget_full = 0;
    c->exit_request = false;
    c->nat_seen = false;
    c->ip = 0;
    c->halted = c->stop = c->yield = c->pausing = c->init_pending = c->pmu_active = false;
    c->iipa = 0;
    c->itc_offset = 0;
    if (!c->itc_hz)
        c->itc_hz = 400000000;
    c->last_vector = -1;
    set_identity(c);
    c->rr_dirty = 0;
    stlb_switch(c);
    stlb_flush(c);
    block_flush_lookup(c);
    cpu_set_psr(c, PSR_BN);
}

void cpu_set_hooks(struct cpu *c, const struct cpu_hooks *hooks)
{
    c->hooks = *hooks;
}

void cpu_set_firmware_range(struct cpu *c, uint64_t lo, uint64_t hi)
{
    c->fw_lo = lo;
    c->fw_hi = hi;
}

/* --- general registers --- */

uint64_t cpu_gr(const struct cpu *c, unsigned n)
{
    return gr_get(c, n, true);
}

bool cpu_gr_nat(const struct cpu *c, unsigned n)
{
    return gr_nat(c, n, true);
}

void cpu_set_gr(struct cpu *c, unsigned n, uint64_t value)
{
    if (n != 0)
        gr_set(c, n, value, false, true);
}

void cpu_set_gr_nat(struct cpu *c, unsigned n, bool nat)
{
    if (n == 0)
        return;
    n = gr_phys(c, n, true);
    c->nat_base[n >> 5][n] = nat;
    if (nat)
        c->nat_seen = true;
}

void gr_set_nat(struct cpu *c, unsigned n, uint64_t v)
{
    cpu_set_gr(c, n, v);
    cpu_set_gr_nat(c, n, true);
}

/* --- floating point, predicates --- */

struct fpreg cpu_fr(const struct cpu *c, unsigned n)
{
    return *fr_get(c, n, true);
}

void cpu_set_fr(struct cpu *c, unsigned n, struct fpreg v)
{
    if (n >= 2)
        fr_put(c, fr_phys(c, n, true), v);
}

void cpu_settle_fr(struct cpu *c)
{
    for (unsigned n = 2; n < 128; n++)
        if (fr_is_away(c, n))
            fr_settle(c, n);
}

bool cpu_pr(const struct cpu *c, unsigned n)
{
    return pr_get(c, n, true);
}

uint64_t cpu_pr_all(const struct cpu *c)
{
    return c->pr;
}

void cpu_set_pr_all(struct cpu *c, uint64_t v)
{
    c->pr = v | 1;
}

/* --- frame marker and PSR --- */

/* CFM layout: sof 6:0, sol 13:7, sor 17:14, rrb.gr 24:18, rrb.fr 31:25, rrb.pr 37:32 (SDM 1:3.1.7).
 */
uint64_t cpu_cfm(const struct cpu *c)
{
    const struct cfm *f = &c->cfm;

    return f->sof | (uint64_t)f->sol << 7 | (uint64_t)(f->sor / 8) << 14 |
           (uint64_t)f->rrb_gr << 18 | (uint64_t)f->rrb_fr << 25 | (uint64_t)f->rrb_pr << 32;
}

/* Values no real frame can have are cut to size: what they do is undefined (SDM 1:3.1.7). */
void cpu_set_cfm(struct cpu *c, uint64_t v)
{
    unsigned sof = v & 0x7f, sol = v >> 7 & 0x7f, sor = (v >> 14 & 0xf) * 8;
    unsigned gr = v >> 18 & 0x7f, fr = v >> 25 & 0x7f, pr = v >> 32 & 0x3f;

    if (sof > CPU_PHYS_STACKED)
        sof = CPU_PHYS_STACKED;
    if (sol > sof)
        sol = sof;
    if (sor > sof)
        sor = sof & ~7u;
    c->cfm = (struct cfm){
        .sof = (uint8_t)sof,
        .sol = (uint8_t)sol,
        .sor = (uint8_t)sor,
        .rrb_gr = (uint8_t)(gr < sor ? gr : 0),
        .rrb_fr = (uint8_t)(fr < 96 ? fr : 0),
        .rrb_pr = (uint8_t)(pr < 48 ? pr : 0),
    };
    rse_frame_changed(c);
}

static void switch_bank(struct cpu *c)
{
    for (unsigned k = 0; k < 16; k++) {
        uint64_t v = c->gr[16 + k];
        uint8_t n = c->nat[16 + k];

        c->gr[16 + k] = c->bank_gr[k];
        c->nat[16 + k] = c->bank_nat[k];
        c->bank_gr[k] = v;
        c->bank_nat[k] = n;
    }
}

void cpu_set_psr(struct cpu *c, uint64_t psr)
{
    pmu_sync(c, 0);
    if (~c->psr & psr & PSR_IC)
        c->iipa = c->cr[CR_IIPA]; /* not tracked while PSR.ic was 0 (SDM 2:3.3.5.6) */
    if ((c->psr ^ psr) & PSR_BN)
        switch_bank(c);
    if ((c->psr ^ psr) & PSR_PK)
        stlb_flush(c);
    c->psr = psr;
    c->key_context = (psr >> PSR_CPL_SHIFT & 3) | (psr & PSR_IT ? 4 : 0);
    if (c->rr_dirty) {
        stlb_switch(c);
        c->rr_dirty = 0;
    }
    cpu_update_context(c);
}

void cpu_firmware_return(struct cpu *c, bool pop_frame)
{
    c->ip = c->br[0] & ~15ull;
    c->psr &= ~PSR_RI;
    if (pop_frame) {
        c->ec = c->pfs >> 52 & 0x3f;
        rse_return(c, c->pfs & 0x3fffffffffull, CFM_SOL(c->pfs));
        if (!rse_complete(c))
            return;
    }
    cpu_update_mode(c);
}

/* --- memory as the guest sees it --- */

static int virt_page(struct cpu *c, uint64_t va, unsigned acc, uint64_t *pa)
{
    struct tlb_result t;

    c->tr.psr = c->psr | PSR_IC;
    if (tlb_translate(c->tlb, c->mem, &c->tr, va, acc, cpu_cpl(c), &t) != TLB_OK)
        return -EFAULT;
    *pa = t.pa;
    return 0;
}

static uint64_t piece(uint64_t va, uint64_t len)
{
    uint64_t left = MEM_PAGE_SIZE - (va & (MEM_PAGE_SIZE - 1));

    return len < left ? len : left;
}

int cpu_virt_read(struct cpu *c, uint64_t va, void *buf, uint64_t len)
{
    uint8_t *p = buf;

    while (len > 0) {
        uint64_t n = piece(va, len), pa;

        if (virt_page(c, va, ACC_READ, &pa) || mem_dma_read(c->mem, pa, p, n))
            return -EFAULT;
        va += n;
        p += n;
        len -= n;
    }
    return 0;
}

int cpu_virt_write(struct cpu *c, uint64_t va, const void *buf, uint64_t len)
{
    const uint8_t *p = buf;

    while (len > 0) {
        uint64_t n = piece(va, len), pa;

        if (virt_page(c, va, ACC_WRITE, &pa) || mem_dma_write(c->mem, pa, p, n))
            return -EFAULT;
        va += n;
        p += n;
        len -= n;
    }
    return 0;
}
