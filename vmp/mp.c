/* Sessions of the virtual console: keys, lines, menus, the guest's console. See mp.h. */
#include "mp_impl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BELL = 7, BACKSPACE = 8, CTRL_C = 3, CTRL_E = 5, CTRL_U = 21, ESCAPE = 27, DELETE = 127 };
enum { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_CSI, ESCAPE_ONE };

struct mp *mp_new(const struct mp_config *c, const struct mp_ops *ops, void *opaque)
{
    struct mp *m = g_new0(struct mp, 1);
    m->config = *c;
    g_strlcpy(m->name, c->name, sizeof m->name);
    m->config.name = m->name;
    m->ops = ops;
    m->opaque = opaque;
    m->out = g_string_new(NULL);
    m->queue = g_byte_array_new();
    m->drives = g_array_new(FALSE, TRUE, sizeof(struct mp_drive));
    m->media = g_ptr_array_new_with_free_func(g_free);
    return m;
}

void mp_free(struct mp *m)
{
    if (m == NULL)
        return;
    if (m->console)
        m->ops->detach(m->opaque);
    g_string_free(m->out, TRUE);
    g_byte_array_free(m->queue, TRUE);
    g_array_free(m->drives, TRUE);
    g_ptr_array_free(m->media, TRUE);
    g_free(m);
}

GString *mp_output(struct mp *m)
{
    return m->out;
}

bool mp_finished(const struct mp *m)
{
    return m->finished;
}

bool mp_in_console(const struct mp *m)
{
    return m->console;
}

bool mp_waiting(const struct mp *m)
{
    return m->waiting;
}

bool mp_typing(const struct mp *m)
{
    return !m->console && m->length > 0;
}

bool mp_asking(const struct mp *m)
{
    return m->answer != NULL;
}

unsigned mp_failures(const struct mp *m)
{
    return m->failures;
}

/* Output */

void mp_print(struct mp *m, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n' && m->config.crlf)
            g_string_append_c(m->out, '\r');
        g_string_append_c(m->out, *text);
    }
}

void mp_printf(struct mp *m, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    mp_print(m, text);
}

void mp_fail(struct mp *m, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    m->failures++;
    mp_printf(m, "-> %s\n", text);
}

static void echo(struct mp *m, const char *text)
{
    if (!m->config.quiet)
        mp_print(m, text);
}

static void prompt(struct mp *m)
{
    static const char *const suffixes[] = {"", ":CM", ":VM", ":HE"};
    if (m->answer != NULL)
        mp_print(m, m->question);
    else if (!m->config.quiet && !m->finished && !m->console && !m->waiting)
        mp_printf(m, "[%s] vMP%s> ", m->name, suffixes[m->menu]);
}

void mp_notice(struct mp *m, const char *text)
{
    bool editing = !m->console && !m->waiting;
    mp_printf(m, "\n[%s]\n", text);
    if (!editing)
        return;
    prompt(m);
    echo(m, m->line);
}

static const char main_menu[] = "\n"
                                "   %sMP MAIN MENU\n"
                                "\n"
                                "         CO: Console\n"
                                "         CM: Command Menu\n"
                                "         CL: Console Log\n"
                                "         SL: Show Event Logs\n"
                                "         VM: Virtual Machine Menu\n"
                                "         HE: Main Help Menu\n"
                                "         X: Exit Connection\n"
                                "\n";

static void submenu(struct mp *m, const char *title, enum mp_menu menu)
{
    mp_printf(m, "\n   vMP %s\n\n", title);
    for (const struct mp_command *c = mp_commands; c->name != NULL; c++)
        if (c->menus & 1u << menu && (!c->admin || m->config.role == MP_ADMIN))
            mp_printf(m, "         %.*s: %s\n", (int)mp_shortest(c->name), c->name, c->title);
    mp_print(m, "\n");
}

