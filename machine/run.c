/* The run loop: all processors take turns on this thread in fixed rounds, devices are looked at in
 * between, and when every processor is halted the host sleeps until the next timer or input.
 * Several processors run on threads of their own instead (vcpus.h), and this one looks after the
 * devices.
 *
 * Deterministic runs: one tick of time is one instruction slot. Each round lets every clock
 * advance by the same number of ticks, spent on instructions or halted; when all are halted time
 * jumps to the next timer. Devices are looked at between rounds only, so what comes in from
 * outside takes effect at a tick that a recording can name.
 */
#define _GNU_SOURCE /* ppoll */
#include "machine_impl.h"
#include "machine_events.h"
#include "gdb_server.h"
#include "log.h"
#include "monitor.h"
#include "pause.h"
#include "vcpus.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Instruction slots of a turn: long enough to make the loop's work vanish, short enough that
 * processors waiting for each other do not wait long. */
#define TURN_ALONE  50000
#define TURN_SHARED 10000
/* While processors run, devices are looked at this often. */
#define POLL_NS 500000
/* The longest sleep and the longest jump; nothing depends on it. */
#define LONGEST_NS      1000000000ull
#define LONGEST_TICKS   HPVM_ITC_HZ
#define OUTSIDE_MAX_FDS (BOARD_MAX_FDS + LINE_SERVER_MAX_FDS + GDB_SERVER_MAX_FDS)

static bool ready(const struct machine *m, unsigned n)
{
    return !(m->held >> n & 1) && cpu_ready(m->cpu[n]);
}

/* With a tape a signal counts between rounds only, where it can be told again. */
static bool ended(const struct machine *m)
{
    return m->request != REQUEST_NONE || (m->signal != 0 && m->config.tape == NULL);
}

/* A replay that left its trace does not run on. */
static void keep(struct machine *m, bool same)
{
    if (!same && m->request == REQUEST_NONE)
        m->request = REQUEST_TAPE;
}

/* What cuts rounds short. */
static bool interrupted(const struct machine *m)
{
    return ended(m) || m->paused;
}

/* --- turns --- */

/* Up to so many slots from here, as far as the next digest of registers is away. */
static void run_to_digest(struct machine *m, struct cpu *c, uint64_t slots)
{
    struct tape *t = m->config.tape;
    uint64_t every = tape_every(t), done = cpu_icount(c) - m->turn_icount;
    const struct tape_probe *probe = tape_probe(t);
    uint64_t left = every - done % every, step = left < slots ? left : slots;

    if (probe != NULL && probe->step < step)
        step = probe->step;
    cpu_run(c, step);
    if (probe != NULL)
        probe->look(probe->opaque, tape_turns(t), c);
    done = cpu_icount(c) - m->turn_icount;
    if (done / every > m->turn_digests && m->request != REQUEST_TAPE) {
        m->turn_digests = done / every;
        keep(m, tape_turn(t, c));
    }
}

static void take_turn(struct machine *m, unsigned n, uint64_t slots)
{
    struct cpu *c = m->cpu[n];
    uint64_t before = machine_host_ns();
    m->current = c;
    if (m->config.tape != NULL)
        run_to_digest(m, c, slots);
    else
        cpu_run(c, slots);
    m->current = NULL;
    if (cpu_lockstep_failed(c))
        m->request = REQUEST_DIVERGED;
    if (c->stop_at.kind != STOP_NONE)
        machine_came_to_stop(m, n);
    m->run_ns[n] += machine_host_ns() - before;
}

static bool round_host_time(struct machine *m)
{
    uint64_t slots = m->config.cpus == 1 ? TURN_ALONE : TURN_SHARED;
    bool any = false;
    for (unsigned i = 0; i < m->config.cpus && !interrupted(m); i++) {
        if (!ready(m, i))
            continue;
        cpu_memory_written(m->cpu[i]);
        take_turn(m, i, slots);
        any = true;
    }
    return any;
}

/* What has run since the last digest. */
static void end_turn(struct machine *m, struct cpu *c)
{
    struct tape *t = m->config.tape;
    uint64_t done = cpu_icount(c) - m->turn_icount;

    if (t != NULL && done > m->turn_digests * tape_every(t) && !ended(m))
        keep(m, tape_turn(t, c));
    if (t != NULL && tape_probe_done(t))
        keep(m, false);
}

