/* mem, mm, memmap, dblk of the EFI shell: raw memory, registers and blocks. */
#include <inttypes.h>
#include "shell_priv.h"

/* --- mem, dblk --- */

#define MEM_DEFAULT 512u
#define MEM_MAX     (1u << 20)
#define BLOCKS_MAX  16u

/* RAM as it is; other addresses byte by byte, as devices want to be read. */
static uint64_t dump_memory(struct shell *s, uint64_t at, uint64_t size, bool mmio)
{
    uint8_t *data = g_malloc(size);
    uint64_t v;

    if (!mmio && !boot_read(s->b, at, data, size)) {
        g_free(data);
        return shell_fail(s, EFI_INVALID_PARAMETER, "%" PRIX64 " is not all memory; see -MMIO", at);
    }
    for (uint64_t i = 0; mmio && i < size; i++) {
        v = 0xff;
        bus_access(s->b, SPACE_MEM, at + i, 1, false, &v);
        data[i] = (uint8_t)v;
    }
    shell_print(s, "  Memory Address %016" PRIX64 " %" PRIX64 " Bytes\n", at, size);
    shell_dump(s, at, data, size);
    g_free(data);
    return EFI_SUCCESS;
}

uint64_t cmd_mem(struct shell *s, struct shell_words *w)
{
    bool mmio = shell_option(w, "-mmio") | shell_option(w, ";mmio");
    uint64_t status = shell_check(s, w, 0, 2), at = s->b->fw->systab, size = MEM_DEFAULT;

    if (status != EFI_SUCCESS)
        return status;
    if ((w->count > 1 && !shell_number(w->word[1], 16, &at)) ||
        (w->count > 2 && !shell_number(w->word[2], 16, &size)))
        return shell_fail(s, EFI_INVALID_PARAMETER, "address and size are hexadecimal numbers");
    if (size == 0 || size > MEM_MAX || at > UINT64_MAX - size)
        return shell_fail(s, EFI_INVALID_PARAMETER, "between 1 and %X bytes", MEM_MAX);
    return dump_memory(s, at, size, mmio);
}

uint64_t cmd_dblk(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 1, 3), lba = 0, count = 1;
    struct shell_map *m;
    uint8_t *data;

    if (status != EFI_SUCCESS)
        return status;
    if ((w->count > 2 && !shell_number(w->word[2], 16, &lba)) ||
        (w->count > 3 && !shell_number(w->word[3], 16, &count)))
        return shell_fail(s, EFI_INVALID_PARAMETER, "block numbers are hexadecimal");
    m = shell_map_find(s, w->word[1], strlen(w->word[1]));
    if (!m)
        return shell_fail(s, EFI_NOT_FOUND, "%s is not in the mapping table", w->word[1]);
    block_refresh(s->b, m->device);
    if (!m->device->present)
        return shell_fail(s, EFI_NO_MEDIA, "%s", w->word[1]);
    count = MIN(count, BLOCKS_MAX);
    data = g_malloc((size_t)m->device->dev.block_size);
    for (uint64_t i = 0; i < count && status == EFI_SUCCESS; i++) {
        status = boot_status(block_read(&m->device->dev, lba + i, 1, data));
        if (status != EFI_SUCCESS)
            shell_fail(s, status, "block %" PRIX64, lba + i);
        else
            shell_print(s, " LBA %016" PRIX64 " Size %08X bytes BlkIo %" PRIX64 "\n", lba + i,
                        m->device->dev.block_size, m->device->at);
        if (status == EFI_SUCCESS)
            shell_dump(s, 0, data, m->device->dev.block_size);
    }
    g_free(data);
    return status;
}

/* --- mm --- */

struct mm {
    enum bus_space space;
    const char *label;
    uint64_t at;
    unsigned width;
    char prompt[64];
};

static void free_mm(struct shell *s, void *data)
{
    (void)s;
    g_free(data);
}

/* mm's address of a register, 0x000000ssbbddffrr, or with three digits for the register for PCIE,
 * as EFI's. */
static uint64_t pci_address(uint64_t a, bool express)
{
    unsigned shift = express ? 12 : 8;
    uint64_t reg = a & ((1u << shift) - 1), function = a >> shift & 0xff;
    uint64_t device = a >> (shift + 8) & 0xff, bus = a >> (shift + 16) & 0xff;

    return bus << 24 | device << 16 | function << 8 | reg << 32;
}

static bool access(struct shell *s, const struct mm *m, bool write, uint64_t *v)
{
    uint64_t a = m->at;

    if (m->space == SPACE_PCI)
        a = pci_address(a, strcmp(m->label, "PCIE") == 0);
    if (m->space == SPACE_MEM && a > UINT64_MAX - m->width)
        return false;
    return bus_access(s->b, m->space, a, m->width, write, v);
}

static bool show_value(struct shell *s, struct mm *m, const char *end)
{
    uint64_t v = 0;

    if (!access(s, m, false, &v))
        return false;
    if (m->width < 8)
        v &= ((uint64_t)1 << 8 * m->width) - 1;
    g_snprintf(m->prompt, sizeof(m->prompt), "%s  0x%016" PRIX64 " : 0x%0*" PRIX64 "%s", m->label,
               m->at, (int)m->width * 2, v, end);
    return true;
}

/* Each line is a new value, nothing, or the end. */
static enum job_wait mm_step(struct shell *s)
{
    struct mm *m = s->job.data;
    const char *line = s->job.line;
    uint64_t v;

