/* See devdb.h. */
#include "devdb.h"
#include "storage.h"
#include "vsw.h"

#include "text.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_NAME "hpvm_mgmtdb"

const char *const devdb_kind_name[DEVDB_KINDS] = {"rdev", "gdev", "server"};

static const char *const section[DEVDB_KINDS] = {"# Restricted devices", "# Guest devices",
                                                 "# Servers"};

static void free_entry(void *p)
{
    struct devdb_entry *e = p;
    g_free(e->name);
    g_hash_table_destroy(e->attributes);
    g_ptr_array_free(e->depends, TRUE);
    g_ptr_array_free(e->released, TRUE);
    g_free(e);
}

void devdb_free(struct devdb *db)
{
    if (db == NULL)
        return;
    g_ptr_array_free(db->entries, TRUE);
    g_free(db);
}

struct devdb_entry *devdb_find(const struct devdb *db, enum devdb_kind kind, const char *name)
{
    for (guint i = 0; i < db->entries->len; i++) {
        struct devdb_entry *e = db->entries->pdata[i];
        if (e->kind == kind && strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

struct devdb_entry *devdb_add(struct devdb *db, enum devdb_kind kind, const char *name)
{
    struct devdb_entry *e = g_new0(struct devdb_entry, 1);
    e->kind = kind;
    e->name = g_strdup(name);
    e->attributes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    e->depends = g_ptr_array_new_with_free_func(g_free);
    e->released = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(db->entries, e);
    return e;
}

void devdb_remove(struct devdb *db, struct devdb_entry *e)
{
    g_ptr_array_remove(db->entries, e);
}

static bool plain(const char *text, size_t most, const char *forbidden)
{
    size_t n = strlen(text);
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return false;
    return n > 0 && n <= most && strpbrk(text, forbidden) == NULL;
}

bool devdb_name_valid(const char *name)
{
    return plain(name, RESOURCE_DEVICE_MAX, ":;,");
}

/* --- attributes --- */

int devdb_set(struct devdb_entry *e, const char *attribute, const char *value, char *why,
              size_t size)
{
    static const char *const fixed[] = {"CONFIG", "EXIST", "DEVTYPE"};
    uint64_t id;
    const char *problem = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++)
        if (strcmp(attribute, fixed[i]) == 0)
            problem = "cannot be set";
    if (!plain(attribute, DEVDB_VALUE_MAX, ":;,=") ||
        (value != NULL && !plain(value, DEVDB_VALUE_MAX, ":;,=")))
        problem = "and its value are words without ':', ';', ',' and '='";
    else if (value != NULL && strcmp(attribute, "SHARE") == 0 && strcmp(value, "YES") != 0 &&
             strcmp(value, "NO") != 0)
        problem = "is YES or NO";
    else if (value != NULL && strcmp(attribute, "SERVERID") == 0 &&
             text_parse_number(value, 1, 255, &id) != 0)
        problem = "is a number from 1 to 255";
    else if (value == NULL && problem == NULL && !g_hash_table_contains(e->attributes, attribute))
        problem = "is not set";
    if (problem != NULL) {
        snprintf(why, size, "Attribute '%.60s' %s.", attribute, problem);
        return -EINVAL;
    }
    e->kept = true;
    if (value != NULL)
        g_hash_table_replace(e->attributes, g_strdup(attribute), g_strdup(value));
    else
        g_hash_table_remove(e->attributes, attribute);
    return 0;
}

static const char *device_type(const struct devdb_entry *e)
{
    struct stat st;
    if (e->is_switch)
        return "SWITCH";
    if (e->kind == DEVDB_SERVER)
        return "UNKNOWN";
    if (stat(e->name, &st) != 0)
        return if_nametoindex(e->name) != 0 ? "NIC" : "UNKNOWN";
    if (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode))
        return "DISK";
    return S_ISREG(st.st_mode) ? "FILE" : S_ISDIR(st.st_mode) ? "DIR" : "UNKNOWN";
}

const char *devdb_get(const struct devdb_entry *e, const char *attribute)
{
    const char *value = g_hash_table_lookup(e->attributes, attribute);
    if (strcmp(attribute, "CONFIG") == 0)
        return devdb_kind_name[e->kind];
    if (strcmp(attribute, "DEVTYPE") == 0)
        return device_type(e);
    if (strcmp(attribute, "EXIST") == 0)
        return strcmp(device_type(e), "UNKNOWN") != 0 ? "YES" : "NO";
    if (strcmp(attribute, "SHARE") == 0 && value == NULL)
        return e->is_switch ? "YES" : "NO";
    return value;
}

/* --- records --- */

static void put_names(GString *out, const GPtrArray *names)
{
    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(out, "%s%s", i > 0 ? "," : "", (const char *)names->pdata[i]);
}

static void put_attributes(GString *out, const struct devdb_entry *e, bool except_share)
{
    GList *keys = g_list_sort(g_hash_table_get_keys(e->attributes), (GCompareFunc)strcmp);
    for (const GList *k = keys; k != NULL; k = k->next)
        if (!except_share || strcmp(k->data, "SHARE") != 0)
            g_string_append_printf(out, ",%s=%s", (const char *)k->data,
                                   (const char *)g_hash_table_lookup(e->attributes, k->data));
    g_list_free(keys);
}

GString *devdb_record(const struct devdb_entry *e)
{
    static const char *const always[] = {"CONFIG", "EXIST", "DEVTYPE", "SHARE"};
    char wwid[STORAGE_WWID_SIZE];
    GString *out = g_string_new(e->name);
    for (size_t i = 0; i < G_N_ELEMENTS(always); i++)
        g_string_append_printf(out, "%c%s=%s", i > 0 ? ',' : ':', always[i],
                               devdb_get(e, always[i]));
    put_attributes(out, e, true);
    g_string_append_c(out, ':');
    put_names(out, e->depends);
    g_string_append_c(out, ':');
    storage_wwid(e->name, wwid);
    g_string_append(out, wwid);
    return out;
}

/* --- the file: name:CONFIG=kind,ATTRIBUTE=VALUE...:released guests --- */

static bool take_attributes(struct devdb *db, const char *name, char **word)
{
    char why[200];
    for (int k = 0; k < DEVDB_KINDS; k++) {
        g_autofree char *config = g_strdup_printf("CONFIG=%s", devdb_kind_name[k]);
        if (word[0] == NULL || strcmp(word[0], config) != 0)
            continue;
        if (devdb_find(db, (enum devdb_kind)k, name) != NULL)
            return false;
        struct devdb_entry *e = devdb_add(db, (enum devdb_kind)k, name);
        e->kept = true;
        for (unsigned i = 1; word[i] != NULL; i++) {
            char *equals = strchr(word[i], '=');
            if (equals == NULL)
                return false;
            *equals = '\0';
            if (devdb_set(e, word[i], equals + 1, why, sizeof why) != 0)
                return false;
        }
        return true;
    }
    return false;
}

static bool take_line(struct devdb *db, const char *line)
{
    g_auto(GStrv) part = g_strsplit(line, ":", -1);
    if (g_strv_length(part) != 3 || !devdb_name_valid(part[0]) ||
        db->entries->len >= DEVDB_ENTRIES_MAX)
        return false;
    g_auto(GStrv) word = g_strsplit(part[1], ",", -1);
    if (!take_attributes(db, part[0], word))
        return false;
    struct devdb_entry *e = db->entries->pdata[db->entries->len - 1];
    g_auto(GStrv) released = g_strsplit(part[2], ",", -1);
    for (unsigned i = 0; released[i] != NULL; i++) {
        if (!guest_name_valid(released[i]))
            return false;
        g_ptr_array_add(e->released, g_strdup(released[i]));
    }
    return true;
}

static int parse(struct devdb *db, const char *text, char *why, size_t size)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i] != NULL; i++) {
        if (lines[i][0] == '\0' || lines[i][0] == '#' || take_line(db, lines[i]))
            continue;
        snprintf(why, size, "common/" FILE_NAME " is damaged in line %u.", i + 1);
        return -EINVAL;
    }
    return 0;
}

