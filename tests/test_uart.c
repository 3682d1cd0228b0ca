/* bus/uart16550.c: registers, FIFOs, interrupt identification, and what 8250 drivers probe. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../bus/uart16550.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };
#define FCR IIR

static struct uart *u;
static int irq;
static char sent[64];
static unsigned sent_count;

static void set_irq(void *opaque, int n, int level)
{
    ck_assert_ptr_eq(opaque, &irq);
    ck_assert_int_eq(n, 4);
    irq = level;
}

static void transmit(void *opaque, uint8_t byte)
{
    ck_assert_ptr_eq(opaque, sent);
    if (sent_count < sizeof(sent))
        sent[sent_count++] = (char)byte;
}

static struct uart_config config(void)
{
    return (struct uart_config){.irq = {set_irq, &irq, 4}, .opaque = sent, .transmit = transmit};
}

static void setup(void)
{
    struct uart_config cfg = config();

    irq = 0;
    sent_count = 0;
    u = uart_new(&cfg);
    ck_assert_ptr_nonnull(u);
}

static void teardown(void)
{
    uart_free(u);
}

static unsigned in(unsigned reg)
{
    return (unsigned)uart_read(u, reg, 1);
}

static void out(unsigned reg, unsigned v)
{
    uart_write(u, reg, v, 1);
}

START_TEST(transmits)
{
    for (const char *s = "boot"; *s; s++) {
        ck_assert_uint_eq(in(LSR), 0x60);
        out(DATA, (unsigned char)*s);
    }
    ck_assert_uint_eq(sent_count, 4);
    ck_assert_mem_eq(sent, "boot", 4);
}
END_TEST

START_TEST(divisor_latch)
{
    out(LCR, 0x83);
    out(DATA, 0x0c);
    out(IER, 0x01);
    ck_assert_uint_eq(in(DATA), 0x0c);
    ck_assert_uint_eq(in(IER), 0x01);
    out(LCR, 0x03);
    ck_assert_uint_eq(in(IER), 0);
    ck_assert_uint_eq(sent_count, 0);
    out(SCR, 0xa5);
    ck_assert_uint_eq(in(SCR), 0xa5);
}
END_TEST

/* The steps by which Linux decides that this is a 16550A and nothing fancier. */
START_TEST(probe_as_16550a)
{
    out(IER, 0);
    ck_assert_uint_eq(in(IER), 0);
    out(IER, 0x0f);
    ck_assert_uint_eq(in(IER), 0x0f);
    out(IER, 0xff);
    ck_assert_uint_eq(in(IER), 0x0f); /* no sleep bits, no UUE */
    out(IER, 0);
    out(MCR, 0x1a);
    ck_assert_uint_eq(in(MSR)&0xf0, 0x90);
    out(MCR, 0xff);
    ck_assert_uint_eq(in(MCR), 0x1f);
    out(MCR, 0);
    out(LCR, 0xbf); /* no EFR behind it */
    out(FCR, 0);
    ck_assert_uint_ne(in(IIR), 0);
    out(LCR, 0);
    out(FCR, 0x01);
    ck_assert_uint_eq(in(IIR) >> 6, 3);
    out(LCR, 0x80);
    out(FCR, 0x21); /* 64-byte FIFO of a 16750 */
    ck_assert_uint_eq(in(IIR) >> 5, 6);
    out(LCR, 0xe0);
    ck_assert_uint_eq(in(IIR)&0x10, 0);
    out(LCR, 0);
    out(FCR, 0);
    ck_assert_uint_eq(in(IIR) >> 6, 0);
}
END_TEST

START_TEST(receives_without_fifo)
{
    ck_assert_uint_eq(uart_room(u), 1);
    uart_receive(u, 'a');
    ck_assert_uint_eq(uart_room(u), 0);
    ck_assert_uint_eq(in(LSR), 0x61);
    uart_receive(u, 'b'); /* overwrites */
    ck_assert_uint_eq(in(LSR), 0x63);
    ck_assert_uint_eq(in(LSR), 0x61);
    ck_assert_uint_eq(in(DATA), 'b');
    ck_assert_uint_eq(in(LSR), 0x60);
    ck_assert_uint_eq(in(DATA), 'b');
}
END_TEST

