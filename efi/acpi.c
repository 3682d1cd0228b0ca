/* ACPI 2.0 tables: RSDP, XSDT, FADT, FACS, DSDT, MADT, SPCR.
 *
 * The XSDT's OEM id is not "HP": some Linux kernels would then look for an HP I/O controller. No
 * RSDT: the processor has no 32-bit systems. AML is in dsdt.c.
 */
#include "acpi.h"
#include "fw.h"

#include <errno.h>
#include <string.h>

#define OEM_ID     "KITTSN"
#define OEM_TABLE  "HPVM"
#define HEADER     36
#define MAX_TABLES 8

#define SPACE_MEMORY 0
#define SPACE_IO     1

#define FADT_FLAGS                                                                                 \
    (1u << 0 /* WBINVD */ | 1u << 2 /* C1 */ | 1u << 5 /* no sleep button */ |                     \
     1u << 6 /* no wake by RTC */ | 1u << 8 /* 32-bit timer */ | 1u << 10 /* reset register */)

static size_t begin(struct blob *b, const char *signature, unsigned revision)
{
    size_t at;

    blob_align(b, 16);
    at = b->len;
    blob_bytes(b, signature, 4);
    blob_u32(b, 0);
    blob_u8(b, revision);
    blob_u8(b, 0);
    blob_str(b, OEM_ID, 6, ' ');
    blob_str(b, OEM_TABLE, 8, ' ');
    blob_u32(b, 1);
    blob_str(b, "KITT", 4, ' ');
    blob_u32(b, 1);
    return at;
}

static uint64_t end(struct blob *b, size_t at)
{
    blob_patch32(b, at + 4, (uint32_t)(b->len - at));
    blob_checksum(b, at, b->len - at, at + 9);
    return FW_ACPI + at;
}

static void generic_address(struct blob *b, unsigned space, unsigned bits, uint64_t addr)
{
    blob_u8(b, space);
    blob_u8(b, addr ? bits : 0);
    blob_u8(b, 0);
    blob_u8(b, 0);
    blob_u64(b, addr);
}

static uint64_t put_dsdt(struct blob *b)
{
    size_t at = begin(b, "DSDT", 2);

    dsdt_write(b);
    return end(b, at);
}

/* The fixed blocks as 32-bit ports; unused ones are 0. */
static void fadt_ports(struct blob *b)
{
    blob_u32(b, HPVM_PM1_EVT);
    blob_u32(b, 0);
    blob_u32(b, HPVM_PM1_CNT);
    blob_u32(b, 0);
    blob_u32(b, 0); /* PM2 */
    blob_u32(b, HPVM_PM_TMR);
    blob_u32(b, 0); /* GPE0, GPE1 */
    blob_u32(b, 0);
    blob_u8(b, 4); /* lengths: PM1 event, PM1 control, PM2, timer, GPE0, GPE1, GPE1 base */
    blob_u8(b, 2);
    blob_u8(b, 0);
    blob_u8(b, 4);
    blob_u8(b, 0);
    blob_u8(b, 0);
    blob_u8(b, 0);
}

static void fadt_extended(struct blob *b, uint64_t facs, uint64_t dsdt)
{
    blob_u64(b, facs);
    blob_u64(b, dsdt);
    generic_address(b, SPACE_IO, 32, HPVM_PM1_EVT);
    generic_address(b, SPACE_IO, 0, 0);
    generic_address(b, SPACE_IO, 16, HPVM_PM1_CNT);
    generic_address(b, SPACE_IO, 0, 0);
    generic_address(b, SPACE_IO, 0, 0);
    generic_address(b, SPACE_IO, 32, HPVM_PM_TMR);
    generic_address(b, SPACE_IO, 0, 0);
    generic_address(b, SPACE_IO, 0, 0);
}

/* Revision 3, 244 bytes (ACPI 2.0, 5.2.8). No SMI command port: always in ACPI mode. */
static uint64_t put_fadt(struct blob *b, uint64_t facs, uint64_t dsdt)
{
    size_t at = begin(b, "FACP", 3);

    blob_u32(b, (uint32_t)facs);
    blob_u32(b, (uint32_t)dsdt);
    blob_u8(b, 0);
    blob_u8(b, 4); /* enterprise server */
    blob_u16(b, HPVM_SCI_GSI);
    blob_zero(b, 8); /* SMI command, its values, S4BIOS, P-states */
    fadt_ports(b);
    blob_u8(b, 0);
    blob_u16(b, 0xffff); /* C2 and C3 latencies: not there */
    blob_u16(b, 0xffff);
    blob_zero(b, 9); /* flush size and stride, duty cycle, alarms, century */
    blob_u16(b, 0);  /* boot architecture flags: no legacy devices, no 8042 */
    blob_u8(b, 0);
    blob_u32(b, FADT_FLAGS);
    generic_address(b, SPACE_IO, 8, HPVM_RESET_PORT);
    blob_u8(b, HPVM_RESET_VALUE);
    blob_zero(b, 3);
    fadt_extended(b, facs, dsdt);
    return end(b, at);
}

