/* EFI variables, kept in host memory; non-volatile ones also in the variable store when there is
 * one (firmware_use_nvram).
 *
 * A variable without run-time access is neither seen nor made once boot services have ended, and a
 * volatile one is not made. Sizes are bounded: FW_NAME_MAX, FW_VAR_MAX, FW_VAR_TOTAL.
 */
#include "runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"
#include "nvram.h"
#include "archive.h"

#define ATTR_NON_VOLATILE 1u
#define ATTR_BOOT         2u
#define ATTR_RUNTIME      4u

struct key {
    uint8_t guid[16];
    uint16_t name[FW_NAME_MAX + 1];
    uint32_t name_size; /* bytes with the NUL; 2 for an empty name */
};

/* Reads a NUL-terminated name of at most `limit` characters, and not a byte past its end. */
static bool read_name(struct fwcall *k, uint64_t va, uint64_t limit, struct key *key)
{
    for (unsigned i = 0; i <= FW_NAME_MAX && i < limit; i++) {
        if (!fw_read(k, va + 2ull * i, &key->name[i], 2))
            return false;
        if (key->name[i] == 0) {
            key->name_size = 2 * (i + 1);
            return true;
        }
    }
    return false;
}

static bool read_key(struct fwcall *k, uint64_t name, uint64_t guid, struct key *key)
{
    return name && guid && read_name(k, name, UINT64_MAX, key) &&
           fw_read(k, guid, key->guid, sizeof(key->guid));
}

static struct fw_variable **find(struct firmware *fw, const struct key *key)
{
    struct fw_variable **p = &fw->vars;

    while (*p && (memcmp((*p)->guid, key->guid, 16) || (*p)->name_size != key->name_size ||
                  memcmp((*p)->name, key->name, key->name_size)))
        p = &(*p)->next;
    return p;
}

static void free_variable(struct fw_variable *v)
{
    free(v->name);
    free(v->data);
    free(v);
}

static void drop(struct firmware *fw, struct fw_variable **p)
{
    struct fw_variable *v = *p;

    *p = v->next;
    fw->vars_total -= v->size + v->name_size;
    free_variable(v);
}

void efi_variables_free(struct firmware *fw)
{
    while (fw->vars)
        drop(fw, &fw->vars);
    nvram_close(fw->nvram);
    fw->nvram = NULL;
}

/* Whether the caller may see it now. */
static bool visible(const struct firmware *fw, const struct fw_variable *v)
{
    return v && ((v->attr & ATTR_RUNTIME) || fw_boot_time(fw));
}

/* GetVariable(name, guid, *attributes or NULL, *size, data) */
uint64_t efi_get_variable(struct fwcall *k)
{
    struct key key;
    struct fw_variable *v;
    uint64_t room, size;

    if (!k->arg[3] || !read_key(k, k->arg[0], k->arg[1], &key) ||
        !fw_read(k, k->arg[3], &room, sizeof(room)))
        return EFI_INVALID_PARAMETER;
    v = *find(k->fw, &key);
    if (!visible(k->fw, v))
        return EFI_NOT_FOUND;
    size = v->size;
    if (k->arg[2] && !fw_write(k, k->arg[2], &v->attr, sizeof(v->attr)))
        return EFI_INVALID_PARAMETER;
    if (room < size)
        return fw_write(k, k->arg[3], &size, sizeof(size)) ? EFI_BUFFER_TOO_SMALL
                                                           : EFI_INVALID_PARAMETER;
    /* the size is written last: a call that starts again must still see the room */
    if (!k->arg[4] || !fw_write(k, k->arg[4], v->data, size) ||
        !fw_write(k, k->arg[3], &size, sizeof(size)))
        return EFI_INVALID_PARAMETER;
    return EFI_SUCCESS;
}

