/* Checked access to block devices, by blocks and by bytes; views and devices in memory. */
#include "blockdev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 65536u /* bytes of the buffer for parts of blocks: at least one block */

bool block_dev_ok(const struct block_dev *d)
{
    uint32_t size = d->block_size;

    return size >= 512 && size <= CHUNK && (size & (size - 1)) == 0 &&
           d->blocks <= INT64_MAX / size && d->read;
}

uint64_t block_dev_size(const struct block_dev *d)
{
    return d->blocks * d->block_size;
}

static bool inside(const struct block_dev *d, uint64_t lba, uint32_t count)
{
    return lba <= d->blocks && count <= d->blocks - lba;
}

int block_read(const struct block_dev *d, uint64_t lba, uint32_t count, void *buf)
{
    if (!inside(d, lba, count))
        return -EINVAL;
    return count ? d->read(d->opaque, lba, count, buf) : 0;
}

int block_write(const struct block_dev *d, uint64_t lba, uint32_t count, const void *buf)
{
    if (d->read_only || !d->write)
        return -EROFS;
    if (!inside(d, lba, count))
        return -EINVAL;
    return count ? d->write(d->opaque, lba, count, buf) : 0;
}

int block_flush(const struct block_dev *d)
{
    return d->flush && !d->read_only ? d->flush(d->opaque) : 0;
}

static bool bytes_inside(const struct block_dev *d, uint64_t offset, size_t len)
{
    uint64_t size = block_dev_size(d);

    return offset <= size && len <= size - offset;
}

/* The piece of [offset, offset+len) that is done in one go: whole blocks, or a part of one. */
static size_t piece(const struct block_dev *d, uint64_t offset, size_t len)
{
    uint32_t in = (uint32_t)(offset % d->block_size);
    size_t whole = len / d->block_size * d->block_size;

    if (in || !whole)
        return len < d->block_size - in ? len : d->block_size - in;
    return whole < (1u << 30) ? whole : 1u << 30;
}

static int read_part(const struct block_dev *d, uint64_t offset, uint8_t *buf, size_t n,
                     uint8_t *bounce)
{
    int err = block_read(d, offset / d->block_size, 1, bounce);

    if (!err)
        memcpy(buf, bounce + offset % d->block_size, n);
    return err;
}

static int write_part(const struct block_dev *d, uint64_t offset, const uint8_t *buf, size_t n,
                      uint8_t *bounce)
{
    int err = block_read(d, offset / d->block_size, 1, bounce);

    if (err)
        return err;
    memcpy(bounce + offset % d->block_size, buf, n);
    return block_write(d, offset / d->block_size, 1, bounce);
}

int block_read_bytes(const struct block_dev *d, uint64_t offset, void *buf, size_t len)
{
    uint8_t bounce[CHUNK], *p = buf;
    int err = 0;

    if (!bytes_inside(d, offset, len))
        return -EINVAL;
    for (size_t n; len && !err; offset += n, p += n, len -= n) {
        n = piece(d, offset, len);
        if (n % d->block_size || offset % d->block_size)
            err = read_part(d, offset, p, n, bounce);
        else
            err = block_read(d, offset / d->block_size, (uint32_t)(n / d->block_size), p);
    }
    return err;
}

int block_write_bytes(const struct block_dev *d, uint64_t offset, const void *buf, size_t len)
{
    uint8_t bounce[CHUNK];
    const uint8_t *p = buf;
    int err = 0;

    if (d->read_only)
        return -EROFS;
    if (!bytes_inside(d, offset, len))
        return -EINVAL;
    for (size_t n; len && !err; offset += n, p += n, len -= n) {
        n = piece(d, offset, len);
        if (n % d->block_size || offset % d->block_size)
            err = write_part(d, offset, p, n, bounce);
        else
            err = block_write(d, offset / d->block_size, (uint32_t)(n / d->block_size), p);
    }
    return err;
}

static int view_read(void *opaque, uint64_t lba, uint32_t count, void *buf)
{
    struct block_view *v = opaque;

    return block_read(&v->base, v->first + lba, count, buf);
}

static int view_write(void *opaque, uint64_t lba, uint32_t count, const void *buf)
{
    struct block_view *v = opaque;

    return block_write(&v->base, v->first + lba, count, buf);
}

static int view_flush(void *opaque)
{
    struct block_view *v = opaque;

    return block_flush(&v->base);
}

int block_view_init(struct block_view *v, const struct block_dev *base, uint64_t first,
                    uint64_t blocks)
{
    if (!blocks || first >= base->blocks || blocks > base->blocks - first)
        return -EINVAL;
    v->base = *base;
    v->first = first;
    v->dev = *base;
    v->dev.opaque = v;
    v->dev.blocks = blocks;
    v->dev.read = view_read;
    v->dev.write = view_write;
    v->dev.flush = view_flush;
    return 0;
}

static int ram_read(void *opaque, uint64_t lba, uint32_t count, void *buf)
{
    struct block_ram *r = opaque;

    memcpy(buf, r->data + lba * r->dev.block_size, (size_t)count * r->dev.block_size);
    return 0;
}

static int ram_write(void *opaque, uint64_t lba, uint32_t count, const void *buf)
{
    struct block_ram *r = opaque;

    memcpy(r->data + lba * r->dev.block_size, buf, (size_t)count * r->dev.block_size);
    return 0;
}

void block_ram_init(struct block_ram *r, void *data, size_t size, uint32_t block_size)
{
    *r = (struct block_ram){.dev = {.opaque = r,
                                    .blocks = size / block_size,
                                    .block_size = block_size,
                                    .read = ram_read,
                                    .write = ram_write},
                            .data = data};
}
