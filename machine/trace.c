/* See trace.h. */
#include "trace.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include "archive.h"

#define FORMAT       1
#define FLUSH_AT     65536u /* bytes of records in a section */
#define FLUSH_NS     2000000000ull
#define IMAGES_MAX   (MACHINE_MAX_DRIVES + 2)
#define TEXT_MAX     8192
#define NVRAM_MAX    (2u << 20)
#define CPUS_MAX     16
#define MEMORY_MAX   (1ull << 40)
#define SUM_BUFFER   (1u << 20)
#define COUNT(a)     (sizeof(a) / sizeof((a)[0]))
#define PART_MACHINE "machine"
#define PART_BLOCKS  "blocks"
#define PART_RECORDS "records"

const struct section_kind trace_kind = {"KITTRACE", FORMAT, "trace"};

/* --- the description --- */

static void image_free(void *image)
{
    g_free(((struct trace_image *)image)->path);
}

static GArray *new_images(void)
{
    GArray *images = g_array_new(FALSE, TRUE, sizeof(struct trace_image));

    g_array_set_clear_func(images, image_free);
    return images;
}

void trace_machine_free(struct trace_machine *t)
{
    g_free(t->program);
    g_free(t->append);
    g_free(t->serial);
    if (t->images != NULL)
        g_array_free(t->images, TRUE);
    if (t->nvram != NULL)
        g_byte_array_free(t->nvram, TRUE);
    *t = (struct trace_machine){0};
}

static uint32_t number(struct archive *a, uint32_t value, uint64_t max, const char *what)
{
    return (uint32_t)archive_number(a, value, max, what);
}

static void drive_state(struct machine_drive *d, struct archive *a)
{
    static const char bad[] = "a drive is nowhere";

    archive_truth(a, &d->dvd, 1);
    archive_truth(a, &d->read_only, 1);
    d->bus = number(a, d->bus, 6, bad);
    d->slot = number(a, d->slot, 7, bad);
    d->target = number(a, d->target, 14, bad);
}

static void image_state(struct trace_image *i, struct archive *a)
{
    i->role = number(a, i->role, TRACE_DRIVE, "a file has no purpose");
    i->drive = number(a, i->drive, MACHINE_MAX_DRIVES - 1, "a file is of no drive");
    archive_text(a, &i->path, TEXT_MAX);
    archive_bytes(a, &i->size, sizeof(i->size));
    archive_bytes(a, i->sum, sizeof(i->sum));
    archive_truth(a, &i->embedded, 1);
    archive_check(a, i->path != NULL, "a file has no name");
}

static void images_state(struct trace_machine *t, struct archive *a)
{
    unsigned count = number(a, t->images->len, IMAGES_MAX, "there are too many files");

    if (a->loading)
        g_array_set_size(t->images, count);
    for (unsigned i = 0; i < count; i++)
        image_state(&g_array_index(t->images, struct trace_image, i), a);
}

static void nvram_state(struct trace_machine *t, struct archive *a)
{
    bool there = t->nvram != NULL;
    unsigned size;

    archive_truth(a, &there, 1);
    if (!there)
        return;
    if (t->nvram == NULL)
        t->nvram = g_byte_array_new();
    size = number(a, t->nvram->len, NVRAM_MAX, "the variables are too long");
    g_byte_array_set_size(t->nvram, size);
    archive_bytes(a, t->nvram->data, size);
}

static void machine_state(struct trace_machine *t, struct archive *a)
{
    archive_text(a, &t->program, TEXT_MAX);
    t->memory = archive_number(a, t->memory, MEMORY_MAX, "there is too much memory");
    t->cpus = number(a, t->cpus, CPUS_MAX, "there are too many processors");
    t->model = number(a, t->model, CPU_POULSON, "there is no such processor");
    archive_bytes(a, &t->every, sizeof(t->every));
    archive_truth(a, &t->no_reboot, 1);
    archive_truth(a, &t->demo, 1);
    archive_text(a, &t->append, TEXT_MAX);
    archive_text(a, &t->serial, TEXT_MAX);
    archive_bytes(a, t->uuid, sizeof(t->uuid));
    t->drive_count = number(a, t->drive_count, MACHINE_MAX_DRIVES, "there are too many drives");
    for (unsigned i = 0; i < t->drive_count; i++)
        drive_state(&t->drives[i], a);
    t->nic_count = number(a, t->nic_count, MACHINE_MAX_NICS, "there are too many adapters");
    for (unsigned i = 0; i < t->nic_count; i++) {
        t->nics[i].bus = number(a, t->nics[i].bus, 6, "an adapter is nowhere");
        t->nics[i].slot = number(a, t->nics[i].slot, 7, "an adapter is nowhere");
    }
    images_state(t, a);
    nvram_state(t, a);
    archive_check(a, t->cpus >= 1 && t->every >= 1 && t->memory % (1u << 20) == 0 && t->memory > 0,
                  "the machine is impossible");
}

