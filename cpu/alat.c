/* The ALAT: a small fully associative table, oldest entry replaced first. */
#include "alat.h"

unsigned alat_gr(const struct cpu *c, unsigned n)
{
    if (n >= 32)
        return ALAT_STACKED | ((uint32_t)(c->bof + c->stk_shift + n) & (ALAT_FR - 1));
    /* r16..r31 are other registers in bank 0 (SDM 2:3.3.7). */
    return n >= 16 && !(c->psr & PSR_BN) ? ALAT_BANK0 | n : n;
}

static int alat_find(const struct cpu *c, unsigned reg)
{
    if (c->alat_used == 0)
        return -1;
    for (int k = 0; k < CPU_ALAT_SIZE; k++)
        if (c->alat[k].valid && c->alat[k].reg == reg)
            return k;
    return -1;
}

static void alat_drop(struct cpu *c, int k)
{
    c->alat[k].valid = false;
    c->alat_used--;
}

void alat_remove(struct cpu *c, unsigned reg)
{
    int k = alat_find(c, reg);

    if (k >= 0)
        alat_drop(c, k);
}

void alat_insert(struct cpu *c, unsigned reg, uint64_t pa, unsigned size)
{
    int k = alat_find(c, reg);

    if (k < 0) {
        k = (int)c->alat_next;
        c->alat_next = (c->alat_next + 1) % CPU_ALAT_SIZE;
        if (!c->alat[k].valid)
            c->alat_used++;
    }
    c->alat[k] = (struct alat_entry){.pa = pa, .reg = reg, .size = (uint8_t)size, .valid = true};
}

bool alat_hit(const struct cpu *c, unsigned reg, uint64_t pa, unsigned size)
{
    int k = alat_find(c, reg);

    return k >= 0 && c->alat[k].pa == pa && c->alat[k].size == size;
}

bool alat_has(const struct cpu *c, unsigned reg)
{
    return alat_find(c, reg) >= 0;
}

void alat_clear(struct cpu *c)
{
    for (int k = 0; k < CPU_ALAT_SIZE; k++)
        c->alat[k].valid = false;
    c->alat_used = 0;
}

void alat_store(struct cpu *c, uint64_t pa, unsigned size)
{
    if (c->alat_used == 0)
        return;
    for (int k = 0; k < CPU_ALAT_SIZE; k++) {
        const struct alat_entry *e = &c->alat[k];

        if (e->valid && e->pa < pa + size && pa < e->pa + e->size)
            alat_drop(c, k);
    }
}
