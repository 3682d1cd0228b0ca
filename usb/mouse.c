/* See mouse.h. */
#include "mouse.h"
#include "hid.h"

#include <stdlib.h>
#include <string.h>

#define BUTTONS 7u
#define STEP    127  /* the most that a report can say */
#define FAR     4096 /* the most of one call: nobody's screen is larger */

enum { REPORT_BUTTONS, REPORT_X, REPORT_Y, REPORT_WHEEL };

struct usb_mouse {
    struct usb_hid hid;
};

/* Buttons, x, y as in HID 1.11 appendix B.2; then the wheel. */
static const uint8_t descriptor[] = {
    0x05, 0x01, 0x09, 0x02, 0xa1, 0x01, 0x09, 0x01, /* generic desktop, mouse, application */
    0xa1, 0x00, 0x05, 0x09, 0x19, 0x01, 0x29, 0x03, /* pointer, physical; buttons 1 to 3 */
    0x15, 0x00, 0x25, 0x01, 0x95, 0x03, 0x75, 0x01, /* three bits: */
    0x81, 0x02, 0x95, 0x01, 0x75, 0x05, 0x81, 0x01, /* variables; five constant bits */
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x09, 0x38, /* x, y, wheel */
    0x15, 0x81, 0x25, 0x7f, 0x75, 0x08, 0x95, 0x03, /* -127 to 127, a byte each: */
    0x81, 0x06, 0xc0, 0xc0,                         /* relative variables */
};

static const struct usb_hid_kind kind = {.vendor = 0x046d,
                                         .product = 0xc00e,
                                         .name = "Mouse",
                                         .boot_protocol = 2,
                                         .report_size = 4,
                                         .boot_size = 3,
                                         .interval = 8,
                                         .descriptor = descriptor,
                                         .descriptor_size = sizeof descriptor};

struct usb_mouse *usb_mouse_new(void)
{
    struct usb_mouse *m = calloc(1, sizeof *m);

    if (m != NULL)
        usb_hid_init(&m->hid, &kind);
    return m;
}

void usb_mouse_free(struct usb_mouse *m)
{
    free(m);
}

struct usb_device usb_mouse_device(struct usb_mouse *m)
{
    return usb_hid_device(&m->hid);
}

static bool add(uint8_t *a, int b)
{
    int sum = (int8_t)*a + b;

    if (sum < -STEP || sum > STEP)
        return false;
    *a = (uint8_t)sum;
    return true;
}

/* Into the newest report that still waits, if its buttons are the present ones and it fits. */
static bool join(struct usb_mouse *m, int dx, int dy, int clicks)
{
    uint8_t *newest = usb_hid_newest(&m->hid), report[HID_REPORT_MAX];

    if (newest == NULL || newest[REPORT_BUTTONS] != m->hid.last[REPORT_BUTTONS])
        return false;
    memcpy(report, newest, sizeof report);
    if (!add(&report[REPORT_X], dx) || !add(&report[REPORT_Y], dy) ||
        !add(&report[REPORT_WHEEL], clicks))
        return false;
    memcpy(newest, report, sizeof report);
    return true;
}

static int step(int *left)
{
    int n = *left < -STEP ? -STEP : *left > STEP ? STEP : *left;

    *left -= n;
    return n;
}

static int near(int n)
{
    return n < -FAR ? -FAR : n > FAR ? FAR : n;
}

static void button(struct usb_mouse *m, unsigned buttons)
{
    uint8_t report[HID_REPORT_MAX] = {(uint8_t)(buttons & BUTTONS)};

    if (report[REPORT_BUTTONS] != m->hid.last[REPORT_BUTTONS])
        usb_hid_report(&m->hid, report);
}

/* Movement that the host does not fetch is lost when the queue is full; buttons are not. */
void usb_mouse_event(struct usb_mouse *m, int dx, int dy, int wheel, unsigned buttons)
{
    button(m, buttons);
    dx = near(dx);
    dy = near(dy);
    wheel = near(wheel);
    while (dx != 0 || dy != 0 || wheel != 0) {
        int x = step(&dx), y = step(&dy), w = step(&wheel);
        uint8_t report[HID_REPORT_MAX] = {m->hid.last[REPORT_BUTTONS], (uint8_t)x, (uint8_t)y,
                                          (uint8_t)w};
        if (!join(m, x, y, w) && usb_hid_room(&m->hid) > 1)
            usb_hid_report(&m->hid, report);
    }
}

bool usb_mouse_used(const struct usb_mouse *m)
{
    return usb_hid_used(&m->hid);
}

void usb_mouse_state(struct usb_mouse *m, struct archive *s)
{
    usb_hid_state(&m->hid, s);
}
