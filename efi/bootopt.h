/* Boot options: the variables Boot####, BootOrder, BootNext and Timeout. Private to efi/.
 *
 * Variables may hold anything: a damaged option is listed as such (it can be deleted), a path that
 * makes no sense is found out when it is used. Changes answer EFI status codes, as SetVariable
 * does: EFI_OUT_OF_RESOURCES when the variable store is full.
 */
#ifndef KITTSON_EFI_BOOTOPT_H
#define KITTSON_EFI_BOOTOPT_H

#include "boot.h"

#define BOOTOPT_ACTIVE  1u
#define BOOTOPT_TEXT    120     /* characters of a description that can be entered */
#define BOOT_DATA_MAX   240     /* characters of option data that can be entered */
#define BOOT_WAIT       0xffffu /* Timeout: no count-down, wait for the user */
#define BOOT_TIMEOUT    10u     /* seconds when there is no such variable */
#define BOOTOPT_SHELL   u"EFI Shell [Built-in]" /* its path: one file path node */
#define NV_BOOT_RUNTIME 7u                      /* attributes of all of them */

struct bootopt {
    int number; /* of Boot####; -1: not kept in a variable */
    uint32_t attributes;
    char *text;    /* description, characters beyond ASCII as '?' */
    uint8_t *path; /* nodes without the end node */
    size_t path_size;
    uint8_t *data;
    uint32_t size;
    bool damaged;     /* the variable is not an option: number and text only */
    uint64_t trouble; /* EFI status of a drive nothing can be loaded from, else 0 */
};

/* number -1, active. Data may be NULL. */
struct bootopt *bootopt_new(const char *text, const struct devpath *path, const void *data,
                            uint32_t size);
struct bootopt *bootopt_copy(const struct bootopt *o);
void bootopt_free(gpointer o);
/* Copies the path out. */
void bootopt_path(const struct bootopt *o, struct devpath *out);

/* Option of a number, NULL when there is no such variable. */
struct bootopt *bootopt_read(struct boot *b, unsigned number);
/* Options in the order of BootOrder, each once; numbers without variable are left out. */
GPtrArray *bootopt_list(struct boot *b);
/* Writes the option into its variable; number -1 takes the lowest free one. */
uint64_t bootopt_write(struct boot *b, struct bootopt *o);
uint64_t bootopt_delete(struct boot *b, unsigned number);
/* Makes BootOrder the list's numbers. */
uint64_t bootopt_set_order(struct boot *b, const GPtrArray *list);

/* A variable of two bytes; -1 when there is none or it is too short. */
int boot_variable16(struct boot *b, const char *name);
uint64_t boot_set_variable16(struct boot *b, const char *name, uint16_t value);
uint64_t boot_delete_variable(struct boot *b, const char *name);

#endif
