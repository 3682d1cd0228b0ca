/* The debugger's socket of a machine: one gdb at a time, which stops the machine when it connects.
 *
 * When it leaves, of itself or because it dies, its breakpoints go and the machine runs on. Bytes
 * and the machine's doings only: the protocol is debug/gdb.c. Private to machine/; runs on the
 * machine's thread between turns.
 */
#ifndef KITTSON_MACHINE_GDB_SERVER_H
#define KITTSON_MACHINE_GDB_SERVER_H

#include <poll.h>
#include <stddef.h>
#include "machine.h"

struct gdb_server;

#define GDB_SERVER_MAX_FDS 2

/* where: tcp:[ADDRESS]:PORT, with no address on this host only, or unix:PATH. 0, or a negative
 * errno with one sentence in why. */
int gdb_server_open(struct machine *m, const char *where, struct gdb_server **out, char *why,
                    size_t size);
/* All take NULL for a machine without one. */
void gdb_server_close(struct gdb_server *s);
void gdb_server_poll(struct gdb_server *s);
unsigned gdb_server_poll_fds(const struct gdb_server *s, struct pollfd fds[GDB_SERVER_MAX_FDS]);
/* The machine has stopped, on account of processor n. */
void gdb_server_stopped(struct gdb_server *s, unsigned n);
/* A debugger is there and has not let the machine go on. */
bool gdb_server_holds(const struct gdb_server *s);

#endif
