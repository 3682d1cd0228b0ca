/* See control.h. */
#include "control.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_WORDS 8

struct request {
    struct daemon *d;
    char **word; /* ends in NULL */
    guint words;
    int fd; /* -1: none */
    GString *out;
};

static void fail(struct request *r, const char *why)
{
    g_string_append_printf(r->out, "error %s\n", why);
}

static void done(struct request *r)
{
    g_string_append(r->out, "ok\n");
}

/* --- status --- */

static void put_text(GString *out, const char *key, const char *value)
{
    g_string_append_printf(out, " %s=", key);
    for (const char *p = value; *p != '\0'; p++)
        if (*p <= ' ' || *p > '~' || *p == '%')
            g_string_append_printf(out, "%%%02X", (unsigned char)*p);
        else
            g_string_append_c(out, *p);
}

static void put_number(GString *out, const char *key, uint64_t value)
{
    g_string_append_printf(out, " %s=%" PRIu64, key, value);
}

static void put_counters(GString *out, const struct vswitch_counters *c)
{
    char key[32];
    uint64_t dropped = 0;

    put_number(out, "in", c->in);
    put_number(out, "in_bytes", c->in_bytes);
    put_number(out, "out", c->out);
    put_number(out, "out_bytes", c->out_bytes);
    put_number(out, "broadcasts", c->broadcasts);
    for (unsigned i = 0; i < DROP_REASONS; i++)
        dropped += c->dropped[i];
    put_number(out, "dropped", dropped);
    for (unsigned i = 0; i < DROP_REASONS; i++) {
        g_snprintf(key, sizeof key, "drop_%s", vswitch_drop_name[i]);
        put_number(out, key, c->dropped[i]);
    }
    g_string_append_c(out, '\n');
}

static void put_vlan(GString *out, int vlan)
{
    if (vlan == SWITCH_VLAN_NONE)
        g_string_append(out, " vlan=none");
    else
        g_string_append_printf(out, " vlan=%d", vlan);
}

static void put_port(GString *out, const struct vswitch_port *p, unsigned number)
{
    g_string_append_printf(out, "+port number=%u state=%s", number,
                           vswitch_state_name[vswitch_state(p)]);
    put_vlan(out, vswitch_vlan(p));
    put_text(out, "guest", p->guest);
    g_string_append(out, " mac=");
    if (p->connected)
        g_string_append_printf(out, "0x%02X%02X%02X%02X%02X%02X", p->mac[0], p->mac[1], p->mac[2],
                               p->mac[3], p->mac[4], p->mac[5]);
    put_number(out, "reserved", p->reserved);
    put_number(out, "capture", p->capture != NULL);
    put_counters(out, &p->counters);
}

static bool listed(const struct vswitch_port *p)
{
    return vswitch_state(p) != PORT_UNUSED || p->counters.in + p->counters.out > 0 ||
           p->capture != NULL || p->down;
}

/* Per frame. */
static void put_cycles(GString *out, const struct vswitch_cycles *c)
{
    uint64_t frames = MAX(c->frames, 1), out_of = c->to_uplink + c->to_guests;

    put_number(out, "cycles_in", c->in / frames);
    put_number(out, "cycles_uplink", c->to_uplink / frames);
    put_number(out, "cycles_guests", c->to_guests / frames);
    put_number(out, "cycles_switch", (c->in - MIN(out_of, c->in)) / frames);
}

static void status(struct request *r)
{
    struct vswitch *s = r->d->sw;
    struct vswitch_cycles cycles = vswitch_cycles(s);
    GString *out = r->out;
    unsigned ports = 0;

    for (unsigned i = 1; i <= SWITCH_PORTS; i++)
        ports += vswitch_port(s, i)->connected;
    g_string_append(out, "+switch");
    put_text(out, "name", r->d->name);
    put_number(out, "pid", (uint64_t)getpid());
    put_text(out, "state", "Up");
    put_text(out, "uplink", r->d->uplink);
    put_number(out, "ports", ports);
    put_number(out, "addresses", vswitch_addresses(s));
    put_cycles(out, &cycles);
    put_counters(out, vswitch_counters(s));
    for (unsigned i = 1; i <= SWITCH_PORTS; i++)
        if (listed(vswitch_port(s, i)))
            put_port(out, vswitch_port(s, i), i);
    if (vswitch_port(s, VSWITCH_UPLINK)->connected) {
        const struct vswitch_port *p = vswitch_port(s, VSWITCH_UPLINK);
        g_string_append(out, "+port number=uplink state=Active");
        put_number(out, "capture", p->capture != NULL);
        put_counters(out, &p->counters);
    }
    done(r);
}

static void clear(struct request *r)
{
    vswitch_clear_counters(r->d->sw);
    done(r);
}

/* --- ports --- */

static void set_vlan(struct request *r, unsigned port, const char *value)
{
    uint64_t vlan = 0;

    if (strcmp(value, "none") != 0 && text_parse_number(value, 0, SWITCH_VLAN_MAX, &vlan) != 0) {
        fail(r, "give a VLAN id from 0 to 4094 or none");
        return;
    }
    vswitch_set_vlan(r->d->sw, port, strcmp(value, "none") == 0 ? SWITCH_VLAN_NONE : (int)vlan);
    done(r);
}