static bool has_name(const GPtrArray *names, const char *name)
{
    return g_ptr_array_find_with_equal_func((GPtrArray *)names, name, g_str_equal, NULL);
}

static void take_device(struct devdb *db, const struct entry *guest, const struct resource *r)
{
    struct devdb_entry *e = devdb_find(db, DEVDB_GDEV, r->device);
    if (!devdb_name_valid(r->device) && e == NULL && strpbrk(r->device, ":;,") != NULL)
        return; /* has no record */
    if (e == NULL)
        e = devdb_add(db, DEVDB_GDEV, r->device);
    if (!has_name(e->depends, guest->name) && !has_name(e->released, guest->name))
        g_ptr_array_add(e->depends, g_strdup(guest->name));
}

static void take_guests(struct devdb *db, struct state *s)
{
    for (guint i = 0; i < state_entries(s)->len; i++) {
        const struct entry *e = state_entries(s)->pdata[i];
        const struct guest *both[] = {e->guest, e->next};
        for (int n = 0; n < 2; n++)
            for (guint j = 0; both[n] != NULL && j < both[n]->devices->len; j++)
                if (guest_device(both[n], j)->device[0] != '\0')
                    take_device(db, e, guest_device(both[n], j));
    }
}

static bool has_device(const struct guest *g, const char *device)
{
    for (guint i = 0; g != NULL && i < g->devices->len; i++)
        if (strcmp(guest_device(g, i)->device, device) == 0)
            return true;
    return false;
}

