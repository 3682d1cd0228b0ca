/* Executable memory. See arena.h. */
#define _GNU_SOURCE /* mremap */
#include "arena.h"
#include <sys/mman.h>

/* Shared memory without a name: a second mapping of it comes from mremap with a size of 0, and perf
 * looks such memory's symbols up in /tmp/perf-PID.map, which it does not for a memfd. */
bool arena_open(struct arena *a, size_t size)
{
    bool ok = false;

    *a = (struct arena){.size = size};
    a->rw = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (a->rw != MAP_FAILED) {
        a->rx = mremap(a->rw, 0, size, MREMAP_MAYMOVE);
        ok = a->rx != MAP_FAILED && mprotect(a->rx, size, PROT_READ | PROT_EXEC) == 0;
    }
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
