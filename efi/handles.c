/* The handle database: which protocols a handle has, who opened them, who wants to hear of new
 * ones. Connecting drivers to controllers is in drivers.c.
 */
#include "boot.h"

enum { LOCATE_ALL, LOCATE_NOTIFY, LOCATE_PROTOCOL };

/* RegisterProtocolNotify: handles that got the protocol since they were last asked for. */
struct registration {
    uint64_t id, event;
    uint8_t guid[16];
    GQueue fresh; /* handle ids as pointers */
};

static void free_protocol(gpointer p)
{
    g_array_unref(((struct protocol *)p)->opens);
    g_free(p);
}

static void free_handle(gpointer p)
{
    g_ptr_array_unref(((struct handle *)p)->protocols);
    g_free(p);
}

static void free_registration(gpointer p)
{
    g_queue_clear(&((struct registration *)p)->fresh);
    g_free(p);
}

void handles_init(struct boot *b)
{
    b->handles = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_handle);
    g_queue_init(&b->handle_order);
}

void handles_done(struct boot *b)
{
    g_queue_clear(&b->handle_order);
    g_clear_pointer(&b->handles, g_hash_table_destroy);
    g_slist_free_full(b->registrations, free_registration);
    b->registrations = NULL;
}

struct handle *handle_find(struct boot *b, uint64_t id)
{
    return g_hash_table_lookup(b->handles, &id);
}

struct protocol *handle_protocol(struct handle *h, const uint8_t guid[16])
{
    for (unsigned i = 0; h && i < h->protocols->len; i++) {
        struct protocol *p = h->protocols->pdata[i];

        if (memcmp(p->guid, guid, 16) == 0)
            return p;
    }
    return NULL;
}

uint64_t handle_interface(struct boot *b, uint64_t id, const uint8_t guid[16])
{
    struct protocol *p = handle_protocol(handle_find(b, id), guid);

    return p ? p->interface : 0;
}

static struct handle *new_handle(struct boot *b)
{
    struct handle *h;
    uint64_t id;

    if (g_hash_table_size(b->handles) >= BOOT_MAX_OBJECTS)
        return NULL;
    id = boot_alloc(b, 16);
    if (!id)
        return NULL;
    h = g_new0(struct handle, 1);
    h->id = id;
    h->protocols = g_ptr_array_new_with_free_func(free_protocol);
    g_queue_push_tail(&b->handle_order, h);
    h->link = b->handle_order.tail;
    g_hash_table_insert(b->handles, &h->id, h);
    return h;
}

static void drop_handle(struct boot *b, struct handle *h)
{
    pool_free(b, h->id);
    for (GSList *l = b->registrations; l; l = l->next)
        g_queue_remove_all(&((struct registration *)l->data)->fresh, GSIZE_TO_POINTER(h->id));
    g_queue_delete_link(&b->handle_order, h->link);
    g_hash_table_remove(b->handles, &h->id);
}

static void announce(struct boot *b, uint64_t id, const uint8_t guid[16])
{
    for (GSList *l = b->registrations; l; l = l->next) {
        struct registration *r = l->data;
        struct event *e = event_find(b, r->event);

        if (memcmp(r->guid, guid, 16) || !e || r->fresh.length >= BOOT_MAX_OBJECTS)
            continue;
        g_queue_push_tail(&r->fresh, GSIZE_TO_POINTER(id));
        event_signal(b, e);
    }
}

uint64_t handle_install(struct boot *b, uint64_t *id, const uint8_t guid[16], uint64_t interface)
{
    struct handle *h = *id ? handle_find(b, *id) : new_handle(b);
    struct protocol *p;

    if (!h)
        return *id ? EFI_INVALID_PARAMETER : EFI_OUT_OF_RESOURCES;
    if (handle_protocol(h, guid) || h->protocols->len >= 256)
        return EFI_INVALID_PARAMETER;
    p = g_new0(struct protocol, 1);
    memcpy(p->guid, guid, 16);
    p->interface = interface;
    p->opens = g_array_new(FALSE, TRUE, sizeof(struct open_info));
    g_ptr_array_add(h->protocols, p);
    *id = h->id;
    announce(b, h->id, guid);
    return EFI_SUCCESS;
}

/* A protocol that a driver or an exclusive user has open stays. */
static bool in_use(const struct protocol *p)
{
    for (unsigned i = 0; i < p->opens->len; i++)
        if (g_array_index(p->opens, struct open_info, i).attributes &
            (OPEN_BY_DRIVER | OPEN_EXCLUSIVE))
            return true;
    return false;
}

