/* A graphics adapter with a linear frame buffer: PCI 1234:1111 with the "Bochs dispi" registers, as
 * Linux' bochs-drm drives it.
 *
 * BAR 0 is 16 MB of video memory. BAR 2 has 4 KB of registers: VGA registers (ports 3c0 to 3df)
 * from 400, dispi registers of 16 bits from 500, byte order from 600. Modes of 32 and 24 bits a
 * pixel are shown; text and planar modes of VGA are not there. All calls come from one thread.
 */
#ifndef KITTSON_BUS_VGA_H
#define KITTSON_BUS_VGA_H

#include <stdbool.h>
#include <stdint.h>
#include "pci.h"

#define VGA_MEMORY_SIZE (16u << 20)
#define VGA_MAX_WIDTH   2560u
#define VGA_MAX_HEIGHT  1600u

struct vga;

/* At bus, device of a PCI bus, which must outlive it. NULL with a negative errno in *err. */
struct vga *vga_new(struct pci *pci, unsigned bus, unsigned device, int *err);
void vga_free(struct vga *v);

/* What is on the screen: rows of width pixels 0x00RRGGBB. False while nothing is shown: no mode is
 * set, it is blanked, or it does not fit into video memory. pixels has room for VGA_MAX_WIDTH *
 * VGA_MAX_HEIGHT. */
struct vga_picture {
    unsigned width, height;
};
bool vga_picture(const struct vga *v, struct vga_picture *p, uint32_t *pixels);
/* Changes with every write to video memory or registers. */
uint64_t vga_generation(const struct vga *v);

/* Saves or restores registers and video memory (utils/archive.h). Version 1. */
struct archive;
void vga_state(struct vga *v, struct archive *s);

#endif
