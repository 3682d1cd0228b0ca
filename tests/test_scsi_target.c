/* scsi/target.h: command sets of disks and discs, sense data, unit attentions, reservations. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "target.h"

#define BLOCKS 2048u

static char path[64];
static struct io_pool *io;
static struct scsi_target *t;
static struct scsi_request r;
static uint8_t data[SCSI_MAX_TRANSFER];
static unsigned ended;

static void done(struct scsi_request *q)
{
    (void)q;
    ended++;
}

static struct store *open_file(bool ro)
{
    struct store_options o = {.read_only = ro};
    struct store *s;
    char why[512];
    int err = store_open(path, &o, &s, why, sizeof(why));

    ck_assert_msg(err == 0, "%s", why);
    return s;
}

static void make_file(unsigned size)
{
    FILE *f;
    int fd;

    strcpy(path, "/tmp/kittson-target-XXXXXX");
    fd = mkstemp(path);
    f = fdopen(fd, "wb");
    for (unsigned i = 0; i < size; i++)
        fputc((int)(i / 512 % 251), f);
    fclose(f);
}

static void make(enum scsi_type type, unsigned size, bool ro)
{
    struct scsi_target_config c = {.type = type, .wwn = 0x123456789abcdef0, .io = io};

    make_file(size);
    c.store = open_file(ro);
    t = scsi_target_new(&c);
    ck_assert_ptr_nonnull(t);
}

static void setup(void)
{
    log_set_level(LOG_ERROR);
    io = io_new(0);
    t = NULL;
}

static void teardown(void)
{
    scsi_target_free(t);
    io_free(io);
    unlink(path);
}

static unsigned run_as(unsigned initiator, enum scsi_direction dir, uint32_t len,
                       const uint8_t *cdb, size_t n)
{
    memset(&r, 0, sizeof(r));
    memcpy(r.cdb, cdb, n);
    r.initiator = initiator;
    r.lun0 = true;
    r.direction = dir;
    r.data = len > 0 ? data : NULL; /* as the adapter has it */
    r.length = len;
    r.done = done;
    ended = 0;
    scsi_submit(t, &r);
    ck_assert_uint_eq(ended, 1);
    return r.status;
}

#define CDB(...)      (const uint8_t[16]){__VA_ARGS__}, 16
#define NONE(...)     run_as(0, SCSI_NO_DATA, 0, CDB(__VA_ARGS__))
#define IN(len, ...)  run_as(0, SCSI_DATA_IN, len, CDB(__VA_ARGS__))
#define OUT(len, ...) run_as(0, SCSI_DATA_OUT, len, CDB(__VA_ARGS__))

static uint32_t sense(void)
{
    ck_assert_uint_eq(r.sense_length, SCSI_SENSE_SIZE);
    ck_assert_uint_eq(r.sense[0] & 0x7f, 0x70);
    return (uint32_t)r.sense[2] << 16 | (uint32_t)r.sense[12] << 8 | r.sense[13];
}

#define GOOD(call) ck_assert_uint_eq(call, SCSI_GOOD)
#define CHECK(call, code)                                                                          \
    do {                                                                                           \
        ck_assert_uint_eq(call, SCSI_CHECK_CONDITION);                                             \
        ck_assert_uint_eq(sense(), code);                                                          \
    } while (0)

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void disk(void)
{
    make(SCSI_DISK, BLOCKS * 512, false);
    CHECK(NONE(0x00), 0x062900); /* power on */
    GOOD(NONE(0x00));
}

static void disc(void)
{
    make(SCSI_DVD, 2048 * 300 + 100, true);
    CHECK(NONE(0x00), 0x062900);
}

/* --- SPC --- */

START_TEST(inquiry)
{
    make(SCSI_DISK, BLOCKS * 512, false);
    GOOD(IN(255, 0x12, 0, 0, 0, 255)); /* despite the unit attention */
    ck_assert_uint_eq(r.transferred, 96);
    ck_assert_uint_eq(data[0], 0);
    ck_assert(memcmp(data + 8, "HP      Virtual FileDisk0.04", 28) == 0);
    GOOD(IN(5, 0x12, 0, 0, 0, 255)); /* the initiator takes less */
    ck_assert_uint_eq(r.transferred, 5);
    GOOD(IN(255, 0x12, 0, 0, 0, 36));
    ck_assert_uint_eq(r.transferred, 36);
    GOOD(IN(255, 0x12, 0, 0, 0, 0));
    CHECK(IN(255, 0x12, 0, 0x80, 0, 255), 0x052400);
    CHECK(NONE(0x00), 0x062900); /* still there */
}
END_TEST

