/* The insides of a backing store, shared by its kinds. Private to scsi/.
 *
 * A kind embeds struct store as its first member and gives the operations; bounds are checked
 * before they are called.
 */
#ifndef KITTSON_SCSI_STORE_IMPL_H
#define KITTSON_SCSI_STORE_IMPL_H

#include <stdatomic.h>
#include <sys/types.h>
#include "store.h"

struct store_ops {
    int (*read)(struct store *s, uint64_t offset, void *buf, size_t len);
    bool (*read_now)(struct store *s, uint64_t offset, void *buf, size_t len); /* or NULL */
    int (*write)(struct store *s, uint64_t offset, const void *buf, size_t len);
    int (*zero)(struct store *s, uint64_t offset, uint64_t len);
    int (*flush)(struct store *s);
    void (*close)(struct store *s); /* frees it */
};

struct store {
    const struct store_ops *ops;
    char *name;
    uint64_t size;
    bool read_only;
    enum store_kind kind;
    atomic_int lost; /* errno of the first flush that failed */
};

/* What a user of a file needs of the others. */
enum store_claim {
    STORE_READS,  /* nobody writes */
    STORE_WRITES, /* nobody else uses it */
    STORE_SHARES, /* all others share it too, and write */
};

/* Opens and locks a file or block device. */
int raw_open(const char *path, enum store_claim claim, struct store **out, char *why,
             size_t why_size);
/* The file behind a raw store. */
int raw_fd(const struct store *s);
/* Takes base over, also when it fails. */
int overlay_open(const char *path, struct store *base, struct store **out, char *why,
                 size_t why_size);
/* Milliseconds after which a silent server is given up; tests have less time. */
extern int nbd_store_patience;
int nbd_store_open(const char *uri, bool read_only, struct store **out, char *why, size_t why_size);

/* Advisory lock on a file. 0, -EAGAIN when somebody else is in the way. A file system without locks
 * counts as locked. */
int store_lock(int fd, enum store_claim claim);
/* Whole transfers at an offset; a short file is -EIO. */
int fd_read(int fd, uint64_t offset, void *buf, size_t len);
int fd_write(int fd, uint64_t offset, const void *buf, size_t len);
int fd_zero(int fd, uint64_t offset, uint64_t len);
int store_fail(int err, char *why, size_t why_size, const char *name, const char *reason);

#endif
