/* The guest's physical memory map: one table of what is where, from which come the list of RAM
 * ranges to create and the EFI memory map. Loaders claim pages from it.
 *
 * Pages are EFI pages (4 KB). Only bookkeeping: touches no guest memory.
 */
#ifndef KITTSON_EFI_MEMMAP_H
#define KITTSON_EFI_MEMMAP_H

#include <stddef.h>
#include <stdint.h>
#include "blob.h"
#include "firmware.h"

#define EFI_PAGE 4096ull

/* EFI 1.10 memory types and attributes. */
enum efi_memory_type {
    EFI_RESERVED,
    EFI_LOADER_CODE,
    EFI_LOADER_DATA,
    EFI_BOOT_CODE,
    EFI_BOOT_DATA,
    EFI_RUNTIME_CODE,
    EFI_RUNTIME_DATA,
    EFI_CONVENTIONAL,
    EFI_UNUSABLE,
    EFI_ACPI_RECLAIM,
    EFI_ACPI_NVS,
    EFI_MMIO,
    EFI_MMIO_PORTS,
    EFI_PAL_CODE,
};
#define EFI_ATTR_UC      1ull
#define EFI_ATTR_WB      8ull
#define EFI_ATTR_RUNTIME (1ull << 63)

#define EFI_DESC_SIZE    48 /* more than the structure's 40: readers must use the size given */
#define EFI_DESC_VERSION 1
#define MEMMAP_MAX       1024

struct memmap_entry {
    uint64_t start, size;
    uint64_t attr;
    uint32_t type;
};

/* Sorted by address, no overlaps. */
struct memmap {
    struct memmap_entry e[MEMMAP_MAX];
    unsigned n;
};

void memmap_init(struct memmap *map, uint64_t memory);
/* Turns pages of conventional memory into another type. [start, start+size) is widened to pages.
 * 0, -ENOMEM when not all of it is conventional, -ENOSPC when the map is full, -EINVAL. */
int memmap_claim(struct memmap *map, uint64_t start, uint64_t size, uint32_t type);
/* Gives allocated pages of RAM back. 0, -EINVAL when not all of them are, -ENOSPC. */
int memmap_release(struct memmap *map, uint64_t start, uint64_t size);
/* Highest conventional range of `size` bytes that ends at or below `limit`, aligned (power of two,
 * at least a page). 0 when there is none. */
uint64_t memmap_find_high(const struct memmap *map, uint64_t size, uint64_t align, uint64_t limit);
/* Entry that holds an address, or NULL. */
const struct memmap_entry *memmap_find(const struct memmap *map, uint64_t addr);
/* Writes n EFI memory descriptors of EFI_DESC_SIZE bytes. */
void memmap_write_efi(const struct memmap *map, struct blob *b);

#endif
