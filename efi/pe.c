/* PE32+ images of EFI programs for IA-64. See pe.h. */
#include "pe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "le.h"

#define ALIGN_MAX (1u << 24)

/* Offsets: from the PE signature, in the optional header (at OPT), in a section header. */
enum {
    COFF_MACHINE = 4,
    COFF_SECTIONS = 6,
    COFF_OPT_SIZE = 20,
    COFF_FLAGS = 22,
    OPT = 24,
    OPT_ENTRY = 16,
    OPT_BASE = 24,
    OPT_ALIGN = 32,
    OPT_SIZE = 56,
    OPT_HEADERS = 60,
    OPT_SUBSYSTEM = 68,
    OPT_DIRS = 108,
    OPT_RELOC = 152, /* directory 5 */
    OPT_MIN = 112,
    SEC_MEMORY = 8,
    SEC_RVA = 12,
    SEC_RAW_SIZE = 16,
    SEC_RAW = 20,
    SEC_FLAGS = 36,
    SEC_BYTES = 40,
};

#define MAGIC_PE32     0x10b
#define MAGIC_PE32PLUS 0x20b
#define FLAG_STRIPPED  1 /* no relocations: it runs at its base only */

enum { REL_ABSOLUTE = 0, REL_HIGHLOW = 3, REL_IMM64 = 9, REL_DIR64 = 10 };

struct parse {
    const uint8_t *file;
    size_t size;
    char *why;
    size_t why_size;
};

static int refuse(struct parse *p, int err, const char *what)
{
    if (p->why_size)
        snprintf(p->why, p->why_size, "the image %s", what);
    return err;
}

static bool in_file(const struct parse *p, uint64_t offset, uint64_t len)
{
    return offset <= p->size && len <= p->size - offset;
}

static const char *machine_name(uint16_t machine)
{
    switch (machine) {
    case 0x14c:
        return "is for x86 (IA-32) computers";
    case 0x8664:
        return "is for x86-64 computers";
    case PE_MACHINE_EBC:
        return "is EFI byte code, which needs an interpreter that this firmware does not have";
    case 0x1c0:
    case 0x1c2:
    case 0x1c4:
        return "is for 32-bit ARM computers";
    case 0xaa64:
        return "is for 64-bit ARM computers";
    default:
        return "is for another kind of computer";
    }
}

/* Some linkers for Itanium wrote PE32's magic number in front of a PE32+ header. */
static int check_kind(struct parse *p, const uint8_t *pe, struct pe_image *out)
{
    uint16_t magic = le16(pe + OPT);

    out->machine = le16(pe + COFF_MACHINE);
    if (out->machine != PE_MACHINE_IA64)
        return refuse(p, -ENOTSUP, machine_name(out->machine));
    if (magic != MAGIC_PE32PLUS && magic != MAGIC_PE32)
        return refuse(p, -ENOEXEC, "has an unknown kind of optional header");
    out->subsystem = le16(pe + OPT + OPT_SUBSYSTEM);
    if (out->subsystem < PE_SUBSYSTEM_APPLICATION || out->subsystem > PE_SUBSYSTEM_RUNTIME_DRIVER)
        return refuse(p, -ENOTSUP, "is no EFI application or driver");
    return 0;
}

static int take_section(struct parse *p, const uint8_t *h, struct pe_image *out)
{
    uint32_t memory = le32(h + SEC_MEMORY), raw = le32(h + SEC_RAW_SIZE);
    struct pe_section s = {
        .rva = le32(h + SEC_RVA), .file_offset = le32(h + SEC_RAW), .flags = le32(h + SEC_FLAGS)};

    s.memory_size = memory ? memory : raw;
    s.file_size = s.file_offset && raw < s.memory_size ? raw : s.memory_size;
    if (!s.file_offset)
        s.file_size = 0;
    if ((uint64_t)s.rva + s.memory_size > PE_IMAGE_MAX)
        return refuse(p, -ENOEXEC, "has a section of an absurd size or address");
    if (!in_file(p, s.file_offset, s.file_size))
        return refuse(p, -ENOEXEC, "is cut off: a section ends behind the end of the file");
    if (s.rva + s.memory_size > out->size) /* images may be longer than they say */
        out->size = s.rva + s.memory_size;
    out->section[out->sections++] = s;
    return 0;
}

