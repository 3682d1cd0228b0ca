/* See line_server.h. */
#define _GNU_SOURCE
#include "line_server.h"

#include <errno.h>
#include <glib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "unix_socket.h"

#define BUSY "error all connections are taken\n"

struct client {
    int fd; /* -1: a free place */
    char in[LINE_SERVER_LINE + 1];
    size_t used;
    bool ended;    /* will send nothing more */
    bool json;     /* wants answers for programs, and events */
    GString *out;  /* not taken yet */
    int64_t since; /* when it last took something, ms */
};

struct line_server {
    int fd;
    char *path, *greeting;
    struct stat file;
    line_handler *handler;
    void *opaque;
    struct client client[LINE_SERVER_CLIENTS];
};

struct line_answer {
    GString *text;           /* the lines, each with an end */
    GString *lines, *fields; /* members of JSON arrays and objects */
    bool full;
};

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

/* --- answers --- */

/* Names of files may have anything in them; a line has one end. */
static void defuse(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            *s = '?';
}

static void add_text(struct line_answer *to, const char *line)
{
    if (to->text->len + strlen(line) + 2 > LINE_SERVER_ANSWER)
        to->full = true;
    if (!to->full)
        g_string_append_printf(to->text, "%s\n", line);
}

static void separate(GString *members)
{
    if (members->len > 0)
        g_string_append_c(members, ',');
}

void line_answer(struct line_answer *to, const char *fmt, ...)
{
    va_list ap;
    char *line;

    va_start(ap, fmt);
    line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    defuse(line);
    add_text(to, line);
    if (!to->full) {
        separate(to->lines);
        json_append_string(to->lines, line);
    }
    g_free(line);
}

void line_answer_field(struct line_answer *to, const char *name, const char *fmt, ...)
{
    va_list ap;
    char *value, *line;

    va_start(ap, fmt);
    value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    defuse(value);
    line = g_strdup_printf("%s %s", name, value);
    add_text(to, line);
    if (!to->full) {
        separate(to->fields);
        json_append_string(to->fields, name);
        g_string_append_c(to->fields, ':');
        json_append_string(to->fields, value);
    }
    g_free(line);
    g_free(value);
}

struct line_answer *line_answer_new(void)
{
    struct line_answer *to = g_new0(struct line_answer, 1);

    to->text = g_string_new(NULL);
    to->lines = g_string_new(NULL);
    to->fields = g_string_new(NULL);
    return to;
}

const char *line_answer_text(const struct line_answer *to)
{
    return to->text->str;
}

void line_answer_free(struct line_answer *to)
{
    g_string_free(to->text, TRUE);
    g_string_free(to->lines, TRUE);
    g_string_free(to->fields, TRUE);
    g_free(to);
}

/* For people: each line behind a "+". */
static void put_text(GString *out, const struct line_answer *to, int err, const char *why)
{
    for (const char *p = to->text->str; *p; p = strchr(p, '\n') + 1) {
        g_string_append_c(out, '+');
        g_string_append_len(out, p, strchr(p, '\n') + 1 - p);
    }
    g_string_append_printf(out, err ? "error %s\n" : "ok\n", why);
}

static void put_json(GString *out, const struct line_answer *to, int err, const char *why)
{
    if (err) {
        g_string_append(out, "{\"ok\":false,\"error\":");
        json_append_string(out, why);
        g_string_append(out, "}\n");
        return;
    }
    g_string_append_printf(out, "{\"ok\":true,\"fields\":{%s},\"lines\":[%s]}\n", to->fields->str,
                           to->lines->str);
}

/* "json" and "text" are about the connection; everything else is the handler's. */
static int handle(struct line_server *s, struct client *c, const char *request,
                  struct line_answer *to, char *why, size_t size)
{
    bool json = strcmp(request, "json") == 0;

    if (!json && strcmp(request, "text") != 0)
        return s->handler(s->opaque, request, to, why, size);
    c->json = json;
    return 0;
}

static void answer(struct line_server *s, struct client *c, const char *request)
{
    struct line_answer *to = line_answer_new();
    char why[1024] = "";
    int err = handle(s, c, request, to, why, sizeof(why));

    if (to->full) {
        g_string_truncate(to->text, 0);
        err = -EMSGSIZE;
        snprintf(why, sizeof(why), "the answer would be too long");
    }
    if (err && !why[0])
        snprintf(why, sizeof(why), "%s", strerror(-err));
    defuse(why);
    if (c->json)
        put_json(c->out, to, err, why);
    else
        put_text(c->out, to, err, why);
    line_answer_free(to);
}

/* --- clients --- */

static void drop(struct client *c)
{
    close(c->fd);
    g_string_free(c->out, TRUE);
    *c = (struct client){.fd = -1};
}

static void send_out(struct client *c)
{
    while (c->fd >= 0 && c->out->len > 0) {
        ssize_t n = send(c->fd, c->out->str, c->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            if (now_ms() - c->since > LINE_SERVER_PATIENCE * 1000)
                drop(c);
            return;
        }
        if (n < 0) {
            drop(c);
            return;
        }
        g_string_erase(c->out, 0, n);
        c->since = now_ms();
    }
}

/* A last word to somebody who does not keep to the rules. */
static void dismiss(struct client *c, const char *why)
{
    g_string_append_printf(c->out, "error %s\n", why);
    send_out(c);
    if (c->fd >= 0)
        drop(c);
}

static bool is_text(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
            return false;
    return true;
}

/* Works off one request of what was read. False when there is no whole one, or the client is
 * gone. */
