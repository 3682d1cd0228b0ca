/* What the maintenance manager's files share: screens on a stack, questions. Private to maint*.c.
 *
 * A screen is a table of functions. Answers to questions come to a function, too: nothing waits.
 */
#ifndef KITTSON_EFI_MAINT_IMPL_H
#define KITTSON_EFI_MAINT_IMPL_H

#include "filesystem.h"
#include "maint.h"
#include "menu.h"

#define MAINT_TITLE  "EFI Boot Maintenance Manager ver 1.10 [14.62]"
#define SCREEN_DEPTH 8

/* Items that are no entry of a list; entries have their index as id. */
enum {
    ITEM_EXIT = 0x1000000,
    ITEM_SAVE,
    ITEM_HELP,
    ITEM_ALL,
    ITEM_RESET,
    ITEM_SHELL,
    ITEM_LEGACY,
    ITEM_PARENT,
};

struct screen {
    const char *subtitle, *help;
    void (*enter)(struct maint *m); /* on opening; NULL: nothing to do */
    void (*fill)(struct maint *m);  /* items, and footer */
    void (*chosen)(struct maint *m, int id);
    bool (*key)(struct maint *m, const struct key *key); /* own keys; false: not one of them */
    uint64_t (*save)(struct maint *m); /* changes are kept until this; NULL: none are */
};

struct maint_volume {
    uint64_t handle;
    bool file_system; /* can be browsed */
    struct devpath path;
    char *text;
};

typedef void maint_answer(struct maint *m, const char *text);

struct maint {
    struct boot *b;
    const struct screen *stack[SCREEN_DEPTH];
    unsigned selected[SCREEN_DEPTH];
    unsigned depth;
    struct menu menu;
    char status[80]; /* shown when the screen is drawn next */
    /* the question that is being asked */
    struct menu_input input;
    maint_answer *answer;
    unsigned row;
    const char *prompt;
    /* options being changed */
    GPtrArray *options, *deleted;
    bool changed;
    int next;
    /* volumes and files */
    bool adding;
    GPtrArray *volumes; /* struct maint_volume */
    unsigned volume;
    GString *directory; /* UCS-2 path, without NUL */
    GArray *files;      /* struct fs_info */
    /* console devices */
    unsigned console;
    GPtrArray *devices; /* struct console_device */
    /* result */
    struct bootopt *chosen;
    enum maint_event event;
};

/* maint.c */
void maint_open(struct maint *m, const struct screen *s);
/* Back by one screen, or out of the maintenance manager. */
void maint_close(struct maint *m);
/* Back to the main menu. */
void maint_home(struct maint *m);
/* As maint_close(), after asking whether changes are to be saved. */
void maint_leave(struct maint *m);
void maint_redraw(struct maint *m);
/* A message on the current screen. */
void maint_say(struct maint *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The status of a change to variables, for the user. */
void maint_say_status(struct maint *m, uint64_t status, const char *done);
/* Clears the screen for questions, which follow each other downwards. */
void maint_form(struct maint *m, const char *subtitle);
void maint_form_text(struct maint *m, const char *text);
/* The answer is NULL after escape. */
void maint_ask(struct maint *m, const char *prompt, unsigned max, maint_answer *answer);
/* Asks again, the same. */
void maint_ask_again(struct maint *m, maint_answer *answer);
/* Saves the current screen's changes. */
void maint_save(struct maint *m);

/* maint_volumes.c: opens the list of volumes; ends in maint_picked(). */
void maint_pick(struct maint *m, bool adding);
void maint_volumes_free(struct maint *m);

/* maint_options.c */
extern const struct screen maint_delete_screen, maint_order_screen, maint_next_screen,
    maint_timeout_screen;
/* The path a user has chosen: starts it, or asks what a new option needs. */
void maint_picked(struct maint *m, const char *text, const struct devpath *path);

/* maint_console.c */
extern const struct screen maint_console_screens[3];

#endif
