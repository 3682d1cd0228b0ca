/* Composition of the firmware and the way into it from guest code; see firmware.h and fw.h. */
#include "fw.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "channels.h"
#include "fpswa.h"
#include "log.h"
#include "runtime.h"

/* Walker off, the smallest size that may be written (SDM 2:4.1.5): systems save what SAL left here
 * and write it back. */
#define PTA_OFF (15ull << 2)

/* A translation the guest cannot provide in this many tries counts as a bad pointer. */
#define TOUCH_TRIES 8

int fw_put(struct firmware *fw, uint64_t pa, const void *src, size_t len)
{
    return mem_dma_write(fw->mem, pa, src, len);
}

uint64_t fw_cpu_hz(const struct firmware *fw)
{
    if (fw->cfg.cpu_hz)
        return fw->cfg.cpu_hz;
    return fw->cfg.model == CPU_MADISON ? fw->cfg.itc_hz : 4 * fw->cfg.itc_hz;
}

const char *fw_brand(const struct firmware *fw)
{
    switch (fw->cfg.model) {
    case CPU_MADISON:
        return "Intel(R) Itanium(R) 2 processor";
    case CPU_POULSON:
        return "Intel(R) Itanium(R)  Processor 9560";
    default:
        return "Dual-Core Intel(R) Itanium(R) Processor 9040";
    }
}

/* Guest memory, page by page so that a failing page is known by address. */

static uint64_t chunk(uint64_t va, uint64_t len)
{
    uint64_t n = MEM_PAGE_SIZE - (va & (MEM_PAGE_SIZE - 1));

    return n < len ? n : len;
}

static bool failed(struct fwcall *k, uint64_t va, bool write)
{
    k->faulted = true;
    k->fault_write = write;
    k->fault_va = va;
    return false;
}

bool fw_read(struct fwcall *k, uint64_t va, void *buf, uint64_t len)
{
    uint8_t *p = buf;

    for (uint64_t n; len; va += n, p += n, len -= n) {
        n = chunk(va, len);
        if (cpu_virt_read(k->c, va, p, n))
            return failed(k, va, false);
    }
    return true;
}

bool fw_write(struct fwcall *k, uint64_t va, const void *buf, uint64_t len)
{
    const uint8_t *p = buf;

    for (uint64_t n; len; va += n, p += n, len -= n) {
        n = chunk(va, len);
        if (cpu_virt_write(k->c, va, p, n))
            return failed(k, va, true);
    }
    return true;
}

/* Writes one byte of each page back to itself. */
bool fw_writable(struct fwcall *k, uint64_t va, uint64_t len)
{
    uint8_t byte;

    for (uint64_t n; len; va += n, len -= n) {
        n = chunk(va, len);
        if (!fw_read(k, va, &byte, 1) || !fw_write(k, va, &byte, 1))
            return false;
    }
    return true;
}

/* Continuing elsewhere is a return with another b0. */
void fw_jump(struct fwcall *k, uint64_t ip)
{
    uint64_t b0 = k->c->br[0];

    k->c->br[0] = ip;
    cpu_firmware_return(k->c, false);
    k->c->br[0] = b0;
    k->no_return = true;
}

/* Lets the guest touch the byte at fault_va and come back to the same stub. r2, r3, b7 and ar.ccv
 * are scratch in every calling convention used here. False after too many tries. */
static bool fw_touch(struct fwcall *k, uint64_t stub_offset)
{
    struct cpu *c = k->c;
    struct fw_touch *t = &k->fw->touch[c->id % HPVM_MAX_CPUS];
    uint64_t ip = c->ip & ~15ull;

    if (!(c->psr & PSR_DT))
        return false;
    if (t->va == k->fault_va && ++t->count > TOUCH_TRIES)
        return false;
    if (t->va != k->fault_va)
        *t = (struct fw_touch){k->fault_va, 1};
    c->br[7] = ip;
    c->ccv = 0;
    cpu_set_gr(c, 2, 0);
    cpu_set_gr(c, 3, k->fault_va);
    fw_jump(k, ip - stub_offset + (k->fault_write ? FW_TOUCH_WRITE : FW_TOUCH_READ));
    return true;
}

static void load_stacked_args(struct fwcall *k)
{
    k->stacked = true;
    for (unsigned i = 0; i < 8; i++)
        k->arg[i] = i < k->c->cfm.sof ? cpu_gr(k->c, 32 + i) : 0;
}

/* The FPSWA service gives up on a missing translation, so what its pointers lead to is made
 * present first: bundle, IPSR, FPSR, ISR, predicates, IFS, FP state. */
static void call_fpswa(struct fwcall *k)
{
    uint8_t bundle[16];

    load_stacked_args(k);
    k->ret[0] = FPSWA_ERROR;
    if (!fw_read(k, k->arg[1], bundle, sizeof(bundle)))
        return;
    for (unsigned i = 2; i < 8; i++)
        if (!fw_writable(k, k->arg[i], 8))
            return;
    fpswa_call(k->c, k->arg, k->ret);
}

