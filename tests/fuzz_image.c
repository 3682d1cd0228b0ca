/* Fuzz target: the kernel loader, ELF and gzip, into a machine of 64 MB. */
#include "fuzz.h"

#include "efi_machine.h"
#include "elf_image.h"

#define MEMORY (64ull << 20)
#define LIMIT  (4ull << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mem *m;
    struct image img;
    struct memmap map;
    uint64_t entry;
    char why[200];
    int fd, err;

    if (!m)
        m = efi_test_mem(MEMORY);
    err = image_read(fuzz_file(data, size, &fd), LIMIT, &img, why, sizeof why);
    close(fd);
    if (err)
        return 0;
    memmap_init(&map, MEMORY);
    elf_load(&img, "input", m, &map, &entry, why, sizeof why);
    image_free(&img);
    return 0;
}
