/* efi/elf_image.c and efi/boot_linux.c: a good kernel starts with the right block and registers;
 * every kind of bad file is refused with a sentence that names it. */
#include "efi_machine.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include "elf_image.h"

#define MB     (1ull << 20)
#define MEMORY (256 * MB)
#define KERNEL (64 * MB)

static struct mem *m;
static struct firmware *fw;
static struct cpu *c;
static char dir[] = "/tmp/kittson-loader-XXXXXX";
static char path[64], initrd[64], why[256];

/* A small kernel: two segments, the second with bss. */
struct kernel {
    Elf64_Ehdr h;
    Elf64_Phdr p[2];
    uint8_t text[256], data[128];
};

static struct kernel good(void)
{
    struct kernel k = {.h = {.e_type = ET_EXEC,
                             .e_machine = EM_IA_64,
                             .e_version = 1,
                             .e_entry = KERNEL + 0x40,
                             .e_phoff = sizeof(Elf64_Ehdr),
                             .e_ehsize = sizeof(Elf64_Ehdr),
                             .e_phentsize = sizeof(Elf64_Phdr),
                             .e_phnum = 2}};

    memcpy(k.h.e_ident, ELFMAG, SELFMAG);
    k.h.e_ident[EI_CLASS] = ELFCLASS64;
    k.h.e_ident[EI_DATA] = ELFDATA2LSB;
    k.p[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                          .p_offset = offsetof(struct kernel, text),
                          .p_vaddr = 0xa000000100000000ull,
                          .p_paddr = KERNEL,
                          .p_filesz = 256,
                          .p_memsz = 256};
    k.p[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                          .p_offset = offsetof(struct kernel, data),
                          .p_vaddr = 0xa000000100000100ull,
                          .p_paddr = KERNEL + 256,
                          .p_filesz = 128,
                          .p_memsz = 20000};
    memset(k.text, 0x11, sizeof(k.text));
    memset(k.data, 0x22, sizeof(k.data));
    return k;
}

static void write_to(const char *name, const void *data, size_t size)
{
    FILE *f = fopen(name, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, size, f), size);
    fclose(f);
}

static void setup(void)
{
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/kernel", dir);
    snprintf(initrd, sizeof(initrd), "%s/initrd", dir);
    m = efi_test_mem(MEMORY);
    fw = efi_test_firmware(m, MEMORY, 1);
    ck_assert_ptr_nonnull(fw);
    c = cpu_new(0, CPU_MONTECITO, m);
    ck_assert_ptr_nonnull(c);
    cpu_reset(c);
    firmware_attach_cpu(fw, c);
    why[0] = 0;
}

static void teardown(void)
{
    cpu_free(c);
    firmware_free(fw);
    mem_free(m);
    unlink(path);
    unlink(initrd);
    rmdir(dir);
}

static int boot(const char *rd, const char *cmdline)
{
    return firmware_boot_linux(fw, c, path, rd, cmdline, why, sizeof(why));
}

static uint64_t get(uint64_t pa, unsigned size)
{
    uint64_t v = 0;

    ck_assert_int_eq(mem_dma_read(m, pa, &v, size), 0);
    return v;
}

/* A refusal says one sentence with the file's name. */
static void refused(int err, int want)
{
    ck_assert_int_eq(err, want);
    ck_assert_ptr_nonnull(strstr(why, path));
    ck_assert_int_eq(why[strlen(why) - 1], '.');
}

static void check_started(void)
{
    uint64_t bp = cpu_gr(c, 28);

    ck_assert_uint_eq(c->ip, KERNEL + 0x40);
    ck_assert_uint_eq(c->psr & (PSR_IT | PSR_DT | PSR_RT | PSR_I | PSR_IC), 0);
    ck_assert_uint_eq(get(KERNEL, 8), 0x1111111111111111ull);
    ck_assert_uint_eq(get(KERNEL + 256, 8), 0x2222222222222222ull);
    ck_assert_uint_eq(get(KERNEL + 256 + 128, 8), 0);
    ck_assert_uint_eq(get(bp + 8, 8), fw->systab);
    ck_assert_uint_eq(get(bp + 32, 8), EFI_DESC_SIZE);
    ck_assert_uint_eq(get(bp + 24, 8), fw->map.n * EFI_DESC_SIZE);
    ck_assert_uint_eq(get(bp + 56, 8), fw->fpswa);
    ck_assert_uint_eq(memmap_find(&fw->map, bp)->type, EFI_LOADER_DATA);
    ck_assert_uint_eq(memmap_find(&fw->map, KERNEL)->type, EFI_LOADER_DATA);
    ck_assert_uint_eq(memmap_find(&fw->map, KERNEL + 20255)->type, EFI_LOADER_DATA);
}

