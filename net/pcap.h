/* Capture files (libpcap's format, nanosecond time stamps), one per port.
 *
 * Frames are collected in a buffer of bounded size and written when it is full or pcap_flush is
 * called. The first error is reported in one line and ends the capture; nothing else stops.
 */
#ifndef KITTSON_NET_PCAP_H
#define KITTSON_NET_PCAP_H

#include <stddef.h>
#include <stdint.h>

struct pcap;

/* Makes the file anew. NULL, and a negative errno in *err. */
struct pcap *pcap_create(const char *path, int *err);
/* The same on a descriptor, which it then owns; name is for messages. */
struct pcap *pcap_on_fd(int fd, const char *name, int *err);
/* Flushes first. NULL does nothing. */
void pcap_close(struct pcap *p);

/* One frame at this moment. */
void pcap_frame(struct pcap *p, const uint8_t *frame, size_t len);
void pcap_flush(struct pcap *p);

#endif
