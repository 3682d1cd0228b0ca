/* The variable store: its bytes, and the file they are in. See nvram.h; nvram_text.c has the text
 * form. */
#include "nvram.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "le.h"

#define MAGIC       "KITNVRAM"
#define VERSION     1u
#define HEADER      16u
#define RECORD      8u  /* length and CRC */
#define BODY        28u /* fixed part of the body */
#define ASIDE_TRIES 100

struct nvram {
    char path[PATH_MAX]; /* without symbolic links: rename() would replace one */
    int fd;              /* of the file that is at path now, locked */
};

/* Lists */

static void var_free(struct nvram_var *v)
{
    free(v->name);
    free(v->data);
}

void nvram_list_free(struct nvram_list *l)
{
    for (unsigned i = 0; i < l->count; i++)
        var_free(&l->var[i]);
    free(l->var);
    *l = (struct nvram_list){0};
}

int nvram_list_add(struct nvram_list *l, const struct nvram_var *v)
{
    struct nvram_var copy = *v, *grown = realloc(l->var, (l->count + 1) * sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    l->var = grown;
    copy.name = malloc(v->name_size);
    copy.data = malloc(v->size ? v->size : 1);
    if (!copy.name || !copy.data) {
        var_free(&copy);
        return -ENOMEM;
    }
    memcpy(copy.name, v->name, v->name_size);
    memcpy(copy.data, v->data, v->size);
    l->var[l->count++] = copy;
    return 0;
}

/* Bytes */

static uint32_t padded(uint32_t n)
{
    return (n + 7) & ~7u;
}

static uint32_t body_size(const struct nvram_var *v)
{
    return BODY + v->name_size + v->size;
}

static void put_record(uint8_t *to, const struct nvram_var *v)
{
    uint8_t *body = to + RECORD, *name = body + BODY;

    put_le32(to, body_size(v));
    put_le32(body, v->attr);
    put_le32(body + 4, v->name_size);
    put_le32(body + 8, v->size);
    memcpy(body + 12, v->guid, 16);
    for (uint32_t i = 0; i < v->name_size / 2; i++)
        put_le16(name + 2 * i, v->name[i]);
    memcpy(name + v->name_size, v->data, v->size);
    put_le32(to + 4, (uint32_t)crc32_z(0, body, body_size(v)));
}

int nvram_encode(const struct nvram_list *l, uint8_t **bytes, size_t *size)
{
    size_t at = HEADER;

    *size = HEADER;
    for (unsigned i = 0; i < l->count; i++)
        *size += RECORD + padded(body_size(&l->var[i]));
    if (*size > NVRAM_FILE_MAX || l->count > NVRAM_VARS_MAX)
        return -ENOSPC;
    *bytes = calloc(1, *size);
    if (!*bytes)
        return -ENOMEM;
    memcpy(*bytes, MAGIC, 8);
    put_le32(*bytes + 8, VERSION);
    put_le32(*bytes + 12, l->count);
    for (unsigned i = 0; i < l->count; i++) {
        put_record(*bytes + at, &l->var[i]);
        at += RECORD + padded(body_size(&l->var[i]));
    }
    return 0;
}

/* Whether a body's lengths and name are ones that encode() makes. */
static bool body_ok(const uint8_t *body, uint32_t size)
{
    uint32_t name, data;

    if (size < BODY)
        return false;
    name = le32(body + 4);
    data = le32(body + 8);
    if (name < 4 || name % 2 || name > 2 * (NVRAM_NAME_MAX + 1) || data > NVRAM_DATA_MAX ||
        size != BODY + name + data)
        return false;
    for (uint32_t i = 0; i < name; i += 2)
        if ((le16(body + BODY + i) == 0) != (i + 2 == name))
            return false;
    return true;
}

static int take_body(struct nvram_list *out, const uint8_t *body)
{
    uint16_t name[NVRAM_NAME_MAX + 1];
    struct nvram_var v = {
        .attr = le32(body), .name_size = le32(body + 4), .size = le32(body + 8), .name = name};

    memcpy(v.guid, body + 12, 16);
    for (uint32_t i = 0; i < v.name_size / 2; i++)
        name[i] = le16(body + BODY + 2 * i);
    v.data = (uint8_t *)body + BODY + v.name_size;
    return nvram_list_add(out, &v);
}

/* One record; *at moves behind it. 0, -EBADMSG when its contents are damaged but its length may be
 * right, -EPROTO when nothing behind it can be read. */
static int take_record(const uint8_t *bytes, size_t size, size_t *at, struct nvram_list *out)
{
    const uint8_t *r = bytes + *at;
    uint32_t body;

    if (size - *at < RECORD)
        return -EPROTO;
    body = le32(r);
    if (body < BODY || body > NVRAM_FILE_MAX || padded(body) > size - *at - RECORD)
        return -EPROTO;
    *at += RECORD + padded(body);
    if (crc32_z(0, r + RECORD, body) != le32(r + 4) || !body_ok(r + RECORD, body))
        return -EBADMSG;
    for (uint32_t i = body; i < padded(body); i++)
        if (r[RECORD + i])
            return -EBADMSG;
    return take_body(out, r + RECORD);
}

static int damaged(char *why, size_t why_size, unsigned good, unsigned said)
{
    snprintf(why, why_size, "is damaged: %u of %u variables can be read", good, said);
    return -EBADMSG;
}

int nvram_decode(const void *data, size_t size, struct nvram_list *out, char *why, size_t why_size)
{
    const uint8_t *bytes = data;
    uint32_t count;
    size_t at = HEADER;
    bool bad = false;
    int err = 0;

    *out = (struct nvram_list){0};
    if (size < HEADER || size > NVRAM_FILE_MAX || memcmp(bytes, MAGIC, 8) || !le32(bytes + 8)) {
        snprintf(why, why_size, "is not a variable store");
        return -EBADMSG;
    }
    if (le32(bytes + 8) > VERSION) {
        snprintf(why, why_size, "is of version %u; this program knows up to %u", le32(bytes + 8),
                 VERSION);
        return -ENOTSUP;
    }
    count = le32(bytes + 12);
    for (uint32_t i = 0; i < count && i < NVRAM_VARS_MAX && err != -EPROTO; i++) {
        err = take_record(bytes, size, &at, out);
        if (err == -ENOMEM)
            return err;
        bad |= err != 0;
    }
    return bad || at != size || count > NVRAM_VARS_MAX ? damaged(why, why_size, out->count, count)
                                                       : 0;
}

/* Files */

static int explain(char *why, size_t why_size, const char *path, int err, const char *what)
{
    snprintf(why, why_size, "%s: %s", path, what ? what : strerror(-err));
    return err;
}

/* The whole file, up to one byte more than may be. */
static int read_all(int fd, uint8_t **bytes, size_t *size)
{
    ssize_t n = 0;

    *size = 0;
    *bytes = malloc(NVRAM_FILE_MAX + 1);
    if (!*bytes)
        return -ENOMEM;
    do {
        *size += (size_t)n;
        n = pread(fd, *bytes + *size, NVRAM_FILE_MAX + 1 - *size, (off_t)*size);
    } while (n > 0 || (n < 0 && errno == EINTR && (n = 0) == 0));
    if (n == 0)
        return 0;
    free(*bytes);
    return -errno;
}

/* An empty file is a store without variables. */
static int read_fd(int fd, const char *path, struct nvram_list *out, char *why, size_t why_size)
{
    uint8_t *bytes;
    char what[120];
    size_t size;
    int err = read_all(fd, &bytes, &size);

    *out = (struct nvram_list){0};
    if (err)
        return explain(why, why_size, path, err, NULL);
    err = size ? nvram_decode(bytes, size, out, what, sizeof(what)) : 0;
    free(bytes);
    if (err == -ENOMEM)
        explain(why, why_size, path, err, NULL);
    else if (err)
        snprintf(why, why_size, "%s %s", path, what);
    return err;
}

int nvram_read(const char *path, struct nvram_list *out, char *why, size_t why_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), err;

    *out = (struct nvram_list){0};
    if (fd < 0)
        return explain(why, why_size, path, -errno, NULL);
    err = read_fd(fd, path, out, why, why_size);
    close(fd);
    return err;
}

