/* Frames as the host's network stack has them inside: several segments of one connection joined,
 * checksums not yet made. This makes frames of the wire of them. The description that comes with
 * each (struct virtio_net_hdr) is the one of packet sockets with PACKET_VNET_HDR. Knows no sockets;
 * trusts neither description nor frame.
 */
#ifndef KITTSON_VSWITCH_JOINED_H
#define KITTSON_VSWITCH_JOINED_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void joined_frame(void *opaque, const uint8_t *frame, size_t len);

/* Gives each frame of the wire, without VLAN tag and of at most VSWITCH_FRAME_MAX bytes unless it
 * was longer and not joined. The frame given is changed. False: they do not fit each other, and
 * nothing was given. */
bool joined_split(const struct virtio_net_hdr *h, uint8_t *frame, size_t len, joined_frame *each,
                  void *opaque);

#endif