uint64_t handle_uninstall(struct boot *b, uint64_t id, const uint8_t guid[16], uint64_t interface)
{
    struct handle *h = handle_find(b, id);
    struct protocol *p = handle_protocol(h, guid);

    if (!h)
        return EFI_INVALID_PARAMETER;
    if (!p || p->interface != interface)
        return EFI_NOT_FOUND;
    if (in_use(p))
        return EFI_ACCESS_DENIED;
    g_ptr_array_remove(h->protocols, p);
    if (h->protocols->len == 0)
        drop_handle(b, h);
    return EFI_SUCCESS;
}

GArray *handles_with(struct boot *b, const uint8_t *guid)
{
    GArray *out = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    for (GList *l = b->handle_order.head; l; l = l->next) {
        struct handle *h = l->data;

        if (!guid || handle_protocol(h, guid))
            g_array_append_val(out, h->id);
    }
    return out;
}

/* --- services: installing --- */

/* (*handle, *guid, type, interface) */
uint64_t bs_install_protocol(struct boot *b, struct fwcall *k)
{
    uint8_t guid[16];
    uint64_t id, status;

    if (!boot_read64(b, k->arg[0], &id) || !boot_read(b, k->arg[1], guid, 16) || k->arg[2] != 0)
        return EFI_INVALID_PARAMETER;
    status = handle_install(b, &id, guid, k->arg[3]);
    if (status == EFI_SUCCESS)
        boot_write64(b, k->arg[0], id);
    return task_finish(b, k, status);
}

static bool same_path(struct boot *b, uint64_t at, uint64_t other)
{
    struct devpath *x = g_new(struct devpath, 2);
    bool same = devpath_read(b, at, &x[0]) && devpath_read(b, other, &x[1]) &&
                x[0].size == x[1].size && memcmp(x[0].data, x[1].data, x[0].size) == 0;

    g_free(x);
    return same;
}

/* One device path may be installed only once. */
static bool path_taken(struct boot *b, uint64_t path)
{
    GArray *all = handles_with(b, guid_device_path);
    bool taken = false;

    for (unsigned i = 0; i < all->len && !taken; i++)
        taken = same_path(b, handle_interface(b, g_array_index(all, uint64_t, i), guid_device_path),
                          path);
    g_array_unref(all);
    return taken;
}

static bool next_pair(struct boot *b, const struct fwcall *k, unsigned n, uint8_t guid[16],
                      uint64_t *interface)
{
    uint64_t at = boot_arg(b, k, 1 + 2 * n);

    *interface = boot_arg(b, k, 2 + 2 * n);
    return at && n < 64 && boot_read(b, at, guid, 16);
}

/* (*handle, *guid, interface, ..., NULL): all or none. */
uint64_t bs_install_multiple(struct boot *b, struct fwcall *k)
{
    uint64_t id, first, interface, status = EFI_SUCCESS;
    uint8_t guid[16];
    unsigned n;

    if (!boot_read64(b, k->arg[0], &first))
        return EFI_INVALID_PARAMETER;
    id = first;
    for (n = 0; status == EFI_SUCCESS && next_pair(b, k, n, guid, &interface); n++) {
        if (memcmp(guid, guid_device_path, 16) == 0 && path_taken(b, interface))
            status = EFI_ALREADY_STARTED;
        else
            status = handle_install(b, &id, guid, interface);
    }
    if (status == EFI_SUCCESS) {
        boot_write64(b, k->arg[0], id);
        return task_finish(b, k, status);
    }
    for (n--; n-- > 0;)
        if (next_pair(b, k, n, guid, &interface))
            handle_uninstall(b, id, guid, interface);
    return status;
}

uint64_t bs_uninstall_multiple(struct boot *b, struct fwcall *k)
{
    uint64_t id = k->arg[0], interface, status = EFI_SUCCESS;
    uint8_t guid[16];
    unsigned n;

    for (n = 0; status == EFI_SUCCESS && next_pair(b, k, n, guid, &interface); n++)
        status = handle_uninstall(b, id, guid, interface);
    if (status == EFI_SUCCESS)
        return EFI_SUCCESS;
    for (n--; n-- > 0;)
        if (next_pair(b, k, n, guid, &interface))
            handle_install(b, &id, guid, interface);
    return EFI_INVALID_PARAMETER;
}

/* --- services: asking --- */

