/* Where floating-point registers stand while a block is translated.
 *
 * A register is a double in an SSE register or in cpu.fd, or in register format in cpu.fr, or
 * nothing is known. Emitters ask for the form they need; conversions are emitted. What a block
 * leaves behind is written by jit_fr_write_back. All that has the register format of a double may
 * be a double here except NaNs, of which only the one that invalid operations leave is there: then
 * it does not matter which of several NaNs an instruction takes. Code may use rax, rcx, rdx, xmm0
 * and xmm1.
 */
#ifndef KITTSON_CPU_JIT_FR_STATE_H
#define KITTSON_CPU_JIT_FR_STATE_H

#include <stdbool.h>
#include "x86_sse.h"

struct jit_tr;
struct jit_live;
struct jit;
struct uop;

#define JIT_NO_XMM    0xff
#define JIT_FIRST_XMM 2u  /* xmm0 and xmm1 are scratch */
#define JIT_LOOP_XMMS 10u /* at most this many stay in SSE registers around a loop */
#define FD_OFF(n)     (CPU_OFF(fd) + (int32_t)(n)*8)
#define FR_OFF(n)     (CPU_OFF(fr) + (int32_t)(n) * (int32_t)sizeof(struct fpreg))
#define FR_SIG_OFF(n) (FR_OFF(n) + (int32_t)offsetof(struct fpreg, sig))
#define FR_EXP_OFF(n) (FR_OFF(n) + (int32_t)offsetof(struct fpreg, exp))

/* Sets of registers, one bit each. */
struct jit_frs {
    uint64_t dbl[2];   /* stands as a double: in x[n], or in cpu.fd[n] if that is JIT_NO_XMM */
    uint64_t mem[2];   /* stands in register format, perhaps beside the double */
    uint64_t stale[2]; /* x[n] is newer than cpu.fd[n] */
    uint64_t set[2];   /* cpu.fr_dbl has to get the bit */
    uint64_t clear[2]; /* cpu.fr_dbl has to lose the bit */
    uint64_t wide[2];  /* in register format and hardly ever a double: more precision */
    uint32_t mf;       /* PSR.mfl and mfh to be set */
    uint8_t x[128];
};

/* Small routines in the arena that blocks call; offsets in it. */
struct jit_thunks {
    uint32_t to_double; /* rdx: register format; rax: the double, carry: there is none */
    uint32_t to_reg;    /* rax: double, rdx: where the register format goes */
};
void jit_fr_thunks(struct jit *j);

void jit_fr_begin(struct jit_tr *t);
/* Chooses what stays in SSE registers around a loop, and loads it (before the loop's head). */
void jit_fr_loop_set(struct jit_tr *t);
void jit_fr_loop_enter(struct jit_tr *t);
/* Before jumping back to the head of the loop; u is the branch. */
void jit_fr_loop_back(struct jit_tr *t, const struct uop *u, struct jit_live *l);
/* If the block computes with doubles: emits the test that the status field is the usual one, has
 * the host's flags count, and returns where the jump is that is taken otherwise. Else NULL. */
uint8_t *jit_fr_enter_flags(struct jit_tr *t);

/* The SSE register FR n is in as a double, made so if need be. It stays there until the operation
 * is done. Where it is not a double the interpreter takes over at u. */
unsigned jit_fr_double(struct jit_tr *t, const struct uop *u, unsigned n);
/* An SSE register to compute FR n in; what it holds until jit_fr_wrote_double is undefined, except
 * if FR n is in it already. */
unsigned jit_fr_target(struct jit_tr *t, unsigned n);
void jit_fr_wrote_double(struct jit_tr *t, unsigned n, unsigned x);
/* FR n is in register format from here on, perhaps as a double too. */
void jit_fr_mem(struct jit_tr *t, const struct uop *u, unsigned n);
void jit_fr_wrote_mem(struct jit_tr *t, unsigned n, bool wide);
/* These registers are now what the last division has left over (cpu.fr_lazy). */
void jit_fr_left_over(struct jit_tr *t, const uint64_t set[2]);
static inline bool jit_frs_has(const uint64_t set[2], unsigned n)
{
    return set[n >> 6] >> (n & 63) & 1;
}
/* The operation is done: its registers may be moved. */
void jit_fr_release(struct jit_tr *t);
/* PSR.mfl or mfh for a write that happens whatever the predicate; else jit_fr_note does it now. */
void jit_fr_note_static(struct jit_tr *t, unsigned n);
void jit_fr_note(struct jit_tr *t, unsigned n);

/* Stores what is not in memory; registers stay as they are. */
void jit_fr_write_back(struct jit_tr *t, const struct jit_live *l);
/* After a call: SSE registers get back what write_back stored, except FR `except` (0: none). */
void jit_fr_reload(struct jit_tr *t, const struct jit_live *l, unsigned except);
/* Around a C function called in line that knows nothing of all this. */
void jit_fr_before_call(struct jit_tr *t);
void jit_fr_after_call(struct jit_tr *t);
void jit_fr_after_quiet_call(struct jit_tr *t); /* jit_call_quiet */
/* A handler was called in line and all was written back. */
void jit_fr_after_handler(struct jit_tr *t, const struct uop *u);

/* Where it matters what an operation does with floating-point registers. */
bool jit_fr_touches(const struct uop *u);
/* Operations on doubles alone; src and dst get the registers (0: none). */
bool jit_fr_double_op(const struct uop *u, uint8_t src[3], uint8_t *dst);
/* Operations whose native code leaves flags in MXCSR. */
bool jit_fr_computes(const struct uop *u);

#endif
