/* Command-line options from a table: parsing, help text, suggestions for mistyped ones.
 *
 * One table per command is the only place that names its options; the parser, --help and the check
 * of the manual page use it. Values are interpreted by the command, not here.
 */
#ifndef KITTSON_UTILS_OPTS_H
#define KITTSON_UTILS_OPTS_H

#include <stddef.h>
#include <stdio.h>

struct opt {
    int id;            /* the command's own number for it */
    const char *name;  /* long name without dashes */
    char letter;       /* short name or 0 */
    const char *arg;   /* name of its value in the help text, NULL when it takes none */
    const char *help;  /* one line; NULL: not shown */
    const char *later; /* set: known but not there yet; says what it comes with */
};

/* Called for each option, and for each operand with id OPTS_OPERAND. Returns 0, or a negative
 * errno after writing one sentence (without the program's name) to why. */
#define OPTS_OPERAND (-1)
typedef int opts_fn(void *opaque, const struct opt *o, const char *value, char *why, size_t size);

/* Parses argv[1..]. Understands "--name value", "--name=value", "-x value", "-xvalue" and "--".
 * Returns 0, or -EINVAL or what fn returned, with a sentence in why. */
int opts_parse(const struct opt *table, size_t count, int argc, char **argv, opts_fn *fn,
               void *opaque, char *why, size_t size);

/* The options as an aligned list, one per line. */
void opts_print(FILE *out, const struct opt *table, size_t count);

#endif
