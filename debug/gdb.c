/* See gdb.h. */
#include "gdb.h"

#include <stdio.h>
#include <string.h>
#include "gdb_packet.h"
#include "gdb_regs.h"

#define SIGNAL_INT  2
#define SIGNAL_TRAP 5
/* Bytes of memory in one packet, two digits each. */
#define MEMORY_MAX ((GDB_PACKET_MAX - 64) / 2)
/* Characters of a monitor's answer in one packet. */
#define TEXT_MAX 1024

struct gdb {
    struct gdb_target t;
    struct gdb_reader in;
    GString *out;
    GString *reply;   /* the packet being written */
    unsigned current; /* processor that registers and memory are about */
    unsigned resumed; /* and that c and s without a thread are about */
    unsigned reporter;
    struct cpu_stop why; /* of the last stop */
    unsigned signal;
    bool running, no_ack, detached;
    bool nats_in_unat;
};

static struct cpu *cpu_of(struct gdb *g, unsigned n)
{
    return g->t.cpu(g->t.opaque, n);
}

/* --- answers --- */

static void send_packet(struct gdb *g, const char *text, size_t length)
{
    gdb_write_packet(g->out, text, length);
}

static void send_text(struct gdb *g, const char *text)
{
    send_packet(g, text, strlen(text));
}

static void send_reply(struct gdb *g)
{
    send_packet(g, g->reply->str, g->reply->len);
    g_string_truncate(g->reply, 0);
}

static void send_ok(struct gdb *g, bool ok)
{
    send_text(g, ok ? "OK" : "E01");
}

static void send_stop(struct gdb *g)
{
    static const char *const watch[] = {
        [ACC_READ] = "rwatch", [ACC_WRITE] = "watch", [ACC_READ | ACC_WRITE] = "awatch"};

    g_string_append_printf(g->reply, "T%02xthread:%x;", g->signal, g->reporter + 1);
    if (g->why.kind == STOP_WATCHPOINT)
        g_string_append_printf(g->reply, "%s:%" G_GINT64_MODIFIER "x;",
                               watch[g->why.access & (ACC_READ | ACC_WRITE)], g->why.addr);
    send_reply(g);
}

/* --- threads --- */

/* A thread id at *p: "-1" (all), "0" (any) or a number. The processor, -1 for all, -2 for none. */
static int take_thread(struct gdb *g, const char **p, unsigned any)
{
    uint64_t n;

    if (strncmp(*p, "-1", 2) == 0) {
        *p += 2;
        return -1;
    }
    if (!gdb_hex_number(p, &n) || n > g->t.cpus)
        return -2;
    return n == 0 ? (int)any : (int)n - 1;
}

static void set_thread(struct gdb *g, const char *p)
{
    char operation = *p++;
    int n = operation ? take_thread(g, &p, g->reporter) : -2;

    if (n == -2 || *p != '\0') {
        send_ok(g, false);
        return;
    }
    if (operation == 'g' && n >= 0)
        g->current = (unsigned)n;
    else if (operation == 'c')
        g->resumed = n >= 0 ? (unsigned)n : g->reporter;
    send_ok(g, true);
}

static void thread_alive(struct gdb *g, const char *p)
{
    uint64_t n;

    send_ok(g, gdb_hex_number(&p, &n) && *p == '\0' && n >= 1 && n <= g->t.cpus);
}

static void list_threads(struct gdb *g, const char *p)
{
    (void)p;
    for (unsigned n = 0; n < g->t.cpus; n++)
        g_string_append_printf(g->reply, "%c%x", n == 0 ? 'm' : ',', n + 1);
    send_reply(g);
}

static void end_of_list(struct gdb *g, const char *p)
{
    (void)p;
    send_text(g, "l");
}

static void describe_thread(struct gdb *g, const char *p)
{
    const struct cpu *c;
    char text[64];
    int n = take_thread(g, &p, g->reporter);

    if (n < 0 || *p != '\0') {
        send_ok(g, false);
        return;
    }
    c = cpu_of(g, (unsigned)n);
    snprintf(text, sizeof text, "processor %d [%s]", n,
             !c->running ? "not started"
             : c->halted ? "halted"
                         : "running");
    gdb_append_hex(g->reply, text, strlen(text));
    send_reply(g);
}

static void current_thread(struct gdb *g, const char *p)
{
    (void)p;
    g_string_append_printf(g->reply, "QC%x", g->reporter + 1);
    send_reply(g);
}

/* --- registers --- */

static void read_registers(struct gdb *g, const char *p)
{
    uint8_t bytes[GDB_REG_MAX];

    (void)p;
    for (unsigned n = 0; n < GDB_REGS; n++)
        gdb_append_hex(g->reply, bytes,
                       gdb_reg_read(cpu_of(g, g->current), n, g->nats_in_unat, bytes));
    send_reply(g);
}

