/* hpvmdevmgmt: the device database, and files for virtual disks. */
#include "devdb.h"
#include "vmp.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: hpvmdevmgmt -l {all|rdev|gdev|server}[:NAME|:depend:GUEST|:ATTR=VALUE] | -l NAME [-V]\n"
    "       hpvmdevmgmt -a {rdev|gdev|server}:NAME[:attr:ATTR=VALUE]    add an entry\n"
    "       hpvmdevmgmt -m {rdev|gdev|server}:NAME:attr:ATTR=VALUE      set an attribute\n"
    "       hpvmdevmgmt -d {rdev|gdev|server}:NAME[:attr:ATTR]          delete\n"
    "       hpvmdevmgmt -d gdev:{NAME|all}:depend:GUEST                 forget a dependent\n"
    "       hpvmdevmgmt -n gdev:OLD:NEW[,NEW]                           replace a device\n"
    "       hpvmdevmgmt -S SIZE{M|G} FILE                               a file for a virtual disk\n"
    "       hpvmdevmgmt -I | -v\n\n"
    "  hpvmdevmgmt -a rdev:/dev/sda                       no guest may use it\n"
    "  hpvmdevmgmt -m gdev:/data/file.iso:attr:SHARE=YES  several guests may use it at once\n"
    "  hpvmdevmgmt -m gdev:myswitch:attr:SHARE=NO         one guest at a time\n"
    "  hpvmdevmgmt -S 4G /vm/disk1                        an empty disk of 4 GB\n\n"
    "The rules are looked at when a guest starts.\n"
    "Manual: man hpvmdevmgmt. Exit status: 0 fine, 1 it failed.\n";

struct manage {
    const struct vmp_options *o;
    struct state *s;
    struct devdb *db;
    bool changed;
};

__attribute__((format(printf, 1, 2))) static int fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    vmp_fail("%s", text);
    return vmp_unable();
}

static int find_kind(const char *word)
{
    for (int k = 0; k < DEVDB_KINDS; k++)
        if (strcmp(word, devdb_kind_name[k]) == 0)
            return k;
    return -1;
}

/* --- listing --- */

struct filter {
    int kind; /* -1: all */
    const char *name, *depend, *attribute, *value;
};

static bool matches(const struct filter *f, const struct devdb_entry *e)
{
    const char *value = f->attribute != NULL ? devdb_get(e, f->attribute) : NULL;
    if ((f->kind >= 0 && (int)e->kind != f->kind) ||
        (f->name != NULL && strcmp(e->name, f->name) != 0) ||
        (f->attribute != NULL && (value == NULL || strcmp(value, f->value) != 0)))
        return false;
    return f->depend == NULL ||
           g_ptr_array_find_with_equal_func(e->depends, f->depend, g_str_equal, NULL);
}

static void show(const struct manage *m, const struct devdb_entry *e)
{
    GString *record = devdb_record(e);
    if (!vmp_has(m->o, 'V')) {
        puts(record->str);
    } else {
        g_auto(GStrv) part = g_strsplit(record->str, ":", 4);
        g_auto(GStrv) attribute = g_strsplit(part[1], ",", -1);
        printf("%-24s: %s\n", "Entry", part[0]);
        for (unsigned i = 0; attribute[i] != NULL; i++) {
            char *equals = strchr(attribute[i], '=');
            *equals = '\0';
            printf("%-24s: %s\n", attribute[i], equals + 1);
        }
        printf("%-24s:%s%s\n%-24s: %s\n\n", "Dependents", part[2][0] != '\0' ? " " : "", part[2],
               "Unique identifier", part[3]);
    }
    g_string_free(record, TRUE);
}

/* What follows the kind: NAME, depend:GUEST or ATTR=VALUE. */
static int read_filter(struct filter *f, char *rest)
{
    char *equals = strchr(rest, '=');
    if (rest[0] == '\0')
        return fail("A name, depend:GUEST or ATTRIBUTE=VALUE must follow the colon.");
    if (g_str_has_prefix(rest, "depend:")) {
        f->depend = rest + 7;
    } else if (equals != NULL && rest[0] != '/') {
        *equals = '\0';
        f->attribute = rest;
        f->value = equals + 1;
    } else {
        f->name = rest;
    }
    return 0;
}

