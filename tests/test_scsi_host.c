/* What a disk asks of the host, and what it makes of the host's errors: a store made here that
 * keeps a log of its calls and fails when told to. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "store_impl.h"
#include "target.h"

#define BLOCKS 1024u

struct trial {
    struct store store;
    char calls[64]; /* r, w, z, f: in the order in which they came */
    int fail_read, fail_write, fail_flush;
    uint64_t fail_from;   /* offset from which transfers fail */
    pthread_mutex_t gate; /* writes wait for it */
    uint8_t bytes[BLOCKS * 512];
};

static struct trial *trial;
static struct io_pool *io;
static struct scsi_target *t;
static struct scsi_request r;
static uint8_t data[65536];

static void say(struct trial *x, char call)
{
    size_t n = strlen(x->calls);

    ck_assert_uint_lt(n, sizeof(x->calls) - 1);
    x->calls[n] = call;
}

static int trial_read(struct store *s, uint64_t offset, void *buf, size_t len)
{
    struct trial *x = (struct trial *)s;

    say(x, 'r');
    if (x->fail_read != 0 && offset + len > x->fail_from)
        return x->fail_read;
    memcpy(buf, x->bytes + offset, len);
    return 0;
}

/* A failing write has done what lies before the place, as on a full file system. */
static int trial_write(struct store *s, uint64_t offset, const void *buf, size_t len)
{
    struct trial *x = (struct trial *)s;
    bool fails = x->fail_write != 0 && offset + len > x->fail_from;
    size_t n = !fails ? len : offset < x->fail_from ? (size_t)(x->fail_from - offset) : 0;

    pthread_mutex_lock(&x->gate);
    say(x, 'w');
    pthread_mutex_unlock(&x->gate);
    memcpy(x->bytes + offset, buf, n);
    return fails ? x->fail_write : 0;
}

static int trial_zero(struct store *s, uint64_t offset, uint64_t len)
{
    struct trial *x = (struct trial *)s;

    say(x, 'z');
    memset(x->bytes + offset, 0, len);
    return 0;
}

static int trial_flush(struct store *s)
{
    struct trial *x = (struct trial *)s;

    say(x, 'f');
    return x->fail_flush;
}

static void trial_close(struct store *s)
{
    (void)s;
}

static const struct store_ops ops = {trial_read, NULL,        trial_write,
                                     trial_zero, trial_flush, trial_close};

static void done(struct scsi_request *q)
{
    (void)q;
}

static unsigned run(enum scsi_direction dir, uint32_t len, const uint8_t *cdb, size_t n)
{
    memset(trial->calls, 0, sizeof(trial->calls));
    memset(&r, 0, sizeof(r));
    memcpy(r.cdb, cdb, n);
    r.lun0 = true;
    r.direction = dir;
    r.data = data;
    r.length = len;
    r.done = done;
    scsi_submit(t, &r);
    io_drain(io);
    return r.status;
}

#define CDB(...)      (const uint8_t[16]){__VA_ARGS__}, 16
#define NONE(...)     run(SCSI_NO_DATA, 0, CDB(__VA_ARGS__))
#define IN(len, ...)  run(SCSI_DATA_IN, len, CDB(__VA_ARGS__))
#define OUT(len, ...) run(SCSI_DATA_OUT, len, CDB(__VA_ARGS__))

/* Runs with worker threads too. */
static void setup(void)
{
    struct scsi_target_config c = {.type = SCSI_DISK, .wwn = 1};

    log_set_level(LOG_ERROR);
    trial = calloc(1, sizeof(*trial));
    pthread_mutex_init(&trial->gate, NULL);
    trial->store.ops = &ops;
    trial->store.name = strdup("trial");
    trial->store.size = sizeof(trial->bytes);
    io = io_new(2);
    c.store = &trial->store;
    c.io = io;
    t = scsi_target_new(&c);
    ck_assert_ptr_nonnull(t);
    NONE(0x00); /* takes the unit attention */
}

static void teardown(void)
{
    memset(trial->calls, 0, sizeof(trial->calls));
    scsi_target_free(t);
    io_free(io);
    free(trial);
}

static void good(unsigned status, const char *calls)
{
    ck_assert_uint_eq(status, SCSI_GOOD);
    ck_assert_str_eq(trial->calls, calls);
}

