/* hpvmmodify: changes to a guest. Those of a running guest wait for its next start; -A, which
 * asks for them at once and only until then, needs the guest's own process and is refused. */
#include "vmp.h"

#include <string.h>

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

static int save(struct state *s, const struct entry *e, struct guest *g,
                const struct vmp_options *o, char **argv)
{
    int status = 0;
    const char *name = vmp_value(o, 'N');
    g_autofree char *line = g_strjoinv(" ", argv + 1);
    if (name != NULL) {
        status = state_rename(s, e, name);
        g_strlcpy(g->name, name, sizeof g->name);
    }
    if (status == 0 && changes_more_than_name(o))
        status = state_save(s, e, g);
    if (status != 0)
        return vmp_fail("ERROR (%s): %s.", e->name, strerror(-status));
    state_log(s, e->uuid, line);
    return 0;
}

static int modify(const struct vmp_options *o, struct state *s, struct entry *e, char **argv)
{
    const char *name = vmp_value(o, 'N');
    struct vmp_host host;
    if (name != NULL && check_name(s, e, name) != 0)
        return 1;
    if (vmp_has(o, 'A'))
        return vmp_fail("ERROR (%s): %s", e->name,
                        e->running ? "The change needs a reboot of the guest."
                                   : "The guest is not running.");
    struct guest *g = guest_copy(e->next != NULL ? e->next : e->guest);
    int status = vmp_apply(o, g);
    if (status == 0) {
        g_autofree char *prevent =
            g_strdup_printf("will prevent HPVM guest %s from booting", g->name);
        vmp_complete(g, s);
        vmp_host_read(&host);
        if (!vmp_has(o, 'F'))
            vmp_warn(stderr, g, s, &host, VMP_CHECK_CONFIG, prevent);
        if (!vmp_has(o, 's'))
            status = save(s, e, g, o, argv);
    }
    guest_free(g);
    return status;
}

static int run(const struct vmp_options *o, int argc, char **argv)
{
    if (vmp_check_selection(o) != 0)
        return 1;
    struct state *s = vmp_open(o, true, argc, argv);
    if (s == NULL)
        return 1;
    struct entry *e = vmp_select(o, s);
    int status = e == NULL ? 1 : modify(o, s, e, argv);
    if (e != NULL && status != 0)
        vmp_fail("Unable to modify the guest.");
    state_close(s);
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
