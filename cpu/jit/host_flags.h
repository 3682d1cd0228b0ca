/* The host's floating-point flags as part of the guest's FPSR.
 *
 * Blocks that compute with doubles leave the flags of what they do in MXCSR, whose six have the
 * order of those of a status field, as long as nobody looks: cpu.flags_live says so. Every way from
 * native code to C adds them to FPSR.sf0. Emitters that compute declare it (jit_fr_computes); their
 * block looks at its entry whether status field and MXCSR are as they have to be.
 */
#ifndef KITTSON_CPU_JIT_HOST_FLAGS_H
#define KITTSON_CPU_JIT_HOST_FLAGS_H

#include "x86.h"

struct jit;

/* Routines; offsets in the arena. */
struct jit_host_flags {
    uint32_t enter; /* flags_live set; carry: the status field is not the usual one. Uses rax */
    uint32_t clean; /* flags_live set without a look, after a call of C; uses nothing */
    uint32_t call;  /* calls the C function at rax, with the flags where C expects them */
    uint32_t leave; /* jumps to the C function at rax, the processor as its first argument */
};
void jit_flags_routines(struct jit *j);
/* Flags to FPSR, if they are not there; uses r11. */
void jit_flags_fold(struct x86 *x);

#endif
