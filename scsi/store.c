/* Opening stores, bounds checks common to all kinds; see store.h. */
#include "store_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sectors of a disc are 2048 bytes, and blocks of disks may be 4096: a file that ends inside one
 * reads as if it went on with zeros. */
#define TAIL 4096u

int store_fail(int err, char *why, size_t why_size, const char *name, const char *reason)
{
    snprintf(why, why_size, "%s: %s", name, reason);
    return err;
}

static bool is_uri(const char *name)
{
    return strncmp(name, "nbd:", 4) == 0 || strncmp(name, "nbd+", 4) == 0 ||
           strncmp(name, "nbds", 4) == 0;
}

int store_open(const char *name, const struct store_options *options, struct store **out, char *why,
               size_t why_size)
{
    bool read_only = options->read_only || options->overlay != NULL;
    enum store_claim claim = read_only         ? STORE_READS
                             : options->shared ? STORE_SHARES
                                               : STORE_WRITES;
    struct store *s;
    int err;

    if (options->read_only && options->overlay != NULL)
        return store_fail(-EINVAL, why, why_size, name, "read-only and overlay exclude each other");
    err = is_uri(name) ? nbd_store_open(name, read_only, &s, why, why_size)
                       : raw_open(name, claim, &s, why, why_size);
    if (err == 0 && options->overlay != NULL)
        err = overlay_open(options->overlay, s, &s, why, why_size);
    if (err == 0)
        *out = s;
    return err;
}

int store_close(struct store *s)
{
    int err;

    if (s == NULL)
        return 0;
    err = store_flush(s);
    free(s->name);
    s->ops->close(s);
    return err;
}

uint64_t store_size(const struct store *s)
{
    return s->size;
}

bool store_read_only(const struct store *s)
{
    return s->read_only;
}

enum store_kind store_kind(const struct store *s)
{
    return s->kind;
}

const char *store_name(const struct store *s)
{
    return s->name;
}

static bool inside(const struct store *s, uint64_t offset, uint64_t len)
{
    return offset <= s->size && len <= s->size - offset;
}

static store_watcher *watcher;
static void *watcher_opaque;

void store_set_watcher(store_watcher *fn, void *opaque)
{
    watcher = fn;
    watcher_opaque = opaque;
}

int store_read(struct store *s, uint64_t offset, void *buf, size_t len)
{
    uint64_t end = (s->size + TAIL - 1) & ~(uint64_t)(TAIL - 1);
    size_t there = len;

    if (offset > end || len > end - offset)
        return -EINVAL;
    if (!inside(s, offset, len)) {
        there = offset < s->size ? (size_t)(s->size - offset) : 0;
        memset((char *)buf + there, 0, len - there);
    }
    if (watcher != NULL)
        watcher(watcher_opaque, s, offset, there);
    return there == 0 ? 0 : s->ops->read(s, offset, buf, there);
}

int store_read_now(struct store *s, uint64_t offset, void *buf, size_t len)
{
    if (s->ops->read_now == NULL || !inside(s, offset, len))
        return -EAGAIN;
    return s->ops->read_now(s, offset, buf, len) ? 0 : -EAGAIN;
}

int store_write(struct store *s, uint64_t offset, const void *buf, size_t len)
{
    if (s->read_only)
        return -EROFS;
    if (!inside(s, offset, len))
        return -EINVAL;
    return len == 0 ? 0 : s->ops->write(s, offset, buf, len);
}

int store_zero(struct store *s, uint64_t offset, uint64_t len)
{
    if (s->read_only)
        return -EROFS;
    if (!inside(s, offset, len))
        return -EINVAL;
    return len == 0 ? 0 : s->ops->zero(s, offset, len);
}

/* The host reports a failed write-back once and then calls the data clean: a later flush that
 * succeeds says nothing about it. So the first failure stays. */
int store_flush(struct store *s)
{
    int err = s->read_only ? 0 : s->ops->flush(s), none = 0;

    if (err != 0)
        atomic_compare_exchange_strong(&s->lost, &none, -err);
    return -atomic_load(&s->lost);
}
