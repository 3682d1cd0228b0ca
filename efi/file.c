/* EFI_SIMPLE_FILE_SYSTEM_PROTOCOL and EFI_FILE_PROTOCOL over filesystem.h. */
#include <errno.h>
#include "drive.h"
#include "runtime.h"

#define FILE_MEMBERS 10
#define FILE_SIZE    (8 * (FILE_MEMBERS + 1))
#define REVISION     0x00010000
#define MODE_CREATE  (1ull << 63)
#define INFO_HEADER  80 /* EFI_FILE_INFO up to the name */
#define FS_HEADER    36 /* EFI_FILE_SYSTEM_INFO up to the label */
#define TIME_SIZE    16
#define LOAD_MAX     (256u << 20)
#define NAMES_MAX    64
#define TIMEZONE     0x7ff /* not specified */

static const char volume_kind[] = "simple file system", file_kind[] = "file";

struct open_file {
    uint64_t at;
    struct fs_file *f;
};

/* --- information blocks --- */

static void put_time(struct blob *w, const struct fs_time *t)
{
    blob_u16(w, t->year);
    blob_u8(w, t->month);
    blob_u8(w, t->day);
    blob_u8(w, t->hour);
    blob_u8(w, t->minute);
    blob_u8(w, t->second);
    blob_u8(w, 0);
    blob_u32(w, 0);
    blob_u16(w, t->year ? TIMEZONE : 0);
    blob_u16(w, 0);
}

static void put_name(struct blob *w, const uint16_t *name)
{
    size_t n = fs_name_length(name);

    for (size_t i = 0; i <= n; i++)
        blob_u16(w, name[i]);
}

static size_t make_info(const struct fs_info *i, uint8_t *out, size_t cap)
{
    struct blob w;

    blob_init(&w, out, cap);
    blob_u64(&w, INFO_HEADER + 2 * (fs_name_length(i->name) + 1));
    blob_u64(&w, i->size);
    blob_u64(&w, i->allocated);
    put_time(&w, &i->created);
    put_time(&w, &i->accessed);
    put_time(&w, &i->modified);
    blob_u64(&w, i->attributes);
    put_name(&w, i->name);
    return w.len;
}

static size_t make_volume_info(const struct fs_volume *v, uint8_t *out, size_t cap)
{
    struct blob w;

    blob_init(&w, out, cap);
    blob_u64(&w, FS_HEADER + 2 * (fs_name_length(v->label) + 1));
    blob_u8(&w, v->read_only);
    blob_zero(&w, 7);
    blob_u64(&w, v->size);
    blob_u64(&w, v->free);
    blob_u32(&w, v->block_size);
    put_name(&w, v->label);
    return w.len;
}

static size_t make_label(const struct fs_volume *v, uint8_t *out, size_t cap)
{
    struct blob w;

    blob_init(&w, out, cap);
    put_name(&w, v->label);
    return w.len;
}