/* GetNextVariableName(*size, name, guid): the empty name starts the list. */
uint64_t efi_get_next_variable_name(struct fwcall *k)
{
    struct key key;
    struct fw_variable *v;
    uint64_t room, size;

    if (!k->arg[0] || !k->arg[1] || !k->arg[2] || !fw_read(k, k->arg[0], &room, sizeof(room)) ||
        !read_name(k, k->arg[1], room / 2, &key) || !fw_read(k, k->arg[2], key.guid, 16))
        return EFI_INVALID_PARAMETER;
    v = k->fw->vars;
    if (key.name_size > 2) {
        v = *find(k->fw, &key);
        if (!v)
            return EFI_INVALID_PARAMETER;
        v = v->next;
    }
    while (v && !visible(k->fw, v))
        v = v->next;
    if (!v)
        return EFI_NOT_FOUND;
    size = v->name_size;
    if (room < size)
        return fw_write(k, k->arg[0], &size, sizeof(size)) ? EFI_BUFFER_TOO_SMALL
                                                           : EFI_INVALID_PARAMETER;
    /* name and GUID are also input: nothing is written until everything can be */
    if (!fw_writable(k, k->arg[0], sizeof(size)) || !fw_writable(k, k->arg[1], size) ||
        !fw_writable(k, k->arg[2], 16))
        return EFI_INVALID_PARAMETER;
    if (!fw_write(k, k->arg[1], v->name, size) || !fw_write(k, k->arg[2], v->guid, 16) ||
        !fw_write(k, k->arg[0], &size, sizeof(size)))
        return EFI_INVALID_PARAMETER;
    return EFI_SUCCESS;
}

/* Whether a variable of this size can be there instead of the old one (NULL: none). */
static bool has_room(const struct firmware *fw, const struct fw_variable *old, uint64_t size,
                     uint32_t name_size)
{
    uint64_t freed = old ? old->size + old->name_size : 0;

    return size <= FW_VAR_MAX && fw->vars_total - freed + size + name_size <= FW_VAR_TOTAL;
}

static uint64_t check_set(const struct firmware *fw, const struct fw_variable *old, uint32_t attr,
                          uint64_t size, uint32_t name_size)
{
    if ((attr & ~(ATTR_NON_VOLATILE | ATTR_BOOT | ATTR_RUNTIME)) || !(attr & ATTR_BOOT) ||
        (!(attr & ATTR_RUNTIME) && !fw_boot_time(fw)))
        return EFI_INVALID_PARAMETER;
    if (old && old->attr != attr)
        return EFI_INVALID_PARAMETER;
    if (!(attr & ATTR_NON_VOLATILE) && !fw_boot_time(fw))
        return EFI_WRITE_PROTECTED; /* volatile ones can only be made by boot services */
    return has_room(fw, old, size, name_size) ? EFI_SUCCESS : EFI_OUT_OF_RESOURCES;
}

static struct fw_variable *new_variable(const struct key *key, uint32_t attr, uint32_t size)
{
    struct fw_variable *v = calloc(1, sizeof(*v));

    if (!v)
        return NULL;
    v->name = malloc(key->name_size);
    v->data = malloc(size);
    if (!v->name || !v->data) {
        free_variable(v);
        return NULL;
    }
    memcpy(v->guid, key->guid, sizeof(v->guid));
    memcpy(v->name, key->name, key->name_size);
    v->name_size = key->name_size;
    v->attr = attr;
    v->size = size;
    return v;
}

/* Puts v in the place of *p (an old version or the end of the list). */
static void put(struct firmware *fw, struct fw_variable **p, struct fw_variable *v)
{
    if (*p)
        drop(fw, p);
    v->next = *p;
    *p = v;
    fw->vars_total += v->size + v->name_size;
}

/* The variable store. It is written before memory changes, so that a guest never sees a variable
 * that a restart would take back. */

static uint64_t store_status(int err)
{
    if (!err)
        return EFI_SUCCESS;
    if (log_once("variable store", (unsigned)-err))
        log_warn("the variable store cannot be written: %s", strerror(-err));
    return err == -ENOSPC || err == -EDQUOT || err == -ENOMEM ? EFI_OUT_OF_RESOURCES
                                                              : EFI_DEVICE_ERROR;
}

static struct nvram_var store_form(const struct fw_variable *v)
{
    struct nvram_var s = {.attr = v->attr,
                          .name_size = v->name_size,
                          .size = v->size,
                          .name = v->name,
                          .data = v->data};

    memcpy(s.guid, v->guid, sizeof(s.guid));
    return s;
}

