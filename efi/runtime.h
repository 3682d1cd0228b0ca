/* What runtime.c (tables, time, addresses, reset) and variables.c share.
 * Private to efi/.
 */
#ifndef KITTSON_EFI_RUNTIME_H
#define KITTSON_EFI_RUNTIME_H

#include "fw.h"
#include "efi_status.h"

/* Runtime services; arguments in arg[], results through pointers. */
uint64_t efi_get_variable(struct fwcall *k);
uint64_t efi_get_next_variable_name(struct fwcall *k);
uint64_t efi_set_variable(struct fwcall *k);

/* The firmware's own use of variables. size 0 deletes. */
const struct fw_variable *efi_variable(struct firmware *fw, const uint8_t guid[16],
                                       const char *name);
uint64_t efi_variable_put(struct firmware *fw, const uint8_t guid[16], const char *name,
                          uint32_t attr, const void *data, uint32_t size);
/* The same for one that is there; v is no longer valid after success. */
uint64_t efi_variable_change(struct firmware *fw, const struct fw_variable *v, const void *data,
                             uint32_t size);
/* What a reset loses. */
void efi_variables_forget_volatile(struct firmware *fw);

/* The guest's clock as an EFI_TIME. set: false when it is no time. */
void runtime_now(struct firmware *fw, uint8_t out[16]);
bool runtime_set_time(struct firmware *fw, const uint8_t time[16]);

/* The monotonic count, monotonic.c: takes the upper half from the variables just read, and raises
 * it; raises it and returns it. */
void efi_count_load(struct firmware *fw);
uint32_t efi_count_up(struct firmware *fw);

/* ResetSystem. */
enum { RESET_COLD, RESET_WARM, RESET_SHUTDOWN };
void runtime_reset(struct firmware *fw, struct cpu *c, unsigned type);

/* Saves or restores all variables, into the variable store, too (utils/archive.h). */
struct archive;
void efi_variables_state(struct firmware *fw, struct archive *s);

/* Frees all variables. */
void efi_variables_free(struct firmware *fw);

#endif
