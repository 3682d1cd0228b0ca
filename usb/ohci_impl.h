/* What the parts of the OHCI controller share: registers (ohci.c), lists of descriptors
 * (ohci_list.c), the root hub (ohci_hub.c). Private to them. Section numbers are those of the OHCI
 * specification 1.0a. */
#ifndef KITTSON_USB_OHCI_IMPL_H
#define KITTSON_USB_OHCI_IMPL_H

#include "ohci.h"

/* Operational registers by their number (7). */
enum {
    HC_REVISION,
    HC_CONTROL,
    HC_COMMAND_STATUS,
    HC_INTERRUPT_STATUS,
    HC_INTERRUPT_ENABLE,
    HC_INTERRUPT_DISABLE,
    HC_HCCA,
    HC_PERIOD_CURRENT,
    HC_CONTROL_HEAD,
    HC_CONTROL_CURRENT,
    HC_BULK_HEAD,
    HC_BULK_CURRENT,
    HC_DONE_HEAD,
    HC_FM_INTERVAL,
    HC_FM_REMAINING,
    HC_FM_NUMBER,
    HC_PERIODIC_START,
    HC_LS_THRESHOLD,
    HC_RH_DESCRIPTOR_A,
    HC_RH_DESCRIPTOR_B,
    HC_RH_STATUS,
    HC_RH_PORT,
    HC_REGISTERS = HC_RH_PORT + OHCI_PORTS
};

/* HcControl */
#define CTL_PERIODIC    0x004u
#define CTL_ISOCHRONOUS 0x008u
#define CTL_CONTROL     0x010u
#define CTL_BULK        0x020u
#define CTL_STATE       0x0c0u
#define STATE_RESET     0x000u
#define STATE_OPERATION 0x080u
#define STATE_SUSPEND   0x0c0u
#define CTL_ROUTING     0x100u
#define CTL_WAKE        0x200u

/* HcCommandStatus */
#define CMD_RESET        0x1u
#define CMD_CONTROL_FULL 0x2u
#define CMD_BULK_FULL    0x4u
#define CMD_OWNERSHIP    0x8u

/* HcInterruptStatus, -Enable, -Disable */
#define INT_OVERRUN      0x00000001u
#define INT_DONE         0x00000002u
#define INT_FRAME        0x00000004u
#define INT_RESUME       0x00000008u
#define INT_ERROR        0x00000010u
#define INT_FRAME_NUMBER 0x00000020u
#define INT_HUB          0x00000040u
#define INT_OWNERSHIP    0x40000000u
#define INT_ALL          0x4000007fu
#define INT_MASTER       0x80000000u

/* The interrupt delay counter when nobody waits for the done queue (5.2.9). */
#define NO_DELAY 7u

struct ohci {
    struct ohci_config config;
    struct pci_function *function;
    uint32_t reg[HC_REGISTERS];
    uint32_t frame;    /* number of the frame that was begun last; the low 16 bits are HcFmNumber */
    uint64_t frame_ns; /* when it began */
    uint32_t delay;    /* of the done queue, in frames */
    uint32_t ignored;  /* frames in a row in which devices waited in vain */
};

/* ohci.c */
void ohci_raise(struct ohci *o, uint32_t interrupts);
static inline bool ohci_running(const struct ohci *o)
{
    return (o->reg[HC_CONTROL] & CTL_STATE) == STATE_OPERATION &&
           !(o->reg[HC_INTERRUPT_STATUS] & INT_ERROR);
}

/* ohci_list.c: what the lists ask for in this frame. */
void ohci_lists(struct ohci *o);

/* ohci_hub.c */
void ohci_hub_power_on(struct ohci *o); /* all registers of the hub at their first values */
void ohci_hub_bus_reset(struct ohci *o);
void ohci_hub_write(struct ohci *o, unsigned reg, uint32_t value);
/* The device behind an enabled port that has this address, or NULL. */
const struct usb_device *ohci_hub_find(const struct ohci *o, unsigned address);
bool ohci_hub_pending(const struct ohci *o);

#endif
