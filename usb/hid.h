/* The part of a human interface device that all of them share: endpoint 0 with the requests of USB
 * 1.1 chapter 9 and HID 1.11 chapter 7, and a queue of reports for interrupt endpoint 1.
 *
 * Knows no keys: keyboard.c and mouse.c make the reports. Reports are sent when something changes;
 * the idle rate a host sets is kept, but unchanged reports are not repeated. No remote wake-up.
 */
#ifndef KITTSON_USB_HID_H
#define KITTSON_USB_HID_H

#include <stddef.h>
#include "device.h"

#define HID_REPORT_MAX 8u
#define HID_QUEUE      2048u /* reports */
#define HID_DATA_MAX   256u  /* of a control transfer */

struct usb_hid_kind {
    uint16_t vendor, product;
    const char *name;          /* ASCII, the product string */
    uint8_t boot_protocol;     /* of the interface: 1 keyboard, 2 mouse */
    uint8_t report_size;       /* of an input report, at most HID_REPORT_MAX */
    uint8_t boot_size;         /* the same in the boot protocol */
    uint8_t interval;          /* ms between looks at the interrupt endpoint */
    const uint8_t *descriptor; /* report descriptor */
    uint8_t descriptor_size;
};

/* Private to this room. */
struct usb_hid {
    const struct usb_hid_kind *kind;
    uint8_t address, next_address, configuration, idle, protocol;
    bool halted;                  /* endpoint 1 */
    uint8_t output;               /* last output report: a keyboard's lights */
    uint8_t setup[8];             /* the transfer in progress on endpoint 0 */
    bool stalled;                 /* it is refused */
    uint8_t data[HID_DATA_MAX];   /* its data, */
    uint16_t length, at;          /* so many bytes, and so many done */
    uint8_t last[HID_REPORT_MAX]; /* newest report: the present state */
    uint8_t queue[HID_QUEUE][HID_REPORT_MAX];
    uint32_t first, count;
};

void usb_hid_init(struct usb_hid *h, const struct usb_hid_kind *kind);
void usb_hid_reset(struct usb_hid *h);
struct usb_device usb_hid_device(struct usb_hid *h);
/* Makes this the present state and queues it. Without a host that has configured the device nothing
 * is queued; with a full queue it takes the place of the newest report. */
void usb_hid_report(struct usb_hid *h, const uint8_t *report);
/* The newest report that has not been fetched, or NULL. */
uint8_t *usb_hid_newest(struct usb_hid *h);
static inline bool usb_hid_used(const struct usb_hid *h)
{
    return h->configuration != 0;
}
static inline unsigned usb_hid_room(const struct usb_hid *h)
{
    return HID_QUEUE - h->count;
}

/* Saves or restores it (utils/archive.h). Version 1. */
struct archive;
void usb_hid_state(struct usb_hid *h, struct archive *s);

#endif
