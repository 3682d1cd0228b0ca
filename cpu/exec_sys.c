/* System instructions: control registers, PSR, translation, breakpoints of the break kind,
 * ordering and cache instructions (SDM vol 2; vol 3 instruction pages). */
#include "access.h"
#include "dahr.h"
#include "debug.h"
#include "exec_mem.h"
#include "exec_sys.h"
#include "interrupt.h"
#include "log.h"
#include "mail.h"
#include "pmu.h"
#include "tracer.h"

#define PRIVILEGED()                                                                               \
    do {                                                                                           \
        if (cpu_cpl(c) != 0)                                                                       \
            return fault_genex(c, u, GENEX_PRIV_OP);                                               \
    } while (0)
#define NAT_FAULT(r)                                                                               \
    do {                                                                                           \
        if (gr_nat(c, r, gen))                                                                     \
            return fault_nat(c, u, 0);                                                             \
    } while (0)

void mem_unsupported(struct cpu *c, const struct uop *u, uint64_t va, uint64_t isr)
{
    interrupt_at(c, u);
    interrupt_set_ifa(c, va, sys_default_itir(c, va));
    interrupt_deliver(c, VEC_UNSUPPORTED, isr | (uint64_t)uop_slot(u) << ISR_EI_SHIFT);
}

uint64_t sys_default_itir(const struct cpu *c, uint64_t va)
{
    return c->tr.rr[va >> 61] & 0xfffffffcull;
}

/* --- break --- */

static bool in_firmware(struct cpu *c, const struct uop *u)
{
    struct tlb_result t;

    if (c->fw_hi == c->fw_lo || !c->hooks.firmware)
        return false;
    if (access_lookup(c, uop_ip(c, u), ACC_EXEC, cpu_cpl(c), &t) != TLB_OK)
        return false;
    return t.pa >= c->fw_lo && t.pa < c->fw_hi;
}

static const struct uop *do_break(struct cpu *c, const struct uop *u, uint64_t imm)
{
    interrupt_at(c, u);
    interrupt_set_iim(c, imm);
    interrupt_deliver(c, VEC_BREAK, (uint64_t)uop_slot(u) << ISR_EI_SHIFT);
    return NULL;
}

UOP_BODY(break_any)
{
    (void)gen;
    return do_break(c, u, (uint64_t)u->imm & 0x1fffff);
}
UOP_DEFINE_GEN(break_any)

/* break.b is not predicated, always reports 0 in IIM (SDM 3:break), and in firmware pages enters
 * the host's firmware. */
UOP_BODY(break_b)
{
    (void)gen;
    if (in_firmware(c, u)) {
        (void)uop_exit_before(c, u);
        c->budget -= 1;
        c->hooks.firmware(c->hooks.opaque, c, (uint64_t)u->imm);
        return NULL;
    }
    return do_break(c, u, 0);
}
UOP_DEFINE_GEN(break_b)

/* --- PSR --- */

#define PSR_BLOCK_BITS (PSR_DFL | PSR_DFH | PSR_DB)

/* After PSR bits changed: on in the same block if nothing it was decoded for changed. */
static const struct uop *psr_changed(struct cpu *c, const struct uop *u, uint64_t old)
{
    uint64_t diff = old ^ c->psr;

    if (diff & PSR_PK)
        stlb_flush(c);
    if (diff & (PSR_BE | PSR_DT | PSR_RT | PSR_BLOCK_BITS))
        cpu_update_context(c);
    if ((diff & PSR_BLOCK_BITS) || c->step)
        return uop_exit_after(c, u);
    if ((diff & c->psr & PSR_I) && cpu_interrupt_pending(c))
        return uop_exit_after(c, u);
    return uop_next(c, u);
}

/* ssm, rsm: PSR{23:0}; bits that do not exist are reserved. */
#define PSR_SM_VALID 0xfee03eull
#define PSR_L_VALID  0x0ffee03eull
#define UM_VALID     0x3eull

