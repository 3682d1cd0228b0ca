/* Drives and partitions: handles with device path, block I/O and disk I/O. File systems on them are
 * file.c's.
 *
 * A drive is read and written on the host, through the functions of struct firmware_drive; the
 * emulated adapter is the operating system's. What is on a removable medium is looked at when the
 * medium is first used after a change.
 */
#include "boot.h"
#include "drive.h"

#include <errno.h>
#include "log.h"

#define MEDIA_SIZE    32
#define BLOCK_IO_SIZE 48 /* revision, media, four functions */
#define DISK_IO_SIZE  24
#define AT_MEDIA      BLOCK_IO_SIZE
#define AT_DISK_IO    (BLOCK_IO_SIZE + MEDIA_SIZE)

static const char block_kind[] = "block I/O", disk_kind[] = "disk I/O";

/* EFI_BLOCK_IO_MEDIA */
static void put_media(struct boot *b, const struct blk_device *d)
{
    uint8_t m[MEDIA_SIZE] = {0};
    struct blob w;

    blob_init(&w, m, sizeof(m));
    blob_u32(&w, d->media_id);
    blob_u8(&w, d->removable);
    blob_u8(&w, d->present);
    blob_u8(&w, d->is_partition);
    blob_u8(&w, d->dev.read_only);
    blob_u8(&w, 0); /* write caching */
    blob_zero(&w, 3);
    blob_u32(&w, d->dev.block_size);
    blob_u32(&w, 0); /* alignment: any */
    blob_zero(&w, 4);
    blob_u64(&w, d->dev.blocks ? d->dev.blocks - 1 : 0);
    boot_write(b, d->at + AT_MEDIA, m, sizeof(m));
}

static struct blk_device *drive_of(struct blk_device *d)
{
    return d->parent ? d->parent : d;
}

/* Partitions of a medium that went stay as handles without medium. */
void block_refresh(struct boot *b, struct blk_device *any)
{
    struct blk_device *d = drive_of(any);
    const struct firmware_drive *drive = d->drive;
    struct block_dev dev = d->dev;
    uint32_t id = d->media_id;
    int err = drive->medium(drive->opaque, &dev, &id);
    bool present = err == 0 && block_dev_ok(&dev);

    if (present == d->present && id == d->media_id)
        return;
    for (unsigned i = 0; i < b->devices->len; i++) {
        struct blk_device *p = b->devices->pdata[i];

        if (p->parent == d) {
            p->present = false;
            file_detach(b, p);
            put_media(b, p);
        }
    }
    file_detach(b, d);
    d->present = present;
    d->media_id = id;
    d->trouble = present ? 0 : EFI_NO_MEDIA;
    if (present)
        d->dev = dev;
    put_media(b, d);
    if (present)
        block_scan(b, d);
}

/* Common checks of transfers by block. */
static uint64_t check(struct boot *b, struct blk_device *d, const struct fwcall *k, bool write)
{
    uint32_t size;

    if (!d)
        return EFI_INVALID_PARAMETER;
    block_refresh(b, d);
    size = d->dev.block_size;
    if (!d->present)
        return EFI_NO_MEDIA;
    if ((uint32_t)k->arg[1] != d->media_id)
        return EFI_MEDIA_CHANGED;
    if (write && d->dev.read_only)
        return EFI_WRITE_PROTECTED;
    if (k->arg[3] % size)
        return EFI_BAD_BUFFER_SIZE;
    if (k->arg[2] >= d->dev.blocks || k->arg[3] / size > d->dev.blocks - k->arg[2])
        return EFI_INVALID_PARAMETER;
    if (k->arg[3] && !boot_ram(b, k->arg[4], k->arg[3]))
        return EFI_INVALID_PARAMETER;
    return EFI_SUCCESS;
}

