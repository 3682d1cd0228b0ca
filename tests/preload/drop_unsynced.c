/* A host whose power is cut: writes to one file (KITTSON_DROP) are held in memory until fdatasync
 * and lost when the process is killed before. Loaded with LD_PRELOAD by tests/e2e_disk_kill.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct write {
    struct write *next;
    off_t offset;
    size_t len;
    char data[];
} * first, **last = &first;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int ours(int fd)
{
    const char *name = getenv("KITTSON_DROP");
    struct stat a, b;

    return name && stat(name, &a) == 0 && fstat(fd, &b) == 0 && a.st_ino == b.st_ino &&
           a.st_dev == b.st_dev;
}

typedef ssize_t read_fn(int fd, void *buf, size_t n, off_t offset);
typedef ssize_t write_fn(int fd, const void *buf, size_t n, off_t offset);
typedef int sync_fn(int fd);

ssize_t pwrite64(int fd, const void *buf, size_t n, off_t offset)
{
    struct write *w;

    if (!ours(fd))
        return ((write_fn *)dlsym(RTLD_NEXT, "pwrite64"))(fd, buf, n, offset);
    w = malloc(sizeof(*w) + n);
    *w = (struct write){NULL, offset, n};
    memcpy(w->data, buf, n);
    pthread_mutex_lock(&lock);
    *last = w;
    last = &w->next;
    pthread_mutex_unlock(&lock);
    return (ssize_t)n;
}

static void lay_over(const struct write *w, char *buf, size_t n, off_t offset)
{
    off_t start = w->offset > offset ? w->offset : offset;
    off_t end = w->offset + (off_t)w->len;

    if (end > offset + (off_t)n)
        end = offset + (off_t)n;
    if (start < end)
        memcpy(buf + (start - offset), w->data + (start - w->offset), (size_t)(end - start));
}

ssize_t pread64(int fd, void *buf, size_t n, off_t offset)
{
    ssize_t got = ((read_fn *)dlsym(RTLD_NEXT, "pread64"))(fd, buf, n, offset);

    if (got <= 0 || !ours(fd))
        return got;
    pthread_mutex_lock(&lock);
    for (const struct write *w = first; w; w = w->next)
        lay_over(w, buf, (size_t)got, offset);
    pthread_mutex_unlock(&lock);
    return got;
}

int fdatasync(int fd)
{
    write_fn *real = (write_fn *)dlsym(RTLD_NEXT, "pwrite64");

    if (ours(fd)) {
        pthread_mutex_lock(&lock);
        while (first) {
            struct write *w = first;
            real(fd, w->data, w->len, w->offset);
            first = w->next;
            free(w);
        }
        last = &first;
        pthread_mutex_unlock(&lock);
    }
    return ((sync_fn *)dlsym(RTLD_NEXT, "fdatasync"))(fd);
}

int fallocate64(int fd, int mode, off_t offset, off_t len)
{
    typedef int fn(int fd, int mode, off_t offset, off_t len);

    if (ours(fd)) {
        errno = EOPNOTSUPP; /* zeros are then written */
        return -1;
    }
    return ((fn *)dlsym(RTLD_NEXT, "fallocate64"))(fd, mode, offset, len);
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset)
{
    return pwrite64(fd, buf, n, offset);
}

ssize_t pread(int fd, void *buf, size_t n, off_t offset)
{
    return pread64(fd, buf, n, offset);
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    return fallocate64(fd, mode, offset, len);
}
