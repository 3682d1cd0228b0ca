/* See monitor.h. */
#include "monitor.h"

#include <errno.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "gdb_server.h"
#include "graphics.h"
#include "inspect.h"
#include "usb_input.h"
#include "log.h"
#include "machine_impl.h"
#include "pause.h"
#include "text.h"

#define GREETING "kittson monitor " KITTSON_VERSION

struct call {
    struct machine *m;
    char *rest; /* what follows the command's name */
    struct line_answer *to;
    unsigned cpu; /* the processor it is about, when it names none */
    bool debugger;
    char *why;
    size_t size;
};

static int refuse(struct call *k, int err, const char *text)
{
    snprintf(k->why, k->size, "%s", text);
    return err;
}

/* Cuts the next word off; "" when there is none. */
static char *word(struct call *k)
{
    char *start = k->rest + strspn(k->rest, " \t");
    k->rest = start + strcspn(start, " \t");
    if (*k->rest != '\0')
        *k->rest++ = '\0';
    k->rest += strspn(k->rest, " \t");
    return start;
}

/* --- drives --- */

static bool is_address(const char *s, unsigned *bus, unsigned *slot, unsigned *target)
{
    int end = 0;
    return s[0] >= '0' && s[0] <= '9' && sscanf(s, "%2u,%2u,%2u%n", bus, slot, target, &end) == 3 &&
           s[end] == '\0';
}

static int find_drive(struct call *k, unsigned bus, unsigned slot, unsigned target)
{
    const struct machine_config *c = &k->m->config;
    for (unsigned i = 0; i < c->drive_count; i++)
        if (c->drives[i].bus == bus && c->drives[i].slot == slot && c->drives[i].target == target)
            return (int)i;
    return refuse(k, -ENODEV, "there is no drive at this address");
}

static int only_drive(struct call *k)
{
    const struct machine_config *c = &k->m->config;
    int found = -1;
    for (unsigned i = 0; i < c->drive_count; i++) {
        if (!c->drives[i].dvd)
            continue;
        if (found >= 0)
            return refuse(k, -EINVAL, "there are several drives: say which, as in 0,0,1");
        found = (int)i;
    }
    return found >= 0 ? found : refuse(k, -ENODEV, "there is no drive for discs");
}

/* The drive an optional first word BUS,SLOT,TARGET means, or a negative errno. */
static int take_drive(struct call *k)
{
    char *before = k->rest, saved[16];
    unsigned bus, slot, target;
    snprintf(saved, sizeof saved, "%.15s", before);
    saved[strcspn(saved, " \t")] = '\0';
    if (!is_address(saved, &bus, &slot, &target))
        return only_drive(k);
    word(k);
    return find_drive(k, bus, slot, target);
}

/* A drive at its address: kind, state, medium. */
static void describe(struct call *k, unsigned n)
{
    const struct machine_drive *d = &k->m->config.drives[n];
    struct storage_medium s = storage_medium(board_storage(k->m->board), n);
    line_answer(k->to, "%u,%u,%u %s %s %s", d->bus, d->slot, d->target, d->dvd ? "dvd" : "disk",
                s.name == NULL ? "empty"
                : s.locked     ? "locked"
                : d->dvd       ? "loaded"
                : s.read_only  ? "read-only"
                               : "writable",
                s.name != NULL ? s.name : "-");
}

static int devices(struct call *k)
{
    for (unsigned i = 0; i < k->m->config.drive_count; i++)
        describe(k, i);
    return 0;
}

static void add_disc(void *opaque, const char *name)
{
    struct call *k = opaque;
    line_answer(k->to, "%s", name);
}

static int discs(struct call *k)
{
    int n = take_drive(k);
    if (n < 0)
        return n;
    return storage_discs(board_storage(k->m->board), (unsigned)n, add_disc, k, k->why, k->size);
}

static int eject(struct call *k)
{
    int n = take_drive(k);
    if (n < 0)
        return n;
    const char *how = word(k);
    bool force = strcmp(how, "force") == 0;
    if ((how[0] != '\0' && !force) || k->rest[0] != '\0')
        return refuse(k, -EINVAL, "usage: eject [BUS,SLOT,TARGET] [force]");
    int err = machine_eject(k->m, (unsigned)n, force, k->why, k->size);
    if (err == 0)
        describe(k, (unsigned)n);
    return err;
}

static int insert(struct call *k)
{
    int n = take_drive(k);
    if (n < 0)
        return n;
    if (k->rest[0] == '\0')
        return refuse(k, -EINVAL, "usage: insert [BUS,SLOT,TARGET] FILE");
    int err = machine_insert(k->m, (unsigned)n, k->rest, k->why, k->size);
    if (err == 0)
        describe(k, (unsigned)n);
    return err;
}

/* --- the machine --- */

