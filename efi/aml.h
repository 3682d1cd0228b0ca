/* Writing ACPI Machine Language: the few terms static tables need.
 *
 * ACPI specification 2.0, chapter 17 (AML) and 6.4 (resource descriptors). Scopes nest: each
 * aml_open_* is ended by aml_close() with what it returned.
 */
#ifndef KITTSON_EFI_AML_H
#define KITTSON_EFI_AML_H

#include "blob.h"

/* A path of up to 4-character segments: "_HID", "\\_SB_". */
void aml_name(struct blob *b, const char *path);
void aml_int(struct blob *b, uint64_t v);
void aml_string(struct blob *b, const char *s);
/* A compressed EISA id such as "PNP0501", as an integer. */
void aml_eisaid(struct blob *b, const char *id);
/* Name(path, …): the value follows. */
void aml_def_name(struct blob *b, const char *path);

size_t aml_open_scope(struct blob *b, const char *path);
size_t aml_open_device(struct blob *b, const char *name);
size_t aml_open_package(struct blob *b, unsigned elements);
void aml_close(struct blob *b, size_t mark);

/* Resource template: a Buffer whose size is filled in at the end. */
size_t aml_open_resources(struct blob *b);
void aml_close_resources(struct blob *b, size_t mark);
/* Address spaces a bridge produces: bus numbers, I/O ports, memory (non-cacheable, writable). */
void aml_bus_range(struct blob *b, unsigned min, unsigned max);
void aml_io_range(struct blob *b, uint32_t base, uint32_t size);
void aml_memory_range(struct blob *b, uint64_t base, uint64_t size);
void aml_memory32(struct blob *b, uint32_t base, uint32_t size);
/* Level, active low, exclusive. */
void aml_interrupt(struct blob *b, uint32_t gsi);

#endif
