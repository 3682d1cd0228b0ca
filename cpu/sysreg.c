/* System registers. See exec_sys.h; section numbers are of SDM volume 2. */
#include "exec_sys.h"
#include "sapic.h"

/* --- control registers (3.3.3, table 3-3) --- */

bool sys_cr_exists(unsigned n)
{
    switch (n) {
    case CR_DCR:
    case CR_ITM:
    case CR_IVA:
    case CR_PTA:
    case CR_IPSR:
    case CR_ISR:
    case CR_LRR0:
    case CR_LRR1:
        return true;
    default:
        return (n >= CR_IIP && n <= CR_IIB1) || (n >= CR_LID && n <= CR_CMCV);
    }
}

bool sys_cr_read_only(unsigned n)
{
    return n == CR_IVR || (n >= CR_IRR0 && n < CR_IRR0 + 4);
}

bool sys_cr_interruption(unsigned n)
{
    return n >= CR_IPSR && n <= CR_IIB1;
}

uint64_t sys_cr_read(struct cpu *c, unsigned n)
{
    if (n == CR_IVR)
        return sapic_read_ivr(c);
    if (n >= CR_IRR0 && n < CR_IRR0 + 4)
        return c->irr[n - CR_IRR0];
    return c->cr[n];
}

static bool vector_register_ok(uint64_t v)
{
    return !(v & 0x0e00) &&
           ((v & 0xff) >= 16 || (v & SAPIC_MASKED) || (v & 0xff) == 2 || !(v & 0xff));
}

static bool cr_value_ok(unsigned n, uint64_t v)
{
    switch (n) {
    case CR_DCR:
        return !(v & ~0x7f07ull);
    case CR_PTA: {
        unsigned size = v >> 2 & 0x3f;

        return !(v & 0x7e02) && size >= 15 && size <= 61;
    }
    case CR_TPR:
        return true;
    case CR_ITV:
    case CR_PMV:
    case CR_CMCV:
        return vector_register_ok(v);
    default:
        return true;
    }
}

static void write_itm(struct cpu *c, uint64_t v)
{
    c->cr[CR_ITM] = v;
    /* Matches only in the future: an ITM already passed fires when ITC wraps (3.3.4.2). */
    c->itm_armed = (int64_t)(v - cpu_itc(c)) > 0;
}

int sys_cr_write(struct cpu *c, unsigned n, uint64_t v)
{
    if (!cr_value_ok(n, v))
        return -1;
    switch (n) {
    case CR_ITM:
        write_itm(c, v);
        return 1;
    case CR_DCR:
        c->cr[n] = c->tr.dcr = v;
        return 0;
    case CR_IVA:
        c->cr[n] = v & ~0x7fffull;
        return 0;
    case CR_PTA:
        c->cr[n] = c->tr.pta = v;
        return 0;
    case CR_IHA: /* bits 1:0 are ignored (3.3.5.9) */
        c->cr[n] = v & ~3ull;
        return 0;
    case CR_EOI:
        sapic_write_eoi(c);
        return 1;
    case CR_TPR:
        c->cr[n] = v & (SAPIC_TPR_MMI | SAPIC_TPR_MIC);
        return 1;
    case CR_LID:
        c->cr[n] = v & 0xffff0000ull;
        return 0;
    case CR_ITV:
    case CR_PMV:
    case CR_CMCV:
        c->cr[n] = v & (SAPIC_MASKED | 0x10ff);
        return 1;
    default:
        c->cr[n] = v;
        return 0;
    }
}

/* --- indirect files --- */

bool sys_page_size_ok(unsigned ps)
{
    return ps < 64 && (TLB_INSERT_SIZES >> ps & 1);
}

/* Region register: ve bit 0, ps 7:2, rid 31:8 (4.1.2). */
static int write_rr(struct cpu *c, uint64_t index, uint64_t v)
{
    unsigned n = index >> 61;

    if ((v & 2) || v >> 32 || !sys_page_size_ok(v >> 2 & 0x3f))
        return -1;
    if (c->tr.rr[n] == v)
        return 0;
    c->tr.rr[n] = v;
    c->rr_dirty |= 1u << n;
    block_flush_lookup(c);
    return 0;
}

/* Protection key register: v wd rd xd, key 31:8 (4.1.3). A valid key may be in one register only.
 */
static int write_pkr(struct cpu *c, uint64_t index, uint64_t v)
{
    unsigned n = index & 0xff;

    if (n >= TLB_PKR_COUNT || (v & 0xf0) || v >> 32)
        return -1;
    if (v & 1)
        for (unsigned k = 0; k < TLB_PKR_COUNT; k++)
            if (k != n && (c->tr.pkr[k] & 1) && (c->tr.pkr[k] ^ v) >> 8 == 0)
                c->tr.pkr[k] &= ~1ull;
    c->tr.pkr[n] = v;
    stlb_flush(c);
    block_flush_lookup(c);
    return 1;
}

static int write_debug(struct cpu *c, uint64_t *file, uint64_t index, uint64_t v)
{
    unsigned n = index & 0xff;

    if (n >= CPU_DBR_COUNT)
        return -1;
    file[n] = v;
    cpu_update_context(c);
    return 1;
}

int sys_indirect_write(struct cpu *c, unsigned op, uint64_t index, uint64_t v)
{
    unsigned n = index & 0xff;

    switch (op) {
    case OP_mov_to_rr:
        return write_rr(c, index, v);
    case OP_mov_to_pkr:
        return write_pkr(c, index, v);
    case OP_mov_to_dbr:
        return write_debug(c, c->dbr, index, v);
    case OP_mov_to_ibr:
        return write_debug(c, c->ibr, index, v);
    case OP_mov_to_pmc:
        if (n < CPU_PMC_COUNT)
            c->pmc[n] = v;
        return 0;
    case OP_mov_to_pmd:
        if (n < CPU_PMD_COUNT)
            c->pmd[n] = v;
        return 0;
    default:
        return 0; /* model-specific registers: none, writes are ignored */
    }
}

bool sys_indirect_read(struct cpu *c, unsigned op, uint64_t index, uint64_t *v)
{
    unsigned n = index & 0xff;

    switch (op) {
    case OP_mov_from_rr:
        *v = c->tr.rr[index >> 61];
        return true;
    case OP_mov_from_pkr:
        if (n >= TLB_PKR_COUNT)
            return false;
        *v = c->tr.pkr[n];
        return true;
    case OP_mov_from_dbr:
    case OP_mov_from_ibr:
        if (n >= CPU_DBR_COUNT)
            return false;
        *v = (op == OP_mov_from_dbr ? c->dbr : c->ibr)[n];
        return true;
    case OP_mov_from_cpuid:
        if (n > (c->cpuid[3] & 0xff))
            return false;
        *v = c->cpuid[n];
        return true;
    case OP_mov_from_pmc:
        *v = n < CPU_PMC_COUNT ? c->pmc[n] : 0;
        return true;
    case OP_mov_from_pmd:
        /* At lower privilege a register that may not be read gives 0 (7.2.1): PSR.sp, PMC.pm. */
        *v = n < CPU_PMD_COUNT && !(cpu_cpl(c) != 0 && (c->psr & PSR_SP)) ? c->pmd[n] : 0;
        return true;
    default:
        *v = 0;
        return true;
    }
}
