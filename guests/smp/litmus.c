/* Litmus tests of the memory model for a Linux guest with several processors: small programs run at
 * the same time over and over, and outcomes that the architecture forbids are counted (SDM 1:4.4.7,
 * 2:6. "A Formal Specification of the Intel Itanium Processor Family Memory Ordering").
 *
 *   litmus [MILLIONS] [NAME]      prints a line per test; exit status 1 after a forbidden outcome
 *
 * Threads go through an array of cells in the same order and meet after each pass. Tests marked
 * "seen" have no forbidden outcome: they show that reordering happens at all.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELLS       8192
#define MAX_THREADS 4

struct cell {
    volatile uint64_t x __attribute__((aligned(64)));
    volatile uint64_t y __attribute__((aligned(64)));
    uint64_t r[4]; /* what the readers saw */
};

static struct cell cells[CELLS] __attribute__((aligned(64)));
static volatile uint64_t pair[2] __attribute__((aligned(16)));

/* --- the operations, as instructions --- */

static inline uint64_t ld(volatile uint64_t *p)
{
    uint64_t v;
    __asm__ volatile("ld8 %0=[%1]" : "=r"(v) : "r"(p) : "memory");
    return v;
}

static inline uint64_t ld_acq(volatile uint64_t *p)
{
    uint64_t v;
    __asm__ volatile("ld8.acq %0=[%1]" : "=r"(v) : "r"(p) : "memory");
    return v;
}

static inline void st(volatile uint64_t *p, uint64_t v)
{
    __asm__ volatile("st8 [%0]=%1" ::"r"(p), "r"(v) : "memory");
}

static inline void st_rel(volatile uint64_t *p, uint64_t v)
{
    __asm__ volatile("st8.rel [%0]=%1" ::"r"(p), "r"(v) : "memory");
}

static inline void mf(void)
{
    __asm__ volatile("mf" ::: "memory");
}

static inline uint64_t fetchadd_acq(volatile uint64_t *p)
{
    uint64_t v;
    __asm__ volatile("fetchadd8.acq %0=[%1],1" : "=r"(v) : "r"(p) : "memory");
    return v;
}

static inline uint64_t xchg(volatile uint64_t *p, uint64_t v)
{
    uint64_t old;
    __asm__ volatile("xchg8 %0=[%1],%2" : "=r"(old) : "r"(p), "r"(v) : "memory");
    return old;
}

static inline uint64_t cmpxchg_rel(volatile uint64_t *p, uint64_t expected, uint64_t v)
{
    uint64_t old;
    __asm__ volatile("mov ar.ccv=%3;; cmpxchg8.rel %0=[%1],%2,ar.ccv"
                     : "=r"(old)
                     : "r"(p), "r"(v), "r"(expected)
                     : "memory");
    return old;
}

/* --- tests: what thread t does with a cell, and what may not come out --- */

static void mp(unsigned t, struct cell *c)
{
    if (t == 0) {
        st(&c->x, 1);
        st_rel(&c->y, 1);
    } else {
        c->r[0] = ld_acq(&c->y);
        c->r[1] = ld(&c->x);
    }
}

static void mp_mf(unsigned t, struct cell *c)
{
    if (t == 0) {
        st(&c->x, 1);
        mf();
        st(&c->y, 1);
    } else {
        c->r[0] = ld(&c->y);
        mf();
        c->r[1] = ld(&c->x);
    }
}

static void mp_xchg(unsigned t, struct cell *c)
{
    if (t == 0) {
        st(&c->x, 1);
        (void)cmpxchg_rel(&c->y, 0, 1);
    } else {
        c->r[0] = xchg(&c->y, 2) == 1;
        c->r[1] = ld(&c->x);
    }
}

static int mp_bad(const struct cell *c)
{
    return c->r[0] == 1 && c->r[1] == 0;
}

static void sb_mf(unsigned t, struct cell *c)
{
    st(t ? &c->y : &c->x, 1);
    mf();
    c->r[t] = ld(t ? &c->x : &c->y);
}

static void sb(unsigned t, struct cell *c)
{
    st_rel(t ? &c->y : &c->x, 1);
    c->r[t] = ld_acq(t ? &c->x : &c->y);
}

static int sb_bad(const struct cell *c)
{
    return c->r[0] == 0 && c->r[1] == 0;
}

static void lb(unsigned t, struct cell *c)
{
    c->r[t] = ld_acq(t ? &c->y : &c->x);
    st_rel(t ? &c->x : &c->y, 1);
}

static int lb_bad(const struct cell *c)
{
    return c->r[0] == 1 && c->r[1] == 1;
}

static void iriw(unsigned t, struct cell *c)
{
    switch (t) {
    case 0:
        st_rel(&c->x, 1);
        break;
    case 1:
        st_rel(&c->y, 1);
        break;
    case 2:
        c->r[0] = ld_acq(&c->x);
        c->r[1] = ld_acq(&c->y);
        break;
    default:
        c->r[2] = ld_acq(&c->y);
        c->r[3] = ld_acq(&c->x);
    }
}

static void iriw_mf(unsigned t, struct cell *c)
{
    switch (t) {
    case 0:
        st(&c->x, 1);
        break;
    case 1:
        st(&c->y, 1);
        break;
    case 2:
        c->r[0] = ld(&c->x);
        mf();
        c->r[1] = ld(&c->y);
        break;
    default:
        c->r[2] = ld(&c->y);
        mf();
        c->r[3] = ld(&c->x);
    }
}

