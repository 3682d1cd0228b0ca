/* Files of a volume: one interface over FAT and ISO 9660, made so that EFI_FILE_PROTOCOL maps onto
 * it call by call.
 *
 * Names are UCS-2, NUL-terminated, at most FS_NAME_MAX characters; paths use backslashes. Names
 * are compared without case. All errors are negative errno:
 *
 *   -ENOENT not there          EFI_NOT_FOUND         -EROFS read-only         WRITE_PROTECTED
 *   -ENOSPC volume full        VOLUME_FULL           -EIO device             DEVICE_ERROR
 *   -EUCLEAN damaged volume    VOLUME_CORRUPTED      -EACCES not in this mode ACCESS_DENIED
 *   -EFBIG over 4 GB - 1       VOLUME_FULL           -EINVAL bad argument     INVALID_PARAMETER
 *   -EEXIST name is taken      ACCESS_DENIED         -ENOTEMPTY               (delete warns)
 *   -EISDIR, -ENOTDIR          UNSUPPORTED           -ENOMEM                  OUT_OF_RESOURCES
 *   -ENOMEDIUM, -ESTALE: as the block device reports them
 *
 * Knows no guest memory. Not safe from several threads at once.
 */
#ifndef KITTSON_EFI_FILESYSTEM_H
#define KITTSON_EFI_FILESYSTEM_H

#include "blockdev.h"

#define FS_NAME_MAX 255
#define FS_PATH_MAX 4096 /* characters of a path, with its NUL */

/* Attributes, with EFI's values. */
#define FS_ATTR_READ_ONLY 0x01u
#define FS_ATTR_HIDDEN    0x02u
#define FS_ATTR_SYSTEM    0x04u
#define FS_ATTR_DIRECTORY 0x10u
#define FS_ATTR_ARCHIVE   0x20u
#define FS_ATTR_ALL       0x37u

/* Open modes. CREATE needs READ and WRITE; an existing file is opened, not emptied. */
#define FS_READ   1u
#define FS_WRITE  2u
#define FS_CREATE 4u

struct fs_time {
    uint16_t year; /* 0: not known */
    uint8_t month, day, hour, minute, second;
};

struct fs_info {
    uint16_t name[FS_NAME_MAX + 1]; /* empty for the root */
    uint64_t size;                  /* directories: 0 or their size on the volume */
    uint64_t allocated;
    uint32_t attributes;
    struct fs_time created, accessed, modified;
};

struct fs_volume {
    uint16_t label[FS_NAME_MAX + 1];
    uint64_t size, free; /* bytes */
    uint32_t block_size; /* the unit of allocation */
    bool read_only;
};

struct fs_options {
    bool read_only;
    void *opaque;
    void (*now)(void *opaque, struct fs_time *t); /* NULL: the host's local time */
};

struct fs;
struct fs_file; /* an open file or directory, with a position */

/* Recognises FAT or ISO 9660. dev is copied, what its opaque points to must outlive the volume.
 * 0, -ENOTSUP when it holds neither, -EUCLEAN when it holds a damaged one. */
int fs_mount(const struct block_dev *dev, const struct fs_options *options, struct fs **out);
/* Flushes. Files still open stay valid until they are closed; the volume goes with the last. */
void fs_unmount(struct fs *fs);
/* "FAT12", "FAT16", "FAT32", "ISO 9660". */
const char *fs_kind(const struct fs *fs);

int fs_volume_info(struct fs *fs, struct fs_volume *out);
int fs_set_label(struct fs *fs, const uint16_t *label);

int fs_root(struct fs *fs, struct fs_file **out);
/* A path that starts with a backslash is absolute, others start at `from`, which for a file means
 * its directory. "." and ".." are understood. attributes count for a file that is created; with
 * FS_ATTR_DIRECTORY a directory is made. */
int fs_open(struct fs_file *from, const uint16_t *path, unsigned mode, uint32_t attributes,
            struct fs_file **out);
/* Nothing is pending then: entries are kept up to date. Frees f whatever it returns. */
int fs_close(struct fs_file *f);
/* Removes the file or empty directory and frees f whatever it returns. */
int fs_delete(struct fs_file *f);

