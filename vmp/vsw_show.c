/* hpvmnet's listings: see vsw.h. Column positions are what scripts of many years rely on. */
#include "vsw.h"

#include <string.h>

__attribute__((format(printf, 2, 3))) static void line(FILE *out, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    fprintf(out, "%s\n", g_strchomp(text));
}

static const char *state_name(const struct vsw_view *v)
{
    return v->up ? "Up" : "Down";
}

/* What has no interface has no address of one; a switch that is down shows neither. */
static const char *address(const struct vsw_view *v, const char *text)
{
    bool host = v->sw->nic[0] != '\0' && strcmp(v->sw->nic, VSW_USER) != 0;
    return !v->up ? "" : host ? text : "N/A";
}

static const char *vlan_text(int vlan, char text[16])
{
    if (vlan < 0)
        return "none";
    snprintf(text, 16, "%d", vlan);
    return text;
}

void vsw_show_header(FILE *out)
{
    fputs("Name     Number State   Mode      NamePPA  MAC Address    IP Address\n"
          "======== ====== ======= ========= ======== ============== ===============\n",
          out);
}

void vsw_show_row(FILE *out, const struct vsw_view *v)
{
    line(out, "%-8s %6d %-7s %-9s %-8s %-14s %-15s", v->sw->name, (int)v->sw->number, state_name(v),
         "Shared", v->sw->nic, address(v, v->mac), address(v, v->ip));
}

void vsw_show_ports(FILE *out, const struct vsw_view *v)
{
    char vlan[16];
    fputs("\n[Port Configuration Details]\n"
          "Port    Port         Untagged Number of    Active VM\n"
          "Number  state        VLANID   Reserved VMs\n"
          "======= ============ ======== ============ ============\n",
          out);
    for (int n = 1; n <= RESOURCE_PORTS; n++) {
        const struct vsw_port *p = &v->port[n];
        if (p->state != NULL)
            line(out, "%-7d %-12s %-8s %-12u %s", n, p->state, vlan_text(p->vlan, vlan),
                 p->reserved, p->active);
    }
}

static GString *reserved_names(const struct vsw_view *v, unsigned port)
{
    GString *names = g_string_new("");
    for (guint i = 0; i < v->uses->len; i++) {
        const struct vsw_use *u = &g_array_index(v->uses, struct vsw_use, i);
        if (u->port == port)
            g_string_append_printf(names, "%s%s", names->len > 0 ? "," : "", u->guest);
    }
    return names;
}

static void show_one_port(FILE *out, const struct vsw_view *v, unsigned n)
{
    const struct vsw_port *p = &v->port[n];
    GString *names = reserved_names(v, n);
    char vlan[16];
    line(out, "%-24s: %u", "Port Number", n);
    line(out, "%-24s: %s", "Port State", p->state);
    line(out, "%-24s: %s", "Active VM", p->active);
    line(out, "%-24s: %s", "Untagged VlanId", vlan_text(p->vlan, vlan));
    line(out, "%-24s: %s", "Reserved VMs", names->str);
    g_string_free(names, TRUE);
}

bool vsw_show_port(FILE *out, const struct vsw_view *v, unsigned port)
{
    unsigned configured = 0;
    if (port > 0 && v->port[port].state == NULL)
        return false;
    for (unsigned n = 1; n <= RESOURCE_PORTS; n++)
        configured += v->port[n].state != NULL;
    line(out, "%-24s: %s", "Vswitch Name", v->sw->name);
    line(out, "%-24s: %d", "Max Number of Ports", RESOURCE_PORTS);
    if (port == 0)
        line(out, "%-24s: %u", "Configured Ports", configured);
    for (unsigned n = 1; n <= RESOURCE_PORTS; n++)
        if (v->port[n].state != NULL && (port == 0 || port == n))
            show_one_port(out, v, n);
    return true;
}

