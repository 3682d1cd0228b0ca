/* Which port an address was seen on, per VLAN: a bounded hash table with ageing.
 *
 * Registered addresses (fixed) are neither aged nor moved, and always fit.
 */
#ifndef KITTSON_VSWITCH_MAC_TABLE_H
#define KITTSON_VSWITCH_MAC_TABLE_H

#include <glib.h>
#include <stdbool.h>
#include "netdev.h"

#define MAC_TABLE_MAX 4096u /* learned ones */

struct mac_entry {
    uint64_t key, seen; /* nanoseconds */
    unsigned port;
    bool fixed;
};

/* vlan: -1 to 4094. */
uint64_t mac_key(const uint8_t *mac, int vlan);

GHashTable *mac_table_new(void);
/* NULL: not known. */
struct mac_entry *mac_table_find(GHashTable *t, uint64_t key);
struct mac_entry *mac_table_add(GHashTable *t, uint64_t key, unsigned port, bool fixed,
                                uint64_t now);
/* Removes what was not seen since `before`; told(opaque, port) for each. */
void mac_table_age(GHashTable *t, uint64_t before, void (*told)(void *opaque, unsigned port),
                   void *opaque);
/* Removes all of a port, the fixed ones too. */
void mac_table_forget(GHashTable *t, unsigned port);

#endif
