/* ISO 9660 levels 1 to 3 with Rock Ridge or Joliet names, read only, behind filesystem.h.
 *
 * Rock Ridge names are preferred, then Joliet, then plain names without their version number.
 * Not here: sessions, interleaved files, compressed (zisofs) files, symbolic links (they are left
 * out of listings).
 */
#ifndef KITTSON_EFI_FS_ISO9660_H
#define KITTSON_EFI_FS_ISO9660_H

#include "filesystem.h"

/* 0, -ENOTSUP when it is not ISO 9660, -EUCLEAN when it is damaged. */
int iso9660_mount(const struct block_dev *dev, const struct fs_options *options, struct fs **out);

#endif
