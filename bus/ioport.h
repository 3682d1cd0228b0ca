/* The I/O-port space and its sparse image in memory (SDM 2:10.7).
 *
 * A registry of port ranges. In memory a port p is at offset ((p >> 2) << 12) | (p & 0xfff) of a
 * 64 MB block. Ports nobody claimed read as all ones and ignore writes.
 */
#ifndef KITTSON_BUS_IOPORT_H
#define KITTSON_BUS_IOPORT_H

#include <stdint.h>
#include "mem.h"

#define IOPORT_SPACE_SIZE 0x4000000u
#define IOPORT_MAX_RANGES 64

struct ioport_space;

struct ioport_space *ioport_new(void);
void ioport_free(struct ioport_space *s);

/* Claims count ports. Offsets given to read and write are relative to port. 0, or -EINVAL,
 * -EEXIST on overlap, -ENOSPC. */
int ioport_add(struct ioport_space *s, unsigned port, unsigned count, void *opaque,
               mem_read_fn *read, mem_write_fn *write);
/* Gives back the range that starts at port. 0 or -ENOENT. */
int ioport_remove(struct ioport_space *s, unsigned port);

/* One access of 1, 2 or 4 bytes by port number. One that no single range holds is taken apart
 * into bytes. */
uint32_t ioport_in(struct ioport_space *s, unsigned port, unsigned size);
void ioport_out(struct ioport_space *s, unsigned port, uint32_t value, unsigned size);

/* The 64 MB block; opaque is the space, the types are those of mem.h device ranges. */
uint64_t ioport_read(void *opaque, uint64_t offset, unsigned size);
void ioport_write(void *opaque, uint64_t offset, uint64_t value, unsigned size);

#endif
