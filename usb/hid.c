/* See hid.h. */
#include "hid.h"
#include "archive.h"

#include <string.h>

#define MAX_PACKET_0 8u
#define MANUFACTURER "Kittson"

/* Types of descriptors. */
#define DEVICE    1u
#define CONFIG    2u
#define STRING    3u
#define INTERFACE 4u
#define ENDPOINT  5u
#define HID       0x21u
#define REPORT    0x22u

#define CONFIG_SIZE 34u
#define HID_AT      18u /* in the configuration descriptor */
#define HID_SIZE    9u

#define LOW(v)  ((uint8_t)((v)&0xff))
#define HIGH(v) ((uint8_t)((v) >> 8))

/* --- descriptors --- */

static unsigned put(struct usb_hid *h, const void *bytes, unsigned size)
{
    memcpy(h->data, bytes, size);
    return size;
}

static unsigned device_descriptor(struct usb_hid *h)
{
    const struct usb_hid_kind *k = h->kind;
    const uint8_t d[] = {18,
                         DEVICE,
                         0x10,
                         0x01,
                         0,
                         0,
                         0,
                         MAX_PACKET_0,
                         LOW(k->vendor),
                         HIGH(k->vendor),
                         LOW(k->product),
                         HIGH(k->product),
                         0,
                         1,
                         1,
                         2,
                         0,
                         1};
    return put(h, d, sizeof d);
}

/* One configuration, bus powered with 100 mA, one interface, one interrupt endpoint. */
static unsigned config_descriptor(struct usb_hid *h)
{
    const struct usb_hid_kind *k = h->kind;
    const uint8_t d[CONFIG_SIZE] = {9,
                                    CONFIG,
                                    CONFIG_SIZE,
                                    0,
                                    1,
                                    1,
                                    0,
                                    0x80,
                                    50, /* */
                                    9,
                                    INTERFACE,
                                    0,
                                    0,
                                    1,
                                    3,
                                    1,
                                    k->boot_protocol,
                                    0, /* */
                                    HID_SIZE,
                                    HID,
                                    0x11,
                                    1,
                                    0,
                                    1,
                                    REPORT,
                                    k->descriptor_size,
                                    0, /* */
                                    7,
                                    ENDPOINT,
                                    0x81,
                                    3,
                                    HID_REPORT_MAX,
                                    0,
                                    k->interval};
    return put(h, d, sizeof d);
}

static int string_descriptor(struct usb_hid *h, unsigned n)
{
    static const uint8_t languages[] = {4, STRING, 0x09, 0x04};
    const char *text = n == 1 ? MANUFACTURER : h->kind->name;
    size_t len = strlen(text);

    if (n == 0)
        return (int)put(h, languages, sizeof languages);
    if (n > 2)
        return USB_STALL;
    h->data[0] = (uint8_t)(2 + 2 * len);
    h->data[1] = STRING;
    for (size_t i = 0; i < len; i++) {
        h->data[2 + 2 * i] = (uint8_t)text[i];
        h->data[3 + 2 * i] = 0;
    }
    return h->data[0];
}

/* --- requests: what they answer is put into data; the result is its length or USB_STALL --- */

static unsigned value(const struct usb_hid *h)
{
    return h->setup[2] | (unsigned)h->setup[3] << 8;
}

static unsigned get_length(const struct usb_hid *h)
{
    return h->setup[6] | (unsigned)h->setup[7] << 8;
}

static int get_descriptor(struct usb_hid *h)
{
    switch (value(h) >> 8) {
    case DEVICE:
        return (int)device_descriptor(h);
    case CONFIG:
        return (value(h) & 0xff) == 0 ? (int)config_descriptor(h) : USB_STALL;
    case STRING:
        return string_descriptor(h, value(h) & 0xff);
    default:
        return USB_STALL;
    }
}

static int get_hid_descriptor(struct usb_hid *h)
{
    switch (value(h) >> 8) {
    case HID:
        config_descriptor(h);
        memmove(h->data, h->data + HID_AT, HID_SIZE);
        return HID_SIZE;
    case REPORT:
        return (int)put(h, h->kind->descriptor, h->kind->descriptor_size);
    default:
        return USB_STALL;
    }
}

static int get_status(struct usb_hid *h)
{
    h->data[0] = h->data[1] = 0;
    return 2;
}

static bool is_endpoint_1(const struct usb_hid *h)
{
    return h->setup[4] == 0x81;
}

static int get_endpoint_status(struct usb_hid *h)
{
    if (!is_endpoint_1(h) && (h->setup[4] & 0x7f) != 0)
        return USB_STALL;
    h->data[0] = is_endpoint_1(h) && h->halted;
    h->data[1] = 0;
    return 2;
}

