/* Executable memory. See arena.h. */
#define _GNU_SOURCE /* memfd_create */
#include "arena.h"
#include <sys/mman.h>
#include <unistd.h>

bool arena_open(struct arena *a, size_t size)
{
    int fd = memfd_create("kittson-code", MFD_CLOEXEC);
    bool ok = false;

    *a = (struct arena){.size = size};
    if (fd < 0)
        return false;
    if (ftruncate(fd, (off_t)size) == 0) {
        a->rw = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        a->rx = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
        ok = a->rw != MAP_FAILED && a->rx != MAP_FAILED;
    }
    close(fd);
    if (!ok)
        arena_close(a);
    return ok;
}

void arena_close(struct arena *a)
{
    if (a->rw && a->rw != MAP_FAILED)
        munmap(a->rw, a->size);
    if (a->rx && a->rx != MAP_FAILED)
        munmap(a->rx, a->size);
    *a = (struct arena){0};
}
