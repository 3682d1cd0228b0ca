/* The --net option of `kittson run`: parses what an adapter is plugged into.
 *
 * Makes no network; values go into the machine's configuration.
 */
#ifndef KITTSON_CLI_NET_H
#define KITTSON_CLI_NET_H

#include "machine.h"

#define NET_MAX_FORWARDS  64
#define NET_PATH_SIZE     1024 /* with its NUL */
#define NET_BOOTFILE_SIZE 128  /* DHCP's field */

struct net_args {
    struct machine_nic nic[MACHINE_MAX_NICS];
    struct usernet_forward forward[NET_MAX_FORWARDS];
    char tftp[MACHINE_MAX_NICS][NET_PATH_SIZE], bootfile[MACHINE_MAX_NICS][NET_BOOTFILE_SIZE];
    unsigned nics, forwards;
};

/* One --net value; "none" adds nothing. 0, or -EINVAL with one sentence in why. */
int net_parse(struct net_args *a, const char *value, char *why, size_t size);

#endif
