/* The ALAT: a small table with one place for each register, which registers share by hash: a newer
 * entry pushes an older one out. */
#include "alat.h"

unsigned alat_gr(const struct cpu *c, unsigned n)
{
    if (n >= 32)
        return ALAT_STACKED | ((uint32_t)(c->bof + c->stk_shift + n) & (ALAT_FR - 1));
    /* r16..r31 are other registers in bank 0 (SDM 2:3.3.7). */
    return n >= 16 && !(c->psr & PSR_BN) ? ALAT_BANK0 | n : n;
}

static unsigned place(unsigned reg)
{
    return (reg ^ reg >> 5 ^ reg >> 14) % CPU_ALAT_SIZE;
}

static struct alat_entry *alat_find(struct cpu *c, unsigned reg)
{
    struct alat_entry *e = &c->alat[place(reg)];

    return e->valid && e->reg == reg ? e : NULL;
}

static void alat_drop(struct cpu *c, struct alat_entry *e)
{
    e->valid = false;
    if (--c->alat_used == 0)
        c->alat_granules = 0;
}

void alat_remove(struct cpu *c, unsigned reg)
{
    struct alat_entry *e = alat_find(c, reg);

    if (e)
        alat_drop(c, e);
}

/* Bits for the 8-byte granules of an access, by address modulo 512. */
static uint64_t granules(uint64_t pa, unsigned size)
{
    uint64_t bits = 0;

    for (uint64_t g = pa >> 3; g <= (pa + size - 1) >> 3; g++)
        bits |= 1ull << (g & 63);
    return bits;
}

void alat_insert(struct cpu *c, unsigned reg, uint64_t pa, unsigned size)
{
    struct alat_entry *e = &c->alat[place(reg)];

    if (c->mail) /* stores of processors on other threads are not seen */
        return;
    if (!e->valid)
        c->alat_used++;
    *e = (struct alat_entry){.pa = pa, .reg = reg, .size = (uint8_t)size, .valid = true};
    c->alat_granules |= granules(pa, size);
}

bool alat_hit(struct cpu *c, unsigned reg, uint64_t pa, unsigned size)
{
    const struct alat_entry *e = alat_find(c, reg);

    return e && e->pa == pa && e->size == size;
}

bool alat_has(struct cpu *c, unsigned reg)
{
    return alat_find(c, reg) != NULL;
}

void alat_clear(struct cpu *c)
{
    if (c->alat_used == 0)
        return;
    for (int k = 0; k < CPU_ALAT_SIZE; k++)
        c->alat[k].valid = false;
    c->alat_used = 0;
    c->alat_granules = 0;
}

void alat_store(struct cpu *c, uint64_t pa, unsigned size)
{
    if (!(c->alat_granules & granules(pa, size)))
        return;
    for (int k = 0; k < CPU_ALAT_SIZE; k++) {
        struct alat_entry *e = &c->alat[k];

        if (e->valid && e->pa < pa + size && pa < e->pa + e->size)
            alat_drop(c, e);
    }
}
