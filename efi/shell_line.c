/* See shell_line.h. */
#include "shell_line.h"

#include "keys.h"
#include "shell_text.h"

#define CONTROL(c) ((c)-0x40)

struct line_editor {
    struct line_terminal terminal;
    uint16_t text[LINE_TYPED_MAX];
    unsigned length, cursor;
    bool overwrite, history;
    char *prompt;
    GPtrArray *lines; /* the oldest first */
    unsigned shown;   /* lines->len: what is being typed */
    char *typed;      /* what was being typed when the history was entered */
};

struct line_editor *line_new(const struct line_terminal *terminal)
{
    struct line_editor *e = g_new0(struct line_editor, 1);

    e->terminal = *terminal;
    e->lines = g_ptr_array_new_with_free_func(g_free);
    return e;
}

void line_free(struct line_editor *e)
{
    g_ptr_array_unref(e->lines);
    g_free(e->prompt);
    g_free(e->typed);
    g_free(e);
}

static char *text_of(const struct line_editor *e, unsigned from, unsigned to)
{
    GString *g = g_string_new(NULL);
    char s[3];

    for (unsigned i = from; i < to; i++)
        g_string_append_len(g, s, shell_put_char(s, e->text[i]));
    return g_string_free(g, FALSE);
}

char *line_before(const struct line_editor *e)
{
    return text_of(e, 0, e->cursor);
}

char *line_text(const struct line_editor *e)
{
    return text_of(e, 0, e->length);
}

/* --- the terminal --- */

static void print(struct line_editor *e, const char *s)
{
    e->terminal.text(e->terminal.opaque, s);
}

static void move(struct line_editor *e, unsigned to)
{
    if (to != e->cursor)
        e->terminal.move(e->terminal.opaque, (int)to - (int)e->cursor);
    e->cursor = to;
}

/* Prints what is behind the cursor, blanks over `gone` characters, and goes back. */
static void print_rest(struct line_editor *e, unsigned gone)
{
    char *rest = text_of(e, e->cursor, e->length);
    unsigned cells = e->length - e->cursor + gone;

    print(e, rest);
    for (unsigned i = 0; i < gone; i++)
        print(e, " ");
    if (cells)
        e->terminal.move(e->terminal.opaque, -(int)cells);
    g_free(rest);
}

void line_redraw(struct line_editor *e)
{
    unsigned cursor = e->cursor;

    print(e, e->prompt);
    e->cursor = 0;
    print_rest(e, 0);
    move(e, cursor);
}

/* --- changes --- */

static void remove_chars(struct line_editor *e, unsigned from, unsigned n)
{
    move(e, from);
    memmove(e->text + from, e->text + from + n, (e->length - from - n) * sizeof(*e->text));
    e->length -= n;
    print_rest(e, n);
}

static void insert(struct line_editor *e, const uint16_t *s, unsigned n)
{
    if (n > LINE_TYPED_MAX - e->length) {
        print(e, "\a");
        return;
    }
    memmove(e->text + e->cursor + n, e->text + e->cursor,
            (e->length - e->cursor) * sizeof(*e->text));
    memcpy(e->text + e->cursor, s, n * sizeof(*e->text));
    e->length += n;
    print_rest(e, 0);
    move(e, e->cursor + n);
}

/* At the end of the line the character alone is printed. */
static void type(struct line_editor *e, uint16_t c)
{
    char s[4] = {0};

    if (e->cursor < e->length && !e->overwrite) {
        insert(e, &c, 1);
        return;
    }
    if (e->cursor == LINE_TYPED_MAX) {
        print(e, "\a");
        return;
    }
    e->text[e->cursor++] = c;
    e->length = MAX(e->length, e->cursor);
    shell_put_char(s, c);
    print(e, s);
}

void line_insert(struct line_editor *e, const char *utf8)
{
    uint16_t *s = shell_utf16(utf8);
    unsigned n = 0;

    while (s[n])
        n++;
    insert(e, s, n);
    g_free(s);
}

