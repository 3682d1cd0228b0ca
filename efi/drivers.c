/* Opening protocols, and connecting and disconnecting drivers that guest programs have installed.
 *
 * The firmware's own devices are always there: their handles have all their protocols from the
 * start, so connecting them finds nothing to do. Overrides of the order of drivers (platform and
 * bus-specific override protocols) are not consulted.
 */
#include "boot.h"

/* Members of EFI_DRIVER_BINDING_PROTOCOL. */
#define BINDING_SUPPORTED 0
#define BINDING_START     8
#define BINDING_STOP      16
#define BINDING_VERSION   24

static struct open_info *open_entry(struct protocol *p, const struct open_info *o)
{
    for (unsigned i = 0; i < p->opens->len; i++) {
        struct open_info *e = &g_array_index(p->opens, struct open_info, i);

        if (e->agent == o->agent && e->controller == o->controller &&
            e->attributes == o->attributes)
            return e;
    }
    return NULL;
}

static void record(struct protocol *p, const struct open_info *o)
{
    struct open_info *e = open_entry(p, o), fresh = *o;

    if (e) {
        e->count++;
    } else if (p->opens->len < 1024) {
        fresh.count = 1;
        g_array_append_val(p->opens, fresh);
    }
}

static const struct open_info *user(const struct protocol *p, uint32_t attributes)
{
    for (unsigned i = 0; i < p->opens->len; i++)
        if (g_array_index(p->opens, struct open_info, i).attributes & attributes)
            return &g_array_index(p->opens, struct open_info, i);
    return NULL;
}

/* Rules of OpenProtocol for a driver or an exclusive user. *evict: the driver to stop first. */
static uint64_t may_open(const struct protocol *p, const struct open_info *o, uint64_t *evict)
{
    const struct open_info *driver = user(p, OPEN_BY_DRIVER);

    *evict = 0;
    if (!(o->attributes & (OPEN_BY_DRIVER | OPEN_EXCLUSIVE)))
        return EFI_SUCCESS;
    if (driver && driver->agent == o->agent && (o->attributes & OPEN_BY_DRIVER))
        return driver->attributes == o->attributes ? EFI_ALREADY_STARTED : EFI_ACCESS_DENIED;
    if (user(p, OPEN_EXCLUSIVE))
        return EFI_ACCESS_DENIED;
    if (driver && !(o->attributes & OPEN_EXCLUSIVE))
        return EFI_ACCESS_DENIED;
    if (driver)
        *evict = driver->agent;
    return EFI_SUCCESS;
}

static void evicted(struct boot *b, struct task *t, uint64_t status)
{
    struct open_info *o = t->data;
    struct protocol *p = handle_protocol(handle_find(b, t->w[0]), (const uint8_t *)&t->w[1]);
    uint64_t again;

    if (status == EFI_SUCCESS && p && may_open(p, o, &again) == EFI_SUCCESS && !again)
        record(p, o);
    else
        status = EFI_ACCESS_DENIED;
    task_done(b, t, status);
}

static void free_data(struct boot *b, struct task *t)
{
    (void)b;
    g_free(t->data);
}

static bool open_ok(struct boot *b, const struct open_info *o)
{
    switch (o->attributes) {
    case OPEN_BY_HANDLE:
    case OPEN_GET:
    case OPEN_TEST:
        return true;
    case OPEN_BY_CHILD:
        return handle_find(b, o->agent) && handle_find(b, o->controller);
    case OPEN_BY_DRIVER:
    case OPEN_BY_DRIVER | OPEN_EXCLUSIVE:
        return handle_find(b, o->agent) && handle_find(b, o->controller);
    case OPEN_EXCLUSIVE:
        return handle_find(b, o->agent) != NULL;
    default:
        return false;
    }
}

