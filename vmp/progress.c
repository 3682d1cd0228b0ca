/* See progress.h. */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "vmp.h"

#define WIDTH 40

void progress_show(struct progress *p, uint64_t done, uint64_t total)
{
    static const char full[WIDTH + 1] = "########################################";
    int percent = done >= total ? 100 : (int)(done * 100 / total);
    if (percent == p->percent || !isatty(STDERR_FILENO))
        return;
    p->percent = percent;
    int marks = percent * WIDTH / 100;
    fprintf(stderr, "\r%s: %s [%-*.*s] %3d%%", vmp_command_name(), p->name, WIDTH, marks, full,
            percent);
    fflush(stderr);
}

void progress_end(const struct progress *p)
{
    if (p->percent >= 0)
        fputc('\n', stderr);
}
