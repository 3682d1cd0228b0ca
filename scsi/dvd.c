/* Virtual DVD drives: reading discs, tables of contents, media events and change (MMC-5).
 *
 * A read-only drive with one data track per disc. A disc up to 900 MB is a CD-ROM, a larger one a
 * DVD-ROM.
 */
#include "target_impl.h"

#include <errno.h>

#define CD_BLOCKS_MAX (900u << 20) / 2048u
#define LEAD_OUT      0xaau

#define PROFILE_CD_ROM  0x0008u
#define PROFILE_DVD_ROM 0x0010u

/* Codes of media events (MMC-5 6.7.2.3). */
enum { EVENT_NONE, EVENT_EJECT_REQUEST, EVENT_NEW_MEDIUM, EVENT_REMOVAL };

static bool is_cd(const struct scsi_target *t)
{
    return t->blocks <= CD_BLOCKS_MAX;
}

static unsigned profile(const struct scsi_target *t)
{
    if (t->store == NULL)
        return 0;
    return is_cd(t) ? PROFILE_CD_ROM : PROFILE_DVD_ROM;
}

/* Block address as minute, second, frame (MMC-5, annex C); a disc begins 2 seconds in. */
static void put_msf(uint8_t *p, uint64_t lba)
{
    uint64_t frame = lba + 150;

    p[0] = 0;
    p[1] = (uint8_t)(frame / (75 * 60));
    p[2] = (uint8_t)(frame / 75 % 60);
    p[3] = (uint8_t)(frame % 75);
}

static void put_address(uint8_t *p, bool msf, uint64_t lba)
{
    if (msf)
        put_msf(p, lba);
    else
        put32(p, lba);
}

/* --- reading --- */

static void start_read(struct scsi_target *t, struct scsi_request *r, uint64_t lba, uint64_t blocks)
{
    uint64_t len = blocks * t->block_size;

    r->lba = lba;
    if (lba > t->blocks || blocks > t->blocks - lba) {
        scsi_check_lba(r, SENSE_LBA_RANGE, lba);
        return;
    }
    if (len > SCSI_MAX_TRANSFER) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    if (r->direction != SCSI_DATA_IN)
        len = 0;
    else if (len > r->length)
        len = r->length;
    r->transferred = (uint32_t)len;
    if (len == 0)
        scsi_good(r);
    else
        scsi_io(r, IO_READ, lba * t->block_size, len, r->data, scsi_then_status);
}

static void dvd_read(struct scsi_target *t, struct scsi_request *r)
{
    const uint8_t *c = r->cdb;

    if (c[0] == 0x08)
        start_read(t, r, be24(c + 1) & 0x1fffff, c[4] != 0 ? c[4] : 256);
    else if (c[0] == 0xa8)
        start_read(t, r, be32(c + 2), be32(c + 6));
    else
        start_read(t, r, be32(c + 2), be16(c + 7));
}

/* READ CD: user data of mode 1 sectors only. */
static void read_cd(struct scsi_target *t, struct scsi_request *r)
{
    unsigned type = r->cdb[1] >> 2 & 7, fields = r->cdb[9] & 0xf8, blocks = be24(r->cdb + 6);

    if (blocks == 0 || fields == 0) {
        scsi_good(r);
        return;
    }
    if ((type != 0 && type != 2) || fields != 0x10 || (r->cdb[10] & 7) != 0)
        scsi_check(r, SENSE_MODE_FOR_TRACK);
    else
        start_read(t, r, be32(r->cdb + 2), blocks);
}

static void verify(struct scsi_target *t, struct scsi_request *r)
{
    uint64_t lba = be32(r->cdb + 2), blocks = be16(r->cdb + 7);

    if (r->cdb[1] & 0x06)
        scsi_check(r, SENSE_INVALID_FIELD);
    else if (lba > t->blocks || blocks > t->blocks - lba)
        scsi_check_lba(r, SENSE_LBA_RANGE, lba);
    else
        scsi_good(r);
}

static void seek(struct scsi_target *t, struct scsi_request *r)
{
    uint64_t lba = r->cdb[0] == 0x0b ? be24(r->cdb + 1) & 0x1fffff : be32(r->cdb + 2);

    if (lba >= t->blocks)
        scsi_check_lba(r, SENSE_LBA_RANGE, lba);
    else
        scsi_good(r);
}

