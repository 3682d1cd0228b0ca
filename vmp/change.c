/* Options that change a guest, common to hpvmcreate, hpvmmodify and hpvmclone: see vmp.h. */
#include "vmp.h"

#include "text.h"

#include <string.h>
#include <sys/random.h>

static int error(const struct guest *g, const char *what, const char *value)
{
    return vmp_fail("ERROR (%s): %s '%.60s'.", g->name, what, value);
}

/* "2048", "2G", "4GB" in units of M. */
static int parse_unit(const char *s, uint64_t *value)
{
    size_t length = strspn(s, "0123456789");
    const char *unit = s + length;
    uint64_t scale = g_ascii_tolower(*unit) == 'g' ? 1024 : 1;
    g_autofree char *digits = g_strndup(s, length);
    if (*unit != '\0' && g_ascii_tolower(*unit) != 'g' && g_ascii_tolower(*unit) != 'm')
        return -1;
    if (*unit != '\0' && unit[1] != '\0' && g_ascii_strcasecmp(unit + 1, "b") != 0)
        return -1;
    if (text_parse_number(digits, 0, 1u << 24, value) != 0)
        return -1;
    *value *= scale;
    return 0;
}

static int set_memory(struct guest *g, const char *value)
{
    if (parse_unit(value, &g->memory) != 0 || g->memory < GUEST_MEMORY_MIN ||
        g->memory > GUEST_MEMORY_MAX)
        return error(g, "Invalid memory size (512 MB to 64 GB)", value);
    return 0;
}

static int set_reserved(struct guest *g, const char *value)
{
    if (parse_unit(value, &g->reserved) != 0 || g->reserved < GUEST_RESERVED_MIN ||
        g->reserved > GUEST_MEMORY_MAX)
        return error(g, "Invalid reserved memory size (32 MB to 64 GB)", value);
    return 0;
}

static int set_percent(struct guest *g, const char *value)
{
    if (text_parse_number(value, 0, 100, &g->percent) != 0)
        return error(g, "Invalid entitlement (0 to 100)", value);
    if (g->percent < 5)
        g->percent = 5;
    g->cycles = 0;
    return 0;
}

/* Here G is a thousand M: these are clock rates. */
static int set_cycles(struct guest *g, const char *value)
{
    if (parse_unit(value, &g->cycles) != 0)
        return error(g, "Invalid CPU cycles", value);
    if (strpbrk(value, "gG") != NULL)
        g->cycles = g->cycles / 1024 * 1000;
    if (g->cycles == 0 || g->cycles > 1000000)
        return error(g, "Invalid CPU cycles", value);
    return 0;
}

static int set_vcpus(struct guest *g, const char *value)
{
    if (text_parse_number(value, 1, GUEST_VCPUS_MAX, &g->vcpus) != 0)
        return error(g, "Invalid number of virtual CPUs", value);
    return 0;
}

static int set_start(struct guest *g, const char *value)
{
    if (g_ascii_strcasecmp(value, "auto") != 0 && g_ascii_strcasecmp(value, "manual") != 0)
        return error(g, "Invalid start attribute", value);
    g_strlcpy(g->start, g_ascii_tolower(*value) == 'a' ? "Auto" : "Manual", sizeof g->start);
    return 0;
}

static int set_os(struct guest *g, const char *value)
{
    static const char *const types[][2] = {
        {"hpux", "HPUX"}, {"hp-ux", "HPUX"}, {"windows", "WINDOWS"}, {"linux", "LINUX"}};
    g_auto(GStrv) part = g_strsplit(value, ":", 2);
    const char *version = part[0] != NULL && part[1] != NULL ? part[1] : "";
    if (!guest_text_valid(version))
        return error(g, "Invalid OS version", version);
    for (size_t i = 0; part[0] != NULL && i < G_N_ELEMENTS(types); i++) {
        if (g_ascii_strcasecmp(part[0], types[i][0]) != 0)
            continue;
        g_strlcpy(g->os_type, types[i][1], sizeof g->os_type);
        g_strlcpy(g->os_version, version, sizeof g->os_version);
        return 0;
    }
    return error(g, "Invalid OS type", value);
}

static int set_label(struct guest *g, const char *value)
{
    if (!guest_text_valid(value))
        return error(g, "Invalid label", value);
    g_strlcpy(g->label, value, sizeof g->label);
    return 0;
}

static int set_controllers(struct guest *g, const char *value)
{
    if (!guest_text_valid(value) && strchr(value, ',') == NULL)
        return error(g, "Invalid application controller", value);
    g_auto(GStrv) list = g_strsplit(value, ",", 0);
    for (guint i = 0; list[i] != NULL; i++)
        if (!guest_name_valid(list[i]) ||
            !(g_ascii_strncasecmp(list[i], "SG", 2) == 0 ||
              g_ascii_strcasecmp(list[i], "GWLM") == 0 || g_ascii_strcasecmp(list[i], "NONE") == 0))
            return error(g, "Invalid application controller", value);
    if (value[0] == '\0' || strlen(value) > GUEST_TEXT_MAX)
        return error(g, "Invalid application controller", value);
    g_strlcpy(g->controllers, value, sizeof g->controllers);
    return 0;
}

