/* FAT volumes: the boot sector, and the contents of files. See fat.h for the other parts. */
#include "fat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_MAX 11

/* A volume may be longer than its device (a truncated image): that is an error of the device. */
int fat_dev_read(struct fat *f, uint64_t at, void *buf, size_t len)
{
    int err = block_read_bytes(&f->fs.dev, at, buf, len);

    return err == -EINVAL ? -EIO : err;
}

int fat_dev_write(struct fat *f, uint64_t at, const void *buf, size_t len)
{
    int err = block_write_bytes(&f->fs.dev, at, buf, len);

    return err == -EINVAL ? -EIO : err;
}

int fat_zero(struct fat *f, uint64_t at, uint64_t len)
{
    static const uint8_t zeros[65536];
    int err = 0;

    for (uint64_t n; len && !err; at += n, len -= n) {
        n = len < sizeof(zeros) ? len : sizeof(zeros);
        err = fat_dev_write(f, at, zeros, n);
    }
    f->block_valid = false;
    return err;
}

uint64_t fat_cluster_at(const struct fat *f, uint32_t cluster)
{
    return f->data + (uint64_t)(cluster - 2) * f->cluster;
}

/* The chain is followed from where it was last, or from its start. */
int fat_seek(struct fat_node *n, uint32_t index, uint32_t *cluster)
{
    struct fat *f = fat_of(&n->node);
    uint32_t at = n->index, c = n->current;

    if (!c || at > index) {
        at = 0;
        c = n->first;
    }
    if (!fat_cluster_ok(f, c))
        return c || n->node.info.size ? -EUCLEAN : 0;
    if (index >= f->clusters) /* no chain is longer, unless it is a cycle */
        return -EUCLEAN;
    for (; at < index; at++) {
        int more = fat_next(f, c, &c);

        if (more != 1)
            return more;
        n->index = at + 1;
        n->current = c;
    }
    *cluster = c;
    return 1;
}

/* Contents */

/* The run of bytes from `offset` on that are next to each other on the device, at most len. */
static int find_run(struct fat_node *n, uint64_t offset, size_t len, uint64_t *at, size_t *run)
{
    struct fat *f = fat_of(&n->node);
    uint32_t in = (uint32_t)(offset % f->cluster), c, next;
    uint64_t index = offset / f->cluster;
    int got = fat_seek(n, (uint32_t)index, &c);

    if (got != 1)
        return got < 0 ? got : -EUCLEAN;
    *at = fat_cluster_at(f, c) + in;
    *run = f->cluster - in;
    while (*run < len) {
        got = fat_next(f, c, &next);
        if (got < 0 && got != -EUCLEAN)
            return got;
        if (got != 1 || next != c + 1)
            break;
        c = next;
        *run += f->cluster;
        n->index = (uint32_t)++index;
        n->current = c;
    }
    if (*run > len)
        *run = len;
    return 0;
}

static int read_data(struct fs_node *node, uint64_t offset, void *buf, size_t len)
{
    uint8_t *p = buf;
    uint64_t at;
    int err = 0;

    for (size_t n; len && !err; p += n, offset += n, len -= n) {
        n = 0;
        err = find_run(fat_node_of(node), offset, len, &at, &n);
        if (!err)
            err = fat_dev_read(fat_of(node), at, p, n);
    }
    return err;
}

/* Writes to clusters that are there; NULL stands for zeros. */
static int write_data(struct fs_node *node, uint64_t offset, const uint8_t *p, size_t len,
                      size_t *done)
{
    struct fat *f = fat_of(node);
    uint64_t at;
    int err = 0;

    *done = 0;
    f->block_valid = false; /* in a damaged volume a file may lie on a directory */
    for (size_t n; *done < len && !err; *done += n) {
        n = 0;
        err = find_run(fat_node_of(node), offset + *done, len - *done, &at, &n);
        if (!err)
            err = p ? fat_dev_write(f, at, p + *done, n) : fat_zero(f, at, n);
        if (err)
            n = 0;
    }
    return err;
}

