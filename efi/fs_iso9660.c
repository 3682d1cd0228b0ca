/* ISO 9660 (ECMA-119) with Rock Ridge and Joliet names. See fs_iso9660.h. */
#include "fs_iso9660.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "le.h"

#define SECTOR       2048u
#define DESCRIPTORS  16u /* sector of the first volume descriptor */
#define DESCRIPTOR_N 64  /* descriptors looked at */
#define EXTENTS_MAX  64
#define DIR_MAX      (64u << 20) /* bytes of a directory */
#define CONTINUE_MAX 32          /* continuation areas of one record */

enum { DESC_PRIMARY = 1, DESC_SUPPLEMENTARY = 2, DESC_END = 255 };

/* Offsets in a directory record, and its flags. */
enum {
    DR_EXTENT = 2,
    DR_SIZE = 10,
    DR_DATE = 18,
    DR_FLAGS = 25,
    DR_UNIT = 26,
    DR_NAME_LEN = 32,
    DR_NAME = 33,
};
enum { DF_HIDDEN = 1, DF_DIRECTORY = 2, DF_ASSOCIATED = 4, DF_MULTI = 0x80 };

struct iso {
    struct fs fs;
    uint32_t block; /* size of a logical block */
    uint64_t size;  /* of the volume */
    bool joliet, rock_ridge;
    unsigned skip; /* bytes in front of Rock Ridge's fields */
    uint8_t root[34], label[32];
    uint8_t sector[SECTOR]; /* of a directory, as far as it goes */
    uint64_t sector_at;
    uint32_t sector_len;
};

struct extent {
    uint32_t block, size;
};

struct iso_node {
    struct fs_node node; /* id: where its first record is on the device */
    unsigned extents;
    struct extent extent[EXTENTS_MAX];
};

/* What Rock Ridge says about a record. */
struct rock {
    uint8_t name[1024];
    unsigned name_len;
    uint32_t mode, child;
    bool has_mode, link, relocated, has_child;
};

static struct iso *iso_of(const struct fs_node *n)
{
    return (struct iso *)n->fs;
}

static int dev_read(struct iso *v, uint64_t at, void *buf, size_t len)
{
    int err = block_read_bytes(&v->fs.dev, at, buf, len);

    return err == -EINVAL ? -EIO : err; /* a disc that is shorter than its volume */
}

/* The bytes at `offset` of a file, and how many of them are next to each other. */
static bool find(const struct iso_node *n, uint64_t offset, uint64_t *at, uint64_t *run)
{
    for (unsigned i = 0; i < n->extents; i++) {
        if (offset < n->extent[i].size) {
            *at = (uint64_t)n->extent[i].block * iso_of(&n->node)->block + offset;
            *run = n->extent[i].size - offset;
            return true;
        }
        offset -= n->extent[i].size;
    }
    return false;
}

static int read_file(struct fs_node *node, uint64_t offset, void *buf, size_t len)
{
    uint8_t *p = buf;
    uint64_t at, n;
    int err = 0;

    for (; len && !err; p += n, offset += n, len -= n) {
        if (!find((struct iso_node *)node, offset, &at, &n))
            return -EIO;
        n = n < len ? n : len;
        err = dev_read(iso_of(node), at, p, n);
    }
    return err;
}

/* Loads the sector of a directory that has an offset. */
static int load(struct iso_node *dir, uint64_t offset)
{
    struct iso *v = iso_of(&dir->node);
    uint64_t at, run;
    int err;

    if (!find(dir, offset / SECTOR * SECTOR, &at, &run))
        return -EUCLEAN;
    run = run < SECTOR ? run : SECTOR;
    if (v->sector_len == run && v->sector_at == at)
        return 0;
    v->sector_len = 0;
    err = dev_read(v, at, v->sector, run);
    if (!err) {
        v->sector_at = at;
        v->sector_len = (uint32_t)run;
    }
    return err;
}

/* The record at *offset, copied to r; *offset moves behind it. 1, 0 at the end, or an error. */
static int next_record(struct iso_node *dir, uint64_t *offset, uint8_t r[256], uint64_t *at)
{
    struct iso *v = iso_of(&dir->node);

    while (*offset < dir->node.info.size) {
        uint32_t in = (uint32_t)(*offset % SECTOR);
        unsigned len;
        int err = load(dir, *offset);

        if (err)
            return err;
        len = in < v->sector_len ? v->sector[in] : 0;
        if (len == 0) { /* records do not cross sectors */
            *offset = (*offset / SECTOR + 1) * SECTOR;
            continue;
        }
        if (len <= DR_NAME || len > v->sector_len - in ||
            v->sector[in + DR_NAME_LEN] > len - DR_NAME || !v->sector[in + DR_NAME_LEN])
            return -EUCLEAN;
        memset(r, 0, 256);
        memcpy(r, v->sector + in, len);
        *at = v->sector_at + in;
        *offset += len;
        return 1;
    }
    return 0;
}

