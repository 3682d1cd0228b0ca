/* See tape.h. */
#include "tape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <zlib.h>
#include "cpu.h"
#include "mem.h"

struct tape {
    struct trace_writer *out; /* recording */
    struct trace_reader *in;  /* replaying */
    uint64_t every;
    struct trace_item next; /* replaying: the record that has not been taken */
    bool have;
    bool over;            /* there are no more */
    GArray *pages;        /* struct trace_page */
    uint64_t memory_turn; /* turns when memory agreed the last time */
    struct tape_figures figures;
    struct tape_failure failure;
    struct tape_probe probe;
    uint64_t until;
    bool cut; /* came to the end of a shortened trace */
};

struct tape *tape_record(struct trace_writer *out, uint64_t every)
{
    struct tape *t = g_new0(struct tape, 1);

    t->out = out;
    t->every = every;
    t->pages = g_array_new(FALSE, FALSE, sizeof(struct trace_page));
    return t;
}

struct tape *tape_replay(struct trace_reader *in)
{
    struct tape *t = tape_record(NULL, trace_describe(in)->every);

    t->in = in;
    return t;
}

void tape_free(struct tape *t)
{
    if (t == NULL)
        return;
    trace_abandon(t->out);
    trace_close(t->in);
    g_array_free(t->pages, TRUE);
    g_free(t);
}

bool tape_recording(const struct tape *t)
{
    return t != NULL && t->in == NULL;
}

bool tape_replaying(const struct tape *t)
{
    return t != NULL && t->in != NULL;
}

__attribute__((format(printf, 3, 4))) static bool fail(struct tape *t, bool memory,
                                                       const char *format, ...)
{
    va_list ap;

    if (t->failure.failed)
        return false;
    t->failure.failed = true;
    t->failure.memory = memory;
    t->failure.every = t->every;
    t->failure.from = memory ? t->memory_turn : t->figures.turns;
    t->failure.to = memory && t->figures.turns > 0 ? t->figures.turns - 1 : t->figures.turns;
    va_start(ap, format);
    vsnprintf(t->failure.what, sizeof(t->failure.what), format, ap);
    va_end(ap);
    return false;
}

/* --- records --- */

void tape_note(struct tape *t, enum trace_record kind, uint64_t round, const void *data,
               size_t size)
{
    if (!tape_recording(t) || size > TRACE_DATA_MAX)
        return;
    t->figures.events++;
    trace_put(t->out, kind, round, data, size);
}

void tape_note_numbered(struct tape *t, enum trace_record kind, uint64_t round, uint32_t number,
                        const void *data, size_t size)
{
    g_autoptr(GByteArray) bytes = NULL;

    if (!tape_recording(t))
        return;
    bytes = g_byte_array_new();
    g_byte_array_append(bytes, (const uint8_t *)&number, sizeof(number));
    g_byte_array_append(bytes, data, (guint)size);
    tape_note(t, kind, round, bytes->data, bytes->len);
}

/* Makes sure that the next record is there. */
static bool peek(struct tape *t)
{
    char why[300];
    int got;

    if (t->have)
        return true;
    if (t->over || t->failure.failed)
        return false;
    got = trace_next(t->in, &t->next, why, sizeof(why));
    if (got < 0)
        fail(t, false, "%s", why);
    t->over = got <= 0;
    t->have = got > 0;
    return t->have;
}

bool tape_take(struct tape *t, enum trace_record kind, uint64_t round, struct trace_item *out)
{
    if (!tape_replaying(t) || !peek(t) || t->next.kind != kind || t->next.round != round)
        return false;
    *out = t->next;
    t->have = false;
    t->figures.events++;
    return true;
}

bool tape_next_round(struct tape *t, uint64_t *round)
{
    if (!tape_replaying(t) || !peek(t) || t->next.kind == TRACE_TURN ||
        t->next.kind == TRACE_MEMORY)
        return false;
    *round = t->next.round;
    return true;
}

/* A shortened trace ends between two records: the replay is over, and was alike. */
static bool at_cut(struct tape *t)
{
    uint32_t reason;

    if (!peek(t) || t->next.kind != TRACE_END || t->next.size < sizeof(reason))
        return false;
    memcpy(&reason, t->next.data, sizeof(reason));
    t->cut = reason == TRACE_CUT;
    return t->cut;
}

bool tape_next_end(struct tape *t, uint64_t *round)
{
    if (!tape_next_round(t, round) || t->next.kind != TRACE_END)
        return false;
    return !at_cut(t);
}

/* --- digests --- */

uint64_t tape_every(const struct tape *t)
{
    return t->every;
}

/* In a probe there is no comparison: the records only keep events in step. */
static bool comparing(const struct tape *t)
{
    return t->probe.step == 0;
}

static bool compare_turn(struct tape *t, const struct cpu *c, uint32_t digest)
{
    if (at_cut(t))
        return false;
    if (!peek(t) || t->next.kind != TRACE_TURN)
        return !comparing(t) ||
               fail(t, false,
                    "processor %u executes instructions where the recording has something else",
                    c->id);
    t->have = false;
    if (t->next.digest == digest || !comparing(t))
        return true;
    return fail(t, false,
                "the registers of processor %u differ after %" PRIu64 " instruction slots", c->id,
                cpu_icount(c));
}

bool tape_turn(struct tape *t, struct cpu *c)
{
    uint32_t digest = cpu_digest(c);
    bool same = true;

    if (t->in != NULL)
        same = compare_turn(t, c, digest);
    else
        trace_put_turn(t->out, digest);
    t->figures.turns += same;
    return same;
}

