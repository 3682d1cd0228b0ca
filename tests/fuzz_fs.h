/* A volume in memory for the fuzz targets of file systems, and a walk over all of it. */
#ifndef KITTSON_TESTS_FUZZ_FS_H
#define KITTSON_TESTS_FUZZ_FS_H

#include "fuzz.h"

#include "filesystem.h"

#define FUZZ_DEPTH   9   /* ISO 9660 moves directories from the ninth level on */
#define FUZZ_ENTRIES 300 /* in all: a hostile volume can have millions */

/* Input bytes at the start of a device of `blocks`, zeros behind them. Returns the bytes. */
static inline uint8_t *fuzz_volume(const uint8_t *data, size_t size, uint32_t blocks,
                                   uint32_t block_size, struct block_ram *r)
{
    size_t all = (size_t)blocks * block_size;
    uint8_t *bytes = calloc(1, all);

    if (!bytes)
        abort();
    memcpy(bytes, data, size < all ? size : all);
    block_ram_init(r, bytes, all, block_size);
    return bytes;
}

static inline void fuzz_read(struct fs_file *f)
{
    uint8_t buf[4096];
    uint64_t len = sizeof(buf);
    struct fs_info info;

    if (fs_info(f, &info) == 0)
        fs_read(f, buf, &len);
    if (fs_seek(f, info.size / 2) == 0) {
        len = sizeof(buf);
        fs_read(f, buf, &len);
    }
}

static inline void fuzz_walk(struct fs_file *dir, unsigned depth, unsigned *left)
{
    struct fs_info info;

    while (*left && fs_read_dir(dir, &info) == 1) {
        struct fs_file *f;

        (*left)--;
        if (info.name[0] == '.' || fs_open(dir, info.name, FS_READ, 0, &f) != 0)
            continue;
        if (!fs_is_dir(f))
            fuzz_read(f);
        else if (depth)
            fuzz_walk(f, depth - 1, left);
        fs_close(f);
    }
}

#endif
