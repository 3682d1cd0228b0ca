/* See copy_storage.h. */
#define _GNU_SOURCE
#include "copy_storage.h"
#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

__attribute__((format(printf, 4, 5))) static int fail(int err, char *why, size_t size,
                                                      const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, size, fmt, ap);
    va_end(ap);
    return err;
}

static bool has_contents(const struct resource *r)
{
    return strcmp(r->storage, "null") != 0 && strcmp(r->storage, "attach") != 0;
}

int copy_storage_find(const struct guest *g, const char *statement, struct storage_copy *c,
                      char *why, size_t size)
{
    if (resource_parse(statement, RESOURCE_MODIFY, &c->to, why, size) != 0)
        return -EINVAL;
    for (guint i = 0; i < g->devices->len; i++) {
        const struct resource *r = guest_device(g, i);
        if (r->network || !resource_same_address(r, &c->to) || strcmp(r->type, c->to.type) != 0)
            continue;
        c->from = *r;
        if (has_contents(&c->from) && has_contents(&c->to))
            return 0;
        return fail(-EINVAL, why, size, "Only disk, lv and file storage can be copied.");
    }
    return fail(-EINVAL, why, size, "The device is not assigned to this guest.");
}

static int put_piece(void *opaque, uint64_t at, const void *data, size_t count)
{
    return storage_write(opaque, at, data, count);
}

static int copy_bytes(int from, struct storage_writer *to, const char *name)
{
    struct progress p;
    progress_begin(&p, name, to->bytes);
    int err = storage_walk(from, to->bytes, put_piece, to, &p);
    progress_end(&p);
    return err != 0 ? err : storage_finish(to);
}

static int copy_to_file(int from, uint64_t bytes, const char *path, char *why, size_t size)
{
    g_autofree char *part = g_strdup_printf("%s.hpvmclone", path);
    uint64_t none;
    if (access(path, F_OK) == 0)
        return fail(-EEXIST, why, size, "'%s' exists already.", path);
    int made = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (made < 0)
        return fail(-errno, why, size, "'%s': %s.", part, strerror(errno));
    close(made);
    int fd = storage_open(part, true, &none, why, size);
    if (fd < 0)
        return fail(fd, why, size, "'%s' is being written by another command.", part);
    struct storage_writer to = {.fd = fd, .bytes = bytes};
    int err = ftruncate(fd, 0) == 0 ? copy_bytes(from, &to, path) : -errno;
    if (err == 0 && renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE) != 0)
        err = -errno;
    if (err != 0) {
        unlink(part);
        fail(err, why, size, "'%s': %s.", path, strerror(-err));
    }
    close(fd);
    return err;
}

static int copy_to_device(int from, uint64_t bytes, const char *path, char *why, size_t size)
{
    uint64_t room = 0;
    int err = 0, fd = storage_open(path, true, &room, why, size);
    struct storage_writer to = {.fd = fd, .device = true, .bytes = bytes};
    if (fd < 0)
        return fd;
    if (room < bytes)
        err = fail(-ENOSPC, why, size, "'%s' is smaller than what is to be copied.", path);
    else if ((err = copy_bytes(from, &to, path)) != 0)
        fail(err, why, size, "'%s': %s.", path, strerror(-err));
    close(fd);
    return err;
}

int copy_storage(struct storage_copy *c, char *why, size_t size)
{
    uint64_t bytes = 0;
    bool file = strcmp(c->to.storage, "file") == 0;
    int fd = storage_open(c->from.device, false, &bytes, why, size);
    if (fd < 0)
        return fd;
    int err = (file ? copy_to_file : copy_to_device)(fd, bytes, c->to.device, why, size);
    c->made = err == 0 && file;
    close(fd);
    return err;
}
