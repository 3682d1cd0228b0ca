/* bus/console.c: terminal, pipes, sockets and files, and that nothing is left behind. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../bus/console.h"

static char dir[64], path[96], spec[128], why[256];
static char got[32768];
static unsigned got_count, room, quits;

static unsigned has_room(void *opaque)
{
    (void)opaque;
    return room;
}

static void input(void *opaque, uint8_t byte)
{
    (void)opaque;
    ck_assert_uint_gt(room, 0);
    room--;
    if (got_count < sizeof(got))
        got[got_count++] = (char)byte;
}

static void quit(void *opaque)
{
    (void)opaque;
    quits++;
}

static struct console *open_console(const char *what)
{
    static const struct console_handlers h = {NULL, has_room, input, quit};
    struct console *c;

    ck_assert_msg(console_open(what, &c, why, sizeof(why)) == 0, "%s", why);
    console_set_handlers(c, &h);
    return c;
}

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");

    /* as a user's shell has them, not as the test runner */
    signal(SIGHUP, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    snprintf(dir, sizeof(dir), "%.40s/console-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/c", dir);
    snprintf(spec, sizeof(spec), "unix:%s", path);
    got_count = quits = 0;
    room = ~0u;
}

static void teardown(void)
{
    unlink(path);
    rmdir(dir);
}

static void put(struct console *c, const char *s)
{
    while (*s)
        console_put(c, (uint8_t)*s++);
}

static int client(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(a.sun_path, path);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void expect(int fd, const char *s)
{
    char buf[256];
    size_t len = 0;

    while (len < strlen(s)) {
        ssize_t n = read(fd, buf + len, strlen(s) - len);

        ck_assert_int_gt(n, 0);
        len += (size_t)n;
    }
    ck_assert_mem_eq(buf, s, len);
}

static bool exists(void)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

START_TEST(bad_specs)
{
    static const char *const bad[] = {
        "", "unix:", "file:", "tty", "stdio:", "unix", "unix:/no/such/dir/x", "file:/no/such/x"};
    struct console *c;
    char tiny[4];

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        why[0] = 0;
        ck_assert_int_lt(console_open(bad[i], &c, why, sizeof(why)), 0);
        ck_assert_ptr_null(c);
        ck_assert_ptr_nonnull(strstr(why, "console"));
    }
    ck_assert_int_lt(console_open("x", &c, tiny, sizeof(tiny)), 0);
    memset(spec + 5, 'x', 120);
    spec[125] = 0;
    ck_assert_int_eq(console_open(spec, &c, why, sizeof(why)), -ENAMETOOLONG);
}
END_TEST

START_TEST(file_output)
{
    struct console *c;
    char buf[64] = {0};
    int fd;

    snprintf(spec, sizeof(spec), "file:%s", path);
    c = open_console(spec);
    put(c, "hello\n");
    console_poll(c);
    fd = open(path, O_RDONLY);
    ck_assert_int_eq(read(fd, buf, sizeof(buf)), 6);
    put(c, "end");
    console_close(c); /* writes the rest */
    ck_assert_int_eq(read(fd, buf, sizeof(buf)), 3);
    close(fd);
    ck_assert_uint_eq(got_count, 0);
}
END_TEST

START_TEST(file_takes_everything)
{
    struct console *c;
    struct stat st;

    snprintf(spec, sizeof(spec), "file:%s", path);
    c = open_console(spec);
    for (unsigned i = 0; i < 1000000; i++)
        console_put(c, (uint8_t)i);
    ck_assert_uint_eq(console_dropped(c), 0);
    console_close(c);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, 1000000);
}
END_TEST

