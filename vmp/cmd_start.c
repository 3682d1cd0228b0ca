/* hpvmstart: checks what a guest needs and starts its process. The state is not locked while that
 * process starts: the guest's own lock, taken before, passes to it. */
#include "migration.h"
#include "vmp.h"
#include "vsw.h"

#include "app_proto.h"
#include "backing.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int refuse(const struct guest *g, const char *why)
{
    return vmp_fail("ERROR (%s): %s", g->name, why);
}

/* What the adapter would not show to the guest. */
static int check_backing(const struct guest *g)
{
    for (guint i = 0; i < g->devices->len; i++) {
        const struct resource *r = guest_device(g, i);
        if (!r->network && !backing_shows_up(r))
            return refuse(g, BACKING_HIDDEN);
    }
    return 0;
}

static unsigned running_guests(struct state *s)
{
    unsigned count = 0;
    for (guint i = 0; i < state_entries(s)->len; i++)
        count += ((const struct entry *)state_entries(s)->pdata[i])->running;
    return count;
}

static int check(const struct vmp_options *o, struct state *s, const struct guest *g)
{
    char why[RESOURCE_DEVICE_MAX + 200];
    struct vmp_host host;
    g_autofree char *prevent = g_strdup_printf("may prevent HPVM guest %s from booting", g->name);
    if (vmp_runnable(g, why, sizeof why) != 0)
        return refuse(g, why);
    if (running_guests(s) >= VMP_RUNNING_MAX)
        return refuse(g, "256 guests, the most that this software supports, are running.");
    if (vmp_has(o, 'F'))
        return 0;
    if (g->distributed != 0)
        return refuse(g, "The guest is a distributed guest.");
    vmp_host_read(&host);
    if (vmp_warn(stderr, g, s, &host, VMP_CHECK_START, prevent) > 0)
        return 1;
    return check_backing(g);
}

/* A guest of which nobody knows whether it is on another host must not run on both. */
static int check_migration(const struct vmp_options *o, struct state *s, const struct entry *e)
{
    struct migration_mark mark;
    if (!migration_mark_read(s, e->uuid, &mark))
        return 0;
    if (vmp_has(o, 'F'))
        return vmp_has(o, 's') ? 0 : migration_mark_clear(s, e->uuid);
    g_autofree char *why = g_strdup_printf("The guest may be on host '%s' already: repeat "
                                           "hpvmmigrate, or start it here with -F.",
                                           mark.host);
    return refuse(e->guest, why);
}

/* The guest's lock, or -1 after a message. */
static int claim(const struct vmp_options *o, struct state *s, const struct entry *e)
{
    if (e->running) {
        refuse(e->guest, "The guest is already running.");
        return -1;
    }
    if (check_migration(o, s, e) != 0 || check(o, s, e->guest) != 0)
        return -1;
    vsw_wake(s, e->next != NULL ? e->next : e->guest, stderr); /* must not inherit the lock */
    int lock = state_run_lock(s, e), status = lock < 0 ? lock : state_promote(s, e);
    if (status == 0) {
        state_log(s, e->uuid, "started");
        return lock;
    }
    if (lock >= 0)
        close(lock);
    refuse(e->guest, status == -EBUSY ? "The guest is already running." : strerror(-status));
    return -1;
}

static int start(const struct vmp_options *o, const char *name, const char *path, int lock)
{
    int out = vmp_has(o, 'Q') ? open("/dev/null", O_WRONLY | O_CLOEXEC) : STDOUT_FILENO;
    int status = app_start(path, lock, out);
    if (status != 0 && status != -ECHILD)
        return vmp_fail("ERROR (%s): The guest's process cannot be started: %s.", name,
                        strerror(-status));
    if (status != 0)
        return 1;
    if (!vmp_has(o, 'Q'))
        printf("hpvmstart: Successful start initiation of guest '%s'\n", name);
    return 0;
}

static int run(const struct vmp_options *o, int argc, char **argv)
{
    if (vmp_check_selection(o) != 0)
        return 1;
    struct state *s = vmp_open(o, true, argc, argv);
    struct entry *e = s != NULL ? vmp_select(o, s) : NULL;
    if (e == NULL) {
        if (s != NULL)
            state_close(s);
        return 1;
    }
    g_autofree char *directory = state_path(s, e);
    g_autofree char *path = g_build_filename(directory, "vmm_config.current", NULL);
    g_autofree char *name = g_strdup(e->name);
    bool only_check = vmp_has(o, 's') && !e->running && check_migration(o, s, e) == 0 &&
                      check(o, s, e->guest) == 0;
    int lock = vmp_has(o, 's') ? -1 : claim(o, s, e);
    if (vmp_has(o, 's') && e->running)
        refuse(e->guest, "The guest is already running.");
    state_close(s);
    int status = lock >= 0 ? start(o, name, path, lock) : !only_check;
    if (lock >= 0)
        close(lock);
    return status != 0 ? vmp_unable() : 0;
}

int vmp_start(int argc, char **argv)
{
    struct vmp_options o;
    int status = vmp_parse(&o, argc, argv, ":P:p:FsQ", "", "Pp Fs");
    if (status == 0)
        status = run(&o, argc, argv);
    vmp_options_free(&o);
    return status;
}
