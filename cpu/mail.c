/* See mail.h. */
#include "mail.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "alat.h"
#include "block.h"
#include "interp.h"

enum mail_kind { MAIL_PURGE, MAIL_CODE_CHANGED, MAIL_WATCH_PAGE };

struct mail_request {
    enum mail_kind kind;
    uint32_t rid;
    unsigned ps;
    uint64_t addr;
};

struct cpu_mail {
    _Atomic uint32_t attention; /* something to look at, or just a kick */
    atomic_bool inside;
    _Atomic uint64_t posted, done; /* numbers of requests */
    pthread_mutex_t lock;          /* of the rest */
    unsigned count;
    bool flood; /* more than fit: as if everything had been asked for */
    struct mail_request list[MAIL_MAX];
};

int mail_open(struct cpu *c)
{
    struct cpu_mail *m = calloc(1, sizeof *m);

    if (!m)
        return -ENOMEM;
    pthread_mutex_init(&m->lock, NULL);
    c->mail = m;
    return 0;
}

void mail_close(struct cpu *c)
{
    if (!c->mail)
        return;
    pthread_mutex_destroy(&c->mail->lock);
    free(c->mail);
    c->mail = NULL;
}

/* --- the sender's side --- */

/* No block is entered while the reserve is more than any budget: the one thing about a running
 * processor that another thread may write. cpu_run sets it back and looks at attention then. */
void cpu_kick(struct cpu *c)
{
    if (!c->mail) {
        cpu_request_exit(c);
        return;
    }
    atomic_store(&c->mail->attention, 1);
    __atomic_store_n(&c->reserve, INT64_MAX, __ATOMIC_RELAXED);
    if (c->hooks.kicked)
        c->hooks.kicked(c->hooks.opaque, c);
}

static uint64_t post(struct cpu *c, const struct mail_request *r)
{
    struct cpu_mail *m = c->mail;
    uint64_t number;

    pthread_mutex_lock(&m->lock);
    if (m->count < MAIL_MAX)
        m->list[m->count++] = *r;
    else
        m->flood = true;
    number = atomic_fetch_add(&m->posted, 1) + 1;
    pthread_mutex_unlock(&m->lock);
    atomic_store(&m->attention, 1);
    if (atomic_load(&m->inside)) /* one that sleeps looks when it wakes for another reason */
        __atomic_store_n(&c->reserve, INT64_MAX, __ATOMIC_RELAXED);
    return number;
}

uint64_t cpu_mail_purge(struct cpu *c, uint64_t va, unsigned ps, uint32_t rid)
{
    return post(c, &(struct mail_request){MAIL_PURGE, rid, ps, va});
}

void cpu_mail_code_changed(struct cpu *c, uint64_t page)
{
    post(c, &(struct mail_request){.kind = MAIL_CODE_CHANGED, .addr = page});
}

void cpu_mail_watch_page(struct cpu *c, uint64_t page)
{
    post(c, &(struct mail_request){.kind = MAIL_WATCH_PAGE, .addr = page});
}

void cpu_mail_wait(struct cpu *c, uint64_t number, struct cpu *self)
{
    struct cpu_mail *m = c->mail;

    for (unsigned turns = 0; atomic_load(&m->inside) && atomic_load(&m->done) < number; turns++) {
        if (mail_waits(self))
            mail_receive(self); /* the other one may be waiting for this one */
        if (turns < 1000)
            __builtin_ia32_pause();
        else
            sched_yield();
    }
}

/* --- the processor's side --- */

static void obey(struct cpu *c, const struct mail_request *r)
{
    switch (r->kind) {
    case MAIL_PURGE:
        cpu_remote_purge(c, r->addr, r->ps, r->rid);
        break;
    case MAIL_CODE_CHANGED:
        block_invalidate_page(c, r->addr);
        break;
    case MAIL_WATCH_PAGE:
        stlb_protect_page(c, r->addr);
        break;
    }
}

/* Translation caches may be emptied at any time; pinned translations stay, since no purge of
 * another processor means them. */
static void obey_all(struct cpu *c)
{
    tlb_purge_all_tc(c->tlb);
    stlb_flush(c);
    block_invalidate_all(c);
}

bool mail_waits(const struct cpu *c)
{
    return c->mail && atomic_load_explicit(&c->mail->attention, memory_order_relaxed);
}

bool mail_receive(struct cpu *c)
{
    struct cpu_mail *m = c->mail;

    if (!m || !atomic_exchange(&m->attention, 0))
        return false;
    pthread_mutex_lock(&m->lock);
    if (m->flood)
        obey_all(c);
    else
        for (unsigned k = 0; k < m->count; k++)
            obey(c, &m->list[k]);
    m->count = 0;
    m->flood = false;
    atomic_store(&m->done, atomic_load(&m->posted));
    pthread_mutex_unlock(&m->lock);
    return true;
}

void cpu_mail_inside(struct cpu *c, bool inside)
{
    if (!c->mail)
        return;
    atomic_store(&c->mail->inside, inside);
    if (inside)
        mail_receive(c);
}

uint32_t *cpu_attention_word(const struct cpu *c)
{
    return (uint32_t *)&c->mail->attention;
}