/* A medium error with this code, at this block. */
static void medium_error(unsigned status, unsigned code, uint32_t lba)
{
    ck_assert_uint_eq(status, SCSI_CHECK_CONDITION);
    ck_assert_uint_eq(r.sense[0], 0xf0); /* with information */
    ck_assert_uint_eq(r.sense[2], 3);
    ck_assert_uint_eq(r.sense[12], code);
    ck_assert_uint_eq((uint32_t)r.sense[5] << 8 | r.sense[6], lba);
    ck_assert_uint_eq(r.transferred, 0);
}

#define READ_ERROR  0x11
#define WRITE_ERROR 0x0c

/* A flush comes after the data and before the status, exactly where it is asked for. */
START_TEST(stable_storage)
{
    good(OUT(512, 0x2a, 0, 0, 0, 0, 1, 0, 0, 1), "w");
    good(NONE(0x35), "f");
    good(NONE(0x91), "f");
    good(NONE(0x35, 0x02), "f");                        /* immediate: done all the same */
    good(OUT(512, 0x2a, 8, 0, 0, 0, 1, 0, 0, 1), "wf"); /* FUA, in all lengths */
    good(OUT(512, 0xaa, 8, 0, 0, 0, 1, 0, 0, 0, 1), "wf");
    good(OUT(512, 0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1), "wf");
    good(OUT(512, 0x2e, 0, 0, 0, 0, 1, 0, 0, 1), "wf"); /* WRITE AND VERIFY */
    good(NONE(0x1b), "f");                              /* stopped */
    good(NONE(0x1b, 0, 0, 0, 1), "");
}
END_TEST

/* MODE SELECT turns the write cache off: everything that is written is stable at once. */
START_TEST(no_write_cache)
{
    memset(data, 0, 24);
    data[4] = 0x08;
    data[5] = 18;
    good(OUT(24, 0x15, 0x10, 0, 0, 24), "");
    good(OUT(512, 0x2a, 0, 0, 0, 0, 1, 0, 0, 1), "wf");
    good(OUT(512, 0x0a, 0, 0, 1, 1), "wf");
    memset(data, 0, 512);
    good(OUT(512, 0x41, 0, 0, 0, 0, 1, 0, 0, 9), "zf");
    data[0] = 1;
    good(OUT(512, 0x41, 0, 0, 0, 0, 1, 0, 0, 9), "wf");
    memset(data, 0, 24);
    data[3] = 16;
    data[19] = 4;
    good(OUT(24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24), "zf"); /* UNMAP */
}
END_TEST

/* What was there before the failing write, and what was written before the place, stays. */
START_TEST(full_host)
{
    memset(data, 0x11, sizeof(data));
    good(OUT(4096, 0x2a, 0, 0, 0, 0, 0, 0, 0, 8), "w");
    trial->fail_write = -ENOSPC;
    trial->fail_from = 512 * 100;
    memset(data, 0x22, sizeof(data));
    medium_error(OUT(4096, 0x2a, 0, 0, 0, 0, 96, 0, 0, 8), WRITE_ERROR, 96);
    medium_error(OUT(4096, 0x2a, 8, 0, 0, 0, 96, 0, 0, 8), WRITE_ERROR, 96);
    ck_assert_str_eq(trial->calls, "w"); /* nothing to flush */
    data[0] = 1;
    medium_error(OUT(512, 0x41, 0, 0, 0, 0, 99, 0, 0, 9), WRITE_ERROR, 99);
    good(OUT(512, 0x2a, 0, 0, 0, 0, 9, 0, 0, 1), "w"); /* elsewhere there is room */
    good(IN(512, 0x28, 0, 0, 0, 0, 7, 0, 0, 1), "r");
    ck_assert_uint_eq(data[511], 0x11);
    good(NONE(0x35), "f"); /* nothing was lost */
    trial->fail_write = 0; /* room was made */
    memset(data, 0x33, sizeof(data));
    good(OUT(4096, 0x2a, 8, 0, 0, 0, 96, 0, 0, 8), "wf");
    good(IN(512, 0x28, 0, 0, 0, 0, 103, 0, 0, 1), "r");
    ck_assert_uint_eq(data[511], 0x33);
}
END_TEST

START_TEST(unreadable_host)
{
    trial->fail_read = -EIO;
    trial->fail_from = 512 * 10;
    medium_error(IN(1024, 0x28, 0, 0, 0, 0, 9, 0, 0, 2), READ_ERROR, 9);
    medium_error(IN(512, 0x08, 0, 0, 20, 1), READ_ERROR, 20);
    medium_error(OUT(512, 0x2f, 2, 0, 0, 0, 30, 0, 0, 1), READ_ERROR, 30); /* VERIFY */
    good(IN(512, 0x28, 0, 0, 0, 0, 9, 0, 0, 1), "r");
}
END_TEST

