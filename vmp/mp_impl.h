/* Private to vmp/mp*.c: a session's state and what the commands need of it. */
#ifndef KITTSON_VMP_MP_IMPL_H
#define KITTSON_VMP_MP_IMPL_H

#include "mp.h"

enum mp_menu { MENU_MAIN, MENU_COMMANDS, MENU_MACHINE, MENU_HELP };

struct mp;
/* Takes the answer to a question; asks again or ends the dialogue. */
typedef void mp_answer(struct mp *m, const char *line);

struct mp {
    struct mp_config config;
    char name[MP_NAME_MAX + 1];
    const struct mp_ops *ops;
    void *opaque;
    GString *out;

    char line[MP_LINE_MAX + 1];
    size_t length;
    uint8_t last;   /* byte before, to see CR LF */
    uint8_t escape; /* inside an escape sequence */

    enum mp_menu menu, help_from;
    bool console, waiting, finished, login;
    bool left_console; /* the last key was the attention character in the console */
    unsigned claim;    /* keys seen of Ctrl-E c f */
    mp_answer *answer; /* of the open question */
    const char *question;
    GByteArray *queue; /* typed while waiting */
    unsigned failures;

    struct mp_request request; /* of the dialogue or action under way */
    GArray *drives;            /* struct mp_drive: the items of the list shown */
    GPtrArray *media;
    bool no_input; /* -nc */
};

struct mp_arguments {
    GPtrArray *words; /* without -nc and -f */
    bool no_input, force;
};

struct mp_command {
    const char *name; /* its capitals are the shortest form */
    const char *title;
    void (*run)(struct mp *m, const struct mp_arguments *a);
    const char *help;
    unsigned menus; /* bit per enum mp_menu that lists it */
    bool admin;
};

/* All commands; ends with a NULL name. */
extern const struct mp_command mp_commands[];
const struct mp_command *mp_find(const char *word);
size_t mp_shortest(const char *name);
/* word is name or an abbreviation of it that is long enough, in any case. */
bool mp_matches(const char *name, const char *word);

void mp_printf(struct mp *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void mp_fail(struct mp *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void mp_ask(struct mp *m, const char *question, mp_answer *answer);
void mp_cancelled(struct mp *m);
bool mp_quits(const char *line); /* Q */
/* A copy of text from outside with its control characters made harmless. */
char *mp_shown(const char *text);
/* Does m->request and says how it went. */
void mp_act(struct mp *m);

void mp_show_menu(struct mp *m, enum mp_menu menu);
void mp_enter_console(struct mp *m);

/* mp_help.c */
void mp_help_screen(struct mp *m);
void mp_help_line(struct mp *m, const char *line);
bool mp_help_about(struct mp *m, const char *word);
void mp_cmd_help(struct mp *m, const struct mp_arguments *a);

/* mp_media.c */
void mp_cmd_eject(struct mp *m, const struct mp_arguments *a);
void mp_cmd_insert(struct mp *m, const struct mp_arguments *a);

/* mp_power.c */
void mp_cmd_power(struct mp *m, const struct mp_arguments *a);
void mp_cmd_reset(struct mp *m, const struct mp_arguments *a);
void mp_cmd_transfer(struct mp *m, const struct mp_arguments *a);

/* mp_show.c */
void mp_cmd_console_log(struct mp *m, const struct mp_arguments *a);
void mp_cmd_event_logs(struct mp *m, const struct mp_arguments *a);
void mp_cmd_record(struct mp *m, const struct mp_arguments *a);
void mp_cmd_status(struct mp *m, const struct mp_arguments *a);
void mp_cmd_devices(struct mp *m, const struct mp_arguments *a);
void mp_cmd_identity(struct mp *m, const struct mp_arguments *a);
void mp_cmd_who(struct mp *m, const struct mp_arguments *a);
void mp_cmd_say(struct mp *m, const struct mp_arguments *a);

#endif
