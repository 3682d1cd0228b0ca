/* See gdb_server.h. */
#define _GNU_SOURCE /* accept4 */
#include "gdb_server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gdb.h"
#include "log.h"
#include "monitor.h"
#include "pause.h"
#include "unix_socket.h"

/* A client that does not take its answers is not listened to meanwhile. */
#define OUTPUT_MAX (1u << 20)
#define READ_SIZE  4096

struct gdb_server {
    struct machine *machine;
    int fd;     /* listens */
    char *path; /* of a Unix socket, or NULL */
    struct stat file;
    int client; /* -1: nobody */
    struct gdb *gdb;
};

/* --- what the stub does to the machine --- */

static struct cpu *target_cpu(void *opaque, unsigned n)
{
    return ((struct machine *)opaque)->cpu[n];
}

static void target_use_breaks(void *opaque)
{
    machine_use_breaks(opaque);
}

static void target_stop(void *opaque)
{
    machine_pause(opaque);
}

static void target_go_on(void *opaque, uint32_t held)
{
    machine_continue(opaque, held);
}

static void target_step(void *opaque, unsigned n)
{
    machine_step(opaque, n);
}

static void target_quit(void *opaque)
{
    machine_quit(opaque, MACHINE_SIGNAL_MONITOR);
}

static void target_command(void *opaque, const char *line, unsigned n, GString *out)
{
    monitor_for_debugger(opaque, line, n, out);
}

/* --- the client --- */

static void welcome(struct gdb_server *s, int fd)
{
    struct machine *m = s->machine;
    struct gdb_target t = {.opaque = m,
                           .cpus = m->config.cpus,
                           .cpu = target_cpu,
                           .breaks = &m->breaks,
                           .use_breaks = target_use_breaks,
                           .stop = target_stop,
                           .go_on = target_go_on,
                           .step = target_step,
                           .quit = target_quit,
                           .command = target_command};
    int one = 1;
    if (s->path == NULL) /* small packets and their answers take turns */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    s->client = fd;
    s->gdb = gdb_new(&t);
    machine_pause(m);
    log_info("--gdb: a debugger has connected");
}

static void drop(struct gdb_server *s)
{
    close(s->client);
    s->client = -1;
    gdb_free(s->gdb);
    s->gdb = NULL;
    machine_drop_breaks(s->machine);
    s->machine->held = 0;
    machine_continue(s->machine, 0);
    log_info("--gdb: the debugger has gone");
}

static void accept_client(struct gdb_server *s)
{
    int fd;
    while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (s->client < 0) {
            welcome(s, fd);
            continue;
        }
        log_warn("--gdb: refused a second debugger");
        close(fd);
    }
}

/* False when the client is gone. */
static bool send_out(struct gdb_server *s)
{
    GString *out = gdb_output(s->gdb);
    while (out->len > 0) {
        ssize_t n = send(s->client, out->str, out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        g_string_erase(out, 0, n);
    }
    return true;
}

static bool read_in(struct gdb_server *s)
{
    uint8_t bytes[READ_SIZE];
    while (gdb_output(s->gdb)->len < OUTPUT_MAX) {
        ssize_t n = recv(s->client, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        gdb_input(s->gdb, bytes, (size_t)n);
        if (!s->machine->paused) /* let it run before the next packet is looked at */
            return true;
    }
    return true;
}

void gdb_server_poll(struct gdb_server *s)
{
    if (s == NULL)
        return;
    accept_client(s);
    if (s->client < 0)
        return;
    if (!send_out(s) || !read_in(s) || !send_out(s) || gdb_detached(s->gdb))
        drop(s);
}

unsigned gdb_server_poll_fds(const struct gdb_server *s, struct pollfd fds[GDB_SERVER_MAX_FDS])
{
    unsigned n = 0;
    if (s == NULL)
        return 0;
    fds[n++] = (struct pollfd){.fd = s->fd, .events = POLLIN};
    if (s->client >= 0) {
        size_t waiting = gdb_output(s->gdb)->len;
        short events = (waiting > 0 ? POLLOUT : 0) | (waiting < OUTPUT_MAX ? POLLIN : 0);
        fds[n++] = (struct pollfd){.fd = s->client, .events = events};
    }
    return n;
}

void gdb_server_stopped(struct gdb_server *s, unsigned n)
{
    if (s != NULL && s->gdb != NULL)
        gdb_stopped(s->gdb, n, &s->machine->cpu[n]->stop_at);
}

bool gdb_server_holds(const struct gdb_server *s)
{
    return s != NULL && s->client >= 0 && s->machine->paused;
}

/* --- opening --- */

static int listen_on(const struct addrinfo *a)
{
    int one = 1, fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 1) == 0)
        return fd;
    int err = -errno;
    close(fd);
    return err;
}

/* tcp:[ADDRESS]:PORT. Nobody from elsewhere unless the user names an address. */
static int listen_tcp(const char *where, const char **reason)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *a;
    char address[64];
    const char *colon = strrchr(where, ':');
    *reason = "give tcp:[ADDRESS]:PORT or unix:PATH";
    if (colon == NULL || (size_t)(colon - where) >= sizeof address || colon[1] == '\0' ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return -EINVAL;
    snprintf(address, sizeof address, "%.*s", (int)(colon - where), where);
    if (getaddrinfo(address[0] != '\0' ? address : "127.0.0.1", colon + 1, &hints, &a) != 0)
        return -EINVAL;
    int fd = listen_on(a);
    freeaddrinfo(a);
    if (fd < 0)
        *reason = strerror(-fd);
    return fd;
}

int gdb_server_open(struct machine *m, const char *where, struct gdb_server **out, char *why,
                    size_t size)
{
    const char *reason = "give tcp:[ADDRESS]:PORT or unix:PATH";
    struct gdb_server *s = g_new0(struct gdb_server, 1);
    s->machine = m;
    s->client = -1;
    s->fd = -EINVAL;
    if (strncmp(where, "tcp:", 4) == 0) {
        s->fd = listen_tcp(where + 4, &reason);
    } else if (strncmp(where, "unix:", 5) == 0) {
        s->fd = unix_socket_listen(where + 5, &s->file, &reason);
        s->path = g_strdup(where + 5);
    }
    if (s->fd < 0) {
        int err = s->fd;
        snprintf(why, size, "--gdb %s: %s", where, reason != NULL ? reason : strerror(-err));
        g_free(s->path);
        g_free(s);
        return err;
    }
    *out = s;
    return 0;
}

void gdb_server_close(struct gdb_server *s)
{
    if (s == NULL)
        return;
    if (s->client >= 0) {
        send_out(s);
        close(s->client);
        gdb_free(s->gdb);
    }
    close(s->fd);
    if (s->path != NULL)
        unix_socket_remove(s->path, &s->file);
    g_free(s->path);
    g_free(s);
}
