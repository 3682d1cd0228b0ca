/* See text.h. */
#include "text.h"

#include <errno.h>
#include <string.h>

#define WORD_MAX 63

static int parse_digits(const char **s, uint64_t *value)
{
    const char *p = *s;
    uint64_t v = 0;
    if (*p < '0' || *p > '9')
        return -EINVAL;
    for (; *p >= '0' && *p <= '9'; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return -ERANGE;
        v = v * 10 + digit;
    }
    *s = p;
    *value = v;
    return 0;
}

static int unit_shift(char unit)
{
    switch (unit) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    default:
        return -1;
    }
}

int text_parse_size(const char *s, uint64_t *bytes)
{
    uint64_t v;
    int shift = 0;
    int err = parse_digits(&s, &v);
    if (err != 0)
        return err;
    if (*s != '\0') {
        shift = unit_shift(*s++);
        if (shift < 0 || *s != '\0')
            return -EINVAL;
    }
    if (v > UINT64_MAX >> shift)
        return -ERANGE;
    *bytes = v << shift;
    return 0;
}

int text_parse_number(const char *s, uint64_t min, uint64_t max, uint64_t *value)
{
    uint64_t v;
    int err = parse_digits(&s, &v);
    if (err != 0)
        return err;
    if (*s != '\0')
        return -EINVAL;
    if (v < min || v > max)
        return -ERANGE;
    *value = v;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int text_parse_uuid(const char *s, uint8_t uuid[16])
{
    for (unsigned i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *s++ != '-')
            return -EINVAL;
        int high = hex_digit(s[0]);
        int low = high < 0 ? -1 : hex_digit(s[1]);
        if (low < 0)
            return -EINVAL;
        uuid[i] = (uint8_t)(high << 4 | low);
        s += 2;
    }
    return *s == '\0' ? 0 : -EINVAL;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

/* Rows of the usual table: prev2, prev and now are the distances of the first i-2, i-1 and i
 * characters of a to every prefix of b. */
unsigned text_distance(const char *a, const char *b)
{
    size_t la = strnlen(a, WORD_MAX), lb = strnlen(b, WORD_MAX);
    unsigned rows[3][WORD_MAX + 1];
    unsigned *prev2 = rows[0], *prev = rows[1], *now = rows[2];
    for (size_t j = 0; j <= lb; j++)
        prev[j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned replace = prev[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = min3(prev[j] + 1, now[j - 1] + 1, replace);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                prev2[j - 2] + 1 < now[j])
                now[j] = prev2[j - 2] + 1;
        }
        unsigned *spare = prev2;
        prev2 = prev;
        prev = now;
        now = spare;
    }
    return prev[lb];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t count)
{
    size_t length = strlen(word);
    const char *best = NULL;
    unsigned best_distance = length < 4 ? 2 : 3; /* this many differences are too many */
    for (size_t i = 0; i < count; i++) {
        unsigned d = text_distance(word, candidates[i]);
        if (d < best_distance) {
            best = candidates[i];
            best_distance = d;
        }
    }
    for (size_t i = 0; best == NULL && length >= 3 && i < count; i++)
        if (strncmp(word, candidates[i], length) == 0)
            best = candidates[i];
    return best;
}
