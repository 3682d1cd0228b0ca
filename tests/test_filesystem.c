/* File systems: FAT as our own formatter and mkfs.fat make it, long names, crashes between any two
 * writes, damaged volumes; ISO 9660. Volumes live in memory; what other programs think of them is
 * asked where these are installed (fsck.fat, mtools, 7z, genisoimage), otherwise said and left out.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "filesystem.h"
#include "fat.h"
#include "le.h"
#include "partition.h"

#define MB (1u << 20)

static uint8_t *data;
static size_t data_size;
static struct block_ram ram;
static struct fs *fs;
static struct fs_file *root;

static void fixed_time(void *opaque, struct fs_time *t)
{
    (void)opaque;
    *t = (struct fs_time){2004, 6, 7, 8, 9, 11};
}

static const struct fs_options options = {.now = fixed_time};

static void mount_again(void)
{
    if (fs) {
        fs_close(root);
        fs_unmount(fs);
    }
    fs = NULL;
    ck_assert_int_eq(fs_mount(&ram.dev, &options, &fs), 0);
    ck_assert_int_eq(fs_root(fs, &root), 0);
}

static void make_volume(size_t size, unsigned bits, uint32_t block)
{
    struct fat_format_options o = {.bits = bits, .volume_id = 0x12345678, .label = "TEST"};

    data = calloc(1, size);
    data_size = size;
    block_ram_init(&ram, data, size, block);
    ck_assert_int_eq(fat_format(&ram.dev, &o), 0);
    mount_again();
}

static void end_volume(void)
{
    if (fs) {
        fs_close(root);
        fs_unmount(fs);
    }
    fs = NULL;
    free(data);
    data = NULL;
}

static const uint16_t *u(const char *s)
{
    static uint16_t buf[8][FS_PATH_MAX];
    static unsigned which;
    uint16_t *b = buf[which++ % 8];
    size_t n = strlen(s);

    for (size_t i = 0; i <= n; i++)
        b[i] = (uint8_t)s[i];
    return b;
}

static const char *a(const uint16_t *s)
{
    static char buf[1024];
    size_t n = 0;

    for (; s[n] && n < sizeof(buf) - 1; n++)
        buf[n] = s[n] < 0x80 ? (char)s[n] : '?';
    buf[n] = 0;
    return buf;
}

static int open_at(const char *path, unsigned mode, uint32_t attr, struct fs_file **f)
{
    return fs_open(root, u(path), mode, attr, f);
}

#define RW     (FS_READ | FS_WRITE)
#define CREATE (FS_READ | FS_WRITE | FS_CREATE)

static uint8_t pattern(uint64_t seed, uint64_t i)
{
    return (uint8_t)((seed * 37 + i * 7 + (i >> 8) * 13 + (i >> 16)) ^ 0x5a);
}

static int put_file(const char *path, size_t size, uint64_t seed)
{
    uint8_t *buf = malloc(size + 1);
    struct fs_file *f;
    uint64_t len = size;
    int err = open_at(path, CREATE, 0, &f);

    for (size_t i = 0; i < size; i++)
        buf[i] = pattern(seed, i);
    if (!err) {
        err = fs_write(f, buf, &len);
        fs_close(f);
    }
    free(buf);
    return err;
}

static void expect_file(const char *path, size_t size, uint64_t seed)
{
    uint8_t *buf = malloc(size + 1);
    struct fs_file *f;
    uint64_t len = size + 1;

    ck_assert_msg(open_at(path, FS_READ, 0, &f) == 0, "%s", path);
    ck_assert_int_eq(fs_read(f, buf, &len), 0);
    ck_assert_uint_eq(len, size);
    for (size_t i = 0; i < size; i++)
        ck_assert_msg(buf[i] == pattern(seed, i), "%s byte %zu", path, i);
    len = 1;
    ck_assert_int_eq(fs_read(f, buf, &len), 0);
    ck_assert_uint_eq(len, 0);
    fs_close(f);
    free(buf);
}

static int make_dir(const char *path)
{
    struct fs_file *f;
    int err = open_at(path, CREATE, FS_ATTR_DIRECTORY, &f);

    if (!err)
        fs_close(f);
    return err;
}

static int delete_path(const char *path)
{
    struct fs_file *f;
    int err = open_at(path, RW, 0, &f);

    return err ? err : fs_delete(f);
}

static int rename_path(const char *path, const char *to)
{
    struct fs_info info;
    struct fs_file *f;
    int err = open_at(path, RW, 0, &f);

    if (err)
        return err;
    ck_assert_int_eq(fs_info(f, &info), 0);
    memset(info.name, 0, sizeof(info.name));
    memcpy(info.name, u(to), 2 * strlen(to));
    err = fs_set_info(f, &info);
    fs_close(f);
    return err;
}

static unsigned count_entries(const char *path)
{
    struct fs_info info;
    struct fs_file *f;
    unsigned n = 0;

    ck_assert_int_eq(open_at(path, FS_READ, 0, &f), 0);
    while (fs_read_dir(f, &info) == 1)
        n++;
    fs_close(f);
    return n;
}

static uint64_t free_bytes(void)
{
    struct fs_volume v;

    ck_assert_int_eq(fs_volume_info(fs, &v), 0);
    return v.free;
}

static void expect_label(const char *label)
{
    struct fs_volume v;

    ck_assert_int_eq(fs_volume_info(fs, &v), 0);
    ck_assert_str_eq(a(v.label), label);
}

/* Runs a command of the shell; false when the program is not there. */
static bool have(const char *program)
{
    char cmd[200];

    snprintf(cmd, sizeof(cmd), "PATH=$PATH:/sbin:/usr/sbin command -v %s >/dev/null 2>&1", program);
    if (system(cmd) == 0)
        return true;
    fprintf(stderr, "%s is not installed: what it would say is not tested\n", program);
    return false;
}

