/* AML terms; see aml.h. Opcodes: ACPI 2.0, 17.2. */
#include "aml.h"

#include <string.h>

enum {
    OP_ZERO = 0x00,
    OP_ONE = 0x01,
    OP_NAME = 0x08,
    OP_BYTE = 0x0a,
    OP_WORD = 0x0b,
    OP_DWORD = 0x0c,
    OP_STRING = 0x0d,
    OP_QWORD = 0x0e,
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_PACKAGE = 0x12,
    OP_EXT = 0x5b,
    EXT_DEVICE = 0x82,
};

void aml_name(struct blob *b, const char *path)
{
    if (*path == '\\') {
        blob_u8(b, '\\');
        path++;
    }
    blob_str(b, path, 4, '_');
}

void aml_int(struct blob *b, uint64_t v)
{
    if (v <= 1) {
        blob_u8(b, v ? OP_ONE : OP_ZERO);
    } else if (v <= 0xff) {
        blob_u8(b, OP_BYTE);
        blob_u8(b, (unsigned)v);
    } else if (v <= 0xffff) {
        blob_u8(b, OP_WORD);
        blob_u16(b, (unsigned)v);
    } else if (v <= 0xffffffff) {
        blob_u8(b, OP_DWORD);
        blob_u32(b, (uint32_t)v);
    } else {
        blob_u8(b, OP_QWORD);
        blob_u64(b, v);
    }
}

void aml_string(struct blob *b, const char *s)
{
    blob_u8(b, OP_STRING);
    blob_bytes(b, s, strlen(s) + 1);
}

static unsigned hex(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Three letters of 5 bits, four hexadecimal digits, most significant byte first. */
void aml_eisaid(struct blob *b, const char *id)
{
    uint32_t v = (uint32_t)(id[0] - '@') << 26 | (uint32_t)(id[1] - '@') << 21 |
                 (uint32_t)(id[2] - '@') << 16 | hex(id[3]) << 12 | hex(id[4]) << 8 |
                 hex(id[5]) << 4 | hex(id[6]);

    blob_u8(b, OP_DWORD);
    blob_u32(b, __builtin_bswap32(v));
}

void aml_def_name(struct blob *b, const char *path)
{
    blob_u8(b, OP_NAME);
    aml_name(b, path);
}

size_t aml_open_scope(struct blob *b, const char *path)
{
    size_t mark;

    blob_u8(b, OP_SCOPE);
    mark = b->len;
    aml_name(b, path);
    return mark;
}

size_t aml_open_device(struct blob *b, const char *name)
{
    size_t mark;

    blob_u8(b, OP_EXT);
    blob_u8(b, EXT_DEVICE);
    mark = b->len;
    aml_name(b, name);
    return mark;
}

size_t aml_open_package(struct blob *b, unsigned elements)
{
    size_t mark;

    blob_u8(b, OP_PACKAGE);
    mark = b->len;
    blob_u8(b, elements);
    return mark;
}

/* PkgLength counts itself: one byte holds up to 63, else the low nibble and 1 to 3 more bytes
 * (ACPI 2.0, 17.2.4). */
void aml_close(struct blob *b, size_t mark)
{
    size_t len = b->len - mark;
    uint8_t enc[4];
    unsigned extra = 0;

    if (len + 1 <= 63) {
        enc[0] = (uint8_t)(len + 1);
    } else {
        extra = len + 2 < 1u << 12 ? 1 : len + 3 < 1u << 20 ? 2 : 3;
        len += 1 + extra;
        enc[0] = (uint8_t)(extra << 6 | (len & 15));
        for (unsigned i = 1; i <= extra; i++)
            enc[i] = (uint8_t)(len >> (8 * i - 4));
    }
    blob_insert(b, mark, enc, 1 + extra);
}

/* The buffer's size is always a word, so that it can be patched in place. */
size_t aml_open_resources(struct blob *b)
{
    size_t mark;

    blob_u8(b, OP_BUFFER);
    mark = b->len;
    blob_u8(b, OP_WORD);
    blob_u16(b, 0);
    return mark;
}

void aml_close_resources(struct blob *b, size_t mark)
{
    blob_u16(b, 0x79); /* end tag, checksum not given */
    blob_patch16(b, mark + 1, (unsigned)(b->len - mark - 3));
    aml_close(b, mark);
}

/* Flags of an address space descriptor: produced, both ends fixed, decoded positively. */
#define SPACE_FLAGS 0x0c

void aml_bus_range(struct blob *b, unsigned min, unsigned max)
{
    blob_u8(b, 0x88); /* word address space */
    blob_u16(b, 13);
    blob_u8(b, 2); /* bus numbers */
    blob_u8(b, SPACE_FLAGS);
    blob_u8(b, 0);
    blob_u16(b, 0);
    blob_u16(b, min);
    blob_u16(b, max);
    blob_u16(b, 0);
    blob_u16(b, max - min + 1);
}

void aml_io_range(struct blob *b, uint32_t base, uint32_t size)
{
    blob_u8(b, 0x87); /* double-word address space */
    blob_u16(b, 23);
    blob_u8(b, 1); /* I/O */
    blob_u8(b, SPACE_FLAGS);
    blob_u8(b, 3); /* the entire range */
    blob_u32(b, 0);
    blob_u32(b, base);
    blob_u32(b, base + size - 1);
    blob_u32(b, 0);
    blob_u32(b, size);
}

void aml_memory_range(struct blob *b, uint64_t base, uint64_t size)
{
    blob_u8(b, 0x8a); /* quad-word address space */
    blob_u16(b, 43);
    blob_u8(b, 0); /* memory */
    blob_u8(b, SPACE_FLAGS);
    blob_u8(b, 1); /* writable, non-cacheable */
    blob_u64(b, 0);
    blob_u64(b, base);
    blob_u64(b, base + size - 1);
    blob_u64(b, 0);
    blob_u64(b, size);
}

void aml_memory32(struct blob *b, uint32_t base, uint32_t size)
{
    blob_u8(b, 0x86);
    blob_u16(b, 9);
    blob_u8(b, 1); /* writable */
    blob_u32(b, base);
    blob_u32(b, size);
}

void aml_interrupt(struct blob *b, uint32_t gsi)
{
    blob_u8(b, 0x89);
    blob_u16(b, 6);
    blob_u8(b, 0x05); /* consumer, level, active low, exclusive */
    blob_u8(b, 1);
    blob_u32(b, gsi);
}
