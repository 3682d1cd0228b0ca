/* utils/line_server.c: answers, several clients, and those that do not keep to the rules. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "line_server.h"

static char dir[64], path[96], why[512];
static struct line_server *server;
static unsigned requests;
static char last[LINE_SERVER_LINE + 1];

static int handle(void *opaque, const char *request, struct line_answer *to, char *text,
                  size_t size)
{
    ck_assert_ptr_eq(opaque, &server);
    requests++;
    strcpy(last, request);
    if (strcmp(request, "fail") == 0) {
        line_answer(to, "before");
        snprintf(text, size, "no\nway");
        return -EINVAL;
    }
    if (strcmp(request, "errno") == 0)
        return -ENOENT;
    for (unsigned i = 0; strcmp(request, "long") == 0 && i < 100000; i++)
        line_answer(to, "%099u", i);
    for (unsigned i = 0; strcmp(request, "much") == 0 && i < 5000; i++)
        line_answer(to, "%099u", i);
    if (strcmp(request, "field") == 0)
        line_answer_field(to, "name", "%d \"quoted\"", 7);
    line_answer(to, "%s\x1b[2J", "answer");
    return 0;
}

static void setup(void)
{
    strcpy(dir, "/tmp/kittson-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/socket", dir);
    ck_assert_msg(line_server_open(path, "hello", handle, &server, &server, why, sizeof(why)) == 0,
                  "%s", why);
}

static void teardown(void)
{
    line_server_close(server);
    ck_assert_int_eq(rmdir(dir), 0); /* nothing left in it */
}

