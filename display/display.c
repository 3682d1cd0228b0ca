/* See display.h. */
#include "display_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"

struct display {
    const struct display_kind *kind;
    void *state;
};

static int open_kind(struct display *d, const char *what, const char *title,
                     const struct display_source *source, const struct display_input *input,
                     char *why, size_t size)
{
    if (strncmp(what, "dump:", 5) == 0) {
        d->kind = &dump_kind;
        return dump_open(what + 5, source, &d->state, why, size);
    }
    if (strcmp(what, "sdl") == 0) {
        d->kind = &window_kind;
        return window_open(title, source, input, &d->state, why, size);
    }
    snprintf(why, size, "--display %s: give none, sdl or dump:DIR", what);
    return -EINVAL;
}

int display_open(const char *what, const char *title, const struct display_source *source,
                 const struct display_input *input, struct display **out, char *why, size_t size)
{
    struct display *d = calloc(1, sizeof *d);
    int err;

    *out = NULL;
    if (d == NULL)
        return -ENOMEM;
    err = open_kind(d, what, title, source, input, why, size);
    if (err == 0) {
        *out = d;
        return 0;
    }
    free(d);
    if (err != -ENODEV)
        return err;
    log_warn("%s; the serial console goes on", why);
    return 0;
}

void display_close(struct display *d)
{
    if (d == NULL)
        return;
    d->kind->close(d->state);
    free(d);
}

uint64_t display_poll(struct display *d, uint64_t now)
{
    return d != NULL ? d->kind->poll(d->state, now) : UINT64_MAX;
}