START_TEST(vital_product_data)
{
    disk();
    GOOD(IN(255, 0x12, 1, 0, 0, 255));
    ck_assert_uint_eq(r.transferred, 4u + data[3]);
    ck_assert(memcmp(data + 4, "\x00\x80\x83\xb0\xb1\xb2", 6) == 0);
    ck_assert_uint_eq(data[3], 6);
    for (unsigned i = 0; i < 6; i++) {
        static const uint8_t pages[] = {0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2};
        GOOD(IN(255, 0x12, 1, pages[i], 0, 255));
        ck_assert_uint_eq(data[1], pages[i]);
        ck_assert_uint_eq(r.transferred, 4u + data[3]);
    }
    GOOD(IN(255, 0x12, 1, 0xb0, 0, 255));
    ck_assert_uint_eq(get32(data + 8), SCSI_MAX_TRANSFER / 512);
    CHECK(IN(255, 0x12, 1, 0x85, 0, 255), 0x052400);
}
END_TEST

START_TEST(other_units)
{
    disk();
    memset(&r, 0, sizeof(r));
    r.cdb[0] = 0x12;
    r.cdb[4] = 36;
    r.direction = SCSI_DATA_IN;
    r.data = data;
    r.length = 36;
    r.done = done;
    scsi_submit(t, &r);
    ck_assert_uint_eq(r.status, SCSI_GOOD);
    ck_assert_uint_eq(data[0], 0x7f);
    r.cdb[0] = 0x00;
    scsi_submit(t, &r);
    ck_assert_uint_eq(sense(), 0x052500);
    r.cdb[0] = 0xff;
    scsi_submit(t, &r);
    ck_assert_uint_eq(sense(), 0x052500);
    GOOD(IN(255, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 255));
    ck_assert_uint_eq(get32(data), 8);
    CHECK(IN(255, 0xa0, 0, 9, 0, 0, 0, 0, 0, 0, 255), 0x052400);
}
END_TEST

START_TEST(request_sense)
{
    make(SCSI_DISK, BLOCKS * 512, false);
    GOOD(IN(255, 0x03, 0, 0, 0, 252));
    ck_assert_uint_eq(r.transferred, 18);
    ck_assert_uint_eq(data[2], 6);
    ck_assert_uint_eq(data[12], 0x29);
    GOOD(IN(255, 0x03, 0, 0, 0, 252)); /* taken */
    ck_assert_uint_eq(data[2], 0);
    GOOD(IN(255, 0x03, 1, 0, 0, 252)); /* descriptors */
    ck_assert_uint_eq(data[0], 0x72);
    GOOD(NONE(0x00));
}
END_TEST

START_TEST(mode_pages)
{
    disk();
    GOOD(IN(255, 0x1a, 0, 0x3f, 0, 255)); /* all, current */
    ck_assert_uint_eq(data[0] + 1u, r.transferred);
    ck_assert_uint_eq(data[3], 8); /* block descriptor */
    ck_assert_uint_eq(get32(data + 4), BLOCKS);
    ck_assert_uint_eq(get32(data + 8), 512);
    ck_assert_uint_eq(data[2], 0x10);
    GOOD(IN(255, 0x1a, 8, 0x08, 0, 255)); /* caching, no descriptor */
    ck_assert_uint_eq(data[4], 0x08);
    ck_assert_uint_eq(data[6] & 4, 4);
    GOOD(IN(255, 0x1a, 8, 0x48, 0, 255)); /* changeable */
    ck_assert_uint_eq(data[6], 5);
    CHECK(IN(255, 0x1a, 8, 0xc8, 0, 255), 0x053900);     /* saved */
    CHECK(IN(255, 0x1a, 8, 0x2a, 0, 255), 0x052400);     /* no such page */
    GOOD(IN(255, 0x5a, 0x10, 0x3f, 0, 0, 0, 0, 0, 255)); /* long descriptor */
    ck_assert_uint_eq(data[7], 16);
    /* write cache off */
    GOOD(IN(255, 0x1a, 8, 0x08, 0, 255));
    data[0] = 0;
    data[6] &= (uint8_t)~4;
    GOOD(OUT(24, 0x15, 0x10, 0, 0, 24));
    GOOD(IN(255, 0x1a, 8, 0x08, 0, 255));
    ck_assert_uint_eq(data[6] & 4, 0);
    CHECK(run_as(1, SCSI_NO_DATA, 0, CDB(0)), 0x062900);
    CHECK(run_as(1, SCSI_NO_DATA, 0, CDB(0)), 0x062a01); /* told the others */
    /* what may not be changed, is not there, or is cut off */
    data[6] = 0x80;
    CHECK(OUT(24, 0x15, 0x10, 0, 0, 24), 0x052600);
    memset(data, 0, 24);
    data[4] = 0x2a;
    data[5] = 18;
    CHECK(OUT(24, 0x15, 0x10, 0, 0, 24), 0x052600);
    data[4] = 0x08;
    data[5] = 18;
    CHECK(OUT(20, 0x15, 0x10, 0, 0, 20), 0x051a00);
    CHECK(OUT(10, 0x15, 0x10, 0, 0, 24), 0x051a00); /* less data than said */
    data[3] = 200;
    CHECK(OUT(24, 0x15, 0x10, 0, 0, 24), 0x051a00);
    GOOD(OUT(0, 0x15, 0x10, 0, 0, 0));
    CHECK(OUT(24, 0x15, 0x11, 0, 0, 24), 0x052400); /* save */
}
END_TEST

