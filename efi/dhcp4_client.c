/* See dhcp4.h: the client. Discover, offers, request, acknowledgement; then, when a proxy offered,
 * the proxy's answer; boot servers on request. */
#include "dhcp4.h"

#include <string.h>

#define BOOTP_MIN 300
#define MAGIC     0x63825363u

#define COLLECT_MS 2000 /* how long other offers are waited for after the first */

/* Waiting times in seconds: PXE 2.1, section 2.2 and 3.2. */
static const unsigned dhcp_wait[DHCP4_TRIES] = {4, 8, 16, 32};
static const unsigned server_wait[DHCP4_TRIES] = {1, 2, 3, 4};

/* --- messages --- */

static void put(struct dhcp4_packet *m, unsigned code, const void *data, unsigned len)
{
    m->raw[m->len] = (uint8_t)code;
    m->raw[m->len + 1] = (uint8_t)len;
    memcpy(m->raw + m->len + 2, data, len);
    m->len += 2 + len;
}

static void put_address(struct dhcp4_packet *m, unsigned code, uint32_t ip)
{
    uint8_t d[4];

    udp4_put32(d, ip);
    put(m, code, d, sizeof d);
}

/* What PXE clients say about themselves: an Itanium EFI client, network interface 3.1. */
static void put_identity(const struct dhcp4_client *c, struct dhcp4_packet *m)
{
    static const uint8_t parameters[] = {1,  2,  3,  4,   5,   6,   12,  13,  15,  17,  18, 22,
                                         23, 28, 40, 41,  42,  43,  50,  51,  54,  58,  59, 60,
                                         66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135};
    static const uint8_t max_size[] = {DHCP4_SIZE >> 8, DHCP4_SIZE & 0xff};
    static const uint8_t architecture[] = {0, 2}, interface[] = {1, 3, 1};
    static const char class[] = "PXEClient:Arch:00002:UNDI:003001";
    uint8_t machine[17] = {0};

    memcpy(machine + 1, c->uuid, 16);
    put(m, DHCP4_PARAMETERS, parameters, sizeof parameters);
    put(m, DHCP4_MAX_SIZE, max_size, sizeof max_size);
    put(m, DHCP4_MACHINE, machine, sizeof machine);
    put(m, DHCP4_ARCHITECTURE, architecture, sizeof architecture);
    put(m, DHCP4_INTERFACE, interface, sizeof interface);
    put(m, DHCP4_CLASS, class, sizeof class - 1);
}

static void begin(const struct dhcp4_client *c, struct dhcp4_packet *m, uint8_t type)
{
    memset(m, 0, sizeof *m);
    m->raw[0] = 1;
    m->raw[1] = 1;
    m->raw[2] = UDP4_MAC;
    udp4_put32(m->raw + 4, c->xid);
    memcpy(m->raw + 28, c->mac, UDP4_MAC);
    udp4_put32(m->raw + 236, MAGIC);
    m->len = 240;
    put(m, DHCP4_TYPE, &type, 1);
    put_identity(c, m);
}

static void end(struct dhcp4_packet *m)
{
    m->raw[m->len++] = DHCP4_END;
    if (m->len < BOOTP_MIN)
        m->len = BOOTP_MIN;
}

static void send(struct dhcp4_client *c, struct dhcp4_packet *m, uint32_t to, uint16_t port,
                 uint64_t now)
{
    uint64_t seconds = (now - c->begun) / 1000;

    udp4_put16(m->raw + 8, (unsigned)(seconds < 0xffff ? seconds : 0xffff));
    c->send(c->opaque,
            &(struct udp4_datagram){
                .dst = to, .sport = DHCP4_CLIENT, .dport = port, .data = m->raw, .len = m->len});
}

static void send_discover(struct dhcp4_client *c, uint64_t now)
{
    begin(c, &c->discover, DHCP4_DISCOVER);
    end(&c->discover);
    send(c, &c->discover, UDP4_BROADCAST, DHCP4_SERVER, now);
}

/* The offer that was chosen is offer[0]. */
static void send_request(struct dhcp4_client *c, uint64_t now)
{
    struct dhcp4_packet m;
    struct dhcp4_info i;

    dhcp4_read(c->offer[0].raw, c->offer[0].len, &i);
    begin(c, &m, DHCP4_REQUEST);
    put_address(&m, DHCP4_ADDRESS, i.address);
    put_address(&m, DHCP4_SERVER_ID, i.server);
    end(&m);
    send(c, &m, UDP4_BROADCAST, DHCP4_SERVER, now);
}

