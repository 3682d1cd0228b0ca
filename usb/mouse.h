/* A USB mouse with three buttons and a wheel: HID boot protocol, full speed. */
#ifndef KITTSON_USB_MOUSE_H
#define KITTSON_USB_MOUSE_H

#include "device.h"

struct usb_mouse;

struct usb_mouse *usb_mouse_new(void); /* NULL: no memory */
void usb_mouse_free(struct usb_mouse *m);
struct usb_device usb_mouse_device(struct usb_mouse *m);

/* By so many counts to the right and down; wheel: clicks away from the user; buttons that are down:
 * bit 0 left, 1 right, 2 middle. */
void usb_mouse_event(struct usb_mouse *m, int dx, int dy, int wheel, unsigned buttons);
/* The host has configured it. */
bool usb_mouse_used(const struct usb_mouse *m);

/* Saves or restores it (utils/archive.h). Version 1. */
struct archive;
void usb_mouse_state(struct usb_mouse *m, struct archive *s);

#endif
