/* See mac_table.h. */
#include "mac_table.h"

uint64_t mac_key(const uint8_t *mac, int vlan)
{
    uint64_t key = (uint64_t)(unsigned)(vlan + 1) << 48;

    for (unsigned i = 0; i < NET_MAC_SIZE; i++)
        key |= (uint64_t)mac[i] << 8 * (NET_MAC_SIZE - 1 - i);
    return key;
}

/* Addresses are guests' choice: the multiplier spreads neighbouring ones. */
static guint hash(gconstpointer key)
{
    return (guint)(*(const uint64_t *)key * 0x9e3779b97f4a7c15ull >> 32);
}

GHashTable *mac_table_new(void)
{
    return g_hash_table_new_full(hash, g_int64_equal, NULL, g_free);
}

struct mac_entry *mac_table_find(GHashTable *t, uint64_t key)
{
    return g_hash_table_lookup(t, &key);
}

struct mac_entry *mac_table_add(GHashTable *t, uint64_t key, unsigned port, bool fixed,
                                uint64_t now)
{
    struct mac_entry *e = g_new(struct mac_entry, 1);

    *e = (struct mac_entry){.key = key, .seen = now, .port = port, .fixed = fixed};
    g_hash_table_replace(t, &e->key, e);
    return e;
}

void mac_table_age(GHashTable *t, uint64_t before, void (*told)(void *opaque, unsigned port),
                   void *opaque)
{
    GHashTableIter i;
    gpointer value;

    g_hash_table_iter_init(&i, t);
    while (g_hash_table_iter_next(&i, NULL, &value)) {
        const struct mac_entry *e = value;
        if (e->fixed || e->seen >= before)
            continue;
        told(opaque, e->port);
        g_hash_table_iter_remove(&i);
    }
}

void mac_table_forget(GHashTable *t, unsigned port)
{
    GHashTableIter i;
    gpointer value;

    g_hash_table_iter_init(&i, t);
    while (g_hash_table_iter_next(&i, NULL, &value))
        if (((const struct mac_entry *)value)->port == port)
            g_hash_table_iter_remove(&i);
}