/* Makes the chain at least `need` clusters long; *have is what it got to. */
static int grow_chain(struct fat_node *n, uint32_t need, uint32_t *have)
{
    struct fat *f = fat_of(&n->node);
    uint32_t tail = 0, first, got = 0;
    int more = 1, err = 0;

    *have = (uint32_t)((n->node.info.size + f->cluster - 1) / f->cluster);
    if (*have && (more = fat_seek(n, *have - 1, &tail)) != 1)
        return more < 0 ? more : -EUCLEAN;
    for (; *have < need && (more = fat_seek(n, *have, &first)) == 1; (*have)++)
        tail = first; /* clusters behind the end of the file are used again */
    if (more < 0 || *have >= need)
        return more < 0 ? more : 0;
    err = fat_alloc(f, need - *have, &first, &got);
    if (err)
        return err;
    if (!tail)
        n->first = first;
    else
        err = fat_link(f, tail, first);
    if (!err)
        err = fat_sync(f);
    if (!err)
        *have += got;
    return err;
}

static void new_size(struct fat_node *n, uint64_t size)
{
    struct fat *f = fat_of(&n->node);
    struct fs_info *info = &n->node.info;

    info->size = size;
    info->allocated = (size + f->cluster - 1) / f->cluster * f->cluster;
}

static void touch(struct fs_node *node)
{
    fs_now(node->fs, &node->info.modified);
    node->info.accessed = node->info.modified;
    node->info.attributes |= FS_ATTR_ARCHIVE;
}

/* How many bytes from offset on there is room for, after growing the file's chain. */
static int make_room(struct fat_node *n, uint64_t offset, size_t *len)
{
    struct fat *f = fat_of(&n->node);
    uint64_t end, room;
    uint32_t have;
    int err;

    if (offset >= FAT_FILE_MAX)
        return -EFBIG;
    if (*len > FAT_FILE_MAX - offset)
        *len = FAT_FILE_MAX - offset;
    end = offset + *len;
    err = grow_chain(n, (uint32_t)((end + f->cluster - 1) / f->cluster), &have);
    if (err && err != -ENOSPC)
        return err;
    room = (uint64_t)have * f->cluster;
    if (room < end)
        *len = room > offset ? room - offset : 0;
    return *len ? 0 : -ENOSPC;
}

/* Frees the clusters of a file's chain that `size` bytes do not need. The entry names what is left
 * already, or size is 0 and it names none. */
static int cut_chain(struct fat_node *n, uint64_t size)
{
    struct fat *f = fat_of(&n->node);
    uint32_t keep = (uint32_t)((size + f->cluster - 1) / f->cluster), tail = 0, rest = n->first;
    int err = 0, more = rest != 0;

    if (keep) {
        more = fat_seek(n, keep - 1, &tail);
        if (more == 1)
            more = fat_next(f, tail, &rest);
        if (more == 1)
            err = fat_link(f, tail, 0);
        if (more == 1 && !err)
            err = fat_sync(f);
    } else {
        n->first = 0;
    }
    n->current = n->index = 0;
    if (more != 1 || err)
        return more < 0 ? more : err;
    return fat_free_chain(f, rest);
}

static int write_file(struct fs_node *node, uint64_t offset, const void *buf, size_t len,
                      size_t *done)
{
    struct fat_node *n = fat_node_of(node);
    size_t fits = len;
    int err = make_room(n, offset, &fits), written = 0;

    *done = 0;
    if (!err)
        err = write_data(node, offset, buf, fits, done);
    if (offset + *done > node->info.size)
        new_size(n, offset + *done);
    if (*done) {
        touch(node);
        written = fat_dir_update(node);
    }
    if (err || written) {
        cut_chain(n, node->info.size);
        return err ? err : written;
    }
    if (*done < len)
        return offset + *done == FAT_FILE_MAX ? -EFBIG : -ENOSPC;
    return 0;
}

static int grow_file(struct fs_node *node, uint64_t size)
{
    struct fat_node *n = fat_node_of(node);
    uint64_t old = node->info.size;
    size_t len = size - old, done;
    int err;

    if (size > FAT_FILE_MAX)
        return -EFBIG;
    err = make_room(n, old, &len);
    if (!err)
        err = len < size - old ? -ENOSPC : write_data(node, old, NULL, len, &done);
    if (err) {
        cut_chain(n, old);
        return err;
    }
    new_size(n, size);
    touch(node);
    return fat_dir_update(node);
}

/* The entry is cut first, then the chain. */
static int shrink_file(struct fs_node *node, uint64_t size)
{
    struct fat_node *n = fat_node_of(node);
    uint32_t first = n->first;
    int err;

    if (!size)
        n->first = 0;
    new_size(n, size);
    touch(node);
    err = fat_dir_update(node);
    n->first = first;
    return err ? err : cut_chain(n, size);
}