static char *write_temp(const void *bytes, size_t size)
{
    static char path[64];
    int fd;

    snprintf(path, sizeof(path), "/tmp/kittson-fs-XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    close(fd);
    return path;
}

/* fsck.fat finds nothing at all. */
static void fsck(void)
{
    char cmd[300];
    char *path;
    int rc;

    fs_close(root);
    fs_unmount(fs);
    fs = NULL;
    if (have("fsck.fat")) {
        path = write_temp(data, data_size);
        snprintf(cmd, sizeof(cmd),
                 "PATH=$PATH:/sbin:/usr/sbin fsck.fat -n %s >%s.log 2>&1 || { cat %s.log; false; }",
                 path, path, path);
        rc = system(cmd);
        snprintf(cmd, sizeof(cmd), "%s.log", path);
        unlink(cmd);
        unlink(path);
        ck_assert_int_eq(rc, 0);
    }
    mount_again();
}

static const struct {
    unsigned bits;
    size_t size;
    uint32_t block;
    const char *kind;
} kinds[] = {
    {12, 2 * MB, 512, "FAT12"},
    {16, 20 * MB, 512, "FAT16"},
    {32, 40 * MB, 512, "FAT32"},
    {16, 24 * MB, 2048, "FAT16"},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Our own checker: every cluster has one owner, no chain ends before its file, names can be read.
 */

struct check {
    struct fat *f;
    uint8_t *used;
    unsigned files;
};

static void check_chain(struct check *c, const struct fat_node *n)
{
    uint32_t cluster = n->first, count = 0;
    int more = cluster != 0;

    for (; more == 1; count++) {
        ck_assert(fat_cluster_ok(c->f, cluster));
        ck_assert_msg(!c->used[cluster], "cluster %u has two owners", cluster);
        c->used[cluster] = 1;
        more = fat_next(c->f, cluster, &cluster);
    }
    ck_assert_int_eq(more, 0);
    if (!(n->node.info.attributes & FS_ATTR_DIRECTORY))
        ck_assert_uint_ge((uint64_t)count * c->f->cluster, n->node.info.size);
}

static void check_dir(struct check *c, struct fs_node *dir)
{
    uint64_t cursor = 0;
    struct fat_node n;
    int got;

    for (;;) {
        memset(&n, 0, sizeof(n));
        n.node.fs = dir->fs;
        n.node.parent = dir;
        got = fat_dir_next(dir, &cursor, &n.node);
        ck_assert_int_ge(got, 0);
        if (!got)
            return;
        if (n.node.info.name[0] == '.')
            continue;
        c->files++;
        check_chain(c, &n);
        if (n.node.info.attributes & FS_ATTR_DIRECTORY)
            check_dir(c, &n.node);
    }
}

static unsigned check_volume(void)
{
    struct check c = {.f = (struct fat *)fs};

    c.used = calloc(1, c.f->clusters + 2);
    if (c.f->bits == 32)
        check_chain(&c, (struct fat_node *)fs->root);
    check_dir(&c, fs->root);
    free(c.used);
    return c.files;
}

START_TEST(files)
{
    const char *names[] = {"A.TXT",
                           "grub.cfg",
                           "A long name with blanks.and.dots",
                           "UPPER",
                           "\\EFI\\BOOT\\bootia64.efi",
                           "x"};
    const size_t sizes[] = {0, 1, 511, 70000, 512, 4096};
    uint64_t before;

    make_volume(kinds[_i].size, kinds[_i].bits, kinds[_i].block);
    ck_assert_str_eq(fs_kind(fs), kinds[_i].kind);
    before = free_bytes();
    ck_assert_int_eq(make_dir("EFI"), 0);
    ck_assert_int_eq(make_dir("efi\\boot"), 0);
    for (unsigned i = 0; i < 6; i++)
        ck_assert_int_eq(put_file(names[i], sizes[i], i), 0);
    mount_again();
    for (unsigned i = 0; i < 6; i++)
        expect_file(names[i], sizes[i], i);
    expect_file("\\efi\\.\\..\\EFI\\Boot\\..\\..\\a LONG name with blanks.AND.dots. .", 511, 2);
    ck_assert_uint_eq(count_entries("\\"), 6);
    ck_assert_uint_eq(count_entries("\\EFI\\BOOT"), 3);
    fsck();
    ck_assert_uint_eq(check_volume(), 8);
    ck_assert_int_eq(delete_path("EFI"), -ENOTEMPTY);
    for (unsigned i = 0; i < 6; i++)
        ck_assert_int_eq(delete_path(names[i]), 0);
    ck_assert_int_eq(delete_path("EFI\\BOOT\\"), 0);
    ck_assert_int_eq(delete_path("EFI"), 0);
    ck_assert_int_eq(delete_path("EFI"), -ENOENT);
    ck_assert_uint_eq(free_bytes(), before);
    fsck();
    ck_assert_uint_eq(free_bytes(), before);
    end_volume();
}
END_TEST

START_TEST(renames)
{
    make_volume(kinds[_i].size, kinds[_i].bits, kinds[_i].block);
    ck_assert_int_eq(make_dir("one"), 0);
    ck_assert_int_eq(make_dir("one\\sub"), 0);
    ck_assert_int_eq(make_dir("two"), 0);
    ck_assert_int_eq(put_file("file.txt", 3000, 1), 0);
    ck_assert_int_eq(put_file("other", 10, 2), 0);
    ck_assert_int_eq(rename_path("file.txt", "other"), -EEXIST);
    ck_assert_int_eq(rename_path("file.txt", "bad*name"), -EINVAL);
    ck_assert_int_eq(rename_path("file.txt", "FILE.TXT"), 0);
    ck_assert_int_eq(rename_path("file.txt", "A considerably longer name.text"), 0);
    expect_file("A considerably longer name.text", 3000, 1);
    ck_assert_int_eq(rename_path("A considerably longer name.text", "\\one\\sub\\f"), 0);
    expect_file("one\\sub\\f", 3000, 1);
    ck_assert_int_eq(rename_path("one", "one\\sub\\one"), -EACCES);
    ck_assert_int_eq(rename_path("one\\sub", "\\two\\moved"), 0);
    expect_file("two\\moved\\..\\moved\\f", 3000, 1);
    ck_assert_int_eq(rename_path("two\\moved", "..\\moved"), 0);
    expect_file("moved\\f", 3000, 1);
    ck_assert_int_eq(count_entries("two"), 2);
    fsck();
    check_volume();
    end_volume();
}
END_TEST

START_TEST(sizes)
{
    struct fs_info info;
    struct fs_file *f;
    uint8_t buf[300];
    uint64_t len = 3;

    make_volume(kinds[_i].size, kinds[_i].bits, kinds[_i].block);
    ck_assert_int_eq(put_file("f", 100000, 1), 0);
    ck_assert_int_eq(open_at("f", RW, 0, &f), 0);
    ck_assert_int_eq(fs_info(f, &info), 0);
    info.size = 5000;
    ck_assert_int_eq(fs_set_info(f, &info), 0);
    expect_file("f", 5000, 1);
    ck_assert_int_eq(fs_seek(f, 20000), 0);
    ck_assert_int_eq(fs_read(f, buf, &len), -EIO);
    ck_assert_int_eq(fs_write(f, "abc", &len), 0);
    ck_assert_uint_eq(fs_tell(f), 20003);
    ck_assert_int_eq(fs_seek(f, 19800), 0);
    len = sizeof(buf);
    ck_assert_int_eq(fs_read(f, buf, &len), 0);
    ck_assert_uint_eq(len, 203);
    for (unsigned i = 0; i < 200; i++)
        ck_assert_uint_eq(buf[i], 0);
    ck_assert_mem_eq(buf + 200, "abc", 3);
    info.size = 0;
    ck_assert_int_eq(fs_set_info(f, &info), 0);
    ck_assert_int_eq(fs_seek(f, UINT64_MAX), 0);
    ck_assert_uint_eq(fs_tell(f), 0);
    info.size = 40000;
    ck_assert_int_eq(fs_set_info(f, &info), 0);
    info.size = 1ull << 32;
    ck_assert_int_eq(fs_set_info(f, &info), -EFBIG);
    info.size = 0xffffffff;
    ck_assert_int_eq(fs_set_info(f, &info), -ENOSPC);
    ck_assert_int_eq(fs_seek(f, 1ull << 32), 0);
    len = 1;
    ck_assert_int_eq(fs_write(f, "x", &len), -EFBIG);
    ck_assert_uint_eq(len, 0);
    fs_close(f);
    fsck();
    check_volume();
    end_volume();
}
END_TEST

START_TEST(full)
{
    struct fs_file *f;
    uint64_t len, before;
    uint8_t *buf;

    make_volume(kinds[_i].size, kinds[_i].bits, kinds[_i].block);
    before = free_bytes();
    buf = calloc(1, data_size);
    ck_assert_int_eq(open_at("big", CREATE, 0, &f), 0);
    len = data_size;
    ck_assert_int_eq(fs_write(f, buf, &len), -ENOSPC);
    ck_assert_uint_eq(len, before);
    fs_close(f);
    ck_assert_uint_eq(free_bytes(), 0);
    ck_assert_int_eq(put_file("more", 1, 1), -ENOSPC);
    ck_assert_int_eq(put_file("empty", 0, 1), 0);
    ck_assert_int_eq(make_dir("dir"), -ENOSPC);
    fsck();
    ck_assert_int_eq(delete_path("big"), 0);
    ck_assert_uint_eq(free_bytes(), before);
    fsck();
    free(buf);
    end_volume();
}
END_TEST

/* Enough files to make the directory grow, with short names that clash. */
START_TEST(many)
{
    struct fs_info info;
    struct fs_file *f;
    unsigned count = 400;
    char name[80];

    make_volume(kinds[_i].size, kinds[_i].bits, kinds[_i].block);
    ck_assert_int_eq(make_dir("d"), 0);
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "d\\a long file name, number %u.text", i);
        ck_assert_int_eq(put_file(name, i, i), 0);
    }
    ck_assert_uint_eq(count_entries("d"), count + 2);
    expect_file("d\\ALONGF~1.TEX", 0, 0);
    fsck();
    for (unsigned i = 0; i < count; i += 2) {
        snprintf(name, sizeof(name), "d\\a long file name, number %u.text", i);
        ck_assert_int_eq(delete_path(name), 0);
    }
    for (unsigned i = 1; i < count; i += 2) {
        snprintf(name, sizeof(name), "d\\A LONG FILE NAME, NUMBER %u.TEXT", i);
        expect_file(name, i, i);
    }
    ck_assert_int_eq(open_at("d", FS_READ, 0, &f), 0);
    ck_assert_int_eq(fs_read_dir(f, &info), 1);
    ck_assert_str_eq(a(info.name), ".");
    ck_assert_int_eq(fs_read_dir(f, &info), 1);
    ck_assert_str_eq(a(info.name), "..");
    ck_assert_int_eq(fs_read_dir(f, &info), 1);
    fs_unread_dir(f);
    ck_assert_int_eq(fs_read_dir(f, &info), 1);
    ck_assert_str_eq(a(info.name), "a long file name, number 1.text");
    ck_assert_int_eq(fs_seek(f, 5), -EISDIR);
    ck_assert_int_eq(fs_seek(f, 0), 0);
    ck_assert_int_eq(fs_read_dir(f, &info), 1);
    ck_assert_str_eq(a(info.name), ".");
    fs_close(f);
    fsck();
    check_volume();
    end_volume();
}
END_TEST

