/* hpvmclone: a new guest with the configuration of another. Copies no storage. */
#include "vmp.h"

#include <string.h>

static bool wants_same(const struct vmp_options *o, const char *keyword)
{
    bool same = false;
    for (guint i = 0; i < o->list->len; i++) {
        const struct vmp_option *option = &g_array_index(o->list, struct vmp_option, i);
        if (option->letter == 'x' && g_str_has_prefix(option->value, keyword))
            same = strcmp(option->value + strlen(keyword), "=same") == 0;
    }
    return same;
}

/* What makes the copy another machine. */
static void renew(struct guest *g, const struct vmp_options *o)
{
    state_new_uuid(g->uuid);
    if (!wants_same(o, "serial_number"))
        g->serial[0] = '\0';
    for (guint i = 0; i < g->devices->len; i++) {
        struct resource *r = guest_device(g, i);
        if (!r->network)
            continue;
        r->has_mac = wants_same(o, "mac_address");
        if (!vmp_has(o, 'S'))
            r->port = 0;
    }
}

static int clone_guest(const struct vmp_options *o, struct state *s, const struct guest *source)
{
    const char *name = vmp_value(o, 'N');
    struct vmp_host host;
    if (!guest_name_valid(name))
        return vmp_fail("Invalid virtual machine name '%.60s'.", name);
    if (state_find(s, name, 0) != NULL)
        return vmp_fail("ERROR (%s): The guest already exists.", name);
    struct guest *g = guest_copy(source);
    g_autofree char *prevent = g_strdup_printf("will prevent HPVM guest %s from booting", name);
    g_strlcpy(g->name, name, sizeof g->name);
    renew(g, o);
    int status = vmp_apply(o, g);
    if (status == 0) {
        vmp_complete(g, s);
        vmp_host_read(&host);
        if (!vmp_has(o, 'F'))
            vmp_warn(stderr, g, s, &host, VMP_CHECK_CONFIG, prevent);
        int error = vmp_has(o, 's') ? 0 : state_create(s, g);
        if (error != 0)
            status = vmp_fail("ERROR (%s): %s.", name, strerror(-error));
        else if (!vmp_has(o, 's'))
            state_log(s, g->uuid, "cloned");
    }
    guest_free(g);
    return status;
}

static int run(const struct vmp_options *o, int argc, char **argv)
{
    if (vmp_check_selection(o) != 0)
        return 1;
    if (!vmp_has(o, 'N')) {
        vmp_fail("The name of the clone is required.");
        return vmp_unable();
    }
    struct state *s = vmp_open(o, true, argc, argv);
    if (s == NULL)
        return 1;
    struct entry *e = vmp_select(o, s);
    int status = e == NULL ? 1 : clone_guest(o, s, e->guest);
    if (e != NULL && status != 0)
        vmp_fail("Unable to clone the guest.");
    state_close(s);
    return status;
}

int vmp_clone(int argc, char **argv)
{
    struct vmp_options o;
    int status =
        vmp_parse(&o, argc, argv, ":P:p:N:Fsl:B:O:c:e:E:r:Sg:u:a:m:d:x:", "agumdx", "Pp Fs eE");
    if (status == 0)
        status = run(&o, argc, argv);
    vmp_options_free(&o);
    return status;
}
