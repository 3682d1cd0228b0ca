/* See switch_port.h. */
#define _GNU_SOURCE /* recvmmsg, closefrom */
#include "switch_port.h"
#include "frameq.h"
#include "log.h"
#include "rundir.h"
#include "switch_proto.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RETRY_NS    200000000ull  /* between attempts to connect */
#define RESTART_NS  2000000000ull /* before a private switch that ended is started again */
#define WELCOME_MS  30000
#define MAC_TRIES   16
#define BATCH       NET_BURST
#define ROUNDS      32     /* batches in one poll */
#define SEND_AT     32     /* messages that do not wait for the next poll */
#define PAUSE_NS    100000 /* after so long the first one does not wait either */
#define MESSAGE_MAX (sizeof(struct switch_header) + NET_FRAME_MAX)
#define PRIVATE_FD  3
#define PROGRAM     "hpvmnetd"

extern char **environ;

enum state { PORT_AWAY, PORT_GREETED, PORT_PLUGGED };

struct switch_port {
    struct switch_port_config config;
    enum state state;
    int fd;
    pid_t child; /* the private switch, or 0 */
    bool up, warned;
    uint64_t retry_ns;
    unsigned number; /* of the port; kept over reconnections */
    struct net_end peer;
    struct frameq queue;
    uint64_t sent_ns; /* when something was sent from within the guest's turn */
    uint64_t lost;    /* frames that did not fit or had no switch */
    uint8_t buf[BATCH][MESSAGE_MAX];
};

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static const char *name_of(const struct switch_port *p)
{
    return p->config.name != NULL ? p->config.name : p->config.uplink;
}

static void set_link(struct switch_port *p, bool up)
{
    if (p->up == up)
        return;
    p->up = up;
    net_link(&p->peer, up);
}

static void hang_up(struct switch_port *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    p->state = PORT_AWAY;
    p->retry_ns = now_ns() + (p->config.name != NULL ? RETRY_NS : RESTART_NS);
    frameq_clear(&p->queue);
    set_link(p, false);
}

/* --- connecting --- */

static int greet(struct switch_port *p)
{
    struct switch_hello h = {.header = {.type = SWITCH_HELLO},
                             .version = SWITCH_PROTO_VERSION,
                             .port = p->number,
                             .vlan = p->config.vlan};
    int size = 4 << 20; /* as much as the system grants */

    memcpy(h.mac, p->config.mac, sizeof h.mac);
    if (p->config.guest != NULL)
        strncpy(h.guest, p->config.guest, sizeof h.guest - 1);
    setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (send(p->fd, &h, sizeof h, MSG_NOSIGNAL) != sizeof h)
        return -errno;
    p->state = PORT_GREETED;
    return 0;
}

static switch_port_dialer *dialer = switch_port_dial;

void switch_port_set_dialer(switch_port_dialer *how)
{
    dialer = how != NULL ? how : switch_port_dial;
}

int switch_port_dial(const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char why[200];
    int err = rundir_switch(name, "port", false, a.sun_path, why, sizeof why), fd;

    if (err != 0)
        return err;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

static int dial(struct switch_port *p)
{
    int fd = dialer(p->config.name), err = fd < 0 ? fd : 0;

    p->fd = fd;
    if (err == 0)
        err = greet(p);
    if (err != 0) /* sets the time of the next attempt */
        hang_up(p);
    return err;
}

/* hpvmnetd lies beside the program that runs. */
static int program_path(char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - sizeof PROGRAM - 1);
    char *slash;

    if (n < 0)
        return -errno;
    path[n] = '\0';
    slash = strrchr(path, '/');
    strcpy(slash != NULL ? slash + 1 : path, PROGRAM);
    return 0;
}

