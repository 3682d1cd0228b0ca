/* Text of the EFI shell: UTF-8 inside, UCS-2 towards file systems and programs; wildcards, numbers,
 * names of status codes.
 *
 * Conversions lose nothing: what is no valid text (lone surrogates, stray bytes) keeps a form that
 * converts back. Pure functions.
 */
#ifndef KITTSON_EFI_SHELL_TEXT_H
#define KITTSON_EFI_SHELL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One character of UTF-8; *s moves behind it. A byte that begins none counts as Latin-1. Never
 * called at the NUL. */
uint16_t shell_char(const char **s);
/* Writes at most 3 bytes, no NUL; returns how many. */
unsigned shell_put_char(char out[3], uint16_t c);
/* NUL-terminated strings; g_free. */
char *shell_utf8(const uint16_t *s);
uint16_t *shell_utf16(const char *s);
/* A text file as UTF-8 without carriage returns: UCS-2 with a byte order mark, or bytes. NULs
 * become blanks. g_free. */
char *shell_file_text(const uint8_t *data, size_t size);

/* Without case, as file names are compared. */
bool shell_same(const char *a, const char *b);
bool shell_has_wildcard(const char *s);
/* `*`, `?` and `[a-z]`, without case. Linear in the product of both lengths. */
bool shell_match(const char *pattern, const char *name);

/* The whole string is a number of this base (10 or 16; "0x" always means 16). */
bool shell_number(const char *s, unsigned base, uint64_t *value);
/* "1,234,567". The buffer is the caller's. */
const char *shell_commas(uint64_t v, char out[32]);

/* "Invalid Parameter" and so on; "Success" for 0, NULL for a code without a name. */
const char *shell_status_text(uint64_t status);

#endif
