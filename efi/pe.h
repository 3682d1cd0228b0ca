/* PE32+ images of EFI programs for IA-64: headers, layout in memory, relocation, entry point.
 *
 * Works on host memory: the caller reads the file, allocates guest memory, and copies. Byte order
 * and offsets are the PE/COFF specification's. Images for other machines are recognised and
 * refused. Not here: imports (EFI images have none), debug tables, signatures.
 */
#ifndef KITTSON_EFI_PE_H
#define KITTSON_EFI_PE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PE_MACHINE_IA64 0x200
#define PE_MACHINE_EBC  0xebc

#define PE_SUBSYSTEM_APPLICATION    10
#define PE_SUBSYSTEM_BOOT_DRIVER    11
#define PE_SUBSYSTEM_RUNTIME_DRIVER 12

#define PE_IMAGE_MAX    (1ull << 30) /* bytes in memory */
#define PE_SECTIONS_MAX 96

struct pe_section {
    uint32_t rva, memory_size; /* memory_size: what it occupies, at least file_size's part */
    uint32_t file_offset, file_size;
    uint32_t flags;
};

struct pe_image {
    uint16_t machine, subsystem;
    uint64_t base;      /* preferred address */
    uint32_t size;      /* bytes of memory: SizeOfImage or what the sections need, if more */
    uint32_t alignment; /* of sections in memory */
    uint32_t header_size;
    uint32_t entry_rva; /* of the function descriptor {ip, gp} */
    uint32_t reloc_rva, reloc_size;
    bool relocatable; /* false: it runs at `base` only */
    unsigned sections;
    struct pe_section section[PE_SECTIONS_MAX];
};

/* Reads the headers. 0; -ENOEXEC not a PE32+ image or absurd numbers (EFI_LOAD_ERROR); -ENOTSUP
 * another machine, EFI byte code or subsystem (EFI_UNSUPPORTED). why gets one sentence. */
int pe_parse(const void *file, size_t size, struct pe_image *out, char *why, size_t why_size);

/* Headers and sections in memory order, the rest zeros; memory has p->size bytes. 0 or -ENOEXEC. */
int pe_load(const struct pe_image *p, const void *file, size_t size, void *memory);

/* Moves the loaded image from the address it is linked or was relocated for to another one. With
 * `original` (a copy of memory as it was before the program ran) only fields that still have their
 * first value are changed, as SetVirtualAddressMap needs for run-time drivers; `from` is then the
 * address original was relocated for. 0, -ENOTSUP without relocations, -ENOEXEC damaged. On an
 * error memory is undefined. */
int pe_relocate(const struct pe_image *p, void *memory, const void *original, uint64_t from,
                uint64_t to);

/* Entry point and global pointer of an image relocated for `address`. 0 or -ENOEXEC. */
int pe_entry(const struct pe_image *p, const void *memory, uint64_t address, uint64_t *ip,
             uint64_t *gp);

#endif
