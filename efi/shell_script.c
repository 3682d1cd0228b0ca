/* See shell_script.h. */
#include "shell_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "shell_parse.h"
#include "shell_text.h"

#define PATIENCE 1000 /* statements until an empty line is handed out */
#define LIST_MAX 65536

enum word { W_NONE, W_IF, W_ELSE, W_ENDIF, W_FOR, W_ENDFOR, W_GOTO, W_SHIFT, W_LABEL };

/* An if or for statement that is open: lines from `first` to `last`, its own and its end's. */
struct block {
    enum word kind;
    unsigned first, last;
    GPtrArray *list; /* for */
    unsigned at;
    char variable[3];
};

struct script {
    struct script_ops ops;
    char **line;
    unsigned lines, next;
    GPtrArray *words; /* %0... */
    unsigned shifted;
    struct block stack[SCRIPT_DEPTH_MAX];
    unsigned depth;
    const char *why;
};

/* --- making --- */

struct script *script_new(char *text, const char *const *words, unsigned count,
                          const struct script_ops *ops, const char **why)
{
    struct script *s = g_new0(struct script, 1);

    s->ops = *ops;
    s->line = g_strsplit(text, "\n", -1);
    s->lines = g_strv_length(s->line);
    s->words = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < count; i++)
        g_ptr_array_add(s->words, g_strdup(words[i]));
    g_free(text);
    for (unsigned i = 0; i < s->lines; i++)
        g_strstrip(s->line[i]);
    if (s->lines <= SCRIPT_LINES_MAX)
        return s;
    *why = "the script has too many lines";
    script_free(s);
    return NULL;
}

static void pop(struct script *s)
{
    struct block *b = &s->stack[--s->depth];

    g_clear_pointer(&b->list, g_ptr_array_unref);
}

void script_free(struct script *s)
{
    while (s->depth)
        pop(s);
    g_strfreev(s->line);
    g_ptr_array_unref(s->words);
    g_free(s);
}

const char *script_name(const struct script *s)
{
    return s->words->len ? s->words->pdata[0] : "";
}

unsigned script_line(const struct script *s)
{
    return s->next;
}

/* --- variables --- */

static char *positional(struct script *s, unsigned n)
{
    n += s->shifted;
    return g_strdup(n < s->words->len ? s->words->pdata[n] : "");
}

char *script_variable(struct script *s, const char *name)
{
    if (g_ascii_isdigit(name[0]) && !name[1])
        return positional(s, (unsigned)(name[0] - '0'));
    for (unsigned i = s->depth; i-- > 0;) {
        const struct block *b = &s->stack[i];

        if (b->kind == W_FOR && strcmp(b->variable, name) == 0)
            return g_strdup(b->list->pdata[b->at]);
    }
    return NULL;
}

static char *lookup(void *opaque, const char *name)
{
    struct script *s = opaque;
    char *v = script_variable(s, name);

    return v ? v : s->ops.variable(s->ops.opaque, name);
}

/* --- statements --- */

/* The first word; *rest what is behind it. */
static enum word statement(const char *line, const char **rest)
{
    static const struct {
        const char *text;
        enum word word;
    } table[] = {{"if", W_IF},         {"else", W_ELSE}, {"endif", W_ENDIF}, {"for", W_FOR},
                 {"endfor", W_ENDFOR}, {"goto", W_GOTO}, {"shift", W_SHIFT}};
    size_t n = strcspn(line, " \t");

    *rest = line + n + strspn(line + n, " \t");
    if (*line == ':')
        return W_LABEL;
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++)
        if (strlen(table[i].text) == n && g_ascii_strncasecmp(line, table[i].text, n) == 0)
            return table[i].word;
    return W_NONE;
}

static enum word at_line(const struct script *s, unsigned n)
{
    const char *rest;

    return statement(s->line[n], &rest);
}

/* The line of the end that belongs to the opening word at `from`, or of an else of its own if
 * *other is not NULL and there is one. s->lines when there is none. */
