/* PXE base code on a network adapter: what pxe*.c share. Private to efi/.
 *
 * An operation is a task part that looks for frames, hands datagrams to the operation and asks it
 * whether it has finished, until then sleeping for moments. One operation at a time.
 */
#ifndef KITTSON_EFI_PXE_H
#define KITTSON_EFI_PXE_H

#include "dhcp4.h"
#include "netif.h"
#include "tftp.h"

#define PXE_FILTERS        8
#define PXE_FILTER_STATION 0x01u
#define PXE_FILTER_BCAST   0x02u
#define PXE_FILTER_ALL     0x04u
#define PXE_FILTER_MCAST   0x08u
#define PXE_ICMP_SIZE      504
#define PXE_IP             16 /* EFI_IP_ADDRESS */

/* Packets of the mode structure, in its order. */
enum { PXE_DISCOVER, PXE_ACK, PXE_PROXY, PXE_SERVER_DISCOVER, PXE_REPLY, PXE_BIS, PXE_PACKETS };

struct pxe;

/* now in milliseconds. poll: true when the operation is over, with its status. */
struct pxe_operation {
    void (*input)(struct pxe *p, const struct udp4_datagram *d, uint64_t now);
    bool (*poll)(struct pxe *p, uint64_t now, uint64_t *status);
    void (*abort)(struct pxe *p); /* may be NULL */
};

/* What UdpRead and UdpWrite were asked. Guest addresses may be 0. */
struct pxe_udp {
    unsigned flags;
    uint64_t dst_ip, dst_port, src_ip, src_port;
    uint64_t header_size_at, header, size_at, buffer;
    uint64_t header_size, size;
    uint32_t wanted; /* address that is resolved */
    uint64_t mac_at, deadline, again;
    uint64_t result; /* EFI_NOT_READY: go on */
};

struct pxe {
    struct netif *n;
    struct boot *b;
    uint64_t at; /* interface in guest memory, mode behind it */
    bool started, busy;
    bool auto_arp, send_guid;
    uint8_t ttl, tos;
    struct udp4 net;
    bool valid[PXE_PACKETS];
    uint8_t packet[PXE_PACKETS][DHCP4_SIZE];
    uint8_t filters;
    uint32_t filter[PXE_FILTERS];
    unsigned filter_count;
    bool icmp_received, tftp_failed;
    uint8_t icmp[PXE_ICMP_SIZE];
    uint16_t port; /* the next of this side's ports */
    /* the operation that runs */
    const struct pxe_operation *op;
    bool keys; /* the user may cancel it */
    uint32_t icmp_from;
    bool icmp_now;
    struct pxe_udp udp;
    struct dhcp4_client dhcp;
    struct tftp tftp;
    uint64_t buffer, room; /* TFTP: where data goes to, or comes from */
    bool discard;
    uint32_t servers[8]; /* Discover: only these may answer, when there are any */
    unsigned server_count;
    /* pxe_boot.c */
    uint64_t load_at; /* Load File interface */
    bool loaded, has_size;
    uint64_t file_size;
    uint32_t boot_server;
    char boot_file[256];
};

/* pxe.c */
struct pxe *pxe_of(struct boot *b, const struct fwcall *k, uint64_t *status);
void pxe_put_mode(struct pxe *p);
uint64_t pxe_begin(struct pxe *p);
void pxe_end(struct pxe *p);
/* EFI_IP_ADDRESS of an IPv4 address; false when it cannot be read. */
bool pxe_read_ip(struct boot *b, uint64_t at, uint32_t *ip);
bool pxe_write_ip(struct boot *b, uint64_t at, uint32_t ip);
uint16_t pxe_port(struct pxe *p);
bool pxe_ip_wanted(const struct pxe *p, uint32_t dst);

/* pxe_wait.c: runs an operation as a part of the task on top, or of the call. pxe_service's answer
 * is the call's. */
void pxe_run(struct pxe *p, const struct pxe_operation *op);
uint64_t pxe_service(struct pxe *p, struct fwcall *k, const struct pxe_operation *op);
/* The same, for a caller that has something to do with the result. NULL: too many tasks. */
struct task *pxe_task(struct pxe *p, struct fwcall *k, task_step *step);
uint64_t pxe_ms(const struct boot *b);

/* Operations; each *_run pushes a part. */
void pxe_dhcp_run(struct pxe *p, bool sort);
/* Picks server and type from what was offered; false when there is nothing to ask. */
bool pxe_discover_run(struct pxe *p);
/* File size or contents into guest memory at p->buffer of p->room bytes. */
void pxe_tftp_run(struct pxe *p, enum tftp_operation operation, uint32_t server, const char *name,
                  unsigned blksize);

boot_fn pxe_udp_write, pxe_udp_read, pxe_arp, pxe_dhcp, pxe_discover, pxe_mtftp;

/* pxe_boot.c */
void pxe_boot_attach(struct pxe *p);

#endif
