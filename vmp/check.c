/* The host's resources and the warnings about a guest that needs more: see vmp.h. */
#include "backing.h"
#include "devdb.h"
#include "vmp.h"
#include "vsw.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t value_in(const char *text, const char *key)
{
    const char *p = text != NULL ? strstr(text, key) : NULL;
    return p != NULL
               ? g_ascii_strtoull(p + strlen(key) + strspn(p + strlen(key), " \t:="), NULL, 10)
               : 0;
}

static char *read_hpvmconf(void)
{
    char *text = NULL;
    const char *path = getenv("HPVM_CONF");
    g_file_get_contents(path != NULL ? path : "/etc/rc.config.d/hpvmconf", &text, NULL, NULL);
    return text;
}

char *vmp_setting(const char *key)
{
    const char *value = getenv(key);
    g_autofree char *text = value == NULL ? read_hpvmconf() : NULL;
    g_auto(GStrv) line = g_strsplit(text != NULL ? text : "", "\n", 0);
    for (guint i = 0; value == NULL && line[i] != NULL; i++)
        if (g_str_has_prefix(line[i], key) && line[i][strlen(key)] == '=')
            value = g_strstrip(line[i] + strlen(key) + 1);
    return value != NULL && value[0] != '\0' ? g_strdup(value) : NULL;
}

static unsigned limit_in(const char *text, const char *key, unsigned usual, unsigned most)
{
    uint64_t n = value_in(text, key);
    return n == 0 ? usual : n < most ? (unsigned)n : most;
}

void vmp_limits_read(struct vmp_limits *l)
{
    g_autofree char *configured = read_hpvmconf();
    l->stop_seconds = limit_in(configured, "STOPTIMEOUT", 60, 300);
    l->attention_seconds = limit_in(configured, "ATTNTIMEOUT", 60, 3600);
    l->monitor_kb = limit_in(configured, "VMMLOGSIZE", 1024, 102400);
    l->lock_memory = value_in(configured, "LOCKMEMORY") == 1;
}

void vmp_host_read(struct vmp_host *h)
{
    g_autofree char *memory = NULL;
    g_autofree char *cpu = NULL;
    g_autofree char *configured = read_hpvmconf();
    g_file_get_contents("/proc/meminfo", &memory, NULL, NULL);
    g_file_get_contents("/proc/cpuinfo", &cpu, NULL, NULL);
    uint64_t limit = value_in(memory, "CommitLimit"), used = value_in(memory, "Committed_AS");
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    h->processors = online > 0 ? (uint64_t)online : 1;
    h->mhz = value_in(cpu, "cpu MHz");
    h->mhz = h->mhz > 0 ? h->mhz : 1000;
    h->memory = value_in(memory, "MemTotal") / 1024;
    h->available = value_in(memory, "MemAvailable") / 1024;
    h->swap = limit > used ? (limit - used) / 1024 : 0;
    h->max_vcpus = value_in(configured, "MAXVCPUS");
    if (h->max_vcpus == 0 || h->max_vcpus > GUEST_VCPUS_MAX)
        h->max_vcpus = 4;
}

unsigned vmp_entitlement(const struct guest *g, const struct vmp_host *h)
{
    if (g->cycles == 0)
        return (unsigned)g->percent * 10;
    uint64_t tenths = g->cycles * 1000 / h->mhz;
    return tenths > 1000 ? 1000 : (unsigned)tenths;
}

struct warnings {
    FILE *out;
    const struct guest *guest;
    enum vmp_check check;
    const struct devdb *db; /* NULL: damaged, which is a warning too */
    unsigned count;
};

__attribute__((format(printf, 2, 3))) static void warn(struct warnings *w, const char *fmt, ...)
{
    va_list ap;
    if (w->count++ == 0)
        fprintf(w->out, "HPVM guest %s configuration problems:\n", w->guest->name);
    fprintf(w->out, "    Warning %u", w->count);
    va_start(ap, fmt);
    vfprintf(w->out, fmt, ap);
    va_end(ap);
    fputc('\n', w->out);
}

static void warn_host(struct warnings *w, struct state *s, const struct vmp_host *h)
{
    const struct guest *g = w->guest;
    uint64_t share = vmp_entitlement(g, h) * g->vcpus;
    for (guint i = 0; i < state_entries(s)->len; i++) {
        const struct entry *e = state_entries(s)->pdata[i];
        if (e->running && e->guest != NULL && strcmp(e->uuid, g->uuid) != 0)
            share += vmp_entitlement(e->guest, h) * e->guest->vcpus;
    }
    if (g->vcpus > h->max_vcpus)
        warn(w, ": Guest needs more vcpus than server supports.");
    else if (g->vcpus > h->processors)
        warn(w, ": Guest's vcpus exceeds server's physical cpus.");
    if (g->memory + g->memory * 7 / 100 > h->available)
        warn(w, ": Insufficient free memory for guest.");
    if (g->memory > h->swap)
        warn(w, ": Insufficient swap resource for guest.");
    if (share > h->processors * 1000 || g->vcpus > h->processors)
        warn(w, ": Insufficient cpu resource for guest.");
}

/* As marked in the device database; else discs kept in files may serve several guests. */
static bool shareable(const struct warnings *w, const struct resource *r)
{
    struct stat st;
    int marked = w->db != NULL ? devdb_shared(w->db, r->device) : -1;
    if (marked >= 0)
        return marked > 0;
    if (strcmp(r->type, "dvd") != 0)
        return false;
    if (strcmp(r->storage, "null") == 0)
        return stat(r->device, &st) == 0 && S_ISDIR(st.st_mode);
    return strcmp(r->storage, "file") == 0;
}