static unsigned find_end(const struct script *s, unsigned from, unsigned *other)
{
    bool is_for = at_line(s, from) == W_FOR;
    unsigned ifs = 0, fors = 0;

    for (unsigned n = from; n < s->lines; n++) {
        enum word w = at_line(s, n);

        ifs += w == W_IF;
        fors += w == W_FOR;
        if (w == W_ENDIF && ifs && --ifs == 0 && !is_for)
            return n;
        if (w == W_ENDFOR && fors && --fors == 0 && is_for)
            return n;
        if (w == W_ELSE && other && ifs == 1 && !is_for && *other == s->lines)
            *other = n;
    }
    return s->lines;
}

static struct block *push(struct script *s, enum word kind, unsigned first, unsigned last)
{
    struct block *b = &s->stack[s->depth];

    if (s->depth == SCRIPT_DEPTH_MAX) {
        s->why = "too many statements inside each other";
        return NULL;
    }
    memset(b, 0, sizeof(*b));
    *b = (struct block){.kind = kind, .first = first, .last = last};
    s->depth++;
    return b;
}

static struct block *top(struct script *s)
{
    return s->depth ? &s->stack[s->depth - 1] : NULL;
}

static bool parse(struct script *s, const char *text, struct shell_words *w)
{
    char *line = shell_expand(text, lookup, s);
    int err = -1;

    s->why = "the line gets too long";
    if (line)
        err = shell_parse(line, w, &s->why);
    if (!err)
        s->why = NULL;
    g_free(line);
    return !err;
}

/* [not] exist FILE then, [not] A == B then; the word then may be missing. */
static bool condition(struct script *s, const struct shell_words *w, bool *yes)
{
    unsigned at = 0, left = w->count;
    bool negate = left && shell_same(w->word[0], "not");

    at += negate;
    left -= negate;
    if (left && shell_same(w->word[w->count - 1], "then"))
        left--;
    if (left == 2 && shell_same(w->word[at], "exist"))
        *yes = s->ops.exists(s->ops.opaque, w->word[at + 1]);
    else if (left == 3 && strcmp(w->word[at + 1], "==") == 0)
        *yes = shell_same(w->word[at], w->word[at + 2]);
    else
        return false;
    *yes ^= negate;
    return true;
}

static void do_if(struct script *s, const char *rest)
{
    unsigned here = s->next - 1, other = s->lines, end = find_end(s, here, &other);
    struct shell_words w;
    bool yes = false;

    if (end == s->lines) {
        s->why = "an if without its endif";
        return;
    }
    if (!parse(s, rest, &w))
        return;
    if (!condition(s, &w, &yes))
        s->why = "the condition of an if is not understood";
    shell_words_free(&w);
    if (s->why)
        return;
    if (!yes && other == s->lines)
        s->next = end + 1;
    else if (push(s, W_IF, here, end) && !yes)
        s->next = other + 1;
}

/* Also where a goto has led into the branch. */
static void do_else(struct script *s)
{
    unsigned depth = 1, n = s->next;

    for (; n < s->lines && depth; n++) {
        enum word w = at_line(s, n);

        depth += w == W_IF;
        depth -= w == W_ENDIF;
    }
    if (depth)
        s->why = "an else without its endif";
    if (top(s) && top(s)->kind == W_IF && top(s)->last + 1 == n)
        pop(s);
    s->next = n;
}

static void do_endif(struct script *s)
{
    if (top(s) && top(s)->kind == W_IF && top(s)->last + 1 == s->next)
        pop(s);
}

/* (FROM TO [STEP]), the parentheses being words or parts of them. */
static bool add_range(GPtrArray *list, const struct shell_words *w)
{
    long long v[3] = {0};
    unsigned n = 0;
    GString *g = g_string_new(NULL);
    char **part;

    for (unsigned i = 1; i < w->count; i++)
        g_string_append_printf(g, " %s", w->word[i]);
    part = g_strsplit_set(g->str, " ()", -1);
    for (unsigned i = 0; part[i]; i++) {
        char *end;

        if (!*part[i])
            continue;
        if (n < 3)
            v[n] = g_ascii_strtoll(part[i], &end, 10);
        n += n < 3 && *end ? 4 : 1;
    }
    g_strfreev(part);
    g_string_free(g, TRUE);
    if (n == 2)
        v[2] = v[0] <= v[1] ? 1 : -1;
    if (n < 2 || n > 3 || v[2] == 0 || llabs(v[0]) > LIST_MAX || llabs(v[1]) > LIST_MAX ||
        llabs(v[2]) > LIST_MAX)
        return false;
    for (long long i = v[0]; v[2] > 0 ? i <= v[1] : i >= v[1]; i += v[2])
        g_ptr_array_add(list, g_strdup_printf("%lld", i));
    return true;
}

