/* Drives of a running guest: discs in and out for the menus, drives that come and go for the
 * commands. The work is done on the machine's thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app_impl.h"
#include "keeper.h"

/* --- what there is --- */

static void add_drive(struct app *a, const struct resource *r)
{
    struct app_drive *d = &a->drives[a->drive_count];
    if (a->drive_count == MACHINE_MAX_DRIVES)
        return;
    memset(d, 0, sizeof *d);
    d->bus = r->bus;
    d->slot = r->slot;
    d->target = r->target;
    g_strlcpy(d->storage, r->storage, sizeof d->storage);
    g_strlcpy(d->device, r->device, sizeof d->device);
    if (strcmp(r->storage, "null") != 0)
        g_strlcpy(d->loaded, r->device, sizeof d->loaded);
    a->drive_count++;
}

/* What configuration says, until somebody changes discs. */
void media_list(struct app *a)
{
    a->drive_count = 0;
    for (guint i = 0; i < a->guest->devices->len; i++)
        if (strcmp(guest_device(a->guest, i)->type, "dvd") == 0)
            add_drive(a, guest_device(a->guest, i));
}

static void note_medium(struct app *a, unsigned bus, unsigned slot, unsigned target,
                        const char *path)
{
    for (unsigned i = 0; i < a->drive_count; i++) {
        struct app_drive *d = &a->drives[i];
        if (d->bus == (int)bus && d->slot == (int)slot && d->target == (int)target)
            g_strlcpy(d->loaded, path != NULL ? path : "", sizeof d->loaded);
    }
}

struct media_job {
    struct app *app;
    unsigned bus, slot, target;
    char *path;
    bool force;
    app_done *done;
    void *opaque;
    int status;
    char why[400];
};

static void change_media(struct machine *m, const struct plan *p, void *data)
{
    struct media_job *j = data;
    int n = machine_find_drive(m, j->bus, j->slot, j->target);
    (void)p;
    j->why[0] = '\0';
    j->status = -ENODEV;
    if (n < 0)
        snprintf(j->why, sizeof j->why, "There is no such drive.");
    else if (j->path == NULL)
        j->status = machine_eject(m, (unsigned)n, j->force, j->why, sizeof j->why);
    else
        j->status = machine_insert(m, (unsigned)n, j->path, j->why, sizeof j->why);
}

static void media_changed(void *data)
{
    struct media_job *j = data;
    if (j->status == 0)
        note_medium(j->app, j->bus, j->slot, j->target, j->path);
    if (j->status == 0)
        app_note(j->app, "drive %u,%u,%u: %s%s", j->bus, j->slot, j->target,
                 j->path != NULL ? "inserted " : "ejected", j->path != NULL ? j->path : "");
    j->done(j->opaque, j->status, j->why);
    g_free(j->path);
    g_free(j);
}

void app_media(struct app *a, unsigned bus, unsigned slot, unsigned target, const char *path,
               bool force, app_done *done, void *opaque)
{
    struct media_job *j = g_new0(struct media_job, 1);
    *j = (struct media_job){.app = a,
                            .bus = bus,
                            .slot = slot,
                            .target = target,
                            .path = g_strdup(path),
                            .force = force,
                            .done = done,
                            .opaque = opaque,
                            .status = -ESHUTDOWN,
                            .why = "The guest is off."};
    runner_do(a->runner, change_media, media_changed, j);
}

void media_share(struct machine_drive *drives, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        drives[i].shared = !drives[i].dvd && link_shared(drives[i].path) == 0;
}

/* --- drives that come and go --- */

/* What the job under way was given, on the machine's thread. */
static const char *gift_path;
static int gift = -1;

int media_open(const char *path, int flags)
{
    if (gift < 0 || gift_path == NULL || strcmp(path, gift_path) != 0)
        return link_open(path, flags);
    int fd = gift;
    gift = -1;
    return fd;
}

struct storage_job {
    struct app *app;
    const char *word;
    struct resource device;
    int fd;
    app_done *done;
    void *opaque;
    int status;
    char why[400];
};

static int change(struct machine *m, struct storage_job *j)
{
    const struct resource *r = &j->device;
    struct machine_drive d = plan_drive(r);
    media_share(&d, 1);
    int n = machine_find_drive(m, d.bus, d.slot, d.target);
    if (strcmp(j->word, "attach") == 0)
        return machine_attach(m, &d, j->why, sizeof j->why);
    if (n < 0) {
        snprintf(j->why, sizeof j->why, "There is no such drive.");
        return -ENODEV;
    }
    return strcmp(j->word, "detach") == 0
               ? machine_detach(m, (unsigned)n, j->why, sizeof j->why)
               : machine_replace(m, (unsigned)n, &d, j->why, sizeof j->why);
}

static void change_storage(struct machine *m, const struct plan *p, void *data)
{
    struct storage_job *j = data;
    (void)p;
    gift_path = j->device.device;
    gift = j->fd;
    j->why[0] = '\0';
    j->status = change(m, j);
    if (gift >= 0)
        close(gift);
    gift = j->fd = -1;
    gift_path = NULL;
}

static struct app_drive *find_drive(struct app *a, const struct resource *r)
{
    for (unsigned i = 0; i < a->drive_count; i++)
        if (a->drives[i].bus == r->bus && a->drives[i].slot == r->slot &&
            a->drives[i].target == r->target)
            return &a->drives[i];
    return NULL;
}

static void note_storage(struct app *a, const struct storage_job *j)
{
    struct app_drive *d = find_drive(a, &j->device);
    if (d != NULL)
        *d = a->drives[--a->drive_count];
    if (strcmp(j->word, "detach") != 0 && strcmp(j->device.type, "dvd") == 0)
        add_drive(a, &j->device);
}

static void storage_changed(void *data)
{
    struct storage_job *j = data;
    char text[RESOURCE_DEVICE_MAX + 100];
    resource_print(&j->device, text, sizeof text);
    if (j->fd >= 0)
        close(j->fd);
    if (j->status == 0)
        note_storage(j->app, j);
    if (j->status == 0)
        app_note(j->app, "%s %s", j->word, text);
    j->done(j->opaque, j->status, j->why);
    g_free(j);
}

void app_storage(struct app *a, const char *word, const struct resource *r, int fd, app_done *done,
                 void *opaque)
{
    struct storage_job *j = g_new0(struct storage_job, 1);
    *j = (struct storage_job){.app = a,
                              .word = word,
                              .device = *r,
                              .fd = fd,
                              .done = done,
                              .opaque = opaque,
                              .status = -ESHUTDOWN,
                              .why = "The guest is off."};
    if (a->os) {
        runner_do(a->runner, change_storage, storage_changed, j);
        return;
    }
    j->status = -EBUSY;
    g_strlcpy(j->why, "The device is in use by the firmware.", sizeof j->why);
    storage_changed(j);
}
