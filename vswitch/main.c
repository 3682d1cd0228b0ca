/* hpvmnetd: options of a switch, and its life from sockets and uplink to the sandbox and the main
 * loop. Forwarding, sockets and uplinks are in the other files. */
#define _GNU_SOURCE
#include "switch_ask.h"
#include "broker.h"
#include "daemon.h"
#include "log.h"
#include "opts.h"
#include "rundir.h"
#include "sandbox.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define EXIT_USAGE   2
#define MAX_CAPTURES 16
#define LOCK_TRIES   150 /* of 20 ms: a switch that ends tidies up first */
#define BACKLOG      64
#define FLUSH_MS     250

enum {
    OPT_NAME,
    OPT_UPLINK,
    OPT_PORT,
    OPT_PCAP,
    OPT_DAEMON,
    OPT_ASK,
    OPT_LOG,
    OPT_VERBOSE,
    OPT_PRIVATE
};

static const struct opt options[] = {
    {OPT_NAME, "name", 0, "NAME", "the switch, 1 to 8 characters (required)", NULL},
    {OPT_UPLINK, "uplink", 0, "KIND", "none (default), user[,...], tap:IF or nic:IF", NULL},
    {OPT_PORT, "port", 0, "N", "set a port: N[,vlan=ID][,down][,reserved=COUNT]", NULL},
    {OPT_PCAP, "pcap", 0, "N:FILE", "capture a port (or uplink) to a file", NULL},
    {OPT_DAEMON, "daemon", 'd', NULL, "go to the background once the switch works", NULL},
    {OPT_ASK, "ask", 0, "REQUEST", "send a request to the running switch and print the answer",
     NULL},
    {OPT_LOG, "log", 0, "FILE", "append messages to a file too", NULL},
    {OPT_VERBOSE, "verbose", 'v', NULL, "more messages; twice for debugging", NULL},
    {OPT_PRIVATE, "private", 0, "FD", NULL, NULL}, /* for kittson: serves this one connection */
};
#define OPTIONS (sizeof options / sizeof options[0])

struct args {
    const char *name, *uplink, *ask;
    int private_fd;
    bool daemon;
    struct {
        unsigned port;
        const char *path;
    } capture[MAX_CAPTURES];
    unsigned captures;
    struct vswitch *sw; /* ports are set as they are named */
};

static void print_help(void)
{
    printf("usage: hpvmnetd --name NAME [OPTION]...\n\n"
           "A virtual switch: guests plug their network adapters into its ports.\n\n");
    opts_print(stdout, options, OPTIONS);
    printf("\nExamples:\n"
           "  hpvmnetd --name localnet                     guests among themselves\n"
           "  hpvmnetd --name lan1 --uplink user           and out through the host's user\n"
           "  hpvmnetd --name lan1 --uplink tap:tap0       onto a TAP interface (root)\n"
           "  hpvmnetd --name lan1 --uplink nic:eth0       onto another interface (root)\n"
           "  hpvmnetd --name lan1 --port 1,vlan=100       port 1 is in VLAN 100\n"
           "  hpvmnetd --name lan1 --ask status            ports, addresses and counters\n"
           "  hpvmnetd --name lan1 --ask 'port 2 vlan 7'   change a port of the running switch\n"
           "  hpvmnetd --name lan1 --ask shutdown          end it\n"
           "  kittson run --net switch:lan1,port=1 ...     a guest on port 1\n\n"
           "Without --daemon it stays in the foreground until it gets a signal or `shutdown'.\n"
           "Requests: status, clear, port N vlan ID|none, port N up|down, port N reserve COUNT,\n"
           "hostfwd add|remove|list, pcap start N FILE, pcap stop N, shutdown.\n"
           "Manual: man hpvmnetd. Exit status: 0 fine, 1 it failed, 2 bad usage.\n");
}

/* --- options --- */

static int bad(char *why, size_t size, const char *option, const char *value, const char *rule)
{
    snprintf(why, size, "%s %s: %s", option, value[0] != '\0' ? value : "(empty)", rule);
    return -EINVAL;
}

