/* Physical copies of backing stores, for hpvmclone -b. Files stay sparse. A copy has its name only
 * when it is complete; what a killed command leaves is NAME.hpvmclone.
 */
#ifndef KITTSON_VMP_COPY_STORAGE_H
#define KITTSON_VMP_COPY_STORAGE_H

#include "resource.h"

/* Copies the storage of one device to that of the other: a new file, or a block device that is
 * large enough. Neither may be in use. 0, or a negative errno with a sentence in why; *made says
 * that a file was made. How far it is is shown on a terminal (progress.h). */
int copy_storage(const struct resource *from, const struct resource *to, bool *made, char *why,
                 size_t size);

#endif
