/* FAT directories: entries, long names, and changes to them in a safe order. */
#include "fat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DELETED 0xe5

/* Entries, through one block that is kept in memory */

static int load_block(struct fat *f, uint64_t lba)
{
    int err;

    if (f->block_valid && f->block_lba == lba)
        return 0;
    f->block_valid = false;
    err = fat_dev_read(f, lba * f->fs.dev.block_size, f->block, f->fs.dev.block_size);
    f->block_lba = lba;
    f->block_valid = !err;
    return err;
}

static int read_entry_at(struct fat *f, uint64_t at, uint8_t e[FAT_ENTRY])
{
    int err = load_block(f, at / f->fs.dev.block_size);

    if (!err)
        memcpy(e, f->block + at % f->fs.dev.block_size, FAT_ENTRY);
    return err;
}

/* Where an offset in a directory is on the device: 1, 0 behind its end, or an error. */
static int locate(struct fat_node *dir, uint32_t offset, uint64_t *at)
{
    struct fat *f = fat_of(&dir->node);
    uint32_t cluster;
    int got;

    if (!dir->node.parent && f->bits != 32) {
        *at = f->root + offset;
        return offset < f->root_size;
    }
    got = fat_seek(dir, offset / f->cluster, &cluster);
    if (got == 1 && offset >= FAT_DIR_MAX)
        return -EUCLEAN; /* a chain this long is a cycle */
    if (got == 1)
        *at = fat_cluster_at(f, cluster) + offset % f->cluster;
    return got;
}

static int read_entry(struct fat_node *dir, uint32_t offset, uint8_t e[FAT_ENTRY])
{
    uint64_t at;
    int got = locate(dir, offset, &at);
    int err = got == 1 ? read_entry_at(fat_of(&dir->node), at, e) : 0;

    return err ? err : got;
}

/* A set of changed entries. Those in one block are written together, blocks in the order in which
 * they first come up in the list. */
struct changes {
    unsigned count;
    struct {
        uint64_t at;
        uint8_t entry[FAT_ENTRY];
    } item[2 * FAT_SLOTS_MAX + 2];
};

static uint8_t *change(struct changes *c, uint64_t at)
{
    c->item[c->count].at = at;
    return c->item[c->count++].entry;
}

static int commit(struct fat *f, const struct changes *c)
{
    uint32_t size = f->fs.dev.block_size;
    bool done[2 * FAT_SLOTS_MAX + 2] = {false};
    int err = 0;

    for (unsigned i = 0; i < c->count && !err; i++) {
        uint64_t lba = c->item[i].at / size;

        if (done[i])
            continue;
        err = load_block(f, lba);
        for (unsigned k = i; k < c->count && !err; k++) {
            if (c->item[k].at / size != lba)
                continue;
            memcpy(f->block + c->item[k].at % size, c->item[k].entry, FAT_ENTRY);
            done[k] = true;
        }
        if (!err)
            err = fat_dev_write(f, lba * size, f->block, size);
        if (err)
            f->block_valid = false;
    }
    return err;
}

/* Listing */

struct long_name {
    uint16_t text[20 * 13 + 1];
    unsigned expected; /* order number of the entry before; 0: no long name under way */
    uint8_t sum;
    uint32_t slot;
};

static void take_long(struct long_name *l, const uint8_t *e, uint32_t offset)
{
    static const uint8_t at[13] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    unsigned order = e[0] & 0x3f;

    if ((e[0] & 0x40) && order >= 1 && order <= 20) {
        memset(l->text, 0, sizeof(l->text));
        l->expected = order + 1;
        l->sum = e[13];
        l->slot = offset;
    }
    if (order == 0 || order + 1 != l->expected || e[13] != l->sum) {
        l->expected = 0;
        return;
    }
    for (unsigned i = 0; i < 13; i++)
        l->text[(order - 1) * 13 + i] = le16(e + at[i]);
    l->expected = order;
}

static bool long_fits(const struct long_name *l, const uint8_t *e)
{
    return l->expected == 1 && l->sum == fat_short_sum(e) && fat_name_ok(l->text);
}

/* Bytes of the clusters of a subdirectory; 0 when its chain is damaged. */
static uint64_t dir_bytes(struct fat *f, uint32_t first)
{
    uint64_t bytes = 0;

    while (fat_cluster_ok(f, first) && bytes < FAT_DIR_MAX) {
        int more = fat_next(f, first, &first);

        bytes += f->cluster;
        if (more <= 0)
            return more ? 0 : bytes;
    }
    return 0;
}

