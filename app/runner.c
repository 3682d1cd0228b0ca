/* See runner.h. */
#include "runner.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "log.h"

struct job {
    runner_job *do_it;
    void (*done)(void *data);
    void *data;
};

struct runner {
    runner_plan *make_plan;
    struct runner_events events;
    uint64_t attention_ns;
    struct plan *plan;
    pthread_t thread;
    pthread_mutex_t lock; /* what follows */
    struct machine *machine;
    GQueue jobs;
    bool killed, over;
    /* the machine's thread only */
    bool attention;
    gint64 looked;
};

/* --- to the main thread --- */

enum news { NEWS_PROGRESS, NEWS_ATTENTION, NEWS_RESTARTED, NEWS_ENDED };

struct message {
    struct runner *r;
    enum news news;
    int number;
    char text[2048];
};

static gboolean deliver(gpointer data)
{
    struct message *m = data;
    const struct runner_events *e = &m->r->events;
    switch (m->news) {
    case NEWS_PROGRESS:
        e->progress(e->opaque, (enum firmware_event)m->number, m->text);
        break;
    case NEWS_ATTENTION:
        e->attention(e->opaque, m->number != 0);
        break;
    case NEWS_RESTARTED:
        e->restarted(e->opaque);
        break;
    case NEWS_ENDED:
        e->ended(e->opaque, (enum machine_end)m->number, m->text);
        break;
    }
    g_free(m);
    return G_SOURCE_REMOVE;
}

static void tell(struct runner *r, enum news news, int number, const char *text)
{
    struct message *m = g_new0(struct message, 1);
    m->r = r;
    m->news = news;
    m->number = number;
    g_strlcpy(m->text, text, sizeof m->text);
    g_idle_add_full(G_PRIORITY_DEFAULT, deliver, m, NULL);
}

/* --- jobs --- */

static gboolean job_done(gpointer data)
{
    struct job *j = data;
    if (j->done != NULL)
        j->done(j->data);
    g_free(j);
    return G_SOURCE_REMOVE;
}

void runner_do(struct runner *r, runner_job *do_it, void (*done)(void *data), void *data)
{
    struct job *j = g_new0(struct job, 1);
    *j = (struct job){do_it, done, data};
    pthread_mutex_lock(&r->lock);
    bool over = r->over;
    if (!over)
        g_queue_push_tail(&r->jobs, j);
    if (r->machine != NULL)
        machine_wake(r->machine);
    pthread_mutex_unlock(&r->lock);
    if (over)
        g_idle_add_full(G_PRIORITY_DEFAULT, job_done, j, NULL);
}

static struct job *next_job(struct runner *r)
{
    pthread_mutex_lock(&r->lock);
    struct job *j = g_queue_pop_head(&r->jobs);
    pthread_mutex_unlock(&r->lock);
    return j;
}

void runner_kill(struct runner *r)
{
    pthread_mutex_lock(&r->lock);
    r->killed = true;
    if (r->machine != NULL)
        machine_quit(r->machine, SIGTERM);
    pthread_mutex_unlock(&r->lock);
}

/* --- between turns --- */

static void look_at_answers(struct runner *r)
{
    bool needed = false;
    gint64 now = g_get_monotonic_time();
    if (now - r->looked < G_USEC_PER_SEC)
        return;
    r->looked = now;
    for (unsigned i = 0; i < r->plan->machine.cpus; i++)
        if (machine_cpu_figures(r->machine, i).unanswered_ns >= r->attention_ns)
            needed = true;
    if (needed != r->attention)
        tell(r, NEWS_ATTENTION, needed, "");
    r->attention = needed;
}

static void between(void *opaque)
{
    struct runner *r = opaque;
    struct job *j;
    while ((j = next_job(r)) != NULL) {
        j->do_it(r->machine, r->plan, j->data);
        g_idle_add_full(G_PRIORITY_DEFAULT, job_done, j, NULL);
    }
    look_at_answers(r);
}

static void progress(void *opaque, enum firmware_event event, const char *text)
{
    tell(opaque, NEWS_PROGRESS, (int)event, text);
}

/* --- the thread --- */

static int make(struct runner *r, bool again, char *why, size_t size)
{
    why[0] = '\0';
    int err = r->make_plan(r->events.opaque, again, r->plan, why, size);
    if (err != 0)
        return err;
    r->plan->machine.watch =
        (struct machine_watch){.opaque = r, .between = between, .progress = progress};
    struct machine *m;
    err = machine_new(&r->plan->machine, &m, why, size);
    if (err != 0) {
        if (why[0] == '\0')
            snprintf(why, size, "%s", strerror(-err));
        return err;
    }
    pthread_mutex_lock(&r->lock);
    r->machine = m;
    if (r->killed)
        machine_quit(m, SIGTERM);
    pthread_mutex_unlock(&r->lock);
    return 0;
}

static void unmake(struct runner *r)
{
    pthread_mutex_lock(&r->lock);
    struct machine *m = r->machine;
    r->machine = NULL;
    pthread_mutex_unlock(&r->lock);
    machine_free(m);
}

static bool restart(struct runner *r, char *why, size_t size)
{
    unmake(r);
    if (make(r, true, why, size) != 0)
        return false;
    r->attention = false;
    tell(r, NEWS_RESTARTED, 0, "");
    return true;
}

static void finish_jobs(struct runner *r)
{
    struct job *j;
    pthread_mutex_lock(&r->lock);
    r->over = true;
    pthread_mutex_unlock(&r->lock);
    while ((j = next_job(r)) != NULL)
        g_idle_add_full(G_PRIORITY_DEFAULT, job_done, j, NULL);
}

static void *run(void *data)
{
    struct runner *r = data;
    char why[512] = "";
    enum machine_end end;
    do
        end = machine_run(r->machine, why, sizeof why);
    while (end == MACHINE_RESET && restart(r, why, sizeof why));
    if (end == MACHINE_RESET)
        end = MACHINE_STOPPED;
    if (end == MACHINE_STOPPED && r->machine != NULL)
        r->events.stuck(r->events.opaque, r->machine, why);
    unmake(r);
    finish_jobs(r);
    tell(r, NEWS_ENDED, (int)end, why);
    return NULL;
}

struct runner *runner_new(runner_plan *plan, const struct runner_events *events,
                          uint64_t attention_ns, char *why, size_t size)
{
    struct runner *r = g_new0(struct runner, 1);
    r->make_plan = plan;
    r->events = *events;
    r->attention_ns = attention_ns;
    r->plan = g_new0(struct plan, 1);
    pthread_mutex_init(&r->lock, NULL);
    g_queue_init(&r->jobs);
    if (make(r, false, why, size) == 0)
        return r;
    g_free(r->plan);
    g_free(r);
    return NULL;
}

struct machine *runner_machine(struct runner *r)
{
    return r->machine;
}

int runner_start(struct runner *r)
{
    return -pthread_create(&r->thread, NULL, run, r);
}

void runner_free(struct runner *r)
{
    pthread_join(r->thread, NULL);
    pthread_mutex_destroy(&r->lock);
    g_free(r->plan);
    g_free(r);
}
