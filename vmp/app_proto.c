/* Sockets, requests and frames between the commands and hpvmapp: see app_proto.h. */
#define _GNU_SOURCE
#include "app_proto.h"

#include "rundir.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that does not answer in so long is stuck. Requests that wait are not limited. */
#define ANSWER_MS (120 * 1000)

/* --- places --- */

int app_socket_path(const char *uuid, const char *what, char path[APP_PATH_MAX])
{
    char base[PATH_MAX], why[PATH_MAX + 100];
    int err = rundir_base(false, base, sizeof base, why, sizeof why);
    if (err != 0)
        return err;
    int n = snprintf(path, APP_PATH_MAX, "%.80s/%s/%s", base, uuid, what);
    return n < 0 || n >= APP_PATH_MAX || strlen(base) > 80 ? -ENAMETOOLONG : 0;
}

int app_find(const char *name, uint64_t number, char uuid[37])
{
    char base[PATH_MAX], why[PATH_MAX + 100], target[64] = "";
    uint8_t bytes[16];
    int err = rundir_base(false, base, sizeof base, why, sizeof why);
    if (err != 0)
        return err;
    if (name != NULL && (strchr(name, '/') != NULL || strlen(name) > NAME_MAX))
        return -ENOENT;
    g_autofree char *link =
        name != NULL ? g_build_filename(base, "name", name, NULL)
                     : g_strdup_printf("%s/number/%llu", base, (unsigned long long)number);
    ssize_t n = readlink(link, target, sizeof target - 1);
    if (n < 0)
        return -errno;
    if (n != 3 + 36 || text_parse_uuid(target + 3, bytes) != 0)
        return -ENOENT;
    memcpy(uuid, target + 3, 37);
    return 0;
}

static int complain(int err, const char *path, char *why, size_t size)
{
    snprintf(why, size, "%s: %s.", path, strerror(-err));
    return err;
}

int app_listen(const char *uuid, const char *what, unsigned mode, char *why, size_t size)
{
    char base[PATH_MAX];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int err = rundir_base(true, base, sizeof base, why, size);
    if (err != 0)
        return err;
    g_autofree char *dir = g_build_filename(base, uuid, NULL);
    if (app_socket_path(uuid, what, a.sun_path) != 0)
        return complain(-ENAMETOOLONG, dir, why, size);
    if (mkdir(dir, 0711) != 0 && errno != EEXIST)
        return complain(-errno, dir, why, size);
    chmod(dir, 0711);
    unlink(a.sun_path); /* of a process that died: the guest's lock is ours */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0777); /* nobody before the mode is right */
    bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof a) == 0;
    umask(mask);
    if (ok && listen(fd, 64) == 0 && chmod(a.sun_path, mode) == 0)
        return fd;
    err = -errno;
    if (fd >= 0)
        close(fd);
    return complain(err, a.sun_path, why, size);
}

/* Links of a directory that lead to a guest. */
static void remove_links(const char *base, const char *sub, const char *uuid)
{
    g_autofree char *path = g_build_filename(base, sub, NULL);
    DIR *dir = opendir(path);
    struct dirent *d;
    char target[64];
    while (dir != NULL && (d = readdir(dir)) != NULL) {
        ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof target - 1);
        if (n != 3 + 36)
            continue;
        target[n] = '\0';
        if (strcmp(target + 3, uuid) == 0)
            unlinkat(dirfd(dir), d->d_name, 0);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(path); /* the last one */
}

static int make_link(const char *base, const char *sub, const char *name, const char *uuid)
{
    g_autofree char *dir = g_build_filename(base, sub, NULL);
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autofree char *target = g_strdup_printf("../%s", uuid);
    for (int tries = 0; tries < 100; tries++) { /* others remove the directory and the name */
        if (mkdir(dir, 0711) == 0)
            chmod(dir, 0711);
        if (symlink(target, path) == 0)
            return 0;
        if (errno == EEXIST)
            unlink(path);
        else if (errno != ENOENT)
            return -errno;
    }
    return -EAGAIN;
}

int app_publish(const char *uuid, const char *name, uint64_t number, char *why, size_t size)
{
    char base[PATH_MAX], digits[24];
    int err = rundir_base(true, base, sizeof base, why, size);
    if (err != 0)
        return err;
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    remove_links(base, "name", uuid);
    err = make_link(base, "name", name, uuid);
    if (err == 0)
        err = make_link(base, "number", digits, uuid);
    return err == 0 ? 0 : complain(err, base, why, size);
}

void app_withdraw(const char *uuid)
{
    static const char *const sockets[] = {"control", "console"};
    char base[PATH_MAX], path[APP_PATH_MAX], why[PATH_MAX + 100];
    if (rundir_base(false, base, sizeof base, why, sizeof why) != 0)
        return;
    remove_links(base, "name", uuid);
    remove_links(base, "number", uuid);
    for (size_t i = 0; i < G_N_ELEMENTS(sockets); i++)
        if (app_socket_path(uuid, sockets[i], path) == 0)
            unlink(path);
    g_autofree char *dir = g_build_filename(base, uuid, NULL);
    rmdir(dir);
}

/* --- requests --- */

int app_connect(const char *uuid, const char *what)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int err = app_socket_path(uuid, what, a.sun_path);
    if (err != 0)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

struct answer {
    int fd, gift;
    int timeout; /* -1: none */
    char line[APP_LINE_MAX + 1];
    char buffer[APP_LINE_MAX + 1];
    size_t used;
};

