/* FAT's allocation table: chains of clusters, free clusters, FSInfo.
 *
 * One window of the table is in memory. Changes collect in it and reach the disk, both copies,
 * when the window moves or with fat_sync(); callers sync where the order of writes matters.
 */
#include "fat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FSINFO_FREE 488
#define FSINFO_NEXT 492

bool fat_cluster_ok(const struct fat *f, uint32_t cluster)
{
    return cluster >= 2 && cluster - 2 < f->clusters;
}

static int write_window(struct fat *f)
{
    uint32_t size = f->fs.dev.block_size, low = f->dirty_low / size * size;
    uint32_t high = (f->dirty_high + size - 1) / size * size;
    int err = 0;

    if (high > f->window_size)
        high = f->window_size;
    if (f->dirty_low >= f->dirty_high)
        return 0;
    for (unsigned i = 0; i < f->tables && !err; i++)
        err = fat_dev_write(f, f->table + i * f->table_size + f->window_at + low, f->window + low,
                            high - low);
    if (!err)
        f->dirty_low = f->dirty_high = 0;
    return err;
}

static int load_window(struct fat *f, uint64_t at)
{
    uint64_t start = at / FAT_WINDOW * FAT_WINDOW;
    uint64_t left = f->table_size - start;
    int err;

    if (f->window_size && start == f->window_at)
        return 0;
    err = write_window(f);
    if (err)
        return err;
    f->window_size = 0;
    err = fat_dev_read(f, f->table + start, f->window, left < FAT_WINDOW ? left : FAT_WINDOW);
    if (!err) {
        f->window_at = start;
        f->window_size = (uint32_t)(left < FAT_WINDOW ? left : FAT_WINDOW);
    }
    return err;
}

static int get_bytes(struct fat *f, uint64_t at, uint8_t *buf, unsigned n)
{
    for (unsigned i = 0; i < n; i++) { /* an entry of FAT12 may lie in two windows */
        int err = load_window(f, at + i);

        if (err)
            return err;
        buf[i] = f->window[at + i - f->window_at];
    }
    return 0;
}

static int put_bytes(struct fat *f, uint64_t at, const uint8_t *buf, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        int err = load_window(f, at + i);
        uint32_t in;

        if (err)
            return err;
        in = (uint32_t)(at + i - f->window_at);
        f->window[in] = buf[i];
        if (f->dirty_low >= f->dirty_high)
            f->dirty_low = in, f->dirty_high = in + 1;
        else if (in < f->dirty_low)
            f->dirty_low = in;
        else if (in >= f->dirty_high)
            f->dirty_high = in + 1;
    }
    return 0;
}

static uint64_t entry_at(const struct fat *f, uint32_t cluster)
{
    return (uint64_t)cluster * f->bits / 8;
}

static int get_entry(struct fat *f, uint32_t cluster, uint32_t *value)
{
    uint8_t b[4] = {0};
    int err = get_bytes(f, entry_at(f, cluster), b, f->bits == 32 ? 4 : 2);

    *value = le32(b);
    if (f->bits == 12)
        *value = cluster & 1 ? *value >> 4 : *value & 0xfff;
    *value &= 0x0fffffff;
    return err;
}

static int put_entry(struct fat *f, uint32_t cluster, uint32_t value)
{
    unsigned n = f->bits == 32 ? 4 : 2;
    uint8_t b[4] = {0};
    int err = get_bytes(f, entry_at(f, cluster), b, n);
    uint32_t old = le32(b);

    if (err)
        return err;
    if (f->bits == 32) /* the upper four bits are not part of the entry */
        value = (value & 0x0fffffff) | (old & 0xf0000000);
    else if (f->bits == 12)
        value = cluster & 1 ? (old & 0xf) | value << 4 : (old & 0xf000) | (value & 0xfff);
    put_le32(b, value);
    return put_bytes(f, entry_at(f, cluster), b, n);
}

static uint32_t end_mark(const struct fat *f)
{
    return f->bits == 12 ? 0xff8 : f->bits == 16 ? 0xfff8 : 0x0ffffff8;
}

