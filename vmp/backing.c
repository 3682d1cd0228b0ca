/* See backing.h. */
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "storage.h"

static int host_filesystem(const char *path, unsigned long *type)
{
    struct statfs fs;
    if (statfs(path, &fs) != 0)
        return -errno;
    *type = (unsigned long)fs.f_type & 0xffffffff;
    return 0;
}

static backing_filesystem *filesystem = host_filesystem;

void backing_set_filesystem(backing_filesystem *f)
{
    filesystem = f != NULL ? f : host_filesystem;
}

bool backing_is_remote(const struct resource *r)
{
    static const unsigned long remote[] = {NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, SMB2_SUPER_MAGIC,
                                           CIFS_SUPER_MAGIC};
    unsigned long type;
    if ((strcmp(r->storage, "file") != 0 && strcmp(r->storage, "null") != 0) ||
        filesystem(r->device, &type) != 0)
        return false;
    for (size_t i = 0; i < sizeof remote / sizeof remote[0]; i++)
        if (type == remote[i])
            return true;
    return false;
}

/* Of a file or block device, only the former if it is called a file; false: it is neither. */
static bool find_size(const struct resource *r, uint64_t *size)
{
    struct stat st;
    if (stat(r->device, &st) != 0)
        return false;
    *size = (uint64_t)st.st_size;
    if (S_ISREG(st.st_mode))
        return true;
    if (!S_ISBLK(st.st_mode) || strcmp(r->storage, "file") == 0)
        return false;
    int fd = open(r->device, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool found = fd >= 0 && storage_size(fd, size) == 0;
    if (fd >= 0)
        close(fd);
    return found;
}

static bool is_host_drive(const struct resource *r)
{
    return strcmp(r->storage, "null") == 0 ||
           (strcmp(r->type, "dvd") == 0 && strcmp(r->storage, "disk") == 0);
}

bool backing_shows_up(const struct resource *r)
{
    uint64_t size, unit = strcmp(r->type, "dvd") == 0 ? 2048 : 512;
    if (is_host_drive(r) || access(r->device, F_OK) != 0)
        return true;
    return find_size(r, &size) && size >= unit && size % unit == 0 && size <= BACKING_SIZE_MAX;
}
