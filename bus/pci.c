/* See pci.h. PCI Local Bus Specification 2.3, chapter 6. */
#include "pci.h"
#include "archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_SIZE 256u
#define FIRST_CAP   0x40u
#define CAP_ID      0 /* offsets in a capability */
#define CAP_NEXT    1

#define COMMAND_WRITABLE 0x0557u /* I/O, memory, master, MWI, parity, SERR, INTx disable */
#define STATUS_CLEARABLE 0xf900u /* error bits: written ones clear them */

#define BAR_IO       1u
#define BAR_MEM64    4u
#define BAR_PREFETCH 8u

#define ASSIGN_CACHE_LINE 0x20u /* 128 bytes in words */
#define ASSIGN_LATENCY    0x40u

struct pci_function {
    struct pci *pci;
    struct root *root;
    struct pci_function *next; /* of its root */
    unsigned devfn;
    struct pci_function_config config;
    uint8_t space[CONFIG_SIZE];
    uint8_t mask[CONFIG_SIZE];  /* bits the guest may change */
    uint8_t start[CONFIG_SIZE]; /* power-on values */
    unsigned cap_end;           /* where the next capability goes */
    bool pin;                   /* what the function wants */
    bool pulled;                /* what the line was told */
};

/* One window: what a range registered with mem or ioport needs to know. */
struct window {
    struct root *root;
    uint64_t base;
    bool io;
};

struct root {
    struct pci *pci;
    struct pci_root_config config;
    struct window io[2], mem32, mem64;
    struct pci_function *functions;
    unsigned pulls[8]; /* functions that pull each line */
};

struct pci {
    struct mem *mem;
    struct ioport_space *ports;
    struct root *roots[PCI_MAX_ROOTS];
    unsigned count;
};

static uint32_t get(const uint8_t *p, unsigned size)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < size; i++)
        v |= (uint32_t)p[i] << 8 * i;
    return v;
}

static void put(uint8_t *p, unsigned size, uint32_t v)
{
    for (unsigned i = 0; i < size; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static unsigned command(const struct pci_function *f)
{
    return get(f->space + PCI_COMMAND, 2);
}

/* --- windows --- */

static bool bar_matches(const struct pci_function *f, unsigned n, bool io)
{
    enum pci_bar_kind kind = f->config.bar[n].kind;

    if (kind == PCI_BAR_NONE || (kind == PCI_BAR_IO) != io)
        return false;
    return command(f) & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY);
}

static uint64_t bar_address(const struct pci_function *f, unsigned n)
{
    uint64_t addr = get(f->space + PCI_BAR0 + 4 * n, 4);

    if (f->config.bar[n].kind == PCI_BAR_IO)
        return addr & ~3ull;
    if (f->config.bar[n].kind == PCI_BAR_MEM64)
        addr |= (uint64_t)get(f->space + PCI_BAR0 + 4 * n + 4, 4) << 32;
    return addr & ~15ull;
}

/* The BAR that holds an access, or NULL. A BAR at 0 has not been given an address. */
static const struct pci_bar *decode(const struct root *r, bool io, uint64_t addr, unsigned size,
                                    uint64_t *offset, void **opaque)
{
    for (struct pci_function *f = r->functions; f != NULL; f = f->next) {
        for (unsigned n = 0; n < PCI_BARS; n++) {
            const struct pci_bar *b = &f->config.bar[n];

            if (!bar_matches(f, n, io))
                continue;
            uint64_t base = bar_address(f, n);
            if (base == 0 || addr < base || addr - base >= b->size ||
                b->size - (addr - base) < size)
                continue;
            *offset = addr - base;
            *opaque = f->config.opaque;
            return b;
        }
    }
    return NULL;
}

static uint64_t window_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct window *w = opaque;
    const struct pci_bar *b;
    void *device;

    b = decode(w->root, w->io, w->base + offset, size, &offset, &device);
    return b != NULL ? b->read(device, offset, size) : UINT64_MAX;
}

