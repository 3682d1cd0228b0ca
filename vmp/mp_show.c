/* The virtual console's commands that show something: CL, SL, REC, PS, DL, ID, WHO; and SAY. */
#include "mp_impl.h"

#include <string.h>

char *mp_shown(const char *text)
{
    char *copy = g_utf8_make_valid(text, -1);
    for (char *p = copy; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    return copy;
}

/* The console's log is what the guest printed, byte for byte. */
void mp_cmd_console_log(struct mp *m, const struct mp_arguments *a)
{
    g_autoptr(GString) log = g_string_new(NULL);
    if (a->words->len > 0) {
        mp_fail(m, "Usage: CL [ -nc ]");
        return;
    }
    m->ops->log(m->opaque, MP_LOG_CONSOLE, log);
    g_string_append_len(m->out, log->str, (gssize)log->len);
    if (log->len > 0 && log->str[log->len - 1] != '\n')
        mp_print(m, "\n");
}

static GStrv log_lines(struct mp *m, enum mp_log which)
{
    g_autoptr(GString) log = g_string_new(NULL);
    m->ops->log(m->opaque, which, log);
    if (log->len > 0 && log->str[log->len - 1] == '\n')
        g_string_truncate(log, log->len - 1);
    return log->len > 0 ? g_strsplit(log->str, "\n", 0) : g_new0(char *, 1);
}

static void show_log(struct mp *m, enum mp_log which)
{
    g_auto(GStrv) lines = log_lines(m, which);
    for (guint i = 0; lines[i] != NULL; i++) {
        g_autofree char *line = mp_shown(lines[i]);
        mp_printf(m, "%s\n", line);
    }
    if (lines[0] == NULL && !m->config.quiet)
        mp_print(m, "The log is empty.\n");
}

/* Lines begin with a date and a time of 19 characters. */
static void show_log_row(struct mp *m, const char *title, enum mp_log which)
{
    g_auto(GStrv) lines = log_lines(m, which);
    guint count = g_strv_length(lines);
    g_autofree char *latest = mp_shown(count > 0 ? lines[count - 1] : "");
    mp_printf(m, "%-24s%8u  %.19s\n", title, count, latest);
}

static void log_chosen(struct mp *m, const char *line)
{
    bool events = g_ascii_strcasecmp(line, "e") == 0;
    if (mp_quits(line))
        return;
    if (!events && g_ascii_strcasecmp(line, "f") != 0) {
        mp_print(m, "Invalid menu item.\n");
        mp_ask(m, m->question, log_chosen);
        return;
    }
    mp_print(m, "\n");
    show_log(m, events ? MP_LOG_EVENTS : MP_LOG_PROGRESS);
}

void mp_cmd_event_logs(struct mp *m, const struct mp_arguments *a)
{
    const char *word = a->words->len > 0 ? a->words->pdata[0] : a->no_input ? "-e" : NULL;
    if (word != NULL && g_ascii_strcasecmp(word, "-e") == 0) {
        show_log(m, MP_LOG_EVENTS);
    } else if (word != NULL && g_ascii_strcasecmp(word, "-f") == 0) {
        show_log(m, MP_LOG_PROGRESS);
    } else if (word != NULL) {
        mp_fail(m, "Usage: SL [ -e | -f ] [ -nc ]");
    } else {
        mp_print(m, "\nEvent Logs\n\nLog                      Entries  Latest Entry\n"
                    "-----------------------------------------------------\n");
        show_log_row(m, "E - System Event", MP_LOG_EVENTS);
        show_log_row(m, "F - Forward Progress", MP_LOG_PROGRESS);
        mp_ask(m, "\nEnter menu item or [Q] to Quit: ", log_chosen);
    }
}

void mp_cmd_record(struct mp *m, const struct mp_arguments *a)
{
    const char *word = a->words->len == 1 ? a->words->pdata[0] : "";
    if (g_ascii_strcasecmp(word, "-view") == 0)
        show_log(m, MP_LOG_PROGRESS);
    else
        mp_fail(m, "Usage: REC -view [ -nc ]");
}

void mp_cmd_status(struct mp *m, const struct mp_arguments *a)
{
    struct mp_status s;
    if (a->words->len > 0)
        mp_fail(m, "Usage: PS [ -nc ]");
    else if (m->ops->status(m->opaque, &s) != 0)
        mp_fail(m, "The state of the virtual machine is not known.");
    else
        mp_printf(m,
                  "\nSystem Power State      : %s\n"
                  "Virtual Machine State   : %s\n"
                  "Operating System        : %s\n\n",
                  s.on ? "On" : "Off", s.state, s.os_type);
}

void mp_cmd_identity(struct mp *m, const struct mp_arguments *a)
{
    struct mp_status s;
    if (a->words->len > 0) {
        mp_fail(m, "Usage: ID [ -nc ]");
        return;
    }
    if (m->ops->status(m->opaque, &s) != 0) {
        mp_fail(m, "The virtual machine is not known.");
        return;
    }
    g_autofree char *label = mp_shown(s.label);
    mp_printf(m,
              "\nVirtual Machine Name    : %s\n"
              "Virtual Machine ID      : %d\n"
              "Virtual Machine Label   : %s\n"
              "Virtual Machine UUID    : %s\n"
              "Serial Number           : %s\n"
              "Virtual CPUs            : %d\n"
              "Memory                  : %d MB\n\n",
              m->name, (int)s.number, label, s.uuid, s.serial, (int)s.vcpus, (int)s.memory);
}

void mp_cmd_devices(struct mp *m, const struct mp_arguments *a)
{
    if (a->words->len > 0) {
        mp_fail(m, "Usage: DL [ -nc ]");
        return;
    }
    g_array_set_size(m->drives, 0);
    m->ops->drives(m->opaque, m->drives);
    mp_print(m, "\nRemovable Media Devices\n\n"
                "(Bus,Slot,Tgt)  Gdev    Medium  Pstore  Path\n"
                "-------------------------------------------------------------------------\n");
    for (guint i = 0; i < m->drives->len; i++) {
        const struct mp_drive *d = &g_array_index(m->drives, struct mp_drive, i);
        g_autofree char *path = mp_shown(d->path);
        char address[32];
        g_snprintf(address, sizeof address, "(%d,%d,%d)", d->bus, d->slot, d->target);
        mp_printf(m, "%-15s %-7s %-7s %-7s %s\n", address, d->type, d->loaded ? "yes" : "no",
                  d->storage, path);
    }
    mp_print(m, "\n");
}

void mp_cmd_who(struct mp *m, const struct mp_arguments *a)
{
    g_autoptr(GPtrArray) viewers = g_ptr_array_new_with_free_func(g_free);
    if (a->words->len > 0) {
        mp_fail(m, "Usage: WHO [ -nc ]");
        return;
    }
    m->ops->viewers(m->opaque, viewers);
    mp_print(m, "\n");
    for (guint i = 0; i < viewers->len; i++) {
        g_autofree char *viewer = mp_shown(viewers->pdata[i]);
        mp_printf(m, "%s\n", viewer);
    }
    mp_print(m, viewers->len > 0 ? "\n" : "No viewers are known.\n\n");
}

void mp_cmd_say(struct mp *m, const struct mp_arguments *a)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < a->words->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? " " : "", (char *)a->words->pdata[i]);
    if (text->len == 0) {
        mp_fail(m, "Usage: SAY text");
        return;
    }
    m->request = (struct mp_request){.action = MP_SAY, .text = text->str};
    mp_act(m);
    m->request.text = NULL;
}
