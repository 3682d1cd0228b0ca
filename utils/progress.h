/* A bar for work that takes long: how much is done, how fast it goes, how long it will take.
 *
 * On a terminal (standard error) only, and only once the work has taken a moment; anywhere else
 * nothing is shown. One bar at a time; other output waits until progress_end.
 */
#ifndef KITTSON_UTILS_PROGRESS_H
#define KITTSON_UTILS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *what; /* stays the caller's */
    uint64_t total;   /* bytes */
    int64_t began_us, shown_us;
    bool terminal, shown;
};

void progress_begin(struct progress *p, const char *what, uint64_t total);
/* So many bytes are done. p may be NULL: nobody wants to see it. */
void progress_at(struct progress *p, uint64_t done);
/* Takes the bar away. */
void progress_end(struct progress *p);

/* The line: "disk.img  [=====     ]  50%  12.0 MB/s  0:07 left", at most columns wide. */
void progress_line(char *out, size_t size, const char *what, uint64_t done, uint64_t total,
                   int64_t elapsed_us, unsigned columns);

#endif
