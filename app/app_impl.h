/* The machine's process of a guest: what its parts share. Private to app/. All of it is on the main
 * thread, except where runner.h says otherwise.
 */
#ifndef KITTSON_APP_APP_IMPL_H
#define KITTSON_APP_APP_IMPL_H

#include <glib.h>
#include <sys/types.h>

#include "app_log.h"
#include "guest_config.h"
#include "runner.h"

enum { USAGE_SECONDS = 10 };

/* A drive for discs, as configured, and what is in it now ("" nothing). */
struct app_drive {
    int bus, slot, target;
    char storage[8], device[RESOURCE_DEVICE_MAX + 1], loaded[RESOURCE_DEVICE_MAX + 1];
};

struct control;
struct consoles;

/* Figures of one processor, or of the process, at a moment and one interval before. */
struct usage {
    uint64_t run_ns, slots;
};

struct app {
    struct guest *guest;       /* in force */
    struct guest *plan_guest;  /* the same at the last reset: the machine's thread's */
    struct guest *fresh_guest; /* from that thread to this one, atomic */
    char name[GUEST_NAME_MAX + 1];
    char *directory;            /* path of the process's own directory */
    int dir;                    /* the same as a descriptor */
    int control_fd, console_fd; /* listening */
    int line, guest_line;       /* ends of the serial line: ours, the one machines get copies of */
    GMainLoop *loop;
    struct runner *runner;
    struct control *control;
    struct consoles *consoles;
    struct app_log *console_log, *events, *progress, *log;
    /* status */
    bool os, attention, over, lock_memory;
    struct app_drive drives[MACHINE_MAX_DRIVES];
    unsigned drive_count;
    uid_t owner; /* of the guests */
    unsigned stop_seconds;
    guint stop_timer;
    struct usage cpu[2][GUEST_VCPUS_MAX], process[2]; /* now, before */
    gint64 usage_at[2];
};

/* "On (EFI)" and so on. */
const char *app_state(bool os, bool attention);

/* The sentence goes to the event log and, with who, names who asked for it. */
void app_note(struct app *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The power button, and the end of the machine when that took too long or nobody listens. */
void app_stop(struct app *a, const char *who);
void app_kill(struct app *a, const char *who);
void app_press_reset(struct app *a, const char *who);
/* INIT to every processor: a system may write a dump. */
void app_init(struct app *a, const char *who);

/* Discs. done gets 0 or a negative errno and a sentence; path NULL ejects. */
typedef void app_done(void *opaque, int status, const char *why);
void app_media(struct app *a, unsigned bus, unsigned slot, unsigned target, const char *path,
               bool force, app_done *done, void *opaque);

/* The drives as configured; at the start and after a reset, media.c. */
void media_list(struct app *a);
/* A drive that comes ("attach"), goes ("detach") or gets another medium ("replace"); fd, the
 * storage opened or -1, is taken over. */
void app_storage(struct app *a, const char *word, const struct resource *r, int fd, app_done *done,
                 void *opaque);
/* Marks the disks that the device database lets guests share. */
void media_share(struct machine_drive *drives, unsigned count);
/* For the machine's thread: opens what the job under way was given, or asks the keeper. */
int media_open(const char *path, int flags);

/* The configuration was changed by a command. 0, or a negative errno with a sentence in why. */
int app_reload(struct app *a, char *why, size_t size);

/* The control socket, control.c. */
struct control *control_new(struct app *a);
void control_free(struct control *c);

#endif