static void add_to_sum(GChecksum *sum, FILE *in, uint64_t *size)
{
    g_autofree uint8_t *buffer = g_malloc(SUM_BUFFER);
    size_t n;

    while ((n = fread(buffer, 1, SUM_BUFFER, in)) > 0) {
        g_checksum_update(sum, buffer, (gssize)n);
        *size += n;
    }
}

int trace_sum_file(const char *path, uint64_t *size, uint8_t sum[TRACE_SUM])
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    FILE *in = fopen(path, "rbe");
    gsize length = TRACE_SUM;
    int err = 0;

    if (in == NULL)
        return -errno;
    *size = 0;
    add_to_sum(checksum, in, size);
    if (ferror(in))
        err = -EIO;
    fclose(in);
    g_checksum_get_digest(checksum, sum, &length);
    return err;
}

/* --- writing --- */

struct trace_writer {
    struct section_writer *out;
    GByteArray *records;
    uint64_t flushed_ns;
};

static uint64_t host_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int trace_create(const char *path, const struct trace_machine *machine, struct trace_writer **out,
                 char *why, size_t size)
{
    struct trace_machine copy = *machine; /* not changed by a writer */
    struct section_writer *sections;
    struct archive a;
    int err = sections_create(path, &trace_kind, false, &sections, why, size);

    *out = NULL;
    if (err != 0)
        return err;
    archive_write_init(&a, 1);
    machine_state(&copy, &a);
    section_write(sections, PART_MACHINE, 1, a.out->data, a.out->len);
    sections_flush(sections);
    archive_done(&a);
    *out = g_new0(struct trace_writer, 1);
    (*out)->out = sections;
    (*out)->records = g_byte_array_new();
    (*out)->flushed_ns = host_ns();
    return 0;
}

void trace_embed(struct trace_writer *w, unsigned image, uint64_t offset, const void *data,
                 size_t size)
{
    uint64_t head[2] = {image, offset};
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    g_byte_array_append(bytes, (const uint8_t *)head, sizeof(head));
    g_byte_array_append(bytes, data, (guint)size);
    section_write(w->out, PART_BLOCKS, 1, bytes->data, bytes->len);
}

static void put(struct trace_writer *w, const void *p, size_t n)
{
    g_byte_array_append(w->records, p, (guint)n);
}

void trace_flush(struct trace_writer *w)
{
    if (w->records->len > 0)
        section_write(w->out, PART_RECORDS, 1, w->records->data, w->records->len);
    g_byte_array_set_size(w->records, 0);
    sections_flush(w->out);
    w->flushed_ns = host_ns();
}

/* Now and then, so that little is lost when the host is. */
static void flush_when_due(struct trace_writer *w)
{
    if (w->records->len >= FLUSH_AT || host_ns() - w->flushed_ns > FLUSH_NS)
        trace_flush(w);
}

void trace_put(struct trace_writer *w, enum trace_record kind, uint64_t round, const void *data,
               size_t size)
{
    uint8_t k = (uint8_t)kind;
    uint32_t n = (uint32_t)size;

    put(w, &k, 1);
    put(w, &round, sizeof(round));
    put(w, &n, sizeof(n));
    put(w, data, size);
    flush_when_due(w);
}

void trace_put_turn(struct trace_writer *w, uint32_t digest)
{
    uint8_t k = TRACE_TURN;

    put(w, &k, 1);
    put(w, &digest, sizeof(digest));
    if (w->records->len >= FLUSH_AT)
        trace_flush(w);
}

static void writer_free(struct trace_writer *w)
{
    g_byte_array_free(w->records, TRUE);
    g_free(w);
}

int trace_finish(struct trace_writer *w, char *why, size_t size)
{
    int err;

    trace_flush(w);
    err = sections_finish(w->out, why, size);
    writer_free(w);
    return err;
}

void trace_abandon(struct trace_writer *w)
{
    if (w == NULL)
        return;
    sections_abandon(w->out);
    writer_free(w);
}

/* --- reading --- */

struct trace_reader {
    struct section_reader *in;
    struct trace_machine machine;
    struct section section; /* the present one */
    size_t at;              /* in it */
    bool have;              /* the present section has not been looked at */
    bool ended;
};

static int bad(struct trace_reader *r, char *why, size_t size, const char *what)
{
    snprintf(why, size, "%s: %s", sections_name(r->in), what);
    return -EBADMSG;
}

void trace_close(struct trace_reader *r)
{
    if (r == NULL)
        return;
    sections_close(r->in);
    trace_machine_free(&r->machine);
    g_free(r);
}

