/* See ioport.h. */
#include "ioport.h"

#include <errno.h>
#include <stdlib.h>

#define PORTS 0x10000u

struct range {
    unsigned port, count;
    void *opaque;
    mem_read_fn *read;
    mem_write_fn *write;
};

struct ioport_space {
    struct range ranges[IOPORT_MAX_RANGES];
    unsigned count;
};

struct ioport_space *ioport_new(void)
{
    return calloc(1, sizeof(struct ioport_space));
}

void ioport_free(struct ioport_space *s)
{
    free(s);
}

int ioport_add(struct ioport_space *s, unsigned port, unsigned count, void *opaque,
               mem_read_fn *read, mem_write_fn *write)
{
    if (port >= PORTS || count == 0 || count > PORTS - port || !read || !write)
        return -EINVAL;
    for (unsigned i = 0; i < s->count; i++) {
        const struct range *r = &s->ranges[i];

        if (port < r->port + r->count && r->port < port + count)
            return -EEXIST;
    }
    if (s->count == IOPORT_MAX_RANGES)
        return -ENOSPC;
    s->ranges[s->count++] = (struct range){port, count, opaque, read, write};
    return 0;
}

int ioport_remove(struct ioport_space *s, unsigned port)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->ranges[i].port != port)
            continue;
        s->ranges[i] = s->ranges[--s->count];
        return 0;
    }
    return -ENOENT;
}

static const struct range *find(const struct ioport_space *s, unsigned port, unsigned size)
{
    for (unsigned i = 0; i < s->count; i++) {
        const struct range *r = &s->ranges[i];

        if (port >= r->port && port - r->port < r->count && size <= r->count - (port - r->port))
            return r;
    }
    return NULL;
}

uint32_t ioport_in(struct ioport_space *s, unsigned port, unsigned size)
{
    const struct range *r = find(s, port, size);
    uint32_t v = 0;

    if (size != 1 && size != 2 && size != 4)
        return ~0u;
    if (r)
        return (uint32_t)r->read(r->opaque, port - r->port, size) & (~0u >> (32 - 8 * size));
    if (size == 1)
        return 0xff;
    for (unsigned i = 0; i < size; i++)
        v |= ioport_in(s, port + i, 1) << (8 * i);
    return v;
}

void ioport_out(struct ioport_space *s, unsigned port, uint32_t value, unsigned size)
{
    const struct range *r = find(s, port, size);

    if (size != 1 && size != 2 && size != 4)
        return;
    if (r)
        r->write(r->opaque, port - r->port, value & (~0u >> (32 - 8 * size)), size);
    else if (size > 1)
        for (unsigned i = 0; i < size; i++)
            ioport_out(s, port + i, value >> (8 * i), 1);
}

/* Four ports on each 4 KB page: address bits 25:12 and 1:0 are the port. */
static unsigned port_of(uint64_t offset)
{
    return (unsigned)((offset >> 12) << 2 | (offset & 3)) & (PORTS - 1);
}

uint64_t ioport_read(void *opaque, uint64_t offset, unsigned size)
{
    return size > 4 ? ~0ull : ioport_in(opaque, port_of(offset), size);
}

void ioport_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ioport_out(opaque, port_of(offset), (uint32_t)value, size);
}
