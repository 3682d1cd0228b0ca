/* Resource statements: see resource.h. The grammar is that of hpvmresources(5). */
#include "resource.h"

#include "text.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

static const char *const storage_types[] = {"disk", "dvd", "tape", "changer", "burner", "hba"};
static const char *const storage_kinds[] = {"disk", "lv", "file", "null", "attach"};

static bool one_of(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}

__attribute__((format(printf, 3, 4))) static int fail(char *why, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, size, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

static int hex_pair(const char *s)
{
    int high = g_ascii_xdigit_value(s[0]);
    int low = high < 0 ? -1 : g_ascii_xdigit_value(s[1]);
    return low < 0 ? -1 : high << 4 | low;
}

int resource_parse_mac(const char *s, uint8_t mac[6])
{
    bool dashes = strncmp(s, "0x", 2) != 0 && strncmp(s, "0X", 2) != 0;
    if (strlen(s) != (dashes ? 17 : 14))
        return -EINVAL;
    if (!dashes)
        s += 2;
    for (int i = 0; i < 6; i++) {
        int value = hex_pair(s);
        if (value < 0)
            return -EINVAL;
        mac[i] = (uint8_t)value;
        s += 2;
        if (dashes && i < 5 && *s++ != '-')
            return -EINVAL;
    }
    return 0;
}

static int parse_part(const char *s, int limit, int *value)
{
    uint64_t n;
    if (s == NULL || *s == '\0')
        return 0;
    if (text_parse_number(s, 0, (uint64_t)limit - 1, &n) != 0)
        return -EINVAL;
    *value = (int)n;
    return 0;
}

static int parse_address(const char *text, struct resource *r, char *why, size_t size)
{
    g_auto(GStrv) part = g_strsplit(text, ",", 0);
    guint count = g_strv_length(part);
    if (count > 3)
        return fail(why, size, "Invalid hardware address '%s'.", text);
    if (parse_part(count > 0 ? part[0] : NULL, RESOURCE_BUSES, &r->bus) != 0)
        return fail(why, size, "Invalid bus in '%s': 0 to %d.", text, RESOURCE_BUSES - 1);
    if (parse_part(count > 1 ? part[1] : NULL, RESOURCE_SLOTS, &r->slot) != 0)
        return fail(why, size, "Invalid device in '%s': 0 to %d.", text, RESOURCE_SLOTS - 1);
    if (count < 3 || part[2][0] == '\0')
        return 0;
    if (!r->network && parse_part(part[2], RESOURCE_TARGETS, &r->target) != 0)
        return fail(why, size, "Invalid target in '%s': 0 to %d.", text, RESOURCE_TARGETS - 1);
    if (r->network && resource_parse_mac(part[2], r->mac) != 0)
        return fail(why, size, "Invalid MAC address '%s'.", part[2]);
    r->has_mac = r->network;
    return 0;
}

static int copy_word(char *out, size_t out_size, const char *word, const char *what, char *why,
                     size_t size)
{
    if (strlen(word) >= out_size)
        return fail(why, size, "Invalid %s '%.40s'.", what, word);
    g_strlcpy(out, word, out_size);
    return 0;
}

static int parse_port(char **field, struct resource *r, char *why, size_t size)
{
    uint64_t port;
    if (field[0] == NULL)
        return 0;
    if (strcmp(field[0], "portid") != 0 || field[1] == NULL || field[2] != NULL)
        return fail(why, size, "Expected portid:<number> after the vswitch name.");
    if (text_parse_number(field[1], 1, RESOURCE_PORTS, &port) != 0)
        return fail(why, size, "Invalid port '%s': 1 to %d.", field[1], RESOURCE_PORTS);
    r->port = (int)port;
    return 0;
}

static int parse_host(char **field, struct resource *r, char *why, size_t size)
{
    if (field[0] == NULL || (field[0][0] == '\0' && field[1] == NULL))
        return 0;
    if (copy_word(r->storage, sizeof r->storage, field[0], "storage type", why, size) != 0)
        return -EINVAL;
    if (field[1] == NULL || field[1][0] == '\0')
        return fail(why, size, "%s missing.", r->network ? "Vswitch name" : "Physical device");
    if (copy_word(r->device, sizeof r->device, field[1], "device name", why, size) != 0)
        return -EINVAL;
    if (r->network)
        return parse_port(field + 2, r, why, size);
    if (field[2] != NULL)
        return fail(why, size, "Physical device names must not contain ':', ';' or ','.");
    return 0;
}

/* "hba:scsi::0,5", the way back from AVIO, has its address one field late. */
static bool late_address(const struct resource *r, char **field, guint count)
{
    return strcmp(r->type, "hba") == 0 && count == 4 && field[2][0] == '\0' &&
           strchr(field[3], ',') != NULL;
}

static int require(const struct resource *r, enum resource_use use, char *why, size_t size)
{
    bool adapter = strcmp(r->type, "hba") == 0 && r->target < 0 && r->storage[0] == '\0';
    bool complete = r->bus >= 0 && r->slot >= 0 && (r->network || adapter || r->target >= 0);
    if (use == RESOURCE_ADD && r->storage[0] == '\0')
        return fail(why, size, "Physical device missing.");
    if (use == RESOURCE_MODIFY && !complete)
        return fail(why, size, "Hardware address missing.");
    if (use == RESOURCE_MODIFY && r->storage[0] == '\0' && !adapter)
        return fail(why, size, "Physical device missing.");
    if (use == RESOURCE_DELETE && !complete && r->storage[0] == '\0')
        return fail(why, size, "Hardware address or physical device missing.");
    return 0;
}

static int check_path(const struct resource *r, char *why, size_t size)
{
    if (r->device[0] != '/')
        return fail(why, size, "Physical device '%s' is not an absolute path.", r->device);
    if (!g_utf8_validate(r->device, -1, NULL)) /* configurations are UTF-8 */
        return fail(why, size, "Physical device name is not UTF-8.");
    for (const char *p = r->device; *p != '\0'; p++) {
        if (*p == ':' || *p == ';' || *p == ',')
            return fail(why, size, "Physical device names must not contain ':', ';' or ','.");
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return fail(why, size, "Physical device name contains a control character.");
    }
    return 0;
}

static int check_storage(const struct resource *r, char *why, size_t size)
{
    bool attached = strcmp(r->type, "tape") == 0 || strcmp(r->type, "changer") == 0 ||
                    strcmp(r->type, "burner") == 0;
    if (!one_of(r->storage, storage_kinds, G_N_ELEMENTS(storage_kinds)))
        return fail(why, size, "Invalid storage type '%s'.", r->storage);
    if (attached != (strcmp(r->storage, "attach") == 0))
        return fail(why, size, "Storage type '%s' is not valid for a %s.", r->storage, r->type);
    if (strcmp(r->storage, "null") == 0 && strcmp(r->type, "dvd") != 0)
        return fail(why, size, "Storage type 'null' is only valid for a dvd.");
    if (strcmp(r->storage, "lv") == 0 && strcmp(r->type, "dvd") == 0)
        return fail(why, size, "Storage type 'lv' is not valid for a dvd.");
    if (attached && strcmp(r->adapter, "scsi") != 0)
        return fail(why, size, "A %s needs the adapter type scsi.", r->type);
    return check_path(r, why, size);
}

static int check_network(const struct resource *r, char *why, size_t size)
{
    static const uint8_t zero[6];
    if (strcmp(r->storage, "vswitch") != 0)
        return fail(why, size, "Expected vswitch instead of '%s'.", r->storage);
    if (strlen(r->device) > RESOURCE_SWITCH_MAX)
        return fail(why, size, "Vswitch name '%s' is longer than %d characters.", r->device,
                    RESOURCE_SWITCH_MAX);
    for (const char *p = r->device; *p != '\0'; p++)
        if (!g_ascii_isalnum(*p) && strchr("-_.", *p) == NULL)
            return fail(why, size, "Invalid character in the vswitch name.");
    if (r->has_mac && ((r->mac[0] & 1) != 0 || memcmp(r->mac, zero, 6) == 0))
        return fail(why, size, "MAC address is not the address of one station.");
    return 0;
}

int resource_check(const struct resource *r, char *why, size_t size)
{
    return r->network ? check_network(r, why, size) : check_storage(r, why, size);
}

static int parse_kind(char **field, guint count, struct resource *r, char *why, size_t size)
{
    if (count < 2)
        return fail(why, size, "Incomplete resource statement.");
    if (copy_word(r->type, sizeof r->type, field[0], "device type", why, size) != 0 ||
        copy_word(r->adapter, sizeof r->adapter, field[1], "adapter type", why, size) != 0)
        return -EINVAL;
    r->network = strcmp(r->type, "network") == 0;
    if (!r->network && !one_of(r->type, storage_types, G_N_ELEMENTS(storage_types)))
        return fail(why, size, "Invalid device type '%s'.", r->type);
    if (r->network ? strcmp(r->adapter, "lan") != 0
                   : strcmp(r->adapter, "scsi") != 0 && strcmp(r->adapter, "avio_stor") != 0)
        return fail(why, size, "Invalid adapter type '%s'.", r->adapter);
    return 0;
}

int resource_parse(const char *text, enum resource_use use, struct resource *r, char *why,
                   size_t size)
{
    memset(r, 0, sizeof *r);
    r->bus = r->slot = r->target = -1;
    if (strlen(text) > RESOURCE_DEVICE_MAX + 100)
        return fail(why, size, "Resource statement is too long.");
    g_auto(GStrv) field = g_strsplit(text, ":", 0);
    guint count = g_strv_length(field);
    if (parse_kind(field, count, r, why, size) != 0)
        return -EINVAL;
    if (late_address(r, field, count)) {
        int err = parse_address(field[3], r, why, size);
        return err != 0 ? err : require(r, use, why, size);
    }
    if (count > 2 && parse_address(field[2], r, why, size) != 0)
        return -EINVAL;
    if (count > 3 && parse_host(field + 3, r, why, size) != 0)
        return -EINVAL;
    if (require(r, use, why, size) != 0)
        return -EINVAL;
    return r->storage[0] == '\0' ? 0 : resource_check(r, why, size);
}

void resource_print(const struct resource *r, char *out, size_t size)
{
    const uint8_t *m = r->mac;
    if (!r->network)
        snprintf(out, size, "%s:%s:%d,%d,%d:%s:%s", r->type, r->adapter, r->bus, r->slot, r->target,
                 r->storage, r->device);
    else
        snprintf(out, size, "network:%s:%d,%d,0x%02X%02X%02X%02X%02X%02X:vswitch:%s", r->adapter,
                 r->bus, r->slot, m[0], m[1], m[2], m[3], m[4], m[5], r->device);
}

bool resource_same_address(const struct resource *a, const struct resource *b)
{
    if (a->bus != b->bus || a->slot != b->slot || a->network != b->network)
        return false;
    return a->network || a->target == b->target;
}
