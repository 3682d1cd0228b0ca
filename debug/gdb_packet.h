/* The framing of gdb's remote protocol: packets $...#xx with their checksums, acknowledgements, the
 * interrupt byte, hexadecimal fields.
 *
 * Pure: bytes in, packets out. Input comes from anybody: packets that are too long, wrong checksums
 * and bytes between packets are survived. Source: "Debugging with GDB", appendix "GDB Remote Serial
 * Protocol".
 */
#ifndef KITTSON_DEBUG_GDB_PACKET_H
#define KITTSON_DEBUG_GDB_PACKET_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GDB_PACKET_MAX 0x4000 /* characters of a packet, as PacketSize tells */

enum gdb_event {
    GDB_NOTHING,
    GDB_PACKET,   /* text and length hold one */
    GDB_BAD,      /* wrong checksum or too long: to be sent again */
    GDB_INTERRUPT /* Ctrl-C */
};

struct gdb_reader {
    enum { READ_IDLE, READ_TEXT, READ_SUM1, READ_SUM2 } state;
    bool escaped, too_long;
    uint8_t sum, given;
    size_t length;
    char text[GDB_PACKET_MAX + 1]; /* terminated; may have zero bytes inside */
};

/* Takes one byte. */
enum gdb_event gdb_reader_byte(struct gdb_reader *r, uint8_t byte);

/* Appends a whole packet to out, with what must be escaped. */
void gdb_write_packet(GString *out, const char *text, size_t length);

/* A hexadecimal number at *p, which moves behind it; false when there is none or it is too long. */
bool gdb_hex_number(const char **p, uint64_t *value);
/* n bytes from 2 n digits; false when there are others. */
bool gdb_hex_bytes(const char *p, uint8_t *bytes, size_t n);
void gdb_append_hex(GString *out, const void *bytes, size_t n);

#endif
