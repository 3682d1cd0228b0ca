/* Where the devices of the HPVM board are and which interrupt input each has. The board passes
 * these numbers to the firmware, which publishes them (ACPI, PCDP, memory map). RAM, firmware
 * RAM, the processor interrupt block and the I/O port space are in efi/firmware.h.
 *
 * Only constants: no code, no state.
 */
#ifndef KITTSON_MACHINE_HPVM_MAP_H
#define KITTSON_MACHINE_HPVM_MAP_H

#define HPVM_RAM_MIN (64ull << 20)
#define HPVM_RAM_MAX (256ull << 30)

#define HPVM_IOSAPIC      0xfec00000ull
#define HPVM_IOSAPIC_SIZE 0x1000ull
#define HPVM_IOSAPIC_GSI  0 /* first global system interrupt */
#define HPVM_IOSAPIC_PINS 64

#define HPVM_UART       0xff5e0000ull /* com1, one byte per register, where HP boards have it */
#define HPVM_UART_SIZE  8ull
#define HPVM_UART_GSI   4 /* level, active low */
#define HPVM_UART_CLOCK 1843200

#define HPVM_PM      0xff5c0000ull /* ACPI fixed hardware */
#define HPVM_SCI_GSI 9             /* level, active low */

/* Montecito counts ITC at a quarter of its core clock. */
#define HPVM_BUS_HZ 200000000ull
#define HPVM_ITC_HZ 400000000ull
#define HPVM_CPU_HZ 1600000000ull

#endif
