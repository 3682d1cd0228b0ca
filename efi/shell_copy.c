/* cp, mv, rm, mkdir of the EFI shell: what changes directories.
 *
 * cp makes a list of what to do first and then copies in pieces, as a job. A file that could not be
 * copied whole is removed again.
 */
#include "keys.h"
#include "shell_priv.h"

static uint64_t open_path(struct shell *s, const char *path, unsigned mode, uint32_t attributes,
                          struct fs_file **out)
{
    struct shell_path p;
    uint64_t status = shell_resolve(s, path, &p);

    if (status == EFI_SUCCESS)
        status = shell_open(&p, mode, attributes, out);
    shell_path_clear(&p);
    return status;
}

/* -1: not there. */
static int is_directory(struct shell *s, const char *path)
{
    struct fs_file *f;
    int yes;

    if (open_path(s, path, FS_READ, 0, &f) != EFI_SUCCESS)
        return -1;
    yes = fs_is_dir(f);
    fs_close(f);
    return yes;
}

static uint64_t make_directory(struct shell *s, const char *path)
{
    struct fs_file *f;
    uint64_t status = open_path(s, path, FS_READ | FS_WRITE | FS_CREATE, FS_ATTR_DIRECTORY, &f);

    if (status == EFI_SUCCESS)
        fs_close(f);
    return status;
}

uint64_t cmd_mkdir(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 1, SHELL_WORDS);

    for (unsigned i = 1; i < w->count && status == EFI_SUCCESS; i++) {
        if (shell_has_wildcard(w->word[i]) && !w->quoted[i])
            return shell_fail(s, EFI_INVALID_PARAMETER, "%s", w->word[i]);
        if (is_directory(s, w->word[i]) >= 0)
            return shell_fail(s, EFI_ACCESS_DENIED, "%s already exists", w->word[i]);
        status = make_directory(s, w->word[i]);
        if (status != EFI_SUCCESS)
            shell_fail(s, status, "%s", w->word[i]);
    }
    return status;
}

/* --- cp --- */

struct copying {
    GPtrArray *from, *to;
    unsigned at;
    bool quiet, asked;
    struct fs_file *in, *out;
    uint8_t *buffer;
};

/* Removes what has become of the file. */
static void abandon(struct copying *c)
{
    if (c->in)
        fs_close(c->in);
    if (c->out)
        fs_delete(c->out);
    c->in = c->out = NULL;
}

static void end_copying(struct shell *s, void *data)
{
    struct copying *c = data;

    (void)s;
    abandon(c);
    g_ptr_array_unref(c->from);
    g_ptr_array_unref(c->to);
    g_free(c->buffer);
    g_free(c);
}

static enum job_wait copy_failed(struct shell *s, struct copying *c, uint64_t status)
{
    s->status = shell_fail(s, status, "%s -> %s", (char *)c->from->pdata[c->at],
                           (char *)c->to->pdata[c->at]);
    return JOB_DONE;
}

static void keep_times(struct copying *c)
{
    struct fs_info from, to;

    if (fs_info(c->in, &from) || fs_info(c->out, &to))
        return;
    to.modified = from.modified;
    fs_set_info(c->out, &to);
}

static enum job_wait copy_piece(struct shell *s, struct copying *c)
{
    uint64_t len = SHELL_CHUNK, wrote;
    uint64_t status = boot_status(fs_read(c->in, c->buffer, &len));

    wrote = len;
    if (status == EFI_SUCCESS && len)
        status = boot_status(fs_write(c->out, c->buffer, &wrote));
    if (status != EFI_SUCCESS) {
        abandon(c);
        return copy_failed(s, c, status);
    }
    if (len)
        return JOB_AGAIN;
    keep_times(c);
    fs_close(c->in);
    status = boot_status(fs_close(c->out));
    c->in = c->out = NULL;
    if (status != EFI_SUCCESS)
        return copy_failed(s, c, status);
    shell_puts(s, " - [ok]\n");
    c->at++;
    return JOB_AGAIN;
}

static uint64_t empty_file(struct fs_file *f)
{
    struct fs_info info;
    uint64_t status = boot_status(fs_info(f, &info));

    if (status == EFI_SUCCESS && fs_is_dir(f))
        return EFI_ACCESS_DENIED;
    if (status != EFI_SUCCESS || info.size == 0)
        return status;
    info.size = 0;
    return boot_status(fs_set_info(f, &info));
}

