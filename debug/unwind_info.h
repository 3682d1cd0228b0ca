/* Unwind descriptors: where the code of a function has put what it must give back to its caller, at
 * one place in the function.
 *
 * Pure: reads an unwind information block and knows no memory and no processor. Blocks come from
 * guests and files, so everything in them is checked. Source: "Itanium Software Conventions and
 * Runtime Architecture Guide" (245358), chapter 11 and appendix B (the descriptors' formats).
 */
#ifndef KITTSON_DEBUG_UNWIND_INFO_H
#define KITTSON_DEBUG_UNWIND_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is preserved, in the order in which general registers are given to those saved without a
 * place (11.4.2.3), then the spilled ones. */
enum unwind_reg {
    UNWIND_RP,
    UNWIND_PFS,
    UNWIND_PSP,
    UNWIND_PREDS,
    UNWIND_UNAT,
    UNWIND_LC,
    UNWIND_FPSR,
    UNWIND_PRIUNAT,
    UNWIND_BSP,
    UNWIND_BSPSTORE,
    UNWIND_RNAT,
    UNWIND_R4,
    UNWIND_B1 = UNWIND_R4 + 4,
    UNWIND_F2 = UNWIND_B1 + 5,   /* f2 to f5, then f16 to f31 */
    UNWIND_REGS = UNWIND_F2 + 20 /* how many */
};

enum unwind_where {
    UNWIND_NOWHERE, /* still in place; PSP with a value: that much above SP */
    UNWIND_IN_GR,   /* value: its number */
    UNWIND_IN_FR,
    UNWIND_IN_BR,
    UNWIND_AT_PSP,  /* value: bytes above the caller's stack pointer */
    UNWIND_AT_SP,   /* bytes above the present one */
    UNWIND_SPILLED, /* in the spill area, place not known yet (only while reading) */
    UNWIND_NEXT_GR  /* in the next general register (only while reading) */
};

struct unwind_save {
    enum unwind_where where;
    int64_t value;
    int64_t when; /* slot of the function's instruction that does it */
};

struct unwind_rules {
    struct unwind_save reg[UNWIND_REGS];
    unsigned return_br;   /* where the return address is when it is not saved */
    bool special;         /* unwabi: */
    uint8_t abi, context; /* a frame that an operating system made */
};

#define UNWIND_INFO_MAX 65536 /* bytes of descriptors that are looked at */

/* The rules that hold before slot `target` of the function (3 per bundle). info begins with the
 * header of a block, size counts all bytes there are. preds: the predicates there, for descriptors
 * that depend on one. false: the block cannot be understood. */
bool unwind_info_read(const uint8_t *info, size_t size, int64_t target, uint64_t preds,
                      struct unwind_rules *rules);
/* Bytes of a block of which the first 8 are given, 0 when it is none. */
size_t unwind_info_size(const uint8_t header[8]);

#endif
