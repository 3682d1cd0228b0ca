/* See gdb_packet.h. */
#include "gdb_packet.h"

#include <string.h>

#define ESCAPE      '}'
#define ESCAPE_BITS 0x20
#define CTRL_C      3

static enum gdb_event start(struct gdb_reader *r, uint8_t byte)
{
    if (byte == CTRL_C)
        return GDB_INTERRUPT;
    if (byte != '$') /* acknowledgements, noise */
        return GDB_NOTHING;
    r->state = READ_TEXT;
    r->escaped = r->too_long = false;
    r->sum = 0;
    r->length = 0;
    return GDB_NOTHING;
}

static void add_byte(struct gdb_reader *r, uint8_t byte)
{
    r->sum += byte;
    if (!r->escaped && byte == ESCAPE) {
        r->escaped = true;
        return;
    }
    if (r->escaped)
        byte ^= ESCAPE_BITS;
    r->escaped = false;
    if (r->length == GDB_PACKET_MAX)
        r->too_long = true;
    else
        r->text[r->length++] = (char)byte;
}

static enum gdb_event finish(struct gdb_reader *r, int digit)
{
    r->state = READ_IDLE;
    r->text[r->length] = '\0';
    if (digit < 0 || r->too_long || (r->given | digit) != r->sum)
        return GDB_BAD;
    return GDB_PACKET;
}

enum gdb_event gdb_reader_byte(struct gdb_reader *r, uint8_t byte)
{
    int digit = g_ascii_xdigit_value((char)byte);

    switch (r->state) {
    case READ_IDLE:
        return start(r, byte);
    case READ_TEXT:
        if (byte == '#')
            r->state = READ_SUM1;
        else if (byte == '$') /* the end of the last one was lost */
            start(r, byte);
        else
            add_byte(r, byte);
        return GDB_NOTHING;
    case READ_SUM1:
        if (digit < 0)
            return finish(r, digit);
        r->given = (uint8_t)(digit << 4);
        r->state = READ_SUM2;
        return GDB_NOTHING;
    default:
        return finish(r, digit);
    }
}

void gdb_write_packet(GString *out, const char *text, size_t length)
{
    uint8_t sum = 0;

    g_string_append_c(out, '$');
    for (size_t k = 0; k < length; k++) {
        char c = text[k];

        if (c == '#' || c == '$' || c == ESCAPE || c == '*') {
            g_string_append_c(out, ESCAPE);
            sum += ESCAPE;
            c ^= ESCAPE_BITS;
        }
        g_string_append_c(out, c);
        sum += (uint8_t)c;
    }
    g_string_append_printf(out, "#%02x", sum);
}

bool gdb_hex_number(const char **p, uint64_t *value)
{
    unsigned digits = 0;

    *value = 0;
    for (int d; (d = g_ascii_xdigit_value(**p)) >= 0; (*p)++, digits++) {
        if (*value >> 60)
            return false;
        *value = *value << 4 | (unsigned)d;
    }
    return digits > 0;
}

bool gdb_hex_bytes(const char *p, uint8_t *bytes, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        int high = g_ascii_xdigit_value(p[2 * k]);
        int low = high < 0 ? -1 : g_ascii_xdigit_value(p[2 * k + 1]);

        if (low < 0)
            return false;
        bytes[k] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void gdb_append_hex(GString *out, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;

    for (size_t k = 0; k < n; k++)
        g_string_append_printf(out, "%02x", p[k]);
}
