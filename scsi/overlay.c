/* Overlay files: blocks that differ from a read-only base.
 *
 * Format, version 1, little-endian: a header of 4096 bytes (struct header, the rest zeros), at
 * 4096 a bitmap with one bit per 4096-byte block that the overlay has, at a multiple of 1 MB the
 * blocks, each at its own place: block n at data + 4096 n. The file is sparse.
 *
 * A bit goes to the file only in a flush, after the blocks it speaks for were made stable: whatever
 * is lost without a flush, the file never claims a block that is not there. Blocks written since
 * the last flush may be lost with the process, as with a disk's write cache.
 */
#define _GNU_SOURCE /* fallocate */
#include "store_impl.h"
#include "log.h"
#include "progress.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC       "KITTOVL\n"
#define VERSION     1u
#define HEADER_SIZE 4096u
#define BLOCK       4096u
#define DATA_ALIGN  0x100000u
#define MAX_SIZE    (1ull << 50)
#define PAGE        4096u /* of the bitmap: unit in which it is written */

struct header {
    char magic[8];
    uint32_t version, block_size;
    uint64_t size; /* bytes of the disk */
    uint64_t bitmap, bitmap_bytes, data;
    uint64_t base_size;
    uint64_t base_mtime_ns;
    char base[2048];     /* absolute path */
    uint32_t crc;        /* of what comes before */
    uint32_t committing; /* not 0: a commit has begun, the base is older and newer in parts */
};

struct overlay {
    struct store store;
    struct store *base;
    int fd;
    uint64_t bitmap_at, bitmap_bytes, data;
    pthread_mutex_t lock;       /* bits, dirty, and blocks that are written in part */
    pthread_mutex_t flush_lock; /* one flush at a time */
    uint8_t *bits;
    uint8_t *dirty; /* one byte per page of the bitmap */
    uint8_t *copy;  /* for flushes */
};

static bool has(const struct overlay *o, uint64_t block)
{
    return o->bits[block / 8] >> (block % 8) & 1;
}

static void mark(struct overlay *o, uint64_t block)
{
    uint8_t bit = (uint8_t)(1u << block % 8);

    if (o->bits[block / 8] & bit)
        return;
    o->bits[block / 8] |= bit;
    o->dirty[block / 8 / PAGE] = 1;
}

/* --- reading --- */

/* How many bytes from offset on, at most len, are all in the overlay or all in the base. */
static size_t run_length(struct overlay *o, uint64_t offset, size_t len, bool *in_overlay)
{
    uint64_t block = offset / BLOCK;
    size_t n = (size_t)(BLOCK - offset % BLOCK);

    pthread_mutex_lock(&o->lock);
    *in_overlay = has(o, block);
    while (n < len && has(o, ++block) == *in_overlay)
        n += BLOCK;
    pthread_mutex_unlock(&o->lock);
    return n < len ? n : len;
}

static int overlay_read(struct store *s, uint64_t offset, void *buf, size_t len)
{
    struct overlay *o = (struct overlay *)s;
    int err = 0;

    while (len > 0 && err == 0) {
        bool in_overlay;
        size_t n = run_length(o, offset, len, &in_overlay);
        err = in_overlay ? fd_read(o->fd, o->data + offset, buf, n)
                         : store_read(o->base, offset, buf, n);
        buf = (char *)buf + n;
        offset += n;
        len -= n;
    }
    return err;
}

/* --- writing --- */

/* Bytes of a block: its last one may be short. */
static size_t block_bytes(const struct overlay *o, uint64_t block)
{
    uint64_t left = o->store.size - block * BLOCK;
    return left < BLOCK ? (size_t)left : BLOCK;
}

/* Part of a block (buf NULL: zeros). What the overlay does not have yet comes from the base. */
static int write_part(struct overlay *o, uint64_t offset, const void *buf, size_t len)
{
    uint64_t block = offset / BLOCK;
    char whole[BLOCK] = {0};
    int err = 0;

    pthread_mutex_lock(&o->lock);
    if (!has(o, block))
        err = store_read(o->base, block * BLOCK, whole, block_bytes(o, block));
    else
        err = fd_read(o->fd, o->data + block * BLOCK, whole, BLOCK);
    if (err == 0) {
        if (buf != NULL)
            memcpy(whole + offset % BLOCK, buf, len);
        else
            memset(whole + offset % BLOCK, 0, len);
        err = fd_write(o->fd, o->data + block * BLOCK, whole, BLOCK);
    }
    if (err == 0)
        mark(o, block);
    pthread_mutex_unlock(&o->lock);
    return err;
}

