/* bus/iosapic.c and bus/sapic_block.c: from an input line or a store to a message. */
#include <check.h>
#include <stdlib.h>

#include "../bus/iosapic.h"
#include "../bus/sapic_block.h"

#define PINS   64u
#define LEVEL  0x8000u
#define LOW    0x2000u
#define REMOTE 0x4000u
#define MASKED 0x10000u

static struct iosapic *s;

static struct message {
    unsigned id, eid, mode, vector;
    bool redirect;
} last;
static unsigned messages;

static void deliver(void *opaque, unsigned id, unsigned eid, unsigned mode, unsigned vector)
{
    ck_assert_ptr_eq(opaque, &messages);
    last = (struct message){id, eid, mode, vector, false};
    messages++;
}

static void setup(void)
{
    messages = 0;
    s = iosapic_new(PINS, deliver, &messages);
    ck_assert_ptr_nonnull(s);
}

static void teardown(void)
{
    iosapic_free(s);
}

static uint32_t reg(unsigned n)
{
    iosapic_write(s, 0x00, n, 4);
    return (uint32_t)iosapic_read(s, 0x10, 4);
}

static void set_reg(unsigned n, uint32_t v)
{
    iosapic_write(s, 0x00, n, 4);
    iosapic_write(s, 0x10, v, 4);
}

static void set_rte(unsigned pin, unsigned id, unsigned eid, uint32_t low)
{
    set_reg(0x11 + 2 * pin, id << 24 | eid << 16);
    set_reg(0x10 + 2 * pin, low);
}

static uint32_t low(unsigned pin)
{
    return reg(0x10 + 2 * pin);
}

static void eoi(unsigned vector)
{
    iosapic_write(s, 0x40, vector, 4);
}

START_TEST(registers)
{
    ck_assert_uint_eq(reg(1), 0x20 | (PINS - 1) << 16);
    ck_assert_uint_eq(iosapic_read(s, 0x00, 4), 1);
    set_reg(1, 0);
    ck_assert_uint_eq(reg(1), 0x20 | (PINS - 1) << 16);
    for (unsigned pin = 0; pin < PINS; pin++)
        ck_assert_uint_eq(low(pin), MASKED);
    set_rte(63, 0xab, 0xcd, 0xffffffff);
    ck_assert_uint_eq(low(63), 0x1afff); /* read-only: delivery status, remote IRR */
    ck_assert_uint_eq(reg(0x11 + 126), 0xabcd0000);
    ck_assert_uint_eq(reg(0x10 + 128), 0); /* no such entry */
    set_reg(0x10 + 128, ~0u);
    ck_assert_uint_eq(reg(0xff), 0);
    iosapic_reset(s);
    ck_assert_uint_eq(low(63), MASKED);
    ck_assert_ptr_null(iosapic_new(0, deliver, NULL));
    ck_assert_ptr_null(iosapic_new(IOSAPIC_MAX_PINS + 1, deliver, NULL));
}
END_TEST

START_TEST(edge_interrupt)
{
    struct irq_line line = iosapic_line(s, 4);

    set_rte(4, 2, 1, 0x31);
    irq_set(&line, 1);
    ck_assert_uint_eq(messages, 1);
    ck_assert(last.id == 2 && last.eid == 1 && last.mode == SAPIC_FIXED && last.vector == 0x31);
    irq_set(&line, 1); /* still high */
    irq_set(&line, 0);
    ck_assert_uint_eq(messages, 1);
    irq_set(&line, 1);
    ck_assert_uint_eq(messages, 2);
    ck_assert_uint_eq(low(4), 0x31);
    irq_set(&line, 0);
    set_rte(4, 2, 1, MASKED | 0x31);
    irq_set(&line, 1);
    set_rte(4, 2, 1, 0x31); /* the edge was lost */
    ck_assert_uint_eq(messages, 2);
}
END_TEST

START_TEST(level_interrupt)
{
    struct irq_line line = iosapic_line(s, 9);

    set_rte(9, 0, 0, LEVEL | LOW | 0x40);
    irq_set(&line, 1);
    ck_assert_uint_eq(messages, 1);
    ck_assert_uint_eq(low(9), LEVEL | LOW | REMOTE | 0x40);
    irq_set(&line, 0);
    irq_set(&line, 1); /* not again before its EOI */
    ck_assert_uint_eq(messages, 1);
    eoi(0x41);
    ck_assert_uint_eq(messages, 1);
    eoi(0x40); /* still asserted: once more */
    ck_assert_uint_eq(messages, 2);
    irq_set(&line, 0);
    eoi(0x40);
    ck_assert_uint_eq(messages, 2);
    ck_assert_uint_eq(low(9), LEVEL | LOW | 0x40);
}
END_TEST

START_TEST(level_and_mask)
{
    struct irq_line line = iosapic_line(s, 9);

    set_rte(9, 0, 0, MASKED | LEVEL | 0x40);
    irq_set(&line, 1);
    ck_assert_uint_eq(messages, 0);
    set_rte(9, 0, 0, LEVEL | 0x40);
    ck_assert_uint_eq(messages, 1);
    set_rte(9, 0, 0, MASKED | LEVEL | 0x40);
    ck_assert_uint_eq(low(9), MASKED | LEVEL | REMOTE | 0x40);
    eoi(0x40); /* masked: remembered by the line, not sent */
    ck_assert_uint_eq(messages, 1);
    set_rte(9, 0, 0, LEVEL | 0x40);
    ck_assert_uint_eq(messages, 2);
    set_rte(9, 0, 0, MASKED | 0x40); /* going through edge clears remote IRR */
    set_rte(9, 0, 0, LEVEL | 0x40);
    ck_assert_uint_eq(messages, 3);
}
END_TEST

