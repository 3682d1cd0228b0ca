/* Guest configurations: see guest_config.h. The lan(...) line is the one administrators know. */
#include "guest_config.h"

#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FORMAT "1"

struct field {
    const char *key;
    size_t offset;
    size_t size;       /* of a text, 0: a number */
    uint64_t min, max; /* of a number */
};
#define TEXT(key, member)                                                                          \
    {                                                                                              \
        key, offsetof(struct guest, member), sizeof(((struct guest *)0)->member), 0, 0             \
    }
#define NUMBER(key, member, min, max)                                                              \
    {                                                                                              \
        key, offsetof(struct guest, member), 0, min, max                                           \
    }

static const struct field fields[] = {
    TEXT("name", name),
    TEXT("uuid", uuid),
    NUMBER("number", number, 1, 99999),
    TEXT("label", label),
    TEXT("os_type", os_type),
    TEXT("os_version", os_version),
    TEXT("serial", serial),
    TEXT("start", start),
    TEXT("controllers", controllers),
    NUMBER("distributed", distributed, 0, 1),
    NUMBER("vcpus", vcpus, 1, GUEST_VCPUS_MAX),
    NUMBER("percent", percent, 5, 100),
    NUMBER("cycles", cycles, 0, 1000000),
    NUMBER("memory", memory, GUEST_MEMORY_MIN, GUEST_MEMORY_MAX),
    NUMBER("reserved", reserved, GUEST_RESERVED_MIN, GUEST_MEMORY_MAX),
    NUMBER("dynamic_type", dynamic, 0, 2),
    NUMBER("dynamic_control", dynamic_control, 0, 1),
    NUMBER("dynamic_min", dynamic_min, 0, GUEST_MEMORY_MAX),
    NUMBER("dynamic_max", dynamic_max, 0, GUEST_MEMORY_MAX),
    NUMBER("dynamic_target", dynamic_target, 0, GUEST_MEMORY_MAX),
};

static const char *const grant_keys[] = {"oper_user", "admin_user", "oper_group", "admin_group"};

const char *guest_dynamic_name(uint64_t type)
{
    static const char *const names[] = {"none", "any", "driver"};
    return names[type < 3 ? type : 0];
}

struct guest *guest_new(void)
{
    struct guest *g = g_new0(struct guest, 1);
    g_strlcpy(g->os_type, "UNKNOWN", sizeof g->os_type);
    g_strlcpy(g->start, "Auto", sizeof g->start);
    g_strlcpy(g->controllers, "NONE", sizeof g->controllers);
    g->vcpus = 1;
    g->percent = 10;
    g->memory = 2048;
    g->reserved = 64;
    g->devices = g_array_new(FALSE, TRUE, sizeof(struct resource));
    g->grants = g_array_new(FALSE, TRUE, sizeof(struct grant));
    return g;
}

struct guest *guest_copy(const struct guest *g)
{
    struct guest *copy = g_new(struct guest, 1);
    *copy = *g;
    copy->devices = g_array_copy(g->devices);
    copy->grants = g_array_copy(g->grants);
    return copy;
}

void guest_free(struct guest *g)
{
    if (g == NULL)
        return;
    g_array_free(g->devices, TRUE);
    g_array_free(g->grants, TRUE);
    g_free(g);
}

static bool charset(const char *s, const char *extra)
{
    for (; *s != '\0'; s++)
        if (!g_ascii_isalnum(*s) && strchr(extra, *s) == NULL)
            return false;
    return true;
}

