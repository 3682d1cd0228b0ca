/* Choosing what to boot in the maintenance manager: the list of volumes and other sources of
 * programs, and a browser of directories.
 */
#include "maint_impl.h"

#include <stdio.h>
#include "drive.h"
#include "shell.h"

#define MAX_FILES  2000 /* entries of a directory that are shown */
#define MAX_PATH   1024 /* characters */
#define NO_LABEL   "NO VOLUME LABEL"
#define NAME_WIDTH 40

/* --- volumes --- */

static void free_volume(gpointer p)
{
    struct maint_volume *v = p;

    g_free(v->text);
    g_free(v);
}

void maint_volumes_free(struct maint *m)
{
    if (m->volumes)
        g_ptr_array_unref(m->volumes);
    if (m->files)
        g_array_unref(m->files);
}

static void add_volume(struct maint *m, uint64_t handle, bool file_system,
                       const struct devpath *path, const char *what)
{
    struct maint_volume *v = g_new0(struct maint_volume, 1);
    char *device = devpath_text(path);

    v->handle = handle;
    v->file_system = file_system;
    v->path = *path;
    v->text = g_strdup_printf("%s [%s]", what, device);
    g_free(device);
    g_ptr_array_add(m->volumes, v);
}

static char *ascii(const uint16_t *name)
{
    GString *s = g_string_new(NULL);

    for (; *name; name++)
        g_string_append_c(s, *name >= ' ' && *name < 0x7f ? (char)*name : '?');
    return g_string_free(s, FALSE);
}

static void add_file_systems(struct maint *m)
{
    for (unsigned i = 0; i < m->b->devices->len; i++) {
        struct blk_device *d = m->b->devices->pdata[i];
        struct fs_volume volume;
        char *label;

        if (!d->fs || fs_volume_info(d->fs, &volume))
            continue;
        label = ascii(volume.label);
        g_strchomp(label);
        add_volume(m, d->handle, true, &d->path, *label ? label : NO_LABEL);
        g_free(label);
    }
}

static void add_removable(struct maint *m)
{
    for (unsigned i = 0; i < m->b->devices->len; i++) {
        const struct blk_device *d = m->b->devices->pdata[i];

        if (d->removable && !d->is_partition)
            add_volume(m, d->handle, false, &d->path, "Removable Media Boot");
    }
}

static void add_load_files(struct maint *m)
{
    GArray *handles = handles_with(m->b, guid_load_file);
    struct devpath *path = g_new0(struct devpath, 1);

    for (unsigned i = 0; i < handles->len; i++) {
        uint64_t handle = g_array_index(handles, uint64_t, i);

        if (devpath_read(m->b, handle_interface(m->b, handle, guid_device_path), path) &&
            path->size)
            add_volume(m, handle, false, path, "Load File");
    }
    g_free(path);
    g_array_unref(handles);
}

static void volumes_enter(struct maint *m)
{
    if (m->volumes)
        g_ptr_array_unref(m->volumes);
    m->volumes = g_ptr_array_new_with_free_func(free_volume);
    for (unsigned i = 0; i < m->b->devices->len; i++)
        block_refresh(m->b, m->b->devices->pdata[i]);
    add_file_systems(m);
    add_removable(m);
    add_load_files(m);
}

static void volumes_fill(struct maint *m)
{
    for (unsigned i = 0; i < m->volumes->len; i++)
        menu_add(&m->menu, (int)i, "%s", ((struct maint_volume *)m->volumes->pdata[i])->text);
    menu_add(&m->menu, ITEM_SHELL, "Load File [" SHELL_NAME "]");
    menu_add(&m->menu, ITEM_LEGACY, "Legacy Boot");
    menu_add(&m->menu, ITEM_EXIT, "Exit");
}

static const struct screen files_screen;

/* The shell's path is a file path node with its name. */
static void pick_shell(struct maint *m)
{
    struct devpath path = {.size = 0};

    devpath_add_file(&path, BOOTOPT_SHELL);
    maint_picked(m, SHELL_NAME, &path);
}

static void volumes_chosen(struct maint *m, int id)
{
    const struct maint_volume *v;

    if (id == ITEM_EXIT) {
        maint_close(m);
    } else if (id == ITEM_SHELL) {
        pick_shell(m);
    } else if (id == ITEM_LEGACY) {
        maint_say(m, "There is no legacy operating system on this machine.");
        maint_redraw(m);
    } else {
        v = m->volumes->pdata[id];
        m->volume = (unsigned)id;
        g_string_truncate(m->directory, 0);
        if (v->file_system)
            maint_open(m, &files_screen);
        else
            maint_picked(m, v->text, &v->path);
    }
}

static const struct screen add_screen = {
    .subtitle = "Add a Boot Option.  Select a Volume",
    .help = MENU_HELP,
    .enter = volumes_enter,
    .fill = volumes_fill,
    .chosen = volumes_chosen,
};

static const struct screen boot_screen = {
    .subtitle = "Boot from a File.  Select a Volume",
    .help = MENU_HELP,
    .enter = volumes_enter,
    .fill = volumes_fill,
    .chosen = volumes_chosen,
};

void maint_pick(struct maint *m, bool adding)
{
    m->adding = adding;
    maint_open(m, adding ? &add_screen : &boot_screen);
}

/* --- files --- */

/* m->directory holds characters of two bytes: the path from the root, "\A\B", empty at the root. */
static size_t path_length(const struct maint *m)
{
    return m->directory->len / 2;
}

