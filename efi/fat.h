/* The inside of the FAT driver: the volume, its allocation table, directories. Private to efi/.
 *
 * fs_fat.c has the volume and file contents, fat_alloc.c the allocation table, fat_dir.c entries
 * and names, fat_format.c the formatter. Not here: what the tables' numbers mean to EFI.
 *
 * Simplifications: the "volume is in use" flags of FAT[1] are left alone, and short names have no
 * code page (bytes from 0x80 are taken as Latin-1).
 */
#ifndef KITTSON_EFI_FAT_H
#define KITTSON_EFI_FAT_H

#include "fs_fat.h"
#include "le.h"

#define FAT_ENTRY     32u
#define FAT_DIR_MAX   (65536u * FAT_ENTRY) /* bytes of a directory, by the FAT specification */
#define FAT_SLOTS_MAX 21                   /* 20 entries of a long name, 1 short one */
#define FAT_FILE_MAX  0xffffffffull
#define FAT_WINDOW    65536u

#define FAT_ATTR_VOLUME 0x08
#define FAT_ATTR_LONG   0x0f

/* Offsets in a directory entry. */
enum {
    DE_ATTR = 11,
    DE_CASE = 12,
    DE_CTIME_10MS = 13,
    DE_CTIME = 14,
    DE_CDATE = 16,
    DE_ADATE = 18,
    DE_CLUSTER_HIGH = 20,
    DE_MTIME = 22,
    DE_MDATE = 24,
    DE_CLUSTER_LOW = 26,
    DE_SIZE = 28,
};

struct fat {
    struct fs fs;
    unsigned bits;
    uint32_t sector, cluster; /* bytes */
    uint32_t clusters;        /* numbered from 2 */
    uint64_t table, table_size;
    unsigned tables;
    uint64_t root, root_size; /* of FAT12 and FAT16 */
    uint32_t root_cluster;    /* of FAT32 */
    uint64_t data;
    uint64_t info;      /* where the FSInfo sector is, 0: none */
    uint64_t label;     /* where the boot sector has the label */
    uint32_t free;      /* clusters; FAT_UNKNOWN before they are counted */
    bool free_counted;  /* free is not just what FSInfo says */
    bool free_changed;  /* FSInfo is out of date */
    uint32_t next_free; /* where to look first */
    /* A piece of the table; [dirty_low, dirty_high) has to be written. */
    uint8_t *window;
    uint64_t window_at;
    uint32_t window_size, dirty_low, dirty_high;
    /* The block of a directory that was used last. */
    uint8_t *block;
    uint64_t block_lba;
    bool block_valid;
};
#define FAT_UNKNOWN 0xffffffffu

struct fat_node {
    struct fs_node node; /* id is the position of the short entry on the device */
    uint32_t first;      /* cluster, 0: none */
    uint32_t slot;       /* offset in the directory of the first of its entries */
    unsigned slots;
    uint8_t short_name[11];
    uint32_t index, current; /* cluster number `index` of the file is `current`; 0: not known */
};

static inline struct fat *fat_of(const struct fs_node *n)
{
    return (struct fat *)n->fs;
}

static inline struct fat_node *fat_node_of(struct fs_node *n)
{
    return (struct fat_node *)n;
}

/* fs_fat.c */
int fat_dev_read(struct fat *f, uint64_t at, void *buf, size_t len);
int fat_dev_write(struct fat *f, uint64_t at, const void *buf, size_t len);
int fat_zero(struct fat *f, uint64_t at, uint64_t len);
uint64_t fat_cluster_at(const struct fat *f, uint32_t cluster);
/* Moves to cluster number `index` of a file or directory: 1, 0 behind the end of its chain, or
 * -EUCLEAN. */
int fat_seek(struct fat_node *n, uint32_t index, uint32_t *cluster);

/* fat_alloc.c */
bool fat_cluster_ok(const struct fat *f, uint32_t cluster);
/* The cluster behind another: 1, 0 at the end of a chain, or -EUCLEAN or -EIO. */
int fat_next(struct fat *f, uint32_t cluster, uint32_t *next);
/* Links two clusters; next 0 makes an end. Takes effect with fat_sync(). */
int fat_link(struct fat *f, uint32_t cluster, uint32_t next);
/* A chain of up to `count` free clusters, on disk when it returns. -ENOSPC when there is none. */
int fat_alloc(struct fat *f, uint32_t count, uint32_t *first, uint32_t *got);
/* Frees a chain up to its end or its damage. */
int fat_free_chain(struct fat *f, uint32_t first);
/* Writes what has changed of the table to all its copies, and FSInfo. */
int fat_sync(struct fat *f);
int fat_count_free(struct fat *f, uint32_t *count);

/* fat_dir.c */
int fat_dir_next(struct fs_node *dir, uint64_t *cursor, struct fs_node *out);
bool fat_dir_alias(const struct fs_node *n, const uint16_t *name);
int fat_dir_create(struct fs_node *dir, const uint16_t *name, uint32_t attr, struct fs_node *out);
int fat_dir_remove(struct fs_node *n);
int fat_dir_rename(struct fs_node *n, struct fs_node *dir, const uint16_t *name);
int fat_dir_update(struct fs_node *n);
/* The volume label's entry. get: 1, or 0 when there is none. An empty label removes it. */
int fat_dir_get_label(struct fat *f, uint8_t label[11]);
int fat_dir_set_label(struct fat *f, const uint8_t label[11]);

/* fat_name.c */
struct fat_short {
    uint8_t name[11];
    unsigned base; /* characters of the base name */
    bool exact;    /* it says all there is to say: no long name is needed */
    bool lossy;    /* characters were dropped or changed: it needs a ~number */
};
/* Whether a name may be a long name. */
bool fat_name_ok(const uint16_t *name);
void fat_short_make(const uint16_t *name, struct fat_short *out);
/* Puts ~number at the end of the base name. */
void fat_short_number(struct fat_short *s, unsigned number);
/* The number with which `taken` has the form of s with a ~number, or 0. */
unsigned fat_short_taken(const struct fat_short *s, const uint8_t taken[11]);
void fat_short_text(const uint8_t name[11], uint8_t flags, uint16_t out[13]);
uint8_t fat_short_sum(const uint8_t name[11]);
/* Entry `i` (0 is the last part, which comes first on disk) of `count` of a long name. */
void fat_long_entry(const uint16_t *name, unsigned i, unsigned count, uint8_t sum,
                    uint8_t e[FAT_ENTRY]);
unsigned fat_long_count(const uint16_t *name);
void fat_time_get(uint16_t date, uint16_t time, uint8_t ten_ms, struct fs_time *t);
void fat_time_put(const struct fs_time *t, uint16_t *date, uint16_t *time, uint8_t *ten_ms);

#endif
