/* Fuzz target: variable stores, and their text form. */
#include "fuzz.h"

#include "nvram.h"

/* What was read is written and read again: it must be the same. */
static void again(const struct nvram_list *l)
{
    struct nvram_list back;
    uint8_t *bytes;
    size_t size;
    char why[200];

    if (nvram_encode(l, &bytes, &size) != 0)
        return;
    if (nvram_decode(bytes, size, &back, why, sizeof why) != 0 || back.count != l->count)
        abort();
    nvram_list_free(&back);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nvram_list l;
    char why[200];
    FILE *f;

    nvram_decode(data, size, &l, why, sizeof why);
    again(&l);
    nvram_list_free(&l);
    f = size ? fmemopen((void *)data, size, "r") : NULL;
    if (!f)
        return 0;
    if (nvram_import(f, &l, why, sizeof why) == 0)
        again(&l);
    nvram_list_free(&l);
    fclose(f);
    return 0;
}
