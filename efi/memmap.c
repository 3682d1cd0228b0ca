/* The physical memory map; see memmap.h. Layout: machine/hpvm_map.h. */
#include "memmap.h"

#include <errno.h>
#include <string.h>
#include "hpvm_map.h"
#include "layout.h"

/* Firmware RAM and devices, by address. RAM the kernel manages comes from the configured size.
 * The PAL page stands alone in its 16 MB granule with other firmware: systems map a granule
 * around it with one instruction translation register.
 *
 * Low RAM has no hole at 640 KB: Integrity VM gives its guests 0 to 2 GB in one piece, and Linux
 * kernels built for flat memory take all of it as RAM whatever the map says. */
static const struct memmap_entry fixed[] = {
    {HPVM_IOSAPIC, HPVM_IOSAPIC_SIZE, EFI_ATTR_UC, EFI_MMIO},
    {HPVM_PIB, HPVM_PIB_SIZE, EFI_ATTR_UC, EFI_MMIO},
    {HPVM_UART & ~(EFI_PAGE - 1), EFI_PAGE, EFI_ATTR_UC, EFI_MMIO},
    {FW_STUBS, FW_STUBS_SIZE, EFI_ATTR_WB | EFI_ATTR_RUNTIME, EFI_RUNTIME_CODE},
    {FW_DATA, FW_DATA_SIZE, EFI_ATTR_WB | EFI_ATTR_RUNTIME, EFI_RUNTIME_DATA},
    {FW_PAL, FW_PAL_SIZE, EFI_ATTR_WB | EFI_ATTR_RUNTIME, EFI_PAL_CODE},
    {FW_DATA2, FW_DATA2_SIZE, EFI_ATTR_WB | EFI_ATTR_RUNTIME, EFI_RUNTIME_DATA},
    {FW_ACPI, FW_ACPI_SIZE, EFI_ATTR_WB, EFI_ACPI_RECLAIM},
    {FW_MINSTATES, FW_MINSTATES_SIZE, EFI_ATTR_WB | EFI_ATTR_RUNTIME, EFI_RUNTIME_DATA},
    {FW_NVS, FW_NVS_SIZE, EFI_ATTR_WB, EFI_ACPI_NVS},
    {HPVM_IOPORT, HPVM_IOPORT_SIZE, EFI_ATTR_UC | EFI_ATTR_RUNTIME, EFI_MMIO_PORTS},
};

unsigned efi_ram_ranges(uint64_t memory, struct efi_range out[EFI_MAX_RAM_RANGES])
{
    uint64_t low = memory < HPVM_LOW_RAM_END ? memory : HPVM_LOW_RAM_END;
    unsigned n = 0;

    low &= ~(EFI_PAGE - 1);
    memory &= ~(EFI_PAGE - 1);
    out[n++] = (struct efi_range){0, low};
    out[n++] = (struct efi_range){HPVM_FW_RAM, HPVM_FW_RAM_SIZE};
    if (memory > low)
        out[n++] = (struct efi_range){HPVM_HIGH_RAM, memory - low};
    return n;
}

static void insert(struct memmap *map, unsigned at, struct memmap_entry e)
{
    memmove(&map->e[at + 1], &map->e[at], (map->n - at) * sizeof(map->e[0]));
    map->e[at] = e;
    map->n++;
}

static void add_sorted(struct memmap *map, struct memmap_entry e)
{
    unsigned at = 0;

    while (at < map->n && map->e[at].start < e.start)
        at++;
    insert(map, at, e);
}