/* The source is opened first; nothing is lost when it cannot be read. */
static uint64_t begin_file(struct shell *s, struct copying *c, bool exists)
{
    const char *from = c->from->pdata[c->at], *to = c->to->pdata[c->at];
    uint64_t status = open_path(s, from, FS_READ, 0, &c->in);

    if (status != EFI_SUCCESS)
        return status;
    status = open_path(s, to, FS_READ | FS_WRITE | FS_CREATE, 0, &c->out);
    if (status == EFI_SUCCESS && exists) {
        status = empty_file(c->out);
        if (status != EFI_SUCCESS) {
            fs_close(c->out);
            c->out = NULL;
        }
    }
    if (status != EFI_SUCCESS)
        abandon(c);
    return status;
}

/* The answer to whether a file may be replaced. false: the job ends. */
static bool answered(struct shell *s, struct copying *c, bool *skip)
{
    char k = (char)g_ascii_tolower((char)s->job.key.unicode);

    *skip = false;
    c->asked = false;
    if (s->job.key.unicode < 0x7f && s->job.key.unicode >= ' ')
        shell_print(s, "%c\n", k);
    if (k == 'c' || s->job.key.scan == SCAN_ESC)
        return false;
    c->quiet |= k == 'a';
    *skip = k != 'y' && k != 'a';
    return true;
}

static enum job_wait ask(struct shell *s, struct copying *c)
{
    c->asked = true;
    shell_print(s, "%s exists. Replace it? (Yes/No/All/Cancel) ", (char *)c->to->pdata[c->at]);
    return JOB_KEY;
}

static enum job_wait copy_next(struct shell *s, struct copying *c)
{
    const char *from = c->from->pdata[c->at], *to = c->to->pdata[c->at];
    int there = is_directory(s, to), dir = is_directory(s, from);
    bool yes = c->asked, skip = false;
    uint64_t status;

    if (c->asked && !answered(s, c, &skip)) {
        s->status = EFI_ABORTED;
        return JOB_DONE;
    }
    if (skip) {
        c->at++;
        return JOB_AGAIN;
    }
    if (there == 0 && !dir && !yes && !c->quiet)
        return ask(s, c);
    shell_print(s, "copying %s -> %s\n", from, to);
    if (dir == 1)
        status = there == 1 ? EFI_SUCCESS : make_directory(s, to);
    else
        status = begin_file(s, c, there == 0);
    if (status != EFI_SUCCESS)
        return copy_failed(s, c, status);
    c->at += dir == 1;
    return JOB_AGAIN;
}

static enum job_wait copy_step(struct shell *s)
{
    struct copying *c = s->job.data;

    if (c->in)
        return copy_piece(s, c);
    return c->at < c->from->len ? copy_next(s, c) : JOB_DONE;
}

/* By the volume, whatever name it was given. */
static bool inside(struct shell *s, const char *path, const char *directory)
{
    struct shell_path p = {0}, d = {0};
    bool yes = shell_resolve(s, path, &p) == EFI_SUCCESS &&
               shell_resolve(s, directory, &d) == EFI_SUCCESS && p.map->device == d.map->device;
    size_t n = yes ? strlen(d.path) : 0;

    while (n && d.path[n - 1] == '\\')
        n--;
    if (yes && strlen(p.path) > n) {
        yes = p.path[n] == '\\';
        p.path[n] = 0;
    }
    if (yes) {
        d.path[n] = 0;
        yes = shell_same(p.path, d.path);
    }
    shell_path_clear(&p);
    shell_path_clear(&d);
    return yes;
}

/* A tree below source goes to the same place below target. */
static uint64_t plan_tree(struct shell *s, struct copying *c, const char *source,
                          const char *target)
{
    unsigned first = c->from->len;
    uint64_t status = shell_tree(s, source, false, c->from);

    for (unsigned i = first; i < c->from->len; i++)
        g_ptr_array_add(c->to,
                        g_strconcat(target, (char *)c->from->pdata[i] + strlen(source), NULL));
    return status;
}