static int list(struct manage *m, char *text)
{
    struct filter f = {.kind = -1};
    g_autofree char *whole = g_strdup(text);
    char *end = strpbrk(text, ":,");
    unsigned found = 0;
    if (end != NULL)
        *end = '\0';
    f.kind = find_kind(text);
    if (f.kind < 0 && strcmp(text, "all") != 0)
        f.name = whole;
    else if (end != NULL && read_filter(&f, end + 1) != 0)
        return 1;
    for (guint i = 0; i < m->db->entries->len; i++) {
        if (!matches(&f, m->db->entries->pdata[i]))
            continue;
        show(m, m->db->entries->pdata[i]);
        found++;
    }
    return found == 0 && f.name != NULL ? fail("Entry '%.200s' does not exist.", f.name) : 0;
}

/* --- changes --- */

/* KIND:NAME[:attr:...|:depend:...] */
struct target {
    int kind;
    char *name, *word, *value; /* word: "attr", "depend" or NULL */
};

static int read_target(struct target *t, char **part)
{
    guint n = g_strv_length(part);
    if ((n != 2 && n != 4) || (n == 4 && part[3][0] == '\0'))
        return fail("Give KIND:NAME, KIND:NAME:attr:ATTRIBUTE=VALUE or gdev:NAME:depend:GUEST.");
    *t = (struct target){.kind = find_kind(part[0]), .name = part[1]};
    if (n == 4) {
        t->word = part[2];
        t->value = part[3];
    }
    if (t->kind < 0)
        return fail("'%.40s' is not rdev, gdev or server.", part[0]);
    if (!devdb_name_valid(t->name))
        return fail("Invalid entry name '%.200s'.", t->name);
    return 0;
}

static struct devdb_entry *find(const struct manage *m, const struct target *t)
{
    struct devdb_entry *e = devdb_find(m->db, (enum devdb_kind)t->kind, t->name);
    if (e == NULL)
        fail("Entry '%.200s' does not exist.", t->name);
    return e;
}

static int set_attribute(struct devdb_entry *e, const struct target *t)
{
    char why[200], *equals = strchr(t->value, '=');
    if (strcmp(t->word, "attr") != 0 || equals == NULL)
        return fail("Give attr:ATTRIBUTE=VALUE after the name.");
    *equals = '\0';
    return devdb_set(e, t->value, equals + 1, why, sizeof why) == 0 ? 0 : fail("%s", why);
}

static int add(struct manage *m, char *text)
{
    g_auto(GStrv) part = g_strsplit(text, ":", -1);
    struct target t;
    if (read_target(&t, part) != 0)
        return 1;
    struct devdb_entry *e = devdb_find(m->db, (enum devdb_kind)t.kind, t.name);
    if (e != NULL)
        return fail("Entry '%.200s' already exists.", t.name);
    if (m->db->entries->len >= DEVDB_ENTRIES_MAX)
        return fail("The device database is full.");
    e = devdb_add(m->db, (enum devdb_kind)t.kind, t.name);
    e->kept = m->changed = true;
    return t.word != NULL ? set_attribute(e, &t) : 0;
}

static int modify(struct manage *m, char *text)
{
    g_auto(GStrv) part = g_strsplit(text, ":", -1);
    struct target t;
    if (read_target(&t, part) != 0)
        return 1;
    struct devdb_entry *e = find(m, &t);
    if (e == NULL)
        return 1;
    m->changed = true;
    return t.word != NULL ? set_attribute(e, &t) : 0;
}

static bool release(struct devdb_entry *e, const char *guest)
{
    guint at;
    if (!g_ptr_array_find_with_equal_func(e->depends, guest, g_str_equal, &at))
        return false;
    g_ptr_array_remove_index(e->depends, at);
    g_ptr_array_add(e->released, g_strdup(guest));
    return e->kept = true;
}

