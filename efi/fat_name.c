/* Names and times as FAT writes them. */
#include "fat.h"

#include <stdio.h>
#include <string.h>

#define LONG_PART 13 /* characters of a long name in one entry */

/* Case flags of short names that Windows NT writes. */
#define CASE_BASE_LOWER 0x08
#define CASE_EXT_LOWER  0x10

bool fat_name_ok(const uint16_t *name)
{
    size_t n = fs_name_length(name);

    if (n == 0 || n > FS_NAME_MAX || name[n - 1] == ' ' || name[n - 1] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (name[i] < 0x20 || (name[i] < 0x80 && strchr("\"*/:<>?\\|", name[i])))
            return false;
    return true;
}

static bool short_char(uint16_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c < 0x80 && c > 0x20 && strchr("!#$%&'()-@^_`{}~", c));
}

/* Copies up to `room` characters; returns how many. */
static unsigned short_part(const uint16_t *s, size_t n, uint8_t *to, unsigned room,
                           struct fat_short *out)
{
    unsigned used = 0;

    for (size_t i = 0; i < n; i++) {
        uint16_t up = fs_upcase(s[i]);

        out->exact &= up == s[i];
        if (s[i] == ' ' || s[i] == '.' || used == room) {
            out->lossy = true;
            continue;
        }
        out->lossy |= !short_char(up);
        to[used++] = short_char(up) ? (uint8_t)up : '_';
    }
    return used;
}

void fat_short_make(const uint16_t *name, struct fat_short *out)
{
    size_t n = fs_name_length(name), dot = n;

    for (size_t i = 1; i < n; i++)
        if (name[i] == '.')
            dot = i;
    memset(out, 0, sizeof(*out));
    memset(out->name, ' ', 11);
    out->exact = true;
    out->base = short_part(name, dot, out->name, 8, out);
    if (dot < n)
        short_part(name + dot + 1, n - dot - 1, out->name + 8, 3, out);
    if (out->base == 0) {
        out->name[0] = '_';
        out->base = 1;
        out->lossy = true;
    }
    out->exact &= !out->lossy;
}

void fat_short_number(struct fat_short *s, unsigned number)
{
    char tail[9];
    unsigned n = (unsigned)snprintf(tail, sizeof(tail), "~%u", number % 1000000);
    unsigned at = s->base < 8 - n ? s->base : 8 - n;

    memset(s->name + at, ' ', 8 - at);
    memcpy(s->name + at, tail, n);
}

unsigned fat_short_taken(const struct fat_short *s, const uint8_t taken[11])
{
    struct fat_short with = *s;
    unsigned number = 0, at = 0;

    while (at < 8 && taken[at] != '~')
        at++;
    for (unsigned i = at + 1; i < 8 && taken[i] >= '0' && taken[i] <= '9'; i++)
        number = number * 10 + taken[i] - '0';
    if (!number)
        return 0;
    fat_short_number(&with, number);
    return memcmp(with.name, taken, 11) == 0 ? number : 0;
}

static unsigned text_part(const uint8_t *s, unsigned n, bool lower, uint16_t *out)
{
    unsigned used = 0;

    while (n && s[n - 1] == ' ')
        n--;
    for (unsigned i = 0; i < n; i++)
        out[used++] = lower && s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i];
    return used;
}

void fat_short_text(const uint8_t name[11], uint8_t flags, uint16_t out[13])
{
    uint8_t base[8];
    unsigned n;

    memcpy(base, name, 8);
    if (base[0] == 0x05) /* stands for 0xe5, which would mean a deleted entry */
        base[0] = 0xe5;
    n = text_part(base, 8, flags & CASE_BASE_LOWER, out);
    if (name[8] != ' ') {
        out[n++] = '.';
        n += text_part(name + 8, 3, flags & CASE_EXT_LOWER, out + n);
    }
    out[n] = 0;
}

uint8_t fat_short_sum(const uint8_t name[11])
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < 11; i++)
        sum = (uint8_t)((sum >> 1 | sum << 7) + name[i]);
    return sum;
}

unsigned fat_long_count(const uint16_t *name)
{
    return (unsigned)((fs_name_length(name) + LONG_PART - 1) / LONG_PART);
}

void fat_long_entry(const uint16_t *name, unsigned i, unsigned count, uint8_t sum,
                    uint8_t e[FAT_ENTRY])
{
    static const uint8_t at[LONG_PART] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    size_t length = fs_name_length(name), from = (size_t)(count - 1 - i) * LONG_PART;

    memset(e, 0, FAT_ENTRY);
    e[0] = (uint8_t)((count - i) | (i == 0 ? 0x40 : 0));
    e[DE_ATTR] = FAT_ATTR_LONG;
    e[13] = sum;
    for (unsigned k = 0; k < LONG_PART; k++) /* the NUL is written, and 0xffff behind it */
        put_le16(e + at[k], from + k <= length ? name[from + k] : 0xffff);
}

/* Times are local, seconds even; ten_ms counts to 199. */
void fat_time_get(uint16_t date, uint16_t time, uint8_t ten_ms, struct fs_time *t)
{
    *t = (struct fs_time){0};
    if (!date)
        return;
    *t = (struct fs_time){.year = (uint16_t)(1980 + (date >> 9)),
                          .month = date >> 5 & 15,
                          .day = date & 31,
                          .hour = (uint8_t)(time >> 11),
                          .minute = time >> 5 & 63,
                          .second = (uint8_t)((time & 31) * 2 + ten_ms / 100)};
}

void fat_time_put(const struct fs_time *t, uint16_t *date, uint16_t *time, uint8_t *ten_ms)
{
    unsigned year = t->year < 1980 ? 1980 : t->year > 2107 ? 2107 : t->year;

    *date = *time = 0;
    *ten_ms = 0;
    if (!t->year)
        return;
    *date = (uint16_t)((year - 1980) << 9 | (t->month & 15) << 5 | (t->day & 31));
    *time = (uint16_t)((t->hour & 31) << 11 | (t->minute & 63) << 5 | (t->second & 63) / 2);
    *ten_ms = t->second & 1 ? 100 : 0;
}
