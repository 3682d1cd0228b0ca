/* hpvmapp's parts that need no guest: states, systems known by their loaders, rights on consoles,
 * frames, bounded logs, sharing out of entitlements, what can be changed while a guest runs. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app_impl.h"
#include "app_proto.h"
#include "console_right.h"
#include "entitlement.h"
#include "live.h"
#include "machine_impl.h"
#include "vmp.h"

START_TEST(states)
{
    ck_assert_str_eq(app_state(false, false), "On (EFI)");
    ck_assert_str_eq(app_state(true, false), "On (OS)");
    ck_assert_str_eq(app_state(true, true), "On (ATTN!)");
    ck_assert_str_eq(app_state(false, true), "On (ATTN!)");
}
END_TEST

START_TEST(loaders)
{
    ck_assert_str_eq(plan_os_type("\\EFI\\HPUX\\HPUX.EFI"), "HPUX");
    ck_assert_str_eq(plan_os_type("\\EFI\\Microsoft\\WINNT50\\ia64ldr.efi"), "WINDOWS");
    ck_assert_str_eq(plan_os_type("\\setupldr.efi"), "WINDOWS");
    ck_assert_str_eq(plan_os_type("\\EFI\\redhat\\elilo.efi"), "LINUX");
    ck_assert_str_eq(plan_os_type("\\EFI\\debian\\GRUBIA64.EFI"), "LINUX");
    ck_assert_ptr_null(plan_os_type("\\EFI\\BOOT\\BOOTIA64.EFI")); /* it could be any */
    static const struct {
        const char *names, *type;
    } volumes[] = {{" \\EFI\\BOOT \\EFI\\debian", "LINUX"},
                   {" \\EFI\\BOOT \\EFI", NULL},
                   {" \\EFI\\HPUX \\EFI\\BOOT", "HPUX"},
                   {" \\EFI\\BOOT \\boot \\vmlinux", "LINUX"},
                   {" \\EFI\\HPUX \\EFI\\redhat", NULL}, /* either */
                   {" \\IA64LDR.EFI", "WINDOWS"}};
    for (size_t i = 0; i < G_N_ELEMENTS(volumes); i++) {
        g_autofree char *text =
            g_strconcat("\\EFI\\BOOT\\BOOTIA64.EFI" FIRMWARE_VOLUME, volumes[i].names, NULL);
        ck_assert_pstr_eq(plan_os_type(text), volumes[i].type);
    }
    ck_assert_str_eq(plan_os_type("\\EFI\\debian\\grub.efi" FIRMWARE_VOLUME " \\EFI\\HPUX"),
                     "LINUX");
    ck_assert_ptr_null(plan_os_type(""));
}
END_TEST

static struct guest *guest_with(const char *const *devices)
{
    struct guest *g = guest_new();
    char why[300];
    g_strlcpy(g->name, "g", sizeof g->name);
    for (; *devices != NULL; devices++) {
        struct resource r;
        ck_assert_int_eq(resource_parse(*devices, RESOURCE_ADD, &r, why, sizeof why), 0);
        ck_assert_int_eq(guest_add_device(g, &r, why, sizeof why), 0);
    }
    return g;
}

