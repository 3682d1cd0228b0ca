/* A bounded queue of messages for a SOCK_SEQPACKET socket, on both sides of a switch port.
 *
 * Messages are copied in, sent many at a time, and keep their order. What does not fit is refused:
 * the owner counts it. Knows nothing of what the messages mean.
 */
#ifndef KITTSON_NET_FRAMEQ_H
#define KITTSON_NET_FRAMEQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frameq {
    uint8_t *buf;
    size_t head, tail, size, max; /* bytes */
    unsigned count;               /* messages */
};

/* max: bytes the queue may grow to. */
void frameq_init(struct frameq *q, size_t max);
void frameq_free(struct frameq *q);
void frameq_clear(struct frameq *q);

/* Appends one message made of two parts. False: full, or no memory. */
bool frameq_push(struct frameq *q, const void *head, size_t head_len, const void *body, size_t len);

/* Sends what the socket takes. True: the socket is alive; messages may be left. */
bool frameq_send(struct frameq *q, int fd);

#endif
