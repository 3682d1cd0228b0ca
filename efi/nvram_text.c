/* Variables as text: what `kittson nvram export` prints and `import` reads. */
#include "nvram.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "le.h"

#define LINE_MAX  8192 /* a name of 1024 escaped characters, and more */
#define LINE_DATA 32   /* bytes of data on a line */

static void put_guid(FILE *out, const uint8_t *g)
{
    fprintf(out, "%08x-%04x-%04x-", le32(g), le16(g + 4), le16(g + 6));
    for (unsigned i = 8; i < 16; i++)
        fprintf(out, "%s%02x", i == 10 ? "-" : "", g[i]);
}

static void put_name(FILE *out, const uint16_t *s)
{
    fputc('"', out);
    for (; *s; s++) {
        if (*s < ' ' || *s > '~')
            fprintf(out, "\\u%04x", *s);
        else
            fprintf(out, "%s%c", *s == '"' || *s == '\\' ? "\\" : "", *s);
    }
    fputc('"', out);
}

static void put_data(FILE *out, const uint8_t *data, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        fprintf(out, "%s%02x%s", i % LINE_DATA ? "" : "    ", data[i],
                i % LINE_DATA == LINE_DATA - 1 || i + 1 == size ? "\n" : "");
}

int nvram_export(const struct nvram_list *l, FILE *out)
{
    fprintf(out, "# EFI variables: GUID, name, attributes (1 non-volatile, 2 boot services, 4 run "
                 "time), data\n");
    for (unsigned i = 0; i < l->count; i++) {
        put_guid(out, l->var[i].guid);
        fputc(' ', out);
        put_name(out, l->var[i].name);
        fprintf(out, " 0x%x\n", l->var[i].attr);
        put_data(out, l->var[i].data, l->var[i].size);
    }
    return fflush(out) || ferror(out) ? -EIO : 0;
}

/* Reading. Each function takes something off the line, or says that it is not there. */

static bool take_hex(const char **s, unsigned digits, uint32_t *v)
{
    *v = 0;
    for (unsigned i = 0; i < digits; i++) {
        int c = tolower((unsigned char)**s);

        if (!isxdigit(c))
            return false;
        *v = *v << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        (*s)++;
    }
    return true;
}

static bool take_char(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

static bool take_guid(const char **s, uint8_t *g)
{
    uint32_t v;

    if (!take_hex(s, 8, &v) || !take_char(s, '-'))
        return false;
    put_le32(g, v);
    for (unsigned i = 4; i < 8; i += 2) {
        if (!take_hex(s, 4, &v) || !take_char(s, '-'))
            return false;
        put_le16(g + i, (uint16_t)v);
    }
    for (unsigned i = 8; i < 16; i++) {
        if ((i == 10 && !take_char(s, '-')) || !take_hex(s, 2, &v))
            return false;
        g[i] = (uint8_t)v;
    }
    return true;
}

static bool take_name(const char **s, uint16_t *name, uint32_t *size)
{
    unsigned n = 0;
    uint32_t c;

    if (!take_char(s, '"'))
        return false;
    while (!take_char(s, '"')) {
        if (take_char(s, '\\') && take_char(s, 'u')) {
            if (!take_hex(s, 4, &c))
                return false;
        } else {
            c = (unsigned char)*(*s)++;
        }
        if (!c || c > 0xffff || n == NVRAM_NAME_MAX)
            return false;
        name[n++] = (uint16_t)c;
    }
    name[n] = 0;
    *size = 2 * (n + 1);
    return n > 0;
}

static bool take_attributes(const char **s, uint32_t *attr)
{
    unsigned long long v;
    char *end;

    if (!isdigit((unsigned char)**s))
        return false;
    v = strtoull(*s, &end, 0);
    *s = end;
    *attr = (uint32_t)v;
    return v <= UINT32_MAX;
}

static bool take_variable(const char *s, struct nvram_var *v)
{
    return take_guid(&s, v->guid) && take_char(&s, ' ') && take_name(&s, v->name, &v->name_size) &&
           take_char(&s, ' ') && take_attributes(&s, &v->attr) && *s == 0;
}

static bool take_bytes(const char *s, struct nvram_var *v)
{
    uint32_t byte;

    while (*s) {
        if (take_char(&s, ' ') || take_char(&s, '\t'))
            continue;
        if (!take_hex(&s, 2, &byte) || v->size == NVRAM_DATA_MAX)
            return false;
        v->data[v->size++] = (uint8_t)byte;
    }
    return true;
}

static int finish(struct nvram_list *out, struct nvram_var *v)
{
    int err = v->name_size ? nvram_list_add(out, v) : 0;

    v->name_size = v->size = 0;
    return err;
}

static bool ends_with_newline(char *line)
{
    size_t n = strlen(line);

    if (!n || line[n - 1] != '\n')
        return n < LINE_MAX - 1; /* the last line may lack it */
    line[--n] = 0;
    if (n && line[n - 1] == '\r')
        line[n - 1] = 0;
    return true;
}

/* One line; v collects the variable under way. */
static int take_line(char *line, struct nvram_list *out, struct nvram_var *v)
{
    int err = 0;

    if (!ends_with_newline(line))
        return -EINVAL;
    if (line[0] == 0 || line[0] == '#')
        return 0;
    if (line[0] == ' ' || line[0] == '\t')
        return v->name_size && take_bytes(line, v) ? 0 : -EINVAL;
    err = finish(out, v);
    if (err)
        return err;
    return take_variable(line, v) ? 0 : -EINVAL;
}

int nvram_import(FILE *in, struct nvram_list *out, char *why, size_t why_size)
{
    static const char form[] = "neither a variable (GUID \"name\" attributes) nor its data";
    uint16_t name[NVRAM_NAME_MAX + 1];
    struct nvram_var v = {.name = name, .data = malloc(NVRAM_DATA_MAX)};
    char *line = malloc(LINE_MAX);
    unsigned number = 0;
    int err = line && v.data ? 0 : -ENOMEM;

    *out = (struct nvram_list){0};
    while (!err && fgets(line, LINE_MAX, in)) {
        number++;
        err = take_line(line, out, &v);
    }
    if (!err && ferror(in))
        err = -EIO;
    if (!err)
        err = finish(out, &v);
    if (err) {
        snprintf(why, why_size, "line %u: %s", number, err == -EINVAL ? form : strerror(-err));
        nvram_list_free(out);
    }
    free(line);
    free(v.data);
    return err;
}
