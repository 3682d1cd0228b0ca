/* Fuzz target: ISO 9660 discs. The input is the disc from sector 16 on. */
#include "fuzz_fs.h"

#include "fs_iso9660.h"

#define SECTORS 64
#define START   (16 * 2048)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fs_file *root;
    struct block_ram r;
    struct fs_volume volume;
    struct fs *fs;
    unsigned left = FUZZ_ENTRIES;
    uint8_t *bytes = fuzz_volume(data, 0, SECTORS, 2048, &r);

    memcpy(bytes + START, data, size < SECTORS * 2048 - START ? size : SECTORS * 2048 - START);
    if (fs_mount(&r.dev, NULL, &fs) == 0) {
        if (fs_root(fs, &root) == 0) {
            fs_volume_info(fs, &volume);
            fuzz_walk(root, FUZZ_DEPTH, &left);
            fs_close(root);
        }
        fs_unmount(fs);
    }
    free(bytes);
    return 0;
}
