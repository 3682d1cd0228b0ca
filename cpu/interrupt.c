/* Delivery of interruptions. Section numbers are of SDM volume 2. */
#include "access.h"
#include "interrupt.h"
#include "rse.h"
#include "sapic.h"
#include "tracer.h"

/* PSR bits an interruption leaves alone (5.5, table 3-2); be and pp come from DCR, the rest is 0.
 */
#define PSR_KEPT (PSR_UP | PSR_MFL | PSR_MFH | PSR_PK | PSR_DT | PSR_RT | PSR_MC | PSR_IT)

/* Bits that rfi can set: all defined ones but vm, which needs virtualization enabled. */
#define PSR_DEFINED 0x3fff0ffee03eull

static void set_ri(struct cpu *c, unsigned slot)
{
    c->psr = (c->psr & ~PSR_RI) | (uint64_t)slot << PSR_RI_SHIFT;
}

void interrupt_at(struct cpu *c, const struct uop *u)
{
    if (!u)
        return;
    c->ip = uop_ip(c, u);
    set_ri(c, uop_slot(u));
    c->budget += u->rest + 1;
    uop_note_previous(c, u);
}

void interrupt_set_ifa(struct cpu *c, uint64_t ifa, uint64_t itir)
{
    if (!(c->psr & PSR_IC))
        return;
    c->cr[CR_IFA] = ifa;
    c->cr[CR_ITIR] = itir;
}

void interrupt_set_iim(struct cpu *c, uint64_t imm)
{
    if (c->psr & PSR_IC)
        c->cr[CR_IIM] = imm;
}

/* IIB0, IIB1: the bundle IIP names for faults, IIPA for traps; undefined for the others (3.3.5.10).
 * Poulson has them. */
static void save_bundle(struct cpu *c, unsigned vector, uint64_t isr)
{
    bool trap = vector == VEC_FP_TRAP || (vector >= VEC_LOWER_PRIV && vector <= VEC_SINGLE_STEP);
    uint64_t ip = trap ? c->iipa : c->ip;
    struct tlb_result t;

    if (c->model < CPU_POULSON || (isr & (ISR_X | ISR_IR)) || vector == VEC_EXTINT)
        return;
    if (access_lookup(c, ip, ACC_EXEC, cpu_cpl(c), &t) != TLB_OK)
        return;
    mem_read(c->mem, t.pa & ~15ull, 8, &c->cr[CR_IIB0]);
    mem_read(c->mem, (t.pa & ~15ull) + 8, 8, &c->cr[CR_IIB1]);
}

static void save_state(struct cpu *c, unsigned vector, uint64_t isr)
{
    c->cr[CR_ISR] = isr | ((c->psr & PSR_IC) ? 0 : ISR_NI);
    if (!(c->psr & PSR_IC))
        return;
    save_bundle(c, vector, isr);
    c->cr[CR_IPSR] = c->psr;
    c->cr[CR_IIP] = c->ip;
    c->cr[CR_IIPA] = c->iipa;
    c->cr[CR_IFS] = 0; /* v cleared: software covers if it needs the frame (5.5.1) */
}

void interrupt_deliver(struct cpu *c, unsigned vector, uint64_t isr)
{
    uint64_t psr;

    c->left[LEFT_INTERRUPTION]++;
    c->last_vector = (int)vector;
    if (c->ndirty < 0)
        isr |= ISR_IR; /* the frame is incomplete (6.6) */
    if (c->trap_stop) {
        c->cr[CR_ISR] = isr;
        c->stop = true;
        cpu_request_exit(c);
        return;
    }
    if (unlikely(c->tracer))
        tracer_interruption(c, vector, isr);
    /* An interruption takes the time of a slot, so that a guest whose handlers do nothing but fault
     * cannot keep the run loop from its other work. */
    c->budget--;
    if (vector != VEC_NESTED)
        save_state(c, vector, isr);
    psr = c->psr & PSR_KEPT;
    if (c->cr[CR_DCR] & DCR_BE)
        psr |= PSR_BE;
    if (c->cr[CR_DCR] & DCR_PP)
        psr |= PSR_PP;
    cpu_set_psr(c, psr);
    c->ip = (c->cr[CR_IVA] & ~0x7fffull) + vector;
}

