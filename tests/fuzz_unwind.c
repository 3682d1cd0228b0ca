/* Fuzz target: unwind information. The input is memory that begins with a table of one entry at 0,
 * and everything it leads to. */
#include "fuzz.h"

#include "unwind.h"
#include "unwind_info.h"

struct memory {
    const uint8_t *bytes;
    size_t size;
};

static int read_memory(void *opaque, uint64_t va, void *buf, uint64_t len)
{
    const struct memory *m = opaque;

    if (va > m->size || len > m->size - va)
        return -1;
    memcpy(buf, m->bytes + va, len);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory m = {data, size};
    struct unwind_table table = {.segment = 0, .start = 0, .size = 24};
    struct unwinder u = {.opaque = &m, .read = read_memory, .tables = &table, .table_count = 1};
    struct unwind_frame f = {.ip = 64, .cfm = 20 | 15 << 7, .bsp = 256, .sp = 512, .exact = true};
    struct unwind_rules rules;

    f.br[0] = f.pfs = f.preds = (struct unwind_value){64, true};
    for (unsigned n = 0; n < 64 && unwind_step(&u, &f) == UNWIND_MORE; n++)
        ;
    for (int64_t target = 0; target < 40; target++)
        unwind_info_read(data, size, target, ~0ull, &rules);
    return 0;
}
