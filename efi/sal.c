/* System Abstraction Layer: system table, procedures, and the rendezvous application processors
 * wait in until the operating system wakes them.
 *
 * There are no error records (nothing fails here), no NVRAM partitions and no OEM procedures.
 */
#include "fw.h"

#include <inttypes.h>
#include <string.h>
#include "log.h"

#define SAL_OK      0
#define SAL_UNIMPL  (-1)
#define SAL_EINVAL  (-2)
#define SAL_NO_INFO (-5)
#define SAL_NO_NVM  (-10)

#define RECORD_SIZE 4096 /* buffer systems should have for an error record */

/* arg[0] is the procedure; results r9..r11 are ret[1..3]. */
typedef int64_t sal_fn(struct fwcall *k);

static int64_t sal_ok(struct fwcall *k)
{
    (void)k;
    return SAL_OK;
}

/* type: 0 MCA, 1 INIT (two entries), 2 boot rendezvous. */
static int64_t sal_set_vectors(struct fwcall *k)
{
    struct firmware *fw = k->fw;
    struct fw_vector first = {k->arg[2], k->arg[3]}, second = {k->arg[5], k->arg[6]};

    switch (k->arg[1]) {
    case 0:
        fw->mca = first;
        return SAL_OK;
    case 1:
        fw->init[0] = first;
        fw->init[1] = second;
        return SAL_OK;
    case 2:
        fw->boot_rendez = first;
        return SAL_OK;
    default:
        return SAL_EINVAL;
    }
}

static int64_t sal_get_state_info(struct fwcall *k)
{
    return k->arg[1] > 3 ? SAL_EINVAL : SAL_NO_INFO;
}

static int64_t sal_get_state_info_size(struct fwcall *k)
{
    if (k->arg[1] > 3)
        return SAL_EINVAL;
    k->ret[1] = RECORD_SIZE;
    return SAL_OK;
}

static int64_t sal_clear_state_info(struct fwcall *k)
{
    return k->arg[1] > 3 ? SAL_EINVAL : SAL_OK;
}

/* param_type 1 rendezvous interrupt, 2 wake-up, 3 corrected platform error; kept, never used.
 * An unknown type is accepted: some systems stop at any error here. */
static int64_t sal_mc_set_params(struct fwcall *k)
{
    if (k->arg[1] < 4)
        memcpy(k->fw->mc_params[k->arg[1]], &k->arg[2], sizeof(k->fw->mc_params[0]));
    return SAL_OK;
}

/* Address forms: 0 compatible, segment 31:24 bus 23:16 devfn 15:8 register 7:0; 1 extended,
 * segment 43:28 bus 27:20 devfn 19:12 register 11:0. */
static bool pci_address(uint64_t addr, uint64_t size, uint64_t form, unsigned out[4])
{
    if (form > 1 || (size != 1 && size != 2 && size != 4) || (addr & (size - 1)))
        return false;
    out[0] = form ? addr >> 28 & 0xffff : addr >> 24 & 0xff;
    out[1] = addr >> (form ? 20 : 16) & 0xff;
    out[2] = addr >> (form ? 12 : 8) & 0xff;
    out[3] = addr & (form ? 0xfff : 0xff);
    return true;
}

static int64_t sal_pci_config_read(struct fwcall *k)
{
    const struct firmware_config *cfg = &k->fw->cfg;
    unsigned a[4], size = (unsigned)k->arg[2];
    uint64_t v = UINT64_MAX;

    if (!pci_address(k->arg[1], k->arg[2], k->arg[3], a))
        return SAL_EINVAL;
    if (cfg->pci_read)
        v = cfg->pci_read(cfg->opaque, a[0], a[1], a[2], a[3], size);
    k->ret[1] = v & (UINT64_MAX >> (64 - 8 * size));
    return SAL_OK;
}

static int64_t sal_pci_config_write(struct fwcall *k)
{
    const struct firmware_config *cfg = &k->fw->cfg;
    unsigned a[4], size = (unsigned)k->arg[2];

    if (!pci_address(k->arg[1], k->arg[2], k->arg[4], a))
        return SAL_EINVAL;
    if (cfg->pci_write)
        cfg->pci_write(cfg->opaque, a[0], a[1], a[2], a[3], size,
                       k->arg[3] & (UINT64_MAX >> (64 - 8 * size)));
    return SAL_OK;
}

/* 0 platform base clock, 1 input clock of the interval timer, 2 real-time clock; r10 is the drift
 * in parts per million, -1 unknown. */
static int64_t sal_freq_base(struct fwcall *k)
{
    if (k->arg[1] > 2)
        return SAL_EINVAL;
    k->ret[1] = k->arg[1] == 2 ? 1 : k->fw->cfg.bus_hz;
    k->ret[2] = k->arg[1] == 2 ? UINT64_MAX : 0;
    return SAL_OK;
}

/* One platform part holds all sockets; PAL_LOGICAL_TO_PHYSICAL numbers them. */
static int64_t sal_physical_id_info(struct fwcall *k)
{
    k->ret[1] = 0;
    return SAL_OK;
}

static int64_t sal_update_pal(struct fwcall *k)
{
    (void)k;
    return SAL_NO_NVM;
}