static void mark_run(struct overlay *o, uint64_t offset, uint64_t len)
{
    pthread_mutex_lock(&o->lock);
    for (uint64_t block = offset / BLOCK; block < (offset + len) / BLOCK; block++)
        mark(o, block);
    pthread_mutex_unlock(&o->lock);
}

/* Whole blocks. */
static int write_run(struct overlay *o, uint64_t offset, const void *buf, uint64_t len)
{
    int err = buf != NULL ? fd_write(o->fd, o->data + offset, buf, (size_t)len)
                          : fd_zero(o->fd, o->data + offset, len);
    if (err == 0)
        mark_run(o, offset, len);
    return err;
}

/* buf NULL: zeros. */
static int put(struct overlay *o, uint64_t offset, const void *buf, uint64_t len)
{
    int err = 0;

    while (len > 0 && err == 0) {
        uint64_t in = offset % BLOCK, n;
        bool part = in != 0 || len < BLOCK;

        if (part)
            n = BLOCK - in < len ? BLOCK - in : len;
        else
            n = len - len % BLOCK;
        err = part ? write_part(o, offset, buf, (size_t)n) : write_run(o, offset, buf, n);
        if (buf != NULL)
            buf = (const char *)buf + n;
        offset += n;
        len -= n;
    }
    return err;
}

static int overlay_write(struct store *s, uint64_t offset, const void *buf, size_t len)
{
    return put((struct overlay *)s, offset, buf, len);
}

static int overlay_zero(struct store *s, uint64_t offset, uint64_t len)
{
    return put((struct overlay *)s, offset, NULL, len);
}

/* --- flushing --- */

static uint64_t bitmap_pages(const struct overlay *o)
{
    return o->bitmap_bytes / PAGE;
}

/* Takes dirty pages of the bitmap as they are now; false when there are none. */
static bool take_dirty(struct overlay *o, uint8_t *taken)
{
    bool any = false;

    pthread_mutex_lock(&o->lock);
    for (uint64_t p = 0; p < bitmap_pages(o); p++) {
        taken[p] = o->dirty[p];
        if (!o->dirty[p])
            continue;
        memcpy(o->copy + p * PAGE, o->bits + p * PAGE, PAGE);
        o->dirty[p] = 0;
        any = true;
    }
    pthread_mutex_unlock(&o->lock);
    return any;
}

static void give_back(struct overlay *o, const uint8_t *taken)
{
    pthread_mutex_lock(&o->lock);
    for (uint64_t p = 0; p < bitmap_pages(o); p++)
        o->dirty[p] |= taken[p];
    pthread_mutex_unlock(&o->lock);
}

static int write_bitmap(struct overlay *o, const uint8_t *taken)
{
    int err = 0;

    for (uint64_t p = 0; p < bitmap_pages(o) && err == 0; p++)
        if (taken[p])
            err = fd_write(o->fd, o->bitmap_at + p * PAGE, o->copy + p * PAGE, PAGE);
    return err;
}

static int sync_fd(int fd)
{
    return fdatasync(fd) == 0 ? 0 : -errno;
}

static int flush_locked(struct overlay *o, uint8_t *taken)
{
    bool any = take_dirty(o, taken);
    int err = sync_fd(o->fd);

    if (!any)
        return err;
    if (err == 0)
        err = write_bitmap(o, taken);
    if (err == 0)
        err = sync_fd(o->fd);
    if (err != 0)
        give_back(o, taken);
    return err;
}

static int overlay_flush(struct store *s)
{
    struct overlay *o = (struct overlay *)s;
    uint8_t *taken = malloc(bitmap_pages(o));
    int err;

    if (taken == NULL)
        return -ENOMEM;
    pthread_mutex_lock(&o->flush_lock);
    err = flush_locked(o, taken);
    pthread_mutex_unlock(&o->flush_lock);
    free(taken);
    return err;
}

