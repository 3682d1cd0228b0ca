/* The start of a guest's process: everything that needs the rights of who starts it, then the two
 * halves (keeper.h) go their ways. See hpvmapp.h. */
#define _GNU_SOURCE
#include "hpvmapp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app.h"
#include "app_impl.h"
#include "app_proto.h"
#include "confine.h"
#include "entitlement.h"
#include "keeper.h"
#include "log.h"
#include "report.h"
#include "state.h"
#include "store.h"
#include "switch_port.h"
#include "text.h"
#include "vmp.h"

#define CONFIG "vmm_config.current"

struct start {
    char *config;    /* its path */
    char *directory; /* of the process's own files */
    char uuid[37];
    struct guest *guest;
    int lock, common, dir, control, console;
    bool drop;
    uid_t uid;
    gid_t gid;
    struct vmp_limits limits;
};

__attribute__((format(printf, 1, 2))) static int complain(const char *fmt, ...)
{
    va_list ap;
    fflush(stdout);
    va_start(ap, fmt);
    fputs("hpvmapp: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return 1;
}

/* ROOT/uuids/UUID/vmm_config.current says which state and which guest. */
static int take_path(struct start *s, const char *path)
{
    uint8_t uuid[16];
    g_autofree char *real = realpath(path, NULL);
    g_autofree char *own = real != NULL ? g_path_get_dirname(real) : NULL;
    g_autofree char *uuids = own != NULL ? g_path_get_dirname(own) : NULL;
    g_autofree char *root = uuids != NULL ? g_path_get_dirname(uuids) : NULL;
    if (real == NULL)
        return complain("%s: %s.", path, strerror(errno));
    g_autofree char *file = g_path_get_basename(real);
    g_autofree char *name = g_path_get_basename(own);
    g_autofree char *above = g_path_get_basename(uuids);
    if (strcmp(file, CONFIG) != 0 || strcmp(above, "uuids") != 0 ||
        text_parse_uuid(name, uuid) != 0)
        return complain("%s: not the current configuration of a guest.", path);
    g_strlcpy(s->uuid, name, sizeof s->uuid);
    s->config = g_strdup(real);
    s->directory = g_build_filename(own, "app", NULL);
    setenv("HPVM_ROOT", root, 1);
    g_autofree char *common = g_build_filename(root, "common", NULL);
    s->common = open(common, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return s->common >= 0 ? 0 : complain("%s: %s.", common, strerror(errno));
}

/* The guest's configuration; its lock too, unless hpvmstart has taken it. */
static int take_guest(struct start *s)
{
    char why[400];
    struct state *state = state_open(true, why, sizeof why);
    struct entry *e = state != NULL ? state_find_uuid(state, s->uuid) : NULL;
    int status = 0;
    if (state == NULL)
        return complain("%s", why);
    if (e == NULL || e->guest == NULL)
        status = complain("%s: %s.", s->config, e != NULL ? e->problem : "no such guest");
    if (status == 0 && s->lock < 0) {
        s->lock = state_run_lock(state, e);
        if (s->lock < 0)
            status = complain("Guest '%s': %s.", e->name,
                              s->lock == -EBUSY ? "it is already running" : strerror(-s->lock));
        else
            state_promote(state, e);
        if (status == 0 && e->next != NULL) {
            guest_free(e->guest);
            e->guest = e->next;
            e->next = NULL;
        }
    }
    if (status == 0) {
        s->guest = guest_copy(e->guest);
        state_run_write(s->lock, "On", 0);
    }
    state_close(state);
    return status;
}

/* Where administrators look for it: guests/NAME/log. */
static int link_log(const struct start *s)
{
    g_autofree char *own = g_path_get_dirname(s->directory);
    g_autofree char *link = g_build_filename(own, "log", NULL);
    return symlink("app/log", link) == 0 || errno == EEXIST
               ? 0
               : complain("%s: %s.", link, strerror(errno));
}

/* The directory the process may write in is all it gets of the state. */
static int make_directory(struct start *s)
{
    if (mkdir(s->directory, 0700) != 0 && errno != EEXIST)
        return complain("%s: %s.", s->directory, strerror(errno));
    s->dir = open(s->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (s->dir < 0 || (s->drop && fchown(s->dir, s->uid, s->gid) != 0))
        return complain("%s: %s.", s->directory, strerror(errno));
    if (link_log(s) != 0)
        return 1;
    if (!s->drop)
        return 0;
    static const char *const files[] = {"nvram",      "console",   "console.1",  "events",
                                        "events.1",   "progress",  "log",        "log.1",
                                        "progress.1", "tombstone", "tombstone.1"};
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) /* from a time without the user */
        if (fchownat(s->dir, files[i], s->uid, s->gid, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT)
            return complain("%s/%s: %s.", s->directory, files[i], strerror(errno));
    return 0;
}

static int make_sockets(struct start *s)
{
    char why[PATH_MAX + 200];
    s->control = app_listen(s->uuid, "control", 0600, why, sizeof why);
    if (s->control >= 0)
        s->console = app_listen(s->uuid, "console", 0666, why, sizeof why);
    if (s->control >= 0 && s->console >= 0 &&
        app_publish(s->uuid, s->guest->name, s->guest->number, why, sizeof why) == 0)
        return 0;
    return complain("%s", why);
}

/* --- the halves --- */

static void be_nobody(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    close(null);
}

/* As much as we may. */
static void allow_locked_memory(void)
{
    struct rlimit r = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_MEMLOCK, &r) == 0 || getrlimit(RLIMIT_MEMLOCK, &r) != 0)
        return;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_MEMLOCK, &r);
}

