/* The list of virtual switches and its file: see vsw.h. */
#include "vsw.h"

#include "rundir.h"
#include "text.h"
#include "user_options.h"

#include <errno.h>
#include <string.h>

#define FILE_NAME "vswitches"
#define VLAN_MAX  4094

static struct vsw *new_switch(const char *name, uint64_t number)
{
    struct vsw *sw = g_new0(struct vsw, 1);
    g_strlcpy(sw->name, name, sizeof sw->name);
    sw->number = number;
    sw->forwards = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i <= RESOURCE_PORTS; i++)
        sw->vlan[i] = -1;
    return sw;
}

static void free_switch(void *p)
{
    struct vsw *sw = p;
    g_ptr_array_free(sw->forwards, TRUE);
    g_free(sw);
}

static struct vsw_list *new_list(void)
{
    struct vsw_list *l = g_new0(struct vsw_list, 1);
    l->all = g_ptr_array_new_with_free_func(free_switch);
    l->next = 2;
    return l;
}

void vsw_list_free(struct vsw_list *l)
{
    if (l == NULL)
        return;
    g_ptr_array_free(l->all, TRUE);
    g_free(l);
}

struct vsw *vsw_find(const struct vsw_list *l, const char *name, uint64_t number)
{
    for (guint i = 0; i < l->all->len; i++) {
        struct vsw *sw = l->all->pdata[i];
        if (name != NULL ? strcmp(sw->name, name) == 0 : sw->number == number)
            return sw;
    }
    return NULL;
}

struct vsw *vsw_add(struct vsw_list *l, const char *name, const char *nic)
{
    if (l->next > VSW_NUMBERS || l->all->len >= VSW_MAX)
        return NULL;
    struct vsw *sw = new_switch(name, l->next++);
    g_strlcpy(sw->nic, nic, sizeof sw->nic);
    sw->halted = true;
    g_ptr_array_add(l->all, sw);
    return sw;
}

void vsw_remove(struct vsw_list *l, struct vsw *sw)
{
    g_ptr_array_remove(l->all, sw);
}

/* --- text --- */

/* NAME NUMBER NIC|- up|halted */
static bool take_switch(struct vsw_list *l, char **word)
{
    uint64_t number;
    if (g_strv_length(word) != 4 || !rundir_switch_name(word[0]) ||
        text_parse_number(word[1], 1, VSW_NUMBERS, &number) != 0 ||
        strlen(word[2]) >= VSW_NIC_SIZE || l->all->len >= VSW_MAX ||
        (strcmp(word[3], "up") != 0 && strcmp(word[3], "halted") != 0) ||
        vsw_find(l, word[0], 0) != NULL || vsw_find(l, NULL, number) != NULL)
        return false;
    struct vsw *sw = new_switch(word[0], number);
    g_strlcpy(sw->nic, strcmp(word[2], "-") == 0 ? "" : word[2], sizeof sw->nic);
    sw->halted = strcmp(word[3], "halted") == 0;
    g_ptr_array_add(l->all, sw);
    return true;
}

static bool take_vlan(struct vsw *sw, char **word)
{
    uint64_t port, vlan;
    if (g_strv_length(word) != 2 || text_parse_number(word[0], 1, RESOURCE_PORTS, &port) != 0 ||
        text_parse_number(word[1], 0, VLAN_MAX, &vlan) != 0)
        return false;
    sw->vlan[port] = (int)vlan;
    return true;
}

static bool take_forward(struct vsw *sw, char **word)
{
    struct user_forward f = {0};
    if (g_strv_length(word) != 1 || strcmp(sw->nic, VSW_USER) != 0 ||
        sw->forwards->len >= USER_MAX_FORWARDS || user_parse_forward(word[0], &f) != 0)
        return false;
    g_ptr_array_add(sw->forwards, g_strdup(word[0]));
    return true;
}

static bool take_line(struct vsw_list *l, const char *key, char **word)
{
    struct vsw *last = l->all->len > 0 ? l->all->pdata[l->all->len - 1] : NULL;
    if (strcmp(key, "version") == 0)
        return g_strv_length(word) == 1 && strcmp(word[0], "1") == 0;
    if (strcmp(key, "next") == 0)
        return g_strv_length(word) == 1 &&
               text_parse_number(word[0], 2, VSW_NUMBERS + 1, &l->next) == 0;
    if (strcmp(key, "vswitch") == 0)
        return take_switch(l, word);
    if (last != NULL && strcmp(key, "vlan") == 0)
        return take_vlan(last, word);
    return last != NULL && strcmp(key, "hostfwd") == 0 && take_forward(last, word);
}

static void add_localnet(struct vsw_list *l)
{
    if (vsw_find(l, "localnet", 0) == NULL && vsw_find(l, NULL, 1) == NULL)
        g_ptr_array_insert(l->all, 0, new_switch("localnet", 1));
    for (guint i = 0; i < l->all->len; i++) {
        const struct vsw *sw = l->all->pdata[i];
        if (sw->number >= l->next)
            l->next = sw->number + 1;
    }
}

struct vsw_list *vsw_parse(const char *text, char *why, size_t size)
{
    struct vsw_list *l = new_list();
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i] != NULL; i++) {
        if (lines[i][0] == '\0' || lines[i][0] == '#')
            continue;
        char *equals = strstr(lines[i], " = ");
        g_auto(GStrv) word = equals != NULL ? g_strsplit(equals + 3, " ", 8) : NULL;
        if (equals != NULL)
            *equals = '\0';
        if (word == NULL || !take_line(l, lines[i], word)) {
            snprintf(why, size, "common/" FILE_NAME " is damaged in line %u.", i + 1);
            vsw_list_free(l);
            return NULL;
        }
    }
    add_localnet(l);
    return l;
}

GString *vsw_write(const struct vsw_list *l)
{
    GString *out =
        g_string_new("# Virtual switches. Change them with hpvmnet only.\nversion = 1\n");
    g_string_append_printf(out, "next = %llu\n", (unsigned long long)l->next);
    for (guint i = 0; i < l->all->len; i++) {
        const struct vsw *sw = l->all->pdata[i];
        g_string_append_printf(out, "vswitch = %s %llu %s %s\n", sw->name,
                               (unsigned long long)sw->number, sw->nic[0] != '\0' ? sw->nic : "-",
                               sw->halted ? "halted" : "up");
        for (int port = 1; port <= RESOURCE_PORTS; port++)
            if (sw->vlan[port] >= 0)
                g_string_append_printf(out, "vlan = %d %d\n", port, sw->vlan[port]);
        for (guint j = 0; j < sw->forwards->len; j++)
            g_string_append_printf(out, "hostfwd = %s\n", (const char *)sw->forwards->pdata[j]);
    }
    return out;
}

struct vsw_list *vsw_load(struct state *s, char *why, size_t size)
{
    GString *text = NULL;
    int err = state_read_common(s, FILE_NAME, &text);
    if (err != 0 && err != -ENOENT) {
        snprintf(why, size, "common/" FILE_NAME " cannot be read.");
        return NULL;
    }
    struct vsw_list *l = vsw_parse(text != NULL ? text->str : "", why, size);
    if (text != NULL)
        g_string_free(text, TRUE);
    return l;
}

int vsw_save(struct state *s, const struct vsw_list *l)
{
    GString *text = vsw_write(l);
    int err = state_write_common(s, FILE_NAME, text);
    g_string_free(text, TRUE);
    return err;
}