static const struct {
    uint32_t id;
    sal_fn *fn;
} procedures[] = {
    {0x01000000, sal_set_vectors},
    {0x01000001, sal_get_state_info},
    {0x01000002, sal_get_state_info_size},
    {0x01000003, sal_clear_state_info},
    {0x01000004, sal_ok}, /* SAL_MC_RENDEZ: no machine check is ever in progress */
    {0x01000005, sal_mc_set_params},
    {0x01000006, sal_ok}, /* SAL_REGISTER_PHYSICAL_ADDR: SAL uses none */
    {0x01000008, sal_ok}, /* SAL_CACHE_FLUSH */
    {0x01000009, sal_ok}, /* SAL_CACHE_INIT */
    {0x01000010, sal_pci_config_read},
    {0x01000011, sal_pci_config_write},
    {0x01000012, sal_freq_base},
    {0x01000013, sal_physical_id_info},
    {0x01000020, sal_update_pal},
};

void sal_call(struct fwcall *k)
{
    for (unsigned i = 0; i < sizeof(procedures) / sizeof(procedures[0]); i++) {
        if (procedures[i].id == k->arg[0]) {
            k->ret[0] = (uint64_t)procedures[i].fn(k);
            return;
        }
    }
    if (log_once("SAL", k->arg[0]))
        log_warn("SAL procedure %#" PRIx64 " (%#" PRIx64 ", %#" PRIx64 ", %#" PRIx64
                 ") is not implemented",
                 k->arg[0], k->arg[1], k->arg[2], k->arg[3]);
    k->ret[0] = (uint64_t)SAL_UNIMPL;
}

/* Application processors. The loop is guest code (stub.c): halt until an interrupt is pending,
 * take it as software does, and come to sal_ap_woken() with its vector in r8. */

void sal_ap_wait(struct fwcall *k)
{
    k->c->running = false;
    k->c->halted = !cpu_interrupt_pending(k->c);
    fw_jump(k, FW_AP_POLL);
}

void sal_ap_woken(struct fwcall *k)
{
    const struct fw_vector *v = &k->fw->boot_rendez;

    if (cpu_gr(k->c, 8) != HPVM_AP_VECTOR || !v->entry) {
        fw_jump(k, FW_STUB_ADDR(FW_ENTRY_AP_WAIT));
        return;
    }
    k->c->running = true;
    cpu_set_gr(k->c, 1, v->gp);
    k->c->br[0] = FW_STUB_ADDR(FW_ENTRY_AP_WAIT); /* a processor put off line comes back here */
    fw_jump(k, v->entry);
}

/* System table: header of 96 bytes, then entries by rising type. */

static void put_entry_point(struct blob *b)
{
    blob_u8(b, 0);
    blob_zero(b, 7);
    blob_u64(b, FW_PAL);
    blob_u64(b, FW_STUB_ADDR(FW_ENTRY_SAL));
    blob_u64(b, FW_STUBS); /* gp: unused by the stubs */
    blob_zero(b, 16);
}

static void put_features(struct blob *b)
{
    blob_u8(b, 2);
    blob_u8(b, 0); /* no bus lock, no interrupt redirection, no ITC drift */
    blob_zero(b, 14);
}

static void put_ap_wakeup(struct blob *b)
{
    blob_u8(b, 5);
    blob_u8(b, 0); /* by external interrupt */
    blob_zero(b, 6);
    blob_u64(b, HPVM_AP_VECTOR);
}

/* One coherence domain: its description, then the local ids of its processors. */
static void put_ptc_domain(struct blob *b, uint64_t info)
{
    blob_u8(b, 4);
    blob_zero(b, 3);
    blob_u32(b, 1);
    blob_u64(b, info);
}

static void put_domain_info(struct firmware *fw, struct blob *b, uint64_t base)
{
    blob_u64(b, fw->cfg.cpus);
    blob_u64(b, base + b->len + 8);
    for (unsigned i = 0; i < fw->cfg.cpus; i++)
        blob_u64(b, HPVM_LID(i) >> 24 & 0xff);
}

#define SST_HEADER  96
#define SST_ENTRIES 4
#define SST_SIZE    (SST_HEADER + 48 + 16 + 16 + 16)

int sal_build(struct firmware *fw, struct blob *b, uint64_t base)
{
    size_t at = b->len;

    fw->sal_systab = base + at;
    blob_bytes(b, "SST_", 4);
    blob_u32(b, SST_SIZE);
    blob_u16(b, 0x0320); /* SAL specification 3.20, BCD */
    blob_u16(b, SST_ENTRIES);
    blob_zero(b, 8);     /* checksum, reserved */
    blob_u16(b, 0x0100); /* SAL_A version */
    blob_u16(b, 0x0100); /* SAL_B version */
    blob_str(b, "Kittson", 32, 0);
    blob_str(b, "server Integrity Virtual Machine", 32, 0);
    blob_zero(b, 8);
    put_entry_point(b);
    put_features(b);
    put_ptc_domain(b, base + at + SST_SIZE);
    put_ap_wakeup(b);
    put_domain_info(fw, b, base);
    blob_checksum(b, at, SST_SIZE, at + 12);
    return 0;
}
