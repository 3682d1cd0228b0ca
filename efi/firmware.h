/* The machine's firmware: PAL, SAL, EFI runtime services, ACPI, SMBIOS and PCDP tables, and the
 * direct start of a Linux kernel.
 *
 * Host-side: tables live in guest memory, every entry point is a guest bundle with a break.b that
 * makes the CPU call firmware_call(). Knows no device: what it needs from the machine comes in
 * struct firmware_config. Boot services and the boot manager are not here.
 */
#ifndef KITTSON_EFI_FIRMWARE_H
#define KITTSON_EFI_FIRMWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"
#include "mem.h"

/* The platform's fixed addresses; efi/memmap.c describes all of them to the guest. */
#define FW_MEM_BASE    0xffaa0000ull /* firmware RAM, as Integrity VM A.03.00 has it */
#define FW_MEM_SIZE    0x00020000ull
#define FW_SAPIC_BASE  0xfee00000ull /* processor interrupt block */
#define FW_SAPIC_SIZE  0x00200000ull
#define FW_IOPORT_BASE 0xffffc000000ull /* sparse I/O port space: port p at (p>>2)<<12 | p&0xfff   \
                                         */
#define FW_IOPORT_SIZE 0x4000000ull
#define FW_LOW_RAM_END 0x80000000ull
#define FW_HIGH_RAM    0x100000000ull
#define FW_AP_VECTOR   0xff
#define FW_MAX_CPUS    16

/* ACPI fixed hardware: register offsets from firmware_config.pm_base (memory space). */
#define FW_PM1_EVT     0x00 /* status (2 bytes), enable (2 bytes) */
#define FW_PM1_CNT     0x04 /* 2 bytes: SCI_EN 0, SLP_TYP 12:10, SLP_EN 13 */
#define FW_PM_TMR      0x08 /* 4 bytes, 3.579545 MHz, 32 bits */
#define FW_GPE0        0x10 /* status (2 bytes), enable (2 bytes) */
#define FW_RESET_REG   0x20 /* 1 byte: writing FW_RESET_VALUE resets */
#define FW_PM_SIZE     0x1000
#define FW_RESET_VALUE 1
#define FW_SLP_TYP_S5  5

struct firmware_config {
    unsigned cpus; /* 1..FW_MAX_CPUS */
    enum cpu_model model;
    uint64_t memory;    /* bytes of guest RAM, as given to efi_ram_ranges() */
    uint64_t itc_hz;    /* frequency of ar.itc */
    uint64_t bus_hz;    /* platform base clock, SAL_FREQ_BASE 0; 0: 200 MHz */
    uint64_t cpu_hz;    /* core clock; 0: itc_hz */
    uint64_t uart_addr; /* 16550, registers one byte apart */
    bool uart_io;       /* uart_addr is an I/O port, else memory */
    uint32_t uart_gsi;  /* level, low */
    uint64_t pm_base;   /* FW_PM_SIZE bytes of registers above */
    uint32_t sci_gsi;   /* level, low */
    uint64_t iosapic_addr;
    uint32_t iosapic_gsi_base;
    const char *serial; /* NULL: "VM00000000"; copied */
    uint8_t uuid[16];
    /* Callbacks. Any may be NULL. They run in the calling CPU's thread under the firmware's lock
     * and must not call back into the firmware. */
    void *opaque;
    void (*power_off)(void *opaque);
    void (*reset)(void *opaque);
    /* addr: segment 39:24 or 31:24, bus, device, function decoded here. Absent: return all ones. */
    uint64_t (*pci_read)(void *opaque, unsigned seg, unsigned bus, unsigned devfn, unsigned reg,
                         unsigned size);
    void (*pci_write)(void *opaque, unsigned seg, unsigned bus, unsigned devfn, unsigned reg,
                      unsigned size, uint64_t value);
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

/* Gives a reset CPU its firmware state: firmware range, local id, and parks it waiting for the
 * wake-up interrupt. Call for every CPU, after cpu_reset(). */
void firmware_attach_cpu(struct firmware *fw, struct cpu *c);

/* A break.b with operand imm was executed in the firmware range (cpu_hooks.firmware). */
void firmware_call(struct firmware *fw, struct cpu *c, uint64_t imm);

/* Loads a Linux/ia64 kernel (ELF or gzip of it) and optional initial RAM disk, and points the CPU
 * at its entry. Returns 0 or a negative errno with one sentence in why. initrd and cmdline may be
 * NULL. Call after firmware_attach_cpu(). */
int firmware_boot_linux(struct firmware *fw, struct cpu *bsp, const char *kernel,
                        const char *initrd, const char *cmdline, char *why, size_t why_size);

#endif
