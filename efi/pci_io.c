/* EFI_PCI_ROOT_BRIDGE_IO_PROTOCOL and EFI_DEVICE_IO_PROTOCOL on the handles of the PCI roots.
 *
 * Addresses are the same on the bus and in memory. A buffer above 4 GB for a device that cannot
 * reach it is copied through one below.
 */
#include "boot.h"

/* Widths: 1 << (w & 3) bytes; FIFO widths keep the address, fill widths keep the buffer. */
enum { WIDTH_FIFO = 4, WIDTH_FILL = 8, WIDTH_MAX = 12 };

#define BUS_READ   0
#define BUS_WRITE  1
#define BUS_COMMON 2
#define BUS_64     3 /* added to the others */

#define ROOT_MEMBERS 16 /* functions, the parent handle before them not counted */
#define FOUR_GB      (1ull << 32)
#define MAX_COUNT    (1u << 24)

static const char root_kind[] = "PCI root bridge I/O", device_kind[] = "device I/O",
                  map_kind[] = "PCI mapping";

struct root {
    unsigned number;
    uint64_t handle, at, device_at, resources;
};

/* What Map() returned. */
struct mapping {
    uint64_t host, device, size;
    unsigned operation;
};

/* --- accesses --- */

/* EFI's PCI address: register 7:0, function, device, bus, extended register 63:32. */
static bool pci_place(uint64_t a, unsigned size, unsigned place[3])
{
    unsigned reg = a >> 32 ? (unsigned)(a >> 32) : (unsigned)(a & 0xff);

    place[0] = a >> 24 & 0xff;
    place[1] = (unsigned)((a >> 16 & 0x1f) << 3 | (a >> 8 & 7));
    place[2] = reg;
    return reg % size == 0 && reg + size <= 4096 && size <= 4;
}

static uint64_t port_address(uint64_t port)
{
    return HPVM_IOPORT + (port >> 2 << 12) + (port & 0xfff);
}

bool bus_access(struct boot *b, enum bus_space s, uint64_t a, unsigned size, bool write,
                uint64_t *v)
{
    const struct firmware_config *cfg = &b->fw->cfg;
    unsigned p[3];

    if (s != SPACE_PCI) {
        if (s == SPACE_IO && (a > 0xffff || size > 4))
            return false;
        if (s == SPACE_IO)
            a = port_address(a);
        if (write)
            mem_write(b->fw->mem, a, size, *v);
        else
            mem_read(b->fw->mem, a, size, v);
        return true;
    }
    if (!pci_place(a, size, p))
        return false;
    *v = write ? *v : UINT64_MAX;
    if (write && cfg->pci_write)
        cfg->pci_write(cfg->opaque, 0, p[0], p[1], p[2], size, *v);
    else if (!write && cfg->pci_read)
        *v = cfg->pci_read(cfg->opaque, 0, p[0], p[1], p[2], size);
    return true;
}

static uint64_t step_address(enum bus_space s, uint64_t a, unsigned size)
{
    return s == SPACE_PCI && a >> 32 ? a + ((uint64_t)size << 32) : a + size;
}

static uint64_t transfer(struct boot *b, enum bus_space s, const uint64_t *arg, bool write)
{
    unsigned width = (unsigned)arg[1], size = 1u << (width & 3);
    uint64_t a = arg[2], buffer = arg[4];

    if (arg[1] >= WIDTH_MAX || arg[3] > MAX_COUNT || (a & (size - 1)) || !arg[4])
        return EFI_INVALID_PARAMETER;
    for (uint64_t i = 0; i < arg[3]; i++) {
        uint64_t v = 0;

        if (write && !boot_read(b, buffer, &v, size))
            return EFI_INVALID_PARAMETER;
        if (!bus_access(b, s, a, size, write, &v))
            return EFI_INVALID_PARAMETER;
        if (!write && !boot_write(b, buffer, &v, size))
            return EFI_INVALID_PARAMETER;
        if (!(width & WIDTH_FIFO))
            a = step_address(s, a, size);
        if (!(width & WIDTH_FILL))
            buffer += size;
    }
    return EFI_SUCCESS;
}

static bool known(struct boot *b, const struct fwcall *k)
{
    return boot_object(b, k->arg[0], root_kind) || boot_object(b, k->arg[0], device_kind);
}