START_TEST(information)
{
    struct fs_info info, got;
    struct fs_volume v;
    struct fs_file *f, *g;
    uint64_t len = 1;

    make_volume(kinds[_i].size, kinds[_i].bits, kinds[_i].block);
    ck_assert_int_eq(put_file("f", 3, 1), 0);
    ck_assert_int_eq(open_at("f", RW, 0, &f), 0);
    ck_assert_int_eq(fs_info(f, &info), 0);
    ck_assert_uint_eq(info.attributes, FS_ATTR_ARCHIVE);
    ck_assert_uint_eq(info.created.second, 11);
    ck_assert_uint_eq(info.modified.second, 10);
    ck_assert_uint_eq(info.modified.year, 2004);
    info.attributes = FS_ATTR_READ_ONLY | FS_ATTR_HIDDEN;
    info.modified = (struct fs_time){1999, 12, 31, 23, 59, 58};
    info.created = (struct fs_time){0};
    ck_assert_int_eq(fs_set_info(f, &info), 0);
    info.attributes |= FS_ATTR_DIRECTORY;
    ck_assert_int_eq(fs_set_info(f, &info), -EACCES);
    fs_close(f);
    mount_again();
    ck_assert_int_eq(open_at("f", RW, 0, &f), -EACCES);
    ck_assert_int_eq(open_at("f", FS_READ, 0, &f), 0);
    ck_assert_int_eq(fs_info(f, &got), 0);
    ck_assert_uint_eq(got.attributes, FS_ATTR_READ_ONLY | FS_ATTR_HIDDEN);
    ck_assert_uint_eq(got.modified.year, 1999);
    ck_assert_uint_eq(got.modified.second, 58);
    ck_assert_uint_eq(got.created.hour, 8);
    ck_assert_int_eq(fs_write(f, "x", &len), -EACCES);
    got.size = 0;
    ck_assert_int_eq(fs_set_info(f, &got), -EACCES);
    got.size = 3;
    got.attributes = FS_ATTR_ARCHIVE;
    ck_assert_int_eq(fs_set_info(f, &got), 0);
    ck_assert_int_eq(open_at("f", CREATE, 0, &g), 0);
    fs_close(f);
    ck_assert_int_eq(open_at("f", FS_READ, 0, &f), 0);
    ck_assert_int_eq(fs_delete(g), 0);
    ck_assert_int_eq(fs_read(f, &len, &len), -ESTALE);
    fs_close(f);
    ck_assert_int_eq(open_at("f\\x", FS_READ, 0, &f), -ENOENT);
    ck_assert_int_eq(fs_set_label(fs, u("new label")), 0);
    ck_assert_int_eq(fs_set_label(fs, u("bad/label")), -EINVAL);
    fsck();
    ck_assert_int_eq(fs_volume_info(fs, &v), 0);
    ck_assert_str_eq(a(v.label), "NEW LABEL");
    ck_assert_int_eq(fs_set_label(fs, u("")), 0);
    fsck();
    ck_assert_int_eq(fs_volume_info(fs, &v), 0);
    ck_assert_str_eq(a(v.label), "");
    end_volume();
}
END_TEST