static int delete_dependent(struct manage *m, const struct target *t)
{
    bool all = strcmp(t->name, "all") == 0;
    struct devdb_entry *one = all ? NULL : find(m, t);
    if (t->kind != DEVDB_GDEV)
        return fail("Only guest devices (gdev) have dependents.");
    if (!all && one == NULL)
        return 1;
    for (guint i = 0; i < m->db->entries->len; i++) {
        struct devdb_entry *e = m->db->entries->pdata[i];
        if (e->kind == DEVDB_GDEV && (all || e == one))
            m->changed |= release(e, t->value);
    }
    return m->changed ? 0 : fail("Guest '%.60s' is not a dependent.", t->value);
}

static int delete (struct manage *m, char *text)
{
    char why[200];
    g_auto(GStrv) part = g_strsplit(text, ":", -1);
    struct target t;
    if (read_target(&t, part) != 0)
        return 1;
    if (t.word != NULL && strcmp(t.word, "depend") == 0)
        return delete_dependent(m, &t);
    struct devdb_entry *e = find(m, &t);
    if (e == NULL)
        return 1;
    m->changed = true;
    if (t.word != NULL && strcmp(t.word, "attr") != 0)
        return fail("Give attr:ATTRIBUTE or depend:GUEST after the name.");
    if (t.word != NULL)
        return devdb_set(e, t.value, NULL, why, sizeof why) == 0 ? 0 : fail("%s", why);
    if (e->depends->len > 0)
        return fail("Entry '%.200s' has dependents.", t.name);
    if (e->is_switch)
        return fail("Entry '%.200s' is a vswitch: remove it with hpvmnet.", t.name);
    devdb_remove(m->db, e);
    return 0;
}

/* --- replacement of a device in all guests --- */

static bool replace_in(struct guest *g, const char *old, const char *new)
{
    bool found = false;
    for (guint i = 0; i < g->devices->len; i++) {
        struct resource *r = guest_device(g, i);
        if (strcmp(r->device, old) != 0)
            continue;
        g_strlcpy(r->device, new, sizeof r->device);
        found = true;
    }
    return found;
}

static int replace_in_guests(struct manage *m, const char *old, const char *new)
{
    GPtrArray *entries = state_entries(m->s);
    for (guint i = 0; i < entries->len; i++) {
        const struct entry *e = entries->pdata[i];
        struct guest *g = e->guest != NULL ? guest_copy(e->guest) : NULL;
        int err = g != NULL && replace_in(g, old, new) ? state_save(m->s, e, g) : 0;
        guest_free(g);
        if (err != 0)
            return fail("ERROR (%s): %s.", e->name, strerror(-err));
    }
    return 0;
}

static int check_replacement(const struct manage *m, const struct devdb_entry *old,
                             const char *name)
{
    if (!devdb_name_valid(name) || name[0] != '/')
        return fail("Invalid entry name '%.200s'.", name);
    if (devdb_find(m->db, DEVDB_GDEV, name) != NULL)
        return fail("Entry '%.200s' already exists.", name);
    for (guint i = 0; i < old->depends->len; i++) {
        const struct entry *e = state_find(m->s, old->depends->pdata[i], 0);
        if (e != NULL && e->running)
            return fail("Guest '%s' is running.", e->name);
    }
    return 0;
}

static void copy_attributes(const struct devdb_entry *from, struct devdb_entry *to)
{
    GHashTableIter it;
    void *key, *value;
    g_hash_table_iter_init(&it, from->attributes);
    while (g_hash_table_iter_next(&it, &key, &value))
        g_hash_table_replace(to->attributes, g_strdup(key), g_strdup(value));
    to->kept = true;
}

static int replace(struct manage *m, char *text)
{
    g_auto(GStrv) part = g_strsplit(text, ":", -1);
    if (g_strv_length(part) != 3 || strcmp(part[0], "gdev") != 0)
        return fail("Give gdev:OLD:NEW.");
    g_auto(GStrv) names = g_strsplit(part[2], ",", -1);
    struct target t = {.kind = DEVDB_GDEV, .name = part[1]};
    struct devdb_entry *old = find(m, &t);
    if (old == NULL)
        return 1;
    if (old->is_switch)
        return fail("Entry '%.200s' is a vswitch: change it with hpvmnet.", old->name);
    guint n = g_strv_length(names);
    if (n < 1 || n > 2)
        return fail("Give one or two new entries.");
    for (guint i = 0; i < n; i++)
        if (check_replacement(m, old, names[i]) != 0)
            return 1;
    if (replace_in_guests(m, old->name, names[0]) != 0)
        return 1;
    for (guint i = 0; i < n; i++)
        copy_attributes(old, devdb_add(m->db, DEVDB_GDEV, names[i]));
    devdb_remove(m->db, old);
    m->changed = true;
    return 0;
}