static int set_port_word(struct vswitch *sw, unsigned port, const char *word)
{
    uint64_t n;

    if (strcmp(word, "down") == 0)
        return vswitch_set_down(sw, port, true);
    if (strncmp(word, "vlan=", 5) == 0 && text_parse_number(word + 5, 0, SWITCH_VLAN_MAX, &n) == 0)
        return vswitch_set_vlan(sw, port, (int)n);
    if (strncmp(word, "reserved=", 9) == 0 && text_parse_number(word + 9, 0, 100000, &n) == 0)
        return vswitch_set_reserved(sw, port, (unsigned)n);
    return -EINVAL;
}

static int set_port(struct args *a, const char *value, char *why, size_t size)
{
    char **words = g_strsplit(value, ",", 8);
    uint64_t port = 0;
    int err = words[0] == NULL ? -EINVAL : text_parse_number(words[0], 1, SWITCH_PORTS, &port);

    for (guint i = 1; err == 0 && words[i] != NULL; i++)
        err = set_port_word(a->sw, (unsigned)port, words[i]);
    g_strfreev(words);
    return err == 0 ? 0
                    : bad(why, size, "--port", value,
                          "give a number from 1 to 100[,vlan=0 to 4094][,down][,reserved=COUNT]");
}

static int set_capture(struct args *a, const char *value, char *why, size_t size)
{
    const char *colon = strchr(value, ':');
    char port[16] = "";
    uint64_t n = VSWITCH_UPLINK;

    if (colon != NULL)
        g_strlcpy(port, value, MIN(sizeof port, (size_t)(colon - value) + 1));
    if (colon == NULL || colon[1] == '\0' ||
        (strcmp(port, "uplink") != 0 && text_parse_number(port, 1, SWITCH_PORTS, &n) != 0))
        return bad(why, size, "--pcap", value, "give PORT:FILE or uplink:FILE");
    if (a->captures == MAX_CAPTURES)
        return bad(why, size, "--pcap", value, "there is room for 16 captures");
    a->capture[a->captures].port = (unsigned)n;
    a->capture[a->captures++].path = colon + 1;
    return 0;
}

static int set_private(struct args *a, const char *value, char *why, size_t size)
{
    uint64_t fd;

    if (text_parse_number(value, 3, 1000, &fd) != 0)
        return bad(why, size, "--private", value, "give a descriptor");
    a->private_fd = (int)fd;
    return 0;
}

static int set_option(void *opaque, const struct opt *o, const char *v, char *why, size_t size)
{
    struct args *a = opaque;
    int err;

    switch (o->id) {
    case OPTS_OPERAND:
        snprintf(why, size, "hpvmnetd takes no argument %s: name a switch with --name", v);
        return -EINVAL;
    case OPT_NAME:
        a->name = v;
        return rundir_switch_name(v)
                   ? 0
                   : bad(why, size, "--name", v, "give 1 to 8 letters, digits, '.', '-' and '_'");
    case OPT_UPLINK:
        a->uplink = v;
        return 0;
    case OPT_PORT:
        return set_port(a, v, why, size);
    case OPT_PCAP:
        return set_capture(a, v, why, size);
    case OPT_DAEMON:
        a->daemon = true;
        return 0;
    case OPT_ASK:
        a->ask = v;
        return 0;
    case OPT_LOG:
        err = log_set_file(v);
        return err == 0 ? 0 : bad(why, size, "--log", v, strerror(-err));
    case OPT_PRIVATE:
        return set_private(a, v, why, size);
    default: /* OPT_VERBOSE */
        log_set_level(log_get_level() < LOG_INFO ? LOG_INFO : LOG_DEBUG);
        return 0;
    }
}

/* --- sockets --- */

struct places {
    char lock[RUNDIR_PATH_MAX], port[RUNDIR_PATH_MAX], control[RUNDIR_PATH_MAX];
    int lock_fd, port_fd, control_fd;
};

/* The switch's name as eight bytes in hexadecimal digits, as Integrity VM writes it here. */
static void already_exists(const char *name, char *why, size_t size)
{
    char hex[17];
    uint64_t v = 0;

    for (const char *p = name; *p != '\0'; p++)
        v = v << 8 | (unsigned char)*p;
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)v);
    snprintf(why, size, "Switch %s already exists", hex);
}

