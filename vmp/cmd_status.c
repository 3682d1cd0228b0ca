/* hpvmstatus: what guests there are, one of them in detail, and what the host has left. Use of
 * processors (-r) is that of guests whose process reports it; the others used nothing. */
#include "multi_server.h"
#include "status.h"
#include "usage.h"

#include <string.h>

struct view {
    const struct vmp_options *o;
    struct state *s;
    struct entry *one; /* NULL: all */
    struct vmp_host host;
    bool deferred, json;
};

static int no_guests(void)
{
    vmp_fail("No guest information is available.");
    return vmp_unable();
}

typedef void each_fn(const struct view *v, const struct entry *e);

static void for_each(const struct view *v, each_fn *fn)
{
    if (v->one != NULL)
        fn(v, v->one);
    for (guint i = 0; v->one == NULL && i < state_entries(v->s)->len; i++)
        fn(v, state_entries(v->s)->pdata[i]);
}

static void summary_one(const struct view *v, const struct entry *e)
{
    status_summary_row(stdout, e, v->deferred);
}

static void machine_one(const struct view *v, const struct entry *e)
{
    status_machine(stdout, e, v->deferred, v->one != NULL, &v->host);
}

static void xml_one(const struct view *v, const struct entry *e)
{
    status_xml(stdout, e, v->deferred, &v->host);
}

static void verbose_one(const struct view *v, const struct entry *e)
{
    const struct guest *g = status_shown(e, v->deferred);
    if (e != (v->one != NULL ? v->one : state_entries(v->s)->pdata[0]))
        putchar('\n');
    if (g != NULL)
        status_verbose(stdout, e, g, &v->host);
    else
        printf("[Virtual Machine Details]\n%-24s: %s\n%-24s: %s\n%-24s: Invalid\n",
               "Virtual Machine Name", e->name, "Virtual Machine UUID", e->uuid, "State");
}

static void usage_row(const struct view *v, const struct entry *e)
{
    const struct guest *g = status_shown(e, v->deferred);
    if (g == NULL)
        return;
    double entitlement = vmp_entitlement(g, &v->host) / 10.0;
    struct vmp_usage u;
    usage_read(e->uuid, e->running, &u);
    if (v->one == NULL)
        printf("%-20.20s %5d ", e->name, (int)g->number);
    printf("%6d %10.1f%% %6.1f%% %6.1f%% %16llu\n", (int)g->vcpus, entitlement, 100.0,
           usage_percent(&u, &u.process) / (double)v->host.processors,
           (unsigned long long)usage_cycles(&u.process, v->host.mhz));
}

static int show_usage(const struct view *v)
{
    if (v->one == NULL) {
        puts("[Virtual CPU entitlement]\n"
             "                                                      Percent       Cumulative\n"
             "Virtual Machine Name VM #  #VCPUs Entitlement Maximum   Usage            Usage\n"
             "==================== ===== ====== =========== ======= ======= ================");
        for_each(v, usage_row);
        return 0;
    }
    puts("[Virtual Machine entitlements]\n"
         "                           Percent       Cumulative\n"
         "#VCPUs Entitlement Maximum   Usage            Usage\n"
         "====== =========== ======= ======= ================");
    usage_row(v, v->one);
    puts("\n[Virtual CPU details]\n"
         "vCPU Cumulative       Guest   Host    Cycles   Sampling\n"
         "ID   Usage            percent percent achieved Interval\n"
         "==== ================ ======= ======= ======== ===========");
    struct vmp_usage u;
    usage_read(v->one->uuid, v->one->running, &u);
    for (int i = 0; i < (int)v->one->guest->vcpus; i++)
        printf("%4d %16llu %6.1f%% %6.1f%% %5dMHz %3d seconds\n", i,
               (unsigned long long)usage_cycles(&u.vcpu[i], v->host.mhz),
               usage_percent(&u, &u.vcpu[i]), usage_host_percent(&u),
               (int)(usage_percent(&u, &u.vcpu[i]) * (double)v->host.mhz / 100),
               (int)((u.interval_us + 500000) / 1000000));
    return 0;
}

static int show_host(const struct view *v)
{
    const struct vmp_host *h = &v->host;
    if (v->json) {
        status_json_host(stdout, h);
        return 0;
    }
    if (vmp_has(v->o, 'M')) {
        printf("%d:%d:%d:%d:%d:%d\n", (int)h->mhz, (int)h->memory, (int)h->processors,
               (int)h->available, (int)h->swap, (int)status_vcpus(h));
        return 0;
    }
    if (vmp_has(v->o, 'X')) {
        printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<hpvmstatus>\n  <server mhz=\"%d\" "
               "memory_mb=\"%d\" processors=\"%d\" available_mb=\"%d\" swap_mb=\"%d\" "
               "max_vcpus=\"%d\"/>\n</hpvmstatus>\n",
               (int)h->mhz, (int)h->memory, (int)h->processors, (int)h->available, (int)h->swap,
               (int)status_vcpus(h));
        return 0;
    }
    status_host(stdout, h);
    return 0;
}

