/* System registers as mov cr and the indirect moves see them: existence, checks, side effects.
 *
 * Private to cpu/. SDM 2:3.3. Writers return 1 when the block must end, 0 when not, -1 for a
 * reserved field (Reserved Register/Field fault).
 */
#ifndef KITTSON_CPU_EXEC_SYS_H
#define KITTSON_CPU_EXEC_SYS_H

#include "interp.h"

bool sys_cr_exists(const struct cpu *c, unsigned n);
bool sys_cr_read_only(unsigned n);
/* cr16..cr27: accessible only while PSR.ic is 0. */
bool sys_cr_interruption(unsigned n);
uint64_t sys_cr_read(struct cpu *c, unsigned n);
int sys_cr_write(struct cpu *c, unsigned n, uint64_t v);

/* rr, dbr, ibr, pkr, pmd, cpuid, msr and, for reading, pmc; op is the enum insn_op. */
int sys_indirect_write(struct cpu *c, unsigned op, uint64_t index, uint64_t v);
bool sys_indirect_read(struct cpu *c, unsigned op, uint64_t index, uint64_t *v);

/* Bits IPSR can hold: the defined ones of PSR. */
#define PSR_IPSR_VALID 0x7fff0ffee03eull

bool sys_page_size_ok(unsigned ps);
/* ITIR as faults set it: page size and RID of the address's region register. */
uint64_t sys_default_itir(const struct cpu *c, uint64_t va);

#endif
