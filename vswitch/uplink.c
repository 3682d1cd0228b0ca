/* What a switch's uplink is: nothing, a user network, a TAP interface or (nic.c) another interface
 * of the host. */
#define _GNU_SOURCE
#include "broker.h"
#include "daemon.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUND 64 /* frames from a TAP interface before others have their turn */

struct tap {
    int fd;
    guint source;
    struct daemon *daemon;
};

/* --- user network --- */

static bool to_user(void *opaque, const uint8_t *frame, size_t len)
{
    usernet_input(opaque, frame, len);
    return true;
}

static void from_user(void *opaque, const uint8_t *frame, size_t len)
{
    struct daemon *d = opaque;

    vswitch_input(d->sw, VSWITCH_UPLINK, frame, len);
}

static int open_user(struct daemon *d, const char *spec, char *why, size_t size)
{
    struct user_options *o = g_new(struct user_options, 1);
    const char *version;
    int err = user_parse(o, spec, why, size);

    if (err == 0)
        err = usernet_new(o, o->tftp[0] != '\0' ? BROKER_TFTP : NULL, &d->user, why, size);
    g_free(o);
    if (err != 0)
        return err;
    struct net_end peer = {.opaque = d, .frame = from_user};
    struct vswitch_end end = {.opaque = d->user, .frame = to_user};
    usernet_connect(d->user, &peer);
    vswitch_set_uplink(d->sw, &end, false);
    if (usernet_outdated(&version))
        log_warn("libslirp %s: " USERNET_WANTED " or later is wanted (CVE-2026-9539); it runs "
                 "confined",
                 version);
    return 0;
}

/* --- TAP --- */

static bool to_tap(void *opaque, const uint8_t *frame, size_t len)
{
    const struct tap *t = opaque;
    ssize_t n;

    do
        n = write(t->fd, frame, len);
    while (n < 0 && errno == EINTR);
    return n >= 0;
}

static gboolean on_tap(gint fd, GIOCondition condition, gpointer opaque)
{
    struct tap *t = opaque;
    uint8_t frame[VSWITCH_FRAME_MAX + 64];

    if (condition & (G_IO_ERR | G_IO_NVAL)) {
        log_error("the uplink's interface is gone");
        t->source = 0;
        return G_SOURCE_REMOVE;
    }
    for (unsigned i = 0; i < ROUND; i++) {
        ssize_t n = read(fd, frame, sizeof frame);
        if (n <= 0)
            break;
        vswitch_input(t->daemon->sw, VSWITCH_UPLINK, frame, (size_t)n);
    }
    return G_SOURCE_CONTINUE;
}

/* An interface that is down carries nothing; not being allowed to set it up is no error: its owner
 * may have done so. */
void uplink_set_up(const char *name)
{
    struct ifreq r = {0};
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_strlcpy(r.ifr_name, name, sizeof r.ifr_name);
    if (s < 0)
        return;
    if (ioctl(s, SIOCGIFFLAGS, &r) == 0 && !(r.ifr_flags & IFF_UP)) {
        r.ifr_flags |= IFF_UP;
        if (ioctl(s, SIOCSIFFLAGS, &r) != 0)
            log_warn("uplink %s: the interface is down and cannot be set up: %s", name,
                     strerror(errno));
    }
    close(s);
}

static int open_tap(struct daemon *d, const char *name, char *why, size_t size)
{
    struct ifreq r = {0};
    int fd;

    if (name[0] == '\0' || strlen(name) >= sizeof r.ifr_name) {
        snprintf(why, size, "tap:%s: give the name of an interface, 1 to 15 characters", name);
        return -EINVAL;
    }
    strcpy(r.ifr_name, name);
    r.ifr_flags = IFF_TAP | IFF_NO_PI;
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &r) != 0) {
        int err = -errno;
        snprintf(why, size, "tap:%s: the interface cannot be opened: %s", name, strerror(-err));
        if (fd >= 0)
            close(fd);
        return err;
    }
    uplink_set_up(r.ifr_name);
    struct tap *t = g_new0(struct tap, 1);
    *t = (struct tap){.fd = fd, .daemon = d};
    t->source = g_unix_fd_add(fd, G_IO_IN, on_tap, t);
    d->tap = t;
    struct vswitch_end end = {.opaque = t, .frame = to_tap};
    vswitch_set_uplink(d->sw, &end, true);
    return 0;
}

int uplink_open(struct daemon *d, const char *spec, char *why, size_t size)
{
    g_strlcpy(d->uplink, spec, sizeof d->uplink);
    if (strcmp(spec, "none") == 0)
        return 0;
    if (strncmp(spec, "tap:", 4) == 0)
        return open_tap(d, spec + 4, why, size);
    if (strncmp(spec, "nic:", 4) == 0)
        return nic_open(d, spec + 4, why, size);
    if (strncmp(spec, "user", 4) == 0)
        return open_user(d, spec, why, size);
    snprintf(why, size, "--uplink %s: give none, user[,...], tap:INTERFACE or nic:INTERFACE", spec);
    return -EINVAL;
}

void uplink_close(struct daemon *d)
{
    usernet_free(d->user);
    nic_close(d);
    if (d->tap == NULL)
        return;
    if (d->tap->source != 0)
        g_source_remove(d->tap->source);
    close(d->tap->fd);
    g_free(d->tap);
}
