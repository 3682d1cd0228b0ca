/* See lockstep_report.h. */
#include "lockstep_report.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include "insn.h"
#include "log.h"

#define MAX_LINES   16
#define MAX_BUNDLES 40

struct field {
    const char *name;
    size_t offset, size, step;
};

#define FIELD_STEP(f, step)                                                                        \
    {                                                                                              \
#f, offsetof(struct cpu, f), sizeof(((struct cpu *)0)->f), step                            \
    }
#define FIELD(f) FIELD_STEP(f, 8)

static const struct field fields[] = {
    FIELD(ip),
    FIELD(psr),
    FIELD(gr),
    FIELD_STEP(nat, 1),
    FIELD(br),
    FIELD(pr),
    FIELD_STEP(cfm, 1),
    FIELD(lc),
    FIELD(ec),
    FIELD_STEP(fr, 16),
    FIELD(fpsr),
    FIELD(unat),
    FIELD(ccv),
    FIELD(csd),
    FIELD(ssd),
    FIELD(kr),
    FIELD(bsp),
    FIELD(bspstore),
    FIELD(rnat),
    FIELD(rsc),
    FIELD(pfs),
    FIELD(bank_gr),
    FIELD_STEP(bank_nat, 1),
    FIELD(cr),
    FIELD(tr.rr),
    FIELD(tr.pkr),
    FIELD(tr.pta),
    FIELD(dbr),
    FIELD(ibr),
    FIELD(pmc),
    FIELD(ar_ia32),
    FIELD(irr),
    FIELD(isr_bits),
    FIELD(itc_offset),
    FIELD_STEP(itm_armed, 1),
    FIELD_STEP(ndirty, 4),
};

__attribute__((format(printf, 2, 3))) static void say(struct lockstep_difference *d,
                                                      const char *format, ...)
{
    size_t used = strlen(d->text);
    va_list ap;

    if (d->lines++ >= MAX_LINES)
        return;
    va_start(ap, format);
    vsnprintf(d->text + used, sizeof d->text - used, format, ap);
    va_end(ap);
}

static uint64_t word_at(const char *p, size_t size)
{
    uint64_t v = 0;

    memcpy(&v, p, size < 8 ? size : 8);
    return v;
}

static void compare_item(const struct field *f, size_t at, const char *a, const char *b,
                         struct lockstep_difference *d)
{
    if (memcmp(a, b, f->step) == 0)
        return;
    if (f->step == 16)
        say(d,
            "  %s[%zu]: interpreter %" PRIx64 ".%016" PRIx64 ", native %" PRIx64 ".%016" PRIx64
            "\n",
            f->name, at, word_at(b + 8, 4), word_at(b, 8), word_at(a + 8, 4), word_at(a, 8));
    else
        say(d, "  %s[%zu]: interpreter %" PRIx64 ", native %" PRIx64 "\n", f->name, at,
            word_at(b, f->step), word_at(a, f->step));
}

static void compare_fields(const struct cpu *native, const struct cpu *interp,
                           struct lockstep_difference *d)
{
    for (size_t n = 0; n < sizeof fields / sizeof *fields; n++) {
        const struct field *f = &fields[n];
        const char *a = (const char *)native + f->offset, *b = (const char *)interp + f->offset;

        if (memcmp(a, b, f->size) == 0)
            continue;
        for (size_t at = 0; at < f->size; at += f->step)
            compare_item(f, at / f->step, a + at, b + at, d);
    }
    if (cpu_icount(native) != cpu_icount(interp))
        say(d, "  slots retired: interpreter %" PRIu64 ", native %" PRIu64 "\n", cpu_icount(interp),
            cpu_icount(native));
}