/* (this, reset thoroughly) */
static uint64_t block_reset(struct boot *b, struct fwcall *k)
{
    return boot_object(b, k->arg[0], block_kind) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

#define CHUNK 0x4000u /* blocks at a time: fits every block size into 32 bits */

/* (this, media, lba, size, buffer) */
static uint64_t block_read_blocks(struct boot *b, struct fwcall *k)
{
    struct blk_device *d = boot_object(b, k->arg[0], block_kind);
    uint64_t status = check(b, d, k, false), left, lba = k->arg[2];
    int err = 0;
    uint8_t *p;

    if (status != EFI_SUCCESS || k->arg[3] == 0)
        return status;
    p = boot_ram(b, k->arg[4], k->arg[3]);
    left = k->arg[3] / d->dev.block_size;
    while (left && !err) {
        uint32_t n = (uint32_t)MIN(left, CHUNK);

        err = block_read(&d->dev, lba, n, p);
        lba += n;
        left -= n;
        p += (size_t)n * d->dev.block_size;
    }
    boot_wrote(b, k->arg[4], k->arg[3]);
    return boot_status(err);
}

static uint64_t block_write_blocks(struct boot *b, struct fwcall *k)
{
    struct blk_device *d = boot_object(b, k->arg[0], block_kind);
    uint64_t status = check(b, d, k, true), left, lba = k->arg[2];
    const uint8_t *p;
    int err = 0;

    if (status != EFI_SUCCESS || k->arg[3] == 0)
        return status;
    p = boot_ram(b, k->arg[4], k->arg[3]);
    left = k->arg[3] / d->dev.block_size;
    while (left && !err) {
        uint32_t n = (uint32_t)MIN(left, CHUNK);

        err = block_write(&d->dev, lba, n, p);
        lba += n;
        left -= n;
        p += (size_t)n * d->dev.block_size;
    }
    return boot_status(err);
}

static uint64_t block_flush_blocks(struct boot *b, struct fwcall *k)
{
    struct blk_device *d = boot_object(b, k->arg[0], block_kind);

    if (!d)
        return EFI_INVALID_PARAMETER;
    if (!d->present)
        return EFI_NO_MEDIA;
    return d->dev.read_only ? EFI_SUCCESS : boot_status(block_flush(&d->dev));
}

/* (this, media, offset, size, buffer), by bytes */
static uint64_t disk_check(struct boot *b, struct blk_device *d, const struct fwcall *k)
{
    uint64_t size;

    if (!d)
        return EFI_INVALID_PARAMETER;
    block_refresh(b, d);
    if (!d->present)
        return EFI_NO_MEDIA;
    if ((uint32_t)k->arg[1] != d->media_id)
        return EFI_MEDIA_CHANGED;
    size = block_dev_size(&d->dev);
    if (k->arg[2] > size || k->arg[3] > size - k->arg[2] ||
        (k->arg[3] && !boot_ram(b, k->arg[4], k->arg[3])))
        return EFI_INVALID_PARAMETER;
    return EFI_SUCCESS;
}

static uint64_t disk_read(struct boot *b, struct fwcall *k)
{
    struct blk_device *d = boot_object(b, k->arg[0], disk_kind);
    uint64_t status = disk_check(b, d, k);

    if (status != EFI_SUCCESS || k->arg[3] == 0)
        return status;
    status = boot_status(
        block_read_bytes(&d->dev, k->arg[2], boot_ram(b, k->arg[4], k->arg[3]), k->arg[3]));
    boot_wrote(b, k->arg[4], k->arg[3]);
    return status;
}

static uint64_t disk_write(struct boot *b, struct fwcall *k)
{
    struct blk_device *d = boot_object(b, k->arg[0], disk_kind);
    uint64_t status = disk_check(b, d, k);

    if (status != EFI_SUCCESS || k->arg[3] == 0)
        return status;
    return boot_status(
        block_write_bytes(&d->dev, k->arg[2], boot_ram(b, k->arg[4], k->arg[3]), k->arg[3]));
}

/* --- devices --- */

static boot_fn *const block_members[] = {block_reset, block_read_blocks, block_write_blocks,
                                         block_flush_blocks};
static boot_fn *const disk_members[] = {disk_read, disk_write};

static void publish(struct boot *b, struct blk_device *d)
{
    uint64_t disk;

    d->at = boot_alloc(b, AT_DISK_IO + DISK_IO_SIZE);
    disk = d->at + AT_DISK_IO;
    boot_write64(b, d->at, 0x00010000);
    boot_write64(b, d->at + 8, d->at + AT_MEDIA);
    boot_put_functions(b, d->at + 16, block_members, G_N_ELEMENTS(block_members));
    boot_write64(b, disk, 0x00010000);
    boot_put_functions(b, disk + 8, disk_members, G_N_ELEMENTS(disk_members));
    put_media(b, d);
    boot_bind(b, d->at, block_kind, d);
    boot_bind(b, disk, disk_kind, d);
    handle_install(b, &d->handle, guid_device_path, devpath_write(b, &d->path));
    handle_install(b, &d->handle, guid_block_io, d->at);
    handle_install(b, &d->handle, guid_disk_io, disk);
    g_ptr_array_add(b->devices, d);
}

static struct blk_device *known_partition(struct boot *b, const struct blk_device *d,
                                          const struct devpath *path)
{
    for (unsigned i = 0; i < b->devices->len; i++) {
        struct blk_device *p = b->devices->pdata[i];

        if (p->parent == d && p->path.size == path->size &&
            memcmp(p->path.data, path->data, path->size) == 0)
            return p;
    }
    return NULL;
}

static void add_partition(struct boot *b, struct blk_device *d, const struct partition *part)
{
    struct blk_device *p;
    struct devpath path = d->path;

    devpath_add_partition(&path, part);
    p = known_partition(b, d, &path);
    if (!p) {
        p = g_new0(struct blk_device, 1);
        p->parent = d;
        p->drive = d->drive;
        p->is_partition = true;
        p->path = path;
    }
    if (block_view_init(&p->view, &d->dev, part->start, part->blocks)) {
        if (!p->at)
            g_free(p);
        return;
    }
    p->dev = p->view.dev;
    p->part = *part;
    p->removable = d->removable;
    p->media_id = d->media_id;
    p->present = true;
    if (!p->at)
        publish(b, p);
    else
        put_media(b, p);
    file_attach(b, p, p->handle);
}

void block_scan(struct boot *b, struct blk_device *d)
{
    struct partition_list *list = g_new0(struct partition_list, 1);
    int err = partition_scan(&d->dev, list);

    d->trouble = err ? EFI_DEVICE_ERROR : d->dev.blocks ? 0 : EFI_NO_MEDIA;
    if (!err && list->count == 0 && list->note[0])
        d->trouble = EFI_VOLUME_CORRUPTED;
    if (err)
        log_info("partitions of a drive cannot be read: %s", strerror(-err));
    else if (list->note[0])
        log_warn("partition table: %s", list->note);
    for (unsigned i = 0; !err && i < list->count; i++)
        add_partition(b, d, &list->part[i]);
    if (list->count == 0)
        file_attach(b, d, d->handle);
    g_free(list);
}

static void add_drive(struct boot *b, const struct firmware_drive *drive)
{
    struct blk_device *d = g_new0(struct blk_device, 1);

    d->drive = drive;
    d->removable = drive->removable;
    d->dev.block_size = drive->removable ? 2048 : 512;
    d->dev.read_only = drive->removable;
    devpath_add_acpi(&d->path, 0x0a03, drive->root);
    devpath_add_pci(&d->path, drive->device, drive->function);
    devpath_add_scsi(&d->path, drive->target, 0);
    d->trouble = EFI_NO_MEDIA; /* until block_refresh finds some */
    publish(b, d);
    block_refresh(b, d);
}

void block_init(struct boot *b)
{
    b->devices = g_ptr_array_new();
    for (unsigned i = 0; i < b->fw->drive_count; i++)
        add_drive(b, &b->fw->drives[i]);
}

void block_done(struct boot *b)
{
    for (unsigned i = 0; b->devices && i < b->devices->len; i++) {
        file_detach(b, b->devices->pdata[i]);
        g_free(b->devices->pdata[i]);
    }
    if (b->devices)
        g_ptr_array_unref(b->devices);
    b->devices = NULL;
}
