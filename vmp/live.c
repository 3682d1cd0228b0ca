/* See live.h. Files are opened here, with the rights of who changes the guest, and passed on: the
 * guest's process opens nothing but what its configuration names. */
#include "live.h"

#include "app_proto.h"
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct resource *at_address(const struct guest *g, const struct resource *r)
{
    for (guint i = 0; i < g->devices->len; i++)
        if (resource_same_address(guest_device(g, i), r))
            return guest_device(g, i);
    return NULL;
}

/* Adapters are there because of their devices, and only from the start on. */
static bool has_adapter(const struct guest *g, const struct resource *r)
{
    for (guint i = 0; i < g->devices->len; i++) {
        const struct resource *d = guest_device(g, i);
        if (!d->network && d->bus == r->bus && d->slot == r->slot &&
            strcmp(d->adapter, r->adapter) == 0)
            return true;
    }
    return false;
}

static bool same_storage(const struct resource *a, const struct resource *b)
{
    return strcmp(a->storage, b->storage) == 0 && strcmp(a->device, b->device) == 0;
}

static bool is_virtual(const struct resource *r)
{
    return !r->network && strcmp(r->adapter, "scsi") == 0 && strcmp(r->storage, "attach") != 0;
}

static void request(struct live_plan *p, const char *word, const struct resource *r)
{
    struct live_request *q = g_new(struct live_request, 1);
    *q = (struct live_request){word, *r};
    g_ptr_array_add(p->requests, q);
}

/* Devices that go or change. */
static void compare_present(const struct guest *now, const struct guest *wanted,
                            struct live_plan *p)
{
    for (guint i = 0; i < now->devices->len; i++) {
        const struct resource *old = guest_device(now, i), *new = at_address(wanted, old);
        bool kind = new != NULL &&strcmp(old->type, new->type) == 0 &&
                    strcmp(old->adapter, new->adapter) == 0;
        if (old->network || !is_virtual(old) || (new != NULL && (!kind || !is_virtual(new)))) {
            p->rest |= new == NULL || !kind || !same_storage(old, new) || old->port != new->port ||
                       memcmp(old->mac, new->mac, sizeof old->mac) != 0;
            continue;
        }
        if (new == NULL)
            request(p, "detach", old);
        else if (!same_storage(old, new))
            request(p, "replace", new);
    }
}

static void compare_new(const struct guest *now, const struct guest *wanted, struct live_plan *p)
{
    for (guint i = 0; i < wanted->devices->len; i++) {
        const struct resource *r = guest_device(wanted, i);
        if (at_address(now, r) != NULL)
            continue;
        if (is_virtual(r) && has_adapter(now, r))
            request(p, "attach", r);
        else
            p->rest = true;
    }
}

/* The devices in force once the requests are done. */
static void update_devices(struct live_plan *p)
{
    char why[300];
    for (guint i = 0; i < p->requests->len; i++) {
        const struct live_request *q = p->requests->pdata[i];
        if (strcmp(q->word, "attach") == 0)
            guest_add_device(p->active, &q->device, why, sizeof why);
        else if (strcmp(q->word, "detach") == 0)
            guest_delete_device(p->active, &q->device, why, sizeof why);
        else
            guest_modify_device(p->active, &q->device, why, sizeof why);
    }
}

static bool needs_reboot(const struct guest *a, const struct guest *b)
{
    return a->vcpus != b->vcpus || a->memory != b->memory || a->reserved != b->reserved ||
           a->dynamic != b->dynamic || a->dynamic_min != b->dynamic_min ||
           a->dynamic_max != b->dynamic_max || a->dynamic_target != b->dynamic_target ||
           a->distributed != b->distributed || strcmp(a->os_type, b->os_type) != 0 ||
           strcmp(a->os_version, b->os_version) != 0 || strcmp(a->controllers, b->controllers) != 0;
}

void live_compare(const struct guest *now, const struct guest *wanted, struct live_plan *p)
{
    *p = (struct live_plan){.active = guest_copy(now),
                            .requests = g_ptr_array_new_with_free_func(g_free),
                            .rest = needs_reboot(now, wanted)};
    struct guest *g = p->active;
    g_strlcpy(g->label, wanted->label, sizeof g->label);
    g_strlcpy(g->start, wanted->start, sizeof g->start);
    g->percent = wanted->percent;
    g->cycles = wanted->cycles;
    g->dynamic_control = wanted->dynamic_control;
    g_array_unref(g->grants);
    g->grants = g_array_copy(wanted->grants);
    compare_present(now, wanted, p);
    compare_new(now, wanted, p);
    update_devices(p);
}

void live_plan_clear(struct live_plan *p)
{
    guest_free(p->active);
    g_ptr_array_free(p->requests, TRUE);
}

static int open_storage(const struct live_request *q, char *why, size_t size)
{
    bool disk = strcmp(q->device.type, "disk") == 0;
    if (strcmp(q->word, "detach") == 0 || strcmp(q->device.storage, "null") == 0)
        return -1;
    if (!backing_shows_up(&q->device)) {
        snprintf(why, size, "%s", BACKING_HIDDEN);
        return -EINVAL;
    }
    int fd = open(q->device.device, (disk ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0)
        return fd;
    int err = -errno;
    snprintf(why, size, "Device '%s' cannot be opened: %s.", q->device.device, strerror(errno));
    return err == -1 ? -EACCES : err;
}

int live_apply(const char *uuid, const struct live_plan *p, char *why, size_t size)
{
    int err = 0;
    for (guint i = 0; i < p->requests->len && err == 0; i++) {
        const struct live_request *q = p->requests->pdata[i];
        char text[RESOURCE_DEVICE_MAX + 100];
        int fd = open_storage(q, why, size);
        if (fd < -1)
            return fd;
        resource_print(&q->device, text, sizeof text);
        g_autofree char *line = g_strdup_printf("%s %s", q->word, text);
        err = app_request_fd(uuid, line, fd, NULL, NULL, why, size);
        if (fd >= 0)
            close(fd);
    }
    return err;
}
