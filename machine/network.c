/* See network.h. */
#include "network.h"
#include "e1000.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct network {
    const struct machine_config *config;
    void *opaque;
    uint64_t (*now_ns)(void *opaque);
    unsigned count;
    struct {
        struct e1000 *adapter;
        struct usernet *user;
    } nic[MACHINE_MAX_NICS];
};

/* FNV-1a of the machine and the place. Locally administered, not a group, as Integrity VM made
 * them (its listings show f6-…, de-…, 7a-…). */
void network_make_mac(const struct machine_config *c, unsigned bus, unsigned slot,
                      uint8_t mac[NET_MAC_SIZE])
{
    const uint8_t place[] = {'l', 'a', 'n', (uint8_t)bus, (uint8_t)slot};
    uint64_t h = 0xcbf29ce484222325ull;

    for (size_t i = 0; i < sizeof c->uuid; i++)
        h = (h ^ c->uuid[i]) * 0x100000001b3ull;
    for (size_t i = 0; i < sizeof place; i++)
        h = (h ^ place[i]) * 0x100000001b3ull;
    for (unsigned i = 0; i < NET_MAC_SIZE; i++)
        mac[i] = (uint8_t)(h >> 8 * i);
    mac[0] = (uint8_t)((mac[0] & ~1u) | 2u);
}

static int add_nic(struct network *n, struct pci *pci, char *why, size_t size)
{
    const struct machine_nic *c = &n->config->nics[n->count];
    struct e1000_config config = {
        .pci = pci, .bus = c->bus, .device = c->slot, .opaque = n->opaque, .now_ns = n->now_ns};
    struct usernet_config network = {.forwards = c->forwards,
                                     .forward_count = c->forward_count,
                                     .tftp = c->tftp,
                                     .bootfile = c->bootfile};
    struct usernet *user;
    int err = usernet_new(&network, &user, why, size);

    if (err != 0)
        return err;
    if (c->has_mac)
        memcpy(config.mac, c->mac, sizeof config.mac);
    else
        network_make_mac(n->config, c->bus, c->slot, config.mac);
    struct e1000 *adapter = e1000_new(&config, &err);
    if (adapter == NULL) {
        snprintf(why, size, "the network adapter %u,%u cannot be made: %s", c->bus, c->slot,
                 err == -EEXIST ? "there is a device already" : strerror(-err));
        usernet_free(user);
        return err;
    }
    struct net_end card = e1000_end(adapter), net = usernet_end(user);
    usernet_connect(user, &card);
    e1000_connect(adapter, &net);
    n->nic[n->count].adapter = adapter;
    n->nic[n->count].user = user;
    n->count++;
    return 0;
}

int network_new(const struct machine_config *config, struct pci *pci, void *opaque,
                uint64_t (*now_ns)(void *opaque), struct network **out, char *why, size_t size)
{
    struct network *n = calloc(1, sizeof *n);
    int err = 0;

    *out = n;
    if (n == NULL)
        return -ENOMEM;
    n->config = config;
    n->opaque = opaque;
    n->now_ns = now_ns;
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
        usernet_free(n->nic[i].user);
        e1000_free(n->nic[i].adapter);
    }
    free(n);
}

void network_poll(struct network *n)
{
    for (unsigned i = 0; i < n->count; i++) {
        usernet_poll(n->nic[i].user);
        e1000_poll(n->nic[i].adapter);
    }
}

uint64_t network_due_ns(struct network *n)
{
    uint64_t least = UINT64_MAX, now = n->now_ns(n->opaque);

    for (unsigned i = 0; i < n->count; i++) {
        uint64_t at = e1000_due_ns(n->nic[i].adapter), user = usernet_due_ns(n->nic[i].user);
        uint64_t due = at == UINT64_MAX ? UINT64_MAX : at > now ? at - now : 0;
        due = user < due ? user : due;
        least = due < least ? due : least;
    }
    return least;
}

unsigned network_poll_fds(struct network *n, struct pollfd *fds, unsigned max)
{
    unsigned count = 0;

    for (unsigned i = 0; i < n->count; i++)
        count += usernet_poll_fds(n->nic[i].user, fds + count, max - count);
    return count;
}

void network_print_stats(const struct network *n, FILE *out)
{
    for (unsigned i = 0; i < n->count; i++) {
        struct e1000_figures f = e1000_figures(n->nic[i].adapter);
        fprintf(out,
                "network adapter %u,%u: %" PRIu64 " frames (%" PRIu64 " bytes) sent, %" PRIu64
                " (%" PRIu64 ") received, %" PRIu64 " missed\n",
                n->config->nics[i].bus, n->config->nics[i].slot, f.frames_sent, f.bytes_sent,
                f.frames_received, f.bytes_received, f.missed);
    }
}