START_TEST(plans)
{
    static const char *const devices[] = {
        "disk:scsi:0,1,2:file:/a", "dvd:scsi:0,1,3:null:/discs",
        "network:lan:0,2,0x02000000000a:vswitch:localnet:portid:7", NULL};
    static const char *const avio[] = {"disk:avio_stor:0,1,2:file:/a", NULL};
    static const char *const tape[] = {"tape:scsi:0,1,2:attach:/dev/st0", NULL};
    struct guest *g = guest_with(devices), *a = guest_with(avio), *t = guest_with(tape);
    struct plan *p = g_new0(struct plan, 1);
    char why[400];
    g->vcpus = 3;
    ck_assert_int_eq(plan_make(p, g, "/state/app", 9, why, sizeof why), 0);
    ck_assert_uint_eq(p->machine.memory, 2048ull << 20);
    ck_assert_uint_eq(p->machine.cpus, 3);
    ck_assert_str_eq(p->machine.nvram, "/state/app/nvram");
    ck_assert_str_eq(p->machine.console, "fd:9");
    ck_assert_uint_eq(p->machine.drive_count, 2);
    ck_assert(p->drives[0].slot == 1 && p->drives[0].target == 2 && !p->drives[0].dvd);
    ck_assert_str_eq(p->drives[0].path, "/a");
    ck_assert(p->drives[1].dvd && p->drives[1].path == NULL);
    ck_assert_uint_eq(p->machine.nic_count, 1);
    ck_assert(p->nics[0].port == 7 && p->nics[0].slot == 2 && p->nics[0].mac[5] == 0x0a);
    ck_assert_str_eq(p->nics[0].switch_name, "localnet");
    ck_assert_int_eq(plan_make(p, a, "/state/app", 9, why, sizeof why), -ENOTSUP);
    ck_assert_str_eq(why, "Device 'disk:avio_stor:0,1,2:file:/a' can be configured but not run: "
                          "there are no AVIO adapters.");
    ck_assert_int_eq(plan_make(p, t, "/state/app", 9, why, sizeof why), -ENOTSUP);
    g_free(p);
    guest_free(g);
    guest_free(a);
    guest_free(t);
}
END_TEST

static void grant(struct guest *g, bool group, bool admin, const char *name)
{
    struct grant x = {.group = group, .admin = admin};
    g_strlcpy(x.name, name, sizeof x.name);
    g_array_append_val(g->grants, x);
}

START_TEST(rights)
{
    const struct passwd *p = getpwnam("nobody");
    struct guest *g = guest_new();
    if (p == NULL)
        return;
    uid_t uid = p->pw_uid;
    gid_t gid = p->pw_gid;
    ck_assert_int_eq(console_right(g, 0, 0, 1000), CONSOLE_ADMIN);
    ck_assert_int_eq(console_right(g, uid, gid, uid), CONSOLE_ADMIN);
    ck_assert_int_eq(console_right(g, uid, gid, 0), CONSOLE_NONE);
    grant(g, false, false, "somebody");
    ck_assert_int_eq(console_right(g, uid, gid, 0), CONSOLE_NONE);
    grant(g, false, false, "nobody");
    ck_assert_int_eq(console_right(g, uid, gid, 0), CONSOLE_OPERATOR);
    grant(g, true, true, "root"); /* a group it is not in */
    ck_assert_int_eq(console_right(g, uid, gid, 0), CONSOLE_OPERATOR);
    grant(g, true, true, "nogroup");
    ck_assert_int_eq(console_right(g, uid, gid, 0), CONSOLE_ADMIN);
    ck_assert_int_eq(console_right(g, 4000000, 4000000, 0), CONSOLE_NONE); /* no account */
    guest_free(g);
}
END_TEST

/* Bytes arrive in any pieces. */
START_TEST(frames)
{
    struct app_frames *f = g_new0(struct app_frames, 1);
    uint8_t bytes[2 * APP_FRAME_MAX], *at;
    struct app_frame frame;
    char big[APP_FRAME_MAX];
    memset(big, 'x', sizeof big);
    size_t n = app_frame_put(bytes, APP_DATA, "hello", 5), taken = 0;
    n += app_frame_put(bytes + n, APP_EOF, "", 0);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_gt(app_frames_room(f, &at), 0);
        *at = bytes[i];
        app_frames_filled(f, 1);
        int got = app_frames_take(f, "DE", &frame);
        ck_assert_int_ge(got, 0);
        taken += (size_t)got;
        if (got == 1 && taken == 1)
            ck_assert(frame.length == 5 && memcmp(frame.data, "hello", 5) == 0);
    }
    ck_assert_uint_eq(taken, 2);
    ck_assert_int_eq(frame.type, APP_EOF);
    n = app_frame_put(bytes, APP_DATA, big, sizeof big);
    ck_assert_uint_eq(n, APP_FRAME_MAX + 4);
    ck_assert_uint_ge(app_frames_room(f, &at), n);
    memcpy(at, bytes, n);
    app_frames_filled(f, n);
    ck_assert_int_eq(app_frames_take(f, "DE", &frame), 1);
    ck_assert_uint_eq(frame.length, APP_FRAME_MAX);
    static const uint8_t bad[][4] = {
        {'Z', 0, 0, 0}, {0, 0, 0, 0}, {'D', 1, 0, 0}, {'D', 0, 1, 0x10}};
    for (size_t i = 0; i < 4; i++) {
        memset(f, 0, sizeof *f);
        app_frames_room(f, &at);
        memcpy(at, bad[i], 4);
        app_frames_filled(f, 4);
        ck_assert_int_eq(app_frames_take(f, "DE", &frame), -EPROTO);
    }
    g_free(f);
}
END_TEST

