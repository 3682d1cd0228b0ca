/* The HPVM board: which devices there are, where they are, and how their lines are wired. The one
 * place that knows; addresses and inputs are listed in hpvm_map.h. */
#include "acpi_pm.h"
#include "console.h"
#include "graphics.h"
#include "usb_input.h"
#include "ioport.h"
#include "iosapic.h"
#include "channels.h"
#include "log.h"
#include "machine_impl.h"
#include "pci.h"
#include "sapic_block.h"
#include "uart16550.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct board {
    struct machine *machine;
    struct console *console;
    struct iosapic *iosapic;
    struct sapic_block pib;
    struct uart *uart;
    struct acpi_pm *pm;
    struct ioport_space *ports;
    struct pci *pci;
    struct storage *storage;
    struct network *network;
    struct graphics *graphics; /* or NULL */
    struct usb_input *input;   /* or NULL */
    bool quit;
};

/* --- interrupt messages --- */

static struct cpu *cpu_by_lid(struct machine *m, unsigned id, unsigned eid)
{
    for (unsigned i = 0; i < m->config.cpus; i++) {
        uint64_t lid = m->cpu[i]->cr[CR_LID];
        if ((lid >> 24 & 0xff) == id && (lid >> 16 & 0xff) == eid)
            return m->cpu[i];
    }
    return NULL;
}

/* SDM 2:5.8.4.1. Redirection hints are ignored: the named processor is as good as any. */
static void deliver(void *opaque, unsigned id, unsigned eid, unsigned mode, unsigned vector)
{
    struct cpu *c = cpu_by_lid(opaque, id, eid);
    if (c == NULL) {
        if (log_once("no processor", id << 8 | eid))
            log_info("interrupt %#x for id %#x eid %#x: no such processor", vector, id, eid);
        return;
    }
    switch (mode) {
    case SAPIC_FIXED:
    case SAPIC_LOWEST:
        cpu_post_interrupt(c, vector);
        break;
    case SAPIC_NMI:
        cpu_post_interrupt(c, 2);
        break;
    case SAPIC_EXTINT:
        cpu_post_interrupt(c, 0);
        break;
    case SAPIC_INIT:
        cpu_post_init(c);
        break;
    default: /* PMI goes to firmware, which has nothing to do; the rest is reserved */
        if (log_once("delivery mode", mode))
            log_info("interrupt message with delivery mode %u ignored", mode);
        break;
    }
}

static void deliver_ipi(void *opaque, unsigned id, unsigned eid, bool redirect, unsigned mode,
                        unsigned vector)
{
    (void)redirect;
    deliver(opaque, id, eid, mode, vector);
}

/* --- console and UART --- */

static void transmit(void *opaque, uint8_t byte)
{
    struct board *b = opaque;
    if (b->console != NULL)
        console_put(b->console, byte);
}

static unsigned room(void *opaque)
{
    struct board *b = opaque;
    return tape_replaying(b->machine->config.tape) ? 0 : uart_room(b->uart);
}

static void input(void *opaque, uint8_t byte)
{
    struct board *b = opaque;
    struct machine *m = b->machine;
    if (m->config.deterministic)
        log_debug("console input %#04x at tick %llu", byte, (unsigned long long)m->ticks);
    tape_note(m->config.tape, TRACE_INPUT, m->rounds, &byte, 1);
    uart_receive(b->uart, byte);
}

/* What was typed when the machine was recorded. */
static void replay_input(struct board *b)
{
    struct trace_item then;
    while (tape_take(b->machine->config.tape, TRACE_INPUT, b->machine->rounds, &then))
        for (size_t i = 0; i < then.size; i++)
            uart_receive(b->uart, then.data[i]);
}

static void quit(void *opaque)
{
    struct board *b = opaque;
    b->quit = true;
}

static int open_console(struct board *b, const char *spec, char *why, size_t size)
{
    struct console_handlers handlers = {.opaque = b, .room = room, .input = input, .quit = quit};
    int err = console_open(spec, &b->console, why, size);
    if (err == 0)
        console_set_handlers(b->console, &handlers);
    return err;
}

/* --- PCI --- */

static struct pci_root_config root_config(struct board *b, unsigned n)
{
    struct pci_root_config c = {.bus = n,
                                .io = {{HPVM_PCI_IO(n), HPVM_PCI_IO_SIZE}},
                                .mem32 = HPVM_PCI_MEM(n),
                                .mem32_size = HPVM_PCI_MEM_SIZE(n),
                                .mem64 = HPVM_PCI_MEM64(n),
                                .mem64_size = HPVM_PCI_MEM64_SIZE,
                                .lines = HPVM_PCI_LINES};
    for (unsigned i = 0; i < HPVM_PCI_LINES; i++)
        c.line[i] = iosapic_line(b->iosapic, HPVM_PCI_GSI(n, i) - HPVM_IOSAPIC_GSI);
    if (n == 0) { /* ports of the board are not behind a root */
        c.io[0].count = HPVM_PCI_IO_LEGACY_END;
        c.io[1].port = HPVM_PCI_IO_FIRST;
        c.io[1].count = HPVM_PCI_IO_SIZE - HPVM_PCI_IO_FIRST;
    }
    return c;
}