static int read_machine(struct trace_reader *r, char *why, size_t size)
{
    struct archive a;
    const char *wrong;
    int err = section_read(r->in, &r->section, why, size);

    if (err < 0)
        return err;
    if (err == 0 || strcmp(r->section.name, PART_MACHINE) != 0)
        return bad(r, why, size, "there is no machine in it");
    if (r->section.version != 1)
        return bad(r, why, size, "made by a later version of Kittson");
    r->machine.images = new_images();
    archive_read_init(&a, r->section.data, r->section.size, r->section.version);
    machine_state(&r->machine, &a);
    wrong = archive_verdict(&a);
    return wrong != NULL ? bad(r, why, size, wrong) : 0;
}

static int open_sections(struct section_reader *in, struct trace_reader **out, char *why,
                         size_t size)
{
    struct trace_reader *r = g_new0(struct trace_reader, 1);
    int err;

    r->in = in;
    err = read_machine(r, why, size);
    if (err != 0) {
        trace_close(r);
        r = NULL;
    }
    *out = r;
    return err;
}

int trace_open(const char *path, struct trace_reader **out, char *why, size_t size)
{
    struct section_reader *in;
    int err = sections_open(path, &trace_kind, &in, why, size);

    *out = NULL;
    return err != 0 ? err : open_sections(in, out, why, size);
}

int trace_open_stream(FILE *in, const char *name, struct trace_reader **out, char *why, size_t size)
{
    struct section_reader *sections;
    int err = sections_open_stream(in, name, &trace_kind, &sections, why, size);

    *out = NULL;
    return err != 0 ? err : open_sections(sections, out, why, size);
}

const struct trace_machine *trace_describe(const struct trace_reader *r)
{
    return &r->machine;
}

/* 1 when the present section is one of this name, 0 when it is another or there is none. */
static int section_is(struct trace_reader *r, const char *name, char *why, size_t size)
{
    int got = 1;

    if (!r->have && !r->ended) {
        got = section_read(r->in, &r->section, why, size);
        r->have = got > 0;
        r->ended = got <= 0;
        r->at = 0;
    }
    if (got < 0)
        return got;
    if (!r->have)
        return 0;
    if (r->section.version != 1)
        return bad(r, why, size, "made by a later version of Kittson");
    return strcmp(r->section.name, name) == 0;
}

int trace_embedded(struct trace_reader *r,
                   void (*each)(void *opaque, unsigned image, uint64_t offset, const uint8_t *data,
                                size_t size),
                   void *opaque, char *why, size_t size)
{
    uint64_t head[2];
    int got;

    while ((got = section_is(r, PART_BLOCKS, why, size)) > 0) {
        size_t n = r->section.size - sizeof(head);

        r->have = false;
        if (r->section.size <= sizeof(head))
            return bad(r, why, size, "a block is empty");
        memcpy(head, r->section.data, sizeof(head));
        if (head[0] >= r->machine.images->len ||
            head[1] > g_array_index(r->machine.images, struct trace_image, head[0]).size ||
            n > g_array_index(r->machine.images, struct trace_image, head[0]).size - head[1])
            return bad(r, why, size, "a block is of no file");
        if (each != NULL)
            each(opaque, (unsigned)head[0], head[1], r->section.data + sizeof(head), n);
    }
    return got;
}

/* n bytes of the present section. */
static const uint8_t *take(struct trace_reader *r, size_t n)
{
    const uint8_t *p = r->section.data + r->at;

    if (r->section.size - r->at < n)
        return NULL;
    r->at += n;
    return p;
}

static bool parse(struct trace_reader *r, struct trace_item *out)
{
    const uint8_t *kind = take(r, 1), *p;
    uint32_t n;

    if (kind == NULL || *kind == 0 || *kind >= TRACE_RECORDS)
        return false;
    *out = (struct trace_item){.kind = *kind};
    if (*kind == TRACE_TURN) {
        p = take(r, sizeof(out->digest));
        if (p != NULL)
            memcpy(&out->digest, p, sizeof(out->digest));
        return p != NULL;
    }
    p = take(r, sizeof(out->round) + sizeof(n));
    if (p == NULL)
        return false;
    memcpy(&out->round, p, sizeof(out->round));
    memcpy(&n, p + sizeof(out->round), sizeof(n));
    out->size = n;
    out->data = n <= TRACE_DATA_MAX ? take(r, n) : NULL;
    return out->data != NULL;
}

int trace_next(struct trace_reader *r, struct trace_item *out, char *why, size_t size)
{
    int got;

    if (r->have && strcmp(r->section.name, PART_RECORDS) == 0 && r->at == r->section.size)
        r->have = false;
    got = section_is(r, PART_RECORDS, why, size);
    if (got == 0 && r->have)
        return bad(r, why, size, "there is something else between the records");
    if (got <= 0)
        return got;
    return parse(r, out) ? 1 : bad(r, why, size, "a record makes no sense");
}

void trace_progress(const struct trace_reader *r, uint64_t *done, uint64_t *all)
{
    sections_progress(r->in, done, all);
}
