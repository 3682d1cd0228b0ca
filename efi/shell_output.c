/* Output of the EFI shell's commands: collected, then shown in pages, or written to a file. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include "keys.h"
#include "shell_priv.h"

#define PAGE_ROWS 23
#define MORE      "Press ENTER to continue, 'q' to quit: "

void shell_puts(struct shell *s, const char *text)
{
    if (s->muted || s->out->len > SHELL_OUTPUT_MAX)
        return;
    g_string_append(s->out, text);
}

void shell_print(struct shell *s, const char *fmt, ...)
{
    va_list ap;

    if (s->muted || s->out->len > SHELL_OUTPUT_MAX)
        return;
    va_start(ap, fmt);
    g_string_append_vprintf(s->out, fmt, ap);
    va_end(ap);
}

uint64_t shell_fail(struct shell *s, uint64_t status, const char *fmt, ...)
{
    const char *text = shell_status_text(status);
    va_list ap;

    if (s->words && s->words->count)
        shell_print(s, "%s: ", s->words->word[0]);
    va_start(ap, fmt);
    if (!s->muted)
        g_string_append_vprintf(s->out, fmt, ap);
    va_end(ap);
    shell_print(s, " - %s\n", text ? text : "Error");
    return status;
}

void shell_dump(struct shell *s, uint64_t address, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size; at += 16) {
        size_t n = MIN(size - at, 16);

        shell_print(s, "  %08" PRIX64 ":", address + at);
        for (size_t i = 0; i < 16; i++) {
            const char *before = i == 8 && i < n ? "-" : " ";

            if (i < n)
                shell_print(s, "%s%02X", before, data[at + i]);
            else
                shell_puts(s, "   ");
        }
        shell_puts(s, "  *");
        for (size_t i = 0; i < n; i++)
            shell_print(s, "%c", data[at + i] >= ' ' && data[at + i] < 0x7f ? data[at + i] : '.');
        shell_puts(s, "*\n");
    }
}

/* --- the console --- */

/* One line of what is collected, at most a row of the screen long. */
static void show_line(struct shell *s)
{
    const char *p = s->out->str + s->out_at, *end = s->out->str + s->out->len;
    GString *line = g_string_new(NULL);
    unsigned column = 0;

    while (p < end && column < 80) {
        uint16_t c = shell_char(&p);

        if (c == '\n') {
            g_string_append(line, "\r\n");
            s->rows++;
            break;
        }
        column = c == '\t' ? (column | 7) + 1 : column + 1;
        g_string_append_c(line, (c >= ' ' && c < 0x7f) || c == '\t' ? (char)c : '?');
    }
    if (column >= 80) { /* the terminal has gone to the next row */
        s->rows++;
        p += p < end && *p == '\n';
    }
    s->out_at = (size_t)(p - s->out->str);
    console_puts(s->b, line->str);
    g_string_free(line, TRUE);
}

bool shell_flush(struct shell *s)
{
    if (s->redirected)
        return true;
    while (s->out_at < s->out->len) {
        if (s->paging && s->rows >= PAGE_ROWS) {
            console_puts(s->b, MORE);
            return false;
        }
        show_line(s);
    }
    g_string_truncate(s->out, 0);
    s->out_at = 0;
    return true;
}

bool shell_page_key(struct shell *s, struct key key)
{
    console_puts(s->b, "\r");
    for (size_t i = 0; i < sizeof(MORE); i++)
        console_puts(s->b, " ");
    console_puts(s->b, "\r");
    s->rows = 0;
    if (key.unicode != 'q' && key.unicode != 'Q' && key.unicode != 3 && key.scan != SCAN_ESC)
        return true;
    g_string_truncate(s->out, 0);
    s->out_at = 0;
    s->muted = true;
    return false;
}

/* --- redirection --- */

static void tap(void *opaque, uint16_t c)
{
    struct shell *s = opaque;
    char text[4] = {0};

    if (c == '\r' || c == 0)
        return;
    shell_put_char(text, c);
    shell_puts(s, text);
}

void shell_divert(struct shell *s, bool on)
{
    if (on && s->redirected)
        console_divert(s->b, tap, s);
    else
        console_divert(s->b, NULL, NULL);
}

static void add_char(GByteArray *out, uint16_t c, bool ascii)
{
    uint8_t pair[2] = {(uint8_t)c, (uint8_t)(c >> 8)};

    if (ascii && c > 0xff)
        pair[0] = '?';
    g_byte_array_append(out, pair, ascii ? 1 : 2);
}

/* The file's bytes: line ends of two characters, UCS-2 or one byte a character. */
static GByteArray *encode(const char *text, bool ascii, bool mark)
{
    GByteArray *out = g_byte_array_new();

    if (mark)
        add_char(out, 0xfeff, false);
    while (*text) {
        uint16_t c = shell_char(&text);

        if (c == '\n')
            add_char(out, '\r', ascii);
        add_char(out, c, ascii);
    }
    return out;
}

static uint64_t open_output(struct shell *s, const struct shell_words *w, struct fs_file **f)
{
    struct shell_path path;
    uint64_t status = shell_resolve(s, w->file, &path);

    if (status != EFI_SUCCESS)
        return status;
    status = shell_open(&path, FS_READ | FS_WRITE | FS_CREATE, 0, f);
    shell_path_clear(&path);
    if (status == EFI_SUCCESS && fs_is_dir(*f)) {
        fs_close(*f);
        return EFI_ACCESS_DENIED;
    }
    return status;
}

uint64_t shell_output_begin(struct shell *s, const struct shell_words *w)
{
    struct fs_file *f;
    uint64_t status;

    s->redirected = false;
    s->paging = s->muted = false;
    s->rows = 0;
    if (!w->file)
        return EFI_SUCCESS;
    status = open_output(s, w, &f);
    if (status != EFI_SUCCESS)
        return shell_fail(s, status, "the output file %s cannot be opened", w->file);
    fs_close(f);
    s->redirected = true;
    return EFI_SUCCESS;
}

static uint64_t write_output(struct shell *s, const struct shell_words *w)
{
    struct fs_info info;
    struct fs_file *f;
    GByteArray *bytes;
    uint64_t status = open_output(s, w, &f), len;

    if (status != EFI_SUCCESS)
        return status;
    status = boot_status(fs_info(f, &info));
    if (status == EFI_SUCCESS && !w->append) {
        info.size = 0;
        status = boot_status(fs_set_info(f, &info));
    }
    fs_seek(f, UINT64_MAX);
    bytes = encode(s->out->str, w->ascii, !w->ascii && fs_tell(f) == 0);
    len = bytes->len;
    if (status == EFI_SUCCESS)
        status = boot_status(fs_write(f, bytes->data, &len));
    fs_close(f);
    g_byte_array_unref(bytes);
    return status;
}

uint64_t shell_output_end(struct shell *s, const struct shell_words *w)
{
    uint64_t status;
    bool cut = s->out->len > SHELL_OUTPUT_MAX;

    if (!s->redirected)
        return EFI_SUCCESS;
    status = write_output(s, w);
    s->redirected = s->muted = false;
    g_string_truncate(s->out, 0);
    s->out_at = 0;
    if (status != EFI_SUCCESS)
        return shell_fail(s, status, "the output cannot be written to %s", w->file);
    if (cut)
        shell_puts(s, "The output was too long; its end is missing in the file.\n");
    return EFI_SUCCESS;
}
