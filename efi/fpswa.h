/* FPSWA, the floating-point software assistance service that firmware gives operating systems.
 *
 * Completes F-unit instructions that raised an FP fault with the results of cpu/fp.h. It raises no
 * interruption itself: it reports what the operating system has to signal. SDM 2:8 (part 2).
 */
#ifndef KITTSON_EFI_FPSWA_H
#define KITTSON_EFI_FPSWA_H

#include <stdint.h>
#include "cpu.h"

/* ret[0], also the value of the call. FAULT and TRAP: *isr names an enabled exception to deliver
 * instead of, or after, the instruction. */
#define FPSWA_DONE  0
#define FPSWA_FAULT 1
#define FPSWA_TRAP  2
#define FPSWA_ERROR (~(uint64_t)0) /* the arguments make no sense; nothing was changed */

/* The service. args: trap type (1 fault, 0 trap), then guest pointers to the bundle, cr.ipsr,
 * ar.fpsr, cr.isr, the predicates, cr.ifs and the FP state, all in the caller's current address
 * space. ret: the four words returned in r8 to r11. */
uint64_t fpswa_call(struct cpu *c, const uint64_t args[8], uint64_t ret[4]);

#endif
