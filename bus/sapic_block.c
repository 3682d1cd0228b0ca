/* See sapic_block.h. Layout: SDM 2:5.8.4, figures 5-12 to 5-14. */
#include "sapic_block.h"

#define IPI_END   0x100000u /* the lower megabyte takes messages */
#define ID_SHIFT  12
#define EID_SHIFT 4
#define IR        (1u << 3)
#define DM_SHIFT  8

uint64_t sapic_block_read(void *opaque, uint64_t offset, unsigned size)
{
    struct sapic_block *b = opaque;

    if (offset == SAPIC_BLOCK_INTA && size == 1 && b->inta)
        return b->inta(b->opaque);
    return ~0ull;
}

/* Address: id{19:12}, eid{11:4}, redirection hint{3}. Data: delivery mode{10:8}, vector{7:0}.
 * Messages are aligned 8-byte stores; narrower ones that still carry both fields are taken. */
static void send_ipi(struct sapic_block *b, uint64_t offset, uint64_t value, unsigned size)
{
    if ((offset & 7) || size < 2)
        return;
    b->ipi(b->opaque, (offset >> ID_SHIFT) & 0xff, (offset >> EID_SHIFT) & 0xff, offset & IR,
           (value >> DM_SHIFT) & 7, value & 0xff);
}

void sapic_block_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct sapic_block *b = opaque;

    if (offset < IPI_END)
        send_ipi(b, offset, value, size);
    else if (offset == SAPIC_BLOCK_XTP && size == 1 && b->xtp)
        b->xtp(b->opaque, (uint8_t)value);
}
