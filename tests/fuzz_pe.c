/* Fuzz target: PE32+ images: headers, loading, relocation. */
#include "fuzz.h"

#include <errno.h>

#include "pe.h"

#define MEMORY_MAX (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pe_image p;
    char why[100];
    uint8_t *m, *first;
    uint64_t ip, gp;

    if (pe_parse(data, size, &p, why, sizeof why) != 0 || p.size > MEMORY_MAX)
        return 0;
    m = malloc(p.size);
    first = malloc(p.size);
    if (!m || !first)
        abort();
    if (pe_load(&p, data, size, m) != 0)
        abort(); /* parse has checked all of it */
    memcpy(first, m, p.size);
    if (pe_relocate(&p, m, NULL, p.base, 0x40000000) == 0) {
        memcpy(first, m, p.size);
        pe_entry(&p, m, 0x40000000, &ip, &gp);
        pe_relocate(&p, m, first, 0x40000000, 0xe000000040000000);
    }
    free(m);
    free(first);
    return 0;
}
