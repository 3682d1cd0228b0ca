/* mem/mem.c: ranges, single accesses, DMA across ranges, code marks, hostile arguments. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../mem/mem.h"

#define RAM0 0x0ull
#define RAM1 0x100000000ull
#define DEV  0xfee00000ull

struct dev {
    uint64_t offset, value;
    unsigned size, reads, writes;
};

static struct mem *m;
static struct dev dev;
static uint64_t hook_page;
static unsigned hook_calls;

static uint64_t dev_read(void *opaque, uint64_t offset, unsigned size)
{
    struct dev *d = opaque;

    d->offset = offset;
    d->size = size;
    d->reads++;
    return 0x1122334455667788ull;
}

static void dev_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct dev *d = opaque;

    d->offset = offset;
    d->value = value;
    d->size = size;
    d->writes++;
}

static void code_hook(void *opaque, uint64_t page)
{
    ck_assert_ptr_eq(opaque, &hook_calls);
    hook_page = page;
    hook_calls++;
}

static void setup(void)
{
    m = mem_new();
    ck_assert_ptr_nonnull(m);
    memset(&dev, 0, sizeof(dev));
    hook_calls = 0;
    ck_assert_int_eq(mem_add_ram(m, RAM0, 0x10000), 0);
    ck_assert_int_eq(mem_add_ram(m, 0x10000, 0x10000), 0); /* adjacent */
    ck_assert_int_eq(mem_add_ram(m, RAM1, 0x4000), 0);
    ck_assert_int_eq(mem_add_device(m, DEV, 0x200000, &dev, dev_read, dev_write), 0);
    mem_set_code_hook(m, code_hook, &hook_calls);
}

static void teardown(void)
{
    mem_free(m);
}

START_TEST(ranges_are_checked)
{
    ck_assert_int_eq(mem_add_ram(m, 0x30001, 0x1000), -EINVAL);
    ck_assert_int_eq(mem_add_ram(m, 0x30000, 0x1001), -EINVAL);
    ck_assert_int_eq(mem_add_ram(m, 0x30000, 0), -EINVAL);
    ck_assert_int_eq(mem_add_ram(m, ~0ull & ~0xfffull, 0x2000), -EINVAL);
    ck_assert_int_eq(mem_add_ram(m, 0x1f000, 0x2000), -EEXIST);
    ck_assert_int_eq(mem_add_device(m, DEV - 1, 2, &dev, dev_read, dev_write), -EEXIST);
    ck_assert_int_eq(mem_add_device(m, DEV + 0x1fffff, 1, &dev, dev_read, dev_write), -EEXIST);
    ck_assert_int_eq(mem_add_device(m, 0, ~0ull, &dev, dev_read, dev_write), -EEXIST);
    ck_assert_int_eq(mem_add_device(m, 0x50000000, 8, &dev, NULL, dev_write), -EINVAL);
    ck_assert_int_eq(mem_add_device(m, ~0ull, 1, &dev, dev_read, dev_write), 0);
    ck_assert_int_eq(mem_add_device(m, DEV + 0x200000, 1, &dev, dev_read, dev_write), 0);
}
END_TEST

START_TEST(table_has_an_end)
{
    int err = 0;
    unsigned n = 0;

    while (!err && n < 100000)
        err = mem_add_device(m, 0x80000000ull + 16 * n++, 16, &dev, dev_read, dev_write);
    ck_assert_int_eq(err, -ENOSPC);
}
END_TEST

START_TEST(ram_accesses)
{
    uint64_t v;

    ck_assert(mem_read(m, 0x100, 8, &v));
    ck_assert_uint_eq(v, 0);
    ck_assert(mem_write(m, 0x101, 8, 0x8877665544332211ull));
    ck_assert(mem_read(m, 0x101, 1, &v) && v == 0x11);
    ck_assert(mem_read(m, 0x102, 2, &v) && v == 0x3322);
    ck_assert(mem_read(m, 0x103, 4, &v) && v == 0x66554433);
    ck_assert(mem_write(m, 0x104, 2, 0xffffffffffff0000ull));
    ck_assert(mem_read(m, 0x101, 8, &v) && v == 0x8877660000332211ull);
    ck_assert_ptr_eq(mem_ram(m, 0x104, 1), mem_ram(m, 0x100, 8) + 4);
}
END_TEST

START_TEST(nothing_there)
{
    uint64_t v = 0;

    ck_assert(!mem_read(m, 0x20000, 4, &v));
    ck_assert_uint_eq(v, 0xffffffff);
    ck_assert(!mem_read(m, ~0ull - 3, 8, &v));
    ck_assert_uint_eq(v, ~0ull);
    ck_assert(!mem_read(m, 0x1fffc, 8, &v));
    ck_assert(!mem_write(m, 0x1fffc, 8, 0));
    ck_assert(!mem_write(m, 0x20000, 1, 0));
    ck_assert(!mem_read(m, 0, 3, &v));
    ck_assert(!mem_read(m, 0, 0, &v));
    ck_assert(!mem_write(m, 0, 16, 0));
    ck_assert_ptr_null(mem_ram(m, 0x20000, 0));
    ck_assert_ptr_null(mem_ram(m, 0x1ff00, 0x101));
    ck_assert_ptr_null(mem_ram(m, 0x100, ~0ull));
    ck_assert_ptr_null(mem_ram(m, DEV, 1));
}
END_TEST

