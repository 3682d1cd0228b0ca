/* The control socket: requests of the hpvm commands, see app_proto.h. Only the owner of the guests
 * can connect; a client that says nonsense is answered and hung up on, one that does not read its
 * answers loses them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app_impl.h"
#include "app_proto.h"
#include "text.h"

#define CLIENTS_MAX 64

struct client {
    struct control *control;
    uint64_t id;
    int fd;
    guint source;
    bool busy; /* a request is being worked on */
    int gift;  /* a descriptor that came with it, or -1 */
    char line[APP_LINE_MAX + 1];
    size_t used;
};

struct control {
    struct app *app;
    guint source;
    uint64_t next_id;
    GHashTable *clients; /* id -> struct client */
};

/* --- answers --- */

static void say(struct client *c, const char *text)
{
    size_t length = strlen(text);
    if (send(c->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)length)
        shutdown(c->fd, SHUT_RDWR); /* it does not read: the watch hangs up */
}

__attribute__((format(printf, 2, 3))) static void say_line(struct client *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ')
            *p = '?';
    g_autofree char *line = g_strdup_printf("%.3000s\n", text);
    say(c, line);
}

static void say_end(struct client *c, int status, const char *why)
{
    c->busy = false;
    if (status == 0)
        say(c, "ok\n");
    else
        say_line(c, "error %s", why != NULL && why[0] != '\0' ? why : strerror(-status));
}

/* Who asked may be gone when the answer is there. */
struct pending {
    struct control *control;
    uint64_t id;
};

static struct pending *keep(struct client *c)
{
    struct pending *p = g_new(struct pending, 1);
    *p = (struct pending){c->control, c->id};
    c->busy = true;
    return p;
}

static struct client *client_of(const struct pending *p)
{
    return g_hash_table_lookup(p->control->clients, &p->id);
}

static void media_done(void *opaque, int status, const char *why)
{
    struct pending *p = opaque;
    struct client *c = client_of(p);
    if (c != NULL)
        say_end(c, status, why);
    g_free(p);
}

/* --- requests --- */

static void do_status(struct client *c, char *rest)
{
    const struct app *a = c->control->app;
    (void)rest;
    say_line(c, "+state %s", app_state(a->os, a->attention));
    say_line(c, "+pid %d", (int)getpid());
    say_line(c, "+name %s", a->name);
    say_line(c, "+os %s", a->guest->os_type);
    say_end(c, 0, NULL);
}

static void say_usage(struct client *c, const char *what, const struct usage *now,
                      const struct usage *before)
{
    say_line(c, "+%s %llu %llu %llu %llu", what, (unsigned long long)now->run_ns,
             (unsigned long long)before->run_ns, (unsigned long long)now->slots,
             (unsigned long long)before->slots);
}

static void do_usage(struct client *c, char *rest)
{
    const struct app *a = c->control->app;
    (void)rest;
    say_line(c, "+interval %lld",
             a->usage_at[1] != 0 ? (long long)(a->usage_at[0] - a->usage_at[1]) : 0ll);
    say_usage(c, "process", &a->process[0], &a->process[1]);
    for (unsigned i = 0; i < a->guest->vcpus; i++)
        say_usage(c, "cpu", &a->cpu[0][i], &a->cpu[1][i]);
    say_end(c, 0, NULL);
}

static void do_stop(struct client *c, char *rest)
{
    (void)rest;
    app_stop(c->control->app, "hpvmstop -g");
    say_end(c, 0, NULL);
}

static void do_kill(struct client *c, char *rest)
{
    (void)rest;
    app_kill(c->control->app, "hpvmstop -h");
    say_end(c, 0, NULL);
}

static void do_reset(struct client *c, char *rest)
{
    (void)rest;
    app_press_reset(c->control->app, "a command");
    say_end(c, 0, NULL);
}

static void do_rename(struct client *c, char *rest)
{
    struct app *a = c->control->app;
    if (!guest_name_valid(rest)) {
        say_end(c, -EINVAL, "invalid name");
        return;
    }
    app_note(a, "renamed from %s to %s", a->name, rest);
    g_strlcpy(a->name, rest, sizeof a->name);
    say_end(c, 0, NULL);
}

static bool parse_place(char **rest, unsigned *bus, unsigned *slot, unsigned *target)
{
    int length = 0;
    if (sscanf(*rest, "%1u,%1u,%2u%n", bus, slot, target, &length) != 3)
        return false;
    *rest += length;
    *rest += strspn(*rest, " ");
    return *bus < RESOURCE_BUSES && *slot < RESOURCE_SLOTS && *target < RESOURCE_TARGETS;
}

static void do_eject(struct client *c, char *rest)
{
    unsigned bus, slot, target;
    if (!parse_place(&rest, &bus, &slot, &target) ||
        (rest[0] != '\0' && strcmp(rest, "force") != 0)) {
        say_end(c, -EINVAL, "eject BUS,SLOT,TARGET [force]");
        return;
    }
    app_media(c->control->app, bus, slot, target, NULL, rest[0] != '\0', media_done, keep(c));
}

