/* hpvmconsole: a viewer of a guest's virtual console. The menus of a running guest are in its
 * process, those of a guest that is off here or, for who may not look into the state, in a process
 * of its owner's (console_serve.c); a session moves between them as the guest starts and
 * stops. Exit status: 0, 1 wrong use, 2 anything else. */
#define _GNU_SOURCE
#include "vmp.h"

#include "app_proto.h"
#include "off_guest.h"
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FAILED = 2, RETRY_MS = 300, ANSWER_MS = 5000, PATIENCE = 5, MOVE_TRIES = 50 };

static char enter_console[] = "CO";

struct console {
    char name[GUEST_NAME_MAX + 1], uuid[37];
    bool owner; /* the state is ours: the guest can be looked at when it is off */
    bool quiet, crlf, scripted, login;
    bool follow, interactive; /* -f; standard input is read */
    uint8_t attention;

    GPtrArray *commands; /* const char * */
    guint next;
    bool asked;   /* a command is under way */
    bool closing; /* the last one was */

    struct mp *menus; /* of a guest that is off, or NULL */
    struct off_guest off;
    unsigned failures;               /* of menus, seen so far */
    int server;                      /* the guest's process, or the broker; -1: none */
    bool broker;                     /* it is the one for guests that are off */
    bool welcome;                    /* it has let us in */
    enum mp_start how;               /* and how the session there began */
    char wanted[GUEST_NAME_MAX + 3]; /* the guest, for the broker */
    unsigned unanswered;             /* attention characters since it said something */
    struct app_frames frames;
    GByteArray *out; /* to server */

    char last; /* shown */
    bool ended;
    bool command_failed; /* counts when nobody sees it: with -c */
    int status;
};

static void end(struct console *c, int status)
{
    c->ended = true;
    if (c->status == 0)
        c->status = status;
}

static void show(struct console *c, const void *bytes, size_t count)
{
    const char *p = bytes;
    if (count > 0)
        c->last = p[count - 1];
    while (count > 0 && !c->ended) {
        ssize_t n = write(STDOUT_FILENO, p, count);
        struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
        if (n > 0) {
            p += n;
            count -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            poll(&room, 1, -1);
        } else if (n == 0 || errno != EINTR) {
            end(c, FAILED);
        }
    }
}

/* The guest's process */

static void send_frame(struct console *c, enum app_frame_type type, const void *data, size_t length)
{
    uint8_t frame[APP_FRAME_MAX + 4];
    const uint8_t *p = data;
    do {
        size_t part = MIN(length, (size_t)APP_FRAME_MAX);
        g_byte_array_append(c->out, frame, (guint)app_frame_put(frame, type, p, part));
        p += part;
        length -= part;
    } while (length > 0);
}

static void send_hello(struct console *c, enum mp_start how)
{
    g_autofree char *hello = g_strdup_printf("%s %d %d %d %d %d", KITTSON_VERSION, c->attention,
                                             c->quiet, c->crlf, c->scripted, how);
    send_frame(c, APP_HELLO, hello, strlen(hello));
}

static void end_menus(struct console *c)
{
    mp_free(c->menus);
    c->menus = c->off.menus = NULL;
}

static void disconnect(struct console *c)
{
    close(c->server);
    c->server = -1;
}