/* (handle, *guid, **interface) */
uint64_t bs_handle_protocol(struct boot *b, struct fwcall *k)
{
    struct handle *h = handle_find(b, k->arg[0]);
    struct protocol *p;
    uint8_t guid[16];

    if (!h || !boot_read(b, k->arg[1], guid, 16) || !boot_ram(b, k->arg[2], 8))
        return EFI_INVALID_PARAMETER;
    p = handle_protocol(h, guid);
    boot_write64(b, k->arg[2], p ? p->interface : 0);
    return p ? EFI_SUCCESS : EFI_UNSUPPORTED;
}

/* (*guid, event, **registration) */
uint64_t bs_register_notify(struct boot *b, struct fwcall *k)
{
    struct registration *r;
    uint8_t guid[16];

    if (!boot_read(b, k->arg[0], guid, 16) || !event_find(b, k->arg[1]) ||
        !boot_ram(b, k->arg[2], 8))
        return EFI_INVALID_PARAMETER;
    if (g_slist_length(b->registrations) >= 1024)
        return EFI_OUT_OF_RESOURCES;
    r = g_new0(struct registration, 1);
    r->id = ++b->next_id;
    r->event = k->arg[1];
    memcpy(r->guid, guid, 16);
    b->registrations = g_slist_append(b->registrations, r);
    boot_write64(b, k->arg[2], r->id);
    return EFI_SUCCESS;
}

/* Handles of a search; NULL with a status. */
static GArray *search(struct boot *b, uint64_t how, uint64_t guid_at, uint64_t key,
                      uint64_t *status)
{
    GArray *out = NULL;
    uint8_t guid[16];

    *status = EFI_INVALID_PARAMETER;
    if (how == LOCATE_ALL)
        out = handles_with(b, NULL);
    if (how == LOCATE_PROTOCOL && boot_read(b, guid_at, guid, 16))
        out = handles_with(b, guid);
    for (GSList *l = b->registrations; how == LOCATE_NOTIFY && l && !out; l = l->next) {
        struct registration *r = l->data;
        uint64_t id = GPOINTER_TO_SIZE(g_queue_peek_head(&r->fresh));

        if (r->id != key)
            continue;
        out = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        if (id)
            g_array_append_val(out, id);
    }
    if (out && out->len == 0) {
        g_array_unref(out);
        *status = EFI_NOT_FOUND;
        return NULL;
    }
    if (out)
        *status = EFI_SUCCESS;
    return out;
}

static void told(struct boot *b, uint64_t how, uint64_t key)
{
    for (GSList *l = b->registrations; how == LOCATE_NOTIFY && l; l = l->next)
        if (((struct registration *)l->data)->id == key)
            g_queue_pop_head(&((struct registration *)l->data)->fresh);
}

/* (how, *guid, key, *size, buffer) */
uint64_t bs_locate_handle(struct boot *b, struct fwcall *k)
{
    uint64_t status, room, size;
    GArray *found;

    if (!boot_read64(b, k->arg[3], &room) || k->arg[0] > LOCATE_PROTOCOL)
        return EFI_INVALID_PARAMETER;
    found = search(b, k->arg[0], k->arg[1], k->arg[2], &status);
    if (!found)
        return status;
    size = 8ull * found->len;
    boot_write64(b, k->arg[3], size);
    if (room < size)
        status = EFI_BUFFER_TOO_SMALL;
    else if (!boot_write(b, k->arg[4], found->data, size))
        status = EFI_INVALID_PARAMETER;
    else
        told(b, k->arg[0], k->arg[2]);
    g_array_unref(found);
    return status;
}

/* Pool with n 64-bit words for the caller; 0: no room. */
static uint64_t give_words(struct boot *b, const void *words, unsigned n)
{
    uint64_t at = pool_allocate(b, EFI_BOOT_DATA, 8ull * n);

    if (at)
        boot_write(b, at, words, 8ull * n);
    return at;
}

/* (how, *guid, key, *number, **buffer) */
uint64_t bs_locate_handle_buffer(struct boot *b, struct fwcall *k)
{
    uint64_t status, at;
    GArray *found;

    if (!boot_ram(b, k->arg[3], 8) || !boot_ram(b, k->arg[4], 8) || k->arg[0] > LOCATE_PROTOCOL)
        return EFI_INVALID_PARAMETER;
    boot_write64(b, k->arg[3], 0);
    boot_write64(b, k->arg[4], 0);
    found = search(b, k->arg[0], k->arg[1], k->arg[2], &status);
    if (!found)
        return status;
    at = give_words(b, found->data, found->len);
    if (at) {
        boot_write64(b, k->arg[3], found->len);
        boot_write64(b, k->arg[4], at);
        told(b, k->arg[0], k->arg[2]);
    }
    g_array_unref(found);
    return at ? EFI_SUCCESS : EFI_OUT_OF_RESOURCES;
}

