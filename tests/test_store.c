/* scsi/store.h and scsi/io.h: files, locks, overlays, worker threads. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/cdrom.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "io.h"
#include "log.h"
#include "store.h"

#define SIZE (1024u * 1024u + 512u) /* ends inside a block of an overlay */

static char dir[] = "/tmp/kittson-store-XXXXXX";
static char base[64], over[64];
static char why[512];

static void make_base(void)
{
    FILE *f = fopen(base, "wb");
    for (unsigned i = 0; i < SIZE; i++)
        fputc((int)(i / 512 % 251), f);
    fclose(f);
}

static void setup(void)
{
    strcpy(dir, "/tmp/kittson-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(base, sizeof(base), "%s/base", dir);
    snprintf(over, sizeof(over), "%s/over", dir);
    make_base();
    log_set_level(LOG_ERROR);
}

static void teardown(void)
{
    unlink(base);
    unlink(over);
    rmdir(dir);
}

static struct store *must_open(const char *path, bool ro, const char *overlay)
{
    struct store_options o = {.read_only = ro, .overlay = overlay};
    struct store *s = NULL;
    int err = store_open(path, &o, &s, why, sizeof(why));

    ck_assert_msg(err == 0, "%s", why);
    return s;
}

static int try_open(const char *path, bool ro, const char *overlay)
{
    struct store_options o = {.read_only = ro, .overlay = overlay};
    struct store *s = NULL;
    int err = store_open(path, &o, &s, why, sizeof(why));

    if (err == 0)
        store_close(s);
    return err;
}

static unsigned char byte_at(struct store *s, uint64_t offset)
{
    unsigned char c = 0xee;
    ck_assert_int_eq(store_read(s, offset, &c, 1), 0);
    return c;
}

START_TEST(raw_file)
{
    struct store *s = must_open(base, false, NULL);
    char buf[1000];

    ck_assert_uint_eq(store_size(s), SIZE);
    ck_assert_int_eq(store_kind(s), STORE_FILE);
    ck_assert_int_eq(byte_at(s, 512 * 7), 7);
    memset(buf, 0xaa, sizeof(buf));
    ck_assert_int_eq(store_write(s, 100, buf, sizeof(buf)), 0);
    ck_assert_int_eq(byte_at(s, 99), 0);
    ck_assert_int_eq(byte_at(s, 1099), 0xaa);
    ck_assert_int_eq(store_zero(s, 100, 10), 0);
    ck_assert_int_eq(byte_at(s, 105), 0);
    ck_assert_int_eq(byte_at(s, 110), 0xaa);
    ck_assert_int_eq(store_flush(s), 0);
    /* the tail reads as zeros up to 4096, nothing beyond and no write */
    ck_assert_int_eq(byte_at(s, SIZE + 100), 0);
    ck_assert_int_eq(store_read(s, SIZE - 1, buf, 10), 0);
    ck_assert_int_eq(store_read(s, SIZE + 4096, buf, 1), -EINVAL);
    ck_assert_int_eq(store_read(s, UINT64_MAX, buf, 2), -EINVAL);
    ck_assert_int_eq(store_write(s, SIZE, buf, 1), -EINVAL);
    ck_assert_int_eq(store_write(s, UINT64_MAX - 1, buf, 4), -EINVAL);
    ck_assert_int_eq(store_zero(s, SIZE - 1, 2), -EINVAL);
    ck_assert_int_eq(store_close(s), 0);
}
END_TEST

START_TEST(read_only)
{
    struct store *s = must_open(base, true, NULL);

    ck_assert(store_read_only(s));
    ck_assert_int_eq(store_write(s, 0, "x", 1), -EROFS);
    ck_assert_int_eq(store_zero(s, 0, 1), -EROFS);
    ck_assert_int_eq(store_flush(s), 0);
    store_close(s);
}
END_TEST

START_TEST(shrunken_file)
{
    struct store *s = must_open(base, false, NULL);
    char buf[512];

    ck_assert_int_eq(truncate(base, 4096), 0);
    ck_assert_int_eq(store_read(s, 8192, buf, sizeof(buf)), -EIO);
    store_close(s);
}
END_TEST

START_TEST(second_writer)
{
    struct store *s = must_open(base, false, NULL), *r;

    ck_assert_int_eq(try_open(base, false, NULL), -EAGAIN);
    ck_assert_ptr_nonnull(strstr(why, "cannot have a second writer"));
    ck_assert_int_eq(try_open(base, true, NULL), -EAGAIN);
    ck_assert_int_eq(try_open(base, false, over), -EAGAIN);
    store_close(s);
    /* readers and overlays share it; a writer is kept out */
    s = must_open(base, true, NULL);
    r = must_open(base, false, over);
    ck_assert_int_eq(try_open(base, false, NULL), -EAGAIN);
    ck_assert_int_eq(try_open(base, false, over), -EAGAIN); /* an overlay has one user */
    store_close(r);
    store_close(s);
    ck_assert_int_eq(try_open(base, false, NULL), 0);
}
END_TEST

static struct store *open_shared(void)
{
    struct store_options o = {.shared = true};
    struct store *s = NULL;
    return store_open(base, &o, &s, why, sizeof(why)) == 0 ? s : NULL;
}

/* All that share it may write, and see what the others wrote; nobody else gets it meanwhile. */
START_TEST(sharers)
{
    struct store *s[64];

    for (int i = 0; i < 64; i++)
        ck_assert_ptr_nonnull(s[i] = open_shared());
    ck_assert_ptr_null(open_shared()); /* a limit of ours */
    ck_assert_ptr_nonnull(strstr(why, "does not share it"));
    store_close(s[17]);
    ck_assert_ptr_nonnull(s[17] = open_shared());
    ck_assert_int_eq(store_write(s[0], 5, "A", 1), 0);
    ck_assert_uint_eq(byte_at(s[63], 5), 'A');
    ck_assert_int_eq(store_write(s[63], 5, "B", 1), 0);
    ck_assert_uint_eq(byte_at(s[0], 5), 'B');
    for (int i = 63; i >= 0; i--) {
        ck_assert_int_eq(try_open(base, false, NULL), -EAGAIN);
        ck_assert_int_eq(try_open(base, true, NULL), -EAGAIN);
        ck_assert_int_eq(try_open(base, false, over), -EAGAIN);
        store_close(s[i]);
    }
    for (int ro = 0; ro < 2; ro++) {
        s[0] = must_open(base, ro, NULL);
        ck_assert_ptr_null(open_shared());
        store_close(s[0]);
    }
    ck_assert_ptr_nonnull(s[0] = open_shared());
    store_close(s[0]);
}
END_TEST

/* --- drives of the host --- */

static bool is_drive; /* what is opened is a drive that can lock its door */
static int door;      /* how often locked less how often unlocked */

/* The host's, except that files can be drives. */
int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    va_start(ap, request);
    long argument = va_arg(ap, long);
    va_end(ap);
    if (is_drive && request == CDROM_GET_CAPABILITY)
        return CDC_LOCK | CDC_OPEN_TRAY;
    if (is_drive && request == CDROM_LOCKDOOR) {
        door += argument != 0 ? 1 : -1;
        return 0;
    }
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

/* The door is shut while the store is open. */
START_TEST(door_of_a_drive)
{
    struct store *s = must_open(base, true, NULL);

    ck_assert_int_eq(door, 0); /* a file has none */
    store_close(s);
    is_drive = true;
    s = must_open(base, true, NULL);
    ck_assert_int_eq(door, 1);
    store_close(s);
    ck_assert_int_eq(door, 0);
    is_drive = false;
}
END_TEST

/* The lock goes with the process. */
START_TEST(writer_killed)
{
    int ready[2], status;
    char c;
    pid_t child;

    ck_assert_int_eq(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        struct store_options o = {0};
        struct store *s;
        if (store_open(base, &o, &s, why, sizeof(why)) != 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    ck_assert_int_eq(try_open(base, false, NULL), -EAGAIN);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    ck_assert_int_eq(try_open(base, false, NULL), 0);
    close(ready[0]);
    close(ready[1]);
}
END_TEST

START_TEST(refused_names)
{
    ck_assert_int_eq(try_open("/nonexistent/disk", false, NULL), -ENOENT);
    ck_assert_ptr_nonnull(strstr(why, "/nonexistent/disk: cannot be opened"));
    ck_assert_int_lt(try_open(dir, true, NULL), 0);
    ck_assert_int_lt(try_open("/dev/null", true, NULL), 0);
    ck_assert_int_eq(try_open(base, true, over), -EINVAL);
    ck_assert_int_lt(try_open(base, false, "/nonexistent/over"), 0);
    ck_assert_int_lt(try_open(base, false, dir), 0);
}
END_TEST

START_TEST(empty_file)
{
    struct store *s;

    ck_assert_int_eq(truncate(base, 0), 0);
    s = must_open(base, false, NULL);
    ck_assert_uint_eq(store_size(s), 0);
    store_close(s);
    s = must_open(base, false, over);
    ck_assert_int_eq(store_write(s, 0, "x", 1), -EINVAL);
    ck_assert_int_eq(store_close(s), 0);
}
END_TEST

/* --- overlays --- */

START_TEST(overlay_keeps_base)
{
    struct store *s = must_open(base, false, over);
    char *buf = malloc(20000);

    memset(buf, 0x55, 20000);
    ck_assert_int_eq(store_write(s, 5000, buf, 20000), 0); /* parts and whole blocks */
    ck_assert_int_eq(store_write(s, SIZE - 10, buf, 10), 0);
    ck_assert_int_eq(byte_at(s, 4999), 4999 / 512);
    ck_assert_int_eq(byte_at(s, 5000), 0x55);
    ck_assert_int_eq(byte_at(s, 24999), 0x55);
    ck_assert_int_eq(byte_at(s, 25000), 25000 / 512);
    ck_assert_int_eq(store_zero(s, 8192, 8192), 0);
    ck_assert_int_eq(byte_at(s, 8191), 0x55);
    ck_assert_int_eq(byte_at(s, 12000), 0);
    ck_assert_int_eq(store_zero(s, 500000, 300000), 0); /* never written */
    ck_assert_int_eq(byte_at(s, 500000), 0);
    ck_assert_int_eq(byte_at(s, 499999), 499999 / 512 % 251);
    ck_assert_int_eq(store_close(s), 0);
    /* again, from the file */
    s = must_open(base, false, over);
    ck_assert_int_eq(byte_at(s, 5000), 0x55);
    ck_assert_int_eq(byte_at(s, SIZE - 1), 0x55);
    ck_assert_int_eq(byte_at(s, SIZE - 11), (SIZE - 11) / 512 % 251);
    ck_assert_int_eq(byte_at(s, 700000), 0);
    store_close(s);
    /* the base has not changed */
    s = must_open(base, true, NULL);
    for (unsigned i = 0; i < SIZE; i += 511)
        ck_assert_int_eq(byte_at(s, i), (int)(i / 512 % 251));
    store_close(s);
    free(buf);
}
END_TEST

START_TEST(overlay_commit_and_discard)
{
    struct store *s = must_open(base, false, over);
    struct overlay_info info;

    ck_assert_int_eq(store_write(s, 4096, "hello", 5), 0);
    ck_assert_int_eq(store_write(s, SIZE - 1, "!", 1), 0);
    store_close(s);
    ck_assert_int_eq(overlay_info(over, &info, why, sizeof(why)), 0);
    ck_assert_str_eq(info.base, base);
    ck_assert_uint_eq(info.blocks, 2);
    ck_assert_uint_eq(info.size, SIZE);
    ck_assert_int_eq(overlay_commit(over, false, why, sizeof(why)), 0);
    s = must_open(base, false, over); /* empty, and usable with the changed base */
    ck_assert_int_eq(byte_at(s, 4097), 'e');
    ck_assert_int_eq(byte_at(s, SIZE - 1), '!');
    ck_assert_int_eq(store_write(s, 4096, "HELLO", 5), 0);
    store_close(s);
    ck_assert_int_eq(overlay_discard(over, why, sizeof(why)), 0);
    ck_assert_int_eq(overlay_info(over, &info, why, sizeof(why)), 0);
    ck_assert_uint_eq(info.blocks, 0);
    s = must_open(base, true, NULL);
    ck_assert_int_eq(byte_at(s, 4097), 'e');
    ck_assert_int_eq(overlay_commit(over, false, why, sizeof(why)), -EAGAIN); /* in use */
    store_close(s);
}
END_TEST

/* What was flushed is there after a kill; the rest may or may not be, block by block. */
START_TEST(overlay_killed)
{
    int status;
    pid_t child = fork();
    struct store *s;
    unsigned char c;

    if (child == 0) {
        s = must_open(base, false, over);
        store_write(s, 8192, "flushed", 7);
        store_flush(s);
        store_write(s, 8192 + 100, "rewritten", 9);
        store_write(s, 65536, "unflushed", 9);
        raise(SIGKILL);
    }
    waitpid(child, &status, 0);
    ck_assert(WIFSIGNALED(status));
    s = must_open(base, false, over);
    ck_assert_int_eq(byte_at(s, 8192), 'f');
    ck_assert_int_eq(byte_at(s, 8192 + 2000), (8192 + 2000) / 512);
    c = byte_at(s, 65536);
    ck_assert(c == 'u' || c == 65536 / 512);
    store_close(s);
}
END_TEST

/* --- commits that are cut off --- */

/* An overlay with marks all over the disk. */
static void make_marks(void)
{
    struct store *s = must_open(base, false, over);

    for (uint64_t at = 0; at < SIZE; at += 16384)
        ck_assert_int_eq(store_write(s, at, "mark", 4), 0);
    ck_assert_int_eq(store_close(s), 0);
}

static unsigned marks(const char *overlay)
{
    struct store *s = must_open(base, overlay == NULL, overlay);
    char word[4];
    unsigned n = 0;

    for (uint64_t at = 0; at < SIZE; at += 16384) {
        ck_assert_int_eq(store_read(s, at, word, 4), 0);
        n += memcmp(word, "mark", 4) == 0;
        ck_assert_int_eq(byte_at(s, at + 4), at / 512 % 251); /* the rest is as it was */
    }
    store_close(s);
    return n;
}

#define MARKS ((SIZE + 16383) / 16384)

static void limit_files(rlim_t bytes)
{
    struct rlimit l = {bytes, RLIM_INFINITY};

    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* The process is killed at the first write beyond the limit: in the base, then where the overlay
 * gets its size back. */
START_TEST(commit_killed)
{
    static const rlim_t limits[] = {16384, SIZE / 2, 3 * SIZE / 2};
    int status;
    pid_t child;

    make_marks();
    for (unsigned i = 0; i < 3; i++) {
        child = fork();
        if (child == 0) {
            struct rlimit none = {0, 0};
            setrlimit(RLIMIT_CORE, &none);
            signal(SIGXFSZ, SIG_DFL);
            limit_files(limits[i]);
            overlay_commit(over, false, why, sizeof(why));
            _exit(0);
        }
        waitpid(child, &status, 0);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
        ck_assert_uint_eq(marks(over), MARKS);
        ck_assert_uint_eq(marks(NULL) == MARKS, i == 2);
    }
    ck_assert_int_eq(overlay_commit(over, false, why, sizeof(why)), 0);
    ck_assert_uint_eq(marks(NULL), MARKS);
    ck_assert_int_eq(overlay_commit(over, false, why, sizeof(why)),
                     0); /* its time is right again */
}
END_TEST

/* The host has no room for the base's blocks: nothing is lost, and it can be done again. */
START_TEST(commit_without_room)
{
    struct overlay_info info;

    signal(SIGXFSZ, SIG_IGN);
    make_marks();
    limit_files(SIZE / 2);
    ck_assert_int_eq(overlay_commit(over, false, why, sizeof(why)), -EFBIG);
    ck_assert_ptr_nonnull(strstr(why, base));
    ck_assert_ptr_nonnull(strstr(why, "commit it again"));
    limit_files(RLIM_INFINITY);
    ck_assert_int_eq(overlay_info(over, &info, why, sizeof(why)), 0);
    ck_assert_uint_eq(info.blocks, MARKS);
    ck_assert_uint_eq(marks(over), MARKS);
    ck_assert_uint_lt(marks(NULL), MARKS);
    ck_assert_int_eq(overlay_commit(over, false, why, sizeof(why)), 0);
    ck_assert_uint_eq(marks(NULL), MARKS);
}
END_TEST

/* Somebody has written to the base: what the overlay has may not fit it any more. */
START_TEST(commit_over_changed_base)
{
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

    make_marks();
    ck_assert_int_eq(utimensat(AT_FDCWD, base, times, 0), 0);
    ck_assert_int_eq(overlay_commit(over, false, why, sizeof(why)), -ESTALE);
    ck_assert_ptr_nonnull(strstr(why, "force-commit"));
    ck_assert_uint_eq(marks(NULL), 0);
    ck_assert_uint_eq(marks(over), MARKS);
    ck_assert_int_eq(overlay_commit(over, true, why, sizeof(why)), 0);
    ck_assert_uint_eq(marks(NULL), MARKS);
    make_marks(); /* another size is never right */
    ck_assert_int_eq(truncate(base, SIZE - 512), 0);
    ck_assert_int_eq(overlay_commit(over, true, why, sizeof(why)), -EINVAL);
}
END_TEST

/* An overlay on a full host: the write fails, what was there stays. */
START_TEST(overlay_without_room)
{
    struct store *s;

    signal(SIGXFSZ, SIG_IGN);
    make_marks();
    limit_files(0x100000 + SIZE / 2);
    s = must_open(base, false, over);
    ck_assert_int_eq(store_write(s, 4096, "new", 3), 0);
    ck_assert_int_eq(store_write(s, SIZE - 4000, "new", 3), -EFBIG);
    ck_assert_int_eq(store_flush(s), 0);
    ck_assert_int_eq(byte_at(s, 4096), 'n');
    ck_assert_int_eq(byte_at(s, SIZE - 4000), (SIZE - 4000) / 512 % 251);
    ck_assert_int_eq(store_close(s), 0);
    limit_files(RLIM_INFINITY);
    ck_assert_uint_eq(marks(over), MARKS);
}
END_TEST

static void patch(const char *path, long offset, const void *data, size_t len)
{
    FILE *f = fopen(path, "r+b");
    fseek(f, offset, SEEK_SET);
    fwrite(data, 1, len, f);
    fclose(f);
}

/* Right checksum, wrong numbers: a bitmap of gigabytes for a base of one megabyte. */
static void absurd_size(void)
{
    enum { SIZE_AT = 16, BITMAP_BYTES_AT = 32, CRC_AT = 2112 };
    uint8_t h[CRC_AT];
    uint64_t size = 1ull << 45, bitmap = (size >> 15) + 4096, data;
    uint32_t crc;
    FILE *f;

    unlink(over);
    ck_assert_int_eq(try_open(base, false, over), 0);
    f = fopen(over, "rb");
    ck_assert_uint_eq(fread(h, 1, sizeof(h), f), sizeof(h));
    fclose(f);
    data = (4096 + bitmap + 0xfffff) & ~0xfffffull;
    memcpy(h + SIZE_AT, &size, 8);
    memcpy(h + BITMAP_BYTES_AT, &bitmap, 8);
    memcpy(h + BITMAP_BYTES_AT + 8, &data, 8);
    crc = (uint32_t)crc32(0, h, sizeof(h));
    patch(over, 0, h, sizeof(h));
    patch(over, CRC_AT, &crc, 4);
    ck_assert_int_eq(try_open(base, false, over), -EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "damaged"));
}

START_TEST(overlay_damaged)
{
    absurd_size();
    static const long offsets[] = {0, 8, 12, 16, 24, 32, 40, 48, 100, 2100};

    for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        unlink(over);
        ck_assert_int_eq(try_open(base, false, over), 0);
        patch(over, offsets[i], "\x5a\x5a\x5a", 3);
        ck_assert_int_eq(try_open(base, false, over), -EINVAL);
    }
    unlink(over);
    ck_assert_int_eq(try_open(base, false, over), 0);
    ck_assert_int_eq(truncate(over, 5000), 0); /* the bitmap is cut off */
    ck_assert_int_lt(try_open(base, false, over), 0);
    ck_assert_int_eq(truncate(over, 10), 0);
    ck_assert_int_lt(try_open(base, false, over), 0);
    unlink(over);
    ck_assert_int_eq(try_open(base, false, over), 0);
    ck_assert_int_eq(truncate(base, SIZE - 512), 0);
    ck_assert_int_eq(try_open(base, false, over), -EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "another base"));
}
END_TEST

/* --- the pool --- */

static unsigned finished;

static void count(struct io_job *job)
{
    (void)job;
    finished++;
}

static void wait_for(struct io_pool *p, unsigned n)
{
    while (finished < n) {
        struct pollfd fd = {.fd = io_fd(p), .events = POLLIN};
        ck_assert_int_gt(poll(&fd, 1, 10000), 0);
        io_poll(p);
    }
}

START_TEST(pool)
{
    enum { N = 200 };
    struct store *s = must_open(base, false, _i ? over : NULL);
    struct io_pool *p = io_new(4);
    static struct io_job jobs[N];
    static char data[N][1024];

    finished = 0;
    for (int i = 0; i < N; i++) {
        memset(data[i], i, sizeof(data[i]));
        jobs[i] = (struct io_job){.op = IO_WRITE,
                                  .flush_after = i % 50 == 0,
                                  .store = s,
                                  .offset = (uint64_t)i * 1024, /* neighbours share blocks */
                                  .len = 1024,
                                  .buf = data[i],
                                  .done = count};
        io_submit(p, &jobs[i]);
    }
    ck_assert_uint_eq(finished, 0); /* done functions run in io_poll only */
    wait_for(p, N);
    ck_assert_uint_eq(io_pending(p), 0);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(jobs[i].result, 0);
        ck_assert_int_eq(byte_at(s, (uint64_t)i * 1024), i & 0xff);
        ck_assert_int_eq(byte_at(s, (uint64_t)i * 1024 + 1023), i & 0xff);
    }
    io_free(p);
    store_close(s);
}
END_TEST

