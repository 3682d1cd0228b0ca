/* See maint.h: the main menu, and how screens and questions follow each other. */
#include "maint_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include "keys.h"
#include "runtime.h"

#define FORM_ROW     4
#define QUESTION_ROW 23
#define COLUMNS      80

/* --- screens --- */

static const struct screen *current(const struct maint *m)
{
    return m->stack[m->depth - 1];
}

void maint_redraw(struct maint *m)
{
    const struct screen *s = current(m);

    menu_clear(&m->menu);
    m->menu.title = MAINT_TITLE;
    m->menu.subtitle = s->subtitle;
    m->menu.help = s->help;
    s->fill(m);
    menu_draw(m->b, &m->menu);
    if (m->status[0])
        menu_status(m->b, &m->menu, m->status);
    m->status[0] = '\0';
}

void maint_open(struct maint *m, const struct screen *s)
{
    if (m->depth == SCREEN_DEPTH)
        return;
    if (m->depth)
        m->selected[m->depth - 1] = m->menu.selected;
    m->stack[m->depth++] = s;
    m->menu.selected = 0;
    m->changed = false;
    if (s->enter)
        s->enter(m);
    maint_redraw(m);
}

void maint_close(struct maint *m)
{
    m->changed = false;
    if (--m->depth == 0) {
        m->event = MAINT_LEAVE;
        return;
    }
    m->menu.selected = m->selected[m->depth - 1];
    maint_redraw(m);
}

void maint_home(struct maint *m)
{
    m->depth = 1;
    m->menu.selected = m->selected[0];
    maint_redraw(m);
}

void maint_say(struct maint *m, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(m->status, sizeof(m->status), fmt, ap);
    va_end(ap);
}

static const char *status_text(uint64_t status)
{
    switch (status) {
    case EFI_OUT_OF_RESOURCES:
        return "Out of Resources (NVRAM is full)";
    case EFI_WRITE_PROTECTED:
        return "Write Protected";
    default:
        return "Device Error";
    }
}

void maint_say_status(struct maint *m, uint64_t status, const char *done)
{
    if (status == EFI_SUCCESS)
        maint_say(m, "%s", done);
    else
        maint_say(m, "Not saved: %s", status_text(status));
}

/* --- questions --- */

void maint_form(struct maint *m, const char *subtitle)
{
    console_clear(m->b);
    console_puts(m->b, MAINT_TITLE);
    console_cursor(m->b, 0, 2);
    console_puts(m->b, subtitle);
    m->row = FORM_ROW;
}

void maint_form_text(struct maint *m, const char *text)
{
    char *cut = g_strndup(text, 8 * COLUMNS);

    console_cursor(m->b, 0, m->row);
    console_puts(m->b, cut);
    m->row += 2 + (unsigned)strlen(cut) / COLUMNS;
    g_free(cut);
}

void maint_ask(struct maint *m, const char *prompt, unsigned max, maint_answer *answer)
{
    m->prompt = prompt;
    m->answer = answer;
    input_begin(m->b, &m->input, MIN(m->row, QUESTION_ROW), prompt, max);
    m->row += 2;
}

void maint_ask_again(struct maint *m, maint_answer *answer)
{
    m->row -= 2;
    maint_ask(m, m->prompt, m->input.max, answer);
}

static void answer_key(struct maint *m, const struct key *key)
{
    maint_answer *answer = m->answer;
    enum input_event e = input_key(m->b, &m->input, key);
    char text[MENU_INPUT_MAX + 1];

    if (e == INPUT_MORE)
        return;
    m->answer = NULL;
    memcpy(text, m->input.text, sizeof(text));
    answer(m, e == INPUT_DONE ? text : NULL);
}

/* --- saving --- */

void maint_save(struct maint *m)
{
    uint64_t status = current(m)->save(m);

    if (status == EFI_SUCCESS)
        m->changed = false;
    maint_say_status(m, status, "Settings are saved to NVRAM.");
}

static void save_or_not(struct maint *m, const char *text)
{
    char c = text ? (char)g_ascii_toupper(text[0]) : '\0';

    if (text && c != 'Y' && c != 'N') {
        maint_ask_again(m, save_or_not);
        return;
    }
    if (c == 'Y')
        maint_save(m);
    if (c == 'N' || (c == 'Y' && !m->changed))
        maint_close(m);
    else
        maint_redraw(m);
}

void maint_leave(struct maint *m)
{
    if (!m->changed) {
        maint_close(m);
        return;
    }
    m->row = QUESTION_ROW;
    maint_ask(m, "Save changes to NVRAM [Y-Yes N-No]:", 1, save_or_not);
}

/* --- the main menu --- */

