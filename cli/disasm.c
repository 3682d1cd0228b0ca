/* kittson disasm FILE: the IA-64 code of an ELF file, or of a file of raw bundles, in the layout of
 * `objdump -d`. Addresses only: symbols are not shown.
 */
#include "cli.h"
#include "insn.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BUNDLE 16

#define ELF_CLASS     4 /* offsets in e_ident */
#define ELF_DATA      5
#define EM_IA_64      50
#define SHT_PROGBITS  1
#define SHF_EXECINSTR 4
#define PT_LOAD       1
#define PF_X          1

struct image {
    const char *path;
    uint8_t *data;
    uint64_t size;
    bool elf64, big;
};

/* Field positions of an ELF file of either class. Sizes of address-like fields differ: word. */
struct elf_layout {
    uint8_t word;
    uint8_t e_phoff, e_shoff, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx;
    uint8_t sh_flags, sh_addr, sh_offset, sh_size, sh_min;
    uint8_t p_flags, p_offset, p_vaddr, p_filesz, p_min;
};

static const struct elf_layout elf32_layout = {4,  28, 32, 42, 44, 46, 48, 50, 8,
                                               12, 16, 20, 40, 24, 4,  8,  16, 32};
static const struct elf_layout elf64_layout = {8,  32, 40, 54, 56, 58, 60, 62, 8,
                                               16, 24, 32, 64, 4,  8,  16, 32, 56};

static int complain(const struct image *im, const char *what)
{
    log_error("%s: %s", im->path, what);
    return CLI_USAGE;
}

/* An integer of the file in its byte order; 0 outside the file. */
static uint64_t get(const struct image *im, uint64_t at, unsigned len)
{
    uint64_t v = 0;
    if (at > im->size || im->size - at < len)
        return 0;
    for (unsigned i = 0; i < len; i++)
        v = v << 8 | im->data[at + (im->big ? i : len - 1 - i)];
    return v;
}

static uint64_t little64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static const char *template_name(unsigned tmpl)
{
    static const char *const names[16] = {"MII", "MII", "MLX", "-3-", "MMI", "MMI", "MFI", "MMF",
                                          "MIB", "MBB", "-a-", "BBB", "MMB", "-d-", "MFB", "-f-"};
    return names[tmpl >> 1];
}

/* How many leading digits of 16 objdump leaves out, given the highest address it will show. */
static unsigned skipped_digits(uint64_t last)
{
    char digits[17];
    unsigned skip = 0;
    snprintf(digits, sizeof digits, "%016" PRIx64, last);
    while (strncmp(digits + skip, "00000", 5) == 0)
        skip += 4;
    return skip;
}

static void print_address(uint64_t addr, unsigned skip)
{
    printf("%*" PRIx64 ":\t", (int)(16 - skip), addr);
}

static void print_bytes(const uint8_t *p, int n, int columns)
{
    for (int i = 0; i < n; i++)
        printf("%02x ", p[i]);
    for (int i = n; i < columns; i++)
        printf("   ");
}

static void print_text(const char *text, bool stop)
{
    bool is_data = strncmp(text, "data8", 5) == 0;
    printf("%s%s%s\n", text[0] == '(' ? "" : "      ", text, stop && !is_data ? ";;" : "");
}

static void print_bundle(const uint8_t *p, uint64_t addr, unsigned skip)
{
    struct insn_bundle b = insn_unpack(little64(p), little64(p + 8));
    const struct insn_template *t = &insn_templates[b.tmpl];
    char text[128];
    for (unsigned s = 0; s < 3; s++) {
        print_address(addr + s * 6, skip);
        print_bytes(p + s * 6, s == 2 ? 4 : 6, 6);
        if (s == 0)
            printf("\t[%s] ", template_name(b.tmpl));
        else
            printf("\t      ");
        bool is_long = t->valid && t->unit[s] == UNIT_X;
        uint64_t slot = b.slot[is_long ? 2 : s];
        unsigned unit = t->valid ? t->unit[s] : UNIT_NONE;
        insn_disasm(text, sizeof text, unit, slot, b.slot[1], addr);
        print_text(text, is_long ? t->stop[2] : t->stop[s]);
        if (is_long) {
            print_address(addr + 12, skip);
            print_bytes(p + 12, 4, 4);
            putchar('\n');
            break;
        }
    }
}

/* Prints the whole bundles in size bytes at data; a rest shorter than a bundle is left out. */
static void print_code(const char *name, const uint8_t *data, uint64_t size, uint64_t addr)
{
    unsigned skip = skipped_digits(addr + size);
    printf("\nDisassembly of section %s:\n\n", name);
    for (uint64_t at = 0; size - at >= BUNDLE; at += BUNDLE)
        print_bundle(data + at, addr + at, skip);
}

/* A range of the file as code, if it lies inside it. Without print only says whether it does. */
static bool take_range(const struct image *im, bool print, const char *name, uint64_t offset,
                       uint64_t size, uint64_t addr)
{
    if (offset > im->size || size > im->size - offset)
        return false;
    if (print)
        print_code(name, im->data + offset, size, addr);
    return true;
}

