/* See shell_parse.h. */
#include "shell_parse.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

struct parser {
    const char *at;
    GPtrArray *words;
    GArray *quoted; /* bool */
    struct shell_words *out;
    const char *why;
};

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool ends_word(char c)
{
    return c == 0 || blank(c) || c == '>';
}

/* A quote that is not closed is an error, an escape at the end of the line counts for nothing. */
static char *take_word(struct parser *p, bool *quoted)
{
    GString *g = g_string_new(NULL);
    bool inside = false;

    *quoted = false;
    while (*p->at && (inside || !ends_word(*p->at))) {
        char c = *p->at++;

        if (c == '"' || c == '^')
            *quoted = true;
        if (c == '"')
            inside = !inside;
        else if (c != '^')
            g_string_append_c(g, c);
        else if (*p->at)
            g_string_append_c(g, *p->at++);
    }
    if (inside)
        p->why = "a quotation mark is missing";
    return g_string_free(g, FALSE);
}

static void skip_blanks(struct parser *p)
{
    while (blank(*p->at))
        p->at++;
}

static void take_redirection(struct parser *p)
{
    bool quoted;

    p->at++;
    if (p->out->file) {
        p->why = "output can go to one file only";
        return;
    }
    p->out->append = *p->at == '>';
    p->at += p->out->append;
    p->out->ascii = *p->at == 'a' && blank(p->at[1]);
    p->at += p->out->ascii;
    skip_blanks(p);
    if (*p->at && *p->at != '>')
        p->out->file = take_word(p, &quoted);
    if (!p->out->file || !*p->out->file)
        p->why = "the name of the output file is missing";
}

/* 1> and 2>, where the digit is a word of its own. */
static bool stream(const char *s)
{
    return (s[0] == '1' || s[0] == '2') && s[1] == '>';
}

static void take_words(struct parser *p)
{
    for (skip_blanks(p); *p->at && *p->at != '#' && !p->why; skip_blanks(p)) {
        bool quoted;

        if (stream(p->at))
            p->at++;
        if (*p->at == '>') {
            take_redirection(p);
            continue;
        }
        g_ptr_array_add(p->words, take_word(p, &quoted));
        g_array_append_val(p->quoted, quoted);
        if (p->words->len > SHELL_WORDS)
            p->why = "too many words";
    }
}

int shell_parse(const char *line, struct shell_words *out, const char **why)
{
    struct parser p = {.at = line, .out = out};

    memset(out, 0, sizeof(*out));
    p.words = g_ptr_array_new();
    p.quoted = g_array_new(TRUE, TRUE, sizeof(bool));
    take_words(&p);
    out->count = p.words->len;
    g_ptr_array_add(p.words, NULL);
    out->word = (char **)g_ptr_array_free(p.words, FALSE);
    out->quoted = (bool *)g_array_free(p.quoted, FALSE);
    if (!p.why)
        return 0;
    *why = p.why;
    shell_words_free(out);
    return out->count > SHELL_WORDS ? -E2BIG : -EINVAL;
}

void shell_words_free(struct shell_words *w)
{
    g_strfreev(w->word);
    g_free(w->quoted);
    g_free(w->file);
    w->word = NULL;
    w->quoted = NULL;
    w->file = NULL;
}

void shell_words_remove(struct shell_words *w, unsigned n)
{
    g_free(w->word[n]);
    memmove(w->word + n, w->word + n + 1, (w->count - n) * sizeof(*w->word));
    memmove(w->quoted + n, w->quoted + n + 1, (w->count - n - 1) * sizeof(*w->quoted));
    w->count--;
}

/* --- variables --- */

static bool name_char(char c)
{
    return g_ascii_isalnum(c) || c == '_';
}

/* A digit, or the letter of a for loop that is not the beginning of a name. The length, 0: none. */
static size_t short_variable(const char *s, shell_lookup *lookup, void *opaque, char **value)
{
    char name[3] = {'%', s[1], 0};

    *value = NULL;
    if (g_ascii_isdigit(s[1]))
        *value = lookup(opaque, name + 1);
    else if (g_ascii_isalpha(s[1]) && !name_char(s[2]))
        *value = lookup(opaque, name);
    if (!*value)
        return g_ascii_isdigit(s[1]) ? 2 : 0;
    /* %i% is the same as %i, but %i%j are two */
    return !g_ascii_isdigit(s[1]) && s[2] == '%' && !name_char(s[3]) ? 3 : 2;
}

static size_t long_variable(const char *s, shell_lookup *lookup, void *opaque, char **value)
{
    size_t n = 1;
    char *name;

    while (name_char(s[n]))
        n++;
    if (n == 1 || s[n] != '%')
        return 0;
    name = g_strndup(s + 1, n - 1);
    *value = lookup(opaque, name);
    g_free(name);
    return n + 1;
}

static size_t expand_one(GString *g, const char *s, shell_lookup *lookup, void *opaque)
{
    char *value = NULL;
    size_t n = short_variable(s, lookup, opaque, &value);

    if (!n)
        n = long_variable(s, lookup, opaque, &value);
    if (n && value)
        g_string_append(g, value);
    g_free(value);
    return n;
}

char *shell_expand(const char *line, shell_lookup *lookup, void *opaque)
{
    GString *g = g_string_new(NULL);

    while (*line && g->len <= SHELL_LINE_MAX) {
        size_t n = *line == '%' ? expand_one(g, line, lookup, opaque) : 0;

        if (n) {
            line += n;
            continue;
        }
        if (*line == '^' && line[1])
            g_string_append_c(g, *line++);
        g_string_append_c(g, *line++);
    }
    if (g->len <= SHELL_LINE_MAX)
        return g_string_free(g, FALSE);
    g_string_free(g, TRUE);
    return NULL;
}
