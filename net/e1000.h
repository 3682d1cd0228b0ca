/* Intel 82540EM, the PRO/1000 MT adapter of desktop computers (PCI 8086:100e).
 *
 * Register behaviour as the 8254x developer's manual and the public drivers (Linux, OpenBSD,
 * NetBSD) have it: EEPROM, PHY, legacy receive and legacy, context and data transmit descriptors,
 * checksums, TCP segmentation, VLAN tags, filters, interrupt throttling, statistics. No wake-up, no
 * power management capability, no manageability firmware, no flash, no flow-control frames. Link
 * partners always run at 1000 Mb/s full duplex. All calls come from one thread.
 */
#ifndef KITTSON_NET_E1000_H
#define KITTSON_NET_E1000_H

#include "netdev.h"
#include "pci.h"

struct e1000;

struct e1000_config {
    struct pci *pci;
    unsigned bus, device;
    uint8_t mac[NET_MAC_SIZE];
    uint16_t subsystem_vendor, subsystem; /* both 0: Intel's */
    void *opaque;
    uint64_t (*now_ns)(void *opaque);
};

struct e1000_figures {
    uint64_t frames_sent, bytes_sent, frames_received, bytes_received;
    uint64_t missed; /* frames lost because the guest gave no buffers */
    uint64_t ns;     /* spent with frames inside the guest's register writes */
};

/* NULL, and a negative errno in *err, when there is no such place or it is taken. */
struct e1000 *e1000_new(const struct e1000_config *config, int *err);
void e1000_free(struct e1000 *d);

/* What the other end of the cable calls, and the other end. Without one there is no link. */
struct net_end e1000_end(struct e1000 *d);
void e1000_connect(struct e1000 *d, const struct net_end *peer);

/* Timers and work left over; due_ns: the moment when it is wanted next, UINT64_MAX never. */
void e1000_poll(struct e1000 *d);
uint64_t e1000_due_ns(const struct e1000 *d);

/* Saves or restores all but the cable (utils/archive.h). Version 1. */
struct archive;
void e1000_state(struct e1000 *d, struct archive *s);

struct e1000_figures e1000_figures(const struct e1000 *d);

#endif
