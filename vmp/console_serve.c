/* hpvmconsole --serve: the virtual console of guests that are off, for the users on their lists,
 * who may not look into the state themselves. One process for one connection, which is its standard
 * input (dist/hpvm-console.socket), with the rights of the guests' owner; the client is hpvmconsole
 * (app_proto.h). Guests that are on have consoles of their own: the client is sent there.
 *
 * Everything that comes is hostile: the sessions' engine keeps it in bounds (mp.h), who does not
 * say at once what it wants, sends what is no frame or does not read is hung up on. */
#define _GNU_SOURCE
#include "vmp.h"

#include "app_proto.h"
#include "console_right.h"
#include "off_guest.h"
#include "text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HELLO_MS = 10000, LOOK_MS = 300, READ_SECONDS = 30, GOING_TRIES = 50 };

struct session {
    int fd;
    char name[GUEST_NAME_MAX + 1], uuid[37], who[64];
    enum console_right right;
    struct off_guest off;
    struct mp *menus; /* NULL before the hello */
    struct app_frames frames;
    unsigned failures; /* of the menus, told so far */
    bool asked;        /* a command's result is owed */
    bool started;      /* hpvmstart has just ended */
    bool shown;        /* the menus have been seen */
    bool over;
};

/* --- to the client --- */

static void put(struct session *s, enum app_frame_type type, const void *data, size_t count)
{
    uint8_t frame[APP_FRAME_MAX + 4];
    size_t size = app_frame_put(frame, type, data, count);
    for (size_t done = 0; done < size && !s->over;) {
        ssize_t n = send(s->fd, frame + done, size - done, MSG_NOSIGNAL);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            s->over = true; /* gone, or it does not read */
    }
}

static void put_text(struct session *s, enum app_frame_type type, const char *text)
{
    put(s, type, text, strlen(text));
}

static void leave(struct session *s, const char *text)
{
    put_text(s, APP_END, text);
    s->over = true;
}

static bool failed_since(struct session *s)
{
    unsigned failures = mp_failures(s->menus);
    bool failed = failures > s->failures;
    s->failures = failures;
    return failed;
}

static void show(struct session *s)
{
    s->shown = true;
    GString *text = mp_output(s->menus);
    for (size_t at = 0; at < text->len; at += APP_FRAME_MAX)
        put(s, APP_DATA, text->str + at, MIN(text->len - at, (size_t)APP_FRAME_MAX));
    g_string_truncate(text, 0);
}

