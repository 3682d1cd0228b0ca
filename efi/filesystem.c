/* What all file systems have in common: nodes, paths, positions, modes. See filesystem.h. */
#include "filesystem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "fs_fat.h"
#include "fs_iso9660.h"

struct fs_file {
    struct fs_node *node;
    unsigned mode;
    uint64_t position; /* directories: the driver's cursor */
    uint64_t previous; /* cursor before the last entry */
};

/* Characters and names */

size_t fs_name_length(const uint16_t *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

/* Latin, Greek and Cyrillic letters; others have no case here. */
uint16_t fs_upcase(uint16_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 0xe0 && c <= 0xfe && c != 0xf7) ||
        (c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2) || (c >= 0x430 && c <= 0x44f))
        return (uint16_t)(c - 32);
    if (c == 0xff)
        return 0x178;
    if (c >= 0x450 && c <= 0x45f)
        return (uint16_t)(c - 80);
    if ((c >= 0x100 && c <= 0x137 && c != 0x131) || (c >= 0x14a && c <= 0x177))
        return c & 0xfffe;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
        return (uint16_t)(c - !(c & 1));
    return c;
}

int fs_name_compare(const uint16_t *a, const uint16_t *b)
{
    while (*a && fs_upcase(*a) == fs_upcase(*b))
        a++, b++;
    return (int)fs_upcase(*a) - (int)fs_upcase(*b);
}

static bool same_name(const uint16_t *a, const uint16_t *b)
{
    size_t n = fs_name_length(a);

    return n == fs_name_length(b) && memcmp(a, b, 2 * n) == 0;
}

void fs_now(const struct fs *fs, struct fs_time *t)
{
    time_t now = time(NULL);
    struct tm tm;

    if (fs->options.now) {
        fs->options.now(fs->options.opaque, t);
        return;
    }
    localtime_r(&now, &tm);
    *t = (struct fs_time){.year = (uint16_t)(tm.tm_year + 1900),
                          .month = (uint8_t)(tm.tm_mon + 1),
                          .day = (uint8_t)tm.tm_mday,
                          .hour = (uint8_t)tm.tm_hour,
                          .minute = (uint8_t)tm.tm_min,
                          .second = (uint8_t)tm.tm_sec};
}

/* Nodes */

static bool is_dir(const struct fs_node *n)
{
    return n->info.attributes & FS_ATTR_DIRECTORY;
}

static struct fs_node *node_ref(struct fs_node *n)
{
    n->refs++;
    return n;
}

/* Dropping the last reference drops the one it has to its directory. NULL is fine. */
static void node_put(struct fs_node *n)
{
    while (n && --n->refs == 0) {
        struct fs_node **p = &n->fs->nodes, *parent = n->parent;

        while (*p && *p != n)
            p = &(*p)->next;
        if (*p)
            *p = n->next;
        free(n);
        n = parent;
    }
}

static struct fs_node *node_scratch(struct fs *fs, struct fs_node *parent)
{
    struct fs_node *n = calloc(1, fs->ops->node_size);

    if (n) {
        n->fs = fs;
        n->parent = parent;
    }
    return n;
}

/* Turns a scratch node into the one node of its file. Takes the scratch node. */
static struct fs_node *node_intern(struct fs_node *scratch)
{
    struct fs *fs = scratch->fs;

    for (struct fs_node *n = fs->nodes; n; n = n->next) {
        if (n->id == scratch->id && !n->deleted && n->parent == scratch->parent) {
            free(scratch);
            return node_ref(n);
        }
    }
    scratch->refs = 1;
    if (scratch->parent)
        node_ref(scratch->parent);
    scratch->next = fs->nodes;
    fs->nodes = scratch;
    return scratch;
}

static void node_clear(struct fs_node *n)
{
    struct fs *fs = n->fs;
    struct fs_node *parent = n->parent;

    memset(n, 0, fs->ops->node_size);
    n->fs = fs;
    n->parent = parent;
}