/* (handle, *guid, **interface, agent, controller, attributes) */
uint64_t bs_open_protocol(struct boot *b, struct fwcall *k)
{
    struct open_info o = {k->arg[3], k->arg[4], (uint32_t)k->arg[5], 0};
    struct handle *h = handle_find(b, k->arg[0]);
    uint64_t status, evict;
    struct protocol *p;
    struct task *t;
    uint8_t guid[16];

    if (!h || !boot_read(b, k->arg[1], guid, 16) || !open_ok(b, &o) ||
        (o.attributes != OPEN_TEST && !boot_ram(b, k->arg[2], 8)) ||
        (o.attributes == OPEN_BY_CHILD && o.controller == h->id))
        return EFI_INVALID_PARAMETER;
    p = handle_protocol(h, guid);
    if (o.attributes != OPEN_TEST)
        boot_write64(b, k->arg[2], p ? p->interface : 0);
    if (!p)
        return EFI_UNSUPPORTED;
    status = may_open(p, &o, &evict);
    if (status != EFI_SUCCESS)
        return status;
    if (!evict) {
        if (handle_find(b, o.agent))
            record(p, &o);
        return EFI_SUCCESS;
    }
    t = task_service(b, k, evicted);
    if (!t)
        return EFI_OUT_OF_RESOURCES;
    t->w[0] = h->id;
    memcpy(&t->w[1], guid, 16);
    t->data = g_memdup2(&o, sizeof(o));
    t->drop = free_data;
    driver_disconnect(b, h->id, evict, 0);
    return EFI_SUCCESS;
}

/* (handle, *guid, agent, controller) */
uint64_t bs_close_protocol(struct boot *b, struct fwcall *k)
{
    struct handle *h = handle_find(b, k->arg[0]);
    struct protocol *p;
    uint8_t guid[16];
    bool found = false;

    if (!h || !boot_read(b, k->arg[1], guid, 16) || !handle_find(b, k->arg[2]) ||
        (k->arg[3] && !handle_find(b, k->arg[3])))
        return EFI_INVALID_PARAMETER;
    p = handle_protocol(h, guid);
    for (unsigned i = p ? p->opens->len : 0; i-- > 0;) {
        struct open_info *e = &g_array_index(p->opens, struct open_info, i);

        if (e->agent != k->arg[2] || e->controller != k->arg[3])
            continue;
        g_array_remove_index(p->opens, i);
        found = true;
    }
    return found ? EFI_SUCCESS : EFI_NOT_FOUND;
}

/* --- connecting --- */

struct candidate {
    uint64_t handle, binding;
    uint32_t version;
};

/* Controllers still to do and, for the current one, drivers not yet started on it. */
struct connecting {
    GArray *controllers; /* uint64_t */
    unsigned at;
    GArray *drivers; /* struct candidate */
    unsigned driver;
    bool starting, any, recursive;
    uint64_t remaining; /* device path for the first controller */
    uint64_t wanted[16];
    unsigned wants;
};

static void free_connecting(struct boot *b, struct task *t)
{
    struct connecting *x = t->data;

    (void)b;
    g_array_unref(x->controllers);
    g_array_unref(x->drivers);
    g_free(x);
}

static int by_version(gconstpointer x, gconstpointer y)
{
    const struct candidate *a = x, *c = y;

    return a->version < c->version ? 1 : a->version > c->version ? -1 : 0;
}

static void add_candidate(struct boot *b, GArray *out, uint64_t handle)
{
    struct candidate c = {handle, handle_interface(b, handle, guid_driver_binding), 0};

    if (!c.binding || !boot_read(b, c.binding + BINDING_VERSION, &c.version, 4))
        return;
    for (unsigned i = 0; i < out->len; i++)
        if (g_array_index(out, struct candidate, i).binding == c.binding)
            return;
    g_array_append_val(out, c);
}

