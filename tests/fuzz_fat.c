/* Fuzz target: FAT volumes, read and written. The input is the beginning of a device of 4300
 * sectors; what is done to it is always the same. */
#include "fuzz_fs.h"

#include <errno.h>

static void write_file(struct fs_file *root, const uint16_t *path, uint64_t size)
{
    static const uint8_t bytes[5000];
    struct fs_info info;
    struct fs_file *f;
    uint64_t len = sizeof(bytes);

    if (fs_open(root, path, FS_READ | FS_WRITE | FS_CREATE, 0, &f) != 0)
        return;
    fs_write(f, bytes, &len);
    if (fs_info(f, &info) == 0) {
        info.size = size;
        fs_set_info(f, &info);
    }
    fs_close(f);
}

static void rename_file(struct fs_file *root, const uint16_t *path, const uint16_t *to, size_t n)
{
    struct fs_info info;
    struct fs_file *f;

    if (fs_open(root, path, FS_READ | FS_WRITE, 0, &f) != 0)
        return;
    if (fs_info(f, &info) == 0) {
        memset(info.name, 0, sizeof(info.name));
        memcpy(info.name, to, n);
        info.attributes ^= FS_ATTR_HIDDEN;
        fs_set_info(f, &info);
    }
    fs_close(f);
}

static void delete_file(struct fs_file *root, const uint16_t *path)
{
    struct fs_file *f;

    if (fs_open(root, path, FS_READ | FS_WRITE, 0, &f) == 0)
        fs_delete(f);
}

/* The corpus has the files A, LONG NAME.TXT and D\B. */
static void change(struct fs *fs, struct fs_file *root)
{
    static const uint16_t a[] = u"A", b[] = u"d\\b", new[] = u"d\\A new file of some length",
                          moved[] = u"\\moved to the root", name[] = u"long name.txt", d[] = u"d",
                          label[] = u"label";
    struct fs_file *f;

    write_file(root, a, 20000);
    write_file(root, b, 0);
    write_file(root, new, 123);
    rename_file(root, b, moved, sizeof(moved));
    rename_file(root, d, name, sizeof(name));
    delete_file(root, name);
    delete_file(root, d);
    if (fs_open(root, d, FS_READ | FS_WRITE | FS_CREATE, FS_ATTR_DIRECTORY, &f) == 0)
        fs_close(f);
    fs_set_label(fs, label);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct block_ram r;
    struct fs_volume v;
    struct fs_file *root;
    struct fs *fs;
    unsigned left = FUZZ_ENTRIES;
    uint8_t *bytes = fuzz_volume(data, size, 4300, 512, &r);

    if (fs_mount(&r.dev, NULL, &fs) == 0) {
        if (fs_root(fs, &root) == 0) {
            fs_volume_info(fs, &v);
            fuzz_walk(root, FUZZ_DEPTH, &left);
            change(fs, root);
            left = FUZZ_ENTRIES;
            fs_seek(root, 0);
            fuzz_walk(root, FUZZ_DEPTH, &left);
            fs_close(root);
        }
        fs_unmount(fs);
    }
    free(bytes);
    return 0;
}
