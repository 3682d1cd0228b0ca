/* Makes empty FAT volumes, for tests and tools. */
#include "fat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TABLES       2
#define ROOT_ENTRIES 512
#define RESERVED_32  32
#define INFO_SECTOR  1
#define BACKUP_BOOT  6
#define MEDIA_DISK   0xf8

struct layout {
    unsigned bits, reserved, root_sectors, spc;
    uint32_t sector, total, table_sectors, clusters;
};

static void lay_out(struct layout *l)
{
    uint32_t meta = l->reserved + l->root_sectors, need = 1, have;

    do { /* a longer table leaves fewer clusters: this converges */
        have = need;
        l->clusters =
            l->total > meta + TABLES * have ? (l->total - meta - TABLES * have) / l->spc : 0;
        need = (uint32_t)((((uint64_t)l->clusters + 2) * l->bits / 8 + l->sector) / l->sector);
    } while (need > have);
    l->table_sectors = have;
}

static bool fits(const struct layout *l)
{
    switch (l->bits) {
    case 12:
        return l->clusters >= 1 && l->clusters < 4085;
    case 16:
        return l->clusters >= 4085 && l->clusters < 65525;
    default:
        return l->clusters >= 65525 && l->clusters < 0x0ffffff0;
    }
}

static bool try_bits(struct layout *l, unsigned bits, unsigned spc)
{
    l->bits = bits;
    l->reserved = bits == 32 ? RESERVED_32 : 1;
    l->root_sectors = bits == 32 ? 0 : ROOT_ENTRIES * FAT_ENTRY / l->sector;
    for (l->spc = spc ? spc : bits == 32 ? 8 : 1; l->spc <= 128; l->spc *= 2) {
        lay_out(l);
        if (fits(l))
            return true;
        if (spc)
            return false;
    }
    for (l->spc = 4; bits == 32 && l->spc; l->spc /= 2) {
        lay_out(l);
        if (fits(l))
            return true;
    }
    return false;
}

static int plan(const struct block_dev *dev, const struct fat_format_options *o, struct layout *l)
{
    uint64_t total = block_dev_size(dev) / dev->block_size;
    unsigned spc = o->sectors_per_cluster;

    l->sector = dev->block_size;
    l->total = total > UINT32_MAX ? UINT32_MAX : (uint32_t)total;
    if (!block_dev_ok(dev) || l->sector > 4096 || (spc & (spc - 1)) || spc > 128)
        return -EINVAL;
    if (o->bits)
        return (o->bits == 12 || o->bits == 16 || o->bits == 32) && try_bits(l, o->bits, spc)
                   ? 0
                   : -EINVAL;
    if (block_dev_size(dev) < 512ull << 20)
        return try_bits(l, 12, spc) && l->spc <= 8 ? 0 : try_bits(l, 16, spc) ? 0 : -EINVAL;
    return try_bits(l, 32, spc) ? 0 : -EINVAL;
}

static void put_label(uint8_t *to, const char *label)
{
    size_t n = label ? strlen(label) : 0;

    memcpy(to, n ? "           " : "NO NAME    ", 11);
    memcpy(to, label ? label : "", n < 11 ? n : 11);
}

static void fill_boot(uint8_t *b, const struct layout *l, const struct fat_format_options *o)
{
    uint8_t *ext = b + (l->bits == 32 ? 64 : 36);
    bool small = l->total < 65536 && l->bits != 32;

    memcpy(b, "\xeb\x58\x90KITTSON ", 11);
    put_le16(b + 11, (uint16_t)l->sector);
    b[13] = (uint8_t)l->spc;
    put_le16(b + 14, (uint16_t)l->reserved);
    b[16] = TABLES;
    put_le16(b + 17, l->bits == 32 ? 0 : ROOT_ENTRIES);
    put_le16(b + 19, small ? (uint16_t)l->total : 0);
    b[21] = MEDIA_DISK;
    put_le16(b + 22, l->bits == 32 ? 0 : (uint16_t)l->table_sectors);
    put_le16(b + 24, 63);
    put_le16(b + 26, 255);
    put_le32(b + 32, small ? 0 : l->total);
    if (l->bits == 32) {
        put_le32(b + 36, l->table_sectors);
        put_le32(b + 44, 2);
        put_le16(b + 48, INFO_SECTOR);
        put_le16(b + 50, BACKUP_BOOT);
    }
    ext[0] = 0x80;
    ext[2] = 0x29;
    put_le32(ext + 3, o->volume_id);
    put_label(ext + 7, o->label);
    memcpy(ext + 18, l->bits == 12 ? "FAT12   " : l->bits == 16 ? "FAT16   " : "FAT32   ", 8);
    put_le16(b + 510, 0xaa55);
}

static void fill_info(uint8_t *b, const struct layout *l)
{
    put_le32(b, 0x41615252);
    put_le32(b + 484, 0x61417272);
    put_le32(b + 488, l->clusters - 1);
    put_le32(b + 492, 3);
    put_le32(b + 508, 0xaa550000);
}

static void fill_table(uint8_t *b, const struct layout *l)
{
    switch (l->bits) {
    case 12:
        put_le32(b, 0x00fffff8);
        break;
    case 16:
        put_le32(b, 0xfffffff8);
        break;
    default:
        put_le32(b, 0x0ffffff8);
        put_le32(b + 4, 0x0fffffff);
        put_le32(b + 8, 0x0fffffff); /* the root directory */
    }
}

static int zero(const struct block_dev *dev, uint64_t from, uint64_t count)
{
    static const uint8_t zeros[65536];
    uint32_t most = (uint32_t)(sizeof(zeros) / dev->block_size);
    int err = 0;

    for (uint32_t n; count && !err; from += n, count -= n) {
        n = count < most ? (uint32_t)count : most;
        err = block_write(dev, from, n, zeros);
    }
    return err;
}

/* The boot sector comes last: before it is there, nothing is. */
static int write_all(const struct block_dev *dev, const struct layout *l,
                     const struct fat_format_options *o, uint8_t *b)
{
    uint32_t root = l->reserved + TABLES * l->table_sectors;
    int err = zero(dev, 0, root + (l->bits == 32 ? l->spc : l->root_sectors));

    fill_table(b, l);
    for (unsigned i = 0; i < TABLES && !err; i++)
        err = block_write(dev, l->reserved + i * l->table_sectors, 1, b);
    memset(b, 0, l->sector);
    put_label(b, o->label);
    b[DE_ATTR] = FAT_ATTR_VOLUME;
    put_le16(b + DE_MDATE, 1 << 5 | 1);
    if (!err && o->label && *o->label)
        err = block_write(dev, root, 1, b);
    memset(b, 0, l->sector);
    fill_info(b, l);
    if (!err && l->bits == 32)
        err = block_write(dev, INFO_SECTOR, 1, b);
    memset(b, 0, l->sector);
    fill_boot(b, l, o);
    if (!err && l->bits == 32)
        err = block_write(dev, BACKUP_BOOT, 1, b);
    return err ? err : block_write(dev, 0, 1, b);
}

int fat_format(const struct block_dev *dev, const struct fat_format_options *options)
{
    struct layout l;
    uint8_t *b;
    int err = plan(dev, options, &l);

    if (err)
        return err;
    b = calloc(1, l.sector);
    if (!b)
        return -ENOMEM;
    err = write_all(dev, &l, options, b);
    free(b);
    return err ? err : block_flush(dev);
}
