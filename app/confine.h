/* What a guest's process gives up before a guest runs in it: the user it was started by, if that is
 * root and there is a user `hpvm`; new privileges; most system calls; resources. Does not confine
 * the network and the files that are open.
 */
#ifndef KITTSON_APP_CONFINE_H
#define KITTSON_APP_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The user and group `hpvm` when root is to become them. False: stay who we are. */
bool confine_user(uid_t *uid, gid_t *gid);

/* For a process of one thread. 0, or a negative errno with one sentence in why. */
int confine(bool drop, uid_t uid, gid_t gid, char *why, size_t size);

#endif