START_TEST(fifo_triggers)
{
    static const unsigned levels[4] = {1, 4, 8, 14};

    for (unsigned t = 0; t < 4; t++) {
        out(FCR, 0x03 | t << 6);
        out(IER, 0x01);
        for (unsigned i = 1; i <= 16; i++) {
            uart_receive(u, (uint8_t)i);
            ck_assert_int_eq(irq, 1);
            ck_assert_uint_eq(in(IIR), 0xc0 | (i >= levels[t] ? 0x04 : 0x0c));
        }
        ck_assert_uint_eq(uart_room(u), 0);
        for (unsigned i = 1; i <= 16; i++)
            ck_assert_uint_eq(in(DATA), i);
        ck_assert_int_eq(irq, 0);
        ck_assert_uint_eq(in(IIR), 0xc1);
    }
}
END_TEST

START_TEST(fifo_overrun_keeps_the_old)
{
    out(FCR, 0x01);
    for (unsigned i = 0; i < 40; i++)
        uart_receive(u, (uint8_t)i);
    ck_assert_uint_eq(in(LSR), 0x63);
    ck_assert_uint_eq(in(LSR), 0x61);
    for (unsigned i = 0; i < 16; i++)
        ck_assert_uint_eq(in(DATA), i);
    ck_assert_uint_eq(in(LSR), 0x60);
}
END_TEST

START_TEST(fifo_clearing)
{
    out(FCR, 0x01);
    uart_receive(u, 1);
    out(FCR, 0x05); /* transmitter only */
    ck_assert_uint_eq(in(LSR)&1, 1);
    out(FCR, 0x03);
    ck_assert_uint_eq(in(LSR)&1, 0);
    uart_receive(u, 1);
    out(FCR, 0x00); /* turning it off empties it */
    ck_assert_uint_eq(in(LSR)&1, 0);
    out(FCR, 0xc0); /* ignored without the enable bit */
    out(IER, 0x01);
    uart_receive(u, 1);
    ck_assert_uint_eq(in(IIR), 0x04);
}
END_TEST

START_TEST(transmitter_interrupt)
{
    out(IER, 0x02); /* empty already: interrupts at once */
    ck_assert_int_eq(irq, 1);
    ck_assert_uint_eq(in(IIR), 0x02); /* reading it is the acknowledgement */
    ck_assert_int_eq(irq, 0);
    ck_assert_uint_eq(in(IIR), 0x01);
    out(DATA, 'x');
    ck_assert_int_eq(irq, 1);
    out(IER, 0x00);
    ck_assert_int_eq(irq, 0);
    out(IER, 0x02);
    ck_assert_int_eq(irq, 1);
    out(IER, 0x03);
    uart_receive(u, 'y'); /* higher priority: reading IIR does not acknowledge THRE */
    ck_assert_uint_eq(in(IIR), 0x04);
    ck_assert_uint_eq(in(IIR), 0x04);
    in(DATA);
    ck_assert_uint_eq(in(IIR), 0x02);
    ck_assert_uint_eq(in(IIR), 0x01);
}
END_TEST

START_TEST(line_status_interrupt)
{
    out(FCR, 0x01);
    out(IER, 0x05);
    uart_receive(u, 'a');
    uart_receive_break(u);
    ck_assert_uint_eq(in(IIR), 0xc4);
    ck_assert_uint_eq(in(LSR), 0xe1); /* an error somewhere in the FIFO */
    ck_assert_uint_eq(in(DATA), 'a');
    ck_assert_uint_eq(in(IIR), 0xc6);
    ck_assert_uint_eq(in(LSR), 0xf1); /* now it is the break's turn */
    ck_assert_uint_eq(in(LSR), 0x61);
    ck_assert_uint_eq(in(IIR), 0xc4);
    ck_assert_uint_eq(in(DATA), 0);
    ck_assert_int_eq(irq, 0);
}
END_TEST

START_TEST(modem_status)
{
    ck_assert_uint_eq(in(MSR), 0xb0);
    out(IER, 0x08);
    uart_set_modem(u, UART_CTS | UART_RI);
    ck_assert_int_eq(irq, 1);
    ck_assert_uint_eq(in(IIR), 0x00);
    ck_assert_uint_eq(in(MSR), 0x50 | 0x0a); /* DDSR, DDCD; RI rising does not count */
    ck_assert_int_eq(irq, 0);
    ck_assert_uint_eq(in(MSR), 0x50);
    uart_set_modem(u, UART_CTS);
    ck_assert_uint_eq(in(MSR), 0x10 | 0x04);
    uart_set_modem(u, ~0u);
    ck_assert_uint_eq(in(MSR), 0xf0 | 0x0a);
}
END_TEST

