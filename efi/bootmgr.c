/* The boot manager: what is started after power-on, and in which order.
 *
 * BootNext, then the boot options of BootOrder, then every volume that has the default program for
 * media, \EFI\BOOT\BOOTIA64.EFI, then every device that loads a file by itself (network), at last
 * the built-in shell. A count-down comes first; a key stops it and leaves the choice to the user.
 */
#include <stdio.h>
#include "drive.h"
#include "keys.h"
#include "log.h"
#include "maint.h"
#include "menu.h"
#include "runtime.h"
#include "shell.h"

#define TITLE            "EFI Boot Manager ver 1.10 [14.62] [Build: Fri Aug  4 11:37:36 2006]"
#define WATCHDOG_SECONDS 300
#define SECOND           10000000ull /* in 100 ns */
#define KEY_POLL         (SECOND / 100)
#define KEY_POLL_BUSY    (SECOND / 1000) /* while keys are coming */
#define ATTEMPTS_MAX     64              /* options that are tried by themselves */
#define ITEM_MAINT       (-2)

struct bootmgr {
    GPtrArray *options; /* struct bootopt; the last is the shell */
    struct menu menu;
    struct maint *maint;
    uint64_t deadline;
    unsigned shown; /* seconds on the screen */
    int first;      /* BootNext's option: an index, or -1 */
    unsigned next;  /* the option to try next */
    unsigned attempts;
    bool chosen; /* by the user: one option only */
    struct bootopt *going;
};

enum { COUNT_DOWN, MENU, MAINT, PAUSE, LOADING, RUNNING };

static const uint16_t default_file[] = u"\\EFI\\BOOT\\BOOTIA64.EFI";

/* --- the list --- */

static void add(struct boot *b, const char *text, const struct devpath *path)
{
    g_ptr_array_add(b->manager->options, bootopt_new(text, path, NULL, 0));
}

static void add_named(struct boot *b, const char *what, const struct devpath *device,
                      const uint16_t *file)
{
    struct devpath *path = g_memdup2(device, sizeof(*device));
    char *where = devpath_text(device), *text = g_strdup_printf("%s [%s]", what, where);

    if (file)
        devpath_add_file(path, file);
    add(b, text, path);
    g_free(text);
    g_free(where);
    g_free(path);
}

static void add_order(struct boot *b)
{
    GPtrArray *list = bootopt_list(b);

    for (unsigned i = 0; i < list->len; i++) {
        struct bootopt *o = list->pdata[i];

        if (!o->damaged)
            g_ptr_array_add(b->manager->options, bootopt_copy(o));
    }
    g_ptr_array_unref(list);
}

static bool has_default(const struct blk_device *d)
{
    struct fs_file *root, *f;
    bool file;
    int err;

    if (!d->present || !d->fs || fs_root(d->fs, &root))
        return false;
    err = fs_open(root, default_file, FS_READ, 0, &f);
    fs_close(root);
    if (err)
        return false;
    file = !fs_is_dir(f);
    fs_close(f);
    return file;
}

/* Why nothing on the drive can be started, or 0: something can, or nothing was to be expected. */
static uint64_t drive_trouble(struct boot *b, const struct blk_device *drive)
{
    uint64_t trouble = drive->removable && !drive->present ? 0 : drive->trouble;

    for (unsigned i = 0; i < b->devices->len; i++) {
        const struct blk_device *d = b->devices->pdata[i];

        if (d != drive && (d->parent != drive || !d->present))
            continue;
        if (has_default(d))
            return 0;
        if (!trouble && d->present)
            trouble = d->trouble;
    }
    return !trouble && drive->removable && drive->present ? EFI_NOT_FOUND : trouble;
}

/* Drives that should have a volume: trying them says what is wrong. */
static void add_troubled(struct boot *b)
{
    for (unsigned i = 0; i < b->devices->len; i++) {
        const struct blk_device *d = b->devices->pdata[i];
        uint64_t trouble = d->parent ? 0 : drive_trouble(b, d);

        if (!trouble)
            continue;
        add_named(b, "Removable Media Boot", &d->path, NULL);
        ((struct bootopt *)b->manager->options->pdata[b->manager->options->len - 1])->trouble =
            trouble;
    }
}

static void add_volumes(struct boot *b)
{
    for (unsigned i = 0; i < b->devices->len; i++)
        block_refresh(b, b->devices->pdata[i]);
    for (unsigned i = 0; i < b->devices->len; i++) {
        const struct blk_device *d = b->devices->pdata[i];

        if (has_default(d))
            add_named(b, "Removable Media Boot", &d->path, default_file);
    }
}

