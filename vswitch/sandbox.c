/* See sandbox.h. The filter is written out in BPF: the list is short, and the process should not
 * need another library for it. */
#define _GNU_SOURCE
#include "sandbox.h"
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define NOBODY      65534
#define MEMORY      (1ull << 30)
#define DESCRIPTORS 1024
#define MAX_FILTER  256

/* Calls that do nothing a switch should not. */
static const int allowed[] = {
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_recvfrom,
    SYS_sendto,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_recvmmsg,
    SYS_sendmmsg,
    SYS_poll,
    SYS_ppoll,
    SYS_close,
    SYS_lseek,
    SYS_pread64,
    SYS_fstat,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_shutdown,
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_futex,
    SYS_clock_gettime,
    SYS_gettimeofday,
    SYS_time,
    SYS_clock_nanosleep,
    SYS_rt_sigreturn,
    SYS_rt_sigprocmask,
    SYS_rt_sigaction,
    SYS_sigaltstack,
    SYS_getrandom,
    SYS_getpid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_restart_syscall,
    SYS_sched_yield,
    SYS_exit,
    SYS_exit_group,
    SYS_dup2,
};

/* Calls that libraries may try and that are answered with an error. */
static const struct {
    int call, error;
} refused[] = {
    {SYS_readlink, EACCES},  {SYS_readlinkat, EACCES}, {SYS_access, EACCES},
    {SYS_faccessat, EACCES}, {SYS_faccessat2, EACCES}, {SYS_prctl, EPERM},
    {SYS_uname, EPERM},
};

/* Calls by a file's name: on_sigsys asks the broker. */
static const int brokered[] = {SYS_open, SYS_openat, SYS_stat, SYS_newfstatat};

struct filter {
    struct sock_filter code[MAX_FILTER];
    unsigned short len;
};

static int broker_fd = -1;

/* --- calls by name --- */

static long open_by_name(const char *path, long flags)
{
    if ((flags & (O_ACCMODE | O_CREAT | O_TRUNC)) != O_RDONLY)
        return -EACCES;
    return broker_open(broker_fd, path);
}

static long stat_by_name(const char *path, void *out)
{
    int fd = broker_open(broker_fd, path);

    if (fd < 0)
        return fd;
    long err = syscall(SYS_fstat, fd, out) == 0 ? 0 : -errno;
    close(fd);
    return err;
}

static long stat_at(int dir, const char *path, void *out, long flags)
{
    if ((flags & AT_EMPTY_PATH) && path[0] == '\0')
        return syscall(SYS_fstat, dir, out) == 0 ? 0 : -errno;
    return stat_by_name(path, out);
}

static void on_sigsys(int number, siginfo_t *info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const char *first = (const char *)r[REG_RDI], *second = (const char *)r[REG_RSI];
    int saved = errno;
    long result = -ENOSYS;

    (void)number;
    if (info->si_syscall == SYS_open)
        result = open_by_name(first, r[REG_RSI]);
    else if (info->si_syscall == SYS_openat)
        result = open_by_name(second, r[REG_RDX]);
    else if (info->si_syscall == SYS_stat)
        result = stat_by_name(first, (void *)r[REG_RSI]);
    else if (info->si_syscall == SYS_newfstatat)
        result = stat_at((int)r[REG_RDI], second, (void *)r[REG_RDX], r[REG_R10]);
    r[REG_RAX] = result;
    errno = saved;
}

/* --- the filter --- */

static void emit(struct filter *f, unsigned short code, uint32_t k, uint8_t yes, uint8_t no)
{
    f->code[f->len++] = (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = k};
}

static void load(struct filter *f, size_t offset)
{
    emit(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void verdict(struct filter *f, uint32_t action)
{
    emit(f, BPF_RET | BPF_K, action, 0, 0);
}

/* The accumulator holds the call's number before and, when it is another call, after. */
static void on_call(struct filter *f, int call, uint32_t action)
{
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1);
    verdict(f, action);
}

/* For one call: allowed when (argument & mask) is one of the values, else `otherwise`. Only the
 * low half of an argument counts: these are ints to the kernel. */
static void on_argument(struct filter *f, int call, unsigned arg, uint32_t mask,
                        const uint32_t *values, unsigned count, uint32_t otherwise)
{
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, (uint8_t)(3 + 2 * count));
    load(f, offsetof(struct seccomp_data, args) + 8 * arg);
    emit(f, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
    for (unsigned i = 0; i < count; i++) {
        emit(f, BPF_JMP | BPF_JEQ | BPF_K, values[i], 0, 1);
        verdict(f, SECCOMP_RET_ALLOW);
    }
    verdict(f, otherwise);
}

static uint32_t error(int number)
{
    return SECCOMP_RET_ERRNO | (uint32_t)number;
}

/* socket(): IPv4 and IPv6, streams and datagrams. Two conditions: the type is looked at first. */
static void on_socket(struct filter *f)
{
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 10);
    load(f, offsetof(struct seccomp_data, args) + 8);
    emit(f, BPF_ALU | BPF_AND | BPF_K, 0xf, 0, 0);
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 2, 0);
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, SOCK_DGRAM, 1, 0);
    verdict(f, error(EACCES));
    load(f, offsetof(struct seccomp_data, args));
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0);
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1);
    verdict(f, SECCOMP_RET_ALLOW);
    verdict(f, error(EACCES));
}

