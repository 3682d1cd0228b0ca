/* efi/: the memory map's rules, the tables' checksums and links, and calls into PAL, SAL and the
 * runtime services. With --dump DIR it writes the ACPI and SMBIOS tables as files instead. */
#include "efi_machine.h"

#include <errno.h>
#include <stdio.h>
#include <zlib.h>

#define MB (1ull << 20)
#define GB (1ull << 30)

static struct mem *m;
static struct firmware *fw;

static void setup_with(uint64_t memory, unsigned cpus)
{
    m = efi_test_mem(memory);
    fw = efi_test_firmware(m, memory, cpus);
    ck_assert_ptr_nonnull(fw);
}

static void teardown(void)
{
    firmware_free(fw);
    mem_free(m);
}

static uint64_t get(uint64_t pa, unsigned size)
{
    uint64_t v = 0;

    ck_assert_int_eq(mem_dma_read(m, pa, &v, size), 0);
    return v;
}

static unsigned byte_sum(uint64_t pa, uint64_t len)
{
    unsigned sum = 0;

    for (uint64_t i = 0; i < len; i++)
        sum += (unsigned)get(pa + i, 1);
    return sum & 0xff;
}

/* --- memory map --- */

static const uint64_t sizes[] = {64 * MB, 128 * MB, GB, 2 * GB, 2 * GB + 16 * MB, 4 * GB, 64 * GB};

START_TEST(map_is_sorted_and_covers_all_ram)
{
    struct memmap map;
    uint64_t ram = 0, end = 0;

    memmap_init(&map, sizes[_i]);
    for (unsigned i = 0; i < map.n; i++) {
        ck_assert_uint_ge(map.e[i].start, end);
        ck_assert_uint_ne(map.e[i].size, 0);
        ck_assert_uint_eq((map.e[i].start | map.e[i].size) % EFI_PAGE, 0);
        end = map.e[i].start + map.e[i].size;
        if (map.e[i].type == EFI_CONVENTIONAL)
            ram += map.e[i].size;
    }
    ck_assert_uint_eq(ram, sizes[_i]);
}
END_TEST

START_TEST(all_firmware_ram_is_described_once)
{
    struct memmap map;
    unsigned pal = 0;

    memmap_init(&map, sizes[_i]);
    for (uint64_t a = HPVM_FW_RAM; a < HPVM_FW_RAM + HPVM_FW_RAM_SIZE; a += EFI_PAGE) {
        ck_assert_ptr_nonnull(memmap_find(&map, a));
        ck_assert_uint_ne(memmap_find(&map, a)->type, EFI_CONVENTIONAL);
    }
    for (unsigned i = 0; i < map.n; i++) {
        const struct memmap_entry *e = &map.e[i];

        if (e->type != EFI_PAL_CODE)
            continue;
        pal++; /* systems map it with one translation register: 4 KB to 256 KB, self-aligned */
        ck_assert_uint_eq(e->size & (e->size - 1), 0);
        ck_assert_uint_eq(e->start & (e->size - 1), 0);
        ck_assert_uint_le(e->size, 256 << 10);
    }
    ck_assert_uint_eq(pal, 1);
}
END_TEST

START_TEST(ram_ranges_agree_with_the_map)
{
    struct efi_range r[EFI_MAX_RAM_RANGES];
    unsigned n = efi_ram_ranges(sizes[_i], r);
    struct memmap map;

    memmap_init(&map, sizes[_i]);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_ptr_nonnull(memmap_find(&map, r[i].start));
        ck_assert_ptr_nonnull(memmap_find(&map, r[i].start + r[i].size - 1));
    }
}
END_TEST

