/* What hpvmstart prints about the machine it made: the lines administrators know. */
#ifndef KITTSON_APP_REPORT_H
#define KITTSON_APP_REPORT_H

#include "guest_config.h"
#include "machine.h"

void report_begin(const struct guest *g);
/* name: "/path/hpvmapp (/path/vmm_config.current)". */
void report_machine(struct machine *m, const char *name);

#endif
