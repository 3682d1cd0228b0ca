/* See archive.h. */
#include "archive.h"

#include <string.h>

void archive_write_init(struct archive *s, uint32_t version)
{
    *s = (struct archive){.version = version, .out = g_byte_array_new()};
}

void archive_read_init(struct archive *s, const void *bytes, size_t size, uint32_t version)
{
    *s = (struct archive){.loading = true, .version = version, .in = bytes, .left = size};
}

void archive_done(struct archive *s)
{
    if (s->out != NULL)
        g_byte_array_free(s->out, TRUE);
    s->out = NULL;
}

bool archive_check(struct archive *s, bool ok, const char *what)
{
    if (!ok && s->wrong == NULL)
        s->wrong = what;
    return ok;
}

void archive_bytes(struct archive *s, void *p, size_t size)
{
    if (!s->loading) {
        g_byte_array_append(s->out, p, (guint)size);
        return;
    }
    if (!archive_check(s, size <= s->left, "it ends too early")) {
        memset(p, 0, size);
        s->left = 0;
        return;
    }
    if (size > 0)
        memcpy(p, s->in, size);
    s->in += size;
    s->left -= size;
}

void archive_truth(struct archive *s, bool *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t v = s->loading ? 0 : b[i];

        archive_bytes(s, &v, 1);
        archive_check(s, v <= 1, "a truth value is neither 0 nor 1");
        b[i] = v == 1;
    }
}

void archive_fields(struct archive *s, void *base, const struct archive_field *f, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *p = (char *)base + f[i].offset;

        if (f[i].truth)
            archive_truth(s, p, f[i].size);
        else
            archive_bytes(s, p, f[i].size);
    }
}

uint64_t archive_number(struct archive *s, uint64_t value, uint64_t max, const char *what)
{
    archive_bytes(s, &value, sizeof(value));
    return archive_check(s, value <= max, what) ? value : 0;
}

/* A length, all ones for NULL, and the bytes. */
void archive_text(struct archive *s, char **text, size_t max)
{
    uint32_t length = !s->loading && *text != NULL ? (uint32_t)strlen(*text) : UINT32_MAX;

    archive_bytes(s, &length, sizeof(length));
    if (!s->loading) {
        if (*text != NULL)
            archive_bytes(s, *text, length);
        return;
    }
    g_free(*text);
    *text = NULL;
    if (length == UINT32_MAX ||
        !archive_check(s, length <= max && length <= s->left, "a text is too long"))
        return;
    *text = g_malloc0(length + 1);
    archive_bytes(s, *text, length);
    archive_check(s, strlen(*text) == length, "a text has a zero in it");
}

const char *archive_verdict(struct archive *s)
{
    if (s->loading)
        archive_check(s, s->left == 0, "there are bytes left over");
    return s->wrong;
}
