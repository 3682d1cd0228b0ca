/* See bootopt.h. EFI load option: attributes, length of the path list, description, paths, data
 * (EFI 1.10, 17.1.1).
 */
#include "bootopt.h"

#include <stdio.h>
#include "le.h"
#include "runtime.h"

#define HEADER          6
#define DESCRIPTION_MAX 256
#define END_NODE        4u
#define ORDER_MAX       (FW_VAR_MAX / 2)

static void option_name(char name[16], unsigned number)
{
    snprintf(name, 16, "Boot%04X", number & 0xffff);
}

/* --- options in host memory --- */

struct bootopt *bootopt_new(const char *text, const struct devpath *path, const void *data,
                            uint32_t size)
{
    struct bootopt *o = g_new0(struct bootopt, 1);

    o->number = -1;
    o->attributes = BOOTOPT_ACTIVE;
    o->text = g_strdup(text);
    o->path = g_memdup2(path->data, path->size);
    o->path_size = path->size;
    o->data = data ? g_memdup2(data, size) : NULL;
    o->size = data ? size : 0;
    return o;
}

struct bootopt *bootopt_copy(const struct bootopt *o)
{
    struct bootopt *copy = g_memdup2(o, sizeof(*o));

    copy->text = g_strdup(o->text);
    copy->path = g_memdup2(o->path, o->path_size);
    copy->data = g_memdup2(o->data, o->size);
    return copy;
}

void bootopt_free(gpointer p)
{
    struct bootopt *o = p;

    if (!o)
        return;
    g_free(o->text);
    g_free(o->path);
    g_free(o->data);
    g_free(o);
}

void bootopt_path(const struct bootopt *o, struct devpath *out)
{
    out->size = MIN(o->path_size, DEVPATH_MAX - END_NODE);
    if (out->size)
        memcpy(out->data, o->path, out->size);
}

/* --- reading --- */

static char *text_of(const uint8_t *s, size_t chars)
{
    GString *g = g_string_new(NULL);

    for (size_t i = 0; i < chars; i++) {
        uint16_t c = le16(s + 2 * i);

        g_string_append_c(g, c >= ' ' && c < 0x7f ? (char)c : '?');
    }
    return g_string_free(g, FALSE);
}

/* Bytes of the first path in d, without its end node; 0 when it is damaged or empty. */
static size_t path_size(const uint8_t *d, size_t size)
{
    size_t at = 0;

    while (at + END_NODE <= size && (d[at] & 0x7f) != 0x7f) {
        size_t len = le16(d + at + 2);

        if (len < END_NODE || len > size - at || at + len > DEVPATH_MAX - END_NODE)
            return 0;
        at += len;
    }
    return at + END_NODE <= size ? at : 0;
}

static bool parse(struct bootopt *o, const uint8_t *d, size_t size)
{
    size_t n = 0, paths, at;

    if (size < HEADER + 2)
        return false;
    while (HEADER + 2 * n + 2 <= size && le16(d + HEADER + 2 * n))
        n++;
    at = HEADER + 2 * n + 2;
    paths = le16(d + 4);
    if (n > DESCRIPTION_MAX || at > size || paths > size - at)
        return false;
    o->path_size = path_size(d + at, paths);
    if (!o->path_size)
        return false;
    o->attributes = le32(d);
    o->text = text_of(d + HEADER, n);
    o->path = g_memdup2(d + at, o->path_size);
    o->size = (uint32_t)(size - at - paths);
    o->data = g_memdup2(d + at + paths, o->size);
    return true;
}

static struct bootopt *option_of(const struct fw_variable *v, unsigned number)
{
    struct bootopt *o = g_new0(struct bootopt, 1);

    o->number = (int)number;
    if (!parse(o, v->data, v->size)) {
        o->damaged = true;
        o->text = g_strdup_printf("Boot%04X (damaged)", number);
    }
    return o;
}

struct bootopt *bootopt_read(struct boot *b, unsigned number)
{
    const struct fw_variable *v;
    char name[16];

    option_name(name, number);
    v = efi_variable(b->fw, guid_global_variable, name);
    return v ? option_of(v, number) : NULL;
}

