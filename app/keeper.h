/* The two halves of hpvmapp. The keeper has the rights of who started the guest: it holds the
 * guest's lock, writes its state, opens the files its configuration names. The machine's process
 * may have given all rights up; it asks through the link, a socket. The keeper trusts none of what
 * it is asked: what the configuration does not name is not opened.
 *
 * Each ends when the other does.
 */
#ifndef KITTSON_APP_KEEPER_H
#define KITTSON_APP_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

struct keeper {
    const char *uuid;
    const char *name; /* of the guest, for the log of all */
    int common;       /* the directory that log is in */
    int dir;          /* the process's own directory */
    int lock;         /* of the guest */
    int link;         /* to the machine's process */
    int ready;        /* gets one byte when the guest runs */
    pid_t child;      /* the machine's process */
    int entitled;     /* 0, or why it has no control group */
};

/* Serves until the machine's process has ended, and clears up after it. */
void keeper_run(struct keeper *k);

/* The machine's side; any thread. Negative errnos. */
void link_use(int link);
int link_ready(void);
/* 0, or why the entitlement is only configuration. */
int link_entitled(void);
int link_state(const char *run);
int link_os_type(const char *type);
/* A line for the log of all guests (mon_log.h), under the name the guest had at its start. */
int link_note(const char *text);
/* A file of the configuration, opened with the flags of open(2). A descriptor. */
int link_open(const char *path, int flags);
/* 0 when the device database lets guests share what is behind a device of the configuration. */
int link_shared(const char *path);
/* The port socket of a switch the configuration names. */
int link_switch(const char *name);
/* The configuration in force, to read. */
int link_config(void);
/* The configuration of the next start comes into force; a descriptor to read it from. */
int link_promote(void);

#endif