static void read_capacity(struct scsi_target *t, struct scsi_request *r)
{
    uint8_t d[8];

    if (t->blocks == 0) {
        scsi_check(r, SENSE_FORMAT_CORRUPTED);
        return;
    }
    put32(d, t->blocks - 1);
    put32(d + 4, t->block_size);
    scsi_reply(r, d, sizeof(d), sizeof(d));
}

static void read_format_capacities(struct scsi_target *t, struct scsi_request *r)
{
    uint8_t d[12] = {0};

    d[3] = 8;
    put32(d + 4, t->store != NULL ? t->blocks : 0);
    d[8] = t->store != NULL ? 2 : 3; /* formatted medium, or none */
    put24(d + 9, t->block_size);
    scsi_reply(r, d, sizeof(d), be16(r->cdb + 7));
}

/* --- what is on the disc --- */

static uint8_t *put_toc_entry(uint8_t *p, unsigned track, bool msf, uint64_t lba)
{
    p[1] = 0x14; /* data track */
    p[2] = (uint8_t)track;
    put_address(p + 4, msf, lba);
    return p + 8;
}

static size_t toc(const struct scsi_target *t, bool msf, unsigned first, uint8_t *d)
{
    uint8_t *p = d + 4;

    d[2] = d[3] = 1;
    if (first <= 1)
        p = put_toc_entry(p, 1, msf, 0);
    p = put_toc_entry(p, LEAD_OUT, msf, t->blocks);
    return (size_t)(p - d);
}

static size_t session_info(bool msf, uint8_t *d)
{
    d[2] = d[3] = 1;
    put_toc_entry(d + 4, 1, msf, 0);
    return 12;
}

/* Full TOC: points A0 first track, A1 last track, A2 lead-out, then the track; addresses in MSF. */
static size_t full_toc(const struct scsi_target *t, uint8_t *d)
{
    static const uint8_t points[] = {0xa0, 0xa1, 0xa2, 1};
    uint8_t *p = d + 4;

    d[2] = d[3] = 1;
    for (unsigned i = 0; i < 4; i++, p += 11) {
        p[0] = 1;
        p[1] = 0x14;
        p[3] = points[i];
        if (points[i] == 0xa0 || points[i] == 0xa1)
            p[8] = 1;
        else
            put_msf(p + 7, points[i] == 0xa2 ? t->blocks : 0);
    }
    return (size_t)(p - d);
}