static _Noreturn void machine_process(struct start *s, int link, pid_t keeper)
{
    char why[600] = "";
    g_autofree char *name = NULL;
    g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *bin = exe != NULL ? g_path_get_dirname(exe) : g_strdup(".");
    name = g_strdup_printf("%s/hpvmapp (%s)", bin, s->config);
    const struct app_options o = {.guest = s->guest,
                                  .report_name = name,
                                  .directory = s->directory,
                                  .dir = s->dir,
                                  .owner = geteuid(),
                                  .control_fd = s->control,
                                  .console_fd = s->console,
                                  .stop_seconds = s->limits.stop_seconds,
                                  .attention_seconds = s->limits.attention_seconds,
                                  .lock_memory = s->limits.lock_memory};
    link_use(link);
    store_set_opener(media_open);
    switch_port_set_dialer(link_switch);
    if (s->limits.lock_memory)
        allow_locked_memory();
    int err = confine(s->drop, s->uid, s->gid, why, sizeof why);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* changing the user undoes it */
    if (err == 0 && getppid() == keeper)
        err = app_run(&o, why, sizeof why);
    if (err != 0)
        complain("%s", why);
    fflush(NULL);
    _exit(err != 0);
}

static int give_entitlement(const struct start *s, pid_t child)
{
    struct vmp_host host;
    vmp_host_read(&host);
    return entitlement_set(s->uuid, child, vmp_entitlement(s->guest, &host),
                           (unsigned)s->guest->vcpus);
}

static _Noreturn void keeper_process(struct start *s, int ready)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE};
    int link[2];
    pid_t self = getpid();
    setsid();
    prctl(PR_SET_NAME, "hpvmapp");
    for (size_t i = 0; i < G_N_ELEMENTS(ignored); i++)
        signal(ignored[i], SIG_IGN); /* the machine's process hears them, and ends us */
    struct keeper k = {.uuid = s->uuid,
                       .name = s->guest->name,
                       .common = s->common,
                       .dir = s->dir,
                       .lock = s->lock,
                       .ready = ready,
                       .child = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) == 0)
        k.child = fork();
    if (k.child == 0) {
        close(link[0]);
        close(ready);
        close(s->common);
        machine_process(s, link[1], self);
    }
    be_nobody();
    if (k.child > 0) {
        k.entitled = give_entitlement(s, k.child);
        close(link[1]);
        close(s->control);
        close(s->console);
        k.link = link[0];
        keeper_run(&k);
    }
    app_withdraw(s->uuid);
    _exit(0);
}

/* --- the start --- */

static int usage(void)
{
    return complain("usage: hpvmapp PATH, the vmm_config.current of a guest");
}

static int take_arguments(struct start *s, int argc, char **argv)
{
    uint64_t fd;
    if (argc == 4 && strcmp(argv[1], "--lock") == 0) {
        if (text_parse_number(argv[2], 3, INT_MAX, &fd) != 0 || fcntl((int)fd, F_GETFD) < 0)
            return usage();
        s->lock = (int)fd;
    } else if (argc != 2) {
        return usage();
    }
    return take_path(s, argv[argc - 1]);
}

static int prepare(struct start *s)
{
    s->drop = confine_user(&s->uid, &s->gid);
    vmp_limits_read(&s->limits);
    umask(022);
    if (take_guest(s) != 0)
        return 1;
    fcntl(s->lock, F_SETFD, FD_CLOEXEC);
    return make_directory(s) != 0 || make_sockets(s) != 0;
}

/* The one who called waits until the guest runs or has failed to. */
static int begin(struct start *s)
{
    int ready[2];
    char byte;
    report_begin(s->guest);
    fflush(stdout);
    if (pipe2(ready, O_CLOEXEC) != 0)
        return complain("%s.", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        return complain("%s.", strerror(errno));
    if (pid == 0) {
        close(ready[0]);
        keeper_process(s, ready[1]);
    }
    close(ready[1]);
    ssize_t n;
    do
        n = read(ready[0], &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        return 0;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) /* it has cleared up */
        continue;
    return 1;
}

static int launch(struct start *s, int argc, char **argv)
{
    if (take_arguments(s, argc, argv) != 0)
        return 1;
    if (prepare(s) != 0) {
        if (s->guest != NULL) /* the lock is ours: so are the sockets */
            app_withdraw(s->uuid);
        return 1;
    }
    if (chdir("/") != 0)
        return complain("/: %s.", strerror(errno));
    return begin(s);
}

int hpvmapp_main(int argc, char **argv)
{
    struct start s = {.lock = -1, .common = -1, .dir = -1, .control = -1, .console = -1};
    prctl(PR_SET_NAME, "hpvmapp");
    int status = launch(&s, argc, argv);
    guest_free(s.guest);
    g_free(s.config);
    g_free(s.directory);
    return status;
}
