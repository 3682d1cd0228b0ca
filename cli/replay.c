/* `kittson replay`: runs a recorded machine again and compares; what it is made of is put together
 * here, and looked at more closely in bisect.c. */
#define _GNU_SOURCE /* memfd_create */
#include "bisect.h"
#include "cli.h"
#include "log.h"
#include "opts.h"
#include "run.h"
#include "store.h"
#include "tape.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    OPT_CPU,
    OPT_CONSOLE,
    OPT_IMAGE,
    OPT_REFERENCE,
    OPT_UNTIL,
    OPT_STATES,
    OPT_REGISTERS,
    OPT_STATS,
    OPT_VERBOSE,
};

static const struct opt options[] = {
    {OPT_CPU, "cpu", 0, "KIND", "how instructions are executed: interp (default) or jit", NULL},
    {OPT_CONSOLE, "console", 0, "WHERE", "where the guest's output goes: stdio, or file:PATH",
     NULL},
    {OPT_IMAGE, "image", 0, "OLD=NEW", "where a file is that was OLD when it was recorded", NULL},
    {OPT_REFERENCE, "reference", 0, "PROGRAM",
     "a kittson that replays the trace: finds the first instruction that differs", NULL},
    {OPT_UNTIL, "until", 0, "TURN", "end after so many digests of registers", NULL},
    {OPT_STATES, "states", 0, "FROM-TO:STEP",
     "print digests after every STEP slots of these turns, and end", NULL},
    {OPT_REGISTERS, "registers", 0, "TURN:SLOTS",
     "print all registers where the processor of a turn has retired so many slots, and end", NULL},
    {OPT_STATS, "stats", 0, NULL, "print counters at the end", NULL},
    {OPT_VERBOSE, "verbose", 'v', NULL, "more messages; twice for debugging", NULL},
};
#define OPTIONS (sizeof options / sizeof options[0])

void replay_print_options(FILE *out)
{
    opts_print(out, options, OPTIONS);
}

static int bad(char *why, size_t size, const char *option, const char *value, const char *rule)
{
    snprintf(why, size, "%s %s: %s", option, value, rule);
    return -EINVAL;
}

static int set_cpu(struct replay *r, const char *value, char *why, size_t size)
{
    r->cpu = value;
    if (strcmp(value, "interp") == 0 || strcmp(value, "jit") == 0)
        return 0;
    return bad(why, size, "--cpu", value, "the choice is interp or jit");
}

static int set_states(struct replay *r, const char *value, char *why, size_t size)
{
    int end = 0;
    if (sscanf(value, "%" SCNu64 "-%" SCNu64 ":%" SCNu64 "%n", &r->from, &r->to, &r->step, &end) ==
            3 &&
        value[end] == '\0' && r->from <= r->to && r->step >= 1)
        return 0;
    return bad(why, size, "--states", value, "give turns and slots, as in 100-120:1000");
}

static int set_registers(struct replay *r, const char *value, char *why, size_t size)
{
    int end = 0;
    if (sscanf(value, "%" SCNu64 ":%" SCNu64 "%n", &r->from, &r->slots, &end) == 2 &&
        value[end] == '\0') {
        r->to = r->from;
        r->from -= r->from > 0; /* what is the next instruction there is told by the one before */
        r->step = 1;
        r->registers = true;
        return 0;
    }
    return bad(why, size, "--registers", value,
               "give a turn and a number of slots, as in 100:5000");
}

static int set_option(void *opaque, const struct opt *o, const char *v, char *why, size_t size)
{
    struct replay *r = opaque;
    switch (o->id) {
    case OPTS_OPERAND:
        if (r->path != NULL)
            return bad(why, size, "replay", v, "one trace at a time");
        r->path = v;
        return 0;
    case OPT_CPU:
        return set_cpu(r, v, why, size);
    case OPT_CONSOLE:
        r->console = v;
        return 0;
    case OPT_IMAGE:
        if (strchr(v, '=') == NULL)
            return bad(why, size, "--image", v, "give OLD=NEW");
        g_ptr_array_add(r->images, (void *)(uintptr_t)v);
        return 0;
    case OPT_REFERENCE:
        r->reference = v;
        return 0;
    case OPT_UNTIL:
        if (text_parse_number(v, 1, UINT64_MAX / 2, &r->until) != 0)
            return bad(why, size, "--until", v, "give a number of digests");
        return 0;
    case OPT_STATES:
        return set_states(r, v, why, size);
    case OPT_REGISTERS:
        return set_registers(r, v, why, size);
    case OPT_STATS:
        r->stats = true;
        return 0;
    default:
        log_set_level(log_get_level() < LOG_INFO ? LOG_INFO : LOG_DEBUG);
        return 0;
    }
}

