/* See consoles.h. */
#define _GNU_SOURCE
#include "consoles.h"

#include <dirent.h>
#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app_impl.h"
#include "app_proto.h"
#include "console_right.h"
#include "mp.h"
#include "text.h"

#define VIEWERS_MAX   64
#define PRIOR_SIZE    16384     /* output a new viewer sees */
#define QUEUE_MAX     (4 << 20) /* waiting for a viewer: more, and it is dropped; a log fits */
#define HELLO_SECONDS 10
#define TYPED_MAX     4096 /* waiting for the guest */

struct viewer {
    struct consoles *all;
    uint64_t id;
    int fd;
    guint in, out, timer; /* sources, 0: none */
    struct app_frames frames;
    GByteArray *queue;
    struct mp *mp; /* NULL until the hello */
    char who[64];
    enum console_right right;
    uint64_t since;    /* order of entering the console, 0: not in it */
    unsigned failures; /* of commands, reported so far */
    bool in_command, gone, closing;
};

struct consoles {
    struct app *app;
    guint source;
    GHashTable *viewers; /* id -> struct viewer */
    uint64_t next_id, next_since, writer;
    GByteArray *prior;
    uid_t owner;
};

/* --- output --- */

static void drop(struct viewer *v)
{
    v->gone = true;
    shutdown(v->fd, SHUT_RDWR); /* its watch clears it away */
}

static gboolean writable(gint fd, GIOCondition condition, gpointer data);

