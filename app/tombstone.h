/* The tombstone of a guest: what its processors held when control was transferred to it (TC), and
 * when it could not go on. Each is added to the file `tombstone` of the process's directory, whose
 * size is bounded; the keeper adds a line when the process itself was killed. Private to app/.
 */
#ifndef KITTSON_APP_TOMBSTONE_H
#define KITTSON_APP_TOMBSTONE_H

#include "machine.h"

/* On the machine's thread. dir: the process's directory. */
void tombstone_write(int dir, const struct machine *m, const char *guest, const char *why);

#endif
