/* See copy_storage.h. */
#define _GNU_SOURCE
#include "copy_storage.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/fs.h>

#include "progress.h"

#define PART (1u << 20)

__attribute__((format(printf, 4, 5))) static int fail(int err, char *why, size_t size,
                                                      const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, size, fmt, ap);
    va_end(ap);
    return err;
}

/* The locks of running machines: shared for readers, exclusive for writers. */
static int lock(int fd, short type)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &l) == 0 ? 0 : -EBUSY;
}

static int size_of(int fd, uint64_t *bytes)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    *bytes = (uint64_t)st.st_size;
    if (S_ISBLK(st.st_mode))
        return ioctl(fd, BLKGETSIZE64, bytes) == 0 ? 0 : -errno;
    return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

static int write_all(int fd, const char *data, size_t count, off_t at)
{
    while (count > 0) {
        ssize_t n = pwrite(fd, data, count, at);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            data += n;
            count -= (size_t)n;
            at += n;
        }
    }
    return 0;
}

/* Holes are left out in files, which begin empty; a device may hold anything. */
static int copy_bytes(int from, int to, uint64_t bytes, bool sparse, struct progress *p)
{
    g_autofree char *part = g_malloc(PART);
    static const char zeros[4096];
    for (off_t at = 0; (uint64_t)at < bytes;) {
        off_t data = sparse ? lseek(from, at, SEEK_DATA) : at;
        if (data < 0 && errno == ENXIO)
            break;
        at = data > at ? data : at;
        progress_show(p, (uint64_t)at, bytes);
        ssize_t n = pread(from, part, PART, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        bool zero = sparse && n >= (ssize_t)sizeof zeros &&
                    memcmp(part, zeros, sizeof zeros) == 0 &&
                    memcmp(part, part + sizeof zeros, (size_t)n - sizeof zeros) == 0;
        int err = zero ? 0 : write_all(to, part, (size_t)n, at);
        if (err != 0)
            return err;
        at += n;
    }
    progress_show(p, bytes, bytes);
    if (sparse && ftruncate(to, (off_t)bytes) != 0)
        return -errno;
    return fsync(to) == 0 ? 0 : -errno;
}

static int copy_with_bar(int from, int to, uint64_t bytes, bool sparse, const char *name)
{
    struct progress p = {name, -1};
    int err = copy_bytes(from, to, bytes, sparse, &p);
    progress_end(&p);
    return err;
}

static int copy_to_file(int from, uint64_t bytes, const char *path, char *why, size_t size)
{
    g_autofree char *part = g_strdup_printf("%s.hpvmclone", path);
    if (access(path, F_OK) == 0)
        return fail(-EEXIST, why, size, "'%s' exists already.", path);
    int fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(-errno, why, size, "'%s': %s.", part, strerror(errno));
    int err = lock(fd, F_WRLCK);
    if (err != 0) {
        close(fd);
        return fail(err, why, size, "'%s' is being written by another command.", part);
    }
    err = copy_with_bar(from, fd, bytes, true, path);
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
    int fd = open(path, O_RDWR | O_CLOEXEC | O_EXCL); /* O_EXCL: not mounted */
    int err = fd < 0 ? -errno : size_of(fd, &room);
    if (err == 0 && lock(fd, F_WRLCK) != 0)
        err = fail(-EBUSY, why, size, "Device file '%s' in use by another guest.", path);
    else if (err == 0 && room < bytes)
        err = fail(-ENOSPC, why, size, "'%s' is smaller than what is to be copied.", path);
    else if (err != 0 || (err = copy_with_bar(from, fd, bytes, false, path)) != 0)
        fail(err, why, size, "'%s': %s.", path, strerror(-err));
    if (fd >= 0)
        close(fd);
    return err;
}

int copy_storage(const struct resource *from, const struct resource *to, bool *made, char *why,
                 size_t size)
{
    uint64_t bytes = 0;
    bool file = strcmp(to->storage, "file") == 0;
    *made = false;
    int fd = open(from->device, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int err = fd < 0 ? -errno : size_of(fd, &bytes);
    if (err != 0)
        fail(err, why, size, "'%s': %s.", from->device, strerror(-err));
    else if (lock(fd, F_RDLCK) != 0)
        err = fail(-EBUSY, why, size, "Device file '%s' in use by another guest.", from->device);
    else
        err = (file ? copy_to_file : copy_to_device)(fd, bytes, to->device, why, size);
    *made = err == 0 && file;
    if (fd >= 0)
        close(fd);
    return err;
}
