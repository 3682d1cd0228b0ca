/* EFI system table and runtime services: clock, virtual addresses, monotonic count, reset.
 *
 * EFI 1.10. The system table built here has no boot services and no console: a direct kernel start
 * comes after them, and boot_services.c adds its own. Variables are in variables.c.
 */
#include "runtime.h"

#include <string.h>
#include <time.h>
#include <zlib.h>
#include "log.h"

#define SYSTEM_SIGNATURE  0x5453595320494249ull /* "IBI SYST" */
#define RUNTIME_SIGNATURE 0x56524553544e5552ull /* "RUNTSERV" */
#define EFI_REVISION      0x0001000a            /* 1.10 */
#define FW_REVISION       (14u << 16 | 62)

/* Offsets in the block of EFI tables. */
#define AT_SYSTEM      0x000
#define AT_RUNTIME     0x080
#define AT_CONFIG      0x100
#define AT_VENDOR      0x180
#define AT_DESCRIPTORS 0x200 /* function descriptors: entry, gp */
#define AT_FPSWA_FN    0x300
#define AT_FPSWA       0x310 /* FPSWA interface */
#define TABLES_SIZE    0x320

#define SERVICES    11
#define SYSTEM_SIZE 120
#define CONFIGS     4

#define FPSWA_REVISION 0x00010012 /* 1.18, as the drivers of the time report */

#define TIME_SIZE     16
#define TIMEZONE_NONE 0x7ff
#define MAX_MAP_SIZE  65536
#define MIN_DESC_SIZE 40

static const uint8_t guid_acpi20[16] = {0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
                                        0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81};
static const uint8_t guid_sal[16] = {0x32, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
                                     0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d};
static const uint8_t guid_smbios[16] = {0x31, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
                                        0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d};
static const uint8_t guid_pcdp[16] = {0x8d, 0x93, 0x51, 0xf9, 0x0b, 0x62, 0xef, 0x42,
                                      0x82, 0x79, 0xa8, 0x4b, 0x79, 0x61, 0x78, 0x98};

/* The address a system uses for a physical one: itself before SetVirtualAddressMap. */
static bool convert(const struct firmware *fw, uint64_t *addr)
{
    if (!fw->virtual_mode)
        return true;
    for (unsigned i = 0; i < fw->nvmap; i++) {
        const struct fw_vmap *m = &fw->vmap[i];

        if (*addr >= m->phys && *addr - m->phys < m->size) {
            *addr = m->virt + (*addr - m->phys);
            return true;
        }
    }
    return false;
}

/* Writes a converted address; a pointer outside the map makes the whole build fail. */
static void put_ptr(struct firmware *fw, struct blob *b, uint64_t addr)
{
    if (!convert(fw, &addr))
        b->overflow = true;
    blob_u64(b, addr);
}

static void put_header(struct blob *b, uint64_t signature, uint32_t size)
{
    blob_u64(b, signature);
    blob_u32(b, EFI_REVISION);
    blob_u32(b, size);
    blob_u64(b, 0); /* CRC-32, reserved */
}

static void patch_crc(struct blob *b, size_t at, size_t size)
{
    if (!b->overflow)
        blob_patch32(b, at + 16, (uint32_t)crc32(0, b->data + at, (unsigned)size));
}

static void put_system_table(struct firmware *fw, struct blob *b)
{
    put_header(b, SYSTEM_SIGNATURE, SYSTEM_SIZE);
    put_ptr(fw, b, FW_EFI_TABLES + AT_VENDOR);
    blob_u32(b, FW_REVISION);
    blob_u32(b, 0);
    blob_zero(b, 6 * 8); /* console handles and interfaces: gone with the boot services */
    put_ptr(fw, b, FW_EFI_TABLES + AT_RUNTIME);
    blob_u64(b, 0); /* boot services */
    blob_u64(b, fw->config_count);
    put_ptr(fw, b, fw->config_at);
    patch_crc(b, AT_SYSTEM, SYSTEM_SIZE);
}

