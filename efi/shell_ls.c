/* ls, attrib, vol, touch of the EFI shell: what is known about files. */
#include "runtime.h"
#include "shell_priv.h"

/* --- ls --- */

struct listing {
    uint64_t files, directories, bytes, total_files, total_directories, total_bytes;
    uint32_t wanted; /* attributes; 0: all but hidden and system files */
    bool all;
};

static uint32_t attribute(char c)
{
    switch (g_ascii_tolower(c)) {
    case 'a':
        return FS_ATTR_ARCHIVE;
    case 's':
        return FS_ATTR_SYSTEM;
    case 'h':
        return FS_ATTR_HIDDEN;
    case 'r':
        return FS_ATTR_READ_ONLY;
    case 'd':
        return FS_ATTR_DIRECTORY;
    default:
        return 0;
    }
}

static bool listed(const struct listing *l, const struct fs_info *i)
{
    if (l->wanted)
        return (i->attributes & l->wanted) == l->wanted;
    return l->all || !(i->attributes & (FS_ATTR_HIDDEN | FS_ATTR_SYSTEM));
}

static void show_time(struct shell *s, const struct fs_time *t)
{
    unsigned hour = t->hour % 12 ? t->hour % 12 : 12;

    if (!t->year)
        shell_print(s, "  %-16s", "");
    else
        shell_print(s, "  %02u/%02u/%02u  %02u:%02u%c", t->month, t->day, t->year % 100, hour,
                    t->minute, t->hour >= 12 ? 'p' : 'a');
}

static void show_entry(struct shell *s, struct listing *l, const struct fs_info *i)
{
    bool dir = i->attributes & FS_ATTR_DIRECTORY;
    char *name = shell_utf8(i->name), size[32];

    show_time(s, &i->modified);
    shell_print(s, " %-5s%c %13s  %s\n", dir ? "<DIR>" : "",
                i->attributes & FS_ATTR_READ_ONLY ? 'r' : ' ', shell_commas(i->size, size), name);
    l->files += !dir;
    l->directories += dir;
    l->bytes += dir ? 0 : i->size;
    g_free(name);
}

static void show_counts(struct shell *s, uint64_t files, uint64_t bytes, uint64_t directories)
{
    char text[32];

    shell_print(s, "  %9s File(s)", shell_commas(files, text));
    shell_print(s, "  %10s bytes\n", shell_commas(bytes, text));
    shell_print(s, "  %9s Dir(s)\n\n", shell_commas(directories, text));
}

static void end_group(struct shell *s, struct listing *l)
{
    show_counts(s, l->files, l->bytes, l->directories);
    l->total_files += l->files;
    l->total_bytes += l->bytes;
    l->total_directories += l->directories;
    l->files = l->bytes = l->directories = 0;
}

/* "." and ".." are shown, as they are on the volume. */
static uint64_t list_directory(struct shell *s, struct listing *l, const char *path)
{
    struct shell_path p;
    struct fs_info info;
    struct fs_file *f;
    uint64_t status = shell_resolve(s, path, &p), n = 0;
    int got = 0;

    if (status != EFI_SUCCESS)
        return status;
    status = shell_open(&p, FS_READ, 0, &f);
    shell_path_clear(&p);
    if (status != EFI_SUCCESS)
        return status;
    shell_print(s, "Directory of: %s\n\n", path);
    while (n++ < SHELL_ENTRIES_MAX && (got = fs_read_dir(f, &info)) > 0)
        if (listed(l, &info))
            show_entry(s, l, &info);
    fs_close(f);
    end_group(s, l);
    return boot_status(MIN(got, 0));
}

static uint64_t file_info(struct shell *s, const char *path, struct fs_info *info)
{
    struct shell_path p;
    uint64_t status = shell_resolve(s, path, &p);

    if (status == EFI_SUCCESS)
        status = shell_info(&p, info);
    shell_path_clear(&p);
    return status;
}

static bool is_directory(struct shell *s, const char *path)
{
    struct fs_info info;

    return file_info(s, path, &info) == EFI_SUCCESS && (info.attributes & FS_ATTR_DIRECTORY);
}

static uint64_t list_tree(struct shell *s, struct listing *l, const char *path)
{
    GPtrArray *tree = g_ptr_array_new_with_free_func(g_free);
    uint64_t status = shell_tree(s, path, false, tree);

    for (unsigned i = 0; i < tree->len && status == EFI_SUCCESS; i++)
        if (is_directory(s, tree->pdata[i]))
            status = list_directory(s, l, tree->pdata[i]);
    shell_puts(s, "  Total Summary:\n");
    show_counts(s, l->total_files, l->total_bytes, l->total_directories);
    g_ptr_array_unref(tree);
    return status;
}

static char *directory_of(const char *path)
{
    const char *base = shell_base(path);
    size_t n = (size_t)(base - path);

    if (n > 1 && path[n - 1] == '\\' && path[n - 2] != ':')
        n--;
    return g_strndup(path, n);
}

