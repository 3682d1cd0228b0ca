/* pci and smbiosview of the EFI shell. */
#include <inttypes.h>
#include "hpvm_map.h"
#include "le.h"
#include "shell_priv.h"

#define CONFIG 256u

static uint32_t config(struct shell *s, unsigned bus, unsigned devfn, unsigned reg, unsigned size)
{
    const struct firmware_config *cfg = &s->b->fw->cfg;

    if (!cfg->pci_read)
        return UINT32_MAX;
    return (uint32_t)cfg->pci_read(cfg->opaque, 0, bus, devfn, reg, size);
}

static const char *class_name(unsigned class)
{
    static const struct {
        uint16_t class;
        const char *name;
    } table[] = {{0x0100, "Mass Storage Controller - SCSI controller"},
                 {0x0101, "Mass Storage Controller - IDE controller"},
                 {0x0200, "Network Controller - Ethernet controller"},
                 {0x0300, "Display Controller - VGA/8514 controller"},
                 {0x0600, "Bridge Device - Host/PCI bridge"},
                 {0x0601, "Bridge Device - PCI/ISA bridge"},
                 {0x0604, "Bridge Device - PCI/PCI bridge"},
                 {0x0700, "Simple Communications Controllers - Serial controllers"},
                 {0x0880, "Base System Peripherals - Other system peripheral"}};

    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++)
        if (table[i].class == class)
            return table[i].name;
    return "Device";
}

static bool present(struct shell *s, unsigned bus, unsigned devfn)
{
    return (config(s, bus, devfn, 0, 2) & 0xffff) != 0xffff;
}

static void show_one(struct shell *s, unsigned bus, unsigned devfn)
{
    shell_print(s, "    00   %02X   %02X    %02X ==> %s\n", bus, devfn >> 3, devfn & 7,
                class_name(config(s, bus, devfn, 10, 2) & 0xffff));
    shell_print(s, "             Vendor %04X Device %04X Prog Interface %X\n",
                config(s, bus, devfn, 0, 2) & 0xffff, config(s, bus, devfn, 2, 2) & 0xffff,
                config(s, bus, devfn, 9, 1) & 0xff);
}

static void show_all(struct shell *s)
{
    shell_puts(s, "   Seg  Bus  Dev  Func\n   ---  ---  ---  ----\n");
    for (unsigned bus = 0; bus < HPVM_PCI_ROOTS; bus++)
        for (unsigned devfn = 0; devfn < 256; devfn++) {
            bool many = (devfn & 7) == 0 || (config(s, bus, devfn & ~7u, 14, 1) & 0x80);

            if (many && present(s, bus, devfn))
                show_one(s, bus, devfn);
        }
}

static void interpret(struct shell *s, const uint8_t *c)
{
    shell_print(s, "  Vendor ID(0): %04X  Device ID(2): %04X\n", le16(c), le16(c + 2));
    shell_print(s, "  Command(4): %04X  Status(6): %04X\n", le16(c + 4), le16(c + 6));
    shell_print(s, "  Revision ID(8): %02X  Class: %s\n", c[8], class_name(le16(c + 10)));
    for (unsigned i = 0; i < 6 && (c[14] & 0x7f) == 0; i++)
        if (le32(c + 16 + 4 * i))
            shell_print(s, "  Base Address %u(%X): %08X %s\n", i, 16 + 4 * i, le32(c + 16 + 4 * i),
                        c[16 + 4 * i] & 1 ? "I/O" : "memory");
    shell_print(s, "  Subsystem(2C): %04X:%04X  Interrupt Line(3C): %02X Pin(3D): %02X\n",
                le16(c + 44), le16(c + 46), c[60], c[61]);
}

