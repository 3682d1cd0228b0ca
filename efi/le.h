/* Little-endian numbers in byte buffers, at any alignment. No bounds are checked. */
#ifndef KITTSON_EFI_LE_H
#define KITTSON_EFI_LE_H

#include <stdint.h>

static inline uint16_t le16(const void *p)
{
    const uint8_t *b = p;

    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t le32(const void *p)
{
    return le16(p) | (uint32_t)le16((const uint8_t *)p + 2) << 16;
}

static inline uint64_t le64(const void *p)
{
    return le32(p) | (uint64_t)le32((const uint8_t *)p + 4) << 32;
}

static inline void put_le16(void *p, uint16_t v)
{
    uint8_t *b = p;

    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

static inline void put_le32(void *p, uint32_t v)
{
    put_le16(p, (uint16_t)v);
    put_le16((uint8_t *)p + 2, (uint16_t)(v >> 16));
}

static inline void put_le64(void *p, uint64_t v)
{
    put_le32(p, (uint32_t)v);
    put_le32((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

#endif
