/* The configuration of one guest: model, defaults, and the text form it is kept in.
 *
 * The text is lines "key = value" plus one line per device; every line of a file is checked as if
 * it came from an enemy. Does not touch files: state.h does.
 */
#ifndef KITTSON_VMP_GUEST_CONFIG_H
#define KITTSON_VMP_GUEST_CONFIG_H

#include "resource.h"

#include <glib.h>

enum {
    GUEST_NAME_MAX = 255, /* the name is a file name too */
    GUEST_TEXT_MAX = 256,
    GUEST_VCPUS_MAX = 16,
    GUEST_MEMORY_MIN = 512, /* MB */
    GUEST_MEMORY_MAX = 65536,
    GUEST_RESERVED_MIN = 32,
    GUEST_SCSI_MAX = 30,
    GUEST_AVIO_MAX = 256,
    GUEST_CONFIG_MAX = 1 << 19, /* bytes of a configuration file */
};

enum guest_dynamic { DYNAMIC_NONE, DYNAMIC_ANY, DYNAMIC_DRIVER };

struct grant {
    bool group, admin;
    char name[GUEST_TEXT_MAX + 1];
};

struct guest {
    char name[GUEST_NAME_MAX + 1];
    char uuid[37];
    char label[GUEST_TEXT_MAX + 1];
    char os_type[8]; /* HPUX WINDOWS LINUX UNKNOWN */
    char os_version[GUEST_TEXT_MAX + 1];
    char serial[16];
    char start[8];                           /* Auto Manual */
    char controllers[GUEST_TEXT_MAX + 1];    /* -i */
    uint64_t number, vcpus, percent, cycles; /* cycles in MHz; 0: percent counts */
    uint64_t memory, reserved;               /* MB */
    uint64_t distributed;
    uint64_t dynamic, dynamic_control, dynamic_min, dynamic_max, dynamic_target; /* MB */
    GArray *devices; /* struct resource, by address */
    GArray *grants;  /* struct grant */
};

struct guest *guest_new(void); /* with the defaults of hpvmcreate */
struct guest *guest_copy(const struct guest *g);
void guest_free(struct guest *g);

/* NULL and a sentence in why when the text is not a configuration. */
struct guest *guest_parse(const char *text, size_t length, char *why, size_t size);
GString *guest_write(const struct guest *g);

bool guest_name_valid(const char *name);
bool guest_text_valid(const char *text); /* labels, versions */

/* Gives r the addresses it leaves open and adds it. 0 or -EINVAL with a sentence. */
int guest_add_device(struct guest *g, const struct resource *r, char *why, size_t size);
int guest_delete_device(struct guest *g, const struct resource *r, char *why, size_t size);
int guest_modify_device(struct guest *g, const struct resource *r, char *why, size_t size);
unsigned guest_count(const struct guest *g, bool network);

#define guest_device(g, i) (&g_array_index((g)->devices, struct resource, (i)))
#define guest_grant(g, i)  (&g_array_index((g)->grants, struct grant, (i)))

const char *guest_dynamic_name(uint64_t type);

#endif