static void send_to_server(struct dhcp4_client *c, uint64_t now)
{
    udp4_put32(c->pxe_discover.raw + 4, c->xid);
    send(c, &c->pxe_discover, c->ask, c->ask_port, now);
}

/* --- states --- */

static void enter(struct dhcp4_client *c, enum dhcp4_state state, uint64_t now)
{
    c->state = state;
    c->tries = 0;
    c->due = now;
}

static void finish(struct dhcp4_client *c, bool ok)
{
    c->state = ok ? DHCP4_DONE : DHCP4_FAILED;
}

/* Whether an offer can boot: it names a file, or says how to find one. */
static bool boots(const struct dhcp4_info *i)
{
    return i->file[0] != '\0' || (i->pxe && (i->has_item || i->has_control));
}

/* An offer with an address; the best one by index, or -1. */
static int choose(const struct dhcp4_client *c)
{
    int best = -1;
    bool best_boots = false;

    for (unsigned n = 0; n < c->offers; n++) {
        struct dhcp4_info i;

        dhcp4_read(c->offer[n].raw, c->offer[n].len, &i);
        if (!i.address || (best >= 0 && (!c->sort || best_boots || !boots(&i))))
            continue;
        best = (int)n;
        best_boots = boots(&i);
    }
    return best;
}

/* A proxy's offer: no address, class PXEClient. */
static void keep_proxy(struct dhcp4_client *c)
{
    for (unsigned n = 0; n < c->offers && !c->proxy.len; n++) {
        struct dhcp4_info i;

        dhcp4_read(c->offer[n].raw, c->offer[n].len, &i);
        if (!i.address && i.pxe)
            c->proxy = c->offer[n];
    }
}

static void select_offer(struct dhcp4_client *c, uint64_t now)
{
    int n = choose(c);
    struct dhcp4_packet chosen;

    if (n < 0)
        return;
    keep_proxy(c);
    chosen = c->offer[n];
    c->offer[0] = chosen;
    c->offers = 1;
    enter(c, DHCP4_REQUESTING, now);
}

/* Nothing to wait for: an offer with everything, or an address and a proxy. */
static bool enough(const struct dhcp4_client *c)
{
    bool address = false, proxy = false, all = false;

    for (unsigned n = 0; n < c->offers; n++) {
        struct dhcp4_info i;

        dhcp4_read(c->offer[n].raw, c->offer[n].len, &i);
        address |= i.address != 0;
        proxy |= !i.address;
        all |= i.address && boots(&i);
    }
    return all || (address && proxy);
}

static void take_offer(struct dhcp4_client *c, const uint8_t *m, size_t len,
                       const struct dhcp4_info *i, uint64_t now)
{
    if (i->type != DHCP4_OFFER || !i->server || (!i->address && !i->pxe) ||
        c->offers == DHCP4_OFFERS)
        return;
    memcpy(c->offer[c->offers].raw, m, len);
    c->offer[c->offers++].len = len;
    if (c->offers == 1)
        c->chosen_at = now + COLLECT_MS;
    if (enough(c))
        c->chosen_at = now;
    if (c->chosen_at < c->due)
        c->due = c->chosen_at;
}

/* After the acknowledgement: a proxy that named no file is asked for one. */
static void bound(struct dhcp4_client *c, const struct dhcp4_info *ack, uint64_t now)
{
    struct dhcp4_info proxy;

    c->address = ack->address;
    c->mask = ack->mask;
    c->router = ack->router;
    if (!c->proxy.len || boots(ack) || !dhcp4_read(c->proxy.raw, c->proxy.len, &proxy) ||
        boots(&proxy)) {
        finish(c, true);
        return;
    }
    begin(c, &c->pxe_discover, DHCP4_REQUEST);
    udp4_put32(c->pxe_discover.raw + 12, c->address);
    end(&c->pxe_discover);
    c->ask = proxy.server;
    c->ask_port = DHCP4_BOOT_SERVER;
    enter(c, DHCP4_ASKING_PROXY, now);
}

