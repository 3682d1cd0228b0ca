/* See sections.h. */
#include "sections.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC_SIZE  8
#define END         "end"
#define LEVEL       1 /* zlib's: fast */
#define STREAM_SIZE 65536

/* Both are little-endian and have no holes. */
struct file_header {
    char magic[MAGIC_SIZE];
    uint32_t format;
    uint32_t crc; /* of what comes before */
};

struct section_header {
    char name[SECTION_NAME]; /* filled with zeros */
    uint32_t version;
    uint32_t data_crc; /* of the bytes in the file */
    uint64_t size;     /* of the contents */
    uint64_t stored;   /* bytes in the file, compressed */
    uint32_t reserved;
    uint32_t crc; /* of what comes before */
};

static uint32_t crc(const void *p, size_t n)
{
    return (uint32_t)crc32_z(0, p, n);
}

__attribute__((format(printf, 5, 6))) static int refuse(int err, const char *name, char *why,
                                                        size_t size, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    snprintf(why, size, "%s: %s", name, text);
    return err;
}

/* --- writing --- */

struct section_writer {
    FILE *out;
    char *path, *part; /* part: the name until it is complete, or NULL */
    uint64_t count;
    int err;
    GByteArray *packed;
};

static void writer_free(struct section_writer *w)
{
    g_byte_array_free(w->packed, TRUE);
    g_free(w->path);
    g_free(w->part);
    g_free(w);
}

static void put(struct section_writer *w, const void *p, size_t n)
{
    if (w->err == 0 && n > 0 && fwrite(p, 1, n, w->out) != n)
        w->err = errno != 0 ? -errno : -EIO;
}

static void put_header(struct section_writer *w, const struct section_kind *kind)
{
    struct file_header h = {.format = kind->format};

    memcpy(h.magic, kind->magic, MAGIC_SIZE);
    h.crc = crc(&h, offsetof(struct file_header, crc));
    put(w, &h, sizeof(h));
}

int sections_create(const char *path, const struct section_kind *kind, bool whole,
                    struct section_writer **out, char *why, size_t size)
{
    struct section_writer *w = g_new0(struct section_writer, 1);

    *out = NULL;
    w->path = g_strdup(path);
    w->part = whole ? g_strdup_printf("%s.part", path) : NULL;
    w->packed = g_byte_array_new();
    w->out = fopen(whole ? w->part : path, "wbe");
    if (w->out == NULL) {
        int err = refuse(-errno, path, why, size, "%s", strerror(errno));
        writer_free(w);
        return err;
    }
    setvbuf(w->out, NULL, _IOFBF, STREAM_SIZE);
    put_header(w, kind);
    *out = w;
    return 0;
}

void section_write(struct section_writer *w, const char *name, uint32_t version, const void *data,
                   size_t size)
{
    struct section_header h = {.version = version, .size = size};
    uLongf stored = compressBound(size);

    if (w->err != 0)
        return;
    g_byte_array_set_size(w->packed, (guint)stored);
    if (size > SECTION_MAX || compress2(w->packed->data, &stored, data, size, LEVEL) != Z_OK) {
        w->err = -ENOMEM;
        return;
    }
    memcpy(h.name, name, strnlen(name, SECTION_NAME));
    h.stored = stored;
    h.data_crc = crc(w->packed->data, stored);
    h.crc = crc(&h, offsetof(struct section_header, crc));
    put(w, &h, sizeof(h));
    put(w, w->packed->data, stored);
    w->count++;
}

void sections_flush(struct section_writer *w)
{
    if (w->err == 0 && fflush(w->out) != 0)
        w->err = -errno;
}

/* The directory, too: else the new name may be lost with the power. */
static int replace(const struct section_writer *w)
{
    g_autofree char *parent = g_path_get_dirname(w->path);
    FILE *dir;

    if (rename(w->part, w->path) != 0)
        return -errno;
    dir = fopen(parent, "re");
    if (dir != NULL) {
        fsync(fileno(dir));
        fclose(dir);
    }
    return 0;
}

int sections_finish(struct section_writer *w, char *why, size_t size)
{
    uint64_t count = w->count;
    int err;

    section_write(w, END, 1, &count, sizeof(count));
    sections_flush(w);
    if (w->err == 0 && fsync(fileno(w->out)) != 0 && errno != EINVAL && errno != EROFS)
        w->err = -errno;
    if (fclose(w->out) != 0 && w->err == 0)
        w->err = -errno;
    if (w->err == 0 && w->part != NULL)
        w->err = replace(w);
    if (w->err != 0 && w->part != NULL)
        unlink(w->part);
    err = w->err;
    if (err != 0)
        refuse(err, w->path, why, size, "%s", strerror(-err));
    writer_free(w);
    return err;
}

void sections_abandon(struct section_writer *w)
{
    if (w == NULL)
        return;
    fclose(w->out);
    if (w->part != NULL)
        unlink(w->part);
    writer_free(w);
}

/* --- reading --- */

struct section_reader {
    FILE *in;
    char *name;
    const char *kind;
    uint64_t all, at; /* bytes */
    uint64_t count;
    bool ended;
    uint8_t *stored, *data; /* malloc'ed */
};

void sections_close(struct section_reader *r)
{
    if (r == NULL)
        return;
    fclose(r->in);
    free(r->stored);
    free(r->data);
    g_free(r->name);
    g_free(r);
}