static void read_toc(struct scsi_target *t, struct scsi_request *r)
{
    bool msf = r->cdb[1] & 2;
    unsigned format = r->cdb[2] & 0x0f, first = r->cdb[6];
    uint8_t d[64] = {0};
    size_t n;

    if (format == 0)
        format = r->cdb[9] >> 6; /* where SFF-8020 had it */
    if (format == 0 && first > 1 && first != LEAD_OUT) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    if (format == 0) {
        n = toc(t, msf, first, d);
    } else if (format == 1) {
        n = session_info(msf, d);
    } else if (format == 2) {
        n = full_toc(t, d);
    } else {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    put16(d, n - 2);
    scsi_reply(r, d, n, be16(r->cdb + 7));
}

/* A complete disc with one session, not to be written. */
static void read_disc_information(struct scsi_target *t, struct scsi_request *r)
{
    uint8_t d[34] = {0};

    (void)t;
    if ((r->cdb[1] & 7) != 0) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    put16(d, sizeof(d) - 2);
    d[2] = 0x0e; /* last session complete, disc finalised */
    d[3] = d[4] = d[5] = d[6] = 1;
    d[7] = 0x20; /* unrestricted use */
    memset(d + 16, 0xff, 8);
    scsi_reply(r, d, sizeof(d), be16(r->cdb + 7));
}

static void read_track_information(struct scsi_target *t, struct scsi_request *r)
{
    uint8_t d[36] = {0};

    put16(d, sizeof(d) - 2);
    d[2] = d[3] = 1;
    d[5] = 4; /* data */
    d[6] = 1; /* mode 1 */
    put32(d + 24, t->blocks);
    scsi_reply(r, d, sizeof(d), be16(r->cdb + 7));
}

static void read_header(struct scsi_target *t, struct scsi_request *r)
{
    uint64_t lba = be32(r->cdb + 2);
    uint8_t d[8] = {1};

    if (lba >= t->blocks) {
        scsi_check_lba(r, SENSE_LBA_RANGE, lba);
        return;
    }
    put_address(d + 4, r->cdb[1] & 2, lba);
    scsi_reply(r, d, sizeof(d), be16(r->cdb + 7));
}

/* No audio is ever played. */
static void read_subchannel(struct scsi_target *t, struct scsi_request *r)
{
    uint8_t d[16] = {0, 0x15};
    size_t n = 4;

    (void)t;
    if (r->cdb[2] & 0x40) {
        if (r->cdb[3] != 1) {
            scsi_check(r, SENSE_INVALID_FIELD);
            return;
        }
        d[3] = 12;
        d[4] = 1;
        d[5] = 0x14;
        d[6] = d[7] = 1;
        n = sizeof(d);
    }
    scsi_reply(r, d, n, be16(r->cdb + 7));
}

/* READ DVD STRUCTURE: physical format, copyright, manufacturing (none). */
static void read_dvd_structure(struct scsi_target *t, struct scsi_request *r)
{
    unsigned format = r->cdb[7];
    uint8_t d[2052] = {0};
    size_t n;

    if (is_cd(t) || r->cdb[6] != 0 || (format != 0 && format != 1 && format != 4)) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    n = format == 1 ? 8 : sizeof(d);
    if (format == 0) {
        d[4] = 0x01; /* DVD-ROM, version 1 */
        d[5] = 0x0f; /* 120 mm, rate not specified */
        d[6] = 0x01; /* one layer, read-only */
        put32(d + 8, 0x30000);
        put32(d + 12, 0x30000 + t->blocks - 1);
    }
    put16(d, n - 2);
    scsi_reply(r, d, n, be16(r->cdb + 8));
}

/* --- what the drive can do --- */

static size_t put_feature(uint8_t *p, unsigned code, unsigned flags, const void *data, size_t len)
{
    put16(p, code);
    p[2] = (uint8_t)flags; /* version, persistent, current */
    p[3] = (uint8_t)len;
    memcpy(p + 4, data, len);
    return 4 + len;
}

struct feature {
    uint16_t code;
    uint8_t flags;
    uint8_t length;
    uint8_t data[8];
};

static const struct feature features[] = {
    {0x0001, 0x0b, 8, {0, 0, 0, 1, 1}},       /* core: SCSI, device busy event */
    {0x0002, 0x07, 4, {2}},                   /* morphing: operational change events */
    {0x0003, 0x03, 4, {0x29}},                /* removable: tray, eject, lock */
    {0x0010, 0x01, 8, {0, 0, 8, 0, 0, 1, 0}}, /* random readable: 2048-byte blocks */
    {0x001e, 0x08, 4, {0}},                   /* CD read */
    {0x001f, 0x08, 4, {0}},                   /* DVD read */
    {0x0105, 0x03, 4, {0}},                   /* time-out */
};

static size_t put_profiles(const struct scsi_target *t, uint8_t *p)
{
    uint8_t d[8] = {0};

    put16(d, PROFILE_DVD_ROM);
    d[2] = profile(t) == PROFILE_DVD_ROM;
    put16(d + 4, PROFILE_CD_ROM);
    d[6] = profile(t) == PROFILE_CD_ROM;
    return put_feature(p, 0, 0x03, d, sizeof(d));
}

static bool current(const struct scsi_target *t, const struct feature *f)
{
    if (f->code == 0x001e)
        return profile(t) == PROFILE_CD_ROM;
    if (f->code == 0x001f)
        return profile(t) == PROFILE_DVD_ROM;
    if (f->code == 0x0010)
        return t->store != NULL;
    return true;
}

static void get_configuration(struct scsi_target *t, struct scsi_request *r)
{
    unsigned kind = r->cdb[1] & 3, first = be16(r->cdb + 2);
    uint8_t d[128] = {0};
    size_t n = 8;

    if (kind == 3) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    if (first == 0)
        n += put_profiles(t, d + n);
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        const struct feature *f = &features[i];
        bool now = current(t, f);

        if (kind == 2 ? f->code != first : f->code < first)
            continue;
        if (kind == 1 && !now)
            continue;
        n += put_feature(d + n, f->code, (f->flags & ~1u) | now, f->data, f->length);
    }
    put32(d, n - 4);
    put16(d + 6, profile(t));
    scsi_reply(r, d, n, be16(r->cdb + 7));
}

