/* The runtime directory, where sockets of running processes are.
 *
 * $HPVM_RUNTIME, else /run/kittson for root, $XDG_RUNTIME_DIR/kittson or /tmp/kittson-UID for
 * others. Makes directories; opens no sockets.
 */
#ifndef KITTSON_UTILS_RUNDIR_H
#define KITTSON_UTILS_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>

#define RUNDIR_PATH_MAX 108 /* of a socket, with its NUL */

/* The directory itself, made (mode 0711) if make is set; its owner is checked. 0, or a negative
 * errno with one sentence in why. */
int rundir_base(bool make, char *path, size_t path_size, char *why, size_t size);

/* The path of file what ("port", "control", "lock") of switch name; the directories above it are
 * made (mode 0700, their owner is checked) when make is set. 0, or a negative errno with one
 * sentence in why. */
int rundir_switch(const char *name, const char *what, bool make, char path[RUNDIR_PATH_MAX],
                  char *why, size_t size);

/* 1 to 8 letters, digits, dots, dashes and underscores, not beginning with a dot or dash. */
bool rundir_switch_name(const char *name);

#endif
