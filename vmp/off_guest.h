/* What the virtual console's menus show and do for a guest that is off: its configuration and the
 * logs of its earlier runs; power-on. Once it is on, its own process has the menus (app_proto.h).
 */
#ifndef KITTSON_VMP_OFF_GUEST_H
#define KITTSON_VMP_OFF_GUEST_H

#include "mp.h"

#include <sys/types.h>

struct off_guest {
    const char *name, *uuid; /* of the guest, the caller's */
    const char *viewer;      /* who looks on; NULL: we do */
    bool admin;              /* with which right, if it is not us */
    bool seen;               /* what the guest printed so far is on the screen already */
    struct mp *menus;        /* of the caller, for output; NULL: none yet */
    pid_t starter;           /* hpvmstart under way, 0: none */
    int pipe;                /* what it prints, -1: nothing */
};

extern const struct mp_ops off_guest_ops; /* opaque: struct off_guest */

/* Something can be read from pipe: passes it on, and ends the action with the command. */
void off_guest_read(struct off_guest *g);

#endif
