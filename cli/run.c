/* `kittson run`: options of a machine, and its run from start to exit status. */
#include "cli.h"
#include "channels.h"
#include "fp.h"
#include "hpvm_map.h"
#include "log.h"
#include "machine.h"
#include "net.h"
#include "opts.h"
#include "run.h"
#include "tape.h"
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const char demo_image[], demo_image_end[];

enum {
    OPT_MEMORY,
    OPT_CPUS,
    OPT_CPU,
    OPT_CPU_MODEL,
    OPT_HOST_FEATURES,
    OPT_PERF_MAP,
    OPT_JIT_DUMP,
    OPT_MACHINE,
    OPT_KERNEL,
    OPT_INITRD,
    OPT_APPEND,
    OPT_DISK,
    OPT_CDROM,
    OPT_NET,
    OPT_CONSOLE,
    OPT_DISPLAY,
    OPT_UUID,
    OPT_SERIAL,
    OPT_NVRAM,
    OPT_MONITOR,
    OPT_GDB,
    OPT_WAIT,
    OPT_ITRACE,
    OPT_TRACE,
    OPT_RESTORE,
    OPT_RECORD,
    OPT_EVERY,
    OPT_DETERMINISTIC,
    OPT_NO_REBOOT,
    OPT_STATS,
    OPT_LOG,
    OPT_VERBOSE,
    OPT_LATER,
};

static const struct opt run_options[] = {
    {OPT_MEMORY, "memory", 'm', "SIZE", "RAM in bytes or with K, M, G (default 1G)", NULL},
    {OPT_CPUS, "cpus", 'c', "N", "virtual processors, 1 to 16 (default 1)", NULL},
    {OPT_KERNEL, "kernel", 0, "FILE", "Linux/ia64 kernel: ELF, or gzip of it", NULL},
    {OPT_INITRD, "initrd", 0, "FILE", "initial RAM disk", NULL},
    {OPT_APPEND, "append", 0, "TEXT", "kernel command line", NULL},
    {OPT_DISK, "disk", 0, "FILE",
     "a disk: FILE[,ro][,overlay=FILE2][,at=BUS:SLOT:TARGET], at the next target", NULL},
    {OPT_CDROM, "cdrom", 0, "FILE", "a disc, or a directory of discs: a drive, empty", NULL},
    {OPT_NET, "net", 0, "KIND",
     "a network adapter: none (default), user[,hostfwd=tcp:ADDR:PORT-:PORT]...[,tftp=DIR]"
     "[,bootfile=F][,dns=ADDR], switch:NAME[,port=N][,vlan=ID] or tap:IF; with [,mac=M][,pcap=F]",
     NULL},
    {OPT_CONSOLE, "console", 0, "WHERE", "stdio (default), unix:PATH or file:PATH", NULL},
    {OPT_CPU, "cpu", 0, "KIND",
     "how instructions are executed: jit (default), interp or lockstep (both, compared)", NULL},
    {OPT_CPU_MODEL, "cpu-model", 0, "NAME", "madison, montecito (default) or poulson", NULL},
    {OPT_HOST_FEATURES, "host-features", 0, "LIST",
     "optional host instructions that may be used: fma (default, if there), or none", NULL},
    {OPT_PERF_MAP, "perf-map", 0, NULL, "name translated code for perf in /tmp/perf-PID.map", NULL},
    {OPT_JIT_DUMP, "jit-dump", 0, "ADDR",
     "write guest and host code of blocks at a virtual address to files jit-*", NULL},
    {OPT_MACHINE, "machine", 0, "NAME", "the board: hpvm", NULL},
    {OPT_DISPLAY, "display", 0, "KIND",
     "graphics: none (default), sdl (a window) or dump:DIR (the picture as DIR/screen.png)", NULL},
    {OPT_UUID, "uuid", 0, "UUID", "the machine's UUID", NULL},
    {OPT_SERIAL, "serial", 0, "TEXT", "the machine's serial number", NULL},
    {OPT_NVRAM, "nvram", 0, "FILE", "keep EFI variables in a file", NULL},
    {OPT_MONITOR, "monitor", 0, "unix:PATH", "a socket for kittson monitor", NULL},
    {OPT_GDB, "gdb", 0, "WHERE",
     "where gdb may connect: tcp:[ADDRESS]:PORT (without an address from this host) or unix:PATH",
     NULL},
    {OPT_WAIT, "wait", 0, NULL, "stop before the first instruction, for gdb or the monitor", NULL},
    {OPT_RESTORE, "restore", 0, "FILE",
     "go on from a snapshot of the same machine (monitor: snapshot save)", NULL},
    {OPT_RECORD, "record", 'o', "FILE", "write a trace for kittson replay; implies --deterministic",
     NULL},
    {OPT_EVERY, "digest-every", 0, "N",
     "instruction slots between digests of registers in a trace (default 50000)", NULL},
    {OPT_ITRACE, "itrace", 0, "FILE",
     "write what processors do: FILE[,binary][,events=insn+call+int+tlb+mem][,ip=FROM-TO]"
     "[,level=DIGITS][,rid=HEX]",
     NULL},
    {OPT_TRACE, "trace", 0, "LIST",
     "log what happens: firmware, io, irq, pci, scsi, net, with commas, or all", NULL},
    {OPT_DETERMINISTIC, "deterministic", 0, NULL, "time follows retired instructions", NULL},
    {OPT_NO_REBOOT, "no-reboot", 0, NULL, "end when the guest resets", NULL},
    {OPT_STATS, "stats", 0, NULL, "print counters at the end", NULL},
    {OPT_LOG, "log", 0, "FILE", "append messages to a file too", NULL},
    {OPT_VERBOSE, "verbose", 'v', NULL, "more messages; twice for debugging", NULL},
};
#define RUN_OPTIONS (sizeof run_options / sizeof run_options[0])

