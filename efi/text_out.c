/* EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL on the serial console: a VT100+ terminal of 80 columns and 25
 * rows. Characters beyond ASCII are replaced by the nearest one, as that terminal type asks.
 */
#include "boot.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define COLUMNS 80
#define ROWS    25

#define WARN_UNKNOWN_GLYPH 1ull
#define MEMBERS            9
#define MODE_AT            (8 * (MEMBERS + 1))
#define DEFAULT_ATTRIBUTE  0x07 /* light grey on black */

static const char kind[] = "text output";

struct terminal {
    uint64_t at;
    int32_t max_mode, mode, attribute, column, row; /* SIMPLE_TEXT_OUTPUT_MODE */
    uint8_t visible;
    console_tap *tap;
    void *tap_opaque;
};

static void put_mode(struct boot *b)
{
    const struct terminal *t = b->terminal;

    boot_write(b, t->at + MODE_AT, &t->max_mode, 5 * sizeof(int32_t));
    boot_write(b, t->at + MODE_AT + 20, &t->visible, 1);
}

static void send(struct boot *b, const char *s)
{
    while (*s)
        serial_put(b, (uint8_t)*s++);
}

static void send_position(struct boot *b)
{
    char s[32];

    snprintf(s, sizeof(s), "\033[%d;%dH", b->terminal->row + 1, b->terminal->column + 1);
    send(b, s);
}

static void send_attribute(struct boot *b, unsigned attribute)
{
    static const char ansi[] = "04261537"; /* EFI's blue and red are the other way round */
    char s[32];

    snprintf(s, sizeof(s), "\033[%c;3%c;4%cm", attribute & 8 ? '1' : '0', ansi[attribute & 7],
             ansi[attribute >> 4 & 7]);
    send(b, s);
}

static void clear(struct boot *b)
{
    b->terminal->column = b->terminal->row = 0;
    send(b, "\033[2J\033[1;1H");
}

/* --- characters --- */

/* Box drawing, blocks and arrows of the EFI specification; 0: no glyph. */
static char glyph(uint16_t c)
{
    static const struct {
        uint16_t code;
        char ascii;
    } table[] = {{0x2500, '-'}, {0x2550, '='}, {0x2502, '|'}, {0x2551, '|'}, {0x2190, '<'},
                 {0x2191, '^'}, {0x2192, '>'}, {0x2193, 'v'}, {0x25b2, '^'}, {0x25ba, '>'},
                 {0x25bc, 'v'}, {0x25c4, '<'}, {0x2588, '#'}, {0x2591, '#'}};

    if (c >= ' ' && c < 0x7f)
        return (char)c;
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++)
        if (table[i].code == c)
            return table[i].ascii;
    return c >= 0x250c && c <= 0x256c ? '+' : 0;
}

static void line_feed(struct terminal *t)
{
    if (t->row < ROWS - 1)
        t->row++;
}

/* Control characters move the cursor; false: not one of them. */
static bool control(struct boot *b, uint16_t c)
{
    struct terminal *t = b->terminal;

    switch (c) {
    case '\b':
        if (t->column > 0) {
            t->column--;
            serial_put(b, '\b');
        }
        return true;
    case '\n':
        line_feed(t);
        serial_put(b, '\n');
        return true;
    case '\r':
        t->column = 0;
        serial_put(b, '\r');
        return true;
    case '\a':
        serial_put(b, '\a');
        return true;
    default:
        return false;
    }
}

/* Behind the last column the cursor goes to the next line, whatever the terminal itself would do.
 */
static bool put_char(struct boot *b, uint16_t c)
{
    struct terminal *t = b->terminal;
    char g = glyph(c);

    if (t->tap) {
        t->tap(t->tap_opaque, c);
        return true;
    }
    if (control(b, c))
        return true;
    if (c == '\t') {
        do
            put_char(b, ' ');
        while (t->column & 7);
        return true;
    }
    serial_put(b, g ? (uint8_t)g : '?');
    if (++t->column == COLUMNS) {
        t->column = 0;
        line_feed(t);
        send(b, "\r\n");
    }
    return g != 0;
}

/* --- protocol --- */

static uint64_t text_reset(struct boot *b, struct fwcall *k)
{
    if (!boot_object(b, k->arg[0], kind))
        return EFI_INVALID_PARAMETER;
    b->terminal->attribute = DEFAULT_ATTRIBUTE;
    send_attribute(b, DEFAULT_ATTRIBUTE);
    clear(b);
    put_mode(b);
    return EFI_SUCCESS;
}

static uint64_t text_output_string(struct boot *b, struct fwcall *k)
{
    uint64_t status = EFI_SUCCESS;
    uint16_t c;

    if (!boot_object(b, k->arg[0], kind))
        return EFI_INVALID_PARAMETER;
    for (uint64_t at = k->arg[1]; boot_read(b, at, &c, 2) && c; at += 2)
        if (!put_char(b, c))
            status = WARN_UNKNOWN_GLYPH;
    put_mode(b);
    return status;
}

