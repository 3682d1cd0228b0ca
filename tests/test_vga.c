/* The graphics adapter's registers and what they put on the screen. */
#include <check.h>
#include <stdlib.h>
#include "vga.h"

static struct mem *mem;
static struct ioport_space *ports;
static struct pci *pci;
static struct vga *vga;
static uint32_t *pixels;
static uint64_t memory, registers; /* BAR 0 and 2 */

static unsigned no_irq(unsigned bus, unsigned line)
{
    (void)bus;
    return line;
}

static void setup(void)
{
    struct pci_root_config root = {
        .bus = 0, .io = {{0, 0x1000}}, .mem32 = 0x80000000, .mem32_size = 0x10000000};
    int err;

    mem = mem_new();
    ports = ioport_new();
    pci = pci_new(mem, ports);
    ck_assert_int_eq(pci_add_root(pci, &root), 0);
    vga = vga_new(pci, 0, 3, &err);
    ck_assert_ptr_nonnull(vga);
    pci_assign(pci, no_irq);
    memory = pci_config_read(pci, 0, 0, 3 << 3, PCI_BAR0, 4) & ~15u;
    registers = pci_config_read(pci, 0, 0, 3 << 3, PCI_BAR0 + 8, 4) & ~15u;
    pixels = calloc((size_t)VGA_MAX_WIDTH * VGA_MAX_HEIGHT, sizeof *pixels);
}

static void teardown(void)
{
    vga_free(vga);
    pci_free(pci);
    ioport_free(ports);
    mem_free(mem);
    free(pixels);
}

static unsigned dispi(unsigned n)
{
    uint64_t v;

    mem_read(mem, registers + 0x500 + 2 * n, 2, &v);
    return (unsigned)v;
}

static void set_dispi(unsigned n, unsigned v)
{
    mem_write(mem, registers + 0x500 + 2 * n, 2, v);
}

/* As Linux does it: unblank through the attribute controller, mode, enable. */
static void set_mode(unsigned width, unsigned height, unsigned bpp)
{
    mem_write(mem, registers + 0x400, 1, 0x20);
    set_dispi(4, 0);
    set_dispi(3, bpp);
    set_dispi(1, width);
    set_dispi(2, height);
    set_dispi(4, 0x41);
}

START_TEST(is_found)
{
    uint64_t v;

    ck_assert_uint_eq(pci_config_read(pci, 0, 0, 3 << 3, PCI_VENDOR, 4), 0x11111234);
    ck_assert_uint_eq(dispi(0), 0xb0c5);
    ck_assert_uint_eq(dispi(10), VGA_MEMORY_SIZE >> 16);
    mem_read(mem, registers + 0x600, 4, &v);
    ck_assert_uint_eq(v, 8);
    set_dispi(0, 1);
    ck_assert_uint_eq(dispi(0), 0xb0c5);
    set_dispi(4, 2);
    ck_assert_uint_eq(dispi(1), VGA_MAX_WIDTH);
}
END_TEST

START_TEST(shows_pixels)
{
    struct vga_picture p;
    uint64_t before = vga_generation(vga);

    ck_assert(!vga_picture(vga, &p, pixels));
    set_mode(640, 480, 32);
    mem_write(mem, memory + 4 * (640 * 2 + 5), 4, 0xff123456);
    ck_assert(vga_generation(vga) != before);
    ck_assert(vga_picture(vga, &p, pixels));
    ck_assert(p.width == 640 && p.height == 480);
    ck_assert_uint_eq(pixels[640 * 2 + 5] & 0xffffff, 0x123456);
    set_dispi(8, 0);
    set_dispi(6, 1024); /* a wider virtual screen, looked at from the second row on */
    set_dispi(9, 1);
    mem_write(mem, memory + 4 * (1024 * 3), 4, 0xabcdef);
    ck_assert(vga_picture(vga, &p, pixels));
    ck_assert_uint_eq(pixels[640 * 2], 0xabcdef);
    mem_write(mem, registers + 0x604, 4, 0xbebebebe);
    ck_assert(vga_picture(vga, &p, pixels));
    ck_assert_uint_eq(pixels[640 * 2],
                      0xcdab00); /* the bytes ef cd ab 00, most significant first */
}
END_TEST

START_TEST(clears_and_blanks)
{
    struct vga_picture p;
    uint64_t v;

    set_mode(64, 64, 24);
    mem_write(mem, memory, 2, 0xffff);
    ck_assert(vga_picture(vga, &p, pixels));
    ck_assert_uint_eq(pixels[0], 0xffff);
    set_mode(64, 64, 24); /* 3c0 takes the second 20 as a value, so the screen stays on */
    ck_assert(vga_picture(vga, &p, pixels));
    ck_assert_uint_eq(pixels[0], 0);
    mem_write(mem, registers + 0x400, 1, 0x20);
    mem_write(mem, registers + 0x400, 1, 0); /* a value again */
    ck_assert(vga_picture(vga, &p, pixels));
    mem_read(mem, registers + 0x41a, 1, &v);
    mem_write(mem, registers + 0x400, 1, 0);
    ck_assert(!vga_picture(vga, &p, pixels));
    pci_reset(pci);
    ck_assert_uint_eq(dispi(4), 0xffff); /* no memory decoding any more */
}
END_TEST

/* Modes that reach beyond video memory or the largest picture are not shown. */
START_TEST(absurd_modes)
{
    static const struct {
        unsigned width, height, bpp, virt, x, y;
    } modes[] = {
        {0, 480, 32, 640, 0, 0},         {640, 0, 32, 640, 0, 0},
        {640, 480, 8, 640, 0, 0},        {65535, 65535, 32, 65535, 0, 0},
        {640, 480, 32, 65535, 0, 0},     {640, 480, 32, 640, 1, 0},
        {640, 480, 32, 640, 0, 65535},   {640, 480, 32, 100, 0, 0},
        {640, 480, 32, 65535, 65535, 0}, {2560, 1600, 32, 2560, 0, 40},
    };
    struct vga_picture p;

    set_mode(640, 480, 32);
    for (size_t k = 0; k < sizeof modes / sizeof modes[0]; k++) {
        set_dispi(1, modes[k].width);
        set_dispi(2, modes[k].height);
        set_dispi(3, modes[k].bpp);
        set_dispi(6, modes[k].virt);
        set_dispi(8, modes[k].x);
        set_dispi(9, modes[k].y);
        ck_assert_msg(!vga_picture(vga, &p, pixels), "mode %zu", k);
    }
    mem_write(mem, memory + VGA_MEMORY_SIZE - 8, 8, ~0ull);
    mem_write(mem, registers + 0xff8, 8, ~0ull);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vga");
    TCase *tc = tcase_create("vga");
    SRunner *r = srunner_create(s);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, is_found);
    tcase_add_test(tc, shows_pixels);
    tcase_add_test(tc, clears_and_blanks);
    tcase_add_test(tc, absurd_modes);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
