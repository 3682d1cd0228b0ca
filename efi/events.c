/* Events, timers and task priority levels.
 *
 * Timers are looked at when the interval timer interrupts the program and when a program asks for
 * an event's state. Notification functions run in the order of their levels, within a level in the
 * order of their signals, as soon as the current level is below theirs.
 */
#include "boot.h"
#include "sapic.h"

#define EVT_KNOWN (EVT_TIMER | EVT_RUNTIME | 0x20000000u | EVT_NOTIFY_WAIT | EVT_NOTIFY_SIGNAL | 3u)

#define NEVER UINT64_MAX
/* While a program waits, keys are looked for this often. */
#define KEY_POLL 50000 /* 100 ns */

struct event {
    uint64_t id;
    uint32_t type;
    unsigned tpl;
    uint64_t fn, context;
    bool (*host)(struct boot *b, void *data);
    void *data; /* host's */
    bool signaled, queued;
    uint64_t due, period; /* ticks; due is NEVER without a timer */
};

void events_init(struct boot *b)
{
    b->events = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    for (unsigned i = 0; i <= TPL_HIGH_LEVEL; i++)
        g_queue_init(&b->pending[i]);
    b->tpl = TPL_APPLICATION;
}

void events_done(struct boot *b)
{
    for (unsigned i = 0; i <= TPL_HIGH_LEVEL; i++)
        g_queue_clear(&b->pending[i]);
    g_clear_pointer(&b->events, g_hash_table_destroy);
}

struct event *event_find(struct boot *b, uint64_t id)
{
    return g_hash_table_lookup(b->events, &id);
}

static struct event *add(struct boot *b, uint32_t type, unsigned tpl)
{
    struct event *e;
    uint64_t id;

    if (g_hash_table_size(b->events) >= BOOT_MAX_OBJECTS)
        return NULL;
    id = boot_alloc(b, 16);
    if (!id)
        return NULL;
    e = g_new0(struct event, 1);
    e->id = id;
    e->type = type;
    e->tpl = tpl;
    e->due = NEVER;
    g_hash_table_insert(b->events, &e->id, e);
    return e;
}

uint64_t event_host(struct boot *b, bool (*ready)(struct boot *b, void *data), void *data)
{
    struct event *e = add(b, EVT_NOTIFY_WAIT, TPL_NOTIFY);

    if (e) {
        e->host = ready;
        e->data = data;
    }
    return e ? e->id : 0;
}

static void queue(struct boot *b, struct event *e)
{
    if (e->queued || !e->fn)
        return;
    e->queued = true;
    g_queue_push_tail(&b->pending[e->tpl], e);
}

static void unqueue(struct boot *b, struct event *e)
{
    if (e->queued)
        g_queue_remove(&b->pending[e->tpl], e);
    e->queued = false;
}

void event_signal(struct boot *b, struct event *e)
{
    if (e->signaled)
        return;
    e->signaled = true;
    if (e->type & EVT_NOTIFY_SIGNAL)
        queue(b, e);
}

void events_signal_type(struct boot *b, uint32_t type)
{
    GHashTableIter it;
    gpointer value;

    g_hash_table_iter_init(&it, b->events);
    while (g_hash_table_iter_next(&it, NULL, &value))
        if (((struct event *)value)->type == type)
            event_signal(b, value);
}

bool events_due(const struct boot *b)
{
    for (unsigned i = b->tpl + 1; i <= TPL_HIGH_LEVEL; i++)
        if (b->pending[i].length)
            return true;
    return false;
}

/* A periodic timer that was missed several times signals once. */
static void expire(struct boot *b, struct event *e, uint64_t now)
{
    if (!e->period)
        e->due = NEVER;
    else
        e->due += e->period * ((now - e->due) / e->period + 1);
    event_signal(b, e);
}

bool events_poll(struct boot *b)
{
    uint64_t now = boot_now(b);
    GHashTableIter it;
    gpointer value;

    g_hash_table_iter_init(&it, b->events);
    while (g_hash_table_iter_next(&it, NULL, &value)) {
        struct event *e = value;

        if (e->due <= now)
            expire(b, e, now);
    }
    return events_due(b);
}

void events_arm(struct boot *b, uint64_t moment)
{
    struct cpu *c = b->c;
    uint64_t soon = boot_now(b) + boot_ticks(b, 100);
    GHashTableIter it;
    gpointer value;

    g_hash_table_iter_init(&it, b->events);
    while (g_hash_table_iter_next(&it, NULL, &value))
        moment = MIN(moment, ((struct event *)value)->due);
    if (moment == NEVER)
        return;
    c->cr[CR_ITV] = BOOT_TIMER_VECTOR;
    c->cr[CR_ITM] = MAX(moment, soon);
    c->itm_armed = true; /* also when the host was away so long that the moment has passed */
}