static int resize(struct fs_node *node, uint64_t size)
{
    return size > node->info.size ? grow_file(node, size) : shrink_file(node, size);
}

/* The volume */

static const char *kind(const struct fs *fs)
{
    unsigned bits = ((const struct fat *)fs)->bits;

    return bits == 12 ? "FAT12" : bits == 16 ? "FAT16" : "FAT32";
}

static int root(struct fs_node *node)
{
    struct fat *f = fat_of(node);

    node->id = UINT64_MAX;
    node->info.attributes = FS_ATTR_DIRECTORY;
    fat_node_of(node)->first = f->root_cluster;
    node->info.size = node->info.allocated = f->bits == 32 ? f->cluster : f->root_size;
    return 0;
}

static int volume(struct fs *fs, struct fs_volume *out)
{
    struct fat *f = (struct fat *)fs;
    uint8_t label[LABEL_MAX];
    unsigned n = LABEL_MAX;
    uint32_t count;
    int got = fat_dir_get_label(f, label), err;

    if (got < 0)
        return got;
    while (got == 1 && n && label[n - 1] == ' ')
        n--;
    for (unsigned i = 0; got == 1 && i < n; i++)
        out->label[i] = i == 0 && label[0] == 0x05 ? 0xe5 : label[i];
    err = fat_count_free(f, &count);
    out->size = (uint64_t)f->clusters * f->cluster;
    out->free = (uint64_t)count * f->cluster;
    out->block_size = f->cluster;
    return err;
}

static int set_label(struct fs *fs, const uint16_t *name)
{
    struct fat *f = (struct fat *)fs;
    uint8_t label[LABEL_MAX];
    size_t n = fs_name_length(name);
    int err;

    memset(label, ' ', sizeof(label));
    if (n > LABEL_MAX)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        uint16_t c = fs_upcase(name[i]);

        if (c < 0x20 || c > 0x7e || strchr("\"*+,./:;<=>?[\\]|", c))
            return -EINVAL;
        label[i] = (uint8_t)c;
    }
    err = fat_dir_set_label(f, label);
    if (!err && f->label)
        err = fat_dev_write(f, f->label, n ? label : (const uint8_t *)"NO NAME    ", LABEL_MAX);
    return err;
}

static int flush(struct fs *fs)
{
    int err = fs->read_only ? 0 : fat_sync((struct fat *)fs);

    return err ? err : block_flush(&fs->dev);
}

static void free_volume(struct fs *fs)
{
    struct fat *f = (struct fat *)fs;

    free(f->window);
    free(f->block);
    free(f);
}

static const struct fs_ops ops = {
    .kind = kind,
    .node_size = sizeof(struct fat_node),
    .root = root,
    .next = fat_dir_next,
    .alias = fat_dir_alias,
    .read = read_data,
    .write = write_file,
    .create = fat_dir_create,
    .remove = fat_dir_remove,
    .rename = fat_dir_rename,
    .resize = resize,
    .update = fat_dir_update,
    .set_label = set_label,
    .volume = volume,
    .flush = flush,
    .free = free_volume,
};

/* The boot sector */

static bool power_of_two(uint32_t v)
{
    return v && (v & (v - 1)) == 0;
}

/* Whether a sector is a FAT boot sector at all. */
static bool looks_like_fat(const uint8_t *b)
{
    uint16_t sector = le16(b + 11);

    return le16(b + 510) == 0xaa55 && power_of_two(sector) && sector >= 512 && sector <= 4096 &&
           power_of_two(b[13]) && le16(b + 14) && b[16] >= 1 && b[16] <= 4 &&
           (b[21] == 0xf0 || b[21] >= 0xf8);
}

static uint32_t total_sectors(const uint8_t *b)
{
    return le16(b + 19) ? le16(b + 19) : le32(b + 32);
}

