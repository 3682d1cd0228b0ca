/* Programs: loading, starting, leaving and unloading them, and the end of boot services. */
#include "boot.h"

#include <errno.h>
#include <inttypes.h>
#include "log.h"
#include "pe.h"

#define LOADED_IMAGE_REVISION 0x1000
#define LOADED_IMAGE_SIZE     96
#define AT_OPTIONS_SIZE       48
#define AT_OPTIONS            56
#define AT_UNLOAD             88

/* Registers a called function keeps, for a program that ends by Exit. */
struct preserved {
    uint64_t gr[4], br[5], pr, lc, unat, fpsr;
    bool nat[4];
    struct fpreg fr[4 + 16];
};

struct image {
    uint64_t handle, interface, path, options;
    uint64_t device; /* it came from, 0: none */
    uint64_t base, pages, descriptor;
    uint16_t subsystem;
    bool started, returned;
    struct task *task; /* while it runs */
    struct image *starter;
    struct preserved kept;
    uint64_t exit_size, exit_data;
};

void images_init(struct boot *b)
{
    b->images = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
}

void images_done(struct boot *b)
{
    g_clear_pointer(&b->images, g_hash_table_destroy);
}

static struct image *find(struct boot *b, uint64_t handle)
{
    return b->images ? g_hash_table_lookup(b->images, &handle) : NULL;
}

/* --- loading --- */

static uint32_t code_type(const struct pe_image *pe)
{
    return pe->subsystem == PE_SUBSYSTEM_APPLICATION   ? EFI_LOADER_CODE
           : pe->subsystem == PE_SUBSYSTEM_BOOT_DRIVER ? EFI_BOOT_CODE
                                                       : EFI_RUNTIME_CODE;
}

/* Pages for the program: at its preferred address if it cannot be moved, 64 KB-aligned as linkers
 * for this architecture assume. */
static uint64_t place(struct boot *b, const struct pe_image *pe, uint64_t *base, uint64_t *pages)
{
    uint64_t align = MAX(pe->alignment, 0x10000u), status, at;

    *pages = (pe->size + EFI_PAGE - 1) / EFI_PAGE;
    at = memmap_find_high(&b->fw->map, *pages * EFI_PAGE, align, HPVM_LOW_RAM_END);
    *base = pe->relocatable ? at : pe->base;
    status = *base ? memory_allocate(b, ALLOCATE_ADDRESS, code_type(pe), *pages, base)
                   : EFI_OUT_OF_RESOURCES;
    return status == EFI_SUCCESS ? status : EFI_OUT_OF_RESOURCES;
}

static uint64_t fill(struct boot *b, const struct pe_image *pe, const void *file, size_t size,
                     uint64_t base)
{
    uint8_t *memory = boot_ram(b, base, pe->size);
    uint64_t ip, gp;
    int err;

    if (!memory)
        return EFI_LOAD_ERROR;
    err = pe_load(pe, file, size, memory);
    if (!err && base != pe->base)
        err = pe_relocate(pe, memory, NULL, pe->base, base);
    if (!err)
        err = pe_entry(pe, memory, base, &ip, &gp);
    boot_wrote(b, base, pe->size);
    return err ? EFI_LOAD_ERROR : EFI_SUCCESS;
}

/* Device handle of a path, and what of it names the file. */
static uint64_t split_path(struct boot *b, const struct devpath *path, size_t *used)
{
    uint64_t handle = handle_by_path(b, guid_simple_fs, path->data, path->size, used);

    if (!handle)
        handle = handle_by_path(b, guid_load_file, path->data, path->size, used);
    return handle ? handle : handle_by_path(b, guid_device_path, path->data, path->size, used);
}

static bool put_loaded_image(struct boot *b, struct image *i, uint64_t parent,
                             const struct devpath *path, const struct pe_image *pe)
{
    uint64_t device, w[LOADED_IMAGE_SIZE / 8] = {LOADED_IMAGE_REVISION};
    struct devpath rest = {.size = 0};
    size_t used = 0;

    i->device = device = path ? split_path(b, path, &used) : 0;
    if (path) {
        rest.size = path->size - used;
        memcpy(rest.data, path->data + used, rest.size);
        i->path = devpath_write(b, &rest);
    }
    i->interface = boot_alloc(b, LOADED_IMAGE_SIZE);
    w[1] = parent;
    w[2] = b->fw->systab;
    w[3] = device;
    w[4] = i->path;
    w[8] = i->base;
    w[9] = pe->size;
    w[10] = code_type(pe) | (uint64_t)(code_type(pe) + 1) << 32; /* data type follows code type */
    return i->interface && boot_write(b, i->interface, w, sizeof(w));
}

