/* Tasks: firmware functions that have to wait for guest code or for time, cut into steps.
 *
 * The tasks form a stack, like the guest calls they stand for. The one on top has called a guest
 * function, which returns to FW_ENTRY_RESUME, or waits for a moment, parked on that same stub; then
 * its step goes on. Interruptions come here too: what was interrupted is kept in host memory while
 * notification functions run.
 */
#include "boot.h"

#include "log.h"
#include "sapic.h"

/* Everything a called function may change (and more: it is simplest to keep all of it). */
struct cpu_state {
    uint64_t gr[32], br[8], pr, lc, ec, fpsr, unat, ccv, csd, ssd, pfs;
    uint8_t nat[32];
    struct fpreg fr[128];
    uint64_t ip, psr;
};

#define PSR_BOOT  (PSR_BN | PSR_IC | PSR_I)
#define PSR_TRANS (PSR_DT | PSR_RT | PSR_IT)

static struct task *push(struct boot *b, enum task_kind kind, task_step *step)
{
    struct task *t = g_new0(struct task, 1);

    t->kind = kind;
    t->step = step;
    t->below = b->top;
    b->top = t;
    b->tasks++;
    return t;
}

static void pop(struct boot *b)
{
    struct task *t = b->top;

    b->top = t->below;
    b->tasks--;
    if (t->drop)
        t->drop(b, t);
    g_free(t->state);
    g_free(t);
}

void task_drop_all(struct boot *b)
{
    while (b->top)
        pop(b);
}

struct task *task_service(struct boot *b, struct fwcall *k, task_step *step)
{
    struct task *t;

    if (b->tasks >= BOOT_MAX_TASKS)
        return NULL;
    t = push(b, TASK_SERVICE, step);
    t->b0 = k->c->br[0];
    t->pfs = k->c->pfs;
    t->gp = cpu_gr(k->c, 1);
    t->sp = cpu_gr(k->c, 12);
    k->no_return = true;
    return t;
}

struct task *task_part(struct boot *b, task_step *step)
{
    return push(b, TASK_PART, step);
}

struct task *task_root(struct boot *b, task_step *step)
{
    return push(b, TASK_ROOT, step);
}

/* SDM's software conventions: 16 bytes of scratch below the stack pointer, 16-byte aligned. */
void task_call(struct boot *b, struct task *t, uint64_t descriptor, const uint64_t *args,
               unsigned n)
{
    struct cpu *c = b->c;
    uint64_t d[2];

    if (b->tasks >= BOOT_MAX_TASKS || !boot_read(b, descriptor, d, sizeof(d))) {
        t->step(b, t, EFI_INVALID_PARAMETER);
        return;
    }
    if (!cpu_frame_push(c, &t->frame, args, n)) {
        log_warn("the register stack of an EFI program is not in memory");
        c->stop = true;
        return;
    }
    t->calling = true;
    t->call_sp = cpu_gr(c, 12);
    t->call_gp = cpu_gr(c, 1);
    t->tpl = b->tpl;
    cpu_set_gr(c, 12, (t->call_sp & ~15ull) - 16);
    cpu_set_gr(c, 1, d[1]);
    c->pfs = (uint64_t)(c->ec & 0x3f) << 52;
    c->br[0] = d[0] & ~15ull;
    cpu_firmware_return(c, false);
    c->br[0] = FW_STUB_ADDR(FW_ENTRY_RESUME);
}

void task_wait(struct boot *b, struct task *t, uint64_t moment)
{
    struct cpu *c = b->c;
    uint64_t b0 = c->br[0];

    t->waiting = true;
    events_arm(b, moment);
    c->br[0] = FW_STUB_ADDR(FW_ENTRY_RESUME);
    cpu_firmware_return(c, false);
    c->br[0] = b0;
    c->halted = true;
}

/* Back to where the task called from. */
static void leave_call(struct boot *b, struct task *t)
{
    if (!cpu_frame_pop(b->c, &t->frame))
        b->c->stop = true;
    cpu_set_gr(b->c, 12, t->call_sp);
    cpu_set_gr(b->c, 1, t->call_gp);
    t->calling = false;
}

/* The timer's interrupt when interrupts are off: it has done its work by ending the halt. */
static void take_timer_interrupt(struct cpu *c)
{
    if (!(c->psr & PSR_I) && (c->irr[BOOT_TIMER_VECTOR / 64] >> BOOT_TIMER_VECTOR % 64 & 1) &&
        cpu_interrupt_pending(c)) {
        sapic_read_ivr(c);
        sapic_write_eoi(c);
    }
}

void boot_resume(struct fwcall *k)
{
    struct boot *b = k->fw->boot;
    struct task *t = b ? b->top : NULL;
    uint64_t status = cpu_gr(k->c, 8);

    if (!t || k->c != b->c || (!t->calling && !t->waiting)) {
        k->ret[0] = EFI_UNSUPPORTED;
        return;
    }
    k->no_return = true;
    if (t->calling) {
        leave_call(b, t);
    } else {
        t->waiting = false;
        status = EFI_SUCCESS;
        take_timer_interrupt(b->c);
    }
    t->step(b, t, status);
}

void task_unwind(struct boot *b, struct task *t)
{
    while (b->top != t)
        pop(b);
    if (t->calling)
        leave_call(b, t);
    events_set_tpl(b, t->tpl);
}

/* --- interruptions --- */

