/* ELF64 loading for IA-64 kernels; see elf_image.h. */
#include "elf_image.h"

#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define MAX_SEGMENTS 32
#define FIRST_BUFFER (1u << 20)

/* Writes the sentence and hands the error through. */
__attribute__((format(printf, 4, 5))) static int fail(int err, char *why, size_t why_size,
                                                      const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, why_size, fmt, ap);
    va_end(ap);
    return err;
}

void image_free(struct image *img)
{
    free(img->data);
    *img = (struct image){0};
}

static int grow(struct image *img, size_t *cap, uint64_t limit)
{
    uint8_t *p;

    *cap = *cap ? *cap * 2 : FIRST_BUFFER;
    if (*cap > limit + 1)
        *cap = limit + 1;
    p = realloc(img->data, *cap);
    if (!p)
        return -ENOMEM;
    img->data = p;
    return 0;
}

/* Reads until the end; one byte more than the limit shows that the file is too large. */
static int read_all(gzFile f, uint64_t limit, struct image *out)
{
    size_t cap = 0;

    for (;;) {
        unsigned want;
        int n, zerr;

        if (out->size == cap && grow(out, &cap, limit))
            return -ENOMEM;
        want = cap - out->size < FIRST_BUFFER ? (unsigned)(cap - out->size) : FIRST_BUFFER;
        n = gzread(f, out->data + out->size, want);
        if (n < 0)
            return -EIO;
        out->size += (size_t)n;
        if (out->size > limit)
            return -EFBIG;
        if ((unsigned)n < want) {
            gzerror(f, &zerr);
            return zerr == Z_OK || zerr == Z_STREAM_END ? 0 : -EIO;
        }
    }
}

int image_read(const char *path, uint64_t limit, struct image *out, char *why, size_t why_size)
{
    gzFile f = gzopen(path, "rb");
    int err;

    *out = (struct image){0};
    if (!f) {
        err = errno ? -errno : -ENOMEM;
        return fail(err, why, why_size, "%s: %s.", path, strerror(-err));
    }
    err = read_all(f, limit, out);
    gzclose_r(f);
    if (err == -EFBIG)
        fail(err, why, why_size, "%s: more than %llu MB, which is too large for this machine.",
             path, (unsigned long long)(limit >> 20));
    else if (err)
        fail(err, why, why_size, "%s: cannot be read or unpacked.", path);
    if (!err && out->size == 0)
        err = fail(-ENOEXEC, why, why_size, "%s: the file is empty.", path);
    if (err)
        image_free(out);
    return err;
}

static const char *check_header(const struct image *img, Elf64_Ehdr *h)
{
    if (img->size < sizeof(*h))
        return "too short for an ELF file";
    memcpy(h, img->data, sizeof(*h));
    if (memcmp(h->e_ident, ELFMAG, SELFMAG))
        return "not an ELF file";
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB)
        return "not a 64-bit little-endian ELF file";
    if (h->e_machine != EM_IA_64)
        return "an ELF file for another processor than IA-64";
    if (h->e_type != ET_EXEC)
        return "not an ELF executable";
    if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 || h->e_phnum > MAX_SEGMENTS)
        return "an ELF file with an unusable program header table";
    if (h->e_phoff > img->size || img->size - h->e_phoff < h->e_phnum * sizeof(Elf64_Phdr))
        return "an ELF file cut off before the end of its program headers";
    return NULL;
}

struct segments {
    Elf64_Phdr p[MAX_SEGMENTS];
    unsigned n;
};

static const char *check_segment(const struct image *img, const Elf64_Phdr *p)
{
    if (p->p_filesz > p->p_memsz)
        return "an ELF file with a segment larger in the file than in memory";
    if (p->p_offset > img->size || img->size - p->p_offset < p->p_filesz)
        return "an ELF file cut off before the end of a segment";
    if (p->p_paddr + p->p_memsz < p->p_paddr)
        return "an ELF file with a segment beyond the end of the address space";
    return NULL;
}