/* A device that stops taking writes. */
static unsigned writes_left;
static bool silent; /* it says nothing, as a machine that lost its power */

static int failing_write(void *opaque, uint64_t lba, uint32_t count, const void *buf)
{
    struct block_ram *r = opaque;

    if (!writes_left)
        return silent ? 0 : -EIO;
    writes_left--;
    memcpy(r->data + lba * r->dev.block_size, buf, (size_t)count * r->dev.block_size);
    return 0;
}

static void work(void)
{
    put_file("d\\new file with a long name", 5000, 7);
    make_dir("d\\sub");
    put_file("d\\sub\\x", 1500, 8);
    put_file("kept", 9000, 1); /* the same contents, longer */
    rename_path("d\\moving about", "\\another long name, elsewhere");
    rename_path("d\\sub", "\\sub");
    delete_path("gone");
    rename_path("short", "S2");
}

static void prepare(size_t size, unsigned bits)
{
    make_volume(size, bits, 512);
    ck_assert_int_eq(make_dir("d"), 0);
    ck_assert_int_eq(put_file("kept", 4000, 1), 0);
    ck_assert_int_eq(put_file("untouched", 4000, 2), 0);
    ck_assert_int_eq(put_file("d\\moving about", 700, 3), 0);
    ck_assert_int_eq(put_file("gone", 3000, 4), 0);
    ck_assert_int_eq(put_file("short", 100, 5), 0);
}

