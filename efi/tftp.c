/* See tftp.h. */
#include "tftp.h"

#include <stdio.h>
#include <string.h>

enum { OP_READ = 1, OP_WRITE, OP_DATA, OP_ACK, OP_ERROR, OP_OACK };
enum { ERROR_OTHER = 0, ERROR_FULL = 3, ERROR_PORT = 5, ERROR_OPTIONS = 8 };

/* Milliseconds before what was sent is sent again. */
static const unsigned patience[TFTP_TRIES] = {1000, 2000, 4000, 4000, 4000, 4000};

/* --- out --- */

static void transmit(struct tftp *t, uint16_t port, const uint8_t *data, size_t len)
{
    t->send(t->opaque,
            &(struct udp4_datagram){
                .dst = t->server, .sport = t->port, .dport = port, .data = data, .len = len});
}

static void again(struct tftp *t, uint64_t now)
{
    t->due = now + patience[t->tries++];
    transmit(t, t->peer ? t->peer : TFTP_SERVER, t->packet, t->packet_len);
}

/* What is in packet, for the first time. */
static void first(struct tftp *t, uint64_t now)
{
    t->tries = 0;
    again(t, now);
}

static void send_error(struct tftp *t, uint16_t port, unsigned code, const char *text)
{
    uint8_t m[64] = {0, OP_ERROR, 0, (uint8_t)code};
    size_t len = strlen(text);

    memcpy(m + 4, text, len + 1);
    transmit(t, port, m, 4 + len + 1);
}

static void fail(struct tftp *t, enum tftp_failure why)
{
    t->state = TFTP_FAILED;
    t->failure = why;
}

static void refuse(struct tftp *t, enum tftp_failure why, unsigned code, const char *text)
{
    send_error(t, t->peer, code, text);
    fail(t, why);
}

void tftp_abort(struct tftp *t)
{
    if (tftp_busy(t) && t->peer)
        send_error(t, t->peer, ERROR_OTHER, "cancelled");
    t->state = TFTP_FAILED;
}

static void ack(struct tftp *t, uint64_t now)
{
    t->packet[0] = 0;
    t->packet[1] = OP_ACK;
    udp4_put16(t->packet + 2, t->block);
    t->packet_len = 4;
    first(t, now);
}

static void put_string(struct tftp *t, const char *s)
{
    size_t len = strlen(s) + 1;

    memcpy(t->packet + t->packet_len, s, len);
    t->packet_len += len;
}

static void put_options(struct tftp *t)
{
    char number[24];

    put_string(t, "tsize");
    snprintf(number, sizeof number, "%llu",
             t->operation == TFTP_WRITE ? (unsigned long long)t->file_size : 0ull);
    put_string(t, number);
    put_string(t, "blksize");
    snprintf(number, sizeof number, "%u", t->blksize);
    put_string(t, number);
}

static void request(struct tftp *t, uint64_t now)
{
    t->packet[0] = 0;
    t->packet[1] = t->operation == TFTP_WRITE ? OP_WRITE : OP_READ;
    t->packet_len = 2;
    put_string(t, t->name);
    put_string(t, "octet");
    if (!t->plain)
        put_options(t);
    first(t, now);
}

void tftp_start(struct tftp *t, uint64_t now)
{
    t->state = TFTP_ASKED;
    t->failure = 0;
    t->peer = 0;
    t->block = 0;
    t->done = t->size = 0;
    t->last = t->has_size = t->plain = false;
    t->error_code = 0;
    t->error_text[0] = '\0';
    t->block_size = TFTP_BLOCK;
    if (t->blksize < TFTP_BLOCK_MIN || t->blksize > TFTP_BLOCK_MAX)
        t->blksize = TFTP_BLOCK_MAX;
    request(t, now);
}

/* --- options --- */

static bool parse_number(const char *s, uint64_t *out)
{
    uint64_t v = 0;

    if (!*s)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || v > UINT64_MAX / 10 - 9)
            return false;
        v = 10 * v + (uint64_t)(*s - '0');
    }
    *out = v;
    return true;
}

/* Option names are without case. */
static bool is(const char *s, const char *name)
{
    while (*s && *name && (*s | 0x20) == *name) {
        s++;
        name++;
    }
    return !*s && !*name;
}

static bool take_option(struct tftp *t, const char *name, const char *value)
{
    uint64_t v;

    if (!parse_number(value, &v))
        return false;
    if (is(name, "blksize")) {
        if (v < TFTP_BLOCK_MIN || v > t->blksize)
            return false;
        t->block_size = (unsigned)v;
        return true;
    }
    if (!is(name, "tsize"))
        return false;
    t->has_size = true;
    t->size = v;
    return true;
}

/* Pairs of NUL-terminated strings; false when one is not or was not asked for. */
static bool take_options(struct tftp *t, const uint8_t *p, size_t len)
{
    while (len > 0) {
        const uint8_t *end = memchr(p, 0, len);
        const uint8_t *value = end ? end + 1 : NULL;
        const uint8_t *stop = value ? memchr(value, 0, len - (size_t)(value - p)) : NULL;

        if (!stop || !take_option(t, (const char *)p, (const char *)value))
            return false;
        len -= (size_t)(stop + 1 - p);
        p = stop + 1;
    }
    return true;
}

