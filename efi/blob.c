/* Bounded little-endian table buffer; see blob.h. */
#include "blob.h"

#include <string.h>

void blob_init(struct blob *b, void *data, size_t cap)
{
    *b = (struct blob){.data = data, .cap = cap};
}

static bool room(struct blob *b, size_t n)
{
    if (n > b->cap - b->len)
        b->overflow = true;
    return !b->overflow;
}

void blob_bytes(struct blob *b, const void *src, size_t n)
{
    if (!room(b, n))
        return;
    memcpy(b->data + b->len, src, n);
    b->len += n;
}

void blob_zero(struct blob *b, size_t n)
{
    if (!room(b, n))
        return;
    memset(b->data + b->len, 0, n);
    b->len += n;
}

static void put(struct blob *b, uint64_t v, unsigned n)
{
    uint8_t le[8];

    for (unsigned i = 0; i < n; i++)
        le[i] = (uint8_t)(v >> (8 * i));
    blob_bytes(b, le, n);
}

void blob_u8(struct blob *b, unsigned v)
{
    put(b, v, 1);
}

void blob_u16(struct blob *b, unsigned v)
{
    put(b, v, 2);
}

void blob_u32(struct blob *b, uint32_t v)
{
    put(b, v, 4);
}

void blob_u64(struct blob *b, uint64_t v)
{
    put(b, v, 8);
}

void blob_str(struct blob *b, const char *s, size_t n, char pad)
{
    size_t len = strnlen(s, n);

    blob_bytes(b, s, len);
    for (; len < n; len++)
        blob_u8(b, (unsigned char)pad);
}

void blob_align(struct blob *b, size_t align)
{
    blob_zero(b, -b->len & (align - 1));
}

static void patch(struct blob *b, size_t at, uint64_t v, unsigned n)
{
    if (at > b->len || n > b->len - at) {
        b->overflow = true;
        return;
    }
    for (unsigned i = 0; i < n; i++)
        b->data[at + i] = (uint8_t)(v >> (8 * i));
}

void blob_patch8(struct blob *b, size_t at, unsigned v)
{
    patch(b, at, v, 1);
}

void blob_patch16(struct blob *b, size_t at, unsigned v)
{
    patch(b, at, v, 2);
}

void blob_patch32(struct blob *b, size_t at, uint32_t v)
{
    patch(b, at, v, 4);
}

void blob_patch64(struct blob *b, size_t at, uint64_t v)
{
    patch(b, at, v, 8);
}

void blob_insert(struct blob *b, size_t at, const void *src, size_t n)
{
    if (at > b->len || !room(b, n)) {
        b->overflow = true;
        return;
    }
    memmove(b->data + at + n, b->data + at, b->len - at);
    memcpy(b->data + at, src, n);
    b->len += n;
}

void blob_checksum(struct blob *b, size_t start, size_t n, size_t sum_at)
{
    uint8_t sum = 0;

    blob_patch8(b, sum_at, 0);
    if (b->overflow || start > b->len || n > b->len - start)
        return;
    for (size_t i = 0; i < n; i++)
        sum += b->data[start + i];
    blob_patch8(b, sum_at, (uint8_t)-sum);
}