static bool take_line(struct line_server *s, struct client *c)
{
    char line[LINE_SERVER_LINE + 1];
    char *end = memchr(c->in, '\n', c->used);
    size_t length = end ? (size_t)(end - c->in) : c->used, all = length + 1;

    if (!end) {
        if (c->used > LINE_SERVER_LINE)
            dismiss(c, "the line is too long");
        return false;
    }
    memcpy(line, c->in, length);
    memmove(c->in, end + 1, c->used - all);
    c->used -= all;
    if (length > 0 && line[length - 1] == '\r')
        length--;
    line[length] = '\0';
    if (!is_text(line, length)) {
        dismiss(c, "control characters in a request");
        return false;
    }
    c->since = now_ms();
    answer(s, c, line);
    return true;
}

static void read_in(struct client *c)
{
    while (!c->ended && c->used < sizeof(c->in)) {
        ssize_t n = recv(c->fd, c->in + c->used, sizeof(c->in) - c->used, MSG_DONTWAIT);
        if (n > 0) {
            c->used += (size_t)n;
            continue;
        }
        if (n == 0)
            c->ended = true;
        else if (errno != EAGAIN && errno != EINTR)
            drop(c);
        return;
    }
}

/* One request per visit and client, so that none keeps the others waiting. */
static void serve(struct line_server *s, struct client *c)
{
    bool more;

    send_out(c);
    if (c->fd < 0 || c->out->len > 0)
        return;
    read_in(c);
    if (c->fd < 0)
        return;
    more = take_line(s, c);
    if (c->fd < 0)
        return;
    send_out(c);
    if (c->fd >= 0 && c->ended && !more && c->out->len == 0)
        drop(c);
}

static void serve_all(struct line_server *s)
{
    for (unsigned i = 0; i < LINE_SERVER_CLIENTS; i++)
        if (s->client[i].fd >= 0)
            serve(s, &s->client[i]);
}

static struct client *free_place(struct line_server *s)
{
    for (unsigned i = 0; i < LINE_SERVER_CLIENTS; i++)
        if (s->client[i].fd < 0)
            return &s->client[i];
    return NULL;
}

/* One may have left since it was last looked at. */
static struct client *make_place(struct line_server *s)
{
    struct client *c = free_place(s);

    if (!c)
        serve_all(s);
    return c ? c : free_place(s);
}

static void accept_clients(struct line_server *s)
{
    for (;;) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct client *c;

        if (fd < 0)
            return;
        c = make_place(s);
        if (!c) {
            send(fd, BUSY, strlen(BUSY), MSG_NOSIGNAL | MSG_DONTWAIT);
            close(fd);
            continue;
        }
        c->fd = fd;
        c->out = g_string_new(s->greeting);
        g_string_append_c(c->out, '\n');
        c->since = now_ms();
    }
}

bool line_server_listeners(const struct line_server *s)
{
    for (unsigned i = 0; s && i < LINE_SERVER_CLIENTS; i++)
        if (s->client[i].fd >= 0 && s->client[i].json)
            return true;
    return false;
}

/* Who does not take its events in time is not told of them for ever. */
void line_server_event(struct line_server *s, const char *name, const char *members)
{
    for (unsigned i = 0; s && i < LINE_SERVER_CLIENTS; i++) {
        struct client *c = &s->client[i];

        if (c->fd < 0 || !c->json || c->out->len > LINE_SERVER_ANSWER)
            continue;
        if (c->out->len == 0)
            c->since = now_ms();
        g_string_append_printf(c->out, "{\"event\":\"%s\"%s%s}\n", name, members[0] ? "," : "",
                               members);
    }
}

void line_server_poll(struct line_server *s)
{
    if (!s)
        return;
    serve_all(s);
    accept_clients(s);
}

unsigned line_server_poll_fds(const struct line_server *s, struct pollfd fds[LINE_SERVER_MAX_FDS])
{
    unsigned n = 0;

    if (!s)
        return 0;
    fds[n++] = (struct pollfd){.fd = s->fd, .events = POLLIN};
    for (unsigned i = 0; i < LINE_SERVER_CLIENTS; i++) {
        const struct client *c = &s->client[i];
        if (c->fd < 0)
            continue;
        /* one whose request is here already is answered at the next visit: do not wait */
        short events = c->out->len > 0 || memchr(c->in, '\n', c->used) ? POLLOUT : POLLIN;
        fds[n++] = (struct pollfd){.fd = c->fd, .events = events};
    }
    return n;
}

/* --- opening --- */

int line_server_open(const char *path, const char *greeting, line_handler *handler, void *opaque,
                     struct line_server **out, char *why, size_t size)
{
    struct line_server *s = g_new0(struct line_server, 1);
    const char *reason;

    s->fd = unix_socket_listen(path, &s->file, &reason);
    if (s->fd < 0) {
        int err = s->fd;
        snprintf(why, size, "%s: %s", path, reason ? reason : strerror(-err));
        g_free(s);
        return err;
    }
    s->path = g_strdup(path);
    s->greeting = g_strdup(greeting);
    s->handler = handler;
    s->opaque = opaque;
    for (unsigned i = 0; i < LINE_SERVER_CLIENTS; i++)
        s->client[i].fd = -1;
    *out = s;
    return 0;
}

void line_server_close(struct line_server *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < LINE_SERVER_CLIENTS; i++) {
        if (s->client[i].fd >= 0)
            send_out(&s->client[i]);
        if (s->client[i].fd >= 0)
            drop(&s->client[i]);
    }
    close(s->fd);
    unix_socket_remove(s->path, &s->file);
    g_free(s->path);
    g_free(s->greeting);
    g_free(s);
}