static int client(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    strcpy(a.sun_path, path);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

/* Lets the server work until it would only wait for others. */
static void work(void)
{
    struct pollfd fds[LINE_SERVER_MAX_FDS];

    do
        line_server_poll(server);
    while (poll(fds, line_server_poll_fds(server, fds), 0) > 0);
}

static void say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* What has come so far; the server works meanwhile. */
static const char *hear(int fd)
{
    static char text[1 << 21];
    size_t used = 0;

    for (;;) {
        work();
        ssize_t n = recv(fd, text + used, sizeof(text) - 1 - used, 0);
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    text[used] = '\0';
    return text;
}

static bool hung_up(int fd)
{
    char c;

    work();
    return recv(fd, &c, 1, 0) == 0 || errno == ECONNRESET;
}

START_TEST(answers)
{
    struct stat st;
    int fd = client();

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_str_eq(hear(fd), "hello\n");
    say(fd, "some request\r\n");
    ck_assert_str_eq(hear(fd), "+answer?[2J\nok\n");
    ck_assert_str_eq(last, "some request");
    say(fd, "fail\nerr");
    ck_assert_str_eq(hear(fd), "+before\nerror no?way\n");
    say(fd, "no\n");
    ck_assert_str_eq(hear(fd), "error No such file or directory\n");
    say(fd, "long\n");
    ck_assert_str_eq(hear(fd), "error the answer would be too long\n");
    say(fd, "much\nnext\n");
    ck_assert_uint_gt(strlen(hear(fd)), 500000);
    ck_assert_str_eq(last, "next");
    close(fd);
}
END_TEST

START_TEST(last_words)
{
    int fd = client();

    say(fd, "one\ntwo\nthree");
    shutdown(fd, SHUT_WR);
    ck_assert_str_eq(hear(fd), "hello\n+answer?[2J\nok\n+answer?[2J\nok\n");
    ck_assert(hung_up(fd));
    ck_assert_str_eq(last, "two"); /* half a line is no request */
    close(fd);
}
END_TEST

START_TEST(rules)
{
    static char line[LINE_SERVER_LINE + 2];
    int fd = client(), other = client();

    memset(line, 'x', LINE_SERVER_LINE + 1);
    work();
    line[LINE_SERVER_LINE] = '\n';
    say(fd, line); /* the longest */
    ck_assert_str_eq(hear(fd), "hello\n+answer?[2J\nok\n");
    line[LINE_SERVER_LINE] = 'x';
    say(fd, line);
    ck_assert_str_eq(hear(fd), "error the line is too long\n");
    ck_assert(hung_up(fd));
    requests = 0;
    ck_assert_int_eq(send(other, "a\0b\n", 4, 0), 4);
    ck_assert_str_eq(hear(other), "hello\nerror control characters in a request\n");
    ck_assert(hung_up(other));
    ck_assert_uint_eq(requests, 0);
    close(fd);
    close(other);
}
END_TEST

/* Its requests stop being looked at; others are served; in the end it is dropped. */
START_TEST(deaf_client)
{
    int deaf = client(), fd = client();

    work();
    while (send(deaf, "much\n", 5, MSG_NOSIGNAL) == 5)
        line_server_poll(server);
    requests = 0;
    hear(fd);
    say(fd, "status\n");
    ck_assert_str_eq(hear(fd), "+answer?[2J\nok\n");
    ck_assert_uint_eq(requests, 1);
    for (unsigned i = 0; i <= 10 * (LINE_SERVER_PATIENCE + 2); i++) {
        poll(NULL, 0, 100);
        line_server_poll(server);
        if (send(deaf, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE)
            break;
        ck_assert_uint_lt(i, 10 * (LINE_SERVER_PATIENCE + 2));
    }
    close(deaf);
    close(fd);
}
END_TEST

START_TEST(places)
{
    int fd[LINE_SERVER_CLIENTS + 1];

    for (unsigned i = 0; i <= LINE_SERVER_CLIENTS; i++) {
        fd[i] = client();
        work();
    }
    ck_assert_str_eq(hear(fd[LINE_SERVER_CLIENTS]), "error all connections are taken\n");
    ck_assert(hung_up(fd[LINE_SERVER_CLIENTS]));
    for (unsigned i = 0; i <= LINE_SERVER_CLIENTS; i++)
        close(fd[i]);
    work();
    fd[0] = client();
    say(fd[0], "x\n");
    ck_assert_str_eq(hear(fd[0]), "hello\n+answer?[2J\nok\n");
    close(fd[0]);
}
END_TEST

START_TEST(not_there)
{
    struct line_server *second;
    char long_path[200];
    FILE *f;

    ck_assert_int_eq(line_server_open(path, "x", handle, NULL, &second, why, sizeof(why)),
                     -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(why, "another process listens there"));
    snprintf(long_path, sizeof(long_path), "%s/file", dir);
    f = fopen(long_path, "w");
    fclose(f);
    ck_assert_int_eq(line_server_open(long_path, "x", handle, NULL, &second, why, sizeof(why)),
                     -EEXIST);
    ck_assert_int_eq(unlink(long_path), 0);
    memset(long_path, 'a', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    ck_assert_int_eq(line_server_open(long_path, "x", handle, NULL, &second, why, sizeof(why)),
                     -ENAMETOOLONG);
}
END_TEST

/* Answers of one line each for programs, and events, which only they get. */
START_TEST(json)
{
    int fd = client(), other = client();

    ck_assert_str_eq(hear(fd), "hello\n");
    ck_assert_str_eq(hear(other), "hello\n");
    line_server_event(server, "early", "");
    say(fd, "json\n");
    ck_assert_str_eq(hear(fd), "{\"ok\":true,\"fields\":{},\"lines\":[]}\n");
    ck_assert(line_server_listeners(server));
    say(fd, "field\n");
    ck_assert_str_eq(hear(fd), "{\"ok\":true,\"fields\":{\"name\":\"7 \\\"quoted\\\"\"},"
                               "\"lines\":[\"answer?[2J\"]}\n");
    say(fd, "fail\n");
    ck_assert_str_eq(hear(fd), "{\"ok\":false,\"error\":\"no?way\"}\n");
    line_server_event(server, "reset", "");
    line_server_event(server, "media", "\"drive\":\"0,0,1\"");
    ck_assert_str_eq(hear(fd),
                     "{\"event\":\"reset\"}\n{\"event\":\"media\",\"drive\":\"0,0,1\"}\n");
    ck_assert_str_eq(hear(other), "");
    say(other, "field\n");
    ck_assert_str_eq(hear(other), "+name 7 \"quoted\"\n+answer?[2J\nok\n");
    say(fd, "text\n");
    ck_assert_str_eq(hear(fd), "ok\n");
    ck_assert(!line_server_listeners(server));
    close(fd);
    close(other);
}
END_TEST

/* Events for somebody who never looks end, and so does the connection. */
START_TEST(deaf_to_events)
{
    int fd = client();

    hear(fd);
    say(fd, "json\n");
    hear(fd);
    for (unsigned k = 0; k < 200000; k++)
        line_server_event(server, "reset",
                          "\"padding\":\"0123456789012345678901234567890123456789\"");
    work();
    ck_assert(strlen(hear(fd)) <= LINE_SERVER_ANSWER + (1u << 20));
    close(fd);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("line server");
    TCase *t = tcase_create("line server");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, answers);
    tcase_add_test(t, last_words);
    tcase_add_test(t, rules);
    tcase_add_test(t, deaf_client);
    tcase_add_test(t, places);
    tcase_add_test(t, json);
    tcase_add_test(t, deaf_to_events);
    tcase_add_test(t, not_there);
    tcase_set_timeout(t, 30);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
