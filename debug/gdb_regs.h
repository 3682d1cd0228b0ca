/* The registers of a processor under the numbers and in the forms that gdb knows for ia64.
 *
 * gdb 13, whose numbers these are: 0 general registers, 128 floating-point registers (16 bytes, as
 * stf.spill writes them), 256 predicates one by one, 320 branch registers, 328 two that exist only
 * in the compiler, 330 all predicates, 331 ip, 332 psr (ri is the slot of gdb's pc), 333 cfm, 334
 * application registers; all others have 8 bytes. It takes r32 and up from memory and therefore
 * wants bsp to be the address behind the frame, as an operating system shows it; bspstore is the
 * same, since to gdb nothing is dirty (cpu_debug_read), and rnat has the frame's NaT bits. The NaT
 * bits of r1 to r31 gdb takes from unat: `nats_in_unat` puts them there in place of the register.
 */
#ifndef KITTSON_DEBUG_GDB_REGS_H
#define KITTSON_DEBUG_GDB_REGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"

#define GDB_REGS         462
#define GDB_REG_MAX      16
#define GDB_REGS_ALL     (GDB_REGS * 8 + 128 * 8) /* bytes of all, in order */
#define GDB_REG_GR       0
#define GDB_REG_FR       128
#define GDB_REG_PR       256
#define GDB_REG_BR       320
#define GDB_REG_COMPILER 328
#define GDB_REG_PR_ALL   330
#define GDB_REG_IP       331
#define GDB_REG_PSR      332
#define GDB_REG_CFM      333
#define GDB_REG_AR       334

/* Bytes of a register: 8 or 16. */
size_t gdb_reg_size(unsigned n);
/* Its bytes, little-endian; n below GDB_REGS. Returns how many. */
size_t gdb_reg_read(struct cpu *c, unsigned n, bool nats_in_unat, uint8_t bytes[GDB_REG_MAX]);
/* false: it cannot be set, or not to this value. */
bool gdb_reg_write(struct cpu *c, unsigned n, bool nats_in_unat, const uint8_t bytes[GDB_REG_MAX]);

#endif