/* --- files --- */

static int make_file(const char *size, const char *path)
{
    uint64_t bytes;
    char unit = size[0] != '\0' ? size[strlen(size) - 1] : '\0';
    if (path == NULL)
        return fail("A file name is required after the size.");
    if ((unit != 'M' && unit != 'G') || text_parse_size(size, &bytes) != 0 || bytes == 0 ||
        bytes > INT64_MAX)
        return fail("Invalid size '%.40s': give a number followed by M or G.", size);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail("%.300s: %s.", path, strerror(errno));
    int err = ftruncate(fd, (off_t)bytes) == 0 && fsync(fd) == 0 ? 0 : errno;
    close(fd);
    if (err == 0)
        return 0;
    unlink(path);
    return fail("%.300s: %s.", path, strerror(err));
}

/* --- the command line --- */

static const struct {
    int letter;
    int (*run)(struct manage *m, char *text);
} actions[] = {{'l', list}, {'a', add}, {'m', modify}, {'d', delete}, {'n', replace}};

static int act(struct manage *m)
{
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++) {
        const char *value = vmp_value(m->o, actions[i].letter);
        if (value == NULL)
            continue;
        g_autofree char *text = g_strdup(value);
        int status = actions[i].run(m, text);
        int err = status == 0 && m->changed ? devdb_save(m->s, m->db) : 0;
        return err == 0 ? status : fail("%s.", strerror(-err));
    }
    if (vmp_has(m->o, 'I') || vmp_has(m->o, 'v'))
        return 0; /* no attachable devices: nothing to make */
    return fail("One of the options -a, -d, -m, -n, -l, -I, -S and -v is required.");
}

static int run(const struct vmp_options *o, const char *file, int argc, char **argv)
{
    char why[300];
    struct manage m = {.o = o};
    m.s = vmp_open(o, !vmp_has(o, 'l'), argc, argv);
    if (m.s == NULL)
        return 1;
    int status = 1;
    if (vmp_has(o, 'v'))
        puts("hpvmdevmgmt: " VMP_VERSION);
    if (vmp_has(o, 'S'))
        status = make_file(vmp_value(o, 'S'), file);
    else if ((m.db = devdb_load(m.s, why, sizeof why)) == NULL)
        fail("%s", why);
    else
        status = act(&m);
    devdb_free(m.db);
    state_close(m.s);
    if (fflush(stdout) != 0)
        status = fail("The output cannot be written.");
    return status;
}

/* The file's name of -S SIZE FILE, taken out of the arguments; NULL: there is none. */
static char *take_file(int *argc, char **argv)
{
    for (int i = 1; i < *argc; i++) {
        int at = strcmp(argv[i], "-S") == 0 ? i + 2 : i + 1;
        if (strncmp(argv[i], "-S", 2) != 0 || at >= *argc || argv[at][0] == '-')
            continue;
        char *file = argv[at];
        for (int j = at; j + 1 < *argc; j++)
            argv[j] = argv[j + 1];
        argv[--*argc] = NULL;
        return file;
    }
    return NULL;
}

int vmp_devmgmt(int argc, char **argv)
{
    struct vmp_options o;
    if (vmp_help(argc, argv, help))
        return 0;
    g_autofree char **rest = g_new0(char *, (size_t)argc + 1);
    memcpy(rest, argv, (size_t)argc * sizeof *rest);
    int count = argc;
    const char *file = take_file(&count, rest);
    int status = vmp_parse(&o, count, rest, ":a:d:m:n:l:S:IVv", "", "admnlSI");
    if (status == 0)
        status = run(&o, file, argc, argv);
    vmp_options_free(&o);
    return status;
}