void events_set_tpl(struct boot *b, unsigned tpl)
{
    uint64_t psr = b->c->psr & ~PSR_I;

    b->tpl = tpl;
    cpu_set_psr(b->c, tpl < TPL_HIGH_LEVEL ? psr | PSR_I : psr);
}

/* --- notification functions --- */

static struct event *next_pending(struct boot *b, unsigned above)
{
    for (unsigned i = TPL_HIGH_LEVEL; i > above; i--)
        if (b->pending[i].length)
            return g_queue_pop_head(&b->pending[i]);
    return NULL;
}

/* w[0] is the level to go back to. */
static void dispatch(struct boot *b, struct task *t, uint64_t status)
{
    unsigned tpl = (unsigned)t->w[0];
    struct event *e = next_pending(b, tpl);
    uint64_t args[2];

    (void)status;
    if (!e) {
        events_set_tpl(b, tpl);
        events_arm(b, NEVER);
        task_done(b, t, EFI_SUCCESS);
        return;
    }
    e->queued = false;
    if (e->type & EVT_NOTIFY_SIGNAL)
        e->signaled = false;
    events_set_tpl(b, e->tpl);
    args[0] = e->id;
    args[1] = e->context;
    task_call(b, t, e->fn, args, 2);
}

void events_dispatch(struct boot *b)
{
    struct task *t = task_part(b, dispatch);

    t->w[0] = b->tpl;
    dispatch(b, t, EFI_SUCCESS);
}

/* --- services --- */

uint64_t bs_raise_tpl(struct boot *b, struct fwcall *k)
{
    unsigned old = b->tpl, tpl = (unsigned)MIN(k->arg[0], TPL_HIGH_LEVEL);

    if (tpl > old)
        events_set_tpl(b, tpl);
    return old;
}

uint64_t bs_restore_tpl(struct boot *b, struct fwcall *k)
{
    unsigned tpl = (unsigned)MIN(k->arg[0], TPL_HIGH_LEVEL);

    if (tpl <= b->tpl)
        events_set_tpl(b, tpl);
    return task_finish(b, k, EFI_SUCCESS);
}

static bool create_ok(uint32_t type, uint64_t tpl, uint64_t fn)
{
    bool notify = type & (EVT_NOTIFY_WAIT | EVT_NOTIFY_SIGNAL);

    if ((type & ~EVT_KNOWN) ||
        (type & (EVT_NOTIFY_WAIT | EVT_NOTIFY_SIGNAL)) == (EVT_NOTIFY_WAIT | EVT_NOTIFY_SIGNAL))
        return false;
    if ((type & 3) && type != EVT_EXIT_BOOT && type != EVT_VIRTUAL)
        return false;
    return !notify || (fn && tpl > TPL_APPLICATION && tpl < TPL_HIGH_LEVEL);
}

