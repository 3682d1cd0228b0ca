/* See graphics.h. */
#include "graphics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "machine_impl.h"
#include "vga.h"

struct graphics {
    struct vga *vga;
    struct display *display;
    struct display_source source;
    struct display_input input;
    uint64_t due; /* machine_host_ns */
};

_Static_assert(DISPLAY_MAX_WIDTH >= VGA_MAX_WIDTH && DISPLAY_MAX_HEIGHT >= VGA_MAX_HEIGHT,
               "a display has room for every picture");

static uint64_t generation(void *opaque)
{
    return vga_generation(opaque);
}

static bool picture(void *opaque, unsigned *width, unsigned *height, uint32_t *pixels)
{
    struct vga_picture p;

    if (!vga_picture(opaque, &p, pixels))
        return false;
    *width = p.width;
    *height = p.height;
    return true;
}

int graphics_new(const struct machine_config *config, struct pci *pci,
                 const struct display_input *input, struct graphics **out, char *why, size_t size)
{
    struct graphics *g;
    int err;

    if (config->display == NULL)
        return 0;
    g = calloc(1, sizeof *g);
    if (g == NULL)
        return -ENOMEM;
    *out = g;
    g->vga = vga_new(pci, HPVM_VGA_BUS, HPVM_VGA_SLOT, &err);
    if (g->vga == NULL) {
        snprintf(why, size, "the graphics adapter cannot be set up: %s", strerror(-err));
        return err;
    }
    g->source = (struct display_source){g->vga, generation, picture};
    g->input = *input;
    return display_open(config->display, "Kittson", &g->source, &g->input, &g->display, why, size);
}

void graphics_free(struct graphics *g)
{
    if (g == NULL)
        return;
    display_close(g->display);
    vga_free(g->vga);
    free(g);
}

void graphics_poll(struct graphics *g)
{
    if (g != NULL)
        g->due = display_poll(g->display, machine_host_ns());
}

uint64_t graphics_due_ns(const struct graphics *g)
{
    uint64_t now = machine_host_ns();

    if (g == NULL || g->due == UINT64_MAX)
        return UINT64_MAX;
    return g->due > now ? g->due - now : 0;
}

int graphics_dump(struct graphics *g, const char *path, char *why, size_t size)
{
    if (g == NULL) {
        snprintf(why, size, "the machine has no graphics adapter (--display)");
        return -ENODEV;
    }
    return display_write_png(&g->source, path, why, size);
}

void graphics_state(struct graphics *g, struct archive *a)
{
    if (g != NULL)
        vga_state(g->vga, a);
}