/* One processor's share of a deterministic round: `slots` ticks. An instruction that goes beyond
 * the end (interruptions cost slots too) shortens its next turn. */
static void turn_by_ticks(struct machine *m, unsigned n, uint64_t slots)
{
    struct cpu *c = m->cpu[n];
    uint64_t used = m->ahead[n];
    m->turn_waited = used;
    m->turn_icount = cpu_icount(c);
    m->turn_digests = 0;
    cpu_memory_written(c);
    while (used < slots && !interrupted(m)) {
        if (ready(m, n)) {
            take_turn(m, n, slots - used);
            used = cpu_icount(c) - m->turn_icount + m->turn_waited;
            continue;
        }
        uint64_t due = cpu_timer_due_ticks(c);
        uint64_t skip = due < slots - used ? due : slots - used;
        cpu_skip_ticks(c, skip);
        m->turn_waited += skip;
        used += skip;
    }
    m->ahead[n] = m->paused ? used : used > slots ? used - slots : 0;
    end_turn(m, c);
}

static bool all_halted(struct machine *m)
{
    for (unsigned i = 0; i < m->config.cpus; i++)
        if (ready(m, i))
            return false;
    return true;
}

static uint64_t next_timer_ticks(const struct machine *m)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < m->config.cpus; i++) {
        uint64_t due = cpu_timer_due_ticks(m->cpu[i]);
        least = due < least ? due : least;
    }
    return least;
}

static bool round_deterministic(struct machine *m)
{
    uint64_t slots = m->config.cpus == 1 ? TURN_ALONE : TURN_SHARED;
    if (all_halted(m))
        return false;
    for (; m->round_at < m->config.cpus && !interrupted(m); m->round_at++) {
        turn_by_ticks(m, m->round_at, slots);
        if (m->paused) /* goes on in the middle of this turn */
            return true;
    }
    m->round_at = 0;
    m->ticks += slots;
    return true;
}

/* --- the owner --- */

/* Since when each processor has had an interrupt waiting and taken none. */
static void watch_answers(struct machine *m)
{
    uint64_t now = machine_now_ns(m);
    for (unsigned i = 0; i < m->config.cpus; i++) {
        const struct cpu *c = m->cpu[i];
        bool waits = (c->irr[0] | c->irr[1] | c->irr[2] | c->irr[3]) != 0;
        if (!waits || c->interrupts_taken != m->answer[i].taken)
            m->answer[i].since_ns = 0;
        else if (m->answer[i].since_ns == 0)
            m->answer[i].since_ns = now > 0 ? now : 1;
        m->answer[i].taken = c->interrupts_taken;
    }
}

static void tell_owner(struct machine *m)
{
    const struct machine_watch *w = &m->config.watch;
    if (w->between == NULL)
        return;
    watch_answers(m);
    w->between(w->opaque);
}

/* --- nothing to execute --- */

static uint64_t next_event_ns(struct machine *m)
{
    uint64_t least = board_due_ns(m->board);
    for (unsigned i = 0; i < m->config.cpus; i++) {
        uint64_t due = cpu_timer_due_ns(m->cpu[i]);
        least = due < least ? due : least;
    }
    return least;
}

static unsigned server_fds(struct machine *m, struct pollfd *fds)
{
    unsigned n = line_server_poll_fds(m->monitor, fds);
    return n + gdb_server_poll_fds(m->gdb, fds + n);
}

/* Where something can come from outside. */
static unsigned outside_poll_fds(struct machine *m, struct pollfd *fds)
{
    unsigned n = board_poll_fds(m->board, fds);
    return n + server_fds(m, fds + n);
}

static void poll_servers(struct machine *m)
{
    line_server_poll(m->monitor);
    machine_events_poll(m);
    gdb_server_poll(m->gdb);
    tell_owner(m);
    if (board_quit_requested(m->board))
        m->signal = MACHINE_SIGNAL_CONSOLE;
}

/* Sleeps until one of the n descriptors behind the first entry, a signal, or so many nanoseconds
 * have passed. */
static void sleep_until(struct machine *m, struct pollfd *fds, unsigned n, uint64_t ns)
{
    struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    uint64_t count;
    fds[0] = (struct pollfd){.fd = m->wake_fd, .events = POLLIN};
    if (ppoll(fds, 1 + n, &ts, NULL) > 0 && fds[0].revents != 0 &&
        read(m->wake_fd, &count, sizeof count) < 0)
        log_debug("wake-up: %s", strerror(errno));
}

