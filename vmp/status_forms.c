/* hpvmstatus: the forms for programs: label and value, fields, XML. */
#include "status.h"

#include <string.h>

__attribute__((format(printf, 3, 4))) static void row(FILE *out, const char *label, const char *fmt,
                                                      ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_autofree char *line = g_strdup_printf("%-24s: %s", label, value);
    fprintf(out, "%s\n", g_strchomp(line));
}

static void verbose_machine(FILE *out, const struct entry *e, const struct guest *g)
{
    fputs("[Virtual Machine Details]\n", out);
    row(out, "Virtual Machine Name", "%s", e->name);
    row(out, "Virtual Machine UUID", "%s", g->uuid);
    row(out, "Virtual Machine ID", "%d", (int)g->number);
    row(out, "Virtual Machine Label", "%s", g->label);
    row(out, "VM's Model Name", "server Integrity Virtual Machine");
    row(out, "VM's Serial Number", "%s", g->serial);
    row(out, "VM's Config Version", "3.0.0");
    row(out, "VM's Config Label", "Kittson %s", KITTSON_VERSION);
    row(out, "Operating System", "%s", g->os_type);
    row(out, "OS Version Number", "%s", g->os_version);
    row(out, "State", "%s", e->run);
    row(out, "Start type", "%s", g->start);
    row(out, "Console type", "vt100-plus");
    row(out, "Guest's hostname", "%s", "");
    row(out, "Guest's IP address", "%s", "");
    row(out, "EFI location", "built in");
    row(out, "Pattern File location", "built in");
    row(out, "Guest revision", "1");
    row(out, "Running on serverid", "0");
    row(out, "Running on pid", "%d", (int)e->pid);
    row(out, "Application controllers", "%s", g->controllers);
    row(out, "Distributed", "%d", (int)g->distributed);
    fputc('\n', out);
}

static void verbose_resources(FILE *out, const struct guest *g, const struct vmp_host *h)
{
    char text[32];
    fputs("[Virtual CPU Details]\n", out);
    row(out, "Number Virtual CPUs", "%d", (int)g->vcpus);
    row(out, "Minimum Virtual CPUs", "1");
    row(out, "Maximum Virtual CPUs", "%d", (int)h->max_vcpus);
    row(out, "Percent Entitlement", "%.1f%%", vmp_entitlement(g, h) / 10.0);
    row(out, "Maximum Entitlement", "100.0%%");
    fputs("\n[Memory Details]\n", out);
    row(out, "Total memory", "%s", status_memory(g->memory, text));
    row(out, "Minimum memory limit", "%s", status_memory(GUEST_MEMORY_MIN, text));
    row(out, "Maximum memory limit", "%s", status_memory(GUEST_MEMORY_MAX, text));
    row(out, "Reserved memory", "%s", status_memory(g->reserved, text));
    row(out, "Minimum reserved limit", "%s", status_memory(GUEST_RESERVED_MIN, text));
    row(out, "Maximum reserved limit", "%s", status_memory(GUEST_MEMORY_MAX, text));
    row(out, "VHPT Size", "1 MB");
    fputc('\n', out);
}

static void verbose_dynamic(FILE *out, const struct guest *g)
{
    if (g->dynamic == DYNAMIC_NONE)
        return;
    fputs("[Dynamic Memory Information]\n"
          "NOTE: Dynamic data unavailable, configured values only\n",
          out);
    row(out, "Type", "%s", guest_dynamic_name(g->dynamic));
    row(out, "Minimum memory", "%d MB", (int)g->dynamic_min);
    row(out, "Target memory", "%d MB", (int)g->dynamic_target);
    row(out, "Maximum memory", "%d MB", (int)g->dynamic_max);
    fputc('\n', out);
}

static void verbose_storage(FILE *out, const struct resource *r)
{
    fputs("[Storage Interface Details]\n", out);
    row(out, "Guest Device type", "%s", r->type);
    row(out, "Guest Adaptor type", "%s", r->adapter);
    row(out, "Ioscan format", "0/%d/%d/0.%d.0", r->bus, r->slot, r->target);
    row(out, "Bus", "%d", r->bus);
    row(out, "Device", "%d", r->slot);
    row(out, "Function", "0");
    row(out, "Target", "%d", r->target);
    row(out, "Lun", "0");
    row(out, "Physical Storage type", "%s", r->storage);
    row(out, "Physical Device", "%s", r->device);
    fputc('\n', out);
}

