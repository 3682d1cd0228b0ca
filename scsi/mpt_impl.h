/* The insides of the 53C1030, shared by its parts. Private to scsi/.
 *
 * Names and numbers are those of the Fusion-MPT Message Passing Interface, version 1.2.
 */
#ifndef KITTSON_SCSI_MPT_IMPL_H
#define KITTSON_SCSI_MPT_IMPL_H

#include <string.h>
#include "mpt.h"

#define MPT_IDS     16
#define MPT_HOST_ID 15

#define FRAME_SIZE    128u  /* bytes of a request frame */
#define REPLY_MAX     128u  /* bytes of a reply */
#define CREDITS       255u  /* requests the host may have outstanding */
#define REPLY_DEPTH   256u  /* what the host is told */
#define FIFO_SIZE     1024u /* what there is; power of two */
#define PENDING_MAX   2048u
#define IOS_MAX       1024u
#define BYTES_MAX     (256u << 20) /* data buffers of commands in flight */
#define HANDSHAKE_MAX 256u         /* double words a handshake can have */
#define MAX_SEGMENTS  8192u
#define MAX_CHAINS    512u

/* Functions. */
#define FN_SCSI_IO            0x00u
#define FN_SCSI_TASK_MGMT     0x01u
#define FN_IOC_INIT           0x02u
#define FN_IOC_FACTS          0x03u
#define FN_CONFIG             0x04u
#define FN_PORT_FACTS         0x05u
#define FN_PORT_ENABLE        0x06u
#define FN_EVENT_NOTIFICATION 0x07u
#define FN_EVENT_ACK          0x08u
#define FN_FW_DOWNLOAD        0x09u
#define FN_FW_UPLOAD          0x12u

/* IOCStatus. */
#define IOC_SUCCESS                0x0000u
#define IOC_INVALID_FUNCTION       0x0001u
#define IOC_BUSY                   0x0002u
#define IOC_INVALID_SGL            0x0003u
#define IOC_INSUFFICIENT_RESOURCES 0x0006u
#define IOC_INVALID_FIELD          0x0007u
#define IOC_INVALID_STATE          0x0008u
#define IOC_CONFIG_INVALID_ACTION  0x0020u
#define IOC_CONFIG_INVALID_TYPE    0x0021u
#define IOC_CONFIG_INVALID_PAGE    0x0022u
#define IOC_CONFIG_INVALID_DATA    0x0023u
#define IOC_CONFIG_CANT_COMMIT     0x0025u
#define IOC_SCSI_INVALID_BUS       0x0041u
#define IOC_SCSI_INVALID_TARGETID  0x0042u
#define IOC_SCSI_DEVICE_NOT_THERE  0x0043u
#define IOC_SCSI_DATA_UNDERRUN     0x0045u
#define IOC_SCSI_IO_DATA_ERROR     0x0046u
#define IOC_SCSI_TASK_TERMINATED   0x0048u
#define IOC_SCSI_IOC_TERMINATED    0x004bu

/* Events. */
#define EVENT_IOC_BUS_RESET 0x04u
#define EVENT_EVENT_CHANGE  0x0au

/* Fault codes. */
#define FAULT_REQUEST_BUS 0x8112u /* a request frame cannot be read */
#define FAULT_REPLY_BUS   0x8114u /* a reply frame cannot be written */
#define FAULT_NO_REPLIES  0x8200u /* too many replies without frames for them */

enum ioc_state { IOC_RESET = 0, IOC_READY = 1, IOC_OPERATIONAL = 2, IOC_FAULT = 4 };

enum doorbell { DB_IDLE, DB_REQUEST, DB_REPLY };

struct fifo {
    uint32_t entry[FIFO_SIZE];
    unsigned head, count;
};

/* A reply that waits for a frame or for room. len 0: a context reply. */
struct pending {
    struct pending *next;
    uint32_t context;
    unsigned len;
    uint8_t data[REPLY_MAX];
};

struct segment {
    uint64_t addr;
    uint32_t len;
};

struct mpt;

/* A SCSI command in flight. */
struct mpt_io {
    struct scsi_request request;
    struct mpt *mpt;
    struct mpt_io *next, **link;
    uint8_t frame[0x30]; /* the request's head */
    struct segment *segments;
    unsigned count;
    uint32_t buffer_size;
    bool aborted; /* ends as terminated */
    bool dropped; /* ends without reply */
};

