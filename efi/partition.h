/* Partitions of a disk: GPT, MBR with extended partitions, and the EFI images of an El Torito boot
 * catalogue.
 *
 * Finds and checks, never writes. What a partition needs for its EFI device path is in the
 * structure. Nested schemes (a partition table inside a partition) are found by scanning a
 * block_view of the partition.
 */
#ifndef KITTSON_EFI_PARTITION_H
#define KITTSON_EFI_PARTITION_H

#include "blockdev.h"

#define PART_MAX 256 /* partitions of a device that are listed; more are left out */

enum part_scheme { PART_NONE, PART_MBR, PART_GPT, PART_ELTORITO };

/* SignatureType of an HD() device path node; PART_MBR and PART_GPT are its MBRType. */
enum { PART_SIG_NONE, PART_SIG_MBR, PART_SIG_GUID };

struct partition {
    enum part_scheme scheme;
    uint32_t number;         /* GPT: entry from 1; MBR: 1..4, logical ones from 5;
                                El Torito: entry of the catalogue, 0 is the default entry */
    uint64_t start, blocks;  /* in blocks of the device */
    uint8_t type_guid[16];   /* as stored on disk; zeros unless GPT */
    uint8_t unique_guid[16]; /* the same */
    uint64_t attributes;     /* GPT */
    uint16_t name[37];       /* GPT, NUL-terminated */
    uint8_t mbr_type;        /* MBR partition type, El Torito: system type byte */
    bool active;             /* MBR: flagged active; El Torito: entry is bootable */
    uint8_t platform;        /* El Torito platform id, 0xef is EFI */
    uint8_t sig_type;        /* for HD(): PART_SIG_* */
    uint8_t signature[16];   /* for HD(): unique GUID, or the disk's 4 bytes and zeros */
};

struct partition_list {
    enum part_scheme scheme;
    unsigned count;
    struct partition part[PART_MAX];
    bool used_backup;      /* GPT: the primary header or table is damaged, the backup is not */
    uint8_t disk_guid[16]; /* GPT */
    uint32_t disk_sig;     /* MBR */
    char note[160];        /* one sentence when something is wrong with the tables, else empty */
};

/* Looks for GPT, then El Torito, then MBR; a device without partitions gives an empty list and 0.
 * Damaged tables are never an error: what is valid is listed, note says what is not. Negative
 * errno only when the device cannot be read. */
int partition_scan(const struct block_dev *d, struct partition_list *out);

/* The EFI system partition type, as stored on disk. */
extern const uint8_t partition_esp_guid[16];
bool partition_is_esp(const struct partition *p);

/* The single schemes: 1 found, 0 not there, or a negative errno. Private to efi/ and tests. */
int part_gpt_scan(const struct block_dev *d, struct partition_list *out);
int part_mbr_scan(const struct block_dev *d, struct partition_list *out);
int part_eltorito_scan(const struct block_dev *d, struct partition_list *out);

/* CRC-32 of IEEE 802.3, as GPT has it. */
uint32_t partition_crc32(const void *data, size_t len);

#endif
