/* EFI_SIMPLE_TEXT_INPUT_PROTOCOL on the serial console: the key sequences of VT100+, PC-ANSI and
 * xterm-like terminals become scan codes.
 *
 * A lone escape is the escape key when nothing has followed it for a moment. Control sequences that
 * are no key (answers of the terminal, marks around pasted text) are dropped. Also the console
 * control protocol: this console knows text only.
 */
#include "boot.h"
#include "keys.h"

#define MEMBERS  2
#define ESC_WAIT 1000000 /* 100 ns */
#define QUEUE    64
#define SEQUENCE 24 /* the longest that is a key, with room for modifiers */

static const char kind[] = "text input", control_kind[] = "console control";

struct key_input {
    uint64_t at;
    char sequence[SEQUENCE]; /* what came after an escape */
    unsigned length;
    bool escape;
    uint64_t since;
    struct key queue[QUEUE];
    unsigned head, count;
};

/* One character behind the escape: VT100+. */
static const struct letter {
    char letter;
    uint8_t scan;
} vt100_plus[] = {
    {'h', SCAN_HOME},    {'k', SCAN_END},       {'+', SCAN_INSERT}, {'-', SCAN_DELETE},
    {'?', SCAN_PAGE_UP}, {'/', SCAN_PAGE_DOWN}, {'1', SCAN_F1},     {'2', SCAN_F1 + 1},
    {'3', SCAN_F1 + 2},  {'4', SCAN_F1 + 3},    {'5', SCAN_F1 + 4}, {'6', SCAN_F1 + 5},
    {'7', SCAN_F1 + 6},  {'8', SCAN_F1 + 7},    {'9', SCAN_F1 + 8}, {'0', SCAN_F10},
    {'!', SCAN_F11},     {'@', SCAN_F12},
};

/* The last character of ESC [ ... : ANSI cursor keys, and PC-ANSI for the rest. */
static const struct letter csi[] = {
    {'A', SCAN_UP},     {'B', SCAN_DOWN},   {'C', SCAN_RIGHT},   {'D', SCAN_LEFT},
    {'H', SCAN_HOME},   {'F', SCAN_END},    {'K', SCAN_END},     {'@', SCAN_INSERT},
    {'L', SCAN_INSERT}, {'X', SCAN_DELETE}, {'I', SCAN_PAGE_UP}, {'G', SCAN_PAGE_DOWN},
    {'M', SCAN_F1},     {'N', SCAN_F1 + 1}, {'O', SCAN_F1 + 2},  {'P', SCAN_F1 + 3},
    {'Q', SCAN_F1 + 4}, {'R', SCAN_F1 + 5}, {'S', SCAN_F1 + 6},  {'T', SCAN_F1 + 7},
    {'U', SCAN_F1 + 8}, {'V', SCAN_F10},    {'W', SCAN_F11},
};

/* xterm's ESC [ 1 ; modifier and ESC O: there P to S are the first function keys. */
static const struct letter ss3[] = {
    {'A', SCAN_UP},  {'B', SCAN_DOWN}, {'C', SCAN_RIGHT},  {'D', SCAN_LEFT},   {'H', SCAN_HOME},
    {'F', SCAN_END}, {'P', SCAN_F1},   {'Q', SCAN_F1 + 1}, {'R', SCAN_F1 + 2}, {'S', SCAN_F1 + 3},
};

/* The Linux console's ESC [ [. */
static const struct letter linux_keys[] = {
    {'A', SCAN_F1}, {'B', SCAN_F1 + 1}, {'C', SCAN_F1 + 2}, {'D', SCAN_F1 + 3}, {'E', SCAN_F1 + 4},
};

/* ESC [ n ~ */
static const uint8_t numbered[] = {
    [1] = SCAN_HOME,    [2] = SCAN_INSERT,    [3] = SCAN_DELETE,  [4] = SCAN_END,
    [5] = SCAN_PAGE_UP, [6] = SCAN_PAGE_DOWN, [7] = SCAN_HOME,    [8] = SCAN_END,
    [11] = SCAN_F1,     [12] = SCAN_F1 + 1,   [13] = SCAN_F1 + 2, [14] = SCAN_F1 + 3,
    [15] = SCAN_F1 + 4, [17] = SCAN_F1 + 5,   [18] = SCAN_F1 + 6, [19] = SCAN_F1 + 7,
    [20] = SCAN_F1 + 8, [21] = SCAN_F10,      [23] = SCAN_F11,    [24] = SCAN_F12,
};