START_TEST(good_kernel_starts)
{
    struct kernel k = good();
    char text[16];

    mem_dma_fill(m, KERNEL, 0xff, 65536);
    write_to(path, &k, sizeof(k));
    ck_assert_int_eq(boot(NULL, "console=ttyS0"), 0);
    check_started();
    mem_dma_read(m, get(cpu_gr(c, 28), 8), text, 14);
    ck_assert_str_eq(text, "console=ttyS0");
    ck_assert_uint_eq(get(cpu_gr(c, 28) + 64, 8), 0);
}
END_TEST

START_TEST(gzip_kernel_starts)
{
    struct kernel k = good();
    gzFile f = gzopen(path, "wb");

    ck_assert_int_eq(gzwrite(f, &k, sizeof(k)), sizeof(k));
    gzclose(f);
    ck_assert_int_eq(boot(NULL, NULL), 0);
    check_started();
}
END_TEST

START_TEST(virtual_entry_is_translated)
{
    struct kernel k = good();

    k.h.e_entry = 0xa000000100000040ull;
    write_to(path, &k, sizeof(k));
    ck_assert_int_eq(boot(NULL, NULL), 0);
    ck_assert_uint_eq(c->ip, KERNEL + 0x40);
}
END_TEST

START_TEST(initrd_is_placed_high)
{
    struct kernel k = good();
    uint8_t rd[100000];
    uint64_t at;

    memset(rd, 0x77, sizeof(rd));
    write_to(path, &k, sizeof(k));
    write_to(initrd, rd, sizeof(rd));
    ck_assert_int_eq(boot(initrd, ""), 0);
    at = get(cpu_gr(c, 28) + 64, 8);
    ck_assert_uint_eq(get(cpu_gr(c, 28) + 72, 8), sizeof(rd));
    ck_assert_uint_eq(at % 65536, 0);
    ck_assert_uint_le(at + sizeof(rd), MEMORY);
    ck_assert_uint_eq(get(at + sizeof(rd) - 8, 8), 0x7777777777777777ull);
    ck_assert_uint_eq(memmap_find(&fw->map, at)->type, EFI_LOADER_DATA);
}
END_TEST

START_TEST(bad_initrds)
{
    struct kernel k = good();

    write_to(path, &k, sizeof(k));
    ck_assert_int_eq(boot(initrd, NULL), -ENOENT);
    ck_assert_ptr_nonnull(strstr(why, initrd));
    firmware_reset(fw);
    write_to(initrd, "", 0);
    ck_assert_int_eq(boot(initrd, NULL), -ENOEXEC);
    ck_assert_ptr_nonnull(strstr(why, initrd));
    firmware_reset(fw);
    ck_assert_int_eq(truncate(initrd, 300 * MB), 0);
    ck_assert_int_eq(boot(initrd, NULL), -EFBIG);
    ck_assert_ptr_nonnull(strstr(why, initrd));
}
END_TEST

START_TEST(no_such_file)
{
    refused(boot(NULL, NULL), -ENOENT);
}
END_TEST

START_TEST(a_directory)
{
    snprintf(path, sizeof(path), "%s", dir);
    refused(boot(NULL, NULL), -EIO);
}
END_TEST

START_TEST(every_truncation)
{
    struct kernel k = good();

    for (size_t n = 0; n < sizeof(k); n += n < 200 ? 1 : 37) {
        write_to(path, &k, n);
        refused(boot(NULL, NULL), -ENOEXEC);
    }
}
END_TEST

START_TEST(truncated_gzip)
{
    struct kernel k = good();
    gzFile f = gzopen(path, "wb");

    for (unsigned i = 0; i < sizeof(k.text); i++)
        k.text[i] = (uint8_t)(i * 73);
    gzwrite(f, &k, sizeof(k));
    gzclose(f);
    ck_assert_int_eq(truncate(path, 150), 0);
    refused(boot(NULL, NULL), -EIO);
}
END_TEST

static void spoil_class(struct kernel *k)
{
    k->h.e_ident[EI_CLASS] = ELFCLASS32;
}

static void spoil_endian(struct kernel *k)
{
    k->h.e_ident[EI_DATA] = ELFDATA2MSB;
}

static void spoil_machine(struct kernel *k)
{
    k->h.e_machine = EM_X86_64;
}

static void spoil_type(struct kernel *k)
{
    k->h.e_type = ET_DYN;
}

static void spoil_phnum(struct kernel *k)
{
    k->h.e_phnum = 0xffff;
}

static void spoil_no_phdr(struct kernel *k)
{
    k->h.e_phnum = 0;
}

static void spoil_phoff(struct kernel *k)
{
    k->h.e_phoff = UINT64_MAX - 8;
}

static void spoil_phentsize(struct kernel *k)
{
    k->h.e_phentsize = 1;
}

static void spoil_offset(struct kernel *k)
{
    k->p[0].p_offset = UINT64_MAX - 4;
}