/* Two names of one file: the one damage that a rename may leave. */
static bool both(const char *name, const char *other)
{
    struct fs_file *f, *g;
    bool found;

    if (open_at(name, FS_READ, 0, &f) != 0)
        return false;
    found = open_at(other, FS_READ, 0, &g) == 0;
    fs_close(f);
    if (found)
        fs_close(g);
    return found;
}

/* Whichever write is the last one that arrives, the volume is consistent but for lost clusters,
 * and nothing that was there before is gone. A rename across blocks may leave two names. */
static bool stop_after(const uint8_t *start, unsigned n)
{
    struct fs_file *f;
    bool all;

    memcpy(data, start, data_size);
    ram.dev.write = failing_write;
    writes_left = n;
    mount_again();
    work();
    fs_close(root);
    fs_unmount(fs);
    fs = NULL;
    all = writes_left > 0;
    writes_left = 1000000;
    mount_again();
    expect_file("untouched", 4000, 2);
    if (open_at("d\\moving about", FS_READ, 0, &f) == 0)
        fs_close(f);
    else
        expect_file("another long name, elsewhere", 700, 3);
    if (open_at("short", FS_READ, 0, &f) == 0)
        fs_close(f);
    else
        expect_file("s2", 100, 5);
    ck_assert_int_eq(open_at("kept", FS_READ, 0, &f), 0);
    fs_close(f);
    if (both("another long name, elsewhere", "d\\moving about") || both("sub", "d\\sub") ||
        both("short", "s2"))
        return all;
    check_volume();
    return all;
}

START_TEST(crashes)
{
    uint8_t *start;
    unsigned n = 0;

    silent = _i & 1;
    prepare(_i < 2 ? 2 * MB : 36 * MB, _i < 2 ? 12 : 32);
    start = malloc(data_size);
    memcpy(start, data, data_size);
    while (!stop_after(start, n))
        n += _i < 2 ? 1 : 5;
    ck_assert_uint_gt(n, 20);
    free(start);
    end_volume();
}
END_TEST

/* Damage */

START_TEST(damaged)
{
    struct fs_file *f;
    struct fat *v;
    uint8_t buf[4000];
    uint64_t len = sizeof(buf);

    make_volume(20 * MB, 16, 512);
    ck_assert_int_eq(make_dir("d"), 0);
    ck_assert_int_eq(make_dir("d\\e"), 0);
    ck_assert_int_eq(put_file("f", 4000, 1), 0);
    v = (struct fat *)fs;
    ck_assert_int_eq(v->cluster, 512);
    /* clusters: d 2, e 3, f 4 to 11; the file's chain becomes a cycle */
    put_le16(data + v->table + 2 * 7, 5);
    put_le16(data + v->table + 2 * 2, 2); /* a directory of one cluster that follows itself */
    mount_again();
    ck_assert_int_eq(open_at("f", RW, 0, &f), 0);
    ck_assert_int_eq(fs_read(f, buf, &len), 0); /* bounded by the file's size */
    ck_assert_int_eq(fs_delete(f), 0);
    v = (struct fat *)fs;
    for (unsigned i = 4; i < 16; i++) /* nothing ends it */
        data[v->data + 32 * i] = 0xe5;
    mount_again();
    ck_assert_int_eq(open_at("d\\none", FS_READ, 0, &f), -EUCLEAN);
    /* a directory that contains itself */
    v = (struct fat *)fs;
    put_le16(data + v->table + 2 * 2, 0xffff);
    put_le16(data + v->data + 3 * 32 + DE_CLUSTER_LOW, 2);
    mount_again();
    ck_assert_uint_eq(count_entries("d\\e"), 0);
    ck_assert_int_eq(open_at("d\\e\\e", FS_READ, 0, &f), -ENOENT);
    /* a file that begins outside */
    ck_assert_int_eq(put_file("f", 4000, 1), 0);
    v = (struct fat *)fs;
    for (uint8_t *e = data + v->root;; e += 32)
        if (memcmp(e, "F          ", 11) == 0) {
            put_le16(e + DE_CLUSTER_LOW, 0xfff0);
            break;
        }
    mount_again();
    ck_assert_int_eq(open_at("f", FS_READ, 0, &f), 0);
    ck_assert_int_eq(fs_read(f, buf, &len), -EUCLEAN);
    fs_close(f);
    ram.dev.blocks = 100; /* truncated: read-only, and errors where nothing is */
    mount_again();
    ck_assert_int_eq(make_dir("x"), -EROFS);
    ram.dev.blocks = 0;
    fs_close(root);
    fs_unmount(fs);
    ck_assert_int_eq(fs_mount(&ram.dev, &options, &fs), -ENOTSUP);
    fs = NULL;
    end_volume();
}
END_TEST

