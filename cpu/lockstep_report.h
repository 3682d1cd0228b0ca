/* Comparing the results of the two sides of a piece, and saying how they differ. */
#ifndef KITTSON_CPU_LOCKSTEP_REPORT_H
#define KITTSON_CPU_LOCKSTEP_REPORT_H

#include "cpu.h"

#define LOCKSTEP_PAGES 64 /* written in one piece */

/* A page written in the piece: as it was, and as the interpreter left it. */
struct lockpage {
    uint64_t pa;
    uint8_t *host;
    uint8_t before[MEM_PAGE_SIZE], other[MEM_PAGE_SIZE];
};

struct lockstep_difference {
    bool single; /* within one block */
    unsigned lines;
    char text[2000]; /* one line per register or memory word that differs, the first ones */
};

/* Compares everything software can see: the native result with what the interpreter left. */
bool lockstep_compare(const struct cpu *native, const struct cpu *interp,
                      const struct lockpage *page, unsigned pages, struct lockstep_difference *d);
/* Logs the difference and the code at ip, where the block or piece began; count: slots so far. */
void lockstep_report(struct cpu *c, const struct lockstep_difference *d, uint64_t ip,
                     uint64_t count);

#endif