/* A guest that has lost the device, and gets it again, is a dependent again. */
static void forget_released(struct devdb_entry *e, struct state *s)
{
    for (guint i = e->released->len; i-- > 0;) {
        const struct entry *guest = state_find(s, e->released->pdata[i], 0);
        if (guest == NULL ||
            (!has_device(guest->guest, e->name) && !has_device(guest->next, e->name)))
            g_ptr_array_remove_index(e->released, i);
    }
}

/* Switches that are there are devices for guests. */
static void take_switches(struct devdb *db, struct state *s)
{
    char why[300];
    struct vsw_list *l = vsw_load(s, why, sizeof why);
    for (guint i = 0; l != NULL && i < l->all->len; i++) {
        const struct vsw *sw = l->all->pdata[i];
        struct devdb_entry *e = devdb_find(db, DEVDB_GDEV, sw->name);
        if (e == NULL)
            e = devdb_add(db, DEVDB_GDEV, sw->name);
        e->is_switch = true;
    }
    vsw_list_free(l);
}

static int by_kind(const void *left, const void *right)
{
    const struct devdb_entry *a = *(struct devdb_entry *const *)left;
    const struct devdb_entry *b = *(struct devdb_entry *const *)right;
    return a->kind != b->kind ? (int)a->kind - (int)b->kind : strcmp(a->name, b->name);
}

struct devdb *devdb_load(struct state *s, char *why, size_t size)
{
    GString *text = NULL;
    int err = state_read_common(s, FILE_NAME, &text);
    struct devdb *db = g_new0(struct devdb, 1);
    db->entries = g_ptr_array_new_with_free_func(free_entry);
    if (err == -ENOENT)
        err = 0;
    else if (err != 0)
        snprintf(why, size, "common/" FILE_NAME " cannot be read.");
    else
        err = parse(db, text->str, why, size);
    if (text != NULL)
        g_string_free(text, TRUE);
    if (err != 0) {
        devdb_free(db);
        return NULL;
    }
    take_guests(db, s);
    take_switches(db, s);
    for (guint i = 0; i < db->entries->len; i++)
        forget_released(db->entries->pdata[i], s);
    g_ptr_array_sort(db->entries, by_kind);
    return db;
}

int devdb_save(struct state *s, const struct devdb *db)
{
    GString *text = g_string_new("# Device database. Do not edit: use hpvmdevmgmt.\n");
    for (int k = 0; k < DEVDB_KINDS; k++) {
        g_string_append_printf(text, "%s\n", section[k]);
        for (guint i = 0; i < db->entries->len; i++) {
            const struct devdb_entry *e = db->entries->pdata[i];
            if ((int)e->kind != k || !e->kept)
                continue;
            g_string_append_printf(text, "%s:CONFIG=%s", e->name, devdb_kind_name[k]);
            put_attributes(text, e, false);
            g_string_append_c(text, ':');
            put_names(text, e->released);
            g_string_append_c(text, '\n');
        }
    }
    int err = state_write_common(s, FILE_NAME, text);
    g_string_free(text, TRUE);
    return err;
}

/* --- rules --- */

/* The same device under another name counts. */
bool devdb_restricted(const struct devdb *db, const char *device)
{
    struct stat a, b;
    bool node = stat(device, &a) == 0;
    for (guint i = 0; i < db->entries->len; i++) {
        const struct devdb_entry *e = db->entries->pdata[i];
        if (e->kind != DEVDB_RDEV)
            continue;
        if (strcmp(e->name, device) == 0)
            return true;
        if (node && stat(e->name, &b) == 0 &&
            (S_ISBLK(a.st_mode) && S_ISBLK(b.st_mode)
                 ? a.st_rdev == b.st_rdev
                 : a.st_dev == b.st_dev && a.st_ino == b.st_ino))
            return true;
    }
    return false;
}

int devdb_shared(const struct devdb *db, const char *device)
{
    const struct devdb_entry *e = devdb_find(db, DEVDB_GDEV, device);
    const char *value = e != NULL ? g_hash_table_lookup(e->attributes, "SHARE") : NULL;
    return value == NULL ? -1 : strcmp(value, "YES") == 0;
}
