/* FAT12, FAT16 and FAT32 with long file names, read and write, behind filesystem.h; and a
 * formatter for tests and tools.
 *
 * Writes go through to the device at once, in an order that leaves at worst lost clusters when
 * they stop anywhere: a cluster is marked used before it is reached from a chain, a chain before
 * it is named by an entry, and an entry goes before its clusters are freed. Not here: exFAT,
 * repairing damaged volumes.
 */
#ifndef KITTSON_EFI_FS_FAT_H
#define KITTSON_EFI_FS_FAT_H

#include "filesystem.h"

/* 0, -ENOTSUP when it is not FAT, -EUCLEAN when its numbers contradict each other. */
int fat_mount(const struct block_dev *dev, const struct fs_options *options, struct fs **out);

struct fat_format_options {
    unsigned bits;                /* 12, 16, 32; 0: by size */
    unsigned sectors_per_cluster; /* 0: by size */
    uint32_t volume_id;
    const char *label; /* up to 11 characters, NULL: none */
};
/* Makes an empty volume of the whole device. -EINVAL when its size does not fit the type. */
int fat_format(const struct block_dev *dev, const struct fat_format_options *options);

#endif
