/* Fuzz target: what the EFI shell makes of text: command lines, variables, wildcards, scripts, and
 * of keys. The input is a script and, line by line, everything else. */
#include "fuzz.h"

#include "shell_line.h"
#include "shell_parse.h"
#include "shell_script.h"
#include "shell_text.h"

#define MAX_TEXT  16384
#define MAX_LINES 3000

static char *variable(void *opaque, const char *name)
{
    return *name && name[1] ? NULL : g_strdup(opaque);
}

static bool exists(void *opaque, const char *file)
{
    return shell_match(file, opaque);
}

static void list_files(void *opaque, const char *word, GPtrArray *out)
{
    g_ptr_array_add(out, g_strdup(word));
    g_ptr_array_add(out, g_strdup(opaque));
}

static void parse(const char *line)
{
    struct shell_words w;
    const char *why = NULL;
    uint64_t v;

    if (shell_parse(line, &w, &why)) {
        if (!why)
            abort();
        return;
    }
    for (unsigned i = 0; i < w.count; i++) {
        uint16_t *wide = shell_utf16(w.word[i]);
        char *back = shell_utf8(wide);

        shell_match(w.word[i], line);
        shell_number(w.word[i], 16, &v);
        g_free(back);
        g_free(wide);
    }
    if (w.count)
        shell_words_remove(&w, w.count / 2);
    shell_words_free(&w);
}

static void run_script(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"script", "%1", "a b"};
    static char value[] = "value";
    struct script_ops ops = {value, variable, exists, list_files};
    const char *why = NULL;
    struct script *s = script_new(shell_file_text(data, size), words, 3, &ops, &why);
    char *line;

    for (unsigned i = 0; s && i < MAX_LINES && (line = script_next(s, &why)); i++) {
        parse(line);
        g_free(line);
    }
    if (s)
        script_free(s);
}

static void text(void *opaque, const char *s)
{
    (void)opaque;
    (void)s;
}

static void move(void *opaque, int cells)
{
    (void)opaque;
    (void)cells;
}

/* Bytes above 0xe0 are keys with scan codes. */
static void type(const uint8_t *data, size_t size)
{
    struct line_terminal terminal = {NULL, text, move};
    struct line_editor *e = line_new(&terminal);

    line_begin(e, "> ", true);
    for (size_t i = 0; i < size; i++) {
        struct key k = {data[i] > 0xe0 ? data[i] - 0xe0 : 0, data[i] > 0xe0 ? 0 : data[i]};
        enum line_result r = line_key(e, k);

        if (r == LINE_TAB)
            line_insert(e, "inserted");
        if (r == LINE_DONE || r == LINE_CANCEL)
            line_begin(e, "> ", i & 1);
    }
    line_redraw(e);
    line_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char value[] = "%x%";
    char *whole, **lines;

    if (size > MAX_TEXT)
        size = MAX_TEXT;
    run_script(data, size);
    type(data, MIN(size, 4096));
    whole = shell_file_text(data, size);
    lines = g_strsplit(whole, "\n", 200);
    for (unsigned i = 0; lines[i]; i++) {
        char *line = shell_expand(lines[i], variable, value);

        parse(lines[i]);
        if (line)
            parse(line);
        g_free(line);
    }
    g_strfreev(lines);
    g_free(whole);
    return 0;
}
