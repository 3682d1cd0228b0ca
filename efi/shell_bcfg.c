/* bcfg of the EFI shell: boot options. */
#include <inttypes.h>
#include "bootopt.h"
#include "shell_priv.h"

#define POSITION_MAX 0xffffu

static const char *option_path(const struct bootopt *o, char **text)
{
    struct devpath *p = g_new0(struct devpath, 1);

    bootopt_path(o, p);
    *text = devpath_text(p);
    g_free(p);
    return *text;
}

static uint64_t dump(struct shell *s, bool verbose)
{
    GPtrArray *list = bootopt_list(s->b);

    shell_puts(s, "The boot option list is:\n");
    for (unsigned i = 0; i < list->len; i++) {
        const struct bootopt *o = list->pdata[i];
        char *path;

        shell_print(s, "%02X. %s", i + 1, option_path(o, &path));
        shell_print(s, " \"%s\"%s%s\n", o->text, o->size ? " OPT" : "",
                    o->attributes & BOOTOPT_ACTIVE ? "" : " (not active)");
        g_free(path);
        if (!verbose)
            continue;
        shell_print(s, "    Boot%04X, attributes %X, %u bytes of data\n", (unsigned)o->number,
                    o->attributes, o->size);
        shell_dump(s, 0, o->data, o->size);
    }
    if (!list->len)
        shell_puts(s, "    There is no boot option.\n");
    g_ptr_array_unref(list);
    return EFI_SUCCESS;
}

/* A place in the list, from 1; hexadecimal, as in the listing. */
static bool position(const char *text, unsigned max, unsigned *n)
{
    uint64_t v;

    if (!shell_number(text, 16, &v) || v == 0 || v > max)
        return false;
    *n = (unsigned)v;
    return true;
}

/* The whole device path, or what begins at the partition. */
static void file_path(const struct shell_path *p, bool media_only, struct devpath *out)
{
    const struct devpath *device = &p->map->device->path;
    uint16_t *name = shell_utf16(p->path);
    size_t at = 0, n;

    out->size = 0;
    for (; (n = devpath_node(device, at)) > 0; at += n)
        if (!media_only || device->data[at] == 4)
            devpath_add(out, device->data[at], device->data[at + 1], device->data + at + 4, n - 4);
    devpath_add_file(out, name);
    g_free(name);
}

static uint64_t insert(struct shell *s, const struct devpath *path, unsigned at, const char *text)
{
    GPtrArray *list = bootopt_list(s->b);
    struct bootopt *o = bootopt_new(text, path, NULL, 0);
    uint64_t status = bootopt_write(s->b, o);

    if (status != EFI_SUCCESS) {
        bootopt_free(o);
        g_ptr_array_unref(list);
        return status;
    }
    g_ptr_array_insert(list, (int)MIN(at - 1, list->len), o);
    status = bootopt_set_order(s->b, list);
    if (status != EFI_SUCCESS)
        bootopt_delete(s->b, (unsigned)o->number);
    g_ptr_array_unref(list);
    return status;
}

/* add N FILE "TEXT" */
static uint64_t add(struct shell *s, const struct shell_words *w, bool media_only)
{
    struct devpath *path;
    struct shell_path p;
    struct fs_info info;
    uint64_t status;
    unsigned at;

    if (w->count != 6 || !position(w->word[3], POSITION_MAX, &at))
        return shell_fail(s, EFI_INVALID_PARAMETER, "%s NUMBER FILE \"DESCRIPTION\" is wanted",
                          w->word[2]);
    if (!*w->word[5] || strlen(w->word[5]) > BOOTOPT_TEXT)
        return shell_fail(s, EFI_INVALID_PARAMETER, "a description has 1 to %u characters",
                          BOOTOPT_TEXT);
    status = shell_resolve(s, w->word[4], &p);
    if (status == EFI_SUCCESS)
        status = shell_info(&p, &info);
    if (status != EFI_SUCCESS) {
        shell_path_clear(&p);
        return shell_fail(s, status, "%s", w->word[4]);
    }
    path = g_new0(struct devpath, 1);
    file_path(&p, media_only, path);
    status = insert(s, path, at, w->word[5]);
    g_free(path);
    shell_path_clear(&p);
    if (status != EFI_SUCCESS)
        return shell_fail(s, status, "the option cannot be written");
    shell_puts(s, "bcfg: Add Boot option\n");
    return EFI_SUCCESS;
}

