/* El Torito boot catalogues: the disk images on a CD that firmware can start from.
 *
 * Only "no emulation" entries are listed, which is what EFI discs have. Sizes are in sectors of
 * 512 bytes there; a size of 0 or 1 stands for an image too large for its field, up to the end of
 * the disc.
 */
#include "le.h"
#include "partition.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CD_SECTOR   2048u
#define RECORD_AT   17u
#define CATALOG_MAX 32 /* sectors of the catalogue that are read */

#define ID_VALIDATION  0x01
#define ID_HEADER      0x90
#define ID_LAST_HEADER 0x91
#define ID_BOOTABLE    0x88
#define ID_NOT_BOOT    0x00
#define ID_EXTENSION   0x44

struct walk {
    const struct block_dev *d;
    struct partition_list *out;
    uint8_t platform;
    uint16_t expected; /* entries left in the section */
    bool last, in_section;
    uint32_t entry;
};

static uint64_t cd_blocks(const struct block_dev *d)
{
    return block_dev_size(d) / CD_SECTOR;
}

static int read_sector(const struct block_dev *d, uint64_t sector, uint8_t buf[CD_SECTOR])
{
    return block_read_bytes(d, sector * CD_SECTOR, buf, CD_SECTOR);
}

static uint64_t image_bytes(const struct walk *w, uint32_t start, uint16_t sectors)
{
    uint64_t left = (cd_blocks(w->d) - start) * CD_SECTOR, n = sectors * 512ull;

    return sectors < 2 || n > left ? left : n;
}

static void add(struct walk *w, const uint8_t *e)
{
    uint32_t start = le32(e + 8), size = w->d->block_size, number = w->entry++;
    struct partition *p = &w->out->part[w->out->count];

    if (w->out->count == PART_MAX || (e[0] != ID_BOOTABLE && e[0] != ID_NOT_BOOT) || (e[1] & 15))
        return;
    if (start == 0)
        return;
    if (start >= cd_blocks(w->d) || (uint64_t)start * CD_SECTOR % size) {
        snprintf(w->out->note, sizeof(w->out->note), "boot entry %u is outside the disc", number);
        return;
    }
    *p = (struct partition){.scheme = PART_ELTORITO,
                            .number = number,
                            .start = (uint64_t)start * CD_SECTOR / size,
                            .blocks = (image_bytes(w, start, le16(e + 6)) + size - 1) / size,
                            .mbr_type = e[4],
                            .active = e[0] == ID_BOOTABLE,
                            .platform = w->platform};
    w->out->count++;
}

/* False at the end of the catalogue. */
static bool take_entry(struct walk *w, const uint8_t *e)
{
    if (w->in_section && w->expected) {
        if (e[0] == ID_EXTENSION)
            return true;
        add(w, e);
        w->expected--;
        return true;
    }
    if (w->in_section && e[0] == ID_EXTENSION)
        return true;
    if (w->last || (e[0] != ID_HEADER && e[0] != ID_LAST_HEADER))
        return false;
    w->in_section = true;
    w->last = e[0] == ID_LAST_HEADER;
    w->platform = e[1];
    w->expected = le16(e + 2);
    return true;
}

/* All 16-bit words of the validation entry add up to 0. */
static bool validation_ok(const uint8_t *e)
{
    uint16_t sum = 0;

    for (unsigned i = 0; i < 32; i += 2)
        sum = (uint16_t)(sum + le16(e + i));
    return e[0] == ID_VALIDATION && sum == 0 && e[30] == 0x55 && e[31] == 0xaa;
}

static int walk_catalog(struct walk *w, uint32_t at)
{
    uint8_t sector[CD_SECTOR];

    for (unsigned n = 0; n < CATALOG_MAX && at + (uint64_t)n < cd_blocks(w->d); n++) {
        int err = read_sector(w->d, at + (uint64_t)n, sector);

        if (err)
            return err;
        if (n == 0 && !validation_ok(sector)) {
            snprintf(w->out->note, sizeof(w->out->note), "the boot catalogue is damaged");
            return 0;
        }
        if (n == 0) {
            w->platform = sector[1];
            add(w, sector + 32);
        }
        for (unsigned i = n ? 0 : 64; i < CD_SECTOR; i += 32)
            if (!take_entry(w, sector + i))
                return 0;
    }
    return 0;
}

int part_eltorito_scan(const struct block_dev *d, struct partition_list *out)
{
    struct walk w = {.d = d, .out = out};
    uint8_t sector[CD_SECTOR];
    uint32_t catalog;
    int err;

    if (cd_blocks(d) <= RECORD_AT)
        return 0;
    err = read_sector(d, RECORD_AT, sector);
    if (err)
        return err;
    if (memcmp(sector, "\0CD001\1EL TORITO SPECIFICATION", 30))
        return 0;
    catalog = le32(sector + 0x47);
    if (catalog >= cd_blocks(d)) {
        snprintf(out->note, sizeof(out->note), "the boot catalogue is outside the disc");
        return 0;
    }
    err = walk_catalog(&w, catalog);
    if (err || !out->count)
        return err;
    out->scheme = PART_ELTORITO;
    return 1;
}