static int take_lock(const char *name, struct places *p, char *why, size_t size)
{
    p->lock_fd = open(p->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (p->lock_fd < 0) {
        int err = -errno;
        snprintf(why, size, "%s: %s", p->lock, strerror(-err));
        return err;
    }
    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        if (flock(p->lock_fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        poll(NULL, 0, 20);
    }
    already_exists(name, why, size);
    return -EEXIST;
}

static int listen_at(const char *path, int type, char *why, size_t size)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0177);

    g_strlcpy(a.sun_path, path, sizeof a.sun_path);
    unlink(path); /* left by one that was killed; we hold the lock */
    int err =
        fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) != 0 || listen(fd, BACKLOG) != 0
            ? -errno
            : 0;
    umask(mask);
    if (err == 0)
        return fd;
    snprintf(why, size, "%s: %s", path, strerror(-err));
    if (fd >= 0)
        close(fd);
    return err;
}

static int open_places(const char *name, struct places *p, char *why, size_t size)
{
    int err = rundir_switch(name, "lock", true, p->lock, why, size);

    if (err == 0)
        err = rundir_switch(name, "port", true, p->port, why, size);
    if (err == 0)
        err = rundir_switch(name, "control", true, p->control, why, size);
    if (err == 0)
        err = take_lock(name, p, why, size);
    if (err != 0)
        return err;
    p->port_fd = listen_at(p->port, SOCK_SEQPACKET, why, size);
    if (p->port_fd < 0)
        return p->port_fd;
    p->control_fd = listen_at(p->control, SOCK_STREAM, why, size);
    return p->control_fd < 0 ? p->control_fd : 0;
}

/* --- set-up --- */

uint64_t daemon_now_ns(void *daemon)
{
    struct timespec ts;

    (void)daemon;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int open_captures(struct daemon *d, const struct args *a, char *why, size_t size)
{
    for (unsigned i = 0; i < a->captures; i++) {
        int err;
        struct pcap *p = pcap_create(a->capture[i].path, &err);
        if (p == NULL) {
            snprintf(why, size, "--pcap %s: %s", a->capture[i].path, strerror(-err));
            return err;
        }
        vswitch_set_capture(d->sw, a->capture[i].port, p);
    }
    return 0;
}

static int start_broker(const struct args *a, const struct places *p, char *why, size_t size)
{
    struct user_options *o = g_new0(struct user_options, 1);
    struct broker_config config = {.keep = -1};
    int fd = strncmp(a->uplink, "user", 4) == 0 ? user_parse(o, a->uplink, why, size) : 0;

    if (a->private_fd < 0) {
        config.keep = p->lock_fd;
        config.unlink[0] = p->port;
        config.unlink[1] = p->control;
    }
    config.tftp = o->tftp[0] != '\0' ? o->tftp : NULL;
    config.dns = o->dns[0] != '\0' ? o->dns : NULL;
    if (fd == 0)
        fd = broker_start(&config, why, size);
    g_free(o);
    return fd;
}

static gboolean on_signal(gint fd, GIOCondition condition, gpointer opaque)
{
    struct signalfd_siginfo info;

    (void)condition;
    if (read(fd, &info, sizeof info) == sizeof info)
        g_main_loop_quit(((struct daemon *)opaque)->loop);
    return G_SOURCE_CONTINUE;
}

/* A private switch ends with its connection: signals of the terminal are not for it. */
static void catch_signals(struct daemon *d)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (d->is_private) {
        signal(SIGINT, SIG_IGN);
        signal(SIGQUIT, SIG_IGN);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    if (!d->is_private)
        sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    g_unix_fd_add(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), G_IO_IN, on_signal, d);
}

static gboolean on_tick(gpointer opaque)
{
    struct daemon *d = opaque;
    static unsigned ticks;

    vswitch_flush_captures(d->sw);
    if (++ticks % (10000 / FLUSH_MS) == 0)
        vswitch_age(d->sw);
    return G_SOURCE_CONTINUE;
}

