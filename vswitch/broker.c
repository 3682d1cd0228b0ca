/* See broker.h. */
#define _GNU_SOURCE
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct broker {
    const struct broker_config *config;
    int fd, tftp;
};

union control {
    char buf[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

/* --- the broker's side --- */

static int open_below(int dir, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve =
                               RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    struct stat st;
    long fd;

    while (*name == '/') /* the root of what is served */
        name++;
    fd = syscall(SYS_openat2, dir, name, &how, sizeof how);
    if (fd < 0)
        return -errno;
    if (fstat((int)fd, &st) == 0 && S_ISREG(st.st_mode))
        return (int)fd;
    close((int)fd);
    return -EACCES;
}

static int open_resolv(const char *dns)
{
    char text[80];
    int fd;

    if (dns == NULL) {
        fd = open(BROKER_RESOLV, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        return fd >= 0 ? fd : -errno;
    }
    int len = snprintf(text, sizeof text, "nameserver %s\n", dns);
    fd = memfd_create("resolv.conf", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (write(fd, text, (size_t)len) == len && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    close(fd);
    return -EIO;
}

static int open_allowed(const struct broker *b, const char *path)
{
    const size_t prefix = sizeof BROKER_TFTP - 1;

    if (strcmp(path, BROKER_RESOLV) == 0)
        return open_resolv(b->config->dns);
    if (b->tftp >= 0 && strncmp(path, BROKER_TFTP "/", prefix + 1) == 0)
        return open_below(b->tftp, path + prefix);
    return -EACCES;
}

static void answer(int fd, int32_t result)
{
    union control control = {0};
    struct iovec iov = {&result, sizeof result};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (result >= 0) {
        msg.msg_control = control.buf;
        msg.msg_controllen = sizeof control.buf;
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        *c = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(c), &result, sizeof result);
    }
    sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void serve(const struct broker *b)
{
    char path[BROKER_PATH_MAX];
    ssize_t n;

    while ((n = recv(b->fd, path, sizeof path, 0)) != 0) {
        if (n < 0 && errno != EINTR)
            return;
        if (n < 0)
            continue;
        int result = path[n - 1] == '\0' ? open_allowed(b, path) : -ENAMETOOLONG;
        answer(b->fd, result);
        if (result >= 0)
            close(result);
    }
}

/* Only what the broker needs stays open. */
static void close_others(const struct broker *b)
{
    int fds[] = {STDERR_FILENO, b->fd, b->tftp, b->config->keep};
    struct stat st;

    for (int fd = 0; fd < 1024; fd++) {
        bool needed = false;
        for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
            needed |= fd == fds[i];
        if (!needed && fstat(fd, &st) == 0)
            close(fd);
    }
    close_range(1024, ~0u, 0);
}

static void run(const struct broker *b)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    prctl(PR_SET_NAME, "hpvmnetd-files");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0);
    close_others(b);
    serve(b);
    for (unsigned i = 0; i < BROKER_UNLINKS; i++)
        if (b->config->unlink[i] != NULL)
            unlink(b->config->unlink[i]);
    _exit(0);
}

int broker_start(const struct broker_config *config, char *why, size_t size)
{
    struct broker b = {.config = config, .tftp = -1};
    int pair[2];

    if (config->tftp != NULL) {
        b.tftp = open(config->tftp, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (b.tftp < 0) {
            int err = -errno;
            snprintf(why, size, "tftp=%s: %s", config->tftp, strerror(-err));
            return err;
        }
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        pair[0] = pair[1] = -1;
    pid_t pid = pair[0] >= 0 ? fork() : -1;
    int err = -errno;
    if (pid == 0) {
        close(pair[0]);
        b.fd = pair[1];
        run(&b);
    }
    if (b.tftp >= 0)
        close(b.tftp);
    close(pair[1]);
    if (pid > 0)
        return pair[0];
    close(pair[0]);
    snprintf(why, size, "no process for opening files: %s", strerror(-err));
    return err;
}

/* --- the switch's side --- */

int broker_open(int broker, const char *path)
{
    union control control = {0};
    int32_t result;
    struct iovec iov = {&result, sizeof result};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.buf,
                         .msg_controllen = sizeof control.buf};
    size_t len = strlen(path) + 1;
    ssize_t n;

    if (len > BROKER_PATH_MAX)
        return -ENAMETOOLONG;
    if (send(broker, path, len, MSG_NOSIGNAL) < 0)
        return -EACCES;
    do
        n = recvmsg(broker, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n != sizeof result)
        return -EACCES;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (result < 0 || c == NULL || c->cmsg_type != SCM_RIGHTS)
        return result < 0 ? result : -EACCES;
    int fd;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}