static void overlay_close(struct store *s)
{
    struct overlay *o = (struct overlay *)s;

    store_close(o->base);
    close(o->fd);
    pthread_mutex_destroy(&o->lock);
    pthread_mutex_destroy(&o->flush_lock);
    free(o->bits);
    free(o->dirty);
    free(o->copy);
    free(o);
}

static const struct store_ops overlay_ops = {overlay_read, NULL,          overlay_write,
                                             overlay_zero, overlay_flush, overlay_close};

/* --- the file --- */

static uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

static uint64_t bitmap_bytes_for(uint64_t size)
{
    return round_up(round_up(size, BLOCK) / BLOCK / 8 + 1, PAGE);
}

static uint64_t mtime_ns(const struct store *base)
{
    struct stat st;

    if (base->kind != STORE_FILE || fstat(raw_fd(base), &st) != 0)
        return 0;
    return (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
}

static uint32_t header_crc(const struct header *h)
{
    return (uint32_t)crc32(0, (const uint8_t *)h, offsetof(struct header, crc));
}

static int write_header(int fd, const struct store *base, const char *base_path)
{
    uint64_t bytes = bitmap_bytes_for(base->size);
    struct header h = {.version = htole32(VERSION),
                       .block_size = htole32(BLOCK),
                       .size = htole64(base->size),
                       .bitmap = htole64(HEADER_SIZE),
                       .bitmap_bytes = htole64(bytes),
                       .data = htole64(round_up(HEADER_SIZE + bytes, DATA_ALIGN)),
                       .base_size = htole64(base->size),
                       .base_mtime_ns = htole64(mtime_ns(base))};
    int err;

    memcpy(h.magic, MAGIC, sizeof(h.magic));
    snprintf(h.base, sizeof(h.base), "%s", base_path);
    h.crc = htole32(header_crc(&h));
    /* down first: that gives the blocks back; then to the full, sparse size */
    if (ftruncate(fd, (off_t)le64toh(h.data)) != 0 ||
        ftruncate(fd, (off_t)(le64toh(h.data) + round_up(base->size, BLOCK))) != 0)
        return -errno;
    err = fd_write(fd, 0, &h, sizeof(h));
    return err != 0 ? err : sync_fd(fd);
}

static int create(int fd, const struct store *base, const char *path, char *why, size_t size)
{
    char absolute[PATH_MAX];
    int err;

    if (base->kind == STORE_NETWORK)
        snprintf(absolute, sizeof(absolute), "%s", base->name);
    else if (realpath(base->name, absolute) == NULL)
        return store_fail(-errno, why, size, base->name, strerror(errno));
    if (strlen(absolute) >= sizeof(((struct header *)0)->base))
        return store_fail(-ENAMETOOLONG, why, size, base->name, "the path is too long");
    err = write_header(fd, base, absolute);
    return err == 0 ? 0 : store_fail(err, why, size, path, strerror(-err));
}

/* Every number in the header follows from the size. */
static bool header_good(const struct header *h)
{
    uint64_t size = le64toh(h->size), bytes = bitmap_bytes_for(size);

    return memcmp(h->magic, MAGIC, sizeof(h->magic)) == 0 && le32toh(h->crc) == header_crc(h) &&
           le32toh(h->block_size) == BLOCK && size <= MAX_SIZE && size == le64toh(h->base_size) &&
           le64toh(h->bitmap) == HEADER_SIZE && le64toh(h->bitmap_bytes) == bytes &&
           le64toh(h->data) == round_up(HEADER_SIZE + bytes, DATA_ALIGN) &&
           memchr(h->base, 0, sizeof(h->base)) != NULL;
}

static int read_header(int fd, struct header *h, const char *path, char *why, size_t size)
{
    int err = fd_read(fd, 0, h, sizeof(*h));

    if (err != 0 || memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0)
        return store_fail(-EINVAL, why, size, path, "not an overlay file");
    if (le32toh(h->version) != VERSION)
        return store_fail(-EINVAL, why, size, path, "an overlay file of another version");
    if (!header_good(h))
        return store_fail(-EINVAL, why, size, path, "the overlay's header is damaged");
    return 0;
}

static int open_file(const char *path, int flags, char *why, size_t size)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | flags, 0666);
    struct stat st;

    if (fd < 0) {
        int err = -errno;
        snprintf(why, size, "%s: the overlay cannot be opened (%s)", path, strerror(-err));
        return err;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return store_fail(-EINVAL, why, size, path, "an overlay must be a file");
    }
    if (store_lock(fd, STORE_WRITES) != 0) {
        close(fd);
        return store_fail(-EAGAIN, why, size, path,
                          "in use by another machine or program; it cannot have a second writer");
    }
    return fd;
}