/* A task management function that waits for the commands it ended. */
struct mpt_task {
    struct mpt_task *next;
    uint8_t frame[0x34];
    bool handled;
    uint32_t terminated;
};

struct mpt_settings {
    uint32_t io_unit_flags;
    uint32_t ioc1[3];
    uint8_t ioc4[16];
    uint32_t port1[3];
    uint32_t port2[2];
    uint32_t device[MPT_IDS]; /* of port page 2: timeout, factor, flags */
    uint32_t requested[MPT_IDS];
    uint32_t configuration[MPT_IDS];
    uint32_t validation[MPT_IDS][3];
};

struct mpt {
    struct pci_function *pci;
    struct io_pool *io;
    uint64_t wwn;
    unsigned initiator;
    unsigned bus, device;
    struct scsi_target *target[MPT_IDS];
    /* Registers. */
    enum ioc_state state;
    uint16_t fault;
    uint32_t int_mask;
    bool doorbell_int;
    unsigned sequence; /* keys of the write sequence seen */
    uint32_t diagnostic;
    uint32_t diag_address;
    /* Handshake through the doorbell. */
    enum doorbell doorbell;
    uint32_t hs_request[HANDSHAKE_MAX];
    unsigned hs_count, hs_expected;
    uint8_t hs_reply[REPLY_MAX];
    unsigned hs_size, hs_index; /* of the reply, in 16-bit words */
    bool in_handshake;          /* a handshake's message is being processed */
    /* Queues. */
    struct fifo free, post;
    struct pending *pending, **pending_last;
    unsigned pending_count;
    /* What IOC_INIT said. */
    uint8_t who_init, max_devices, max_buses;
    uint32_t reply_size;
    uint32_t mfa_high, sense_high;
    /* Events. */
    bool events;
    uint32_t event_context;
    uint32_t event_number;
    /* Commands. */
    struct mpt_io *ios;
    unsigned io_count;
    uint64_t io_bytes;
    struct mpt_task *tasks;
    struct mpt_settings settings;
    struct mpt_figures figures;
};

static inline uint32_t le16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t le32(const uint8_t *p)
{
    return le16(p) | le16(p + 2) << 16;
}

static inline uint64_t le64(const uint8_t *p)
{
    return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static inline void set16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void set32(uint8_t *p, uint32_t v)
{
    set16(p, v);
    set16(p + 2, v >> 16);
}

/* --- mpt.c --- */
/* Starts a reply to a message: its head, the length, the status. The rest is zeros. */
void mpt_reply_init(uint8_t *reply, const uint8_t *request, unsigned len, unsigned ioc_status);
/* Sends it where the message came from: by handshake or as address reply. */
void mpt_reply(struct mpt *m, const uint8_t *reply, unsigned len);
/* As address reply in any case. */
void mpt_post_reply(struct mpt *m, const uint8_t *reply, unsigned len);
void mpt_post_context(struct mpt *m, uint32_t context);
void mpt_set_fault(struct mpt *m, unsigned code);
void mpt_reset_messages(struct mpt *m);

/* --- mpt_ioc.c --- */
/* A message of size bytes; frame has at least FRAME_SIZE bytes, zeros after size. */
void mpt_message(struct mpt *m, const uint8_t *frame, unsigned size);
void mpt_event(struct mpt *m, uint32_t event, uint32_t data);

/* --- mpt_io.c --- */
void mpt_scsi_io(struct mpt *m, const uint8_t *frame);
void mpt_task_mgmt(struct mpt *m, const uint8_t *frame);
/* Ends everything without replies; waits for what runs. */
void mpt_drop_all(struct mpt *m);
/* Resets the targets. */
void mpt_bus_reset(struct mpt *m, bool power);
/* One simple element, as config requests and firmware transfers have it; false if it is none. */
bool mpt_simple_element(const uint8_t *p, size_t left, struct segment *out);

/* --- mpt_config.c --- */
void mpt_config(struct mpt *m, const uint8_t *frame);
void mpt_settings_init(struct mpt *m);

#endif
