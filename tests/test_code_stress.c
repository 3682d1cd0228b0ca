/* A guest that writes code, makes it visible (fc.i, sync.i, srlz.i) and runs it, without end: the
 * results stay right, the code cache is emptied and filled again, and memory does not grow.
 *
 *   test_code_stress [SECONDS]     of host CPU time; without: until the cache was emptied twice */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "../cpu/jit/jit_impl.h"
#include "cpu_harness.h"

#define BUFFER     0x400000ull /* 64 pages the code moves through */
#define VERSIONS   127u
#define ROUNDS     20000u /* per run of the guest program */
#define CALLS      3u
#define WARM_UP    6u /* runs before memory is looked at, at least */
#define GROWTH_MAX (24u << 20)

static unsigned long seconds;

/* r14 where; r16, r17 the bundle; r20 number of the round, r21 sum of results, r24 end of buffer.
 */
static const char program[] = "1: and r22=127,r20 ;; shl r22=r22,18 ;; add r22=r22,r16 ;;\n"
                              "adds r23=8,r14 ;; st8 [r14]=r22 ;; st8 [r23]=r17 ;;\n"
                              "fc.i r14 ;; sync.i ;; srlz.i ;; mov b6=r14 ;;\n"
                              "br.call.sptk b0=b6 ;;\n add r21=r21,r8 ;;\n"
                              "br.call.sptk b0=b6 ;;\n add r21=r21,r8 ;;\n"
                              "br.call.sptk b0=b6 ;;\n add r21=r21,r8 ;;\n"
                              "adds r20=1,r20 ;; add r14=r26,r14 ;; cmp.ltu p6,p7=r14,r24 ;;\n"
                              "(p7) mov r14=r25 ;;\n br.cloop.sptk 1b ;;\n";

static size_t resident(void)
{
    unsigned long size = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    ck_assert(f && fscanf(f, "%lu %lu", &size, &pages) == 2);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static struct harness *new_guest(void)
{
    struct harness *h = harness_new(CPU_MONTECITO);
    uint64_t w[2];

    if (!cpu_enable_jit(h->c)) {
        harness_free(h);
        return NULL;
    }
    h->c->jit_hot = 2;
    harness_asm(h, HARNESS_DATA, "{ .mib\n adds r8=0,r0\n nop.i 0\n br.ret.sptk b0 ;; }");
    ck_assert_int_eq(mem_dma_read(h->m, HARNESS_DATA, w, 16), 0);
    cpu_set_gr(h->c, 16, w[0]);
    cpu_set_gr(h->c, 17, w[1]);
    harness_asm(h, HARNESS_CODE, program);
    return h;
}

static uint64_t sum_of_results(void)
{
    uint64_t sum = 0;

    for (unsigned k = 0; k < ROUNDS; k++)
        sum += CALLS * (k & VERSIONS);
    return sum;
}

static void run_once(struct harness *h)
{
    struct cpu *c = h->c;

    cpu_set_gr(c, 14, BUFFER);
    cpu_set_gr(c, 25, BUFFER);
    cpu_set_gr(c, 26, MEM_PAGE_SIZE + 64);
    cpu_set_gr(c, 24, BUFFER + 64 * MEM_PAGE_SIZE);
    cpu_set_gr(c, 20, 0);
    cpu_set_gr(c, 21, 0);
    c->lc = ROUNDS - 1;
    harness_goto(h, HARNESS_CODE, 0);
    ck_assert_int_eq(harness_run_slots(h, (uint64_t)ROUNDS * 200), HARNESS_END);
    ck_assert_uint_eq(cpu_gr(c, 21), sum_of_results());
}

static bool enough(const struct jit *j, unsigned runs)
{
    if (runs < 2 * WARM_UP)
        return false;
    if (seconds)
        return (unsigned long)(clock() / CLOCKS_PER_SEC) >= seconds;
    return j->resets >= 3;
}

START_TEST(generated_code)
{
    struct harness *h = new_guest();
    size_t peak = 0;
    unsigned runs = 0;

    if (!h)
        return;
    while (!enough(h->c->jit, runs)) {
        run_once(h);
        if (++runs < WARM_UP || h->c->jit->resets < 2)
            peak = resident() > peak ? resident() : peak;
        else
            ck_assert_uint_le(resident(), peak + GROWTH_MAX);
        ck_assert_uint_le(h->c->jit->arena.used, h->c->jit->arena.size);
    }
    ck_assert_uint_ge(h->c->jit->resets, 3);
    harness_free(h);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *s = suite_create("code stress");
    TCase *t = tcase_create("code stress");
    SRunner *r = srunner_create(s);
    int failed;

    if (argc > 1)
        seconds = strtoul(argv[1], NULL, 10);
    tcase_set_timeout(t, 60 + 20 * (double)seconds);
    tcase_add_test(t, generated_code);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