/* addh N HANDLE "TEXT" */
static uint64_t add_handle(struct shell *s, const struct shell_words *w)
{
    uint64_t handle = w->count == 6 ? shell_handle(s, w->word[4]) : 0, status;
    struct devpath *path = g_new0(struct devpath, 1);
    unsigned at;

    if (!handle || !position(w->word[3], POSITION_MAX, &at) ||
        !devpath_read(s->b, handle_interface(s->b, handle, guid_device_path), path))
        status = shell_fail(s, EFI_INVALID_PARAMETER,
                            "addh NUMBER HANDLE \"DESCRIPTION\" is wanted, of a device");
    else {
        status = insert(s, path, at, w->word[5]);
        if (status != EFI_SUCCESS)
            shell_fail(s, status, "the option cannot be written");
        else
            shell_puts(s, "bcfg: Add Boot option\n");
    }
    g_free(path);
    return status;
}

static uint64_t remove_option(struct shell *s, const struct shell_words *w)
{
    GPtrArray *list = bootopt_list(s->b);
    uint64_t status = EFI_INVALID_PARAMETER;
    unsigned at;

    if (w->count == 4 && position(w->word[3], list->len, &at)) {
        unsigned number = (unsigned)((struct bootopt *)list->pdata[at - 1])->number;

        g_ptr_array_remove_index(list, at - 1);
        status = bootopt_set_order(s->b, list);
        if (status == EFI_SUCCESS)
            status = bootopt_delete(s->b, number);
    }
    g_ptr_array_unref(list);
    if (status != EFI_SUCCESS)
        return shell_fail(s, status, "there is no such option to remove");
    shell_puts(s, "bcfg: Remove Boot option\n");
    return EFI_SUCCESS;
}

static uint64_t move_option(struct shell *s, const struct shell_words *w)
{
    GPtrArray *list = bootopt_list(s->b);
    uint64_t status = EFI_INVALID_PARAMETER;
    unsigned from, to;

    if (w->count == 5 && position(w->word[3], list->len, &from) &&
        position(w->word[4], list->len, &to)) {
        g_ptr_array_insert(list, (int)to - 1, g_ptr_array_steal_index(list, from - 1));
        status = bootopt_set_order(s->b, list);
    }
    g_ptr_array_unref(list);
    if (status != EFI_SUCCESS)
        return shell_fail(s, status, "mv FROM TO is wanted, places in the list");
    shell_puts(s, "bcfg: Move Boot option\n");
    return EFI_SUCCESS;
}

uint64_t cmd_bcfg(struct shell *s, struct shell_words *w)
{
    bool verbose = shell_option(w, "-v");
    uint64_t status = shell_check(s, w, 1, 5);
    const char *what = w->count > 2 ? w->word[2] : "dump";

    if (status != EFI_SUCCESS)
        return status;
    if (shell_same(w->word[1], "driver"))
        return shell_fail(s, EFI_UNSUPPORTED, "this firmware has no driver options");
    if (!shell_same(w->word[1], "boot"))
        return shell_fail(s, EFI_INVALID_PARAMETER, "%s; see 'help bcfg'", w->word[1]);
    if (shell_same(what, "dump"))
        return dump(s, verbose);
    if (shell_same(what, "add") || shell_same(what, "addp"))
        return add(s, w, shell_same(what, "addp"));
    if (shell_same(what, "addh"))
        return add_handle(s, w);
    if (shell_same(what, "rm"))
        return remove_option(s, w);
    if (shell_same(what, "mv"))
        return move_option(s, w);
    return shell_fail(s, EFI_INVALID_PARAMETER, "%s; see 'help bcfg'", what);
}
