/* Who may use a guest's virtual console, by the guest's list of users and groups and the account at
 * the other end of a socket. No password of our own. Specification: hpvm.md section 14.
 */
#ifndef KITTSON_VMP_CONSOLE_RIGHT_H
#define KITTSON_VMP_CONSOLE_RIGHT_H

#include "guest_config.h"

#include <sys/types.h>

enum console_right { CONSOLE_NONE, CONSOLE_OPERATOR, CONSOLE_ADMIN };

/* Of an account: the owner of the guests and root are administrators of all. */
enum console_right console_right(const struct guest *g, uid_t uid, gid_t gid, uid_t owner);

/* Of the process at the other end of a connected Unix socket, whose user's name goes to who. An
 * account that was logged in to, and left by su, counts as well: the lesser right is the one. (A
 * process without a login can claim any, so the claim alone gives nothing.) */
enum console_right console_peer(const struct guest *g, int fd, uid_t owner, char *who, size_t size);

#endif
