/* See shell_text.h. */
#include "shell_text.h"

#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "efi_status.h"
#include "filesystem.h"
#include "le.h"

static bool follows(char c)
{
    return ((uint8_t)c & 0xc0) == 0x80;
}

uint16_t shell_char(const char **s)
{
    const uint8_t *p = (const uint8_t *)*s;

    if ((p[0] & 0xe0) == 0xc0 && follows((*s)[1])) {
        *s += 2;
        return (uint16_t)((p[0] & 0x1f) << 6 | (p[1] & 0x3f));
    }
    if ((p[0] & 0xf0) == 0xe0 && follows((*s)[1]) && follows((*s)[2])) {
        *s += 3;
        return (uint16_t)((p[0] & 0xf) << 12 | (p[1] & 0x3f) << 6 | (p[2] & 0x3f));
    }
    *s += 1;
    return p[0];
}

unsigned shell_put_char(char out[3], uint16_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

static void append(GString *g, uint16_t c)
{
    char s[3];

    g_string_append_len(g, s, shell_put_char(s, c));
}

char *shell_utf8(const uint16_t *s)
{
    GString *g = g_string_new(NULL);

    while (*s)
        append(g, *s++);
    return g_string_free(g, FALSE);
}

uint16_t *shell_utf16(const char *s)
{
    uint16_t *out = g_new(uint16_t, strlen(s) + 1);
    size_t n = 0;

    while (*s)
        out[n++] = shell_char(&s);
    out[n] = 0;
    return out;
}

static void append_text(GString *g, uint16_t c)
{
    if (c != '\r')
        append(g, c ? c : ' ');
}

char *shell_file_text(const uint8_t *data, size_t size)
{
    GString *g = g_string_sized_new(size);

    if (size >= 2 && le16(data) == 0xfeff) {
        for (size_t i = 2; i + 1 < size; i += 2)
            append_text(g, le16(data + i));
    } else {
        for (size_t i = 0; i < size; i++)
            append_text(g, data[i]);
    }
    return g_string_free(g, FALSE);
}

bool shell_same(const char *a, const char *b)
{
    while (*a && *b)
        if (fs_upcase(shell_char(&a)) != fs_upcase(shell_char(&b)))
            return false;
    return *a == *b;
}

/* --- wildcards --- */

bool shell_has_wildcard(const char *s)
{
    return strpbrk(s, "*?[") != NULL;
}

/* A set behind its bracket; *s moves behind the closing one. A set that is not closed matches
 * nothing. */
static bool match_set(const char **s, uint16_t c)
{
    bool found = false;

    while (**s && **s != ']') {
        uint16_t from = fs_upcase(shell_char(s)), to = from;

        if (**s == '-' && (*s)[1] && (*s)[1] != ']') {
            ++*s;
            to = fs_upcase(shell_char(s));
        }
        found |= c >= from && c <= to;
    }
    if (**s != ']')
        return false;
    ++*s;
    return found;
}

static bool match_one(const char **pattern, uint16_t c)
{
    uint16_t p = shell_char(pattern);

    c = fs_upcase(c);
    if (p == '?')
        return true;
    return p == '[' ? match_set(pattern, c) : fs_upcase(p) == c;
}

/* After a mismatch only the last star needs to take one more character. */
bool shell_match(const char *pattern, const char *name)
{
    const char *star = NULL, *resume = NULL;

    while (*name) {
        const char *p = pattern, *n = name;

        if (*p == '*') {
            star = pattern = p + 1;
            resume = name;
            continue;
        }
        if (*p && match_one(&p, shell_char(&n))) {
            pattern = p;
            name = n;
            continue;
        }
        if (!star)
            return false;
        shell_char(&resume);
        name = resume;
        pattern = star;
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

/* --- numbers --- */

bool shell_number(const char *s, unsigned base, uint64_t *value)
{
    uint64_t v = 0;

    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        base = 16;
        s += 2;
    }
    if (!*s)
        return false;
    for (; *s; s++) {
        int d = g_ascii_xdigit_value(*s);

        if (d < 0 || (unsigned)d >= base || v > (UINT64_MAX - (unsigned)d) / base)
            return false;
        v = v * base + (unsigned)d;
    }
    *value = v;
    return true;
}

const char *shell_commas(uint64_t v, char out[32])
{
    char digits[24];
    size_t n = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, v), at = 0;

    for (size_t i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
    return out;
}

const char *shell_status_text(uint64_t status)
{
    static const char *const errors[] = {NULL,
                                         "Load Error",
                                         "Invalid Parameter",
                                         "Unsupported",
                                         "Bad Buffer Size",
                                         "Buffer Too Small",
                                         "Not Ready",
                                         "Device Error",
                                         "Write Protected",
                                         "Out of Resources",
                                         "Volume Corrupt",
                                         "Volume Full",
                                         "No Media",
                                         "Media changed",
                                         "Not Found",
                                         "Access Denied",
                                         "No Response",
                                         "No mapping",
                                         "Time out",
                                         "Not started",
                                         "Already started",
                                         "Aborted",
                                         "ICMP Error",
                                         "TFTP Error",
                                         "Protocol Error"};
    static const char *const warnings[] = {"Success", "Warning Unknown Glyph",
                                           "Warning Delete Failure", "Warning Write Failure",
                                           "Warning Buffer Too Small"};
    uint64_t n = status & ~(1ull << 63);

    if (EFI_IS_ERROR(status))
        return n < G_N_ELEMENTS(errors) ? errors[n] : NULL;
    return n < G_N_ELEMENTS(warnings) ? warnings[n] : NULL;
}