UOP_BODY(ssm)
{
    uint64_t old = c->psr, mask = (uint64_t)u->imm & 0xffffff;

    (void)gen;
    PRIVILEGED();
    if (mask & ~PSR_SM_VALID)
        return fault_genex(c, u, GENEX_RESERVED);
    pmu_sync(c, u->rest);
    c->psr = u->op == OP_ssm ? old | mask : old & ~mask;
    if (~old & c->psr & PSR_IC)
        c->iipa = c->cr[CR_IIPA]; /* not tracked while PSR.ic was 0 (2:3.3.5.6) */
    return psr_changed(c, u, old);
}
UOP_DEFINE(ssm)

/* sum, rum: the user mask; up is not writable when PSR.sp says so (SDM 3:sum). */
UOP_BODY(sum)
{
    uint64_t old = c->psr, mask = (uint64_t)u->imm & 0xffffff;

    (void)gen;
    if (mask & ~UM_VALID)
        return fault_genex(c, u, GENEX_RESERVED);
    if (c->psr & PSR_SP)
        mask &= ~PSR_UP;
    pmu_sync(c, u->rest);
    c->psr = u->op == OP_sum ? old | mask : old & ~mask;
    return psr_changed(c, u, old);
}
UOP_DEFINE(sum)

UOP_BODY(mov_to_psr_l)
{
    uint64_t v = gr_get(c, u->r2, gen), low;

    PRIVILEGED();
    NAT_FAULT(u->r2);
    low = v & 0xffffffffull;
    if (low & ~PSR_L_VALID)
        return fault_genex(c, u, GENEX_RESERVED);
    if ((c->psr ^ low) & PSR_PK)
        stlb_flush(c);
    cpu_set_psr(c, (c->psr & ~0xffffffffull) | low);
    return uop_exit_after(c, u);
}
UOP_DEFINE_GEN(mov_to_psr_l)

UOP_BODY(mov_to_psr_um)
{
    uint64_t v = gr_get(c, u->r2, gen), mask = UM_VALID;

    NAT_FAULT(u->r2);
    if (v & 0xff & ~UM_VALID)
        return fault_genex(c, u, GENEX_RESERVED);
    if (c->psr & PSR_SP)
        mask &= ~PSR_UP;
    cpu_set_psr(c, (c->psr & ~mask) | (v & mask));
    return uop_exit_after(c, u);
}
UOP_DEFINE_GEN(mov_to_psr_um)