const struct uop *fault_vector(struct cpu *c, const struct uop *u, unsigned vector, uint64_t isr)
{
    interrupt_at(c, u);
    if (u)
        isr |= (uint64_t)uop_slot(u) << ISR_EI_SHIFT;
    interrupt_deliver(c, vector, isr);
    return NULL;
}

const struct uop *fault_genex(struct cpu *c, const struct uop *u, unsigned code)
{
    return fault_vector(c, u, VEC_GENEX, code);
}

const struct uop *fault_illegal(struct cpu *c, const struct uop *u)
{
    return fault_vector(c, u, VEC_GENEX, GENEX_ILLEGAL);
}

const struct uop *fault_nat(struct cpu *c, const struct uop *u, uint64_t isr)
{
    return fault_vector(c, u, VEC_NAT, isr | NAT_CODE_REGISTER);
}

void interrupt_trap(struct cpu *c, uint64_t code, unsigned slot)
{
    unsigned vector = code & TRAP_FP   ? VEC_FP_TRAP
                      : code & TRAP_LP ? VEC_LOWER_PRIV
                      : code & TRAP_TB ? VEC_TAKEN_BRANCH
                                       : VEC_SINGLE_STEP;

    c->psr &= ~PSR_ONE_INSN;
    interrupt_deliver(c, vector, code | (uint64_t)slot << ISR_EI_SHIFT);
}

/* Traps report the instruction in ISR.ei and the next one in IIP and IPSR.ri (5.5.3). */
const struct uop *trap_fp(struct cpu *c, const struct uop *u, uint64_t isr)
{
    (void)uop_exit_after(c, u);
    interrupt_trap(c, isr | (c->psr & PSR_SS ? TRAP_SS : 0), uop_slot(u));
    return NULL;
}

bool interrupt_poll(struct cpu *c)
{
    if (__atomic_load_n(&c->init_pending, __ATOMIC_RELAXED) &&
        !(c->psr & PSR_MC)) { /* held while machine checks are masked (5.2) */
        __atomic_store_n(&c->init_pending, false, __ATOMIC_RELAXED);
        if (c->hooks.init)
            c->hooks.init(c->hooks.opaque, c);
        return true;
    }
    if (!(c->psr & PSR_I) || !cpu_interrupt_pending(c))
        return false;
    interrupt_deliver(c, VEC_EXTINT, (c->psr & PSR_RI) >> PSR_RI_SHIFT << ISR_EI_SHIFT);
    return true;
}

const struct uop *interrupt_return(struct cpu *c, const struct uop *u)
{
    uint64_t ifs = c->cr[CR_IFS], ipsr = c->cr[CR_IPSR] & PSR_DEFINED;

    if (ipsr & PSR_IS) /* no IA-32 instruction set to return to */
        return fault_genex(c, u, GENEX_ISA);
    (void)uop_exit_after(c, u);
    c->rfi_done = true;
    if (ifs >> 63)
        rse_return(c, ifs & 0x3fffffffffull, CFM_SOF(ifs));
    c->ip = c->cr[CR_IIP] & ~15ull;
    cpu_set_psr(c, ipsr); /* which takes IIPA's value as it is: rfi does not change it (3.3.5.6) */
    if (!rse_complete(c))
        return NULL;
    cpu_update_mode(c);
    return NULL;
}

void cpu_resume(struct cpu *c, uint64_t ip, uint64_t psr, uint64_t cfm)
{
    c->rfi_done = true;
    rse_return(c, cfm & 0x3fffffffffull, CFM_SOF(cfm));
    c->ip = ip & ~15ull;
    cpu_set_psr(c, psr & PSR_DEFINED);
    if (rse_complete(c))
        cpu_update_mode(c);
}
