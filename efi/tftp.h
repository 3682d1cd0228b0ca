/* TFTP client: one transfer. Private to efi/.
 *
 * Pure: time comes as an argument, datagrams leave and data goes and comes through functions of the
 * user's. RFC 1350, options of RFC 2347, 2348 (blksize) and 2349 (tsize); block numbers continue at
 * 0 after 65535. Not done: netascii, windows, multicast.
 */
#ifndef KITTSON_EFI_TFTP_H
#define KITTSON_EFI_TFTP_H

#include "udp4.h"

#define TFTP_SERVER    69
#define TFTP_NAME_MAX  511
#define TFTP_BLOCK     512 /* without blksize */
#define TFTP_BLOCK_MIN 8
#define TFTP_BLOCK_MAX 1468 /* fills a frame */
#define TFTP_TRIES     6

enum tftp_operation { TFTP_SIZE, TFTP_READ, TFTP_WRITE };

enum tftp_state {
    TFTP_IDLE,
    TFTP_ASKED,  /* the request is out */
    TFTP_MOVING, /* data blocks */
    TFTP_DONE,
    TFTP_FAILED,
};

enum tftp_failure { TFTP_TIMED_OUT = 1, TFTP_REFUSED, TFTP_TOO_LARGE, TFTP_BAD_ANSWER };

struct tftp {
    /* the user's */
    enum tftp_operation operation;
    char name[TFTP_NAME_MAX + 1];
    uint32_t server;
    uint16_t port;      /* this side's */
    unsigned blksize;   /* wanted; 0: TFTP_BLOCK_MAX */
    uint64_t file_size; /* TFTP_WRITE: bytes to send */
    void *opaque;
    void (*send)(void *opaque, const struct udp4_datagram *d);
    /* Takes data at an offset; false: there is no room. Not used for TFTP_SIZE. */
    bool (*put)(void *opaque, uint64_t at, const uint8_t *data, size_t len);
    /* Gives data at an offset, TFTP_WRITE only; false: it cannot be read. */
    bool (*get)(void *opaque, uint64_t at, uint8_t *data, size_t len);
    /* the transfer's */
    enum tftp_state state;
    enum tftp_failure failure;
    uint16_t peer; /* the server's port once it has answered */
    unsigned block_size;
    uint16_t block; /* number of the last good block */
    uint64_t done;  /* bytes moved */
    uint64_t due;   /* milliseconds */
    unsigned tries;
    uint8_t packet[4 + TFTP_BLOCK_MAX]; /* what is repeated */
    size_t packet_len;
    bool last;  /* TFTP_WRITE: the last block is out */
    bool plain; /* asked without options, which the server refused */
    /* results */
    bool has_size;
    uint64_t size; /* from tsize, or counted */
    unsigned error_code;
    char error_text[128]; /* of the server's ERROR packet */
};

void tftp_start(struct tftp *t, uint64_t now);
void tftp_input(struct tftp *t, const struct udp4_datagram *d, uint64_t now);
/* Repeats what was sent last, and gives up. Call when due has come. */
void tftp_poll(struct tftp *t, uint64_t now);
/* Tells the server that the transfer ends here; nothing when it has ended. */
void tftp_abort(struct tftp *t);

static inline bool tftp_busy(const struct tftp *t)
{
    return t->state == TFTP_ASKED || t->state == TFTP_MOVING;
}

#endif