static uint32_t first_cluster(const struct fat *f, const uint8_t *e)
{
    uint32_t high = f->bits == 32 ? le16(e + DE_CLUSTER_HIGH) : 0;

    return (high << 16 | le16(e + DE_CLUSTER_LOW)) & 0x0fffffff;
}

/* A subdirectory that names the clusters of a directory above it would make paths without end: it
 * counts as empty. */
static bool cyclic(const struct fs_node *dir, uint32_t first)
{
    for (; dir; dir = dir->parent)
        if (((const struct fat_node *)dir)->first == first)
            return true;
    return false;
}

static void take_info(struct fat *f, const uint8_t *e, struct fat_node *n)
{
    struct fs_info *info = &n->node.info;

    info->attributes = e[DE_ATTR] & FS_ATTR_ALL;
    info->size = le32(e + DE_SIZE);
    info->allocated = (info->size + f->cluster - 1) / f->cluster * f->cluster;
    if (info->attributes & FS_ATTR_DIRECTORY)
        info->size = info->allocated = e[0] == '.' ? 0 : dir_bytes(f, n->first);
    fat_time_get(le16(e + DE_CDATE), le16(e + DE_CTIME), e[DE_CTIME_10MS], &info->created);
    fat_time_get(le16(e + DE_ADATE), 0, 0, &info->accessed);
    fat_time_get(le16(e + DE_MDATE), le16(e + DE_MTIME), 0, &info->modified);
}

static void take_short(struct fat *f, const struct long_name *l, const uint8_t *e, uint32_t offset,
                       struct fat_node *n)
{
    bool has_long = long_fits(l, e);

    memcpy(n->short_name, e, 11);
    n->slot = has_long ? l->slot : offset;
    n->slots = has_long ? (offset - l->slot) / FAT_ENTRY + 1 : 1;
    n->first = first_cluster(f, e);
    if ((e[DE_ATTR] & FS_ATTR_DIRECTORY) && e[0] != '.' && cyclic(n->node.parent, n->first))
        n->first = 0;
    if (has_long)
        memcpy(n->node.info.name, l->text, 2 * fs_name_length(l->text));
    else
        fat_short_text(e, e[DE_CASE], n->node.info.name);
    take_info(f, e, n);
}

int fat_dir_next(struct fs_node *dir, uint64_t *cursor, struct fs_node *out)
{
    struct fat_node *d = fat_node_of(dir);
    struct long_name l = {.expected = 0};
    uint8_t e[FAT_ENTRY];
    int got;

    while (*cursor <= FAT_DIR_MAX) {
        uint32_t offset = (uint32_t)*cursor;

        got = read_entry(d, offset, e);
        if (got <= 0 || e[0] == 0)
            return got < 0 ? got : 0;
        *cursor += FAT_ENTRY;
        if (e[0] != DELETED && (e[DE_ATTR] & 0x3f) == FAT_ATTR_LONG) {
            take_long(&l, e, offset);
            continue;
        }
        if (e[0] != DELETED && !(e[DE_ATTR] & FAT_ATTR_VOLUME)) {
            take_short(fat_of(dir), &l, e, offset, fat_node_of(out));
            return locate(d, offset, &out->id);
        }
        l.expected = 0;
    }
    return 0;
}

bool fat_dir_alias(const struct fs_node *n, const uint16_t *name)
{
    uint16_t text[13];

    fat_short_text(((const struct fat_node *)n)->short_name, 0, text);
    return fs_name_compare(text, name) == 0;
}

/* Room for new entries */

static int extend(struct fat_node *dir, uint32_t end)
{
    struct fat *f = fat_of(&dir->node);
    uint32_t tail, fresh, got;
    int err;

    if ((!dir->node.parent && f->bits != 32) || end >= FAT_DIR_MAX || end < f->cluster)
        return -ENOSPC;
    err = fat_seek(dir, end / f->cluster - 1, &tail);
    if (err != 1)
        return err ? err : -EUCLEAN;
    err = fat_alloc(f, 1, &fresh, &got);
    if (err)
        return err;
    err = fat_zero(f, fat_cluster_at(f, fresh), f->cluster);
    if (!err)
        err = fat_link(f, tail, fresh);
    if (!err)
        err = fat_sync(f);
    dir->node.info.size += f->cluster;
    dir->node.info.allocated = dir->node.info.size;
    return err;
}

/* What lies behind the entry that ends a directory need not be zero, but has to be once that entry
 * is in use. */