#define DIGEST_EVERY 50000 /* instruction slots */
#define TARGETS      15    /* of an adapter */
#define BUSES        7     /* with slots for adapters */
#define BUS_SLOTS    8

struct run_args {
    struct machine_config machine;
    struct machine_drive drives[MACHINE_MAX_DRIVES];
    unsigned next_target; /* of the first adapter */
    struct net_args net;
    bool stats;
    const char *record; /* trace file to write, or NULL */
    uint64_t every;     /* instruction slots between its digests */
};

void run_print_options(FILE *out)
{
    opts_print(out, run_options, RUN_OPTIONS);
}

static int bad(char *why, size_t size, const char *option, const char *value, const char *rule)
{
    snprintf(why, size, "%s %s: %s", option, value[0] != '\0' ? value : "(empty)", rule);
    return -EINVAL;
}

static int set_memory(struct run_args *a, const char *value, char *why, size_t size)
{
    static const char rule[] = "give a size from 64M to 256G, such as 512M or 4G";
    uint64_t bytes;
    if (text_parse_size(value, &bytes) != 0)
        return bad(why, size, "-m", value, rule);
    if (bytes < HPVM_RAM_MIN || bytes > HPVM_RAM_MAX)
        return bad(why, size, "-m", value, rule);
    if (bytes % (1u << 20) != 0)
        return bad(why, size, "-m", value, "give whole megabytes");
    a->machine.memory = bytes;
    return 0;
}

static int set_cpus(struct run_args *a, const char *value, char *why, size_t size)
{
    uint64_t n;
    if (text_parse_number(value, 1, 16, &n) != 0)
        return bad(why, size, "-c", value, "give a number of processors from 1 to 16");
    a->machine.cpus = (unsigned)n;
    return 0;
}

static int set_cpu(struct run_args *a, const char *value, char *why, size_t size)
{
    a->machine.lockstep = strcmp(value, "lockstep") == 0;
    a->machine.jit = a->machine.lockstep || strcmp(value, "jit") == 0;
    if (a->machine.jit || strcmp(value, "interp") == 0)
        return 0;
    return bad(why, size, "--cpu", value, "the choice is jit, interp or lockstep");
}

static int set_host_features(const char *value, char *why, size_t size)
{
    if (strcmp(value, "none") == 0)
        fp_plain_host();
    else if (strcmp(value, "fma") != 0)
        return bad(why, size, "--host-features", value, "the choice is none or fma");
    return 0;
}

static int set_jit_dump(struct run_args *a, const char *value, char *why, size_t size)
{
    char *end;
    errno = 0;
    a->machine.jit_dump_at = strtoull(value, &end, 16);
    a->machine.jit_dump = true;
    if (errno != 0 || *end != '\0' || !isxdigit((unsigned char)value[0]))
        return bad(why, size, "--jit-dump", value, "give a virtual address in hexadecimal");
    return 0;
}

