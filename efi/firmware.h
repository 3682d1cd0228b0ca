/* The machine's firmware: PAL, SAL, EFI boot and runtime services, boot manager, ACPI, SMBIOS and
 * PCDP tables, and the direct start of a Linux kernel.
 *
 * Host-side: tables live in guest memory, every entry point is a guest bundle with a break.b that
 * makes the CPU call firmware_call(). Knows no device but the serial port: addresses come from
 * machine/hpvm_map.h, the rest from struct firmware_config.
 */
#ifndef KITTSON_EFI_FIRMWARE_H
#define KITTSON_EFI_FIRMWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"
#include "mem.h"

#define FIRMWARE_VOLUME "; on its volume:"

/* How far a system has come, for logs and status. */
enum firmware_event {
    FIRMWARE_STARTED, /* power-on or reset: boot services begin */
    FIRMWARE_PROGRAM, /* a program begins: its file path */
    FIRMWARE_ENDED,   /* it returned: file path and status */
    FIRMWARE_OS,      /* ExitBootServices by a program: its file path, FIRMWARE_VOLUME, and names of
                         files and directories in the root and in \EFI of its volume */
    FIRMWARE_VIRTUAL, /* SetVirtualAddressMap */
    FIRMWARE_RESET,   /* ResetSystem and its type */
};

struct firmware_config {
    unsigned cpus; /* 1..HPVM_MAX_CPUS */
    enum cpu_model model;
    uint64_t memory;    /* bytes of guest RAM, as given to efi_ram_ranges() */
    uint64_t itc_hz;    /* frequency of ar.itc; 0: HPVM_ITC_HZ */
    uint64_t bus_hz;    /* platform base clock, SAL_FREQ_BASE 0; 0: HPVM_BASE_HZ */
    uint64_t cpu_hz;    /* core clock; 0: four times itc_hz, itc_hz for Madison */
    const char *serial; /* NULL: "VM00000000"; copied */
    uint8_t uuid[16];   /* in RFC 4122 byte order */
    /* Callbacks. Any may be NULL. They run in the calling CPU's thread under the firmware's lock
     * and must not call back into the firmware. */
    void *opaque;
    uint64_t (*wall_ns)(void *opaque); /* ns since 1970 UTC for GetTime; NULL: the host's clock */
    void (*power_off)(void *opaque);
    void (*reset)(void *opaque);
    /* PCI configuration access of 1, 2 or 4 bytes, aligned; devfn is device << 3 | function, reg
     * 0..4095. Absent devices read as all ones. */
    uint64_t (*pci_read)(void *opaque, unsigned seg, unsigned bus, unsigned devfn, unsigned reg,
                         unsigned size);
    void (*pci_write)(void *opaque, unsigned seg, unsigned bus, unsigned devfn, unsigned reg,
                      unsigned size, uint64_t value);
    void (*progress)(void *opaque, enum firmware_event event, const char *text);
};

/* A drive the firmware can boot from, by its place behind a SCSI adapter. */
struct block_dev;
struct firmware_drive {
    unsigned root, device, function, target;
    bool removable; /* a disc drive */
    void *opaque;
    /* Describes the medium; *id changes with it. 0, or -ENOMEDIUM. Accesses that block_dev's
     * functions make are done when they return. */
    int (*medium)(void *opaque, struct block_dev *dev, uint32_t *id);
    /* Who it says it is, for the screen; empty when it is not there any more. */
    void (*identity)(void *opaque, char *text, size_t size);
};

struct firmware;

/* A range of guest RAM to create with mem_add_ram(). */
struct efi_range {
    uint64_t start, size;
};
#define EFI_MAX_RAM_RANGES 4

/* The RAM ranges of a machine with `memory` bytes, firmware RAM included. Returns their number. */
unsigned efi_ram_ranges(uint64_t memory, struct efi_range out[EFI_MAX_RAM_RANGES]);

/* Builds all tables in m, whose RAM exists already. NULL and a negative errno in *err on failure
 * (-EINVAL configuration, -ENOMEM, -EFAULT RAM missing). The configuration is copied. */
struct firmware *firmware_new(struct mem *m, const struct firmware_config *config, int *err);
void firmware_free(struct firmware *fw);

/* Takes variables from a file and keeps the non-volatile ones in it from now on. It is made when it
 * is not there. 0, or a negative errno with one sentence in why. */
int firmware_use_nvram(struct firmware *fw, const char *path, char *why, size_t why_size);

/* Writes the tables again, as after a reset, and forgets what the guest registered (vectors,
 * virtual addresses). Variables stay. 0 or a negative errno. */
int firmware_reset(struct firmware *fw);

/* Saves or restores what is behind the tables in guest memory (utils/archive.h); not while boot
 * services run. Version 1. */
struct archive;
bool firmware_can_be_saved(struct firmware *fw);
void firmware_state(struct firmware *fw, struct archive *s);

/* Gives a reset CPU its firmware state: firmware range, local id, and parks it waiting for the
 * wake-up interrupt. Call for every CPU, after cpu_reset(). */
void firmware_attach_cpu(struct firmware *fw, struct cpu *c);

/* A break.b with operand imm was executed in the firmware range (cpu_hooks.firmware). */
void firmware_call(struct firmware *fw, struct cpu *c, uint64_t imm);

/* An INIT reached a CPU (cpu_hooks.init): enters the handler registered through SAL. */
void firmware_init(struct firmware *fw, struct cpu *c);

/* The drives that boot services know; the array stays the caller's. */
void firmware_set_drives(struct firmware *fw, const struct firmware_drive *drives, unsigned count);

/* Points the CPU at the firmware's power-on code: boot services, then the boot manager. Call after
 * firmware_attach_cpu(). */
void firmware_power_on(struct firmware *fw, struct cpu *bsp);

/* Loads a Linux/ia64 kernel (ELF or gzip of it) and optional initial RAM disk, and points the CPU
 * at its entry. Returns 0 or a negative errno with one sentence in why. initrd and cmdline may be
 * NULL. Call after firmware_attach_cpu(). */
int firmware_boot_linux(struct firmware *fw, struct cpu *bsp, const char *kernel,
                        const char *initrd, const char *cmdline, char *why, size_t why_size);

/* What somebody who looks at the machine may want to know, by name: state, addresses, counts. */
void firmware_describe(struct firmware *fw, void *opaque,
                       void (*field)(void *opaque, const char *name, const char *value));

#endif
