/* Paths of the EFI shell: from what was typed to an open file, wildcards, trees. */
#include "shell_priv.h"

/* --- names --- */

char *shell_join(const char *directory, const char *name)
{
    size_t n = strlen(directory);

    return g_strconcat(directory, n && directory[n - 1] == '\\' ? "" : "\\", name, NULL);
}

const char *shell_base(const char *path)
{
    const char *p = strrchr(path, '\\');

    if (!p)
        p = strchr(path, ':');
    return p ? p + 1 : path;
}

/* Both kinds of slash divide; "." and ".." are taken out. */
static char *normal(const char *path)
{
    char **part = g_strsplit_set(path, "\\/", -1);
    GPtrArray *stack = g_ptr_array_new();
    GString *out = g_string_new(NULL);

    for (unsigned i = 0; part[i]; i++) {
        if (strcmp(part[i], "..") == 0 && stack->len)
            g_ptr_array_set_size(stack, (int)stack->len - 1);
        else if (*part[i] && strcmp(part[i], ".") && strcmp(part[i], ".."))
            g_ptr_array_add(stack, part[i]);
    }
    for (unsigned i = 0; i < stack->len; i++)
        g_string_append_printf(out, "\\%s", (char *)stack->pdata[i]);
    if (!out->len)
        g_string_append_c(out, '\\');
    g_ptr_array_unref(stack);
    g_strfreev(part);
    return g_string_free(out, FALSE);
}

uint64_t shell_resolve(struct shell *s, const char *text, struct shell_path *out)
{
    const char *colon = strchr(text, ':'), *rest = colon ? colon + 1 : text;
    char *whole;

    out->path = NULL;
    out->map = colon ? shell_map_find(s, text, (size_t)(colon - text)) : s->current;
    if (!out->map)
        return EFI_NO_MAPPING;
    if (*rest == '\\' || *rest == '/')
        out->path = normal(rest);
    else {
        whole = shell_join(out->map->directory, rest);
        out->path = normal(whole);
        g_free(whole);
    }
    if (strlen(out->path) < FS_PATH_MAX - 1)
        return EFI_SUCCESS;
    shell_path_clear(out);
    return EFI_INVALID_PARAMETER;
}

void shell_path_clear(struct shell_path *p)
{
    g_clear_pointer(&p->path, g_free);
}

char *shell_path_text(const struct shell_path *p)
{
    return g_strconcat(p->map->name, ":", p->path, NULL);
}

/* --- files --- */

uint64_t shell_open(struct shell_path *p, unsigned mode, uint32_t attributes, struct fs_file **out)
{
    struct fs *fs = p->map->device->fs;
    struct fs_file *root;
    uint16_t *name;
    int err;

    if (!p->map->device->present)
        return EFI_NO_MEDIA;
    if (!fs)
        return EFI_UNSUPPORTED;
    err = fs_root(fs, &root);
    if (err)
        return boot_status(err);
    name = shell_utf16(p->path);
    err = fs_open(root, name, mode, attributes, out);
    g_free(name);
    fs_close(root);
    return boot_status(err);
}

uint64_t shell_info(struct shell_path *p, struct fs_info *info)
{
    struct fs_file *f;
    uint64_t status = shell_open(p, FS_READ, 0, &f);

    if (status != EFI_SUCCESS)
        return status;
    status = boot_status(fs_info(f, info));
    fs_close(f);
    return status;
}

static uint64_t read_all(struct fs_file *f, size_t max, uint8_t **data, size_t *size)
{
    struct fs_info info;
    uint64_t len;
    int err = fs_info(f, &info);

    if (err)
        return boot_status(err);
    if (fs_is_dir(f))
        return EFI_INVALID_PARAMETER;
    if (info.size > max)
        return EFI_OUT_OF_RESOURCES;
    len = info.size;
    *data = g_malloc(len + 1);
    err = fs_read(f, *data, &len);
    *size = len;
    if (err)
        g_free(*data);
    return boot_status(err);
}

uint64_t shell_read_file(struct shell *s, const char *path, size_t max, uint8_t **data,
                         size_t *size)
{
    struct shell_path p;
    struct fs_file *f;
    uint64_t status = shell_resolve(s, path, &p);

    if (status != EFI_SUCCESS)
        return status;
    status = shell_open(&p, FS_READ, 0, &f);
    shell_path_clear(&p);
    if (status != EFI_SUCCESS)
        return status;
    status = read_all(f, max, data, size);
    fs_close(f);
    return status;
}

int shell_next_entry(struct fs_file *dir, struct fs_info *info)
{
    int got;

    do
        got = fs_read_dir(dir, info);
    while (got > 0 && info->name[0] == '.' &&
           (!info->name[1] || (info->name[1] == '.' && !info->name[2])));
    return got;
}

/* --- wildcards --- */

/* Parts of a pattern below `directory` (with a colon in front); files go to out. */
struct search {
    struct shell *s;
    char **part;
    GPtrArray *out;
    uint64_t status;
};

static void search_in(struct search *x, const char *directory, unsigned part);