static int take_geometry(struct fat *f, const uint8_t *b)
{
    uint64_t fat_sectors = le16(b + 22) ? le16(b + 22) : le32(b + 36);
    uint64_t total = total_sectors(b), root_sectors, data;

    f->sector = le16(b + 11);
    f->cluster = f->sector * b[13];
    f->tables = b[16];
    f->table = (uint64_t)le16(b + 14) * f->sector;
    f->table_size = fat_sectors * f->sector;
    root_sectors = ((uint64_t)le16(b + 17) * FAT_ENTRY + f->sector - 1) / f->sector;
    f->root = f->table + f->tables * f->table_size;
    f->root_size = (uint64_t)le16(b + 17) * FAT_ENTRY;
    data = le16(b + 14) + f->tables * fat_sectors + root_sectors;
    if (!fat_sectors || data >= total || (total - data) / b[13] == 0)
        return -EUCLEAN;
    f->data = data * f->sector;
    f->clusters = (uint32_t)((total - data) / b[13]);
    return 0;
}

/* The number of clusters decides the type, but only FAT32 has the long table size, whatever its
 * number of clusters. */
static int take_type(struct fat *f, const uint8_t *b)
{
    uint64_t limit;

    f->bits = !le16(b + 22) ? 32 : f->clusters < 4085 ? 12 : 16;
    if (f->bits != 32 && (!f->root_size || f->clusters >= 65525))
        return -EUCLEAN;
    limit = f->table_size * 8 / f->bits;
    if (limit < 3)
        return -EUCLEAN;
    if (f->clusters > limit - 2)
        f->clusters = (uint32_t)(limit - 2);
    if (f->clusters > 0x0ffffff5)
        f->clusters = 0x0ffffff5;
    return 0;
}

/* Bit 7 of the flags: only the table they name is in use. */
static int take_fat32(struct fat *f, const uint8_t *b)
{
    uint16_t flags = le16(b + 40), info = le16(b + 48);
    uint8_t sector[512];

    f->root_cluster = le32(b + 44) & 0x0fffffff;
    f->label = b[66] == 0x29 ? 71 : 0;
    if (!fat_cluster_ok(f, f->root_cluster) || le16(b + 42) != 0)
        return -EUCLEAN;
    if (flags & 0x80) {
        if ((flags & 15u) >= f->tables)
            return -EUCLEAN;
        f->table += (flags & 15) * f->table_size;
        f->tables = 1;
    }
    if (!info || info == 0xffff || info >= le16(b + 14) ||
        fat_dev_read(f, (uint64_t)info * f->sector, sector, sizeof(sector)) ||
        le32(sector) != 0x41615252 || le32(sector + 484) != 0x61417272)
        return 0;
    f->info = (uint64_t)info * f->sector;
    f->free = le32(sector + 488) <= f->clusters ? le32(sector + 488) : FAT_UNKNOWN;
    f->next_free = le32(sector + 492);
    return 0;
}

static int take_boot_sector(struct fat *f, const uint8_t *b)
{
    int err = take_geometry(f, b);

    f->free = FAT_UNKNOWN;
    f->next_free = 2;
    if (!err)
        err = take_type(f, b);
    if (!err && f->bits == 32)
        err = take_fat32(f, b);
    else if (!err)
        f->label = b[38] == 0x29 ? 43 : 0;
    return err;
}

/* The name of the file system type, where makers of volumes put it (FAT specification 3.1). */
static bool calls_itself_fat(const uint8_t *boot)
{
    return le16(boot + 510) == 0xaa55 &&
           (memcmp(boot + 54, "FAT", 3) == 0 || memcmp(boot + 82, "FAT", 3) == 0);
}

int fat_mount(const struct block_dev *dev, const struct fs_options *options, struct fs **out)
{
    uint8_t boot[512];
    struct fat *f;
    int err;

    if (block_dev_size(dev) < sizeof(boot))
        return -ENOTSUP;
    err = block_read_bytes(dev, 0, boot, sizeof(boot));
    if (err)
        return err;
    if (!looks_like_fat(boot))
        return calls_itself_fat(boot) ? -EUCLEAN : -ENOTSUP;
    f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    f->fs.ops = &ops;
    f->fs.dev = *dev;
    f->fs.options = *options;
    err = take_boot_sector(f, boot);
    f->window = malloc(FAT_WINDOW);
    f->block = malloc(dev->block_size);
    if (!err && (!f->window || !f->block))
        err = -ENOMEM;
    if (err) {
        free_volume(&f->fs);
        return err;
    }
    /* a volume that is longer than its device is only read */
    f->fs.read_only = options->read_only || dev->read_only ||
                      (uint64_t)total_sectors(boot) * f->sector > block_dev_size(dev);
    *out = &f->fs;
    return 0;
}
