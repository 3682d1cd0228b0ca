/* The handle database in the EFI shell: dh, devices, devtree, drivers, openinfo, guid, connect,
 * disconnect, reconnect. Handles are numbered from 1 in the order of their creation.
 */
#include <inttypes.h>
#include <stdio.h>
#include "le.h"
#include "shell_priv.h"

static const struct {
    const uint8_t *guid;
    const char *name;
} protocols[] = {
    {guid_device_path, "DevPath"},
    {guid_loaded_image, "Image"},
    {guid_text_in, "Txtin"},
    {guid_text_out, "Txtout"},
    {guid_console_control, "ConCtrl"},
    {guid_block_io, "BlkIo"},
    {guid_disk_io, "DiskIo"},
    {guid_simple_fs, "Fs"},
    {guid_load_file, "Load"},
    {guid_serial_io, "SerialIo"},
    {guid_collation, "UnicodeCollation"},
    {guid_device_io, "DevIo"},
    {guid_pci_root, "PciRootBridgeIo"},
    {guid_fpswa, "Fpswa"},
    {guid_driver_binding, "DriverBinding"},
    {guid_console_in, "ConIn"},
    {guid_console_out, "ConOut"},
    {guid_standard_error, "StdErr"},
};

const char *shell_guid_name(const uint8_t g[16], char buffer[40])
{
    for (unsigned i = 0; i < G_N_ELEMENTS(protocols); i++)
        if (memcmp(protocols[i].guid, g, 16) == 0)
            return protocols[i].name;
    snprintf(buffer, 40, "%08X-%04X-%04X-%02X%02X-%02X%02X%02X%02X%02X%02X", le32(g), le16(g + 4),
             le16(g + 6), g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
    return buffer;
}

/* --- numbers --- */

static unsigned number_of(struct shell *s, uint64_t id)
{
    unsigned n = 1;

    for (GList *l = s->b->handle_order.head; l; l = l->next, n++)
        if (((struct handle *)l->data)->id == id)
            return n;
    return 0;
}

uint64_t shell_handle(struct shell *s, const char *number)
{
    uint64_t n;
    GList *l;

    if (!shell_number(number, 16, &n) || n == 0 || n > s->b->handle_order.length)
        return 0;
    l = g_queue_peek_nth_link(&s->b->handle_order, (guint)n - 1);
    return l ? ((struct handle *)l->data)->id : 0;
}

static char *path_of(struct shell *s, uint64_t id)
{
    struct devpath *p = g_new0(struct devpath, 1);
    char *text = NULL;

    if (devpath_read(s->b, handle_interface(s->b, id, guid_device_path), p))
        text = devpath_text(p);
    g_free(p);
    return text;
}

/* File name of a loaded image; NULL. */
static char *image_file(struct shell *s, uint64_t id)
{
    struct devpath *p = g_new0(struct devpath, 1);
    uint64_t image = handle_interface(s->b, id, guid_loaded_image), at = 0;
    char *text = NULL;

    if (image && boot_read64(s->b, image + 32, &at) && devpath_read(s->b, at, p))
        text = devpath_text(p);
    g_free(p);
    return text;
}

/* --- dh --- */

static void list_handle(struct shell *s, const struct handle *h, unsigned n)
{
    char buffer[40], *path = path_of(s, h->id), *file = image_file(s, h->id);

    shell_print(s, "%3X: ", n);
    for (unsigned i = 0; i < h->protocols->len; i++) {
        const struct protocol *p = h->protocols->pdata[i];

        shell_puts(s, shell_guid_name(p->guid, buffer));
        if (memcmp(p->guid, guid_device_path, 16) == 0 && path)
            shell_print(s, "(%s)", path);
        if (memcmp(p->guid, guid_loaded_image, 16) == 0 && file)
            shell_print(s, "(%s)", file);
        shell_puts(s, " ");
    }
    shell_puts(s, "\n");
    g_free(path);
    g_free(file);
}

static void show_image(struct shell *s, uint64_t at)
{
    uint64_t w[11] = {0};

    boot_read(s->b, at, w, sizeof(w));
    shell_print(s, "     ParentHandle..: %" PRIX64 "\n     SystemTable...: %" PRIX64 "\n", w[1],
                w[2]);
    shell_print(s, "     DeviceHandle..: %" PRIX64 "\n     ImageBase.....: %" PRIX64 "\n", w[3],
                w[8]);
    shell_print(s, "     ImageSize.....: %" PRIX64 "\n", w[9]);
}

static void show_handle(struct shell *s, uint64_t id)
{
    const struct handle *h = handle_find(s->b, id);
    char buffer[40], *path = path_of(s, id), *file = image_file(s, id);

    shell_print(s, "Handle %02X (%" PRIX64 ")\n", number_of(s, id), id);
    for (unsigned i = 0; i < h->protocols->len; i++) {
        const struct protocol *p = h->protocols->pdata[i];

        shell_print(s, "   %s (%" PRIX64 ")\n", shell_guid_name(p->guid, buffer), p->interface);
        if (memcmp(p->guid, guid_device_path, 16) == 0 && path)
            shell_print(s, "     AsStr: '%s'\n", path);
        if (memcmp(p->guid, guid_loaded_image, 16) == 0) {
            shell_print(s, "     FilePath......: %s\n", file ? file : "");
            show_image(s, p->interface);
        }
    }
    g_free(path);
    g_free(file);
}

static bool has_protocol(const struct handle *h, const char *name)
{
    char buffer[40];

    for (unsigned i = 0; i < h->protocols->len; i++)
        if (shell_same(name,
                       shell_guid_name(((struct protocol *)h->protocols->pdata[i])->guid, buffer)))
            return true;
    return false;
}

uint64_t cmd_dh(struct shell *s, struct shell_words *w)
{
    bool verbose = shell_option(w, "-v") | shell_option(w, "-d");
    char *with = shell_option_value(w, "-p");
    uint64_t status = shell_check(s, w, 0, 1), id;
    unsigned n = 1;

    if (status == EFI_SUCCESS && w->count == 2) {
        id = shell_handle(s, w->word[1]);
        if (id)
            show_handle(s, id);
        else
            status = shell_fail(s, EFI_INVALID_PARAMETER, "%s is no handle", w->word[1]);
    } else if (status == EFI_SUCCESS) {
        shell_puts(s, "Handle dump\n");
        for (GList *l = s->b->handle_order.head; l; l = l->next, n++) {
            const struct handle *h = l->data;

            if (with && !has_protocol(h, with))
                continue;
            if (verbose)
                show_handle(s, h->id);
            else
                list_handle(s, h, n);
        }
    }
    g_free(with);
    return status;
}

uint64_t cmd_guid(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 0, 0);

    for (unsigned i = 0; i < G_N_ELEMENTS(protocols) && status == EFI_SUCCESS; i++) {
        const uint8_t *g = protocols[i].guid;

        shell_print(s, "%-17s: %08X-%04X-%04X-%02X%02X-%02X%02X%02X%02X%02X%02X\n",
                    protocols[i].name, le32(g), le16(g + 4), le16(g + 6), g[8], g[9], g[10], g[11],
                    g[12], g[13], g[14], g[15]);
    }
    return status;
}

