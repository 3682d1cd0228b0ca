/* The control socket: lines in, answers out (control.h). A client that does not read its answers,
 * or sends a line without end, is dropped. */
#include "control.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX (1u << 20)

struct client {
    GSource base;
    struct daemon *daemon;
    int fd, passed; /* the descriptor that came last, or -1 */
    gpointer tag;
    char line[CONTROL_LINE];
    size_t used;
    GString *out;
};

static bool send_answers(struct client *c)
{
    while (c->out->len > 0) {
        ssize_t n = send(c->fd, c->out->str, c->out->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            g_string_erase(c->out, 0, n);
    }
    GIOCondition wanted = c->out->len > 0 ? G_IO_IN | G_IO_OUT : G_IO_IN;
    g_source_modify_unix_fd(&c->base, c->tag, wanted);
    return c->out->len < ANSWER_MAX;
}

static void keep_descriptor(struct client *c, struct msghdr *msg)
{
    for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m != NULL; m = CMSG_NXTHDR(msg, m)) {
        if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
            continue;
        if (c->passed >= 0)
            close(c->passed);
        memcpy(&c->passed, CMSG_DATA(m), sizeof c->passed);
    }
}

static ssize_t receive(struct client *c)
{
    union {
        char buf[CMSG_SPACE(sizeof(int))]; /* one descriptor; the system drops others */
        struct cmsghdr align;
    } control;
    struct iovec iov = {c->line + c->used, sizeof c->line - c->used};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.buf,
                         .msg_controllen = sizeof control.buf};
    ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n > 0)
        keep_descriptor(c, &msg);
    return n;
}

static void obey_lines(struct client *c)
{
    char *end;

    while ((end = memchr(c->line, '\n', c->used)) != NULL) {
        size_t len = (size_t)(end - c->line) + 1;
        int fd = c->passed;
        *end = '\0';
        c->passed = -1;
        control_request(c->daemon, c->line, fd, c->out);
        memmove(c->line, c->line + len, c->used - len);
        c->used -= len;
    }
}

/* False: the client is gone or to be dropped. */
static bool take_input(struct client *c)
{
    ssize_t n = receive(c);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    c->used += (size_t)n;
    obey_lines(c);
    return n > 0 && c->used < sizeof c->line;
}

static void end_client(struct client *c)
{
    if (c->passed >= 0)
        close(c->passed);
    g_string_free(c->out, TRUE);
    close(c->fd);
    c->daemon->clients--;
}

static gboolean on_ready(GSource *source, GSourceFunc callback, gpointer data)
{
    struct client *c = (struct client *)source;
    GIOCondition ready = g_source_query_unix_fd(source, c->tag);
    bool alive = true;

    (void)callback;
    (void)data;
    if (ready & (G_IO_IN | G_IO_HUP | G_IO_ERR))
        alive = take_input(c);
    if (send_answers(c) && alive)
        return G_SOURCE_CONTINUE;
    end_client(c);
    return G_SOURCE_REMOVE;
}

static GSourceFuncs functions = {.dispatch = on_ready};

static void add_client(struct daemon *d, int fd)
{
    struct client *c = (struct client *)g_source_new(&functions, sizeof *c);

    c->daemon = d;
    c->fd = fd;
    c->passed = -1;
    c->used = 0;
    c->out = g_string_new(CONTROL_VERSION "\n");
    c->tag = g_source_add_unix_fd(&c->base, fd, G_IO_IN);
    g_source_attach(&c->base, NULL);
    g_source_unref(&c->base);
    d->clients++;
    if (send_answers(c))
        return;
    end_client(c);
    g_source_destroy(&c->base);
}

void control_listen(struct daemon *d, int fd)
{
    daemon_accept(d, fd, &d->clients, DAEMON_CLIENTS, add_client);
}
