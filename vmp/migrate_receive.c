/* hpvmmigrate --receive: the target of a migration. It believes nothing the other side says: see
 * migration.h for what may come when. Until the last step nothing of the guest is in the state. */
#include "backing.h"
#include "incoming.h"
#include "migration.h"
#include "vmp.h"
#include "vsw.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define WHY_SIZE (RESOURCE_DEVICE_MAX + 300)

struct receive {
    struct peer *p;
    struct guest *g;
    struct offer offer;
    GString *nvram;
    bool *done;           /* by device: its contents came, or were compared */
    struct incoming *in;  /* files of the offer's copies, in order */
    bool prepared, there; /* the guest is in the state */
    char uuid[37], name[GUEST_NAME_MAX + 1];
    char why[WHY_SIZE];
};

__attribute__((format(printf, 2, 3))) static int refuse(struct receive *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->why, sizeof r->why, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

static int nonsense(struct receive *r)
{
    return refuse(r, "What the other host sent cannot be understood.");
}

static int failed(struct receive *r, int err)
{
    return refuse(r, "%s.", strerror(-err));
}

static struct state *open_state(struct receive *r, bool write)
{
    struct state *s = state_open(write, r->why, sizeof r->why);
    if (s != NULL && write)
        incoming_clean(s);
    return s;
}

static bool is_copied(const struct receive *r, guint i)
{
    return r->offer.items[i].kind == OFFER_COPY;
}

static bool is_new_file(const struct receive *r, guint i)
{
    return is_copied(r, i) && strcmp(guest_device(r->g, i)->storage, "file") == 0;
}

/* --- greeting, questions --- */

static int take_hello(struct receive *r)
{
    const char *mine = "hpvmmigrate 1 " KITTSON_VERSION;
    const char *text = peer_text(r->p);
    int err = peer_say(r->p, 'H', mine);
    if (err != 0 || text == NULL || strcmp(text, mine) != 0)
        return refuse(r, "The hosts have different revisions.");
    r->p->seconds = 0; /* the guest may have to be shut down first */
    return 0;
}

static int take_question(struct receive *r)
{
    const char *text = peer_text(r->p);
    g_auto(GStrv) word = g_strsplit(text != NULL ? text : "", " ", 3);
    if (g_strv_length(word) != 2 || !migration_token_valid(word[1]))
        return nonsense(r);
    struct state *s = open_state(r, false);
    if (s == NULL)
        return -EIO;
    const struct entry *e = state_find_uuid(s, word[0]);
    r->there = e != NULL && migration_arrived(s, e->uuid, word[1]);
    if (r->there)
        g_strlcpy(r->name, e->name, sizeof r->name);
    state_close(s);
    return peer_say(r->p, 'A', r->there ? "yes" : "no");
}

static int take_guest(struct receive *r)
{
    r->g = guest_parse((const char *)r->p->data, r->p->length, r->why, sizeof r->why);
    if (r->g == NULL)
        return -EINVAL;
    g_strlcpy(r->uuid, r->g->uuid, sizeof r->uuid);
    g_strlcpy(r->name, r->g->name, sizeof r->name);
    return r->g->distributed != 0 ? refuse(r, "The guest is a distributed guest.") : 0;
}

/* --- what the guest needs --- */

struct problems {
    struct state *s;
    FILE *out;
    unsigned count;
};

__attribute__((format(printf, 2, 3))) static void problem(struct problems *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    fprintf(p->out, "hpvmmigrate: %s\n", text);
    p->count++;
}

/* Names that are taken: force does not help. */
static int check_free(struct receive *r, struct state *s)
{
    if (state_find(s, r->g->name, 0) != NULL || state_find_uuid(s, r->g->uuid) != NULL)
        return refuse(r, "The guest already exists.");
    for (guint i = 0; i < r->g->devices->len; i++)
        for (guint n = 0; is_copied(r, i) && n < state_entries(s)->len; n++) {
            const struct entry *e = state_entries(s)->pdata[n];
            for (guint j = 0; e->guest != NULL && j < e->guest->devices->len; j++)
                if (strcmp(guest_device(e->guest, j)->device, guest_device(r->g, i)->device) == 0)
                    return refuse(r, "Device file '%.*s' in use by another guest.",
                                  RESOURCE_DEVICE_MAX, guest_device(r->g, i)->device);
        }
    return 0;
}

/* Where a copy goes: force does not help either. */
static int check_room(struct receive *r, guint i)
{
    const char *path = guest_device(r->g, i)->device;
    const struct offer_item *item = &r->offer.items[i];
    g_autofree char *directory = g_path_get_dirname(path);
    struct statvfs fs;
    struct stat st;
    uint64_t bytes = 0;
    if (is_new_file(r, i)) {
        if (lstat(path, &st) == 0)
            return refuse(r, "'%s' exists already.", path);
        if (statvfs(directory, &fs) != 0)
            return refuse(r, "'%s': %s.", directory, strerror(errno));
        return fs.f_bavail * fs.f_frsize < item->used
                   ? refuse(r, "There is no room for '%s'.", path)
                   : 0;
    }
    int fd = storage_open(path, true, &bytes, r->why, sizeof r->why);
    if (fd < 0)
        return fd;
    close(fd);
    return bytes < item->bytes ? refuse(r, "'%s' is smaller than what is to be copied.", path) : 0;
}

/* A disk that is to be there already: the same one as on the other host? */
static void check_identity(struct problems *p, const struct offer_item *item, const char *path)
{
    char wwid[STORAGE_WWID_SIZE];
    struct stat st;
    if (item->kind != OFFER_FILE && item->kind != OFFER_WWID)
        return;
    if (stat(path, &st) != 0) {
        problem(p, "Target VM Host error - Device does not exist.");
        return;
    }
    storage_wwid(path, wwid);
    if (item->kind == OFFER_WWID
            ? strcmp(wwid, item->wwid) != 0 || strcmp(wwid, STORAGE_NO_WWID) == 0
            : !S_ISREG(st.st_mode) || (uint64_t)st.st_size != item->bytes)
        problem(p, "Device WWID does not match.");
}

/* What hpvmstart would find, but for storage that will come. */
static void check_start(struct receive *r, struct problems *p)
{
    char why[WHY_SIZE];
    struct vmp_host host;
    g_autofree char *prevent =
        g_strdup_printf("will prevent HPVM guest %s from booting", r->g->name);
    struct guest *g = guest_copy(r->g);
    for (guint i = g->devices->len; i-- > 0;)
        if (is_copied(r, i))
            g_array_remove_index(g->devices, i);
    vmp_host_read(&host);
    p->count += vmp_warn(p->out, g, p->s, &host, VMP_CHECK_START, prevent);
    guest_free(g);
    if (vmp_runnable(r->g, why, sizeof why) != 0)
        problem(p, "Target VM Host error - %s", why);
    for (guint i = 0; i < r->g->devices->len; i++)
        if (!is_copied(r, i) && !guest_device(r->g, i)->network &&
            !backing_shows_up(guest_device(r->g, i)))
            problem(p, "Target VM Host error - " BACKING_HIDDEN);
}

static void check_network(const struct receive *r, struct problems *p)
{
    char why[300];
    struct vsw_list *l = vsw_load(p->s, why, sizeof why);
    bool good = l != NULL;
    for (guint i = 0; good && i < r->g->devices->len; i++)
        good = !guest_device(r->g, i)->network ||
               vsw_find(l, guest_device(r->g, i)->device, 0) != NULL;
    if (!good)
        problem(p, "Target VM Host error - vswitch validation failed.");
    vsw_list_free(l);
}

/* Problems go to the command log line by line, also those that do not matter. */
static int report(struct receive *r, const struct problems *p, const char *text)
{
    g_auto(GStrv) line = g_strsplit(text, "\n", 0);
    g_autofree char *begin = g_strdup_printf("hpvmmigrate: arrival of %s", r->g->name);
    state_log(p->s, NULL, begin);
    for (guint i = 0; line[i] != NULL; i++)
        if (line[i][0] != '\0')
            state_log(p->s, NULL, line[i]);
    return p->count > 0 && !r->offer.force ? peer_say(r->p, 'R', text) : 0;
}

static int check_all(struct receive *r, struct state *s, unsigned *count)
{
    char *text = NULL;
    size_t length = 0;
    struct problems p = {.s = s, .out = open_memstream(&text, &length)};
    int err = p.out != NULL ? check_free(r, s) : -ENOMEM;
    if (err == 0)
        check_start(r, &p);
    for (guint i = 0; err == 0 && i < r->g->devices->len; i++) {
        check_identity(&p, &r->offer.items[i], guest_device(r->g, i)->device);
        if (is_copied(r, i))
            err = check_room(r, i);
    }
    if (err == 0)
        check_network(r, &p);
    if (p.out != NULL)
        fclose(p.out);
    if (err == 0)
        err = report(r, &p, text);
    free(text);
    *count = p.count;
    return err;
}

static int take_offer(struct receive *r)
{
    const char *text = peer_text(r->p);
    unsigned count = 0;
    if (text == NULL || offer_parse(&r->offer, text, r->g) != 0)
        return nonsense(r);
    r->done = g_new0(bool, r->offer.count + 1);
    struct state *s = open_state(r, false);
    if (s == NULL)
        return -EIO;
    int err = check_all(r, s, &count);
    state_close(s);
    if (err == 0)
        err = peer_say(r->p, 'A', count == 0 || r->offer.force ? "yes" : "no");
    if (err == 0 && count > 0 && !r->offer.force)
        return refuse(r, "The guest's resources are not there."); /* it has been told */
    return err;
}

/* --- what comes --- */

static int prepare(struct receive *r)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    if (r->prepared)
        return 0;
    for (guint i = 0; i < r->g->devices->len; i++)
        if (is_new_file(r, i))
            g_ptr_array_add(paths, guest_device(r->g, i)->device);
    struct state *s = open_state(r, true);
    int err = s != NULL ? check_free(r, s) : -EIO;
    if (err == 0) {
        r->in = incoming_new(s, r->uuid, paths, r->why, sizeof r->why);
        err = r->in != NULL ? 0 : -EIO;
    }
    if (s != NULL)
        state_close(s);
    r->prepared = err == 0;
    return err;
}