static int iriw_bad(const struct cell *c)
{
    return c->r[0] == 1 && c->r[1] == 0 && c->r[2] == 1 && c->r[3] == 0;
}

/* Two reads of one place never go back. */
static void corr(unsigned t, struct cell *c)
{
    if (t == 0) {
        st(&c->x, 1);
        st(&c->x, 2);
    } else {
        c->r[0] = ld_acq(&c->x);
        c->r[1] = ld_acq(&c->x);
    }
}

static int corr_bad(const struct cell *c)
{
    return c->r[0] > c->r[1];
}

/* Everybody adds; the pass's end looks at the sum. */
static void add(unsigned t, struct cell *c)
{
    (void)t;
    fetchadd_acq(&c->x);
}

static int add_bad(const struct cell *c)
{
    return c->x != MAX_THREADS;
}

/* Sixteen bytes are written and read as one. */
static void wide(unsigned t, struct cell *c)
{
    uint64_t lo, hi;

    if (t == 0) {
        uint64_t v = c - cells;
        __asm__ volatile("mov ar.csd=%1;; st16 [%0]=%1,ar.csd" ::"r"(pair), "r"(v) : "memory");
        return;
    }
    __asm__ volatile("ld16 %0,ar.csd=[%2];; mov %1=ar.csd"
                     : "=r"(lo), "=r"(hi)
                     : "r"(pair)
                     : "memory");
    c->r[0] = lo;
    c->r[1] = hi;
}

static int wide_bad(const struct cell *c)
{
    return c->r[0] != c->r[1];
}

/* An advanced load must not keep a value that another processor has replaced before an acquire. */
static void alat(unsigned t, struct cell *c)
{
    uint64_t v, seen;

    if (t == 0) {
        st(&c->x, 1);
        st_rel(&c->y, 1);
        return;
    }
    __asm__ volatile("ld8.a %0=[%2];; ld8.acq %1=[%3];; ld8.c.clr %0=[%2]"
                     : "=&r"(v), "=&r"(seen)
                     : "r"(&c->x), "r"(&c->y)
                     : "memory");
    c->r[0] = seen;
    c->r[1] = v;
}

static const struct test {
    const char *name;
    unsigned threads;
    void (*run)(unsigned t, struct cell *c);
    int (*bad)(const struct cell *c);
    int forbidden;
} tests[] = {
    {"MP+rel+acq", 2, mp, mp_bad, 1},
    {"MP+mf+mf", 2, mp_mf, mp_bad, 1},
    {"MP+cmpxchg+xchg", 2, mp_xchg, mp_bad, 1},
    {"SB+mf+mf", 2, sb_mf, sb_bad, 1},
    {"SB+rel+acq", 2, sb, sb_bad, 0},
    {"LB+acq+rel", 2, lb, lb_bad, 1},
    {"IRIW+acq", 4, iriw, iriw_bad, 1},
    {"IRIW+mf", 4, iriw_mf, iriw_bad, 1},
    {"CoRR", 2, corr, corr_bad, 1},
    {"fetchadd", MAX_THREADS, add, add_bad, 1},
    {"st16+ld16", 2, wide, wide_bad, 1},
    {"MP+ld.a+ld.c", 2, alat, mp_bad, 1},
};

/* --- running --- */

static const struct test *test;
static unsigned long passes, outcomes;
static volatile uint64_t arrived, generation;

/* Spins, since whoever sleeps starts late. */
static void meet(unsigned n)
{
    uint64_t g = ld_acq(&generation);

    if (fetchadd_acq(&arrived) + 1 == n) {
        st(&arrived, 0);
        st_rel(&generation, g + 1);
        return;
    }
    for (unsigned k = 0; ld_acq(&generation) == g; k++)
        if (k > 100)
            sched_yield();
}

static void check(void)
{
    for (unsigned k = 0; k < CELLS; k++) {
        outcomes += test->bad(&cells[k]) != 0;
        cells[k].x = cells[k].y = 0;
        memset(cells[k].r, 0, sizeof cells[k].r);
    }
}

static void *worker(void *arg)
{
    unsigned t = (unsigned)(uintptr_t)arg;

    for (unsigned long p = 0; p < passes; p++) {
        meet(test->threads);
        for (unsigned k = 0; k < CELLS; k++)
            test->run(t, &cells[k]);
        meet(test->threads);
        if (t == 0)
            check();
    }
    return NULL;
}

static int run(const struct test *which)
{
    pthread_t id[MAX_THREADS];

    test = which;
    outcomes = 0;
    for (unsigned t = 0; t < which->threads; t++)
        if (pthread_create(&id[t], NULL, worker, (void *)(uintptr_t)t) != 0)
            return 1;
    for (unsigned t = 0; t < which->threads; t++)
        pthread_join(id[t], NULL);
    printf("LITMUS %s runs=%lu %s=%lu\n", which->name, passes * CELLS,
           which->forbidden ? "forbidden" : "seen", outcomes);
    fflush(stdout);
    return which->forbidden && outcomes > 0;
}

int main(int argc, char **argv)
{
    double millions = argc > 1 ? atof(argv[1]) : 0.1;
    int failed = 0;

    passes = (unsigned long)(millions * 1e6 / CELLS) + 1;
    for (unsigned k = 0; k < sizeof tests / sizeof tests[0]; k++)
        if (argc < 3 || strcmp(argv[2], tests[k].name) == 0)
            failed |= run(&tests[k]);
    printf(failed ? "LITMUS-FAILED\n" : "LITMUS-OK\n");
    return failed;
}