/* Hands an information block over: *size is updated in any case. */
static uint64_t give(struct boot *b, uint64_t size_at, uint64_t buffer, const void *data,
                     uint64_t size)
{
    uint64_t room;

    if (!boot_read64(b, size_at, &room))
        return EFI_INVALID_PARAMETER;
    boot_write64(b, size_at, size);
    if (room < size)
        return EFI_BUFFER_TOO_SMALL;
    return boot_write(b, buffer, data, size) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

/* --- files --- */

static uint64_t new_file(struct boot *b, struct fs_file *f, uint64_t out);

static struct open_file *get(struct boot *b, const struct fwcall *k)
{
    return boot_object(b, k->arg[0], file_kind);
}

static void forget(struct boot *b, struct open_file *o)
{
    boot_unbind(b, o->at);
    pool_free(b, o->at);
    g_free(o);
}

/* (this, **new, name, mode, attributes) */
static uint64_t file_open(struct boot *b, struct fwcall *k)
{
    struct open_file *o = get(b, k);
    uint64_t mode = k->arg[3];
    unsigned flags = (unsigned)(mode & 3) | (mode & MODE_CREATE ? FS_CREATE : 0);
    struct fs_file *f;
    uint16_t *name;
    int err;

    if (!o || !boot_ram(b, k->arg[1], 8) || (mode & ~(MODE_CREATE | 3)) || !(mode & 1) ||
        ((mode & MODE_CREATE) && (k->arg[4] & ~(uint64_t)FS_ATTR_ALL)))
        return EFI_INVALID_PARAMETER;
    name = boot_read_str16(b, k->arg[2], FS_PATH_MAX - 1);
    if (!name)
        return EFI_INVALID_PARAMETER;
    err = fs_open(o->f, name, flags, (uint32_t)k->arg[4], &f);
    g_free(name);
    return err ? boot_status(err) : new_file(b, f, k->arg[1]);
}

static uint64_t file_close(struct boot *b, struct fwcall *k)
{
    struct open_file *o = get(b, k);

    if (!o)
        return EFI_INVALID_PARAMETER;
    fs_close(o->f);
    forget(b, o);
    return EFI_SUCCESS;
}

static uint64_t file_delete(struct boot *b, struct fwcall *k)
{
    struct open_file *o = get(b, k);
    int err;

    if (!o)
        return EFI_INVALID_PARAMETER;
    err = fs_delete(o->f);
    forget(b, o);
    return err ? EFI_WARN_DELETE : EFI_SUCCESS;
}

static uint64_t read_directory(struct boot *b, struct open_file *o, const struct fwcall *k)
{
    uint8_t data[INFO_HEADER + 2 * (FS_NAME_MAX + 1)];
    struct fs_info info;
    uint64_t status;
    int got = fs_read_dir(o->f, &info);

    if (got < 0)
        return boot_status(got);
    if (got == 0)
        return boot_write64(b, k->arg[1], 0) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
    status = give(b, k->arg[1], k->arg[2], data, make_info(&info, data, sizeof(data)));
    if (status != EFI_SUCCESS)
        fs_unread_dir(o->f);
    return status;
}

/* (this, *size, buffer) */
static uint64_t file_read(struct boot *b, struct fwcall *k)
{
    struct open_file *o = get(b, k);
    uint64_t size;
    uint8_t *p;
    int err;

    if (!o || !boot_read64(b, k->arg[1], &size))
        return EFI_INVALID_PARAMETER;
    if (fs_is_dir(o->f))
        return read_directory(b, o, k);
    p = size ? boot_ram(b, k->arg[2], size) : NULL;
    if (size && !p)
        return EFI_INVALID_PARAMETER;
    err = fs_read(o->f, p, &size);
    if (p)
        boot_wrote(b, k->arg[2], size);
    if (err)
        return boot_status(err);
    boot_write64(b, k->arg[1], size);
    return EFI_SUCCESS;
}

static uint64_t file_write(struct boot *b, struct fwcall *k)
{
    struct open_file *o = get(b, k);
    uint64_t size;
    uint8_t *p;
    int err;

    if (!o || !boot_read64(b, k->arg[1], &size))
        return EFI_INVALID_PARAMETER;
    p = size ? boot_ram(b, k->arg[2], size) : NULL;
    if (size && !p)
        return EFI_INVALID_PARAMETER;
    err = fs_write(o->f, p, &size);
    boot_write64(b, k->arg[1], size);
    return boot_status(err);
}

static uint64_t file_get_position(struct boot *b, struct fwcall *k)
{
    struct open_file *o = get(b, k);

    if (!o)
        return EFI_INVALID_PARAMETER;
    if (fs_is_dir(o->f))
        return EFI_UNSUPPORTED;
    return boot_write64(b, k->arg[1], fs_tell(o->f)) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

static uint64_t file_set_position(struct boot *b, struct fwcall *k)
{
    struct open_file *o = get(b, k);

    if (!o)
        return EFI_INVALID_PARAMETER;
    return fs_seek(o->f, k->arg[1]) ? EFI_UNSUPPORTED : EFI_SUCCESS;
}

/* (this, *guid, *size, buffer) */
static uint64_t file_get_info(struct boot *b, struct fwcall *k)
{
    uint8_t guid[16], data[INFO_HEADER + 2 * (FS_NAME_MAX + 1)];
    struct open_file *o = get(b, k);
    struct fs_volume volume;
    struct fs_info info;
    size_t size;
    int err;

    if (!o || !boot_read(b, k->arg[1], guid, 16))
        return EFI_INVALID_PARAMETER;
    if (memcmp(guid, guid_file_info, 16) == 0) {
        err = fs_info(o->f, &info);
        size = err ? 0 : make_info(&info, data, sizeof(data));
    } else {
        bool label = memcmp(guid, guid_fs_label, 16) == 0;

        if (!label && memcmp(guid, guid_fs_info, 16))
            return EFI_UNSUPPORTED;
        err = fs_volume_info(fs_of(o->f), &volume);
        size = err     ? 0
               : label ? make_label(&volume, data, sizeof(data))
                       : make_volume_info(&volume, data, sizeof(data));
    }
    return err ? boot_status(err) : give(b, k->arg[2], k->arg[3], data, size);
}

/* The reverse of put_time. */
static void take_time(const uint8_t *p, struct fs_time *t)
{
    t->year = (uint16_t)(p[0] | p[1] << 8);
    t->month = p[2];
    t->day = p[3];
    t->hour = p[4];
    t->minute = p[5];
    t->second = p[6];
}

static uint64_t set_file_info(struct boot *b, struct open_file *o, uint64_t at, uint64_t size)
{
    struct fs_info info = {.size = 0};
    uint8_t head[INFO_HEADER];
    uint16_t *name;
    uint64_t words[3], attributes;

    if (size < INFO_HEADER + 2 || !boot_read(b, at, head, sizeof(head)))
        return EFI_BAD_BUFFER_SIZE;
    name = boot_read_str16(b, at + INFO_HEADER,
                           (unsigned)MIN((size - INFO_HEADER) / 2, FS_NAME_MAX + 1u) - 1);
    if (!name)
        return EFI_INVALID_PARAMETER;
    memcpy(words, head, sizeof(words));
    memcpy(&attributes, head + 72, 8);
    memcpy(info.name, name, 2 * (fs_name_length(name) + 1));
    g_free(name);
    info.size = words[1];
    info.attributes = (uint32_t)attributes;
    take_time(head + 24, &info.created);
    take_time(head + 24 + TIME_SIZE, &info.accessed);
    take_time(head + 24 + 2 * TIME_SIZE, &info.modified);
    if (attributes & ~(uint64_t)FS_ATTR_ALL)
        return EFI_INVALID_PARAMETER;
    return boot_status(fs_set_info(o->f, &info));
}

/* (this, *guid, size, buffer); of the volume only the label can be set. */
static uint64_t file_set_info(struct boot *b, struct fwcall *k)
{
    struct open_file *o = get(b, k);
    uint64_t skip, status;
    uint8_t guid[16];
    uint16_t *label;

    if (!o || !boot_read(b, k->arg[1], guid, 16))
        return EFI_INVALID_PARAMETER;
    if (memcmp(guid, guid_file_info, 16) == 0)
        return set_file_info(b, o, k->arg[3], k->arg[2]);
    if (memcmp(guid, guid_fs_info, 16) && memcmp(guid, guid_fs_label, 16))
        return EFI_UNSUPPORTED;
    skip = memcmp(guid, guid_fs_info, 16) == 0 ? FS_HEADER : 0;
    if (k->arg[2] < skip + 2)
        return EFI_BAD_BUFFER_SIZE;
    label = boot_read_str16(b, k->arg[3] + skip,
                            (unsigned)MIN((k->arg[2] - skip) / 2, FS_NAME_MAX + 1u) - 1);
    if (!label)
        return EFI_INVALID_PARAMETER;
    status = boot_status(fs_set_label(fs_of(o->f), label));
    g_free(label);
    return status;
}

static uint64_t file_flush(struct boot *b, struct fwcall *k)
{
    struct open_file *o = get(b, k);

    return o ? boot_status(fs_flush(o->f)) : EFI_INVALID_PARAMETER;
}

static boot_fn *const file_members[FILE_MEMBERS] = {
    file_open,         file_close,        file_delete,   file_read,     file_write,
    file_get_position, file_set_position, file_get_info, file_set_info, file_flush,
};

static uint64_t new_file(struct boot *b, struct fs_file *f, uint64_t out)
{
    struct open_file *o;
    uint64_t at = 0;

    if (g_hash_table_size(b->objects) < BOOT_MAX_OBJECTS)
        at = boot_alloc(b, FILE_SIZE);
    if (!at) {
        fs_close(f);
        return EFI_OUT_OF_RESOURCES;
    }
    o = g_new0(struct open_file, 1);
    o->at = at;
    o->f = f;
    boot_write64(b, at, REVISION);
    boot_put_functions(b, at + 8, file_members, FILE_MEMBERS);
    boot_bind(b, at, file_kind, o);
    return boot_write64(b, out, at) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

/* --- volumes --- */

/* (this, **root) */
static uint64_t volume_open(struct boot *b, struct fwcall *k)
{
    struct blk_device *d = boot_object(b, k->arg[0], volume_kind);
    struct fs_file *root;
    int err;

    if (!d || !boot_ram(b, k->arg[1], 8))
        return EFI_INVALID_PARAMETER;
    if (!d->present || !d->fs)
        return EFI_NO_MEDIA;
    err = fs_root(d->fs, &root);
    return err ? boot_status(err) : new_file(b, root, k->arg[1]);
}

static void file_time(void *opaque, struct fs_time *t)
{
    uint8_t now[TIME_SIZE];

    runtime_now(((struct boot *)opaque)->fw, now);
    take_time(now, t);
}

void file_attach(struct boot *b, struct blk_device *d, uint64_t handle)
{
    struct fs_options options = {.opaque = b, .now = file_time};
    int err;

    file_detach(b, d);
    err = fs_mount(&d->dev, &options, &d->fs);
    if (err) {
        d->fs = NULL;
        if (err == -EUCLEAN || (d->is_partition && partition_is_esp(&d->part)))
            d->trouble = EFI_VOLUME_CORRUPTED;
        return;
    }
    if (!d->fs_at) {
        d->fs_at = boot_alloc(b, 16);
        boot_write64(b, d->fs_at, REVISION);
        boot_write64(b, d->fs_at + 8, boot_function(b, volume_open));
        boot_bind(b, d->fs_at, volume_kind, d);
    }
    handle_install(b, &handle, guid_simple_fs, d->fs_at);
}

void file_detach(struct boot *b, struct blk_device *d)
{
    if (d->fs)
        fs_unmount(d->fs);
    if (d->fs && b->handles)
        handle_uninstall(b, d->handle, guid_simple_fs, d->fs_at);
    d->fs = NULL;
}

/* Files a program left open. */
void files_close(struct boot *b)
{
    GHashTableIter it;
    gpointer at;

    g_hash_table_iter_init(&it, b->objects);
    while (g_hash_table_iter_next(&it, &at, NULL)) {
        struct open_file *o = boot_object(b, *(uint64_t *)at, file_kind);

        if (!o)
            continue;
        fs_close(o->f);
        g_free(o);
        g_hash_table_iter_remove(&it);
    }
}

/* --- loading --- */

static uint64_t load(struct fs_file *f, uint8_t **data, size_t *size)
{
    struct fs_info info;
    uint64_t len;
    int err = fs_info(f, &info);

    if (err)
        return boot_status(err);
    if (fs_is_dir(f) || info.size == 0 || info.size > LOAD_MAX)
        return EFI_LOAD_ERROR;
    len = info.size;
    *data = g_malloc(len);
    err = fs_read(f, *data, &len);
    *size = len;
    if (err)
        g_free(*data);
    return boot_status(err);
}

uint64_t file_load(struct boot *b, uint64_t handle, const uint16_t *name, uint8_t **data,
                   size_t *size)
{
    struct blk_device *d = boot_object(b, handle_interface(b, handle, guid_simple_fs), volume_kind);
    struct fs_file *root, *f;
    uint64_t status;
    int err;

    if (!d || !d->fs)
        return EFI_NOT_FOUND;
    err = fs_root(d->fs, &root);
    if (err)
        return boot_status(err);
    err = fs_open(root, name, FS_READ, 0, &f);
    fs_close(root);
    if (err)
        return boot_status(err);
    status = load(f, data, size);
    fs_close(f);
    return status;
}

/* --- what a volume holds --- */

static void add_name(GString *out, const char *directory, const uint16_t *name)
{
    g_string_append_printf(out, " %s\\", directory);
    for (; *name != 0; name++)
        g_string_append_c(out, *name > ' ' && *name <= '~' ? (char)*name : '?');
}

static void add_names(struct fs_file *root, const char *directory, const uint16_t *path,
                      GString *out)
{
    struct fs_info info;
    struct fs_file *dir;

    if (fs_open(root, path, FS_READ, 0, &dir))
        return;
    for (unsigned n = 0; n < NAMES_MAX && fs_is_dir(dir) && fs_read_dir(dir, &info) > 0; n++)
        if (info.name[0] != '.')
            add_name(out, directory, info.name);
    fs_close(dir);
}

char *file_names(struct boot *b, uint64_t handle)
{
    static const uint16_t top[] = u"\\", efi[] = u"\\EFI";
    struct blk_device *d = boot_object(b, handle_interface(b, handle, guid_simple_fs), volume_kind);
    GString *out = g_string_new("");
    struct fs_file *root;

    if (d && d->fs && fs_root(d->fs, &root) == 0) {
        add_names(root, "\\EFI", efi, out);
        add_names(root, "", top, out);
        fs_close(root);
    }
    return g_string_free(out, FALSE);
}
