/* See uart16550.h. Names and numbers are those of the PC16550D data sheet. */
#include "uart16550.h"
#include "archive.h"

#include <stdlib.h>
#include <string.h>

#define FIFO_SIZE 16u

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR, REG_COUNT };

#define IER_RDA  0x01u
#define IER_THRE 0x02u
#define IER_RLS  0x04u
#define IER_MS   0x08u

#define IIR_NONE    0x01u
#define IIR_MS      0x00u
#define IIR_THRE    0x02u
#define IIR_RDA     0x04u
#define IIR_RLS     0x06u
#define IIR_TIMEOUT 0x0cu
#define IIR_FIFOS   0xc0u

#define FCR_ENABLE   0x01u
#define FCR_CLEAR_RX 0x02u
#define FCR_KEPT     0xc9u /* trigger, DMA mode, enable */

#define LCR_BREAK 0x40u
#define LCR_DLAB  0x80u

#define MCR_DTR   0x01u
#define MCR_RTS   0x02u
#define MCR_OUT1  0x04u
#define MCR_OUT2  0x08u
#define MCR_LOOP  0x10u
#define MCR_IMPLD 0x1fu

#define LSR_DR       0x01u
#define LSR_OE       0x02u
#define LSR_BI       0x10u
#define LSR_ERRORS   0x1eu
#define LSR_THRE     0x20u
#define LSR_TEMT     0x40u
#define LSR_FIFO_ERR 0x80u

#define MSR_TERI 0x04u /* trailing edge of RI only */

struct uart {
    struct uart_config cfg;
    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
    uint8_t msr_delta; /* MSR{3:0} */
    uint8_t modem;     /* inputs from the line, MSR{7:4} */
    uint8_t errors;    /* LSR{4:1} not yet read */
    bool thre_pending; /* the transmitter became empty and nobody has been told */
    uint8_t fifo[FIFO_SIZE];
    uint8_t fifo_err[FIFO_SIZE]; /* LSR error bits that came with each character */
    unsigned head, count;
};

