/* The AML of the DSDT, written by dsdt.c for acpi.c. Private to efi/. */
#ifndef KITTSON_EFI_ACPI_H
#define KITTSON_EFI_ACPI_H

#include "blob.h"

/* Appends the definition block's terms, without the table header. */
void dsdt_write(struct blob *b);

#endif
