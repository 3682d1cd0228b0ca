/* See vga.h. Numbers of the dispi registers: the interface's description that Linux' driver follows
 * (drivers/gpu/drm/tiny/bochs.c). */
#include "vga.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "archive.h"

#define REGISTERS    0x1000u
#define VGA_FIRST    0x400u /* ports 3c0 to 3df */
#define VGA_COUNT    0x20u
#define DISPI_FIRST  0x500u
#define ENDIAN_FIRST 0x600u /* size of what follows, byte order */
#define BYTES_BIG    0xbebebebeu
#define BYTES_LITTLE 0x1e1e1e1eu

#define ATTRIBUTE_INDEX 0x00u /* port 3c0 */
#define VIDEO_ENABLED   0x20u /* its palette address source bit: 0 blanks */
#define STATUS_1        0x1au /* port 3da: reading makes 3c0 an index again */

enum {
    DISPI_ID,
    DISPI_XRES,
    DISPI_YRES,
    DISPI_BPP,
    DISPI_ENABLE,
    DISPI_BANK,
    DISPI_VIRT_WIDTH,
    DISPI_VIRT_HEIGHT,
    DISPI_X_OFFSET,
    DISPI_Y_OFFSET,
    DISPI_MEMORY_64K,
    DISPI_COUNT
};

#define DISPI_VERSION 0xb0c5u
#define ENABLED       0x01u
#define CAPABILITIES  0x02u /* resolution registers read as the largest values */
#define NO_CLEAR      0x80u
#define SUBSYSTEM     0x1100u

struct vga {
    struct pci_function *function;
    uint8_t *memory;
    uint64_t generation;
    uint16_t dispi[DISPI_COUNT];
    uint8_t vga[VGA_COUNT];
    bool attribute_data; /* what port 3c0 takes next */
    bool big_endian;
};

/* --- video memory --- */

static bool inside(uint64_t offset, unsigned size)
{
    return offset <= VGA_MEMORY_SIZE - size;
}

static uint64_t memory_read(void *opaque, uint64_t offset, unsigned size)
{
    struct vga *v = opaque;
    uint64_t value = 0;

    if (inside(offset, size))
        memcpy(&value, v->memory + offset, size);
    return value;
}

static void memory_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct vga *v = opaque;

    if (!inside(offset, size))
        return;
    memcpy(v->memory + offset, &value, size);
    v->generation++;
}

/* --- registers --- */

static unsigned dispi_read(const struct vga *v, unsigned n)
{
    bool limits = v->dispi[DISPI_ENABLE] & CAPABILITIES;

    switch (n) {
    case DISPI_ID:
        return DISPI_VERSION;
    case DISPI_XRES:
        return limits ? VGA_MAX_WIDTH : v->dispi[n];
    case DISPI_YRES:
        return limits ? VGA_MAX_HEIGHT : v->dispi[n];
    case DISPI_BPP:
        return limits ? 32 : v->dispi[n];
    case DISPI_MEMORY_64K:
        return VGA_MEMORY_SIZE >> 16;
    default:
        return n < DISPI_COUNT ? v->dispi[n] : 0xffff;
    }
}

/* A mode comes into force when it is enabled: the virtual screen becomes as wide as the visible
 * one, and video memory is cleared unless the guest wants it kept. */
static void enable(struct vga *v, unsigned value)
{
    unsigned before = v->dispi[DISPI_ENABLE];

    v->dispi[DISPI_ENABLE] = (uint16_t)value;
    if (!(value & ENABLED) || (before & ENABLED))
        return;
    v->dispi[DISPI_VIRT_WIDTH] = v->dispi[DISPI_XRES];
    v->dispi[DISPI_VIRT_HEIGHT] = v->dispi[DISPI_YRES];
    v->dispi[DISPI_X_OFFSET] = v->dispi[DISPI_Y_OFFSET] = 0;
    if (!(value & NO_CLEAR))
        memset(v->memory, 0, VGA_MEMORY_SIZE);
}

static void dispi_write(struct vga *v, unsigned n, unsigned value)
{
    if (n == DISPI_ENABLE)
        enable(v, value);
    else if (n < DISPI_COUNT && n != DISPI_ID && n != DISPI_MEMORY_64K)
        v->dispi[n] = (uint16_t)value;
}

static unsigned vga_read(struct vga *v, unsigned n)
{
    if (n == STATUS_1)
        v->attribute_data = false;
    return v->vga[n];
}

/* Port 3c0 takes an index, which may blank the screen, and a value in turn. */
static void vga_write(struct vga *v, unsigned n, unsigned value)
{
    if (n == ATTRIBUTE_INDEX) {
        v->attribute_data = !v->attribute_data;
        if (!v->attribute_data)
            return;
    }
    v->vga[n] = (uint8_t)value;
}

static uint64_t endian_read(const struct vga *v, unsigned offset)
{
    return offset == 0 ? 8 : v->big_endian ? BYTES_BIG : BYTES_LITTLE;
}

static uint64_t register_read(void *opaque, uint64_t offset, unsigned size)
{
    struct vga *v = opaque;
    uint64_t value = 0;

    if (offset >= VGA_FIRST && offset + size <= VGA_FIRST + VGA_COUNT) {
        for (unsigned k = 0; k < size; k++)
            value |= (uint64_t)vga_read(v, (unsigned)offset - VGA_FIRST + k) << 8 * k;
        return value;
    }
    if (offset >= DISPI_FIRST && offset < DISPI_FIRST + 2 * DISPI_COUNT && size == 2)
        return dispi_read(v, (unsigned)(offset - DISPI_FIRST) / 2);
    if ((offset == ENDIAN_FIRST || offset == ENDIAN_FIRST + 4) && size == 4)
        return endian_read(v, (unsigned)offset - ENDIAN_FIRST);
    return 0; /* no EDID: there is no monitor that could tell */
}

