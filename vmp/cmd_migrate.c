/* hpvmmigrate: moves a guest that is off to another host: configuration, variables of the firmware
 * and, with -C, storage. The other side is migrate_receive.c; what they say is in migration.h.
 * Until the other side has everything the guest stays as it is; the state is not locked meanwhile,
 * only the guest is. */
#include "copy_storage.h"
#include "devdb.h"
#include "migration.h"
#include "remote.h"
#include "vmp.h"

#include "app_proto.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WHY_SIZE (RESOURCE_DEVICE_MAX + 300)

static const char help[] =
    "usage: hpvmmigrate {-P NAME | -p NUMBER} -h HOST [-l LABEL] [-N NEW-NAME]\n"
    "                   [-e PERCENT | -E CYCLES] [-m RESOURCE]... [-C] [-b] [-d] [-F | -s]\n"
    "       hpvmmigrate -v | -H\n\n"
    "  hpvmmigrate -P web -h hostb -s    only checks whether hostb could run it\n"
    "  hpvmmigrate -P web -h hostb       moves it; its storage is reached from both hosts\n"
    "  hpvmmigrate -P web -h hostb -C -m disk:scsi:0,0,0:file:/vm/web.img\n"
    "                                    copies its disk there, too\n\n"
    "-d shuts it down first, -b starts it there, -F moves it whatever the checks say.\n"
    "ssh must reach HOST with a key and without a question. After an interruption the same\n"
    "command goes on. Manual: man hpvmmigrate. Exit status: 0 fine, 1 it failed.\n";

struct migration {
    const struct vmp_options *o;
    const char *host, *program;
    char name[GUEST_NAME_MAX + 1], uuid[37];
    struct guest *wanted; /* as it is to be there */
    GArray *copies;       /* struct storage_copy, by -m */
    GPtrArray *from;      /* by device of wanted: its path here, char * */
    struct offer offer;
    struct remote remote;
    struct peer peer;
    bool connected, forgotten; /* forgotten: here, as it is there */
    int lock;
};

static int error(const struct migration *m, const char *text)
{
    return vmp_fail("ERROR (%s): %s", m->name, text);
}

/* --- the connection --- */

static int disconnect(struct migration *m)
{
    if (!m->connected)
        return REMOTE_OK;
    m->connected = false;
    peer_clear(&m->peer);
    return (int)remote_end(&m->remote);
}

/* What the manual has for both. */
static int lost(struct migration *m)
{
    if (disconnect(m) == REMOTE_NO_SSH)
        fprintf(stderr, "Error: hpvmmigrate: SSH execution error.\n");
    else
        fprintf(stderr, "Error: hpvmmigrate: Remote execution error on %s.\n", m->host);
    return 1;
}

/* Lines of the other host, as they may be shown to anybody. */
static void show_report(const struct peer *p)
{
    g_autofree char *text = g_strndup((const char *)p->data, p->length);
    for (char *c = text; *c != '\0'; c++)
        if (((unsigned char)*c < ' ' && *c != '\n') || *c == 0x7f)
            *c = '?';
    fprintf(stderr, "%s%s", text, g_str_has_suffix(text, "\n") ? "" : "\n");
}

/* Waits for the answer: 1 yes, 0 no, -1 after a message. */
static int answer(struct migration *m)
{
    int err;
    while ((err = peer_receive(&m->peer, "ARX")) == 0 && m->peer.type == 'R')
        show_report(&m->peer);
    const char *text = err == 0 ? peer_text(&m->peer) : NULL;
    if (text == NULL) {
        lost(m);
        return -1;
    }
    if (m->peer.type == 'X') {
        vmp_fail("Target VM Host error - %s", text);
        return -1;
    }
    return strcmp(text, "yes") == 0;
}

/* A failed write: the other side may have said why before it went. */
static int explain(struct migration *m)
{
    answer(m);
    return 1;
}

static int connect_host(struct migration *m)
{
    const char *mine = "hpvmmigrate 1 " KITTSON_VERSION;
    if (!remote_start(&m->remote, m->host, m->program)) {
        fprintf(stderr, "Error: hpvmmigrate: SSH execution error.\n");
        return 1;
    }
    m->connected = true;
    peer_init(&m->peer, m->remote.from, m->remote.to);
    m->peer.seconds = MIGRATION_ANSWER_SECONDS;
    if (peer_say(&m->peer, 'H', mine) != 0 || peer_receive(&m->peer, "H") != 0)
        return lost(m);
    m->peer.seconds = 0;
    const char *text = peer_text(&m->peer);
    if (text != NULL && strcmp(text, mine) == 0)
        return 0;
    disconnect(m);
    return vmp_fail("The command's version is not compatible with that on %s.", m->host);
}

