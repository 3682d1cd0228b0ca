/* The directories the hpvm commands keep guests in: /var/opt/hpvm for root,
 * $XDG_STATE_HOME/hpvm for others, $HPVM_ROOT before both.
 *
 *   uuids/UUID/vmm_config.current .prev .next   the guest; the truth
 *   uuids/UUID/events, run                      changes made; held locked while the guest runs
 *   uuids/UUID/migrating, migrated              where it may have gone, how it came (migration.h)
 *   uuids/UUID/app/                             the guest's process's own: nvram, and the logs
 *                                               console, events, progress, log, tombstone
 *                                               (older: .1)
 *   uuids/UUID/log                              link to app/log
 *   guests/NAME                                 link to ../uuids/UUID
 *   common/lock, next_number, command.log, vswitches (vsw.h), hpvm_mgmtdb (devdb.h),
 *   hpvm_mon_log (mon_log.h)
 *   common/incoming-UUID                        storage of a guest that is arriving (incoming.h)
 *
 * One lock covers it all: readers share it, writers have it alone. A writer that dies leaves the
 * old or the new file, never half of one; the next writer clears its leftovers away. Starts no
 * guests.
 */
#ifndef KITTSON_VMP_STATE_H
#define KITTSON_VMP_STATE_H

#include "guest_config.h"

#include <stdio.h>
#include <sys/types.h>

struct state;

struct entry {
    char name[GUEST_NAME_MAX + 1]; /* of a damaged guest the best known */
    char uuid[37];
    char problem[200];   /* why guest is NULL */
    struct guest *guest; /* in force now; when off the one of the next start */
    struct guest *next;  /* changed since the guest started, or NULL */
    const char *run;     /* "Off", "On (OS)"... or "Invalid" */
    pid_t pid;           /* 0: unknown, off or being migrated */
    bool running;
};

/* Opens and locks. NULL and a sentence in why. */
struct state *state_open(bool write, char *why, size_t size);
void state_close(struct state *s);
const char *state_root(const struct state *s);

/* All guests (struct entry), by number, damaged ones last. Owned by s. */
GPtrArray *state_entries(struct state *s);
struct entry *state_find_uuid(struct state *s, const char *uuid);
/* By name or, with NULL, by number. NULL: none. */
struct entry *state_find(struct state *s, const char *name, uint64_t number);

/* More files for the directory of a new guest: "app/nvram", "migrated". */
struct state_file {
    const char *name; /* at most one directory deep */
    const void *data;
    size_t length;
};

/* 0 or -errno. state_save writes .next for a running guest. */
int state_create(struct state *s, struct guest *g); /* gives it its number */
int state_create_with(struct state *s, struct guest *g, const struct state_file *files,
                      unsigned count);
int state_save(struct state *s, const struct entry *e, const struct guest *g);
/* Of a running guest: the one in force, and the one of the next start or NULL. */
int state_save_active(struct state *s, const struct entry *e, const struct guest *active,
                      const struct guest *next);
int state_rename(struct state *s, const struct entry *e, const char *name);
int state_remove(struct state *s, const struct entry *e);

/* For the start of a guest: its lock, which makes it a running one, as a descriptor (without
 * close-on-exec) or -EBUSY; then the configuration changed meanwhile comes into force. */
int state_run_lock(struct state *s, const struct entry *e);
int state_promote(struct state *s, const struct entry *e);
/* What "run" says of a guest whose lock is held. */
int state_run_write(int lock, const char *run, pid_t pid);
/* The type of the system that was seen to run. */
int state_set_os(struct state *s, const struct entry *e, const char *os_type);
/* The guest's directory as a descriptor, and as a path (g_free). */
int state_directory(struct state *s, const struct entry *e);
char *state_path(const struct state *s, const struct entry *e);

/* A file in a guest's directory, at most so many bytes: 0, -ENOENT, or -EIO when it is no readable
 * file of that size. The caller frees text. And a new one in its place, NULL: none. */
int state_read_own(struct state *s, const char *uuid, const char *name, size_t most,
                   GString **text);
int state_write_own(struct state *s, const char *uuid, const char *name, const GString *text);

/* A file of common/: 0, -ENOENT or -EIO when it is no readable file; and the new one in its place.
 * The caller frees text. */
int state_read_common(struct state *s, const char *name, GString **text);
int state_write_common(struct state *s, const char *name, const GString *text);

/* One line in the event log of a guest, or with NULL in the command log. */
void state_log(struct state *s, const char *uuid, const char *line);
/* Copies such a log to out. */
void state_show_log(struct state *s, const char *uuid, FILE *out);

void state_new_uuid(char uuid[37]);

#endif
