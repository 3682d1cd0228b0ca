/* The words of a user network's description, "user,hostfwd=...,tftp=...", as the command line and
 * the switch understand them.
 *
 * Parses only: whether a directory is there or a port is free shows when the network is made.
 */
#ifndef KITTSON_NET_USER_OPTIONS_H
#define KITTSON_NET_USER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USER_MAX_FORWARDS  64
#define USER_PATH_SIZE     1024 /* with its NUL */
#define USER_BOOTFILE_SIZE 128  /* DHCP's field */
#define USER_ADDR_SIZE     46   /* an address as text */

struct user_place {
    bool v6;
    uint8_t addr[16]; /* the first four of an IPv4 address; all zero: not given */
    uint16_t port;
};

struct user_forward {
    bool udp;
    struct user_place host, guest;
};

struct user_options {
    struct user_forward forward[USER_MAX_FORWARDS];
    unsigned forwards;
    char tftp[USER_PATH_SIZE];         /* "": no TFTP server */
    char bootfile[USER_BOOTFILE_SIZE]; /* "": none */
    char dns[USER_ADDR_SIZE];          /* "": the name servers of /etc/resolv.conf */
};

/* "tcp:[ADDR]:PORT-[ADDR]:PORT" or udp:. IPv6 addresses are in square brackets; both sides are of
 * one kind, and an IPv6 forward names the guest's address. 0 or -EINVAL. */
int user_parse_forward(const char *text, struct user_forward *f);
/* The host's side only: "tcp:[ADDR]:PORT". */
int user_parse_listener(const char *text, struct user_forward *f);
/* Such text again. */
void user_print_forward(const struct user_forward *f, char *out, size_t size);

/* One word between commas. 0; -ENOENT: none of these; -EINVAL: with what would be right in *rule */
int user_parse_word(struct user_options *o, const char *word, const char **rule);
/* "user" or "user," and words. 0 or -EINVAL with one sentence in why. */
int user_parse(struct user_options *o, const char *text, char *why, size_t size);

#endif