static int take_sections(struct parse *p, uint64_t table, unsigned count, struct pe_image *out)
{
    int err = 0;

    if (count > PE_SECTIONS_MAX)
        return refuse(p, -ENOEXEC, "has too many sections");
    if (!in_file(p, table, (uint64_t)count * SEC_BYTES))
        return refuse(p, -ENOEXEC, "is cut off in its headers");
    for (unsigned i = 0; i < count && !err; i++)
        err = take_section(p, p->file + table + i * SEC_BYTES, out);
    return err;
}

static int take_sizes(struct parse *p, const uint8_t *opt, struct pe_image *out)
{
    uint32_t align = le32(opt + OPT_ALIGN);

    out->base = le64(opt + OPT_BASE);
    out->entry_rva = le32(opt + OPT_ENTRY);
    out->size = le32(opt + OPT_SIZE);
    out->header_size = le32(opt + OPT_HEADERS);
    out->alignment = align ? align : 1;
    if ((align & (align - 1)) || align > ALIGN_MAX)
        return refuse(p, -ENOEXEC, "has an absurd section alignment");
    if (out->size > PE_IMAGE_MAX)
        return refuse(p, -ENOEXEC, "has an absurd size");
    if (!in_file(p, 0, out->header_size))
        return refuse(p, -ENOEXEC, "has headers longer than the file");
    if (out->header_size > out->size)
        out->size = out->header_size;
    return 0;
}

/* After the sections: their sizes count. */
static int take_references(struct parse *p, const uint8_t *opt, uint16_t opt_size, uint16_t flags,
                           struct pe_image *out)
{
    if (out->size < 16 || out->entry_rva == 0 || out->entry_rva > out->size - 16)
        return refuse(p, -ENOEXEC, "has its entry point outside itself");
    if (le32(opt + OPT_DIRS) > 5 && opt_size >= OPT_RELOC + 8) {
        out->reloc_rva = le32(opt + OPT_RELOC);
        out->reloc_size = le32(opt + OPT_RELOC + 4);
    }
    if (out->reloc_rva > out->size || out->reloc_size > out->size - out->reloc_rva)
        return refuse(p, -ENOEXEC, "has its relocations outside itself");
    out->relocatable = !(flags & FLAG_STRIPPED);
    return 0;
}

/* The PE header's offset; without a DOS header it starts the file. */
static uint64_t find_header(const struct parse *p)
{
    if (p->size >= 0x40 && le16(p->file) == 0x5a4d)
        return le32(p->file + 0x3c);
    return 0;
}

int pe_parse(const void *file, size_t size, struct pe_image *out, char *why, size_t why_size)
{
    struct parse p = {file, size, why, why_size};
    uint64_t at = find_header(&p);
    uint16_t opt_size;
    const uint8_t *pe;
    int err;

    memset(out, 0, sizeof(*out));
    if (!in_file(&p, at, OPT + OPT_MIN) || memcmp(p.file + at, "PE\0\0", 4))
        return refuse(&p, -ENOEXEC, "is no PE file");
    pe = p.file + at;
    opt_size = le16(pe + COFF_OPT_SIZE);
    err = check_kind(&p, pe, out);
    if (err)
        return err;
    if (opt_size < OPT_MIN || !in_file(&p, at + OPT, opt_size))
        return refuse(&p, -ENOEXEC, "has an optional header that is too short");
    err = take_sizes(&p, pe + OPT, out);
    if (!err)
        err = take_sections(&p, at + OPT + opt_size, le16(pe + COFF_SECTIONS), out);
    if (!err)
        err = take_references(&p, pe + OPT, opt_size, le16(pe + COFF_FLAGS), out);
    return err;
}

int pe_load(const struct pe_image *p, const void *file, size_t size, void *memory)
{
    const uint8_t *from = file;
    uint8_t *to = memory;

    memset(to, 0, p->size);
    if (p->header_size > size || p->header_size > p->size)
        return -ENOEXEC;
    memcpy(to, from, p->header_size);
    for (unsigned i = 0; i < p->sections; i++) {
        const struct pe_section *s = &p->section[i];

        if (s->file_offset > size || s->file_size > size - s->file_offset || s->rva > p->size ||
            s->file_size > p->size - s->rva)
            return -ENOEXEC;
        memcpy(to + s->rva, from + s->file_offset, s->file_size);
    }
    return 0;
}

/* Relocations */

/* The immediate of movl is spread over slots 1 and 2 of its bundle (SDM 3:4.7.2, format X2). In
 * the upper half of the bundle slot 2 begins at bit 23, slot 1 goes on up to there. */