/* --- the machine --- */

/* What the replay made for itself. */
struct scene {
    const struct replay *replay;
    struct trace_reader *in;
    struct machine_config config;
    struct machine_drive drives[MACHINE_MAX_DRIVES];
    struct machine_nic nics[MACHINE_MAX_NICS];
    char *dir; /* of files that go at the end, or NULL */
    GPtrArray *strings;
    GArray *fds;
    char **paths;      /* of the trace's images */
    GHashTable **read; /* blocks that were read of each, when they are collected */
};

static char *keep(struct scene *s, char *text)
{
    g_ptr_array_add(s->strings, text);
    return text;
}

static char *file_in(struct scene *s, const char *name, unsigned number)
{
    if (s->dir == NULL)
        s->dir = g_dir_make_tmp("kittson-replay-XXXXXX", NULL);
    return s->dir != NULL ? keep(s, g_strdup_printf("%s/%s%u", s->dir, name, number)) : NULL;
}

/* Where writes go: memory. */
static char *memory_file(struct scene *s)
{
    int fd = memfd_create("overlay", MFD_CLOEXEC);
    if (fd < 0)
        return NULL;
    g_array_append_val(s->fds, fd);
    return keep(s, g_strdup_printf("/proc/self/fd/%d", fd));
}

static const char *where(const struct replay *r, const char *path)
{
    for (guint i = 0; i < r->images->len; i++) {
        const char *map = g_ptr_array_index(r->images, i);
        size_t n = strlen(path);
        if (strncmp(map, path, n) == 0 && map[n] == '=')
            return map + n + 1;
    }
    return path;
}

static void write_block(void *opaque, unsigned image, uint64_t offset, const uint8_t *data,
                        size_t size)
{
    struct scene *s = opaque;
    int fd = open(s->paths[image], O_WRONLY | O_CLOEXEC);
    if (fd < 0 || pwrite(fd, data, size, (off_t)offset) != (ssize_t)size)
        log_error("%s: %s", s->paths[image], strerror(errno));
    if (fd >= 0)
        close(fd);
}

static int place_image(struct scene *s, unsigned n, char *why, size_t size)
{
    const struct trace_machine *t = trace_describe(s->in);
    const struct trace_image *i = &g_array_index(t->images, struct trace_image, n);
    if (!i->embedded) {
        s->paths[n] = keep(s, g_strdup(where(s->replay, i->path)));
        return 0;
    }
    s->paths[n] = file_in(s, "image", n);
    int fd = s->paths[n] != NULL ? open(s->paths[n], O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
    int err = fd < 0 || ftruncate(fd, (off_t)i->size) != 0 ? -errno : 0;
    if (err != 0)
        snprintf(why, size, "a file for %s cannot be made: %s", i->path, strerror(-err));
    if (fd >= 0)
        close(fd);
    return err;
}

static int check_image(struct scene *s, unsigned n, char *why, size_t size)
{
    const struct trace_machine *t = trace_describe(s->in);
    const struct trace_image *i = &g_array_index(t->images, struct trace_image, n);
    struct machine_drive d = {.path = s->paths[n], .read_only = true};
    uint8_t sum[TRACE_SUM];
    uint64_t length;
    int err;
    if (i->embedded)
        return 0;
    if (i->role == TRACE_DRIVE)
        err = recording_sum_drive(&d, &length, sum, why, size);
    else if ((err = trace_sum_file(s->paths[n], &length, sum)) != 0)
        snprintf(why, size, "%s: %s", s->paths[n], strerror(-err));
    if (err == 0 && (length != i->size || memcmp(sum, i->sum, sizeof sum) != 0)) {
        snprintf(why, size, "%s: not what it was when the trace was recorded", s->paths[n]);
        err = -ESTALE;
    }
    return err;
}

static int use_image(struct scene *s, unsigned n, char *why, size_t size)
{
    const struct trace_machine *t = trace_describe(s->in);
    const struct trace_image *i = &g_array_index(t->images, struct trace_image, n);
    if (i->role == TRACE_KERNEL)
        s->config.kernel = s->paths[n];
    else if (i->role == TRACE_INITRD)
        s->config.initrd = s->paths[n];
    else if (i->drive >= t->drive_count) {
        snprintf(why, size, "%s: a file is of no drive", s->replay->path);
        return -EBADMSG;
    } else {
        struct machine_drive *d = &s->drives[i->drive];
        d->path = s->paths[n];
        if (!d->dvd && !d->read_only)
            d->overlay = memory_file(s);
    }
    return 0;
}

static int use_images(struct scene *s, char *why, size_t size)
{
    const struct trace_machine *t = trace_describe(s->in);
    int err = 0;
    s->paths = g_new0(char *, t->images->len + 1);
    for (unsigned n = 0; n < t->images->len && err == 0; n++)
        err = place_image(s, n, why, size);
    if (err == 0)
        err = trace_embedded(s->in, write_block, s, why, size);
    for (unsigned n = 0; n < t->images->len && err == 0; n++) {
        err = check_image(s, n, why, size);
        if (err == 0)
            err = use_image(s, n, why, size);
    }
    return err;
}

static int use_nvram(struct scene *s, char *why, size_t size)
{
    const struct trace_machine *t = trace_describe(s->in);
    g_autoptr(GError) error = NULL;
    if (t->nvram == NULL)
        return 0;
    s->config.nvram = file_in(s, "variables", 0);
    if (s->config.nvram != NULL &&
        (t->nvram->len == 0 ||
         g_file_set_contents(s->config.nvram, (const char *)t->nvram->data, t->nvram->len, &error)))
        return 0;
    snprintf(why, size, "a file for the variables cannot be made%s%s", error != NULL ? ": " : "",
             error != NULL ? error->message : "");
    return -EIO;
}

static int set_scene(struct scene *s, char *why, size_t size)
{
    const struct trace_machine *t = trace_describe(s->in);
    const struct replay *r = s->replay;
    memcpy(s->drives, t->drives, sizeof s->drives);
    memcpy(s->nics, t->nics, sizeof s->nics);
    s->config = (struct machine_config){.memory = t->memory,
                                        .cpus = t->cpus,
                                        .model = (enum cpu_model)t->model,
                                        .append = t->append,
                                        .serial = t->serial,
                                        .no_reboot = t->no_reboot,
                                        .deterministic = true,
                                        .console = r->console,
                                        .jit = strcmp(r->cpu, "jit") == 0,
                                        .drives = s->drives,
                                        .drive_count = t->drive_count,
                                        .nics = s->nics,
                                        .nic_count = t->nic_count};
    memcpy(s->config.uuid, t->uuid, sizeof s->config.uuid);
    int err = use_images(s, why, size);
    return err == 0 ? use_nvram(s, why, size) : err;
}

static void remove_dir(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        unlink(file);
    }
    if (dir != NULL)
        g_dir_close(dir);
    rmdir(path);
}