START_TEST(buffers)
{
    disk();
    GOOD(IN(4, 0x3c, 0x0b, 0, 0, 0, 0, 0, 0, 4));
    ck_assert_uint_eq(data[2] << 8 | data[3], 4096);
    for (unsigned i = 0; i < 252; i++)
        data[i] = (uint8_t)(i * 3);
    GOOD(OUT(252, 0x3b, 0x0a, 0, 0, 0, 0, 0, 0, 252));
    memset(data, 0, 252);
    GOOD(IN(252, 0x3c, 0x0a, 0, 0, 0, 0, 0, 0, 252));
    ck_assert_uint_eq(data[100], 300 % 256);
    CHECK(OUT(252, 0x3b, 0x02, 0, 0xff, 0xff, 0xff, 0, 0, 252), 0x052400);
    CHECK(OUT(252, 0x3b, 0x0a, 0, 0, 0, 0, 0xff, 0xff, 252), 0x052400);
    CHECK(IN(252, 0x3c, 0x1f, 0, 0, 0, 0, 0, 0, 252), 0x052400);
}
END_TEST

START_TEST(diagnostics_and_logs)
{
    disk();
    GOOD(NONE(0x1d, 0x04));
    GOOD(IN(255, 0x4d, 0, 0x40, 0, 0, 0, 0, 0, 255));
    ck_assert_uint_eq(data[3], 3);
    GOOD(IN(255, 0x4d, 0, 0x4d, 0, 0, 0, 0, 0, 255));
    CHECK(IN(255, 0x4d, 0, 0x42, 0, 0, 0, 0, 0, 255), 0x052400);
    GOOD(IN(255, 0x1c, 1, 0, 0, 255));
    CHECK(NONE(0xc1), 0x052000); /* unknown */
    CHECK(NONE(0xa3, 0x0c), 0x052000);
}
END_TEST

/* --- disks --- */

START_TEST(capacity)
{
    disk();
    GOOD(IN(8, 0x25));
    ck_assert_uint_eq(get32(data), BLOCKS - 1);
    ck_assert_uint_eq(get32(data + 4), 512);
    GOOD(IN(32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32));
    ck_assert_uint_eq(get32(data + 4), BLOCKS - 1);
    ck_assert_uint_eq(data[14], 0xc0);
    GOOD(IN(32, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 32));
    ck_assert_uint_eq(get32(data + 16), BLOCKS - 5);
    CHECK(IN(32, 0x9e, 0x13), 0x052400);
}
END_TEST

START_TEST(reading)
{
    disk();
    GOOD(IN(512, 0x28, 0, 0, 0, 0, 9, 0, 0, 1));
    ck_assert_uint_eq(data[0], 9);
    ck_assert_uint_eq(r.transferred, 512);
    GOOD(IN(512, 0x08, 0, 0, 10, 1));
    ck_assert_uint_eq(data[511], 10);
    GOOD(IN(512, 0xa8, 0, 0, 0, 0, 11, 0, 0, 0, 1));
    ck_assert_uint_eq(data[0], 11);
    GOOD(IN(512, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 1));
    ck_assert_uint_eq(data[0], 12);
    GOOD(IN(256 * 512, 0x08, 0, 0, 0, 0)); /* 0 means 256 */
    ck_assert_uint_eq(r.transferred, 256 * 512);
    GOOD(IN(100, 0x28, 0, 0, 0, 0, 9, 0, 0, 4)); /* the initiator takes less */
    ck_assert_uint_eq(r.transferred, 100);
    GOOD(IN(512, 0x28, 0, 0, 0, 0, 9, 0, 0, 0)); /* nothing */
    ck_assert_uint_eq(r.transferred, 0);
    GOOD(NONE(0x28, 0, 0, 0, 0, 9, 0, 0, 4)); /* the wrong way round */
    ck_assert_uint_eq(r.transferred, 0);
    CHECK(IN(512, 0x28, 0, 0, 0, 8, 0, 0, 0, 1), 0x052100);
    ck_assert_uint_eq(r.sense[0], 0xf0);
    ck_assert_uint_eq(get32(r.sense + 3), BLOCKS);
    CHECK(IN(512, 0x28, 0, 0, 0, 7, 0xff, 0, 0, 2), 0x052100);
    CHECK(IN(512, 0x88, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255), 0x052100);
    GOOD(NONE(0x2b, 0, 0, 0, 0, 3));
    CHECK(NONE(0x0b, 0x1f, 0xff, 0xff), 0x052100);
}
END_TEST

