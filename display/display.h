/* Where the picture of a graphics adapter goes: files for tests and people without a screen.
 *
 * A display asks its source for the picture when it has changed; it knows no device. All calls come
 * from one thread.
 */
#ifndef KITTSON_DISPLAY_DISPLAY_H
#define KITTSON_DISPLAY_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISPLAY_MAX_WIDTH  2560u
#define DISPLAY_MAX_HEIGHT 1600u

/* generation changes with the picture. picture: false while nothing is shown, else rows of width
 * pixels 0x00RRGGBB in pixels, which has room for the largest one. */
struct display_source {
    void *opaque;
    uint64_t (*generation)(void *opaque);
    bool (*picture)(void *opaque, unsigned *width, unsigned *height, uint32_t *pixels);
};

struct display;

/* what: "dump:DIR": DIR/screen.png is the newest picture, replaced as a whole at most twice a
 * second. 0, or a negative errno with one sentence in why. */
int display_open(const char *what, const struct display_source *source, struct display **out,
                 char *why, size_t size);
void display_close(struct display *d); /* the last picture is kept */

/* To be called now and then. now: a clock in nanoseconds. Returns when it wants to be called again,
 * UINT64_MAX for not before the picture changes. */
uint64_t display_poll(struct display *d, uint64_t now);

/* Writes the present picture as PNG. 0; -ENODATA with nothing on the screen; or another errno. The
 * sentence in why names the file. */
int display_write_png(const struct display_source *source, const char *path, char *why,
                      size_t size);

#endif
