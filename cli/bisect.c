/* See bisect.h. Both programs run the same trace up to the turn in question and print digests; the
 * lines are compared, first coarse, then after every instruction. */
#include "bisect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include "cpu.h"
#include "insn.h"
#include "log.h"
#include "mem.h"

#define COARSE     50000 /* slots: about a turn */
#define MAX_SHOWN  40    /* lines of differences */
#define MAX_CPUS   16
#define EVERY_PAGE 8 /* bytes of memory in a line */

/* --- what a probe prints --- */

struct look {
    const struct replay *replay;
    uint64_t written[64]; /* pages of the last instruction */
    unsigned pages;
    uint32_t crc; /* of pages written since the last line */
    struct mem *mem;
    char next[MAX_CPUS][160]; /* the instruction at hand, told when it is done */
    bool shown;
};

static void add_page(void *opaque, uint64_t addr)
{
    struct look *l = opaque;
    const uint8_t *host = mem_ram(l->mem, addr, MEM_PAGE_SIZE);

    l->crc = (uint32_t)crc32_z(l->crc, (const uint8_t *)&addr, sizeof addr);
    l->crc = (uint32_t)crc32_z(l->crc, host, MEM_PAGE_SIZE);
    if (l->pages < sizeof l->written / sizeof l->written[0])
        l->written[l->pages++] = addr;
}

static void disassemble(struct cpu *c, char *text, size_t size)
{
    unsigned slot = (unsigned)(c->psr >> PSR_RI_SHIFT) & 3;
    char what[128] = "(its memory cannot be read)";
    uint64_t w[2];

    if (cpu_virt_read(c, c->ip, w, sizeof w) == 0) {
        struct insn_bundle b = insn_unpack(w[0], w[1]);
        const struct insn_template *t = &insn_templates[b.tmpl];
        bool wide = slot > 0 && t->unit[slot] == UNIT_X;

        if (slot < 3 && t->unit[slot] != UNIT_NONE)
            insn_disasm(what, sizeof what, t->unit[slot], b.slot[wide ? 2 : slot], b.slot[1],
                        c->ip);
    }
    snprintf(text, size, "%016" PRIx64 ".%u  %s", c->ip, slot, what);
}

static void print_page(const struct look *l, uint64_t addr)
{
    const uint8_t *host = mem_ram(l->mem, addr, MEM_PAGE_SIZE);

    for (unsigned k = 0; k < MEM_PAGE_SIZE; k += EVERY_PAGE) {
        uint64_t v;

        memcpy(&v, host + k, sizeof v);
        printf("memory.%" PRIx64 " %016" PRIx64 "\n", addr + k, v);
    }
}

static void print_all(struct look *l, struct cpu *c)
{
    printf("instruction %s\n", l->next[c->id % MAX_CPUS]);
    cpu_print_registers(c, stdout);
    for (unsigned i = 0; i < l->pages; i++)
        print_page(l, l->written[i]);
    l->shown = true;
}

static void look_at(void *opaque, uint64_t turn, struct cpu *c)
{
    struct look *l = opaque;
    const struct replay *r = l->replay;

    l->mem = c->mem;
    l->pages = 0;
    l->crc = 0;
    mem_take_written(c->mem, add_page, l);
    cpu_watch_writes(c);
    if (!r->registers)
        printf("turn %" PRIu64 " processor %u slots %" PRIu64 " ip %016" PRIx64
               " registers %08" PRIx32 " memory %08" PRIx32 "\n",
               turn, c->id, cpu_icount(c), c->ip, cpu_digest(c), l->crc);
    else if (!l->shown && turn == r->to && cpu_icount(c) >= r->slots)
        print_all(l, c);
    disassemble(c, l->next[c->id % MAX_CPUS], sizeof l->next[0]);
}

struct look *look_new(const struct replay *r, struct tape *t)
{
    struct look *l;
    struct tape_probe probe = {r->from, r->to, r->step, NULL, look_at};

    if (r->step == 0)
        return NULL;
    l = g_new0(struct look, 1);
    l->replay = r;
    probe.opaque = l;
    tape_set_probe(t, &probe);
    return l;
}

void look_free(struct look *l)
{
    g_free(l);
}

/* --- two programs --- */

struct side {
    const char *program, *cpu;
};

/* What a program prints when it replays the trace with an option more; NULL: it failed. */
static char *ask(const struct replay *r, const struct side *s, const char *option)
{
    g_autoptr(GPtrArray) args = g_ptr_array_new();
    char *out = NULL;
    int status = 0;

    g_ptr_array_add(args, (void *)(uintptr_t)s->program);
    g_ptr_array_add(args, (void *)(uintptr_t) "replay");
    g_ptr_array_add(args, (void *)(uintptr_t) "--cpu");
    g_ptr_array_add(args, (void *)(uintptr_t)s->cpu);
    g_ptr_array_add(args, (void *)(uintptr_t)option);
    for (guint i = 0; i < r->images->len; i++) {
        g_ptr_array_add(args, (void *)(uintptr_t) "--image");
        g_ptr_array_add(args, g_ptr_array_index(r->images, i));
    }
    g_ptr_array_add(args, (void *)(uintptr_t)r->path);
    g_ptr_array_add(args, NULL);
    if (!g_spawn_sync(NULL, (char **)args->pdata, NULL,
                      G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL,
                      &status, NULL) ||
        !g_spawn_check_wait_status(status, NULL)) {
        g_free(out);
        return NULL;
    }
    return out;
}