START_TEST(writing)
{
    disk();
    memset(data, 0xab, 4096);
    GOOD(OUT(1024, 0x2a, 0, 0, 0, 0, 20, 0, 0, 2));
    GOOD(OUT(512, 0x0a, 0, 0, 30, 1));
    GOOD(OUT(512, 0xaa, 8, 0, 0, 0, 40, 0, 0, 0, 1)); /* FUA */
    GOOD(OUT(512, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 50, 0, 0, 0, 1));
    GOOD(OUT(512, 0x2e, 0, 0, 0, 0, 60, 0, 0, 1)); /* and verify */
    GOOD(OUT(600, 0x2a, 0, 0, 0, 0, 70, 0, 0, 2)); /* whole blocks only */
    ck_assert_uint_eq(r.transferred, 512);
    GOOD(NONE(0x35));
    GOOD(NONE(0x91));
    for (unsigned lba = 20; lba <= 70; lba += 10) {
        GOOD(IN(1024, 0x28, 0, 0, 0, 0, (uint8_t)lba, 0, 0, 2));
        ck_assert_uint_eq(data[511], 0xab);
        ck_assert_uint_eq(data[512], lba == 20 ? 0xab : lba + 1);
    }
    CHECK(OUT(512, 0x2a, 0, 0, 0, 8, 0, 0, 0, 1), 0x052100);
    CHECK(NONE(0x35, 0, 0, 0, 9), 0x052100);
}
END_TEST

START_TEST(verifying)
{
    disk();
    GOOD(NONE(0x2f, 0, 0, 0, 0, 5, 0, 0, 9));
    GOOD(IN(512, 0x28, 0, 0, 0, 0, 5, 0, 0, 1));
    GOOD(OUT(512, 0x2f, 2, 0, 0, 0, 5, 0, 0, 1));
    data[7]++;
    CHECK(OUT(512, 0x2f, 2, 0, 0, 0, 5, 0, 0, 1), 0x0e1d00);
    CHECK(OUT(100, 0x2f, 2, 0, 0, 0, 5, 0, 0, 1), 0x051a00);
    CHECK(NONE(0x8f, 0, 0, 0, 0, 1), 0x052100);
    GOOD(NONE(0x2f, 2, 0, 0, 0, 1, 0, 0, 0)); /* compares nothing */
}
END_TEST

START_TEST(write_same_and_unmap)
{
    disk();
    memset(data, 0x33, 512);
    GOOD(OUT(512, 0x41, 0, 0, 0, 0, 100, 0, 0, 50));
    GOOD(IN(512 * 52, 0x28, 0, 0, 0, 0, 99, 0, 0, 52));
    ck_assert_uint_eq(data[511], 99);
    ck_assert_uint_eq(data[512], 0x33);
    ck_assert_uint_eq(data[512 * 51 - 1], 0x33);
    ck_assert_uint_eq(data[512 * 51], 150);
    memset(data, 0, 512);
    GOOD(OUT(512, 0x93, 8, 0, 0, 0, 0, 0, 0, 0, 110, 0, 0, 0, 10));
    GOOD(IN(512, 0x28, 0, 0, 0, 0, 119, 0, 0, 1));
    ck_assert_uint_eq(data[0], 0);
    CHECK(OUT(512, 0x93, 4, 0, 0, 0, 0, 0, 0, 0, 110, 0, 0, 0, 10), 0x052400);
    CHECK(OUT(100, 0x41, 0, 0, 0, 0, 100, 0, 0, 50), 0x051a00);
    /* two descriptors */
    memset(data, 0, 64);
    data[1] = 38;
    data[3] = 32;
    data[15] = 10;
    data[19] = 5;
    data[31] = 200;
    data[35] = 2;
    GOOD(OUT(40, 0x42, 0, 0, 0, 0, 0, 0, 0, 40));
    GOOD(IN(512 * 8, 0x28, 0, 0, 0, 0, 9, 0, 0, 8));
    ck_assert_uint_eq(data[0], 9);
    ck_assert_uint_eq(data[512], 0);
    ck_assert_uint_eq(data[512 * 5], 0);
    ck_assert_uint_eq(data[512 * 6], 15);
    memset(data, 0, 64);
    data[3] = 16;
    data[12] = 0xff; /* far away */
    data[19] = 1;
    CHECK(OUT(24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24), 0x052100);
    CHECK(OUT(4, 0x42, 0, 0, 0, 0, 0, 0, 0, 4), 0x051a00);
    GOOD(OUT(0, 0x42));
    data[2] = 0xff; /* says more than there is */
    data[3] = 0xff;
    memset(data + 8, 0, 16);
    GOOD(OUT(24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24));
}
END_TEST