START_TEST(loopback)
{
    out(MCR, 0x10);
    in(MSR);
    ck_assert_uint_eq(uart_room(u), 0);
    uart_receive(u, 'n'); /* the line is cut */
    ck_assert_uint_eq(in(LSR), 0x60);
    out(DATA, 'q');
    ck_assert_uint_eq(sent_count, 0);
    ck_assert_uint_eq(in(LSR), 0x61);
    ck_assert_uint_eq(in(DATA), 'q');
    out(MCR, 0x1f);
    ck_assert_uint_eq(in(MSR), 0xf0 | 0x0b);
    out(MCR, 0x1b); /* OUT1 off: trailing edge of RI */
    ck_assert_uint_eq(in(MSR), 0xb0 | 0x04);
    out(LCR, 0x43); /* break goes round */
    ck_assert_uint_eq(in(LSR), 0x71);
    out(LCR, 0x43);
    ck_assert_uint_eq(in(DATA), 0);
    ck_assert_uint_eq(in(LSR), 0x60);
}
END_TEST

START_TEST(out2_gate)
{
    struct uart_config cfg = config();

    uart_free(u);
    cfg.out2_gates_irq = true;
    u = uart_new(&cfg);
    out(IER, 0x02);
    ck_assert_int_eq(irq, 0);
    out(MCR, 0x08);
    ck_assert_int_eq(irq, 1);
    out(MCR, 0x00);
    ck_assert_int_eq(irq, 0);
}
END_TEST

START_TEST(register_spacing)
{
    struct uart_config cfg = config();

    uart_free(u);
    cfg.reg_shift = 2;
    u = uart_new(&cfg);
    uart_write(u, SCR << 2, 0x5a, 4);
    ck_assert_uint_eq(uart_read(u, SCR << 2, 4), 0x5a);
    ck_assert_uint_eq(uart_read(u, LSR << 2, 1), 0x60);
    ck_assert_uint_eq(uart_read(u, (LSR << 2) + 1, 1), 0);
}
END_TEST

START_TEST(reset_state)
{
    out(FCR, 0x01);
    out(IER, 0x0f);
    out(MCR, 0x0b);
    out(LCR, 0x03);
    uart_receive(u, 1);
    uart_reset(u);
    ck_assert_int_eq(irq, 0);
    ck_assert_uint_eq(in(IER), 0);
    ck_assert_uint_eq(in(IIR), 1);
    ck_assert_uint_eq(in(LCR), 0);
    ck_assert_uint_eq(in(MCR), 0);
    ck_assert_uint_eq(in(LSR), 0x60);
    ck_assert_uint_eq(in(MSR), 0xb0);
}
END_TEST

START_TEST(hostile_accesses)
{
    uint64_t seed = 7;

    ck_assert_uint_eq(uart_read(u, 8, 1), 0);
    uart_read(u, ~0ull, 8);
    uart_write(u, ~0ull, ~0ull, 8);
    uart_reset(u);
    for (unsigned i = 0; i < 200000; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        if (seed >> 63)
            uart_write(u, (seed >> 40) & 15, seed, 1u << ((seed >> 50) & 3));
        else
            uart_read(u, (seed >> 40) & 15, 1u << ((seed >> 50) & 3));
        if ((seed >> 60 & 3) == 3)
            uart_receive(u, (uint8_t)seed);
        if ((seed >> 55 & 15) == 3)
            uart_receive_break(u);
        ck_assert_uint_le(uart_room(u), 16);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uart");
    TCase *tc = tcase_create("uart");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, transmits);
    tcase_add_test(tc, divisor_latch);
    tcase_add_test(tc, probe_as_16550a);
    tcase_add_test(tc, receives_without_fifo);
    tcase_add_test(tc, fifo_triggers);
    tcase_add_test(tc, fifo_overrun_keeps_the_old);
    tcase_add_test(tc, fifo_clearing);
    tcase_add_test(tc, transmitter_interrupt);
    tcase_add_test(tc, line_status_interrupt);
    tcase_add_test(tc, modem_status);
    tcase_add_test(tc, loopback);
    tcase_add_test(tc, out2_gate);
    tcase_add_test(tc, register_spacing);
    tcase_add_test(tc, reset_state);
    tcase_add_test(tc, hostile_accesses);
    suite_add_tcase(s, tc);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
