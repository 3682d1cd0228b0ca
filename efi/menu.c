/* See menu.h. */
#include "menu.h"

#include <stdarg.h>
#include <stdio.h>
#include "keys.h"

#define FIRST_ROW   4
#define LIST_ROWS   14
#define WIDTH       79 /* the last column stays free: writing it moves the cursor */
#define INDENT      4
#define ITEM        74 /* columns of an item's text */
#define SHORT_INPUT 20 /* columns that must be left behind a prompt */
#define NORMAL      0x07
#define REVERSED    0x70
#define REDRAW      ('L' & 31)

static struct menu_item *item(const struct menu *m, unsigned n)
{
    return &g_array_index(m->items, struct menu_item, n);
}

static void free_item(gpointer p)
{
    g_free(((struct menu_item *)p)->text);
}

void menu_clear(struct menu *m)
{
    if (!m->items) {
        m->items = g_array_new(FALSE, TRUE, sizeof(struct menu_item));
        g_array_set_clear_func(m->items, free_item);
    }
    g_array_set_size(m->items, 0);
    m->gap = false;
    m->footer[0][0] = m->footer[1][0] = '\0';
}

void menu_free(struct menu *m)
{
    if (m->items)
        g_array_unref(m->items);
    m->items = NULL;
}

void menu_gap(struct menu *m)
{
    m->gap = true;
}

void menu_add(struct menu *m, int id, const char *fmt, ...)
{
    struct menu_item i = {.id = id, .gap = m->gap};
    va_list ap;

    va_start(ap, fmt);
    i.text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_array_append_val(m->items, i);
    m->gap = false;
}

int menu_selected(const struct menu *m)
{
    return m->selected < m->items->len ? item(m, m->selected)->id : -1;
}

/* --- layout --- */

/* Long menus scroll, and have no empty lines then. */
static bool scrolls(const struct menu *m)
{
    unsigned lines = m->items->len;

    for (unsigned i = 0; i < m->items->len; i++)
        lines += item(m, i)->gap;
    return lines > LIST_ROWS;
}

/* Row of an item, or of the first free one for the number behind the last. */
static unsigned row_of(const struct menu *m, unsigned n)
{
    unsigned row = FIRST_ROW;

    if (scrolls(m))
        return FIRST_ROW + MIN(n - m->top, LIST_ROWS);
    for (unsigned i = 0; i < n; i++)
        row += 1 + (i < m->items->len && item(m, i)->gap);
    return row + (n < m->items->len && item(m, n)->gap);
}

static unsigned help_row(const struct menu *m)
{
    return row_of(m, m->items->len) + 1;
}

static void put_row(struct boot *b, unsigned row, const char *text)
{
    char line[WIDTH + 1];

    snprintf(line, sizeof(line), "%-*s", WIDTH - 1, text);
    console_cursor(b, 0, row);
    console_puts(b, line);
}

static void put_item(struct boot *b, const struct menu *m, unsigned n)
{
    char text[ITEM + 1];

    snprintf(text, sizeof(text), "%-*s", ITEM, item(m, n)->text);
    console_cursor(b, INDENT, row_of(m, n));
    console_attribute(b, n == m->selected ? REVERSED : NORMAL);
    console_puts(b, text);
    console_attribute(b, NORMAL);
}

static void put_items(struct boot *b, const struct menu *m)
{
    unsigned last = scrolls(m) ? MIN(m->top + LIST_ROWS, m->items->len) : m->items->len;

    for (unsigned i = m->top; i < last; i++)
        put_item(b, m, i);
}

/* Brings the selection into the list and the list's part into view. */
static void settle(struct menu *m)
{
    unsigned last = m->items->len ? m->items->len - 1 : 0;

    m->selected = MIN(m->selected, last);
    if (!scrolls(m))
        m->top = 0;
    else if (m->selected < m->top)
        m->top = m->selected;
    else if (m->selected >= m->top + LIST_ROWS)
        m->top = m->selected - LIST_ROWS + 1;
    if (scrolls(m))
        m->top = MIN(m->top, m->items->len - LIST_ROWS);
}

void menu_draw(struct boot *b, struct menu *m)
{
    settle(m);
    console_attribute(b, NORMAL);
    console_clear(b);
    console_puts(b, m->title);
    if (m->subtitle)
        put_row(b, 2, m->subtitle);
    put_items(b, m);
    if (m->help) {
        console_cursor(b, INDENT, help_row(m));
        console_puts(b, m->help);
    }
    for (unsigned i = 0; i < 2; i++)
        if (m->footer[i][0])
            put_row(b, help_row(m) + 2 + i, m->footer[i]);
    menu_leave(b, m);
}

