/* Boot options in the maintenance manager: new ones, deleting, order, BootNext, time-out. */
#include "maint_impl.h"

#include <stdio.h>
#include <stdlib.h>

/* --- lists of options --- */

static void load_options(struct maint *m)
{
    if (m->options)
        g_ptr_array_unref(m->options);
    if (m->deleted)
        g_ptr_array_unref(m->deleted);
    m->options = bootopt_list(m->b);
    m->deleted = g_ptr_array_new_with_free_func(bootopt_free);
    m->next = boot_variable16(m->b, "BootNext");
}

static void list_options(struct maint *m, bool mark_next)
{
    for (unsigned i = 0; i < m->options->len; i++) {
        const struct bootopt *o = m->options->pdata[i];

        if (mark_next)
            menu_add(&m->menu, (int)i, "%c %s", o->number == m->next ? '*' : ' ', o->text);
        else
            menu_add(&m->menu, (int)i, "%s", o->text);
    }
    menu_gap(&m->menu);
}

static void add_commands(struct maint *m)
{
    menu_add(&m->menu, ITEM_SAVE, "Save Settings to NVRAM");
    menu_add(&m->menu, ITEM_HELP, "Help");
    menu_add(&m->menu, ITEM_EXIT, "Exit");
}

/* What lists have in common; false: not one of these items. */
static bool common_item(struct maint *m, int id, const char *help)
{
    if (id == ITEM_EXIT) {
        maint_leave(m);
        return true;
    }
    if (id == ITEM_SAVE)
        maint_save(m);
    else if (id == ITEM_HELP)
        maint_say(m, "%s", help);
    else
        return false;
    maint_redraw(m);
    return true;
}

/* --- deleting --- */

static void delete_fill(struct maint *m)
{
    list_options(m, false);
    menu_add(&m->menu, ITEM_ALL, "Delete All Boot Options");
    add_commands(m);
}

static void move_to_deleted(struct maint *m, unsigned n)
{
    g_ptr_array_add(m->deleted, g_ptr_array_steal_index(m->options, n));
    m->changed = true;
}

static void delete_chosen(struct maint *m, int id)
{
    if (common_item(m, id, "Enter deletes the option; nothing is changed before it is saved."))
        return;
    if (id == ITEM_ALL)
        while (m->options->len)
            move_to_deleted(m, 0);
    else if (id >= 0 && (unsigned)id < m->options->len)
        move_to_deleted(m, (unsigned)id);
    maint_redraw(m);
}

/* The order first: it must never name options that are gone. */
static uint64_t delete_save(struct maint *m)
{
    uint64_t status = bootopt_set_order(m->b, m->options);

    for (unsigned i = 0; status == EFI_SUCCESS && i < m->deleted->len; i++)
        status = bootopt_delete(m->b, (unsigned)((struct bootopt *)m->deleted->pdata[i])->number);
    if (status == EFI_SUCCESS)
        g_ptr_array_set_size(m->deleted, 0);
    return status;
}

const struct screen maint_delete_screen = {
    .subtitle = "Delete Boot Option(s).  Select an Option",
    .help = MENU_HELP,
    .enter = load_options,
    .fill = delete_fill,
    .chosen = delete_chosen,
    .save = delete_save,
};

/* --- order --- */

static void order_fill(struct maint *m)
{
    list_options(m, false);
    add_commands(m);
}

static void order_chosen(struct maint *m, int id)
{
    common_item(m, id, "u moves the selected option up, d moves it down.");
}

static bool order_key(struct maint *m, const struct key *key)
{
    bool up = key->unicode == 'u' || key->unicode == 'U';
    bool down = key->unicode == 'd' || key->unicode == 'D';
    unsigned n = m->menu.selected, to = up ? n - 1 : n + 1;
    gpointer o;

    if (!up && !down)
        return false;
    if (n >= m->options->len || to >= m->options->len)
        return true;
    o = m->options->pdata[n];
    m->options->pdata[n] = m->options->pdata[to];
    m->options->pdata[to] = o;
    m->menu.selected = to;
    m->changed = true;
    maint_redraw(m);
    return true;
}

