/* Data access hint registers. See dahr.h. */
#include <stdlib.h>
#include <string.h>
#include "dahr.h"
#include "archive.h"

/* A ring of register sets; top is the current one. */
struct dahs {
    unsigned top;
    uint16_t r[DAHS_LEVELS][DAHR_COUNT];
};

void dahr_set(struct cpu *c, unsigned n, uint16_t v)
{
    if (!c->dahs)
        c->dahs = calloc(1, sizeof *c->dahs);
    if (!c->dahs) /* a hint may be lost */
        return;
    c->dahs->r[c->dahs->top][n % DAHR_COUNT] = v;
    c->hints_set = true;
}

uint16_t dahr_get(const struct cpu *c, unsigned n)
{
    return c->dahs ? c->dahs->r[c->dahs->top][n % DAHR_COUNT] : 0;
}

static void clear_top(struct dahs *d)
{
    memset(d->r[d->top], 0, sizeof d->r[d->top]);
}

void dahr_call(struct cpu *c)
{
    c->dahs->top = (c->dahs->top + 1) % DAHS_LEVELS;
    clear_top(c->dahs);
}

void dahr_return(struct cpu *c)
{
    clear_top(c->dahs);
    c->dahs->top = (c->dahs->top + DAHS_LEVELS - 1) % DAHS_LEVELS;
}

void dahr_reset(struct cpu *c)
{
    if (c->dahs)
        memset(c->dahs, 0, sizeof *c->dahs);
    c->hints_set = false;
}

void dahr_state(struct cpu *c, struct archive *s)
{
    bool there = c->dahs != NULL;

    archive_truth(s, &c->hints_set, 1);
    archive_truth(s, &there, 1);
    if (there && !c->dahs)
        c->dahs = calloc(1, sizeof *c->dahs);
    if (!there || !archive_check(s, c->dahs != NULL, "there is no memory for hints")) {
        c->hints_set = c->hints_set && there;
        return;
    }
    c->dahs->top = (unsigned)archive_number(s, c->dahs->top, DAHS_LEVELS - 1, "hints are nowhere");
    archive_bytes(s, c->dahs->r, sizeof c->dahs->r);
}