void menu_status(struct boot *b, const struct menu *m, const char *text)
{
    char line[WIDTH + 1];

    snprintf(line, sizeof(line), "%*s%s", INDENT, "", text);
    put_row(b, help_row(m) + 1, line);
    menu_leave(b, m);
}

void menu_leave(struct boot *b, const struct menu *m)
{
    unsigned row = help_row(m) + 2;

    for (unsigned i = 0; i < 2; i++)
        row += m->footer[i][0] != '\0';
    console_cursor(b, 0, row);
}

/* --- keys --- */

static void select_item(struct boot *b, struct menu *m, int64_t to)
{
    unsigned from = m->selected, top = m->top;
    int64_t last = (int64_t)m->items->len - 1;

    m->selected = (unsigned)CLAMP(to, 0, MAX(last, 0));
    settle(m);
    if (m->selected == from)
        return;
    if (m->top != top) {
        put_items(b, m);
    } else {
        put_item(b, m, from);
        put_item(b, m, m->selected);
    }
    menu_leave(b, m);
}

/* How far a key moves the selection; 0: it does not. */
static int distance(const struct menu *m, const struct key *key)
{
    int all = (int)m->items->len;

    switch (key->scan) {
    case SCAN_UP:
        return -1;
    case SCAN_DOWN:
        return 1;
    case SCAN_PAGE_UP:
        return -LIST_ROWS;
    case SCAN_PAGE_DOWN:
        return LIST_ROWS;
    case SCAN_HOME:
        return -all;
    case SCAN_END:
        return all;
    default:
        return key->unicode == '^' ? -1 : key->unicode == 'v' || key->unicode == 'V' ? 1 : 0;
    }
}

enum menu_event menu_key(struct boot *b, struct menu *m, const struct key *key)
{
    int by = distance(m, key);

    if (by)
        select_item(b, m, (int64_t)m->selected + by);
    else if (key->unicode == REDRAW)
        menu_draw(b, m);
    else if (key->unicode == '\r' && m->items->len)
        return MENU_CHOSEN;
    else if (key->scan == SCAN_ESC)
        return MENU_BACK;
    return MENU_NOTHING;
}

/* --- lines of input --- */

void input_begin(struct boot *b, struct menu_input *in, unsigned row, const char *prompt,
                 unsigned max)
{
    put_row(b, row, prompt);
    in->length = 0;
    in->text[0] = '\0';
    in->max = MIN(max, MENU_INPUT_MAX);
    in->column = (unsigned)strlen(prompt) + 1;
    in->row = row;
    if (in->column + MIN(in->max, SHORT_INPUT) >= WIDTH) {
        in->column = 0;
        in->row++;
    }
    console_cursor(b, in->column, in->row);
}

/* The end of a text that is longer than the row. */
static void show_input(struct boot *b, const struct menu_input *in)
{
    unsigned room = WIDTH - 1 - in->column, from = in->length > room ? in->length - room : 0;
    char text[WIDTH + 1];

    snprintf(text, sizeof(text), "%-*s", (int)room, in->text + from);
    console_cursor(b, in->column, in->row);
    console_puts(b, text);
    console_cursor(b, in->column + in->length - from, in->row);
}

static void type(struct boot *b, struct menu_input *in, char c)
{
    char text[2] = {c, '\0'};

    if (in->length == in->max)
        return;
    in->text[in->length++] = c;
    in->text[in->length] = '\0';
    if (in->column + in->length < WIDTH)
        console_puts(b, text);
    else
        show_input(b, in);
}

static void rub_out(struct boot *b, struct menu_input *in)
{
    if (!in->length)
        return;
    in->text[--in->length] = '\0';
    show_input(b, in);
}

enum input_event input_key(struct boot *b, struct menu_input *in, const struct key *key)
{
    if (key->unicode == '\r')
        return INPUT_DONE;
    if (key->scan == SCAN_ESC)
        return INPUT_CANCEL;
    if (key->unicode == '\b')
        rub_out(b, in);
    else if (key->unicode >= ' ' && key->unicode < 0x7f)
        type(b, in, (char)key->unicode);
    return INPUT_MORE;
}