static bool is_dots(const uint16_t *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* The entry of a name: exact, or else the first that differs in case only. */
static int lookup(struct fs_node *dir, const uint16_t *name, struct fs_node **out)
{
    const struct fs_ops *ops = dir->fs->ops;
    struct fs_node *n = node_scratch(dir->fs, dir), *best = NULL;
    uint64_t cursor = 0;
    int got = n ? 1 : -ENOMEM;

    while (n && (got = ops->next(dir, &cursor, n)) == 1) {
        bool exact = same_name(n->info.name, name);

        if (exact || (!best && (fs_name_compare(n->info.name, name) == 0 ||
                                (ops->alias && ops->alias(n, name))))) {
            free(best);
            best = n;
            n = exact ? NULL : node_scratch(dir->fs, dir);
            if (exact || !n)
                break;
        }
        node_clear(n);
    }
    free(n);
    if (got < 0 || !best) {
        free(best);
        return got < 0 ? got : -ENOENT;
    }
    *out = node_intern(best);
    return 0;
}

/* Paths */

static bool trimmed(uint16_t c)
{
    return c == ' ' || c == '.';
}

/* Takes the next component off a path: its length, 0 at the end, or -EINVAL. Blanks and dots at
 * the end do not count, as on FAT. */
static int component(const uint16_t **path, uint16_t name[FS_NAME_MAX + 1])
{
    size_t n = 0;

    while (**path == '\\')
        (*path)++;
    while ((*path)[n] && (*path)[n] != '\\') {
        if (n == FS_NAME_MAX)
            return -EINVAL;
        name[n] = (*path)[n];
        n++;
    }
    *path += n;
    name[n] = 0;
    if (n == 0 || is_dots(name))
        return (int)n;
    while (n > 0 && trimmed(name[n - 1]))
        name[--n] = 0;
    return n ? (int)n : -EINVAL;
}

/* The node that a component names, with a reference. */
static int step(struct fs_node *at, const uint16_t *name, struct fs_node **out)
{
    if (!is_dir(at))
        return -ENOTDIR;
    if (is_dots(name)) {
        *out = node_ref(name[1] && at->parent ? at->parent : at);
        return 0;
    }
    return lookup(at, name, out);
}

/* Follows a path up to its last component, whose name is left in `last` (empty: the path ends in
 * the directory itself). *at is a reference that is exchanged. */
static int walk(struct fs_node **at, const uint16_t *path, uint16_t last[FS_NAME_MAX + 1])
{
    uint16_t name[FS_NAME_MAX + 1];
    struct fs_node *next;
    int n = component(&path, last);

    while (n > 0) {
        memcpy(name, last, sizeof(name));
        n = component(&path, last);
        if (n < 0)
            return n;
        if (n == 0) {
            memcpy(last, name, sizeof(name));
            return is_dir(*at) ? 0 : -ENOTDIR;
        }
        int err = step(*at, name, &next);
        if (err)
            return err;
        node_put(*at);
        *at = next;
    }
    last[0] = 0;
    return n;
}

static bool path_ok(const uint16_t *path)
{
    for (unsigned i = 0; i < FS_PATH_MAX; i++)
        if (!path[i])
            return true;
    return false;
}

/* Where a path starts, with a reference. */
static struct fs_node *origin(struct fs_node *from, const uint16_t *path)
{
    if (path[0] == '\\')
        return node_ref(from->fs->root);
    return node_ref(is_dir(from) || !from->parent ? from : from->parent);
}

/* Volumes */

int fs_mount(const struct block_dev *dev, const struct fs_options *options, struct fs **out)
{
    static const struct fs_options none;
    int err, fat;

    if (!block_dev_ok(dev))
        return -ENOTSUP;
    if (!options)
        options = &none;
    fat = err = fat_mount(dev, options, out);
    if (err == -ENOTSUP || err == -EUCLEAN)
        err = iso9660_mount(dev, options, out);
    if (err)
        return err == -ENOTSUP ? fat : err;
    (*out)->refs = 1;
    (*out)->root = node_scratch(*out, NULL);
    err = (*out)->root ? (*out)->ops->root((*out)->root) : -ENOMEM;
    if (err) {
        free((*out)->root);
        (*out)->ops->free(*out);
        return err;
    }
    node_intern((*out)->root);
    return 0;
}

static void volume_put(struct fs *fs)
{
    if (--fs->refs)
        return;
    node_put(fs->root);
    fs->ops->free(fs);
}

void fs_unmount(struct fs *fs)
{
    if (fs->ops->flush)
        fs->ops->flush(fs);
    volume_put(fs);
}

const char *fs_kind(const struct fs *fs)
{
    return fs->ops->kind(fs);
}

int fs_volume_info(struct fs *fs, struct fs_volume *out)
{
    memset(out, 0, sizeof(*out));
    out->read_only = fs->read_only;
    return fs->ops->volume(fs, out);
}

int fs_set_label(struct fs *fs, const uint16_t *label)
{
    return fs->read_only ? -EROFS : fs->ops->set_label(fs, label);
}

/* Files */

/* Takes the reference. */
static int new_file(struct fs_node *n, unsigned mode, struct fs_file **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out) {
        node_put(n);
        return -ENOMEM;
    }
    (*out)->node = n;
    (*out)->mode = mode;
    n->fs->refs++;
    return 0;
}