START_TEST(socket_client)
{
    struct console *c = open_console(spec);
    struct pollfd fds[CONSOLE_MAX_FDS];
    struct stat st;
    int fd;

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert(S_ISSOCK(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    put(c, "before ");
    console_poll(c);
    ck_assert_uint_eq(console_poll_fds(c, fds), 1);
    fd = client();
    console_poll(c);
    ck_assert_uint_eq(console_poll_fds(c, fds), 2);
    put(c, "after");
    console_poll(c);
    expect(fd, "before after");
    ck_assert_int_eq(write(fd, "in\002x", 4), 4); /* no escapes here */
    console_poll(c);
    ck_assert_uint_eq(got_count, 4);
    ck_assert_uint_eq(quits, 0);
    close(fd);
    console_poll(c);
    fd = client(); /* the next one */
    console_poll(c);
    put(c, "again");
    console_poll(c);
    expect(fd, "again");
    close(fd);
    console_close(c);
    ck_assert(!exists());
}
END_TEST

START_TEST(socket_one_at_a_time)
{
    struct console *c = open_console(spec);
    int first = client(), second;
    char buf[64];

    console_poll(c);
    second = client();
    console_poll(c);
    expect(second, "console is in use\r\n");
    ck_assert_int_eq(read(second, buf, sizeof(buf)), 0);
    put(c, "x");
    console_poll(c);
    expect(first, "x");
    close(first);
    close(second);
    console_close(c);
}
END_TEST

START_TEST(socket_never_blocks)
{
    struct console *c = open_console(spec);
    int fd;
    char buf[16];

    for (unsigned i = 0; i < 100000; i++)
        console_put(c, 'a');
    put(c, "newest"); /* without a client the oldest goes */
    ck_assert_uint_eq(console_dropped(c), 100006 - 65536);
    fd = client();
    console_poll(c);
    ck_assert_int_eq(read(fd, buf, 1), 1);
    for (unsigned i = 0; i < 4000000; i++) /* a client that does not read */
        console_put(c, 'b');
    ck_assert_uint_gt(console_dropped(c), 1000000);
    close(fd);
    console_poll(c);
    console_close(c);
}
END_TEST

START_TEST(socket_input_waits_for_room)
{
    struct console *c = open_console(spec);
    char data[5000];
    int fd = client();

    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7);
    console_poll(c);
    ck_assert_int_eq(write(fd, data, sizeof(data)), (int)sizeof(data));
    room = 3;
    console_poll(c);
    ck_assert_uint_eq(got_count, 3);
    console_poll(c);
    ck_assert_uint_eq(got_count, 3);
    for (unsigned i = 0; i < 10000 && got_count < sizeof(data); i++) {
        room = 16;
        console_poll(c);
    }
    ck_assert_uint_eq(got_count, sizeof(data));
    ck_assert_mem_eq(got, data, sizeof(data));
    room = 0; /* a guest that reads nothing, a client that leaves */
    ck_assert_int_eq(write(fd, data, sizeof(data)), (int)sizeof(data));
    console_poll(c);
    close(fd);
    console_poll(c);
    fd = client();
    console_poll(c);
    put(c, "new");
    console_poll(c);
    expect(fd, "new");
    close(fd);
    console_close(c);
}
END_TEST

START_TEST(socket_paths)
{
    struct console *c, *d;
    int fd = open(path, O_CREAT | O_WRONLY, 0600);

    ck_assert_int_eq(console_open(spec, &c, why, sizeof(why)), -EEXIST); /* not a socket */
    ck_assert(exists());
    close(fd);
    unlink(path);
    c = open_console(spec);
    ck_assert_int_eq(console_open(spec, &d, why, sizeof(why)), -EADDRINUSE);
    unlink(path); /* somebody put another file there: not ours to remove */
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    console_close(c);
    ck_assert(exists());
}
END_TEST

START_TEST(stale_socket_is_replaced)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct console *c;

        if (console_open(spec, &c, why, sizeof(why)) != 0)
            _exit(1);
        kill(getpid(), SIGKILL); /* no chance to clean up */
    }
    waitpid(pid, &status, 0);
    ck_assert(WIFSIGNALED(status) && exists());
    console_close(open_console(spec));
    ck_assert(!exists());
}
END_TEST

