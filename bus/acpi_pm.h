/* ACPI fixed hardware: PM1 events and control, PM timer, one general-purpose event block, the
 * power button and the reset register.
 *
 * One block of registers for memory or I/O-port space; which, and at what address, is told to the
 * guest by the firmware's tables. There is no SMI: the machine is in ACPI mode from the start.
 */
#ifndef KITTSON_BUS_ACPI_PM_H
#define KITTSON_BUS_ACPI_PM_H

#include <stdbool.h>
#include <stdint.h>
#include "irq.h"

/* Offsets in the block. */
#define ACPI_PM1_STS  0x0u /* 2 bytes */
#define ACPI_PM1_EN   0x2u /* 2 bytes */
#define ACPI_PM1_CNT  0x4u /* 2 bytes */
#define ACPI_PM_TMR   0x8u /* 4 bytes */
#define ACPI_GPE0_STS 0xcu /* 2 bytes */
#define ACPI_GPE0_EN  0xeu /* 2 bytes */
#define ACPI_PM_SIZE  0x10u

#define ACPI_PM_TIMER_HZ 3579545u

struct acpi_pm_config {
    struct irq_line sci;
    void *opaque;
    uint64_t (*now_ns)(void *opaque);
    void (*power_off)(void *opaque);
    void (*reset)(void *opaque);
    uint8_t s5_slp_typ;  /* what the firmware's \_S5 says */
    uint8_t reset_value; /* what the FADT says */
    bool timer_32bit;    /* TMR_VAL_EXT of the FADT */
};

struct acpi_pm;

struct acpi_pm *acpi_pm_new(const struct acpi_pm_config *config);
void acpi_pm_free(struct acpi_pm *pm);
void acpi_pm_reset(struct acpi_pm *pm);
/* Saves or restores (utils/archive.h). Version 1. */
struct archive;
void acpi_pm_state(struct acpi_pm *pm, struct archive *s);

/* Register accesses of any size and alignment; types of mem.h device ranges. */
uint64_t acpi_pm_read(void *opaque, uint64_t offset, unsigned size);
void acpi_pm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size);

/* The reset register: one byte, a range of its own. */
uint64_t acpi_reset_read(void *opaque, uint64_t offset, unsigned size);
void acpi_reset_write(void *opaque, uint64_t offset, uint64_t value, unsigned size);

/* The fixed power button is pressed. */
void acpi_pm_power_button(struct acpi_pm *pm);
/* General-purpose event n (0..15) happens. */
void acpi_pm_gpe(struct acpi_pm *pm, unsigned n);

/* Notes a timer carry that is due and raises SCI for it; when to call it next in now_ns time, or
 * UINT64_MAX while the guest does not want to know. */
void acpi_pm_poll(struct acpi_pm *pm);
uint64_t acpi_pm_due_ns(const struct acpi_pm *pm);

#endif
