/* Virtual disks: block commands, mode pages and limits (SBC-2, with UNMAP of SBC-3). */
#include "target_impl.h"

#include <errno.h>
#include <stdlib.h>

#define HEADS   255u
#define SECTORS 63u

#define UNMAP_DESCRIPTORS 64u
#define LONG_MAX_BYTES    (1u << 30) /* of WRITE SAME and UNMAP: a reset waits for what runs */

/* --- addresses --- */

struct extent {
    uint64_t lba;
    uint64_t blocks;
};

/* Address and length of the 6-, 10-, 12- and 16-byte forms. In the 6-byte form 0 means 256. */
static struct extent extent_of(const uint8_t *cdb)
{
    switch (cdb[0] >> 5) {
    case 0:
        return (struct extent){be24(cdb + 1) & 0x1fffff, cdb[4] != 0 ? cdb[4] : 256};
    case 4:
        return (struct extent){be64(cdb + 2), be32(cdb + 10)};
    case 5:
        return (struct extent){be32(cdb + 2), be32(cdb + 6)};
    default:
        return (struct extent){be32(cdb + 2), be16(cdb + 7)};
    }
}

static bool in_range(const struct scsi_target *t, struct extent e)
{
    return e.lba <= t->blocks && e.blocks <= t->blocks - e.lba;
}

/* Checks the addresses of a command; false after ending it. */
static bool acceptable(struct scsi_target *t, struct scsi_request *r, struct extent e)
{
    r->lba = e.lba;
    if (t->blocks == 0)
        scsi_check(r, SENSE_FORMAT_CORRUPTED);
    else if (!in_range(t, e))
        scsi_check_lba(r, SENSE_LBA_RANGE, e.lba);
    else
        return true;
    return false;
}

static bool transferable(struct scsi_target *t, struct scsi_request *r, struct extent e)
{
    if (!acceptable(t, r, e))
        return false;
    if (e.blocks <= SCSI_MAX_TRANSFER / t->block_size)
        return true;
    scsi_check(r, SENSE_INVALID_FIELD);
    return false;
}

static bool writable(struct scsi_target *t, struct scsi_request *r)
{
    if (!store_read_only(t->store))
        return true;
    scsi_check(r, SENSE_WRITE_PROTECTED);
    return false;
}

/* --- reading and writing --- */

static void disk_read(struct scsi_target *t, struct scsi_request *r)
{
    struct extent e = extent_of(r->cdb);
    uint64_t len = e.blocks * t->block_size;

    if (!transferable(t, r, e))
        return;
    if (r->direction != SCSI_DATA_IN)
        len = 0;
    else if (len > r->length)
        len = r->length;
    r->transferred = (uint32_t)len;
    if (len == 0)
        scsi_good(r);
    else
        scsi_io(r, IO_READ, e.lba * t->block_size, len, r->data, scsi_then_status);
}

static bool write_cache_on(struct scsi_target *t)
{
    const struct mode_page *caching = scsi_mode_page(t, 0x08);
    return caching != NULL && (caching->data[2] & 0x04);
}

/* WRITE AND VERIFY and the FUA bit ask for stable data; so does a disabled write cache. */
static bool wants_stable(struct scsi_target *t, const uint8_t *cdb)
{
    bool verify = cdb[0] == 0x2e || cdb[0] == 0xae || cdb[0] == 0x8e;
    bool fua = cdb[0] != 0x0a && (cdb[1] & 0x08);

    return verify || fua || !write_cache_on(t);
}

static void disk_write(struct scsi_target *t, struct scsi_request *r)
{
    struct extent e = extent_of(r->cdb);
    uint64_t len = e.blocks * t->block_size;

    if (!transferable(t, r, e) || !writable(t, r))
        return;
    if (r->direction != SCSI_DATA_OUT)
        len = 0;
    else if (len > r->length)
        len = r->length / t->block_size * t->block_size;
    r->transferred = (uint32_t)len;
    if (len == 0) {
        scsi_good(r);
        return;
    }
    r->job.flush_after = wants_stable(t, r->cdb);
    scsi_io(r, IO_WRITE, e.lba * t->block_size, len, r->data, scsi_then_status);
}