static bool overlaps(const Elf64_Phdr *a, const Elf64_Phdr *b)
{
    return a->p_paddr < b->p_paddr + b->p_memsz && b->p_paddr < a->p_paddr + a->p_memsz;
}

/* Keeps the non-empty loadable segments, sorted by physical address. */
static const char *collect(const struct image *img, const Elf64_Ehdr *h, struct segments *s)
{
    for (unsigned i = 0; i < h->e_phnum; i++) {
        const char *bad;
        Elf64_Phdr p;
        unsigned at;

        memcpy(&p, img->data + h->e_phoff + i * sizeof(p), sizeof(p));
        if (p.p_type != PT_LOAD || p.p_memsz == 0)
            continue;
        bad = check_segment(img, &p);
        if (bad)
            return bad;
        for (at = s->n; at > 0 && s->p[at - 1].p_paddr > p.p_paddr; at--)
            s->p[at] = s->p[at - 1];
        s->p[at] = p;
        s->n++;
    }
    for (unsigned i = 1; i < s->n; i++)
        if (overlaps(&s->p[i - 1], &s->p[i]))
            return "an ELF file with overlapping segments";
    return s->n ? NULL : "an ELF file with nothing to load";
}

/* Claims pages; neighbouring segments may share one. */
static int claim(struct memmap *map, const struct segments *s, uint64_t *bad)
{
    uint64_t start = s->p[0].p_paddr & ~(EFI_PAGE - 1), end = start;

    for (unsigned i = 0; i <= s->n; i++) {
        uint64_t at = i < s->n ? s->p[i].p_paddr & ~(EFI_PAGE - 1) : UINT64_MAX;

        if (at > end) {
            int err = memmap_claim(map, start, end - start, EFI_LOADER_DATA);

            if (err) {
                *bad = start;
                return err;
            }
            start = at;
        }
        if (i < s->n)
            end = (s->p[i].p_paddr + s->p[i].p_memsz + EFI_PAGE - 1) & ~(EFI_PAGE - 1);
    }
    return 0;
}

static int copy(const struct image *img, const struct segments *s, struct mem *m)
{
    for (unsigned i = 0; i < s->n; i++) {
        const Elf64_Phdr *p = &s->p[i];
        int err = mem_dma_write(m, p->p_paddr, img->data + p->p_offset, p->p_filesz);

        if (!err)
            err = mem_dma_fill(m, p->p_paddr + p->p_filesz, 0, p->p_memsz - p->p_filesz);
        if (err)
            return err;
    }
    return 0;
}

/* The entry point may be given as a physical or as a virtual address. */
static bool find_entry(const struct segments *s, uint64_t e, uint64_t *entry)
{
    for (unsigned i = 0; i < s->n; i++) {
        const Elf64_Phdr *p = &s->p[i];

        if (e - p->p_paddr < p->p_filesz)
            *entry = e;
        else if (e - p->p_vaddr < p->p_filesz)
            *entry = p->p_paddr + (e - p->p_vaddr);
        else
            continue;
        return (*entry & 15) == 0;
    }
    return false;
}

int elf_load(const struct image *img, const char *name, struct mem *m, struct memmap *map,
             uint64_t *entry, char *why, size_t why_size)
{
    struct segments s = {.n = 0};
    Elf64_Ehdr h;
    const char *bad = check_header(img, &h);
    uint64_t where = 0;
    int err;

    if (!bad)
        bad = collect(img, &h, &s);
    if (!bad && !find_entry(&s, h.e_entry, entry))
        bad = "an ELF file whose entry point is not in it";
    if (bad)
        return fail(-ENOEXEC, why, why_size, "%s: %s.", name, bad);
    err = claim(map, &s, &where);
    if (err)
        return fail(err, why, why_size,
                    "%s: the part for address 0x%llx does not fit into the machine's free memory.",
                    name, (unsigned long long)where);
    err = copy(img, &s, m);
    return err ? fail(err, why, why_size, "%s: cannot be copied into memory.", name) : 0;
}
