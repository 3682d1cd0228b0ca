/* Frames between the hosts of a migration: see migration.h. */
#include "migration.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { HEADER = 12, MOST = MIGRATION_NVRAM_MAX };

/* The most a frame of each type may hold. */
static size_t most_of(char type)
{
    switch (type) {
    case 'G':
        return GUEST_CONFIG_MAX;
    case 'O':
    case 'R':
        return MIGRATION_TEXT_MAX;
    case 'N':
        return MIGRATION_NVRAM_MAX;
    case 'D':
        return STORAGE_PIECE + 8;
    default:
        return MIGRATION_LINE_MAX;
    }
}

static void put_le32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_le32(const uint8_t *in)
{
    return in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

void peer_init(struct peer *p, int in, int out)
{
    memset(p, 0, sizeof *p);
    p->in = in;
    p->out = out;
    p->data = g_malloc0(MOST + 1);
}

void peer_clear(struct peer *p)
{
    g_free(p->data);
    p->data = NULL;
}

static int write_all(int fd, const void *data, size_t length)
{
    const uint8_t *at = data;
    while (length > 0) {
        ssize_t n = write(fd, at, length);
        if (n < 0 && errno != EINTR)
            return errno == EPIPE || errno == ECONNRESET ? -EPIPE : -errno;
        if (n > 0) {
            at += n;
            length -= (size_t)n;
        }
    }
    return 0;
}

static int send_parts(struct peer *p, char type, const void *first, size_t n, const void *second,
                      size_t m)
{
    uint8_t header[HEADER] = {(uint8_t)type};
    uLong crc = crc32(crc32(0, NULL, 0), first, (uInt)n);
    if (m > 0)
        crc = crc32(crc, second, (uInt)m);
    put_le32(header + 4, (uint32_t)(n + m));
    put_le32(header + 8, (uint32_t)crc);
    int err = write_all(p->out, header, sizeof header);
    if (err == 0)
        err = write_all(p->out, first, n);
    return err == 0 ? write_all(p->out, second, m) : err;
}

int peer_send(struct peer *p, char type, const void *data, size_t length)
{
    return length > most_of(type) ? -EMSGSIZE
                                  : send_parts(p, type, length > 0 ? data : "", length, NULL, 0);
}

int peer_say(struct peer *p, char type, const char *text)
{
    return peer_send(p, type, text, strnlen(text, most_of(type)));
}

int peer_piece(struct peer *p, uint64_t at, const void *data, size_t count)
{
    uint8_t place[8];
    put_le32(place, (uint32_t)at);
    put_le32(place + 4, (uint32_t)(at >> 32));
    return send_parts(p, 'D', place, sizeof place, data, count);
}

static int wait_for(const struct peer *p)
{
    struct pollfd f = {.fd = p->in, .events = POLLIN};
    int n;
    do
        n = poll(&f, 1, p->seconds > 0 ? p->seconds * 1000 : -1);
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : -errno;
}

static int read_all(const struct peer *p, uint8_t *data, size_t length)
{
    while (length > 0) {
        int err = wait_for(p);
        if (err != 0)
            return err;
        ssize_t n = read(p->in, data, length);
        if (n == 0)
            return -EPIPE;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            data += n;
            length -= (size_t)n;
        }
    }
    return 0;
}

int peer_receive(struct peer *p, const char *types)
{
    uint8_t header[HEADER];
    int err = read_all(p, header, sizeof header);
    if (err != 0)
        return err;
    p->type = (char)header[0];
    p->length = get_le32(header + 4);
    if (p->type == '\0' || strchr(types, p->type) == NULL || p->length > most_of(p->type) ||
        header[1] != 0 || header[2] != 0 || header[3] != 0)
        return -EPROTO;
    err = read_all(p, p->data, p->length);
    p->data[err == 0 ? p->length : 0] = '\0';
    if (err == 0 && crc32(crc32(0, NULL, 0), p->data, (uInt)p->length) != get_le32(header + 8))
        return -EPROTO;
    return err;
}

int peer_take_piece(const struct peer *p, uint64_t *at, const uint8_t **data, size_t *count)
{
    if (p->type != 'D' || p->length <= 8)
        return -EPROTO;
    *at = get_le32(p->data) | (uint64_t)get_le32(p->data + 4) << 32;
    *data = p->data + 8;
    *count = p->length - 8;
    return 0;
}

const char *peer_text(const struct peer *p)
{
    for (size_t i = 0; i < p->length; i++)
        if ((p->data[i] < ' ' && p->data[i] != '\n') || p->data[i] == 0x7f)
            return NULL;
    const char *text = (const char *)p->data;
    return g_utf8_validate(text, (gssize)p->length, NULL) ? text : NULL;
}