static int set_model(struct run_args *a, const char *value, char *why, size_t size)
{
    static const char *const names[] = {
        [CPU_MADISON] = "madison", [CPU_MONTECITO] = "montecito", [CPU_POULSON] = "poulson"};
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(value, names[i]) == 0) {
            a->machine.model = (enum cpu_model)i;
            return 0;
        }
    }
    return bad(why, size, "--cpu-model", value, "the choice is madison, montecito or poulson");
}

/* Options with one legal value today and others announced. */
static int set_only(const char *option, const char *value, const char *legal, const char *later,
                    char *why, size_t size)
{
    char rule[96];
    if (strcmp(value, legal) == 0)
        return 0;
    snprintf(rule, sizeof rule, "the choice is %s; others come with %s", legal, later);
    return bad(why, size, option, value, rule);
}

static int set_console(struct run_args *a, const char *value, char *why, size_t size)
{
    bool path = strncmp(value, "unix:", 5) == 0 || strncmp(value, "file:", 5) == 0;
    if (strcmp(value, "stdio") != 0 && !(path && value[5] != '\0'))
        return bad(why, size, "--console", value, "give stdio, unix:PATH or file:PATH");
    a->machine.console = value;
    return 0;
}

static int set_monitor(struct run_args *a, const char *value, char *why, size_t size)
{
    if (strncmp(value, "unix:", 5) != 0 || value[5] == '\0')
        return bad(why, size, "--monitor", value, "give unix:PATH");
    a->machine.monitor = value + 5;
    return 0;
}

static int set_serial(struct run_args *a, const char *value, char *why, size_t size)
{
    size_t length = strlen(value);
    for (size_t i = 0; i < length; i++)
        if (value[i] <= ' ' || value[i] > '~')
            return bad(why, size, "--serial", value, "give printable characters without blanks");
    if (length == 0 || length > 32)
        return bad(why, size, "--serial", value, "give 1 to 32 characters");
    a->machine.serial = value;
    return 0;
}

static int set_text(const char **field, const char *option, const char *value, char *why,
                    size_t size)
{
    if (value[0] == '\0')
        return bad(why, size, option, value, "give the name of a file");
    *field = value;
    return 0;
}

/* Drives without an address are targets 0, 1, 2 and so on of the adapter at bus 0, slot 0. */
static int next_target(struct run_args *a, struct machine_drive *d, const char *option, char *why,
                       size_t size)
{
    if (a->next_target == TARGETS)
        return bad(why, size, option, d->path, "there is room for 15 drives on one adapter");
    d->target = a->next_target++;
    return 0;
}

static int set_address(struct machine_drive *d, const char *value, char *why, size_t size)
{
    int end = 0;
    if (value[0] >= '0' && value[0] <= '9' &&
        sscanf(value, "%2u:%2u:%2u%n", &d->bus, &d->slot, &d->target, &end) == 3 &&
        value[end] == '\0' && d->bus < BUSES && d->slot < BUS_SLOTS && d->target < TARGETS)
        return 0;
    return bad(why, size, "--disk at", value,
               "give BUS:SLOT:TARGET, buses 0 to 6, slots 0 to 7, targets 0 to 14");
}

static struct machine_drive *next_drive(struct run_args *a, const char *option, const char *value,
                                        char *why, size_t size)
{
    unsigned n = a->machine.drive_count;
    if (value[0] == '\0' || value[0] == ',') {
        bad(why, size, option, value, "give the name of a file");
        return NULL;
    }
    if (n == MACHINE_MAX_DRIVES) {
        bad(why, size, option, value, "there is room for 64 drives");
        return NULL;
    }
    a->machine.drives = a->drives;
    a->machine.drive_count++;
    a->drives[n] = (struct machine_drive){.path = value};
    return &a->drives[n];
}

/* FILE[,ro][,overlay=FILE2][,at=BUS:SLOT:TARGET]. Commas end names; the value is cut up in place:
 * it is argv's. */
