/* See network.h. */
#include "network.h"
#include "archive.h"
#include "e1000.h"
#include "pcap.h"
#include "switch_port.h"
#include "tape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct nic {
    struct network *network;
    struct e1000 *adapter;
    struct switch_port *port; /* NULL: not plugged in */
    struct pcap *capture;     /* or NULL */
    struct net_end card, net;
};

struct network {
    const struct machine_config *config;
    void *opaque;
    uint64_t (*now_ns)(void *opaque);
    const uint64_t *round; /* of the run loop, for a tape */
    unsigned count;
    uint64_t poll_ns; /* spent in network_poll */
    struct nic nic[MACHINE_MAX_NICS];
};

/* --- addresses --- */

static uint64_t hash(uint64_t h, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * 0x100000001b3ull;
    return h;
}

static uint64_t hash_text(uint64_t h, const char *text)
{
    return text != NULL ? hash(h, text, strlen(text) + 1) : h;
}

static uint64_t hash_path(uint64_t h, const char *path)
{
    char *full = path != NULL ? realpath(path, NULL) : NULL;

    h = hash_text(h, full != NULL ? full : path);
    free(full);
    return h;
}

/* The file that changes belong to, which no other machine can use at the same time. */
static const char *own_disk(const struct machine_config *c)
{
    for (unsigned i = 0; i < c->drive_count; i++) {
        const struct machine_drive *d = &c->drives[i];
        if (!d->dvd && (d->overlay != NULL || !d->read_only))
            return d->overlay != NULL ? d->overlay : d->path;
    }
    return NULL;
}

/* What makes this machine this machine: its UUID; else the file of its variables, its first disk,
 * its serial number; else what it was started with. */
static uint64_t identity(const struct machine_config *c)
{
    static const uint8_t none[sizeof c->uuid];
    uint64_t h = 0xcbf29ce484222325ull;

    if (memcmp(c->uuid, none, sizeof none) != 0)
        return hash(h, c->uuid, sizeof c->uuid);
    if (c->nvram != NULL)
        return hash_path(h, c->nvram);
    if (own_disk(c) != NULL)
        return hash_path(h, own_disk(c));
    if (c->serial != NULL)
        return hash_text(h, c->serial);
    h = hash_path(hash_path(h, c->kernel), c->initrd);
    return hash_text(hash_text(h, c->append), c->console);
}

/* FNV-1a of the machine, the place and the number of the attempt. Locally administered, not a
 * group, as Integrity VM made them (its listings show f6-…, de-…, 7a-…). */
static void make_mac(const struct machine_config *c, const struct machine_nic *nic,
                     unsigned attempt, uint8_t mac[NET_MAC_SIZE])
{
    const uint8_t place[] = {'l', 'a', 'n', (uint8_t)nic->bus, (uint8_t)nic->slot};
    uint64_t h = hash(identity(c), place, sizeof place);

    for (unsigned i = 0; i < attempt; i++)
        h = hash(h, &place, 1);
    for (unsigned i = 0; i < NET_MAC_SIZE; i++)
        mac[i] = (uint8_t)(h >> 8 * i);
    mac[0] = (uint8_t)((mac[0] & ~1u) | 2u);
}

void network_make_mac(const struct machine_config *c, unsigned bus, unsigned slot,
                      uint8_t mac[NET_MAC_SIZE])
{
    const struct machine_nic nic = {.bus = bus, .slot = slot};

    make_mac(c, &nic, 0, mac);
}

struct mac_choice {
    const struct machine_config *config;
    const struct machine_nic *nic;
};

static void another_mac(void *opaque, uint8_t mac[NET_MAC_SIZE], unsigned n)
{
    const struct mac_choice *choice = opaque;

    make_mac(choice->config, choice->nic, n, mac);
}

/* --- the cable, with a capture in the middle when there is one --- */

static void card_to_net(void *opaque, const uint8_t *frame, size_t len)
{
    struct nic *n = opaque;

    if (n->capture != NULL)
        pcap_frame(n->capture, frame, len);
    net_send(&n->net, frame, len);
}

static void note(struct nic *n, enum trace_record kind, const void *data, size_t size)
{
    const struct network *w = n->network;

    tape_note_numbered(w->config->tape, kind, *w->round, (uint32_t)(n - w->nic), data, size);
}

