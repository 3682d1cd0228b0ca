/* User network: a small network inside this process (libslirp) with a router at 10.0.2.2, DHCP from
 * 10.0.2.15, a name server at 10.0.2.3 and an IPv6 prefix, whose connections are made by ordinary
 * sockets of the host's user. Host ports can be forwarded to guests.
 *
 * A directory can be served by TFTP, read-only. No shared folders, no commands run by guests. The
 * library opens /etc/resolv.conf and files below BROKER_TFTP by name; in the sandbox the broker
 * answers that. It is served by GLib's main loop.
 */
#ifndef KITTSON_VSWITCH_USERNET_H
#define KITTSON_VSWITCH_USERNET_H

#include "netdev.h"
#include "user_options.h"

/* Earlier ones are known to let guests read the library's memory (CVE-2026-9539). */
#define USERNET_WANTED "4.9.2"

struct usernet;

/* Options need not outlive the call. tftp: the library's name of the directory to serve, or NULL.
 * 0, or a negative errno with one sentence in why. */
int usernet_new(const struct user_options *options, const char *tftp, struct usernet **out,
                char *why, size_t size);
void usernet_free(struct usernet *u);

/* Where frames for guests go, and a frame from one. */
void usernet_connect(struct usernet *u, const struct net_end *peer);
void usernet_input(struct usernet *u, const uint8_t *frame, size_t len);

/* Forwards while it runs. 0, or a negative errno with one sentence in why. */
int usernet_add_forward(struct usernet *u, const struct user_forward *f, char *why, size_t size);
int usernet_remove_forward(struct usernet *u, const struct user_forward *f, char *why, size_t size);
/* NULL beyond the last. */
const struct user_forward *usernet_forward(const struct usernet *u, unsigned n);

/* Whether the library is older than USERNET_WANTED, and its version. */
bool usernet_outdated(const char **version);

#endif