/* What the host has in memory may be read at once, and is then the same; never less than all. */
START_TEST(read_now)
{
    struct store *s = must_open(base, false, NULL), *o;
    uint8_t bytes[4096];
    int err;

    memset(bytes, 0x5a, sizeof(bytes));
    ck_assert_int_eq(store_write(s, 8192, bytes, sizeof(bytes)), 0);
    memset(bytes, 0, sizeof(bytes));
    err = store_read_now(s, 8192, bytes, sizeof(bytes));
    ck_assert(err == 0 || err == -EAGAIN); /* not every file system can say */
    if (err == 0)
        ck_assert(bytes[0] == 0x5a && bytes[4095] == 0x5a);
    ck_assert_int_eq(store_read_now(s, store_size(s) - 512, bytes, 1024), -EAGAIN);
    ck_assert_int_eq(store_read_now(s, UINT64_MAX, bytes, 512), -EAGAIN);
    ck_assert_int_eq(store_close(s), 0);
    o = must_open(base, false, over);
    ck_assert_int_eq(store_read_now(o, 0, bytes, 512), -EAGAIN);
    ck_assert_int_eq(store_close(o), 0);
}
END_TEST

START_TEST(pool_without_threads)
{
    struct store *s = must_open(base, false, NULL);
    struct io_pool *p = io_new(0);
    char pattern[512];
    struct io_job job = {.op = IO_WRITE,
                         .store = s,
                         .offset = 512,
                         .len = 512 * 300,
                         .buf = pattern,
                         .repeat = 512,
                         .done = count};

    memset(pattern, 0x77, sizeof(pattern));
    finished = 0;
    io_submit(p, &job);
    ck_assert_uint_eq(finished, 1);
    ck_assert_int_eq(job.result, 0);
    ck_assert_int_eq(io_fd(p), -1);
    ck_assert_int_eq(byte_at(s, 511), 0);
    ck_assert_int_eq(byte_at(s, 512), 0x77);
    ck_assert_int_eq(byte_at(s, 512 + 512 * 300 - 1), 0x77);
    ck_assert_int_eq(byte_at(s, 512 + 512 * 300), 301 % 251);
    job = (struct io_job){.op = IO_ZERO, .store = s, .offset = SIZE, .len = 1, .done = count};
    io_submit(p, &job);
    ck_assert_int_eq(job.result, -EINVAL);
    io_free(p);
    store_close(s);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("store");
    TCase *t = tcase_create("store");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, raw_file);
    tcase_add_test(t, read_only);
    tcase_add_test(t, shrunken_file);
    tcase_add_test(t, second_writer);
    tcase_add_test(t, sharers);
    tcase_add_test(t, door_of_a_drive);
    tcase_add_test(t, writer_killed);
    tcase_add_test(t, refused_names);
    tcase_add_test(t, empty_file);
    tcase_add_test(t, overlay_keeps_base);
    tcase_add_test(t, overlay_commit_and_discard);
    tcase_add_test(t, overlay_killed);
    tcase_add_test(t, commit_killed);
    tcase_add_test(t, commit_without_room);
    tcase_add_test(t, commit_over_changed_base);
    tcase_add_test(t, overlay_without_room);
    tcase_add_test(t, overlay_damaged);
    tcase_add_loop_test(t, pool, 0, 2);
    tcase_add_test(t, read_now);
    tcase_add_test(t, pool_without_threads);
    suite_add_tcase(s, t);
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