/* Lines that are alike, from the beginning. */
static gsize alike(char **a, char **b)
{
    gsize n = 0;

    while (a[n] != NULL && b[n] != NULL && strcmp(a[n], b[n]) == 0)
        n++;
    return n;
}

struct pair {
    char **ours, **theirs;
};

static bool ask_both(const struct replay *r, const struct side sides[2], const char *option,
                     struct pair *p)
{
    g_autofree char *ours = ask(r, &sides[0], option), *theirs = ask(r, &sides[1], option);

    p->ours = ours != NULL ? g_strsplit(ours, "\n", -1) : NULL;
    p->theirs = theirs != NULL ? g_strsplit(theirs, "\n", -1) : NULL;
    return ours != NULL && theirs != NULL;
}

static void pair_free(struct pair *p)
{
    g_strfreev(p->ours);
    g_strfreev(p->theirs);
}

/* The first line that differs when both print states; its turn and slots. */
static bool narrow(const struct replay *r, const struct side sides[2], uint64_t step,
                   uint64_t *from, uint64_t *to, uint64_t *slots)
{
    g_autofree char *option =
        g_strdup_printf("--states=%" PRIu64 "-%" PRIu64 ":%" PRIu64, *from, *to, step);
    struct pair p;
    bool found = false;

    if (ask_both(r, sides, option, &p)) {
        gsize n = alike(p.ours, p.theirs);
        const char *line = p.ours[n] != NULL && p.ours[n][0] != '\0' ? p.ours[n] : p.theirs[n];
        unsigned cpu;

        found = line != NULL && sscanf(line, "turn %" SCNu64 " processor %u slots %" SCNu64, from,
                                       &cpu, slots) == 3;
        *to = found ? *from : *to;
    }
    pair_free(&p);
    return found;
}

static void print_difference(const char *ours, const char *theirs)
{
    const char *value = strchr(ours, ' '), *other = strchr(theirs, ' ');

    if (value != NULL && other != NULL)
        printf("  %.*s: reference %s, here %s\n", (int)(value - ours), ours, other + 1, value + 1);
}

static bool same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, " ");

    return strncmp(a, b, n) == 0 && b[n] == ' ';
}

/* Registers and words of memory by name; what only one has is told, too. */
static void print_differences(char **ours, char **theirs)
{
    unsigned shown = 0;

    printf("%s\n", theirs[0]);
    if (strcmp(ours[0], theirs[0]) != 0)
        printf("here: %s\n", ours[0]);
    for (gsize i = 1, k = 1; ours[i] != NULL && theirs[k] != NULL && shown < MAX_SHOWN; i++, k++) {
        if (strcmp(ours[i], theirs[k]) == 0)
            continue;
        shown++;
        if (same_name(ours[i], theirs[k]))
            print_difference(ours[i], theirs[k]);
        else
            printf("  reference %s, here %s\n", theirs[k], ours[i]);
    }
}

static void report(const struct replay *r, const struct side sides[2], uint64_t turn,
                   uint64_t slots)
{
    g_autofree char *option = g_strdup_printf("--registers=%" PRIu64 ":%" PRIu64, turn, slots);
    struct pair p;

    if (ask_both(r, sides, option, &p)) {
        printf("first difference: after %" PRIu64 " instruction slots of the processor, in turn "
               "%" PRIu64 "\n",
               slots, turn);
        print_differences(p.ours, p.theirs);
    }
    pair_free(&p);
}

/* Whether a program has this part of the trace as it was recorded. */
static bool agrees(const struct replay *r, const struct side *s, uint64_t until)
{
    g_autofree char *option = g_strdup_printf("--until=%" PRIu64, until + 1);
    g_autofree char *out = ask(r, s, option);

    return out != NULL;
}

/* A trace with a digest for every instruction names it without a reference. */
static bool tell_from_trace(const struct replay *r, const struct side *here,
                            const struct tape_failure *f)
{
    g_autofree char *option = g_strdup_printf("--registers=%" PRIu64 ":0", f->to);
    g_autofree char *out = !f->memory && f->every == 1 ? ask(r, here, option) : NULL;

    if (out == NULL)
        return false;
    printf("first difference: behind %.*s\n", (int)strcspn(out, "\n"), out);
    return true;
}

void bisect(const struct replay *r, const struct tape_failure *f)
{
    const char *other = strcmp(r->cpu, "interp") == 0 ? "jit" : "interp";
    const struct side sides[2] = {{"/proc/self/exe", r->cpu},
                                  {r->reference != NULL ? r->reference : "/proc/self/exe",
                                   r->reference != NULL ? "interp" : other}};
    uint64_t from = f->from, to = f->to, slots;

    printf("between digests of registers %" PRIu64 " and %" PRIu64 "\n", f->from, f->to + 1);
    fflush(stdout);
    if (!agrees(r, &sides[1], f->to)) {
        if (tell_from_trace(r, &sides[0], f))
            return;
        log_warn(
            "%s, so the instruction cannot be told: name a kittson that replays the trace with "
            "--reference",
            r->reference != NULL ? "the reference differs from the trace, too"
                                 : "neither interp nor jit of this version replays the trace");
        return;
    }
    if ((from < to && !narrow(r, sides, COARSE, &from, &to, &slots)) ||
        !narrow(r, sides, 1, &from, &to, &slots))
        log_warn("when looked at closely the two programs do not differ");
    else
        report(r, sides, from, slots);
}
