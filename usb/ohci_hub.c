/* The root hub of the OHCI controller: registers of OHCI 1.0a section 7.4. */
#include "ohci_impl.h"

/* HcRhDescriptorA; no overcurrent protection, ports always powered at first. */
#define A_WRITABLE   0xff001b00u
#define A_SWITCHING  0x00000100u /* each port by itself */
#define A_NO_SWITCH  0x00000200u
#define A_NO_CURRENT 0x00001000u
#define A_FIRST      (0x02000000u | A_NO_CURRENT | A_NO_SWITCH | OHCI_PORTS)

/* HcRhStatus */
#define HUB_POWER_OFF   0x00000001u
#define HUB_WAKE        0x00008000u
#define HUB_POWER_ON    0x00010000u
#define HUB_WAKE_CLEAR  0x80000000u
#define HUB_CURRENT_CHG 0x00020000u

/* HcRhPortStatus as it is read; writing the lower bits are commands. */
#define PORT_CONNECTED 0x00000001u
#define PORT_ENABLED   0x00000002u
#define PORT_SUSPENDED 0x00000004u
#define PORT_POWER     0x00000100u
#define PORT_CHANGES   0x001f0000u
#define CHG_CONNECT    0x00010000u
#define CHG_SUSPEND    0x00040000u
#define CHG_RESET      0x00100000u

#define DO_DISABLE   0x001u
#define DO_ENABLE    0x002u
#define DO_SUSPEND   0x004u
#define DO_RESUME    0x008u
#define DO_RESET     0x010u
#define DO_POWER_ON  0x100u
#define DO_POWER_OFF 0x200u

static uint32_t *port(struct ohci *o, unsigned n)
{
    return &o->reg[HC_RH_PORT + n];
}

static void change(struct ohci *o, unsigned n, uint32_t bits)
{
    *port(o, n) |= bits;
    ohci_raise(o, INT_HUB);
}

static void reset_device(struct ohci *o, unsigned n)
{
    const struct usb_device *d = o->config.port[n];

    if (d != NULL)
        d->reset(d->opaque);
}

/* --- power --- */

static void power(struct ohci *o, unsigned n, bool on)
{
    if (on && !(*port(o, n) & PORT_POWER)) {
        reset_device(o, n);
        *port(o, n) |= PORT_POWER;
        if (o->config.port[n] != NULL) {
            *port(o, n) |= PORT_CONNECTED;
            change(o, n, CHG_CONNECT);
        }
    } else if (!on && (*port(o, n) & PORT_POWER)) {
        *port(o, n) = 0;
        if (o->config.port[n] != NULL)
            change(o, n, CHG_CONNECT);
    }
}

static bool always_powered(const struct ohci *o)
{
    return o->reg[HC_RH_DESCRIPTOR_A] & A_NO_SWITCH;
}

/* Switched by its own register, not with all others (7.4.2). */
static bool by_itself(const struct ohci *o, unsigned n)
{
    return (o->reg[HC_RH_DESCRIPTOR_A] & A_SWITCHING) &&
           (o->reg[HC_RH_DESCRIPTOR_B] >> (17 + n) & 1);
}

static void power_all(struct ohci *o, bool on)
{
    for (unsigned n = 0; n < OHCI_PORTS; n++)
        if (always_powered(o) || !by_itself(o, n))
            power(o, n, on || always_powered(o));
}

/* --- registers --- */

static void write_status(struct ohci *o, uint32_t value)
{
    if (value & HUB_WAKE)
        o->reg[HC_RH_STATUS] |= HUB_WAKE;
    if (value & HUB_WAKE_CLEAR)
        o->reg[HC_RH_STATUS] &= ~HUB_WAKE;
    if (value & HUB_POWER_ON)
        power_all(o, true);
    else if (value & HUB_POWER_OFF)
        power_all(o, false);
}

/* Commands that need a device; without one they only say that there is none (7.4.4). */
static void command(struct ohci *o, unsigned n, uint32_t value)
{
    if (!(*port(o, n) & PORT_CONNECTED)) {
        if (value & (DO_ENABLE | DO_SUSPEND | DO_RESET))
            change(o, n, CHG_CONNECT);
        return;
    }
    if (value & DO_ENABLE)
        *port(o, n) |= PORT_ENABLED;
    if (value & DO_SUSPEND)
        *port(o, n) |= PORT_SUSPENDED;
    if ((value & DO_RESUME) && (*port(o, n) & PORT_SUSPENDED)) {
        *port(o, n) &= ~PORT_SUSPENDED;
        change(o, n, CHG_SUSPEND);
    }
    if (value & DO_RESET) {
        reset_device(o, n);
        *port(o, n) = (*port(o, n) & ~PORT_SUSPENDED) | PORT_ENABLED;
        change(o, n, CHG_RESET);
    }
}

static void write_port(struct ohci *o, unsigned n, uint32_t value)
{
    *port(o, n) &= ~(value & PORT_CHANGES);
    if (value & DO_DISABLE)
        *port(o, n) &= ~(PORT_ENABLED | PORT_SUSPENDED);
    command(o, n, value);
    if (!always_powered(o) && by_itself(o, n) && (value & (DO_POWER_ON | DO_POWER_OFF)))
        power(o, n, value & DO_POWER_ON);
}

void ohci_hub_write(struct ohci *o, unsigned reg, uint32_t value)
{
    switch (reg) {
    case HC_RH_DESCRIPTOR_A:
        o->reg[reg] = (o->reg[reg] & ~A_WRITABLE) | (value & A_WRITABLE);
        if (always_powered(o))
            power_all(o, true);
        break;
    case HC_RH_DESCRIPTOR_B:
        o->reg[reg] = value & (((2u << OHCI_PORTS) - 2) * 0x10001u);
        break;
    case HC_RH_STATUS:
        write_status(o, value);
        break;
    default:
        write_port(o, reg - HC_RH_PORT, value);
        break;
    }
}

void ohci_hub_power_on(struct ohci *o)
{
    o->reg[HC_RH_DESCRIPTOR_A] = A_FIRST;
    o->reg[HC_RH_DESCRIPTOR_B] = 0;
    o->reg[HC_RH_STATUS] = 0;
    for (unsigned n = 0; n < OHCI_PORTS; n++) {
        *port(o, n) = 0;
        power(o, n, true);
    }
}

/* The state USBRESET: every device hears the reset, ports are disabled (6.2.2). */
void ohci_hub_bus_reset(struct ohci *o)
{
    for (unsigned n = 0; n < OHCI_PORTS; n++) {
        reset_device(o, n);
        *port(o, n) &= ~(PORT_ENABLED | PORT_SUSPENDED);
    }
}

/* --- devices --- */

static bool reachable(const struct ohci *o, unsigned n)
{
    return (o->reg[HC_RH_PORT + n] & (PORT_ENABLED | PORT_SUSPENDED)) == PORT_ENABLED;
}

const struct usb_device *ohci_hub_find(const struct ohci *o, unsigned address)
{
    for (unsigned n = 0; n < OHCI_PORTS; n++) {
        const struct usb_device *d = o->config.port[n];
        if (d != NULL && reachable(o, n) && d->address(d->opaque) == address)
            return d;
    }
    return NULL;
}

bool ohci_hub_pending(const struct ohci *o)
{
    for (unsigned n = 0; n < OHCI_PORTS; n++) {
        const struct usb_device *d = o->config.port[n];
        if (d != NULL && reachable(o, n) && d->pending(d->opaque))
            return true;
    }
    return false;
}
