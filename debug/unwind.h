/* The chain of calls of a stopped processor, outwards frame by frame.
 *
 * By the unwind tables of the code (.IA_64.unwind; unwind_info.h) where there are some; without
 * them by what compilers do at the beginning of functions: alloc keeps ar.pfs and a move keeps b0
 * in registers of the frame. Reads the guest's memory through a function, trusts nothing in it, and
 * changes nothing. Source: "Itanium Software Conventions and Runtime Architecture Guide", chapters
 * 9 and 11; frames of interruptions are those of Linux (abi 3, context 'i').
 */
#ifndef KITTSON_DEBUG_UNWIND_H
#define KITTSON_DEBUG_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"

/* A table of entries sorted by address, in guest memory. Its addresses count from the segment. */
struct unwind_table {
    uint64_t segment, start, size; /* start: of the table, size in bytes */
};

struct unwinder {
    void *opaque;
    /* 0, or a negative errno when it is not all there. */
    int (*read)(void *opaque, uint64_t va, void *buf, uint64_t len);
    const struct unwind_table *tables;
    unsigned table_count;
};

struct unwind_value {
    uint64_t v;
    bool known;
};

struct unwind_frame {
    uint64_t ip; /* bundle | slot */
    uint64_t cfm, bsp, sp;
    bool exact;                 /* ip is the next instruction, not where a call returns to */
    bool outside;               /* less privileged code: the chain ends here */
    struct unwind_value gr[32]; /* static general registers */
    struct unwind_value br[8];
    struct unwind_value pfs, preds, unat, lc;
};

enum unwind_end {
    UNWIND_MORE,
    UNWIND_TOP,  /* there is no caller */
    UNWIND_LOST, /* nothing says where it is */
};

void unwind_first(struct unwind_frame *f, struct cpu *c);
/* From a frame to its caller's. */
enum unwind_end unwind_step(const struct unwinder *u, struct unwind_frame *f);

#endif