/* Writes what the variables will be: without `gone`, with `added`; either may be NULL. */
static uint64_t store_change(struct firmware *fw, const struct fw_variable *gone,
                             const struct fw_variable *added)
{
    uint32_t attr = (gone ? gone->attr : 0) | (added ? added->attr : 0);
    struct nvram_list l = {0};
    unsigned count = 1;
    int err;

    if (!fw->nvram || !(attr & ATTR_NON_VOLATILE))
        return EFI_SUCCESS;
    for (const struct fw_variable *v = fw->vars; v; v = v->next)
        count++;
    l.var = calloc(count, sizeof(*l.var));
    if (!l.var)
        return EFI_OUT_OF_RESOURCES;
    for (const struct fw_variable *v = fw->vars; v; v = v->next)
        if (v != gone && (v->attr & ATTR_NON_VOLATILE))
            l.var[l.count++] = store_form(v);
    if (added && (added->attr & ATTR_NON_VOLATILE))
        l.var[l.count++] = store_form(added);
    err = nvram_write(fw->nvram, &l);
    free(l.var);
    return store_status(err);
}

/* Variables of the store replace those of the same name; their number and size were limited when
 * they were set, and are again. */
static int take_stored(struct firmware *fw, const struct nvram_var *s)
{
    struct key key = {.name_size = s->name_size};
    struct fw_variable *v;

    if (s->size > FW_VAR_MAX || fw->vars_total + s->size + s->name_size > FW_VAR_TOTAL)
        return -ENOSPC;
    memcpy(key.guid, s->guid, sizeof(key.guid));
    memcpy(key.name, s->name, s->name_size);
    v = new_variable(&key, s->attr, s->size);
    if (!v)
        return -ENOMEM;
    memcpy(v->data, s->data, s->size);
    put(fw, find(fw, &key), v);
    return 0;
}

int firmware_use_nvram(struct firmware *fw, const char *path, char *why, size_t why_size)
{
    struct nvram_list l;
    int err = nvram_open(path, &fw->nvram, &l, why, why_size);

    if (err)
        return err;
    if (why[0])
        log_warn("%s", why);
    pthread_mutex_lock(&fw->lock);
    for (unsigned i = 0; i < l.count && !err; i++)
        err = take_stored(fw, &l.var[i]);
    if (!err)
        efi_count_load(fw);
    pthread_mutex_unlock(&fw->lock);
    nvram_list_free(&l);
    if (err)
        snprintf(why, why_size, "%s: has more variables than this machine can hold", path);
    return err;
}

void efi_variables_forget_volatile(struct firmware *fw)
{
    for (struct fw_variable **p = &fw->vars; *p;)
        if ((*p)->attr & ATTR_NON_VOLATILE)
            p = &(*p)->next;
        else
            drop(fw, p);
}

static void make_key(struct key *key, const uint8_t guid[16], const char *name)
{
    size_t n = strlen(name);

    memcpy(key->guid, guid, sizeof(key->guid));
    for (size_t i = 0; i <= n && i <= FW_NAME_MAX; i++)
        key->name[i] = (uint8_t)name[i];
    key->name_size = 2 * ((uint32_t)n + 1);
}

const struct fw_variable *efi_variable(struct firmware *fw, const uint8_t guid[16],
                                       const char *name)
{
    struct key key;

    make_key(&key, guid, name);
    return *find(fw, &key);
}

static uint64_t put_key(struct firmware *fw, const struct key *key, uint32_t attr, const void *data,
                        uint32_t size)
{
    struct fw_variable **p, *v = NULL;
    uint64_t status;

    p = find(fw, key);
    if (size && !has_room(fw, *p, size, key->name_size))
        return EFI_OUT_OF_RESOURCES;
    if (size) {
        v = new_variable(key, attr, size);
        if (!v)
            return EFI_OUT_OF_RESOURCES;
        memcpy(v->data, data, size);
    }
    if (!v && !*p)
        return EFI_SUCCESS;
    status = store_change(fw, *p, v);
    if (status != EFI_SUCCESS && v)
        free_variable(v);
    else if (status == EFI_SUCCESS && v)
        put(fw, p, v);
    else if (status == EFI_SUCCESS)
        drop(fw, p);
    return status;
}