/* Runs body in a child and returns its wait status. */
static int in_child(void (*body)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        body();
        _exit(99);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void exit_with_socket(void)
{
    struct console *c;

    if (console_open(spec, &c, why, sizeof(why)) != 0)
        _exit(1);
    exit(0);
}

static void die_with_socket(void)
{
    struct console *c;

    if (console_open(spec, &c, why, sizeof(why)) != 0)
        _exit(1);
    raise(SIGTERM);
}

static void fork_with_socket(void)
{
    struct console *c;

    if (console_open(spec, &c, why, sizeof(why)) != 0)
        _exit(1);
    if (fork() == 0)
        exit(0); /* the child must leave its parent's socket alone */
    wait(NULL);
    _exit(exists() ? 7 : 1);
}

START_TEST(socket_is_removed_on_exit)
{
    int status = in_child(exit_with_socket);

    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert(!exists());
    status = in_child(die_with_socket);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    ck_assert(!exists());
    status = in_child(fork_with_socket);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

/* Replaces stdin and stdout for a test; Check runs each test in its own process. */
static void redirect(int in, int out)
{
    dup2(in, STDIN_FILENO);
    if (out >= 0)
        dup2(out, STDOUT_FILENO);
}

START_TEST(stdio_pipe_and_escapes)
{
    int in[2], out[2];
    struct console *c;

    ck_assert(pipe(in) == 0 && pipe(out) == 0);
    redirect(in[0], out[1]);
    c = open_console("stdio");
    ck_assert_int_eq(write(in[1], "a\002\002b\002zc\002?d", 10), 10);
    console_poll(c);
    console_poll(c);
    ck_assert_uint_eq(got_count, 5);
    ck_assert_mem_eq(got, "a\002bcd", 5);
    expect(out[0], "\r\n[Ctrl-B X ends");
    ck_assert_int_eq(write(in[1], "\002", 1), 1);
    console_poll(c);
    ck_assert_int_eq(write(in[1], "X", 1), 1);
    console_poll(c);
    ck_assert_uint_eq(quits, 1);
    ck_assert_int_eq(write(in[1], "last", 4), 4);
    close(in[1]);
    console_poll(c);
    console_poll(c); /* end of input: no more of it, nothing else */
    ck_assert_uint_eq(got_count, 9);
    ck_assert_uint_eq(console_poll_fds(c, (struct pollfd[CONSOLE_MAX_FDS]){{0}}), 0);
    put(c, "bye");
    console_close(c);
}
END_TEST

START_TEST(stdio_null_and_closed)
{
    int fd = open("/dev/null", O_RDWR);
    struct console *c;

    redirect(fd, fd);
    c = open_console("stdio");
    put(c, "x");
    console_poll(c);
    console_poll(c);
    console_close(c);
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    c = open_console("stdio");
    for (unsigned i = 0; i < 200000; i++)
        console_put(c, 'x');
    console_poll(c);
    console_close(c);
    ck_assert_uint_eq(got_count, 0);
}
END_TEST

START_TEST(stdio_stalled_reader)
{
    struct console *c;
    struct timespec a, b;
    int out[2];

    ck_assert_int_eq(pipe(out), 0);
    redirect(open("/dev/null", O_RDONLY), out[1]);
    c = open_console("stdio");
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (unsigned i = 0; i < 1000000; i++)
        console_put(c, 'x');
    clock_gettime(CLOCK_MONOTONIC, &b);
    ck_assert_int_lt(b.tv_sec - a.tv_sec, 10);
    ck_assert_uint_gt(console_dropped(c), 0);
    console_close(c);
}
END_TEST

/* ---- a real terminal ---- */

static int master, ready[2];

static void become_session(void)
{
    int slave;

    setsid();
    slave = open(ptsname(master), O_RDWR);
    ioctl(slave, TIOCSCTTY, 0);
    redirect(slave, slave);
}

static void tty_child_waits(void)
{
    struct console *c;

    become_session();
    if (console_open("stdio", &c, why, sizeof(why)) != 0)
        _exit(1);
    (void)!write(ready[1], "r", 1);
    for (;;)
        pause();
}

static void tty_child_exits(void)
{
    struct console *c;

    become_session();
    if (console_open("stdio", &c, why, sizeof(why)) != 0)
        _exit(1);
    (void)!write(ready[1], "r", 1);
    usleep(100000);
    exit(5);
}

static void open_master(void)
{
    master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(master, 0);
    ck_assert(grantpt(master) == 0 && unlockpt(master) == 0 && pipe(ready) == 0);
}

static bool is_raw(int slave)
{
    struct termios t;

    ck_assert_int_eq(tcgetattr(slave, &t), 0);
    return !(t.c_lflag & (ICANON | ECHO | ISIG));
}

/* The terminal is raw while the child runs and as before when it has ended, however it ended. */
static void tty_round(void (*body)(void), int sig)
{
    int slave, status;
    char byte;
    pid_t pid;

    open_master();
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    ck_assert(!is_raw(slave));
    pid = fork();
    if (pid == 0) {
        body();
        _exit(99);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert(is_raw(slave));
    if (sig)
        kill(pid, sig);
    waitpid(pid, &status, 0);
    ck_assert(!is_raw(slave));
    if (sig)
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == sig);
    else
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    close(slave);
    close(master);
}

START_TEST(terminal_is_given_back)
{
    tty_round(tty_child_waits, SIGTERM);
    tty_round(tty_child_waits, SIGINT);
    tty_round(tty_child_waits, SIGHUP);
    tty_round(tty_child_waits, SIGQUIT);
    tty_round(tty_child_exits, 0);
}
END_TEST

#define PASTE 20000u

/* The guest takes a byte at a time: what is typed meanwhile waits. */
static void tty_child_takes_slowly(void)
{
    struct console *c;
    bool same = true;

    become_session();
    c = open_console("stdio");
    (void)!write(ready[1], "r", 1);
    while (got_count < PASTE) {
        room = 1;
        console_poll(c);
    }
    for (unsigned i = 0; i < got_count; i++)
        same &= got[i] == (char)('a' + i % 23);
    console_close(c);
    _exit(got_count == PASTE && same ? 5 : 1);
}

START_TEST(terminal_waits_for_a_slow_guest)
{
    char text[PASTE], byte;
    int status;
    pid_t pid;

    open_master();
    for (unsigned i = 0; i < PASTE; i++)
        text[i] = (char)('a' + i % 23);
    pid = fork();
    if (pid == 0)
        tty_child_takes_slowly();
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    for (unsigned i = 0; i < PASTE; i += 500)
        ck_assert_int_eq(write(master, text + i, 500), 500);
    waitpid(pid, &status, 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    close(master);
}
END_TEST

static void tty_child_quits_when_full(void)
{
    struct console *c;

    become_session();
    c = open_console("stdio");
    room = 0; /* the guest hangs */
    (void)!write(ready[1], "r", 1);
    for (unsigned i = 0; i < 5000 && !quits; i++) {
        struct pollfd fds[CONSOLE_MAX_FDS];
        unsigned n = console_poll_fds(c, fds);

        poll(fds, n, 1);
        console_poll(c);
    }
    console_close(c);
    _exit(quits ? 5 : 1);
}

START_TEST(terminal_quits_from_a_hung_guest)
{
    char junk[512], byte;
    int status;
    pid_t pid;

    open_master();
    memset(junk, 'j', sizeof(junk));
    pid = fork();
    if (pid == 0)
        tty_child_quits_when_full();
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    for (unsigned i = 0; i < 140; i++) /* more than is kept */
        ck_assert_int_gt(write(master, junk, sizeof(junk)), 0);
    ck_assert_int_eq(write(master, "\002x", 2), 2);
    waitpid(pid, &status, 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    close(master);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("console");
    TCase *tc = tcase_create("console");
    SRunner *sr = srunner_create(s);
    int failed;

    srunner_set_fork_status(sr, CK_FORK); /* tests replace stdin and stdout */
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, bad_specs);
    tcase_add_test(tc, file_output);
    tcase_add_test(tc, file_takes_everything);
    tcase_add_test(tc, socket_client);
    tcase_add_test(tc, socket_one_at_a_time);
    tcase_add_test(tc, socket_never_blocks);
    tcase_add_test(tc, socket_input_waits_for_room);
    tcase_add_test(tc, socket_paths);
    tcase_add_test(tc, stale_socket_is_replaced);
    tcase_add_test(tc, socket_is_removed_on_exit);
    tcase_add_test(tc, stdio_pipe_and_escapes);
    tcase_add_test(tc, stdio_null_and_closed);
    tcase_add_test(tc, stdio_stalled_reader);
    tcase_add_test(tc, terminal_is_given_back);
    tcase_add_test(tc, terminal_waits_for_a_slow_guest);
    tcase_add_test(tc, terminal_quits_from_a_hung_guest);
    suite_add_tcase(s, tc);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
