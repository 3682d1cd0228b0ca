/* Raw files and block devices, and what all files on the host need: locks and whole transfers. */
#define _GNU_SOURCE /* fallocate, F_OFD_SETLK, preadv2 */
#include "store_impl.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/cdrom.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct raw {
    struct store store;
    int fd;
    bool door; /* a drive of the host whose door we have locked */
};

/* --- files --- */

/* Readers and lone writers lock the whole file. Each of those that share it locks one of these
 * bytes, far behind any data, for itself: so they are in everybody's way but each other's. */
#define SHARERS    64
#define SHARERS_AT 0x7fffffffffff0000

static bool take_lock(int fd, short type, off_t start, off_t length)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static bool take_place(int fd)
{
    for (off_t n = 0; n < SHARERS; n++)
        if (take_lock(fd, F_WRLCK, SHARERS_AT + n, 1))
            return true;
        else if (errno != EAGAIN && errno != EACCES)
            return false;
    return false;
}

/* Locks of open file descriptions: they also keep two users in one process apart, and closing
 * another descriptor of the file does not drop them. */
int store_lock(int fd, enum store_claim claim)
{
    if (claim == STORE_SHARES ? take_place(fd)
                              : take_lock(fd, claim == STORE_WRITES ? F_WRLCK : F_RDLCK, 0, 0))
        return 0;
    if (errno == EAGAIN || errno == EACCES)
        return -EAGAIN;
    if (log_once("no locks", (unsigned long long)fd))
        log_warn("no protection against other writers: the file system cannot lock (%s)",
                 strerror(errno));
    return 0;
}

int fd_read(int fd, uint64_t offset, void *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = pread(fd, buf, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        buf = (char *)buf + n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

int fd_write(int fd, uint64_t offset, const void *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, buf, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        buf = (const char *)buf + n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_zeros(int fd, uint64_t offset, uint64_t len)
{
    static const char zeros[65536];
    int err = 0;

    while (len > 0 && err == 0) {
        size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
        err = fd_write(fd, offset, zeros, n);
        offset += n;
        len -= n;
    }
    return err;
}

int fd_zero(int fd, uint64_t offset, uint64_t len)
{
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len) == 0)
        return 0;
    return write_zeros(fd, offset, len);
}

/* --- the store --- */

int raw_fd(const struct store *s)
{
    return ((const struct raw *)s)->fd;
}

static int raw_read(struct store *s, uint64_t offset, void *buf, size_t len)
{
    return fd_read(raw_fd(s), offset, buf, len);
}

static bool raw_read_now(struct store *s, uint64_t offset, void *buf, size_t len)
{
    struct iovec v = {.iov_base = buf, .iov_len = len};

    return preadv2(raw_fd(s), &v, 1, (off_t)offset, RWF_NOWAIT) == (ssize_t)len;
}

static int raw_write(struct store *s, uint64_t offset, const void *buf, size_t len)
{
    return fd_write(raw_fd(s), offset, buf, len);
}

static int raw_zero(struct store *s, uint64_t offset, uint64_t len)
{
    return fd_zero(raw_fd(s), offset, len);
}

static int raw_flush(struct store *s)
{
    return fdatasync(raw_fd(s)) == 0 ? 0 : -errno;
}

/* Somebody could take the disc out of a drive of the host that a guest uses. The kernel locks doors
 * only for those who open without O_NONBLOCK, which waits for a disc. */
static bool lock_door(int fd)
{
    int can = ioctl(fd, CDROM_GET_CAPABILITY, 0);
    return can >= 0 && (can & CDC_LOCK) != 0 && ioctl(fd, CDROM_LOCKDOOR, 1) == 0;
}

static void raw_close(struct store *s)
{
    if (((struct raw *)s)->door)
        ioctl(raw_fd(s), CDROM_LOCKDOOR, 0);
    close(raw_fd(s));
    free(s);
}

static const struct store_ops raw_ops = {.read = raw_read,
                                         .read_now = raw_read_now,
                                         .write = raw_write,
                                         .zero = raw_zero,
                                         .flush = raw_flush,
                                         .close = raw_close};

static int find_size(int fd, uint64_t *size, enum store_kind *kind)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -errno;
    *kind = S_ISBLK(st.st_mode) ? STORE_DEVICE : STORE_FILE;
    if (S_ISREG(st.st_mode)) {
        *size = (uint64_t)st.st_size;
        return 0;
    }
    if (!S_ISBLK(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    return ioctl(fd, BLKGETSIZE64, size) == 0 ? 0 : -errno;
}

static int explain_open(int err, bool read_only, const char *path, char *why, size_t size)
{
    const char *hint = !read_only && (err == -EACCES || err == -EROFS || err == -EPERM)
                           ? " for writing; add ,ro to use it read-only"
                           : "";
    snprintf(why, size, "%s: cannot be opened%s (%s)", path, hint, strerror(-err));
    return err;
}

static int explain_lock(enum store_claim claim, const char *path, char *why, size_t size)
{
    static const char *const reasons[] = {
        [STORE_READS] = "in use: another machine or program writes to it",
        [STORE_WRITES] = "in use by another machine or program; it cannot have a second writer",
        [STORE_SHARES] = "in use by another machine or program that does not share it",
    };
    return store_fail(-EAGAIN, why, size, path, reasons[claim]);
}

static store_opener *file_opener;

void store_set_opener(store_opener *opener)
{
    file_opener = opener;
}

static int open_file(const char *path, int flags)
{
    if (file_opener != NULL)
        return file_opener(path, flags);
    int fd = open(path, flags);
    return fd >= 0 ? fd : -errno;
}

int raw_open(const char *path, enum store_claim claim, struct store **out, char *why,
             size_t why_size)
{
    struct raw *r;
    bool read_only = claim == STORE_READS;
    uint64_t size = 0;
    enum store_kind kind = STORE_FILE;
    /* O_NONBLOCK: a pipe must not stop us before it is refused */
    int fd = open_file(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK), err;

    if (fd < 0)
        return explain_open(fd, read_only, path, why, why_size);
    err = find_size(fd, &size, &kind);
    if (err != 0) {
        store_fail(err, why, why_size, path,
                   err == -EINVAL ? "neither a file nor a block device" : strerror(-err));
    } else if (store_lock(fd, claim) != 0) {
        err = explain_lock(claim, path, why, why_size);
    }
    r = err == 0 ? calloc(1, sizeof(*r)) : NULL;
    if (r != NULL)
        r->store = (struct store){&raw_ops, strdup(path), size, read_only, kind, 0};
    if (r == NULL || r->store.name == NULL) {
        free(r);
        close(fd);
        return err != 0 ? err : store_fail(-ENOMEM, why, why_size, path, "out of memory");
    }
    r->fd = fd;
    r->door = lock_door(fd); /* fails on all but such drives */
    *out = &r->store;
    return 0;
}