/* --- drivers and devices --- */

struct counts {
    unsigned drivers, children, parents;
};

/* Who has opened protocols of a handle as a driver, and children that were made on it. */
static struct counts count_opens(struct shell *s, uint64_t id, uint64_t agent)
{
    const struct handle *h = handle_find(s->b, id);
    struct counts c = {0};

    for (unsigned i = 0; h && i < h->protocols->len; i++) {
        const struct protocol *p = h->protocols->pdata[i];

        for (unsigned j = 0; j < p->opens->len; j++) {
            const struct open_info *o = &g_array_index(p->opens, struct open_info, j);

            if (agent && o->agent != agent)
                continue;
            c.drivers += (o->attributes & OPEN_BY_DRIVER) != 0;
            c.children += (o->attributes & OPEN_BY_CHILD) != 0;
        }
    }
    return c;
}

/* The device above, by device path; 0. */
static uint64_t parent_of(struct shell *s, uint64_t id)
{
    struct devpath *p = g_new0(struct devpath, 1);
    uint64_t parent = 0;
    size_t used, at = 0, last = 0;

    if (devpath_read(s->b, handle_interface(s->b, id, guid_device_path), p)) {
        for (size_t n; (n = devpath_node(p, at)) > 0; at += n)
            last = at;
        parent = handle_by_path(s->b, guid_device_path, p->data, last, &used);
    }
    g_free(p);
    return parent;
}

static bool is_device(struct shell *s, const struct handle *h)
{
    return handle_protocol((struct handle *)h, guid_device_path) &&
           !handle_protocol((struct handle *)h, guid_loaded_image) && s;
}

static struct counts device_counts(struct shell *s, uint64_t id)
{
    struct counts c = count_opens(s, id, 0);

    c.parents = parent_of(s, id) != 0;
    c.drivers += handle_interface(s->b, id, guid_block_io) != 0 ||
                 handle_interface(s->b, id, guid_serial_io) != 0 ||
                 handle_interface(s->b, id, guid_text_out) != 0;
    for (GList *l = s->b->handle_order.head; l; l = l->next)
        c.children += parent_of(s, ((struct handle *)l->data)->id) == id;
    return c;
}

