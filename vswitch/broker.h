/* Opens files for the switch, which may not: a small process of its own beside it.
 *
 * It answers for two things only: BROKER_RESOLV (or what `dns` says instead) and regular files
 * below one directory, named BROKER_TFTP/..., where neither "..", nor absolute names, nor symbolic
 * links, nor other file systems' magic leads out. Everything is read-only. It also removes the
 * switch's sockets when the switch has ended, however it ended.
 */
#ifndef KITTSON_VSWITCH_BROKER_H
#define KITTSON_VSWITCH_BROKER_H

#include <stddef.h>

#define BROKER_RESOLV   "/etc/resolv.conf"
#define BROKER_TFTP     "/tftp"
#define BROKER_PATH_MAX 1200
#define BROKER_UNLINKS  4

struct broker_config {
    const char *tftp;                   /* directory or NULL */
    const char *dns;                    /* address of a name server, or NULL */
    const char *unlink[BROKER_UNLINKS]; /* full names, may be NULL */
    int keep;                           /* a descriptor that stays open till the end, or -1 */
};

/* Forks; call before there are threads. The descriptor to ask on, or a negative errno with one
 * sentence in why. */
int broker_start(const struct broker_config *config, char *why, size_t size);

/* Asks for a file. A descriptor or a negative errno. Async-signal-safe. */
int broker_open(int broker, const char *path);

#endif
