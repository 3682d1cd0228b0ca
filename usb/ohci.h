/* A USB host controller: OHCI as PCI function 1033:0035 (NEC), the one of HP's boards, with three
 * ports on its root hub.
 *
 * Behaviour is that of the Open Host Controller Interface specification 1.0a. Frames take 1 ms
 * whatever HcFmInterval says. All that is to be done in a frame is done at its start: one
 * transaction per periodic endpoint, a bounded number on the control and bulk lists. Frames without
 * anything to do pass without anybody being woken. A port's reset and resume end at once. There are
 * no isochronous devices, no power switching current limits, no system management interrupt. All
 * calls come from one thread.
 */
#ifndef KITTSON_USB_OHCI_H
#define KITTSON_USB_OHCI_H

#include "device.h"
#include "pci.h"

#define OHCI_PORTS 3u

struct ohci;

struct ohci_config {
    struct pci *pci;
    unsigned bus, device;
    void *opaque;
    uint64_t (*now_ns)(void *opaque);
    const struct usb_device *port[OHCI_PORTS]; /* or NULL; must outlive the controller */
};

/* NULL, and a negative errno in *err, when there is no such place or it is taken. */
struct ohci *ohci_new(const struct ohci_config *config, int *err);
void ohci_free(struct ohci *o);

/* Goes through the frames that have begun; due_ns: when that is wanted next, UINT64_MAX never. */
void ohci_poll(struct ohci *o);
uint64_t ohci_due_ns(const struct ohci *o);

/* Saves or restores all but the devices (utils/archive.h). Version 1. */
struct archive;
void ohci_state(struct ohci *o, struct archive *s);

#endif
