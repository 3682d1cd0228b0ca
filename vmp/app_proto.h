/* Between the hpvm commands and hpvmapp, the process of a running guest: where its sockets are and
 * what is said on them. Both sides use these functions; neither the menus (mp.h) nor what requests
 * do is here.
 *
 * Sockets. The runtime directory is $HPVM_RUNTIME, else /run/kittson for root,
 * $XDG_RUNTIME_DIR/kittson or /tmp/kittson-UID for others (mode 0711, its owner is checked).
 *
 *   broker/console mode 0666: consoles of guests that are off, where the system listens there
 *                  (dist/hpvm-console.socket)
 *   UUID/control   mode 0600: requests of the commands, one line each
 *   UUID/console   mode 0666: consoles, authorised by the peer's credentials
 *   name/NAME      link to ../UUID, so that users who may not read the state find their guest;
 *   number/N       the same by number
 *
 * They exist while the guest runs; a guest that is off has none (ENOENT), one whose process died
 * may have left them (ECONNREFUSED). The truth about running is the lock of state.h.
 *
 * Control. The server begins with "hpvmapp VERSION\n", which a client compares with its own
 * (a difference is the error of different software revisions). A request is one line of at most
 * APP_LINE_MAX bytes, the answer any number of lines that begin with "+" and then "ok\n" or
 * "error SENTENCE\n". Requests: see app_request.
 *
 * Console. Frames of four bytes, type, 0 and a little-endian length of at most APP_FRAME_MAX, and
 * the data. Who sends anything else, or does not read what is sent, is dropped.
 *
 *   client  G  to the broker only, before all else: the guest, "P NAME" or "p NUMBER"
 *           H  hello, first of all: "VERSION attention quiet crlf scripted start", the attention
 *              character as a number (2 is Ctrl-B), the next 0 or 1, as in struct mp_config, start
 *              from enum mp_start
 *           C  a vMP command (hpvmconsole -c), answered by R after its output; an empty one does
 *              nothing but be answered when all before it is done
 *           D  what was typed
 *           E  no more input; the server goes on sending
 *   server  W  welcome: "VERSION admin NAME" or "VERSION oper NAME"; the broker adds " UUID"
 *           D  what is to be shown
 *           R  one byte: 0, or 1 when something failed since the last R
 *           X  the end: "bye" (the user left), "off menu" or "off console" (the guest and its
 *              process went away: the client goes on by itself, by the broker, or leaves), "on
 * PLACE FAILED AGAIN UUID" (the broker's: the guest is on, the client goes on at its process; PLACE
 * is start, menu or console, the others as 0 or 1: a command failed, the last one was not looked
 * at), "error SENTENCE"
 *
 * The menu engine of a running guest runs in hpvmapp, one for each client: the client is a
 * terminal. That of a guest that is off runs in hpvmconsole; its power-on starts hpvmapp
 * (app_start) and then connects as above.
 */
#ifndef KITTSON_VMP_APP_PROTO_H
#define KITTSON_VMP_APP_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    APP_LINE_MAX = 4096,
    APP_FRAME_MAX = 4096,
    APP_PATH_MAX = 108, /* of a socket */
};

enum app_frame_type {
    APP_GUEST = 'G',
    APP_HELLO = 'H',
    APP_COMMAND = 'C',
    APP_DATA = 'D',
    APP_EOF = 'E',
    APP_WELCOME = 'W',
    APP_RESULT = 'R',
    APP_END = 'X',
};

#define APP_BROKER "broker" /* in place of a UUID */

/* A socket's path, by UUID; what is "control" or "console". 0, -ENAMETOOLONG or why
 * there is no such directory. */
int app_socket_path(const char *uuid, const char *what, char path[APP_PATH_MAX]);
/* The UUID behind a guest's name, or with NULL its number, by the links of the runtime directory.
 * 0 or a negative errno. */
int app_find(const char *name, uint64_t number, char uuid[37]);

/* For the guest's process: its directory with a listening socket (mode as given), the links to it,
 * and their end. A descriptor or 0, or a negative errno with a sentence in why. app_publish also
 * renames. */
int app_listen(const char *uuid, const char *what, unsigned mode, char *why, size_t size);
int app_publish(const char *uuid, const char *name, uint64_t number, char *why, size_t size);
void app_withdraw(const char *uuid);

/* Connects to a guest's socket. A descriptor (close-on-exec, blocking), or a negative errno. */
int app_connect(const char *uuid, const char *what);

/* One request on the control socket. Every "+" line of the answer goes to each, which may be NULL.
 * 0, or a negative errno with a sentence in why (-EPROTO: the guest's process is of another
 * revision; -EREMOTEIO: it answered "error"). Requests:
 *
 *   status                 + state, + pid, + clients ...: "key value"
 *   usage                  + totals and one line per virtual processor, see app_usage
 *   button                 presses the power button
 *   stop                   the power button, hard after the time-out of hpvmconf (STOPTIMEOUT)
 *   kill                   ends the machine at once, as a power failure would
 *   reset                  resets the machine (vMP RS)
 *   eject B,S,T [force]    takes the disc out
 *   insert B,S,T PATH      puts one in
 *   attach RESOURCE        a new disk or drive on an adapter that is there; its storage comes as a
 *                          descriptor with the request (app_request_fd), also for replace
 *   detach RESOURCE        takes it away
 *   replace RESOURCE       gives it another backing store
 *   rename NAME            the guest has another name now
 *   reload                 the configuration in force has been changed
 *   wait                   answers when the machine has ended, by closing
 */
typedef void app_line(void *opaque, const char *line);
int app_request_fd(const char *uuid, const char *request, int fd, app_line *each, void *opaque,
                   char *why, size_t size);
int app_request(const char *uuid, const char *request, app_line *each, void *opaque, char *why,
                size_t size);

/* Starts hpvmapp for the configuration "vmm_config.current" at path; its report goes to out (a
 * descriptor). lock is the guest's, held (state_lock_run); it passes to the process. 0 once the
 * guest runs in the background, or a negative errno after hpvmapp said why on standard error. */
int app_start(const char *path, int lock, int out);

/* Frames. app_frame_put makes one in out (APP_FRAME_MAX + 4 bytes) and returns its size. */
size_t app_frame_put(uint8_t *out, enum app_frame_type type, const void *data, size_t length);

struct app_frames {
    uint8_t buffer[APP_FRAME_MAX + 4], taken[APP_FRAME_MAX];
    size_t used;
};
struct app_frame {
    enum app_frame_type type;
    const uint8_t *data; /* in the struct, until the next call */
    size_t length;
};
/* Room to read into; app_frames_take then takes frames out one by one: 1, 0 (none complete), or
 * -EPROTO, after which nothing good comes any more. types: the letters that are allowed. */
size_t app_frames_room(struct app_frames *f, uint8_t **at);
void app_frames_filled(struct app_frames *f, size_t n);
int app_frames_take(struct app_frames *f, const char *types, struct app_frame *out);

#endif
