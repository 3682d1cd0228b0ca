/* See vcpus.h. */
#define _GNU_SOURCE /* PTHREAD_MUTEX_RECURSIVE, syscall */
#include "vcpus.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "machine_impl.h"

/* Instruction slots of a turn: only figures wait for its end. */
#define TURN_SLOTS 1000000
/* Backing off. A yield after fewer slots than this follows another one; that many do not sleep yet,
 * the others a little longer each time. */
#define PAUSE_SLOTS  20000
#define PAUSES_AWAKE 64
#define PAUSE_NS     20000
#define PAUSE_MAX_NS 1000000

struct vcpu {
    struct vcpus *all;
    struct cpu *cpu;
    unsigned n;
    pthread_t thread;
    unsigned depth;       /* of its locks */
    unsigned pauses;      /* yields in a row */
    atomic_bool asleep;   /* in the futex of cpu_attention_word */
    atomic_bool no_timer; /* asleep, and only others can change that */
};

struct vcpus {
    struct machine *m;
    unsigned count;
    pthread_mutex_t lock; /* the machine's */
    /* Running and parked: */
    pthread_mutex_t gate;
    pthread_cond_t opened, parked_one;
    atomic_bool closed;
    bool quit;
    unsigned parked;
    /* The run loop's thread: */
    atomic_bool touched, loop_asleep, want_halt;
    int bell; /* an eventfd */
    struct vcpu vcpu[HPVM_MAX_CPUS];
};

/* The processor this thread runs; NULL on others. */
static __thread struct vcpu *self;

/* --- the lock --- */

/* While a processor waits here, and while it holds the lock, nobody waits for its translations. */
void vcpus_lock(struct vcpus *v)
{
    if (v == NULL)
        return;
    if (self && self->depth++ == 0)
        cpu_mail_inside(self->cpu, false);
    pthread_mutex_lock(&v->lock);
}

void vcpus_unlock(struct vcpus *v)
{
    if (v == NULL)
        return;
    pthread_mutex_unlock(&v->lock);
    if (self && --self->depth == 0)
        cpu_mail_inside(self->cpu, true);
}

static void ring(struct vcpus *v)
{
    uint64_t one = 1;

    if (write(v->bell, &one, sizeof one) < 0)
        return; /* it rings already */
}

static void wake_loop(struct vcpus *v)
{
    if (atomic_load(&v->loop_asleep) && atomic_exchange(&v->loop_asleep, false))
        ring(v);
}

static void enter_device(void *opaque)
{
    vcpus_lock(opaque);
}

static void leave_device(void *opaque)
{
    struct vcpus *v = opaque;

    atomic_store(&v->touched, true);
    vcpus_unlock(v);
    wake_loop(v);
}

bool vcpus_touched(struct vcpus *v)
{
    return atomic_exchange(&v->touched, false);
}

int vcpus_sleep(struct vcpus *v, bool busy)
{
    atomic_store(&v->loop_asleep, !busy);
    if (vcpus_want_halt(v) || (!busy && atomic_load(&v->touched)))
        ring(v);
    return v->bell;
}

void vcpus_awake(struct vcpus *v)
{
    uint64_t count;

    atomic_store(&v->loop_asleep, false);
    if (read(v->bell, &count, sizeof count) < 0)
        return; /* nobody has rung */
}

/* --- sleeping --- */

static void futex_wait(uint32_t *word, uint64_t ns)
{
    struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};

    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, ns == UINT64_MAX ? NULL : &ts, NULL, 0);
}

