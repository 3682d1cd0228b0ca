/* What the two hosts of a migration say to each other (protocol 1), and what each of them remembers
 * of it. Checks everything that comes from the other side; does nothing about it.
 *
 * hpvmmigrate on the source starts `ssh HOST hpvmmigrate --receive` and writes frames to its
 * standard input; answers come from its standard output. A frame is its type, three zero bytes,
 * the length and the CRC-32 of the data, both little-endian, and the data:
 *
 *   source  H  "hpvmmigrate 1 VERSION", first of all; answered by the same
 *           Q  "UUID TOKEN": did this migration arrive? Answered by A
 *           G  the configuration the guest is to have
 *           O  the offer (struct offer as text); answered by R if there are problems, then A
 *           N  variables of the firmware
 *           S  "INDEX": contents of this device follow
 *           D  eight bytes little-endian where, and what is there; in order, zeros left out
 *           V  "INDEX": the contents of this file are to be compared
 *           E  SHA-256 of what S or V began (storage_digest)
 *           P  everything is sent; answered by A when all of it is stable
 *           C  the guest is the target's from now on; answered by A
 *           B  it is to be started; answered by A
 *   target  A  "yes" or "no"
 *           R  lines for the user
 *           X  one sentence: it failed, and the target has undone what it did
 *
 * Before C either side may go away: the target forgets everything. Before it sends C the source
 * notes the destination and a random token in the guest's directory ("migrating"), which keeps
 * the guest from being started; the target keeps the token with the guest ("migrated"). So Q
 * tells what became of a C that was not answered, and the guest is on one host only.
 */
#ifndef KITTSON_VMP_MIGRATION_H
#define KITTSON_VMP_MIGRATION_H

#include "state.h"
#include "storage.h"

#include <glib.h>

enum {
    MIGRATION_NVRAM_MAX = 1 << 20, /* bytes of a variable file (efi/nvram.h) */
    MIGRATION_TEXT_MAX = 64 << 10, /* of an offer or a report */
    MIGRATION_LINE_MAX = 1000,
    MIGRATION_TOKEN_SIZE = 33, /* hexadecimal digits with the NUL */
    MIGRATION_HOST_MAX = 255,
    MIGRATION_ANSWER_SECONDS = 120, /* for the first answer */
};

/* --- frames: migration.c --- */

struct peer {
    int in, out;
    int seconds; /* to wait for a frame; 0: for ever */
    char type;   /* of the last frame that came, and its data, with a NUL behind it */
    uint8_t *data;
    size_t length;
};

void peer_init(struct peer *p, int in, int out);
void peer_clear(struct peer *p); /* frees; does not close */
/* 0 or a negative errno (-EPIPE: the other side is gone). */
int peer_send(struct peer *p, char type, const void *data, size_t length);
int peer_say(struct peer *p, char type, const char *text);
int peer_piece(struct peer *p, uint64_t at, const void *data, size_t count);
/* The next frame, which must be one of these types. 0; -EPIPE: the other side is gone; -EPROTO: it
 * talks nonsense; -ETIMEDOUT. */
int peer_receive(struct peer *p, const char *types);
/* Of a D frame: where it belongs and the data. 0 or -EPROTO. */
int peer_take_piece(const struct peer *p, uint64_t *at, const uint8_t **data, size_t *count);
/* Of a frame of text without control characters other than line ends, else NULL. */
const char *peer_text(const struct peer *p);

/* --- the offer: migration_offer.c --- */

enum offer_kind {
    OFFER_NONE, /* nothing to compare */
    OFFER_COPY, /* its contents are sent; used: without holes */
    OFFER_FILE, /* a file of this size with these contents is there already */
    OFFER_WWID, /* a block device of this name is there already */
};
struct offer_item { /* one device of the configuration, in its order */
    enum offer_kind kind;
    uint64_t bytes, used;
    char wwid[STORAGE_WWID_SIZE];
};
struct offer {
    char token[MIGRATION_TOKEN_SIZE];
    bool force; /* problems are told and do not matter */
    struct offer_item *items;
    unsigned count;
};

void offer_init(struct offer *o, const struct guest *g); /* with a new token */
void offer_clear(struct offer *o);
GString *offer_write(const struct offer *o);
/* For a configuration that came with it. 0, or -EPROTO and a cleared offer. */
int offer_parse(struct offer *o, const char *text, const struct guest *g);
bool migration_token_valid(const char *token);

/* --- what is remembered: migration_mark.c --- */

#define MIGRATION_ARRIVED "migrated" /* the token, in the directory of a guest that came */

struct migration_mark { /* in the directory of a guest that is leaving */
    char host[MIGRATION_HOST_MAX + 1], token[MIGRATION_TOKEN_SIZE];
};

bool migration_host_valid(const char *host);
/* True when there is one; a damaged one has empty texts. */
bool migration_mark_read(struct state *s, const char *uuid, struct migration_mark *m);
int migration_mark_write(struct state *s, const char *uuid, const struct migration_mark *m);
int migration_mark_clear(struct state *s, const char *uuid);
/* Whether the guest came by this migration. */
bool migration_arrived(struct state *s, const char *uuid, const char *token);

/* --- the target: migrate_receive.c --- */

/* hpvmmigrate --receive. */
int migrate_receive(int in, int out);

#endif
