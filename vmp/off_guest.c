/* The virtual console's operations for a guest that is off: see off_guest.h. */
#define _GNU_SOURCE
#include "off_guest.h"

#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOG_PART_MAX = 4 << 20, PRIOR_MAX = 16384 };

/* The state is open, and so locked, only as long as it takes to look. */
static struct entry *look(const struct off_guest *g, struct state **state)
{
    char why[300];
    *state = state_open(false, why, sizeof why);
    if (*state == NULL)
        return NULL;
    GPtrArray *entries = state_entries(*state);
    for (guint i = 0; i < entries->len; i++) {
        struct entry *e = entries->pdata[i];
        if (strcmp(e->uuid, g->uuid) == 0 && e->guest != NULL)
            return e;
    }
    state_close(*state);
    return NULL;
}

static int read_status(const struct off_guest *guest, struct mp_status *out)
{
    struct state *state;
    const struct entry *e = look(guest, &state);
    memset(out, 0, sizeof *out);
    if (e == NULL)
        return -ENOENT;
    const struct guest *g = e->guest;
    out->on = e->running;
    out->number = g->number;
    out->vcpus = g->vcpus;
    out->memory = g->memory;
    g_strlcpy(out->state, e->run, sizeof out->state);
    g_strlcpy(out->os_type, g->os_type, sizeof out->os_type);
    g_strlcpy(out->uuid, g->uuid, sizeof out->uuid);
    g_strlcpy(out->serial, g->serial, sizeof out->serial);
    g_strlcpy(out->label, g->label, sizeof out->label);
    state_close(state);
    return 0;
}

/* A process that has said goodbye still needs a moment to go. */
static int get_status(void *opaque, struct mp_status *out)
{
    int status = read_status(opaque, out);
    for (int tries = 0; status == 0 && out->on && tries < 20; tries++) {
        g_usleep(100 * 1000);
        status = read_status(opaque, out);
    }
    return status;
}

static void get_drives(void *opaque, GArray *out)
{
    struct state *state;
    const struct entry *e = look(opaque, &state);
    if (e == NULL)
        return;
    for (guint i = 0; i < e->guest->devices->len; i++) {
        const struct resource *r = guest_device(e->guest, i);
        struct mp_drive d = {.bus = r->bus, .slot = r->slot, .target = r->target};
        if (strcmp(r->type, "dvd") != 0)
            continue;
        d.loaded = strcmp(r->storage, "null") != 0;
        g_strlcpy(d.type, r->type, sizeof d.type);
        g_strlcpy(d.storage, r->storage, sizeof d.storage);
        g_strlcpy(d.path, r->device, sizeof d.path);
        g_array_append_val(out, d);
    }
    state_close(state);
}

/* Media are changed in running guests only. */
static void get_media(void *opaque, const struct mp_drive *drive, GPtrArray *out)
{
    (void)opaque;
    (void)drive;
    (void)out;
}

static void read_log(const char *path, GString *out)
{
    char part[4096];
    size_t total = 0;
    ssize_t n;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        while (total < LOG_PART_MAX && (n = read(fd, part, sizeof part)) > 0) {
            g_string_append_len(out, part, n);
            total += (size_t)n;
        }
    close(fd);
}

/* The older part, then the present one. */
static void get_log(void *opaque, enum mp_log which, GString *out)
{
    static const char *const names[] = {"console", "events", "progress"};
    const struct off_guest *g = opaque;
    struct state *state;
    if (look(g, &state) == NULL)
        return;
    g_autofree char *path =
        g_build_filename(state_root(state), "uuids", g->uuid, "app", names[which], NULL);
    g_autofree char *older = g_strconcat(path, ".1", NULL);
    state_close(state);
    read_log(older, out);
    read_log(path, out);
}

static void get_viewers(void *opaque, GPtrArray *out)
{
    const struct off_guest *g = opaque;
    const struct passwd *p = getpwuid(geteuid());
    const char *viewer = g->viewer != NULL ? g->viewer : p != NULL ? p->pw_name : "you";
    bool admin = g->viewer == NULL || g->admin;
    g_ptr_array_add(out, g_strdup_printf("%s (%s)", viewer, admin ? "Admin" : "Oper"));
}

/* This program under the name hpvmstart. */
static int spawn_start(struct off_guest *g, int out)
{
    extern char **environ;
    char *argv[] = {(char[]){"hpvmstart"}, (char[]){"-P"}, g_strdup(g->name), NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t signals;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO);
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int status = -posix_spawn(&g->starter, "/proc/self/exe", &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    g_free(argv[2]);
    return status;
}

static int start(struct off_guest *g)
{
    int ends[2];
    if (g->starter != 0)
        return -EBUSY;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    int status = spawn_start(g, ends[1]);
    close(ends[1]);
    if (status != 0) {
        close(ends[0]);
        g->starter = 0;
        return status;
    }
    g->pipe = ends[0];
    return -EINPROGRESS;
}

void off_guest_read(struct off_guest *g)
{
    char text[4097];
    int status = 0;
    ssize_t n = read(g->pipe, text, sizeof text - 1);
    if (n > 0) {
        text[n] = '\0';
        mp_print(g->menus, text);
    }
    if (n > 0 || (n < 0 && errno == EINTR))
        return;
    close(g->pipe);
    g->pipe = -1;
    while (waitpid(g->starter, &status, 0) < 0 && errno == EINTR)
        continue;
    g->starter = 0;
    bool started = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    mp_done(g->menus, started ? 0 : -ECANCELED, "The virtual machine did not start.");
}

static int act(void *opaque, const struct mp_request *r, char *why, size_t size)
{
    if (r->action == MP_POWER_ON)
        return start(opaque);
    if (r->action == MP_SAY)
        g_strlcpy(why, "Nobody else is connected.", size);
    else
        g_strlcpy(why, "The virtual machine is off.", size);
    return -ENODEV;
}

static bool attach(void *opaque, GString *prior, char *writer, size_t size)
{
    struct off_guest *g = opaque;
    g_autoptr(GString) log = g_string_new(NULL);
    (void)writer;
    (void)size;
    if (!g->seen)
        get_log(g, MP_LOG_CONSOLE, log);
    g->seen = false;
    gsize from = log->len > PRIOR_MAX ? log->len - PRIOR_MAX : 0;
    g_string_append_len(prior, log->str + from, (gssize)(log->len - from));
    return true;
}

static void detach(void *opaque)
{
    (void)opaque;
}

static bool claim(void *opaque)
{
    (void)opaque;
    return true;
}

/* Nobody is there to read it. */
static bool type(void *opaque, const uint8_t *bytes, size_t count)
{
    (void)opaque;
    (void)bytes;
    (void)count;
    return true;
}

const struct mp_ops off_guest_ops = {
    .status = get_status,
    .drives = get_drives,
    .media = get_media,
    .log = get_log,
    .viewers = get_viewers,
    .act = act,
    .attach = attach,
    .detach = detach,
    .claim = claim,
    .type = type,
};