static int take_nvram(struct receive *r)
{
    r->nvram = g_string_new_len((const char *)r->p->data, (gssize)r->p->length);
    return prepare(r);
}

/* The device an S or V names; each comes once. */
static int take_index(struct receive *r, enum offer_kind kind, guint *index)
{
    const char *text = peer_text(r->p);
    char *end;
    guint64 n = text != NULL ? g_ascii_strtoull(text, &end, 10) : 0;
    if (text == NULL || !g_ascii_isdigit(text[0]) || *end != '\0' || n >= r->offer.count ||
        r->offer.items[n].kind != kind || r->done[n])
        return nonsense(r);
    r->done[n] = true;
    *index = (guint)n;
    return prepare(r);
}

static int file_of(const struct receive *r, guint index)
{
    unsigned n = 0;
    for (guint i = 0; i < index; i++)
        n += is_new_file(r, i);
    return incoming_file(r->in, n);
}

static int receive_pieces(struct receive *r, struct storage_writer *w, const char *path)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    const uint8_t *data;
    uint64_t at;
    size_t count;
    int err;
    while ((err = peer_receive(r->p, "DE")) == 0 && r->p->type == 'D') {
        if (peer_take_piece(r->p, &at, &data, &count) != 0)
            return nonsense(r);
        storage_digest_add(sum, at, data, count);
        if ((err = storage_write(w, at, data, count)) != 0)
            return refuse(r, "'%s': %s.", path, strerror(-err));
    }
    if (err != 0)
        return err == -EPROTO ? nonsense(r) : failed(r, err);
    if (strcmp((const char *)r->p->data, g_checksum_get_string(sum)) != 0)
        return refuse(r, "'%s' was damaged on the way.", path);
    err = storage_finish(w);
    return err != 0 ? refuse(r, "'%s': %s.", path, strerror(-err)) : 0;
}