START_TEST(open_rules)
{
    struct fs_file *f, *g;

    make_volume(2 * MB, 12, 512);
    ck_assert_int_eq(put_file("f", 1, 1), 0);
    ck_assert_int_eq(make_dir("d"), 0);
    ck_assert_int_eq(open_at("f", FS_WRITE, 0, &f), -EINVAL);
    ck_assert_int_eq(open_at("f", CREATE, FS_ATTR_DIRECTORY, &f), -EACCES);
    ck_assert_int_eq(open_at("d", CREATE, 0, &f), -EACCES);
    ck_assert_int_eq(open_at("f\\g", FS_READ, 0, &f), -ENOTDIR);
    ck_assert_int_eq(open_at("no\\g", CREATE, 0, &f), -ENOENT);
    ck_assert_int_eq(open_at("a:b", CREATE, 0, &f), -EINVAL);
    ck_assert_int_eq(open_at("..\\..\\f", FS_READ, 0, &f), 0);
    ck_assert_int_eq(fs_open(f, u("d"), FS_READ, 0, &g), 0);
    ck_assert(fs_is_dir(g));
    fs_close(g);
    fs_close(root); /* files outlive their volume */
    fs_unmount(fs);
    fs = NULL;
    ck_assert_int_eq(fs_open(f, u("\\d"), FS_READ, 0, &g), 0);
    fs_close(f);
    fs_close(g);
    end_volume();
}
END_TEST

/* Volumes of other makers */

static int read_fd(void *opaque, uint64_t lba, uint32_t count, void *buf)
{
    size_t n = (size_t)count * 512;

    return pread(*(int *)opaque, buf, n, (off_t)lba * 512) == (ssize_t)n ? 0 : -EIO;
}

static bool open_image(const char *path, int *fd, struct block_dev *d)
{
    struct stat st;

    *fd = open(path, O_RDONLY);
    if (*fd < 0 || fstat(*fd, &st))
        return false;
    *d = (struct block_dev){.opaque = fd,
                            .blocks = (uint64_t)st.st_size / 512,
                            .block_size = 512,
                            .read_only = true,
                            .read = read_fd};
    return true;
}

static void compare_stream(struct fs_file *f, FILE *in, const char *what)
{
    uint8_t mine[4096], theirs[4096];
    uint64_t n;

    for (;;) {
        n = sizeof(mine);
        ck_assert_msg(fs_read(f, mine, &n) == 0, "%s", what);
        ck_assert_msg(fread(theirs, 1, sizeof(theirs), in) == n, "%s: length", what);
        ck_assert_msg(memcmp(mine, theirs, n) == 0, "%s: contents", what);
        if (n == 0)
            return;
    }
}

/* Every file of a directory against what the command prints: %s is its path with slashes. */
static unsigned compare_tree(struct fs_file *dir, const char *path, const char *command)
{
    struct fs_info info;
    unsigned n = 0;

    while (fs_read_dir(dir, &info) == 1) {
        char name[1200], cmd[4000];
        struct fs_file *f;

        if (info.name[0] == '.' && (info.name[1] == 0 || info.name[1] == '.'))
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, a(info.name));
        ck_assert_msg(fs_open(dir, info.name, FS_READ, 0, &f) == 0, "%s", name);
        if (fs_is_dir(f)) {
            n += compare_tree(f, name, command);
        } else {
            snprintf(cmd, sizeof(cmd), command, name);
            FILE *in = popen(cmd, "r");
            compare_stream(f, in, name);
            pclose(in);
            n++;
        }
        fs_close(f);
    }
    return n;
}

static unsigned compare_volume(const struct block_dev *d, const char *command)
{
    struct fs_file *dir;
    struct fs *volume;
    unsigned n;

    ck_assert_int_eq(fs_mount(d, NULL, &volume), 0);
    ck_assert_int_eq(fs_root(volume, &dir), 0);
    n = compare_tree(dir, "", command);
    fs_close(dir);
    fs_unmount(volume);
    return n;
}

/* Our volume as mtools reads it. */
START_TEST(mtools)
{
    char command[200], *path;
    struct block_dev d;
    int fd;

    if (!have("mtype"))
        return;
    make_volume(kinds[_i].size, kinds[_i].bits, 512);
    ck_assert_int_eq(make_dir("Dir with a long name"), 0);
    ck_assert_int_eq(put_file("Dir with a long name\\Some file.text", 12345, 1), 0);
    ck_assert_int_eq(put_file("lower.c", 100, 2), 0);
    ck_assert_int_eq(put_file("FULL.TXT", 100000, 3), 0);
    path = write_temp(data, data_size);
    snprintf(command, sizeof(command), "MTOOLS_SKIP_CHECK=1 mtype -i %s \"::%%s\"", path);
    ck_assert(open_image(path, &fd, &d));
    ck_assert_uint_eq(compare_volume(&d, command), 3);
    close(fd);
    unlink(path);
    end_volume();
}
END_TEST