/* Named drivers first, the others by falling version. */
static void find_drivers(struct boot *b, struct connecting *x)
{
    GArray *all = handles_with(b, guid_driver_binding), *rest;

    rest = g_array_new(FALSE, FALSE, sizeof(struct candidate));
    g_array_set_size(x->drivers, 0);
    for (unsigned i = 0; i < x->wants; i++)
        add_candidate(b, x->drivers, x->wanted[i]);
    for (unsigned i = 0; i < all->len; i++)
        add_candidate(b, rest, g_array_index(all, uint64_t, i));
    g_array_sort(rest, by_version);
    for (unsigned i = 0; i < rest->len; i++)
        add_candidate(b, x->drivers, g_array_index(rest, struct candidate, i).handle);
    g_array_unref(rest);
    g_array_unref(all);
    x->driver = 0;
    x->starting = false;
}

/* Controllers that drivers have made below this one. */
static void add_children(struct boot *b, struct connecting *x, uint64_t parent)
{
    struct handle *h = handle_find(b, parent);

    for (unsigned i = 0; h && i < h->protocols->len; i++) {
        const struct protocol *p = h->protocols->pdata[i];

        for (unsigned j = 0; j < p->opens->len; j++) {
            const struct open_info *o = &g_array_index(p->opens, struct open_info, j);
            bool known = o->attributes != OPEN_BY_CHILD || x->controllers->len >= 4096;

            for (unsigned n = 0; n < x->controllers->len && !known; n++)
                known = g_array_index(x->controllers, uint64_t, n) == o->controller;
            if (!known)
                g_array_append_val(x->controllers, o->controller);
        }
    }
}

static void connect_next(struct boot *b, struct task *t);

static void call_binding(struct boot *b, struct task *t, const struct candidate *c, unsigned member)
{
    struct connecting *x = t->data;
    uint64_t args[3] = {c->binding, g_array_index(x->controllers, uint64_t, x->at),
                        x->at == 0 ? x->remaining : 0};
    uint64_t fn = 0;

    boot_read64(b, c->binding + member, &fn);
    x->starting = member == BINDING_START;
    task_call(b, t, fn, args, 3);
}

/* After Supported or Start of drivers[driver]. A driver is started once; after a start all others
 * are asked again. */
static void connect_step(struct boot *b, struct task *t, uint64_t status)
{
    struct connecting *x = t->data;
    struct candidate c = g_array_index(x->drivers, struct candidate, x->driver);

    if (!x->starting) {
        if (status == EFI_SUCCESS) {
            call_binding(b, t, &c, BINDING_START);
            return;
        }
        x->driver++;
    } else {
        g_array_remove_index(x->drivers, x->driver);
        if (status == EFI_SUCCESS) {
            x->any |= x->at == 0;
            x->driver = 0;
        }
    }
    connect_next(b, t);
}

static void connect_next(struct boot *b, struct task *t)
{
    struct connecting *x = t->data;

    while (x->driver >= x->drivers->len) {
        if (x->recursive)
            add_children(b, x, g_array_index(x->controllers, uint64_t, x->at));
        if (++x->at >= x->controllers->len) {
            task_done(b, t, x->any || x->remaining ? EFI_SUCCESS : EFI_NOT_FOUND);
            return;
        }
        find_drivers(b, x);
    }
    call_binding(b, t, &g_array_index(x->drivers, struct candidate, x->driver), BINDING_SUPPORTED);
}

/* A device of the firmware's own is connected to its driver already. */
static bool built_in(struct boot *b, uint64_t handle)
{
    return handle_interface(b, handle, guid_block_io) ||
           handle_interface(b, handle, guid_serial_io) ||
           handle_interface(b, handle, guid_pci_root) || handle_interface(b, handle, guid_text_out);
}

static struct connecting *new_connecting(struct boot *b, struct task *t, uint64_t controller,
                                         bool recursive)
{
    struct connecting *x = g_new0(struct connecting, 1);

    x->controllers = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    x->drivers = g_array_new(FALSE, FALSE, sizeof(struct candidate));
    g_array_append_val(x->controllers, controller);
    x->recursive = recursive;
    x->any = built_in(b, controller);
    t->data = x;
    t->drop = free_connecting;
    return x;
}