bool guest_name_valid(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length <= GUEST_NAME_MAX && name[0] != '-' && charset(name, "-_.") &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool guest_text_valid(const char *text)
{
    return strlen(text) <= GUEST_TEXT_MAX && charset(text, "-_. ");
}

__attribute__((format(printf, 3, 4))) static int fail(char *why, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, size, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

/* Devices */

unsigned guest_count(const struct guest *g, bool network)
{
    unsigned count = 0;
    for (guint i = 0; i < g->devices->len; i++)
        count += guest_device(g, i)->network == network;
    return count;
}

static int by_address(const void *left, const void *right)
{
    const struct resource *a = left, *b = right;
    if (a->network != b->network)
        return a->network - b->network;
    if (a->bus != b->bus)
        return a->bus - b->bus;
    return a->slot != b->slot ? a->slot - b->slot : a->target - b->target;
}

/* A slot holds one adapter: targets share it only with the same adapter type. */
static bool is_free(const struct guest *g, const struct resource *r)
{
    for (guint i = 0; i < g->devices->len; i++) {
        const struct resource *d = guest_device(g, i);
        if (d->bus != r->bus || d->slot != r->slot)
            continue;
        if (d->network || r->network || strcmp(d->adapter, r->adapter) != 0)
            return false;
        if (d->target == r->target)
            return false;
    }
    return true;
}

static bool next_position(const struct guest *g, const struct resource *want, struct resource *r)
{
    int targets = want->network ? 1 : RESOURCE_TARGETS;
    for (int n = 0; n < RESOURCE_BUSES * RESOURCE_SLOTS * targets; n++) {
        r->target = want->network ? -1 : n % targets;
        r->slot = n / targets % RESOURCE_SLOTS;
        r->bus = n / targets / RESOURCE_SLOTS;
        if ((want->bus < 0 || want->bus == r->bus) && (want->slot < 0 || want->slot == r->slot) &&
            (want->network || want->target < 0 || want->target == r->target) && is_free(g, r))
            return true;
    }
    return false;
}

static int check_limits(const struct guest *g, const struct resource *r, char *why, size_t size)
{
    unsigned scsi = 0, avio = 0;
    for (guint i = 0; i < g->devices->len; i++) {
        const struct resource *d = guest_device(g, i);
        scsi += strcmp(d->adapter, "scsi") == 0;
        avio += strcmp(d->adapter, "avio_stor") == 0;
        if (!r->network && !d->network && strcmp(d->device, r->device) == 0 &&
            strcmp(d->storage, "null") != 0 && strcmp(r->storage, "null") != 0)
            return fail(why, size, "Device '%s' is already assigned to this guest.", r->device);
        if (r->network && d->network && r->has_mac && memcmp(r->mac, d->mac, 6) == 0)
            return fail(why, size, "The MAC address is already used by this guest.");
    }
    if (strcmp(r->adapter, "scsi") == 0 && scsi >= GUEST_SCSI_MAX)
        return fail(why, size, "A guest has at most %d scsi devices.", GUEST_SCSI_MAX);
    if (strcmp(r->adapter, "avio_stor") == 0 && avio >= GUEST_AVIO_MAX)
        return fail(why, size, "A guest has at most %d avio_stor devices.", GUEST_AVIO_MAX);
    return 0;
}

int guest_add_device(struct guest *g, const struct resource *want, char *why, size_t size)
{
    struct resource r = *want;
    if (check_limits(g, want, why, size) != 0)
        return -EINVAL;
    if (!next_position(g, want, &r))
        return fail(why, size, "The hardware address is in use or none is free.");
    g_array_append_val(g->devices, r);
    g_array_sort(g->devices, by_address);
    return 0;
}

static bool matches(const struct resource *d, const struct resource *r)
{
    if (d->network != r->network || strcmp(d->adapter, r->adapter) != 0)
        return false;
    if (strcmp(d->type, r->type) != 0)
        return false;
    if ((r->bus >= 0 && r->bus != d->bus) || (r->slot >= 0 && r->slot != d->slot))
        return false;
    if (!r->network && r->target >= 0 && r->target != d->target)
        return false;
    if (r->has_mac && memcmp(r->mac, d->mac, 6) != 0)
        return false;
    return r->storage[0] == '\0' ||
           (strcmp(r->storage, d->storage) == 0 && strcmp(r->device, d->device) == 0);
}

int guest_delete_device(struct guest *g, const struct resource *r, char *why, size_t size)
{
    for (guint i = 0; i < g->devices->len; i++) {
        if (matches(guest_device(g, i), r)) {
            g_array_remove_index(g->devices, i);
            return 0;
        }
    }
    return fail(why, size, "The device is not assigned to this guest.");
}

/* "-m hba:avio_stor:0,5": every target of the adapter changes together. */
static int convert_adapter(struct guest *g, const struct resource *r, char *why, size_t size)
{
    unsigned found = 0;
    for (guint i = 0; i < g->devices->len; i++) {
        struct resource *d = guest_device(g, i);
        if (d->network || d->bus != r->bus || d->slot != r->slot)
            continue;
        found++;
        if (strcmp(r->adapter, "avio_stor") == 0 && strcmp(d->storage, "attach") == 0)
            return fail(why, size, "A %s cannot be converted to avio_stor.", d->type);
        g_strlcpy(d->adapter, r->adapter, sizeof d->adapter);
    }
    return found > 0 ? 0 : fail(why, size, "The device is not assigned to this guest.");
}

int guest_modify_device(struct guest *g, const struct resource *r, char *why, size_t size)
{
    if (strcmp(r->type, "hba") == 0 && r->target < 0)
        return convert_adapter(g, r, why, size);
    for (guint i = 0; i < g->devices->len; i++) {
        struct resource *d = guest_device(g, i);
        if (!resource_same_address(d, r) || strcmp(d->type, r->type) != 0 ||
            strcmp(d->adapter, r->adapter) != 0)
            continue;
        struct resource old = *d;
        g_array_remove_index(g->devices, i);
        struct resource changed = *r;
        if (r->network && !r->has_mac)
            memcpy(changed.mac, old.mac, 6);
        changed.has_mac = r->network;
        if (r->port == 0 && strcmp(old.device, r->device) == 0)
            changed.port = old.port;
        return guest_add_device(g, &changed, why, size);
    }
    return fail(why, size, "The device is not assigned to this guest.");
}

/* Text form */

static void write_fields(GString *out, const struct guest *g)
{
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        const char *member = (const char *)g + fields[i].offset;
        uint64_t number = 0;
        if (fields[i].size > 0) {
            g_string_append_printf(out, "%s = %s\n", fields[i].key, member);
        } else {
            memcpy(&number, member, sizeof number);
            g_string_append_printf(out, "%s = %llu\n", fields[i].key, (unsigned long long)number);
        }
    }
}

static void write_device(GString *out, const struct resource *r)
{
    const uint8_t *m = r->mac;
    if (!r->network) {
        g_string_append_printf(out, "%s(%d,%d,%d).%s = %s(%s)\n", r->type, r->bus, r->slot,
                               r->target, r->adapter, r->storage, r->device);
        return;
    }
    g_string_append_printf(out, "lan(%d,%d).0x%02X%02X%02X%02X%02X%02X = switch(%s).%d\n", r->bus,
                           r->slot, m[0], m[1], m[2], m[3], m[4], m[5], r->device, r->port);
}

GString *guest_write(const struct guest *g)
{
    GString *out = g_string_new("# Guest configuration. Changed only by the hpvm commands.\n#\n"
                                "format = " FORMAT "\n");
    write_fields(out, g);
    for (guint i = 0; i < g->grants->len; i++)
        g_string_append_printf(out, "%s = %s\n",
                               grant_keys[guest_grant(g, i)->group * 2 + guest_grant(g, i)->admin],
                               guest_grant(g, i)->name);
    for (int network = 0; network < 2; network++) {
        g_string_append_printf(out, "\n# Virtual %s Devices\n#\n", network ? "Network" : "Storage");
        for (guint i = 0; i < g->devices->len; i++)
            if (guest_device(g, i)->network == (network != 0))
                write_device(out, guest_device(g, i));
    }
    g_string_append(out, "\n# End\n");
    return out;
}

/* A device line becomes a resource statement again, so that one parser judges both. */
static int parse_device(struct guest *g, const char *key, const char *value, char *why, size_t size)
{
    g_autoptr(GRegex) left = g_regex_new("^([a-z]+)\\(([0-9,]+)\\)\\.(\\w+)$", 0, 0, NULL);
    g_autoptr(GRegex) right = g_regex_new("^([a-z]+)\\((.+)\\)(?:\\.([0-9]+))?$", 0, 0, NULL);
    g_autoptr(GMatchInfo) a = NULL;
    g_autoptr(GMatchInfo) b = NULL;
    if (!g_regex_match(left, key, 0, &a) || !g_regex_match(right, value, 0, &b))
        return fail(why, size, "unknown entry");
    g_auto(GStrv) l = g_match_info_fetch_all(a);
    g_auto(GStrv) r = g_match_info_fetch_all(b);
    bool lan = strcmp(l[1], "lan") == 0 && strcmp(r[1], "switch") == 0;
    const char *port = g_strv_length(r) > 3 ? r[3] : "0";
    g_autofree char *statement =
        lan ? g_strdup_printf(
                  "network:lan:%s,%s:vswitch:%s%s%s", l[2], l[3], r[2],
                  strcmp(port, "0") == 0 ? "" : ":portid:", strcmp(port, "0") == 0 ? "" : port)
            : g_strdup_printf("%s:%s:%s:%s:%s", l[1], l[3], l[2], r[1], r[2]);
    struct resource res;
    int status = resource_parse(statement, RESOURCE_ADD, &res, why, size);
    if (status == 0 && (res.bus < 0 || res.slot < 0 || (lan ? !res.has_mac : res.target < 0)))
        return fail(why, size, "incomplete address");
    return status != 0 ? status : guest_add_device(g, &res, why, size);
}

static int parse_grant(struct guest *g, const char *key, const char *value, char *why, size_t size)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(key, grant_keys[i]) != 0)
            continue;
        struct grant grant = {.group = i >= 2, .admin = i % 2 != 0};
        if (!guest_name_valid(value))
            return fail(why, size, "invalid name in %s", key);
        g_strlcpy(grant.name, value, sizeof grant.name);
        g_array_append_val(g->grants, grant);
        return 0;
    }
    return parse_device(g, key, value, why, size);
}

