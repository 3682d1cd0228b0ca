/* See channels.h. */
#include "channels.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "log.h"

unsigned channels_on;

static const char *const names[CHANNELS] = {
    [CHANNEL_FIRMWARE] = "firmware", [CHANNEL_IO] = "io",     [CHANNEL_IRQ] = "irq",
    [CHANNEL_PCI] = "pci",           [CHANNEL_SCSI] = "scsi", [CHANNEL_NET] = "net"};

void channel_line(enum channel c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_labelled(names[c], fmt, ap);
    va_end(ap);
}

static unsigned bits_of(const char *name, size_t length)
{
    if (length == 3 && memcmp(name, "all", 3) == 0)
        return (1u << CHANNELS) - 1;
    for (unsigned n = 0; n < CHANNELS; n++)
        if (strlen(names[n]) == length && memcmp(names[n], name, length) == 0)
            return 1u << n;
    return 0;
}

int channels_set(const char *list, char *why, size_t size)
{
    for (const char *p = list;; p++) {
        size_t length = strcspn(p, ",");
        unsigned bits = bits_of(p, length);

        if (!bits) {
            snprintf(why, size,
                     "--trace %.*s: the channels are firmware, io, irq, pci, scsi, net and all",
                     (int)length, p);
            return -EINVAL;
        }
        channels_on |= bits;
        p += length;
        if (*p == '\0')
            return 0;
    }
}
