/* System registers. See exec_sys.h; section numbers are of SDM volume 2. */
#include "exec_sys.h"
#include "pmu.h"
#include "sapic.h"

/* --- control registers (3.3.3, table 3-3) --- */

bool sys_cr_exists(const struct cpu *c, unsigned n)
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
    case CR_IIB0:
    case CR_IIB1: /* 3.3.5.10 */
        return c->model >= CPU_POULSON;
    default:
        return (n >= CR_IIP && n <= CR_IHA) || (n >= CR_LID && n <= CR_CMCV);
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

/* Reserved bits; the registers not named have none (3.3.4, 3.3.5, 5.8.3). Writing one is a Reserved
 * Register/Field fault. */
static uint64_t cr_reserved(unsigned n)
{
    switch (n) {
    case CR_DCR:
        return ~0x7f07ull;
    case CR_PTA:
        return 0x7e02;
    case CR_IPSR:
        return ~PSR_IPSR_VALID;
    case CR_ISR:
        return 0xfffff000ff000000ull;
    case CR_IFS: /* v, ifm */
        return 0x7fffffc000000000ull;
    case CR_LID:
        return 0xffff;
    case CR_TPR:
        return 0xff00;
    case CR_ITV:
    case CR_PMV:
    case CR_CMCV:
        return 0xef00;
    case CR_LRR0:
    case CR_LRR1:
        return 0x4800;
    default:
        return 0;
    }
}

/* Values that fields of the right width may not have. */
static bool cr_value_ok(unsigned n, uint64_t v)
{
    unsigned size = v >> 2 & 0x3f, dm = v >> 8 & 7;

    if (v & cr_reserved(n))
        return false;
    switch (n) {
    case CR_PTA:
        return size >= 15 && size <= 61;
    case CR_LRR0:
    case CR_LRR1: /* INT, PMI, NMI, INIT, ExtINT (5.8.3.8) */
        return dm == 0 || dm == 2 || dm == 4 || dm == 5 || dm == 7;
    default:
        return true;
    }
}

static void write_itm(struct cpu *c, uint64_t v)
{
    c->cr[CR_ITM] = v;
    sapic_rearm(c);
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
    case CR_LRR0:
    case CR_LRR1: /* vector, dm, ipp, tm, m: kept; no pin is wired to them */
        c->cr[n] = v & (SAPIC_MASKED | 0xa7ff);
        return 0;
    case CR_ITV:
    case CR_PMV:
    case CR_CMCV:
        c->cr[n] = v & (SAPIC_MASKED | 0xff);
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
    block_region_changed(c, n);
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

    if (n >= CPU_DBR_IMPL)
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
    case OP_mov_to_pmd:
        pmu_write_pmd(c, n, v);
        return 1;
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
        if (n >= CPU_DBR_IMPL)
            return false;
        *v = (op == OP_mov_from_dbr ? c->dbr : c->ibr)[n];
        return true;
    case OP_mov_from_cpuid:
        if (n > (c->cpuid[3] & 0xff))
            return false;
        *v = c->cpuid[n];
        return true;
    case OP_mov_from_pmc:
        *v = pmu_read_pmc(c, n);
        return true;
    case OP_mov_from_pmd:
        *v = pmu_read_pmd(c, n);
        return true;
    default:
        *v = 0;
        return true;
    }
}