static void push(struct key_input *in, uint16_t scan, uint16_t unicode)
{
    if (in->count < QUEUE)
        in->queue[(in->head + in->count++) % QUEUE] = (struct key){scan, unicode};
}

static void push_char(struct key_input *in, uint8_t c)
{
    if (c == 0x7f)
        c = '\b';
    if (c != 0)
        push(in, 0, c);
}

/* --- sequences --- */

enum match { MATCH_NEVER = -1, MATCH_PART, MATCH_DONE };

static unsigned find_letter(const struct letter *table, size_t n, char c)
{
    for (size_t i = 0; i < n; i++)
        if (table[i].letter == c)
            return table[i].scan;
    return 0;
}

#define LETTER(table, c) find_letter(table, G_N_ELEMENTS(table), c)

static enum match take(struct key_input *in, unsigned scan, enum match otherwise)
{
    if (!scan)
        return otherwise;
    push(in, (uint16_t)scan, 0);
    return MATCH_DONE;
}

/* ESC [ parameters final: unknown ones are complete, too, and mean nothing. */
static enum match match_csi(struct key_input *in)
{
    char last = in->sequence[in->length - 1];
    bool modified = strchr(in->sequence, ';') != NULL;
    unsigned n;

    if (in->length == 1)
        return MATCH_PART;
    if (in->sequence[1] == '[')
        return in->length == 2 ? MATCH_PART : take(in, LETTER(linux_keys, last), MATCH_DONE);
    if (last < '@')
        return in->length < SEQUENCE - 1 ? MATCH_PART : MATCH_DONE;
    if (last == '~') {
        n = (unsigned)strtoul(in->sequence + 1, NULL, 10);
        return take(in, n < sizeof(numbered) ? numbered[n] : 0, MATCH_DONE);
    }
    if (in->length == 2)
        return take(in, LETTER(csi, last), MATCH_DONE);
    return take(in, modified && in->sequence[1] == '1' ? LETTER(ss3, last) : 0, MATCH_DONE);
}

static enum match match(struct key_input *in)
{
    if (in->sequence[0] == '[')
        return match_csi(in);
    if (in->sequence[0] != 'O')
        return take(in, LETTER(vt100_plus, in->sequence[0]), MATCH_NEVER);
    return in->length == 1 ? MATCH_PART : take(in, LETTER(ss3, in->sequence[1]), MATCH_NEVER);
}

/* Not a sequence: the keys were pressed one by one. */
static void give_up(struct key_input *in)
{
    push(in, SCAN_ESC, 0);
    for (unsigned i = 0; i < in->length; i++)
        push_char(in, (uint8_t)in->sequence[i]);
    in->escape = false;
}

static void add_byte(struct boot *b, struct key_input *in, uint8_t c)
{
    if (in->escape && (c == 033 || c == '\r'))
        give_up(in);
    if (c == 033) {
        in->escape = true;
        in->length = 0;
        memset(in->sequence, 0, sizeof(in->sequence));
        in->since = boot_now(b);
        return;
    }
    if (!in->escape) {
        push_char(in, c);
        return;
    }
    in->sequence[in->length++] = (char)c;
    switch (match(in)) {
    case MATCH_DONE:
        in->escape = false;
        break;
    case MATCH_NEVER:
        give_up(in);
        break;
    default:
        in->since = boot_now(b);
    }
}

bool console_ready(struct boot *b)
{
    struct key_input *in = b->keys;
    uint8_t c;

    while (in->count < QUEUE - SEQUENCE - 1 && serial_get(b, &c))
        add_byte(b, in, c);
    if (in->escape && boot_now(b) - in->since > boot_ticks(b, ESC_WAIT))
        give_up(in);
    return in->count > 0;
}

bool console_key(struct boot *b, struct key *key)
{
    struct key_input *in = b->keys;

    if (!console_ready(b))
        return false;
    *key = in->queue[in->head];
    in->head = (in->head + 1) % QUEUE;
    in->count--;
    return true;
}

