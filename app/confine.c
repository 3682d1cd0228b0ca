/* See confine.h. System calls that are not in the list fail with EPERM: what libraries try out of
 * curiosity then fails softly, and nothing can be started, mounted or traced. */
#define _GNU_SOURCE
#include "confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uint16_t allowed[] = {
    /* files that are open, and those of the process's own directory */
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_preadv2,
    SYS_pwritev2,
    SYS_lseek,
    SYS_fsync,
    SYS_fdatasync,
    SYS_fallocate,
    SYS_ftruncate,
    SYS_fstat,
    SYS_newfstatat,
    SYS_stat,
    SYS_lstat,
    SYS_statx,
    SYS_close,
    SYS_dup,
    SYS_dup2,
    SYS_dup3,
    SYS_fcntl,
    SYS_ioctl,
    SYS_flock,
    SYS_openat,
    SYS_open,
    SYS_rename,
    SYS_renameat,
    SYS_renameat2,
    SYS_unlink,
    SYS_unlinkat,
    SYS_getdents64,
    SYS_readlink,
    SYS_readlinkat,
    SYS_access,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_getcwd,
    SYS_fchmod,
    SYS_sync_file_range,
    SYS_copy_file_range,
    SYS_fadvise64,
    SYS_pipe,
    SYS_pipe2,
    SYS_umask,
    /* waiting, sockets */
    SYS_poll,
    SYS_ppoll,
    SYS_select,
    SYS_pselect6,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_wait,
    SYS_epoll_pwait,
    SYS_eventfd2,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_sendto,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_sendmmsg,
    SYS_recvmmsg,
    SYS_shutdown,
    SYS_getsockname,
    SYS_getpeername,
    SYS_setsockopt,
    SYS_getsockopt,
    /* memory */
    SYS_mmap,
    SYS_mprotect,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_mlock,
    SYS_munlock,
    SYS_memfd_create,
    SYS_membarrier,
    SYS_mincore,
    SYS_msync,
    /* threads, signals to itself */
    SYS_clone,
    SYS_clone3,
    SYS_futex,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_rseq,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_gettid,
    SYS_getpid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_tgkill,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigtimedwait,
    SYS_sigaltstack,
    SYS_exit,
    SYS_exit_group,
    SYS_restart_syscall,
    SYS_prctl,
    SYS_arch_prctl,
    SYS_set_tid_address,
    /* time, randomness, figures */
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_time,
    SYS_getrandom,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrlimit,
    SYS_prlimit64,
    SYS_getrusage,
    SYS_times,
    SYS_getcpu,
};
#define ALLOWED (sizeof allowed / sizeof allowed[0])

#define JUMP(test, value, yes, no) BPF_JUMP(BPF_JMP | (test) | BPF_K, (value), (yes), (no))
#define TELL(value)                BPF_STMT(BPF_RET | BPF_K, (value))
#define LOAD(member)               BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))

/* The list is tested one by one; frequent calls come first. */
static int filter_system_calls(void)
{
    struct sock_filter code[2 * ALLOWED + 8];
    unsigned short n = 0;
    code[n++] = (struct sock_filter)LOAD(arch);
    code[n++] = (struct sock_filter)JUMP(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0);
    code[n++] = (struct sock_filter)TELL(SECCOMP_RET_KILL_PROCESS);
    code[n++] = (struct sock_filter)LOAD(nr);
    for (size_t i = 0; i < ALLOWED; i++) {
        code[n++] = (struct sock_filter)JUMP(BPF_JEQ, allowed[i], 0, 1);
        code[n++] = (struct sock_filter)TELL(SECCOMP_RET_ALLOW);
    }
    code[n++] = (struct sock_filter)TELL(SECCOMP_RET_ERRNO | EPERM);
    struct sock_fprog program = {.len = n, .filter = code};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : -errno;
}

bool confine_user(uid_t *uid, gid_t *gid)
{
    const struct passwd *p = geteuid() == 0 ? getpwnam("hpvm") : NULL;
    if (p == NULL || p->pw_uid == 0)
        return false;
    *uid = p->pw_uid;
    *gid = p->pw_gid;
    return true;
}

static int become(uid_t uid, gid_t gid)
{
    if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        return -errno;
    return 0;
}

static void limit(int resource, rlim_t most)
{
    struct rlimit r;
    if (getrlimit(resource, &r) != 0)
        return;
    r.rlim_max = r.rlim_max < most ? r.rlim_max : most;
    r.rlim_cur = r.rlim_max;
    setrlimit(resource, &r);
}

int confine(bool drop, uid_t uid, gid_t gid, char *why, size_t size)
{
    int err = drop ? become(uid, gid) : 0;
    if (err != 0) {
        snprintf(why, size, "cannot become user hpvm: %s", strerror(-err));
        return err;
    }
    limit(RLIMIT_CORE, 0); /* a guest's memory is its own */
    limit(RLIMIT_NOFILE, 4096);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        err = -errno;
        snprintf(why, size, "no_new_privs: %s", strerror(-err));
        return err;
    }
    err = filter_system_calls();
    if (err != 0)
        snprintf(why, size, "the host refuses to filter system calls: %s", strerror(-err));
    return err;
}