#define TRANSFER(name, space, write)                                                               \
    static uint64_t name(struct boot *b, struct fwcall *k)                                         \
    {                                                                                              \
        return known(b, k) ? transfer(b, space, k->arg, write) : EFI_INVALID_PARAMETER;            \
    }
TRANSFER(memory_read, SPACE_MEM, false)
TRANSFER(memory_write, SPACE_MEM, true)
TRANSFER(port_read, SPACE_IO, false)
TRANSFER(port_write, SPACE_IO, true)
TRANSFER(config_read, SPACE_PCI, false)
TRANSFER(config_write, SPACE_PCI, true)

/* w: width, address, mask, value, end, result address; the space is in data. */
static void polled(struct boot *b, struct task *t, uint64_t status)
{
    enum bus_space s = (enum bus_space)GPOINTER_TO_UINT(t->data);
    uint64_t v = 0;

    (void)status;
    bus_access(b, s, t->w[1], 1u << (t->w[0] & 3), false, &v);
    boot_write64(b, t->w[5], v);
    if ((v & t->w[2]) == t->w[3])
        task_done(b, t, EFI_SUCCESS);
    else if (boot_now(b) >= t->w[4])
        task_done(b, t, EFI_TIMEOUT);
    else
        task_wait(b, t, MIN(t->w[4], boot_now(b) + boot_ticks(b, 10000)));
}

/* (this, width, address, mask, value, delay, *result) */
static uint64_t poll(struct boot *b, struct fwcall *k, enum bus_space s)
{
    struct task *t;

    if (!known(b, k) || k->arg[1] > 3 || !boot_ram(b, k->arg[6], 8) ||
        (s == SPACE_IO && k->arg[2] > 0xffff))
        return EFI_INVALID_PARAMETER;
    t = task_service(b, k, polled);
    if (!t)
        return EFI_OUT_OF_RESOURCES;
    for (unsigned i = 0; i < 4; i++)
        t->w[i] = k->arg[1 + i];
    t->w[4] = boot_now(b) + boot_ticks(b, k->arg[5]);
    t->w[5] = k->arg[6];
    t->data = GUINT_TO_POINTER(s);
    polled(b, t, EFI_SUCCESS);
    return EFI_SUCCESS;
}

static uint64_t poll_mem(struct boot *b, struct fwcall *k)
{
    return poll(b, k, SPACE_MEM);
}

static uint64_t poll_io(struct boot *b, struct fwcall *k)
{
    return poll(b, k, SPACE_IO);
}

/* (this, width, to, from, count): ranges may overlap. */
static uint64_t copy_mem(struct boot *b, struct fwcall *k)
{
    unsigned size = 1u << (k->arg[1] & 3);
    uint64_t to = k->arg[2], from = k->arg[3], n = k->arg[4], v;
    bool down = to > from && to - from < n * size;

    if (!known(b, k) || k->arg[1] > 3 || n > MAX_COUNT)
        return EFI_INVALID_PARAMETER;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = (down ? n - 1 - i : i) * size;

        mem_read(b->fw->mem, from + at, size, &v);
        mem_write(b->fw->mem, to + at, size, v);
    }
    return EFI_SUCCESS;
}

/* --- DMA --- */

static void copy(struct boot *b, uint64_t to, uint64_t from, uint64_t size)
{
    uint8_t *out = boot_ram(b, to, size), *in = boot_ram(b, from, size);

    if (out && in) {
        memmove(out, in, size);
        boot_wrote(b, to, size);
    }
}

static uint64_t map(struct boot *b, unsigned operation, uint64_t host, uint64_t size_at,
                    uint64_t device_at, uint64_t mapping_at)
{
    struct mapping *m;
    uint64_t size, device = host, key;

    if (operation >= 2 * BUS_64 || !boot_read64(b, size_at, &size) || size == 0 ||
        size > HPVM_RAM_MAX || !boot_ram(b, device_at, 8) || !boot_ram(b, mapping_at, 8))
        return EFI_INVALID_PARAMETER;
    if (operation < BUS_64 && host + size > FOUR_GB) {
        if (operation == BUS_COMMON)
            return EFI_UNSUPPORTED;
        device = FOUR_GB - 1;
        if (memory_allocate(b, ALLOCATE_MAX, EFI_BOOT_DATA, (size + EFI_PAGE - 1) / EFI_PAGE,
                            &device))
            return EFI_OUT_OF_RESOURCES;
        if (operation == BUS_READ)
            copy(b, device, host, size);
    }
    key = boot_alloc(b, 16);
    if (!key)
        return EFI_OUT_OF_RESOURCES;
    m = g_new(struct mapping, 1);
    *m = (struct mapping){host, device, size, operation};
    boot_bind(b, key, map_kind, m);
    boot_write64(b, device_at, device);
    boot_write64(b, mapping_at, key);
    return EFI_SUCCESS;
}

