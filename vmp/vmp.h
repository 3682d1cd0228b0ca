/* The hpvm commands: one function per command name, and what they share: options, messages,
 * changes to a guest, warnings.
 */
#ifndef KITTSON_VMP_VMP_H
#define KITTSON_VMP_VMP_H

#include "state.h"

typedef int vmp_command(int argc, char **argv);

/* The command a program name stands for ("/usr/bin/hpvmstatus"), NULL: none. */
vmp_command *vmp_find(const char *program);

int vmp_create(int argc, char **argv);
int vmp_modify(int argc, char **argv);
int vmp_clone(int argc, char **argv);
int vmp_remove(int argc, char **argv);
int vmp_start(int argc, char **argv);
int vmp_service(int argc, char **argv);
int vmp_stop(int argc, char **argv);
int vmp_status(int argc, char **argv);
int vmp_info(int argc, char **argv);
int vmp_console(int argc, char **argv);
int vmp_console_serve(void); /* hpvmconsole --serve: console_serve.c */
int vmp_net(int argc, char **argv);
int vmp_devmgmt(int argc, char **argv);
int vmp_collect(int argc, char **argv);
int vmp_migrate(int argc, char **argv);

#define VMP_VERSION "Version A.03.00 (Kittson " KITTSON_VERSION ")"

#define VMP_COPYRIGHT "(C) Copyright 2026 the Kittson authors"

/* "hpvmcreate: ..." on standard error; returns the exit status 1. */
int vmp_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int vmp_unable(void); /* "hpvmcreate: Unable to continue." */

/* The options of one command line, in order. */
struct vmp_option {
    int letter;
    const char *value;
};
struct vmp_options {
    const char *command;
    GArray *list; /* struct vmp_option */
    uint64_t number;
};

/* letters as for getopt; repeat: letters that may come more than once; exclusive: groups of
 * letters, separated by blanks, of which at most one may be given. 0, or 1 after a message. */
int vmp_parse(struct vmp_options *o, int argc, char **argv, const char *letters, const char *repeat,
              const char *exclusive);
void vmp_options_free(struct vmp_options *o);
bool vmp_has(const struct vmp_options *o, int letter);
const char *vmp_value(const struct vmp_options *o, int letter);

/* Opens the state and logs the command line. NULL after a message. */
struct state *vmp_open(const struct vmp_options *o, bool write, int argc, char **argv);
/* The guest -P or -p names, which must be readable. NULL after a message. */
struct entry *vmp_select(const struct vmp_options *o, struct state *s);
int vmp_check_selection(const struct vmp_options *o);
/* "hpvmstop: Stop the virtual machine 'x'? [n/y]: ", unless -F or -Q. Not with the state locked:
 * other commands do not wait for a person. */
bool vmp_confirm(const struct vmp_options *o, const char *what, const char *name);
/* The same for "vswitch" or another kind of thing. */
bool vmp_confirm_kind(const struct vmp_options *o, const char *what, const char *kind,
                      const char *name);
/* With --help among the arguments: prints the text and is true. */
bool vmp_help(int argc, char **argv, const char *text);
/* Whether a guest is running now. */
bool vmp_runs(const char *uuid);

/* Applies every option that changes a guest. 0, or 1 after messages. */
int vmp_apply(const struct vmp_options *o, struct guest *g);
/* Fills in what is left open: MAC addresses and, among the other guests, port numbers. */
void vmp_complete(struct guest *g, struct state *s);

/* Guests that may run at once. */
#define VMP_RUNNING_MAX 256

/* What the host has. */
struct vmp_host {
    uint64_t mhz, processors, max_vcpus;
    uint64_t memory, available, swap; /* MB */
};
void vmp_host_read(struct vmp_host *h);

/* What the environment or else hpvmconf says: the rest of its line "KEY=...". NULL: nothing. */
char *vmp_setting(const char *key);
/* What hpvmconf says about processes of guests: STOPTIMEOUT, how long a guest may take to shut down
 * (60, at most 300), ATTNTIMEOUT, how long it may leave interrupts unanswered (60), VMMLOGSIZE, to
 * which size the log of all of them grows (1024, at most 102400), and with LOCKMEMORY=1 that
 * guests' memory is locked in the host's. */
struct vmp_limits {
    unsigned stop_seconds, attention_seconds, monitor_kb;
    bool lock_memory;
};
void vmp_limits_read(struct vmp_limits *l);
/* Percent of one processor a guest is entitled to per vCPU, in tenths. */
unsigned vmp_entitlement(const struct guest *g, const struct vmp_host *h);

/* Prints the numbered warnings between a header and the line given; returns how many. At a start
 * only what running guests use is in use. */
enum vmp_check { VMP_CHECK_CONFIG, VMP_CHECK_START };
unsigned vmp_warn(FILE *out, const struct guest *g, struct state *s, const struct vmp_host *h,
                  enum vmp_check check, const char *may_prevent);
/* 0, or -ENOTSUP and a sentence: a guest may have devices that cannot be run. */
int vmp_runnable(const struct guest *g, char *why, size_t size);

#endif
