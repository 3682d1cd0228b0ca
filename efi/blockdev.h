/* A block device as the firmware sees it: a disk, a disc, or a part of one.
 *
 * Functions, no state of its own: whoever has a disk fills in struct block_dev. The checked calls
 * below are the only way file systems and partition tables reach it; they keep every access inside
 * the device. All errors are negative errno. Not safe from several threads at once.
 */
#ifndef KITTSON_EFI_BLOCKDEV_H
#define KITTSON_EFI_BLOCKDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block_dev {
    void *opaque;
    uint64_t blocks;
    uint32_t block_size; /* a power of two, 512 to 65536 */
    bool read_only;
    /* Called with lba and count inside the device and count not 0. 0 or a negative errno. write
     * may be NULL when read_only; flush may be NULL. */
    int (*read)(void *opaque, uint64_t lba, uint32_t count, void *buf);
    int (*write)(void *opaque, uint64_t lba, uint32_t count, const void *buf);
    int (*flush)(void *opaque);
};

/* Whether block size and number of blocks are ones that the calls below can work with. */
bool block_dev_ok(const struct block_dev *d);
/* Size in bytes. */
uint64_t block_dev_size(const struct block_dev *d);

/* -EINVAL outside the device, -EROFS, or what the device says. */
int block_read(const struct block_dev *d, uint64_t lba, uint32_t count, void *buf);
int block_write(const struct block_dev *d, uint64_t lba, uint32_t count, const void *buf);
int block_flush(const struct block_dev *d);

/* The same by bytes; a write that covers a block in part reads it first. */
int block_read_bytes(const struct block_dev *d, uint64_t offset, void *buf, size_t len);
int block_write_bytes(const struct block_dev *d, uint64_t offset, const void *buf, size_t len);

/* A range of blocks of another device, which must outlive it. Use &view->dev. */
struct block_view {
    struct block_dev dev;
    struct block_dev base;
    uint64_t first;
};
/* -EINVAL when the range is empty or not inside base. The view must not be moved afterwards. */
int block_view_init(struct block_view *v, const struct block_dev *base, uint64_t first,
                    uint64_t blocks);

/* A device in memory, for tests and tools. Use &ram->dev; data stays the caller's. */
struct block_ram {
    struct block_dev dev;
    uint8_t *data;
};
void block_ram_init(struct block_ram *r, void *data, size_t size, uint32_t block_size);

#endif
