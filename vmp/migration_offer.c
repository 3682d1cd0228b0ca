/* The offer of a migration as text, and back: see migration.h. Lines: "token HEX", "force 0",
 * and for each device "none", "copy BYTES USED", "file BYTES" or "wwid TEXT". */
#include "migration.h"

#include "text.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define BYTES_MOST ((uint64_t)1 << 50) /* of one device */

static const char *const kinds[] = {"none", "copy", "file", "wwid"};

static void new_token(char token[MIGRATION_TOKEN_SIZE])
{
    uint8_t random[(MIGRATION_TOKEN_SIZE - 1) / 2];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        for (size_t i = 0; i < sizeof random; i++)
            random[i] = (uint8_t)g_random_int();
    for (size_t i = 0; i < sizeof random; i++)
        g_snprintf(token + 2 * i, 3, "%02x", random[i]);
}

bool migration_token_valid(const char *token)
{
    size_t length = strlen(token);
    return length == MIGRATION_TOKEN_SIZE - 1 && strspn(token, "0123456789abcdef") == length;
}

void offer_init(struct offer *o, const struct guest *g)
{
    memset(o, 0, sizeof *o);
    new_token(o->token);
    o->count = g->devices->len;
    o->items = g_new0(struct offer_item, o->count + 1);
}

void offer_clear(struct offer *o)
{
    g_free(o->items);
    memset(o, 0, sizeof *o);
}

GString *offer_write(const struct offer *o)
{
    GString *out = g_string_new(NULL);
    g_string_append_printf(out, "token %s\nforce %d\n", o->token, o->force);
    for (unsigned i = 0; i < o->count; i++) {
        const struct offer_item *item = &o->items[i];
        g_string_append(out, kinds[item->kind]);
        if (item->kind == OFFER_WWID)
            g_string_append_printf(out, " %s", item->wwid);
        else if (item->kind != OFFER_NONE)
            g_string_append_printf(out, " %llu", (unsigned long long)item->bytes);
        if (item->kind == OFFER_COPY)
            g_string_append_printf(out, " %llu", (unsigned long long)item->used);
        g_string_append_c(out, '\n');
    }
    return out;
}

static bool wwid_valid(const char *wwid)
{
    size_t length = strlen(wwid);
    return length > 0 && length < STORAGE_WWID_SIZE &&
           (strspn(wwid, "0123456789abcdef-") == length || strcmp(wwid, STORAGE_NO_WWID) == 0);
}

static bool number(const char *text, uint64_t most, uint64_t *value)
{
    return text != NULL && text_parse_number(text, 0, most, value) == 0;
}

static bool parse_item(struct offer_item *item, const char *line, const struct resource *r)
{
    static const guint words[] = {1, 3, 2, 2};
    g_auto(GStrv) word = g_strsplit(line, " ", 4);
    for (unsigned kind = 0; word[0] != NULL && kind < G_N_ELEMENTS(kinds); kind++) {
        if (strcmp(word[0], kinds[kind]) != 0)
            continue;
        item->kind = kind;
        if (g_strv_length(word) != words[kind] || (kind != OFFER_NONE && r->network))
            return false;
        if (kind == OFFER_WWID)
            g_strlcpy(item->wwid, word[1], sizeof item->wwid);
        return kind == OFFER_NONE   ? true
               : kind == OFFER_WWID ? wwid_valid(word[1])
               : kind == OFFER_FILE ? number(word[1], BYTES_MOST, &item->bytes)
                                    : number(word[1], BYTES_MOST, &item->bytes) &&
                                          number(word[2], item->bytes, &item->used);
    }
    return false;
}

/* Only contents have somewhere to go. */
static bool item_fits(const struct offer_item *item, const struct resource *r)
{
    return item->kind != OFFER_COPY ||
           (strcmp(r->storage, "null") != 0 && strcmp(r->storage, "attach") != 0);
}

static bool parse_lines(struct offer *o, char **line, const struct guest *g)
{
    if (g_strv_length(line) != 3 + o->count || line[2 + o->count][0] != '\0' ||
        !g_str_has_prefix(line[0], "token ") || !migration_token_valid(line[0] + 6) ||
        !g_str_has_prefix(line[1], "force ") || strlen(line[1]) != 7 ||
        (line[1][6] != '0' && line[1][6] != '1'))
        return false;
    g_strlcpy(o->token, line[0] + 6, sizeof o->token);
    o->force = line[1][6] == '1';
    for (unsigned i = 0; i < o->count; i++)
        if (!parse_item(&o->items[i], line[2 + i], guest_device(g, i)) ||
            !item_fits(&o->items[i], guest_device(g, i)))
            return false;
    return true;
}

int offer_parse(struct offer *o, const char *text, const struct guest *g)
{
    offer_init(o, g);
    g_auto(GStrv) line = g_strsplit(text, "\n", 0);
    if (parse_lines(o, line, g))
        return 0;
    offer_clear(o);
    return -EPROTO;
}
