/* Snapshots: a whole machine in a file, between turns, and a machine built from one.
 *
 * Private to machine/. What a device's bytes mean is its own business (utils/archive.h), how the
 * file is laid out is in utils/sections.h and docs/trace-format.md; here is which parts there are
 * and in which order. Images are not in the file: overlays' blocks are, and disks without an
 * overlay must not change afterwards.
 */
#ifndef KITTSON_MACHINE_SNAPSHOT_H
#define KITTSON_MACHINE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>

struct machine;

/* Writes the machine; the file appears when it is complete. last: the machine does not run on, so
 * disks without overlay are allowed. 0, or a negative errno with one sentence in why: -EBUSY while
 * firmware's boot services run. */
int snapshot_save(struct machine *m, const char *path, bool last, char *why, size_t size);

/* Gives a machine that was built alike, and has not run, the state in the file. After a failure
 * (as above) it must not run. progress is told the share done, 0 to 100; may be NULL. */
int snapshot_load(struct machine *m, const char *path, void (*progress)(unsigned percent),
                  char *why, size_t size);

/* One part's contents, by its place in the file and its version: for fuzzing. */
int snapshot_load_part(struct machine *m, unsigned place, unsigned version, const void *bytes,
                       size_t length, char *why, size_t size);

#endif
