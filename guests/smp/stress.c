/* A stress of everything that processors share, for a Linux guest with several of them: threads
 * that pass work through mutexes and conditions, processes that fork, page tables that come and go,
 * signals.
 *
 *   smp-stress [SECONDS]      prints STRESS-OK, or a line with DIFFERENT for each checksum that
 * changed
 *
 * Every worker's checksum depends on its number only, so each round has to give the first round's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 8
#define PAGE    16384
#define TOKENS  2000

static uint64_t mix(uint64_t h, uint64_t v)
{
    h ^= v + 0x9e3779b97f4a7c15ull + (h << 6) + (h >> 2);
    return h * 0xff51afd7ed558ccdull;
}

/* --- threads: a ring of mailboxes --- */

struct box {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    int full;
    uint64_t token;
};

static struct box ring[WORKERS];

static void put(struct box *b, uint64_t token)
{
    pthread_mutex_lock(&b->lock);
    while (b->full)
        pthread_cond_wait(&b->emptied, &b->lock);
    b->token = token;
    b->full = 1;
    pthread_cond_signal(&b->filled);
    pthread_mutex_unlock(&b->lock);
}

static uint64_t get(struct box *b)
{
    pthread_mutex_lock(&b->lock);
    while (!b->full)
        pthread_cond_wait(&b->filled, &b->lock);
    uint64_t token = b->token;
    b->full = 0;
    pthread_cond_signal(&b->emptied);
    pthread_mutex_unlock(&b->lock);
    return token;
}

/* Tokens go round; each passes every worker and comes back to the first one, in order. */
static void *ring_worker(void *arg)
{
    unsigned n = (unsigned)(uintptr_t)arg;
    uint64_t h = n;

    for (unsigned k = 0; k < TOKENS; k++) {
        if (n == 0) {
            put(&ring[1], mix(k, 1));
            h = mix(h, get(&ring[0]));
        } else {
            uint64_t token = get(&ring[n]);
            h = mix(h, token);
            put(&ring[(n + 1) % WORKERS], mix(token, n));
        }
    }
    return (void *)(uintptr_t)h;
}

/* --- threads: one heap, one counter --- */

static uint64_t counter;

static void *heap_worker(void *arg)
{
    uint64_t h = (uintptr_t)arg;

    for (unsigned k = 0; k < 3000; k++) {
        size_t size = 16 + (size_t)(h % 5000);
        uint8_t *p = malloc(size);
        memset(p, (int)k, size);
        h = mix(h, p[size / 2] + size);
        free(p);
        __atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
    }
    return (void *)(uintptr_t)h;
}

/* --- page tables: maps, writes, protects, copies on write --- */

static uint64_t churn(uint64_t seed)
{
    uint64_t h = seed;

    for (unsigned k = 0; k < 60; k++) {
        size_t pages = 1 + (size_t)(mix(h, k) % 16);
        uint64_t *p =
            mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            return 0;
        for (size_t n = 0; n < pages; n++)
            p[n * PAGE / 8] = mix(h, n);
        mprotect(p, pages * PAGE, PROT_READ);
        for (size_t n = 0; n < pages; n++)
            h = mix(h, p[n * PAGE / 8]);
        madvise(p, pages * PAGE, MADV_DONTNEED);
        h = mix(h, p[0]);
        munmap(p, pages * PAGE);
    }
    return h;
}

static void *churn_worker(void *arg)
{
    return (void *)(uintptr_t)churn((uintptr_t)arg);
}

/* --- processes --- */

static uint64_t forks(unsigned n)
{
    uint64_t h = n;
    uint64_t *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t own[512];

    for (unsigned k = 0; k < 512; k++)
        own[k] = mix(n, k);
    for (unsigned k = 0; k < 10; k++) {
        pid_t pid = fork();
        if (pid == 0) {
            own[k] = mix(own[k], k); /* a copy: the parent's stays */
            shared[k] = mix(churn(k), own[k]);
            _exit(k);
        }
        int status;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != (int)k)
            return 0;
        h = mix(h, shared[k] ^ own[k]);
    }
    munmap(shared, PAGE);
    return h;
}

/* --- signals: to threads and between processes, on an alternate stack --- */

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
    (void)sig;
    caught++;
}

static uint64_t signals(unsigned n)
{
    static uint8_t stack[1 << 18];
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESTART};
    struct itimerval tick = {{0, 2000}, {0, 2000}};
    double f = 1;
    uint64_t h = n;
    int status;
    pid_t pid = fork();

    if (pid != 0)
        return pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 0 ? mix(n, 7)
                                                                                      : 0;
    sigaltstack(&ss, NULL);
    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &tick, NULL);
    for (unsigned k = 0; k < 200000; k++) { /* registers of all kinds must survive the handlers */
        f = f * 1.0000001 + 1e-9;
        h = mix(h, k);
        if (k % 20000 == 0)
            raise(SIGUSR1);
    }
    double g = 1;
    uint64_t again = n;
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    for (unsigned k = 0; k < 200000; k++) {
        g = g * 1.0000001 + 1e-9;
        again = mix(again, k);
    }
    _exit(f == g && h == again && caught >= 10 ? 0 : 1);
}

static void *process_worker(void *arg)
{
    unsigned n = (unsigned)(uintptr_t)arg;

    return (void *)(uintptr_t)mix(forks(n), signals(n));
}

/* --- rounds --- */

static void in_threads(void *(*fn)(void *), uint64_t *sums)
{
    pthread_t id[WORKERS];

    for (unsigned n = 0; n < WORKERS; n++)
        if (pthread_create(&id[n], NULL, fn, (void *)(uintptr_t)n) != 0)
            exit(2);
    for (unsigned n = 0; n < WORKERS; n++) {
        void *h;
        pthread_join(id[n], &h);
        sums[n] = (uintptr_t)h;
    }
}

static void round_of_all(uint64_t sums[4][WORKERS])
{
    counter = 0;
    in_threads(ring_worker, sums[0]);
    in_threads(heap_worker, sums[1]);
    in_threads(churn_worker, sums[2]);
    in_threads(process_worker, sums[3]);
    sums[1][0] = mix(sums[1][0], counter);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 5;
    uint64_t first[4][WORKERS], now[4][WORKERS];
    time_t start = time(NULL);
    unsigned rounds = 1, different = 0;

    for (unsigned n = 0; n < WORKERS; n++) {
        pthread_mutex_init(&ring[n].lock, NULL);
        pthread_cond_init(&ring[n].filled, NULL);
        pthread_cond_init(&ring[n].emptied, NULL);
    }
    round_of_all(first);
    while (difftime(time(NULL), start) < seconds) {
        round_of_all(now);
        rounds++;
        for (unsigned k = 0; k < 4; k++)
            for (unsigned n = 0; n < WORKERS; n++)
                if (now[k][n] != first[k][n]) {
                    printf("DIFFERENT round %u part %u worker %u\n", rounds, k, n);
                    different++;
                }
    }
    uint64_t sum = 0;
    for (unsigned k = 0; k < 4; k++)
        for (unsigned n = 0; n < WORKERS; n++)
            sum = mix(sum, first[k][n]);
    printf("STRESS-%s rounds=%u sum=%016llx\n", different ? "FAILED" : "OK", rounds,
           (unsigned long long)sum);
    return different != 0;
}
