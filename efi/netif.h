/* A network adapter with its protocols, as snp.c, pxe.c and pxe_boot.c share it. Private to efi/.
 */
#ifndef KITTSON_EFI_NETIF_H
#define KITTSON_EFI_NETIF_H

#include "nic.h"

#define NETIF_SENT_MAX 64 /* buffers a program has not taken back */

enum snp_state { SNP_STOPPED, SNP_STARTED, SNP_INITIALIZED };

struct pxe;

struct netif {
    struct boot *b;
    struct nic nic;
    struct devpath path;
    uint64_t handle;
    /* Simple Network */
    uint64_t at; /* interface in guest memory, its mode behind it */
    enum snp_state state;
    uint32_t filters;
    uint8_t mcast[NIC_MCAST_MAX][NIC_MAC];
    unsigned mcasts;
    uint64_t sent[NETIF_SENT_MAX]; /* to be given back, oldest first */
    unsigned sents;
    bool sent_new;
    uint8_t frame[NIC_FRAME]; /* looked at, not yet taken */
    size_t frame_len;
    struct pxe *pxe;
};

/* Brings the interface up, whatever its state, for the firmware's own use. */
uint64_t netif_up(struct netif *n);
/* Back to stopped. */
void netif_down(struct netif *n);
/* Adds receive filters. */
void netif_listen(struct netif *n, uint32_t filters);
/* The next frame, which is then gone; 0: none. */
size_t netif_receive(struct netif *n, uint8_t frame[NIC_FRAME]);

/* pxe.c, pxe_boot.c: protocols on the handle. */
void pxe_attach(struct netif *n);
void pxe_detach(struct netif *n);

#endif