static void window_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    const struct window *w = opaque;
    const struct pci_bar *b;
    void *device;

    b = decode(w->root, w->io, w->base + offset, size, &offset, &device);
    if (b != NULL)
        b->write(device, offset, value, size);
}

static int add_memory(struct root *r, struct window *w, uint64_t base, uint64_t size)
{
    *w = (struct window){r, base, false};
    if (size == 0)
        return 0;
    return mem_add_device(r->pci->mem, base, size, w, window_read, window_write);
}

static int add_ports(struct root *r, struct window *w, unsigned port, unsigned count)
{
    *w = (struct window){r, port, true};
    if (count == 0)
        return 0;
    return ioport_add(r->pci->ports, port, count, w, window_read, window_write);
}

/* --- roots --- */

struct pci *pci_new(struct mem *m, struct ioport_space *ports)
{
    struct pci *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->mem = m;
    p->ports = ports;
    return p;
}

void pci_free(struct pci *p)
{
    if (p == NULL)
        return;
    for (unsigned i = 0; i < p->count; i++) {
        struct pci_function *f = p->roots[i]->functions, *next;

        for (; f != NULL; f = next) {
            next = f->next;
            free(f);
        }
        free(p->roots[i]);
    }
    free(p);
}

static struct root *find_root(const struct pci *p, unsigned bus)
{
    for (unsigned i = 0; i < p->count; i++)
        if (p->roots[i]->config.bus == bus)
            return p->roots[i];
    return NULL;
}

static int open_windows(struct root *r)
{
    const struct pci_root_config *c = &r->config;
    int err = add_memory(r, &r->mem32, c->mem32, c->mem32_size);

    if (err == 0)
        err = add_memory(r, &r->mem64, c->mem64, c->mem64_size);
    for (unsigned i = 0; i < 2 && err == 0; i++)
        err = add_ports(r, &r->io[i], c->io[i].port, c->io[i].count);
    return err;
}

/* A root whose windows could not all be opened stays: the ranges point to it. */
int pci_add_root(struct pci *p, const struct pci_root_config *config)
{
    struct root *r;

    if (config->bus > 255 || config->lines > 8)
        return -EINVAL;
    if (find_root(p, config->bus) != NULL)
        return -EEXIST;
    if (p->count == PCI_MAX_ROOTS)
        return -ENOSPC;
    r = calloc(1, sizeof(*r));
    if (r == NULL)
        return -ENOMEM;
    r->pci = p;
    r->config = *config;
    p->roots[p->count++] = r;
    return open_windows(r);
}

/* --- functions --- */

static bool bar_valid(const struct pci_function_config *c, unsigned n)
{
    const struct pci_bar *b = &c->bar[n];
    uint64_t least = b->kind == PCI_BAR_IO ? 4 : 16;
    uint64_t most = b->kind == PCI_BAR_IO ? 256 : b->kind == PCI_BAR_MEM64 ? 1ull << 40 : 1u << 31;

    if (b->kind == PCI_BAR_NONE)
        return true;
    if (b->size < least || b->size > most || (b->size & (b->size - 1)) != 0)
        return false;
    if (b->read == NULL || b->write == NULL)
        return false;
    return b->kind != PCI_BAR_MEM64 || (n + 1 < PCI_BARS && c->bar[n + 1].kind == PCI_BAR_NONE);
}

/* A BAR's size shows in which of its address bits can be written. */
static void set_bar(struct pci_function *f, unsigned n)
{
    const struct pci_bar *b = &f->config.bar[n];
    uint64_t bits = ~(b->size - 1);
    uint32_t flags = b->kind == PCI_BAR_IO ? BAR_IO : 0;

    if (b->kind == PCI_BAR_NONE)
        return;
    if (b->kind == PCI_BAR_MEM64)
        flags |= BAR_MEM64;
    if (b->prefetchable)
        flags |= BAR_PREFETCH;
    put(f->start + PCI_BAR0 + 4 * n, 4, flags);
    put(f->mask + PCI_BAR0 + 4 * n, 4, (uint32_t)bits & (b->kind == PCI_BAR_IO ? ~3u : ~15u));
    if (b->kind == PCI_BAR_MEM64)
        put(f->mask + PCI_BAR0 + 4 * n + 4, 4, (uint32_t)(bits >> 32));
}

