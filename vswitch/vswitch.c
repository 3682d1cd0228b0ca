/* See vswitch.h. */
#include "vswitch.h"
#include "mac_table.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#define TAG_SIZE     4
#define TAG_TYPE     0x8100u
#define TAG_SERVICE  0x88a8u /* 802.1ad */
#define VID_MASK     0xfffu
#define LEARN_PORT   64u /* addresses a guest's port may have learned */
#define FRAME_TAGGED (VSWITCH_FRAME_MAX + TAG_SIZE)

struct vswitch {
    uint64_t (*now_ns)(void *opaque);
    void *opaque;
    GHashTable *addresses;
    unsigned learned; /* entries that are not fixed */
    bool uplink_tags;
    struct vswitch_cycles cycles;
    struct vswitch_counters counters;           /* all ports and the uplink together */
    struct vswitch_port port[SWITCH_PORTS + 1]; /* 0: the uplink */
};

const char *const vswitch_drop_name[DROP_REASONS] = {"full",    "malformed", "oversized", "tagged",
                                                     "spoofed", "filtered",  "down"};
const char *const vswitch_state_name[PORT_ACTIVE + 1] = {"Unused", "Available", "Reserved", "Down",
                                                         "Active"};

struct vswitch *vswitch_new(uint64_t (*now_ns)(void *opaque), void *opaque)
{
    struct vswitch *s = g_new0(struct vswitch, 1);

    s->now_ns = now_ns;
    s->opaque = opaque;
    s->addresses = mac_table_new();
    for (unsigned i = 0; i <= SWITCH_PORTS; i++)
        s->port[i].vlan = s->port[i].guest_vlan = SWITCH_VLAN_NONE;
    return s;
}

void vswitch_free(struct vswitch *s)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i <= SWITCH_PORTS; i++)
        pcap_close(s->port[i].capture);
    g_hash_table_destroy(s->addresses);
    g_free(s);
}

int vswitch_vlan(const struct vswitch_port *p)
{
    return p->vlan != SWITCH_VLAN_NONE ? p->vlan : p->guest_vlan;
}

enum vswitch_state vswitch_state(const struct vswitch_port *p)
{
    if (p->connected)
        return p->down ? PORT_DOWN : PORT_ACTIVE;
    if (p->reserved > 0)
        return PORT_RESERVED;
    return p->vlan != SWITCH_VLAN_NONE ? PORT_AVAILABLE : PORT_UNUSED;
}

/* --- counters --- */

void vswitch_count_drop(struct vswitch *s, unsigned port, enum vswitch_drop why)
{
    s->port[port].counters.dropped[why]++;
    s->counters.dropped[why]++;
}

