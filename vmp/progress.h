/* A bar for work that takes long, drawn on a terminal: "hpvmclone: NAME [#####     ]  50%".
 *
 * Scripts see nothing of it: without a terminal on standard error nothing is drawn.
 */
#ifndef KITTSON_VMP_PROGRESS_H
#define KITTSON_VMP_PROGRESS_H

#include <stdint.h>

struct progress {
    const char *name; /* of what is worked on; the caller's */
    int percent;      /* as drawn; -1: nothing is drawn yet */
};

/* done of total, at most 2^57; draws what has changed. */
void progress_show(struct progress *p, uint64_t done, uint64_t total);
/* The bar's line ends, if one was drawn. */
void progress_end(const struct progress *p);

#endif
