/* hpvmcollect: puts what support needs to know about a guest and the host into one archive. It
 * reads only; nothing of the guest's storage or memory is taken. */
#include "status.h"
#include "vmp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DIRECTORY "hpvmcollect_archive"
#define FILE_MOST (16u << 20) /* bytes taken of one file */

static const char help[] =
    "usage: hpvmcollect {-P NAME | -p NUMBER | NAME} [-d DIRECTORY] [-b LABEL] [-f] [-l]\n"
    "                   [-c [-n NUMBER]] [-g] [-s HOST]\n\n"
    "  hpvmcollect -P web             an archive in ./hpvmcollect_archive\n"
    "  hpvmcollect -P web -d /tmp -l  a directory in /tmp/hpvmcollect_archive\n"
    "  hpvmcollect -P web -b bug7 -f  named bug7, in place of an older one\n"
    "  hpvmcollect -P web -s support  copied to a host by scp, too\n\n"
    "OK: collected. N/A: there is none. NO: not asked for.\n"
    "Manual: man hpvmcollect. Exit status: 0 fine, 1 it failed.\n";

struct collect {
    const struct vmp_options *o;
    struct state *s;
    const struct entry *e;
    char *guest; /* the guest's directory */
    char *to;    /* the directory of the collection */
};

enum source {
    FROM_HOST,   /* absolute names, those that are there */
    FROM_COMMON, /* names in the state's common/ */
    FROM_GUEST,  /* names in the guest's directory */
    FROM_CALL,
    NOT_ASKED,  /* optional parts of the original that do not exist here */
    WITH_DUMPS, /* asked for by -c: there are no dumps */
    MISSING,
};

struct item {
    const char *text;
    enum source source;
    const char *file; /* in the collection */
    const char *from[4];
    bool (*call)(const struct collect *c, FILE *out);
};

/* Item, one blank, dots to a column, one blank, result. */
static void report(const char *text, int column, const char *result)
{
    printf("%s ", text);
    for (int i = (int)strlen(text) + 1; i < column; i++)
        putchar('.');
    printf(" %s\n", result);
    fflush(stdout);
}

