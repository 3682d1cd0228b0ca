/* `kittson monitor`: sends commands to the monitor of a running machine and prints the answers. */
#include "cli.h"
#include "line_server.h"
#include "log.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define GREETING  "kittson monitor "
#define PATIENCE  60 /* seconds for an answer */
#define READ_SIZE 65536

struct link {
    int fd;
    GString *in;
};

static int open_link(struct link *l, const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path)
        return -ENAMETOOLONG;
    strcpy(a.sun_path, path);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return -errno;
    return connect(l->fd, (const struct sockaddr *)&a, sizeof a) == 0 ? 0 : -errno;
}

/* The next line, without its end, to be freed; NULL with an errno in *err. */
static char *read_line(struct link *l, int *err)
{
    for (;;) {
        char *end = memchr(l->in->str, '\n', l->in->len);
        if (end != NULL) {
            char *line = g_strndup(l->in->str, (gsize)(end - l->in->str));
            g_string_erase(l->in, 0, end + 1 - l->in->str);
            return line;
        }
        char buffer[READ_SIZE];
        struct pollfd p = {.fd = l->fd, .events = POLLIN};
        int ready = l->in->len > LINE_SERVER_ANSWER ? 0 : poll(&p, 1, PATIENCE * 1000);
        ssize_t n = ready > 0 ? read(l->fd, buffer, sizeof buffer) : -1;
        if (n > 0) {
            g_string_append_len(l->in, buffer, n);
            continue;
        }
        if (ready < 0 && errno == EINTR)
            continue;
        *err = ready == 0 ? -ETIMEDOUT : n == 0 ? -ECONNRESET : -errno;
        return NULL;
    }
}

static int greeting(struct link *l)
{
    int err = 0;
    g_autofree char *line = read_line(l, &err);
    if (line == NULL)
        return err;
    if (g_str_has_prefix(line, GREETING))
        return 0;
    if (!g_str_has_prefix(line, "error "))
        return -EPROTO;
    log_error("%s", line + 6);
    return -EBUSY;
}

/* One command: its answer on standard output. 0, 1 when it was "error", or a negative errno. */
static int ask(struct link *l, const char *command)
{
    g_autofree char *text = g_strdup_printf("%s\n", command);
    int err = 0;
    if (send(l->fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        return -ECONNRESET;
    for (;;) {
        g_autofree char *line = read_line(l, &err);
        if (line == NULL)
            return err;
        if (strcmp(line, "ok") == 0)
            return 0;
        if (g_str_has_prefix(line, "error ")) {
            log_error("%s", line + 6);
            return 1;
        }
        if (line[0] != '+')
            return -EPROTO;
        printf("%s\n", line + 1);
    }
}

/* For programs: the answer as it comes, after events that come before it. */
static int ask_json(struct link *l, const char *command, bool show)
{
    g_autofree char *text = g_strdup_printf("%s\n", command);
    int err = 0;
    if (send(l->fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        return -ECONNRESET;
    for (;;) {
        g_autofree char *line = read_line(l, &err);
        if (line == NULL)
            return err;
        if (show)
            printf("%s\n", line);
        if (g_str_has_prefix(line, "{\"ok\":"))
            return g_str_has_prefix(line, "{\"ok\":true") ? 0 : 1;
    }
}

/* Both directions as they come, to the end of standard input or of the machine. */
static int relay(struct link *l)
{
    char buffer[READ_SIZE];
    struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = l->fd, .events = POLLIN}};
    for (;;) {
        if (l->in->len > 0) { /* what came with the first answer, and since */
            fwrite(l->in->str, 1, l->in->len, stdout);
            fflush(stdout);
            g_string_truncate(l->in, 0);
        }
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return -errno;
        ssize_t n = p[1].revents ? read(l->fd, buffer, sizeof buffer) : 0;
        if (p[1].revents && n <= 0)
            return 0;
        g_string_append_len(l->in, buffer, n);
        n = p[0].revents ? read(STDIN_FILENO, buffer, sizeof buffer) : 0;
        if (n > 0 && send(l->fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
            return -ECONNRESET;
        if (p[0].revents && n <= 0) /* further events are wanted all the same */
            p[0].fd = -1;
    }
}

/* Commands from standard input, to its end. Errors of some do not keep others from being asked. */
static int ask_all(struct link *l)
{
    bool prompt = isatty(STDIN_FILENO) != 0;
    char line[LINE_SERVER_LINE];
    int worst = 0;
    for (;;) {
        if (prompt) {
            printf("monitor> ");
            fflush(stdout);
        }
        if (fgets(line, sizeof line, stdin) == NULL)
            return worst;
        g_strchomp(line);
        int err = line[0] != '\0' ? ask(l, line) : 0;
        fflush(stdout);
        if (err < 0)
            return err;
        worst = err > 0 ? err : worst;
    }
}

static int converse(struct link *l, bool json, int argc, char **argv)
{
    int err = greeting(l);
    if (err == 0 && json)
        err = ask_json(l, "json", false);
    if (err != 0)
        return err;
    if (argc == 0 && json)
        return relay(l);
    if (argc == 0)
        return ask_all(l);
    g_autofree char *command = g_strjoinv(" ", argv); /* argv ends in NULL */
    if (strpbrk(command, "\n\r") == NULL && strlen(command) < LINE_SERVER_LINE)
        return json ? ask_json(l, command, true) : ask(l, command);
    log_error("the command is too long, or more than a line");
    return -EBUSY;
}

int cmd_monitor(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    if (json) {
        argc--;
        argv++;
    }
    if (argc < 2 || strncmp(argv[1], "unix:", 5) != 0 || argv[1][5] == '\0') {
        log_error("usage: kittson monitor [--json] unix:PATH [COMMAND...]");
        return CLI_USAGE;
    }
    struct link l = {.fd = -1, .in = g_string_new(NULL)};
    int err = open_link(&l, argv[1] + 5);
    if (err == 0)
        err = converse(&l, json, argc - 2, argv + 2);
    if (err < 0 && err != -EBUSY) /* those have been told */
        log_error("%s: %s", argv[1], strerror(-err));
    if (l.fd >= 0)
        close(l.fd);
    g_string_free(l.in, TRUE);
    return err == 0 ? CLI_OK : err > 0 ? CLI_FAILED : CLI_USAGE;
}