START_TEST(logs)
{
    char dir[] = "/tmp/hpvmapp-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    struct app_log *l = app_log_open(fd, "events", 4096);
    GString *text = g_string_new("");
    struct stat st;
    app_log_line(l, "first %s", "with\033escape\n");
    app_log_read(l, text);
    ck_assert_ptr_nonnull(strstr(text->str, "first with?escape?\n"));
    for (int i = 0; i < 1000; i++)
        app_log_line(l, "line %d", i);
    g_string_truncate(text, 0);
    app_log_read(l, text);
    ck_assert_uint_le(text->len, 4096);
    ck_assert(g_str_has_suffix(text->str, "line 999\n"));
    ck_assert(fstatat(fd, "events", &st, 0) == 0 && st.st_size <= 2048);
    ck_assert(fstatat(fd, "events.1", &st, 0) == 0 && st.st_size <= 2048);
    app_log_close(l);
    ck_assert_int_eq(unlinkat(fd, "events.1", 0) | unlinkat(fd, "events", 0), 0);
    ck_assert_int_eq(symlinkat("/etc/passwd", fd, "events"), 0);
    ck_assert_ptr_null(app_log_open(fd, "events", 4096)); /* links are not followed */
    unlinkat(fd, "events", 0);
    close(fd);
    rmdir(dir);
    g_string_free(text, TRUE);
}
END_TEST

START_TEST(weights)
{
    ck_assert_uint_eq(entitlement_weight(100, 1), 100);
    ck_assert_uint_eq(entitlement_weight(500, 4), 2000);
    ck_assert_uint_eq(entitlement_weight(1000, 16), 10000);
    ck_assert_uint_eq(entitlement_weight(0, 1), 1);
}
END_TEST

static void expect_text(const char *dir, const char *file, const char *expected)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    g_autofree char *text = NULL;
    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    ck_assert_str_eq(text, expected);
}

/* A hierarchy of control groups: the files that the kernel makes are there, empty. */
static void make_group(const char *dir)
{
    static const char *const files[] = {"cgroup.controllers", "cgroup.subtree_control",
                                        "cgroup.procs", "cpu.weight", "cpu.max"};
    ck_assert_int_eq(g_mkdir(dir, 0700), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i], NULL);
        ck_assert(g_file_set_contents(path, "", 0, NULL));
    }
}

/* A weight in proportion to what the guest is entitled to, and up to all its processors of what
 * nobody else wants. */