static int end_behind(struct fat_node *dir, uint32_t offset, struct changes *c)
{
    uint8_t e[FAT_ENTRY];
    uint64_t at;
    int got = read_entry(dir, offset, e);

    if (got <= 0 || e[0] == 0)
        return got < 0 ? got : 0;
    got = locate(dir, offset, &at);
    if (got == 1)
        memset(change(c, at), 0, FAT_ENTRY);
    return got < 0 ? got : 0;
}

/* Finds `count` free entries in a row, adding clusters as needed. */
static int find_slots(struct fat_node *dir, unsigned count, uint32_t *slot, struct changes *c)
{
    uint8_t e[FAT_ENTRY];
    bool ended = false;
    unsigned run = 0;

    for (uint32_t at = 0; run < count; at += FAT_ENTRY) {
        int got = read_entry(dir, at, e);

        if (got == 0) {
            int err = extend(dir, at);
            if (err)
                return err;
            ended = true;
            e[0] = 0;
        }
        if (got < 0)
            return got;
        ended |= e[0] == 0;
        if (!ended && e[0] != DELETED) {
            run = 0;
            continue;
        }
        if (run++ == 0)
            *slot = at;
    }
    return ended ? end_behind(dir, *slot + count * FAT_ENTRY, c) : 0;
}

/* Short names must differ within a directory. `self` is the position of an entry that does not
 * count. */
static int unique_short(struct fat_node *dir, uint64_t self, struct fat_short *s)
{
    uint8_t *taken = calloc(1, 65536 / 8), e[FAT_ENTRY];
    bool clash = false;
    unsigned number = 1;
    int got = taken ? 1 : -ENOMEM;

    for (uint32_t off = 0; taken; off += FAT_ENTRY) {
        uint64_t at;

        got = read_entry(dir, off, e);
        if (got <= 0 || e[0] == 0 || (got = locate(dir, off, &at)) <= 0)
            break;
        if (e[0] == DELETED || (e[DE_ATTR] & FAT_ATTR_VOLUME) || at == self)
            continue;
        clash |= memcmp(e, s->name, 11) == 0;
        number = fat_short_taken(s, e) & 0xffff;
        taken[number / 8] |= (uint8_t)(1u << number % 8);
    }
    for (number = 1; taken && number < 65535 && (taken[number / 8] >> number % 8 & 1);)
        number++;
    free(taken);
    if (got >= 0 && (clash || s->lossy))
        fat_short_number(s, number);
    return got < 0 ? got : 0;
}

/* Making and changing entries */

static void put_info(const struct fat *f, const struct fat_node *n, uint8_t *e)
{
    const struct fs_info *info = &n->node.info;
    bool dir = info->attributes & FS_ATTR_DIRECTORY;
    uint16_t date, time;
    uint8_t ten_ms;

    e[DE_ATTR] = (uint8_t)info->attributes;
    fat_time_put(&info->created, &date, &time, &ten_ms);
    put_le16(e + DE_CDATE, date);
    put_le16(e + DE_CTIME, time);
    if (e[DE_CTIME_10MS] / 100 != ten_ms / 100)
        e[DE_CTIME_10MS] = ten_ms;
    fat_time_put(&info->accessed, &date, &time, &ten_ms);
    put_le16(e + DE_ADATE, date);
    fat_time_put(&info->modified, &date, &time, &ten_ms);
    put_le16(e + DE_MDATE, date);
    put_le16(e + DE_MTIME, time);
    put_le16(e + DE_CLUSTER_LOW, (uint16_t)n->first);
    if (f->bits == 32)
        put_le16(e + DE_CLUSTER_HIGH, (uint16_t)(n->first >> 16));
    put_le32(e + DE_SIZE, dir ? 0 : (uint32_t)info->size);
}

/* Where a set of new entries goes. */
struct place {
    uint32_t slot;
    unsigned slots;
    uint64_t short_at;
    uint8_t short_name[11];
};

