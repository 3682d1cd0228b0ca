/* The USB controller with a keyboard and a mouse, driven by a small driver. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "archive.h"
#include "keyboard.h"
#include "mouse.h"
#include "ohci.h"

#define RAM       0x10000u
#define HCCA      0x1000u
#define ED        0x2000u /* the control endpoint, */
#define ED_INT    0x2010u /* the interrupt endpoint */
#define TD        0x3000u
#define SETUP     0x4000u
#define DATA      0x4ffcu /* buffers go over the end of a page */
#define FRAME     1000000u
#define OPERATION 0x80u

enum { CONTROL = 0x04, COMMAND = 0x08, STATUS = 0x0c, ENABLE = 0x10, PORT_1 = 0x54 };

static struct mem *mem;
static struct ioport_space *ports;
static struct pci *pci;
static struct ohci *ohci;
static struct usb_keyboard *keyboard;
static struct usb_mouse *mouse;
static struct usb_device device[2];
static uint64_t base, now;
static int line;

static unsigned no_irq(unsigned bus, unsigned n)
{
    (void)bus;
    return n;
}

static void set_line(void *opaque, int n, int level)
{
    (void)opaque;
    (void)n;
    line = level;
}

static uint64_t clock_ns(void *opaque)
{
    (void)opaque;
    return now;
}

static uint32_t in(unsigned reg)
{
    uint64_t v;

    mem_read(mem, base + reg, 4, &v);
    return (uint32_t)v;
}

static void out(unsigned reg, uint32_t v)
{
    mem_write(mem, base + reg, 4, v);
}

static uint32_t word(unsigned at)
{
    uint64_t v;

    mem_read(mem, at, 4, &v);
    return (uint32_t)v;
}

static void put(unsigned at, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint32_t v[] = {a, b, c, d};

    for (unsigned i = 0; i < 4; i++)
        mem_write(mem, at + 4 * i, 4, v[i]);
}

static void setup(void)
{
    struct pci_root_config root = {.io = {{0, 0x1000}},
                                   .mem32 = 0x80000000,
                                   .mem32_size = 0x10000000,
                                   .line = {{set_line, NULL, 0}},
                                   .lines = 1};
    struct ohci_config c = {.device = 6, .now_ns = clock_ns, .port = {&device[0], &device[1]}};
    int err;

    mem = mem_new();
    ports = ioport_new();
    ck_assert_int_eq(mem_add_ram(mem, 0, RAM), 0);
    c.pci = pci = pci_new(mem, ports);
    ck_assert_int_eq(pci_add_root(pci, &root), 0);
    keyboard = usb_keyboard_new();
    mouse = usb_mouse_new();
    device[0] = usb_keyboard_device(keyboard);
    device[1] = usb_mouse_device(mouse);
    ohci = ohci_new(&c, &err);
    ck_assert_ptr_nonnull(ohci);
    pci_assign(pci, no_irq);
    base = pci_config_read(pci, 0, 0, 6 << 3, PCI_BAR0, 4) & ~15u;
    now = 5 * FRAME;
    line = 0;
}

static void teardown(void)
{
    ohci_free(ohci);
    usb_keyboard_free(keyboard);
    usb_mouse_free(mouse);
    pci_free(pci);
    ioport_free(ports);
    mem_free(mem);
}

/* As drivers do: reset, operational with all lists, a port's reset. */
static void start(unsigned port)
{
    out(COMMAND, 1);
    out(0x18, HCCA);
    out(0x20, ED);
    out(ENABLE, 0x80000052);
    out(CONTROL, OPERATION | 0x34);
    out(PORT_1 + 4 * port, 0x10);
    out(PORT_1 + 4 * port, 0x1f0000);
    out(STATUS, ~0u);
    for (unsigned i = 0; i < 32; i++)
        mem_write(mem, HCCA + 4 * i, 4, ED_INT);
    put(ED, 0x4000, 0, 0, 0);
    put(ED_INT, 0x4000, 0, 0, 0);
}

static void frames(unsigned n)
{
    now += (uint64_t)n * FRAME;
    ohci_poll(ohci);
}

/* A transfer on endpoint 0 with data at DATA. Returns the completion code of the last descriptor
 * that was done. */