/* All of them at once: those that cannot be set stay as they are. */
static void write_registers(struct gdb *g, const char *p)
{
    uint8_t bytes[GDB_REG_MAX], now[GDB_REG_MAX];
    struct cpu *c = cpu_of(g, g->current);

    if (strlen(p) != 2 * GDB_REGS_ALL) {
        send_ok(g, false);
        return;
    }
    for (unsigned n = 0; n < GDB_REGS; n++) {
        size_t size = gdb_reg_size(n);

        if (!gdb_hex_bytes(p, bytes, size)) {
            send_ok(g, false);
            return;
        }
        gdb_reg_read(c, n, g->nats_in_unat, now);
        if (memcmp(bytes, now, size) != 0)
            gdb_reg_write(c, n, g->nats_in_unat, bytes);
        p += 2 * size;
    }
    send_ok(g, true);
}

static void read_register(struct gdb *g, const char *p)
{
    uint8_t bytes[GDB_REG_MAX];
    uint64_t n;

    if (!gdb_hex_number(&p, &n) || n >= GDB_REGS || *p != '\0') {
        send_ok(g, false);
        return;
    }
    gdb_append_hex(g->reply, bytes,
                   gdb_reg_read(cpu_of(g, g->current), (unsigned)n, g->nats_in_unat, bytes));
    send_reply(g);
}

static void write_register(struct gdb *g, const char *p)
{
    uint8_t bytes[GDB_REG_MAX];
    uint64_t n;

    if (!gdb_hex_number(&p, &n) || n >= GDB_REGS || *p++ != '=' ||
        strlen(p) != 2 * gdb_reg_size((unsigned)n) ||
        !gdb_hex_bytes(p, bytes, gdb_reg_size((unsigned)n))) {
        send_ok(g, false);
        return;
    }
    send_ok(g, gdb_reg_write(cpu_of(g, g->current), (unsigned)n, g->nats_in_unat, bytes));
}

/* --- memory --- */

static bool take_range(const char **p, uint64_t *addr, uint64_t *length)
{
    return gdb_hex_number(p, addr) && *(*p)++ == ',' && gdb_hex_number(p, length) &&
           *length <= MEMORY_MAX;
}

/* As far as memory goes: what is there of a range is better than nothing. */
static void read_memory(struct gdb *g, const char *p)
{
    uint64_t addr, length;
    struct cpu *c = cpu_of(g, g->current);
    uint8_t byte;

    if (!take_range(&p, &addr, &length) || *p != '\0') {
        send_ok(g, false);
        return;
    }
    for (uint64_t k = 0; k < length && cpu_debug_read(c, addr + k, &byte, 1) == 0; k++)
        gdb_append_hex(g->reply, &byte, 1);
    if (g->reply->len == 0 && length > 0)
        g_string_assign(g->reply, "E14");
    send_reply(g);
}

static void write_memory(struct gdb *g, const char *p)
{
    uint8_t bytes[MEMORY_MAX];
    uint64_t addr, length;

    if (!take_range(&p, &addr, &length) || *p++ != ':' || strlen(p) != 2 * length ||
        !gdb_hex_bytes(p, bytes, length)) {
        send_ok(g, false);
        return;
    }
    send_ok(g, cpu_debug_write(cpu_of(g, g->current), addr, bytes, length) == 0);
}

/* --- breakpoints --- */

/* Z and z: "type,addr,kind". Types 0 and 1 are one here: no memory is changed for either. */
static void change_point(struct gdb *g, const char *p, bool insert)
{
    static const unsigned access[] = {0, 0, ACC_WRITE, ACC_READ, ACC_READ | ACC_WRITE};
    struct breakset *s = g->t.breaks;
    uint64_t type, addr, kind;
    bool stale = false;
    int err;

    if (!gdb_hex_number(&p, &type) || *p++ != ',' || !gdb_hex_number(&p, &addr) || *p++ != ',' ||
        !gdb_hex_number(&p, &kind) || *p != '\0') {
        send_ok(g, false);
        return;
    }
    if (type > 4) {
        send_text(g, "");
        return;
    }
    if (type < 2)
        err = insert ? breakset_add_break(s, addr, &stale) : breakset_remove_break(s, addr);
    else
        err = insert ? breakset_add_watch(s, addr, kind, access[type], &stale)
                     : breakset_remove_watch(s, addr, kind, access[type]);
    if (stale)
        g->t.use_breaks(g->t.opaque);
    send_ok(g, err == 0);
}

static void insert_point(struct gdb *g, const char *p)
{
    change_point(g, p, true);
}

static void remove_point(struct gdb *g, const char *p)
{
    change_point(g, p, false);
}

/* --- going on --- */