START_TEST(control_groups)
{
    g_autofree char *top = g_dir_make_tmp("cgroup-XXXXXX", NULL);
    g_autofree char *root = g_build_filename(top, "root", NULL);
    g_autofree char *base = g_build_filename(root, "kittson", NULL);
    g_autofree char *group = g_build_filename(base, "uuid", NULL);
    g_autofree char *remove = g_strdup_printf("rm -r '%s'", top);
    setenv("HPVM_CGROUP", base, 1);
    ck_assert_int_eq(entitlement_set("uuid", 4711, 250, 2), -ENOENT); /* no control groups */
    make_group(root);
    make_group(base);
    make_group(group);
    ck_assert_int_eq(entitlement_set("uuid", 4711, 250, 2), 0);
    expect_text(root, "cgroup.subtree_control", "+cpu");
    expect_text(base, "cgroup.subtree_control", "+cpu");
    expect_text(group, "cpu.weight", "500");
    expect_text(group, "cpu.max", "200000 100000");
    expect_text(group, "cgroup.procs", "4711");
    ck_assert_int_eq(entitlement_set("uuid", 0, 100, 2), 0); /* changed while it runs */
    expect_text(group, "cpu.weight", "200");
    ck_assert_int_eq(entitlement_set("other", 0, 100, 1), -ENOENT); /* has no group */
    unsetenv("HPVM_CGROUP");
    ck_assert_int_eq(system(remove), 0);
}
END_TEST

static void compare(const char *const *now, const char *const *wanted, const char *words, bool rest)
{
    struct guest *a = guest_with(now), *b = guest_with(wanted);
    struct live_plan p;
    GString *text = g_string_new("");
    live_compare(a, b, &p);
    for (guint i = 0; i < p.requests->len; i++)
        g_string_append_printf(text, "%s ", ((struct live_request *)p.requests->pdata[i])->word);
    ck_assert_str_eq(text->str, words);
    ck_assert_int_eq(p.rest, rest);
    if (!rest)
        ck_assert_uint_eq(p.active->devices->len, b->devices->len);
    g_string_free(text, TRUE);
    live_plan_clear(&p);
    guest_free(a);
    guest_free(b);
}

START_TEST(live)
{
    static const char *const one[] = {"disk:scsi:0,0,0:file:/a", NULL};
    static const char *const two[] = {"disk:scsi:0,0,0:file:/a", "dvd:scsi:0,0,1:file:/b", NULL};
    static const char *const other[] = {"disk:scsi:0,0,0:file:/a", "dvd:scsi:0,0,1:file:/c", NULL};
    static const char *const kind[] = {"disk:scsi:0,0,0:file:/a", "disk:scsi:0,0,1:file:/b", NULL};
    static const char *const far[] = {"disk:scsi:0,0,0:file:/a", "disk:scsi:1,0,0:file:/b", NULL};
    static const char *const net[] = {"disk:scsi:0,0,0:file:/a",
                                      "network:lan:0,1,0x02000000000a:vswitch:localnet", NULL};
    compare(one, one, "", false);
    compare(one, two, "attach ", false);
    compare(two, one, "detach ", false);
    compare(two, other, "replace ", false);
    compare(two, kind, "", true); /* a drive does not become a disk */
    compare(one, far, "", true);  /* adapters come at the start */
    compare(one, net, "", true);
    compare(net, one, "", true);
    struct guest *a = guest_with(one), *b = guest_with(two);
    struct live_plan p;
    b->memory = 4096;
    b->percent = 50;
    live_compare(a, b, &p);
    ck_assert(p.rest && p.requests->len == 1 && p.active->percent == 50 &&
              p.active->memory == 2048);
    live_plan_clear(&p);
    guest_free(a);
    guest_free(b);
}
END_TEST

