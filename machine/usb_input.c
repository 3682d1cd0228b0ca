/* See usb_input.h. */
#include "usb_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "archive.h"
#include "hpvm_map.h"
#include "keyboard.h"
#include "keys.h"
#include "mouse.h"
#include "ohci.h"

struct usb_input {
    struct ohci *controller;
    struct usb_keyboard *keyboard;
    struct usb_mouse *mouse;
    struct usb_device port[2];
    void *opaque;
    uint64_t (*now_ns)(void *opaque);
};

/* --- making --- */

static int make_controller(struct usb_input *in, struct pci *pci)
{
    struct ohci_config c = {.pci = pci,
                            .bus = HPVM_USB_BUS,
                            .device = HPVM_USB_SLOT,
                            .opaque = in->opaque,
                            .now_ns = in->now_ns,
                            .port = {&in->port[0], &in->port[1]}};
    int err;

    in->port[0] = usb_keyboard_device(in->keyboard);
    in->port[1] = usb_mouse_device(in->mouse);
    in->controller = ohci_new(&c, &err);
    return err;
}

int usb_input_new(const struct machine_config *config, struct pci *pci, void *opaque,
                  uint64_t (*now_ns)(void *opaque), struct usb_input **out, char *why, size_t size)
{
    struct usb_input *in;
    int err = -ENOMEM;

    if (config->display == NULL)
        return 0;
    in = calloc(1, sizeof *in);
    if (in == NULL)
        return -ENOMEM;
    *out = in;
    in->opaque = opaque;
    in->now_ns = now_ns;
    in->keyboard = usb_keyboard_new();
    in->mouse = usb_mouse_new();
    if (in->keyboard != NULL && in->mouse != NULL)
        err = make_controller(in, pci);
    if (err != 0)
        snprintf(why, size, "keyboard and mouse cannot be set up: %s", strerror(-err));
    return err;
}

void usb_input_free(struct usb_input *in)
{
    if (in == NULL)
        return;
    ohci_free(in->controller);
    usb_keyboard_free(in->keyboard);
    usb_mouse_free(in->mouse);
    free(in);
}

void usb_input_poll(struct usb_input *in)
{
    if (in != NULL)
        ohci_poll(in->controller);
}

uint64_t usb_input_due_ns(const struct usb_input *in)
{
    uint64_t due = in != NULL ? ohci_due_ns(in->controller) : UINT64_MAX, now;

    if (due == UINT64_MAX)
        return due;
    now = in->now_ns(in->opaque);
    return due > now ? due - now : 0;
}

void usb_input_state(struct usb_input *in, struct archive *a)
{
    if (in == NULL)
        return;
    ohci_state(in->controller, a);
    usb_keyboard_state(in->keyboard, a);
    usb_mouse_state(in->mouse, a);
}

/* --- a window --- */

void usb_input_key(struct usb_input *in, unsigned usage, bool down)
{
    if (in != NULL)
        usb_keyboard_key(in->keyboard, usage, down);
}

void usb_input_pointer(struct usb_input *in, int dx, int dy, int wheel, unsigned buttons)
{
    if (in != NULL)
        usb_mouse_event(in->mouse, dx, dy, wheel, buttons);
}

/* --- the monitor --- */

static void press(struct usb_input *in, const unsigned *usages, int count)
{
    for (int i = 0; i < count; i++)
        usb_keyboard_key(in->keyboard, usages[i], true);
    for (int i = count; i-- > 0;)
        usb_keyboard_key(in->keyboard, usages[i], false);
}

static int refuse(int err, const char *text, char *why, size_t size)
{
    snprintf(why, size, "%s", text);
    return err;
}

static int may_type(const struct usb_input *in, size_t changes, char *why, size_t size)
{
    if (in == NULL)
        return refuse(-ENODEV, "the machine has no keyboard (--display)", why, size);
    if (!usb_keyboard_used(in->keyboard))
        return refuse(-EAGAIN, "the guest does not use the keyboard yet", why, size);
    if (changes > usb_keyboard_room(in->keyboard))
        return refuse(-EBUSY, "the guest has not yet read what was typed before", why, size);
    return 0;
}

int usb_input_send_keys(struct usb_input *in, const char *keys, char *why, size_t size)
{
    unsigned usages[KEYS_TOGETHER];
    int count = keys_parse(keys, usages, why, size);
    int err = count < 0 ? count : may_type(in, 2 * (size_t)count, why, size);

    if (err == 0)
        press(in, usages, count);
    return err;
}

int usb_input_type(struct usb_input *in, const char *text, char *why, size_t size)
{
    unsigned usages[KEYS_TOGETHER];
    size_t changes = 0;
    int err;

    for (const char *p = text; *p != '\0'; p++) {
        int count = keys_for_character((unsigned char)*p, usages);
        if (count == 0)
            return refuse(-EINVAL, "type: a character is not on a US keyboard", why, size);
        changes += 2 * (size_t)count;
    }
    err = may_type(in, changes, why, size);
    for (const char *p = text; err == 0 && *p != '\0'; p++)
        press(in, usages, keys_for_character((unsigned char)*p, usages));
    return err;
}
