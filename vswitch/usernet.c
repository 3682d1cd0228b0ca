/* See usernet.h. */
#include "usernet.h"
#include "log.h"

#include <errno.h>
#include <glib.h>
#include <libslirp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MAX_TIMERS 8
#define NET(a, b, c, d)                                                                            \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define FRAME_MTU 1500

struct timer {
    bool used;
    SlirpTimerId id;
    void *cb_opaque;
    uint64_t due_ms; /* UINT64_MAX: not running */
};

struct usernet {
    Slirp *slirp;
    struct net_end peer;
    struct timer timer[MAX_TIMERS];
    GSource *source;
    GPtrArray *polls; /* GPollFD; the first count are in use */
    unsigned count;
    uint64_t look_again; /* the library's time-out: milliseconds on its clock */
    struct user_forward forward[USER_MAX_FORWARDS];
    unsigned forwards;
};

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* --- what the library calls --- */

static ssize_t on_packet(const void *frame, size_t len, void *opaque)
{
    struct usernet *u = opaque;

    net_send(&u->peer, frame, len);
    return (ssize_t)len;
}

static void on_guest_error(const char *message, void *opaque)
{
    (void)opaque;
    log_debug("user network: %s", message);
}

static int64_t on_clock(void *opaque)
{
    (void)opaque;
    return (int64_t)now_ns();
}

static void *on_timer_new(SlirpTimerId id, void *cb_opaque, void *opaque)
{
    struct usernet *u = opaque;

    for (unsigned i = 0; i < MAX_TIMERS; i++) {
        struct timer *t = &u->timer[i];
        if (t->used)
            continue;
        *t = (struct timer){true, id, cb_opaque, UINT64_MAX};
        return t;
    }
    return NULL;
}

static void on_timer_free(void *timer, void *opaque)
{
    struct timer *t = timer;

    (void)opaque;
    if (t != NULL)
        t->used = false;
}

static void on_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    struct timer *t = timer;

    (void)opaque;
    if (t != NULL)
        t->due_ms = expire_ms < 0 ? 0 : (uint64_t)expire_ms;
}

/* Descriptors are gathered anew at every look. */
static void on_fd(int fd, void *opaque)
{
    (void)fd;
    (void)opaque;
}

static void on_notify(void *opaque)
{
    (void)opaque;
}

static const SlirpCb callbacks = {.send_packet = on_packet,
                                  .guest_error = on_guest_error,
                                  .clock_get_ns = on_clock,
                                  .timer_free = on_timer_free,
                                  .timer_mod = on_timer_mod,
                                  .register_poll_fd = on_fd,
                                  .unregister_poll_fd = on_fd,
                                  .notify = on_notify,
                                  .timer_new_opaque = on_timer_new};

/* --- polling --- */

static const struct {
    int slirp;
    gushort host;
} events[] = {
    {SLIRP_POLL_IN, G_IO_IN},   {SLIRP_POLL_OUT, G_IO_OUT}, {SLIRP_POLL_PRI, G_IO_PRI},
    {SLIRP_POLL_ERR, G_IO_ERR}, {SLIRP_POLL_HUP, G_IO_HUP},
};
#define EVENTS (sizeof events / sizeof events[0])

static gushort wanted_events(int wanted)
{
    gushort found = 0;

    for (size_t i = 0; i < EVENTS; i++)
        if (wanted & events[i].slirp)
            found |= events[i].host;
    return found;
}

/* The loop's list changes only where the library's does. */
static int on_add_poll(int fd, int wanted, void *opaque)
{
    struct usernet *u = opaque;
    GPollFD *p;

    if (u->count < u->polls->len) {
        p = g_ptr_array_index(u->polls, u->count);
        if (p->fd != fd) {
            g_source_remove_poll(u->source, p);
            p->fd = fd;
            g_source_add_poll(u->source, p);
        }
    } else {
        p = g_new0(GPollFD, 1);
        p->fd = fd;
        g_ptr_array_add(u->polls, p);
        g_source_add_poll(u->source, p);
    }
    p->events = wanted_events(wanted);
    p->revents = 0;
    return (int)u->count++;
}

static int on_revents(int index, void *opaque)
{
    struct usernet *u = opaque;
    const GPollFD *p;
    int found = 0;

    if (index < 0 || (unsigned)index >= u->count)
        return 0;
    p = g_ptr_array_index(u->polls, index);
    for (size_t i = 0; i < EVENTS; i++)
        if (p->revents & events[i].host)
            found |= events[i].slirp;
    return found;
}

