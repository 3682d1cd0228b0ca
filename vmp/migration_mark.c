/* What the hosts of a migration remember of it: see migration.h. */
#include "migration.h"

#include <errno.h>
#include <string.h>

#define LEAVING "migrating"

/* No option of ssh, no blank; "user@host", "host.example", "fe80::1%eth0". */
bool migration_host_valid(const char *host)
{
    size_t length = strlen(host);
    for (size_t i = 0; i < length; i++)
        if (!g_ascii_isalnum(host[i]) && strchr("._-:@%", host[i]) == NULL)
            return false;
    return length > 0 && length <= MIGRATION_HOST_MAX && host[0] != '-';
}

bool migration_mark_read(struct state *s, const char *uuid, struct migration_mark *m)
{
    GString *text = NULL;
    int err = state_read_own(s, uuid, LEAVING, MIGRATION_LINE_MAX, &text);
    memset(m, 0, sizeof *m);
    if (text != NULL) {
        g_auto(GStrv) word = g_strsplit(g_strchomp(text->str), " ", 2);
        if (word[0] != NULL && word[1] != NULL && migration_host_valid(word[0]) &&
            migration_token_valid(word[1])) {
            g_strlcpy(m->host, word[0], sizeof m->host);
            g_strlcpy(m->token, word[1], sizeof m->token);
        }
        g_string_free(text, TRUE);
    }
    return err != -ENOENT;
}

int migration_mark_write(struct state *s, const char *uuid, const struct migration_mark *m)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_printf(text, "%s %s\n", m->host, m->token);
    return state_write_own(s, uuid, LEAVING, text);
}

int migration_mark_clear(struct state *s, const char *uuid)
{
    return state_write_own(s, uuid, LEAVING, NULL);
}

bool migration_arrived(struct state *s, const char *uuid, const char *token)
{
    GString *text = NULL;
    bool same = state_read_own(s, uuid, MIGRATION_ARRIVED, MIGRATION_LINE_MAX, &text) == 0 &&
                strcmp(g_strchomp(text->str), token) == 0;
    if (text != NULL)
        g_string_free(text, TRUE);
    return same;
}
