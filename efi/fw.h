/* The inside of the firmware: its state, and what one call from the guest sees. Private to efi/.
 *
 * A call reads its arguments from registers, reaches guest memory only through fw_read and
 * fw_write, and leaves results in ret[]. In virtual mode an address may have no translation yet;
 * then the accessors fail, the guest is made to touch the byte itself (so that the operating
 * system's miss handlers run), and the call starts again from the beginning. So: a call changes
 * firmware state only after its last access.
 */
#ifndef KITTSON_EFI_FW_H
#define KITTSON_EFI_FW_H

#include <pthread.h>
#include "blob.h"
#include "firmware.h"
#include "layout.h"
#include "memmap.h"

#define FPSR_DEFAULT 0x0009804c0270033full /* traps off, register format, round to nearest */

#define FW_MAX_VMAP  64
#define FW_NAME_MAX  1024  /* characters of a variable's name */
#define FW_VAR_MAX   65536 /* bytes of a variable's data */
#define FW_VAR_TOTAL (256 * 1024)

struct fw_variable {
    struct fw_variable *next;
    uint8_t guid[16];
    uint16_t *name;     /* with its NUL */
    uint32_t name_size; /* bytes */
    uint32_t attr;
    uint32_t size;
    uint8_t *data;
};

struct fw_vector {
    uint64_t entry, gp;
};

/* Translations given to SetVirtualAddressMap. */
struct fw_vmap {
    uint64_t phys, virt, size;
};

/* Retry bookkeeping of one CPU, see fw_touch() in firmware.c. */
struct fw_touch {
    uint64_t va;
    unsigned count;
};

struct firmware {
    struct mem *mem;
    struct firmware_config cfg;
    char serial[32];
    pthread_mutex_t lock;
    struct memmap map;
    /* addresses of tables in guest memory */
    uint64_t systab, sal_systab, rsdp, smbios, pcdp, fpswa;
    /* SAL */
    struct fw_vector mca, init[2], boot_rendez;
    uint64_t mc_params[4][4];
    uint64_t min_state[HPVM_MAX_CPUS];
    uint64_t pmi_entry;
    /* Configuration tables of the EFI system table. */
    uint64_t config_at;
    unsigned config_count;
    /* Boot services, from power-on until the next; NULL after a direct kernel start. */
    struct boot *boot;
    bool restarted; /* the boot manager has been there before */
    const struct firmware_drive *drives;
    unsigned drive_count;
    unsigned init_count; /* processors in the system's INIT handler */
    bool mc_expected[HPVM_MAX_CPUS];
    /* EFI runtime */
    bool virtual_mode;
    struct fw_vmap vmap[FW_MAX_VMAP];
    unsigned nvmap;
    int64_t time_offset; /* seconds the guest's clock is ahead of the host's */
    bool wakeup_set;
    uint8_t wakeup_time[16];
    uint32_t high_count;
    struct fw_variable *vars;
    uint32_t vars_total;
    struct nvram *nvram; /* NULL: variables live in memory only */
    struct fw_touch touch[HPVM_MAX_CPUS];
};

struct fwcall {
    struct firmware *fw;
    struct cpu *c;
    uint64_t arg[8];
    uint64_t ret[4]; /* r8..r11 */
    bool stacked;    /* called by br.call: undo the frame on return */
    bool no_return;  /* the call set up where the CPU continues itself */
    bool faulted;    /* an access failed for want of a translation */
    bool fault_write;
    uint64_t fault_va;
};

/* Guest memory in the caller's translation mode. false: give up and return, see above. */
bool fw_read(struct fwcall *k, uint64_t va, void *buf, uint64_t len);
bool fw_write(struct fwcall *k, uint64_t va, const void *buf, uint64_t len);
/* Whether a fw_write() of the range would succeed. */
bool fw_writable(struct fwcall *k, uint64_t va, uint64_t len);
/* Continues at a guest address instead of returning to the caller. */
void fw_jump(struct fwcall *k, uint64_t ip);
/* Writes n bundles or table bytes into guest memory. 0 or -EFAULT. */
int fw_put(struct firmware *fw, uint64_t pa, const void *src, size_t len);

/* Tells the owner, if it wants to know. */
void firmware_tell(const struct firmware *fw, enum firmware_event event, const char *text);

/* Parts. Each *_build writes its tables; 0 or a negative errno. */
int stub_build(struct firmware *fw);
int sal_build(struct firmware *fw, struct blob *b, uint64_t base);
int acpi_build(struct firmware *fw);
int smbios_build(struct firmware *fw, struct blob *b, uint64_t base);
int pcdp_build(struct firmware *fw, struct blob *b, uint64_t base);
int runtime_build(struct firmware *fw);
void runtime_free(struct firmware *fw);

void pal_call(struct fwcall *k);
void sal_call(struct fwcall *k);
void runtime_call(struct fwcall *k, unsigned service);
void sal_ap_wait(struct fwcall *k);
void sal_ap_woken(struct fwcall *k);
void sal_init_return(struct fwcall *k);
/* Continues the context kept in a minimal-state area. false: it is not RAM. */
bool sal_resume(struct fwcall *k, uint64_t min_state);

/* Boot services, boot_services.c. */
struct boot;
bool fw_boot_time(const struct firmware *fw);
void boot_power_on(struct fwcall *k);
void boot_call(struct fwcall *k);
void boot_resume(struct fwcall *k);
void boot_interruption(struct fwcall *k);
void boot_free(struct boot *b);

/* Frequencies after defaults. */
uint64_t fw_cpu_hz(const struct firmware *fw);
/* Brand string by model, for PAL and SMBIOS. */
const char *fw_brand(const struct firmware *fw);

#endif