void mp_show_menu(struct mp *m, enum mp_menu menu)
{
    m->menu = menu;
    if (m->config.quiet)
        return;
    if (menu == MENU_MAIN)
        mp_printf(m, main_menu, m->login ? "" : "v");
    else
        submenu(m, menu == MENU_COMMANDS ? "COMMAND MENU" : "VIRTUAL MACHINE MENU", menu);
}

/* Dialogues */

void mp_ask(struct mp *m, const char *question, mp_answer *answer)
{
    m->question = question;
    m->answer = answer;
}

static void end_dialogue(struct mp *m)
{
    m->answer = NULL;
}

void mp_cancelled(struct mp *m)
{
    end_dialogue(m);
    mp_fail(m, "Command cancelled.");
}

bool mp_quits(const char *line)
{
    return g_ascii_strcasecmp(line, "q") == 0 || g_ascii_strcasecmp(line, "quit") == 0;
}

/* Commands */

size_t mp_shortest(const char *name)
{
    size_t shortest = 0;
    while (g_ascii_isupper(name[shortest]))
        shortest++;
    return shortest;
}

bool mp_matches(const char *name, const char *word)
{
    size_t length = strlen(word);
    return length >= mp_shortest(name) && length <= strlen(name) &&
           g_ascii_strncasecmp(name, word, length) == 0;
}

const struct mp_command *mp_find(const char *word)
{
    for (const struct mp_command *c = mp_commands; c->name != NULL; c++)
        if (mp_matches(c->name, word))
            return c;
    return NULL;
}

static void run_command(struct mp *m, const char *line)
{
    g_auto(GStrv) words = g_strsplit_set(line, " \t", -1);
    struct mp_arguments a = {.words = g_ptr_array_new()};
    const char *name = NULL;
    for (guint i = 0; words[i] != NULL; i++) {
        if (words[i][0] == '\0')
            continue;
        if (name == NULL)
            name = words[i];
        else if (g_ascii_strcasecmp(words[i], "-nc") == 0)
            a.no_input = true;
        else if (g_ascii_strcasecmp(words[i], "-force") == 0)
            a.force = true;
        else
            g_ptr_array_add(a.words, words[i]);
    }
    const struct mp_command *c = name != NULL ? mp_find(name) : NULL;
    if (c != NULL && c->admin && m->config.role != MP_ADMIN)
        mp_fail(m, "Permission denied: administrators only.");
    else if (c != NULL)
        c->run(m, &a);
    else if (name != NULL)
        mp_fail(m, "Unknown command '%.40s'. Enter HE for help.", name);
    g_ptr_array_free(a.words, TRUE);
}

static void run_line(struct mp *m)
{
    g_autofree char *line = g_strstrip(g_strdup(m->line));
    mp_answer *answer = m->answer;
    m->length = 0;
    m->line[0] = '\0';
    if (answer != NULL) {
        end_dialogue(m);
        answer(m, line);
    } else if (m->menu == MENU_HELP) {
        mp_help_line(m, line);
    } else {
        run_command(m, line);
    }
    prompt(m);
}

void mp_command(struct mp *m, const char *line)
{
    if (line[0] == '\0' || m->finished || m->waiting || m->console)
        return;
    m->length = 0;
    for (; *line != '\0' && m->length < MP_LINE_MAX; line++)
        if ((unsigned char)*line >= ' ' && *line != DELETE)
            m->line[m->length++] = *line;
    m->line[m->length] = '\0';
    if (m->answer != NULL) {
        mp_printf(m, "%s\n", m->line);
    } else {
        echo(m, m->line);
        echo(m, "\n");
    }
    run_line(m);
}

static void run_queue(struct mp *m)
{
    GByteArray *queue = m->queue;
    m->queue = g_byte_array_new();
    mp_input(m, queue->data, queue->len);
    g_byte_array_free(queue, TRUE);
}

