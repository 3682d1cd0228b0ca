/* See plan.h. */
#include "plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "vmp.h"

struct machine_drive plan_drive(const struct resource *r)
{
    return (struct machine_drive){.dvd = strcmp(r->type, "dvd") == 0,
                                  .bus = (unsigned)r->bus,
                                  .slot = (unsigned)r->slot,
                                  .target = (unsigned)r->target,
                                  .path = strcmp(r->storage, "null") == 0 ? NULL : r->device};
}

static int add_drive(struct plan *p, const struct resource *r, char *why, size_t size)
{
    unsigned n = p->machine.drive_count;
    if (n == MACHINE_MAX_DRIVES) {
        snprintf(why, size, "A guest that runs has at most %d drives.", MACHINE_MAX_DRIVES);
        return -EINVAL;
    }
    p->drives[n] = plan_drive(r);
    p->machine.drive_count++;
    return 0;
}

static int add_nic(struct plan *p, const struct guest *g, const struct resource *r, char *why,
                   size_t size)
{
    unsigned n = p->machine.nic_count;
    if (n == MACHINE_MAX_NICS) {
        snprintf(why, size, "A guest that runs has at most %d network adapters.", MACHINE_MAX_NICS);
        return -EINVAL;
    }
    p->nics[n] = (struct machine_nic){.bus = (unsigned)r->bus,
                                      .slot = (unsigned)r->slot,
                                      .has_mac = true,
                                      .switch_name = r->device,
                                      .port = (unsigned)r->port,
                                      .vlan = -1,
                                      .guest = g->name};
    memcpy(p->nics[n].mac, r->mac, sizeof p->nics[n].mac);
    p->machine.nic_count++;
    return 0;
}

int plan_make(struct plan *p, const struct guest *g, const char *directory, int console, char *why,
              size_t size)
{
    memset(p, 0, sizeof *p);
    snprintf(p->nvram, sizeof p->nvram, "%s/nvram", directory);
    snprintf(p->console, sizeof p->console, "fd:%d", console);
    p->machine = (struct machine_config){.memory = g->memory << 20,
                                         .cpus = (unsigned)g->vcpus,
                                         .model = CPU_MONTECITO,
                                         .jit = true,
                                         .console = p->console,
                                         .serial = g->serial,
                                         .nvram = p->nvram,
                                         .drives = p->drives,
                                         .nics = p->nics,
                                         .no_reboot = true};
    if (vmp_runnable(g, why, size) != 0)
        return -ENOTSUP;
    text_parse_uuid(g->uuid, p->machine.uuid);
    for (guint i = 0; i < g->devices->len; i++) {
        const struct resource *r = guest_device(g, i);
        int err = r->network ? add_nic(p, g, r, why, size) : add_drive(p, r, why, size);
        if (err != 0)
            return err;
    }
    return 0;
}

static const struct {
    const char *part, *type;
} loaders[] = {
    {"hpux", "HPUX"},        {"microsoft", "WINDOWS"}, {"ia64ldr", "WINDOWS"}, {"winnt", "WINDOWS"},
    {"setupldr", "WINDOWS"}, {"elilo", "LINUX"},       {"grub", "LINUX"},      {"redhat", "LINUX"},
    {"debian", "LINUX"},     {"suse", "LINUX"},        {"gentoo", "LINUX"},    {"vmlinu", "LINUX"},
    {"linux", "LINUX"},
};

/* The type that words of a text tell of. several: of more than one. */
static const char *type_in(const char *text, bool *several)
{
    const char *type = NULL;
    *several = false;
    for (size_t i = 0; i < sizeof loaders / sizeof loaders[0]; i++) {
        if (strstr(text, loaders[i].part) == NULL)
            continue;
        *several = *several || (type != NULL && strcmp(type, loaders[i].type) != 0);
        type = type != NULL ? type : loaders[i].type;
    }
    return type;
}

const char *plan_os_type(const char *loader)
{
    bool several;
    g_autofree char *path = g_ascii_strdown(loader, -1);
    char *volume = strstr(path, FIRMWARE_VOLUME);
    if (volume != NULL)
        *volume++ = '\0';
    const char *type = type_in(path, &several);
    if (type != NULL || volume == NULL)
        return type;
    type = type_in(volume, &several);
    return several ? NULL : type;
}
