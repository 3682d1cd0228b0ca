/* See slirp.h. */
#include "slirp.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
    struct pollfd *fds; /* of the last look */
    unsigned count, room;
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
    short host;
} events[] = {
    {SLIRP_POLL_IN, POLLIN},   {SLIRP_POLL_OUT, POLLOUT}, {SLIRP_POLL_PRI, POLLPRI},
    {SLIRP_POLL_ERR, POLLERR}, {SLIRP_POLL_HUP, POLLHUP},
};
#define EVENTS (sizeof events / sizeof events[0])

static int on_add_poll(int fd, int wanted, void *opaque)
{
    struct usernet *u = opaque;
    struct pollfd p = {.fd = fd};

    if (u->count == u->room) {
        unsigned room = u->room == 0 ? 64 : 2 * u->room;
        struct pollfd *more = realloc(u->fds, room * sizeof *more);
        if (more == NULL)
            return -1;
        u->fds = more;
        u->room = room;
    }
    for (size_t i = 0; i < EVENTS; i++)
        if (wanted & events[i].slirp)
            p.events |= events[i].host;
    u->fds[u->count] = p;
    return (int)u->count++;
}

static int on_revents(int index, void *opaque)
{
    struct usernet *u = opaque;
    int found = 0;

    if (index < 0 || (unsigned)index >= u->count)
        return 0;
    for (size_t i = 0; i < EVENTS; i++)
        if (u->fds[index].revents & events[i].host)
            found |= events[i].slirp;
    return found;
}

/* Gathers descriptors; returns milliseconds to the library's next timeout. */
static uint32_t look(struct usernet *u)
{
    uint32_t timeout = UINT32_MAX;

    u->count = 0;
    slirp_pollfds_fill(u->slirp, &timeout, on_add_poll, u);
    return timeout;
}

static void run_timers(struct usernet *u)
{
    uint64_t now = now_ns() / 1000000;

    for (unsigned i = 0; i < MAX_TIMERS; i++) {
        struct timer *t = &u->timer[i];
        if (!t->used || t->due_ms > now)
            continue;
        t->due_ms = UINT64_MAX;
        slirp_handle_timer(u->slirp, t->id, t->cb_opaque);
    }
}

void usernet_poll(struct usernet *u)
{
    look(u);
    int n = poll(u->fds, u->count, 0);
    slirp_pollfds_poll(u->slirp, n < 0, on_revents, u);
    run_timers(u);
}

unsigned usernet_poll_fds(struct usernet *u, struct pollfd *fds, unsigned max)
{
    look(u);
    unsigned n = u->count < max ? u->count : max;
    if (n > 0)
        memcpy(fds, u->fds, n * sizeof *fds);
    return n;
}

uint64_t usernet_due_ns(struct usernet *u)
{
    uint32_t timeout = look(u);
    uint64_t due = timeout == UINT32_MAX ? UINT64_MAX : (uint64_t)timeout * 1000000;
    uint64_t now = now_ns();

    for (unsigned i = 0; i < MAX_TIMERS; i++) {
        const struct timer *t = &u->timer[i];
        if (!t->used || t->due_ms > UINT64_MAX / 1000000)
            continue;
        uint64_t at = t->due_ms * 1000000, left = at > now ? at - now : 0;
        due = left < due ? left : due;
    }
    return due;
}

/* --- the cable --- */

static void from_guest(void *opaque, const uint8_t *frame, size_t len)
{
    struct usernet *u = opaque;

    if (len >= NET_HEADER && len <= FRAME_MTU + NET_HEADER)
        slirp_input(u->slirp, frame, (int)len);
}

struct net_end usernet_end(struct usernet *u)
{
    return (struct net_end){.opaque = u, .frame = from_guest};
}

void usernet_connect(struct usernet *u, const struct net_end *peer)
{
    u->peer = *peer;
}

/* --- set-up --- */

static struct in_addr address(uint32_t a)
{
    return (struct in_addr){.s_addr = htonl(a)};
}

static int add_forward(struct usernet *u, const struct usernet_forward *f, char *why, size_t size)
{
    uint32_t guest = f->guest_addr != 0 ? f->guest_addr : NET(10, 0, 2, 15);

    if (slirp_add_hostfwd(u->slirp, f->udp, address(f->host_addr), f->host_port, address(guest),
                          f->guest_port) == 0)
        return 0;
    int err = errno != 0 ? -errno : -EADDRINUSE;
    snprintf(why, size, "--net hostfwd %s port %u cannot be listened on: %s",
             f->udp ? "udp" : "tcp", f->host_port, strerror(-err));
    return err;
}

static Slirp *make(struct usernet *u, const struct usernet_config *config, const char *tftp)
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
                     .bootfile = config->bootfile,
                     .if_mtu = FRAME_MTU,
                     .if_mru = FRAME_MTU};

    inet_pton(AF_INET6, "fec0::", &c.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &c.vhost6);
    inet_pton(AF_INET6, "fec0::3", &c.vnameserver6);
    return slirp_new(&c, &callbacks, u);
}

/* The directory's full name, which a later change of this process's directory leaves alone; NULL
 * with errno when it is none. */
static char *directory(const char *path)
{
    char *full = realpath(path, NULL);
    int fd = full != NULL ? open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        close(fd);
        return full;
    }
    free(full);
    return NULL;
}

static int set_up(struct usernet *u, const struct usernet_config *config, char *why, size_t size)
{
    char *tftp = config->tftp != NULL ? directory(config->tftp) : NULL;
    int err = 0;

    if (config->tftp != NULL && tftp == NULL) {
        err = -errno;
        snprintf(why, size, "--net tftp=%s: %s", config->tftp, strerror(errno));
        return err;
    }
    u->slirp = make(u, config, tftp);
    free(tftp);
    if (u->slirp == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < config->forward_count && err == 0; i++)
        err = add_forward(u, &config->forwards[i], why, size);
    return err;
}

int usernet_new(const struct usernet_config *config, struct usernet **out, char *why, size_t size)
{
    struct usernet *u = calloc(1, sizeof *u);
    int err;

    *out = NULL;
    if (u == NULL)
        return -ENOMEM;
    err = set_up(u, config, why, size);
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
    if (u->slirp != NULL)
        slirp_cleanup(u->slirp);
    free(u->fds);
    free(u);
}
