/* bus/acpi_pm.c and bus/ioport.c. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "../bus/acpi_pm.h"
#include "../bus/ioport.h"

#define BASE 0x1000u

static struct acpi_pm *pm;
static struct ioport_space *io;
static struct acpi_pm_config cfg;
static uint64_t now;
static int sci;
static unsigned offs, resets;

static void set_sci(void *opaque, int n, int level)
{
    (void)opaque;
    (void)n;
    sci = level;
}

static uint64_t now_ns(void *opaque)
{
    ck_assert_ptr_eq(opaque, &now);
    return now;
}

static void power_off(void *opaque)
{
    (void)opaque;
    offs++;
}

static void reset(void *opaque)
{
    (void)opaque;
    resets++;
}

static void setup(void)
{
    cfg = (struct acpi_pm_config){.sci = {set_sci, NULL, 9},
                                  .opaque = &now,
                                  .now_ns = now_ns,
                                  .power_off = power_off,
                                  .reset = reset,
                                  .s5_slp_typ = 5,
                                  .reset_value = 6};
    now = 0;
    sci = 0;
    offs = resets = 0;
    pm = acpi_pm_new(&cfg);
    io = ioport_new();
    ck_assert(pm && io);
    ck_assert_int_eq(ioport_add(io, BASE, ACPI_PM_SIZE, pm, acpi_pm_read, acpi_pm_write), 0);
    ck_assert_int_eq(ioport_add(io, 0xcf9, 1, pm, acpi_reset_read, acpi_reset_write), 0);
}

static void teardown(void)
{
    acpi_pm_free(pm);
    ioport_free(io);
}

static unsigned in(unsigned reg)
{
    return ioport_in(io, BASE + reg, 2);
}

static void out(unsigned reg, unsigned v)
{
    ioport_out(io, BASE + reg, v, 2);
}

START_TEST(power_button)
{
    acpi_pm_power_button(pm);
    ck_assert_int_eq(sci, 0);
    ck_assert_uint_eq(in(ACPI_PM1_STS), 0x100);
    out(ACPI_PM1_EN, 0x100);
    ck_assert_int_eq(sci, 1);
    out(ACPI_PM1_STS, 0x0ff);
    ck_assert_int_eq(sci, 1);
    out(ACPI_PM1_STS, 0x100);
    ck_assert_int_eq(sci, 0);
    ck_assert_uint_eq(in(ACPI_PM1_STS), 0);
    out(ACPI_PM1_EN, 0xffff);
    ck_assert_uint_eq(in(ACPI_PM1_EN), 0x721);
    acpi_pm_power_button(pm);
    ioport_out(io, BASE + ACPI_PM1_STS + 1, 1, 1); /* by bytes */
    ck_assert_int_eq(sci, 0);
}
END_TEST

START_TEST(soft_off)
{
    ck_assert_uint_eq(in(ACPI_PM1_CNT), 1);
    out(ACPI_PM1_CNT, 5 << 10);
    ck_assert_uint_eq(offs, 0);
    ck_assert_uint_eq(in(ACPI_PM1_CNT), 5 << 10 | 1);
    out(ACPI_PM1_CNT, 1 << 10 | 1 << 13); /* another state */
    ck_assert_uint_eq(offs, 0);
    out(ACPI_PM1_CNT, 5 << 10 | 1 << 13);
    ck_assert_uint_eq(offs, 1);
    ck_assert_uint_eq(in(ACPI_PM1_CNT), 5 << 10 | 1); /* SLP_EN is write-only */
    ioport_out(io, BASE + ACPI_PM1_CNT + 1, (5 << 10 | 1 << 13) >> 8, 1);
    ck_assert_uint_eq(offs, 2);
}
END_TEST

START_TEST(reset_register)
{
    ioport_out(io, 0xcf9, 2, 1);
    ck_assert_uint_eq(resets, 0);
    ck_assert_uint_eq(ioport_in(io, 0xcf9, 1), 2);
    ioport_out(io, 0xcf9, 6, 1);
    ck_assert_uint_eq(resets, 1);
    acpi_pm_reset(pm);
    ck_assert_uint_eq(ioport_in(io, 0xcf9, 1), 0);
}
END_TEST