/* --- what is to be there --- */

static int change(struct migration *m)
{
    struct vmp_options changes = *m->o;
    const char *name = vmp_value(m->o, 'N');
    changes.list = g_array_new(FALSE, TRUE, sizeof(struct vmp_option));
    for (guint i = 0; i < m->o->list->len; i++) {
        struct vmp_option option = g_array_index(m->o->list, struct vmp_option, i);
        if (strchr("leEm", option.letter) != NULL)
            g_array_append_val(changes.list, option);
    }
    int status = vmp_apply(&changes, m->wanted);
    g_array_free(changes.list, TRUE);
    if (status == 0 && name != NULL && !guest_name_valid(name))
        return vmp_fail("Invalid virtual machine name '%.60s'.", name);
    if (status == 0 && name != NULL)
        g_strlcpy(m->wanted->name, name, sizeof m->wanted->name);
    return status;
}

static int find_copies(struct migration *m, const struct guest *g)
{
    char why[WHY_SIZE];
    for (guint i = 0; vmp_has(m->o, 'C') && i < m->o->list->len; i++) {
        const struct vmp_option *option = &g_array_index(m->o->list, struct vmp_option, i);
        struct storage_copy c;
        if (option->letter != 'm' || g_str_has_prefix(option->value, "network:"))
            continue;
        if (copy_storage_find(g, option->value, &c, why, sizeof why) != 0)
            return error(m, why);
        g_array_append_val(m->copies, c);
    }
    return 0;
}

static const struct resource *device_here(const struct guest *g, const struct resource *there)
{
    for (guint i = 0; i < g->devices->len; i++)
        if (resource_same_address(guest_device(g, i), there))
            return guest_device(g, i);
    return NULL;
}

static bool is_copied(const struct migration *m, const struct resource *there)
{
    for (guint i = 0; i < m->copies->len; i++)
        if (resource_same_address(&g_array_index(m->copies, struct storage_copy, i).to, there))
            return true;
    return false;
}

