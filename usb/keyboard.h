/* A USB keyboard: HID boot protocol, full speed.
 *
 * Keys are usages of HID's keyboard page (HID Usage Tables, page 7): 04 is A, e0 to e7 are the
 * modifiers. Knows neither layouts nor names of keys.
 */
#ifndef KITTSON_USB_KEYBOARD_H
#define KITTSON_USB_KEYBOARD_H

#include "device.h"

struct usb_keyboard;

struct usb_keyboard *usb_keyboard_new(void); /* NULL: no memory */
void usb_keyboard_free(struct usb_keyboard *kb);
struct usb_device usb_keyboard_device(struct usb_keyboard *kb);

/* A key goes down or up; nothing happens if it already is, or there is no such key. */
void usb_keyboard_key(struct usb_keyboard *kb, unsigned usage, bool down);
/* The host has configured it and will fetch what is typed. */
bool usb_keyboard_used(const struct usb_keyboard *kb);
/* For so many changes there is room until the host fetches some. */
unsigned usb_keyboard_room(const struct usb_keyboard *kb);
/* Lights: bit 0 Num Lock, 1 Caps Lock, 2 Scroll Lock. */
unsigned usb_keyboard_lights(const struct usb_keyboard *kb);

/* Saves or restores it (utils/archive.h). Version 1. */
struct archive;
void usb_keyboard_state(struct usb_keyboard *kb, struct archive *s);

#endif