/* Rock Ridge */

static void take_name(struct rock *k, const uint8_t *f, unsigned len)
{
    unsigned n = len - 5;

    if (len < 5 || (f[4] & 6)) /* "." and ".." are not of interest */
        return;
    if (n > sizeof(k->name) - k->name_len)
        n = (unsigned)sizeof(k->name) - k->name_len;
    memcpy(k->name + k->name_len, f + 5, n);
    k->name_len += n;
}

static void take_field(struct rock *k, const uint8_t *f, unsigned len)
{
    if (memcmp(f, "NM", 2) == 0)
        take_name(k, f, len);
    else if (memcmp(f, "PX", 2) == 0 && len >= 12) {
        k->mode = le32(f + 4);
        k->has_mode = true;
    } else if (memcmp(f, "SL", 2) == 0)
        k->link = true;
    else if (memcmp(f, "RE", 2) == 0)
        k->relocated = true;
    else if (memcmp(f, "CL", 2) == 0 && len >= 12) {
        k->child = le32(f + 4);
        k->has_child = true;
    }
}

/* The fields of one area; *more says where they go on, 0 nowhere. */
static void take_area(struct iso *v, struct rock *k, const uint8_t *p, unsigned n, uint64_t *more,
                      unsigned *more_len)
{
    *more = 0;
    while (n >= 4 && p[2] >= 4 && p[2] <= n && memcmp(p, "ST", 2)) {
        if (memcmp(p, "CE", 2) == 0 && p[2] >= 28) {
            *more = (uint64_t)le32(p + 4) * v->block + le32(p + 12);
            *more_len = le32(p + 20) < SECTOR ? le32(p + 20) : SECTOR;
        } else {
            take_field(k, p, p[2]);
        }
        n -= p[2];
        p += p[2];
    }
}

static int take_rock(struct iso *v, const uint8_t *r, struct rock *k)
{
    unsigned at = DR_NAME + r[DR_NAME_LEN], len = r[0], n = 0;
    uint8_t area[SECTOR];
    uint64_t more;

    memset(k, 0, sizeof(*k));
    at += (at & 1) + v->skip;
    if (at >= len)
        return 0;
    take_area(v, k, r + at, len - at, &more, &n);
    for (unsigned i = 0; more && i < CONTINUE_MAX; i++) {
        int err = dev_read(v, more, area, n);

        if (err)
            return err;
        take_area(v, k, area, n, &more, &n);
    }
    return 0;
}

/* Names */

/* One character of UTF-8; what is none is taken as Latin-1. */
static unsigned utf8(const uint8_t *s, unsigned n, uint16_t *c)
{
    if (n >= 2 && (s[0] & 0xe0) == 0xc0 && (s[1] & 0xc0) == 0x80) {
        *c = (uint16_t)((s[0] & 0x1f) << 6 | (s[1] & 0x3f));
        return 2;
    }
    if (n >= 3 && (s[0] & 0xf0) == 0xe0 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80) {
        *c = (uint16_t)((s[0] & 0x0f) << 12 | (s[1] & 0x3f) << 6 | (s[2] & 0x3f));
        return 3;
    }
    *c = s[0];
    return 1;
}

static void name_from_bytes(const uint8_t *s, unsigned n, uint16_t *out)
{
    unsigned used = 0;

    for (unsigned i = 0; i < n && used < FS_NAME_MAX; used++)
        i += utf8(s + i, n - i, &out[used]);
    out[used] = 0;
}

/* Joliet: UCS-2, the high byte first. */
static void name_from_ucs2(const uint8_t *s, unsigned n, uint16_t *out)
{
    unsigned used = 0;

    for (; used < n / 2 && used < FS_NAME_MAX; used++)
        out[used] = (uint16_t)(s[2 * used] << 8 | s[2 * used + 1]);
    out[used] = 0;
}

/* Cuts off ";1", and the dot of a name without an extension. */
static void cut_version(uint16_t *name)
{
    size_t n = fs_name_length(name), digits = n;

    while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9')
        digits--;
    if (digits > 1 && digits < n && name[digits - 1] == ';')
        name[n = digits - 1] = 0;
    if (n > 1 && name[n - 1] == '.')
        name[n - 1] = 0;
}