static bool guest_is_on(const struct session *s)
{
    int fd = app_connect(s->uuid, "console");
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* For a session that comes from a guest's process, which still needs a moment to go. */
static void wait_until_off(const struct session *s)
{
    for (int tries = 0; tries < GOING_TRIES && guest_is_on(s); tries++)
        g_usleep(100 * 1000);
}

/* The client goes on at the guest's own process, if there is one; see app_proto.h. again: what it
 * asked for last has not been looked at. */
static bool send_on(struct session *s, bool again)
{
    bool idle = !mp_waiting(s->menus) && !mp_asking(s->menus) && !mp_typing(s->menus);
    if (s->over || !idle || !guest_is_on(s))
        return false;
    const char *place = !s->shown ? "start" : mp_in_console(s->menus) ? "console" : "menu";
    g_autofree char *text =
        g_strdup_printf("on %s %d %d %s", place, failed_since(s), again, s->uuid);
    leave(s, text);
    return true;
}

/* After anything that may have changed something. */
static void settle(struct session *s)
{
    uint8_t failed;
    if (s->menus == NULL || s->over)
        return;
    show(s);
    if (mp_finished(s->menus))
        leave(s, "bye");
    if (s->over || mp_waiting(s->menus) || !(s->asked || s->started) || send_on(s, false))
        return;
    s->started = false;
    if (!s->asked)
        return;
    failed = failed_since(s);
    s->asked = false;
    put(s, APP_RESULT, &failed, 1);
}

/* --- from the client --- */

static void refuse(struct session *s)
{
    leave(s, "error You are not authorized to use the console of this guest.");
}

/* "P NAME" or "p NUMBER". Whether a guest exists is told only to who may use it. */
static void choose_guest(struct session *s, const char *text)
{
    char why[300];
    uint64_t number = 0;
    bool by_name = strncmp(text, "P ", 2) == 0;
    if (!by_name &&
        (strncmp(text, "p ", 2) != 0 || text_parse_number(text + 2, 1, UINT32_MAX, &number) != 0)) {
        s->over = true;
        return;
    }
    struct state *state = state_open(false, why, sizeof why);
    struct entry *e = state != NULL ? state_find(state, by_name ? text + 2 : NULL, number) : NULL;
    if (e != NULL && e->guest != NULL)
        s->right = console_peer(e->guest, s->fd, geteuid(), s->who, sizeof s->who);
    if (s->right != CONSOLE_NONE) {
        g_strlcpy(s->name, e->name, sizeof s->name);
        g_strlcpy(s->uuid, e->uuid, sizeof s->uuid);
        g_autofree char *line = g_strdup_printf("hpvmconsole -P %s (%s)", s->name, s->who);
        state_log(state, NULL, line);
    }
    if (state != NULL)
        state_close(state);
}

static void hello(struct session *s, const char *text)
{
    g_auto(GStrv) word = g_strsplit(text, " ", 0);
    uint64_t attention, how;
    s->over = g_strv_length(word) != 6 || text_parse_number(word[1], 0, 255, &attention) != 0 ||
              text_parse_number(word[5], MP_START_MENU, MP_START_CONSOLE, &how) != 0;
    if (s->over)
        return;
    if (strcmp(word[0], KITTSON_VERSION) != 0) {
        leave(s, "error The command and the software the guest runs on are at different revision "
                 "levels.");
        return;
    }
    if (s->right == CONSOLE_NONE) {
        refuse(s);
        return;
    }
    const struct mp_config config = {.name = s->name,
                                     .role = s->right == CONSOLE_ADMIN ? MP_ADMIN : MP_OPERATOR,
                                     .attention = (uint8_t)attention,
                                     .quiet = word[2][0] == '1',
                                     .crlf = word[3][0] == '1',
                                     .scripted = word[4][0] == '1'};
    s->off = (struct off_guest){.name = s->name, .uuid = s->uuid, .viewer = s->who, .pipe = -1};
    s->off.admin = s->right == CONSOLE_ADMIN;
    s->off.seen = how == MP_START_CONSOLE;
    s->menus = s->off.menus = mp_new(&config, &off_guest_ops, &s->off);
    g_autofree char *welcome = g_strdup_printf("%s %s %s %s", KITTSON_VERSION,
                                               s->off.admin ? "admin" : "oper", s->name, s->uuid);
    put_text(s, APP_WELCOME, welcome);
    mp_start(s->menus, (enum mp_start)how);
    if (how == MP_START_SILENT || how == MP_START_CONSOLE)
        wait_until_off(s);
    send_on(s, false);
}

static void take(struct session *s, const struct app_frame *f)
{
    g_autofree char *text = g_strndup((const char *)f->data, f->length);
    if (f->type == APP_GUEST && s->menus == NULL && s->name[0] == '\0') {
        choose_guest(s, text);
    } else if (f->type == APP_HELLO && s->menus == NULL) {
        hello(s, text);
    } else if (s->menus == NULL || f->type == APP_GUEST || f->type == APP_HELLO) {
        s->over = true;
    } else if (f->type == APP_EOF) {
        mp_end_of_input(s->menus);
    } else if (!send_on(s, true) && f->type == APP_COMMAND) {
        s->asked = true;
        mp_command(s->menus, text);
    } else if (!s->over) {
        mp_input(s->menus, f->data, f->length);
    }
    settle(s);
}

static void read_client(struct session *s)
{
    struct app_frame f;
    uint8_t *at;
    int taken = 0;
    size_t room = app_frames_room(&s->frames, &at);
    ssize_t n = read(s->fd, at, room);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        s->over = true;
        return;
    }
    app_frames_filled(&s->frames, (size_t)n);
    while (!s->over && (taken = app_frames_take(&s->frames, "GHCDE", &f)) > 0)
        take(s, &f);
    s->over = s->over || taken < 0;
}

static void wait_for_events(struct session *s)
{
    struct pollfd fds[] = {{.fd = s->fd, .events = POLLIN}, {.fd = s->off.pipe, .events = POLLIN}};
    bool watched = s->menus != NULL && mp_in_console(s->menus);
    int count = poll(fds, 2, s->menus == NULL ? HELLO_MS : watched ? LOOK_MS : -1);
    if (count == 0 && s->menus == NULL)
        s->over = true;
    else if (count == 0)
        send_on(s, false);
    if (count > 0 && fds[1].revents != 0) {
        off_guest_read(&s->off);
        s->started = s->off.pipe < 0;
    }
    if (count > 0 && fds[0].revents != 0)
        read_client(s);
    settle(s);
}

int vmp_console_serve(void)
{
    struct session *s = g_new0(struct session, 1);
    const struct timeval patience = {.tv_sec = READ_SECONDS};
    s->fd = STDIN_FILENO;
    s->off.pipe = -1;
    signal(SIGPIPE, SIG_IGN);
    if (setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0)
        return vmp_fail("Option '--serve' needs a connection as standard input.");
    while (!s->over)
        wait_for_events(s);
    mp_free(s->menus);
    g_free(s);
    return 0;
}
