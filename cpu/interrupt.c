/* Delivery of interruptions. Section numbers are of SDM volume 2. */
#include "interrupt.h"
#include "rse.h"
#include "sapic.h"

/* PSR bits an interruption leaves alone (5.5, table 3-2); be and pp come from DCR, the rest is 0.
 */
#define PSR_KEPT (PSR_UP | PSR_MFL | PSR_MFH | PSR_PK | PSR_DT | PSR_RT | PSR_MC | PSR_IT)

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
    if (uop_slot(u) > 0)
        c->iipa = c->ip;
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

static void save_state(struct cpu *c, uint64_t isr)
{
    c->cr[CR_ISR] = isr | ((c->psr & PSR_IC) ? 0 : ISR_NI);
    if (!(c->psr & PSR_IC))
        return;
    c->cr[CR_IPSR] = c->psr;
    c->cr[CR_IIP] = c->ip;
    c->cr[CR_IIPA] = c->iipa;
    c->cr[CR_IFS] = 0; /* v cleared: software covers if it needs the frame (5.5.1) */
}

void interrupt_deliver(struct cpu *c, unsigned vector, uint64_t isr)
{
    uint64_t psr;

    c->last_vector = (int)vector;
    if (c->ndirty < 0)
        isr |= ISR_IR; /* the frame is incomplete (6.6) */
    if (c->trap_stop) {
        c->cr[CR_ISR] = isr;
        c->stop = true;
        cpu_request_exit(c);
        return;
    }
    /* An interruption takes the time of a slot, so that a guest whose handlers do nothing but fault
     * cannot keep the run loop from its other work. */
    c->budget--;
    if (vector != VEC_NESTED)
        save_state(c, isr);
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

/* Traps report the instruction in ISR.ei and the next one in IIP and IPSR.ri (5.5.3). */
const struct uop *trap_vector(struct cpu *c, const struct uop *u, unsigned vector, uint64_t isr)
{
    uint64_t here = uop_ip(c, u);

    isr |= (uint64_t)uop_slot(u) << ISR_EI_SHIFT;
    (void)uop_exit_after(c, u);
    c->iipa = here;
    interrupt_deliver(c, vector, isr);
    return NULL;
}

bool interrupt_poll(struct cpu *c)
{
    if (c->init_pending) {
        c->init_pending = false;
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
    uint64_t ifs = c->cr[CR_IFS], ipsr = c->cr[CR_IPSR];

    (void)uop_exit_after(c, u);
    c->rfi_done = true;
    if (ifs >> 63)
        rse_return(c, ifs & 0x3fffffffffull, CFM_SOF(ifs));
    c->ip = c->cr[CR_IIP] & ~15ull;
    cpu_set_psr(c, ipsr);
    c->iipa = c->ip;
    if (!rse_complete(c))
        return NULL;
    cpu_update_mode(c);
    return NULL;
}