static void drop_unused(struct usernet *u)
{
    while (u->polls->len > u->count) {
        GPollFD *p = g_ptr_array_remove_index(u->polls, u->polls->len - 1);
        g_source_remove_poll(u->source, p);
        g_free(p);
    }
}

static void run_timers(struct usernet *u, uint64_t now)
{
    for (unsigned i = 0; i < MAX_TIMERS; i++) {
        struct timer *t = &u->timer[i];
        if (!t->used || t->due_ms > now)
            continue;
        t->due_ms = UINT64_MAX;
        slirp_handle_timer(u->slirp, t->id, t->cb_opaque);
    }
}

/* Milliseconds, rounded up so that the loop does not turn in place. */
static uint64_t next_ms(const struct usernet *u)
{
    uint64_t due = u->look_again;

    for (unsigned i = 0; i < MAX_TIMERS; i++)
        if (u->timer[i].used && u->timer[i].due_ms < due)
            due = u->timer[i].due_ms;
    return due;
}

struct usernet_source {
    GSource base;
    struct usernet *u;
};

static gboolean on_prepare(GSource *source, gint *timeout)
{
    struct usernet *u = ((struct usernet_source *)source)->u;
    uint64_t now = now_ns() / 1000000, due;
    uint32_t wait = UINT32_MAX;

    u->count = 0;
    slirp_pollfds_fill(u->slirp, &wait, on_add_poll, u);
    drop_unused(u);
    u->look_again = wait == UINT32_MAX ? UINT64_MAX : now + wait;
    due = next_ms(u);
    if (due == UINT64_MAX)
        *timeout = -1;
    else
        *timeout = due <= now ? 0 : due - now < 60000 ? (gint)(due - now) : 60000;
    return FALSE;
}

static gboolean on_check(GSource *source)
{
    struct usernet *u = ((struct usernet_source *)source)->u;

    for (unsigned i = 0; i < u->count; i++)
        if (((const GPollFD *)g_ptr_array_index(u->polls, i))->revents != 0)
            return TRUE;
    return now_ns() / 1000000 >= next_ms(u);
}

static gboolean on_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    struct usernet *u = ((struct usernet_source *)source)->u;

    (void)callback;
    (void)data;
    slirp_pollfds_poll(u->slirp, 0, on_revents, u);
    run_timers(u, now_ns() / 1000000);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_functions = {
    .prepare = on_prepare, .check = on_check, .dispatch = on_dispatch};

/* --- frames --- */

void usernet_input(struct usernet *u, const uint8_t *frame, size_t len)
{
    if (len >= NET_HEADER && len <= FRAME_MTU + NET_HEADER)
        slirp_input(u->slirp, frame, (int)len);
}

void usernet_connect(struct usernet *u, const struct net_end *peer)
{
    u->peer = *peer;
}

