/* Fuzz target: what a hostile guest can pass to the firmware - PAL, SAL, EFI runtime services and
 * FPSWA with any registers and any memory behind them - and the kernel command line.
 *
 * The input: the command line up to a NUL, then one record per call: entry point, flags, eight
 * arguments of a kind byte and a value byte each, and 16 bytes for the guest's memory.
 */
#include "fuzz.h"

#include "efi_machine.h"
#include "fw.h"
#include "log.h"

#define MEMORY      (64ull << 20)
#define SCRATCH     0x100000ull
#define RECORD_SIZE 34
#define MAX_CALLS   16

extern const char demo_image[], demo_image_end[];

enum { FLAG_VIRTUAL = 1, FLAG_CPL3 = 2, FLAG_BIG_ENDIAN = 4, FLAG_SMALL_FRAME = 8 };

static uint64_t argument(uint8_t kind, uint8_t v)
{
    static const uint64_t corner[] = {
        ~0ull,      1ull << 63, INT64_MAX,      MEMORY - 1, MEMORY,
        0xffa00000, 0xfee00000, 0xffffffffffff, 1ull << 61, (7ull << 61) | 0x1000,
        0xfffffff0, 0x80000000,
    };

    switch (kind % 6) {
    case 0:
        return v;
    case 1:
        return SCRATCH + v;
    case 2:
        return SCRATCH + 8ull * v;
    case 3:
        return (uint64_t)v << (kind >> 2);
    case 4:
        return corner[v % (sizeof corner / sizeof *corner)];
    default: /* PAL, SAL and other function numbers */
        return (kind & 8 ? 0x01000000ull : kind & 16 ? 0x100 : 0) + v;
    }
}

static void set_context(struct cpu *c, uint8_t flags, unsigned entry)
{
    uint64_t psr = PSR_BN | PSR_IC;

    if (flags & FLAG_VIRTUAL)
        psr |= PSR_DT | PSR_IT | PSR_RT;
    if (flags & FLAG_CPL3)
        psr |= PSR_CPL;
    if (flags & FLAG_BIG_ENDIAN)
        psr |= PSR_BE;
    cpu_set_psr(c, psr);
    cpu_set_cfm(c, flags & FLAG_SMALL_FRAME ? 2 : 8);
    c->pfs = 0;
    c->bsp = c->bspstore = SCRATCH + 0x8000;
    c->ndirty = 0;
    c->ip = entry == FW_ENTRY_PAL ? FW_PAL : FW_STUB_ADDR(entry);
    c->br[0] = SCRATCH;
}

static void one_call(struct firmware *fw, struct cpu *c, const uint8_t *rec)
{
    unsigned entry = rec[0] % (FW_ENTRY_COUNT + 1);

    set_context(c, rec[1], entry);
    mem_dma_write(fw->mem, SCRATCH + rec[2] % 8 * 16, rec + 18, 16);
    for (unsigned k = 0; k < 8; k++) {
        uint64_t v = argument(rec[2 + 2 * k], rec[3 + 2 * k]);

        if (32 + k < c->frame_top)
            cpu_set_gr(c, 32 + k, v);
        if (k < 4) /* the static convention of PAL */
            cpu_set_gr(c, 28 + k, v);
    }
    firmware_call(fw, c, entry);
    c->stop = c->halted = false;
}

static void boot(struct firmware *fw, struct cpu *c, const char *cmdline)
{
    char why[200];
    int fd;
    const char *path = fuzz_file(demo_image, (size_t)(demo_image_end - demo_image), &fd);

    firmware_boot_linux(fw, c, path, NULL, cmdline, why, sizeof why);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mem *m = efi_test_mem(MEMORY);
    struct firmware *fw = efi_test_firmware(m, MEMORY, 1);
    struct cpu *c = cpu_new(0, CPU_MONTECITO, m);
    const uint8_t *nul = memchr(data, 0, size);
    char *cmdline = strndup((const char *)data, nul ? (size_t)(nul - data) : size);

    if (!fw || !c || !cmdline)
        abort();
    log_set_level(LOG_ERROR);
    firmware_attach_cpu(fw, c);
    boot(fw, c, cmdline);
    for (unsigned n = 0; nul && n < MAX_CALLS; n++) {
        const uint8_t *rec = nul + 1 + n * RECORD_SIZE;

        if ((size_t)(data + size - rec) < RECORD_SIZE || rec > data + size)
            break;
        one_call(fw, c, rec);
    }
    free(cmdline);
    cpu_free(c);
    firmware_free(fw);
    mem_free(m);
    return 0;
}
