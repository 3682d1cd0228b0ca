/* Figures of the translator for --stats. Times are host CPU time. */
#include <inttypes.h>
#include <time.h>
#include "jit_impl.h"

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t jit_clock_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void jit_count_block(struct jit *j, const struct block *b, size_t host_bytes)
{
    j->blocks++;
    j->guest_bytes += (b->nslots * 16u + 2) / 3;
    j->host_bytes += host_bytes;
}

void jit_print_stats(const struct jit *j, FILE *out)
{
    double ratio = j->guest_bytes ? (double)j->host_bytes / (double)j->guest_bytes : 0;

    fprintf(out,
            "  translator: %" PRIu64 " blocks, %" PRIu64 " refused, %" PRIu64
            " guest bytes to %" PRIu64
            " host bytes (%.1f each), %.3f s (%.1f %% of all), cache emptied %" PRIu64
            " times, %zu of %zu KB of it in use\n",
            j->blocks, j->refused, j->guest_bytes, j->host_bytes, ratio, (double)j->spent_ns / 1e9,
            100.0 * (double)j->spent_ns / (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID), j->resets - 1,
            j->arena.used >> 10, j->arena.size >> 10);
}
