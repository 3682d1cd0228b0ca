/* hpvm start, hpvm stop: all switches and the guests with the start attribute auto; the end of all.
 * For the service of the system (dist/hpvm.service), as /sbin/init.d/hpvm was. */
#include "vmp.h"
#include "vsw.h"

#include <string.h>

/* By number, as they were made. NULL after a message. */
static GPtrArray *automatic_guests(void)
{
    char why[400];
    struct state *s = state_open(false, why, sizeof why);
    if (s == NULL) {
        vmp_fail("%s", why);
        return NULL;
    }
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < state_entries(s)->len; i++) {
        const struct entry *e = state_entries(s)->pdata[i];
        if (e->guest != NULL && !e->running && e->guest->distributed == 0 &&
            strcmp(e->guest->start, "Auto") == 0)
            g_ptr_array_add(names, g_strdup(e->name));
    }
    state_close(s);
    return names;
}

/* Boots all of them, or ends them without their being halted for good. */
static void switches(bool start)
{
    char why[400];
    struct state *s = state_open(true, why, sizeof why);
    if (s == NULL) {
        vmp_fail("%s", why);
        return;
    }
    if (start)
        vsw_wake_all(s, stderr);
    else
        vsw_halt_all(s, stderr);
    state_close(s);
}

/* Every one is tried: some may lack resources. */
static int start_all(bool force)
{
    switches(true);
    GPtrArray *names = automatic_guests();
    unsigned failed = 0;
    if (names == NULL)
        return vmp_unable();
    for (guint i = 0; i < names->len; i++) {
        char *argv[] = {"hpvmstart", "-P", names->pdata[i], "-Q", force ? "-F" : NULL, NULL};
        failed += vmp_find("hpvmstart")(force ? 5 : 4, argv) != 0;
    }
    vmp_find("hpvm");
    if (failed > 0)
        vmp_fail("%u of %u guests were not started.", failed, names->len);
    g_ptr_array_free(names, TRUE);
    return 0;
}

static int stop_all(void)
{
    char *argv[] = {"hpvmstop", "-a", "-F", NULL};
    int status = vmp_find("hpvmstop")(3, argv);
    vmp_find("hpvm");
    switches(false);
    return status;
}

int vmp_service(int argc, char **argv)
{
    bool force = argc == 3 && strcmp(argv[2], "-F") == 0;
    if ((argc == 2 || force) && strcmp(argv[1], "start") == 0)
        return start_all(force);
    if (argc == 2 && strcmp(argv[1], "stop") == 0)
        return stop_all();
    vmp_fail("usage: hpvm start [-F] | stop");
    return vmp_unable();
}
