/* EFI_UNICODE_COLLATION_PROTOCOL for English: comparing without case, patterns, case, FAT names. */
#include "boot.h"
#include "filesystem.h"

#define STRING_MAX 0x10000u

static uint16_t char_at(struct boot *b, uint64_t at)
{
    uint16_t c;

    return boot_read(b, at, &c, 2) ? c : 0;
}

/* (this, one, two) */
static uint64_t coll_compare(struct boot *b, struct fwcall *k)
{
    for (uint64_t i = 0; i < STRING_MAX; i++) {
        int x = fs_upcase(char_at(b, k->arg[1] + 2 * i));
        int y = fs_upcase(char_at(b, k->arg[2] + 2 * i));

        if (x != y)
            return (uint64_t)(int64_t)(x - y);
        if (x == 0)
            break;
    }
    return 0;
}

/* A set such as [a-z] at p, behind the bracket; *next is what follows it. */
static bool in_set(const uint16_t *p, uint16_t c, const uint16_t **next)
{
    bool found = false;

    for (; *p && *p != ']'; p++) {
        uint16_t from = fs_upcase(*p), to = from;

        if (p[1] == '-' && p[2] && p[2] != ']') {
            to = fs_upcase(p[2]);
            p += 2;
        }
        found |= c >= from && c <= to;
    }
    *next = *p ? p + 1 : p;
    return found;
}

/* * any characters, ? one, [set] one of the set. Goes back to the last star when stuck. */
static bool pattern_match(const uint16_t *s, const uint16_t *p)
{
    const uint16_t *star = NULL, *from = NULL;

    for (;;) {
        const uint16_t *next = p + 1;
        uint16_t c = fs_upcase(*s);

        if (*p == '*') {
            star = ++p;
            from = s;
            continue;
        }
        if (!*s && !*p)
            return true;
        if (*s && ((*p == '[' && in_set(p + 1, c, &next)) || *p == '?' ||
                   (*p && *p != '[' && fs_upcase(*p) == c))) {
            s++;
            p = next;
            continue;
        }
        if (!star || !*from)
            return false;
        p = star;
        s = ++from;
    }
}

/* (this, string, pattern) */
static uint64_t coll_match(struct boot *b, struct fwcall *k)
{
    uint16_t *s = boot_read_str16(b, k->arg[1], STRING_MAX);
    uint16_t *p = boot_read_str16(b, k->arg[2], STRING_MAX);
    bool yes = s && p && pattern_match(s, p);

    g_free(s);
    g_free(p);
    return yes;
}

static uint16_t lower(uint16_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint16_t)(c + 32) : c;
}

static void change_case(struct boot *b, uint64_t at, uint16_t (*convert)(uint16_t))
{
    uint16_t c;

    for (unsigned i = 0; i < STRING_MAX && (c = char_at(b, at)); i++, at += 2) {
        c = convert(c);
        boot_write(b, at, &c, 2);
    }
}

static uint64_t coll_lower(struct boot *b, struct fwcall *k)
{
    change_case(b, k->arg[1], lower);
    return EFI_SUCCESS;
}

static uint64_t coll_upper(struct boot *b, struct fwcall *k)
{
    change_case(b, k->arg[1], fs_upcase);
    return EFI_SUCCESS;
}

/* (this, size, fat, string) */
static uint64_t coll_from_fat(struct boot *b, struct fwcall *k)
{
    uint16_t c = 0;
    uint64_t i;
    uint8_t byte;

    for (i = 0; i < k->arg[1] && i < STRING_MAX; i++) {
        if (!boot_read(b, k->arg[2] + i, &byte, 1) || !byte)
            break;
        c = byte;
        boot_write(b, k->arg[3] + 2 * i, &c, 2);
    }
    c = 0;
    boot_write(b, k->arg[3] + 2 * i, &c, 2);
    return EFI_SUCCESS;
}

static bool fat_char(uint16_t c)
{
    return c > ' ' && c < 0x7f && !strchr("\"*+,./:;<=>?[\\]|", c);
}

/* (this, string, size, fat): TRUE when characters had to be replaced. Blanks and dots are left
 * out. */
static uint64_t coll_to_fat(struct boot *b, struct fwcall *k)
{
    bool changed = false;
    uint64_t n = 0;
    uint16_t c;
    uint8_t out;

    for (uint64_t i = 0; n < k->arg[2] && i < STRING_MAX && (c = char_at(b, k->arg[1] + 2 * i));
         i++) {
        if (c == ' ' || c == '.')
            continue;
        c = fs_upcase(c);
        out = fat_char(c) ? (uint8_t)c : '_';
        changed |= out != c;
        boot_write(b, k->arg[3] + n++, &out, 1);
    }
    out = 0;
    if (n < k->arg[2])
        boot_write(b, k->arg[3] + n, &out, 1);
    return changed;
}

static boot_fn *const members[] = {coll_compare, coll_match,    coll_lower,
                                   coll_upper,   coll_from_fat, coll_to_fat};

void collation_init(struct boot *b)
{
    uint64_t at = boot_alloc(b, 8 * (G_N_ELEMENTS(members) + 2)), handle = 0;
    uint64_t language = at + 8 * (G_N_ELEMENTS(members) + 1);

    boot_put_functions(b, at, members, G_N_ELEMENTS(members));
    boot_write64(b, at + 8 * G_N_ELEMENTS(members), language);
    boot_write(b, language, "eng", 4);
    handle_install(b, &handle, guid_collation, at);
}
