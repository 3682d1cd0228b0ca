/* Fuzz target: frames of a migration, and the configuration, offer, pieces and texts in them. The
 * first byte says which types are expected, as the target or the source would, and whether the
 * checksums are to be made right first. */
#include "fuzz.h"

#include "migration.h"

#include <zlib.h>

#define INPUT_MOST (64 << 10)

static struct guest *take_guest(const struct peer *p, struct guest *old)
{
    char why[300];
    struct guest *g = guest_parse((const char *)p->data, p->length, why, sizeof why);
    if (g != NULL)
        guest_free(old);
    return g != NULL ? g : old;
}

/* What is accepted comes back the same. */
static void take_offer(const struct peer *p, const struct guest *g)
{
    struct offer o, again;
    const char *text = peer_text(p);
    if (text == NULL || g == NULL || offer_parse(&o, text, g) != 0)
        return;
    GString *written = offer_write(&o);
    if (offer_parse(&again, written->str, g) != 0)
        abort();
    offer_clear(&again);
    offer_clear(&o);
    g_string_free(written, TRUE);
}

static void take_piece(const struct peer *p)
{
    const uint8_t *data;
    uint64_t at;
    size_t count;
    if (peer_take_piece(p, &at, &data, &count) == 0 && (count == 0 || count > STORAGE_PIECE))
        abort();
}

static void take_all(struct peer *p, const char *types)
{
    struct guest *g = NULL;
    while (peer_receive(p, types) == 0) {
        if (p->data[p->length] != '\0')
            abort();
        if (p->type == 'G')
            g = take_guest(p, g);
        take_offer(p, g);
        take_piece(p);
        const char *text = peer_text(p);
        if (text != NULL && strlen(text) > p->length)
            abort();
    }
    guest_free(g);
}

/* The checksums of the frames that are whole. */
static void mend(uint8_t *data, size_t size)
{
    for (size_t at = 0; at + 12 <= size;) {
        uint32_t length;
        memcpy(&length, data + at + 4, sizeof length);
        length = GUINT32_FROM_LE(length);
        if (length > size - at - 12)
            return;
        uint32_t crc = GUINT32_TO_LE((uint32_t)crc32(crc32(0, NULL, 0), data + at + 12, length));
        memcpy(data + at + 8, &crc, sizeof crc);
        at += 12 + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"HQGONSVDEPCB", "HARX", "GO", "DE"};
    struct peer p;
    if (size < 1 || size > INPUT_MOST)
        return 0;
    int fd = memfd_create("frames", MFD_CLOEXEC);
    static uint8_t frames[INPUT_MOST];
    memcpy(frames, data + 1, size - 1);
    if ((data[0] & 4) == 0)
        mend(frames, size - 1);
    if (fd < 0 || write(fd, frames, size - 1) != (ssize_t)(size - 1))
        abort();
    lseek(fd, 0, SEEK_SET);
    peer_init(&p, fd, -1);
    take_all(&p, types[data[0] % G_N_ELEMENTS(types)]);
    peer_clear(&p);
    close(fd);
    return 0;
}
