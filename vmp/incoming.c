/* See incoming.h. A file and its other name are one inode: that is how the file of an unfinished
 * arrival is told from one that was there before. */
#include "incoming.h"
#include "storage.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX  ".hpvmmigrate"
#define JOURNAL "incoming-"

struct incoming {
    char *journal;
    int lock;
    GPtrArray *paths; /* char * */
    GArray *files;    /* int */
};

static char *other_name(const char *path)
{
    return g_strconcat(path, SUFFIX, NULL);
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return lstat(a, &x) == 0 && lstat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

static void sync_directory_of(const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

static void forget_file(const char *path, bool keep)
{
    g_autofree char *other = other_name(path);
    if (!keep && same_file(path, other))
        unlink(path);
    unlink(other);
    sync_directory_of(path);
}

/* --- those that died --- */

static void clean_journal(struct state *s, const char *path, const char *uuid)
{
    char text[(RESOURCE_DEVICE_MAX + 1) * (GUEST_SCSI_MAX + GUEST_AVIO_MAX) + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    ssize_t n = flock(fd, LOCK_EX | LOCK_NB) == 0 ? read(fd, text, sizeof text - 1) : -1;
    if (n >= 0) {
        text[n] = '\0';
        g_auto(GStrv) line = g_strsplit(text, "\n", 0);
        for (guint i = 0; line[i] != NULL && line[i + 1] != NULL; i++) /* the last has no end */
            if (line[i][0] == '/')
                forget_file(line[i], state_find_uuid(s, uuid) != NULL);
        unlink(path);
    }
    close(fd);
}

void incoming_clean(struct state *s)
{
    g_autofree char *common = g_build_filename(state_root(s), "common", NULL);
    GDir *dir = g_dir_open(common, 0, NULL);
    const char *name;
    uint8_t uuid[16];
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        const char *of = name + strlen(JOURNAL);
        g_autofree char *path = g_build_filename(common, name, NULL);
        if (g_str_has_prefix(name, JOURNAL) && text_parse_uuid(of, uuid) == 0)
            clean_journal(s, path, of);
    }
    if (dir != NULL)
        g_dir_close(dir);
}

/* --- a new one --- */

static int write_journal(struct incoming *in)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < in->paths->len; i++)
        g_string_append_printf(text, "%s\n", (const char *)in->paths->pdata[i]);
    in->lock = open(in->journal, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (in->lock < 0 || flock(in->lock, LOCK_EX | LOCK_NB) != 0)
        return -errno;
    ssize_t n = write(in->lock, text->str, text->len);
    if (n != (ssize_t)text->len)
        return n < 0 ? -errno : -ENOSPC;
    return fsync(in->lock) == 0 ? 0 : -errno;
}

/* What is there already must not get into the journal. */
static int find_obstacles(const GPtrArray *paths, char *why, size_t size)
{
    for (guint i = 0; i < paths->len; i++) {
        const char *path = paths->pdata[i];
        g_autofree char *other = other_name(path);
        struct stat st;
        const char *there = lstat(path, &st) == 0 ? path : lstat(other, &st) == 0 ? other : NULL;
        if (there != NULL) {
            snprintf(why, size, "'%s' exists already.", there);
            return -EEXIST;
        }
    }
    return 0;
}

static int make_file(struct incoming *in, const char *path, char *why, size_t size)
{
    g_autofree char *other = other_name(path);
    uint64_t none;
    int made = open(other, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (made < 0) {
        int err = -errno;
        snprintf(why, size, "'%s': %s.", other, strerror(-err));
        return err;
    }
    close(made);
    int fd = storage_open(other, true, &none, why, size);
    if (fd >= 0)
        g_array_append_val(in->files, fd);
    else
        unlink(other);
    return fd >= 0 ? 0 : fd;
}

static void remove_all(struct incoming *in, bool keep)
{
    for (guint i = 0; i < in->files->len; i++) {
        forget_file(in->paths->pdata[i], keep);
        close(g_array_index(in->files, int, i));
    }
    if (in->lock >= 0) {
        unlink(in->journal);
        close(in->lock);
    }
    g_ptr_array_free(in->paths, TRUE);
    g_array_free(in->files, TRUE);
    g_free(in->journal);
    g_free(in);
}

struct incoming *incoming_new(struct state *s, const char *uuid, const GPtrArray *paths, char *why,
                              size_t size)
{
    struct incoming *in = g_new0(struct incoming, 1);
    in->lock = -1;
    in->journal = g_strdup_printf("%s/common/" JOURNAL "%s", state_root(s), uuid);
    in->paths = g_ptr_array_new_with_free_func(g_free);
    in->files = g_array_new(FALSE, FALSE, sizeof(int));
    for (guint i = 0; i < paths->len; i++)
        g_ptr_array_add(in->paths, g_strdup(paths->pdata[i]));
    incoming_clean(s);
    int err = find_obstacles(paths, why, size);
    if (err == 0 && (err = write_journal(in)) != 0)
        snprintf(why, size, "%s",
                 err == -EEXIST ? "The guest is arriving already." : strerror(-err));
    for (guint i = 0; err == 0 && i < paths->len; i++)
        err = make_file(in, paths->pdata[i], why, size);
    if (err == 0)
        return in;
    remove_all(in, false);
    return NULL;
}

int incoming_file(const struct incoming *in, unsigned i)
{
    return g_array_index(in->files, int, i);
}

int incoming_publish(struct incoming *in, char *why, size_t size)
{
    int err = 0;
    for (guint i = 0; err == 0 && i < in->files->len; i++) {
        const char *path = in->paths->pdata[i];
        g_autofree char *other = other_name(path);
        if (link(other, path) != 0) {
            err = -errno;
            snprintf(why, size, "'%s': %s.", path, strerror(-err));
        }
        sync_directory_of(path);
    }
    for (guint i = 0; err != 0 && i < in->files->len; i++) {
        g_autofree char *other = other_name(in->paths->pdata[i]);
        if (same_file(in->paths->pdata[i], other))
            unlink(in->paths->pdata[i]);
    }
    return err;
}

void incoming_end(struct incoming *in, bool keep)
{
    if (in != NULL)
        remove_all(in, keep);
}