START_TEST(device_accesses)
{
    uint64_t v;

    ck_assert(mem_read(m, DEV + 0x1e0000, 1, &v));
    ck_assert_uint_eq(v, 0x88);
    ck_assert_uint_eq(dev.offset, 0x1e0000);
    ck_assert_uint_eq(dev.size, 1);
    ck_assert(mem_write(m, DEV + 0x1ffff8, 4, 0xabcdef0123456789ull));
    ck_assert_uint_eq(dev.value, 0x23456789);
    ck_assert(!mem_write(m, DEV + 0x1ffffc, 8, 0));
    ck_assert_uint_eq(dev.writes, 1);
}
END_TEST

START_TEST(dma_crosses_ranges)
{
    uint8_t buf[64], back[64];
    uint64_t v;

    for (unsigned i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)i;
    ck_assert_int_eq(mem_dma_write(m, 0x10000 - 32, buf, 64), 0);
    ck_assert_int_eq(mem_dma_read(m, 0x10000 - 32, back, 64), 0);
    ck_assert_mem_eq(buf, back, 64);
    ck_assert_int_eq(mem_dma_fill(m, 0x10000 - 2, 0xee, 4), 0);
    ck_assert(mem_read(m, 0x10000, 2, &v) && v == 0xeeee);
    ck_assert_int_eq(mem_dma_write(m, 0, buf, 0), 0);
    ck_assert_int_eq(mem_dma_read(m, DEV, back, 0), 0);
}
END_TEST

START_TEST(dma_refuses)
{
    uint8_t buf[64] = {0x55};
    uint64_t v;

    ck_assert_int_eq(mem_dma_write(m, 0x20000 - 32, buf, 64), -EFAULT);
    ck_assert(mem_read(m, 0x20000 - 32, 8, &v) && v == 0);
    ck_assert_int_eq(mem_dma_write(m, DEV, buf, 8), -EFAULT);
    ck_assert_int_eq(mem_dma_read(m, ~0ull - 7, buf, 16), -EFAULT);
    ck_assert_int_eq(mem_dma_fill(m, 0, 0, ~0ull), -EFAULT);
    ck_assert_int_eq(mem_dma_fill(m, 0x1000, 0, ~0ull), -EFAULT);
    ck_assert_uint_eq(dev.writes, 0);
}
END_TEST

START_TEST(code_marks_by_line)
{
    ck_assert(!mem_has_code(m, 0x3000));
    mem_mark_code(m, 0x3040, 16);
    ck_assert(mem_has_code(m, 0x3fff));
    ck_assert(!mem_has_code(m, 0x4000));
    ck_assert(mem_write(m, 0x3000, 8, 1) && mem_write(m, 0x3080, 8, 1));
    ck_assert_uint_eq(hook_calls, 0);
    ck_assert(mem_write(m, 0x303c, 8, 1)); /* the last four bytes are in the line */
    ck_assert_uint_eq(hook_calls, 1);
    ck_assert_uint_eq(hook_page, 0x3000);
    ck_assert(!mem_has_code(m, 0x3000));
    ck_assert(mem_write(m, 0x3040, 8, 1));
    ck_assert_uint_eq(hook_calls, 1);
}
END_TEST

START_TEST(code_marks_and_dma)
{
    static uint8_t buf[0x3000];

    mem_mark_code(m, RAM1 + 0xff0, 0x20); /* over a page boundary */
    ck_assert(mem_has_code(m, RAM1) && mem_has_code(m, RAM1 + 0x1000));
    ck_assert_int_eq(mem_dma_write(m, RAM1, buf, sizeof(buf)), 0);
    ck_assert_uint_eq(hook_calls, 2);
    ck_assert_uint_eq(hook_page, RAM1 + 0x1000);
    mem_mark_code(m, RAM1 + 0x3fff, 1);
    mem_written(m, RAM1 + 0x3f80, 64);
    ck_assert_uint_eq(hook_calls, 2);
    mem_written(m, RAM1 + 0x3f80, 128);
    ck_assert_uint_eq(hook_calls, 3);
    mem_mark_code(m, 0, 0x10000); /* a whole range */
    ck_assert_int_eq(mem_dma_fill(m, 0xffff, 1, 1), 0);
    ck_assert_uint_eq(hook_calls, 4);
    ck_assert_uint_eq(hook_page, 0xf000);
}
END_TEST

START_TEST(code_marks_hostile)
{
    mem_mark_code(m, DEV, 16);
    mem_mark_code(m, 0x20000, 16);
    mem_mark_code(m, 0x1fff0, 0x20);
    mem_mark_code(m, 0x100, 0);
    mem_mark_code(m, 0x100, ~0ull);
    mem_written(m, 0x100, 0);
    mem_written(m, 0x100, ~0ull);
    mem_written(m, DEV, 8);
    ck_assert(!mem_has_code(m, DEV));
    ck_assert(!mem_has_code(m, 0x100));
    ck_assert(!mem_has_code(m, ~0ull));
    mem_set_code_hook(m, NULL, NULL);
    mem_mark_code(m, 0x100, 16);
    ck_assert(mem_write(m, 0x100, 1, 0));
    ck_assert(!mem_has_code(m, 0x100));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mem");
    TCase *tc = tcase_create("mem");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, ranges_are_checked);
    tcase_add_test(tc, table_has_an_end);
    tcase_add_test(tc, ram_accesses);
    tcase_add_test(tc, nothing_there);
    tcase_add_test(tc, device_accesses);
    tcase_add_test(tc, dma_crosses_ranges);
    tcase_add_test(tc, dma_refuses);
    tcase_add_test(tc, code_marks_by_line);
    tcase_add_test(tc, code_marks_and_dma);
    tcase_add_test(tc, code_marks_hostile);
    suite_add_tcase(s, tc);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
