/* `kittson trace`: traces as files. */
#include "cli.h"
#include "log.h"
#include "text.h"
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

static const char *const kinds[TRACE_RECORDS] = {
    [TRACE_TURN] = "digests of registers",
    [TRACE_MEMORY] = "digests of memory",
    [TRACE_PLUG] = "network adapters",
    [TRACE_LINK] = "link changes",
    [TRACE_FRAME] = "frames from the network",
    [TRACE_INPUT] = "characters of input",
    [TRACE_COMMAND] = "monitor commands",
    [TRACE_WAIT] = "waits cut short",
    [TRACE_END] = "ends",
};
static const char *const ends[] = {
    [TRACE_POWERED_OFF] = "the guest powered off",
    [TRACE_RESET] = "the guest reset the machine",
    [TRACE_QUIT] = "ended from outside",
    [TRACE_STOPPED] = "the guest stopped",
    [TRACE_CUT] = "cut",
};
static const char *const models[] = {"madison", "montecito", "poulson"};

static int refuse(const char *why)
{
    log_error("%s", why);
    return CLI_USAGE;
}

static const char *end_name(const struct trace_item *i)
{
    uint32_t reason = UINT32_MAX;
    if (i->size >= sizeof reason)
        memcpy(&reason, i->data, sizeof reason);
    return reason <= TRACE_CUT ? ends[reason] : "nobody knows how";
}

/* --- info and verify --- */

static void print_machine(const struct trace_machine *t)
{
    printf("recorded by %s\nmemory %" PRIu64 "M, %" PRIu32 " processors (%s), %u drives, %u "
           "network adapters\ndigest of registers every %" PRIu64 " instruction slots\n",
           t->program != NULL ? t->program : "-", t->memory >> 20, t->cpus, models[t->model],
           t->drive_count, t->nic_count, t->every);
    for (guint n = 0; n < t->images->len; n++) {
        const struct trace_image *i = &g_array_index(t->images, struct trace_image, n);
        printf("%s %s, %" PRIu64 " bytes, SHA-256 ",
               i->role == TRACE_KERNEL   ? "kernel"
               : i->role == TRACE_INITRD ? "initrd"
                                         : "drive",
               i->path, i->size);
        for (unsigned k = 0; k < TRACE_SUM; k++)
            printf("%02x", i->sum[k]);
        printf("%s\n", i->embedded ? ", in the trace" : "");
    }
}

struct summary {
    uint64_t count[TRACE_RECORDS], last_round;
    char end[64];
};

static void add(struct summary *s, const struct trace_item *i)
{
    s->count[i->kind] += i->kind == TRACE_INPUT ? i->size : 1;
    if (i->kind != TRACE_TURN)
        s->last_round = i->round;
    if (i->kind == TRACE_END)
        snprintf(s->end, sizeof s->end, "%s", end_name(i));
}

/* All of a trace. 0 or a negative errno. */
static int read_all(struct trace_reader *r, struct summary *s, char *why, size_t size)
{
    struct trace_item i;
    int got = trace_embedded(r, NULL, NULL, why, size);
    while (got == 0 && (got = trace_next(r, &i, why, size)) > 0) {
        add(s, &i);
        got = 0;
    }
    return got;
}

static int look(const char *path, bool verify)
{
    char why[512];
    struct trace_reader *r;
    struct summary s = {.end = "there is no end"};
    int err = trace_open(path, &r, why, sizeof why);
    if (err != 0)
        return refuse(why);
    if (!verify)
        print_machine(trace_describe(r));
    err = read_all(r, &s, why, sizeof why);
    trace_close(r);
    for (unsigned k = 1; k < TRACE_RECORDS && !verify; k++)
        if (s.count[k] > 0 && k != TRACE_END)
            printf("%" PRIu64 " %s\n", s.count[k], kinds[k]);
    if (!verify)
        printf("%" PRIu64 " rounds; %s\n", s.last_round, s.end);
    if (err < 0)
        return refuse(why);
    if (verify)
        printf("%s: whole; %s\n", path, s.end);
    return CLI_OK;
}

/* --- diff --- */

static bool same_machine(const struct trace_machine *a, const struct trace_machine *b)
{
    bool same = a->memory == b->memory && a->cpus == b->cpus && a->model == b->model &&
                a->every == b->every && a->images->len == b->images->len;
    for (guint n = 0; same && n < a->images->len; n++)
        same = memcmp(g_array_index(a->images, struct trace_image, n).sum,
                      g_array_index(b->images, struct trace_image, n).sum, TRACE_SUM) == 0;
    return same;
}

