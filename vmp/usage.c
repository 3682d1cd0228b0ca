/* See usage.h. */
#include "usage.h"

#include "app_proto.h"

#include <stdio.h>
#include <string.h>

static void take_line(void *opaque, const char *line)
{
    struct vmp_usage *u = opaque;
    unsigned long long now, before, value;
    if (sscanf(line, "interval %llu", &value) == 1)
        u->interval_us = value;
    else if (sscanf(line, "process %llu %llu", &now, &before) == 2)
        u->process = (struct usage_figures){now, before};
    else if (sscanf(line, "cpu %llu %llu", &now, &before) == 2 && u->vcpus < GUEST_VCPUS_MAX)
        u->vcpu[u->vcpus++] = (struct usage_figures){now, before};
}

void usage_read(const char *uuid, bool running, struct vmp_usage *u)
{
    char why[400];
    memset(u, 0, sizeof *u);
    if (running && app_request(uuid, "usage", take_line, u, why, sizeof why) != 0)
        memset(u, 0, sizeof *u);
}

double usage_percent(const struct vmp_usage *u, const struct usage_figures *f)
{
    if (u->interval_us == 0 || f->total < f->before)
        return 0;
    return (double)(f->total - f->before) / 10.0 / (double)u->interval_us;
}

uint64_t usage_cycles(const struct usage_figures *f, uint64_t mhz)
{
    return f->total / 1000 * mhz;
}

double usage_host_percent(const struct vmp_usage *u)
{
    double guests = 0, all = usage_percent(u, &u->process);
    for (unsigned i = 0; i < u->vcpus; i++)
        guests += usage_percent(u, &u->vcpu[i]);
    return u->vcpus > 0 && all > guests ? (all - guests) / u->vcpus : 0;
}