/* (this, operation, host, *size, *device, **mapping) */
static uint64_t root_map(struct boot *b, struct fwcall *k)
{
    return map(b, (unsigned)MIN(k->arg[1], 99), k->arg[2], k->arg[3], k->arg[4], k->arg[5]);
}

/* Device I/O passes the address of the host address. */
static uint64_t device_map(struct boot *b, struct fwcall *k)
{
    uint64_t host;

    if (k->arg[1] > BUS_COMMON || !boot_read64(b, k->arg[2], &host))
        return EFI_INVALID_PARAMETER;
    return map(b, (unsigned)k->arg[1], host, k->arg[3], k->arg[4], k->arg[5]);
}

/* (this, mapping) */
static uint64_t unmap(struct boot *b, struct fwcall *k)
{
    struct mapping *m = boot_object(b, k->arg[1], map_kind);

    if (!m)
        return EFI_INVALID_PARAMETER;
    if (m->device != m->host) {
        if (m->operation % BUS_64 == BUS_WRITE)
            copy(b, m->host, m->device, m->size);
        memory_free(b, m->device, (m->size + EFI_PAGE - 1) / EFI_PAGE);
    }
    boot_unbind(b, k->arg[1]);
    pool_free(b, k->arg[1]);
    g_free(m);
    return EFI_SUCCESS;
}

static uint64_t allocate(struct boot *b, uint64_t how, uint64_t type, uint64_t pages, uint64_t out,
                         bool below)
{
    uint64_t at = FOUR_GB - 1, status;

    if (how > ALLOCATE_ADDRESS || !boot_ram(b, out, 8) ||
        (type != EFI_BOOT_DATA && type != EFI_RUNTIME_DATA))
        return EFI_INVALID_PARAMETER;
    if (how != ALLOCATE_ANY)
        boot_read64(b, out, &at);
    else if (below)
        how = ALLOCATE_MAX;
    status = memory_allocate(b, (unsigned)how, (uint32_t)type, pages, &at);
    if (status == EFI_SUCCESS)
        boot_write64(b, out, at);
    return status;
}

#define ATTR_WRITE_COMBINE 0x0080ull
#define ATTR_CACHED        0x0800ull
#define ATTR_DUAL_ADDRESS  0x8000ull

/* (this, how, type, pages, **host, attributes) */
static uint64_t root_allocate(struct boot *b, struct fwcall *k)
{
    if (k->arg[5] & ~(ATTR_WRITE_COMBINE | ATTR_CACHED | ATTR_DUAL_ADDRESS))
        return EFI_UNSUPPORTED;
    return allocate(b, k->arg[1], k->arg[2], k->arg[3], k->arg[4],
                    !(k->arg[5] & ATTR_DUAL_ADDRESS));
}

static uint64_t device_allocate(struct boot *b, struct fwcall *k)
{
    return allocate(b, k->arg[1], k->arg[2], k->arg[3], k->arg[4], true);
}