static void note_stop(struct gdb *g, unsigned n, unsigned signal, const struct cpu_stop *why)
{
    g->running = false;
    g->reporter = g->current = g->resumed = n;
    g->signal = signal;
    g->why = *why;
}

static void step(struct gdb *g, unsigned n)
{
    g->t.step(g->t.opaque, n);
    note_stop(g, n, SIGNAL_TRAP, &(struct cpu_stop){0});
    send_stop(g);
}

static void go_on(struct gdb *g, uint32_t held)
{
    g->running = true;
    g->t.go_on(g->t.opaque, held);
}

/* c and s, with an address or without; the address is where the processor goes on. */
static void resume_at(struct gdb *g, const char *p, bool stepwise)
{
    uint64_t addr;

    if (*p != '\0' && gdb_hex_number(&p, &addr) && *p == '\0') {
        struct cpu *c = cpu_of(g, g->resumed);
        uint64_t slot = addr & 3;

        c->ip = addr & ~15ull;
        cpu_set_psr(c, (c->psr & ~PSR_RI) | (slot < 3 ? slot : 0) << PSR_RI_SHIFT);
    } else if (*p != '\0') {
        send_ok(g, false);
        return;
    }
    if (stepwise)
        step(g, g->resumed);
    else
        go_on(g, 0);
}

static void resume(struct gdb *g, const char *p)
{
    resume_at(g, p, false);
}

static void resume_step(struct gdb *g, const char *p)
{
    resume_at(g, p, true);
}

/* One action of vCont: the first that names a thread counts for it. */
struct actions {
    int step;                /* processor, -1: none */
    uint32_t running, named; /* bit n: processor n */
};

static bool take_action(struct gdb *g, const char **p, struct actions *a)
{
    uint32_t all = g->t.cpus >= 32 ? ~0u : (1u << g->t.cpus) - 1, which;
    char what = *(*p)++;
    uint64_t signal;
    int n = -1;

    if (what == 'C' || what == 'S') { /* signals mean nothing to a machine */
        if (!gdb_hex_number(p, &signal))
            return false;
        what = what == 'C' ? 'c' : 's';
    }
    if (what != 'c' && what != 's')
        return false;
    if (**p == ':') {
        (*p)++;
        n = take_thread(g, p, g->resumed);
    }
    if (n == -2 || (**p != ';' && **p != '\0'))
        return false;
    which = (n < 0 ? all : 1u << n) & ~a->named;
    a->named |= which;
    if (what == 'c')
        a->running |= which;
    else if (a->step < 0 && which)
        a->step = n >= 0 ? n : (int)g->resumed;
    return true;
}

/* A step is of one processor; the others rest meanwhile. */
static void resume_threads(struct gdb *g, const char *p)
{
    struct actions a = {.step = -1};

    while (*p == ';') {
        p++;
        if (!take_action(g, &p, &a)) {
            send_ok(g, false);
            return;
        }
    }
    if (a.step >= 0)
        step(g, (unsigned)a.step);
    else if (a.running)
        go_on(g, ~a.running);
    else
        send_ok(g, false);
}

static void list_actions(struct gdb *g, const char *p)
{
    (void)p;
    send_text(g, "vCont;c;C;s;S");
}

static void tell_stop(struct gdb *g, const char *p)
{
    (void)p;
    send_stop(g);
}

static void detach(struct gdb *g, const char *p)
{
    (void)p;
    g->detached = true;
    send_ok(g, true);
}

static void kill_machine(struct gdb *g, const char *p)
{
    (void)p;
    send_ok(g, true);
    g->t.quit(g->t.opaque);
}

/* --- queries --- */

static void features(struct gdb *g, const char *p)
{
    (void)p;
    g_string_append_printf(g->reply,
                           "PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;vContSupported+",
                           GDB_PACKET_MAX);
    send_reply(g);
}

/* gdb for ia64 takes its registers from no description, but the architecture. */
static void description(struct gdb *g, const char *p)
{
    static const char xml[] = "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
                              "<target><architecture>ia64-elf64</architecture></target>";
    uint64_t offset, length;

    if (!gdb_hex_number(&p, &offset) || *p++ != ',' || !gdb_hex_number(&p, &length) || *p != '\0' ||
        offset > sizeof xml - 1) {
        send_ok(g, false);
        return;
    }
    if (length >= sizeof xml - 1 - offset) {
        g_string_append_c(g->reply, 'l');
        length = sizeof xml - 1 - offset;
    } else {
        g_string_append_c(g->reply, 'm');
    }
    g_string_append_len(g->reply, xml + offset, (gssize)length);
    send_reply(g);
}

static void no_acknowledgements(struct gdb *g, const char *p)
{
    (void)p;
    send_ok(g, true);
    g->no_ack = true;
}

static void attached(struct gdb *g, const char *p)
{
    (void)p;
    send_text(g, "1");
}

