/* What is behind storage devices on the host: whether a guest could see it, and whether it is kept
 * where it may be.
 *
 * Looks at files and devices; opens none for writing and knows neither guests nor locks.
 */
#ifndef KITTSON_VMP_BACKING_H
#define KITTSON_VMP_BACKING_H

#include "resource.h"

/* Greatest size of virtual storage (spec section 2). */
#define BACKING_SIZE_MAX (2ull << 40) /* bytes */

/* What is there has whole blocks (512 bytes for disks, 2048 for discs), at least one, and at most
 * BACKING_SIZE_MAX. Empty drives of discs show up in guests; what is not there is another matter.
 */
bool backing_shows_up(const struct resource *r);
#define BACKING_HIDDEN "Configuration error: Device does not show up in guest"

/* A file or a directory of discs on NFS or its like, where locks and flushes do not mean what
 * guests need. */
bool backing_is_remote(const struct resource *r);

/* How the kind of file system under a path is found: 0, or a negative errno; as statfs(2). Tests
 * have file systems that the host has not. */
typedef int backing_filesystem(const char *path, unsigned long *type);
void backing_set_filesystem(backing_filesystem *f); /* NULL: the host's */

#endif
