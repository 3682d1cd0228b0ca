/* See storage.h. */
#include "storage.h"
#include "archive.h"
#include "mpt.h"
#include "sections.h"

#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define IO_THREADS   4
#define MAX_ADAPTERS 56 /* buses 0 to 6, slots 0 to 7 */

struct storage {
    const struct machine_config *config;
    struct pci *pci;
    struct io_pool *io;
    struct mpt *adapter[MAX_ADAPTERS];
    struct {
        unsigned bus, slot;
    } place[MAX_ADAPTERS];
    unsigned adapters;
    struct scsi_target *target[MACHINE_MAX_DRIVES];
};

/* A name for a place in this machine, the same at every start (FNV-1a). */
static uint64_t world_wide_name(const struct machine_config *c, unsigned bus, unsigned slot,
                                unsigned target)
{
    const uint8_t place[] = {(uint8_t)bus, (uint8_t)slot, (uint8_t)target};
    uint64_t h = 0xcbf29ce484222325ull;

    for (size_t i = 0; i < sizeof c->uuid; i++)
        h = (h ^ c->uuid[i]) * 0x100000001b3ull;
    for (size_t i = 0; i < sizeof place; i++)
        h = (h ^ place[i]) * 0x100000001b3ull;
    return h;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static struct mpt *find_adapter(struct storage *s, unsigned bus, unsigned slot)
{
    for (unsigned i = 0; i < s->adapters; i++)
        if (s->place[i].bus == bus && s->place[i].slot == slot)
            return s->adapter[i];
    return NULL;
}

/* The adapter of a place, made when it is the first drive there. */
static struct mpt *adapter_at(struct storage *s, unsigned bus, unsigned slot, int *err)
{
    struct mpt_config config = {.pci = s->pci,
                                .bus = bus,
                                .device = slot,
                                .io = s->io,
                                .wwn = world_wide_name(s->config, bus, slot, 15)};
    if (find_adapter(s, bus, slot) != NULL)
        return find_adapter(s, bus, slot);
    *err = -ENOSPC;
    if (s->adapters == MAX_ADAPTERS)
        return NULL;
    struct mpt *m = mpt_new(&config, err);
    if (m == NULL)
        return NULL;
    s->place[s->adapters].bus = bus;
    s->place[s->adapters].slot = slot;
    s->adapter[s->adapters++] = m;
    return m;
}

static int open_medium(const struct machine_drive *d, struct store **out, char *why, size_t size)
{
    struct store_options options = {
        .read_only = d->dvd || d->read_only, .shared = d->shared, .overlay = d->overlay};
    char reason[512];
    int err;

    *out = NULL;
    if (d->path == NULL || (d->dvd && is_directory(d->path)))
        return 0;
    err = store_open(d->path, &options, out, reason, sizeof reason);
    if (err != 0)
        snprintf(why, size, "%s %s", d->dvd ? "--cdrom" : "--disk", reason);
    return err;
}

static int add_drive(struct storage *s, unsigned n, char *why, size_t size)
{
    const struct machine_drive *d = &s->config->drives[n];
    int err = 0;
    struct mpt *adapter = adapter_at(s, d->bus, d->slot, &err);
    struct scsi_target_config config = {.type = d->dvd ? SCSI_DVD : SCSI_DISK, .io = s->io};

    if (adapter == NULL) {
        snprintf(why, size, "the SCSI adapter %u,%u cannot be made: %s", d->bus, d->slot,
                 strerror(-err));
        return err;
    }
    err = open_medium(d, &config.store, why, size);
    if (err != 0)
        return err;
    config.wwn = world_wide_name(s->config, d->bus, d->slot, d->target);
    s->target[n] = scsi_target_new(&config);
    err = s->target[n] == NULL ? -ENOMEM : mpt_attach(adapter, d->target, s->target[n]);
    if (err != 0)
        snprintf(why, size, "drive %u,%u,%u: %s", d->bus, d->slot, d->target,
                 err == -EEXIST ? "there is one already" : strerror(-err));
    return err;
}

int storage_new(const struct machine_config *config, struct pci *pci, struct storage **out,
                char *why, size_t size)
{
    struct storage *s = calloc(1, sizeof *s);
    int err = 0;

    *out = s;
    if (s == NULL)
        return -ENOMEM;
    s->config = config;
    s->pci = pci;
    s->io = io_new(config->deterministic || config->lockstep ? 0 : IO_THREADS);
    if (s->io == NULL)
        return -ENOMEM;
    if (config->drive_count > MACHINE_MAX_DRIVES)
        return -EINVAL;
    for (unsigned i = 0; i < config->drive_count && err == 0; i++)
        err = add_drive(s, i, why, size);
    return err;
}

void storage_free(struct storage *s)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->adapters; i++)
        mpt_free(s->adapter[i]);
    for (unsigned i = 0; i < MACHINE_MAX_DRIVES; i++)
        scsi_target_free(s->target[i]);
    io_free(s->io);
    free(s);
}

