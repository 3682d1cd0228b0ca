/* Block devices and partition tables: GPT with its backup, MBR chains, El Torito catalogues. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "le.h"
#include "partition.h"

#define BLOCKS 2000u

static uint8_t disk[BLOCKS * 512];
static struct block_ram ram;
static struct partition_list list;

static void setup(void)
{
    memset(disk, 0, sizeof(disk));
    block_ram_init(&ram, disk, sizeof(disk), 512);
}

static void scan(void)
{
    ck_assert_int_eq(partition_scan(&ram.dev, &list), 0);
}

static uint8_t *block(uint64_t lba)
{
    return disk + lba * 512;
}

/* --- block devices --- */

START_TEST(bytes)
{
    uint8_t buf[3000], back[3000];
    struct block_view v, w;

    for (unsigned i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)(i * 7 + 1);
    ck_assert_int_eq(block_view_init(&v, &ram.dev, 100, 10), 0);
    ck_assert_int_eq(block_write_bytes(&v.dev, 700, buf, 3000), 0);
    ck_assert_mem_eq(disk + 100 * 512 + 700, buf, 3000);
    ck_assert_uint_eq(disk[100 * 512 + 699], 0);
    ck_assert_uint_eq(disk[100 * 512 + 3700], 0);
    ck_assert_int_eq(block_read_bytes(&v.dev, 700, back, 3000), 0);
    ck_assert_mem_eq(back, buf, 3000);
    ck_assert_int_eq(block_read_bytes(&v.dev, 5120, back, 0), 0);
    ck_assert_int_eq(block_read_bytes(&v.dev, 5120, back, 1), -EINVAL);
    ck_assert_int_eq(block_read_bytes(&v.dev, UINT64_MAX, back, 2), -EINVAL);
    ck_assert_int_eq(block_read(&v.dev, 9, 2, back), -EINVAL);
    ck_assert_int_eq(block_read(&v.dev, UINT64_MAX, 2, back), -EINVAL);
    ck_assert_int_eq(block_write(&v.dev, 10, 1, buf), -EINVAL);
    ck_assert_int_eq(block_view_init(&w, &v.dev, 9, 2), -EINVAL);
    ck_assert_int_eq(block_view_init(&w, &v.dev, 9, UINT64_MAX), -EINVAL);
    ck_assert_int_eq(block_view_init(&w, &v.dev, 10, 0), -EINVAL);
    ck_assert_int_eq(block_view_init(&w, &v.dev, 9, 1), 0);
    w.dev.read_only = true;
    ck_assert_int_eq(block_write(&w.dev, 0, 1, buf), -EROFS);
    ck_assert_int_eq(block_write_bytes(&w.dev, 0, buf, 1), -EROFS);
    ram.dev.block_size = 1000;
    ck_assert(!block_dev_ok(&ram.dev));
    ck_assert_int_eq(partition_scan(&ram.dev, &list), 0);
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

/* --- GPT --- */

static void gpt_entry(uint8_t *e, const uint8_t *type, uint8_t id, uint64_t first, uint64_t last)
{
    memcpy(e, type, 16);
    memset(e + 16, id, 16);
    put_le64(e + 32, first);
    put_le64(e + 40, last);
    put_le64(e + 48, 1);
    put_le16(e + 56, 'A' + id);
}

static void gpt_header(uint64_t self, uint64_t other, uint64_t table)
{
    uint8_t *h = block(self);

    memcpy(h, "EFI PART", 8);
    put_le32(h + 8, 0x10000);
    put_le32(h + 12, 92);
    put_le64(h + 24, self);
    put_le64(h + 32, other);
    put_le64(h + 40, 34);
    put_le64(h + 48, BLOCKS - 34);
    memset(h + 56, 0x77, 16);
    put_le64(h + 72, table);
    put_le32(h + 80, 8);
    put_le32(h + 84, 128);
    put_le32(h + 88, partition_crc32(block(table), 8 * 128));
    put_le32(h + 16, 0);
    put_le32(h + 16, partition_crc32(h, 92));
}

static void seal(void)
{
    memcpy(block(BLOCKS - 3), block(2), 1024);
    gpt_header(1, BLOCKS - 1, 2);
    gpt_header(BLOCKS - 1, 1, BLOCKS - 3);
}

static void make_gpt(void)
{
    static const uint8_t other[16] = {1, 2, 3};

    block(0)[446 + 4] = 0xee;
    put_le32(block(0) + 446 + 8, 1);
    put_le32(block(0) + 446 + 12, BLOCKS - 1);
    put_le16(block(0) + 510, 0xaa55);
    gpt_entry(block(2), partition_esp_guid, 0, 100, 199);
    gpt_entry(block(2) + 256, other, 2, 300, 300);
    seal();
}

static void expect_both(void)
{
    ck_assert_int_eq(list.scheme, PART_GPT);
    ck_assert_uint_eq(list.count, 2);
    ck_assert(partition_is_esp(&list.part[0]));
    ck_assert_uint_eq(list.part[0].start, 100);
    ck_assert_uint_eq(list.part[0].blocks, 100);
    ck_assert_uint_eq(list.part[1].number, 3);
    ck_assert_uint_eq(list.part[1].blocks, 1);
    ck_assert_uint_eq(list.part[1].signature[15], 2);
    ck_assert_int_eq(list.part[1].sig_type, PART_SIG_GUID);
    ck_assert_uint_eq(list.part[1].name[0], 'C');
    ck_assert_uint_eq(list.part[1].attributes, 1);
    ck_assert(!partition_is_esp(&list.part[1]));
}

START_TEST(gpt)
{
    make_gpt();
    scan();
    expect_both();
    ck_assert(!list.used_backup);
    ck_assert_str_eq(list.note, "");
}
END_TEST

START_TEST(gpt_backup)
{
    make_gpt();
    switch (_i) {
    case 0:
        block(1)[60] ^= 1; /* the header */
        break;
    case 1:
        block(2)[300] ^= 1; /* the table */
        break;
    case 2:
        memset(block(1), 0, 512);
        break;
    }
    scan();
    expect_both();
    ck_assert(list.used_backup);
    ck_assert_str_ne(list.note, "");
    block(BLOCKS - 1)[70] ^= 1;
    scan();
    ck_assert_uint_eq(list.count, 0);
    ck_assert_ptr_nonnull(strstr(list.note, "backup"));
}
END_TEST

static const struct {
    unsigned at, size;
    uint64_t value;
} headers[] = {
    {12, 4, 0},          {12, 4, 91}, {12, 4, 513},        {12, 4, 0xffffffff}, {24, 8, 2},
    {48, 8, BLOCKS},     {72, 8, 0},  {72, 8, UINT64_MAX}, {72, 8, BLOCKS},     {80, 4, 0},
    {80, 4, 0xffffffff}, {84, 4, 0},  {84, 4, 127},        {84, 4, 0xfffffff8}, {40, 8, UINT64_MAX},
};

/* Absurd headers with a right checksum. */
START_TEST(gpt_headers)
{
    make_gpt();
    memset(block(BLOCKS - 1), 0, 512);
    memcpy(block(1) + headers[_i].at, &headers[_i].value, headers[_i].size);
    put_le32(block(1) + 16, 0);
    put_le32(block(1) + 16, partition_crc32(block(1), 92));
    scan();
    ck_assert_uint_eq(list.count, 0);
    ck_assert_str_ne(list.note, "");
}
END_TEST

START_TEST(gpt_entries)
{
    make_gpt();
    gpt_entry(block(2) + 128, partition_esp_guid, 1, 150, 250); /* overlaps the first */
    gpt_entry(block(2) + 384, partition_esp_guid, 3, 500, 400); /* backwards */
    gpt_entry(block(3), partition_esp_guid, 4, 500, UINT64_MAX);
    gpt_entry(block(3) + 128, partition_esp_guid, 5, 1, 40);
    seal();
    scan();
    expect_both();
    ck_assert_str_ne(list.note, "");
}
END_TEST

/* --- MBR --- */

static void mbr_entry(uint64_t lba, unsigned i, uint8_t type, uint32_t start, uint32_t blocks)
{
    uint8_t *e = block(lba) + 446 + 16 * i;

    e[0] = i == 0 && lba == 0 ? 0x80 : 0;
    e[4] = type;
    put_le32(e + 8, start);
    put_le32(e + 12, blocks);
    put_le16(block(lba) + 510, 0xaa55);
}

static void make_mbr(void)
{
    put_le32(block(0) + 440, 0x11223344);
    mbr_entry(0, 0, 0xef, 63, 100);
    mbr_entry(0, 2, 0x0f, 1000, 900);
    mbr_entry(1000, 0, 0x83, 10, 90);
    mbr_entry(1000, 1, 0x05, 200, 100); /* the next link, from 1000 on */
    mbr_entry(1200, 0, 0x82, 10, 20);
}

START_TEST(mbr)
{
    make_mbr();
    scan();
    ck_assert_int_eq(list.scheme, PART_MBR);
    ck_assert_uint_eq(list.count, 3);
    ck_assert(partition_is_esp(&list.part[0]));
    ck_assert(list.part[0].active);
    ck_assert_uint_eq(list.part[0].number, 1);
    ck_assert_uint_eq(le32(list.part[0].signature), 0x11223344);
    ck_assert_uint_eq(list.part[1].number, 5);
    ck_assert_uint_eq(list.part[1].start, 1010);
    ck_assert_uint_eq(list.part[2].start, 1210);
    ck_assert_uint_eq(list.part[2].mbr_type, 0x82);
    ck_assert_str_eq(list.note, "");
}
END_TEST

START_TEST(mbr_damaged)
{
    make_mbr();
    mbr_entry(0, 1, 0x83, 1900, 101); /* one block too long */
    mbr_entry(1200, 1, 0x05, 0, 100); /* a cycle */
    scan();
    ck_assert_uint_eq(list.count, 3);
    ck_assert_str_ne(list.note, "");
    mbr_entry(1200, 1, 0x05, 0xffffffff, 0xffffffff);
    scan();
    ck_assert_uint_eq(list.count, 3);
    mbr_entry(1000, 0, 0x83, 0xffffffff, 0xffffffff);
    scan();
    ck_assert_uint_eq(list.count, 2);
    block(0)[446] = 0x33; /* rather a boot sector */
    scan();
    ck_assert_int_eq(list.scheme, PART_NONE);
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

/* --- El Torito --- */

static void make_eltorito(void)
{
    uint8_t *c = disk + 19 * 2048;
    uint16_t sum = 0;

    memcpy(disk + 17 * 2048, "\0CD001\1EL TORITO SPECIFICATION", 30);
    put_le32(disk + 17 * 2048 + 0x47, 19);
    c[0] = 1;
    c[30] = 0x55;
    c[31] = 0xaa;
    for (unsigned i = 0; i < 32; i += 2)
        sum = (uint16_t)(sum + le16(c + i));
    put_le16(c + 28, (uint16_t)-sum);
    c[32] = 0x88; /* the default entry: x86 */
    put_le16(c + 38, 4);
    put_le32(c + 40, 30);
    c[64] = 0x91; /* a section for EFI */
    c[65] = 0xef;
    put_le16(c + 66, 2);
    c[96] = 0x88;
    put_le16(c + 102, 0); /* up to the end of the disc */
    put_le32(c + 104, 40);
    c[128] = 0x88;
    c[129] = 2; /* a diskette */
    put_le32(c + 136, 50);
    c[160] = 0x88; /* behind the last section */
    put_le32(c + 168, 60);
}

START_TEST(eltorito)
{
    static const uint32_t sizes[] = {512, 2048};
    uint32_t size = sizes[_i];

    block_ram_init(&ram, disk, sizeof(disk), size);
    make_eltorito();
    scan();
    ck_assert_int_eq(list.scheme, PART_ELTORITO);
    ck_assert_uint_eq(list.count, 2);
    ck_assert_uint_eq(list.part[0].start, 30 * 2048 / size);
    ck_assert_uint_eq(list.part[0].blocks, 2048 / size);
    ck_assert_uint_eq(list.part[0].platform, 0);
    ck_assert_uint_eq(list.part[1].number, 1);
    ck_assert_uint_eq(list.part[1].platform, 0xef);
    ck_assert_uint_eq(list.part[1].blocks, (500 - 40) * 2048 / size);
    put_le32(disk + 19 * 2048 + 104, 0xffffffff);
    scan();
    ck_assert_uint_eq(list.count, 1);
    disk[19 * 2048 + 20] ^= 1;
    scan();
    ck_assert_uint_eq(list.count, 0);
    ck_assert_str_ne(list.note, "");
    put_le32(disk + 17 * 2048 + 0x47, 0xffffffff);
    scan();
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(small)
{
    make_gpt();
    for (ram.dev.blocks = 0; ram.dev.blocks < 80; ram.dev.blocks++) {
        scan();
        ck_assert_uint_eq(list.count, 0);
    }
}
END_TEST

static int broken_read(void *opaque, uint64_t lba, uint32_t count, void *buf)
{
    (void)opaque;
    (void)lba;
    (void)count;
    (void)buf;
    return -EIO;
}

START_TEST(unreadable)
{
    ram.dev.read = broken_read;
    ck_assert_int_eq(partition_scan(&ram.dev, &list), -EIO);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("partition");
    TCase *t = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, bytes);
    tcase_add_test(t, gpt);
    tcase_add_loop_test(t, gpt_backup, 0, 3);
    tcase_add_loop_test(t, gpt_headers, 0, sizeof(headers) / sizeof(headers[0]));
    tcase_add_test(t, gpt_entries);
    tcase_add_test(t, mbr);
    tcase_add_test(t, mbr_damaged);
    tcase_add_loop_test(t, eltorito, 0, 2);
    tcase_add_test(t, small);
    tcase_add_test(t, unreadable);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
