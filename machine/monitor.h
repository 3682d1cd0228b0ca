/* The monitor of a machine: its state, its discs, its buttons, for programs on the host.
 *
 * Commands on a socket of line_server.h, which has the form of answers; monitor.c lists them. Runs
 * on the machine's thread between turns. Private to machine/.
 */
#ifndef KITTSON_MACHINE_MONITOR_H
#define KITTSON_MACHINE_MONITOR_H

#include <glib.h>
#include <stddef.h>
#include "line_server.h"
#include "machine.h"

/* 0, or a negative errno with one sentence in why. */
int monitor_open(struct machine *m, const char *path, struct line_server **out, char *why,
                 size_t size);

/* The same command for a debugger, which looks at processor n; its answer to out. */
void monitor_for_debugger(struct machine *m, const char *line, unsigned n, GString *out);

/* Commands of this round of a replayed trace. */
void monitor_replay(struct machine *m);

#endif
