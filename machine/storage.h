/* SCSI adapters, disks and disc drives of a machine, put together from its configuration.
 *
 * Private to machine/. Knows which board slots there are only through PCI bus and device numbers.
 */
#ifndef KITTSON_MACHINE_STORAGE_H
#define KITTSON_MACHINE_STORAGE_H

#include <stdio.h>
#include "machine.h"
#include "pci.h"
#include "target.h"

struct storage;

/* 0, or a negative errno with one sentence in why; *out may then be set and is to be freed. */
int storage_new(const struct machine_config *config, struct pci *pci, struct storage **out,
                char *why, size_t size);
/* Ends commands in flight, flushes and closes the stores. */
void storage_free(struct storage *s);

/* What firmware does with drives at power-on: tests each until it has told that it was reset. */
void storage_probe(struct storage *s);
/* Ends commands that the host has finished. */
void storage_poll(struct storage *s);
/* Descriptor to wait for while commands are in flight, -1 when there are none. */
int storage_fd(const struct storage *s);

/* Drive n of the configuration: the target; its medium is scsi_target_store(). */
struct scsi_target *storage_target(struct storage *s, unsigned n);
int storage_eject(struct storage *s, unsigned n, bool force, char *why, size_t size);
int storage_insert(struct storage *s, unsigned n, const char *name, char *why, size_t size);
/* A drive that comes or goes while the machine runs: entry n of the configuration, on an adapter
 * that is there. Detaching and replacing refuse (-EBUSY) while its commands are under way;
 * afterwards there is no target n. replace gives it the medium of d, whose
 * place and kind are the same. */
int storage_attach(struct storage *s, unsigned n, char *why, size_t size);
int storage_detach(struct storage *s, unsigned n, char *why, size_t size);
int storage_replace(struct storage *s, unsigned n, const struct machine_drive *d, char *why,
                    size_t size);
/* What is in drive n; name is NULL when it is empty, and the store's otherwise. */
struct storage_medium {
    const char *name;
    bool read_only, locked; /* locked: the guest wants it to stay */
};
struct storage_medium storage_medium(struct storage *s, unsigned n);
/* The disc images of drive n's directory by name: files that end in .iso, in order. */
int storage_discs(struct storage *s, unsigned n, void (*each)(void *opaque, const char *name),
                  void *opaque, char *why, size_t size);
/* For snapshots (snapshot.h). settle: nothing is under way and everything is stable; -EBUSY, with
 * one sentence in why, when a disk would change after it was saved (not if this is the last).
 * state: adapters, targets and which media there are. The others: the blocks of overlays, in
 * sections. */
struct archive;
struct section;
struct section_writer;
int storage_settle(struct storage *s, bool last, char *why, size_t size);
void storage_state(struct storage *s, struct archive *a);
int storage_save_blocks(struct storage *s, struct section_writer *out, char *why, size_t size);
int storage_empty_overlays(struct storage *s, char *why, size_t size);
int storage_load_blocks(struct storage *s, const struct section *in, char *why, size_t size);
void storage_print_stats(const struct storage *s, FILE *out);

#endif
