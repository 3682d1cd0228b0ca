/* A virtual switch: ports with an access VLAN each, learned addresses, an uplink, counters.
 *
 * Frames go in and out through functions; nothing here knows sockets, processes or time other than
 * what it is told. Rules, after Integrity VM's hpvmnet:
 *
 * - Ports have numbers 1 to 100. A port has a VLAN id (0 to 4094) or none; frames go only between
 *   ports with the same id, or both without. Guests send and get frames without tags: a tag with
 *   id 0 (priority only) is taken out, frames with any other tag are dropped.
 * - Towards an uplink that knows tags the port's id is put in; from there it chooses the ports.
 *   An uplink that does not is one more port without an id.
 * - A frame whose source is another port's registered address is dropped, and so are the ones
 *   that bridges do not forward (01-80-c2-00-00-0x).
 * - The table of learned addresses is bounded, per port and in all; entries age. Registered
 *   addresses are always known.
 */
#ifndef KITTSON_VSWITCH_VSWITCH_H
#define KITTSON_VSWITCH_VSWITCH_H

#include <stdbool.h>
#include "pcap.h"
#include "switch_proto.h"

#define VSWITCH_UPLINK    0u    /* the uplink's number where a port is asked for */
#define VSWITCH_FRAME_MAX 1514u /* without a tag */
#define VSWITCH_AGE_NS    300000000000ull

struct vswitch;

enum vswitch_drop {
    DROP_FULL,      /* the receiver did not take it */
    DROP_MALFORMED, /* too short, or a source that cannot be */
    DROP_OVERSIZED,
    DROP_TAGGED,
    DROP_SPOOFED,
    DROP_FILTERED, /* what bridges keep for themselves */
    DROP_DOWN,     /* from or to a port that is down */
    DROP_REASONS,
};
extern const char *const vswitch_drop_name[DROP_REASONS];

/* "in" is from the guest or the outside, "out" to it. */
struct vswitch_counters {
    uint64_t in, in_bytes, out, out_bytes, broadcasts;
    uint64_t dropped[DROP_REASONS];
};

/* What frames have cost in cycles of the host's clock: all of it, and the parts of it for handing
 * them to the uplink and to guests. */
struct vswitch_cycles {
    uint64_t frames, in, to_uplink, to_guests;
};

enum vswitch_state {
    PORT_UNUSED,    /* nothing to list */
    PORT_AVAILABLE, /* only a VLAN is configured */
    PORT_RESERVED,  /* by guests that are not connected */
    PORT_DOWN,      /* connected, set down */
    PORT_ACTIVE,
};
extern const char *const vswitch_state_name[PORT_ACTIVE + 1];

/* What is connected to a port; false from frame: not taken. */
struct vswitch_end {
    void *opaque;
    bool (*frame)(void *opaque, const uint8_t *frame, size_t len);
    void (*link)(void *opaque, bool up); /* may be NULL */
};

struct vswitch_port {
    unsigned reserved; /* guests that have this port in their configuration */
    bool down, connected;
    int vlan;       /* SWITCH_VLAN_NONE or 0 to 4094 */
    int guest_vlan; /* what a guest asked for where none is configured; ends with it */
    uint8_t mac[NET_MAC_SIZE];
    char guest[SWITCH_GUEST_SIZE];
    struct vswitch_counters counters;
    struct vswitch_end end;
    struct pcap *capture;
    unsigned learned;
};

/* Never NULL. now_ns(opaque) is any clock that does not go back. */
struct vswitch *vswitch_new(uint64_t (*now_ns)(void *opaque), void *opaque);
void vswitch_free(struct vswitch *s);

/* tags: the other side understands VLAN tags. A NULL frame function: no uplink. */
void vswitch_set_uplink(struct vswitch *s, const struct vswitch_end *end, bool tags);

/* Connects what a hello describes to the port it asks for or the lowest free one, and returns the
 * number; or a negative errno with a refusal filled in. */
int vswitch_connect(struct vswitch *s, const struct switch_hello *hello,
                    const struct vswitch_end *end, struct switch_refused *refusal);
void vswitch_disconnect(struct vswitch *s, unsigned port);

/* A frame that came from a port, or from the uplink (port VSWITCH_UPLINK). */
void vswitch_input(struct vswitch *s, unsigned port, const uint8_t *frame, size_t len);
/* A message that was no frame, or one too long to be looked at. */
void vswitch_count_drop(struct vswitch *s, unsigned port, enum vswitch_drop why);
/* Forgets aged addresses. */
void vswitch_age(struct vswitch *s);

/* NULL unless 1 to 100, or VSWITCH_UPLINK. Settings are changed by the functions below. */
const struct vswitch_port *vswitch_port(const struct vswitch *s, unsigned port);
enum vswitch_state vswitch_state(const struct vswitch_port *p);
int vswitch_vlan(const struct vswitch_port *p); /* the one in force */
const struct vswitch_counters *vswitch_counters(const struct vswitch *s);
struct vswitch_cycles vswitch_cycles(const struct vswitch *s);
unsigned vswitch_addresses(const struct vswitch *s);

/* 0, -ENOENT (no such port) or -EINVAL. */
int vswitch_set_vlan(struct vswitch *s, unsigned port, int vlan);
int vswitch_set_down(struct vswitch *s, unsigned port, bool down);
int vswitch_set_reserved(struct vswitch *s, unsigned port, unsigned guests);
/* Takes the capture over, ends the one before; NULL ends it. Port VSWITCH_UPLINK too. */
int vswitch_set_capture(struct vswitch *s, unsigned port, struct pcap *capture);
void vswitch_flush_captures(struct vswitch *s);
void vswitch_clear_counters(struct vswitch *s);

#endif