static int take_storage(struct receive *r)
{
    guint i;
    int err = take_index(r, OFFER_COPY, &i), fd;
    if (err != 0)
        return err;
    const char *path = guest_device(r->g, i)->device;
    struct storage_writer w = {.device = !is_new_file(r, i), .bytes = r->offer.items[i].bytes};
    uint64_t room = w.bytes;
    fd = w.device ? storage_open(path, true, &room, r->why, sizeof r->why) : file_of(r, i);
    if (fd < 0)
        return fd;
    w.fd = fd;
    err = room < w.bytes ? refuse(r, "'%s' is smaller than what is to be copied.", path)
                         : receive_pieces(r, &w, path);
    if (w.device)
        close(fd);
    return err;
}

/* The other host compares as well meanwhile. */
static int take_comparison(struct receive *r)
{
    char digest[STORAGE_DIGEST_SIZE];
    guint i;
    uint64_t bytes;
    int err = take_index(r, OFFER_FILE, &i);
    if (err != 0)
        return err;
    const char *path = guest_device(r->g, i)->device;
    int fd = storage_open(path, false, &bytes, r->why, sizeof r->why);
    if (fd < 0)
        return fd;
    err = storage_digest(fd, bytes, digest, NULL);
    close(fd);
    if (err != 0)
        return refuse(r, "'%s': %s.", path, strerror(-err));
    if ((err = peer_receive(r->p, "E")) != 0)
        return failed(r, err);
    return bytes != r->offer.items[i].bytes || strcmp((const char *)r->p->data, digest) != 0
               ? refuse(r, "'%s' is not the same file on both hosts.", path)
               : 0;
}

