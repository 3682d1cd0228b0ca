/* Fuzz target: resource statements, raw and put together from the grammar's words, and guest
 * configurations. What is accepted must come back the same through its printed form. */
#include "fuzz.h"

#include "app_proto.h"
#include "guest_config.h"

#define MAX_TEXT 4096

static const char *const words[] = {
    ":",
    ",",
    "disk",
    "dvd",
    "tape",
    "changer",
    "burner",
    "hba",
    "scsi",
    "avio_stor",
    "lan",
    "network",
    "vswitch",
    "portid",
    "attach",
    "null",
    "file",
    "lv",
    "0",
    "1",
    "6",
    "7",
    "14",
    "15",
    "99",
    "/dev/sda",
    "/a;b",
    "/x y",
    "0x02000000000a",
    "02-00-00-00-00-0b",
    "localnet",
    "-1",
};

static void same_text(const GString *a, const GString *b)
{
    if (!g_string_equal(a, b))
        abort();
}

/* A guest that can be written can be read, and says the same. */
static void check_guest(const struct guest *g)
{
    char why[300];
    GString *first = guest_write(g);
    struct guest *again = guest_parse(first->str, first->len, why, sizeof why);
    if (again == NULL)
        abort();
    GString *second = guest_write(again);
    same_text(first, second);
    g_string_free(first, TRUE);
    g_string_free(second, TRUE);
    guest_free(again);
}

static void use_statement(struct guest *g, const char *text)
{
    char why[300];
    struct resource r;
    if (resource_parse(text, RESOURCE_DELETE, &r, why, sizeof why) == 0)
        guest_delete_device(g, &r, why, sizeof why);
    if (resource_parse(text, RESOURCE_MODIFY, &r, why, sizeof why) == 0)
        guest_modify_device(g, &r, why, sizeof why);
    if (resource_parse(text, RESOURCE_ADD, &r, why, sizeof why) != 0)
        return;
    if (r.network && !r.has_mac) { /* the command fills it in */
        const uint8_t mac[6] = {2, 0, 0, 0, 1, (uint8_t)g->devices->len};
        memcpy(r.mac, mac, sizeof mac);
        r.has_mac = true;
    }
    if (guest_add_device(g, &r, why, sizeof why) != 0)
        return;
    for (guint i = 0; i < g->devices->len; i++) {
        char printed[RESOURCE_DEVICE_MAX + 100];
        struct resource again;
        resource_print(guest_device(g, i), printed, sizeof printed);
        if (resource_parse(printed, RESOURCE_ADD, &again, why, sizeof why) != 0 ||
            !resource_same_address(&again, guest_device(g, i)))
            abort();
    }
}

static struct guest *fresh(void)
{
    struct guest *g = guest_new();
    g->number = 1;
    strcpy(g->name, "g");
    strcpy(g->uuid, "00000000-0000-4000-8000-000000000001");
    return g;
}

static void raw_statements(const char *text)
{
    struct guest *g = fresh();
    gchar **lines = g_strsplit(text, "\n", 64);
    for (guint i = 0; lines[i] != NULL; i++)
        use_statement(g, lines[i]);
    check_guest(g);
    g_strfreev(lines);
    guest_free(g);
}

/* One word for each byte; a zero ends the statement. */
static void grammar_statements(const uint8_t *data, size_t size)
{
    struct guest *g = fresh();
    GString *text = g_string_new("");
    for (size_t i = 0; i < size; i++) {
        if (data[i] != 0 && data[i] != '\n') {
            g_string_append(text, words[data[i] % G_N_ELEMENTS(words)]);
            continue;
        }
        use_statement(g, text->str);
        g_string_truncate(text, 0);
    }
    use_statement(g, text->str);
    check_guest(g);
    g_string_free(text, TRUE);
    guest_free(g);
}

static void take_frames(const uint8_t *data, size_t size)
{
    struct app_frames *f = g_new0(struct app_frames, 1);
    struct app_frame frame;
    for (size_t at = 0; at < size;) {
        uint8_t *to;
        size_t n = app_frames_room(f, &to);
        n = MIN(n, MIN(size - at, (size_t)7));
        memcpy(to, data + at, n);
        app_frames_filled(f, n);
        at += n;
        int got;
        while ((got = app_frames_take(f, "HCDEWRX", &frame)) > 0)
            if (frame.length > APP_FRAME_MAX)
                abort();
        if (got < 0 || n == 0)
            break;
    }
    g_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[MAX_TEXT + 1];
    char why[300];
    size = size > MAX_TEXT ? MAX_TEXT : size;
    memcpy(text, data, size);
    text[size] = '\0';
    raw_statements(text);
    grammar_statements(data, size);
    take_frames(data, size);
    struct guest *g = guest_parse(text, size, why, sizeof why);
    if (g != NULL)
        check_guest(g);
    guest_free(g);
    return 0;
}
