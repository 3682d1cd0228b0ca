/* What a USB device is to a host controller: somebody who answers packets.
 *
 * A transaction of the bus (USB 1.1 chapter 8) is one call. Data toggles are the controller's only:
 * no packet is ever lost between the two, so devices do not look at them. All calls come from one
 * thread.
 */
#ifndef KITTSON_USB_DEVICE_H
#define KITTSON_USB_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#define USB_PACKET_MAX 64u /* full speed: control, bulk and interrupt */

enum usb_token { USB_SETUP, USB_OUT, USB_IN };

/* Answers that are no data. */
#define USB_NAK    (-1)
#define USB_STALL  (-2)
#define USB_SILENT (-3) /* nothing at all */

struct usb_device {
    void *opaque;
    void (*reset)(void *opaque); /* bus reset: address 0, not configured */
    unsigned (*address)(void *opaque);
    /* IN: fills data, which has room for USB_PACKET_MAX, and returns the number of bytes. SETUP and
     * OUT: takes size bytes and returns size. Or one of the answers above. */
    int (*packet)(void *opaque, enum usb_token token, unsigned endpoint, uint8_t *data,
                  unsigned size);
    /* An interrupt endpoint has something to say. */
    bool (*pending)(void *opaque);
};

#endif
