/* The Advanced Load Address Table (SDM 1:4.4.5.3): which registers hold the value of a memory
 * location that no store has touched since.
 *
 * Entries are by physical address and physical register. An entry may vanish at any time; it may
 * never stay when it should not.
 */
#ifndef KITTSON_CPU_ALAT_H
#define KITTSON_CPU_ALAT_H

#include "cpu.h"

#define ALAT_FR      (1u << 30)
#define ALAT_STACKED (1u << 31)
#define ALAT_BANK0   0x100u

/* Names GR n (already rotated: physical, relative to the frame for n >= 32) or FR n. */
unsigned alat_gr(const struct cpu *c, unsigned n);
static inline unsigned alat_fr(unsigned n)
{
    return ALAT_FR | n;
}

void alat_insert(struct cpu *c, unsigned reg, uint64_t pa, unsigned size);
/* Whether the register has an entry for this address and size. */
bool alat_hit(struct cpu *c, unsigned reg, uint64_t pa, unsigned size);
bool alat_has(struct cpu *c, unsigned reg);
void alat_remove(struct cpu *c, unsigned reg);
void alat_clear(struct cpu *c);
/* A store by this or another agent. */
void alat_store(struct cpu *c, uint64_t pa, unsigned size);

#endif
