/* What happens to a machine, told to programs at the monitor as it happens: lines of JSON
 * (line_server.h).
 *
 *   {"event":"stopped","reason":"asked"|"breakpoint"|"watchpoint","processor":N,"ip":"0x..."}
 *   {"event":"resumed"}   {"event":"reset"}   {"event":"powerdown"} the power button
 *   {"event":"poweroff"} the guest's   {"event":"diverged"} --cpu lockstep
 *   {"event":"media","drive":"BUS,SLOT,TARGET","state":"empty"|"loaded"|"locked"}
 *
 * Private to machine/; on the machine's thread.
 */
#ifndef KITTSON_MACHINE_MACHINE_EVENTS_H
#define KITTSON_MACHINE_MACHINE_EVENTS_H

#include "machine_impl.h"

void machine_events_stopped(struct machine *m, const char *reason, unsigned n);
/* Those without members. */
void machine_events_tell(struct machine *m, const char *name);
/* Looks whether discs have come, gone or been locked, whoever did it. */
void machine_events_poll(struct machine *m);

#endif
