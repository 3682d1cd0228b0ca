/* SCSI targets: virtual disks (SPC-3, SBC-2) and discs (MMC-5) on backing stores.
 *
 * Executes commands for an adapter and knows no bus: one logical unit (0) per target, up to
 * SCSI_INITIATORS initiators. Commands that touch the medium run in the pool of io.h; everything
 * else, and every callback, is on the caller's thread.
 */
#ifndef KITTSON_SCSI_TARGET_H
#define KITTSON_SCSI_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "io.h"
#include "store.h"

#define SCSI_INITIATORS   8
#define SCSI_CDB_SIZE     16
#define SCSI_SENSE_SIZE   18
#define SCSI_MAX_TRANSFER (16u << 20) /* bytes in one command */

enum scsi_status {
    SCSI_GOOD = 0x00,
    SCSI_CHECK_CONDITION = 0x02,
    SCSI_RESERVATION_CONFLICT = 0x18,
    SCSI_TASK_SET_FULL = 0x28,
};

enum scsi_direction { SCSI_NO_DATA, SCSI_DATA_IN, SCSI_DATA_OUT };
enum scsi_attribute { SCSI_SIMPLE, SCSI_HEAD_OF_QUEUE, SCSI_ORDERED };

struct scsi_target;

/* A command. The caller fills the first part, owns the memory, and keeps it until done was
 * called; done may be called inside scsi_submit. */
struct scsi_request {
    uint8_t cdb[SCSI_CDB_SIZE];
    unsigned initiator; /* below SCSI_INITIATORS */
    bool lun0;          /* addressed to logical unit 0, the one there is */
    enum scsi_attribute attribute;
    enum scsi_direction direction;
    uint8_t *data; /* length bytes to take (out) or fill (in) */
    uint32_t length;
    void *opaque;
    void (*done)(struct scsi_request *r);
    /* Answer. */
    uint8_t status;
    uint8_t sense_length;
    uint8_t sense[SCSI_SENSE_SIZE];
    uint32_t transferred; /* bytes of data used */
    /* The target's. */
    struct scsi_target *target;
    struct scsi_request *next;
    struct io_job job;
    void (*then)(struct scsi_request *r, int err);
    uint64_t lba;
    uint8_t *scratch;
    unsigned step;
};

enum scsi_type { SCSI_DISK, SCSI_DVD };

struct scsi_target_config {
    enum scsi_type type;
    struct store *store; /* becomes the target's, also on failure; NULL: no medium (SCSI_DVD) */
    uint64_t wwn;        /* told apart from others by this */
    const char *serial;  /* up to 20 characters, copied; NULL: made from wwn */
    struct io_pool *io;
};

/* NULL when out of memory or the configuration makes no sense. */
struct scsi_target *scsi_target_new(const struct scsi_target_config *config);
/* Nothing may be in flight. */
void scsi_target_free(struct scsi_target *t);

void scsi_submit(struct scsi_target *t, struct scsi_request *r);
/* Takes back a command that has not started; its done is not called. False: it runs, and done will
 * be called, soon when its access to the medium has not begun. */
bool scsi_cancel(struct scsi_target *t, struct scsi_request *r);
/* Power-on or bus reset; nothing may be in flight. Power also forgets registrations without
 * APTPL and mode pages. */
void scsi_reset(struct scsi_target *t, bool power);

/* Removable media (SCSI_DVD). Eject waits for commands in flight. -EBUSY: the guest prevents it
 * (and force is not set); -ENOMEDIUM: there is none. Insert takes the store over: -EBUSY when there
 * is a medium. -ENOTSUP for a disk. */
int scsi_eject(struct scsi_target *t, bool force);
int scsi_insert(struct scsi_target *t, struct store *store);

/* Whether the guest prevents the removal of the medium. */
bool scsi_target_locked(const struct scsi_target *t);

/* Whether commands are queued or under way. */
bool scsi_busy(const struct scsi_target *t);

/* A number that changes with the medium, the same in every run. */
uint32_t scsi_target_medium_number(const struct scsi_target *t);
/* Puts another store in the place of the medium, or none (NULL), as if it had always been there;
 * the old one is closed. */
void scsi_target_set_store(struct scsi_target *t, struct store *store);
/* Saves or restores all but the medium (utils/archive.h), while no command is under way. Version 1.
 */
struct archive;
void scsi_target_state(struct scsi_target *t, struct archive *s);

enum scsi_type scsi_target_type(const struct scsi_target *t);
/* Vendor (8 characters), product and revision as INQUIRY has them, with blanks between. */
#define SCSI_IDENTITY_SIZE 31
void scsi_target_identity(const struct scsi_target *t, char text[SCSI_IDENTITY_SIZE]);
/* The medium, or NULL. For firmware: its own reads and writes go to the store. */
struct store *scsi_target_store(struct scsi_target *t);
unsigned scsi_target_block_size(const struct scsi_target *t);

#endif
