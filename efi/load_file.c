/* Programs named by device paths: read from a file system of the firmware's own, or asked from the
 * Load File protocol of a device, which may be the firmware's or a guest driver's.
 *
 * Load File is called as any program would call it: first for the size, then with a buffer, which
 * is in guest memory until the program has been copied from it.
 */
#include "boot.h"
#include "pe.h"

struct loading {
    struct devpath path;
    uint64_t parent;
    bool policy;                  /* chosen by the boot manager, not by name */
    uint64_t interface, function; /* Load File */
    uint64_t rest, size_at;       /* guest memory: what follows the device's path, the size */
    uint64_t buffer, pages;
    bool reading;
};

static void drop(struct boot *b, struct task *t)
{
    struct loading *l = t->data;

    if (b->live && l->rest)
        pool_free(b, l->rest);
    if (b->live && l->size_at)
        pool_free(b, l->size_at);
    if (b->live && l->buffer)
        memory_free(b, l->buffer, l->pages);
    g_free(l);
}

static void finish(struct boot *b, struct task *t, uint64_t status, uint64_t handle)
{
    t->below->w[IMAGE_HANDLE_WORD] = status == EFI_SUCCESS ? handle : 0;
    task_done(b, t, status);
}

/* --- Load File --- */

static void call(struct boot *b, struct task *t)
{
    struct loading *l = t->data;
    uint64_t args[5] = {l->interface, l->rest, l->policy, l->size_at, l->buffer};

    task_call(b, t, l->function, args, 5);
}

static void give_buffer(struct boot *b, struct task *t)
{
    struct loading *l = t->data;
    uint64_t size = 0, status;

    boot_read64(b, l->size_at, &size);
    l->pages = (size + EFI_PAGE - 1) / EFI_PAGE;
    status = size && size <= PE_IMAGE_MAX
                 ? memory_allocate(b, ALLOCATE_ANY, EFI_BOOT_DATA, l->pages, &l->buffer)
                 : EFI_LOAD_ERROR;
    if (status != EFI_SUCCESS) {
        l->buffer = 0;
        finish(b, t, status, 0);
        return;
    }
    l->reading = true;
    call(b, t);
}

static void take_program(struct boot *b, struct task *t)
{
    struct loading *l = t->data;
    uint64_t size = 0, handle = 0, status = EFI_LOAD_ERROR;
    const uint8_t *p;

    boot_read64(b, l->size_at, &size);
    p = size && size <= l->pages * EFI_PAGE ? boot_ram(b, l->buffer, size) : NULL;
    if (p)
        status = image_load(b, l->parent, &l->path, p, size, &handle);
    finish(b, t, status, handle);
}

static void answered(struct boot *b, struct task *t, uint64_t status)
{
    struct loading *l = t->data;

    if (!l->reading && status == EFI_BUFFER_TOO_SMALL)
        give_buffer(b, t);
    else if (l->reading && status == EFI_SUCCESS)
        take_program(b, t);
    else
        finish(b, t, status == EFI_SUCCESS ? EFI_LOAD_ERROR : status, 0);
}

static void ask_device(struct boot *b, struct task *t, uint64_t device, size_t used)
{
    struct loading *l = t->data;
    struct devpath *rest = g_new0(struct devpath, 1);

    rest->size = l->path.size - used;
    memcpy(rest->data, l->path.data + used, rest->size);
    l->rest = devpath_write(b, rest);
    g_free(rest);
    l->size_at = boot_alloc(b, 8);
    l->interface = handle_interface(b, device, guid_load_file);
    if (!l->rest || !l->size_at)
        finish(b, t, EFI_OUT_OF_RESOURCES, 0);
    else if (!boot_read64(b, l->interface, &l->function))
        finish(b, t, EFI_LOAD_ERROR, 0);
    else
        call(b, t);
}

/* --- files --- */

static uint64_t from_file(struct boot *b, struct loading *l, uint64_t device, size_t used,
                          uint64_t *handle)
{
    uint16_t *name = devpath_file(&l->path, used);
    uint64_t status;
    uint8_t *file;
    size_t size;

    if (!name)
        return EFI_NOT_FOUND;
    status = file_load(b, device, name, &file, &size);
    g_free(name);
    if (status != EFI_SUCCESS)
        return status;
    status = image_load(b, l->parent, &l->path, file, size, handle);
    g_free(file);
    return status;
}

void image_load_path(struct boot *b, uint64_t parent, bool policy, const struct devpath *path)
{
    struct loading *l = g_new0(struct loading, 1);
    struct task *t = task_part(b, answered);
    uint64_t device, handle = 0, status;
    size_t used;

    t->data = l;
    t->drop = drop;
    l->path = *path;
    l->parent = parent;
    l->policy = policy;
    device = handle_by_path(b, guid_simple_fs, path->data, path->size, &used);
    if (device) {
        status = from_file(b, l, device, used, &handle);
        finish(b, t, status, handle);
        return;
    }
    device = handle_by_path(b, guid_load_file, path->data, path->size, &used);
    if (device)
        ask_device(b, t, device, used);
    else
        finish(b, t, EFI_NOT_FOUND, 0);
}
