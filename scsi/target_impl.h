/* The insides of a target, shared by its command sets. Private to scsi/.
 *
 * A handler ends a command with scsi_good, scsi_reply or scsi_check, at once or from the function
 * given to scsi_io.
 */
#ifndef KITTSON_SCSI_TARGET_IMPL_H
#define KITTSON_SCSI_TARGET_IMPL_H

#include <string.h>
#include "target.h"

/* Sense: key << 16 | additional code << 8 | qualifier (SPC-3, tables 27 and 28). */
#define SENSE_BECOMING_READY     0x020401
#define SENSE_NEED_START         0x020402
#define SENSE_NO_MEDIUM          0x023a00
#define SENSE_NO_MEDIUM_OPEN     0x023a02
#define SENSE_WRITE_ERROR        0x030c00
#define SENSE_READ_ERROR         0x031100
#define SENSE_FORMAT_CORRUPTED   0x033100
#define SENSE_LIST_LENGTH        0x051a00
#define SENSE_INVALID_OPCODE     0x052000
#define SENSE_LBA_RANGE          0x052100
#define SENSE_INVALID_FIELD      0x052400
#define SENSE_NO_LUN             0x052500
#define SENSE_INVALID_PARAMETER  0x052600
#define SENSE_INVALID_RELEASE    0x052604
#define SENSE_NO_RESOURCES       0x055504
#define SENSE_MODE_FOR_TRACK     0x056400
#define SENSE_SAVING_UNSUPPORTED 0x053900
#define SENSE_REMOVAL_PREVENTED  0x055302
#define SENSE_WRITE_PROTECTED    0x072700
#define SENSE_INTERNAL           0x044400
#define SENSE_MISCOMPARE         0x0e1d00
/* Unit attentions. */
#define SENSE_MEDIUM_CHANGED          0x062800
#define SENSE_POWER_ON                0x062900
#define SENSE_BUS_RESET               0x062902
#define SENSE_MODE_CHANGED            0x062a01
#define SENSE_RESERVATIONS_PREEMPTED  0x062a03
#define SENSE_RESERVATIONS_RELEASED   0x062a04
#define SENSE_REGISTRATIONS_PREEMPTED 0x062a05

enum unit_attention {
    UA_POWER_ON,
    UA_BUS_RESET,
    UA_MEDIUM_CHANGED,
    UA_MODE_CHANGED,
    UA_RESERVATIONS_PREEMPTED,
    UA_RESERVATIONS_RELEASED,
    UA_REGISTRATIONS_PREEMPTED,
    UA_COUNT,
};

/* When a command is allowed, by reservations and the state of the medium. */
#define CMD_ANY_TIME   0x01u /* despite unit attentions and reservations */
#define CMD_MEDIUM     0x02u /* needs a medium */
#define CMD_WRITES     0x04u /* changes the medium or the device: persistent reservations */
#define CMD_READS      0x08u /* reads the medium: exclusive-access reservations */
#define CMD_NO_RESERVE 0x10u /* decides about reservations itself */

struct scsi_command {
    uint8_t opcode;
    uint8_t flags;
    void (*run)(struct scsi_target *t, struct scsi_request *r);
};

/* What the types differ in. */
struct scsi_type_ops {
    uint8_t device_type;                 /* of INQUIRY */
    const struct scsi_command *commands; /* first looked up; then the common ones */
    size_t count;
    /* Mode page `page` as power-on values and changeable bits, both with header; length, or 0. */
    unsigned (*mode_page)(struct scsi_target *t, unsigned page, uint8_t *values, uint8_t *mask);
    /* VPD page into buf of 256 bytes, from byte 4 on; length of that part, -1: no such page. */
    int (*vpd)(struct scsi_target *t, unsigned page, uint8_t *buf);
    const char *(*product)(const struct scsi_target *t);
    uint8_t (*device_specific)(const struct scsi_target *t); /* of mode parameter headers */
};

#define MODE_PAGE_MAX 64
#define MODE_PAGES    12
#define ECHO_SIZE     4096
#define RESERVE_KEYS  SCSI_INITIATORS

struct mode_page {
    uint8_t page, length; /* of data, header included */
    uint8_t data[MODE_PAGE_MAX];
};