static void verbose_network(FILE *out, const struct resource *r)
{
    const uint8_t *m = r->mac;
    fputs("[Network Interface Details]\n", out);
    row(out, "Physical Storage type", "%s", r->storage);
    row(out, "Guest Adaptor type", "%s", r->adapter);
    row(out, "Backing", "%s", r->device);
    row(out, "Vswitch Port", "%d", r->port);
    row(out, "Ioscan format", "0/%d/%d/0", r->bus, r->slot);
    row(out, "Bus", "%d", r->bus);
    row(out, "Device", "%d", r->slot);
    row(out, "Function", "0");
    row(out, "Mac Address", "%02x-%02x-%02x-%02x-%02x-%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    fputc('\n', out);
}

void status_verbose(FILE *out, const struct entry *e, const struct guest *g,
                    const struct vmp_host *h)
{
    verbose_machine(out, e, g);
    status_print_grants(out, g);
    verbose_resources(out, g, h);
    verbose_dynamic(out, g);
    for (guint i = 0; i < g->devices->len; i++)
        (guest_device(g, i)->network ? verbose_network : verbose_storage)(out, guest_device(g, i));
    fputs("[Misc Interface Details]\n", out);
    row(out, "Guest Device type", "serial");
    row(out, "Guest Adaptor type", "com1");
    row(out, "Physical Storage type", "tty");
    row(out, "Physical Device", "console");
}

static void machine_devices(FILE *out, const struct guest *g, bool network)
{
    const char *separator = ":";
    for (guint i = 0; i < g->devices->len; i++) {
        const struct resource *r = guest_device(g, i);
        const uint8_t *m = r->mac;
        if (r->network != network)
            continue;
        if (network)
            fprintf(out, "%s%s;%s;%s;%d;%d;%d;0;%02x-%02x-%02x-%02x-%02x-%02x", separator,
                    r->storage, r->adapter, r->device, r->port, r->bus, r->slot, m[0], m[1], m[2],
                    m[3], m[4], m[5]);
        else
            fprintf(out, "%s%s;%s;%d;%d;0;%d;0;%s;%s", separator, r->type, r->adapter, r->bus,
                    r->slot, r->target, r->storage, r->device);
        separator = ",";
    }
    if (*separator == ':')
        fputc(':', out);
}

/* name:number:os:state:vcpus:devices:nets:memory:runsysid, with full also
 * :vcpus;entitlement;maximum:memory;reserved:storage,...:networks,... */
void status_machine(FILE *out, const struct entry *e, bool deferred, bool full,
                    const struct vmp_host *h)
{
    const struct guest *g = status_shown(e, deferred);
    char memory[32], reserved[32];
    if (g == NULL) {
        fprintf(out, "%s:0:UNKNOWN:%s:0:0:0:0 MB:0\n", e->name, e->run);
        return;
    }
    status_memory(g->memory, memory);
    fprintf(out, "%s:%d:%s:%s:%d:%u:%u:%s:0", e->name, (int)g->number, g->os_type, e->run,
            (int)g->vcpus, guest_count(g, false), guest_count(g, true), memory);
    if (full) {
        fprintf(out, ":%d;%.1f%%;100.0%%:%s;%s", (int)g->vcpus, vmp_entitlement(g, h) / 10.0,
                memory, status_memory(g->reserved, reserved));
        machine_devices(out, g, false);
        machine_devices(out, g, true);
    }
    fputc('\n', out);
}

static void element(FILE *out, const char *name, const char *value)
{
    g_autofree char *text = g_markup_escape_text(value, -1);
    fprintf(out, "    <%s>%s</%s>\n", name, text, name);
}

static void element_number(FILE *out, const char *name, uint64_t value)
{
    fprintf(out, "    <%s>%llu</%s>\n", name, (unsigned long long)value, name);
}

static void xml_device(FILE *out, const struct resource *r)
{
    char text[RESOURCE_DEVICE_MAX + 100];
    resource_print(r, text, sizeof text);
    element(out, r->network ? "network" : "storage", text);
}

void status_xml(FILE *out, const struct entry *e, bool deferred, const struct vmp_host *h)
{
    const struct guest *g = status_shown(e, deferred);
    fputs("  <virtual_machine>\n", out);
    element(out, "name", e->name);
    element(out, "uuid", e->uuid);
    element(out, "state", e->run);
    if (g != NULL) {
        element_number(out, "number", g->number);
        element(out, "label", g->label);
        element(out, "os_type", g->os_type);
        element(out, "os_version", g->os_version);
        element(out, "serial_number", g->serial);
        element(out, "start_type", g->start);
        element_number(out, "vcpus", g->vcpus);
        fprintf(out, "    <entitlement>%.1f</entitlement>\n", vmp_entitlement(g, h) / 10.0);
        element_number(out, "memory_mb", g->memory);
        element_number(out, "reserved_mb", g->reserved);
        for (guint i = 0; i < g->devices->len; i++)
            xml_device(out, guest_device(g, i));
    } else {
        element(out, "problem", e->problem);
    }
    fputs("  </virtual_machine>\n", out);
}
