/* See progress.h. */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
    FIRST_US = 500000, /* what is done sooner needs no bar */
    AGAIN_US = 200000,
    BAR_MOST = 40, /* characters */
    LINE_MOST = 200,
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static unsigned terminal_columns(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

static void put_time(char *out, size_t size, double seconds)
{
    unsigned long s = seconds < 0 ? 0 : seconds > 359999 ? 359999 : (unsigned long)seconds;
    if (s >= 3600)
        snprintf(out, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, size, "%lu:%02lu", s / 60, s % 60);
}

/* "  50%  12.0 MB/s  0:07 left" */
static void put_figures(char *out, size_t size, uint64_t done, uint64_t total, int64_t elapsed_us)
{
    double rate = elapsed_us > 0 ? (double)done / (double)elapsed_us : 0; /* bytes in 1 us */
    char left[32] = "-:--";
    unsigned percent = total > 0 ? (unsigned)((double)done * 100 / (double)total) : 100;
    if (rate > 0)
        put_time(left, sizeof left, (double)(total - done) / rate / 1e6);
    snprintf(out, size, "%4u%%  %.1f MB/s  %s left", percent, rate, left);
}

void progress_line(char *out, size_t size, const char *what, uint64_t done, uint64_t total,
                   int64_t elapsed_us, unsigned columns)
{
    char figures[96], bar[BAR_MOST + 1];
    if (done > total)
        done = total;
    put_figures(figures, sizeof figures, done, total, elapsed_us);
    columns = columns < LINE_MOST ? columns : LINE_MOST;
    size_t rest = strlen(figures) + strlen("  []"), name = strlen(what);
    size_t room = columns > rest ? columns - rest : 0;
    if (name > room / 2)
        name = room / 2;
    size_t width = room - name < BAR_MOST ? room - name : BAR_MOST;
    size_t full = total > 0 ? (size_t)((double)done * (double)width / (double)total) : width;
    memset(bar, '=', full);
    memset(bar + full, ' ', width - full);
    bar[width] = '\0';
    snprintf(out, size, "%.*s  [%s]%s", (int)name, what, bar, figures);
}

void progress_begin(struct progress *p, const char *what, uint64_t total)
{
    const char *slash = strrchr(what, '/');
    memset(p, 0, sizeof *p);
    p->what = slash != NULL && slash[1] != '\0' ? slash + 1 : what;
    p->total = total;
    p->terminal = isatty(STDERR_FILENO) != 0;
    p->began_us = p->shown_us = p->terminal ? now_us() : 0;
}

void progress_at(struct progress *p, uint64_t done)
{
    char line[LINE_MOST + 2];
    if (p == NULL || !p->terminal)
        return;
    int64_t now = now_us();
    if (now - p->shown_us < (p->shown ? AGAIN_US : FIRST_US))
        return;
    p->shown_us = now;
    p->shown = true;
    progress_line(line, sizeof line, p->what, done, p->total, now - p->began_us,
                  terminal_columns() - 1); /* the last column would begin a new line */
    fprintf(stderr, "\r%s\033[K", line);
}

void progress_end(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}