static void dispatch(struct fwcall *k, unsigned entry)
{
    switch (entry) {
    case FW_ENTRY_PAL:
        pal_call(k);
        break;
    case FW_ENTRY_SAL:
        load_stacked_args(k);
        sal_call(k);
        break;
    case FW_ENTRY_AP_WAIT:
        sal_ap_wait(k);
        break;
    case FW_ENTRY_AP_WOKEN:
        sal_ap_woken(k);
        break;
    case FW_ENTRY_INIT_RETURN:
        sal_init_return(k);
        break;
    case FW_ENTRY_BOOT:
        load_stacked_args(k);
        boot_call(k);
        break;
    case FW_ENTRY_RESUME:
        boot_resume(k);
        break;
    case FW_ENTRY_INTERRUPTION:
        boot_interruption(k);
        break;
    case FW_ENTRY_POWER_ON:
        boot_power_on(k);
        break;
    case FW_ENTRY_FPSWA:
        call_fpswa(k);
        break;
    default:
        load_stacked_args(k);
        runtime_call(k, entry - FW_ENTRY_RUNTIME);
    }
}

/* A call that is done, or waits for guest code. */
static void tell_call(const struct fwcall *k, unsigned entry)
{
    static const char *const names[] = {[FW_ENTRY_PAL] = "PAL",
                                        [FW_ENTRY_SAL] = "SAL",
                                        [FW_ENTRY_FPSWA] = "FPSWA",
                                        [FW_ENTRY_BOOT] = "boot service",
                                        [FW_ENTRY_RUNTIME] = "runtime service"};
    unsigned n = entry < FW_ENTRY_RUNTIME ? entry : FW_ENTRY_RUNTIME;
    uint64_t number = entry == FW_ENTRY_BOOT ? cpu_gr(k->c, 15) : entry - FW_ENTRY_RUNTIME;

    if (names[n] == NULL)
        return;
    if (entry == FW_ENTRY_PAL || entry == FW_ENTRY_SAL || entry == FW_ENTRY_FPSWA)
        channel_line(CHANNEL_FIRMWARE,
                     "processor %u %s %" PRIx64 "(%" PRIx64 ", %" PRIx64 ", %" PRIx64 ") = %" PRIx64
                     " %" PRIx64 " %" PRIx64 " %" PRIx64,
                     k->c->id, names[n], k->arg[0], k->arg[1], k->arg[2], k->arg[3], k->ret[0],
                     k->ret[1], k->ret[2], k->ret[3]);
    else
        channel_line(CHANNEL_FIRMWARE,
                     "processor %u %s %" PRIu64 "(%" PRIx64 ", %" PRIx64 ", %" PRIx64 ", %" PRIx64
                     ") = %" PRIx64 "%s",
                     k->c->id, names[n], number, k->arg[0], k->arg[1], k->arg[2], k->arg[3],
                     k->ret[0], k->no_return ? " (not yet)" : "");
}

void firmware_call(struct firmware *fw, struct cpu *c, uint64_t imm)
{
    struct fwcall k = {.fw = fw, .c = c};
    unsigned entry = imm < FW_ENTRY_COUNT ? (unsigned)imm : 0;

    if (entry == 0) {
        if (log_once("firmware entry", imm))
            log_warn("CPU %u: break %#llx in the firmware pages at %#llx is no entry point", c->id,
                     (unsigned long long)imm, (unsigned long long)c->ip);
        cpu_firmware_return(c, false);
        return;
    }
    pthread_mutex_lock(&fw->lock);
    dispatch(&k, entry);
    if (channel_on(CHANNEL_FIRMWARE))
        tell_call(&k, entry);
    if (!k.faulted || !fw_touch(&k, entry == FW_ENTRY_PAL ? 0 : FW_STUB_ADDR(entry) - FW_STUBS)) {
        fw->touch[c->id % HPVM_MAX_CPUS] = (struct fw_touch){0};
        if (!k.no_return) {
            for (unsigned i = 0; i < 4; i++)
                cpu_set_gr(c, 8 + i, k.ret[i]);
            cpu_firmware_return(c, k.stacked);
        }
    }
    pthread_mutex_unlock(&fw->lock);
}

/* SAL, SMBIOS and PCDP tables share a block; each starts on a 64-byte boundary. */
static int build_system_tables(struct firmware *fw)
{
    static int (*const part[])(struct firmware *, struct blob *,
                               uint64_t) = {sal_build, smbios_build, pcdp_build};
    uint8_t data[FW_SYSTEM_TABLES_SIZE] = {0};
    struct blob b;
    int err;

    blob_init(&b, data, sizeof(data));
    for (unsigned i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
        blob_align(&b, 64);
        err = part[i](fw, &b, FW_SYSTEM_TABLES);
        if (err)
            return err;
    }
    return b.overflow ? -ENOSPC : fw_put(fw, FW_SYSTEM_TABLES, data, sizeof(data));
}

