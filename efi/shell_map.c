/* The EFI shell's mapping table: fsN for volumes with a file system, blkN for block devices. */
#include <stdio.h>
#include "shell_priv.h"

static void free_map(gpointer p)
{
    struct shell_map *m = p;

    g_free(m->name);
    g_free(m->directory);
    g_free(m);
}

static struct shell_map *add_map(struct shell *s, const char *name, struct blk_device *d)
{
    struct shell_map *m = g_new0(struct shell_map, 1);

    m->name = g_strdup(name);
    m->device = d;
    m->directory = g_strdup("\\");
    g_ptr_array_add(s->maps, m);
    return m;
}

struct shell_map *shell_map_find(struct shell *s, const char *name, size_t n)
{
    if (n && name[n - 1] == ':')
        n--;
    for (unsigned i = 0; i < s->maps->len; i++) {
        struct shell_map *m = s->maps->pdata[i];

        if (strlen(m->name) == n && g_ascii_strncasecmp(m->name, name, n) == 0)
            return m;
    }
    return NULL;
}

static bool shown(const struct blk_device *d, bool volumes)
{
    return d->present || !d->is_partition ? !volumes || d->fs : false;
}

/* A number per volume and per device, in the order of their paths' discovery. */
static void add_defaults(struct shell *s, const char *prefix, bool volumes)
{
    char name[16];
    unsigned n = 0;

    for (unsigned i = 0; i < s->b->devices->len; i++) {
        struct blk_device *d = s->b->devices->pdata[i];

        if (!shown(d, volumes))
            continue;
        snprintf(name, sizeof(name), "%s%u", prefix, n++);
        add_map(s, name, d);
    }
}

/* The current directory of a volume that is still there under the same name stays. */
static void keep_directories(GPtrArray *old, struct shell *s)
{
    for (unsigned i = 0; i < old->len; i++) {
        struct shell_map *was = old->pdata[i], *m;

        m = shell_map_find(s, was->name, strlen(was->name));
        if (!m || m->device != was->device)
            continue;
        g_free(m->directory);
        m->directory = g_steal_pointer(&was->directory);
        if (was == s->current)
            s->current = m;
    }
}

static bool contains(const GPtrArray *a, const void *p)
{
    for (unsigned i = 0; i < a->len; i++)
        if (a->pdata[i] == p)
            return true;
    return false;
}

void shell_map_reset(struct shell *s)
{
    GPtrArray *old = s->maps;

    for (unsigned i = 0; i < s->b->devices->len; i++)
        block_refresh(s->b, s->b->devices->pdata[i]);
    s->maps = g_ptr_array_new_with_free_func(free_map);
    add_defaults(s, "fs", true);
    add_defaults(s, "blk", false);
    if (!old)
        return;
    keep_directories(old, s);
    if (s->current && !contains(s->maps, s->current))
        s->current = NULL;
    g_ptr_array_unref(old);
}

void shell_map_done(struct shell *s)
{
    g_clear_pointer(&s->maps, g_ptr_array_unref);
}

/* --- showing --- */

static void show_one(struct shell *s, const struct shell_map *m, bool verbose)
{
    const struct blk_device *d = m->device;
    char *path = devpath_text(&d->path), size[32];

    shell_print(s, "  %-4s : %s\n", m->name, path);
    g_free(path);
    if (!verbose)
        return;
    shell_print(s, "         Media       : %s%s%s\n", d->removable ? "removable, " : "",
                d->present ? "present" : "none",
                d->present && d->dev.read_only ? ", read only" : "");
    if (!d->present)
        return;
    shell_print(s, "         Size        : %s bytes, blocks of %u\n",
                shell_commas(block_dev_size(&d->dev), size), d->dev.block_size);
    if (d->fs)
        shell_print(s, "         File system : %s\n         Current dir : %s\n", fs_kind(d->fs),
                    m->directory);
}

void shell_map_show(struct shell *s, const char *pattern, bool verbose)
{
    shell_puts(s, "Device mapping table\n");
    for (unsigned i = 0; i < s->maps->len; i++) {
        const struct shell_map *m = s->maps->pdata[i];

        if (!pattern || shell_match(pattern, m->name))
            show_one(s, m, verbose);
    }
}

void shell_prompt(struct shell *s, GString *out)
{
    if (s->current)
        g_string_append_printf(out, "%s:%s> ", s->current->name, s->current->directory);
    else
        g_string_append(out, "Shell> ");
}

/* --- commands --- */