static void send_queue(struct viewer *v)
{
    while (v->queue->len > 0) {
        ssize_t n = send(v->fd, v->queue->data, v->queue->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            drop(v);
        if (n <= 0)
            break;
        g_byte_array_remove_range(v->queue, 0, (guint)n);
    }
    if (v->queue->len > QUEUE_MAX)
        drop(v);
    if (v->queue->len > 0 && !v->gone && v->out == 0)
        v->out = g_unix_fd_add(v->fd, G_IO_OUT, writable, v);
    if (v->queue->len == 0 && v->closing)
        drop(v);
}

static gboolean writable(gint fd, GIOCondition condition, gpointer data)
{
    struct viewer *v = data;
    (void)fd;
    (void)condition;
    v->out = 0;
    send_queue(v);
    return G_SOURCE_REMOVE;
}

static void put_frame(struct viewer *v, enum app_frame_type type, const void *data, size_t count)
{
    uint8_t frame[APP_FRAME_MAX + 4];
    if (!v->gone)
        g_byte_array_append(v->queue, frame, (guint)app_frame_put(frame, type, data, count));
}

static void put_text(struct viewer *v, enum app_frame_type type, const char *text)
{
    put_frame(v, type, text, strlen(text));
}

static void say_goodbye(struct viewer *v, const char *text)
{
    put_text(v, APP_END, text);
    v->closing = true;
    send_queue(v);
}

/* What the menus have to show, in frames; and whether the viewer has left them. */
static void flush(struct viewer *v)
{
    GString *text = mp_output(v->mp);
    for (size_t at = 0; at < text->len; at += APP_FRAME_MAX)
        put_frame(v, APP_DATA, text->str + at, MIN(text->len - at, (size_t)APP_FRAME_MAX));
    g_string_truncate(text, 0);
    if (v->in_command && !mp_waiting(v->mp)) {
        uint8_t failed = mp_failures(v->mp) > v->failures;
        v->failures = mp_failures(v->mp);
        v->in_command = false;
        put_frame(v, APP_RESULT, &failed, 1);
    }
    if (mp_finished(v->mp) && !v->closing)
        say_goodbye(v, "bye");
    else
        send_queue(v);
}

void consoles_show(struct consoles *c, const char *bytes, size_t count)
{
    GHashTableIter i;
    gpointer value;
    g_byte_array_append(c->prior, (const guint8 *)bytes, (guint)count);
    if (c->prior->len > PRIOR_SIZE)
        g_byte_array_remove_range(c->prior, 0, c->prior->len - PRIOR_SIZE);
    g_hash_table_iter_init(&i, c->viewers);
    while (g_hash_table_iter_next(&i, NULL, &value)) {
        struct viewer *v = value;
        if (v->mp == NULL || v->closing)
            continue;
        mp_console(v->mp, bytes, count);
        flush(v);
    }
}

/* --- who types --- */

static struct viewer *find(struct consoles *c, uint64_t id)
{
    return g_hash_table_lookup(c->viewers, &id);
}

static void tell(struct viewer *v, const char *fmt, const char *who)
{
    char text[160];
    snprintf(text, sizeof text, fmt, who);
    mp_notice(v->mp, text);
    flush(v);
}

static void set_writer(struct consoles *c, struct viewer *v)
{
    struct viewer *old = find(c, c->writer);
    c->writer = v->id;
    if (old != NULL && old != v && !old->gone && old->since != 0)
        tell(old, "%s types now; you may look on.", v->who);
}

/* The one who has been looking on longest. */
static void pass_on(struct consoles *c)
{
    struct viewer *next = NULL;
    GHashTableIter i;
    gpointer value;
    c->writer = 0;
    g_hash_table_iter_init(&i, c->viewers);
    while (g_hash_table_iter_next(&i, NULL, &value)) {
        struct viewer *v = value;
        if (v->since != 0 && !v->gone && (next == NULL || v->since < next->since))
            next = v;
    }
    if (next == NULL)
        return;
    c->writer = next->id;
    tell(next, "%s", "You type now.");
}

static bool op_attach(void *opaque, GString *prior, char *writer, size_t size)
{
    struct viewer *v = opaque;
    struct consoles *c = v->all;
    struct viewer *other = find(c, c->writer);
    g_string_append_len(prior, (const char *)c->prior->data, c->prior->len);
    v->since = ++c->next_since;
    if (other == NULL || other == v) {
        c->writer = v->id;
        return true;
    }
    g_strlcpy(writer, other->who, size);
    return false;
}

static void op_detach(void *opaque)
{
    struct viewer *v = opaque;
    v->since = 0;
    if (v->all->writer == v->id)
        pass_on(v->all);
}

static bool op_claim(void *opaque)
{
    struct viewer *v = opaque;
    if (v->since == 0)
        return false;
    set_writer(v->all, v);
    return true;
}

/* A guest that reads nothing loses what is typed, as on a serial line. */
static bool op_type(void *opaque, const uint8_t *bytes, size_t count)
{
    struct viewer *v = opaque;
    if (v->all->writer != v->id)
        return false;
    if (send(v->all->app->line, bytes, MIN(count, (size_t)TYPED_MAX), MSG_NOSIGNAL | MSG_DONTWAIT) <
        0)
        app_note(v->all->app, "input lost: %s", strerror(errno));
    return true;
}

/* --- what the menus show --- */

static int op_status(void *opaque, struct mp_status *out)
{
    struct viewer *v = opaque;
    const struct app *a = v->all->app;
    const struct guest *g = a->guest;
    memset(out, 0, sizeof *out);
    out->on = true;
    out->number = g->number;
    out->vcpus = g->vcpus;
    out->memory = g->memory;
    g_strlcpy(out->state, app_state(a->os, a->attention), sizeof out->state);
    g_strlcpy(out->os_type, g->os_type, sizeof out->os_type);
    g_strlcpy(out->uuid, g->uuid, sizeof out->uuid);
    g_strlcpy(out->serial, g->serial, sizeof out->serial);
    g_strlcpy(out->label, g->label, sizeof out->label);
    return 0;
}

/* Where discs of a drive come from: the directory, or the host's drive itself. */
static char *source_of(const struct app_drive *d)
{
    return strcmp(d->storage, "file") == 0 ? g_path_get_dirname(d->device) : g_strdup(d->device);
}

static void op_drives(void *opaque, GArray *out)
{
    struct viewer *v = opaque;
    const struct app *a = v->all->app;
    for (unsigned i = 0; i < a->drive_count; i++) {
        const struct app_drive *d = &a->drives[i];
        struct mp_drive m = {.bus = d->bus, .slot = d->slot, .target = d->target};
        g_autofree char *source = source_of(d);
        m.loaded = d->loaded[0] != '\0';
        g_strlcpy(m.type, "dvd", sizeof m.type);
        g_strlcpy(m.storage, strcmp(d->loaded, d->device) == 0 ? d->storage : "file",
                  sizeof m.storage);
        g_strlcpy(m.path, m.loaded ? d->loaded : source, sizeof m.path);
        g_array_append_val(out, m);
    }
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Files everybody can write are left out, as they always were. */
static void op_media(void *opaque, const struct mp_drive *drive, GPtrArray *out)
{
    DIR *dir = opendir(drive->path);
    struct dirent *e;
    (void)opaque;
    if (dir == NULL) {
        g_ptr_array_add(out, g_strdup(drive->path));
        return;
    }
    while ((e = readdir(dir)) != NULL && out->len < 1000) {
        struct stat st;
        if (fstatat(dirfd(dir), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
            (st.st_mode & S_IWOTH) == 0)
            g_ptr_array_add(out, g_strdup(e->d_name));
    }
    closedir(dir);
    g_ptr_array_sort(out, by_name);
}

static void op_log(void *opaque, enum mp_log which, GString *out)
{
    struct viewer *v = opaque;
    const struct app *a = v->all->app;
    app_log_read(which == MP_LOG_CONSOLE  ? a->console_log
                 : which == MP_LOG_EVENTS ? a->events
                                          : a->progress,
                 out);
}

static void op_viewers(void *opaque, GPtrArray *out)
{
    struct consoles *c = ((struct viewer *)opaque)->all;
    GHashTableIter i;
    gpointer value;
    g_hash_table_iter_init(&i, c->viewers);
    while (g_hash_table_iter_next(&i, NULL, &value)) {
        struct viewer *v = value;
        if (v->mp != NULL)
            g_ptr_array_add(out, g_strdup_printf("%s (%s)%s%s", v->who,
                                                 v->right == CONSOLE_ADMIN ? "Admin" : "Oper",
                                                 v->since != 0 ? ", console" : "",
                                                 v->id == c->writer ? ", types" : ""));
    }
}

/* --- what the menus do --- */

struct pending {
    struct consoles *all;
    uint64_t id;
};

static void act_done(void *opaque, int status, const char *why)
{
    struct pending *p = opaque;
    struct viewer *v = find(p->all, p->id);
    if (v != NULL && v->mp != NULL) {
        mp_done(v->mp, status, why);
        flush(v);
    }
    g_free(p);
}

static int act_media(struct viewer *v, const struct mp_request *r, char *why, size_t size)
{
    const struct mp_drive *d = &r->drive;
    g_autofree char *path = NULL;
    if (r->action == MP_INSERT && r->text != NULL)
        path = r->text[0] == '/' ? g_strdup(r->text) : g_build_filename(d->path, r->text, NULL);
    if (r->action == MP_INSERT && path == NULL) {
        snprintf(why, size, "Nothing to insert.");
        return -EINVAL;
    }
    struct pending *p = g_new(struct pending, 1);
    *p = (struct pending){v->all, v->id};
    app_media(v->all->app, (unsigned)d->bus, (unsigned)d->slot, (unsigned)d->target, path, r->force,
              act_done, p);
    return -EINPROGRESS;
}

/* To everybody else who is connected. */
static void say(struct viewer *from, const char *words)
{
    g_autofree char *text = g_strdup_printf("%s: %s", from->who, words);
    GHashTableIter i;
    gpointer value;
    g_hash_table_iter_init(&i, from->all->viewers);
    while (g_hash_table_iter_next(&i, NULL, &value)) {
        struct viewer *v = value;
        if (v == from || v->mp == NULL || v->gone || v->closing)
            continue;
        mp_notice(v->mp, text);
        flush(v);
    }
}

static int op_act(void *opaque, const struct mp_request *r, char *why, size_t size)
{
    struct viewer *v = opaque;
    struct app *a = v->all->app;
    switch (r->action) {
    case MP_POWER_ON:
        snprintf(why, size, "The guest is on.");
        return -EALREADY;
    case MP_POWER_OFF:
        app_kill(a, v->who);
        return 0;
    case MP_POWER_GRACEFUL:
        app_stop(a, v->who);
        return 0;
    case MP_POWER_CYCLE:
    case MP_RESET:
        app_press_reset(a, v->who);
        return 0;
    case MP_INIT:
        app_init(a, v->who);
        return 0;
    case MP_EJECT:
    case MP_INSERT:
        return act_media(v, r, why, size);
    case MP_SAY:
        app_note(a, "%s: %s", v->who, r->text);
        say(v, r->text);
        return 0;
    }
    return -EINVAL;
}

static const struct mp_ops operations = {.status = op_status,
                                         .drives = op_drives,
                                         .media = op_media,
                                         .log = op_log,
                                         .viewers = op_viewers,
                                         .act = op_act,
                                         .attach = op_attach,
                                         .detach = op_detach,
                                         .claim = op_claim,
                                         .type = op_type};

/* --- viewers --- */

static bool hello(struct viewer *v, const struct app_frame *f)
{
    g_autofree char *text = g_strndup((const char *)f->data, f->length);
    g_auto(GStrv) word = g_strsplit(text, " ", 0);
    uint64_t attention, how;
    if (g_strv_length(word) != 6 || text_parse_number(word[1], 0, 255, &attention) != 0 ||
        text_parse_number(word[5], MP_START_MENU, MP_START_CONSOLE, &how) != 0)
        return false;
    if (strcmp(word[0], KITTSON_VERSION) != 0) {
        say_goodbye(v, "error The command and the software the guest runs on are at different "
                       "revision levels.");
        return true;
    }
    if (v->right == CONSOLE_NONE) {
        say_goodbye(v, "error You are not authorized to use the console of this guest.");
        return true;
    }
    const struct mp_config config = {.name = v->all->app->name,
                                     .role = v->right == CONSOLE_ADMIN ? MP_ADMIN : MP_OPERATOR,
                                     .attention = (uint8_t)attention,
                                     .quiet = word[2][0] == '1',
                                     .crlf = word[3][0] == '1',
                                     .scripted = word[4][0] == '1'};
    g_source_remove(v->timer);
    v->timer = 0;
    v->mp = mp_new(&config, &operations, v);
    g_autofree char *welcome = g_strdup_printf(
        "%s %s %s", KITTSON_VERSION, config.role == MP_ADMIN ? "admin" : "oper", v->all->app->name);
    put_text(v, APP_WELCOME, welcome);
    mp_start(v->mp, (enum mp_start)how);
    flush(v);
    return true;
}

static bool take(struct viewer *v, const struct app_frame *f)
{
    if ((v->mp == NULL) != (f->type == APP_HELLO))
        return false;
    if (f->type == APP_HELLO)
        return hello(v, f);
    if (f->type == APP_DATA) {
        mp_input(v->mp, f->data, f->length);
    } else if (f->type == APP_EOF) {
        mp_end_of_input(v->mp);
    } else {
        g_autofree char *line = g_strndup((const char *)f->data, f->length);
        v->in_command = true;
        mp_command(v->mp, line);
    }
    flush(v);
    return true;
}

static bool take_frames(struct viewer *v)
{
    struct app_frame f;
    int n = 0;
    while (!v->closing && !v->gone && (n = app_frames_take(&v->frames, "HCDE", &f)) > 0)
        if (!take(v, &f))
            return false;
    return n >= 0;
}

static void free_viewer(void *data)
{
    struct viewer *v = data;
    guint sources[] = {v->in, v->out, v->timer};
    for (size_t i = 0; i < G_N_ELEMENTS(sources); i++)
        if (sources[i] != 0)
            g_source_remove(sources[i]);
    if (v->mp != NULL)
        mp_free(v->mp);
    g_byte_array_unref(v->queue);
    close(v->fd);
    g_free(v);
}

static void forget(struct viewer *v)
{
    struct consoles *c = v->all;
    uint64_t id = v->id;
    v->gone = true;
    v->since = 0;
    if (c->writer == id)
        pass_on(c);
    g_hash_table_remove(c->viewers, &id);
}

static gboolean readable(gint fd, GIOCondition condition, gpointer data)
{
    struct viewer *v = data;
    uint8_t *at;
    (void)condition;
    size_t room = app_frames_room(&v->frames, &at);
    ssize_t n = read(fd, at, room);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n > 0) {
        app_frames_filled(&v->frames, (size_t)n);
        if (take_frames(v) && !v->gone)
            return G_SOURCE_CONTINUE;
    }
    forget(v);
    return G_SOURCE_CONTINUE; /* the source is gone already */
}

static gboolean no_hello(gpointer data)
{
    struct viewer *v = data;
    v->timer = 0;
    drop(v);
    return G_SOURCE_REMOVE;
}

static gboolean acceptable(gint fd, GIOCondition condition, gpointer data)
{
    struct consoles *c = data;
    (void)condition;
    int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (s < 0)
        return G_SOURCE_CONTINUE;
    if (g_hash_table_size(c->viewers) >= VIEWERS_MAX) {
        close(s);
        return G_SOURCE_CONTINUE;
    }
    struct viewer *v = g_new0(struct viewer, 1);
    v->all = c;
    v->id = ++c->next_id;
    v->fd = s;
    v->queue = g_byte_array_new();
    v->right = console_peer(c->app->guest, s, c->owner, v->who, sizeof v->who);
    v->in = g_unix_fd_add(s, G_IO_IN | G_IO_HUP | G_IO_ERR, readable, v);
    v->timer = g_timeout_add_seconds(HELLO_SECONDS, no_hello, v);
    g_hash_table_insert(c->viewers, &v->id, v);
    return G_SOURCE_CONTINUE;
}

struct consoles *consoles_new(struct app *a)
{
    struct consoles *c = g_new0(struct consoles, 1);
    c->app = a;
    c->owner = a->owner;
    c->viewers = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_viewer);
    c->prior = g_byte_array_new();
    c->source = g_unix_fd_add(a->console_fd, G_IO_IN, acceptable, c);
    return c;
}

/* A moment for the farewell; who does not read now has had his chance. */
void consoles_free(struct consoles *c)
{
    GHashTableIter i;
    gpointer value;
    g_source_remove(c->source);
    g_hash_table_iter_init(&i, c->viewers);
    while (g_hash_table_iter_next(&i, NULL, &value))
        if (((struct viewer *)value)->mp != NULL && !((struct viewer *)value)->gone) {
            struct viewer *v = value;
            flush(v);
            say_goodbye(v, mp_in_console(v->mp) ? "off console" : "off menu");
        }
    g_hash_table_destroy(c->viewers);
    g_byte_array_unref(c->prior);
    g_free(c);
}