START_TEST(claiming_splits_a_range)
{
    struct memmap map;

    memmap_init(&map, GB);
    ck_assert_int_eq(memmap_claim(&map, 64 * MB + 100, 5000, EFI_LOADER_DATA), 0);
    ck_assert_uint_eq(memmap_find(&map, 64 * MB)->type, EFI_LOADER_DATA);
    ck_assert_uint_eq(memmap_find(&map, 64 * MB)->size, 2 * EFI_PAGE);
    ck_assert_uint_eq(memmap_find(&map, 64 * MB - 1)->type, EFI_CONVENTIONAL);
    ck_assert_uint_eq(memmap_find(&map, 64 * MB + 2 * EFI_PAGE)->type, EFI_CONVENTIONAL);
    ck_assert_int_eq(memmap_claim(&map, 64 * MB, 1, EFI_LOADER_DATA), -ENOMEM);
    ck_assert_int_eq(memmap_claim(&map, GB - 1, 2, EFI_LOADER_DATA), -ENOMEM);
    ck_assert_int_eq(memmap_claim(&map, HPVM_PIB, 1, EFI_LOADER_DATA), -ENOMEM);
    ck_assert_int_eq(memmap_claim(&map, UINT64_MAX - 1, 5, EFI_LOADER_DATA), -EINVAL);
    ck_assert_int_eq(memmap_claim(&map, 0, UINT64_MAX, EFI_LOADER_DATA), -EINVAL);
}
END_TEST

START_TEST(a_full_map_refuses)
{
    struct memmap map;
    int err = 0;

    memmap_init(&map, GB);
    for (unsigned i = 0; i < MEMMAP_MAX && !err; i++)
        err = memmap_claim(&map, 16 * MB + 2 * i * EFI_PAGE, 1, EFI_LOADER_DATA);
    ck_assert_int_eq(err, -ENOSPC);
    ck_assert_uint_le(map.n, MEMMAP_MAX);
}
END_TEST

START_TEST(highest_free_range)
{
    struct memmap map;

    memmap_init(&map, GB);
    ck_assert_uint_eq(memmap_find_high(&map, EFI_PAGE, EFI_PAGE, HPVM_LOW_RAM_END), GB - EFI_PAGE);
    ck_assert_uint_eq(memmap_find_high(&map, 5000, 65536, HPVM_LOW_RAM_END), GB - 65536);
    ck_assert_uint_eq(memmap_find_high(&map, 2 * GB, EFI_PAGE, HPVM_LOW_RAM_END), 0);
    ck_assert_uint_eq(memmap_find_high(&map, 0, EFI_PAGE, HPVM_LOW_RAM_END), 0);
}
END_TEST

/* --- tables --- */

static uint64_t config_table(const uint8_t *guid)
{
    uint64_t systab = fw->systab, n = get(systab + 104, 8), at = get(systab + 112, 8);
    uint8_t g[16];

    for (uint64_t i = 0; i < n; i++) {
        mem_dma_read(m, at + 24 * i, g, 16);
        if (!memcmp(g, guid, 16))
            return get(at + 24 * i + 16, 8);
    }
    ck_abort_msg("configuration table missing");
    return 0;
}

static const uint8_t guid_acpi20[16] = {0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
                                        0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81};
static const uint8_t guid_sal[16] = {0x32, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
                                     0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d};
static const uint8_t guid_smbios[16] = {0x31, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
                                        0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d};

static void check_crc(uint64_t table)
{
    uint8_t t[256];
    uint64_t size = get(table + 12, 4);
    uint32_t crc;

    ck_assert_uint_le(size, sizeof(t));
    mem_dma_read(m, table, t, size);
    memcpy(&crc, t + 16, 4);
    memset(t + 16, 0, 4);
    ck_assert_uint_eq(crc32(0, t, (unsigned)size), crc);
}

START_TEST(efi_tables)
{
    setup_with(GB, 1);
    ck_assert_uint_eq(get(fw->systab, 8), 0x5453595320494249ull);
    ck_assert_uint_eq(get(fw->systab + 8, 4), 0x1000a);
    check_crc(fw->systab);
    check_crc(get(fw->systab + 88, 8));
    for (unsigned i = 0; i < 11; i++) { /* each service is a descriptor of a stub */
        uint64_t fn = get(get(fw->systab + 88, 8) + 24 + 8 * i, 8);

        ck_assert_uint_eq(get(fn, 8), FW_STUB_ADDR(FW_ENTRY_RUNTIME + i));
    }
    teardown();
}
END_TEST

typedef void visit_fn(const char *name, uint64_t pa, uint64_t len);

