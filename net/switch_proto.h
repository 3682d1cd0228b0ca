/* What a guest's process and its switch say to each other on a port socket.
 *
 * A Unix socket of type SOCK_SEQPACKET; every message is a four-byte header and what belongs to it,
 * numbers in the host's byte order. The guest says hello first and gets a welcome or a refusal,
 * after which the socket is closed; then both sides send frames. Link messages come from the
 * switch. Nothing is acknowledged.
 */
#ifndef KITTSON_NET_SWITCH_PROTO_H
#define KITTSON_NET_SWITCH_PROTO_H

#include <stdint.h>
#include "netdev.h"

#define SWITCH_PROTO_VERSION 1
#define SWITCH_NAME_MAX      8   /* characters of a switch's name */
#define SWITCH_PORTS         100 /* numbered from 1 */
#define SWITCH_VLAN_MAX      4094
#define SWITCH_VLAN_NONE     (-1)
#define SWITCH_GUEST_SIZE    64 /* a guest's name with its NUL */
#define SWITCH_REASON_SIZE   200
#define SWITCH_QUEUE_MAX     (4u << 20) /* bytes waiting for one socket */

enum switch_message {
    SWITCH_FRAME = 'F',   /* header, Ethernet frame */
    SWITCH_HELLO = 'H',   /* struct switch_hello, from the guest */
    SWITCH_WELCOME = 'W', /* struct switch_welcome, from the switch */
    SWITCH_LINK = 'L',    /* struct switch_link, from the switch */
    SWITCH_REFUSED = 'X', /* struct switch_refused, from the switch, which then closes */
};

struct switch_header {
    uint8_t type, zero[3];
};

struct switch_hello {
    struct switch_header header;
    uint32_t version;
    uint32_t port; /* 0: any */
    int32_t vlan;  /* SWITCH_VLAN_NONE: as the port is configured */
    uint8_t mac[NET_MAC_SIZE], zero[2];
    char guest[SWITCH_GUEST_SIZE]; /* printable, ends in NUL */
};

struct switch_welcome {
    struct switch_header header;
    uint32_t version;
    uint32_t port;
    uint32_t up;
};

struct switch_link {
    struct switch_header header;
    uint32_t up;
};

struct switch_refused {
    struct switch_header header;
    uint32_t again; /* 1: worth trying again later with the same hello */
    uint32_t mac;   /* 1: the MAC address is the reason */
    char reason[SWITCH_REASON_SIZE];
};

#endif