/* All n bytes; false at the end of the file or an error. */
static bool get(struct section_reader *r, void *p, size_t n)
{
    size_t got = fread(p, 1, n, r->in);

    r->at += got;
    return got == n;
}

static int check_header(struct section_reader *r, const struct section_kind *kind, char *why,
                        size_t size)
{
    struct file_header h;

    if (!get(r, &h, sizeof(h)) || memcmp(h.magic, kind->magic, MAGIC_SIZE) != 0)
        return refuse(-EINVAL, r->name, why, size, "not a Kittson %s", kind->name);
    if (h.crc != crc(&h, offsetof(struct file_header, crc)))
        return refuse(-EBADMSG, r->name, why, size, "damaged: the header's checksum is wrong");
    if (h.format == 0 || h.format > kind->format)
        return refuse(-ENOTSUP, r->name, why, size,
                      "a %s of format %u, which this version does not know (it reads up to %u)",
                      kind->name, h.format, kind->format);
    return 0;
}

int sections_open_stream(FILE *in, const char *name, const struct section_kind *kind,
                         struct section_reader **out, char *why, size_t size)
{
    struct section_reader *r = g_new0(struct section_reader, 1);
    long end;
    int err;

    *out = NULL;
    r->in = in;
    r->name = g_strdup(name);
    r->kind = kind->name;
    end = fseek(in, 0, SEEK_END) == 0 ? ftell(in) : -1;
    if (end < 0 || fseek(in, 0, SEEK_SET) != 0)
        err = refuse(-ESPIPE, name, why, size, "not a regular file");
    else
        err = check_header(r, kind, why, size);
    r->all = (uint64_t)(end < 0 ? 0 : end);
    if (err != 0)
        sections_close(r);
    else
        *out = r;
    return err;
}

int sections_open(const char *path, const struct section_kind *kind, struct section_reader **out,
                  char *why, size_t size)
{
    FILE *in = fopen(path, "rbe");
    struct stat st;

    *out = NULL;
    if (in == NULL)
        return refuse(-errno, path, why, size, "%s", strerror(errno));
    if (fstat(fileno(in), &st) != 0 || S_ISDIR(st.st_mode)) {
        fclose(in);
        return refuse(-EISDIR, path, why, size, "a directory");
    }
    return sections_open_stream(in, path, kind, out, why, size);
}

static int cut_off(struct section_reader *r, char *why, size_t size)
{
    if (ferror(r->in))
        return refuse(-EIO, r->name, why, size, "cannot be read");
    return refuse(-EBADMSG, r->name, why, size, "cut off: the %s ends after %llu bytes", r->kind,
                  (unsigned long long)r->at);
}

static int damaged(struct section_reader *r, uint64_t at, char *why, size_t size)
{
    return refuse(-EBADMSG, r->name, why, size,
                  "damaged: the checksum of the section at byte %llu "
                  "is wrong",
                  (unsigned long long)at);
}

static int unpack(struct section_reader *r, const struct section_header *h, uint64_t at, char *why,
                  size_t size)
{
    uLongf got = (uLongf)h->size;

    if (h->size > SECTION_MAX || h->stored > compressBound(SECTION_MAX))
        return damaged(r, at, why, size);
    if (h->stored > r->all - r->at)
        return cut_off(r, why, size);
    free(r->stored);
    free(r->data);
    r->stored = malloc(h->stored + 1);
    r->data = malloc(h->size + 1);
    if (r->stored == NULL || r->data == NULL)
        return refuse(-ENOMEM, r->name, why, size, "%s", strerror(ENOMEM));
    if (!get(r, r->stored, h->stored))
        return cut_off(r, why, size);
    if (crc(r->stored, h->stored) != h->data_crc ||
        uncompress(r->data, &got, r->stored, h->stored) != Z_OK || got != h->size)
        return damaged(r, at, why, size);
    return 0;
}

static int check_end(struct section_reader *r, const struct section *s, char *why, size_t size)
{
    uint64_t count;

    r->ended = true;
    if (s->size != sizeof(count))
        return refuse(-EBADMSG, r->name, why, size, "damaged: its end is wrong");
    memcpy(&count, s->data, sizeof(count));
    if (count != r->count || r->at != r->all)
        return refuse(-EBADMSG, r->name, why, size,
                      "damaged: its end does not fit what comes before");
    return 0;
}

int section_read(struct section_reader *r, struct section *out, char *why, size_t size)
{
    struct section_header h;
    uint64_t at = r->at;
    int err;

    if (r->ended)
        return 0;
    if (!get(r, &h, sizeof(h)))
        return cut_off(r, why, size);
    if (h.crc != crc(&h, offsetof(struct section_header, crc)) || h.reserved != 0)
        return damaged(r, at, why, size);
    err = unpack(r, &h, at, why, size);
    if (err != 0)
        return err;
    *out = (struct section){.version = h.version, .data = r->data, .size = (size_t)h.size};
    memcpy(out->name, h.name, SECTION_NAME);
    if (strcmp(out->name, END) == 0)
        return check_end(r, out, why, size);
    r->count++;
    return 1;
}

void sections_progress(const struct section_reader *r, uint64_t *done, uint64_t *all)
{
    *done = r->at;
    *all = r->all;
}

const char *sections_name(const struct section_reader *r)
{
    return r->name;
}