static int status(struct call *k)
{
    struct machine *m = k->m;
    uint64_t slots = m->icount_before;
    unsigned halted = 0;
    for (unsigned i = 0; i < m->config.cpus; i++) {
        slots += cpu_icount(m->cpu[i]);
        halted += m->cpu[i]->halted;
    }
    line_answer_field(k->to, "version", "%s", KITTSON_VERSION);
    line_answer_field(k->to, "state", m->paused ? "stopped" : "running");
    line_answer_field(k->to, "processors", "%u", m->config.cpus);
    line_answer_field(k->to, "halted", "%u", halted);
    line_answer_field(k->to, "memory", "%" PRIu64, m->config.memory);
    line_answer_field(k->to, "time", "%.3f", (double)machine_now_ns(m) / 1e9);
    line_answer_field(k->to, "instructions", "%" PRIu64, slots);
    line_answer_field(k->to, "resets", "%" PRIu64, m->resets);
    line_answer_field(k->to, "drives", "%u", m->config.drive_count);
    line_answer_field(k->to, "networks", "%u", m->config.nic_count);
    return 0;
}

/* --- looking inside --- */

/* An optional last word: the processor. */
static int take_cpu(struct call *k)
{
    uint64_t n;
    const char *text = word(k);
    if (text[0] == '\0')
        return 0;
    if (text_parse_number(text, 0, k->m->config.cpus - 1, &n) != 0 || k->rest[0] != '\0')
        return refuse(k, -EINVAL, "there is no such processor");
    k->cpu = (unsigned)n;
    return 0;
}

static int info(struct call *k)
{
    const char *what = word(k);
    int err = take_cpu(k);
    return err != 0 ? err : inspect(k->m, what, k->cpu, k->to, k->why, k->size);
}

static int backtrace(struct call *k)
{
    int err = take_cpu(k);
    if (err == 0)
        inspect_backtrace(k->m, k->cpu, k->to);
    return err;
}

/* ADDR [LENGTH] [CPU], the address in hexadecimal. */
static int dump(struct call *k, bool physical)
{
    uint64_t addr, length = 64;
    const char *where = word(k), *how_long = word(k);
    char *end;
    errno = 0;
    addr = strtoull(where, &end, 16);
    if (errno != 0 || *end != '\0' || !isxdigit((unsigned char)where[0]) ||
        (how_long[0] != '\0' && text_parse_number(how_long, 1, INSPECT_DUMP_MAX, &length) != 0))
        return refuse(k, -EINVAL, "give ADDRESS [LENGTH] [PROCESSOR], up to 65536 bytes");
    int err = take_cpu(k);
    return err != 0 ? err
                    : inspect_memory(k->m, k->cpu, physical, addr, length, k->to, k->why, k->size);
}

static int dump_virtual(struct call *k)
{
    return dump(k, false);
}

static int dump_physical(struct call *k)
{
    return dump(k, true);
}

static int symbols(struct call *k)
{
    if (k->rest[0] == '\0')
        return refuse(k, -EINVAL, "usage: symbols FILE");
    return inspect_symbols(k->m, k->rest, k->why, k->size);
}

/* --- the machine --- */

static int stop(struct call *k)
{
    machine_pause(k->m);
    gdb_server_stopped(k->m->gdb, 0);
    return 0;
}

static int cont(struct call *k)
{
    if (gdb_server_holds(k->m->gdb))
        return refuse(k, -EBUSY, "a debugger holds the machine: let it go on from there");
    machine_continue(k->m, 0);
    return 0;
}

static int powerdown(struct call *k)
{
    machine_power_button(k->m);
    return 0;
}

static int reset(struct call *k)
{
    machine_press_reset(k->m);
    return 0;
}

/* The name may have blanks in it. */
static int snapshot(struct call *k)
{
    const char *how = word(k);
    bool last = strcmp(how, "suspend") == 0;
    if ((!last && strcmp(how, "save") != 0) || k->rest[0] == '\0')
        return refuse(k, -EINVAL, "usage: snapshot save|suspend FILE");
    int err = machine_save(k->m, k->rest, last, k->why, k->size);
    if (err == 0 && last)
        machine_quit(k->m, MACHINE_SIGNAL_MONITOR);
    return err;
}

static int screendump(struct call *k)
{
    if (k->rest[0] == '\0')
        return refuse(k, -EINVAL, "screendump: name a file");
    return graphics_dump(board_graphics(k->m->board), k->rest, k->why, k->size);
}

static int sendkey(struct call *k)
{
    const char *keys = word(k);
    if (k->rest[0] != '\0')
        return refuse(k, -EINVAL, "usage: sendkey KEYS");
    return usb_input_send_keys(board_usb_input(k->m->board), keys, k->why, k->size);
}

static int type(struct call *k)
{
    return usb_input_type(board_usb_input(k->m->board), k->rest, k->why, k->size);
}

static int quit(struct call *k)
{
    machine_quit(k->m, MACHINE_SIGNAL_MONITOR);
    return 0;
}

/* --- commands --- */

static int help(struct call *k);

/* Files of the host are not for debuggers, who may be from elsewhere. */
enum takes { NOTHING, OPERANDS, FILES };