/* --- sending a file --- */

static void send_block(struct tftp *t, uint64_t now)
{
    uint64_t left = t->file_size - t->done;
    size_t len = left < t->block_size ? (size_t)left : t->block_size;

    t->packet[0] = 0;
    t->packet[1] = OP_DATA;
    t->block++;
    udp4_put16(t->packet + 2, t->block);
    if (len && !t->get(t->opaque, t->done, t->packet + 4, len)) {
        refuse(t, TFTP_BAD_ANSWER, ERROR_OTHER, "cannot be read");
        return;
    }
    t->packet_len = 4 + len;
    t->last = len < t->block_size;
    t->state = TFTP_MOVING;
    first(t, now);
}

static void take_ack(struct tftp *t, uint16_t block, uint64_t now)
{
    if (t->operation != TFTP_WRITE || block != t->block)
        return; /* an old one must not start another stream of blocks */
    if (t->state == TFTP_MOVING)
        t->done += t->packet_len - 4;
    if (t->last) {
        t->state = TFTP_DONE;
        return;
    }
    send_block(t, now);
}

/* --- receiving --- */

static void take_oack(struct tftp *t, const uint8_t *p, size_t len, uint64_t now)
{
    if (t->state != TFTP_ASKED)
        return;
    if (!take_options(t, p, len)) {
        refuse(t, TFTP_BAD_ANSWER, ERROR_OPTIONS, "option refused");
        return;
    }
    if (t->operation == TFTP_WRITE) {
        send_block(t, now);
        return;
    }
    if (t->operation == TFTP_SIZE && t->has_size) {
        send_error(t, t->peer, ERROR_OTHER, "only the size was wanted");
        t->state = TFTP_DONE;
        return;
    }
    t->state = TFTP_MOVING;
    ack(t, now);
}

/* A block that has come before is acknowledged again, others are ignored. */
static void take_data(struct tftp *t, uint16_t block, const uint8_t *p, size_t len, uint64_t now)
{
    if (t->operation == TFTP_WRITE || len > t->block_size)
        return;
    if (t->state == TFTP_MOVING && block == t->block && t->done) {
        transmit(t, t->peer, t->packet, t->packet_len);
        return;
    }
    if (block != (uint16_t)(t->block + 1))
        return;
    if (t->operation == TFTP_READ && !t->put(t->opaque, t->done, p, len)) {
        refuse(t, TFTP_TOO_LARGE, ERROR_FULL, "no room");
        return;
    }
    t->state = TFTP_MOVING;
    t->block = block;
    t->done += len;
    ack(t, now);
    if (len < t->block_size) {
        t->size = t->done;
        t->has_size = true;
        t->state = TFTP_DONE;
    }
}

/* What a server says goes to a screen: printable characters only. */
static void take_error(struct tftp *t, unsigned code, const uint8_t *p, size_t len, uint64_t now)
{
    size_t n = 0;

    if (code == ERROR_OPTIONS && t->state == TFTP_ASKED && !t->plain) {
        t->plain = true; /* the server wants none: once more without */
        t->peer = 0;
        request(t, now);
        return;
    }
    while (n < len && n + 1 < sizeof t->error_text && p[n]) {
        t->error_text[n] = p[n] >= ' ' && p[n] < 0x7f ? (char)p[n] : '?';
        n++;
    }
    t->error_text[n] = '\0';
    t->error_code = code;
    fail(t, TFTP_REFUSED);
}

/* The first answer decides on the server's port; others are told that nobody is here. */
static bool from_peer(struct tftp *t, const struct udp4_datagram *d)
{
    if (d->src != t->server || d->dport != t->port || d->sport == 0 || d->len < 4)
        return false;
    if (t->peer && d->sport != t->peer) {
        if (udp4_get16(d->data) != OP_ERROR)
            send_error(t, d->sport, ERROR_PORT, "unknown transfer");
        return false;
    }
    return true;
}

void tftp_input(struct tftp *t, const struct udp4_datagram *d, uint64_t now)
{
    unsigned number;

    if (!tftp_busy(t) || !from_peer(t, d))
        return;
    t->peer = d->sport;
    number = udp4_get16(d->data + 2);
    switch (udp4_get16(d->data)) {
    case OP_DATA:
        take_data(t, (uint16_t)number, d->data + 4, d->len - 4, now);
        break;
    case OP_ACK:
        take_ack(t, (uint16_t)number, now);
        break;
    case OP_ERROR:
        take_error(t, number, d->data + 4, d->len - 4, now);
        break;
    case OP_OACK:
        take_oack(t, d->data + 2, d->len - 2, now);
        break;
    default:
        break;
    }
}

void tftp_poll(struct tftp *t, uint64_t now)
{
    if (!tftp_busy(t) || now < t->due)
        return;
    if (t->tries == TFTP_TRIES)
        fail(t, TFTP_TIMED_OUT);
    else
        again(t, now);
}
