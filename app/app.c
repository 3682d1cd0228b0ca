/* The machine's process: status of the guest, power, media, figures, and the main loop. */
#define _GNU_SOURCE
#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "app_impl.h"
#include "consoles.h"
#include "keeper.h"
#include "log.h"
#include "report.h"
#include "tombstone.h"

/* --- status --- */

const char *app_state(bool os, bool attention)
{
    return attention ? "On (ATTN!)" : os ? "On (OS)" : "On (EFI)";
}

static void publish_state(struct app *a)
{
    link_state(app_state(a->os, a->attention));
}

void app_note(struct app *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    app_log_line(a->events, "%s", text);
    app_log_line(a->log, "%s", text);
    link_note(text);
}

static void system_runs(struct app *a, const char *loader)
{
    const char *type = plan_os_type(loader);
    a->os = true;
    publish_state(a);
    const char *volume = strstr(loader, FIRMWARE_VOLUME);
    app_note(a, "operating system started by %.*s",
             (int)(volume != NULL ? volume - loader : (ptrdiff_t)strlen(loader)), loader);
    if (type == NULL || strcmp(type, a->guest->os_type) == 0)
        return;
    g_strlcpy(a->guest->os_type, type, sizeof a->guest->os_type);
    link_os_type(type);
}

static void on_progress(void *opaque, enum firmware_event event, const char *text)
{
    static const char *const names[] = {
        [FIRMWARE_STARTED] = "firmware started",
        [FIRMWARE_PROGRAM] = "program started:",
        [FIRMWARE_ENDED] = "program ended:",
        [FIRMWARE_OS] = "boot services ended by",
        [FIRMWARE_VIRTUAL] = "runtime services in virtual mode",
        [FIRMWARE_RESET] = "reset requested:",
    };
    struct app *a = opaque;
    app_log_line(a->progress, "%s %s", names[event], text);
    if (event == FIRMWARE_OS)
        system_runs(a, text);
}

static void on_attention(void *opaque, bool needed)
{
    struct app *a = opaque;
    a->attention = needed;
    publish_state(a);
    app_note(a, needed ? "the guest does not answer interrupts" : "the guest answers again");
}

static void on_restarted(void *opaque)
{
    struct app *a = opaque;
    a->os = a->attention = false;
    publish_state(a);
    memset(a->cpu, 0, sizeof a->cpu);
    struct guest *fresh = g_atomic_pointer_exchange(&a->fresh_guest, NULL);
    if (fresh != NULL) {
        guest_free(a->guest);
        a->guest = fresh;
    }
    media_list(a);
    app_note(a, "restarted");
}

static void on_stuck(void *opaque, struct machine *m, const char *why)
{
    const struct app *a = opaque;
    tombstone_write(a->dir, m, a->plan_guest->name, why);
}

static void on_ended(void *opaque, enum machine_end end, const char *why)
{
    struct app *a = opaque;
    app_note(a, "off: %s", end == MACHINE_QUIT ? "power was removed" : why);
    a->over = true;
    g_main_loop_quit(a->loop);
}

/* --- power --- */

static gboolean too_slow(gpointer data)
{
    struct app *a = data;
    a->stop_timer = 0;
    app_note(a, "the guest has not shut down within %u seconds", a->stop_seconds);
    runner_kill(a->runner);
    return G_SOURCE_REMOVE;
}

static void press_button(struct machine *m, const struct plan *p, void *data)
{
    (void)p;
    (void)data;
    machine_power_button(m);
}

/* Firmware has nothing to shut down. */
void app_stop(struct app *a, const char *who)
{
    if (!a->os) {
        app_kill(a, who);
        return;
    }
    app_note(a, "power button pressed (%s)", who);
    runner_do(a->runner, press_button, NULL, NULL);
    if (a->stop_timer == 0)
        a->stop_timer = g_timeout_add_seconds(a->stop_seconds, too_slow, a);
}

void app_kill(struct app *a, const char *who)
{
    app_note(a, "power off (%s)", who);
    runner_kill(a->runner);
}

static void press_reset(struct machine *m, const struct plan *p, void *data)
{
    (void)p;
    (void)data;
    machine_press_reset(m);
}

void app_press_reset(struct app *a, const char *who)
{
    app_note(a, "reset (%s)", who);
    runner_do(a->runner, press_reset, NULL, NULL);
}

static void send_init(struct machine *m, const struct plan *p, void *data)
{
    const struct app *a = data;
    (void)p;
    tombstone_write(a->dir, m, a->plan_guest->name, "transfer of control");
    machine_press_init(m);
}

