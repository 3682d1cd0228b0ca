/* See events.h. */
#include "machine_events.h"

#include <inttypes.h>
#include <string.h>

void machine_events_stopped(struct machine *m, const char *reason, unsigned n)
{
    const struct cpu *c = m->cpu[n];
    char members[160];
    snprintf(members, sizeof members, "\"reason\":\"%s\",\"processor\":%u,\"ip\":\"0x%" PRIx64 "\"",
             reason, n, c->ip | (c->psr >> PSR_RI_SHIFT & 3));
    line_server_event(m->monitor, "stopped", members);
}

void machine_events_tell(struct machine *m, const char *name)
{
    line_server_event(m->monitor, name, "");
}

static const char *disc_state(struct machine *m, unsigned n)
{
    struct storage_medium s = storage_medium(board_storage(m->board), n);
    return s.name == NULL ? "empty" : s.locked ? "locked" : "loaded";
}

static void tell_disc(struct machine *m, unsigned n, const char *state)
{
    const struct machine_drive *d = &m->config.drives[n];
    char members[96];
    snprintf(members, sizeof members, "\"drive\":\"%u,%u,%u\",\"state\":\"%s\"", d->bus, d->slot,
             d->target, state);
    line_server_event(m->monitor, "media", members);
}

/* The first look only learns how things are. */
void machine_events_poll(struct machine *m)
{
    if (!line_server_listeners(m->monitor))
        return;
    for (unsigned n = 0; n < m->config.drive_count; n++) {
        if (!m->config.drives[n].dvd || storage_target(board_storage(m->board), n) == NULL)
            continue;
        const char *state = disc_state(m, n);
        if (m->disc_state[n] != NULL && strcmp(m->disc_state[n], state) != 0)
            tell_disc(m, n, state);
        m->disc_state[n] = state;
    }
}
