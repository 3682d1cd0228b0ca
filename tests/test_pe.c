/* PE32+ images: a small one made here, the trial GRUB where it is there, absurd headers. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "le.h"
#include "pe.h"

#define FILE_SIZE 0x800
#define OPT       0x98 /* of the optional header: PE header at 0x80 */

static uint8_t file[FILE_SIZE];
static char why[200];

/* movl with 0x923456789abcdef0, with 2 << 32 more; with the largest positive number, with
 * 0x12345678 more (as the assembler makes them). */
static const uint8_t bundles[4][16] = {
    {0x05, 0x00, 0x00, 0x00, 0x01, 0x80, 0x9a, 0x78, 0x56, 0x34, 0x12, 0xc0, 0x01, 0x97, 0xf7,
     0x6e},
    {0x05, 0x00, 0x00, 0x00, 0x01, 0x80, 0x9a, 0x7a, 0x56, 0x34, 0x12, 0xc0, 0x01, 0x97, 0xf7,
     0x6e},
    {0x65, 0x28, 0x18, 0x0e, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x22, 0xf4, 0xf7, 0xff,
     0x67},
    {0x65, 0x28, 0x18, 0x0e, 0x00, 0x20, 0x12, 0x00, 0x00, 0x00, 0x80, 0x22, 0x74, 0x97, 0xb2,
     0x6a},
};

static void section(unsigned i, uint32_t rva, uint32_t memory, uint32_t raw, uint32_t size)
{
    uint8_t *s = file + OPT + 0xf0 + 40 * i;

    put_le32(s + 8, memory);
    put_le32(s + 12, rva);
    put_le32(s + 16, size);
    put_le32(s + 20, raw);
}

/* .text at 0x1000 with two bundles and the entry descriptor, .bss at 0x2000, .reloc at 0x3000. */
static void make(void)
{
    uint8_t *r = file + 0x600;

    memset(file, 0, sizeof(file));
    memcpy(file, "MZ", 2);
    put_le32(file + 0x3c, 0x80);
    memcpy(file + 0x80, "PE\0\0", 4);
    put_le16(file + 0x84, 0x200);
    put_le16(file + 0x86, 3);
    put_le16(file + 0x94, 0xf0);
    put_le16(file + 0x96, 0x20e);
    put_le16(file + OPT, 0x20b);
    put_le32(file + OPT + 16, 0x1040);
    put_le64(file + OPT + 24, 0x10000);
    put_le32(file + OPT + 32, 0x1000);
    put_le32(file + OPT + 56, 0x4000);
    put_le32(file + OPT + 60, 0x400);
    put_le16(file + OPT + 68, PE_SUBSYSTEM_APPLICATION);
    put_le32(file + OPT + 108, 16);
    put_le32(file + OPT + 152, 0x3000);
    put_le32(file + OPT + 156, 20);
    section(0, 0x1000, 0x50, 0x400, 0x200);
    section(1, 0x2000, 0x100, 0, 0);
    section(2, 0x3000, 20, 0x600, 0x200);
    memcpy(file + 0x400, bundles[0], 16);
    memcpy(file + 0x410, bundles[2], 16);
    put_le64(file + 0x440, 0x10000 + 0x1010);
    put_le64(file + 0x448, 0x10000 + 0x2000);
    put_le32(r, 0x1000);
    put_le32(r + 4, 20);
    put_le16(r + 8, 9 << 12 | 0x002); /* names a slot */
    put_le16(r + 10, 9 << 12 | 0x011);
    put_le16(r + 12, 10 << 12 | 0x040);
    put_le16(r + 14, 10 << 12 | 0x048);
    put_le16(r + 16, 0);
    put_le16(r + 18, 0);
}

static int parse(struct pe_image *p)
{
    return pe_parse(file, sizeof(file), p, why, sizeof(why));
}

