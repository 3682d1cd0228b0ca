/* firmware_describe (firmware.h). */
#include <inttypes.h>
#include <stdio.h>
#include "fw.h"
#include "runtime.h"

struct sink {
    void *opaque;
    void (*field)(void *opaque, const char *name, const char *value);
};

static void number(const struct sink *s, const char *name, uint64_t v)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, v);
    s->field(s->opaque, name, text);
}

static void address(const struct sink *s, const char *name, uint64_t v)
{
    char text[24];

    snprintf(text, sizeof text, "0x%" PRIx64, v);
    s->field(s->opaque, name, text);
}

static void memory(const struct sink *s, const struct memmap *map)
{
    static const char *const types[] = {"reserved",   "loader-code",  "loader-data",  "boot-code",
                                        "boot-data",  "runtime-code", "runtime-data", "free",
                                        "unusable",   "acpi-reclaim", "acpi-nvs",     "mmio",
                                        "mmio-ports", "pal-code"};

    for (unsigned n = 0; n < map->n; n++) {
        const struct memmap_entry *e = &map->e[n];
        char name[32], text[64];

        snprintf(name, sizeof name, "memory-%u", n);
        snprintf(text, sizeof text, "0x%" PRIx64 " 0x%" PRIx64 " %s", e->start, e->size,
                 e->type < sizeof types / sizeof *types ? types[e->type] : "?");
        s->field(s->opaque, name, text);
    }
}

void firmware_describe(struct firmware *fw, void *opaque,
                       void (*field)(void *opaque, const char *name, const char *value))
{
    struct sink s = {opaque, field};

    pthread_mutex_lock(&fw->lock);
    field(opaque, "boot-services", fw->boot ? "begun" : "none");
    field(opaque, "runtime-services", fw->virtual_mode ? "virtual" : "physical");
    address(&s, "efi-system-table", fw->systab);
    address(&s, "sal-system-table", fw->sal_systab);
    address(&s, "acpi-rsdp", fw->rsdp);
    address(&s, "smbios", fw->smbios);
    address(&s, "pcdp", fw->pcdp);
    address(&s, "os-mca", fw->mca.entry);
    address(&s, "os-init-monarch", fw->init[0].entry);
    address(&s, "os-init-slave", fw->init[1].entry);
    address(&s, "os-boot-rendezvous", fw->boot_rendez.entry);
    number(&s, "configuration-tables", fw->config_count);
    number(&s, "variable-bytes", fw->vars_total);
    memory(&s, &fw->map);
    pthread_mutex_unlock(&fw->lock);
}