/* (this, pages, host) */
static uint64_t free_buffer(struct boot *b, struct fwcall *k)
{
    struct fwcall pages = *k;

    pages.arg[0] = k->arg[2];
    return bs_free_pages(b, &pages) == EFI_SUCCESS ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

/* Memory is coherent: there is nothing to flush. */
static uint64_t flush(struct boot *b, struct fwcall *k)
{
    return known(b, k) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

/* --- attributes and resources --- */

/* (this, *supports, *attributes) */
static uint64_t get_attributes(struct boot *b, struct fwcall *k)
{
    if (!known(b, k) || (!k->arg[1] && !k->arg[2]))
        return EFI_INVALID_PARAMETER;
    if (k->arg[1])
        boot_write64(b, k->arg[1], ATTR_DUAL_ADDRESS);
    if (k->arg[2])
        boot_write64(b, k->arg[2], ATTR_DUAL_ADDRESS);
    return EFI_SUCCESS;
}

static uint64_t set_attributes(struct boot *b, struct fwcall *k)
{
    if (!known(b, k))
        return EFI_INVALID_PARAMETER;
    return k->arg[1] & ~ATTR_DUAL_ADDRESS ? EFI_UNSUPPORTED : EFI_SUCCESS;
}

/* ACPI 2.0 QWORD address space descriptor; kind 0 memory, 1 ports, 2 bus numbers. */
static void put_range(struct blob *w, unsigned range_kind, unsigned granularity, uint64_t start,
                      uint64_t size)
{
    blob_u8(w, 0x8a);
    blob_u16(w, 0x2b);
    blob_u8(w, range_kind);
    blob_u8(w, 0);
    blob_u8(w, 0);
    blob_u64(w, granularity);
    blob_u64(w, start);
    blob_u64(w, start + size - 1);
    blob_u64(w, 0);
    blob_u64(w, size);
}

static void put_resources(struct boot *b, struct root *r)
{
    uint8_t data[256];
    struct blob w;

    blob_init(&w, data, sizeof(data));
    put_range(&w, 2, 0, r->number, 1);
    put_range(&w, 1, 0, HPVM_PCI_IO(r->number), HPVM_PCI_IO_SIZE);
    put_range(&w, 0, 32, HPVM_PCI_MEM(r->number), HPVM_PCI_MEM_SIZE(r->number));
    put_range(&w, 0, 64, HPVM_PCI_MEM64(r->number), HPVM_PCI_MEM64_SIZE);
    blob_u8(&w, 0x79);
    blob_u8(&w, 0);
    r->resources = boot_alloc(b, w.len);
    boot_write(b, r->resources, data, w.len);
}

/* (this, **resources) */
static uint64_t configuration(struct boot *b, struct fwcall *k)
{
    struct root *r = boot_object(b, k->arg[0], root_kind);

    return r && boot_write64(b, k->arg[1], r->resources) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

/* (this, address, **path): the path of the device at a PCI address. */
static uint64_t device_path(struct boot *b, struct fwcall *k)
{
    struct devpath *p = g_new0(struct devpath, 1);
    uint64_t at;

    devpath_add_acpi(p, 0x0a03, k->arg[1] >> 24 & 0xff);
    devpath_add_pci(p, k->arg[1] >> 16 & 0x1f, k->arg[1] >> 8 & 7);
    at = devpath_write(b, p);
    g_free(p);
    if (!at)
        return EFI_OUT_OF_RESOURCES;
    return boot_write64(b, k->arg[2], at) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

/* --- composition --- */

static boot_fn *const root_members[ROOT_MEMBERS] = {
    poll_mem,    poll_io,      memory_read,    memory_write,   port_read, port_write,
    config_read, config_write, copy_mem,       root_map,       unmap,     root_allocate,
    free_buffer, flush,        get_attributes, set_attributes,
};

static boot_fn *const device_members[] = {
    memory_read, memory_write, port_read, port_write,      config_read, config_write,
    device_map,  device_path,  unmap,     device_allocate, flush,       free_buffer,
};

static void add_root(struct boot *b, unsigned number)
{
    struct devpath *p = g_new0(struct devpath, 1);
    struct root *r = g_new0(struct root, 1);

    r->number = number;
    r->at = boot_alloc(b, 8 * (ROOT_MEMBERS + 3));
    r->device_at = boot_alloc(b, sizeof(device_members));
    boot_put_functions(b, r->at + 8, root_members, ROOT_MEMBERS);
    boot_write64(b, r->at + 8 * (ROOT_MEMBERS + 1), boot_function(b, configuration));
    boot_put_functions(b, r->device_at, device_members, G_N_ELEMENTS(device_members));
    put_resources(b, r);
    boot_bind(b, r->at, root_kind, r);
    boot_bind(b, r->device_at, device_kind, r);
    devpath_add_acpi(p, 0x0a03, number);
    handle_install(b, &r->handle, guid_device_path, devpath_write(b, p));
    handle_install(b, &r->handle, guid_pci_root, r->at);
    handle_install(b, &r->handle, guid_device_io, r->device_at);
    g_free(p);
    g_ptr_array_add(b->roots, r);
}

void pci_io_done(struct boot *b)
{
    if (b->roots)
        g_ptr_array_unref(b->roots);
    b->roots = NULL;
}

void pci_io_init(struct boot *b)
{
    b->roots = g_ptr_array_new_with_free_func(g_free);
    for (unsigned n = 0; n < HPVM_PCI_ROOTS; n++)
        add_root(b, n);
}