/* The host says once that it has lost data; the guest must not be told later that all is well. */
START_TEST(failed_flush)
{
    good(OUT(512, 0x2a, 0, 0, 0, 0, 1, 0, 0, 1), "w");
    trial->fail_flush = -EIO;
    medium_error(NONE(0x35), WRITE_ERROR, 0);
    trial->fail_flush = 0;
    medium_error(NONE(0x35), WRITE_ERROR, 0);
    medium_error(OUT(512, 0x2a, 8, 0, 0, 0, 1, 0, 0, 1), WRITE_ERROR, 1);
    ck_assert_str_eq(trial->calls, "wf"); /* it is still tried */
    good(OUT(512, 0x2a, 0, 0, 0, 0, 1, 0, 0, 1), "w");
    good(IN(512, 0x28, 0, 0, 0, 0, 1, 0, 0, 1), "r");
    ck_assert_int_eq(store_flush(&trial->store), -EIO);
}
END_TEST

/* A reset or a guest that starts again does not make the loss undone either. */
START_TEST(failed_flush_and_reset)
{
    trial->fail_flush = -ENOSPC;
    medium_error(OUT(512, 0x2a, 8, 0, 0, 0, 5, 0, 0, 1), WRITE_ERROR, 5);
    trial->fail_flush = 0;
    scsi_reset(t, true);
    NONE(0x00);
    medium_error(NONE(0x35), WRITE_ERROR, 0);
}
END_TEST

/* WRITE SAME and UNMAP of more than one can wait for: refused, and the limits are told. */
START_TEST(long_commands)
{
    uint32_t blocks = (1u << 30) / 512;

    scsi_target_free(t);
    struct scsi_target_config c = {.type = SCSI_DISK, .wwn = 1, .store = &trial->store, .io = io};
    trial->store.size = 1ull << 40; /* nothing of this is touched */
    trial->store.name = strdup("trial");
    t = scsi_target_new(&c);
    NONE(0x00);
    good(IN(255, 0x12, 1, 0xb0, 0, 255), "");
    ck_assert_uint_eq((uint32_t)data[20] << 24 | data[21] << 16 | data[22] << 8 | data[23], blocks);
    ck_assert_mem_eq(data + 40, data + 20, 4);
    memset(data, 1, 512);
    ck_assert_uint_eq(OUT(512, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 1), 2);
    ck_assert_uint_eq(r.sense[12], 0x24);
    ck_assert_uint_eq(OUT(512, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 2); /* to the end */
    memset(data, 0, 64);
    data[3] = 32;
    data[17] = data[33] = 0x10; /* half of it, */
    data[35] = 1;               /* and a block more */
    ck_assert_uint_eq(OUT(40, 0x42, 0, 0, 0, 0, 0, 0, 0, 40), 2);
    ck_assert_uint_eq(r.sense[12], 0x26);
    ck_assert_str_eq(trial->calls, "");
}
END_TEST

static unsigned ended;

static void count(struct scsi_request *q)
{
    (void)q;
    ended++;
}

/* Commands that are taken back wait for those in the host's hands only, not for all the others. */
START_TEST(taken_back)
{
    static struct scsi_request q[20];

    memset(trial->calls, 0, sizeof(trial->calls));
    ended = 0;
    pthread_mutex_lock(&trial->gate);
    for (unsigned i = 0; i < 20; i++) {
        q[i] = (struct scsi_request){.cdb = {0x2a, 0, 0, 0, 0, (uint8_t)i, 0, 0, 1},
                                     .lun0 = true,
                                     .direction = SCSI_DATA_OUT,
                                     .data = data,
                                     .length = 512,
                                     .done = count};
        scsi_submit(t, &q[i]);
    }
    for (unsigned i = 0; i < 20; i++)
        ck_assert(!scsi_cancel(t, &q[i]));
    pthread_mutex_unlock(&trial->gate);
    io_drain(io);
    ck_assert_uint_eq(ended, 20);
    ck_assert_uint_le(strlen(trial->calls), 2);        /* threads of the pool */
    good(OUT(512, 0x2a, 0, 0, 0, 0, 1, 0, 0, 1), "w"); /* and it goes on */
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("scsi_host");
    TCase *c = tcase_create("scsi_host");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, stable_storage);
    tcase_add_test(c, no_write_cache);
    tcase_add_test(c, full_host);
    tcase_add_test(c, unreadable_host);
    tcase_add_test(c, failed_flush);
    tcase_add_test(c, failed_flush_and_reset);
    tcase_add_test(c, long_commands);
    tcase_add_test(c, taken_back);
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
