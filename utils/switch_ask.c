/* See switch_ask.h. */
#define _GNU_SOURCE
#include "switch_ask.h"
#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_S 30 /* a switch that takes longer is stuck */

static int connect_control(const char *name, char *why, size_t size)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = ANSWER_S};
    int err = rundir_switch(name, "control", false, a.sun_path, why, size);

    if (err != 0)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof a) != 0) {
        err = -errno;
        snprintf(why, size,
                 err == -ENOENT || err == -ECONNREFUSED ? "switch %s is not running"
                                                        : "switch %s: %s",
                 name, strerror(-err));
        if (fd >= 0)
            close(fd);
        return err;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

static int send_request(int fd, const char *line, size_t len, int file)
{
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {(void *)line, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (file >= 0) {
        msg.msg_control = control.buf;
        msg.msg_controllen = sizeof control.buf;
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        *c = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(c), &file, sizeof file);
    }
    return sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -errno;
}

/* Cuts the file's name off "pcap start PORT FILE" and opens it; -1: there is none. */
static int open_file(char *line, char *why, size_t size)
{
    char *name = strncmp(line, "pcap start ", 11) == 0 ? strchr(line + 11, ' ') : NULL;

    if (name == NULL)
        return -1;
    *name++ = '\0';
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd >= 0)
        return fd;
    int err = -errno;
    snprintf(why, size, "%s: %s", name, strerror(-err));
    return err == -1 ? -EACCES : err;
}

static int read_answer(int fd, FILE *out, char *why, size_t size)
{
    FILE *in = fdopen(fd, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int err = -EPROTO;

    snprintf(why, size, "the switch did not answer as expected");
    if (in == NULL || getline(&line, &room, in) <= 0 || strcmp(line, CONTROL_VERSION "\n") != 0)
        goto out;
    while ((n = getline(&line, &room, in)) > 0) {
        if (line[0] == '+') {
            fputs(line + 1, out);
            continue;
        }
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "ok") == 0)
            err = 0;
        if (strncmp(line, "error ", 6) == 0) {
            snprintf(why, size, "%s", line + 6);
            err = -EREMOTEIO;
        }
        break;
    }
out:
    free(line);
    if (in != NULL)
        fclose(in);
    else
        close(fd);
    return err;
}

int ask_switch(const char *name, const char *request, FILE *out, char *why, size_t size)
{
    char line[CONTROL_LINE];
    int file, fd, err;

    if (strlen(request) + 2 > sizeof line || strchr(request, '\n') != NULL) {
        snprintf(why, size, "%.40s...: a request is one line", request);
        return -EINVAL;
    }
    strcpy(line, request);
    file = open_file(line, why, size);
    if (file < -1)
        return file;
    fd = connect_control(name, why, size);
    err = fd < 0 ? fd : 0;
    strcat(line, "\n");
    if (err == 0)
        err = send_request(fd, line, strlen(line), file);
    if (file >= 0)
        close(file);
    if (fd < 0)
        return err;
    if (err == 0)
        return read_answer(fd, out, why, size);
    snprintf(why, size, "switch %s: %s", name, strerror(-err));
    close(fd);
    return err;
}
