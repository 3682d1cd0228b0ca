/* A stub of gdb's remote protocol for a whole machine: processors are threads 1, 2, 3 and so on.
 *
 * Pure protocol: bytes come in and answers go out through buffers, and what is done to the machine
 * is done through struct gdb_target. Sockets are machine/gdb_server.c's business. All-stop: the
 * machine runs or stands as a whole, but a debugger may keep processors back when it lets it go on.
 * Everything a client sends is checked; what it asks for beyond the bounds is answered with an
 * error.
 */
#ifndef KITTSON_DEBUG_GDB_H
#define KITTSON_DEBUG_GDB_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "breakset.h"
#include "cpu.h"

/* What the stub wants done. All but command are called while the machine stands. */
struct gdb_target {
    void *opaque;
    unsigned cpus; /* 1 to 32 */
    struct cpu *(*cpu)(void *opaque, unsigned n);
    struct breakset *breaks; /* use_breaks follows changes that need it */
    void (*use_breaks)(void *opaque);
    void (*stop)(void *opaque);
    /* held: bit n: processor n stays where it is. */
    void (*go_on)(void *opaque, uint32_t held);
    /* One instruction. */
    void (*step)(void *opaque, unsigned n);
    void (*quit)(void *opaque);
    /* A line of the monitor, about processor n first of all; text for a person to out. */
    void (*command)(void *opaque, const char *line, unsigned n, GString *out);
};

struct gdb;

/* target is copied. */
struct gdb *gdb_new(const struct gdb_target *target);
void gdb_free(struct gdb *g);

/* Whatever came from the client; the machine stands since it connected, or runs since it was let
 * go on. Answers are appended to gdb_output. */
void gdb_input(struct gdb *g, const uint8_t *bytes, size_t n);
/* Bytes for the client: the caller takes them out at its pace. */
GString *gdb_output(struct gdb *g);
/* The machine has stopped while it ran for the client, on account of processor n. */
void gdb_stopped(struct gdb *g, unsigned n, const struct cpu_stop *why);
/* The client has asked to be let go. */
bool gdb_detached(const struct gdb *g);

#endif