static int parse_line(struct guest *g, const char *key, const char *value, bool *seen, char *why,
                      size_t size)
{
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        const struct field *f = &fields[i];
        if (strcmp(key, f->key) != 0)
            continue;
        if (seen[i])
            return fail(why, size, "%s is there twice", key);
        seen[i] = true;
        uint64_t number;
        if (f->size > 0)
            return g_strlcpy((char *)g + f->offset, value, f->size) < f->size
                       ? 0
                       : fail(why, size, "%s is too long", key);
        if (text_parse_number(value, f->min, f->max, &number) != 0)
            return fail(why, size, "%s is out of range", key);
        memcpy((char *)g + f->offset, &number, sizeof number);
        return 0;
    }
    return parse_grant(g, key, value, why, size);
}

static bool word_in(const char *word, const char *list)
{
    g_auto(GStrv) words = g_strsplit(list, " ", 0);
    return g_strv_contains((const char *const *)words, word);
}

static int check_guest(const struct guest *g, const bool *seen, char *why, size_t size)
{
    uint8_t uuid[16];
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        if (!seen[i])
            return fail(why, size, "%s is missing", fields[i].key);
    if (!guest_name_valid(g->name) || text_parse_uuid(g->uuid, uuid) != 0)
        return fail(why, size, "invalid name or uuid");
    if (!guest_text_valid(g->label) || !guest_text_valid(g->os_version) ||
        !guest_text_valid(g->serial) || !charset(g->controllers, "-_.,"))
        return fail(why, size, "invalid character in a text");
    if (!word_in(g->os_type, "HPUX WINDOWS LINUX UNKNOWN") || !word_in(g->start, "Auto Manual"))
        return fail(why, size, "invalid os_type or start");
    return 0;
}

