/* The kinds of displays. Private to display/. */
#ifndef KITTSON_DISPLAY_DISPLAY_IMPL_H
#define KITTSON_DISPLAY_DISPLAY_IMPL_H

#include "display.h"

/* What display.h's functions do for a kind; state is its own. */
struct display_kind {
    uint64_t (*poll)(void *state, uint64_t now);
    void (*close)(void *state);
};

int dump_open(const char *dir, const struct display_source *source, void **state, char *why,
              size_t size);
extern const struct display_kind dump_kind;

/* -ENODEV: there is no screen, and why says it. */
int window_open(const char *title, const struct display_source *source,
                const struct display_input *input, void **state, char *why, size_t size);
extern const struct display_kind window_kind;

#endif
