/* The other side of a control socket: sends a request to a running switch and gets its answer. */
#ifndef KITTSON_UTILS_SWITCH_ASK_H
#define KITTSON_UTILS_SWITCH_ASK_H

#include <stddef.h>
#include <stdio.h>

#define CONTROL_LINE    1024
#define CONTROL_VERSION "hpvmnetd 1"

/* One request of vswitch/control.h; "pcap start PORT FILE" opens the file here. What the switch
 * says goes to out without the leading "+". 0, or a negative errno with one sentence in why
 * (-EREMOTEIO: the switch answered "error"). */
int ask_switch(const char *name, const char *request, FILE *out, char *why, size_t size);

#endif