static struct cpu_state *save_state(struct cpu *c)
{
    struct cpu_state *s = g_new0(struct cpu_state, 1);

    cpu_set_psr(c, c->psr | PSR_BN); /* bank 1 is the program's */
    memcpy(s->gr, c->gr, sizeof(s->gr));
    memcpy(s->nat, c->nat, sizeof(s->nat));
    memcpy(s->br, c->br, sizeof(s->br));
    memcpy(s->fr, c->fr, sizeof(s->fr));
    s->pr = c->pr;
    s->lc = c->lc;
    s->ec = c->ec;
    s->fpsr = c->fpsr;
    s->unat = c->unat;
    s->ccv = c->ccv;
    s->csd = c->csd;
    s->ssd = c->ssd;
    s->pfs = c->pfs;
    s->ip = c->cr[CR_IIP];
    s->psr = c->cr[CR_IPSR];
    return s;
}

static void restore_state(struct cpu *c, const struct cpu_state *s)
{
    memcpy(c->gr, s->gr, sizeof(s->gr));
    memcpy(c->nat, s->nat, sizeof(s->nat));
    memcpy(c->br, s->br, sizeof(s->br));
    memcpy(c->fr, s->fr, sizeof(s->fr));
    c->pr = s->pr;
    c->lc = s->lc;
    c->ec = s->ec;
    c->fpsr = s->fpsr;
    c->unat = s->unat;
    c->ccv = s->ccv;
    c->csd = s->csd;
    c->ssd = s->ssd;
    c->pfs = s->pfs;
    for (unsigned i = 0; i < 32; i++)
        c->nat_seen |= s->nat[i] != 0;
}

/* What rfi does. */
static void return_from_interruption(struct cpu *c, uint64_t ip, uint64_t psr)
{
    c->ip = ip & ~15ull;
    cpu_set_psr(c, psr);
    cpu_memory_written(c);
}

/* The interrupted frame is hidden by a call of no arguments that returns at once: only its frame
 * is made, and brought back at the end. */
static void notified(struct boot *b, struct task *t, uint64_t status)
{
    struct cpu *c = b->c;
    struct cpu_state s = *t->state;
    struct cpu_frame frame = t->frame;
    unsigned tpl = t->tpl;

    (void)status;
    pop(b);
    cpu_set_psr(c, (c->psr | PSR_BN) & ~(PSR_I | PSR_IC));
    restore_state(c, &s);
    if (!cpu_frame_pop(c, &frame))
        c->stop = true;
    b->tpl = tpl;
    return_from_interruption(c, s.ip, s.psr);
}

static void notify(struct boot *b)
{
    struct cpu *c = b->c;
    struct cpu_state *s = save_state(c);
    struct task *t = push(b, TASK_INTERRUPT, notified);

    t->state = s;
    t->tpl = b->tpl;
    cpu_set_psr(c, PSR_BOOT | (s->psr & PSR_TRANS));
    if (!cpu_frame_push(c, &t->frame, NULL, 0)) {
        c->stop = true;
        return;
    }
    events_dispatch(b);
}

/* Timers only tick; other interrupts have no owner here. */
static void external_interrupt(struct boot *b)
{
    struct cpu *c = b->c;

    if (sapic_read_ivr(c) != SAPIC_SPURIOUS)
        sapic_write_eoi(c);
    if (events_poll(b) && b->tasks < BOOT_MAX_TASKS) {
        notify(b);
        return;
    }
    events_arm(b, UINT64_MAX);
    return_from_interruption(c, c->cr[CR_IIP], c->cr[CR_IPSR]);
}

/* From the vectors: bank 0's r16 is the vector's number. */
void boot_interruption(struct fwcall *k)
{
    struct boot *b = k->fw->boot;
    unsigned vector = (unsigned)(cpu_gr(k->c, 16) & 0x7f) << 8;

    if (!b || k->c != b->c || (k->c->psr & (PSR_IC | PSR_BN))) {
        k->ret[0] = EFI_UNSUPPORTED;
        return;
    }
    k->no_return = true;
    if (vector == VEC_EXTINT)
        external_interrupt(b);
    else
        image_crash(b, vector);
}

/* --- the end of a task --- */

static void return_to_caller(struct boot *b, const struct task *t, uint64_t status)
{
    struct cpu *c = b->c;

    c->br[0] = t->b0;
    c->pfs = t->pfs;
    cpu_set_gr(c, 1, t->gp);
    cpu_set_gr(c, 12, t->sp);
    cpu_set_gr(c, 8, status);
    for (unsigned i = 0; i < 3; i++)
        cpu_set_gr(c, 9 + i, t->ret[i]);
    cpu_firmware_return(c, true);
}

void task_done(struct boot *b, struct task *t, uint64_t status)
{
    struct task copy = *t;

    if (t != b->top || t->kind == TASK_ROOT || t->kind == TASK_INTERRUPT)
        return;
    pop(b);
    if (copy.kind == TASK_SERVICE)
        return_to_caller(b, &copy, status);
    else if (b->top)
        b->top->step(b, b->top, status);
}

static void finished(struct boot *b, struct task *t, uint64_t status)
{
    (void)status;
    task_done(b, t, t->w[0]);
}

uint64_t task_finish(struct boot *b, struct fwcall *k, uint64_t status)
{
    struct task *t;

    if (!events_due(b))
        return status;
    t = task_service(b, k, finished);
    if (!t)
        return status;
    t->w[0] = status;
    events_dispatch(b);
    return status;
}
