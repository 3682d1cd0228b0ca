/* Boot services: their table in guest memory, the way in from guest code, and the services that
 * belong nowhere else (time, checksums, memory copies, configuration tables).
 */
#include "boot.h"
#include "runtime.h"

#include <errno.h>
#include <zlib.h>
#include "le.h"
#include "log.h"

#define BOOT_SIGNATURE 0x56524553544f4f42ull /* "BOOTSERV" */
#define EFI_REVISION   0x0001000a
#define SERVICES       40
#define TABLE_SIZE     (24 + 8 * SERVICES)
#define CONFIG_MAX     64

/* --- guest memory --- */

#define UNCACHEABLE (1ull << 63)

uint8_t *boot_ram(struct boot *b, uint64_t at, uint64_t len)
{
    return at ? mem_ram(b->fw->mem, at & ~UNCACHEABLE, len) : NULL;
}

void boot_wrote(struct boot *b, uint64_t at, uint64_t len)
{
    mem_written(b->fw->mem, at & ~UNCACHEABLE, len);
}

bool boot_read(struct boot *b, uint64_t at, void *buf, uint64_t len)
{
    return at && mem_dma_read(b->fw->mem, at & ~UNCACHEABLE, buf, len) == 0;
}

bool boot_write(struct boot *b, uint64_t at, const void *buf, uint64_t len)
{
    return at && mem_dma_write(b->fw->mem, at & ~UNCACHEABLE, buf, len) == 0;
}

bool boot_read64(struct boot *b, uint64_t at, uint64_t *v)
{
    return boot_read(b, at, v, sizeof(*v));
}

bool boot_write64(struct boot *b, uint64_t at, uint64_t v)
{
    return boot_write(b, at, &v, sizeof(v));
}

uint16_t *boot_read_str16(struct boot *b, uint64_t at, unsigned max)
{
    uint16_t *s = g_new0(uint16_t, max + 1);

    for (unsigned n = 0; n <= max; n++) {
        if (!boot_read(b, at + 2 * n, &s[n], 2))
            break;
        if (!s[n])
            return s;
    }
    g_free(s);
    return NULL;
}

uint64_t boot_arg(struct boot *b, const struct fwcall *k, unsigned n)
{
    uint64_t v = 0;

    if (n < 8)
        return k->arg[n];
    boot_read64(b, cpu_gr(k->c, 12) + 16 + 8 * (n - 8), &v);
    return v;
}

/* --- functions --- */

/* { .mlx  addl r15 = n, r0 ; brl.cond.sptk.few target }  SDM 3:4.2 (A5), 3:4.5 (X3) */
static void put_stub(struct boot *b, uint64_t at, unsigned n, unsigned entry)
{
    uint64_t disp = (FW_STUB_ADDR(entry) - at) >> 4;
    uint64_t addl =
        9ull << 37 | (uint64_t)(n >> 7 & 0x1ff) << 27 | (uint64_t)(n & 0x7f) << 13 | 15ull << 6;
    uint64_t l = (disp >> 20 & 0x7fffffffff) << 2;
    uint64_t x = 0xcull << 37 | (disp >> 59 & 1) << 36 | (disp & 0xfffff) << 13;
    uint64_t bundle[2] = {0x05 | addl << 5 | l << 46, l >> 18 | x << 23};

    boot_write(b, at, bundle, sizeof(bundle));
}

/* { .mlx  adds r16 = n, r0 ; brl.cond.sptk.few target }: bank 0's r16 is free in a handler. */
static void put_vector(struct boot *b, unsigned n)
{
    uint64_t at = BOOT_IVT + ((uint64_t)n << 8);
    uint64_t disp = (FW_STUB_ADDR(FW_ENTRY_INTERRUPTION) - at) >> 4;
    uint64_t adds = 8ull << 37 | 2ull << 34 | (uint64_t)(n & 0x7f) << 13 | 16ull << 6;
    uint64_t l = (disp >> 20 & 0x7fffffffff) << 2;
    uint64_t x = 0xcull << 37 | (disp >> 59 & 1) << 36 | (disp & 0xfffff) << 13;
    uint64_t bundle[2] = {0x05 | adds << 5 | l << 46, l >> 18 | x << 23};

    boot_write(b, at, bundle, sizeof(bundle));
}

