/* Names of addresses and the unwind table of a program that runs in the guest, from its ELF file.
 *
 * Private to machine/. Every byte of the file is hostile. Reads only the file; whether the program
 * is in memory is somebody else's question.
 */
#ifndef KITTSON_MACHINE_SYMBOLS_H
#define KITTSON_MACHINE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>
#include "elf_image.h"
#include "unwind.h"

struct symbols;

/* 0, or a negative errno with one sentence in why. */
int symbols_read(const char *path, struct symbols **out, char *why, size_t size);
/* The same from bytes that stay the caller's; name is for the sentence. */
int symbols_parse(const struct image *img, const char *name, struct symbols **out, char *why,
                  size_t size);
void symbols_free(struct symbols *s);

/* The symbol an address belongs to and how far behind it it is; NULL when there is none. */
const char *symbols_name(const struct symbols *s, uint64_t addr, uint64_t *offset);
/* NULL when the file has none. */
const struct unwind_table *symbols_unwind(const struct symbols *s);

#endif