static void take_ack(struct dhcp4_client *c, const uint8_t *m, size_t len,
                     const struct dhcp4_info *i, uint64_t now)
{
    struct dhcp4_info offer;

    dhcp4_read(c->offer[0].raw, c->offer[0].len, &offer);
    if (i->server && i->server != offer.server)
        return;
    if (i->type == DHCP4_NAK && ++c->refusals == DHCP4_TRIES) {
        finish(c, false);
        return;
    }
    if (i->type == DHCP4_NAK) { /* from the beginning */
        c->offers = 0;
        c->proxy.len = 0;
        enter(c, DHCP4_SELECTING, now);
        return;
    }
    if (i->type != DHCP4_ACK || !i->address)
        return;
    memcpy(c->ack.raw, m, len);
    c->ack.len = len;
    bound(c, i, now);
}

/* Answers of proxies and boot servers have no address and the class PXEClient. */
static void take_pxe(struct dhcp4_client *c, const uint8_t *m, size_t len,
                     const struct dhcp4_info *i)
{
    struct dhcp4_packet *to = c->state == DHCP4_ASKING_PROXY ? &c->proxy : &c->pxe_reply;

    if (i->type != DHCP4_ACK || !i->pxe)
        return;
    memcpy(to->raw, m, len);
    to->len = len;
    finish(c, true);
}

void dhcp4_start(struct dhcp4_client *c, uint32_t seed, uint64_t now)
{
    c->discover.len = c->ack.len = c->proxy.len = c->pxe_discover.len = c->pxe_reply.len = 0;
    c->address = c->mask = c->router = 0;
    c->offers = c->refusals = 0;
    c->begun = now;
    c->xid = seed ^ udp4_get32(c->mac + 2);
    enter(c, DHCP4_SELECTING, now);
    dhcp4_poll(c, now);
}

void dhcp4_ask_server(struct dhcp4_client *c, uint16_t type, uint16_t layer, uint32_t address,
                      uint64_t now)
{
    uint8_t item[7] = {
        71,       4, (uint8_t)(type >> 8), (uint8_t)type, (uint8_t)(layer >> 8), (uint8_t)layer,
        DHCP4_END};

    c->xid++;
    c->begun = now;
    begin(c, &c->pxe_discover, DHCP4_REQUEST);
    udp4_put32(c->pxe_discover.raw + 12, c->address);
    put(&c->pxe_discover, DHCP4_VENDOR, item, sizeof item);
    end(&c->pxe_discover);
    c->pxe_reply.len = 0;
    c->ask = address;
    c->ask_port = address == UDP4_BROADCAST ? DHCP4_SERVER : DHCP4_BOOT_SERVER;
    enter(c, DHCP4_ASKING_SERVER, now);
    dhcp4_poll(c, now);
}

void dhcp4_input(struct dhcp4_client *c, const struct udp4_datagram *d, uint64_t now)
{
    struct dhcp4_info i;

    if (!dhcp4_busy(c) || d->dport != DHCP4_CLIENT || d->len > DHCP4_SIZE ||
        (d->sport != DHCP4_SERVER && d->sport != DHCP4_BOOT_SERVER) ||
        !dhcp4_read(d->data, d->len, &i) || udp4_get32(d->data + 4) != c->xid ||
        memcmp(d->data + 28, c->mac, UDP4_MAC) != 0)
        return;
    if (c->state == DHCP4_SELECTING)
        take_offer(c, d->data, d->len, &i, now);
    else if (c->state == DHCP4_REQUESTING)
        take_ack(c, d->data, d->len, &i, now);
    else
        take_pxe(c, d->data, d->len, &i);
    if (dhcp4_busy(c) && c->due <= now)
        dhcp4_poll(c, now);
}

/* A proxy that does not answer again leaves what it has offered. */
static void give_up(struct dhcp4_client *c)
{
    finish(c, c->state == DHCP4_ASKING_PROXY);
}

void dhcp4_poll(struct dhcp4_client *c, uint64_t now)
{
    bool server = c->state == DHCP4_ASKING_PROXY || c->state == DHCP4_ASKING_SERVER;

    if (!dhcp4_busy(c) || now < c->due)
        return;
    if (c->state == DHCP4_SELECTING && c->offers && now >= c->chosen_at)
        select_offer(c, now);
    if (c->tries == DHCP4_TRIES) {
        give_up(c);
        return;
    }
    c->due = now + 1000 * (server ? server_wait : dhcp_wait)[c->tries++];
    if (c->state == DHCP4_SELECTING)
        send_discover(c, now);
    else if (c->state == DHCP4_REQUESTING)
        send_request(c, now);
    else
        send_to_server(c, now);
}