static void do_insert(struct client *c, char *rest)
{
    unsigned bus, slot, target;
    if (!parse_place(&rest, &bus, &slot, &target) || rest[0] != '/') {
        say_end(c, -EINVAL, "insert BUS,SLOT,TARGET PATH");
        return;
    }
    app_media(c->control->app, bus, slot, target, rest, false, media_done, keep(c));
}

static void change_storage(struct client *c, const char *word, const char *rest)
{
    struct resource r;
    char why[300];
    int fd = c->gift;
    c->gift = -1;
    if (resource_parse(rest, RESOURCE_ADD, &r, why, sizeof why) == 0 && !r.network && r.bus >= 0 &&
        r.slot >= 0 && r.target >= 0) {
        app_storage(c->control->app, word, &r, fd, media_done, keep(c));
        return;
    }
    if (fd >= 0)
        close(fd);
    say_end(c, -EINVAL, "a complete storage resource is needed");
}

static void do_attach(struct client *c, char *rest)
{
    change_storage(c, "attach", rest);
}

static void do_detach(struct client *c, char *rest)
{
    change_storage(c, "detach", rest);
}

static void do_replace(struct client *c, char *rest)
{
    change_storage(c, "replace", rest);
}

static void do_reload(struct client *c, char *rest)
{
    char why[300];
    (void)rest;
    int err = app_reload(c->control->app, why, sizeof why);
    say_end(c, err, why);
}

static void do_wait(struct client *c, char *rest)
{
    (void)rest;
    c->busy = true; /* the end of the process is the answer */
}

static const struct {
    const char *word;
    void (*run)(struct client *c, char *rest);
} requests[] = {
    {"status", do_status}, {"usage", do_usage},   {"stop", do_stop},     {"kill", do_kill},
    {"reset", do_reset},   {"rename", do_rename}, {"eject", do_eject},   {"insert", do_insert},
    {"wait", do_wait},     {"attach", do_attach}, {"detach", do_detach}, {"replace", do_replace},
    {"reload", do_reload},
};

static bool obey(struct client *c, char *line)
{
    char *rest = line + strcspn(line, " ");
    if (*rest != '\0')
        *rest++ = '\0';
    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        if (strcmp(line, requests[i].word) == 0) {
            requests[i].run(c, rest);
            return true;
        }
    }
    say_line(c, "error unknown request '%.40s'", line);
    return false;
}

/* --- clients --- */

static void free_client(void *data)
{
    struct client *c = data;
    g_source_remove(c->source);
    if (c->gift >= 0)
        close(c->gift);
    close(c->fd);
    g_free(c);
}

static bool take_lines(struct client *c)
{
    char *end;
    while (!c->busy && (end = memchr(c->line, '\n', c->used)) != NULL) {
        size_t length = (size_t)(end - c->line) + 1;
        g_autofree char *line = g_strndup(c->line, length - 1);
        c->used -= length;
        memmove(c->line, end + 1, c->used);
        if (!obey(c, line))
            return false;
    }
    return c->used < APP_LINE_MAX;
}

/* As read(2); the last descriptor that comes along is kept. */
static ssize_t receive(struct client *c)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec io = {c->line + c->used, APP_LINE_MAX - c->used};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC);
    struct cmsghdr *h = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (h == NULL || h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
        return n;
    if (c->gift >= 0)
        close(c->gift);
    memcpy(&c->gift, CMSG_DATA(h), sizeof c->gift);
    return n;
}

static gboolean readable(gint fd, GIOCondition condition, gpointer data)
{
    struct client *c = data;
    (void)condition;
    (void)fd;
    ssize_t n = receive(c);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n > 0) {
        c->used += (size_t)n;
        if (take_lines(c))
            return G_SOURCE_CONTINUE;
    }
    uint64_t id = c->id;
    g_hash_table_remove(c->control->clients, &id);
    return G_SOURCE_CONTINUE; /* the source is gone already */
}

static gboolean acceptable(gint fd, GIOCondition condition, gpointer data)
{
    struct control *control = data;
    (void)condition;
    int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (s < 0)
        return G_SOURCE_CONTINUE;
    if (g_hash_table_size(control->clients) >= CLIENTS_MAX) {
        close(s);
        return G_SOURCE_CONTINUE;
    }
    struct client *c = g_new0(struct client, 1);
    c->control = control;
    c->id = ++control->next_id;
    c->fd = s;
    c->gift = -1;
    c->source = g_unix_fd_add(s, G_IO_IN | G_IO_HUP | G_IO_ERR, readable, c);
    g_hash_table_insert(control->clients, &c->id, c);
    say(c, "hpvmapp " KITTSON_VERSION "\n");
    return G_SOURCE_CONTINUE;
}

struct control *control_new(struct app *a)
{
    struct control *c = g_new0(struct control, 1);
    c->app = a;
    c->clients = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_client);
    c->source = g_unix_fd_add(a->control_fd, G_IO_IN, acceptable, c);
    return c;
}

void control_free(struct control *c)
{
    g_source_remove(c->source);
    g_hash_table_destroy(c->clients);
    g_free(c);
}
