/* The differentiated definition block: sleep states, com1 and the PCI roots.
 *
 * As ASL:
 *   Name (\_S0, Package (4) {0, 0, 0, 0})   Name (\_S5, Package (4) {5, 5, 0, 0})
 *   Scope (\_SB) { Device (COM1) { _HID PNP0501, _UID 0, _CRS: registers and interrupt }
 *     Device (PCI0) { _HID PNP0A03, _UID 0, _SEG 0, _BBN 0, _CRS: bus, ports, memory,
 *                     _PRT: inputs of the I/O SAPIC }  and so on to PCI7 }
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

static void pci_ports(struct blob *b, unsigned root)
{
    if (root != 0) {
        aml_io_range(b, HPVM_PCI_IO(root), HPVM_PCI_IO_SIZE);
        return;
    }
    aml_io_range(b, 0, HPVM_PCI_IO_LEGACY_END);
    aml_io_range(b, HPVM_PCI_IO_FIRST, HPVM_PCI_IO_SIZE - HPVM_PCI_IO_FIRST);
}

static void pci_resources(struct blob *b, unsigned root)
{
    size_t crs;

    aml_def_name(b, "_CRS");
    crs = aml_open_resources(b);
    aml_bus_range(b, root, root);
    pci_ports(b, root);
    aml_memory_range(b, HPVM_PCI_MEM(root), HPVM_PCI_MEM_SIZE(root));
    aml_memory_range(b, HPVM_PCI_MEM64(root), HPVM_PCI_MEM64_SIZE);
    aml_close_resources(b, crs);
}

/* A package of device and pin, no link device, global system interrupt (ACPI 2.0, 6.2.8). */
static void pci_route(struct blob *b, unsigned root, unsigned slot, unsigned pin)
{
    size_t entry = aml_open_package(b, 4);

    aml_int(b, (uint64_t)slot << 16 | 0xffff);
    aml_int(b, pin);
    aml_int(b, 0);
    aml_int(b, HPVM_PCI_GSI(root, (slot + pin) % HPVM_PCI_LINES));
    aml_close(b, entry);
}

static void pci_routing(struct blob *b, unsigned root)
{
    size_t table;

    aml_def_name(b, "_PRT");
    table = aml_open_package(b, HPVM_PCI_SLOTS * 4);
    for (unsigned slot = 0; slot < HPVM_PCI_SLOTS; slot++)
        for (unsigned pin = 0; pin < 4; pin++)
            pci_route(b, root, slot, pin);
    aml_close(b, table);
}

static void pci_root(struct blob *b, unsigned root)
{
    char name[5] = {'P', 'C', 'I', (char)('0' + root), 0};
    size_t dev = aml_open_device(b, name);

    aml_def_name(b, "_HID");
    aml_eisaid(b, "PNP0A03");
    aml_def_name(b, "_UID");
    aml_int(b, root);
    aml_def_name(b, "_SEG");
    aml_int(b, 0);
    aml_def_name(b, "_BBN");
    aml_int(b, root);
    pci_resources(b, root);
    pci_routing(b, root);
    aml_close(b, dev);
}

void dsdt_write(struct blob *b)
{
    size_t sb;

    sleep_state(b, "\\_S0_", 0);
    sleep_state(b, "\\_S5_", HPVM_S5_SLP_TYP);
    sb = aml_open_scope(b, "\\_SB_");
    com1(b);
    for (unsigned root = 0; root < HPVM_PCI_ROOTS; root++)
        pci_root(b, root);
    aml_close(b, sb);
}