static const struct {
    const char *name;
    int (*run)(struct call *k);
    enum takes takes;
    bool changes; /* the machine, so that a recording has it */
    const char *help;
} commands[] = {
    {"help", help, NOTHING, false, "help: this list"},
    {"status", status, NOTHING, false, "status: processors, memory, time, instructions, resets"},
    {"devices", devices, NOTHING, false,
     "devices: all disks and drives: BUS,SLOT,TARGET KIND STATE FILE"},
    {"discs", discs, OPERANDS, false,
     "discs [BUS,SLOT,TARGET]: what can be inserted by its bare name"},
    {"eject", eject, OPERANDS, true,
     "eject [BUS,SLOT,TARGET] [force]: take the disc out, with force even when the guest locked "
     "it"},
    {"insert", insert, FILES, true,
     "insert [BUS,SLOT,TARGET] FILE: put a disc into an empty drive"},
    {"stop", stop, NOTHING, false, "stop: stop all processors and the guest's time"},
    {"cont", cont, NOTHING, false, "cont: let a stopped machine go on"},
    {"info", info, OPERANDS, false,
     "info registers|fp|tlb|cpus|pci|firmware|breakpoints [PROCESSOR]: what there is"},
    {"bt", backtrace, OPERANDS, false, "bt [PROCESSOR]: the chain of calls"},
    {"x", dump_virtual, OPERANDS, false,
     "x ADDRESS [LENGTH] [PROCESSOR]: virtual memory, hexadecimal address"},
    {"xp", dump_physical, OPERANDS, false, "xp ADDRESS [LENGTH]: physical memory"},
    {"symbols", symbols, FILES, false,
     "symbols FILE: names and unwind table of an ELF file, for bt"},
    {"powerdown", powerdown, NOTHING, true, "powerdown: press the power button"},
    {"reset", reset, NOTHING, true, "reset: reset the machine"},
    {"snapshot", snapshot, FILES, false,
     "snapshot save|suspend FILE: write the whole machine into a file, which --restore goes on "
     "from; suspend also ends it"},
    {"screendump", screendump, FILES, false,
     "screendump FILE: the picture on the screen as a PNG file"},
    {"sendkey", sendkey, OPERANDS, true,
     "sendkey KEYS: press keys together, as in ctrl-alt-f1, a, ret"},
    {"type", type, OPERANDS, true,
     "type TEXT: press the keys of a US keyboard one after the other"},
    {"quit", quit, NOTHING, false, "quit: end the machine at once"},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static int help(struct call *k)
{
    for (size_t i = 0; i < COMMANDS; i++)
        line_answer(k->to, "%s", commands[i].help);
    return 0;
}

static int run(struct call *k, const char *request)
{
    char line[LINE_SERVER_LINE + 1];
    snprintf(line, sizeof line, "%s", request);
    k->rest = line;
    if (k->m->config.deterministic)
        log_debug("monitor: %s at tick %" PRIu64, request, k->m->ticks);
    const char *name = word(k);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) != 0)
            continue;
        if (commands[i].takes == FILES && k->debugger)
            return refuse(k, -EPERM, "this command is for the monitor's own socket");
        if (commands[i].takes == NOTHING && k->rest[0] != '\0')
            return refuse(k, -EINVAL, "this command takes nothing more");
        if (commands[i].changes)
            tape_note(k->m->config.tape, TRACE_COMMAND, k->m->rounds, request, strlen(request) + 1);
        return commands[i].run(k);
    }
    return refuse(k, -EINVAL, "unknown command: help lists them");
}

static int handle(void *machine, const char *request, struct line_answer *to, char *why,
                  size_t size)
{
    struct call k = {.m = machine, .to = to, .why = why, .size = size};
    return run(&k, request);
}

void monitor_for_debugger(struct machine *m, const char *line, unsigned n, GString *out)
{
    char why[512] = "";
    struct call k = {.m = m, .to = line_answer_new(), .cpu = n, .debugger = true};
    k.why = why;
    k.size = sizeof why;
    int err = run(&k, line);
    g_string_append(out, line_answer_text(k.to));
    if (err != 0)
        g_string_append_printf(out, "%s\n", why[0] != '\0' ? why : strerror(-err));
    line_answer_free(k.to);
}

int monitor_open(struct machine *m, const char *path, struct line_server **out, char *why,
                 size_t size)
{
    char reason[512];
    int err = line_server_open(path, GREETING, handle, m, out, reason, sizeof reason);
    if (err != 0)
        snprintf(why, size, "--monitor %s", reason);
    return err;
}

void monitor_replay(struct machine *m)
{
    struct trace_item then;
    while (tape_take(m->config.tape, TRACE_COMMAND, m->rounds, &then)) {
        char why[512] = "";
        struct call k = {.m = m, .to = line_answer_new(), .why = why, .size = sizeof why};
        if (then.size > 0 && then.size <= LINE_SERVER_LINE && then.data[then.size - 1] == '\0' &&
            run(&k, (const char *)then.data) != 0)
            log_info("monitor command %s: %s", (const char *)then.data, why);
        line_answer_free(k.to);
    }
}