uint64_t boot_function(struct boot *b, boot_fn *fn)
{
    unsigned n = 0;

    while (n < b->functions && b->fn[n] != fn)
        n++;
    if (n == BOOT_FUNCTIONS)
        return 0;
    if (n == b->functions) {
        uint64_t descriptor[2] = {BOOT_STUBS + 16 * n, BOOT_STUBS};

        b->fn[b->functions++] = fn;
        put_stub(b, BOOT_STUBS + 16 * n, n, FW_ENTRY_BOOT);
        boot_write(b, BOOT_DESCRIPTORS + 16 * n, descriptor, sizeof(descriptor));
    }
    return BOOT_DESCRIPTORS + 16 * n;
}

void boot_put_functions(struct boot *b, uint64_t at, boot_fn *const *fn, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (fn[i])
            boot_write64(b, at + 8 * i, boot_function(b, fn[i]));
}

void boot_call(struct fwcall *k)
{
    struct boot *b = k->fw->boot;
    uint64_t n = cpu_gr(k->c, 15);

    k->ret[0] = EFI_UNSUPPORTED;
    if (b && b->live && k->c == b->c && n < b->functions)
        k->ret[0] = b->fn[n](b, k);
}

/* --- objects --- */

struct boot_object {
    uint64_t at;
    const char *kind;
    void *data;
};

void boot_bind(struct boot *b, uint64_t at, const char *kind, void *data)
{
    struct boot_object *o = g_new(struct boot_object, 1);

    *o = (struct boot_object){at, kind, data};
    g_hash_table_replace(b->objects, &o->at, o);
}

void boot_unbind(struct boot *b, uint64_t at)
{
    g_hash_table_remove(b->objects, &at);
}

void *boot_object(struct boot *b, uint64_t at, const char *kind)
{
    struct boot_object *o = g_hash_table_lookup(b->objects, &at);

    return o && o->kind == kind ? o->data : NULL;
}

/* --- time --- */

uint64_t boot_now(const struct boot *b)
{
    return cpu_itc(b->c);
}

uint64_t boot_ticks(const struct boot *b, uint64_t hundred_ns)
{
    unsigned __int128 t = (unsigned __int128)hundred_ns * b->fw->cfg.itc_hz / 10000000;

    return t > UINT64_MAX / 2 ? UINT64_MAX / 2 : (uint64_t)t;
}

uint64_t boot_status(int err)
{
    switch (-err) {
    case 0:
        return EFI_SUCCESS;
    case EINVAL:
        return EFI_INVALID_PARAMETER;
    case ENOENT:
        return EFI_NOT_FOUND;
    case EROFS:
        return EFI_WRITE_PROTECTED;
    case ENOSPC:
    case EFBIG:
        return EFI_VOLUME_FULL;
    case EUCLEAN:
        return EFI_VOLUME_CORRUPTED;
    case EACCES:
    case EEXIST:
        return EFI_ACCESS_DENIED;
    case EISDIR:
    case ENOTDIR:
    case ENOTSUP:
        return EFI_UNSUPPORTED;
    case ENOMEM:
        return EFI_OUT_OF_RESOURCES;
    case ENOMEDIUM:
        return EFI_NO_MEDIA;
    case ESTALE:
        return EFI_MEDIA_CHANGED;
    case ENOEXEC:
        return EFI_LOAD_ERROR;
    default:
        return EFI_DEVICE_ERROR;
    }
}

/* --- services --- */

static void stalled(struct boot *b, struct task *t, uint64_t status)
{
    (void)status;
    if (boot_now(b) >= t->w[0])
        task_done(b, t, EFI_SUCCESS);
    else
        task_wait(b, t, t->w[0]);
}

