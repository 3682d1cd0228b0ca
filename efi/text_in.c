/* EFI_SIMPLE_TEXT_INPUT_PROTOCOL on the serial console: VT100+ key sequences become scan codes.
 *
 * A lone escape is the escape key when nothing has followed it for a moment. Also the console
 * control protocol: this console knows text only.
 */
#include "boot.h"

#define MEMBERS  2
#define ESC_WAIT 500000 /* 100 ns */
#define QUEUE    64

static const char kind[] = "text input", control_kind[] = "console control";

enum {
    SCAN_UP = 1,
    SCAN_DOWN,
    SCAN_RIGHT,
    SCAN_LEFT,
    SCAN_HOME,
    SCAN_END,
    SCAN_INSERT,
    SCAN_DELETE,
    SCAN_PAGE_UP,
    SCAN_PAGE_DOWN,
    SCAN_F1,
    SCAN_F10 = SCAN_F1 + 9,
    SCAN_F11,
    SCAN_F12,
    SCAN_ESC,
};

struct key_input {
    uint64_t at;
    char sequence[8]; /* what came after an escape */
    unsigned length;
    bool escape;
    uint64_t since;
    struct key queue[QUEUE];
    unsigned head, count;
};

/* What terminals send after the escape: VT100+ and the common ANSI forms. */
static const struct {
    const char *text;
    uint8_t scan;
} sequences[] = {
    {"[A", SCAN_UP},       {"[B", SCAN_DOWN},       {"[C", SCAN_RIGHT},    {"[D", SCAN_LEFT},
    {"OA", SCAN_UP},       {"OB", SCAN_DOWN},       {"OC", SCAN_RIGHT},    {"OD", SCAN_LEFT},
    {"h", SCAN_HOME},      {"k", SCAN_END},         {"+", SCAN_INSERT},    {"-", SCAN_DELETE},
    {"?", SCAN_PAGE_UP},   {"/", SCAN_PAGE_DOWN},   {"1", SCAN_F1},        {"2", SCAN_F1 + 1},
    {"3", SCAN_F1 + 2},    {"4", SCAN_F1 + 3},      {"5", SCAN_F1 + 4},    {"6", SCAN_F1 + 5},
    {"7", SCAN_F1 + 6},    {"8", SCAN_F1 + 7},      {"9", SCAN_F1 + 8},    {"0", SCAN_F10},
    {"!", SCAN_F11},       {"@", SCAN_F12},         {"[H", SCAN_HOME},     {"[F", SCAN_END},
    {"[1~", SCAN_HOME},    {"[4~", SCAN_END},       {"[2~", SCAN_INSERT},  {"[3~", SCAN_DELETE},
    {"[5~", SCAN_PAGE_UP}, {"[6~", SCAN_PAGE_DOWN}, {"[7~", SCAN_HOME},    {"[8~", SCAN_END},
    {"OH", SCAN_HOME},     {"OF", SCAN_END},        {"OP", SCAN_F1},       {"OQ", SCAN_F1 + 1},
    {"OR", SCAN_F1 + 2},   {"OS", SCAN_F1 + 3},     {"[15~", SCAN_F1 + 4}, {"[17~", SCAN_F1 + 5},
    {"[18~", SCAN_F1 + 6}, {"[19~", SCAN_F1 + 7},   {"[20~", SCAN_F1 + 8}, {"[21~", SCAN_F10},
    {"[23~", SCAN_F11},    {"[24~", SCAN_F12},
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

/* 1 complete, 0 could become one, -1 never. */
static int match(struct key_input *in)
{
    bool prefix = false;

    for (unsigned i = 0; i < G_N_ELEMENTS(sequences); i++) {
        if (strcmp(sequences[i].text, in->sequence) == 0) {
            push(in, sequences[i].scan, 0);
            return 1;
        }
        prefix |= strncmp(sequences[i].text, in->sequence, in->length) == 0;
    }
    return prefix ? 0 : -1;
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
    if (in->escape && c == 033)
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
    case 1:
        in->escape = false;
        break;
    case -1:
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

    while (in->count < QUEUE - 8 && serial_get(b, &c))
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

void text_in_init(struct boot *b, uint64_t *handle)
{
    struct key_input *in = g_new0(struct key_input, 1);

    b->keys = in;
    in->at = boot_alloc(b, 8 * (MEMBERS + 1));
    boot_put_functions(b, in->at, members, MEMBERS);
    boot_write64(b, in->at + 8 * MEMBERS, event_host(b, console_ready));
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