int fs_root(struct fs *fs, struct fs_file **out)
{
    return new_file(node_ref(fs->root), fs->read_only ? FS_READ : FS_READ | FS_WRITE, out);
}

static int check_existing(const struct fs_node *n, unsigned mode, uint32_t attributes)
{
    if ((mode & FS_CREATE) && ((attributes ^ n->info.attributes) & FS_ATTR_DIRECTORY))
        return -EACCES;
    if ((mode & FS_WRITE) && !is_dir(n) && (n->info.attributes & FS_ATTR_READ_ONLY))
        return -EACCES;
    return 0;
}

static int create(struct fs_node *dir, const uint16_t *name, uint32_t attributes,
                  struct fs_node **out)
{
    struct fs_node *n = node_scratch(dir->fs, dir);
    int err = n ? dir->fs->ops->create(dir, name, attributes & FS_ATTR_ALL, n) : -ENOMEM;

    if (err) {
        free(n);
        return err;
    }
    *out = node_intern(n);
    return 0;
}

/* The last component, in the directory `at`. */
static int open_last(struct fs_node *at, const uint16_t *name, unsigned mode, uint32_t attributes,
                     struct fs_node **out)
{
    int err = name[0] ? step(at, name, out) : 0;

    if (!name[0])
        *out = node_ref(at);
    if (err == -ENOENT && (mode & FS_CREATE))
        return create(at, name, attributes, out);
    if (err)
        return err;
    err = check_existing(*out, mode, attributes);
    if (err)
        node_put(*out);
    return err;
}

static int check_mode(const struct fs *fs, unsigned mode)
{
    if (mode != FS_READ && mode != (FS_READ | FS_WRITE) && mode != (FS_READ | FS_WRITE | FS_CREATE))
        return -EINVAL;
    return fs->read_only && (mode & FS_WRITE) ? -EROFS : 0;
}

int fs_open(struct fs_file *from, const uint16_t *path, unsigned mode, uint32_t attributes,
            struct fs_file **out)
{
    uint16_t last[FS_NAME_MAX + 1];
    struct fs_node *at, *n = NULL;
    int err = check_mode(from->node->fs, mode);

    if (err)
        return err;
    if (!path_ok(path))
        return -EINVAL;
    if (from->node->deleted)
        return -ENOENT;
    at = origin(from->node, path);
    err = walk(&at, path, last);
    if (!err)
        err = open_last(at, last, mode, attributes, &n);
    node_put(at);
    return err ? err : new_file(n, mode, out);
}

