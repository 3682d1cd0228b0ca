/* The thread the machine runs on. Everything else of the process is on the main thread, the one of
 * GLib's main loop; this is where both meet. Machines come and go (a guest's reset makes a new one
 * from the configuration then in force), the runner stays.
 */
#ifndef KITTSON_APP_RUNNER_H
#define KITTSON_APP_RUNNER_H

#include "plan.h"

struct runner;

/* What becomes of the guest; called on the main thread unless it says otherwise. */
struct runner_events {
    void *opaque;
    void (*progress)(void *opaque, enum firmware_event event, const char *text);
    /* Interrupts have waited too long for an answer, or are answered again. */
    void (*attention)(void *opaque, bool needed);
    /* A reset: the next configuration has come into force. */
    void (*restarted)(void *opaque);
    /* On the machine's thread: it cannot go on, and is about to go. */
    void (*stuck)(void *opaque, struct machine *m, const char *why);
    void (*ended)(void *opaque, enum machine_end end, const char *why);
};

/* How a machine is made: a plan from the configuration, first (again false) or after a reset. The
 * guest is the runner's until the next call. On the machine's thread if again. */
typedef int runner_plan(void *opaque, bool again, struct plan *p, char *why, size_t size);

/* Makes the machine. attention_ns: how long interrupts may wait. NULL and a sentence in why. */
struct runner *runner_new(runner_plan *plan, const struct runner_events *events,
                          uint64_t attention_ns, char *why, size_t size);
/* Before the start only. */
struct machine *runner_machine(struct runner *r);
/* The thread begins. 0 or a negative errno. */
int runner_start(struct runner *r);
/* After `ended`. */
void runner_free(struct runner *r);

/* Work between turns of the machine: do_it runs on its thread, then done (which may be NULL) on the
 * main thread. Both get data. When the machine has ended do_it is not called, and done is. */
typedef void runner_job(struct machine *m, const struct plan *p, void *data);
void runner_do(struct runner *r, runner_job *do_it, void (*done)(void *data), void *data);

/* Ends the machine as a power failure would. Any thread. */
void runner_kill(struct runner *r);

#endif