static int offer_device(struct migration *m, struct offer_item *item, const char *path, bool copy)
{
    struct stat st;
    uint64_t bytes = 0;
    bool there = stat(path, &st) == 0;
    if (copy) { /* what cannot be opened now need not be tried when the guest is off */
        char why[WHY_SIZE];
        int fd = storage_open(path, false, &bytes, why, sizeof why);
        if (fd < 0 && (fd != -EBUSY || !vmp_has(m->o, 'd')))
            return error(m, why);
        if (fd >= 0)
            close(fd);
    }
    if (!there || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
        return 0;
    item->kind = copy ? OFFER_COPY : S_ISBLK(st.st_mode) ? OFFER_WWID : OFFER_FILE;
    item->bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : bytes;
    item->used = S_ISREG(st.st_mode) ? MIN((uint64_t)st.st_blocks * 512, item->bytes) : bytes;
    storage_wwid(path, item->wwid);
    return 0;
}

static int make_offer(struct migration *m, const struct guest *g)
{
    int status = 0;
    m->wanted = guest_copy(g);
    if (find_copies(m, g) != 0 || change(m) != 0)
        return 1;
    offer_init(&m->offer, m->wanted);
    m->offer.force = vmp_has(m->o, 'F');
    for (guint i = 0; status == 0 && i < m->wanted->devices->len; i++) {
        const struct resource *there = guest_device(m->wanted, i);
        const struct resource *here = device_here(g, there);
        g_ptr_array_add(m->from, g_strdup(here != NULL ? here->device : there->device));
        if (!there->network)
            status = offer_device(m, &m->offer.items[i], m->from->pdata[i], is_copied(m, there));
    }
    return status;
}

/* --- before anything moves --- */

static int check_guest(const struct migration *m, const struct entry *e)
{
    if (e->guest->distributed != 0)
        return error(m, "The guest is a distributed guest.");
    if (e->running && strcmp(e->run, "Migrating") == 0)
        return error(m, "The guest is being migrated already.");
    if (e->running && !vmp_has(m->o, 'd') && !vmp_has(m->o, 's'))
        return error(m, "The guest is running.");
    return 0;
}

/* Disks that other guests here may write to. Discs are shared without harm. */
static int check_shared(const struct migration *m, struct state *s, const struct guest *g)
{
    char why[300];
    struct devdb *db = vmp_has(m->o, 'F') ? NULL : devdb_load(s, why, sizeof why);
    int status = 0;
    for (guint i = 0; db != NULL && status == 0 && i < g->devices->len; i++) {
        const struct resource *r = guest_device(g, i);
        if (strcmp(r->type, "disk") == 0 && devdb_shared(db, r->device) > 0)
            status = vmp_fail("Device %s is shared.  Guest with shared storage devices cannot be "
                              "migrated.",
                              r->device);
    }
    devdb_free(db);
    return status;
}

/* 1: this migration was interrupted, and its mark is in mark. -1 after a message. */
static int look_for_mark(const struct migration *m, struct state *s, struct migration_mark *mark)
{
    if (!migration_mark_read(s, m->uuid, mark))
        return 0;
    if (strcmp(mark->host, m->host) == 0)
        return 1;
    vmp_fail("ERROR (%s): The guest may be on %s already: repeat hpvmmigrate with -h %s, or keep "
             "it with hpvmstart -F.",
             m->name, mark->host, mark->host);
    return -1;
}

static int select_guest(struct migration *m, struct migration_mark *mark, bool *marked, int argc,
                        char **argv)
{
    struct state *s = vmp_open(m->o, false, argc, argv);
    const struct entry *e = s != NULL ? vmp_select(m->o, s) : NULL;
    int status = e == NULL, found = 0;
    if (e != NULL) {
        g_strlcpy(m->name, e->name, sizeof m->name);
        g_strlcpy(m->uuid, e->uuid, sizeof m->uuid);
        status = check_guest(m, e);
    }
    if (status == 0)
        status = check_shared(m, s, e->guest);
    if (status == 0 && (found = look_for_mark(m, s, mark)) < 0)
        status = 1;
    if (status == 0)
        status = make_offer(m, e->next != NULL ? e->next : e->guest);
    *marked = found > 0;
    if (s != NULL)
        state_close(s);
    return status;
}

/* Whether the other host has what the guest needs. */
static int ask_target(struct migration *m)
{
    GString *config = guest_write(m->wanted), *offer = offer_write(&m->offer);
    int err = peer_send(&m->peer, 'G', config->str, config->len);
    if (err == 0)
        err = peer_send(&m->peer, 'O', offer->str, offer->len);
    g_string_free(config, TRUE);
    g_string_free(offer, TRUE);
    int yes = err == 0 ? answer(m) : -1;
    if (err != 0)
        explain(m);
    if (yes == 0)
        vmp_fail("See HPVM command log file on target VM Host for more detail.");
    return yes == 1 ? 0 : 1;
}

/* hpvmstop, as its user would. */
static int shut_down(const struct migration *m)
{
    char *argv[] = {"hpvmstop", "-P", (char *)m->name, "-F", NULL};
    if (!vmp_has(m->o, 'd') || !vmp_runs(m->uuid))
        return 0;
    int status = vmp_find("hpvmstop")(4, argv);
    vmp_find("hpvmmigrate");
    return status;
}

static bool same_guest(const struct guest *a, const struct guest *b)
{
    GString *x = guest_write(a), *y = guest_write(b);
    bool same = g_string_equal(x, y);
    g_string_free(x, TRUE);
    g_string_free(y, TRUE);
    return same;
}

/* Nobody starts it from now on; it must still be what the other host was asked about. */
static int lock_guest(struct migration *m, GString **nvram)
{
    char why[300];
    struct state *s = state_open(true, why, sizeof why);
    const struct entry *e = s != NULL ? state_find_uuid(s, m->uuid) : NULL;
    struct guest *asked = m->wanted;
    if (s == NULL)
        return vmp_fail("%s", why);
    int status = e == NULL || e->guest == NULL || e->running;
    if (status == 0) {
        m->wanted = guest_copy(e->guest);
        g_strlcpy(m->wanted->os_type, asked->os_type, sizeof asked->os_type);
        status = change(m) != 0 || !same_guest(asked, m->wanted);
        guest_free(m->wanted);
        m->wanted = asked;
    }
    if (status == 0)
        status = (m->lock = state_run_lock(s, e)) < 0;
    if (status == 0) {
        fcntl(m->lock, F_SETFD, FD_CLOEXEC);
        state_run_write(m->lock, "Migrating", 0);
        status = state_read_own(s, m->uuid, "app/nvram", MIGRATION_NVRAM_MAX, nvram) == -EIO;
    }
    state_close(s);
    return status != 0 ? error(m, "The guest has changed meanwhile.") : 0;
}

/* --- what moves --- */

struct sending {
    struct peer *peer;
    GChecksum *sum;
};

static int send_piece(void *opaque, uint64_t at, const void *data, size_t count)
{
    struct sending *s = opaque;
    storage_digest_add(s->sum, at, data, count);
    return peer_piece(s->peer, at, data, count);
}

static int send_contents(struct migration *m, int fd, uint64_t bytes, const char *path)
{
    struct progress p;
    struct sending s = {&m->peer, g_checksum_new(G_CHECKSUM_SHA256)};
    progress_begin(&p, path, bytes);
    int err = storage_walk(fd, bytes, send_piece, &s, &p);
    progress_end(&p);
    if (err == 0)
        err = peer_say(&m->peer, 'E', g_checksum_get_string(s.sum));
    g_checksum_free(s.sum);
    return err;
}

static int send_comparison(struct migration *m, int fd, uint64_t bytes, const char *path)
{
    char digest[STORAGE_DIGEST_SIZE];
    struct progress p;
    progress_begin(&p, path, bytes);
    int err = storage_digest(fd, bytes, digest, &p);
    progress_end(&p);
    return err == 0 ? peer_say(&m->peer, 'E', digest) : err;
}

static int send_device(struct migration *m, guint i)
{
    char why[WHY_SIZE], index[16];
    const char *path = m->from->pdata[i];
    const struct offer_item *item = &m->offer.items[i];
    bool copy = item->kind == OFFER_COPY;
    uint64_t bytes;
    int fd = storage_open(path, false, &bytes, why, sizeof why);
    if (fd < 0)
        return error(m, why);
    if (bytes != item->bytes) {
        close(fd);
        return error(m, "The guest's storage has changed meanwhile.");
    }
    snprintf(index, sizeof index, "%u", i);
    int err = peer_say(&m->peer, copy ? 'S' : 'V', index);
    if (err == 0)
        err = (copy ? send_contents : send_comparison)(m, fd, bytes, path);
    close(fd);
    if (err == -EPIPE)
        return explain(m);
    return err != 0 ? vmp_fail("ERROR (%s): '%s': %s.", m->name, path, strerror(-err)) : 0;
}

static int send_all(struct migration *m, const GString *nvram)
{
    int status = 0;
    if (nvram != NULL && peer_send(&m->peer, 'N', nvram->str, nvram->len) != 0)
        return explain(m);
    for (guint i = 0; status == 0 && i < m->offer.count; i++) {
        enum offer_kind kind = m->offer.items[i].kind;
        if (kind == OFFER_COPY || (kind == OFFER_FILE && !m->offer.force))
            status = send_device(m, i);
    }
    if (status == 0 && peer_say(&m->peer, 'P', "") != 0)
        return explain(m);
    return status != 0 ? status : answer(m) != 1;
}

/* --- the guest changes hands --- */

/* The guest is there: it is no longer here. */
static int forget(struct migration *m)
{
    char why[300];
    struct state *s = state_open(true, why, sizeof why);
    const struct entry *e = s != NULL ? state_find_uuid(s, m->uuid) : NULL;
    int err = s == NULL ? -EIO : e != NULL ? state_remove(s, e) : 0;
    if (s != NULL) {
        g_autofree char *line = g_strdup_printf("%s has been migrated to %s", m->name, m->host);
        state_log(s, NULL, line);
        state_close(s);
    }
    if (err != 0)
        return vmp_fail("ERROR (%s): The guest is on %s, but cannot be removed here: repeat "
                        "hpvmmigrate.",
                        m->name, m->host);
    m->forgotten = true;
    return 0;
}

static int set_mark(const struct migration *m, bool set)
{
    char why[300];
    struct migration_mark mark;
    struct state *s = state_open(true, why, sizeof why);
    g_strlcpy(mark.host, m->host, sizeof mark.host);
    g_strlcpy(mark.token, m->offer.token, sizeof mark.token);
    int err = s == NULL ? -EIO
              : set     ? migration_mark_write(s, m->uuid, &mark)
                        : migration_mark_clear(s, m->uuid);
    if (s != NULL)
        state_close(s);
    return err != 0 ? error(m, "The guest's directory cannot be written.") : 0;
}

/* Did it arrive? 1, 0, or -1: nobody knows. */
static int ask_arrival(struct migration *m, const char *token)
{
    g_autofree char *question = g_strdup_printf("%s %s", m->uuid, token);
    disconnect(m);
    if (connect_host(m) != 0 || peer_say(&m->peer, 'Q', question) != 0)
        return -1;
    return answer(m);
}

static int unknown(const struct migration *m)
{
    return vmp_fail("ERROR (%s): Whether the guest is on %s is not known: repeat hpvmmigrate when "
                    "it can be reached.",
                    m->name, m->host);
}

/* A refusal is certain; silence is not. */
static int commit(struct migration *m)
{
    if (set_mark(m, true) != 0)
        return 1;
    int yes = peer_say(&m->peer, 'C', "") == 0 ? answer(m) : -1;
    if (yes < 0)
        yes = ask_arrival(m, m->offer.token);
    if (yes < 0)
        return unknown(m);
    return yes == 1 ? forget(m) : (set_mark(m, false), 1);
}

static int finish(struct migration *m)
{
    printf("hpvmmigrate: Guest migrated successfully.\n");
    if (!vmp_has(m->o, 'b'))
        return 0;
    int yes = peer_say(&m->peer, 'B', "") == 0 ? answer(m) : -1;
    return yes == 1 ? 0 : vmp_fail("The guest is on %s, but was not started there.", m->host);
}

static int move(struct migration *m)
{
    GString *nvram = NULL;
    int status = ask_target(m);
    if (status != 0 || vmp_has(m->o, 's'))
        return status;
    status = shut_down(m);
    if (status == 0)
        status = lock_guest(m, &nvram);
    if (status == 0)
        status = send_all(m, nvram);
    if (status == 0)
        status = commit(m);
    if (nvram != NULL)
        g_string_free(nvram, TRUE);
    return status;
}

/* What an earlier command was doing when it ended. 1: there is nothing left to do. */
static int resume(struct migration *m, const struct migration_mark *mark)
{
    int arrived = ask_arrival(m, mark->token);
    if (arrived < 0)
        return unknown(m);
    if (vmp_has(m->o, 's'))
        return arrived == 1 ? error(m, "The guest is on the destination host already.") : 0;
    return arrived == 1 ? forget(m) : set_mark(m, false);
}

/* --- the command --- */

static int migrate(struct migration *m, int argc, char **argv)
{
    struct migration_mark mark;
    bool marked = false;
    int status = select_guest(m, &mark, &marked, argc, argv);
    if (status == 0)
        status = marked ? resume(m, &mark) : connect_host(m);
    if (status == 0 && !m->forgotten)
        status = move(m);
    return status == 0 && m->forgotten ? finish(m) : status;
}

static int check_options(const struct vmp_options *o)
{
    const char *host = vmp_value(o, 'h');
    if (host == NULL)
        vmp_fail("The destination host is required.");
    else if (!migration_host_valid(host))
        vmp_fail("Invalid host '%.60s'.", host);
    else if (vmp_has(o, 'C') && !vmp_has(o, 'm'))
        vmp_fail("Option '-C' needs '-m'.");
    else
        return vmp_check_selection(o);
    return vmp_unable();
}

static int run(const struct vmp_options *o, int argc, char **argv)
{
    struct migration m = {.o = o, .host = vmp_value(o, 'h'), .program = argv[0], .lock = -1};
    if (check_options(o) != 0)
        return 1;
    m.copies = g_array_new(FALSE, TRUE, sizeof(struct storage_copy));
    m.from = g_ptr_array_new_with_free_func(g_free);
    int status = migrate(&m, argc, argv);
    disconnect(&m);
    if (m.lock >= 0) {
        if (!m.forgotten)
            state_run_write(m.lock, "On", 0); /* what a start shows at first */
        close(m.lock);
    }
    guest_free(m.wanted);
    offer_clear(&m.offer);
    g_array_free(m.copies, TRUE);
    g_ptr_array_free(m.from, TRUE);
    return status != 0 ? vmp_unable() : 0;
}

int vmp_migrate(int argc, char **argv)
{
    struct vmp_options o;
    if (argc == 2 && strcmp(argv[1], "--receive") == 0)
        return migrate_receive(STDIN_FILENO, STDOUT_FILENO);
    if (vmp_help(argc, argv, help))
        return 0;
    signal(SIGPIPE, SIG_IGN);
    int status = vmp_parse(&o, argc, argv, ":P:p:h:l:N:e:E:m:CbdFsvH", "m", "Pp Fs eE");
    if (status == 0 && vmp_has(&o, 'H'))
        fputs(help, stdout);
    else if (status == 0 && vmp_has(&o, 'v'))
        printf("hpvmmigrate: Version A.03.00.00 (Kittson %s)\n", KITTSON_VERSION);
    else if (status == 0)
        status = run(&o, argc, argv);
    vmp_options_free(&o);
    return status;
}
