/* The host's end of a serial console: terminal, Unix socket, connected socket or file.
 *
 * Moves bytes and never blocks for long; knows neither UART nor guest. The terminal is in raw mode
 * while a console on it is open, and is given back however the process ends (SIGKILL excepted).
 * Not thread-safe: one thread owns a console.
 */
#ifndef KITTSON_BUS_CONSOLE_H
#define KITTSON_BUS_CONSOLE_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_MAX_FDS 2

struct console;

/* Who takes the input. Any may be NULL. */
struct console_handlers {
    void *opaque;
    unsigned (*room)(void *opaque); /* bytes it would take now */
    void (*input)(void *opaque, uint8_t byte);
    void (*quit)(void *opaque); /* Ctrl-B X on stdio */
};

/* spec: "stdio"; "unix:PATH", a listening socket of mode 0600 with one client at a time;
 * "file:PATH", output only; or
 * "fd:N", a connected socket, which becomes the console's. 0, or a negative errno with one sentence
 * in why. */
int console_open(const char *spec, struct console **out, char *why, size_t why_size);
void console_set_handlers(struct console *c, const struct console_handlers *h);
/* Writes what is left (waiting at most a moment), restores the terminal, removes the socket. */
void console_close(struct console *c);

/* Output is kept until the next flush or poll. When nobody takes it the oldest bytes are dropped:
 * on a socket at once, so that a client that connects later gets the newest output; elsewhere
 * after waiting a second. */
void console_put(struct console *c, uint8_t byte);
void console_flush(struct console *c);
/* Bytes of output dropped so far. */
uint64_t console_dropped(const struct console *c);

/* Saves or restores input that the guest has not taken yet (utils/archive.h). Version 1. */
struct archive;
void console_state(struct console *c, struct archive *s);

/* Everything that can be done without waiting: output, clients, input as far as there is room. */
void console_poll(struct console *c);
/* What to wait for before the next console_poll is worth while. Returns how many were filled. */
unsigned console_poll_fds(const struct console *c, struct pollfd fds[CONSOLE_MAX_FDS]);

#endif
