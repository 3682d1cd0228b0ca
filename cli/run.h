/* What running a machine and replaying a trace share. Private to cli/. */
#ifndef KITTSON_CLI_RUN_H
#define KITTSON_CLI_RUN_H

#include "machine.h"
#include "trace.h"

/* Builds a machine and runs it to its end; signals end it. 0 and how it ended, or a negative errno;
 * one sentence in why in either case. */
int run_machine(const struct machine_config *config, bool stats, enum machine_end *end, char *why,
                size_t size);

/* The built-in guest as the machine's kernel. */
void run_use_demo(struct machine_config *config);

/* Describes the machine, with digests of its files, and creates the trace. The tape is
 * config->tape, to be finished by tape_finish. 0, or a negative errno with a sentence in why. */
int recording_begin(struct machine_config *config, const char *path, uint64_t every, char *why,
                    size_t size);
/* SHA-256 of a disk as a machine sees it. */
int recording_sum_drive(const struct machine_drive *d, uint64_t *size, uint8_t sum[TRACE_SUM],
                        char *why, size_t why_size);

#endif