/* A volume of mkfs.fat, filled by mtools, changed by us, checked by fsck.fat. */
START_TEST(mkfs)
{
    static const char *const how[] = {"-F 12 -C %s 1440", "-F 16 -s 4 -C %s 32768",
                                      "-F 32 -s 1 -C %s 40000", "-F 16 -S 2048 -C %s 65536"};
    char cmd[600], args[100], *path = write_temp("", 0);
    int fd;

    if (!have("mkfs.fat") || !have("mcopy"))
        return;
    unlink(path);
    snprintf(args, sizeof(args), how[_i], path);
    snprintf(cmd, sizeof(cmd),
             "PATH=$PATH:/sbin:/usr/sbin mkfs.fat -n LABEL %s >/dev/null && mmd -i %s ::/d && "
             "mcopy -i %s /bin/ls \"::/d/The Program ls\"",
             args, path, path);
    ck_assert_int_eq(system(cmd), 0);
    fd = open(path, O_RDONLY);
    data_size = (size_t)lseek(fd, 0, SEEK_END);
    data = malloc(data_size);
    ck_assert_int_eq(pread(fd, data, data_size, 0), (ssize_t)data_size);
    close(fd);
    unlink(path);
    block_ram_init(&ram, data, data_size, 512);
    mount_again();
    ck_assert_int_eq(put_file("d\\ours", 100000, 1), 0);
    ck_assert_int_eq(make_dir("d\\dir"), 0);
    ck_assert_int_eq(rename_path("d\\THE program ls", "\\d\\dir\\ls"), 0);
    fsck();
    ck_assert_int_eq(delete_path("d\\dir\\ls"), 0);
    expect_file("d\\ours", 100000, 1);
    fsck();
    check_volume();
    end_volume();
}
END_TEST

/* The files below a directory, all read to their ends. */
static unsigned read_tree(struct fs_file *dir)
{
    struct fs_info info;
    unsigned n = 0;

    while (fs_read_dir(dir, &info) == 1) {
        static uint8_t buf[65536];
        uint64_t len = sizeof(buf);
        struct fs_file *f;

        ck_assert_int_eq(fs_open(dir, info.name, FS_READ, 0, &f), 0);
        n += fs_is_dir(f) ? read_tree(f) : 1;
        while (!fs_is_dir(f) && len)
            ck_assert_int_eq(fs_read(f, buf, &len), 0);
        fs_close(f);
    }
    return n;
}

/* A disc of genisoimage: name styles, deep directories, links, a directory of several sectors. */
START_TEST(iso)
{
    static const char *const how[] = {"-R -J", "-J", "-R", "-l -iso-level 3", "-iso-level 1", ""};
    char cmd[900], dir[] = "/tmp/kittson-iso-XXXXXX", image[64], command[200];
    struct block_dev d;
    int fd;

    if (!have("genisoimage") || !mkdtemp(dir))
        return;
    snprintf(image, sizeof(image), "%s.iso", dir);
    snprintf(cmd, sizeof(cmd),
             "cd %s && mkdir -p sub/a/b/c/d/e/f/g/h/i && cp /bin/ls sub/ls.bin && : >empty && "
             "echo deep >sub/a/b/c/d/e/f/g/h/i/deep.txt && ln -s empty link && "
             "for i in $(seq 200); do echo $i >sub/a/f$i.txt; done && "
             "echo x >sub/$(printf %%050d 7).txt && "
             "genisoimage -quiet %s %s -V DISC -o %s . >/dev/null 2>&1",
             dir, _i == 2 ? "" : "-D", how[_i], image);
    ck_assert_int_eq(system(cmd), 0);
    snprintf(command, sizeof(command), "cat \"%s%%s\"", dir);
    ck_assert(open_image(image, &fd, &d));
    if (_i < 3)
        ck_assert_uint_eq(compare_volume(&d, command), 204);
    ck_assert_int_eq(fs_mount(&d, NULL, &fs), 0);
    ck_assert_int_eq(fs_root(fs, &root), 0);
    ck_assert_str_eq(fs_kind(fs), "ISO 9660");
    ck_assert_uint_eq(read_tree(root), 204);
    expect_label("DISC");
    ck_assert_int_eq(make_dir("x"), -EROFS);
    end_volume();
    close(fd);
    snprintf(cmd, sizeof(cmd), "rm -rf %s %s", dir, image);
    ck_assert_int_eq(system(cmd), 0);
}
END_TEST

/* A small disc made by hand: "F;1" in two extents, a directory "D" that contains the root. */

static void iso_record(uint8_t *r, const char *name, size_t n, uint32_t block, uint32_t size,
                       uint8_t flags)
{
    r[0] = (uint8_t)(33 + n + !(n & 1));
    put_le32(r + 2, block);
    put_le32(r + 10, size);
    r[18] = 104, r[19] = 2, r[20] = 3;
    r[25] = flags;
    r[32] = (uint8_t)n;
    memcpy(r + 33, name, n);
}

static void make_iso(void)
{
    uint8_t *d, *p;

    data_size = 24 * 2048;
    data = calloc(1, data_size);
    d = data + 16 * 2048;
    memcpy(d, "\1CD001\1", 7);
    memcpy(d + 40, "HAND MADE                       ", 32);
    put_le32(d + 80, 24);
    put_le16(d + 128, 2048);
    iso_record(d + 156, "", 1, 18, 2048, 2);
    memcpy(d + 2048, "\377CD001\1", 7);
    p = data + 18 * 2048;
    iso_record(p, "\0", 1, 18, 2048, 2);
    p += p[0];
    iso_record(p, "\1", 1, 18, 2048, 2);
    p += p[0];
    iso_record(p, "D", 1, 18, 2048, 2);
    p += p[0];
    iso_record(p, "F.;1", 4, 20, 2048, 0x80);
    p += p[0];
    iso_record(p, "F.;1", 4, 19, 100, 0);
    memset(data + 20 * 2048, 'a', 2048);
    memset(data + 19 * 2048, 'b', 2048);
    block_ram_init(&ram, data, data_size, 2048);
    mount_again();
}