static int take_end(struct receive *r)
{
    for (guint i = 0; i < r->offer.count; i++) {
        enum offer_kind kind = r->offer.items[i].kind;
        if (!r->done[i] && (kind == OFFER_COPY || (kind == OFFER_FILE && !r->offer.force)))
            return nonsense(r);
    }
    int err = prepare(r);
    return err != 0 ? err : peer_say(r->p, 'A', "yes");
}

/* --- the guest changes hands --- */

/* Ports that others have here are given anew. */
static void free_ports(struct guest *g, struct state *s)
{
    for (guint i = 0; i < g->devices->len; i++) {
        struct resource *r = guest_device(g, i);
        for (guint n = 0; r->network && n < state_entries(s)->len; n++) {
            const struct entry *e = state_entries(s)->pdata[n];
            for (guint j = 0; e->guest != NULL && j < e->guest->devices->len; j++) {
                const struct resource *d = guest_device(e->guest, j);
                if (d->network && d->port == r->port && strcmp(d->device, r->device) == 0)
                    r->port = 0;
            }
        }
    }
    vmp_complete(g, s);
}

static int enter(struct receive *r, struct state *s)
{
    const struct state_file files[] = {
        {MIGRATION_ARRIVED, r->offer.token, strlen(r->offer.token)},
        {"app/nvram", r->nvram != NULL ? r->nvram->str : NULL,
         r->nvram != NULL ? r->nvram->len : 0},
    };
    int err = check_free(r, s);
    if (err == 0)
        err = incoming_publish(r->in, r->why, sizeof r->why);
    if (err != 0)
        return err;
    free_ports(r->g, s);
    err = state_create_with(s, r->g, files, r->nvram != NULL ? 2 : 1);
    if (err != 0)
        return failed(r, err);
    r->there = true;
    state_log(s, r->uuid, "migrated to this host");
    incoming_end(r->in, true);
    r->in = NULL;
    return 0;
}

static int take_commit(struct receive *r)
{
    struct state *s = open_state(r, true);
    int err = s != NULL ? enter(r, s) : -EIO;
    if (s != NULL)
        state_close(s);
    return err != 0 ? err : peer_say(r->p, 'A', "yes");
}

/* hpvmstart; its complaints go to the user of the other host. */
static int take_boot(struct receive *r)
{
    char *const argv[] = {"hpvmstart", "-Q", "-P", r->name, r->offer.force ? "-F" : NULL, NULL};
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *errors = NULL;
    char *command[G_N_ELEMENTS(argv) + 1] = {self};
    int status = 1;
    memcpy(command + 1, argv, sizeof argv); /* the file, then its arguments */
    bool ran =
        r->there && self != NULL &&
        g_spawn_sync(NULL, command, NULL, G_SPAWN_FILE_AND_ARGV_ZERO | G_SPAWN_STDOUT_TO_DEV_NULL,
                     NULL, NULL, NULL, &errors, &status, NULL);
    if (ran && errors != NULL && errors[0] != '\0')
        peer_say(r->p, 'R', errors);
    return peer_say(r->p, 'A', ran && status == 0 ? "yes" : "no");
}

/* --- one after the other --- */

static const struct step {
    char type;
    const char *next; /* what may follow */
    int (*take)(struct receive *r);
} steps[] = {
    {'H', "QG", take_hello},       {'Q', "GB", take_question}, {'G', "O", take_guest},
    {'O', "NSVP", take_offer},     {'N', "SVP", take_nvram},   {'S', "SVP", take_storage},
    {'V', "SVP", take_comparison}, {'P', "C", take_end},       {'C', "B", take_commit},
    {'B', "", take_boot},
};

static int serve(struct receive *r)
{
    const char *types = "H";
    int err;
    while ((err = peer_receive(r->p, types)) == 0) {
        const struct step *step = steps;
        while (step->type != r->p->type)
            step++;
        if ((err = step->take(r)) != 0)
            return err;
        types = step->next;
    }
    if (err == -EPROTO)
        nonsense(r);
    return err == -EPIPE ? 0 : err;
}

int migrate_receive(int in, int out)
{
    struct peer p;
    struct receive r = {.p = &p};
    signal(SIGPIPE, SIG_IGN);
    peer_init(&p, in, out);
    p.seconds = MIGRATION_ANSWER_SECONDS;
    int err = serve(&r);
    incoming_end(r.in, false);
    if (err != 0)
        peer_say(&p, 'X', r.why);
    if (r.nvram != NULL)
        g_string_free(r.nvram, TRUE);
    guest_free(r.g);
    g_free(r.done);
    offer_clear(&r.offer);
    peer_clear(&p);
    return err != 0;
}