static unsigned control(unsigned address, unsigned type, unsigned request, unsigned value,
                        unsigned index, unsigned length)
{
    bool reads = type & 0x80;
    uint32_t done;

    mem_write(mem, SETUP, 4, type | request << 8 | value << 16);
    mem_write(mem, SETUP + 4, 4, index | length << 16);
    put(TD, 0xf2000000, SETUP, TD + 16, SETUP + 7);
    put(TD + 16, 0xf3040000 | (reads ? 2u : 1u) << 19, length ? DATA : 0, TD + 32,
        DATA + length - 1);
    put(TD + 32, 0xf3000000 | (reads && length ? 1u : 2u) << 19, 0, TD + 48, 0);
    if (length == 0)
        mem_write(mem, TD + 8, 4, TD + 32);
    put(ED, 8u << 16 | address, TD + 48, TD, 0);
    out(COMMAND, 2);
    for (unsigned i = 0; i < 40 && !(in(STATUS)&2); i++)
        frames(1);
    ck_assert(line);
    done = word(HCCA + 0x84) & ~1u;
    out(STATUS, 2);
    ck_assert(!line);
    return word(done) >> 28;
}

static void configure(unsigned address)
{
    ck_assert_uint_eq(control(0, 0, 5, address, 0, 0), 0);
    ck_assert_uint_eq(control(address, 0, 9, 1, 0, 0), 0);
}

static void interrupt_td(unsigned address, unsigned size)
{
    put(TD + 64, 0xf0040000, DATA, TD + 80, DATA + size - 1);
    put(ED_INT, 8u << 16 | 2u << 11 | 1u << 7 | address, TD + 80, TD + 64, 0);
}

START_TEST(root_hub)
{
    ck_assert_uint_eq(pci_config_read(pci, 0, 0, 6 << 3, PCI_REVISION, 4) >> 8, 0x0c0310);
    ck_assert_uint_eq(in(0), 0x10);
    ck_assert_uint_eq(in(0x48) & 0xff, OHCI_PORTS);
    ck_assert_uint_eq(in(0x34), 0x2edf);
    ck_assert_uint_eq(in(PORT_1), 0x10101);
    ck_assert_uint_eq(in(PORT_1 + 4), 0x10101);
    ck_assert_uint_eq(in(PORT_1 + 8), 0x100); /* nobody there */
    out(PORT_1, 0x10000);
    ck_assert_uint_eq(in(PORT_1), 0x101);
    out(PORT_1, 0x10);
    ck_assert_uint_eq(in(PORT_1), 0x100103);
    out(PORT_1, 0x100004);
    ck_assert_uint_eq(in(PORT_1), 0x107);
    out(PORT_1, 8);
    ck_assert_uint_eq(in(PORT_1), 0x40103);
    out(PORT_1, 1);
    ck_assert_uint_eq(in(PORT_1), 0x40101);
    out(PORT_1 + 8, 0x10);
    ck_assert_uint_eq(in(PORT_1 + 8), 0x10100);
    out(ENABLE, 0x80000040);
    ck_assert(line);
    out(STATUS, 0x40);
    ck_assert(!line);
    out(0x48, 0); /* power is switched for all */
    out(0x50, 1);
    ck_assert_uint_eq(in(PORT_1), 0x10000);
    out(0x50, 0x10000);
    ck_assert_uint_eq(in(PORT_1)&0x101, 0x101);
}
END_TEST

START_TEST(control_transfers)
{
    start(0);
    ck_assert_uint_eq(control(0, 0x80, 6, 0x100, 0, 18), 0);
    ck_assert_uint_eq(word(DATA), 0x01100112);
    ck_assert_uint_eq(word(DATA + 8), 0x002403f0);
    ck_assert_uint_eq(word(TD + 16 + 4), 0); /* all of it */
    ck_assert_uint_eq(control(0, 0x80, 6, 0x100, 0, 64), 0);
    ck_assert_uint_eq(word(TD + 16 + 4), 0x5000 + 18 - 4); /* short: where it ended */
    configure(5);
    ck_assert_uint_eq(control(5, 0x80, 8, 0, 0, 1), 0);
    ck_assert_uint_eq(word(DATA) & 0xff, 1);
    ck_assert_uint_eq(control(5, 0x80, 6, 0x200, 0, 9), 0);
    ck_assert_uint_eq(word(DATA) >> 16, 34);
    ck_assert_uint_eq(control(5, 0x81, 6, 0x2200, 0, 255), 0);
    ck_assert_uint_eq(word(DATA), 0x06090105);
    mem_write(mem, DATA, 1, 2);
    ck_assert_uint_eq(control(5, 0x21, 9, 0x200, 0, 1), 0);
    ck_assert_uint_eq(usb_keyboard_lights(keyboard), 2);
    ck_assert_uint_eq(control(5, 0x80, 6, 0x600, 0, 10), 4); /* no such descriptor */
    ck_assert_uint_eq(word(ED + 8) & 1, 1);
    ck_assert_uint_eq(control(5, 0x80, 0, 0, 0, 2), 0);
    ck_assert_uint_eq(control(9, 0x80, 0, 0, 0, 2), 5); /* nobody */
    ck_assert_uint_eq(ohci_due_ns(ohci), UINT64_MAX);
}
END_TEST

