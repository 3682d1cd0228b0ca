/* See keeper.h. One request and one answer at a time; a descriptor travels with the answer. */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app_log.h"
#include "app_proto.h"
#include "devdb.h"
#include "entitlement.h"
#include "mon_log.h"
#include "state.h"
#include "switch_port.h"

enum {
    ASK_READY,
    ASK_ENTITLED,
    ASK_STATE,
    ASK_OS,
    ASK_NOTE,
    ASK_OPEN,
    ASK_SHARED,
    ASK_SWITCH,
    ASK_CONFIG,
    ASK_PROMOTE
};

struct ask {
    int what, flags;
    char text[RESOURCE_DEVICE_MAX + 256];
};

/* --- the machine's side --- */

static int the_link = -1;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

void link_use(int link)
{
    the_link = link;
}

static int receive(int link, void *data, size_t size, int *fd)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec io = {data, size};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n;
    do
        n = recvmsg(link, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;
    *fd = -1;
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(c), sizeof *fd);
    return n == (ssize_t)size ? 0 : n < 0 ? -errno : -ECONNRESET;
}

static int ask(int what, int flags, const char *text)
{
    struct ask a = {.what = what, .flags = flags};
    int status = 0, fd = -1;
    if (g_strlcpy(a.text, text, sizeof a.text) >= sizeof a.text)
        return -ENAMETOOLONG;
    pthread_mutex_lock(&turn);
    if (send(the_link, &a, sizeof a, MSG_NOSIGNAL) != sizeof a)
        status = -errno;
    else if (receive(the_link, &status, sizeof status, &fd) != 0)
        status = -ECONNRESET;
    pthread_mutex_unlock(&turn);
    return status == 0 && fd >= 0 ? fd : status;
}

int link_ready(void)
{
    return ask(ASK_READY, 0, "");
}

int link_entitled(void)
{
    return ask(ASK_ENTITLED, 0, "");
}

int link_state(const char *run)
{
    return ask(ASK_STATE, 0, run);
}

int link_os_type(const char *type)
{
    return ask(ASK_OS, 0, type);
}

int link_note(const char *text)
{
    g_autofree char *line = g_strdup_printf("%.1000s", text);
    return ask(ASK_NOTE, 0, line);
}

int link_open(const char *path, int flags)
{
    return ask(ASK_OPEN, flags, path);
}

int link_shared(const char *path)
{
    return ask(ASK_SHARED, 0, path);
}

int link_switch(const char *name)
{
    return ask(ASK_SWITCH, 0, name);
}

int link_config(void)
{
    return ask(ASK_CONFIG, 0, "");
}

int link_promote(void)
{
    return ask(ASK_PROMOTE, 0, "");
}

/* --- the keeper --- */

/* The state, locked, and the guest in it. NULL: gone or unreadable. */
static struct state *open_state(const struct keeper *k, bool write, struct entry **e)
{
    char why[300];
    struct state *s = state_open(write, why, sizeof why);
    *e = s != NULL ? state_find_uuid(s, k->uuid) : NULL;
    if (s != NULL && *e == NULL) {
        state_close(s);
        return NULL;
    }
    return s;
}

static int set_os(const struct keeper *k, const char *type)
{
    static const char *const types[] = {"HPUX", "WINDOWS", "LINUX", "UNKNOWN", NULL};
    struct entry *e;
    struct state *s = g_strv_contains(types, type) ? open_state(k, true, &e) : NULL;
    int status = s != NULL ? state_set_os(s, e, type) : -EINVAL;
    if (s != NULL)
        state_close(s);
    return status;
}

static int set_state(const struct keeper *k, const char *run)
{
    static const char *const states[] = {"On", "On (EFI)", "On (OS)", "On (ATTN!)", NULL};
    return g_strv_contains(states, run) ? state_run_write(k->lock, run, k->child) : -EINVAL;
}

/* Discs: the file of the configuration or its neighbours, or a file of the directory. */
static bool disc_allowed(const struct resource *r, const char *path)
{
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *own =
        strcmp(r->storage, "file") == 0 ? g_path_get_dirname(r->device) : g_strdup(r->device);
    return strcmp(r->type, "dvd") == 0 && strcmp(r->storage, "disk") != 0 &&
           strcmp(parent, own) == 0;
}

static bool names_file(const struct guest *g, const char *path, int access)
{
    for (guint i = 0; g != NULL && i < g->devices->len; i++) {
        const struct resource *r = guest_device(g, i);
        bool disk = strcmp(r->type, "disk") == 0;
        if (r->network || (!disk && access != O_RDONLY))
            continue;
        if (strcmp(r->device, path) == 0 || disc_allowed(r, path))
            return true;
    }
    return false;
}

