/* See opts.h. */
#include "opts.h"
#include "text.h"

#include <errno.h>
#include <string.h>

#define MAX_NAMES 64

struct parse {
    const struct opt *table;
    size_t count;
    int argc;
    char **argv;
    int next; /* index of the next argument */
    opts_fn *fn;
    void *opaque;
    char *why;
    size_t size;
};

static const struct opt *find_long(const struct parse *p, const char *name, size_t length)
{
    for (size_t i = 0; i < p->count; i++)
        if (strlen(p->table[i].name) == length && strncmp(p->table[i].name, name, length) == 0)
            return &p->table[i];
    return NULL;
}

static const struct opt *find_letter(const struct parse *p, char letter)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->table[i].letter != 0 && p->table[i].letter == letter)
            return &p->table[i];
    return NULL;
}

static int unknown(const struct parse *p, const char *arg, const char *name, size_t length)
{
    const char *names[MAX_NAMES];
    char word[64];
    size_t n = 0;
    for (; n < p->count && n < MAX_NAMES; n++)
        names[n] = p->table[n].name;
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    const char *near = text_nearest(word, names, n);
    if (near != NULL)
        snprintf(p->why, p->size, "unknown option %s: did you mean --%s?", arg, near);
    else
        snprintf(p->why, p->size, "unknown option %s", arg);
    return -EINVAL;
}

/* value is what was attached to the option ("--name=value", "-xvalue"), or NULL. */
static int apply(struct parse *p, const struct opt *o, const char *arg, const char *value)
{
    if (o->later != NULL) {
        snprintf(p->why, p->size, "--%s comes with %s, which this version does not have yet",
                 o->name, o->later);
        return -EINVAL;
    }
    if (o->arg == NULL && value != NULL) {
        snprintf(p->why, p->size, "--%s takes no value", o->name);
        return -EINVAL;
    }
    if (o->arg != NULL && value == NULL) {
        if (p->next >= p->argc) {
            snprintf(p->why, p->size, "%s needs a value: %s", arg, o->arg);
            return -EINVAL;
        }
        value = p->argv[p->next++];
    }
    return p->fn(p->opaque, o, value, p->why, p->size);
}

static int parse_long(struct parse *p, const char *arg)
{
    const char *name = arg + 2;
    const char *equals = strchr(name, '=');
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct opt *o = find_long(p, name, length);
    if (o == NULL)
        return unknown(p, arg, name, length);
    return apply(p, o, arg, equals != NULL ? equals + 1 : NULL);
}

static int parse_short(struct parse *p, const char *arg)
{
    const struct opt *o = find_letter(p, arg[1]);
    if (o == NULL)
        return unknown(p, arg, arg + 1, strlen(arg + 1));
    return apply(p, o, arg, arg[2] != '\0' ? arg + 2 : NULL);
}

int opts_parse(const struct opt *table, size_t count, int argc, char **argv, opts_fn *fn,
               void *opaque, char *why, size_t size)
{
    static const struct opt operand = {.id = OPTS_OPERAND, .name = ""};
    struct parse p = {table, count, argc, argv, 1, fn, opaque, why, size};
    int only_operands = 0;
    while (p.next < argc) {
        const char *arg = argv[p.next++];
        int err;
        if (!only_operands && strcmp(arg, "--") == 0) {
            only_operands = 1;
            continue;
        }
        if (only_operands || arg[0] != '-' || arg[1] == '\0')
            err = fn(opaque, &operand, arg, why, size);
        else if (arg[1] == '-')
            err = parse_long(&p, arg);
        else
            err = parse_short(&p, arg);
        if (err != 0)
            return err;
    }
    return 0;
}

void opts_print(FILE *out, const struct opt *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct opt *o = &table[i];
        char head[64], letter[8] = "    ";
        if (o->help == NULL || o->later != NULL)
            continue;
        if (o->letter != 0)
            snprintf(letter, sizeof letter, "-%c, ", o->letter);
        snprintf(head, sizeof head, "%s--%s%s%s", letter, o->name, o->arg != NULL ? " " : "",
                 o->arg != NULL ? o->arg : "");
        fprintf(out, "  %-34s %s\n", head, o->help);
    }
}
