/* A drive or partition of the firmware, as block.c, file.c and the boot manager see it. Private to
 * efi/.
 */
#ifndef KITTSON_EFI_DRIVE_H
#define KITTSON_EFI_DRIVE_H

#include "boot.h"
#include "filesystem.h"

struct blk_device {
    const struct firmware_drive *drive;
    struct blk_device *parent; /* of a partition: the drive */
    struct block_dev dev;
    struct block_view view; /* of a partition */
    struct partition part;
    struct devpath path;
    uint64_t handle, at; /* at: block I/O interface */
    uint32_t media_id;
    bool removable, present, is_partition;
    uint64_t trouble; /* EFI status: why there are no volumes where some should be, else 0 */
    /* file.c */
    struct fs *fs;
    uint64_t fs_at;
};

/* Partitions and file systems of a drive whose medium is new. */
void block_scan(struct boot *b, struct blk_device *d);
/* Looks whether the drive has the medium it had. */
void block_refresh(struct boot *b, struct blk_device *any);

#endif
