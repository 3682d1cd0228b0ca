/* hpvmremove: forgets a guest that is off. Its storage stays. */
#include "vmp.h"

#include <string.h>

/* A damaged guest can be removed too. */
static struct entry *select_any(const struct vmp_options *o, struct state *s)
{
    struct entry *e = vmp_has(o, 'P') ? state_find(s, vmp_value(o, 'P'), 0) : NULL;
    return e != NULL ? e : vmp_select(o, s);
}

static int check(struct entry *e)
{
    if (e == NULL)
        return 1;
    if (!e->running)
        return 0;
    vmp_fail("The guest is currently running, not able to remove.");
    return vmp_unable();
}

static int run(const struct vmp_options *o, int argc, char **argv)
{
    if (vmp_check_selection(o) != 0)
        return 1;
    struct state *s = vmp_open(o, false, argc, argv);
    struct entry *e = s != NULL ? select_any(o, s) : NULL;
    char name[GUEST_NAME_MAX + 1] = "", uuid[37] = "";
    int status = check(e), error;
    if (status == 0) {
        g_strlcpy(name, e->name, sizeof name);
        g_strlcpy(uuid, e->uuid, sizeof uuid);
    }
    if (s != NULL)
        state_close(s);
    if (status != 0 || !vmp_confirm(o, "Remove", name))
        return status;
    s = vmp_open(o, true, argc, argv);
    e = s != NULL ? select_any(o, s) : NULL;
    status = check(e);
    if (status == 0 && strcmp(e->uuid, uuid) != 0)
        status = vmp_fail("The guest '%s' has changed meanwhile.", name);
    if (status == 0 && (error = state_remove(s, e)) != 0)
        status = vmp_fail("ERROR (%s): %s.", name, strerror(-error));
    if (s != NULL)
        state_close(s);
    return status;
}

int vmp_remove(int argc, char **argv)
{
    struct vmp_options o;
    int status = vmp_parse(&o, argc, argv, ":P:p:FQ", "", "Pp");
    if (status == 0)
        status = run(&o, argc, argv);
    vmp_options_free(&o);
    return status;
}