static void sleep_until_input(struct machine *m, uint64_t ns)
{
    struct pollfd fds[1 + OUTSIDE_MAX_FDS];
    unsigned n = outside_poll_fds(m, fds + 1);
    uint64_t before = machine_now_ns(m);
    sleep_until(m, fds, n, ns);
    m->idle_ns += machine_now_ns(m) - before;
}

/* Of a machine that is stopped: who may let it go on, and the user at the console. */
static void wait_paused(struct machine *m)
{
    struct pollfd fds[1 + OUTSIDE_MAX_FDS];
    unsigned n = board_console_fds(m->board, fds + 1);
    n += server_fds(m, fds + 1 + n);
    sleep_until(m, fds, n, LONGEST_NS);
    board_poll_console(m->board);
    poll_servers(m);
}

static bool input_possible(struct machine *m)
{
    struct pollfd fds[OUTSIDE_MAX_FDS];
    return outside_poll_fds(m, fds) > 0;
}

/* False when nothing will ever happen again. */
static bool wait_host_time(struct machine *m)
{
    uint64_t due = next_event_ns(m);
    if (due == UINT64_MAX && !input_possible(m))
        return false;
    if (due > 0)
        sleep_until_input(m, due < LONGEST_NS ? due : LONGEST_NS);
    return true;
}

static uint64_t board_due_ticks(struct machine *m)
{
    uint64_t ns = board_due_ns(m->board);
    return ns == UINT64_MAX ? UINT64_MAX : machine_ns_to_ticks(ns) + 1;
}

/* Nothing is due: time stands still until something comes from outside. */
static bool wait_for_input(struct machine *m)
{
    uint64_t round;

    if (tape_replaying(m->config.tape)) {
        if (!tape_next_round(m->config.tape, &round))
            return false;
        m->rounds = round - 1;
        return true;
    }
    if (!input_possible(m))
        return false;
    sleep_until_input(m, LONGEST_NS);
    return true;
}

/* While a network is recorded, time does not run ahead of the host's when there is nothing to do:
 * others have no answer ready then. The ticks that pass before something happens are recorded. */
static uint64_t pace(struct machine *m, uint64_t due)
{
    struct tape *t = m->config.tape;
    uint64_t host = machine_host_ns() - m->start_ns, then = machine_ticks_to_ns(m->ticks + due),
             passed;
    struct trace_item item;

    if (tape_take(t, TRACE_WAIT, m->rounds, &item) && item.size == sizeof due)
        memcpy(&due, item.data, sizeof due);
    if (!tape_recording(t) || m->config.nic_count == 0 || then <= host)
        return due;
    sleep_until_input(m, then - host < LONGEST_NS ? then - host : LONGEST_NS);
    host = machine_host_ns() - m->start_ns;
    if (host >= then)
        return due;
    passed = machine_ns_to_ticks(host);
    passed = passed > m->ticks ? passed - m->ticks : 0;
    passed = passed < due ? passed : due;
    tape_note(t, TRACE_WAIT, m->rounds, &passed, sizeof passed);
    return passed;
}

static bool wait_deterministic(struct machine *m)
{
    uint64_t due = next_timer_ticks(m), board = board_due_ticks(m);
    due = board < due ? board : due;
    if (due == UINT64_MAX)
        return wait_for_input(m);
    due = pace(m, due < LONGEST_TICKS ? due : LONGEST_TICKS);
    for (unsigned i = 0; i < m->config.cpus; i++)
        cpu_skip_ticks(m->cpu[i], due);
    m->ticks += due;
    return true;
}

/* --- the tape --- */

#define MEMORY_ROUNDS 64 /* between digests of memory */

static void memory_digest(struct machine *m)
{
    if (m->config.tape == NULL)
        return;
    keep(m, tape_memory(m->config.tape, m->mem, m->rounds));
    for (unsigned i = 0; i < m->config.cpus; i++)
        cpu_watch_writes(m->cpu[i]);
}

static void after_round(struct machine *m)
{
    if (m->rounds % MEMORY_ROUNDS == 0)
        memory_digest(m);
}

