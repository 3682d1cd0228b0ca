/* See symbols.h. */
#include "symbols.h"

#include <elf.h>
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX    (1ull << 30) /* unpacked */
#define TYPE_UNWIND 0x70000001u  /* PT_IA_64_UNWIND (psABI for IA-64, 5.1) */
#define FARTHEST    (1u << 20)   /* behind a symbol without a size */

struct symbol {
    uint64_t addr, size;
    const char *name; /* in names */
};

struct symbols {
    GArray *list; /* by address */
    char *names;
    bool has_table;
    struct unwind_table table;
};

/* Bytes of the file, or NULL when they are not all there. */
static const void *part(const struct image *img, uint64_t at, uint64_t size)
{
    return at <= img->size && size <= img->size - at ? img->data + at : NULL;
}

static bool header(const struct image *img, Elf64_Ehdr *e)
{
    const void *p = part(img, 0, sizeof *e);
    if (p == NULL)
        return false;
    memcpy(e, p, sizeof *e);
    return memcmp(e->e_ident, ELFMAG, SELFMAG) == 0 && e->e_ident[EI_CLASS] == ELFCLASS64 &&
           e->e_ident[EI_DATA] == ELFDATA2LSB && e->e_machine == EM_IA_64;
}

/* --- symbols --- */

static bool section(const struct image *img, const Elf64_Ehdr *e, unsigned n, Elf64_Shdr *s)
{
    const void *p = NULL;
    if (n < e->e_shnum && e->e_shentsize == sizeof *s)
        p = part(img, e->e_shoff + (uint64_t)n * sizeof *s, sizeof *s);
    if (p == NULL || e->e_shoff > img->size)
        return false;
    memcpy(s, p, sizeof *s);
    return s->sh_type == SHT_NOBITS || part(img, s->sh_offset, s->sh_size) != NULL;
}

static bool is_code_or_data(const Elf64_Sym *y)
{
    unsigned type = ELF64_ST_TYPE(y->st_info);
    return y->st_shndx != SHN_UNDEF && y->st_shndx < SHN_LORESERVE &&
           (type == STT_FUNC || type == STT_OBJECT || type == STT_NOTYPE);
}

static void add_symbols(struct symbols *s, const struct image *img, const Elf64_Shdr *table,
                        const Elf64_Shdr *names)
{
    s->names = g_malloc(names->sh_size + 1);
    memcpy(s->names, img->data + names->sh_offset, names->sh_size);
    s->names[names->sh_size] = '\0';
    for (uint64_t k = 0; k < table->sh_size / sizeof(Elf64_Sym); k++) {
        Elf64_Sym y;
        memcpy(&y, img->data + table->sh_offset + k * sizeof y, sizeof y);
        if (!is_code_or_data(&y) || y.st_name >= names->sh_size || s->names[y.st_name] == '\0')
            continue;
        struct symbol one = {y.st_value, y.st_size, s->names + y.st_name};
        g_array_append_val(s->list, one);
    }
}

static void read_symbols(struct symbols *s, const struct image *img, const Elf64_Ehdr *e)
{
    Elf64_Shdr table, names;
    for (unsigned n = 0; n < e->e_shnum; n++) {
        if (!section(img, e, n, &table) || table.sh_type != SHT_SYMTAB)
            continue;
        if (section(img, e, table.sh_link, &names) && names.sh_type == SHT_STRTAB)
            add_symbols(s, img, &table, &names);
        return;
    }
}

/* By address; of several there the one with a size is last, and found. */
static int by_address(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    if (x->addr != y->addr)
        return x->addr < y->addr ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

const char *symbols_name(const struct symbols *s, uint64_t addr, uint64_t *offset)
{
    unsigned low = 0, high = s->list->len; /* the first one above */
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (g_array_index(s->list, struct symbol, middle).addr <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const struct symbol *y = &g_array_index(s->list, struct symbol, low - 1);
    *offset = addr - y->addr;
    return *offset < (y->size > 0 ? y->size : FARTHEST) ? y->name : NULL;
}

/* --- the unwind table --- */

static bool segment(const struct image *img, const Elf64_Ehdr *e, unsigned n, Elf64_Phdr *h)
{
    const void *p = NULL;
    if (e->e_phentsize == sizeof *h && e->e_phoff <= img->size)
        p = part(img, e->e_phoff + (uint64_t)n * sizeof *h, sizeof *h);
    if (p != NULL)
        memcpy(h, p, sizeof *h);
    return p != NULL;
}

/* Its addresses count from the segment it is in. */
static void read_table(struct symbols *s, const struct image *img, const Elf64_Ehdr *e)
{
    Elf64_Phdr h, load;
    for (unsigned n = 0; n < e->e_phnum; n++) {
        if (!segment(img, e, n, &h) || h.p_type != TYPE_UNWIND)
            continue;
        for (unsigned k = 0; k < e->e_phnum; k++) {
            if (!segment(img, e, k, &load) || load.p_type != PT_LOAD ||
                h.p_vaddr - load.p_vaddr >= load.p_memsz)
                continue;
            s->table = (struct unwind_table){load.p_vaddr, h.p_vaddr, h.p_memsz};
            s->has_table = true;
            return;
        }
    }
}

const struct unwind_table *symbols_unwind(const struct symbols *s)
{
    return s->has_table ? &s->table : NULL;
}

/* --- the file --- */

int symbols_parse(const struct image *img, const char *name, struct symbols **out, char *why,
                  size_t size)
{
    Elf64_Ehdr e;
    if (!header(img, &e)) {
        snprintf(why, size, "%s: not an ELF file for IA-64", name);
        return -ENOEXEC;
    }
    struct symbols *s = g_new0(struct symbols, 1);
    s->list = g_array_new(FALSE, FALSE, sizeof(struct symbol));
    read_symbols(s, img, &e);
    g_array_sort(s->list, by_address);
    read_table(s, img, &e);
    *out = s;
    return 0;
}

int symbols_read(const char *path, struct symbols **out, char *why, size_t size)
{
    struct image img;
    int err = image_read(path, FILE_MAX, &img, why, size);
    if (err != 0)
        return err;
    err = symbols_parse(&img, path, out, why, size);
    image_free(&img);
    return err;
}

void symbols_free(struct symbols *s)
{
    if (s == NULL)
        return;
    g_array_free(s->list, TRUE);
    g_free(s->names);
    g_free(s);
}
