/* Resource statements of the hpvm commands: "disk:scsi:0,1,0:file:/path",
 * "network:lan:0,0,0x00306E39F70B:vswitch:localnet:portid:1".
 *
 * Parses, prints and checks one statement by itself. Does not look at the host's files and knows
 * no guest: addresses are filled in by guest_place_device.
 */
#ifndef KITTSON_VMP_RESOURCE_H
#define KITTSON_VMP_RESOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RESOURCE_BUSES = 7, /* buses 0-6; bus 7 is reserved */
    RESOURCE_SLOTS = 8,
    RESOURCE_TARGETS = 15, /* target 15 is the adapter itself */
    RESOURCE_PORTS = 100,
    RESOURCE_DEVICE_MAX = 1023,
    RESOURCE_SWITCH_MAX = 8,
};

struct resource {
    bool network;
    bool has_mac;
    int bus, slot, target; /* -1: not given */
    int port;              /* vswitch port, 0: not given */
    uint8_t mac[6];
    char type[8];     /* disk dvd tape changer burner hba network */
    char adapter[12]; /* scsi avio_stor lan */
    char storage[8];  /* disk lv file null attach vswitch, "" when the host part is missing */
    char device[RESOURCE_DEVICE_MAX + 1]; /* host path or vswitch name */
};

/* What a statement is for decides which parts it needs: -a the host part, -m the address,
 * -d either. */
enum resource_use { RESOURCE_ADD, RESOURCE_MODIFY, RESOURCE_DELETE };

/* 0, or -EINVAL with a sentence in why. */
int resource_parse(const char *text, enum resource_use use, struct resource *r, char *why,
                   size_t size);

/* Checks of a complete device, also of one read from a configuration file. */
int resource_check(const struct resource *r, char *why, size_t size);

/* The statement as hpvmstatus -d prints it. */
void resource_print(const struct resource *r, char *out, size_t size);

/* "0xaabbcc001122" or "aa-bb-cc-00-11-22". 0 or -EINVAL. */
int resource_parse_mac(const char *s, uint8_t mac[6]);

/* Same guest address, where both give it; only bus and slot count for networks and adapters. */
bool resource_same_address(const struct resource *a, const struct resource *b);

#endif
