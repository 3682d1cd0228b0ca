/* See app_log.h. */
#include "app_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct app_log {
    int dir, fd;
    char name[32];
    size_t limit, used;
};

static int open_present(struct app_log *l)
{
    struct stat st;
    l->fd = openat(l->dir, l->name,
                   O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (l->fd < 0 || fstat(l->fd, &st) != 0)
        return -1;
    l->used = (size_t)st.st_size;
    return 0;
}

struct app_log *app_log_open(int dir, const char *name, size_t limit)
{
    struct app_log *l = g_new0(struct app_log, 1);
    l->dir = dir;
    l->limit = limit;
    g_strlcpy(l->name, name, sizeof l->name);
    if (open_present(l) == 0)
        return l;
    app_log_close(l);
    return NULL;
}

void app_log_close(struct app_log *l)
{
    if (l == NULL)
        return;
    if (l->fd >= 0)
        close(l->fd);
    g_free(l);
}

static void older_name(const struct app_log *l, char name[40])
{
    snprintf(name, 40, "%s.1", l->name);
}

static void rotate(struct app_log *l)
{
    char older[40];
    older_name(l, older);
    if (renameat(l->dir, l->name, l->dir, older) != 0)
        return;
    close(l->fd);
    open_present(l);
}

/* A full disk costs lines of logs, nothing else. */
void app_log_bytes(struct app_log *l, const void *bytes, size_t count)
{
    if (l == NULL || l->fd < 0)
        return;
    if (l->used + count > l->limit / 2 && l->used > 0)
        rotate(l);
    ssize_t n = write(l->fd, bytes, count);
    if (n > 0)
        l->used += (size_t)n;
}

void app_log_line(struct app_log *l, const char *fmt, ...)
{
    char text[1024], stamp[32];
    time_t now = time(NULL);
    struct tm tm;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
    g_autofree char *line = g_strdup_printf("%s %s\n", stamp, text);
    app_log_bytes(l, line, strlen(line));
}

static void read_part(struct app_log *l, const char *name, GString *out)
{
    int fd = openat(l->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char part[8192];
    ssize_t n;
    while (fd >= 0 && (n = read(fd, part, sizeof part)) > 0 && out->len < 4 * l->limit)
        g_string_append_len(out, part, n);
    if (fd >= 0)
        close(fd);
}

void app_log_read(struct app_log *l, GString *out)
{
    char older[40];
    if (l == NULL)
        return;
    older_name(l, older);
    read_part(l, older, out);
    read_part(l, l->name, out);
    if (out->len > l->limit)
        g_string_erase(out, 0, (gssize)(out->len - l->limit));
}
