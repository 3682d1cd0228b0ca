/* MBR partition tables: four primary entries, and chains of logical ones in extended partitions. */
#include "le.h"
#include "partition.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TABLE       446
#define SIGNATURE   440
#define LOGICAL_MAX 64 /* links followed: a cyclic chain ends here too */

struct entry {
    uint8_t active, type;
    uint32_t start, blocks;
};

static bool is_extended(uint8_t type)
{
    return type == 0x05 || type == 0x0f || type == 0x85;
}

static void take_entry(const uint8_t *sector, unsigned i, struct entry *e)
{
    const uint8_t *p = sector + TABLE + 16 * i;

    e->active = p[0];
    e->type = p[4];
    e->start = le32(p + 8);
    e->blocks = le32(p + 12);
}

static bool inside(uint64_t start, uint64_t blocks, uint64_t limit)
{
    return blocks && start && start < limit && blocks <= limit - start;
}

static void add(struct partition_list *out, uint32_t number, uint64_t start, const struct entry *e)
{
    struct partition *p = &out->part[out->count];

    if (out->count == PART_MAX)
        return;
    *p = (struct partition){.scheme = PART_MBR,
                            .number = number,
                            .start = start,
                            .blocks = e->blocks,
                            .mbr_type = e->type,
                            .active = e->active == 0x80,
                            .sig_type = PART_SIG_MBR};
    put_le32(p->signature, out->disk_sig);
    out->count++;
}

/* Each link describes one logical partition, relative to itself, and the next link, relative to
 * the extended partition. Links must go forward, so that a chain cannot close. */
static int scan_extended(const struct block_dev *d, struct partition_list *out, uint64_t base,
                         uint64_t blocks)
{
    uint64_t at = base, end = base + blocks;
    uint8_t sector[512];
    struct entry logical, next;
    int err;

    for (uint32_t link = 0; link < LOGICAL_MAX; link++) {
        err = block_read_bytes(d, at * d->block_size, sector, sizeof(sector));
        if (err)
            return err;
        if (le16(sector + 510) != 0xaa55)
            break;
        take_entry(sector, 0, &logical);
        take_entry(sector, 1, &next);
        if (logical.type && inside(at + logical.start, logical.blocks, end) && logical.start)
            add(out, 5 + link, at + logical.start, &logical);
        if (!is_extended(next.type))
            return 0;
        if (base + next.start <= at || base + next.start >= end)
            break;
        at = base + next.start;
    }
    snprintf(out->note, sizeof(out->note), "the chain of logical partitions is broken");
    return 0;
}

/* A boot sector of FAT or NTFS has the same signature as an MBR; without its BPB an MBR's entries
 * have 0 or 0x80 as their first byte and fit on the disk. */
static bool plausible(const struct block_dev *d, const uint8_t *sector)
{
    unsigned used = 0;
    struct entry e;

    if (le16(sector + 510) != 0xaa55)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        take_entry(sector, i, &e);
        if (e.active & 0x7f)
            return false;
        if (e.type && e.blocks && !inside(e.start, 1, d->blocks))
            return false;
        used += e.type && e.blocks;
    }
    return used > 0;
}

static int scan_primary(const struct block_dev *d, struct partition_list *out,
                        const uint8_t *sector, unsigned i)
{
    struct entry e;

    take_entry(sector, i, &e);
    if (!e.type || !e.blocks || e.type == 0xee)
        return 0;
    if (!inside(e.start, e.blocks, d->blocks)) {
        snprintf(out->note, sizeof(out->note), "MBR partition %u ends outside the disk", i + 1);
        return 0;
    }
    if (is_extended(e.type))
        return scan_extended(d, out, e.start, e.blocks);
    add(out, i + 1, e.start, &e);
    return 0;
}

int part_mbr_scan(const struct block_dev *d, struct partition_list *out)
{
    uint8_t sector[512];
    int err = block_read_bytes(d, 0, sector, sizeof(sector));

    if (err)
        return err;
    if (!plausible(d, sector))
        return 0;
    out->scheme = PART_MBR;
    out->disk_sig = le32(sector + SIGNATURE);
    for (unsigned i = 0; i < 4 && !err; i++)
        err = scan_primary(d, out, sector, i);
    return err ? err : 1;
}