static FILE *open_result(const struct collect *c, const char *name)
{
    g_autofree char *path = g_build_filename(c->to, name, NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd >= 0 ? fdopen(fd, "a") : NULL;
}

static bool copy_file(const char *path, FILE *out)
{
    char part[8192];
    size_t total = 0;
    ssize_t n = -1;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        while (total < FILE_MOST && (n = read(fd, part, sizeof part)) > 0)
            total += fwrite(part, 1, (size_t)n, out);
    close(fd);
    return n >= 0 || total > 0;
}

/* --- what is made here --- */

static bool backing_files(const struct collect *c, FILE *out)
{
    bool found = false;
    for (guint i = 0; c->e->guest != NULL && i < c->e->guest->devices->len; i++) {
        const struct resource *r = guest_device(c->e->guest, i);
        struct stat st;
        if (r->network || strcmp(r->storage, "file") != 0)
            continue;
        bool there = stat(r->device, &st) == 0;
        fprintf(out, "%s: %s, %lld bytes\n", r->device, there ? "there" : "missing",
                there ? (long long)st.st_size : 0);
        found = true;
    }
    return found;
}

static bool summary(const struct collect *c, FILE *out)
{
    status_summary_header(out);
    status_summary_row(out, c->e, false);
    return true;
}

static bool details(const struct collect *c, FILE *out)
{
    struct vmp_host host;
    vmp_host_read(&host);
    if (c->e->guest != NULL)
        status_verbose(out, c->e, c->e->guest, &host);
    return c->e->guest != NULL;
}

static bool entitlement(const struct collect *c, FILE *out)
{
    struct vmp_host host;
    vmp_host_read(&host);
    if (c->e->guest != NULL)
        fprintf(out, "%.1f%%\n", vmp_entitlement(c->e->guest, &host) / 10.0);
    return c->e->guest != NULL;
}

static bool kernel_messages(const struct collect *c, FILE *out)
{
    enum { READ_ALL = 3 };
    g_autofree char *text = g_malloc(1 << 20);
    int n = klogctl(READ_ALL, text, 1 << 20);
    (void)c;
    return n > 0 && fwrite(text, 1, (size_t)n, out) == (size_t)n;
}

static const struct item items[] = {
    {"Copying host's device database", FROM_COMMON, "host.mgmtdb", {"hpvm_mgmtdb"}, NULL},
    {"Collecting I/O configuration info",
     FROM_HOST,
     "host.ioscan",
     {"/proc/iomem", "/proc/ioports", "/proc/interrupts"},
     NULL},
    {"Collecting filesystem info",
     FROM_HOST,
     "host.fsinfo",
     {"/proc/mounts", "/proc/filesystems", "/proc/swaps"},
     NULL},
    {"Collecting system info",
     FROM_HOST,
     "host.sysinfo",
     {"/proc/version", "/proc/cpuinfo", "/proc/meminfo", "/proc/modules"},
     NULL},
    {"Collecting lan info",
     FROM_HOST,
     "host.laninfo",
     {"/proc/net/dev", "/proc/net/route", "/proc/net/if_inet6"},
     NULL},
    {"Running lanshow", NOT_ASKED, NULL, {NULL}, NULL},
    {"Collecting installed sw info",
     FROM_HOST,
     "host.swinfo",
     {"/etc/os-release", "/usr/lib/os-release", "/var/lib/dpkg/status"},
     NULL},
    {"Collecting command logs", FROM_COMMON, "command.log", {"command.log"}, NULL},
    {"Collecting messages from vmm", FROM_COMMON, "vmm.log", {"hpvm_mon_log"}, NULL},
    {"Collecting lv info", MISSING, NULL, {NULL}, NULL},
    {"Collecting vgdisplay info", MISSING, NULL, {NULL}, NULL},
    {"Collecting vxprint info", MISSING, NULL, {NULL}, NULL},
    {"Collecting disk info",
     FROM_HOST,
     "host.diskinfo",
     {"/proc/partitions", "/proc/diskstats"},
     NULL},
    {"Collecting passthru disk info", MISSING, NULL, {NULL}, NULL},
    {"Collecting file backing store info", FROM_CALL, "host.files", {NULL}, backing_files},
    {"Copying guest's log file", FROM_GUEST, "guest.log", {"app/log.1", "app/log"}, NULL},
    {"Copying guest's tombstone file",
     FROM_GUEST,
     "guest.tombstone",
     {"app/tombstone.1", "app/tombstone"},
     NULL},
    {"Copying guest's console log file",
     FROM_GUEST,
     "guest.console",
     {"app/console.1", "app/console"},
     NULL},
    {"Copying hpvm configuration", FROM_HOST, "hpvmconf", {"/etc/rc.config.d/hpvmconf"}, NULL},
    {"Copying hpvm control script",
     FROM_HOST,
     "hpvm.service",
     {"/etc/systemd/system/hpvm.service", "/lib/systemd/system/hpvm.service"},
     NULL},
    {"Copying guest's config file",
     FROM_GUEST,
     "vmm_config",
     {"vmm_config.current", "vmm_config.next"},
     NULL},
    {"Getting status of the guest", FROM_CALL, "guest.status", {NULL}, summary},
    {"Getting detailed status of the guest", FROM_CALL, "guest.details", {NULL}, details},
    {"Getting guest's entitlement", FROM_CALL, "guest.entitlement", {NULL}, entitlement},
    {"Copying guest's config file change log", FROM_GUEST, "guest.events", {"events"}, NULL},
    {"Copying guest VM crash image", MISSING, NULL, {NULL}, NULL},
    {"Copying VMM image", MISSING, NULL, {NULL}, NULL},
    {"Copying hpvmdvr image", MISSING, NULL, {NULL}, NULL},
    {"Copying hpvmntdvr image", MISSING, NULL, {NULL}, NULL},
    {"Copying NVRAM image", FROM_GUEST, "nvram", {"app/nvram"}, NULL},
    {"Collecting IPMI logs", MISSING, NULL, {NULL}, NULL},
    {"Copying guest debug memory file", MISSING, NULL, {NULL}, NULL},
    {"Garbage collect guest debug memory files", MISSING, NULL, {NULL}, NULL},
    {"Collecting crash dump", WITH_DUMPS, NULL, {NULL}, NULL},
    {"Running crashinfo", NOT_ASKED, NULL, {NULL}, NULL},
    {"Collecting tombstone", NOT_ASKED, NULL, {NULL}, NULL},
    {"Collecting system message buffer", FROM_CALL, "host.dmesg", {NULL}, kernel_messages},
    {"Collecting system syslogs",
     FROM_HOST,
     "host.syslog",
     {"/var/log/syslog", "/var/log/messages"},
     NULL},
    {"Collecting measureware logs", MISSING, NULL, {NULL}, NULL},
};

static char *source_path(const struct collect *c, const struct item *i, const char *name)
{
    return i->source == FROM_COMMON  ? g_build_filename(state_root(c->s), "common", name, NULL)
           : i->source == FROM_GUEST ? g_build_filename(c->guest, name, NULL)
                                     : g_strdup(name);
}

/* 1: collected, 0: there is none, -errno: the collection cannot be written. */
static int take(const struct collect *c, const struct item *i)
{
    bool found = false;
    if (i->file == NULL)
        return 0;
    FILE *out = open_result(c, i->file);
    if (out == NULL)
        return -errno;
    if (i->call != NULL)
        found = i->call(c, out);
    for (size_t n = 0; n < G_N_ELEMENTS(i->from) && i->from[n] != NULL; n++) {
        g_autofree char *path = source_path(c, i, i->from[n]);
        found |= copy_file(path, out);
    }
    int err = ferror(out) ? EIO : 0;
    if (fclose(out) != 0)
        err = errno;
    if (err != 0)
        return -err;
    g_autofree char *path = g_build_filename(c->to, i->file, NULL);
    if (!found)
        unlink(path);
    return found;
}

static int take_all(const struct collect *c)
{
    for (size_t n = 0; n < G_N_ELEMENTS(items); n++) {
        const struct item *i = &items[n];
        int got = take(c, i);
        if (got < 0)
            return vmp_fail("The collection cannot be written: %s.", strerror(-got));
        bool asked = i->source == WITH_DUMPS ? vmp_has(c->o, 'c') : i->source != NOT_ASKED;
        report(i->text, 69, !asked ? "NO" : got ? "OK" : "N/A");
    }
    puts("Finished with the collection\n");
    return 0;
}

/* --- the archive --- */

static bool spawn(const char *const *argv, const char *directory)
{
    int status = 1;
    bool ran = g_spawn_sync(directory, (char **)argv, NULL,
                            G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL,
                            NULL, &status, NULL);
    return ran && status == 0;
}

static void stamp(char *text, size_t size)
{
    time_t now = time(NULL);
    struct tm tm;
    strftime(text, size, "%b.%d.%y_%H%M%S%Z", localtime_r(&now, &tm));
}

/* What is there already goes out of the way under its name and the time, or with -f for good. */
static int make_room(const struct collect *c, const char *path)
{
    char now[64];
    const char *const argv[] = {"rm", "-rf", "--", path, NULL};
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return 0;
    if (vmp_has(c->o, 'f'))
        return spawn(argv, NULL) ? 0 : vmp_fail("%s cannot be removed.", path);
    stamp(now, sizeof now);
    g_autofree char *aside = g_strdup_printf("%s.%s", path, now);
    return rename(path, aside) == 0 ? 0 : vmp_fail("%s: %s.", path, strerror(errno));
}

static int archive(struct collect *c, const char *base, char **result)
{
    bool plain = vmp_has(c->o, 'c');
    g_autofree char *name = g_path_get_basename(c->to);
    const char *const argv[] = {"tar", plain ? "-cf" : "-czf", NULL, "--", name, NULL};
    const char *command[G_N_ELEMENTS(argv)];
    memcpy(command, argv, sizeof argv);
    if (vmp_has(c->o, 'l')) {
        report("Tar archiving and compressing", 69, "NO");
        *result = g_strdup(c->to);
        return 0;
    }
    *result = g_strdup_printf("%s/%s.tar%s", base, name, plain ? "" : ".gz");
    command[2] = *result;
    const char *const clear[] = {"rm", "-rf", "--", c->to, NULL};
    if (make_room(c, *result) != 0)
        return 1;
    if (!spawn(command, base))
        return vmp_fail("The archive %s cannot be made; the files are in %s.", *result, c->to);
    report("Tar archiving and compressing", 69, plain ? "TAR" : "TGZ");
    spawn(clear, NULL);
    return 0;
}

static int copy_away(const struct collect *c, const char *path)
{
    const char *host = vmp_value(c->o, 's');
    g_autofree char *target = g_strdup_printf("%s:", host != NULL ? host : "");
    const char *const argv[] = {"scp", "-qrB", "--", path, target, NULL};
    bool copied = host != NULL && spawn(argv, NULL);
    report("Remote copying the archive", 68, host == NULL ? "NO" : copied ? "OK" : "N/A");
    return host == NULL || copied ? 0 : vmp_fail("%s cannot be copied to %s.", path, host);
}

static int collect(struct collect *c)
{
    char now[64];
    const char *where = vmp_value(c->o, 'd'), *label = vmp_value(c->o, 'b');
    g_autofree char *here = g_get_current_dir();
    g_autofree char *start = g_canonicalize_filename(where != NULL ? where : here, here);
    g_autofree char *base = g_build_filename(start, DIRECTORY, NULL);
    g_autofree char *result = NULL;
    stamp(now, sizeof now);
    g_autofree char *name =
        label != NULL ? g_strdup(label) : g_strdup_printf("%.180s_%s", c->e->name, now);
    c->to = g_build_filename(base, name, NULL);
    if (g_mkdir_with_parents(base, 0700) != 0)
        return vmp_fail("%s: %s.", base, strerror(errno));
    if (make_room(c, c->to) != 0)
        return 1;
    if (mkdir(c->to, 0700) != 0)
        return vmp_fail("%s: %s.", c->to, strerror(errno));
    printf("HPVM host crash/log collection tool version 3.0\n"
           "Gathering info for post-mortem analysis of guest '%s' on host\n\n",
           c->e->name);
    int failed = take_all(c);
    state_close(c->s); /* nobody waits for scp */
    c->s = NULL;
    if (failed != 0 || archive(c, base, &result) != 0)
        return 1;
    int status = copy_away(c, result);
    printf("\nThe collection is\n\"%s\"\n", result);
    return status;
}

static int check(const struct vmp_options *o)
{
    const char *label = vmp_value(o, 'b'), *host = vmp_value(o, 's');
    if (vmp_has(o, 'n') && !vmp_has(o, 'c'))
        vmp_fail("Option '-n' needs '-c'.");
    else if (label != NULL && !guest_name_valid(label))
        vmp_fail("Invalid label '%.60s'.", label);
    else if (host != NULL && (host[0] == '-' || host[0] == '\0' || strpbrk(host, " /:") != NULL))
        vmp_fail("Invalid host '%.60s'.", host);
    else
        return vmp_check_selection(o);
    return vmp_unable();
}

static int run(const struct vmp_options *o, int argc, char **argv)
{
    if (check(o) != 0)
        return 1;
    struct collect c = {.o = o, .s = vmp_open(o, false, argc, argv)};
    c.e = c.s != NULL ? vmp_select(o, c.s) : NULL;
    int status = 1;
    if (c.e != NULL) {
        c.guest = state_path(c.s, c.e);
        status = collect(&c) != 0 ? vmp_unable() : 0;
    }
    g_free(c.guest);
    g_free(c.to);
    if (c.s != NULL)
        state_close(c.s);
    return status;
}

/* The guest's name may come without -P: it is the one argument that belongs to no option. */
static void name_guest(int argc, char **argv, char **out)
{
    for (int i = 1; i < argc; i++) {
        bool value =
            strlen(argv[i]) == 2 && argv[i][0] == '-' && strchr("Ppbdns", argv[i][1]) != NULL;
        out[i] = argv[i];
        if (argv[i][0] != '-' && i == argc - 1)
            out[i] = g_strconcat("-P", argv[i], NULL);
        if (value && i + 1 < argc) {
            out[i + 1] = argv[i + 1];
            i++;
        }
    }
}

int vmp_collect(int argc, char **argv)
{
    struct vmp_options o;
    if (vmp_help(argc, argv, help))
        return 0;
    if (argc == 2 && strcmp(argv[1], "-h") == 0) {
        fputs(help, stdout);
        return 0;
    }
    g_autofree char **named = g_new0(char *, (size_t)argc + 1);
    named[0] = argv[0];
    name_guest(argc, argv, named);
    int status = vmp_parse(&o, argc, named, ":P:p:cfglb:d:n:s:", "", "Pp");
    if (status == 0)
        status = run(&o, argc, argv);
    vmp_options_free(&o);
    if (named[argc - 1] != argv[argc - 1])
        g_free(named[argc - 1]);
    return status;
}