/* Polled media events only. */
static void get_event_status(struct scsi_target *t, struct scsi_request *r)
{
    unsigned classes = r->cdb[4];
    uint8_t d[8] = {0};

    if (!(r->cdb[1] & 1)) {
        scsi_check(r, SENSE_INVALID_FIELD);
        return;
    }
    d[3] = 0x10;             /* supported: media */
    if (!(classes & 0x10)) { /* nothing that is asked for */
        put16(d, 2);
        d[2] = 0x80;
        scsi_reply(r, d, 4, be16(r->cdb + 7));
        return;
    }
    put16(d, 6);
    d[2] = 4;
    d[4] = (uint8_t)t->media_event;
    d[5] = (t->store != NULL ? 2 : 0) | (t->tray_open ? 1 : 0);
    if (be16(r->cdb + 7) > 4)
        t->media_event = EVENT_NONE;
    scsi_reply(r, d, sizeof(d), be16(r->cdb + 7));
}

static void mechanism_status(struct scsi_target *t, struct scsi_request *r)
{
    uint8_t d[8] = {0};

    d[1] = t->tray_open ? 0x10 : 0;
    scsi_reply(r, d, sizeof(d), be16(r->cdb + 8));
}

static void accept(struct scsi_target *t, struct scsi_request *r)
{
    (void)t;
    r->transferred = r->direction == SCSI_DATA_OUT ? r->length : 0;
    scsi_good(r);
}

/* --- media --- */

static void remove_medium(struct scsi_target *t)
{
    store_close(t->store);
    t->store = NULL;
    t->tray_open = true;
    t->media_event = EVENT_REMOVAL;
    scsi_medium_loaded(t);
}

static void load_and_eject(struct scsi_target *t, struct scsi_request *r, bool load)
{
    if (load) { /* an empty tray closes */
        t->tray_open = false;
        t->stopped = false;
    } else if (t->prevent != 0) {
        scsi_check(r, SENSE_REMOVAL_PREVENTED);
        return;
    } else if (t->running > 1) { /* somebody still reads it */
        scsi_check(r, SENSE_BECOMING_READY);
        return;
    } else {
        remove_medium(t);
    }
    scsi_good(r);
}

static void start_stop(struct scsi_target *t, struct scsi_request *r)
{
    unsigned what = r->cdb[4] & 3;

    if ((r->cdb[4] >> 4) != 0)
        scsi_good(r); /* power conditions */
    else if (what & 2)
        load_and_eject(t, r, what & 1);
    else if (t->store == NULL)
        scsi_check(r, t->tray_open ? SENSE_NO_MEDIUM_OPEN : SENSE_NO_MEDIUM);
    else {
        t->stopped = false; /* a stopped disc spins up by itself */
        scsi_good(r);
    }
}

static void prevent_allow(struct scsi_target *t, struct scsi_request *r)
{
    uint32_t bit = 1u << r->initiator;

    t->prevent = r->cdb[4] & 1 ? t->prevent | bit : t->prevent & ~bit;
    scsi_good(r);
}

int scsi_eject(struct scsi_target *t, bool force)
{
    if (t->type != SCSI_DVD)
        return -ENOTSUP;
    if (t->store == NULL)
        return -ENOMEDIUM;
    if (t->prevent != 0 && !force) {
        t->media_event = EVENT_EJECT_REQUEST;
        return -EBUSY;
    }
    io_drain(t->io);
    if (t->store == NULL)
        return -ENOMEDIUM; /* the guest was faster */
    remove_medium(t);
    scsi_attention(t, UA_MEDIUM_CHANGED, -1);
    return 0;
}

int scsi_insert(struct scsi_target *t, struct store *store)
{
    if (t->type != SCSI_DVD || t->store != NULL || store == NULL) {
        store_close(store);
        return t->type != SCSI_DVD ? -ENOTSUP : -EBUSY;
    }
    t->store = store;
    t->tray_open = false;
    t->stopped = false;
    t->media_event = EVENT_NEW_MEDIUM;
    scsi_medium_loaded(t);
    scsi_attention(t, UA_MEDIUM_CHANGED, -1);
    return 0;
}

