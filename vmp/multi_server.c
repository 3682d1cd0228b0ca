/* See multi_server.h. The manual's sample has the layout; -M and -X are ours. */
#include "multi_server.h"

#include <stdlib.h>
#include <string.h>

static const char *attribute(const struct devdb_entry *e, const char *name)
{
    const char *value = devdb_get(e, name);
    return value != NULL ? value : "";
}

/* By the first part of the name, as hosts are known with and without their domain. */
static bool is_host(const struct devdb_entry *e, const char *host)
{
    size_t a = strcspn(e->name, "."), b = strcspn(host, ".");
    return a == b && strncmp(e->name, host, a) == 0;
}

static gint by_identifier(gconstpointer a, gconstpointer b)
{
    const struct devdb_entry *x = *(struct devdb_entry *const *)a;
    const struct devdb_entry *y = *(struct devdb_entry *const *)b;
    int order = atoi(attribute(x, "SERVERID")) - atoi(attribute(y, "SERVERID")); /* 1 to 255 */
    return order != 0 ? order : strcmp(x->name, y->name);
}

static GPtrArray *servers(const struct devdb *db)
{
    GPtrArray *found = g_ptr_array_new();
    for (guint i = 0; i < db->entries->len; i++) {
        struct devdb_entry *e = db->entries->pdata[i];
        if (e->kind == DEVDB_SERVER)
            g_ptr_array_add(found, e);
    }
    g_ptr_array_sort(found, by_identifier);
    return found;
}

static void show_server(FILE *out, const struct devdb_entry *e, bool own,
                        enum multi_server_form form)
{
    const char *id = attribute(e, "SERVERID"), *address = attribute(e, "SERVERADDR");
    g_autofree char *text =
        form == MULTI_SERVER_XML
            ? g_markup_printf_escaped("  <server id=\"%s\" state=\"%d\" ip=\"%s\" name=\"%s\"/>\n",
                                      id, own, address, e->name)
        : form == MULTI_SERVER_MACHINE
            ? g_strdup_printf(":%s;%d;%s;%s", id, own, address, e->name)
            : g_strdup_printf("\nServer_id=%s\nServer_state=%d\nServer_ipaddr=%s\n"
                              "Server_hostname=%s\n",
                              id, own, address, e->name);
    fputs(text, out);
}

void multi_server_show(FILE *out, const struct devdb *db, const char *host,
                       enum multi_server_form form)
{
    GPtrArray *list = servers(db);
    const char *own = "";
    for (guint i = 0; i < list->len; i++)
        if (is_host(list->pdata[i], host))
            own = attribute(list->pdata[i], "SERVERID");
    if (list->len == 0 && form == MULTI_SERVER_TEXT)
        fputs("No HPVM multi-server environment configured\n", out);
    else if (form == MULTI_SERVER_TEXT)
        fprintf(out, "HPVM Multi-server environment\n\nThis servers identifier=%s\n", own);
    else if (form == MULTI_SERVER_MACHINE)
        fputs(own, out);
    else
        fprintf(
            out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<hpvm_multi_server identifier=\"%s\">\n",
            own);
    for (guint i = 0; i < list->len; i++)
        show_server(out, list->pdata[i], is_host(list->pdata[i], host), form);
    if (form != MULTI_SERVER_TEXT)
        fputs(form == MULTI_SERVER_XML ? "</hpvm_multi_server>\n" : "\n", out);
    g_ptr_array_free(list, TRUE);
}