static void take_record_name(const struct iso *v, const uint8_t *r, const struct rock *k,
                             uint16_t *out)
{
    if (v->rock_ridge && k->name_len) {
        name_from_bytes(k->name, k->name_len, out);
        return;
    }
    if (v->joliet)
        name_from_ucs2(r + DR_NAME, r[DR_NAME_LEN], out);
    else
        name_from_bytes(r + DR_NAME, r[DR_NAME_LEN], out);
    cut_version(out);
}

/* Nodes */

static void take_time(const uint8_t *d, struct fs_time *t)
{
    if (!d[1])
        return;
    *t = (struct fs_time){.year = (uint16_t)(1900 + d[0]),
                          .month = d[1],
                          .day = d[2],
                          .hour = d[3],
                          .minute = d[4],
                          .second = d[5]};
}

static int add_extent(struct iso_node *n, uint32_t block, uint32_t size)
{
    uint32_t unit = iso_of(&n->node)->block;

    if (n->extents == EXTENTS_MAX)
        return -EUCLEAN;
    n->extent[n->extents++] = (struct extent){block, size};
    n->node.info.size += size;
    n->node.info.allocated = (n->node.info.size + unit - 1) / unit * unit;
    return 0;
}

static int take_record(struct iso_node *n, const uint8_t *r)
{
    struct fs_info *info = &n->node.info;

    info->attributes = FS_ATTR_READ_ONLY | (r[DR_FLAGS] & DF_HIDDEN ? FS_ATTR_HIDDEN : 0) |
                       (r[DR_FLAGS] & DF_DIRECTORY ? FS_ATTR_DIRECTORY : 0);
    take_time(r + DR_DATE, &info->created);
    info->modified = info->accessed = info->created;
    /* the extended attribute record comes in front of the contents */
    return add_extent(n, le32(r + DR_EXTENT) + r[1], le32(r + DR_SIZE));
}

/* A directory that Rock Ridge has moved: its size is in its own "." record. */
static int take_child(struct iso_node *n, uint32_t block)
{
    struct iso *v = iso_of(&n->node);
    uint8_t r[34];
    int err = dev_read(v, (uint64_t)block * v->block, r, sizeof(r));

    if (err)
        return err;
    n->extents = 0;
    n->node.info.size = 0;
    n->node.info.attributes |= FS_ATTR_DIRECTORY;
    return add_extent(n, block, le32(r + DR_SIZE));
}

/* A directory that has the contents of one above it would make paths without end. */
static bool bad_directory(const struct iso_node *n)
{
    if (!(n->node.info.attributes & FS_ATTR_DIRECTORY))
        return false;
    for (const struct fs_node *d = n->node.parent; d; d = d->parent)
        if (((const struct iso_node *)d)->extent[0].block == n->extent[0].block)
            return true;
    return n->node.info.size > DIR_MAX;
}

/* Files only: links, devices and pipes are left out. */
static bool wanted(const uint8_t *r, const struct rock *k)
{
    uint32_t type = k->mode & 0170000;

    if (r[DR_NAME_LEN] == 1 && r[DR_NAME] <= 1) /* "." and ".." */
        return false;
    if ((r[DR_FLAGS] & DF_ASSOCIATED) || r[DR_UNIT]) /* or interleaved */
        return false;
    return !k->relocated && !k->link && (!k->has_mode || type == 0100000 || type == 0040000);
}

/* The other records of a file in several extents follow the first. */
static int more_extents(struct iso_node *dir, uint64_t *cursor, uint8_t flags, struct iso_node *n)
{
    uint8_t r[256];
    uint64_t at;

    while (flags & DF_MULTI) {
        int got = next_record(dir, cursor, r, &at);
        int err = got == 1 ? add_extent(n, le32(r + DR_EXTENT) + r[1], le32(r + DR_SIZE)) : 0;

        if (got != 1 || err)
            return got < 0 ? got : -EUCLEAN;
        flags = r[DR_FLAGS];
    }
    return 0;
}

static int next(struct fs_node *dir, uint64_t *cursor, struct fs_node *out)
{
    struct iso *v = iso_of(dir);
    struct iso_node *n = (struct iso_node *)out, *d = (struct iso_node *)dir;
    struct rock k = {.name_len = 0};
    uint8_t r[256];
    int err, got;

    while ((got = next_record(d, cursor, r, &out->id)) == 1) {
        err = v->rock_ridge ? take_rock(v, r, &k) : 0;
        if (err)
            return err;
        n->extents = 0;
        memset(&out->info, 0, sizeof(out->info));
        err = take_record(n, r);
        if (!err)
            err = more_extents(d, cursor, r[DR_FLAGS], n);
        if (!err && k.has_child)
            err = take_child(n, k.child);
        if (err)
            return err;
        take_record_name(v, r, &k, out->info.name);
        if (wanted(r, &k) && !bad_directory(n) && out->info.name[0])
            return 1;
    }
    return got;
}

