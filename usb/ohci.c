/* Registers, frames and interrupts of the OHCI controller. See ohci.h. */
#include "ohci_impl.h"
#include "archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REGISTERS     0x1000u
#define FRAME_NS      1000000u
#define FRAME_BITS    12000u
#define FM_FIRST      0x2edfu
#define LS_FIRST      0x628u
#define HCCA_FRAME    0x80u
#define HCCA_DONE     0x84u
#define CATCH_UP      32u /* frames gone through after a pause: each periodic list once */
#define IGNORED_MANY  64u
#define IGNORED_SLEEP 64u /* frames between looks when nobody asks the devices */

/* --- interrupts --- */

static void update_line(struct ohci *o)
{
    uint32_t enable = o->reg[HC_INTERRUPT_ENABLE];

    pci_set_irq(o->function,
                (enable & INT_MASTER) && (o->reg[HC_INTERRUPT_STATUS] & enable & INT_ALL) != 0);
}

void ohci_raise(struct ohci *o, uint32_t interrupts)
{
    o->reg[HC_INTERRUPT_STATUS] |= interrupts;
    update_line(o);
}

static bool wanted(const struct ohci *o, uint32_t interrupt)
{
    uint32_t enable = o->reg[HC_INTERRUPT_ENABLE];

    return (enable & INT_MASTER) && (enable & interrupt) &&
           !(o->reg[HC_INTERRUPT_STATUS] & interrupt);
}

/* --- frames --- */

/* HcFmNumber and a word of zeros (4.4.2). */
static void write_frame_number(struct ohci *o)
{
    uint32_t number = o->frame & 0xffff;

    if (pci_dma_write(o->function, o->reg[HC_HCCA] + HCCA_FRAME, &number, sizeof number) != 0)
        ohci_raise(o, INT_ERROR);
}

/* Hands the done queue over when its time has come and the guest has taken the last one (6.5.2). */
static void write_done_head(struct ohci *o)
{
    uint32_t head = o->reg[HC_DONE_HEAD];
    uint32_t others = o->reg[HC_INTERRUPT_STATUS] & o->reg[HC_INTERRUPT_ENABLE] & INT_ALL;

    if (o->delay != NO_DELAY && o->delay > 0) {
        o->delay--;
        return;
    }
    if (head == 0 || o->delay == NO_DELAY || (o->reg[HC_INTERRUPT_STATUS] & INT_DONE))
        return;
    head |= others != 0;
    if (pci_dma_write(o->function, o->reg[HC_HCCA] + HCCA_DONE, &head, sizeof head) != 0) {
        ohci_raise(o, INT_ERROR);
        return;
    }
    o->reg[HC_DONE_HEAD] = 0;
    o->delay = NO_DELAY;
    ohci_raise(o, INT_DONE);
}

static void frame(struct ohci *o)
{
    o->ignored = ohci_hub_pending(o) ? o->ignored + 1 : 0;
    ohci_lists(o);
    if (ohci_running(o))
        write_done_head(o);
}

/* The frames that have begun since the last look. */
static void catch_up(struct ohci *o)
{
    uint64_t now = o->config.now_ns(o->config.opaque), begun;
    uint32_t before = o->frame;

    if (!ohci_running(o) || now < o->frame_ns + FRAME_NS)
        return;
    begun = (now - o->frame_ns) / FRAME_NS;
    o->frame_ns += begun * FRAME_NS;
    o->frame += (uint32_t)begun;
    begun = begun < CATCH_UP ? begun : CATCH_UP;
    write_frame_number(o);
    ohci_raise(o, INT_FRAME);
    if ((before ^ o->frame) & 0x8000)
        ohci_raise(o, INT_FRAME_NUMBER);
    o->frame -= (uint32_t)begun;
    for (; begun > 0; begun--) {
        o->frame++;
        if (ohci_running(o))
            frame(o);
    }
}

