/* An interrupt line: what a device pulls, without knowing who listens.
 *
 * level is logical: 1 asserted, 0 not; electrical polarity is no matter of the line.
 */
#ifndef KITTSON_BUS_IRQ_H
#define KITTSON_BUS_IRQ_H

#include <stddef.h>

struct irq_line {
    void (*set)(void *opaque, int n, int level);
    void *opaque;
    int n;
};

/* A line without a set function leads nowhere. */
static inline void irq_set(const struct irq_line *line, int level)
{
    if (line->set != NULL)
        line->set(line->opaque, line->n, level != 0);
}

#endif