static void count_in(struct vswitch *s, unsigned port, const uint8_t *frame, size_t len)
{
    static const uint8_t all[NET_MAC_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    bool broadcast = len >= NET_MAC_SIZE && memcmp(frame, all, NET_MAC_SIZE) == 0;
    struct vswitch_counters *both[] = {&s->counters, &s->port[port].counters};

    for (unsigned i = 0; i < 2; i++) {
        both[i]->in++;
        both[i]->in_bytes += len;
        both[i]->broadcasts += broadcast;
    }
}

static void count_out(struct vswitch *s, unsigned port, size_t len)
{
    struct vswitch_counters *both[] = {&s->counters, &s->port[port].counters};

    for (unsigned i = 0; i < 2; i++) {
        both[i]->out++;
        both[i]->out_bytes += len;
    }
}

/* --- addresses --- */

static void forgotten(void *opaque, unsigned port)
{
    struct vswitch *s = opaque;

    s->learned--;
    s->port[port].learned--;
}

static void age(struct vswitch *s, uint64_t now)
{
    mac_table_age(s->addresses, now > VSWITCH_AGE_NS ? now - VSWITCH_AGE_NS : 0, forgotten, s);
}

void vswitch_age(struct vswitch *s)
{
    age(s, s->now_ns(s->opaque));
}

static void forget_port(struct vswitch *s, unsigned port)
{
    mac_table_forget(s->addresses, port);
    s->learned -= s->port[port].learned;
    s->port[port].learned = 0;
}

static void learn_new(struct vswitch *s, unsigned port, uint64_t key, uint64_t now)
{
    struct vswitch_port *p = &s->port[port];

    if (s->learned >= MAC_TABLE_MAX || (port != VSWITCH_UPLINK && p->learned >= LEARN_PORT))
        return;
    mac_table_add(s->addresses, key, port, false, now);
    s->learned++;
    p->learned++;
}

/* False: the address is registered for another port. */
static bool learn(struct vswitch *s, unsigned port, const uint8_t *mac, int vlan)
{
    uint64_t key = mac_key(mac, vlan), now = s->now_ns(s->opaque);
    struct mac_entry *e = mac_table_find(s->addresses, key);

    if (e == NULL) {
        learn_new(s, port, key, now);
        return true;
    }
    if (e->port == port) {
        e->seen = now;
        return true;
    }
    if (e->fixed)
        return false;
    forgotten(s, e->port); /* it moved */
    g_hash_table_remove(s->addresses, &key);
    learn_new(s, port, key, now);
    return true;
}

/* --- out --- */

static bool hand_over(struct vswitch *s, unsigned port, const uint8_t *frame, size_t len)
{
    const struct vswitch_end *end = &s->port[port].end;
    uint64_t start = __builtin_ia32_rdtsc();
    bool taken = end->frame(end->opaque, frame, len);

    *(port == VSWITCH_UPLINK ? &s->cycles.to_uplink : &s->cycles.to_guests) +=
        __builtin_ia32_rdtsc() - start;
    return taken;
}

static void send_to_port(struct vswitch *s, unsigned port, const uint8_t *frame, size_t len)
{
    struct vswitch_port *p = &s->port[port];

    if (p->down) {
        vswitch_count_drop(s, port, DROP_DOWN);
        return;
    }
    if (!hand_over(s, port, frame, len)) {
        vswitch_count_drop(s, port, DROP_FULL);
        return;
    }
    count_out(s, port, len);
    if (p->capture != NULL)
        pcap_frame(p->capture, frame, len);
}

static void send_to_uplink(struct vswitch *s, int vlan, const uint8_t *frame, size_t len)
{
    uint8_t tagged[FRAME_TAGGED];

    if (vlan == SWITCH_VLAN_NONE) {
        send_to_port(s, VSWITCH_UPLINK, frame, len);
        return;
    }
    if (!s->uplink_tags)
        return; /* another network */
    memcpy(tagged, frame, 12);
    net_put16(tagged + 12, TAG_TYPE);
    net_put16(tagged + 14, (unsigned)vlan);
    memcpy(tagged + 16, frame + 12, len - 12);
    send_to_port(s, VSWITCH_UPLINK, tagged, len + TAG_SIZE);
}

static void send_to(struct vswitch *s, unsigned port, int vlan, const uint8_t *frame, size_t len)
{
    if (!s->port[port].connected)
        return;
    if (port == VSWITCH_UPLINK)
        send_to_uplink(s, vlan, frame, len);
    else
        send_to_port(s, port, frame, len);
}

static void flood(struct vswitch *s, unsigned from, int vlan, const uint8_t *frame, size_t len)
{
    for (unsigned i = 0; i <= SWITCH_PORTS; i++)
        if (i != from && (i == VSWITCH_UPLINK || vswitch_vlan(&s->port[i]) == vlan))
            send_to(s, i, vlan, frame, len);
}

static void forward(struct vswitch *s, unsigned from, int vlan, const uint8_t *frame, size_t len)
{
    const struct mac_entry *e = NULL;

    if (!(frame[0] & 1))
        e = mac_table_find(s->addresses, mac_key(frame, vlan));
    if (e == NULL)
        flood(s, from, vlan, frame, len);
    else if (e->port != from)
        send_to(s, e->port, vlan, frame, len);
}

/* --- in --- */

/* A VLAN 0 of our own exists only while a port is configured so; else the tag is a priority. */
static int vlan_zero(const struct vswitch *s)
{
    for (unsigned i = 1; i <= SWITCH_PORTS; i++)
        if (vswitch_vlan(&s->port[i]) == 0)
            return 0;
    return SWITCH_VLAN_NONE;
}

static bool is_tag(unsigned type)
{
    return type == TAG_TYPE || type == TAG_SERVICE;
}

/* Takes the tag out of *frame into *vlan; the copy is in out. */
static bool untag(struct vswitch *s, unsigned port, const uint8_t **frame, size_t *len, int *vlan,
                  uint8_t out[FRAME_TAGGED])
{
    unsigned vid;

    if (!is_tag(net_get16(*frame + 12)))
        return true;
    if (net_get16(*frame + 12) != TAG_TYPE || *len < NET_HEADER + TAG_SIZE ||
        is_tag(net_get16(*frame + 16)))
        return false;
    vid = net_get16(*frame + 14) & VID_MASK;
    if (vid > SWITCH_VLAN_MAX || (vid != 0 && (port != VSWITCH_UPLINK || !s->uplink_tags)))
        return false;
    if (port == VSWITCH_UPLINK)
        *vlan = vid != 0 ? (int)vid : vlan_zero(s);
    memcpy(out, *frame, 12);
    memcpy(out + 12, *frame + 16, *len - 16);
    *frame = out;
    *len -= TAG_SIZE;
    return true;
}

static bool bad_source(const uint8_t *mac)
{
    return (mac[0] & 1) || (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) == 0;
}

static bool for_bridges(const uint8_t *mac)
{
    static const uint8_t prefix[] = {0x01, 0x80, 0xc2, 0x00, 0x00};

    return memcmp(mac, prefix, sizeof prefix) == 0 && mac[5] < 0x10;
}

/* DROP_REASONS: none. */
static enum vswitch_drop fault(const struct vswitch_port *p, const uint8_t *frame, size_t len)
{
    if (len < NET_HEADER)
        return DROP_MALFORMED;
    if (len > VSWITCH_FRAME_MAX &&
        (len > FRAME_TAGGED || !is_tag(net_get16(frame + NET_HEADER - 2))))
        return DROP_OVERSIZED;
    if (p->down)
        return DROP_DOWN;
    if (bad_source(frame + NET_MAC_SIZE))
        return DROP_MALFORMED;
    return for_bridges(frame) ? DROP_FILTERED : DROP_REASONS;
}

static void input(struct vswitch *s, unsigned port, const uint8_t *frame, size_t len)
{
    struct vswitch_port *p = &s->port[port];
    int vlan = vswitch_vlan(p);
    uint8_t copy[FRAME_TAGGED];
    enum vswitch_drop why;

    count_in(s, port, frame, len);
    if (p->capture != NULL)
        pcap_frame(p->capture, frame, len);
    why = fault(p, frame, len);
    if (why == DROP_REASONS && !untag(s, port, &frame, &len, &vlan, copy))
        why = DROP_TAGGED;
    if (why == DROP_REASONS && !learn(s, port, frame + NET_MAC_SIZE, vlan))
        why = DROP_SPOOFED;
    if (why == DROP_REASONS)
        forward(s, port, vlan, frame, len);
    else
        vswitch_count_drop(s, port, why);
}

void vswitch_input(struct vswitch *s, unsigned port, const uint8_t *frame, size_t len)
{
    uint64_t start = __builtin_ia32_rdtsc();

    input(s, port, frame, len);
    s->cycles.in += __builtin_ia32_rdtsc() - start;
    s->cycles.frames++;
}

/* --- ports --- */

const struct vswitch_port *vswitch_port(const struct vswitch *s, unsigned port)
{
    return port <= SWITCH_PORTS ? &s->port[port] : NULL;
}

const struct vswitch_counters *vswitch_counters(const struct vswitch *s)
{
    return &s->counters;
}

struct vswitch_cycles vswitch_cycles(const struct vswitch *s)
{
    return s->cycles;
}

unsigned vswitch_addresses(const struct vswitch *s)
{
    return s->learned;
}

void vswitch_set_uplink(struct vswitch *s, const struct vswitch_end *end, bool tags)
{
    s->port[VSWITCH_UPLINK].end = *end;
    s->port[VSWITCH_UPLINK].connected = end->frame != NULL;
    s->uplink_tags = tags;
}

static void refuse(struct switch_refused *r, bool again, const char *reason)
{
    r->again = again;
    snprintf(r->reason, sizeof r->reason, "%s", reason);
}

/* The number asked for, or the lowest that nobody uses or reserved; 0: none. */
static unsigned choose(const struct vswitch *s, unsigned wanted, struct switch_refused *r)
{
    if (wanted > SWITCH_PORTS) {
        refuse(r, false, "ports are numbered from 1 to 100");
        return 0;
    }
    if (wanted != 0 && s->port[wanted].connected) {
        refuse(r, true, "the port is in use");
        return 0;
    }
    for (unsigned i = 1; wanted == 0 && i <= SWITCH_PORTS; i++)
        if (vswitch_state(&s->port[i]) == PORT_UNUSED)
            wanted = i;
    if (wanted == 0)
        refuse(r, true, "all ports are in use or reserved");
    return wanted;
}

static bool mac_taken(const struct vswitch *s, const uint8_t *mac)
{
    for (unsigned i = 1; i <= SWITCH_PORTS; i++)
        if (s->port[i].connected && memcmp(s->port[i].mac, mac, NET_MAC_SIZE) == 0)
            return true;
    return false;
}

static bool hello_possible(const struct vswitch *s, const struct switch_hello *h,
                           struct switch_refused *r)
{
    if (h->version != SWITCH_PROTO_VERSION)
        refuse(r, false, "the switch is of another version");
    else if (h->vlan < SWITCH_VLAN_NONE || h->vlan > SWITCH_VLAN_MAX)
        refuse(r, false, "VLAN ids are 0 to 4094");
    else if (bad_source(h->mac))
        refuse(r, false, "no MAC address for an adapter");
    else if (!mac_taken(s, h->mac))
        return true;
    else {
        refuse(r, true, "another port has this MAC address");
        r->mac = 1;
    }
    return false;
}

static void copy_name(char out[SWITCH_GUEST_SIZE], const char *name)
{
    for (size_t i = 0; i < SWITCH_GUEST_SIZE - 1; i++) {
        out[i] = name[i] == '\0' || (name[i] > ' ' && name[i] <= '~') ? name[i] : '_';
        if (name[i] == '\0')
            return;
    }
    out[SWITCH_GUEST_SIZE - 1] = '\0';
}

/* The registered address is known on the port's VLAN from now on. */
static void register_mac(struct vswitch *s, unsigned port)
{
    const struct vswitch_port *p = &s->port[port];
    uint64_t key = mac_key(p->mac, vswitch_vlan(p)), now = s->now_ns(s->opaque);
    const struct mac_entry *e = mac_table_find(s->addresses, key);

    if (e != NULL && !e->fixed)
        forgotten(s, e->port);
    mac_table_add(s->addresses, key, port, true, now);
}

int vswitch_connect(struct vswitch *s, const struct switch_hello *hello,
                    const struct vswitch_end *end, struct switch_refused *refusal)
{
    unsigned port;

    if (!hello_possible(s, hello, refusal))
        return -EINVAL;
    port = choose(s, hello->port, refusal);
    if (port == 0)
        return -EBUSY;
    struct vswitch_port *p = &s->port[port];
    if (hello->vlan != SWITCH_VLAN_NONE && p->vlan != SWITCH_VLAN_NONE && p->vlan != hello->vlan) {
        refuse(refusal, false, "the port is configured for another VLAN");
        return -EINVAL;
    }
    p->connected = true;
    p->guest_vlan = hello->vlan;
    p->end = *end;
    memcpy(p->mac, hello->mac, NET_MAC_SIZE);
    copy_name(p->guest, hello->guest);
    register_mac(s, port);
    return (int)port;
}

void vswitch_disconnect(struct vswitch *s, unsigned port)
{
    struct vswitch_port *p = &s->port[port];

    if (port == VSWITCH_UPLINK || !p->connected)
        return;
    forget_port(s, port);
    p->connected = false;
    p->guest_vlan = SWITCH_VLAN_NONE;
    p->end = (struct vswitch_end){0};
    p->guest[0] = '\0';
}

/* --- settings --- */

static struct vswitch_port *numbered(struct vswitch *s, unsigned port)
{
    return port >= 1 && port <= SWITCH_PORTS ? &s->port[port] : NULL;
}

int vswitch_set_vlan(struct vswitch *s, unsigned port, int vlan)
{
    struct vswitch_port *p = numbered(s, port);

    if (p == NULL)
        return -ENOENT;
    if (vlan < SWITCH_VLAN_NONE || vlan > SWITCH_VLAN_MAX)
        return -EINVAL;
    forget_port(s, port);
    p->vlan = vlan;
    p->guest_vlan = SWITCH_VLAN_NONE;
    if (p->connected)
        register_mac(s, port);
    return 0;
}

int vswitch_set_down(struct vswitch *s, unsigned port, bool down)
{
    struct vswitch_port *p = numbered(s, port);

    if (p == NULL)
        return -ENOENT;
    if (p->down != down && p->connected && p->end.link != NULL)
        p->end.link(p->end.opaque, !down);
    p->down = down;
    return 0;
}

int vswitch_set_reserved(struct vswitch *s, unsigned port, unsigned guests)
{
    struct vswitch_port *p = numbered(s, port);

    if (p == NULL)
        return -ENOENT;
    p->reserved = guests;
    return 0;
}

int vswitch_set_capture(struct vswitch *s, unsigned port, struct pcap *capture)
{
    if (port > SWITCH_PORTS)
        return -ENOENT;
    pcap_close(s->port[port].capture);
    s->port[port].capture = capture;
    return 0;
}

void vswitch_flush_captures(struct vswitch *s)
{
    for (unsigned i = 0; i <= SWITCH_PORTS; i++)
        if (s->port[i].capture != NULL)
            pcap_flush(s->port[i].capture);
}

void vswitch_clear_counters(struct vswitch *s)
{
    memset(&s->counters, 0, sizeof s->counters);
    memset(&s->cycles, 0, sizeof s->cycles);
    for (unsigned i = 0; i <= SWITCH_PORTS; i++)
        memset(&s->port[i].counters, 0, sizeof s->port[i].counters);
}