static int open_for(const struct keeper *k, const char *path, int flags)
{
    struct entry *e;
    int access = flags & O_ACCMODE;
    struct state *s = open_state(k, false, &e);
    bool allowed = s != NULL && path[0] == '/' && access != O_WRONLY &&
                   (names_file(e->guest, path, access) || names_file(e->next, path, access));
    if (s != NULL)
        state_close(s);
    if (!allowed)
        return -EACCES;
    int fd = open(path, access | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd >= 0 ? fd : -errno;
}

static int shared_as_marked(const struct keeper *k, const char *path)
{
    char why[300];
    struct entry *e;
    struct state *s = open_state(k, false, &e);
    struct devdb *db = s != NULL ? devdb_load(s, why, sizeof why) : NULL;
    bool shared = db != NULL && devdb_shared(db, path) > 0;
    devdb_free(db);
    if (s != NULL)
        state_close(s);
    return shared ? 0 : -EACCES;
}

static bool names_switch(const struct guest *g, const char *name)
{
    for (guint i = 0; g != NULL && i < g->devices->len; i++)
        if (guest_device(g, i)->network && strcmp(guest_device(g, i)->device, name) == 0)
            return true;
    return false;
}

static int dial_for(const struct keeper *k, const char *name)
{
    struct entry *e;
    struct state *s = open_state(k, false, &e);
    bool allowed = s != NULL && (names_switch(e->guest, name) || names_switch(e->next, name));
    if (s != NULL)
        state_close(s);
    return allowed ? switch_port_dial(name) : -EACCES;
}

static int configuration(const struct keeper *k, bool next)
{
    struct entry *e;
    struct state *s = open_state(k, next, &e);
    int dir = s != NULL ? state_directory(s, e) : -ENOENT;
    int status = dir < 0 ? dir : next ? state_promote(s, e) : 0;
    int fd =
        status == 0 ? openat(dir, "vmm_config.current", O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (status == 0 && fd < 0)
        status = -errno;
    if (dir >= 0)
        close(dir);
    if (s != NULL)
        state_close(s);
    return status == 0 ? fd : status;
}

static void answer(int link, int status)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    int fd = status, code = status < 0 ? status : 0;
    struct iovec io = {&code, sizeof code};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    if (status > 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    if (sendmsg(link, &m, MSG_NOSIGNAL) < 0)
        code = -errno; /* the child is gone: the next receive says so */
    if (status > 0)
        close(fd);
}

static int ready(struct keeper *k)
{
    if (k->ready < 0)
        return -EALREADY;
    int status = write(k->ready, "R", 1) == 1 ? 0 : -errno;
    close(k->ready);
    k->ready = -1;
    return status;
}

static int serve(struct keeper *k, const struct ask *a)
{
    switch (a->what) {
    case ASK_READY:
        return ready(k);
    case ASK_ENTITLED:
        return k->entitled;
    case ASK_STATE:
        return set_state(k, a->text);
    case ASK_OS:
        return set_os(k, a->text);
    case ASK_NOTE:
        mon_log_line(k->common, k->name, a->text);
        return 0;
    case ASK_OPEN:
        return open_for(k, a->text, a->flags);
    case ASK_SHARED:
        return shared_as_marked(k, a->text);
    case ASK_SWITCH:
        return dial_for(k, a->text);
    case ASK_CONFIG:
    case ASK_PROMOTE:
        return configuration(k, a->what == ASK_PROMOTE);
    default:
        return -EINVAL;
    }
}

/* What the process cannot say any more. */
static void note_crash(const struct keeper *k, int status)
{
    static const char *const names[] = {"events", "log", "tombstone"};
    if (!WIFSIGNALED(status))
        return;
    g_autofree char *text = g_strdup_printf("off: the guest's process was ended by signal %d (%s)",
                                            WTERMSIG(status), strsignal(WTERMSIG(status)));
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        struct app_log *log = app_log_open(k->dir, names[i], APP_LOG_SIZE / 4);
        if (log != NULL)
            app_log_line(log, "%s", text);
        app_log_close(log);
    }
    mon_log_line(k->common, k->name, text);
}

void keeper_run(struct keeper *k)
{
    struct ask *a = g_new0(struct ask, 1);
    int fd, status = 0;
    while (receive(k->link, a, sizeof *a, &fd) == 0) {
        if (fd >= 0)
            close(fd); /* nobody asked for one */
        a->text[sizeof a->text - 1] = '\0';
        answer(k->link, serve(k, a));
    }
    g_free(a);
    kill(k->child, SIGKILL); /* it has closed its link: nothing good comes any more */
    while (waitpid(k->child, &status, 0) < 0 && errno == EINTR)
        continue;
    note_crash(k, status);
    entitlement_remove(k->uuid);
    app_withdraw(k->uuid);
}
