/* A target as bytes (utils/archive.h): everything but its medium. Nothing is in flight then. */
#include "archive.h"
#include "target_impl.h"

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define T(member) ARCHIVE_FIELD(struct scsi_target, member)

static const struct archive_field fields[] = {
    T(attention),
    T(reservation.generation),
    T(reservation.key),
    T(reservation.type),
    T(reservation.aptpl),
    T(stopped),
    T(prevent),
    T(tray_open),
    T(echo),
    T(medium_number),
};

#define MEDIA_EVENTS 3u /* codes of dvd.c above 0 */

/* Who holds a reservation: an initiator or nobody, -1. */
static int holder_state(struct archive *s, int holder)
{
    return (int)archive_number(s, (uint64_t)(holder + 1), SCSI_INITIATORS,
                               "a reservation's holder does not exist") -
           1;
}

/* Pages are made at power-on; what changes is their contents. */
static void modes_state(struct scsi_target *t, struct archive *s)
{
    uint64_t count = archive_number(s, t->modes, MODE_PAGES, "there are too many mode pages");

    if (!archive_check(s, count == t->modes, "a drive has other mode pages"))
        return;
    for (unsigned i = 0; i < t->modes; i++) {
        uint8_t head[2] = {t->mode[i].page, t->mode[i].length};

        archive_bytes(s, head, sizeof(head));
        if (!archive_check(s, head[0] == t->mode[i].page && head[1] == t->mode[i].length,
                           "a drive has other mode pages"))
            return;
        archive_bytes(s, t->mode[i].data, t->mode[i].length);
    }
}

void scsi_target_state(struct scsi_target *t, struct archive *s)
{
    uint64_t type = archive_number(s, t->type, SCSI_DVD, "there is no such kind of drive");

    if (!archive_check(s, type == t->type,
                       "a disk is a disc drive there, or the other way round") ||
        !archive_check(s, !scsi_busy(t), "disk commands are under way"))
        return;
    archive_fields(s, t, fields, COUNT(fields));
    t->reservation.legacy = holder_state(s, t->reservation.legacy);
    t->reservation.holder = holder_state(s, t->reservation.holder);
    t->media_event =
        (unsigned)archive_number(s, t->media_event, MEDIA_EVENTS, "no such media event");
    modes_state(t, s);
}
