/* Memory for native code: written through one mapping, executed through another. */
#ifndef KITTSON_CPU_JIT_ARENA_H
#define KITTSON_CPU_JIT_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
    uint8_t *rw, *rx; /* the same memory */
    size_t size, used;
};

/* false when the host refuses. */
bool arena_open(struct arena *a, size_t size);
void arena_close(struct arena *a);

#endif
