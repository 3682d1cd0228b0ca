/* Line editing of the EFI shell: insertion and overwriting, cursor keys, history.
 *
 * Knows keys and a terminal that can print and move its cursor; where keys come from is the
 * caller's business. Also edits what a command asks for.
 */
#ifndef KITTSON_EFI_SHELL_LINE_H
#define KITTSON_EFI_SHELL_LINE_H

#include "boot.h"

#define LINE_TYPED_MAX   4096 /* characters of a line; more are refused with a bell */
#define LINE_HISTORY_MAX 100

struct line_terminal {
    void *opaque;
    void (*text)(void *opaque, const char *utf8);
    /* Moves the cursor by a number of character cells, over the ends of rows. */
    void (*move)(void *opaque, int cells);
};

enum line_result {
    LINE_MORE,
    LINE_DONE,   /* Enter: the text is complete */
    LINE_CANCEL, /* Control-C */
    LINE_TAB,    /* nothing has changed; the caller may insert something */
};

struct line_editor;

struct line_editor *line_new(const struct line_terminal *terminal);
void line_free(struct line_editor *e);
/* Begins an empty line behind a prompt. history: up and down work, and the line is kept. */
void line_begin(struct line_editor *e, const char *prompt, bool history);
enum line_result line_key(struct line_editor *e, struct key key);
/* The text before the cursor, and the whole text; g_free. */
char *line_before(const struct line_editor *e);
char *line_text(const struct line_editor *e);
void line_insert(struct line_editor *e, const char *utf8);
/* Prints prompt and text again, after something else was printed. */
void line_redraw(struct line_editor *e);
/* The n-th last line, 0 the latest; NULL. */
const char *line_history(const struct line_editor *e, unsigned n);

#endif