struct reservation {
    int legacy; /* initiator of RESERVE, -1 none */
    uint32_t generation;
    uint64_t key[RESERVE_KEYS]; /* of each initiator, 0 not registered */
    int holder;                 /* -1 none */
    uint8_t type;
    bool aptpl;
};

struct scsi_target {
    enum scsi_type type;
    const struct scsi_type_ops *ops;
    struct store *store;
    struct io_pool *io;
    uint64_t wwn;
    char serial[21];
    unsigned block_size;
    uint64_t blocks;
    /* Task set. */
    struct scsi_request *waiting, **waiting_last;
    unsigned running;
    bool barrier, advancing;
    /* State. */
    uint32_t attention[SCSI_INITIATORS]; /* bit per enum unit_attention */
    struct mode_page mode[MODE_PAGES];
    unsigned modes;
    struct reservation reservation;
    bool stopped;
    uint32_t prevent; /* bit per initiator */
    bool tray_open;
    uint32_t medium_number; /* counts media that came */
    unsigned media_event;   /* dvd: what GET EVENT STATUS tells next */
    uint8_t echo[ECHO_SIZE];
};

static inline uint32_t be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t be24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | be16(p + 1);
}

static inline uint32_t be32(const uint8_t *p)
{
    return be16(p) << 16 | be16(p + 2);
}

static inline uint64_t be64(const uint8_t *p)
{
    return (uint64_t)be32(p) << 32 | be32(p + 4);
}

static inline void put16(uint8_t *p, uint64_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void put24(uint8_t *p, uint64_t v)
{
    p[0] = (uint8_t)(v >> 16);
    put16(p + 1, v);
}

static inline void put32(uint8_t *p, uint64_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static inline void put64(uint8_t *p, uint64_t v)
{
    put32(p, v >> 32);
    put32(p + 4, v);
}

/* Text of exactly n bytes, filled with blanks. */
void scsi_text(uint8_t *p, size_t n, const char *text);

/* --- ends of commands --- */
void scsi_good(struct scsi_request *r);
void scsi_check(struct scsi_request *r, uint32_t sense);
/* With the address of the block in the information field. */
void scsi_check_lba(struct scsi_request *r, uint32_t sense, uint64_t lba);
void scsi_conflict(struct scsi_request *r);
/* Data of len bytes, cut to the allocation length and to what the initiator takes. */
void scsi_reply(struct scsi_request *r, const void *data, size_t len, size_t allocation);
/* Parameter list of len bytes, or NULL after ending the command when the initiator did not send
 * that much. */
const uint8_t *scsi_parameters(struct scsi_request *r, size_t len);

void scsi_format_sense(uint8_t sense[SCSI_SENSE_SIZE], uint32_t code, bool valid, uint64_t info);

/* Raises a unit attention for all initiators but one (-1: all). */
void scsi_attention(struct scsi_target *t, enum unit_attention ua, int except);
/* The next pending one as sense code, or 0; taken. */
uint32_t scsi_take_attention(struct scsi_target *t, unsigned initiator);

/* --- the medium --- */
/* Starts an operation of the pool; then(r, err) goes on. */
void scsi_io(struct scsi_request *r, enum io_op op, uint64_t offset, uint64_t len, void *buf,
             void (*then)(struct scsi_request *r, int err));
/* Ends a command as its operation ended. */
void scsi_then_status(struct scsi_request *r, int err);
/* Sense of a failed operation, told once on the console. */
uint32_t scsi_io_sense(const struct scsi_request *r, int err);
void scsi_medium_loaded(struct scsi_target *t);

/* --- tables --- */
extern const struct scsi_type_ops scsi_disk_ops, scsi_dvd_ops;
const struct scsi_command *scsi_spc_command(uint8_t opcode);

/* --- mode pages (spc.c) --- */
void scsi_mode_init(struct scsi_target *t);
struct mode_page *scsi_mode_page(struct scsi_target *t, unsigned page);

/* --- reservations (reserve.c) --- */
void scsi_reserve(struct scsi_target *t, struct scsi_request *r);
void scsi_release(struct scsi_target *t, struct scsi_request *r);
void scsi_pr_in(struct scsi_target *t, struct scsi_request *r);
void scsi_pr_out(struct scsi_target *t, struct scsi_request *r);
bool scsi_reserved_against(const struct scsi_target *t, const struct scsi_request *r,
                           unsigned flags);
void scsi_reservation_reset(struct scsi_target *t, bool power);

#endif