void vcpus_kicked(struct vcpus *v, const struct cpu *c)
{
    struct vcpu *p = &v->vcpu[c->id];

    if (atomic_load(&p->asleep))
        syscall(SYS_futex, cpu_attention_word(c), FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool held(const struct vcpu *p)
{
    return p->all->m->held >> p->n & 1; /* by the debugger */
}

/* Until somebody kicks the processor. */
static void doze(struct vcpu *p, uint64_t ns)
{
    atomic_store(&p->asleep, true);
    if (ns > 0)
        futex_wait(cpu_attention_word(p->cpu), ns);
    atomic_store(&p->asleep, false);
}

static void sleep_halted(struct vcpu *p)
{
    uint64_t ns = held(p) ? UINT64_MAX : cpu_timer_due_ns(p->cpu);

    atomic_store(&p->no_timer, ns == UINT64_MAX);
    doze(p, ns);
    atomic_store(&p->no_timer, false);
    cpu_mail_inside(p->cpu, true); /* what woke it */
    cpu_mail_inside(p->cpu, false);
}

/* --- running --- */

/* Waits at the gate while it is closed; false: it will not open again. */
static bool pass_gate(struct vcpus *v)
{
    bool quit;

    if (!atomic_load(&v->closed))
        return true;
    pthread_mutex_lock(&v->gate);
    v->parked++;
    pthread_cond_signal(&v->parked_one);
    while (atomic_load(&v->closed) && !v->quit)
        pthread_cond_wait(&v->opened, &v->gate);
    v->parked--;
    quit = v->quit;
    pthread_mutex_unlock(&v->gate);
    return !quit;
}

/* For a processor that waits for another one in a loop of pauses: lets its host processor do
 * something else, for longer the longer it lasts. Interrupts end it. */
static void back_off(struct vcpu *p, uint64_t slots)
{
    uint64_t due = cpu_timer_due_ns(p->cpu), ns;

    p->pauses = slots < PAUSE_SLOTS ? p->pauses + 1 : 0;
    if (p->pauses < PAUSES_AWAKE) {
        sched_yield();
        return;
    }
    ns = (uint64_t)(p->pauses - PAUSES_AWAKE + 1) * PAUSE_NS;
    ns = ns < PAUSE_MAX_NS ? ns : PAUSE_MAX_NS;
    doze(p, ns < due ? ns : due);
}

/* A breakpoint: nobody goes on, this processor first of all. */
static void come_to_stop(struct vcpus *v)
{
    atomic_store(&v->closed, true);
    vcpus_end(v);
}

static void take_turn(struct vcpu *p)
{
    struct machine *m = p->all->m;
    uint64_t before = machine_host_ns(), slots = cpu_run(p->cpu, TURN_SLOTS);

    __atomic_fetch_add(&m->run_ns[p->n], machine_host_ns() - before, __ATOMIC_RELAXED);
    if (p->cpu->stop_at.kind != STOP_NONE)
        come_to_stop(p->all);
    if (cpu_yielded(p->cpu))
        back_off(p, slots);
    else
        p->pauses = 0;
}

static void *run_vcpu(void *opaque)
{
    struct vcpu *p = opaque;

    self = p;
    while (pass_gate(p->all)) {
        if (!held(p) && cpu_ready(p->cpu))
            take_turn(p);
        else
            sleep_halted(p);
    }
    return NULL;
}

void vcpus_go(struct vcpus *v)
{
    pthread_mutex_lock(&v->gate);
    atomic_store(&v->want_halt, false);
    atomic_store(&v->closed, false);
    pthread_cond_broadcast(&v->opened);
    pthread_mutex_unlock(&v->gate);
}

void vcpus_halt(struct vcpus *v)
{
    atomic_store(&v->closed, true);
    for (unsigned i = 0; i < v->count; i++)
        cpu_kick(v->vcpu[i].cpu);
    pthread_mutex_lock(&v->gate);
    while (v->parked < v->count)
        pthread_cond_wait(&v->parked_one, &v->gate);
    pthread_mutex_unlock(&v->gate);
}

void vcpus_end(struct vcpus *v)
{
    atomic_store(&v->want_halt, true);
    ring(v);
}

bool vcpus_want_halt(struct vcpus *v)
{
    return atomic_load(&v->want_halt);
}

bool vcpus_idle_for_ever(struct vcpus *v)
{
    for (unsigned i = 0; i < v->count; i++)
        if (!atomic_load(&v->vcpu[i].no_timer))
            return false;
    return true;
}

/* --- what processors tell each other --- */

void vcpus_purge(struct vcpus *v, struct cpu *from, uint64_t va, unsigned ps, uint32_t rid)
{
    uint64_t number[HPVM_MAX_CPUS];

    for (unsigned i = 0; i < v->count; i++)
        if (v->vcpu[i].cpu != from)
            number[i] = cpu_mail_purge(v->vcpu[i].cpu, va, ps, rid);
    for (unsigned i = 0; i < v->count; i++)
        if (v->vcpu[i].cpu != from)
            cpu_mail_wait(v->vcpu[i].cpu, number[i], from);
}

void vcpus_code_page(struct vcpus *v, uint64_t page)
{
    for (unsigned i = 0; i < v->count; i++)
        if (self != &v->vcpu[i])
            cpu_mail_watch_page(v->vcpu[i].cpu, page);
}

/* The processor that stored itself forgets its blocks at once. */
void vcpus_code_changed(struct vcpus *v, uint64_t page)
{
    for (unsigned i = 0; i < v->count; i++) {
        if (self == &v->vcpu[i])
            cpu_code_changed(self->cpu, page);
        else
            cpu_mail_code_changed(v->vcpu[i].cpu, page);
    }
}

/* --- making --- */

static int init_locks(struct vcpus *v)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    int err = pthread_mutex_init(&v->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    if (err == 0)
        err = pthread_mutex_init(&v->gate, NULL);
    if (err == 0)
        err = pthread_cond_init(&v->opened, NULL);
    if (err == 0)
        err = pthread_cond_init(&v->parked_one, NULL);
    return -err;
}

static int start(struct vcpus *v, unsigned n)
{
    struct vcpu *p = &v->vcpu[n];

    *p = (struct vcpu){.all = v, .cpu = v->m->cpu[n], .n = n};
    int err = cpu_enable_shared(p->cpu);
    if (err == 0)
        err = -pthread_create(&p->thread, NULL, run_vcpu, p);
    return err;
}

int vcpus_new(struct machine *m)
{
    struct vcpus *v = calloc(1, sizeof *v);

    if (v == NULL)
        return -ENOMEM;
    v->m = m;
    v->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    atomic_store(&v->closed, true);
    m->vcpus = v;
    int err = v->bell < 0 ? -errno : init_locks(v);
    for (unsigned i = 0; i < m->config.cpus && err == 0; i++) {
        err = start(v, i);
        v->count += err == 0;
    }
    mem_set_device_guard(m->mem, enter_device, leave_device, v);
    return err;
}

void vcpus_free(struct vcpus *v)
{
    if (v == NULL)
        return;
    pthread_mutex_lock(&v->gate);
    v->quit = true;
    atomic_store(&v->closed, true);
    pthread_cond_broadcast(&v->opened);
    pthread_mutex_unlock(&v->gate);
    for (unsigned i = 0; i < v->count; i++) {
        cpu_kick(v->vcpu[i].cpu);
        pthread_join(v->vcpu[i].thread, NULL);
    }
    mem_set_device_guard(v->m->mem, NULL, NULL, NULL);
    pthread_cond_destroy(&v->opened);
    pthread_cond_destroy(&v->parked_one);
    pthread_mutex_destroy(&v->gate);
    pthread_mutex_destroy(&v->lock);
    close(v->bell);
    free(v);
}
