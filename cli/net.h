/* The --net option of `kittson run`: parses what an adapter is plugged into.
 *
 * Makes no network; values go into the machine's configuration.
 */
#ifndef KITTSON_CLI_NET_H
#define KITTSON_CLI_NET_H

#include "machine.h"

#define NET_TEXT_SIZE 4096

struct net_args {
    struct machine_nic nic[MACHINE_MAX_NICS];
    char text[MACHINE_MAX_NICS][NET_TEXT_SIZE]; /* values, cut up */
    char uplink[MACHINE_MAX_NICS][NET_TEXT_SIZE];
    unsigned nics;
};

/* One --net value; "none" adds nothing. 0, or -EINVAL with one sentence in why. */
int net_parse(struct net_args *a, const char *value, char *why, size_t size);

#endif