static void local_sapic(struct blob *b, unsigned cpu)
{
    blob_u8(b, 7);
    blob_u8(b, 12);
    blob_u8(b, cpu);
    blob_u8(b, HPVM_LID(cpu) >> 24 & 0xff);
    blob_u8(b, HPVM_LID(cpu) >> 16 & 0xff);
    blob_zero(b, 3);
    blob_u32(b, 1); /* enabled */
}

static void io_sapic(struct blob *b)
{
    blob_u8(b, 6);
    blob_u8(b, 16);
    blob_u8(b, 0);
    blob_u8(b, 0);
    blob_u32(b, HPVM_IOSAPIC_GSI);
    blob_u64(b, HPVM_IOSAPIC);
}

/* The 64-bit address of the processor interrupt block, as HP's tables also give it. */
static void local_address(struct blob *b)
{
    blob_u8(b, 5);
    blob_u8(b, 12);
    blob_u16(b, 0);
    blob_u64(b, HPVM_PIB);
}

static uint64_t put_madt(struct firmware *fw, struct blob *b)
{
    size_t at = begin(b, "APIC", 1);

    blob_u32(b, (uint32_t)HPVM_PIB);
    blob_u32(b, 0); /* no 8259 */
    for (unsigned i = 0; i < fw->cfg.cpus; i++)
        local_sapic(b, i);
    local_address(b);
    io_sapic(b);
    return end(b, at);
}

/* Serial Port Console Redirection, revision 1, 80 bytes. */
static uint64_t put_spcr(struct blob *b)
{
    size_t at = begin(b, "SPCR", 1);

    blob_u32(b, 0); /* 16550 */
    generic_address(b, SPACE_MEMORY, 8, HPVM_UART);
    blob_u8(b, 4); /* interrupts through the I/O SAPIC */
    blob_u8(b, 0);
    blob_u32(b, HPVM_UART_GSI);
    blob_u8(b, 7); /* 115200 */
    blob_u8(b, 0); /* no parity */
    blob_u8(b, 1); /* stop bit */
    blob_u8(b, 0); /* no flow control */
    blob_u8(b, 1); /* VT100+ */
    blob_u8(b, 0);
    blob_u16(b, 0xffff); /* not on PCI */
    blob_u16(b, 0xffff);
    blob_zero(b, 3);
    blob_u32(b, 0);
    blob_u8(b, 0);
    blob_u32(b, 0);
    return end(b, at);
}

static uint64_t put_xsdt(struct blob *b, const uint64_t *tables, unsigned n)
{
    size_t at = begin(b, "XSDT", 1);

    for (unsigned i = 0; i < n; i++)
        blob_u64(b, tables[i]);
    return end(b, at);
}

/* 36 bytes: checksum over the first 20, extended checksum over all. */
static uint64_t put_rsdp(struct blob *b, uint64_t xsdt)
{
    size_t at;

    blob_align(b, 16);
    at = b->len;
    blob_bytes(b, "RSD PTR ", 8);
    blob_u8(b, 0);
    blob_str(b, OEM_ID, 6, ' ');
    blob_u8(b, 2);
    blob_u32(b, 0); /* no RSDT */
    blob_u32(b, HEADER);
    blob_u64(b, xsdt);
    blob_u32(b, 0);
    blob_checksum(b, at, 20, at + 8);
    blob_checksum(b, at, HEADER, at + 32);
    return FW_ACPI + at;
}

static int put_facs(struct firmware *fw)
{
    uint8_t facs[64] = {0};

    memcpy(facs, "FACS", 4);
    facs[4] = sizeof(facs);
    facs[32] = 1; /* version */
    return fw_put(fw, FW_NVS, facs, sizeof(facs));
}

int acpi_build(struct firmware *fw)
{
    _Static_assert(FW_ACPI_SIZE <= 65536, "built on the host's stack");
    uint8_t data[FW_ACPI_SIZE];
    uint64_t tables[MAX_TABLES], dsdt;
    unsigned n = 0;
    struct blob b;
    int err;

    blob_init(&b, data, sizeof(data));
    dsdt = put_dsdt(&b);
    tables[n++] = put_fadt(&b, FW_NVS, dsdt);
    tables[n++] = put_madt(fw, &b);
    tables[n++] = put_spcr(&b);
    fw->rsdp = put_rsdp(&b, put_xsdt(&b, tables, n));
    if (b.overflow)
        return -ENOSPC;
    err = put_facs(fw);
    return err ? err : fw_put(fw, FW_ACPI, data, b.len);
}