struct piece {
    uint8_t slot_bit, imm_bit, width;
};
static const struct piece movl[] = {
    {13, 0, 7}, {27, 7, 9}, {22, 16, 5}, {21, 21, 1}, {36, 63, 1},
};
#define IMM41_BIT 22 /* bits 22 to 62 are slot 1 */
#define MASK41    ((1ull << 41) - 1)

static uint64_t movl_get(uint64_t slot1, uint64_t slot2)
{
    uint64_t v = slot1 << IMM41_BIT & ~(1ull << 63);

    for (unsigned i = 0; i < sizeof(movl) / sizeof(movl[0]); i++)
        v |= (slot2 >> movl[i].slot_bit & ((1u << movl[i].width) - 1)) << movl[i].imm_bit;
    return v;
}

static uint64_t movl_put(uint64_t slot2, uint64_t v)
{
    for (unsigned i = 0; i < sizeof(movl) / sizeof(movl[0]); i++) {
        uint64_t mask = (1u << movl[i].width) - 1;

        slot2 &= ~(mask << movl[i].slot_bit);
        slot2 |= (v >> movl[i].imm_bit & mask) << movl[i].slot_bit;
    }
    return slot2;
}

static void add_imm64(uint8_t *bundle, uint64_t delta)
{
    uint64_t low = le64(bundle), high = le64(bundle + 8);
    uint64_t slot1 = (low >> 46 | high << 18) & MASK41, slot2 = high >> 23;
    uint64_t v = movl_get(slot1, slot2) + delta;

    slot1 = v >> IMM41_BIT & MASK41;
    slot2 = movl_put(slot2, v);
    put_le64(bundle, (low & ((1ull << 46) - 1)) | slot1 << 46);
    put_le64(bundle + 8, slot1 >> 18 | slot2 << 23);
}

/* Where the field of a relocation begins and how long it is; false: of an unknown kind. */
static bool field(unsigned type, uint64_t *at, unsigned *len)
{
    switch (type) {
    case REL_HIGHLOW:
        *len = 4;
        return true;
    case REL_DIR64:
        *len = 8;
        return true;
    case REL_IMM64: /* names the slot; the bundle is 16 bytes, aligned */
        *at &= ~15ull;
        *len = 16;
        return true;
    default:
        return false;
    }
}

static void add_delta(unsigned type, uint8_t *at, uint64_t delta)
{
    if (type == REL_HIGHLOW)
        put_le32(at, le32(at) + (uint32_t)delta);
    else if (type == REL_DIR64)
        put_le64(at, le64(at) + delta);
    else
        add_imm64(at, delta);
}

static int fix(const struct pe_image *p, uint8_t *memory, const uint8_t *original, uint64_t at,
               unsigned type, uint64_t delta)
{
    unsigned len;

    if (type == REL_ABSOLUTE)
        return 0;
    if (!field(type, &at, &len) || at > p->size || len > p->size - at)
        return -ENOEXEC;
    if (!original || memcmp(memory + at, original + at, len) == 0)
        add_delta(type, memory + at, delta);
    return 0;
}

int pe_relocate(const struct pe_image *p, void *memory, const void *original, uint64_t from,
                uint64_t to)
{
    uint64_t at = p->reloc_rva, end = at + p->reloc_size;
    uint8_t *m = memory;
    int err = 0;

    if (from == to)
        return 0;
    if (!p->relocatable)
        return -ENOTSUP;
    while (end - at >= 8 && !err) {
        uint32_t page = le32(m + at), size = le32(m + at + 4);

        if (size == 0 && page == 0) /* padding */
            return 0;
        if (size < 8 || size > end - at)
            return -ENOEXEC;
        for (uint32_t i = 8; i + 2 <= size && !err; i += 2) {
            uint16_t e = le16(m + at + i);

            err = fix(p, m, original, (uint64_t)page + (e & 0xfff), e >> 12, to - from);
        }
        at += size;
    }
    return err;
}

int pe_entry(const struct pe_image *p, const void *memory, uint64_t address, uint64_t *ip,
             uint64_t *gp)
{
    const uint8_t *m = memory;

    *ip = le64(m + p->entry_rva);
    *gp = le64(m + p->entry_rva + 8);
    if ((*ip & 15) || *ip < address || *ip - address >= p->size)
        return -ENOEXEC;
    return 0;
}