int fs_close(struct fs_file *f)
{
    struct fs *fs = f->node->fs;

    node_put(f->node);
    free(f);
    volume_put(fs);
    return 0;
}

static int dir_empty(struct fs_node *dir)
{
    struct fs_node *n = node_scratch(dir->fs, dir);
    uint64_t cursor = 0;
    int got = n ? 1 : -ENOMEM;

    while (n && (got = dir->fs->ops->next(dir, &cursor, n)) == 1 && is_dots(n->info.name))
        node_clear(n);
    free(n);
    return got == 1 ? -ENOTEMPTY : got;
}

static int check_delete(const struct fs_file *f)
{
    const struct fs_node *n = f->node;

    if (n->fs->read_only)
        return -EROFS;
    if (n->deleted)
        return -ESTALE;
    if (!n->parent || !(f->mode & FS_WRITE))
        return -EACCES;
    return is_dir(n) ? dir_empty(f->node) : 0;
}

int fs_delete(struct fs_file *f)
{
    int err = check_delete(f);

    if (!err)
        err = f->node->fs->ops->remove(f->node);
    if (!err)
        f->node->deleted = true;
    fs_close(f);
    return err;
}

struct fs *fs_of(const struct fs_file *f)
{
    return f->node->fs;
}

bool fs_is_dir(const struct fs_file *f)
{
    return is_dir(f->node);
}

static int check_file(const struct fs_file *f)
{
    if (f->node->deleted)
        return -ESTALE;
    return is_dir(f->node) ? -EISDIR : 0;
}

int fs_read(struct fs_file *f, void *buf, uint64_t *len)
{
    uint64_t size = f->node->info.size;
    int err = check_file(f);

    if (err)
        return err;
    if (f->position > size)
        return -EIO;
    if (*len > size - f->position)
        *len = size - f->position;
    err = *len ? f->node->fs->ops->read(f->node, f->position, buf, *len) : 0;
    if (!err)
        f->position += *len;
    return err;
}

int fs_write(struct fs_file *f, const void *buf, uint64_t *len)
{
    const struct fs_ops *ops = f->node->fs->ops;
    uint64_t want = *len;
    size_t done = 0;
    int err = check_file(f);

    *len = 0;
    if (!err && !(f->mode & FS_WRITE))
        err = -EACCES;
    if (!err && want && f->position > f->node->info.size)
        err = ops->resize(f->node, f->position);
    if (!err && want)
        err = ops->write(f->node, f->position, buf, want, &done);
    f->position += done;
    *len = done;
    return err;
}

uint64_t fs_tell(const struct fs_file *f)
{
    return f->position;
}

int fs_seek(struct fs_file *f, uint64_t position)
{
    if (f->node->deleted)
        return -ESTALE;
    if (is_dir(f->node) && position != 0)
        return -EISDIR;
    f->position = position == UINT64_MAX ? f->node->info.size : position;
    f->previous = 0;
    return 0;
}

int fs_read_dir(struct fs_file *f, struct fs_info *out)
{
    struct fs_node *n;
    int got;

    if (f->node->deleted)
        return -ESTALE;
    if (!is_dir(f->node))
        return -ENOTDIR;
    n = node_scratch(f->node->fs, f->node);
    if (!n)
        return -ENOMEM;
    f->previous = f->position;
    got = f->node->fs->ops->next(f->node, &f->position, n);
    if (got == 1)
        *out = n->info;
    free(n);
    return got;
}

void fs_unread_dir(struct fs_file *f)
{
    if (is_dir(f->node))
        f->position = f->previous;
}

int fs_info(struct fs_file *f, struct fs_info *out)
{
    if (f->node->deleted)
        return -ESTALE;
    *out = f->node->info;
    return 0;
}

/* Changing a file's information */

struct change {
    bool size, name, times, attributes;
    struct fs_node *dir; /* target of a rename, with a reference */
    uint16_t last[FS_NAME_MAX + 1];
};