static void drop_image(struct boot *b, struct image *i)
{
    if (i->handle)
        handle_uninstall(b, i->handle, guid_loaded_image, i->interface);
    if (i->path)
        pool_free(b, i->path);
    if (i->options)
        pool_free(b, i->options);
    if (i->interface)
        pool_free(b, i->interface);
    memory_free(b, i->base, i->pages);
}

uint64_t image_load(struct boot *b, uint64_t parent, const struct devpath *path, const void *file,
                    size_t size, uint64_t *handle)
{
    struct image *i = g_new0(struct image, 1);
    struct pe_image pe;
    char why[128] = "";
    uint64_t status;
    int err = pe_parse(file, size, &pe, why, sizeof(why));

    if (err)
        log_info("EFI program refused: %s", why);
    status = err ? (err == -ENOTSUP ? EFI_UNSUPPORTED : EFI_LOAD_ERROR)
                 : place(b, &pe, &i->base, &i->pages);
    if (status != EFI_SUCCESS) {
        g_free(i);
        return status;
    }
    i->subsystem = pe.subsystem;
    i->descriptor = i->base + pe.entry_rva;
    status = fill(b, &pe, file, size, i->base);
    if (status == EFI_SUCCESS && !put_loaded_image(b, i, parent, path, &pe))
        status = EFI_OUT_OF_RESOURCES;
    if (status == EFI_SUCCESS)
        status = handle_install(b, &i->handle, guid_loaded_image, i->interface);
    if (status != EFI_SUCCESS) {
        drop_image(b, i);
        g_free(i);
        return status;
    }
    log_debug("EFI program of %u bytes at %#" PRIx64, pe.size, i->base);
    g_hash_table_insert(b->images, &i->handle, i);
    *handle = i->handle;
    return EFI_SUCCESS;
}

void image_set_options(struct boot *b, uint64_t handle, const void *data, uint32_t size)
{
    struct image *i = find(b, handle);
    uint64_t at = i && size ? boot_alloc(b, size) : 0;

    if (!at)
        return;
    i->options = at;
    boot_write(b, at, data, size);
    boot_write(b, i->interface + AT_OPTIONS_SIZE, &size, 4);
    boot_write64(b, i->interface + AT_OPTIONS, at);
}

static uint64_t load_from_memory(struct boot *b, struct fwcall *k, const struct devpath *path,
                                 uint64_t *handle)
{
    const uint8_t *p = boot_ram(b, k->arg[3], k->arg[4]);
    uint64_t status;
    uint8_t *copy;

    if (!p || k->arg[4] == 0 || k->arg[4] > PE_IMAGE_MAX)
        return EFI_LOAD_ERROR;
    copy = g_memdup2(p, k->arg[4]); /* it may lie where the program goes */
    status = image_load(b, k->arg[1], path, copy, k->arg[4], handle);
    g_free(copy);
    return status;
}

/* w[0]: where the caller wants the handle. */
static void loaded(struct boot *b, struct task *t, uint64_t status)
{
    if (status == EFI_SUCCESS)
        boot_write64(b, t->w[0], t->w[IMAGE_HANDLE_WORD]);
    task_done(b, t, status);
}

static uint64_t load_from_path(struct boot *b, struct fwcall *k, const struct devpath *path)
{
    struct task *t = task_service(b, k, loaded);

    if (!t)
        return EFI_OUT_OF_RESOURCES;
    t->w[0] = k->arg[5];
    image_load_path(b, k->arg[1], k->arg[0] & 0xff, path);
    return EFI_SUCCESS;
}

/* (policy, parent, path, source, size, *handle) */
uint64_t bs_load_image(struct boot *b, struct fwcall *k)
{
    struct devpath *path = g_new(struct devpath, 1);
    bool have_path = k->arg[2] && devpath_read(b, k->arg[2], path);
    uint64_t handle = 0, status = EFI_INVALID_PARAMETER;

    if (!find(b, k->arg[1]) || !boot_ram(b, k->arg[5], 8)) {
        g_free(path);
        return status;
    }
    if (k->arg[3]) {
        status = load_from_memory(b, k, have_path ? path : NULL, &handle);
        if (status == EFI_SUCCESS)
            boot_write64(b, k->arg[5], handle);
    } else if (have_path) {
        status = load_from_path(b, k, path);
    }
    g_free(path);
    return status;
}

/* --- running --- */