static unsigned fifo_depth(const struct uart *u)
{
    return u->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static unsigned trigger(const struct uart *u)
{
    static const uint8_t levels[4] = {1, 4, 8, 14};

    return u->fcr & FCR_ENABLE ? levels[u->fcr >> 6] : 1;
}

/* The modem inputs as the chip sees them: in loopback its own outputs. */
static unsigned modem_lines(const struct uart *u)
{
    if (!(u->mcr & MCR_LOOP))
        return u->modem;
    return (u->mcr & MCR_RTS ? UART_CTS : 0) | (u->mcr & MCR_DTR ? UART_DSR : 0) |
           (u->mcr & MCR_OUT1 ? UART_RI : 0) | (u->mcr & MCR_OUT2 ? UART_DCD : 0);
}

/* The interrupt of highest priority. */
static unsigned interrupt_id(const struct uart *u)
{
    if ((u->ier & IER_RLS) && (u->errors & LSR_ERRORS))
        return IIR_RLS;
    if ((u->ier & IER_RDA) && u->count >= trigger(u))
        return IIR_RDA;
    if ((u->ier & IER_RDA) && u->count)
        return IIR_TIMEOUT; /* four character times of silence, which take none here */
    if ((u->ier & IER_THRE) && u->thre_pending)
        return IIR_THRE;
    if ((u->ier & IER_MS) && u->msr_delta)
        return IIR_MS;
    return IIR_NONE;
}

static void update_irq(struct uart *u)
{
    bool open = !u->cfg.out2_gates_irq || (u->mcr & MCR_OUT2);

    irq_set(&u->cfg.irq, open && interrupt_id(u) != IIR_NONE);
}

/* A character's own errors show in LSR when it becomes the next one to be read. */
static void reveal_errors(struct uart *u)
{
    if (!u->count)
        return;
    u->errors |= u->fifo_err[u->head];
    u->fifo_err[u->head] = 0;
}

static void clear_rx(struct uart *u)
{
    u->head = 0;
    u->count = 0;
    memset(u->fifo_err, 0, sizeof(u->fifo_err));
}

static void push(struct uart *u, uint8_t byte, uint8_t err)
{
    unsigned at;

    if (u->count == fifo_depth(u)) {
        u->errors |= LSR_OE;
        if (u->fcr & FCR_ENABLE)
            return;   /* the FIFO keeps what it has */
        u->count = 0; /* the single register is overwritten */
    }
    at = (u->head + u->count) % FIFO_SIZE;
    u->fifo[at] = byte;
    u->fifo_err[at] = err;
    u->count++;
    if (u->count == 1)
        reveal_errors(u);
}

static uint8_t pop(struct uart *u)
{
    uint8_t byte = u->fifo[u->head];

    if (!u->count)
        return byte; /* RBR keeps showing the last character */
    if (u->count > 1 || (u->fcr & FCR_ENABLE))
        u->head = (u->head + 1) % FIFO_SIZE;
    u->count--;
    reveal_errors(u);
    return byte;
}

static uint8_t read_lsr(struct uart *u)
{
    uint8_t v = LSR_THRE | LSR_TEMT | u->errors | (u->count ? LSR_DR : 0);

    if (u->fcr & FCR_ENABLE) {
        bool marked = u->errors & (LSR_ERRORS & ~LSR_OE);

        for (unsigned i = 0; i < u->count; i++)
            marked |= u->fifo_err[(u->head + i) % FIFO_SIZE] != 0;
        v |= marked ? LSR_FIFO_ERR : 0;
    }
    u->errors = 0;
    return v;
}

static uint8_t read_iir(struct uart *u)
{
    unsigned id = interrupt_id(u);

    if (id == IIR_THRE)
        u->thre_pending = false;
    return (uint8_t)(id | (u->fcr & FCR_ENABLE ? IIR_FIFOS : 0));
}

static uint8_t read_msr(struct uart *u)
{
    uint8_t v = (uint8_t)(modem_lines(u) | u->msr_delta);

    u->msr_delta = 0;
    return v;
}

/* Records what changed on the modem inputs since `before`. */
static void modem_changed(struct uart *u, unsigned before)
{
    unsigned now = modem_lines(u), changed = now ^ before;

    u->msr_delta |= ((changed & ~UART_RI) >> 4) & 0xf;
    if (before & ~now & UART_RI)
        u->msr_delta |= MSR_TERI;
}

static void write_mcr(struct uart *u, uint8_t v)
{
    unsigned before = modem_lines(u);

    u->mcr = v & MCR_IMPLD;
    modem_changed(u, before);
}

static void write_lcr(struct uart *u, uint8_t v)
{
    bool break_starts = (v & ~u->lcr) & LCR_BREAK;

    u->lcr = v;
    if (break_starts && (u->mcr & MCR_LOOP))
        push(u, 0, LSR_BI);
}

static void write_fcr(struct uart *u, uint8_t v)
{
    bool toggled = (v ^ u->fcr) & FCR_ENABLE;

    if (toggled || (v & FCR_CLEAR_RX))
        clear_rx(u);
    u->fcr = v & FCR_ENABLE ? v & FCR_KEPT : 0;
}

static void write_thr(struct uart *u, uint8_t v)
{
    if (u->mcr & MCR_LOOP)
        push(u, v, 0);
    else if (u->cfg.transmit)
        u->cfg.transmit(u->cfg.opaque, v);
    u->thre_pending = true;
}

static void write_ier(struct uart *u, uint8_t v)
{
    if ((v & ~u->ier) & IER_THRE)
        u->thre_pending = true; /* enabling it while empty interrupts at once */
    u->ier = v & 0x0f;
}

static uint8_t read_reg(struct uart *u, unsigned reg)
{
    bool dlab = u->lcr & LCR_DLAB;

    switch (reg) {
    case REG_DATA:
        return dlab ? u->dll : pop(u);
    case REG_IER:
        return dlab ? u->dlm : u->ier;
    case REG_IIR_FCR:
        return read_iir(u);
    case REG_LCR:
        return u->lcr;
    case REG_MCR:
        return u->mcr;
    case REG_LSR:
        return read_lsr(u);
    case REG_MSR:
        return read_msr(u);
    case REG_SCR:
        return u->scr;
    default:
        return 0xff;
    }
}

static void write_reg(struct uart *u, unsigned reg, uint8_t v)
{
    bool dlab = u->lcr & LCR_DLAB;

    switch (reg) {
    case REG_DATA:
        if (dlab)
            u->dll = v;
        else
            write_thr(u, v);
        break;
    case REG_IER:
        if (dlab)
            u->dlm = v;
        else
            write_ier(u, v);
        break;
    case REG_IIR_FCR:
        write_fcr(u, v);
        break;
    case REG_LCR:
        write_lcr(u, v);
        break;
    case REG_MCR:
        write_mcr(u, v);
        break;
    case REG_SCR:
        u->scr = v;
        break;
    default: /* LSR and MSR are not for writing */
        break;
    }
}

/* The register of a byte address, or REG_COUNT between two registers. */
static unsigned reg_at(const struct uart *u, uint64_t offset)
{
    uint64_t reg = offset >> u->cfg.reg_shift;

    if (reg >= REG_COUNT || offset != reg << u->cfg.reg_shift)
        return REG_COUNT;
    return (unsigned)reg;
}

/* Wide accesses are taken apart: each byte is its own register access. */
uint64_t uart_read(void *opaque, uint64_t offset, unsigned size)
{
    struct uart *u = opaque;
    uint64_t v = 0;

    for (unsigned i = 0; i < size && i < 8; i++) {
        unsigned reg = reg_at(u, offset + i);
        uint8_t byte = reg < REG_COUNT ? read_reg(u, reg) : 0;

        v |= (uint64_t)byte << (8 * i);
    }
    update_irq(u);
    return v;
}

void uart_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct uart *u = opaque;

    for (unsigned i = 0; i < size && i < 8; i++) {
        unsigned reg = reg_at(u, offset + i);

        if (reg < REG_COUNT)
            write_reg(u, reg, (uint8_t)(value >> (8 * i)));
    }
    update_irq(u);
}