/* Everything that needs rights or file names; the last step gives them up. */
static int set_up(struct daemon *d, const struct args *a, char *why, size_t size)
{
    struct places places = {.lock_fd = -1};
    int err = 0, broker;

    ports_start(d);
    if (!d->is_private)
        err = open_places(a->name, &places, why, size);
    if (err != 0)
        return err;
    broker = start_broker(a, &places, why, size);
    if (broker < 0)
        return broker;
    err = uplink_open(d, a->uplink, why, size);
    if (err == 0)
        err = open_captures(d, a, why, size);
    if (err == 0 && a->daemon && chdir("/") != 0)
        err = -errno;
    if (err != 0)
        return err;
    catch_signals(d);
    if (d->is_private) {
        ports_add(d, a->private_fd);
    } else {
        ports_listen(d, places.port_fd);
        control_listen(d, places.control_fd);
    }
    g_timeout_add(FLUSH_MS, on_tick, d);
    return sandbox_enter(broker, why, size);
}

/* Tells whoever started a private switch why there is none. */
static void refuse_private(int fd, const char *why)
{
    struct switch_refused r = {.header = {.type = SWITCH_REFUSED}};

    g_strlcpy(r.reason, why, sizeof r.reason);
    send(fd, &r, sizeof r, MSG_NOSIGNAL);
}

/* Returns in the child; the parent leaves with the child's word on how it went. */
static int go_to_background(void)
{
    int report[2];
    char byte = 1;

    if (pipe2(report, O_CLOEXEC) != 0)
        return -1;
    switch (fork()) {
    case -1:
        return -1;
    case 0:
        close(report[0]);
        setsid();
        return report[1];
    default:
        close(report[1]);
        _exit(read(report[0], &byte, 1) == 1 ? byte : 1);
    }
}

static void in_background(int report, int null)
{
    const char ok = 0;

    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    if (write(report, &ok, 1) == 1)
        close(report);
}

static int run(struct args *a)
{
    struct daemon d = {.name = a->name, .sw = a->sw, .is_private = a->private_fd >= 0};
    char why[400] = "";
    int report = a->daemon ? go_to_background() : -1;
    int null = a->daemon ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;

    if (a->daemon && (report < 0 || null < 0)) {
        log_error("--daemon: %s", strerror(errno));
        vswitch_free(d.sw);
        return EXIT_FAILURE;
    }
    d.loop = g_main_loop_new(NULL, FALSE);
    if (set_up(&d, a, why, sizeof why) != 0) {
        if (d.is_private)
            refuse_private(a->private_fd, why);
        else
            log_error("%s", why);
        g_main_loop_unref(d.loop);
        vswitch_free(d.sw);
        return EXIT_FAILURE;
    }
    log_info("switch %s works", a->name);
    if (a->daemon)
        in_background(report, null);
    g_main_loop_run(d.loop);
    uplink_close(&d);
    vswitch_free(d.sw);
    _exit(EXIT_SUCCESS); /* the sandbox leaves nothing else to be done at the end */
}

static int check(struct args *a, char *why, size_t size)
{
    if (a->name == NULL && a->private_fd >= 0)
        a->name = "private";
    if (a->name != NULL)
        return 0;
    snprintf(why, size, "name a switch: hpvmnetd --name NAME; hpvmnetd --help says more");
    return -EINVAL;
}

int main(int argc, char **argv)
{
    struct args a = {.uplink = "none", .private_fd = -1};
    char why[400] = "";

    log_set_program("hpvmnetd");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return EXIT_SUCCESS;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("hpvmnetd %s\n", KITTSON_VERSION);
            return EXIT_SUCCESS;
        }
    }
    a.sw = vswitch_new(daemon_now_ns, NULL);
    if (opts_parse(options, OPTIONS, argc, argv, set_option, &a, why, sizeof why) != 0 ||
        check(&a, why, sizeof why) != 0) {
        log_error("%s", why);
        vswitch_free(a.sw);
        return EXIT_USAGE;
    }
    if (a.ask == NULL)
        return run(&a);
    vswitch_free(a.sw);
    if (ask_switch(a.name, a.ask, stdout, why, sizeof why) == 0)
        return EXIT_SUCCESS;
    log_error("%s", why);
    return EXIT_FAILURE;
}