/* The section's name, or a stand-in when the string table is damaged. */
static const char *section_name(const struct image *im, uint64_t strings, uint64_t strings_size,
                                uint64_t index)
{
    if (strings > im->size || strings_size > im->size - strings || index >= strings_size)
        return "?";
    const char *s = (const char *)im->data + strings + index;
    return memchr(s, 0, strings_size - index) ? s : "?";
}

static int walk_sections(const struct image *im, const struct elf_layout *l, bool print)
{
    uint64_t table = get(im, l->e_shoff, l->word), each = get(im, l->e_shentsize, 2);
    uint64_t count = get(im, l->e_shnum, 2), names = get(im, l->e_shstrndx, 2);
    if (each < l->sh_min || table > im->size || count > (im->size - table) / each)
        return complain(im, "the ELF section table lies outside the file");
    uint64_t name_header = table + (names < count ? names : 0) * each;
    uint64_t strings = get(im, name_header + l->sh_offset, l->word);
    uint64_t strings_size = get(im, name_header + l->sh_size, l->word);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t h = table + i * each;
        if (get(im, h + 4, 4) != SHT_PROGBITS ||
            !(get(im, h + l->sh_flags, l->word) & SHF_EXECINSTR))
            continue;
        const char *name = section_name(im, strings, strings_size, get(im, h, 4));
        if (!take_range(im, print, name, get(im, h + l->sh_offset, l->word),
                        get(im, h + l->sh_size, l->word), get(im, h + l->sh_addr, l->word)))
            return complain(im, "an executable ELF section lies outside the file");
    }
    return CLI_OK;
}

/* For files without sections: the executable segments. */
static int walk_segments(const struct image *im, const struct elf_layout *l, bool print)
{
    uint64_t table = get(im, l->e_phoff, l->word), each = get(im, l->e_phentsize, 2);
    uint64_t count = get(im, l->e_phnum, 2);
    if (count == 0)
        return complain(im, "this ELF file has neither sections nor segments");
    if (each < l->p_min || table > im->size || count > (im->size - table) / each)
        return complain(im, "the ELF program header table lies outside the file");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t h = table + i * each;
        char name[32];
        snprintf(name, sizeof name, "segment%u", (unsigned)i);
        if (get(im, h, 4) != PT_LOAD || !(get(im, h + l->p_flags, 4) & PF_X))
            continue;
        if (!take_range(im, print, name, get(im, h + l->p_offset, l->word),
                        get(im, h + l->p_filesz, l->word), get(im, h + l->p_vaddr, l->word)))
            return complain(im, "an executable ELF segment lies outside the file");
    }
    return CLI_OK;
}

static int disasm_elf(struct image *im)
{
    im->elf64 = im->data[ELF_CLASS] == 2;
    im->big = im->data[ELF_DATA] == 2;
    const struct elf_layout *l = im->elf64 ? &elf64_layout : &elf32_layout;
    if (get(im, 18, 2) != EM_IA_64)
        return complain(im, "this ELF file is not for IA-64");
    bool by_section = get(im, l->e_shnum, 2) != 0;
    int status = by_section ? walk_sections(im, l, false) : walk_segments(im, l, false);
    if (status != CLI_OK)
        return status;
    printf("\n%s:     file format elf%d-ia64-%s\n\n", im->path, im->elf64 ? 64 : 32,
           im->big ? "big" : "little");
    return by_section ? walk_sections(im, l, true) : walk_segments(im, l, true);
}

static int disasm_raw(const struct image *im)
{
    if (im->size == 0 || im->size % BUNDLE != 0)
        return complain(im, "neither an ELF file nor a whole number of 16-byte bundles");
    printf("\n%s:     file format binary\n\n", im->path);
    print_code(".data", im->data, im->size, 0);
    return CLI_OK;
}

/* Reads all of f. 0 or -errno. */
static int read_all(FILE *f, uint8_t **data, uint64_t *size)
{
    size_t used = 0, room = 1 << 20;
    uint8_t *buf = malloc(room);
    while (buf && !feof(f) && !ferror(f)) {
        used += fread(buf + used, 1, room - used, f);
        if (used < room)
            continue;
        uint8_t *bigger = realloc(buf, room *= 2);
        if (!bigger)
            free(buf);
        buf = bigger;
    }
    if (!buf)
        return -ENOMEM;
    *data = buf;
    *size = used;
    return ferror(f) ? -EIO : 0;
}

static int load(struct image *im)
{
    FILE *f = fopen(im->path, "rb");
    int err = f ? read_all(f, &im->data, &im->size) : -errno;
    if (f)
        fclose(f);
    return err;
}

int cmd_disasm(int argc, char **argv)
{
    if (argc != 2) {
        log_error("usage: kittson disasm FILE");
        return CLI_USAGE;
    }
    struct image im = {.path = argv[1]};
    int err = load(&im);
    int status;
    if (err)
        status = complain(&im, strerror(-err));
    else if (im.size >= 52 && memcmp(im.data, "\177ELF", 4) == 0)
        status = disasm_elf(&im);
    else
        status = disasm_raw(&im);
    free(im.data);
    return status;
}