/* --- VERIFY --- */

static void then_compare(struct scsi_request *r, int err)
{
    size_t len = (size_t)r->job.len;

    if (err != 0) {
        scsi_then_status(r, err);
        return;
    }
    if (r->step == 1 && memcmp(r->scratch, r->data, len) != 0)
        scsi_check(r, SENSE_MISCOMPARE);
    else
        scsi_good(r);
}

/* BYTCHK 0: the blocks must be readable; 1: equal to the data sent. */
static void disk_verify(struct scsi_target *t, struct scsi_request *r)
{
    struct extent e = extent_of(r->cdb);
    bool compare = r->cdb[1] & 0x02;
    uint64_t len = e.blocks * t->block_size;

    if ((r->cdb[1] & 0x04) != 0) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    if (!compare) { /* a host file has no blocks that are there but unreadable */
        if (acceptable(t, r, e))
            scsi_good(r);
        return;
    }
    if (!transferable(t, r, e) || scsi_parameters(r, (size_t)len) == NULL)
        return;
    if (len == 0) {
        scsi_good(r);
        return;
    }
    r->scratch = malloc((size_t)len);
    if (r->scratch == NULL) {
        scsi_check(r, SENSE_INTERNAL);
        return;
    }
    r->step = 1;
    scsi_io(r, IO_READ, e.lba * t->block_size, len, r->scratch, then_compare);
}

/* --- WRITE SAME, UNMAP --- */

static bool all_zero(const uint8_t *p, size_t n)
{
    while (n > 0 && *p == 0)
        p++, n--;
    return n == 0;
}

