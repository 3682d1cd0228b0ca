/* The state directories: see state.h. Every file read is checked; links are not followed. */
#include "state.h"

#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CURRENT   "vmm_config.current"
#define PREVIOUS  "vmm_config.prev"
#define NEXT      "vmm_config.next"
#define APP       "app"
#define TEMPORARY "~new" /* no name of a guest; only the holder of the lock writes */

struct state {
    char *root;
    int fd, uuids, guests, common, lock;
    bool write;
    GPtrArray *entries;
};

static char *root_path(void)
{
    const char *root = getenv("HPVM_ROOT"), *state = getenv("XDG_STATE_HOME");
    if (root != NULL && root[0] != '\0')
        return g_strdup(root);
    if (geteuid() == 0)
        return g_strdup("/var/opt/hpvm");
    if (state != NULL && state[0] == '/')
        return g_build_filename(state, "hpvm", NULL);
    return g_build_filename(g_get_home_dir(), ".local", "state", "hpvm", NULL);
}

static int open_directory(int at, const char *name)
{
    if (mkdirat(at, name, 0755) != 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* Files */

static GString *read_most(int dir, const char *name, size_t most)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size > most) {
        close(fd);
        return NULL;
    }
    GString *text = g_string_sized_new((gsize)st.st_size + 1);
    ssize_t n;
    char part[4096];
    while ((n = read(fd, part, sizeof part)) > 0 && text->len <= most)
        g_string_append_len(text, part, n);
    close(fd);
    return text;
}

static GString *read_file(int dir, const char *name)
{
    return read_most(dir, name, GUEST_CONFIG_MAX);
}

static int write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, data, length);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            data += n;
            length -= (size_t)n;
        }
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

static int write_file(int dir, const char *name, const char *data, size_t length)
{
    int fd = openat(dir, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int status = write_all(fd, data, length);
    close(fd);
    if (status == 0 && renameat(dir, TEMPORARY, dir, name) != 0)
        status = -errno;
    if (status != 0)
        unlinkat(dir, TEMPORARY, 0);
    else
        fsync(dir);
    return status;
}

static int write_config(int dir, const char *name, const struct guest *g)
{
    GString *text = guest_write(g);
    int status = write_file(dir, name, text->str, text->len);
    g_string_free(text, TRUE);
    return status;
}

/* Directories of guests hold files and the directory app, except what somebody else put there. */
static void remove_directory(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *d;
    while (dir != NULL && (d = readdir(dir)) != NULL)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            if (unlinkat(dirfd(dir), d->d_name, 0) != 0 && strcmp(d->d_name, APP) == 0 &&
                strcmp(name, APP) != 0)
                remove_directory(dirfd(dir), APP);
    if (dir != NULL)
        closedir(dir);
    unlinkat(at, name, AT_REMOVEDIR);
}

static GPtrArray *list_directory(int at)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *d;
    while (dir != NULL && (d = readdir(dir)) != NULL)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            g_ptr_array_add(names, g_strdup(d->d_name));
    if (dir != NULL)
        closedir(dir);
    return names;
}

/* Reading guests */

static struct guest *load(int dir, const char *file, const char *uuid, char *why, size_t size)
{
    GString *text = read_file(dir, file);
    if (text == NULL) {
        snprintf(why, size, "%s cannot be read", file);
        return NULL;
    }
    char reason[160];
    struct guest *g = guest_parse(text->str, text->len, reason, sizeof reason);
    g_string_free(text, TRUE);
    if (g != NULL && strcmp(g->uuid, uuid) == 0)
        return g;
    snprintf(why, size, "%s: %s", file, g != NULL ? "uuid of another guest" : reason);
    guest_free(g);
    return NULL;
}

/* The file "run" says more about a running guest: "state = On (OS)", "pid = 12". */
static void read_run(int dir, struct entry *e)
{
    static const char *const states[] = {"On (EFI)", "On (OS)", "On (ATTN!)", "Migrating"};
    GString *text = read_file(dir, "run");
    g_auto(GStrv) lines = g_strsplit(text != NULL ? text->str : "", "\n", 0);
    e->run = "On";
    for (guint i = 0; lines[i] != NULL; i++) {
        uint64_t pid;
        for (size_t j = 0; j < G_N_ELEMENTS(states); j++)
            if (g_str_has_prefix(lines[i], "state = ") && strcmp(lines[i] + 8, states[j]) == 0)
                e->run = states[j];
        if (g_str_has_prefix(lines[i], "pid = ") &&
            text_parse_number(lines[i] + 6, 1, INT32_MAX, &pid) == 0)
            e->pid = (pid_t)pid;
    }
    if (text != NULL)
        g_string_free(text, TRUE);
}