static void forget_registrations(struct firmware *fw)
{
    fw->mca = fw->boot_rendez = fw->init[0] = fw->init[1] = (struct fw_vector){0};
    memset(fw->mc_params, 0, sizeof(fw->mc_params));
    fw->init_count = 0;
    for (unsigned i = 0; i < HPVM_MAX_CPUS; i++)
        fw->min_state[i] = FW_MINSTATE(i);
    memset(fw->mc_expected, 0, sizeof(fw->mc_expected));
    memset(fw->touch, 0, sizeof(fw->touch));
    fw->pmi_entry = 0;
    fw->virtual_mode = false;
    fw->config_at = 0;
    fw->nvmap = 0;
    efi_count_up(fw);
}

int firmware_reset(struct firmware *fw)
{
    int err;

    pthread_mutex_lock(&fw->lock);
    boot_free(fw->boot);
    fw->boot = NULL;
    efi_variables_forget_volatile(fw);
    forget_registrations(fw);
    memmap_init(&fw->map, fw->cfg.memory);
    err = mem_dma_fill(fw->mem, HPVM_FW_RAM, 0, HPVM_FW_RAM_SIZE);
    if (!err)
        err = stub_build(fw);
    if (!err)
        err = build_system_tables(fw);
    if (!err)
        err = acpi_build(fw);
    if (!err)
        err = runtime_build(fw);
    pthread_mutex_unlock(&fw->lock);
    return err;
}

static bool config_ok(const struct firmware_config *c)
{
    return c->cpus >= 1 && c->cpus <= HPVM_MAX_CPUS && c->memory >= EFI_PAGE &&
           c->memory <= HPVM_RAM_MAX;
}

static void take_config(struct firmware *fw, const struct firmware_config *config)
{
    fw->cfg = *config;
    if (!fw->cfg.itc_hz)
        fw->cfg.itc_hz = HPVM_ITC_HZ;
    if (!fw->cfg.bus_hz)
        fw->cfg.bus_hz = HPVM_BASE_HZ;
    snprintf(fw->serial, sizeof(fw->serial), "%s", config->serial ? config->serial : "VM00000000");
    fw->cfg.serial = fw->serial;
}

struct firmware *firmware_new(struct mem *m, const struct firmware_config *config, int *err)
{
    struct firmware *fw;

    if (!config_ok(config)) {
        *err = -EINVAL;
        return NULL;
    }
    fw = calloc(1, sizeof(*fw));
    if (!fw) {
        *err = -ENOMEM;
        return NULL;
    }
    fw->mem = m;
    pthread_mutex_init(&fw->lock, NULL);
    take_config(fw, config);
    *err = firmware_reset(fw);
    if (*err) {
        firmware_free(fw);
        return NULL;
    }
    return fw;
}

void firmware_free(struct firmware *fw)
{
    if (!fw)
        return;
    boot_free(fw->boot);
    runtime_free(fw);
    pthread_mutex_destroy(&fw->lock);
    free(fw);
}

/* Hand-off state of a processor that SAL holds in its rendezvous loop: physical mode, bank 1,
 * interrupts off, an empty register stack (SDM 2:11.2; the SAL specification's boot rendezvous). */
void firmware_attach_cpu(struct firmware *fw, struct cpu *c)
{
    (void)fw;
    cpu_set_firmware_range(c, HPVM_FW_RAM, HPVM_FW_RAM + HPVM_FW_RAM_SIZE);
    cpu_set_psr(c, PSR_BN | PSR_AC);
    c->cr[CR_LID] = HPVM_LID(c->id);
    c->cr[CR_TPR] = 0;
    c->cr[CR_PTA] = c->tr.pta = PTA_OFF;
    c->fpsr = FPSR_DEFAULT;
    c->kr[0] = HPVM_IOPORT;
    c->br[0] = FW_STUB_ADDR(FW_ENTRY_AP_WAIT);
    c->ip = FW_STUB_ADDR(FW_ENTRY_AP_WAIT);
}

void firmware_set_drives(struct firmware *fw, const struct firmware_drive *drives, unsigned count)
{
    fw->drives = drives;
    fw->drive_count = count;
}

void firmware_tell(const struct firmware *fw, enum firmware_event event, const char *text)
{
    if (fw->cfg.progress)
        fw->cfg.progress(fw->cfg.opaque, event, text);
}

void firmware_power_on(struct firmware *fw, struct cpu *bsp)
{
    (void)fw;
    bsp->ip = FW_STUB_ADDR(FW_ENTRY_POWER_ON);
    bsp->halted = false;
    bsp->running = true;
}
