/* A bounded byte buffer that tables are written into, little-endian.
 *
 * Overflow is remembered, not fatal: the writer checks once at the end. Knows no table formats.
 */
#ifndef KITTSON_EFI_BLOB_H
#define KITTSON_EFI_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
    uint8_t *data;
    size_t len, cap;
    bool overflow;
};

void blob_init(struct blob *b, void *data, size_t cap);
void blob_bytes(struct blob *b, const void *src, size_t n);
void blob_zero(struct blob *b, size_t n);
void blob_u8(struct blob *b, unsigned v);
void blob_u16(struct blob *b, unsigned v);
void blob_u32(struct blob *b, uint32_t v);
void blob_u64(struct blob *b, uint64_t v);
/* Exactly n bytes: the string, cut or filled with pad. */
void blob_str(struct blob *b, const char *s, size_t n, char pad);
/* Fills with zeros up to a multiple of align (a power of two). */
void blob_align(struct blob *b, size_t align);
/* Overwrites bytes already written. */
void blob_patch8(struct blob *b, size_t at, unsigned v);
void blob_patch16(struct blob *b, size_t at, unsigned v);
void blob_patch32(struct blob *b, size_t at, uint32_t v);
void blob_patch64(struct blob *b, size_t at, uint64_t v);
/* Inserts n bytes before `at`. */
void blob_insert(struct blob *b, size_t at, const void *src, size_t n);
/* Sets byte `sum_at` so that the bytes [start, start+n) add up to zero. */
void blob_checksum(struct blob *b, size_t start, size_t n, size_t sum_at);

#endif
