/* 82540EM: transmit descriptors, checksum insertion, TCP segmentation, VLAN tags. */
#include "channels.h"
#include "e1000_impl.h"

#include <string.h>

#define SHARE 1024 /* descriptors of one go */

#define DESC_DEXT 0x20000000u
#define DESC_EOP  0x01000000u
#define DESC_IC   0x04000000u /* legacy: insert checksum */
#define DESC_TSE  0x04000000u /* data and context: segmentation */
#define DESC_RS   0x08000000u
#define DESC_VLE  0x40000000u
#define DESC_IDE  0x80000000u
#define DESC_TYPE 0x00f00000u
#define TYPE_CTXT 0x00000000u
#define TYPE_DATA 0x00100000u
#define POPT_IP   0x0100u
#define POPT_TCP  0x0200u
#define DONE      0x01u

#define CMD_TCP 1u /* context descriptor's command byte */
#define CMD_IP4 2u

#define TCP_SEQ   4
#define TCP_FLAGS 13
#define TCP_LAST  0x09u /* FIN and PSH: only in the last segment */

/* --- checksums --- */

/* Sums [start, end] (end 0: to the frame's end) and puts the complement at offset. What is in the
 * field counts: drivers leave the pseudo header's sum there. */
static void insert_sum(struct e1000_tx *t, unsigned start, unsigned end, unsigned offset)
{
    size_t stop = end == 0 || end + 1u > t->len ? t->len : end + 1u;

    if (start >= stop || offset + 2u > t->len)
        return;
    net_put16(t->frame + offset, ~net_sum(0, t->frame + start, stop - start) & 0xffff);
}

/* A UDP checksum of 0 would mean that there is none (RFC 768). */
static void insert_transport_sum(struct e1000_tx *t, const struct e1000_context *c)
{
    insert_sum(t, c->tucss, c->tucse, c->tucso);
    if (c->tucmd & CMD_TCP || c->tucso + 2u > t->len)
        return;
    if (c->tucso == c->tucss + 6 && net_get16(t->frame + c->tucso) == 0)
        net_put16(t->frame + c->tucso, 0xffff);
}

/* --- frames that go out --- */

