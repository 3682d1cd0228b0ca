/* See pcap.h. */
#define _GNU_SOURCE
#include "pcap.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUFFER      (64u << 10)
#define MAGIC_NS    0xa1b23c4du
#define SNAP        65535u
#define LINK_ETHER  1u
#define NAME_SIZE   256
#define HEADER_SIZE 24
#define RECORD_SIZE 16

struct pcap {
    int fd;
    bool broken;
    size_t used;
    char name[NAME_SIZE];
    uint8_t buf[BUFFER];
};

static void put_words(struct pcap *p, const uint32_t *words, size_t count)
{
    memcpy(p->buf + p->used, words, 4 * count);
    p->used += 4 * count;
}

struct pcap *pcap_on_fd(int fd, const char *name, int *err)
{
    const uint32_t header[HEADER_SIZE / 4] = {MAGIC_NS, 2 | 4u << 16, 0, 0, SNAP, LINK_ETHER};
    struct pcap *p = malloc(sizeof *p);

    *err = -ENOMEM;
    if (p == NULL) {
        close(fd);
        return NULL;
    }
    p->fd = fd;
    p->broken = false;
    p->used = 0;
    snprintf(p->name, sizeof p->name, "%s", name);
    put_words(p, header, HEADER_SIZE / 4);
    pcap_flush(p);
    *err = p->broken ? -EIO : 0;
    if (*err == 0)
        return p;
    pcap_close(p);
    return NULL;
}

struct pcap *pcap_create(const char *path, int *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);

    if (fd < 0) {
        *err = -errno;
        return NULL;
    }
    return pcap_on_fd(fd, path, err);
}

void pcap_close(struct pcap *p)
{
    if (p == NULL)
        return;
    pcap_flush(p);
    close(p->fd);
    free(p);
}

void pcap_flush(struct pcap *p)
{
    size_t at = 0;

    while (at < p->used && !p->broken) {
        ssize_t n = write(p->fd, p->buf + at, p->used - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            log_error("capture to %s ends: %s", p->name, strerror(errno));
            p->broken = true;
        } else {
            at += (size_t)n;
        }
    }
    p->used = 0;
}

void pcap_frame(struct pcap *p, const uint8_t *frame, size_t len)
{
    struct timespec ts;
    uint32_t kept = len < SNAP ? (uint32_t)len : SNAP;

    if (p->broken)
        return;
    if (p->used + RECORD_SIZE + kept > sizeof p->buf)
        pcap_flush(p);
    if (RECORD_SIZE + kept > sizeof p->buf)
        return;
    clock_gettime(CLOCK_REALTIME, &ts);
    const uint32_t record[RECORD_SIZE / 4] = {(uint32_t)ts.tv_sec, (uint32_t)ts.tv_nsec, kept,
                                              (uint32_t)len};
    put_words(p, record, RECORD_SIZE / 4);
    memcpy(p->buf + p->used, frame, kept);
    p->used += kept;
}