/* (microseconds) */
static uint64_t bs_stall(struct boot *b, struct fwcall *k)
{
    struct task *t = task_service(b, k, stalled);

    if (!t)
        return EFI_OUT_OF_RESOURCES;
    t->w[0] = boot_now(b) + boot_ticks(b, MIN(k->arg[0], UINT64_MAX / 10) * 10);
    stalled(b, t, EFI_SUCCESS);
    return EFI_SUCCESS;
}

/* (seconds, code, size, data): 0 stops it. Looked at when the program waits. */
static uint64_t bs_set_watchdog(struct boot *b, struct fwcall *k)
{
    b->watchdog = k->arg[0] ? boot_now(b) + boot_ticks(b, MIN(k->arg[0], 1u << 30) * 10000000) : 0;
    return EFI_SUCCESS;
}

static uint64_t bs_get_next_count(struct boot *b, struct fwcall *k)
{
    uint64_t v = (uint64_t)b->fw->high_count << 32 | (b->low_count + 1);

    if (!boot_write64(b, k->arg[0], v))
        return EFI_INVALID_PARAMETER;
    if (++b->low_count == UINT32_MAX) {
        efi_count_up(b->fw);
        b->low_count = 0;
    }
    return EFI_SUCCESS;
}

/* (data, size, *crc) */
static uint64_t bs_calculate_crc32(struct boot *b, struct fwcall *k)
{
    const uint8_t *p = boot_ram(b, k->arg[0], k->arg[1]);
    uint32_t crc;

    if (!p || k->arg[1] == 0)
        return EFI_INVALID_PARAMETER;
    crc = (uint32_t)crc32_z(0, p, k->arg[1]);
    return boot_write(b, k->arg[2], &crc, 4) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

/* (to, from, length): ranges may overlap. */
static uint64_t bs_copy_mem(struct boot *b, struct fwcall *k)
{
    uint8_t *to = boot_ram(b, k->arg[0], k->arg[2]), *from = boot_ram(b, k->arg[1], k->arg[2]);

    if (k->arg[2] && to && from) {
        memmove(to, from, k->arg[2]);
        boot_wrote(b, k->arg[0], k->arg[2]);
    }
    return EFI_SUCCESS;
}

/* (at, length, byte) */
static uint64_t bs_set_mem(struct boot *b, struct fwcall *k)
{
    mem_dma_fill(b->fw->mem, k->arg[0] & ~UNCACHEABLE, (uint8_t)k->arg[2], k->arg[1]);
    return EFI_SUCCESS;
}

/* --- configuration tables --- */

#define CONFIG_SIZE 24

static int find_config(struct boot *b, const uint8_t guid[16])
{
    uint8_t entry[16];

    for (unsigned i = 0; i < b->config_count; i++)
        if (boot_read(b, b->configs + CONFIG_SIZE * i, entry, 16) && memcmp(entry, guid, 16) == 0)
            return (int)i;
    return -1;
}

static void remove_config(struct boot *b, unsigned n)
{
    uint8_t e[CONFIG_SIZE];

    for (unsigned i = n; i + 1 < b->config_count; i++)
        if (boot_read(b, b->configs + CONFIG_SIZE * (i + 1), e, sizeof(e)))
            boot_write(b, b->configs + CONFIG_SIZE * i, e, sizeof(e));
    b->config_count--;
}

uint64_t boot_install_config(struct boot *b, const uint8_t guid[16], uint64_t table)
{
    int n = find_config(b, guid);

    if (!table && n < 0)
        return EFI_NOT_FOUND;
    if (!table) {
        remove_config(b, (unsigned)n);
    } else {
        if (n < 0 && b->config_count == CONFIG_MAX)
            return EFI_OUT_OF_RESOURCES;
        if (n < 0)
            n = (int)b->config_count++;
        boot_write(b, b->configs + CONFIG_SIZE * n, guid, 16);
        boot_write64(b, b->configs + CONFIG_SIZE * n + 16, table);
    }
    boot_put_system_table(b);
    return EFI_SUCCESS;
}

static uint64_t bs_install_config(struct boot *b, struct fwcall *k)
{
    uint8_t guid[16];

    if (!boot_read(b, k->arg[0], guid, 16))
        return EFI_INVALID_PARAMETER;
    return boot_install_config(b, guid, k->arg[1]);
}

/* The firmware's own tables go into an array that can grow. */
static bool adopt_configs(struct boot *b)
{
    uint8_t e[CONFIG_SIZE];
    uint64_t from = b->fw->config_at;

    b->configs = pool_allocate(b, EFI_RUNTIME_DATA, CONFIG_SIZE * CONFIG_MAX);
    if (!b->configs)
        return false;
    mem_dma_fill(b->fw->mem, b->configs, 0, CONFIG_SIZE * CONFIG_MAX);
    for (unsigned i = 0; i < b->fw->config_count; i++) {
        boot_read(b, from + CONFIG_SIZE * i, e, sizeof(e));
        boot_write(b, b->configs + CONFIG_SIZE * i, e, sizeof(e));
    }
    b->config_count = b->fw->config_count;
    return true;
}

/* --- the tables --- */

/* In table order; the gap is a reserved pointer. */
static boot_fn *const services[SERVICES] = {
    bs_raise_tpl,
    bs_restore_tpl,
    bs_allocate_pages,
    bs_free_pages,
    bs_get_memory_map,
    bs_allocate_pool,
    bs_free_pool,
    bs_create_event,
    bs_set_timer,
    bs_wait_for_event,
    bs_signal_event,
    bs_close_event,
    bs_check_event,
    bs_install_protocol,
    bs_reinstall_protocol,
    bs_uninstall_protocol,
    bs_handle_protocol,
    NULL,
    bs_register_notify,
    bs_locate_handle,
    bs_locate_device_path,
    bs_install_config,
    bs_load_image,
    bs_start_image,
    bs_exit,
    bs_unload_image,
    bs_exit_boot_services,
    bs_get_next_count,
    bs_stall,
    bs_set_watchdog,
    bs_connect,
    bs_disconnect,
    bs_open_protocol,
    bs_close_protocol,
    bs_open_information,
    bs_protocols_per_handle,
    bs_locate_handle_buffer,
    bs_locate_protocol,
    bs_install_multiple,
    bs_uninstall_multiple,
};
static boot_fn *const more_services[] = {bs_calculate_crc32, bs_copy_mem, bs_set_mem};

static void put_crc(struct boot *b, uint64_t at, uint32_t size)
{
    uint32_t crc = 0;
    uint8_t *p;

    boot_write(b, at + 16, &crc, 4);
    p = boot_ram(b, at, size);
    if (!p)
        return;
    crc = (uint32_t)crc32(0, p, size);
    boot_write(b, at + 16, &crc, 4);
}

static bool put_boot_table(struct boot *b)
{
    uint32_t size = TABLE_SIZE + sizeof(more_services);
    uint32_t head[6] = {(uint32_t)BOOT_SIGNATURE, (uint32_t)(BOOT_SIGNATURE >> 32), EFI_REVISION,
                        size};

    b->table = boot_alloc(b, size);
    if (!b->table)
        return false;
    boot_write(b, b->table, head, sizeof(head));
    boot_put_functions(b, b->table + 24, services, SERVICES);
    boot_put_functions(b, b->table + TABLE_SIZE, more_services, G_N_ELEMENTS(more_services));
    put_crc(b, b->table, size);
    return true;
}

#define SYSTEM_CONSOLES 40 /* three pairs of handle and interface */
#define SYSTEM_BOOT     96
#define SYSTEM_COUNT    104
#define SYSTEM_SIZE     120

void boot_put_system_table(struct boot *b)
{
    uint64_t at = b->fw->systab, pairs[6] = {0};

    if (b->live) {
        uint64_t p[6] = {b->console_handle, b->con_in,         b->console_handle,
                         b->con_out,        b->console_handle, b->con_out};

        memcpy(pairs, p, sizeof(pairs));
    }
    boot_write(b, at + SYSTEM_CONSOLES, pairs, sizeof(pairs));
    boot_write64(b, at + SYSTEM_BOOT, b->live ? b->table : 0);
    boot_write64(b, at + SYSTEM_COUNT, b->config_count);
    boot_write64(b, at + SYSTEM_COUNT + 8, b->configs);
    b->fw->config_at = b->configs;
    b->fw->config_count = b->config_count;
    put_crc(b, at, SYSTEM_SIZE);
}

/* --- composition --- */

static void put_code(struct boot *b)
{
    for (unsigned v = 0; v < 0x80; v++)
        put_vector(b, v);
}

static void set_processor(struct boot *b)
{
    struct cpu *c = b->c;

    c->cr[CR_IVA] = BOOT_IVT;
    c->rsc = 0; /* enforced lazy mode, as SAL hands over: systems read ar.rnat at once */
    c->bspstore = c->bsp = BOOT_STACK;
    cpu_set_gr(c, 12, BOOT_END - 16);
    cpu_set_gr(c, 1, BOOT_STUBS);
    cpu_set_psr(c, PSR_BN | PSR_IC | PSR_I);
    c->halted = false;
    c->running = true;
}

/* Only what a program can name by handle is here; interfaces point into the firmware's RAM. */
static void install_fpswa(struct boot *b)
{
    uint64_t handle = 0;

    handle_install(b, &handle, guid_fpswa, b->fw->fpswa);
}

static bool build(struct boot *b)
{
    struct memmap *map = &b->fw->map;

    if (memmap_claim(map, BOOT_IVT, BOOT_CODE_SIZE, EFI_BOOT_CODE) ||
        memmap_claim(map, BOOT_DESCRIPTORS, BOOT_END - BOOT_DESCRIPTORS, EFI_BOOT_DATA))
        return false;
    put_code(b);
    if (!put_boot_table(b) || !adopt_configs(b))
        return false;
    images_init(b);
    install_fpswa(b);
    collation_init(b);
    pci_io_init(b);
    text_init(b);
    block_init(b);
    net_init(b);
    boot_put_system_table(b);
    return true;
}

struct boot *boot_new(struct firmware *fw, struct cpu *c)
{
    struct boot *b = g_new0(struct boot, 1);

    b->fw = fw;
    b->c = c;
    b->live = true;
    b->objects = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    memory_init(b);
    events_init(b);
    handles_init(b);
    set_processor(b);
    if (build(b))
        return b;
    boot_free(b);
    return NULL;
}

void boot_free(struct boot *b)
{
    if (!b)
        return;
    b->live = false;
    task_drop_all(b);
    bootmgr_done(b);
    files_close(b);
    block_done(b);
    net_done(b);
    pci_io_done(b);
    text_done(b);
    images_done(b);
    handles_done(b);
    events_done(b);
    memory_done(b);
    g_hash_table_destroy(b->objects);
    g_free(b);
}

/* The timer is the system's from here on. What is behind run-time images and their events stays. */
void boot_exit_services(struct boot *b)
{
    b->live = false;
    b->c->itm_armed = false;
    b->c->cr[CR_ITV] = 1ull << 16;
    b->c->irr[BOOT_TIMER_VECTOR / 64] &= ~(1ull << BOOT_TIMER_VECTOR % 64);
    boot_put_system_table(b);
    files_close(b);
    block_done(b);
    net_done(b);
}

bool fw_boot_time(const struct firmware *fw)
{
    return fw->boot && fw->boot->live;
}

void boot_power_on(struct fwcall *k)
{
    struct firmware *fw = k->fw;

    if (fw->boot) { /* somebody jumped here */
        k->ret[0] = EFI_UNSUPPORTED;
        return;
    }
    k->no_return = true;
    fw->boot = boot_new(fw, k->c);
    if (fw->boot) {
        firmware_tell(fw, FIRMWARE_STARTED, "");
        bootmgr_start(fw->boot);
        return;
    }
    log_error("the firmware's boot services need more memory than this machine has");
    k->c->stop = true;
    if (fw->cfg.power_off)
        fw->cfg.power_off(fw->cfg.opaque);
}
