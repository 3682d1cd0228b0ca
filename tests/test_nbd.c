/* scsi/store_nbd.c against tests/nbdserver.py: transfers, refusals, servers that die or hang. All
 * of it is skipped in a build without libnbd. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "store_impl.h"

#define SIZE (4u << 20)

static char dir[] = "/tmp/kittson-nbd-XXXXXX";
static char image[64], path[64], uri[128], why[512];
static FILE *lines; /* what the server prints */
static int input = -1;
static pid_t server;

static void setup(void)
{
    int fd;

    log_set_level(LOG_ERROR);
    strcpy(dir, "/tmp/kittson-nbd-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(image, sizeof(image), "%s/image", dir);
    snprintf(path, sizeof(path), "%s/socket", dir);
    snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", path);
    fd = open(image, O_RDWR | O_CREAT, 0600);
    ck_assert_int_eq(ftruncate(fd, SIZE), 0);
    close(fd);
}

static void stop_server(void)
{
    if (server == 0)
        return;
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    server = 0;
    fclose(lines);
    close(input);
}

static void teardown(void)
{
    stop_server();
    unlink(image);
    unlink(path);
    rmdir(dir);
}

static void start_server(const char *how)
{
    int in[2], out[2];
    char word[32];

    ck_assert(pipe(in) == 0 && pipe(out) == 0);
    server = fork();
    if (server == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execlp("python3", "python3", KITTSON_SOURCE_DIR "/tests/nbdserver.py", path, image, how,
               (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    input = in[1];
    lines = fdopen(out[0], "r");
    ck_assert_ptr_nonnull(fgets(word, sizeof(word), lines));
    ck_assert_str_eq(word, "ready\n");
}

static int open_store(bool read_only, struct store **s)
{
    struct store_options o = {.read_only = read_only};

    return store_open(uri, &o, s, why, sizeof(why));
}

static struct store *must_open(void)
{
    struct store *s = NULL;

    ck_assert_msg(open_store(false, &s) == 0, "%s", why);
    return s;
}

START_TEST(transfers)
{
    struct store *s;
    char *a = malloc(SIZE), *b = malloc(SIZE), line[32];

    start_server("");
    s = must_open();
    ck_assert_uint_eq(store_size(s), SIZE);
    ck_assert_int_eq(store_kind(s), STORE_NETWORK);
    for (unsigned i = 0; i < SIZE; i++)
        a[i] = (char)(i * 7 + i / 4096);
    ck_assert_int_eq(store_write(s, 0, a, SIZE), 0); /* in several requests */
    ck_assert_int_eq(store_read(s, 0, b, SIZE), 0);
    ck_assert_mem_eq(a, b, SIZE);
    ck_assert_int_eq(store_zero(s, 1000, 3u << 20), 0);
    memset(a + 1000, 0, 3u << 20);
    ck_assert_int_eq(store_read(s, 513, b, SIZE - 513), 0);
    ck_assert_mem_eq(a + 513, b, SIZE - 513);
    ck_assert_int_eq(store_flush(s), 0);
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), lines));
    ck_assert_str_eq(line, "flush\n"); /* it came to the server before the answer */
    ck_assert_int_eq(store_write(s, SIZE, a, 1), -EINVAL);
    ck_assert_int_eq(store_close(s), 0);
    free(a);
    free(b);
}
END_TEST

START_TEST(refusals)
{
    struct store *s;

    ck_assert_int_lt(open_store(false, &s), 0); /* nobody there */
    ck_assert_ptr_eq(strstr(why, uri), why);
    start_server("ro");
    ck_assert_int_eq(open_store(false, &s), -EROFS);
    ck_assert_ptr_nonnull(strstr(why, "add ,ro"));
    ck_assert_int_eq(open_store(true, &s), 0);
    ck_assert_int_eq(store_write(s, 0, "x", 1), -EROFS);
    store_close(s);
    strcpy(uri, "nbd:what");
    ck_assert_int_lt(open_store(false, &s), 0);
}
END_TEST

START_TEST(without_flush)
{
    struct store *s;

    start_server("noflush");
    s = must_open();
    ck_assert_int_eq(store_write(s, 0, "x", 1), 0);
    ck_assert_int_eq(store_flush(s), 0);
    stop_server();
    ck_assert_int_lt(store_write(s, 0, "x", 1), 0);
    ck_assert_int_lt(store_flush(s), 0);
    ck_assert_int_lt(store_close(s), 0);
}
END_TEST

/* Nothing that follows succeeds: what was written before may be lost. */
static void check_dead(struct store *s)
{
    char c;

    ck_assert_int_eq(store_read(s, 0, &c, 1), -ENOTCONN);
    ck_assert_int_eq(store_write(s, 0, "x", 1), -ENOTCONN);
    ck_assert_int_eq(store_zero(s, 0, 100000), -ENOTCONN);
    ck_assert_int_eq(store_flush(s), -ENOTCONN);
    ck_assert_int_eq(store_close(s), -ENOTCONN);
}

START_TEST(server_dies)
{
    char *data = calloc(1, SIZE);
    struct store *s;

    start_server("die=3");
    s = must_open();
    ck_assert_int_lt(store_write(s, 0, data, SIZE), 0);
    check_dead(s);
    free(data);
}
END_TEST

/* Killed between two requests: the next one notices. */
START_TEST(server_killed)
{
    struct store *s;

    start_server("");
    s = must_open();
    ck_assert_int_eq(store_write(s, 0, "x", 1), 0);
    stop_server();
    ck_assert_int_lt(store_flush(s), 0);
    check_dead(s);
}
END_TEST

START_TEST(server_hangs)
{
    struct store *s;

    nbd_store_patience = 300;
    start_server("hang=2");
    s = must_open();
    ck_assert_int_eq(store_write(s, 0, "x", 1), 0);
    ck_assert_int_eq(store_write(s, 0, "x", 1), -ETIMEDOUT);
    check_dead(s);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("nbd");
    TCase *t = tcase_create("nbd");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, transfers);
    tcase_add_test(t, refusals);
    tcase_add_test(t, without_flush);
    tcase_add_test(t, server_dies);
    tcase_add_test(t, server_killed);
    tcase_add_test(t, server_hangs);
    suite_add_tcase(s, t);
    return s;
}

static bool built_in(void)
{
    struct store_options o = {0};
    struct store *s;

    return store_open("nbd+unix:///?socket=/nonexistent", &o, &s, why, sizeof(why)) != -ENOTSUP;
}

int main(void)
{
    SRunner *sr;
    int failed;

    if (!built_in()) {
        printf("skipped: %s\n", why);
        return 77;
    }
    sr = srunner_create(suite());
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