/* Files of one pattern, in groups of the directories they are in. */
static uint64_t list_files(struct shell *s, struct listing *l, const GPtrArray *files)
{
    char *last = NULL;
    uint64_t status = EFI_SUCCESS;

    for (unsigned i = 0; i < files->len && status == EFI_SUCCESS; i++) {
        char *directory = directory_of(files->pdata[i]);
        struct fs_info info;

        status = file_info(s, files->pdata[i], &info);
        if (status == EFI_SUCCESS && (!last || strcmp(last, directory))) {
            if (last)
                end_group(s, l);
            shell_print(s, "Directory of: %s\n\n", directory);
        }
        if (status == EFI_SUCCESS && listed(l, &info))
            show_entry(s, l, &info);
        if (status == EFI_SUCCESS) {
            g_free(last);
            last = directory;
        } else {
            g_free(directory);
        }
    }
    if (last)
        end_group(s, l);
    g_free(last);
    return status;
}

static uint64_t list_word(struct shell *s, struct listing *l, const char *word, bool tree)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    uint64_t status = shell_files(s, word, files);

    if (status == EFI_SUCCESS && tree && files->len == 1)
        status = list_tree(s, l, files->pdata[0]);
    else if (status == EFI_SUCCESS && files->len == 1 && !shell_has_wildcard(word) &&
             is_directory(s, files->pdata[0]))
        status = list_directory(s, l, files->pdata[0]);
    else if (status == EFI_SUCCESS)
        status = list_files(s, l, files);
    g_ptr_array_unref(files);
    return status == EFI_SUCCESS ? status : shell_fail(s, status, "%s", word);
}

/* -a alone shows all files, -aLETTERS those with these attributes. */
static void take_attributes(struct shell_words *w, struct listing *l)
{
    for (unsigned i = 1; i < w->count; i++) {
        if (g_ascii_strncasecmp(w->word[i], "-a", 2) || w->quoted[i])
            continue;
        l->all = !w->word[i][2];
        for (const char *c = w->word[i] + 2; *c; c++)
            l->wanted |= attribute(*c);
        shell_words_remove(w, i);
        return;
    }
}

uint64_t cmd_ls(struct shell *s, struct shell_words *w)
{
    struct listing l = {0};
    bool tree = shell_option(w, "-r");
    uint64_t status;

    take_attributes(w, &l);
    status = shell_check(s, w, 0, SHELL_WORDS);
    if (status != EFI_SUCCESS)
        return status;
    if (w->count == 1)
        return list_word(s, &l, ".", tree);
    for (unsigned i = 1; i < w->count && status == EFI_SUCCESS; i++)
        status = list_word(s, &l, w->word[i], tree);
    return status;
}

/* --- attrib, touch --- */

static void show_attributes(struct shell *s, const char *path, uint32_t a)
{
    shell_print(s, "attrib:%c%c%c%c%c %s\n", a & FS_ATTR_DIRECTORY ? 'D' : ' ',
                a & FS_ATTR_ARCHIVE ? 'A' : ' ', a & FS_ATTR_SYSTEM ? 'S' : ' ',
                a & FS_ATTR_HIDDEN ? 'H' : ' ', a & FS_ATTR_READ_ONLY ? 'R' : ' ', path);
}

/* Changes the information of a file that may be read-only, which then is opened for reading. */
static uint64_t change_info(struct shell *s, const char *path, uint32_t set, uint32_t clear,
                            const struct fs_time *modified, uint32_t *attributes)
{
    struct shell_path p;
    struct fs_info info;
    struct fs_file *f;
    uint64_t status = shell_resolve(s, path, &p);

    if (status != EFI_SUCCESS)
        return status;
    status = shell_open(&p, FS_READ | FS_WRITE, 0, &f);
    if (status != EFI_SUCCESS)
        status = shell_open(&p, FS_READ, 0, &f);
    shell_path_clear(&p);
    if (status != EFI_SUCCESS)
        return status;
    status = boot_status(fs_info(f, &info));
    info.attributes = (info.attributes | set) & ~clear;
    *attributes = info.attributes;
    if (modified)
        info.modified = *modified;
    if (status == EFI_SUCCESS && (set || clear || modified))
        status = boot_status(fs_set_info(f, &info));
    fs_close(f);
    return status;
}

/* +r, -h and the like; false: not one of them. */
static bool take_change(const char *word, uint32_t *set, uint32_t *clear)
{
    uint32_t a = 0;

    if ((*word != '+' && *word != '-') || !word[1])
        return false;
    for (const char *c = word + 1; *c; c++) {
        uint32_t one = attribute(*c);

        if (!one || one == FS_ATTR_DIRECTORY)
            return false;
        a |= one;
    }
    *(*word == '+' ? set : clear) |= a;
    return true;
}