START_TEST(shared_vector)
{
    struct irq_line a = iosapic_line(s, 1), b = iosapic_line(s, 2);

    set_rte(1, 0, 0, LEVEL | 0x50);
    set_rte(2, 0, 0, LEVEL | 0x50);
    irq_set(&a, 1);
    irq_set(&b, 1);
    ck_assert_uint_eq(messages, 2);
    irq_set(&a, 0);
    eoi(0x50);
    ck_assert_uint_eq(messages, 3);
    ck_assert_uint_eq(low(1) & REMOTE, 0);
    ck_assert_uint_eq(low(2) & REMOTE, REMOTE);
}
END_TEST

START_TEST(delivery_modes)
{
    static const unsigned modes[] = {SAPIC_FIXED, SAPIC_LOWEST, SAPIC_PMI,
                                     SAPIC_NMI,   SAPIC_INIT,   SAPIC_EXTINT};

    for (unsigned i = 0; i < 6; i++) {
        struct irq_line line = iosapic_line(s, i);

        set_rte(i, i, 0xff, modes[i] << 8 | (0x60 + i));
        irq_set(&line, 1);
        ck_assert_uint_eq(last.mode, modes[i]);
        ck_assert_uint_eq(last.vector, 0x60 + i);
        ck_assert_uint_eq(last.id, i);
    }
}
END_TEST

START_TEST(hostile)
{
    iosapic_set(s, -1, 1);
    iosapic_set(s, (int)PINS, 1);
    iosapic_set(s, 1 << 30, 1);
    ck_assert_uint_eq(messages, 0);
    ck_assert_uint_eq(iosapic_read(s, 0x40, 4), 0);
    ck_assert_uint_eq(iosapic_read(s, ~0ull, 8), 0);
    iosapic_write(s, 0xffc, ~0ull, 8);
    for (unsigned select = 0; select < 256; select++) {
        set_reg(select, ~0u);
        set_reg(select, LEVEL);
        reg(select);
    }
    for (unsigned v = 0; v < 512; v++)
        eoi(v);
    ck_assert_uint_eq(messages, 0);
}
END_TEST

/* ---- processor interrupt block ---- */

static unsigned xtp_value;

static void ipi(void *opaque, unsigned id, unsigned eid, bool redirect, unsigned mode,
                unsigned vector)
{
    ck_assert_ptr_eq(opaque, &last);
    last = (struct message){id, eid, mode, vector, redirect};
    messages++;
}

static uint8_t inta(void *opaque)
{
    ck_assert_ptr_eq(opaque, &last);
    return 0x77;
}

static void xtp(void *opaque, uint8_t value)
{
    ck_assert_ptr_eq(opaque, &last);
    xtp_value = value;
}

START_TEST(ipi_messages)
{
    struct sapic_block b = {&last, ipi, inta, xtp};

    sapic_block_write(&b, 0x12345ull << 4 & 0xffff0, 0x5ef, 8);
    ck_assert_uint_eq(messages, 1);
    ck_assert(last.id == 0x23 && last.eid == 0x45 && !last.redirect);
    ck_assert(last.mode == SAPIC_INIT && last.vector == 0xef);
    sapic_block_write(&b, 0xffff8, ~0ull, 8);
    ck_assert(last.id == 0xff && last.eid == 0xff && last.redirect);
    ck_assert(last.mode == 7 && last.vector == 0xff);
    sapic_block_write(&b, 0x4, 0, 4);
    sapic_block_write(&b, 0x0, 0, 1);
    sapic_block_write(&b, 0x100000, 0, 8);
    sapic_block_write(&b, SAPIC_BLOCK_INTA, 0, 1);
    ck_assert_uint_eq(messages, 2);
}
END_TEST

START_TEST(inta_and_xtp)
{
    struct sapic_block b = {&last, ipi, inta, xtp};

    ck_assert_uint_eq(sapic_block_read(&b, SAPIC_BLOCK_INTA, 1), 0x77);
    ck_assert_uint_eq(sapic_block_read(&b, 0, 8), ~0ull);
    sapic_block_write(&b, SAPIC_BLOCK_XTP, 0x85, 1);
    ck_assert_uint_eq(xtp_value, 0x85);
    b.inta = NULL;
    b.xtp = NULL;
    ck_assert_uint_eq(sapic_block_read(&b, SAPIC_BLOCK_INTA, 1) & 0xff, 0xff);
    sapic_block_write(&b, SAPIC_BLOCK_XTP, 1, 1);
    ck_assert_uint_eq(messages, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sapic");
    TCase *tc = tcase_create("sapic");
    SRunner *sr = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, registers);
    tcase_add_test(tc, edge_interrupt);
    tcase_add_test(tc, level_interrupt);
    tcase_add_test(tc, level_and_mask);
    tcase_add_test(tc, shared_vector);
    tcase_add_test(tc, delivery_modes);
    tcase_add_test(tc, hostile);
    tcase_add_test(tc, ipi_messages);
    tcase_add_test(tc, inta_and_xtp);
    suite_add_tcase(suite, tc);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
