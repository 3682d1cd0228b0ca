/* SMBIOS 2.3: the machine's model, serial number and UUID, its processors and memory.
 *
 * Minimal: what systems read to name the machine. Structure layouts: DMTF DSP0134.
 */
#include "fw.h"

#include <stdio.h>
#include <string.h>

struct smbios {
    struct blob *b;
    unsigned count;
    size_t start; /* of the structure being written */
    size_t largest;
    char strings[256];
    size_t strings_len;
    unsigned string_count;
};

static void begin(struct smbios *s, unsigned type, unsigned length)
{
    s->start = s->b->len;
    s->strings_len = 0;
    s->string_count = 0;
    blob_u8(s->b, type);
    blob_u8(s->b, length);
    blob_u16(s->b, 0x100 + s->count++);
}

/* A string's number inside its structure. */
static void string(struct smbios *s, const char *text)
{
    size_t n = strlen(text) + 1;

    if (n > sizeof(s->strings) - s->strings_len) {
        blob_u8(s->b, 0);
        return;
    }
    memcpy(s->strings + s->strings_len, text, n);
    s->strings_len += n;
    blob_u8(s->b, ++s->string_count);
}

static void end(struct smbios *s)
{
    blob_bytes(s->b, s->strings, s->strings_len);
    blob_zero(s->b, s->strings_len ? 1 : 2);
    if (s->b->len - s->start > s->largest)
        s->largest = s->b->len - s->start;
}

static void put_bios(struct smbios *s)
{
    begin(s, 0, 0x14);
    string(s, "Kittson");
    string(s, "14.62");
    blob_u16(s->b, 0);
    string(s, "11/20/2026");
    blob_u8(s->b, 0);
    blob_u64(s->b, 1ull << 7); /* PCI is supported */
    blob_u8(s->b, 1);          /* ACPI is supported */
    blob_u8(s->b, 0);
    end(s);
}

static void put_system(struct smbios *s, struct firmware *fw)
{
    begin(s, 1, 0x19);
    string(s, "hp");
    string(s, "server Integrity Virtual Machine");
    blob_u8(s->b, 0); /* no version */
    string(s, fw->serial);
    blob_bytes(s->b, fw->cfg.uuid, 16); /* in order; little-endian fields came with 2.6 */
    blob_u8(s->b, 6);                   /* woken by the power switch */
    end(s);
}

static void put_chassis(struct smbios *s, struct firmware *fw)
{
    begin(s, 3, 0x0d);
    string(s, "hp");
    blob_u8(s->b, 1); /* other */
    blob_u8(s->b, 0);
    string(s, fw->serial);
    blob_u8(s->b, 0);
    blob_u32(s->b, 0x03030303); /* boot, power, thermal state safe; no lock-out */
    end(s);
}

static void put_processor(struct smbios *s, struct firmware *fw, unsigned cpu)
{
    char socket[16];

    snprintf(socket, sizeof(socket), "CPU %u", cpu);
    begin(s, 4, 0x20);
    string(s, socket);
    blob_u8(s->b, 3);    /* central processor */
    blob_u8(s->b, 0x82); /* Itanium family */
    string(s, "Intel");
    blob_u64(s->b, 0);
    string(s, fw_brand(fw));
    blob_u8(s->b, 0);
    blob_u16(s->b, (unsigned)(fw->cfg.bus_hz / 1000000));
    blob_u16(s->b, (unsigned)(fw_cpu_hz(fw) / 1000000));
    blob_u16(s->b, (unsigned)(fw_cpu_hz(fw) / 1000000));
    blob_u8(s->b, 0x41); /* populated, enabled */
    blob_u8(s->b, 1);
    blob_u16(s->b, 0xffff); /* caches: not described */
    blob_u16(s->b, 0xffff);
    blob_u16(s->b, 0xffff);
    end(s);
}

static void put_memory(struct smbios *s, struct firmware *fw)
{
    uint64_t kb = fw->cfg.memory >> 10;

    begin(s, 16, 0x0f);
    blob_u8(s->b, 3); /* system board */
    blob_u8(s->b, 3); /* system memory */
    blob_u8(s->b, 3); /* no error correction */
    blob_u32(s->b, kb < 0x80000000ull ? (uint32_t)kb : 0x80000000u);
    blob_u16(s->b, 0xfffe);
    blob_u16(s->b, 0);
    end(s);
}

static void put_end(struct smbios *s)
{
    begin(s, 127, 4);
    end(s);
}

#define ENTRY_SIZE 0x1f

/* Entry point with its intermediate "_DMI_" part (16 bytes in), both with checksums. */
static void put_entry_point(struct blob *b, const struct smbios *s, size_t at, uint64_t table,
                            size_t length)
{
    struct blob e;

    blob_init(&e, b->data + at, ENTRY_SIZE);
    blob_bytes(&e, "_SM_", 4);
    blob_u8(&e, 0);
    blob_u8(&e, ENTRY_SIZE);
    blob_u16(&e, 0x0302); /* version 2.3 */
    blob_u16(&e, (unsigned)s->largest);
    blob_zero(&e, 6);
    blob_bytes(&e, "_DMI_", 5);
    blob_u8(&e, 0);
    blob_u16(&e, (unsigned)length);
    blob_u32(&e, (uint32_t)table);
    blob_u16(&e, s->count);
    blob_u8(&e, 0x23);
    blob_checksum(&e, 16, 15, 21);
    blob_checksum(&e, 0, ENTRY_SIZE, 4);
}

int smbios_build(struct firmware *fw, struct blob *b, uint64_t base)
{
    struct smbios s = {.b = b};
    size_t at = b->len, table;

    fw->smbios = base + at;
    blob_zero(b, ENTRY_SIZE);
    blob_align(b, 16);
    table = b->len;
    put_bios(&s);
    put_system(&s, fw);
    put_chassis(&s, fw);
    for (unsigned i = 0; i < fw->cfg.cpus; i++)
        put_processor(&s, fw, i);
    put_memory(&s, fw);
    put_end(&s);
    if (!b->overflow)
        put_entry_point(b, &s, at, base + table, b->len - table);
    return 0;
}