static void set_header(struct pci_function *f)
{
    const struct pci_function_config *c = &f->config;

    put(f->start + PCI_VENDOR, 4, (uint32_t)c->device << 16 | c->vendor);
    put(f->start + PCI_STATUS, 2, 0x0220); /* 66 MHz, medium DEVSEL */
    put(f->start + PCI_REVISION, 4, c->class_code << 8 | c->revision);
    put(f->start + PCI_SUBSYSTEM, 4, (uint32_t)c->subsystem << 16 | c->subsystem_vendor);
    f->start[PCI_IRQ_PIN] = c->pin;
    f->start[PCI_IRQ_PIN + 1] = c->min_grant;
    f->start[PCI_IRQ_PIN + 2] = c->max_latency;
    put(f->mask + PCI_COMMAND, 2, COMMAND_WRITABLE);
    f->mask[PCI_CACHE_LINE] = 0xff;
    f->mask[PCI_LATENCY] = 0xf8;
    f->mask[PCI_IRQ_LINE] = 0xff;
    for (unsigned n = 0; n < PCI_BARS; n++)
        set_bar(f, n);
}

static struct pci_function *find(const struct root *r, unsigned devfn)
{
    struct pci_function *f = r->functions;

    while (f != NULL && f->devfn != devfn)
        f = f->next;
    return f;
}

/* Bit 7 of the header type tells that a device has several functions. */
static void mark_multifunction(struct root *r, unsigned device)
{
    unsigned count = 0;

    for (struct pci_function *f = r->functions; f != NULL; f = f->next)
        count += f->devfn >> 3 == device;
    for (struct pci_function *f = r->functions; f != NULL; f = f->next)
        if (f->devfn >> 3 == device)
            pci_set8(f, PCI_HEADER, count > 1 ? 0x80 : 0);
}

int pci_add(struct pci *p, unsigned bus, unsigned device, unsigned fn,
            const struct pci_function_config *config, struct pci_function **out)
{
    struct root *r = find_root(p, bus);
    struct pci_function *f;

    if (r == NULL || device >= PCI_MAX_DEVICES || fn > 7 || config->pin > 4)
        return -EINVAL;
    for (unsigned n = 0; n < PCI_BARS; n++)
        if (!bar_valid(config, n))
            return -EINVAL;
    if (find(r, device << 3 | fn) != NULL)
        return -EEXIST;
    f = calloc(1, sizeof(*f));
    if (f == NULL)
        return -ENOMEM;
    f->pci = p;
    f->root = r;
    f->devfn = device << 3 | fn;
    f->config = *config;
    f->cap_end = FIRST_CAP;
    set_header(f);
    memcpy(f->space, f->start, CONFIG_SIZE);
    f->next = r->functions;
    r->functions = f;
    mark_multifunction(r, device);
    *out = f;
    return 0;
}

void pci_set8(struct pci_function *f, unsigned reg, unsigned value)
{
    f->start[reg % CONFIG_SIZE] = f->space[reg % CONFIG_SIZE] = (uint8_t)value;
}

void pci_set16(struct pci_function *f, unsigned reg, unsigned value)
{
    for (unsigned i = 0; i < 2; i++)
        pci_set8(f, reg + i, value >> 8 * i);
}

void pci_set32(struct pci_function *f, unsigned reg, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        pci_set8(f, reg + i, value >> 8 * i);
}

void pci_writable(struct pci_function *f, unsigned reg, uint32_t mask)
{
    if (reg <= CONFIG_SIZE - 4)
        put(f->mask + reg, 4, mask);
}

