/* A host whose storage hangs: writes to one file (KITTSON_HOLD) wait while KITTSON_HOLD.hold is
 * there, and KITTSON_HOLD.waits says that one does. Loaded with LD_PRELOAD by
 * tests/e2e_hpvm_devices.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void wait_if_ours(int fd)
{
    const char *name = getenv("KITTSON_HOLD");
    const struct timespec moment = {.tv_nsec = 1000000};
    char hold[4096], waits[4096];
    struct stat a, b;

    if (!name || stat(name, &a) != 0 || fstat(fd, &b) != 0 || a.st_ino != b.st_ino ||
        a.st_dev != b.st_dev)
        return;
    snprintf(hold, sizeof(hold), "%s.hold", name);
    snprintf(waits, sizeof(waits), "%s.waits", name);
    while (access(hold, F_OK) == 0) {
        int made = open(waits, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (made >= 0)
            close(made);
        nanosleep(&moment, NULL);
    }
}

typedef ssize_t write_fn(int fd, const void *buf, size_t n, off_t offset);

ssize_t pwrite64(int fd, const void *buf, size_t n, off_t offset)
{
    wait_if_ours(fd);
    return ((write_fn *)dlsym(RTLD_NEXT, "pwrite64"))(fd, buf, n, offset);
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset)
{
    return pwrite64(fd, buf, n, offset);
}
