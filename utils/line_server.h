/* A server on a Unix socket for requests of one line, several clients at a time.
 *
 * The server begins with a greeting. A request is a line of at most LINE_SERVER_LINE bytes; its
 * answer any number of lines that begin with "+", and then "ok" or "error SENTENCE". What requests
 * mean is the handler's business. Never blocks; one thread owns a server.
 *
 * Clients are not trusted with memory or time: one that sends control characters, an endless line,
 * or takes none of its answer for LINE_SERVER_PATIENCE seconds is dropped, and its next request is
 * looked at once the answer before it is on its way.
 *
 * A client that sends "json" gets answers for programs from then on, one line each: {"ok":true,
 * "fields":{"NAME":"VALUE",...},"lines":["TEXT",...]} or {"ok":false,"error":"SENTENCE"}; between
 * answers events as they happen: {"event":"NAME",...}. "text" goes back.
 */
#ifndef KITTSON_UTILS_LINE_SERVER_H
#define KITTSON_UTILS_LINE_SERVER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define LINE_SERVER_CLIENTS  8
#define LINE_SERVER_MAX_FDS  (LINE_SERVER_CLIENTS + 1)
#define LINE_SERVER_LINE     4096
#define LINE_SERVER_ANSWER   (1u << 20) /* bytes; a longer answer becomes an error */
#define LINE_SERVER_PATIENCE 5

struct line_server;
struct line_answer;

/* Answers a request: line_answer() any number of times, then 0 for "ok", or a negative errno for
 * "error" with the sentence in why, without a full stop or line end. */
typedef int line_handler(void *opaque, const char *request, struct line_answer *to, char *why,
                         size_t size);
void line_answer(struct line_answer *to, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A line "NAME VALUE", a field for programs. */
void line_answer_field(struct line_answer *to, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* An answer for somebody who is not a client; the text of its lines, each with an end. */
struct line_answer *line_answer_new(void);
const char *line_answer_text(const struct line_answer *to);
void line_answer_free(struct line_answer *to);

/* The socket has mode 0600. greeting and path are copied. 0, or a negative errno with one sentence
 * in why that starts with the path. */
int line_server_open(const char *path, const char *greeting, line_handler *handler, void *opaque,
                     struct line_server **out, char *why, size_t size);
/* Gives pending answers a last chance, and removes the socket. NULL is fine. */
void line_server_close(struct line_server *s);

/* Everything that can be done without waiting. Handlers run inside. */
void line_server_poll(struct line_server *s);
/* Tells the clients that asked for JSON: members are those of an object behind its event's name, as
 * in "\"processor\":1", or "". NULL is fine. */
void line_server_event(struct line_server *s, const char *name, const char *members);
/* Whether there is anybody to tell. */
bool line_server_listeners(const struct line_server *s);
/* What to wait for before the next line_server_poll is worth while. Returns how many. */
unsigned line_server_poll_fds(const struct line_server *s, struct pollfd fds[LINE_SERVER_MAX_FDS]);

#endif