static void keep_registers(const struct cpu *c, struct preserved *p)
{
    for (unsigned i = 0; i < 4; i++) {
        p->gr[i] = cpu_gr(c, 4 + i);
        p->nat[i] = cpu_gr_nat(c, 4 + i);
        p->fr[i] = cpu_fr(c, 2 + i);
    }
    for (unsigned i = 0; i < 16; i++)
        p->fr[4 + i] = cpu_fr(c, 16 + i);
    memcpy(p->br, &c->br[1], sizeof(p->br));
    p->pr = cpu_pr_all(c);
    p->lc = c->lc;
    p->unat = c->unat;
    p->fpsr = c->fpsr;
}

static void restore_registers(struct cpu *c, const struct preserved *p)
{
    for (unsigned i = 0; i < 4; i++) {
        cpu_set_gr(c, 4 + i, p->gr[i]);
        cpu_set_gr_nat(c, 4 + i, p->nat[i]);
        cpu_set_fr(c, 2 + i, p->fr[i]);
    }
    for (unsigned i = 0; i < 16; i++)
        cpu_set_fr(c, 16 + i, p->fr[4 + i]);
    memcpy(&c->br[1], p->br, sizeof(p->br));
    cpu_set_pr_all(c, p->pr);
    c->lc = p->lc;
    c->unat = p->unat;
    c->fpsr = p->fpsr;
}

static void forget_task(struct boot *b, struct task *t)
{
    struct image *i = find(b, t->w[0]);

    if (i && i->task == t) {
        i->task = NULL;
        b->running = i->starter;
    }
}

/* Programs are known by their files. */
static void tell(struct boot *b, const struct image *i, enum firmware_event event, const char *more)
{
    struct devpath *path = g_new0(struct devpath, 1);
    char *name =
        i->path && devpath_read(b, i->path, path) ? devpath_text(path) : g_strdup("memory");
    char *text = g_strconcat(name, more, NULL);

    firmware_tell(b->fw, event, text);
    g_free(text);
    g_free(name);
    g_free(path);
}

/* The program has returned or left. Applications, and drivers that failed, are unloaded. */
static void ended(struct boot *b, struct task *t, uint64_t status)
{
    struct image *i = find(b, t->w[0]);
    uint64_t handle = t->w[0];

    if (i) {
        char text[32];
        snprintf(text, sizeof(text), ", status %" PRIx64, status);
        tell(b, i, FIRMWARE_ENDED, text);
        i->returned = true;
        t->below->w[4] = i->exit_size; /* for StartImage's caller */
        t->below->w[5] = i->exit_data;
        if (i->subsystem == PE_SUBSYSTEM_APPLICATION || EFI_IS_ERROR(status)) {
            forget_task(b, t);
            drop_image(b, i);
            g_hash_table_remove(b->images, &handle);
        }
    }
    b->watchdog = 0;
    task_done(b, t, status);
}

void image_start(struct boot *b, uint64_t handle)
{
    struct task *t = task_part(b, ended);
    struct image *i = find(b, handle);
    uint64_t args[2] = {handle, b->fw->systab};

    t->w[0] = handle;
    t->drop = forget_task;
    if (!i || i->started) {
        t->w[0] = 0;
        task_done(b, t, EFI_INVALID_PARAMETER);
        return;
    }
    i->started = true;
    i->task = t;
    i->starter = b->running;
    b->running = i;
    tell(b, i, FIRMWARE_PROGRAM, "");
    keep_registers(b->c, &i->kept);
    task_call(b, t, i->descriptor, args, 2);
}

/* w: *size, **data of the caller; 4 and 5 come from ended(). */
static void started(struct boot *b, struct task *t, uint64_t status)
{
    if (t->w[0])
        boot_write64(b, t->w[0], t->w[4]);
    if (t->w[1])
        boot_write64(b, t->w[1], t->w[5]);
    task_done(b, t, status);
}

/* (handle, *size, **data) */
uint64_t bs_start_image(struct boot *b, struct fwcall *k)
{
    struct image *i = find(b, k->arg[0]);
    struct task *t;

    if (!i || i->started)
        return EFI_INVALID_PARAMETER;
    t = task_service(b, k, started);
    if (!t)
        return EFI_OUT_OF_RESOURCES;
    t->w[0] = k->arg[1];
    t->w[1] = k->arg[2];
    image_start(b, i->handle);
    return EFI_SUCCESS;
}

static void leave(struct boot *b, struct image *i, uint64_t status)
{
    struct task *t = i->task;

    task_unwind(b, t);
    restore_registers(b->c, &i->kept);
    t->step(b, t, status);
}

/* (handle, status, size, data): a program that has not been started is unloaded. */
uint64_t bs_exit(struct boot *b, struct fwcall *k)
{
    struct image *i = find(b, k->arg[0]);

    if (!i || (i->started && i != b->running) || (i->started && !i->task))
        return EFI_INVALID_PARAMETER;
    if (!i->started)
        return image_unload_host(b, i->handle);
    i->exit_size = k->arg[2];
    i->exit_data = k->arg[3];
    k->no_return = true;
    leave(b, i, k->arg[1]);
    return EFI_SUCCESS;
}

