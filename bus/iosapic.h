/* An I/O SAPIC: turns device interrupt lines into messages to processors.
 *
 * Register select, window and EOI as ia64 systems program them. Its inputs are logical lines
 * (irq.h), so the polarity bit is kept but has no effect. It does not choose a processor: the
 * deliver callback gets the destination as programmed.
 */
#ifndef KITTSON_BUS_IOSAPIC_H
#define KITTSON_BUS_IOSAPIC_H

#include <stdbool.h>
#include <stdint.h>
#include "irq.h"

#define IOSAPIC_SIZE     0x1000u /* bytes of address space */
#define IOSAPIC_MAX_PINS 120u    /* as many as the 8-bit register index reaches */

/* Delivery modes of redirection entries and of inter-processor interrupts (SDM 2:5.8.4.1). */
enum sapic_mode {
    SAPIC_FIXED = 0,
    SAPIC_LOWEST = 1, /* the platform may redirect to another processor */
    SAPIC_PMI = 2,
    SAPIC_NMI = 4,
    SAPIC_INIT = 5,
    SAPIC_EXTINT = 7,
};

typedef void iosapic_deliver_fn(void *opaque, unsigned dest_id, unsigned dest_eid,
                                unsigned delivery_mode, unsigned vector);

struct iosapic;

/* NULL when out of memory or pins is 0 or above IOSAPIC_MAX_PINS. All entries start masked. */
struct iosapic *iosapic_new(unsigned pins, iosapic_deliver_fn *deliver, void *opaque);
void iosapic_free(struct iosapic *s);
void iosapic_reset(struct iosapic *s);
/* Saves or restores (utils/archive.h). Version 1. */
struct archive;
void iosapic_state(struct iosapic *s, struct archive *st);

/* Register accesses; the types are those of mem.h device ranges. */
uint64_t iosapic_read(void *opaque, uint64_t offset, unsigned size);
void iosapic_write(void *opaque, uint64_t offset, uint64_t value, unsigned size);

/* Input n; lines sharing an input are the board's to combine. */
struct irq_line iosapic_line(struct iosapic *s, unsigned pin);
void iosapic_set(void *opaque, int pin, int level);

#endif
