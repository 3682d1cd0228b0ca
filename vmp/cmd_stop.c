/* hpvmstop: ends guests, with notice to their systems or like a power failure, and waits until they
 * are off. A process that does not answer is killed if power is to fail anyway. */
#include "vmp.h"

#include "app_proto.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

struct target {
    char name[GUEST_NAME_MAX + 1];
    char uuid[37];
    pid_t pid;
    uint64_t distributed;
};

static void add_target(GArray *targets, const struct entry *e)
{
    struct target t = {.pid = e->pid, .distributed = e->guest != NULL ? e->guest->distributed : 0};
    g_strlcpy(t.name, e->name, sizeof t.name);
    g_strlcpy(t.uuid, e->uuid, sizeof t.uuid);
    g_array_append_val(targets, t);
}

static int select_one(const struct vmp_options *o, struct state *s, GArray *targets)
{
    struct entry *e = vmp_has(o, 'P') ? state_find(s, vmp_value(o, 'P'), 0) : NULL;
    if (e == NULL || !e->running)
        e = vmp_select(o, s);
    if (e == NULL)
        return 1;
    if (!e->running) {
        vmp_fail("The guest '%s' is not running.", e->name);
        return vmp_unable();
    }
    add_target(targets, e);
    return 0;
}

static int select_targets(const struct vmp_options *o, GArray *targets, int argc, char **argv)
{
    struct state *s = vmp_open(o, false, argc, argv);
    int status = 0;
    if (s == NULL)
        return 1;
    if (!vmp_has(o, 'a'))
        status = select_one(o, s, targets);
    for (guint i = 0; vmp_has(o, 'a') && i < state_entries(s)->len; i++) {
        const struct entry *e = state_entries(s)->pdata[i];
        if (e->running)
            add_target(targets, e);
    }
    state_close(s);
    return status;
}

static int begin(const struct vmp_options *o, const struct target *t)
{
    char why[400];
    if (t->distributed != 0 && !vmp_has(o, 'F'))
        return vmp_fail("ERROR (%s): The guest is a distributed guest.", t->name);
    if (vmp_has(o, 'a') && !vmp_has(o, 'q') && !vmp_has(o, 'Q'))
        printf("Stopping virtual machine %s\n", t->name);
    fflush(stdout);
    int status =
        app_request(t->uuid, vmp_has(o, 'h') ? "kill" : "stop", NULL, NULL, why, sizeof why);
    if (status == 0 || !vmp_runs(t->uuid))
        return 0;
    if (vmp_has(o, 'h') && t->pid > 0 && kill(t->pid, SIGKILL) == 0)
        return 0;
    return vmp_fail("ERROR (%s): %s", t->name, why);
}

/* The process first, then what looks after it. */
static int finish(const struct target *t)
{
    char why[400];
    app_request(t->uuid, "wait", NULL, NULL, why, sizeof why);
    for (int i = 0; i < 3000 && vmp_runs(t->uuid); i++)
        g_usleep(10000);
    return vmp_runs(t->uuid) ? vmp_fail("ERROR (%s): The guest is still running.", t->name) : 0;
}

static int stop(const struct vmp_options *o, const GArray *targets)
{
    int status = 0;
    g_autofree bool *begun = g_new0(bool, targets->len + 1);
    for (guint i = 0; i < targets->len; i++) {
        begun[i] = begin(o, &g_array_index(targets, struct target, i)) == 0;
        status |= !begun[i];
    }
    for (guint i = 0; i < targets->len; i++)
        if (begun[i])
            status |= finish(&g_array_index(targets, struct target, i));
    return status != 0 ? vmp_unable() : 0;
}

static int run(const struct vmp_options *o, int argc, char **argv)
{
    g_autoptr(GArray) targets = g_array_new(FALSE, TRUE, sizeof(struct target));
    if (vmp_has(o, 'a') && !vmp_has(o, 'F') && !vmp_has(o, 'Q')) {
        vmp_fail("Option '-a' needs '-F'.");
        return vmp_unable();
    }
    if (!vmp_has(o, 'a') && vmp_check_selection(o) != 0)
        return 1;
    if (select_targets(o, targets, argc, argv) != 0)
        return 1;
    if (!vmp_has(o, 'a') && !vmp_confirm(o, "Stop", g_array_index(targets, struct target, 0).name))
        return 0;
    return stop(o, targets);
}

int vmp_stop(int argc, char **argv)
{
    struct vmp_options o;
    int status = vmp_parse(&o, argc, argv, ":P:p:ahgFqQ", "", "Ppa hg");
    if (status == 0)
        status = run(&o, argc, argv);
    vmp_options_free(&o);
    return status;
}
