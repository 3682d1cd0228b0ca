/* vswitch/sandbox.h and broker.h: what a confined switch can and cannot do. Each case is a process
 * of its own that enters the sandbox. */
#define _GNU_SOURCE /* process_vm_readv, setresuid */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker.h"
#include "sandbox.h"

#define DIED (-1000) /* less the signal's number */

static char dir[64];

/* --- what is tried; 0 or a negative errno --- */

static long result(long r)
{
    return r < 0 ? -errno : 0;
}

static long open_passwd(void)
{
    return result(open("/etc/passwd", O_RDONLY));
}

static long open_memory(void)
{
    return result(open("/proc/self/mem", O_RDWR));
}

static long open_to_write(void)
{
    return result(open(BROKER_TFTP "/plain", O_RDWR));
}

static long open_to_create(void)
{
    return result(open(BROKER_TFTP "/new", O_RDONLY | O_CREAT, 0600));
}

static long stat_passwd(void)
{
    struct stat st;

    return result(stat("/etc/passwd", &st));
}

static long open_old_way(void)
{
    return result(syscall(SYS_open, "/etc/shadow", O_RDONLY));
}

static long open_resolv(void)
{
    char text[64] = "";
    FILE *f = fopen(BROKER_RESOLV, "r");

    if (f == NULL)
        return -errno;
    if (fgets(text, sizeof text, f) == NULL || strcmp(text, "nameserver 192.0.2.1\n") != 0)
        return -EBADMSG;
    fclose(f);
    return 0;
}

static long open_plain(void)
{
    char text[16] = "";
    struct stat st;
    int fd = open(BROKER_TFTP "/plain", O_RDONLY);

    if (fd < 0)
        return -errno;
    if (read(fd, text, sizeof text) != 6 || memcmp(text, "inside", 6) != 0)
        return -EBADMSG;
    if (fstat(fd, &st) != 0 || st.st_size != 6)
        return -EBADMSG;
    close(fd);
    return stat(BROKER_TFTP "/plain", &st) == 0 && st.st_size == 6 ? 0 : -EBADMSG;
}

static long run_program(void)
{
    char *argv[] = {"/bin/true", NULL};

    return result(execv(argv[0], argv));
}

static long fork_process(void)
{
    return result(fork());
}