/* Opens and locks the file at path: 0, -EAGAIN when it was replaced meanwhile, or an error. */
static int open_locked(struct nvram *n)
{
    struct stat mine, there;
    int err = 0;

    n->fd = open(n->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (n->fd < 0)
        return -errno;
    if (fstat(n->fd, &mine))
        err = -errno;
    else if (!S_ISREG(mine.st_mode))
        err = -EINVAL;
    else if (flock(n->fd, LOCK_EX | LOCK_NB))
        err = errno == EWOULDBLOCK ? -EBUSY : -errno;
    else if (stat(n->path, &there) || there.st_ino != mine.st_ino || there.st_dev != mine.st_dev)
        err = -EAGAIN;
    if (err)
        close(n->fd);
    return err;
}

/* A second name for the damaged file: it stays when the first gets new contents. */
static int keep_aside(const struct nvram *n, char *why, size_t why_size)
{
    char aside[PATH_MAX + 32], sentence[PATH_MAX + 200];
    int err = -EEXIST;

    for (unsigned i = 1; i <= ASIDE_TRIES && err == -EEXIST; i++) {
        snprintf(aside, sizeof(aside), "%s.damaged-%u", n->path, i);
        err = link(n->path, aside) ? -errno : 0;
    }
    if (err)
        snprintf(sentence, sizeof(sentence), "%s, and it cannot be kept aside: %s", why,
                 strerror(-err));
    else
        snprintf(sentence, sizeof(sentence), "%s; it is kept as %s", why, aside);
    snprintf(why, why_size, "%s", sentence);
    return err;
}

static int load(struct nvram *n, struct nvram_list *vars, char *why, size_t why_size)
{
    int err = read_fd(n->fd, n->path, vars, why, why_size);

    if (err != -EBADMSG)
        return err;
    err = keep_aside(n, why, why_size);
    return err ? err : nvram_write(n, vars);
}

static int resolve(const char *path, char *to)
{
    if (realpath(path, to))
        return 0;
    if (errno != ENOENT || strlen(path) >= PATH_MAX)
        return -errno;
    strcpy(to, path);
    return 0;
}

int nvram_open(const char *path, struct nvram **out, struct nvram_list *vars, char *why,
               size_t why_size)
{
    struct nvram *n = calloc(1, sizeof(*n));
    int err = n ? resolve(path, n->path) : -ENOMEM;

    *vars = (struct nvram_list){0};
    why[0] = 0;
    if (!err)
        do
            err = open_locked(n);
        while (err == -EAGAIN);
    if (err) {
        free(n);
        return explain(why, why_size, path, err,
                       err == -EBUSY    ? "another process uses this variable store"
                       : err == -EINVAL ? "not a regular file"
                                        : NULL);
    }
    err = load(n, vars, why, why_size);
    if (err) {
        if (!why[0])
            explain(why, why_size, path, err, NULL);
        nvram_list_free(vars);
        nvram_close(n);
        return err;
    }
    *out = n;
    return 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size) {
        ssize_t n = write(fd, bytes, size);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        }
    }
    return fsync(fd) ? -errno : 0;
}