static void probed(struct scsi_request *r)
{
    (void)r; /* ended inside scsi_submit: nothing is read */
}

void storage_probe(struct storage *s)
{
    for (unsigned i = 0; i < s->config->drive_count; i++) {
        struct scsi_request test = {.lun0 = true, .done = probed}; /* TEST UNIT READY */
        for (unsigned tries = 0; tries < 3 && s->target[i] != NULL; tries++)
            scsi_submit(s->target[i], &test);
    }
}

void storage_poll(struct storage *s)
{
    io_poll(s->io);
}

int storage_fd(const struct storage *s)
{
    return io_pending(s->io) > 0 ? io_fd(s->io) : -1;
}

struct scsi_target *storage_target(struct storage *s, unsigned n)
{
    return n < s->config->drive_count ? s->target[n] : NULL;
}

/* --- discs --- */

static int explain(int err, const char *busy, char *why, size_t size)
{
    const char *text = err == -EBUSY       ? busy
                       : err == -ENOMEDIUM ? "there is no disc in the drive"
                       : err == -ENOTSUP   ? "not a drive for discs"
                       : err == -ENODEV    ? "there is no such drive"
                                           : strerror(-err);
    if (err != 0)
        snprintf(why, size, "%s", text);
    return err;
}

int storage_eject(struct storage *s, unsigned n, bool force, char *why, size_t size)
{
    struct scsi_target *t = storage_target(s, n);
    return explain(t == NULL ? -ENODEV : scsi_eject(t, force),
                   "the guest has locked the drive: eject the disc there, or use force", why, size);
}

/* Where bare names of discs are: the directory given for the drive, or that of the image given.
 * NULL: nowhere. The caller frees it. */
static char *disc_directory(const struct machine_drive *d)
{
    struct stat st;
    if (d->path == NULL || strstr(d->path, "://") != NULL)
        return NULL;
    if (is_directory(d->path))
        return realpath(d->path, NULL);
    if (stat(d->path, &st) == 0 && !S_ISREG(st.st_mode))
        return NULL;
    g_autofree char *parent = g_path_get_dirname(d->path);
    return realpath(parent, NULL);
}

static int refuse(int err, const char *name, const char *text, char *why, size_t size)
{
    snprintf(why, size, "%s: %s", name, text);
    return err;
}

/* The file or device a name means, links followed: whoever may insert discs into a drive with a
 * directory may not thereby read the rest of the host. The caller frees it. */
static int resolve_disc(const struct machine_drive *d, const char *name, char **out, char *why,
                        size_t size)
{
    bool bare = strchr(name, '/') == NULL, confined = d->path != NULL && is_directory(d->path);
    char *dir = disc_directory(d); /* realpath's */
    struct stat st;
    if (bare && dir == NULL)
        return refuse(-EINVAL, name, "give the whole path: the drive has no directory", why, size);
    g_autofree char *joined = bare ? g_build_filename(dir, name, NULL) : g_strdup(name);
    char *path = realpath(joined, NULL);
    int err = path == NULL || stat(path, &st) != 0 ? -errno : 0;
    g_autofree char *parent = path != NULL ? g_path_get_dirname(path) : NULL;
    if (confined && (dir == NULL || parent == NULL || strcmp(parent, dir) != 0))
        err = refuse(-EACCES, name, "not a file of the drive's directory", why, size);
    else if (err != 0)
        err = refuse(err, name, strerror(-err), why, size);
    else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        err = refuse(-EINVAL, name, "neither a file nor a block device", why, size);
    if (err != 0) {
        free(path);
        path = NULL;
    }
    free(dir);
    *out = path;
    return err;
}

