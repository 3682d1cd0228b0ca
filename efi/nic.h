/* A network adapter as the firmware's network code sees it: frames out and in, addresses, filters,
 * figures. Private to efi/.
 *
 * The driver behind it (nic_82540.c) programs the emulated adapter through PCI configuration,
 * registers and DMA, as any driver would: switches, captures and counters need to know nothing of
 * the firmware, and nic_close() leaves the adapter reset for the operating system. Knows nothing of
 * protocols above Ethernet.
 */
#ifndef KITTSON_EFI_NIC_H
#define KITTSON_EFI_NIC_H

#include "boot.h"

#define NIC_MAC          6
#define NIC_HEADER       14
#define NIC_MTU          1500
#define NIC_FRAME        (NIC_HEADER + NIC_MTU)
#define NIC_MCAST_MAX    16
#define NIC_EEPROM_WORDS 64
#define NIC_UNICAST      0x01u /* filters, with the values of EFI_SIMPLE_NETWORK_RECEIVE_... */
#define NIC_MULTICAST    0x02u
#define NIC_BROADCAST    0x04u
#define NIC_PROMISCUOUS  0x08u
#define NIC_ALL_MCAST    0x10u

/* In the order of EFI_NETWORK_STATISTICS; UINT64_MAX: not counted. */
#define NIC_FIGURES 22

struct nic {
    struct boot *b;
    unsigned root, device; /* its place: segment 0, bus = root, function 0 */
    uint64_t regs;         /* where the registers are */
    uint8_t permanent[NIC_MAC], current[NIC_MAC];
    bool open;
    uint32_t command; /* PCI command register before nic_open */
    uint64_t at;      /* rings and buffers in guest memory, while open */
    unsigned rx_next, tx_next;
    uint64_t figures[NIC_FIGURES];
};

/* Whether a supported adapter is there; fills the description, and leaves the adapter reset. */
bool nic_probe(struct boot *b, unsigned root, unsigned device, struct nic *out);
/* EFI_SUCCESS or EFI_OUT_OF_RESOURCES. Nothing is received before filters are set. */
uint64_t nic_open(struct nic *n);
/* Resets the adapter and frees its memory; nothing when it is not open. */
void nic_close(struct nic *n);

bool nic_link(const struct nic *n);
/* A frame of NIC_HEADER to NIC_FRAME bytes without check sequence; EFI_NOT_READY: try again. */
uint64_t nic_send(struct nic *n, const uint8_t *frame, size_t len);
bool nic_ready(const struct nic *n);
/* Takes the next frame; 0: none. Longer ones than size are lost. */
size_t nic_receive(struct nic *n, uint8_t *frame, size_t size);
/* Multicast addresses are taken exactly or through the adapter's table (inexactly). */
void nic_set_filters(struct nic *n, uint32_t filters, const uint8_t (*mcast)[NIC_MAC],
                     unsigned count);
void nic_set_address(struct nic *n, const uint8_t mac[NIC_MAC]);
/* A word of the EEPROM, n below NIC_EEPROM_WORDS. */
uint16_t nic_eeprom(const struct nic *n, unsigned word);
/* Adds what the adapter has counted to n->figures. */
void nic_count(struct nic *n);

#endif