START_TEST(keys)
{
    start(0);
    usb_keyboard_key(keyboard, 4, true); /* nobody listens yet */
    ck_assert(!usb_keyboard_used(keyboard));
    usb_keyboard_key(keyboard, 4, false);
    configure(1);
    interrupt_td(1, 8);
    frames(3);
    ck_assert_uint_eq(word(ED_INT + 8), TD + 64); /* nothing to say */
    ck_assert_uint_eq(ohci_due_ns(ohci), UINT64_MAX);
    usb_keyboard_key(keyboard, 0xe1, true);
    usb_keyboard_key(keyboard, 0x1e, true);
    usb_keyboard_key(keyboard, 0x1e, true); /* is down already */
    ck_assert_uint_le(ohci_due_ns(ohci), now + FRAME);
    frames(1);
    ck_assert(line);
    ck_assert_uint_eq(word(HCCA + 0x84), TD + 64);
    ck_assert_uint_eq(word(DATA), 2);
    ck_assert_uint_eq(word(ED_INT + 8), (TD + 80) | 2); /* and the toggle */
    out(STATUS, 2);
    interrupt_td(1, 8);
    frames(1);
    ck_assert_uint_eq(word(DATA), 0x1e0002);
    ck_assert_uint_eq(usb_keyboard_room(keyboard), 2048);
}
END_TEST

START_TEST(many_keys)
{
    start(0);
    configure(1);
    for (unsigned i = 4; i < 11; i++)
        usb_keyboard_key(keyboard, i, true);
    usb_keyboard_key(keyboard, 0xf0, true); /* there is no such key */
    for (unsigned i = 0; i < 7; i++) {
        out(STATUS, 2);
        interrupt_td(1, 8);
        frames(1);
    }
    ck_assert_uint_eq(word(DATA), 0x01010000); /* roll over */
    for (unsigned i = 0; i < 5000; i++)
        usb_keyboard_key(keyboard, 0x2c, !(i & 1));
    for (unsigned i = 4; i < 11; i++)
        usb_keyboard_key(keyboard, i, false);
    for (unsigned i = 0; i < 2048; i++) { /* the last report says what is true now */
        out(STATUS, 2);
        interrupt_td(1, 8);
        frames(1);
    }
    ck_assert_uint_eq(word(DATA) | word(DATA + 4), 0);
    ck_assert_uint_eq(ohci_due_ns(ohci), UINT64_MAX);
}
END_TEST

START_TEST(pointer)
{
    start(1);
    configure(2);
    usb_mouse_event(mouse, 3, -2, 0, 0);
    usb_mouse_event(mouse, 4, -2, 1, 0); /* together */
    usb_mouse_event(mouse, 0, 0, 0, 5);
    usb_mouse_event(mouse, -200, 0, 0, 5);
    interrupt_td(2, 4);
    frames(1);
    ck_assert_uint_eq(word(DATA), 0x01fc0700);
    out(STATUS, 2);
    interrupt_td(2, 4);
    frames(1);
    ck_assert_uint_eq(word(DATA), 0x00008105); /* in steps of 127 at most */
    out(STATUS, 2);
    interrupt_td(2, 4);
    frames(1);
    ck_assert_uint_eq(word(DATA), 0x0000b705);
}
END_TEST

START_TEST(halted_endpoint)
{
    start(0);
    configure(1);
    ck_assert_uint_eq(control(1, 2, 3, 0, 0x81, 0), 0);
    usb_keyboard_key(keyboard, 4, true);
    interrupt_td(1, 8);
    frames(1);
    ck_assert_uint_eq(word(TD + 64) >> 28, 4);
    ck_assert_uint_eq(word(ED_INT + 8) & 1, 1);
    out(STATUS, 2);
    put(TD + 80, 0xf0040000, DATA, TD + 96, DATA + 7);
    mem_write(mem, ED_INT + 4, 4, TD + 96);
    frames(3);
    ck_assert_uint_eq(word(ED_INT + 8) & ~15u, TD + 80); /* stays where it is */
    ck_assert_uint_eq(control(1, 2, 1, 0, 0x81, 0), 0);
    interrupt_td(1, 8);
    usb_keyboard_key(keyboard, 4, false);
    usb_keyboard_key(keyboard, 5, true);
    frames(1);
    ck_assert_uint_eq(word(TD + 64) >> 28, 0);
}
END_TEST

