/* Fuzz target: what a viewer types into the virtual console's menus. The first byte chooses role
 * and state of the machine; the rest are keys. Actions begin and end later, so that typing ahead
 * and answers to questions mix. */
#include "fuzz.h"

#include "mp.h"

#include <errno.h>

struct machine {
    bool on, loaded, writer, slow;
    unsigned attached;
};

static int get_status(void *opaque, struct mp_status *s)
{
    *s =
        (struct mp_status){.on = ((struct machine *)opaque)->on, .state = "On", .os_type = "LINUX"};
    return 0;
}

static void get_drives(void *opaque, GArray *out)
{
    for (int i = 0; i < 3; i++) {
        struct mp_drive d = {.target = i, .type = "dvd", .storage = "file", .path = "/iso\xff\033"};
        d.loaded = ((struct machine *)opaque)->loaded;
        g_array_append_val(out, d);
    }
}

static void get_media(void *opaque, const struct mp_drive *d, GPtrArray *out)
{
    (void)opaque;
    for (int i = 0; i < d->target; i++)
        g_ptr_array_add(out, g_strdup_printf("disc%d\xfe.iso", i));
}

static void get_log(void *opaque, enum mp_log which, GString *out)
{
    (void)opaque;
    g_string_append(out, which == MP_LOG_EVENTS ? "2026\n\n\xff\n" : "");
}

static void get_viewers(void *opaque, GPtrArray *out)
{
    (void)opaque;
    g_ptr_array_add(out, g_strdup("\xffviewer"));
}

static int act(void *opaque, const struct mp_request *r, char *why, size_t size)
{
    struct machine *m = opaque;
    if (r->text != NULL)
        g_strlcpy(why, r->text, size); /* reads it */
    if (r->action == MP_POWER_ON || r->action == MP_POWER_OFF)
        m->on = !m->on;
    if (r->action == MP_EJECT || r->action == MP_INSERT)
        m->loaded = !m->loaded;
    return m->slow ? -EINPROGRESS : r->force ? -EBUSY : 0;
}

static bool attach(void *opaque, GString *prior, char *writer, size_t size)
{
    struct machine *m = opaque;
    g_string_append_len(prior, "a\0b", 3);
    g_strlcpy(writer, "somebody", size);
    m->attached++;
    return m->writer;
}

static void detach(void *opaque)
{
    ((struct machine *)opaque)->attached--;
}

static bool claim(void *opaque)
{
    return ((struct machine *)opaque)->writer;
}

static bool type(void *opaque, const uint8_t *bytes, size_t count)
{
    (void)bytes;
    if (count == 0)
        abort();
    return ((struct machine *)opaque)->writer;
}

static const struct mp_ops ops = {
    .status = get_status,
    .drives = get_drives,
    .media = get_media,
    .log = get_log,
    .viewers = get_viewers,
    .act = act,
    .attach = attach,
    .detach = detach,
    .claim = claim,
    .type = type,
};

/* Control bytes that no key sends stand for what happens around the session. */
static void step(struct mp *s, struct machine *m, uint8_t byte)
{
    if (byte == 0x1c)
        mp_done(s, m->loaded ? 0 : -EIO, "reason");
    else if (byte == 0x1d)
        mp_notice(s, "notice");
    else if (byte == 0x1e)
        mp_end_of_input(s);
    else if (byte == 0x1f)
        mp_console(s, "\033[2Jx", 5);
    mp_input(s, &byte, 1);
    if (mp_output(s)->len > 1 << 16)
        g_string_truncate(mp_output(s), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t flags = size > 0 ? data[0] : 0;
    struct machine m = {flags & 1, flags & 2, flags & 4, flags & 8, 0};
    struct mp_config c = {
        .name = "guest",
        .role = flags & 16 ? MP_ADMIN : MP_OPERATOR,
        .attention = flags & 32 ? '~' : MP_ATTENTION,
        .crlf = flags & 64,
        .quiet = flags & 128,
    };
    struct mp *s = mp_new(&c, &ops, &m);
    mp_start(s, (enum mp_start)(size & 3));
    for (size_t i = 1; i < size && !mp_finished(s); i++)
        step(s, &m, data[i]);
    mp_free(s);
    if (m.attached != 0)
        abort();
    return 0;
}
