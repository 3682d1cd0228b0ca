/* Network adapters of a machine and the networks they are plugged into, put together from its
 * configuration.
 *
 * Private to machine/. Knows which board slots there are only through PCI bus and device numbers.
 */
#ifndef KITTSON_MACHINE_NETWORK_H
#define KITTSON_MACHINE_NETWORK_H

#include <poll.h>
#include <stdio.h>
#include "machine.h"
#include "pci.h"

struct network;

/* now_ns(opaque) is the machine's time, *round the run loop's. 0, or a negative errno with one
 * sentence in why; *out may then be set and is to be freed. */
int network_new(const struct machine_config *config, struct pci *pci, void *opaque,
                uint64_t (*now_ns)(void *opaque), const uint64_t *round, struct network **out,
                char *why, size_t size);
void network_free(struct network *n);

void network_poll(struct network *n);
/* Nanoseconds until network_poll is wanted, UINT64_MAX when it is not. */
uint64_t network_due_ns(struct network *n);
/* What to poll(2) for, at most max entries. */
unsigned network_poll_fds(struct network *n, struct pollfd *fds, unsigned max);

/* The address an adapter has when none is given: the same at every start of a machine. */
void network_make_mac(const struct machine_config *config, unsigned bus, unsigned slot,
                      uint8_t mac[NET_MAC_SIZE]);
/* Saves or restores the adapters (utils/archive.h). */
struct archive;
void network_state(struct network *n, struct archive *a);
void network_print_stats(const struct network *n, FILE *out);

#endif