static void net_to_card(void *opaque, const uint8_t *frame, size_t len)
{
    struct nic *n = opaque;

    note(n, TRACE_FRAME, frame, len);
    if (n->capture != NULL)
        pcap_frame(n->capture, frame, len);
    net_send(&n->card, frame, len);
}

static void link_to_card(void *opaque, bool up)
{
    struct nic *n = opaque;
    uint8_t byte = up;

    note(n, TRACE_LINK, &byte, 1);
    net_link(&n->card, up);
}

static bool card_ready(void *opaque)
{
    return net_ready(&((struct nic *)opaque)->card);
}

static void connect_cable(struct nic *n)
{
    struct net_end to_net = {.opaque = n, .frame = card_to_net};
    struct net_end to_card = {
        .opaque = n, .frame = net_to_card, .link = link_to_card, .ready = card_ready};

    n->card = e1000_end(n->adapter);
    e1000_connect(n->adapter, &to_net);
    if (n->port == NULL) {
        net_link(&n->card, false);
        return;
    }
    n->net = switch_port_end(n->port);
    switch_port_connect(n->port, &to_card);
}

/* --- replays --- */

/* A record that begins with an adapter's number. */
static struct nic *take(struct network *n, enum trace_record kind, struct trace_item *out)
{
    uint32_t number;

    if (!tape_take(n->config->tape, kind, *n->round, out) || out->size < sizeof number)
        return NULL;
    memcpy(&number, out->data, sizeof number);
    out->data += sizeof number;
    out->size -= sizeof number;
    return number < n->count ? &n->nic[number] : NULL;
}

/* What came from the network when the machine was recorded. Link and frames come in order. */
static void replay(struct network *n)
{
    struct trace_item then;
    struct nic *to;

    for (;;) {
        if ((to = take(n, TRACE_LINK, &then)) != NULL && then.size == 1)
            link_to_card(to, then.data[0] != 0);
        else if ((to = take(n, TRACE_FRAME, &then)) != NULL)
            net_to_card(to, then.data, then.size);
        else
            return;
    }
}

/* --- set-up --- */

/* The address of an adapter without a network: the recorded one. */
static int unplugged(struct network *n, const struct machine_nic *c, uint8_t mac[NET_MAC_SIZE])
{
    struct trace_item then;

    if (take(n, TRACE_PLUG, &then) != NULL && then.size == NET_MAC_SIZE)
        memcpy(mac, then.data, NET_MAC_SIZE);
    else if (c->has_mac)
        memcpy(mac, c->mac, NET_MAC_SIZE);
    else
        make_mac(n->config, c, 0, mac);
    return 0;
}

static int open_port(const struct machine_config *config, const struct machine_nic *c,
                     struct nic *n, char *why, size_t size)
{
    struct mac_choice choice = {config, c};
    struct switch_port_config port = {.name = c->switch_name,
                                      .uplink = c->uplink,
                                      .port = c->port,
                                      .vlan = c->vlan,
                                      .guest = c->guest,
                                      .another_mac = c->has_mac ? NULL : another_mac,
                                      .opaque = &choice};

    if (c->has_mac)
        memcpy(port.mac, c->mac, sizeof port.mac);
    else
        make_mac(config, c, 0, port.mac);
    return switch_port_new(&port, &n->port, why, size);
}

static int add_nic(struct network *n, struct pci *pci, char *why, size_t size)
{
    const struct machine_nic *c = &n->config->nics[n->count];
    struct nic *nic = &n->nic[n->count++];
    struct e1000_config config = {
        .pci = pci, .bus = c->bus, .device = c->slot, .opaque = n->opaque, .now_ns = n->now_ns};
    int err = 0;

    if (c->pcap != NULL) {
        nic->capture = pcap_create(c->pcap, &err);
        if (nic->capture == NULL) {
            snprintf(why, size, "--net pcap=%s: %s", c->pcap, strerror(-err));
            return err;
        }
    }
    nic->network = n;
    if (c->switch_name == NULL && c->uplink == NULL)
        err = unplugged(n, c, config.mac);
    else
        err = open_port(n->config, c, nic, why, size);
    if (err != 0)
        return err;
    if (nic->port != NULL)
        memcpy(config.mac, switch_port_mac(nic->port), sizeof config.mac);
    note(nic, TRACE_PLUG, config.mac, sizeof config.mac);
    nic->adapter = e1000_new(&config, &err);
    if (nic->adapter == NULL) {
        snprintf(why, size, "the network adapter %u,%u cannot be made: %s", c->bus, c->slot,
                 err == -EEXIST ? "there is a device already" : strerror(-err));
        return err;
    }
    connect_cable(nic);
    replay(n);
    return 0;
}

