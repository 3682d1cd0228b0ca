/* LSI 53C1030 (Fusion-MPT): a parallel SCSI adapter with one bus, as a PCI function.
 *
 * Initiator only, no integrated RAID, no firmware to load or read. Its own id on the bus is 15, so
 * that targets may have 0 to 14. Commands run in the targets (target.h); everything here runs on
 * the processors' thread.
 */
#ifndef KITTSON_SCSI_MPT_H
#define KITTSON_SCSI_MPT_H

#include "pci.h"
#include "target.h"

#define MPT_TARGETS 15 /* ids 0 to 14 */

struct mpt_config {
    struct pci *pci;
    unsigned bus, device; /* function 0 */
    struct io_pool *io;   /* the one its targets use */
    uint64_t wwn;
    unsigned initiator; /* number its targets know it by */
};

struct mpt;

/* NULL with a negative errno in *err: the slot is taken, or out of memory. */
struct mpt *mpt_new(const struct mpt_config *config, int *err);
/* Waits for commands in flight. The targets stay the caller's. */
void mpt_free(struct mpt *m);

/* Puts a target on the bus, or takes it off (t NULL); commands to the old one must have ended. */
int mpt_attach(struct mpt *m, unsigned id, struct scsi_target *t);
struct scsi_target *mpt_target(struct mpt *m, unsigned id);

/* Saves or restores (utils/archive.h), while no command is under way; targets have a function of
 * their own. Version 1. */
struct archive;
void mpt_state(struct mpt *m, struct archive *s);

/* Commands and their bytes since the start. */
struct mpt_figures {
    uint64_t commands, bytes_read, bytes_written;
};
struct mpt_figures mpt_figures(const struct mpt *m);

#endif
