/* Backing stores: what a virtual disk or disc is made of on the host.
 *
 * A raw file, a block device, an overlay file over a read-only base, or (built with libnbd) an NBD
 * export. Knows bytes, not SCSI. Reads, writes and flushes may run in several threads at once;
 * opening and closing may not run beside them. Stores are locked against other writers with
 * advisory locks while they are open.
 */
#ifndef KITTSON_SCSI_STORE_H
#define KITTSON_SCSI_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum store_kind { STORE_FILE, STORE_DEVICE, STORE_NETWORK };

struct store_options {
    bool read_only;
    bool shared; /* with other writers that say the same; files and devices without an overlay */
    const char *overlay; /* NULL: none. Created when it is not there; writes go to it only. */
};

/* name: a path, or an NBD URI. 0, or a negative errno with one sentence in why that starts with
 * the name. */
int store_open(const char *name, const struct store_options *options, struct store **out, char *why,
               size_t why_size);
/* How files of the host are opened by a process that may not do it itself: as open(2) with these
 * flags, or a negative errno. NULL: open(2). For all stores; set it before there are any. */
typedef int store_opener(const char *path, int flags);
void store_set_opener(store_opener *opener);
/* Flushes what was written, and unlocks. 0, or a negative errno of the flush. */
int store_close(struct store *s);

uint64_t store_size(const struct store *s); /* bytes */
bool store_read_only(const struct store *s);
enum store_kind store_kind(const struct store *s);
const char *store_name(const struct store *s);

/* Told of every read, also of an overlay from its base; NULL: nobody. For machines whose disks have
 * no threads of their own. */
typedef void store_watcher(void *opaque, const struct store *s, uint64_t offset, size_t len);
void store_set_watcher(store_watcher *watcher, void *opaque);

/* All of [offset, offset+len), or a negative errno. The bytes between the end of the store and the
 * next multiple of 4096 read as zeros; anything else outside it is -EINVAL. */
int store_read(struct store *s, uint64_t offset, void *buf, size_t len);
/* The same if the host has the bytes in memory and nothing has to be waited for; else -EAGAIN,
 * whatever the reason: store_read() then tells. */
int store_read_now(struct store *s, uint64_t offset, void *buf, size_t len);
int store_write(struct store *s, uint64_t offset, const void *buf, size_t len);
/* Makes bytes read as zeros, giving the space back where the host can. */
int store_zero(struct store *s, uint64_t offset, uint64_t len);
/* What was written before is on stable storage when this returns 0. Once it has failed, data may be
 * lost, and it fails until the store is closed. */
int store_flush(struct store *s);

/* For saving a machine: the blocks that an overlay has in place of its base's. next: the first one
 * from *offset on; false when there is none or the store is no overlay. empty: it has none any
 * more; 0 or a negative errno. */
#define STORE_OVERLAY_BLOCK 4096u
bool store_is_overlay(const struct store *s);
bool store_overlay_next(struct store *s, uint64_t *offset);
int store_overlay_empty(struct store *s);

/* --- overlay files, while no machine uses them --- */

struct overlay_info {
    char base[2048];
    uint64_t size, block_size, blocks; /* blocks: how many differ from the base */
};
int overlay_info(const char *path, struct overlay_info *info, char *why, size_t why_size);
/* Writes an overlay's blocks into its base and empties it. Repeatable when interrupted; the overlay
 * is emptied only after everything is stable in the base. -ESTALE when something else has changed
 * the base since the overlay was made, unless forced. On a terminal a bar shows how far it is. */
int overlay_commit(const char *path, bool force, char *why, size_t why_size);
/* Empties it. */
int overlay_discard(const char *path, char *why, size_t why_size);

#endif