int network_new(const struct machine_config *config, struct pci *pci, void *opaque,
                uint64_t (*now_ns)(void *opaque), const uint64_t *round, struct network **out,
                char *why, size_t size)
{
    struct network *n = calloc(1, sizeof *n);
    int err = 0;

    *out = n;
    if (n == NULL)
        return -ENOMEM;
    n->config = config;
    n->opaque = opaque;
    n->now_ns = now_ns;
    n->round = round;
    if (config->nic_count > MACHINE_MAX_NICS)
        return -EINVAL;
    for (unsigned i = 0; i < config->nic_count && err == 0; i++)
        err = add_nic(n, pci, why, size);
    return err;
}

void network_free(struct network *n)
{
    if (n == NULL)
        return;
    for (unsigned i = 0; i < n->count; i++) {
        if (n->nic[i].port != NULL)
            switch_port_free(n->nic[i].port);
        e1000_free(n->nic[i].adapter);
        pcap_close(n->nic[i].capture);
    }
    free(n);
}

static uint64_t cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void network_poll(struct network *n)
{
    uint64_t before = n->count > 0 ? cpu_ns() : 0;

    for (unsigned i = 0; i < n->count; i++) {
        e1000_poll(n->nic[i].adapter); /* first: what it sends goes out at once */
        if (n->nic[i].port != NULL)
            switch_port_poll(n->nic[i].port);
        if (n->nic[i].capture != NULL)
            pcap_flush(n->nic[i].capture);
    }
    replay(n);
    if (n->count > 0)
        n->poll_ns += cpu_ns() - before;
}

/* The host's time is not that of a deterministic machine. */
static uint64_t port_due_ns(const struct network *n, unsigned i)
{
    const struct switch_port *p = n->nic[i].port;

    return p == NULL || n->config->deterministic ? UINT64_MAX : switch_port_due_ns(p);
}

uint64_t network_due_ns(struct network *n)
{
    uint64_t least = UINT64_MAX, now = n->now_ns(n->opaque);

    for (unsigned i = 0; i < n->count; i++) {
        uint64_t at = e1000_due_ns(n->nic[i].adapter), port = port_due_ns(n, i);
        uint64_t due = at == UINT64_MAX ? UINT64_MAX : at > now ? at - now : 0;
        due = port < due ? port : due;
        least = due < least ? due : least;
    }
    return least;
}

unsigned network_poll_fds(struct network *n, struct pollfd *fds, unsigned max)
{
    unsigned count = 0;

    for (unsigned i = 0; i < n->count && count < max; i++)
        count += n->nic[i].port != NULL && switch_port_fd(n->nic[i].port, &fds[count]);
    return count;
}

void network_print_stats(const struct network *n, FILE *out)
{
    uint64_t ns = n->poll_ns;

    for (unsigned i = 0; i < n->count; i++) {
        struct e1000_figures f = e1000_figures(n->nic[i].adapter);
        fprintf(out,
                "network adapter %u,%u: %" PRIu64 " frames (%" PRIu64 " bytes) sent, %" PRIu64
                " (%" PRIu64 ") received, %" PRIu64 " missed\n",
                n->config->nics[i].bus, n->config->nics[i].slot, f.frames_sent, f.bytes_sent,
                f.frames_received, f.bytes_received, f.missed);
        if (n->nic[i].port != NULL)
            switch_port_print_stats(n->nic[i].port, out);
        ns += f.ns;
    }
    if (n->count > 0)
        fprintf(out, "network adapters: %.3f s\n", (double)ns / 1e9);
}

void network_state(struct network *n, struct archive *a)
{
    for (unsigned i = 0; i < n->count; i++)
        e1000_state(n->nic[i].adapter, a);
}