START_TEST(limits)
{
    char path[] = "/tmp/hpvmconf-XXXXXX";
    struct vmp_limits l;
    int fd = mkstemp(path);
    setenv("HPVM_CONF", path, 1);
    vmp_limits_read(&l);
    ck_assert(l.stop_seconds == 60 && l.attention_seconds == 60 && l.monitor_kb == 1024 &&
              !l.lock_memory);
    static const char text[] =
        "VMMLOGSIZE=1000000\nSTOPTIMEOUT=4000\nATTNTIMEOUT=5\nLOCKMEMORY=1\n";
    ck_assert_int_eq(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(fd);
    vmp_limits_read(&l);
    ck_assert(l.stop_seconds == 300 && l.attention_seconds == 5 && l.monitor_kb == 102400 &&
              l.lock_memory);
    unlink(path);
}
END_TEST

/* --- the machine's thread --- */

struct stage {
    struct runner *runner;
    GMainLoop *loop;
    int line[2];
    GString *news;
};

static int stage_plan(void *opaque, bool again, struct plan *p, char *why, size_t size)
{
    struct stage *s = opaque;
    (void)why;
    (void)size;
    memset(p, 0, sizeof *p);
    snprintf(p->console, sizeof p->console, "fd:%d", fcntl(s->line[1], F_DUPFD_CLOEXEC, 0));
    p->machine = (struct machine_config){.memory = again ? 128u << 20 : 64u << 20,
                                         .cpus = 2,
                                         .model = CPU_MONTECITO,
                                         .console = p->console,
                                         .no_reboot = true};
    return 0;
}

/* The firmware's timer interrupts stay pending. */
static void withhold(struct machine *m, const struct plan *p, void *data)
{
    (void)p;
    (void)data;
    m->cpu[0]->cr[CR_TPR] = 1u << 16;
}

static void release(struct machine *m, const struct plan *p, void *data)
{
    (void)p;
    (void)data;
    m->cpu[0]->cr[CR_TPR] = 0;
    m->cpu[0]->halted = false;
    cpu_kick(m->cpu[0]);
}

static void reset(struct machine *m, const struct plan *p, void *data)
{
    (void)data;
    ck_assert_uint_eq(p->machine.memory, 64u << 20);
    machine_press_reset(m);
}

static void news_progress(void *opaque, enum firmware_event event, const char *text)
{
    (void)text;
    if (event == FIRMWARE_STARTED)
        g_string_append(((struct stage *)opaque)->news, "firmware ");
}

static void news_attention(void *opaque, bool needed)
{
    struct stage *s = opaque;
    g_string_append(s->news, needed ? "attention " : "answered ");
    runner_do(s->runner, needed ? release : reset, NULL, NULL);
}

static void news_restarted(void *opaque)
{
    struct stage *s = opaque;
    g_string_append(s->news, "restarted ");
    runner_kill(s->runner);
}

static void news_stuck(void *opaque, struct machine *m, const char *why)
{
    (void)m;
    (void)why;
    g_string_append(((struct stage *)opaque)->news, "stuck ");
}

static void news_ended(void *opaque, enum machine_end end, const char *why)
{
    struct stage *s = opaque;
    (void)why;
    g_string_append(s->news, end == MACHINE_QUIT ? "quit" : "?");
    g_main_loop_quit(s->loop);
}

static void count_late(void *data)
{
    ++*(int *)data;
}

START_TEST(runners)
{
    struct stage s = {.loop = g_main_loop_new(NULL, FALSE), .news = g_string_new("")};
    const struct runner_events events = {&s,         news_progress, news_attention, news_restarted,
                                         news_stuck, news_ended};
    char why[400];
    int late = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s.line), 0);
    s.runner = runner_new(stage_plan, &events, 10000000, why, sizeof why);
    ck_assert_msg(s.runner != NULL, "%s", why);
    runner_do(s.runner, withhold, NULL, NULL);
    ck_assert_int_eq(runner_start(s.runner), 0);
    g_main_loop_run(s.loop);
    char *end = strstr(s.news->str, "attention answered restarted ");
    ck_assert_msg(end != NULL && g_str_has_suffix(s.news->str, "quit"), "%s", s.news->str);
    ck_assert(g_str_has_prefix(s.news->str, "firmware ") || s.news->str == end);
    runner_do(s.runner, withhold, count_late, &late); /* too late: only told so */
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    ck_assert_int_eq(late, 1);
    runner_free(s.runner);
    g_main_loop_unref(s.loop);
    g_string_free(s.news, TRUE);
    close(s.line[0]);
    close(s.line[1]);
}
END_TEST

/* --- the control protocol, from the command's side --- */

