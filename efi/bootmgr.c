/* The boot manager: what is started after power-on, and in which order.
 *
 * BootNext, then the boot options of BootOrder, then every volume that has the default program for
 * media, \EFI\BOOT\BOOTIA64.EFI, then every device that loads a file by itself (network). A
 * count-down comes first; a key stops it and lets the user choose by number.
 */
#include <inttypes.h>
#include <stdio.h>
#include "drive.h"
#include "le.h"
#include "log.h"
#include "runtime.h"
#include "shell.h"

#define OPTION_ACTIVE    1u
#define DESCRIPTION_MAX  256
#define DEFAULT_TIMEOUT  10
#define WATCHDOG_SECONDS 300
#define NV_BOOT_RUNTIME  7u
#define SECOND           10000000ull /* in 100 ns */
#define LIST_MAX         60

struct option {
    char *text;
    struct devpath path;
    uint8_t *data;
    uint32_t size;
    int number; /* of Boot####, -1: default program of a volume */
    bool active, shell;
};

struct bootmgr {
    GPtrArray *options;
    unsigned next;
    uint64_t deadline;
    unsigned shown;
    bool chosen;          /* one option only: back to the list when it ends */
    unsigned typed;       /* digits of a choice */
    struct option *going; /* the one that runs */
};

enum { COUNT_DOWN, TRY_NEXT, LOADING, RUNNING, CHOOSE };

static const uint16_t default_file[] = u"\\EFI\\BOOT\\BOOTIA64.EFI";

static void free_option(gpointer p)
{
    struct option *o = p;

    g_free(o->text);
    g_free(o->data);
    g_free(o);
}

/* --- the list --- */

static char *text_of(const uint8_t *s, size_t chars)
{
    GString *g = g_string_new(NULL);

    for (size_t i = 0; i < chars && le16(s + 2 * i); i++)
        g_string_append_c(
            g, le16(s + 2 * i) >= ' ' && le16(s + 2 * i) < 0x7f ? (char)le16(s + 2 * i) : '?');
    return g_string_free(g, FALSE);
}

/* The path in a load option; false when it is damaged. */
static bool take_path(struct devpath *p, const uint8_t *d, size_t size)
{
    size_t at = 0;

    while (at + 4 <= size && (d[at] & 0x7f) != 0x7f) {
        size_t len = le16(d + at + 2);

        if (len < 4 || len > size - at || at + len > DEVPATH_MAX - 4)
            return false;
        at += len;
    }
    memcpy(p->data, d, at);
    p->size = at;
    return at > 0;
}

/* EFI load option: attributes, length of the path list, description, paths, data. */
static struct option *parse(const struct fw_variable *v, int number)
{
    size_t n = 0, paths, end;
    struct option *o;

    if (v->size < 8)
        return NULL;
    paths = le16(v->data + 4);
    while (6 + 2 * n + 2 <= v->size && le16(v->data + 6 + 2 * n))
        n++;
    end = 6 + 2 * n + 2;
    if (n > DESCRIPTION_MAX || end > v->size || paths > v->size - end)
        return NULL;
    o = g_new0(struct option, 1);
    if (!take_path(&o->path, v->data + end, paths)) {
        g_free(o);
        return NULL;
    }
    o->active = le32(v->data) & OPTION_ACTIVE;
    o->text = text_of(v->data + 6, n);
    o->size = v->size - (uint32_t)(end + paths);
    o->data = g_memdup2(v->data + end + paths, o->size);
    o->number = number;
    return o;
}

static void add_number(struct boot *b, unsigned number)
{
    const struct fw_variable *v;
    struct option *o;
    char name[16];

    snprintf(name, sizeof(name), "Boot%04X", number & 0xffff);
    v = efi_variable(b->fw, guid_global_variable, name);
    o = v && b->manager->options->len < LIST_MAX ? parse(v, (int)number) : NULL;
    if (o)
        g_ptr_array_add(b->manager->options, o);
}

static void add_order(struct boot *b)
{
    const struct fw_variable *v = efi_variable(b->fw, guid_global_variable, "BootOrder");

    for (unsigned i = 0; v && i + 2 <= v->size; i += 2)
        add_number(b, le16(v->data + i));
}

static void add_default(struct boot *b, struct blk_device *d)
{
    struct option *o = g_new0(struct option, 1);
    char *path = devpath_text(&d->path);

    o->text = g_strdup_printf("Removable Media Boot [%s]", path);
    o->path = d->path;
    o->number = -1;
    o->active = true;
    g_free(path);
    devpath_add_file(&o->path, default_file);
    g_ptr_array_add(b->manager->options, o);
}

static bool has_default(struct boot *b, struct blk_device *d)
{
    uint8_t *data;
    size_t size;

    if (!d->fs || file_load(b, d->handle, default_file, &data, &size) != EFI_SUCCESS)
        return false;
    g_free(data);
    return true;
}