struct collect {
    struct tape *tape;
    struct mem *mem;
};

static void add_page(void *opaque, uint64_t addr)
{
    struct collect *k = opaque;
    const uint8_t *host = mem_ram(k->mem, addr, MEM_PAGE_SIZE);
    struct trace_page p = {(uint32_t)(addr >> MEM_PAGE_SHIFT),
                           (uint32_t)crc32_z(0, host, MEM_PAGE_SIZE)};

    g_array_append_val(k->tape->pages, p);
}

/* The first page that is not the same in both; they are in the order of addresses. */
static uint64_t first_difference(const GArray *pages, const struct trace_item *then)
{
    const struct trace_page *p = (const struct trace_page *)(const void *)pages->data, q = {0};
    size_t count = then->size / sizeof(q), i = 0;
    struct trace_page other;

    for (; i < count && i < pages->len; i++) {
        memcpy(&other, then->data + i * sizeof(other), sizeof(other));
        if (memcmp(&other, &p[i], sizeof(other)) != 0)
            return other.frame < p[i].frame ? other.frame : p[i].frame;
    }
    if (i < pages->len)
        return p[i].frame;
    memcpy(&other, then->data + i * sizeof(other), i < count ? sizeof(other) : 0);
    return i < count ? other.frame : 0;
}

static bool compare_memory(struct tape *t, uint64_t round)
{
    struct trace_item then;

    if (at_cut(t))
        return false;
    if (!tape_take(t, TRACE_MEMORY, round, &then))
        return !comparing(t) ||
               fail(t, true, "memory is written where the recording has something else");
    t->figures.events--;
    if (!comparing(t) || (then.size == t->pages->len * sizeof(struct trace_page) &&
                          memcmp(then.data, t->pages->data, then.size) == 0))
        return true;
    return fail(t, true, "memory differs, first in the page at %#" PRIx64,
                first_difference(t->pages, &then) << MEM_PAGE_SHIFT);
}

bool tape_memory(struct tape *t, struct mem *m, uint64_t round)
{
    struct collect k = {t, m};
    bool same = true;

    g_array_set_size(t->pages, 0);
    mem_take_written(m, add_page, &k);
    t->figures.pages += t->pages->len;
    if (t->in != NULL)
        same = compare_memory(t, round);
    else
        trace_put(t->out, TRACE_MEMORY, round, t->pages->data,
                  t->pages->len * sizeof(struct trace_page));
    if (same)
        t->memory_turn = t->figures.turns;
    return same;
}

/* --- the end --- */

static GByteArray *end_record(enum trace_end why, struct cpu *const *cpus, unsigned count)
{
    GByteArray *bytes = g_byte_array_new();
    uint32_t reason = why;

    g_byte_array_append(bytes, (const uint8_t *)&reason, sizeof(reason));
    for (unsigned i = 0; i < count; i++) {
        uint32_t digest = cpu_digest(cpus[i]);

        g_byte_array_append(bytes, (const uint8_t *)&digest, sizeof(digest));
    }
    return bytes;
}

void tape_end(struct tape *t, enum trace_end why, uint64_t round, struct cpu *const *cpus,
              unsigned count)
{
    g_autoptr(GByteArray) bytes = NULL;

    if (!tape_recording(t))
        return;
    bytes = end_record(why, cpus, count);
    trace_put(t->out, TRACE_END, round, bytes->data, bytes->len);
}

bool tape_ended(struct tape *t, enum trace_end why, uint64_t round, struct cpu *const *cpus,
                unsigned count)
{
    struct trace_item then;
    g_autoptr(GByteArray) bytes = NULL;
    uint32_t reason;

    if (t->failure.failed)
        return false;
    if (!tape_take(t, TRACE_END, round, &then) || then.size < sizeof(reason))
        return fail(t, false, "the machine ends where the recording goes on");
    memcpy(&reason, then.data, sizeof(reason));
    if (reason == TRACE_CUT && why == TRACE_QUIT)
        return true;
    bytes = end_record(why, cpus, count);
    if (then.size != bytes->len || memcmp(then.data, bytes->data, bytes->len) != 0)
        return fail(t, false, "the machine ends in another state than in the recording");
    return true;
}

struct tape_figures tape_figures(const struct tape *t)
{
    return t->figures;
}

const struct tape_failure *tape_failure(const struct tape *t)
{
    return &t->failure;
}

int tape_finish(struct tape *t, char *why, size_t size)
{
    int err = t->out != NULL ? trace_finish(t->out, why, size) : 0;

    t->out = NULL;
    return err;
}

/* --- looking closer --- */

void tape_set_probe(struct tape *t, const struct tape_probe *probe)
{
    t->probe = *probe;
}

const struct tape_probe *tape_probe(const struct tape *t)
{
    bool now =
        t->probe.step != 0 && t->figures.turns >= t->probe.from && t->figures.turns <= t->probe.to;

    return now ? &t->probe : NULL;
}

void tape_set_until(struct tape *t, uint64_t turns)
{
    t->until = turns;
}

bool tape_probe_done(const struct tape *t)
{
    return (t->probe.step != 0 && t->figures.turns > t->probe.to) ||
           (t->until != 0 && t->figures.turns >= t->until) || t->cut;
}

uint64_t tape_turns(const struct tape *t)
{
    return t->figures.turns;
}
