/* State of a device as bytes, written and read by one and the same function.
 *
 * A part of the machine that is saved has a function NAME_state(part, struct archive *) that names
 * its fields in a fixed order; the struct says in which direction they go. Numbers are as the host
 * has them, little-endian. Bytes that are read may be anything: reading stops at the end, truth
 * values and what archive_check() is asked about must be sensible, and the first thing that is not
 * is remembered. Knows neither files (sections.h) nor what the fields mean.
 */
#ifndef KITTSON_UTILS_ARCHIVE_H
#define KITTSON_UTILS_ARCHIVE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archive {
    bool loading;
    uint32_t version; /* of the layout: what is written, or what the bytes have */
    GByteArray *out;  /* writing */
    const uint8_t *in;
    size_t left;       /* reading */
    const char *wrong; /* NULL: nothing so far */
};

/* A field of a struct, for tables. */
struct archive_field {
    size_t offset, size;
    bool truth; /* one or more bools */
};
#define ARCHIVE_TRUTH(field) _Generic((field), bool : true, bool * : true, default : false)
#define ARCHIVE_FIELD(type, member)                                                                \
    {                                                                                              \
        offsetof(type, member), sizeof(((type *)NULL)->member),                                    \
            ARCHIVE_TRUTH(((type *)NULL)->member)                                                  \
    }

/* A writer owns its bytes until archive_done. A reader's bytes stay the caller's. */
void archive_write_init(struct archive *s, uint32_t version);
void archive_read_init(struct archive *s, const void *bytes, size_t size, uint32_t version);
void archive_done(struct archive *s);

/* Numbers, arrays of numbers, bytes. What cannot be read becomes zeros. */
void archive_bytes(struct archive *s, void *p, size_t size);
void archive_truth(struct archive *s, bool *b, size_t count);
void archive_fields(struct archive *s, void *base, const struct archive_field *f, size_t count);
/* A string of at most max bytes, or NULL; what is there when reading is freed (g_free). */
void archive_text(struct archive *s, char **text, size_t max);
/* A number that must be at most max; else it is remembered as wrong and becomes 0. */
uint64_t archive_number(struct archive *s, uint64_t value, uint64_t max, const char *what);

/* Remembers what is wrong unless ok; `what` must be static. Returns ok. */
bool archive_check(struct archive *s, bool ok, const char *what);
/* After reading: NULL, or what was wrong; bytes left over are wrong, too. */
const char *archive_verdict(struct archive *s);

#endif
