/* Looking closer at a replay: states inside turns, and the first instruction that differs from
 * what another program does with the same trace. Private to cli/. */
#ifndef KITTSON_CLI_BISECT_H
#define KITTSON_CLI_BISECT_H

#include <glib.h>
#include "tape.h"

/* The options of `kittson replay`. Strings are argv's. */
struct replay {
    const char *path, *cpu, *console;
    GPtrArray *images;       /* "OLD=NEW" */
    const char *reference;   /* program, or NULL */
    uint64_t until;          /* turns, 0: all */
    uint64_t from, to, step; /* --states; step 0: no */
    bool registers;
    uint64_t slots; /* --registers */
    bool stats;
    const char *embed; /* trace to write with what is read of images, or NULL */
};

/* --states and --registers: prints what is asked for while the tape runs. NULL if nothing is. */
struct look;
struct look *look_new(const struct replay *r, struct tape *t);
void look_free(struct look *l);

/* Finds and prints the first instruction behind which the machine was not as in the reference:
 * the program named by --reference, or this one with the other way of execution. */
void bisect(const struct replay *r, const struct tape_failure *f);

#endif