static int set_distributed(struct guest *g, const char *value)
{
    if (text_parse_number(value, 0, 1, &g->distributed) != 0)
        return error(g, "Invalid distributed attribute", value);
    return 0;
}

#define RESERVED_GROUP "hpvmsys" /* of the product: no accounts of people (hpvm.md section 14) */

static void remove_grant(struct guest *g, bool group, const char *name)
{
    for (guint i = g->grants->len; i-- > 0;)
        if (guest_grant(g, i)->group == group && strcmp(guest_grant(g, i)->name, name) == 0)
            g_array_remove_index(g->grants, i);
}

static int set_grant(struct guest *g, bool group, const char *value)
{
    const char *colon = strchr(value, ':');
    const char *kind = colon != NULL ? colon + 1 : "oper";
    size_t sign = value[0] == '-' || value[0] == '+';
    g_autofree char *name =
        colon != NULL ? g_strndup(value + sign, (gsize)(colon - value) - sign * (colon > value))
                      : g_strdup(value + sign);
    if (!guest_name_valid(name) || (value[0] == '-' && colon != NULL) ||
        (strcmp(kind, "oper") != 0 && strcmp(kind, "admin") != 0))
        return error(g, group ? "Invalid group" : "Invalid user", value);
    if (group && strcmp(name, RESERVED_GROUP) == 0 && value[0] != '-')
        return error(g, "Reserved group", value);
    remove_grant(g, group, name);
    if (value[0] == '-')
        return 0;
    struct grant grant = {.group = group, .admin = strcmp(kind, "admin") == 0};
    g_strlcpy(grant.name, name, sizeof grant.name);
    g_array_append_val(g->grants, grant);
    return 0;
}

static int set_dynamic_type(struct guest *g, const char *value)
{
    for (uint64_t type = DYNAMIC_NONE; type <= DYNAMIC_DRIVER; type++) {
        if (strcmp(value, guest_dynamic_name(type)) != 0)
            continue;
        g->dynamic = type;
        if (type == DYNAMIC_NONE)
            g->dynamic_min = g->dynamic_max = g->dynamic_target = 0;
        return 0;
    }
    return error(g, "Invalid ram_dyn_type", value);
}

static int no_driver(const struct guest *g)
{
    vmp_fail("ERROR (%s): Query to dynamic memory driver failed: Function is not available.",
             g->name);
    return vmp_fail("Failed to set ram_target.");
}

static int set_keyword(struct guest *g, const char *text, bool clone)
{
    g_auto(GStrv) pair = g_strsplit(text, "=", 2);
    const char *key = pair[0] != NULL ? pair[0] : "", *value = pair[0] != NULL ? pair[1] : NULL;
    uint64_t *number = strcmp(key, "ram_dyn_min") == 0            ? &g->dynamic_min
                       : strcmp(key, "ram_dyn_max") == 0          ? &g->dynamic_max
                       : strcmp(key, "ram_dyn_target_start") == 0 ? &g->dynamic_target
                                                                  : NULL;
    if (value == NULL)
        return error(g, "Keyword without a value", text);
    if (strcmp(key, "ram_dyn_type") == 0)
        return set_dynamic_type(g, value);
    if (strcmp(key, "ram_target") == 0)
        return no_driver(g);
    if (strcmp(key, "dynamic_memory_control") == 0)
        return text_parse_number(value, 0, 1, &g->dynamic_control) == 0
                   ? 0
                   : error(g, "Invalid dynamic_memory_control", value);
    if (number != NULL)
        return parse_unit(value, number) == 0 ? 0 : error(g, "Invalid amount", text);
    if (clone && (strcmp(key, "mac_address") == 0 || strcmp(key, "serial_number") == 0))
        return strcmp(value, "new") == 0 || strcmp(value, "same") == 0
                   ? 0
                   : error(g, "Invalid value", text);
    return error(g, "Invalid keyword", key);
}

static int change_device(struct guest *g, int letter, const char *text)
{
    struct resource r;
    char why[300];
    enum resource_use use = letter == 'a'   ? RESOURCE_ADD
                            : letter == 'm' ? RESOURCE_MODIFY
                                            : RESOURCE_DELETE;
    int status = resource_parse(text, use, &r, why, sizeof why);
    if (status == 0)
        status = letter == 'a'   ? guest_add_device(g, &r, why, sizeof why)
                 : letter == 'm' ? guest_modify_device(g, &r, why, sizeof why)
                                 : guest_delete_device(g, &r, why, sizeof why);
    if (status == 0)
        return 0;
    vmp_fail("ERROR (%s): %s", g->name, why);
    return vmp_fail("Unable to %s device %.200s.",
                    letter == 'a'   ? "create"
                    : letter == 'm' ? "modify"
                                    : "delete",
                    text);
}

