/* The serial port of the console, driven by its registers, and EFI_SERIAL_IO_PROTOCOL on it. */
#include "boot.h"

/* 16550 registers. */
enum { THR = 0, RBR = 0, DLL = 0, IER = 1, DLM = 1, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6 };
#define LCR_DLAB 0x80u
#define LSR_DR   0x01u
#define LSR_THRE 0x20u
#define MCR_LOOP 0x10u

#define CONTROL_DTR   0x0001u
#define CONTROL_RTS   0x0002u
#define CONTROL_IN    0x0100u
#define CONTROL_OUT   0x0200u
#define CONTROL_LOOP  0x1000u
#define CONTROL_MODEM 0x00f0u /* as in MSR */

#define MODE_AT  72
#define MAX_BAUD 115200u

static const char kind[] = "serial I/O";

struct mode {
    uint32_t control_mask, timeout;
    uint64_t baud;
    uint32_t fifo, data_bits, parity, stop_bits;
};

static const struct mode default_mode = {CONTROL_DTR | CONTROL_RTS | CONTROL_IN | CONTROL_OUT |
                                             CONTROL_LOOP | CONTROL_MODEM,
                                         1000000,
                                         MAX_BAUD,
                                         16,
                                         8,
                                         1,
                                         1};

static unsigned get(struct boot *b, unsigned reg)
{
    uint64_t v = 0xff;

    mem_read(b->fw->mem, HPVM_UART + reg, 1, &v);
    return (unsigned)v & 0xff;
}

static void set(struct boot *b, unsigned reg, unsigned v)
{
    mem_write(b->fw->mem, HPVM_UART + reg, 1, v & 0xff);
}

/* Without a port everything reads as ones. */
static bool present(struct boot *b)
{
    return get(b, LSR) != 0xff;
}

void serial_put(struct boot *b, uint8_t byte)
{
    if (get(b, LSR) & LSR_THRE)
        set(b, THR, byte);
}

bool serial_get(struct boot *b, uint8_t *byte)
{
    if (!present(b) || !(get(b, LSR) & LSR_DR))
        return false;
    *byte = (uint8_t)get(b, RBR);
    return true;
}

static void program(struct boot *b, const struct mode *m)
{
    static const uint8_t parity[] = {0, 0, 0x18, 0x08, 0x28, 0x38};
    unsigned divisor = (unsigned)(MAX_BAUD / m->baud);
    unsigned lcr = (m->data_bits - 5) | parity[m->parity] | (m->stop_bits > 1 ? 4u : 0);

    set(b, LCR, lcr | LCR_DLAB);
    set(b, DLL, divisor);
    set(b, DLM, divisor >> 8);
    set(b, LCR, lcr);
    set(b, FCR, 1);
    set(b, IER, 0);
    set(b, MCR, 3);
}

static uint64_t serial_reset(struct boot *b, struct fwcall *k)
{
    uint64_t at = boot_object(b, k->arg[0], kind) ? k->arg[0] + MODE_AT : 0;

    if (!at)
        return EFI_INVALID_PARAMETER;
    program(b, &default_mode);
    boot_write(b, at, &default_mode, sizeof(default_mode));
    return EFI_SUCCESS;
}

/* (this, baud, fifo, timeout, parity, data bits, stop bits): 0 is the default of each. Rates are
 * lowered to what the divisor gives. */
static uint64_t serial_set_attributes(struct boot *b, struct fwcall *k)
{
    uint64_t at = boot_object(b, k->arg[0], kind) ? k->arg[0] + MODE_AT : 0;
    struct mode m = default_mode;

    if (!at || (uint32_t)k->arg[4] > 5 || (uint32_t)k->arg[6] > 3 || k->arg[1] > MAX_BAUD ||
        (k->arg[1] && k->arg[1] < 50))
        return EFI_INVALID_PARAMETER;
    if ((k->arg[5] & 0xff) && ((k->arg[5] & 0xff) < 5 || (k->arg[5] & 0xff) > 8))
        return EFI_INVALID_PARAMETER;
    if (k->arg[1])
        m.baud = MAX_BAUD / (MAX_BAUD / k->arg[1] + (MAX_BAUD % k->arg[1] != 0));
    if ((uint32_t)k->arg[3])
        m.timeout = (uint32_t)k->arg[3];
    if ((uint32_t)k->arg[4])
        m.parity = (uint32_t)k->arg[4];
    if (k->arg[5] & 0xff)
        m.data_bits = k->arg[5] & 0xff;
    if ((uint32_t)k->arg[6])
        m.stop_bits = (uint32_t)k->arg[6];
    program(b, &m);
    boot_write(b, at, &m, sizeof(m));
    return EFI_SUCCESS;
}