static int make_pci(struct board *b)
{
    b->pci = pci_new(b->machine->mem, b->ports);
    if (b->pci == NULL)
        return -ENOMEM;
    for (unsigned n = 0; n < HPVM_PCI_ROOTS; n++) {
        struct pci_root_config c = root_config(b, n);
        int err = pci_add_root(b->pci, &c);
        if (err != 0)
            return err;
    }
    return 0;
}

static unsigned pci_gsi(unsigned bus, unsigned line)
{
    return HPVM_PCI_GSI(bus, line);
}

uint64_t board_pci_read(void *machine, unsigned seg, unsigned bus, unsigned devfn, unsigned reg,
                        unsigned size)
{
    struct machine *m = machine;
    uint64_t value = pci_config_read(m->board->pci, seg, bus, devfn, reg, size);
    if (channel_on(CHANNEL_PCI))
        channel_line(CHANNEL_PCI, "read %u %02x:%02x.%u %03x = %" PRIx64, size, bus, devfn >> 3,
                     devfn & 7, reg, value);
    return value;
}

void board_pci_write(void *machine, unsigned seg, unsigned bus, unsigned devfn, unsigned reg,
                     unsigned size, uint64_t value)
{
    struct machine *m = machine;
    if (channel_on(CHANNEL_PCI))
        channel_line(CHANNEL_PCI, "write %u %02x:%02x.%u %03x = %" PRIx64, size, bus, devfn >> 3,
                     devfn & 7, reg, value);
    pci_config_write(m->board->pci, seg, bus, devfn, reg, size, (uint32_t)value);
}

/* --- composition --- */

static int make_devices(struct board *b)
{
    struct machine *m = b->machine;
    b->pib = (struct sapic_block){.opaque = m, .ipi = deliver_ipi};
    b->iosapic = iosapic_new(HPVM_IOSAPIC_PINS, deliver, m);
    b->ports = ioport_new();
    if (b->iosapic == NULL || b->ports == NULL)
        return -ENOMEM;
    struct uart_config uart = {.irq = iosapic_line(b->iosapic, HPVM_UART_GSI - HPVM_IOSAPIC_GSI),
                               .opaque = b,
                               .transmit = transmit};
    struct acpi_pm_config pm = {.sci = iosapic_line(b->iosapic, HPVM_SCI_GSI - HPVM_IOSAPIC_GSI),
                                .opaque = m,
                                .now_ns = machine_now_ns,
                                .power_off = machine_power_off,
                                .reset = machine_reset,
                                .s5_slp_typ = HPVM_S5_SLP_TYP,
                                .reset_value = HPVM_RESET_VALUE,
                                .timer_32bit = true};
    b->uart = uart_new(&uart);
    b->pm = acpi_pm_new(&pm);
    return b->uart != NULL && b->pm != NULL ? 0 : -ENOMEM;
}

static int place_devices(struct board *b)
{
    const struct {
        uint64_t addr, size;
        void *device;
        mem_read_fn *read;
        mem_write_fn *write;
    } ranges[] = {
        {HPVM_IOSAPIC, HPVM_IOSAPIC_SIZE, b->iosapic, iosapic_read, iosapic_write},
        {HPVM_PIB, HPVM_PIB_SIZE, &b->pib, sapic_block_read, sapic_block_write},
        {HPVM_UART, HPVM_UART_SIZE, b->uart, uart_read, uart_write},
        {HPVM_IOPORT, HPVM_IOPORT_SIZE, b->ports, ioport_read, ioport_write},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        int err = mem_add_device(b->machine->mem, ranges[i].addr, ranges[i].size, ranges[i].device,
                                 ranges[i].read, ranges[i].write);
        if (err != 0)
            return err;
    }
    int err = ioport_add(b->ports, HPVM_PM_PORTS, HPVM_PM_SIZE, b->pm, acpi_pm_read, acpi_pm_write);
    if (err == 0)
        err = ioport_add(b->ports, HPVM_RESET_PORT, 1, b->pm, acpi_reset_read, acpi_reset_write);
    return err;
}

static int make_network(struct board *b, char *why, size_t size)
{
    struct machine *m = b->machine;
    why[0] = '\0';
    int err =
        network_new(&m->config, b->pci, m, machine_now_ns, &m->rounds, &b->network, why, size);
    if (err != 0 && why[0] == '\0')
        snprintf(why, size, "the network cannot be set up: %s", strerror(-err));
    return err;
}

/* --- the user at a display --- */

static void key(void *opaque, unsigned usage, bool down)
{
    usb_input_key(((struct board *)opaque)->input, usage, down);
}

static void pointer(void *opaque, int dx, int dy, int wheel, unsigned buttons)
{
    usb_input_pointer(((struct board *)opaque)->input, dx, dy, wheel, buttons);
}