/* --- forwards --- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static struct in_addr address(uint32_t a)
{
    return (struct in_addr){.s_addr = htonl(a)};
}

static socklen_t make_address(const struct user_place *p, union address *a)
{
    memset(a, 0, sizeof *a);
    if (p->v6) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons(p->port);
        memcpy(&a->v6.sin6_addr, p->addr, 16);
        return sizeof a->v6;
    }
    a->v4.sin_family = AF_INET;
    a->v4.sin_port = htons(p->port);
    memcpy(&a->v4.sin_addr, p->addr, 4);
    return sizeof a->v4;
}

static int flags(const struct user_forward *f)
{
    return (f->udp ? SLIRP_HOSTFWD_UDP : 0) | (f->host.v6 ? SLIRP_HOSTFWD_V6ONLY : 0);
}

int usernet_add_forward(struct usernet *u, const struct user_forward *f, char *why, size_t size)
{
    union address host, guest;
    socklen_t host_len = make_address(&f->host, &host), guest_len = make_address(&f->guest, &guest);
    char text[160];

    if (u->forwards == USER_MAX_FORWARDS) {
        snprintf(why, size, "there is room for 64 forwards");
        return -ENOSPC;
    }
    if (!f->guest.v6 && guest.v4.sin_addr.s_addr == 0)
        guest.v4.sin_addr = address(NET(10, 0, 2, 15));
    errno = 0;
    if (slirp_add_hostxfwd(u->slirp, &host.any, host_len, &guest.any, guest_len, flags(f)) == 0) {
        u->forward[u->forwards++] = *f;
        return 0;
    }
    int err = errno != 0 ? -errno : -EADDRINUSE;
    user_print_forward(f, text, sizeof text);
    snprintf(why, size, "hostfwd=%s: port %u cannot be listened on: %s", text, f->host.port,
             strerror(-err));
    return err;
}

static bool same_listener(const struct user_forward *a, const struct user_forward *b)
{
    return a->udp == b->udp && a->host.v6 == b->host.v6 && a->host.port == b->host.port &&
           memcmp(a->host.addr, b->host.addr, sizeof a->host.addr) == 0;
}

int usernet_remove_forward(struct usernet *u, const struct user_forward *f, char *why, size_t size)
{
    union address host;
    socklen_t len = make_address(&f->host, &host);

    for (unsigned i = 0; i < u->forwards; i++) {
        if (!same_listener(&u->forward[i], f))
            continue;
        slirp_remove_hostxfwd(u->slirp, &host.any, len, flags(f));
        u->forward[i] = u->forward[--u->forwards];
        return 0;
    }
    snprintf(why, size, "there is no such forward");
    return -ENOENT;
}

const struct user_forward *usernet_forward(const struct usernet *u, unsigned n)
{
    return n < u->forwards ? &u->forward[n] : NULL;
}

/* --- set-up --- */

bool usernet_outdated(const char **version)
{
    unsigned have[3] = {0}, want[3] = {0};

    *version = slirp_version_string();
    sscanf(*version, "%u.%u.%u", &have[0], &have[1], &have[2]);
    sscanf(USERNET_WANTED, "%u.%u.%u", &want[0], &want[1], &want[2]);
    for (unsigned i = 0; i < 3; i++)
        if (have[i] != want[i])
            return have[i] < want[i];
    return false;
}

static Slirp *make(struct usernet *u, const struct user_options *options, const char *tftp)
{
    SlirpConfig c = {.version = 4,
                     .in_enabled = true,
                     .vnetwork = address(NET(10, 0, 2, 0)),
                     .vnetmask = address(NET(255, 255, 255, 0)),
                     .vhost = address(NET(10, 0, 2, 2)),
                     .vdhcp_start = address(NET(10, 0, 2, 15)),
                     .vnameserver = address(NET(10, 0, 2, 3)),
                     .in6_enabled = true,
                     .vprefix_len = 64,
                     .tftp_path = tftp,
                     .bootfile = options->bootfile[0] != '\0' ? options->bootfile : NULL,
                     .if_mtu = FRAME_MTU,
                     .if_mru = FRAME_MTU};

    inet_pton(AF_INET6, "fec0::", &c.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &c.vhost6);
    inet_pton(AF_INET6, "fec0::3", &c.vnameserver6);
    return slirp_new(&c, &callbacks, u);
}

static void attach(struct usernet *u)
{
    u->polls = g_ptr_array_new();
    u->source = g_source_new(&source_functions, sizeof(struct usernet_source));
    ((struct usernet_source *)u->source)->u = u;
    g_source_attach(u->source, NULL);
}

int usernet_new(const struct user_options *options, const char *tftp, struct usernet **out,
                char *why, size_t size)
{
    struct usernet *u = g_new0(struct usernet, 1);
    int err = 0;

    *out = NULL;
    attach(u);
    u->slirp = make(u, options, tftp);
    if (u->slirp == NULL) {
        snprintf(why, size, "the user network cannot be made");
        err = -ENOMEM;
    }
    for (unsigned i = 0; i < options->forwards && err == 0; i++)
        err = usernet_add_forward(u, &options->forward[i], why, size);
    if (err != 0) {
        usernet_free(u);
        return err;
    }
    *out = u;
    return 0;
}

void usernet_free(struct usernet *u)
{
    if (u == NULL)
        return;
    u->peer = (struct net_end){0};
    u->count = 0;
    drop_unused(u);
    g_source_destroy(u->source);
    g_source_unref(u->source);
    if (u->slirp != NULL)
        slirp_cleanup(u->slirp);
    g_ptr_array_free(u->polls, TRUE);
    g_free(u);
}