static void strike_scene(struct scene *s)
{
    for (guint i = 0; i < s->fds->len; i++)
        close(g_array_index(s->fds, int, i));
    g_array_free(s->fds, TRUE);
    g_ptr_array_free(s->strings, TRUE);
    g_free(s->paths);
    if (s->dir != NULL)
        remove_dir(s->dir);
    g_free(s->dir);
}

/* --- traces that need no images --- */

#define BLOCK 4096u

static void note_read(void *opaque, const struct store *store, uint64_t offset, size_t len)
{
    struct scene *s = opaque;
    const struct trace_machine *t = trace_describe(s->in);
    for (unsigned n = 0; n < t->images->len; n++) {
        if (s->paths[n] == NULL || strcmp(store_name(store), s->paths[n]) != 0)
            continue;
        for (uint64_t b = offset / BLOCK; b * BLOCK < offset + len; b++)
            g_hash_table_add(s->read[n], GSIZE_TO_POINTER(b + 1));
    }
}

static void embed_block(struct trace_writer *out, struct store *store, unsigned image, uint64_t at)
{
    uint64_t left = store_size(store) - at;
    uint8_t data[BLOCK];
    size_t n = left < BLOCK ? (size_t)left : BLOCK;
    if (store_read(store, at, data, n) == 0)
        trace_embed(out, image, at, data, n);
}

/* A file that the kernel's loader read is taken as a whole. */
static int embed_image(struct scene *s, struct trace_writer *out, unsigned n, char *why,
                       size_t size)
{
    const struct trace_machine *t = trace_describe(s->in);
    const struct trace_image *i = &g_array_index(t->images, struct trace_image, n);
    struct store_options options = {.read_only = true};
    struct store *store;
    int err = store_open(s->paths[n], &options, &store, why, size);
    if (err != 0)
        return err;
    for (uint64_t b = 0; b * BLOCK < store_size(store); b++)
        if (i->role != TRACE_DRIVE || g_hash_table_contains(s->read[n], GSIZE_TO_POINTER(b + 1)))
            embed_block(out, store, n, b * BLOCK);
    store_close(store);
    return 0;
}

static int copy_records(const char *path, struct trace_writer *out, char *why, size_t size)
{
    struct trace_reader *in;
    struct trace_item i;
    int got = trace_open(path, &in, why, size);
    if (got == 0)
        got = trace_embedded(in, NULL, NULL, why, size);
    while (got == 0 && (got = trace_next(in, &i, why, size)) > 0) {
        if (i.kind == TRACE_TURN)
            trace_put_turn(out, i.digest);
        else
            trace_put(out, i.kind, i.round, i.data, i.size);
        got = 0;
    }
    trace_close(in);
    return got;
}