static uint64_t order_save(struct maint *m)
{
    return bootopt_set_order(m->b, m->options);
}

const struct screen maint_order_screen = {
    .subtitle = "Change Boot Order.  Select an Option",
    .help = "Use u to move an option up, d to move it down.",
    .enter = load_options,
    .fill = order_fill,
    .chosen = order_chosen,
    .key = order_key,
    .save = order_save,
};

/* --- BootNext --- */

static void next_fill(struct maint *m)
{
    list_options(m, true);
    menu_add(&m->menu, ITEM_RESET, "Reset BootNext Setting");
    add_commands(m);
}

static void set_next(struct maint *m, int number)
{
    m->changed |= m->next != number;
    m->next = number;
    maint_redraw(m);
}

static void next_chosen(struct maint *m, int id)
{
    if (common_item(m, id, "b chooses what is booted once, next time; r takes it back."))
        return;
    if (id == ITEM_RESET)
        set_next(m, -1);
    else if (id >= 0 && (unsigned)id < m->options->len)
        set_next(m, ((struct bootopt *)m->options->pdata[id])->number);
}

static bool next_key(struct maint *m, const struct key *key)
{
    if (key->unicode == 'r' || key->unicode == 'R')
        next_chosen(m, ITEM_RESET);
    else if ((key->unicode == 'b' || key->unicode == 'B') && m->menu.selected < m->options->len)
        next_chosen(m, (int)m->menu.selected);
    else
        return false;
    return true;
}

static uint64_t next_save(struct maint *m)
{
    return m->next < 0 ? boot_delete_variable(m->b, "BootNext")
                       : boot_set_variable16(m->b, "BootNext", (uint16_t)m->next);
}

const struct screen maint_next_screen = {
    .subtitle = "Manage BootNext setting.  Select an Option",
    .help = "Use b or Enter to choose the next boot option, r to reset it.",
    .enter = load_options,
    .fill = next_fill,
    .chosen = next_chosen,
    .key = next_key,
    .save = next_save,
};

/* --- time-out --- */

enum { TIMEOUT_SET, TIMEOUT_DISABLE };

static void timeout_fill(struct maint *m)
{
    menu_add(&m->menu, TIMEOUT_SET, "Set Timeout Value");
    menu_add(&m->menu, TIMEOUT_DISABLE, "Delete/Disable Timeout");
    menu_add(&m->menu, ITEM_HELP, "Help");
    menu_add(&m->menu, ITEM_EXIT, "Exit");
}

static void set_timeout(struct maint *m, unsigned seconds)
{
    char done[64] = "There is no time-out.";

    if (seconds != BOOT_WAIT)
        snprintf(done, sizeof(done), "The time-out is %u seconds.", seconds);
    maint_say_status(m, boot_set_variable16(m->b, "Timeout", (uint16_t)seconds), done);
}

static void timeout_answer(struct maint *m, const char *text)
{
    char *end;
    unsigned long seconds = text ? strtoul(text, &end, 10) : 0;

    if (text && *text && (*end || seconds > BOOT_WAIT || !g_ascii_isdigit(text[0])))
        maint_say(m, "Not changed: %s is not a number from 0 to 65535.", text);
    else if (text && *text)
        set_timeout(m, (unsigned)seconds);
    maint_redraw(m);
}

static void timeout_chosen(struct maint *m, int id)
{
    if (id == TIMEOUT_SET) {
        maint_form(m, "Set Auto Boot TimeOut.");
        maint_ask(m, "Enter Timeout value in seconds [0 - 65535] :", 5, timeout_answer);
        return;
    }
    if (common_item(m, id, "How long the default boot option waits; 65535: for ever."))
        return;
    set_timeout(m, BOOT_WAIT);
    maint_redraw(m);
}