/* Every ACPI table with its length, checksums checked. */
static void walk_acpi(visit_fn *visit)
{
    uint64_t rsdp = config_table(guid_acpi20), xsdt, fadt = 0;

    ck_assert_uint_eq(byte_sum(rsdp, 20), 0);
    ck_assert_uint_eq(byte_sum(rsdp, 36), 0);
    ck_assert_uint_eq(get(rsdp + 15, 1), 2);
    xsdt = get(rsdp + 24, 8);
    ck_assert_uint_eq(byte_sum(xsdt, get(xsdt + 4, 4)), 0);
    visit("XSDT", xsdt, get(xsdt + 4, 4));
    for (uint64_t at = xsdt + 36; at < xsdt + get(xsdt + 4, 4); at += 8) {
        uint64_t t = get(at, 8), len = get(t + 4, 4);
        char name[5] = {0};

        mem_dma_read(m, t, name, 4);
        ck_assert_uint_eq(byte_sum(t, len), 0);
        if (!memcmp(name, "FACP", 4))
            fadt = t;
        visit(name, t, len);
    }
    ck_assert_uint_ne(fadt, 0);
    ck_assert_uint_eq(get(fadt + 4, 4), 244);
    ck_assert_uint_eq(get(fadt + 8, 1), 3);
    ck_assert_uint_eq(byte_sum(get(fadt + 140, 8), get(get(fadt + 140, 8) + 4, 4)), 0);
    visit("DSDT", get(fadt + 140, 8), get(get(fadt + 140, 8) + 4, 4));
    ck_assert_uint_eq(get(fadt + 132, 8) % 64, 0);
    visit("FACS", get(fadt + 132, 8), 64);
}

static unsigned visited;

static void count(const char *name, uint64_t pa, uint64_t len)
{
    (void)name;
    (void)pa;
    ck_assert_uint_gt(len, 36);
    visited++;
}

START_TEST(acpi_tables)
{
    setup_with(GB, (unsigned)_i);
    visited = 0;
    walk_acpi(count);
    ck_assert_uint_eq(visited, 6);
    teardown();
}
END_TEST

START_TEST(sal_table)
{
    uint64_t sst;

    setup_with(GB, 16);
    sst = config_table(guid_sal);
    ck_assert_uint_eq(get(sst, 4), 0x5f545353); /* SST_ */
    ck_assert_uint_eq(byte_sum(sst, get(sst + 4, 4)), 0);
    ck_assert_uint_eq(get(sst + 96, 1), 0); /* entry point: PAL, SAL */
    ck_assert_uint_eq(get(sst + 104, 8), FW_PAL);
    ck_assert_uint_eq(get(sst + 112, 8), FW_STUB_ADDR(FW_ENTRY_SAL));
    ck_assert_uint_eq(get(sst + 96 + 48 + 16 + 16, 1), 5); /* wake-up by vector 0xff */
    ck_assert_uint_eq(get(sst + 96 + 48 + 16 + 16 + 8, 8), 0xff);
    teardown();
}
END_TEST

START_TEST(smbios_entry)
{
    uint64_t at;

    setup_with(64 * GB, 16);
    at = config_table(guid_smbios);
    ck_assert_uint_eq(byte_sum(at, 31), 0);
    ck_assert_uint_eq(byte_sum(at + 16, 15), 0);
    ck_assert_uint_eq(get(at + 16 + 12, 2), 1 + 1 + 1 + 16 + 1 + 1);
    teardown();
}
END_TEST

/* --- SMBIOS, read as dmidecode does: structure after structure, strings behind each --- */

struct structure {
    unsigned type, length;
    const uint8_t *bytes;
    const char *strings[8];
    unsigned count;
};

/* Takes the structure at p apart; where the next one is. */
static const uint8_t *take_structure(const uint8_t *p, const uint8_t *end, struct structure *s)
{
    *s = (struct structure){.type = p[0], .length = p[1], .bytes = p};
    ck_assert_uint_ge(s->length, 4);
    ck_assert_uint_gt((size_t)(end - p), s->length + 1u);
    p += s->length;
    while (*p) {
        ck_assert_uint_lt(s->count, 8);
        ck_assert_ptr_nonnull(memchr(p, 0, (size_t)(end - p)));
        s->strings[s->count++] = (const char *)p;
        p += strlen((const char *)p) + 1;
    }
    p += s->count ? 1 : 2; /* without strings there are two zeros */
    ck_assert(p <= end);
    return p;
}

/* The string that a byte of the structure names; "" for none. */
static const char *text_at(const struct structure *s, unsigned offset)
{
    unsigned n = s->bytes[offset];

    ck_assert_uint_le(n, s->count);
    return n ? s->strings[n - 1] : "";
}