START_TEST(timer_24_bits)
{
    now = 1000000000;
    ck_assert_uint_eq(ioport_in(io, BASE + ACPI_PM_TMR, 4), 3579545);
    now = 10000000000ull;
    ck_assert_uint_eq(ioport_in(io, BASE + ACPI_PM_TMR, 4), 35795450 & 0xffffff);
    ioport_out(io, BASE + ACPI_PM_TMR, 0, 4);
    ck_assert_uint_eq(ioport_in(io, BASE + ACPI_PM_TMR, 4), 35795450 & 0xffffff);
    now = UINT64_MAX; /* no overflow inside */
    ck_assert_uint_lt(ioport_in(io, BASE + ACPI_PM_TMR, 4), 1 << 24);
}
END_TEST

START_TEST(timer_carry)
{
    uint64_t due;

    ck_assert_uint_eq(acpi_pm_due_ns(pm), UINT64_MAX);
    out(ACPI_PM1_EN, 1);
    due = acpi_pm_due_ns(pm);
    ck_assert_uint_eq(due / 1000000, 2343); /* 2^23 ticks */
    now = due - 1000;
    acpi_pm_poll(pm);
    ck_assert_int_eq(sci, 0);
    now = due;
    acpi_pm_poll(pm);
    ck_assert_int_eq(sci, 1);
    ck_assert_uint_eq(acpi_pm_due_ns(pm), UINT64_MAX);
    out(ACPI_PM1_STS, 1);
    ck_assert_int_eq(sci, 0);
    ck_assert_uint_gt(acpi_pm_due_ns(pm), due);
    now = 3 * due; /* seen by a register access, too */
    ck_assert_uint_eq(in(ACPI_PM1_STS), 1);
    ck_assert_int_eq(sci, 1);
}
END_TEST

START_TEST(timer_32_bits)
{
    acpi_pm_free(pm);
    cfg.timer_32bit = true;
    pm = acpi_pm_new(&cfg);
    now = 10000000000ull;
    ck_assert_uint_eq(acpi_pm_read(pm, ACPI_PM_TMR, 4), 35795450);
    acpi_pm_write(pm, ACPI_PM1_EN, 1, 2);
    ck_assert_uint_eq(acpi_pm_due_ns(pm) / 1000000000, 599);
}
END_TEST

START_TEST(general_events)
{
    acpi_pm_gpe(pm, 3);
    acpi_pm_gpe(pm, 16);
    acpi_pm_gpe(pm, ~0u);
    ck_assert_uint_eq(in(ACPI_GPE0_STS), 8);
    ck_assert_int_eq(sci, 0);
    out(ACPI_GPE0_EN, 0xffff);
    ck_assert_int_eq(sci, 1);
    out(ACPI_GPE0_STS, 8);
    ck_assert_int_eq(sci, 0);
}
END_TEST

START_TEST(any_size_and_place)
{
    acpi_pm_power_button(pm);
    acpi_pm_write(pm, 0, 0x0100ull << 16, 4); /* enable, status kept */
    ck_assert_uint_eq(acpi_pm_read(pm, 0, 8), 0x0000000101000100ull);
    ck_assert_uint_eq(acpi_pm_read(pm, 1, 2), 0x01);
    ck_assert_uint_eq(acpi_pm_read(pm, 15, 4), 0xffffff00);
    ck_assert_uint_eq(acpi_pm_read(pm, ~0ull, 1), 0xff);
    acpi_pm_write(pm, 15, ~0ull, 8);
    acpi_pm_write(pm, ~0ull, ~0ull, 8);
    for (unsigned i = 0; i < 32; i++)
        acpi_pm_write(pm, i, 0xdfdfdfdfdfdfdfdfull, 8); /* anything without SLP_EN */
    ck_assert_uint_eq(offs, 0);
}
END_TEST

/* ---- ports ---- */

static uint64_t seen_offset, seen_value;
static unsigned seen_size, calls;

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    ck_assert_ptr_eq(opaque, &calls);
    seen_offset = offset;
    seen_size = size;
    calls++;
    return 0x1122334455667700ull + offset;
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ck_assert_ptr_eq(opaque, &calls);
    seen_offset = offset;
    seen_value = value;
    seen_size = size;
    calls++;
}