/* Frames to wait from the last one; 0: none is waited for. */
static uint32_t frames_wanted(const struct ohci *o)
{
    uint32_t control = o->reg[HC_CONTROL], command = o->reg[HC_COMMAND_STATUS];

    if (wanted(o, INT_FRAME))
        return 1;
    if ((control & CTL_CONTROL) &&
        ((command & CMD_CONTROL_FULL) || o->reg[HC_CONTROL_CURRENT] != 0))
        return 1;
    if ((control & CTL_BULK) && ((command & CMD_BULK_FULL) || o->reg[HC_BULK_CURRENT] != 0))
        return 1;
    if (o->reg[HC_DONE_HEAD] != 0 && o->delay != NO_DELAY && wanted(o, INT_DONE))
        return 1;
    if ((control & CTL_PERIODIC) && ohci_hub_pending(o))
        return o->ignored < IGNORED_MANY ? 1 : IGNORED_SLEEP;
    return wanted(o, INT_FRAME_NUMBER) ? 0x8000 - (o->frame & 0x7fff) : 0;
}

void ohci_poll(struct ohci *o)
{
    catch_up(o);
}

uint64_t ohci_due_ns(const struct ohci *o)
{
    uint32_t frames = ohci_running(o) ? frames_wanted(o) : 0;

    return frames == 0 ? UINT64_MAX : o->frame_ns + (uint64_t)frames * FRAME_NS;
}

/* --- reset and states --- */

static void first_values(struct ohci *o)
{
    memset(o->reg, 0, HC_RH_DESCRIPTOR_A * sizeof o->reg[0]);
    o->reg[HC_REVISION] = 0x10;
    o->reg[HC_FM_INTERVAL] = FM_FIRST;
    o->reg[HC_LS_THRESHOLD] = LS_FIRST;
    o->frame = 0;
    o->delay = NO_DELAY;
    o->ignored = 0;
}

/* HostControllerReset: not the root hub, not routing and wake-up (7.1.2, 7.1.3). */
static void reset_controller(struct ohci *o)
{
    uint32_t kept = o->reg[HC_CONTROL] & (CTL_ROUTING | CTL_WAKE);

    first_values(o);
    o->reg[HC_CONTROL] = STATE_SUSPEND | kept;
    update_line(o);
}

static void bus_reset(void *opaque)
{
    struct ohci *o = opaque;

    first_values(o);
    ohci_hub_power_on(o);
    o->reg[HC_INTERRUPT_STATUS] = 0;
    update_line(o);
}

static void write_control(struct ohci *o, uint32_t value)
{
    uint32_t before = o->reg[HC_CONTROL] & CTL_STATE, now = value & CTL_STATE;

    o->reg[HC_CONTROL] = value & 0x7ff;
    if (before == now)
        return;
    if (now == STATE_RESET)
        ohci_hub_bus_reset(o);
    if (now == STATE_OPERATION)
        o->frame_ns = o->config.now_ns(o->config.opaque);
}

static void write_command(struct ohci *o, uint32_t value)
{
    if (value & CMD_RESET) {
        reset_controller(o);
        return;
    }
    o->reg[HC_COMMAND_STATUS] |= value & (CMD_CONTROL_FULL | CMD_BULK_FULL);
    if (value & CMD_OWNERSHIP)
        ohci_raise(o, INT_OWNERSHIP);
}

/* --- registers --- */

static const uint32_t writable[HC_RH_DESCRIPTOR_A] = {
    [HC_HCCA] = 0xffffff00,       [HC_CONTROL_HEAD] = 0xfffffff0, [HC_CONTROL_CURRENT] = 0xfffffff0,
    [HC_BULK_HEAD] = 0xfffffff0,  [HC_BULK_CURRENT] = 0xfffffff0, [HC_FM_INTERVAL] = 0xffff3fff,
    [HC_PERIODIC_START] = 0x3fff, [HC_LS_THRESHOLD] = 0xfff,
};

static void write_plain(struct ohci *o, unsigned n, uint32_t value)
{
    if (writable[n] != 0)
        o->reg[n] = value & writable[n];
}

