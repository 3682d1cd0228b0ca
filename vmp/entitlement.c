/* See entitlement.h. */
#include "entitlement.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PERIOD_US 100000

/* $HPVM_CGROUP, or the directory of the guests in the hierarchy. */
static const char *base(void)
{
    const char *own = getenv("HPVM_CGROUP");
    return own != NULL ? own : "/sys/fs/cgroup/kittson";
}

unsigned entitlement_weight(unsigned tenths, unsigned vcpus)
{
    unsigned long weight = (unsigned long)tenths * vcpus;
    return weight < 1 ? 1 : weight > 10000 ? 10000 : (unsigned)weight;
}

static int put(const char *dir, const char *file, const char *text)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    int err = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
    close(fd);
    return err;
}

/* The hierarchy's root gives its groups processor control, and ours gives it to the guests'. */
static int make_base(void)
{
    g_autofree char *above = g_path_get_dirname(base());
    g_autofree char *controllers = g_build_filename(above, "cgroup.controllers", NULL);
    if (access(controllers, F_OK) != 0)
        return -errno;
    if (mkdir(base(), 0755) != 0 && errno != EEXIST)
        return -errno;
    put(above, "cgroup.subtree_control", "+cpu");
    return put(base(), "cgroup.subtree_control", "+cpu");
}

int entitlement_set(const char *uuid, pid_t pid, unsigned tenths, unsigned vcpus)
{
    g_autofree char *dir = g_build_filename(base(), uuid, NULL);
    char weight[16], most[40], process[16];
    int err = pid != 0 ? make_base() : 0;
    if (err == 0 && pid != 0 && mkdir(dir, 0755) != 0 && errno != EEXIST)
        err = -errno;
    snprintf(weight, sizeof weight, "%u", entitlement_weight(tenths, vcpus));
    snprintf(most, sizeof most, "%u %u", vcpus * PERIOD_US, PERIOD_US);
    snprintf(process, sizeof process, "%d", (int)pid);
    if (err == 0)
        err = put(dir, "cpu.weight", weight);
    if (err == 0)
        err = put(dir, "cpu.max", most);
    return err == 0 && pid != 0 ? put(dir, "cgroup.procs", process) : err;
}

void entitlement_remove(const char *uuid)
{
    g_autofree char *dir = g_build_filename(base(), uuid, NULL);
    rmdir(dir);
}