static void check_structure(const struct structure *s, unsigned cpus[static 1])
{
    uint8_t uuid[16];

    for (unsigned i = 0; i < 16; i++)
        uuid[i] = (uint8_t)(0x10 + i);
    switch (s->type) {
    case 1: /* system: hpvm platform's model name, serial number and UUID */
        ck_assert_str_eq(text_at(s, 4), "hp");
        ck_assert_str_eq(text_at(s, 5), "server Integrity Virtual Machine");
        ck_assert_str_eq(text_at(s, 7), "VM00530001");
        ck_assert_mem_eq(s->bytes + 8, uuid, 16);
        break;
    case 3:
        ck_assert_str_eq(text_at(s, 7), "VM00530001");
        break;
    case 4:
        ck_assert_uint_eq(s->bytes[6], 0x82); /* Itanium */
        ck_assert_uint_eq(s->bytes[0x18] & 0x47, 0x41);
        (*cpus)++;
        break;
    default:
        break;
    }
}

START_TEST(smbios_structures)
{
    static const unsigned once[] = {0, 1, 3, 16, 127};
    struct firmware_config cfg = {
        .cpus = 3, .model = CPU_MONTECITO, .memory = GB, .serial = "VM00530001"};
    unsigned seen[256] = {0}, handles = 0, cpus = 0, largest = 0;
    const uint8_t *p, *end;
    int err;

    for (unsigned i = 0; i < 16; i++)
        cfg.uuid[i] = (uint8_t)(0x10 + i);
    m = efi_test_mem(GB);
    fw = firmware_new(m, &cfg, &err);
    ck_assert_ptr_nonnull(fw);
    uint64_t at = config_table(guid_smbios), len = get(at + 16 + 6, 2);
    p = mem_ram(m, get(at + 16 + 8, 4), len);
    ck_assert_ptr_nonnull(p);
    for (end = p + len; p < end;) {
        const uint8_t *start = p;
        struct structure s;

        p = take_structure(p, end, &s);
        ck_assert_uint_eq(s.bytes[2] | s.bytes[3] << 8, 0x100 + handles++);
        seen[s.type]++;
        check_structure(&s, &cpus);
        if ((unsigned)(p - start) > largest)
            largest = (unsigned)(p - start);
        ck_assert(s.type != 127 || p == end);
    }
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(seen[once[i]], 1);
    ck_assert_uint_eq(cpus, 3);
    ck_assert_uint_eq(get(at + 16 + 12, 2), handles);
    ck_assert_uint_eq(get(at + 8, 2), largest);
    teardown();
}
END_TEST

START_TEST(bad_configurations)
{
    struct firmware_config cfg = {.cpus = 17, .memory = GB};
    struct mem *bare = mem_new();
    int err = 0;

    ck_assert_ptr_null(firmware_new(bare, &cfg, &err));
    ck_assert_int_eq(err, -EINVAL);
    cfg.cpus = 1; /* no RAM to put the tables into */
    ck_assert_ptr_null(firmware_new(bare, &cfg, &err));
    ck_assert_int_eq(err, -EFAULT);
    mem_free(bare);
}
END_TEST

/* --- calls --- */

static struct cpu *c;

static void call_setup(void)
{
    setup_with(GB, 2);
    c = cpu_new(1, CPU_MONTECITO, m);
    ck_assert_ptr_nonnull(c);
    cpu_reset(c);
    firmware_attach_cpu(fw, c);
}

static void call_teardown(void)
{
    cpu_free(c);
    teardown();
}

static int64_t pal(uint64_t index, uint64_t a, uint64_t b, uint64_t d)
{
    c->ip = FW_PAL;
    c->br[0] = 0x1000;
    cpu_set_gr(c, 28, index);
    cpu_set_gr(c, 29, a);
    cpu_set_gr(c, 30, b);
    cpu_set_gr(c, 31, d);
    firmware_call(fw, c, FW_ENTRY_PAL);
    ck_assert_uint_eq(c->ip, 0x1000);
    return (int64_t)cpu_gr(c, 8);
}

/* As after br.call from a frame of 8 outputs. */
static uint64_t stacked(unsigned entry, const uint64_t args[8])
{
    cpu_set_cfm(c, 8);
    for (unsigned i = 0; i < 8; i++)
        cpu_set_gr(c, 32 + i, args[i]);
    c->pfs = 8;
    c->ip = FW_STUB_ADDR(entry);
    c->br[0] = 0x1000;
    firmware_call(fw, c, entry);
    ck_assert_uint_eq(c->ip, 0x1000);
    return cpu_gr(c, 8);
}

