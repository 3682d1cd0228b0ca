/* bus/pci.c: configuration space, BARs and windows, interrupt lines, DMA. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "ioport.h"
#include "pci.h"

#define RAM      0x10000u
#define WINDOW   0x80000000ull
#define WINDOW64 0x80000000000ull

static struct mem *m;
static struct ioport_space *ports;
static struct pci *p;
static struct pci_function *f;
static int line[8];
static unsigned resets;

static struct {
    uint64_t offset, value;
    unsigned size, count;
} last;

static uint64_t dev_read(void *opaque, uint64_t offset, unsigned size)
{
    ck_assert_ptr_eq(opaque, &last);
    last.offset = offset;
    last.size = size;
    last.count++;
    return 0x1122334455667788ull;
}

static void dev_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    dev_read(opaque, offset, size);
    last.value = value;
}

static void set_line(void *opaque, int n, int level)
{
    (void)opaque;
    line[n] = level;
}

static void count_reset(void *opaque)
{
    (void)opaque;
    resets++;
}

static const struct pci_function_config device = {
    .vendor = 0x1000,
    .device = 0x0030,
    .subsystem_vendor = 0x103c,
    .subsystem = 0x1234,
    .class_code = 0x010000,
    .revision = 7,
    .pin = 1,
    .bar = {{PCI_BAR_IO, false, 256, dev_read, dev_write},
            {PCI_BAR_MEM64, true, 0x20000, dev_read, dev_write},
            {0},
            {PCI_BAR_MEM32, false, 0x1000, dev_read, dev_write}},
    .opaque = &last,
    .reset = count_reset,
};

static struct pci_root_config root(unsigned bus)
{
    struct pci_root_config c = {.bus = bus,
                                .io = {{0x2000u * bus, 0x2000}},
                                .mem32 = WINDOW + ((uint64_t)bus << 28),
                                .mem32_size = 1u << 28,
                                .mem64 = WINDOW64 + ((uint64_t)bus << 32),
                                .mem64_size = 1ull << 32,
                                .lines = 8};
    for (int i = 0; i < 8; i++)
        c.line[i] = (struct irq_line){set_line, NULL, i};
    return c;
}

static void setup(void)
{
    m = mem_new();
    ck_assert_int_eq(mem_add_ram(m, 0, RAM), 0);
    ports = ioport_new();
    p = pci_new(m, ports);
    for (unsigned bus = 1; bus < 3; bus++) {
        struct pci_root_config c = root(bus);
        ck_assert_int_eq(pci_add_root(p, &c), 0);
    }
    ck_assert_int_eq(pci_add(p, 1, 2, 0, &device, &f), 0);
}

static void teardown(void)
{
    pci_free(p);
    ioport_free(ports);
    mem_free(m);
}

static uint32_t get(unsigned reg, unsigned size)
{
    return pci_config_read(p, 0, 1, 2 << 3, reg, size);
}

static void set(unsigned reg, unsigned size, uint32_t v)
{
    pci_config_write(p, 0, 1, 2 << 3, reg, size, v);
}

START_TEST(identity)
{
    ck_assert_uint_eq(get(0, 4), 0x00301000);
    ck_assert_uint_eq(get(0, 2), 0x1000);
    ck_assert_uint_eq(get(8, 4), 0x01000007);
    ck_assert_uint_eq(get(0x2c, 4), 0x1234103c);
    ck_assert_uint_eq(get(PCI_IRQ_PIN, 1), 1);
    ck_assert_uint_eq(get(PCI_HEADER, 1), 0);
    set(0, 4, 0); /* read-only */
    ck_assert_uint_eq(get(0, 4), 0x00301000);
    /* absent: other function, device, bus, segment; registers outside */
    ck_assert_uint_eq(pci_config_read(p, 0, 1, 2 << 3 | 1, 0, 4), 0xffffffff);
    ck_assert_uint_eq(pci_config_read(p, 0, 1, 3 << 3, 0, 4), 0xffffffff);
    ck_assert_uint_eq(pci_config_read(p, 0, 7, 2 << 3, 0, 4), 0xffffffff);
    ck_assert_uint_eq(pci_config_read(p, 1, 1, 2 << 3, 0, 4), 0xffffffff);
    ck_assert_uint_eq(get(0x100, 4), 0xffffffff);
    ck_assert_uint_eq(get(0xfff, 1), 0xffffffff);
    ck_assert_uint_eq(get(2, 4), 0xffffffff); /* not aligned */
    ck_assert_uint_eq(get(0, 3), 0xffffffff);
    set(0x1000, 4, 1);
    pci_config_write(p, 9, 9, 9, 0, 4, 1);
}
END_TEST