/* Adds to the changes the entries of `name` in dir; `e` is the short entry but for its name. */
static int plan_insert(struct fat_node *dir, const uint16_t *name, uint64_t self,
                       const uint8_t e[FAT_ENTRY], struct changes *c, struct place *p)
{
    struct fat_short s;
    unsigned parts;
    uint8_t *to;
    int err, got = 1;

    fat_short_make(name, &s);
    err = unique_short(dir, self, &s);
    if (err)
        return err;
    parts = s.exact && !s.lossy ? 0 : fat_long_count(name);
    if (!parts) { /* the short name may have got a number */
        uint16_t text[13];

        fat_short_text(s.name, 0, text);
        if (fs_name_compare(text, name))
            parts = fat_long_count(name);
    }
    p->slots = parts + 1;
    err = find_slots(dir, p->slots, &p->slot, c);
    for (unsigned i = 0; i < p->slots && !err && got == 1; i++) {
        got = locate(dir, p->slot + i * FAT_ENTRY, &p->short_at);
        to = got == 1 ? change(c, p->short_at) : NULL;
        if (to && i < parts)
            fat_long_entry(name, i, parts, fat_short_sum(s.name), to);
        else if (to)
            memcpy(to, e, FAT_ENTRY), memcpy(to, s.name, 11), to[DE_CASE] = 0;
    }
    memcpy(p->short_name, s.name, 11);
    return err ? err : got == 1 ? 0 : got < 0 ? got : -EUCLEAN;
}

static void take_place(struct fat_node *n, const struct place *p, const uint16_t *name)
{
    n->node.id = p->short_at;
    n->slot = p->slot;
    n->slots = p->slots;
    memcpy(n->short_name, p->short_name, 11);
    memset(n->node.info.name, 0, sizeof(n->node.info.name));
    memcpy(n->node.info.name, name, 2 * fs_name_length(name));
}

/* Adds to the changes the deletion of a node's entries, the short one first. */
static int plan_remove(struct fat_node *n, struct changes *c)
{
    struct fat_node *dir = fat_node_of(n->node.parent);
    unsigned slots = n->slots < FAT_SLOTS_MAX ? n->slots : FAT_SLOTS_MAX;

    for (unsigned i = slots; i-- > 0;) {
        uint64_t at;
        uint8_t *to;
        int err, got = locate(dir, n->slot + i * FAT_ENTRY, &at);

        if (got != 1)
            return got < 0 ? got : -EUCLEAN;
        to = change(c, at);
        err = read_entry_at(fat_of(&n->node), at, to);
        if (err)
            return err;
        to[0] = DELETED;
    }
    return 0;
}

/* The cluster that ".." names: 0 for the root, on FAT32 too. */
static uint32_t parent_cluster(const struct fs_node *dir)
{
    return dir->parent ? ((const struct fat_node *)dir)->first : 0;
}

static void dot_entry(const struct fat *f, const struct fat_node *n, unsigned dots,
                      uint32_t cluster, uint8_t *e)
{
    struct fat_node as = *n;

    as.first = cluster;
    as.node.info.attributes = FS_ATTR_DIRECTORY;
    memset(e, 0, FAT_ENTRY);
    memset(e, ' ', 11);
    memset(e, '.', dots);
    put_info(f, &as, e);
}

/* A cluster with "." and "..", on disk before anything names it. */
static int make_dir(struct fat_node *n)
{
    struct fat *f = fat_of(&n->node);
    uint8_t e[2 * FAT_ENTRY];
    uint32_t got;
    int err = fat_alloc(f, 1, &n->first, &got);

    if (err)
        return err;
    dot_entry(f, n, 1, n->first, e);
    dot_entry(f, n, 2, parent_cluster(n->node.parent), e + FAT_ENTRY);
    err = fat_zero(f, fat_cluster_at(f, n->first), f->cluster);
    if (!err)
        err = fat_dev_write(f, fat_cluster_at(f, n->first), e, sizeof(e));
    f->block_valid = false;
    n->node.info.size = n->node.info.allocated = f->cluster;
    return err;
}

int fat_dir_create(struct fs_node *dir, const uint16_t *name, uint32_t attr, struct fs_node *out)
{
    struct fat *f = fat_of(dir);
    struct fat_node *n = fat_node_of(out);
    struct changes c = {0};
    uint8_t e[FAT_ENTRY] = {0};
    struct place p;
    int err;

    if (!fat_name_ok(name))
        return -EINVAL;
    fs_now(&f->fs, &out->info.created);
    out->info.accessed = out->info.modified = out->info.created;
    out->info.attributes =
        attr & FS_ATTR_DIRECTORY ? attr & ~FS_ATTR_ARCHIVE : attr | FS_ATTR_ARCHIVE;
    err = attr & FS_ATTR_DIRECTORY ? make_dir(n) : 0;
    put_info(f, n, e);
    if (!err)
        err = plan_insert(fat_node_of(dir), name, 0, e, &c, &p);
    if (!err)
        err = commit(f, &c);
    if (!err)
        take_place(n, &p, name);
    else if (n->first)
        fat_free_chain(f, n->first);
    return err;
}

