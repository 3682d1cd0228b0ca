/* See itrace.h. */
#include "itrace.h"

#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "insn.h"
#include "log.h"
#include "text.h"

#define MAGIC  "KTSNITR1"
#define BUFFER (1u << 20)

_Static_assert(sizeof(struct tracer_record) == 48, "the binary format is this structure");

struct itrace {
    struct tracer tracer;
    FILE *file;
    char *path;
    bool binary, failed;
    GMutex lock; /* processors may run in several threads */
};

/* --- text --- */

static const char *const kind_names[TRACER_KINDS] = {
    [TRACER_INSTRUCTION] = "insn", [TRACER_CALL] = "call",
    [TRACER_RETURN] = "return",    [TRACER_INTERRUPTION] = "interrupt",
    [TRACER_INSERT] = "insert",    [TRACER_PURGE] = "purge",
    [TRACER_READ] = "read",        [TRACER_WRITE] = "write"};

static void print_instruction(FILE *out, const struct tracer_record *r)
{
    struct insn_bundle b = insn_unpack(r->a, r->b);
    const struct insn_template *t = &insn_templates[b.tmpl];
    bool wide = t->unit[1] == UNIT_X && r->slot > 0;
    unsigned slot = wide ? 2 : r->slot;
    char text[128];
    if (!t->valid || slot > 2)
        snprintf(text, sizeof text, "reserved template %02x", b.tmpl);
    else
        insn_disasm(text, sizeof text, wide ? UNIT_X : t->unit[slot], b.slot[slot], b.slot[1],
                    r->ip);
    fprintf(out, " %s", text);
}

static void print_insert(FILE *out, const struct tracer_record *r)
{
    unsigned slot = r->c >> 32 & 0xffff;
    fprintf(out, " %c %016" PRIx64 " pte %016" PRIx64 " itir %08x", r->c >> 63 ? 'i' : 'd', r->a,
            r->b, (unsigned)r->c);
    if (slot == TRACER_CACHE)
        fprintf(out, " cache");
    else
        fprintf(out, " register %u", slot);
}

void itrace_print(FILE *out, const struct tracer_record *r)
{
    fprintf(out, "%u %" PRIu64 " %u %06x %016" PRIx64 ".%u %s", r->cpu, r->count, r->level, r->rid,
            r->ip, r->slot,
            r->kind < TRACER_KINDS && kind_names[r->kind] ? kind_names[r->kind] : "?");
    switch (r->kind) {
    case TRACER_INSTRUCTION:
        print_instruction(out, r);
        break;
    case TRACER_CALL:
    case TRACER_RETURN:
        fprintf(out, " to %016" PRIx64 " bsp %016" PRIx64, r->a, r->b);
        break;
    case TRACER_INTERRUPTION:
        fprintf(out, " %04x isr %016" PRIx64 " ifa %016" PRIx64, (unsigned)r->a, r->b, r->c);
        break;
    case TRACER_INSERT:
        print_insert(out, r);
        break;
    case TRACER_PURGE:
        fprintf(out, " %016" PRIx64 " 2^%u", r->a, (unsigned)r->b);
        break;
    default:
        fprintf(out, " %016" PRIx64 " at %016" PRIx64 " %u%s", r->a, r->b,
                (unsigned)r->c & (TRACER_RSE - 1), r->c & TRACER_RSE ? " rse" : "");
    }
    fputc('\n', out);
}

/* --- writing --- */

static void record(void *opaque, const struct tracer_record *r)
{
    struct itrace *t = opaque;
    g_mutex_lock(&t->lock);
    if (t->binary)
        fwrite(r, sizeof *r, 1, t->file);
    else
        itrace_print(t->file, r);
    if (ferror(t->file) && !t->failed) {
        t->failed = true;
        log_warn("--itrace %s: %s; the trace ends here", t->path, strerror(errno));
    }
    g_mutex_unlock(&t->lock);
}

/* --- the specification --- */

static int refuse(char *why, size_t size, const char *word, const char *rule)
{
    snprintf(why, size, "--itrace %s: %s", word, rule);
    return -EINVAL;
}

/* Names joined by +. */
static int take_events(struct tracer *t, char *names, char *why, size_t size)
{
    static const struct {
        const char *name;
        unsigned kinds;
    } events[] = {{"insn", 1u << TRACER_INSTRUCTION},
                  {"call", 1u << TRACER_CALL | 1u << TRACER_RETURN},
                  {"int", 1u << TRACER_INTERRUPTION},
                  {"tlb", 1u << TRACER_INSERT | 1u << TRACER_PURGE},
                  {"mem", 1u << TRACER_READ | 1u << TRACER_WRITE},
                  {"all", (1u << TRACER_KINDS) - 1}};
    t->kinds = 0;
    for (char *rest = names, *name; (name = strsep(&rest, "+")) != NULL;) {
        size_t k = 0;
        while (k < sizeof events / sizeof events[0] && strcmp(name, events[k].name) != 0)
            k++;
        if (k == sizeof events / sizeof events[0])
            return refuse(why, size, name, "the events are insn, call, int, tlb, mem and all");
        t->kinds |= events[k].kinds;
    }
    return 0;
}