void app_init(struct app *a, const char *who)
{
    app_note(a, "transfer of control (%s)", who);
    runner_do(a->runner, send_init, NULL, a);
}

static gboolean on_terminate(gpointer data)
{
    app_stop(data, "the host");
    return G_SOURCE_CONTINUE;
}

/* --- figures --- */

struct figures {
    struct app *app;
    unsigned cpus;
    struct usage cpu[GUEST_VCPUS_MAX];
};

static void read_figures(struct machine *m, const struct plan *p, void *data)
{
    struct figures *f = data;
    f->cpus = p->machine.cpus;
    for (unsigned i = 0; i < f->cpus; i++) {
        struct machine_cpu_figures c = machine_cpu_figures(m, i);
        f->cpu[i] = (struct usage){c.run_ns, c.slots};
    }
}

static void note_figures(void *data)
{
    struct figures *f = data;
    struct app *a = f->app;
    struct timespec ts;
    memcpy(a->cpu[1], a->cpu[0], sizeof a->cpu[0]);
    memcpy(a->cpu[0], f->cpu, sizeof a->cpu[0]);
    a->process[1] = a->process[0];
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    a->process[0].run_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
    a->usage_at[1] = a->usage_at[0];
    a->usage_at[0] = g_get_monotonic_time();
    g_free(f);
}

static gboolean take_figures(gpointer data)
{
    struct app *a = data;
    struct figures *f = g_new0(struct figures, 1);
    f->app = a;
    runner_do(a->runner, read_figures, note_figures, f);
    return G_SOURCE_CONTINUE;
}

static gboolean first_figures(gpointer data)
{
    take_figures(data);
    return G_SOURCE_REMOVE;
}

/* --- the machine --- */

static struct guest *read_guest(int fd, char *why, size_t size)
{
    char *text = g_malloc(GUEST_CONFIG_MAX + 1);
    size_t used = 0;
    ssize_t n;
    while (used <= GUEST_CONFIG_MAX && (n = read(fd, text + used, GUEST_CONFIG_MAX + 1 - used)) > 0)
        used += (size_t)n;
    close(fd);
    struct guest *g = guest_parse(text, used, why, size);
    g_free(text);
    return g;
}

/* The machine's own copy of the configuration, which its plan points into; the main thread gets
 * another with the news of the restart. */
static int plan_again(struct app *a, char *why, size_t size)
{
    static const char notice[] = "\r\n*** VM restarting ***\r\n\r\n";
    send(a->guest_line, notice, sizeof notice - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    int fd = link_promote();
    struct guest *g = fd >= 0 ? read_guest(fd, why, size) : NULL;
    if (fd < 0)
        snprintf(why, size, "the configuration cannot be read: %s", strerror(-fd));
    if (g == NULL)
        return -EINVAL;
    guest_free(a->plan_guest);
    a->plan_guest = g;
    guest_free(g_atomic_pointer_exchange(&a->fresh_guest, guest_copy(g)));
    return 0;
}

int app_reload(struct app *a, char *why, size_t size)
{
    int fd = link_config();
    struct guest *g = fd >= 0 ? read_guest(fd, why, size) : NULL;
    if (fd < 0)
        snprintf(why, size, "%s", strerror(-fd));
    if (g == NULL)
        return -EINVAL;
    guest_free(a->guest);
    a->guest = g;
    g_strlcpy(a->name, g->name, sizeof a->name);
    return 0;
}

static int make_plan(void *opaque, bool again, struct plan *p, char *why, size_t size)
{
    struct app *a = opaque;
    int err = again ? plan_again(a, why, size) : 0;
    if (err != 0)
        return err;
    int line = fcntl(a->guest_line, F_DUPFD_CLOEXEC, 0);
    err = line < 0 ? -errno : plan_make(p, a->plan_guest, a->directory, line, why, size);
    if (err != 0)
        return err;
    p->machine.lock_memory = a->lock_memory;
    media_share(p->drives, p->machine.drive_count);
    return 0;
}

static gboolean console_output(gint fd, GIOCondition condition, gpointer data)
{
    struct app *a = data;
    char bytes[8192];
    (void)condition;
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n > 0) {
        app_log_bytes(a->console_log, bytes, (size_t)n);
        consoles_show(a->consoles, bytes, (size_t)n);
    }
    return n == 0 ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

/* Messages of the process go to its log, whose size is bounded. */
static gboolean messages(gint fd, GIOCondition condition, gpointer data)
{
    struct app *a = data;
    char text[4096];
    (void)condition;
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n <= 0)
        return G_SOURCE_REMOVE;
    text[n] = '\0';
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);
    for (guint i = 0; lines[i] != NULL; i++)
        if (lines[i][0] != '\0') {
            app_log_line(a->log, "%s", lines[i]);
            link_note(lines[i]);
        }
    return G_SOURCE_CONTINUE;
}