static const struct scsi_command commands[] = {
    {0x01, CMD_READS | CMD_MEDIUM, accept}, /* REZERO UNIT */
    {0x08, CMD_READS | CMD_MEDIUM, dvd_read},
    {0x0b, CMD_READS | CMD_MEDIUM, seek},
    {0x1b, CMD_WRITES, start_stop},
    {0x1e, CMD_READS, prevent_allow},
    {0x23, CMD_READS, read_format_capacities},
    {0x25, CMD_READS | CMD_MEDIUM, read_capacity},
    {0x28, CMD_READS | CMD_MEDIUM, dvd_read},
    {0x2b, CMD_READS | CMD_MEDIUM, seek},
    {0x2f, CMD_READS | CMD_MEDIUM, verify},
    {0x35, CMD_READS | CMD_MEDIUM, accept}, /* SYNCHRONIZE CACHE */
    {0x42, CMD_READS | CMD_MEDIUM, read_subchannel},
    {0x43, CMD_READS | CMD_MEDIUM, read_toc},
    {0x44, CMD_READS | CMD_MEDIUM, read_header},
    {0x46, CMD_ANY_TIME, get_configuration},
    {0x4a, CMD_ANY_TIME, get_event_status},
    {0x4b, CMD_READS | CMD_MEDIUM, accept}, /* PAUSE/RESUME */
    {0x4e, CMD_READS | CMD_MEDIUM, accept}, /* STOP PLAY/SCAN */
    {0x51, CMD_READS | CMD_MEDIUM, read_disc_information},
    {0x52, CMD_READS | CMD_MEDIUM, read_track_information},
    {0xa7, CMD_READS | CMD_MEDIUM, accept}, /* SET READ AHEAD */
    {0xa8, CMD_READS | CMD_MEDIUM, dvd_read},
    {0xad, CMD_READS | CMD_MEDIUM, read_dvd_structure},
    {0xb6, CMD_READS, accept}, /* SET STREAMING */
    {0xbb, CMD_READS, accept}, /* SET CD SPEED */
    {0xbd, CMD_READS, mechanism_status},
    {0xbe, CMD_READS | CMD_MEDIUM, read_cd},
};

/* --- mode pages --- */

static unsigned dvd_mode_page(struct scsi_target *t, unsigned page, uint8_t *v, uint8_t *mask)
{
    (void)t;
    switch (page) {
    case 0x01: /* error recovery */
        v[3] = 5;
        mask[2] = 0x37;
        mask[3] = 0xff;
        return 12;
    case 0x02:
        memset(mask + 2, 0xff, 14);
        return 16;
    case 0x0d: /* CD parameters: 60 seconds in a minute, 75 frames in a second */
        put16(v + 4, 60);
        put16(v + 6, 75);
        mask[3] = 0x0f;
        return 8;
    case 0x0e: /* audio: channels as they are */
        v[2] = 0x04;
        v[8] = 1;
        v[9] = v[11] = 0xff;
        v[10] = 2;
        mask[2] = 0x02;
        memset(mask + 8, 0xff, 8);
        return 16;
    case 0x1a:
        memset(mask + 3, 0xff, 9);
        return 12;
    case 0x1c:
        mask[2] = 0xdf;
        mask[3] = 0x0f;
        memset(mask + 4, 0xff, 8);
        return 12;
    case 0x2a: /* capabilities: reads CD-R, CD-RW, DVD; tray, lock, eject */
        v[2] = 0x0b;
        v[4] = 0x70; /* mode 2 form 1 and 2, multisession */
        v[6] = 0x29;
        put16(v + 8, 7056); /* kilobytes per second: 40 times a CD */
        put16(v + 12, 512); /* buffer in kilobytes */
        put16(v + 14, 7056);
        return 22;
    default:
        return 0;
    }
}

static int dvd_vpd(struct scsi_target *t, unsigned page, uint8_t *d)
{
    (void)t;
    (void)page;
    (void)d;
    return -1;
}

static const char *dvd_product(const struct scsi_target *t)
{
    if (t->store == NULL)
        return "Virtual NullDVD";
    return store_kind(t->store) == STORE_FILE ? "Virtual FileDVD" : "Virtual DVD";
}

/* Medium type of old: none; door closed, 120 mm data disc. */
static uint8_t dvd_specific(const struct scsi_target *t)
{
    (void)t;
    return 0;
}

const struct scsi_type_ops scsi_dvd_ops = {
    .device_type = 0x05,
    .commands = commands,
    .count = sizeof(commands) / sizeof(commands[0]),
    .mode_page = dvd_mode_page,
    .vpd = dvd_vpd,
    .product = dvd_product,
    .device_specific = dvd_specific,
};
