/* See frameq.h. */
#define _GNU_SOURCE /* sendmmsg */
#include "frameq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FIRST_SIZE (64u << 10)
#define BATCH      64

void frameq_init(struct frameq *q, size_t max)
{
    *q = (struct frameq){.max = max};
}

void frameq_free(struct frameq *q)
{
    free(q->buf);
    *q = (struct frameq){.max = q->max};
}

void frameq_clear(struct frameq *q)
{
    q->head = q->tail = 0;
    q->count = 0;
}

/* A record is its length and the bytes; records are moved down before the buffer grows. */
static bool make_room(struct frameq *q, size_t record)
{
    size_t used = q->tail - q->head, size = q->size;

    if (used + record > size / 2) {
        while (size < 2 * (used + record))
            size = size == 0 ? FIRST_SIZE : 2 * size;
        uint8_t *more = realloc(q->buf, size);
        if (more == NULL)
            return false;
        q->buf = more;
        q->size = size;
    }
    if (q->head > 0)
        memmove(q->buf, q->buf + q->head, used);
    q->head = 0;
    q->tail = used;
    return true;
}

bool frameq_push(struct frameq *q, const void *head, size_t head_len, const void *body, size_t len)
{
    uint32_t n = (uint32_t)(head_len + len);
    size_t record = sizeof n + n;

    if (q->tail - q->head + record > q->max)
        return false;
    if (q->size - q->tail < record && !make_room(q, record))
        return false;
    uint8_t *p = q->buf + q->tail;
    memcpy(p, &n, sizeof n);
    memcpy(p + sizeof n, head, head_len);
    if (len > 0)
        memcpy(p + sizeof n + head_len, body, len);
    q->tail += record;
    q->count++;
    return true;
}

static unsigned gather(const struct frameq *q, struct mmsghdr *msgs, struct iovec *iov)
{
    size_t at = q->head;
    unsigned n = 0;

    for (; n < BATCH && at < q->tail; n++) {
        uint32_t len;
        memcpy(&len, q->buf + at, sizeof len);
        iov[n] = (struct iovec){q->buf + at + sizeof len, len};
        msgs[n] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[n], .msg_iovlen = 1}};
        at += sizeof len + len;
    }
    return n;
}

static void take(struct frameq *q, const struct iovec *iov, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        q->head += sizeof(uint32_t) + iov[i].iov_len;
    q->count -= n;
    if (q->count > 0)
        return;
    frameq_clear(q);
    if (q->size > 4 * FIRST_SIZE) /* a burst is over: give its memory back */
        frameq_free(q);
}

bool frameq_send(struct frameq *q, int fd)
{
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];

    while (q->count > 0) {
        unsigned n = gather(q, msgs, iov);
        int sent = sendmmsg(fd, msgs, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR || errno == ENOBUFS;
        take(q, iov, (unsigned)sent);
        if ((unsigned)sent < n)
            return true;
    }
    return true;
}
