/* Small text helpers: numbers with units, nearest word, UUIDs.
 *
 * Strict parsers: the whole string must be a value. Nothing here prints.
 */
#ifndef KITTSON_UTILS_TEXT_H
#define KITTSON_UTILS_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* "512M", "1G", "65536K", "1048576": bytes, units are powers of 1024. 0, -EINVAL or -ERANGE. */
int text_parse_size(const char *s, uint64_t *bytes);

/* A decimal number between min and max. 0, -EINVAL or -ERANGE. */
int text_parse_number(const char *s, uint64_t min, uint64_t max, uint64_t *value);

/* 8-4-4-4-12 hexadecimal digits, bytes in the order written. 0 or -EINVAL. */
int text_parse_uuid(const char *s, uint8_t uuid[16]);

/* Edit distance: insertions, deletions, replacements and swapped neighbours count 1 each. Words
 * longer than 63 characters are compared by their first 63. */
unsigned text_distance(const char *a, const char *b);

/* The candidate most like word, or NULL when none is like it. A candidate that word abbreviates
 * counts as like it. */
const char *text_nearest(const char *word, const char *const *candidates, size_t count);

#endif