enum {
    MAIN_BOOT_FILE,
    MAIN_ADD,
    MAIN_DELETE,
    MAIN_ORDER,
    MAIN_NEXT,
    MAIN_TIMEOUT,
    MAIN_CONSOLE_OUT,
    MAIN_CONSOLE_IN,
    MAIN_ERROR,
    MAIN_RESET,
};

static void put_footer(struct maint *m)
{
    const uint8_t *u = m->b->fw->cfg.uuid;
    int timeout = boot_variable16(m->b, "Timeout");

    snprintf(m->menu.footer[0], sizeof(m->menu.footer[0]),
             "    Timeout-->[%d] sec SystemGuid-->[%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-"
             "%02X%02X%02X%02X%02X%02X]",
             timeout < 0 ? (int)BOOT_TIMEOUT : timeout, u[0], u[1], u[2], u[3], u[4], u[5], u[6],
             u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
    snprintf(m->menu.footer[1], sizeof(m->menu.footer[1]), "    SerialNumber-->[%-20s]",
             m->b->fw->serial);
}

static void main_fill(struct maint *m)
{
    struct menu *n = &m->menu;

    menu_add(n, MAIN_BOOT_FILE, "Boot from a File");
    menu_add(n, MAIN_ADD, "Add a Boot Option");
    menu_add(n, MAIN_DELETE, "Delete Boot Option(s)");
    menu_add(n, MAIN_ORDER, "Change Boot Order");
    menu_gap(n);
    menu_add(n, MAIN_NEXT, "Manage BootNext setting");
    menu_add(n, MAIN_TIMEOUT, "Set Auto Boot TimeOut");
    menu_gap(n);
    menu_add(n, MAIN_CONSOLE_OUT, "Select Active Console Output Devices");
    menu_add(n, MAIN_CONSOLE_IN, "Select Active Console Input Devices");
    menu_add(n, MAIN_ERROR, "Select Active Standard Error Devices");
    menu_gap(n);
    menu_add(n, MAIN_RESET, "Cold Reset");
    menu_add(n, ITEM_EXIT, "Exit");
    put_footer(m);
}

static void main_chosen(struct maint *m, int id)
{
    static const struct screen *const screens[] = {
        [MAIN_DELETE] = &maint_delete_screen,
        [MAIN_ORDER] = &maint_order_screen,
        [MAIN_NEXT] = &maint_next_screen,
        [MAIN_TIMEOUT] = &maint_timeout_screen,
        [MAIN_CONSOLE_OUT] = &maint_console_screens[0],
        [MAIN_CONSOLE_IN] = &maint_console_screens[1],
        [MAIN_ERROR] = &maint_console_screens[2],
    };

    if (id == ITEM_EXIT) {
        maint_close(m);
    } else if (id == MAIN_BOOT_FILE || id == MAIN_ADD) {
        maint_pick(m, id == MAIN_ADD);
    } else if (id == MAIN_RESET) {
        menu_leave(m->b, &m->menu);
        runtime_reset(m->b->fw, m->b->c, RESET_COLD);
    } else {
        m->console = (unsigned)(id - MAIN_CONSOLE_OUT);
        maint_open(m, screens[id]);
    }
}

static const struct screen main_screen = {
    .subtitle = "Main Menu. Select an Operation",
    .fill = main_fill,
    .chosen = main_chosen,
};

/* --- outside --- */

struct maint *maint_new(struct boot *b)
{
    struct maint *m = g_new0(struct maint, 1);

    m->b = b;
    m->directory = g_string_new(NULL);
    maint_open(m, &main_screen);
    return m;
}

void maint_free(struct maint *m)
{
    if (!m)
        return;
    menu_free(&m->menu);
    maint_volumes_free(m);
    g_string_free(m->directory, TRUE);
    if (m->options)
        g_ptr_array_unref(m->options);
    if (m->deleted)
        g_ptr_array_unref(m->deleted);
    if (m->devices)
        g_ptr_array_unref(m->devices);
    bootopt_free(m->chosen);
    g_free(m);
}

enum maint_event maint_key(struct maint *m, const struct key *key)
{
    const struct screen *s = current(m);

    m->event = MAINT_STAY;
    if (m->answer) {
        answer_key(m, key);
        return m->event;
    }
    if (s->key && s->key(m, key))
        return m->event;
    switch (menu_key(m->b, &m->menu, key)) {
    case MENU_CHOSEN:
        s->chosen(m, menu_selected(&m->menu));
        break;
    case MENU_BACK:
        maint_leave(m);
        break;
    default:
        break;
    }
    return m->event;
}

struct bootopt *maint_chosen(struct maint *m)
{
    return g_steal_pointer(&m->chosen);
}