static int parse_text(struct guest *g, char *text, char *why, size_t size)
{
    bool seen[G_N_ELEMENTS(fields)] = {false}, format = false, end = false;
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);
    for (guint n = 0; lines[n] != NULL; n++) {
        char *value = strstr(lines[n], " = "), reason[200];
        end = end || strcmp(lines[n], "# End") == 0;
        if (lines[n][0] == '#' || lines[n][0] == '\0')
            continue;
        if (value == NULL)
            return fail(why, size, "line %u: no value", n + 1);
        *value = '\0';
        value += 3;
        if (strcmp(lines[n], "format") == 0 && strcmp(value, FORMAT) != 0)
            return fail(why, size, "line %u: format %.20s is not known", n + 1, value);
        if (strcmp(lines[n], "format") == 0)
            format = true;
        else if (parse_line(g, lines[n], value, seen, reason, sizeof reason) != 0)
            return fail(why, size, "line %u: %s", n + 1, reason);
    }
    if (!format || !end)
        return fail(why, size, "the file is cut off");
    return check_guest(g, seen, why, size);
}

struct guest *guest_parse(const char *text, size_t length, char *why, size_t size)
{
    if (length > GUEST_CONFIG_MAX || memchr(text, '\0', length) != NULL ||
        !g_utf8_validate(text, (gssize)length, NULL)) {
        fail(why, size, "not a text of reasonable size");
        return NULL;
    }
    g_autofree char *copy = g_strndup(text, length);
    struct guest *g = guest_new();
    if (parse_text(g, copy, why, size) == 0)
        return g;
    guest_free(g);
    return NULL;
}