static uint64_t sparse(unsigned port)
{
    return (uint64_t)(port >> 2) << 12 | (port & 0xfff);
}

START_TEST(sparse_addresses)
{
    ck_assert_int_eq(ioport_add(io, 0x3f8, 8, &calls, port_read, port_write), 0);
    ck_assert_uint_eq(ioport_read(io, sparse(0x3fd), 1), 5);
    ck_assert_uint_eq(seen_offset, 5);
    ioport_write(io, sparse(0x3fc), 0xabcdef, 2);
    ck_assert_uint_eq(seen_value, 0xcdef);
    ck_assert_uint_eq(seen_offset, 4);
    ck_assert_uint_eq(ioport_read(io, sparse(0x3f8), 4), 0x55667700);
    ck_assert_uint_eq(ioport_read(io, sparse(0x2f8), 1), 0xff);
    ck_assert_uint_eq(ioport_read(io, sparse(0x2f8), 4), 0xffffffff);
    ck_assert_uint_eq(ioport_read(io, sparse(0x3f8), 8), ~0ull);
    calls = 0;
    ioport_write(io, sparse(0x3f8), 1, 8);
    ioport_write(io, IOPORT_SPACE_SIZE - 1, 1, 4);
    ioport_read(io, ~0ull, 4);
    ck_assert_uint_eq(calls, 0);
}
END_TEST

START_TEST(split_accesses)
{
    ck_assert_int_eq(ioport_add(io, 0x60, 1, &calls, port_read, port_write), 0);
    ck_assert_int_eq(ioport_add(io, 0x64, 1, &calls, port_read, port_write), 0);
    ck_assert_uint_eq(ioport_in(io, 0x60, 4), 0xffffff00);
    ck_assert_uint_eq(seen_size, 1);
    calls = 0;
    ioport_out(io, 0x62, 0x44332211, 4);
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_eq(seen_value, 0x33);
    ck_assert_uint_eq(ioport_in(io, 0xffff, 4), 0xffffffff);
    ck_assert_uint_eq(ioport_in(io, 0x60, 3), 0xffffffff);
    ck_assert_uint_eq(ioport_in(io, ~0u, 4), 0xffffffff);
}
END_TEST

START_TEST(port_registry)
{
    int err = 0;

    ck_assert_int_eq(ioport_add(io, 0x10000, 1, pm, port_read, port_write), -EINVAL);
    ck_assert_int_eq(ioport_add(io, 0xffff, 2, pm, port_read, port_write), -EINVAL);
    ck_assert_int_eq(ioport_add(io, 1, ~0u, pm, port_read, port_write), -EINVAL);
    ck_assert_int_eq(ioport_add(io, 1, 0, pm, port_read, port_write), -EINVAL);
    ck_assert_int_eq(ioport_add(io, 1, 1, pm, NULL, port_write), -EINVAL);
    ck_assert_int_eq(ioport_add(io, BASE + 15, 1, pm, port_read, port_write), -EEXIST);
    ck_assert_int_eq(ioport_add(io, 0, 0x10000, pm, port_read, port_write), -EEXIST);
    ck_assert_int_eq(ioport_add(io, BASE + 16, 1, pm, port_read, port_write), 0);
    ck_assert_int_eq(ioport_remove(io, BASE + 1), -ENOENT);
    ck_assert_int_eq(ioport_remove(io, BASE), 0);
    ck_assert_uint_eq(ioport_in(io, BASE + ACPI_PM1_CNT, 2), 0xffff);
    for (unsigned port = 0x2000; !err && port < 0x3000; port++)
        err = ioport_add(io, port, 1, pm, port_read, port_write);
    ck_assert_int_eq(err, -ENOSPC);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("acpi_pm");
    TCase *tc = tcase_create("acpi_pm");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, power_button);
    tcase_add_test(tc, soft_off);
    tcase_add_test(tc, reset_register);
    tcase_add_test(tc, timer_24_bits);
    tcase_add_test(tc, timer_carry);
    tcase_add_test(tc, timer_32_bits);
    tcase_add_test(tc, general_events);
    tcase_add_test(tc, any_size_and_place);
    tcase_add_test(tc, sparse_addresses);
    tcase_add_test(tc, split_accesses);
    tcase_add_test(tc, port_registry);
    suite_add_tcase(s, tc);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