static void put_runtime_table(struct firmware *fw, struct blob *b)
{
    put_header(b, RUNTIME_SIGNATURE, 24 + 8 * SERVICES);
    for (unsigned i = 0; i < SERVICES; i++)
        put_ptr(fw, b, FW_EFI_TABLES + AT_DESCRIPTORS + 16 * i);
    patch_crc(b, AT_RUNTIME, 24 + 8 * SERVICES);
}

/* Table pointers stay physical even in virtual mode. */
static void put_config_tables(struct firmware *fw, struct blob *b)
{
    const struct {
        const uint8_t *guid;
        uint64_t addr;
    } config[CONFIGS] = {{guid_sal, fw->sal_systab},
                         {guid_acpi20, fw->rsdp},
                         {guid_smbios, fw->smbios},
                         {guid_pcdp, fw->pcdp}};

    for (unsigned i = 0; i < CONFIGS; i++) {
        blob_bytes(b, config[i].guid, 16);
        blob_u64(b, config[i].addr);
    }
}

static void put_descriptor(struct firmware *fw, struct blob *b, unsigned entry)
{
    put_ptr(fw, b, FW_STUB_ADDR(entry));
    put_ptr(fw, b, FW_STUBS); /* gp: unused by the stubs */
}

static void pad_to(struct blob *b, size_t at)
{
    if (at >= b->len)
        blob_zero(b, at - b->len);
    else
        b->overflow = true;
}

int runtime_build(struct firmware *fw)
{
    uint8_t data[TABLES_SIZE];
    struct blob b;

    if (!fw->config_at) {
        fw->config_at = FW_EFI_TABLES + AT_CONFIG;
        fw->config_count = CONFIGS;
    }
    blob_init(&b, data, sizeof(data));
    put_system_table(fw, &b);
    pad_to(&b, AT_RUNTIME);
    put_runtime_table(fw, &b);
    pad_to(&b, AT_CONFIG);
    put_config_tables(fw, &b);
    pad_to(&b, AT_VENDOR);
    for (const char *s = "Kittson"; *s; s++)
        blob_u16(&b, (unsigned char)*s);
    pad_to(&b, AT_DESCRIPTORS);
    for (unsigned i = 0; i < SERVICES; i++)
        put_descriptor(fw, &b, FW_ENTRY_RUNTIME + i);
    pad_to(&b, AT_FPSWA_FN);
    put_descriptor(fw, &b, FW_ENTRY_FPSWA);
    blob_u32(&b, FPSWA_REVISION);
    blob_u32(&b, 0);
    put_ptr(fw, &b, FW_EFI_TABLES + AT_FPSWA_FN);
    if (b.overflow)
        return -1;
    fw->systab = FW_EFI_TABLES + AT_SYSTEM;
    fw->fpswa = FW_EFI_TABLES + AT_FPSWA;
    return fw_put(fw, FW_EFI_TABLES, data, b.len);
}

void runtime_free(struct firmware *fw)
{
    efi_variables_free(fw);
}

/* EFI_TIME: year, month, day, hour, minute, second, pad, nanosecond, time zone, daylight, pad. */

static void encode_time(const struct timespec *ts, uint8_t out[TIME_SIZE])
{
    struct tm tm;
    struct blob b;

    gmtime_r(&ts->tv_sec, &tm);
    blob_init(&b, out, TIME_SIZE);
    blob_u16(&b, (unsigned)(tm.tm_year + 1900));
    blob_u8(&b, (unsigned)tm.tm_mon + 1);
    blob_u8(&b, (unsigned)tm.tm_mday);
    blob_u8(&b, (unsigned)tm.tm_hour);
    blob_u8(&b, (unsigned)tm.tm_min);
    blob_u8(&b, (unsigned)tm.tm_sec);
    blob_u8(&b, 0);
    blob_u32(&b, (uint32_t)ts->tv_nsec);
    blob_u16(&b, TIMEZONE_NONE);
    blob_u16(&b, 0);
}

