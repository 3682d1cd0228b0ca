/* Processor use of a running guest, as its process reports it. */
#ifndef KITTSON_VMP_USAGE_H
#define KITTSON_VMP_USAGE_H

#include "guest_config.h"

/* Nanoseconds of host processor time, in all and at the beginning of the last interval. */
struct usage_figures {
    uint64_t total, before;
};
struct vmp_usage {
    uint64_t interval_us; /* 0: too early */
    unsigned vcpus;
    struct usage_figures process, vcpu[GUEST_VCPUS_MAX];
};

/* Zeros when the guest is off or its process does not answer. */
void usage_read(const char *uuid, bool running, struct vmp_usage *u);

/* Percent of one processor in the last interval, and cycles at that clock rate. */
double usage_percent(const struct vmp_usage *u, const struct usage_figures *f);
uint64_t usage_cycles(const struct usage_figures *f, uint64_t mhz);
/* Percent of one processor that is the host's own work for each virtual processor. */
double usage_host_percent(const struct vmp_usage *u);

#endif
