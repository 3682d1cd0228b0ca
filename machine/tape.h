/* The tape of a machine: a recording under way, or a trace being replayed.
 *
 * Private to machine/, except for opening and what is told afterwards. The run loop and the board
 * report everything that comes from outside, and at fixed instruction counts digests of registers
 * and memory; a recording writes it, a replay hands back what came then, at the same round of the
 * run loop, and compares digests. Needs a deterministic machine.
 */
#ifndef KITTSON_MACHINE_TAPE_H
#define KITTSON_MACHINE_TAPE_H

#include "trace.h"

struct tape;
struct cpu;

/* Takes the writer or reader over. */
struct tape *tape_record(struct trace_writer *out, uint64_t every);
struct tape *tape_replay(struct trace_reader *in);
void tape_free(struct tape *t);

bool tape_recording(const struct tape *t);
bool tape_replaying(const struct tape *t);

/* --- what happens; ignored in a replay --- */

void tape_note(struct tape *t, enum trace_record kind, uint64_t round, const void *data,
               size_t size);
/* The same with a number in front. */
void tape_note_numbered(struct tape *t, enum trace_record kind, uint64_t round, uint32_t number,
                        const void *data, size_t size);

/* --- what happened then; nothing in a recording --- */

/* The next record, if it is of this kind and round. */
bool tape_take(struct tape *t, enum trace_record kind, uint64_t round, struct trace_item *out);
/* The round of the next record that came from outside; false when the next record is none. */
bool tape_next_round(struct tape *t, uint64_t *round);
/* The round of the end, if that is next; shortened traces have none. */
bool tape_next_end(struct tape *t, uint64_t *round);

/* --- digests --- */

/* Slots after which tape_turn is wanted, counted from the start of a turn. */
uint64_t tape_every(const struct tape *t);
/* A processor has come so far. False: it was elsewhere when it was recorded. */
bool tape_turn(struct tape *t, struct cpu *c);
/* Pages written since the last time. */
struct mem;
bool tape_memory(struct tape *t, struct mem *m, uint64_t round);

/* --- the end --- */

/* Of a recording: why, and all processors. */
void tape_end(struct tape *t, enum trace_end why, uint64_t round, struct cpu *const *cpus,
              unsigned count);
/* Whether the replayed trace ended here and in this way; failed() then has more. */
bool tape_ended(struct tape *t, enum trace_end why, uint64_t round, struct cpu *const *cpus,
                unsigned count);

/* --- what is told afterwards --- */

/* Numbers of digests of registers compared or written, and of pages. */
struct tape_figures {
    uint64_t turns, pages, events;
};
struct tape_figures tape_figures(const struct tape *t);

/* Where the replay left the trace. */
struct tape_failure {
    bool failed;
    char what[256];    /* a sentence */
    uint64_t from, to; /* turns (numbers of TRACE_TURN): agreed up to from, differs in to */
    uint64_t every;    /* slots between digests of registers */
    bool memory;       /* registers agreed, pages did not */
};
const struct tape_failure *tape_failure(const struct tape *t);

/* Writes the end of a recording's file. */
int tape_finish(struct tape *t, char *why, size_t size);

/* --- looking closer --- */

/* Called while turns from..to run, after every `step` slots, with the number of the turn. */
struct tape_probe {
    uint64_t from, to, step;
    void *opaque;
    void (*look)(void *opaque, uint64_t turn, struct cpu *c);
};
/* The replay compares nothing from then on and ends behind turn `to`. */
void tape_set_probe(struct tape *t, const struct tape_probe *probe);
const struct tape_probe *tape_probe(const struct tape *t);
/* Ends a replay after so many turns; 0: does not. */
void tape_set_until(struct tape *t, uint64_t turns);
bool tape_probe_done(const struct tape *t);
uint64_t tape_turns(const struct tape *t);

#endif
