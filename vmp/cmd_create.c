/* hpvmcreate: a new guest. Problems with the host are warnings, the guest is created all the
 * same; hpvmstart checks again. */
#include "vmp.h"

#include <string.h>

static int create(const struct vmp_options *o, struct guest *g, struct state *s)
{
    struct vmp_host host;
    g_autofree char *prevent = g_strdup_printf("may prevent HPVM guest %s from starting", g->name);
    if (state_find(s, g->name, 0) != NULL)
        return vmp_fail("ERROR (%s): The guest already exists.", g->name);
    state_new_uuid(g->uuid);
    if (vmp_apply(o, g) != 0)
        return 1;
    vmp_complete(g, s);
    vmp_host_read(&host);
    if (!vmp_has(o, 'F') && vmp_warn(stderr, g, s, &host, VMP_CHECK_CONFIG, prevent) > 0 &&
        !vmp_has(o, 's'))
        vmp_fail("The creation process is continuing.");
    if (vmp_has(o, 's'))
        return 0;
    int status = state_create(s, g);
    if (status != 0)
        return vmp_fail("ERROR (%s): %s.", g->name, strerror(-status));
    state_log(s, g->uuid, "created");
    return 0;
}

static int run(const struct vmp_options *o, int argc, char **argv)
{
    const char *name = vmp_value(o, 'P');
    if (name == NULL || !guest_name_valid(name)) {
        if (name == NULL)
            vmp_fail("A virtual machine name is required.");
        else
            vmp_fail("Invalid virtual machine name '%.60s'.", name);
        return vmp_unable();
    }
    struct state *s = vmp_open(o, true, argc, argv);
    if (s == NULL)
        return 1;
    struct guest *g = guest_new();
    g_strlcpy(g->name, name, sizeof g->name);
    int status = create(o, g, s);
    if (status != 0)
        vmp_fail("Unable to create the guest.");
    guest_free(g);
    state_close(s);
    return status;
}

int vmp_create(int argc, char **argv)
{
    struct vmp_options o;
    int status = vmp_parse(&o, argc, argv, ":P:Fsl:B:O:c:e:E:r:g:u:a:i:j:x:", "agux", "Fs eE");
    if (status == 0)
        status = run(&o, argc, argv);
    vmp_options_free(&o);
    return status;
}
