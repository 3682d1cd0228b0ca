/* Where the picture of a graphics adapter goes and where keys come from: files for tests and people
 * without a screen, or a window.
 *
 * A display asks its source for the picture when it has changed, and tells its input what the user
 * does; it knows no device. All calls come from one thread.
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

/* What a user does. usage: a key's number in the keyboard page of the HID usage tables. Buttons:
 * bit 0 left, 1 right, 2 middle. Any function may be NULL. */
struct display_input {
    void *opaque;
    void (*key)(void *opaque, unsigned usage, bool down);
    void (*pointer)(void *opaque, int dx, int dy, int wheel, unsigned buttons);
    void (*close)(void *opaque); /* the window was closed */
};

struct display;

/* what: "dump:DIR": DIR/screen.png is the newest picture, replaced as a whole at most twice a
 * second. "sdl": a window; where there is no screen one line says so, and *out stays NULL. 0, or a
 * negative errno with one sentence in why. */
int display_open(const char *what, const char *title, const struct display_source *source,
                 const struct display_input *input, struct display **out, char *why, size_t size);
void display_close(struct display *d); /* the last picture is kept */

/* To be called now and then. now: a clock in nanoseconds. Returns when it wants to be called again,
 * UINT64_MAX for not before the picture changes. */
uint64_t display_poll(struct display *d, uint64_t now);

/* Writes the present picture as PNG. 0; -ENODATA with nothing on the screen; or another errno. The
 * sentence in why names the file. */
int display_write_png(const struct display_source *source, const char *path, char *why,
                      size_t size);

#endif