static void serve(int listener, const char *text)
{
    char request[200];
    int fd = accept(listener, NULL, NULL);
    fcntl(fd, F_SETFL, 0);
    ck_assert_int_gt(write(fd, text, strcspn(text, "|")), 0);
    if (strchr(text, '|') != NULL && read(fd, request, sizeof request) > 0)
        ck_assert_int_gt(write(fd, strchr(text, '|') + 1, strlen(strchr(text, '|') + 1)), 0);
    close(fd);
}

static void collect(void *opaque, const char *line)
{
    g_string_append_printf(opaque, "%s;", line);
}

static int ask_server(const char *answers, GString *lines, char *why, size_t size)
{
    static const char uuid[] = "00000000-0000-4000-8000-000000000001";
    int listener = app_listen(uuid, "control", 0600, why, size);
    ck_assert_int_ge(listener, 0);
    fcntl(listener, F_SETFL, 0);
    pid_t pid = fork();
    if (pid == 0) {
        serve(listener, answers);
        _exit(0);
    }
    int err = app_request(uuid, "status", collect, lines, why, size);
    waitpid(pid, NULL, 0);
    close(listener);
    return err;
}

START_TEST(requests)
{
    static const char uuid[] = "00000000-0000-4000-8000-000000000001";
    char dir[] = "/tmp/hpvmapp-XXXXXX", why[600], found[37], text[APP_LINE_MAX + 1];
    GString *lines = g_string_new("");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    setenv("HPVM_RUNTIME", dir, 1);
    ck_assert_int_eq(
        ask_server("hpvmapp " KITTSON_VERSION "\n|+a 1\n+b\nok\n", lines, why, sizeof why), 0);
    ck_assert_str_eq(lines->str, "a 1;b;");
    ck_assert_int_eq(
        ask_server("hpvmapp " KITTSON_VERSION "\n|error No such drive.\n", lines, why, sizeof why),
        -EREMOTEIO);
    ck_assert_str_eq(why, "No such drive.");
    ck_assert_int_eq(ask_server("hpvmapp 9.9.9\n", lines, why, sizeof why), -EPROTO);
    ck_assert_ptr_nonnull(strstr(why, "are at different revision levels."));
    ck_assert_int_eq(ask_server("hpvmapp " KITTSON_VERSION "\n|nonsense\n", lines, why, sizeof why),
                     -EPROTO);
    ck_assert_int_eq(ask_server("hpvmapp " KITTSON_VERSION "\n|+half", lines, why, sizeof why),
                     -ECONNRESET);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ck_assert_int_eq(app_request(uuid, text, NULL, NULL, why, sizeof why), -EINVAL);
    ck_assert_int_eq(app_request(uuid, "a\nb", NULL, NULL, why, sizeof why), -EINVAL);
    /* names and numbers lead to the guest, until it is withdrawn */
    ck_assert_int_eq(app_publish(uuid, "first", 7, why, sizeof why), 0);
    ck_assert_int_eq(app_publish(uuid, "second", 7, why, sizeof why), 0);
    ck_assert_int_eq(app_find("second", 0, found), 0);
    ck_assert_str_eq(found, uuid);
    ck_assert_int_eq(app_find(NULL, 7, found), 0);
    ck_assert_int_eq(app_find("first", 0, found), -ENOENT);
    ck_assert_int_eq(app_find("../../etc", 0, found), -ENOENT);
    app_withdraw(uuid);
    ck_assert_int_eq(app_find("second", 0, found), -ENOENT);
    ck_assert_int_eq(rmdir(dir), 0); /* nothing is left in it */
    g_string_free(lines, TRUE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hpvmapp");
    TCase *t = tcase_create("parts");
    tcase_add_test(t, states);
    tcase_add_test(t, loaders);
    tcase_add_test(t, plans);
    tcase_add_test(t, rights);
    tcase_add_test(t, frames);
    tcase_add_test(t, logs);
    tcase_add_test(t, weights);
    tcase_add_test(t, control_groups);
    tcase_add_test(t, live);
    tcase_add_test(t, limits);
    tcase_add_test(t, runners);
    tcase_add_test(t, requests);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
