/* Pictures as PNG files. See display.h. */
#include "display_impl.h"
#include "log.h"

#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DUMP_NS 500000000ull

struct dump {
    struct display_source source;
    char *path;
    uint64_t shown, next_ns;
    bool failed; /* said once */
};

/* --- one picture --- */

static int write_file(const char *path, unsigned width, unsigned height, const uint32_t *pixels)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = width, .height = height, .format = PNG_FORMAT_BGRA};

    errno = 0;
    if (png_image_write_to_file(&image, path, 0, pixels, 0, NULL))
        return 0;
    return errno ? -errno : -EIO;
}

static void make_opaque(uint32_t *pixels, size_t count)
{
    for (size_t k = 0; k < count; k++)
        pixels[k] |= 0xff000000u;
}

/* Never half a file under the name. */
static int replace_file(const char *path, unsigned width, unsigned height, const uint32_t *pixels)
{
    size_t size = strlen(path) + 16;
    char *part = malloc(size);
    int err = -ENOMEM;

    if (part == NULL)
        return err;
    snprintf(part, size, "%s.%ld", path, (long)getpid());
    err = write_file(part, width, height, pixels);
    if (err == 0 && rename(part, path) != 0)
        err = -errno;
    if (err != 0)
        unlink(part);
    free(part);
    return err;
}

int display_write_png(const struct display_source *source, const char *path, char *why, size_t size)
{
    uint32_t *pixels = malloc((size_t)DISPLAY_MAX_WIDTH * DISPLAY_MAX_HEIGHT * sizeof *pixels);
    unsigned width, height;
    int err = -ENODATA;

    if (pixels == NULL)
        return -ENOMEM;
    if (source->picture(source->opaque, &width, &height, pixels)) {
        make_opaque(pixels, (size_t)width * height);
        err = replace_file(path, width, height, pixels);
    }
    free(pixels);
    if (err == -ENODATA)
        snprintf(why, size, "nothing is shown on the screen");
    else if (err != 0)
        snprintf(why, size, "%s: %s", path, strerror(-err));
    return err;
}

/* --- a folder --- */

int dump_open(const char *dir, const struct display_source *source, void **state, char *why,
              size_t size)
{
    struct dump *d;
    struct stat st;

    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode) || access(dir, W_OK) != 0) {
        snprintf(why, size, "--display dump:%s: not a directory that can be written", dir);
        return -ENOTDIR;
    }
    d = calloc(1, sizeof *d);
    if (d == NULL)
        return -ENOMEM;
    d->source = *source;
    d->path = malloc(strlen(dir) + sizeof "/screen.png");
    if (d->path == NULL) {
        free(d);
        return -ENOMEM;
    }
    sprintf(d->path, "%s/screen.png", dir);
    *state = d;
    return 0;
}

static void write_newest(struct dump *d)
{
    uint64_t generation = d->source.generation(d->source.opaque);
    char why[512];
    int err;

    if (generation == d->shown)
        return;
    d->shown = generation;
    err = display_write_png(&d->source, d->path, why, sizeof why);
    if (err != 0 && err != -ENODATA && !d->failed) {
        d->failed = true;
        log_warn("%s", why);
    }
}

static uint64_t dump_poll(void *state, uint64_t now)
{
    struct dump *d = state;

    if (d->source.generation(d->source.opaque) == d->shown)
        return UINT64_MAX;
    if (now < d->next_ns)
        return d->next_ns;
    write_newest(d);
    d->next_ns = now + DUMP_NS;
    return UINT64_MAX;
}

static void dump_close(void *state)
{
    struct dump *d = state;

    write_newest(d);
    free(d->path);
    free(d);
}

const struct display_kind dump_kind = {dump_poll, dump_close};