/* Opens or creates the file and gives its header. */
static int prepare(const char *path, const struct store *base, struct header *h, char *why,
                   size_t size)
{
    int fd = open_file(path, O_CREAT, why, size), err = 0;
    struct stat st;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) == 0 && st.st_size == 0)
        err = create(fd, base, path, why, size);
    if (err == 0)
        err = read_header(fd, h, path, why, size);
    if (err == 0 && le64toh(h->base_size) != base->size)
        err = store_fail(-EINVAL, why, size, path, "made over another base: the sizes differ");
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

static bool allocate(struct overlay *o)
{
    o->bits = calloc(1, o->bitmap_bytes);
    o->copy = malloc(o->bitmap_bytes);
    o->dirty = calloc(1, bitmap_pages(o));
    o->store.name = strdup(o->base->name);
    return o->bits != NULL && o->copy != NULL && o->dirty != NULL && o->store.name != NULL;
}

static struct overlay *new_overlay(int fd, const struct header *h, struct store *base)
{
    struct overlay *o = calloc(1, sizeof(*o));

    if (o == NULL)
        return NULL;
    o->store = (struct store){&overlay_ops, NULL, le64toh(h->size), false, base->kind, 0};
    o->base = base;
    o->fd = fd;
    o->bitmap_at = le64toh(h->bitmap);
    o->bitmap_bytes = le64toh(h->bitmap_bytes);
    o->data = le64toh(h->data);
    pthread_mutex_init(&o->lock, NULL);
    pthread_mutex_init(&o->flush_lock, NULL);
    return o;
}

/* Takes fd and base over, also when it fails. */
static int load(int fd, const struct header *h, struct store *base, struct overlay **out)
{
    struct overlay *o = new_overlay(fd, h, base);
    int err = -ENOMEM;

    if (o == NULL) {
        store_close(base);
        close(fd);
        return err;
    }
    if (allocate(o))
        err = fd_read(fd, o->bitmap_at, o->bits, o->bitmap_bytes);
    if (err != 0) {
        free(o->store.name);
        overlay_close(&o->store);
        return err;
    }
    *out = o;
    return 0;
}

int overlay_open(const char *path, struct store *base, struct store **out, char *why,
                 size_t why_size)
{
    struct header h;
    struct overlay *o;
    int fd = prepare(path, base, &h, why, why_size), err;

    if (fd < 0) {
        store_close(base);
        return fd;
    }
    if (h.committing != 0)
        log_warn("%s: a commit into %s was not finished: do it again", path, base->name);
    else if (le64toh(h.base_mtime_ns) != mtime_ns(base))
        log_warn("%s: its base %s was changed after the overlay was made", path, base->name);
    err = load(fd, &h, base, &o);
    if (err != 0)
        return store_fail(err, why, why_size, path, strerror(-err));
    *out = &o->store;
    return 0;
}

/* --- by hand --- */

static int open_alone(const char *path, bool write_base, struct overlay **out, struct header *head,
                      char *why, size_t size)
{
    struct store_options options = {.read_only = !write_base};
    struct header h;
    struct store *base;
    int fd = open_file(path, 0, why, size), err;

    if (fd < 0)
        return fd;
    err = read_header(fd, &h, path, why, size);
    if (err == 0)
        err = store_open(h.base, &options, &base, why, size);
    if (err != 0) {
        close(fd);
        return err;
    }
    if (base->size != le64toh(h.base_size)) {
        store_close(base);
        close(fd);
        return store_fail(-EINVAL, why, size, path, "made over another base: the sizes differ");
    }
    *head = h;
    err = load(fd, &h, base, out);
    return err == 0 ? 0 : store_fail(err, why, size, path, strerror(-err));
}

static uint64_t blocks_of(const struct overlay *o)
{
    return round_up(o->store.size, BLOCK) / BLOCK;
}

