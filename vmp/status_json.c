/* hpvmstatus --json: a form of our own, described in the manual page. */
#include "status.h"

#include <string.h>

/* Text is UTF-8 already: configurations that are not are damaged. */
static void put_string(FILE *out, const char *s)
{
    fputc('"', out);
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            fprintf(out, "\\%c", *s);
        else if ((unsigned char)*s < ' ')
            fprintf(out, "\\u%04x", *s);
        else
            fputc(*s, out);
    }
    fputc('"', out);
}

static void text(FILE *out, const char *key, const char *value)
{
    fprintf(out, ", \"%s\": ", key);
    put_string(out, value);
}

static void number(FILE *out, const char *key, uint64_t value)
{
    fprintf(out, ", \"%s\": %llu", key, (unsigned long long)value);
}

static void put_device(FILE *out, const struct resource *r)
{
    const uint8_t *m = r->mac;
    char mac[20];
    fprintf(out, "{\"bus\": %d, \"device\": %d", r->bus, r->slot);
    text(out, "adapter", r->adapter);
    if (r->network) {
        snprintf(mac, sizeof mac, "%02x-%02x-%02x-%02x-%02x-%02x", m[0], m[1], m[2], m[3], m[4],
                 m[5]);
        text(out, "mac", mac);
        text(out, "vswitch", r->device);
        number(out, "port", (uint64_t)r->port);
    } else {
        number(out, "target", (uint64_t)r->target);
        text(out, "type", r->type);
        text(out, "storage", r->storage);
        text(out, "path", r->device);
    }
    fputc('}', out);
}

static void put_devices(FILE *out, const struct guest *g, bool network)
{
    const char *separator = "";
    fprintf(out, ", \"%s\": [", network ? "networks" : "storage");
    for (guint i = 0; i < g->devices->len; i++) {
        if (guest_device(g, i)->network != network)
            continue;
        fputs(separator, out);
        put_device(out, guest_device(g, i));
        separator = ", ";
    }
    fputc(']', out);
}

static void put_guest(FILE *out, const struct guest *g, const struct vmp_host *h)
{
    unsigned tenths = vmp_entitlement(g, h);
    number(out, "number", g->number);
    text(out, "label", g->label);
    text(out, "os_type", g->os_type);
    text(out, "os_version", g->os_version);
    text(out, "serial_number", g->serial);
    text(out, "start_type", g->start);
    number(out, "vcpus", g->vcpus);
    fprintf(out, ", \"entitlement_percent\": %u.%u", tenths / 10, tenths % 10);
    number(out, "memory_mb", g->memory);
    number(out, "reserved_mb", g->reserved);
    text(out, "ram_dyn_type", guest_dynamic_name(g->dynamic));
    put_devices(out, g, false);
    put_devices(out, g, true);
}

void status_json(FILE *out, const struct entry *e, bool deferred, const struct vmp_host *h)
{
    const struct guest *g = status_shown(e, deferred);
    fputs("{\"name\": ", out);
    put_string(out, e->name);
    text(out, "uuid", e->uuid);
    text(out, "state", e->run);
    number(out, "pid", (uint64_t)e->pid);
    if (g != NULL)
        put_guest(out, g, h);
    else
        text(out, "problem", e->problem);
    fputc('}', out);
}

void status_json_host(FILE *out, const struct vmp_host *h)
{
    fprintf(out, "{\"version\": \"" KITTSON_VERSION "\"");
    number(out, "mhz", h->mhz);
    number(out, "memory_mb", h->memory);
    number(out, "processors", h->processors);
    number(out, "available_mb", h->available);
    number(out, "swap_mb", h->swap);
    number(out, "max_vcpus", status_vcpus(h));
    fputs("}\n", out);
}
