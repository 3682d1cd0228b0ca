/* Breakpoint registers: pairs of address and mask/control (SDM 2:7.1.1, figure 7-1, table 7-1). */
#include "debug.h"

#define DBG_MASK      0x00ffffffffffffffull /* bits 55:0 of the odd register */
#define DBG_R         (1ull << 63)          /* DBR: read; IBR: x */
#define DBG_W         (1ull << 62)
#define DBG_PLM_SHIFT 56

/* The RSE accesses memory at the level RSC.pl says (6.5.4). */
static bool level_enabled(const struct cpu *c, uint64_t ctl, unsigned flags)
{
    unsigned pl = flags & ACC_RSE ? c->rsc >> 2 & 3 : cpu_cpl(c);

    return ctl >> (DBG_PLM_SHIFT + pl) & 1;
}

/* Mask bits select the address bits compared; bits 63:56 always are. */
static bool address_matches(uint64_t addr, uint64_t ctl, uint64_t va, unsigned size)
{
    uint64_t mask = (ctl & DBG_MASK) | ~DBG_MASK;

    for (unsigned k = 0; k < size; k++)
        if (((va + k) & mask) == (addr & mask))
            return true;
    return false;
}

bool debug_data_match(const struct cpu *c, uint64_t va, unsigned size, unsigned flags)
{
    for (int k = 0; k < CPU_DBR_COUNT; k += 2) {
        uint64_t ctl = c->dbr[k + 1];
        bool kind = ((flags & ACC_READ) && (ctl & DBG_R)) || ((flags & ACC_WRITE) && (ctl & DBG_W));

        if (kind && level_enabled(c, ctl, flags) && address_matches(c->dbr[k], ctl, va, size))
            return true;
    }
    return false;
}

/* Bundles: the low 4 address bits do not count. */
bool debug_inst_match(const struct cpu *c, uint64_t ip)
{
    for (int k = 0; k < CPU_DBR_COUNT; k += 2)
        if ((c->ibr[k + 1] & DBG_R) && level_enabled(c, c->ibr[k + 1], 0) &&
            address_matches(c->ibr[k], c->ibr[k + 1], ip, 16))
            return true;
    return false;
}
