/* A guest's end of a switch port: a cable whose other end is a switch process.
 *
 * To a switch by its socket, which is tried again and again while there is none (the cable is
 * unplugged meanwhile), or to one that is started for this port alone and ends with it
 * (hpvmnetd --private), which is what runs user networks and TAP interfaces.
 */
#ifndef KITTSON_NET_SWITCH_PORT_H
#define KITTSON_NET_SWITCH_PORT_H

#include <poll.h>
#include <stdio.h>
#include "netdev.h"

struct switch_port;

/* Strings stay the caller's. */
struct switch_port_config {
    const char *name;   /* of a running switch; NULL: a private one with this uplink */
    const char *uplink; /* "user,..." or "tap:IF" */
    unsigned port;      /* 0: any */
    int vlan;           /* SWITCH_VLAN_NONE: as the port is configured */
    const char *guest;  /* a name to show, or NULL */
    /* The adapter's address. When it may change (it was not given) and another port has it,
     * another_mac(opaque, mac, n) makes the n-th alternative; else NULL. */
    uint8_t mac[NET_MAC_SIZE];
    void (*another_mac)(void *opaque, uint8_t mac[NET_MAC_SIZE], unsigned n);
    void *opaque;
};

/* How a running switch's port socket is reached by a process that may not do it itself: a connected
 * non-blocking descriptor, or a negative errno. NULL: by its path. For all ports; set it before
 * there are any. */
typedef int switch_port_dialer(const char *name);
void switch_port_set_dialer(switch_port_dialer *dialer);
/* As such a dialer would, by the path. */
int switch_port_dial(const char *name);

/* A switch that is not there is only warned of; a port that is refused, or a private switch that
 * cannot be started, is an error. 0, or a negative errno with one sentence in why. */
int switch_port_new(const struct switch_port_config *config, struct switch_port **out, char *why,
                    size_t size);
void switch_port_free(struct switch_port *p);

/* The address that was agreed on. */
const uint8_t *switch_port_mac(const struct switch_port *p);

/* The cable: what the guest's adapter calls, and the adapter. */
struct net_end switch_port_end(struct switch_port *p);
void switch_port_connect(struct switch_port *p, const struct net_end *peer);

/* Sends, receives as much as the adapter has room for, connects again; never blocks. */
void switch_port_poll(struct switch_port *p);
/* Nanoseconds until switch_port_poll is wanted without input, UINT64_MAX: never. */
uint64_t switch_port_due_ns(const struct switch_port *p);
/* False: nothing to wait for. */
bool switch_port_fd(const struct switch_port *p, struct pollfd *fd);

void switch_port_print_stats(const struct switch_port *p, FILE *out);

#endif
