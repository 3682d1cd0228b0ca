/* Fuzz target: the network adapter's registers, rings and descriptors, and frames from the wire.
 *
 * The input is a list of actions, each a byte and what it needs; memory is small, so that random
 * descriptors hit something. */
#include "fuzz.h"

#include "e1000.h"
#include "ioport.h"
#include "log.h"

#define RAM     0x20000u
#define WINDOW  0x80000000ull
#define ACTIONS 400

struct input {
    const uint8_t *p;
    size_t left;
};

static struct mem *m;
static struct pci *p;
static struct e1000 *nic;
static struct net_end card;
static uint64_t base, now;
static size_t sent;

static unsigned long take(struct input *in, unsigned n)
{
    unsigned long v = 0;

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

/* Every byte is looked at, so that one that is nobody's shows. */
static void on_frame(void *opaque, const uint8_t *frame, size_t len)
{
    (void)opaque;
    if (len < NET_HEADER || len > NET_FRAME_MAX)
        abort();
    for (size_t i = 0; i < len; i++)
        sent += frame[i];
}

static unsigned no_irq(unsigned bus, unsigned n)
{
    return bus + n;
}

/* Registers that do something, more often than others. */
static const uint16_t registers[] = {
    0x0000, 0x0008, 0x0010, 0x0014, 0x0018, 0x0020, 0x0038, 0x00c0, 0x00c4, 0x00c8,
    0x00d0, 0x00d8, 0x0100, 0x0400, 0x2800, 0x2804, 0x2808, 0x2810, 0x2818, 0x2820,
    0x282c, 0x3800, 0x3804, 0x3808, 0x3810, 0x3818, 0x3820, 0x382c, 0x4010, 0x4088,
    0x5000, 0x5200, 0x5400, 0x5404, 0x5600, 0x5604, 0x1000, 0x2c00, 0x3410, 0x3830,
};

static uint32_t which(struct input *in)
{
    unsigned n = (unsigned)take(in, 1);

    if (n < 200)
        return registers[n % (sizeof registers / sizeof registers[0])];
    return (uint32_t)take(in, 3) & 0x1ffff;
}

static void frame(struct input *in)
{
    static uint8_t bytes[NET_FRAME_MAX + 64];
    size_t len = take(in, 2) % sizeof bytes, given = len < in->left ? len : in->left;

    memset(bytes, 0x5a, len);
    memcpy(bytes, in->p, given < 64 ? given : 64);
    take(in, (unsigned)(given < 64 ? given : 64));
    if (net_ready(&card) || (len & 1))
        net_send(&card, bytes, len);
}

static void memory(struct input *in)
{
    uint64_t at = take(in, 2) * 2;
    unsigned len = (unsigned)take(in, 1) % 64;

    for (unsigned i = 0; i < len && in->left > 0; i++)
        mem_write(m, (at + i) % RAM, 1, take(in, 1));
}

static void act(struct input *in)
{
    static const unsigned sizes[] = {4, 4, 4, 1, 2, 8, 4, 4};
    uint64_t value;
    uint32_t reg;

    switch (take(in, 1) % 8) {
    case 0:
    case 1:
        reg = which(in);
        mem_write(m, base + reg, sizes[reg & 7], take(in, 4));
        break;
    case 2:
        reg = which(in);
        mem_read(m, base + reg, sizes[reg & 7], &value);
        break;
    case 3:
        frame(in);
        break;
    case 4:
        memory(in);
        break;
    case 5:
        now += take(in, 3) * 16;
        e1000_poll(nic);
        break;
    case 6: /* a ring where memory is, with a head and a tail */
        reg = take(in, 1) & 1 ? 0x2800 : 0x3800;
        mem_write(m, base + reg, 4, take(in, 2) * 2 & 0x1fff0);
        mem_write(m, base + reg + 4, 4, 0);
        mem_write(m, base + reg + 8, 4, 128 * (1 + take(in, 1) % 8));
        mem_write(m, base + (reg == 0x2800 ? 0x100 : 0x400), 4, 0xfffffffe & take(in, 4));
        mem_write(m, base + (reg == 0x2800 ? 0x100 : 0x400), 4, 0x0400803a);
        mem_write(m, base + reg + 0x18, 4, take(in, 1));
        break;
    default:
        if (take(in, 1) % 16 == 0)
            pci_reset(p);
        else
            card.link(card.opaque, take(in, 1) & 1);
        pci_config_write(p, 0, 0, 1 << 3, 4, 2, 7);
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
    struct e1000_config c = {.device = 1, .now_ns = clock_ns, .mac = {2, 0, 0, 0, 0, 1}};
    struct net_end peer = {.frame = on_frame};
    int err;

    m = mem_new();
    *ports = ioport_new();
    if (m == NULL || mem_add_ram(m, 0, RAM) != 0)
        abort();
    p = pci_new(m, *ports);
    if (pci_add_root(p, &root) != 0)
        abort();
    c.pci = p;
    nic = e1000_new(&c, &err);
    if (nic == NULL)
        abort();
    pci_assign(p, no_irq);
    base = pci_config_read(p, 0, 0, 1 << 3, PCI_BAR0, 4) & ~15u;
    e1000_connect(nic, &peer);
    card = e1000_end(nic);
    now = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct ioport_space *ports;

    log_set_level(LOG_ERROR);
    build(&ports);
    for (unsigned i = 0; i < ACTIONS && in.left > 0; i++)
        act(&in);
    e1000_poll(nic);
    e1000_free(nic);
    pci_free(p);
    ioport_free(ports);
    mem_free(m);
    return 0;
}