/* Devices with a Load File protocol. */
static void add_load_files(struct boot *b)
{
    GArray *all = handles_with(b, guid_load_file);
    struct devpath *path = g_new(struct devpath, 1);

    for (unsigned i = 0; i < all->len; i++) {
        uint64_t id = g_array_index(all, uint64_t, i);

        if (devpath_read(b, handle_interface(b, id, guid_device_path), path))
            add_named(b, "Load File", path, NULL);
    }
    g_free(path);
    g_array_unref(all);
}

static void add_shell(struct boot *b)
{
    struct devpath path = {.size = 0};

    devpath_add_file(&path, BOOTOPT_SHELL);
    add(b, SHELL_NAME, &path);
}

static void build_list(struct boot *b)
{
    g_ptr_array_set_size(b->manager->options, 0);
    add_order(b);
    add_volumes(b);
    add_troubled(b);
    add_load_files(b);
    add_shell(b);
}

/* BootNext is used up. An option that is not in BootOrder goes in front. */
static void take_boot_next(struct boot *b)
{
    struct bootmgr *m = b->manager;
    int number = boot_variable16(b, "BootNext");
    struct bootopt *o;

    m->first = -1;
    boot_delete_variable(b, "BootNext");
    for (unsigned i = 0; number >= 0 && i < m->options->len; i++)
        if (((struct bootopt *)m->options->pdata[i])->number == number)
            m->first = (int)i;
    o = number >= 0 && m->first < 0 ? bootopt_read(b, (unsigned)number) : NULL;
    if (o && !o->damaged) {
        g_ptr_array_insert(m->options, 0, o);
        m->first = 0;
    } else {
        bootopt_free(o);
    }
}

static bool is_active(const struct bootmgr *m, unsigned n)
{
    return ((struct bootopt *)m->options->pdata[n])->attributes & BOOTOPT_ACTIVE;
}

/* What the count-down is for. */
static unsigned default_option(const struct bootmgr *m)
{
    unsigned n = 0;

    if (m->first >= 0)
        return (unsigned)m->first;
    while (n + 1 < m->options->len && !is_active(m, n))
        n++;
    return n;
}

/* --- screen --- */

static void draw(struct boot *b)
{
    struct bootmgr *m = b->manager;

    menu_clear(&m->menu);
    m->menu.title = TITLE;
    m->menu.subtitle = "Please select a boot option";
    m->menu.help = MENU_HELP;
    for (unsigned i = 0; i < m->options->len; i++)
        menu_add(&m->menu, (int)i, "%s", ((struct bootopt *)m->options->pdata[i])->text);
    menu_add(&m->menu, ITEM_MAINT, "Boot option maintenance menu");
    menu_draw(b, &m->menu);
}

/* What the platform's own firmware says before the menu; logs of consoles keep it. */
/* Each drive as it is found, and again with what was agreed on with it. */
static void put_probes(struct boot *b)
{
    for (unsigned i = 0; i < b->fw->drive_count; i++) {
        const struct firmware_drive *d = &b->fw->drives[i];
        char who[64] = "";

        if (d->identity)
            d->identity(d->opaque, who, sizeof(who));
        if (who[0])
            console_printf(b, "Scsi(Pun%u,Lun0) %s\r\nScsi(Pun%u,Lun0) %s ( 80 MBytes/sec)\r\n",
                           d->target, who, d->target, who);
    }
}

static void put_banner(struct boot *b)
{
    if (b->fw->restarted)
        console_puts(b, "\r\n*** VM restarting ***\r\n");
    b->fw->restarted = true;
    put_probes(b);
    console_puts(b,
                 "\r\nEFI version 1.10 [14.62] Build flags: Running on Intel(R) Itanium Processor "
                 "EFI_DEBUG\r\n"
                 "EFI IA-64 SDV/FDK (BIOS CallBacks) [Fri Aug  4 11:37:36 2006] - HP\r\n"
                 "Cache Enabled. This image MainEntry is at address 0000000000102000\r\n"
                 "FPSWA.EFI preload successful.\r\nFPSWA.EFI start successful.\r\n"
                 "Loading device drivers\r\n");
}

static void show_menu(struct boot *b, struct task *t)
{
    struct bootmgr *m = b->manager;

    t->w[0] = MENU;
    m->chosen = true;
    m->menu.selected = 0;
    build_list(b);
    draw(b);
}

static void pause(struct boot *b, struct task *t)
{
    console_puts(b, "Paused - press any key to continue");
    t->w[0] = PAUSE;
}

