/* What lies where inside the firmware RAM (84 KB at HPVM_FW_RAM), and the operands of the break.b
 * instructions in its entry stubs. Private to efi/.
 */
#ifndef KITTSON_EFI_LAYOUT_H
#define KITTSON_EFI_LAYOUT_H

#include "hpvm_map.h"

/* Page ranges, in the order of their addresses; efi/memmap.c lists them with their EFI types. */
#define FW_STUBS      HPVM_FW_SAL /* entry stubs of SAL, EFI and FPSWA; AP wait loop */
#define FW_STUBS_SIZE 0x1000ull
#define FW_DATA       HPVM_FW_ESI /* 4 KB kept for ESI, then EFI tables */
#define FW_DATA_SIZE  (HPVM_FW_PAL - HPVM_FW_ESI)
#define FW_PAL        HPVM_FW_PAL
#define FW_PAL_SIZE   0x1000ull
#define FW_DATA2      HPVM_FW_MINSTATE /* 4 KB, then SAL table, SMBIOS, PCDP */
#define FW_DATA2_SIZE 0x3000ull
#define FW_ACPI       (FW_DATA2 + FW_DATA2_SIZE)
#define FW_ACPI_SIZE  (FW_MINSTATES - FW_ACPI)
/* Minimal-state areas of the processors, 1 KB each, unless the system names others. */
#define FW_MINSTATES      (FW_NVS - FW_MINSTATES_SIZE)
#define FW_MINSTATES_SIZE 0x4000ull
#define FW_MINSTATE(cpu)  (FW_MINSTATES + 1024ull * (cpu))
#define FW_NVS            (HPVM_FW_RAM + HPVM_FW_RAM_SIZE - FW_NVS_SIZE) /* FACS */
#define FW_NVS_SIZE       0x1000ull

#define FW_EFI_TABLES         0xffaa2000ull /* 8 KB, to the PAL page */
#define FW_EFI_TABLES_SIZE    0x2000ull
#define FW_SYSTEM_TABLES      0xffaa6000ull /* SAL, SMBIOS, PCDP: 8 KB */
#define FW_SYSTEM_TABLES_SIZE 0x2000ull

/* break.b operands, also stub numbers: stub n is the n-th bundle of the stub page. PAL's is alone
 * at the start of the PAL page. Zero is left out: a zero-filled page is full of break 0. */
enum fw_entry {
    FW_ENTRY_PAL = 1,
    FW_ENTRY_SAL,
    FW_ENTRY_AP_WAIT,
    FW_ENTRY_AP_WOKEN,
    FW_ENTRY_FPSWA,
    FW_ENTRY_INIT_RETURN,
    FW_ENTRY_BOOT,         /* boot services and protocols; r15 is the function's number */
    FW_ENTRY_RESUME,       /* a guest function called by the firmware has returned */
    FW_ENTRY_INTERRUPTION, /* from the boot services' vectors; r16 of bank 0 is which */
    FW_ENTRY_POWER_ON,     /* the boot processor's first instruction */
    FW_ENTRY_RUNTIME,      /* first of the EFI runtime services, in table order */
    FW_ENTRY_COUNT = FW_ENTRY_RUNTIME + 11,
};
#define FW_STUB_ADDR(n) (FW_STUBS + 16ull * (n))
/* Guest code behind the stubs. */
#define FW_AP_POLL (FW_STUBS + 0x800)
/* Touching code, as offsets in both the stub page and the PAL page: a system may have mapped only
 * the page it calls into. */
#define FW_TOUCH_READ  0x900ull
#define FW_TOUCH_WRITE 0x910ull

#endif