uint64_t cmd_devices(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 0, 0);

    if (status != EFI_SUCCESS)
        return status;
    shell_puts(s, "C  T   D\nT  Y C I\nR  P F A\nL  E G G #P #D #C Device Name\n"
                  "== = = = == == == "
                  "=============================================================\n");
    for (GList *l = s->b->handle_order.head; l; l = l->next) {
        const struct handle *h = l->data;
        struct counts c;
        char *path;

        if (!is_device(s, h))
            continue;
        c = device_counts(s, h->id);
        path = path_of(s, h->id);
        shell_print(s, "%02X %c - - %2u %2u %2u %s\n", number_of(s, h->id),
                    !c.parents   ? 'R'
                    : c.children ? 'B'
                                 : 'D',
                    c.parents, c.drivers, c.children, path ? path : "");
        g_free(path);
    }
    return EFI_SUCCESS;
}

static void show_tree(struct shell *s, uint64_t id, unsigned depth)
{
    char *path = path_of(s, id);

    shell_print(s, "%*sCtrl[%02X] %s\n", 2 + 2 * (int)depth, "", number_of(s, id),
                path ? path : "");
    g_free(path);
    for (GList *l = s->b->handle_order.head; l && depth < SHELL_DIRS_MAX; l = l->next) {
        const struct handle *h = l->data;

        if (is_device(s, h) && parent_of(s, h->id) == id)
            show_tree(s, h->id, depth + 1);
    }
}

uint64_t cmd_devtree(struct shell *s, struct shell_words *w)
{
    uint64_t status, top = 0;

    shell_option(w, "-d");
    status = shell_check(s, w, 0, 1);
    if (status == EFI_SUCCESS && w->count == 2) {
        top = shell_handle(s, w->word[1]);
        if (!top)
            return shell_fail(s, EFI_INVALID_PARAMETER, "%s is no handle", w->word[1]);
    }
    if (status != EFI_SUCCESS)
        return status;
    shell_puts(s, "Device Tree\n");
    if (top)
        show_tree(s, top, 0);
    for (GList *l = s->b->handle_order.head; l && !top; l = l->next) {
        const struct handle *h = l->data;

        if (is_device(s, h) && !parent_of(s, h->id))
            show_tree(s, h->id, 0);
    }
    return EFI_SUCCESS;
}

uint64_t cmd_drivers(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 0, 0);

    if (status != EFI_SUCCESS)
        return status;
    shell_puts(s, "DRV VERSION   #D #C IMAGE NAME\n=== ======== === === "
                  "=====================================\n");
    for (GList *l = s->b->handle_order.head; l; l = l->next) {
        const struct handle *h = l->data;
        uint64_t binding = handle_interface(s->b, h->id, guid_driver_binding);
        unsigned devices = 0, children = 0;
        uint32_t version = 0;
        char *file;

        if (!binding)
            continue;
        boot_read(s->b, binding + 24, &version, 4);
        for (GList *d = s->b->handle_order.head; d; d = d->next) {
            struct counts c = count_opens(s, ((struct handle *)d->data)->id, h->id);

            devices += c.drivers != 0;
            children += c.children;
        }
        file = image_file(s, h->id);
        shell_print(s, "%3X %08X %3u %3u %s\n", number_of(s, h->id), version, devices, children,
                    file ? file : "");
        g_free(file);
    }
    shell_puts(s, "The firmware's own devices need no drivers of this list.\n");
    return EFI_SUCCESS;
}

uint64_t cmd_openinfo(struct shell *s, struct shell_words *w)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } kind[] = {{OPEN_BY_DRIVER, "Driver"},   {OPEN_BY_CHILD, "Child"},
                {OPEN_BY_HANDLE, "HandProt"}, {OPEN_GET, "GetProt"},
                {OPEN_TEST, "TestProt"},      {OPEN_EXCLUSIVE, "Exclusive"}};
    uint64_t status = shell_check(s, w, 1, 1), id;
    const struct handle *h;
    char buffer[40];

    if (status != EFI_SUCCESS)
        return status;
    id = shell_handle(s, w->word[1]);
    if (!id)
        return shell_fail(s, EFI_INVALID_PARAMETER, "%s is no handle", w->word[1]);
    h = handle_find(s->b, id);
    shell_print(s, "Handle %02X (%" PRIX64 ")\n", number_of(s, id), id);
    for (unsigned i = 0; i < h->protocols->len; i++) {
        const struct protocol *p = h->protocols->pdata[i];

        shell_print(s, "%s\n", shell_guid_name(p->guid, buffer));
        for (unsigned j = 0; j < p->opens->len; j++) {
            const struct open_info *o = &g_array_index(p->opens, struct open_info, j);

            shell_print(s, "  Agent[%02X] Ctrl[%02X] Cnt(%u)", number_of(s, o->agent),
                        number_of(s, o->controller), o->count);
            for (unsigned n = 0; n < G_N_ELEMENTS(kind); n++)
                if (o->attributes & kind[n].bit)
                    shell_print(s, " %s", kind[n].name);
            shell_puts(s, "\n");
        }
    }
    return EFI_SUCCESS;
}

