/* The active console devices: variables ConOut, ConIn and ErrOut, whose values are device paths of
 * several instances. The firmware itself always uses its terminal; systems read the variables.
 */
#include "maint_impl.h"

#include "le.h"
#include "runtime.h"

#define BOOT_RUNTIME 6u

struct console_device {
    struct devpath path;
    bool active;
};

static const struct console_kind {
    const char *variable, *devices; /* the second is volatile: what there is */
    const uint8_t *mark;            /* protocol of such handles */
} kinds[] = {
    {"ConOut", "ConOutDev", guid_console_out},
    {"ConIn", "ConInDev", guid_console_in},
    {"ErrOut", "ErrOutDev", guid_standard_error},
};

/* Whether a path of several instances contains this one. */
static bool has_instance(const struct fw_variable *v, const struct devpath *p)
{
    size_t start = 0, at = 0, len;

    while (at + 4 <= v->size) {
        len = le16(v->data + at + 2);
        if (len < 4 || len > v->size - at)
            return false;
        if ((v->data[at] & 0x7f) == 0x7f) {
            if (at - start == p->size && memcmp(v->data + start, p->data, p->size) == 0)
                return true;
            start = at + len;
        }
        at += len;
    }
    return false;
}

static GPtrArray *find_devices(struct boot *b, const struct console_kind *k)
{
    const struct fw_variable *v = efi_variable(b->fw, guid_global_variable, k->variable);
    GArray *handles = handles_with(b, k->mark);
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);

    for (unsigned i = 0; i < handles->len; i++) {
        uint64_t at = handle_interface(b, g_array_index(handles, uint64_t, i), guid_device_path);
        struct console_device *d = g_new0(struct console_device, 1);

        if (!devpath_read(b, at, &d->path) || !d->path.size) {
            g_free(d);
            continue;
        }
        d->active = v && has_instance(v, &d->path);
        g_ptr_array_add(list, d);
    }
    g_array_unref(handles);
    return list;
}

/* Writes the paths of a list; without any the variable goes. */
static uint64_t put_devices(struct boot *b, const char *variable, uint32_t attributes,
                            const GPtrArray *list, bool all)
{
    static const uint8_t next[4] = {0x7f, 0x01, 4, 0}, end[4] = {0x7f, 0xff, 4, 0};
    GByteArray *a = g_byte_array_new();
    uint64_t status;

    for (unsigned i = 0; i < list->len; i++) {
        const struct console_device *d = list->pdata[i];

        if (!d->active && !all)
            continue;
        if (a->len)
            g_byte_array_append(a, next, 4);
        g_byte_array_append(a, d->path.data, (unsigned)d->path.size);
    }
    if (a->len)
        g_byte_array_append(a, end, 4);
    status = efi_variable_put(b->fw, guid_global_variable, variable, attributes, a->data, a->len);
    g_byte_array_unref(a);
    return status;
}

void maint_console_variables(struct boot *b)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        GPtrArray *list = find_devices(b, &kinds[i]);

        put_devices(b, kinds[i].devices, BOOT_RUNTIME, list, true);
        if (!efi_variable(b->fw, guid_global_variable, kinds[i].variable))
            put_devices(b, kinds[i].variable, NV_BOOT_RUNTIME, list, true);
        g_ptr_array_unref(list);
    }
}

/* --- screens --- */

static void enter(struct maint *m)
{
    if (m->devices)
        g_ptr_array_unref(m->devices);
    m->devices = find_devices(m->b, &kinds[m->console]);
}

static void fill(struct maint *m)
{
    for (unsigned i = 0; i < m->devices->len; i++) {
        const struct console_device *d = m->devices->pdata[i];
        char *text = devpath_text(&d->path);

        menu_add(&m->menu, (int)i, "%c %s", d->active ? '*' : ' ', text);
        g_free(text);
    }
    menu_gap(&m->menu);
    menu_add(&m->menu, ITEM_SAVE, "Save Settings to NVRAM");
    menu_add(&m->menu, ITEM_EXIT, "Exit");
}

static void chosen(struct maint *m, int id)
{
    struct console_device *d;

    if (id == ITEM_EXIT) {
        maint_leave(m);
        return;
    }
    if (id == ITEM_SAVE) {
        maint_save(m);
    } else if (id >= 0 && (unsigned)id < m->devices->len) {
        d = m->devices->pdata[id];
        d->active = !d->active;
        m->changed = true;
    }
    maint_redraw(m);
}

static uint64_t save(struct maint *m)
{
    return put_devices(m->b, kinds[m->console].variable, NV_BOOT_RUNTIME, m->devices, false);
}

#define CONSOLE_SCREEN(text)                                                                       \
    {                                                                                              \
        .subtitle = text, .help = "Use Enter to make a device active (*) or inactive.",            \
        .enter = enter, .fill = fill, .chosen = chosen, .save = save,                              \
    }

const struct screen maint_console_screens[3] = {
    CONSOLE_SCREEN("Select the Console Output Device(s)"),
    CONSOLE_SCREEN("Select the Console Input Device(s)"),
    CONSOLE_SCREEN("Select the Standard Error Device(s)"),
};
