/* The insides of hpvmnetd: one switch, its sockets and its uplink on GLib's main loop. Private to
 * vswitch/.
 */
#ifndef KITTSON_VSWITCH_DAEMON_H
#define KITTSON_VSWITCH_DAEMON_H

#include <glib.h>
#include "usernet.h"
#include "vswitch.h"

#define DAEMON_CONNECTIONS 128 /* at a time, those without a port included */
#define DAEMON_CLIENTS     16  /* of the control socket */

struct conn;

struct daemon {
    const char *name;
    char uplink[USER_PATH_SIZE * 2]; /* as given; "none" */
    bool is_private;                 /* ends with its only connection */
    struct vswitch *sw;
    struct usernet *user; /* NULL unless the uplink is a user network */
    struct tap *tap;
    struct nic *nic;
    GMainLoop *loop;
    GPtrArray *dirty; /* connections with messages to send */
    unsigned conns, clients;
};

uint64_t daemon_now_ns(void *daemon);

/* Gives what connects to a listening socket to add, unless *count is max already; accept.c. */
typedef void daemon_add(struct daemon *d, int fd);
void daemon_accept(struct daemon *d, int fd, const unsigned *count, unsigned max, daemon_add *add);

/* Ports, ports.c: to be started first. The listening socket; a connected one (of a private switch).
 * The daemon owns the descriptors. */
void ports_start(struct daemon *d);
void ports_listen(struct daemon *d, int fd);
void ports_add(struct daemon *d, int fd);

/* Control clients, control_server.c. */
void control_listen(struct daemon *d, int fd);

/* Uplinks, uplink.c and nic.c. Opened before the sandbox is entered. spec: none, user[,...],
 * tap:IF, nic:IF. 0, or a negative errno with one sentence in why. */
int uplink_open(struct daemon *d, const char *spec, char *why, size_t size);
void uplink_close(struct daemon *d);
int nic_open(struct daemon *d, const char *name, char *why, size_t size);
void nic_close(struct daemon *d);
/* Sets an interface up, if it is down and we may. */
void uplink_set_up(const char *name);

#endif