static bool same_item(const struct trace_item *a, const struct trace_item *b)
{
    return a->kind == b->kind && a->round == b->round && a->digest == b->digest &&
           a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* 0 alike, 1 different (and said where), or a negative errno. */
static int compare(struct trace_reader *a, struct trace_reader *b, char *why, size_t size)
{
    struct trace_item x, y;
    uint64_t turns = 0;
    int got = trace_embedded(a, NULL, NULL, why, size);
    if (got == 0)
        got = trace_embedded(b, NULL, NULL, why, size);
    if (got == 0 && !same_machine(trace_describe(a), trace_describe(b))) {
        printf("the machines are not the same\n");
        return 1;
    }
    while (got == 0) {
        int one = trace_next(a, &x, why, size);
        int two = one >= 0 ? trace_next(b, &y, why, size) : one;
        if (one < 0 || two < 0 || (one == 0 && two == 0))
            return two < 0 ? two : one;
        if (one != two || !same_item(&x, &y)) {
            printf("different after %" PRIu64 " digests of registers: %s, and %s\n", turns,
                   one > 0 ? kinds[x.kind] : "the end", two > 0 ? kinds[y.kind] : "the end");
            return 1;
        }
        turns += x.kind == TRACE_TURN;
    }
    return got;
}

static int diff(const char *first, const char *second)
{
    char why[512];
    struct trace_reader *a = NULL, *b = NULL;
    int err = trace_open(first, &a, why, sizeof why);
    if (err == 0)
        err = trace_open(second, &b, why, sizeof why);
    if (err == 0)
        err = compare(a, b, why, sizeof why);
    trace_close(a);
    trace_close(b);
    if (err < 0)
        return refuse(why);
    return err == 0 ? CLI_OK : CLI_FAILED;
}

/* --- cut --- */

static void copy_block(void *opaque, unsigned image, uint64_t offset, const uint8_t *data,
                       size_t size)
{
    trace_embed(opaque, image, offset, data, size);
}

static void put_end(struct trace_writer *out, uint64_t round)
{
    uint32_t reason = TRACE_CUT;
    trace_put(out, TRACE_END, round, &reason, sizeof reason);
}

/* Up to so many turns, or to where the trace is damaged. The end comes in the round of the last
 * event before it. */
static void copy(struct trace_reader *in, struct trace_writer *out, uint64_t until, char *why,
                 size_t size)
{
    struct trace_item i;
    uint64_t turns = 0, round = 0;
    int got = trace_embedded(in, copy_block, out, why, size);
    while (got == 0 && (got = trace_next(in, &i, why, size)) > 0) {
        got = 0;
        if (i.kind == TRACE_TURN) {
            if (until != 0 && turns == until)
                break;
            turns++;
            trace_put_turn(out, i.digest);
            continue;
        }
        trace_put(out, i.kind, i.round, i.data, i.size);
        if (i.kind == TRACE_END)
            return;
        round = i.round;
    }
    if (got < 0)
        log_warn("%s; what comes before is kept", why);
    put_end(out, round);
}

static int cut(const char *from, const char *to, uint64_t until)
{
    char why[512];
    struct trace_reader *in;
    struct trace_writer *out;
    int err = trace_open(from, &in, why, sizeof why);
    if (err != 0)
        return refuse(why);
    err = trace_create(to, trace_describe(in), &out, why, sizeof why);
    if (err == 0) {
        copy(in, out, until, why, sizeof why);
        err = trace_finish(out, why, sizeof why);
    }
    trace_close(in);
    return err != 0 ? refuse(why) : CLI_OK;
}

static int cmd_cut(int argc, char **argv)
{
    static const char usage[] =
        "usage: kittson trace cut [--until=TURN] [--self-contained] TRACE NEW";
    uint64_t until = 0;
    bool embed = false;
    int n = 0;
    for (; n < argc && argv[n][0] == '-'; n++) {
        if (strcmp(argv[n], "--self-contained") == 0)
            embed = true;
        else if (strncmp(argv[n], "--until=", 8) != 0 ||
                 text_parse_number(argv[n] + 8, 1, UINT64_MAX / 2, &until) != 0)
            return refuse(usage);
    }
    if (argc - n != 2 || strcmp(argv[n], argv[n + 1]) == 0)
        return refuse(usage);
    return embed ? replay_embed(argv[n], argv[n + 1]) : cut(argv[n], argv[n + 1], until);
}

int cmd_trace(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (argc == 3 && strcmp(what, "info") == 0)
        return look(argv[2], false);
    if (argc == 3 && strcmp(what, "verify") == 0)
        return look(argv[2], true);
    if (argc == 4 && strcmp(what, "diff") == 0)
        return diff(argv[2], argv[3]);
    if (strcmp(what, "cut") == 0)
        return cmd_cut(argc - 2, argv + 2);
    return refuse("usage: kittson trace info|verify|diff|cut TRACE...");
}