unsigned uart_room(const struct uart *u)
{
    return u->mcr & MCR_LOOP ? 0 : fifo_depth(u) - u->count;
}

void uart_receive(struct uart *u, uint8_t byte)
{
    if (u->mcr & MCR_LOOP)
        return; /* the input pin is disconnected */
    push(u, byte, 0);
    update_irq(u);
}

void uart_receive_break(struct uart *u)
{
    if (u->mcr & MCR_LOOP)
        return;
    push(u, 0, LSR_BI);
    update_irq(u);
}

void uart_set_modem(struct uart *u, unsigned lines)
{
    unsigned before = modem_lines(u);

    u->modem = lines & 0xf0;
    modem_changed(u, before);
    update_irq(u);
}

/* The data sheet's master reset; divisor and scratch register are not affected by it. */
void uart_reset(struct uart *u)
{
    u->ier = u->fcr = u->lcr = u->mcr = 0;
    u->msr_delta = 0;
    u->errors = 0;
    u->thre_pending = false;
    clear_rx(u);
    update_irq(u);
}

struct uart *uart_new(const struct uart_config *config)
{
    struct uart *u = calloc(1, sizeof(*u));

    if (!u)
        return NULL;
    u->cfg = *config;
    u->cfg.reg_shift &= 15;
    u->modem = UART_CTS | UART_DSR | UART_DCD;
    return u;
}

void uart_free(struct uart *u)
{
    free(u);
}

static const struct archive_field fields[] = {
    ARCHIVE_FIELD(struct uart, ier),          ARCHIVE_FIELD(struct uart, fcr),
    ARCHIVE_FIELD(struct uart, lcr),          ARCHIVE_FIELD(struct uart, mcr),
    ARCHIVE_FIELD(struct uart, scr),          ARCHIVE_FIELD(struct uart, dll),
    ARCHIVE_FIELD(struct uart, dlm),          ARCHIVE_FIELD(struct uart, msr_delta),
    ARCHIVE_FIELD(struct uart, modem),        ARCHIVE_FIELD(struct uart, errors),
    ARCHIVE_FIELD(struct uart, thre_pending), ARCHIVE_FIELD(struct uart, fifo),
    ARCHIVE_FIELD(struct uart, fifo_err),
};

void uart_state(struct uart *u, struct archive *s)
{
    archive_fields(s, u, fields, sizeof(fields) / sizeof(fields[0]));
    u->head = (unsigned)archive_number(s, u->head, FIFO_SIZE - 1, "a FIFO has no such place");
    u->count = (unsigned)archive_number(s, u->count, FIFO_SIZE, "a FIFO is too full");
}