int overlay_info(const char *path, struct overlay_info *info, char *why, size_t why_size)
{
    struct header h;
    struct overlay *o;
    int err = open_alone(path, false, &o, &h, why, why_size);

    if (err != 0)
        return err;
    *info = (struct overlay_info){.size = o->store.size, .block_size = BLOCK};
    snprintf(info->base, sizeof(info->base), "%s", h.base);
    for (uint64_t b = 0; b < blocks_of(o); b++)
        info->blocks += has(o, b);
    store_close(&o->store);
    return 0;
}

static int copy_down(struct overlay *o)
{
    char block[BLOCK];
    struct progress p;
    int err = 0;

    progress_begin(&p, store_name(o->base), blocks_of(o) * BLOCK);
    for (uint64_t b = 0; b < blocks_of(o) && err == 0; b++) {
        if (!has(o, b))
            continue;
        progress_at(&p, b * BLOCK);
        err = fd_read(o->fd, o->data + b * BLOCK, block, BLOCK);
        if (err == 0)
            err = store_write(o->base, b * BLOCK, block, block_bytes(o, b));
    }
    progress_end(&p);
    return err != 0 ? err : store_flush(o->base);
}

/* From now on the base's time means nothing: a commit that was cut off may be done again. */
static int begin_commit(struct overlay *o)
{
    uint32_t one = htole32(1);
    int err = fd_write(o->fd, offsetof(struct header, committing), &one, sizeof(one));

    return err != 0 ? err : sync_fd(o->fd);
}

/* First the bits, then the blocks. The header is written anew: the base has another time now. */
static int empty(struct overlay *o)
{
    struct header h;
    int err = fd_zero(o->fd, o->bitmap_at, o->bitmap_bytes);

    memset(o->bits, 0, o->bitmap_bytes);
    if (err == 0)
        err = sync_fd(o->fd);
    if (err == 0)
        err = fd_read(o->fd, 0, &h, sizeof(h));
    if (err != 0)
        return err;
    return write_header(o->fd, o->base, h.base);
}

bool store_is_overlay(const struct store *s)
{
    return s->ops == &overlay_ops;
}

bool store_overlay_next(struct store *s, uint64_t *offset)
{
    struct overlay *o = (struct overlay *)s;
    uint64_t block = *offset / BLOCK;

    if (!store_is_overlay(s))
        return false;
    while (block < blocks_of(o) && !has(o, block))
        block++;
    *offset = block * BLOCK;
    return block < blocks_of(o);
}

int store_overlay_empty(struct store *s)
{
    struct overlay *o = (struct overlay *)s;
    int err = store_is_overlay(s) ? empty(o) : -ENOTSUP;

    if (err == 0)
        memset(o->dirty, 0, bitmap_pages(o));
    return err;
}

static int finish(struct overlay *o, const char *path, char *why, size_t size)
{
    int err = empty(o);

    if (err != 0)
        store_fail(err, why, size, path, strerror(-err));
    store_close(&o->store);
    return err;
}

static bool base_changed(const struct overlay *o, const struct header *h)
{
    return h->committing == 0 && le64toh(h->base_mtime_ns) != mtime_ns(o->base);
}

int overlay_commit(const char *path, bool force, char *why, size_t why_size)
{
    struct overlay *o;
    struct header h;
    int err = open_alone(path, true, &o, &h, why, why_size);

    if (err != 0)
        return err;
    if (!force && base_changed(o, &h)) {
        store_close(&o->store);
        snprintf(why, why_size,
                 "%s: its base %s was changed after the overlay was made: the two may not fit "
                 "together any more; force-commit writes nevertheless",
                 path, h.base);
        return -ESTALE;
    }
    err = begin_commit(o);
    if (err == 0)
        err = copy_down(o);
    if (err == 0)
        return finish(o, path, why, why_size);
    store_close(&o->store);
    snprintf(why, why_size,
             "%s: cannot be written into %s (%s); the overlay is as it was, commit it again", path,
             h.base, strerror(-err));
    return err;
}

int overlay_discard(const char *path, char *why, size_t why_size)
{
    struct overlay *o;
    struct header h;
    int err = open_alone(path, false, &o, &h, why, why_size);

    return err != 0 ? err : finish(o, path, why, why_size);
}
