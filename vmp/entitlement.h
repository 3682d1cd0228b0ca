/* Entitlements as the Linux host keeps them: a control group (version 2) for each running guest,
 * with a weight and an upper bound. Where control groups cannot be used the entitlement is only
 * configuration.
 */
#ifndef KITTSON_VMP_ENTITLEMENT_H
#define KITTSON_VMP_ENTITLEMENT_H

#include <sys/types.h>

/* cpu.weight: 100 for the default of 10 % of one processor, in proportion; 1 to 10000. */
unsigned entitlement_weight(unsigned tenths, unsigned vcpus);

/* Makes the guest's group and puts the process in, or with pid 0 changes the group. tenths: of a
 * percent per virtual processor. 0 or a negative errno. */
int entitlement_set(const char *uuid, pid_t pid, unsigned tenths, unsigned vcpus);
/* The process has ended. */
void entitlement_remove(const char *uuid);

#endif