void memmap_init(struct memmap *map, uint64_t memory)
{
    struct efi_range ram[EFI_MAX_RAM_RANGES];
    unsigned n = efi_ram_ranges(memory, ram);

    map->n = 0;
    for (unsigned i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        add_sorted(map, fixed[i]);
    for (unsigned i = 0; i < n; i++)
        if (ram[i].start != HPVM_FW_RAM)
            add_sorted(map, (struct memmap_entry){ram[i].start, ram[i].size, EFI_ATTR_WB,
                                                  EFI_CONVENTIONAL});
}

const struct memmap_entry *memmap_find(const struct memmap *map, uint64_t addr)
{
    for (unsigned i = 0; i < map->n; i++)
        if (addr >= map->e[i].start && addr - map->e[i].start < map->e[i].size)
            return &map->e[i];
    return NULL;
}

/* Cuts the entry that holds `at` in two there. */
static void cut(struct memmap *map, uint64_t at)
{
    struct memmap_entry *e = (struct memmap_entry *)memmap_find(map, at), tail;

    if (!e || e->start == at)
        return;
    tail = *e;
    tail.start = at;
    tail.size = e->start + e->size - at;
    e->size = at - e->start;
    insert(map, (unsigned)(e - map->e) + 1, tail);
}

/* Neighbours of one kind become one entry. Device ranges stay apart. */
static void join(struct memmap *map)
{
    unsigned out = 0;

    for (unsigned i = 1; i < map->n; i++) {
        struct memmap_entry *a = &map->e[out], *e = &map->e[i];

        if (a->type == e->type && a->attr == e->attr && a->type != EFI_MMIO &&
            a->start + a->size == e->start)
            a->size += e->size;
        else
            map->e[++out] = *e;
    }
    map->n = out + 1;
}

static bool releasable(const struct memmap_entry *e)
{
    return e && e->start - HPVM_FW_RAM >= HPVM_FW_RAM_SIZE && e->type != EFI_CONVENTIONAL &&
           e->type != EFI_MMIO && e->type != EFI_MMIO_PORTS && e->type != EFI_UNUSABLE;
}

static uint64_t attributes(uint32_t type)
{
    return type == EFI_RUNTIME_CODE || type == EFI_RUNTIME_DATA ? EFI_ATTR_WB | EFI_ATTR_RUNTIME
                                                                : EFI_ATTR_WB;
}

/* Checked pages get their new type. */
static int retype(struct memmap *map, uint64_t start, uint64_t end, uint32_t type)
{
    if (map->n + 2 > MEMMAP_MAX)
        return -ENOSPC;
    cut(map, start);
    cut(map, end);
    for (unsigned i = 0; i < map->n; i++)
        if (map->e[i].start >= start && map->e[i].start < end) {
            map->e[i].type = type;
            map->e[i].attr = attributes(type);
        }
    join(map);
    return 0;
}

/* Widens to pages; -EINVAL when that is impossible. */
static int page_range(uint64_t *start, uint64_t size, uint64_t *end)
{
    if (size == 0 || *start + size < *start || *start + size > UINT64_MAX - EFI_PAGE)
        return -EINVAL;
    *end = (*start + size + EFI_PAGE - 1) & ~(EFI_PAGE - 1);
    *start &= ~(EFI_PAGE - 1);
    return 0;
}

int memmap_claim(struct memmap *map, uint64_t start, uint64_t size, uint32_t type)
{
    const struct memmap_entry *e;
    uint64_t end;

    if (page_range(&start, size, &end))
        return -EINVAL;
    e = memmap_find(map, start);
    if (!e || e->type != EFI_CONVENTIONAL || end - e->start > e->size)
        return -ENOMEM;
    return retype(map, start, end, type);
}

int memmap_release(struct memmap *map, uint64_t start, uint64_t size)
{
    const struct memmap_entry *e;
    uint64_t end;

    if (page_range(&start, size, &end))
        return -EINVAL;
    for (uint64_t at = start; at < end; at = e->start + e->size) {
        e = memmap_find(map, at);
        if (!releasable(e))
            return -EINVAL;
    }
    return retype(map, start, end, EFI_CONVENTIONAL);
}

uint64_t memmap_find_high(const struct memmap *map, uint64_t size, uint64_t align, uint64_t limit)
{
    if (align < EFI_PAGE)
        align = EFI_PAGE;
    if (size == 0)
        return 0;
    for (unsigned i = map->n; i-- > 0;) {
        const struct memmap_entry *e = &map->e[i];
        uint64_t end = e->start + e->size, at;

        if (end > limit)
            end = limit;
        if (e->type != EFI_CONVENTIONAL || end < e->start || end - e->start < size)
            continue;
        at = (end - size) & ~(align - 1);
        if (at >= e->start && at != 0)
            return at;
    }
    return 0;
}

void memmap_write_efi(const struct memmap *map, struct blob *b)
{
    for (unsigned i = 0; i < map->n; i++) {
        const struct memmap_entry *e = &map->e[i];

        blob_u32(b, e->type);
        blob_u32(b, 0);
        blob_u64(b, e->start);
        blob_u64(b, 0); /* virtual address: the system's to fill in */
        blob_u64(b, e->size / EFI_PAGE);
        blob_u64(b, e->attr);
        blob_zero(b, EFI_DESC_SIZE - 40);
    }
}