static uint64_t plan_one(struct shell *s, struct copying *c, const char *source, const char *target,
                         bool into, bool tree)
{
    char *to = into ? shell_join(target, shell_base(source)) : g_strdup(target);
    int dir = is_directory(s, source);
    uint64_t status = EFI_SUCCESS;

    if (dir < 0)
        status = shell_fail(s, EFI_NOT_FOUND, "%s", source);
    else if (dir && !tree)
        status = shell_fail(s, EFI_INVALID_PARAMETER, "%s is a directory; use -r", source);
    else if (inside(s, to, source))
        status = shell_fail(s, EFI_INVALID_PARAMETER, "%s cannot be copied into itself", source);
    else if (dir) {
        status = plan_tree(s, c, source, to);
        if (status != EFI_SUCCESS)
            shell_fail(s, status, "%s", source);
    } else {
        g_ptr_array_add(c->from, g_strdup(source));
        g_ptr_array_add(c->to, g_strdup(to));
    }
    g_free(to);
    return status;
}

/* Takes the last word, or "." if there is one only, as target, in full; NULL: not a path. */
static char *take_target(struct shell *s, struct shell_words *w, uint64_t *status)
{
    struct shell_path p;
    char *out;

    *status = shell_resolve(s, w->count > 2 ? w->word[w->count - 1] : ".", &p);
    if (*status != EFI_SUCCESS) {
        shell_fail(s, *status, "%s", w->word[w->count - 1]);
        return NULL;
    }
    out = shell_path_text(&p);
    shell_path_clear(&p);
    if (w->count > 2)
        shell_words_remove(w, w->count - 1);
    return out;
}

static struct copying *new_copying(struct shell *s, bool quiet)
{
    struct copying *c = g_new0(struct copying, 1);

    c->from = g_ptr_array_new_with_free_func(g_free);
    c->to = g_ptr_array_new_with_free_func(g_free);
    c->buffer = g_malloc(SHELL_CHUNK);
    c->quiet = quiet || s->scripts;
    return c;
}

uint64_t cmd_cp(struct shell *s, struct shell_words *w)
{
    bool tree = shell_option(w, "-r"), quiet = shell_option(w, "-q");
    uint64_t status = shell_check(s, w, 1, SHELL_WORDS);
    GPtrArray *files;
    struct copying *c;
    char *target;
    int dir;

    if (status != EFI_SUCCESS)
        return status;
    target = take_target(s, w, &status);
    if (!target)
        return status;
    files = g_ptr_array_new_with_free_func(g_free);
    c = new_copying(s, quiet);
    dir = is_directory(s, target);
    status = shell_word_files(s, w, 1, files);
    if (status == EFI_SUCCESS && files->len > 1 && dir != 1)
        status = shell_fail(s, EFI_INVALID_PARAMETER, "%s is no directory", target);
    for (unsigned i = 0; i < files->len && status == EFI_SUCCESS; i++)
        status = plan_one(s, c, files->pdata[i], target, dir == 1, tree);
    if (status == EFI_SUCCESS)
        shell_begin(s, copy_step, c, end_copying);
    else
        end_copying(s, c);
    g_ptr_array_unref(files);
    g_free(target);
    return status;
}

/* --- mv --- */

/* Renaming moves within a volume. */
static uint64_t move_one(struct shell *s, const char *from, const char *to)
{
    struct shell_path a, z = {0};
    struct fs_info info;
    struct fs_file *f;
    uint16_t *name;
    uint64_t status = shell_resolve(s, from, &a);

    if (status == EFI_SUCCESS)
        status = shell_resolve(s, to, &z);
    if (status == EFI_SUCCESS && a.map->device != z.map->device)
        status = EFI_UNSUPPORTED;
    if (status == EFI_SUCCESS)
        status = shell_open(&a, FS_READ | FS_WRITE, 0, &f);
    if (status == EFI_SUCCESS) {
        status = boot_status(fs_info(f, &info));
        name = shell_utf16(z.path);
        if (fs_name_length(name) > FS_NAME_MAX)
            status = EFI_INVALID_PARAMETER;
        else
            memcpy(info.name, name, 2 * (fs_name_length(name) + 1));
        if (status == EFI_SUCCESS)
            status = boot_status(fs_set_info(f, &info));
        g_free(name);
        fs_close(f);
    }
    shell_path_clear(&a);
    shell_path_clear(&z);
    return status;
}

/* A directory somebody is in cannot go away. */
static bool current_inside(struct shell *s, const char *path)
{
    for (unsigned i = 0; i < s->maps->len; i++) {
        const struct shell_map *m = s->maps->pdata[i];
        char *text = g_strconcat(m->name, ":", m->directory, NULL);
        bool yes = m->device->fs && inside(s, text, path);

        g_free(text);
        if (yes)
            return true;
    }
    return false;
}