static void replace(struct line_editor *e, const char *text)
{
    remove_chars(e, 0, e->length);
    line_insert(e, text);
}

static void remove_word(struct line_editor *e)
{
    unsigned from = e->cursor;

    while (from && e->text[from - 1] == ' ')
        from--;
    while (from && e->text[from - 1] != ' ')
        from--;
    remove_chars(e, from, e->cursor - from);
}

/* --- history --- */

static void show_history(struct line_editor *e, unsigned n)
{
    if (!e->history || n == e->shown || n > e->lines->len)
        return;
    if (e->shown == e->lines->len) {
        g_free(e->typed);
        e->typed = line_text(e);
    }
    e->shown = n;
    replace(e, n == e->lines->len ? e->typed : e->lines->pdata[n]);
}

static void keep(struct line_editor *e)
{
    char *text = line_text(e);

    if (!*text || (e->lines->len && !strcmp(text, e->lines->pdata[e->lines->len - 1]))) {
        g_free(text);
        return;
    }
    g_ptr_array_add(e->lines, text);
    if (e->lines->len > LINE_HISTORY_MAX)
        g_ptr_array_remove_index(e->lines, 0);
}

const char *line_history(const struct line_editor *e, unsigned n)
{
    return n < e->lines->len ? e->lines->pdata[e->lines->len - 1 - n] : NULL;
}

/* --- keys --- */

void line_begin(struct line_editor *e, const char *prompt, bool history)
{
    g_free(e->prompt);
    e->prompt = g_strdup(prompt);
    e->length = e->cursor = 0;
    e->history = history;
    e->shown = e->lines->len;
    print(e, prompt);
}

static void scan_key(struct line_editor *e, unsigned scan)
{
    switch (scan) {
    case SCAN_UP:
        if (e->shown)
            show_history(e, e->shown - 1);
        break;
    case SCAN_DOWN:
        show_history(e, e->shown + 1);
        break;
    case SCAN_LEFT:
        if (e->cursor)
            move(e, e->cursor - 1);
        break;
    case SCAN_RIGHT:
        if (e->cursor < e->length)
            move(e, e->cursor + 1);
        break;
    case SCAN_HOME:
        move(e, 0);
        break;
    case SCAN_END:
        move(e, e->length);
        break;
    case SCAN_INSERT:
        e->overwrite = !e->overwrite;
        break;
    case SCAN_DELETE:
        if (e->cursor < e->length)
            remove_chars(e, e->cursor, 1);
        break;
    case SCAN_PAGE_UP:
        show_history(e, 0);
        break;
    case SCAN_PAGE_DOWN:
        show_history(e, e->lines->len);
        break;
    case SCAN_ESC:
        remove_chars(e, 0, e->length);
        break;
    }
}

static void control_key(struct line_editor *e, unsigned c)
{
    switch (c) {
    case '\b':
        if (e->cursor)
            remove_chars(e, e->cursor - 1, 1);
        break;
    case CONTROL('A'):
        move(e, 0);
        break;
    case CONTROL('E'):
        move(e, e->length);
        break;
    case CONTROL('K'):
        remove_chars(e, e->cursor, e->length - e->cursor);
        break;
    case CONTROL('U'):
        remove_chars(e, 0, e->cursor);
        break;
    case CONTROL('W'):
        remove_word(e);
        break;
    }
}

enum line_result line_key(struct line_editor *e, struct key key)
{
    if (key.scan) {
        scan_key(e, key.scan);
        return LINE_MORE;
    }
    switch (key.unicode) {
    case '\r':
    case '\n':
        move(e, e->length);
        print(e, "\r\n");
        if (e->history)
            keep(e);
        return LINE_DONE;
    case CONTROL('C'):
        move(e, e->length);
        print(e, "^C\r\n");
        return LINE_CANCEL;
    case '\t':
        return LINE_TAB;
    }
    if (key.unicode < ' ')
        control_key(e, key.unicode);
    else
        type(e, key.unicode);
    return LINE_MORE;
}
