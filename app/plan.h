/* The machine a guest's configuration asks for. */
#ifndef KITTSON_APP_PLAN_H
#define KITTSON_APP_PLAN_H

#include "guest_config.h"
#include "machine.h"

/* All strings point into the guest and into itself. */
struct plan {
    struct machine_config machine;
    struct machine_drive drives[MACHINE_MAX_DRIVES];
    struct machine_nic nics[MACHINE_MAX_NICS];
    char nvram[4096];
    char console[32];
};

/* The drive a storage device asks for. */
struct machine_drive plan_drive(const struct resource *r);

/* directory: the process's own, a path; console: a connected socket, which becomes the machine's.
 * 0, or -EINVAL or -ENOTSUP with one sentence in why. */
int plan_make(struct plan *p, const struct guest *g, const char *directory, int console, char *why,
              size_t size);

/* HPUX, WINDOWS or LINUX from what FIRMWARE_OS says: the path of the program that ended boot
 * services or, when that is the one of removable media, what else its volume holds. NULL: it does
 * not tell, or tells of several. */
const char *plan_os_type(const char *loader);

#endif