static void spoil_filesz(struct kernel *k)
{
    k->p[0].p_filesz = UINT64_MAX;
    k->p[0].p_memsz = UINT64_MAX;
}

static void spoil_memsz(struct kernel *k)
{
    k->p[0].p_memsz = 8;
}

static void spoil_wrap(struct kernel *k)
{
    k->p[1].p_paddr = UINT64_MAX - 100;
}

static void spoil_overlap(struct kernel *k)
{
    k->p[1].p_paddr = KERNEL + 255;
}

static void spoil_same_place(struct kernel *k)
{
    k->p[1].p_paddr = KERNEL;
}

static void spoil_entry(struct kernel *k)
{
    k->h.e_entry = KERNEL + 0x100000;
}

static void spoil_entry_alignment(struct kernel *k)
{
    k->h.e_entry++;
}

static void spoil_nothing_to_load(struct kernel *k)
{
    k->p[0].p_type = k->p[1].p_type = PT_NOTE;
}

static void (*const spoilers[])(struct kernel *) = {
    spoil_class,           spoil_endian,     spoil_machine, spoil_type,
    spoil_phnum,           spoil_no_phdr,    spoil_phoff,   spoil_phentsize,
    spoil_offset,          spoil_filesz,     spoil_memsz,   spoil_wrap,
    spoil_overlap,         spoil_same_place, spoil_entry,   spoil_entry_alignment,
    spoil_nothing_to_load,
};

START_TEST(bad_elf_files)
{
    struct kernel k = good();

    spoilers[_i](&k);
    write_to(path, &k, sizeof(k));
    refused(boot(NULL, NULL), -ENOEXEC);
}
END_TEST

static const uint64_t bad_places[] = {MEMORY,        MEMORY - 4096, HPVM_FW_RAM, HPVM_PIB,
                                      HPVM_HIGH_RAM, 1ull << 49,    HPVM_IOPORT};

START_TEST(segments_outside_free_memory)
{
    struct kernel k = good();

    k.p[1].p_paddr = bad_places[_i];
    write_to(path, &k, sizeof(k));
    refused(boot(NULL, NULL), -ENOMEM);
}
END_TEST

START_TEST(too_long_command_line)
{
    static char line[3000];
    struct kernel k = good();

    write_to(path, &k, sizeof(k));
    memset(line, 'a', sizeof(line) - 1);
    ck_assert_int_eq(boot(NULL, line), -E2BIG);
    line[2047] = 0;
    ck_assert_int_eq(boot(NULL, line), 0);
}
END_TEST

START_TEST(size_limit)
{
    struct image img;
    uint8_t zero[5000] = {0};

    write_to(path, zero, sizeof(zero));
    refused(image_read(path, 4999, &img, why, sizeof(why)), -EFBIG);
    ck_assert_int_eq(image_read(path, 5000, &img, why, sizeof(why)), 0);
    ck_assert_uint_eq(img.size, 5000);
    image_free(&img);
}
END_TEST

/* Random damage to the headers: any answer, no crash, nothing outside RAM. */
START_TEST(random_headers)
{
    unsigned seed = 12345;

    for (unsigned round = 0; round < 3000; round++) {
        struct kernel k = good();
        struct image img = {(uint8_t *)&k, sizeof(k)};
        struct memmap map;
        uint64_t entry;

        for (unsigned i = 0; i < 1 + round % 4; i++) {
            size_t at = (size_t)rand_r(&seed) % offsetof(struct kernel, text);

            ((uint8_t *)&k)[at] = (uint8_t)rand_r(&seed);
        }
        k.p[0].p_memsz &= 0xffffff; /* bounds the time, not the test */
        k.p[1].p_memsz &= 0xffffff;
        memmap_init(&map, MEMORY);
        elf_load(&img, "random", m, &map, &entry, why, sizeof(why));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("loader");
    TCase *t = tcase_create("loader");
    SRunner *sr;
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, good_kernel_starts);
    tcase_add_test(t, gzip_kernel_starts);
    tcase_add_test(t, virtual_entry_is_translated);
    tcase_add_test(t, initrd_is_placed_high);
    tcase_add_test(t, bad_initrds);
    tcase_add_test(t, no_such_file);
    tcase_add_test(t, a_directory);
    tcase_add_test(t, every_truncation);
    tcase_add_test(t, truncated_gzip);
    tcase_add_loop_test(t, bad_elf_files, 0, sizeof(spoilers) / sizeof(spoilers[0]));
    tcase_add_loop_test(t, segments_outside_free_memory, 0,
                        sizeof(bad_places) / sizeof(bad_places[0]));
    tcase_add_test(t, too_long_command_line);
    tcase_add_test(t, size_limit);
    tcase_add_test(t, random_headers);
    suite_add_tcase(s, t);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