/* A guest runs as long as its process holds the lock, so a crash shows at once. */
static bool is_running(int dir)
{
    int fd = openat(dir, "run", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}

static void load_next(int dir, struct entry *e)
{
    char why[200];
    if (faccessat(dir, NEXT, F_OK, AT_SYMLINK_NOFOLLOW) != 0 || e->guest == NULL)
        return;
    e->next = load(dir, NEXT, e->uuid, why, sizeof why);
    if (e->next == NULL || e->running)
        return;
    guest_free(e->guest);
    e->guest = e->next;
    e->next = NULL;
}

static struct entry *load_entry(struct state *s, const char *uuid)
{
    struct entry *e = g_new0(struct entry, 1);
    g_strlcpy(e->uuid, uuid, sizeof e->uuid);
    g_strlcpy(e->name, uuid, sizeof e->name);
    e->run = "Off";
    int dir = openat(s->uuids, uuid, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    e->guest = load(dir, CURRENT, uuid, e->problem, sizeof e->problem);
    e->running = is_running(dir);
    if (e->running)
        read_run(dir, e);
    load_next(dir, e);
    if (e->guest != NULL)
        g_strlcpy(e->name, e->guest->name, sizeof e->name);
    else if (!e->running)
        e->run = "Invalid";
    if (dir >= 0)
        close(dir);
    return e;
}

static void free_entry(void *p)
{
    struct entry *e = p;
    guest_free(e->guest);
    guest_free(e->next);
    g_free(e);
}

static int by_number(const void *left, const void *right)
{
    const struct entry *a = *(struct entry *const *)left, *b = *(struct entry *const *)right;
    uint64_t x = a->guest != NULL ? a->guest->number : UINT64_MAX;
    uint64_t y = b->guest != NULL ? b->guest->number : UINT64_MAX;
    return x != y ? (x < y ? -1 : 1) : strcmp(a->name, b->name);
}

/* A damaged guest is known by the link that leads to it. */
static void name_damaged(struct state *s)
{
    g_autoptr(GPtrArray) links = list_directory(s->guests);
    for (guint i = 0; i < links->len; i++) {
        const char *name = links->pdata[i];
        char target[64] = "";
        if (!guest_name_valid(name) ||
            readlinkat(s->guests, name, target, sizeof target - 1) != 9 + 36)
            continue;
        for (guint j = 0; j < s->entries->len; j++) {
            struct entry *e = s->entries->pdata[j];
            if (e->guest == NULL && strcmp(e->uuid, target + 9) == 0)
                g_strlcpy(e->name, name, sizeof e->name);
        }
    }
}

static void load_entries(struct state *s)
{
    g_autoptr(GPtrArray) names = list_directory(s->uuids);
    uint8_t uuid[16];
    s->entries = g_ptr_array_new_with_free_func(free_entry);
    for (guint i = 0; i < names->len; i++)
        if (text_parse_uuid(names->pdata[i], uuid) == 0)
            g_ptr_array_add(s->entries, load_entry(s, names->pdata[i]));
    name_damaged(s);
    g_ptr_array_sort(s->entries, by_number);
}

GPtrArray *state_entries(struct state *s)
{
    return s->entries;
}

struct entry *state_find_uuid(struct state *s, const char *uuid)
{
    for (guint i = 0; i < s->entries->len; i++) {
        struct entry *e = s->entries->pdata[i];
        if (strcmp(e->uuid, uuid) == 0)
            return e;
    }
    return NULL;
}

struct entry *state_find(struct state *s, const char *name, uint64_t number)
{
    for (guint i = 0; i < s->entries->len; i++) {
        struct entry *e = s->entries->pdata[i];
        if (name != NULL ? strcmp(e->name, name) == 0
                         : e->guest != NULL && e->guest->number == number)
            return e;
    }
    return NULL;
}

/* Writers */

static void link_name(struct state *s, const char *name, const char *uuid)
{
    char target[64];
    snprintf(target, sizeof target, "../uuids/%s", uuid);
    unlinkat(s->guests, TEMPORARY, 0);
    if (symlinkat(target, s->guests, TEMPORARY) == 0)
        renameat(s->guests, TEMPORARY, s->guests, name);
    fsync(s->guests);
}

/* What a killed writer may have left: unfinished or half-removed guests, a missing link. */
static void repair(struct state *s)
{
    g_autoptr(GPtrArray) names = list_directory(s->uuids);
    for (guint i = 0; i < names->len; i++)
        if (g_str_has_prefix(names->pdata[i], ".new-") ||
            g_str_has_prefix(names->pdata[i], ".old-"))
            remove_directory(s->uuids, names->pdata[i]);
    unlinkat(s->common, TEMPORARY, 0);
    for (guint i = 0; i < s->entries->len; i++) {
        const struct entry *e = s->entries->pdata[i];
        g_autofree char *path = g_build_filename(e->uuid, TEMPORARY, NULL);
        unlinkat(s->uuids, path, 0);
    }
    g_autoptr(GPtrArray) links = list_directory(s->guests);
    for (guint i = 0; i < links->len; i++)
        if (state_find(s, links->pdata[i], 0) == NULL)
            unlinkat(s->guests, links->pdata[i], 0);
    for (guint i = 0; i < s->entries->len; i++) {
        struct entry *e = s->entries->pdata[i];
        char path[64], target[64] = "";
        snprintf(path, sizeof path, "../uuids/%s", e->uuid);
        if (e->guest != NULL && (readlinkat(s->guests, e->name, target, sizeof target - 1) < 0 ||
                                 strcmp(path, target) != 0))
            link_name(s, e->name, e->uuid);
    }
}

static int open_all(struct state *s)
{
    if (g_mkdir_with_parents(s->root, 0755) != 0)
        return -errno;
    s->fd = open(s->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    if (s->fd < 0 || fstat(s->fd, &st) != 0)
        return -errno;
    if (geteuid() != 0 && st.st_uid != geteuid())
        return -EPERM;
    s->common = open_directory(s->fd, "common");
    s->uuids = open_directory(s->fd, "uuids");
    s->guests = open_directory(s->fd, "guests");
    if (s->common < 0 || s->uuids < 0 || s->guests < 0)
        return -errno;
    s->lock = openat(s->common, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock < 0)
        return -errno;
    while (flock(s->lock, s->write ? LOCK_EX : LOCK_SH) != 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

struct state *state_open(bool write, char *why, size_t size)
{
    struct state *s = g_new0(struct state, 1);
    s->root = root_path();
    s->fd = s->uuids = s->guests = s->common = s->lock = -1;
    s->write = write;
    int status = open_all(s);
    if (status == 0) {
        load_entries(s);
        if (write)
            repair(s);
        return s;
    }
    if (status == -EPERM || (status == -EACCES && geteuid() != 0))
        snprintf(why, size, "Superuser privileges required.");
    else
        snprintf(why, size, "%s: %s.", s->root, strerror(-status));
    state_close(s);
    return NULL;
}

void state_close(struct state *s)
{
    int fds[] = {s->lock, s->common, s->guests, s->uuids, s->fd};
    if (s->entries != NULL)
        g_ptr_array_free(s->entries, TRUE);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    g_free(s->root);
    g_free(s);
}

const char *state_root(const struct state *s)
{
    return s->root;
}

void state_new_uuid(char uuid[37])
{
    uint8_t b[16];
    if (getrandom(b, sizeof b, 0) != sizeof b)
        for (int i = 0; i < 16; i++)
            b[i] = (uint8_t)g_random_int();
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    snprintf(uuid, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
}

/* Numbers are not used again: a script that remembers one never hits another guest. */
static uint64_t new_number(struct state *s)
{
    uint64_t number = 1;
    GString *text = read_file(s->common, "next_number");
    if (text != NULL) {
        g_strchomp(text->str);
        if (text_parse_number(text->str, 1, 99999, &number) != 0)
            number = 1;
        g_string_free(text, TRUE);
    }
    for (guint i = 0; i < s->entries->len; i++) {
        const struct entry *e = s->entries->pdata[i];
        if (e->guest != NULL && e->guest->number >= number)
            number = e->guest->number + 1;
    }
    return number;
}

static int write_extra(int dir, const struct state_file *f)
{
    const char *slash = strchr(f->name, '/');
    if (slash == NULL)
        return write_file(dir, f->name, f->data, f->length);
    g_autofree char *below = g_strndup(f->name, (gsize)(slash - f->name));
    int fd = open_directory(dir, below);
    int status = fd < 0 ? -errno : fchmod(fd, 0700) != 0 ? -errno : 0;
    if (status == 0)
        status = write_file(fd, slash + 1, f->data, f->length);
    if (fd >= 0)
        close(fd);
    return status;
}

int state_create(struct state *s, struct guest *g)
{
    return state_create_with(s, g, NULL, 0);
}

int state_create_with(struct state *s, struct guest *g, const struct state_file *files,
                      unsigned count)
{
    char temporary[64], next[32];
    g->number = new_number(s);
    if (g->number > 99999)
        return -ENOSPC;
    if (g->serial[0] == '\0')
        snprintf(g->serial, sizeof g->serial, "VM%04u%04u", g_str_hash(g_get_host_name()) % 10000,
                 (unsigned)(g->number % 10000));
    snprintf(temporary, sizeof temporary, ".new-%s", g->uuid);
    snprintf(next, sizeof next, "%llu\n", (unsigned long long)g->number + 1);
    int dir = open_directory(s->uuids, temporary);
    if (dir < 0)
        return -errno;
    int status = write_config(dir, CURRENT, g);
    for (unsigned i = 0; status == 0 && i < count; i++)
        status = write_extra(dir, &files[i]);
    close(dir);
    if (status == 0)
        status = write_file(s->common, "next_number", next, strlen(next));
    if (status == 0 && renameat(s->uuids, temporary, s->uuids, g->uuid) != 0)
        status = -errno;
    if (status != 0) {
        remove_directory(s->uuids, temporary);
        return status;
    }
    fsync(s->uuids);
    link_name(s, g->name, g->uuid);
    return 0;
}

static int save_as(struct state *s, const char *uuid, const struct guest *g, bool next)
{
    int dir = openat(s->uuids, uuid, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        return -errno;
    int status = 0;
    if (!next) {
        GString *old = read_file(dir, CURRENT);
        if (old != NULL) {
            status = write_file(dir, PREVIOUS, old->str, old->len);
            g_string_free(old, TRUE);
        }
    }
    if (status == 0)
        status = write_config(dir, next ? NEXT : CURRENT, g);
    if (status == 0 && !next)
        unlinkat(dir, NEXT, 0);
    close(dir);
    return status;
}

int state_save(struct state *s, const struct entry *e, const struct guest *g)
{
    return save_as(s, e->uuid, g, e->running);
}

int state_save_active(struct state *s, const struct entry *e, const struct guest *active,
                      const struct guest *next)
{
    int dir = state_directory(s, e);
    if (dir < 0)
        return dir;
    int status = next != NULL ? write_config(dir, NEXT, next) : 0;
    if (status == 0)
        status = write_config(dir, CURRENT, active);
    if (status == 0 && next == NULL)
        unlinkat(dir, NEXT, 0);
    close(dir);
    return status;
}

int state_rename(struct state *s, const struct entry *e, const char *name)
{
    int dir = openat(s->uuids, e->uuid, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        return -errno;
    struct guest *g = guest_copy(e->guest);
    g_strlcpy(g->name, name, sizeof g->name);
    int status = 0;
    if (e->next != NULL) {
        struct guest *next = guest_copy(e->next);
        g_strlcpy(next->name, name, sizeof next->name);
        status = write_config(dir, NEXT, next);
        guest_free(next);
    }
    if (status == 0)
        status = write_config(dir, CURRENT, g);
    guest_free(g);
    close(dir);
    if (status != 0)
        return status;
    link_name(s, name, e->uuid);
    unlinkat(s->guests, e->name, 0);
    return 0;
}

int state_remove(struct state *s, const struct entry *e)
{
    char old[64];
    snprintf(old, sizeof old, ".old-%s", e->uuid);
    if (renameat(s->uuids, e->uuid, s->uuids, old) != 0)
        return -errno;
    fsync(s->uuids);
    unlinkat(s->guests, e->name, 0);
    remove_directory(s->uuids, old);
    return 0;
}

/* Guests that run */

int state_directory(struct state *s, const struct entry *e)
{
    int dir = openat(s->uuids, e->uuid, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return dir >= 0 ? dir : -errno;
}

char *state_path(const struct state *s, const struct entry *e)
{
    return g_build_filename(s->root, "uuids", e->uuid, NULL);
}

/* Readers that try the lock hold the state's lock, which s has for itself. */
int state_run_lock(struct state *s, const struct entry *e)
{
    int dir = state_directory(s, e);
    if (dir < 0)
        return dir;
    int fd = openat(dir, "run", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644);
    int err = fd >= 0 ? 0 : -errno;
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        err = errno == EWOULDBLOCK ? -EBUSY : -errno;
        close(fd);
    }
    close(dir);
    return err != 0 ? err : fd;
}

/* One write of always the same size, so that no reader sees half of it. */
int state_run_write(int lock, const char *run, pid_t pid)
{
    char text[64];
    memset(text, '\n', sizeof text);
    int n = snprintf(text, sizeof text, "state = %.20s\npid = %d\n", run, (int)pid);
    if (n > 0 && n < (int)sizeof text)
        text[n] = '\n';
    return pwrite(lock, text, sizeof text, 0) == sizeof text ? 0 : -errno;
}

/* At every moment there is a current configuration. One that is damaged stays where it is. */
int state_promote(struct state *s, const struct entry *e)
{
    char why[200];
    int status = 0, dir = state_directory(s, e);
    if (dir < 0)
        return dir;
    struct guest *next = faccessat(dir, NEXT, F_OK, AT_SYMLINK_NOFOLLOW) == 0
                             ? load(dir, NEXT, e->uuid, why, sizeof why)
                             : NULL;
    if (next != NULL) {
        unlinkat(dir, TEMPORARY, 0);
        if (linkat(dir, CURRENT, dir, TEMPORARY, 0) != 0 ||
            renameat(dir, TEMPORARY, dir, PREVIOUS) != 0 || renameat(dir, NEXT, dir, CURRENT) != 0)
            status = -errno;
        fsync(dir);
    }
    guest_free(next);
    close(dir);
    return status;
}

static int set_os_in(int dir, const char *file, const struct guest *g, const char *os_type)
{
    if (g == NULL || strcmp(g->os_type, os_type) == 0)
        return 0;
    struct guest *changed = guest_copy(g);
    g_strlcpy(changed->os_type, os_type, sizeof changed->os_type);
    int status = write_config(dir, file, changed);
    guest_free(changed);
    return status;
}

int state_set_os(struct state *s, const struct entry *e, const char *os_type)
{
    int dir = state_directory(s, e);
    if (dir < 0)
        return dir;
    int status = set_os_in(dir, CURRENT, e->guest, os_type);
    if (status == 0)
        status = set_os_in(dir, NEXT, e->next, os_type);
    close(dir);
    return status;
}

/* Files of a guest */

int state_read_own(struct state *s, const char *uuid, const char *name, size_t most, GString **text)
{
    g_autofree char *path = g_build_filename(uuid, name, NULL);
    *text = read_most(s->uuids, path, most);
    if (*text != NULL)
        return 0;
    return faccessat(s->uuids, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? -EIO : -ENOENT;
}

int state_write_own(struct state *s, const char *uuid, const char *name, const GString *text)
{
    int dir = openat(s->uuids, uuid, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        return -errno;
    int status = 0;
    if (text != NULL)
        status = write_file(dir, name, text->str, text->len);
    else if (unlinkat(dir, name, 0) != 0 && errno != ENOENT)
        status = -errno;
    fsync(dir);
    close(dir);
    return status;
}

/* Files of common/ */

int state_read_common(struct state *s, const char *name, GString **text)
{
    *text = read_file(s->common, name);
    if (*text != NULL)
        return 0;
    return faccessat(s->common, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? -EIO : -ENOENT;
}

int state_write_common(struct state *s, const char *name, const GString *text)
{
    return text->len > GUEST_CONFIG_MAX ? -EFBIG
                                        : write_file(s->common, name, text->str, text->len);
}

/* Logs */

static int open_log(struct state *s, const char *uuid, int flags)
{
    char path[64] = "command.log";
    if (uuid != NULL)
        snprintf(path, sizeof path, "%s/events", uuid);
    return openat(uuid != NULL ? s->uuids : s->common, path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

void state_log(struct state *s, const char *uuid, const char *line)
{
    int fd = open_log(s, uuid, O_WRONLY | O_APPEND | O_CREAT);
    time_t now = time(NULL);
    struct tm tm;
    char stamp[32];
    if (fd < 0)
        return;
    strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
    g_autofree char *text = g_strdup_printf("%s %s\n", stamp, line);
    for (char *p = text; p[0] != '\0' && p[1] != '\0'; p++)
        if ((unsigned char)*p < ' ')
            *p = '?';
    if (write(fd, text, strlen(text)) < 0)
        fprintf(stderr, "%s: %s\n", uuid != NULL ? "events" : "command.log", strerror(errno));
    close(fd);
}

void state_show_log(struct state *s, const char *uuid, FILE *out)
{
    int fd = open_log(s, uuid, O_RDONLY | O_NONBLOCK);
    FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;
    char line[4096];
    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        fputs(line, out);
    if (in != NULL)
        fclose(in);
}
