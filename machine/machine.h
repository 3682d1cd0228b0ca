/* A whole machine: RAM, processors, firmware and devices put together, and the loop that runs it.
 *
 * The only part that knows all others. A board file (board_hpvm.c) says which devices there are and
 * where; run.c gives the processors their turns and keeps time. Host options are interpreted by the
 * command line, not here.
 */
#ifndef KITTSON_MACHINE_MACHINE_H
#define KITTSON_MACHINE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "cpu.h"

/* Strings stay the caller's and must outlive the machine. */
struct machine_config {
    uint64_t memory; /* bytes */
    unsigned cpus;
    enum cpu_model model;
    const char *kernel; /* ELF file or gzip of one; NULL: image */
    const void *image;  /* an ELF file in memory */
    size_t image_size;
    const char *initrd;  /* or NULL */
    const char *append;  /* kernel command line, or NULL */
    const char *console; /* "stdio", "unix:PATH" or "file:PATH" */
    const char *serial;  /* or NULL */
    uint8_t uuid[16];
    bool jit;           /* translate hot code */
    bool deterministic; /* time follows retired instructions */
    bool no_reboot;     /* a guest reset ends the run */
};

enum machine_end {
    MACHINE_POWERED_OFF,
    MACHINE_RESET,   /* only with no_reboot */
    MACHINE_QUIT,    /* ended from the console or by a signal */
    MACHINE_STOPPED, /* nothing can happen any more, or the restart failed */
};

struct machine;

/* Builds the machine and loads the kernel. 0, or a negative errno with one sentence in why. */
int machine_new(const struct machine_config *config, struct machine **out, char *why, size_t size);
void machine_free(struct machine *m);

/* Runs until the guest ends; a guest reset restarts it unless no_reboot. The sentence in why says
 * how it ended. */
enum machine_end machine_run(struct machine *m, char *why, size_t size);

/* Ends machine_run soon; may be called from a signal handler. */
void machine_quit(struct machine *m, int signal);

/* What happened since the start, one figure per line. */
void machine_print_stats(const struct machine *m, FILE *out);

#endif