/* Devices with a Load File protocol. */
static void add_load_files(struct boot *b)
{
    GArray *all = handles_with(b, guid_load_file);
    struct devpath *path = g_new(struct devpath, 1);

    for (unsigned i = 0; i < all->len && b->manager->options->len < LIST_MAX; i++) {
        uint64_t id = g_array_index(all, uint64_t, i);
        struct option *o;
        char *text;

        if (!devpath_read(b, handle_interface(b, id, guid_device_path), path))
            continue;
        text = devpath_text(path);
        o = g_new0(struct option, 1);
        o->text = g_strdup_printf("Load File [%s]", text);
        o->path = *path;
        o->number = -1;
        o->active = true;
        g_ptr_array_add(b->manager->options, o);
        g_free(text);
    }
    g_free(path);
    g_array_unref(all);
}

static void add_shell(struct boot *b)
{
    struct option *o = g_new0(struct option, 1);

    o->text = g_strdup(SHELL_NAME);
    o->number = -1;
    o->active = o->shell = true;
    g_ptr_array_add(b->manager->options, o);
}

static void build_list(struct boot *b)
{
    g_ptr_array_set_size(b->manager->options, 0);
    add_order(b);
    for (unsigned i = 0; i < b->devices->len && b->manager->options->len < LIST_MAX; i++)
        if (has_default(b, b->devices->pdata[i]))
            add_default(b, b->devices->pdata[i]);
    add_load_files(b);
    add_shell(b);
}

/* BootNext goes in front, and is used up. */
static void take_boot_next(struct boot *b)
{
    const struct fw_variable *v = efi_variable(b->fw, guid_global_variable, "BootNext");
    unsigned n = v && v->size >= 2 ? le16(v->data) : 0, before = b->manager->options->len;
    gpointer o;

    if (!v)
        return;
    efi_variable_put(b->fw, guid_global_variable, "BootNext", NV_BOOT_RUNTIME, NULL, 0);
    add_number(b, n);
    if (b->manager->options->len == before)
        return;
    o = g_ptr_array_steal_index(b->manager->options, before);
    ((struct option *)o)->active = true;
    g_ptr_array_insert(b->manager->options, 0, o);
}

/* --- screen --- */

static void show(struct boot *b)
{
    GPtrArray *l = b->manager->options;

    console_clear(b);
    console_puts(b, "EFI Boot Manager ver 1.10 [14.62]\r\n\r\nPlease select a boot option\r\n\r\n");
    for (unsigned i = 0; i < l->len; i++)
        console_printf(b, "  %2u  %.70s\r\n", i + 1, ((struct option *)l->pdata[i])->text);
    if (l->len == 0)
        console_puts(b, "    No boot option and no bootable medium.\r\n");
    console_puts(b, "\r\n");
}

static void prompt(struct boot *b, struct task *t)
{
    t->w[0] = CHOOSE;
    b->manager->typed = 0;
    b->manager->chosen = false;
    console_puts(b, "\r\nNumber of an option and Enter, or Enter alone to look again: ");
}

static unsigned timeout(struct boot *b)
{
    const struct fw_variable *v = efi_variable(b->fw, guid_global_variable, "Timeout");

    return v && v->size >= 2 ? le16(v->data) : DEFAULT_TIMEOUT;
}

/* --- starting --- */

/* A path that begins at a partition is completed with the drive the partition is found on. */
static void complete_path(struct boot *b, struct devpath *p)
{
    size_t first = devpath_node(p, 0);

    if (!first || p->data[0] != 4 || p->data[1] != 1)
        return;
    for (unsigned i = 0; i < b->devices->len; i++) {
        const struct blk_device *d = b->devices->pdata[i];
        struct devpath full = d->path;

        if (!d->present || d->path.size < first ||
            memcmp(d->path.data + d->path.size - first, p->data, first))
            continue;
        for (size_t at = first, n; (n = devpath_node(p, at)) > 0; at += n)
            devpath_add(&full, p->data[at], p->data[at + 1], p->data + at + 4, n - 4);
        *p = full;
        return;
    }
}

/* A volume without a file means the default program. */
static void load(struct boot *b, const struct option *o)
{
    struct devpath *path = g_memdup2(&o->path, sizeof(o->path));
    uint64_t device;
    size_t used;

    complete_path(b, path);
    device = handle_by_path(b, guid_simple_fs, path->data, path->size, &used);
    if (device && used == path->size)
        devpath_add_file(path, default_file);
    image_load_path(b, 0, true, path);
    g_free(path);
}

static void set_current(struct boot *b, const struct option *o)
{
    uint8_t number[2];

    if (o->number < 0)
        return;
    put_le16(number, (uint16_t)o->number);
    efi_variable_put(b->fw, guid_global_variable, "BootCurrent", 6, number, 2);
}

