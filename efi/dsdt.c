/* The differentiated definition block: sleep states and com1.
 *
 * As ASL:
 *   Name (\_S0, Package (4) {0, 0, 0, 0})   Name (\_S5, Package (4) {5, 5, 0, 0})
 *   Scope (\_SB) { Device (COM1) { _HID PNP0501, _UID 0, _CRS: registers and interrupt } }
 */
#include "acpi.h"

#include "aml.h"
#include "hpvm_map.h"

static void sleep_state(struct blob *b, const char *path, unsigned type)
{
    size_t p;

    aml_def_name(b, path);
    p = aml_open_package(b, 4);
    aml_int(b, type);
    aml_int(b, type);
    aml_int(b, 0);
    aml_int(b, 0);
    aml_close(b, p);
}

static void com1(struct blob *b)
{
    size_t dev = aml_open_device(b, "COM1"), crs;

    aml_def_name(b, "_HID");
    aml_eisaid(b, "PNP0501");
    aml_def_name(b, "_UID");
    aml_int(b, 0);
    aml_def_name(b, "_CRS");
    crs = aml_open_resources(b);
    aml_memory32(b, (uint32_t)HPVM_UART, HPVM_UART_SIZE);
    aml_interrupt(b, HPVM_UART_GSI);
    aml_close_resources(b, crs);
    aml_close(b, dev);
}

void dsdt_write(struct blob *b)
{
    size_t sb;

    sleep_state(b, "\\_S0_", 0);
    sleep_state(b, "\\_S5_", HPVM_S5_SLP_TYP);
    sb = aml_open_scope(b, "\\_SB_");
    com1(b);
    aml_close(b, sb);
}
