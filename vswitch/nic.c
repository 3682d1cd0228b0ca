/* An interface of the host as uplink, by a packet socket: the host goes on using it, the switch
 * gets and sends frames beside. What the host itself sends is not for the switch, and what the
 * switch sends does not reach the host: for that there are bridges. */
#define _GNU_SOURCE
#include "daemon.h"
#include "joined.h"
#include "log.h"
#include "netdev.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUND     64 /* frames before others have their turn */
#define FRAME_MAX (1u << 17)
#define TAG_SIZE  4
#define LOOK_S    1 /* between looks at an interface: that it went after it was down nobody says */

struct nic {
    int fd;
    guint source, look;
    struct daemon *daemon;
    unsigned tag; /* of the frame under way: protocol and VLAN, 0 none */
};

static uint8_t received[FRAME_MAX]; /* one thread, one uplink */

static bool send_frame(void *opaque, const uint8_t *frame, size_t len)
{
    const struct nic *n = opaque;
    struct virtio_net_hdr none = {0};
    struct iovec parts[] = {{&none, sizeof none}, {(void *)(uintptr_t)frame, len}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent;

    do
        sent = sendmsg(n->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

/* The host has taken the tag out. */
static void take_frame(void *opaque, const uint8_t *frame, size_t len)
{
    const struct nic *n = opaque;
    uint8_t tagged[VSWITCH_FRAME_MAX + TAG_SIZE];

    if (n->tag == 0 || len < NET_HEADER || len + TAG_SIZE > sizeof tagged) {
        vswitch_input(n->daemon->sw, VSWITCH_UPLINK, frame, len);
        return;
    }
    memcpy(tagged, frame, 12);
    net_put16(tagged + 12, n->tag >> 16);
    net_put16(tagged + 14, n->tag & 0xffff);
    memcpy(tagged + 16, frame + 12, len - 12);
    vswitch_input(n->daemon->sw, VSWITCH_UPLINK, tagged, len + TAG_SIZE);
}

static unsigned find_tag(struct msghdr *m)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    struct tpacket_auxdata a;

    if (c == NULL || c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
        return 0;
    memcpy(&a, CMSG_DATA(c), sizeof a);
    if (!(a.tp_status & TP_STATUS_VLAN_VALID))
        return 0;
    unsigned protocol = a.tp_status & TP_STATUS_VLAN_TPID_VALID ? a.tp_vlan_tpid : ETH_P_8021Q;
    return protocol << 16 | a.tp_vlan_tci;
}

/* 1, 0 when there was none, or a negative errno. */
static int receive(struct nic *n)
{
    char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    struct virtio_net_hdr h;
    struct sockaddr_ll from = {0};
    struct iovec parts[] = {{&h, sizeof h}, {received, sizeof received}};
    struct msghdr m = {.msg_name = &from,
                       .msg_namelen = sizeof from,
                       .msg_iov = parts,
                       .msg_iovlen = 2,
                       .msg_control = control,
                       .msg_controllen = sizeof control};
    ssize_t len = recvmsg(n->fd, &m, MSG_DONTWAIT);

    if (len < 0)
        return errno == EAGAIN ? 0 : -errno;
    if (from.sll_pkttype == PACKET_OUTGOING)
        return 1;
    n->tag = find_tag(&m);
    if ((size_t)len < sizeof h || (m.msg_flags & MSG_TRUNC) ||
        !joined_split(&h, received, (size_t)len - sizeof h, take_frame, n))
        vswitch_count_drop(n->daemon->sw, VSWITCH_UPLINK, DROP_MALFORMED);
    return 1;
}

static bool is_gone(const struct nic *n)
{
    struct sockaddr_ll own;
    socklen_t size = sizeof own;

    return getsockname(n->fd, (struct sockaddr *)&own, &size) != 0 || own.sll_ifindex <= 0;
}

static gboolean look(gpointer opaque)
{
    struct nic *n = opaque;

    if (!is_gone(n))
        return G_SOURCE_CONTINUE;
    log_error("the uplink's interface is gone");
    g_source_remove(n->source);
    n->source = n->look = 0;
    return G_SOURCE_REMOVE;
}

/* Errors say that the interface was set down, or that a frame could not be described. */
static gboolean on_frames(gint fd, GIOCondition condition, gpointer opaque)
{
    int got = 1;

    (void)fd;
    (void)condition;
    for (unsigned i = 0; i < ROUND && got != 0; i++)
        got = receive(opaque);
    return G_SOURCE_CONTINUE;
}

/* Protocol 0: nothing comes before it is all set. */
static int open_socket(unsigned index)
{
    const int on = 1;
    struct packet_mreq all = {.mr_ifindex = (int)index, .mr_type = PACKET_MR_PROMISC};
    struct sockaddr_ll own = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)index};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) == 0 &&
        setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) == 0 &&
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) == 0 &&
        bind(fd, (struct sockaddr *)&own, sizeof own) == 0)
        return fd;
    int err = -errno;
    close(fd);
    return err;
}

int nic_open(struct daemon *d, const char *name, char *why, size_t size)
{
    unsigned index = if_nametoindex(name);
    int fd = index == 0 ? -ENODEV : open_socket(index);

    if (fd < 0) {
        snprintf(why, size, "nic:%s: the interface cannot be opened: %s", name, strerror(-fd));
        return fd;
    }
    uplink_set_up(name);
    struct nic *n = g_new0(struct nic, 1);
    *n = (struct nic){.fd = fd, .daemon = d};
    n->source = g_unix_fd_add(fd, G_IO_IN, on_frames, n);
    n->look = g_timeout_add_seconds(LOOK_S, look, n);
    d->nic = n;
    struct vswitch_end end = {.opaque = n, .frame = send_frame};
    vswitch_set_uplink(d->sw, &end, true);
    return 0;
}

void nic_close(struct daemon *d)
{
    if (d->nic == NULL)
        return;
    if (d->nic->source != 0) {
        g_source_remove(d->nic->source);
        g_source_remove(d->nic->look);
    }
    close(d->nic->fd);
    g_free(d->nic);
}