#define SAL(...)        ((int64_t)stacked(FW_ENTRY_SAL, (const uint64_t[8]){__VA_ARGS__}))
#define SERVICE(n, ...) stacked(FW_ENTRY_RUNTIME + (n), (const uint64_t[8]){__VA_ARGS__})

START_TEST(pal_calls)
{
    ck_assert_int_eq(pal(19, 0, 0, 0), 0); /* RSE_INFO */
    ck_assert_uint_eq(cpu_gr(c, 9), 96);
    ck_assert_int_eq(pal(8, 0, 0, 0), 0); /* VM_SUMMARY */
    ck_assert_uint_eq(cpu_gr(c, 9) >> 1 & 0x7f, TLB_PA_BITS);
    ck_assert_uint_eq(cpu_gr(c, 10) & 0xff, TLB_VA_MSB);
    ck_assert_int_eq(pal(14, 0, 0, 0), 0); /* FREQ_RATIOS */
    ck_assert_uint_eq(cpu_gr(c, 11), 2ull << 32 | 1);
    ck_assert_int_eq(pal(2, 9, 1, 0), -2); /* CACHE_INFO of no such level */
    ck_assert_int_eq(pal(999, 0, 0, 0), -1);
    ck_assert_int_eq(pal(15, 0x10000, 0, 0), 0); /* PERF_MON_INFO */
    ck_assert_uint_eq(get(0x10000, 8), 0x3fff);
    ck_assert_int_eq(pal(15, 1ull << 45, 0, 0), -2);
    ck_assert_int_eq(pal(29, 0, 0, 0), 0); /* HALT_LIGHT */
    ck_assert(c->halted);
}
END_TEST

static uint64_t pci_seen[6];

static uint64_t pci_read(void *opaque, unsigned seg, unsigned bus, unsigned devfn, unsigned reg,
                         unsigned size)
{
    const uint64_t seen[6] = {seg, bus, devfn, reg, size};

    (void)opaque;
    memcpy(pci_seen, seen, sizeof(seen));
    return 0x1122334455667788ull;
}

START_TEST(sal_calls)
{
    ck_assert_int_eq(SAL(0x01000012, 0), 0);
    ck_assert_uint_eq(cpu_gr(c, 9), HPVM_BASE_HZ);
    ck_assert_int_eq(SAL(0x01000001, 0), -5);
    ck_assert_int_eq(SAL(0x0100ffff), -1);
    ck_assert_int_eq(SAL(0x01000010, 0, 4, 0), 0); /* no PCI: all ones */
    ck_assert_uint_eq(cpu_gr(c, 9), 0xffffffff);
    fw->cfg.pci_read = pci_read;
    ck_assert_int_eq(SAL(0x01000010, 0x0102030a, 2, 0), 0);
    ck_assert_uint_eq(cpu_gr(c, 9), 0x7788);
    ck_assert(pci_seen[0] == 1 && pci_seen[1] == 2 && pci_seen[2] == 3 && pci_seen[3] == 10);
    ck_assert_int_eq(SAL(0x01000010, 0x1020304ull, 4, 1), 0);
    ck_assert(pci_seen[0] == 0 && pci_seen[1] == 0x10 && pci_seen[2] == 0x20 &&
              pci_seen[3] == 0x304);
    ck_assert_int_eq(SAL(0x01000010, 1, 4, 0), -2);
    ck_assert_int_eq(SAL(0x01000010, 0, 8, 0), -2);
}
END_TEST

