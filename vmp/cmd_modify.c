/* hpvmmodify: changes to a guest. Those of a running guest come into force at once where its
 * process can make them, and wait for its next start otherwise; -A makes them for the present run
 * only. The process is asked without the state being locked. */
#include "app_proto.h"
#include "entitlement.h"
#include "live.h"
#include "vmp.h"

#include <errno.h>
#include <string.h>

struct change {
    const struct vmp_options *o;
    struct state *s; /* NULL: not locked now */
    struct entry *e;
    char **argv;
    bool reload; /* a running guest's process should look at its configuration */
};

static bool changes_more_than_name(const struct vmp_options *o)
{
    for (guint i = 0; i < o->list->len; i++)
        if (strchr("PpNFs", g_array_index(o->list, struct vmp_option, i).letter) == NULL)
            return true;
    return false;
}

static int check_name(struct state *s, const struct entry *e, const char *name)
{
    if (!guest_name_valid(name))
        return vmp_fail("ERROR (%s): Invalid virtual machine name '%.60s'.", e->name, name);
    if (state_find(s, name, 0) != NULL)
        return vmp_fail("ERROR (%s): The guest '%s' already exists.", e->name, name);
    return 0;
}

static int failed(const struct change *c, int status)
{
    return vmp_fail("ERROR (%s): %s.", c->e->name, strerror(-status));
}

/* --- saving --- */

static int rename_guest(struct change *c)
{
    const char *name = vmp_value(c->o, 'N');
    char why[400];
    int status = name != NULL ? state_rename(c->s, c->e, name) : 0;
    if (status != 0)
        return failed(c, status);
    if (name == NULL || !c->e->running)
        return 0;
    c->reload = true;
    if (app_publish(c->e->uuid, name, c->e->guest->number, why, sizeof why) != 0)
        vmp_fail("WARNING (%s): %s", name, why);
    return 0;
}

static void log_change(struct change *c)
{
    g_autofree char *line = g_strjoinv(" ", c->argv + 1);
    state_log(c->s, c->e->uuid, line);
}

static void take_name(const struct change *c, struct guest *g)
{
    const char *name = vmp_value(c->o, 'N');
    if (name != NULL)
        g_strlcpy(g->name, name, sizeof g->name);
}

/* The name first: it is written into what is there. */
static int save_off(struct change *c, struct guest *g)
{
    if (rename_guest(c) != 0)
        return 1;
    take_name(c, g);
    int status = changes_more_than_name(c->o) ? state_save(c->s, c->e, g) : 0;
    return status != 0 ? failed(c, status) : 0;
}

/* hpvmapp has said at the start if there are no control groups. */
static void change_entitlement(const struct guest *g)
{
    struct vmp_host host;
    vmp_host_read(&host);
    entitlement_set(g->uuid, 0, vmp_entitlement(g, &host), (unsigned)g->vcpus);
}

/* The one in force keeps what must wait; with -A what was configured comes back at the next start.
 */
static int save_running(struct change *c, struct guest *wanted, const struct live_plan *p)
{
    const struct guest *configured = c->e->next != NULL ? c->e->next : c->e->guest;
    if (rename_guest(c) != 0)
        return 1;
    take_name(c, wanted);
    take_name(c, p->active);
    const struct guest *next = vmp_has(c->o, 'A') ? configured : p->rest ? wanted : NULL;
    int status = state_save_active(c->s, c->e, p->active, next);
    c->reload = true;
    if (status == 0 &&
        (p->active->percent != c->e->guest->percent || p->active->cycles != c->e->guest->cycles))
        change_entitlement(p->active);
    return status != 0 ? failed(c, status) : 0;
}

/* --- running guests --- */

