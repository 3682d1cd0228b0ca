/* The graphics adapter of a machine and the display its picture goes to. Private to machine/. */
#ifndef KITTSON_MACHINE_GRAPHICS_H
#define KITTSON_MACHINE_GRAPHICS_H

#include <stddef.h>
#include <stdint.h>
#include "display.h"
#include "machine.h"
#include "pci.h"

struct archive;
struct graphics;

/* Nothing (*out stays NULL) unless the configuration has a display. input: what hears of the user;
 * it is copied. 0, or a negative errno with one sentence in why. The others take NULL. */
int graphics_new(const struct machine_config *config, struct pci *pci,
                 const struct display_input *input, struct graphics **out, char *why, size_t size);
void graphics_free(struct graphics *g);
void graphics_poll(struct graphics *g);
/* Host nanoseconds until graphics_poll is wanted, UINT64_MAX when not. */
uint64_t graphics_due_ns(const struct graphics *g);
/* The present picture as a PNG file: display.h. */
int graphics_dump(struct graphics *g, const char *path, char *why, size_t size);
void graphics_state(struct graphics *g, struct archive *a);

#endif