static int set_halt(struct usb_hid *h, bool halted)
{
    if (value(h) != 0 || !is_endpoint_1(h))
        return USB_STALL;
    h->halted = halted;
    return 0;
}

static int clear_endpoint_feature(struct usb_hid *h)
{
    return set_halt(h, false);
}

static int set_endpoint_feature(struct usb_hid *h)
{
    return set_halt(h, true);
}

static int set_address(struct usb_hid *h)
{
    if (value(h) > 127)
        return USB_STALL;
    h->next_address = (uint8_t)value(h);
    return 0;
}

static int get_configuration(struct usb_hid *h)
{
    return (int)put(h, &h->configuration, 1);
}

static int set_configuration(struct usb_hid *h)
{
    if (value(h) > 1)
        return USB_STALL;
    h->configuration = (uint8_t)value(h);
    h->halted = false;
    h->count = 0;
    return 0;
}

static int get_interface(struct usb_hid *h)
{
    h->data[0] = 0;
    return 1;
}

static int set_interface(struct usb_hid *h)
{
    return value(h) == 0 ? 0 : USB_STALL;
}

static unsigned report_size(const struct usb_hid *h)
{
    return h->protocol ? h->kind->report_size : h->kind->boot_size;
}

/* Types 1 input, 2 output; one report of each without a number. */
static int get_report(struct usb_hid *h)
{
    if (value(h) == 0x100)
        return (int)put(h, h->last, report_size(h));
    return value(h) == 0x200 ? (int)put(h, &h->output, 1) : USB_STALL;
}

static int get_idle(struct usb_hid *h)
{
    return (int)put(h, &h->idle, 1);
}

static int get_protocol(struct usb_hid *h)
{
    return (int)put(h, &h->protocol, 1);
}

/* Its data comes later, finish(). */
static int set_report(struct usb_hid *h)
{
    return value(h) == 0x200 && get_length(h) == 1 ? 0 : USB_STALL;
}

static int set_idle(struct usb_hid *h)
{
    h->idle = h->setup[3];
    return 0;
}

static int set_protocol(struct usb_hid *h)
{
    if (value(h) > 1)
        return USB_STALL;
    h->protocol = (uint8_t)value(h);
    return 0;
}

#define SET_REPORT 9u

static const struct {
    uint8_t type, number;
    int (*run)(struct usb_hid *h);
} requests[] = {
    {0x80, 0, get_status},
    {0x81, 0, get_status},
    {0x82, 0, get_endpoint_status},
    {0x02, 1, clear_endpoint_feature},
    {0x02, 3, set_endpoint_feature},
    {0x00, 5, set_address},
    {0x80, 6, get_descriptor},
    {0x81, 6, get_hid_descriptor},
    {0x80, 8, get_configuration},
    {0x00, 9, set_configuration},
    {0x81, 10, get_interface},
    {0x01, 11, set_interface},
    {0xa1, 1, get_report},
    {0xa1, 2, get_idle},
    {0xa1, 3, get_protocol},
    {0x21, SET_REPORT, set_report},
    {0x21, 10, set_idle},
    {0x21, 11, set_protocol},
};

/* --- endpoint 0 --- */

static bool to_host(const struct usb_hid *h)
{
    return h->setup[0] & 0x80;
}

static int begin(struct usb_hid *h, const uint8_t *packet, unsigned size)
{
    int length = USB_STALL;

    if (size != sizeof h->setup)
        return USB_SILENT;
    memcpy(h->setup, packet, size);
    h->next_address = h->address;
    h->at = 0;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        if (requests[i].type == h->setup[0] && requests[i].number == h->setup[1])
            length = requests[i].run(h);
    h->stalled = length < 0;
    h->length = 0;
    if (to_host(h) && length > 0)
        h->length = (uint16_t)((unsigned)length < get_length(h) ? (unsigned)length : get_length(h));
    return (int)size;
}

/* The host has seen the transfer through. A new address counts from here (USB 1.1 9.4.6). */
static void finish(struct usb_hid *h)
{
    h->address = h->next_address;
    if (h->setup[0] == 0x21 && h->setup[1] == SET_REPORT && h->at == 1)
        h->output = h->data[0];
}

static int control_in(struct usb_hid *h, uint8_t *data)
{
    unsigned n = h->length - h->at;

    if (h->stalled)
        return USB_STALL;
    if (!to_host(h)) {
        finish(h);
        return 0;
    }
    n = n < MAX_PACKET_0 ? n : MAX_PACKET_0;
    memcpy(data, h->data + h->at, n);
    h->at += (uint16_t)n;
    return (int)n;
}

