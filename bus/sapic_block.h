/* The processor interrupt block: the 2 MB of addresses through which processors and devices send
 * interrupt messages (SDM 2:5.8.4).
 *
 * Decodes accesses and calls back; knows no processors and keeps no state. The local SAPIC of a
 * processor is cpu/sapic.c.
 */
#ifndef KITTSON_BUS_SAPIC_BLOCK_H
#define KITTSON_BUS_SAPIC_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define SAPIC_BLOCK_SIZE 0x200000u
#define SAPIC_BLOCK_INTA 0x1e0000u /* byte read: external controller's vector */
#define SAPIC_BLOCK_XTP  0x1e0008u /* byte write: external task priority */

struct sapic_block {
    void *opaque;
    /* A message to the processor with local id dest_id/dest_eid; redirect: the platform may pick
     * another one. delivery_mode is enum sapic_mode (iosapic.h), as written. */
    void (*ipi)(void *opaque, unsigned dest_id, unsigned dest_eid, bool redirect,
                unsigned delivery_mode, unsigned vector);
    uint8_t (*inta)(void *opaque);            /* NULL: no such controller, reads 0xff */
    void (*xtp)(void *opaque, uint8_t value); /* NULL: ignored */
};

/* Accesses; opaque is the struct sapic_block, the types are those of mem.h device ranges. */
uint64_t sapic_block_read(void *opaque, uint64_t offset, unsigned size);
void sapic_block_write(void *opaque, uint64_t offset, uint64_t value, unsigned size);

#endif