/* Asks the process while others may use the state; nobody may have changed the guest meanwhile. */
static int ask_process(struct change *c, const struct live_plan *p)
{
    char why[RESOURCE_DEVICE_MAX + 300], uuid[37], name[GUEST_NAME_MAX + 1];
    GString *before = guest_write(c->e->guest), *after = NULL;
    g_strlcpy(uuid, c->e->uuid, sizeof uuid);
    g_strlcpy(name, c->e->name, sizeof name);
    state_close(c->s);
    c->s = NULL;
    int status =
        live_apply(uuid, p, why, sizeof why) != 0 ? vmp_fail("ERROR (%s): %s", name, why) : 0;
    if (status == 0)
        c->s = state_open(true, why, sizeof why);
    if (status == 0 && c->s == NULL)
        status = vmp_fail("%s", why);
    c->e = c->s != NULL ? state_find_uuid(c->s, uuid) : NULL;
    if (c->e != NULL && c->e->guest != NULL)
        after = guest_write(c->e->guest);
    if (status == 0 && (after == NULL || !c->e->running || !g_string_equal(before, after)))
        status = vmp_fail("ERROR (%s): The guest has changed meanwhile.", name);
    g_string_free(before, TRUE);
    if (after != NULL)
        g_string_free(after, TRUE);
    return status;
}

static int change_running(struct change *c, struct guest *wanted)
{
    struct live_plan p;
    live_compare(c->e->guest, wanted, &p);
    int status = 0;
    if (vmp_has(c->o, 'A') && p.rest)
        status = vmp_fail("ERROR (%s): The change needs a reboot of the guest.", c->e->name);
    if (status == 0 && p.requests->len > 0)
        status = ask_process(c, &p);
    if (status == 0)
        status = save_running(c, wanted, &p);
    live_plan_clear(&p);
    return status;
}

/* --- the command --- */

static int apply(struct change *c, struct guest *g)
{
    struct vmp_host host;
    g_autofree char *prevent = g_strdup_printf("will prevent HPVM guest %s from booting", g->name);
    if (vmp_apply(c->o, g) != 0)
        return 1;
    vmp_complete(g, c->s);
    vmp_host_read(&host);
    if (!vmp_has(c->o, 'F'))
        vmp_warn(stderr, g, c->s, &host, VMP_CHECK_CONFIG, prevent);
    return 0;
}

static int modify(struct change *c)
{
    const char *name = vmp_value(c->o, 'N');
    struct entry *e = c->e;
    bool active = vmp_has(c->o, 'A');
    if (e->running && strcmp(e->run, "Migrating") == 0)
        return vmp_fail("ERROR (%s): The guest is being migrated.", e->name);
    if (name != NULL && check_name(c->s, e, name) != 0)
        return 1;
    if (active && !e->running)
        return vmp_fail("ERROR (%s): The guest is not running.", e->name);
    struct guest *g = guest_copy(e->next != NULL && !active ? e->next : e->guest);
    int status = apply(c, g);
    if (status == 0 && !vmp_has(c->o, 's')) {
        if (!e->running)
            status = save_off(c, g);
        else if (changes_more_than_name(c->o))
            status = change_running(c, g);
        else
            status = rename_guest(c);
        if (status == 0)
            log_change(c);
    }
    guest_free(g);
    return status;
}

static int run(const struct vmp_options *o, int argc, char **argv)
{
    char uuid[37], why[400];
    if (vmp_check_selection(o) != 0)
        return 1;
    struct change c = {.o = o, .argv = argv, .s = vmp_open(o, true, argc, argv)};
    if (c.s == NULL)
        return 1;
    c.e = vmp_select(o, c.s);
    bool found = c.e != NULL;
    if (found)
        g_strlcpy(uuid, c.e->uuid, sizeof uuid);
    int status = found ? modify(&c) : 1;
    if (found && status != 0)
        vmp_fail("Unable to modify the guest.");
    if (c.s != NULL)
        state_close(c.s);
    if (c.reload && app_request(uuid, "reload", NULL, NULL, why, sizeof why) != 0 && vmp_runs(uuid))
        vmp_fail("WARNING: The guest's process was not told: %s", why);
    return status;
}

int vmp_modify(int argc, char **argv)
{
    struct vmp_options o;
    int status = vmp_parse(&o, argc, argv, ":P:p:FsN:l:B:O:c:e:E:r:g:u:a:m:d:i:j:R:x:A", "agumdx",
                           "Pp Fs eE As AN");
    if (status == 0)
        status = run(&o, argc, argv);
    vmp_options_free(&o);
    return status;
}