uint64_t cmd_mv(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 1, SHELL_WORDS);
    GPtrArray *files;
    char *target;
    int dir;

    if (status != EFI_SUCCESS)
        return status;
    target = take_target(s, w, &status);
    if (!target)
        return status;
    files = g_ptr_array_new_with_free_func(g_free);
    dir = is_directory(s, target);
    status = shell_word_files(s, w, 1, files);
    if (status == EFI_SUCCESS && files->len > 1 && dir != 1)
        status = shell_fail(s, EFI_INVALID_PARAMETER, "%s is no directory", target);
    for (unsigned i = 0; i < files->len && status == EFI_SUCCESS; i++) {
        const char *from = files->pdata[i];
        char *to = dir == 1 ? shell_join(target, shell_base(from)) : g_strdup(target);

        shell_print(s, "moving %s -> %s\n", from, to);
        if (current_inside(s, from))
            status = EFI_ACCESS_DENIED;
        else if (strlen(to) > strlen(from) && inside(s, to, from))
            status = EFI_INVALID_PARAMETER;
        else
            status = move_one(s, from, to);
        if (status == EFI_SUCCESS)
            shell_puts(s, " - [ok]\n");
        else
            shell_fail(s, status, "%s", from);
        g_free(to);
    }
    g_ptr_array_unref(files);
    g_free(target);
    return status;
}

/* --- rm --- */

struct removing {
    GPtrArray *files; /* as given */
    unsigned at;
    bool quiet, asked;
};

static void end_removing(struct shell *s, void *data)
{
    struct removing *r = data;

    (void)s;
    g_ptr_array_unref(r->files);
    g_free(r);
}

static uint64_t remove_one(struct shell *s, const char *path)
{
    struct fs_file *f;
    uint64_t status = open_path(s, path, FS_READ | FS_WRITE, 0, &f);

    if (status != EFI_SUCCESS)
        return status;
    return boot_status(fs_delete(f));
}

static uint64_t remove_tree(struct shell *s, const char *path)
{
    GPtrArray *tree = g_ptr_array_new_with_free_func(g_free);
    uint64_t status = shell_tree(s, path, true, tree);

    for (unsigned i = 0; i < tree->len && status == EFI_SUCCESS; i++) {
        shell_print(s, "removing %s\n", (char *)tree->pdata[i]);
        status = remove_one(s, tree->pdata[i]);
        if (status == EFI_SUCCESS)
            shell_puts(s, " - [ok]\n");
    }
    g_ptr_array_unref(tree);
    return status;
}

static bool is_root(const char *path)
{
    const char *colon = strchr(path, ':');

    return colon && strcmp(colon, ":\\") == 0;
}

static enum job_wait remove_step(struct shell *s)
{
    struct removing *r = s->job.data;
    const char *path;
    uint64_t status;
    bool yes = true;

    if (r->at == r->files->len)
        return JOB_DONE;
    path = r->files->pdata[r->at];
    if (is_directory(s, path) == 1 && !r->quiet && !r->asked) {
        r->asked = true;
        shell_print(s, "remove subtree '%s' [y/n]? ", path);
        return JOB_KEY;
    }
    if (r->asked) {
        yes = s->job.key.unicode == 'y' || s->job.key.unicode == 'Y';
        shell_puts(s, yes ? "y\n" : "n\n");
    }
    r->asked = false;
    r->at++;
    if (is_root(path) || current_inside(s, path))
        status = EFI_ACCESS_DENIED;
    else
        status = yes ? remove_tree(s, path) : EFI_SUCCESS;
    if (status == EFI_SUCCESS)
        return JOB_AGAIN;
    s->status = shell_fail(s, status, "Cannot remove %s", path);
    return JOB_DONE;
}

uint64_t cmd_rm(struct shell *s, struct shell_words *w)
{
    bool quiet = shell_option(w, "-q");
    uint64_t status = shell_check(s, w, 1, SHELL_WORDS);
    struct removing *r;

    if (status != EFI_SUCCESS)
        return status;
    r = g_new0(struct removing, 1);
    r->files = g_ptr_array_new_with_free_func(g_free);
    r->quiet = quiet || s->scripts;
    status = shell_word_files(s, w, 1, r->files);
    if (status == EFI_SUCCESS)
        shell_begin(s, remove_step, r, end_removing);
    else
        end_removing(s, r);
    return status;
}
