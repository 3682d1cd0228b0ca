/* Changes to a guest that runs: which of them its process can make at once, and how they are asked
 * for. Does not write configurations.
 */
#ifndef KITTSON_VMP_LIVE_H
#define KITTSON_VMP_LIVE_H

#include "guest_config.h"

/* What of a changed configuration can come into force now. */
struct live_plan {
    struct guest *active; /* the configuration in force after the live changes; the caller frees */
    GPtrArray *requests;  /* struct live_request */
    bool rest;            /* some changes need a reboot of the guest */
};
struct live_request {
    const char *word; /* attach, detach, replace */
    struct resource device;
};

/* Compares the configuration in force with the wanted one. */
void live_compare(const struct guest *now, const struct guest *wanted, struct live_plan *p);
void live_plan_clear(struct live_plan *p);

/* Asks the guest's process, one request after the other; the state must not be locked. 0, or a
 * negative errno with a sentence in why; what was done before stays done. */
int live_apply(const char *uuid, const struct live_plan *p, char *why, size_t size);

#endif
