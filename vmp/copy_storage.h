/* Physical copies of backing stores: which device a statement means, and copies within this host,
 * for hpvmclone -b. Files stay sparse. A copy has its name only when it is complete; what a killed
 * command leaves is NAME.hpvmclone.
 */
#ifndef KITTSON_VMP_COPY_STORAGE_H
#define KITTSON_VMP_COPY_STORAGE_H

#include "guest_config.h"

struct storage_copy {
    struct resource from, to;
    bool made; /* a file, by copy_storage */
};

/* The device of g at the address of a statement, and the statement itself. 0, or -EINVAL with a
 * sentence in why: there is none, or it is nothing that can be copied. */
int copy_storage_find(const struct guest *g, const char *statement, struct storage_copy *c,
                      char *why, size_t size);

/* Copies: into a new file, or over a block device that is large enough. Neither may be in use. 0,
 * or a negative errno with a sentence in why. */
int copy_storage(struct storage_copy *c, char *why, size_t size);

#endif