static void found(struct search *x, const char *directory, const struct fs_info *info,
                  unsigned part)
{
    char *name = shell_utf8(info->name), *path;

    if (shell_match(x->part[part], name)) {
        path = shell_join(directory, name);
        if (x->part[part + 1])
            search_in(x, path, part + 1);
        else
            g_ptr_array_add(x->out, g_strdup(path));
        g_free(path);
    }
    g_free(name);
}

/* A part without wildcards is not looked for, the next one shows whether it is there. */
static void search_in(struct search *x, const char *directory, unsigned part)
{
    bool last = !x->part[part + 1];
    struct shell_path p;
    struct fs_info info;
    struct fs_file *dir;
    int got;

    if (!last && !shell_has_wildcard(x->part[part])) {
        char *path = shell_join(directory, x->part[part]);

        search_in(x, path, part + 1);
        g_free(path);
        return;
    }
    if (shell_resolve(x->s, directory, &p) != EFI_SUCCESS)
        return;
    x->status = shell_open(&p, FS_READ, 0, &dir);
    shell_path_clear(&p);
    if (x->status != EFI_SUCCESS)
        return;
    while (fs_is_dir(dir) && x->out->len < SHELL_ENTRIES_MAX &&
           (got = shell_next_entry(dir, &info)) != 0) {
        if (got < 0) {
            x->status = boot_status(got);
            break;
        }
        found(x, directory, &info, part);
    }
    fs_close(dir);
}

uint64_t shell_files(struct shell *s, const char *word, GPtrArray *out)
{
    struct search x = {.s = s, .out = out};
    unsigned before = out->len;
    struct shell_path p;
    uint64_t status = shell_resolve(s, word, &p);
    char *root;

    if (status != EFI_SUCCESS)
        return status;
    if (!shell_has_wildcard(p.path)) {
        g_ptr_array_add(out, shell_path_text(&p));
        shell_path_clear(&p);
        return EFI_SUCCESS;
    }
    x.part = g_strsplit(p.path + 1, "\\", -1);
    root = g_strconcat(p.map->name, ":\\", NULL);
    if (g_strv_length(x.part) <= SHELL_DIRS_MAX)
        search_in(&x, root, 0);
    g_free(root);
    g_strfreev(x.part);
    shell_path_clear(&p);
    if (x.status == EFI_SUCCESS && out->len == before)
        return EFI_NOT_FOUND;
    return out->len > before ? EFI_SUCCESS : x.status;
}

uint64_t shell_word_files(struct shell *s, const struct shell_words *w, unsigned first,
                          GPtrArray *out)
{
    for (unsigned i = first; i < w->count; i++) {
        struct shell_path p;
        uint64_t status;

        if (!w->quoted[i]) {
            status = shell_files(s, w->word[i], out);
        } else {
            status = shell_resolve(s, w->word[i], &p);
            if (status == EFI_SUCCESS)
                g_ptr_array_add(out, shell_path_text(&p));
            shell_path_clear(&p);
        }
        if (status != EFI_SUCCESS)
            return shell_fail(s, status, "%s", w->word[i]);
    }
    return EFI_SUCCESS;
}

/* --- trees --- */

static uint64_t add_tree(struct shell *s, const char *path, bool after, GPtrArray *out,
                         unsigned depth);

static uint64_t add_entries(struct shell *s, struct fs_file *dir, const char *path, bool after,
                            GPtrArray *out, unsigned depth)
{
    uint64_t status = EFI_SUCCESS;
    struct fs_info info;
    int got;

    while (status == EFI_SUCCESS && (got = shell_next_entry(dir, &info)) != 0) {
        char *name, *inner;

        if (got < 0)
            return boot_status(got);
        name = shell_utf8(info.name);
        inner = shell_join(path, name);
        if (info.attributes & FS_ATTR_DIRECTORY)
            status = add_tree(s, inner, after, out, depth + 1);
        else
            g_ptr_array_add(out, g_strdup(inner));
        g_free(inner);
        g_free(name);
        if (out->len > SHELL_ENTRIES_MAX)
            status = EFI_OUT_OF_RESOURCES;
    }
    return status;
}

static uint64_t add_tree(struct shell *s, const char *path, bool after, GPtrArray *out,
                         unsigned depth)
{
    struct shell_path p;
    struct fs_file *f;
    uint64_t status = shell_resolve(s, path, &p);

    if (status != EFI_SUCCESS)
        return status;
    status = depth < SHELL_DIRS_MAX ? shell_open(&p, FS_READ, 0, &f) : EFI_VOLUME_CORRUPTED;
    shell_path_clear(&p);
    if (status != EFI_SUCCESS)
        return status;
    if (!after)
        g_ptr_array_add(out, g_strdup(path));
    if (fs_is_dir(f))
        status = add_entries(s, f, path, after, out, depth);
    fs_close(f);
    if (after)
        g_ptr_array_add(out, g_strdup(path));
    return status;
}

uint64_t shell_tree(struct shell *s, const char *path, bool after, GPtrArray *out)
{
    return add_tree(s, path, after, out, 0);
}