uint64_t cmd_attrib(struct shell *s, struct shell_words *w)
{
    GPtrArray *files;
    uint32_t set = 0, clear = 0, now;
    uint64_t status;

    if (shell_option(w, "-b"))
        s->paging = true;
    for (unsigned i = w->count; i-- > 1;)
        if (!w->quoted[i] && take_change(w->word[i], &set, &clear))
            shell_words_remove(w, i);
    status = shell_check(s, w, 0, SHELL_WORDS);
    if (status != EFI_SUCCESS)
        return status;
    files = g_ptr_array_new_with_free_func(g_free);
    status = w->count > 1 ? shell_word_files(s, w, 1, files) : shell_files(s, "*", files);
    for (unsigned i = 0; i < files->len && status == EFI_SUCCESS; i++) {
        status = change_info(s, files->pdata[i], set, clear, NULL, &now);
        if (status == EFI_SUCCESS)
            show_attributes(s, files->pdata[i], now);
        else
            shell_fail(s, status, "%s", (char *)files->pdata[i]);
    }
    g_ptr_array_unref(files);
    return status;
}

static struct fs_time now_time(struct shell *s)
{
    uint8_t t[16];

    runtime_now(s->b->fw, t);
    return (struct fs_time){(uint16_t)(t[0] | t[1] << 8), t[2], t[3], t[4], t[5], t[6]};
}

/* A file that is not there is made. */
static uint64_t touch(struct shell *s, const char *path)
{
    struct fs_time now = now_time(s);
    uint32_t attributes;
    uint64_t status = change_info(s, path, 0, 0, &now, &attributes);
    struct shell_path p;
    struct fs_file *f;

    if (status != EFI_NOT_FOUND)
        return status;
    status = shell_resolve(s, path, &p);
    if (status == EFI_SUCCESS)
        status = shell_open(&p, FS_READ | FS_WRITE | FS_CREATE, 0, &f);
    if (status == EFI_SUCCESS)
        fs_close(f);
    shell_path_clear(&p);
    return status;
}

uint64_t cmd_touch(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 1, SHELL_WORDS);
    GPtrArray *files;

    if (status != EFI_SUCCESS)
        return status;
    files = g_ptr_array_new_with_free_func(g_free);
    status = shell_word_files(s, w, 1, files);
    for (unsigned i = 0; i < files->len && status == EFI_SUCCESS; i++) {
        status = touch(s, files->pdata[i]);
        if (status == EFI_SUCCESS)
            shell_print(s, "touch: %s [ok]\n", (char *)files->pdata[i]);
        else
            shell_fail(s, status, "%s", (char *)files->pdata[i]);
    }
    g_ptr_array_unref(files);
    return status;
}

/* --- vol --- */

static uint64_t set_label(struct shell *s, const struct shell_map *m, const char *label)
{
    uint16_t *text = shell_utf16(label);
    uint64_t status = fs_name_length(text) > 11 ? EFI_INVALID_PARAMETER
                                                : boot_status(fs_set_label(m->device->fs, text));

    g_free(text);
    return status == EFI_SUCCESS ? status : shell_fail(s, status, "the name cannot be set");
}

static uint64_t show_volume(struct shell *s, const struct shell_map *m)
{
    struct fs_volume v;
    uint64_t status = boot_status(fs_volume_info(m->device->fs, &v));
    char *label, text[32];

    if (status != EFI_SUCCESS)
        return shell_fail(s, status, "%s", m->name);
    label = shell_utf8(v.label);
    shell_print(s, "Volume %s (%s)\n", *label ? label : "has no label", v.read_only ? "ro" : "rw");
    shell_print(s, "%15s bytes total disk space\n", shell_commas(v.size, text));
    shell_print(s, "%15s bytes available on disk\n", shell_commas(v.free, text));
    shell_print(s, "%15s bytes in each allocation unit\n", shell_commas(v.block_size, text));
    g_free(label);
    return EFI_SUCCESS;
}

uint64_t cmd_vol(struct shell *s, struct shell_words *w)
{
    bool remove = shell_option(w, "-d");
    char *label = shell_option_value(w, "-n");
    uint64_t status = shell_check(s, w, 0, 1);
    const struct shell_map *m = s->current;

    if (status == EFI_SUCCESS && w->count == 2)
        m = shell_map_find(s, w->word[1], strlen(w->word[1]));
    if (status == EFI_SUCCESS && !m)
        status = shell_fail(s, EFI_NO_MAPPING, "no such volume");
    else if (status == EFI_SUCCESS && !m->device->fs)
        status = shell_fail(s, EFI_UNSUPPORTED, "%s holds no file system", m->name);
    if (status == EFI_SUCCESS && (label || remove))
        status = set_label(s, m, label ? label : "");
    if (status == EFI_SUCCESS)
        status = show_volume(s, m);
    g_free(label);
    return status;
}
