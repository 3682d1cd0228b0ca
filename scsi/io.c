/* See io.h. */
#include "io.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_THREADS 16
#define FILL_BUFFER 65536u
#define SHORT_READ  32768u

struct queue {
    struct io_job *first, **last;
};

struct io_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct queue waiting, finished;
    bool stop;
    unsigned threads;
    pthread_t thread[MAX_THREADS];
    int fd;
    unsigned pending; /* the caller's thread only */
};

static void push(struct queue *q, struct io_job *job)
{
    job->next = NULL;
    *q->last = job;
    q->last = &job->next;
}

static struct io_job *pop(struct queue *q)
{
    struct io_job *job = q->first;

    if (job == NULL)
        return NULL;
    q->first = job->next;
    if (q->first == NULL)
        q->last = &q->first;
    return job;
}

/* --- the work --- */

static int write_pattern(const struct io_job *job)
{
    size_t unit = job->repeat < FILL_BUFFER ? FILL_BUFFER / job->repeat * job->repeat : job->repeat;
    char *buffer = malloc(unit);
    uint64_t done = 0;
    int err = 0;

    if (buffer == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < unit; i += job->repeat)
        memcpy(buffer + i, job->buf, job->repeat);
    while (done < job->len && err == 0) {
        size_t n = job->len - done < unit ? (size_t)(job->len - done) : unit;
        err = store_write(job->store, job->offset + done, buffer, n);
        done += n;
    }
    free(buffer);
    return err;
}

static int perform(const struct io_job *job)
{
    int err;

    switch (job->op) {
    case IO_READ:
        return store_read(job->store, job->offset, job->buf, (size_t)job->len);
    case IO_WRITE:
        err = job->repeat != 0 ? write_pattern(job)
                               : store_write(job->store, job->offset, job->buf, (size_t)job->len);
        break;
    case IO_ZERO:
        err = store_zero(job->store, job->offset, job->len);
        break;
    default:
        return store_flush(job->store);
    }
    return err == 0 && job->flush_after ? store_flush(job->store) : err;
}

/* The write only wakes a sleeper; a full counter means that it is awake. */
static void signal_finished(struct io_pool *p)
{
    uint64_t one = 1;

    if (write(p->fd, &one, sizeof(one)) < 0)
        return;
}

static void *worker(void *opaque)
{
    struct io_pool *p = opaque;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct io_job *job = pop(&p->waiting);
        if (job == NULL) {
            if (p->stop)
                break;
            pthread_cond_wait(&p->work, &p->lock);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        job->result = perform(job);
        pthread_mutex_lock(&p->lock);
        push(&p->finished, job);
        signal_finished(p);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* --- the pool --- */

/* Signals are for the main thread. */
static int start_threads(struct io_pool *p, unsigned threads)
{
    sigset_t all, before;
    int err = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (p->threads < threads && err == 0) {
        err = pthread_create(&p->thread[p->threads], NULL, worker, p);
        p->threads += err == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p->threads > 0 ? 0 : err;
}

struct io_pool *io_new(unsigned threads)
{
    struct io_pool *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    p->waiting.last = &p->waiting.first;
    p->finished.last = &p->finished.first;
    p->fd = -1;
    if (threads == 0)
        return p;
    p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->fd < 0 || start_threads(p, threads < MAX_THREADS ? threads : MAX_THREADS) != 0) {
        io_free(p);
        return NULL;
    }
    return p;
}

void io_free(struct io_pool *p)
{
    if (p == NULL)
        return;
    io_drain(p);
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->threads; i++)
        pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

/* Short reads of what the host has in memory: handing them over would take longer. */
static bool at_hand(const struct io_job *job)
{
    return job->op == IO_READ && job->len <= SHORT_READ &&
           store_read_now(job->store, job->offset, job->buf, (size_t)job->len) == 0;
}

void io_submit(struct io_pool *p, struct io_job *job)
{
    if (p->threads == 0) {
        job->result = perform(job);
        job->done(job);
        return;
    }
    if (at_hand(job)) {
        job->result = 0;
        job->done(job);
        return;
    }
    p->pending++;
    pthread_mutex_lock(&p->lock);
    push(&p->waiting, job);
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void io_cancel(struct io_pool *p, struct io_job *job)
{
    pthread_mutex_lock(&p->lock);
    for (struct io_job **q = &p->waiting.first; *q != NULL; q = &(*q)->next) {
        if (*q != job)
            continue;
        *q = job->next;
        if (*q == NULL)
            p->waiting.last = q;
        job->result = -ECANCELED;
        push(&p->finished, job);
        signal_finished(p);
        break;
    }
    pthread_mutex_unlock(&p->lock);
}

void io_poll(struct io_pool *p)
{
    uint64_t count;
    struct io_job *job;

    if (p->pending == 0)
        return;
    if (read(p->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        return;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        job = pop(&p->finished);
        pthread_mutex_unlock(&p->lock);
        if (job == NULL)
            return;
        p->pending--;
        job->done(job);
    }
}

void io_drain(struct io_pool *p)
{
    while (p->pending > 0) {
        struct pollfd fd = {.fd = p->fd, .events = POLLIN};
        io_poll(p);
        if (p->pending > 0)
            poll(&fd, 1, -1);
    }
}

int io_fd(const struct io_pool *p)
{
    return p->fd;
}

unsigned io_pending(const struct io_pool *p)
{
    return p->pending;
}
