/* EFI status codes and what runtime.c (tables, time, addresses, reset) and variables.c share.
 * Private to efi/.
 */
#ifndef KITTSON_EFI_RUNTIME_H
#define KITTSON_EFI_RUNTIME_H

#include "fw.h"

#define EFI_ERR(n)            (1ull << 63 | (n))
#define EFI_SUCCESS           0ull
#define EFI_INVALID_PARAMETER EFI_ERR(2)
#define EFI_UNSUPPORTED       EFI_ERR(3)
#define EFI_BUFFER_TOO_SMALL  EFI_ERR(5)
#define EFI_DEVICE_ERROR      EFI_ERR(7)
#define EFI_WRITE_PROTECTED   EFI_ERR(8)
#define EFI_OUT_OF_RESOURCES  EFI_ERR(9)
#define EFI_NOT_FOUND         EFI_ERR(14)
#define EFI_NO_MAPPING        EFI_ERR(17)

/* Runtime services; arguments in arg[], results through pointers. */
uint64_t efi_get_variable(struct fwcall *k);
uint64_t efi_get_next_variable_name(struct fwcall *k);
uint64_t efi_set_variable(struct fwcall *k);

/* Frees all variables. */
void efi_variables_free(struct firmware *fw);

#endif