const struct screen maint_timeout_screen = {
    .subtitle = "Set Auto Boot TimeOut.  Select an Option",
    .help = MENU_HELP,
    .fill = timeout_fill,
    .chosen = timeout_chosen,
};

/* --- a new option --- */

static void give_up(struct maint *m)
{
    g_clear_pointer(&m->chosen, bootopt_free);
    maint_redraw(m);
}

static uint64_t append(struct maint *m)
{
    GPtrArray *list = bootopt_list(m->b);
    uint64_t status = bootopt_write(m->b, m->chosen);

    if (status == EFI_SUCCESS) {
        g_ptr_array_add(list, bootopt_copy(m->chosen));
        status = bootopt_set_order(m->b, list);
        if (status != EFI_SUCCESS)
            bootopt_delete(m->b, (unsigned)m->chosen->number);
    }
    g_ptr_array_unref(list);
    return status;
}

static void save_answer(struct maint *m, const char *text)
{
    char c = text ? (char)g_ascii_toupper(text[0]) : 'N';

    if (c != 'Y' && c != 'N') {
        maint_ask_again(m, save_answer);
        return;
    }
    if (c == 'Y')
        maint_say_status(m, append(m), "The boot option is saved to NVRAM.");
    g_clear_pointer(&m->chosen, bootopt_free);
    maint_home(m);
}

static void ask_save(struct maint *m)
{
    maint_ask(m, "Save changes to NVRAM [Y-Yes N-No]:", 1, save_answer);
}

static void set_data(struct maint *m, const char *text, unsigned unit)
{
    size_t n = strlen(text) + 1;

    g_free(m->chosen->data);
    m->chosen->data = g_malloc0(n * unit);
    m->chosen->size = (uint32_t)(n * unit);
    for (size_t i = 0; i < n; i++)
        m->chosen->data[i * unit] = (uint8_t)text[i];
}

static void ascii_answer(struct maint *m, const char *text)
{
    if (!text) {
        give_up(m);
        return;
    }
    set_data(m, text, 1);
    ask_save(m);
}

static void unicode_answer(struct maint *m, const char *text)
{
    if (!text) {
        give_up(m);
        return;
    }
    set_data(m, text, 2);
    ask_save(m);
}

static void type_answer(struct maint *m, const char *text)
{
    char c = text ? (char)g_ascii_toupper(text[0]) : '\0';

    if (!text)
        give_up(m);
    else if (c == 'A')
        maint_ask(m, "Enter BootOption Data [Data will be stored as Ascii string]:", BOOT_DATA_MAX,
                  ascii_answer);
    else if (c == 'U')
        maint_ask(m,
                  "Enter BootOption Data [Data will be stored as Unicode string]:", BOOT_DATA_MAX,
                  unicode_answer);
    else if (c == 'N')
        ask_save(m);
    else
        maint_ask_again(m, type_answer);
}

static void description_answer(struct maint *m, const char *text)
{
    if (!text) {
        give_up(m);
        return;
    }
    if (!*text) {
        maint_ask_again(m, description_answer);
        return;
    }
    g_free(m->chosen->text);
    m->chosen->text = g_strdup(text);
    maint_form_text(m, "New BootOption Data. ASCII/Unicode strings only, with max of 240 "
                       "characters");
    maint_ask(m, "Enter BootOption Data Type [A-Ascii U-Unicode N-No BootOption] :", 1,
              type_answer);
}

void maint_picked(struct maint *m, const char *text, const struct devpath *path)
{
    char *device, *line;

    bootopt_free(m->chosen);
    m->chosen = bootopt_new(text, path, NULL, 0);
    if (!m->adding) {
        m->event = MAINT_START;
        return;
    }
    device = devpath_text(path);
    line = g_strdup_printf("Device Path %s", device);
    maint_form(m, "Add a Boot Option.");
    maint_form_text(m, line);
    g_free(line);
    g_free(device);
    maint_ask(m, "Enter New Description:", BOOTOPT_TEXT, description_answer);
}