/* The next line, without its end. 0, -ECONNRESET at the end, or another negative errno. */
static int read_line(struct answer *a)
{
    for (;;) {
        char *end = memchr(a->buffer, '\n', a->used);
        if (end != NULL) {
            size_t n = (size_t)(end - a->buffer);
            memcpy(a->line, a->buffer, n);
            a->line[n] = '\0';
            memmove(a->buffer, end + 1, a->used - n - 1);
            a->used -= n + 1;
            return 0;
        }
        if (a->used == APP_LINE_MAX)
            return -EPROTO;
        struct pollfd p = {.fd = a->fd, .events = POLLIN};
        int ready = poll(&p, 1, a->timeout);
        if (ready == 0)
            return -ETIMEDOUT;
        ssize_t n = ready < 0 ? -1 : read(a->fd, a->buffer + a->used, APP_LINE_MAX - a->used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -ECONNRESET;
        a->used += (size_t)n;
    }
}

static int greeting(struct answer *a, char *why, size_t size)
{
    int err = read_line(a);
    if (err != 0)
        return err;
    if (strcmp(a->line, "hpvmapp " KITTSON_VERSION) == 0)
        return 0;
    snprintf(why, size,
             "The command (%s) and the software the guest runs on (%.40s) are at different "
             "revision levels.",
             KITTSON_VERSION, a->line);
    return -EPROTO;
}

/* A request is short: it is taken as a whole. */
static int send_request(int to, const char *line, int gift)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec io = {(char *)line, strlen(line)};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    if (gift >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof gift);
        memcpy(CMSG_DATA(c), &gift, sizeof gift);
    }
    return sendmsg(to, &m, MSG_NOSIGNAL) == (ssize_t)io.iov_len ? 0 : -ECONNRESET;
}

static int converse(struct answer *a, const char *request, app_line *each, void *opaque, char *why,
                    size_t size)
{
    g_autofree char *line = g_strdup_printf("%s\n", request);
    int err = greeting(a, why, size);
    if (err == 0)
        err = send_request(a->fd, line, a->gift);
    while (err == 0 && (err = read_line(a)) == 0) {
        if (a->line[0] == '+' && each != NULL)
            each(opaque, a->line + 1);
        else if (strcmp(a->line, "ok") == 0)
            return 0;
        else if (g_str_has_prefix(a->line, "error ")) {
            snprintf(why, size, "%s", a->line + 6);
            return -EREMOTEIO;
        } else if (a->line[0] != '+')
            err = -EPROTO;
    }
    if (err == -ECONNRESET && strcmp(request, "wait") == 0)
        return 0;
    if (why[0] == '\0')
        snprintf(why, size, "The guest's process does not answer: %s.", strerror(-err));
    return err;
}

int app_request_fd(const char *uuid, const char *request, int fd, app_line *each, void *opaque,
                   char *why, size_t size)
{
    why[0] = '\0';
    if (strlen(request) >= APP_LINE_MAX || strchr(request, '\n') != NULL) {
        snprintf(why, size, "The request is too long.");
        return -EINVAL;
    }
    struct answer *a = g_new0(struct answer, 1);
    a->timeout = strcmp(request, "wait") == 0 ? -1 : ANSWER_MS;
    a->gift = fd;
    a->fd = app_connect(uuid, "control");
    int err = a->fd;
    if (a->fd < 0)
        snprintf(why, size, "The guest's process cannot be reached: %s.", strerror(-err));
    else
        err = converse(a, request, each, opaque, why, size);
    if (a->fd >= 0)
        close(a->fd);
    g_free(a);
    return err;
}

int app_request(const char *uuid, const char *request, app_line *each, void *opaque, char *why,
                size_t size)
{
    return app_request_fd(uuid, request, -1, each, opaque, why, size);
}

/* --- starting --- */

int app_start(const char *path, int lock, int out)
{
    char *argv[] = {"hpvmapp", "--lock", "3", (char *)path, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, lock, 3); /* lock == 3: stays open too */
    int err = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (err != 0)
        return -err;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

/* --- frames --- */

size_t app_frame_put(uint8_t *out, enum app_frame_type type, const void *data, size_t length)
{
    length = length < APP_FRAME_MAX ? length : APP_FRAME_MAX;
    out[0] = (uint8_t)type;
    out[1] = 0;
    out[2] = (uint8_t)length;
    out[3] = (uint8_t)(length >> 8);
    if (length > 0)
        memcpy(out + 4, data, length);
    return length + 4;
}

size_t app_frames_room(struct app_frames *f, uint8_t **at)
{
    *at = f->buffer + f->used;
    return sizeof f->buffer - f->used;
}

void app_frames_filled(struct app_frames *f, size_t n)
{
    f->used += n;
}

int app_frames_take(struct app_frames *f, const char *types, struct app_frame *out)
{
    if (f->used >= 1 && (f->buffer[0] == 0 || strchr(types, f->buffer[0]) == NULL))
        return -EPROTO;
    if (f->used < 4)
        return 0;
    size_t length = f->buffer[2] | (size_t)f->buffer[3] << 8;
    if (f->buffer[1] != 0 || length > APP_FRAME_MAX)
        return -EPROTO;
    if (f->used < 4 + length)
        return 0;
    out->type = (enum app_frame_type)f->buffer[0];
    out->data = f->taken;
    out->length = length;
    memcpy(f->taken, f->buffer + 4, length);
    f->used -= 4 + length;
    memmove(f->buffer, f->buffer + 4 + length, f->used);
    return 1;
}