bool fs_is_dir(const struct fs_file *f);
/* The volume an open file is on. */
struct fs *fs_of(const struct fs_file *f);
/* From the position on, which moves. *len is cut at the end of the file; 0 there. A position
 * beyond the end is -EIO, as EFI's Read has it. */
int fs_read(struct fs_file *f, void *buf, uint64_t *len);
/* *len says how much was written, also on an error. A gap behind the old end is filled with
 * zeros. */
int fs_write(struct fs_file *f, const void *buf, uint64_t *len);
uint64_t fs_tell(const struct fs_file *f);
/* UINT64_MAX goes to the end. Directories: only 0, which starts the listing again. */
int fs_seek(struct fs_file *f, uint64_t position);

/* The next entry of a directory: 1 and *out filled, 0 at the end, or a negative errno. FAT lists
 * "." and ".." of subdirectories as entries, as EFI does. */
int fs_read_dir(struct fs_file *f, struct fs_info *out);
/* The entry read last comes again (for a caller whose buffer was too small). */
void fs_unread_dir(struct fs_file *f);

int fs_info(struct fs_file *f, struct fs_info *out);
/* Changes name (rename in place, or move when it contains a path), size, attributes and times to
 * what `to` says. Zero times stay as they are, and so does FS_ATTR_DIRECTORY (-EACCES when it
 * differs). Everything is checked before anything is changed. */
int fs_set_info(struct fs_file *f, const struct fs_info *to);
int fs_flush(struct fs_file *f);

/* --- what a file system driver provides; private to efi/ --- */

/* A file or directory in use, once however often it is open. Drivers embed it as first member. */
struct fs_node {
    struct fs *fs;
    struct fs_node *next, *parent; /* parent: NULL for the root */
    uint64_t id;                   /* unique among the volume's nodes; the driver's choice */
    unsigned refs;
    bool deleted;
    struct fs_info info;
};

struct fs_ops {
    const char *(*kind)(const struct fs *fs);
    size_t node_size;
    /* Fills the root node, already zeroed. */
    int (*root)(struct fs_node *root);
    /* The entry at *cursor, which moves behind it: 1 with `out` (a zeroed scratch node of
     * node_size: id and info are set), 0 at the end. Cursors start at 0. */
    int (*next)(struct fs_node *dir, uint64_t *cursor, struct fs_node *out);
    /* Whether a node has this as a second name; NULL: none has. */
    bool (*alias)(const struct fs_node *n, const uint16_t *name);
    /* Inside info.size. */
    int (*read)(struct fs_node *n, uint64_t offset, void *buf, size_t len);
    /* The calls below may be NULL in read-only drivers. They keep info and id up to date. write
     * starts at most at the end of the file; rename is only called when the name is free. */
    int (*write)(struct fs_node *n, uint64_t offset, const void *buf, size_t len, size_t *done);
    int (*create)(struct fs_node *dir, const uint16_t *name, uint32_t attr, struct fs_node *out);
    int (*remove)(struct fs_node *n);
    int (*rename)(struct fs_node *n, struct fs_node *dir, const uint16_t *name);
    int (*resize)(struct fs_node *n, uint64_t size);
    int (*update)(struct fs_node *n); /* writes attributes, times and size of the entry */
    int (*set_label)(struct fs *fs, const uint16_t *label);
    int (*volume)(struct fs *fs, struct fs_volume *out);
    int (*flush)(struct fs *fs);
    void (*free)(struct fs *fs); /* also frees the memory of fs */
};

/* Drivers embed it as first member and fill in ops, dev, options; the rest is filesystem.c's. */
struct fs {
    const struct fs_ops *ops;
    struct block_dev dev;
    struct fs_options options;
    bool read_only;
    unsigned refs;
    struct fs_node *nodes;
    struct fs_node *root;
};

void fs_now(const struct fs *fs, struct fs_time *t);
uint16_t fs_upcase(uint16_t c);
/* Like strcasecmp() and strlen(). */
int fs_name_compare(const uint16_t *a, const uint16_t *b);
size_t fs_name_length(const uint16_t *s);

#endif
