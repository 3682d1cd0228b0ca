/* The virtual console's menus (vMP): one session per viewer, bytes in and bytes out.
 *
 * A session knows nothing of sockets, terminals, files or processes: whoever owns it feeds it what
 * the viewer types and what the guest prints, takes its output, and does what it asks for through
 * struct mp_ops. Every byte fed to it is hostile; a session keeps at most one line of input, and
 * MP_QUEUE_MAX bytes while it waits. Not thread-safe. Screens: docs/hpvm-decisions.md.
 */
#ifndef KITTSON_VMP_MP_H
#define KITTSON_VMP_MP_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MP_LINE_MAX = 255,
    MP_QUEUE_MAX = 4096, /* typed ahead while an action is under way; more is dropped */
    MP_NAME_MAX = 255,
    MP_PATH_MAX = 1023,
    MP_ATTENTION = 2, /* Ctrl-B */
};

enum mp_role { MP_OPERATOR, MP_ADMIN };

enum mp_action {
    MP_POWER_ON,
    MP_POWER_OFF,      /* as a power failure */
    MP_POWER_GRACEFUL, /* power button, then off */
    MP_POWER_CYCLE,
    MP_RESET,
    MP_INIT, /* transfer of control: the guest may write a dump */
    MP_EJECT,
    MP_INSERT,
    MP_SAY,
};

enum mp_log { MP_LOG_CONSOLE, MP_LOG_EVENTS, MP_LOG_PROGRESS };

/* A drive for removable media. path: the medium or host drive; of an empty drive the directory
 * or host drive media come from. */
struct mp_drive {
    int bus, slot, target;
    bool loaded;
    char type[8];    /* dvd */
    char storage[8]; /* disk, file */
    char path[MP_PATH_MAX + 1];
};

struct mp_request {
    enum mp_action action;
    bool force;
    struct mp_drive drive; /* MP_EJECT, MP_INSERT */
    const char *text;      /* MP_INSERT: file name or host drive; MP_SAY: the words */
};

struct mp_status {
    bool on;
    char state[16]; /* as hpvmstatus prints it */
    char os_type[8];
    char uuid[37], serial[16];
    char label[MP_NAME_MAX + 2];
    uint64_t number, vcpus, memory; /* MB */
};

struct mp_ops {
    int (*status)(void *opaque, struct mp_status *out); /* 0 or -errno */
    /* Adds every drive (struct mp_drive), by address. */
    void (*drives)(void *opaque, GArray *out);
    /* Adds the names of what can be inserted now (char *, freed with g_free), in order. */
    void (*media)(void *opaque, const struct mp_drive *drive, GPtrArray *out);
    void (*log)(void *opaque, enum mp_log which, GString *out);
    void (*viewers)(void *opaque, GPtrArray *out); /* one line each, freed with g_free */
    /* Does it, or begins to: 0; -EINPROGRESS when mp_done will be called; another -errno with one
     * sentence in why. May call mp_print. */
    int (*act)(void *opaque, const struct mp_request *r, char *why, size_t size);
    /* The viewer enters or leaves the guest's console. attach adds the prior output; true when
     * this viewer is the one who types, else writer says who is. claim: wants to be that one. */
    bool (*attach)(void *opaque, GString *prior, char *writer, size_t size);
    void (*detach)(void *opaque);
    bool (*claim)(void *opaque);
    /* Keys for the guest. False: they are not taken, the viewer may only look. */
    bool (*type)(void *opaque, const uint8_t *bytes, size_t count);
};

struct mp_config {
    const char *name; /* of the guest */
    enum mp_role role;
    uint8_t attention;
    bool crlf;       /* lines end in CR LF: the terminal is raw */
    bool quiet;      /* no menus, prompts or echo */
    bool scripted;   /* the attention character ends the session */
    const char *now; /* date for the help screen; NULL: the time of day */
};

struct mp *mp_new(const struct mp_config *c, const struct mp_ops *ops, void *opaque);
void mp_free(struct mp *m);

/* How a session begins: with the main menu (headed as on a server for a login session); or where
 * another session has ended, at a prompt that is on the screen already or in the console. */
enum mp_start { MP_START_MENU, MP_START_LOGIN, MP_START_SILENT, MP_START_CONSOLE };
void mp_start(struct mp *m, enum mp_start how);
void mp_input(struct mp *m, const void *bytes, size_t count);
/* One line as if typed; the rest of an unfinished one is forgotten. An empty line does nothing. */
void mp_command(struct mp *m, const char *line);
/* No more input will come: an open question is answered with no. */
void mp_end_of_input(struct mp *m);

/* From the guest: shown while the viewer is in the console. */
void mp_console(struct mp *m, const void *bytes, size_t count);
/* One sentence for the viewer, at once, wherever he is. */
void mp_notice(struct mp *m, const char *text);
/* Text of an action under way; LF ends lines. */
void mp_print(struct mp *m, const char *text);
/* The action for which act returned -EINPROGRESS has ended. */
void mp_done(struct mp *m, int status, const char *why);

/* What there is to show; the caller empties it. Belongs to m. */
GString *mp_output(struct mp *m);
bool mp_finished(const struct mp *m); /* the viewer has left */
bool mp_in_console(const struct mp *m);
bool mp_waiting(const struct mp *m);      /* for mp_done */
bool mp_typing(const struct mp *m);       /* part of a line has been typed */
bool mp_asking(const struct mp *m);       /* a dialogue waits for an answer */
unsigned mp_failures(const struct mp *m); /* commands that failed so far */

#endif