static void write_server(struct console *c)
{
    ssize_t n = send(c->server, c->out->data, c->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
        g_byte_array_remove_range(c->out, 0, (guint)n);
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        g_byte_array_set_size(c->out, 0); /* the reader will see why */
}

/* The first bytes of an answer. A process that is about to end closes without one. */
static bool answered(struct console *c)
{
    struct pollfd answer = {.fd = c->server, .events = POLLIN};
    uint8_t *at;
    while (c->out->len > 0)
        write_server(c);
    if (poll(&answer, 1, ANSWER_MS) <= 0)
        return true; /* late: waited for with everything else */
    size_t room = app_frames_room(&c->frames, &at);
    ssize_t n = read(c->server, at, room);
    if (n > 0)
        app_frames_filled(&c->frames, (size_t)n);
    return n > 0;
}

static bool connect_to(struct console *c, const char *place, enum mp_start how)
{
    int fd = app_connect(place, "console");
    if (fd < 0)
        return false;
    c->server = fd;
    c->broker = strcmp(place, APP_BROKER) == 0;
    c->welcome = false;
    c->how = how;
    c->frames.used = 0;
    g_byte_array_set_size(c->out, 0);
    if (c->broker)
        send_frame(c, APP_GUEST, c->wanted, strlen(c->wanted));
    send_hello(c, how);
    if (!answered(c)) {
        disconnect(c);
        return false;
    }
    if (c->menus != NULL)
        end_menus(c);
    return true;
}

/* False: the guest is off, which is when its process is not there. */
static bool connect_server(struct console *c, enum mp_start how)
{
    return c->uuid[0] != '\0' && connect_to(c, c->uuid, how);
}

/* False: we need none, or nobody has set one up. */
static bool connect_broker(struct console *c, enum mp_start how)
{
    return !c->owner && connect_to(c, APP_BROKER, how);
}

static void begin_menus(struct console *c, enum mp_start how)
{
    const struct mp_config config = {
        .name = c->name,
        .role = MP_ADMIN,
        .attention = c->attention,
        .crlf = c->crlf,
        .quiet = c->quiet,
        .scripted = c->scripted,
    };
    c->menus = c->off.menus = mp_new(&config, &off_guest_ops, &c->off);
    c->failures = 0;
    mp_start(c->menus, how);
}

/* The guest has gone; the session goes on at the same place. */
static void guest_is_off(struct console *c, bool console, const char *notice)
{
    enum mp_start how = console ? MP_START_CONSOLE : MP_START_SILENT;
    disconnect(c);
    c->asked = false;
    if (c->closing || (console && !c->interactive)) {
        end(c, 0);
    } else if (c->owner) {
        c->off.seen = true;
        begin_menus(c, how);
        if (!c->quiet && c->interactive)
            mp_notice(c->menus, notice);
    } else if (!connect_broker(c, how)) {
        end(c, 0);
    } else if (!c->quiet && c->interactive) {
        g_autofree char *text = g_strdup_printf("\r\n[%s]\r\n", notice);
        show(c, text, strlen(text));
    }
}

/* The broker sends us to the guest's own process: "on PLACE FAILED AGAIN UUID". */
static void guest_is_on(struct console *c, const char *text)
{
    g_auto(GStrv) word = g_strsplit(text, " ", 0);
    bool complete = g_strv_length(word) == 5;
    const char *place = complete ? word[1] : "";
    enum mp_start how = strcmp(place, "start") == 0     ? c->how
                        : strcmp(place, "console") == 0 ? MP_START_CONSOLE
                                                        : MP_START_SILENT;
    disconnect(c);
    if (complete && c->asked && word[3][0] == '1')
        c->next--; /* it has not looked at the command */
    c->asked = false;
    c->command_failed |= complete && word[2][0] == '1';
    if (c->closing || !complete) {
        end(c, complete ? 0 : FAILED);
        return;
    }
    g_strlcpy(c->uuid, word[4], sizeof c->uuid);
    for (int tries = 0; tries < MOVE_TRIES; tries++) {
        if (connect_server(c, how))
            return;
        g_usleep(100 * 1000); /* it is starting, or about to end */
    }
    if (!connect_broker(c, how))
        end(c, FAILED);
}

static void take_end(struct console *c, const char *text)
{
    bool off = g_str_has_prefix(text, "off");
    if (off) {
        guest_is_off(c, strstr(text, "console") != NULL, "The virtual machine is off");
        return;
    }
    if (c->broker && g_str_has_prefix(text, "on ")) {
        guest_is_on(c, text);
        return;
    }
    end(c, 0);
    if (g_str_has_prefix(text, "error ")) {
        terminal_restore();
        vmp_fail("%s", text + strlen("error "));
        c->status = FAILED;
    }
}

static void take_welcome(struct console *c, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 0);
    c->welcome = true;
    if (c->broker && g_strv_length(words) == 4)
        g_strlcpy(c->uuid, words[3], sizeof c->uuid);
    if (g_strcmp0(words[0], KITTSON_VERSION) == 0)
        return;
    terminal_restore();
    vmp_fail("The command and the software the guest runs on are at different revision levels.");
    end(c, FAILED);
}