/* Media changes say nothing when all went well. */
static void finish_action(struct mp *m, int status, const char *why)
{
    enum mp_action action = m->request.action;
    bool brief = action == MP_EJECT || action == MP_INSERT || action == MP_SAY;
    const char *blank = brief ? "" : "\n";
    m->waiting = false;
    if (status != 0) {
        mp_print(m, blank);
        mp_fail(m, "Command failed: %s", *why != '\0' ? why : g_strerror(-status));
        mp_print(m, blank);
    } else if (!brief) {
        mp_print(m, "\n-> Command successful.\n\n");
    }
}

void mp_act(struct mp *m)
{
    char why[300] = "";
    m->waiting = true;
    int status = m->ops->act(m->opaque, &m->request, why, sizeof why);
    if (status != -EINPROGRESS)
        finish_action(m, status, why);
}

void mp_done(struct mp *m, int status, const char *why)
{
    if (!m->waiting)
        return;
    finish_action(m, status, why != NULL ? why : "");
    prompt(m);
    run_queue(m);
}

/* Keys */

static void erase(struct mp *m)
{
    if (m->length == 0)
        return;
    m->line[--m->length] = '\0';
    echo(m, "\b \b");
}

static void insert(struct mp *m, uint8_t byte)
{
    char text[2] = {(char)byte, '\0'};
    if (m->length == MP_LINE_MAX) {
        text[0] = BELL;
    } else {
        m->line[m->length++] = (char)byte;
        m->line[m->length] = '\0';
    }
    echo(m, text);
}

/* Back to a prompt, whatever was going on. */
static void interrupt(struct mp *m)
{
    bool asked = m->answer != NULL;
    m->length = 0;
    m->line[0] = '\0';
    end_dialogue(m);
    echo(m, "^C\n");
    if (asked)
        mp_fail(m, "Command cancelled.");
    prompt(m);
}

static void enter(struct mp *m)
{
    if (m->answer != NULL)
        mp_print(m, "\n");
    else
        echo(m, "\n");
    run_line(m);
}

/* Terminals answer the guest's questions with such sequences: they are no commands. */
static bool in_escape(struct mp *m, uint8_t byte)
{
    if (m->escape == ESCAPE_NONE) {
        m->escape = byte == ESCAPE ? ESCAPE_BEGUN : ESCAPE_NONE;
        return byte == ESCAPE;
    }
    if (byte == '\r' || byte == '\n' || byte == CTRL_C || byte == m->config.attention) {
        m->escape = ESCAPE_NONE;
        return false;
    }
    if (m->escape == ESCAPE_BEGUN)
        m->escape = byte == '[' ? ESCAPE_CSI : byte == 'O' ? ESCAPE_ONE : ESCAPE_NONE;
    else if (m->escape == ESCAPE_ONE || (byte >= 0x40 && byte <= 0x7e))
        m->escape = ESCAPE_NONE;
    return true;
}

static void attention_in_menu(struct mp *m, bool twice)
{
    m->length = 0;
    m->line[0] = '\0';
    end_dialogue(m);
    if (m->config.scripted) {
        m->finished = true;
        return;
    }
    if (twice) {
        uint8_t key = m->config.attention;
        echo(m, "\n");
        mp_enter_console(m);
        m->ops->type(m->opaque, &key, 1);
        return;
    }
    echo(m, "\n");
    mp_show_menu(m, MENU_MAIN);
    prompt(m);
}

static void menu_key(struct mp *m, uint8_t byte)
{
    uint8_t last = m->last;
    bool twice = m->left_console;
    m->last = byte;
    m->left_console = false;
    if (in_escape(m, byte))
        return;
    if (byte == m->config.attention)
        attention_in_menu(m, twice);
    else if (byte == '\r' || (byte == '\n' && last != '\r'))
        enter(m);
    else if (byte == BACKSPACE || byte == DELETE)
        erase(m);
    else if (byte == CTRL_C)
        interrupt(m);
    else if (byte == CTRL_U)
        while (m->length > 0)
            erase(m);
    else if (byte == '\t')
        insert(m, ' ');
    else if (byte >= ' ' && byte < DELETE)
        insert(m, byte);
}

