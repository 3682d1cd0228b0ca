/* Traces of what processors do, in a file: `kittson run --itrace` and `kittson itrace`.
 *
 * docs/debugging.md has the specification's syntax and the binary format. Private to machine/ and
 * the command line.
 */
#ifndef KITTSON_MACHINE_ITRACE_H
#define KITTSON_MACHINE_ITRACE_H

#include <stddef.h>
#include <stdio.h>
#include "tracer.h"

struct itrace;

/* spec: FILE and what else is wanted, see docs/debugging.md. 0, or a negative errno with one
 * sentence in why. */
int itrace_open(const char *spec, struct itrace **out, char *why, size_t size);
/* Complains when not all could be written. NULL is fine. */
void itrace_close(struct itrace *t);
const struct tracer *itrace_tracer(const struct itrace *t);

/* One record as a line. */
void itrace_print(FILE *out, const struct tracer_record *r);
/* A binary trace as lines. 0, or a negative errno with one sentence in why. */
int itrace_convert(const char *path, FILE *out, char *why, size_t size);

#endif
