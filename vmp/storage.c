/* See storage.h. */
#define _GNU_SOURCE
#include "storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/fs.h>

static const char zeros[STORAGE_PIECE];

/* The locks of running machines: shared for readers, exclusive for writers. */
static int lock(int fd, bool write)
{
    struct flock l = {.l_type = write ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &l) == 0 ? 0 : -EBUSY;
}

int storage_size(int fd, uint64_t *bytes)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    *bytes = (uint64_t)st.st_size;
    if (S_ISBLK(st.st_mode))
        return ioctl(fd, BLKGETSIZE64, bytes) == 0 ? 0 : -errno;
    return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

int storage_open(const char *path, bool write, uint64_t *bytes, char *why, size_t size)
{
    /* O_EXCL without O_CREAT: a device that is not mounted */
    int fd = open(path, (write ? O_RDWR | O_EXCL : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    int err = fd < 0 ? -errno : storage_size(fd, bytes);
    if (err != 0)
        snprintf(why, size, "'%s': %s.", path, strerror(-err));
    else if ((err = lock(fd, write)) != 0)
        snprintf(why, size, "Device file '%s' in use by another guest.", path);
    if (err != 0 && fd >= 0)
        close(fd);
    return err != 0 ? err : fd;
}

/* --- reading --- */

static int read_piece(int fd, char *piece, size_t count, uint64_t at)
{
    while (count > 0) {
        ssize_t n = pread(fd, piece, count, (off_t)at);
        if (n == 0)
            return -EIO;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            piece += n;
            at += (uint64_t)n;
            count -= (size_t)n;
        }
    }
    return 0;
}

/* The piece the next data is in; devices have no holes. */
static uint64_t skip_hole(int fd, uint64_t at, uint64_t bytes)
{
    off_t data = lseek(fd, (off_t)at, SEEK_DATA);
    if (data < 0)
        return errno == ENXIO ? bytes : at;
    uint64_t piece = (uint64_t)data - (uint64_t)data % STORAGE_PIECE;
    return piece > at ? piece : at;
}

int storage_walk(int fd, uint64_t bytes, storage_sink *sink, void *opaque, struct progress *p)
{
    g_autofree char *piece = g_malloc(STORAGE_PIECE);
    int err = 0;
    for (uint64_t at = skip_hole(fd, 0, bytes); err == 0 && at < bytes;) {
        size_t count = bytes - at < STORAGE_PIECE ? (size_t)(bytes - at) : STORAGE_PIECE;
        err = read_piece(fd, piece, count, at);
        if (err == 0 && memcmp(piece, zeros, count) != 0)
            err = sink(opaque, at, piece, count);
        progress_at(p, at);
        at = skip_hole(fd, at + count, bytes);
    }
    return err;
}

/* --- writing --- */

static int put(int fd, const char *data, size_t count, uint64_t at)
{
    while (count > 0) {
        ssize_t n = pwrite(fd, data, count, (off_t)at);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            data += n;
            count -= (size_t)n;
            at += (uint64_t)n;
        }
    }
    return 0;
}

static int pass_to(struct storage_writer *w, uint64_t to)
{
    while (w->device && w->at < to) {
        size_t count = to - w->at < sizeof zeros ? (size_t)(to - w->at) : sizeof zeros;
        int err = put(w->fd, zeros, count, w->at);
        if (err != 0)
            return err;
        w->at += count;
    }
    w->at = to;
    return 0;
}

int storage_write(struct storage_writer *w, uint64_t at, const void *data, size_t count)
{
    if (at < w->at || at > w->bytes || count > w->bytes - at)
        return -EINVAL;
    int err = pass_to(w, at);
    if (err == 0)
        err = put(w->fd, data, count, at);
    w->at = at + count;
    return err;
}

int storage_finish(struct storage_writer *w)
{
    int err = pass_to(w, w->bytes);
    if (err == 0 && !w->device && ftruncate(w->fd, (off_t)w->bytes) != 0)
        err = -errno;
    if (err == 0 && fsync(w->fd) != 0)
        err = -errno;
    return err;
}

/* --- identity --- */

void storage_digest_add(GChecksum *sum, uint64_t at, const void *data, size_t count)
{
    uint64_t place[2] = {GUINT64_TO_LE(at), GUINT64_TO_LE((uint64_t)count)};
    g_checksum_update(sum, (const guchar *)place, sizeof place);
    g_checksum_update(sum, data, (gssize)count);
}

static int digest_sink(void *opaque, uint64_t at, const void *data, size_t count)
{
    storage_digest_add(opaque, at, data, count);
    return 0;
}

int storage_digest(int fd, uint64_t bytes, char digest[STORAGE_DIGEST_SIZE], struct progress *p)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    int err = storage_walk(fd, bytes, digest_sink, sum, p);
    g_strlcpy(digest, g_checksum_get_string(sum), STORAGE_DIGEST_SIZE);
    return err;
}

void storage_wwid(const char *device, char wwid[STORAGE_WWID_SIZE])
{
    static const char *const places[] = {"wwid", "device/wwid", "../wwid", "../device/wwid"};
    struct stat st;
    g_autofree char *text = NULL;
    if (stat(device, &st) == 0 && S_ISBLK(st.st_mode)) {
        for (size_t i = 0; text == NULL && i < G_N_ELEMENTS(places); i++) {
            g_autofree char *path = g_strdup_printf("/sys/dev/block/%u:%u/%s", major(st.st_rdev),
                                                    minor(st.st_rdev), places[i]);
            g_file_get_contents(path, &text, NULL, NULL);
        }
    }
    const char *digits = text != NULL ? strrchr(g_strchomp(text), '.') : NULL;
    size_t length = digits != NULL ? strspn(digits + 1, "0123456789abcdefABCDEF") : 0, used = 0;
    if (length == 0 || digits[1 + length] != '\0' || length > 64) {
        g_strlcpy(wwid, STORAGE_NO_WWID, STORAGE_WWID_SIZE);
        return;
    }
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && i % 4 == 0)
            wwid[used++] = '-';
        wwid[used++] = g_ascii_tolower(digits[1 + i]);
    }
    wwid[used] = '\0';
}
