/* See mon_log.h. */
#include "mon_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmp.h"

#define NAME  "hpvm_mon_log"
#define TRIES 10 /* others may set the file aside meanwhile */

/* Locked; -1: cannot be had. */
static int open_log(int common)
{
    for (int i = 0; i < TRIES; i++) {
        struct stat own, there;
        int fd = openat(common, NAME,
                        O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX) == 0 && fstat(fd, &own) == 0 &&
            fstatat(common, NAME, &there, AT_SYMLINK_NOFOLLOW) == 0 && own.st_ino == there.st_ino)
            return fd;
        close(fd);
    }
    return -1;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void remove_oldest(int common)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    int fd = openat(common, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        if (g_str_has_prefix(e->d_name, NAME "."))
            g_ptr_array_add(names, g_strdup(e->d_name));
    if (d != NULL)
        closedir(d);
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i + MON_LOG_KEPT < names->len; i++)
        unlinkat(common, names->pdata[i], 0);
    g_ptr_array_free(names, TRUE);
}

static void set_aside(int common)
{
    char seconds[32];
    gint64 now = g_get_real_time();
    time_t t = (time_t)(now / G_USEC_PER_SEC);
    struct tm tm;
    strftime(seconds, sizeof seconds, "%Y%m%d-%H%M%S", localtime_r(&t, &tm));
    g_autofree char *name =
        g_strdup_printf("%s.%s.%06d", NAME, seconds, (int)(now % G_USEC_PER_SEC));
    renameat(common, NAME, common, name);
    remove_oldest(common);
}

static char *make_line(const char *guest, const char *text)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm tm;
    strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
    char *line = g_strdup_printf("%s %s: %.1000s", stamp, guest, text);
    for (char *p = line; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    return line;
}

void mon_log_line(int common, const char *guest, const char *text)
{
    struct vmp_limits limits;
    struct stat st;
    g_autofree char *bare = make_line(guest, text);
    g_autofree char *line = g_strconcat(bare, "\n", NULL);
    size_t length = strlen(line);
    int fd = open_log(common);
    vmp_limits_read(&limits);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0 &&
        (uint64_t)st.st_size + length > (uint64_t)limits.monitor_kb << 10) {
        set_aside(common);
        close(fd);
        fd = open_log(common);
    }
    if (fd < 0)
        return;
    ssize_t written = write(fd, line, length);
    (void)written; /* a full disk costs lines */
    close(fd);
}
