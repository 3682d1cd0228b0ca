/* See console.h. */
#define _GNU_SOURCE
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "console_tty.h"
#include "archive.h"
#include "text.h"
#include "unix_socket.h"

#define OUT_SIZE     65536u /* power of two */
#define IN_SIZE      65536u /* pasted text waits here for a guest that reads slowly */
#define READ_SIZE    4096u
#define STUCK_MS     2000
#define FLUSH_AT     4096u
#define WAIT_MS      1000
#define ESCAPE       0x02 /* Ctrl-B */
#define BUSY_MESSAGE "console is in use\r\n"
#define HELP_MESSAGE                                                                               \
    "\r\n[Ctrl-B X ends the process, Ctrl-B Ctrl-B sends Ctrl-B, Ctrl-B ? help]\r\n"

enum kind { KIND_STDIO, KIND_UNIX, KIND_FILE };

struct console {
    enum kind kind;
    struct console_handlers h;
    int in_fd, out_fd; /* -1: none (now) */
    int listen_fd;
    int file; /* console_file_register handle */
    bool in_tty, raw;
    bool escape;  /* Ctrl-B was typed */
    bool stalled; /* waited in vain for the output */
    uint8_t out[OUT_SIZE];
    unsigned out_head, out_count;
    uint8_t in[IN_SIZE];
    unsigned in_head, in_count;
    int64_t taken_ms; /* when the guest last took input, or there was none */
    uint64_t dropped;
};

/* The other side is gone. A socket's one descriptor serves both directions. */
static void hang_up(struct console *c)
{
    if (c->kind == KIND_UNIX) {
        close(c->in_fd);
        c->in_fd = -1;
    }
    c->out_fd = -1;
}

/* ---- output ---- */

/* One write of the oldest output. Bytes written, 0 if the other side takes none now; a dead side
 * is given up. */
