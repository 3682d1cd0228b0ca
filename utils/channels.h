/* Named channels of what devices and firmware do, for `kittson run --trace`: one line of the log
 * each. A channel that is off costs one test where something slow happens anyway.
 */
#ifndef KITTSON_UTILS_CHANNELS_H
#define KITTSON_UTILS_CHANNELS_H

#include <stdbool.h>
#include <stddef.h>

enum channel {
    CHANNEL_FIRMWARE, /* calls of PAL, SAL, EFI services and FPSWA, with results */
    CHANNEL_IO,       /* processors' accesses to device registers */
    CHANNEL_IRQ,      /* interrupts posted to processors */
    CHANNEL_PCI,      /* PCI configuration accesses by firmware */
    CHANNEL_SCSI,     /* commands of targets and how they end */
    CHANNEL_NET,      /* frames of adapters */
    CHANNELS
};

extern unsigned channels_on; /* bit n: channel n */

static inline bool channel_on(enum channel c)
{
    return __builtin_expect(channels_on >> c & 1, 0);
}

/* A line without end. Only for channels that are on. */
void channel_line(enum channel c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Turns on what a list names: names with commas, or "all". 0, or -EINVAL with one sentence in why.
 */
int channels_set(const char *list, char *why, size_t size);

#endif