/* --- connect, disconnect, reconnect --- */

struct connecting {
    GArray *devices;
    unsigned at;
    uint64_t driver, child;
    bool disconnect, connect, recursive, disconnected;
    unsigned good;
};

static void end_connecting(struct shell *s, void *data)
{
    struct connecting *c = data;

    (void)s;
    g_array_unref(c->devices);
    g_free(c);
}

static void call(struct shell *s)
{
    struct connecting *c = s->job.data;
    uint64_t device = g_array_index(c->devices, uint64_t, c->at);

    if (c->disconnect && !c->disconnected) {
        c->disconnected = true;
        driver_disconnect(s->b, device, c->driver, c->child);
    } else {
        driver_connect(s->b, device, c->driver, c->recursive);
    }
}

static void told(struct shell *s, const struct connecting *c, uint64_t status)
{
    const char *text = shell_status_text(status);

    shell_print(s, "%s: handle %X - %s\n", s->words->word[0],
                number_of(s, g_array_index(c->devices, uint64_t, c->at)), text ? text : "Error");
}

static enum job_wait connect_step(struct shell *s)
{
    struct connecting *c = s->job.data;

    if (s->job.guest) { /* a call has ended */
        bool more = c->disconnect && c->connect && c->disconnected;

        s->job.guest = NULL;
        c->good += s->job.result == EFI_SUCCESS;
        if (c->devices->len == 1 || s->job.result == EFI_SUCCESS)
            told(s, c, s->job.result);
        if (c->devices->len == 1)
            s->status = s->job.result;
        if (more) {
            c->disconnect = false;
            s->job.guest = call;
            return JOB_GUEST;
        }
        c->at++;
        c->disconnect |= c->disconnected;
        c->disconnected = false;
    }
    while (c->at < c->devices->len &&
           !handle_find(s->b, g_array_index(c->devices, uint64_t, c->at)))
        c->at++;
    if (c->at >= c->devices->len)
        return JOB_DONE;
    s->job.guest = call;
    return JOB_GUEST;
}

/* Words: [device [driver [child]]]. */
static uint64_t begin_connecting(struct shell *s, struct shell_words *w, bool disconnect,
                                 bool connect, bool all)
{
    struct connecting *c = g_new0(struct connecting, 1);
    uint64_t id[3] = {0};

    c->disconnect = disconnect;
    c->connect = connect;
    c->recursive = connect && (disconnect || all);
    for (unsigned i = 1; i < w->count; i++) {
        id[i - 1] = shell_handle(s, w->word[i]);
        if (!id[i - 1]) {
            g_free(c);
            return shell_fail(s, EFI_INVALID_PARAMETER, "%s is no handle", w->word[i]);
        }
    }
    c->driver = id[1];
    c->child = id[2];
    if (w->count > 1) {
        c->devices = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        g_array_append_val(c->devices, id[0]);
    } else {
        c->devices = handles_with(s->b, guid_device_path);
    }
    shell_begin(s, connect_step, c, end_connecting);
    return EFI_SUCCESS;
}

uint64_t cmd_connect(struct shell *s, struct shell_words *w)
{
    bool all = shell_option(w, "-r") | shell_option(w, "-c");
    uint64_t status = shell_check(s, w, 0, 2);

    return status == EFI_SUCCESS ? begin_connecting(s, w, false, true, all) : status;
}

static uint64_t with_disconnect(struct shell *s, struct shell_words *w, bool connect)
{
    bool all = shell_option(w, "-r");
    uint64_t status = shell_check(s, w, all ? 0 : 1, all ? 0 : 3);

    return status == EFI_SUCCESS ? begin_connecting(s, w, true, connect, all) : status;
}

uint64_t cmd_disconnect(struct shell *s, struct shell_words *w)
{
    return with_disconnect(s, w, false);
}

uint64_t cmd_reconnect(struct shell *s, struct shell_words *w)
{
    return with_disconnect(s, w, true);
}