static uint64_t remove_map(struct shell *s, const char *name)
{
    struct shell_map *m = shell_map_find(s, name, strlen(name));

    if (!m)
        return shell_fail(s, EFI_NOT_FOUND, "%s", name);
    if (m == s->current)
        s->current = NULL;
    g_ptr_array_remove(s->maps, m);
    return EFI_SUCCESS;
}

static bool good_name(const char *name)
{
    if (!*name || strlen(name) > 32)
        return false;
    for (; *name; name++)
        if (!g_ascii_isalnum(*name))
            return false;
    return true;
}

static struct blk_device *device_of(struct shell *s, const char *what)
{
    struct shell_map *m = shell_map_find(s, what, strlen(what));
    uint64_t handle = m ? 0 : shell_handle(s, what);

    for (unsigned i = 0; handle && i < s->b->devices->len; i++)
        if (((struct blk_device *)s->b->devices->pdata[i])->handle == handle)
            return s->b->devices->pdata[i];
    return m ? m->device : NULL;
}

static uint64_t make_map(struct shell *s, char *name, const char *what)
{
    struct blk_device *d = device_of(s, what);
    size_t n = strlen(name);

    if (n && name[n - 1] == ':')
        name[n - 1] = 0;
    if (!d)
        return shell_fail(s, EFI_NOT_FOUND, "%s is neither a mapping nor a device", what);
    if (!good_name(name))
        return shell_fail(s, EFI_INVALID_PARAMETER, "%s: letters and digits only", name);
    if (shell_map_find(s, name, strlen(name)))
        return shell_fail(s, EFI_ACCESS_DENIED, "%s is taken", name);
    if (s->maps->len >= 1024)
        return shell_fail(s, EFI_OUT_OF_RESOURCES, "%s", name);
    add_map(s, name, d)->user = true;
    return EFI_SUCCESS;
}

uint64_t cmd_map(struct shell *s, struct shell_words *w)
{
    bool verbose = shell_option(w, "-v"), reset = shell_option(w, "-r") | shell_option(w, "-u");
    char *gone = shell_option_value(w, "-d");
    uint64_t status = shell_check(s, w, 0, 2);
    size_t n;

    if (status == EFI_SUCCESS && gone)
        status = remove_map(s, gone);
    if (status != EFI_SUCCESS || gone) {
        g_free(gone);
        return status;
    }
    if (w->count == 3)
        return make_map(s, w->word[1], w->word[2]);
    if (reset)
        shell_map_reset(s);
    if (w->count == 2 && (n = strlen(w->word[1])) && w->word[1][n - 1] == ':')
        w->word[1][n - 1] = 0;
    shell_map_show(s, w->count == 2 ? w->word[1] : NULL, verbose);
    return EFI_SUCCESS;
}

uint64_t shell_map_enter(struct shell *s, const char *name)
{
    struct shell_map *m = shell_map_find(s, name, strlen(name));

    uint64_t status = EFI_SUCCESS;
    const char *why = "is not in the mapping table";

    if (m)
        block_refresh(s->b, m->device);
    if (!m) {
        status = EFI_NOT_FOUND;
    } else if (!m->device->present) {
        status = EFI_NO_MEDIA;
        why = "has no medium";
    } else if (!m->device->fs) {
        status = EFI_UNSUPPORTED;
        why = "holds no file system";
    }
    if (status == EFI_SUCCESS)
        s->current = m;
    else
        shell_print(s, "'%s' %s\n", name, why);
    return status;
}

uint64_t cmd_cd(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 0, 1);
    struct shell_path p;
    struct fs_info info;

    if (status != EFI_SUCCESS)
        return status;
    if (w->count == 1) {
        if (!s->current)
            return shell_fail(s, EFI_NO_MAPPING, "no volume is chosen");
        shell_print(s, "%s:%s\n", s->current->name, s->current->directory);
        return EFI_SUCCESS;
    }
    status = shell_resolve(s, w->word[1], &p);
    if (status == EFI_SUCCESS)
        status = shell_info(&p, &info);
    if (status == EFI_SUCCESS && !(info.attributes & FS_ATTR_DIRECTORY))
        status = EFI_INVALID_PARAMETER;
    if (status == EFI_SUCCESS) {
        g_free(p.map->directory);
        p.map->directory = g_steal_pointer(&p.path);
    } else {
        shell_fail(s, status, "%s", w->word[1]);
    }
    shell_path_clear(&p);
    return status;
}