static void take_frame(struct console *c, const struct app_frame *f)
{
    g_autofree char *text = g_strndup((const char *)f->data, f->length);
    c->unanswered = 0;
    switch (f->type) {
    case APP_WELCOME:
        take_welcome(c, text);
        break;
    case APP_DATA:
        show(c, f->data, f->length);
        break;
    case APP_RESULT:
        c->asked = false;
        if (f->length != 1 || f->data[0] != 0)
            c->command_failed = true;
        break;
    default:
        take_end(c, text);
    }
}

static void server_lost(struct console *c)
{
    bool known = c->welcome;
    if (known && !c->broker && c->interactive && !c->closing) {
        guest_is_off(c, false, "The process of the virtual machine has ended");
        return;
    }
    terminal_restore();
    vmp_fail(known ? "The process of the guest has ended." : "The guest does not answer.");
    end(c, FAILED);
}

/* One frame of what has been read. False: there is none yet. */
static bool take_next(struct console *c)
{
    struct app_frame f;
    int taken = c->server >= 0 ? app_frames_take(&c->frames, "WDRX", &f) : 0;
    if (taken > 0)
        take_frame(c, &f);
    else if (taken < 0)
        server_lost(c);
    return taken != 0;
}

static void read_server(struct console *c)
{
    uint8_t *at;
    size_t room = app_frames_room(&c->frames, &at);
    ssize_t n = read(c->server, at, room);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0)
        app_frames_filled(&c->frames, (size_t)n);
    else
        server_lost(c);
}

/* Commands and keys */

static bool busy(const struct console *c)
{
    return c->asked || (c->menus != NULL && mp_waiting(c->menus));
}

static void run(struct console *c, const char *command)
{
    if (c->menus == NULL) {
        send_frame(c, APP_COMMAND, command, MIN(strlen(command), (size_t)MP_LINE_MAX));
        c->asked = true;
    } else {
        mp_command(c->menus, command);
    }
}

/* A guest that has been started meanwhile has its menus elsewhere. */
static void find_server(struct console *c)
{
    bool console = c->menus != NULL && mp_in_console(c->menus);
    if (c->menus != NULL && !mp_waiting(c->menus) && !mp_asking(c->menus) && !mp_typing(c->menus))
        connect_server(c, console ? MP_START_CONSOLE : MP_START_SILENT);
}

/* What remains when there is nothing more to read: an open question is answered with no, and a
 * last command, which does nothing, is answered when all before it is done. */
static void finish(struct console *c)
{
    if (c->menus != NULL) {
        mp_end_of_input(c->menus);
        c->ended = true; /* the last output is still shown */
        return;
    }
    send_frame(c, APP_EOF, "", 0);
    send_frame(c, APP_COMMAND, "", 0);
    c->asked = c->closing = true;
}

static void next_command(struct console *c)
{
    if (c->next < c->commands->len) {
        find_server(c);
        run(c, c->commands->pdata[c->next++]);
    } else if (c->closing) {
        end(c, 0);
    } else if (!c->interactive && !c->follow) {
        finish(c);
    }
}

static void end_of_input(struct console *c)
{
    c->interactive = false;
    if (c->follow)
        g_ptr_array_add(c->commands, enter_console);
}

/* The keys that lead out of a console are the server's: one that is stuck must not keep us. */
static bool gives_up(struct console *c, const uint8_t *keys, size_t count)
{
    c->unanswered = keys[count - 1] == c->attention ? c->unanswered + 1 : 0;
    if (c->unanswered < PATIENCE)
        return false;
    terminal_restore();
    vmp_fail("The process of the guest does not answer.");
    end(c, FAILED);
    return true;
}

static void read_keys(struct console *c)
{
    uint8_t keys[1024];
    ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        end_of_input(c);
        return;
    }
    find_server(c);
    if (c->menus == NULL) {
        if (!gives_up(c, keys, (size_t)n))
            send_frame(c, APP_DATA, keys, (size_t)n);
        return;
    }
    mp_input(c->menus, keys, (size_t)n);
}

