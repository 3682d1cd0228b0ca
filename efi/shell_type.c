/* type, hexdump, comp of the EFI shell: what is in files, in pieces of bounded size. */
#include <inttypes.h>
#include "le.h"
#include "shell_priv.h"

#define PIECE 4096u

enum format { AS_TEXT, AS_ASCII, AS_UNICODE, AS_HEX };

struct showing {
    GPtrArray *files;
    unsigned at;
    enum format format;
    bool unicode; /* this file */
    struct fs_file *f;
    uint64_t offset;
};

static void end_showing(struct shell *s, void *data)
{
    struct showing *v = data;

    (void)s;
    if (v->f)
        fs_close(v->f);
    g_ptr_array_unref(v->files);
    g_free(v);
}

static uint64_t open_file(struct shell *s, const char *path, struct fs_file **f)
{
    struct shell_path p;
    uint64_t status = shell_resolve(s, path, &p);

    if (status == EFI_SUCCESS)
        status = shell_open(&p, FS_READ, 0, f);
    shell_path_clear(&p);
    if (status == EFI_SUCCESS && fs_is_dir(*f)) {
        fs_close(*f);
        *f = NULL;
        return EFI_INVALID_PARAMETER;
    }
    return status;
}

static uint64_t next_file(struct shell *s, struct showing *v)
{
    const char *path = v->files->pdata[v->at];
    uint8_t mark[2];
    uint64_t len = 2, status = open_file(s, path, &v->f);
    struct fs_info info;
    char size[32];

    if (status == EFI_SUCCESS)
        status = boot_status(fs_info(v->f, &info));
    if (status == EFI_SUCCESS)
        status = boot_status(fs_read(v->f, mark, &len));
    if (status != EFI_SUCCESS)
        return status;
    v->unicode =
        v->format == AS_UNICODE || (v->format == AS_TEXT && len == 2 && le16(mark) == 0xfeff);
    v->offset = len == 2 && le16(mark) == 0xfeff && v->unicode ? 2 : 0;
    fs_seek(v->f, v->offset);
    shell_print(s, "%s: %s, Size %s\n\n", s->words->word[0], path, shell_commas(info.size, size));
    return EFI_SUCCESS;
}

static void show_char(struct shell *s, uint16_t c)
{
    char text[4] = {0};

    if (c == '\r' || c == 0 || c == 0xfeff)
        return;
    if (c < ' ' && c != '\n' && c != '\t')
        c = '.';
    shell_put_char(text, c);
    shell_puts(s, text);
}

static void show_piece(struct shell *s, struct showing *v, const uint8_t *data, size_t n)
{
    if (v->format == AS_HEX)
        shell_dump(s, v->offset, data, n);
    else if (v->unicode)
        for (size_t i = 0; i + 1 < n; i += 2)
            show_char(s, le16(data + i));
    else
        for (size_t i = 0; i < n; i++)
            show_char(s, data[i]);
    v->offset += n;
}

static enum job_wait show_step(struct shell *s)
{
    struct showing *v = s->job.data;
    uint8_t data[PIECE];
    uint64_t len = PIECE, status = EFI_SUCCESS;

    if (v->at == v->files->len)
        return JOB_DONE;
    if (!v->f)
        status = next_file(s, v);
    if (status == EFI_SUCCESS)
        status = boot_status(fs_read(v->f, data, &len));
    if (status != EFI_SUCCESS) {
        s->status = shell_fail(s, status, "%s", (char *)v->files->pdata[v->at]);
        return JOB_DONE;
    }
    show_piece(s, v, data, len);
    if (len)
        return JOB_AGAIN;
    fs_close(v->f);
    v->f = NULL;
    v->at++;
    shell_puts(s, "\n");
    return JOB_AGAIN;
}

static uint64_t show_files(struct shell *s, struct shell_words *w, enum format format)
{
    uint64_t status = shell_check(s, w, 1, SHELL_WORDS);
    struct showing *v;

    if (status != EFI_SUCCESS)
        return status;
    v = g_new0(struct showing, 1);
    v->files = g_ptr_array_new_with_free_func(g_free);
    v->format = format;
    status = shell_word_files(s, w, 1, v->files);
    if (status == EFI_SUCCESS)
        shell_begin(s, show_step, v, end_showing);
    else
        end_showing(s, v);
    return status;
}

uint64_t cmd_type(struct shell *s, struct shell_words *w)
{
    bool ascii = shell_option(w, "-a"), unicode = shell_option(w, "-u");

    return show_files(s, w, ascii ? AS_ASCII : unicode ? AS_UNICODE : AS_TEXT);
}

uint64_t cmd_hexdump(struct shell *s, struct shell_words *w)
{
    return show_files(s, w, AS_HEX);
}

/* --- comp --- */

#define DIFFERENCES 10

struct comparing {
    struct fs_file *f[2];
    uint64_t offset;
    unsigned differences;
};

static void end_comparing(struct shell *s, void *data)
{
    struct comparing *c = data;

    (void)s;
    for (unsigned i = 0; i < 2; i++)
        if (c->f[i])
            fs_close(c->f[i]);
    g_free(c);
}

static enum job_wait compare_end(struct shell *s, const struct comparing *c)
{
    shell_puts(s,
               c->differences ? "[difference(s) encountered]\n" : "[no difference encountered]\n");
    s->status = c->differences ? EFI_ABORTED : EFI_SUCCESS;
    return JOB_DONE;
}

static enum job_wait compare_step(struct shell *s)
{
    struct comparing *c = s->job.data;
    uint8_t data[2][PIECE];
    uint64_t len[2] = {PIECE, PIECE};

    for (unsigned i = 0; i < 2; i++) {
        int err = fs_read(c->f[i], data[i], &len[i]);

        if (err) {
            s->status = shell_fail(s, boot_status(err), "%s", s->words->word[1 + i]);
            return JOB_DONE;
        }
    }
    for (uint64_t i = 0; i < MIN(len[0], len[1]) && c->differences < DIFFERENCES; i++)
        if (data[0][i] != data[1][i])
            shell_print(s, "Difference #%2u: offset %08" PRIX64 ": %02X %02X\n", ++c->differences,
                        c->offset + i, data[0][i], data[1][i]);
    c->offset += len[0];
    return len[0] && c->differences < DIFFERENCES ? JOB_AGAIN : compare_end(s, c);
}

static uint64_t begin_compare(struct shell *s, const struct shell_words *w, struct comparing *c)
{
    struct fs_info info[2];

    for (unsigned i = 0; i < 2; i++) {
        uint64_t status = open_file(s, w->word[1 + i], &c->f[i]);

        if (status == EFI_SUCCESS)
            status = boot_status(fs_info(c->f[i], &info[i]));
        if (status != EFI_SUCCESS)
            return shell_fail(s, status, "%s", w->word[1 + i]);
    }
    shell_print(s, "Compare %s to %s\n", w->word[1], w->word[2]);
    if (info[0].size == info[1].size)
        return EFI_SUCCESS;
    shell_puts(s, "Difference #1: File sizes mismatch\n[difference(s) encountered]\n");
    return EFI_ABORTED;
}

uint64_t cmd_comp(struct shell *s, struct shell_words *w)
{
    uint64_t status = shell_check(s, w, 2, 2);
    struct comparing *c;

    if (status != EFI_SUCCESS)
        return status;
    c = g_new0(struct comparing, 1);
    status = begin_compare(s, w, c);
    if (status == EFI_SUCCESS)
        shell_begin(s, compare_step, c, end_comparing);
    else
        end_comparing(s, c);
    return status;
}