static bool decode_time(const uint8_t in[TIME_SIZE], int64_t *seconds)
{
    int year = in[0] | in[1] << 8;
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = in[2] - 1,
                    .tm_mday = in[3],
                    .tm_hour = in[4],
                    .tm_min = in[5],
                    .tm_sec = in[6]};

    if (year < 1998 || year > 2099 || in[2] < 1 || in[2] > 12 || in[3] < 1 || in[3] > 31 ||
        in[4] > 23 || in[5] > 59 || in[6] > 59)
        return false;
    *seconds = timegm(&tm);
    return true;
}

/* The machine's clock without the offset the guest has set. */
static struct timespec wall_clock(const struct firmware *fw)
{
    struct timespec ts;

    if (fw->cfg.wall_ns) {
        uint64_t ns = fw->cfg.wall_ns(fw->cfg.opaque);

        ts.tv_sec = (time_t)(ns / 1000000000);
        ts.tv_nsec = (long)(ns % 1000000000);
    } else {
        clock_gettime(CLOCK_REALTIME, &ts);
    }
    return ts;
}

void runtime_now(struct firmware *fw, uint8_t out[TIME_SIZE])
{
    struct timespec ts = wall_clock(fw);

    ts.tv_sec += fw->time_offset;
    encode_time(&ts, out);
}

static uint64_t get_time(struct fwcall *k)
{
    static const uint8_t capabilities[12] = {1, 0, 0, 0, 0x80, 0xf0, 0xfa, 2, 0};
    uint8_t out[TIME_SIZE];

    if (!k->arg[0])
        return EFI_INVALID_PARAMETER;
    runtime_now(k->fw, out);
    if (!fw_write(k, k->arg[0], out, sizeof(out)))
        return EFI_INVALID_PARAMETER;
    /* 1 Hz resolution, 50 ppm accuracy, setting does not clear the fraction */
    if (k->arg[1] && !fw_write(k, k->arg[1], capabilities, sizeof(capabilities)))
        return EFI_INVALID_PARAMETER;
    return EFI_SUCCESS;
}

bool runtime_set_time(struct firmware *fw, const uint8_t time[TIME_SIZE])
{
    int64_t seconds;

    if (!decode_time(time, &seconds))
        return false;
    fw->time_offset = seconds - wall_clock(fw).tv_sec;
    return true;
}

static uint64_t set_time(struct fwcall *k)
{
    uint8_t in[TIME_SIZE];

    if (!k->arg[0] || !fw_read(k, k->arg[0], in, sizeof(in)) || !runtime_set_time(k->fw, in))
        return EFI_INVALID_PARAMETER;
    return EFI_SUCCESS;
}

/* The alarm is remembered and read back; nothing is asleep that it could wake. */
static uint64_t get_wakeup_time(struct fwcall *k)
{
    uint8_t flags[2] = {k->fw->wakeup_set, 0};

    if (!k->arg[0] || !k->arg[1] || !k->arg[2] || !fw_write(k, k->arg[0], &flags[0], 1) ||
        !fw_write(k, k->arg[1], &flags[1], 1) ||
        !fw_write(k, k->arg[2], k->fw->wakeup_time, TIME_SIZE))
        return EFI_INVALID_PARAMETER;
    return EFI_SUCCESS;
}

static uint64_t set_wakeup_time(struct fwcall *k)
{
    uint8_t in[TIME_SIZE];
    int64_t seconds;

    if (k->arg[0] & 1) {
        if (!k->arg[1] || !fw_read(k, k->arg[1], in, sizeof(in)) || !decode_time(in, &seconds))
            return EFI_INVALID_PARAMETER;
        memcpy(k->fw->wakeup_time, in, TIME_SIZE);
    }
    k->fw->wakeup_set = k->arg[0] & 1;
    return EFI_SUCCESS;
}