static void report(struct boot *b, const struct option *o, uint64_t status)
{
    console_printf(b, "\r\n%s: status %" PRIX64 "\r\n", o->text, status);
    log_info("boot option %s ended with status %#" PRIx64, o->text, status);
}

/* The program goes on in loaded(), unless it is the shell. */
static void start(struct boot *b, struct task *t, struct option *o)
{
    console_printf(b, "Loading.: %s\r\n", o->text);
    b->manager->going = o;
    if (o->shell) {
        t->w[0] = RUNNING;
        efi_shell_run(b);
        return;
    }
    t->w[0] = LOADING;
    load(b, o);
}

/* A program that could not be started is followed by the next option; the list is for one that
 * ended. */
static void try_next(struct boot *b, struct task *t)
{
    struct bootmgr *m = b->manager;

    while (m->next < m->options->len) {
        struct option *o = m->options->pdata[m->next++];

        if (!o->active && !m->chosen)
            continue;
        start(b, t, o);
        return;
    }
    prompt(b, t);
    task_wait(b, t, boot_now(b) + boot_ticks(b, SECOND / 100));
}

static void loaded(struct boot *b, struct task *t, uint64_t status)
{
    struct bootmgr *m = b->manager;
    const struct option *o = m->going;
    uint64_t image = t->w[IMAGE_HANDLE_WORD];

    if (status != EFI_SUCCESS) {
        report(b, o, status);
        if (m->chosen)
            m->next = m->options->len;
        try_next(b, t);
        return;
    }
    image_set_options(b, image, o->data, o->size);
    console_printf(b, "Starting: %s\r\n\r\n", o->text);
    set_current(b, o);
    b->watchdog = boot_now(b) + boot_ticks(b, WATCHDOG_SECONDS * SECOND);
    t->w[0] = RUNNING;
    image_start(b, image);
}

static void choose(struct boot *b, struct task *t)
{
    struct bootmgr *m = b->manager;
    struct key key;

    while (console_key(b, &key)) {
        if (key.unicode >= '0' && key.unicode <= '9' && m->typed < 1000) {
            m->typed = 10 * m->typed + (key.unicode - '0');
            console_printf(b, "%c", key.unicode);
        } else if (key.unicode == '\r' && m->typed > 0 && m->typed <= m->options->len) {
            console_puts(b, "\r\n");
            m->next = m->typed - 1;
            m->chosen = true;
            try_next(b, t);
            return;
        } else if (key.unicode == '\r') {
            build_list(b);
            show(b);
            prompt(b, t);
        }
    }
    task_wait(b, t, boot_now(b) + boot_ticks(b, SECOND / 100));
}

static void count_down(struct boot *b, struct task *t)
{
    struct bootmgr *m = b->manager;
    uint64_t now = boot_now(b), second = boot_ticks(b, SECOND);
    unsigned left = now < m->deadline ? (unsigned)((m->deadline - now + second - 1) / second) : 0;
    struct key key;

    if (console_key(b, &key) && key.unicode != '\r') {
        prompt(b, t);
        choose(b, t);
        return;
    }
    if (left == 0 || m->options->len == 0 || key.unicode == '\r') {
        console_puts(b, "\r\n");
        t->w[0] = TRY_NEXT;
        try_next(b, t);
        return;
    }
    if (left != m->shown)
        console_printf(b, "\rDefault boot selection will be booted in %u seconds   ", left);
    m->shown = left;
    task_wait(b, t, now + second / 100);
}

static void ended(struct boot *b, struct task *t, uint64_t status)
{
    struct bootmgr *m = b->manager;

    report(b, m->going, status);
    t->w[0] = TRY_NEXT;
    if (m->chosen || status == EFI_SUCCESS)
        m->next = m->options->len;
    try_next(b, t);
}

static void step(struct boot *b, struct task *t, uint64_t status)
{
    switch (t->w[0]) {
    case COUNT_DOWN:
        count_down(b, t);
        break;
    case LOADING:
        loaded(b, t, status);
        break;
    case RUNNING:
        ended(b, t, status);
        break;
    default:
        choose(b, t);
    }
}

void bootmgr_start(struct boot *b)
{
    struct task *t = task_root(b, step);

    b->manager = g_new0(struct bootmgr, 1);
    b->manager->options = g_ptr_array_new_with_free_func(free_option);
    build_list(b);
    take_boot_next(b);
    show(b);
    b->manager->deadline = boot_now(b) + boot_ticks(b, timeout(b) * SECOND);
    count_down(b, t);
}

void bootmgr_done(struct boot *b)
{
    if (b->manager)
        g_ptr_array_unref(b->manager->options);
    g_clear_pointer(&b->manager, g_free);
}