static uint64_t text_test_string(struct boot *b, struct fwcall *k)
{
    uint16_t c;

    for (uint64_t at = k->arg[1]; boot_read(b, at, &c, 2) && c; at += 2)
        if (!glyph(c) && c != '\b' && c != '\n' && c != '\r' && c != '\t' && c != '\a')
            return EFI_UNSUPPORTED;
    return EFI_SUCCESS;
}

/* (this, mode, *columns, *rows) */
static uint64_t text_query_mode(struct boot *b, struct fwcall *k)
{
    if (k->arg[1] != 0)
        return EFI_UNSUPPORTED;
    if (!boot_write64(b, k->arg[2], COLUMNS) || !boot_write64(b, k->arg[3], ROWS))
        return EFI_INVALID_PARAMETER;
    return EFI_SUCCESS;
}

static uint64_t text_set_mode(struct boot *b, struct fwcall *k)
{
    if (k->arg[1] != 0)
        return EFI_UNSUPPORTED;
    clear(b);
    put_mode(b);
    return EFI_SUCCESS;
}

static uint64_t text_set_attribute(struct boot *b, struct fwcall *k)
{
    if (k->arg[1] > 0x7f)
        return EFI_UNSUPPORTED;
    if ((int32_t)k->arg[1] != b->terminal->attribute)
        send_attribute(b, (unsigned)k->arg[1]);
    b->terminal->attribute = (int32_t)k->arg[1];
    put_mode(b);
    return EFI_SUCCESS;
}

static uint64_t text_clear(struct boot *b, struct fwcall *k)
{
    (void)k;
    clear(b);
    put_mode(b);
    return EFI_SUCCESS;
}

static uint64_t text_set_cursor(struct boot *b, struct fwcall *k)
{
    if (k->arg[1] >= COLUMNS || k->arg[2] >= ROWS)
        return EFI_UNSUPPORTED;
    b->terminal->column = (int32_t)k->arg[1];
    b->terminal->row = (int32_t)k->arg[2];
    send_position(b);
    put_mode(b);
    return EFI_SUCCESS;
}

/* VT100+ has no sequence for it. */
static uint64_t text_enable_cursor(struct boot *b, struct fwcall *k)
{
    b->terminal->visible = (k->arg[1] & 0xff) != 0;
    put_mode(b);
    return EFI_SUCCESS;
}

static boot_fn *const members[MEMBERS] = {
    text_reset,         text_output_string, text_test_string, text_query_mode,    text_set_mode,
    text_set_attribute, text_clear,         text_set_cursor,  text_enable_cursor,
};

void text_out_init(struct boot *b, uint64_t *handle)
{
    struct terminal *t = g_new0(struct terminal, 1);

    b->terminal = t;
    t->at = boot_alloc(b, MODE_AT + 24);
    t->max_mode = 1;
    t->attribute = DEFAULT_ATTRIBUTE;
    t->visible = 1;
    boot_put_functions(b, t->at, members, MEMBERS);
    boot_write64(b, t->at + 8 * MEMBERS, t->at + MODE_AT);
    put_mode(b);
    boot_bind(b, t->at, kind, t);
    handle_install(b, handle, guid_text_out, t->at);
    b->con_out = t->at;
}

/* --- the firmware's own output --- */

void console_puts(struct boot *b, const char *text)
{
    while (*text)
        put_char(b, (uint8_t)*text++);
    put_mode(b);
}

void console_printf(struct boot *b, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    console_puts(b, text);
}

/* Relative, as the terminal may have more rows than this one counts. */
void console_move(struct boot *b, int cells)
{
    struct terminal *t = b->terminal;
    int place = MIN(MAX(t->row * COLUMNS + t->column + cells, 0), ROWS * COLUMNS - 1);
    int rows = place / COLUMNS - t->row, columns = place % COLUMNS - t->column;
    char s[32];

    if (rows) {
        snprintf(s, sizeof(s), "\033[%d%c", abs(rows), rows < 0 ? 'A' : 'B');
        send(b, s);
    }
    if (columns) {
        snprintf(s, sizeof(s), "\033[%d%c", abs(columns), columns < 0 ? 'D' : 'C');
        send(b, s);
    }
    t->row = place / COLUMNS;
    t->column = place % COLUMNS;
    put_mode(b);
}

void console_divert(struct boot *b, console_tap *tap, void *opaque)
{
    if (!b->terminal)
        return;
    b->terminal->tap = tap;
    b->terminal->tap_opaque = opaque;
}

void console_clear(struct boot *b)
{
    clear(b);
    put_mode(b);
}

void console_cursor(struct boot *b, unsigned column, unsigned row)
{
    if (column >= COLUMNS || row >= ROWS)
        return;
    b->terminal->column = (int32_t)column;
    b->terminal->row = (int32_t)row;
    send_position(b);
    put_mode(b);
}

void console_attribute(struct boot *b, unsigned attribute)
{
    if ((int32_t)attribute != b->terminal->attribute)
        send_attribute(b, attribute);
    b->terminal->attribute = (int32_t)attribute;
    put_mode(b);
}