START_TEST(ap_waits_and_starts)
{
    firmware_call(fw, c, FW_ENTRY_AP_WAIT);
    ck_assert(c->halted && !c->running);
    ck_assert_uint_eq(c->ip, FW_AP_POLL);
    cpu_set_gr(c, 8, 0xff); /* woken, but nobody said where to go */
    firmware_call(fw, c, FW_ENTRY_AP_WOKEN);
    ck_assert_uint_eq(c->ip, FW_STUB_ADDR(FW_ENTRY_AP_WAIT));
    ck_assert_int_eq(SAL(0x01000000, 2, 0x4000100, 0x77), 0);
    cpu_set_gr(c, 8, 0x30);
    firmware_call(fw, c, FW_ENTRY_AP_WOKEN);
    ck_assert_uint_eq(c->ip, FW_STUB_ADDR(FW_ENTRY_AP_WAIT));
    cpu_set_gr(c, 8, 0xff);
    firmware_call(fw, c, FW_ENTRY_AP_WOKEN);
    ck_assert_uint_eq(c->ip, 0x4000100);
    ck_assert_uint_eq(cpu_gr(c, 1), 0x77);
    ck_assert_uint_eq(c->br[0], FW_STUB_ADDR(FW_ENTRY_AP_WAIT));
    ck_assert(c->running);
}
END_TEST

static uint64_t fixed_clock(void *opaque)
{
    (void)opaque;
    return 1000000000ull * 1000000000ull + 5; /* 2001-09-09 01:46:40 */
}

START_TEST(clock_and_count)
{
    static const uint8_t set[16] = {0xd0, 7, 2, 29, 12, 30, 15};

    fw->cfg.wall_ns = fixed_clock;
    ck_assert_uint_eq(SERVICE(0, 0x10000), 0);
    ck_assert_uint_eq(get(0x10000, 8), 0x00282e01090907d1ull);
    ck_assert_uint_eq(get(0x10008, 4), 5);
    ck_assert_uint_eq(SERVICE(0, 0), 1ull << 63 | 2);
    ck_assert_uint_eq(SERVICE(0, 1ull << 45), 1ull << 63 | 2);
    mem_dma_write(m, 0x11000, set, 16);
    ck_assert_uint_eq(SERVICE(1, 0x11000), 0);
    ck_assert_uint_eq(SERVICE(0, 0x10000), 0);
    ck_assert_uint_eq(get(0x10000, 4), 2000 | 2 << 16 | 29u << 24);
    ck_assert_uint_eq(SERVICE(9, 0x12000), 0);
    ck_assert_uint_eq(get(0x12000, 4), fw->high_count);
}
END_TEST

static void put_name(uint64_t pa, const char *s)
{
    do {
        uint16_t ch = (unsigned char)*s;

        mem_dma_write(m, pa, &ch, 2);
        pa += 2;
    } while (*s++);
}

static void put64(uint64_t pa, uint64_t v)
{
    mem_dma_write(m, pa, &v, 8);
}

START_TEST(variables)
{
    const uint64_t name = 0x10000, guid = 0x11000, size = 0x12000, data = 0x13000, attr = 0x14000;

    put_name(name, "Boot0000");
    put64(size, 100);
    ck_assert_uint_eq(SERVICE(6, name, guid, 0, size, data), 1ull << 63 | 14);
    put64(data, 0x1234);
    ck_assert_uint_eq(SERVICE(8, name, guid, 7, 8, data), 0);
    put_name(name, "Lang");
    ck_assert_uint_eq(SERVICE(8, name, guid, 7, 4, data), 0);
    ck_assert_uint_eq(SERVICE(8, name, guid, 7, FW_VAR_MAX + 1, data), 1ull << 63 | 9);
    ck_assert_uint_eq(SERVICE(8, name, guid, 1ull << 20 | 7, 4, data), 1ull << 63 | 2);
    put_name(name, "Boot0000");
    put64(data, 0);
    put64(size, 4);
    ck_assert_uint_eq(SERVICE(6, name, guid, attr, size, data), 1ull << 63 | 5);
    ck_assert_uint_eq(get(size, 8), 8);
    ck_assert_uint_eq(SERVICE(6, name, guid, attr, size, data), 0);
    ck_assert_uint_eq(get(data, 8), 0x1234);
    ck_assert_uint_eq(get(attr, 4), 7);
    put_name(name, ""); /* enumeration */
    put64(size, 100);
    ck_assert_uint_eq(SERVICE(7, size, name, guid), 0);
    ck_assert_uint_eq(get(name, 8), 0x0074006f006f0042ull); /* Boot */
    put64(size, 4);
    ck_assert_uint_eq(SERVICE(7, size, name, guid), 1ull << 63 | 2); /* name longer than told */
    put64(size, 100);
    ck_assert_uint_eq(SERVICE(7, size, name, guid), 0);
    ck_assert_uint_eq(get(name, 8), 0x0067006e0061004cull); /* Lang */
    put64(size, 100);
    ck_assert_uint_eq(SERVICE(7, size, name, guid), 1ull << 63 | 14);
    ck_assert_uint_eq(SERVICE(8, name, guid, 7, 0, 0), 0); /* delete */
    ck_assert_uint_eq(SERVICE(8, name, guid, 7, 0, 0), 1ull << 63 | 14);
}
END_TEST

