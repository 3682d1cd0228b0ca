/* The machine's process of hpvmapp, from the first log to the end of the guest. Private to app/.
 */
#ifndef KITTSON_APP_APP_H
#define KITTSON_APP_APP_H

#include <stdbool.h>
#include <sys/types.h>

#include "guest_config.h"

struct app_options {
    const struct guest *guest;
    const char *report_name; /* "/path/hpvmapp (/path/vmm_config.current)" */
    const char *directory;   /* of the process's own files: a path and a descriptor */
    int dir;
    int control_fd, console_fd; /* listening sockets */
    uid_t owner;                /* who may do everything */
    unsigned stop_seconds, attention_seconds;
    bool lock_memory;
};

/* 0 after the guest has ended; a negative errno with one sentence in why when it did not start. The
 * link (keeper.h) must be in use. */
int app_run(const struct app_options *o, char *why, size_t size);

#endif
