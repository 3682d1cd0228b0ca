/* Files of a guest that is arriving from another host. Until the guest is there they have other
 * names (PATH.hpvmmigrate), and a journal in the state (common/incoming-UUID, held locked) tells
 * of them: if their receiver dies, the next command that writes clears them away. Knows nothing
 * of what is in them.
 */
#ifndef KITTSON_VMP_INCOMING_H
#define KITTSON_VMP_INCOMING_H

#include "state.h"

struct incoming;

/* Makes the journal and empty files for paths (char *, of which nothing exists yet). The state is
 * open for writing. NULL with a sentence in why. */
struct incoming *incoming_new(struct state *s, const char *uuid, const GPtrArray *paths, char *why,
                              size_t size);
/* The file that will be paths[i]: a descriptor that stays its owner's, locked for writing. */
int incoming_file(const struct incoming *in, unsigned i);
/* Gives the files their names too. 0, or a negative errno with a sentence: none has. */
int incoming_publish(struct incoming *in, char *why, size_t size);
/* The guest is there (keep), or everything is to be as before. The state is open for writing when
 * it is kept; NULL is nothing. */
void incoming_end(struct incoming *in, bool keep);

/* What dead receivers left; a file stays if its guest is there. The state is open for writing. */
void incoming_clean(struct state *s);

#endif