static bool merge_time(struct fs_time *t, const struct fs_time *to)
{
    bool differs = to->year && memcmp(t, to, sizeof(*t)) != 0;

    if (differs)
        *t = *to;
    return differs;
}

static bool contains(const struct fs_node *n, const struct fs_node *dir)
{
    for (; dir; dir = dir->parent)
        if (dir == n)
            return true;
    return false;
}

static bool terminated(const uint16_t name[FS_NAME_MAX + 1])
{
    for (unsigned i = 0; i <= FS_NAME_MAX; i++)
        if (!name[i])
            return true;
    return false;
}

/* Finds the directory and name of a rename and whether it is possible. */
static int plan_rename(struct fs_node *n, const uint16_t *path, struct change *c)
{
    struct fs_node *other;
    int err;

    if (!n->parent)
        return -EACCES;
    c->dir = path[0] == '\\' ? node_ref(n->fs->root) : node_ref(n->parent);
    err = walk(&c->dir, path, c->last);
    if (err)
        return err;
    if (!c->last[0] || is_dots(c->last))
        return -EINVAL;
    if (contains(n, c->dir))
        return -EACCES;
    err = lookup(c->dir, c->last, &other);
    if (err == -ENOENT)
        return 0;
    if (err)
        return err;
    err = other == n ? 0 : -EEXIST;
    node_put(other);
    return err;
}

static int plan(struct fs_file *f, const struct fs_info *to, struct change *c)
{
    struct fs_node *n = f->node;
    struct fs_info merged = n->info;

    c->times = merge_time(&merged.created, &to->created);
    c->times |= merge_time(&merged.accessed, &to->accessed);
    c->times |= merge_time(&merged.modified, &to->modified);
    c->attributes = to->attributes != n->info.attributes;
    c->size = !is_dir(n) && to->size != n->info.size;
    c->name = !same_name(to->name, n->info.name);
    if ((to->attributes & ~FS_ATTR_ALL) != 0)
        return -EINVAL;
    if ((to->attributes ^ n->info.attributes) & FS_ATTR_DIRECTORY)
        return -EACCES;
    if ((c->size || c->name || c->times) && !(f->mode & FS_WRITE))
        return -EACCES;
    if (!n->parent && (c->attributes || c->times))
        return -EACCES;
    return c->name ? plan_rename(n, to->name, c) : 0;
}

static int apply_update(struct fs_node *n, const struct fs_info *to)
{
    struct fs_info old = n->info;
    int err;

    merge_time(&n->info.created, &to->created);
    merge_time(&n->info.accessed, &to->accessed);
    merge_time(&n->info.modified, &to->modified);
    n->info.attributes = to->attributes;
    err = n->fs->ops->update(n);
    if (err)
        n->info = old;
    return err;
}

static int apply(struct fs_node *n, const struct fs_info *to, const struct change *c)
{
    int err = c->size ? n->fs->ops->resize(n, to->size) : 0;

    if (!err && c->name)
        err = n->fs->ops->rename(n, c->dir, c->last);
    if (!err && c->name && n->parent != c->dir) {
        node_put(n->parent);
        n->parent = node_ref(c->dir);
    }
    if (!err && (c->times || c->attributes))
        err = apply_update(n, to);
    return err;
}

int fs_set_info(struct fs_file *f, const struct fs_info *to)
{
    struct change c = {0};
    int err;

    if (!terminated(to->name))
        return -EINVAL;
    if (f->node->deleted)
        return -ESTALE;
    if (f->node->fs->read_only)
        return -EROFS;
    err = plan(f, to, &c);
    if (!err)
        err = apply(f->node, to, &c);
    node_put(c.dir);
    return err;
}

int fs_flush(struct fs_file *f)
{
    const struct fs_ops *ops = f->node->fs->ops;

    if (f->node->deleted)
        return -ESTALE;
    if (!(f->mode & FS_WRITE))
        return f->node->fs->read_only ? 0 : -EACCES;
    return ops->flush ? ops->flush(f->node->fs) : 0;
}
