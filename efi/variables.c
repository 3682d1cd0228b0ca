/* EFI variables, kept in host memory.
 *
 * Run-time rules only: the direct kernel start has no boot services, so a variable without run-time
 * access is neither seen nor made. Sizes are bounded: FW_NAME_MAX, FW_VAR_MAX, FW_VAR_TOTAL.
 */
#include "runtime.h"

#include <stdlib.h>
#include <string.h>

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

static void drop(struct firmware *fw, struct fw_variable **p)
{
    struct fw_variable *v = *p;

    *p = v->next;
    fw->vars_total -= v->size + v->name_size;
    free(v->name);
    free(v->data);
    free(v);
}

void efi_variables_free(struct firmware *fw)
{
    while (fw->vars)
        drop(fw, &fw->vars);
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
    if (!v || !(v->attr & ATTR_RUNTIME))
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
    while (v && !(v->attr & ATTR_RUNTIME))
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

static uint64_t check_set(const struct firmware *fw, const struct fw_variable *old, uint32_t attr,
                          uint64_t size, uint32_t name_size)
{
    uint64_t freed = old ? old->size + old->name_size : 0;

    if ((attr & ~(ATTR_NON_VOLATILE | ATTR_BOOT | ATTR_RUNTIME)) || !(attr & ATTR_RUNTIME) ||
        !(attr & ATTR_BOOT))
        return EFI_INVALID_PARAMETER;
    if (old && old->attr != attr)
        return EFI_INVALID_PARAMETER;
    if (!(attr & ATTR_NON_VOLATILE))
        return EFI_WRITE_PROTECTED; /* volatile ones can only be made by boot services */
    if (size > FW_VAR_MAX || fw->vars_total - freed + size + name_size > FW_VAR_TOTAL)
        return EFI_OUT_OF_RESOURCES;
    return EFI_SUCCESS;
}

static struct fw_variable *new_variable(const struct key *key, uint32_t attr, uint32_t size)
{
    struct fw_variable *v = calloc(1, sizeof(*v));

    if (!v)
        return NULL;
    v->name = malloc(key->name_size);
    v->data = malloc(size);
    if (!v->name || !v->data) {
        free(v->name);
        free(v->data);
        free(v);
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
        if (!*p || !((*p)->attr & ATTR_RUNTIME))
            return EFI_NOT_FOUND;
        drop(fw, p);
        return EFI_SUCCESS;
    }
    status = check_set(fw, *p, attr, k->arg[3], key.name_size);
    if (status != EFI_SUCCESS)
        return status;
    v = new_variable(&key, attr, (uint32_t)k->arg[3]);
    if (!v)
        return EFI_OUT_OF_RESOURCES;
    if (!k->arg[4] || !fw_read(k, k->arg[4], v->data, v->size)) {
        free(v->name);
        free(v->data);
        free(v);
        return EFI_INVALID_PARAMETER;
    }
    put(fw, p, v);
    return EFI_SUCCESS;
}