int fat_next(struct fat *f, uint32_t cluster, uint32_t *next)
{
    uint32_t value;
    int err;

    if (!fat_cluster_ok(f, cluster))
        return -EUCLEAN;
    err = get_entry(f, cluster, &value);
    if (err)
        return err;
    if (value >= end_mark(f))
        return 0;
    *next = value;
    return fat_cluster_ok(f, value) && value != cluster ? 1 : -EUCLEAN;
}

int fat_link(struct fat *f, uint32_t cluster, uint32_t next)
{
    return put_entry(f, cluster, next ? next : end_mark(f) | 7);
}

static int write_info(struct fat *f)
{
    uint8_t hint[8];
    int err;

    if (!f->info || !f->free_changed)
        return 0;
    put_le32(hint, f->free);
    put_le32(hint + 4, f->next_free);
    err = fat_dev_write(f, f->info + FSINFO_FREE, hint, sizeof(hint));
    f->free_changed = err != 0;
    return err;
}

int fat_sync(struct fat *f)
{
    int err = write_window(f);

    return err ? err : write_info(f);
}

static void free_changed(struct fat *f, int64_t by)
{
    if (f->free != FAT_UNKNOWN)
        f->free = (uint32_t)((int64_t)f->free + by);
    if (f->free > f->clusters) { /* FSInfo was wrong */
        f->free = FAT_UNKNOWN;
        f->free_counted = false;
    }
    f->free_changed = true;
}

/* The next free cluster from next_free on, going round once. */
static int find_free(struct fat *f, uint32_t *cluster)
{
    uint32_t c = fat_cluster_ok(f, f->next_free) ? f->next_free : 2, value;

    for (uint32_t i = 0; i < f->clusters; i++) {
        int err = get_entry(f, c, &value);

        if (err)
            return err;
        if (value == 0) {
            *cluster = c;
            return 0;
        }
        c = fat_cluster_ok(f, c + 1) ? c + 1 : 2;
    }
    return -ENOSPC;
}

static int take_one(struct fat *f, uint32_t *cluster)
{
    int err = find_free(f, cluster);

    if (!err)
        err = fat_link(f, *cluster, 0);
    if (err)
        return err;
    f->next_free = fat_cluster_ok(f, *cluster + 1) ? *cluster + 1 : 2;
    free_changed(f, -1);
    return 0;
}

int fat_alloc(struct fat *f, uint32_t count, uint32_t *first, uint32_t *got)
{
    uint32_t last = 0, c;
    int err = 0;

    *first = *got = 0;
    while (*got < count) {
        err = take_one(f, &c);
        if (!err && last)
            err = fat_link(f, last, c);
        if (err)
            break;
        if (!last)
            *first = c;
        last = c;
        (*got)++;
    }
    if (*got && err == -ENOSPC)
        err = 0;
    if (!err)
        err = fat_sync(f);
    if (err && *got) { /* what was taken is given back as far as possible */
        fat_free_chain(f, *first);
        *got = 0;
    }
    return err;
}

/* A cyclic chain comes back to a cluster that is free already. */
int fat_free_chain(struct fat *f, uint32_t first)
{
    uint32_t c = first, next;

    for (int more = 1; more == 1; c = next) {
        int err;

        more = fat_next(f, c, &next);
        if (more < 0 && more != -EUCLEAN)
            return more;
        if (!fat_cluster_ok(f, c))
            break;
        if (more == -EUCLEAN && get_entry(f, c, &next) == 0 && next == 0)
            break;
        err = put_entry(f, c, 0);
        if (err)
            return err;
        if (c < f->next_free)
            f->next_free = c;
        free_changed(f, 1);
    }
    return fat_sync(f);
}

int fat_count_free(struct fat *f, uint32_t *count)
{
    uint32_t n = 0, value;

    for (uint32_t c = 2; c - 2 < f->clusters && !f->free_counted; c++) {
        int err = get_entry(f, c, &value);

        if (err)
            return err;
        n += value == 0;
    }
    if (!f->free_counted)
        f->free = n;
    f->free_counted = true;
    *count = f->free;
    return 0;
}