    if (line && (shell_same(line, "q") || strcmp(line, ".") == 0))
        return JOB_DONE;
    if (line && *line && !shell_number(line, 16, &v)) {
        shell_puts(s, "A hexadecimal number, Enter to go on, or q to end.\n");
    } else if (line) {
        if (*line && !access(s, m, true, &v))
            return JOB_DONE;
        m->at += m->width;
    }
    s->job.prompt = m->prompt;
    return show_value(s, m, " > ") ? JOB_LINE : JOB_DONE;
}

static void take_space(struct shell_words *w, struct mm *m)
{
    static const struct {
        const char *name;
        enum bus_space space;
    } table[] = {{"MEM", SPACE_MEM},
                 {"MMIO", SPACE_MEM},
                 {"IO", SPACE_IO},
                 {"PCI", SPACE_PCI},
                 {"PCIE", SPACE_PCI}};

    m->label = "MEM";
    m->space = SPACE_MEM;
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        char dash[8], semicolon[8];

        g_snprintf(dash, sizeof(dash), "-%s", table[i].name);
        g_snprintf(semicolon, sizeof(semicolon), ";%s", table[i].name);
        if (!shell_option(w, dash) && !shell_option(w, semicolon))
            continue;
        m->label = table[i].name;
        m->space = table[i].space;
    }
}

static bool good_width(const struct mm *m)
{
    return (m->width == 1 || m->width == 2 || m->width == 4 ||
            (m->width == 8 && m->space == SPACE_MEM)) &&
           m->at % m->width == 0;
}

/* -w WIDTH of EFI 1.1; the older form has the width behind the address. */
static bool take_width(struct shell_words *w, struct mm *m)
{
    char *text = shell_option_value(w, "-w");
    uint64_t v = 1;
    bool ok = !text || shell_number(text, 10, &v);

    m->width = (unsigned)MIN(v, 9);
    g_free(text);
    return ok;
}

uint64_t cmd_mm(struct shell *s, struct shell_words *w)
{
    bool once = shell_option(w, "-n");
    struct mm m = {0}, *job;
    uint64_t status, v = 0;

    take_space(w, &m);
    if (!take_width(w, &m))
        return shell_fail(s, EFI_INVALID_PARAMETER, "the width is 1, 2, 4 or 8");
    status = shell_check(s, w, 1, 2);
    if (status != EFI_SUCCESS)
        return status;
    if (!shell_number(w->word[1], 16, &m.at) || (w->count > 2 && !shell_number(w->word[2], 16, &v)))
        return shell_fail(s, EFI_INVALID_PARAMETER, "address and value are hexadecimal numbers");
    if (!good_width(&m))
        return shell_fail(s, EFI_INVALID_PARAMETER,
                          "the width is 1, 2, 4 or 8 (4 at most for IO and PCI), and the address "
                          "a multiple of it");
    if (w->count > 2)
        return access(s, &m, true, &v) ? EFI_SUCCESS
                                       : shell_fail(s, EFI_INVALID_PARAMETER, "no such address");
    if (!show_value(s, &m, "\n"))
        return shell_fail(s, EFI_INVALID_PARAMETER, "no such address");
    if (once || s->scripts || s->redirected) {
        shell_puts(s, m.prompt);
        return EFI_SUCCESS;
    }
    job = g_memdup2(&m, sizeof(m));
    shell_begin(s, mm_step, job, free_mm);
    return EFI_SUCCESS;
}

/* --- memmap --- */

static const char *const type_names[] = {
    "reserved",  "LoaderCode", "LoaderData", "BS_code",  "BS_data",  "RT_code",   "RT_data",
    "available", "Unusable",   "ACPI_recl",  "ACPI_NVS", "MemMapIO", "MemPortIO", "PAL_code"};

static const char *type_name(uint32_t type)
{
    return type < G_N_ELEMENTS(type_names) ? type_names[type] : "OS";
}

uint64_t cmd_memmap(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 0, 0), pages[G_N_ELEMENTS(type_names)] = {0}, total = 0;
    const struct memmap *map = &s->b->fw->map;
    char a[32], c[32];

    if (status != EFI_SUCCESS)
        return status;
    shell_puts(s, "Type       Start            End               # Pages          Attributes\n");
    for (unsigned i = 0; i < map->n; i++) {
        const struct memmap_entry *e = &map->e[i];

        shell_print(s, "%-10s %016" PRIX64 "-%016" PRIX64 "  %016" PRIX64 " %016" PRIX64 "\n",
                    type_name(e->type), e->start, e->start + e->size - 1,
                    (uint64_t)(e->size / EFI_PAGE), e->attr);
        if (e->type < G_N_ELEMENTS(pages))
            pages[e->type] += e->size / EFI_PAGE;
        if (e->type != EFI_MMIO && e->type != EFI_MMIO_PORTS && e->type != EFI_RESERVED)
            total += e->size;
    }
    shell_puts(s, "\n");
    for (unsigned i = 0; i < G_N_ELEMENTS(pages); i++)
        if (pages[i])
            shell_print(s, "  %-10s: %7s Pages (%s)\n", type_names[i], shell_commas(pages[i], a),
                        shell_commas(pages[i] * EFI_PAGE, c));
    shell_print(s, "Total Memory: %" PRIu64 " MB (%s) Bytes\n", total >> 20,
                shell_commas(total, a));
    return EFI_SUCCESS;
}
