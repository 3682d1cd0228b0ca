/* What connects to the switch's sockets, as many at a time as each has room for. */
#define _GNU_SOURCE /* accept4 */
#include "daemon.h"

#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

struct listener {
    struct daemon *daemon;
    const unsigned *count;
    unsigned max;
    daemon_add *add;
};

static gboolean on_connection(gint fd, GIOCondition condition, gpointer opaque)
{
    const struct listener *l = opaque;
    int connected = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)condition;
    if (connected < 0)
        return G_SOURCE_CONTINUE;
    if (*l->count >= l->max)
        close(connected);
    else
        l->add(l->daemon, connected);
    return G_SOURCE_CONTINUE;
}

void daemon_accept(struct daemon *d, int fd, const unsigned *count, unsigned max, daemon_add *add)
{
    struct listener *l = g_new(struct listener, 1);

    *l = (struct listener){d, count, max, add};
    g_unix_fd_add_full(G_PRIORITY_DEFAULT, fd, G_IO_IN, on_connection, l, g_free);
}