static int set_disk(struct run_args *a, const char *value, char *why, size_t size)
{
    struct machine_drive *d = next_drive(a, "--disk", value, why, size);
    if (d == NULL)
        return -EINVAL;
    char *rest = strchr(value, ',');
    bool placed = false;
    while (rest != NULL) {
        char *word = rest + 1;
        *rest = '\0';
        rest = strchr(word, ',');
        if (rest != NULL)
            *rest = '\0';
        if (strcmp(word, "ro") == 0)
            d->read_only = true;
        else if (strncmp(word, "overlay=", 8) == 0 && word[8] != '\0')
            d->overlay = word + 8;
        else if (strncmp(word, "at=", 3) == 0 && set_address(d, word + 3, why, size) == 0)
            placed = true;
        else if (strncmp(word, "at=", 3) == 0)
            return -EINVAL;
        else
            return bad(why, size, "--disk", word,
                       "give FILE[,ro][,overlay=FILE2][,at=BUS:SLOT:TARGET]");
    }
    return placed ? 0 : next_target(a, d, "--disk", why, size);
}

static int set_cdrom(struct run_args *a, const char *value, char *why, size_t size)
{
    struct machine_drive *d = next_drive(a, "--cdrom", value, why, size);
    if (d == NULL)
        return -EINVAL;
    d->dvd = true;
    return next_target(a, d, "--cdrom", why, size);
}

static int set_log(const char *value, char *why, size_t size)
{
    int err = log_set_file(value);
    return err == 0 ? 0 : bad(why, size, "--log", value, strerror(-err));
}

/* A line that grows, for those who look. */
static void show_progress(unsigned percent)
{
    static unsigned shown;
    if (!isatty(STDERR_FILENO))
        return;
    for (; shown < percent / 2; shown++)
        fputc('=', stderr);
    if (percent >= 100)
        fputc('\n', stderr);
}

static int set_flag(struct run_args *a, int id)
{
    switch (id) {
    case OPT_DETERMINISTIC:
        a->machine.deterministic = true;
        break;
    case OPT_NO_REBOOT:
        a->machine.no_reboot = true;
        break;
    case OPT_WAIT:
        a->machine.wait = true;
        break;
    case OPT_PERF_MAP:
        a->machine.jit_perf_map = true;
        break;
    case OPT_STATS:
        a->stats = true;
        break;
    default: /* OPT_VERBOSE */
        log_set_level(log_get_level() < LOG_INFO ? LOG_INFO : LOG_DEBUG);
        break;
    }
    return 0;
}

static int set_option(void *opaque, const struct opt *o, const char *v, char *why, size_t size)
{
    struct run_args *a = opaque;
    switch (o->id) {
    case OPTS_OPERAND:
        snprintf(why, size, "run takes no argument %s: name a kernel with --kernel", v);
        return -EINVAL;
    case OPT_MEMORY:
        return set_memory(a, v, why, size);
    case OPT_CPUS:
        return set_cpus(a, v, why, size);
    case OPT_CPU:
        return set_cpu(a, v, why, size);
    case OPT_HOST_FEATURES:
        return set_host_features(v, why, size);
    case OPT_JIT_DUMP:
        return set_jit_dump(a, v, why, size);
    case OPT_CPU_MODEL:
        return set_model(a, v, why, size);
    case OPT_MACHINE:
        return set_only("--machine", v, "hpvm", "later machines", why, size);
    case OPT_DISPLAY:
        a->machine.display = strcmp(v, "none") == 0 ? NULL : v;
        return 0;
    case OPT_KERNEL:
        return set_text(&a->machine.kernel, "--kernel", v, why, size);
    case OPT_INITRD:
        return set_text(&a->machine.initrd, "--initrd", v, why, size);
    case OPT_APPEND:
        a->machine.append = v;
        return 0;
    case OPT_DISK:
        return set_disk(a, v, why, size);
    case OPT_CDROM:
        return set_cdrom(a, v, why, size);
    case OPT_NET:
        return net_parse(&a->net, v, why, size);
    case OPT_CONSOLE:
        return set_console(a, v, why, size);
    case OPT_UUID:
        if (text_parse_uuid(v, a->machine.uuid) != 0)
            return bad(why, size, "--uuid", v, "give 8-4-4-4-12 hexadecimal digits");
        return 0;
    case OPT_SERIAL:
        return set_serial(a, v, why, size);
    case OPT_NVRAM:
        return set_text(&a->machine.nvram, "--nvram", v, why, size);
    case OPT_MONITOR:
        return set_monitor(a, v, why, size);
    case OPT_GDB:
        a->machine.gdb = v;
        return 0;
    case OPT_RESTORE:
        a->machine.restore_progress = show_progress;
        return set_text(&a->machine.restore, "--restore", v, why, size);
    case OPT_RECORD:
        a->machine.deterministic = true;
        return set_text(&a->record, "--record", v, why, size);
    case OPT_EVERY:
        if (text_parse_number(v, 1, 1000000, &a->every) != 0)
            return bad(why, size, "--digest-every", v, "give a number from 1 to 1000000");
        return 0;
    case OPT_ITRACE:
        a->machine.itrace = v;
        return 0;
    case OPT_TRACE:
        return channels_set(v, why, size);
    case OPT_LOG:
        return set_log(v, why, size);
    default:
        return set_flag(a, o->id);
    }
}