static void compare_stack(const struct cpu *a, const struct cpu *b, struct lockstep_difference *d)
{
    for (int k = -a->ndirty; k < a->cfm.sof; k++) {
        uint32_t i = (uint32_t)((int)a->bof + k), j = (uint32_t)((int)b->bof + k);

        if (a->stk[i] == b->stk[j] && a->stk_nat[i] == b->stk_nat[j])
            continue;
        say(d, "  r%d: interpreter %" PRIx64 "%s, native %" PRIx64 "%s\n", 32 + k, b->stk[j],
            b->stk_nat[j] ? " NaT" : "", a->stk[i], a->stk_nat[i] ? " NaT" : "");
    }
}

static void compare_page(const struct lockpage *p, struct lockstep_difference *d)
{
    if (memcmp(p->host, p->other, MEM_PAGE_SIZE) == 0)
        return;
    for (unsigned k = 0; k < MEM_PAGE_SIZE; k += 8)
        if (memcmp(p->host + k, p->other + k, 8) != 0)
            say(d, "  memory at %" PRIx64 ": interpreter %016" PRIx64 ", native %016" PRIx64 "\n",
                p->pa + k, word_at((const char *)p->other + k, 8),
                word_at((const char *)p->host + k, 8));
}

/* Both put entries in the same places. */
static void compare_alat(const struct cpu *a, const struct cpu *b, struct lockstep_difference *d)
{
    for (unsigned k = 0; k < CPU_ALAT_SIZE; k++) {
        const struct alat_entry *x = &a->alat[k], *y = &b->alat[k];

        if (x->valid == y->valid &&
            (!x->valid || (x->pa == y->pa && x->reg == y->reg && x->size == y->size)))
            continue;
        say(d, "  ALAT entry %u: interpreter %d reg %x %" PRIx64 ", native %d reg %x %" PRIx64 "\n",
            k, y->valid, y->reg, y->pa, x->valid, x->reg, x->pa);
    }
}

bool lockstep_compare(const struct cpu *native, const struct cpu *interp,
                      const struct lockpage *page, unsigned pages, struct lockstep_difference *d)
{
    d->lines = 0;
    d->text[0] = '\0';
    compare_fields(native, interp, d);
    if (native->ndirty == interp->ndirty)
        compare_stack(native, interp, d);
    compare_alat(native, interp, d);
    for (unsigned k = 0; k < pages; k++)
        compare_page(&page[k], d);
    return d->lines == 0;
}

/* --- the code --- */

/* The last bundle of what a block can be: a branch in it, or the end of the page. */
static bool log_bundle(const struct insn_bundle *b, uint64_t ip)
{
    const struct insn_template *t = &insn_templates[b->tmpl];
    bool branch = false;

    for (unsigned s = 0; s < 3; s++) {
        char text[128];
        bool x = t->unit[s] == UNIT_X;

        if (t->unit[s] == UNIT_NONE)
            continue;
        insn_disasm(text, sizeof text, t->unit[s], b->slot[x ? 2 : s], b->slot[1], ip);
        log_error("  %016" PRIx64 ".%u  %s", ip, s, text);
        branch = branch || strncmp(text, "br", 2) == 0 || strstr(text, ") br") != NULL;
    }
    return branch;
}

static void log_code(struct cpu *c, uint64_t ip)
{
    for (unsigned k = 0; k < MAX_BUNDLES; k++, ip += 16) {
        uint64_t w[2];
        struct insn_bundle b;

        if (cpu_virt_read(c, ip, w, sizeof w) != 0)
            return;
        b = insn_unpack(w[0], w[1]);
        if (log_bundle(&b, ip) || (ip & (MEM_PAGE_SIZE - 1)) == MEM_PAGE_SIZE - 16)
            return;
    }
}

void lockstep_report(struct cpu *c, const struct lockstep_difference *d, uint64_t ip,
                     uint64_t count)
{
    log_error("lockstep: translated code and interpreter differ after %" PRIu64
              " slots of processor %u, in the %s at %016" PRIx64 " (%u differences)",
              count, c->id, d->single ? "block" : "piece", ip, d->lines);
    for (const char *p = d->text; *p;) {
        size_t n = strcspn(p, "\n");

        log_error("%.*s", (int)n, p);
        p += n + (p[n] == '\n');
    }
    log_code(c, ip);
}