static void json_one(const struct view *v, const struct entry *e)
{
    if (e != (v->one != NULL ? v->one : state_entries(v->s)->pdata[0]))
        fputs(",\n ", stdout);
    status_json(stdout, e, v->deferred, &v->host);
}

/* An empty list is a good answer for a program. */
static int show_json(const struct view *v)
{
    fputs("{\"guests\": [", stdout);
    for_each(v, json_one);
    puts("]}");
    return 0;
}

static int show_guests(const struct view *v)
{
    const struct vmp_options *o = v->o;
    if (v->json)
        return show_json(v);
    if (state_entries(v->s)->len == 0)
        return no_guests();
    if (vmp_has(o, 'X')) {
        puts("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<hpvmstatus>");
        for_each(v, xml_one);
        puts("</hpvmstatus>");
    } else if (vmp_has(o, 'M')) {
        for_each(v, machine_one);
    } else if (vmp_has(o, 'r')) {
        return show_usage(v);
    } else if (vmp_has(o, 'd')) {
        status_devices(stdout, status_shown(v->one, v->deferred));
    } else if (vmp_has(o, 'V')) {
        for_each(v, verbose_one);
    } else if (v->one != NULL) {
        status_tables(stdout, v->one, status_shown(v->one, v->deferred), &v->host);
    } else {
        status_summary_header(stdout);
        for_each(v, summary_one);
    }
    return 0;
}

static int show_servers(const struct view *v)
{
    char why[300];
    struct devdb *db = devdb_load(v->s, why, sizeof why);
    if (db == NULL) {
        vmp_fail("%s", why);
        return vmp_unable();
    }
    multi_server_show(stdout, db, g_get_host_name(),
                      vmp_has(v->o, 'X')   ? MULTI_SERVER_XML
                      : vmp_has(v->o, 'M') ? MULTI_SERVER_MACHINE
                                           : MULTI_SERVER_TEXT);
    devdb_free(db);
    return 0;
}

static int show(const struct view *v)
{
    const struct vmp_options *o = v->o;
    if (vmp_has(o, 'v'))
        puts("hpvmstatus: " VMP_VERSION);
    if (vmp_has(o, 's'))
        return show_host(v);
    if (vmp_has(o, 'm'))
        return show_servers(v);
    if (vmp_has(o, 'S')) {
        puts("HPVM scheduler is running in NORMAL mode.");
        return 0;
    }
    if (vmp_has(o, 'e')) {
        state_show_log(v->s, v->one != NULL ? v->one->uuid : NULL, stdout);
        return 0;
    }
    return show_guests(v);
}

static int run(const struct vmp_options *o, bool json, int argc, char **argv)
{
    bool named = vmp_has(o, 'P') || vmp_has(o, 'p');
    if ((vmp_has(o, 'D') || vmp_has(o, 'd')) && vmp_check_selection(o) != 0)
        return 1;
    struct view v = {.o = o, .deferred = vmp_has(o, 'D'), .json = json};
    v.s = vmp_open(o, false, argc, argv);
    if (v.s == NULL)
        return 1;
    vmp_host_read(&v.host);
    v.one = named ? vmp_select(o, v.s) : NULL;
    int status = named && v.one == NULL ? 1 : show(&v);
    state_close(v.s);
    if (fflush(stdout) != 0)
        status = vmp_fail("The output cannot be written.");
    return status;
}

/* The one long option. */
static bool take_json(int *argc, char **argv)
{
    int n = 0;
    for (int i = 0; i < *argc; i++)
        if (i == 0 || strcmp(argv[i], "--json") != 0)
            argv[n++] = argv[i];
    bool found = n < *argc;
    argv[n] = NULL;
    *argc = n;
    return found;
}

int vmp_status(int argc, char **argv)
{
    struct vmp_options o;
    bool json = take_json(&argc, argv);
    int status =
        vmp_parse(&o, argc, argv, ":P:p:VXMvDerdmSs", "", "Pp VXM DerdmSs mP mp sP sp SP Sp");
    if (status == 0 && json && (vmp_has(&o, 'V') || vmp_has(&o, 'X') || vmp_has(&o, 'M'))) {
        vmp_fail("Option '--json' excludes '-V', '-X' and '-M'.");
        status = vmp_unable();
    }
    if (status == 0)
        status = run(&o, json, argc, argv);
    vmp_options_free(&o);
    return status;
}
