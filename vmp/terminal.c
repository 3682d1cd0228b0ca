/* Raw mode of a viewer's terminal: see terminal.h. Only async-signal-safe calls in handlers. */
#include "terminal.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved, raw;
static volatile sig_atomic_t terminal = -1; /* in raw mode, or -1 */

static const int fatal[] = {SIGHUP, SIGINT,  SIGQUIT, SIGTERM, SIGABRT,
                            SIGBUS, SIGSEGV, SIGFPE,  SIGILL,  SIGALRM};

void terminal_restore(void)
{
    if (terminal < 0)
        return;
    tcsetattr(terminal, TCSADRAIN, &saved);
    terminal = -1;
}

/* The handler is gone by now (SA_RESETHAND): the signal does what it always does. */
static void on_fatal(int number)
{
    if (terminal >= 0)
        tcsetattr(terminal, TCSANOW, &saved);
    raise(number);
}

static void on_stop(int number)
{
    int error = errno;
    (void)number;
    if (terminal >= 0)
        tcsetattr(terminal, TCSANOW, &saved);
    raise(SIGSTOP);
    errno = error;
}

static void on_continue(int number)
{
    int error = errno;
    (void)number;
    if (terminal >= 0)
        tcsetattr(terminal, TCSANOW, &raw);
    errno = error;
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

int terminal_raw(int fd)
{
    if (tcgetattr(fd, &saved) != 0)
        return -errno;
    raw = saved;
    cfmakeraw(&raw);
    terminal = fd;
    atexit(terminal_restore);
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        handle(fatal[i], on_fatal, (int)SA_RESETHAND | SA_NODEFER);
    handle(SIGTSTP, on_stop, SA_RESTART);
    handle(SIGCONT, on_continue, SA_RESTART);
    if (tcsetattr(fd, TCSADRAIN, &raw) == 0)
        return 0;
    int error = -errno;
    terminal = -1;
    return error;
}