static void register_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct vga *v = opaque;

    v->generation++;
    if (offset >= VGA_FIRST && offset + size <= VGA_FIRST + VGA_COUNT) {
        for (unsigned k = 0; k < size; k++)
            vga_write(v, (unsigned)offset - VGA_FIRST + k, value >> 8 * k & 0xff);
    } else if (offset >= DISPI_FIRST && offset < DISPI_FIRST + 2 * DISPI_COUNT && size == 2) {
        dispi_write(v, (unsigned)(offset - DISPI_FIRST) / 2, (unsigned)value & 0xffff);
    } else if (offset == ENDIAN_FIRST + 4 && size == 4) {
        v->big_endian = value == BYTES_BIG;
    }
}

/* --- the picture --- */

static uint32_t pixel(const struct vga *v, const uint8_t *p, unsigned bytes)
{
    if (v->big_endian && bytes == 4)
        return (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    return (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* The bytes of a mode that can be shown; 0: it cannot. */
static unsigned shown_bytes(const struct vga *v)
{
    unsigned bpp = v->dispi[DISPI_BPP], width = v->dispi[DISPI_XRES], height = v->dispi[DISPI_YRES];
    uint64_t stride = (uint64_t)v->dispi[DISPI_VIRT_WIDTH] * (bpp / 8);
    uint64_t last = (uint64_t)v->dispi[DISPI_Y_OFFSET] + height;

    if (!(v->dispi[DISPI_ENABLE] & ENABLED) || !(v->vga[ATTRIBUTE_INDEX] & VIDEO_ENABLED))
        return 0;
    if ((bpp != 32 && bpp != 24) || width == 0 || width > VGA_MAX_WIDTH || height == 0 ||
        height > VGA_MAX_HEIGHT)
        return 0;
    if ((unsigned)v->dispi[DISPI_X_OFFSET] + width > v->dispi[DISPI_VIRT_WIDTH] ||
        stride * last > VGA_MEMORY_SIZE)
        return 0;
    return bpp / 8;
}

bool vga_picture(const struct vga *v, struct vga_picture *p, uint32_t *pixels)
{
    unsigned bytes = shown_bytes(v);
    size_t stride = (size_t)v->dispi[DISPI_VIRT_WIDTH] * bytes;

    if (bytes == 0)
        return false;
    p->width = v->dispi[DISPI_XRES];
    p->height = v->dispi[DISPI_YRES];
    for (unsigned y = 0; y < p->height; y++) {
        const uint8_t *row = v->memory + (v->dispi[DISPI_Y_OFFSET] + y) * stride +
                             (size_t)v->dispi[DISPI_X_OFFSET] * bytes;

        for (unsigned x = 0; x < p->width; x++)
            *pixels++ = pixel(v, row + (size_t)x * bytes, bytes);
    }
    return true;
}

uint64_t vga_generation(const struct vga *v)
{
    return v->generation;
}

/* --- making --- */

static void bus_reset(void *opaque)
{
    struct vga *v = opaque;

    memset(v->dispi, 0, sizeof v->dispi);
    memset(v->vga, 0, sizeof v->vga);
    v->attribute_data = v->big_endian = false;
    v->generation++;
}

static int add_function(struct vga *v, struct pci *pci, unsigned bus, unsigned device)
{
    struct pci_function_config f = {.vendor = 0x1234,
                                    .device = 0x1111,
                                    .subsystem_vendor = 0x1234,
                                    .subsystem = SUBSYSTEM,
                                    .class_code = 0x030000,
                                    .revision = 2,
                                    .opaque = v,
                                    .reset = bus_reset};

    f.bar[0] = (struct pci_bar){.kind = PCI_BAR_MEM32,
                                .prefetchable = true,
                                .size = VGA_MEMORY_SIZE,
                                .read = memory_read,
                                .write = memory_write};
    f.bar[2] = (struct pci_bar){
        .kind = PCI_BAR_MEM32, .size = REGISTERS, .read = register_read, .write = register_write};
    return pci_add(pci, bus, device, 0, &f, &v->function);
}

struct vga *vga_new(struct pci *pci, unsigned bus, unsigned device, int *err)
{
    struct vga *v = calloc(1, sizeof *v);

    *err = -ENOMEM;
    if (v == NULL)
        return NULL;
    v->memory =
        mmap(NULL, VGA_MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (v->memory == MAP_FAILED) {
        free(v);
        return NULL;
    }
    *err = add_function(v, pci, bus, device);
    if (*err != 0) {
        vga_free(v);
        return NULL;
    }
    return v;
}

void vga_free(struct vga *v)
{
    if (v == NULL)
        return;
    munmap(v->memory, VGA_MEMORY_SIZE);
    free(v);
}

void vga_state(struct vga *v, struct archive *s)
{
    static const struct archive_field fields[] = {
        ARCHIVE_FIELD(struct vga, dispi),
        ARCHIVE_FIELD(struct vga, vga),
        ARCHIVE_FIELD(struct vga, attribute_data),
        ARCHIVE_FIELD(struct vga, big_endian),
    };

    archive_fields(s, v, fields, sizeof fields / sizeof fields[0]);
    archive_bytes(s, v->memory, VGA_MEMORY_SIZE);
    v->generation++;
}
