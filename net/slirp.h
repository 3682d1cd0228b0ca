/* User network: a small network inside this process (libslirp) with a router at 10.0.2.2, DHCP from
 * 10.0.2.15, a name server at 10.0.2.3 and an IPv6 prefix, whose connections are made by ordinary
 * sockets of the host's user. Host ports can be forwarded to the guest.
 *
 * A directory can be served by TFTP, read-only, for guests that boot from the network. No shared
 * folders, no commands run by guests. The library runs in this process: a fault in it is a fault of
 * this process.
 */
#ifndef KITTSON_NET_SLIRP_H
#define KITTSON_NET_SLIRP_H

#include <poll.h>
#include "netdev.h"

struct usernet;

struct usernet_forward {
    bool udp;
    uint32_t host_addr, guest_addr; /* in host order; guest_addr 0: the first DHCP client's */
    uint16_t host_port, guest_port;
};

/* Strings and forwards stay the caller's and need not outlive the call. */
struct usernet_config {
    const struct usernet_forward *forwards;
    unsigned forward_count;
    const char *tftp;     /* directory whose files the router serves by TFTP, or NULL */
    const char *bootfile; /* what DHCP names as the boot file, or NULL; at most 127 bytes */
};

/* 0, or a negative errno with one sentence in why. */
int usernet_new(const struct usernet_config *config, struct usernet **out, char *why, size_t size);
void usernet_free(struct usernet *u);

/* The cable: what the guest's adapter calls, and the adapter. */
struct net_end usernet_end(struct usernet *u);
void usernet_connect(struct usernet *u, const struct net_end *peer);

/* Serves sockets and timers; never blocks. */
void usernet_poll(struct usernet *u);
/* What to wait for, at most max; usernet_due_ns: nanoseconds from now to its next timer. */
unsigned usernet_poll_fds(struct usernet *u, struct pollfd *fds, unsigned max);
uint64_t usernet_due_ns(struct usernet *u);

#endif
