/* The 53C1030 as bytes (utils/archive.h): registers, queues, settings. Nothing is in flight then.
 */
#include <stdlib.h>
#include "mpt_impl.h"
#include "archive.h"

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define M(member) ARCHIVE_FIELD(struct mpt, member)
#define SEQUENCE  4u /* keys before the last */
#define HS_WORDS  (REPLY_MAX / 2)

static const struct archive_field fields[] = {
    M(fault),
    M(int_mask),
    M(doorbell_int),
    M(diagnostic),
    M(diag_address),
    M(hs_request),
    M(hs_reply),
    M(who_init),
    M(max_devices),
    M(max_buses),
    M(reply_size),
    M(mfa_high),
    M(sense_high),
    M(events),
    M(event_context),
    M(event_number),
    M(settings.io_unit_flags),
    M(settings.ioc1),
    M(settings.ioc4),
    M(settings.port1),
    M(settings.port2),
    M(settings.device),
    M(settings.requested),
    M(settings.configuration),
    M(settings.validation),
};

static const struct archive_field pending_fields[] = {
    ARCHIVE_FIELD(struct pending, context),
    ARCHIVE_FIELD(struct pending, data),
};

static void fifo_state(struct fifo *f, struct archive *s)
{
    f->count = (unsigned)archive_number(s, f->count, FIFO_SIZE, "an adapter's queue is too long");
    for (unsigned i = 0; i < f->count; i++)
        archive_bytes(s, &f->entry[(f->head + i) % FIFO_SIZE], sizeof(f->entry[0]));
}

static void load_pending(struct mpt *m, struct archive *s, uint64_t count)
{
    while (count-- > 0 && s->wrong == NULL) {
        struct pending *p = calloc(1, sizeof(*p));

        if (!archive_check(s, p != NULL, "there is no memory for replies"))
            return;
        archive_fields(s, p, pending_fields, COUNT(pending_fields));
        p->len = (unsigned)archive_number(s, 0, REPLY_MAX, "a reply is too long");
        *m->pending_last = p;
        m->pending_last = &p->next;
        m->pending_count++;
    }
}

static void pending_state(struct mpt *m, struct archive *s)
{
    uint64_t count = archive_number(s, m->pending_count, PENDING_MAX, "too many replies wait");

    if (s->loading) {
        load_pending(m, s, count);
        return;
    }
    for (struct pending *p = m->pending; p != NULL; p = p->next) {
        archive_fields(s, p, pending_fields, COUNT(pending_fields));
        archive_number(s, p->len, REPLY_MAX, "");
    }
}

static void numbers_state(struct mpt *m, struct archive *s)
{
    static const char bad[] = "an adapter is in no possible state";

    m->state = (enum ioc_state)archive_number(s, m->state, IOC_FAULT, bad);
    m->doorbell = (enum doorbell)archive_number(s, m->doorbell, DB_REPLY, bad);
    m->sequence = (unsigned)archive_number(s, m->sequence, SEQUENCE, bad);
    m->hs_count = (unsigned)archive_number(s, m->hs_count, HANDSHAKE_MAX, bad);
    m->hs_expected = (unsigned)archive_number(s, m->hs_expected, HANDSHAKE_MAX - 1, bad);
    m->hs_size = (unsigned)archive_number(s, m->hs_size, HS_WORDS, bad);
    m->hs_index = (unsigned)archive_number(s, m->hs_index, HS_WORDS, bad);
    archive_check(s, m->doorbell != DB_REQUEST || m->hs_count < m->hs_expected, bad);
}

void mpt_state(struct mpt *m, struct archive *s)
{
    if (s->loading)
        mpt_reset_messages(m);
    archive_check(s, m->io_count == 0 && m->tasks == NULL, "disk commands are under way");
    archive_fields(s, m, fields, COUNT(fields));
    numbers_state(m, s);
    fifo_state(&m->free, s);
    fifo_state(&m->post, s);
    pending_state(m, s);
    if (s->wrong != NULL && s->loading)
        mpt_reset_messages(m);
}
