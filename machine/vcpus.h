/* Processors on threads of their own, and the lock that keeps the rest of the machine in order.
 *
 * Everything but processors (devices, firmware, the run loop's work) belongs to whoever holds the
 * machine's lock: a processor takes it for each access to a device and each call of firmware.
 * Memory is shared without it; cpu/mail.h carries purges and news about code. Machines with one
 * processor, deterministic ones and those in lockstep have no such threads: run.c gives turns.
 *
 * Private to machine/.
 */
#ifndef KITTSON_MACHINE_VCPUS_H
#define KITTSON_MACHINE_VCPUS_H

#include <stdbool.h>
#include <stdint.h>
#include "cpu.h"

struct machine;
struct vcpus;

/* Makes the machine's processors shared ones. They wait until vcpus_go. 0 or a negative errno. */
int vcpus_new(struct machine *m);
void vcpus_free(struct vcpus *v);

/* The run loop's thread, which does not hold the lock: lets them run; waits until none does. */
void vcpus_go(struct vcpus *v);
void vcpus_halt(struct vcpus *v);

/* Nested pairs; for any thread. Nothing for NULL: a machine without such threads. */
void vcpus_lock(struct vcpus *v);
void vcpus_unlock(struct vcpus *v);

/* For hooks of processors: `from` asks, the others get it. */
void vcpus_purge(struct vcpus *v, struct cpu *from, uint64_t va, unsigned ps, uint32_t rid);
void vcpus_code_page(struct vcpus *v, uint64_t page);
void vcpus_code_changed(struct vcpus *v, uint64_t page);
void vcpus_kicked(struct vcpus *v, const struct cpu *c);
/* Asks the run loop to halt them. */
void vcpus_end(struct vcpus *v);

/* --- for the run loop --- */

/* vcpus_end was called, or a processor came to a breakpoint. */
bool vcpus_want_halt(struct vcpus *v);
/* A device was used since the last call: its timers may have changed. */
bool vcpus_touched(struct vcpus *v);
/* Around a sleep: the descriptor is readable when a processor uses a device (unless busy: the sleep
 * is a short one) or wants to be halted. */
int vcpus_sleep(struct vcpus *v, bool busy);
void vcpus_awake(struct vcpus *v);
/* All wait for interrupts, and none has a timer that runs. */
bool vcpus_idle_for_ever(struct vcpus *v);

#endif
