/* hpvmstatus: the summary, the tables of one guest and the device listing. Column positions are
 * what scripts of many years rely on. */
#include "status.h"

#include <string.h>

#define STORAGE_HEAD                                                                               \
    "Guest                                 Physical\n"                                             \
    "Device  Adaptor    Bus Dev Ftn Tgt Lun Storage   Device\n"                                    \
    "======= ========== === === === === === ========= =========================\n"

const struct guest *status_shown(const struct entry *e, bool deferred)
{
    return deferred && e->next != NULL ? e->next : e->guest;
}

const char *status_memory(uint64_t mb, char text[32])
{
    bool whole = mb >= 1024 && mb % 1024 == 0;
    snprintf(text, 32, "%llu %s", (unsigned long long)(whole ? mb / 1024 : mb),
             whole ? "GB" : "MB");
    return text;
}

void status_summary_header(FILE *out)
{
    fputs("[Virtual Machines]\n"
          "Virtual Machine Name VM #  OS Type State     #VCPUs #Devs #Nets Memory  Runsysid\n"
          "==================== ===== ======= ========= ====== ===== ===== ======= ========\n",
          out);
}

void status_summary_row(FILE *out, const struct entry *e, bool deferred)
{
    const struct guest *g = status_shown(e, deferred);
    char memory[32];
    fprintf(out, "%-20.20s %5d %-7s %-9s %6d %5u %5u %7s %8d\n", e->name,
            g != NULL ? (int)g->number : 0, g != NULL ? g->os_type : "UNKNOWN", e->run,
            g != NULL ? (int)g->vcpus : 0, g != NULL ? guest_count(g, false) : 0,
            g != NULL ? guest_count(g, true) : 0, status_memory(g != NULL ? g->memory : 0, memory),
            0);
}

static void print_heading(FILE *out, const struct entry *e, const struct guest *g)
{
    fprintf(out,
            "[Virtual Machine Details]\n"
            "Virtual Machine Name VM #  OS Type State\n"
            "==================== ===== ======= ========\n"
            "%-20.20s %5d %-7s %s\n\n",
            e->name, (int)g->number, g->os_type, e->run);
}

static void print_cpu(FILE *out, const struct guest *g, const struct vmp_host *h)
{
    fprintf(out,
            "[Virtual CPU Details]\n"
            "#vCPUs Entitlement Maximum\n"
            "====== =========== =======\n"
            "%6d %10.1f%% %6.1f%%\n\n",
            (int)g->vcpus, vmp_entitlement(g, h) / 10.0, 100.0);
}

static void print_memory(FILE *out, const struct guest *g)
{
    char total[32], reserved[32];
    fprintf(out,
            "[Memory Details]\n"
            "Total    Reserved\n"
            "Memory   Memory\n"
            "=======  ========\n"
            "%7s  %8s\n\n",
            status_memory(g->memory, total), status_memory(g->reserved, reserved));
}

static void print_dynamic(FILE *out, const struct guest *g)
{
    if (g->dynamic == DYNAMIC_NONE)
        return;
    fprintf(out,
            "[Dynamic Memory Information]\n"
            "Minimum     Target      Maximum\n"
            "Memory      Memory      Memory\n"
            "=========== =========== ===========\n"
            "%8d MB %8d MB %8d MB\n\n",
            (int)g->dynamic_min, (int)g->dynamic_target, (int)g->dynamic_max);
}

static void print_storage(FILE *out, const struct guest *g)
{
    fputs("[Storage Interface Details]\n" STORAGE_HEAD, out);
    for (guint i = 0; i < g->devices->len; i++) {
        const struct resource *r = guest_device(g, i);
        if (!r->network)
            fprintf(out, "%-7s %-10s %3d %3d %3d %3d %3d %-9s %s\n", r->type, r->adapter, r->bus,
                    r->slot, 0, r->target, 0, r->storage, r->device);
    }
    fputc('\n', out);
}