START_TEST(many_variables_are_bounded)
{
    char name[16];
    uint64_t status = 0;

    for (unsigned i = 0; i < 100 && !status; i++) {
        snprintf(name, sizeof(name), "V%u", i);
        put_name(0x10000, name);
        status = SERVICE(8, 0x10000, 0x11000, 7, 60000, 0x20000);
    }
    ck_assert_uint_eq(status, 1ull << 63 | 9);
    ck_assert_uint_le(fw->vars_total, FW_VAR_TOTAL);
}
END_TEST

START_TEST(virtual_addresses)
{
    uint8_t buf[8192];
    struct blob b;
    uint64_t fn;

    blob_init(&b, buf, sizeof(buf));
    memmap_write_efi(&fw->map, &b);
    for (unsigned i = 0; i < fw->map.n; i++)
        blob_patch64(&b, i * EFI_DESC_SIZE + 16, fw->map.e[i].start | 7ull << 61);
    mem_dma_write(m, 0x20000, buf, b.len);
    ck_assert_uint_eq(SERVICE(4, b.len, 8, 1, 0x20000), 1ull << 63 | 2);
    ck_assert_uint_eq(SERVICE(4, b.len, EFI_DESC_SIZE, 1, 1ull << 45), 1ull << 63 | 2);
    ck_assert_uint_eq(SERVICE(4, 0, EFI_DESC_SIZE, 1, 0x20000), 1ull << 63 | 17);
    ck_assert_uint_eq(SERVICE(4, b.len, EFI_DESC_SIZE, 1, 0x20000), 0);
    fn = get((get(fw->systab + 88, 8) & ~(7ull << 61)) + 24, 8);
    ck_assert_uint_eq(fn >> 61, 7);
    ck_assert_uint_eq(get(fn & ~(7ull << 61), 8), FW_STUB_ADDR(FW_ENTRY_RUNTIME) | 7ull << 61);
    check_crc(fw->systab);
    ck_assert_uint_eq(SERVICE(4, b.len, EFI_DESC_SIZE, 1, 0x20000), 1ull << 63 | 3);
    put64(0x10000, FW_STUBS + 8);
    ck_assert_uint_eq(SERVICE(5, 0, 0x10000), 0);
    ck_assert_uint_eq(get(0x10000, 8), (FW_STUBS + 8) | 7ull << 61);
}
END_TEST

/* Without a translation the guest is sent to touch the byte and comes back, but not for ever. */
START_TEST(missing_translation_is_touched)
{
    const uint64_t va = 0xe000000000010ff8ull, stub = FW_STUB_ADDR(FW_ENTRY_RUNTIME);
    unsigned tries = 0;

    cpu_set_cfm(c, 8);
    cpu_set_gr(c, 32, va);
    cpu_set_gr(c, 33, 0);
    c->br[0] = 0x1000;
    cpu_set_psr(c, c->psr | PSR_DT);
    for (c->ip = stub; c->ip != 0x1000 && tries < 100; tries++) {
        c->ip = stub;
        firmware_call(fw, c, FW_ENTRY_RUNTIME);
        if (c->ip == 0x1000)
            break;
        ck_assert_uint_eq(c->ip, FW_STUBS + FW_TOUCH_WRITE);
        ck_assert_uint_eq(c->br[7], stub);
        ck_assert_uint_eq(c->br[0], 0x1000);
        ck_assert_uint_eq(cpu_gr(c, 3), va);
    }
    ck_assert_uint_gt(tries, 1);
    ck_assert_uint_lt(tries, 100);
    ck_assert_uint_eq(cpu_gr(c, 8), 1ull << 63 | 2);
}
END_TEST

static unsigned powered_off, resets;

static void power_off(void *opaque)
{
    (void)opaque;
    powered_off++;
}

static void reset(void *opaque)
{
    (void)opaque;
    resets++;
}