START_TEST(sizing)
{
    set(PCI_BAR0, 4, 0xffffffff);
    set(PCI_BAR0 + 4, 4, 0xffffffff);
    set(PCI_BAR0 + 8, 4, 0xffffffff);
    set(PCI_BAR0 + 12, 4, 0xffffffff);
    set(PCI_BAR0 + 16, 4, 0xffffffff);
    ck_assert_uint_eq(get(PCI_BAR0, 4), 0xffffff01);
    ck_assert_uint_eq(get(PCI_BAR0 + 4, 4), 0xfffe000c);
    ck_assert_uint_eq(get(PCI_BAR0 + 8, 4), 0xffffffff);
    ck_assert_uint_eq(get(PCI_BAR0 + 12, 4), 0xfffff000);
    ck_assert_uint_eq(get(PCI_BAR0 + 16, 4), 0); /* none */
    ck_assert_uint_eq(get(PCI_ROM, 4), 0);
}
END_TEST

static bool reaches(uint64_t addr)
{
    uint64_t v;
    unsigned before = last.count;

    ck_assert(mem_read(m, addr, 4, &v));
    return last.count != before;
}

START_TEST(memory_decoding)
{
    uint64_t v, base = WINDOW + (1u << 28);

    set(PCI_BAR0 + 4, 4, (uint32_t)base);
    ck_assert(!reaches(base)); /* not enabled */
    set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    ck_assert(reaches(base + 0x1fffc));
    ck_assert_uint_eq(last.offset, 0x1fffc);
    ck_assert(!reaches(base + 0x20000));
    ck_assert(mem_read(m, base + 0x1fffc, 8, &v)); /* beyond its end */
    ck_assert_uint_eq(v, UINT64_MAX);
    ck_assert(mem_write(m, base + 0x40, 4, 0xabcd));
    ck_assert_uint_eq(last.value, 0xabcd);
    /* above 4 GB */
    set(PCI_BAR0 + 4, 4, 0);
    set(PCI_BAR0 + 8, 4, 0x801);
    ck_assert(reaches(WINDOW64 + (1ull << 32) + 8));
    ck_assert_uint_eq(last.offset, 8);
    ck_assert(!reaches(base));
    /* in another root's window: nobody forwards it there */
    set(PCI_BAR0 + 8, 4, 0x802);
    ck_assert(!reaches(WINDOW64 + (2ull << 32) + 8));
    set(PCI_BAR0 + 8, 4, 0);
    ck_assert(!reaches(base)); /* address 0: none */
}
END_TEST

START_TEST(port_decoding)
{
    set(PCI_BAR0, 4, 0x2100);
    last.count = 0;
    ioport_in(ports, 0x2104, 4);
    ck_assert_uint_eq(last.count, 0);
    set(PCI_COMMAND, 2, PCI_COMMAND_IO);
    ck_assert_uint_eq(ioport_in(ports, 0x2104, 4), 0x55667788);
    ck_assert_uint_eq(last.offset, 4);
    ioport_out(ports, 0x21ff, 0x42, 1);
    ck_assert_uint_eq(last.offset, 0xff);
    last.count = 0;
    ck_assert_uint_eq(ioport_in(ports, 0x2200, 1), 0xff);
    ck_assert_uint_eq(ioport_in(ports, 0x4104, 1), 0xff);
    ck_assert_uint_eq(last.count, 0);
}
END_TEST

START_TEST(interrupts)
{
    struct pci_function *g;

    ck_assert_int_eq(pci_add(p, 1, 10, 0, &device, &g), 0); /* shares line 2 */
    pci_set_irq(f, true);
    ck_assert_int_eq(line[2], 1);
    ck_assert_uint_eq(get(PCI_STATUS, 2) & PCI_STATUS_INTX, PCI_STATUS_INTX);
    pci_set_irq(g, true);
    pci_set_irq(f, false);
    ck_assert_int_eq(line[2], 1);
    pci_set_irq(g, false);
    ck_assert_int_eq(line[2], 0);
    pci_set_irq(f, true);
    set(PCI_COMMAND, 2, PCI_COMMAND_INTX_OFF);
    ck_assert_int_eq(line[2], 0);
    set(PCI_COMMAND, 2, 0);
    ck_assert_int_eq(line[2], 1);
    pci_reset(p);
    ck_assert_int_eq(line[2], 0);
    ck_assert_uint_eq(resets, 2);
}
END_TEST

START_TEST(capabilities)
{
    unsigned a = pci_capability(f, 0x01, 8), b = pci_capability(f, 0x07, 12);

    pci_set16(f, a + 2, 0x1234);
    pci_writable(f, a + 4, 0xff);
    ck_assert_uint_eq(get(PCI_STATUS, 2) & PCI_STATUS_CAPS, PCI_STATUS_CAPS);
    ck_assert_uint_eq(get(PCI_CAP_PTR, 1), b);
    ck_assert_uint_eq(get(b, 1), 7);
    ck_assert_uint_eq(get(b + 1, 1), a);
    ck_assert_uint_eq(get(a, 4), 0x12340001);
    set(a + 4, 4, 0xffffffff);
    ck_assert_uint_eq(get(a + 4, 4), 0xff);
    pci_reset(p);
    ck_assert_uint_eq(get(a + 4, 4), 0);
    ck_assert_uint_eq(get(a + 2, 2), 0x1234);
    for (unsigned i = 0; i < 100; i++)
        pci_capability(f, 9, 8);
    ck_assert_uint_eq(pci_capability(f, 9, 8), 0);
    ck_assert_uint_eq(pci_capability(f, 9, 1), 0);
}
END_TEST

