/* GUID partition tables (EFI 1.10 11.2.2): primary and backup header, each checked by CRC. */
#include "le.h"
#include "partition.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MIN  92u
#define ENTRY_MIN   128u
#define ENTRY_MAX   4096u
#define ENTRIES_MAX (1u << 20) /* bytes of the table */

struct header {
    uint64_t self, other, first, last, table;
    uint32_t entries, entry_size, table_crc;
    uint8_t disk_guid[16];
};

/* An EFI header's CRC counts its own field as zero. */
static bool crc_ok(uint8_t *block, uint32_t size)
{
    uint32_t crc = le32(block + 16);
    bool ok;

    put_le32(block + 16, 0);
    ok = partition_crc32(block, size) == crc;
    put_le32(block + 16, crc);
    return ok;
}

static void take_header(const uint8_t *b, struct header *h)
{
    h->self = le64(b + 24);
    h->other = le64(b + 32);
    h->first = le64(b + 40);
    h->last = le64(b + 48);
    memcpy(h->disk_guid, b + 56, 16);
    h->table = le64(b + 72);
    h->entries = le32(b + 80);
    h->entry_size = le32(b + 84);
    h->table_crc = le32(b + 88);
}

/* What is wrong with the numbers of a header, or NULL. */
static const char *bad_header(const struct block_dev *d, const struct header *h, uint64_t lba)
{
    uint64_t bytes = (uint64_t)h->entries * h->entry_size, blocks;

    if (h->self != lba)
        return "is not where it says it is";
    if (h->entry_size < ENTRY_MIN || h->entry_size > ENTRY_MAX || h->entry_size % 8)
        return "has an entry size out of range";
    if (bytes == 0 || bytes > ENTRIES_MAX)
        return "has a number of entries out of range";
    blocks = (bytes + d->block_size - 1) / d->block_size;
    if (h->table < 2 || h->table >= d->blocks || blocks > d->blocks - h->table)
        return "has its table outside the disk";
    if (h->first > h->last || h->last >= d->blocks)
        return "has usable blocks outside the disk";
    return NULL;
}

static int read_header(const struct block_dev *d, uint64_t lba, struct header *h, const char **bad)
{
    uint8_t *block = malloc(d->block_size);
    uint32_t size;
    int err;

    if (!block)
        return -ENOMEM;
    err = block_read(d, lba, 1, block);
    if (!err) {
        size = le32(block + 12);
        if (memcmp(block, "EFI PART", 8))
            *bad = "is missing";
        else if (size < HEADER_MIN || size > d->block_size || !crc_ok(block, size))
            *bad = "has a wrong checksum";
        else {
            take_header(block, h);
            *bad = bad_header(d, h, lba);
        }
    }
    free(block);
    return err;
}

static bool usable(const struct header *h, uint64_t first, uint64_t last)
{
    return first <= last && first >= h->first && last <= h->last;
}

static void add(struct partition_list *out, const struct header *h, uint32_t index,
                const uint8_t *e)
{
    static const uint8_t unused[16];
    uint64_t first = le64(e + 32), last = le64(e + 40);
    struct partition *p = &out->part[out->count];

    if (memcmp(e, unused, 16) == 0)
        return;
    if (!usable(h, first, last) || out->count == PART_MAX) {
        snprintf(out->note, sizeof(out->note), "GPT entry %u %s", index + 1,
                 out->count == PART_MAX ? "and later ones are left out: too many"
                                        : "has blocks outside the usable ones");
        return;
    }
    *p = (struct partition){.scheme = PART_GPT,
                            .number = index + 1,
                            .start = first,
                            .blocks = last - first + 1,
                            .attributes = le64(e + 48),
                            .sig_type = PART_SIG_GUID};
    memcpy(p->type_guid, e, 16);
    memcpy(p->unique_guid, e + 16, 16);
    memcpy(p->signature, e + 16, 16);
    for (unsigned i = 0; i < 36; i++)
        p->name[i] = le16(e + 56 + 2 * i);
    out->count++;
}

/* EFI 1.10 11.2.2 forbids overlaps; the later entry is the one left out. */
static void drop_overlaps(struct partition_list *out)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < out->count; i++) {
        const struct partition *p = &out->part[i];
        bool clash = false;

        for (unsigned j = 0; j < kept && !clash; j++) {
            const struct partition *q = &out->part[j];
            clash = p->start < q->start + q->blocks && q->start < p->start + p->blocks;
        }
        if (clash)
            snprintf(out->note, sizeof(out->note), "GPT entry %u overlaps an earlier one",
                     p->number);
        else
            out->part[kept++] = *p;
    }
    out->count = kept;
}

static int read_table(const struct block_dev *d, const struct header *h, struct partition_list *out,
                      const char **bad)
{
    size_t bytes = (size_t)h->entries * h->entry_size;
    uint8_t *table = malloc(bytes);
    int err;

    if (!table)
        return -ENOMEM;
    err = block_read_bytes(d, h->table * d->block_size, table, bytes);
    if (!err && partition_crc32(table, bytes) != h->table_crc) {
        *bad = "has a table with a wrong checksum";
    } else if (!err) {
        out->scheme = PART_GPT;
        memcpy(out->disk_guid, h->disk_guid, 16);
        for (uint32_t i = 0; i < h->entries; i++)
            add(out, h, i, table + (size_t)i * h->entry_size);
        drop_overlaps(out);
    }
    free(table);
    return err;
}

static int try_header(const struct block_dev *d, uint64_t lba, struct partition_list *out,
                      const char **bad)
{
    struct header h = {0};
    int err;

    *bad = NULL;
    err = read_header(d, lba, &h, bad);
    if (!err && !*bad)
        err = read_table(d, &h, out, bad);
    return err;
}

/* A backup alone counts only behind a protective MBR: otherwise it is what an old table left. */
static int protective(const struct block_dev *d, bool *yes)
{
    uint8_t mbr[512];
    int err = block_read_bytes(d, 0, mbr, sizeof(mbr));

    *yes = false;
    for (unsigned i = 0; !err && i < 4; i++)
        *yes |= le16(mbr + 510) == 0xaa55 && mbr[446 + 16 * i + 4] == 0xee;
    return err;
}

int part_gpt_scan(const struct block_dev *d, struct partition_list *out)
{
    const char *primary, *backup;
    bool expected;
    int err;

    if (d->blocks < 6)
        return 0;
    err = protective(d, &expected);
    if (!err)
        err = try_header(d, 1, out, &primary);
    if (err || !primary)
        return err ? err : 1;
    if (!expected && strcmp(primary, "is missing") == 0)
        return 0;
    err = try_header(d, d->blocks - 1, out, &backup);
    if (err)
        return err;
    out->used_backup = !backup;
    if (!out->note[0] && backup)
        snprintf(out->note, sizeof(out->note),
                 "the GPT header %s, and the backup at the end of the disk %s", primary, backup);
    else if (!out->note[0])
        snprintf(out->note, sizeof(out->note), "the GPT header %s; the backup is used", primary);
    return !backup;
}