static void show_menus(struct console *c)
{
    GString *text = mp_output(c->menus);
    unsigned failures = mp_failures(c->menus);
    bool ended = c->ended;
    c->ended = false;
    show(c, text->str, text->len);
    c->ended = c->ended || ended || mp_finished(c->menus);
    g_string_truncate(text, 0);
    if (failures > c->failures)
        c->command_failed = true;
    c->failures = failures;
}

static bool watch_console(const struct console *c)
{
    return c->menus != NULL && mp_in_console(c->menus);
}

static void wait_for_events(struct console *c)
{
    bool keys =
        c->interactive && c->next == c->commands->len && !c->asked && c->out->len < APP_FRAME_MAX;
    short server = POLLIN | (c->out->len > 0 ? POLLOUT : 0);
    struct pollfd fds[] = {
        {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = c->server, .events = server},
        {.fd = c->off.pipe, .events = POLLIN},
    };
    int count = poll(fds, G_N_ELEMENTS(fds), watch_console(c) ? RETRY_MS : -1);
    if (count == 0)
        find_server(c);
    if (count <= 0)
        return;
    if (fds[1].revents & POLLOUT)
        write_server(c);
    if (fds[2].revents != 0)
        off_guest_read(&c->off);
    if (fds[1].revents & (POLLIN | POLLHUP | POLLERR))
        read_server(c);
    if (fds[0].revents != 0 && !c->ended)
        read_keys(c);
}

static void loop(struct console *c)
{
    while (!c->ended) {
        while (!c->ended && !busy(c)) {
            guint before = c->next;
            bool closing = c->closing;
            next_command(c);
            if (c->menus != NULL)
                show_menus(c);
            if (c->next == before && c->closing == closing)
                break;
        }
        if (!c->ended && !take_next(c))
            wait_for_events(c);
        if (c->menus != NULL)
            show_menus(c);
    }
}

/* Which guest, and where it is */

/* 0 when it is one of ours. */
static int find_in_state(struct console *c, const char *name, uint64_t number, int argc,
                         char **argv)
{
    char why[300];
    struct state *s = state_open(false, why, sizeof why);
    if (s == NULL)
        return -EACCES;
    const struct entry *e = state_find(s, name, number);
    int status = e == NULL ? -ENOENT : e->guest == NULL && !e->running ? -EINVAL : 0;
    if (status == -EINVAL)
        vmp_fail("ERROR (%s): The configuration is damaged: %s.", e->name, e->problem);
    if (status == 0) {
        g_autoptr(GString) line = g_string_new("hpvmconsole");
        for (int i = 1; i < argc; i++)
            g_string_append_printf(line, " %.1200s", argv[i]);
        g_strlcpy(c->name, e->name, sizeof c->name);
        g_strlcpy(c->uuid, e->uuid, sizeof c->uuid);
        c->owner = true;
        state_log(s, NULL, line->str);
    }
    state_close(s);
    return status;
}

/* A running guest of somebody else, usually root's. */
static int find_running(struct console *c, const char *name, uint64_t number)
{
    int status = app_find(name, number, c->uuid);
    if (status != 0 && getenv("HPVM_RUNTIME") == NULL) {
        setenv("HPVM_RUNTIME", "/run/kittson", 1);
        status = app_find(name, number, c->uuid);
    }
    return status;
}

static int find_guest(struct console *c, const char *name, uint64_t number, int argc, char **argv)
{
    if (name != NULL)
        snprintf(c->wanted, sizeof c->wanted, "P %s", name);
    else
        snprintf(c->wanted, sizeof c->wanted, "p %llu", (unsigned long long)number);
    char broker[APP_PATH_MAX];
    int status = find_in_state(c, name, number, argc, argv);
    if (status == 0 || status == -EINVAL || find_running(c, name, number) == 0)
        return status == -EINVAL ? FAILED : 0;
    c->uuid[0] = '\0';
    if (app_socket_path(APP_BROKER, "console", broker) == 0 && access(broker, W_OK) == 0)
        return 0;
    if (name != NULL)
        vmp_fail("Guest '%.60s' does not exist%s.", name,
                 c->login || status == -EACCES ? " or is off" : "");
    else
        vmp_fail("Guest number %llu does not exist.", (unsigned long long)number);
    vmp_unable();
    return FAILED;
}