int storage_insert(struct storage *s, unsigned n, const char *name, char *why, size_t size)
{
    struct scsi_target *t = storage_target(s, n);
    struct store_options options = {.read_only = true};
    struct store *store;
    char *path;

    if (t == NULL || scsi_target_type(t) != SCSI_DVD)
        return explain(t == NULL ? -ENODEV : -ENOTSUP, "", why, size);
    int err = resolve_disc(&s->config->drives[n], name, &path, why, size);
    if (err != 0)
        return err;
    err = store_open(path, &options, &store, why, size);
    free(path);
    return err != 0 ? err
                    : explain(scsi_insert(t, store), "there is a disc in the drive", why, size);
}

struct storage_medium storage_medium(struct storage *s, unsigned n)
{
    const struct store *store = scsi_target_store(s->target[n]);
    if (store == NULL)
        return (struct storage_medium){0};
    return (struct storage_medium){.name = store_name(store),
                                   .read_only = store_read_only(store),
                                   .locked = scsi_target_locked(s->target[n])};
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One that can be inserted. */
static bool is_image(const struct machine_drive *d, const char *name)
{
    size_t length = strlen(name);
    char why[512], *path;
    if (length <= 4 || g_ascii_strcasecmp(name + length - 4, ".iso") != 0)
        return false;
    int err = resolve_disc(d, name, &path, why, sizeof why);
    free(path);
    return err == 0;
}

int storage_discs(struct storage *s, unsigned n, void (*each)(void *opaque, const char *name),
                  void *opaque, char *why, size_t size)
{
    char *path = disc_directory(&s->config->drives[n]);
    const char *name;
    if (path == NULL)
        return 0;
    GDir *dir = g_dir_open(path, 0, NULL);
    if (dir == NULL) {
        int err = refuse(-EIO, path, "cannot be read", why, size);
        free(path);
        return err;
    }
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    while ((name = g_dir_read_name(dir)) != NULL)
        if (is_image(&s->config->drives[n], name))
            g_ptr_array_add(names, g_strdup(name));
    g_dir_close(dir);
    free(path);
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i < names->len; i++)
        each(opaque, g_ptr_array_index(names, i));
    return 0;
}

/* --- drives that come and go --- */

int storage_attach(struct storage *s, unsigned n, char *why, size_t size)
{
    const struct machine_drive *d = &s->config->drives[n];
    if (find_adapter(s, d->bus, d->slot) == NULL) {
        snprintf(why, size, "there is no SCSI adapter at %u,%u", d->bus, d->slot);
        return -ENXIO;
    }
    int err = add_drive(s, n, why, size);
    if (err != 0) {
        scsi_target_free(s->target[n]);
        s->target[n] = NULL;
    }
    return err;
}

static int check_idle(struct storage *s, unsigned n, char *why, size_t size)
{
    struct scsi_target *t = storage_target(s, n);
    if (t != NULL && scsi_busy(t))
        snprintf(why, size, "the device is busy");
    return t == NULL ? explain(-ENODEV, "", why, size) : scsi_busy(t) ? -EBUSY : 0;
}

int storage_detach(struct storage *s, unsigned n, char *why, size_t size)
{
    const struct machine_drive *d = &s->config->drives[n];
    int err = check_idle(s, n, why, size);
    if (err != 0)
        return err;
    mpt_attach(find_adapter(s, d->bus, d->slot), d->target, NULL);
    scsi_target_free(s->target[n]);
    s->target[n] = NULL;
    return 0;
}

/* The new disk is opened before the old one goes; one that was the same file is still locked. */
static int replace_disk(struct storage *s, unsigned n, const struct machine_drive *new, char *why,
                        size_t size)
{
    const struct machine_drive *d = &s->config->drives[n];
    struct scsi_target_config config = {.type = SCSI_DISK, .io = s->io};
    struct store_options options = {.read_only = new->read_only, .shared = new->shared};
    int err = store_open(new->path, &options, &config.store, why, size);
    if (err != 0)
        return err;
    config.wwn = world_wide_name(s->config, d->bus, d->slot, d->target);
    struct scsi_target *t = scsi_target_new(&config);
    if (t == NULL)
        return explain(-ENOMEM, "", why, size);
    err = storage_detach(s, n, why, size);
    if (err != 0) {
        scsi_target_free(t);
        return err;
    }
    s->target[n] = t;
    return explain(mpt_attach(find_adapter(s, d->bus, d->slot), d->target, t), "", why, size);
}

