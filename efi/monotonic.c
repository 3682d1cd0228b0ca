/* The upper half of the monotonic count: it goes up with every reset and every restart of the
 * process, and is kept where the variable store is. The lower half belongs to boot services. */
#include "runtime.h"

#include "log.h"

/* The name and GUID that EFI firmware for Itanium keeps it under. The OS has no access. */
static const char count_name[] = "MTC";
static const uint8_t count_guid[16] = {0x11, 0x40, 0x70, 0xeb, 0x02, 0x14, 0xd3, 0x11,
                                       0x8e, 0x77, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b};
#define COUNT_ATTRIBUTES 3u /* non-volatile, boot services */

/* A store that cannot be written must not keep a machine from starting: variables.c says so. */
uint32_t efi_count_up(struct firmware *fw)
{
    uint8_t bytes[4];

    fw->high_count++;
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(fw->high_count >> 8 * i);
    if (fw->nvram && efi_variable_put(fw, count_guid, count_name, COUNT_ATTRIBUTES, bytes,
                                      sizeof(bytes)) != EFI_SUCCESS)
        log_info("the monotonic count could not be kept");
    return fw->high_count;
}

void efi_count_load(struct firmware *fw)
{
    const struct fw_variable *v = efi_variable(fw, count_guid, count_name);

    if (v && v->size == 4)
        fw->high_count = (uint32_t)v->data[0] | (uint32_t)v->data[1] << 8 |
                         (uint32_t)v->data[2] << 16 | (uint32_t)v->data[3] << 24;
    efi_count_up(fw);
}
