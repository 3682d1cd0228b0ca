/* Menus, messages and lines of input on the console: 80 columns, and the upper 24 of 25 rows, so
 * that a smaller terminal does not scroll. Private to efi/.
 *
 * Everything is drawn at absolute positions; Ctrl-L draws a menu again. Knows no boot option.
 */
#ifndef KITTSON_EFI_MENU_H
#define KITTSON_EFI_MENU_H

#include "boot.h"

#define MENU_INPUT_MAX 240 /* characters of a line of input */
#define MENU_HELP      "Use ^ and v to change option(s). Use Enter to select an option"

struct menu_item {
    char *text;
    int id;
    bool gap; /* an empty line above */
};

struct menu {
    const char *title, *subtitle, *help; /* not copied; subtitle and help may be NULL */
    GArray *items;                       /* struct menu_item */
    unsigned selected;
    unsigned top; /* first item on the screen */
    bool gap;     /* of the next item */
    char footer[2][112];
};

enum menu_event { MENU_NOTHING, MENU_CHOSEN, MENU_BACK };

/* Makes it empty; the selection stays when there are as many items later. */
void menu_clear(struct menu *m);
void menu_free(struct menu *m);
void menu_gap(struct menu *m);
void menu_add(struct menu *m, int id, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void menu_draw(struct boot *b, struct menu *m);
/* A line below the menu: count-down, errors. */
void menu_status(struct boot *b, const struct menu *m, const char *text);
/* The cursor below everything that is drawn. */
void menu_leave(struct boot *b, const struct menu *m);
/* Moves the selection. MENU_CHOSEN: Enter on the selected item. MENU_BACK: escape. */
enum menu_event menu_key(struct boot *b, struct menu *m, const struct key *key);
/* Its id, or -1. */
int menu_selected(const struct menu *m);

/* A line being typed. */
struct menu_input {
    char text[MENU_INPUT_MAX + 1];
    unsigned length, max;
    unsigned column, row; /* of the first character */
};

enum input_event { INPUT_MORE, INPUT_DONE, INPUT_CANCEL };

/* Shows the prompt in a row and takes at most max characters behind it, or in the next row when
 * there is little room. */
void input_begin(struct boot *b, struct menu_input *in, unsigned row, const char *prompt,
                 unsigned max);
enum input_event input_key(struct boot *b, struct menu_input *in, const struct key *key);

#endif