static bool hexadecimal(const char *text, const char *end, uint64_t *v)
{
    char *stop;
    errno = 0;
    *v = g_ascii_strtoull(text, &stop, 16);
    return errno == 0 && stop == end && g_ascii_isxdigit(text[0]);
}

static int take_range(struct tracer *t, const char *text, char *why, size_t size)
{
    const char *dash = strchr(text, '-');
    if (dash == NULL || !hexadecimal(text, dash, &t->from) ||
        !hexadecimal(dash + 1, dash + 1 + strlen(dash + 1), &t->to))
        return refuse(why, size, text, "give ip=FROM-TO in hexadecimal");
    t->from &= ~15ull;
    return 0;
}

static int take_levels(struct tracer *t, const char *text, char *why, size_t size)
{
    t->levels = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '3')
            return refuse(why, size, text, "give level= and digits from 0 to 3");
        t->levels |= 1u << (*p - '0');
    }
    return 0;
}

static int take_word(struct itrace *t, char *word, char *why, size_t size)
{
    struct tracer *r = &t->tracer;
    uint64_t v;
    if (strcmp(word, "binary") == 0) {
        t->binary = true;
        return 0;
    }
    if (strncmp(word, "events=", 7) == 0)
        return take_events(r, word + 7, why, size);
    if (strncmp(word, "ip=", 3) == 0)
        return take_range(r, word + 3, why, size);
    if (strncmp(word, "level=", 6) == 0)
        return take_levels(r, word + 6, why, size);
    if (strncmp(word, "rid=", 4) == 0 && hexadecimal(word + 4, word + strlen(word), &v) &&
        v <= 0xffffff) {
        r->by_rid = true;
        r->rid = (uint32_t)v;
        return 0;
    }
    return refuse(why, size, word,
                  "give FILE[,binary][,events=LIST][,ip=FROM-TO][,level=DIGITS][,rid=HEX]");
}

static int take_spec(struct itrace *t, char *spec, char *why, size_t size)
{
    char *rest = spec;
    int err = 0;
    t->tracer.kinds = (1u << TRACER_KINDS) - 1;
    t->tracer.to = UINT64_MAX;
    t->tracer.levels = 15;
    t->path = g_strdup(strsep(&rest, ","));
    for (char *word; err == 0 && (word = strsep(&rest, ",")) != NULL;)
        err = take_word(t, word, why, size);
    if (err == 0 && t->path[0] == '\0')
        err = refuse(why, size, "(empty)", "give the name of a file");
    return err;
}

static int open_file(struct itrace *t, char *why, size_t size)
{
    t->file = fopen(t->path, "we");
    if (t->file == NULL)
        return refuse(why, size, t->path, strerror(errno));
    setvbuf(t->file, NULL, _IOFBF, BUFFER);
    if (t->binary)
        fwrite(MAGIC, 8, 1, t->file);
    return 0;
}

int itrace_open(const char *spec, struct itrace **out, char *why, size_t size)
{
    struct itrace *t = g_new0(struct itrace, 1);
    char *copy = g_strdup(spec);
    int err = take_spec(t, copy, why, size);
    if (err == 0)
        err = open_file(t, why, size);
    g_free(copy);
    if (err != 0) {
        g_free(t->path);
        g_free(t);
        return err;
    }
    t->tracer.opaque = t;
    t->tracer.record = record;
    *out = t;
    return 0;
}

void itrace_close(struct itrace *t)
{
    if (t == NULL)
        return;
    if (fclose(t->file) != 0 && !t->failed)
        log_warn("--itrace %s: %s", t->path, strerror(errno));
    g_free(t->path);
    g_free(t);
}

const struct tracer *itrace_tracer(const struct itrace *t)
{
    return &t->tracer;
}

/* --- reading --- */

int itrace_convert(const char *path, FILE *out, char *why, size_t size)
{
    struct tracer_record r;
    char magic[8];
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        snprintf(why, size, "%s: %s", path, strerror(errno));
        return -errno;
    }
    if (fread(magic, sizeof magic, 1, f) != 1 || memcmp(magic, MAGIC, sizeof magic) != 0) {
        snprintf(why, size, "%s: not a binary instruction trace of this version", path);
        fclose(f);
        return -EINVAL;
    }
    size_t n;
    while ((n = fread(&r, 1, sizeof r, f)) == sizeof r)
        itrace_print(out, &r);
    fclose(f);
    if (n != 0) {
        snprintf(why, size, "%s: the last record is cut off", path);
        return -EINVAL;
    }
    return 0;
}
