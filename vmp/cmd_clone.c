/* hpvmclone: a new guest with the configuration of another, and with -b copies of its storage. The
 * state is not locked while storage is copied. */
#include "copy_storage.h"
#include "vmp.h"

#include <string.h>
#include <unistd.h>

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

/* --- storage --- */

static int find_copies(const struct vmp_options *o, const struct guest *g, GArray *copies)
{
    char why[RESOURCE_DEVICE_MAX + 200];
    for (guint i = 0; i < o->list->len; i++) {
        const struct vmp_option *option = &g_array_index(o->list, struct vmp_option, i);
        struct storage_copy c = {.made = false};
        if (option->letter != 'b')
            continue;
        if (copy_storage_find(g, option->value, &c, why, sizeof why) != 0)
            return vmp_fail("ERROR (%s): %s", g->name, why);
        g_array_append_val(copies, c);
    }
    return 0;
}

static int make_copies(const char *name, GArray *copies)
{
    char why[RESOURCE_DEVICE_MAX + 200];
    for (guint i = 0; i < copies->len; i++) {
        struct storage_copy *c = &g_array_index(copies, struct storage_copy, i);
        if (copy_storage(c, why, sizeof why) != 0)
            return vmp_fail("ERROR (%s): %s", name, why);
        printf("hpvmclone: Virtual storage cloned successfully.\n");
    }
    return 0;
}

static void drop_copies(const GArray *copies)
{
    for (guint i = 0; i < copies->len; i++)
        if (g_array_index(copies, struct storage_copy, i).made)
            unlink(g_array_index(copies, struct storage_copy, i).to.device);
}

static int use_copies(struct guest *g, const GArray *copies)
{
    char why[300];
    for (guint i = 0; i < copies->len; i++)
        if (guest_modify_device(g, &g_array_index(copies, struct storage_copy, i).to, why,
                                sizeof why) != 0)
            return vmp_fail("ERROR (%s): %s", g->name, why);
    return 0;
}

/* --- configuration --- */

static int clone_guest(const struct vmp_options *o, struct state *s, const struct guest *source,
                       const GArray *copies)
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
    int status = use_copies(g, copies);
    if (status == 0)
        status = vmp_apply(o, g);
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

/* What can be refused is refused before anything is copied; -s copies nothing. */
static int copy_first(const struct vmp_options *o, GArray *copies, int argc, char **argv)
{
    struct state *s = vmp_open(o, false, argc, argv);
    struct entry *e = s != NULL ? vmp_select(o, s) : NULL;
    const char *name = vmp_value(o, 'N');
    int status = e == NULL;
    if (status == 0 && !guest_name_valid(name))
        status = vmp_fail("Invalid virtual machine name '%.60s'.", name);
    if (status == 0 && state_find(s, name, 0) != NULL)
        status = vmp_fail("ERROR (%s): The guest already exists.", name);
    if (status == 0)
        status = find_copies(o, e->guest, copies);
    if (s != NULL)
        state_close(s);
    if (status == 0 && !vmp_has(o, 's'))
        status = make_copies(name, copies);
    if (status != 0 && e != NULL)
        vmp_fail("Unable to clone the guest.");
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
    g_autoptr(GArray) copies = g_array_new(FALSE, TRUE, sizeof(struct storage_copy));
    int status = vmp_has(o, 'b') ? copy_first(o, copies, argc, argv) : 0;
    struct state *s = status == 0 ? vmp_open(o, true, argc, argv) : NULL;
    struct entry *e = s != NULL ? vmp_select(o, s) : NULL;
    if (e != NULL)
        status = clone_guest(o, s, e->guest, copies);
    else
        status = 1;
    if (e != NULL && status != 0)
        vmp_fail("Unable to clone the guest.");
    if (s != NULL)
        state_close(s);
    if (status != 0)
        drop_copies(copies);
    return status;
}

int vmp_clone(int argc, char **argv)
{
    struct vmp_options o;
    int status =
        vmp_parse(&o, argc, argv, ":P:p:N:Fsl:B:O:c:e:E:r:Sg:u:a:m:d:x:b:", "agumdxb", "Pp Fs eE");
    if (status == 0)
        status = run(&o, argc, argv);
    vmp_options_free(&o);
    return status;
}
