/* A 16550A serial port.
 *
 * Registers, FIFOs, interrupts, loopback and modem lines of the data sheet. Characters take no
 * time: the transmitter is always empty, the receiver's timeout expires at once. Baud rate, word
 * length and parity are kept but not applied. Does not know the host's console (bus/console.h).
 */
#ifndef KITTSON_BUS_UART16550_H
#define KITTSON_BUS_UART16550_H

#include <stdbool.h>
#include <stdint.h>
#include "irq.h"

/* Modem inputs, as in MSR. */
#define UART_CTS 0x10u
#define UART_DSR 0x20u
#define UART_RI  0x40u
#define UART_DCD 0x80u

struct uart_config {
    struct irq_line irq;
    void *opaque;
    void (*transmit)(void *opaque, uint8_t byte); /* may be NULL */
    unsigned reg_shift;                           /* register n is at offset n << reg_shift */
    bool out2_gates_irq; /* PC wiring: no interrupt unless MCR.OUT2 is set */
};

struct uart;

/* NULL when out of memory. The modem inputs start with CTS, DSR and DCD on. */
struct uart *uart_new(const struct uart_config *config);
void uart_free(struct uart *u);
void uart_reset(struct uart *u);
/* Saves or restores (utils/archive.h); the interrupt line is the controller's. Version 1. */
struct archive;
void uart_state(struct uart *u, struct archive *s);

/* Register accesses; the types are those of mem.h device ranges. */
uint64_t uart_read(void *opaque, uint64_t offset, unsigned size);
void uart_write(void *opaque, uint64_t offset, uint64_t value, unsigned size);

/* How many characters uart_receive would take now without loss; 0 in loopback mode. */
unsigned uart_room(const struct uart *u);
/* A character from the line. Without room it is lost and an overrun is reported. */
void uart_receive(struct uart *u, uint8_t byte);
/* A break from the line. */
void uart_receive_break(struct uart *u);
/* Sets the modem inputs (UART_CTS...). */
void uart_set_modem(struct uart *u, unsigned lines);

#endif