START_TEST(reset_system)
{
    fw->cfg.power_off = power_off;
    fw->cfg.reset = reset;
    SERVICE(10, 2, 0, 0, 0);
    ck_assert_uint_eq(powered_off, 1);
    ck_assert(c->stop);
    SERVICE(10, 0, 0, 0, 0);
    ck_assert_uint_eq(resets, 1);
}
END_TEST

START_TEST(unknown_entries_return)
{
    c->br[0] = 0x1000;
    firmware_call(fw, c, 0);
    ck_assert_uint_eq(c->ip, 0x1000);
    c->br[0] = 0x2000;
    firmware_call(fw, c, FW_ENTRY_COUNT);
    ck_assert_uint_eq(c->ip, 0x2000);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("efi");
    TCase *t = tcase_create("memory map");
    const int n = sizeof(sizes) / sizeof(sizes[0]);

    tcase_add_loop_test(t, map_is_sorted_and_covers_all_ram, 0, n);
    tcase_add_loop_test(t, all_firmware_ram_is_described_once, 0, n);
    tcase_add_loop_test(t, ram_ranges_agree_with_the_map, 0, n);
    tcase_add_test(t, claiming_splits_a_range);
    tcase_add_test(t, a_full_map_refuses);
    tcase_add_test(t, highest_free_range);
    suite_add_tcase(s, t);
    t = tcase_create("tables");
    tcase_add_test(t, efi_tables);
    tcase_add_loop_test(t, acpi_tables, 1, 17);
    tcase_add_test(t, sal_table);
    tcase_add_test(t, smbios_entry);
    tcase_add_test(t, smbios_structures);
    tcase_add_test(t, bad_configurations);
    suite_add_tcase(s, t);
    t = tcase_create("calls");
    tcase_add_checked_fixture(t, call_setup, call_teardown);
    tcase_add_test(t, pal_calls);
    tcase_add_test(t, sal_calls);
    tcase_add_test(t, ap_waits_and_starts);
    tcase_add_test(t, clock_and_count);
    tcase_add_test(t, variables);
    tcase_add_test(t, many_variables_are_bounded);
    tcase_add_test(t, virtual_addresses);
    tcase_add_test(t, missing_translation_is_touched);
    tcase_add_test(t, reset_system);
    tcase_add_test(t, unknown_entries_return);
    suite_add_tcase(s, t);
    return s;
}

static const char *dump_dir;

static void dump(const char *name, uint64_t pa, uint64_t len)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s.dat", dump_dir, name);
    f = fopen(path, "wb");
    if (!f || fwrite(mem_ram(m, pa, len), 1, len, f) != len || fclose(f)) {
        perror(path);
        exit(1);
    }
}

/* As dmidecode reads it: the entry point, and at 32 the table, with an address that says so. */
static void dump_smbios(void)
{
    uint64_t at = config_table(guid_smbios), len = get(at + 16 + 6, 2);
    static uint8_t image[65536];
    uint8_t sum = 0;

    ck_assert_int_eq(mem_dma_read(m, get(at + 16 + 8, 4), image + 32, len), 0);
    ck_assert_int_eq(mem_dma_read(m, at, image, 31), 0);
    memcpy(image + 16 + 8, "\x20\0\0", 4);
    image[16 + 5] = 0;
    for (unsigned i = 16; i < 31; i++)
        sum = (uint8_t)(sum + image[i]);
    image[16 + 5] = (uint8_t)-sum; /* the whole entry point's sum does not change */
    ck_assert_int_eq(mem_dma_write(m, 0x1000, image, 32 + len), 0);
    dump("SMBIOS", 0x1000, 32 + len);
}

START_TEST(dump_tables)
{
    setup_with(GB, 4);
    walk_acpi(dump);
    dump_smbios();
    teardown();
}
END_TEST

static Suite *dump_suite(void)
{
    Suite *s = suite_create("dump");
    TCase *t = tcase_create("dump");

    tcase_add_test(t, dump_tables);
    suite_add_tcase(s, t);
    return s;
}

int main(int argc, char **argv)
{
    bool dumping = argc == 3 && !strcmp(argv[1], "--dump");
    SRunner *sr;
    int failed;

    if (dumping)
        dump_dir = argv[2];
    sr = srunner_create(dumping ? dump_suite() : suite());
    srunner_run_all(sr, dumping ? CK_SILENT : CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