/* The images must still be there: what was read of them is known now. */
static int write_embedded(struct scene *s, const char *path, char *why, size_t size)
{
    struct trace_machine t = *trace_describe(s->in);
    struct trace_writer *out;
    int err = 0;
    for (unsigned n = 0; n < t.images->len; n++)
        g_array_index(t.images, struct trace_image, n).embedded = true;
    err = trace_create(path, &t, &out, why, size);
    if (err != 0)
        return err;
    for (unsigned n = 0; n < t.images->len && err == 0; n++)
        err = embed_image(s, out, n, why, size);
    if (err == 0)
        err = copy_records(s->replay->path, out, why, size);
    if (err == 0)
        return trace_finish(out, why, size);
    trace_abandon(out);
    return err;
}

static void begin_collecting(struct scene *s)
{
    unsigned count = trace_describe(s->in)->images->len;
    s->read = g_new0(GHashTable *, count + 1);
    for (unsigned n = 0; n < count; n++)
        s->read[n] = g_hash_table_new(NULL, NULL);
    store_set_watcher(note_read, s);
}

static void end_collecting(struct scene *s)
{
    store_set_watcher(NULL, NULL);
    for (unsigned n = 0; s->read[n] != NULL; n++)
        g_hash_table_destroy(s->read[n]);
    g_free(s->read);
}

/* --- the replay --- */

static int finish(const struct replay *r, struct tape *t, enum machine_end end, const char *why)
{
    const struct tape_failure *f = tape_failure(t);
    struct tape_figures n = tape_figures(t);
    if (r->step != 0)
        return CLI_OK;
    if (!f->failed && end != MACHINE_DIVERGED && end != MACHINE_STOPPED) {
        printf("%s: replayed alike: %" PRIu64 " digests of registers, %" PRIu64
               " of pages, %" PRIu64 " events from outside\n",
               r->path, n.turns, n.pages, n.events);
        return CLI_OK;
    }
    log_error("%s: %s", r->path, f->failed ? f->what : why);
    if (f->failed && r->until == 0) /* with an end it is a bisection that asks */
        bisect(r, f);
    return CLI_FAILED;
}

static int play(const struct replay *r, struct scene *s)
{
    char why[512] = "";
    enum machine_end end;
    int err = trace_open(r->path, &s->in, why, sizeof why);
    if (err == 0)
        err = set_scene(s, why, sizeof why);
    if (err != 0) {
        trace_close(s->in);
        log_error("%s", why);
        return CLI_USAGE;
    }
    struct tape *t = s->config.tape = tape_replay(s->in);
    tape_set_until(t, r->until);
    struct look *look = look_new(r, t);
    if (r->embed != NULL)
        begin_collecting(s);
    err = run_machine(&s->config, r->stats, &end, why, sizeof why);
    look_free(look);
    int status = CLI_USAGE;
    if (err != 0)
        log_error("%s", why);
    else
        status = finish(r, t, end, why);
    if (r->embed != NULL && status == CLI_OK && write_embedded(s, r->embed, why, sizeof why) != 0) {
        log_error("%s", why);
        status = CLI_USAGE;
    }
    if (r->embed != NULL)
        end_collecting(s);
    tape_free(t);
    return status;
}

static struct scene new_scene(const struct replay *r)
{
    return (struct scene){.replay = r,
                          .strings = g_ptr_array_new_with_free_func(g_free),
                          .fds = g_array_new(FALSE, FALSE, sizeof(int))};
}

int replay_embed(const char *path, const char *out)
{
    struct replay r = {.path = path,
                       .cpu = "jit",
                       .console = "file:/dev/null",
                       .images = g_ptr_array_new(),
                       .embed = out};
    struct scene s = new_scene(&r);
    int status = play(&r, &s);
    strike_scene(&s);
    g_ptr_array_free(r.images, TRUE);
    return status;
}

int cmd_replay(int argc, char **argv)
{
    struct replay r = {.cpu = "interp", .console = "file:/dev/null", .images = g_ptr_array_new()};
    char why[512] = "";
    int status = CLI_USAGE;
    if (opts_parse(options, OPTIONS, argc, argv, set_option, &r, why, sizeof why) != 0)
        log_error("%s", why);
    else if (r.path == NULL)
        log_error("usage: kittson replay [OPTION]... TRACE");
    else {
        struct scene s = new_scene(&r);
        status = play(&r, &s);
        strike_scene(&s);
    }
    g_ptr_array_free(r.images, TRUE);
    return status;
}