/* The console */

void mp_enter_console(struct mp *m)
{
    g_autoptr(GString) prior = g_string_new(NULL);
    char writer[MP_NAME_MAX + 1] = "";
    m->console = true;
    m->claim = 0;
    m->menu = MENU_MAIN;
    bool types = m->ops->attach(m->opaque, prior, writer, sizeof writer);
    if (!m->config.quiet && m->config.attention < ' ')
        mp_printf(m, "\n       (Use Ctrl-%c to return to vMP main menu.)\n",
                  m->config.attention + '@');
    else if (!m->config.quiet)
        mp_printf(m, "\n       (Use %c to return to vMP main menu.)\n", m->config.attention);
    if (!types && !m->config.quiet)
        mp_printf(m, "       (Read only: %s has the console. Use Ctrl-E c f for write access.)\n",
                  writer);
    if (!m->config.quiet)
        mp_print(m, "\n- - - - - - - - - - Prior Console Output - - - - - - - - - -\n");
    g_string_append_len(m->out, prior->str, (gssize)prior->len);
}

static void leave_console(struct mp *m)
{
    m->console = false;
    m->ops->detach(m->opaque);
    if (m->config.scripted) {
        m->finished = true;
        return;
    }
    m->left_console = true;
    m->length = 0;
    m->last = 0;
    m->escape = ESCAPE_NONE;
    echo(m, "\n");
    mp_show_menu(m, MENU_MAIN);
    prompt(m);
}

/* Ctrl-E c f asks for write access; keys of a sequence that turns out different are passed on. */
static bool claiming(struct mp *m, uint8_t byte)
{
    static const uint8_t sequence[] = {CTRL_E, 'c', 'f'};
    if (byte == sequence[m->claim]) {
        if (++m->claim < sizeof sequence)
            return true;
        m->claim = 0;
        mp_notice(m, m->ops->claim(m->opaque) ? "You have write access to the console"
                                              : "Write access is not available");
        return true;
    }
    unsigned seen = m->claim;
    m->claim = byte == CTRL_E;
    if (seen > 0)
        m->ops->type(m->opaque, sequence, seen);
    return m->claim > 0;
}

static void console_key(struct mp *m, uint8_t byte)
{
    if (byte == m->config.attention) {
        leave_console(m);
        return;
    }
    if (claiming(m, byte))
        return;
    if (!m->ops->type(m->opaque, &byte, 1) && m->claim == 0)
        mp_print(m, m->config.quiet ? "" : "\a");
}

void mp_console(struct mp *m, const void *bytes, size_t count)
{
    if (m->console)
        g_string_append_len(m->out, bytes, (gssize)count);
}

/* Input */

static void key(struct mp *m, uint8_t byte)
{
    if (m->console)
        console_key(m, byte);
    else
        menu_key(m, byte);
}

void mp_input(struct mp *m, const void *bytes, size_t count)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < count && !m->finished; i++) {
        if (!m->waiting)
            key(m, p[i]);
        else if (m->queue->len < MP_QUEUE_MAX)
            g_byte_array_append(m->queue, &p[i], 1);
    }
}

void mp_end_of_input(struct mp *m)
{
    if (m->answer == NULL)
        return;
    mp_print(m, "\n");
    mp_cancelled(m);
    prompt(m);
}

void mp_start(struct mp *m, enum mp_start how)
{
    m->login = how == MP_START_LOGIN;
    if (how == MP_START_CONSOLE) {
        char writer[MP_NAME_MAX + 1];
        m->console = true;
        m->ops->attach(m->opaque, m->out, writer, sizeof writer);
    } else if (how != MP_START_SILENT) {
        mp_show_menu(m, MENU_MAIN);
        prompt(m);
    }
}