/* The volume */

static const char *kind(const struct fs *fs)
{
    (void)fs;
    return "ISO 9660";
}

/* Rock Ridge announces itself in the "." record of the root. */
static int detect_rock_ridge(struct iso_node *root)
{
    struct iso *v = iso_of(&root->node);
    uint64_t offset = 0, at;
    uint8_t r[256];
    int got = next_record(root, &offset, r, &at);

    if (got != 1)
        return got < 0 ? got : -EUCLEAN;
    if (r[0] >= 34 + 7 && memcmp(r + 34, "SP\7\1\xbe\xef", 6) == 0) {
        v->rock_ridge = true;
        v->skip = r[40];
    }
    return 0;
}

static int root(struct fs_node *node)
{
    struct iso *v = iso_of(node);
    int err;

    node->id = UINT64_MAX;
    err = take_record((struct iso_node *)node, v->root);
    if (err)
        return err;
    node->info.attributes |= FS_ATTR_DIRECTORY;
    if (node->info.size > DIR_MAX)
        return -EUCLEAN;
    return v->joliet ? 0 : detect_rock_ridge((struct iso_node *)node);
}

static int volume(struct fs *fs, struct fs_volume *out)
{
    struct iso *v = (struct iso *)fs;
    unsigned n;

    if (v->joliet)
        name_from_ucs2(v->label, sizeof(v->label), out->label);
    else
        name_from_bytes(v->label, sizeof(v->label), out->label);
    for (n = 0; n < 32 && out->label[n]; n++)
        ;
    while (n && out->label[n - 1] == ' ')
        out->label[--n] = 0;
    out->size = v->size;
    out->block_size = v->block;
    return 0;
}

static void free_volume(struct fs *fs)
{
    free(fs);
}

static const struct fs_ops ops = {
    .kind = kind,
    .node_size = sizeof(struct iso_node),
    .root = root,
    .next = next,
    .read = read_file,
    .volume = volume,
    .free = free_volume,
};

static bool is_joliet(const uint8_t *d)
{
    return d[88] == '%' && d[89] == '/' && (d[90] == '@' || d[90] == 'C' || d[90] == 'E');
}

static int take_descriptor(struct iso *v, const uint8_t *d)
{
    v->block = le16(d + 128);
    if (v->block != 512 && v->block != 1024 && v->block != 2048)
        return -EUCLEAN;
    v->size = (uint64_t)le32(d + 80) * v->block;
    memcpy(v->root, d + 156, sizeof(v->root));
    memcpy(v->label, d + 40, sizeof(v->label));
    return 0;
}

/* Whether the tree of the primary descriptor has Rock Ridge names. */
static bool primary_has_rock_ridge(struct iso *v)
{
    struct iso_node *n = calloc(1, sizeof(*n));
    bool found = false;

    if (n) {
        n->node.fs = &v->fs;
        found = root(&n->node) == 0 && v->rock_ridge;
    }
    free(n);
    return found;
}

/* Reads the descriptors and decides which tree is used. */
static int choose_tree(struct iso *v)
{
    uint8_t d[SECTOR], joliet[SECTOR];
    bool has_primary = false, has_joliet = false;
    int err = 0;

    for (unsigned i = 0; i < DESCRIPTOR_N; i++) {
        err = block_read_bytes(&v->fs.dev, (uint64_t)(DESCRIPTORS + i) * SECTOR, d, SECTOR);
        if (err || memcmp(d + 1, "CD001", 5) || d[0] == DESC_END)
            break;
        if (d[0] == DESC_PRIMARY && !has_primary) {
            err = take_descriptor(v, d);
            if (err)
                return err;
            has_primary = true;
        } else if (d[0] == DESC_SUPPLEMENTARY && is_joliet(d) && !has_joliet) {
            memcpy(joliet, d, SECTOR);
            has_joliet = true;
        }
    }
    if (!has_primary)
        return err && err != -EINVAL ? err : -ENOTSUP;
    if (has_joliet && !primary_has_rock_ridge(v)) {
        v->joliet = true;
        return take_descriptor(v, joliet);
    }
    return 0;
}

int iso9660_mount(const struct block_dev *dev, const struct fs_options *options, struct fs **out)
{
    struct iso *v = calloc(1, sizeof(*v));
    int err;

    if (!v)
        return -ENOMEM;
    v->fs.ops = &ops;
    v->fs.dev = *dev;
    v->fs.options = *options;
    v->fs.read_only = true;
    err = choose_tree(v);
    if (err) {
        free(v);
        return err;
    }
    *out = &v->fs;
    return 0;
}