static void print_network(FILE *out, const struct guest *g)
{
    fputs("[Network Interface Details]\n"
          "Interface Adaptor    Name/Num   PortNum Bus Dev Ftn Mac Address\n"
          "========= ========== ========== ======= === === === =================\n",
          out);
    for (guint i = 0; i < g->devices->len; i++) {
        const struct resource *r = guest_device(g, i);
        const uint8_t *m = r->mac;
        char port[16];
        snprintf(port, sizeof port, "%d", r->port);
        if (r->network)
            fprintf(out, "%-9s %-10s %-10s %-7s %3d %3d %3d %02x-%02x-%02x-%02x-%02x-%02x\n",
                    r->storage, r->adapter, r->device, port, r->bus, r->slot, 0, m[0], m[1], m[2],
                    m[3], m[4], m[5]);
    }
    fputc('\n', out);
}

static void print_misc(FILE *out)
{
    fputs("[Misc Interface Details]\n" STORAGE_HEAD, out);
    fprintf(out, "%-7s %-10s %3s %3s %3s %3s %3s %-9s %s\n", "serial", "com1", "", "", "", "", "",
            "tty", "console");
}

void status_print_grants(FILE *out, const struct guest *g)
{
    static const char *const titles[] = {
        "Oper Groups:", "Admin Groups:", "Oper Users:", "Admin Users:"};
    fputs("[Authorized Administrators]\n", out);
    for (int n = 0; n < 4; n++) {
        const char *separator = " ";
        fputs(titles[n], out);
        for (guint i = 0; i < g->grants->len; i++) {
            const struct grant *grant = guest_grant(g, i);
            if (grant->group != (n < 2) || grant->admin != (n % 2 != 0))
                continue;
            fprintf(out, "%s%s", separator, grant->name);
            separator = ",";
        }
        fputc('\n', out);
    }
    fputc('\n', out);
}

void status_tables(FILE *out, const struct entry *e, const struct guest *g,
                   const struct vmp_host *h)
{
    print_heading(out, e, g);
    status_print_grants(out, g);
    print_cpu(out, g, h);
    print_memory(out, g);
    print_dynamic(out, g);
    print_storage(out, g);
    print_network(out, g);
    print_misc(out);
}

void status_devices(FILE *out, const struct guest *g)
{
    char text[RESOURCE_DEVICE_MAX + 100];
    fputs("[Virtual Machine Devices]\n", out);
    for (int network = 0; network < 2; network++) {
        fputs(network ? "\n[Network Interface Details]\n" : "\n[Storage Interface Details]\n", out);
        for (guint i = 0; i < g->devices->len; i++) {
            if (guest_device(g, i)->network != (network != 0))
                continue;
            resource_print(guest_device(g, i), text, sizeof text);
            fprintf(out, "%s\n", text);
        }
    }
    fputs("\n[Misc Interface Details]\nserial:com1::tty:console\n", out);
}

uint64_t status_vcpus(const struct vmp_host *h)
{
    return h->max_vcpus < h->processors ? h->max_vcpus : h->processors;
}

/* A guest with several processors can have nine tenths of each. */
void status_host(FILE *out, const struct vmp_host *h)
{
    static const char *const systems[] = {"an HP-UX", "a Windows", "a Linux"};
    fprintf(out,
            "[HPVM Server System Resources]\n\nProcessor speed = %d Mhz\n"
            "Total physical memory = %d Mbytes\nTotal number of processors = %d\n"
            "Available memory = %d Mbytes\nAvailable swap space = %d Mbytes\n",
            (int)h->mhz, (int)h->memory, (int)h->processors, (int)h->available, (int)h->swap);
    for (size_t i = 0; i < G_N_ELEMENTS(systems); i++)
        fprintf(out, "Maximum vcpus for %s virtual machine = %d\n", systems[i],
                (int)status_vcpus(h));
    for (int n = 1; n <= (int)status_vcpus(h); n++)
        fprintf(out, "Available entitlement for a %d way virtual machine = %d Mhz\n", n,
                (int)(n == 1 ? h->mhz : h->mhz * 9 / 10));
}