START_TEST(good)
{
    uint64_t ip, gp;
    struct pe_image p;
    uint8_t *m, *first;

    make();
    ck_assert_int_eq(parse(&p), 0);
    ck_assert_uint_eq(p.size, 0x4000);
    ck_assert_uint_eq(p.base, 0x10000);
    ck_assert_uint_eq(p.sections, 3);
    ck_assert(p.relocatable);
    m = malloc(p.size);
    first = malloc(p.size);
    ck_assert_int_eq(pe_load(&p, file, sizeof(file), m), 0);
    ck_assert_mem_eq(m + 0x1000, bundles[0], 16);
    ck_assert_int_eq(pe_entry(&p, m, 0x10000, &ip, &gp), 0);
    ck_assert_uint_eq(ip, 0x11010);
    ck_assert_int_eq(pe_entry(&p, m, 0x20000, &ip, &gp), -ENOEXEC);
    ck_assert_int_eq(pe_relocate(&p, m, NULL, 0x10000, 0x200010000), 0);
    ck_assert_mem_eq(m + 0x1000, bundles[1], 16);
    ck_assert_int_eq(pe_entry(&p, m, 0x200010000, &ip, &gp), 0);
    ck_assert_uint_eq(gp, 0x200012000);
    memcpy(first, m, p.size);
    put_le64(m + 0x1048, 77); /* the program has changed one: it is left alone */
    ck_assert_int_eq(pe_relocate(&p, m, first, 0x200010000, 0x10000 + 0x12345678), 0);
    ck_assert_mem_eq(m + 0x1010, bundles[3], 16);
    ck_assert_uint_eq(le64(m + 0x1040), 0x11010 + 0x12345678);
    ck_assert_uint_eq(le64(m + 0x1048), 77);
    free(m);
    free(first);
}
END_TEST

START_TEST(odd)
{
    struct pe_image p;

    make();
    put_le16(file + OPT, 0x10b);       /* the wrong magic number of old linkers */
    put_le32(file + OPT + 56, 0x1000); /* and a size that leaves out the sections */
    ck_assert_int_eq(parse(&p), 0);
    ck_assert_uint_eq(p.size, 0x3014);
    put_le16(file + 0x96, 0x20f);
    ck_assert_int_eq(parse(&p), 0);
    ck_assert(!p.relocatable);
    ck_assert_int_eq(pe_relocate(&p, NULL, NULL, 0, 0), 0);
    ck_assert_int_eq(pe_relocate(&p, NULL, NULL, 0, 1), -ENOTSUP);
    memmove(file, file + 0x80, sizeof(file) - 0x80); /* no DOS header */
    ck_assert_int_eq(parse(&p), 0);
}
END_TEST

static const struct {
    unsigned at, size;
    uint64_t value;
    int err;
    const char *sentence;
} wrong[] = {
    {0x3c, 4, 0xfffffff0, -ENOEXEC, "no PE file"},
    {0x80, 1, 'X', -ENOEXEC, "no PE file"},
    {0x84, 2, 0x8664, -ENOTSUP, "x86-64"},
    {0x84, 2, 0x14c, -ENOTSUP, "IA-32"},
    {0x84, 2, 0xebc, -ENOTSUP, "byte code"},
    {0x84, 2, 0x1234, -ENOTSUP, "another kind"},
    {0x86, 2, 97, -ENOEXEC, "too many sections"},
    {0x86, 2, 96, -ENOEXEC, "cut off"},
    {0x94, 2, 20, -ENOEXEC, "too short"},
    {0x94, 2, 0xffff, -ENOEXEC, "too short"},
    {OPT, 2, 0x107, -ENOEXEC, "optional header"},
    {OPT + 16, 4, 0, -ENOEXEC, "entry point"},
    {OPT + 16, 4, 0x3ff8, -ENOEXEC, "entry point"},
    {OPT + 16, 4, 0xffffffff, -ENOEXEC, "entry point"},
    {OPT + 32, 4, 0x1001, -ENOEXEC, "alignment"},
    {OPT + 32, 4, 0x80000000, -ENOEXEC, "alignment"},
    {OPT + 56, 4, 0xffffffff, -ENOEXEC, "absurd size"},
    {OPT + 60, 4, 0xffffffff, -ENOEXEC, "headers"},
    {OPT + 68, 2, 3, -ENOTSUP, "EFI application"},
    {OPT + 152, 4, 0xffffffff, -ENOEXEC, "relocations"},
    {OPT + 156, 4, 0x1001, -ENOEXEC, "relocations"},
    {OPT + 0xf0 + 8, 4, 0xffffffff, -ENOEXEC, "section"},
    {OPT + 0xf0 + 12, 4, 0xffffffff, -ENOEXEC, "section"},
    {OPT + 0xf0 + 20, 4, 0xffffffff, -ENOEXEC, "cut off"},
};
#define WRONG (sizeof(wrong) / sizeof(wrong[0]))