/* Guests that run do not tell their addresses. */
static void show_use(FILE *out, const struct vsw_use *u)
{
    const uint8_t *m = u->mac;
    line(out, "%-24s: %s", "Guest's Name", u->guest);
    line(out, "%-24s: 0x%02X%02X%02X%02X%02X%02X", "MAC Address", m[0], m[1], m[2], m[3], m[4],
         m[5]);
    line(out, "%-24s: %s", "IP Address", u->running ? "N/A" : "Guest halted");
    line(out, "%-24s: %u", "Vswitch Port", u->port);
}

/* What hpvmnetd does not count is 0. */
static void show_counters(FILE *out, const struct vsw_counters *c)
{
    const struct {
        const char *label;
        uint64_t value;
    } rows[] = {
        {"Packets in", c->in},
        {"Packets out to stream", c->out_stream},
        {"Packets out to guest", c->out_guest},
        {"Packets dropped", c->dropped},
        {"Broadcasts", c->broadcasts},
        {"Counter 0", 0},
        {"Counter 1", 0},
        {"Counter 2", 0},
        {"Counter 3", 0},
        {"Cycles in", c->cycles_in},
        {"Cycles out to stream", c->cycles_stream},
        {"Cycles out to guest", c->cycles_guest},
        {"Cycles switch packet", c->cycles_switch},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        line(out, "%-24s: %llu", rows[i].label, (unsigned long long)rows[i].value);
}

void vsw_show_verbose(FILE *out, const struct vsw_view *v, bool counters)
{
    line(out, "%-24s: %s", "Name", v->sw->name);
    line(out, "%-24s: %d", "number", (int)v->sw->number);
    line(out, "%-24s: %llu", "PID", (unsigned long long)v->pid);
    line(out, "%-24s: %s", "State", state_name(v));
    line(out, "%-24s: %s", "Mode", "Shared");
    line(out, "%-24s: %s", "NamePPA", v->sw->nic);
    line(out, "%-24s: %s", "Host MAC Address", address(v, v->mac));
    line(out, "%-24s: %s", "Host IP Address", address(v, v->ip));
    line(out, "%-24s: %u", "Number of guests", v->uses->len);
    for (guint i = 0; i < v->uses->len; i++)
        show_use(out, &g_array_index(v->uses, struct vsw_use, i));
    if (counters)
        show_counters(out, &v->counters);
}

void vsw_show_machine(FILE *out, const struct vsw_view *v, bool ports)
{
    const char *separator = ":";
    char vlan[16];
    fprintf(out, "%s:%d:%s:Shared:%s:%s:%s", v->sw->name, (int)v->sw->number, state_name(v),
            v->sw->nic, address(v, v->mac), address(v, v->ip));
    for (int n = 1; ports && n <= RESOURCE_PORTS; n++) {
        const struct vsw_port *p = &v->port[n];
        if (p->state == NULL)
            continue;
        fprintf(out, "%s%d;%s;%s;%u;%s", separator, n, p->state, vlan_text(p->vlan, vlan),
                p->reserved, p->active);
        separator = ",";
    }
    fputc('\n', out);
}

void vsw_show_xml(FILE *out, const struct vsw_view *v, bool ports)
{
    char vlan[16];
    g_autofree char *head = g_markup_printf_escaped(
        "  <vswitch name=\"%s\" number=\"%d\" state=\"%s\" mode=\"Shared\" ppa=\"%s\" "
        "mac=\"%s\" ip=\"%s\">\n",
        v->sw->name, (int)v->sw->number, state_name(v), v->sw->nic, address(v, v->mac),
        address(v, v->ip));
    fputs(head, out);
    for (int n = 1; ports && n <= RESOURCE_PORTS; n++) {
        const struct vsw_port *p = &v->port[n];
        if (p->state == NULL)
            continue;
        g_autofree char *port = g_markup_printf_escaped(
            "    <port number=\"%d\" state=\"%s\" vlan=\"%s\" reserved=\"%u\" active=\"%s\"/>\n", n,
            p->state, vlan_text(p->vlan, vlan), p->reserved, p->active);
        fputs(port, out);
    }
    fputs("  </vswitch>\n", out);
}
