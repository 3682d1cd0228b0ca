/* The virtual console's commands for removable media: EJ and IN. */
#include "mp_impl.h"

#include "text.h"

#include <string.h>

static const char ask_item[] = "\nEnter menu item number or [Q] to Quit: ";
static const char ask_action[] = "\nEnter menu item or [Q] to Quit: ";

static const struct mp_drive *drive(const struct mp *m, guint i)
{
    return &g_array_index(m->drives, struct mp_drive, i);
}

/* The drives that hold a medium, or those that do not. */
static bool list_drives(struct mp *m, bool loaded)
{
    g_array_set_size(m->drives, 0);
    m->ops->drives(m->opaque, m->drives);
    for (guint i = 0; i < m->drives->len;)
        if (drive(m, i)->loaded != loaded)
            g_array_remove_index(m->drives, i);
        else
            i++;
    return m->drives->len > 0;
}

/* Columns start at tab stops: 0, 8, 24, 40, 48, 56. */
static void show_drives(struct mp *m, bool loaded)
{
    mp_printf(m, "\n%s Guest Devices\n\nNum     Hw-path         (Bus,Slot,Tgt)  Gdev%s\n",
              loaded ? "Ejectable" : "Insertable", loaded ? "    Pstore  Path" : "");
    mp_printf(m, "%.*s\n", loaded ? 73 : 44,
              "-------------------------------------------------------------------------");
    for (guint i = 0; i < m->drives->len; i++) {
        const struct mp_drive *d = drive(m, i);
        g_autofree char *path = mp_shown(d->path);
        char number[16], hardware[32], address[32];
        g_snprintf(number, sizeof number, "[%u]", i + 1);
        g_snprintf(hardware, sizeof hardware, "0/%d/%d/0.%d.0", d->bus, d->slot, d->target);
        g_snprintf(address, sizeof address, "(%d,%d,%d)", d->bus, d->slot, d->target);
        if (loaded)
            mp_printf(m, "%-7s %-15s %-15s %-7s %-7s %s\n", number, hardware, address, d->type,
                      d->storage, path);
        else
            mp_printf(m, "%-7s %-15s %-15s %s\n", number, hardware, address, d->type);
    }
}

static void show_media(struct mp *m)
{
    mp_print(m, "\nInsertable File Backing Stores\n\nNum     File\n---------------------\n");
    for (guint i = 0; i < m->media->len; i++) {
        g_autofree char *name = mp_shown(m->media->pdata[i]);
        char number[16];
        g_snprintf(number, sizeof number, "[%u]", i + 1);
        mp_printf(m, "%-7s %s\n", number, name);
    }
}

/* 1 to count; 0: no such item. */
static guint item(const char *line, guint count)
{
    uint64_t value = 0;
    return text_parse_number(line, 1, count, &value) == 0 ? (guint)value : 0;
}

static guint medium(const struct mp *m, const char *line)
{
    for (guint i = 0; i < m->media->len; i++)
        if (strcmp(m->media->pdata[i], line) == 0)
            return i + 1;
    return item(line, m->media->len);
}

static void again(struct mp *m, mp_answer *answer)
{
    mp_print(m, "Invalid menu item.\n");
    mp_ask(m, m->question, answer);
}

static void action_chosen(struct mp *m, const char *line)
{
    if (mp_quits(line))
        return;
    m->request.force = g_ascii_strcasecmp(line, "f") == 0;
    if (!m->request.force && g_ascii_strcasecmp(line, "g") != 0)
        again(m, action_chosen);
    else
        mp_act(m);
}

static void confirm(struct mp *m)
{
    if (m->no_input) {
        mp_act(m);
        return;
    }
    mp_printf(m, "\nConfirm %s action\n\n     G - Go\n     F - Force\n",
              m->request.action == MP_EJECT ? "eject" : "insertion");
    mp_ask(m, ask_action, action_chosen);
}

static void take_medium(struct mp *m, guint i)
{
    m->request.text = m->media->pdata[i - 1];
    confirm(m);
}

static void medium_chosen(struct mp *m, const char *line)
{
    guint i = medium(m, line);
    if (mp_quits(line))
        return;
    if (i == 0)
        again(m, medium_chosen);
    else
        take_medium(m, i);
}

/* word: the medium asked for on the command line, or NULL. */
static void choose_medium(struct mp *m, const char *word)
{
    g_ptr_array_set_size(m->media, 0);
    m->ops->media(m->opaque, &m->request.drive, m->media);
    guint i = word != NULL ? medium(m, word) : m->no_input && m->media->len == 1;
    if (m->media->len == 0) {
        mp_fail(m, "There is nothing to insert.");
    } else if (i > 0) {
        take_medium(m, i);
    } else if (word != NULL || m->no_input) {
        mp_fail(m, word != NULL ? "No such backing store." : "Name the backing store to insert.");
    } else {
        show_media(m);
        mp_ask(m, ask_item, medium_chosen);
    }
}

static void take_drive(struct mp *m, guint i, const char *word)
{
    m->request.drive = *drive(m, i - 1);
    if (m->request.action == MP_INSERT)
        choose_medium(m, word);
    else
        confirm(m);
}

static void drive_chosen(struct mp *m, const char *line)
{
    guint i = item(line, m->drives->len);
    if (mp_quits(line))
        return;
    if (i == 0)
        again(m, drive_chosen);
    else
        take_drive(m, i, NULL);
}

/* [ITEM [MEDIUM]] answer the questions beforehand; with -nc the only item needs no number. */
static void change(struct mp *m, const struct mp_arguments *a, bool loaded)
{
    const char *word = a->words->len > 0 ? a->words->pdata[0] : NULL;
    const char *file = a->words->len > 1 ? a->words->pdata[1] : NULL;
    m->no_input = a->no_input;
    m->request.force = a->force;
    if (!list_drives(m, loaded)) {
        mp_fail(m, "There is no %s device.", loaded ? "ejectable" : "insertable");
        return;
    }
    guint i = word != NULL ? item(word, m->drives->len) : m->no_input && m->drives->len == 1;
    if (i > 0) {
        take_drive(m, i, file);
    } else if (word != NULL || m->no_input) {
        mp_fail(m, word != NULL ? "No such device." : "Name the device by its number.");
    } else {
        show_drives(m, loaded);
        mp_ask(m, ask_item, drive_chosen);
    }
}

/* Media are changed in running machines only: a change is not kept when the guest stops. */
static bool can_change(struct mp *m, const struct mp_arguments *a, guint most, const char *usage)
{
    struct mp_status status = {.on = false};
    m->ops->status(m->opaque, &status);
    if (a->words->len > most)
        mp_fail(m, "Usage: %s", usage);
    else if (!status.on)
        mp_fail(m, "System is off.");
    else
        return true;
    return false;
}

void mp_cmd_eject(struct mp *m, const struct mp_arguments *a)
{
    if (!can_change(m, a, 1, "EJ [ item ] [ -force ] [ -nc ]"))
        return;
    m->request = (struct mp_request){.action = MP_EJECT};
    change(m, a, true);
}

void mp_cmd_insert(struct mp *m, const struct mp_arguments *a)
{
    if (!can_change(m, a, 2, "IN [ item [ file ] ] [ -force ] [ -nc ]"))
        return;
    m->request = (struct mp_request){.action = MP_INSERT};
    change(m, a, false);
}
