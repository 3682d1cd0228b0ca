/* The last step before a switch looks at frames: it gives up what it does not need.
 *
 * Root becomes nobody, capabilities go, memory, descriptors and processes are limited, and a
 * seccomp filter leaves the system calls of a network program. Opening a file by name asks the
 * broker (broker.h); a call that is not on the list ends the process. Internet sockets remain
 * possible: they are what an uplink is for.
 */
#ifndef KITTSON_VSWITCH_SANDBOX_H
#define KITTSON_VSWITCH_SANDBOX_H

#include <stddef.h>

/* broker: its descriptor. There is no way back. 0, or a negative errno with one sentence in why. */
int sandbox_enter(int broker, char *why, size_t size);

#endif