/* The user closes the machine's window: as if its power button were pressed. */
static void window_closed(void *opaque)
{
    board_power_button(opaque);
}

static int make_graphics(struct board *b, char *why, size_t size)
{
    const struct machine_config *config = &b->machine->config;
    struct display_input user = {b, key, pointer, window_closed};
    int err = usb_input_new(config, b->pci, b->machine, machine_now_ns, &b->input, why, size);
    if (err == 0)
        err = graphics_new(config, b->pci, &user, &b->graphics, why, size);
    return err;
}

int board_new(struct machine *m, char *why, size_t size)
{
    struct board *b = calloc(1, sizeof *b);
    if (b == NULL)
        return -ENOMEM;
    m->board = b;
    b->machine = m;
    int err = make_devices(b);
    if (err == 0)
        err = place_devices(b);
    if (err == 0)
        err = make_pci(b);
    if (err != 0) {
        snprintf(why, size, "the board cannot be put together: %s", strerror(-err));
        return err;
    }
    why[0] = '\0';
    err = storage_new(&m->config, b->pci, &b->storage, why, size);
    if (err != 0 && why[0] == '\0')
        snprintf(why, size, "the disks cannot be set up: %s", strerror(-err));
    if (err == 0)
        err = make_network(b, why, size);
    if (err == 0)
        err = make_graphics(b, why, size);
    pci_assign(b->pci, pci_gsi);
    if (err == 0)
        storage_probe(b->storage);
    return err;
}

int board_open_console(struct board *b, char *why, size_t size)
{
    return open_console(b, b->machine->config.console, why, size);
}

void board_free(struct board *b)
{
    if (b == NULL)
        return;
    if (b->console != NULL)
        console_close(b->console);
    acpi_pm_free(b->pm);
    uart_free(b->uart);
    storage_free(b->storage);
    network_free(b->network);
    graphics_free(b->graphics);
    usb_input_free(b->input);
    pci_free(b->pci);
    iosapic_free(b->iosapic);
    ioport_free(b->ports);
    free(b);
}

void board_reset(struct board *b)
{
    iosapic_reset(b->iosapic);
    uart_reset(b->uart);
    acpi_pm_reset(b->pm);
    pci_reset(b->pci);
    pci_assign(b->pci, pci_gsi);
    storage_probe(b->storage);
}

void board_poll_console(struct board *b)
{
    console_poll(b->console);
}

unsigned board_console_fds(struct board *b, struct pollfd *fds)
{
    return console_poll_fds(b->console, fds);
}

void board_poll(struct board *b)
{
    board_poll_console(b);
    replay_input(b);
    storage_poll(b->storage);
    network_poll(b->network);
    graphics_poll(b->graphics);
    usb_input_poll(b->input);
    acpi_pm_poll(b->pm);
}

void board_power_button(struct board *b)
{
    acpi_pm_power_button(b->pm);
}

uint64_t board_due_ns(struct board *b)
{
    uint64_t at = acpi_pm_due_ns(b->pm), now = machine_now_ns(b->machine);
    uint64_t due = at == UINT64_MAX ? UINT64_MAX : at > now ? at - now : 0;
    uint64_t network = network_due_ns(b->network), graphics = graphics_due_ns(b->graphics);
    uint64_t input = usb_input_due_ns(b->input);
    due = network < due ? network : due;
    due = graphics < due ? graphics : due;
    return input < due ? input : due;
}

unsigned board_poll_fds(struct board *b, struct pollfd *fds)
{
    unsigned n = board_console_fds(b, fds);
    int fd = storage_fd(b->storage);
    if (fd >= 0)
        fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
    return n + network_poll_fds(b->network, fds + n, BOARD_MAX_FDS - n);
}

struct storage *board_storage(struct board *b)
{
    return b->storage;
}

struct graphics *board_graphics(struct board *b)
{
    return b->graphics;
}

struct usb_input *board_usb_input(struct board *b)
{
    return b->input;
}

struct network *board_network(struct board *b)
{
    return b->network;
}

bool board_quit_requested(struct board *b)
{
    return b->quit;
}

/* --- saving --- */

static void iosapic_part(struct board *b, struct archive *a)
{
    iosapic_state(b->iosapic, a);
}

static void uart_part(struct board *b, struct archive *a)
{
    uart_state(b->uart, a);
}

static void pm_part(struct board *b, struct archive *a)
{
    acpi_pm_state(b->pm, a);
}

static void pci_part(struct board *b, struct archive *a)
{
    pci_state(b->pci, a);
}

static void console_part(struct board *b, struct archive *a)
{
    console_state(b->console, a);
}

const struct board_part board_parts[] = {
    {"iosapic", 1, iosapic_part}, {"uart", 1, uart_part},       {"acpi-pm", 1, pm_part},
    {"pci", 1, pci_part},         {"console", 1, console_part},
};
const unsigned board_part_count = sizeof board_parts / sizeof board_parts[0];