void image_crash(struct boot *b, unsigned vector)
{
    struct cpu *c = b->c;
    struct image *i = b->running;
    uint64_t ip = c->cr[CR_IIP];

    log_warn("EFI program stopped by an interruption: vector %#x, ip %#" PRIx64
             "+%u (program at %#" PRIx64 "), isr %#" PRIx64 ", ifa %#" PRIx64 ", iipa %#" PRIx64,
             vector, ip, (unsigned)(c->cr[CR_IPSR] >> PSR_RI_SHIFT & 3), i ? i->base : 0,
             c->cr[CR_ISR], c->cr[CR_IFA], c->cr[CR_IIPA]);
    if (!i || !i->task) {
        c->stop = true;
        return;
    }
    console_printf(b,
                   "\r\nUnexpected interruption, vector %04X: IIP %016" PRIX64 " ISR %016" PRIX64
                   " IFA %016" PRIX64 "\r\n",
                   vector, ip, c->cr[CR_ISR], c->cr[CR_IFA]);
    cpu_set_psr(c, PSR_BN | PSR_IC | PSR_I);
    leave(b, i, EFI_ABORTED);
}

/* --- unloading --- */

uint64_t image_unload_host(struct boot *b, uint64_t handle)
{
    struct image *i = find(b, handle);

    if (!i || i->task)
        return EFI_INVALID_PARAMETER;
    drop_image(b, i);
    g_hash_table_remove(b->images, &handle);
    return EFI_SUCCESS;
}

bool image_is_driver(struct boot *b, uint64_t handle)
{
    struct image *i = find(b, handle);

    return i && i->subsystem != PE_SUBSYSTEM_APPLICATION;
}

static void unloaded(struct boot *b, struct task *t, uint64_t status)
{
    if (status == EFI_SUCCESS)
        status = image_unload_host(b, t->w[0]);
    task_done(b, t, status);
}

static uint64_t may_unload(struct boot *b, struct image *i, uint64_t *fn)
{
    *fn = 0;
    if (!i || i->task)
        return EFI_INVALID_PARAMETER;
    if (i->started)
        boot_read64(b, i->interface + AT_UNLOAD, fn);
    return i->started && !*fn ? EFI_UNSUPPORTED : EFI_SUCCESS;
}

uint64_t bs_unload_image(struct boot *b, struct fwcall *k)
{
    struct image *i = find(b, k->arg[0]);
    uint64_t fn, status = may_unload(b, i, &fn);
    struct task *t;

    if (status != EFI_SUCCESS)
        return status;
    if (!fn)
        return image_unload_host(b, i->handle);
    t = task_service(b, k, unloaded);
    if (!t)
        return EFI_OUT_OF_RESOURCES;
    t->w[0] = i->handle;
    task_call(b, t, fn, &t->w[0], 1);
    return EFI_SUCCESS;
}

void image_unload(struct boot *b, uint64_t handle)
{
    struct task *t = task_part(b, unloaded);
    struct image *i = find(b, handle);
    uint64_t fn, status = may_unload(b, i, &fn);

    t->w[0] = handle;
    if (status == EFI_SUCCESS && !fn)
        status = image_unload_host(b, handle);
    if (status != EFI_SUCCESS || !fn)
        task_done(b, t, status);
    else
        task_call(b, t, fn, &t->w[0], 1);
}

/* --- the end of boot services --- */

static void notified(struct boot *b, struct task *t, uint64_t status)
{
    struct image *i = find(b, t->w[0]);

    (void)status;
    if (i) {
        char *names = file_names(b, i->device);
        char *more = g_strconcat(FIRMWARE_VOLUME, names, NULL);
        tell(b, i, FIRMWARE_OS, more);
        g_free(more);
        g_free(names);
    }
    boot_exit_services(b);
    task_done(b, t, EFI_SUCCESS);
}

/* (handle, map key) */
uint64_t bs_exit_boot_services(struct boot *b, struct fwcall *k)
{
    struct task *t;

    if (!find(b, k->arg[0]) || k->arg[1] != b->map_key)
        return EFI_INVALID_PARAMETER;
    t = task_service(b, k, notified);
    if (!t)
        return EFI_OUT_OF_RESOURCES;
    t->w[0] = k->arg[0];
    events_signal_type(b, EVT_EXIT_BOOT);
    events_dispatch(b);
    return EFI_SUCCESS;
}
