/* USB controller, keyboard and mouse of a machine with a display, and the ways to them: the window
 * and the monitor. Private to machine/. */
#ifndef KITTSON_MACHINE_USB_INPUT_H
#define KITTSON_MACHINE_USB_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "machine.h"
#include "pci.h"

struct archive;
struct usb_input;

/* Nothing (*out stays NULL) unless the configuration has a display. 0, or a negative errno with one
 * sentence in why; *out may then be set and is to be freed. The others take NULL. */
int usb_input_new(const struct machine_config *config, struct pci *pci, void *opaque,
                  uint64_t (*now_ns)(void *opaque), struct usb_input **out, char *why, size_t size);
void usb_input_free(struct usb_input *in);
void usb_input_poll(struct usb_input *in);
/* Nanoseconds of machine time until usb_input_poll is wanted, UINT64_MAX when not. */
uint64_t usb_input_due_ns(const struct usb_input *in);
void usb_input_state(struct usb_input *in, struct archive *a);

/* What a user does at a window: display.h's struct display_input. */
void usb_input_key(struct usb_input *in, unsigned usage, bool down);
void usb_input_pointer(struct usb_input *in, int dx, int dy, int wheel, unsigned buttons);

/* Presses keys together, or types a text on a US keyboard. 0, or a negative errno with one sentence
 * in why: then nothing is pressed. */
int usb_input_send_keys(struct usb_input *in, const char *keys, char *why, size_t size);
int usb_input_type(struct usb_input *in, const char *text, char *why, size_t size);

#endif
