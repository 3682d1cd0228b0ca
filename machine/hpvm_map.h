/* Where things are in the physical address space of the HPVM board, and which interrupt input
 * each device has. The one list of numbers that the board, the firmware tables (memory map,
 * ACPI, PCDP) and the tests share.
 *
 * Only constants: no code, no state.
 */
#ifndef KITTSON_MACHINE_HPVM_MAP_H
#define KITTSON_MACHINE_HPVM_MAP_H

/* RAM: low memory up to 2 GB in one piece, the rest from 4 GB up, firmware RAM just below
 * 4 GB (layout of Integrity VM A.03.00). */
#define HPVM_LOW_RAM_END 0x80000000ull
#define HPVM_HIGH_RAM    0x100000000ull
#define HPVM_RAM_MIN     (64ull << 20)
#define HPVM_RAM_MAX     (256ull << 30)

#define HPVM_FW_RAM      0xffaa0000ull
#define HPVM_FW_RAM_SIZE 0x15000ull
#define HPVM_FW_SAL      0xffaa0000ull /* 4 KB: SAL and EFI entry stubs */
#define HPVM_FW_ESI      0xffaa1000ull /* 4 KB */
#define HPVM_FW_PAL      0xffaa4000ull /* 4 KB, PAL_CODE */
#define HPVM_FW_MINSTATE 0xffaa5000ull /* 1 KB */

/* Devices. */
#define HPVM_PIB          0xfee00000ull /* processor interrupt block (local SAPIC messages) */
#define HPVM_PIB_SIZE     0x200000ull
#define HPVM_IOSAPIC      0xfec00000ull
#define HPVM_IOSAPIC_SIZE 0x1000ull
#define HPVM_IOSAPIC_GSI  0 /* first global system interrupt */
#define HPVM_IOSAPIC_PINS 80

#define HPVM_UART       0xff5e0000ull /* com1, one byte per register */
#define HPVM_UART_SIZE  8ull
#define HPVM_UART_GSI   4 /* level, active low */
#define HPVM_UART_CLOCK 1843200

/* Sparse I/O port space: port p is at base + ((p >> 2) << 12) + (p & 0xfff). */
#define HPVM_IOPORT      0x00000ffffc000000ull
#define HPVM_IOPORT_SIZE 0x4000000ull

/* PCI: eight roots, ACPI PNP0A03 with UID 0 to 7, which are buses 0 to 7 of segment 0, so that a
 * device of hardware path 0/<root>/<device>/<function> is bus:device.function of its root. Each has
 * a window of memory below 4 GB, one above RAM, 8192 I/O ports (root 0 leaves out ports of the
 * board) and eight interrupt inputs: pin p (INTA is 0) of device d pulls (d + p) modulo 8.
 *
 *   root  memory               64-bit memory                ports       interrupt inputs
 *   n     80000000 + n << 28   800_00000000 + n << 32       n << 13     16 + 8 n
 *   7     F0000000 - FDFFFFFF
 */
#define HPVM_PCI_ROOTS         8
#define HPVM_PCI_SLOTS         8 /* devices of a root, one function each */
#define HPVM_PCI_MEM(n)        (0x80000000ull + ((unsigned long long)(n) << 28))
#define HPVM_PCI_MEM_SIZE(n)   ((n) == 7 ? 0xe000000ull : 0x10000000ull)
#define HPVM_PCI_MEM64(n)      (0x80000000000ull + ((unsigned long long)(n) << 32))
#define HPVM_PCI_MEM64_SIZE    0x100000000ull
#define HPVM_PCI_IO(n)         ((unsigned)(n) << 13)
#define HPVM_PCI_IO_SIZE       0x2000u
#define HPVM_PCI_IO_LEGACY_END 0xcf0u  /* root 0: 0 to here ... */
#define HPVM_PCI_IO_FIRST      0x1100u /* ... and from here */
#define HPVM_PCI_LINES         8
#define HPVM_PCI_GSI(n, line)  (16u + 8u * (unsigned)(n) + (unsigned)(line))

/* The graphics adapter, when there is a display: the last place, out of the way of drives and
 * adapters. */
#define HPVM_VGA_BUS  7
#define HPVM_VGA_SLOT 7
/* The USB controller with keyboard and mouse, which comes with it. */
#define HPVM_USB_BUS  7
#define HPVM_USB_SLOT 6

/* ACPI fixed hardware, in I/O ports. */
#define HPVM_SCI_GSI     9      /* level, active low */
#define HPVM_PM1_EVT     0x1000 /* 4 bytes: status, enable */
#define HPVM_PM1_CNT     0x1004 /* 2 bytes */
#define HPVM_PM_TMR      0x1008 /* 4 bytes */
#define HPVM_PM_PORTS    0x1000 /* the block as one range of ports */
#define HPVM_PM_SIZE     16
#define HPVM_S5_SLP_TYP  5
#define HPVM_RESET_PORT  0xcf9
#define HPVM_RESET_VALUE 6

/* Time. Montecito counts ITC at a quarter of its core clock; the firmware reports
 * base frequency and ratios with these values. */
#define HPVM_BASE_HZ 200000000ull
#define HPVM_ITC_HZ  400000000ull

#define HPVM_MAX_CPUS 16
/* LID of vCPU n: id n, eid 0, as HP boards number them (0x0000, 0x0100, ...). */
#define HPVM_LID(n)    ((unsigned long long)(n) << 24)
#define HPVM_AP_VECTOR 0xff /* wakes a processor parked in the SAL rendezvous */

#endif
