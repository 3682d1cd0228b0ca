/* See console_tty.h. Only async-signal-safe calls in what the signal handler reaches. */
#include "console_tty.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define MAX_FILES 16
#define PATH_SIZE 108 /* of a Unix socket address */

static struct termios saved;
static volatile sig_atomic_t tty_fd = -1; /* of the raw terminal */

static struct {
    char path[PATH_SIZE];
    dev_t dev;
    ino_t ino;
    volatile sig_atomic_t used;
} files[MAX_FILES];

static pid_t owner; /* a forked child must not clean up for its parent */
static bool hooked;

static const int fatal_signals[] = {SIGHUP, SIGINT,  SIGQUIT, SIGTERM, SIGPIPE, SIGSEGV,
                                    SIGBUS, SIGABRT, SIGFPE,  SIGILL,  SIGXCPU, SIGXFSZ};

static void remove_file(int i)
{
    struct stat st;

    if (!files[i].used)
        return;
    files[i].used = 0;
    if (lstat(files[i].path, &st) == 0 && st.st_dev == files[i].dev && st.st_ino == files[i].ino)
        unlink(files[i].path);
}

void console_tty_restore(void)
{
    int fd = tty_fd;

    if (fd < 0)
        return;
    tty_fd = -1;
    tcsetattr(fd, TCSANOW, &saved);
}

static void clean_up(void)
{
    if (getpid() != owner)
        return;
    console_tty_restore();
    for (int i = 0; i < MAX_FILES; i++)
        remove_file(i);
}

/* SA_RESETHAND made the default action current again, so raising ends the process as it would
 * have ended without us. */
static void on_fatal_signal(int sig)
{
    clean_up();
    raise(sig);
}

/* Takes over only the signals that would end the process: whoever has a handler of his own leaves
 * through exit() or console_close(). */
static void hook_exits(void)
{
    struct sigaction sa = {.sa_handler = on_fatal_signal, .sa_flags = SA_RESETHAND}, old;

    owner = getpid();
    sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < sizeof(fatal_signals) / sizeof(fatal_signals[0]); i++) {
        if (sigaction(fatal_signals[i], NULL, &old) == 0 && !(old.sa_flags & SA_SIGINFO) &&
            old.sa_handler == SIG_DFL)
            sigaction(fatal_signals[i], &sa, NULL);
    }
    if (!hooked)
        atexit(clean_up);
    hooked = true;
}

/* No echo, no lines, no signals from keys; output processing stays, for the messages of the
 * process itself end in a bare newline. */
static void make_raw(struct termios *t)
{
    t->c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    t->c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    t->c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    t->c_cflag |= CS8;
    t->c_cc[VMIN] = 1;
    t->c_cc[VTIME] = 0;
}

bool console_tty_raw(int fd)
{
    struct termios raw;

    if (tty_fd >= 0 || tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &saved) != 0)
        return false;
    raw = saved;
    make_raw(&raw);
    hook_exits();
    tty_fd = fd;
    if (tcsetattr(fd, TCSANOW, &raw) == 0)
        return true;
    tty_fd = -1;
    return false;
}

int console_file_register(const char *path, dev_t dev, ino_t ino)
{
    for (int i = 0; i < MAX_FILES; i++) {
        if (files[i].used || strlen(path) >= PATH_SIZE)
            continue;
        strcpy(files[i].path, path);
        files[i].dev = dev;
        files[i].ino = ino;
        hook_exits();
        files[i].used = 1;
        return i;
    }
    return -1;
}

void console_file_remove(int handle)
{
    if (handle >= 0 && handle < MAX_FILES && getpid() == owner)
        remove_file(handle);
}
