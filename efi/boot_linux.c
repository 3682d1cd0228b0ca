/* Direct start of a Linux/ia64 kernel: what a boot loader leaves in memory and registers.
 *
 * Conditions of entry (as elilo and GRUB establish them): physical mode, interrupts off, r28 the
 * physical address of the boot parameter block; the EFI memory map in it is the firmware's map
 * with the loaded parts as loader data. Boot services are over.
 */
#include "elf_image.h"
#include "fw.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KERNEL_LIMIT (1ull << 30)
#define CMDLINE_MAX  2048          /* with the NUL: COMMAND_LINE_SIZE of ia64 kernels */
#define INITRD_ALIGN (64ull << 10) /* the largest page size kernels are built with */

/* The parameter block and what it points to: 16 KB of loader data. */
#define PARAM_AREA    16384
#define PARAM_CMDLINE 0x200
#define PARAM_MAP     0x1000
#define STACK_AREA    65536 /* memory stack above, register backing store from the bottom */

struct boot {
    struct firmware *fw;
    uint64_t entry, initrd, initrd_size, param, stack;
    uint32_t map_size;
};

static int load_kernel(struct boot *l, const char *path, char *why, size_t n)
{
    struct image img;
    int err = image_read(path, KERNEL_LIMIT, &img, why, n);

    if (err)
        return err;
    err = elf_load(&img, path, l->fw->mem, &l->fw->map, &l->entry, why, n);
    image_free(&img);
    return err;
}

/* Reads a file that may be any archive as it is: gzip stays packed for the kernel to unpack. */
static int read_file(const char *path, uint64_t limit, struct boot *l, FILE *f, char *why, size_t n)
{
    uint8_t buf[65536];
    uint64_t done = 0;
    long size;

    if (fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET)) {
        snprintf(why, n, "%s: cannot be read.", path);
        return -EIO;
    }
    l->initrd_size = (uint64_t)size;
    l->initrd = memmap_find_high(&l->fw->map, l->initrd_size, INITRD_ALIGN, HPVM_LOW_RAM_END);
    if (size == 0 || (uint64_t)size > limit || !l->initrd ||
        memmap_claim(&l->fw->map, l->initrd, l->initrd_size, EFI_LOADER_DATA)) {
        snprintf(why, n, "%s: %s.", path,
                 size == 0 ? "the file is empty" : "too large for the machine's low memory");
        return size == 0 ? -ENOEXEC : -EFBIG;
    }
    while (done < l->initrd_size) {
        size_t want = l->initrd_size - done < sizeof(buf) ? l->initrd_size - done : sizeof(buf);

        if (fread(buf, 1, want, f) != want ||
            mem_dma_write(l->fw->mem, l->initrd + done, buf, want)) {
            snprintf(why, n, "%s: cannot be read.", path);
            return -EIO;
        }
        done += want;
    }
    return 0;
}

static int load_initrd(struct boot *l, const char *path, char *why, size_t n)
{
    FILE *f;
    int err;

    if (!path)
        return 0;
    f = fopen(path, "rb");
    if (!f) {
        err = -errno;
        snprintf(why, n, "%s: %s.", path, strerror(-err));
        return err;
    }
    err = read_file(path, HPVM_LOW_RAM_END, l, f, why, n);
    fclose(f);
    return err;
}

static uint64_t claim_high(struct boot *l, uint64_t size)
{
    uint64_t at = memmap_find_high(&l->fw->map, size, INITRD_ALIGN, HPVM_LOW_RAM_END);

    return at && !memmap_claim(&l->fw->map, at, size, EFI_LOADER_DATA) ? at : 0;
}

/* struct ia64_boot_param */
static void put_param(const struct boot *l, struct blob *b)
{
    blob_u64(b, l->param + PARAM_CMDLINE);
    blob_u64(b, l->fw->systab);
    blob_u64(b, l->param + PARAM_MAP);
    blob_u64(b, l->map_size);
    blob_u64(b, EFI_DESC_SIZE);
    blob_u32(b, EFI_DESC_VERSION);
    blob_u16(b, 80); /* console columns, rows, cursor */
    blob_u16(b, 25);
    blob_u16(b, 0);
    blob_u16(b, 0);
    blob_align(b, 8);
    blob_u64(b, l->fw->fpswa);
    blob_u64(b, l->initrd);
    blob_u64(b, l->initrd_size);
}

static int write_param(struct boot *l, const char *cmdline)
{
    uint8_t data[PARAM_AREA];
    struct blob b;

    l->map_size = l->fw->map.n * EFI_DESC_SIZE;
    blob_init(&b, data, sizeof(data));
    put_param(l, &b);
    blob_zero(&b, PARAM_CMDLINE - b.len);
    blob_str(&b, cmdline ? cmdline : "", CMDLINE_MAX, 0);
    blob_zero(&b, PARAM_MAP - b.len);
    memmap_write_efi(&l->fw->map, &b);
    if (b.overflow)
        return -ENOSPC;
    return fw_put(l->fw, l->param, data, b.len);
}

static void set_entry(const struct boot *l, struct cpu *c)
{
    cpu_set_psr(c, PSR_BN | PSR_AC);
    c->ip = l->entry;
    c->rsc = 0;
    c->bspstore = c->bsp = l->stack;
    cpu_set_gr(c, 12, l->stack + STACK_AREA - 16);
    cpu_set_gr(c, 28, l->param);
    c->halted = false;
    c->running = true;
}

int firmware_boot_linux(struct firmware *fw, struct cpu *bsp, const char *kernel,
                        const char *initrd, const char *cmdline, char *why, size_t why_size)
{
    struct boot l = {.fw = fw};
    int err;

    if (cmdline && strlen(cmdline) >= CMDLINE_MAX) {
        snprintf(why, why_size, "The kernel command line is longer than %d characters.",
                 CMDLINE_MAX - 1);
        return -E2BIG;
    }
    err = load_kernel(&l, kernel, why, why_size);
    if (!err)
        err = load_initrd(&l, initrd, why, why_size);
    if (err)
        return err;
    l.param = claim_high(&l, PARAM_AREA);
    l.stack = claim_high(&l, STACK_AREA);
    err = l.param && l.stack ? write_param(&l, cmdline) : -ENOMEM;
    if (err) {
        snprintf(why, why_size, "%s: the machine has too little memory for it.", kernel);
        return err;
    }
    set_entry(&l, bsp);
    return 0;
}
