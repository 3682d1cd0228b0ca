/* See net.h. */
#include "net.h"
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NET_RULE                                                                                   \
    "give none or user[,hostfwd=tcp:ADDR:PORT-:PORT]...[,tftp=DIR][,bootfile=F][,mac=M]"
#define FORWARD_RULE "give hostfwd=tcp:ADDR:PORT-[ADDR]:PORT or udp:, ADDR an IPv4 address"
#define MAC_RULE     "give a unicast address such as 0x02AABBCC0011 or 02-aa-bb-cc-00-11"

#define BOOTFILE_RULE "give a name of 1 to 127 bytes"

#define WORD_SIZE 64

static int bad(char *why, size_t size, const char *value, const char *rule)
{
    snprintf(why, size, "--net %s: %s", value[0] != '\0' ? value : "(empty)", rule);
    return -EINVAL;
}

/* ADDR:PORT; an empty address is 0. */
static int parse_place(char *text, uint32_t *addr, uint16_t *port)
{
    char *colon = strrchr(text, ':');
    struct in_addr in = {0};
    uint64_t n;

    if (colon == NULL || text_parse_number(colon + 1, 1, 65535, &n) != 0)
        return -EINVAL;
    *colon = '\0';
    if (text[0] != '\0' && inet_pton(AF_INET, text, &in) != 1)
        return -EINVAL;
    *addr = ntohl(in.s_addr);
    *port = (uint16_t)n;
    return 0;
}

static int parse_forward(const char *value, struct usernet_forward *f)
{
    char text[WORD_SIZE], *dash;

    if (strlen(value) >= sizeof text)
        return -EINVAL;
    strcpy(text, value);
    dash = strchr(text, '-');
    f->udp = strncmp(text, "udp:", 4) == 0;
    if (dash == NULL || (!f->udp && strncmp(text, "tcp:", 4) != 0))
        return -EINVAL;
    *dash = '\0';
    if (parse_place(text + 4, &f->host_addr, &f->host_port) != 0)
        return -EINVAL;
    return parse_place(dash + 1, &f->guest_addr, &f->guest_port);
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

static int parse_word(struct net_args *a, struct machine_nic *nic, const char *word, char *why,
                      size_t size)
{
    if (strncmp(word, "mac=", 4) == 0) {
        nic->has_mac = true;
        return parse_mac(word + 4, nic->mac) == 0 ? 0 : bad(why, size, word, MAC_RULE);
    }
    if (strncmp(word, "tftp=", 5) == 0) {
        nic->tftp = strcpy(a->tftp[a->nics - 1], word + 5);
        return 0;
    }
    if (strncmp(word, "bootfile=", 9) == 0) {
        if (word[9] == '\0' || strlen(word + 9) >= NET_BOOTFILE_SIZE)
            return bad(why, size, word, BOOTFILE_RULE);
        nic->bootfile = strcpy(a->bootfile[a->nics - 1], word + 9);
        return 0;
    }
    if (strncmp(word, "hostfwd=", 8) != 0)
        return bad(why, size, word, NET_RULE);
    if (a->forwards == NET_MAX_FORWARDS)
        return bad(why, size, word, "there is room for 64 forwards");
    if (parse_forward(word + 8, &a->forward[a->forwards]) != 0)
        return bad(why, size, word, FORWARD_RULE);
    a->forwards++;
    nic->forward_count++;
    return 0;
}

/* Adapters are in slots 1, 2, 3 and so on of bus 0, after the SCSI adapter. */
int net_parse(struct net_args *a, const char *value, char *why, size_t size)
{
    const char *rest = value + 4;
    int err = 0;

    if (strcmp(value, "none") == 0)
        return 0;
    if (strncmp(value, "user", 4) != 0 || (*rest != '\0' && *rest != ','))
        return bad(why, size, value, NET_RULE);
    if (a->nics == MACHINE_MAX_NICS)
        return bad(why, size, value, "there is room for 7 adapters");
    struct machine_nic *nic = &a->nic[a->nics++];
    *nic = (struct machine_nic){.slot = a->nics, .forwards = &a->forward[a->forwards]};
    while (*rest == ',' && err == 0) {
        char word[NET_PATH_SIZE];
        size_t len = strcspn(++rest, ",");
        if (len >= sizeof word)
            return bad(why, size, value, NET_RULE);
        memcpy(word, rest, len);
        word[len] = '\0';
        err = parse_word(a, nic, word, why, size);
        rest += len;
    }
    return err;
}