/* A length of 0 means up to the end. */
static void write_same(struct scsi_target *t, struct scsi_request *r)
{
    struct extent e = extent_of(r->cdb);
    const uint8_t *p;

    if (r->cdb[1] & 0x06) { /* PBDATA, LBDATA */
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    if (!acceptable(t, r, e) || !writable(t, r))
        return;
    if (e.blocks == 0)
        e.blocks = t->blocks - e.lba;
    if (e.blocks > LONG_MAX_BYTES / t->block_size) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    p = scsi_parameters(r, t->block_size);
    if (p == NULL)
        return;
    r->job.flush_after = !write_cache_on(t);
    if (all_zero(p, t->block_size)) {
        scsi_io(r, IO_ZERO, e.lba * t->block_size, e.blocks * t->block_size, NULL,
                scsi_then_status);
        return;
    }
    r->job.repeat = t->block_size;
    scsi_io(r, IO_WRITE, e.lba * t->block_size, e.blocks * t->block_size, r->data,
            scsi_then_status);
}

/* Descriptor n of an UNMAP parameter list. */
static struct extent unmap_extent(const uint8_t *list, unsigned n)
{
    const uint8_t *p = list + 8 + 16 * n;
    return (struct extent){be64(p), be32(p + 8)};
}

static unsigned unmap_count(const struct scsi_request *r, size_t len)
{
    size_t bytes = be16(r->data + 2);

    if (bytes > len - 8)
        bytes = len - 8;
    return (unsigned)(bytes / 16);
}

/* One descriptor after another. */
static void unmap_next(struct scsi_request *r, int err)
{
    struct scsi_target *t = r->target;

    while (err == 0 && r->step < unmap_count(r, r->transferred)) {
        struct extent e = unmap_extent(r->data, r->step++);
        if (e.blocks == 0)
            continue;
        r->lba = e.lba;
        r->job.flush_after = !write_cache_on(t);
        scsi_io(r, IO_ZERO, e.lba * t->block_size, e.blocks * t->block_size, NULL, unmap_next);
        return;
    }
    scsi_then_status(r, err);
}

static void unmap(struct scsi_target *t, struct scsi_request *r)
{
    size_t len = be16(r->cdb + 7);
    uint64_t blocks = 0;
    const uint8_t *p;
    unsigned count;

    if (!writable(t, r))
        return;
    p = scsi_parameters(r, len);
    if (p == NULL)
        return;
    if (len < 8) {
        if (len == 0)
            scsi_good(r);
        else
            scsi_check(r, SENSE_LIST_LENGTH);
        return;
    }
    count = unmap_count(r, len);
    for (unsigned i = 0; i < count; i++)
        blocks += unmap_extent(p, i).blocks;
    if (count > UNMAP_DESCRIPTORS || blocks > LONG_MAX_BYTES / t->block_size) {
        scsi_check(r, SENSE_INVALID_PARAMETER);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        if (!acceptable(t, r, unmap_extent(p, i)))
            return;
    unmap_next(r, 0);
}

/* --- capacity --- */

static void read_capacity(struct scsi_target *t, struct scsi_request *r)
{
    uint8_t d[8];

    if (t->blocks == 0) {
        scsi_check(r, SENSE_FORMAT_CORRUPTED);
        return;
    }
    if (!(r->cdb[8] & 1) && be32(r->cdb + 2) != 0) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    put32(d, t->blocks - 1 > UINT32_MAX ? UINT32_MAX : t->blocks - 1);
    put32(d + 4, t->block_size);
    scsi_reply(r, d, sizeof(d), sizeof(d));
}

static void read_capacity_16(struct scsi_target *t, struct scsi_request *r)
{
    uint8_t d[32] = {0};

    put64(d, t->blocks - 1);
    put32(d + 8, t->block_size);
    d[13] = 3;    /* eight blocks in a physical one */
    d[14] = 0xc0; /* unmapped blocks: there are some, and they read as zeros */
    scsi_reply(r, d, sizeof(d), be32(r->cdb + 10));
}

/* GET LBA STATUS: everything is mapped. */
static void lba_status(struct scsi_target *t, struct scsi_request *r)
{
    uint8_t d[24] = {0};
    uint64_t lba = be64(r->cdb + 2), left;

    if (!acceptable(t, r, (struct extent){lba, 1}))
        return;
    left = t->blocks - lba;
    put32(d, 20);
    put64(d + 8, lba);
    put32(d + 16, left > UINT32_MAX ? UINT32_MAX : left);
    scsi_reply(r, d, sizeof(d), be32(r->cdb + 10));
}

static void service_action_in(struct scsi_target *t, struct scsi_request *r)
{
    unsigned action = r->cdb[1] & 0x1f;

    if (t->blocks == 0)
        scsi_check(r, SENSE_FORMAT_CORRUPTED);
    else if (action == 0x10)
        read_capacity_16(t, r);
    else if (action == 0x12)
        lba_status(t, r);
    else
        scsi_check(r, SENSE_INVALID_FIELD);
}

/* --- the rest --- */

/* A length of 0 means up to the end; all of the store is flushed in any case. */
static void synchronize_cache(struct scsi_target *t, struct scsi_request *r)
{
    struct extent e = extent_of(r->cdb);

    if (t->blocks != 0 && !acceptable(t, r, e))
        return;
    if (store_read_only(t->store))
        scsi_good(r);
    else
        scsi_io(r, IO_FLUSH, 0, 0, NULL, scsi_then_status);
}

/* Stopping makes data stable and refuses access until started. */
static void start_stop(struct scsi_target *t, struct scsi_request *r)
{
    bool start = r->cdb[4] & 1;

    if (r->cdb[4] & 0x02) { /* load or eject: nothing to eject */
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    if ((r->cdb[4] >> 4) != 0) { /* power conditions: accepted, without effect */
        scsi_good(r);
        return;
    }
    t->stopped = !start;
    if (start || store_read_only(t->store))
        scsi_good(r);
    else
        scsi_io(r, IO_FLUSH, 0, 0, NULL, scsi_then_status);
}

static void prevent_allow(struct scsi_target *t, struct scsi_request *r)
{
    uint32_t bit = 1u << r->initiator;

    t->prevent = r->cdb[4] & 1 ? t->prevent | bit : t->prevent & ~bit;
    scsi_good(r);
}

/* Positioning has no effect; addresses are checked. */
static void seek(struct scsi_target *t, struct scsi_request *r)
{
    uint64_t lba = r->cdb[0] == 0x0b ? be24(r->cdb + 1) & 0x1fffff : be32(r->cdb + 2);

    if (acceptable(t, r, (struct extent){lba, 1}))
        scsi_good(r);
}

static void nothing_to_do(struct scsi_target *t, struct scsi_request *r)
{
    (void)t;
    r->transferred = r->direction == SCSI_DATA_OUT ? r->length : 0;
    scsi_good(r);
}

/* Formatting leaves the data as it is: the format is the only one there is. */
static void format_unit(struct scsi_target *t, struct scsi_request *r)
{
    if (writable(t, r))
        nothing_to_do(t, r);
}

/* No defects; the format of the list is the one asked for. */
static void read_defects(struct scsi_target *t, struct scsi_request *r)
{
    bool twelve = r->cdb[0] == 0xb7;
    uint8_t d[8] = {0};

    (void)t;
    d[1] = (twelve ? r->cdb[1] : r->cdb[2]) & 0x1f;
    scsi_reply(r, d, twelve ? 8 : 4, twelve ? be32(r->cdb + 6) : be16(r->cdb + 7));
}

static const struct scsi_command commands[] = {
    {0x01, CMD_READS | CMD_MEDIUM, nothing_to_do}, /* REZERO UNIT */
    {0x04, CMD_WRITES | CMD_MEDIUM, format_unit},
    {0x07, CMD_WRITES | CMD_MEDIUM, nothing_to_do}, /* REASSIGN BLOCKS */
    {0x08, CMD_READS | CMD_MEDIUM, disk_read},
    {0x0a, CMD_WRITES | CMD_MEDIUM, disk_write},
    {0x0b, CMD_READS | CMD_MEDIUM, seek},
    {0x1b, CMD_WRITES, start_stop},
    {0x1e, CMD_READS, prevent_allow},
    {0x25, CMD_READS | CMD_MEDIUM, read_capacity},
    {0x28, CMD_READS | CMD_MEDIUM, disk_read},
    {0x2a, CMD_WRITES | CMD_MEDIUM, disk_write},
    {0x2b, CMD_READS | CMD_MEDIUM, seek},
    {0x2e, CMD_WRITES | CMD_MEDIUM, disk_write},
    {0x2f, CMD_READS | CMD_MEDIUM, disk_verify},
    {0x34, CMD_READS | CMD_MEDIUM, nothing_to_do}, /* PRE-FETCH */
    {0x35, CMD_WRITES | CMD_MEDIUM, synchronize_cache},
    {0x37, CMD_READS | CMD_MEDIUM, read_defects},
    {0x41, CMD_WRITES | CMD_MEDIUM, write_same},
    {0x42, CMD_WRITES | CMD_MEDIUM, unmap},
    {0x88, CMD_READS | CMD_MEDIUM, disk_read},
    {0x8a, CMD_WRITES | CMD_MEDIUM, disk_write},
    {0x8e, CMD_WRITES | CMD_MEDIUM, disk_write},
    {0x8f, CMD_READS | CMD_MEDIUM, disk_verify},
    {0x91, CMD_WRITES | CMD_MEDIUM, synchronize_cache},
    {0x93, CMD_WRITES | CMD_MEDIUM, write_same},
    {0x9e, CMD_READS | CMD_MEDIUM, service_action_in},
    {0xa8, CMD_READS | CMD_MEDIUM, disk_read},
    {0xaa, CMD_WRITES | CMD_MEDIUM, disk_write},
    {0xae, CMD_WRITES | CMD_MEDIUM, disk_write},
    {0xaf, CMD_READS | CMD_MEDIUM, disk_verify},
    {0xb7, CMD_READS | CMD_MEDIUM, read_defects},
};

/* --- mode pages --- */

static unsigned cylinders(const struct scsi_target *t)
{
    uint64_t n = t->blocks / (HEADS * SECTORS);
    return n > 0xffffff ? 0xffffff : (unsigned)n;
}

static void fill_geometry(const struct scsi_target *t, unsigned page, uint8_t *v)
{
    if (page == 0x03) { /* format device */
        put16(v + 10, SECTORS);
        put16(v + 12, t->block_size);
        put16(v + 14, 1); /* interleave */
        v[20] = 0x40;     /* hard sectors */
        return;
    }
    put24(v + 2, cylinders(t)); /* rigid disk geometry */
    v[5] = HEADS;
    put16(v + 20, 15000); /* revolutions per minute */
}

static unsigned disk_mode_page(struct scsi_target *t, unsigned page, uint8_t *v, uint8_t *mask)
{
    switch (page) {
    case 0x01: /* error recovery: automatic reallocation, retry counts */
        v[2] = 0xc0;
        v[3] = v[8] = 8;
        mask[2] = 0xff;
        mask[3] = mask[8] = 0xff;
        put16(v + 10, 30000);
        put16(mask + 10, 0xffff);
        return 12;
    case 0x02: /* disconnect and reconnect */
        memset(mask + 2, 0xff, 14);
        return 16;
    case 0x03:
    case 0x04:
        fill_geometry(t, page, v);
        return 24;
    case 0x08: /* caching: write cache on, and may be turned off */
        v[2] = 0x04;
        mask[2] = 0x05;
        memset(mask + 4, 0xff, 8);
        mask[12] = 0x20;
        return 20;
    case 0x0a: /* control: unrestricted reordering */
        v[3] = 0x10;
        mask[3] = 0xf2;
        mask[8] = mask[9] = 0xff;
        return 12;
    case 0x19: /* port: parallel SCSI, no synchronous transfer timeout */
        v[2] = 0x01;
        mask[4] = mask[5] = 0xff;
        return 8;
    case 0x1a: /* power conditions: none */
        memset(mask + 3, 0xff, 9);
        return 12;
    case 0x1c: /* informational exceptions: none ever */
        mask[2] = 0xdf;
        mask[3] = 0x0f;
        memset(mask + 4, 0xff, 8);
        return 12;
    default:
        return 0;
    }
}

static int disk_vpd(struct scsi_target *t, unsigned page, uint8_t *d)
{
    switch (page) {
    case 0xb0: /* block limits, in blocks; counted from byte 4 of the page */
        put16(d + 2, 8);
        put32(d + 4, SCSI_MAX_TRANSFER / t->block_size);
        put32(d + 8, (1u << 20) / t->block_size);
        put32(d + 16, LONG_MAX_BYTES / t->block_size); /* UNMAP: blocks */
        put32(d + 20, UNMAP_DESCRIPTORS);
        put32(d + 24, 8);                              /* granularity: a page of a host file */
        put64(d + 32, LONG_MAX_BYTES / t->block_size); /* WRITE SAME */
        return 60;
    case 0xb1: /* characteristics: not told */
        return 60;
    case 0xb2: /* provisioning: UNMAP, WRITE SAME 16 and 10 with UNMAP; reads zeros; thin */
        d[1] = 0xe4;
        d[2] = 0x02;
        return 4;
    default:
        return -1;
    }
}

static const char *disk_product(const struct scsi_target *t)
{
    return store_kind(t->store) == STORE_FILE ? "Virtual FileDisk" : "Virtual Disk";
}

static uint8_t disk_specific(const struct scsi_target *t)
{
    return (store_read_only(t->store) ? 0x80 : 0) | 0x10; /* WP, DPOFUA */
}

const struct scsi_type_ops scsi_disk_ops = {
    .device_type = 0x00,
    .commands = commands,
    .count = sizeof(commands) / sizeof(commands[0]),
    .mode_page = disk_mode_page,
    .vpd = disk_vpd,
    .product = disk_product,
    .device_specific = disk_specific,
};