static size_t write_some(struct console *c)
{
    size_t n = OUT_SIZE - c->out_head;
    ssize_t done;

    if (n > c->out_count)
        n = c->out_count;
    if (c->kind == KIND_UNIX) {
        done = send(c->out_fd, c->out + c->out_head, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
        struct pollfd p = {.fd = c->out_fd, .events = POLLOUT};

        if (poll(&p, 1, 0) <= 0)
            return 0;
        /* a pipe that polls ready takes this much without blocking */
        done = write(c->out_fd, c->out + c->out_head, n < PIPE_BUF ? n : PIPE_BUF);
    }
    if (done >= 0)
        return (size_t)done;
    if (errno != EAGAIN && errno != EINTR)
        hang_up(c);
    return 0;
}

void console_flush(struct console *c)
{
    while (c->out_count && c->out_fd >= 0) {
        size_t n = write_some(c);

        if (!n)
            return;
        c->out_head = (c->out_head + n) % OUT_SIZE;
        c->out_count -= (unsigned)n;
        c->stalled = false;
    }
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

/* Flushes until at most `leave` bytes remain, or the other side takes nothing for a while. */
static void drain(struct console *c, unsigned leave)
{
    int64_t end = now_ms() + WAIT_MS;

    for (;;) {
        struct pollfd p = {.fd = c->out_fd, .events = POLLOUT};
        int64_t left = end - now_ms();

        console_flush(c);
        if (c->out_count <= leave || c->out_fd < 0)
            return;
        if (left <= 0) {
            c->stalled = true;
            return;
        }
        poll(&p, 1, (int)left);
    }
}

static void make_room(struct console *c)
{
    console_flush(c);
    if (c->out_count == OUT_SIZE && c->kind != KIND_UNIX && !c->stalled)
        drain(c, OUT_SIZE - 1);
    if (c->out_count < OUT_SIZE)
        return;
    c->out_head = (c->out_head + 1) % OUT_SIZE;
    c->out_count--;
    c->dropped++;
}

void console_put(struct console *c, uint8_t byte)
{
    if (c->out_count == OUT_SIZE)
        make_room(c);
    c->out[(c->out_head + c->out_count++) % OUT_SIZE] = byte;
    if (c->out_count % FLUSH_AT == 0)
        console_flush(c);
}

static void put_text(struct console *c, const char *s)
{
    while (*s)
        console_put(c, (uint8_t)*s++);
}

uint64_t console_dropped(const struct console *c)
{
    return c->dropped;
}

/* ---- input ---- */

static void queue_input(struct console *c, uint8_t byte)
{
    if (c->in_count == IN_SIZE)
        return; /* typed faster than anybody reads */
    c->in[(c->in_head + c->in_count++) % IN_SIZE] = byte;
}

/* A byte typed on stdio, where Ctrl-B is a prefix. */
static void type(struct console *c, uint8_t byte)
{
    if (!c->escape) {
        if (byte == ESCAPE)
            c->escape = true;
        else
            queue_input(c, byte);
        return;
    }
    c->escape = false;
    if (byte == ESCAPE)
        queue_input(c, byte);
    else if (byte == '?')
        put_text(c, HELP_MESSAGE);
    else if ((byte == 'x' || byte == 'X') && c->h.quit)
        c->h.quit(c->h.opaque);
}

static void input_ended(struct console *c)
{
    if (c->kind == KIND_UNIX)
        hang_up(c);
    else
        c->in_fd = -1;
}

/* A full queue makes the other side wait. A terminal is read all the same when the guest has taken
 * nothing for a while, so that Ctrl-B X works; what it cannot take then is lost. */
static size_t input_wanted(const struct console *c)
{
    size_t room = IN_SIZE - c->in_count;

    if (!room && c->in_tty && now_ms() - c->taken_ms >= STUCK_MS)
        room = READ_SIZE;
    return room < READ_SIZE ? room : READ_SIZE;
}

static void read_input(struct console *c)
{
    while (c->in_fd >= 0 && input_wanted(c)) {
        struct pollfd p = {.fd = c->in_fd, .events = POLLIN};
        uint8_t buf[READ_SIZE];
        ssize_t n;

        if (poll(&p, 1, 0) <= 0 || !p.revents)
            return;
        n = read(c->in_fd, buf, input_wanted(c));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            input_ended(c);
            return;
        }
        for (ssize_t i = 0; i < n; i++) {
            if (c->kind == KIND_STDIO)
                type(c, buf[i]);
            else
                queue_input(c, buf[i]);
        }
        if (c->in_tty)
            return; /* a terminal is never read in a loop: it may be faster than we are */
    }
}

static void deliver(struct console *c)
{
    unsigned before = c->in_count;

    while (c->in_count && c->h.input && (!c->h.room || c->h.room(c->h.opaque))) {
        uint8_t byte = c->in[c->in_head];

        c->in_head = (c->in_head + 1) % IN_SIZE;
        c->in_count--;
        c->h.input(c->h.opaque, byte);
    }
    if (c->in_count == 0 || c->in_count < before)
        c->taken_ms = now_ms();
}

/* ---- clients of the socket ---- */

/* A client can leave while its input waits for a guest that does not read. */
static void check_client(struct console *c)
{
    struct pollfd p = {.fd = c->in_fd, .events = 0};

    if (c->in_fd >= 0 && poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)))
        hang_up(c);
}