static int check(const struct run_args *a, char *why, size_t size)
{
    const struct machine_config *c = &a->machine;
    if (c->kernel == NULL && c->initrd != NULL) {
        snprintf(why, size, "--initrd %s: an initial RAM disk needs --kernel", c->initrd);
        return -EINVAL;
    }
    if (c->itrace != NULL && c->lockstep) {
        snprintf(why, size, "--itrace: --cpu lockstep does everything twice");
        return -EINVAL;
    }
    if (c->gdb != NULL && c->lockstep) {
        snprintf(why, size,
                 "--gdb: --cpu lockstep does everything twice and cannot stop in between");
        return -EINVAL;
    }
    if (c->wait && c->gdb == NULL && c->monitor == NULL) {
        snprintf(why, size, "--wait: only --gdb or --monitor could let the machine go on");
        return -EINVAL;
    }
    if (a->record != NULL &&
        (c->gdb != NULL || c->restore != NULL || c->lockstep || c->display != NULL)) {
        snprintf(why, size,
                 "--record does not go with --gdb, --restore, --display or --cpu lockstep");
        return -EINVAL;
    }
    if (c->deterministic && a->record == NULL && a->net.nics > 0) {
        snprintf(why, size, "--net: what is outside does not follow the time of --deterministic");
        return -EINVAL;
    }
    return 0;
}

static struct machine *running; /* for the signal handler */

static void on_signal(int number)
{
    if (running != NULL)
        machine_quit(running, number);
}

static void catch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction sa = {.sa_handler = on_signal};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int run_machine(const struct machine_config *config, bool stats, enum machine_end *end, char *why,
                size_t size)
{
    struct machine *m;
    why[0] = '\0';
    int err = machine_new(config, &m, why, size);
    if (err != 0) {
        if (why[0] == '\0')
            snprintf(why, size, "%s", strerror(-err));
        return err;
    }
    running = m;
    catch_signals();
    *end = machine_run(m, why, size);
    running = NULL;
    if (stats)
        machine_print_stats(m, stderr);
    machine_free(m);
    return 0;
}

void run_use_demo(struct machine_config *config)
{
    config->image = demo_image;
    config->image_size = (size_t)(demo_image_end - demo_image);
}

static int run(struct run_args *a)
{
    char why[512] = "", more[512];
    enum machine_end end;
    int err = 0;
    if (a->record != NULL)
        err = recording_begin(&a->machine, a->record, a->every, why, sizeof why);
    if (err == 0)
        err = run_machine(&a->machine, a->stats, &end, why, sizeof why);
    if (a->machine.tape != NULL && err == 0) {
        err = tape_finish(a->machine.tape, more, sizeof more);
        if (err != 0)
            snprintf(why, sizeof why, "%s", more);
    }
    tape_free(a->machine.tape);
    if (err != 0 || end != MACHINE_POWERED_OFF)
        log_error("%s", why);
    return err != 0 ? CLI_USAGE : end == MACHINE_POWERED_OFF ? CLI_OK : CLI_FAILED;
}

int cmd_run(int argc, char **argv)
{
    struct run_args a = {.machine = {.memory = 1ull << 30,
                                     .cpus = 1,
                                     .model = CPU_MONTECITO,
                                     .console = "stdio",
                                     .jit = true},
                         .every = DIGEST_EVERY};
    char why[512] = "";
    if (opts_parse(run_options, RUN_OPTIONS, argc, argv, set_option, &a, why, sizeof why) != 0 ||
        check(&a, why, sizeof why) != 0) {
        log_error("%s", why);
        return CLI_USAGE;
    }
    a.machine.nics = a.net.nic;
    a.machine.nic_count = a.net.nics;
    if (a.machine.kernel == NULL && a.machine.drive_count == 0 && a.machine.nic_count == 0)
        run_use_demo(&a.machine);
    return run(&a);
}