START_TEST(iso_damaged)
{
    uint8_t buf[3000], *records;
    uint64_t len = sizeof(buf);
    struct fs_info info;
    struct fs_file *f;

    make_iso();
    ck_assert_uint_eq(count_entries("\\"), 1); /* the cyclic directory is left out */
    ck_assert_int_eq(open_at("f", FS_READ, 0, &f), 0);
    ck_assert_int_eq(fs_info(f, &info), 0);
    ck_assert_uint_eq(info.created.year, 2004);
    ck_assert_int_eq(fs_read(f, buf, &len), 0);
    ck_assert_uint_eq(len, 2148);
    ck_assert_uint_eq(buf[2047], 'a');
    ck_assert_uint_eq(buf[2048], 'b');
    fs_close(f);
    records = data + 18 * 2048;
    records[34 + 34 + 34 + 2] = 200; /* the first extent: outside the disc */
    mount_again();
    len = sizeof(buf);
    ck_assert_int_eq(open_at("F", FS_READ, 0, &f), 0);
    ck_assert_int_eq(fs_read(f, buf, &len), -EIO);
    fs_close(f);
    records[34 + 34 + 34 + 32] = 200; /* a name longer than its record */
    mount_again();
    ck_assert_int_eq(open_at("F", FS_READ, 0, &f), -EUCLEAN);
    ram.dev.blocks = 18; /* truncated */
    fs_close(root);
    fs_unmount(fs);
    ck_assert_int_eq(fs_mount(&ram.dev, &options, &fs), -EIO);
    fs = NULL;
    end_volume();
}
END_TEST

/* The trial guests: every file of the EFI system partition and of the disc. */

static bool guest_image(const char *name, char *path, size_t size)
{
    const char *shared = getenv("KITTSON_SHARED"), *home = getenv("HOME");
    char cmd[1000];

    snprintf(path, size, "%s/.cache/kittson/%s", home ? home : "/tmp", name);
    if (access(path, R_OK) == 0)
        return true;
    snprintf(cmd, sizeof(cmd),
             "test -r %s/guests/%s.gz && mkdir -p %s/.cache/kittson && "
             "gunzip -c %s/guests/%s.gz >%s.$$ && mv %s.$$ %s",
             shared ? shared : "../shared", name, home ? home : "/tmp",
             shared ? shared : "../shared", name, path, path, path);
    if (system(cmd) == 0)
        return true;
    fprintf(stderr, "%s is not there: it is not tested\n", name);
    return false;
}

START_TEST(guest_disk)
{
    struct partition_list list;
    struct block_view view;
    struct block_dev d;
    char path[600], command[900];
    int fd;

    if (!have("mtype") || !guest_image("disk.img", path, sizeof(path)))
        return;
    ck_assert(open_image(path, &fd, &d));
    ck_assert_int_eq(partition_scan(&d, &list), 0);
    ck_assert_int_eq(list.scheme, PART_GPT);
    ck_assert_str_eq(list.note, "");
    ck_assert_uint_eq(list.count, 2);
    ck_assert(partition_is_esp(&list.part[0]));
    ck_assert_int_eq(block_view_init(&view, &d, list.part[0].start, list.part[0].blocks), 0);
    snprintf(command, sizeof(command), "MTOOLS_SKIP_CHECK=1 mtype -i %s@@%llu \"::%%s\"", path,
             (unsigned long long)list.part[0].start * 512);
    ck_assert_uint_ge(compare_volume(&view.dev, command), 3);
    close(fd);
}
END_TEST

START_TEST(guest_disc)
{
    struct partition_list list;
    struct block_view view;
    struct block_dev d;
    char path[600], command[900];
    int fd;

    if (!have("isoinfo") || !guest_image("cd.iso", path, sizeof(path)))
        return;
    ck_assert(open_image(path, &fd, &d));
    snprintf(command, sizeof(command), "isoinfo -R -i %s -x \"%%s\"", path);
    ck_assert_uint_ge(compare_volume(&d, command), 3);
    ck_assert_int_eq(partition_scan(&d, &list), 0);
    ck_assert_int_eq(list.scheme, PART_ELTORITO);
    ck_assert_uint_ge(list.count, 1);
    ck_assert_int_eq(block_view_init(&view, &d, list.part[0].start, list.part[0].blocks), 0);
    snprintf(command, sizeof(command), "MTOOLS_SKIP_CHECK=1 mtype -i %s@@%llu \"::%%s\"", path,
             (unsigned long long)list.part[0].start * 512);
    ck_assert_uint_ge(compare_volume(&view.dev, command), 1);
    close(fd);
}
END_TEST

int main(void)
{
    const struct {
        const TTest *test;
        int count;
    } tests[] = {{files, KINDS},   {renames, KINDS}, {sizes, KINDS}, {full, KINDS},
                 {many, KINDS},    {crashes, 3},     {damaged, 1},   {information, KINDS},
                 {open_rules, 1},  {mtools, 3},      {mkfs, 4},      {iso, 6},
                 {iso_damaged, 1}, {guest_disk, 1},  {guest_disc, 1}};
    Suite *s = suite_create("filesystem");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_set_timeout(c, 60);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_loop_test(c, tests[i].test, 0, tests[i].count);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