bool console_break(struct boot *b)
{
    struct key_input *in = b->keys;

    console_ready(b);
    for (unsigned i = 0; i < in->count; i++) {
        if (in->queue[(in->head + i) % QUEUE].unicode != 3)
            continue;
        in->head = (in->head + i + 1) % QUEUE;
        in->count -= i + 1;
        return true;
    }
    return false;
}

/* --- protocols --- */

static uint64_t in_reset(struct boot *b, struct fwcall *k)
{
    struct key_input *in = boot_object(b, k->arg[0], kind);
    struct key key;

    if (!in)
        return EFI_INVALID_PARAMETER;
    while (console_key(b, &key))
        ;
    in->escape = false;
    return EFI_SUCCESS;
}

static uint64_t in_read_key(struct boot *b, struct fwcall *k)
{
    struct key key;

    if (!boot_object(b, k->arg[0], kind) || !boot_ram(b, k->arg[1], 4))
        return EFI_INVALID_PARAMETER;
    if (!console_key(b, &key))
        return EFI_NOT_READY;
    boot_write(b, k->arg[1], &key, sizeof(key));
    return EFI_SUCCESS;
}

static boot_fn *const members[MEMBERS] = {in_reset, in_read_key};

static bool key_waits(struct boot *b, void *data)
{
    (void)data;
    return console_ready(b);
}

void text_in_init(struct boot *b, uint64_t *handle)
{
    struct key_input *in = g_new0(struct key_input, 1);

    b->keys = in;
    in->at = boot_alloc(b, 8 * (MEMBERS + 1));
    boot_put_functions(b, in->at, members, MEMBERS);
    boot_write64(b, in->at + 8 * MEMBERS, event_host(b, key_waits, NULL));
    boot_bind(b, in->at, kind, in);
    handle_install(b, handle, guid_text_in, in->at);
    b->con_in = in->at;
}

/* (this, *mode, *uga exists, *locked) */
static uint64_t control_get_mode(struct boot *b, struct fwcall *k)
{
    uint32_t text = 0;
    uint8_t no = 0;

    if (!boot_object(b, k->arg[0], control_kind) || !boot_write(b, k->arg[1], &text, 4))
        return EFI_INVALID_PARAMETER;
    if (k->arg[2])
        boot_write(b, k->arg[2], &no, 1);
    if (k->arg[3])
        boot_write(b, k->arg[3], &no, 1);
    return EFI_SUCCESS;
}

static uint64_t control_set_mode(struct boot *b, struct fwcall *k)
{
    if (!boot_object(b, k->arg[0], control_kind))
        return EFI_INVALID_PARAMETER;
    return (uint32_t)k->arg[1] == 0 ? EFI_SUCCESS : EFI_UNSUPPORTED;
}

/* (this, password): input is never locked. */
static uint64_t control_lock(struct boot *b, struct fwcall *k)
{
    return boot_object(b, k->arg[0], control_kind) ? EFI_DEVICE_ERROR : EFI_INVALID_PARAMETER;
}

void console_control_init(struct boot *b, uint64_t handle)
{
    static boot_fn *const functions[] = {control_get_mode, control_set_mode, control_lock};
    uint64_t at = boot_alloc(b, sizeof(functions));

    boot_put_functions(b, at, functions, G_N_ELEMENTS(functions));
    boot_bind(b, at, control_kind, b);
    handle_install(b, &handle, guid_console_control, at);
}

/* The serial port's handle, and below it the terminal's, which is the console. */
void text_init(struct boot *b)
{
    struct devpath *p = g_new(struct devpath, 1);
    uint64_t port = 0, handle = 0;

    serial_init(b, &port);
    if (devpath_read(b, handle_interface(b, port, guid_device_path), p)) {
        devpath_add(p, 3, 10, guid_vt100_plus, 16);
        handle_install(b, &handle, guid_device_path, devpath_write(b, p));
    }
    g_free(p);
    text_in_init(b, &handle);
    text_out_init(b, &handle);
    console_control_init(b, handle);
    handle_install(b, &handle, guid_console_in, 0);
    handle_install(b, &handle, guid_console_out, 0);
    handle_install(b, &handle, guid_standard_error, 0);
    b->console_handle = handle;
}

void text_done(struct boot *b)
{
    g_clear_pointer(&b->terminal, g_free);
    g_clear_pointer(&b->keys, g_free);
}
