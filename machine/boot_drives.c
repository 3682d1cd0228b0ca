/* The machine's drives as the firmware's boot services see them: the media of the SCSI targets,
 * read and written on the host. */
#include "blockdev.h"
#include "machine_impl.h"

#include <errno.h>
#include <stdio.h>

static int drive_read(void *opaque, uint64_t lba, uint32_t count, void *buf)
{
    struct scsi_target *t = opaque;
    struct store *s = scsi_target_store(t);
    unsigned size = scsi_target_block_size(t);
    if (s == NULL)
        return -ENOMEDIUM;
    return store_read(s, lba * size, buf, (size_t)count * size);
}

static int drive_write(void *opaque, uint64_t lba, uint32_t count, const void *buf)
{
    struct scsi_target *t = opaque;
    struct store *s = scsi_target_store(t);
    unsigned size = scsi_target_block_size(t);
    if (s == NULL)
        return -ENOMEDIUM;
    return store_write(s, lba * size, buf, (size_t)count * size);
}

static int drive_flush(void *opaque)
{
    struct store *s = scsi_target_store(opaque);
    return s == NULL ? -ENOMEDIUM : store_flush(s);
}

static int medium(void *opaque, struct block_dev *dev, uint32_t *id)
{
    struct scsi_target *t = opaque;
    struct store *s = t != NULL ? scsi_target_store(t) : NULL; /* NULL: the drive was taken away */
    if (s == NULL)
        return -ENOMEDIUM;
    *id = scsi_target_medium_number(t);
    *dev = (struct block_dev){.opaque = t,
                              .block_size = scsi_target_block_size(t),
                              .read_only = store_read_only(s) || scsi_target_type(t) == SCSI_DVD,
                              .read = drive_read,
                              .write = drive_write,
                              .flush = drive_flush};
    dev->blocks = store_size(s) / dev->block_size;
    return 0;
}

static void identity(void *opaque, char *text, size_t size)
{
    char full[SCSI_IDENTITY_SIZE] = "";

    if (opaque != NULL)
        scsi_target_identity(opaque, full);
    snprintf(text, size, "%s", full);
}

void machine_give_drives(struct machine *m)
{
    const struct machine_config *c = &m->config;
    struct storage *s = board_storage(m->board);
    for (unsigned i = 0; i < c->drive_count; i++) {
        const struct machine_drive *d = &c->drives[i];
        m->drives[i] = (struct firmware_drive){.root = d->bus,
                                               .device = d->slot,
                                               .target = d->target,
                                               .removable = d->dvd,
                                               .opaque = storage_target(s, i),
                                               .medium = medium,
                                               .identity = identity};
    }
    firmware_set_drives(m->firmware, m->drives, c->drive_count);
}