int storage_replace(struct storage *s, unsigned n, const struct machine_drive *d, char *why,
                    size_t size)
{
    int err = check_idle(s, n, why, size);
    if (err != 0 || scsi_target_type(s->target[n]) == SCSI_DISK)
        return err != 0 ? err : replace_disk(s, n, d, why, size);
    if (scsi_target_store(s->target[n]) != NULL)
        err = storage_eject(s, n, true, why, size);
    return err == 0 && d->path != NULL ? storage_insert(s, n, d->path, why, size) : err;
}

void storage_print_stats(const struct storage *s, FILE *out)
{
    for (unsigned i = 0; i < s->adapters; i++) {
        struct mpt_figures f = mpt_figures(s->adapter[i]);
        fprintf(out,
                "SCSI adapter %u,%u: %" PRIu64 " commands, %" PRIu64 " bytes read, %" PRIu64
                " written\n",
                s->place[i].bus, s->place[i].slot, f.commands, f.bytes_read, f.bytes_written);
    }
}

/* --- saving --- */

#define SECTION_BLOCKS "blocks"
#define BLOCKS_MAX     256 /* in a section */

/* The disk of drive n if the guest can write it, else NULL. */
static struct store *written_store(struct storage *s, unsigned n)
{
    struct store *store = s->target[n] != NULL ? scsi_target_store(s->target[n]) : NULL;
    return store != NULL && !store_read_only(store) ? store : NULL;
}

int storage_settle(struct storage *s, bool last, char *why, size_t size)
{
    io_drain(s->io);
    for (unsigned i = 0; i < s->config->drive_count; i++) {
        struct store *store = written_store(s, i);
        int err = store != NULL ? store_flush(store) : 0;
        if (err != 0) {
            snprintf(why, size, "%s cannot be flushed: %s", store_name(store), strerror(-err));
            return err;
        }
        if (store == NULL || store_is_overlay(store) || last)
            continue;
        snprintf(why, size,
                 "%s would change after it was saved: give the disk an overlay, or use "
                 "\"snapshot suspend\", which ends the machine",
                 store_name(store));
        return -EBUSY;
    }
    return 0;
}

/* What tells that an image without overlay is the one of then: its size, and for files the moment
 * of the last change. */
static void image_state(struct store *store, struct archive *a)
{
    bool overlay = store_is_overlay(store), then = overlay;
    uint64_t now[2] = {store_size(store), 0}, saved[2];
    struct stat st;

    if (!overlay && store_kind(store) == STORE_FILE && stat(store_name(store), &st) == 0)
        now[1] = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
    memcpy(saved, now, sizeof saved);
    archive_truth(a, &then, 1);
    archive_bytes(a, saved, sizeof saved);
    archive_check(a, then == overlay, "a disk had an overlay, or has one now");
    archive_check(a, saved[0] == now[0], "a disk has another size now");
    archive_check(a, saved[1] == now[1], "a disk without overlay was changed since then");
}

/* The disc that was in a drive comes back. */
static void disc_state(struct storage *s, unsigned n, struct archive *a)
{
    struct store_options options = {.read_only = true};
    struct store *store = scsi_target_store(s->target[n]), *other = NULL;
    const char *now = store != NULL ? store_name(store) : NULL;
    char why[512], *name = g_strdup(now);

    archive_text(a, &name, PATH_MAX);
    if (a->loading && a->wrong == NULL && g_strcmp0(name, now) != 0) {
        archive_check(a, name == NULL || store_open(name, &options, &other, why, sizeof why) == 0,
                      "the disc that was in a drive cannot be opened");
        if (a->wrong == NULL)
            scsi_target_set_store(s->target[n], other);
    }
    g_free(name);
}

