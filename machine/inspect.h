/* What is inside a machine, as lines of the monitor: registers, translations, devices, memory,
 * calls. Nothing here changes the machine. Private to machine/; between turns only.
 */
#ifndef KITTSON_MACHINE_INSPECT_H
#define KITTSON_MACHINE_INSPECT_H

#include <stddef.h>
#include "line_server.h"
#include "machine_impl.h"

#define INSPECT_DUMP_MAX 65536 /* bytes */

/* By its name (inspect.c has the table), of processor n where that matters. 0, or a negative errno
 * with one sentence in why; so do the others. */
int inspect(struct machine *m, const char *what, unsigned n, struct line_answer *to, char *why,
            size_t size);
int inspect_memory(struct machine *m, unsigned n, bool physical, uint64_t addr, uint64_t length,
                   struct line_answer *to, char *why, size_t size);
/* Names and unwind table come from the kernel's file, when the machine was given one, and from
 * inspect_symbols. */
void inspect_backtrace(struct machine *m, unsigned n, struct line_answer *to);
int inspect_symbols(struct machine *m, const char *path, char *why, size_t size);

#endif