/* Standard input and output lead nowhere, standard error to the log. */
static void leave_terminal(struct app *a)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), ends[2];
    fflush(NULL);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[1]);
        g_unix_fd_add(ends[0], G_IO_IN, messages, a);
    } else {
        dup2(null, STDERR_FILENO);
    }
    close(null);
}

static bool open_logs(struct app *a)
{
    a->console_log = app_log_open(a->dir, "console", APP_LOG_SIZE);
    a->events = app_log_open(a->dir, "events", APP_LOG_SIZE / 4);
    a->progress = app_log_open(a->dir, "progress", APP_LOG_SIZE / 4);
    a->log = app_log_open(a->dir, "log", APP_LOG_SIZE / 4);
    return a->console_log != NULL && a->events != NULL && a->progress != NULL && a->log != NULL;
}

static void close_logs(struct app *a)
{
    struct app_log *logs[] = {a->console_log, a->events, a->progress, a->log};
    for (size_t i = 0; i < G_N_ELEMENTS(logs); i++)
        app_log_close(logs[i]);
}

/* Once for each start; the guest runs all the same. */
static void say_entitlement(struct app *a)
{
    int err = link_entitled();
    if (err != 0)
        app_log_line(a->log, "the CPU entitlement is only configuration: %s (%s)",
                     "control groups of version 2 cannot be used", strerror(-err));
}

static int start(struct app *a, const struct app_options *o, char *why, size_t size)
{
    const struct runner_events events = {.opaque = a,
                                         .progress = on_progress,
                                         .attention = on_attention,
                                         .restarted = on_restarted,
                                         .stuck = on_stuck,
                                         .ended = on_ended};
    int line[2];
    if (!open_logs(a)) {
        snprintf(why, size, "%s: the logs cannot be written: %s", a->directory, strerror(errno));
        return -EIO;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, line) != 0)
        return -errno;
    a->line = line[0];
    a->guest_line = line[1];
    a->runner =
        runner_new(make_plan, &events, (uint64_t)o->attention_seconds * 1000000000u, why, size);
    if (a->runner == NULL)
        return -EINVAL;
    report_machine(runner_machine(a->runner), o->report_name);
    media_list(a);
    a->loop = g_main_loop_new(NULL, FALSE);
    a->consoles = consoles_new(a);
    a->control = control_new(a);
    g_unix_fd_add(a->line, G_IO_IN, console_output, a);
    g_unix_signal_add(SIGTERM, on_terminate, a);
    g_timeout_add_seconds(1, first_figures, a);
    g_timeout_add_seconds(USAGE_SECONDS, take_figures, a);
    app_note(a, "started");
    say_entitlement(a);
    publish_state(a);
    return runner_start(a->runner);
}

static void finish(struct app *a)
{
    /* what the guest said last */
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    consoles_free(a->consoles);
    control_free(a->control);
    runner_free(a->runner);
    g_main_loop_unref(a->loop);
    close_logs(a);
}

int app_run(const struct app_options *o, char *why, size_t size)
{
    struct app *a = g_new0(struct app, 1);
    a->guest = guest_copy(o->guest);
    a->plan_guest = guest_copy(o->guest);
    g_strlcpy(a->name, a->guest->name, sizeof a->name);
    a->directory = g_strdup(o->directory);
    a->dir = o->dir;
    a->control_fd = o->control_fd;
    a->console_fd = o->console_fd;
    a->owner = o->owner;
    a->stop_seconds = o->stop_seconds;
    a->lock_memory = o->lock_memory;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    why[0] = '\0';
    int err = start(a, o, why, size);
    if (err == 0)
        err = link_ready();
    if (err != 0) {
        if (why[0] == '\0')
            snprintf(why, size, "%s", strerror(-err));
        return err; /* the process ends */
    }
    leave_terminal(a);
    if (!a->over)
        g_main_loop_run(a->loop);
    finish(a);
    guest_free(a->guest);
    guest_free(a->plan_guest);
    guest_free(a->fresh_guest);
    g_free(a->directory);
    g_free(a);
    return 0;
}