/* (type, level, function, context, *event) */
uint64_t bs_create_event(struct boot *b, struct fwcall *k)
{
    uint32_t type = (uint32_t)k->arg[0];
    struct event *e;

    if (!k->arg[4] || !create_ok(type, k->arg[1], k->arg[2]))
        return EFI_INVALID_PARAMETER;
    e = add(b, type, (unsigned)MIN(k->arg[1], TPL_HIGH_LEVEL));
    if (!e)
        return EFI_OUT_OF_RESOURCES;
    if (type & (EVT_NOTIFY_WAIT | EVT_NOTIFY_SIGNAL)) {
        e->fn = k->arg[2];
        e->context = k->arg[3];
    }
    return boot_write64(b, k->arg[4], e->id) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

/* (event, type, time): 0 cancel, 1 periodic, 2 relative; time in 100 ns, 0 is the next tick. */
uint64_t bs_set_timer(struct boot *b, struct fwcall *k)
{
    struct event *e = event_find(b, k->arg[0]);
    unsigned type = (unsigned)k->arg[1];
    uint64_t ticks = boot_ticks(b, k->arg[2]);

    if (!e || !(e->type & EVT_TIMER) || (uint32_t)k->arg[1] > 2)
        return EFI_INVALID_PARAMETER;
    e->due = NEVER;
    e->period = 0;
    if (type == 0)
        return EFI_SUCCESS;
    if (ticks > UINT64_MAX / 2 - boot_now(b)) /* in thousands of years */
        return EFI_SUCCESS;
    e->due = boot_now(b) + ticks;
    if (type == 1)
        e->period = MAX(ticks, boot_ticks(b, 10000)); /* a millisecond at least */
    events_arm(b, NEVER);
    return EFI_SUCCESS;
}

uint64_t bs_signal_event(struct boot *b, struct fwcall *k)
{
    struct event *e = event_find(b, k->arg[0]);

    if (!e)
        return EFI_INVALID_PARAMETER;
    event_signal(b, e);
    return task_finish(b, k, EFI_SUCCESS);
}

uint64_t bs_close_event(struct boot *b, struct fwcall *k)
{
    struct event *e = event_find(b, k->arg[0]);

    if (!e || e->host)
        return EFI_INVALID_PARAMETER;
    unqueue(b, e);
    pool_free(b, e->id);
    g_hash_table_remove(b->events, &e->id);
    return EFI_SUCCESS;
}

/* Whether it is signaled now, which it then no longer is. */
static bool take(struct boot *b, struct event *e)
{
    bool yes = e->host ? e->host(b, e->data) : e->signaled;

    e->signaled = false;
    return yes;
}

/* The state after the notification functions of timers, and the event's own, have run. */
static void checked(struct boot *b, struct task *t, uint64_t status)
{
    struct event *e = event_find(b, t->w[0]);

    (void)status;
    if (!e)
        task_done(b, t, EFI_INVALID_PARAMETER);
    else
        task_done(b, t, take(b, e) ? EFI_SUCCESS : EFI_NOT_READY);
}

uint64_t bs_check_event(struct boot *b, struct fwcall *k)
{
    struct event *e = event_find(b, k->arg[0]);
    struct task *t;

    if (!e || (e->type & EVT_NOTIFY_SIGNAL))
        return EFI_INVALID_PARAMETER;
    events_poll(b);
    if (e->host || e->signaled || !(e->type & EVT_NOTIFY_WAIT)) {
        if (!events_due(b))
            return take(b, e) ? EFI_SUCCESS : EFI_NOT_READY;
    } else {
        queue(b, e);
    }
    t = task_service(b, k, checked);
    if (!t)
        return EFI_OUT_OF_RESOURCES;
    t->w[0] = e->id;
    events_dispatch(b);
    return EFI_SUCCESS;
}

/* w: number, array, *index, state: 0 look, 1 notifications have run. */
static uint64_t look(struct boot *b, struct task *t, uint64_t *index)
{
    for (uint64_t i = 0; i < t->w[0]; i++) {
        struct event *e;
        uint64_t id;

        *index = i;
        if (!boot_read64(b, t->w[1] + 8 * i, &id))
            return EFI_INVALID_PARAMETER;
        e = event_find(b, id);
        if (!e || (e->type & EVT_NOTIFY_SIGNAL))
            return EFI_INVALID_PARAMETER;
        if (take(b, e))
            return EFI_SUCCESS;
        if (e->type & EVT_NOTIFY_WAIT)
            queue(b, e);
    }
    return EFI_NOT_READY;
}

static void waiting(struct boot *b, struct task *t, uint64_t unused)
{
    uint64_t index, status;

    (void)unused;
    events_poll(b);
    status = look(b, t, &index);
    if (status != EFI_NOT_READY) {
        boot_write64(b, t->w[2], index);
        task_done(b, t, status);
        return;
    }
    if (events_due(b) && !t->w[3]) {
        t->w[3] = 1;
        events_dispatch(b);
        return;
    }
    t->w[3] = 0;
    task_wait(b, t, boot_now(b) + boot_ticks(b, KEY_POLL));
}

/* (number, *events, *index) */
uint64_t bs_wait_for_event(struct boot *b, struct fwcall *k)
{
    struct task *t;

    if (b->tpl != TPL_APPLICATION)
        return EFI_UNSUPPORTED;
    if (k->arg[0] == 0 || k->arg[0] > BOOT_MAX_OBJECTS || !boot_ram(b, k->arg[2], 8))
        return EFI_INVALID_PARAMETER;
    t = task_service(b, k, waiting);
    if (!t)
        return EFI_OUT_OF_RESOURCES;
    for (unsigned i = 0; i < 3; i++)
        t->w[i] = k->arg[i];
    waiting(b, t, EFI_SUCCESS);
    return EFI_SUCCESS;
}
