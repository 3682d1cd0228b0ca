/* Reading an IA-64 ELF executable into guest RAM. Every byte of the file is hostile.
 *
 * Knows ELF and the memory map; not what the program is.
 */
#ifndef KITTSON_EFI_ELF_IMAGE_H
#define KITTSON_EFI_ELF_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include "memmap.h"

/* A file in memory. */
struct image {
    uint8_t *data;
    size_t size;
};

/* Reads a whole file, unpacking gzip. At most `limit` bytes after unpacking. 0 or a negative
 * errno with one sentence in why. */
int image_read(const char *path, uint64_t limit, struct image *out, char *why, size_t why_size);
void image_free(struct image *img);

/* Puts the loadable segments at their physical addresses, claims their pages as loader data, and
 * gives the physical entry point. `name` is for the sentence in why. */
int elf_load(const struct image *img, const char *name, struct mem *m, struct memmap *map,
             uint64_t *entry, char *why, size_t why_size);

#endif
