/* What other threads ask of a processor that runs on a thread of its own.
 *
 * A processor is "inside" while it executes guest code: only its own thread touches its
 * translations and blocks. Others post and kick: the processor leaves guest code at the next block
 * and does what was posted before it enters any other. Interrupts do not come this way: their bits
 * are set at once.
 *
 * Purges of translations are waited for (cpu_mail_wait), since the processor that asked for one
 * relies on it (SDM 2:4.4.11.1, ptc.g). News about code is not: software makes processors agree on
 * it with fc.i, sync.i and srlz.i (SDM 1:4.4.6.2), which look here.
 */
#ifndef KITTSON_CPU_MAIL_H
#define KITTSON_CPU_MAIL_H

#include <stdbool.h>
#include <stdint.h>

struct cpu;

/* The largest number of requests kept one by one; then everything is dropped instead. */
#define MAIL_MAX 64

/* Makes the processor one that shares memory with others running at the same time. 0 or -ENOMEM. */
int mail_open(struct cpu *c);
void mail_close(struct cpu *c);

/* Something was posted that has not been done. */
bool mail_waits(const struct cpu *c);
/* Does what was posted; on the processor's thread. May drop blocks, also the running one. True when
 * somebody kicked or posted. */
bool mail_receive(struct cpu *c);

#endif