static long trace_parent(void)
{
    return result(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static long read_parent(void)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {&byte, 1};

    return result(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static long kill_parent(void)
{
    return result(kill(getppid(), 0));
}

static long map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? -errno
               : 0;
}

static long map_data(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                   MAP_FAILED
               ? -errno
               : 0;
}

static long socket_unix(void)
{
    return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static long socket_netlink(void)
{
    return result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static long socket_raw(void)
{
    return result(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static long socket_packet(void)
{
    return result(socket(AF_PACKET, SOCK_RAW, 0));
}

static long socket_tcp(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 1) != 0)
        return -errno;
    return result(accept(fd, NULL, NULL)) == -EAGAIN ? 0 : -EBADMSG;
}

static long socket_udp6(void)
{
    return result(socket(AF_INET6, SOCK_DGRAM, 0));
}

static long get_root(void)
{
    return result(setresuid(0, 0, 0));
}

static long many_descriptors(void)
{
    long fd = 0;

    for (int i = 0; i < 5000 && fd >= 0; i++)
        fd = fcntl(0, F_DUPFD_CLOEXEC, 0);
    return result(fd);
}

static const struct {
    const char *name;
    long (*act)(void);
    long expected;
} cases[] = {
    {"open of a file outside", open_passwd, -EACCES},
    {"open of its own memory", open_memory, -EACCES},
    {"open for writing", open_to_write, -EACCES},
    {"creating a file", open_to_create, -EACCES},
    {"stat of a file outside", stat_passwd, -EACCES},
    {"open by the old call", open_old_way, -EACCES},
    {"resolv.conf", open_resolv, 0},
    {"a file to serve", open_plain, 0},
    {"execve", run_program, DIED - SIGSYS},
    {"fork", fork_process, DIED - SIGSYS},
    {"ptrace", trace_parent, DIED - SIGSYS},
    {"process_vm_readv", read_parent, DIED - SIGSYS},
    {"kill", kill_parent, DIED - SIGSYS},
    {"memory with code", map_code, DIED - SIGSYS},
    {"memory", map_data, 0},
    {"Unix socket", socket_unix, -EACCES},
    {"netlink socket", socket_netlink, -EACCES},
    {"raw socket", socket_raw, -EACCES},
    {"packet socket", socket_packet, -EACCES},
    {"TCP socket", socket_tcp, 0},
    {"UDP socket", socket_udp6, 0},
    {"becoming root", get_root, DIED - SIGSYS},
    {"more descriptors than allowed", many_descriptors, -EMFILE},
};

/* --- the process --- */

static void write_file(const char *name, const char *text)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void setup(void)
{
    char path[128];

    strcpy(dir, "/tmp/kittson-sandbox-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/root", dir);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    write_file("secret", "outside");
    write_file("root/plain", "inside");
    snprintf(path, sizeof path, "%s/root/link", dir);
    ck_assert_int_eq(symlink("../secret", path), 0);
}

static void teardown(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static int start_broker(const char *unlink_path)
{
    char root[128], why[200];
    struct broker_config c = {.dns = "192.0.2.1", .keep = -1, .unlink = {unlink_path}};

    snprintf(root, sizeof root, "%s/root", dir);
    c.tftp = root;
    int fd = broker_start(&c, why, sizeof why);
    ck_assert_msg(fd >= 0, "%s", why);
    return fd;
}

/* The result comes back through a pipe: an exit status is too small for it. */
static long confined(long (*act)(void))
{
    int report[2], status;
    long got = -ENOMSG;

    ck_assert_int_eq(pipe(report), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        char why[200];
        int broker = start_broker(NULL);
        if (sandbox_enter(broker, why, sizeof why) != 0) {
            fprintf(stderr, "%s\n", why);
            _exit(1);
        }
        got = act();
        _exit(write(report[1], &got, sizeof got) != sizeof got);
    }
    close(report[1]);
    ssize_t n = read(report[0], &got, sizeof got);
    close(report[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return DIED - WTERMSIG(status);
    return n == sizeof got ? got : -ENOMSG;
}

START_TEST(system_calls)
{
    ck_assert_msg(confined(cases[_i].act) == cases[_i].expected, "%s: %ld, not %ld", cases[_i].name,
                  confined(cases[_i].act), cases[_i].expected);
}
END_TEST

START_TEST(names)
{
    static const char *const refused[] = {
        BROKER_TFTP "/../secret",
        BROKER_TFTP "/link",
        BROKER_TFTP "/sub/../../secret",
        BROKER_TFTP "/",
        BROKER_TFTP "/.",
        BROKER_TFTP "//../secret",
        BROKER_TFTP "/none",
        BROKER_TFTP,
        BROKER_TFTP "x/plain",
        "/etc/passwd",
        "plain",
        "../etc/passwd",
        "/proc/self/mem",
        "/etc/resolv.conf/x",
        "",
    };
    int broker = start_broker(NULL);
    char longest[BROKER_PATH_MAX + 10];

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        ck_assert_msg(broker_open(broker, refused[i]) < 0, "%s", refused[i]);
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    ck_assert_int_eq(broker_open(broker, longest), -ENAMETOOLONG);
    int fd = broker_open(broker, BROKER_TFTP "//plain");
    ck_assert_int_ge(fd, 0);
    ck_assert_int_lt(write(fd, "x", 1), 0);
    close(fd);
    close(broker);
}
END_TEST

START_TEST(sockets_are_removed_at_the_end)
{
    char path[128];

    write_file("socket", "");
    snprintf(path, sizeof path, "%s/socket", dir);
    int broker = start_broker(path);
    ck_assert_int_eq(access(path, F_OK), 0);
    close(broker);
    ck_assert_int_gt(wait(NULL), 0); /* the broker, which has nothing left to do */
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sandbox");
    TCase *t = tcase_create("sandbox");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, system_calls, 0, (int)(sizeof cases / sizeof cases[0]));
    tcase_add_test(t, names);
    tcase_add_test(t, sockets_are_removed_at_the_end);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
