/* See unix_socket.h. */
#define _GNU_SOURCE
#include "unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4

/* Makes way for a new socket: an old one nobody serves is removed, anything else is an error. */
static int clear_path(const struct sockaddr_un *a, const char **why)
{
    struct stat st;
    int fd, err;

    if (lstat(a->sun_path, &st) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode)) {
        *why = "exists and is not a socket";
        return -EEXIST;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    err = connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 ? 0 : errno;
    close(fd);
    if (err != ECONNREFUSED) {
        *why = "another process listens there";
        return -EADDRINUSE;
    }
    return unlink(a->sun_path) == 0 ? 0 : -errno;
}

/* Nobody can connect before listen(), so there is no moment with other permissions. */
static int bind_private(int fd, const struct sockaddr_un *a, struct stat *st)
{
    int err;

    if (bind(fd, (const struct sockaddr *)a, sizeof(*a)) != 0)
        return -errno;
    if (lstat(a->sun_path, st) == 0 && chmod(a->sun_path, 0600) == 0 && listen(fd, BACKLOG) == 0)
        return 0;
    err = -errno;
    unlink(a->sun_path);
    return err;
}

int unix_socket_listen(const char *path, struct stat *st, const char **why)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd, err;

    *why = NULL;
    if (!*path || strlen(path) >= sizeof(a.sun_path)) {
        *why = "not a possible socket path";
        return -ENAMETOOLONG;
    }
    strcpy(a.sun_path, path);
    err = clear_path(&a, why);
    if (err)
        return err;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    err = bind_private(fd, &a, st);
    if (!err)
        return fd;
    close(fd);
    return err;
}

void unix_socket_remove(const char *path, const struct stat *st)
{
    struct stat now;

    if (lstat(path, &now) == 0 && now.st_dev == st->st_dev && now.st_ino == st->st_ino)
        unlink(path);
}