/* (controller, *driver images, remaining path, recursive) */
uint64_t bs_connect(struct boot *b, struct fwcall *k)
{
    struct connecting *x;
    struct task *t;

    if (!handle_find(b, k->arg[0]))
        return EFI_INVALID_PARAMETER;
    t = task_service(b, k, connect_step);
    if (!t)
        return EFI_OUT_OF_RESOURCES;
    x = new_connecting(b, t, k->arg[0], k->arg[3] & 0xff);
    x->remaining = k->arg[2];
    while (k->arg[1] && x->wants < G_N_ELEMENTS(x->wanted) &&
           boot_read64(b, k->arg[1] + 8 * x->wants, &x->wanted[x->wants]) && x->wanted[x->wants])
        x->wants++;
    find_drivers(b, x);
    connect_next(b, t);
    return EFI_SUCCESS;
}

void driver_connect(struct boot *b, uint64_t controller, uint64_t driver, bool recursive)
{
    struct task *t = task_part(b, connect_step);
    struct connecting *x = new_connecting(b, t, controller, recursive);

    if (driver)
        x->wanted[x->wants++] = driver;
    find_drivers(b, x);
    connect_next(b, t);
}

/* --- disconnecting --- */

struct disconnecting {
    uint64_t controller, child;
    GArray *drivers; /* uint64_t: handles of drivers that manage it */
    unsigned at;
    GArray *children; /* of the current driver */
    uint64_t child_list;
    bool stopping, found, failed;
};

static void free_disconnecting(struct boot *b, struct task *t)
{
    struct disconnecting *x = t->data;

    if (x->child_list)
        pool_free(b, x->child_list);
    g_array_unref(x->drivers);
    g_array_unref(x->children);
    g_free(x);
}

static void collect(struct boot *b, GArray *out, uint64_t controller, uint32_t attributes,
                    uint64_t agent)
{
    struct handle *h = handle_find(b, controller);

    for (unsigned i = 0; h && i < h->protocols->len; i++) {
        const struct protocol *p = h->protocols->pdata[i];

        for (unsigned j = 0; j < p->opens->len; j++) {
            const struct open_info *o = &g_array_index(p->opens, struct open_info, j);
            uint64_t v = agent ? o->controller : o->agent;
            bool known = !(o->attributes & attributes) || (agent && o->agent != agent);

            for (unsigned n = 0; n < out->len && !known; n++)
                known = g_array_index(out, uint64_t, n) == v;
            if (!known)
                g_array_append_val(out, v);
        }
    }
}

static void disconnect_next(struct boot *b, struct task *t);

static void stop(struct boot *b, struct task *t, uint64_t binding, unsigned children)
{
    struct disconnecting *x = t->data;
    uint64_t args[4] = {binding, x->controller, children, children ? x->child_list : 0}, fn = 0;

    boot_read64(b, binding + BINDING_STOP, &fn);
    x->stopping = !children;
    task_call(b, t, fn, args, 4);
}

/* A bus driver stops its children first, then the controller. */
static void disconnect_step(struct boot *b, struct task *t, uint64_t status)
{
    struct disconnecting *x = t->data;
    uint64_t driver = g_array_index(x->drivers, uint64_t, x->at);

    x->failed |= status != EFI_SUCCESS;
    x->found |= status == EFI_SUCCESS;
    if (!x->stopping && status == EFI_SUCCESS && !x->child) {
        stop(b, t, handle_interface(b, driver, guid_driver_binding), 0);
        return;
    }
    x->at++;
    disconnect_next(b, t);
}

static void disconnect_next(struct boot *b, struct task *t)
{
    struct disconnecting *x = t->data;

    for (; x->at < x->drivers->len; x->at++) {
        uint64_t driver = g_array_index(x->drivers, uint64_t, x->at);
        uint64_t binding = handle_interface(b, driver, guid_driver_binding);

        if (!binding)
            continue;
        g_array_set_size(x->children, 0);
        if (x->child)
            g_array_append_val(x->children, x->child);
        else
            collect(b, x->children, x->controller, OPEN_BY_CHILD, driver);
        if (x->child_list)
            pool_free(b, x->child_list);
        x->child_list = x->children->len ? boot_alloc(b, 8ull * x->children->len) : 0;
        if (x->child_list)
            boot_write(b, x->child_list, x->children->data, 8ull * x->children->len);
        stop(b, t, binding, x->child_list ? x->children->len : 0);
        return;
    }
    task_done(b, t, x->failed && !x->found ? EFI_DEVICE_ERROR : EFI_SUCCESS);
}