static uint64_t serial_set_control(struct boot *b, struct fwcall *k)
{
    uint32_t v = (uint32_t)k->arg[1];

    if (!boot_object(b, k->arg[0], kind))
        return EFI_INVALID_PARAMETER;
    if (v & ~(CONTROL_DTR | CONTROL_RTS | CONTROL_LOOP))
        return EFI_UNSUPPORTED;
    set(b, MCR, (v & 3) | (v & CONTROL_LOOP ? MCR_LOOP : 0));
    return EFI_SUCCESS;
}

static uint64_t serial_get_control(struct boot *b, struct fwcall *k)
{
    unsigned mcr = get(b, MCR), lsr = get(b, LSR);
    uint32_t v = (get(b, MSR) & CONTROL_MODEM) | (mcr & 3) | (mcr & MCR_LOOP ? CONTROL_LOOP : 0) |
                 (lsr & LSR_DR ? 0 : CONTROL_IN) | (lsr & LSR_THRE ? CONTROL_OUT : 0);

    if (!boot_object(b, k->arg[0], kind) || !boot_write(b, k->arg[1], &v, sizeof(v)))
        return EFI_INVALID_PARAMETER;
    return EFI_SUCCESS;
}

/* (this, *size, buffer) */
static uint64_t serial_write(struct boot *b, struct fwcall *k)
{
    uint64_t size;
    uint8_t byte;

    if (!boot_object(b, k->arg[0], kind) || !boot_read64(b, k->arg[1], &size))
        return EFI_INVALID_PARAMETER;
    for (uint64_t i = 0; i < size; i++) {
        if (!boot_read(b, k->arg[2] + i, &byte, 1))
            return EFI_INVALID_PARAMETER;
        serial_put(b, byte);
    }
    return EFI_SUCCESS;
}

/* What has come, without waiting for more. */
static uint64_t serial_read(struct boot *b, struct fwcall *k)
{
    uint64_t size, n = 0;
    uint8_t byte;

    if (!boot_object(b, k->arg[0], kind) || !boot_read64(b, k->arg[1], &size))
        return EFI_INVALID_PARAMETER;
    while (n < size && boot_ram(b, k->arg[2] + n, 1) && serial_get(b, &byte))
        boot_write(b, k->arg[2] + n++, &byte, 1);
    boot_write64(b, k->arg[1], n);
    return n < size ? EFI_TIMEOUT : EFI_SUCCESS;
}

static boot_fn *const members[] = {serial_reset,       serial_set_attributes, serial_set_control,
                                   serial_get_control, serial_write,          serial_read};

/* Acpi(PNP0501,0)/Uart(115200 N81) */
static void add_uart_path(struct devpath *p)
{
    uint8_t d[15] = {0};
    uint32_t baud = MAX_BAUD;

    devpath_add_acpi(p, 0x0501, 0);
    memcpy(d + 4, &baud, 4);
    d[12] = 8;
    d[13] = 1;
    d[14] = 1;
    devpath_add(p, 3, 14, d, sizeof(d));
}

void serial_init(struct boot *b, uint64_t *handle)
{
    uint64_t at = boot_alloc(b, MODE_AT + sizeof(default_mode));
    uint32_t revision = 0x00010000;
    struct devpath p = {.size = 0};

    program(b, &default_mode);
    boot_write(b, at, &revision, 4);
    boot_put_functions(b, at + 8, members, G_N_ELEMENTS(members));
    boot_write64(b, at + 56, at + MODE_AT);
    boot_write(b, at + MODE_AT, &default_mode, sizeof(default_mode));
    boot_bind(b, at, kind, b);
    add_uart_path(&p);
    handle_install(b, handle, guid_device_path, devpath_write(b, &p));
    handle_install(b, handle, guid_serial_io, at);
}
