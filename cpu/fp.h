/* IA-64 floating-point arithmetic on register-format values, exact to the last bit and flag.
 *
 * Pure functions: no CPU state, no memory. Each takes operands, the FPSR and a status field
 * number and returns the result together with what the architecture does about it (flags to be
 * or-ed into the status field, fault or trap code for ISR). The callers in cpu/exec_fp.c write
 * registers, set flags and raise interruptions. Rules: SDM vol 1 chapter 5, vol 3 chapter 2
 * and 3 (pseudo-code functions), vol 2 8.3 (ISR codes).
 */
#ifndef KITTSON_CPU_FP_H
#define KITTSON_CPU_FP_H

#include <stdbool.h>
#include <stdint.h>

/* Register format (SDM 1:5.1): sign, 17-bit biased exponent (bias 0xffff), 64-bit significand
 * with explicit integer bit. */
struct fpreg {
    uint64_t sig;
    uint32_t exp; /* bits 16:0 exponent, bit 17 sign */
    uint32_t pad; /* always 0 */
};

#define FP_SIGN     0x20000u
#define FP_EXP_MASK 0x1ffffu
#define FP_EXP_BIAS 0xffffu
#define FP_EXP_INT  0x1003eu /* exponent of integers in the significand */
#define FP_EXP_NAT  0x1fffeu /* NaTVal: sign 0, this exponent, significand 0 */

static inline bool fp_is_natval(const struct fpreg *f)
{
    return f->exp == FP_EXP_NAT && f->sig == 0;
}

/* Status field flags, as in FPSR.sfx bits 12:7 shifted down (SDM 1:5.2): */
#define FPF_V 0x01 /* invalid */
#define FPF_D 0x02 /* denormal/unnormal operand */
#define FPF_Z 0x04 /* zero divide */
#define FPF_O 0x08 /* overflow */
#define FPF_U 0x10 /* underflow */
#define FPF_I 0x20 /* inexact */

/* What one operation does. If fault is nonzero the result must not be written and no flag set:
 * an FP Fault with that ISR.code is raised (SDM 2:8.3 "Floating-point Fault"). If trap is nonzero
 * the result is written, the flags set, and then an FP Trap with that ISR.code is raised. */
struct fpout {
    struct fpreg r;
    uint8_t flags;   /* FPF_* to or into the status field */
    bool p1, p2;     /* predicate results (fcmp: relation in p1; frcpa/frsqrta: p2) */
    uint16_t fault;  /* ISR.code{15:0} of the FP fault, 0 if none */
    uint16_t trap;   /* ISR.code{15:0} of the FP trap, 0 if none */
};

#endif
