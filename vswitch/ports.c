/* Port sockets: what connects, says hello and then sends and gets frames (switch_proto.h). Whoever
 * does something else is cut off; whoever does not read loses frames, which the switch counts. */
#define _GNU_SOURCE /* recvmmsg */
#include "daemon.h"
#include "frameq.h"
#include "log.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH   32
#define ROUNDS  4 /* batches before others have their turn */
#define HELLO_S 10
/* Longer ones are cut. */
#define MESSAGE_MAX (sizeof(struct switch_header) + VSWITCH_FRAME_MAX + 8)

struct conn {
    GSource base;
    struct daemon *daemon;
    int fd;
    gpointer tag; /* of the descriptor in the loop */
    bool writing; /* the loop tells when there is room */
    bool dirty;
    unsigned port; /* 0: no hello yet */
    guint hello_timer;
    struct frameq queue;
};

static uint8_t messages[BATCH][MESSAGE_MAX]; /* one thread */

/* --- out --- */

static void mark_dirty(struct conn *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    g_ptr_array_add(c->daemon->dirty, c);
}

static bool push(struct conn *c, const void *message, size_t len)
{
    if (!frameq_push(&c->queue, message, len, NULL, 0))
        return false;
    mark_dirty(c);
    return true;
}

static bool on_frame(void *opaque, const uint8_t *frame, size_t len)
{
    static const struct switch_header header = {.type = SWITCH_FRAME};
    struct conn *c = opaque;

    if (!frameq_push(&c->queue, &header, sizeof header, frame, len))
        return false;
    mark_dirty(c);
    return true;
}

static void on_link(void *opaque, bool up)
{
    struct switch_link link = {.header = {.type = SWITCH_LINK}, .up = up};

    push(opaque, &link, sizeof link);
}

/* Waits for room only while there is something to send. */
static void send_queue(struct conn *c)
{
    bool alive = frameq_send(&c->queue, c->fd);

    if (!alive)
        frameq_clear(&c->queue); /* the end of the stream is read soon */
    bool wanted = c->queue.count > 0;
    if (wanted != c->writing)
        g_source_modify_unix_fd(&c->base, c->tag, wanted ? G_IO_IN | G_IO_OUT : G_IO_IN);
    c->writing = wanted;
}

/* A full socket is tried again when the loop says so, not for every frame. */
static void flush(struct daemon *d)
{
    for (guint i = 0; i < d->dirty->len; i++) {
        struct conn *c = g_ptr_array_index(d->dirty, i);
        c->dirty = false;
        if (!c->writing)
            send_queue(c);
    }
    g_ptr_array_set_size(d->dirty, 0);
}

/* Before the loop waits: what a round of frames has left in queues goes out together. */
struct flusher {
    GSource base;
    struct daemon *daemon;
};

static gboolean on_prepare(GSource *source, gint *timeout)
{
    *timeout = -1;
    flush(((struct flusher *)source)->daemon);
    return FALSE;
}

