/* DHCP for booting: messages, their options, and the client as the PXE specification wants it
 * (proxy offers, boot servers). Private to efi/.
 *
 * Pure: time comes as an argument, datagrams leave through a function of the user's. Every length
 * in a message is checked. RFC 2131, 2132, 3396 without joining split options; PXE 2.1. Not done:
 * renewing a lease (a boot is shorter), boot menus on the screen.
 */
#ifndef KITTSON_EFI_DHCP4_H
#define KITTSON_EFI_DHCP4_H

#include "udp4.h"

#define DHCP4_SIZE        1472 /* the longest message: EFI_PXE_BASE_CODE_PACKET */
#define DHCP4_SERVER      67
#define DHCP4_CLIENT      68
#define DHCP4_BOOT_SERVER 4011
#define DHCP4_OFFERS      4
#define DHCP4_TRIES       4

enum dhcp4_option {
    DHCP4_MASK = 1,
    DHCP4_ROUTER = 3,
    DHCP4_VENDOR = 43,
    DHCP4_ADDRESS = 50,
    DHCP4_OVERLOAD = 52,
    DHCP4_TYPE = 53,
    DHCP4_SERVER_ID = 54,
    DHCP4_PARAMETERS = 55,
    DHCP4_MAX_SIZE = 57,
    DHCP4_CLASS = 60,
    DHCP4_TFTP_SERVER = 66,
    DHCP4_BOOT_FILE = 67,
    DHCP4_ARCHITECTURE = 93,
    DHCP4_INTERFACE = 94,
    DHCP4_MACHINE = 97,
    DHCP4_END = 255,
};
enum { DHCP4_DISCOVER = 1, DHCP4_OFFER, DHCP4_REQUEST, DHCP4_ACK = 5, DHCP4_NAK };

struct dhcp4_packet {
    uint8_t raw[DHCP4_SIZE];
    size_t len; /* 0: none */
};

/* Data of an option, wherever in the message it is; NULL when it is missing. */
const uint8_t *dhcp4_option(const uint8_t *message, size_t size, unsigned code, unsigned *len);

/* What a server said. */
struct dhcp4_info {
    unsigned type;
    uint32_t address, server, mask, router; /* server: its identifier */
    uint32_t boot_server;                   /* where the file is; 0: not said */
    char file[256];                         /* "" when there is none */
    bool pxe;                               /* the class is PXEClient */
    bool has_control, has_item;             /* PXE: discovery control; some boot server type */
    uint8_t control;
    uint16_t item;      /* type of the first boot menu entry or boot server */
    uint32_t multicast; /* PXE discovery address */
    uint32_t item_server;
};
/* Reads a reply; false when it is none. */
bool dhcp4_read(const uint8_t *message, size_t size, struct dhcp4_info *out);

#define DHCP4_CONTROL_NO_BROADCAST 1u
#define DHCP4_CONTROL_NO_MULTICAST 2u
#define DHCP4_CONTROL_LIST_ONLY    4u
#define DHCP4_CONTROL_USE_FILE     8u

enum dhcp4_state {
    DHCP4_IDLE,
    DHCP4_SELECTING,
    DHCP4_REQUESTING,
    DHCP4_ASKING_PROXY,
    DHCP4_ASKING_SERVER,
    DHCP4_DONE,
    DHCP4_FAILED,
};

struct dhcp4_client {
    /* the user's */
    uint8_t mac[UDP4_MAC], uuid[16]; /* uuid as SMBIOS has it */
    void *opaque;
    void (*send)(void *opaque, const struct udp4_datagram *d);
    bool sort; /* prefer offers that can boot */
    /* the client's */
    enum dhcp4_state state;
    uint32_t xid;
    uint64_t begun, due, chosen_at; /* milliseconds; chosen_at: when offers are looked at */
    unsigned tries, refusals;
    struct dhcp4_packet offer[DHCP4_OFFERS];
    unsigned offers;
    uint32_t ask; /* address a boot server is asked at */
    uint16_t ask_port;
    /* results */
    struct dhcp4_packet discover, ack, proxy, pxe_discover, pxe_reply;
    uint32_t address, mask, router;
};

/* Begins to look for an address; seed makes the transaction's number. */
void dhcp4_start(struct dhcp4_client *c, uint32_t seed, uint64_t now);
/* Asks boot servers of a type (layer as in PXE option 71) at an address, broadcast and multicast
 * included. The client must have an address. */
void dhcp4_ask_server(struct dhcp4_client *c, uint16_t type, uint16_t layer, uint32_t address,
                      uint64_t now);
void dhcp4_input(struct dhcp4_client *c, const struct udp4_datagram *d, uint64_t now);
/* Repeats, chooses, gives up. Call when due has come. */
void dhcp4_poll(struct dhcp4_client *c, uint64_t now);

static inline bool dhcp4_busy(const struct dhcp4_client *c)
{
    return c->state > DHCP4_IDLE && c->state < DHCP4_DONE;
}

#endif
