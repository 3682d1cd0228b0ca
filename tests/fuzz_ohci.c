/* Fuzz target: the USB controller's registers and the descriptors in memory it follows.
 *
 * The input is a list of actions, each a byte and what it needs; memory is small, so that random
 * descriptors hit something. */
#include "fuzz.h"

#include "archive.h"
#include "ioport.h"
#include "keyboard.h"
#include "log.h"
#include "mouse.h"
#include "ohci.h"

#define RAM     0x4000u
#define WINDOW  0x80000000ull
#define ACTIONS 400

struct input {
    const uint8_t *p;
    size_t left;
};

static struct mem *m;
static struct pci *p;
static struct ohci *ohci;
static struct usb_keyboard *keyboard;
static struct usb_mouse *mouse;
static struct usb_device device[2];
static uint64_t base, now;

static uint32_t take(struct input *in, unsigned n)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < n && in->left > 0; i++, in->left--)
        v = v << 8 | *in->p++;
    return v;
}

static void no_line(void *opaque, int n, int level)
{
    (void)opaque;
    (void)n;
    (void)level;
}

static uint64_t clock_ns(void *opaque)
{
    (void)opaque;
    return now;
}

static unsigned no_irq(unsigned bus, unsigned n)
{
    return bus + n;
}

static void memory(struct input *in)
{
    uint32_t at = take(in, 2) * 4 % RAM;
    unsigned words = take(in, 1) % 16;

    for (unsigned i = 0; i < words && in->left > 0; i++)
        mem_write(m, (at + 4 * i) % RAM, 4, take(in, 4));
}

/* An endpoint with one transfer that makes sense but for what the input says. */
static void transfer(struct input *in)
{
    uint32_t ed = 0x1000 + take(in, 1) % 8 * 16, td = 0x1200 + take(in, 1) % 8 * 16;
    uint32_t flags = take(in, 2), buffer = take(in, 2) % RAM, size = take(in, 1);

    mem_write(m, ed, 4, 8u << 16 | (flags & 0xffff));
    mem_write(m, ed + 4, 4, 0x1300);
    mem_write(m, ed + 8, 4, td);
    mem_write(m, ed + 12, 4, take(in, 1) & 1 ? ed + 16 : 0);
    mem_write(m, td, 4, take(in, 4));
    mem_write(m, td + 4, 4, buffer);
    mem_write(m, td + 8, 4, take(in, 1) & 1 ? td + 16 : 0x1300);
    mem_write(m, td + 12, 4, buffer + size - 1);
    mem_write(m, 0x400 + 4 * (flags & 31), 4, ed);
    mem_write(m, base + 0x20, 4, ed);
    mem_write(m, base + 8, 4, 6);
}

static void start(struct input *in)
{
    mem_write(m, base + 0x18, 4, 0x400);
    mem_write(m, base + 0x10, 4, 0xc000007f);
    mem_write(m, base + 0x04, 4, 0xbc);
    mem_write(m, base + 0x54 + take(in, 1) % 3 * 4, 4, 0x10);
}

static void press(struct input *in)
{
    uint32_t v = take(in, 2);

    usb_keyboard_key(keyboard, v & 0xff, v & 0x100);
    usb_mouse_event(mouse, (int)(v & 0xff) - 128, (int)(v >> 8) - 128, (int)(v & 15) - 8, v >> 4);
}

/* What was saved is taken, and so is nothing worse than noticed of what was not. */
static void state(struct input *in)
{
    struct archive s, r;

    archive_write_init(&s, 1);
    ohci_state(ohci, &s);
    usb_keyboard_state(keyboard, &s);
    usb_mouse_state(mouse, &s);
    for (unsigned i = take(in, 1) % 4; i > 0; i--)
        s.out->data[take(in, 2) % s.out->len] = (uint8_t)take(in, 1);
    archive_read_init(&r, s.out->data, s.out->len, 1);
    ohci_state(ohci, &r);
    usb_keyboard_state(keyboard, &r);
    usb_mouse_state(mouse, &r);
    archive_done(&s);
}

static void act(struct input *in)
{
    uint64_t value;
    uint32_t reg;

    switch (take(in, 1) % 8) {
    case 0:
        reg = take(in, 1) % 0x68;
        mem_write(m, base + reg, reg & 2 ? 2 : 4, take(in, 4));
        break;
    case 1:
        mem_read(m, base + take(in, 1) % 0x68, 4, &value);
        break;
    case 2:
        memory(in);
        break;
    case 3:
        transfer(in);
        break;
    case 4:
        start(in);
        break;
    case 5:
        press(in);
        break;
    case 6:
        now += (uint64_t)take(in, 2) * 100000;
        ohci_poll(ohci);
        ohci_due_ns(ohci);
        break;
    default:
        reg = take(in, 1) % 16;
        if (reg == 0)
            pci_reset(p);
        else if (reg < 3)
            state(in);
        pci_config_write(p, 0, 0, 1 << 3, 4, 2, reg == 3 ? 2 : 7);
        break;
    }
}

static void build(struct ioport_space **ports)
{
    struct pci_root_config root = {.mem32 = WINDOW,
                                   .mem32_size = 1 << 28,
                                   .io = {{0x2000, 0x1000}},
                                   .line = {{no_line, NULL, 0}},
                                   .lines = 1};
    struct ohci_config c = {.device = 1, .now_ns = clock_ns, .port = {&device[0], &device[1]}};
    int err;

    m = mem_new();
    *ports = ioport_new();
    if (m == NULL || mem_add_ram(m, 0, RAM) != 0)
        abort();
    p = pci_new(m, *ports);
    keyboard = usb_keyboard_new();
    mouse = usb_mouse_new();
    if (pci_add_root(p, &root) != 0 || keyboard == NULL || mouse == NULL)
        abort();
    device[0] = usb_keyboard_device(keyboard);
    device[1] = usb_mouse_device(mouse);
    c.pci = p;
    now = 1;
    ohci = ohci_new(&c, &err);
    if (ohci == NULL)
        abort();
    pci_assign(p, no_irq);
    base = pci_config_read(p, 0, 0, 1 << 3, PCI_BAR0, 4) & ~15u;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct ioport_space *ports;

    log_set_level(LOG_ERROR);
    build(&ports);
    for (unsigned i = 0; i < ACTIONS && in.left > 0; i++)
        act(&in);
    ohci_free(ohci);
    usb_keyboard_free(keyboard);
    usb_mouse_free(mouse);
    pci_free(p);
    ioport_free(ports);
    mem_free(m);
    return 0;
}