/* When the chain cannot be freed its clusters are lost, but the file is gone all the same. */
int fat_dir_remove(struct fs_node *node)
{
    struct fat_node *n = fat_node_of(node);
    struct changes c = {0};
    int err = plan_remove(n, &c);

    if (!err)
        err = commit(fat_of(node), &c);
    if (!err && n->first)
        fat_free_chain(fat_of(node), n->first);
    return err;
}

/* ".." of a directory that has moved. */
static int point_up(struct fat_node *n, const struct fs_node *dir)
{
    struct changes c = {0};
    uint8_t e[FAT_ENTRY];
    uint64_t at;
    int got = read_entry(n, FAT_ENTRY, e);

    if (got == 1)
        got = locate(n, FAT_ENTRY, &at);
    if (got != 1 || memcmp(e, "..         ", 11))
        return got < 0 ? got : -EUCLEAN;
    put_le16(e + DE_CLUSTER_LOW, (uint16_t)parent_cluster(dir));
    if (fat_of(&n->node)->bits == 32)
        put_le16(e + DE_CLUSTER_HIGH, (uint16_t)(parent_cluster(dir) >> 16));
    memcpy(change(&c, at), e, FAT_ENTRY);
    return commit(fat_of(&n->node), &c);
}

/* The new name is written before the old one goes, in one write when both are in one block:
 * otherwise a crash may leave both, never none. */
int fat_dir_rename(struct fs_node *node, struct fs_node *dir, const uint16_t *name)
{
    struct fat_node *n = fat_node_of(node);
    struct fat *f = fat_of(node);
    bool moved = dir != node->parent;
    struct changes c = {0};
    uint8_t e[FAT_ENTRY];
    struct place p;
    int err;

    if (!fat_name_ok(name))
        return -EINVAL;
    err = read_entry_at(f, node->id, e);
    if (!err)
        err = plan_insert(fat_node_of(dir), name, node->id, e, &c, &p);
    if (!err)
        err = plan_remove(n, &c);
    if (!err)
        err = commit(f, &c);
    if (err)
        return err;
    take_place(n, &p, name);
    return moved && (node->info.attributes & FS_ATTR_DIRECTORY) ? point_up(n, dir) : 0;
}

int fat_dir_update(struct fs_node *node)
{
    struct fat *f = fat_of(node);
    struct changes c = {0};
    uint8_t *e = change(&c, node->id);
    int err = read_entry_at(f, node->id, e);

    if (err)
        return err;
    put_info(f, fat_node_of(node), e);
    return commit(f, &c);
}

/* The volume label: 1 and its position, or 0. */
static int find_label(struct fat *f, uint8_t e[FAT_ENTRY], uint64_t *at)
{
    struct fat_node *root = fat_node_of(f->fs.root);

    for (uint32_t off = 0;; off += FAT_ENTRY) {
        int got = read_entry(root, off, e);

        if (got <= 0 || e[0] == 0)
            return got < 0 ? got : 0;
        if (e[0] != DELETED && (e[DE_ATTR] & FAT_ATTR_VOLUME) &&
            (e[DE_ATTR] & 0x3f) != FAT_ATTR_LONG)
            return locate(root, off, at);
    }
}

int fat_dir_get_label(struct fat *f, uint8_t label[11])
{
    uint8_t e[FAT_ENTRY];
    uint64_t at;
    int got = find_label(f, e, &at);

    if (got == 1)
        memcpy(label, e, 11);
    return got;
}

int fat_dir_set_label(struct fat *f, const uint8_t label[11])
{
    struct fat_node *root = fat_node_of(f->fs.root);
    struct changes c = {0};
    uint8_t e[FAT_ENTRY];
    uint64_t at;
    uint32_t slot;
    bool empty = memcmp(label, "           ", 11) == 0;
    int got = find_label(f, e, &at);

    if (got < 0 || (got == 0 && empty))
        return got;
    if (got == 0) {
        memset(e, 0, sizeof(e));
        e[DE_ATTR] = FAT_ATTR_VOLUME;
        got = find_slots(root, 1, &slot, &c);
        if (got < 0 || (got = locate(root, slot, &at)) != 1)
            return got < 0 ? got : -EUCLEAN;
    }
    memcpy(e, label, 11);
    if (empty)
        e[0] = DELETED;
    memcpy(change(&c, at), e, FAT_ENTRY);
    return commit(f, &c);
}
