/* What a switch's process and the guests' configurations say about it: see vsw.h. */
#include "vsw.h"

#include "switch_ask.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* The value of KEY in a line of fields, or "". Owned by word. */
static const char *field(char **word, const char *key)
{
    size_t n = strlen(key);
    for (unsigned i = 0; word[i] != NULL; i++)
        if (strncmp(word[i], key, n) == 0 && word[i][n] == '=')
            return word[i] + n + 1;
    return "";
}

static uint64_t number_field(char **word, const char *key)
{
    uint64_t n = 0;
    return text_parse_number(field(word, key), 0, UINT64_MAX, &n) == 0 ? n : 0;
}

static void take_switch(struct vsw_view *v, char **word)
{
    v->pid = number_field(word, "pid");
    v->counters.in = number_field(word, "in");
    v->counters.out_guest = number_field(word, "out");
    v->counters.dropped = number_field(word, "dropped");
    v->counters.broadcasts = number_field(word, "broadcasts");
    v->counters.cycles_in = number_field(word, "cycles_in");
    v->counters.cycles_stream = number_field(word, "cycles_uplink");
    v->counters.cycles_guest = number_field(word, "cycles_guests");
    v->counters.cycles_switch = number_field(word, "cycles_switch");
}

static void take_port(struct vsw_view *v, char **word)
{
    const char *state = field(word, "state");
    uint64_t n;
    if (strcmp(field(word, "number"), "uplink") == 0) {
        uint64_t out = number_field(word, "out");
        v->counters.out_stream = out;
        v->counters.out_guest -= out < v->counters.out_guest ? out : v->counters.out_guest;
    }
    if (text_parse_number(field(word, "number"), 1, RESOURCE_PORTS, &n) != 0)
        return;
    bool active = strcmp(state, "Active") == 0;
    if (!active && strcmp(state, "Down") != 0)
        return;
    v->port[n].state = active ? "Active" : "Down";
    g_autofree char *guest = g_uri_unescape_string(field(word, "guest"), NULL);
    if (v->port[n].active[0] == '\0' && guest != NULL)
        g_strlcpy(v->port[n].active, guest, sizeof v->port[n].active);
}

static void ask(struct vsw_view *v)
{
    char *text = NULL, why[200];
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        return;
    v->up = ask_switch(v->sw->name, "status", out, why, sizeof why) == 0;
    fclose(out);
    g_auto(GStrv) lines = g_strsplit(v->up ? text : "", "\n", -1);
    for (unsigned i = 0; lines[i] != NULL; i++) {
        g_auto(GStrv) word = g_strsplit(lines[i], " ", -1);
        if (word[0] != NULL && strcmp(word[0], "switch") == 0)
            take_switch(v, word);
        else if (word[0] != NULL && strcmp(word[0], "port") == 0)
            take_port(v, word);
    }
    free(text);
}

static void take_guest(struct vsw_view *v, const struct entry *e)
{
    for (guint i = 0; i < e->guest->devices->len; i++) {
        const struct resource *r = guest_device(e->guest, i);
        if (!r->network || strcmp(r->device, v->sw->name) != 0)
            continue;
        struct vsw_use use = {.guest = e->name, .running = e->running};
        use.port = r->port > 0 && r->port <= RESOURCE_PORTS ? (unsigned)r->port : 0;
        memcpy(use.mac, r->mac, sizeof use.mac);
        g_array_append_val(v->uses, use);
        struct vsw_port *p = &v->port[use.port];
        p->reserved++;
        if (e->running)
            g_strlcpy(p->active, e->name, sizeof p->active);
    }
}

/* Port 0 takes what has no port and is never shown. */
struct vsw_view *vsw_view_new(const struct vsw *sw, struct state *s)
{
    struct vsw_view *v = g_new0(struct vsw_view, 1);
    v->sw = sw;
    v->uses = g_array_new(FALSE, TRUE, sizeof(struct vsw_use));
    for (guint i = 0; i < state_entries(s)->len; i++) {
        const struct entry *e = state_entries(s)->pdata[i];
        if (e->guest != NULL)
            take_guest(v, e);
    }
    for (int n = 1; n <= RESOURCE_PORTS; n++) {
        struct vsw_port *p = &v->port[n];
        p->vlan = sw->vlan[n];
        if (p->active[0] != '\0')
            p->state = "Down"; /* unless the switch knows better */
        else if (p->reserved > 0)
            p->state = "Reserved";
        else if (p->vlan >= 0)
            p->state = "Available";
    }
    ask(v);
    if (sw->nic[0] != '\0' && strcmp(sw->nic, VSW_USER) != 0)
        vsw_nic_addresses(sw->nic, v->mac, v->ip);
    return v;
}

void vsw_view_free(struct vsw_view *v)
{
    g_array_free(v->uses, TRUE);
    g_free(v);
}