/* Bits 35 and 36 (mc, it) and 31:0 are visible (SDM 3:mov psr). */
UOP_BODY(mov_from_psr)
{
    PRIVILEGED();
    gr_set(c, u->r1, c->psr & 0x18ffffffffull, false, gen);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(mov_from_psr)

UOP_BODY(mov_from_psr_um)
{
    gr_set(c, u->r1, c->psr & UM_VALID, false, gen);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(mov_from_psr_um)

/* --- control registers --- */

UOP_BODY(mov_to_cr)
{
    uint64_t v = gr_get(c, u->r2, gen);
    unsigned n = u->r3;
    int r;

    if (!sys_cr_exists(c, n) || sys_cr_read_only(n))
        return fault_illegal(c, u);
    if (sys_cr_interruption(n) && (c->psr & PSR_IC))
        return fault_illegal(c, u);
    PRIVILEGED();
    NAT_FAULT(u->r2);
    r = sys_cr_write(c, n, v);
    if (r < 0)
        return fault_genex(c, u, GENEX_RESERVED);
    return r > 0 ? uop_exit_after(c, u) : uop_next(c, u);
}
UOP_DEFINE_GEN(mov_to_cr)

UOP_BODY(mov_from_cr)
{
    unsigned n = u->r3;

    if (!sys_cr_exists(c, n))
        return fault_illegal(c, u);
    if (sys_cr_interruption(n) && (c->psr & PSR_IC))
        return fault_illegal(c, u);
    PRIVILEGED();
    gr_set(c, u->r1, sys_cr_read(c, n), false, gen);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(mov_from_cr)

/* --- indirect register files --- */

UOP_BODY(mov_to_indirect)
{
    int r;

    PRIVILEGED();
    NAT_FAULT(u->r2);
    NAT_FAULT(u->r3);
    pmu_sync(c, u->rest);
    if (u->op == OP_mov_to_pmc) {
        pmu_write_pmc(c, gr_get(c, u->r3, gen) & 0xff, gr_get(c, u->r2, gen), u->rest);
        return uop_exit_after(c, u);
    }
    r = sys_indirect_write(c, u->op, gr_get(c, u->r3, gen), gr_get(c, u->r2, gen));
    if (r < 0)
        return fault_genex(c, u, GENEX_RESERVED);
    return r > 0 ? uop_exit_after(c, u) : uop_next(c, u);
}
UOP_DEFINE_GEN(mov_to_indirect)

UOP_BODY(mov_from_indirect)
{
    uint64_t v = 0;

    if (u->op != OP_mov_from_cpuid && u->op != OP_mov_from_pmd)
        PRIVILEGED();
    NAT_FAULT(u->r3);
    pmu_sync(c, u->rest);
    if (!sys_indirect_read(c, u->op, gr_get(c, u->r3, gen), &v))
        return fault_genex(c, u, GENEX_RESERVED);
    gr_set(c, u->r1, v, false, gen);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(mov_from_indirect)

/* mov to dahr: a hint that processors before Poulson ignore. */
UOP_BODY(mov_dahr)
{
    (void)gen;
    if (c->model >= CPU_POULSON)
        dahr_set(c, u->r3, (uint16_t)u->imm);
    return uop_next(c, u);
}
UOP_DEFINE(mov_dahr)

UOP_BODY(mov_from_dahr)
{
    uint64_t n = gr_get(c, u->r3, gen) & 0xff;

    NAT_FAULT(u->r3);
    if (n >= DAHR_COUNT)
        return fault_genex(c, u, GENEX_RESERVED);
    gr_set(c, u->r1, dahr_get(c, (unsigned)n), false, gen);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(mov_from_dahr)

/* --- translation --- */

/* An insertion overlaps a translation register (4.1.1.2). Without somebody to take the abort it is
 * dropped: the translation register stays as it was. */
static const struct uop *machine_check(struct cpu *c, const struct uop *u, uint64_t va)
{
    if (log_once("tlb-overlap", va >> MEM_PAGE_SHIFT))
        log_warn("CPU %u: a translation inserted for %#llx overlaps a translation register", c->id,
                 (unsigned long long)va);
    if (!c->hooks.machine_check)
        return uop_next(c, u);
    (void)uop_exit_before(c, u);
    c->hooks.machine_check(c->hooks.opaque, c);
    return NULL;
}

UOP_BODY(insert)
{
    bool inst = u->op == OP_itc_i || u->op == OP_itr_i, tr = u->op == OP_itr_i || u->op == OP_itr_d;
    enum tlb_side side = inst ? TLB_INST : TLB_DATA;
    uint64_t pte = gr_get(c, u->r2, gen), slot = tr ? gr_get(c, u->r3, gen) & 0xff : 0;
    uint64_t va = c->cr[CR_IFA];
    bool changed = false;
    uint32_t rid;
    unsigned ps;
    int r;

    if (c->psr & PSR_IC)
        return fault_illegal(c, u);
    PRIVILEGED();
    NAT_FAULT(u->r2);
    if (tr)
        NAT_FAULT(u->r3);
    if (tr && slot >= TLB_TR_COUNT)
        return fault_genex(c, u, GENEX_RESERVED);
    c->tr.psr = c->psr;
    rid = (uint32_t)(c->tr.rr[va >> 61] >> 8) & 0xffffff;
    ps = stlb_purge_size(c, va, c->cr[CR_ITIR] >> 2 & 0x3f, rid);
    r = tr ? tlb_insert_tr(c->tlb, side, (unsigned)slot, va, pte, c->cr[CR_ITIR], &c->tr, &changed)
           : tlb_insert_tc(c->tlb, side, va, pte, c->cr[CR_ITIR], &c->tr, &changed);
    if (r == -1 || r == -2)
        return fault_genex(c, u, GENEX_RESERVED);
    if (r < 0)
        return machine_check(c, u, va);
    if (unlikely(c->tracer))
        tracer_insert(c, u, inst, tr ? (unsigned)slot : TRACER_CACHE, pte);
    if (tlb_evicted(c->tlb)) {
        stlb_flush(c);
        block_flush_lookup(c);
    } else if (changed || tr) {
        stlb_flush_range(c, va, ps);
        if (inst) /* code is found through the instruction side only */
            block_flush_rid(c, rid);
    } else if (!inst) {
        stlb_flush_range(c, va, MEM_PAGE_SHIFT);
    }
    return uop_next(c, u);
}
UOP_DEFINE_GEN(insert)

/* code: translations of instructions are among what was purged. */
static void purged(struct cpu *c, uint64_t va, unsigned ps, uint32_t rid, bool code)
{
    stlb_flush_range(c, va, ps);
    if (code)
        block_flush_rid(c, rid);
}

void cpu_remote_purge(struct cpu *c, uint64_t va, unsigned ps, uint32_t rid)
{
    unsigned gone = stlb_purge_size(c, va, ps, rid);

    purged(c, va, gone, rid, tlb_purge_tc(c->tlb, va, ps, rid));
    alat_clear(c);
}

UOP_BODY(purge)
{
    uint64_t va = gr_get(c, u->r3, gen), size = gr_get(c, u->r2, gen);
    unsigned ps = size >> 2 & 0x3f, gone;
    bool code;
    uint32_t rid = (uint32_t)(c->tr.rr[va >> 61] >> 8) & 0xffffff;

    PRIVILEGED();
    NAT_FAULT(u->r3);
    NAT_FAULT(u->r2);
    if (!sys_page_size_ok(ps))
        return fault_genex(c, u, GENEX_RESERVED);
    if (!tlb_va_implemented(va))
        return fault_genex(c, u, GENEX_RESERVED);
    if (unlikely(c->tracer))
        tracer_purge(c, u, va, ps);
    gone = stlb_purge_size(c, va, ps, rid);
    switch (u->op) {
    case OP_ptr_d:
        code = tlb_purge_tr(c->tlb, TLB_DATA, va, ps, rid);
        break;
    case OP_ptr_i:
        code = tlb_purge_tr(c->tlb, TLB_INST, va, ps, rid);
        break;
    default:
        code = tlb_purge_tc(c->tlb, va, ps, rid);
        if (u->op != OP_ptc_l && c->hooks.ptc_global)
            c->hooks.ptc_global(c->hooks.opaque, c, va, ps, rid);
    }
    if (u->op == OP_ptc_ga)
        alat_clear(c);
    purged(c, va, gone, rid, code);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(purge)

UOP_BODY(ptc_e)
{
    PRIVILEGED();
    NAT_FAULT(u->r3);
    if (unlikely(c->tracer))
        tracer_purge(c, u, 0, 61);
    tlb_purge_all_tc(c->tlb);
    stlb_flush(c);
    block_flush_lookup(c);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(ptc_e)

UOP_BODY(thash)
{
    uint64_t va = gr_get(c, u->r3, gen);
    uint64_t v = u->op == OP_thash ? tlb_thash(&c->tr, va) : tlb_ttag(&c->tr, va);
    bool nat = gr_nat(c, u->r3, gen);

    gr_set(c, u->r1, v, nat, gen);
    return uop_next(c, u);
}
UOP_DEFINE(thash)

/* tpa and tak are privileged; probe is not. The ISR code of non-access faults: tpa 0, fc 1,
 * probe 2, tak 3, lfetch.fault 4, probe.fault 5 (SDM 2:8.3). */
UOP_BODY(tpa)
{
    struct access_ref r;

    if (cpu_cpl(c) != 0) /* a non-access instruction says so in every ISR (2:8.3) */
        return fault_vector(c, u, VEC_GENEX, GENEX_PRIV_OP | ISR_NA);
    if (gr_nat(c, u->r3, gen))
        return fault_nat(c, u, ISR_NA);
    if (!(c->psr & PSR_DT)) {
        gr_set(c, u->r1, gr_get(c, u->r3, gen), false, gen);
        return uop_next(c, u);
    }
    r = access_translate(c, u, gr_get(c, u->r3, gen), 1, ACC_NONACCESS);
    if (r.ok != ACCESS_OK)
        return NULL;
    gr_set(c, u->r1, r.pa, false, gen);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(tpa)

UOP_BODY(tak)
{
    const struct tlb_entry *e;
    uint64_t va = gr_get(c, u->r3, gen);

    if (cpu_cpl(c) != 0) /* a non-access instruction says so in every ISR (2:8.3) */
        return fault_vector(c, u, VEC_GENEX, GENEX_PRIV_OP | ISR_NA | 3);
    if (gr_nat(c, u->r3, gen))
        return fault_nat(c, u, ISR_NA | 3);
    e = c->psr & PSR_DT
            ? tlb_find(c->tlb, TLB_DATA, va, (uint32_t)(c->tr.rr[va >> 61] >> 8) & 0xffffff)
            : NULL;
    gr_set(c, u->r1, e && e->p ? (uint64_t)e->key << 8 : 1, false, gen);
    return uop_next(c, u);
}
UOP_DEFINE_GEN(tak)

/* probe: read or write permission at a privilege level; faults only when there is no translation
 * to look at (SDM 3:probe). */
static const struct uop *probe(struct cpu *c, const struct uop *u, unsigned pl, bool gen)
{
    unsigned acc = u->op == OP_probe_r || u->op == OP_probe_r_i ? ACC_READ : ACC_WRITE;
    uint64_t va = gr_get(c, u->r3, gen), isr;
    struct tlb_result t;
    enum tlb_fault f;

    if (pl < cpu_cpl(c))
        pl = cpu_cpl(c);
    f = access_lookup(c, va, acc | ACC_NONACCESS, pl, &t);
    switch (f) {
    case TLB_OK:
    case TLB_ACCESS_RIGHTS:
    case TLB_KEY_PERM:
    case TLB_DIRTY:
    case TLB_ACCESS_BIT:
        gr_set(c, u->r1, f == TLB_OK || f == TLB_DIRTY || f == TLB_ACCESS_BIT, false, gen);
        return uop_next(c, u);
    default:
        isr = ISR_NA | 2 | (uint64_t)uop_slot(u) << ISR_EI_SHIFT;
        isr |= acc == ACC_READ ? ISR_R : ISR_W;
        access_raise(c, u, va, f, &t, isr);
        return NULL;
    }
}

UOP_BODY(probe_reg)
{
    if (gr_nat(c, u->r3, gen) || gr_nat(c, u->r2, gen))
        return fault_nat(c, u, ISR_NA | 2 | (u->op == OP_probe_r ? ISR_R : ISR_W));
    return probe(c, u, gr_get(c, u->r2, gen) & 3, gen);
}
UOP_DEFINE_GEN(probe_reg)

UOP_BODY(probe_imm)
{
    if (gr_nat(c, u->r3, gen))
        return fault_nat(c, u, ISR_NA | 2 | (u->op == OP_probe_r_i ? ISR_R : ISR_W));
    return probe(c, u, (unsigned)u->imm & 3, gen);
}
UOP_DEFINE_GEN(probe_imm)

UOP_BODY(probe_fault)
{
    unsigned acc =
        (u->op != OP_probe_w_fault ? ACC_READ : 0) | (u->op != OP_probe_r_fault ? ACC_WRITE : 0);
    uint64_t va = gr_get(c, u->r3, gen), isr;
    unsigned pl = (unsigned)u->imm & 3;
    struct tlb_result t;
    enum tlb_fault f;

    isr = ISR_NA | 5 | (acc & ACC_READ ? ISR_R : 0) | (acc & ACC_WRITE ? ISR_W : 0);
    if (gr_nat(c, u->r3, gen))
        return fault_nat(c, u, isr);
    if (pl < cpu_cpl(c))
        pl = cpu_cpl(c);
    isr |= (uint64_t)uop_slot(u) << ISR_EI_SHIFT;
    f = access_lookup(c, va, acc | ACC_NONACCESS, pl, &t);
    if (f != TLB_OK) {
        access_raise(c, u, va, f, &t, isr);
        return NULL;
    }
    /* Of the probes only this form meets data breakpoints (8.3, Debug vector). */
    if ((c->psr & PSR_DB) && !(c->psr & PSR_DD) && debug_data_match(c, va, 1, acc)) {
        interrupt_at(c, u);
        interrupt_set_ifa(c, va, t.itir);
        interrupt_deliver(c, VEC_DEBUG, isr);
        return NULL;
    }
    return uop_next(c, u);
}
UOP_DEFINE_GEN(probe_fault)

/* --- ordering, caches --- */

/* Loads and stores of the host are ordered as acquire and release already; only mf has to wait for
 * stores (SDM 1:4.4.7). What others said about code has arrived before srlz.i and sync.i let go on.
 */
UOP_BODY(order)
{
    (void)gen;
    if (u->op == OP_srlz_d || u->op == OP_srlz_i) {
        if (c->rr_dirty) {
            c->rr_dirty = 0;
            stlb_switch(c);
            cpu_update_context(c);
        }
    }
    if (u->op == OP_mf || u->op == OP_mf_a)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    else if (u->op != OP_srlz_d && mail_waits(c))
        return uop_exit_after(c, u);
    return uop_next(c, u);
}
UOP_DEFINE(order)

UOP_BODY(invala)
{
    (void)gen;
    alat_clear(c);
    return uop_next(c, u);
}
UOP_DEFINE(invala)

UOP_BODY(invala_e)
{
    alat_remove(c, alat_gr(c, gr_phys(c, u->r1, gen)));
    return uop_next(c, u);
}
UOP_DEFINE(invala_e)

UOP_BODY(invala_e_f)
{
    alat_remove(c, alat_fr(fr_phys(c, u->r1, gen)));
    return uop_next(c, u);
}
UOP_DEFINE(invala_e_f)

/* fc: only the address is checked, and the access bit is not part of that (SDM 3:fc). Decoded code
 * follows stores of this processor by itself, but one on another thread may have decoded the line
 * while this one did not look yet. */
UOP_BODY(fc)
{
    uint64_t va = gr_get(c, u->r3, gen), isr = ISR_R | ISR_NA | 1;
    struct tlb_result t;
    enum tlb_fault f;

    if (gr_nat(c, u->r3, gen))
        return fault_nat(c, u, isr);
    f = access_lookup(c, va, ACC_READ | ACC_NONACCESS, cpu_cpl(c), &t);
    if (f == TLB_OK || f == TLB_ACCESS_BIT) {
        if (f == TLB_OK && c->mail && mem_has_code(c->mem, t.pa))
            mem_written(c->mem, t.pa & ~63ull, 64);
        return uop_next(c, u);
    }
    access_raise(c, u, va, f, &t, isr | (uint64_t)uop_slot(u) << ISR_EI_SHIFT);
    return NULL;
}
UOP_DEFINE_GEN(fc)

/* --- choice --- */

static const struct uop_pair table[OP_COUNT] = {
    UOP_PAIR_GEN(OP_break_i, break_any),
    UOP_PAIR_GEN(OP_break_m, break_any),
    UOP_PAIR_GEN(OP_break_f, break_any),
    UOP_PAIR_GEN(OP_break_x, break_any),
    UOP_PAIR_GEN(OP_break_b, break_b),
    UOP_PAIR(OP_ssm, ssm),
    UOP_PAIR(OP_rsm, ssm),
    UOP_PAIR(OP_sum, sum),
    UOP_PAIR(OP_rum, sum),
    UOP_PAIR_GEN(OP_mov_to_psr_l, mov_to_psr_l),
    UOP_PAIR_GEN(OP_mov_to_psr_um, mov_to_psr_um),
    UOP_PAIR_GEN(OP_mov_from_psr, mov_from_psr),
    UOP_PAIR_GEN(OP_mov_from_psr_um, mov_from_psr_um),
    UOP_PAIR_GEN(OP_mov_to_cr, mov_to_cr),
    UOP_PAIR_GEN(OP_mov_from_cr, mov_from_cr),
    UOP_PAIR_GEN(OP_mov_to_rr, mov_to_indirect),
    UOP_PAIR_GEN(OP_mov_to_dbr, mov_to_indirect),
    UOP_PAIR_GEN(OP_mov_to_ibr, mov_to_indirect),
    UOP_PAIR_GEN(OP_mov_to_pkr, mov_to_indirect),
    UOP_PAIR_GEN(OP_mov_to_pmc, mov_to_indirect),
    UOP_PAIR_GEN(OP_mov_to_pmd, mov_to_indirect),
    UOP_PAIR_GEN(OP_mov_to_msr, mov_to_indirect),
    UOP_PAIR_GEN(OP_mov_from_rr, mov_from_indirect),
    UOP_PAIR_GEN(OP_mov_from_dbr, mov_from_indirect),
    UOP_PAIR_GEN(OP_mov_from_ibr, mov_from_indirect),
    UOP_PAIR_GEN(OP_mov_from_pkr, mov_from_indirect),
    UOP_PAIR_GEN(OP_mov_from_pmc, mov_from_indirect),
    UOP_PAIR_GEN(OP_mov_from_pmd, mov_from_indirect),
    UOP_PAIR_GEN(OP_mov_from_cpuid, mov_from_indirect),
    UOP_PAIR_GEN(OP_mov_from_msr, mov_from_indirect),
    UOP_PAIR(OP_mov_dahr, mov_dahr),
    UOP_PAIR_GEN(OP_mov_from_dahr, mov_from_dahr),
    UOP_PAIR_GEN(OP_itc_d, insert),
    UOP_PAIR_GEN(OP_itc_i, insert),
    UOP_PAIR_GEN(OP_itr_d, insert),
    UOP_PAIR_GEN(OP_itr_i, insert),
    UOP_PAIR_GEN(OP_ptc_l, purge),
    UOP_PAIR_GEN(OP_ptc_g, purge),
    UOP_PAIR_GEN(OP_ptc_ga, purge),
    UOP_PAIR_GEN(OP_ptr_d, purge),
    UOP_PAIR_GEN(OP_ptr_i, purge),
    UOP_PAIR_GEN(OP_ptc_e, ptc_e),
    UOP_PAIR(OP_thash, thash),
    UOP_PAIR(OP_ttag, thash),
    UOP_PAIR_GEN(OP_tpa, tpa),
    UOP_PAIR_GEN(OP_tak, tak),
    UOP_PAIR_GEN(OP_probe_r, probe_reg),
    UOP_PAIR_GEN(OP_probe_w, probe_reg),
    UOP_PAIR_GEN(OP_probe_r_i, probe_imm),
    UOP_PAIR_GEN(OP_probe_w_i, probe_imm),
    UOP_PAIR_GEN(OP_probe_rw_fault, probe_fault),
    UOP_PAIR_GEN(OP_probe_r_fault, probe_fault),
    UOP_PAIR_GEN(OP_probe_w_fault, probe_fault),
    UOP_PAIR(OP_srlz_d, order),
    UOP_PAIR(OP_srlz_i, order),
    UOP_PAIR(OP_sync_i, order),
    UOP_PAIR(OP_mf, order),
    UOP_PAIR(OP_mf_a, order),
    UOP_PAIR(OP_fwb, order),
    UOP_PAIR(OP_invala, invala),
    UOP_PAIR(OP_invala_e, invala_e),
    UOP_PAIR(OP_invala_e_f, invala_e_f),
    UOP_PAIR_GEN(OP_fc, fc),
    UOP_PAIR_GEN(OP_fc_i, fc),
};

static bool writes_gr(unsigned op)
{
    switch (op) {
    case OP_mov_from_psr:
    case OP_mov_from_psr_um:
    case OP_mov_from_cr:
    case OP_mov_from_rr:
    case OP_mov_from_dbr:
    case OP_mov_from_ibr:
    case OP_mov_from_pkr:
    case OP_mov_from_pmc:
    case OP_mov_from_pmd:
    case OP_mov_from_cpuid:
    case OP_mov_from_msr:
    case OP_mov_from_dahr:
    case OP_thash:
    case OP_ttag:
    case OP_tpa:
    case OP_tak:
    case OP_probe_r:
    case OP_probe_w:
    case OP_probe_r_i:
    case OP_probe_w_i:
        return true;
    default:
        return false;
    }
}

uop_fn *exec_sys_handler(const struct insn *i, bool gen)
{
    const struct uop_pair *p = &table[i->op];

    if (p->fast && i->r1 == 0 && writes_gr(i->op))
        return exec_illegal_handler();
    return gen ? p->gen : p->fast;
}