static void accept_clients(struct console *c)
{
    check_client(c);
    for (;;) {
        int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
            return;
        if (c->in_fd < 0) {
            c->in_fd = c->out_fd = fd;
            continue;
        }
        send(fd, BUSY_MESSAGE, sizeof(BUSY_MESSAGE) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        close(fd);
    }
}

void console_poll(struct console *c)
{
    read_input(c);
    if (c->listen_fd >= 0)
        accept_clients(c);
    console_flush(c);
    deliver(c);
}

unsigned console_poll_fds(const struct console *c, struct pollfd fds[CONSOLE_MAX_FDS])
{
    unsigned n = 0;

    if (c->listen_fd >= 0)
        fds[n++] = (struct pollfd){.fd = c->listen_fd, .events = POLLIN};
    if (c->in_fd >= 0 && input_wanted(c))
        fds[n++] = (struct pollfd){.fd = c->in_fd, .events = POLLIN};
    return n;
}

/* ---- opening ---- */

static int fail(int err, char *why, size_t size, const char *path, const char *what)
{
    if (what)
        snprintf(why, size, "console %s: %s", path, what);
    else
        snprintf(why, size, "console %s: %s", path, strerror(err));
    return -err;
}

static void open_stdio(struct console *c)
{
    c->out_fd = STDOUT_FILENO;
    if (fcntl(STDIN_FILENO, F_GETFD) < 0)
        return; /* no standard input at all */
    c->in_tty = isatty(STDIN_FILENO);
    c->raw = c->in_tty && console_tty_raw(STDIN_FILENO);
    /* reading a terminal from its background would stop the process */
    if (!c->in_tty || c->raw)
        c->in_fd = STDIN_FILENO;
}

static int open_file(struct console *c, const char *path, char *why, size_t size)
{
    c->out_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    return c->out_fd < 0 ? fail(errno, why, size, path, NULL) : 0;
}

static int open_unix(struct console *c, const char *path, char *why, size_t size)
{
    const char *reason;
    struct stat st;
    int fd = unix_socket_listen(path, &st, &reason);

    if (fd < 0)
        return fail(-fd, why, size, path, reason);
    c->listen_fd = fd;
    c->file = console_file_register(path, st.st_dev, st.st_ino);
    if (c->file >= 0)
        return 0;
    unlink(path);
    return fail(EMFILE, why, size, path, "too many console sockets");
}

static int open_descriptor(struct console *c, const char *number, char *why, size_t size)
{
    uint64_t fd;
    struct stat st;

    if (text_parse_number(number, 0, INT_MAX, &fd) != 0 || fstat((int)fd, &st) != 0 ||
        !S_ISSOCK(st.st_mode) || fcntl((int)fd, F_SETFL, O_NONBLOCK) != 0)
        return fail(EINVAL, why, size, number, "not an open socket");
    c->in_fd = c->out_fd = (int)fd;
    return 0;
}

static int open_kind(struct console *c, const char *spec, char *why, size_t size)
{
    if (strcmp(spec, "stdio") == 0) {
        c->kind = KIND_STDIO;
        open_stdio(c);
        return 0;
    }
    if (strncmp(spec, "unix:", 5) == 0) {
        c->kind = KIND_UNIX;
        return open_unix(c, spec + 5, why, size);
    }
    if (strncmp(spec, "fd:", 3) == 0) {
        c->kind = KIND_UNIX;
        return open_descriptor(c, spec + 3, why, size);
    }
    if (strncmp(spec, "file:", 5) == 0) {
        c->kind = KIND_FILE;
        return open_file(c, spec + 5, why, size);
    }
    return fail(EINVAL, why, size, spec, "expected stdio, unix:PATH, fd:N or file:PATH");
}

int console_open(const char *spec, struct console **out, char *why, size_t why_size)
{
    struct console *c = calloc(1, sizeof(*c));
    int err;

    *out = NULL;
    if (!c)
        return fail(ENOMEM, why, why_size, spec, NULL);
    c->in_fd = c->out_fd = c->listen_fd = c->file = -1;
    err = open_kind(c, spec, why, why_size);
    if (err) {
        if (c->listen_fd >= 0)
            close(c->listen_fd);
        free(c);
        return err;
    }
    *out = c;
    return 0;
}

void console_set_handlers(struct console *c, const struct console_handlers *h)
{
    c->h = *h;
}

void console_close(struct console *c)
{
    if (!c)
        return;
    if (c->out_fd >= 0 && !c->stalled)
        drain(c, 0);
    if (c->raw)
        console_tty_restore();
    console_file_remove(c->file);
    if (c->kind != KIND_STDIO && c->out_fd >= 0)
        close(c->out_fd);
    if (c->listen_fd >= 0)
        close(c->listen_fd);
    free(c);
}

void console_state(struct console *c, struct archive *s)
{
    unsigned count = (unsigned)archive_number(s, c->in_count, IN_SIZE, "there is too much input");

    if (s->loading)
        c->in_head = c->in_count = 0;
    for (unsigned i = 0; i < count && s->wrong == NULL; i++) {
        uint8_t byte = c->in[(c->in_head + i) % IN_SIZE];

        archive_bytes(s, &byte, 1);
        if (s->loading)
            queue_input(c, byte);
    }
}