static void register_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct ohci *o = opaque;
    unsigned n = (unsigned)offset / 4;

    if (size != 4 || offset % 4 != 0 || n >= HC_REGISTERS)
        return;
    catch_up(o);
    switch (n) {
    case HC_CONTROL:
        write_control(o, (uint32_t)value);
        break;
    case HC_COMMAND_STATUS:
        write_command(o, (uint32_t)value);
        break;
    case HC_INTERRUPT_STATUS:
        o->reg[n] &= ~(uint32_t)value;
        break;
    case HC_INTERRUPT_ENABLE:
        o->reg[n] |= (uint32_t)value & (INT_ALL | INT_MASTER);
        break;
    case HC_INTERRUPT_DISABLE:
        o->reg[HC_INTERRUPT_ENABLE] &= ~(uint32_t)value;
        break;
    default:
        if (n >= HC_RH_DESCRIPTOR_A)
            ohci_hub_write(o, n, (uint32_t)value);
        else
            write_plain(o, n, (uint32_t)value);
        break;
    }
    update_line(o);
}

/* Bits of the frame that are left, with the toggle of HcFmInterval. */
static uint32_t remaining(const struct ohci *o)
{
    uint64_t passed = o->config.now_ns(o->config.opaque) - o->frame_ns;
    uint32_t bits = (uint32_t)(passed % FRAME_NS * FRAME_BITS / FRAME_NS);

    return (o->reg[HC_FM_INTERVAL] & 0x80000000u) |
           (ohci_running(o) ? (FRAME_BITS - 1 - bits) & 0x3fff : 0);
}

static uint64_t register_read(void *opaque, uint64_t offset, unsigned size)
{
    struct ohci *o = opaque;
    unsigned n = (unsigned)offset / 4;

    if (size != 4 || offset % 4 != 0 || n >= HC_REGISTERS)
        return 0;
    catch_up(o);
    switch (n) {
    case HC_INTERRUPT_DISABLE:
        return o->reg[HC_INTERRUPT_ENABLE];
    case HC_FM_NUMBER:
        return o->frame & 0xffff;
    case HC_FM_REMAINING:
        return remaining(o);
    default:
        return o->reg[n];
    }
}

/* --- making --- */

static int add_function(struct ohci *o)
{
    struct pci_function_config f = {.vendor = 0x1033,
                                    .device = 0x0035,
                                    .subsystem_vendor = 0x1033,
                                    .subsystem = 0x0035,
                                    .class_code = 0x0c0310,
                                    .revision = 0x43,
                                    .pin = 1,
                                    .min_grant = 1,
                                    .max_latency = 0x2a,
                                    .opaque = o,
                                    .reset = bus_reset};

    f.bar[0] = (struct pci_bar){
        .kind = PCI_BAR_MEM32, .size = REGISTERS, .read = register_read, .write = register_write};
    return pci_add(o->config.pci, o->config.bus, o->config.device, 0, &f, &o->function);
}

struct ohci *ohci_new(const struct ohci_config *config, int *err)
{
    struct ohci *o = calloc(1, sizeof *o);

    *err = -ENOMEM;
    if (o == NULL)
        return NULL;
    o->config = *config;
    *err = add_function(o);
    if (*err != 0) {
        free(o);
        return NULL;
    }
    bus_reset(o);
    return o;
}

void ohci_free(struct ohci *o)
{
    free(o);
}

void ohci_state(struct ohci *o, struct archive *s)
{
    static const struct archive_field fields[] = {
        ARCHIVE_FIELD(struct ohci, reg),
        ARCHIVE_FIELD(struct ohci, frame),
        ARCHIVE_FIELD(struct ohci, frame_ns),
        ARCHIVE_FIELD(struct ohci, ignored),
    };

    archive_fields(s, o, fields, sizeof fields / sizeof fields[0]);
    o->delay = (uint32_t)archive_number(s, o->delay, NO_DELAY, "a USB controller's delay");
    if (archive_check(s, !(o->reg[HC_HCCA] & 0xff) && !(o->reg[HC_CONTROL] & ~0x7ffu),
                      "a USB controller's registers"))
        return;
    first_values(o);
}