static int spawn(struct switch_port *p, int fd)
{
    char path[PATH_MAX], number[8];
    char *argv[] = {PROGRAM, "--private", number, "--uplink", (char *)p->config.uplink, NULL};
    posix_spawn_file_actions_t actions;
    int err = program_path(path, sizeof path);

    snprintf(number, sizeof number, "%d", PRIVATE_FD);
    if (err != 0)
        return err;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fd, PRIVATE_FD);
    posix_spawn_file_actions_addclosefrom_np(&actions, PRIVATE_FD + 1);
    err = -posix_spawn(&p->child, path, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

/* The child's end must not be PRIVATE_FD itself, whose close-on-exec mark dup2 would then keep. */
static int start_private(struct switch_port *p, char *why, size_t size)
{
    int pair[2], end, err;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -errno;
    p->fd = pair[0];
    end = fcntl(pair[1], F_DUPFD_CLOEXEC, PRIVATE_FD + 1);
    close(pair[1]);
    err = end < 0 ? -errno : spawn(p, end);
    if (end >= 0)
        close(end);
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    if (err == 0)
        return greet(p);
    snprintf(why, size, "--net %s: %s cannot be started: %s", p->config.uplink, PROGRAM,
             strerror(-err));
    return err;
}

/* Nothing that the process which ended had, or still has, is needed any more. */
static void end_private(struct switch_port *p)
{
    if (p->child <= 0)
        return;
    kill(p->child, SIGKILL);
    while (waitpid(p->child, NULL, 0) < 0 && errno == EINTR)
        ;
    p->child = 0;
}

static void restart_private(struct switch_port *p)
{
    char why[200] = "";

    end_private(p);
    if (start_private(p, why, sizeof why) == 0)
        return;
    if (!p->warned)
        log_warn("%s", why);
    p->warned = true;
    hang_up(p);
}

/* --- messages --- */

static void take_refusal(struct switch_port *p, const uint8_t *message, size_t len)
{
    struct switch_refused r;

    if (len != sizeof r)
        return;
    memcpy(&r, message, sizeof r);
    r.reason[sizeof r.reason - 1] = '\0';
    if (!p->warned)
        log_warn("--net %s: the switch refuses: %s", name_of(p), r.reason);
    p->warned = true;
}

static void take_welcome(struct switch_port *p, const uint8_t *message, size_t len)
{
    struct switch_welcome w;

    if (len != sizeof w)
        return;
    memcpy(&w, message, sizeof w);
    p->state = PORT_PLUGGED;
    p->number = w.port;
    p->warned = false;
    log_info("--net %s: plugged into port %u", name_of(p), w.port);
    set_link(p, w.up != 0);
}

/* False: the switch ends the connection. */
static bool take_message(struct switch_port *p, const uint8_t *message, size_t len)
{
    const size_t header = sizeof(struct switch_header);
    struct switch_link l;

    if (len < header)
        return false;
    if (message[0] == SWITCH_FRAME && p->state == PORT_PLUGGED) {
        net_send(&p->peer, message + header, len - header);
    } else if (message[0] == SWITCH_LINK && len == sizeof l) {
        memcpy(&l, message, sizeof l);
        set_link(p, l.up != 0);
    } else if (message[0] == SWITCH_WELCOME && p->state == PORT_GREETED) {
        take_welcome(p, message, len);
    } else if (message[0] == SWITCH_REFUSED) {
        take_refusal(p, message, len);
        return false;
    }
    return true;
}

/* One batch: how many messages there were, or negative at the end of the connection. */
static int receive(struct switch_port *p)
{
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];

    for (unsigned i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){p->buf[i], MESSAGE_MAX};
        msgs[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
    }
    int n = recvmmsg(p->fd, msgs, BATCH, MSG_DONTWAIT, NULL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    for (int i = 0; i < n; i++)
        if (!take_message(p, p->buf[i], msgs[i].msg_len))
            return -1;
    return n > 0 ? n : -1;
}

/* --- the run --- */

static void lost_switch(struct switch_port *p)
{
    if (p->config.name == NULL)
        log_warn("--net %s: its process has ended; it is started again", name_of(p));
    else if (p->state == PORT_PLUGGED)
        log_warn("switch %s has gone; the adapter is plugged in again when it is back",
                 p->config.name);
    hang_up(p);
}

void switch_port_poll(struct switch_port *p)
{
    int n = BATCH;

    if (p->state == PORT_AWAY && now_ns() >= p->retry_ns) {
        if (p->config.name != NULL)
            dial(p);
        else
            restart_private(p);
    }
    if (p->fd < 0)
        return;
    if (!frameq_send(&p->queue, p->fd))
        n = -1;
    for (unsigned i = 0; i < ROUNDS && n == BATCH && net_ready(&p->peer); i++)
        n = receive(p);
    if (n < 0)
        lost_switch(p);
}

uint64_t switch_port_due_ns(const struct switch_port *p)
{
    uint64_t now;

    if (p->state != PORT_AWAY)
        return UINT64_MAX;
    now = now_ns();
    return p->retry_ns > now ? p->retry_ns - now : 0;
}

bool switch_port_fd(const struct switch_port *p, struct pollfd *fd)
{
    short in = net_ready(&p->peer) ? POLLIN : 0, out = p->queue.count > 0 ? POLLOUT : 0;

    *fd = (struct pollfd){.fd = p->fd, .events = (short)(in | out)};
    return p->fd >= 0;
}

/* --- the cable --- */

/* A lone frame goes at once, those of a burst together. A broken connection shows in the next poll.
 */
static void send_some(struct switch_port *p)
{
    bool full = p->queue.count % SEND_AT == 0;
    uint64_t now = p->queue.count == 1 ? now_ns() : 0;

    if (!full && (p->queue.count != 1 || now - p->sent_ns < PAUSE_NS))
        return;
    p->sent_ns = now;
    frameq_send(&p->queue, p->fd);
}

static void from_guest(void *opaque, const uint8_t *frame, size_t len)
{
    static const struct switch_header header = {.type = SWITCH_FRAME};
    struct switch_port *p = opaque;

    if (p->state != PORT_PLUGGED || !p->up ||
        !frameq_push(&p->queue, &header, sizeof header, frame, len)) {
        p->lost++;
        return;
    }
    send_some(p);
}

struct net_end switch_port_end(struct switch_port *p)
{
    return (struct net_end){.opaque = p, .frame = from_guest};
}

void switch_port_connect(struct switch_port *p, const struct net_end *peer)
{
    p->peer = *peer;
    net_link(&p->peer, p->up);
}

const uint8_t *switch_port_mac(const struct switch_port *p)
{
    return p->config.mac;
}

/* --- the start --- */

static void close_attempt(struct switch_port *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    p->state = PORT_AWAY;
}

/* Waits for the answer to a hello. -EADDRINUSE: the address is another port's. */
static int wait_for_welcome(struct switch_port *p, char *why, size_t size)
{
    struct pollfd fd = {.fd = p->fd, .events = POLLIN};
    struct switch_refused r;
    int n;

    do
        n = poll(&fd, 1, WELCOME_MS);
    while (n < 0 && errno == EINTR);
    ssize_t len = n > 0 ? recv(p->fd, p->buf[0], MESSAGE_MAX, MSG_DONTWAIT) : -1;
    if (len == sizeof(struct switch_welcome) && p->buf[0][0] == SWITCH_WELCOME) {
        take_welcome(p, p->buf[0], (size_t)len);
        return 0;
    }
    if (len == sizeof r && p->buf[0][0] == SWITCH_REFUSED) {
        memcpy(&r, p->buf[0], sizeof r);
        r.reason[sizeof r.reason - 1] = '\0';
        snprintf(why, size, "--net %s: %s", name_of(p), r.reason);
        return r.mac ? -EADDRINUSE : -EIO;
    }
    snprintf(why, size, "--net %s: the switch does not answer", name_of(p));
    return -EIO;
}

static int start_named(struct switch_port *p, char *why, size_t size)
{
    int err = 0;

    if (!rundir_switch_name(p->config.name)) {
        snprintf(why, size, "--net switch:%s: a switch has a name of 1 to 8 characters",
                 p->config.name);
        return -EINVAL;
    }
    for (unsigned i = 1; i <= MAC_TRIES; i++) {
        err = dial(p);
        if (err != 0) {
            log_warn("switch %s is not running (%s): the adapter is plugged in when it is there",
                     p->config.name, strerror(-err));
            return 0;
        }
        err = wait_for_welcome(p, why, size);
        if (err == 0)
            return 0;
        close_attempt(p);
        if (err != -EADDRINUSE || p->config.another_mac == NULL)
            return err;
        p->config.another_mac(p->config.opaque, p->config.mac, i);
    }
    return err;
}

int switch_port_new(const struct switch_port_config *config, struct switch_port **out, char *why,
                    size_t size)
{
    struct switch_port *p = calloc(1, sizeof *p);
    int err;

    *out = NULL;
    if (p == NULL)
        return -ENOMEM;
    p->config = *config;
    p->number = config->port;
    p->fd = -1;
    frameq_init(&p->queue, SWITCH_QUEUE_MAX);
    why[0] = '\0';
    if (config->name != NULL) {
        err = start_named(p, why, size);
    } else {
        err = start_private(p, why, size);
        if (err == 0)
            err = wait_for_welcome(p, why, size);
    }
    if (err != 0 && why[0] == '\0')
        snprintf(why, size, "--net %s: %s", name_of(p), strerror(-err));
    if (err != 0) {
        switch_port_free(p);
        return err;
    }
    *out = p;
    return 0;
}

void switch_port_free(struct switch_port *p)
{
    if (p == NULL)
        return;
    if (p->fd >= 0)
        close(p->fd);
    if (p->child > 0)
        while (waitpid(p->child, NULL, 0) < 0 && errno == EINTR)
            ;
    frameq_free(&p->queue);
    free(p);
}

void switch_port_print_stats(const struct switch_port *p, FILE *out)
{
    fprintf(out, "  plugged into %s, port %u: %" PRIu64 " frames lost on the way to it\n",
            name_of(p), p->number, p->lost);
}