static void add_component(GString *path, const uint16_t *name)
{
    static const uint16_t separator = '\\';

    g_string_append_len(path, (const char *)&separator, 2);
    g_string_append_len(path, (const char *)name, (gssize)(2 * fs_name_length(name)));
}

static uint16_t *path_string(const GString *path)
{
    uint16_t *s = g_new0(uint16_t, path->len / 2 + 2);

    memcpy(s, path->str, path->len);
    if (!path->len)
        s[0] = '\\';
    return s;
}

static struct fs *file_system(struct maint *m)
{
    const struct maint_volume *v = m->volumes->pdata[m->volume];

    for (unsigned i = 0; i < m->b->devices->len; i++) {
        struct blk_device *d = m->b->devices->pdata[i];

        if (d->handle == v->handle)
            return d->fs;
    }
    return NULL;
}

static int by_name(gconstpointer x, gconstpointer y)
{
    const struct fs_info *a = x, *c = y;
    bool da = a->attributes & FS_ATTR_DIRECTORY, dc = c->attributes & FS_ATTR_DIRECTORY;

    return da != dc ? (da ? -1 : 1) : fs_name_compare(a->name, c->name);
}

static bool is_dots(const uint16_t *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static int read_files(struct maint *m, struct fs_file *dir)
{
    struct fs_info info;
    int got;

    while ((got = fs_read_dir(dir, &info)) > 0 && m->files->len < MAX_FILES)
        if (!is_dots(info.name))
            g_array_append_val(m->files, info);
    if (got > 0)
        maint_say(m, "Only %u entries are shown.", MAX_FILES);
    g_array_sort(m->files, by_name);
    return MIN(got, 0);
}

static int list_directory(struct maint *m)
{
    struct fs *fs = file_system(m);
    struct fs_file *root, *dir;
    uint16_t *path;
    int err = fs ? fs_root(fs, &root) : -1;

    if (err)
        return err;
    path = path_string(m->directory);
    err = fs_open(root, path, FS_READ, 0, &dir);
    g_free(path);
    fs_close(root);
    if (err)
        return err;
    err = fs_is_dir(dir) ? read_files(m, dir) : -1;
    fs_close(dir);
    return err;
}

static void files_enter(struct maint *m)
{
    if (!m->files)
        m->files = g_array_new(FALSE, TRUE, sizeof(struct fs_info));
    g_array_set_size(m->files, 0);
    if (list_directory(m))
        maint_say(m, "The directory cannot be read.");
}

static void add_file(struct maint *m, unsigned n)
{
    const struct fs_info *f = &g_array_index(m->files, struct fs_info, n);
    const struct fs_time *t = &f->modified;
    bool dir = f->attributes & FS_ATTR_DIRECTORY;
    char *name = ascii(f->name), when[32] = "", size[32] = "";

    if (t->year)
        snprintf(when, sizeof(when), "%02u/%02u/%02u  %02u:%02u%c", t->month, t->day,
                 t->year % 100u, t->hour % 12 ? t->hour % 12u : 12u, t->minute,
                 t->hour < 12 ? 'a' : 'p');
    if (!dir)
        snprintf(size, sizeof(size), "%llu", (unsigned long long)f->size);
    menu_add(&m->menu, (int)n, "%-16s %5s %11s  %.*s", when, dir ? "<DIR>" : "", size, NAME_WIDTH,
             name);
    g_free(name);
}

static void files_fill(struct maint *m)
{
    if (path_length(m))
        menu_add(&m->menu, ITEM_PARENT, "%-16s %5s %11s  ..", "", "<DIR>", "");
    for (unsigned i = 0; i < m->files->len; i++)
        add_file(m, i);
    menu_add(&m->menu, ITEM_EXIT, "Exit");
}

static void show_directory(struct maint *m)
{
    m->menu.selected = 0;
    files_enter(m);
    maint_redraw(m);
}

static void to_parent(struct maint *m)
{
    const uint16_t *s = (const uint16_t *)(const void *)m->directory->str;
    size_t n = path_length(m);

    while (n > 0 && s[n - 1] != '\\')
        n--;
    g_string_truncate(m->directory, n ? 2 * (n - 1) : 0);
    show_directory(m);
}

static void pick_file(struct maint *m, const struct fs_info *f)
{
    const struct maint_volume *v = m->volumes->pdata[m->volume];
    struct devpath *path = g_memdup2(&v->path, sizeof(v->path));
    GString *file = g_string_new_len(m->directory->str, (gssize)m->directory->len);
    uint16_t *name;
    char *text;

    add_component(file, f->name);
    name = path_string(file);
    text = ascii(name);
    devpath_add_file(path, name);
    maint_picked(m, text, path);
    g_free(text);
    g_free(name);
    g_string_free(file, TRUE);
    g_free(path);
}

static void files_chosen(struct maint *m, int id)
{
    const struct fs_info *f;

    if (id == ITEM_EXIT) {
        maint_close(m);
        return;
    }
    if (id == ITEM_PARENT) {
        to_parent(m);
        return;
    }
    f = &g_array_index(m->files, struct fs_info, id);
    if (path_length(m) + fs_name_length(f->name) + 1 > MAX_PATH) {
        maint_say(m, "The path is too long.");
        maint_redraw(m);
    } else if (f->attributes & FS_ATTR_DIRECTORY) {
        add_component(m->directory, f->name);
        show_directory(m);
    } else {
        pick_file(m, f);
    }
}

static const struct screen files_screen = {
    .subtitle = "Select file or change to new directory:",
    .help = MENU_HELP,
    .enter = files_enter,
    .fill = files_fill,
    .chosen = files_chosen,
};