static void count_sent(struct e1000 *d, const uint8_t *frame, size_t len)
{
    static const uint8_t broadcast[NET_MAC_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    size_t wire = len + FCS_SIZE;

    e1000_count(d, S_GPTC);
    e1000_count(d, S_TPT);
    e1000_count64(d, S_GOTCL, wire);
    e1000_count64(d, S_TOTL, wire);
    e1000_count_size(d, S_PTC64, wire);
    if (memcmp(frame, broadcast, sizeof broadcast) == 0)
        e1000_count(d, S_BPTC);
    else if (frame[0] & 1)
        e1000_count(d, S_MPTC);
    d->figures.frames_sent++;
    d->figures.bytes_sent += len;
}

static void put_on_wire(struct e1000 *d, const uint8_t *frame, size_t len)
{
    count_sent(d, frame, len);
    if (channel_on(CHANNEL_NET))
        channel_line(CHANNEL_NET, "%02x:%02x sends %zu bytes, type %02x%02x", frame[10], frame[11],
                     len, frame[12], frame[13]);
    if (e1000_loopback(d))
        e1000_receive(d, frame, len);
    else if (d->link)
        net_send(&d->peer, frame, len);
}

static bool add_tag(struct e1000 *d, struct e1000_tx *t)
{
    if (t->len < NET_HEADER || t->len + VLAN_SIZE > sizeof t->frame)
        return false;
    memmove(t->frame + 12 + VLAN_SIZE, t->frame + 12, t->len - 12);
    net_put16(t->frame + 12, e1000_reg(d, R_VET) & 0xffff);
    net_put16(t->frame + 14, t->tag);
    t->len += VLAN_SIZE;
    return true;
}

/* Pads and sends what has been put together. */
static void finish_frame(struct e1000 *d)
{
    struct e1000_tx *t = &d->tx;

    if (t->vlan && !add_tag(d, t))
        return;
    if (t->len < NET_FRAME_MIN && (e1000_reg(d, R_TCTL) & TCTL_PSP)) {
        memset(t->frame + t->len, 0, NET_FRAME_MIN - t->len);
        t->len = NET_FRAME_MIN;
    }
    if (t->len >= NET_HEADER)
        put_on_wire(d, t->frame, t->len);
}

static void send_plain(struct e1000 *d)
{
    struct e1000_tx *t = &d->tx;
    const struct e1000_context *c = &t->active;

    if (t->insert_legacy)
        insert_sum(t, t->css, 0, t->cso);
    if (t->insert_ip)
        insert_sum(t, c->ipcss, c->ipcse, c->ipcso);
    if (t->insert_tcp)
        insert_transport_sum(t, c);
    finish_frame(d);
}

/* --- segmentation (manual section 3.5) --- */

static void add16(struct e1000_tx *t, size_t at, unsigned n)
{
    if (at + 2 <= t->len)
        net_put16(t->frame + at, (net_get16(t->frame + at) + n) & 0xffff);
}

static void set16(struct e1000_tx *t, size_t at, size_t v)
{
    if (at + 2 <= t->len)
        net_put16(t->frame + at, (unsigned)(v & 0xffff));
}

static void patch_ip(struct e1000_tx *t, const struct e1000_context *c)
{
    if (c->ipcss >= t->len)
        return;
    if (c->tucmd & CMD_IP4) {
        set16(t, c->ipcss + 2u, t->len - c->ipcss);
        add16(t, c->ipcss + 4u, t->segments);
    } else if (t->len >= c->ipcss + 40u) {
        set16(t, c->ipcss + 4u, t->len - c->ipcss - 40);
    }
}

static void patch_tcp(struct e1000_tx *t, const struct e1000_context *c, bool last)
{
    size_t at = c->tucss;

    if (at + TCP_FLAGS >= t->len)
        return;
    uint32_t seq =
        (uint32_t)net_get16(t->frame + at + TCP_SEQ) << 16 | net_get16(t->frame + at + TCP_SEQ + 2);
    seq += t->payload_sent;
    net_put16(t->frame + at + TCP_SEQ, seq >> 16);
    net_put16(t->frame + at + TCP_SEQ + 2, seq & 0xffff);
    if (!last)
        t->frame[at + TCP_FLAGS] &= (uint8_t)~TCP_LAST;
}

/* The prototype holds the pseudo header's sum without the length, which differs per segment. */
static void add_length_to_sum(struct e1000_tx *t, const struct e1000_context *c)
{
    uint8_t length[2];

    if (c->tucss >= t->len || c->tucso + 2u > t->len)
        return;
    net_put16(length, (unsigned)(t->len - c->tucss) & 0xffff);
    net_put16(t->frame + c->tucso, net_sum(net_get16(t->frame + c->tucso), length, 2));
}

static void send_segment(struct e1000 *d, bool last)
{
    struct e1000_tx *t = &d->tx;
    const struct e1000_context *c = &t->active;
    size_t payload = t->len - t->header_len;

    patch_ip(t, c);
    if (c->tucmd & CMD_TCP)
        patch_tcp(t, c, last);
    else
        set16(t, c->tucss + 4u, t->len - c->tucss);
    if (t->insert_tcp)
        add_length_to_sum(t, c);
    if (t->insert_ip)
        insert_sum(t, c->ipcss, c->ipcse, c->ipcso);
    if (t->insert_tcp)
        insert_transport_sum(t, c);
    finish_frame(d);
    t->segments++;
    t->payload_sent += (uint32_t)payload;
    memcpy(t->frame, t->header, t->header_len);
    t->len = t->header_len;
}

/* --- collecting bytes --- */

/* Room for bytes before something must be sent; 0: the frame is too long. */
static size_t tx_room(struct e1000_tx *t)
{
    const struct e1000_context *c = &t->active;

    if (!t->tso)
        return sizeof t->frame - t->len;
    if (t->header_len < c->header)
        return c->header - t->header_len;
    return c->header + (size_t)c->mss - t->len;
}

static void took(struct e1000_tx *t, size_t n)
{
    t->len += n;
    if (t->tso && t->header_len < t->active.header) {
        memcpy(t->header + t->header_len, t->frame + t->header_len, n);
        t->header_len += n;
    }
}

static void collect(struct e1000 *d, uint64_t addr, size_t len)
{
    struct e1000_tx *t = &d->tx;

    while (len > 0 && !t->bad) {
        size_t n = tx_room(t);
        if (n == 0 && t->tso) { /* a full segment, and more follows */
            send_segment(d, false);
            continue;
        }
        n = n < len ? n : len;
        if (n == 0 || pci_dma_read(d->function, addr, t->frame + t->len, n) != 0) {
            t->bad = true;
            return;
        }
        took(t, n);
        addr += n;
        len -= n;
    }
}

/* A segmentation that cannot be: no payload per segment, or segments beyond the longest frame. */
static bool absurd(const struct e1000_context *c)
{
    return c->mss == 0 || c->header < NET_HEADER ||
           c->header + (size_t)c->mss + VLAN_SIZE > NET_FRAME_MAX;
}

static void begin_frame(struct e1000 *d, const uint8_t *desc, uint32_t low, bool data)
{
    struct e1000_tx *t = &d->tx;
    uint32_t high = e1000_le32(desc + 12);

    t->len = t->header_len = 0;
    t->segments = t->payload_sent = 0;
    t->started = true;
    t->tso = data && (low & DESC_TSE);
    /* A copy: what a guest changes between the descriptors of a frame comes too late for it. */
    t->active = t->tso ? t->segmentation : t->plain;
    t->bad = t->tso && absurd(&t->active);
    t->insert_ip = data && (high & POPT_IP);
    t->insert_tcp = data && (high & POPT_TCP);
    t->vlan = (low & DESC_VLE) && (e1000_reg(d, R_CTRL) & CTRL_VME);
    t->tag = (uint16_t)(high >> 16);
    t->insert_legacy = !data && (low & DESC_IC);
    t->cso = (uint8_t)(low >> 16);
    t->css = (uint8_t)(high >> 8);
    if (t->tso)
        e1000_count(d, t->bad ? S_TSCTFC : S_TSCTC);
}

/* VLAN and legacy checksum fields count in the last descriptor too, where some drivers put them. */
static void end_frame(struct e1000 *d, const uint8_t *desc, uint32_t low, bool data)
{
    struct e1000_tx *t = &d->tx;
    uint32_t high = e1000_le32(desc + 12);

    t->started = false;
    if ((low & DESC_VLE) && (e1000_reg(d, R_CTRL) & CTRL_VME)) {
        t->vlan = true;
        t->tag = (uint16_t)(high >> 16);
    }
    if (!data && (low & DESC_IC)) {
        t->insert_legacy = true;
        t->cso = (uint8_t)(low >> 16);
        t->css = (uint8_t)(high >> 8);
    }
    if (t->bad)
        return;
    if (t->tso)
        send_segment(d, true);
    else
        send_plain(d);
}

/* --- descriptors --- */

static void set_context(struct e1000_tx *t, const uint8_t *desc, uint32_t low)
{
    struct e1000_context *c = low & DESC_TSE ? &t->segmentation : &t->plain;

    c->ipcss = desc[0];
    c->ipcso = desc[1];
    c->ipcse = (uint16_t)(desc[2] | desc[3] << 8);
    c->tucss = desc[4];
    c->tucso = desc[5];
    c->tucse = (uint16_t)(desc[6] | desc[7] << 8);
    c->tucmd = desc[11];
    c->header = desc[13];
    c->mss = (uint16_t)(desc[14] | desc[15] << 8);
}

static void data_descriptor(struct e1000 *d, const uint8_t *desc, uint32_t low)
{
    bool data = low & DESC_DEXT;

    if (!d->tx.started)
        begin_frame(d, desc, low, data);
    collect(d, e1000_le64(desc), low & (data ? 0xfffff : 0xffff));
    if (low & DESC_EOP)
        end_frame(d, desc, low, data);
}

/* Returns the interrupt causes of a finished descriptor. */
static uint32_t finish_descriptor(struct e1000 *d, uint64_t addr, uint32_t low)
{
    uint8_t done = DONE;
    uint64_t now, tick = 1024;

    if (!(low & DESC_RS))
        return 0;
    pci_dma_write(d->function, addr + 12, &done, 1);
    if (!(low & DESC_IDE) || (e1000_reg(d, R_TIDV) & 0xffff) == 0)
        return INT_TXDW;
    now = e1000_now(d);
    d->tx_delay = now + (e1000_reg(d, R_TIDV) & 0xffff) * tick;
    if (d->tx_limit == NEVER && (e1000_reg(d, R_TADV) & 0xffff) != 0)
        d->tx_limit = now + (e1000_reg(d, R_TADV) & 0xffff) * tick;
    return 0;
}

static uint32_t do_descriptor(struct e1000 *d, uint64_t addr)
{
    uint8_t desc[DESC_SIZE];
    uint32_t low;

    if (pci_dma_read(d->function, addr, desc, sizeof desc) != 0)
        return 0;
    low = e1000_le32(desc + 8);
    if ((low & DESC_DEXT) && (low & DESC_TYPE) == TYPE_CTXT)
        set_context(&d->tx, desc, low);
    else if (!(low & DESC_DEXT) || (low & DESC_TYPE) == TYPE_DATA)
        data_descriptor(d, desc, low);
    return finish_descriptor(d, addr, low);
}

static bool tx_pending(const struct e1000 *d)
{
    unsigned count = e1000_reg(d, R_TDLEN) / DESC_SIZE, head = e1000_reg(d, R_TDH),
             tail = e1000_reg(d, R_TDT);

    return (e1000_reg(d, R_TCTL) & TCTL_EN) && head != tail && head < count && tail < count;
}

void e1000_transmit(struct e1000 *d)
{
    uint64_t base = (uint64_t)e1000_reg(d, R_TDBAH) << 32 | e1000_reg(d, R_TDBAL);
    unsigned count = e1000_reg(d, R_TDLEN) / DESC_SIZE;
    uint32_t causes = 0;

    if (d->tx_busy || !tx_pending(d))
        return;
    d->tx_busy = true;
    for (unsigned n = 0; n < SHARE && tx_pending(d); n++) {
        unsigned head = e1000_reg(d, R_TDH);
        causes |= do_descriptor(d, base + (uint64_t)head * DESC_SIZE);
        d->reg[R_TDH / 4] = head + 1 == count ? 0 : head + 1;
    }
    d->tx_busy = false;
    d->tx_work = tx_pending(d);
    if (!d->tx_work)
        causes |= INT_TXQE | (e1000_reg(d, R_TXDCTL) >> 25 ? INT_TXD_LOW : 0);
    e1000_cause(d, causes);
}