/* Between rounds: a signal, or the end of a trace that a signal had ended. */
static bool tape_says_end(struct machine *m)
{
    uint64_t round;

    if (m->config.tape == NULL)
        return false;
    if (tape_probe_done(m->config.tape))
        keep(m, false);
    if (tape_next_end(m->config.tape, &round) && round == m->rounds && m->request == REQUEST_NONE)
        m->signal = MACHINE_SIGNAL_TAPE;
    return m->signal != 0 || m->request != REQUEST_NONE;
}

/* The recording's last record; a replay compares. */
static enum machine_end close_tape(struct machine *m, enum machine_end end, char *why, size_t size)
{
    static const enum trace_end ends[] = {[MACHINE_POWERED_OFF] = TRACE_POWERED_OFF,
                                          [MACHINE_RESET] = TRACE_RESET,
                                          [MACHINE_QUIT] = TRACE_QUIT,
                                          [MACHINE_DIVERGED] = TRACE_STOPPED,
                                          [MACHINE_STOPPED] = TRACE_STOPPED};
    struct tape *t = m->config.tape;
    bool stopped_by_hand = end == MACHINE_QUIT && m->signal != MACHINE_SIGNAL_TAPE;

    if (end != MACHINE_QUIT && m->request != REQUEST_TAPE)
        memory_digest(m);
    tape_end(t, ends[end], m->rounds, m->cpu, m->config.cpus);
    if (!tape_replaying(t) || stopped_by_hand || tape_probe_done(t) ||
        tape_ended(t, ends[end], m->rounds, m->cpu, m->config.cpus))
        return end;
    snprintf(why, size, "%s", tape_failure(t)->what);
    return MACHINE_DIVERGED;
}

/* --- the loops --- */

/* What processors on threads of their own have to be halted for. */
enum need { NEED_NOTHING, NEED_HALT, NEED_END };

/* Looks after the devices once and sleeps until something is due, comes from outside, or a
 * processor uses a device: for a while after that they are looked at often, as one access rarely
 * comes alone. */
static enum need attend(struct machine *m, uint64_t until)
{
    struct pollfd fds[2 + OUTSIDE_MAX_FDS];
    vcpus_lock(m->vcpus);
    board_poll(m->board);
    uint64_t due = board_due_ns(m->board), now = machine_now_ns(m);
    bool busy = vcpus_touched(m->vcpus);
    unsigned n = board_poll_fds(m->board, fds + 2), all = n + server_fds(m, fds + 2 + n);
    vcpus_unlock(m->vcpus);
    m->rounds++;
    if (ended(m) || now >= until || vcpus_want_halt(m->vcpus))
        return NEED_HALT;
    if (!busy && due == UINT64_MAX && all == 0 && vcpus_idle_for_ever(m->vcpus))
        return NEED_END;
    due = due < until - now ? due : until - now;
    fds[1] = (struct pollfd){.fd = vcpus_sleep(m->vcpus, busy), .events = POLLIN};
    sleep_until(m, fds, 1 + all, busy && due > POLL_NS ? POLL_NS : due);
    vcpus_awake(m->vcpus);
    if (fds[0].revents != 0)
        return NEED_HALT;
    for (unsigned i = n; i < all; i++)
        if (fds[2 + i].revents != 0)
            return NEED_HALT;
    return NEED_NOTHING;
}

/* run() for processors on threads of their own. Who looks into processors, stops or changes the
 * machine does it while all of them wait. */
static bool run_vcpus(struct machine *m)
{
    while (!ended(m)) {
        enum need need = NEED_NOTHING;
        uint64_t until = machine_now_ns(m) + LONGEST_NS;
        if (m->paused) {
            wait_paused(m);
            continue;
        }
        vcpus_go(m->vcpus);
        while (need == NEED_NOTHING)
            need = attend(m, until);
        vcpus_halt(m->vcpus);
        if (need == NEED_END)
            return false;
        for (unsigned i = 0; i < m->config.cpus; i++)
            if (m->cpu[i]->stop_at.kind != STOP_NONE && !m->paused)
                machine_came_to_stop(m, i);
        if (!ended(m))
            poll_servers(m);
    }
    return true;
}

