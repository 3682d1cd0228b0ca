/* A program on another host, reached by ssh: its standard input and output as descriptors. Which
 * ssh, and which program there, can be said in the environment or in hpvmconf:
 *
 *   HPVM_SSH      a command line instead of "ssh"
 *   HPVM_REMOTE   the path of the program there instead of the one of this program here
 *
 * Knows nothing of what is said.
 */
#ifndef KITTSON_VMP_REMOTE_H
#define KITTSON_VMP_REMOTE_H

#include <stdbool.h>
#include <sys/types.h>

struct remote {
    int to, from;
    pid_t pid;
};

enum remote_end { REMOTE_OK, REMOTE_NO_SSH, REMOTE_FAILED };

/* Runs `PROGRAM --receive` there, where program is how this one was called. false: ssh cannot be
 * started. */
bool remote_start(struct remote *r, const char *host, const char *program);
/* Closes its input, waits for its end and says how it was. */
enum remote_end remote_end(struct remote *r);

#endif
