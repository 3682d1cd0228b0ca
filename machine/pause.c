/* See pause.h. */
#include "pause.h"

#include "machine_events.h"
#include "gdb_server.h"

static void stop_clock(struct machine *m)
{
    m->paused_ns = machine_now_ns(m);
    m->paused = true;
}

void machine_pause(struct machine *m)
{
    if (m->paused)
        return;
    stop_clock(m);
    machine_events_stopped(m, "asked", 0);
}

static void start_clock(struct machine *m)
{
    m->paused = false;
    m->start_ns = machine_host_ns() - m->paused_ns;
}

void machine_continue(struct machine *m, uint32_t held)
{
    if (!m->paused)
        return;
    for (unsigned i = 0; i < m->config.cpus; i++)
        m->cpu[i]->stop_at.kind = STOP_NONE;
    m->held = held;
    start_clock(m);
    machine_events_tell(m, "resumed");
}

void machine_step(struct machine *m, unsigned n)
{
    struct cpu *c = m->cpu[n];
    uint64_t before = cpu_icount(c);
    if (!m->paused)
        return;
    start_clock(m);
    m->turn_icount = before;
    m->turn_waited = m->ahead[n];
    m->current = c;
    cpu_step_one(c);
    m->current = NULL;
    if (m->config.deterministic)
        m->ahead[n] += cpu_icount(c) - before;
    stop_clock(m);
}

void machine_came_to_stop(struct machine *m, unsigned n)
{
    bool watch = m->cpu[n]->stop_at.kind == STOP_WATCHPOINT;
    for (unsigned i = 0; i < m->config.cpus; i++)
        if (i != n)
            m->cpu[i]->passed_ip = UINT64_MAX; /* those that came to one too come to it again */
    stop_clock(m);
    machine_events_stopped(m, watch ? "watchpoint" : "breakpoint", n);
    gdb_server_stopped(m->gdb, n);
}

void machine_use_breaks(struct machine *m)
{
    for (unsigned i = 0; i < m->config.cpus; i++)
        cpu_set_breaks(m->cpu[i], &m->breaks);
}

void machine_drop_breaks(struct machine *m)
{
    m->breaks = (struct breakset){0};
    for (unsigned i = 0; i < m->config.cpus; i++)
        if (m->cpu[i]->breaks != NULL)
            cpu_set_breaks(m->cpu[i], NULL);
}