/* The rename itself must reach the disk. */
static int sync_directory(const char *path)
{
    char dir[PATH_MAX];
    char *slash;
    int fd, err;

    snprintf(dir, sizeof(dir), "%s", path);
    slash = strrchr(dir, '/');
    if (slash == dir)
        slash++;
    if (slash)
        *slash = 0;
    fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    err = fsync(fd) && errno != EINVAL ? -errno : 0; /* some file systems cannot */
    close(fd);
    return err;
}

/* The new file is locked before it has its name, so that there is no moment without a lock. */
static int replace(struct nvram *n, const char *fresh, const uint8_t *bytes, size_t size)
{
    struct stat st;
    int fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), err = 0;

    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) || (!fstat(n->fd, &st) && fchmod(fd, st.st_mode & 07777)))
        err = -errno;
    if (!err)
        err = write_all(fd, bytes, size);
    if (!err && rename(fresh, n->path))
        err = -errno;
    if (err) {
        unlink(fresh);
        close(fd);
        return err;
    }
    close(n->fd);
    n->fd = fd;
    return sync_directory(n->path);
}

int nvram_write(struct nvram *n, const struct nvram_list *l)
{
    char fresh[PATH_MAX + 8];
    uint8_t *bytes;
    size_t size;
    int err = nvram_encode(l, &bytes, &size);

    if (err)
        return err;
    snprintf(fresh, sizeof(fresh), "%s.new", n->path);
    err = replace(n, fresh, bytes, size);
    free(bytes);
    return err;
}

void nvram_close(struct nvram *n)
{
    if (!n)
        return;
    close(n->fd);
    free(n);
}