static void with_arguments(struct filter *f)
{
    static const uint32_t zero[] = {0};
    static const uint32_t controls[] = {FIONBIO, FIONREAD};
    static const uint32_t fcntls[] = {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC};
    const uint32_t self[] = {(uint32_t)getpid()};

    on_socket(f);
    on_argument(f, SYS_mmap, 2, PROT_EXEC, zero, 1, SECCOMP_RET_KILL_PROCESS);
    on_argument(f, SYS_mprotect, 2, PROT_EXEC, zero, 1, SECCOMP_RET_KILL_PROCESS);
    on_argument(f, SYS_ioctl, 1, UINT32_MAX, controls, 2, error(ENOTTY));
    on_argument(f, SYS_fcntl, 1, UINT32_MAX, fcntls, 5, error(EINVAL));
    on_argument(f, SYS_tgkill, 0, UINT32_MAX, self, 1, SECCOMP_RET_KILL_PROCESS); /* abort() */
}

static void build(struct filter *f)
{
    f->len = 0;
    load(f, offsetof(struct seccomp_data, arch));
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    verdict(f, SECCOMP_RET_KILL_PROCESS);
    load(f, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        on_call(f, allowed[i], SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < sizeof brokered / sizeof brokered[0]; i++)
        on_call(f, brokered[i], SECCOMP_RET_TRAP);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        on_call(f, refused[i].call, error(refused[i].error));
    with_arguments(f);
    verdict(f, SECCOMP_RET_KILL_PROCESS);
}

/* --- privileges and limits --- */

static int fail(char *why, size_t size, const char *what)
{
    int err = errno != 0 ? -errno : -EPERM;

    snprintf(why, size, "the switch cannot be confined (%s): %s", what, strerror(-err));
    return err;
}

/* In a user namespace without that id (EINVAL) the capabilities are what there is to lose. */
static int become_nobody(void)
{
    if (geteuid() != 0)
        return 0;
    if (setgroups(0, NULL) != 0 && errno != EPERM)
        return -1;
    if (setresgid(NOBODY, NOBODY, NOBODY) != 0 && errno != EINVAL)
        return -1;
    return setresuid(NOBODY, NOBODY, NOBODY) != 0 && errno != EINVAL ? -1 : 0;
}

static int drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};

    return (int)syscall(SYS_capset, &head, none);
}

static int limit(int resource, rlim_t n)
{
    struct rlimit r;

    if (getrlimit((__rlimit_resource_t)resource, &r) != 0)
        return -1;
    if (r.rlim_max > n)
        r.rlim_max = n;
    r.rlim_cur = r.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &r);
}

static int set_limits(void)
{
#ifndef __SANITIZE_ADDRESS__ /* whose shadow memory is larger than any computer's */
    if (limit(RLIMIT_AS, MEMORY) != 0)
        return -1;
#endif
    if (limit(RLIMIT_NOFILE, DESCRIPTORS) != 0 || limit(RLIMIT_NPROC, 0) != 0)
        return -1;
    return limit(RLIMIT_CORE, 0);
}

static int install(void)
{
    struct filter f;
    struct sigaction sa = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};

    if (sigaction(SIGSYS, &sa, NULL) != 0)
        return -1;
    build(&f);
    struct sock_fprog program = {.len = f.len, .filter = f.code};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int sandbox_enter(int broker, char *why, size_t size)
{
    broker_fd = broker;
    errno = 0;
    if (become_nobody() != 0)
        return fail(why, size, "user");
    if (drop_capabilities() != 0)
        return fail(why, size, "capabilities");
    if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail(why, size, "privileges");
    if (set_limits() != 0)
        return fail(why, size, "limits");
    return install() == 0 ? 0 : fail(why, size, "seccomp");
}