/* Reads one memory descriptor; keeps it if it needs a run-time mapping. */
static uint64_t take_descriptor(struct fwcall *k, uint64_t at, struct fw_vmap *map, unsigned *n)
{
    uint64_t d[5]; /* type, physical, virtual, pages, attributes */

    if (!fw_read(k, at, d, sizeof(d)))
        return EFI_INVALID_PARAMETER;
    if (!(d[4] & EFI_ATTR_RUNTIME))
        return EFI_SUCCESS;
    if (*n == FW_MAX_VMAP || d[3] > UINT64_MAX / EFI_PAGE)
        return EFI_INVALID_PARAMETER;
    map[(*n)++] = (struct fw_vmap){d[1], d[2], d[3] * EFI_PAGE};
    return EFI_SUCCESS;
}

static uint64_t set_virtual_address_map(struct fwcall *k)
{
    struct firmware *fw = k->fw;
    uint64_t size = k->arg[0], desc = k->arg[1], status;
    struct fw_vmap map[FW_MAX_VMAP];
    unsigned n = 0;

    if (fw->virtual_mode)
        return EFI_UNSUPPORTED;
    if ((uint32_t)k->arg[2] != EFI_DESC_VERSION || desc < MIN_DESC_SIZE || size > MAX_MAP_SIZE)
        return EFI_INVALID_PARAMETER;
    for (uint64_t at = 0; at < size && size - at >= desc; at += desc) {
        status = take_descriptor(k, k->arg[3] + at, map, &n);
        if (status != EFI_SUCCESS)
            return status;
    }
    memcpy(fw->vmap, map, sizeof(map));
    fw->nvmap = n;
    fw->virtual_mode = true;
    if (runtime_build(fw)) {
        fw->virtual_mode = false;
        return EFI_NO_MAPPING;
    }
    firmware_tell(fw, FIRMWARE_VIRTUAL, "");
    return EFI_SUCCESS;
}

/* arg[0] bit 0: a null pointer may stay one. */
static uint64_t convert_pointer(struct fwcall *k)
{
    uint64_t p;

    if (!k->fw->virtual_mode)
        return EFI_UNSUPPORTED;
    if (!k->arg[1] || !fw_read(k, k->arg[1], &p, sizeof(p)))
        return EFI_INVALID_PARAMETER;
    if (!p)
        return k->arg[0] & 1 ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
    if (!convert(k->fw, &p))
        return EFI_NOT_FOUND;
    return fw_write(k, k->arg[1], &p, sizeof(p)) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

static uint64_t get_next_high_monotonic_count(struct fwcall *k)
{
    uint32_t count = k->fw->high_count + 1;

    if (!k->arg[0] || !fw_write(k, k->arg[0], &count, sizeof(count)))
        return EFI_INVALID_PARAMETER;
    efi_count_up(k->fw);
    return EFI_SUCCESS;
}

/* The processor goes no further. */
void runtime_reset(struct firmware *fw, struct cpu *c, unsigned type)
{
    const struct firmware_config *cfg = &fw->cfg;

    log_debug("ResetSystem type %u", type);
    firmware_tell(fw, FIRMWARE_RESET,
                  type == RESET_COLD   ? "cold"
                  : type == RESET_WARM ? "warm"
                                       : "shutdown");
    if (type == RESET_SHUTDOWN) {
        if (cfg->power_off)
            cfg->power_off(cfg->opaque);
    } else if (cfg->reset) {
        cfg->reset(cfg->opaque);
    }
    c->stop = true;
}

static uint64_t reset_system(struct fwcall *k)
{
    runtime_reset(k->fw, k->c, (uint32_t)k->arg[0]);
    return EFI_SUCCESS;
}

/* In the order of the runtime services table. */
static uint64_t (*const services[SERVICES])(struct fwcall *) = {
    get_time,
    set_time,
    get_wakeup_time,
    set_wakeup_time,
    set_virtual_address_map,
    convert_pointer,
    efi_get_variable,
    efi_get_next_variable_name,
    efi_set_variable,
    get_next_high_monotonic_count,
    reset_system,
};

void runtime_call(struct fwcall *k, unsigned service)
{
    k->ret[0] = service < SERVICES ? services[service](k) : EFI_UNSUPPORTED;
}