START_TEST(absurd)
{
    struct pe_image p;

    make();
    memcpy(file + wrong[_i].at, &wrong[_i].value, wrong[_i].size);
    why[0] = 0;
    ck_assert_int_eq(parse(&p), wrong[_i].err);
    ck_assert_msg(strstr(why, wrong[_i].sentence) != NULL, "%s", why);
}
END_TEST

START_TEST(short_files)
{
    struct pe_image p;

    make();
    for (size_t size = 0; size < 0x614; size++) {
        uint8_t *copy = malloc(size ? size : 1);

        memcpy(copy, file, size);
        ck_assert_int_eq(pe_parse(copy, size, &p, why, sizeof(why)), -ENOEXEC);
        free(copy);
    }
}
END_TEST

static const struct {
    uint32_t at, value;
} bad_relocs[] = {{0, 0xfffff000}, {0, 0x4000}, {4, 4}, {4, 21}, {4, 0xffffffff}, {8, 0x5000}};

START_TEST(bad_relocations)
{
    struct pe_image p;
    uint8_t *m;

    make();
    put_le32(file + 0x600 + bad_relocs[_i].at, bad_relocs[_i].value);
    ck_assert_int_eq(parse(&p), 0);
    m = malloc(p.size);
    ck_assert_int_eq(pe_load(&p, file, sizeof(file), m), 0);
    ck_assert_int_eq(pe_relocate(&p, m, NULL, 0, 0x1000), -ENOEXEC);
    free(m);
}
END_TEST

/* Moved there and back a real program is what it was. */
START_TEST(grub)
{
    const char *shared = getenv("KITTSON_SHARED");
    static uint8_t image[4 << 20];
    struct pe_image p;
    char path[1000];
    uint64_t ip, gp;
    uint8_t *m, *first;
    size_t size;
    FILE *f;

    snprintf(path, sizeof(path), "%s/guests/grub-ia64.efi", shared ? shared : "../shared");
    f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "%s is not there: it is not tested\n", path);
        return;
    }
    size = fread(image, 1, sizeof(image), f);
    fclose(f);
    ck_assert_int_eq(pe_parse(image, size, &p, why, sizeof(why)), 0);
    m = malloc(p.size);
    first = malloc(p.size);
    ck_assert_int_eq(pe_load(&p, image, size, first), 0);
    ck_assert_int_eq(pe_load(&p, image, size, m), 0);
    ck_assert_int_eq(pe_relocate(&p, m, NULL, p.base, 0x123450000), 0);
    ck_assert_int_eq(pe_entry(&p, m, 0x123450000, &ip, &gp), 0);
    ck_assert_uint_ge(gp, 0x123450000);
    ck_assert_int_ne(memcmp(m, first, p.size), 0);
    ck_assert_int_eq(pe_relocate(&p, m, NULL, 0x123450000, p.base), 0);
    ck_assert_mem_eq(m, first, p.size);
    free(m);
    free(first);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pe");
    TCase *t = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_test(t, good);
    tcase_add_test(t, odd);
    tcase_add_loop_test(t, absurd, 0, WRONG);
    tcase_add_test(t, short_files);
    tcase_add_loop_test(t, bad_relocations, 0, 6);
    tcase_add_test(t, grub);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