unsigned pci_capability(struct pci_function *f, unsigned id, unsigned len)
{
    unsigned at = f->cap_end;

    if (len < 2 || len > CONFIG_SIZE - at)
        return 0;
    pci_set8(f, at + CAP_ID, id);
    pci_set8(f, at + CAP_NEXT, f->space[PCI_CAP_PTR]);
    pci_set8(f, PCI_CAP_PTR, at);
    pci_set8(f, PCI_STATUS, f->start[PCI_STATUS] | PCI_STATUS_CAPS);
    f->cap_end = (at + len + 7) & ~7u;
    return at;
}

/* --- interrupts and DMA --- */

static void update_irq(struct pci_function *f)
{
    struct root *r = f->root;
    bool pull = f->pin && !(command(f) & PCI_COMMAND_INTX_OFF);
    unsigned line;

    f->space[PCI_STATUS] =
        (uint8_t)((f->space[PCI_STATUS] & ~PCI_STATUS_INTX) | (f->pin ? PCI_STATUS_INTX : 0));
    if (pull == f->pulled || f->config.pin == 0 || r->config.lines == 0)
        return;
    f->pulled = pull;
    line = ((f->devfn >> 3) + f->config.pin - 1u) % r->config.lines;
    if (pull) {
        if (r->pulls[line]++ == 0)
            irq_set(&r->config.line[line], 1);
    } else if (--r->pulls[line] == 0) {
        irq_set(&r->config.line[line], 0);
    }
}

void pci_set_irq(struct pci_function *f, bool level)
{
    f->pin = level;
    update_irq(f);
}

int pci_dma_read(struct pci_function *f, uint64_t addr, void *buf, uint64_t len)
{
    if (!(command(f) & PCI_COMMAND_MASTER))
        return -EACCES;
    return mem_dma_read(f->pci->mem, addr, buf, len);
}

int pci_dma_write(struct pci_function *f, uint64_t addr, const void *buf, uint64_t len)
{
    if (!(command(f) & PCI_COMMAND_MASTER))
        return -EACCES;
    return mem_dma_write(f->pci->mem, addr, buf, len);
}

/* --- configuration accesses --- */

static struct pci_function *locate(const struct pci *p, unsigned segment, unsigned bus,
                                   unsigned devfn, unsigned reg, unsigned size)
{
    const struct root *r = segment == 0 ? find_root(p, bus) : NULL;

    if (r == NULL || (size != 1 && size != 2 && size != 4) || reg % size != 0 ||
        reg > CONFIG_SIZE - size)
        return NULL;
    return find(r, devfn);
}

uint32_t pci_config_read(struct pci *p, unsigned segment, unsigned bus, unsigned devfn,
                         unsigned reg, unsigned size)
{
    const struct pci_function *f = locate(p, segment, bus, devfn, reg, size);

    return f != NULL ? get(f->space + reg, size) : UINT32_MAX;
}

static void write_byte(struct pci_function *f, unsigned reg, uint8_t value)
{
    uint8_t mask = f->mask[reg], clear = 0;

    if (reg == PCI_STATUS + 1)
        clear = value & (STATUS_CLEARABLE >> 8);
    f->space[reg] = (uint8_t)(((f->space[reg] & ~mask) | (value & mask)) & ~clear);
}

void pci_config_write(struct pci *p, unsigned segment, unsigned bus, unsigned devfn, unsigned reg,
                      unsigned size, uint32_t value)
{
    struct pci_function *f = locate(p, segment, bus, devfn, reg, size);

    if (f == NULL)
        return;
    for (unsigned i = 0; i < size; i++)
        write_byte(f, reg + i, (uint8_t)(value >> 8 * i));
    update_irq(f);
}

/* --- power-on --- */

void pci_reset(struct pci *p)
{
    for (unsigned i = 0; i < p->count; i++) {
        for (struct pci_function *f = p->roots[i]->functions; f != NULL; f = f->next) {
            if (f->config.reset != NULL)
                f->config.reset(f->config.opaque);
            memcpy(f->space, f->start, CONFIG_SIZE);
            pci_set_irq(f, false);
        }
    }
}

/* The next free address of a window. */
struct cursor {
    uint64_t next, end;
};