/* A part of the task on top. driver 0: all; child 0: all. */
void driver_disconnect(struct boot *b, uint64_t controller, uint64_t driver, uint64_t child)
{
    struct task *t = task_part(b, disconnect_step);
    struct disconnecting *x = g_new0(struct disconnecting, 1);

    x->controller = controller;
    x->child = child;
    x->drivers = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    x->children = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    if (driver)
        g_array_append_val(x->drivers, driver);
    else
        collect(b, x->drivers, controller, OPEN_BY_DRIVER, 0);
    t->data = x;
    t->drop = free_disconnecting;
    disconnect_next(b, t);
}

static void part_done(struct boot *b, struct task *t, uint64_t status)
{
    task_done(b, t, status);
}

/* (controller, driver, child) */
uint64_t bs_disconnect(struct boot *b, struct fwcall *k)
{
    for (unsigned i = 0; i < 3; i++)
        if ((i == 0 || k->arg[i]) && !handle_find(b, k->arg[i]))
            return EFI_INVALID_PARAMETER;
    if (!task_service(b, k, part_done))
        return EFI_OUT_OF_RESOURCES;
    driver_disconnect(b, k->arg[0], k->arg[1], k->arg[2]);
    return EFI_SUCCESS;
}

/* --- reinstalling and removing protocols that drivers use --- */

/* w: handle, guid (2), interface, new interface; data set: reinstall. */
static void released(struct boot *b, struct task *t, uint64_t status)
{
    struct protocol *p = handle_protocol(handle_find(b, t->w[0]), (const uint8_t *)&t->w[1]);

    (void)status;
    if (!p || p->interface != t->w[3]) {
        task_done(b, t, EFI_NOT_FOUND);
        return;
    }
    if (!t->w[5]) {
        task_done(b, t, handle_uninstall(b, t->w[0], (const uint8_t *)&t->w[1], t->w[3]));
        return;
    }
    if (user(p, OPEN_BY_DRIVER | OPEN_EXCLUSIVE)) {
        task_done(b, t, EFI_ACCESS_DENIED);
        return;
    }
    p->interface = t->w[4];
    task_done(b, t, EFI_SUCCESS);
}

static uint64_t release(struct boot *b, struct fwcall *k, bool again)
{
    struct handle *h = handle_find(b, k->arg[0]);
    struct protocol *p;
    struct task *t;
    uint8_t guid[16];

    if (!h || !boot_read(b, k->arg[1], guid, 16))
        return EFI_INVALID_PARAMETER;
    p = handle_protocol(h, guid);
    if (!p || p->interface != k->arg[2])
        return EFI_NOT_FOUND;
    if (!user(p, OPEN_BY_DRIVER)) {
        if (!again)
            return handle_uninstall(b, h->id, guid, k->arg[2]);
        p->interface = k->arg[3];
        return EFI_SUCCESS;
    }
    t = task_service(b, k, released);
    if (!t)
        return EFI_OUT_OF_RESOURCES;
    t->w[0] = h->id;
    memcpy(&t->w[1], guid, 16);
    t->w[3] = k->arg[2];
    t->w[4] = k->arg[3];
    t->w[5] = again;
    driver_disconnect(b, h->id, user(p, OPEN_BY_DRIVER)->agent, 0);
    return EFI_SUCCESS;
}

/* (handle, *guid, interface) */
uint64_t bs_uninstall_protocol(struct boot *b, struct fwcall *k)
{
    return release(b, k, false);
}

/* (handle, *guid, old, new) */
uint64_t bs_reinstall_protocol(struct boot *b, struct fwcall *k)
{
    return release(b, k, true);
}
