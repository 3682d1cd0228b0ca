/* See rundir.h. */
#include "rundir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE_MAX        72 /* leaves room for "/switch/NAME/control" */
#define NAME_MAX_LENGTH 8

static void base_path(char *path, size_t size)
{
    const char *own = getenv("HPVM_RUNTIME"), *xdg = getenv("XDG_RUNTIME_DIR");

    if (own != NULL && own[0] == '/')
        snprintf(path, size, "%s", own);
    else if (geteuid() == 0)
        snprintf(path, size, "/run/kittson");
    else if (xdg != NULL && xdg[0] == '/' && strlen(xdg) < 40)
        snprintf(path, size, "%s/kittson", xdg);
    else
        snprintf(path, size, "/tmp/kittson-%u", (unsigned)geteuid());
}

/* Somebody else's directory in /tmp could lead anywhere. */
static int directory(const char *path, mode_t mode, bool make, char *why, size_t size)
{
    struct stat st;
    int err = 0;

    if (make && mkdir(path, mode) == 0)
        chmod(path, mode); /* the umask may have taken something away */
    else if (make && errno != EEXIST)
        err = -errno;
    if (err == 0 && lstat(path, &st) != 0)
        err = -errno;
    if (err == 0 && !S_ISDIR(st.st_mode))
        err = -ENOTDIR;
    if (err == 0 && st.st_uid != geteuid() && st.st_uid != 0)
        err = -EPERM;
    if (err != 0)
        snprintf(why, size, "%s: %s", path,
                 err == -EPERM ? "the directory belongs to somebody else" : strerror(-err));
    return err;
}

int rundir_base(bool make, char *path, size_t path_size, char *why, size_t size)
{
    base_path(path, path_size);
    return directory(path, 0711, make, why, size);
}

bool rundir_switch_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    return n >= 1 && n <= NAME_MAX_LENGTH && name[n] == '\0' && name[0] != '.' && name[0] != '-';
}

int rundir_switch(const char *name, const char *what, bool make, char path[RUNDIR_PATH_MAX],
                  char *why, size_t size)
{
    char base[256], dir[RUNDIR_PATH_MAX];
    int err;

    base_path(base, sizeof base);
    if (strlen(base) > BASE_MAX) {
        snprintf(why, size, "%s: too long a name for a directory of sockets (HPVM_RUNTIME)", base);
        return -ENAMETOOLONG;
    }
    if (!rundir_switch_name(name)) {
        snprintf(why, size, "%s: give a switch name of 1 to 8 letters, digits, '.', '-' and '_'",
                 name[0] != '\0' ? name : "(empty)");
        return -EINVAL;
    }
    snprintf(path, RUNDIR_PATH_MAX, "%.*s/switch/%.8s/%.12s", BASE_MAX, base, name, what);
    if (!make)
        return 0;
    err = directory(base, 0711, true, why, size);
    snprintf(dir, sizeof dir, "%.*s/switch", BASE_MAX, base);
    if (err == 0)
        err = directory(dir, 0700, true, why, size);
    snprintf(dir, sizeof dir, "%.*s/switch/%.8s", BASE_MAX, base, name);
    return err != 0 ? err : directory(dir, 0700, true, why, size);
}
