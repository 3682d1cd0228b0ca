/* The EFI shell's environment: set, alias, and the variable store with dmpstore.
 *
 * Variables and aliases are EFI variables under GUIDs of the EFI 1.1 shell, so that both shells see
 * the same ones.
 */
#include <inttypes.h>
#include "le.h"
#include "runtime.h"
#include "shell_priv.h"

#define NAME_MAX_CHARS 64
#define VALUE_MAX      4096 /* characters */
#define NV_BOOT        3u
#define BOOT           2u

static const uint8_t guid_env[16] = {0x24, 0xb2, 0xc7, 0x47, 0x2a, 0xc4, 0xd2, 0x11,
                                     0x8e, 0x57, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b};
static const uint8_t guid_alias[16] = {0x27, 0xb2, 0xc7, 0x47, 0x2a, 0xc4, 0xd2, 0x11,
                                       0x8e, 0x57, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b};

/* --- variables with a text --- */

/* Names are compared without case. */
static const struct fw_variable *find(struct shell *s, const uint8_t guid[16], const char *name)
{
    for (const struct fw_variable *v = s->b->fw->vars; v; v = v->next) {
        char *text;
        bool same;

        if (memcmp(v->guid, guid, 16))
            continue;
        text = shell_utf8(v->name);
        same = shell_same(text, name);
        g_free(text);
        if (same)
            return v;
    }
    return NULL;
}

static char *value_of(const struct fw_variable *v)
{
    uint16_t *text = g_new0(uint16_t, v->size / 2 + 1);
    char *out;

    memcpy(text, v->data, v->size & ~1u);
    out = shell_utf8(text);
    g_free(text);
    return out;
}

static char *get(struct shell *s, const uint8_t guid[16], const char *name)
{
    const struct fw_variable *v = find(s, guid, name);

    return v ? value_of(v) : NULL;
}

static uint64_t put(struct shell *s, const uint8_t guid[16], const char *name, uint32_t attr,
                    const char *value)
{
    const struct fw_variable *old = find(s, guid, name);
    uint16_t *text = shell_utf16(value);
    size_t n = fs_name_length(text);
    uint32_t size = 2 * ((uint32_t)n + 1);
    uint64_t status = EFI_OUT_OF_RESOURCES;

    if (n <= VALUE_MAX && old)
        status = efi_variable_change(s->b->fw, old, text, size);
    else if (n <= VALUE_MAX && s->b->fw->vars_total + size + 1024 < FW_VAR_TOTAL)
        status = efi_variable_put(s->b->fw, guid, name, attr, text, size);
    g_free(text);
    return status;
}

static uint64_t drop(struct shell *s, const uint8_t guid[16], const char *name)
{
    const struct fw_variable *v = find(s, guid, name);

    return v ? efi_variable_change(s->b->fw, v, NULL, 0) : EFI_NOT_FOUND;
}

char *shell_env_get(struct shell *s, const char *name)
{
    return get(s, guid_env, name);
}

void shell_env_set_volatile(struct shell *s, const char *name, const char *value)
{
    put(s, guid_env, name, BOOT, value);
}

char *shell_alias(struct shell *s, const char *name)
{
    return get(s, guid_alias, name);
}

static bool good_name(const char *name)
{
    if (!*name || strlen(name) > NAME_MAX_CHARS)
        return false;
    for (; *name; name++)
        if (*name <= ' ' || *name >= 0x7f || strchr("%\"=", *name))
            return false;
    return true;
}

static void show(struct shell *s, const struct fw_variable *v)
{
    char *name = shell_utf8(v->name), *value = value_of(v);

    shell_print(s, "  %c %-8s : %s\n", v->attr & 1 ? ' ' : '*', name, value);
    g_free(name);
    g_free(value);
}

static void show_all(struct shell *s, const uint8_t guid[16])
{
    for (const struct fw_variable *v = s->b->fw->vars; v; v = v->next)
        if (memcmp(v->guid, guid, 16) == 0)
            show(s, v);
}