/* Accounts that have this program as their shell live in the directory of their guest. */
static const char *guest_of_account(void)
{
    const struct passwd *p = getpwuid(getuid());
    const char *slash = p != NULL ? strrchr(p->pw_dir, '/') : NULL;
    if (slash == NULL || slash - p->pw_dir < 7 || strncmp(slash - 7, "/guests", 7) != 0)
        return NULL;
    return guest_name_valid(slash + 1) ? slash + 1 : NULL;
}

/* "^t", "^?", or the character itself. */
static int parse_attention(const char *text, uint8_t *out)
{
    if (text[0] == '^' && text[1] != '\0' && text[2] == '\0')
        *out = text[1] == '?' ? 127 : (uint8_t)(g_ascii_toupper(text[1]) & 31);
    else if (text[0] != '\0' && text[1] == '\0' && g_ascii_isprint(text[0]) | (text[0] < ' '))
        *out = (uint8_t)text[0];
    else
        return vmp_fail("Invalid character '%.20s'.", text);
    return 0;
}

static int setup(struct console *c, const struct vmp_options *o)
{
    const char *attention = vmp_value(o, 'e');
    c->quiet = vmp_has(o, 'q');
    c->follow = vmp_has(o, 'f');
    for (guint i = 0; i < o->list->len; i++) {
        const struct vmp_option *option = &g_array_index(o->list, struct vmp_option, i);
        if (option->letter == 'c')
            g_ptr_array_add(c->commands, (char *)option->value);
    }
    c->scripted = c->commands->len > 0;
    c->interactive = !c->scripted || vmp_has(o, 'i');
    if (c->scripted && c->follow)
        g_ptr_array_add(c->commands, enter_console);
    return attention != NULL ? parse_attention(attention, &c->attention) : 0;
}

static void start(struct console *c)
{
    enum mp_start how = c->login ? MP_START_LOGIN : MP_START_MENU;
    signal(SIGPIPE, SIG_IGN);
    c->crlf = c->interactive && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) &&
              terminal_raw(STDIN_FILENO) == 0;
    if (!connect_server(c, how) && !connect_broker(c, how)) {
        if (c->owner)
            begin_menus(c, how);
        else
            end(c, FAILED);
    }
    if (c->menus != NULL)
        show_menus(c);
    loop(c);
    terminal_restore();
    c->ended = false;
    if (!c->quiet && c->last != '\n' && c->last != '\0')
        show(c, "\n", 1);
}

static int select_and_run(struct console *c, const struct vmp_options *o, int argc, char **argv)
{
    const char *name = vmp_value(o, 'P');
    if (name == NULL && !vmp_has(o, 'p')) {
        name = guest_of_account();
        c->login = true;
        if (name == NULL)
            return vmp_check_selection(o);
    }
    int status = find_guest(c, name, o->number, argc, argv);
    if (status != 0)
        return status;
    if (c->name[0] == '\0')
        g_strlcpy(c->name, name != NULL ? name : c->uuid, sizeof c->name);
    c->off.name = c->name;
    c->off.uuid = c->uuid;
    start(c);
    return c->status != 0 ? c->status : c->scripted && c->command_failed ? FAILED : 0;
}

int vmp_console(int argc, char **argv)
{
    struct vmp_options o;
    if (argc == 2 && strcmp(argv[1], "--serve") == 0)
        return vmp_console_serve();
    struct console *c = g_new0(struct console, 1);
    c->attention = MP_ATTENTION;
    c->server = c->off.pipe = -1;
    c->commands = g_ptr_array_new();
    c->out = g_byte_array_new();
    int status = vmp_parse(&o, argc, argv, ":P:p:c:e:fiq", "c", "Pp");
    if (status == 0 && setup(c, &o) != 0)
        status = vmp_unable();
    if (status == 0)
        status = select_and_run(c, &o, argc, argv);
    mp_free(c->menus);
    if (c->server >= 0)
        close(c->server);
    if (c->off.pipe >= 0)
        close(c->off.pipe);
    g_ptr_array_free(c->commands, TRUE);
    g_byte_array_free(c->out, TRUE);
    g_free(c);
    vmp_options_free(&o);
    return status;
}