static void drive_state(struct storage *s, unsigned n, struct archive *a)
{
    bool there = s->target[n] != NULL, then = there;

    archive_truth(a, &then, 1);
    if (!archive_check(a, then == there, "a drive was taken away or added") || !there)
        return;
    if (scsi_target_type(s->target[n]) == SCSI_DVD)
        disc_state(s, n, a);
    else
        image_state(scsi_target_store(s->target[n]), a);
    scsi_target_state(s->target[n], a);
}

void storage_state(struct storage *s, struct archive *a)
{
    for (unsigned i = 0; i < s->adapters; i++)
        mpt_state(s->adapter[i], a);
    for (unsigned i = 0; i < s->config->drive_count && a->wrong == NULL; i++)
        drive_state(s, i, a);
}

/* A section: the drive's number, then blocks, each behind its offset. */
struct block_record {
    uint64_t offset;
    uint8_t data[STORE_OVERLAY_BLOCK];
};

static void begin_blocks(GByteArray *out, uint64_t drive)
{
    g_byte_array_set_size(out, 0);
    g_byte_array_append(out, (const uint8_t *)&drive, sizeof drive);
}

static void flush_blocks(GByteArray *blocks, struct section_writer *out)
{
    if (blocks->len > sizeof(uint64_t))
        section_write(out, SECTION_BLOCKS, 1, blocks->data, blocks->len);
}

static int save_overlay(struct store *store, unsigned drive, struct section_writer *out)
{
    g_autoptr(GByteArray) blocks = g_byte_array_new();
    struct block_record r;
    int err = 0;

    begin_blocks(blocks, drive);
    for (r.offset = 0; err == 0 && store_overlay_next(store, &r.offset);
         r.offset += STORE_OVERLAY_BLOCK) {
        err = store_read(store, r.offset, r.data, sizeof r.data);
        g_byte_array_append(blocks, (const uint8_t *)&r, sizeof r);
        if (blocks->len < BLOCKS_MAX * sizeof r)
            continue;
        flush_blocks(blocks, out);
        begin_blocks(blocks, drive);
    }
    flush_blocks(blocks, out);
    return err;
}

int storage_save_blocks(struct storage *s, struct section_writer *out, char *why, size_t size)
{
    for (unsigned i = 0; i < s->config->drive_count; i++) {
        struct store *store = written_store(s, i);
        int err = store != NULL ? save_overlay(store, i, out) : 0;
        if (err != 0) {
            snprintf(why, size, "%s cannot be read: %s", store_name(store), strerror(-err));
            return err;
        }
    }
    return 0;
}

int storage_empty_overlays(struct storage *s, char *why, size_t size)
{
    for (unsigned i = 0; i < s->config->drive_count; i++) {
        struct store *store = written_store(s, i);
        int err = store != NULL && store_is_overlay(store) ? store_overlay_empty(store) : 0;
        if (err != 0) {
            snprintf(why, size, "%s: its overlay cannot be emptied: %s", store_name(store),
                     strerror(-err));
            return err;
        }
    }
    return 0;
}

/* The last block may reach beyond the end of the disk. */
static int load_block(struct store *store, const struct block_record *r)
{
    uint64_t left = r->offset < store_size(store) ? store_size(store) - r->offset : 0;

    if (left == 0 || r->offset % STORE_OVERLAY_BLOCK != 0)
        return -EINVAL;
    return store_write(store, r->offset, r->data, left < sizeof r->data ? left : sizeof r->data);
}

int storage_load_blocks(struct storage *s, const struct section *in, char *why, size_t size)
{
    struct block_record r;
    uint64_t drive = UINT64_MAX;
    size_t at = sizeof drive;
    bool known = strcmp(in->name, SECTION_BLOCKS) == 0 && in->version == 1 && in->size >= at;
    struct store *store = NULL;
    int err = -EINVAL;

    if (known)
        memcpy(&drive, in->data, sizeof drive);
    if (drive < s->config->drive_count)
        store = written_store(s, (unsigned)drive);
    if (store != NULL && store_is_overlay(store))
        err = 0;
    for (; err == 0 && at < in->size; at += sizeof r) {
        err = in->size - at < sizeof r ? -EINVAL : 0;
        if (err == 0) {
            memcpy(&r, in->data + at, sizeof r);
            err = load_block(store, &r);
        }
    }
    if (err != 0)
        snprintf(why, size, "the snapshot's disk blocks cannot be taken over: %s", strerror(-err));
    return err;
}
