/* See breakset.h. */
#include "breakset.h"

#include <errno.h>

/* --- the set --- */

static int find_break(const struct breakset *s, uint64_t addr)
{
    for (unsigned k = 0; k < s->breaks; k++)
        if (s->at[k] == addr)
            return (int)k;
    return -ENOENT;
}

int breakset_add_break(struct breakset *s, uint64_t addr, bool *stale)
{
    unsigned bundle = (unsigned)addr >> 4 & 0xff;
    uint64_t bit = 1ull << (bundle & 63);

    if ((addr & 15) > 2)
        return -EINVAL;
    if (find_break(s, addr) >= 0)
        return 0;
    if (s->breaks == BREAKSET_BREAKS)
        return -ENOSPC;
    s->at[s->breaks++] = addr;
    if (!(s->guarded[bundle >> 6] & bit))
        *stale = true;
    s->guarded[bundle >> 6] |= bit;
    return 0;
}

/* Guards stay: debuggers take breakpoints out at every stop and put them in again. */
int breakset_remove_break(struct breakset *s, uint64_t addr)
{
    int k = find_break(s, addr);

    if (k < 0)
        return k;
    s->at[k] = s->at[--s->breaks];
    return 0;
}

static int find_watch(const struct breakset *s, uint64_t addr, uint64_t len, unsigned access)
{
    for (unsigned k = 0; k < s->watches; k++)
        if (s->watch[k].addr == addr && s->watch[k].len == len && s->watch[k].access == access)
            return (int)k;
    return -ENOENT;
}

int breakset_add_watch(struct breakset *s, uint64_t addr, uint64_t len, unsigned access,
                       bool *stale)
{
    if (len == 0 || len > BREAKSET_LONGEST || addr + (len - 1) < addr)
        return -EINVAL;
    if (find_watch(s, addr, len, access) >= 0)
        return 0;
    if (s->watches == BREAKSET_WATCHES)
        return -ENOSPC;
    s->watch[s->watches++] = (struct watchpoint){addr, len, access};
    *stale = true;
    return 0;
}

int breakset_remove_watch(struct breakset *s, uint64_t addr, uint64_t len, unsigned access)
{
    int k = find_watch(s, addr, len, access);

    if (k < 0)
        return k;
    s->watch[k] = s->watch[--s->watches];
    return 0;
}

void cpu_set_breaks(struct cpu *c, const struct breakset *breaks)
{
    c->breaks = breaks;
    c->stop_at = (struct cpu_stop){0};
    block_forget_all(c);
    stlb_flush(c);
}

/* --- instructions --- */

static void stop_at(struct cpu *c, enum cpu_stop_kind kind, unsigned access, uint64_t addr)
{
    c->stop_at = (struct cpu_stop){kind, access, addr};
    c->yield = true;
}

bool breakset_stops(struct cpu *c, uint64_t ip, unsigned slot, unsigned pending)
{
    uint64_t here = (ip & ~15ull) | slot, now = cpu_icount(c) - pending;

    if (find_break(c->breaks, here) < 0)
        return false;
    if (c->passed_ip == here && c->passed_icount == now)
        return false;
    c->passed_ip = here;
    c->passed_icount = now;
    stop_at(c, STOP_BREAKPOINT, 0, here);
    return true;
}

const struct uop *breakset_guard(struct cpu *c, const struct uop *u)
{
    if (!c->breaks || !breakset_stops(c, uop_ip(c, u), uop_slot(u), u->rest + 1u))
        return uop_next(c, u);
    return uop_exit_before(c, u);
}

/* --- accesses --- */

bool breakset_watches_page(const struct breakset *s, uint64_t page)
{
    for (unsigned k = 0; k < s->watches; k++) {
        const struct watchpoint *w = &s->watch[k];

        if (page <= w->addr + (w->len - 1) && w->addr <= page + (MEM_PAGE_SIZE - 1))
            return true;
    }
    return false;
}

/* The range an access touches, or NULL. */
static const struct watchpoint *watched(const struct breakset *s, uint64_t va, unsigned size,
                                        unsigned access)
{
    for (unsigned k = 0; k < s->watches; k++) {
        const struct watchpoint *w = &s->watch[k];

        if ((w->access & access) && va <= w->addr + (w->len - 1) && w->addr <= va + (size - 1))
            return w;
    }
    return NULL;
}

/* Loads for a frame that is returned to belong to no operation that could be left: they are done,
 * and the processor stops as soon as it can. */
bool breakset_allows(struct cpu *c, const struct uop *u, uint64_t va, unsigned size, unsigned flags)
{
    unsigned access = flags & (ACC_READ | ACC_WRITE);
    const struct watchpoint *w;

    if (c->watch_pass || (flags & ACC_NONACCESS))
        return true;
    w = watched(c->breaks, va, size, access);
    if (!w)
        return true;
    stop_at(c, STOP_WATCHPOINT, access, va > w->addr ? va : w->addr);
    if (!u)
        return true;
    c->watch_held = true;
    uop_exit_before(c, u);
    return false;
}