START_TEST(dma)
{
    char buf[4] = "abc";

    ck_assert_int_eq(pci_dma_write(f, 16, buf, 4), -EACCES);
    ck_assert_int_eq(pci_dma_read(f, 16, buf, 4), -EACCES);
    set(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    ck_assert_int_eq(pci_dma_write(f, 16, buf, 4), 0);
    ck_assert_int_eq(pci_dma_read(f, 16, buf, 4), 0);
    ck_assert_int_eq(pci_dma_read(f, RAM - 2, buf, 4), -EFAULT);
    ck_assert_int_eq(pci_dma_write(f, UINT64_MAX, buf, 4), -EFAULT);
}
END_TEST

static unsigned gsi(unsigned bus, unsigned n)
{
    return 16 + 8 * bus + n;
}

START_TEST(assignment)
{
    struct pci_function *g;
    uint32_t bar1, bar3;

    ck_assert_int_eq(pci_add(p, 1, 3, 0, &device, &g), 0);
    pci_assign(p, gsi);
    bar1 = get(PCI_BAR0 + 4, 4);
    bar3 = get(PCI_BAR0 + 12, 4);
    ck_assert_uint_eq(bar1 & 15, 12);
    ck_assert_uint_ge(bar1, 0x90000000);
    ck_assert_uint_lt(bar3, 0xa0000000);
    ck_assert_uint_ne(bar1 & ~15u, bar3);
    ck_assert_uint_eq(bar1 % 0x20000, 12);
    ck_assert_uint_eq(get(PCI_BAR0, 4), 0x2001);
    ck_assert_uint_eq(pci_config_read(p, 0, 1, 3 << 3, PCI_BAR0, 4), 0x2101);
    ck_assert_uint_eq(get(PCI_IRQ_LINE, 1), 16 + 8 + 2);
    ck_assert_uint_eq(get(PCI_COMMAND, 2), 7);
    ck_assert(reaches(bar1 & ~15u));
    ck_assert(reaches(bar3));
}
END_TEST

START_TEST(bad_configurations)
{
    struct pci_function_config c = device;
    struct pci_root_config r = root(1);
    struct pci_function *g;

    ck_assert_int_eq(pci_add_root(p, &r), -EEXIST);
    r.bus = 300;
    ck_assert_int_eq(pci_add_root(p, &r), -EINVAL);
    ck_assert_int_eq(pci_add(p, 1, 2, 0, &c, &g), -EEXIST);
    ck_assert_int_eq(pci_add(p, 9, 2, 0, &c, &g), -EINVAL);
    ck_assert_int_eq(pci_add(p, 1, 32, 0, &c, &g), -EINVAL);
    ck_assert_int_eq(pci_add(p, 1, 3, 8, &c, &g), -EINVAL);
    c.bar[1].size = 0x30000;
    ck_assert_int_eq(pci_add(p, 1, 3, 0, &c, &g), -EINVAL);
    c = device;
    c.bar[2] = c.bar[3]; /* the upper half of a 64-bit BAR */
    ck_assert_int_eq(pci_add(p, 1, 3, 0, &c, &g), -EINVAL);
    c = device;
    c.pin = 5;
    ck_assert_int_eq(pci_add(p, 1, 3, 0, &c, &g), -EINVAL);
    c.pin = 1;
    ck_assert_int_eq(pci_add(p, 1, 2, 1, &c, &g), 0); /* a second function */
    ck_assert_uint_eq(get(PCI_HEADER, 1), 0x80);
}
END_TEST

/* Any configuration write leaves the bus usable. */
START_TEST(random_configuration)
{
    uint64_t v;

    srand(1);
    for (unsigned i = 0; i < 200000; i++) {
        unsigned size = 1u << rand() % 3, reg = (unsigned)rand() % 256 & ~(size - 1);
        set(reg, size, (uint32_t)rand() << 16 ^ (uint32_t)rand());
        mem_read(m, WINDOW + (1u << 28) + (unsigned)rand() % (1u << 28), 4, &v);
        if (i % 64 == 0)
            pci_set_irq(f, rand() & 1);
        if (i % 5000 == 0)
            pci_reset(p);
    }
    ck_assert_uint_eq(get(0, 4), 0x00301000);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pci");
    TCase *t = tcase_create("pci");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, identity);
    tcase_add_test(t, sizing);
    tcase_add_test(t, memory_decoding);
    tcase_add_test(t, port_decoding);
    tcase_add_test(t, interrupts);
    tcase_add_test(t, capabilities);
    tcase_add_test(t, dma);
    tcase_add_test(t, assignment);
    tcase_add_test(t, bad_configurations);
    tcase_add_test(t, random_configuration);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    int failed;

    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