static uint64_t take(struct cursor *c, uint64_t size)
{
    uint64_t at = (c->next + size - 1) & ~(size - 1);

    if (at < c->next || at >= c->end || c->end - at < size)
        return 0;
    c->next = at + size;
    return at;
}

/* Ports below 0x1000 are for legacy devices. */
#define FIRST_PORT 0x1000u

static struct cursor port_cursor(const struct pci_root_config *c)
{
    for (unsigned i = 0; i < 2; i++) {
        unsigned end = c->io[i].port + c->io[i].count;
        unsigned start = c->io[i].port > FIRST_PORT ? c->io[i].port : FIRST_PORT;

        if (start < end)
            return (struct cursor){start, end};
    }
    return (struct cursor){0, 0};
}

static void assign_bar(struct pci_function *f, unsigned n, struct cursor *mem, struct cursor *io)
{
    const struct pci_bar *b = &f->config.bar[n];
    uint8_t *reg = f->space + PCI_BAR0 + 4 * n;
    uint64_t at;

    if (b->kind == PCI_BAR_NONE)
        return;
    at = take(b->kind == PCI_BAR_IO ? io : mem, b->size);
    put(reg, 4, (uint32_t)at | (get(reg, 4) & 15));
}

static void assign_function(struct pci_function *f, struct cursor *mem, struct cursor *io,
                            unsigned (*irq)(unsigned bus, unsigned line))
{
    const struct pci_root_config *c = &f->root->config;

    for (unsigned n = 0; n < PCI_BARS; n++)
        assign_bar(f, n, mem, io);
    f->space[PCI_CACHE_LINE] = ASSIGN_CACHE_LINE;
    f->space[PCI_LATENCY] = ASSIGN_LATENCY;
    put(f->space + PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    if (f->config.pin != 0 && c->lines != 0)
        f->space[PCI_IRQ_LINE] =
            (uint8_t)irq(c->bus, ((f->devfn >> 3) + f->config.pin - 1u) % c->lines);
}

void pci_assign(struct pci *p, unsigned (*irq)(unsigned bus, unsigned line))
{
    for (unsigned i = 0; i < p->count; i++) {
        struct root *r = p->roots[i];
        struct cursor mem = {r->config.mem32, r->config.mem32 + r->config.mem32_size};
        struct cursor io = port_cursor(&r->config);

        for (unsigned devfn = 0; devfn < 256; devfn++) {
            struct pci_function *f = find(r, devfn);
            if (f != NULL)
                assign_function(f, &mem, &io, irq);
        }
    }
}

/* --- saving --- */

/* Addresses only where the guest could have put them. */
static void function_state(struct pci_function *f, struct archive *s)
{
    uint8_t saved[CONFIG_SIZE];

    memcpy(saved, f->space, CONFIG_SIZE);
    archive_bytes(s, saved, CONFIG_SIZE);
    archive_truth(s, &f->pin, 1);
    archive_truth(s, &f->pulled, 1);
    for (unsigned n = PCI_BAR0; n < PCI_CAP_PTR; n++)
        archive_check(s, !((saved[n] ^ f->start[n]) & ~f->mask[n]),
                      "a device has other constant registers");
    if (s->loading && s->wrong == NULL)
        memcpy(f->space, saved, CONFIG_SIZE);
}

static void root_state(struct root *r, struct archive *s)
{
    for (struct pci_function *f = r->functions; f != NULL; f = f->next) {
        unsigned devfn = (unsigned)archive_number(s, f->devfn, 255, "there is no such device");

        if (!archive_check(s, devfn == f->devfn, "there are other PCI devices"))
            return;
        function_state(f, s);
    }
    if (!s->loading)
        return;
    memset(r->pulls, 0, sizeof(r->pulls));
    for (struct pci_function *f = r->functions; f != NULL; f = f->next)
        if (f->pulled && f->config.pin != 0 && r->config.lines != 0)
            r->pulls[((f->devfn >> 3) + f->config.pin - 1u) % r->config.lines]++;
}

void pci_state(struct pci *p, struct archive *s)
{
    for (unsigned i = 0; i < p->count; i++)
        root_state(p->roots[i], s);
}