static gboolean on_never(GSource *source, GSourceFunc callback, gpointer data)
{
    (void)source;
    (void)callback;
    (void)data;
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs flusher_functions = {.prepare = on_prepare, .dispatch = on_never};

void ports_start(struct daemon *d)
{
    GSource *source = g_source_new(&flusher_functions, sizeof(struct flusher));

    d->dirty = g_ptr_array_new();
    ((struct flusher *)source)->daemon = d;
    g_source_attach(source, NULL);
    g_source_unref(source);
}

/* --- the end of a connection --- */

static void disconnect(struct conn *c)
{
    struct daemon *d = c->daemon;

    if (c->port != 0) {
        log_info("port %u: disconnected", c->port);
        vswitch_disconnect(d->sw, c->port);
    }
    if (c->dirty)
        g_ptr_array_remove(d->dirty, c);
    if (c->hello_timer != 0)
        g_source_remove(c->hello_timer);
    frameq_free(&c->queue);
    close(c->fd);
    d->conns--;
    if (d->is_private)
        g_main_loop_quit(d->loop);
}

static gboolean on_no_hello(gpointer opaque)
{
    struct conn *c = opaque;

    c->hello_timer = 0;
    disconnect(c);
    g_source_destroy(&c->base);
    return G_SOURCE_REMOVE;
}

/* --- in --- */

/* False: the connection is to be closed. */
static bool hello(struct conn *c, const uint8_t *message, size_t len)
{
    const struct vswitch_end end = {.opaque = c, .frame = on_frame, .link = on_link};
    struct switch_refused refused = {.header = {.type = SWITCH_REFUSED}};
    struct switch_hello h;

    if (len != sizeof h || message[0] != SWITCH_HELLO)
        return false;
    memcpy(&h, message, sizeof h);
    h.guest[sizeof h.guest - 1] = '\0';
    int port = vswitch_connect(c->daemon->sw, &h, &end, &refused);
    if (port < 0) {
        push(c, &refused, sizeof refused);
        flush(c->daemon);
        return false;
    }
    c->port = (unsigned)port;
    g_source_remove(c->hello_timer);
    c->hello_timer = 0;
    const struct vswitch_port *p = vswitch_port(c->daemon->sw, c->port);
    struct switch_welcome w = {.header = {.type = SWITCH_WELCOME},
                               .version = SWITCH_PROTO_VERSION,
                               .port = c->port,
                               .up = !p->down};
    log_info("port %u: %s connected", c->port, p->guest[0] != '\0' ? p->guest : "a guest");
    return push(c, &w, sizeof w);
}

static bool take_message(struct conn *c, const struct mmsghdr *m, const uint8_t *message)
{
    const size_t header = sizeof(struct switch_header);
    size_t len = m->msg_len;

    if (len == 0)
        return false;
    if (c->port == 0)
        return hello(c, message, len);
    if (m->msg_hdr.msg_flags & MSG_TRUNC)
        vswitch_count_drop(c->daemon->sw, c->port, DROP_OVERSIZED);
    else if (len < header || message[0] != SWITCH_FRAME)
        vswitch_count_drop(c->daemon->sw, c->port, DROP_MALFORMED);
    else
        vswitch_input(c->daemon->sw, c->port, message + header, len - header);
    return true;
}

/* One batch. Negative: the connection is over; else how many messages there were. */
static int receive(struct conn *c)
{
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];

    for (unsigned i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){messages[i], MESSAGE_MAX};
        msgs[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
    }
    int n = recvmmsg(c->fd, msgs, BATCH, MSG_DONTWAIT, NULL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    for (int i = 0; i < n; i++)
        if (!take_message(c, &msgs[i], messages[i]))
            return -1;
    return n > 0 ? n : -1;
}

static gboolean on_ready(GSource *source, GSourceFunc callback, gpointer data)
{
    struct conn *c = (struct conn *)source;
    GIOCondition ready = g_source_query_unix_fd(source, c->tag);
    int n = BATCH;

    (void)callback;
    (void)data;
    if (ready & G_IO_OUT)
        send_queue(c);
    if (ready & (G_IO_IN | G_IO_HUP | G_IO_ERR))
        for (unsigned i = 0; i < ROUNDS && n == BATCH; i++)
            n = receive(c);
    if (n >= 0)
        return G_SOURCE_CONTINUE;
    disconnect(c);
    return G_SOURCE_REMOVE;
}

static GSourceFuncs functions = {.dispatch = on_ready};

void ports_add(struct daemon *d, int fd)
{
    int size = 4 << 20; /* as much as the system grants */
    struct conn *c = (struct conn *)g_source_new(&functions, sizeof *c);

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    c->daemon = d;
    c->fd = fd;
    c->tag = g_source_add_unix_fd(&c->base, fd, G_IO_IN);
    c->writing = c->dirty = false;
    c->port = 0;
    c->hello_timer = g_timeout_add_seconds(HELLO_S, on_no_hello, c);
    frameq_init(&c->queue, SWITCH_QUEUE_MAX);
    g_source_attach(&c->base, NULL);
    g_source_unref(&c->base);
    d->conns++;
}

void ports_listen(struct daemon *d, int fd)
{
    daemon_accept(d, fd, &d->conns, DAEMON_CONNECTIONS, ports_add);
}