static bool used_by_guest(const struct warnings *w, struct state *s, const struct resource *r)
{
    const struct guest *g = w->guest;
    for (guint i = 0; i < state_entries(s)->len; i++) {
        const struct entry *e = state_entries(s)->pdata[i];
        if (e->guest == NULL || strcmp(e->uuid, g->uuid) == 0)
            continue;
        if (w->check == VMP_CHECK_START && !e->running)
            continue;
        for (guint j = 0; j < e->guest->devices->len; j++) {
            const struct resource *d = guest_device(e->guest, j);
            if (d->network != r->network)
                continue;
            if (r->network
                    ? memcmp(d->mac, r->mac, 6) == 0
                    : strcmp(d->device, r->device) == 0 && !(shareable(w, r) && shareable(w, d)))
                return true;
        }
    }
    return false;
}

static bool restricted(const struct warnings *w, const char *device)
{
    return w->db != NULL && devdb_restricted(w->db, device);
}

/* Another guest is on a switch that one guest at a time may use. */
static bool switch_taken(const struct warnings *w, struct state *s, const char *name)
{
    if (w->db == NULL || devdb_shared(w->db, name) != 0)
        return false;
    for (guint i = 0; i < state_entries(s)->len; i++) {
        const struct entry *e = state_entries(s)->pdata[i];
        if (e->guest == NULL || strcmp(e->uuid, w->guest->uuid) == 0 ||
            (w->check == VMP_CHECK_START && !e->running))
            continue;
        for (guint j = 0; j < e->guest->devices->len; j++) {
            const struct resource *d = guest_device(e->guest, j);
            if (d->network && strcmp(d->device, name) == 0)
                return true;
        }
    }
    return false;
}

static bool used_by_server(const char *device, const char *mounts, const char *swaps)
{
    g_autofree char *start = g_strdup_printf("%s ", device);
    g_autofree char *line = g_strdup_printf("\n%s ", device);
    const char *tables[] = {mounts, swaps};
    for (int i = 0; i < 2; i++)
        if (tables[i] != NULL &&
            (g_str_has_prefix(tables[i], start) || strstr(tables[i], line) != NULL))
            return true;
    return false;
}

static void warn_storage(struct warnings *w, struct state *s)
{
    g_autofree char *mounts = NULL;
    g_autofree char *swaps = NULL;
    g_file_get_contents("/proc/mounts", &mounts, NULL, NULL);
    g_file_get_contents("/proc/swaps", &swaps, NULL, NULL);
    for (guint i = 0; i < w->guest->devices->len; i++) {
        const struct resource *r = guest_device(w->guest, i);
        struct stat st;
        if (r->network)
            continue;
        if (used_by_guest(w, s, r))
            warn(w, " on item %s: Device file '%s' in use by another guest.", r->device, r->device);
        if (restricted(w, r->device))
            warn(w, " on item %s: Device file '%s' is a restricted device.", r->device, r->device);
        if (used_by_server(r->device, mounts, swaps))
            warn(w, " on item %s: Device file '%s' in use by server.", r->device, r->device);
        if (stat(r->device, &st) != 0)
            warn(w, " on item %s backing device does not exist.", r->device);
        if (backing_is_remote(r))
            warn(w, " on item %s: Device file '%s' is on a network file system.", r->device,
                 r->device);
    }
}

/* A switch that nobody halted is booted when the guest starts. */
static void warn_network(struct warnings *w, struct state *s)
{
    char why[300];
    struct vsw_list *l = vsw_load(s, why, sizeof why);
    for (guint i = 0; i < w->guest->devices->len; i++) {
        const struct resource *r = guest_device(w->guest, i);
        if (!r->network)
            continue;
        if (used_by_guest(w, s, r))
            warn(w, " on item %s: MAC address in use for switch %s.", r->device, r->device);
        const struct vsw *sw = l != NULL ? vsw_find(l, r->device, 0) : NULL;
        if (sw == NULL)
            warn(w, " on item %s: '%s' backing device does not exist.", r->device, r->device);
        else if (sw->halted && !vsw_is_up(sw))
            warn(w, " on item %s: Vswitch %s is not active.", r->device, r->device);
        if (switch_taken(w, s, r->device))
            warn(w, " on item %s: Vswitch %s in use by another guest.", r->device, r->device);
        if (restricted(w, r->device) ||
            (sw != NULL && sw->nic[0] != '\0' && restricted(w, sw->nic)))
            warn(w, " on item %s: Vswitch %s is on a restricted device.", r->device, r->device);
    }
    vsw_list_free(l);
}

unsigned vmp_warn(FILE *out, const struct guest *g, struct state *s, const struct vmp_host *h,
                  enum vmp_check check, const char *may_prevent)
{
    char why[300];
    struct devdb *db = devdb_load(s, why, sizeof why);
    struct warnings w = {.out = out, .guest = g, .check = check, .db = db};
    if (db == NULL)
        warn(&w, ": %s", why);
    warn_host(&w, s, h);
    warn_storage(&w, s);
    warn_network(&w, s);
    if (w.count > 0)
        fprintf(out, "These problems %s.\n", may_prevent);
    devdb_free(db);
    return w.count;
}

int vmp_runnable(const struct guest *g, char *why, size_t size)
{
    for (guint i = 0; i < g->devices->len; i++) {
        const struct resource *r = guest_device(g, i);
        char text[RESOURCE_DEVICE_MAX + 100];
        bool avio = strcmp(r->adapter, "avio_stor") == 0;
        if (r->network || (!avio && strcmp(r->storage, "attach") != 0))
            continue;
        resource_print(r, text, sizeof text);
        snprintf(why, size, "Device '%s' can be configured but not run: %s.", text,
                 avio ? "there are no AVIO adapters" : "there are no attached devices");
        return -ENOTSUP;
    }
    return 0;
}
