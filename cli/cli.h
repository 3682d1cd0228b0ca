/* The subcommands of the kittson program.
 *
 * Each takes its own name as argv[0] and returns the process's exit status: 0 fine, 1 the work
 * ended badly (guest stopped, differences found), 2 bad usage or input.
 */
#ifndef KITTSON_CLI_CLI_H
#define KITTSON_CLI_CLI_H

#include <stddef.h>
#include <stdio.h>

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

int cmd_run(int argc, char **argv);
int cmd_vectors(int argc, char **argv);
int cmd_disasm(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_overlay(int argc, char **argv);
int cmd_nvram(int argc, char **argv);
int cmd_itrace(int argc, char **argv);
int cmd_monitor(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_snapshot(int argc, char **argv);
int cmd_restore(int argc, char **argv);

/* The option list of `kittson run`, for its help text. */
void run_print_options(FILE *out);
void replay_print_options(FILE *out);
/* Replays a trace, and writes a new one with the blocks of images that were read. Exit status. */
int replay_embed(const char *path, const char *out);

#endif