uint64_t cmd_pci(struct shell *s, struct shell_words *w)
{
    bool verbose = shell_option(w, "-i");
    char *segment = shell_option_value(w, "-s");
    uint64_t status = shell_check(s, w, 0, 3), v[3] = {0}, seg = 0;
    uint8_t data[CONFIG];
    bool ok = !segment || (shell_number(segment, 16, &seg) && seg == 0);

    g_free(segment);
    if (status != EFI_SUCCESS)
        return status;
    if (w->count == 1) {
        show_all(s);
        return EFI_SUCCESS;
    }
    for (unsigned i = 1; i < w->count && ok; i++)
        ok = shell_number(w->word[i], 16, &v[i - 1]);
    if (!ok || w->count < 3 || v[0] > 255 || v[1] > 31 || v[2] > 7)
        return shell_fail(s, EFI_INVALID_PARAMETER, "bus, device and function are wanted");
    if (!present(s, (unsigned)v[0], (unsigned)(v[1] << 3 | v[2])))
        return shell_fail(s, EFI_NOT_FOUND, "there is no such function");
    for (unsigned i = 0; i < CONFIG; i++)
        data[i] = (uint8_t)config(s, (unsigned)v[0], (unsigned)(v[1] << 3 | v[2]), i, 1);
    shell_print(s, "  PCI Segment 00 Bus %02X Device %02X Func %02X [EFI %010" PRIX64 "]\n",
                (unsigned)v[0], (unsigned)v[1], (unsigned)v[2],
                v[0] << 24 | v[1] << 16 | v[2] << 8);
    shell_dump(s, 0, data, CONFIG);
    if (verbose)
        interpret(s, data);
    return EFI_SUCCESS;
}

/* --- smbiosview --- */

/* Strings behind a structure, the last ended by two NULs; where the next structure begins, 0 when
 * there is no end. A structure without strings has the two NULs alone. */
static uint64_t show_strings(struct shell *s, uint64_t at, uint64_t end, bool show)
{
    for (unsigned n = 0;; n++) {
        GString *g = g_string_new(NULL);
        bool empty;
        char c = 1;

        while (at < end && boot_read(s->b, at, &c, 1) && c) {
            g_string_append_c(g, c >= ' ' && c < 0x7f ? c : '?');
            at++;
        }
        empty = g->len == 0;
        if (show && !empty)
            shell_print(s, "  String %u: %s\n", n + 1, g->str);
        g_string_free(g, TRUE);
        if (c)
            return 0;
        at++;
        if (empty)
            return n ? at : at + 1;
    }
}

static const char *structure_name(unsigned type)
{
    static const char *const name[] = {[0] = "BIOS Information",
                                       [1] = "System Information",
                                       [2] = "Base Board Information",
                                       [3] = "System Enclosure",
                                       [4] = "Processor Information",
                                       [7] = "Cache Information",
                                       [9] = "System Slots",
                                       [16] = "Physical Memory Array",
                                       [17] = "Memory Device",
                                       [19] = "Memory Array Mapped Address",
                                       [32] = "System Boot Information"};

    if (type == 127)
        return "End of Table";
    return type < G_N_ELEMENTS(name) && name[type] ? name[type] : "Structure";
}

static void show_structures(struct shell *s, uint64_t at, uint64_t end, unsigned count,
                            int64_t wanted)
{
    uint8_t head[4], data[256];

    for (unsigned i = 0; i < count && at && at < end && boot_read(s->b, at, head, 4); i++) {
        bool show = wanted < 0 || wanted == head[0];

        if (head[1] < 4 || !boot_read(s->b, at, data, head[1]))
            return;
        if (show) {
            shell_print(s, "Type=%u, Handle=0x%X, %s, 0x%X bytes\n", head[0], le16(head + 2),
                        structure_name(head[0]), head[1]);
            shell_dump(s, 0, data, head[1]);
        }
        at = show_strings(s, at + head[1], end, show);
    }
}

/* The entry point: length of the table at 22, its address at 24, number of structures at 28. */
uint64_t cmd_smbiosview(struct shell *s, struct shell_words *w)
{
    char *type = shell_option_value(w, "-t");
    uint64_t status, wanted = UINT64_MAX;
    uint8_t entry[31];

    shell_option(w, "-a");
    status = shell_check(s, w, 0, 0);
    if (status == EFI_SUCCESS && type && (!shell_number(type, 10, &wanted) || wanted > 255))
        status = shell_fail(s, EFI_INVALID_PARAMETER, "%s is no type", type);
    g_free(type);
    if (status != EFI_SUCCESS)
        return status;
    if (!boot_read(s->b, s->b->fw->smbios, entry, sizeof(entry)))
        return shell_fail(s, EFI_NOT_FOUND, "there is no SMBIOS table");
    shell_print(s, "SMBIOS %u.%u, %u structures, %u bytes at %X\n", entry[6], entry[7],
                le16(entry + 28), le16(entry + 22), le32(entry + 24));
    show_structures(s, le32(entry + 24), (uint64_t)le32(entry + 24) + le16(entry + 22),
                    le16(entry + 28), (int64_t)wanted);
    return EFI_SUCCESS;
}
