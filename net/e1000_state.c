/* The 82540EM as bytes (utils/archive.h). What it is plugged into is not part of it. */
#include "e1000_impl.h"
#include "archive.h"

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define D(member) ARCHIVE_FIELD(struct e1000, member)

static const struct archive_field fields[] = {
    D(reg),
    D(icr),
    D(ims),
    D(io_addr),
    D(line),
    D(quiet_until),
    D(rx_delay),
    D(rx_limit),
    D(tx_delay),
    D(tx_limit),
    D(tx_work),
    D(rx_active),
    D(phy),
    D(eeprom.word),
    D(eeprom.pins),
    D(eeprom.command),
    D(eeprom.out),
    D(eeprom.data_out),
    D(eeprom.write_enabled),
    D(tx.frame),
    D(tx.header),
    D(tx.segments),
    D(tx.payload_sent),
    D(tx.started),
    D(tx.bad),
    D(tx.tso),
    D(tx.vlan),
    D(tx.insert_ip),
    D(tx.insert_tcp),
    D(tx.insert_legacy),
    D(tx.css),
    D(tx.cso),
    D(tx.tag),
    D(link),
};

#define X(member) ARCHIVE_FIELD(struct e1000_context, member)

static const struct archive_field context_fields[] = {
    X(ipcss), X(ipcso), X(tucss), X(tucso), X(ipcse), X(tucse), X(tucmd), X(header), X(mss),
};

static void context_state(struct e1000_context *c, struct archive *s)
{
    archive_fields(s, c, context_fields, COUNT(context_fields));
}

/* As begin_frame() and tx_room() in e1000_tx.c have it: what is collected has room. */
static bool tx_possible(const struct e1000_tx *t)
{
    size_t segment = t->active.header + (size_t)t->active.mss;

    if (t->header_len > t->len)
        return false;
    return !t->tso || (t->header_len <= t->active.header && t->len <= segment &&
                       segment + VLAN_SIZE <= NET_FRAME_MAX);
}

/* Received frames that wait: each with its length in front. */
static void fifo_state(struct e1000 *d, struct archive *s)
{
    size_t at = 0;

    d->fifo_used = archive_number(s, d->fifo_used, FIFO_SIZE, "a packet buffer is too full");
    archive_bytes(s, d->fifo, d->fifo_used);
    while (at < d->fifo_used && s->wrong == NULL) {
        size_t len = d->fifo_used - at >= 2 ? net_get16(d->fifo + at) : 0;

        archive_check(s, len >= NET_HEADER && len <= NET_FRAME_MAX && len + 2 <= d->fifo_used - at,
                      "a packet buffer has no frames in it");
        at += len + 2;
    }
    if (s->wrong != NULL)
        d->fifo_used = 0;
}

void e1000_state(struct e1000 *d, struct archive *s)
{
    bool link = d->link;

    archive_fields(s, d, fields, COUNT(fields));
    context_state(&d->tx.plain, s);
    context_state(&d->tx.segmentation, s);
    context_state(&d->tx.active, s);
    d->tx.len = archive_number(s, d->tx.len, sizeof(d->tx.frame), "a frame is too long");
    d->tx.header_len =
        archive_number(s, d->tx.header_len, sizeof(d->tx.header), "a frame's head is too long");
    archive_check(s, tx_possible(&d->tx), "a frame that is being sent is impossible");
    d->eeprom.bits = (unsigned)archive_number(s, d->eeprom.bits, EEPROM_BITS_MAX,
                                              "an EEPROM's command is too long");
    fifo_state(d, s);
    if (s->loading)
        e1000_end(d).link(d, link); /* the cable's state may be another one now */
}