static void set_reserved(struct request *r, unsigned port, const char *value)
{
    uint64_t guests;

    if (text_parse_number(value, 0, 100000, &guests) != 0) {
        fail(r, "give a number of guests");
        return;
    }
    vswitch_set_reserved(r->d->sw, port, (unsigned)guests);
    done(r);
}

static void port(struct request *r)
{
    const char *verb = r->words > 2 ? r->word[2] : "";
    uint64_t n;

    if (r->words < 3 || text_parse_number(r->word[1], 1, SWITCH_PORTS, &n) != 0) {
        fail(r, "give a port from 1 to 100");
        return;
    }
    if (strcmp(verb, "vlan") == 0 && r->words == 4) {
        set_vlan(r, (unsigned)n, r->word[3]);
    } else if (strcmp(verb, "reserve") == 0 && r->words == 4) {
        set_reserved(r, (unsigned)n, r->word[3]);
    } else if ((strcmp(verb, "up") == 0 || strcmp(verb, "down") == 0) && r->words == 3) {
        vswitch_set_down(r->d->sw, (unsigned)n, strcmp(verb, "down") == 0);
        done(r);
    } else {
        fail(r, "give vlan ID, vlan none, up, down or reserve COUNT");
    }
}

/* --- forwards --- */

static void forward_list(struct request *r)
{
    const struct user_forward *f;
    char text[160];

    for (unsigned i = 0; (f = usernet_forward(r->d->user, i)) != NULL; i++) {
        user_print_forward(f, text, sizeof text);
        g_string_append_printf(r->out, "+hostfwd %s\n", text);
    }
    done(r);
}

static void forward_change(struct request *r, bool add, const char *spec)
{
    struct user_forward f = {0};
    char why[200];
    int err = add ? user_parse_forward(spec, &f) : user_parse_listener(spec, &f);

    if (err != 0) {
        fail(r, add ? "give tcp:ADDR:PORT-[ADDR]:PORT or udp:" : "give tcp:[ADDR]:PORT or udp:");
        return;
    }
    err = add ? usernet_add_forward(r->d->user, &f, why, sizeof why)
              : usernet_remove_forward(r->d->user, &f, why, sizeof why);
    if (err != 0)
        fail(r, why);
    else
        done(r);
}

static void hostfwd(struct request *r)
{
    const char *verb = r->words > 1 ? r->word[1] : "";

    if (r->d->user == NULL)
        fail(r, "the uplink is no user network");
    else if (strcmp(verb, "list") == 0 && r->words == 2)
        forward_list(r);
    else if ((strcmp(verb, "add") == 0 || strcmp(verb, "remove") == 0) && r->words == 3)
        forward_change(r, verb[0] == 'a', r->word[2]);
    else
        fail(r, "give add SPEC, remove SPEC or list");
}

/* --- captures --- */

/* A pipe without a reader must not hold the switch up. */
static struct pcap *open_capture(struct request *r, const char *name, int *err)
{
    int fd = r->fd, flags = fcntl(fd, F_GETFL);

    r->fd = -1;
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        *err = -errno;
        close(fd);
        return NULL;
    }
    return pcap_on_fd(fd, name, err);
}

static void capture(struct request *r)
{
    struct pcap *p = NULL;
    uint64_t n = VSWITCH_UPLINK;
    int err = 0;
    bool start = r->words > 1 && strcmp(r->word[1], "start") == 0;

    if (r->words != 3 || (!start && strcmp(r->word[1], "stop") != 0)) {
        fail(r, "give start PORT or stop PORT");
    } else if (strcmp(r->word[2], "uplink") != 0 &&
               text_parse_number(r->word[2], 1, SWITCH_PORTS, &n) != 0) {
        fail(r, "give a port from 1 to 100 or uplink");
    } else if (start && r->fd < 0) {
        fail(r, "the file to write to must come with the request");
    } else if (start && (p = open_capture(r, r->word[2], &err)) == NULL) {
        fail(r, strerror(-err));
    } else {
        vswitch_set_capture(r->d->sw, (unsigned)n, p);
        done(r);
    }
}

/* --- all --- */

static void shut_down(struct request *r)
{
    g_main_loop_quit(r->d->loop);
    done(r);
}

static const struct {
    const char *word;
    void (*obey)(struct request *r);
} requests[] = {
    {"status", status},   {"clear", clear},  {"port", port},
    {"hostfwd", hostfwd}, {"pcap", capture}, {"shutdown", shut_down},
};

static void obey(struct request *r)
{
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        if (r->words > 0 && strcmp(r->word[0], requests[i].word) == 0) {
            requests[i].obey(r);
            return;
        }
    }
    fail(r, "give status, clear, port, hostfwd, pcap or shutdown");
}

void control_request(struct daemon *d, const char *line, int fd, GString *out)
{
    struct request r = {.d = d, .fd = fd, .out = out};

    r.word = g_strsplit(line, " ", MAX_WORDS);
    r.words = g_strv_length(r.word);
    obey(&r);
    g_strfreev(r.word);
    if (r.fd >= 0)
        close(r.fd);
}
