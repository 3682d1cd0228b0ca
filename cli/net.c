/* See net.h. */
#include "net.h"
#include "rundir.h"
#include "switch_proto.h"
#include "text.h"
#include "user_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NET_RULE                                                                                   \
    "give none, user, switch:NAME or tap:INTERFACE, then [,mac=M][,pcap=FILE] and more words"
#define SWITCH_RULE "give switch:NAME[,port=1 to 100][,vlan=0 to 4094][,mac=M][,pcap=FILE]"
#define MAC_RULE    "give a unicast address such as 0x02AABBCC0011 or 02-aa-bb-cc-00-11"

static int bad(char *why, size_t size, const char *value, const char *rule)
{
    snprintf(why, size, "--net %s: %s", value[0] != '\0' ? value : "(empty)", rule);
    return -EINVAL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Twelve digits after 0x, or six pairs with dashes or colons between. */
static int parse_mac(const char *s, uint8_t mac[NET_MAC_SIZE])
{
    bool plain = strncmp(s, "0x", 2) == 0;

    if (plain)
        s += 2;
    for (unsigned i = 0; i < NET_MAC_SIZE; i++) {
        if (i > 0 && !plain && *s != '-' && *s != ':')
            return -EINVAL;
        s += i > 0 && !plain;
        int high = hex_digit(s[0]), low = high < 0 ? -1 : hex_digit(s[1]);
        if (low < 0)
            return -EINVAL;
        mac[i] = (uint8_t)(high << 4 | low);
        s += 2;
    }
    static const uint8_t zero[NET_MAC_SIZE];
    return *s != '\0' || (mac[0] & 1) || memcmp(mac, zero, NET_MAC_SIZE) == 0 ? -EINVAL : 0;
}

/* Words of every kind. -ENOENT: none of them. */
static int parse_common(struct machine_nic *nic, const char *word, const char **rule)
{
    if (strncmp(word, "mac=", 4) == 0) {
        *rule = MAC_RULE;
        nic->has_mac = true;
        return parse_mac(word + 4, nic->mac);
    }
    if (strncmp(word, "pcap=", 5) == 0) {
        *rule = "give the name of a file";
        nic->pcap = word + 5;
        return word[5] != '\0' ? 0 : -EINVAL;
    }
    return -ENOENT;
}

static int parse_switch_word(struct machine_nic *nic, const char *word, const char **rule)
{
    uint64_t n;

    *rule = SWITCH_RULE;
    if (strncmp(word, "port=", 5) == 0 && text_parse_number(word + 5, 1, SWITCH_PORTS, &n) == 0) {
        nic->port = (unsigned)n;
        return 0;
    }
    if (strncmp(word, "vlan=", 5) == 0 &&
        text_parse_number(word + 5, 0, SWITCH_VLAN_MAX, &n) == 0) {
        nic->vlan = (int)n;
        return 0;
    }
    if (strncmp(word, "guest=", 6) == 0 && word[6] != '\0') {
        nic->guest = word + 6;
        return 0;
    }
    return -EINVAL;
}

/* Looks whether a word is right here, so that the switch need not say; it gets the text. */
static int parse_user_word(char *uplink, const char *word, const char **rule)
{
    struct user_options o = {0};
    int err = user_parse_word(&o, word, rule);

    if (err == -ENOENT)
        *rule = NET_RULE;
    if (err == 0 && strlen(uplink) + strlen(word) + 2 <= NET_TEXT_SIZE)
        strcat(strcat(uplink, ","), word);
    return err;
}

static int parse_word(struct net_args *a, struct machine_nic *nic, const char *word,
                      const char **rule)
{
    char *uplink = a->uplink[a->nics - 1];
    int err = parse_common(nic, word, rule);

    if (err != -ENOENT)
        return err;
    if (nic->switch_name != NULL)
        return parse_switch_word(nic, word, rule);
    if (strncmp(uplink, "user", 4) == 0)
        return parse_user_word(uplink, word, rule);
    *rule = "give tap:INTERFACE[,mac=M][,pcap=FILE]";
    return -EINVAL;
}

/* The first word. */
static int parse_kind(struct net_args *a, struct machine_nic *nic, const char *kind,
                      const char **rule)
{
    *rule = NET_RULE;
    if (strncmp(kind, "switch:", 7) == 0) {
        *rule = "a switch has a name of 1 to 8 letters, digits, '.', '-' and '_'";
        nic->switch_name = kind + 7;
        return rundir_switch_name(nic->switch_name) ? 0 : -EINVAL;
    }
    if (strcmp(kind, "user") != 0 && (strncmp(kind, "tap:", 4) != 0 || kind[4] == '\0'))
        return -EINVAL;
    nic->uplink = strcpy(a->uplink[a->nics - 1], kind);
    return 0;
}

/* Adapters are in slots 1, 2, 3 and so on of bus 0, after the SCSI adapter. */
int net_parse(struct net_args *a, const char *value, char *why, size_t size)
{
    const char *rule = NET_RULE;
    char *rest, *word;

    if (strcmp(value, "none") == 0)
        return 0;
    if (a->nics == MACHINE_MAX_NICS)
        return bad(why, size, value, "there is room for 7 adapters");
    if (strlen(value) >= NET_TEXT_SIZE)
        return bad(why, size, "(too long)", rule);
    struct machine_nic *nic = &a->nic[a->nics];
    rest = strcpy(a->text[a->nics], value);
    *nic = (struct machine_nic){.slot = ++a->nics, .vlan = SWITCH_VLAN_NONE};
    word = strsep(&rest, ",");
    int err = parse_kind(a, nic, word, &rule);
    while (err == 0 && rest != NULL) {
        word = strsep(&rest, ",");
        err = parse_word(a, nic, word, &rule);
    }
    return err == 0 ? 0 : bad(why, size, word, rule);
}