uint64_t efi_variable_put(struct firmware *fw, const uint8_t guid[16], const char *name,
                          uint32_t attr, const void *data, uint32_t size)
{
    struct key key;

    make_key(&key, guid, name);
    return put_key(fw, &key, attr, data, size);
}

uint64_t efi_variable_change(struct firmware *fw, const struct fw_variable *v, const void *data,
                             uint32_t size)
{
    struct key key = {.name_size = v->name_size};

    memcpy(key.guid, v->guid, sizeof(key.guid));
    memcpy(key.name, v->name, v->name_size);
    return put_key(fw, &key, v->attr, data, size);
}

/* SetVariable(name, guid, attributes, size, data): size 0 or no access attribute deletes. */
uint64_t efi_set_variable(struct fwcall *k)
{
    struct firmware *fw = k->fw;
    struct key key;
    struct fw_variable **p, *v;
    uint32_t attr = (uint32_t)k->arg[2];
    uint64_t status;

    if (!read_key(k, k->arg[0], k->arg[1], &key) || key.name_size <= 2)
        return EFI_INVALID_PARAMETER;
    p = find(fw, &key);
    if (k->arg[3] == 0 || !(attr & (ATTR_BOOT | ATTR_RUNTIME))) {
        if (!visible(fw, *p))
            return EFI_NOT_FOUND;
        status = store_change(fw, *p, NULL);
        if (status == EFI_SUCCESS)
            drop(fw, p);
        return status;
    }
    status = check_set(fw, *p, attr, k->arg[3], key.name_size);
    if (status != EFI_SUCCESS)
        return status;
    v = new_variable(&key, attr, (uint32_t)k->arg[3]);
    if (!v)
        return EFI_OUT_OF_RESOURCES;
    status = EFI_INVALID_PARAMETER;
    if (k->arg[4] && fw_read(k, k->arg[4], v->data, v->size))
        status = store_change(fw, *p, v);
    if (status == EFI_SUCCESS)
        put(fw, p, v);
    else
        free_variable(v);
    return status;
}

/* --- saving --- */

static void variable_state(struct nvram_var *v, struct archive *s)
{
    archive_bytes(s, v->guid, sizeof(v->guid));
    archive_bytes(s, &v->attr, sizeof(v->attr));
    v->name_size = (uint32_t)archive_number(s, v->name_size, 2 * (FW_NAME_MAX + 1),
                                            "a variable's name is too long");
    v->size = (uint32_t)archive_number(s, v->size, FW_VAR_MAX, "a variable is too large");
}

static bool name_ok(const struct nvram_var *v)
{
    return v->name_size >= 2 && v->name_size % 2 == 0 && v->name[v->name_size / 2 - 1] == 0;
}

static void load_variable(struct firmware *fw, struct archive *s)
{
    static uint16_t name[FW_NAME_MAX + 1];
    static uint8_t data[FW_VAR_MAX];
    struct nvram_var v = {.name = name, .data = data};

    variable_state(&v, s);
    archive_bytes(s, name, v.name_size);
    archive_bytes(s, data, v.size);
    if (s->wrong == NULL && archive_check(s, name_ok(&v), "a variable has no name"))
        archive_check(s, take_stored(fw, &v) == 0, "there are too many variables");
}

static void save_variable(const struct fw_variable *from, struct archive *s)
{
    struct nvram_var v = store_form(from);

    variable_state(&v, s);
    archive_bytes(s, v.name, v.name_size);
    archive_bytes(s, v.data, v.size);
}

void efi_variables_state(struct firmware *fw, struct archive *s)
{
    static const struct fw_variable stored = {.attr = ATTR_NON_VOLATILE};
    uint64_t count = 0;

    for (const struct fw_variable *v = fw->vars; v; v = v->next)
        count++;
    count = archive_number(s, count, NVRAM_VARS_MAX, "there are too many variables");
    if (!s->loading) {
        for (const struct fw_variable *v = fw->vars; v; v = v->next)
            save_variable(v, s);
        return;
    }
    while (fw->vars)
        drop(fw, &fw->vars);
    while (count-- > 0 && s->wrong == NULL)
        load_variable(fw, s);
    store_change(fw, &stored, NULL);
}
