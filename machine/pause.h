/* Stopping a machine and letting it go on, for the debugger and the monitor.
 *
 * While a machine is stopped no processor runs, its time stands still and its devices rest; what
 * the host has under way for them is taken up later. Private to machine/; between turns only.
 */
#ifndef KITTSON_MACHINE_PAUSE_H
#define KITTSON_MACHINE_PAUSE_H

#include "machine_impl.h"

/* Nothing happens to a machine that is stopped already. */
void machine_pause(struct machine *m);
/* held: bit n set: processor n stays where it is. */
void machine_continue(struct machine *m, uint32_t held);
/* One instruction of one processor of a stopped machine, without interrupts. */
void machine_step(struct machine *m, unsigned n);
/* Processor n left its turn at a breakpoint or a watched access: stops the machine and tells who
 * set it. */
void machine_came_to_stop(struct machine *m, unsigned n);
/* m->breaks has changed in such a way that processors must look again (breakset.h). */
void machine_use_breaks(struct machine *m);
/* There is no debugger any more. */
void machine_drop_breaks(struct machine *m);

#endif