START_TEST(wrong_sizes)
{
    start(0);
    configure(1);
    usb_keyboard_key(keyboard, 4, true);
    interrupt_td(1, 3);
    mem_write(mem, DATA + 3, 1, 0x77);
    frames(1);
    ck_assert_uint_eq(word(TD + 64) >> 28, 8); /* more than fits */
    ck_assert_uint_eq(word(DATA), 0x77040000);
    out(STATUS, 2);
    usb_keyboard_key(keyboard, 5, true);
    put(TD + 64, 0xf0000000, DATA, TD + 80, DATA + 63);
    put(ED_INT, 16u << 16 | 2u << 11 | 1u << 7 | 1, TD + 80, TD + 64, 0);
    frames(1);
    ck_assert_uint_eq(word(TD + 64) >> 28, 9); /* less, without rounding */
    out(STATUS, 2);
    usb_keyboard_key(keyboard, 6, true);
    put(TD + 64, 0xf0000000, DATA + 100, TD + 80, DATA + 50); /* ends before it starts */
    put(ED_INT, 8u << 16 | 2u << 11 | 1u << 7 | 1, TD + 80, TD + 64, 0);
    frames(1);
    ck_assert_uint_eq(word(TD + 64) >> 28, 8);
}
END_TEST

START_TEST(evil_lists)
{
    start(0);
    put(ED, 0x4000, 0, 0, ED); /* round and round */
    put(ED_INT, 0x4000, 0, 0, ED_INT);
    out(COMMAND, 6);
    frames(100000);
    put(TD, 0xf2000000, SETUP, TD, SETUP + 7); /* a transfer that is its own successor */
    put(ED, 8u << 16, TD + 48, TD, ED);
    out(COMMAND, 2);
    frames(64);
    ck_assert(!(in(STATUS)&0x10));
    put(ED, 8u << 16, TD + 48, 0xfffffff0, ED); /* nowhere */
    out(COMMAND, 2);
    frames(1);
    ck_assert_uint_eq(in(STATUS)&0x10, 0x10);
    ck_assert(line);
    ck_assert_uint_eq(ohci_due_ns(ohci), UINT64_MAX); /* it has stopped */
    start(0);
    mem_write(mem, HCCA + 4 * 9, 4, 0xfffffff0);
    frames(64);
    ck_assert_uint_eq(in(STATUS)&0x10, 0x10);
    start(0);
    ck_assert_uint_eq(control(0, 0x80, 6, 0x100, 0, 18), 0);
}
END_TEST

START_TEST(sleeps)
{
    uint32_t number;

    start(0);
    configure(1);
    frames(2);
    ck_assert_uint_eq(ohci_due_ns(ohci), UINT64_MAX);
    number = in(0x3c);
    now += 1000ull * FRAME + FRAME / 2;
    ck_assert_uint_eq(in(0x3c), (number + 1000) & 0xffff);
    ck_assert_uint_eq(word(HCCA + 0x80), in(0x3c));
    ck_assert_uint_lt(in(0x38), 6001);
    out(STATUS, 4);
    out(ENABLE, 4); /* starts of frames are waited for */
    ck_assert_uint_le(ohci_due_ns(ohci), now + FRAME);
    frames(1);
    ck_assert(line);
    out(0x14, 4);
    ck_assert_uint_eq(ohci_due_ns(ohci), UINT64_MAX);
    usb_keyboard_key(keyboard, 4, true); /* nobody fetches it */
    for (unsigned i = 0; i < 100; i++)
        frames(1);
    ck_assert_uint_gt(ohci_due_ns(ohci), now + 30 * FRAME);
    interrupt_td(1, 8);
    frames(1);
    ck_assert_uint_eq(word(DATA), 0x40000);
}
END_TEST

START_TEST(saved_and_restored)
{
    struct archive s, r;

    start(0);
    configure(1);
    usb_keyboard_key(keyboard, 4, true);
    archive_write_init(&s, 1);
    ohci_state(ohci, &s);
    usb_keyboard_state(keyboard, &s);
    usb_mouse_state(mouse, &s);
    pci_reset(pci);
    pci_assign(pci, no_irq);
    ck_assert(!usb_keyboard_used(keyboard));
    ck_assert_uint_eq(in(CONTROL), 0);
    archive_read_init(&r, s.out->data, s.out->len, 1);
    ohci_state(ohci, &r);
    usb_keyboard_state(keyboard, &r);
    usb_mouse_state(mouse, &r);
    ck_assert_ptr_null(archive_verdict(&r));
    archive_done(&s);
    interrupt_td(1, 8);
    frames(1);
    ck_assert_uint_eq(word(DATA), 0x40000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ohci");
    TCase *t = tcase_create("ohci");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, root_hub);
    tcase_add_test(t, control_transfers);
    tcase_add_test(t, keys);
    tcase_add_test(t, many_keys);
    tcase_add_test(t, pointer);
    tcase_add_test(t, halted_endpoint);
    tcase_add_test(t, wrong_sizes);
    tcase_add_test(t, evil_lists);
    tcase_add_test(t, sleeps);
    tcase_add_test(t, saved_and_restored);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
