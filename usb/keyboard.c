/* See keyboard.h. */
#include "keyboard.h"
#include "archive.h"
#include "hid.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_KEY      0x04u
#define LAST_KEY       0xddu
#define FIRST_MODIFIER 0xe0u
#define LAST_MODIFIER  0xe7u
#define ROLL_OVER      0x01u /* all six places: more keys are down than that */
#define PLACES         6u

struct usb_keyboard {
    struct usb_hid hid;
    bool down[256];
};

/* Eight modifiers, a byte, five lights, six keys: HID 1.11 appendix B.1, with all keys of the page.
 */
static const uint8_t descriptor[] = {
    0x05, 0x01,     0x09, 0x06, 0xa1, 0x01,             /* generic desktop, keyboard, application */
    0x05, 0x07,     0x19, 0xe0, 0x29, 0xe7, 0x15, 0x00, /* keys e0 to e7, 0 or 1 */
    0x25, 0x01,     0x75, 0x01, 0x95, 0x08, 0x81, 0x02, /* eight bits: variables */
    0x95, 0x01,     0x75, 0x08, 0x81, 0x01,             /* a constant byte */
    0x95, 0x05,     0x75, 0x01, 0x05, 0x08, 0x19, 0x01, /* five lights */
    0x29, 0x05,     0x91, 0x02, 0x95, 0x01, 0x75, 0x03, /* and three constant bits */
    0x91, 0x01,     0x95, 0x06, 0x75, 0x08, 0x15, 0x00, /* six bytes: */
    0x26, LAST_KEY, 0x00, 0x05, 0x07, 0x19, 0x00,       /* keys 0 to dd */
    0x29, LAST_KEY, 0x81, 0x00, 0xc0,                   /* array */
};

static const struct usb_hid_kind kind = {.vendor = 0x03f0,
                                         .product = 0x0024,
                                         .name = "Keyboard",
                                         .boot_protocol = 1,
                                         .report_size = 8,
                                         .boot_size = 8,
                                         .interval = 8,
                                         .descriptor = descriptor,
                                         .descriptor_size = sizeof descriptor};

struct usb_keyboard *usb_keyboard_new(void)
{
    struct usb_keyboard *kb = calloc(1, sizeof *kb);

    if (kb != NULL)
        usb_hid_init(&kb->hid, &kind);
    return kb;
}

void usb_keyboard_free(struct usb_keyboard *kb)
{
    free(kb);
}

struct usb_device usb_keyboard_device(struct usb_keyboard *kb)
{
    return usb_hid_device(&kb->hid);
}

static void make_report(const struct usb_keyboard *kb, uint8_t *report)
{
    unsigned n = 0;

    memset(report, 0, HID_REPORT_MAX);
    for (unsigned i = FIRST_MODIFIER; i <= LAST_MODIFIER; i++)
        report[0] |= (uint8_t)(kb->down[i] << (i - FIRST_MODIFIER));
    for (unsigned i = FIRST_KEY; i <= LAST_KEY; i++) {
        if (!kb->down[i])
            continue;
        if (n == PLACES) {
            memset(report + 2, ROLL_OVER, PLACES);
            return;
        }
        report[2 + n++] = (uint8_t)i;
    }
}

void usb_keyboard_key(struct usb_keyboard *kb, unsigned usage, bool down)
{
    uint8_t report[HID_REPORT_MAX];
    bool known = (usage >= FIRST_KEY && usage <= LAST_KEY) ||
                 (usage >= FIRST_MODIFIER && usage <= LAST_MODIFIER);

    if (!known || kb->down[usage] == down)
        return;
    kb->down[usage] = down;
    make_report(kb, report);
    usb_hid_report(&kb->hid, report);
}

bool usb_keyboard_used(const struct usb_keyboard *kb)
{
    return usb_hid_used(&kb->hid);
}

unsigned usb_keyboard_room(const struct usb_keyboard *kb)
{
    return usb_hid_room(&kb->hid);
}

unsigned usb_keyboard_lights(const struct usb_keyboard *kb)
{
    return kb->hid.output;
}

void usb_keyboard_state(struct usb_keyboard *kb, struct archive *s)
{
    usb_hid_state(&kb->hid, s);
    archive_truth(s, kb->down, sizeof kb->down / sizeof kb->down[0]);
}