static const char *status_text(uint64_t status)
{
    static const char *const errors[] = {
        [1] = "Load Error",       [2] = "Invalid Parameter", [3] = "Unsupported",
        [5] = "Buffer Too Small", [6] = "Not Ready",         [7] = "Device Error",
        [8] = "Write Protected",  [9] = "Out of Resources",  [10] = "Volume Corrupted",
        [11] = "Volume Full",     [12] = "No Media",         [13] = "Media Changed",
        [14] = "Not Found",       [15] = "Access Denied",    [16] = "No Response",
        [17] = "No Mapping",      [18] = "Time Out",         [19] = "Not Started",
        [20] = "Already Started", [21] = "Aborted",          [22] = "ICMP Error",
        [23] = "TFTP Error",      [24] = "Protocol Error",
    };
    uint64_t n = status & ~EFI_ERR(0);

    if (status == EFI_SUCCESS)
        return "Success";
    return EFI_IS_ERROR(status) && n < G_N_ELEMENTS(errors) && errors[n] ? errors[n] : "Unknown";
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

/* A path that ends at a drive: the first volume there that has the default program. */
static void find_volume(struct boot *b, struct devpath *p)
{
    for (unsigned i = 0; i < b->devices->len; i++) {
        const struct blk_device *d = b->devices->pdata[i];

        if (!d->parent || d->parent->path.size != p->size ||
            memcmp(d->parent->path.data, p->data, p->size) || !has_default(d))
            continue;
        *p = d->path;
        return;
    }
}

/* A volume without a file means the default program. */
static void load(struct boot *b, const struct bootopt *o)
{
    struct devpath *path = g_new(struct devpath, 1);
    uint64_t device;
    size_t used;

    bootopt_path(o, path);
    complete_path(b, path);
    find_volume(b, path);
    device = handle_by_path(b, guid_simple_fs, path->data, path->size, &used);
    if (device && used == path->size)
        devpath_add_file(path, default_file);
    image_load_path(b, 0, true, path);
    g_free(path);
}

static bool is_shell(const struct bootopt *o)
{
    struct devpath *path = g_new(struct devpath, 1);
    uint16_t *name;
    bool yes;

    bootopt_path(o, path);
    name = devpath_file(path, 0);
    yes = name && fs_name_compare(name, BOOTOPT_SHELL) == 0;
    g_free(name);
    g_free(path);
    return yes;
}

static void set_current(struct boot *b, const struct bootopt *o)
{
    uint8_t number[2] = {(uint8_t)o->number, (uint8_t)(o->number >> 8)};

    efi_variable_put(b->fw, guid_global_variable, "BootCurrent", 6, number, o->number < 0 ? 0 : 2);
}

static void loaded(struct boot *b, struct task *t, uint64_t status);

/* Takes the option over. Goes on in loaded(), or in ended() for the shell; both may have happened
 * when this returns. */
static void start(struct boot *b, struct task *t, struct bootopt *o)
{
    struct bootmgr *m = b->manager;

    bootopt_free(m->going);
    m->going = o;
    console_printf(b, "Loading.: %s\r\n", o->text);
    if (is_shell(o)) {
        set_current(b, o);
        t->w[0] = RUNNING;
        efi_shell_run(b);
        return;
    }
    t->w[0] = LOADING;
    if (o->trouble)
        loaded(b, t, o->trouble);
    else
        load(b, o);
}

/* The option to try by itself, or -1: BootNext's, then every active one. */
static int next_option(struct bootmgr *m)
{
    if (m->first >= 0 && m->attempts++ == 0)
        return m->first;
    while (m->next < m->options->len) {
        unsigned n = m->next++;

        if (n + 1 < m->options->len && m->attempts >= ATTEMPTS_MAX)
            continue; /* too many that do not work: the shell is left */
        if (is_active(m, n) && (int)n != m->first) {
            m->attempts++;
            return (int)n;
        }
    }
    return -1;
}

static void wait_for_key(struct boot *b, struct task *t)
{
    task_wait(b, t, boot_now(b) + boot_ticks(b, KEY_POLL));
}

static void try_next(struct boot *b, struct task *t)
{
    struct bootmgr *m = b->manager;
    int n = m->chosen ? -1 : next_option(m);

    if (n >= 0) {
        start(b, t, bootopt_copy(m->options->pdata[n]));
        return;
    }
    pause(b, t);
    wait_for_key(b, t);
}

static void loaded(struct boot *b, struct task *t, uint64_t status)
{
    const struct bootopt *o = b->manager->going;
    uint64_t image = t->w[IMAGE_HANDLE_WORD];

    if (status != EFI_SUCCESS) {
        console_printf(b, "Load of %s failed: %s\r\n", o->text, status_text(status));
        log_info("boot option %s cannot be loaded: %s", o->text, status_text(status));
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

/* After a program that failed the next option is tried; one that did its work, or the shell, is
 * followed by the menu. */
static void ended(struct boot *b, struct task *t, uint64_t status)
{
    struct bootmgr *m = b->manager;

    log_info("boot option %s ended: %s", m->going->text, status_text(status));
    console_attribute(b, 0x07);
    if (status == EFI_SUCCESS && is_shell(m->going)) {
        show_menu(b, t);
        wait_for_key(b, t);
        return;
    }
    console_printf(b, "\r\nExit status code: %s\r\n", status_text(status));
    m->chosen |= status == EFI_SUCCESS;
    try_next(b, t);
}

/* --- keys --- */

/* False when something has been started: the caller touches nothing any more. */
static bool choose(struct boot *b, struct task *t, int id)
{
    struct bootmgr *m = b->manager;

    if (id == ITEM_MAINT) {
        t->w[0] = MAINT;
        m->maint = maint_new(b);
        return true;
    }
    if (id < 0)
        return true;
    menu_leave(b, &m->menu);
    m->chosen = true;
    start(b, t, bootopt_copy(m->options->pdata[id]));
    return false;
}

static bool on_maint_key(struct boot *b, struct task *t, const struct key *key)
{
    struct bootmgr *m = b->manager;
    enum maint_event e = maint_key(m->maint, key);
    struct bootopt *o;

    if (e == MAINT_STAY)
        return true;
    o = maint_chosen(m->maint);
    g_clear_pointer(&m->maint, maint_free);
    if (e == MAINT_START && o) {
        console_clear(b);
        m->chosen = true;
        start(b, t, o);
        return false;
    }
    bootopt_free(o);
    show_menu(b, t);
    return true;
}

static bool on_key(struct boot *b, struct task *t, const struct key *key)
{
    struct bootmgr *m = b->manager;

    if (t->w[0] == MAINT)
        return on_maint_key(b, t, key);
    if (t->w[0] == PAUSE) {
        show_menu(b, t);
        return true;
    }
    if (t->w[0] == COUNT_DOWN) {
        t->w[0] = MENU;
        menu_status(b, &m->menu, "");
    }
    if (menu_key(b, &m->menu, key) == MENU_CHOSEN)
        return choose(b, t, menu_selected(&m->menu));
    return true;
}

/* True when time is up. */
static bool count_down(struct boot *b)
{
    struct bootmgr *m = b->manager;
    uint64_t now = boot_now(b), second = boot_ticks(b, SECOND);
    unsigned left = now < m->deadline ? (unsigned)((m->deadline - now + second - 1) / second) : 0;
    char text[80];

    if (left != m->shown && left) {
        snprintf(text, sizeof(text), "Default boot selection will be booted in %u seconds", left);
        menu_status(b, &m->menu, text);
    }
    m->shown = left;
    return left == 0;
}

static void poll_keys(struct boot *b, struct task *t)
{
    bool any = false;
    struct key key;

    while (console_key(b, &key)) {
        any = true;
        if (!on_key(b, t, &key))
            return;
    }
    if (t->w[0] == COUNT_DOWN && count_down(b)) {
        menu_leave(b, &b->manager->menu);
        try_next(b, t);
        return;
    }
    task_wait(b, t, boot_now(b) + boot_ticks(b, any ? KEY_POLL_BUSY : KEY_POLL));
}

static void step(struct boot *b, struct task *t, uint64_t status)
{
    if (!b->live) { /* a program that has ended boot services cannot come back */
        log_warn("an EFI program returned after ExitBootServices");
        runtime_reset(b->fw, b->c, RESET_COLD);
        return;
    }
    switch (t->w[0]) {
    case LOADING:
        loaded(b, t, status);
        break;
    case RUNNING:
        ended(b, t, status);
        break;
    default:
        poll_keys(b, t);
    }
}

void bootmgr_start(struct boot *b)
{
    struct task *t = task_root(b, step);
    struct bootmgr *m = g_new0(struct bootmgr, 1);
    int timeout = boot_variable16(b, "Timeout");

    b->manager = m;
    m->options = g_ptr_array_new_with_free_func(bootopt_free);
    put_banner(b);
    maint_console_variables(b);
    build_list(b);
    take_boot_next(b);
    m->menu.selected = default_option(m);
    draw(b);
    if (timeout < 0)
        timeout = BOOT_TIMEOUT;
    t->w[0] = timeout == BOOT_WAIT ? MENU : COUNT_DOWN;
    m->chosen = timeout == BOOT_WAIT;
    m->deadline = boot_now(b) + boot_ticks(b, (uint64_t)timeout * SECOND);
    poll_keys(b, t);
}

void bootmgr_done(struct boot *b)
{
    struct bootmgr *m = b->manager;

    if (!m)
        return;
    g_ptr_array_unref(m->options);
    menu_free(&m->menu);
    maint_free(m->maint);
    bootopt_free(m->going);
    g_clear_pointer(&b->manager, g_free);
}