/* The stub's own command of the monitor. */
static bool own_command(struct gdb *g, const char *line, GString *out)
{
    if (strcmp(line, "nats on") != 0 && strcmp(line, "nats off") != 0)
        return false;
    g->nats_in_unat = strcmp(line, "nats on") == 0;
    g_string_append_printf(out, "unat shows %s\n",
                           g->nats_in_unat ? "the NaT bits of r1 to r31 (as gdb's nat1 to nat31)"
                                           : "the register");
    return true;
}

static void send_console(struct gdb *g, const GString *text)
{
    for (size_t at = 0; at < text->len; at += TEXT_MAX) {
        size_t n = text->len - at < TEXT_MAX ? text->len - at : TEXT_MAX;

        g_string_append_c(g->reply, 'O');
        gdb_append_hex(g->reply, text->str + at, n);
        send_reply(g);
    }
}

static void command(struct gdb *g, const char *p)
{
    char line[1024];
    size_t n = strlen(p) / 2;
    GString *out;

    if (strlen(p) % 2 != 0 || n >= sizeof line || !gdb_hex_bytes(p, (uint8_t *)line, n) ||
        memchr(line, '\0', n)) {
        send_ok(g, false);
        return;
    }
    line[n] = '\0';
    out = g_string_new(NULL);
    if (!own_command(g, line, out))
        g->t.command(g->t.opaque, line, g->current, out);
    send_console(g, out);
    g_string_free(out, TRUE);
    send_ok(g, true);
}

/* --- packets --- */

/* In this order: a name may be the beginning of another. */
static const struct {
    const char *name;
    void (*handle)(struct gdb *g, const char *rest);
} packets[] = {
    {"qSupported", features},
    {"qXfer:features:read:target.xml:", description},
    {"QStartNoAckMode", no_acknowledgements},
    {"qAttached", attached},
    {"qC", current_thread},
    {"qfThreadInfo", list_threads},
    {"qsThreadInfo", end_of_list},
    {"qThreadExtraInfo,", describe_thread},
    {"qRcmd,", command},
    {"vCont?", list_actions},
    {"vCont", resume_threads},
    {"vKill;", kill_machine},
    {"?", tell_stop},
    {"g", read_registers},
    {"G", write_registers},
    {"p", read_register},
    {"P", write_register},
    {"m", read_memory},
    {"M", write_memory},
    {"Z", insert_point},
    {"z", remove_point},
    {"H", set_thread},
    {"T", thread_alive},
    {"c", resume},
    {"s", resume_step},
    {"D", detach},
    {"k", kill_machine},
};

static void handle_packet(struct gdb *g)
{
    const char *text = g->in.text;

    for (size_t k = 0; k < sizeof packets / sizeof *packets; k++) {
        size_t n = strlen(packets[k].name);

        if (strncmp(text, packets[k].name, n) == 0) {
            packets[k].handle(g, text + n);
            return;
        }
    }
    send_text(g, "");
}

static void interrupt(struct gdb *g)
{
    if (!g->running)
        return;
    g->t.stop(g->t.opaque);
    note_stop(g, g->reporter, SIGNAL_INT, &(struct cpu_stop){0});
    send_stop(g);
}

static void acknowledge(struct gdb *g, char how)
{
    if (!g->no_ack)
        g_string_append_c(g->out, how);
}

void gdb_input(struct gdb *g, const uint8_t *bytes, size_t n)
{
    for (size_t k = 0; k < n && !g->detached; k++) {
        switch (gdb_reader_byte(&g->in, bytes[k])) {
        case GDB_INTERRUPT:
            interrupt(g);
            break;
        case GDB_BAD:
            acknowledge(g, '-');
            break;
        case GDB_PACKET:
            acknowledge(g, '+');
            if (g->running) /* nothing else is to come before it stops */
                break;
            handle_packet(g);
            break;
        default:
            break;
        }
    }
}

void gdb_stopped(struct gdb *g, unsigned n, const struct cpu_stop *why)
{
    if (!g->running)
        return;
    note_stop(g, n, why->kind == STOP_NONE ? SIGNAL_INT : SIGNAL_TRAP, why);
    send_stop(g);
}

/* --- life --- */

GString *gdb_output(struct gdb *g)
{
    return g->out;
}

bool gdb_detached(const struct gdb *g)
{
    return g->detached;
}

struct gdb *gdb_new(const struct gdb_target *target)
{
    struct gdb *g = g_new0(struct gdb, 1);

    g->t = *target;
    g->out = g_string_new(NULL);
    g->reply = g_string_new(NULL);
    g->signal = SIGNAL_TRAP;
    return g;
}

void gdb_free(struct gdb *g)
{
    if (!g)
        return;
    g_string_free(g->out, TRUE);
    g_string_free(g->reply, TRUE);
    g_free(g);
}