START_TEST(write_protected)
{
    make(SCSI_DISK, BLOCKS * 512, true);
    NONE(0);
    CHECK(OUT(512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1), 0x072700);
    CHECK(OUT(512, 0x41, 0, 0, 0, 0, 0, 0, 0, 1), 0x072700);
    CHECK(NONE(0x04), 0x072700);
    GOOD(NONE(0x35));
    GOOD(IN(255, 0x1a, 0, 0x3f, 0, 255));
    ck_assert_uint_eq(data[2] & 0x80, 0x80);
}
END_TEST

START_TEST(host_errors)
{
    disk();
    log_set_level(LOG_ERROR);
    ck_assert_int_eq(truncate(path, 512), 0);
    CHECK(IN(512, 0x28, 0, 0, 0, 0, 99, 0, 0, 1), 0x031100);
    ck_assert_uint_eq(get32(r.sense + 3), 99);
    ck_assert_uint_eq(r.transferred, 0);
    GOOD(IN(512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1));
}
END_TEST

/* Too small for a block. */
START_TEST(no_blocks)
{
    make(SCSI_DISK, 100, false);
    NONE(0);
    GOOD(NONE(0));
    CHECK(IN(8, 0x25), 0x033100);
    CHECK(IN(32, 0x9e, 0x10), 0x033100);
    CHECK(IN(512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0x033100);
    CHECK(OUT(512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1), 0x033100);
    GOOD(NONE(0x35));
    GOOD(IN(255, 0x1a, 0, 0x3f, 0, 255));
}
END_TEST

START_TEST(stop_and_start)
{
    disk();
    GOOD(NONE(0x1b));
    CHECK(NONE(0x00), 0x020402);
    CHECK(IN(512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0x020402);
    GOOD(NONE(0x1b, 0, 0, 0, 1));
    GOOD(NONE(0x00));
    CHECK(NONE(0x1b, 0, 0, 0, 2), 0x052400);
    GOOD(NONE(0x1e, 0, 0, 0, 1));
    ck_assert_int_eq(scsi_eject(t, true), -ENOTSUP);
    scsi_reset(t, false);
    CHECK(NONE(0x00), 0x062902);
}
END_TEST

/* --- reservations --- */

static void clear_attention(unsigned initiator)
{
    while (run_as(initiator, SCSI_NO_DATA, 0, CDB(0)) != SCSI_GOOD)
        ck_assert_uint_eq(r.sense[2], 6);
}

START_TEST(reserve_release)
{
    disk();
    clear_attention(1);
    GOOD(NONE(0x16));
    ck_assert_uint_eq(run_as(1, SCSI_NO_DATA, 0, CDB(0)), SCSI_RESERVATION_CONFLICT);
    ck_assert_uint_eq(run_as(1, SCSI_NO_DATA, 0, CDB(0x16)), SCSI_RESERVATION_CONFLICT);
    GOOD(run_as(1, SCSI_DATA_IN, 96, CDB(0x12, 0, 0, 0, 96)));
    GOOD(run_as(1, SCSI_NO_DATA, 0, CDB(0x17))); /* not his: no effect */
    ck_assert_uint_eq(run_as(1, SCSI_NO_DATA, 0, CDB(0)), SCSI_RESERVATION_CONFLICT);
    GOOD(NONE(0x57));
    GOOD(run_as(1, SCSI_NO_DATA, 0, CDB(0x56)));
    scsi_reset(t, false); /* a bus reset ends it */
    clear_attention(0);
    GOOD(NONE(0x00));
}
END_TEST

static unsigned pr_out(unsigned initiator, unsigned action, unsigned type, uint8_t key,
                       uint8_t new_key)
{
    memset(data, 0, 24);
    data[7] = key;
    data[15] = new_key;
    return run_as(initiator, SCSI_DATA_OUT, 24,
                  CDB(0x5f, (uint8_t)action, (uint8_t)type, 0, 0, 0, 0, 0, 24));
}

static unsigned read_as(unsigned initiator)
{
    return run_as(initiator, SCSI_DATA_IN, 512, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1));
}

static unsigned write_as(unsigned initiator)
{
    return run_as(initiator, SCSI_DATA_OUT, 512, CDB(0x2a, 0, 0, 0, 0, 0, 0, 0, 1));
}

START_TEST(persistent_reservations)
{
    disk();
    clear_attention(1);
    clear_attention(2);
    ck_assert_uint_eq(pr_out(0, 1, 1, 0, 0), SCSI_RESERVATION_CONFLICT); /* not registered */
    GOOD(pr_out(0, 0, 0, 0, 11));
    ck_assert_uint_eq(pr_out(0, 0, 0, 99, 12), SCSI_RESERVATION_CONFLICT);
    GOOD(pr_out(1, 6, 0, 77, 22)); /* register and ignore the key */
    GOOD(IN(255, 0x5e, 0, 0, 0, 0, 0, 0, 0, 255));
    ck_assert_uint_eq(get32(data), 2);      /* generation */
    ck_assert_uint_eq(get32(data + 4), 16); /* two keys */
    ck_assert_uint_eq(data[15], 11);
    ck_assert_uint_eq(data[23], 22);
    GOOD(pr_out(0, 1, 1, 11, 0)); /* write exclusive */
    GOOD(read_as(2));
    ck_assert_uint_eq(write_as(1), SCSI_RESERVATION_CONFLICT);
    GOOD(write_as(0));
    GOOD(IN(255, 0x5e, 1, 0, 0, 0, 0, 0, 0, 255));
    ck_assert_uint_eq(data[15], 11);
    ck_assert_uint_eq(data[21], 1);
    CHECK(pr_out(0, 2, 3, 11, 0), 0x052604); /* release of another type */
    GOOD(pr_out(0, 2, 1, 11, 0));
    GOOD(write_as(1));
    GOOD(pr_out(0, 1, 6, 11, 0)); /* exclusive access, registrants only */
    GOOD(write_as(1));
    ck_assert_uint_eq(read_as(2), SCSI_RESERVATION_CONFLICT);
    GOOD(pr_out(1, 4, 3, 22, 11)); /* preempt */
    CHECK(read_as(0), 0x062a05);
    ck_assert_uint_eq(read_as(0), SCSI_RESERVATION_CONFLICT);
    GOOD(read_as(1));
    GOOD(IN(255, 0x5e, 3, 0, 0, 0, 0, 0, 0, 255));
    ck_assert_uint_eq(get32(data + 4), 48);
    GOOD(IN(255, 0x5e, 2, 0, 0, 0, 0, 0, 0, 255));
    CHECK(IN(255, 0x5e, 9, 0, 0, 0, 0, 0, 0, 255), 0x052400);
    ck_assert_uint_eq(NONE(0x16), SCSI_RESERVATION_CONFLICT);
    scsi_reset(t, false); /* survives a bus reset */
    clear_attention(1);
    clear_attention(2);
    ck_assert_uint_eq(read_as(2), SCSI_RESERVATION_CONFLICT);
    GOOD(pr_out(1, 3, 0, 22, 0)); /* clear */
    GOOD(read_as(2));
    CHECK(run_as(1, SCSI_DATA_OUT, 8, CDB(0x5f, 0, 0, 0, 0, 0, 0, 0, 8)), 0x051a00);
    CHECK(run_as(1, SCSI_DATA_OUT, 8, CDB(0x5f, 0, 0, 0, 0, 0, 0, 0, 24)), 0x051a00);
}
END_TEST

/* --- discs --- */

START_TEST(disc_contents)
{
    disc();
    GOOD(IN(96, 0x12, 0, 0, 0, 96));
    ck_assert_uint_eq(data[0], 5);
    ck_assert_uint_eq(data[1], 0x80);
    ck_assert(memcmp(data + 8, "HP      Virtual FileDVD 0.04", 28) == 0);
    GOOD(IN(8, 0x25));
    ck_assert_uint_eq(get32(data), 300); /* the last block is cut off in the file */
    ck_assert_uint_eq(get32(data + 4), 2048);
    GOOD(IN(2048, 0x28, 0, 0, 0, 1, 44, 0, 0, 1)); /* it ends with zeros */
    ck_assert_uint_eq(data[0], 300 * 4 % 251);
    ck_assert_uint_eq(data[100], 0);
    GOOD(IN(2048, 0xa8, 0, 0, 0, 0, 2, 0, 0, 0, 1));
    ck_assert_uint_eq(data[0], 8);
    GOOD(IN(2048, 0xbe, 0, 0, 0, 0, 2, 0, 0, 1, 0x10));
    CHECK(IN(2352, 0xbe, 0, 0, 0, 0, 2, 0, 0, 1, 0xf8), 0x056400);
    CHECK(IN(2048, 0x28, 0, 0, 0, 1, 45, 0, 0, 1), 0x052100);
    CHECK(OUT(2048, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1), 0x052000);
    GOOD(IN(255, 0x43, 0, 0, 0, 0, 0, 0, 0, 255)); /* TOC */
    ck_assert_uint_eq(data[1], 18);
    ck_assert_uint_eq(data[14], 0xaa);
    ck_assert_uint_eq(get32(data + 16), 301);
    GOOD(IN(255, 0x43, 2, 0, 0, 0, 0, 0xaa, 0, 255));
    ck_assert_uint_eq(data[10], (301 + 150) / 75); /* seconds */
    GOOD(IN(255, 0x43, 0, 1, 0, 0, 0, 0, 0, 255));
    GOOD(IN(255, 0x43, 0, 2, 0, 0, 0, 0, 0, 255));
    ck_assert_uint_eq(data[1], 46);
    CHECK(IN(255, 0x43, 0, 0, 0, 0, 0, 5, 0, 255), 0x052400);
    GOOD(IN(255, 0x51, 0, 0, 0, 0, 0, 0, 0, 255));
    GOOD(IN(255, 0x52, 0, 0, 0, 0, 1, 0, 0, 255));
    GOOD(IN(255, 0x23, 0, 0, 0, 0, 0, 0, 0, 255));
    GOOD(IN(255, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 255));
    GOOD(IN(255, 0x42, 0, 0x40, 1, 0, 0, 0, 0, 255));
    GOOD(IN(255, 0x44, 0, 0, 0, 0, 3, 0, 0, 255));
    GOOD(IN(255, 0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 255));
    CHECK(IN(255, 0xad, 0, 0, 0, 0, 0, 0, 0, 0, 255), 0x052400); /* a CD has none */
}
END_TEST

START_TEST(drive_features)
{
    disc();
    GOOD(IN(255, 0x46, 0, 0, 0, 0, 0, 0, 0, 255));
    ck_assert_uint_eq(get32(data) + 4, r.transferred);
    ck_assert_uint_eq(data[7], 8); /* CD-ROM */
    GOOD(IN(255, 0x46, 2, 0, 0x10, 0, 0, 0, 0, 255));
    ck_assert_uint_eq(r.transferred, 8 + 12);
    ck_assert_uint_eq(data[10] & 1, 1);
    GOOD(IN(255, 0x46, 2, 0x7f, 0xff, 0, 0, 0, 0, 255));
    ck_assert_uint_eq(r.transferred, 8);
    CHECK(IN(255, 0x46, 3, 0, 0, 0, 0, 0, 0, 255), 0x052400);
}
END_TEST

START_TEST(media_change)
{
    disc();
    GOOD(IN(8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8));
    ck_assert_uint_eq(data[5], 2); /* a disc, tray shut */
    CHECK(IN(8, 0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8), 0x052400);
    GOOD(IN(8, 0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8));
    ck_assert_uint_eq(data[2], 0x80);
    GOOD(NONE(0x1e, 0, 0, 0, 1));
    ck_assert_int_eq(scsi_eject(t, false), -EBUSY);
    CHECK(NONE(0x1b, 0, 0, 0, 2), 0x055302);
    GOOD(IN(8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8));
    ck_assert_uint_eq(data[4], 1); /* eject request */
    GOOD(NONE(0x1e, 0, 0, 0, 0));
    ck_assert_int_eq(scsi_eject(t, false), 0);
    ck_assert_int_eq(scsi_eject(t, false), -ENOMEDIUM);
    CHECK(NONE(0x00), 0x062800);
    CHECK(NONE(0x00), 0x023a02);
    CHECK(IN(8, 0x25), 0x023a02);
    GOOD(IN(96, 0x12, 0, 0, 0, 96));
    ck_assert(memcmp(data + 16, "Virtual NullDVD ", 16) == 0);
    GOOD(IN(8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8));
    ck_assert_uint_eq(data[4], 3);
    ck_assert_uint_eq(data[5], 1);
    GOOD(NONE(0x1b, 0, 0, 0, 3)); /* the guest shuts the empty tray */
    CHECK(NONE(0x00), 0x023a00);
    ck_assert_int_eq(scsi_insert(t, open_file(true)), 0);
    ck_assert_int_eq(scsi_insert(t, open_file(true)), -EBUSY);
    CHECK(NONE(0x00), 0x062800);
    GOOD(NONE(0x00));
    GOOD(IN(8, 0x25));
    GOOD(NONE(0x1b, 0, 0, 0, 2)); /* the guest ejects */
    CHECK(NONE(0x00), 0x023a02);
}
END_TEST

/* --- the task set --- */

static unsigned order[8], orders;

static void note(struct scsi_request *q)
{
    order[orders++] = (unsigned)(q->data - data) / 512;
}

/* Writes: short reads may end at once. */
static void queue(struct scsi_request *q, unsigned n, enum scsi_attribute attribute)
{
    memset(data + 512 * n, 0xa0 + (int)n, 512);
    *q = (struct scsi_request){.cdb = {0x2a, 0, 0, 0, 0, (uint8_t)n, 0, 0, 1},
                               .lun0 = true,
                               .attribute = attribute,
                               .direction = SCSI_DATA_OUT,
                               .data = data + 512 * n,
                               .length = 512,
                               .done = note};
    scsi_submit(t, q);
}

START_TEST(ordered_commands)
{
    struct scsi_request q[5];

    io_free(io);
    io = io_new(2);
    disk();
    orders = 0;
    queue(&q[0], 0, SCSI_SIMPLE);
    queue(&q[1], 1, SCSI_ORDERED);
    queue(&q[2], 2, SCSI_SIMPLE);
    queue(&q[3], 3, SCSI_SIMPLE);
    ck_assert(scsi_cancel(t, &q[3]));  /* waits */
    ck_assert(!scsi_cancel(t, &q[0])); /* runs */
    queue(&q[4], 4, SCSI_HEAD_OF_QUEUE);
    while (orders < 4)
        io_drain(io);
    for (unsigned i = 0; i < 2; i++)
        ck_assert(order[i] == 0 || order[i] == 4);
    ck_assert_uint_eq(order[2], 1);
    ck_assert_uint_eq(order[3], 2);
    ck_assert_int_eq(store_read(scsi_target_store(t), 512 * 2, data, 512 * 2), 0);
    ck_assert_uint_eq(data[0], 0xa2);
    ck_assert_uint_eq(data[512], 3); /* taken back: as it was */
}
END_TEST

/* Random commands of every kind: no crash, always an answer. */
START_TEST(random_commands)
{
    srand((unsigned)_i + 1);
    if (_i % 2)
        make(SCSI_DVD, 2048 * 100, true);
    else
        make(SCSI_DISK, BLOCKS * 512, false);
    for (unsigned i = 0; i < 100000; i++) {
        uint8_t cdb[16];
        for (unsigned k = 0; k < 16; k++)
            cdb[k] = (uint8_t)(rand() % 4 ? rand() % 4 : rand());
        cdb[0] = (uint8_t)rand();
        for (unsigned k = 0; k < 64; k++)
            data[k] = (uint8_t)(rand() % 3 ? 0 : rand());
        run_as((unsigned)rand() % 10, (enum scsi_direction)(rand() % 3),
               (uint32_t)rand() % 5 ? (uint32_t)rand() % 1024 : 1u << 20, cdb, 16);
        ck_assert_uint_le(r.transferred, r.length);
        if (_i % 2 && i % 1000 == 0) {
            scsi_eject(t, true);
            scsi_insert(t, open_file(true));
        }
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("scsi_target");
    TCase *c = tcase_create("scsi_target");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, inquiry);
    tcase_add_test(c, vital_product_data);
    tcase_add_test(c, other_units);
    tcase_add_test(c, request_sense);
    tcase_add_test(c, mode_pages);
    tcase_add_test(c, buffers);
    tcase_add_test(c, diagnostics_and_logs);
    tcase_add_test(c, capacity);
    tcase_add_test(c, reading);
    tcase_add_test(c, writing);
    tcase_add_test(c, verifying);
    tcase_add_test(c, write_same_and_unmap);
    tcase_add_test(c, write_protected);
    tcase_add_test(c, host_errors);
    tcase_add_test(c, no_blocks);
    tcase_add_test(c, stop_and_start);
    tcase_add_test(c, reserve_release);
    tcase_add_test(c, persistent_reservations);
    tcase_add_test(c, disc_contents);
    tcase_add_test(c, drive_features);
    tcase_add_test(c, media_change);
    tcase_add_test(c, ordered_commands);
    tcase_add_loop_test(c, random_commands, 0, 4);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    int failed;

    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