static int control_out(struct usb_hid *h, const uint8_t *data, unsigned size)
{
    if (h->stalled)
        return USB_STALL;
    if (to_host(h)) /* the status stage of what was read */
        return (int)size;
    if (h->at + size > get_length(h) || h->at + size > sizeof h->data) {
        h->stalled = true;
        return USB_STALL;
    }
    memcpy(h->data + h->at, data, size);
    h->at += (uint16_t)size;
    return (int)size;
}

/* --- endpoint 1 --- */

static int next_report(struct usb_hid *h, uint8_t *data)
{
    unsigned n = report_size(h);

    if (h->halted || !usb_hid_used(h))
        return USB_STALL;
    if (h->count == 0)
        return USB_NAK;
    memcpy(data, h->queue[h->first], n);
    h->first = (h->first + 1) % HID_QUEUE;
    h->count--;
    return (int)n;
}

uint8_t *usb_hid_newest(struct usb_hid *h)
{
    return h->count > 0 ? h->queue[(h->first + h->count - 1) % HID_QUEUE] : NULL;
}

void usb_hid_report(struct usb_hid *h, const uint8_t *report)
{
    memcpy(h->last, report, HID_REPORT_MAX);
    if (!usb_hid_used(h))
        return;
    if (h->count < HID_QUEUE)
        h->count++;
    memcpy(usb_hid_newest(h), report, HID_REPORT_MAX);
}

/* --- the device --- */

static int packet(void *opaque, enum usb_token token, unsigned endpoint, uint8_t *data,
                  unsigned size)
{
    struct usb_hid *h = opaque;

    if (endpoint == 1 && token == USB_IN)
        return next_report(h, data);
    if (endpoint != 0)
        return USB_STALL;
    switch (token) {
    case USB_SETUP:
        return begin(h, data, size);
    case USB_IN:
        return control_in(h, data);
    default:
        return control_out(h, data, size);
    }
}

void usb_hid_reset(struct usb_hid *h)
{
    h->address = h->next_address = h->configuration = h->idle = h->output = 0;
    h->protocol = 1;
    h->halted = h->stalled = false;
    memset(h->setup, 0, sizeof h->setup);
    h->length = h->at = 0;
    h->first = h->count = 0;
}

static void reset(void *opaque)
{
    usb_hid_reset(opaque);
}

static unsigned address(void *opaque)
{
    return ((struct usb_hid *)opaque)->address;
}

static bool pending(void *opaque)
{
    const struct usb_hid *h = opaque;

    return h->count > 0 && !h->halted;
}

struct usb_device usb_hid_device(struct usb_hid *h)
{
    return (struct usb_device){h, reset, address, packet, pending};
}

void usb_hid_init(struct usb_hid *h, const struct usb_hid_kind *kind)
{
    h->kind = kind;
    memset(h->last, 0, sizeof h->last);
    usb_hid_reset(h);
}

void usb_hid_state(struct usb_hid *h, struct archive *s)
{
    static const struct archive_field fields[] = {
        ARCHIVE_FIELD(struct usb_hid, address),       ARCHIVE_FIELD(struct usb_hid, next_address),
        ARCHIVE_FIELD(struct usb_hid, configuration), ARCHIVE_FIELD(struct usb_hid, idle),
        ARCHIVE_FIELD(struct usb_hid, protocol),      ARCHIVE_FIELD(struct usb_hid, halted),
        ARCHIVE_FIELD(struct usb_hid, output),        ARCHIVE_FIELD(struct usb_hid, setup),
        ARCHIVE_FIELD(struct usb_hid, stalled),       ARCHIVE_FIELD(struct usb_hid, data),
        ARCHIVE_FIELD(struct usb_hid, last),          ARCHIVE_FIELD(struct usb_hid, queue),
    };

    archive_fields(s, h, fields, sizeof fields / sizeof fields[0]);
    h->length = (uint16_t)archive_number(s, h->length, HID_DATA_MAX, "a USB transfer's length");
    h->at = (uint16_t)archive_number(s, h->at, HID_DATA_MAX, "a USB transfer's position");
    archive_check(s, !to_host(h) || h->at <= h->length, "a USB transfer's position");
    if (to_host(h) && h->at > h->length)
        h->at = h->length;
    h->first = (uint32_t)archive_number(s, h->first, HID_QUEUE - 1, "a queue of USB reports");
    h->count = (uint32_t)archive_number(s, h->count, HID_QUEUE, "a queue of USB reports");
}