/* set and alias: NAME shows, NAME VALUE... sets, -d NAME deletes, -v makes it volatile. */
static uint64_t variable_command(struct shell *s, struct shell_words *w, const uint8_t guid[16])
{
    bool is_volatile = shell_option(w, "-v");
    char *gone = shell_option_value(w, "-d"), *value;
    uint64_t status = EFI_SUCCESS;

    if (gone) {
        status = drop(s, guid, gone);
        if (status != EFI_SUCCESS)
            shell_fail(s, status, "%s", gone);
        g_free(gone);
        return status;
    }
    if (w->count == 2 && !find(s, guid, w->word[1]))
        return shell_fail(s, EFI_NOT_FOUND, "%s", w->word[1]);
    if (w->count == 2)
        show(s, find(s, guid, w->word[1]));
    if (w->count <= 2)
        return EFI_SUCCESS;
    if (!good_name(w->word[1]))
        return shell_fail(s, EFI_INVALID_PARAMETER, "'%s' cannot be a name", w->word[1]);
    value = g_strjoinv(" ", w->word + 2);
    status = put(s, guid, w->word[1], is_volatile ? BOOT : NV_BOOT, value);
    g_free(value);
    return status == EFI_SUCCESS ? status : shell_fail(s, status, "%s", w->word[1]);
}

uint64_t cmd_set(struct shell *s, struct shell_words *w)
{
    if (shell_option(w, "-b"))
        s->paging = true;
    if (w->count == 1)
        show_all(s, guid_env);
    return variable_command(s, w, guid_env);
}

uint64_t cmd_alias(struct shell *s, struct shell_words *w)
{
    if (w->count == 1) {
        for (unsigned i = 0; i < shell_synonym_count; i++)
            shell_print(s, "    %-8s : %s\n", shell_synonyms[i][0], shell_synonyms[i][1]);
        show_all(s, guid_alias);
    }
    return variable_command(s, w, guid_alias);
}

/* --- dmpstore --- */

static const char *vendor(const uint8_t guid[16], char buffer[40])
{
    if (memcmp(guid, guid_env, 16) == 0)
        return "SEnv";
    if (memcmp(guid, guid_alias, 16) == 0)
        return "ShellAlias";
    return memcmp(guid, guid_global_variable, 16) ? shell_guid_name(guid, buffer) : "Efi";
}

static void dump(struct shell *s, const struct fw_variable *v, const char *name)
{
    char buffer[40];

    shell_print(s, "Variable %s%s%s '%s:%s' DataSize = %X\n", v->attr & 1 ? "NV+" : "",
                v->attr & 4 ? "RT+" : "", v->attr & 2 ? "BS" : "", vendor(v->guid, buffer), name,
                v->size);
    shell_dump(s, 0, v->data, v->size);
}

uint64_t cmd_dmpstore(struct shell *s, struct shell_words *w)
{
    bool gone = shell_option(w, "-d"), found = false;
    uint64_t status = shell_check(s, w, 0, 1);

    if (status != EFI_SUCCESS)
        return status;
    if (gone && w->count == 1)
        return shell_fail(s, EFI_INVALID_PARAMETER, "-d needs the name of a variable");
    for (const struct fw_variable *v = s->b->fw->vars, *next; v; v = next) {
        char *name = shell_utf8(v->name);

        next = v->next;
        if (w->count == 1 || shell_match(w->word[1], name)) {
            found = true;
            dump(s, v, name);
            if (gone)
                status = efi_variable_change(s->b->fw, v, NULL, 0);
            if (gone)
                shell_print(s, "Delete - %s\n", shell_status_text(status));
        }
        g_free(name);
    }
    if (w->count == 2 && !found)
        return shell_fail(s, EFI_NOT_FOUND, "%s", w->word[1]);
    return status;
}