/* Runs until something ends it; false when the machine is dead. */
static bool run(struct machine *m)
{
    bool by_ticks = m->config.deterministic;
    uint64_t polled = 0;
    while (!ended(m)) {
        if (m->paused) {
            wait_paused(m);
            continue;
        }
        bool busy = by_ticks ? round_deterministic(m) : round_host_time(m);
        m->rounds++;
        if (ended(m))
            break;
        after_round(m);
        if (busy && !by_ticks && machine_now_ns(m) - polled < POLL_NS)
            continue;
        if (!m->paused)
            board_poll(m->board);
        monitor_replay(m);
        poll_servers(m);
        if (tape_says_end(m))
            break;
        polled = machine_now_ns(m);
        if (!busy && !interrupted(m) && all_halted(m)) {
            if (!(by_ticks ? wait_deterministic(m) : wait_host_time(m)))
                return false;
        }
    }
    return true;
}

static enum machine_end say(enum machine_end end, char *why, size_t size, const char *text)
{
    snprintf(why, size, "%s", text);
    return end;
}

static enum machine_end run_to_end(struct machine *m, char *why, size_t size)
{
    static const char *const ends[] = {[REQUEST_POWER_OFF] = "poweroff",
                                       [REQUEST_RESET] = "reset",
                                       [REQUEST_DIVERGED] = "diverged"};
    for (;;) {
        bool alive = m->vcpus != NULL ? run_vcpus(m) : run(m);
        if (!alive && m->request == REQUEST_NONE)
            return say(MACHINE_STOPPED, why, size,
                       "the guest has halted all processors and nothing can wake them");
        if (m->config.tape == NULL)
            board_poll(m->board); /* the last output */
        if (m->request == REQUEST_TAPE && tape_probe_done(m->config.tape))
            return say(MACHINE_QUIT, why, size, "the replay came as far as it was to");
        if (m->request == REQUEST_TAPE)
            return say(MACHINE_DIVERGED, why, size, tape_failure(m->config.tape)->what);
        if (m->signal == MACHINE_SIGNAL_TAPE)
            return say(MACHINE_QUIT, why, size, "the trace ends here");
        if (m->signal == MACHINE_SIGNAL_CONSOLE)
            return say(MACHINE_QUIT, why, size, "ended from the console");
        if (m->signal == MACHINE_SIGNAL_MONITOR)
            return say(MACHINE_QUIT, why, size, "ended from the monitor");
        if (m->signal != 0) {
            snprintf(why, size, "ended by signal %d (%s)", (int)m->signal,
                     strsignal((int)m->signal));
            return MACHINE_QUIT;
        }
        machine_events_tell(m, ends[m->request]);
        if (m->request == REQUEST_POWER_OFF)
            return say(MACHINE_POWERED_OFF, why, size, "the guest powered off");
        if (m->request == REQUEST_DIVERGED)
            return say(MACHINE_STOPPED, why, size,
                       "--cpu lockstep: translated code and the interpreter differ");
        if (m->config.no_reboot)
            return say(MACHINE_RESET, why, size, "the guest reset the machine (--no-reboot)");
        log_info("the guest reset the machine");
        if (machine_restart(m, why, size) != 0)
            return MACHINE_STOPPED;
    }
}

enum machine_end machine_run(struct machine *m, char *why, size_t size)
{
    memory_digest(m); /* what the machine begins with */
    return close_tape(m, run_to_end(m, why, size), why, size);
}

/* --- figures --- */

static double host_cpu_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void machine_print_stats(const struct machine *m, FILE *out)
{
    uint64_t total = m->icount_before;
    double cpu = host_cpu_seconds();
    for (unsigned i = 0; i < m->config.cpus; i++) {
        fprintf(out, "processor %u: %" PRIu64 " instruction slots\n", i, cpu_icount(m->cpu[i]));
        total += cpu_icount(m->cpu[i]);
        cpu_print_stats(m->cpu[i], out);
    }
    fprintf(out, "machine time: %.3f s, %.3f s of it asleep\n",
            (double)machine_now_ns((void *)m) / 1e9, (double)m->idle_ns / 1e9);
    storage_print_stats(board_storage(m->board), out);
    network_print_stats(board_network(m->board), out);
    fprintf(out, "rounds %" PRIu64 ", resets %" PRIu64 "\n", m->rounds, m->resets);
    fprintf(out, "all: %" PRIu64 " instruction slots in %.3f s of host CPU, %.1f MIPS\n", total,
            cpu, (double)total / cpu / 1e6);
}