/* (*guid, registration, **interface) */
uint64_t bs_locate_protocol(struct boot *b, struct fwcall *k)
{
    uint64_t how = k->arg[1] ? LOCATE_NOTIFY : LOCATE_PROTOCOL, status;
    uint8_t guid[16];
    GArray *found;

    if (!boot_ram(b, k->arg[2], 8) || !boot_read(b, k->arg[0], guid, 16))
        return EFI_INVALID_PARAMETER;
    boot_write64(b, k->arg[2], 0);
    found = search(b, how, k->arg[0], k->arg[1], &status);
    if (!found)
        return status;
    boot_write64(b, k->arg[2], handle_interface(b, g_array_index(found, uint64_t, 0), guid));
    told(b, how, k->arg[1]);
    g_array_unref(found);
    return EFI_SUCCESS;
}

/* (handle, ***guids, *number): one pool block with the pointers and the GUIDs. */
uint64_t bs_protocols_per_handle(struct boot *b, struct fwcall *k)
{
    struct handle *h = handle_find(b, k->arg[0]);
    uint64_t at;
    unsigned n;

    if (!h || !boot_ram(b, k->arg[1], 8) || !boot_ram(b, k->arg[2], 8))
        return EFI_INVALID_PARAMETER;
    n = h->protocols->len;
    at = pool_allocate(b, EFI_BOOT_DATA, 24ull * n);
    if (!at)
        return EFI_OUT_OF_RESOURCES;
    for (unsigned i = 0; i < n; i++) {
        boot_write64(b, at + 8 * i, at + 8 * n + 16 * i);
        boot_write(b, at + 8 * n + 16 * i, ((struct protocol *)h->protocols->pdata[i])->guid, 16);
    }
    boot_write64(b, k->arg[1], at);
    boot_write64(b, k->arg[2], n);
    return EFI_SUCCESS;
}

/* (handle, *guid, **entries, *number) */
uint64_t bs_open_information(struct boot *b, struct fwcall *k)
{
    struct handle *h = handle_find(b, k->arg[0]);
    struct protocol *p;
    uint8_t guid[16];
    uint64_t at;

    if (!h || !boot_read(b, k->arg[1], guid, 16) || !boot_ram(b, k->arg[2], 8) ||
        !boot_ram(b, k->arg[3], 8))
        return EFI_INVALID_PARAMETER;
    p = handle_protocol(h, guid);
    if (!p)
        return EFI_NOT_FOUND;
    at = give_words(b, p->opens->data, 3 * p->opens->len);
    if (!at)
        return EFI_OUT_OF_RESOURCES;
    boot_write64(b, k->arg[2], at);
    boot_write64(b, k->arg[3], p->opens->len);
    return EFI_SUCCESS;
}

/* How many bytes of `path` the device path of a handle covers; 0 when it is not a beginning. */
static size_t covers(struct boot *b, uint64_t id, const uint8_t *path, size_t size)
{
    struct devpath *p = g_new(struct devpath, 1);
    size_t n = 0;

    if (devpath_read(b, handle_interface(b, id, guid_device_path), p) && p->size <= size &&
        memcmp(p->data, path, p->size) == 0)
        n = p->size;
    g_free(p);
    return n;
}

uint64_t handle_by_path(struct boot *b, const uint8_t *guid, const uint8_t *path, size_t size,
                        size_t *used)
{
    GArray *all = handles_with(b, guid);
    uint64_t best = 0;

    *used = 0;
    for (unsigned i = 0; i < all->len; i++) {
        uint64_t id = g_array_index(all, uint64_t, i);
        size_t n = covers(b, id, path, size);

        if (n > *used) {
            *used = n;
            best = id;
        }
    }
    g_array_unref(all);
    return best;
}

/* (*guid, **path, *handle): the path pointer moves to what is left. */
uint64_t bs_locate_device_path(struct boot *b, struct fwcall *k)
{
    struct devpath *p = g_new(struct devpath, 1);
    uint64_t at, id, status = EFI_INVALID_PARAMETER;
    uint8_t guid[16];
    size_t used;

    if (boot_read(b, k->arg[0], guid, 16) && boot_read64(b, k->arg[1], &at) &&
        devpath_read(b, at, p) && boot_ram(b, k->arg[2], 8)) {
        id = handle_by_path(b, guid, p->data, p->size, &used);
        status = id ? EFI_SUCCESS : EFI_NOT_FOUND;
        if (id) {
            boot_write64(b, k->arg[2], id);
            boot_write64(b, k->arg[1], at + used);
        }
    }
    g_free(p);
    return status;
}
