/* Backing stores while no guest uses them: opened with a lock, read and written piece by piece, and
 * what tells one from another. Knows neither guests nor who asks.
 */
#ifndef KITTSON_VMP_STORAGE_H
#define KITTSON_VMP_STORAGE_H

#include "progress.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STORAGE_PIECE = 256 << 10, /* bytes; pieces begin at multiples of it */
    STORAGE_DIGEST_SIZE = 65,  /* characters with the NUL */
    STORAGE_WWID_SIZE = 128,
};
#define STORAGE_NO_WWID "WWID_NULL"

/* Opens a file or block device that no running guest has: read (shared with other readers) or
 * write (alone; a device must not be mounted). A descriptor, or a negative errno with one
 * sentence in why. */
int storage_open(const char *path, bool write, uint64_t *bytes, char *why, size_t size);

/* Bytes of a file or block device. 0 or a negative errno; -EINVAL: it is neither. */
int storage_size(int fd, uint64_t *bytes);

/* Everything in it that is not zero, in order. Ends with the first error of the sink, which is
 * returned, or -EIO when there is less than it should have. p may be NULL. */
typedef int storage_sink(void *opaque, uint64_t at, const void *data, size_t count);
int storage_walk(int fd, uint64_t bytes, storage_sink *sink, void *opaque, struct progress *p);

/* Writes such pieces, in order, into an empty file, which stays sparse, or over a device, where
 * zeros are written for what is left out. */
struct storage_writer {
    int fd;
    bool device;
    uint64_t at, bytes; /* written so far, and in all */
};
/* 0 or a negative errno; -EINVAL: a piece that is not in order or not inside. */
int storage_write(struct storage_writer *w, uint64_t at, const void *data, size_t count);
/* The rest; all of it is stable when this returns 0. */
int storage_finish(struct storage_writer *w);

/* SHA-256 of the pieces: of the contents, whatever the holes. */
void storage_digest_add(GChecksum *sum, uint64_t at, const void *data, size_t count);
int storage_digest(int fd, uint64_t bytes, char digest[STORAGE_DIGEST_SIZE], struct progress *p);

/* What the kernel calls a block device for good, in groups of four digits, or STORAGE_NO_WWID. */
void storage_wwid(const char *device, char wwid[STORAGE_WWID_SIZE]);

#endif