static int hex_digit(uint16_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Number of a variable Boot####, -1 for others. */
static int option_number(const struct fw_variable *v)
{
    int number = 0;

    if (v->name_size != 18 || memcmp(v->guid, guid_global_variable, 16) ||
        memcmp(v->name, u"Boot", 8))
        return -1;
    for (unsigned i = 4; i < 8; i++) {
        if (hex_digit(v->name[i]) < 0)
            return -1;
        number = number << 4 | hex_digit(v->name[i]);
    }
    return number;
}

/* Number + 1 -> variable: a BootOrder of 30000 entries must not mean as many searches. */
static GHashTable *index_options(struct boot *b)
{
    GHashTable *t = g_hash_table_new(NULL, NULL);

    for (struct fw_variable *v = b->fw->vars; v; v = v->next)
        if (option_number(v) >= 0)
            g_hash_table_insert(t, GINT_TO_POINTER(option_number(v) + 1), v);
    return t;
}

GPtrArray *bootopt_list(struct boot *b)
{
    const struct fw_variable *order = efi_variable(b->fw, guid_global_variable, "BootOrder");
    GPtrArray *list = g_ptr_array_new_with_free_func(bootopt_free);
    GHashTable *known = index_options(b);

    for (unsigned i = 0; order && i + 2 <= order->size; i += 2) {
        unsigned number = le16(order->data + i);
        const struct fw_variable *v = g_hash_table_lookup(known, GUINT_TO_POINTER(number + 1));

        if (!v)
            continue;
        g_ptr_array_add(list, option_of(v, number));
        g_hash_table_remove(known, GUINT_TO_POINTER(number + 1)); /* each once */
    }
    g_hash_table_destroy(known);
    return list;
}

/* --- writing --- */

static uint64_t put(struct boot *b, const char *name, const void *data, size_t size)
{
    return efi_variable_put(b->fw, guid_global_variable, name, NV_BOOT_RUNTIME, data,
                            (uint32_t)size);
}

static int free_number(struct boot *b)
{
    GHashTable *known = index_options(b);
    int n = 0;

    while (n < 0x10000 && g_hash_table_contains(known, GINT_TO_POINTER(n + 1)))
        n++;
    g_hash_table_destroy(known);
    return n < 0x10000 ? n : -1;
}

static GByteArray *encode(const struct bootopt *o)
{
    static const uint8_t end[END_NODE] = {0x7f, 0xff, END_NODE, 0};
    GByteArray *a = g_byte_array_new();
    uint8_t head[HEADER];

    put_le32(head, o->attributes);
    put_le16(head + 4, (uint16_t)(o->path_size + END_NODE));
    g_byte_array_append(a, head, HEADER);
    for (const char *s = o->text;; s++) {
        uint8_t c[2] = {(uint8_t)*s, 0};

        g_byte_array_append(a, c, 2);
        if (!*s)
            break;
    }
    g_byte_array_append(a, o->path, (unsigned)o->path_size);
    g_byte_array_append(a, end, END_NODE);
    if (o->size)
        g_byte_array_append(a, o->data, o->size);
    return a;
}

uint64_t bootopt_write(struct boot *b, struct bootopt *o)
{
    int number = o->number >= 0 ? o->number : free_number(b);
    GByteArray *a;
    uint64_t status;
    char name[16];

    if (number < 0)
        return EFI_OUT_OF_RESOURCES;
    a = encode(o);
    option_name(name, (unsigned)number);
    status = put(b, name, a->data, a->len);
    g_byte_array_unref(a);
    if (status == EFI_SUCCESS)
        o->number = number;
    return status;
}

uint64_t bootopt_delete(struct boot *b, unsigned number)
{
    char name[16];

    option_name(name, number);
    return put(b, name, NULL, 0);
}

uint64_t bootopt_set_order(struct boot *b, const GPtrArray *list)
{
    uint8_t *order = g_malloc0(2 * list->len + 2);
    unsigned n = 0;
    uint64_t status;

    for (unsigned i = 0; i < list->len && n < ORDER_MAX; i++) {
        const struct bootopt *o = list->pdata[i];

        if (o->number >= 0)
            put_le16(order + 2 * n++, (uint16_t)o->number);
    }
    status = put(b, "BootOrder", order, 2 * n);
    g_free(order);
    return status;
}

/* --- small variables --- */

int boot_variable16(struct boot *b, const char *name)
{
    const struct fw_variable *v = efi_variable(b->fw, guid_global_variable, name);

    return v && v->size >= 2 ? le16(v->data) : -1;
}

uint64_t boot_set_variable16(struct boot *b, const char *name, uint16_t value)
{
    uint8_t data[2];

    put_le16(data, value);
    return put(b, name, data, sizeof(data));
}

uint64_t boot_delete_variable(struct boot *b, const char *name)
{
    return put(b, name, NULL, 0);
}
