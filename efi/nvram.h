/* The file that keeps a machine's EFI variables between runs.
 *
 * Version 1 of the format, numbers little-endian and 32 bits: a header of 16 bytes (magic
 * "KITNVRAM", version, number of records), then records: length of the body, CRC-32 of the body,
 * and the body (attributes, length of the name in bytes, length of the data, GUID, name, data)
 * padded with zeros to a multiple of 8. Later versions of the program read it. The file is
 * replaced as a whole, under another name and then renamed, so that it is complete at any time.
 * Knows no rules of EFI: which variables may be set is variables.c's business.
 */
#ifndef KITTSON_EFI_NVRAM_H
#define KITTSON_EFI_NVRAM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NVRAM_NAME_MAX 1024  /* characters */
#define NVRAM_DATA_MAX 65536 /* bytes of one variable */
#define NVRAM_FILE_MAX (1u << 20)
#define NVRAM_VARS_MAX 4096

struct nvram_var {
    uint8_t guid[16]; /* as EFI_GUID lies in memory */
    uint32_t attr;
    uint32_t name_size; /* bytes with the NUL */
    uint32_t size;
    uint16_t *name;
    uint8_t *data;
};

struct nvram_list {
    unsigned count;
    struct nvram_var *var;
};
void nvram_list_free(struct nvram_list *l);
/* Adds a copy. 0 or -ENOMEM. */
int nvram_list_add(struct nvram_list *l, const struct nvram_var *v);

/* The file as bytes. decode: 0, -ENOMEM, or with one sentence in why -EBADMSG (damaged; *out then
 * has the records that are whole) or -ENOTSUP (of a later version). encode: *bytes is malloc'ed;
 * -ENOSPC when the file would be longer than NVRAM_FILE_MAX. */
int nvram_decode(const void *bytes, size_t size, struct nvram_list *out, char *why,
                 size_t why_size);
int nvram_encode(const struct nvram_list *l, uint8_t **bytes, size_t *size);

/* An open store: locked against other processes. A missing file is made. A damaged one is kept
 * aside as PATH.damaged-N and what could be read of it is used; why then has a sentence although
 * the result is 0. Negative errno with a sentence: in use, not accessible, of a later version. */
struct nvram;
int nvram_open(const char *path, struct nvram **out, struct nvram_list *vars, char *why,
               size_t why_size);
/* Replaces the contents; on stable storage when it returns 0. */
int nvram_write(struct nvram *n, const struct nvram_list *l);
void nvram_close(struct nvram *n);

/* Reads a file without locking it. Results as of decode, or another errno with a sentence. */
int nvram_read(const char *path, struct nvram_list *out, char *why, size_t why_size);

/* Text form: a comment, then per variable a line GUID "name" attributes, and its data as lines of
 * hexadecimal digits that begin with a blank. import: -EINVAL with the line's number in why. */
int nvram_export(const struct nvram_list *l, FILE *out);
int nvram_import(FILE *in, struct nvram_list *out, char *why, size_t why_size);

#endif