static int apply_one(struct guest *g, const struct vmp_option *option, bool clone)
{
    static const struct {
        int letter;
        int (*set)(struct guest *g, const char *value);
    } setters[] = {
        {'r', set_memory},      {'R', set_reserved},    {'e', set_percent}, {'E', set_cycles},
        {'c', set_vcpus},       {'B', set_start},       {'O', set_os},      {'l', set_label},
        {'j', set_distributed}, {'i', set_controllers},
    };
    const char *value = option->value;
    for (size_t i = 0; i < G_N_ELEMENTS(setters); i++)
        if (setters[i].letter == option->letter)
            return setters[i].set(g, value);
    switch (option->letter) {
    case 'g':
    case 'u':
        return set_grant(g, option->letter == 'g', value);
    case 'x':
        return set_keyword(g, value, clone);
    case 'a':
    case 'm':
    case 'd':
        return change_device(g, option->letter, value);
    default:
        return 0;
    }
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Ranges not given follow the memory size; those given must fit together. */
static int check_dynamic(struct guest *g)
{
    if (g->dynamic == DYNAMIC_NONE)
        return 0;
    if (g->dynamic_max == 0 || g->dynamic_max > g->memory)
        g->dynamic_max = g->memory;
    if (g->dynamic_min == 0)
        g->dynamic_min =
            g->dynamic_max / 2 > GUEST_MEMORY_MIN ? g->dynamic_max / 2 : GUEST_MEMORY_MIN;
    if (g->dynamic_target == 0)
        g->dynamic_target = least(2048, g->dynamic_max);
    if (g->dynamic_min < GUEST_MEMORY_MIN || g->dynamic_min > g->dynamic_max)
        return vmp_fail("ERROR (%s): ram_dyn_min must lie between 512 MB and ram_dyn_max.",
                        g->name);
    if (g->dynamic_target < g->dynamic_min || g->dynamic_target > g->dynamic_max)
        return vmp_fail("ERROR (%s): ram_dyn_target_start must lie between ram_dyn_min and "
                        "ram_dyn_max.",
                        g->name);
    return 0;
}

int vmp_apply(const struct vmp_options *o, struct guest *g)
{
    bool clone = strcmp(o->command, "hpvmclone") == 0;
    for (guint i = 0; i < o->list->len; i++)
        if (apply_one(g, &g_array_index(o->list, struct vmp_option, i), clone) != 0)
            return 1;
    return check_dynamic(g);
}

static bool mac_used(struct state *s, const uint8_t mac[6])
{
    for (guint i = 0; i < state_entries(s)->len; i++) {
        const struct entry *e = state_entries(s)->pdata[i];
        for (guint j = 0; e->guest != NULL && j < e->guest->devices->len; j++)
            if (guest_device(e->guest, j)->network &&
                memcmp(guest_device(e->guest, j)->mac, mac, 6) == 0)
                return true;
    }
    return false;
}

static bool port_used(struct state *s, const struct guest *g, const struct resource *r, int port)
{
    for (guint i = 0; i < g->devices->len; i++)
        if (guest_device(g, i)->network && guest_device(g, i)->port == port &&
            strcmp(guest_device(g, i)->device, r->device) == 0)
            return true;
    for (guint i = 0; i < state_entries(s)->len; i++) {
        const struct entry *e = state_entries(s)->pdata[i];
        if (e->guest == NULL || strcmp(e->uuid, g->uuid) == 0)
            continue;
        for (guint j = 0; j < e->guest->devices->len; j++)
            if (guest_device(e->guest, j)->network && guest_device(e->guest, j)->port == port &&
                strcmp(guest_device(e->guest, j)->device, r->device) == 0)
                return true;
    }
    return false;
}

static void new_mac(struct state *s, uint8_t mac[6])
{
    do {
        for (int i = 0; i < 6; i++)
            mac[i] = (uint8_t)g_random_int_range(0, 256);
        mac[0] = (mac[0] & 0xfc) | 2; /* locally administered, one station */
    } while (mac_used(s, mac));
}

void vmp_complete(struct guest *g, struct state *s)
{
    for (guint i = 0; i < g->devices->len; i++) {
        struct resource *r = guest_device(g, i);
        if (!r->network)
            continue;
        if (!r->has_mac)
            new_mac(s, r->mac);
        r->has_mac = true;
        for (int port = 1; r->port == 0 && port <= RESOURCE_PORTS; port++)
            if (!port_used(s, g, r, port))
                r->port = port;
    }
}