static bool add_list(struct script *s, GPtrArray *list, const struct shell_words *w)
{
    for (unsigned i = 1; i < w->count && list->len < LIST_MAX; i++) {
        if (shell_has_wildcard(w->word[i]) && !w->quoted[i])
            s->ops.files(s->ops.opaque, w->word[i], list);
        else
            g_ptr_array_add(list, g_strdup(w->word[i]));
    }
    return w->count > 1;
}

/* %i, which is not looked up; *rest moves behind it. */
static bool for_variable(const char **rest, char name[3])
{
    const char *v = *rest;

    v += *v == '%';
    if (!g_ascii_isalpha(v[0]) || (v[1] != ' ' && v[1] != '\t'))
        return false;
    snprintf(name, 3, "%%%c", v[0]);
    *rest = v + 1;
    return true;
}

/* in ..., run (...); fills the list. */
static bool for_list(struct script *s, const struct shell_words *w, GPtrArray *list)
{
    if (!w->count)
        return false;
    if (shell_same(w->word[0], "in"))
        return add_list(s, list, w);
    return shell_same(w->word[0], "run") && add_range(list, w);
}

static void do_for(struct script *s, const char *rest)
{
    unsigned here = s->next - 1, end = find_end(s, here, NULL);
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
    struct shell_words w;
    struct block *b;
    char name[3];

    if (end == s->lines)
        s->why = "a for without its endfor";
    else if (!for_variable(&rest, name))
        s->why = "a for statement is not understood";
    else if (parse(s, rest, &w)) {
        if (!for_list(s, &w, list))
            s->why = "a for statement is not understood";
        shell_words_free(&w);
    }
    if (!s->why && list->len == 0)
        s->next = end + 1;
    b = s->why || list->len == 0 ? NULL : push(s, W_FOR, here, end);
    if (!b) {
        g_ptr_array_unref(list);
        return;
    }
    memcpy(b->variable, name, sizeof(name));
    b->list = list;
}

static void do_endfor(struct script *s)
{
    struct block *b = top(s);

    if (!b || b->kind != W_FOR || b->last + 1 != s->next)
        s->why = "an endfor without its for";
    else if (++b->at < b->list->len)
        s->next = b->first + 1;
    else
        pop(s);
}

/* Blocks that do not contain the label are left. */
static void do_goto(struct script *s, const char *rest)
{
    struct shell_words w;

    if (!parse(s, rest, &w))
        return;
    s->why = "the label of a goto is not there";
    for (unsigned n = 0; w.count == 1 && n < s->lines && s->why; n++) {
        const char *line = s->line[n];

        if (*line != ':' || !shell_same(line + 1, w.word[0] + (*w.word[0] == ':')))
            continue;
        while (s->depth && (n < top(s)->first || n > top(s)->last))
            pop(s);
        s->next = n + 1;
        s->why = NULL;
    }
    shell_words_free(&w);
}

static void do_statement(struct script *s, enum word w, const char *rest)
{
    switch (w) {
    case W_IF:
        do_if(s, rest);
        break;
    case W_ELSE:
        do_else(s);
        break;
    case W_ENDIF:
        do_endif(s);
        break;
    case W_FOR:
        do_for(s, rest);
        break;
    case W_ENDFOR:
        do_endfor(s);
        break;
    case W_GOTO:
        do_goto(s, rest);
        break;
    case W_SHIFT:
        s->shifted += s->shifted < s->words->len;
        break;
    default:
        break;
    }
}

char *script_next(struct script *s, const char **why)
{
    *why = NULL;
    for (unsigned i = 0; s->next < s->lines; i++) {
        const char *line = s->line[s->next], *rest;
        enum word w = statement(line, &rest);
        char *out;

        if (i == PATIENCE)
            return g_strdup("");
        s->next++;
        s->why = NULL;
        if (w != W_NONE) {
            do_statement(s, w, rest);
        } else if (*line && *line != '#') {
            out = shell_expand(line, lookup, s);
            if (out)
                return out;
            s->why = "the line gets too long";
        }
        if (s->why) {
            *why = s->why;
            return NULL;
        }
    }
    return NULL;
}
